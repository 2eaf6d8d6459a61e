/*
 * kubelet/sync.c - one sync of a pod: status first, then what has to be killed and started.
 *
 * pkg/kubelet/kubelet.go (SyncPod) and pkg/kubelet/kuberuntime/kuberuntime_manager.go (computePodActions,
 * computeInitContainerActions, SyncPod, doBackOff). A sync may take time (volumes, pulls, starts, kills); it is
 * then an operation under way, which continue_sync() takes up again. Called by kubelet.c.
 */
#include "kubelet/worker.h"

#include <string.h>

static int policy_of(ks_val holder, const ks_str *key) {
    ks_val policy = ks_get(holder, key);
    if (!ks_is(policy, KS_STRING)) return 0;
    return ks_text_is(policy, "Never") ? 'N' : ks_text_is(policy, "OnFailure") ? 'F' : 'A';
}

static bool rule_matches(ks_val rule, int32_t exit_code) {
    ks_val codes = ks_get(rule, K(exitCodes));
    bool in = false;
    ks_each(v, ks_get(codes, K(values))) in = in || ks_int_or(*v, -1) == exit_code;
    return ks_text_is(ks_get(codes, K(operator)), "NotIn") ? !in : in;
}

/* Whether an exit with that code is followed by another start: podutil.ContainerShouldRestart. */
static bool restartable(const worker *w, const container *c, int32_t exit_code) {
    ks_val spec = container_spec(w, c);
    int policy = policy_of(spec, K(restartPolicy));
    if (policy) {
        ks_each(rule, ks_get(spec, K(restartPolicyRules)))
            if (ks_text_is(ks_get(*rule, K(action)), "Restart") && rule_matches(*rule, exit_code))
                return true;
    } else {
        policy = policy_of(w->spec, K(restartPolicy));
    }
    return policy != 'N' && (policy != 'F' || exit_code != 0);
}

bool should_restart(const worker *w, const container *c, const ks_object *pod) {
    if (ks_object_terminating(pod) || w->stage != STAGE_SYNC || w->deadline) return false;
    if (c->run == RUN_RUNNING) return false;
    if (c->run == RUN_EXITED)
        return c->role == ROLE_INIT && c->end.exit_code == 0 ? false
                                                             : restartable(w, c, c->end.exit_code);
    return true;
}

/* pkg/kubelet/kubelet_pods.go: getPhase. */
const char *pod_phase(const worker *w, const ks_object *pod, bool terminal) {
    int pending_inits = 0, pending_sides = 0, failed_inits = 0, waiting = 0, running = 0;
    int stopped = 0, final = 0, succeeded = 0;
    bool initialized = false;
    (void)pod;
    for (uint32_t i = 0; i < w->count; i++) {
        const container *c = &w->containers[i];
        bool refused = c->trouble && c->trouble->wait_reason && !terminal && c->run == RUN_EXITED &&
                       should_restart(w, c, pod);
        if (c->role == ROLE_INIT) {
            if (c->run != RUN_EXITED)
                pending_inits++;
            else if (c->end.exit_code != 0 && !restartable(w, c, c->end.exit_code))
                failed_inits++;
        } else if (c->role == ROLE_SIDECAR) {
            if (c->run == RUN_RUNNING) {
                running++;
                pending_sides += !c->started;
            } else if (c->run == RUN_NONE || c->run == RUN_CREATED) {
                pending_sides++;
                waiting++;
            }
        } else {
            initialized = initialized || c->run != RUN_NONE;
            if (c->run == RUN_RUNNING) {
                running++;
            } else if (c->run == RUN_EXITED) {
                stopped++;
                final += !restartable(w, c, c->end.exit_code);
                succeeded += c->end.exit_code == 0 && !refused;
            } else {
                waiting++;
            }
        }
    }
    if (failed_inits) return "Failed";
    if (pending_inits || (pending_sides && !initialized) || waiting) return "Pending";
    if (running) return "Running";
    if (stopped && !terminal && stopped != final) return "Running";
    if (stopped) return stopped == succeeded ? "Succeeded" : "Failed";
    return "Pending";
}

/* --- processes --- */

/* The running instance of `c` has ended. */
void end_instance(turn *t, container *c, int64_t at, int code, bool killed) {
    const ks_image *image = container_image(t, c);
    ending e = {.started = c->began, .finished = at, .exit_code = code, .instance = c->restarts};
    if (!killed && c->end_reason)
        e.reason = c->end_reason;
    else if (!killed && image->exit_reason && image->exit_code == code)
        e.reason = image->exit_reason;
    else
        e.reason = code == 0 ? K(Completed) : K(Error);
    ending_set(t->heap, &c->end, &e);
    ks_str_unref(t->heap, c->end_reason);
    c->end_reason = NULL;
    c->run = RUN_EXITED;
    c->ready = c->started = c->stopping = false;
    c->ends = KS_NEVER;
}

void watch_processes(turn *t) {
    worker *w = t->w;
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        if (c->run != RUN_RUNNING || c->stopping || c->ends > t->now ||
            relist_after(c->ends) > t->now)
            continue;
        int64_t seen = relist_after(c->ends);
        end_instance(t, c, c->ends, c->end_code, false);
        w->sync_at = earlier(w->sync_at, seen);
        w->deaths++;
    }
}

/* When a process that is asked to end at `from` does so, and how: preStop, SIGTERM, SIGKILL (killContainer). */
int64_t kill_time(turn *t, container *c, int64_t grace, int64_t from) {
    const ks_image *image = container_image(t, c);
    int64_t term = from, limit = ks_after(from, grace);
    int64_t pause = hook_pause(ks_get2(container_spec(t->w, c), K(lifecycle), K(preStop)));
    if (pause > 0) term = earlier(limit, ks_after(from, pause));
    limit = later(limit, ks_after(term, GRACE_LEAST));
    int64_t stop = image->stop != KS_UNSET                  ? image->stop
                   : is_course_app(container_spec(t->w, c)) ? KS_NEVER
                                                            : t->sim->settings->latency.stop;
    int64_t dies = stop == KS_NEVER || stop > limit - term ? limit : ks_after(term, stop);
    c->stopping = true;
    if (c->ends <= dies) return c->ends;
    c->end_killed = stop == KS_NEVER || stop > limit - term;
    c->end_code = c->end_killed ? 137 : 0;
    c->ends = dies;
    return dies;
}

/* The preStop hook of a container that is about to be killed; its failure is an event and no more. */
static void pre_stop(turn *t, container *c) {
    ks_val hook = ks_get2(container_spec(t->w, c), K(lifecycle), K(preStop));
    if (!ks_exists(hook) || ks_exists(ks_get(hook, K(sleep)))) return;
    ks_val output = KS_NOTHING;
    const char *problem = NULL;
    int code = 0;
    if (!run_hook(t, c, hook, &output, &code, &problem))
        event(t, c, "Warning", "FailedPreStopHook", "PreStopHook failed");
    ks_unref(t->heap, output);
}

static int64_t grace_of(const turn *t) {
    return ks_seconds(ks_int_or(ks_get(t->w->spec, K(terminationGracePeriodSeconds)), 30));
}

/* --- planning --- */

static void doom(turn *t, container *c, bool again, const char *why) {
    c->doomed = true;
    c->again = again;
    c->todo = again;
    c->doom = why;
    (void)t;
}

static const char *failed_probe(const container *c) {
    if (!c->trouble) return NULL;
    const probe *p = c->trouble->probes;
    if (p[PROBE_LIVENESS].exists && p[PROBE_LIVENESS].known && !p[PROBE_LIVENESS].passing)
        return "liveness";
    if (p[PROBE_STARTUP].exists && p[PROBE_STARTUP].known && !p[PROBE_STARTUP].passing)
        return "startup";
    return NULL;
}

/* computeInitContainerActions: true when the app containers' turn has come; *kill when the pod has failed. */
static bool plan_inits(turn *t, bool *kill) {
    worker *w = t->w;
    int inits = 0;
    bool initialized = false;
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->containers[i].role != ROLE_APP)
            inits++;
        else
            initialized = initialized || w->containers[i].run == RUN_CREATED ||
                          w->containers[i].run == RUN_RUNNING;
    }
    if (!inits) return true;
    bool before = initialized;
    for (int i = inits - 1; i >= 0; i--) {
        container *c = &w->containers[i];
        bool side = c->role == ROLE_SIDECAR;
        if (c->run == RUN_NONE) {
            c->todo = c->todo || (before && side);
            continue;
        }
        if (before && !side) continue;
        if (c->run == RUN_CREATED) {
            c->todo = true;
        } else if (c->run == RUN_RUNNING && side) {
            const char *failed = failed_probe(c);
            bool liveness = failed && failed[0] == 'l';
            if (!c->started) {
                if (failed && !liveness) doom(t, c, true, failed);
            } else {
                if (i == inits - 1)
                    initialized = true;
                else if (!before)
                    w->containers[i + 1].todo = w->containers[i + 1].run != RUN_RUNNING;
                if (liveness) doom(t, c, true, failed);
            }
        } else if (c->run == RUN_EXITED) {
            if (side) {
                c->todo = true;
            } else if (c->end.exit_code != 0) {
                if (!should_restart(w, c, t->pod)) {
                    *kill = true;
                    return false;
                }
                c->todo = true;
            } else if (i == inits - 1) {
                initialized = true;
            } else {
                w->containers[i + 1].todo = w->containers[i + 1].run != RUN_RUNNING;
            }
        }
        before = true;
    }
    if (!before) w->containers[0].todo = true;
    return initialized;
}

static void plan_apps(turn *t) {
    worker *w = t->w;
    int keep = 0, start = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        if (c->role != ROLE_APP) continue;
        if (c->run != RUN_RUNNING) {
            if (should_restart(w, c, t->pod)) {
                c->todo = true;
                start++;
            }
            continue;
        }
        const char *failed = c->changed ? "changed" : failed_probe(c);
        if (!failed) {
            keep++;
            continue;
        }
        int policy = policy_of(container_spec(w, c), K(restartPolicy));
        bool again = c->changed || (policy ? policy : policy_of(w->spec, K(restartPolicy))) != 'N';
        doom(t, c, again, failed);
        start += again;
    }
    if (keep || start) return;
    /* Nothing is left to run: the sidecars end with the app containers. */
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        if (c->role == ROLE_APP) continue;
        c->todo = false;
        if (c->run == RUN_RUNNING && !c->doomed) doom(t, c, false, "");
    }
}

static void plan(turn *t) {
    bool kill = false;
    for (uint32_t i = 0; i < t->w->count; i++)
        t->w->containers[i].todo = t->w->containers[i].doomed = false;
    if (plan_inits(t, &kill)) plan_apps(t);
    if (!kill) return;
    for (uint32_t i = 0; i < t->w->count; i++) {
        container *c = &t->w->containers[i];
        c->todo = false;
        if (c->run == RUN_RUNNING && !c->doomed) doom(t, c, false, "");
    }
}

/* --- killing one container within a sync --- */

static void tell_stopping(turn *t, const container *c) {
    event_of_parts(t, c, "Normal", "Killing", "Stopping container %s", container_name(t->w, c));
}

static void start_kill(turn *t, container *c) {
    worker *w = t->w;
    const ks_str *name = container_name(w, c);
    int64_t grace = grace_of(t);
    const char *tail = c->again && c->role == ROLE_APP ? ", will be restarted" : "";
    const char *init = c->role == ROLE_APP ? "Container" : "Init container";
    if (c->doom[0] == '\0')
        tell_stopping(t, c);
    else if (c->doom[0] == 'c')
        event(t, c, "Normal", "Killing", "%s %s definition changed%s", init, name->s, tail);
    else
        event(t, c, "Normal", "Killing", "%s %s failed %s probe%s", init, name->s, c->doom, tail);
    if (c->doom[0] == 'l' || c->doom[0] == 's') {
        ks_val p =
            ks_get(container_spec(w, c), c->doom[0] == 'l' ? K(livenessProbe) : K(startupProbe));
        ks_val own = ks_get(p, K(terminationGracePeriodSeconds));
        if (ks_is(own, KS_INT)) grace = ks_seconds(own.i);
    }
    pre_stop(t, c);
    w->op = OP_KILL;
    w->at = (int32_t)(c - w->containers);
    w->op_until = kill_time(t, c, grace, t->now);
}

static void end_kill(turn *t, container *c) {
    c->doomed = false;
    end_instance(t, c, c->ends, c->end_code, c->end_killed);
    t->w->died = true;
}

/* --- starting one container --- */

static void fail(turn *t, container *c, const ks_str *reason, const ks_str *message) {
    set_wait(t, c, reason, message);
    t->w->failed_sync = true;
}

/* client-go/util/flowcontrol/backoff.go. True: the restart has to wait (`*rest`). An allowed restart makes the next wait longer. */
static bool crash_wait(turn *t, container *c, int64_t *rest) {
    const ending *e = c->again ? (c->trouble ? &c->trouble->before : NULL) : &c->end;
    if (!e || !e->reason || (!c->again && c->run != RUN_EXITED)) return false;
    trouble *tr = trouble_of(t->heap, c);
    bool fresh = !tr->crash_delay || e->finished - tr->crash_at > BACKOFF_FORGET;
    if (!fresh && t->now - e->finished < tr->crash_delay) {
        *rest = e->finished + tr->crash_delay - t->now;
        return true;
    }
    tr->crash_delay = fresh ? BACKOFF_FIRST : earlier(2 * tr->crash_delay, BACKOFF_LONGEST);
    tr->crash_at = t->now;
    return false;
}

static bool refuse_restart(turn *t, container *c) {
    int64_t rest;
    if (!crash_wait(t, c, &rest)) return false;
    const ks_object *pod = t->pod;
    const char *name = container_name(t->w, c)->s;
    char text[32];
    ks_duration_print(c->trouble->crash_delay, text);
    event(t, c, "Warning", "BackOff", "Back-off restarting failed container %s in pod %s_%s(%s)",
          name, pod->name->s, pod->ns->s, pod->uid->s);
    fail(t, c, K(CrashLoopBackOff),
         ks_str_printf(t->heap, "back-off %s restarting failed container=%s pod=%s_%s(%s)", text,
                       name, pod->name->s, pod->ns->s, pod->uid->s));
    t->w->retry_in = earlier(t->w->retry_in, rest);
    t->w->moves = true;
    return true;
}

/* Created and Started: pkg/kubelet/kuberuntime/kuberuntime_container.go; until 1.34 the container was named. */
static void tell_container(turn *t, const container *c, const char *what) {
    if (!ks_since(&t->sim->server.rules, KS_SINCE_CONTAINER_EVENTS))
        event(t, c, "Normal", what, "%s container%s %s", what, *what == 'C' ? ":" : "",
              container_name(t->w, c)->s);
    else
        event(t, c, "Normal", what, *what == 'C' ? "Container created" : "Container started");
}

static void create_container(turn *t, container *c) {
    const ks_str *missing = missing_config(t, c);
    if (missing) {
        event(t, c, "Warning", "Failed", "Error: %s", missing->s);
        fail(t, c, K(CreateContainerConfigError), missing);
        t->w->retry_in = earlier(t->w->retry_in, RETRY_PERIOD);
        return;
    }
    tell_container(t, c, "Created");
    const ks_image *image = container_image(t, c);
    int64_t takes = image->start == KS_UNSET ? t->sim->settings->latency.start : image->start;
    t->w->op = OP_START;
    t->w->at = (int32_t)(c - t->w->containers);
    t->w->op_until = ks_after(t->now, takes);
}

static void post_start(turn *t, container *c) {
    ks_val hook = ks_get2(container_spec(t->w, c), K(lifecycle), K(postStart));
    if (!ks_exists(hook)) return;
    int64_t pause = hook_pause(hook);
    ks_val output = KS_NOTHING;
    const char *problem = NULL;
    int code = 0;
    if (!run_hook(t, c, hook, &output, &code, &problem)) {
        ks_buf words = {t->heap, NULL, 0, 0};
        ks_each(v, ks_get2(hook, K(exec), K(command)))
            ks_buf_printf(&words, "%s%s", words.len ? " " : "", ks_text_or(*v, ""));
        const ks_str *command = ks_buf_take(&words);
        const char *said = ks_text_or(output, "");
        const char *first = ks_text_or(ks_at(ks_get2(hook, K(exec), K(command)), 0), "");
        ks_buf quoted = {t->heap, NULL, 0, 0};
        ks_val text = ks_text(t->heap, said);
        ks_json_write(&quoted, text, KS_JSON_COMPACT);
        ks_unref(t->heap, text);
        event(t, c, "Warning", "FailedPostStartHook", "PostStartHook failed");
        event(t, c, "Normal", "Killing", "FailedPostStartHook");
        if (ks_exists(ks_get(hook, K(exec))))
            fail(
                t, c, K(PostStartHookError),
                ks_str_printf(
                    t->heap,
                    "Exec lifecycle hook ([%s]) for Container \"%s\" in Pod \"%s_%s(%s)\" failed - error: "
                    "command '%s' exited with %d: %s, message: %s",
                    command->s, container_name(t->w, c)->s, t->pod->name->s, t->pod->ns->s,
                    t->pod->uid->s, first, code, said, quoted.s));
        else
            fail(t, c, K(PostStartHookError),
                 ks_str_of(t->heap, problem ? problem : "PostStart handler failed"));
        ks_buf_dispose(&quoted);
        ks_str_unref(t->heap, command);
        t->w->retry_in = earlier(t->w->retry_in, RETRY_PERIOD);
        t->w->moves = true;
        c->doomed = false;
        t->w->op = OP_KILL;
        t->w->at = (int32_t)(c - t->w->containers);
        t->w->op_until = kill_time(t, c, grace_of(t), t->now);
    } else if (pause > 0) {
        c->hooked = true;
        t->w->op = OP_START;
        t->w->at = (int32_t)(c - t->w->containers);
        t->w->op_until = ks_after(t->now, pause);
    }
    ks_unref(t->heap, output);
}

/* Init containers are there to get something done: one of an image of which nothing else is said has done it at once. */
static bool ends_by_itself(const container *c, const ks_image *image) {
    return image->end == KS_ENDS || (image->end == KS_ENDS_BY_ROLE && c->role == ROLE_INIT);
}

static void start_container(turn *t, container *c) {
    const ks_image *image = container_image(t, c);
    worker *w = t->w;
    bool another = c->run != RUN_NONE;
    if (another) c->restarts++;
    if (c->run == RUN_EXITED) {
        ending_set(t->heap, &trouble_of(t->heap, c)->before, &c->end);
        ending none = {0};
        ending_set(t->heap, &c->end, &none);
    }
    c->again = c->changed = false;
    if (image->start_error) {
        c->run = RUN_CREATED;
        event(t, c, "Warning", "Failed", "Error: %s", image->start_error->s);
        fail(t, c, K(RunContainerError), ks_str_ref(image->start_error));
        w->moves = true;
        w->retry_in = earlier(w->retry_in, RETRY_PERIOD);
        return;
    }
    w->again = true;
    tell_container(t, c, "Started");
    set_wait(t, c, NULL, NULL);
    c->run = RUN_RUNNING;
    c->stopping = c->end_killed = false;
    c->began = t->now;
    c->ends = ends_by_itself(c, image) ? ks_after(t->now, image->exit_after) : KS_NEVER;
    c->end_code = image->exit_code;
    c->ready_at = ks_after(t->now, image->ready_after > 0 ? image->ready_after : 0);
    files_sub_paths(t, c);
    probes_start(t, c);
    post_start(t, c);
}

static void begin_start(turn *t, container *c) {
    c->todo = false;
    if (refuse_restart(t, c)) {
        c->again = false;
        return;
    }
    switch (pull_image(t, c)) {
    case PULL_THERE: create_container(t, c); break;
    case PULL_WAIT:
        t->w->op = OP_PULL;
        t->w->at = (int32_t)(c - t->w->containers);
        break;
    case PULL_FAILED: t->w->failed_sync = true; break;
    }
}

/* --- the sync --- */

bool deadline_passed(turn *t) {
    worker *w = t->w;
    if (!w->limited || w->deadline || t->now < deadline_of(w)) return false;
    w->deadline = true;
    w->why = "DeadlineExceeded";
    w->why_text =
        ks_str_of(t->heap, "Pod was active on the node longer than the specified deadline");
    return true;
}

static void tell_deadline(turn *t, int times) {
    for (int i = 0; i < times && t->w->deadline; i++)
        event(t, NULL, "Normal", "DeadlineExceeded", "%s", t->w->why_text->s);
}

/* How long after a failed sync the pod is looked at again. */
static int64_t next_look(turn *t) {
    if (fails_for_long(t) && !t->w->moves) return RETRY_PATIENT;
    return earlier(later(t->w->retry_in, 0), RETRY_LONGEST) * LATE_PERCENT / 100;
}

static void end_sync(turn *t) {
    worker *w = t->w;
    w->op = OP_NONE;
    w->op_until = KS_NEVER;
    if (w->again) {
        w->sync_at = t->now;
    } else {
        if (w->died) w->sync_at = earlier(w->sync_at, relist_after(t->now + 1));
        if (w->failed_sync)
            w->sync_at = earlier(w->sync_at, t->now + next_look(t));
        else
            w->failing_since = KS_NEVER;
        if (w->extra_sync) w->sync_at = earlier(w->sync_at, relist_after(t->now + 1));
    }
    w->again = w->died = false;
}

static void next_step(turn *t) {
    worker *w = t->w;
    w->op = OP_NONE;
    for (uint32_t i = 0; i < w->count && w->op == OP_NONE; i++)
        if (w->containers[i].doomed) start_kill(t, &w->containers[i]);
    for (uint32_t i = 0; i < w->count && w->op == OP_NONE; i++)
        if (w->containers[i].todo) begin_start(t, &w->containers[i]);
    if (w->op == OP_NONE) end_sync(t);
}

static void volumes_done(turn *t) {
    worker *w = t->w;
    w->mounted = true;
    volumes_in_use(t, true);
    /* The attach-detach controller may not know of this pod, and goes by what the node says (verifyVolumeIsSafeToDetach). */
    if (ks_sim_any_is_late(t->sim)) tell_in_use(t->sim, t->k, t->node->id);
    if (!w->sandbox) {
        w->sandbox = true;
        w->again = true;
        take_address(t);
    }
    plan(t);
    next_step(t);
}

/* Takes up the operation under way, if its time has come. */
void continue_sync(turn *t) {
    worker *w = t->w;
    container *c = &w->containers[w->at];
    switch (w->op) {
    case OP_VOLUMES:
        if (!volumes_ready(t)) return;
        w->op = OP_MOUNT;
        w->op_until = ks_after(t->now, mount_time(t));
        if (w->op_until > t->now) return;
        volumes_done(t);
        return;
    case OP_MOUNT:
        if (ks_sim_any_is_late(t->sim) && !volumes_ready(t)) { /* detached meanwhile */
            w->op = OP_VOLUMES;
            return;
        }
        volumes_done(t);
        return;
    case OP_PULL:
        w->op = OP_NONE;
        if (pull_done(t, c) == PULL_THERE)
            create_container(t, c);
        else
            w->failed_sync = true;
        break;
    case OP_START:
        w->op = OP_NONE;
        if (c->hooked)
            c->hooked = false;
        else
            start_container(t, c);
        break;
    case OP_KILL:
        w->op = OP_NONE;
        end_kill(t, c);
        break;
    default: break;
    }
    if (w->op == OP_NONE) next_step(t);
}

/* A restart without a wait: the status of the end in between is merged with the next one where more than one
 * container is in the pod (recorded both ways; a real kubelet's writes race here). */
static bool restarts_at_once(const turn *t) {
    const worker *w = t->w;
    if (w->count < 2 || !w->deaths) return false;
    for (uint32_t i = 0; i < w->count; i++) {
        const container *c = &w->containers[i];
        if (c->run != RUN_EXITED || !should_restart(w, c, t->pod)) continue;
        const trouble *tr = c->trouble;
        if (!tr || (!tr->wait_reason && !tr->crash_delay)) return true;
    }
    return false;
}

void sync_pod(turn *t) {
    worker *w = t->w;
    if (w->start_time == KS_NEVER) w->start_time = t->now;
    bool merged = restarts_at_once(t);
    w->sync_at = KS_NEVER;
    w->failed_sync = w->again = w->moves = false;
    w->retry_in = KS_NEVER;
    w->extra_sync = w->deaths > 1;
    w->deaths = 0;
    const char *phase = pod_phase(w, t->pod, false);
    if (w->deadline || phase[0] == 'S' || phase[0] == 'F') {
        w->ended_itself = true;
        tell_deadline(t, 2);
        write_status(t, STATUS_ENDING);
        begin_kill(t);
        return;
    }
    if (!merged) write_status(t, STATUS_SYNC);
    if (t->k->busy_gone) return;
    probe_readiness_now(t);
    if (!w->mounted) {
        w->op = OP_VOLUMES;
        continue_sync(t);
    } else {
        stop_waiting(t->k, w, t->pod->id); /* what is still missing is noted anew */
        plan(t);
        next_step(t);
    }
}

/* The pod's spec was changed (images, deadline): containers whose image changed are replaced. */
void new_spec(turn *t) {
    worker *w = t->w;
    ks_val old = w->spec;
    ks_val spec = ks_ref(t->pod->spec);
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        ks_val before = ks_get(container_spec(w, c), K(image));
        ks_val after = ks_get(
            ks_at(ks_get(spec, c->role == ROLE_APP ? K(containers) : K(initContainers)), c->index),
            K(image));
        if (ks_equal(before, after)) continue;
        if (c->run == RUN_RUNNING) c->changed = true;
        if (c->trouble) c->trouble->crash_delay = c->trouble->pull_delay = 0;
    }
    take_spec(w, spec);
    read_volumes(w);
    ks_unref(t->heap, old);
    if (w->op == OP_NONE) w->sync_at = t->now;
}

/* --- the end --- */

/* It has ended since it was asked to, which shows when all have. */
static bool has_stopped(const turn *t, const container *c) {
    return c->stopping && c->ends <= t->now;
}

/* Ends all containers within the grace; w->op_until says when the last one has. */
static void kill_all(turn *t, int64_t grace) {
    worker *w = t->w;
    w->stage = STAGE_KILL;
    w->grace = (uint32_t)earlier(grace / KS_SECOND, UINT32_MAX);
    w->op = OP_NONE;
    stop_waiting(t->k, w, t->pod->id);
    int64_t apps_end = t->now;
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        if (c->run != RUN_RUNNING || has_stopped(t, c)) continue;
        tell_stopping(t, c);
        if (c->role == ROLE_SIDECAR) continue;
        pre_stop(t, c);
        apps_end = later(apps_end, kill_time(t, c, grace, t->now));
    }
    /* Sidecars end after the others, the last one first; the wait is taken off their grace. */
    for (uint32_t i = w->count; i-- > 0;) {
        container *c = &w->containers[i];
        if (c->run != RUN_RUNNING || c->role != ROLE_SIDECAR || has_stopped(t, c)) continue;
        pre_stop(t, c);
        apps_end = kill_time(t, c, later(grace - (apps_end - t->now), GRACE_LEAST), apps_end);
    }
    w->op_until = apps_end;
}

/* All containers of the pod are to end: SyncTerminatingPod. */
void begin_kill(turn *t) {
    bool deleted = ks_object_terminating(t->pod);
    ks_val period = ks_get(t->pod->meta, K(deletionGracePeriodSeconds));
    kill_all(t, deleted ? ks_seconds(ks_int_or(period, 30)) : grace_of(t));
    if (deleted) write_status(t, STATUS_SYNC);
}

/* Whether the containers of a pod that is being ended are to end sooner than they were told: another deletion has said so, or the
 * first one of a pod that ends by itself. Then they are killed anew (pod_workers.go: calculateEffectiveGracePeriod). */
bool is_grace_shortened(const turn *t) {
    if (!ks_object_terminating(t->pod)) return false;
    int64_t grace = ks_int_or(ks_get(t->pod->meta, K(deletionGracePeriodSeconds)), INT64_MAX);
    return later(grace, 1) < t->w->grace;
}

void begin_last_kill(turn *t) { kill_all(t, GRACE_LEAST); }

void go_on_killing(turn *t) {
    worker *w = t->w;
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        if (c->run == RUN_RUNNING)
            end_instance(t, c, c->ends == KS_NEVER ? t->now : c->ends, c->end_code, c->end_killed);
    }
    w->stage = STAGE_ENDED;
    w->sandbox = false;
    volumes_in_use(t, false);
    if (ks_object_terminating(t->pod) || w->deadline)
        w->final_at = t->now;
    else
        w->final_at = relist_after(t->now + 1); /* the phase follows when the runtime confirms */
}

void go_on_ending(turn *t) {
    worker *w = t->w;
    if (!w->final_written && w->final_at <= t->now) {
        tell_deadline(t, 1);
        write_status(t, STATUS_FINAL);
        w->final_written = true;
        w->final_at = KS_NEVER;
        tell_deadline(t, 1);
    }
    if (!w->final_written || t->k->busy_gone || !ks_object_terminating(t->pod) || w->deleted)
        return;
    if (w->final_at == KS_NEVER)
        w->final_at = ks_after(t->now, later(t->sim->settings->latency.cleanup, CLEANUP_LEAST));
    if (w->final_at > t->now) return;
    w->deleted = true;
    w->final_at = KS_NEVER;
    ks_delete_opts opts = {.grace_period = 0, .uid = t->pod->uid, .read = t->pod};
    ks_refusal *refused =
        ks_server_delete(&t->sim->server, KS_POD, t->pod->ns, t->pod->name, &opts, NULL);
    ks_refusal_free(t->heap, refused);
}
