/*
 * api/release.h - the releases that can be simulated, and all that differs between them: one line each.
 *
 * Code asks ks_since(rules, KS_SINCE_X), never for a number. docs/fidelity.md has the same rows in words.
 */
#ifndef KS_API_RELEASE_H
#define KS_API_RELEASE_H

#include <stdbool.h>

enum { KS_OLDEST_MINOR = 34, KS_NEWEST_MINOR = 36 };

/* Settings that change rules. */
typedef struct ks_rules {
    int minor;                        /* simulated release: 34, 35, 36 */
    bool max_unavailable_statefulset; /* feature gate MaxUnavailableStatefulSet */
    /* feature gates StaleControllerConsistencyReplicaSet and StaleControllerConsistencyStatefulSet */
    bool consistent_replicasets, consistent_statefulsets;
    bool semantic_revisions;   /* feature gate StatefulSetSemanticRevisionComparison */
    bool terminating_replicas; /* feature gate DeploymentReplicaSetTerminatingReplicas */
} ks_rules;

/* name, first release that behaves so, what it does */
#define KS_CHANGES(X)                                                                              \
    X(VERBS_IN_TITLE_CASE, 35, "StatefulSet events begin with Create, not create")                 \
    X(EXACT_AVAILABILITY, 35,                                                                      \
      "minReadySeconds: StatefulSets look again at the instant, not a second later")               \
    X(GONE_IS_DELETED, 36, "a StatefulSet's own deletion that finds nothing has succeeded")        \
    X(LENGTHS_IN_BYTES, 35,                                                                        \
      "label keys and values are measured in bytes; keys are called so, not qualified names")      \
    X(RESTART_RULES, 35, "restartPolicy and restartPolicyRules of ordinary containers are taken")  \
    X(RESTART_ALL_CONTAINERS, 36, "restart rules' action RestartAllContainers")                    \
    X(RULES_COUNTED, 36, "too many restart rules are too many, not too long")                      \
    X(FILE_KEY_REF, 35, "valueFrom.fileKeyRef is taken, and named among the sources")              \
    X(HOSTNAME_OVERRIDE, 35, "hostnameOverride is taken")                                          \
    X(IMAGE_VOLUMES, 35, "volumes made of images are taken")                                       \
    X(EMPTY_DRIVERS, 35, "an empty CSI driver's name is missing, and not wrong besides")           \
    X(CLAIMS_CHECKED_ONCE, 35, "what is wrong with a changed claim is told once, not twice")       \
    X(ATTACHERS_CHECKED_ONCE, 36, "attachers and volumes' names in attachments, too")              \
    X(RESIZED_SIDECARS, 36, "resizePolicy RestartContainer is not for init containers that end")   \
    X(IMMUTABLE_CLASSES, 36, "changes of StorageClasses: field is immutable")                      \
    X(NO_LATE_NOMINATION, 35, "nominatedNodeName may not be set on bound pods")                    \
    X(STRICT_ADDRESSES, 36, "addresses with leading zeros, and IPv4 in IPv6, are refused")         \
    X(SERVICE_NAMES_1123, 36, "Service names are DNS-1123 labels, not DNS-1035")                   \
    X(NUMERIC_TOLERATIONS, 35, "tolerations' operators Gt and Lt are known by name")               \
    X(WARNS_OF_CLUSTER_IPS, 36, "a warning that externalIPs is deprecated")                        \
    X(WARNS_OF_PREFER_CLOSE, 35, "trafficDistribution PreferClose is deprecated")                  \
    X(BALANCE_OF_BOTH, 36, "balanced allocation compares a node with and without the pod")         \
    X(CLAIMS_IN_MESSAGES, 35, "FailedScheduling speaks of claims where preemption is disabled")    \
    X(NOMINATION_BEFORE_BINDING, 35,                                                               \
      "nominatedNodeName is written before binding and dropped by it")                             \
    X(ASSUMED_END_AT_ONCE, 35,                                                                     \
      "a pod deleted while it waits for its volumes leaves its place before its binding fails")    \
    X(PLAIN_ASSUME_CACHE, 35,                                                                      \
      "binding says what claims and volumes are not found as the API server does")                 \
    X(BINDINGS_CALLED_OFF, 36,                                                                     \
      "preemption calls off the binding of a pod that waits for volumes: it stays")                \
    X(TERMINATING_LEFT_ALONE, 35,                                                                  \
      "preemption tells nothing to victims that terminate already, nor, if all do, to anybody")    \
    X(FAILURES_OF_THE_NEWEST, 36,                                                                  \
      "a failed binding takes the nominated node, which was written meanwhile, from the pod")      \
    X(AFFINITY_HINTS, 36,                                                                          \
      "a pod that others' anti-affinity refused is looked at again when they go or it changes")    \
    X(CONTAINER_EVENTS, 35, "the kubelet says Container created, not Created container: NAME")     \
    X(PULLS_ARE_CHECKED, 35, "an image that is there is said to be accessible by the pod")         \
    X(TOPOLOGY_LABELS, 35, "a bound pod carries its node's zone and region")                       \
    X(PORTS_BY_FNV, 35, "Endpoints' and EndpointSlices' ports are sorted by FNV, not MD5")         \
    X(NO_PORTS_ARE_ALIKE, 36,                                                                      \
      "EndpointSlices of Services without ports are not written anew at each look")                \
    X(SAYS_WHY_NOT_EVICTED, 35, "a refused eviction says more of a budget than how many it needs") \
    X(INLINED_NAMED, 35, "what cannot be unmarshaled is named with the inlined structs above it")  \
    X(WARNS_OF_QUOTAS, 35, "a warning of quotas with more requests than limits")                   \
    X(PODS_BY_OWNER, 36,                                                                           \
      "a Recreate Deployment waits for all pods of its sets, whatever their labels are by now")    \
    X(BINDER_RETRIES, 36, "the volume binder tries again with back-off, not at its next resync")   \
    X(WORKLOAD_REFS, 35, "Go's PodSpec ends with WorkloadRef: pod-template-hash")                  \
    X(SCHEDULING_GROUPS, 36, "... with SchedulingGroup instead")                                   \
    X(CERTIFICATE_ANNOTATIONS, 35, "podCertificate volumes have userAnnotations: pod-template-hash")

typedef enum ks_change_of_rules {
#define KS_CHANGE_NAME(name, minor, what) KS_SINCE_##name,
    KS_CHANGES(KS_CHANGE_NAME)
#undef KS_CHANGE_NAME
} ks_change_of_rules;

/* Whether the simulated release behaves in the new way. */
static inline bool ks_since(const ks_rules *rules, ks_change_of_rules change) {
    static const unsigned char first[] = {
#define KS_CHANGE_MINOR(name, minor, what) minor,
        KS_CHANGES(KS_CHANGE_MINOR)
#undef KS_CHANGE_MINOR
    };
    return rules->minor >= first[change];
}

/* The release whose behaviour was recorded, as nodes and the API server report it. */
static inline const char *ks_release_name(const ks_rules *rules) {
    return rules->minor == 34 ? "v1.34.9" : rules->minor == 35 ? "v1.35.6" : "v1.36.2";
}

#endif
