/*
 * scheduler/scheduler.h - kube-scheduler: which node a pod runs on.
 *
 * The component `ks_scheduler` watches pods without a node, takes them from its queue one at a time, filters and scores
 * the nodes as the default plugins of v1.36 do, and binds. Policies of the embedder (ks_hooks) run as further plugins.
 */
#ifndef KS_SCHEDULER_SCHEDULER_H
#define KS_SCHEDULER_SCHEDULER_H

#include "engine/sim.h"

extern const ks_component ks_scheduler;

/* The scheduler's last look at `pod` (cluster:placement): {node, profile, nodes: {name: {total, scores: {plugin: weighted
 * score}, plugin, reason}}, nominated, victims}. A new reference; KS_NOTHING when the scheduler never looked at it.
 * Looks that depended on more than single nodes and how the pods of the set lie take some bytes per node: of them, only node and
 * profile are left when they take more than 8 MiB and others came after. */
ks_val ks_scheduler_placement(ks_sim *sim, const ks_object *pod);

/* Whether the default profile has a plugin of that name, which a policy's `disable` may then name. */
bool ks_scheduler_has_plugin(const char *name);

/* To be called when policies were added: pods that wait for a profile or were refused are looked at again. */
void ks_scheduler_policies_changed(ks_sim *sim);

#endif
