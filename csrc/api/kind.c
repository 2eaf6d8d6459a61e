/*
 * api/kind.c - the kinds that the simulated API server serves, and the names that people give them.
 */
#include "api/kind.h"
#include "api/schema_table.h"

#include <ctype.h>
#include <string.h>

#define SHORT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_SHORT   ((const char *const[]){NULL})

#define CORE   "", "v1", "v1"
#define APPS   "apps", "v1", "apps/v1"
#define STORE  "storage.k8s.io", "v1", "storage.k8s.io/v1"
#define SLICE  "discovery.k8s.io", "v1", "discovery.k8s.io/v1"
#define POLICY "policy", "v1", "policy/v1"
#define SCHED  "scheduling.k8s.io", "v1", "scheduling.k8s.io/v1"
#define COORD  "coordination.k8s.io", "v1", "coordination.k8s.io/v1"

enum { STATUS = 1, SCALE = 2, GENERATION = 4, CLUSTER = 8, PUT = 16 };

#define KIND(id, name, gv, plural, singular, shorts, flags, type)                                  \
    {                                                                                              \
        id, name, gv, plural, singular, shorts, ((flags)&CLUSTER) == 0, ((flags)&STATUS) != 0,     \
            ((flags)&SCALE) != 0, ((flags)&GENERATION) != 0, ((flags)&PUT) != 0,                   \
            &ks_types[KS_TYPE_##type]                                                              \
    }

// clang-format off
static const ks_kind_info kinds[KS_KIND_COUNT] = {
    KIND(KS_POD, "Pod", CORE, "pods", "pod", SHORT("po"), STATUS | GENERATION, core_v1_Pod),
    KIND(KS_REPLICASET, "ReplicaSet", APPS, "replicasets", "replicaset", SHORT("rs"),
         STATUS | SCALE | GENERATION, apps_v1_ReplicaSet),
    KIND(KS_STATEFULSET, "StatefulSet", APPS, "statefulsets", "statefulset", SHORT("sts"),
         STATUS | SCALE | GENERATION, apps_v1_StatefulSet),
    KIND(KS_DEPLOYMENT, "Deployment", APPS, "deployments", "deployment", SHORT("deploy"),
         STATUS | SCALE | GENERATION, apps_v1_Deployment),
    KIND(KS_CONTROLLERREVISION, "ControllerRevision", APPS, "controllerrevisions",
         "controllerrevision", NO_SHORT, 0, apps_v1_ControllerRevision),
    KIND(KS_SERVICE, "Service", CORE, "services", "service", SHORT("svc"), STATUS | PUT,
         core_v1_Service),
    KIND(KS_ENDPOINTS, "Endpoints", CORE, "endpoints", "endpoints", SHORT("ep"), PUT,
         core_v1_Endpoints),
    KIND(KS_ENDPOINTSLICE, "EndpointSlice", SLICE, "endpointslices", "endpointslice", NO_SHORT,
         GENERATION, discovery_v1_EndpointSlice),
    KIND(KS_PVC, "PersistentVolumeClaim", CORE, "persistentvolumeclaims", "persistentvolumeclaim",
         SHORT("pvc"), STATUS, core_v1_PersistentVolumeClaim),
    KIND(KS_PV, "PersistentVolume", CORE, "persistentvolumes", "persistentvolume", SHORT("pv"),
         STATUS | CLUSTER, core_v1_PersistentVolume),
    KIND(KS_STORAGECLASS, "StorageClass", STORE, "storageclasses", "storageclass", SHORT("sc"),
         CLUSTER, storage_v1_StorageClass),
    KIND(KS_VOLUMEATTACHMENT, "VolumeAttachment", STORE, "volumeattachments", "volumeattachment",
         NO_SHORT, STATUS | CLUSTER, storage_v1_VolumeAttachment),
    KIND(KS_NODE, "Node", CORE, "nodes", "node", SHORT("no"), STATUS | CLUSTER, core_v1_Node),
    KIND(KS_NAMESPACE, "Namespace", CORE, "namespaces", "namespace", SHORT("ns"), STATUS | CLUSTER,
         core_v1_Namespace),
    KIND(KS_EVENT, "Event", CORE, "events", "event", SHORT("ev"), PUT, core_v1_Event),
    KIND(KS_CONFIGMAP, "ConfigMap", CORE, "configmaps", "configmap", SHORT("cm"), 0,
         core_v1_ConfigMap),
    KIND(KS_SECRET, "Secret", CORE, "secrets", "secret", NO_SHORT, 0, core_v1_Secret),
    KIND(KS_SERVICEACCOUNT, "ServiceAccount", CORE, "serviceaccounts", "serviceaccount",
         SHORT("sa"), 0, core_v1_ServiceAccount),
    KIND(KS_PDB, "PodDisruptionBudget", POLICY, "poddisruptionbudgets",
         "poddisruptionbudget", SHORT("pdb"), STATUS | GENERATION, policy_v1_PodDisruptionBudget),
    KIND(KS_PRIORITYCLASS, "PriorityClass", SCHED, "priorityclasses", "priorityclass", SHORT("pc"),
         GENERATION | CLUSTER,
         scheduling_v1_PriorityClass),
    KIND(KS_RESOURCEQUOTA, "ResourceQuota", CORE, "resourcequotas", "resourcequota",
         SHORT("quota"), STATUS, core_v1_ResourceQuota),
    KIND(KS_LIMITRANGE, "LimitRange", CORE, "limitranges", "limitrange", SHORT("limits"), PUT,
         core_v1_LimitRange),
    KIND(KS_LEASE, "Lease", COORD, "leases", "lease", NO_SHORT, PUT, coordination_v1_Lease),
};
// clang-format on

const ks_kind_info *ks_kind_get(ks_kind kind) { return &kinds[kind]; }

ks_kind ks_kind_by_gvk(const char *api_version, const char *kind) {
    for (int i = 0; i < KS_KIND_COUNT; i++)
        if (strcmp(kinds[i].name, kind) == 0 && strcmp(kinds[i].api_version, api_version) == 0)
            return kinds[i].kind;
    return KS_NO_KIND;
}

/* `word` is the whole of s[0..len), in any case of letters. */
static bool same(const char *word, const char *s, size_t len) {
    if (strlen(word) != len) return false;
    for (size_t i = 0; i < len; i++)
        if (tolower((unsigned char)word[i]) != tolower((unsigned char)s[i])) return false;
    return true;
}

/* Short names count letter for letter (restmapper/shortcut.go). */
static bool called(const ks_kind_info *info, const char *s, size_t len) {
    if (same(info->plural, s, len) || same(info->singular, s, len)) return true;
    for (const char *const *word = info->short_names; *word != NULL; word++)
        if (strlen(*word) == len && memcmp(*word, s, len) == 0) return true;
    return false;
}

/* What follows the first dot (schema.ParseResourceArg, meta.DefaultRESTMapper): a group or how it begins ("apps", "discovery", nothing), a version
 * with its group ("v1.apps") or with a dot alone, which is of any group ("v1."). */
static bool in_group(const ks_kind_info *info, const char *s, size_t len) {
    if (strlen(info->group) >= len && memcmp(info->group, s, len) == 0) return true;
    size_t version = strlen(info->version);
    if (len <= version || !same(info->version, s, version) || s[version] != '.') return false;
    return len == version + 1 || same(info->group, s + version + 1, len - version - 1);
}

ks_kind ks_kind_by_name(const char *name, size_t len) {
    const char *dot = memchr(name, '.', len);
    size_t word = dot == NULL ? len : (size_t)(dot - name);
    for (int i = 0; i < KS_KIND_COUNT; i++) {
        if (!called(&kinds[i], name, word)) continue;
        if (dot == NULL || in_group(&kinds[i], dot + 1, len - word - 1)) return kinds[i].kind;
    }
    return KS_NO_KIND;
}
