/*
 * network/repack.h - Endpoints as somebody wrote them, in canonical form.
 */
#ifndef KS_NETWORK_REPACK_H
#define KS_NETWORK_REPACK_H

#include "api/release.h"
#include "doc/val.h"

/* What RepackSubsets makes of a list of subsets: each port stands with all addresses that have it, in upstream's order. A list, a new
 * reference; KS_NOTHING: there are no addresses. Each subset has a thousand addresses at most, ready ones first; *left_out (may be NULL):
 * how many more there are. */
ks_val ks_repack(ks_heap *heap, const ks_rules *rules, ks_val subsets, size_t *left_out);

#endif
