/*
 * controllers/expectations.c - see expectations.h.
 */
#include "controllers/expectations.h"

#define TIMEOUT (5 * 60 * KS_SECOND)

ks_expectations ks_expectations_copy(const ks_expectations *e) {
    ks_expectations copy = *e;
    copy.going = ks_tree_copy(&e->going);
    return copy;
}

void ks_expectations_clear(ks_heap *heap, ks_expectations *e) { ks_tree_clear(heap, &e->going); }

bool ks_expectations_met(const ks_sim *sim, const ks_expectations *e) {
    return (e->adds <= 0 && e->dels <= 0) || sim->world.now - e->since >= TIMEOUT;
}

void ks_expect_creations(const ks_sim *sim, ks_expectations *e, int64_t count) {
    e->adds = count;
    e->dels = 0;
    e->since = sim->world.now;
}

void ks_expect_deletions(ks_sim *sim, ks_expectations *e) {
    ks_tree_clear(sim->world.heap, &e->going);
    e->adds = e->dels = 0;
    e->since = sim->world.now;
}

void ks_expect_deletion(ks_heap *heap, ks_expectations *e, uint64_t pod) {
    ks_tree_put(heap, &e->going, (ks_key){0, pod}, (void *)(uintptr_t)1);
    e->dels++;
}

void ks_deletion_observed(ks_heap *heap, ks_expectations *e, uint64_t pod) {
    if (e->going.count > 0 && ks_tree_del(heap, &e->going, (ks_key){0, pod})) e->dels--;
}
