/*
 * network/endpoints.c - the Endpoints controller.
 *
 * Keeps the (old) Endpoints object of each Service with a selector. Follows
 * pkg/controller/endpoint/endpoints_controller.go, but holds the addresses of each Service in the order in which they are published
 * (addresses.h): a sync exchanges those of the pods that changed, in that row and in what is published (subsets.h).
 */
#include "network/endpoints.h"

#include <string.h>

#include "api/values.h"
#include "network/endpoint.h"
#include "network/porthash.h"
#include "network/repack.h"
#include "network/subsets.h"
#include "network/tracker.h"

#define MANAGER "endpoint-controller"

/* What the controller last saw published of a Service, with one group of ports. Counted; never changed. */
typedef struct seen {
    uint32_t refs;
    ks_subsets subsets;
} seen;

static void seen_ref(void *value) { ((seen *)value)->refs++; }

static void seen_unref(ks_heap *heap, void *value) {
    seen *one = value;
    if (--one->refs) return;
    ks_subsets_dispose(heap, &one->subsets);
    ks_free(heap, one, sizeof *one);
}

static const ks_tree_type seen_type = {.ref = seen_ref, .unref = seen_unref};

typedef struct endpoints_state {
    ks_tracker tracker;
    ks_addresses addresses;
    ks_tree published; /* {0, service id} -> seen */
    ks_tree
        wrote; /* {0, service id} -> the version that we have last made of its Endpoints, where our cache is late */
    bool writing; /* changes that are announced now are our own */
} endpoints_state;

static void *state_create(ks_sim *sim) {
    endpoints_state *state = ks_alloc_zero(sim->world.heap, sizeof *state);
    ks_tracker_init(&state->tracker, ks_component_index(sim, &ks_endpoints_controller));
    ks_addresses_init(&state->addresses);
    state->published.type = &seen_type;
    return state;
}

static void *state_copy(ks_sim *sim, const void *from_) {
    const endpoints_state *from = from_;
    endpoints_state *state = ks_alloc_zero(sim->world.heap, sizeof *state);
    state->tracker = ks_tracker_copy(&from->tracker);
    state->addresses = ks_addresses_copy(&from->addresses);
    state->published = ks_tree_copy(&from->published);
    state->wrote = ks_tree_copy(&from->wrote);
    return state;
}

static void state_dispose(ks_heap *heap, void *state_) {
    endpoints_state *state = state_;
    ks_tracker_dispose(heap, &state->tracker);
    ks_addresses_clear(heap, &state->addresses);
    ks_tree_clear(heap, &state->published);
    ks_tree_clear(heap, &state->wrote);
    ks_free(heap, state, sizeof *state);
}

/* Somebody else has deleted Endpoints, which are made anew, or changed them, which shows when the Service is synced for another reason. */
static void foreign_change(ks_sim *sim, endpoints_state *state, const ks_change *change) {
    const ks_object *endpoints = change->object;
    uint64_t service =
        ks_tracker_find(&state->tracker, ks_view(sim), endpoints->ns, endpoints->name);
    if (!service) return;
    if (change->type == KS_DELETED)
        ks_enqueue(sim, state->tracker.component, service);
    else
        ks_tracker_touch(sim, &state->tracker, service);
}

static void observe(ks_sim *sim, void *state_, const ks_change *change) {
    endpoints_state *state = state_;
    switch (change->object->kind) {
    case KS_POD: ks_tracker_pod(sim, &state->tracker, change); break;
    case KS_SERVICE: ks_tracker_service(sim, &state->tracker, change); break;
    case KS_ENDPOINTS:
        if (!state->writing) foreign_change(sim, state, change);
        break;
    default: break;
    }
}

static bool heeds(const ks_sim *sim, const void *state_, const ks_change *change, uint32_t parts) {
    (void)sim, (void)parts;
    const endpoints_state *state = state_;
    return change->object->kind != KS_POD || ks_tracker_heeds(&state->tracker, change->object);
}

/* --- one pod's address --- */

typedef struct found_port {
    ks_val value; /* as it is published; a reference */
    ks_port_hash hash;
} found_port;

/* The ports of the Service that lead somewhere in this pod, in upstream's order (portsByHash): `ports` has room for all. */
static size_t find_ports(const ks_sim *sim, const ks_object *service, const ks_object *pod,
                         found_port *ports) {
    ks_heap *heap = sim->world.heap;
    size_t count = 0;
    ks_each(port, ks_get(service->spec, K(ports))) {
        int64_t number = ks_pod_find_port(pod, *port);
        if (!number) continue;
        ks_val name = ks_get(*port, K(name));
        ks_val value =
            ks_map_of(heap, K(name), ks_text_is(name, "") ? KS_NOTHING : ks_ref(name), K(port),
                      ks_int(number), K(protocol), ks_ref(ks_get(*port, K(protocol))),
                      K(appProtocol), ks_ref(ks_get(*port, K(appProtocol))), NULL);
        found_port one = {value, ks_port_hash_of_endpoint(heap, &sim->server.rules, value)};
        size_t at = count++;
        for (; at > 0 && ks_port_hash_before(one.hash, ports[at - 1].hash); at--)
            ports[at] = ports[at - 1];
        ports[at] = one;
    }
    return count;
}

/* Fills the address's ports; false when the pod has none of a Service that has some. */
static bool set_ports(const ks_sim *sim, ks_address *one, const ks_object *service,
                      const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    uint32_t room = ks_len(ks_get(service->spec, K(ports)));
    found_port *ports = ks_alloc(heap, (room + 1) * sizeof *ports);
    size_t count = find_ports(sim, service, pod, ports);
    if (count == 0 && (room > 0 || !ks_service_is_headless(service))) {
        ks_free(heap, ports, (room + 1) * sizeof *ports);
        return false;
    }
    ks_buf key = {.heap = heap};
    for (size_t i = 0; i < count; i++) {
        ks_val port = ports[i].value;
        one->ports = ks_append(heap, one->ports, port);
        ks_buf_printf(&key, "%s/%lld/%s/%s,", ks_text_or(ks_get(port, K(name)), ""),
                      (long long)ks_int_or(ks_get(port, K(port)), 0),
                      ks_text_or(ks_get(port, K(protocol)), ""),
                      ks_text_or(ks_get(port, K(appProtocol)), ""));
    }
    one->ports_key = ks_intern(heap, key.len ? key.s : "", key.len);
    ks_buf_dispose(&key);
    ks_free(heap, ports, (room + 1) * sizeof *ports);
    return true;
}

/* podToEndpointAddressForService, with the hostname. */
static ks_val address_value(ks_heap *heap, const ks_object *service, const ks_object *pod) {
    bool named = ks_pod_has_service_hostname(pod, service);
    return ks_map_of(heap, K(ip), ks_string(ks_pod_ip(pod)), K(nodeName),
                     ks_ref(ks_get(pod->spec, K(nodeName))), K(hostname),
                     named ? ks_ref(ks_get(pod->spec, K(hostname))) : KS_NOTHING, K(targetRef),
                     ks_pod_target_ref(heap, pod), NULL);
}

/* The pod's address under the Service, a new reference; NULL: it has none. */
static ks_address *make_address(const ks_sim *sim, const ks_object *service,
                                const ks_tracked_pod *tracked) {
    ks_heap *heap = sim->world.heap;
    const ks_object *pod = tracked->pod;
    bool publish = ks_bool_or(ks_get(service->spec, K(publishNotReadyAddresses)), false);
    if (!tracked->selected || !ks_pod_in_endpoints(pod, publish)) return NULL;
    ks_address *one = ks_alloc_zero(heap, sizeof *one);
    one->refs = 1;
    one->service = service->id;
    if (!set_ports(sim, one, service, pod)) {
        ks_free(heap, one, sizeof *one);
        return NULL;
    }
    one->ready = publish || ks_pod_is_ready(pod);
    one->ip = ks_str_ref(ks_pod_ip(pod));
    one->uid = ks_str_ref(pod->uid);
    one->value = address_value(heap, service, pod);
    return one;
}

/* Brings the addresses up to date; `edit`, if not NULL, is told. */
static void consider(const ks_sim *sim, endpoints_state *state, const ks_object *service,
                     const ks_tracked_pod *pod, ks_subsets_edit *edit) {
    ks_heap *heap = sim->world.heap;
    ks_address *old = ks_addresses_get(&state->addresses, service->id, pod->id);
    ks_address *now = make_address(sim, service, pod);
    if (ks_address_same(old, now)) {
        if (now) ks_address_unref(heap, now);
        return;
    }
    if (edit) ks_subsets_exchange(edit, old, now);
    ks_addresses_put(heap, &state->addresses, service->id, pod->id, now);
}

/* --- what is published --- */

/* What was published, if that is what Endpoints have, and can be edited; else NULL. */
static const ks_subsets *editable(const endpoints_state *state, uint64_t service,
                                  const ks_object *current) {
    const seen *last = ks_tree_get(&state->published, (ks_key){0, service});
    if (!last || !current ||
        !ks_identical(ks_get(ks_doc(current), K(subsets)), last->subsets.value))
        return NULL;
    return &last->subsets;
}

/* What is to be published, once all pods that changed have been considered. */
static ks_subsets work_off(const ks_sim *sim, endpoints_state *state, const ks_tracker_work *work,
                           const ks_subsets *before) {
    ks_heap *heap = sim->world.heap;
    const ks_object *service = work->service;
    ks_subsets_edit edit;
    if (before)
        edit = ks_subsets_open(heap, &sim->server.rules, &state->addresses, service->id, before);
    for (size_t i = 0; i < work->count; i++)
        consider(sim, state, service, &work->pods[i], before ? &edit : NULL);
    return before ? ks_subsets_close(&edit)
                  : ks_subsets_read(heap, &sim->server.rules, &state->addresses, service->id);
}

/* Takes over `subsets`: Endpoints have this value now. */
static void remember(ks_heap *heap, endpoints_state *state, uint64_t service, ks_subsets subsets) {
    ks_key key = {0, service};
    if (!subsets.ports_key) {
        ks_tree_del(heap, &state->published, key);
        ks_subsets_dispose(heap, &subsets);
        return;
    }
    seen *one = ks_alloc(heap, sizeof *one);
    *one = (seen){.refs = 1, .subsets = subsets};
    ks_tree_put(heap, &state->published, key, one);
}

/* --- writing --- */

static ks_val endpoints_labels(ks_heap *heap, const ks_object *service) {
    ks_val labels = ks_ref(service->labels);
    if (ks_service_has_ip(service))
        labels = ks_drop(heap, labels, K(service_kubernetes_io_headless));
    else
        labels = ks_put(heap, labels, K(service_kubernetes_io_headless), ks_text(heap, ""));
    return ks_put(heap, labels, K(endpoints_kubernetes_io_managed_by), ks_text(heap, MANAGER));
}

static ks_val annotations_of(ks_sim *sim, const ks_object *current, int64_t trigger,
                             bool truncated) {
    ks_heap *heap = sim->world.heap;
    ks_val annotations = current ? ks_ref(ks_get(current->meta, K(annotations))) : KS_NOTHING;
    ks_val time = trigger == KS_NEVER ? KS_NOTHING : ks_time_val(&sim->world, trigger);
    annotations =
        ks_put(heap, annotations, K(endpoints_kubernetes_io_last_change_trigger_time), time);
    annotations = ks_put(heap, annotations, K(endpoints_kubernetes_io_over_capacity),
                         truncated ? ks_text(heap, "truncated") : KS_NOTHING);
    if (ks_len(annotations)) return annotations;
    ks_unref(heap, annotations);
    return KS_NOTHING;
}

/* Takes over `subsets` and `labels`. */
static ks_refusal *write_endpoints(ks_sim *sim, const ks_object *service, const ks_object *current,
                                   ks_val subsets, ks_val labels, ks_val annotations) {
    ks_heap *heap = sim->world.heap;
    if (current) {
        ks_val meta = ks_ref(current->meta);
        meta = ks_put(heap, meta, K(labels), labels);
        meta = ks_put(heap, meta, K(annotations), annotations);
        ks_val doc = ks_doc_ref(current);
        doc = ks_put(heap, doc, K(metadata), meta);
        doc = ks_put(heap, doc, K(subsets), subsets);
        return ks_server_update_object(&sim->server, current, doc, NULL);
    }
    const ks_write_opts opts = {.trusted = true, .manager = "kube-controller-manager"};
    ks_val meta =
        ks_map_of(heap, K(name), ks_string(service->name), K(namespace), ks_string(service->ns),
                  K(labels), labels, K(annotations), annotations, NULL);
    ks_val doc =
        ks_map_of(heap, K(apiVersion), ks_text(heap, "v1"), K(kind), ks_text(heap, "Endpoints"),
                  K(metadata), meta, K(subsets), subsets, NULL);
    return ks_server_create(&sim->server, KS_ENDPOINTS, service->ns, doc, &opts, NULL);
}

/* A refused write is retried later, unless the namespace is going away. */
static bool give_up(ks_sim *sim, endpoints_state *state, const ks_object *service, bool created,
                    ks_refusal *refusal) {
    bool going = false;
    ks_each(cause, refusal->causes)
        going |= ks_text_is(ks_get(*cause, K(reason)), "NamespaceTerminating");
    ks_tracker_mark_full(sim, &state->tracker, service->id);
    if (!going) {
        const ks_event event = {.type = "Warning",
                                .reason =
                                    created ? "FailedToCreateEndpoint" : "FailedToUpdateEndpoint",
                                .component = "endpoint-controller"};
        ks_record(&sim->server, service, &event, "Failed to %s %s/%s: %s",
                  created ? "create endpoint for service" : "update endpoint", service->ns->s,
                  service->name->s, refusal->message->s);
    }
    ks_refusal_free(sim->world.heap, refusal);
    return going;
}

/* labelsCorrectForEndpoints. */
static bool has_right_labels(ks_val labels, ks_val wanted) {
    uint32_t others = 0;
    for (uint32_t i = 0; i < ks_len(labels); i++) {
        const ks_pair *pair = ks_pair_at(labels, i);
        if (pair->key == K(service_kubernetes_io_headless) ||
            pair->key == K(endpoints_kubernetes_io_managed_by))
            continue;
        if (!ks_equal(pair->val, ks_get(wanted, pair->key))) return false;
        others++;
    }
    return others == ks_len(wanted) &&
           ks_text_is(ks_get(labels, K(endpoints_kubernetes_io_managed_by)), MANAGER);
}

/* Whether somebody has written the same in another form, which older releases do not see. */
static bool means_the_same(const ks_sim *sim, ks_val written, ks_val subsets) {
    ks_heap *heap = sim->world.heap;
    if (!ks_since(&sim->server.rules, KS_SINCE_PORTS_BY_FNV)) return false;
    ks_val repacked = ks_repack(heap, &sim->server.rules, written, NULL);
    bool same = ks_equal(repacked, subsets);
    ks_unref(heap, repacked);
    return same;
}

/* Whether Endpoints are as they shall be already; those that are cut off never count as that. What was edited is the same value, or
 * another one. */
static bool is_as_it_shall(const ks_sim *sim, const ks_object *current, const ks_subsets *subsets,
                           bool edited, const ks_tracker_work *work) {
    if (!current || subsets->truncated) return false;
    ks_val mark = ks_get2(current->meta, K(annotations), K(endpoints_kubernetes_io_over_capacity)),
           is = ks_get(ks_doc(current), K(subsets));
    if (ks_exists(mark) || !has_right_labels(current->labels, work->service->labels)) return false;
    if (edited) return ks_identical(is, subsets->value);
    return ks_equal(is, subsets->value) || (work->full && means_the_same(sim, is, subsets->value));
}

static bool sync_service(ks_sim *sim, endpoints_state *state, const ks_tracker_work *work) {
    ks_heap *heap = sim->world.heap;
    const ks_object *service = work->service;
    const ks_object *current = ks_store_get(ks_view(sim), KS_ENDPOINTS, service->ns, service->name);
    const ks_subsets *before = editable(state, service->id, current);
    ks_subsets subsets = work_off(sim, state, work, before);
    if (is_as_it_shall(sim, current, &subsets, before != NULL, work)) {
        ks_unref(heap, subsets.value);
        subsets.value = ks_ref(ks_get(ks_doc(current), K(subsets)));
        remember(heap, state, service->id, subsets);
        return true;
    }
    state->writing = true;
    bool created = current == NULL;
    ks_refusal *refusal = write_endpoints(
        sim, service, current, ks_ref(subsets.value), endpoints_labels(heap, service),
        annotations_of(sim, current, work->trigger, subsets.truncated));
    state->writing = false;
    remember(heap, state, service->id, subsets);
    if (!refusal && !created && ks_view_is_late(sim))
        ks_tree_put(heap, &state->wrote, (ks_key){0, service->id},
                    (void *)(uintptr_t)sim->server.store.version);
    return !refusal || give_up(sim, state, service, created, refusal);
}

/* The Service is gone: so is its Endpoints object, unless another Service has the name by now. */
static void delete_endpoints(ks_sim *sim, endpoints_state *state, const ks_tracker_work *work,
                             uint64_t id) {
    ks_heap *heap = sim->world.heap;
    ks_addresses_drop(heap, &state->addresses, id);
    ks_tree_del(heap, &state->published, (ks_key){0, id});
    ks_tree_del(heap, &state->wrote, (ks_key){0, id});
    if (ks_store_get(ks_view(sim), KS_SERVICE, work->ns, work->name)) return;
    if (!ks_store_get(ks_view(sim), KS_ENDPOINTS, work->ns, work->name)) return;
    state->writing = true;
    ks_refusal *refusal =
        ks_server_delete(&sim->server, KS_ENDPOINTS, work->ns, work->name, NULL, NULL);
    state->writing = false;
    if (refusal) ks_refusal_free(heap, refusal);
}

/* staleEndpointsTracker.IsStale: the cache still shows what has been written over. */
static bool is_stale(const ks_sim *sim, const endpoints_state *state, uint64_t id) {
    uintptr_t version = (uintptr_t)ks_tree_get(&state->wrote, (ks_key){0, id});
    return ks_view_is_late(sim) &&
           !ks_has_heard(sim, state->tracker.component, KS_ENDPOINTS, version);
}

static bool sync(ks_sim *sim, void *state_, uint64_t key) {
    endpoints_state *state = state_;
    ks_tracker_work work;
    if (is_stale(sim, state, key)) return false;
    if (ks_tracker_put_off(sim, &state->tracker, key)) return true;
    if (!ks_tracker_take(sim, &state->tracker, key, &work)) return true;
    bool done = true;
    if (!work.service)
        delete_endpoints(sim, state, &work, key);
    else if (ks_service_is_managed(work.service))
        done = sync_service(sim, state, &work);
    ks_tracker_work_dispose(sim->world.heap, &work);
    return done;
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)sim;
    ks_tracker_describe(&((const endpoints_state *)state)->tracker, key, out);
}

const ks_component ks_endpoints_controller = {
    .name = "endpoints",
    .create = state_create,
    .copy = state_copy,
    .dispose = state_dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .describe = describe,
    .pod_parts = KS_TRACKED_PARTS,
    .retries = 15,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_SERVICE) | KS_KIND_BIT(KS_ENDPOINTS),
};
