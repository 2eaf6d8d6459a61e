/*
 * network/endpointslice.c - the EndpointSlice controller.
 *
 * Keeps for each Service with a selector slices of at most 100 endpoints. Follows
 * k8s.io/endpointslice/reconciler.go, but looks only at pods that changed: it remembers in which
 * slice each pod stands, and which slices have room. A slice is rewritten at most once per sync.
 */
#include "network/endpointslice.h"

#include "api/values.h"
#include "doc/errors.h"
#include "network/endpoint.h"
#include "network/porthash.h"
#include "network/tracker.h"
#include "network/written.h"

#define MANAGER       "endpointslice-controller.k8s.io"
#define MAX_ENDPOINTS 100
#define RESYNC_AFTER  KS_SECOND /* endpointslice_controller.go: endpointSliceChangeMinSyncDelay */

typedef struct slices_state {
    ks_tracker tracker;
    ks_tree members; /* {service id, pod id} -> id of the slice that it stands in */
    ks_tree slices;  /* {service id, slice id} -> endpoints in it, plus one */
    ks_tree room;    /* {service id, slice id} -> 1: fewer than the maximum */
    ks_tree
        by_service; /* {hash of namespace and Service's name, slice id} -> 1: everyone's slices */
    ks_tree
        foreign; /* {service id, slice id} -> 1: said to be ours, but of a former Service of that name; 2: of another family */
    ks_written written; /* by Service */
    /* endpointslice_tracker.go, for caches that are late: the last version that we have written of a slice, and of a Service's */
    ks_tree own;   /* {0, slice id} -> version */
    ks_tree wrote; /* {0, service id} -> version */
    bool writing;  /* changes that are announced now are our own */
} slices_state;

static void *state_create(ks_sim *sim) {
    slices_state *state = ks_alloc_zero(sim->world.heap, sizeof *state);
    ks_tracker_init(&state->tracker, ks_component_index(sim, &ks_endpointslice_controller));
    return state;
}

static void *state_copy(ks_sim *sim, const void *from_) {
    const slices_state *from = from_;
    slices_state *state = ks_alloc_zero(sim->world.heap, sizeof *state);
    state->tracker = ks_tracker_copy(&from->tracker);
    state->members = ks_tree_copy(&from->members);
    state->slices = ks_tree_copy(&from->slices);
    state->room = ks_tree_copy(&from->room);
    state->by_service = ks_tree_copy(&from->by_service);
    state->foreign = ks_tree_copy(&from->foreign);
    state->written = ks_written_copy(&from->written);
    state->own = ks_tree_copy(&from->own);
    state->wrote = ks_tree_copy(&from->wrote);
    return state;
}

static void state_dispose(ks_heap *heap, void *state_) {
    slices_state *state = state_;
    ks_tracker_dispose(heap, &state->tracker);
    ks_tree_clear(heap, &state->members);
    ks_tree_clear(heap, &state->slices);
    ks_tree_clear(heap, &state->room);
    ks_tree_clear(heap, &state->by_service);
    ks_tree_clear(heap, &state->foreign);
    ks_written_clear(heap, &state->written);
    ks_tree_clear(heap, &state->own);
    ks_tree_clear(heap, &state->wrote);
    ks_free(heap, state, sizeof *state);
}

static void *as_word(uint64_t value) { return (void *)(uintptr_t)value; }

static uint64_t of_word(const void *value) { return (uint64_t)(uintptr_t)value; }

/* --- the index of all slices by Service --- */

static uint64_t service_hash(const ks_str *ns, const ks_str *name) {
    return (uint64_t)ks_hash_bytes(ns->s, ns->len) << 32 | ks_hash_bytes(name->s, name->len);
}

static const ks_str *service_of(const ks_object *slice) {
    return ks_str_or_null(ks_get(slice->labels, K(kubernetes_io_service_name)));
}

ks_slice_walk ks_slices_of(const ks_sim *sim, const ks_str *ns, const ks_str *name) {
    const slices_state *state = ks_component_look(sim, &ks_endpointslice_controller);
    ks_slice_walk walk = {.sim = sim, .hash = service_hash(ns, name), .ns = ns, .name = name};
    walk.iter = ks_tree_from(&state->by_service, (ks_key){walk.hash, 0});
    /* the index is as old as the controller's cache: nobody else's */
    walk.late = ks_sim_is_late(sim, state->tracker.component);
    if (walk.late) walk.all = ks_walk_kind(ks_view(sim), KS_ENDPOINTSLICE, ns);
    return walk;
}

bool ks_slices_next(ks_slice_walk *walk) {
    while (walk->late && ks_walk_next(&walk->all)) {
        walk->slice = walk->all.object;
        if (ks_str_eq(service_of(walk->slice), walk->name)) return true;
    }
    if (walk->late) return false;
    while (ks_tree_next(&walk->iter) && walk->iter.key.a == walk->hash) {
        walk->slice = ks_store_by_id(ks_view(walk->sim), KS_ENDPOINTSLICE, walk->iter.key.b);
        if (walk->slice && ks_str_eq(walk->slice->ns, walk->ns) &&
            ks_str_eq(service_of(walk->slice), walk->name))
            return true;
    }
    return false;
}

static void index_slice(ks_heap *heap, slices_state *state, const ks_change *change) {
    const ks_object *slice = change->object;
    const ks_str *now = change->type == KS_DELETED ? NULL : service_of(slice);
    const ks_str *old = change->old ? service_of(change->old) : NULL;
    if (change->type == KS_DELETED && !old) old = service_of(slice);
    if (ks_str_eq(now, old)) return;
    if (old)
        ks_tree_del(heap, &state->by_service, (ks_key){service_hash(slice->ns, old), slice->id});
    if (now)
        ks_tree_put(heap, &state->by_service, (ks_key){service_hash(slice->ns, now), slice->id},
                    as_word(1));
}

/* --- observing --- */

static bool is_ours(const ks_object *slice) {
    return ks_text_is(ks_get(slice->labels, K(endpointslice_kubernetes_io_managed_by)), MANAGER);
}

/* The id of the Service that the slice names, or 0. */
static uint64_t named_service(ks_sim *sim, const slices_state *state, const ks_object *slice) {
    const ks_str *name = service_of(slice);
    return name ? ks_tracker_find(&state->tracker, ks_view(sim), slice->ns, name) : 0;
}

static void resync(ks_sim *sim, const slices_state *state, uint64_t service) {
    if (service)
        ks_enqueue_at(sim, state->tracker.component, service, sim->world.now + RESYNC_AFTER);
}

/* Whether upstream finds the slice where it looks for those of a Service. */
static bool is_provided(const ks_object *slice, const ks_str *service) {
    return is_ours(slice) && slice->deleting == KS_NEVER && ks_str_eq(service_of(slice), service);
}

/* What somebody else has written shows with the Service's next sync; the word that there is one comes a second later. */
static void foreign_change(ks_sim *sim, slices_state *state, const ks_change *change) {
    const ks_object *slice = change->object, *old = change->old;
    ks_slice_place now = {is_ours(slice), named_service(sim, state, slice)};
    ks_slice_place before = {old && is_ours(old), old ? named_service(sim, state, old) : 0};
    if (now.owner && (now.ours || before.ours)) ks_tracker_touch(sim, &state->tracker, now.owner);
    if (before.owner && before.owner != now.owner && before.ours)
        ks_tracker_touch(sim, &state->tracker, before.owner);
    bool told[2];
    ks_written_change(sim->world.heap, &state->written, change, now, before, told);
    if (told[0]) resync(sim, state, now.owner);
    if (told[1]) resync(sim, state, before.owner);
}

/* A change that we have made ourselves: announced while we write, or later, where our cache is late. */
static bool is_own(const slices_state *state, const ks_change *change) {
    if (state->writing) return true;
    return of_word(ks_tree_get(&state->own, (ks_key){0, change->object->id})) >= change->version;
}

/* A node that comes, goes or moves makes no sync, but the next one sees it. */
static bool node_matters(const ks_change *change) {
    return change->type != KS_MODIFIED || !change->old ||
           !ks_equal(ks_get(change->object->labels, K(topology_kubernetes_io_zone)),
                     ks_get(change->old->labels, K(topology_kubernetes_io_zone)));
}

static void observe(ks_sim *sim, void *state_, const ks_change *change) {
    slices_state *state = state_;
    switch (change->object->kind) {
    case KS_POD: ks_tracker_pod(sim, &state->tracker, change); break;
    case KS_SERVICE: ks_tracker_service(sim, &state->tracker, change); break;
    case KS_NODE:
        if (node_matters(change)) ks_tracker_touch_all(sim, &state->tracker);
        break;
    case KS_ENDPOINTSLICE:
        index_slice(sim->world.heap, state, change);
        if (!is_own(state, change)) foreign_change(sim, state, change);
        if (change->type == KS_DELETED)
            ks_tree_del(sim->world.heap, &state->own, (ks_key){0, change->object->id});
        break;
    default: break;
    }
}

static bool heeds(const ks_sim *sim, const void *state_, const ks_change *change, uint32_t parts) {
    (void)sim, (void)parts;
    const slices_state *state = state_;
    return change->object->kind != KS_POD || ks_tracker_heeds(&state->tracker, change->object);
}

/* --- one sync --- */

/* A slice that this sync has opened. */
typedef struct open_slice {
    const ks_object *object; /* a reference; NULL: to be created */
    ks_val ports, endpoints; /* own references; endpoints as a list, maybe KS_NOTHING */
    ks_val labels;           /* own reference */
    bool changed;
    bool anew; /* nothing of the old one stays but its name */
} open_slice;

/* A pod that needs a place in a slice. */
typedef struct newcomer {
    uint64_t pod;
    ks_val ports, endpoint; /* own references, until placed */
    size_t slice;           /* which open slice it went to */
} newcomer;

typedef struct sync_run {
    ks_sim *sim;
    ks_heap *heap;
    slices_state *state;
    const ks_object *service;
    uint64_t id;
    ks_tracker_work *work;
    open_slice *open;
    size_t opened, open_capacity;
    newcomer *newcomers;
    size_t newcomer_count, newcomer_capacity;
    ks_val errors;      /* what keeps pods out: texts */
    bool keeps_foreign; /* the only slice is a foreign one, and does for the placeholder */
} sync_run;

static open_slice *add_open(sync_run *run, open_slice slice) {
    if (run->opened == run->open_capacity) {
        size_t capacity = run->open_capacity ? run->open_capacity * 2 : 4;
        run->open = ks_resize(run->heap, run->open, run->open_capacity * sizeof *run->open,
                              capacity * sizeof *run->open);
        run->open_capacity = capacity;
    }
    run->open[run->opened] = slice;
    return &run->open[run->opened++];
}

/* utils.go: setEndpointSliceLabels. A new reference. */
static ks_val slice_labels(sync_run *run) {
    ks_heap *heap = run->heap;
    ks_val labels = ks_ref(run->service->labels);
    if (ks_service_has_ip(run->service))
        labels = ks_drop(heap, labels, K(service_kubernetes_io_headless));
    else
        labels = ks_put(heap, labels, K(service_kubernetes_io_headless), ks_text(heap, ""));
    labels = ks_put(heap, labels, K(kubernetes_io_service_name), ks_string(run->service->name));
    return ks_put(heap, labels, K(endpointslice_kubernetes_io_managed_by), ks_text(heap, MANAGER));
}

static ks_val list_or_nothing(ks_val v) { return ks_is(v, KS_LIST) ? ks_ref(v) : KS_NOTHING; }

/* The open slice with this id, opened if need be; NULL when it is gone. */
static open_slice *open_by_id(sync_run *run, uint64_t id) {
    for (size_t i = 0; i < run->opened; i++)
        if (run->open[i].object && run->open[i].object->id == id) return &run->open[i];
    const ks_object *object = ks_store_by_id(ks_view(run->sim), KS_ENDPOINTSLICE, id);
    if (!object) return NULL;
    return add_open(run,
                    (open_slice){.object = ks_object_ref(object),
                                 .ports = list_or_nothing(ks_get(ks_doc(object), K(ports))),
                                 .endpoints = list_or_nothing(ks_get(ks_doc(object), K(endpoints))),
                                 .labels = ks_ref(object->labels)});
}

/* Whether this sync looks at the pod, by search: the pods stand in order of their ids. */
static bool is_considered(const ks_tracker_work *work, const ks_object *pod) {
    size_t low = 0, high = work->count;
    if (pod->kind != KS_POD) return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (work->pods[middle].id == pod->id) return true;
        if (work->pods[middle].id < pod->id)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

enum { OF_FORMER_SERVICE = 1, OF_OTHER_FAMILY };

/* Finds the slices that are said to be ours and are to go: they are not this Service's, because its owner has gone and they were left
 * behind or wait for the garbage collector, or because somebody made them; or the Service has no addresses of that family. */
static void find_foreign(sync_run *run) {
    slices_state *state = run->state;
    const ks_object *service = run->service;
    uint64_t hash = service_hash(service->ns, service->name);
    ks_tree_del_all(run->heap, &state->foreign, run->id);
    for (ks_tree_iter it = ks_tree_from(&state->by_service, (ks_key){hash, 0});
         ks_tree_next(&it) && it.key.a == hash;) {
        const ks_object *slice = ks_store_by_id(ks_view(run->sim), KS_ENDPOINTSLICE, it.key.b);
        if (!slice || !ks_str_eq(slice->ns, service->ns) || !is_provided(slice, service->name))
            continue;
        bool family = ks_text_is(ks_get(ks_doc(slice), K(addressType)), "IPv4");
        if (!family || !ks_is_owned(slice, service->uid))
            ks_tree_put(run->heap, &state->foreign, (ks_key){run->id, slice->id},
                        as_word(family ? OF_FORMER_SERVICE : OF_OTHER_FAMILY));
    }
}

/* What one has, the other has, too; what is empty need not be there. */
static bool has_labels(ks_val labels, ks_val others) {
    for (uint32_t i = 0; i < ks_len(labels); i++) {
        const ks_pair *pair = ks_pair_at(labels, i);
        if (!ks_text_is(pair->val, ks_text_or(ks_get(others, pair->key), ""))) return false;
    }
    return true;
}

/* utils.go: setEndpointSliceLabels. What others have done to the labels that are reserved does not show where a slice has endpoints. */
static bool are_reserved(const ks_str *key) {
    return key == K(service_kubernetes_io_headless) || key == K(kubernetes_io_service_name) ||
           key == K(endpointslice_kubernetes_io_managed_by);
}

static bool has_labels_of(ks_val labels, ks_val others) {
    for (uint32_t i = 0; i < ks_len(labels); i++) {
        const ks_pair *pair = ks_pair_at(labels, i);
        if (!are_reserved(pair->key) && !ks_equal(pair->val, ks_get(others, pair->key)))
            return false;
    }
    return true;
}

static void relabel(sync_run *run, open_slice *slice, ks_val labels) {
    bool same = ks_len(slice->endpoints)
                    ? has_labels_of(labels, slice->labels) && has_labels_of(slice->labels, labels)
                    : has_labels(labels, slice->labels) && has_labels(slice->labels, labels);
    if (same && !ks_equal(labels, slice->labels)) /* they are put right with the next change */
        ks_tracker_touch(run->sim, &run->state->tracker, run->id);
    ks_unref(run->heap, slice->labels);
    slice->labels = ks_ref(labels);
    slice->changed |= !same;
}

/* Reads the Service's slices from the store anew: after a change of the Service, or of a slice by
 * someone else. */
static void reload(sync_run *run) {
    slices_state *state = run->state;
    ks_heap *heap = run->heap;
    const ks_store *store = ks_view(run->sim);
    ks_tree_del_all(heap, &state->members, run->id);
    ks_tree_del_all(heap, &state->slices, run->id);
    ks_tree_del_all(heap, &state->room, run->id);
    find_foreign(run);
    ks_val labels = slice_labels(run);
    for (ks_walk walk = ks_walk_owned(store, run->service->uid, KS_ENDPOINTSLICE);
         ks_walk_next(&walk);) {
        const ks_object *object = walk.object;
        if (!is_provided(object, run->service->name) || !ks_str_eq(object->ns, run->service->ns) ||
            !ks_text_is(ks_get(ks_doc(object), K(addressType)), "IPv4"))
            continue;
        open_slice *slice = open_by_id(run, object->id);
        for (uint32_t i = 0; i < ks_len(slice->endpoints);) {
            ks_val ref = ks_get(ks_at(slice->endpoints, i), K(targetRef));
            const ks_object *pod = ks_store_by_uid(store, ks_str_or_null(ks_get(ref, K(uid))));
            if (pod && is_considered(run->work, pod) &&
                !ks_tree_has(&state->members, (ks_key){run->id, pod->id})) {
                ks_tree_put(heap, &state->members, (ks_key){run->id, pod->id}, as_word(object->id));
                i++;
                continue;
            }
            slice->endpoints = ks_remove_at(heap, slice->endpoints, i);
            slice->changed = true;
        }
        uint32_t count = ks_len(slice->endpoints);
        ks_tree_put(heap, &state->slices, (ks_key){run->id, object->id}, as_word(count + 1));
        if (count < MAX_ENDPOINTS)
            ks_tree_put(heap, &state->room, (ks_key){run->id, object->id}, as_word(1));
        relabel(run, slice, labels);
    }
    ks_unref(heap, labels);
}

/* utils.go: getEndpointPorts. A list, or KS_NOTHING when there is none. */
static ks_val endpoint_ports(sync_run *run, const ks_object *pod) {
    ks_heap *heap = run->heap;
    ks_val ports = KS_NOTHING;
    ks_each(port, ks_get(run->service->spec, K(ports))) {
        int64_t number = ks_pod_find_port(pod, *port);
        if (!number) continue;
        ks_val name = ks_get(*port, K(name));
        ks_val protocol = ks_get(*port, K(protocol));
        ks_val item = ks_map_of(heap, K(name), ks_exists(name) ? ks_ref(name) : ks_text(heap, ""),
                                K(port), ks_int(number), K(protocol), ks_ref(protocol),
                                K(appProtocol), ks_ref(ks_get(*port, K(appProtocol))), NULL);
        ports = ks_append(heap, ports, item);
    }
    return ks_sort_slice_ports(heap, &run->sim->server.rules, ports);
}

static ks_val named_list(ks_heap *heap, ks_val name) {
    return ks_append(heap, KS_NOTHING, ks_map_of(heap, K(name), ks_ref(name), NULL));
}

/* hintsEnabled: the Service asks for hints by the share that each zone has, which are not simulated; it has no others then. */
static bool asks_for_topology(const ks_object *service) {
    ks_val annotations = ks_get(service->meta, K(annotations));
    ks_val mode = ks_get(annotations, K(service_kubernetes_io_topology_aware_hints));
    if (!ks_exists(mode)) mode = ks_get(annotations, K(service_kubernetes_io_topology_mode));
    return ks_text_is(mode, "Auto") || ks_text_is(mode, "auto");
}

/* trafficdist/trafficdist.go: hints of a ready endpoint; KS_NOTHING: none. */
static ks_val endpoint_hints(sync_run *run, ks_val zone, ks_val node) {
    ks_heap *heap = run->heap;
    ks_val distribution = ks_get(run->service->spec, K(trafficDistribution));
    bool same_node = ks_text_is(distribution, "PreferSameNode");
    if (!same_node && !ks_text_is(distribution, "PreferClose") &&
        !ks_text_is(distribution, "PreferSameZone"))
        return KS_NOTHING;
    if (asks_for_topology(run->service)) return KS_NOTHING;
    ks_val zones = ks_exists(zone) ? named_list(heap, zone) : KS_NOTHING;
    ks_val nodes = same_node && ks_exists(node) ? named_list(heap, node) : KS_NOTHING;
    if (!ks_exists(zones) && !ks_exists(nodes)) return KS_NOTHING;
    return ks_map_of(heap, K(forZones), zones, K(forNodes), nodes, NULL);
}

/* utils.go: podToEndpoint. */
static ks_val make_endpoint(sync_run *run, const ks_object *pod, const ks_object *node) {
    ks_heap *heap = run->heap;
    const ks_object *service = run->service;
    bool serving = ks_pod_is_ready(pod);
    bool terminating = ks_object_terminating(pod);
    bool ready = ks_bool_or(ks_get(service->spec, K(publishNotReadyAddresses)), false) ||
                 (serving && !terminating);
    ks_val conditions = ks_map_of(heap, K(ready), ks_bool(ready), K(serving), ks_bool(serving),
                                  K(terminating), ks_bool(terminating), NULL);
    ks_val addresses = ks_append(heap, ks_list_new(heap, 1), ks_string(ks_pod_ip(pod)));
    ks_val zone = node ? ks_get(node->labels, K(topology_kubernetes_io_zone)) : KS_NOTHING;
    if (ks_text_is(zone, "")) zone = KS_NOTHING;
    ks_val node_name = ks_get(pod->spec, K(nodeName));
    bool has_hostname = ks_pod_has_service_hostname(pod, service);
    return ks_map_of(heap, K(addresses), addresses, K(conditions), conditions, K(targetRef),
                     ks_pod_target_ref(heap, pod), K(nodeName), ks_ref(node_name), K(zone),
                     ks_ref(zone), K(hostname),
                     has_hostname ? ks_ref(ks_get(pod->spec, K(hostname))) : KS_NOTHING, K(hints),
                     ready ? endpoint_hints(run, zone, node_name) : KS_NOTHING, NULL);
}

static void add_newcomer(sync_run *run, uint64_t pod, ks_val ports, ks_val endpoint) {
    if (run->newcomer_count == run->newcomer_capacity) {
        size_t capacity = run->newcomer_capacity ? run->newcomer_capacity * 2 : 8;
        run->newcomers =
            ks_resize(run->heap, run->newcomers, run->newcomer_capacity * sizeof *run->newcomers,
                      capacity * sizeof *run->newcomers);
        run->newcomer_capacity = capacity;
    }
    run->newcomers[run->newcomer_count++] =
        (newcomer){.pod = pod, .ports = ports, .endpoint = endpoint};
}

/* Whether the pod shall be an endpoint; *node is its node, which may be missing: then the sync fails, and it is looked at again. */
static bool wanted(sync_run *run, const ks_tracked_pod *pod, const ks_object **node) {
    const ks_object *service = run->service;
    *node = NULL;
    if (!pod->selected || !ks_pod_in_endpoints(pod->pod, true)) return false;
    if (pod->pod->node) *node = ks_store_get(ks_view(run->sim), KS_NODE, NULL, pod->pod->node);
    if (*node || ks_bool_or(ks_get(service->spec, K(publishNotReadyAddresses)), false)) return true;
    ks_tracker_mark_pod(run->sim, &run->state->tracker, run->id, pod->id);
    ks_errors_add(run->heap, &run->errors,
                  ks_format(run->heap, "skipping Pod %s for Service %s/%s: Node %s Not Found",
                            pod->pod->name->s, service->ns->s, service->name->s,
                            pod->pod->node == NULL ? "" : pod->pod->node->s));
    return false;
}

static uint32_t find_endpoint(sync_run *run, const open_slice *slice, const ks_tracked_pod *pod) {
    const ks_val *items = ks_items(slice->endpoints);
    uint32_t count = ks_len(slice->endpoints);
    for (uint32_t i = 0; i < count; i++) {
        ks_val uid = ks_get2(items[i], K(targetRef), K(uid));
        if (pod->pod) {
            if (ks_str_eq(ks_str_or_null(uid), pod->pod->uid)) return i;
        } else {
            const ks_object *other = ks_store_by_uid(ks_view(run->sim), ks_str_or_null(uid));
            if (!other || other->kind != KS_POD) return i;
        }
    }
    return count;
}

/* endpointset.go: hashEndpoint: what keeps its place in its slice. */
static bool is_same_endpoint(ks_val a, ks_val b) {
    return ks_equal(ks_get(a, K(addresses)), ks_get(b, K(addresses))) &&
           ks_equal(ks_get(a, K(hostname)), ks_get(b, K(hostname))) &&
           ks_equal(ks_get2(a, K(targetRef), K(name)), ks_get2(b, K(targetRef), K(name)));
}

/* Brings one pod's endpoint up to date where it stands, or notes it as a newcomer. */
static void consider(sync_run *run, const ks_tracked_pod *pod) {
    ks_heap *heap = run->heap;
    const ks_object *node;
    bool in = wanted(run, pod, &node);
    ks_val ports = in ? endpoint_ports(run, pod->pod) : KS_NOTHING;
    ks_val endpoint = in ? make_endpoint(run, pod->pod, node) : KS_NOTHING;
    uint64_t slice_id = of_word(ks_tree_get(&run->state->members, (ks_key){run->id, pod->id}));
    open_slice *slice = slice_id ? open_by_id(run, slice_id) : NULL;
    uint32_t at = slice ? find_endpoint(run, slice, pod) : 0;
    if (slice && at < ks_len(slice->endpoints)) {
        if (in && ks_equal(ports, slice->ports) &&
            is_same_endpoint(endpoint, ks_at(slice->endpoints, at))) {
            if (ks_equal(endpoint, ks_at(slice->endpoints, at))) {
                ks_unref(heap, endpoint);
            } else {
                slice->endpoints = ks_set_at(heap, slice->endpoints, at, endpoint);
                slice->changed = true;
            }
            ks_unref(heap, ports);
            return;
        }
        slice->endpoints = ks_remove_at(heap, slice->endpoints, at);
        slice->changed = true;
    }
    if (slice_id) ks_tree_del(heap, &run->state->members, (ks_key){run->id, pod->id});
    if (in)
        add_newcomer(run, pod->id, ports, endpoint);
    else
        ks_unref(heap, ports);
}

/* Puts newcomers [from, to) that are still without a place and want these ports into the slice. */
static size_t fill(sync_run *run, size_t slice, ks_val ports, size_t left) {
    open_slice *target = &run->open[slice];
    for (size_t i = 0; i < run->newcomer_count && left; i++) {
        newcomer *one = &run->newcomers[i];
        if (ks_len(target->endpoints) >= MAX_ENDPOINTS) break;
        if (one->slice != SIZE_MAX || !ks_equal(one->ports, ports)) continue;
        target->endpoints = ks_append(run->heap, target->endpoints, one->endpoint);
        target->changed = true;
        one->endpoint = KS_NOTHING;
        one->slice = slice;
        left--;
    }
    return left;
}

/* The slices with room are opened, so that they can be chosen from. */
static void open_roomy(sync_run *run) {
    for (ks_tree_iter it = ks_tree_from(&run->state->room, (ks_key){run->id, 0});
         ks_tree_next(&it) && it.key.a == run->id;)
        open_by_id(run, it.key.b);
}

/* Step 2 of reconcileByPortMapping: the fullest slice that is rewritten anyway and has room. */
static size_t fullest_changed(const sync_run *run, ks_val ports) {
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < run->opened; i++) {
        uint32_t count = ks_len(run->open[i].endpoints);
        if (!run->open[i].changed || !count || count >= MAX_ENDPOINTS ||
            !ks_equal(run->open[i].ports, ports))
            continue;
        if (best == SIZE_MAX || count > ks_len(run->open[best].endpoints)) best = i;
    }
    return best;
}

/* Step 3 (getSliceToFill): the unchanged slice that will be closest to full with all that are left.
 */
static size_t closest_to_full(const sync_run *run, ks_val ports, size_t left) {
    size_t best = SIZE_MAX, best_count = 0;
    if (left >= MAX_ENDPOINTS) return best;
    for (size_t i = 0; i < run->opened; i++) {
        size_t count = ks_len(run->open[i].endpoints);
        if (run->open[i].changed || count + left > MAX_ENDPOINTS ||
            !ks_equal(run->open[i].ports, ports))
            continue;
        if (best == SIZE_MAX || count > best_count) {
            best = i;
            best_count = count;
        }
    }
    return best;
}

static size_t new_slice(sync_run *run, ks_val ports) {
    add_open(run,
             (open_slice){.ports = ks_ref(ports), .labels = slice_labels(run), .changed = true});
    return run->opened - 1;
}

static void place_newcomers(sync_run *run) {
    if (!run->newcomer_count) return;
    open_roomy(run);
    for (size_t i = 0; i < run->newcomer_count; i++) run->newcomers[i].slice = SIZE_MAX;
    for (size_t i = 0; i < run->newcomer_count; i++) {
        if (run->newcomers[i].slice != SIZE_MAX) continue;
        ks_val ports = run->newcomers[i].ports;
        size_t left = 0;
        for (size_t j = i; j < run->newcomer_count; j++)
            left += run->newcomers[j].slice == SIZE_MAX && ks_equal(run->newcomers[j].ports, ports);
        size_t target;
        while (left && (target = fullest_changed(run, ports)) != SIZE_MAX)
            left = fill(run, target, ports, left);
        while (left) {
            target = closest_to_full(run, ports, left);
            if (target == SIZE_MAX) target = new_slice(run, ports);
            left = fill(run, target, ports, left);
        }
    }
}

/* NewPortMapKey of older releases: where no ports are wanted, slices that have none (nil in Go) are not theirs: their endpoints
 * get new ones, which take over the old ones' names. */
static void rewrite_portless(sync_run *run) {
    if (ks_since(&run->sim->server.rules, KS_SINCE_NO_PORTS_ARE_ALIKE) ||
        ks_len(ks_get(run->service->spec, K(ports))) > 0)
        return;
    for (ks_tree_iter it = ks_tree_from(&run->state->slices, (ks_key){run->id, 0});
         ks_tree_next(&it) && it.key.a == run->id;) {
        open_slice *slice = of_word(it.value) > 1 ? open_by_id(run, it.key.b) : NULL;
        if (slice) slice->changed = slice->anew = true;
    }
}

/* --- writing --- */

static ks_val null_if_empty(ks_val list) { return ks_len(list) ? ks_ref(list) : ks_null(); }

static ks_val with_trigger(sync_run *run, ks_val annotations) {
    if (run->work->trigger == KS_NEVER)
        return ks_drop(run->heap, annotations, K(endpoints_kubernetes_io_last_change_trigger_time));
    return ks_put(run->heap, annotations, K(endpoints_kubernetes_io_last_change_trigger_time),
                  ks_time_val(&run->sim->world, run->work->trigger));
}

static ks_val owner_reference(ks_heap *heap, const ks_object *service) {
    return ks_map_of(heap, K(apiVersion), ks_text(heap, "v1"), K(kind), ks_text(heap, "Service"),
                     K(name), ks_string(service->name), K(uid), ks_string(service->uid),
                     K(controller), ks_bool(true), K(blockOwnerDeletion), ks_bool(true), NULL);
}

/* utils.go: newEndpointSlice. */
static ks_val new_doc(sync_run *run, const open_slice *slice) {
    ks_heap *heap = run->heap;
    const ks_str *service = run->service->name;
    ks_val prefix = service->len < 253 ? ks_format(heap, "%s-", service->s) : ks_string(service);
    ks_val annotations = with_trigger(run, KS_NOTHING);
    ks_val meta =
        ks_map_of(heap, K(generateName), prefix, K(namespace), ks_string(run->service->ns),
                  K(labels), ks_ref(slice->labels), K(annotations), annotations, K(ownerReferences),
                  ks_append(heap, KS_NOTHING, owner_reference(heap, run->service)), NULL);
    return ks_map_of(heap, K(apiVersion), ks_text(heap, "discovery.k8s.io/v1"), K(kind),
                     ks_text(heap, "EndpointSlice"), K(metadata), meta, K(addressType),
                     ks_text(heap, "IPv4"), K(endpoints), null_if_empty(slice->endpoints), K(ports),
                     null_if_empty(slice->ports), NULL);
}

/* reconciler.go: finalize: what it says of a refused write (NULL is fine) of a slice, NULL: of a new one. */
static ks_refusal *told_as(sync_run *run, ks_refusal *refusal, const char *verb,
                           const ks_str *slice) {
    if (!refusal) return NULL;
    const ks_str *why = refusal->message;
    refusal->message =
        ks_str_printf(run->heap, "failed to %s %s%sEndpointSlice for Service %s/%s: %s", verb,
                      slice ? slice->s : "", slice ? " " : "", run->service->ns->s,
                      run->service->name->s, why->s);
    ks_str_unref(run->heap, why);
    return refusal;
}

static ks_refusal *create_slice(sync_run *run, const open_slice *slice, const ks_object **out) {
    const ks_write_opts opts = {.trusted = true, .manager = "kube-controller-manager"};
    ks_refusal *refusal = ks_server_create(&run->sim->server, KS_ENDPOINTSLICE, run->service->ns,
                                           new_doc(run, slice), &opts, out);
    return told_as(run, refusal, "create", NULL);
}

static ks_refusal *delete_slice(sync_run *run, const ks_str *name) {
    ks_refusal *refusal =
        ks_server_delete(&run->sim->server, KS_ENDPOINTSLICE, run->service->ns, name, NULL, NULL);
    return told_as(run, refusal, "delete", name);
}

/* Writes `slice` over `object`, which it was or whose place it takes. */
static ks_refusal *update_slice(sync_run *run, const open_slice *slice, const ks_object *object) {
    ks_heap *heap = run->heap;
    bool replaced = slice->object != object || slice->anew;
    ks_val annotations = replaced ? KS_NOTHING : ks_ref(ks_get(object->meta, K(annotations)));
    annotations = with_trigger(run, annotations);
    if (!ks_len(annotations)) {
        ks_unref(heap, annotations);
        annotations = KS_NOTHING;
    }
    ks_val meta = ks_ref(object->meta);
    meta = ks_put(heap, meta, K(labels), ks_ref(slice->labels));
    meta = ks_put(heap, meta, K(annotations), annotations);
    ks_val doc = ks_doc_ref(object);
    doc = ks_put(heap, doc, K(metadata), meta);
    doc = ks_put(heap, doc, K(endpoints), null_if_empty(slice->endpoints));
    doc = ks_put(heap, doc, K(ports), null_if_empty(slice->ports));
    ks_refusal *refusal = ks_server_update_object(&run->sim->server, object, doc, NULL);
    return told_as(run, refusal, "update", object->name);
}

/* Notes a write that the cache will show later. */
static void note_own(sync_run *run, uint64_t slice) {
    if (!ks_view_is_late(run->sim)) return;
    uint64_t version = run->sim->server.store.version;
    ks_tree_put(run->heap, &run->state->own, (ks_key){0, slice}, as_word(version));
    ks_tree_put(run->heap, &run->state->wrote, (ks_key){0, run->id}, as_word(version));
}

/* Notes how full a slice is now, and that its newcomers stand in it. */
static void remember(sync_run *run, size_t slice, uint64_t id) {
    ks_heap *heap = run->heap;
    note_own(run, id);
    ks_written_note(run->sim, &run->state->written, run->id, id);
    uint32_t count = ks_len(run->open[slice].endpoints);
    ks_tree_put(heap, &run->state->slices, (ks_key){run->id, id}, as_word(count + 1));
    if (count < MAX_ENDPOINTS)
        ks_tree_put(heap, &run->state->room, (ks_key){run->id, id}, as_word(1));
    else
        ks_tree_del(heap, &run->state->room, (ks_key){run->id, id});
    for (size_t i = 0; i < run->newcomer_count; i++)
        if (run->newcomers[i].slice == slice)
            ks_tree_put(heap, &run->state->members, (ks_key){run->id, run->newcomers[i].pod},
                        as_word(id));
}

static void forget_slice(sync_run *run, uint64_t id) {
    note_own(run, id);
    ks_written_drop(run->heap, &run->state->written, run->id, id);
    ks_tree_del(run->heap, &run->state->slices, (ks_key){run->id, id});
    ks_tree_del(run->heap, &run->state->room, (ks_key){run->id, id});
}

/* A slice that stands without endpoints: it may go. */
static bool is_empty_slice(const open_slice *slice) {
    return slice->object && !ks_len(slice->endpoints);
}

static bool is_placeholder(const open_slice *slice) {
    return !slice->changed && !ks_len(slice->ports);
}

/* Whether any slice of the Service will have endpoints after this sync. */
static bool any_filled(const sync_run *run) {
    for (size_t i = 0; i < run->opened; i++)
        if (ks_len(run->open[i].endpoints)) return true;
    for (ks_tree_iter it = ks_tree_from(&run->state->slices, (ks_key){run->id, 0});
         ks_tree_next(&it) && it.key.a == run->id;)
        if (of_word(it.value) > 1) {
            bool opened = false;
            for (size_t i = 0; i < run->opened && !opened; i++)
                opened = run->open[i].object && run->open[i].object->id == it.key.b;
            if (!opened) return true;
        }
    return false;
}

/* placeholderSliceCompare: apart from its owner it is what would be made. */
static bool does_for_placeholder(sync_run *run, const ks_object *slice) {
    ks_val labels = slice_labels(run);
    bool same = !ks_len(ks_get(ks_doc(slice), K(endpoints))) &&
                !ks_len(ks_get(ks_doc(slice), K(ports))) && has_labels(labels, slice->labels) &&
                has_labels(slice->labels, labels);
    ks_unref(run->heap, labels);
    return same;
}

/* Whether there is nothing but one foreign slice that does for the placeholder. */
static bool keeps_foreign(sync_run *run) {
    ks_key key;
    if (run->opened > 0 ||
        (ks_tree_ceiling(&run->state->slices, (ks_key){run->id, 0}, &key, NULL) &&
         key.a == run->id))
        return false;
    uint64_t only = 0;
    for (ks_tree_iter it = ks_tree_from(&run->state->foreign, (ks_key){run->id, 0});
         ks_tree_next(&it) && it.key.a == run->id;) {
        if (of_word(it.value) != OF_FORMER_SERVICE) continue;
        if (only) return false;
        only = it.key.b;
    }
    const ks_object *slice =
        only ? ks_store_by_id(ks_view(run->sim), KS_ENDPOINTSLICE, only) : NULL;
    return slice && does_for_placeholder(run, slice);
}

/* Where nothing is filled, one placeholder shall stand: an empty slice becomes it, or a new one.
 * Returns which open slice that is, SIZE_MAX: none is wanted. */
static size_t choose_placeholder(sync_run *run) {
    if (any_filled(run)) return SIZE_MAX;
    run->keeps_foreign = keeps_foreign(run);
    if (run->keeps_foreign) return SIZE_MAX;
    for (size_t i = 0; i < run->opened; i++)
        if (is_empty_slice(&run->open[i]) && is_placeholder(&run->open[i])) return i;
    for (size_t i = 0; i < run->opened; i++) {
        open_slice *slice = &run->open[i];
        if (!is_empty_slice(slice)) continue;
        ks_unref(run->heap, slice->ports);
        slice->ports = KS_NOTHING;
        slice->changed = true;
        return i;
    }
    return new_slice(run, KS_NOTHING);
}

/* reconciler.go: finalize. A new slice takes the name of one that would be deleted. */
static ks_refusal *write_slice(sync_run *run, size_t i, size_t placeholder) {
    open_slice *slice = &run->open[i];
    if (slice->object) {
        if (is_empty_slice(slice) && i != placeholder) {
            if (slice->object->deleting != KS_NEVER) return NULL;
            uint64_t id = slice->object->id;
            ks_refusal *refusal = delete_slice(run, slice->object->name);
            if (!refusal) forget_slice(run, id);
            return refusal;
        }
        if (!slice->changed) return NULL;
        ks_refusal *refusal = update_slice(run, slice, slice->object);
        if (!refusal) remember(run, i, slice->object->id);
        return refusal;
    }
    for (size_t j = 0; j < run->opened; j++) {
        open_slice *empty = &run->open[j];
        if (!is_empty_slice(empty) || j == placeholder) continue;
        ks_refusal *refusal = update_slice(run, slice, empty->object);
        if (refusal) return refusal;
        remember(run, i, empty->object->id);
        ks_object_unref(run->heap, empty->object);
        empty->object = NULL;
        empty->changed = false;
        return NULL;
    }
    if (ks_object_terminating(run->service)) return NULL;
    const ks_object *made = NULL;
    ks_refusal *refusal = create_slice(run, slice, &made);
    if (refusal) return refusal;
    remember(run, i, made->id);
    ks_object_unref(run->heap, made);
    return NULL;
}

/* Those of a former Service go, and those of another family; what does for the placeholder stays. */
static ks_refusal *delete_foreign(sync_run *run) {
    ks_tree *foreign = &run->state->foreign;
    ks_key key = {run->id, 0};
    void *why;
    for (; ks_tree_ceiling(foreign, key, &key, &why) && key.a == run->id; key.b++) {
        if (run->keeps_foreign && of_word(why) == OF_FORMER_SERVICE) continue;
        ks_tree_del(run->heap, foreign, key);
        const ks_object *slice = ks_store_by_id(ks_view(run->sim), KS_ENDPOINTSLICE, key.b);
        if (!slice || slice->deleting != KS_NEVER) continue;
        ks_refusal *refusal = delete_slice(run, slice->name);
        if (refusal) return refusal;
        note_own(run, key.b);
    }
    return NULL;
}

/* New ones first: they may take over what would be deleted. */
static ks_refusal *write_all(sync_run *run) {
    size_t placeholder = choose_placeholder(run);
    ks_refusal *refusal = NULL;
    size_t count = run->opened;
    for (size_t i = 0; i < count && !refusal; i++)
        if (!run->open[i].object) refusal = write_slice(run, i, placeholder);
    for (size_t i = 0; i < count && !refusal; i++)
        if (run->open[i].object) refusal = write_slice(run, i, placeholder);
    return refusal ? refusal : delete_foreign(run);
}

static void run_dispose(sync_run *run) {
    ks_heap *heap = run->heap;
    for (size_t i = 0; i < run->opened; i++) {
        if (run->open[i].object) ks_object_unref(heap, run->open[i].object);
        ks_unref(heap, run->open[i].ports);
        ks_unref(heap, run->open[i].endpoints);
        ks_unref(heap, run->open[i].labels);
    }
    ks_free(heap, run->open, run->open_capacity * sizeof *run->open);
    for (size_t i = 0; i < run->newcomer_count; i++) {
        ks_unref(heap, run->newcomers[i].ports);
        ks_unref(heap, run->newcomers[i].endpoint);
    }
    ks_free(heap, run->newcomers, run->newcomer_capacity * sizeof *run->newcomers);
}

static void forget_service(ks_heap *heap, slices_state *state, uint64_t id) {
    ks_tree_del_all(heap, &state->members, id);
    ks_tree_del_all(heap, &state->slices, id);
    ks_tree_del_all(heap, &state->room, id);
    ks_tree_del_all(heap, &state->foreign, id);
    ks_written_forget(heap, &state->written, id);
    ks_tree_del(heap, &state->wrote, (ks_key){0, id});
}

/* Whether all is done. After a refused write (taken over; NULL: none) everything is looked at again; the namespace going away is no
 * failure. */
static bool conclude(sync_run *run, ks_refusal *refusal) {
    ks_sim *sim = run->sim;
    if (refusal) {
        bool going = false;
        ks_tracker_mark_full(sim, &run->state->tracker, run->id);
        ks_each(cause, refusal->causes)
            going |= ks_text_is(ks_get(*cause, K(reason)), "NamespaceTerminating");
        if (!going) ks_errors_add(run->heap, &run->errors, ks_string(refusal->message));
        ks_refusal_free(run->heap, refusal);
    }
    if (!ks_len(run->errors)) return true;
    const ks_str *why = ks_errors_join(run->heap, run->errors);
    run->errors = KS_NOTHING;
    const ks_event event = {.type = "Warning",
                            .reason = "FailedToUpdateEndpointSlices",
                            .component = "endpoint-slice-controller"};
    ks_record(&sim->server, run->service, &event,
              "Error updating Endpoint Slices for Service %s/%s: %s", run->service->ns->s,
              run->service->name->s, why->s);
    ks_str_unref(run->heap, why);
    return false;
}

static bool sync_service(ks_sim *sim, slices_state *state, ks_tracker_work *work, uint64_t id) {
    sync_run run = {.sim = sim,
                    .heap = sim->world.heap,
                    .state = state,
                    .service = work->service,
                    .id = id,
                    .work = work};
    if (work->full) reload(&run);
    for (size_t i = 0; i < work->count; i++) consider(&run, &work->pods[i]);
    rewrite_portless(&run);
    place_newcomers(&run);
    ks_refusal *refusal = NULL;
    if (run.opened || run.newcomer_count || work->full) {
        state->writing = true;
        refusal = write_all(&run);
        state->writing = false;
    }
    bool done = conclude(&run, refusal);
    run_dispose(&run);
    return done;
}

/* StaleSlices: the cache does not show yet what was written for the Service, or somebody has taken a slice from it, which looks alike. */
static bool is_stale(const ks_sim *sim, const slices_state *state, uint64_t id) {
    if (ks_store_by_id(ks_view(sim), KS_SERVICE, id) == NULL) return false;
    if (ks_written_lacks(&state->written, id)) return true;
    return ks_view_is_late(sim) &&
           !ks_has_heard(sim, state->tracker.component, KS_ENDPOINTSLICE,
                         of_word(ks_tree_get(&state->wrote, (ks_key){0, id})));
}

static bool sync(ks_sim *sim, void *state_, uint64_t key) {
    slices_state *state = state_;
    ks_tracker_work work;
    if (is_stale(sim, state, key)) return false;
    if (ks_tracker_put_off(sim, &state->tracker, key)) return true;
    if (!ks_tracker_take(sim, &state->tracker, key, &work)) return true;
    bool done = true;
    if (!work.service)
        forget_service(sim->world.heap, state, key);
    else if (ks_service_is_managed(work.service))
        done = sync_service(sim, state, &work, key);
    ks_tracker_work_dispose(sim->world.heap, &work);
    return done;
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)sim;
    ks_tracker_describe(&((const slices_state *)state)->tracker, key, out);
}

const ks_component ks_endpointslice_controller = {
    .name = "endpointslice",
    .create = state_create,
    .copy = state_copy,
    .dispose = state_dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .describe = describe,
    .pod_parts = KS_TRACKED_PARTS,
    .retry_first = KS_SECOND,
    .retry_most = 1000 * KS_SECOND,
    .retries = 15,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_SERVICE) | KS_KIND_BIT(KS_ENDPOINTSLICE) |
             KS_KIND_BIT(KS_NODE),
};
