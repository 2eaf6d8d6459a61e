/*
 * controllers/storage/wants.c - on which nodes a claim is wanted; see wants.h.
 *
 * Invariant: of a claim in `shared`, `users` has each pod that wants it, and `nodes` each node that `users` has a pod for; of others
 * they have nothing, and at most one pod wants them.
 */
#include "controllers/storage/wants.h"
#include "store/naming.h"

static void name_ref(void *value) { ks_str_ref(value); }
static void name_unref(ks_heap *heap, void *value) { ks_str_unref(heap, value); }
static const ks_tree_type nodes_type = {.ref = name_ref, .unref = name_unref};

static uint64_t claim_hash(const ks_str *ns, const ks_str *claim) {
    return ks_hash_text(claim, ks_hash_text(ns, 0));
}

static ks_key on_node(uint64_t claim, const ks_str *node) {
    return (ks_key){claim, ks_node_hash(node)};
}

static ks_key users_key(uint64_t claim, const ks_str *node) {
    return (ks_key){ks_hash_text(node, claim), claim};
}

void ks_wants_init(ks_wants *wants) { *wants = (ks_wants){.nodes.type = &nodes_type}; }

void ks_wants_copied(const ks_wants *wants) {
    ks_table_copied(&wants->shared);
    ks_links_copied(&wants->users);
    ks_trees_copied(&wants->nodes, 1);
}

void ks_wants_clear(ks_heap *heap, ks_wants *wants) {
    ks_table_clear(heap, &wants->shared);
    ks_links_clear(heap, &wants->users);
    ks_tree_clear(heap, &wants->nodes);
}

/* --- pods --- */

static bool any_running(ks_val statuses) {
    ks_each(status, statuses) {
        if (ks_exists(ks_get2(*status, K(state), K(running)))) return true;
    }
    return false;
}

/* pkg/volume/util: IsPodTerminated. */
static bool terminated(const ks_object *pod) {
    if (pod->phase == 'S' || pod->phase == 'F') return true;
    return ks_object_terminating(pod) && !any_running(ks_get(pod->status, K(containerStatuses))) &&
           !any_running(ks_get(pod->status, K(initContainerStatuses)));
}

bool ks_pod_wants_volumes(const ks_object *pod) { return pod->node != NULL && !terminated(pod); }

/* --- claims that several pods name --- */

/* Whether one is, and its hash, which only these need. */
static bool is_shared(const ks_wants *wants, const ks_str *ns, const ks_str *claim,
                      uint64_t *hash) {
    if (wants->shared.count == 0) return false;
    *hash = claim_hash(ns, claim);
    return ks_table_get(&wants->shared, (ks_key){*hash, 0}) != NULL;
}

/* True when it is the first pod on its node. */
static bool add(ks_heap *heap, ks_wants *wants, uint64_t claim, const ks_object *pod) {
    ks_key node = on_node(claim, pod->node);
    bool first = !ks_tree_has(&wants->nodes, node);
    ks_links_add(heap, &wants->users, users_key(claim, pod->node), pod->id);
    if (first) ks_tree_put(heap, &wants->nodes, node, (void *)(uintptr_t)ks_str_ref(pod->node));
    return first;
}

/* True when it was the last one there. */
static bool take(ks_heap *heap, ks_wants *wants, uint64_t claim, const ks_object *pod) {
    ks_key key = users_key(claim, pod->node);
    if (!ks_links_del(heap, &wants->users, key, pod->id)) return false;
    ks_link left = ks_links_of(&wants->users, key);
    if (ks_link_next(&left)) return false;
    ks_tree_del(heap, &wants->nodes, on_node(claim, pod->node));
    return true;
}

/* The other pods that name the claim. */
static ks_namers others_of(const ks_sim *sim, const ks_object *pod, const ks_str *claim) {
    ks_namers n = ks_store_sharing(ks_view(sim), pod, claim);
    n.but = pod->id;
    return n;
}

/* Another pod than `pod` names the claim, or has just done so. */
static bool has_others(const ks_sim *sim, const ks_object *pod, const ks_str *claim) {
    ks_namers n = others_of(sim, pod, claim);
    return ks_namers_next(&n);
}

/* From now on the claim's pods are kept. */
static void share(ks_sim *sim, ks_wants *wants, const ks_object *pod, const ks_str *claim,
                  uint64_t hash) {
    ks_heap *heap = sim->world.heap;
    ks_table_put(heap, &wants->shared, (ks_key){hash, 0}, (void *)(uintptr_t)1);
    for (ks_namers n = others_of(sim, pod, claim); ks_namers_next(&n);)
        if (ks_pod_wants_volumes(n.object)) add(heap, wants, hash, n.object);
}

bool ks_wants_note(ks_sim *sim, ks_wants *wants, const ks_object *pod, const ks_str *claim,
                   bool more) {
    ks_heap *heap = sim->world.heap;
    uint64_t hash;
    bool others = has_others(sim, pod, claim);
    if (!is_shared(wants, pod->ns, claim, &hash)) {
        if (!others) return true;
        hash = claim_hash(pod->ns, claim);
        share(sim, wants, pod, claim, hash);
        if (!more) add(heap, wants, hash, pod); /* that it was there is not to be seen any more */
    }
    bool turned = (more ? add : take)(heap, wants, hash, pod);
    if (!others && !more) ks_table_del(heap, &wants->shared, (ks_key){hash, 0});
    return turned;
}

/* --- looking --- */

/* Of a claim that is not shared, the pod that wants it: there is one at most. NULL: none. */
static const ks_object *only_user(const ks_sim *sim, const ks_object *claim) {
    for (ks_namers n = ks_store_naming_it(ks_view(sim), KS_POD, claim); ks_namers_next(&n);)
        if (ks_pod_wants_volumes(n.object)) return n.object;
    return NULL;
}

bool ks_wants_any(const ks_sim *sim, const ks_wants *wants, const ks_object *claim) {
    uint64_t hash;
    ks_key found;
    if (!is_shared(wants, claim->ns, claim->name, &hash)) return only_user(sim, claim) != NULL;
    return ks_tree_ceiling(&wants->nodes, (ks_key){hash, 0}, &found, NULL) && found.a == hash;
}

ks_wanted ks_wants_of(const ks_sim *sim, const ks_wants *wants, const ks_object *claim) {
    ks_wanted w = {.nodes = NULL};
    if (is_shared(wants, claim->ns, claim->name, &w.hash))
        w.nodes = &wants->nodes;
    else if ((w.user = only_user(sim, claim)) != NULL)
        w.hash = ks_node_hash(w.user->node);
    return w;
}

bool ks_wanted_on(const ks_wanted *w, uint64_t node) {
    if (w->nodes != NULL) return ks_tree_has(w->nodes, (ks_key){w->hash, node});
    return w->user != NULL && w->hash == node;
}

const ks_str *ks_wanted_from(const ks_wanted *w, uint64_t from, uint64_t *hash) {
    if (w->nodes != NULL) {
        ks_key found;
        void *name;
        if (!ks_tree_ceiling(w->nodes, (ks_key){w->hash, from}, &found, &name) ||
            found.a != w->hash)
            return NULL;
        *hash = found.b;
        return name;
    }
    if (w->user == NULL) return NULL;
    *hash = w->hash;
    return w->hash >= from ? w->user->node : NULL;
}
