/*
 * network/porthash.h - the hash that the ports of Endpoints and EndpointSlices are sorted by.
 */
#ifndef KS_NETWORK_PORTHASH_H
#define KS_NETWORK_PORTHASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/release.h"
#include "doc/val.h"

/* 128 bits, compared as upstream compares its bytes: the first one counts most. */
typedef struct ks_port_hash {
    uint64_t high, low;
} ks_port_hash;

/* The hash of a port's text (pkg/util/hash: DeepHashObject), by the simulated release's algorithm. */
ks_port_hash ks_port_hash_of(const ks_rules *rules, const char *text, size_t len);

/* A port of Endpoints as Go prints it, from the brace on; and its hash. */
void ks_port_dump(ks_buf *out, ks_val port);
ks_port_hash ks_port_hash_of_endpoint(ks_heap *heap, const ks_rules *rules, ks_val port);

/* Upstream compares ports of Endpoints by the addresses of their appProtocol: as it reads them, each that has one is another one. This tells
 * them apart; 0: it has none. */
uintptr_t ks_port_mark(ks_val port);

static inline bool ks_port_hash_before(ks_port_hash a, ks_port_hash b) {
    return a.high != b.high ? a.high < b.high : a.low < b.low;
}

/* controller_utils.go: portsInOrder: the list of a slice's ports, which is taken over, sorted. */
ks_val ks_sort_slice_ports(ks_heap *heap, const ks_rules *rules, ks_val ports);

#endif
