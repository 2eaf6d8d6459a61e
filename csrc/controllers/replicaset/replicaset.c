/*
 * controllers/replicaset/replicaset.c - the ReplicaSet controller: pkg/controller/replicaset/replica_set.go.
 *
 * Keys are ids of ReplicaSets. What keeps it from counting wrong where its own writes come back late are its expectations, and since
 * 1.36 that it does not look at a set at all before it has seen what it wrote for it (pkg/controller/util/consistency).
 */
#include "controllers/replicaset/internal.h"

static void *create(ks_sim *sim) {
    rs_state *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_replicaset_controller);
    st->entries.type = &rs_entry_type;
    return st;
}

static void *copy(ks_sim *sim, const void *state) {
    const rs_state *from = state;
    rs_state *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = (rs_state){from->index,
                     ks_ids_copy(&from->entries),
                     ks_tree_copy(&from->loose),
                     ks_tree_copy(&from->hashes),
                     ks_tree_copy(&from->strays),
                     ks_tree_copy(&from->newborn)};
    return st;
}

static void dispose(ks_heap *heap, void *state) {
    rs_state *st = state;
    ks_ids_clear(heap, &st->entries);
    ks_tree_clear(heap, &st->loose);
    ks_tree_clear(heap, &st->hashes);
    ks_tree_clear(heap, &st->strays);
    ks_tree_clear(heap, &st->newborn);
    ks_free(heap, st, sizeof *st);
}

/* --- what is noticed --- */

static void observe_set(ks_sim *sim, rs_state *st, const ks_change *change) {
    const ks_object *rs = change->object;
    if (change->type == KS_DELETED) {
        rs_entry_forget(sim, st, rs->id);
        ks_forget_resync(sim, st->index, rs->id);
        return;
    }
    if (change->old == NULL || rs_entry_outdated(rs, change->old)) rs_entry_build(sim, st, rs);
    ks_enqueue(sim, st->index, rs->id);
}

/* The live ReplicaSet that controls a version of a pod, or NULL. */
static const ks_object *owner_of(const ks_sim *sim, const ks_object *pod) {
    return ks_store_controller(ks_view(sim), pod, KS_REPLICASET);
}

/* `told`: the set gets to know. */
static void forget_pod(ks_sim *sim, rs_state *st, const ks_object *owner, const ks_object *pod,
                       bool told) {
    rs_entry *e = rs_entry_of(sim->world.heap, st, owner->id);
    if (e != NULL) rs_entry_drop(sim, e, pod);
    if (!told) return;
    if (e != NULL) ks_deletion_observed(sim->world.heap, &e->expected, pod->id);
    if (e != NULL && e->going == pod->id) e->gone = true;
    ks_enqueue(sim, st->index, owner->id);
}

/* Every set whose selector matches a pod that nobody controls. */
static void offer_orphan(ks_sim *sim, rs_state *st, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    uint64_t how = pod->node == NULL ? RS_NEWBORN : RS_ORPHAN;
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_REPLICASET, pod->ns); ks_walk_next(&w);) {
        const rs_entry *seen = ks_ids_get(&st->entries, w.object->id);
        if (seen == NULL || seen->selector == NULL ||
            !ks_selector_matches(seen->selector, pod->labels))
            continue;
        if (ks_pod_active(pod)) {
            rs_entry *e = rs_entry_of(heap, st, w.object->id);
            ks_tree_put(heap, &e->orphans, (ks_key){0, pod->id}, ks_word(how));
        }
        ks_enqueue(sim, st->index, w.object->id);
    }
}

/* A pod that turned Ready is looked at again when it becomes available. */
static void arm_availability(ks_sim *sim, rs_state *st, const ks_change *change, uint64_t set,
                             int64_t min_ready) {
    if (min_ready == 0 || change->old == NULL) return;
    if (!change->object->ready || change->old->ready) return;
    ks_enqueue_at(sim, st->index, set, sim->world.now + min_ready * KS_SECOND);
}

static bool same_owner(const ks_object *a, const ks_object *b) {
    return a->owner_uid == b->owner_uid || ks_str_eq(a->owner_uid, b->owner_uid);
}

/* Whether the entry counts both versions alike: all that it looks at is the very same. Whether a pod that waits has become
 * available meanwhile is for rs_entry_ripen() to say. */
static bool counted_alike(const ks_object *a, const ks_object *b) {
    return ks_identical(a->meta, b->meta) && a->node == b->node && a->phase == b->phase &&
           a->ready == b->ready && a->ready_since == b->ready_since && a->restarted == b->restarted;
}

static void observe_pod(ks_sim *sim, rs_state *st, const ks_change *change) {
    const ks_object *pod = change->object, *old = change->old;
    ks_keep_loose(sim->world.heap, &st->loose, change);
    if (change->type == KS_DELETED) {
        const ks_object *owner = owner_of(sim, pod);
        if (owner != NULL) forget_pod(sim, st, owner, pod, true);
        rs_stray(sim, st, pod, true);
        return;
    }
    bool moved = old != NULL && !same_owner(old, pod);
    if (moved) {
        const ks_object *former = owner_of(sim, old);
        /* updatePod: a terminating pod counts as gone from whoever has it by now, and from the former owner if its labels changed too */
        bool told = !ks_object_terminating(pod) || !ks_equal(old->labels, pod->labels);
        if (former != NULL) forget_pod(sim, st, former, old, told);
    }
    if (pod->owner_uid != NULL) {
        const ks_object *owner = owner_of(sim, pod);
        rs_entry *e = owner == NULL ? NULL : rs_entry_of(sim->world.heap, st, owner->id);
        if (e == NULL) {
            rs_stray(sim, st, pod, false);
            return;
        }
        if (old == NULL || !counted_alike(old, pod)) rs_entry_put(sim, st, e, pod, old);
        if (ks_object_terminating(pod)) {
            ks_deletion_observed(sim->world.heap, &e->expected, pod->id);
            e->going = pod->id;
        } else if (change->type == KS_ADDED) {
            ks_creation_observed(&e->expected);
        }
        ks_enqueue(sim, st->index, owner->id);
        arm_availability(sim, st, change, owner->id, e->min_ready);
        return;
    }
    rs_stray(sim, st, pod, false);
    if (ks_object_terminating(pod)) return;
    if (old == NULL || moved || !ks_equal(old->labels, pod->labels)) offer_orphan(sim, st, pod);
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    if (change->object->kind == KS_POD)
        observe_pod(sim, state, change);
    else if (change->object->kind == KS_REPLICASET)
        observe_set(sim, state, change);
}

/* Pods that others control do not matter, but for those that may look like a Deployment's (strays), when they come to be that. */
static bool heeds(const ks_sim *sim, const void *state, const ks_change *change, uint32_t parts) {
    (void)sim, (void)state;
    const ks_object *object = change->object, *old = change->old;
    if (object->kind != KS_POD || (parts & KS_PART_META && old != NULL)) return true;
    ks_kind owner = ks_object_owner_kind(object);
    if (owner == KS_REPLICASET || owner == KS_NO_KIND) return true;
    return (parts & (KS_PART_EXISTENCE | KS_PART_PHASE)) != 0 &&
           ks_exists(ks_get(object->labels, K(pod_template_hash)));
}

/* --- a sync --- */

/* A pod that was just adopted counts from now on, seen or not. */
static void count_adopted(ks_sim *sim, rs_state *st, rs_entry *e, uint64_t id) {
    const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, id);
    e->wrote_pods = sim->server.store.version;
    if (pod != NULL) rs_entry_put(sim, st, e, pod, NULL);
}

/* controller_ref_manager.go: ClaimPods. Pods come and go from the maps as they are written: walk copies. */
static bool claim(ks_sim *sim, rs_state *st, const ks_object *rs) {
    ks_heap *heap = sim->world.heap;
    rs_entry *e = rs_entry_of(heap, st, rs->id);
    if (e->orphans.count == 0 && e->misfits.count == 0) return true;
    bool fine = true;
    ks_tree orphans = e->orphans, misfits = ks_tree_copy(&e->misfits);
    e->orphans = (ks_tree){NULL, NULL, 0};
    for (ks_tree_iter it = ks_tree_begin(&orphans); ks_tree_next(&it);) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, it.key.b);
        if (pod == NULL || pod->owner_uid != NULL || !ks_pod_active(pod)) continue;
        if (!ks_selector_matches(rs_entry_of(heap, st, rs->id)->selector, pod->labels)) continue;
        bool adopted, done = ks_adopt(sim, pod, rs, &adopted);
        e = rs_entry_of(heap, st, rs->id);
        if (adopted) count_adopted(sim, st, e, it.key.b);
        if (adopted && ks_word_of(it.value) == RS_NEWBORN)
            ks_tree_put(heap, &st->newborn, it.key, ks_word(1));
        if (done) continue;
        ks_tree_put(heap, &e->orphans, it.key, ks_word(RS_ORPHAN));
        fine = false;
    }
    for (ks_tree_iter it = ks_tree_begin(&misfits); ks_tree_next(&it);) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, it.key.b);
        if (pod != NULL && !ks_release(sim, pod, rs)) fine = false;
    }
    ks_tree_clear(heap, &orphans);
    ks_tree_clear(heap, &misfits);
    return fine;
}

/* When to look again because of minReadySeconds. */
static void arm_next(ks_sim *sim, rs_state *st, const ks_object *rs, const rs_counts *counts) {
    const rs_entry *e = ks_ids_get(&st->entries, rs->id);
    if (e == NULL || e->min_ready == 0) return;
    if (counts->ready == counts->available) return;
    int64_t fallback = sim->world.now + e->min_ready * KS_SECOND;
    ks_key first;
    bool some = ks_tree_first(&e->waiting, &first, NULL);
    ks_enqueue_at(sim, st->index, rs->id, some ? ks_word_instant(first.a) : fallback);
}

static bool sync_set(ks_sim *sim, rs_state *st, const ks_object *rs) {
    ks_heap *heap = sim->world.heap;
    rs_entry *e = rs_entry_of(heap, st, rs->id);
    if (e == NULL || e->selector == NULL) return true;
    bool deleting = ks_object_terminating(rs), settled = ks_expectations_met(sim, &e->expected);
    if (st->newborn.count > 0) ks_tree_clear(heap, &st->newborn);
    if (!deleting && !claim(sim, st, rs)) return false;
    e = rs_entry_of(heap, st, rs->id);
    rs_entry_ripen(sim, e);
    rs_counts counts = e->counts;
    const ks_str *error = NULL;
    if (!deleting && settled) error = rs_manage(sim, st, rs, counts.active);
    bool written = rs_write_status(sim, rs_entry_of(heap, st, rs->id), rs, &counts, error);
    bool fine = written && error == NULL;
    if (settled)
        ks_forget_resync(sim, st->index, rs->id);
    else /* of an expectation that is never met nothing else need come */
        ks_await_resync(sim, st->index, rs->id);
    ks_str_unref(heap, error);
    if (fine) arm_next(sim, st, rs, &counts);
    return fine;
}

/* A pod that goes at once is seen going before it is gone: a sync that asks the server in vain begins with the one and is followed by another
 * for the other. (Where nothing fails, the second finds nothing to do.) */
static bool went_at_once(ks_sim *sim, rs_state *st, uint64_t key) {
    const rs_entry *seen = ks_ids_get(&st->entries, key);
    if (seen == NULL || seen->going == 0) return false;
    rs_entry *e = rs_entry_of(sim->world.heap, st, key);
    bool gone = e->gone;
    e->going = 0;
    e->gone = false;
    return gone;
}

static bool look(ks_sim *sim, rs_state *st, uint64_t key) {
    const ks_object *rs = ks_store_by_id(ks_view(sim), KS_REPLICASET, key);
    if (rs == NULL) return true;
    ks_object_ref(rs);
    bool fine = sync_set(sim, st, rs);
    ks_object_unref(sim->world.heap, rs);
    return fine;
}

/* consistencyStore.EnsureReady */
static bool has_seen_its_writes(const ks_sim *sim, const rs_state *st, uint64_t key) {
    const rs_entry *e = ks_ids_get(&st->entries, key);
    if (!ks_view_is_late(sim) || !sim->server.rules.consistent_replicasets || e == NULL)
        return true;
    return ks_has_heard(sim, st->index, KS_POD, e->wrote_pods) &&
           ks_has_heard(sim, st->index, KS_REPLICASET, e->wrote_set);
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    if (key & KS_RESYNC) {
        ks_enqueue(sim, ((const rs_state *)state)->index, key & ~KS_RESYNC);
        return true;
    }
    if (!has_seen_its_writes(sim, state, key)) return false;
    bool twice = went_at_once(sim, state, key), fine = look(sim, state, key);
    if (fine || !twice) return fine;
    ks_enqueue_backoff(sim, ((const rs_state *)state)->index, key);
    return look(sim, state, key);
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    ks_describe_object(sim, KS_REPLICASET, key & ~KS_RESYNC, out);
}

const ks_component ks_replicaset_controller = {
    .name = "replicaset",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .describe = describe,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_REPLICASET),
};
