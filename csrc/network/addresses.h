/*
 * network/addresses.h - the addresses of Services with a selector, in the order in which Endpoints publish them.
 *
 * One row for all Services: by Service, ports, ready ones first, then pkg/api/v1/endpoints/util.go: LessEndpointAddress. A change of a pod
 * exchanges its address; what is published is read off the row (subsets.h). The Endpoints controller keeps one.
 */
#ifndef KS_NETWORK_ADDRESSES_H
#define KS_NETWORK_ADDRESSES_H

#include "base/tree.h"
#include "doc/val.h"

/* One address of a Service. Counted; never changed. */
typedef struct ks_address {
    uint32_t refs;
    bool ready;
    uint64_t service;
    const ks_str *ports_key; /* text of the ports, which groups addresses; interned */
    ks_val ports;            /* as published; KS_NOTHING: none */
    const ks_str *ip, *uid;
    ks_val value; /* {ip, nodeName, hostname, targetRef} */
} ks_address;

void ks_address_unref(ks_heap *heap, ks_address *address);
/* The order of publishing. */
int ks_address_cmp(const ks_address *a, const ks_address *b);
/* Whether both are published alike, and in the same place. Either may be NULL. */
bool ks_address_same(const ks_address *a, const ks_address *b);

typedef struct ks_addresses {
    ks_tree members; /* {service id, pod id} -> address */
    ks_tree sorted;  /* address -> 1, in the order of publishing */
    ks_tree counts;  /* {service id, hash of ports and readiness} -> how many */
} ks_addresses;

void ks_addresses_init(ks_addresses *addresses);
ks_addresses ks_addresses_copy(const ks_addresses *addresses);
void ks_addresses_clear(ks_heap *heap, ks_addresses *addresses);

/* A pod's address under a Service, borrowed; NULL: it has none. */
ks_address *ks_addresses_get(const ks_addresses *addresses, uint64_t service, uint64_t pod);
/* Takes over `address`, in place of the one before; NULL: the pod has none any more. */
void ks_addresses_put(ks_heap *heap, ks_addresses *addresses, uint64_t service, uint64_t pod,
                      ks_address *address);
/* All of a Service's go. */
void ks_addresses_drop(ks_heap *heap, ks_addresses *addresses, uint64_t service);

/* How many there are of the Service, ports and readiness of this one. */
size_t ks_addresses_like(const ks_addresses *addresses, const ks_address *one);
/* Walks the row from the first that is not before `from`, of which only what the order looks at must be set. */
ks_tree_iter ks_addresses_from(const ks_addresses *addresses, const ks_address *from);
/* The next of the same Service, borrowed; NULL: there is none. */
const ks_address *ks_addresses_next(ks_tree_iter *iter, uint64_t service);

#endif
