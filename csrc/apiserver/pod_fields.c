/*
 * apiserver/pod_fields.c - fields of pods, and of workloads' templates, that are not taken from users: their feature gates are off.
 *
 * pkg/api/pod/util.go: DropDisabledPodFields. What an object has already it keeps.
 */
#include "apiserver/internal.h"

/* The spec of the pod, or of the pods that a workload makes. */
static ks_val pod_spec_of(ks_kind kind, ks_val doc) {
    bool workload = kind == KS_REPLICASET || kind == KS_STATEFULSET || kind == KS_DEPLOYMENT;
    return kind == KS_POD ? ks_get(doc, K(spec))
           : workload     ? ks_get3(doc, K(spec), K(template), K(spec))
                          : KS_NOTHING;
}

/* Takes over `spec`. */
static void put_pod_spec(ks_heap *heap, ks_kind kind, ks_val *doc, ks_val spec) {
    *doc = kind == KS_POD ? ks_put(heap, *doc, K(spec), spec)
                          : ks_put3(heap, *doc, K(spec), K(template), K(spec), spec);
}

/* --- containers of all three sorts --- */

typedef bool (*test_of_container)(ks_val container, bool init);
/* One container with the change made: `container` is taken over. */
typedef ks_val (*change_of_container)(ks_heap *heap, ks_val container, bool init);

static const ks_str *const LISTS[] = {K(initContainers), K(containers), K(ephemeralContainers)};

static bool any_container(ks_val spec, test_of_container test) {
    for (int i = 0; i < 3; i++) {
        ks_each(container, ks_get(spec, LISTS[i])) {
            if (test(*container, i == 0)) return true;
        }
    }
    return false;
}

static void change_containers(ks_heap *heap, ks_kind kind, ks_val *doc,
                              change_of_container change) {
    for (int i = 0; i < 3; i++) {
        ks_val list = ks_ref(ks_get(pod_spec_of(kind, *doc), LISTS[i]));
        if (list.type != KS_LIST) {
            ks_unref(heap, list);
            continue;
        }
        for (uint32_t j = 0; j < ks_len(list); j++)
            list = ks_set_at(heap, list, j, change(heap, ks_ref(ks_at(list, j)), i == 0));
        put_pod_spec(heap, kind, doc,
                     ks_put(heap, ks_ref(pod_spec_of(kind, *doc)), LISTS[i], list));
    }
}

/* --- what no release takes --- */

static bool has_stop_signal(ks_val container, bool init) {
    (void)init;
    return ks_exists(ks_get2(container, K(lifecycle), K(stopSignal)));
}

static ks_val without_stop_signal(ks_heap *heap, ks_val container, bool init) {
    if (!has_stop_signal(container, init)) return container;
    ks_val lifecycle = ks_drop(heap, ks_ref(ks_get(container, K(lifecycle))), K(stopSignal));
    if (ks_len(lifecycle) == 0) {
        ks_unref(heap, lifecycle);
        lifecycle = KS_NOTHING;
    }
    return ks_put(heap, container, K(lifecycle), lifecycle);
}

/* pkg/api/pod/util.go: dropContainerStopSignals: ContainerStopSignals is off. */
static void drop_stop_signals(ks_heap *heap, ks_kind kind, ks_val *doc, const ks_object *old) {
    ks_val before = old != NULL ? pod_spec_of(kind, ks_doc(old)) : KS_NOTHING;
    if (any_container(pod_spec_of(kind, *doc), has_stop_signal) &&
        !any_container(before, has_stop_signal))
        change_containers(heap, kind, doc, without_stop_signal);
}

/* pkg/api/pod/util.go: dropDisabledSchedulingGroup: GenericWorkload is off. */
static void drop_scheduling_group(ks_heap *heap, ks_kind kind, ks_val *doc, const ks_object *old) {
    if (!ks_exists(ks_get(pod_spec_of(kind, *doc), K(schedulingGroup)))) return;
    if (old != NULL && ks_exists(ks_get(pod_spec_of(kind, ks_doc(old)), K(schedulingGroup))))
        return;
    ks_val spec = ks_drop(heap, ks_ref(pod_spec_of(kind, *doc)), K(schedulingGroup));
    put_pod_spec(heap, kind, doc, spec);
}

/* Whether a projected volume of the pod has a source of that sort. */
static bool projects(ks_val spec, const ks_str *source) {
    ks_each(volume, ks_get(spec, K(volumes))) {
        ks_each(one, ks_get2(*volume, K(projected), K(sources))) {
            if (ks_exists(ks_get(*one, source))) return true;
        }
    }
    return false;
}

/* pkg/api/pod/util.go: dropDisabledClusterTrustBundleProjection, dropDisabledPodCertificateProjection: both are off. */
static void drop_projections(ks_heap *heap, ks_kind kind, ks_val *doc, const ks_object *old) {
    const ks_str *const off[] = {K(clusterTrustBundle), K(podCertificate)};
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        if (!projects(pod_spec_of(kind, *doc), off[i])) continue;
        if (old != NULL && projects(pod_spec_of(kind, ks_doc(old)), off[i])) continue;
        ks_val spec = ks_ref(pod_spec_of(kind, *doc)), volumes = ks_ref(ks_get(spec, K(volumes)));
        for (uint32_t j = 0; j < ks_len(volumes); j++) {
            ks_val sources = ks_ref(ks_get2(ks_at(volumes, j), K(projected), K(sources)));
            for (uint32_t k = 0; k < ks_len(sources); k++)
                sources =
                    ks_set_at(heap, sources, k, ks_drop(heap, ks_ref(ks_at(sources, k)), off[i]));
            if (ks_len(sources) == 0) {
                ks_unref(heap, sources);
                continue;
            }
            volumes = ks_set_at(
                heap, volumes, j,
                ks_put2(heap, ks_ref(ks_at(volumes, j)), K(projected), K(sources), sources));
        }
        spec = ks_put(heap, spec, K(volumes), volumes);
        put_pod_spec(heap, kind, doc, spec);
    }
}

/* --- what older releases do not take yet --- */

static bool is_for_restarts(ks_val container, bool init) {
    ks_val policy = ks_get(container, K(restartPolicy));
    return ks_exists(ks_get(container, K(restartPolicyRules))) ||
           (ks_exists(policy) && !(init && ks_text_is(policy, "Always")));
}

/* dropContainerRestartRules: sidecars are what they were. */
static ks_val without_restarts(ks_heap *heap, ks_val container, bool init) {
    if (!init || !ks_text_is(ks_get(container, K(restartPolicy)), "Always"))
        container = ks_drop(heap, container, K(restartPolicy));
    return ks_drop(heap, container, K(restartPolicyRules));
}

static bool has_file_keys(ks_val container, bool init) {
    (void)init;
    ks_each(variable, ks_get(container, K(env))) {
        if (ks_exists(ks_get2(*variable, K(valueFrom), K(fileKeyRef)))) return true;
    }
    return false;
}

/* dropFileKeyRefInUse */
static ks_val without_file_keys(ks_heap *heap, ks_val container, bool init) {
    (void)init;
    ks_val env = ks_ref(ks_get(container, K(env)));
    for (uint32_t i = 0; i < ks_len(env); i++) {
        ks_val source = ks_get(ks_at(env, i), K(valueFrom));
        if (!ks_exists(ks_get(source, K(fileKeyRef)))) continue;
        source = ks_drop(heap, ks_ref(source), K(fileKeyRef));
        env = ks_set_at(heap, env, i, ks_put(heap, ks_ref(ks_at(env, i)), K(valueFrom), source));
    }
    return ks_put(heap, container, K(env), env);
}

static bool has_images(ks_val spec) {
    ks_each(volume, ks_get(spec, K(volumes)))
        if (ks_exists(ks_get(*volume, K(image)))) return true;
    return false;
}

static bool is_image(ks_val volumes, ks_val name) {
    ks_each(volume, volumes)
        if (ks_exists(ks_get(*volume, K(image))) && ks_equal(ks_get(*volume, K(name)), name))
            return true;
    return false;
}

/* Takes over `list`. */
static ks_val list_or_nothing(ks_heap *heap, ks_val list) {
    if (ks_len(list) > 0) return list;
    ks_unref(heap, list);
    return KS_NOTHING;
}

/* dropImageVolumes: the volumes, and what mounts them. */
static void drop_images(ks_heap *heap, ks_kind kind, ks_val *doc) {
    ks_val spec = ks_ref(pod_spec_of(kind, *doc)), volumes = ks_ref(ks_get(spec, K(volumes)));
    for (int i = 0; i < 3; i++) {
        ks_val list = ks_ref(ks_get(spec, LISTS[i]));
        for (uint32_t j = 0; j < ks_len(list); j++) {
            ks_val mounts = ks_ref(ks_get(ks_at(list, j), K(volumeMounts)));
            for (uint32_t k = ks_len(mounts); k-- > 0;)
                if (is_image(volumes, ks_get(ks_at(mounts, k), K(name))))
                    mounts = ks_remove_at(heap, mounts, k);
            list = ks_set_at(heap, list, j,
                             ks_put(heap, ks_ref(ks_at(list, j)), K(volumeMounts),
                                    list_or_nothing(heap, mounts)));
        }
        spec = ks_put(heap, spec, LISTS[i], list);
    }
    for (uint32_t i = ks_len(volumes); i-- > 0;)
        if (ks_exists(ks_get(ks_at(volumes, i), K(image))))
            volumes = ks_remove_at(heap, volumes, i);
    spec = ks_put(heap, spec, K(volumes), list_or_nothing(heap, volumes));
    put_pod_spec(heap, kind, doc, spec);
}

static void drop_young(const ks_request *r, ks_val *doc, ks_val before) {
    ks_heap *heap = r->heap;
    const ks_rules *rules = &r->s->rules;
    ks_val spec = pod_spec_of(r->kind, *doc);
    bool restarts = !ks_since(rules, KS_SINCE_RESTART_RULES) &&
                    any_container(spec, is_for_restarts) && !any_container(before, is_for_restarts);
    bool keys = !ks_since(rules, KS_SINCE_FILE_KEY_REF) && any_container(spec, has_file_keys) &&
                !any_container(before, has_file_keys);
    bool images =
        !ks_since(rules, KS_SINCE_IMAGE_VOLUMES) && has_images(spec) && !has_images(before);
    bool hostname = !ks_since(rules, KS_SINCE_HOSTNAME_OVERRIDE) &&
                    ks_exists(ks_get(spec, K(hostnameOverride))) &&
                    !ks_exists(ks_get(before, K(hostnameOverride)));
    if (restarts) change_containers(heap, r->kind, doc, without_restarts);
    if (keys) change_containers(heap, r->kind, doc, without_file_keys);
    if (images) drop_images(heap, r->kind, doc);
    if (hostname)
        put_pod_spec(heap, r->kind, doc,
                     ks_drop(heap, ks_ref(pod_spec_of(r->kind, *doc)), K(hostnameOverride)));
}

void ks_drop_pod_fields(const ks_request *r, ks_val *doc, const ks_object *old) {
    if (!ks_exists(pod_spec_of(r->kind, *doc))) return;
    drop_stop_signals(r->heap, r->kind, doc, old);
    drop_scheduling_group(r->heap, r->kind, doc, old);
    drop_projections(r->heap, r->kind, doc, old);
    if (r->s->rules.minor < KS_NEWEST_MINOR)
        drop_young(r, doc, old != NULL ? pod_spec_of(r->kind, ks_doc(old)) : KS_NOTHING);
}
