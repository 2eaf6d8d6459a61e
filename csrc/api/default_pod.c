/*
 * api/default_pod.c - defaults of pods and of the specs of pod templates.
 *
 * pkg/apis/core/v1/defaults.go: SetDefaults_Pod, SetDefaults_PodSpec and those of their parts, and
 * what pkg/apis/core/v1/conversion.go does to both spellings of the service account's name.
 */
#include "api/default_internal.h"

#include <string.h>

enum { GRACE_PERIOD = 30 };

/* --- containers --- */

static ks_val port(ks_heap *heap, ks_val p) {
    return ks_default_text(heap, p, K(protocol), K(TCP));
}

static ks_val field_ref(ks_heap *heap, ks_val ref) {
    return ks_default_text(heap, ref, K(apiVersion), K(v1));
}

static ks_val file_ref(ks_heap *heap, ks_val ref) {
    return ks_default_bool(heap, ref, K(optional), false);
}

static ks_val env_source(ks_heap *heap, ks_val source) {
    source = ks_default_at(heap, source, K(fieldRef), field_ref);
    return ks_default_at(heap, source, K(fileKeyRef), file_ref);
}

static ks_val env(ks_heap *heap, ks_val e) {
    return ks_default_at(heap, e, K(valueFrom), env_source);
}

static ks_val http_get(ks_heap *heap, ks_val action) {
    action = ks_default_text(heap, action, K(path), K(_));
    return ks_default_text(heap, action, K(scheme), K(HTTP));
}

static ks_val grpc(ks_heap *heap, ks_val action) {
    if (ks_exists(ks_get(action, K(service)))) return action;
    return ks_put(heap, action, K(service), ks_text(heap, ""));
}

static ks_val probe(ks_heap *heap, ks_val p) {
    p = ks_default_int(heap, p, K(timeoutSeconds), 1);
    p = ks_default_int(heap, p, K(periodSeconds), 10);
    p = ks_default_int(heap, p, K(successThreshold), 1);
    p = ks_default_int(heap, p, K(failureThreshold), 3);
    p = ks_default_at(heap, p, K(httpGet), http_get);
    return ks_default_at(heap, p, K(grpc), grpc);
}

static ks_val hook(ks_heap *heap, ks_val h) { return ks_default_at(heap, h, K(httpGet), http_get); }

static ks_val lifecycle(ks_heap *heap, ks_val l) {
    l = ks_default_at(heap, l, K(postStart), hook);
    return ks_default_at(heap, l, K(preStop), hook);
}

static ks_val container(ks_heap *heap, ks_val c) {
    if (!ks_exists(ks_get(c, K(imagePullPolicy)))) {
        bool latest = ks_image_is_latest(ks_str_or_null(ks_get(c, K(image))));
        c = ks_put(heap, c, K(imagePullPolicy), ks_string(latest ? K(Always) : K(IfNotPresent)));
    }
    c = ks_default_text(heap, c, K(terminationMessagePath), K(_dev_termination_log));
    c = ks_default_text(heap, c, K(terminationMessagePolicy), K(File));
    if (!ks_exists(ks_get(c, K(resources)))) c = ks_put(heap, c, K(resources), ks_map_new(heap, 0));
    c = ks_default_at(heap, c, K(resources), ks_default_resources);
    c = ks_default_each(heap, c, K(ports), port);
    c = ks_default_each(heap, c, K(env), env);
    c = ks_default_at(heap, c, K(livenessProbe), probe);
    c = ks_default_at(heap, c, K(readinessProbe), probe);
    c = ks_default_at(heap, c, K(startupProbe), probe);
    return ks_default_at(heap, c, K(lifecycle), lifecycle);
}

/* --- volumes --- */

static ks_val ephemeral(ks_heap *heap, ks_val source) {
    ks_val spec = ks_get2(source, K(volumeClaimTemplate), K(spec));
    if (!ks_exists(spec)) return source;
    ks_val changed = ks_default_claim_spec(heap, ks_ref(spec));
    return ks_put2(heap, source, K(volumeClaimTemplate), K(spec), changed);
}

static ks_val image_volume(ks_heap *heap, ks_val source) {
    bool latest = ks_image_is_latest(ks_str_or_null(ks_get(source, K(reference))));
    return ks_default_text(heap, source, K(pullPolicy), latest ? K(Always) : K(IfNotPresent));
}

static ks_val volume(ks_heap *heap, ks_val v) {
    bool has_source = false;
    for (uint32_t i = 0; i < ks_len(v) && !has_source; i++) {
        const ks_pair *pair = ks_pair_at(v, i);
        has_source = pair->key != K(name) && ks_exists(pair->val);
    }
    if (!has_source) return ks_put(heap, v, K(emptyDir), ks_map_new(heap, 0));
    v = ks_default_at(heap, v, K(image), image_volume);
    v = ks_default_at(heap, v, K(ephemeral), ephemeral);
    return ks_default_volume_sources(heap, v);
}

/* --- the spec --- */

/* Old and new spelling of the service account's name are always both there. */
static ks_val service_account(ks_heap *heap, ks_val spec) {
    const ks_str *name = ks_str_or_null(ks_get(spec, K(serviceAccountName)));
    const ks_str *old = ks_str_or_null(ks_get(spec, K(serviceAccount)));
    if (name == NULL && old == NULL) return spec;
    if (name == NULL) return ks_put(heap, spec, K(serviceAccountName), ks_string(old));
    if (ks_str_eq(name, old)) return spec;
    return ks_put(heap, spec, K(serviceAccount), ks_string(name));
}

ks_val ks_default_pod_spec(ks_heap *heap, ks_val spec) {
    spec = ks_default_text(heap, spec, K(dnsPolicy), K(ClusterFirst));
    spec = ks_default_text(heap, spec, K(restartPolicy), K(Always));
    if (!ks_exists(ks_get(spec, K(securityContext))))
        spec = ks_put(heap, spec, K(securityContext), ks_map_new(heap, 0));
    if (!ks_exists(ks_get(spec, K(terminationGracePeriodSeconds))))
        spec = ks_put(heap, spec, K(terminationGracePeriodSeconds), ks_int(GRACE_PERIOD));
    spec = ks_default_text(heap, spec, K(schedulerName), K(default_scheduler));
    spec = service_account(heap, spec);
    spec = ks_default_each(heap, spec, K(volumes), volume);
    spec = ks_default_each(heap, spec, K(initContainers), container);
    spec = ks_default_each(heap, spec, K(containers), container);
    spec = ks_default_each(heap, spec, K(ephemeralContainers), container);
    spec = ks_default_at(heap, spec, K(overhead), ks_default_resource_list);
    return ks_default_at(heap, spec, K(resources), ks_default_resources);
}

/* --- pods --- */

static ks_val requests_from_limits(ks_heap *heap, ks_val c) {
    ks_val limits = ks_get2(c, K(resources), K(limits));
    if (ks_len(limits) == 0) return c;
    ks_val requests = ks_ref(ks_get2(c, K(resources), K(requests)));
    requests = ks_default_missing(heap, requests, limits);
    return ks_put2(heap, c, K(resources), K(requests), requests);
}

static ks_val host_port(ks_heap *heap, ks_val p) {
    if (ks_int_or(ks_get(p, K(hostPort)), 0) != 0) return p;
    int64_t number = ks_int_or(ks_get(p, K(containerPort)), 0);
    return number == 0 ? p : ks_put(heap, p, K(hostPort), ks_int(number));
}

static ks_val host_ports(ks_heap *heap, ks_val c) {
    return ks_default_each(heap, c, K(ports), host_port);
}

static bool is_hugepages(const ks_str *name) { return strncmp(name->s, "hugepages-", 10) == 0; }

static bool is_pod_level(const ks_str *name) {
    return name == K(cpu) || name == K(memory) || is_hugepages(name);
}

static ks_quantity more(ks_quantity a, ks_quantity b) {
    ks_quantity_add(&a, b);
    return a;
}

/* What all containers together ask of one resource: the sum of the running ones, or what an init
 * container needs beside the sidecars before it. staging/src/k8s.io/component-helpers/resource. */
static bool aggregate(ks_val spec, const ks_str *list, const ks_str *name, ks_quantity *out) {
    ks_quantity sum = {0}, sidecars = {0}, peak = {0};
    bool any = false;
    ks_each(c, ks_get(spec, K(containers))) {
        ks_val v = ks_get3(*c, K(resources), list, name);
        if (!ks_exists(v)) continue;
        ks_quantity q = ks_quantity_of(v);
        if (any) ks_quantity_add(&q, sum);
        sum = q;
        any = true;
    }
    ks_each(c, ks_get(spec, K(initContainers))) {
        ks_val v = ks_get3(*c, K(resources), list, name);
        if (!ks_exists(v)) continue;
        ks_quantity q = ks_quantity_of(v);
        if (ks_text_is(ks_get(*c, K(restartPolicy)), "Always")) {
            sum = any ? more(sum, q) : q;
            sidecars = more(q, sidecars);
            q = sidecars;
        } else {
            q = more(q, sidecars);
        }
        if (ks_quantity_cmp(q, peak) > 0) peak = q;
        any = true;
    }
    *out = ks_quantity_cmp(peak, sum) > 0 ? peak : sum;
    return any;
}

/* Adds to `into` what the containers' lists name and `wanted` accepts. */
static ks_val add_aggregates(ks_heap *heap, ks_val spec, const ks_str *list, ks_val into,
                             bool (*wanted)(const ks_str *name), ks_val unless) {
    const ks_str *const both[] = {K(containers), K(initContainers)};
    for (int i = 0; i < 2; i++) {
        ks_each(c, ks_get(spec, both[i])) {
            ks_val resources = ks_get2(*c, K(resources), list);
            for (uint32_t j = 0; j < ks_len(resources); j++) {
                const ks_str *name = ks_pair_at(resources, j)->key;
                ks_quantity sum;
                if (!wanted(name) || ks_exists(ks_get(into, name))) continue;
                if (ks_exists(ks_get(unless, name))) continue;
                if (aggregate(spec, list, name, &sum))
                    into = ks_put(heap, into, name, ks_quantity_val(heap, sum));
            }
        }
    }
    return into;
}

static bool is_cpu_or_memory(const ks_str *name) { return name == K(cpu) || name == K(memory); }

/* Pod-level resources: defaultHugePagePodLimits and defaultPodRequests. */
static ks_val pod_level_resources(ks_heap *heap, ks_val spec) {
    ks_val resources = ks_get(spec, K(resources));
    ks_val limits = ks_get(resources, K(limits)), requests = ks_get(resources, K(requests));
    if (ks_len(limits) == 0 && ks_len(requests) == 0) return spec;
    ks_val filled = add_aggregates(heap, spec, K(limits), ks_ref(limits), is_hugepages, requests);
    if (ks_len(filled) > 0)
        spec = ks_put2(heap, spec, K(resources), K(limits), filled);
    else
        ks_unref(heap, filled);
    limits = ks_get2(spec, K(resources), K(limits));
    if (ks_len(limits) == 0) return spec;
    filled = ks_ref(ks_get2(spec, K(resources), K(requests)));
    filled = add_aggregates(heap, spec, K(requests), filled, is_cpu_or_memory, KS_NOTHING);
    for (uint32_t i = 0; i < ks_len(limits); i++) {
        const ks_pair *pair = ks_pair_at(limits, i);
        if (is_pod_level(pair->key) && !ks_exists(ks_get(filled, pair->key)))
            filled = ks_put(heap, filled, pair->key, ks_ref(pair->val));
    }
    if (ks_len(filled) > 0) return ks_put2(heap, spec, K(resources), K(requests), filled);
    ks_unref(heap, filled);
    return spec;
}

static ks_val pod_only(ks_heap *heap, ks_val spec) {
    spec = ks_default_each(heap, spec, K(containers), requests_from_limits);
    spec = ks_default_each(heap, spec, K(initContainers), requests_from_limits);
    if (ks_exists(ks_get(spec, K(resources)))) spec = pod_level_resources(heap, spec);
    if (!ks_exists(ks_get(spec, K(enableServiceLinks))))
        spec = ks_put(heap, spec, K(enableServiceLinks), ks_bool(true));
    if (ks_bool_or(ks_get(spec, K(hostNetwork)), false)) {
        spec = ks_default_each(heap, spec, K(containers), host_ports);
        spec = ks_default_each(heap, spec, K(initContainers), host_ports);
    }
    if (ks_int_or(ks_get(spec, K(terminationGracePeriodSeconds)), 0) < 0)
        spec = ks_put(heap, spec, K(terminationGracePeriodSeconds), ks_int(1));
    return spec;
}

/* pkg/apis/core/v1/conversion.go: podIP is the first of podIPs. */
static ks_val pod_status(ks_heap *heap, ks_val status) {
    ks_val one = ks_get(status, K(podIP)), all = ks_get(status, K(podIPs));
    if (ks_len(all) > 0) {
        ks_val first = ks_get(ks_at(all, 0), K(ip));
        if (ks_equal(one, first)) return status;
        if (!ks_exists(one) || ks_text_is(one, ""))
            return ks_exists(first) ? ks_put(heap, status, K(podIP), ks_ref(first)) : status;
        /* they disagree: the single one counts, below */
    }
    if (!ks_exists(one)) return status;
    ks_val address = ks_map_of(heap, K(ip), ks_ref(one), NULL);
    return ks_put(heap, status, K(podIPs), ks_append(heap, KS_NOTHING, address));
}

ks_val ks_default_pod_status(ks_heap *heap, ks_val pod) {
    return ks_default_at(heap, pod, K(status), pod_status);
}

ks_val ks_default_pod(ks_heap *heap, ks_val pod) {
    pod = ks_default_pod_status(heap, pod);
    pod = ks_default_at(heap, pod, K(spec), pod_only);
    return ks_default_at(heap, pod, K(spec), ks_default_pod_spec);
}
