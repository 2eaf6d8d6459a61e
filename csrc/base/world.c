/*
 * base/world.c - the seeded generator behind ks_choose, and the trace.
 *
 * xoshiro256** by Blackman and Vigna (public domain algorithm), seeded through splitmix64.
 */
#include "base/world.h"

#include <string.h>

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void ks_world_init(ks_world *world, ks_heap *heap, uint64_t seed, int64_t epoch) {
    *world = (ks_world){.heap = heap, .epoch = epoch, .trace = KS_HASH_SEED};
    for (int i = 0; i < 4; i++) world->rng[i] = splitmix(&seed);
    world->salt = splitmix(&seed);
}

void ks_world_copied(ks_world *world) {
    for (int i = 0; i < KS_STAMPS; i++) ks_str_ref(world->stamps[i].text);
}

void ks_world_dispose(ks_world *world) {
    for (int i = 0; i < KS_STAMPS; i++) ks_str_unref(world->heap, world->stamps[i].text);
}

static uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

static inline uint64_t next_random(uint64_t s[4]) {
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint32_t ks_choose(ks_world *world, ks_choice kind, uint32_t n) {
    if (kind == KS_CHOOSE_ORDER || kind == KS_CHOOSE_DELIVERY || n == 1) return 0;
    uint64_t random = next_random(world->rng) >> 32;
    if (n == 0) return (uint32_t)random; /* the whole range: 32 bits */
    return (uint32_t)((random * n) >> 32);
}

void ks_choose_words(ks_world *world, ks_choice kind, uint32_t *words, int count) {
    (void)kind;
    uint64_t s[4];
    memcpy(s, world->rng, sizeof s);
    for (int i = 0; i < count; i++) words[i] = (uint32_t)(next_random(s) >> 32);
    memcpy(world->rng, s, sizeof s);
}

void ks_words_of(const ks_world *world, uint64_t number, uint32_t *words, int count) {
    uint64_t state = number, mixed = splitmix(&state) ^ world->salt;
    for (int i = 0; i < count; i++) words[i] = (uint32_t)(splitmix(&mixed) >> 32);
}

void ks_random_suffix(ks_world *world, char *out, int n) {
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    for (int i = 0; i < n; i++) out[i] = alphabet[ks_choose(world, KS_CHOOSE_NAME, 27)];
    out[n] = '\0';
}

uint64_t ks_hash_on(uint64_t hash, const void *bytes, size_t len) {
    const unsigned char *p = bytes;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        hash = ks_hash_word_on(hash, word);
    }
    for (size_t i = 0; i < len; i++) hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

void ks_trace(ks_world *world, const void *bytes, size_t len) {
    world->trace = ks_hash_on(world->trace, bytes, len);
}

int64_t ks_unix(const ks_world *world, int64_t instant) {
    int64_t seconds = instant / KS_SECOND;
    if (instant % KS_SECOND < 0) seconds--;
    return world->epoch + seconds;
}
