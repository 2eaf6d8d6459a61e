/*
 * kubelet/env.c - the environment of a container: services, envFrom, env, and what field references stand for.
 *
 * pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables, podFieldSelectorRuntimeValue), pkg/kubelet/envvars/envvars.go,
 * pkg/fieldpath. Called by the binding (the shell) and by mounts.c (downwardAPI volumes).
 */
#include "kubelet/worker.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* --- references --- */

/* metadata.labels['key'] and metadata.annotations['key']. */
static ks_val subscript(ks_val map, const char *path) {
    const char *from = strchr(path, '\''), *to = from ? strrchr(path, '\'') : NULL;
    return to && to > from ? ks_get_text(map, from + 1, (size_t)(to - from - 1)) : KS_NOTHING;
}

/* All labels or annotations, as a downwardAPI volume shows them: key="value", a line each. */
static ks_val map_lines(ks_heap *heap, ks_val map) {
    ks_buf out = {heap, NULL, 0, 0};
    for (uint32_t i = 0; i < ks_len(map); i++) {
        const ks_pair *p = ks_pair_at(map, i);
        if (i) ks_buf_putc(&out, '\n');
        ks_buf_str(&out, p->key);
        ks_buf_putc(&out, '=');
        ks_json_write(&out, p->val, KS_JSON_COMPACT);
    }
    return ks_string_take(ks_buf_take(&out));
}

static ks_val addresses(ks_heap *heap, ks_val list) {
    ks_buf out = {heap, NULL, 0, 0};
    ks_each(a, list)
        ks_buf_printf(&out, "%s%s", out.len ? "," : "", ks_text_or(ks_get(*a, K(ip)), ""));
    return ks_string_take(ks_buf_take(&out));
}

ks_val field_value(ks_sim *sim, const ks_object *pod, ks_val ref) {
    ks_heap *heap = sim->world.heap;
    const char *path = ks_text_or(ks_get(ref, K(fieldPath)), "");
    if (!strcmp(path, "metadata.name")) return ks_string(pod->name);
    if (!strcmp(path, "metadata.namespace")) return ks_string(pod->ns);
    if (!strcmp(path, "metadata.uid")) return ks_string(pod->uid);
    if (!strcmp(path, "metadata.labels")) return map_lines(heap, pod->labels);
    if (!strcmp(path, "metadata.annotations"))
        return map_lines(heap, ks_get(pod->meta, K(annotations)));
    ks_val v = KS_NOTHING;
    if (!strncmp(path, "metadata.labels[", 16))
        v = subscript(pod->labels, path);
    else if (!strncmp(path, "metadata.annotations[", 21))
        v = subscript(ks_get(pod->meta, K(annotations)), path);
    else if (!strcmp(path, "spec.nodeName"))
        v = ks_get(pod->spec, K(nodeName));
    else if (!strcmp(path, "spec.serviceAccountName"))
        v = ks_get(pod->spec, K(serviceAccountName));
    else if (!strcmp(path, "status.hostIP"))
        v = ks_get(pod->status, K(hostIP));
    else if (!strcmp(path, "status.podIP"))
        v = ks_get(pod->status, K(podIP));
    else if (!strcmp(path, "status.podIPs"))
        return addresses(heap, ks_get(pod->status, K(podIPs)));
    else if (!strcmp(path, "status.hostIPs"))
        return addresses(heap, ks_get(pod->status, K(hostIPs)));
    return ks_exists(v) ? ks_ref(v) : ks_text(heap, "");
}

/* limits.cpu and the like, in units of the divisor, rounded up; what has no limit has the node's allocatable. */
ks_val resource_value(ks_sim *sim, const ks_object *pod, ks_val spec, ks_val ref) {
    ks_heap *heap = sim->world.heap;
    const char *path = ks_text_or(ks_get(ref, K(resource)), "");
    const ks_str *other = ks_str_or_null(ks_get(ref, K(containerName)));
    if (other) spec = spec_of_container(pod, other);
    const char *dot = strchr(path, '.');
    ks_val list = ks_get2(spec, K(resources), path[0] == 'l' ? K(limits) : K(requests));
    size_t len = dot ? strlen(dot + 1) : 0;
    ks_val amount = dot ? ks_get_text(list, dot + 1, len) : KS_NOTHING;
    const ks_object *on =
        pod->node ? ks_store_get(&sim->server.store, KS_NODE, NULL, pod->node) : NULL;
    if (!ks_exists(amount) && dot && path[0] == 'l' && on)
        amount = ks_get_text(ks_get(on->status, K(allocatable)), dot + 1, len);
    ks_quantity q = ks_quantity_of(amount), d = ks_quantity_of(ks_get(ref, K(divisor)));
    if (d.nanos == 0) d = ks_quantity_of(ks_int(1));
    return ks_format(heap, "%lld", (long long)((q.nanos + d.nanos - 1) / d.nanos));
}

/* third_party/forked/golang/expansion: $(NAME) where NAME is known, $$ is $. */
ks_val expand(ks_heap *heap, ks_val text, ks_val env) {
    const ks_str *s = ks_str_or_null(text);
    if (!s || !memchr(s->s, '$', s->len)) return ks_exists(text) ? ks_ref(text) : ks_text(heap, "");
    ks_buf out = {heap, NULL, 0, 0};
    for (uint32_t i = 0; i < s->len; i++) {
        char next = i + 1 < s->len ? s->s[i + 1] : '\0';
        const char *close = next == '(' ? memchr(s->s + i, ')', s->len - i) : NULL;
        if (s->s[i] != '$' || (next != '$' && !close)) {
            ks_buf_putc(&out, s->s[i]);
        } else if (next == '$') {
            ks_buf_putc(&out, '$');
            i++;
        } else {
            const char *name = s->s + i + 2;
            ks_val v = ks_get_text(env, name, (size_t)(close - name));
            if (ks_is(v, KS_STRING))
                ks_buf_str(&out, v.s);
            else
                ks_buf_add(&out, s->s + i, (size_t)(close - (s->s + i)) + 1);
            i = (uint32_t)(close - s->s);
        }
    }
    return ks_string_take(ks_buf_take(&out));
}

/* --- services --- */

static ks_val put(ks_heap *heap, ks_val env, const char *name, ks_val v) {
    const ks_str *key = ks_intern_of(heap, name);
    env = ks_put(heap, env, key, v);
    ks_str_unref(heap, key);
    return env;
}

static void upper(char *out, size_t size, const char *s) {
    size_t i = 0;
    for (; s[i] && i + 1 < size; i++)
        out[i] = s[i] == '-' ? '_' : (char)toupper((unsigned char)s[i]);
    out[i] = '\0';
}

static ks_val service_variables(ks_heap *heap, ks_val env, const ks_object *service) {
    const char *ip = ks_text_or(ks_get(service->spec, K(clusterIP)), "");
    ks_val ports = ks_get(service->spec, K(ports));
    char head[80], key[256], word[80];
    if (!*ip || !strcmp(ip, "None") || !ks_len(ports)) return env;
    upper(head, sizeof head, service->name->s);
    snprintf(key, sizeof key, "%s_SERVICE_HOST", head);
    env = put(heap, env, key, ks_text(heap, ip));
    bool first = true;
    ks_each(p, ports) {
        long long port = ks_int_or(ks_get(*p, K(port)), 0);
        const char *protocol = ks_text_or(ks_get(*p, K(protocol)), "TCP");
        char lower[8] = "";
        for (size_t i = 0; protocol[i] && i < sizeof lower - 1; i++)
            lower[i] = (char)tolower((unsigned char)protocol[i]);
        const char *name = ks_text_or(ks_get(*p, K(name)), "");
        if (first) {
            snprintf(key, sizeof key, "%s_SERVICE_PORT", head);
            env = put(heap, env, key, ks_format(heap, "%lld", port));
            snprintf(key, sizeof key, "%s_PORT", head);
            env = put(heap, env, key, ks_format(heap, "%s://%s:%lld", lower, ip, port));
        }
        if (*name) {
            upper(word, sizeof word, name);
            snprintf(key, sizeof key, "%s_SERVICE_PORT_%s", head, word);
            env = put(heap, env, key, ks_format(heap, "%lld", port));
        }
        snprintf(key, sizeof key, "%s_PORT_%lld_%s", head, port, protocol);
        env = put(heap, env, key, ks_format(heap, "%s://%s:%lld", lower, ip, port));
        size_t at = strlen(key);
        snprintf(key + at, sizeof key - at, "_PROTO");
        env = put(heap, env, key, ks_text(heap, lower));
        snprintf(key + at, sizeof key - at, "_PORT");
        env = put(heap, env, key, ks_format(heap, "%lld", port));
        snprintf(key + at, sizeof key - at, "_ADDR");
        env = put(heap, env, key, ks_text(heap, ip));
        first = false;
    }
    return env;
}

/* Services that were there when the container started. */
static ks_val services(ks_sim *sim, const ks_object *pod, int64_t began, ks_val env) {
    const ks_store *store = &sim->server.store;
    const ks_object *master = ks_store_get_text(store, KS_SERVICE, "default", "kubernetes");
    if (master) env = service_variables(sim->world.heap, env, master);
    if (!ks_bool_or(ks_get(pod->spec, K(enableServiceLinks)), true)) return env;
    for (ks_walk walk = ks_walk_kind(store, KS_SERVICE, pod->ns); ks_walk_next(&walk);)
        if (walk.object->created <= began)
            env = service_variables(sim->world.heap, env, walk.object);
    return env;
}

/* --- the whole --- */

static ks_val from_object(ks_sim *sim, const ks_object *pod, ks_val ref, ks_kind kind) {
    const ks_str *name = ks_str_or_null(ks_get(ref, K(name)));
    const ks_object *o = name ? ks_store_get(&sim->server.store, kind, pod->ns, name) : NULL;
    return o ? ks_get(ks_doc(o), K(data)) : KS_NOTHING;
}

static ks_val env_from(ks_sim *sim, const ks_object *pod, ks_val source, ks_val env) {
    ks_heap *heap = sim->world.heap;
    const char *prefix = ks_text_or(ks_get(source, K(prefix)), "");
    bool secret = ks_exists(ks_get(source, K(secretRef)));
    ks_val data = secret ? from_object(sim, pod, ks_get(source, K(secretRef)), KS_SECRET)
                         : from_object(sim, pod, ks_get(source, K(configMapRef)), KS_CONFIGMAP);
    for (uint32_t i = 0; i < ks_len(data); i++) {
        const ks_pair *p = ks_pair_at(data, i);
        const ks_str *key = ks_str_printf(heap, "%s%s", prefix, p->key->s);
        env = put(heap, env, key->s, secret ? decode_base64(heap, p->val) : ks_ref(p->val));
        ks_str_unref(heap, key);
    }
    return env;
}

static ks_val value_from(ks_sim *sim, const ks_object *pod, ks_val spec, ks_val from) {
    ks_val ref;
    if (ks_exists(ref = ks_get(from, K(fieldRef)))) return field_value(sim, pod, ref);
    if (ks_exists(ref = ks_get(from, K(resourceFieldRef))))
        return resource_value(sim, pod, spec, ref);
    bool secret = ks_exists(ks_get(from, K(secretKeyRef)));
    ref = ks_get(from, secret ? K(secretKeyRef) : K(configMapKeyRef));
    const ks_str *key = ks_str_or_null(ks_get(ref, K(key)));
    ks_val data = from_object(sim, pod, ref, secret ? KS_SECRET : KS_CONFIGMAP);
    ks_val v = key ? ks_get_text(data, key->s, key->len) : KS_NOTHING;
    if (!ks_exists(v)) return KS_NOTHING; /* optional: the variable is not set */
    return secret ? decode_base64(sim->world.heap, v) : ks_ref(v);
}

ks_val ks_kubelet_hostname(ks_sim *sim, const ks_object *pod) {
    if (ks_bool_or(ks_get(pod->spec, K(hostNetwork)), false) && pod->node)
        return ks_string(pod->node);
    const ks_str *own = ks_str_or_null(ks_get(pod->spec, K(hostname)));
    if (!own) own = pod->name;
    uint32_t len = own->len > 63 ? 63 : own->len; /* truncatePodHostnameIfNeeded */
    while (len < own->len && len > 0 && (own->s[len - 1] == '-' || own->s[len - 1] == '.')) len--;
    return ks_textn(sim->world.heap, own->s, len);
}

ks_val ks_kubelet_env(ks_sim *sim, const ks_object *pod, const ks_str *name) {
    kubelet *k = ks_component_state(sim, &ks_kubelet);
    ks_heap *heap = k->heap;
    const worker *w = ks_ids_get(&k->pods, pod->id);
    const container *c = w ? container_named(w, name) : NULL;
    ks_val spec = spec_of_container(pod, name);
    ks_val env = KS_NOTHING;
    env = put(heap, env, "PATH",
              ks_text(heap, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    env = put(heap, env, "HOME", ks_text(heap, "/root"));
    env = put(heap, env, "HOSTNAME", ks_kubelet_hostname(sim, pod));
    env = services(sim, pod, c ? c->began : sim->world.now, env);
    ks_each(source, ks_get(spec, K(envFrom))) env = env_from(sim, pod, *source, env);
    ks_each(v, ks_get(spec, K(env))) {
        ks_val from = ks_get(*v, K(valueFrom));
        const char *variable = ks_text_or(ks_get(*v, K(name)), "");
        ks_val text = ks_exists(from) ? value_from(sim, pod, spec, from)
                                      : expand(heap, ks_get(*v, K(value)), env);
        if (ks_exists(text)) env = put(heap, env, variable, text);
    }
    return env;
}
