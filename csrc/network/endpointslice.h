/*
 * network/endpointslice.h - the EndpointSlice controller, and the index of slices by Service.
 */
#ifndef KS_NETWORK_ENDPOINTSLICE_H
#define KS_NETWORK_ENDPOINTSLICE_H

#include "engine/sim.h"

extern const ks_component ks_endpointslice_controller;

/* Walks all EndpointSlices, whoever made them, that name a Service in their label
 * kubernetes.io/service-name: for (ks_slice_walk w = ks_slices_of(sim, ns, name);
 * ks_slices_next(&w);) use(w.slice); */
typedef struct ks_slice_walk {
    ks_tree_iter iter;
    ks_walk all; /* instead, where the index is late */
    bool late;
    const ks_sim *sim;
    uint64_t hash;
    const ks_str *ns, *name;
    const ks_object *slice; /* borrowed until the store changes */
} ks_slice_walk;
ks_slice_walk ks_slices_of(const ks_sim *sim, const ks_str *ns, const ks_str *name);
bool ks_slices_next(ks_slice_walk *walk);

#endif
