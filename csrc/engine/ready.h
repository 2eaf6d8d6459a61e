/*
 * engine/ready.h - the keys that are ready to be worked on, in the order in which they were queued.
 *
 * A persistent row: what is added stands in pages, and forks and snapshots share these. Each knows how much of the last page is its
 * own, and the first of them that adds something adds it in place. Adding and taking a key is a few instructions, whatever waits.
 * Called by sim.c, which also sees to it that no key stands here twice. The scheduler has such a row of its own (scheduler/leftovers.c).
 */
#ifndef KS_ENGINE_READY_H
#define KS_ENGINE_READY_H

#include "base/ids.h"

typedef struct ks_ready_key {
    uint64_t place; /* in the order of all that waits: sim.c */
    uint64_t key;
} ks_ready_key;

typedef struct ks_ready {
    ks_ids full;                       /* number -> page: those before the last one */
    const struct ks_ready_page *front; /* the first of those, whose count `full` has; NULL: none */
    struct ks_ready_page *page;        /* the last one; NULL: nothing was ever added */
    uint64_t first, next;              /* numbers: of the first full page, and of the next */
    uint32_t read;                     /* how many keys of the first page have been taken */
    uint32_t written;                  /* how many of those in the last page are in this row */
} ks_ready;

void ks_ready_init(ks_ready *ready);
/* After a copy by assignment. */
void ks_ready_copied(const ks_ready *ready);
void ks_ready_clear(ks_heap *heap, ks_ready *ready);
void ks_ready_add(ks_heap *heap, ks_ready *ready, ks_ready_key key);
/* The first one, until the row changes; NULL when there is none. */
const ks_ready_key *ks_ready_first(const ks_ready *ready);
/* The first ones that stand together, until the row changes, and how many they are; those behind them. */
uint32_t ks_ready_front(const ks_ready *ready, const ks_ready_key **keys);
uint32_t ks_ready_behind(const ks_ready *ready, const ks_ready_key **keys);
/* Takes the first one, which is there. */
ks_ready_key ks_ready_take(ks_heap *heap, ks_ready *ready);

#endif
