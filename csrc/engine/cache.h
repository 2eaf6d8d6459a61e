/*
 * engine/cache.h - what a component knows that hears of changes late: the caches of its informers.
 *
 * A component reads from ks_view(sim): the newest state, as long as its watches deliver at once. One whose watches lag has a
 * store of its own instead, which began as a copy of the cluster's (O(1)) and follows it change by change as these are
 * delivered, indexes and all. Each kind is a watch of its own: its changes arrive in the order in which they were written,
 * those of different kinds need not (k8s.io/client-go/tools/cache: a Reflector a kind). Called by sim.c alone.
 */
#ifndef KS_ENGINE_CACHE_H
#define KS_ENGINE_CACHE_H

#include "engine/sim.h"

/* Counted: forks share it until one of them hears of something. */
typedef struct ks_cache {
    uint32_t refs;
    ks_store store;             /* as of what has been delivered */
    ks_tree late;               /* {kind, version} -> a change on its way; private to cache.c */
    int64_t due[KS_KIND_COUNT]; /* of the last change of a kind: none overtakes it */
} ks_cache;

ks_cache *ks_cache_ref(ks_cache *cache);
void ks_cache_unref(ks_heap *heap, ks_cache *cache);

/* A change has been written: sends it on its way to a component that has a cache. */
void ks_cache_send(ks_sim *sim, int component, const ks_change *change);
/* Works on an agenda entry of KS_DELIVERY. `step` may be NULL. */
void ks_cache_deliver(ks_sim *sim, uint64_t key, ks_step *step);
/* The component knows all that there is, as after listing anew: nothing is on its way any more. */
void ks_cache_renew(ks_sim *sim, int component);

/* The agenda's "component" whose keys are changes that arrive: the last number that an entry has room for. */
enum { KS_DELIVERY = 31 };
/* --- sim.c --- */
/* A component has observed something, or worked: it may follow something now, or nothing any more. */
void ks_note_idle(ks_sim *sim, int component);
/* A component's state, for changing. */
void *ks_state_own(ks_sim *sim, int component);
ks_key ks_agenda_add(ks_sim *sim, int component, uint64_t key, int64_t instant);
int64_t ks_agenda_instant(ks_key at);

#endif
