/*
 * controllers/expectations.h - what a controller has done and not heard of yet: pkg/controller/controller_utils.go:
 * UIDTrackingControllerExpectations.
 *
 * A ReplicaSet that has made three pods must not count what it sees before it has seen those three, or it makes three more. So it
 * writes down how many creations and which deletions it expects to hear of, and leaves its pods alone until then, or for five minutes.
 */
#ifndef KS_CONTROLLERS_EXPECTATIONS_H
#define KS_CONTROLLERS_EXPECTATIONS_H

#include "engine/sim.h"

typedef struct ks_expectations {
    int64_t adds, dels; /* still to be heard of; below 0: more than was expected */
    int64_t since;      /* the instant at which they were set */
    ks_tree going;      /* {0, pod id}: whose deletion is expected */
} ks_expectations;

ks_expectations ks_expectations_copy(const ks_expectations *e);
void ks_expectations_clear(ks_heap *heap, ks_expectations *e);
/* All heard of, or so old that nobody waits any more. */
bool ks_expectations_met(const ks_sim *sim, const ks_expectations *e);
/* Sets what is expected: so many creations. */
void ks_expect_creations(const ks_sim *sim, ks_expectations *e, int64_t count);
/* Sets what is expected: the deletions that ks_expect_deletion() then names. */
void ks_expect_deletions(ks_sim *sim, ks_expectations *e);
void ks_expect_deletion(ks_heap *heap, ks_expectations *e, uint64_t pod);
/* Heard of, or not to be expected any more. */
static inline void ks_creation_observed(ks_expectations *e) { e->adds--; }
void ks_deletion_observed(ks_heap *heap, ks_expectations *e, uint64_t pod);

#endif
