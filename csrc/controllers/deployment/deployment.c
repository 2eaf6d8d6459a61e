/*
 * controllers/deployment/deployment.c - the Deployment controller: what it notices, which ReplicaSets it claims, one sync:
 * pkg/controller/deployment/deployment_controller.go. Keys are ids of Deployments; with DEP_DELETE_SET, of ReplicaSets that go.
 */
#include "controllers/deployment/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void *create(ks_sim *sim) {
    dep_state *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_deployment_controller);
    return st;
}

static void *copy(ks_sim *sim, const void *state) {
    const dep_state *from = state;
    dep_state *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = (dep_state){from->index, ks_tree_copy(&from->loose)};
    return st;
}

static void dispose(ks_heap *heap, void *state) {
    dep_state *st = state;
    ks_tree_clear(heap, &st->loose);
    ks_free(heap, st, sizeof *st);
}

/* --- what is noticed --- */

static ks_selector *selector_of(ks_heap *heap, const ks_object *d) {
    const ks_str *why = NULL;
    ks_selector *selector = ks_selector_of(heap, ks_get(d->spec, K(selector)), &why);
    ks_str_unref(heap, why);
    return selector;
}

static bool selects(ks_heap *heap, const ks_object *d, const ks_object *set) {
    ks_selector *selector = selector_of(heap, d);
    bool matches = selector != NULL && !ks_selector_empty(selector) &&
                   ks_selector_matches(selector, set->labels);
    ks_selector_unref(heap, selector);
    return matches;
}

static void queue_owner(ks_sim *sim, const dep_state *st, const ks_object *set) {
    const ks_object *d = ks_store_controller(ks_view(sim), set, KS_DEPLOYMENT);
    if (d != NULL) ks_enqueue(sim, st->index, d->id);
}

static void observe_set(ks_sim *sim, dep_state *st, const ks_change *change) {
    const ks_object *set = change->object, *old = change->old;
    ks_keep_loose(sim->world.heap, &st->loose, change);
    bool moved = old != NULL && !ks_str_eq(old->owner_uid, set->owner_uid);
    if (moved) queue_owner(sim, st, old);
    if (set->owner_uid != NULL) {
        queue_owner(sim, st, set);
        return;
    }
    if (change->type == KS_DELETED) return;
    if (old != NULL && !moved && ks_equal(old->labels, set->labels)) return;
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_DEPLOYMENT, set->ns); ks_walk_next(&w);)
        if (selects(sim->world.heap, w.object, set)) ks_enqueue(sim, st->index, w.object->id);
}

bool dep_has_pods(ks_sim *sim, const ks_object *d, const ks_object *set, bool running) {
    ks_heap *heap = sim->world.heap;
    bool found = false, all = ks_since(&sim->server.rules, KS_SINCE_PODS_BY_OWNER);
    ks_selector *selector = all ? NULL : selector_of(heap, d);
    for (ks_walk w = ks_walk_owned(ks_view(sim), set->uid, KS_POD); !found && ks_walk_next(&w);)
        found = ks_str_eq(w.object->owner_uid, set->uid) &&
                (!running || !ks_phase_finished(ks_phase_of(w.object))) &&
                (selector == NULL || ks_selector_matches(selector, w.object->labels));
    ks_selector_unref(heap, selector);
    return found;
}

/* deletePod asks the server for the sets, and its cache for their pods. */
static bool has_pods(ks_sim *sim, const ks_object *d) {
    for (ks_walk w = ks_walk_owned(&sim->server.store, d->uid, KS_REPLICASET); ks_walk_next(&w);)
        if (dep_has_pods(sim, d, w.object, false)) return true;
    return false;
}

/* A Recreate Deployment waits for the last pod to go. */
static void observe_pod_gone(ks_sim *sim, const dep_state *st, const ks_object *pod) {
    const ks_store *store = ks_view(sim);
    const ks_object *set = ks_store_controller(store, pod, KS_REPLICASET);
    const ks_object *d = set == NULL ? NULL : ks_store_controller(store, set, KS_DEPLOYMENT);
    if (d != NULL && ks_text_is(ks_get2(d->spec, K(strategy), K(type)), "Recreate") &&
        !has_pods(sim, d))
        ks_enqueue(sim, st->index, d->id);
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    dep_state *st = state;
    switch (change->object->kind) {
    case KS_DEPLOYMENT:
        if (change->type == KS_DELETED) {
            ks_forget(sim, st->index, change->object->id);
            ks_cancel(sim, st->index, change->object->id);
            ks_forget_resync(sim, st->index, change->object->id);
        } else {
            ks_enqueue(sim, st->index, change->object->id);
        }
        break;
    case KS_REPLICASET: observe_set(sim, st, change); break;
    case KS_POD:
        if (change->type == KS_DELETED) observe_pod_gone(sim, st, change->object);
        break;
    default: break;
    }
}

/* --- a sync --- */

void dep_event(dep_sync *c, bool normal, const char *reason, const char *format, ...) {
    char message[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    ks_event e = {.type = normal ? "Normal" : "Warning", .reason = reason};
    e.component = "deployment-controller";
    ks_record(&c->sim->server, c->d, &e, "%s", message);
}

void dep_arm(const dep_sync *c, int64_t instant) {
    ks_enqueue_at(c->sim, ks_component_index(c->sim, &ks_deployment_controller), c->d->id, instant);
}

void dep_disarm(const dep_sync *c) {
    ks_cancel(c->sim, ks_component_index(c->sim, &ks_deployment_controller), c->d->id);
}

/* The sets that the Deployment controls, and those of its namespace that nobody does. */
static void collect_sets(const dep_sync *c, ks_objects *seen) {
    const ks_store *store = ks_view(c->sim);
    const dep_state *st = ks_component_look(c->sim, &ks_deployment_controller);
    for (ks_walk w = ks_walk_owned(store, c->d->uid, KS_REPLICASET); ks_walk_next(&w);)
        if (ks_str_eq(w.object->owner_uid, c->d->uid)) ks_objects_add(c->heap, seen, w.object);
    ks_key first = {ks_text_hash(c->d->ns), 0};
    for (ks_tree_iter it = ks_tree_from(&st->loose, first);
         ks_tree_next(&it) && it.key.a == first.a;) {
        const ks_object *set = ks_store_by_id(store, KS_REPLICASET, it.key.b);
        if (set != NULL && ks_str_eq(set->ns, c->d->ns)) ks_objects_add(c->heap, seen, set);
    }
}

/* ClaimReplicaSets: the same rules as for pods. A set that was adopted is used as it now stands. */
static bool claim_sets(dep_sync *c) {
    ks_selector *selector = selector_of(c->heap, c->d);
    if (selector == NULL) return true;
    bool deleting = ks_object_terminating(c->d), fine = true;
    ks_objects seen = {NULL, 0, 0};
    collect_sets(c, &seen);
    for (size_t i = 0; i < seen.count; i++) {
        const ks_object *set = seen.items[i];
        bool ours = set->owner_uid != NULL, matches = ks_selector_matches(selector, set->labels);
        if (ours && matches) {
            ks_objects_add(c->heap, &c->sets, set);
        } else if (ours) {
            if (!deleting && !ks_release(c->sim, set, c->d)) fine = false;
        } else if (matches && !deleting && !ks_object_terminating(set)) {
            bool adopted;
            if (!ks_adopt(c->sim, set, c->d, &adopted)) fine = false;
            if (adopted) ks_objects_add(c->heap, &c->sets, set);
        }
    }
    ks_objects_dispose(c->heap, &seen);
    ks_selector_unref(c->heap, selector);
    if (c->sets.count > 1)
        qsort((void *)c->sets.items, c->sets.count, sizeof *c->sets.items, dep_by_age);
    return fine;
}

/* sync and syncStatusOnly: for scaling, pauses and what is being deleted. */
static bool sync_without_rollout(dep_sync *c, bool scale) {
    dep_sets sets;
    bool paused = ks_bool_or(ks_get(c->d->spec, K(paused)), false);
    bool fine = dep_sync_revision(c, false, &sets) && (!scale || dep_scale(c, &sets)) &&
                (!scale || !paused || dep_wants_rollback(c->d) || dep_cleanup(c, &sets)) &&
                dep_sync_status(c, &sets);
    dep_sets_dispose(c->heap, &sets);
    return fine;
}

/* isScalingEvent */
static bool is_scaling(dep_sync *c, bool *scaling) {
    dep_sets sets;
    bool fine = dep_sync_revision(c, false, &sets);
    *scaling = false;
    for (size_t i = 0; fine && i <= sets.old_count; i++) {
        const ks_object *set = i < sets.old_count ? sets.old[i] : sets.fresh;
        if (set == NULL || dep_size(set) == 0) continue;
        int64_t desired = dep_annotation(set, K(deployment_kubernetes_io_desired_replicas));
        if (desired >= 0 && desired != dep_size(c->d)) *scaling = true;
    }
    dep_sets_dispose(c->heap, &sets);
    return fine;
}

static bool sync_deployment(dep_sync *c) {
    if (!claim_sets(c)) return false;
    if (ks_object_terminating(c->d)) return sync_without_rollout(c, false);
    if (!dep_check_paused(c)) return false;
    if (ks_bool_or(ks_get(c->d->spec, K(paused)), false)) return sync_without_rollout(c, true);
    if (dep_wants_rollback(c->d)) return dep_rollback(c);
    bool scaling;
    if (!is_scaling(c, &scaling)) return false;
    if (scaling) return sync_without_rollout(c, true);
    return dep_is_rolling(c->d) ? dep_rollout_rolling(c) : dep_rollout_recreate(c);
}

/* *met_itself: it failed because it wrote the Deployment twice. */
static bool sync_once(ks_sim *sim, const ks_object *d, bool *met_itself) {
    ks_heap *heap = sim->world.heap;
    dep_sync c = {.sim = sim, .heap = heap, .d = ks_object_ref(d)};
    c.status = ks_ref(d->status);
    c.annotations = ks_ref(ks_get(d->meta, K(annotations)));
    bool fine = sync_deployment(&c);
    ks_objects_dispose(heap, &c.sets);
    ks_objects_dispose(heap, &c.kept);
    ks_unref(heap, c.status);
    ks_unref(heap, c.annotations);
    ks_object_unref(heap, c.d);
    *met_itself = c.met_itself;
    return fine;
}

/* A set that the last sync had scaled up goes. If that is refused, the Deployment looks again, at the set as it is by then. */
static bool delete_set(ks_sim *sim, uint64_t id) {
    const ks_object *set = ks_store_by_id(ks_view(sim), KS_REPLICASET, id);
    if (set == NULL || dep_delete_set(sim, set)) return true;
    const ks_object *d = ks_store_controller(ks_view(sim), set, KS_DEPLOYMENT);
    int index = ks_component_index(sim, &ks_deployment_controller);
    if (d != NULL) ks_enqueue_backoff(sim, index, d->id);
    return true;
}

/* What met a conflict with its own write is tried again 5 ms later. In that time nobody has done what the first half gave them to do, if
 * it takes more than one call to the server: a ReplicaSet that was made anew has not adopted the pods of the one before. */
static bool sync(ks_sim *sim, void *state, uint64_t key) {
    (void)state;
    if (key & DEP_DELETE_SET) return delete_set(sim, key & ~DEP_DELETE_SET);
    const ks_object *d = ks_store_by_id(ks_view(sim), KS_DEPLOYMENT, key);
    if (d == NULL) return true;
    bool met_itself, fine = sync_once(sim, d, &met_itself);
    if (!met_itself || ks_view_is_late(sim)) return fine;
    d = ks_store_by_id(ks_view(sim), KS_DEPLOYMENT, key);
    return d == NULL || sync_once(sim, d, &met_itself);
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    bool set = (key & DEP_DELETE_SET) != 0;
    ks_describe_object(sim, set ? KS_REPLICASET : KS_DEPLOYMENT, key & ~DEP_DELETE_SET, out);
}

const ks_component ks_deployment_controller = {
    .name = "deployment",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .sync = sync,
    .retries = 15,
    .describe = describe,
    .pod_parts = KS_PART_DELETED,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_REPLICASET) | KS_KIND_BIT(KS_DEPLOYMENT),
};
