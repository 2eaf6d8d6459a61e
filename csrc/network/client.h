/*
 * network/client.h - the pod's side of names: its resolv.conf, its hosts file, and looking a name
 * up through them.
 *
 * k8s.io/kubernetes/pkg/kubelet/network/dns/dns.go, pkg/kubelet/kubelet_pods.go; searching as glibc
 * does.
 */
#ifndef KS_NETWORK_CLIENT_H
#define KS_NETWORK_CLIENT_H

#include "network/dns.h"

/* The address of the cluster's DNS Service, and the name server that a node itself uses. */
#define KS_DNS_ADDRESS "10.96.0.10"
#define KS_NODE_DNS    "192.168.0.1"

/* {nameservers, searches, options}: lists of texts ("ndots:5"). `pod` NULL: those of an ordinary
 * pod in `ns`. A new reference. */
ks_val ks_dns_config(ks_sim *sim, const ks_str *ns, const ks_object *pod);
/* The text of /etc/resolv.conf. A new reference. */
ks_val ks_dns_resolv_conf(ks_sim *sim, const ks_str *ns, const ks_object *pod);
/* The text of /etc/hosts. A new reference. */
ks_val ks_dns_hosts(ks_sim *sim, const ks_object *pod);
/* The pod's hostname, or its full name ("web-0.web.default.svc.cluster.local"; the hostname when it
 * has no subdomain). A new reference. */
ks_val ks_pod_hostname(ks_sim *sim, const ks_object *pod, bool full);

/* The names that are asked one after the other for `name` (absolute, no trailing dot), as a list of
 * texts. `config`: ks_dns_config's. */
ks_val ks_dns_candidates(ks_sim *sim, ks_val config, const char *name, size_t len);
/* Asks for `name` as a process in the pod would (`pod` NULL: an ordinary pod of `ns`): search list,
 * ndots; the hosts file is no DNS and is not looked at. *asked (may be NULL): the name that
 * answered, or else the last one, a new reference. */
ks_dns_status ks_dns_lookup(ks_sim *sim, const ks_str *ns, const ks_object *pod, const char *name,
                            size_t len, const char *type, ks_val *records, ks_val *asked);
/* All IPv4 addresses of a host as getaddrinfo finds them: literal, hosts file, then DNS. A list of
 * texts; KS_NOTHING: not resolved. */
ks_val ks_host_addresses(ks_sim *sim, const ks_str *ns, const ks_object *pod, const char *host,
                         size_t len);

#endif
