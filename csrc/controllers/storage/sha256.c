/*
 * controllers/storage/sha256.c - SHA-256; see sha256.h. The constants are the fractions of roots of primes, worked out
 * once per call in integers, as the standard defines them.
 */
#include "controllers/storage/sha256.h"

#include <stdint.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

/* The first 32 bits behind the point of the square root of p. */
static uint32_t root2(uint32_t p) {
    uint64_t low = 0, high = (uint64_t)32 << 32; /* roots are below 32 */
    while (high - low > 1) {
        uint64_t mid = (low + high) / 2;
        if ((wide)mid * mid <= (wide)p << 64)
            low = mid;
        else
            high = mid;
    }
    return (uint32_t)low;
}

/* The same of the cube root: p < 512, so the root is below 8 and mid^3 below 2^105. */
static uint32_t root3(uint32_t p) {
    uint64_t low = 0, high = (uint64_t)8 << 32;
    while (high - low > 1) {
        uint64_t mid = (low + high) / 2;
        if ((wide)mid * mid * mid <= (wide)p << 96)
            low = mid;
        else
            high = mid;
    }
    return (uint32_t)low;
}

static void primes(uint32_t out[64]) {
    int count = 0;
    for (uint32_t n = 2; count < 64; n++) {
        int prime = 1;
        for (int i = 0; i < count; i++)
            if (n % out[i] == 0) prime = 0;
        if (prime) out[count++] = n;
    }
}

static void block(uint32_t state[8], const uint32_t k[64], const unsigned char *p) {
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + s1 + choice + k[i] + w[i];
        uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof v[0]);
        v[4] += t1;
        v[0] = t1 + s0 + majority;
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
}

void ks_sha256_hex(const char *s, size_t len, char out[65]) {
    uint32_t p[64], k[64], state[8];
    primes(p);
    for (int i = 0; i < 64; i++) k[i] = root3(p[i]);
    for (int i = 0; i < 8; i++) state[i] = root2(p[i]);
    unsigned char tail[128] = {0};
    size_t whole = len / 64 * 64, rest = len - whole, size = rest < 56 ? 64 : 128;
    for (size_t i = 0; i < whole; i += 64) block(state, k, (const unsigned char *)s + i);
    memcpy(tail, s + whole, rest);
    tail[rest] = 0x80;
    for (int i = 0; i < 8; i++)
        tail[size - 1 - (size_t)i] = (unsigned char)((uint64_t)len * 8 >> (8 * i));
    for (size_t i = 0; i < size; i += 64) block(state, k, tail + i);
    for (int i = 0; i < 64; i++)
        out[i] = "0123456789abcdef"[state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    out[64] = '\0';
}
