/*
 * api/default.c - the defaults that the API server gives each kind (ks_default).
 *
 * pkg/apis/{core,apps,storage,discovery,scheduling}/v1/defaults.go. Pods are in default_pod.c.
 */
#include "api/default_internal.h"

/* --- tools --- */

static bool same(ks_val a, ks_val b) {
    return a.type >= KS_LIST ? ks_identical(a, b) : ks_equal(a, b);
}

ks_val ks_default_at(ks_heap *heap, ks_val map, const ks_str *key, ks_default_step step) {
    ks_val before = ks_get(map, key);
    if (!ks_exists(before)) return map;
    ks_val after = step(heap, ks_ref(before));
    if (!same(before, after)) return ks_put(heap, map, key, after);
    ks_unref(heap, after);
    return map;
}

ks_val ks_default_each(ks_heap *heap, ks_val map, const ks_str *key, ks_default_step step) {
    ks_val list = ks_ref(ks_get(map, key));
    bool changed = false;
    for (uint32_t i = 0; i < ks_len(list); i++) {
        ks_val before = ks_at(list, i), after = step(heap, ks_ref(before));
        if (same(before, after)) {
            ks_unref(heap, after);
            continue;
        }
        list = ks_set_at(heap, list, i, after);
        changed = true;
    }
    if (changed) return ks_put(heap, map, key, list);
    ks_unref(heap, list);
    return map;
}

ks_val ks_default_text(ks_heap *heap, ks_val map, const ks_str *key, const ks_str *text) {
    ks_val now = ks_get(map, key);
    if (now.type == KS_STRING && now.s->len > 0) return map;
    return ks_put(heap, map, key, ks_string(text));
}

ks_val ks_default_text_pointer(ks_heap *heap, ks_val map, const ks_str *key, const ks_str *text) {
    if (ks_exists(ks_get(map, key))) return map;
    return ks_put(heap, map, key, ks_string(text));
}

ks_val ks_default_int(ks_heap *heap, ks_val map, const ks_str *key, int64_t value) {
    if (ks_exists(ks_get(map, key))) return map;
    return ks_put(heap, map, key, ks_int(value));
}

ks_val ks_default_bool(ks_heap *heap, ks_val map, const ks_str *key, bool value) {
    if (ks_exists(ks_get(map, key))) return map;
    return ks_put(heap, map, key, ks_bool(value));
}

ks_val ks_default_resource_list(ks_heap *heap, ks_val list) {
    enum { NANOS_PER_MILLI = 1000000 };
    for (uint32_t i = 0; i < ks_len(list); i++) {
        const ks_pair *pair = ks_pair_at(list, i);
        ks_quantity q = ks_quantity_of(pair->val);
        int64_t rest = (int64_t)(q.nanos % NANOS_PER_MILLI);
        if (rest == 0) continue;
        q.nanos += (rest > 0 ? NANOS_PER_MILLI : -NANOS_PER_MILLI) - rest;
        list = ks_put(heap, list, pair->key, ks_quantity_val(heap, q));
    }
    return list;
}

ks_val ks_default_resources(ks_heap *heap, ks_val resources) {
    resources = ks_default_at(heap, resources, K(limits), ks_default_resource_list);
    return ks_default_at(heap, resources, K(requests), ks_default_resource_list);
}

ks_val ks_default_missing(ks_heap *heap, ks_val list, ks_val from) {
    for (uint32_t i = 0; i < ks_len(from); i++) {
        const ks_pair *pair = ks_pair_at(from, i);
        if (!ks_exists(ks_get(list, pair->key)))
            list = ks_put(heap, list, pair->key, ks_ref(pair->val));
    }
    return list;
}

/* --- workloads --- */

static ks_val template_default(ks_heap *heap, ks_val template) {
    return ks_default_at(heap, template, K(spec), ks_default_pod_spec);
}

static ks_val replicas_and_template(ks_heap *heap, ks_val spec) {
    spec = ks_default_int(heap, spec, K(replicas), 1);
    return ks_default_at(heap, spec, K(template), template_default);
}

static ks_val deployment_spec(ks_heap *heap, ks_val spec) {
    spec = replicas_and_template(heap, spec);
    ks_val strategy = ks_ref(ks_get(spec, K(strategy)));
    strategy = ks_default_text(heap, strategy, K(type), K(RollingUpdate));
    if (ks_text_is(ks_get(strategy, K(type)), "RollingUpdate")) {
        ks_val rolling = ks_ref(ks_get(strategy, K(rollingUpdate)));
        rolling = ks_default_text_pointer(heap, rolling, K(maxUnavailable), K(25_));
        rolling = ks_default_text_pointer(heap, rolling, K(maxSurge), K(25_));
        strategy = ks_put(heap, strategy, K(rollingUpdate), rolling);
    }
    spec = ks_put(heap, spec, K(strategy), strategy);
    spec = ks_default_int(heap, spec, K(revisionHistoryLimit), 10);
    return ks_default_int(heap, spec, K(progressDeadlineSeconds), 600);
}

ks_val ks_default_claim_spec(ks_heap *heap, ks_val spec) {
    spec = ks_default_text_pointer(heap, spec, K(volumeMode), K(Filesystem));
    return ks_default_at(heap, spec, K(resources), ks_default_resources);
}

static ks_val claim_status(ks_heap *heap, ks_val status) {
    status = ks_default_text(heap, status, K(phase), K(Pending));
    status = ks_default_at(heap, status, K(capacity), ks_default_resource_list);
    return ks_default_at(heap, status, K(allocatedResources), ks_default_resource_list);
}

/* A member that is a struct in Go: always there. */
static ks_val with_map(ks_heap *heap, ks_val object, const ks_str *key) {
    if (ks_is(ks_get(object, key), KS_MAP)) return object;
    return ks_put(heap, object, key, ks_map_new(heap, 0));
}

ks_val ks_default_claim(ks_heap *heap, ks_val claim) {
    claim = with_map(heap, claim, K(status));
    claim = ks_default_at(heap, claim, K(spec), ks_default_claim_spec);
    return ks_default_at(heap, claim, K(status), claim_status);
}

/* pkg/apis/apps/v1/conversion.go: Convert_apps_StatefulSetSpec_To_v1_StatefulSetSpec */
static ks_val claim_template(ks_heap *heap, ks_val claim) {
    claim = ks_default_text(heap, claim, K(apiVersion), K(v1));
    claim = ks_default_text(heap, claim, K(kind), K(PersistentVolumeClaim));
    return ks_default_claim(heap, claim);
}

/* Where MaxUnavailableStatefulSet is on, a rolling update that does not say takes one pod at a time, and says so. */
static ks_val with_max_unavailable(ks_heap *heap, ks_val spec) {
    ks_val strategy = ks_get(spec, K(updateStrategy)), rolling = ks_get(strategy, K(rollingUpdate));
    if (!ks_text_is(ks_get(strategy, K(type)), "RollingUpdate") || !ks_exists(rolling)) return spec;
    rolling = ks_default_int(heap, ks_ref(rolling), K(maxUnavailable), 1);
    return ks_put2(heap, spec, K(updateStrategy), K(rollingUpdate), rolling);
}

static ks_val stateful_set_spec(ks_heap *heap, ks_val spec) {
    spec = replicas_and_template(heap, spec);
    spec = ks_default_text(heap, spec, K(podManagementPolicy), K(OrderedReady));
    ks_val strategy = ks_ref(ks_get(spec, K(updateStrategy)));
    if (!ks_exists(ks_get(strategy, K(type)))) {
        strategy = ks_put(heap, strategy, K(type), ks_string(K(RollingUpdate)));
        strategy = with_map(heap, strategy, K(rollingUpdate));
    }
    ks_val rolling = ks_get(strategy, K(rollingUpdate));
    if (ks_text_is(ks_get(strategy, K(type)), "RollingUpdate") && ks_exists(rolling)) {
        rolling = ks_default_int(heap, ks_ref(rolling), K(partition), 0);
        strategy = ks_put(heap, strategy, K(rollingUpdate), rolling);
    }
    spec = ks_put(heap, spec, K(updateStrategy), strategy);
    ks_val retention = ks_ref(ks_get(spec, K(persistentVolumeClaimRetentionPolicy)));
    retention = ks_default_text(heap, retention, K(whenDeleted), K(Retain));
    retention = ks_default_text(heap, retention, K(whenScaled), K(Retain));
    spec = ks_put(heap, spec, K(persistentVolumeClaimRetentionPolicy), retention);
    spec = ks_default_int(heap, spec, K(revisionHistoryLimit), 10);
    return ks_default_each(heap, spec, K(volumeClaimTemplates), claim_template);
}

/* --- services --- */

static ks_val protocol(ks_heap *heap, ks_val port) {
    return ks_default_text(heap, port, K(protocol), K(TCP));
}

static ks_val service_port(ks_heap *heap, ks_val port) {
    port = protocol(heap, port);
    ks_val target = ks_get(port, K(targetPort));
    bool unset = target.type == KS_STRING ? target.s->len == 0 : ks_int_or(target, 0) == 0;
    if (!unset) return port;
    return ks_put(heap, port, K(targetPort), ks_int(ks_int_or(ks_get(port, K(port)), 0)));
}

/* pkg/api/v1/service/util.go: ExternallyAccessible */
static bool is_external(ks_val spec, const char *type) {
    if (type[0] == 'L' || type[0] == 'N') return true;
    return type[0] == 'C' && ks_len(ks_get(spec, K(externalIPs))) > 0;
}

static ks_val session_affinity(ks_heap *heap, ks_val spec) {
    enum { TIMEOUT = 10800 };
    spec = ks_default_text(heap, spec, K(sessionAffinity), K(None));
    ks_val affinity = ks_get(spec, K(sessionAffinity));
    if (ks_text_is(affinity, "None")) return ks_drop(heap, spec, K(sessionAffinityConfig));
    if (!ks_text_is(affinity, "ClientIP")) return spec;
    if (ks_exists(ks_get3(spec, K(sessionAffinityConfig), K(clientIP), K(timeoutSeconds))))
        return spec;
    return ks_put3(heap, spec, K(sessionAffinityConfig), K(clientIP), K(timeoutSeconds),
                   ks_int(TIMEOUT));
}

static ks_val service_spec(ks_heap *heap, ks_val spec) {
    spec = session_affinity(heap, spec);
    spec = ks_default_text(heap, spec, K(type), K(ClusterIP));
    const char *type = ks_text_or(ks_get(spec, K(type)), "");
    bool balanced = ks_text_is(ks_get(spec, K(type)), "LoadBalancer");
    bool known = balanced || ks_text_is(ks_get(spec, K(type)), "NodePort") ||
                 ks_text_is(ks_get(spec, K(type)), "ClusterIP");
    spec = ks_default_each(heap, spec, K(ports), service_port);
    if (known && is_external(spec, type))
        spec = ks_default_text(heap, spec, K(externalTrafficPolicy), K(Cluster));
    if (known) spec = ks_default_text_pointer(heap, spec, K(internalTrafficPolicy), K(Cluster));
    if (balanced) spec = ks_default_bool(heap, spec, K(allocateLoadBalancerNodePorts), true);
    return spec;
}

static ks_val ingress(ks_heap *heap, ks_val point) {
    if (!ks_exists(ks_get(point, K(ip)))) return point;
    return ks_default_text_pointer(heap, point, K(ipMode), K(VIP));
}

static ks_val load_balancer(ks_heap *heap, ks_val status) {
    return ks_default_each(heap, status, K(ingress), ingress);
}

static ks_val service_status(ks_heap *heap, ks_val status) {
    return ks_default_at(heap, status, K(loadBalancer), load_balancer);
}

static ks_val service(ks_heap *heap, ks_val object) {
    object = ks_default_at(heap, object, K(spec), service_spec);
    if (ks_text_is(ks_get2(object, K(spec), K(type)), "LoadBalancer"))
        object = ks_default_at(heap, object, K(status), service_status);
    return object;
}

static ks_val subset(ks_heap *heap, ks_val set) {
    return ks_default_each(heap, set, K(ports), protocol);
}

static ks_val slice_port(ks_heap *heap, ks_val port) {
    if (!ks_exists(ks_get(port, K(name)))) port = ks_put(heap, port, K(name), ks_text(heap, ""));
    return ks_default_text_pointer(heap, port, K(protocol), K(TCP));
}

/* --- storage --- */

static ks_val volume_spec(ks_heap *heap, ks_val spec) {
    spec = ks_default_text(heap, spec, K(persistentVolumeReclaimPolicy), K(Retain));
    spec = ks_default_text_pointer(heap, spec, K(volumeMode), K(Filesystem));
    spec = ks_default_at(heap, spec, K(capacity), ks_default_resource_list);
    return ks_default_volume_sources(heap, spec);
}

static ks_val volume_status(ks_heap *heap, ks_val status) {
    return ks_default_text(heap, status, K(phase), K(Pending));
}

static ks_val volume(ks_heap *heap, ks_val object) {
    object = with_map(heap, object, K(status));
    object = ks_default_at(heap, object, K(spec), volume_spec);
    return ks_default_at(heap, object, K(status), volume_status);
}

static ks_val storage_class(ks_heap *heap, ks_val object) {
    object = ks_default_text_pointer(heap, object, K(reclaimPolicy), K(Delete));
    return ks_default_text_pointer(heap, object, K(volumeBindingMode), K(Immediate));
}

/* --- the others --- */

static ks_val encode_base64(ks_heap *heap, const ks_str *text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    ks_buf out = {.heap = heap};
    ks_buf_puts(&out, "");
    for (uint32_t i = 0; i < text->len; i += 3) {
        uint32_t left = text->len - i, bits = (uint32_t)(unsigned char)text->s[i] << 16;
        if (left > 1) bits |= (uint32_t)(unsigned char)text->s[i + 1] << 8;
        if (left > 2) bits |= (uint32_t)(unsigned char)text->s[i + 2];
        ks_buf_putc(&out, digits[bits >> 18]);
        ks_buf_putc(&out, digits[bits >> 12 & 63]);
        ks_buf_putc(&out, left > 1 ? digits[bits >> 6 & 63] : '=');
        ks_buf_putc(&out, left > 2 ? digits[bits & 63] : '=');
    }
    return ks_string_take(ks_buf_take(&out));
}

/* pkg/apis/core/v1/conversion.go: Convert_v1_Secret_To_core_Secret: stringData overwrites data. */
static ks_val secret(ks_heap *heap, ks_val object) {
    ks_val plain = ks_ref(ks_get(object, K(stringData)));
    for (uint32_t i = 0; i < ks_len(plain); i++) {
        const ks_pair *pair = ks_pair_at(plain, i);
        object = ks_put2(heap, object, K(data), pair->key, encode_base64(heap, pair->val.s));
    }
    ks_unref(heap, plain);
    object = ks_drop(heap, object, K(stringData));
    return ks_default_text(heap, object, K(type), K(Opaque));
}

static ks_val namespace_status(ks_heap *heap, ks_val status) {
    return ks_default_text(heap, status, K(phase), K(Active));
}

static ks_val namespace(ks_heap *heap, ks_val object) {
    object = with_map(heap, object, K(status));
    return ks_default_at(heap, object, K(status), namespace_status);
}

static ks_val node_status(ks_heap *heap, ks_val status) {
    ks_val capacity = ks_get(status, K(capacity));
    if (ks_exists(capacity) && !ks_exists(ks_get(status, K(allocatable))))
        status = ks_put(heap, status, K(allocatable), ks_ref(capacity));
    status = ks_default_at(heap, status, K(capacity), ks_default_resource_list);
    return ks_default_at(heap, status, K(allocatable), ks_default_resource_list);
}

/* pkg/apis/core/v1/conversion.go: the first of several addresses is also the single one. */
static ks_val node_spec(ks_heap *heap, ks_val spec) {
    ks_val one = ks_get(spec, K(podCIDR)), all = ks_get(spec, K(podCIDRs));
    if (ks_len(all) > 0) {
        if (ks_equal(one, ks_at(all, 0))) return spec;
        if (!ks_exists(one) || ks_text_is(one, ""))
            return ks_put(heap, spec, K(podCIDR), ks_ref(ks_at(all, 0)));
        /* they disagree: the single one counts */
        return ks_put(heap, spec, K(podCIDRs), ks_append(heap, KS_NOTHING, ks_ref(one)));
    }
    if (!ks_exists(one)) return spec;
    return ks_put(heap, spec, K(podCIDRs), ks_append(heap, KS_NOTHING, ks_ref(one)));
}

static ks_val node(ks_heap *heap, ks_val object) {
    object = ks_default_at(heap, object, K(spec), node_spec);
    return ks_default_at(heap, object, K(status), node_status);
}

static ks_val limit(ks_heap *heap, ks_val item) {
    if (ks_text_is(ks_get(item, K(type)), "Container")) {
        ks_val limits = ks_ref(ks_get(item, K(default)));
        ks_val requests = ks_ref(ks_get(item, K(defaultRequest)));
        limits = ks_default_missing(heap, limits, ks_get(item, K(max)));
        requests = ks_default_missing(heap, requests, limits);
        requests = ks_default_missing(heap, requests, ks_get(item, K(min)));
        item = ks_put(heap, item, K(default), limits);
        item = ks_put(heap, item, K(defaultRequest), requests);
    }
    const ks_str *const lists[] = {K(max), K(min), K(default), K(defaultRequest),
                                   K(maxLimitRequestRatio)};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        item = ks_default_at(heap, item, lists[i], ks_default_resource_list);
    return item;
}

static ks_val limit_range(ks_heap *heap, ks_val spec) {
    return ks_default_each(heap, spec, K(limits), limit);
}

static ks_val quota_lists(ks_heap *heap, ks_val spec) {
    spec = ks_default_at(heap, spec, K(hard), ks_default_resource_list);
    return ks_default_at(heap, spec, K(used), ks_default_resource_list);
}

static ks_val stateful_set(ks_heap *heap, const ks_rules *rules, ks_val object) {
    object = ks_default_at(heap, object, K(spec), stateful_set_spec);
    if (!rules->max_unavailable_statefulset) return object;
    return ks_default_at(heap, object, K(spec), with_max_unavailable);
}

ks_val ks_default(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val object) {
    switch (kind) {
    case KS_POD: return ks_default_pod(heap, object);
    case KS_REPLICASET: return ks_default_at(heap, object, K(spec), replicas_and_template);
    case KS_STATEFULSET: return stateful_set(heap, rules, object);
    case KS_DEPLOYMENT: return ks_default_at(heap, object, K(spec), deployment_spec);
    case KS_SERVICE: return service(heap, object);
    case KS_ENDPOINTS: return ks_default_each(heap, object, K(subsets), subset);
    case KS_ENDPOINTSLICE: return ks_default_each(heap, object, K(ports), slice_port);
    case KS_PVC: return ks_default_claim(heap, object);
    case KS_PV: return volume(heap, object);
    case KS_STORAGECLASS: return storage_class(heap, object);
    case KS_NODE: return node(heap, object);
    case KS_NAMESPACE: return namespace(heap, object);
    case KS_SECRET: return secret(heap, object);
    case KS_PRIORITYCLASS:
        return ks_default_text_pointer(heap, object, K(preemptionPolicy), K(PreemptLowerPriority));
    case KS_RESOURCEQUOTA:
        object = ks_default_at(heap, object, K(spec), quota_lists);
        return ks_default_at(heap, object, K(status), quota_lists);
    case KS_LIMITRANGE: return ks_default_at(heap, object, K(spec), limit_range);
    default: return object;
    }
}

ks_val ks_default_changed(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val object,
                          ks_val known) {
    ks_val spec = ks_get(object, K(spec)), before = ks_get(known, K(spec));
    if (!ks_is(spec, KS_MAP) || !ks_is(before, KS_MAP) || spec.m != before.m)
        return ks_default(heap, rules, kind, object);
    switch (kind) {
    case KS_POD: return ks_default_pod_status(heap, object);
    case KS_REPLICASET:
    case KS_STATEFULSET:
    case KS_DEPLOYMENT: return object;
    default: return ks_default(heap, rules, kind, object);
    }
}
