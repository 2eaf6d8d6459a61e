/*
 * apiserver/evict.c - POST pods/binding and POST pods/eviction.
 *
 * k8s.io/kubernetes/pkg/registry/core/pod/storage/{storage,eviction}.go.
 */
#include "api/values.h"
#include "apiserver/internal.h"

#include <string.h>

/* A list of conditions with one set. The time stays when the status does. `reason`, `message` may
 * be NULL. */
static ks_val set_condition(ks_server *s, ks_val conditions, const ks_str *type,
                            const ks_str *status, const char *reason, const char *message) {
    ks_heap *heap = s->heap;
    uint32_t at = 0;
    for (; at < ks_len(conditions); at++)
        if (ks_str_eq(ks_str_or_null(ks_get(ks_at(conditions, at), K(type))), type)) break;
    ks_val before = ks_at(conditions, at), since = ks_get(before, K(lastTransitionTime));
    bool stays = ks_str_eq(ks_str_or_null(ks_get(before, K(status))), status) && ks_exists(since);
    ks_val now = ks_map_of(heap, K(lastProbeTime), ks_null(), K(lastTransitionTime),
                           stays ? ks_ref(since) : ks_server__stamp(s), K(status),
                           ks_string(status), K(type), ks_string(type), NULL);
    if (reason != NULL) now = ks_put(heap, now, K(reason), ks_text(heap, reason));
    if (message != NULL) now = ks_put(heap, now, K(message), ks_text(heap, message));
    if (at < ks_len(conditions)) return ks_set_at(heap, conditions, at, now);
    return ks_append(heap, conditions, now);
}

/* --- binding --- */

/* pkg/registry/core/pod/storage: assignPod(): what storage refuses is said of pods, the rest of pods/binding. */
static ks_refusal *refuse_binding(ks_heap *heap, const ks_object *pod, const char *format,
                                  const char *what) {
    ks_buf why = {.heap = heap};
    ks_buf_printf(&why, format, pod->name->s, what);
    ks_refusal *refusal =
        ks_refuse(heap, 409, "Conflict", "Operation cannot be fulfilled on pods/binding \"%s\": %s",
                  pod->name->s, why.s);
    refusal->name = ks_str_ref(pod->name);
    refusal->kind = ks_str_of(heap, "pods/binding");
    ks_buf_dispose(&why);
    return refusal;
}

/* The pod is not there; its uid is a precondition where another has its name. */
static ks_refusal *refuse_binding_gone(ks_server *s, const ks_object *pod) {
    const ks_object *other = ks_store_get(&s->store, KS_POD, pod->ns, pod->name);
    return other != NULL ? ks_refuse_replaced(s->heap, pod, other)
                         : ks_refuse_not_found(s->heap, KS_POD, pod->name);
}

/* The status of a pod that is bound: mostly alike, and shared while the second lasts. */
static ks_val bound_status(ks_server *s, ks_val before) {
    enum { MEMO_BOUND = 3 };
    ks_heap *heap = s->heap;
    ks_val stamp = ks_server__stamp(s), status;
    const ks_memo *known = ks_memo_get(s, NULL, MEMO_BOUND);
    if (known != NULL && known->in.s == stamp.s && known->status.m == before.m) {
        status = ks_ref(known->out);
    } else {
        status = ks_ref(before);
        if (ks_since(&s->rules, KS_SINCE_NOMINATION_BEFORE_BINDING))
            status = ks_drop(heap, status, K(nominatedNodeName));
        ks_val conditions = set_condition(s, ks_ref(ks_get(status, K(conditions))), K(PodScheduled),
                                          K(True), NULL, NULL);
        status = ks_put(heap, status, K(conditions), conditions);
        if (before.type == KS_MAP && stamp.type == KS_STRING) {
            ks_memo *memo = ks_alloc(heap, sizeof *memo);
            *memo = (ks_memo){
                .refs = 1, .in = ks_ref(stamp), .status = ks_ref(before), .out = ks_ref(status)};
            ks_memo_put(s, NULL, MEMO_BOUND, memo);
        }
    }
    ks_unref(heap, stamp);
    return status;
}

/* The spec of a pod that is bound. Pods that share a spec share it still when they are bound to one node. What one pod alone has is not
 * held here: it would outlive its version. */
static ks_val bound_spec(ks_server *s, ks_val spec, const ks_str *node) {
    enum { BOUND_LIMIT = 4096 };
    ks_heap *heap = s->heap;
    if (spec.type != KS_MAP || !ks_create_shares(s, spec))
        return ks_put(heap, ks_ref(spec), K(nodeName), ks_string(node));
    ks_key key = {(uint64_t)(uintptr_t)spec.m, (uint64_t)(uintptr_t)node};
    const ks_memo *known = ks_tree_get(&s->bound, key);
    if (known != NULL) return ks_ref(known->out);
    ks_val out = ks_put(heap, ks_ref(spec), K(nodeName), ks_string(node));
    ks_memo *memo = ks_alloc(heap, sizeof *memo);
    *memo = (ks_memo){.refs = 1, .in = ks_ref(spec), .out = ks_ref(out)}; /* hold the identities */
    if (s->bound.count >= BOUND_LIMIT) ks_tree_clear(heap, &s->bound);
    ks_tree_put(heap, &s->bound, key, memo);
    return out;
}

static ks_refusal *bind(ks_server *s, const ks_object *pod, const ks_str *node) {
    ks_heap *heap = s->heap;
    const ks_object *now = ks_store_by_id(&s->store, KS_POD, pod->id);
    if (now == NULL) return refuse_binding_gone(s, pod);
    if (ks_object_terminating(now))
        return refuse_binding(heap, now, "pod %s is being deleted, cannot be assigned to a host%s",
                              "");
    if (now->node != NULL)
        return refuse_binding(heap, now, "pod %s is already assigned to node \"%s\"", now->node->s);
    if (ks_len(ks_get(now->spec, K(schedulingGates))) > 0)
        return refuse_binding(heap, now, "pod %s has non-empty .spec.schedulingGates%s", "");
    ks_store_ask_node(&s->store, node, now->id);
    ks_parts parts = {ks_ref(now->meta), bound_spec(s, now->spec, node),
                      bound_status(s, now->status)};
    ks_admit_topology(s, node, &parts.meta);
    ks_server__commit_next(s, now, parts, NULL);
    return NULL;
}

ks_refusal *ks_server_bind(ks_server *s, const ks_object *pod, const ks_str *node) {
    ks_fault fault = ks_server__fault(s);
    if (fault == KS_FAULT_REFUSED) return ks_server__fail(s->heap, fault);
    return ks_server__lose(s->heap, fault, bind(s, pod, node), NULL);
}

/* --- eviction --- */

static bool ignores_budgets(const ks_object *pod) {
    return ks_object_terminating(pod) || pod->phase == 'P' || pod->phase == 'S' ||
           pod->phase == 'F';
}

/* The budgets whose selector matches the pod; the first one in *found. An empty selector selects
 * all. */
static int count_budgets(ks_server *s, const ks_object *pod, const ks_object **found) {
    int count = 0;
    *found = NULL;
    if (ks_len(pod->labels) == 0 && ks_store_count(&s->store, KS_PDB) == 0) return 0;
    for (ks_walk w = ks_walk_kind(&s->store, KS_PDB, pod->ns); ks_walk_next(&w);) {
        const ks_str *why = NULL;
        ks_selector *selector = ks_selector_of(s->heap, ks_get(w.object->spec, K(selector)), &why);
        if (selector != NULL && ks_selector_matches(selector, pod->labels) && count++ == 0)
            *found = w.object;
        if (selector != NULL) ks_selector_unref(s->heap, selector);
        ks_str_unref(s->heap, why);
    }
    return count;
}

static ks_refusal *refuse_disruption(ks_server *s, ks_val cause_message) {
    ks_refusal *refusal =
        ks_refuse(s->heap, 429, "TooManyRequests",
                  "Cannot evict pod as it would violate the pod's disruption budget.");
    ks_val cause = ks_map_of(s->heap, K(reason), ks_text(s->heap, "DisruptionBudget"), K(message),
                             cause_message, NULL);
    refusal->causes = ks_append(s->heap, refusal->causes, cause);
    return refusal;
}

/* Why a budget without disruptions allows none; DesiredHealthy and CurrentHealthy of a failed sync are not to be trusted. */
static ks_val denial_of(const ks_server *s, const ks_object *budget) {
    ks_heap *heap = s->heap;
    const char *name = budget->name->s, *reason = "", *message = "";
    ks_val condition = ks_condition_of(budget->status, "DisruptionAllowed");
    if (ks_text_is(ks_get(condition, K(status)), "False")) {
        reason = ks_text_or(ks_get(condition, K(reason)), "");
        message = ks_text_or(ks_get(condition, K(message)), "");
    }
    bool says_why = ks_since(&s->rules, KS_SINCE_SAYS_WHY_NOT_EVICTED);
    if (says_why && *message != '\0' && strcmp(reason, "SyncFailed") == 0)
        return ks_format(heap,
                         "The disruption budget %s does not allow evicting pods currently because "
                         "it failed sync: %s",
                         name, message);
    int64_t desired = ks_int_or(ks_get(budget->status, K(desiredHealthy)), 0);
    int64_t healthy = ks_int_or(ks_get(budget->status, K(currentHealthy)), 0);
    if (!says_why || healthy <= desired)
        return ks_format(heap,
                         "The disruption budget %s needs %lld healthy pods and has %lld currently",
                         name, (long long)desired, (long long)healthy);
    if (*message != '\0')
        return ks_format(heap,
                         "The disruption budget %s does not allow evicting pods currently (%s): %s",
                         name, reason, message);
    return ks_format(heap, "The disruption budget %s does not allow evicting pods currently", name);
}

/* checkAndDecrement: takes one of the budget's disruptions. */
static ks_refusal *take_disruption(ks_server *s, const ks_object *budget, const ks_object *pod,
                                   bool dry_run) {
    enum { MAX_DISRUPTED = 2000 };
    ks_heap *heap = s->heap;
    ks_val status = budget->status;
    int64_t allowed = ks_int_or(ks_get(status, K(disruptionsAllowed)), 0);
    int64_t observed = ks_int_or(ks_get(status, K(observedGeneration)), 0);
    if (observed < ks_int_or(ks_get(budget->meta, K(generation)), 0)) {
        ks_refusal *refusal = refuse_disruption(
            s, ks_format(heap, "The disruption budget %s is still being processed by the server.",
                         budget->name->s));
        refusal->retry_after = 10;
        return refusal;
    }
    if (allowed < 0)
        return ks_refuse_forbidden(heap, KS_PDB, budget->name,
                                   "pdb disruptions allowed is negative");
    if (ks_len(ks_get(status, K(disruptedPods))) > MAX_DISRUPTED)
        return ks_refuse_forbidden(
            heap, KS_PDB, budget->name,
            "DisruptedPods map too big - too many evictions not confirmed by "
            "PDB controller");
    if (allowed == 0) return refuse_disruption(s, denial_of(s, budget));
    if (dry_run) return NULL;
    status = ks_put(heap, ks_ref(status), K(disruptionsAllowed), ks_int(allowed - 1));
    if (allowed - 1 == 0) {
        /* pkg/util/... UpdateDisruptionAllowedCondition */
        ks_val conditions = ks_ref(ks_get(status, K(conditions)));
        for (uint32_t i = 0; i < ks_len(conditions); i++) {
            ks_val condition = ks_at(conditions, i);
            if (!ks_text_is(ks_get(condition, K(type)), "DisruptionAllowed")) continue;
            condition = ks_put(heap, ks_ref(condition), K(status), ks_text(heap, "False"));
            condition = ks_put(heap, condition, K(reason), ks_text(heap, "InsufficientPods"));
            condition = ks_put(heap, condition, K(lastTransitionTime), ks_server__stamp(s));
            conditions = ks_set_at(heap, conditions, i, condition);
        }
        status = ks_put(heap, status, K(conditions), conditions);
    }
    const ks_str *key = ks_intern(heap, pod->name->s, pod->name->len);
    status = ks_put2(heap, status, K(disruptedPods), key, ks_server__stamp(s));
    ks_str_unref(heap, key);
    return ks_server_update_status(s, budget, status, NULL);
}

static ks_refusal *ask_budgets(ks_server *s, const ks_object *pod, bool dry_run) {
    const ks_object *budget;
    int count = count_budgets(s, pod, &budget);
    if (count == 0) return NULL;
    if (count > 1)
        return ks_refuse(s->heap, 500, "",
                         "This pod has more than one PodDisruptionBudget, which the "
                         "eviction subresource does not support.");
    if (!ks_condition_holds(pod->status, "Ready")) {
        if (ks_text_is(ks_get(budget->spec, K(unhealthyPodEvictionPolicy)), "AlwaysAllow"))
            return NULL;
        int64_t desired = ks_int_or(ks_get(budget->status, K(desiredHealthy)), 0);
        int64_t healthy = ks_int_or(ks_get(budget->status, K(currentHealthy)), 0);
        if (healthy >= desired && desired > 0) return NULL;
    }
    return take_disruption(s, budget, pod, dry_run);
}

ks_refusal *ks_server_evict(ks_server *s, const ks_str *ns, const ks_str *name,
                            const ks_delete_opts *opts) {
    static const ks_delete_opts defaults = {.grace_period = -1};
    if (opts == NULL) opts = &defaults;
    const ks_object *pod = ks_store_get(&s->store, KS_POD, ns, name);
    if (pod == NULL) return ks_refuse_not_found(s->heap, KS_POD, name);
    ks_object_ref(pod);
    uint64_t id = pod->id, version = pod->version;
    ks_delete_opts now = *opts;
    ks_refusal *refusal = ignores_budgets(pod) ? NULL : ask_budgets(s, pod, opts->dry_run);
    ks_object_unref(s->heap, pod);
    if (refusal != NULL) return refusal;
    pod = ks_store_by_id(&s->store, KS_POD, id);
    if (pod == NULL) return NULL;
    if (!opts->dry_run) {
        ks_val conditions =
            set_condition(s, ks_ref(ks_get(pod->status, K(conditions))), K(DisruptionTarget),
                          K(True), "EvictionByEvictionAPI", "Eviction API: evicting");
        ks_val status = ks_put(s->heap, ks_ref(pod->status), K(conditions), conditions);
        refusal = ks_server_update_status(s, pod, status, NULL);
        if (refusal != NULL) return refusal;
        if (now.version == version) now.version = 0; /* the condition has moved it on */
    }
    return ks_server_delete(s, KS_POD, ns, name, &now, NULL);
}
