/*
 * network/subsets.h - what Endpoints publish of a Service's addresses: `subsets`, at most a thousand addresses.
 *
 * Either read anew from the row of addresses, or what was published is edited where pods changed: that takes time for these pods, not for
 * all. Called by the Endpoints controller, endpoints.c.
 */
#ifndef KS_NETWORK_SUBSETS_H
#define KS_NETWORK_SUBSETS_H

#include "network/addresses.h"
#include "network/porthash.h"

/* What is published of one Service. */
typedef struct ks_subsets {
    ks_val value;            /* the list; KS_NOTHING: no addresses. A reference */
    bool truncated;          /* there are more than can be published */
    const ks_str *ports_key; /* of the only subset, a reference; NULL: there are none, or several */
} ks_subsets;

void ks_subsets_dispose(ks_heap *heap, ks_subsets *subsets);
/* Of the addresses as they stand in the row. The caller disposes of the result. */
ks_subsets ks_subsets_read(ks_heap *heap, const ks_rules *rules, const ks_addresses *addresses,
                           uint64_t service);

/* The same as a list, repacked where it is one group, too, and each subset has MAX_ADDRESSES at most; *left_out (may be NULL): how many more
 * there are. Ports that are null are none. A new reference. */
ks_val ks_subsets_whole(ks_heap *heap, const ks_rules *rules, const ks_addresses *addresses,
                        uint64_t service, size_t *left_out);

/* Editing what was published. `published` has a ports_key, and is borrowed until the edit is closed. */
typedef struct ks_subsets_edit {
    ks_heap *heap;
    const ks_rules *rules;
    const ks_addresses *addresses;
    const ks_subsets *published;
    uint64_t service;
    bool lost;                /* private: there is another group of ports by now */
    struct ks_published_row { /* private */
        bool ready;
        ks_val items; /* the first ones of that row */
    } rows[2];
} ks_subsets_edit;

ks_subsets_edit ks_subsets_open(ks_heap *heap, const ks_rules *rules, const ks_addresses *addresses,
                                uint64_t service, const ks_subsets *published);
/* A pod's address goes, one comes. Either may be NULL. Said for each, before or after the row of addresses is changed. */
void ks_subsets_exchange(ks_subsets_edit *edit, const ks_address *old, const ks_address *now);
/* What is published now that all is said and the row has changed: the same as ks_subsets_read(), and the same value as before if nothing
 * that is published has changed. */
ks_subsets ks_subsets_close(ks_subsets_edit *edit);

#endif
