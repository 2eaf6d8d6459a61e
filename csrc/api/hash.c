/*
 * api/hash.c - the hashes behind generated names: of pod templates, of revisions.
 *
 * hash/fnv of Go; k8s.io/apimachinery/pkg/util/rand: SafeEncodeString.
 */
#include "api/values.h"

#include <stdio.h>

uint32_t ks_fnv32(const char *s, size_t len) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < len; i++) hash = (hash * 16777619u) ^ (unsigned char)s[i];
    return hash;
}

uint32_t ks_fnv32a(const char *s, size_t len) { return ks_hash_bytes(s, len); }

int ks_safe_encode(uint32_t sum, char *out) {
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    int len = sprintf(out, "%lu", (unsigned long)sum);
    for (int i = 0; i < len; i++) out[i] = letters[out[i] % 27];
    return len;
}
