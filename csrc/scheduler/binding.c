/*
 * scheduler/binding.c - what becomes of a pod that has been given a node: it counts there, its claims are bound (PreBind), it is bound; and
 * what follows where that fails (pkg/scheduler/schedule_one.go: assume, bindingCycle, handleBindingCycleError). Called by scheduler.c
 * with pods that found a node and for those that wait for their volumes, by preemption.c to call a binding off.
 */
#include "scheduler/internal.h"
#include "store/naming.h"

enum { BIND_TIMEOUT_SECONDS = 600 };

/* --- what is assumed --- */

ks_guests ks_sched_guests(const ks_sched *st, const ks_str *node) {
    uint64_t word = ks_sched_node_word(node);
    return (ks_guests){st, node, word, ks_tree_from(&st->guests, (ks_key){word, 0})};
}

const ks_assumed *ks_sched_next_guest(ks_guests *g) {
    while (ks_tree_next(&g->it) && g->it.key.a == g->word) {
        const ks_assumed *assumed = ks_sched_assumed(g->st, g->it.key.b);
        if (ks_str_eq(assumed->node, g->node)) return assumed;
    }
    return NULL;
}

const ks_object *ks_sched_end_assumption(ks_sim *sim, ks_sched *st, uint64_t id) {
    const ks_assumed *assumed = ks_sched_assumed(st, id);
    if (assumed == NULL) return NULL;
    const ks_object *counted = ks_object_ref(assumed->pod);
    ks_tree_del(sim->world.heap, &st->guests, (ks_key){ks_sched_node_word(assumed->node), id});
    ks_tree_del(sim->world.heap, &st->assumed, (ks_key){0, id});
    return counted;
}

bool ks_sched_forget(ks_sim *sim, ks_sched *st, uint64_t id) {
    ks_heap *heap = sim->world.heap;
    const ks_assumed *assumed = ks_sched_assumed(st, id);
    if (assumed == NULL) return false;
    const ks_str *node = ks_str_ref(assumed->node);
    const ks_object *counted = ks_sched_end_assumption(sim, st, id);
    st->mark = ++st->sequence;
    ks_sched_account_by_name(sim, st, counted, node, -1);
    ks_sched_pairs_account(heap, st, counted, -1);
    ks_object_unref(heap, counted);
    ks_str_unref(heap, node);
    return true;
}

/* The pod counts on its node from now on. */
static void assume(ks_cycle *c, const ks_str *node) {
    ks_heap *heap = c->sim->world.heap;
    ks_sched *st = c->st;
    ks_assumed *a = ks_alloc(heap, sizeof *a);
    *a = (ks_assumed){.refs = 1, .node = ks_str_ref(node), .pod = ks_object_ref(c->pod)};
    ks_tree_put(heap, &st->assumed, (ks_key){0, c->pod->id}, a);
    ks_tree_put(heap, &st->guests, (ks_key){ks_sched_node_word(node), c->pod->id}, (void *)1);
    ks_sched_nominate(c->sim, st, c->pod, NULL);
    st->mark = ++st->sequence;
    ks_sched_pairs_account(heap, st, c->pod, 1);
    ks_sched_account_by_name(c->sim, st, c->pod, node, 1);
}

/* --- failing --- */

/* handleBindingCycleError: what was assumed is forgotten, which is to other pods as if this one had been deleted from its node. `held`:
 * it counts there, though that is not written down. Takes over `message`. */
static void fail_binding(ks_cycle *c, const ks_str *message, bool held) {
    ks_sched_clear_nominated(c);
    if (ks_sched_forget(c->sim, c->st, c->pod->id) || held) {
        const ks_change gone = {.refs = 1, .type = KS_DELETED, .object = c->pod};
        ks_sched_hint_gone(c->sim, c->st, &gone);
    }
    ks_sched_fail(c, "SchedulerError", message, 0);
}

static void fail_prebind(ks_cycle *c, const char *why) {
    const char *format = "running PreBind plugin \"VolumeBinding\": %s";
    fail_binding(c, ks_str_printf(c->sim->world.heap, format, why), false);
}

/* --- Bind --- */

static void record_scheduled(ks_sim *sim, const ks_object *pod, const ks_str *node) {
    const ks_str *profile = ks_str_or_null(ks_get(pod->spec, K(schedulerName)));
    ks_event e = {.type = "Normal",
                  .reason = "Scheduled",
                  .component = "default-scheduler",
                  .by = profile,
                  .action = "Binding"};
    ks_record_parts(&sim->server, pod, &e, "Successfully assigned %s/%s to %s", pod->ns, pod->name,
                    node);
}

/* Binds a pod. NULL, or what was wrong. */
static ks_refusal *bind(ks_sim *sim, ks_sched *st, const ks_object *pod, const ks_str *node) {
    ks_refusal *refusal = ks_server_bind(&sim->server, pod, node);
    if (refusal != NULL) return refusal;
    record_scheduled(sim, pod, node);
    ks_sched_queue_remove(sim, st, pod->id);
    return NULL;
}

static void fail_bind(ks_cycle *c, ks_refusal *refusal, bool held) {
    ks_heap *heap = c->sim->world.heap;
    const ks_str *message =
        ks_str_printf(heap, "running Bind plugin \"DefaultBinder\": %s", refusal->message->s);
    ks_refusal_free(heap, refusal);
    fail_binding(c, message, held);
}

/* A pod without claims to be bound. */
static void bind_at_once(ks_cycle *c, const ks_str *node) {
    ks_sim *sim = c->sim;
    bool late = ks_view_is_late(sim); /* else the view shows it as soon as it is bound */
    if (late) assume(c, node);
    c->st->placing.pod = c->pod->id;
    c->st->placing.class = c->st->last_class;
    ks_refusal *refusal = bind(sim, c->st, c->pod, node);
    c->st->placing.pod = 0;
    if (refusal == NULL) return;
    const ks_object *now = ks_store_by_id(ks_view(sim), KS_POD, c->pod->id);
    fail_bind(c, refusal, !late && now != NULL && now->node == NULL);
}

/* --- PreBind --- */

/* Says where a pod is going to be that waits for its volumes. */
static void nominate(ks_cycle *c, const ks_str *node) {
    ks_sim *sim = c->sim;
    ks_heap *heap = sim->world.heap;
    if (!ks_since(&sim->server.rules, KS_SINCE_NOMINATION_BEFORE_BINDING) ||
        ks_str_eq(ks_str_or_null(ks_get(c->pod->status, K(nominatedNodeName))), node))
        return;
    const ks_object *newest = ks_sched_patched(sim, c->pod);
    if (newest == NULL) return;
    ks_val status = ks_put(heap, ks_ref(newest->status), K(nominatedNodeName), ks_string(node));
    ks_refusal_free(heap, ks_server_update_status(&sim->server, newest, status, NULL));
}

static int64_t deadline_of(const ks_binding *b) {
    return b->since + BIND_TIMEOUT_SECONDS * KS_SECOND;
}

/* Looked at again in a second; with the kubelet played by hand, as soon as something happens to what it waits for. */
static void wait_on(ks_sim *sim, ks_sched *st, const ks_binding *b) {
    ks_enqueue_at(sim, st->index, b->pod->id * 2,
                  sim->settings->manual_kubelet ? deadline_of(b) : sim->world.now + KS_SECOND);
}

/* What is to be bound is written when what others found out at this instant has been looked at: the binding goes on beside what the
 * scheduler does next (schedule_one.go: go sched.runBindingCycle), after a call of the API server. */
static void begin_prebind(ks_cycle *c, const ks_object *node) {
    ks_heap *heap = c->sim->world.heap;
    ks_sched *st = c->st;
    ks_binding *b = ks_sched_binding_new(c, node);
    assume(c, node->name);
    nominate(c, node->name);
    ks_tree_put(heap, &st->bindings, (ks_key){0, c->pod->id}, b);
    ks_sched_begin_pending(c->sim, st, b);
    ks_enqueue(c->sim, st->index, c->pod->id * 2);
}

void ks_sched_place(ks_cycle *c, uint32_t slot) {
    ks_heap *heap = c->sim->world.heap;
    const ks_object *node = ks_object_ref(c->st->nodes->at[slot]->object);
    ks_sched_remember(c, slot);
    if (c->claims.waiting_count > 0)
        begin_prebind(c, node);
    else
        bind_at_once(c, node->name);
    ks_object_unref(heap, node);
}

/* The binding comes to its end. `why`: what PreBind says, taken over; NULL: it has done its work, and the pod is bound. */
static void end_prebind(ks_sim *sim, ks_sched *st, const ks_binding *b, const ks_str *why) {
    ks_heap *heap = sim->world.heap;
    const ks_object *pod = ks_object_ref(b->pod);
    const ks_str *node = ks_str_ref(b->node);
    if (!b->written) ks_sched_end_pending(sim, st, b);
    ks_tree_del(heap, &st->bindings, (ks_key){0, pod->id});
    ks_cancel(sim, st->index, pod->id * 2);
    ks_refusal *refusal = why == NULL ? bind(sim, st, pod, node) : NULL;
    if (why != NULL || refusal != NULL) {
        ks_cycle *c = ks_sched_begin(sim, st, pod);
        if (why != NULL)
            fail_prebind(c, why->s);
        else
            fail_bind(c, refusal, false);
        ks_sched_end(c);
    }
    ks_str_unref(heap, why);
    ks_str_unref(heap, node);
    ks_object_unref(heap, pod);
}

static void write_binding(ks_sim *sim, ks_sched *st, uint64_t id) {
    ks_heap *heap = sim->world.heap;
    ks_binding *b = ks_sched_binding_own(heap, st, id);
    ks_sched_end_pending(sim, st, b);
    ks_refusal *refusal = ks_sched_write_binding(sim, b);
    if (refusal == NULL) {
        wait_on(sim, st, b);
        if (sim->settings->manual_kubelet) ks_enqueue(sim, st->index, id * 2);
    } else {
        end_prebind(sim, st, b, ks_str_ref(refusal->message));
        ks_refusal_free(heap, refusal);
    }
}

/* Looks whether it is done, or in vain. */
static void look_at_bindings(ks_sim *sim, ks_sched *st, const ks_binding *b) {
    ks_heap *heap = sim->world.heap;
    const ks_str *why = NULL;
    if (ks_sched_check_bindings(sim, b, &why)) {
        end_prebind(sim, st, b, NULL);
    } else if (why != NULL || sim->world.now >= deadline_of(b)) {
        end_prebind(sim, st, b,
                    ks_str_printf(heap, "binding volumes: %s",
                                  why == NULL ? "context deadline exceeded" : why->s));
    } else {
        wait_on(sim, st, b);
    }
    ks_str_unref(heap, why);
}

void ks_sched_go_on_binding(ks_sim *sim, ks_sched *st, uint64_t id) {
    const ks_binding *b =
        st->bindings.count == 0 ? NULL : ks_tree_get(&st->bindings, (ks_key){0, id});
    if (b == NULL) return;
    if (b->called_off)
        end_prebind(sim, st, b, ks_str_of(sim->world.heap, "preempted by DefaultPreemption"));
    else if (!b->written)
        write_binding(sim, st, id);
    else
        look_at_bindings(sim, st, b);
}

bool ks_sched_call_off(ks_sim *sim, ks_sched *st, uint64_t id) {
    ks_binding *b = ks_sched_binding_own(sim->world.heap, st, id);
    if (b == NULL) return false;
    b->called_off = true;
    ks_enqueue(sim, st->index, id * 2);
    return true;
}

/* --- what is noticed meanwhile --- */

static void wake(ks_sim *sim, ks_sched *st, uint64_t id) {
    if (ks_tree_has(&st->bindings, (ks_key){0, id})) ks_enqueue(sim, st->index, id * 2);
}

static void wake_users(ks_sim *sim, ks_sched *st, const ks_object *claim) {
    for (ks_namers n = ks_store_naming_it(ks_view(sim), KS_POD, claim); ks_namers_next(&n);)
        wake(sim, st, n.object->id);
}

/* A volume is seen by those who use the claims that it names, or named. */
static void wake_for_volume(ks_sim *sim, ks_sched *st, const ks_change *change) {
    const ks_object *claim = ks_store_named_by(ks_view(sim), change->object);
    const ks_object *before =
        change->old == NULL ? NULL : ks_store_named_by(ks_view(sim), change->old);
    if (claim != NULL) wake_users(sim, st, claim);
    if (before != NULL && before != claim) wake_users(sim, st, before);
}

void ks_sched_bindings_heard(ks_sim *sim, ks_sched *st, const ks_change *change) {
    if (!sim->settings->manual_kubelet) return;
    const ks_object *object = change->object;
    switch (object->kind) {
    case KS_POD:
        if (change->type == KS_DELETED) wake(sim, st, object->id);
        break;
    case KS_PVC: wake_users(sim, st, object); break;
    case KS_PV: wake_for_volume(sim, st, change); break;
    case KS_NODE:
        if (change->type != KS_DELETED &&
            (change->old == NULL || ks_equal(change->old->labels, object->labels)))
            break;
        for (ks_tree_iter it = ks_tree_begin(&st->bindings); ks_tree_next(&it);)
            if (ks_str_eq(((const ks_binding *)it.value)->node, object->name))
                ks_enqueue(sim, st->index, it.key.b * 2);
        break;
    default: break;
    }
}
