/*
 * api/warn_pod.c - warnings about pods and pod templates.
 *
 * pkg/api/pod/warnings.go, in its order.
 */
#include "api/warn_internal.h"

#include <string.h>

/* The lists of a pod's containers in the order in which upstream visits them. */
static const ks_str *const LISTS[] = {K(initContainers), K(containers), K(ephemeralContainers)};

static void warn_affinity_labels(ks_warner *w, ks_val affinity) {
    ks_val terms =
        ks_get2(affinity, K(requiredDuringSchedulingIgnoredDuringExecution), K(nodeSelectorTerms));
    ks_val preferred = ks_get(affinity, K(preferredDuringSchedulingIgnoredDuringExecution));
    KS_IN(w, "requiredDuringSchedulingIgnoredDuringExecution") KS_IN(w, "nodeSelectorTerms") {
        for (uint32_t i = 0; i < ks_len(terms); i++)
            KS_AT(w, i) ks_warn_node_term(w, ks_at(terms, i), false);
    }
    KS_IN(w, "preferredDuringSchedulingIgnoredDuringExecution") {
        for (uint32_t i = 0; i < ks_len(preferred); i++) KS_AT(w, i)
        KS_IN(w, "preference")
        ks_warn_node_term(w, ks_get(ks_at(preferred, i), K(preference)), true);
    }
}

static void warn_spread(ks_warner *w, ks_val constraints) {
    KS_IN(w, "topologySpreadConstraints") {
        for (uint32_t i = 0; i < ks_len(constraints); i++) {
            ks_val constraint = ks_at(constraints, i);
            const char *key = ks_member(constraint, K(topologyKey));
            const char *why = ks_deprecated_node_label(key);
            KS_AT(w, i) {
                if (why != NULL) ks_warn(w, "topologyKey", "%s is %s", key, why);
                if (!ks_exists(ks_get(constraint, K(labelSelector))))
                    ks_warn(w, "labelSelector", "a null labelSelector results in matching no pod");
            }
        }
    }
}

static void warn_annotations(ks_warner *w, ks_val annotations) {
    static const struct {
        const char *key, *why;
    } old[] = {
        {"scheduler.alpha.kubernetes.io/critical-pod",
         "non-functional in v1.16+; use the \"priorityClassName\" field instead"},
        {"security.alpha.kubernetes.io/sysctls",
         "non-functional in v1.11+; use the \"sysctls\" field instead"},
        {"security.alpha.kubernetes.io/unsafe-sysctls",
         "non-functional in v1.11+; use the \"sysctls\" field instead"},
    };
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
        if (!ks_exists(ks_get_text(annotations, old[i].key, strlen(old[i].key)))) continue;
        KS_IN(w, "metadata")
        KS_IN(w, "annotations") KS_KEY(w, old[i].key) ks_warn(w, NULL, "%s", old[i].why);
    }
}

static void warn_volumes(ks_warner *w, ks_val volumes) {
    static const struct {
        const ks_str *key;
        const char *path, *why;
    } old[] = {
        {K(photonPersistentDisk), "photonPersistentDisk",
         "deprecated in v1.11, non-functional in v1.16+"},
        {K(gitRepo), "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"},
        {K(scaleIO), "scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
        {K(flocker), "flocker", "deprecated in v1.22, non-functional in v1.25+"},
        {K(storageos), "storageOS", "deprecated in v1.22, non-functional in v1.25+"},
        {K(quobyte), "quobyte", "deprecated in v1.22, non-functional in v1.25+"},
        {K(glusterfs), "glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
        {K(cephfs), "cephfs", "deprecated in v1.28, non-functional in v1.31+"},
        {K(rbd), "rbd", "deprecated in v1.28, non-functional in v1.31+"},
    };
    KS_IN(w, "volumes") {
        for (uint32_t i = 0; i < ks_len(volumes); i++) {
            ks_val volume = ks_at(volumes, i);
            ks_val claim = ks_get2(volume, K(ephemeral), K(volumeClaimTemplate));
            KS_AT(w, i) {
                for (size_t j = 0; j < sizeof old / sizeof *old; j++) {
                    if (ks_exists(ks_get(volume, old[j].key)))
                        ks_warn(w, old[j].path, "%s", old[j].why);
                    if (old[j].key == K(glusterfs) && ks_exists(claim)) KS_IN(w, "ephemeral")
                    KS_IN(w, "volumeClaimTemplate")
                    KS_IN(w, "spec") ks_warn_claim_spec(w, ks_get(claim, K(spec)));
                }
            }
        }
    }
}

/* --- files of one volume that lie in each other --- */

typedef struct file_set {
    ks_val paths, sources; /* lists of texts; a source is as it is shown, "" for none */
} file_set;

static void show_file(ks_buf *out, ks_val path, ks_val source) {
    ks_buf_printf(out, "\"%s\"", path.s->s);
    if (source.s->len > 0) ks_buf_printf(out, " (%s)", source.s->s);
}

static bool lies_in(const char *inner, const char *outer) {
    size_t len = strlen(outer);
    return strncmp(inner, outer, len) == 0 && (inner[len] == '\0' || inner[len] == '/');
}

/* Adds a file to the set; warns about each one that it overlaps. Takes over `source`. */
static void add_file(ks_warner *w, file_set *set, ks_val volume, const char *what, ks_val path,
                     ks_val source) {
    const ks_str *text = ks_text_value(path).s;
    size_t len = text->len;
    while (len > 0 && text->s[len - 1] == '/') len--;
    ks_val bare = ks_textn(w->heap, text->s, len);
    for (uint32_t i = 0; i < ks_len(set->paths) && len > 0; i++) {
        ks_val other = ks_at(set->paths, i);
        if (other.s->len == 0) continue;
        if (!lies_in(bare.s->s, other.s->s) && !lies_in(other.s->s, bare.s->s)) continue;
        ks_buf body = {.heap = w->heap};
        show_file(&body, bare, source);
        ks_buf_puts(&body, " with ");
        show_file(&body, other, ks_at(set->sources, i));
        ks_warn_plain(w, "volume \"%s\" (%s): overlapping paths: %s", ks_member(volume, K(name)),
                      what, body.s);
        ks_buf_dispose(&body);
    }
    set->paths = ks_append(w->heap, set->paths, bare);
    set->sources = ks_append(w->heap, set->sources, source);
}

static void free_files(ks_heap *heap, file_set *set) {
    ks_unref(heap, set->paths);
    ks_unref(heap, set->sources);
}

static void warn_items(ks_warner *w, ks_val volume, ks_val source, const char *kind,
                       const ks_str *name_key) {
    file_set set = {KS_NOTHING, KS_NOTHING};
    ks_buf what = {.heap = w->heap};
    ks_buf_puts(&what, kind);
    if (name_key != NULL) ks_buf_printf(&what, " \"%s\"", ks_member(source, name_key));
    ks_each(item, ks_get(source, K(items)))
        add_file(w, &set, volume, what.s, ks_get(*item, K(path)), ks_text(w->heap, ""));
    ks_buf_dispose(&what);
    free_files(w->heap, &set);
}

static void warn_projected(ks_warner *w, ks_val volume, ks_val projected) {
    file_set set = {KS_NOTHING, KS_NOTHING};
    ks_each(source, ks_get(projected, K(sources))) {
        ks_val map = ks_get(*source, K(configMap)), secret = ks_get(*source, K(secret));
        ks_val downward = ks_get(*source, K(downwardAPI));
        ks_val token = ks_get(*source, K(serviceAccountToken));
        if (ks_len(*source) == 0)
            ks_warn_plain(w, "volume \"%s\" (Projected) has no sources provided",
                          ks_member(volume, K(name)));
        if (ks_exists(ks_get(map, K(items)))) {
            ks_each(item, ks_get(map, K(items)))
                add_file(w, &set, volume, "Projected", ks_get(*item, K(path)),
                         ks_format(w->heap, "ConfigMap \"%s\"", ks_member(map, K(name))));
        } else if (ks_exists(ks_get(secret, K(items)))) {
            ks_each(item, ks_get(secret, K(items)))
                add_file(w, &set, volume, "Projected", ks_get(*item, K(path)),
                         ks_format(w->heap, "Secret \"%s\"", ks_member(secret, K(name))));
        } else if (ks_exists(ks_get(downward, K(items)))) {
            ks_each(item, ks_get(downward, K(items)))
                add_file(w, &set, volume, "Projected", ks_get(*item, K(path)),
                         ks_text(w->heap, "DownwardAPI"));
        } else if (ks_exists(token)) {
            add_file(w, &set, volume, "Projected", ks_get(token, K(path)),
                     ks_text(w->heap, "ServiceAccountToken"));
        }
    }
    free_files(w->heap, &set);
}

static void warn_overlaps(ks_warner *w, ks_val volumes) {
    ks_each(volume, volumes) {
        ks_val map = ks_get(*volume, K(configMap)), secret = ks_get(*volume, K(secret));
        ks_val downward = ks_get(*volume, K(downwardAPI));
        ks_val projected = ks_get(*volume, K(projected));
        if (ks_exists(map)) warn_items(w, *volume, map, "ConfigMap", K(name));
        if (ks_exists(secret)) warn_items(w, *volume, secret, "Secret", K(secretName));
        if (ks_exists(downward)) warn_items(w, *volume, downward, "DownwardAPI", NULL);
        if (ks_exists(projected)) warn_projected(w, *volume, projected);
    }
}

/* --- lists whose items should differ --- */

static void warn_twice(ks_warner *w, ks_val list, const char *field, const ks_str *key,
                       const char *what) {
    KS_IN(w, field) {
        for (uint32_t i = 1; i < ks_len(list); i++) {
            ks_val text = ks_text_value(ks_get(ks_at(list, i), key));
            bool twice = false;
            for (uint32_t j = 0; j < i; j++)
                twice |= ks_equal(ks_text_value(ks_get(ks_at(list, j), key)), text);
            if (twice) KS_AT(w, i) ks_warn(w, key->s, "duplicate %s \"%s\"", what, text.s->s);
        }
    }
}

/* --- containers --- */

static void warn_env(ks_warner *w, ks_val env) {
    KS_IN(w, "env") {
        for (uint32_t i = 1; i < ks_len(env); i++) {
            ks_val one = ks_at(env, i), name = ks_text_value(ks_get(one, K(name)));
            bool twice = false;
            for (uint32_t j = 0; j < i; j++)
                twice |= ks_equal(ks_text_value(ks_get(ks_at(env, j), K(name))), name);
            if (!twice) continue;
            const ks_str *ref = ks_str_printf(w->heap, "$(%s)", name.s->s);
            const char *value = ks_member(one, K(value));
            bool builds_on = !ks_exists(ks_get(one, K(valueFrom))) && strcmp(value, ref->s) != 0 &&
                             strstr(value, ref->s) != NULL;
            ks_str_unref(w->heap, ref);
            if (!builds_on) KS_AT(w, i)
            ks_warn(w, NULL,
                    "hides previous definition of \"%s\", which may be dropped when using "
                    "apply",
                    name.s->s);
        }
    }
}

static void warn_container(ks_warner *w, ks_val container) {
    ks_val limits = ks_get2(container, K(resources), K(limits));
    ks_val requests = ks_get2(container, K(resources), K(requests));
    KS_IN(w, "resources") {
        ks_warn_fraction(w, "limits", limits, K(memory));
        ks_warn_fraction(w, "requests", requests, K(memory));
        ks_warn_fraction(w, "limits", limits, K(ephemeral_storage));
        ks_warn_fraction(w, "requests", requests, K(ephemeral_storage));
    }
    warn_env(w, ks_get(container, K(env)));
}

/* A port and where it stands, for comparing it with others. */
typedef struct port_at {
    ks_val port;
    const ks_str *list;
    uint32_t container, index;
} port_at;

/* The n-th port of all containers; false when there are fewer. */
static bool port_number(ks_val spec, uint32_t n, port_at *out) {
    for (int i = 0; i < 3; i++) {
        ks_val containers = ks_get(spec, LISTS[i]);
        for (uint32_t j = 0; j < ks_len(containers); j++) {
            ks_val ports = ks_get(ks_at(containers, j), K(ports));
            if (n < ks_len(ports)) {
                *out = (port_at){ks_at(ports, n), LISTS[i], j, n};
                return true;
            }
            n -= ks_len(ports);
        }
    }
    return false;
}

/* "<path of the spec>.containers[0].ports[1]", a new text; at the path of the spec. */
static const ks_str *port_path(const ks_warner *w, const port_at *at) {
    const char *base = w->errors.path.len > 0 ? w->errors.path.s : "";
    return ks_str_printf(w->heap, "%s%s%s[%u].ports[%u]", base, base[0] == '\0' ? "" : ".",
                         at->list->s, (unsigned)at->container, (unsigned)at->index);
}

static void warn_same_port(ks_warner *w, const port_at *one, const port_at *other) {
    const char *ip = ks_member(one->port, K(hostIP)), *other_ip = ks_member(other->port, K(hostIP));
    int64_t host = ks_int_or(ks_get(one->port, K(hostPort)), 0);
    int64_t other_host = ks_int_or(ks_get(other->port, K(hostPort)), 0);
    const char *how = NULL;
    if (!ks_same(ks_get(one->port, K(containerPort)), ks_get(other->port, K(containerPort))) ||
        !ks_same(ks_get(one->port, K(protocol)), ks_get(other->port, K(protocol))))
        return;
    if (strcmp(ip, other_ip) == 0 && host == other_host)
        how = "duplicate";
    else if (host == 0 || other_host == 0)
        how = "overlapping";
    else if (host == other_host && (ip[0] == '\0') != (other_ip[0] == '\0'))
        how = "dangerously ambiguous";
    if (how == NULL) return;
    const ks_str *path = port_path(w, one), *other_path = port_path(w, other);
    ks_warn_plain(w, "%s: %s port definition with %s", path->s, how, other_path->s);
    ks_str_unref(w->heap, path);
    ks_str_unref(w->heap, other_path);
}

static void warn_ports(ks_warner *w, ks_val spec) {
    port_at one, other;
    for (uint32_t i = 0; port_number(spec, i, &one); i++) {
        if (ks_member(one.port, K(hostIP))[0] != '\0' &&
            ks_int_or(ks_get(one.port, K(hostPort)), 0) == 0) {
            const ks_str *path = port_path(w, &one);
            ks_warn_plain(w,
                          "%s: hostIP set without hostPort: {Name:%s HostPort:0 ContainerPort:%lld "
                          "Protocol:%s HostIP:%s}",
                          path->s, ks_member(one.port, K(name)),
                          (long long)ks_int_or(ks_get(one.port, K(containerPort)), 0),
                          ks_member(one.port, K(protocol)), ks_member(one.port, K(hostIP)));
            ks_str_unref(w->heap, path);
        }
        for (uint32_t j = 0; j < i && port_number(spec, j, &other); j++)
            warn_same_port(w, &one, &other);
    }
    for (uint32_t i = 0; port_number(spec, i, &one); i++) {
        const char *name = ks_member(one.port, K(name));
        for (uint32_t j = 0; name[0] != '\0' && j < i && port_number(spec, j, &other); j++) {
            if (strcmp(ks_member(other.port, K(name)), name) != 0) continue;
            const ks_str *path = port_path(w, &one), *first = port_path(w, &other);
            ks_warn_plain(w,
                          "%s: duplicate port name \"%s\" with %s, services and probes that select "
                          "ports by name will use %s",
                          path->s, name, first->s, first->s);
            ks_str_unref(w->heap, path);
            ks_str_unref(w->heap, first);
            break;
        }
    }
}

/* --- the rest --- */

static void warn_null_selectors(ks_warner *w, ks_val affinity) {
    ks_val required = ks_get(affinity, K(requiredDuringSchedulingIgnoredDuringExecution));
    ks_val preferred = ks_get(affinity, K(preferredDuringSchedulingIgnoredDuringExecution));
    static const char why[] = "a null labelSelector results in matching no pod";
    KS_IN(w, "requiredDuringSchedulingIgnoredDuringExecution") {
        for (uint32_t i = 0; i < ks_len(required); i++)
            if (!ks_exists(ks_get(ks_at(required, i), K(labelSelector))))
                KS_AT(w, i) ks_warn(w, "labelSelector", "%s", why);
    }
    KS_IN(w, "preferredDuringSchedulingIgnoredDuringExecution") {
        for (uint32_t i = 0; i < ks_len(preferred); i++)
            if (!ks_exists(ks_get2(ks_at(preferred, i), K(podAffinityTerm), K(labelSelector))))
                KS_AT(w, i) KS_IN(w, "podAffinityTerm") ks_warn(w, "labelSelector", "%s", why);
    }
}

static void warn_spec_tail(ks_warner *w, ks_val spec) {
    ks_val affinity = ks_get(spec, K(affinity)), aliases = ks_get(spec, K(hostAliases));
    ks_val servers = ks_get2(spec, K(dnsConfig), K(nameservers));
    if (ks_int_or(ks_get(spec, K(terminationGracePeriodSeconds)), 0) < 0)
        ks_warn(w, "terminationGracePeriodSeconds",
                "must be >= 0; negative values are invalid and will be treated as 1");
    KS_IN(w, "affinity") {
        KS_IN(w, "podAffinity") warn_null_selectors(w, ks_get(affinity, K(podAffinity)));
        KS_IN(w, "podAntiAffinity") warn_null_selectors(w, ks_get(affinity, K(podAntiAffinity)));
    }
    KS_IN(w, "dnsConfig") KS_IN(w, "nameservers") {
        for (uint32_t i = 0; i < ks_len(servers); i++)
            KS_AT(w, i) ks_warn_ip(w, NULL, ks_at(servers, i));
    }
    KS_IN(w, "hostAliases") {
        for (uint32_t i = 0; i < ks_len(aliases); i++)
            KS_AT(w, i) ks_warn_ip(w, "ip", ks_get(ks_at(aliases, i), K(ip)));
    }
}

static void warn_seccomp(ks_warner *w, ks_val annotations, const char *key) {
    if (!ks_exists(ks_get_text(annotations, key, strlen(key)))) return;
    KS_IN(w, "metadata")
    KS_IN(w, "annotations")
    KS_KEY(w, key)
    ks_warn(w, NULL, "non-functional in v1.27+; use the \"seccompProfile\" field instead");
}

/* A container's profiles in annotations; at the path of the pod or template. */
static void warn_profiles(ks_warner *w, ks_val annotations, ks_val spec, ks_val container) {
    static const char seccomp[] = "container.seccomp.security.alpha.kubernetes.io/";
    const char *name = ks_text_or(ks_get(container, K(name)), "");
    ks_val context = ks_get(container, K(securityContext));
    if (ks_len(annotations) == 0) return;
    if (!ks_exists(ks_get(context, K(seccompProfile)))) {
        const ks_str *key = ks_str_printf(w->heap, "%s%s", seccomp, name);
        warn_seccomp(w, annotations, key->s);
        ks_str_unref(w->heap, key);
    }
    if (w->errors.path.len == 0 || ks_exists(ks_get(context, K(appArmorProfile)))) return;
    const ks_pair *said = ks_app_armor_annotation(annotations, name);
    if (said == NULL) return;
    ks_val named = ks_app_armor_named(w->heap, said->val.s);
    bool same =
        ks_exists(named) && ks_equal(named, ks_get2(spec, K(securityContext), K(appArmorProfile)));
    ks_unref(w->heap, named);
    if (same) return;
    KS_IN(w, "metadata")
    KS_IN(w, "annotations")
    KS_KEY(w, said->key->s)
    ks_warn(w, NULL, "%s", KS_APP_ARMOR_DEPRECATED);
}

void ks_warn_pod(ks_warner *w, ks_val meta, ks_val spec) {
    ks_val selector = ks_get(spec, K(nodeSelector)), volumes = ks_get(spec, K(volumes));
    ks_val annotations = ks_get(meta, K(annotations)), secrets = ks_get(spec, K(imagePullSecrets));
    KS_IN(w, "spec") {
        KS_IN(w, "nodeSelector") {
            for (uint32_t i = 0; i < ks_len(selector); i++) {
                const char *key = ks_pair_at(selector, i)->key->s;
                const char *why = ks_deprecated_node_label(key);
                if (why != NULL) KS_KEY(w, key) ks_warn(w, NULL, "%s", why);
            }
        }
        KS_IN(w, "affinity")
        KS_IN(w, "nodeAffinity")
        warn_affinity_labels(w, ks_get2(spec, K(affinity), K(nodeAffinity)));
        warn_spread(w, ks_get(spec, K(topologySpreadConstraints)));
    }
    warn_annotations(w, annotations);
    KS_IN(w, "spec") {
        warn_volumes(w, volumes);
        warn_overlaps(w, volumes);
        warn_twice(w, ks_get(spec, K(hostAliases)), "hostAliases", K(ip), "ip");
        warn_twice(w, secrets, "imagePullSecrets", K(name), "name");
        KS_IN(w, "imagePullSecrets") {
            for (uint32_t i = 0; i < ks_len(secrets); i++)
                if (ks_is_empty_text(ks_get(ks_at(secrets, i), K(name))))
                    KS_AT(w, i) ks_warn(w, "name", "invalid empty name \"\"");
        }
        ks_warn_fraction(w, "overhead", ks_get(spec, K(overhead)), K(memory));
        ks_warn_fraction(w, "overhead", ks_get(spec, K(overhead)), K(ephemeral_storage));
    }
    if (!ks_exists(ks_get2(spec, K(securityContext), K(seccompProfile))))
        warn_seccomp(w, annotations, "seccomp.security.alpha.kubernetes.io/pod");
    for (int i = 0; i < 3; i++) {
        ks_val containers = ks_get(spec, LISTS[i]);
        for (uint32_t j = 0; j < ks_len(containers); j++) {
            warn_profiles(w, annotations, spec, ks_at(containers, j));
            KS_IN(w, "spec") KS_IN(w, LISTS[i]->s) {
                KS_AT(w, j) warn_container(w, ks_at(containers, j));
            }
        }
    }
    KS_IN(w, "spec") {
        warn_ports(w, spec);
        warn_spec_tail(w, spec);
    }
}
