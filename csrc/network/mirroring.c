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
#include "network/repack.h"
#include "network/written.h"

#define MANAGER "endpointslicemirroring-controller.k8s.io"

/* --- its state --- */

/* Whose slices are looked at, where that are no Endpoints. Counted; never changed. */
typedef struct place {
    uint32_t refs;
    const ks_str *ns, *name;
} place;

static void place_ref(void *value) { ((place *)value)->refs++; }

static void place_unref(ks_heap *heap, void *value) {
    place *one = value;
    if (--one->refs) return;
    ks_str_unref(heap, one->ns);
    ks_str_unref(heap, one->name);
    ks_free(heap, one, sizeof *one);
}

static const ks_tree_type places_type = {.ref = place_ref, .unref = place_unref};

typedef struct mirroring {
    int index;
    ks_written written; /* by Endpoints */
    ks_tree places;     /* {0, id of what made us look} -> place, until it has been looked at */
    /* For caches that are late: id of Endpoints -> the last version that was written of their slices (endpointslice_tracker.go). */
    ks_tree wrote;
    bool writing; /* changes that are announced now are our own */
} mirroring;

static void *create(ks_sim *sim) {
    mirroring *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_endpointslicemirroring_controller);
    st->places.type = &places_type;
    return st;
}

static void *copy(ks_sim *sim, const void *from) {
    const mirroring *old = from;
    mirroring *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = old->index;
    st->written = ks_written_copy(&old->written);
    st->places = ks_tree_copy(&old->places);
    st->wrote = ks_tree_copy(&old->wrote);
    return st;
}

static void dispose(ks_heap *heap, void *payload) {
    mirroring *st = payload;
    ks_written_clear(heap, &st->written);
    ks_tree_clear(heap, &st->places);
    ks_tree_clear(heap, &st->wrote);
    ks_free(heap, st, sizeof *st);
}

/* StaleSlices: the cache does not show yet what was written for these Endpoints, or somebody has taken a slice from them. */
static bool is_stale(const ks_sim *sim, const mirroring *st, uint64_t id) {
    if (ks_written_lacks(&st->written, id)) return true;
    return ks_view_is_late(sim) &&
           !ks_has_heard(sim, st->index, KS_ENDPOINTSLICE,
                         (uint64_t)(uintptr_t)ks_tree_get(&st->wrote, (ks_key){0, id}));
}

static void note_written(ks_sim *sim, mirroring *st, uint64_t id) {
    if (ks_view_is_late(sim))
        ks_tree_put(sim->world.heap, &st->wrote, (ks_key){0, id},
                    (void *)(uintptr_t)sim->server.store.version);
}

/* --- observing: keys are ids of Endpoints, or in `places` --- */

/* Looks at all slices of that name: for their Endpoints, or because there are none. `id`: who asks. */
static void enqueue_named(ks_sim *sim, mirroring *st, const ks_str *ns, const ks_str *name,
                          uint64_t id) {
    const ks_object *endpoints = ks_store_get(ks_view(sim), KS_ENDPOINTS, ns, name);
    if (endpoints) {
        ks_enqueue(sim, st->index, endpoints->id);
        return;
    }
    place *one = ks_alloc(sim->world.heap, sizeof *one);
    *one = (place){1, ks_str_ref(ns), ks_str_ref(name)};
    ks_tree_put(sim->world.heap, &st->places, (ks_key){0, id}, one);
    ks_enqueue(sim, st->index, id);
}

/* Whether the Service is one whose Endpoints a person writes. */
static bool is_selectorless(const ks_object *service) {
    return !ks_len(ks_get(service->spec, K(selector)));
}

static bool is_mirror(const ks_object *slice) {
    return ks_text_is(ks_get(slice->labels, K(endpointslice_kubernetes_io_managed_by)), MANAGER);
}

static const ks_str *service_of(const ks_object *slice) {
    return ks_str_or_null(ks_get(slice->labels, K(kubernetes_io_service_name)));
}

/* shouldMirror. */
static bool should_mirror(const ks_object *endpoints) {
    return !ks_text_is(ks_get(endpoints->labels, K(endpointslice_kubernetes_io_skip_mirror)),
                       "true") &&
           !ks_exists(ks_get2(endpoints->meta, K(annotations),
                              K(control_plane_alpha_kubernetes_io_leader)));
}

/* What the Endpoints controller writes for its Services is never mirrored: it is not even queued. */
static bool is_controllers(ks_sim *sim, const ks_object *endpoints) {
    if (!ks_text_is(ks_get(endpoints->labels, K(endpoints_kubernetes_io_managed_by)),
                    "endpoint-controller"))
        return false;
    const ks_object *service =
        ks_store_get(ks_view(sim), KS_SERVICE, endpoints->ns, endpoints->name);
    return service != NULL && !is_selectorless(service);
}

static void observe_endpoints(ks_sim *sim, mirroring *st, const ks_change *change) {
    const ks_object *endpoints = change->object;
    if (change->type == KS_DELETED) {
        ks_tree_del(sim->world.heap, &st->wrote, (ks_key){0, endpoints->id});
        ks_written_forget(sim->world.heap, &st->written, endpoints->id);
    }
    if (is_controllers(sim, endpoints) ||
        (!should_mirror(endpoints) && !(change->old && should_mirror(change->old))))
        return;
    if (change->type == KS_DELETED)
        enqueue_named(sim, st, endpoints->ns, endpoints->name, endpoints->id);
    else
        ks_enqueue(sim, st->index, endpoints->id);
}

static uint64_t endpoints_of(ks_sim *sim, const ks_object *slice) {
    const ks_str *name = service_of(slice);
    const ks_object *endpoints =
        name ? ks_store_get(ks_view(sim), KS_ENDPOINTS, slice->ns, name) : NULL;
    return endpoints ? endpoints->id : 0;
}

static void observe_slice(ks_sim *sim, mirroring *st, const ks_change *change) {
    const ks_object *slice = change->object, *old = change->old;
    bool ours = is_mirror(slice), was = old && is_mirror(old);
    if (st->writing || (!ours && !was)) return;
    ks_slice_place now = {ours, endpoints_of(sim, slice)};
    ks_slice_place before = {was, old ? endpoints_of(sim, old) : 0};
    bool told[2];
    ks_written_change(sim->world.heap, &st->written, change, now, before, told);
    if (told[0] && service_of(slice))
        enqueue_named(sim, st, slice->ns, service_of(slice), slice->id);
    if (told[1] && old && service_of(old))
        enqueue_named(sim, st, old->ns, service_of(old), slice->id);
}

static void observe(ks_sim *sim, void *payload, const ks_change *change) {
    mirroring *st = payload;
    const ks_object *object = change->object;
    switch (object->kind) {
    case KS_ENDPOINTS: observe_endpoints(sim, st, change); break;
    case KS_SERVICE:
        if (change->type == KS_MODIFIED && change->old
                ? is_selectorless(object) != is_selectorless(change->old)
                : is_selectorless(object))
            enqueue_named(sim, st, object->ns, object->name, object->id);
        break;
    case KS_ENDPOINTSLICE: observe_slice(sim, st, change); break;
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

/* hashEndpoint. */
static bool is_in_place_of(ks_val a, ks_val b) {
    ks_val x = ks_get(a, K(targetRef)), y = ks_get(b, K(targetRef));
    return ks_equal(ks_get(a, K(addresses)), ks_get(b, K(addresses))) &&
           ks_equal(ks_get(a, K(hostname)), ks_get(b, K(hostname))) &&
           ks_equal(ks_get(x, K(namespace)), ks_get(y, K(namespace))) &&
           ks_equal(ks_get(x, K(name)), ks_get(y, K(name)));
}

/* Puts an endpoint (taken over) into the list; the last one of several that are one counts. `others`: so many may be. */
static ks_val put_endpoint(ks_heap *heap, ks_val list, uint32_t others, ks_val endpoint) {
    for (uint32_t i = 0; i < others; i++)
        if (is_in_place_of(ks_at(list, i), endpoint)) return ks_set_at(heap, list, i, endpoint);
    return ks_append(heap, list, endpoint);
}

/* Adds those of one family to a list in which the first `others` are of other subsets. */
static ks_val add_endpoints(ks_heap *heap, ks_val list, uint32_t others, ks_val addresses,
                            bool ready, bool v6) {
    ks_each(address, addresses) {
        const ks_str *ip = ks_str_or_null(ks_get(*address, K(ip)));
        if (ip && (strchr(ip->s, ':') != NULL) == v6)
            list = put_endpoint(heap, list, others, slice_endpoint(heap, *address, ready));
    }
    return list;
}

/* Where in the list the slice with this family and these ports stands; its length: nowhere. */
static uint32_t find_desired(ks_val slices, const char *family, ks_val ports) {
    uint32_t i = 0;
    for (; i < ks_len(slices); i++)
        if (ks_text_is(ks_get(ks_at(slices, i), K(addressType)), family) &&
            ks_equal(ks_get(ks_at(slices, i), K(ports)), ports))
            break;
    return i;
}

/* Adds the addresses of one subset, of one family, to the list of slices that shall be. */
static ks_val add_subset(const ks_sim *sim, ks_val slices, ks_val subset, bool v6) {
    ks_heap *heap = sim->world.heap;
    const char *family = v6 ? "IPv6" : "IPv4";
    ks_val ports = slice_ports(sim, ks_get(subset, K(ports)));
    if (!ks_len(ports)) ports = ks_null();
    uint32_t at = find_desired(slices, family, ports), others = 0;
    ks_val list = KS_NOTHING;
    if (at < ks_len(slices)) list = ks_ref(ks_get(ks_at(slices, at), K(endpoints)));
    others = ks_len(list);
    list = add_endpoints(heap, list, others, ks_get(subset, K(addresses)), true, v6);
    list = add_endpoints(heap, list, others, ks_get(subset, K(notReadyAddresses)), false, v6);
    if (!ks_len(list)) {
        ks_unref(heap, ports);
        return slices;
    }
    ks_val one = ks_map_of(heap, K(addressType), ks_text(heap, family), K(endpoints), list,
                           K(ports), ports, NULL);
    return at < ks_len(slices) ? ks_set_at(heap, slices, at, one) : ks_append(heap, slices, one);
}

/* All slices that shall be: a list of {addressType, ports, endpoints}. *left_out: how many addresses are too many. */
static ks_val desired_slices(const ks_sim *sim, const ks_object *endpoints, size_t *left_out) {
    ks_heap *heap = sim->world.heap;
    ks_val slices = KS_NOTHING;
    ks_val subsets =
        ks_repack(heap, &sim->server.rules, ks_get(ks_doc(endpoints), K(subsets)), left_out);
    ks_each(subset, subsets)
        for (int v6 = 0; v6 < 2; v6++) slices = add_subset(sim, slices, *subset, v6);
    ks_unref(heap, subsets);
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

typedef struct mirror_run {
    ks_sim *sim;
    ks_heap *heap;
    mirroring *st;
    const ks_object *endpoints; /* NULL: all slices go */
    ks_val wanted;              /* those that no slice stands for yet: an own reference */
    ks_val spare;               /* names of slices that may go: an own reference */
} mirror_run;

static ks_val owner_reference(ks_heap *heap, const ks_object *endpoints) {
    return ks_map_of(heap, K(apiVersion), ks_text(heap, "v1"), K(kind), ks_text(heap, "Endpoints"),
                     K(name), ks_string(endpoints->name), K(uid), ks_string(endpoints->uid),
                     K(controller), ks_bool(true), K(blockOwnerDeletion), ks_bool(true), NULL);
}

/* newEndpointSlice. */
static ks_val new_doc(const mirror_run *run, ks_val wanted, bool generate) {
    ks_heap *heap = run->heap;
    const ks_object *endpoints = run->endpoints;
    ks_val meta = ks_map_of(
        heap, K(generateName),
        generate ? ks_format(heap, endpoints->name->len < 253 ? "%s-" : "%s", endpoints->name->s)
                 : KS_NOTHING,
        K(namespace), ks_string(endpoints->ns), K(labels), slice_labels(heap, endpoints),
        K(annotations), slice_annotations(heap, endpoints), K(ownerReferences),
        ks_append(heap, KS_NOTHING, owner_reference(heap, endpoints)), NULL);
    ks_val doc = ks_ref(wanted);
    doc = ks_put(heap, doc, K(apiVersion), ks_text(heap, "discovery.k8s.io/v1"));
    doc = ks_put(heap, doc, K(kind), ks_text(heap, "EndpointSlice"));
    return ks_put(heap, doc, K(metadata), meta);
}

static ks_refusal *create_slice(mirror_run *run, ks_val wanted) {
    const ks_write_opts opts = {.trusted = true, .manager = "kube-controller-manager"};
    const ks_object *made = NULL;
    ks_refusal *refusal = ks_server_create(&run->sim->server, KS_ENDPOINTSLICE, run->endpoints->ns,
                                           new_doc(run, wanted, true), &opts, &made);
    if (refusal) return refusal;
    ks_written_note(run->sim, &run->st->written, run->endpoints->id, made->id);
    ks_object_unref(run->heap, made);
    return NULL;
}

/* Writes all of a slice anew, but for what tells it from others. */
static ks_refusal *update_slice(mirror_run *run, const ks_object *slice, ks_val wanted,
                                bool generate) {
    ks_heap *heap = run->heap;
    const ks_str *const own[] = {K(name), K(uid), K(resourceVersion), K(creationTimestamp),
                                 K(generation)};
    uint64_t id = slice->id;
    ks_val doc = new_doc(run, wanted, generate);
    ks_val meta = ks_ref(ks_get(doc, K(metadata)));
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        meta = ks_put(heap, meta, own[i], ks_ref(ks_get(slice->meta, own[i])));
    doc = ks_put(heap, doc, K(metadata), meta);
    ks_refusal *refusal = ks_server_update_object(&run->sim->server, slice, doc, NULL);
    if (!refusal) ks_written_note(run->sim, &run->st->written, run->endpoints->id, id);
    return refusal;
}

static ks_refusal *delete_slice(mirror_run *run, const ks_object *slice) {
    if (run->endpoints)
        ks_written_drop(run->heap, &run->st->written, run->endpoints->id, slice->id);
    return ks_server_delete(&run->sim->server, KS_ENDPOINTSLICE, slice->ns, slice->name, NULL,
                            NULL);
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

/* EndpointsEqualBeyondHash, and the hash. */
static bool is_same_endpoint(ks_val a, ks_val b) {
    const ks_str *const keys[] = {K(nodeName), K(zone), K(targetRef), K(conditions)};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!ks_equal(ks_get(a, keys[i]), ks_get(b, keys[i]))) return false;
    return is_in_place_of(a, b);
}

/* totalChanges: whether the slice has these endpoints, in any order. */
static bool has_endpoints(ks_val there, ks_val wanted) {
    if (ks_len(there) != ks_len(wanted)) return false;
    for (uint32_t i = 0; i < ks_len(wanted); i++) {
        bool found = is_same_endpoint(ks_at(there, i), ks_at(wanted, i));
        for (uint32_t k = 0; !found && k < ks_len(there); k++)
            found = is_same_endpoint(ks_at(there, k), ks_at(wanted, i));
        if (!found) return false;
    }
    return true;
}

static bool same_or_empty(ks_val a, ks_val b) {
    return ks_len(a) + ks_len(b) == 0 || ks_equal(a, b);
}

/* needRebuildExistingSlices: it was made for Endpoints of that name that are no more. */
static bool has_former_owner(const ks_object *slice, const ks_object *endpoints) {
    ks_each(owner, ks_get(slice->meta, K(ownerReferences))) {
        if (ks_text_is(ks_get(*owner, K(kind)), "Endpoints") &&
            ks_str_eq(ks_str_or_null(ks_get(*owner, K(name))), endpoints->name) &&
            !ks_str_eq(ks_str_or_null(ks_get(*owner, K(uid))), endpoints->uid))
            return true;
    }
    return false;
}

static bool is_as_it_shall(const mirror_run *run, const ks_object *slice, ks_val wanted) {
    ks_heap *heap = run->heap;
    const ks_object *endpoints = run->endpoints;
    if (endpoints == NULL) return true; /* nothing is wanted */
    ks_val labels = ks_ref(slice->labels), annotations = slice_annotations(heap, endpoints);
    labels = ks_drop(heap, labels, K(endpointslice_kubernetes_io_managed_by));
    labels = ks_drop(heap, labels, K(kubernetes_io_service_name));
    bool same = has_endpoints(ks_get(ks_doc(slice), K(endpoints)), ks_get(wanted, K(endpoints))) &&
                same_or_empty(labels, endpoints->labels) &&
                same_or_empty(annotations, ks_get(slice->meta, K(annotations))) &&
                !has_former_owner(slice, endpoints);
    ks_unref(heap, labels);
    ks_unref(heap, annotations);
    return same;
}

/* Mirrors of that name as they stand now: a list of names. */
static ks_val mirror_names(ks_sim *sim, const ks_str *ns, const ks_str *name) {
    ks_val names = KS_NOTHING;
    for (ks_slice_walk walk = ks_slices_of(sim, ns, name); ks_slices_next(&walk);)
        if (is_mirror(walk.slice) && !ks_object_terminating(walk.slice))
            names = ks_append(sim->world.heap, names, ks_string(walk.slice->name));
    return names;
}

/* recycleSlices: a slice that may go and is of this family; NULL: none. */
static const ks_object *take_spare(mirror_run *run, ks_val wanted) {
    for (uint32_t i = 0; i < ks_len(run->spare); i++) {
        const ks_object *slice =
            ks_store_get(ks_view(run->sim), KS_ENDPOINTSLICE, run->endpoints->ns,
                         ks_str_or_null(ks_at(run->spare, i)));
        if (!slice ||
            !ks_equal(ks_get(ks_doc(slice), K(addressType)), ks_get(wanted, K(addressType))))
            continue;
        run->spare = ks_remove_at(run->heap, run->spare, i);
        return slice;
    }
    return NULL;
}

/* reconcileByPortMapping: the first slice of each kind is kept, the others may go. */
static ks_refusal *keep_matching(mirror_run *run, ks_val names, const ks_str *ns) {
    ks_heap *heap = run->heap;
    ks_refusal *refusal = NULL;
    ks_each(name, names) {
        const ks_object *slice =
            ks_store_get(ks_view(run->sim), KS_ENDPOINTSLICE, ns, ks_str_or_null(*name));
        if (!slice || refusal) continue;
        ks_val one = take_matching(heap, &run->wanted, slice);
        if (!ks_exists(one))
            run->spare = ks_append(heap, run->spare, ks_ref(*name));
        else if (!is_as_it_shall(run, slice, one))
            refusal = update_slice(run, slice, one, false);
        else if (run->endpoints)
            ks_written_note(run->sim, &run->st->written, run->endpoints->id, slice->id);
        ks_unref(heap, one);
    }
    return refusal;
}

static ks_refusal *reconcile(mirror_run *run, const ks_str *ns, const ks_str *name) {
    ks_heap *heap = run->heap;
    ks_val names = mirror_names(run->sim, ns, name);
    run->st->writing = true;
    ks_refusal *refusal = keep_matching(run, names, ns);
    ks_each(one, run->wanted) {
        if (refusal || !run->endpoints) break;
        const ks_object *spare = take_spare(run, *one);
        refusal = spare ? update_slice(run, spare, *one, true) : create_slice(run, *one);
    }
    ks_each(old, run->spare) {
        const ks_object *slice =
            ks_store_get(ks_view(run->sim), KS_ENDPOINTSLICE, ns, ks_str_or_null(*old));
        if (slice && !refusal) refusal = delete_slice(run, slice);
    }
    run->st->writing = false;
    ks_unref(heap, names);
    ks_unref(heap, run->wanted);
    ks_unref(heap, run->spare);
    return refusal;
}

static void tell_left_out(ks_sim *sim, const ks_object *endpoints, size_t left_out) {
    const ks_event event = {.type = "Warning",
                            .reason = "TooManyAddressesToMirror",
                            .component = "endpoint-slice-mirroring-controller"};
    if (left_out > 0)
        ks_record(&sim->server, endpoints, &event,
                  "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. "
                  "%zu addresses were skipped",
                  left_out);
}

/* Takes over nothing; `endpoints` NULL or not to be mirrored: all mirrors of that name go. */
static bool sync_named(ks_sim *sim, mirroring *st, const ks_object *endpoints, const ks_str *ns,
                       const ks_str *name) {
    const ks_object *service = ks_store_get(ks_view(sim), KS_SERVICE, ns, name);
    bool mirrored = endpoints && service && is_selectorless(service) && should_mirror(endpoints);
    mirror_run run = {.sim = sim, .heap = sim->world.heap, .st = st};
    if (mirrored) {
        size_t left_out;
        if (is_stale(sim, st, endpoints->id)) return false;
        run.endpoints = endpoints;
        run.wanted = desired_slices(sim, endpoints, &left_out);
        tell_left_out(sim, endpoints, left_out);
    } else if (endpoints) {
        ks_written_forget(sim->world.heap, &st->written, endpoints->id);
    }
    uint64_t before = sim->server.store.version;
    ks_refusal *refusal = reconcile(&run, ns, name);
    if (endpoints && sim->server.store.version > before) note_written(sim, st, endpoints->id);
    if (refusal) ks_refusal_free(sim->world.heap, refusal);
    return !refusal;
}

static bool sync(ks_sim *sim, void *payload, uint64_t key) {
    mirroring *st = payload;
    ks_heap *heap = sim->world.heap;
    const ks_object *endpoints = ks_store_by_id(ks_view(sim), KS_ENDPOINTS, key);
    place *where = endpoints ? NULL : ks_tree_take(heap, &st->places, (ks_key){0, key});
    if (!endpoints && !where) return true;
    if (endpoints)
        ks_object_ref(endpoints);
    else /* meanwhile there may be some of that name: they have been queued themselves */
        endpoints = ks_store_get(ks_view(sim), KS_ENDPOINTS, where->ns, where->name);
    bool done = true;
    if (!where)
        done = sync_named(sim, st, endpoints, endpoints->ns, endpoints->name);
    else if (!endpoints)
        done = sync_named(sim, st, NULL, where->ns, where->name);
    if (where && !done) {
        ks_tree_put(heap, &st->places, (ks_key){0, key}, where);
    } else if (where) {
        place_unref(heap, where);
    } else {
        ks_object_unref(heap, endpoints);
    }
    return done;
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
