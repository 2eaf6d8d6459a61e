/*
 * cluster/wait.c - what cluster:wait_for can wait for.
 *
 * "ready" means that nothing more is to come: of a pod the Ready condition, of a workload what `kubectl rollout status` calls done
 * (k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go), of a claim that it is bound.
 */
#include "api/values.h"
#include "cluster/cluster.h"

static bool condition_is(const ks_object *object, const char *type, const char *status) {
    return ks_text_is(ks_get(ks_condition_of(object->status, type), K(status)), status);
}

static bool phase_is(const ks_object *object, const char *phase) {
    return ks_text_is(ks_get(object->status, K(phase)), phase);
}

/* The controller has seen the newest spec. */
static bool observed(const ks_object *object) {
    return ks_int_or(ks_get(object->status, K(observedGeneration)), 0) >=
           ks_int_or(ks_get(object->meta, K(generation)), 0);
}

static int64_t replicas_of(const ks_object *object) {
    return ks_int_or(ks_get(object->spec, K(replicas)), 1);
}

static int64_t count(const ks_object *object, const ks_str *which) {
    return ks_int_or(ks_get(object->status, which), 0);
}

static bool deployment_ready(const ks_object *object) {
    int64_t want = replicas_of(object);
    return count(object, K(updatedReplicas)) == want && count(object, K(replicas)) == want &&
           count(object, K(availableReplicas)) == want;
}

/* With a partition only the ordinals from there on are new; OnDelete updates nothing by itself. */
static bool statefulset_ready(const ks_object *object) {
    int64_t want = replicas_of(object);
    ks_val strategy = ks_get(object->spec, K(updateStrategy));
    if (count(object, K(readyReplicas)) != want || count(object, K(replicas)) != want) return false;
    if (ks_text_is(ks_get(strategy, K(type)), "OnDelete")) return true;
    int64_t partition = ks_int_or(ks_get2(strategy, K(rollingUpdate), K(partition)), 0);
    int64_t updated = want - (partition < want ? partition : want);
    return count(object, K(updatedReplicas)) >= updated;
}

static bool replicaset_ready(const ks_object *object) {
    int64_t want = replicas_of(object);
    return count(object, K(readyReplicas)) == want && count(object, K(replicas)) == want;
}

static bool ready(const ks_object *object) {
    switch (object->kind) {
    case KS_POD:
    case KS_NODE: return condition_is(object, "Ready", "True");
    case KS_DEPLOYMENT: return observed(object) && deployment_ready(object);
    case KS_STATEFULSET: return observed(object) && statefulset_ready(object);
    case KS_REPLICASET: return observed(object) && replicaset_ready(object);
    case KS_PVC: return phase_is(object, "Bound");
    case KS_PV: return phase_is(object, "Bound") || phase_is(object, "Available");
    case KS_NAMESPACE: return phase_is(object, "Active");
    default: return true;
    }
}

bool ks_cluster_meets(const ks_cluster *cluster, const ks_condition *condition,
                      const ks_object *object) {
    (void)cluster;
    if (object == NULL) return condition->what == KS_WAIT_DELETED;
    switch (condition->what) {
    case KS_WAIT_READY: return ready(object);
    case KS_WAIT_DELETED: return false;
    case KS_WAIT_CONDITION: return condition_is(object, condition->type->s, condition->status->s);
    }
    return false;
}
