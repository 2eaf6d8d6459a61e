/*
 * cluster/fill.c - what a new cluster contains before anyone has used it: what kubeadm leaves behind, classes and nodes.
 *
 * Called once per cluster, through the door. Objects are imported as they are: nothing was there that could have admitted them.
 */
#include "api/codec.h"
#include "api/values.h"
#include "cluster/cluster.h"
#include "doc/text.h"
#include "kubelet/node.h"

#include <string.h>

/* What each of these namespaces has: its name is put in. */
static const char *const namespaces[] = {"default", "kube-system", "kube-public",
                                         "kube-node-lease"};
enum { NAMESPACES = sizeof namespaces / sizeof namespaces[0] };

static const char a_namespace[] =
    "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{},\"spec\":{\"finalizers\":"
    "[\"kubernetes\"]},\"status\":{\"phase\":\"Active\"}}";
static const char an_account[] =
    "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"default\"}}";
#define PRIORITY(name, value, text)                                                                \
    "{\"apiVersion\":\"scheduling.k8s.io/v1\",\"kind\":\"PriorityClass\",\"metadata\":{\"name\":"  \
    "\"" name "\"},\"value\":" value ",\"description\":\"" text                                    \
    "\",\"preemptionPolicy\":\"PreemptLowerPriority\"}"

/* Texts and numbers: cmd/kubeadm/app/phases/addons/dns/manifests.go, pkg/apis/scheduling/v1/helpers.go,
 * pkg/controlplane/controller/kubernetesservice/controller.go. */
// clang-format off
static const char system_objects[] =
    "[" PRIORITY("system-node-critical", "2000001000",
             "Used for system critical pods that must not be moved from their current node.") ","
    PRIORITY("system-cluster-critical", "2000000000",
             "Used for system critical pods that must run in the cluster, but can be moved to "
             "another node if necessary.") ","
    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"kube-dns\",\"namespace\":\"kube-system\","
    "\"annotations\":{\"prometheus.io/port\":\"9153\",\"prometheus.io/scrape\":\"true\"},\"labels\":{\"k8s-app\":"
    "\"kube-dns\",\"kubernetes.io/cluster-service\":\"true\",\"kubernetes.io/name\":\"CoreDNS\"}},\"spec\":{\"clusterIP\":"
    "\"10.96.0.10\",\"clusterIPs\":[\"10.96.0.10\"],\"internalTrafficPolicy\":\"Cluster\",\"ipFamilies\":[\"IPv4\"],"
    "\"ipFamilyPolicy\":\"SingleStack\",\"ports\":[{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\",\"targetPort\":53},"
    "{\"name\":\"dns-tcp\",\"port\":53,\"protocol\":\"TCP\",\"targetPort\":53},{\"name\":\"metrics\",\"port\":9153,"
    "\"protocol\":\"TCP\",\"targetPort\":9153}],\"selector\":{\"k8s-app\":\"kube-dns\"},\"sessionAffinity\":\"None\","
    "\"type\":\"ClusterIP\"},\"status\":{\"loadBalancer\":{}}}]";
// clang-format on

/* What the API server keeps in namespace default for itself, where a kubelet that runs by itself gives it users; in the manual world
 * that namespace starts empty, and cluster DNS alone knows the name. */
static const char api_service[] =
    "["
    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\","
    "\"labels\":{\"component\":\"apiserver\",\"provider\":\"kubernetes\"}},\"spec\":{\"clusterIP\":\"" KS_API_SERVICE_ADDRESS
    "\","
    "\"clusterIPs\":[\"" KS_API_SERVICE_ADDRESS
    "\"],\"internalTrafficPolicy\":\"Cluster\",\"ipFamilies\":[\"IPv4\"],"
    "\"ipFamilyPolicy\":\"SingleStack\",\"ports\":[{\"name\":\"https\",\"port\":443,\"protocol\":\"TCP\","
    "\"targetPort\":6443}],\"sessionAffinity\":\"None\",\"type\":\"ClusterIP\"},\"status\":{\"loadBalancer\":{}}},"
    "{\"apiVersion\":\"v1\",\"kind\":\"Endpoints\",\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\","
    "\"labels\":{\"endpointslice.kubernetes.io/skip-mirror\":\"true\"}},\"subsets\":[{\"addresses\":"
    "[{\"ip\":\"192.168.0.10\"}],\"ports\":[{\"name\":\"https\",\"port\":6443,\"protocol\":\"TCP\"}]}]},"
    "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"kubernetes\","
    "\"namespace\":\"default\",\"labels\":{\"kubernetes.io/service-name\":\"kubernetes\"}},\"addressType\":\"IPv4\","
    "\"endpoints\":[{\"addresses\":[\"192.168.0.10\"],\"conditions\":{\"ready\":true}}],\"ports\":[{\"name\":\"https\","
    "\"port\":6443,\"protocol\":\"TCP\"}]}]";

/* pkg/controller/certificates/rootcacertpublisher: published where a kubelet that runs by itself could mount it; the manual world is a
 * bare control plane, which has no certificate to publish. */
static const char a_root_certificate[] =
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"kube-root-ca.crt\","
    "\"annotations\":{\"kubernetes.io/description\":\"Contains a CA bundle that can be used to verify "
    "the kube-apiserver when using internal endpoints such as the internal service IP or "
    "kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters.\"}},\"data\":{\"ca.crt\":\"-----BEGIN CERTIFICATE-----\\n-----END "
    "CERTIFICATE-----\\n\"}}";

#define CLASS(name, annotations, mode)                                                             \
    "{\"apiVersion\":\"storage.k8s.io/v1\",\"kind\":\"StorageClass\",\"metadata\":{\"name\":"      \
    "\"" name "\"" annotations "},\"provisioner\":\"kubesim.dev/" name                             \
    "\",\"reclaimPolicy\":\"Delete\",\"volumeBindingMode\":\"" mode                                \
    "\",\"allowVolumeExpansion\":true}"
static const char default_classes[] = "[" CLASS(
    "standard", ",\"annotations\":{\"storageclass.kubernetes.io/is-default-class\":\"true\"}",
    "WaitForFirstConsumer") "," CLASS("fast", "", "Immediate") "]";

static ks_val member(ks_val map, const char *key) { return ks_get_text(map, key, strlen(key)); }

static ks_kind kind_of(ks_val doc) {
    return ks_kind_by_gvk(ks_text_or(ks_get(doc, K(apiVersion)), ""),
                          ks_text_or(ks_get(doc, K(kind)), ""));
}

/* Stores one object; its kind is its own. `doc` is taken over. */
static ks_refusal *import(ks_cluster *cluster, ks_val doc) {
    ks_kind kind = kind_of(doc);
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

static ks_refusal *read_json(ks_cluster *cluster, const char *json, ks_val *out) {
    ks_text_error err = {0};
    if (ks_json_read(cluster->heap, json, strlen(json), NULL, out, &err)) return NULL;
    ks_refusal *refusal = ks_refuse_bad_request(cluster->heap, err.message->s);
    ks_str_unref(cluster->heap, err.message);
    return refusal;
}

static ks_refusal *import_text(ks_cluster *cluster, const char *json) {
    ks_val list = KS_NOTHING;
    ks_refusal *refusal = read_json(cluster, json, &list);
    if (refusal == NULL) refusal = import_list(cluster, list);
    ks_unref(cluster->heap, list);
    return refusal;
}

/* A namespace bears its name; other objects are in it. `doc` is taken over. */
static ks_val place(ks_heap *heap, ks_val doc, const char *ns) {
    static const char key[] = "kubernetes.io/metadata.name";
    if (strcmp(ks_text_or(ks_get(doc, K(kind)), ""), "Namespace") != 0)
        return ks_put2(heap, doc, K(metadata), K(namespace), ks_text(heap, ns));
    const ks_str *label = ks_intern_of(heap, key);
    ks_val labels = ks_put(heap, ks_map_new(heap, 1), label, ks_text(heap, ns));
    ks_str_unref(heap, label);
    doc = ks_put2(heap, doc, K(metadata), K(labels), labels);
    return ks_put2(heap, doc, K(metadata), K(name), ks_text(heap, ns));
}

/* What is alike in all namespaces is decoded once. */
static ks_refusal *import_everywhere(ks_cluster *cluster, const char *json) {
    static const ks_write_opts whole = {.whole = true};
    ks_heap *heap = cluster->heap;
    ks_val doc = KS_NOTHING, typed = KS_NOTHING;
    ks_refusal *refusal = read_json(cluster, json, &doc);
    if (refusal != NULL) return refusal;
    ks_kind kind = kind_of(doc);
    refusal = ks_decode(heap, &cluster->sim->server.rules, kind, doc, KS_STRICT, NULL, &typed);
    if (refusal != NULL) return refusal;
    typed = ks_default(heap, &cluster->sim->server.rules, kind, typed);
    for (size_t i = 0; i < NAMESPACES && refusal == NULL; i++)
        refusal = ks_server_import(&cluster->sim->server, kind, NULL,
                                   place(heap, ks_ref(typed), namespaces[i]), &whole, NULL);
    ks_unref(heap, typed);
    return refusal;
}

/* --- nodes --- */

/* A name that no API server would take is refused here too: import looks at nothing. */
static ks_refusal *add_node(ks_cluster *cluster, ks_val node) {
    const ks_str *name = ks_str_or_null(member(node, "name"));
    const char *wrong =
        name == NULL ? "a node needs a name" : ks_dns1123_subdomain(name->s, name->len);
    if (wrong != NULL) return ks_refuse_bad_request(cluster->heap, wrong);
    ks_val doc = ks_node_make(cluster->sim, name, ks_ref(member(node, "labels")),
                              ks_ref(member(node, "taints")), ks_ref(member(node, "capacity")),
                              ks_str_or_null(member(node, "zone")));
    return import(cluster, doc);
}

ks_refusal *ks_cluster_fill(ks_cluster *cluster, const ks_cluster_opts *opts) {
    ks_refusal *refusal = import_everywhere(cluster, a_namespace);
    if (refusal == NULL) refusal = import_everywhere(cluster, an_account);
    if (refusal == NULL) refusal = import_text(cluster, system_objects);
    if (refusal == NULL && !opts->manual_kubelet) refusal = import_text(cluster, api_service);
    if (refusal == NULL && !opts->manual_kubelet)
        refusal = import_everywhere(cluster, a_root_certificate);
    if (refusal == NULL)
        refusal = ks_exists(opts->storage_classes) ? import_list(cluster, opts->storage_classes)
                                                   : import_text(cluster, default_classes);
    ks_each(node, opts->nodes) {
        if (refusal == NULL) refusal = add_node(cluster, *node);
    }
    return refusal;
}
