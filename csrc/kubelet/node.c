/*
 * kubelet/node.c - machines: Node objects as a kubelet registers them, and losing and finding them again.
 *
 * pkg/kubelet/kubelet_node_status.go, pkg/kubelet/nodestatus/setters.go. Called by cluster/.
 */
#include "kubelet/node.h"

#include "api/values.h"
#include "kubelet/worker.h"

#include <stdio.h>

#define LEASE_PERIOD (10 * KS_SECOND)

static ks_val quantity(ks_heap *heap, ks_val capacity, const ks_str *key, const char *otherwise) {
    ks_val given = ks_get(capacity, key);
    if (!ks_exists(given)) return ks_text(heap, otherwise);
    return ks_quantity_val(heap, ks_quantity_of(given));
}

static ks_val capacity_of(ks_heap *heap, ks_val given) {
    ks_val all = ks_ref(given);
    for (uint32_t i = 0; i < ks_len(given); i++) {
        const ks_pair *p = ks_pair_at(given, i);
        all = ks_put(heap, all, p->key, quantity(heap, given, p->key, "0"));
    }
    all = ks_put(heap, all, K(cpu), quantity(heap, given, K(cpu), "4"));
    all = ks_put(heap, all, K(memory), quantity(heap, given, K(memory), "8Gi"));
    all = ks_put(heap, all, K(pods), quantity(heap, given, K(pods), "110"));
    all = ks_put(heap, all, K(ephemeral_storage),
                 quantity(heap, given, K(ephemeral_storage), "100Gi"));
    ks_unref(heap, given);
    return all;
}

static ks_val condition(ks_sim *sim, const char *type, const char *status, const char *reason,
                        const char *message) {
    ks_heap *heap = sim->world.heap;
    return ks_map_of(heap, K(lastHeartbeatTime), ks_time_val(&sim->world, sim->world.now),
                     K(lastTransitionTime), ks_time_val(&sim->world, sim->world.now), K(message),
                     ks_text(heap, message), K(reason), ks_text(heap, reason), K(status),
                     ks_text(heap, status), K(type), ks_text(heap, type), NULL);
}

static const struct healthy {
    const char *type, *status, *reason, *message, *event;
} healthy[] = {
    {"MemoryPressure", "False", "KubeletHasSufficientMemory",
     "kubelet has sufficient memory available", "NodeHasSufficientMemory"},
    {"DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure",
     "NodeHasNoDiskPressure"},
    {"PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available",
     "NodeHasSufficientPID"},
    {"Ready", "True", "KubeletReady", "kubelet is posting ready status", "NodeReady"},
};

void ks_node_tell(ks_sim *sim, const ks_object *node, const char *what) {
    if (sim->settings->manual_kubelet) return;
    ks_event e = {.type = "Normal", .reason = what, .component = "kubelet", .host = node->name};
    ks_record(&sim->server, node, &e, "Node %s status is now: %s", node->name->s, what);
}

static ks_val healthy_conditions(ks_sim *sim) {
    ks_val list = KS_NOTHING;
    for (size_t i = 0; i < sizeof healthy / sizeof healthy[0]; i++)
        list = ks_append(sim->world.heap, list,
                         condition(sim, healthy[i].type, healthy[i].status, healthy[i].reason,
                                   healthy[i].message));
    return list;
}

/* An id of the machine, in the form of a uid, that follows from its name. */
static ks_val machine_id(ks_heap *heap, const ks_str *name, uint64_t seed, bool dashes) {
    uint64_t a = hash64(name->s, name->len, seed), b = hash64(name->s, name->len, a);
    const char *format = dashes ? "%08x-%04x-%04x-%04x-%012llx" : "%08x%04x%04x%04x%012llx";
    char text[40];
    snprintf(text, sizeof text, format, (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
             (unsigned)(a & 0xffff), (unsigned)(b >> 48),
             (unsigned long long)(b & UINT64_C(0xffffffffffff)));
    return ks_text(heap, text);
}

static ks_val node_info(ks_sim *sim, const ks_str *name) {
    ks_heap *heap = sim->world.heap;
    return ks_map_of(
        heap, K(architecture), ks_text(heap, "amd64"), K(bootID), machine_id(heap, name, 11, true),
        K(containerRuntimeVersion), ks_text(heap, "containerd://2.1.5"), K(kernelVersion),
        ks_text(heap, "6.8.0-90-generic"), K(kubeProxyVersion), ks_text(heap, ""),
        K(kubeletVersion), ks_text(heap, ks_release_name(&sim->server.rules)), K(machineID),
        machine_id(heap, name, 12, false), K(operatingSystem), ks_text(heap, "linux"), K(osImage),
        ks_text(heap, "Ubuntu 24.04.3 LTS"), K(systemUUID), machine_id(heap, name, 13, true), NULL);
}

ks_val ks_node_make(ks_sim *sim, const ks_str *name, ks_val labels, ks_val taints, ks_val capacity,
                    const ks_str *zone) {
    ks_heap *heap = sim->world.heap;
    kubelet *k = ks_component_state(sim, &ks_kubelet);
    capacity = capacity_of(heap, capacity);
    char net[24], ip[16];
    ks_kubelet_deal_net(sim, ks_quantity_value(ks_quantity_of(ks_get(capacity, K(pods)))), net,
                        sizeof net);
    address_text(NODE_NET + k->next_node + 1, ip);
    const ks_str *const own[] = {K(kubernetes_io_hostname), K(kubernetes_io_os),
                                 K(kubernetes_io_arch), K(beta_kubernetes_io_os),
                                 K(beta_kubernetes_io_arch)};
    const char *const values[] = {NULL, "linux", "amd64", "linux", "amd64"};
    for (int i = 0; i < 5; i++)
        if (!ks_exists(ks_get(labels, own[i])))
            labels = ks_put(heap, labels, own[i],
                            values[i] ? ks_text(heap, values[i]) : ks_string(name));
    if (zone) labels = ks_put(heap, labels, K(topology_kubernetes_io_zone), ks_string(zone));
    ks_val meta = ks_map_of(heap, K(labels), labels, K(name), ks_string(name), NULL);
    ks_val spec =
        ks_map_of(heap, K(podCIDR), ks_text(heap, net), K(podCIDRs),
                  ks_append(heap, KS_NOTHING, ks_text(heap, net)), K(taints), taints, NULL);
    ks_val addresses = ks_append(
        heap, KS_NOTHING,
        ks_map_of(heap, K(address), ks_text(heap, ip), K(type), ks_text(heap, "InternalIP"), NULL));
    addresses = ks_append(
        heap, addresses,
        ks_map_of(heap, K(address), ks_string(name), K(type), ks_text(heap, "Hostname"), NULL));
    ks_val port =
        ks_map_of(heap, K(kubeletEndpoint), ks_map_of(heap, K(Port), ks_int(10250), NULL), NULL);
    ks_val status = ks_map_of(heap, K(addresses), addresses, K(allocatable), ks_ref(capacity),
                              K(capacity), capacity, K(conditions), healthy_conditions(sim),
                              K(daemonEndpoints), port, K(nodeInfo), node_info(sim, name), NULL);
    return ks_map_of(heap, K(apiVersion), ks_text(heap, "v1"), K(kind), ks_text(heap, "Node"),
                     K(metadata), meta, K(spec), spec, K(status), status, NULL);
}

/* --- losing a node --- */

static ks_val lease_of(ks_sim *sim, const ks_object *node, int64_t renewed) {
    ks_heap *heap = sim->world.heap;
    ks_val owner =
        ks_map_of(heap, K(apiVersion), ks_text(heap, "v1"), K(kind), ks_text(heap, "Node"), K(name),
                  ks_string(node->name), K(uid), ks_string(node->uid), NULL);
    ks_val meta = ks_map_of(heap, K(name), ks_string(node->name), K(namespace),
                            ks_text(heap, "kube-node-lease"), K(ownerReferences),
                            ks_append(heap, KS_NOTHING, owner), NULL);
    ks_val spec = ks_map_of(heap, K(holderIdentity), ks_string(node->name), K(leaseDurationSeconds),
                            ks_int(40), K(renewTime), ks_microtime_val(&sim->world, renewed), NULL);
    return ks_map_of(heap, K(apiVersion), ks_text(heap, "coordination.k8s.io/v1"), K(kind),
                     ks_text(heap, "Lease"), K(metadata), meta, K(spec), spec, NULL);
}

static const ks_object *stored_lease(const ks_sim *sim, const ks_str *name) {
    return ks_store_get_text(&sim->server.store, KS_LEASE, "kube-node-lease", name->s);
}

static ks_refusal *renew(ks_sim *sim, const ks_object *lease, int64_t renewed) {
    ks_val doc = ks_put2(sim->world.heap, ks_doc_ref(lease), K(spec), K(renewTime),
                         ks_microtime_val(&sim->world, renewed));
    return ks_server_update_object(&sim->server, lease, doc, NULL);
}

ks_refusal *ks_node_fail(ks_sim *sim, const ks_str *name) {
    ks_heap *heap = sim->world.heap;
    const ks_object *node = ks_store_get(&sim->server.store, KS_NODE, NULL, name);
    if (!node) return ks_refuse_not_found(heap, KS_NODE, name);
    if (ks_settings_silence(sim->settings, name) != KS_TALKS) return NULL;
    const ks_object *lease = stored_lease(sim, name);
    ks_settings_set_silence(heap, &sim->settings, name, lease ? KS_SILENT_LEASED : KS_SILENT,
                            sim->world.now);
    int64_t since = sim->world.now - node->created;
    int64_t renewed = node->created + since / LEASE_PERIOD * LEASE_PERIOD;
    if (lease) return renew(sim, lease, renewed);
    const ks_str *ns = ks_str_of(heap, "kube-node-lease");
    ks_write_opts opts = {.trusted = true};
    ks_refusal *refused =
        ks_server_create(&sim->server, KS_LEASE, ns, lease_of(sim, node, renewed), &opts, NULL);
    ks_str_unref(heap, ns);
    return refused;
}

/* The kubelet posts the node's status again. */
static ks_refusal *post_status(ks_sim *sim, const ks_object *node) {
    ks_heap *heap = sim->world.heap;
    ks_val status = ks_ref(node->status), old = ks_get(status, K(conditions)), list = KS_NOTHING;
    ks_each(c, old) {
        ks_val next = ks_ref(*c);
        for (size_t i = 0; i < sizeof healthy / sizeof healthy[0]; i++) {
            const struct healthy *h = &healthy[i];
            if (!ks_text_is(ks_get(*c, K(type)), h->type) ||
                ks_text_is(ks_get(*c, K(status)), h->status))
                continue;
            ks_unref(heap, next);
            next = condition(sim, h->type, h->status, h->reason, h->message);
            ks_node_tell(sim, node, h->event);
        }
        list = ks_append(heap, list, next);
    }
    status = ks_put(heap, status, K(conditions), list);
    return ks_server_update_status(&sim->server, node, status, NULL);
}

bool ks_node_is_given_up(const ks_object *node) {
    return ks_text_is(ks_get(ks_condition_of(node->status, "Ready"), K(reason)),
                      "NodeStatusUnknown");
}

int64_t ks_node_next_look(const ks_sim *sim, const ks_object *node) {
    int64_t beats = (sim->world.now - node->created) / LEASE_PERIOD + 1;
    return node->created + beats * LEASE_PERIOD;
}

void ks_node_post(ks_sim *sim, const ks_object *node) {
    ks_refusal_free(sim->world.heap, post_status(sim, node));
}

/* Of what the Node has no condition the kubelet tells that it is well: but not of Ready (nodestatus/setters.go). */
static ks_val first_conditions(ks_sim *sim, const ks_object *node) {
    for (size_t i = 0; i + 1 < sizeof healthy / sizeof healthy[0]; i++)
        ks_node_tell(sim, node, healthy[i].event);
    return healthy_conditions(sim);
}

void ks_node_post_anew(ks_sim *sim, const ks_object *node, ks_val before, ks_val volumes) {
    ks_heap *heap = sim->world.heap;
    const ks_str *const own[] = {K(addresses), K(allocatable), K(capacity), K(daemonEndpoints),
                                 K(nodeInfo)};
    ks_val status = ks_ref(node->status);
    if (!ks_exists(ks_condition_of(status, "Ready"))) {
        for (int i = 0; i < 5; i++)
            status = ks_put(heap, status, own[i], ks_ref(ks_get(before, own[i])));
        status = ks_put(heap, status, K(conditions), first_conditions(sim, node));
    }
    status = ks_put(heap, status, K(volumesInUse), volumes);
    ks_refusal_free(heap, ks_server_update_status(&sim->server, node, status, NULL));
}

ks_refusal *ks_node_recover(ks_sim *sim, const ks_str *name) {
    ks_heap *heap = sim->world.heap;
    const ks_object *node = ks_store_get(&sim->server.store, KS_NODE, NULL, name);
    if (!node) return ks_refuse_not_found(heap, KS_NODE, name);
    ks_silence silence = ks_settings_silence(sim->settings, name);
    if (silence == KS_TALKS) return NULL;
    ks_settings_set_silence(heap, &sim->settings, name, KS_TALKS, sim->world.now);
    const ks_object *lease = stored_lease(sim, name); /* it may have been deleted by hand */
    ks_delete_opts opts = {.grace_period = -1};
    ks_refusal *refused = NULL;
    if (lease && silence == KS_SILENT_LEASED)
        refused = renew(sim, lease, sim->world.now);
    else if (lease)
        refused = ks_server_delete(&sim->server, KS_LEASE, lease->ns, name, &opts, NULL);
    if (!refused) refused = post_status(sim, ks_store_get(&sim->server.store, KS_NODE, NULL, name));
    ks_kubelet_node_found(sim, name);
    return refused;
}
