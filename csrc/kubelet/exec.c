/*
 * kubelet/exec.c - a container from inside: its environment, its image's commands, its HTTP server, its output, its end.
 *
 * The small core on which exec, curl and logs stand; the shell itself is Lua. Called by the binding and by probes.c.
 */
#include "kubelet/worker.h"

#include <stdio.h>
#include <string.h>

static const worker *worker_for(ks_sim *sim, const ks_object *pod, kubelet **k) {
    *k = ks_component_state(sim, &ks_kubelet);
    return ks_ids_get(&(*k)->pods, pod->id);
}

/* The container's spec in the pod, KS_NOTHING when there is none of that name. */
ks_val spec_of_container(const ks_object *pod, const ks_str *name) {
    ks_each(c, ks_get(pod->spec, K(containers)))
        if (ks_str_eq(ks_str_or_null(ks_get(*c, K(name))), name)) return *c;
    ks_each(c, ks_get(pod->spec, K(initContainers)))
        if (ks_str_eq(ks_str_or_null(ks_get(*c, K(name))), name)) return *c;
    return KS_NOTHING;
}

static const ks_str *default_container(const ks_object *pod) {
    ks_val chosen = ks_get2(pod->meta, K(annotations), K(kubectl_kubernetes_io_default_container));
    if (ks_is(chosen, KS_STRING) && ks_exists(spec_of_container(pod, chosen.s))) return chosen.s;
    return ks_str_or_null(ks_get(ks_at(ks_get(pod->spec, K(containers)), 0), K(name)));
}

static bool lost(const ks_sim *sim, const kubelet *k, const ks_object *pod) {
    uint64_t key;
    const machine *n = pod->node ? node_of(k, pod->node, &key) : NULL;
    return !n || is_lost(sim, n);
}

ks_refusal *ks_kubelet_container(ks_sim *sim, const ks_object *pod, const ks_str *name,
                                 const ks_str **out) {
    kubelet *k;
    const worker *w = worker_for(sim, pod, &k);
    ks_heap *heap = k->heap;
    if (!name) name = default_container(pod);
    ks_val spec = spec_of_container(pod, name);
    if (!ks_exists(spec))
        return ks_refuse(heap, 400, "BadRequest", "container %s is not valid for pod %s", name->s,
                         pod->name->s);
    if (!pod->node)
        return ks_refuse(heap, 400, "BadRequest", "pod %s does not have a host assigned",
                         pod->name->s);
    if (lost(sim, k, pod)) /* what the API server says when it cannot reach the node */
        return ks_refuse(heap, 500, "InternalError",
                         "error dialing backend: dial tcp: i/o timeout");
    if (pod->phase == 'S' || pod->phase == 'F')
        return ks_refuse(heap, 400, "BadRequest",
                         "cannot exec into a container in a completed pod; current phase is %s",
                         ks_text_or(ks_get(pod->status, K(phase)), ""));
    const container *c = w ? container_named(w, name) : NULL;
    if (!c || c->run != RUN_RUNNING)
        return ks_refuse(heap, 500, "InternalError",
                         "unable to upgrade connection: container not found (\"%s\")", name->s);
    *out = ks_get(spec, K(name)).s;
    return NULL;
}

/* --- the image's behaviour --- */

static const ks_image *image_of(ks_sim *sim, const ks_object *pod, const ks_str *container_name_) {
    return ks_settings_image(
        sim->settings, ks_str_or_null(ks_get(spec_of_container(pod, container_name_), K(image))));
}

bool ks_kubelet_exec(ks_sim *sim, const ks_object *pod, const ks_str *container_name_, ks_val argv,
                     ks_val input, bool *handled, ks_val *out, ks_val *err, int *code) {
    const ks_image *image = image_of(sim, pod, container_name_);
    *handled = false;
    *out = KS_NOTHING;
    if (err) *err = KS_NOTHING;
    *code = 0;
    if (!image || !image->id || !sim->hooks || !sim->hooks->image_command) return true;
    return sim->hooks->image_command(sim->hook_payload, sim, image->id, argv, pod, input, handled,
                                     out, err, code);
}

static const ks_object *pod_at(ks_sim *sim, kubelet *k, const char *ip) {
    unsigned a, b, c, d;
    if (!ip || sscanf(ip, "%u.%u.%u.%u", &a, &b, &c, &d) != 4) return NULL;
    const void *id = ks_ids_get(&k->ips, (uint32_t)(a << 24 | b << 16 | c << 8 | d));
    return id ? ks_store_by_id(&sim->server.store, KS_POD, (uint64_t)(uintptr_t)id - 1) : NULL;
}

/* The course's image, kubetm/app: it ignores SIGTERM and answers its health check on port 8080. */
bool is_course_app(ks_val spec) {
    const char *image = ks_text_or(ks_get(spec, K(image)), "");
    if (!strncmp(image, "docker.io/", 10)) image += 10;
    return strcspn(image, ":@") == 10 && !strncmp(image, "kubetm/app", 10);
}

/* Other images than the course's need cluster:image{http=}. */
static bool built_in_http(ks_sim *sim, const ks_object *pod, ks_val spec, int port, ks_val request,
                          int *status, ks_val *body) {
    ks_heap *heap = sim->world.heap;
    if (!is_course_app(spec) || port != 8080) return false;
    const char *path = ks_text_or(ks_get(request, K(path)), "/");
    size_t len = strcspn(path, "?");
    if (len == 7 && !strncmp(path, "/health", 7)) {
        *status = 200;
        if (body) *body = ks_format(heap, "%s is Running\n", pod->name->s);
    } else {
        *status = 404;
        if (body) *body = ks_text(heap, "");
    }
    return true;
}

ks_http_answer ks_kubelet_http(ks_sim *sim, const ks_object *pod, const char *ip, int port,
                               ks_val request, int *status, ks_val *body) {
    kubelet *k = ks_component_state(sim, &ks_kubelet);
    *status = 0;
    if (body) *body = KS_NOTHING;
    if (!pod) pod = pod_at(sim, k, ip);
    const worker *w = pod ? worker_for(sim, pod, &k) : NULL;
    if (!w || !w->sandbox || lost(sim, k, pod)) return KS_HTTP_UNREACHABLE;
    for (uint32_t i = 0; i < w->count; i++) {
        const container *c = &w->containers[i];
        ks_val spec = container_spec(w, c);
        const ks_image *image =
            ks_settings_image(sim->settings, ks_str_or_null(ks_get(spec, K(image))));
        if (c->run != RUN_RUNNING || c->ready_at > sim->world.now) continue;
        if (image->id && sim->hooks && sim->hooks->image_http) {
            if (!sim->hooks->image_http(sim->hook_payload, sim, image->id, port, request, pod,
                                        status, body))
                return KS_HTTP_RAISED;
            if (*status) return KS_HTTP_OK;
        }
        if (built_in_http(sim, pod, spec, port, request, status, body)) return KS_HTTP_OK;
    }
    return KS_HTTP_REFUSED;
}

/* --- the end of a process --- */

ks_refusal *ks_kubelet_crash(ks_sim *sim, const ks_object *pod, const ks_str *name, int exit_code,
                             const ks_str *reason) {
    kubelet *k = ks_component_state(sim, &ks_kubelet);
    if (!name) name = default_container(pod);
    if (!ks_exists(spec_of_container(pod, name)))
        return ks_refuse(k->heap, 400, "BadRequest", "container %s is not valid for pod %s",
                         name->s, pod->name->s);
    worker *w = worker_own(k, pod->id);
    container *c = w ? container_named(w, name) : NULL;
    if (!c || c->run != RUN_RUNNING)
        return ks_refuse(k->heap, 400, "BadRequest", "container %s of pod %s is not running",
                         name->s, pod->name->s);
    c->ends = sim->world.now;
    c->end_code = exit_code;
    c->end_killed = false;
    ks_str_unref(k->heap, c->end_reason);
    c->end_reason = ks_str_ref(reason);
    ks_enqueue_at(sim, k->self, pod->id, relist_after(sim->world.now));
    return NULL;
}

/* --- output --- */

static ks_refusal *no_output(ks_sim *sim, const ks_object *pod, const ks_str *name) {
    ks_val state = KS_NOTHING;
    ks_each(s, ks_get(pod->status, K(containerStatuses)))
        if (ks_str_eq(ks_str_or_null(ks_get(*s, K(name))), name)) state = ks_get(*s, K(state));
    ks_each(s, ks_get(pod->status, K(initContainerStatuses)))
        if (ks_str_eq(ks_str_or_null(ks_get(*s, K(name))), name)) state = ks_get(*s, K(state));
    const char *reason = ks_text_or(ks_get2(state, K(waiting), K(reason)), "ContainerCreating");
    bool image = !strcmp(reason, "ErrImagePull") || !strcmp(reason, "ImagePullBackOff");
    const char *why = image ? "trying and failing to pull image" : NULL;
    return ks_refuse(sim->world.heap, 400, "BadRequest",
                     "container \"%s\" in pod \"%s\" is waiting to start: %s", name->s,
                     pod->name->s, why ? why : reason);
}

/* Images say nothing about what they print: the output of a container that has run is empty. */
ks_refusal *ks_kubelet_logs(ks_sim *sim, const ks_object *pod, const ks_str *name, bool previous,
                            ks_val *out) {
    kubelet *k;
    const worker *w = worker_for(sim, pod, &k);
    if (!name) name = default_container(pod);
    if (!ks_exists(spec_of_container(pod, name)))
        return ks_refuse(k->heap, 400, "BadRequest", "container %s is not valid for pod %s",
                         name->s, pod->name->s);
    if (!pod->node)
        return ks_refuse(k->heap, 400, "BadRequest", "pod %s does not have a host assigned",
                         pod->name->s);
    const container *c = w ? container_named(w, name) : NULL;
    if (previous && (!c || !c->trouble || !c->trouble->before.reason))
        return ks_refuse(k->heap, 400, "BadRequest",
                         "previous terminated container \"%s\" in pod \"%s\" not found", name->s,
                         pod->name->s);
    if (!c || c->run == RUN_NONE || c->run == RUN_CREATED) return no_output(sim, pod, name);
    *out = ks_text(k->heap, "");
    return NULL;
}
