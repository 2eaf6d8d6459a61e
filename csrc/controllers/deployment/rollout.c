/*
 * controllers/deployment/rollout.c - the strategies: pkg/controller/deployment/rolling.go, recreate.go.
 */
#include "controllers/deployment/internal.h"

#include <stdlib.h>

static int64_t available(const ks_object *set) {
    return ks_count(set->status, K(availableReplicas), 0);
}

/* reconcileNewReplicaSet; false: failed. */
static bool reconcile_new(dep_sync *c, const dep_sets *sets, bool *scaled) {
    const ks_object *set = sets->fresh;
    int64_t wanted = dep_size(c->d), size = dep_size(set);
    *scaled = false;
    if (size == wanted) return true;
    if (size < wanted) wanted = dep_new_size(c->d, dep_sum(sets, true, K(replicas)), size);
    return dep_scale_set(c, &set, wanted, false, scaled);
}

/* cleanupUnhealthyReplicas: of the active old sets, up to `most`; how many went, -1: failed. */
static int64_t trim_unhealthy(dep_sync *c, const ks_object **old, size_t count, int64_t most) {
    int64_t done = 0;
    for (size_t i = 0; i < count && done < most; i++) {
        int64_t size = dep_size(old[i]), unhealthy = size - available(old[i]);
        if (size == 0 || unhealthy == 0) continue;
        int64_t down = unhealthy < most - done ? unhealthy : most - done;
        if (down < 0 || !dep_scale_set(c, &old[i], size - down, false, NULL)) return -1;
        done += down;
    }
    return done;
}

/* scaleDownOldReplicaSetsForRollingUpdate */
static int64_t trim_available(dep_sync *c, const dep_sets *sets, const ks_object **old,
                              size_t count) {
    int64_t room = dep_max_unavailable(c->d) - dep_size(c->d) + available(sets->fresh), done = 0;
    for (size_t i = 0; i < count; i++) room += available(old[i]);
    for (size_t i = 0; i < count && done < room; i++) {
        int64_t size = dep_size(old[i]);
        if (size == 0) continue;
        int64_t down = size < room - done ? size : room - done;
        if (!dep_scale_set(c, &old[i], size - down, false, NULL)) return -1;
        done += down;
    }
    return done;
}

/* reconcileOldReplicaSets: errors only end the step. */
static bool reconcile_old(dep_sync *c, const dep_sets *sets) {
    size_t count = 0, size = (sets->old_count + 1) * sizeof(const ks_object *);
    const ks_object **old = ks_alloc(c->heap, size);
    for (size_t i = 0; i < sets->old_count; i++)
        if (dep_size(sets->old[i]) > 0) old[count++] = sets->old[i];
    bool scaled = false;
    int64_t least = dep_size(c->d) - dep_max_unavailable(c->d);
    int64_t unready = dep_size(sets->fresh) - available(sets->fresh);
    int64_t room = dep_sum(sets, true, K(replicas)) - least - unready;
    if (count > 0 && room > 0) {
        qsort((void *)old, count, sizeof *old, dep_by_age);
        int64_t unhealthy = trim_unhealthy(c, old, count, room);
        int64_t healthy = unhealthy < 0 ? -1 : trim_available(c, sets, old, count);
        scaled = healthy >= 0 && unhealthy + healthy > 0;
    }
    ks_free(c->heap, (void *)old, size);
    return scaled;
}

static bool roll(dep_sync *c, dep_sets *sets) {
    bool scaled;
    if (!dep_sync_revision(c, true, sets) || !reconcile_new(c, sets, &scaled)) return false;
    if (scaled || reconcile_old(c, sets)) return dep_sync_rollout_status(c, sets);
    if (dep_is_complete(c->d, c->status) && !dep_cleanup(c, sets)) return false;
    return dep_sync_rollout_status(c, sets);
}

bool dep_rollout_rolling(dep_sync *c) {
    dep_sets sets;
    bool fine = roll(c, &sets);
    dep_sets_dispose(c->heap, &sets);
    return fine;
}

/* --- Recreate --- */

/* Does a set, other than the new one, have a pod that has not finished? */
static bool old_pods_run(const dep_sync *c, const dep_sets *sets) {
    for (size_t i = 0; i < sets->old_count; i++)
        if (ks_count(sets->old[i]->status, K(replicas), 0) > 0 ||
            dep_has_pods(c->sim, c->d, sets->old[i], true))
            return true;
    return false;
}

static bool recreate(dep_sync *c, dep_sets *sets) {
    if (!dep_sync_revision(c, false, sets)) return false;
    bool any = false;
    for (size_t i = 0; i < sets->old_count; i++) {
        const ks_object *set = sets->old[i];
        bool scaled;
        if (!dep_scale_set(c, &set, 0, false, &scaled)) return false;
        any = any || scaled;
    }
    if (any || old_pods_run(c, sets)) return dep_sync_rollout_status(c, sets);
    if (sets->fresh == NULL) {
        dep_sets_dispose(c->heap, sets);
        if (!dep_sync_revision(c, true, sets)) return false;
    }
    const ks_object *set = sets->fresh;
    if (!dep_scale_set(c, &set, dep_size(c->d), false, NULL)) return false;
    if (dep_is_complete(c->d, c->status) && !dep_cleanup(c, sets)) return false;
    return dep_sync_rollout_status(c, sets);
}

bool dep_rollout_recreate(dep_sync *c) {
    dep_sets sets;
    bool fine = recreate(c, &sets);
    dep_sets_dispose(c->heap, &sets);
    return fine;
}
