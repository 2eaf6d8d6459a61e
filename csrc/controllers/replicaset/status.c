/*
 * controllers/replicaset/status.c - the status: pkg/controller/replicaset/replica_set_utils.go.
 */
#include "controllers/replicaset/internal.h"

static bool has_failure(const ks_object *rs) {
    return ks_exists(ks_condition_of(rs->status, "ReplicaFailure"));
}

/* calculateStatus: the condition is there while replicas cannot be managed, and keeps its first text. */
static ks_val conditions(ks_sim *sim, const ks_object *rs, const rs_counts *counts,
                         const ks_str *error) {
    ks_heap *heap = sim->world.heap;
    ks_val list = ks_ref(ks_get(rs->status, K(conditions)));
    bool failed = has_failure(rs);
    if ((error != NULL) == failed) return list;
    if (failed) {
        for (uint32_t i = ks_len(list); i-- > 0;)
            if (ks_text_is(ks_get(ks_at(list, i), K(type)), "ReplicaFailure"))
                list = ks_remove_at(heap, list, i);
        if (ks_len(list) > 0) return list;
        ks_unref(heap, list);
        return KS_NOTHING;
    }
    bool few = counts->active < ks_count(rs->spec, K(replicas), 1);
    ks_val condition = ks_map_of(
        heap, K(type), ks_text(heap, "ReplicaFailure"), K(status), ks_text(heap, "True"),
        K(lastTransitionTime), ks_time_val(&sim->world, sim->world.now), K(reason),
        ks_text(heap, few ? "FailedCreate" : "FailedDelete"), K(message), ks_string(error), NULL);
    return ks_append(heap, list, condition);
}

static bool unchanged(const ks_object *rs, const rs_counts *counts, bool shows) {
    ks_val s = rs->status;
    if (shows && ks_count(s, K(terminatingReplicas), -1) != counts->terminating) return false;
    return ks_count(s, K(replicas), 0) == counts->active &&
           ks_count(s, K(fullyLabeledReplicas), 0) == counts->labelled &&
           ks_count(s, K(readyReplicas), 0) == counts->ready &&
           ks_count(s, K(availableReplicas), 0) == counts->available &&
           ks_count(s, K(observedGeneration), 0) == ks_generation(rs);
}

static ks_val build(ks_sim *sim, const ks_object *rs, const rs_counts *counts, bool shows,
                    const ks_str *error) {
    ks_heap *heap = sim->world.heap;
    ks_val s = ks_map_of(heap, K(replicas), ks_int(counts->active), K(conditions),
                         conditions(sim, rs, counts, error), NULL);
    s = ks_put_count(heap, s, K(fullyLabeledReplicas), counts->labelled);
    s = ks_put_count(heap, s, K(readyReplicas), counts->ready);
    s = ks_put_count(heap, s, K(availableReplicas), counts->available);
    s = ks_put_count(heap, s, K(observedGeneration), ks_generation(rs));
    if (shows) s = ks_put(heap, s, K(terminatingReplicas), ks_int(counts->terminating));
    return s;
}

bool rs_write_status(ks_sim *sim, rs_entry *e, const ks_object *rs, const rs_counts *counts,
                     const ks_str *error) {
    bool shows = sim->server.rules.terminating_replicas;
    if (has_failure(rs) == (error != NULL) && unchanged(rs, counts, shows)) return true;
    ks_val status = build(sim, rs, counts, shows, error);
    const ks_object *now = NULL, *set = rs;
    ks_refusal *refusal = ks_server_update_status(&sim->server, set, ks_ref(status), &now);
    if (refusal !=
        NULL) { /* once more, on the newest version: the first attempt may have been made on an old one */
        ks_refusal_free(sim->world.heap, refusal);
        set = ks_store_by_id(&sim->server.store, KS_REPLICASET, rs->id);
        if (set == NULL) {
            ks_unref(sim->world.heap, status);
            return false;
        }
        refusal = ks_server_update_status(&sim->server, set, ks_ref(status), &now);
    }
    ks_unref(sim->world.heap, status);
    if (refusal == NULL) e->wrote_set = now->version;
    ks_object_unref(sim->world.heap, now);
    bool fine = refusal == NULL;
    if (!fine) ks_refusal_free(sim->world.heap, refusal);
    return fine;
}
