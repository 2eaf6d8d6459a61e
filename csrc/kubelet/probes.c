/*
 * kubelet/probes.c - startup, liveness and readiness probes, and the hooks that are made of the same handlers.
 *
 * pkg/kubelet/prober/worker.go, prober_manager.go, pkg/kubelet/lifecycle/handlers.go. A probe whose outcome cannot change anything
 * (a tcp or http probe of an image without behaviour of its own that already stands where it will stay) has no ticks.
 * Called by kubelet.c and sync.c.
 */
#include "kubelet/worker.h"

#include <string.h>

static const ks_str *probe_key(int kind) {
    return kind == PROBE_STARTUP    ? K(startupProbe)
           : kind == PROBE_LIVENESS ? K(livenessProbe)
                                    : K(readinessProbe);
}

static const char *const probe_names[PROBE_KINDS] = {"Startup", "Liveness", "Readiness"};

static int64_t period(ks_val spec) {
    return later(ks_int_or(ks_get(spec, K(periodSeconds)), 10), 1) * KS_SECOND;
}

static ks_val probe_spec(const turn *t, const container *c, int kind) {
    return ks_get(container_spec(t->w, c), probe_key(kind));
}

/* A new instance of `c` has started: results begin anew, the beat of the ticks goes on. */
void probes_start(turn *t, container *c) {
    ks_val spec = container_spec(t->w, c);
    bool any = false;
    c->started = true;
    c->ready = c->ready_at <= t->now;
    for (int kind = 0; kind < PROBE_KINDS; kind++)
        any = any || ks_exists(ks_get(spec, probe_key(kind)));
    if (!any || c->role == ROLE_INIT) return;
    trouble *tr = trouble_of(t->heap, c);
    for (int kind = 0; kind < PROBE_KINDS; kind++) {
        probe *p = &tr->probes[kind];
        ks_val s = probe_spec(t, c, kind);
        p->exists = ks_exists(s);
        p->known = false;
        p->quiet = false;
        if (!p->exists) continue;
        int64_t beat = t->w->start_time;
        int64_t every = period(s);
        int64_t ticks = t->now > beat ? (t->now - beat + every - 1) / every : 1;
        if (p->next == KS_NEVER || p->next < t->now) p->next = beat + later(ticks, 1) * every;
    }
    if (tr->probes[PROBE_STARTUP].exists) c->started = false;
    if (tr->probes[PROBE_READINESS].exists || !c->started) c->ready = false;
}

/* --- handlers: exec, httpGet, tcpSocket, grpc, sleep --- */

/* What a named or numbered port is; 0: no such port. */
static int port_of(turn *t, const container *c, ks_val port) {
    if (ks_is(port, KS_INT)) return (int)port.i;
    ks_each(p, ks_get(container_spec(t->w, c), K(ports)))
        if (ks_equal(ks_get(*p, K(name)), port))
            return (int)ks_int_or(ks_get(*p, K(containerPort)), 0);
    return 0;
}

static bool exec_handler(turn *t, container *c, ks_val exec, ks_val *output, int *code) {
    bool handled = false;
    if (ks_kubelet_exec(t->sim, t->pod, container_name(t->w, c), ks_get(exec, K(command)),
                        KS_NOTHING, &handled, output, NULL, code) &&
        handled)
        return *code == 0;
    *code = 0; /* a command that the image says nothing about is taken to do its work */
    return true;
}

/* Nothing is known of what it answers: it is taken to do its work, as soon as it is up. */
static bool answers_unheard(const turn *t, const container *c) {
    return !container_image(t, c)->serves && !is_course_app(container_spec(t->w, c)) &&
           c->ready_at <= t->now;
}

static bool http_handler(turn *t, container *c, ks_val get, ks_val *output, int *status) {
    ks_heap *heap = t->heap;
    char ip[16];
    address_text(t->w->ip, ip);
    int port = port_of(t, c, ks_get(get, K(port)));
    const char *path = ks_text_or(ks_get(get, K(path)), "/");
    const char *slash = path[0] == '/' ? "" : "/";
    ks_val request = ks_map_of(heap, K(method), ks_text(heap, "GET"), K(path),
                               ks_format(heap, "%s%s", slash, path), NULL);
    ks_http_answer answer = ks_kubelet_http(t->sim, t->pod, NULL, port, request, status, NULL);
    ks_unref(heap, request);
    if (answer == KS_HTTP_OK) {
        if (ks_http_is_fine(*status)) return true;
        *output = ks_format(heap, "HTTP probe failed with statuscode: %d", *status);
        return false;
    }
    if (answer == KS_HTTP_REFUSED && answers_unheard(t, c)) return true;
    *output =
        ks_format(heap, "Get \"http://%s:%d%s%s\": dial tcp %s:%d: connect: connection refused", ip,
                  port, slash, path, ip, port);
    return false;
}

/* Runs a probe's or a hook's action. True: well. *output (new reference or KS_NOTHING): what was said. */
bool run_hook(turn *t, container *c, ks_val handler, ks_val *output, int *code,
              const char **problem) {
    ks_val exec = ks_get(handler, K(exec)), get = ks_get(handler, K(httpGet));
    *problem = NULL;
    if (ks_exists(exec)) return exec_handler(t, c, exec, output, code);
    if (ks_exists(get)) {
        *problem = "HTTP lifecycle hook failed";
        return http_handler(t, c, get, output, code);
    }
    return true; /* tcpSocket, grpc: the process runs, so its port is open */
}

/* --- results --- */

static void settle(turn *t, container *c, int kind, bool passing) {
    probe *p = &c->trouble->probes[kind];
    bool changed = !p->known || p->passing != passing;
    p->known = true;
    p->passing = passing;
    if (kind == PROBE_STARTUP && passing) {
        c->started = true;
        if (!c->trouble->probes[PROBE_READINESS].exists) c->ready = c->ready_at <= t->now;
    }
    if (kind == PROBE_READINESS) c->ready = passing;
    if (kind != PROBE_READINESS)
        p->quiet = kind == PROBE_STARTUP || !passing; /* on hold until a new instance */
    if (!changed) return;
    if (t->w->stage == STAGE_SYNC) t->w->sync_at = t->now;
    if (kind == PROBE_READINESS) t->w->told = false;
}

static void run_probe(turn *t, container *c, int kind) {
    ks_val spec = probe_spec(t, c, kind);
    probe *p = &c->trouble->probes[kind];
    ks_val output = KS_NOTHING;
    const char *problem;
    int code = 0;
    bool good = run_hook(t, c, spec, &output, &code, &problem);
    if (!good)
        event(t, c, "Warning", "Unhealthy", "%s probe failed: %s", probe_names[kind],
              ks_text_or(output, ""));
    ks_unref(t->heap, output);
    if (p->run > 0 && p->last == good)
        p->run++;
    else
        p->run = 1;
    p->last = good;
    int64_t need =
        ks_int_or(ks_get(spec, good ? K(successThreshold) : K(failureThreshold)), good ? 1 : 3);
    if (p->run < need) return;
    bool hold = (kind == PROBE_LIVENESS && !good) || kind == PROBE_STARTUP;
    settle(t, c, kind, good);
    if (hold) p->run = 0;
}

/* Whether a probe has something to do now: the rules of doProbe(). */
static bool probe_applies(const turn *t, const container *c, int kind) {
    const probe *p = &c->trouble->probes[kind];
    if (!p->exists || p->quiet || c->run != RUN_RUNNING) return false;
    if (t->w->stage != STAGE_SYNC && kind != PROBE_READINESS) return false;
    return c->started ? kind != PROBE_STARTUP : kind == PROBE_STARTUP;
}

static bool too_young(const turn *t, const container *c, int kind) {
    int64_t delay = ks_int_or(ks_get(probe_spec(t, c, kind), K(initialDelaySeconds)), 0);
    return (t->now - c->began) / KS_SECOND < delay;
}

void probes_run(turn *t) {
    worker *w = t->w;
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        if (!c->trouble || c->run != RUN_RUNNING) continue;
        for (int kind = 0; kind < PROBE_KINDS; kind++) {
            probe *p = &c->trouble->probes[kind];
            if (!p->exists || p->next > t->now) continue;
            int64_t every = period(probe_spec(t, c, kind));
            bool applies = probe_applies(t, c, kind) && !too_young(t, c, kind);
            p->next += ((t->now - p->next) / every + 1) * every;
            if (applies) run_probe(t, c, kind);
        }
    }
    if (w->stage == STAGE_KILL && !w->told) {
        w->told = true;
        write_status(t, STATUS_SYNC); /* readiness goes on while the pod ends */
    }
}

/* A status was written: containers that have started but are not ready get a look at once, which sets their beat anew. */
void probe_readiness_now(turn *t) {
    worker *w = t->w;
    for (uint32_t i = 0; i < w->count; i++) {
        container *c = &w->containers[i];
        if (!c->trouble || !probe_applies(t, c, PROBE_READINESS) || c->ready ||
            too_young(t, c, PROBE_READINESS))
            continue;
        probe *p = &c->trouble->probes[PROBE_READINESS];
        int64_t every = period(probe_spec(t, c, PROBE_READINESS));
        if (p->looked == t->now + 1) continue; /* one look an instant is enough */
        p->looked = t->now + 1;
        p->next = t->now + every;
        run_probe(t, c, PROBE_READINESS);
    }
}

/* --- when --- */

/* Nothing that the probe asks can answer differently later: no ticks. A readiness probe that keeps failing is told about for as
 * long as its events show more than a count. */
static bool settled(const turn *t, const container *c, int kind) {
    const probe *p = &c->trouble->probes[kind];
    ks_val spec = probe_spec(t, c, kind);
    if (!p->known || container_image(t, c)->id) return false;
    if (p->passing) return p->run >= ks_int_or(ks_get(spec, K(successThreshold)), 1);
    return kind == PROBE_READINESS && t->now - c->began > PATIENCE;
}

int64_t probes_next(const turn *t) {
    const worker *w = t->w;
    int64_t due = KS_NEVER;
    for (uint32_t i = 0; i < w->count; i++) {
        const container *c = &w->containers[i];
        if (!c->trouble || c->run != RUN_RUNNING) continue;
        for (int kind = 0; kind < PROBE_KINDS; kind++) {
            const probe *p = &c->trouble->probes[kind];
            if (!p->exists || !probe_applies(t, c, kind) || settled(t, c, kind)) continue;
            int64_t next = p->next;
            int64_t delay =
                ks_int_or(ks_get(probe_spec(t, c, kind), K(initialDelaySeconds)), 0) * KS_SECOND;
            int64_t every = period(probe_spec(t, c, kind));
            if (next <= t->now) /* ticks that passed unused */
                next += ((t->now - next) / every + 1) * every;
            int64_t first = c->began + delay; /* ticks before that do nothing */
            if (next < first) next += (first - next + every - 1) / every * every;
            due = earlier(due, next);
        }
    }
    return due;
}
