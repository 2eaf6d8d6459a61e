/*
 * controllers/replicaset/rank.c - which pods go first: pkg/controller/controller_utils.go: ActivePodsWithRanks,
 * replica_set.go: getPodsRankedByRelatedPodsOnSameNode.
 */
#include "controllers/replicaset/internal.h"

#include <stdlib.h>
#include <string.h>

/* All that the comparison looks at, worked out once per pod. */
typedef struct ranked {
    const ks_object *pod;
    ks_phase phase;
    bool ready;
    int64_t cost, rank, since, restarts, sidecar_restarts;
    int64_t now;
} ranked;

/* A plain int32, as the annotation has to be; anything else counts as 0. */
static int64_t deletion_cost(const ks_object *pod) {
    const char *text = ks_text_or(
        ks_get2(pod->meta, K(annotations), K(controller_kubernetes_io_pod_deletion_cost)), "");
    const char *digits = *text == '-' ? text + 1 : text;
    if (*digits < '0' || *digits > '9' || (*digits == '0' && digits[1] != '\0')) return 0;
    char *end;
    long long cost = strtoll(text, &end, 10);
    return *end == '\0' && cost >= INT32_MIN && cost <= INT32_MAX ? cost : 0;
}

static bool is_sidecar(const ks_object *pod, ks_val name) {
    ks_each(container, ks_get(pod->spec, K(initContainers))) {
        if (ks_equal(ks_get(*container, K(name)), name))
            return ks_text_is(ks_get(*container, K(restartPolicy)), "Always");
    }
    return false;
}

static int64_t most_restarts(const ks_object *pod, const ks_str *list, bool sidecars) {
    int64_t most = 0;
    ks_each(status, ks_get(pod->status, list)) {
        if (sidecars && !is_sidecar(pod, ks_get(*status, K(name)))) continue;
        int64_t restarts = ks_count(*status, K(restartCount), 0);
        if (restarts > most) most = restarts;
    }
    return most;
}

static ranked rank_of(const ks_sim *sim, const ks_object *pod) {
    ranked r = {.pod = pod, .phase = ks_phase_of(pod), .cost = deletion_cost(pod)};
    if (r.phase == KS_PHASE_NONE) r.phase = KS_PENDING;
    r.since = KS_NEVER;
    r.ready = ks_pod_ready(&sim->world, pod, &r.since);
    r.restarts = most_restarts(pod, K(containerStatuses), false);
    r.sidecar_restarts = most_restarts(pod, K(initContainerStatuses), true);
    r.now = sim->world.now;
    return r;
}

/* floor(log2) of a time span; -1 for none. */
static int bucket(int64_t span) {
    int log = -1;
    for (; span > 0; span >>= 1) log++;
    return log;
}

/* Of two instants: KS_NEVER (none) first, else the younger bucket, else the lower uid. */
static int younger(const ranked *x, const ranked *y, int64_t tx, int64_t ty) {
    if (tx == KS_NEVER || ty == KS_NEVER) return tx == KS_NEVER ? -1 : 1;
    int bx = bucket(x->now - tx), by = bucket(y->now - ty);
    if (bx != by) return bx < by ? -1 : 1;
    return ks_str_cmp(x->pod->uid, y->pod->uid);
}

static int lower(int64_t x, int64_t y) { return x < y ? -1 : x > y; }

/* Negative: x goes before y. Full ties keep the order of creation. */
static int goes_first(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    int order;
    if ((x->pod->node == NULL) != (y->pod->node == NULL)) return x->pod->node == NULL ? -1 : 1;
    if ((order = lower(x->phase, y->phase)) != 0) return order;
    if (x->ready != y->ready) return x->ready ? 1 : -1;
    if ((order = lower(x->cost, y->cost)) != 0) return order;
    if ((order = lower(y->rank, x->rank)) != 0) return order;
    if (x->ready && x->since != y->since) return younger(x, y, x->since, y->since);
    if ((order = lower(y->restarts, x->restarts)) != 0) return order;
    if ((order = lower(y->sidecar_restarts, x->sidecar_restarts)) != 0) return order;
    if (x->pod->created != y->pod->created) return younger(x, y, x->pod->created, y->pod->created);
    return x->pod->id < y->pod->id ? -1 : x->pod->id > y->pod->id;
}

/* The selectors of all ReplicaSets of the same controller; none where there is no controller. */
static size_t related_selectors(ks_sim *sim, rs_state *st, const ks_object *rs,
                                const ks_selector **out, size_t cap) {
    size_t count = 0;
    if (rs->owner_uid == NULL) return 0;
    for (ks_walk w = ks_walk_owned(ks_view(sim), rs->owner_uid, KS_REPLICASET); ks_walk_next(&w);) {
        if (!ks_str_eq(w.object->owner_uid, rs->owner_uid) || !ks_str_eq(w.object->ns, rs->ns))
            continue;
        const rs_entry *e = ks_tree_get(&st->entries, (ks_key){0, w.object->id});
        if (e == NULL || e->selector == NULL) continue;
        if (count < cap) out[count] = e->selector;
        count++;
    }
    return count;
}

/* getPodsRankedByRelatedPodsOnSameNode: how many active pods of all those ReplicaSets a pod's node has. */
static void rank_by_nodes(ks_sim *sim, rs_state *st, const ks_object *rs, ranked *pods,
                          int64_t count) {
    ks_heap *heap = sim->world.heap;
    size_t many = related_selectors(sim, st, rs, NULL, 0);
    if (many == 0) return;
    const ks_selector **selectors = ks_alloc(heap, many * sizeof(const ks_selector *));
    related_selectors(sim, st, rs, selectors, many);
    ks_tree nodes = {NULL, NULL, 0};
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_POD, rs->ns); ks_walk_next(&w);) {
        bool related = false;
        for (size_t i = 0; i < many && !related; i++)
            related = ks_selector_matches(selectors[i], w.object->labels);
        if (!related || !ks_pod_active(w.object)) continue;
        ks_key key = {ks_text_hash(w.object->node), 0};
        uint64_t so_far = ks_word_of(ks_tree_get(&nodes, key));
        ks_tree_put(heap, &nodes, key, ks_word(so_far + 1));
    }
    for (int64_t i = 0; i < count; i++) {
        ks_key key = {ks_text_hash(pods[i].pod->node), 0};
        pods[i].rank = (int64_t)ks_word_of(ks_tree_get(&nodes, key));
    }
    ks_tree_clear(heap, &nodes);
    ks_free(heap, (void *)selectors, many * sizeof(const ks_selector *));
}

static void sift_down(ranked *heap, int64_t count, int64_t at) {
    for (int64_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && goes_first(&heap[child], &heap[child + 1]) < 0) child++;
        if (goes_first(&heap[at], &heap[child]) >= 0) return;
        ranked swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

/* Moves the `few` that go first to the front, in order: a heap of the best so far, its worst on top. */
static void select_first(ranked *pods, int64_t count, int64_t few) {
    for (int64_t i = few / 2; i-- > 0;) sift_down(pods, few, i);
    for (int64_t i = few; i < count; i++) {
        if (goes_first(&pods[i], &pods[0]) >= 0) continue;
        pods[0] = pods[i];
        sift_down(pods, few, 0);
    }
    qsort(pods, (size_t)few, sizeof *pods, goes_first);
}

void rs_choose(ks_sim *sim, rs_state *st, const ks_object *rs, int64_t active, int64_t count,
               ks_objects *out) {
    ks_heap *heap = sim->world.heap;
    const rs_entry *e = ks_tree_get(&st->entries, (ks_key){0, rs->id});
    size_t size = (size_t)active * sizeof(ranked);
    ranked *pods = ks_alloc(heap, size);
    int64_t found = 0;
    for (ks_tree_iter it = ks_tree_begin(&e->pods); ks_tree_next(&it) && found < active;) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, it.key.b);
        if (pod == NULL || !ks_pod_active(pod) || !ks_selector_matches(e->selector, pod->labels))
            continue;
        pods[found++] = rank_of(sim, pod);
    }
    if (count > found) count = found;
    if (count < found) {
        rank_by_nodes(sim, st, rs, pods, found);
        select_first(pods, found, count);
    }
    for (int64_t i = 0; i < count; i++) ks_objects_add(heap, out, pods[i].pod);
    ks_free(heap, pods, size);
}
