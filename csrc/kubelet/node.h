/*
 * kubelet/node.h - machines: Node objects as a kubelet registers them, and losing and finding them again.
 */
#ifndef KS_KUBELET_NODE_H
#define KS_KUBELET_NODE_H

#include "engine/sim.h"

/* The document of a healthy Node, a new reference. `labels` (map), `taints` (list), `capacity` (map) are taken over and may be
 * KS_NOTHING; what capacity does not name is 4 cpu, 8Gi of memory, 110 pods. `zone` may be NULL. */
ks_val ks_node_make(ks_sim *sim, const ks_str *name, ks_val labels, ks_val taints, ks_val capacity,
                    const ks_str *zone);

/* The node stops talking to the control plane, its pods with it; or starts again. Not found: 404.
 * What shows it to the controllers is its Lease in kube-node-lease: the leases of nodes that talk are renewed every 10 s and therefore
 * not stored; that of a silent node is, with its last renewal. One that others have stored stays; it says nothing of a node that talks. */
ks_refusal *ks_node_fail(ks_sim *sim, const ks_str *name);
ks_refusal *ks_node_recover(ks_sim *sim, const ks_str *name);

/* The node's conditions are those of one that has fallen silent; if it talks, its kubelet posts what is so with its next look
 * (kubelet_node_status.go: tryUpdateNodeStatus, each nodeStatusUpdateFrequency). */
bool ks_node_is_given_up(const ks_object *node);
int64_t ks_node_next_look(const ks_sim *sim, const ks_object *node); /* an instant */
void ks_node_post(ks_sim *sim, const ks_object *node);

/* The first time for a Node that was made anew for a machine: `before` is what stood in the status of the one that was deleted. Where
 * nobody has said otherwise that is so still. Takes over `volumes`, the status.volumesInUse. */
void ks_node_post_anew(ks_sim *sim, const ks_object *node, ks_val before, ks_val volumes);

/* Event of the node's kubelet about itself: `what` is the reason ("NodeReady"). Nothing when the kubelet is played by hand. */
void ks_node_tell(ks_sim *sim, const ks_object *node, const char *what);

#endif
