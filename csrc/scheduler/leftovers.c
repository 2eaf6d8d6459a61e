/*
 * scheduler/leftovers.c - what the scheduler does by the clock: pods that have been unschedulable for long are looked at again, whether
 * anything has happened or not (pkg/scheduler/backend/queue: flushUnschedulablePodsLeftover), and its recorder looks its series through.
 *
 * Mostly nothing comes of it, and it never ends. So nobody waits for it: the scheduler is roused when time passes (ks_rouse_at()).
 * Those that are unschedulable stand in a row as they came. One that leaves from the middle stays in it until it is the first.
 *
 * While there is no node, looks do nothing but count up a series, again and again. They are left out, and made up for when somebody counts.
 */
#include "scheduler/internal.h"

#define FLUSH_PERIOD (30 * KS_SECOND)
#define FLUSH_AGE    (300 * KS_SECOND) /* podMaxInUnschedulablePodsDuration */
#define ALONE_PERIOD                                                                               \
    (11 * KS_SECOND) /* the longest back-off, up to the tick of a second that finds it over */

/* The first tick at which one that has been there since that instant is too old. Of one that came with a tick that is the tenth after it:
 * to the scheduler it is older by then, because each tick comes later after the one before (wait.Until) than a look takes. */
static int64_t flush_at(const ks_sched *st, int64_t since) {
    int64_t age = since + FLUSH_AGE - st->since;
    return st->since + (age + FLUSH_PERIOD - 1) / FLUSH_PERIOD * FLUSH_PERIOD;
}

void ks_sched_wind(ks_sim *sim, const ks_sched *st) {
    int64_t at = st->flush, record = ks_record_due(&sim->server);
    if (record < at) at = record;
    if (st->alone > 0 && ks_record_refresh(&sim->server) < at) at = ks_record_refresh(&sim->server);
    ks_rouse_at(sim, st->index, at);
}

/* The oldest of them, *id; NULL: there is none. What stands before it is taken out of the row. */
static const ks_waiting *oldest(ks_heap *heap, ks_sched *st, uint64_t *id) {
    const ks_ready_key *first;
    while ((first = ks_ready_first(&st->leftovers)) != NULL) {
        const ks_waiting *w = ks_ids_get(&st->waiting, first->key);
        *id = first->key;
        if (w != NULL && w->place == KS_IN_UNSCHEDULABLE && w->queued.b == first->place) return w;
        ks_ready_take(heap, &st->leftovers);
    }
    return NULL;
}

void ks_sched_leftover(ks_sim *sim, ks_sched *st, uint64_t id, ks_waiting *w) {
    w->queued = (ks_key){(uint64_t)sim->world.now, ++st->sequence};
    ks_ready_add(sim->world.heap, &st->leftovers, (ks_ready_key){w->queued.b, id});
    if (st->flush != KS_NEVER) return;
    st->flush = flush_at(st, sim->world.now);
    ks_sched_wind(sim, st);
}

/* Another one may be the oldest. */
static void set_flush(ks_sim *sim, ks_sched *st) {
    uint64_t id;
    const ks_waiting *w = oldest(sim->world.heap, st, &id);
    st->flush = w == NULL ? KS_NEVER : flush_at(st, (int64_t)w->queued.a);
    ks_sched_wind(sim, st);
}

void ks_sched_no_leftover(ks_sim *sim, ks_sched *st, uint64_t id) {
    const ks_ready_key *first = ks_ready_first(&st->leftovers);
    if (first != NULL && first->key == id) set_flush(sim, st);
}

static void flush(ks_sim *sim, ks_sched *st) {
    const ks_waiting *w;
    uint64_t id;
    while ((w = oldest(sim->world.heap, st, &id)) != NULL &&
           sim->world.now - (int64_t)w->queued.a >= FLUSH_AGE) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, id);
        if (pod != NULL)
            ks_sched_queue_release(sim, st, pod);
        else
            ks_sched_queue_remove(sim, st, id);
    }
}

void ks_sched_make_up(ks_sim *sim, uint64_t id, ks_waiting *w) {
    int64_t late = sim->world.now - w->backoff_until;
    if (late < 0) return;
    int64_t times = late / ALONE_PERIOD + 1;
    w->backoff_until += times * ALONE_PERIOD;
    ks_record_more(&sim->server, id, (uint32_t)times, w->backoff_until - ALONE_PERIOD);
}

static void make_up_all(ks_sim *sim, ks_sched *st) {
    ks_ids all = ks_ids_copy(&st->waiting);
    for (ks_ids_iter it = ks_ids_begin(&all); ks_ids_next(&it);)
        if (((const ks_waiting *)it.value)->place == KS_IN_NO_NODES)
            ks_sched_make_up(sim, it.id, ks_sched_waiting_own(sim->world.heap, st, it.id));
    ks_ids_clear(sim->world.heap, &all);
}

void ks_sched_tick(ks_sim *sim, ks_sched *st) {
    if (st->alone > 0) make_up_all(sim, st);
    if (st->alone > 0 || ks_record_due(&sim->server) <= sim->world.now)
        ks_record_look_through(&sim->server);
    if (st->flush <= sim->world.now) flush(sim, st);
    ks_sched_wind(sim, st);
}
