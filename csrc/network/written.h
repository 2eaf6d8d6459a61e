/*
 * network/written.h - the slices that a controller has written, and what others have done to them
 * (k8s.io/endpointslice/util/endpointslice_tracker.go).
 *
 * A controller of slices looks at what somebody else has written if it is newer than what it has written itself. And it waits for a slice
 * that it does not find where it looks for its own: it takes its cache for late. An owner is the id of what the slices are made for.
 */
#ifndef KS_NETWORK_WRITTEN_H
#define KS_NETWORK_WRITTEN_H

#include "engine/sim.h"

typedef struct ks_written {
    ks_tree generations; /* {owner, slice id} -> generation, plus one, as it was written last */
    ks_tree
        missing; /* {owner, slice id} -> 1: of these, those that others have made such that they are not found */
} ks_written;

ks_written ks_written_copy(const ks_written *written);
void ks_written_clear(ks_heap *heap, ks_written *written);

/* The slice has been written, and stands in the server's store; or it has been deleted. */
void ks_written_note(ks_sim *sim, ks_written *written, uint64_t owner, uint64_t slice);
void ks_written_drop(ks_heap *heap, ks_written *written, uint64_t owner, uint64_t slice);
/* Nothing is known of the owner's slices any more. */
void ks_written_forget(ks_heap *heap, ks_written *written, uint64_t owner);
/* Whether the owner's slices are not to be looked at, because one is missing. */
bool ks_written_lacks(const ks_written *written, uint64_t owner);

/* A slice is its controller's, and of its owner: where the label kubernetes.io/service-name says so. */
typedef struct ks_slice_place {
    bool ours;
    uint64_t owner; /* 0: there is none of that name */
} ks_slice_place;

/* Notes what somebody else has done. Whether *now's owner and *before's are to be looked at is in `resync`, in that order. */
void ks_written_change(ks_heap *heap, ks_written *written, const ks_change *change,
                       ks_slice_place now, ks_slice_place before, bool resync[2]);

#endif
