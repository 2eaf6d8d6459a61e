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
/* Whether a claim is wanted anywhere, and on the node of which that is ks_node_hash(). */
bool ks_wants_any(const ks_sim *sim, const ks_wants *wants, const ks_str *ns, const ks_str *claim);
bool ks_wants_on(const ks_sim *sim, const ks_wants *wants, const ks_object *claim, uint64_t node);
static inline uint64_t ks_node_hash(const ks_str *name) { return ks_hash_text(name, 0); }

/* The nodes where a claim is wanted, in the order of their hashes; they may come and go meanwhile.
 *     for (ks_wanting w = ks_wants_of(sim, wants, claim); ks_wanting_next(&w);) use(w.node); */
typedef struct ks_wanting {
    const ks_wants *wants;
    ks_key next; /* private */
    bool over;   /* private */
    const ks_str *node;
} ks_wanting;
ks_wanting ks_wants_of(const ks_sim *sim, const ks_wants *wants, const ks_object *claim);
bool ks_wanting_next(ks_wanting *wanting);

#endif
