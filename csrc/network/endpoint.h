/*
 * network/endpoint.h - what a pod means to a Service: whether it is an endpoint, and which one.
 *
 * Shared by the two endpoint controllers and by service routing. Follows
 * k8s.io/endpointslice/util/controller_utils.go and utils.go.
 */
#ifndef KS_NETWORK_ENDPOINT_H
#define KS_NETWORK_ENDPOINT_H

#include "engine/sim.h"

/* The pod's (first) IPv4 address as text, borrowed; NULL when it has none. */
const ks_str *ks_pod_ip(const ks_object *pod);
/* The pod's condition Ready, or KS_NOTHING. Borrowed. */
ks_val ks_pod_ready_condition(const ks_object *pod);
bool ks_pod_is_ready(const ks_object *pod);
/* ShouldPodBeInEndpoints: it has an address and has not ended. */
bool ks_pod_in_endpoints(const ks_object *pod, bool include_terminating);
/* ShouldSetHostname: the pod's own name under this Service. */
bool ks_pod_has_service_hostname(const ks_object *pod, const ks_object *service);
/* FindPort: the number that a Service port (a document) leads to in this pod; 0: none. */
int64_t ks_pod_find_port(const ks_object *pod, ks_val service_port);
/* {kind: Pod, name, namespace, uid}: a new reference. */
ks_val ks_pod_target_ref(ks_heap *heap, const ks_object *pod);

/* spec.clusterIP is "None" / is an address. */
bool ks_service_is_headless(const ks_object *service);
bool ks_service_has_ip(const ks_object *service);
/* Endpoint controllers work on it: it has a selector and is no ExternalName. */
bool ks_service_is_managed(const ks_object *service);

#endif
