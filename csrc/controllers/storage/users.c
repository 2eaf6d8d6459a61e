/*
 * controllers/storage/users.c - which assigned pods use which claim; see users.h.
 */
#include "controllers/storage/users.h"

uint64_t ks_claim_key(const ks_str *ns, const ks_str *name) {
    return ks_hash_text(name, ks_hash_text(ns, 0));
}

static void each_claim(ks_heap *heap, ks_claim_users *users, const ks_object *pod, bool add) {
    ks_each(volume, ks_get(pod->spec, K(volumes))) {
        const ks_str *claim = ks_volume_claim_name(heap, pod, *volume);
        if (claim == NULL) continue;
        ks_key key = {ks_claim_key(pod->ns, claim), pod->id};
        if (add)
            ks_tree_put(heap, &users->pods, key, (void *)(uintptr_t)pod->id);
        else
            ks_tree_del(heap, &users->pods, key);
        ks_str_unref(heap, claim);
    }
}

void ks_claim_users_observe(ks_heap *heap, ks_claim_users *users, const ks_change *change) {
    const ks_object *pod = change->object;
    bool had = change->type == KS_DELETED ? pod->node != NULL
                                          : change->old != NULL && change->old->node != NULL;
    bool has = change->type != KS_DELETED && pod->node != NULL;
    if (had != has) each_claim(heap, users, pod, has);
}

ks_tree_iter ks_claim_users_of(const ks_claim_users *users, const ks_str *ns, const ks_str *name) {
    return ks_tree_from(&users->pods, (ks_key){ks_claim_key(ns, name), 0});
}

bool ks_pod_uses_claim(ks_heap *heap, const ks_object *pod, const ks_str *claim) {
    bool uses = false;
    ks_each(volume, ks_get(pod->spec, K(volumes))) {
        const ks_str *name = ks_volume_claim_name(heap, pod, *volume);
        if (name != NULL && ks_str_eq(name, claim)) uses = true;
        ks_str_unref(heap, name);
    }
    return uses;
}

const ks_object *ks_claim_user(const ks_store *store, ks_tree_iter *iter, const ks_str *ns,
                               const ks_str *name) {
    uint64_t hash = ks_claim_key(ns, name);
    while (ks_tree_next(iter) && iter->key.a == hash) {
        const ks_object *pod = ks_store_by_id(store, KS_POD, iter->key.b);
        if (pod != NULL && ks_str_eq(pod->ns, ns) &&
            ks_pod_uses_claim(store->world->heap, pod, name))
            return pod;
    }
    return NULL;
}
