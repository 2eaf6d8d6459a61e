/*
 * network/dns.h - cluster DNS: what CoreDNS 1.12 answers with kubeadm's settings, as a function of
 * the store.
 *
 * Nothing is cached and nothing is kept: an answer is computed from Services, EndpointSlices and
 * Namespaces as they stand (plugin/kubernetes, `pods insecure`, `ttl 30`; kubeadm caches no names
 * of the cluster). Names outside the cluster's zone do not exist: the simulated world has no other
 * servers.
 */
#ifndef KS_NETWORK_DNS_H
#define KS_NETWORK_DNS_H

#include "engine/sim.h"

#define KS_DNS_ZONE "cluster.local"
#define KS_DNS_TTL  30

typedef enum ks_dns_status {
    KS_DNS_OK,       /* at least one record */
    KS_DNS_NODATA,   /* the name exists, records of that type do not */
    KS_DNS_NXDOMAIN, /* the name does not exist */
    KS_DNS_REFUSED,  /* AXFR, IXFR */
} ks_dns_status;
/* "NXDOMAIN", ...; "NOERROR" for KS_DNS_OK. Constant. */
const char *ks_dns_status_text(ks_dns_status status);

/* One question. `name` is absolute, a trailing dot is optional, any case; `type` is "A", "SRV", ...
 * (any case). *records: with KS_DNS_OK a list (a new reference) of {name, type, ttl} and address
 * (A, AAAA), target (CNAME, PTR, NS), priority, weight, port, target (SRV) or text (TXT, SOA);
 * names in it have no trailing dot. Otherwise KS_NOTHING. */
ks_dns_status ks_dns_resolve(ks_sim *sim, const char *name, size_t len, const char *type,
                             ks_val *records);

/* The additional section that goes with an answer of SRV records: addresses of their targets. A new
 * reference. */
ks_val ks_dns_additional(ks_sim *sim, ks_val records);

#endif
