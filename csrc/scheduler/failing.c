/*
 * scheduler/failing.c - what is told of a pod that could not be placed or bound, and that it is tried again: pkg/scheduler/schedule_one.go:
 * handleSchedulingFailure. Called by scheduler.c for looks that found no node, and by binding.c.
 */
#include "scheduler/internal.h"

#include <string.h>

enum { NOTE_LIMIT = 1024 };

static bool same_failure(ks_val condition, const char *reason, const ks_str *message) {
    return ks_text_is(ks_get(condition, K(status)), "False") &&
           ks_text_is(ks_get(condition, K(reason)), reason) &&
           ks_str_eq(ks_str_or_null(ks_get(condition, K(message))), message);
}

/* The same text, if it is what has been told last, else that: pods that fail alike share it, and in one second their status (`failed`).
 * Takes over `message`. */
static const ks_str *told(ks_sim *sim, ks_sched *st, const ks_str *message) {
    ks_heap *heap = sim->world.heap;
    ks_val now = ks_time_val(&sim->world, sim->world.now);
    if (!ks_identical(st->told_at, now)) ks_alike_clear(heap, &st->failed);
    ks_unref(heap, st->told_at);
    st->told_at = now;
    if (st->told != NULL && ks_str_eq(st->told, message)) {
        ks_str_unref(heap, message);
        return ks_str_ref(st->told);
    }
    ks_str_unref(heap, st->told);
    st->told = ks_str_ref(message);
    return message;
}

/* What a strategic merge patch that makes `made` (taken over) of `known` makes of `there`: only what differs is in it. */
static ks_val patched_condition(ks_heap *heap, ks_val known, ks_val made, ks_val there) {
    if (ks_equal(known, there)) return made;
    ks_val out = ks_exists(there) ? ks_ref(there)
                                  : ks_map_of(heap, K(type), ks_ref(ks_get(made, K(type))), NULL);
    for (uint32_t i = 0; i < ks_len(made); i++) {
        const ks_pair *p = ks_pair_at(made, i);
        if (!ks_equal(ks_get(known, p->key), p->val))
            out = ks_put(heap, out, p->key, ks_ref(p->val));
    }
    for (uint32_t i = 0; i < ks_len(known); i++) {
        const ks_str *key = ks_pair_at(known, i)->key;
        if (!ks_exists(ks_get(made, key))) out = ks_drop(heap, out, key);
    }
    ks_unref(heap, made);
    return out;
}

/* A list of conditions with that one in it, in place of what it had of the type: a new reference. `made` is taken over. */
static ks_val with_condition(ks_heap *heap, ks_val conditions, ks_val made) {
    ks_val list = ks_list_new(heap, ks_len(conditions) + 1);
    bool there = false;
    ks_each(condition, conditions) {
        bool same = ks_text_is(ks_get(*condition, K(type)), "PodScheduled");
        there = there || same;
        list = ks_append(heap, list, ks_ref(same ? made : *condition));
    }
    if (!there) list = ks_append(heap, list, ks_ref(made));
    ks_unref(heap, made);
    return list;
}

/* The condition of a pod that could not be placed; `old`: the one that it has. */
static ks_val failure(ks_sim *sim, ks_val old, const char *reason, const ks_str *message,
                      ks_val generation) {
    ks_heap *heap = sim->world.heap;
    ks_val since = ks_text_is(ks_get(old, K(status)), "False")
                       ? ks_ref(ks_get(old, K(lastTransitionTime)))
                       : ks_time_val(&sim->world, sim->world.now);
    return ks_map_of(heap, K(lastProbeTime), ks_null(), K(lastTransitionTime), since, K(message),
                     ks_string(message), K(observedGeneration), ks_ref(generation), K(reason),
                     ks_text(heap, reason), K(status), ks_string(K(False)), K(type),
                     ks_string(K(PodScheduled)), NULL);
}

/* The PodScheduled condition, and the nominated node when `nominate`, of a pod as it is known. Whether that was news, for which the API
 * server is asked. */
static bool patch_status(ks_sim *sim, ks_sched *st, const ks_object *pod, const char *reason,
                         const ks_str *message, bool nominate, const ks_str *nominated) {
    ks_heap *heap = sim->world.heap;
    const ks_object *newest = ks_sched_patched(sim, pod);
    if (newest == NULL) return true;
    ks_val text = {.type = KS_STRING, .s = message}, generation = ks_get(pod->meta, K(generation));
    bool alone = nominate || newest != pod;
    ks_val alike = alone ? KS_NOTHING : ks_alike_get(&st->failed, pod->status, text, generation);
    if (ks_exists(alike)) {
        ks_refusal_free(heap, ks_server_update_status(&sim->server, pod, alike, NULL));
        return true;
    }
    ks_val old = ks_condition_of(pod->status, "PodScheduled");
    bool same = same_failure(old, reason, message) &&
                ks_equal(ks_get(old, K(observedGeneration)), generation);
    const ks_str *now = ks_str_or_null(ks_get(pod->status, K(nominatedNodeName)));
    if (!nominate) nominated = now;
    if (same && ks_str_eq(now, nominated)) return false;
    ks_val status = ks_ref(newest->status);
    if (!same) {
        ks_val made = patched_condition(heap, old, failure(sim, old, reason, message, generation),
                                        ks_condition_of(status, "PodScheduled"));
        status = ks_put(heap, status, K(conditions),
                        with_condition(heap, ks_get(newest->status, K(conditions)), made));
    }
    if (!ks_str_eq(now, nominated))
        status = ks_put(heap, status, K(nominatedNodeName),
                        nominated == NULL ? KS_NOTHING : ks_string(nominated));
    if (!alone) ks_alike_put(heap, &st->failed, pod->status, text, generation, status);
    ks_refusal_free(heap, ks_server_update_status(&sim->server, newest, status, NULL));
    return true;
}

void ks_sched_record_failure(ks_sim *sim, const ks_sched *st, const ks_object *pod,
                             const ks_str *profile, const ks_str *message) {
    ks_event e = {
        .type = "Warning", .reason = "FailedScheduling", .by = profile, .action = "Scheduling"};
    if (message->len > NOTE_LIMIT)
        ks_record(&sim->server, pod, &e, "%.*s ...", NOTE_LIMIT - 4, message->s);
    else
        ks_record_parts(&sim->server, pod, &e, "%s", message);
    ks_sched_wind(sim, st);
}

/* The pod as what is told of it is compared with, a new reference: as the view has it where it waits for a node there, and then it is
 * tried again (`plugins` as below), and counts where it is nominated; else, and up to 1.35, as it was looked at. NULL: another one waits
 * under its name by now. */
static const ks_object *requeue(ks_cycle *c, uint32_t plugins) {
    const ks_store *view = ks_view(c->sim);
    const ks_object *now = ks_store_by_id(view, KS_POD, c->pod->id);
    if (now == NULL) {
        const ks_object *other = ks_store_get(view, KS_POD, c->pod->ns, c->pod->name);
        return other != NULL && other->node == NULL ? NULL : ks_object_ref(c->pod);
    }
    if (now->node != NULL) return ks_object_ref(c->pod);
    ks_sched_queue_failed(c->sim, c->st, now, plugins);
    if (c->renominated) ks_sched_nominate(c->sim, c->st, now, c->nominated);
    bool newest = ks_since(&c->sim->server.rules, KS_SINCE_FAILURES_OF_THE_NEWEST);
    return ks_object_ref(newest ? now : c->pod);
}

bool ks_sched_fail(ks_cycle *c, const char *reason, const ks_str *message, uint32_t plugins) {
    ks_sim *sim = c->sim;
    ks_heap *heap = sim->world.heap;
    bool asked = false;
    message = told(sim, c->st, message);
    const ks_object *pod = requeue(c, plugins);
    if (pod != NULL) {
        ks_sched_record_failure(sim, c->st, pod, c->rules->scheduler, message);
        asked = patch_status(sim, c->st, pod, reason, message, c->renominated, c->nominated);
    }
    ks_object_unref(heap, pod);
    ks_str_unref(heap, message);
    return asked;
}

void ks_sched_clear_nominated(ks_cycle *c) {
    ks_str_unref(c->sim->world.heap, c->nominated);
    c->nominated = NULL;
    c->renominated = true;
}
