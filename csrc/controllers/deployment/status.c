/*
 * controllers/deployment/status.c - status and conditions: pkg/controller/deployment/progress.go, sync.go: calculateStatus.
 */
#include "controllers/deployment/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- conditions --- */

static void drop_condition(ks_heap *heap, ks_val *status, const char *type) {
    ks_val list = ks_ref(ks_get(*status, K(conditions)));
    for (uint32_t i = ks_len(list); i-- > 0;)
        if (ks_text_is(ks_get(ks_at(list, i), K(type)), type)) list = ks_remove_at(heap, list, i);
    if (ks_len(list) == 0) {
        ks_unref(heap, list);
        list = KS_NOTHING;
    }
    *status = ks_put(heap, *status, K(conditions), list);
}

/* SetDeploymentCondition; takes over `condition`. */
static void set_condition(ks_heap *heap, ks_val *status, ks_val condition) {
    const char *type = ks_text_or(ks_get(condition, K(type)), "");
    ks_val now = ks_condition_of(*status, type);
    bool same_value =
        ks_exists(now) && ks_equal(ks_get(now, K(status)), ks_get(condition, K(status)));
    if (same_value && ks_equal(ks_get(now, K(reason)), ks_get(condition, K(reason)))) {
        ks_unref(heap, condition);
        return;
    }
    if (same_value)
        condition = ks_put(heap, condition, K(lastTransitionTime),
                           ks_ref(ks_get(now, K(lastTransitionTime))));
    drop_condition(heap, status, type);
    ks_val list = ks_append(heap, ks_ref(ks_get(*status, K(conditions))), condition);
    *status = ks_put(heap, *status, K(conditions), list);
}

static ks_val new_condition(dep_sync *c, const char *type, const char *value, const char *reason,
                            const char *message) {
    ks_heap *heap = c->heap;
    ks_val now = ks_time_val(&c->sim->world, c->sim->world.now);
    return ks_map_of(heap, K(type), ks_text(heap, type), K(status), ks_text(heap, value),
                     K(lastUpdateTime), ks_ref(now), K(lastTransitionTime), now, K(reason),
                     ks_text(heap, reason), K(message), ks_text(heap, message), NULL);
}

void dep_set_condition(dep_sync *c, ks_val *status, const char *type, const char *value,
                       const char *reason, const char *format, ...) {
    char message[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    set_condition(c->heap, status, new_condition(c, type, value, reason, message));
}

static bool has_reason(ks_val condition, const char *reason) {
    return ks_text_is(ks_get(condition, K(reason)), reason);
}

bool dep_write(dep_sync *c) {
    ks_heap *heap = c->heap;
    static const ks_write_opts trusted = {.trusted = true};
    ks_val doc = ks_put2(heap, ks_object_doc(heap, c->d), K(metadata), K(annotations),
                         ks_ref(c->annotations));
    doc = ks_put(heap, doc, K(status), ks_ref(c->status));
    ks_refusal *refusal =
        ks_server_update(&c->sim->server, KS_DEPLOYMENT, c->d->ns, doc, "status", &trusted, NULL);
    if (refusal == NULL) return c->wrote = true;
    if (c->wrote && refusal->code == 409) c->met_itself = true;
    ks_refusal_free(heap, refusal);
    return false;
}

bool dep_check_paused(dep_sync *c) {
    ks_val condition = ks_condition_of(c->status, "Progressing");
    if (!dep_has_deadline(c->d) || has_reason(condition, "ProgressDeadlineExceeded")) return true;
    bool paused = ks_bool_or(ks_get(c->d->spec, K(paused)), false);
    if (paused == has_reason(condition, "DeploymentPaused")) return true;
    if (paused)
        dep_set_condition(c, &c->status, "Progressing", "Unknown", "DeploymentPaused",
                          "Deployment is paused");
    else
        dep_set_condition(c, &c->status, "Progressing", "Unknown", "DeploymentResumed",
                          "Deployment is resumed");
    return dep_write(c);
}

/* --- numbers --- */

/* GetTerminatingReplicaCountForReplicaSets: absent when a set that has been synced does not say. */
static ks_val terminating(const dep_sets *sets) {
    int64_t sum = 0;
    for (size_t i = 0; i <= sets->old_count; i++) {
        const ks_object *set = i < sets->old_count ? sets->old[i] : sets->fresh;
        if (set == NULL) continue;
        ks_val count = ks_get(set->status, K(terminatingReplicas));
        if (!ks_exists(count) && ks_count(set->status, K(observedGeneration), 0) > 0)
            return KS_NOTHING;
        sum += ks_int_or(count, 0);
    }
    return ks_int(sum);
}

static ks_val calculate(dep_sync *c, const dep_sets *sets) {
    ks_heap *heap = c->heap;
    const ks_object *d = c->d;
    int64_t available = dep_sum(sets, false, K(availableReplicas));
    int64_t missing = dep_sum(sets, true, K(replicas)) - available;
    ks_val s = ks_map_of(heap, K(collisionCount), ks_ref(ks_get(c->status, K(collisionCount))),
                         K(conditions), ks_ref(ks_get(c->status, K(conditions))), NULL);
    s = ks_put_count(heap, s, K(observedGeneration), ks_generation(d));
    s = ks_put_count(heap, s, K(replicas), dep_sum(sets, false, K(replicas)));
    s = ks_put_count(heap, s, K(updatedReplicas),
                     sets->fresh == NULL ? 0 : ks_count(sets->fresh->status, K(replicas), 0));
    s = ks_put_count(heap, s, K(readyReplicas), dep_sum(sets, false, K(readyReplicas)));
    s = ks_put_count(heap, s, K(availableReplicas), available);
    s = ks_put_count(heap, s, K(unavailableReplicas), missing > 0 ? missing : 0);
    if (c->sim->server.rules.terminating_replicas)
        s = ks_put(heap, s, K(terminatingReplicas), terminating(sets));
    if (available >= dep_size(d) - dep_max_unavailable(d))
        dep_set_condition(c, &s, "Available", "True", "MinimumReplicasAvailable",
                          "Deployment has minimum availability.");
    else
        dep_set_condition(c, &s, "Available", "False", "MinimumReplicasUnavailable",
                          "Deployment does not have minimum availability.");
    return s;
}

/* Writes a status (taken over) that differs from what was read. *same: it does not. */
static bool write_if_new(dep_sync *c, ks_val status, bool *same) {
    *same = ks_equal(c->status, status);
    ks_unref(c->heap, c->status);
    c->status = status;
    return *same || dep_write(c);
}

bool dep_sync_status(dep_sync *c, const dep_sets *sets) {
    bool same;
    return write_if_new(c, calculate(c, sets), &same);
}

/* --- progress --- */

bool dep_is_complete(const ks_object *d, ks_val s) {
    int64_t wanted = dep_size(d);
    return ks_count(s, K(updatedReplicas), 0) == wanted && ks_count(s, K(replicas), 0) == wanted &&
           ks_count(s, K(availableReplicas), 0) == wanted &&
           ks_count(s, K(observedGeneration), 0) >= ks_generation(d);
}

/* DeploymentProgressing */
static bool is_progressing(ks_val was, ks_val is) {
#define MORE(field) (ks_count(is, K(field), 0) > ks_count(was, K(field), 0))
    int64_t old_was = ks_count(was, K(replicas), 0) - ks_count(was, K(updatedReplicas), 0);
    int64_t old_is = ks_count(is, K(replicas), 0) - ks_count(is, K(updatedReplicas), 0);
    return MORE(updatedReplicas) || old_is < old_was || MORE(readyReplicas) ||
           MORE(availableReplicas);
#undef MORE
}

/* The instant of the deadline, from the last progress. */
static int64_t deadline(const dep_sync *c, ks_val condition) {
    int64_t from = ks_instant_of(&c->sim->world, ks_get(condition, K(lastUpdateTime)));
    if (from == KS_NEVER) return KS_NEVER;
    return from + ks_count(c->d->spec, K(progressDeadlineSeconds), 0) * KS_SECOND;
}

/* DeploymentTimedOut; one that was late already stays so, since nothing is said of it anew. */
static bool is_late(const dep_sync *c, ks_val status) {
    ks_val condition = ks_condition_of(status, "Progressing");
    if (!ks_exists(condition) || has_reason(condition, "NewReplicaSetAvailable")) return false;
    return deadline(c, condition) < c->sim->world.now;
}

static void judge_progress(dep_sync *c, const dep_sets *sets, ks_val *s) {
    const char *what = sets->fresh != NULL ? "ReplicaSet" : "Deployment";
    const char *name = sets->fresh != NULL ? sets->fresh->name->s : c->d->name->s;
    ks_val now = ks_condition_of(c->status, "Progressing");
    if (dep_is_complete(c->d, *s)) {
        dep_set_condition(c, s, "Progressing", "True", "NewReplicaSetAvailable",
                          "%s \"%s\" has successfully progressed.", what, name);
    } else if (is_progressing(c->status, *s)) {
        char message[512];
        snprintf(message, sizeof message, "%s \"%s\" is progressing.", what, name);
        ks_val condition = new_condition(c, "Progressing", "True", "ReplicaSetUpdated", message);
        if (ks_text_is(ks_get(now, K(status)), "True"))
            condition = ks_put(c->heap, condition, K(lastTransitionTime),
                               ks_ref(ks_get(now, K(lastTransitionTime))));
        drop_condition(c->heap, s, "Progressing");
        set_condition(c->heap, s, condition);
    } else if (is_late(c, *s)) {
        dep_set_condition(c, s, "Progressing", "False", "ProgressDeadlineExceeded",
                          "%s \"%s\" has timed out progressing.", what, name);
    }
}

static ks_val failure_of(const ks_object *set) {
    return set == NULL ? KS_NOTHING : ks_condition_of(set->status, "ReplicaFailure");
}

/* getReplicaFailures: of the new set, or of the first that has one. */
static void copy_failure(dep_sync *c, const dep_sets *sets, ks_val *s) {
    ks_heap *heap = c->heap;
    ks_val failure = failure_of(sets->fresh);
    for (size_t i = 0; i < sets->old_count && !ks_exists(failure); i++)
        failure = failure_of(sets->old[i]);
    if (!ks_exists(failure)) {
        drop_condition(heap, s, "ReplicaFailure");
        return;
    }
    ks_val time = ks_get(failure, K(lastTransitionTime));
    set_condition(heap, s, ks_put(heap, ks_ref(failure), K(lastUpdateTime), ks_ref(time)));
}

/* requeueStuckDeployment: when the deadline will have passed. */
static void arm_deadline(const dep_sync *c) {
    ks_val condition = ks_condition_of(c->status, "Progressing");
    if (!dep_has_deadline(c->d) || !ks_exists(condition) || dep_is_complete(c->d, c->status) ||
        has_reason(condition, "ProgressDeadlineExceeded")) {
        dep_disarm(c);
        return;
    }
    int64_t at = deadline(c, condition);
    if (at == KS_NEVER) return;
    bool soon =
        at - c->sim->world.now < KS_SECOND; /* upstream tries again and again until it has passed */
    if (!soon)
        dep_arm(c, at + KS_SECOND);
    else if (at >= c->sim->world.now)
        dep_arm(c, at + 5 * KS_MILLISECOND);
}

bool dep_sync_rollout_status(dep_sync *c, const dep_sets *sets) {
    ks_val s = calculate(c, sets);
    if (!dep_has_deadline(c->d)) drop_condition(c->heap, &s, "Progressing");
    ks_val now = ks_condition_of(c->status, "Progressing");
    bool done = ks_count(s, K(replicas), 0) == ks_count(s, K(updatedReplicas), 0) &&
                has_reason(now, "NewReplicaSetAvailable");
    if (dep_has_deadline(c->d) && !done) judge_progress(c, sets, &s);
    copy_failure(c, sets, &s);
    bool same;
    if (!write_if_new(c, s, &same)) return false;
    if (same) arm_deadline(c);
    return true;
}
