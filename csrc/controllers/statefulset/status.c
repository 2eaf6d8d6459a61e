/*
 * controllers/statefulset/status.c - the status: stateful_set_utils.go: completeRollingUpdate, inconsistentStatus;
 * stateful_set_status_updater.go.
 */
#include "controllers/statefulset/internal.h"

#include <string.h>

static bool is_complete(const sts_sync *c) {
    if (c->updated_replicas != c->ready || c->ready != c->replicas) return false;
    return c->ready == ks_count(c->set->spec, K(replicas), 1) &&
           strcmp(sts_strategy(c->set), "RollingUpdate") == 0;
}

enum { PARTS = 9 };

/* What the status is to say, in key order, with borrowed texts. */
static void list_parts(const sts_sync *c, const ks_str *current, ks_pair out[PARTS]) {
    const ks_pair parts[PARTS] = {
        {K(availableReplicas), ks_int(c->available)},
        {K(collisionCount), ks_int(c->collisions)},
        {K(currentReplicas), ks_int(c->current_replicas)},
        {K(currentRevision), {.type = KS_STRING, .s = current}},
        {K(observedGeneration), ks_int(ks_generation(c->set))},
        {K(readyReplicas), ks_int(c->ready)},
        {K(replicas), ks_int(c->replicas)},
        {K(updateRevision), {.type = KS_STRING, .s = c->update->name}},
        {K(updatedReplicas), ks_int(c->updated_replicas)},
    };
    memcpy(out, parts, sizeof parts);
}

/* Go's omitempty */
static bool is_left_out(const ks_pair *part) {
    return part->val.type == KS_INT && part->val.i == 0 && part->key != K(availableReplicas) &&
           part->key != K(collisionCount) && part->key != K(replicas);
}

static bool same_part(const ks_pair *part, ks_val there) {
    if (part->key == K(collisionCount)) return true;
    if (part->key == K(observedGeneration)) return part->val.i <= ks_int_or(there, 0);
    if (part->val.type == KS_STRING) return ks_str_eq(ks_str_or_null(there), part->val.s);
    return ks_int_or(there, 0) == part->val.i;
}

/* inconsistentStatus: the parts mostly stand in the status just as they are listed. */
static bool unchanged(ks_val status, const ks_pair parts[PARTS]) {
    for (uint32_t i = 0, at = 0; i < PARTS; i++) {
        const ks_pair *there = at < ks_len(status) ? ks_pair_at(status, at) : NULL;
        bool found = there != NULL && there->key == parts[i].key;
        if (!same_part(&parts[i], found ? there->val : ks_get(status, parts[i].key))) return false;
        at += found;
    }
    return true;
}

static ks_val build(ks_heap *heap, const ks_pair parts[PARTS]) {
    ks_val s = ks_map_new(heap, PARTS);
    for (uint32_t i = 0; i < PARTS; i++)
        if (!is_left_out(&parts[i])) ks_map_push(heap, &s, parts[i].key, ks_ref(parts[i].val));
    return s;
}

bool sts_write_status(sts_sync *c) {
    ks_heap *heap = c->heap;
    const ks_str *current = c->current->name;
    ks_pair parts[PARTS];
    if (is_complete(c)) {
        c->current_replicas = c->updated_replicas;
        current = c->update->name;
    }
    list_parts(c, current, parts);
    if (unchanged(c->set->status, parts)) return true;
    /* less one for a pod of neither revision: the server refuses it */
    if (c->current_replicas < 0) return false;
    /* a conflict is answered by another look into the same cache: an old one fails */
    const ks_object *now = ks_store_by_id(ks_view(c->sim), KS_STATEFULSET, c->set->id);
    const ks_object *written = NULL;
    if (now == NULL) return false;
    ks_refusal *refusal =
        ks_server_update_status(&c->sim->server, now, build(heap, parts), &written);
    if (refusal == NULL) {
        c->e->wrote_set = written->version;
        ks_object_unref(heap, written);
        return true;
    }
    ks_refusal_free(heap, refusal);
    return false;
}
