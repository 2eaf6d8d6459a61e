/*
 * network/route.h - where a connection ends: cluster IPs, node ports, pod addresses.
 *
 * What kube-proxy and the pod network do (pkg/proxy/topology.go: CategorizeEndpoints; the outcomes
 * of pkg/proxy/nftables/proxier.go). Only the way is found; whether something listens at its end is
 * the kubelet's to say.
 */
#ifndef KS_NETWORK_ROUTE_H
#define KS_NETWORK_ROUTE_H

#include "engine/sim.h"

typedef enum ks_route_status {
    KS_ROUTE_OK,
    KS_ROUTE_UNRESOLVED, /* the name has no address */
    KS_ROUTE_REFUSED, /* connection refused: a Service port without endpoints, a port that nothing
                         serves */
    KS_ROUTE_TIMEOUT, /* nobody answers */
} ks_route_status;
/* "unresolved", "refused", "timeout"; "ok". Constant. */
const char *ks_route_status_text(ks_route_status status);

/* Routes a connection to `host` (a name or an IPv4 address) and `port` from `from` (NULL: an
 * ordinary pod of `ns` on no node). `protocol`: "TCP", "UDP" or "SCTP". A Service with several
 * endpoints gives one by ks_choose(). KS_ROUTE_OK: *out is a map {address (of the pod), namespace,
 * pod, port}, a new reference; else KS_NOTHING. */
ks_route_status ks_route(ks_sim *sim, const ks_str *ns, const ks_object *from, const char *host,
                         size_t len, int port, const char *protocol, ks_val *out);

#endif
