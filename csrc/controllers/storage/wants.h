/*
 * controllers/storage/wants.h - on which nodes a claim is wanted: those of the pods that name it and have a node.
 * pkg/controller/volume/attachdetach/cache/desired_state_of_world.go. Called by attachdetach.c.
 *
 * Mostly one pod names a claim, and the store finds that one (store/naming.h): nothing is kept for it. Of a claim that several pods
 * name its nodes are kept, and which of its pods each of them has, so that a pod that comes or goes costs a look, however many there are.
 */
#ifndef KS_CONTROLLERS_STORAGE_WANTS_H
#define KS_CONTROLLERS_STORAGE_WANTS_H

#include "engine/sim.h"

/* A value; to be begun with ks_wants_init(). */
typedef struct ks_wants {
    ks_table shared; /* claims that several pods name */
    ks_links users;  /* of these: claim and node -> ids of the pods that want it there */
    ks_tree nodes;   /* of these: {hash of claim, hash of node} -> the node's name */
} ks_wants;

void ks_wants_init(ks_wants *wants);
void ks_wants_copied(const ks_wants *wants); /* after a copy by assignment */
void ks_wants_clear(ks_heap *heap, ks_wants *wants);

/* Whether the pod has a node, and its volumes are to be there. */
bool ks_pod_wants_volumes(const ks_object *pod);
/* A pod, which has a node, has begun or ceased to want its claim there: true when it is the first one on the node to do so, or the last. */
bool ks_wants_note(ks_sim *sim, ks_wants *wants, const ks_object *pod, const ks_str *claim,
                   bool more);
/* Whether a claim is wanted anywhere. */
bool ks_wants_any(const ks_sim *sim, const ks_wants *wants, const ks_object *claim);

/* Where a claim is wanted: a look at it, good until a pod changes. */
typedef struct ks_wanted {
    const ks_tree *nodes;  /* of a claim that several pods name; else NULL */
    const ks_object *user; /* else: the only pod that wants it, or NULL */
    uint64_t hash; /* private: of the claim, if several pods name it; else of the pod's node */
} ks_wanted;
ks_wanted ks_wants_of(const ks_sim *sim, const ks_wants *wants, const ks_object *claim);
/* Whether it is wanted on the node of which that is ks_node_hash(). */
bool ks_wanted_on(const ks_wanted *wanted, uint64_t node);
static inline uint64_t ks_node_hash(const ks_str *name) { return ks_hash_text(name, 0); }
/* The node of the least hash from `from` on, borrowed, and that hash; NULL: no more. */
const ks_str *ks_wanted_from(const ks_wanted *wanted, uint64_t from, uint64_t *hash);

#endif
