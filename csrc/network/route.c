/*
 * network/route.c - where a connection ends: cluster IPs, node ports, pod addresses.
 */
#include "network/route.h"

#include <string.h>

#include "network/client.h"
#include "network/endpoint.h"
#include "network/endpointslice.h"

const char *ks_route_status_text(ks_route_status status) {
    switch (status) {
    case KS_ROUTE_OK: return "ok";
    case KS_ROUTE_UNRESOLVED: return "unresolved";
    case KS_ROUTE_REFUSED: return "refused";
    case KS_ROUTE_TIMEOUT: return "timeout";
    }
    return "";
}

/* A connection that looks for its end. */
typedef struct connection {
    ks_sim *sim;
    const ks_object *from; /* may be NULL */
    const char *protocol;
} connection;

/* An endpoint of a Service port that could be used. */
typedef struct target {
    ks_val endpoint; /* borrowed */
    int64_t port;
} target;

typedef struct target_list {
    ks_heap *heap;
    target *items;
    size_t count, capacity;
} target_list;

static void add_target(target_list *list, ks_val endpoint, int64_t port) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        list->items = ks_resize(list->heap, list->items, list->capacity * sizeof *list->items,
                                capacity * sizeof *list->items);
        list->capacity = capacity;
    }
    list->items[list->count++] = (target){endpoint, port};
}

static ks_val address_of(ks_val endpoint) { return ks_at(ks_get(endpoint, K(addresses)), 0); }

/* The number of that Service port in a slice; 0: its pods have none. */
static int64_t slice_port(ks_val ports, ks_val service_port) {
    const char *name = ks_text_or(ks_get(service_port, K(name)), "");
    ks_each(port, ports)
        if (ks_text_is(ks_get(*port, K(name)), name) &&
            ks_equal(ks_get(*port, K(protocol)), ks_get(service_port, K(protocol))))
            return ks_int_or(ks_get(*port, K(port)), 0);
    return 0;
}

enum usable { READY, TERMINATING };

/* topology.go: ready endpoints; where there is none, those that still serve while they terminate.
 */
static void collect(const connection *c, const ks_object *service, ks_val service_port,
                    enum usable which, target_list *list) {
    for (ks_slice_walk walk = ks_slices_of(c->sim, service->ns, service->name);
         ks_slices_next(&walk);) {
        int64_t port = slice_port(ks_get(ks_doc(walk.slice), K(ports)), service_port);
        if (!port) continue;
        ks_each(endpoint, ks_get(ks_doc(walk.slice), K(endpoints))) {
            ks_val conditions = ks_get(*endpoint, K(conditions));
            bool ready = ks_bool_or(ks_get(conditions, K(ready)), true);
            bool leaving = ks_bool_or(ks_get(conditions, K(terminating)), false) &&
                           ks_bool_or(ks_get(conditions, K(serving)), false);
            if (which == READY ? ready : leaving) add_target(list, *endpoint, port);
        }
    }
}

static bool is_local(const connection *c, ks_val endpoint) {
    return c->from && c->from->node &&
           ks_str_eq(ks_str_or_null(ks_get(endpoint, K(nodeName))), c->from->node);
}

/* Keeps the endpoints on the client's node. */
static void keep_local(const connection *c, target_list *list) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (is_local(c, list->items[i].endpoint)) list->items[kept++] = list->items[i];
    list->count = kept;
}

/* Whether one of the hints names this place. */
static bool is_hinted(ks_val hints, const ks_str *place) {
    ks_each(hint, hints)
        if (ks_str_eq(ks_str_or_null(ks_get(*hint, K(name))), place)) return true;
    return false;
}

/* Keeps the endpoints that are hinted for the client's node or zone, if all have such hints and one
 * fits. */
static bool keep_hinted(target_list *list, const ks_str *key, const ks_str *place) {
    size_t fitting = 0;
    if (!place) return false;
    for (size_t i = 0; i < list->count; i++) {
        ks_val hints = ks_get2(list->items[i].endpoint, K(hints), key);
        if (!ks_len(hints)) return false;
        fitting += is_hinted(hints, place);
    }
    if (!fitting) return false;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (is_hinted(ks_get2(list->items[i].endpoint, K(hints), key), place))
            list->items[kept++] = list->items[i];
    list->count = kept;
    return true;
}

static void follow_hints(const connection *c, target_list *list) {
    const ks_str *name = c->from ? c->from->node : NULL;
    const ks_object *node = name ? ks_store_get(&c->sim->server.store, KS_NODE, NULL, name) : NULL;
    if (!node || !list->count || keep_hinted(list, K(forNodes), name)) return;
    keep_hinted(list, K(forZones),
                ks_str_or_null(ks_get(node->labels, K(topology_kubernetes_io_zone))));
}

static ks_route_status finish(const connection *c, ks_val address, ks_val ns, ks_val pod,
                              int64_t port, ks_val *out) {
    ks_heap *heap = c->sim->world.heap;
    *out = ks_map_of(heap, K(address), ks_ref(address), K(namespace), ks_ref(ns), K(pod),
                     ks_ref(pod), K(port), ks_int(port), NULL);
    return KS_ROUTE_OK;
}

/* One of the endpoints, each with the same chance. */
static ks_route_status choose(const connection *c, const target_list *list, ks_val *out) {
    uint32_t at =
        list->count > 1 ? ks_choose(&c->sim->world, KS_CHOOSE_TIE, (uint32_t)list->count) : 0;
    const target *one = &list->items[at];
    ks_val ref = ks_get(one->endpoint, K(targetRef));
    return finish(c, address_of(one->endpoint), ks_get(ref, K(namespace)), ks_get(ref, K(name)),
                  one->port, out);
}

static ks_route_status to_service_port(const connection *c, const ks_object *service, ks_val port,
                                       const ks_str *policy_key, ks_val *out) {
    target_list list = {.heap = c->sim->world.heap};
    bool local = ks_text_is(ks_get(service->spec, policy_key), "Local");
    collect(c, service, port, READY, &list);
    if (!list.count) collect(c, service, port, TERMINATING, &list);
    ks_route_status status = list.count ? KS_ROUTE_TIMEOUT : KS_ROUTE_REFUSED;
    if (local)
        keep_local(c, &list);
    else
        follow_hints(c, &list);
    if (list.count) status = choose(c, &list, out);
    ks_free(list.heap, list.items, list.capacity * sizeof *list.items);
    return status;
}

static bool has_cluster_ip(const ks_object *service, ks_val address) {
    ks_each(ip, ks_get(service->spec, K(clusterIPs)))
        if (ks_equal(*ip, address)) return true;
    return false;
}

static bool is_port(const connection *c, ks_val item, const ks_str *key, int port) {
    return ks_int_or(ks_get(item, key), 0) == port &&
           ks_text_is(ks_get(item, K(protocol)), c->protocol);
}

/* To a cluster IP; false when the address is none. */
static bool to_cluster_ip(const connection *c, ks_val address, int port, ks_route_status *status,
                          ks_val *out) {
    for (ks_walk walk = ks_walk_kind(&c->sim->server.store, KS_SERVICE, NULL);
         ks_walk_next(&walk);) {
        const ks_object *service = walk.object;
        if (!has_cluster_ip(service, address)) continue;
        *status = KS_ROUTE_REFUSED;
        ks_each(item, ks_get(service->spec, K(ports)))
            if (is_port(c, *item, K(port), port)) {
                *status = to_service_port(c, service, *item, K(internalTrafficPolicy), out);
                break;
            }
        return true;
    }
    return false;
}

/* Whether the pod has this address now. */
static bool pod_has_address(const ks_object *pod, ks_val address) {
    return pod->phase != 'S' && pod->phase != 'F' &&
           ks_equal(ks_get(pod->status, K(podIP)), address);
}

static ks_route_status to_pod_object(const connection *c, const ks_object *pod, int port,
                                     ks_val *out) {
    ks_val ns = ks_string(pod->ns), name = ks_string(pod->name);
    ks_route_status status = finish(c, ks_get(pod->status, K(podIP)), ns, name, port, out);
    ks_unref(c->sim->world.heap, ns);
    ks_unref(c->sim->world.heap, name);
    return status;
}

/* To a pod's own address: any port; false when no pod has it. Pods of the host's network share one.
 */
static bool to_pod(const connection *c, ks_val address, int port, ks_route_status *status,
                   ks_val *out) {
    for (ks_walk walk = ks_walk_kind(&c->sim->server.store, KS_POD, NULL); ks_walk_next(&walk);) {
        if (!pod_has_address(walk.object, address) ||
            ks_bool_or(ks_get(walk.object->spec, K(hostNetwork)), false))
            continue;
        *status = to_pod_object(c, walk.object, port, out);
        return true;
    }
    return false;
}

/* The node with that address, or NULL. */
static const ks_object *find_node(const connection *c, ks_val address) {
    for (ks_walk walk = ks_walk_kind(&c->sim->server.store, KS_NODE, NULL); ks_walk_next(&walk);)
        ks_each(item, ks_get(walk.object->status, K(addresses)))
            if (ks_equal(ks_get(*item, K(address)), address)) return walk.object;
    return NULL;
}

/* Whether a pod on the host's network, or with a hostPort, takes that port of its node; the
 * container's port, or 0. */
static int64_t host_port(const connection *c, const ks_object *pod, int port) {
    bool host = ks_bool_or(ks_get(pod->spec, K(hostNetwork)), false);
    ks_each(container, ks_get(pod->spec, K(containers)))
        ks_each(item, ks_get(*container, K(ports)))
            if (is_port(c, *item, host ? K(containerPort) : K(hostPort), port))
                return ks_int_or(ks_get(*item, K(containerPort)), 0);
    return 0;
}

/* To an address of a node: node ports first, then pods that take a port of the node. */
static ks_route_status to_node(const connection *c, const ks_object *node, int port, ks_val *out) {
    const ks_store *store = &c->sim->server.store;
    for (ks_walk walk = ks_walk_kind(store, KS_SERVICE, NULL); ks_walk_next(&walk);)
        ks_each(item, ks_get(walk.object->spec, K(ports)))
            if (is_port(c, *item, K(nodePort), port)) {
                connection there = *c;
                const ks_object place = {.node = node->name};
                there.from = &place;
                return to_service_port(&there, walk.object, *item, K(externalTrafficPolicy), out);
            }
    for (ks_walk walk = ks_walk_node(store, node->name); ks_walk_next(&walk);) {
        int64_t number = host_port(c, walk.object, port);
        if (number && ks_pod_in_endpoints(walk.object, true))
            return to_pod_object(c, walk.object, (int)number, out);
    }
    return KS_ROUTE_REFUSED;
}

static ks_route_status to_address(const connection *c, ks_val address, int port, ks_val *out) {
    ks_route_status status;
    if (!strncmp(ks_text_or(address, ""), "127.", 4))
        return c->from && c->from->name ? to_pod_object(c, c->from, port, out) : KS_ROUTE_REFUSED;
    if (to_cluster_ip(c, address, port, &status, out) || to_pod(c, address, port, &status, out))
        return status;
    const ks_object *node = find_node(c, address);
    return node ? to_node(c, node, port, out) : KS_ROUTE_TIMEOUT;
}

ks_route_status ks_route(ks_sim *sim, const ks_str *ns, const ks_object *from, const char *host,
                         size_t len, int port, const char *protocol, ks_val *out) {
    const connection c = {sim, from, protocol};
    *out = KS_NOTHING;
    ks_val addresses = ks_host_addresses(sim, ns, from, host, len);
    ks_route_status status = KS_ROUTE_UNRESOLVED;
    uint32_t count = ks_len(addresses);
    /* the order of a DNS answer is random for each reply (plugin/loadbalance); a client tries the
     * next address when one fails */
    uint32_t start = count > 1 ? ks_choose(&sim->world, KS_CHOOSE_TIE, count) : 0;
    for (uint32_t i = 0; i < count; i++) {
        status = to_address(&c, ks_at(addresses, (start + i) % count), port, out);
        if (status == KS_ROUTE_OK) break;
    }
    ks_unref(sim->world.heap, addresses);
    return status;
}
