/*
 * controllers/deployment/scale.c - sizes of ReplicaSets, and those that history has no room for:
 * pkg/controller/deployment/sync.go: scale, scaleReplicaSet, cleanupDeployment.
 */
#include "controllers/deployment/internal.h"

#include <stdlib.h>
#include <string.h>

static bool put_size(ks_heap *heap, ks_val *annotations, const ks_str *key, int64_t size) {
    ks_val text = ks_format(heap, "%lld", (long long)size);
    if (ks_equal(ks_get(*annotations, key), text)) {
        ks_unref(heap, text);
        return false;
    }
    *annotations = ks_put(heap, *annotations, key, text);
    return true;
}

bool dep_put_sizes(dep_sync *c, ks_val *annotations) {
    int64_t wanted = dep_size(c->d), most = dep_most(c->d);
    bool changed =
        put_size(c->heap, annotations, K(deployment_kubernetes_io_desired_replicas), wanted);
    if (put_size(c->heap, annotations, K(deployment_kubernetes_io_max_replicas), most))
        changed = true;
    return changed;
}

bool dep_scale_set(dep_sync *c, const ks_object **set, int64_t size, bool force, bool *scaled) {
    ks_heap *heap = c->heap;
    int64_t before = dep_size(*set);
    if (scaled != NULL) *scaled = false;
    if (!force && before == size) return true;
    if (size < 0) return false; /* the server refuses it */
    ks_val annotations = ks_ref(ks_get((*set)->meta, K(annotations)));
    bool annotated = dep_put_sizes(c, &annotations);
    if (before == size && !annotated) {
        ks_unref(heap, annotations);
        return true;
    }
    ks_val doc = ks_put2(heap, ks_doc_ref(*set), K(metadata), K(annotations), annotations);
    doc = ks_put2(heap, doc, K(spec), K(replicas), ks_int(size));
    const ks_object *now = NULL;
    ks_refusal *refusal = ks_server_update_object(&c->sim->server, *set, doc, &now);
    if (refusal != NULL) {
        ks_refusal_free(heap, refusal);
        return false;
    }
    ks_objects_add(heap, &c->kept, now);
    ks_object_unref(heap, now);
    *set = now;
    if (before == size) return true;
    dep_event(c, true, "ScalingReplicaSet", "Scaled %s replica set %s from %lld to %lld",
              before < size ? "up" : "down", now->name->s, (long long)before, (long long)size);
    if (scaled != NULL) *scaled = true;
    return true;
}

/* --- scaling the Deployment --- */

/* FindActiveOrLatest: the only one with replicas, else the new or newest; NULL: several have replicas. */
static const ks_object **active_or_latest(dep_sets *sets) {
    const ks_object **active = NULL;
    size_t count = 0;
    qsort((void *)sets->old, sets->old_count, sizeof *sets->old, dep_by_age);
    for (size_t i = 0; i < sets->old_count; i++) {
        if (dep_size(sets->old[i]) == 0) continue;
        active = &sets->old[i];
        count++;
    }
    if (sets->fresh != NULL && dep_size(sets->fresh) > 0) {
        active = &sets->fresh;
        count++;
    }
    if (count > 1) return NULL;
    if (count == 1) return active;
    if (sets->fresh != NULL) return &sets->fresh;
    return sets->old_count > 0 ? &sets->old[sets->old_count - 1] : NULL;
}

/* IsSaturated */
static bool is_saturated(const ks_object *d, const ks_object *set) {
    int64_t wanted = dep_size(d);
    return set != NULL && dep_size(set) == wanted &&
           dep_annotation(set, K(deployment_kubernetes_io_desired_replicas)) == wanted &&
           ks_count(set->status, K(availableReplicas), 0) == wanted;
}

static int by_size(const ks_object *x, const ks_object *y) {
    int64_t a = dep_size(x), b = dep_size(y);
    return a > b ? -1 : a < b;
}
static int by_size_newer(const void *a, const void *b) {
    int order = by_size(*(const ks_object *const *)a, *(const ks_object *const *)b);
    return order != 0 ? order : dep_by_age(b, a);
}
static int by_size_older(const void *a, const void *b) {
    int order = by_size(*(const ks_object *const *)a, *(const ks_object *const *)b);
    return order != 0 ? order : dep_by_age(a, b);
}

/* num / den to the nearest whole number, halves away from zero; den > 0. */
static int64_t round_ratio(int64_t num, int64_t den) {
    return num >= 0 ? (2 * num + den) / (2 * den) : -((-2 * num + den) / (2 * den));
}

/* getReplicaSetFraction: by how much a set should grow. */
static int64_t fraction(const dep_sync *c, const ks_object *set) {
    int64_t wanted = dep_size(c->d), size = dep_size(set);
    if (wanted == 0) return -size;
    int64_t before = dep_annotation(set, K(deployment_kubernetes_io_max_replicas));
    if (before <= 0) before = ks_count(c->status, K(replicas), 0);
    return before == 0 ? 0
                       : dep_turned(round_ratio(dep_turned(size * dep_most(c->d)), before) - size);
}

/* GetReplicaSetProportion */
static int64_t proportion(const dep_sync *c, const ks_object *set, int64_t to_add, int64_t added) {
    int64_t left = to_add - added;
    if (dep_size(set) == 0 || left == 0) return 0;
    int64_t share = fraction(c, set);
    if (to_add > 0) return share < left ? share : left;
    return share > left ? share : left;
}

static bool scale_proportionally(dep_sync *c, dep_sets *sets) {
    ks_heap *heap = c->heap;
    size_t count = 0, size = (sets->old_count + 1) * sizeof(const ks_object *);
    const ks_object **all = ks_alloc(heap, size);
    int64_t total = 0, wanted = dep_size(c->d);
    for (size_t i = 0; i < sets->old_count; i++)
        if (dep_size(sets->old[i]) > 0) all[count++] = sets->old[i];
    if (sets->fresh != NULL && dep_size(sets->fresh) > 0) all[count++] = sets->fresh;
    for (size_t i = 0; i < count; i++) total += dep_size(all[i]);
    int64_t to_add = dep_turned((wanted > 0 ? dep_most(c->d) : 0) - total), added = 0;
    if (to_add != 0)
        qsort((void *)all, count, sizeof *all, to_add > 0 ? by_size_newer : by_size_older);

    int64_t *sizes = ks_alloc(heap, (count + 1) * sizeof *sizes);
    for (size_t i = 0; i < count; i++) {
        int64_t share = to_add == 0 ? 0 : proportion(c, all[i], to_add, added);
        sizes[i] = dep_turned(dep_size(all[i]) + share);
        added += share;
    }
    if (count > 0 && to_add != 0) {
        sizes[0] = dep_turned(sizes[0] + to_add - added);
        if (sizes[0] < 0) sizes[0] = 0;
    }
    bool fine = true;
    for (size_t i = 0; i < count && fine; i++) {
        fine = dep_scale_set(c, &all[i], sizes[i], true, NULL);
    }
    ks_free(heap, sizes, (count + 1) * sizeof *sizes);
    ks_free(heap, (void *)all, size);
    return fine;
}

bool dep_scale(dep_sync *c, dep_sets *sets) {
    if (sets->fresh == NULL && sets->old_count == 0) return true;
    const ks_object **one = active_or_latest(sets);
    if (one != NULL) {
        const ks_object *set = *one; /* the status is computed from the sets as they were read */
        return dep_scale_set(c, &set, dep_size(c->d), false, NULL);
    }
    if (is_saturated(c->d, sets->fresh)) {
        for (size_t i = 0; i < sets->old_count; i++) {
            const ks_object *set = sets->old[i];
            if (dep_size(set) > 0 && !dep_scale_set(c, &set, 0, false, NULL)) return false;
        }
        return true;
    }
    return !dep_is_rolling(c->d) || scale_proportionally(c, sets);
}

/* --- history --- */

static int by_revision(const void *a, const void *b) {
    int64_t x = dep_revision(*(const ks_object *const *)a),
            y = dep_revision(*(const ks_object *const *)b);
    return x != y ? (x < y ? -1 : 1) : dep_by_age(a, b);
}

static bool is_spent(const ks_object *set) {
    return ks_count(set->status, K(replicas), 0) == 0 && dep_size(set) == 0 &&
           ks_generation(set) <= ks_count(set->status, K(observedGeneration), 0);
}

bool dep_delete_set(ks_sim *sim, const ks_object *set) {
    ks_refusal *refusal =
        ks_server_delete(&sim->server, KS_REPLICASET, set->ns, set->name, NULL, NULL);
    bool fine = refusal == NULL || refusal->code == 404;
    ks_refusal_free(sim->world.heap, refusal);
    return fine;
}

/* Whether this sync has written the set meanwhile: it scaled it up, and the set as it was read is spent. */
static bool was_written(const dep_sync *c, const ks_object *set) {
    for (size_t i = 0; i < c->kept.count; i++)
        if (c->kept.items[i]->id == set->id) return true;
    return false;
}

/* Those who make its pods have begun with a set that was just scaled up before it goes. */
static bool delete_set(dep_sync *c, const ks_object *set) {
    if (!was_written(c, set)) return dep_delete_set(c->sim, set);
    int index = ks_component_index(c->sim, &ks_deployment_controller);
    ks_enqueue(c->sim, index, set->id | DEP_DELETE_SET);
    return true;
}

bool dep_cleanup(dep_sync *c, const dep_sets *sets) {
    ks_val limit = ks_get(c->d->spec, K(revisionHistoryLimit));
    if (!ks_exists(limit) || ks_int_or(limit, 0) == INT32_MAX) return true;
    size_t count = 0, size = (sets->old_count + 1) * sizeof(const ks_object *);
    const ks_object **alive = ks_alloc(c->heap, size);
    for (size_t i = 0; i < sets->old_count; i++)
        if (!ks_object_terminating(sets->old[i])) alive[count++] = sets->old[i];
    int64_t surplus = (int64_t)count - ks_int_or(limit, 0);
    if (surplus > 0) qsort((void *)alive, count, sizeof *alive, by_revision);
    bool fine = true;
    for (int64_t i = 0; i < surplus && fine; i++)
        if (is_spent(alive[i])) fine = delete_set(c, alive[i]);
    ks_free(c->heap, (void *)alive, size);
    return fine;
}
