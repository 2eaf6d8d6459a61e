/*
 * network/mirroring.c - the EndpointSlice mirroring controller.
 *
 * Endpoints of a Service without a selector are copied into slices, one for each subset and family,
 * so that DNS and routing see them. Follows pkg/controller/endpointslicemirroring. A sync computes
 * all slices anew: such objects are few and written by hand.
 */
#include "network/mirroring.h"

#include <string.h>

#include "network/endpoint.h"
#include "network/endpointslice.h"
#include "network/porthash.h"

#define MANAGER        "endpointslicemirroring-controller.k8s.io"
#define MAX_PER_SUBSET 1000

/* --- its state --- */

typedef struct mirroring {
    int index;
    /* For caches that are late: id of Endpoints -> the last version that was written of their slices (endpointslice_tracker.go). */
    ks_tree wrote;
} mirroring;

static void *create(ks_sim *sim) {
    mirroring *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_endpointslicemirroring_controller);
    return st;
}

static void *copy(ks_sim *sim, const void *from) {
    const mirroring *old = from;
    mirroring *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = (mirroring){old->index, ks_tree_copy(&old->wrote)};
    return st;
}

static void dispose(ks_heap *heap, void *payload) {
    mirroring *st = payload;
    ks_tree_clear(heap, &st->wrote);
    ks_free(heap, st, sizeof *st);
}

/* StaleSlices: the cache does not show yet what was written for these Endpoints. */
static bool is_stale(const ks_sim *sim, const mirroring *st, uint64_t id) {
    return ks_view_is_late(sim) &&
           !ks_has_heard(sim, st->index, KS_ENDPOINTSLICE,
                         (uint64_t)(uintptr_t)ks_tree_get(&st->wrote, (ks_key){0, id}));
}

static void note_written(ks_sim *sim, mirroring *st, uint64_t id) {
    if (ks_view_is_late(sim))
        ks_tree_put(sim->world.heap, &st->wrote, (ks_key){0, id},
                    (void *)(uintptr_t)sim->server.store.version);
}

/* --- observing: keys are ids of Endpoints objects --- */

static void enqueue_named(ks_sim *sim, const ks_str *ns, const ks_str *name) {
    const ks_object *endpoints = ks_store_get(ks_view(sim), KS_ENDPOINTS, ns, name);
    if (endpoints)
        ks_enqueue(sim, ks_component_index(sim, &ks_endpointslicemirroring_controller),
                   endpoints->id);
}

/* Whether the Service is one whose Endpoints a person writes. */
static bool is_selectorless(const ks_object *service) {
    return !ks_len(ks_get(service->spec, K(selector)));
}

static bool is_mirror(const ks_object *slice) {
    return ks_text_is(ks_get(slice->labels, K(endpointslice_kubernetes_io_managed_by)), MANAGER);
}

static void observe(ks_sim *sim, void *payload, const ks_change *change) {
    mirroring *st = payload;
    const ks_object *object = change->object;
    switch (object->kind) {
    case KS_ENDPOINTS: {
        if (change->type == KS_DELETED && st->wrote.count > 0)
            ks_tree_del(sim->world.heap, &st->wrote, (ks_key){0, object->id});
        /* what the Endpoints controller writes is never mirrored: do not even queue it */
        if (ks_exists(ks_get(object->labels, K(endpoints_kubernetes_io_managed_by))) ||
            change->type == KS_DELETED)
            return;
        ks_enqueue(sim, ks_component_index(sim, &ks_endpointslicemirroring_controller), object->id);
        break;
    }
    case KS_SERVICE:
        if (is_selectorless(object) || (change->old && is_selectorless(change->old)))
            enqueue_named(sim, object->ns, object->name);
        break;
    case KS_ENDPOINTSLICE:
        if (is_mirror(object) && change->type != KS_ADDED) {
            const ks_str *name =
                ks_str_or_null(ks_get(object->labels, K(kubernetes_io_service_name)));
            if (name) enqueue_named(sim, object->ns, name);
        }
        break;
    default: break;
    }
}

/* --- what shall be --- */

/* Ports as slices have them: a name always, in a slice's order. */
static ks_val slice_ports(const ks_sim *sim, ks_val ports) {
    ks_heap *heap = sim->world.heap;
    ks_val out = KS_NOTHING;
    ks_each(port, ports) {
        ks_val item = ks_ref(*port);
        if (!ks_exists(ks_get(item, K(name))))
            item = ks_put(heap, item, K(name), ks_text(heap, ""));
        out = ks_append(heap, out, item);
    }
    return ks_sort_slice_ports(heap, &sim->server.rules, out);
}

static ks_val slice_endpoint(ks_heap *heap, ks_val address, bool ready) {
    ks_val addresses = ks_append(heap, ks_list_new(heap, 1), ks_ref(ks_get(address, K(ip))));
    return ks_map_of(heap, K(addresses), addresses, K(conditions),
                     ks_map_of(heap, K(ready), ks_bool(ready), NULL), K(targetRef),
                     ks_ref(ks_get(address, K(targetRef))), K(nodeName),
                     ks_ref(ks_get(address, K(nodeName))), K(hostname),
                     ks_ref(ks_get(address, K(hostname))), NULL);
}

static ks_val add_endpoints(ks_heap *heap, ks_val list, ks_val addresses, bool ready, bool v6) {
    ks_each(address, addresses) {
        const ks_str *ip = ks_str_or_null(ks_get(*address, K(ip)));
        if (!ip || (strchr(ip->s, ':') != NULL) != v6 || ks_len(list) >= MAX_PER_SUBSET) continue;
        list = ks_append(heap, list, slice_endpoint(heap, *address, ready));
    }
    return list;
}

/* All slices that shall be: a list of {addressType, ports, endpoints}. */
static ks_val desired_slices(const ks_sim *sim, const ks_object *endpoints) {
    ks_heap *heap = sim->world.heap;
    ks_val slices = KS_NOTHING;
    ks_each(subset, ks_get(ks_doc(endpoints), K(subsets))) {
        for (int v6 = 0; v6 < 2; v6++) {
            ks_val list = add_endpoints(heap, KS_NOTHING, ks_get(*subset, K(addresses)), true, v6);
            list = add_endpoints(heap, list, ks_get(*subset, K(notReadyAddresses)), false, v6);
            if (!ks_len(list)) continue;
            ks_val ports = slice_ports(sim, ks_get(*subset, K(ports)));
            slices = ks_append(heap, slices,
                               ks_map_of(heap, K(addressType), ks_text(heap, v6 ? "IPv6" : "IPv4"),
                                         K(endpoints), list, K(ports),
                                         ks_len(ports) ? ports : ks_null(), NULL));
        }
    }
    return slices;
}

static ks_val slice_labels(ks_heap *heap, const ks_object *endpoints) {
    ks_val labels = ks_ref(endpoints->labels);
    labels = ks_put(heap, labels, K(kubernetes_io_service_name), ks_string(endpoints->name));
    return ks_put(heap, labels, K(endpointslice_kubernetes_io_managed_by), ks_text(heap, MANAGER));
}

static ks_val slice_annotations(ks_heap *heap, const ks_object *endpoints) {
    ks_val annotations = ks_ref(ks_get(endpoints->meta, K(annotations)));
    annotations = ks_drop(heap, annotations, K(endpoints_kubernetes_io_last_change_trigger_time));
    annotations = ks_drop(heap, annotations, K(kubectl_kubernetes_io_last_applied_configuration));
    if (ks_len(annotations)) return annotations;
    ks_unref(heap, annotations);
    return KS_NOTHING;
}

/* --- making it so --- */

static ks_refusal *create_slice(ks_sim *sim, const ks_object *endpoints, ks_val wanted) {
    ks_heap *heap = sim->world.heap;
    const ks_write_opts opts = {.trusted = true, .manager = "kube-controller-manager"};
    ks_val owner =
        ks_map_of(heap, K(apiVersion), ks_text(heap, "v1"), K(kind), ks_text(heap, "Endpoints"),
                  K(name), ks_string(endpoints->name), K(uid), ks_string(endpoints->uid),
                  K(controller), ks_bool(true), K(blockOwnerDeletion), ks_bool(true), NULL);
    ks_val meta =
        ks_map_of(heap, K(generateName), ks_format(heap, "%s-", endpoints->name->s), K(namespace),
                  ks_string(endpoints->ns), K(labels), slice_labels(heap, endpoints),
                  K(annotations), slice_annotations(heap, endpoints), K(ownerReferences),
                  ks_append(heap, KS_NOTHING, owner), NULL);
    ks_val doc = ks_ref(wanted);
    doc = ks_put(heap, doc, K(apiVersion), ks_text(heap, "discovery.k8s.io/v1"));
    doc = ks_put(heap, doc, K(kind), ks_text(heap, "EndpointSlice"));
    doc = ks_put(heap, doc, K(metadata), meta);
    return ks_server_create(&sim->server, KS_ENDPOINTSLICE, endpoints->ns, doc, &opts, NULL);
}

static ks_refusal *update_slice(ks_sim *sim, const ks_object *endpoints, const ks_object *slice,
                                ks_val wanted) {
    ks_heap *heap = sim->world.heap;
    ks_val meta = ks_ref(slice->meta);
    meta = ks_put(heap, meta, K(labels), slice_labels(heap, endpoints));
    meta = ks_put(heap, meta, K(annotations), slice_annotations(heap, endpoints));
    ks_val doc = ks_doc_ref(slice);
    doc = ks_put(heap, doc, K(metadata), meta);
    doc = ks_put(heap, doc, K(endpoints), ks_ref(ks_get(wanted, K(endpoints))));
    doc = ks_put(heap, doc, K(ports), ks_ref(ks_get(wanted, K(ports))));
    if (ks_equal(doc, ks_doc(slice))) {
        ks_unref(heap, doc);
        return NULL;
    }
    return ks_server_update_object(&sim->server, slice, doc, NULL);
}

/* Takes the wanted slice with this one's family and ports out of the list; KS_NOTHING: none. */
static ks_val take_matching(ks_heap *heap, ks_val *wanted, const ks_object *slice) {
    for (uint32_t i = 0; i < ks_len(*wanted); i++) {
        ks_val one = ks_at(*wanted, i);
        ks_val ports = ks_get(one, K(ports)), there = ks_get(ks_doc(slice), K(ports));
        bool same = ks_len(ports) ? ks_equal(ports, there) : !ks_len(there);
        if (!same || !ks_equal(ks_get(one, K(addressType)), ks_get(ks_doc(slice), K(addressType))))
            continue;
        one = ks_ref(one);
        *wanted = ks_remove_at(heap, *wanted, i);
        return one;
    }
    return KS_NOTHING;
}

/* Mirrors of that name as they stand now: a list of names. */
static ks_val mirror_names(ks_sim *sim, const ks_object *endpoints) {
    ks_val names = KS_NOTHING;
    for (ks_slice_walk walk = ks_slices_of(sim, endpoints->ns, endpoints->name);
         ks_slices_next(&walk);)
        if (is_mirror(walk.slice) && !ks_object_terminating(walk.slice))
            names = ks_append(sim->world.heap, names, ks_string(walk.slice->name));
    return names;
}

/* Takes over `wanted`. */
static ks_refusal *reconcile(ks_sim *sim, const ks_object *endpoints, ks_val wanted) {
    ks_heap *heap = sim->world.heap;
    ks_refusal *refusal = NULL;
    ks_val names = mirror_names(sim, endpoints);
    ks_each(name, names) {
        const ks_object *slice =
            ks_store_get(ks_view(sim), KS_ENDPOINTSLICE, endpoints->ns, ks_str_or_null(*name));
        if (!slice || refusal) continue;
        ks_val one = take_matching(heap, &wanted, slice);
        if (ks_exists(one))
            refusal = update_slice(sim, endpoints, slice, one);
        else
            refusal = ks_server_delete(&sim->server, KS_ENDPOINTSLICE, endpoints->ns, slice->name,
                                       NULL, NULL);
        ks_unref(heap, one);
    }
    ks_each(one, wanted)
        if (!refusal) refusal = create_slice(sim, endpoints, *one);
    ks_unref(heap, names);
    ks_unref(heap, wanted);
    return refusal;
}

/* endpointslicemirroring_controller.go: shouldMirror, and what syncEndpoints asks of the Service.
 */
static bool should_mirror(ks_sim *sim, const ks_object *endpoints) {
    if (ks_text_is(ks_get(endpoints->labels, K(endpointslice_kubernetes_io_skip_mirror)), "true"))
        return false;
    if (ks_exists(ks_get(endpoints->labels, K(endpoints_kubernetes_io_managed_by)))) return false;
    const ks_object *service =
        ks_store_get(ks_view(sim), KS_SERVICE, endpoints->ns, endpoints->name);
    return service && is_selectorless(service);
}

static bool sync(ks_sim *sim, void *payload, uint64_t key) {
    mirroring *st = payload;
    ks_heap *heap = sim->world.heap;
    const ks_object *endpoints = ks_store_by_id(ks_view(sim), KS_ENDPOINTS, key);
    if (!endpoints) return true; /* its slices go with it: they are owned by it */
    ks_object_ref(endpoints);
    bool mirrored = should_mirror(sim, endpoints);
    if (mirrored && is_stale(sim, st, key)) {
        ks_object_unref(heap, endpoints);
        return false;
    }
    ks_val wanted = mirrored ? desired_slices(sim, endpoints) : KS_NOTHING;
    uint64_t before = sim->server.store.version;
    ks_refusal *refusal = reconcile(sim, endpoints, wanted);
    if (sim->server.store.version > before) note_written(sim, st, key);
    ks_object_unref(heap, endpoints);
    if (refusal) ks_refusal_free(heap, refusal);
    return !refusal;
}

const ks_component ks_endpointslicemirroring_controller = {
    .name = "endpointslicemirroring",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .sync = sync,
    .retry_first = KS_SECOND,
    .retry_most = 100 * KS_SECOND,
    .retries = 15,
    .kinds = KS_KIND_BIT(KS_SERVICE) | KS_KIND_BIT(KS_ENDPOINTS) | KS_KIND_BIT(KS_ENDPOINTSLICE),
};
