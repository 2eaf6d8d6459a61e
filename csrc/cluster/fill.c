/*
 * cluster/fill.c - what a new cluster contains before anyone has used it: what kubeadm leaves behind, classes and nodes.
 *
 * Called once per cluster, through the door. Objects are imported as they are: nothing was there that could have admitted them.
 */
#include "cluster/cluster.h"
#include "api/values.h"
#include "doc/text.h"
#include "kubelet/kubelet.h"

#include <stdio.h>
#include <string.h>

#define NAMESPACE(name)                                                                            \
    "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"" name                 \
    "\",\"labels\":{\"kubernetes.io/metadata.name\":\"" name                                       \
    "\"}},\"spec\":{\"finalizers\":[\"kubernetes\"]},\"status\":{\"phase\":\"Active\"}}"
#define ACCOUNT(ns)                                                                                \
    "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"default\","       \
    "\"namespace\":\"" ns "\"}}"
#define PRIORITY(name, value, text)                                                                \
    "{\"apiVersion\":\"scheduling.k8s.io/v1\",\"kind\":\"PriorityClass\",\"metadata\":{\"name\":"  \
    "\"" name "\"},\"value\":" value ",\"description\":\"" text                                    \
    "\",\"preemptionPolicy\":\"PreemptLowerPriority\"}"

/* Texts and numbers: cmd/kubeadm/app/phases/addons/dns/manifests.go, pkg/apis/scheduling/v1/helpers.go,
 * pkg/controlplane/controller/kubernetesservice/controller.go. */
static const char system_objects[] =
    "[" NAMESPACE("default") "," NAMESPACE("kube-system") "," NAMESPACE("kube-public") "," NAMESPACE(
        "kube-node-lease") "," ACCOUNT("default") "," ACCOUNT("kube-system") "," ACCOUNT("kube-public") "," ACCOUNT(
        "kube-node-lease") ","
    PRIORITY("system-node-critical", "2000001000",
             "Used for system critical pods that must not be moved from their current node.") ","
    PRIORITY("system-cluster-critical", "2000000000",
             "Used for system critical pods that must run in the cluster, but can be moved to "
             "another node if necessary.") ","
    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\","
    "\"labels\":{\"component\":\"apiserver\",\"provider\":\"kubernetes\"}},\"spec\":{\"clusterIP\":\"10.96.0.1\","
    "\"clusterIPs\":[\"10.96.0.1\"],\"internalTrafficPolicy\":\"Cluster\",\"ipFamilies\":[\"IPv4\"],"
    "\"ipFamilyPolicy\":\"SingleStack\",\"ports\":[{\"name\":\"https\",\"port\":443,\"protocol\":\"TCP\","
    "\"targetPort\":6443}],\"sessionAffinity\":\"None\",\"type\":\"ClusterIP\"},\"status\":{\"loadBalancer\":{}}},"
    "{\"apiVersion\":\"v1\",\"kind\":\"Endpoints\",\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\","
    "\"labels\":{\"endpointslice.kubernetes.io/skip-mirror\":\"true\"}},\"subsets\":[{\"addresses\":"
    "[{\"ip\":\"192.168.0.10\"}],\"ports\":[{\"name\":\"https\",\"port\":6443,\"protocol\":\"TCP\"}]}]},"
    "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"kubernetes\","
    "\"namespace\":\"default\",\"labels\":{\"kubernetes.io/service-name\":\"kubernetes\"}},\"addressType\":\"IPv4\","
    "\"endpoints\":[{\"addresses\":[\"192.168.0.10\"],\"conditions\":{\"ready\":true}}],\"ports\":[{\"name\":\"https\","
    "\"port\":6443,\"protocol\":\"TCP\"}]},"
    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"kube-dns\",\"namespace\":\"kube-system\","
    "\"annotations\":{\"prometheus.io/port\":\"9153\",\"prometheus.io/scrape\":\"true\"},\"labels\":{\"k8s-app\":"
    "\"kube-dns\",\"kubernetes.io/cluster-service\":\"true\",\"kubernetes.io/name\":\"CoreDNS\"}},\"spec\":{\"clusterIP\":"
    "\"10.96.0.10\",\"clusterIPs\":[\"10.96.0.10\"],\"internalTrafficPolicy\":\"Cluster\",\"ipFamilies\":[\"IPv4\"],"
    "\"ipFamilyPolicy\":\"SingleStack\",\"ports\":[{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\",\"targetPort\":53},"
    "{\"name\":\"dns-tcp\",\"port\":53,\"protocol\":\"TCP\",\"targetPort\":53},{\"name\":\"metrics\",\"port\":9153,"
    "\"protocol\":\"TCP\",\"targetPort\":9153}],\"selector\":{\"k8s-app\":\"kube-dns\"},\"sessionAffinity\":\"None\","
    "\"type\":\"ClusterIP\"},\"status\":{\"loadBalancer\":{}}}]";

/* pkg/controller/certificates/rootcacertpublisher: published where a kubelet that runs by itself could mount it; the manual world is a
 * bare control plane, which has no certificate to publish. */
#define ROOT_CA(ns)                                                                                \
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"kube-root-ca.crt\","   \
    "\"namespace\":\"" ns "\",\"annotations\":{\"kubernetes.io/description\":\"Contains a CA "     \
    "bundle that can be used to verify the kube-apiserver when using internal endpoints such as "  \
    "the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "      \
    "distributions of Kubernetes clusters.\"}},\"data\":{\"ca.crt\":\"-----BEGIN "                 \
    "CERTIFICATE-----\\n-----END CERTIFICATE-----\\n\"}}"
static const char root_certificates[] = "[" ROOT_CA("default") "," ROOT_CA("kube-system") "," ROOT_CA(
    "kube-public") "," ROOT_CA("kube-node-lease") "]";

#define CLASS(name, annotations, mode)                                                             \
    "{\"apiVersion\":\"storage.k8s.io/v1\",\"kind\":\"StorageClass\",\"metadata\":{\"name\":"      \
    "\"" name "\"" annotations "},\"provisioner\":\"kubesim.dev/" name                             \
    "\",\"reclaimPolicy\":\"Delete\",\"volumeBindingMode\":\"" mode                                \
    "\",\"allowVolumeExpansion\":true}"
static const char default_classes[] =
    "[" CLASS("standard", ",\"annotations\":{\"storageclass.kubernetes.io/is-default-class\":\"true\"}",
              "WaitForFirstConsumer") "," CLASS("fast", "", "Immediate") "]";

static ks_val member(ks_val map, const char *key) { return ks_get_text(map, key, strlen(key)); }

/* Stores one object; its kind is its own. `doc` is taken over. */
static ks_refusal *import(ks_cluster *cluster, ks_val doc) {
    ks_kind kind = ks_kind_by_gvk(ks_text_or(ks_get(doc, K(apiVersion)), ""),
                                  ks_text_or(ks_get(doc, K(kind)), ""));
    if (kind == KS_NO_KIND) {
        ks_unref(cluster->heap, doc);
        return ks_refuse_bad_request(cluster->heap, "no such kind");
    }
    return ks_server_import(&cluster->sim->server, kind, NULL, doc, NULL, NULL);
}

static ks_refusal *import_list(ks_cluster *cluster, ks_val list) {
    ks_refusal *refusal = NULL;
    ks_each(doc, list) {
        if (refusal == NULL) refusal = import(cluster, ks_ref(*doc));
    }
    return refusal;
}

static ks_refusal *import_text(ks_cluster *cluster, const char *json) {
    ks_val list = KS_NOTHING;
    ks_text_error err = {0};
    if (!ks_json_read(cluster->heap, json, strlen(json), NULL, &list, &err)) {
        ks_refusal *refusal = ks_refuse_bad_request(cluster->heap, err.message->s);
        ks_str_unref(cluster->heap, err.message);
        return refusal;
    }
    ks_refusal *refusal = import_list(cluster, list);
    ks_unref(cluster->heap, list);
    return refusal;
}

/* --- nodes --- */

static ks_val condition(ks_sim *sim, const char *type, const char *status, const char *reason,
                        const char *message) {
    ks_heap *heap = sim->world.heap;
    return ks_map_of(heap, K(lastHeartbeatTime), ks_time_val(&sim->world, sim->world.now),
                     K(lastTransitionTime), ks_time_val(&sim->world, sim->world.now), K(message),
                     ks_text(heap, message), K(reason), ks_text(heap, reason), K(status),
                     ks_text(heap, status), K(type), ks_text(heap, type), NULL);
}

static ks_val conditions(ks_sim *sim) {
    ks_heap *heap = sim->world.heap;
    ks_val list = ks_list_new(heap, 4);
    list = ks_append(heap, list,
                     condition(sim, "MemoryPressure", "False", "KubeletHasSufficientMemory",
                               "kubelet has sufficient memory available"));
    list = ks_append(heap, list,
                     condition(sim, "DiskPressure", "False", "KubeletHasNoDiskPressure",
                               "kubelet has no disk pressure"));
    list = ks_append(heap, list,
                     condition(sim, "PIDPressure", "False", "KubeletHasSufficientPID",
                               "kubelet has sufficient PID available"));
    return ks_append(heap, list,
                     condition(sim, "Ready", "True", "KubeletReady",
                               "kubelet is posting ready status"));
}

static ks_val put_text(ks_heap *heap, ks_val map, const char *key, ks_val value) {
    const ks_str *name = ks_intern_of(heap, key);
    map = ks_put(heap, map, name, value);
    ks_str_unref(heap, name);
    return map;
}

/* The given labels over those that a kubelet registers (pkg/kubelet/kubelet_node_status.go: initialNode). */
static ks_val labels_of(ks_heap *heap, ks_val node, ks_val name) {
    static const char *const fixed[][2] = {{"beta.kubernetes.io/arch", "amd64"},
                                           {"beta.kubernetes.io/os", "linux"},
                                           {"kubernetes.io/arch", "amd64"},
                                           {"kubernetes.io/os", "linux"}};
    ks_val labels = ks_map_new(heap, 8);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        labels = put_text(heap, labels, fixed[i][0], ks_text(heap, fixed[i][1]));
    labels = put_text(heap, labels, "kubernetes.io/hostname", ks_ref(name));
    ks_val zone = member(node, "zone");
    if (ks_exists(zone))
        labels = put_text(heap, labels, "topology.kubernetes.io/zone", ks_ref(zone));
    ks_val given = member(node, "labels");
    for (uint32_t i = 0; i < ks_len(given); i++)
        labels = ks_put(heap, labels, ks_pair_at(given, i)->key, ks_ref(ks_pair_at(given, i)->val));
    return labels;
}

static ks_val capacity_of(ks_heap *heap, ks_val node) {
    static const char *const usual[][2] = {
        {"cpu", "8"}, {"memory", "32Gi"}, {"pods", "110"}, {"ephemeral-storage", "100Gi"}};
    ks_val capacity = ks_map_new(heap, 4);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        capacity = put_text(heap, capacity, usual[i][0], ks_text(heap, usual[i][1]));
    ks_val given = member(node, "capacity");
    for (uint32_t i = 0; i < ks_len(given); i++)
        capacity =
            ks_put(heap, capacity, ks_pair_at(given, i)->key, ks_ref(ks_pair_at(given, i)->val));
    return capacity;
}

static ks_val node_info(ks_heap *heap, const ks_rules *rules) {
    static const char *const facts[][2] = {{"architecture", "amd64"},
                                           {"bootID", ""},
                                           {"containerRuntimeVersion", "containerd://2.2.0"},
                                           {"kernelVersion", "6.12.0"},
                                           {"kubeProxyVersion", ""},
                                           {"machineID", ""},
                                           {"operatingSystem", "linux"},
                                           {"osImage", "kubesim"},
                                           {"systemUUID", ""}};
    ks_val info = ks_map_new(heap, 10);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        info = put_text(heap, info, facts[i][0], ks_text(heap, facts[i][1]));
    int patch = rules->minor == 34 ? 9 : rules->minor == 35 ? 6 : 2;
    return put_text(heap, info, "kubeletVersion", ks_format(heap, "v1.%d.%d", rules->minor, patch));
}

static ks_val address(ks_heap *heap, const char *type, ks_val text) {
    return ks_map_of(heap, K(address), text, K(type), ks_text(heap, type), NULL);
}

static ks_val node_doc(ks_cluster *cluster, ks_val node, uint32_t index) {
    ks_heap *heap = cluster->heap;
    ks_sim *sim = cluster->sim;
    ks_val name = member(node, "name");
    ks_val capacity = capacity_of(heap, node);
    char net[24];
    ks_kubelet_deal_net(sim, ks_quantity_value(ks_quantity_of(member(capacity, "pods"))), net,
                        sizeof net);
    ks_val addresses = ks_list_new(heap, 2);
    uint32_t host = index + 1;
    addresses = ks_append(heap, addresses,
                          address(heap, "InternalIP",
                                  ks_format(heap, "192.168.%u.%u", 1 + host / 256, host % 256)));
    addresses = ks_append(heap, addresses, address(heap, "Hostname", ks_ref(name)));
    ks_val status = ks_map_of(heap, K(addresses), addresses, K(allocatable), ks_ref(capacity),
                              K(capacity), capacity, K(conditions), conditions(sim), K(nodeInfo),
                              node_info(heap, &sim->server.rules), NULL);
    ks_val cidrs = ks_append(heap, ks_list_new(heap, 1), ks_text(heap, net));
    ks_val spec = ks_map_of(heap, K(podCIDR), ks_text(heap, net), K(podCIDRs), cidrs, K(taints),
                            ks_ref(member(node, "taints")), NULL);
    ks_val annotations = ks_map_new(heap, 2);
    annotations = put_text(heap, annotations, "node.alpha.kubernetes.io/ttl", ks_text(heap, "0"));
    annotations = put_text(heap, annotations, "volumes.kubernetes.io/controller-managed-attach-detach",
                           ks_text(heap, "true"));
    ks_val meta = ks_map_of(heap, K(annotations), annotations, K(labels),
                            labels_of(heap, node, name), K(name), ks_ref(name), NULL);
    return ks_map_of(heap, K(apiVersion), ks_text(heap, "v1"), K(kind), ks_text(heap, "Node"),
                     K(metadata), meta, K(spec), spec, K(status), status, NULL);
}

/* A name that no API server would take is refused here too: import looks at nothing. */
static ks_refusal *add_node(ks_cluster *cluster, ks_val node, uint32_t index) {
    ks_val doc = node_doc(cluster, node, index);
    const ks_str *name = ks_str_or_null(member(node, "name"));
    const char *wrong = name == NULL ? "name is required" : ks_dns1123_subdomain(name->s, name->len);
    if (wrong == NULL) return import(cluster, doc);
    ks_unref(cluster->heap, doc);
    return ks_refuse_bad_request(cluster->heap, wrong);
}

ks_refusal *ks_cluster_fill(ks_cluster *cluster, const ks_cluster_opts *opts) {
    ks_refusal *refusal = import_text(cluster, system_objects);
    if (refusal == NULL && !opts->manual_kubelet) refusal = import_text(cluster, root_certificates);
    if (refusal == NULL)
        refusal = ks_exists(opts->storage_classes) ? import_list(cluster, opts->storage_classes)
                                                   : import_text(cluster, default_classes);
    uint32_t index = 0;
    ks_each(node, opts->nodes) {
        if (refusal == NULL) refusal = add_node(cluster, *node, index++);
    }
    return refusal;
}
