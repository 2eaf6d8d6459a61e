/*
 * cluster/list.h - lists as the API server answers them: a version of the whole, pages of one
 * consistent state.
 */
#ifndef KS_CLUSTER_LIST_H
#define KS_CLUSTER_LIST_H

#include "cluster/filter.h"

typedef struct ks_list_opts {
    int64_t limit;     /* objects in a page; 0: all */
    const char *token; /* metadata.continue of the page before, NULL or "": the first page */
    size_t token_len;
    const char *version; /* resourceVersion as text, NULL or "": the newest */
    bool exact;          /* resourceVersionMatch=Exact; else NotOlderThan */
} ks_list_opts;

/* Documents in order of namespace and name, and the list's metadata {resourceVersion, continue,
 * remainingItemCount}: new references. Refused: 400 (a bad token), 410 (what the token or version
 * speaks of is compacted away), 504 (a version that is still to come). */
ks_refusal *ks_cluster_list(const ks_store *store, ks_kind kind, const ks_filter *filter,
                            const ks_list_opts *opts, ks_val *items, ks_val *metadata);

#endif
