/*
 * kubelet/drive.c - pods driven by hand: the kubelet reports what a person says (settings->manual_kubelet).
 *
 * Called by the binding (cluster:drive). The worker is set to the state that was asked for, and the status is built as for a
 * pod that came there by itself.
 */
#include "kubelet/worker.h"

#include <string.h>

/* It may have been at its end, or on the way there. */
static void set_running(turn *t, bool ready) {
    worker *w = t->w;
    w->stage = STAGE_SYNC;
    w->op = OP_NONE;
    w->op_until = w->final_at = KS_NEVER;
    w->final_written = w->ended_itself = w->deleted = false;
    w->sandbox = w->mounted = true;
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        if (c->role == ROLE_INIT) {
            ending done = {.started = t->now, .finished = t->now, .reason = K(Completed)};
            if (c->run != RUN_EXITED) ending_set(t->heap, &c->end, &done);
            c->run = RUN_EXITED;
            continue;
        }
        if (c->run != RUN_RUNNING || c->stopping) {
            c->began = t->now;
            c->ends = KS_NEVER;
            c->stopping = false;
        }
        c->run = RUN_RUNNING;
        c->started = true;
        c->ready = ready;
    }
}

static void set_ended(turn *t, int code) {
    worker *w = t->w;
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        if (c->run == RUN_NONE) c->began = t->now;
        if (c->run != RUN_EXITED) end_instance(t, c, t->now, c->role == ROLE_APP ? code : 0, false);
    }
    w->stage = STAGE_ENDED;
    w->sandbox = false;
    w->final_written = true;
}

static ks_refusal *drive(turn *t, const char *state) {
    if (!strcmp(state, "running") || !strcmp(state, "ready") || !strcmp(state, "unready")) {
        take_address(t);
        set_running(t, state[0] == 'r' && state[1] == 'e');
        write_status(t, STATUS_SYNC);
        volumes_in_use(t, true);
    } else {
        take_address(t);
        set_ended(t, state[0] == 'f');
        write_status(t, STATUS_FINAL);
        volumes_in_use(t, false);
    }
    return NULL;
}

static ks_refusal *drive_gone(turn *t) {
    volumes_in_use(t, false);
    ks_delete_opts opts = {.grace_period = 0, .uid = t->pod->uid};
    return ks_server_delete(&t->sim->server, KS_POD, t->pod->ns, t->pod->name, &opts, NULL);
}

static bool known(const char *state) {
    static const char *const states[] = {"running", "ready",     "unready",
                                         "failed",  "succeeded", "gone"};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (!strcmp(state, states[i])) return true;
    return false;
}

ks_refusal *ks_kubelet_drive(ks_sim *sim, const ks_object *pod, const char *state) {
    kubelet *k = ks_component_state(sim, &ks_kubelet);
    if (!known(state))
        return ks_refuse(
            k->heap, 400, "BadRequest",
            "unknown state \"%s\": one of running, ready, unready, failed, succeeded, gone", state);
    uint64_t node_key = 0;
    machine *n = pod->node ? node_of(k, pod->node, &node_key) : NULL;
    if (!n)
        return ks_refuse(k->heap, 400, "BadRequest",
                         "pod %s is not bound to a node: no kubelet reports about it",
                         pod->name->s);
    turn t = {.sim = sim,
              .k = k,
              .heap = k->heap,
              .pod = ks_object_ref(pod),
              .node = n,
              .now = sim->world.now};
    t.w = worker_own(k, pod->id);
    if (!t.w) {
        t.w = worker_new(&t);
        t.w->node = node_key;
        t.w->start_time = t.now;
    }
    t.w->manual = true;
    k->busy = pod->id;
    k->busy_gone = false;
    ks_refusal *refused = !strcmp(state, "gone") ? drive_gone(&t) : drive(&t, state);
    k->busy = 0;
    if (k->busy_gone) forget(k, t.pod);
    tell_in_use(sim, k, n->id);
    ks_object_unref(k->heap, t.pod);
    return refused;
}
