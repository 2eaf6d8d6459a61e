/*
 * controllers/storage/users.h - which assigned pods use which claim: an index kept by components that ask for it.
 */
#ifndef KS_CONTROLLERS_STORAGE_USERS_H
#define KS_CONTROLLERS_STORAGE_USERS_H

#include "engine/sim.h"
#include "engine/volumes.h"

typedef struct ks_claim_users {
    ks_tree pods; /* {hash of the claim's namespace and name, pod id} */
} ks_claim_users;

uint64_t ks_claim_key(const ks_str *ns, const ks_str *name);
/* To be called with each change of a pod: pods count from the time they have a node until their object is gone. */
void ks_claim_users_observe(ks_heap *heap, ks_claim_users *users, const ks_change *change);
/* The next pod that uses the claim, or NULL.
 *     for (it = ks_claim_users_of(users, ns, name); (pod = ks_claim_user(store, &it, ns, name)) != NULL;) ... */
ks_tree_iter ks_claim_users_of(const ks_claim_users *users, const ks_str *ns, const ks_str *name);
const ks_object *ks_claim_user(const ks_store *store, ks_tree_iter *iter, const ks_str *ns,
                               const ks_str *name);
bool ks_pod_uses_claim(ks_heap *heap, const ks_object *pod, const ks_str *claim);

#endif
