/*
 * controllers/controllers.h - the controllers of workloads, as components of the engine.
 *
 * cluster/ adds them to a simulation; nobody else needs more than their names. They know nothing of each
 * other: they meet only in the store.
 */
#ifndef KS_CONTROLLERS_CONTROLLERS_H
#define KS_CONTROLLERS_CONTROLLERS_H

#include "engine/sim.h"

extern const ks_component ks_replicaset_controller;
extern const ks_component ks_statefulset_controller;
extern const ks_component ks_deployment_controller;
extern const ks_component ks_garbage_collector;
extern const ks_component ks_pod_gc;
extern const ks_component ks_node_lifecycle;
extern const ks_component ks_disruption_controller;
extern const ks_component ks_quota_controller;
extern const ks_component ks_namespace_controller;
extern const ks_component ks_resource_claims;

#endif
