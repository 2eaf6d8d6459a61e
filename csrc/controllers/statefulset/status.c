/*
 * controllers/statefulset/status.c - the status: stateful_set_utils.go: completeRollingUpdate, inconsistentStatus;
 * stateful_set_status_updater.go.
 */
#include "controllers/statefulset/internal.h"

#include <string.h>

static bool is_complete(const sts_sync *c) {
    int64_t wanted = ks_count(c->set->spec, K(replicas), 1);
    return strcmp(sts_strategy(c->set), "RollingUpdate") == 0 && c->updated_replicas == wanted &&
           c->ready == wanted && c->replicas == wanted;
}

static bool is_named(ks_val text, const ks_str *name) {
    return ks_str_eq(ks_str_or_null(text), name);
}

static bool unchanged(const sts_sync *c, const ks_str *current) {
    ks_val s = c->set->status;
    return ks_generation(c->set) <= ks_count(s, K(observedGeneration), 0) &&
           ks_count(s, K(replicas), 0) == c->replicas &&
           ks_count(s, K(readyReplicas), 0) == c->ready &&
           ks_count(s, K(availableReplicas), 0) == c->available &&
           ks_count(s, K(currentReplicas), 0) == c->current_replicas &&
           ks_count(s, K(updatedReplicas), 0) == c->updated_replicas &&
           is_named(ks_get(s, K(currentRevision)), current) &&
           is_named(ks_get(s, K(updateRevision)), c->update->name);
}

bool sts_write_status(sts_sync *c) {
    ks_heap *heap = c->heap;
    const ks_str *current = c->current->name;
    if (is_complete(c)) {
        c->current_replicas = c->updated_replicas;
        current = c->update->name;
    }
    if (unchanged(c, current)) return true;
    /* a conflict is answered by another look into the same cache: an old one fails */
    const ks_object *now = ks_store_by_id(ks_view(c->sim), KS_STATEFULSET, c->set->id);
    const ks_object *written = NULL;
    if (now == NULL) return false;
    ks_val s = ks_map_of(heap, K(replicas), ks_int(c->replicas), K(availableReplicas),
                         ks_int(c->available), K(collisionCount), ks_int(c->collisions),
                         K(currentRevision), ks_string(current), K(updateRevision),
                         ks_string(c->update->name), NULL);
    s = ks_put_count(heap, s, K(observedGeneration), ks_generation(c->set));
    s = ks_put_count(heap, s, K(readyReplicas), c->ready);
    s = ks_put_count(heap, s, K(currentReplicas), c->current_replicas);
    s = ks_put_count(heap, s, K(updatedReplicas), c->updated_replicas);
    ks_refusal *refusal = ks_server_update_status(&c->sim->server, now, s, &written);
    if (refusal == NULL) {
        c->e->wrote_set = written->version;
        ks_object_unref(heap, written);
        return true;
    }
    ks_refusal_free(heap, refusal);
    return false;
}
