/*
 * controllers/replicaset/rank.c - which pods go first: pkg/controller/controller_utils.go: ActivePodsWithRanks,
 * replica_set.go: getPodsRankedByRelatedPodsOnSameNode.
 */
#include "controllers/replicaset/internal.h"

#include <stdlib.h>
#include <string.h>

/* All that the comparison looks at, worked out once per pod. */
typedef struct ranked {
    const ks_store *view; /* where it is */
    uint64_t id;
    uint64_t place;                      /* what counts before all ages; the lowest goes first */
    uint64_t uid;                        /* its first eight characters, in their order */
    int64_t since, created;              /* KS_NEVER: none */
    int8_t since_bucket, created_bucket; /* floor(log2) of how long that is ago; -1 for no time */
    int32_t restarts, sidecar_restarts;
} ranked;

/* Pods from which is chosen. */
typedef struct ranks {
    size_t count, cap;
    ranked *pods;
} ranks;

static void make_room(ks_heap *heap, ranks *f, size_t cap) {
    if (cap <= f->cap) return;
    f->pods = ks_resize(heap, f->pods, f->cap * sizeof *f->pods, cap * sizeof *f->pods);
    f->cap = cap;
}

static ranked *add(ks_heap *heap, ranks *f) {
    if (f->count == f->cap) make_room(heap, f, f->cap == 0 ? 16 : f->cap * 2);
    return &f->pods[f->count++];
}

/* What its annotation says; 0 where that is no cost. */
static int64_t deletion_cost(const ks_object *pod) {
    ks_val text = ks_get2(pod->meta, K(annotations), K(controller_kubernetes_io_pod_deletion_cost));
    int32_t cost;
    return text.type == KS_STRING && ks_deletion_cost(text.s, &cost) ? cost : 0;
}

static bool is_sidecar(const ks_object *pod, ks_val name) {
    ks_each(container, ks_get(pod->spec, K(initContainers))) {
        if (ks_equal(ks_get(*container, K(name)), name))
            return ks_text_is(ks_get(*container, K(restartPolicy)), "Always");
    }
    return false;
}

static int32_t most_restarts(const ks_object *pod, const ks_str *list, bool sidecars) {
    int64_t most = 0;
    if (sidecars && ks_len(ks_get(pod->spec, K(initContainers))) == 0) return 0;
    ks_each(status, ks_get(pod->status, list)) {
        if (sidecars && !is_sidecar(pod, ks_get(*status, K(name)))) continue;
        int64_t restarts = ks_count(*status, K(restartCount), 0);
        if (restarts > most) most = restarts;
    }
    return (int32_t)most;
}

static int8_t bucket(int64_t span) {
    return span <= 0 ? -1 : (int8_t)(63 - __builtin_clzll((uint64_t)span));
}

#define ON_NODE (UINT64_C(1) << 63)

/* Those without a node first, then by phase, those that are not ready, the cheapest, those on the fullest nodes: as one number. */
static uint64_t place_in(bool assigned, ks_phase phase, bool ready, int64_t cost, int64_t rank) {
    const uint64_t full = (UINT64_C(1) << 27) - 1;
    uint64_t place =
        (uint64_t)phase << 60 | (uint64_t)ready << 59 | (uint64_t)(cost - INT32_MIN) << 27;
    if (assigned) place |= ON_NODE;
    return place | (full - ((uint64_t)rank < full ? (uint64_t)rank : full));
}

static uint64_t place_of(const ks_object *pod, int64_t cost, int64_t rank) {
    ks_phase phase = ks_phase_of(pod);
    return place_in(pod->node != NULL, phase == KS_PHASE_NONE ? KS_PENDING : phase, pod->ready,
                    cost, rank);
}

static uint64_t first_of(const ks_str *uid) {
    uint64_t word = 0;
    for (uint32_t i = 0; uid != NULL && i < 8 && i < uid->len; i++)
        word |= (uint64_t)(unsigned char)uid->s[i] << (56 - 8 * i);
    return word;
}

static const ks_object *pod_of(const ranked *r) { return ks_store_by_id(r->view, KS_POD, r->id); }

static int8_t bucket_of(int64_t now, int64_t instant) {
    return instant == KS_NEVER ? -1 : bucket(now - instant);
}

static ranked rank_of(const ks_sim *sim, const ks_object *pod, int64_t cost, int64_t rank) {
    int64_t now = sim->world.now;
    return (ranked){
        .view = ks_view(sim),
        .id = pod->id,
        .place = place_of(pod, cost, rank),
        .uid = first_of(pod->uid),
        .since = pod->ready_since,
        .created = pod->created,
        .since_bucket = bucket_of(now, pod->ready_since),
        .created_bucket = bucket_of(now, pod->created),
        .restarts = pod->restarted ? most_restarts(pod, K(containerStatuses), false) : 0,
        .sidecar_restarts = pod->restarted ? most_restarts(pod, K(initContainerStatuses), true) : 0,
    };
}

static int by_uid(const ranked *x, const ranked *y) {
    if (x->uid != y->uid) return x->uid < y->uid ? -1 : 1;
    return ks_str_cmp(pod_of(x)->uid, pod_of(y)->uid);
}

/* Of two different instants: KS_NEVER (none) first, else the younger bucket, else the lower uid. */
static int younger(const ranked *x, const ranked *y) {
    if (x->since == KS_NEVER || y->since == KS_NEVER) return x->since == KS_NEVER ? -1 : 1;
    if (x->since_bucket != y->since_bucket) return x->since_bucket < y->since_bucket ? -1 : 1;
    return by_uid(x, y);
}

static int created_later(const ranked *x, const ranked *y) {
    if (x->created == KS_NEVER || y->created == KS_NEVER) return x->created == KS_NEVER ? -1 : 1;
    if (x->created_bucket != y->created_bucket)
        return x->created_bucket < y->created_bucket ? -1 : 1;
    return by_uid(x, y);
}

/* Negative: x goes before y. Full ties keep the order of creation. */
static int goes_first(const ranked *x, const ranked *y) {
    if (x->place != y->place) return x->place < y->place ? -1 : 1;
    if (x->since != y->since) return younger(x, y);
    if (x->restarts != y->restarts) return x->restarts > y->restarts ? -1 : 1;
    if (x->sidecar_restarts != y->sidecar_restarts)
        return x->sidecar_restarts > y->sidecar_restarts ? -1 : 1;
    if (x->created != y->created) return created_later(x, y);
    return x->id < y->id ? -1 : x->id > y->id;
}

/* The first `want` of two sorted halves. */
static void merge(const ranked **out, size_t want, const ranked **x, size_t n, const ranked **y,
                  size_t m, int (*compare)(const ranked *, const ranked *)) {
    for (; want > 0 && n > 0 && m > 0; want--) {
        if (compare(*y, *x) < 0) {
            *out++ = *y++;
            m--;
        } else {
            *out++ = *x++;
            n--;
        }
    }
    for (; want > 0 && n > 0; want--, n--) *out++ = *x++;
    for (; want > 0 && m > 0; want--, m--) *out++ = *y++;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Sorts until the first `want` are right, keeping the order of equals: of each half no more can be among them. The comparison by ranks is
 * not transitive (upstream's is not), so what comes out depends on how it is sorted: the C library's way would differ from one to the next,
 * and halves that look sorted together may not be (`total`: they are). `spare`: room for as many. */
static void sort(const ranked **items, const ranked **spare, size_t n, size_t want, bool total,
                 int (*compare)(const ranked *, const ranked *)) {
    if (n < 2) return;
    size_t half = n / 2, left = least(half, want), right = least(n - half, want);
    sort(items, spare, half, want, total, compare);
    sort(items + half, spare + half, n - half, want, total, compare);
    if (total && compare(items[half - 1], items[half]) <= 0) return;
    memcpy(spare, items, left * sizeof *items);
    memcpy(spare + half, items + half, right * sizeof *items);
    merge(items, want, spare, left, spare + half, right, compare);
}

/* --- nodes: getPodsRankedByRelatedPodsOnSameNode --- */

/* A node that has pods of the set, and how many active pods of all sets of its controller it has. */
typedef struct node_share {
    uint64_t hash;      /* of its name */
    const ks_str *name; /* borrowed */
    int64_t pods;
    int64_t own; /* those of this set */
} node_share;

typedef struct node_shares {
    size_t count, cap;
    node_share *items; /* by hash */
    node_share *last;  /* that was found last */
} node_shares;

static int by_hash(const void *a, const void *b) {
    const node_share *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static int fullest_first(const void *a, const void *b) {
    const node_share *x = a, *y = b;
    return x->pods != y->pods ? (x->pods > y->pods ? -1 : 1) : by_hash(a, b);
}

static node_share *share_of(node_shares *list, uint64_t hash) {
    if (list->count == 0) return NULL;
    if (list->last != NULL && list->last->hash == hash) return list->last;
    node_share key = {.hash = hash};
    return list->last = bsearch(&key, list->items, list->count, sizeof key, by_hash);
}

static void count_on(node_shares *list, uint64_t hash, int64_t pods) {
    node_share *share = share_of(list, hash);
    if (share != NULL) share->pods += pods;
}

/* The nodes that the set's pods are on. */
static void list_nodes(ks_heap *heap, const rs_entry *e, node_shares *list) {
    list->cap = e->shares.count;
    if (list->cap == 0) return;
    list->items = ks_alloc(heap, list->cap * sizeof *list->items);
    for (ks_tree_iter it = ks_tree_begin(&e->shares); ks_tree_next(&it);) {
        const rs_share *share = it.value;
        list->items[list->count++] = (node_share){it.key.a, share->node, 0, share->pods};
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
        for (ks_tree_iter it = ks_tree_begin(&e->shares); ks_tree_next(&it);)
            count_on(list, it.key.a, ((const rs_share *)it.value)->pods);
}

/* The same from all pods of the namespace. */
static void count_pods(ks_sim *sim, rs_state *st, const ks_object *rs, node_shares *list) {
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_POD, rs->ns); ks_walk_next(&w);) {
        const rs_entry *e;
        bool related = false;
        if (w.object->node == NULL || !ks_pod_active(w.object)) continue;
        for (ks_walk sets = related_to(sim, rs); !related && next_related(st, rs, &sets, &e);)
            related = ks_selector_matches(e->selector, w.object->labels);
        if (related) count_on(list, ks_text_hash(w.object->node), 1);
    }
}

/* --- the choice --- */

static int by_id(const ranked *x, const ranked *y) { return x->id < y->id ? -1 : x->id > y->id; }

/* Active pods that are not plain, which go first; all of them where one has a deletion cost. */
static void gather_odd(const ks_sim *sim, const rs_state *st, const rs_entry *e, node_shares *list,
                       ranks *pods) {
    bool costed = e->counts.costed > 0;
    if (!costed && e->counts.plain == e->counts.active) return;
    for (ks_ids_iter it = ks_ids_begin(&e->pods); ks_ids_next(&it);) {
        uint64_t word = ks_word_of(it.value);
        if (!(word & RS_ACTIVE) || (!costed && rs_is_plain(word))) continue;
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, it.id);
        if (pod == NULL) continue;
        const node_share *share =
            pod->node == NULL ? NULL : share_of(list, ks_text_hash(pod->node));
        int64_t cost = word & RS_COSTED ? deletion_cost(pod) : 0;
        ranked *rank = add(sim->world.heap, pods);
        *rank = rank_of(sim, pod, cost, share == NULL ? 0 : share->pods);
        if (st->newborn.count > 0 && ks_tree_has(&st->newborn, (ks_key){0, it.id}))
            rank->place &= ~ON_NODE;
    }
}

/* Of pods of a node, from `at` on, the set's plain ones are ranked. Nobody has looked at them for long: what it takes is asked for ahead. */
static void rank_plain(const ks_sim *sim, const rs_entry *e, int64_t share, ranks *pods,
                       size_t at) {
    enum { AHEAD = 8 };
    size_t kept = at;
    for (size_t i = at; i < pods->count + AHEAD; i++) {
        if (i < pods->count) {
            ks_ids_ask(&e->pods, pods->pods[i].id);
            ks_fetch(pod_of(&pods->pods[i])->uid);
        }
        if (i < at + AHEAD) continue;
        const ks_object *pod = pod_of(&pods->pods[i - AHEAD]);
        if (rs_is_plain(ks_word_of(ks_ids_get(&e->pods, pod->id))))
            pods->pods[kept++] = rank_of(sim, pod, 0, share);
    }
    pods->count = kept;
}

/* Plain pods of the fullest nodes, until `count` pods are gathered; of nodes that are equally full, all. */
static void gather_plain(const ks_sim *sim, const rs_entry *e, const node_shares *list,
                         size_t count, ranks *pods) {
    for (size_t i = 0; i < list->count; i++) {
        const node_share *share = &list->items[i];
        size_t at = pods->count;
        if (at >= count && share->pods != list->items[i - 1].pods) return;
        for (ks_walk w = ks_walk_node(ks_view(sim), share->name); ks_walk_next(&w);)
            if (w.object->ready)
                *add(sim->world.heap, pods) = (ranked){.view = ks_view(sim), .id = w.object->id};
        rank_plain(sim, e, share->pods, pods, at);
    }
}

/* Where all active pods are plain the entry tells how many each node has: the nodes that it takes until `count` are gathered, fullest
 * first, and how many pods they have. */
static size_t enough_nodes(const node_shares *list, size_t count, size_t *pods) {
    size_t at = 0;
    *pods = 0;
    for (; at < list->count; at++) {
        if (*pods >= count && list->items[at].pods != list->items[at - 1].pods) break;
        *pods += (size_t)list->items[at].own;
    }
    return at;
}

/* Hashes of nodes' names, by the text: pods of a node mostly share it. */
typedef struct known_hash {
    const ks_str *node;
    uint64_t hash;
} known_hash;
enum { NODES_KNOWN = 256 };

static uint64_t hash_of_node(known_hash *known, const ks_str *node) {
    known_hash *at = &known[((uintptr_t)node >> 4) % NODES_KNOWN];
    if (at->node != node) *at = (known_hash){node, ks_text_hash(node)};
    return at->hash;
}

/* The next of the set's plain pods, by id; NULL: there is none. */
static const ks_object *next_plain(const ks_store *view, ks_ids_iter *it) {
    while (ks_ids_next(it)) {
        if (!rs_is_plain(ks_word_of(it->value))) continue;
        const ks_object *pod = ks_store_by_id(view, KS_POD, it->id);
        if (pod != NULL) return pod;
    }
    return NULL;
}

/* One more; its room has been made. */
static void note_age(ks_heap *heap, rs_ages *ages, const ks_object *pod, uint64_t node) {
    void **last = ks_ids_make(heap, &ages->last, node);
    uint32_t at = ages->count++, before = (uint32_t)ks_word_of(*last);
    *last = ks_word(at + 1);
    ages->pods[at] = (rs_age){
        .id = pod->id,
        .uid = first_of(pod->uid),
        .node = node,
        .since = pod->ready_since,
        .created = pod->created,
        .next = before > 0 ? ages->pods[before - 1].next : at,
        .restarted = pod->restarted,
    };
    if (before > 0) ages->pods[before - 1].next = at;
}

/* What there is to know of all plain pods. What it takes of them is asked for ahead, as in rank_plain(). */
static rs_ages *ages_of(const ks_sim *sim, const rs_entry *e) {
    enum { AHEAD = 6, COMING = 3 * AHEAD };
    const ks_object *coming[COMING];
    known_hash known[NODES_KNOWN] = {{NULL, 0}};
    uint32_t room = (uint32_t)e->counts.plain;
    rs_ages *ages = ks_alloc(sim->world.heap, sizeof *ages + room * sizeof *ages->pods);
    *ages = (rs_ages){.refs = 1, .room = room};
    ks_ids_iter it = ks_ids_begin(&e->pods);
    size_t seen = 0; /* how many have been asked for */
    bool more = true;
    for (size_t i = 0; more || i < seen + 2 * AHEAD; i++) {
        const ks_object *pod = more ? next_plain(ks_view(sim), &it) : NULL;
        more = pod != NULL;
        if (more) {
            coming[seen++ % COMING] = pod;
            ks_fetch_all(pod, sizeof *pod);
        }
        if (i >= AHEAD && i - AHEAD < seen) ks_fetch(coming[(i - AHEAD) % COMING]->uid);
        if (i < 2 * AHEAD || i - 2 * AHEAD >= seen) continue;
        pod = coming[(i - 2 * AHEAD) % COMING];
        note_age(sim->world.heap, ages, pod, hash_of_node(known, pod->node));
    }
    return ages;
}

/* Which of the nodes it is, by the hash of its name; NULL: none of those listed. */
typedef struct found_node {
    uint64_t hash;
    const node_share *share;
} found_node;
enum { NODES_FOUND = 1024 };

static const node_share *share_of_node(node_shares *list, found_node *found, uint64_t hash) {
    found_node *at = &found[(hash * UINT64_C(0x9fb21c651e98df25) >> 32) % NODES_FOUND];
    if (at->hash != hash) *at = (found_node){hash, share_of(list, hash)};
    return at->share;
}

static ranked rank_of_age(const ks_sim *sim, const rs_age *age, int64_t rank) {
    int64_t now = sim->world.now;
    return (ranked){
        .view = ks_view(sim),
        .id = age->id,
        .place = place_in(true, KS_RUNNING, true, 0, rank),
        .uid = age->uid,
        .since = age->since,
        .created = age->created,
        .since_bucket = bucket_of(now, age->since),
        .created_bucket = bucket_of(now, age->created),
    };
}

static void rank_age(const ks_sim *sim, const rs_entry *e, const rs_age *age, int64_t share,
                     ranks *pods) {
    if (!rs_is_plain(ks_word_of(ks_ids_get(&e->pods, age->id)))) return; /* it has gone since */
    *add(sim->world.heap, pods) =
        age->restarted ? rank_of(sim, ks_store_by_id(ks_view(sim), KS_POD, age->id), 0, share)
                       : rank_of_age(sim, age, share);
}

/* The same pods as gather_plain() finds, which are on the nodes listed, from what is known of all. `many`: they are a good part of these. */
static void gather_by_age(const ks_sim *sim, const rs_entry *e, node_shares *list, bool many,
                          ranks *pods) {
    const rs_ages *ages = e->ages;
    found_node found[NODES_FOUND] = {{0, NULL}};
    for (uint32_t i = 0; many && i < ages->count; i++) {
        const node_share *share = share_of_node(list, found, ages->pods[i].node);
        if (share != NULL) rank_age(sim, e, &ages->pods[i], share->pods, pods);
    }
    for (size_t i = 0; !many && i < list->count; i++) {
        uint32_t last = (uint32_t)ks_word_of(ks_ids_get(&ages->last, list->items[i].hash));
        for (uint32_t at = last; at > 0; at = at == last ? 0 : at) {
            at = ages->pods[at - 1].next + 1;
            rank_age(sim, e, &ages->pods[at - 1], list->items[i].pods, pods);
        }
    }
}

static void gather_plains(const ks_sim *sim, rs_entry *e, node_shares *list, size_t count,
                          ranks *pods) {
    enum { GOOD_PART = 8 };
    if (list->count == 0) return;
    qsort(list->items, list->count, sizeof *list->items, fullest_first);
    size_t there = 0, nodes = enough_nodes(list, count, &there);
    bool many = there * GOOD_PART >= e->pods.count;
    if (e->counts.plain != e->counts.active || (!many && e->ages == NULL)) {
        gather_plain(sim, e, list, count, pods);
        return;
    }
    qsort(list->items, nodes, sizeof *list->items, by_hash);
    list->count = nodes;
    list->last = NULL;
    make_room(sim->world.heap, pods, pods->count + there);
    if (e->ages == NULL) e->ages = ages_of(sim, e);
    gather_by_age(sim, e, list, many, pods);
    if (e->counts.plain > e->ages->count / 2) return;
    rs_ages *ages = e->ages; /* most have gone */
    e->ages = NULL;
    rs_ages_unref(sim->world.heap, ages);
}

/* Pods among which are the `count` that go first. */
static void gather(ks_sim *sim, rs_state *st, const ks_object *rs, size_t count, ranks *pods) {
    ks_heap *heap = sim->world.heap;
    rs_entry *e = rs_entry_of(heap, st, rs->id);
    node_shares list = {0, 0, NULL, NULL};
    list_nodes(heap, e, &list);
    if (rs->owner_uid != NULL) {
        if (entries_tell_all(sim, st, rs))
            count_entries(sim, st, rs, &list);
        else
            count_pods(sim, st, rs, &list);
    }
    gather_odd(sim, st, e, &list, pods);
    if (e->counts.costed == 0 && pods->count < count) gather_plains(sim, e, &list, count, pods);
    ks_free(heap, list.items, list.cap * sizeof *list.items);
}

static bool are_by_id(const ranks *pods) {
    for (size_t i = 1; i < pods->count; i++)
        if (pods->pods[i - 1].id > pods->pods[i].id) return false;
    return true;
}

/* Nobody has looked at the pods chosen for long. */
static void find(ks_sim *sim, const ranked **chosen, size_t n, ks_objects *out) {
    enum { AHEAD = 6 };
    const ks_store *view = ks_view(sim);
    for (size_t i = 0; i < n + 2 * AHEAD; i++) {
        if (i < n) ks_ids_ask(&view->by_id[KS_POD], chosen[i]->id);
        if (i >= AHEAD && i < n + AHEAD) ks_fetch(pod_of(chosen[i - AHEAD]));
        if (i >= 2 * AHEAD) ks_objects_add(sim->world.heap, out, pod_of(chosen[i - 2 * AHEAD]));
    }
}

void rs_choose(ks_sim *sim, rs_state *st, const ks_object *rs, int64_t active, int64_t count,
               ks_objects *out) {
    ks_heap *heap = sim->world.heap;
    ranks pods = {0, 0, NULL};
    gather(sim, st, rs, (size_t)count, &pods);
    size_t room = pods.count * sizeof(ranked *);
    const ranked **items = ks_alloc(heap, room), **spare = ks_alloc(heap, room);
    for (size_t i = 0; i < pods.count; i++) items[i] = &pods.pods[i];
    if (!are_by_id(&pods)) sort(items, spare, pods.count, pods.count, true, by_id);
    if (count < active) sort(items, spare, pods.count, (size_t)count, false, goes_first);
    find(sim, items, least(pods.count, (size_t)count), out);
    ks_free(heap, (void *)spare, room);
    ks_free(heap, (void *)items, room);
    ks_free(heap, pods.pods, pods.cap * sizeof *pods.pods);
}
