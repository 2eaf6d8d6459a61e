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
    if (sidecars && ks_len(ks_get(pod->spec, K(initContainers))) == 0) return 0;
    ks_each(status, ks_get(pod->status, list)) {
        if (sidecars && !is_sidecar(pod, ks_get(*status, K(name)))) continue;
        int64_t restarts = ks_count(*status, K(restartCount), 0);
        if (restarts > most) most = restarts;
    }
    return most;
}

/* Instants are parsed once for pods that share the time stamp. */
typedef struct stamp {
    ks_val time;
    int64_t instant;
} stamp;

static ranked rank_of(const ks_sim *sim, const ks_object *pod, stamp *last) {
    ranked r = {.pod = pod, .phase = ks_phase_of(pod), .cost = deletion_cost(pod)};
    if (r.phase == KS_PHASE_NONE) r.phase = KS_PENDING;
    r.since = KS_NEVER;
    r.ready = pod->ready;
    if (r.ready && last->time.type == KS_STRING && pod->ready_time.type == KS_STRING &&
        last->time.s == pod->ready_time.s) {
        r.since = last->instant;
    } else if (ks_pod_ready(&sim->world, pod, &r.since)) {
        *last = (stamp){pod->ready_time, r.since};
    }
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
static int goes_first(const ranked *x, const ranked *y) {
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

/* Merges two sorted halves. */
static void merge(const ranked **out, const ranked **x, size_t n, const ranked **y, size_t m,
                  int (*compare)(const ranked *, const ranked *)) {
    while (n > 0 && m > 0) {
        if (compare(*y, *x) < 0) {
            *out++ = *y++;
            m--;
        } else {
            *out++ = *x++;
            n--;
        }
    }
    while (n-- > 0) *out++ = *x++;
    while (m-- > 0) *out++ = *y++;
}

/* Sorts, keeping the order of equals. The comparison is not transitive (upstream's is not), so what comes out depends on how it
 * is sorted: the C library's way would differ from one to the next. `spare`: room for as many. */
static void sort(const ranked **items, const ranked **spare, size_t n,
                 int (*compare)(const ranked *, const ranked *)) {
    if (n < 2) return;
    size_t half = n / 2;
    sort(items, spare, half, compare);
    sort(items + half, spare + half, n - half, compare);
    for (size_t i = 0; i < n; i++) spare[i] = items[i];
    merge(items, spare, half, spare + half, n - half, compare);
}

/* --- nodes: getPodsRankedByRelatedPodsOnSameNode --- */

/* A node that has pods of the set, and how many active pods of all sets of its controller it has. */
typedef struct node_share {
    uint64_t node; /* hash of its name */
    int64_t pods;
} node_share;

typedef struct node_shares {
    size_t count, cap;
    node_share *items; /* by hash */
    node_share *last;  /* that was found last */
} node_shares;

static int by_hash(const void *a, const void *b) {
    const node_share *x = a, *y = b;
    return x->node < y->node ? -1 : x->node > y->node;
}

static int fullest_first(const void *a, const void *b) {
    const node_share *x = a, *y = b;
    return x->pods != y->pods ? (x->pods > y->pods ? -1 : 1) : by_hash(a, b);
}

static node_share *share_of(node_shares *list, uint64_t node) {
    if (list->count == 0) return NULL;
    if (list->last != NULL && list->last->node == node) return list->last;
    node_share key = {node, 0};
    return list->last = bsearch(&key, list->items, list->count, sizeof key, by_hash);
}

static void count_on(node_shares *list, uint64_t node) {
    node_share *share = share_of(list, node);
    if (share != NULL) share->pods++;
}

/* The nodes that the set's pods are on. */
static void list_nodes(ks_heap *heap, const rs_entry *e, node_shares *list) {
    for (ks_tree_iter it = ks_tree_begin(&e->by_node); ks_tree_next(&it);) {
        if (list->count > 0 && list->items[list->count - 1].node == it.key.a) continue;
        if (list->count == list->cap) {
            size_t cap = list->cap == 0 ? 64 : list->cap * 2;
            list->items = ks_resize(heap, list->items, list->cap * sizeof *list->items,
                                    cap * sizeof *list->items);
            list->cap = cap;
        }
        list->items[list->count++] = (node_share){it.key.a, 0};
    }
}

/* The next of the sets of one controller that has an entry with a selector. */
static bool next_related(const rs_state *st, const ks_object *rs, ks_walk *walk,
                         const rs_entry **e) {
    while (ks_walk_next(walk)) {
        if (!ks_str_eq(walk->object->owner_uid, rs->owner_uid) ||
            !ks_str_eq(walk->object->ns, rs->ns))
            continue;
        *e = ks_ids_get(&st->entries, walk->object->id);
        if (*e != NULL && (*e)->selector != NULL) return true;
    }
    return false;
}

static ks_walk related_to(const ks_sim *sim, const ks_object *rs) {
    return ks_walk_owned(ks_view(sim), rs->owner_uid, KS_REPLICASET);
}

/* Whether no pod but those that the related sets count can match one of their selectors: each selector demands a
 * pod-template-hash that no other set's does, and there are no pods with such a label beside. */
static bool entries_tell_all(ks_sim *sim, rs_state *st, const ks_object *rs) {
    ks_key first = {ks_text_hash(rs->ns), 0}, found;
    const rs_entry *e;
    if (ks_tree_ceiling(&st->strays, first, &found, NULL) && found.a == first.a) return false;
    for (ks_walk w = related_to(sim, rs); next_related(st, rs, &w, &e);) {
        if (e->hash == 0) return false;
        for (ks_tree_iter it = ks_tree_from(&st->hashes, (ks_key){e->hash, 0});
             ks_tree_next(&it) && it.key.a == e->hash;) {
            const ks_object *other = ks_store_by_id(ks_view(sim), KS_REPLICASET, it.key.b);
            if (other == NULL || !ks_str_eq(other->owner_uid, rs->owner_uid)) return false;
        }
    }
    return true;
}

static void count_entries(ks_sim *sim, rs_state *st, const ks_object *rs, node_shares *list) {
    const rs_entry *e;
    for (ks_walk w = related_to(sim, rs); next_related(st, rs, &w, &e);)
        for (ks_tree_iter it = ks_tree_begin(&e->by_node); ks_tree_next(&it);)
            count_on(list, it.key.a);
}

/* The same from all pods of the namespace. */
static void count_pods(ks_sim *sim, rs_state *st, const ks_object *rs, node_shares *list) {
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_POD, rs->ns); ks_walk_next(&w);) {
        const rs_entry *e;
        bool related = false;
        if (w.object->node == NULL || !ks_pod_active(w.object)) continue;
        for (ks_walk sets = related_to(sim, rs); !related && next_related(st, rs, &sets, &e);)
            related = ks_selector_matches(e->selector, w.object->labels);
        if (related) count_on(list, ks_text_hash(w.object->node));
    }
}

/* --- the choice --- */

/* Of such a pod nothing but its node's share, and then its age and its restarts, can say whether it goes first. All others go
 * before it, but for those with a deletion cost. */
static bool is_plain(uint64_t word) {
    const uint64_t plain = RS_ACTIVE | RS_ASSIGNED | RS_RUNNING | RS_READY;
    return (word & plain) == plain;
}

static int by_id(const ranked *x, const ranked *y) {
    return x->pod->id < y->pod->id ? -1 : x->pod->id > y->pod->id;
}

static void add_ranked(const ks_sim *sim, node_shares *list, uint64_t id, stamp *last, ranked *pods,
                       int64_t *found) {
    const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, id);
    if (pod == NULL) return;
    const node_share *share = pod->node == NULL ? NULL : share_of(list, ks_text_hash(pod->node));
    pods[*found] = rank_of(sim, pod, last);
    pods[(*found)++].rank = share == NULL ? 0 : share->pods;
}

/* Active pods that are not plain; all of them where one has a deletion cost. */
static bool gather_odd(const ks_sim *sim, const rs_entry *e, node_shares *list, stamp *last,
                       ranked *pods, int64_t *found) {
    bool costed = false;
    for (ks_ids_iter it = ks_ids_begin(&e->pods); ks_ids_next(&it);)
        costed =
            costed || (ks_word_of(it.value) & (RS_ACTIVE | RS_COSTED)) == (RS_ACTIVE | RS_COSTED);
    for (ks_ids_iter it = ks_ids_begin(&e->pods); ks_ids_next(&it);) {
        uint64_t word = ks_word_of(it.value);
        if ((word & RS_ACTIVE) && (costed || !is_plain(word)))
            add_ranked(sim, list, it.id, last, pods, found);
    }
    return !costed;
}

/* Plain pods of the fullest nodes, until `count` pods are gathered; of nodes that are equally full, all. */
static void gather_plain(const ks_sim *sim, const rs_entry *e, const node_shares *list,
                         int64_t count, stamp *last, ranked *pods, int64_t *found) {
    for (size_t i = 0; i < list->count; i++) {
        const node_share *share = &list->items[i];
        if (*found >= count && share->pods != list->items[i - 1].pods) return;
        for (ks_tree_iter it = ks_tree_from(&e->by_node, (ks_key){share->node, 0});
             ks_tree_next(&it) && it.key.a == share->node;) {
            if (!is_plain(ks_word_of(ks_ids_get(&e->pods, it.key.b)))) continue;
            const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, it.key.b);
            if (pod == NULL) continue;
            pods[*found] = rank_of(sim, pod, last);
            pods[(*found)++].rank = share->pods;
        }
    }
}

/* Pods among which are the `count` that go first. */
static int64_t gather(ks_sim *sim, rs_state *st, const ks_object *rs, int64_t count, ranked *pods) {
    ks_heap *heap = sim->world.heap;
    const rs_entry *e = ks_ids_get(&st->entries, rs->id);
    node_shares list = {0, 0, NULL, NULL};
    stamp last = {KS_NOTHING, 0};
    int64_t found = 0;
    list_nodes(heap, e, &list);
    if (rs->owner_uid != NULL) {
        if (entries_tell_all(sim, st, rs))
            count_entries(sim, st, rs, &list);
        else
            count_pods(sim, st, rs, &list);
    }
    if (gather_odd(sim, e, &list, &last, pods, &found) && found < count) {
        if (list.count > 0) qsort(list.items, list.count, sizeof *list.items, fullest_first);
        gather_plain(sim, e, &list, count, &last, pods, &found);
    }
    ks_free(heap, list.items, list.cap * sizeof *list.items);
    return found;
}

void rs_choose(ks_sim *sim, rs_state *st, const ks_object *rs, int64_t active, int64_t count,
               ks_objects *out) {
    ks_heap *heap = sim->world.heap;
    size_t size = (size_t)active * sizeof(ranked), room = (size_t)active * sizeof(ranked *);
    ranked *pods = ks_alloc(heap, size);
    const ranked **items = ks_alloc(heap, room), **spare = ks_alloc(heap, room);
    int64_t found = gather(sim, st, rs, count, pods);
    for (int64_t i = 0; i < found; i++) items[i] = &pods[i];
    sort(items, spare, (size_t)found, by_id);
    if (count > found) count = found;
    if (count < active) sort(items, spare, (size_t)found, goes_first);
    for (int64_t i = 0; i < count; i++) ks_objects_add(heap, out, items[i]->pod);
    ks_free(heap, (void *)spare, room);
    ks_free(heap, (void *)items, room);
    ks_free(heap, pods, size);
}
