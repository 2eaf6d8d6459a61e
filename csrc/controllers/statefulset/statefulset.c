/*
 * controllers/statefulset/statefulset.c - the StatefulSet controller: what it notices, which pods it claims, one sync:
 * pkg/controller/statefulset/stateful_set.go. Keys are ids of StatefulSets.
 */
#include "controllers/statefulset/internal.h"

static void *create(ks_sim *sim) {
    sts_state *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_statefulset_controller);
    st->entries.type = &sts_entry_type;
    return st;
}

static void *copy(ks_sim *sim, const void *state) {
    const sts_state *from = state;
    sts_state *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = (sts_state){.index = from->index,
                      .entries = ks_ids_copy(&from->entries),
                      .loose = ks_tree_copy(&from->loose),
                      .loose_revisions = ks_tree_copy(&from->loose_revisions),
                      .claims = ks_tree_copy(&from->claims),
                      .last = from->last};
    return st;
}

static void dispose(ks_heap *heap, void *state) {
    sts_state *st = state;
    ks_ids_clear(heap, &st->entries);
    ks_tree_clear(heap, &st->loose);
    ks_tree_clear(heap, &st->loose_revisions);
    ks_tree_clear(heap, &st->claims);
    ks_free(heap, st, sizeof *st);
}

/* --- what is noticed --- */

static void observe_set(ks_sim *sim, sts_state *st, const ks_change *change) {
    ks_heap *heap = sim->world.heap;
    const ks_object *set = change->object;
    if (change->type == KS_DELETED) {
        ks_each(template, ks_get(set->spec, K(volumeClaimTemplates))) {
            ks_val prefix = sts_claim_prefix(heap, set, *template);
            ks_key key = {sts_claims_hash(set->ns, prefix.s, prefix.s->len), set->id};
            ks_tree_del(heap, &st->claims, key);
            ks_unref(heap, prefix);
        }
        ks_ids_del(heap, &st->entries, set->id);
        ks_forget_resync(sim, st->index, set->id);
        return;
    }
    if (change->old == NULL || sts_entry_outdated(set, change->old)) sts_entry_build(sim, st, set);
    ks_enqueue(sim, st->index, set->id);
}

/* The entry of the set that controls a pod, and the set's id; NULL: none. The pods that a set has made share their owner
 * references: one after the other they are the same set's. */
static sts_entry *entry_of_owner(ks_sim *sim, sts_state *st, const ks_object *pod, uint64_t *id) {
    ks_heap *heap = sim->world.heap;
    sts_entry *e = st->last == 0 ? NULL : sts_entry_of(heap, st, st->last);
    *id = st->last;
    if (e != NULL && ks_is(e->owners, KS_LIST) && ks_identical(e->owners, pod->owners)) return e;
    const ks_object *owner = ks_store_controller(ks_view(sim), pod, KS_STATEFULSET);
    if (owner == NULL) return NULL;
    *id = st->last = owner->id;
    return sts_entry_of(heap, st, owner->id);
}

static const ks_object *owner_of(const ks_sim *sim, const ks_object *object) {
    return ks_store_controller(ks_view(sim), object, KS_STATEFULSET);
}

static void forget_pod(ks_sim *sim, sts_state *st, const ks_object *owner, const ks_object *pod) {
    sts_entry *e = sts_entry_of(sim->world.heap, st, owner->id);
    if (e != NULL) sts_entry_drop(sim, e, pod);
    ks_enqueue(sim, st->index, owner->id);
}

/* Every set whose selector matches a pod that nobody controls; those that it is a member of may adopt it. */
static void offer_orphan(ks_sim *sim, sts_state *st, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_STATEFULSET, pod->ns); ks_walk_next(&w);) {
        const sts_entry *seen = ks_ids_get(&st->entries, w.object->id);
        if (seen == NULL || seen->selector == NULL ||
            !ks_selector_matches(seen->selector, pod->labels))
            continue;
        bool member;
        sts_ordinal_of(seen->name, pod->name, &member);
        if (member) {
            sts_entry *e = sts_entry_of(heap, st, w.object->id);
            ks_tree_put(heap, &e->orphans, (ks_key){0, pod->id}, ks_word(1));
        }
        ks_enqueue(sim, st->index, w.object->id);
    }
}

/* A pod that turned Ready is looked at again when it becomes available. */
static void arm_availability(ks_sim *sim, sts_state *st, const ks_change *change, uint64_t set,
                             int64_t min_ready) {
    if (min_ready == 0 || change->old == NULL) return;
    if (!change->object->ready || change->old->ready) return;
    int64_t more = ks_since(&sim->server.rules, KS_SINCE_EXACT_AVAILABILITY) ? 0 : 1;
    ks_enqueue_at(sim, st->index, set, sim->world.now + (min_ready + more) * KS_SECOND);
}

static bool same_owner(const ks_object *a, const ks_object *b) {
    return a->owner_uid == b->owner_uid || ks_str_eq(a->owner_uid, b->owner_uid);
}

static void observe_pod(ks_sim *sim, sts_state *st, const ks_change *change) {
    const ks_object *pod = change->object, *old = change->old;
    ks_keep_loose(sim->world.heap, &st->loose, change);
    if (change->type == KS_DELETED) {
        const ks_object *owner = owner_of(sim, pod);
        if (owner != NULL) forget_pod(sim, st, owner, pod);
        return;
    }
    bool moved = old != NULL && !same_owner(old, pod);
    if (moved) {
        const ks_object *former = owner_of(sim, old);
        if (former != NULL) forget_pod(sim, st, former, pod);
    }
    if (pod->owner_uid != NULL) {
        uint64_t set;
        sts_entry *e = entry_of_owner(sim, st, pod, &set);
        if (e == NULL || (old != NULL && !moved && sts_entry_knows(e, pod, old))) return;
        sts_entry_put(sim, e, pod, old != NULL && !moved && ks_identical(pod->labels, old->labels));
        ks_enqueue(sim, st->index, set);
        arm_availability(sim, st, change, set, e->min_ready);
        return;
    }
    if (old == NULL || moved || !ks_equal(old->labels, pod->labels)) offer_orphan(sim, st, pod);
}

/* Whether a claim is as it was in all that a sync asks about it: that it is there to stay, and whose it is. */
static bool same_claim(const ks_change *change) {
    const ks_object *claim = change->object, *old = change->old;
    return change->type == KS_MODIFIED && old != NULL && claim->deleting == old->deleting &&
           ks_equal(claim->owners, old->owners);
}

/* Claims cause no sync; the next one looks at the pod of a claim that has changed. */
static void observe_claim(ks_sim *sim, sts_state *st, const ks_change *change) {
    ks_heap *heap = sim->world.heap;
    const ks_object *claim = change->object;
    if (same_claim(change)) return;
    uint32_t len;
    int64_t ordinal;
    if (st->claims.count == 0 || !sts_parse_name(claim->name, &len, &ordinal) || ordinal < 0)
        return;
    ks_key first = {sts_claims_hash(claim->ns, claim->name, len), 0};
    for (ks_tree_iter it = ks_tree_from(&st->claims, first);
         ks_tree_next(&it) && it.key.a == first.a;) {
        sts_entry *e = sts_entry_of(heap, st, it.key.b);
        if (e != NULL) sts_entry_mark(heap, e, ordinal);
    }
}

static void observe_revision(ks_sim *sim, sts_state *st, const ks_object *revision) {
    ks_heap *heap = sim->world.heap;
    if (revision->owner_uid != NULL) {
        const ks_object *set = ks_store_by_uid(ks_view(sim), revision->owner_uid);
        sts_entry *e = set == NULL ? NULL : sts_entry_of(heap, st, set->id);
        if (e != NULL) sts_forget_history(heap, e);
        return;
    }
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_STATEFULSET, revision->ns); ks_walk_next(&w);) {
        sts_entry *e = sts_entry_of(heap, st, w.object->id);
        if (e != NULL) sts_forget_history(heap, e);
    }
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    switch (change->object->kind) {
    case KS_POD: observe_pod(sim, state, change); break;
    case KS_STATEFULSET: observe_set(sim, state, change); break;
    case KS_PVC: observe_claim(sim, state, change); break;
    case KS_CONTROLLERREVISION:
        ks_keep_loose(sim->world.heap, &((sts_state *)state)->loose_revisions, change);
        observe_revision(sim, state, change->object);
        if (change->old != NULL) observe_revision(sim, state, change->old);
        break;
    default: break;
    }
}

static bool may_be_ours(const ks_object *pod) {
    ks_kind owner = ks_object_owner_kind(pod);
    return owner == KS_STATEFULSET || owner == KS_NO_KIND;
}

/* Pods that others control do not matter. */
static bool heeds(const ks_sim *sim, const void *state, const ks_change *change, uint32_t parts) {
    (void)sim, (void)state;
    const ks_object *object = change->object, *old = change->old;
    if (object->kind != KS_POD || may_be_ours(object)) return true;
    return old != NULL && (parts & KS_PART_META) != 0 && may_be_ours(old);
}

/* --- a sync --- */

/* A pod that was just adopted counts from now on, seen or not. */
static void count_adopted(sts_sync *c, uint64_t id) {
    const ks_object *pod = ks_store_by_id(ks_view(c->sim), KS_POD, id);
    c->e->wrote_pods = c->sim->server.store.version;
    if (pod != NULL) sts_entry_put(c->sim, c->e, pod, false);
}

/* getPodsForStatefulSet. Pods come and go from the maps as they are written: walk copies. */
static bool claim_pods(sts_sync *c) {
    const ks_store *store = ks_view(c->sim);
    sts_entry *e = c->e;
    if (ks_object_terminating(c->set) || (e->orphans.count == 0 && e->misfits.count == 0))
        return true;
    bool fine = true;
    ks_tree orphans = e->orphans, misfits = ks_tree_copy(&e->misfits);
    e->orphans = (ks_tree){NULL, NULL, 0};
    for (ks_tree_iter it = ks_tree_begin(&orphans); ks_tree_next(&it);) {
        const ks_object *pod = ks_store_by_id(store, KS_POD, it.key.b);
        if (pod == NULL || pod->owner_uid != NULL || ks_object_terminating(pod)) continue;
        if (!ks_selector_matches(e->selector, pod->labels)) continue;
        bool adopted, done = ks_adopt(c->sim, pod, c->set, &adopted);
        if (adopted) count_adopted(c, it.key.b);
        if (done) continue;
        ks_tree_put(c->heap, &e->orphans, it.key, ks_word(1));
        fine = false;
    }
    for (ks_tree_iter it = ks_tree_begin(&misfits); ks_tree_next(&it);) {
        const ks_object *pod = ks_store_by_id(store, KS_POD, it.key.b);
        if (pod != NULL && !ks_release(c->sim, pod, c->set)) fine = false;
    }
    ks_tree_clear(c->heap, &orphans);
    ks_tree_clear(c->heap, &misfits);
    return fine;
}

/* When to look again because of minReadySeconds. */
static void arm_next(const sts_sync *c) {
    const sts_entry *e = c->e;
    if (e->min_ready == 0) return;
    int64_t fallback = c->sim->world.now + e->min_ready * KS_SECOND;
    if (!ks_since(&c->sim->server.rules, KS_SINCE_EXACT_AVAILABILITY)) {
        if (c->available != ks_count(c->set->spec, K(replicas), 1))
            ks_enqueue_at(c->sim, c->st->index, c->set->id, fallback);
        return;
    }
    if (c->ready == c->available) return;
    ks_key first;
    bool some = ks_tree_first(&e->waiting, &first, NULL);
    ks_enqueue_at(c->sim, c->st->index, c->set->id, some ? ks_word_instant(first.a) : fallback);
}

static bool sync_set(sts_sync *c) {
    if (!sts_list_revisions(c) || !claim_pods(c)) return false;
    sts_entry_ripen(c->sim, c->e);
    if (!sts_choose_revisions(c)) return false;
    bool fine = sts_control(c);
    if (!sts_write_status(c)) fine = false;
    if (!sts_truncate_history(c)) fine = false;
    if (fine) arm_next(c);
    if (c->waits_for_claims)
        ks_await_resync(c->sim, c->st->index, c->set->id);
    else
        ks_forget_resync(c->sim, c->st->index, c->set->id);
    return fine;
}

/* consistencyStore.EnsureReady */
static bool has_seen_its_writes(const ks_sim *sim, const sts_state *st, uint64_t key) {
    if (!ks_view_is_late(sim) || !sim->server.rules.consistent_statefulsets) return true;
    const sts_entry *e = ks_ids_get(&st->entries, key);
    if (e == NULL) return true;
    return ks_has_heard(sim, st->index, KS_POD, e->wrote_pods) &&
           ks_has_heard(sim, st->index, KS_PVC, e->wrote_claims) &&
           ks_has_heard(sim, st->index, KS_STATEFULSET, e->wrote_set);
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    if (key & KS_RESYNC) {
        ks_enqueue(sim, ((const sts_state *)state)->index, key & ~KS_RESYNC);
        return true;
    }
    if (!has_seen_its_writes(sim, state, key)) return false;
    const ks_object *set = ks_store_by_id(ks_view(sim), KS_STATEFULSET, key);
    if (set == NULL) return true;
    ks_heap *heap = sim->world.heap;
    sts_sync c = {.sim = sim, .heap = heap, .st = state, .set = ks_object_ref(set)};
    c.e = sts_entry_of(heap, state, key);
    bool fine = c.e == NULL || c.e->selector == NULL || sync_set(&c);
    if (c.e != NULL) c.e->failing = !fine;
    ks_object_unref(heap, c.current);
    ks_object_unref(heap, c.update);
    sts_history_unref(heap, c.history);
    ks_free(heap, c.deleted, c.deleted_cap * sizeof *c.deleted);
    ks_unref(heap, c.claims);
    ks_object_unref(heap, c.set);
    return fine;
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    ks_describe_object(sim, KS_STATEFULSET, key & ~KS_RESYNC, out);
}

const ks_component ks_statefulset_controller = {
    .name = "statefulset",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .describe = describe,
    .claim_parts = KS_PART_META | KS_PART_EXISTENCE,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_STATEFULSET) | KS_KIND_BIT(KS_PVC) |
             KS_KIND_BIT(KS_CONTROLLERREVISION),
};
