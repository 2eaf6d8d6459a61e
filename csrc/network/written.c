/*
 * network/written.c - the slices that a controller has written; see written.h.
 */
#include "network/written.h"

#define PRESENT ((void *)(uintptr_t)1)

ks_written ks_written_copy(const ks_written *written) {
    return (ks_written){.generations = ks_tree_copy(&written->generations),
                        .missing = ks_tree_copy(&written->missing)};
}

void ks_written_clear(ks_heap *heap, ks_written *written) {
    ks_tree_clear(heap, &written->generations);
    ks_tree_clear(heap, &written->missing);
}

static uintptr_t generation_of(const ks_object *slice) {
    return (uintptr_t)ks_int_or(ks_get(slice->meta, K(generation)), 0) + 1;
}

void ks_written_note(ks_sim *sim, ks_written *written, uint64_t owner, uint64_t slice) {
    const ks_object *object = ks_store_by_id(&sim->server.store, KS_ENDPOINTSLICE, slice);
    if (object == NULL) return;
    ks_tree_put(sim->world.heap, &written->generations, (ks_key){owner, slice},
                (void *)generation_of(object));
}

void ks_written_drop(ks_heap *heap, ks_written *written, uint64_t owner, uint64_t slice) {
    ks_tree_del(heap, &written->generations, (ks_key){owner, slice});
    ks_tree_del(heap, &written->missing, (ks_key){owner, slice});
}

void ks_written_forget(ks_heap *heap, ks_written *written, uint64_t owner) {
    ks_tree_del_all(heap, &written->generations, owner);
    ks_tree_del_all(heap, &written->missing, owner);
}

bool ks_written_lacks(const ks_written *written, uint64_t owner) {
    ks_key key;
    return ks_tree_ceiling(&written->missing, (ks_key){owner, 0}, &key, NULL) && key.a == owner;
}

/* onEndpointSliceDelete. What is not said to be the controller's any more is not heard of: it is missed for ever. */
static bool is_missed(ks_heap *heap, ks_written *written, ks_slice_place last, uint64_t slice) {
    if (!last.ours || !last.owner) return false;
    ks_tree_del(heap, &written->missing, (ks_key){last.owner, slice});
    return ks_tree_del(heap, &written->generations, (ks_key){last.owner, slice});
}

/* Notes whether the owner, of which the slice may have been written, finds it. */
static void look_for(ks_heap *heap, ks_written *written, uint64_t owner, const ks_object *slice,
                     bool found) {
    ks_key key = {owner, slice->id};
    if (!owner || !ks_tree_has(&written->generations, key)) return;
    if (found)
        ks_tree_del(heap, &written->missing, key);
    else
        ks_tree_put(heap, &written->missing, key, PRESENT);
}

void ks_written_change(ks_heap *heap, ks_written *written, const ks_change *change,
                       ks_slice_place now, ks_slice_place before, bool resync[2]) {
    const ks_object *slice = change->object, *old = change->old;
    resync[0] = resync[1] = false;
    if (change->type == KS_DELETED) {
        resync[0] = is_missed(heap, written, now, slice->id);
        return;
    }
    bool renamed = old && !ks_equal(ks_get(slice->labels, K(kubernetes_io_service_name)),
                                    ks_get(old->labels, K(kubernetes_io_service_name)));
    look_for(heap, written, now.owner, slice, now.ours && slice->deleting == KS_NEVER);
    if (renamed) {
        look_for(heap, written, before.owner, slice, false);
        resync[0] = resync[1] = true;
        return;
    }
    uintptr_t known = (uintptr_t)ks_tree_get(&written->generations, (ks_key){now.owner, slice->id});
    resync[0] = (old && now.ours != before.ours) || (now.ours && generation_of(slice) > known);
}
