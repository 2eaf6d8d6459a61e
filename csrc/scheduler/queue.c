/*
 * scheduler/queue.c - which pod is looked at next: pkg/scheduler/backend/queue.
 *
 * active: ready pods, by priority, then by when they came or were last found to have no node: a pod that waited goes before one that is new.
 * backoff: pods that may be tried again but were tried lately, by the second in which that is over, then as in active; its head is taken when
 * active is empty. errors: pods whose last look ended in an error; they wait out their backoff. The
 * others sit in `waiting` until an event lets them go, or the clock (leftovers.c).
 */
#include "scheduler/internal.h"
#include "store/naming.h"

enum { SCHEDULE_KEY = 1, MAX_BACKOFF_SECONDS = 10 };
/* After so many looks with nothing to try the series has begun, and the next look's back-off is the longest. */
enum { TOLD_ALL = 4 };
#define CALL_PERIOD (20 * KS_MILLISECOND)

static void waiting_ref(void *value) { ((ks_waiting *)value)->refs++; }
static void waiting_unref(ks_heap *heap, void *value) {
    ks_waiting *w = value;
    if (--w->refs == 0) ks_free(heap, w, sizeof *w);
}
const ks_ids_type ks_sched_waiting_type = {.ref = waiting_ref, .unref = waiting_unref};

static void assumed_ref(void *value) { ((ks_assumed *)value)->refs++; }
static void assumed_unref(ks_heap *heap, void *value) {
    ks_assumed *p = value;
    if (--p->refs > 0) return;
    ks_str_unref(heap, p->node);
    ks_object_unref(heap, p->pod);
    ks_free(heap, p, sizeof *p);
}
const ks_tree_type ks_sched_assumed_type = {NULL, NULL, NULL, assumed_ref, assumed_unref};

int64_t ks_sched_priority(const ks_object *pod) {
    return ks_int_or(ks_get(pod->spec, K(priority)), 0);
}

/* 32 bits: the highest first. */
static uint64_t rank(ks_sched *st, const ks_object *pod) {
    if (pod->kin == 0 || pod->kin != st->ranked.kin) {
        st->ranked.kin = pod->kin;
        st->ranked.priority = ks_sched_priority(pod);
    }
    return (uint64_t)(INT64_C(0x7fffffff) - st->ranked.priority);
}

static void *word(uint64_t id) { return (void *)(uintptr_t)id; }
static uint64_t of_word(const void *value) { return (uint64_t)(uintptr_t)value; }

/* A pod that is new brings a look along, which stands in the row where the pod came: it is looked at before what is then found out
 * about those that came before it. The look is at whichever pod is the first by then. */
static void add_turn(ks_sim *sim, ks_sched *st, uint64_t id) {
    if (ks_enqueue(sim, st->index, id * 2 + 1)) st->turns++;
}

void ks_sched_queue_arm(ks_sim *sim, ks_sched *st, bool at_once) {
    if (st->turns > 0 || st->armed) return;
    if (st->active.count > 0 || st->backoff.count > 0) {
        st->armed = true;
        if (at_once && st->active.count > 0)
            ks_go_on(sim, st->index, SCHEDULE_KEY);
        else
            ks_enqueue(sim, st->index, SCHEDULE_KEY);
        return;
    }
    ks_key first;
    if (ks_tree_first(&st->errors, &first, NULL))
        ks_enqueue_at(sim, st->index, SCHEDULE_KEY, (int64_t)first.a);
}

/* The entry of a waiting pod, this state's own; NULL: it has none. */
static ks_waiting *own_waiting_if(ks_heap *heap, ks_sched *st, uint64_t id) {
    void **slot = st->waiting.count == 0 ? NULL : ks_ids_slot(heap, &st->waiting, id);
    if (slot == NULL) return NULL;
    ks_waiting *w = *slot;
    if (w->refs == 1) return w;
    ks_waiting *copy = ks_alloc(heap, sizeof *copy);
    *copy = *w;
    copy->refs = 1;
    w->refs--;
    *slot = copy;
    return copy;
}

/* The same; made when there is none. */
ks_waiting *ks_sched_waiting_own(ks_heap *heap, ks_sched *st, uint64_t id) {
    ks_waiting *w = own_waiting_if(heap, st, id);
    if (w != NULL) return w;
    w = ks_alloc_zero(heap, sizeof *w);
    w->refs = 1;
    ks_ids_put(heap, &st->waiting, id, w);
    return w;
}

static void count_plugins(ks_sched *st, uint32_t plugins, int sign) {
    for (int p = 0; plugins >> p != 0; p++) {
        if (!(plugins >> p & 1U)) continue;
        st->waiting_for[p] = (uint32_t)((int)st->waiting_for[p] + sign);
        uint32_t bit = 1U << p;
        st->awaited = st->waiting_for[p] > 0 ? st->awaited | bit : st->awaited & ~bit;
    }
}

/* Takes a pod out of the place where it waits. True: it was unschedulable, and once that is not said of it any more,
 * ks_sched_no_leftover() is to be called. */
static bool leave(ks_sim *sim, ks_sched *st, uint64_t id, const ks_waiting *w) {
    ks_heap *heap = sim->world.heap;
    switch (w->place) {
    case KS_IN_ACTIVE: ks_tree_del(heap, &st->active, w->queued); break;
    case KS_IN_BACKOFF: ks_tree_del(heap, &st->backoff, w->queued); break;
    case KS_IN_ERROR_BACKOFF: ks_tree_del(heap, &st->errors, w->queued); break;
    case KS_IN_UNSCHEDULABLE:
        count_plugins(st, w->plugins, -1);
        ks_ids_del(heap, &st->refused, id);
        return true;
    case KS_IN_NO_NODES:
        st->alone--;
        ks_sched_wind(sim, st);
        break;
    case KS_IN_GATED: break;
    }
    return false;
}

/* PreEnqueue: gates, and ResourceClaims, of which there are none (controllers/resourceclaim.c). */
static bool gated(const ks_object *pod) {
    return pod->wants_devices || ks_len(ks_get(pod->spec, K(schedulingGates))) > 0;
}

void ks_sched_queue_add(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    if (gated(pod)) {
        ks_waiting *w = ks_sched_waiting_own(heap, st, pod->id);
        w->place = KS_IN_GATED;
        w->queued.b = ++st->sequence;
        return;
    }
    ks_ids_del(heap, &st->waiting, pod->id);
    ks_tree_put(heap, &st->active, (ks_key){rank(st, pod), ++st->sequence}, word(pod->id));
    add_turn(sim, st, pod->id);
}

void ks_sched_queue_remove(ks_sim *sim, ks_sched *st, uint64_t id) {
    ks_heap *heap = sim->world.heap;
    if (ks_ids_get(&st->waiting, id) == NULL) return;
    ks_waiting *w = ks_sched_waiting_own(heap, st, id);
    if (w->place == KS_IN_NO_NODES) ks_sched_make_up(sim, id, w);
    bool leftover = leave(sim, st, id, w);
    ks_ids_del(heap, &st->waiting, id);
    if (leftover) ks_sched_no_leftover(sim, st, id);
}

uint64_t ks_sched_queue_head(const ks_sched *st) {
    void *id;
    if (ks_tree_first(&st->active, NULL, &id) || ks_tree_first(&st->backoff, NULL, &id) ||
        ks_tree_first(&st->errors, NULL, &id))
        return of_word(id);
    return 0;
}

uint64_t ks_sched_queue_pop(ks_sim *sim, ks_sched *st) {
    ks_heap *heap = sim->world.heap;
    ks_key key;
    void *id;
    ks_tree *from = &st->active;
    if (!ks_tree_first(from, &key, &id)) {
        from = &st->errors;
        if (!ks_tree_first(from, &key, &id) || (int64_t)key.a > sim->world.now) {
            from = &st->backoff;
            if (!ks_tree_first(from, &key, &id)) return 0;
        }
    }
    ks_tree_take_first(heap, from);
    ks_waiting *w = own_waiting_if(heap, st, of_word(id));
    if (w != NULL) w->place = KS_IN_GATED; /* in hand: in no queue */
    return of_word(id);
}

/* backoff_queue.go: calculateBackoffDuration, isPodBackingoff: it ends with the second in which the time is over. */
static int64_t backoff_until(const ks_sim *sim, const ks_waiting *w) {
    uint32_t n = w->error_count > 0 ? w->error_count : w->unschedulable_count;
    int64_t seconds = n == 0 ? 0 : n > 4 ? MAX_BACKOFF_SECONDS : INT64_C(1) << (n - 1);
    return (sim->world.now / KS_SECOND + seconds + 1) * KS_SECOND;
}

void ks_sched_queue_failed(ks_sim *sim, ks_sched *st, const ks_object *pod, uint32_t plugins) {
    ks_heap *heap = sim->world.heap;
    ks_waiting *w = ks_sched_waiting_own(heap, st, pod->id);
    w->plugins = plugins;
    if (plugins == 0) {
        w->error_count++;
        w->place = KS_IN_ERROR_BACKOFF;
        w->backoff_until = backoff_until(sim, w);
        w->alone = st->nodes->count == 0 ? w->alone + 1 : 0;
        if (w->alone >= TOLD_ALL) {
            w->place = KS_IN_NO_NODES; /* further looks would say nothing new */
            st->alone++;
            return;
        }
        w->queued = (ks_key){(uint64_t)w->backoff_until, ++st->sequence};
        ks_tree_put(heap, &st->errors, w->queued, word(pod->id));
        ks_sched_queue_arm(sim, st, false);
        return;
    }
    w->error_count = w->alone = 0;
    w->unschedulable_count++;
    w->backoff_until = backoff_until(sim, w);
    w->place = KS_IN_UNSCHEDULABLE;
    ks_ids_put(heap, &st->refused, pod->id, word(1));
    count_plugins(st, plugins, 1);
    ks_sched_leftover(sim, st, pod->id, w);
}

/* A pod that has no node to try is looked at as any other in error backoff. */
static void renew(ks_sim *sim, ks_sched *st, uint64_t id) {
    ks_heap *heap = sim->world.heap;
    ks_waiting *w = ks_sched_waiting_own(heap, st, id);
    ks_sched_make_up(sim, id, w);
    leave(sim, st, id, w);
    w->alone = 0;
    w->place = KS_IN_ERROR_BACKOFF;
    w->queued = (ks_key){(uint64_t)w->backoff_until, ++st->sequence};
    ks_tree_put(heap, &st->errors, w->queued, word(id));
    ks_sched_queue_arm(sim, st, false);
}

void ks_sched_queue_changed(ks_sim *sim, ks_sched *st, uint64_t id) {
    const ks_waiting *w = ks_ids_get(&st->waiting, id);
    if (w == NULL || w->alone == 0) return;
    if (w->place == KS_IN_NO_NODES)
        renew(sim, st, id);
    else
        ks_sched_waiting_own(sim->world.heap, st, id)->alone = 0;
}

void ks_sched_queue_first_node(ks_sim *sim, ks_sched *st) {
    ks_ids all = ks_ids_copy(&st->waiting);
    for (ks_ids_iter it = ks_ids_begin(&all); ks_ids_next(&it);)
        if (((const ks_waiting *)it.value)->place == KS_IN_NO_NODES) renew(sim, st, it.id);
    ks_ids_clear(sim->world.heap, &all);
}

/* An event lets the pod go. */
static void release(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_waiting *w = ks_sched_waiting_own(heap, st, pod->id);
    bool leftover = leave(sim, st, pod->id, w);
    w->queued.a = rank(st, pod);
    if (w->backoff_until > sim->world.now) {
        w->queued.a |= (uint64_t)(w->backoff_until / KS_SECOND) << 32;
        w->place = KS_IN_BACKOFF;
        ks_tree_put(heap, &st->backoff, w->queued, word(pod->id));
    } else {
        w->place = KS_IN_ACTIVE;
        ks_tree_put(heap, &st->active, w->queued, word(pod->id));
    }
    if (leftover) ks_sched_no_leftover(sim, st, pod->id);
}

void ks_sched_queue_ungated(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    if (!gated(pod)) ks_sched_queue_release(sim, st, pod);
}

void ks_sched_queue_release(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    release(sim, st, pod);
    ks_sched_queue_arm(sim, st, false);
}

void ks_sched_queue_activate(ks_sim *sim, ks_sched *st, uint64_t id) {
    ks_heap *heap = sim->world.heap;
    const ks_waiting *known = ks_ids_get(&st->waiting, id);
    const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, id);
    if (known == NULL || pod == NULL ||
        (known->place != KS_IN_UNSCHEDULABLE && known->place != KS_IN_BACKOFF))
        return;
    ks_waiting *w = ks_sched_waiting_own(heap, st, id);
    bool leftover = leave(sim, st, id, w);
    if (sim->world.now < w->active_after) {
        w->place = KS_IN_ERROR_BACKOFF;
        w->queued = (ks_key){(uint64_t)w->active_after, ++st->sequence};
        ks_tree_put(heap, &st->errors, w->queued, word(id));
        w->active_after += CALL_PERIOD;
    } else {
        w->place = KS_IN_ACTIVE;
        w->queued.a = rank(st, pod);
        ks_tree_put(heap, &st->active, w->queued, word(id));
        w->active_after = sim->world.now + CALL_PERIOD;
    }
    if (leftover) ks_sched_no_leftover(sim, st, id);
    ks_sched_queue_arm(sim, st, false);
}

bool ks_sched_queue_has_fresh(const ks_sched *st, uint64_t id) {
    for (ks_tree_iter it = ks_tree_begin(&st->active); ks_tree_next(&it);)
        if (of_word(it.value) == id) return true;
    return false;
}

/* Lets a pod go that one of `plugins` refused, if `hint` has it (NULL: it has). */
static void wake(ks_sim *sim, ks_sched *st, const ks_object *pod, uint32_t plugins,
                 ks_sched_hint hint, const ks_change *change) {
    const ks_waiting *w = ks_ids_get(&st->waiting, pod->id);
    uint32_t asked = w->plugins & plugins;
    if (asked == 0 || pod->node != NULL) return;
    bool go = hint == NULL;
    for (int p = 0; p < KS_PLUGIN_COUNT && !go; p++)
        go = (asked >> p & 1U) != 0 && hint(sim, st, pod, (ks_plugin)p, change);
    if (go) release(sim, st, pod);
}

void ks_sched_queue_wake(ks_sim *sim, ks_sched *st, uint32_t plugins, ks_sched_hint hint,
                         const ks_change *change) {
    if ((plugins & st->awaited) == 0) return;
    ks_ids all = ks_ids_copy(&st->refused);
    for (ks_ids_iter it = ks_ids_begin(&all); ks_ids_next(&it);) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, it.id);
        if (pod != NULL) wake(sim, st, pod, plugins, hint, change);
    }
    ks_ids_clear(sim->world.heap, &all);
    ks_sched_queue_arm(sim, st, false);
}

void ks_sched_queue_wake_users(ks_sim *sim, ks_sched *st, uint32_t plugins,
                               const ks_object *claim) {
    if ((plugins & st->awaited) == 0) return;
    for (ks_namers n = ks_store_naming_it(ks_view(sim), KS_POD, claim); ks_namers_next(&n);)
        if (ks_ids_get(&st->refused, n.object->id) != NULL)
            wake(sim, st, n.object, plugins, NULL, NULL);
    ks_sched_queue_arm(sim, st, false);
}
