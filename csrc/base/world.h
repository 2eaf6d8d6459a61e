/*
 * base/world.h - what every room of a cluster shares: memory, virtual time, the one door for choice.
 *
 * Times are nanoseconds since the start of the simulation; `epoch` is the Unix time of that start.
 * Wherever a real cluster could go either way, code calls ks_choose(): a seeded generator answers by
 * default. No other source of randomness, no other clock exists in the core.
 */
#ifndef KS_BASE_WORLD_H
#define KS_BASE_WORLD_H

#include "base/str.h"

#define KS_SECOND      INT64_C(1000000000)
#define KS_MILLISECOND INT64_C(1000000)
#define KS_NEVER       INT64_MAX
#define KS_LAST                                                                                    \
    (INT64_C(1) << 62) /* the clock ends here, after 146 years: sums of instants and waits hold */

/* A number of seconds that a person wrote, in ns; beyond what a clock holds: KS_NEVER, -KS_NEVER. */
static inline int64_t ks_seconds(int64_t seconds) {
    if (seconds > KS_NEVER / KS_SECOND) return KS_NEVER;
    return seconds < -(KS_NEVER / KS_SECOND) ? -KS_NEVER : seconds * KS_SECOND;
}

/* The instant that long after another one, or KS_NEVER; `span` may be negative. */
static inline int64_t ks_after(int64_t instant, int64_t span) {
    return span > 0 && instant > KS_NEVER - span ? KS_NEVER : instant + span;
}

/* What is being chosen. Order and delivery are 0 (the first) unless someone explores; faults are chosen only where they were asked
 * for. */
typedef enum ks_choice {
    KS_CHOOSE_NAME,     /* a character of a random name suffix */
    KS_CHOOSE_UID,      /* 32 bits of a uid */
    KS_CHOOSE_TIE,      /* which of several equally good nodes */
    KS_CHOOSE_JITTER,   /* how late, within a distribution */
    KS_CHOOSE_ORDER,    /* which ready work item runs next */
    KS_CHOOSE_DELIVERY, /* how late a watch event arrives */
    KS_CHOOSE_FAULT,    /* whether a fault strikes now */
} ks_choice;

enum { KS_STAMPS = 8 };

typedef struct ks_world {
    ks_heap *heap;
    int64_t now;     /* ns since the start */
    int64_t epoch;   /* Unix seconds of the start */
    uint64_t rng[4]; /* xoshiro256** state, from the seed */
    uint64_t salt;   /* from the seed, too: ks_words_of() */
    /* The texts of seconds that were asked for lately: what is written about one of them shares it. Private to api/time.c. */
    struct {
        const ks_str *text; /* counted; NULL: none */
        int64_t second;
    } stamps[KS_STAMPS];
    uint64_t trace; /* running hash of all that happened: equal runs have equal traces */
} ks_world;

void ks_world_init(ks_world *world, ks_heap *heap, uint64_t seed, int64_t epoch);
/* After a copy by assignment: counts up what both hold. */
void ks_world_copied(ks_world *world);
void ks_world_dispose(ks_world *world);
/* An answer in 0..n-1; n = 0 stands for the whole range of 32 bits. */
uint32_t ks_choose(ks_world *world, ks_choice kind, uint32_t n);
/* `count` answers, each of the whole range: as asking that often. */
void ks_choose_words(ks_world *world, ks_choice kind, uint32_t *words, int count);
/* `count` words that belong to a number, the same whenever they are asked for: for what is one of masses and mostly not looked at. */
void ks_words_of(const ks_world *world, uint64_t number, uint32_t *words, int count);
/* 5 (or n) characters of Kubernetes' suffix alphabet, NUL-terminated: out needs n + 1 bytes.
 * k8s.io/apimachinery/pkg/util/rand/rand.go: String. */
void ks_random_suffix(ks_world *world, char *out, int n);
/* A hash that goes on over more bytes; it begins with KS_HASH_SEED. Where the bytes are parted counts. */
#define KS_HASH_SEED UINT64_C(0xcbf29ce484222325)
uint64_t ks_hash_on(uint64_t hash, const void *bytes, size_t len);
/* A word more. */
static inline uint64_t ks_hash_word_on(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 32;
}
/* Mixes bytes into the trace. */
void ks_trace(ks_world *world, const void *bytes, size_t len);
/* The same for words. */
static inline void ks_trace_words(ks_world *world, const uint64_t *words, int count) {
    uint64_t hash = world->trace;
    for (int i = 0; i < count; i++) hash = ks_hash_word_on(hash, words[i]);
    world->trace = hash;
}
/* Unix seconds of a virtual instant, rounded down: what time stamps of objects show. */
int64_t ks_unix(const ks_world *world, int64_t instant);

#endif
