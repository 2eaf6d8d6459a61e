/*
 * network/endpoint.c - what a pod means to a Service: whether it is an endpoint, and which one.
 */
#include "network/endpoint.h"

#include "api/values.h"

#include <string.h>

const ks_str *ks_pod_ip(const ks_object *pod) {
    const ks_str *ip = ks_str_or_null(ks_get(pod->status, K(podIP)));
    if (ip && ip->len && !memchr(ip->s, ':', ip->len)) return ip;
    ks_each(item, ks_get(pod->status, K(podIPs))) {
        const ks_str *other = ks_str_or_null(ks_get(*item, K(ip)));
        if (other && other->len && !memchr(other->s, ':', other->len)) return other;
    }
    return NULL;
}

ks_val ks_pod_ready_condition(const ks_object *pod) {
    return ks_condition_of(pod->status, "Ready");
}

bool ks_pod_is_ready(const ks_object *pod) {
    return ks_text_is(ks_get(ks_pod_ready_condition(pod), K(status)), "True");
}

bool ks_pod_in_endpoints(const ks_object *pod, bool include_terminating) {
    if (!include_terminating && ks_object_terminating(pod)) return false;
    return pod->phase != 'S' && pod->phase != 'F' && ks_pod_ip(pod) != NULL;
}

bool ks_pod_has_service_hostname(const ks_object *pod, const ks_object *service) {
    const ks_str *hostname = ks_str_or_null(ks_get(pod->spec, K(hostname)));
    return hostname && hostname->len > 0 &&
           ks_str_eq(ks_str_or_null(ks_get(pod->spec, K(subdomain))), service->name) &&
           ks_str_eq(pod->ns, service->ns);
}

/* The number of the first container port of that name and protocol, or 0. */
static int64_t named_port(ks_val containers, ks_val name, ks_val protocol, bool sidecars_only) {
    ks_each(container, containers) {
        if (sidecars_only && !ks_text_is(ks_get(*container, K(restartPolicy)), "Always")) continue;
        ks_each(port, ks_get(*container, K(ports))) {
            if (ks_equal(ks_get(*port, K(name)), name) &&
                ks_equal(ks_get(*port, K(protocol)), protocol))
                return ks_int_or(ks_get(*port, K(containerPort)), 0);
        }
    }
    return 0;
}

int64_t ks_pod_find_port(const ks_object *pod, ks_val service_port) {
    ks_val target = ks_get(service_port, K(targetPort));
    if (!ks_is(target, KS_STRING))
        return ks_int_or(target, ks_int_or(ks_get(service_port, K(port)), 0));
    ks_val protocol = ks_get(service_port, K(protocol));
    int64_t number = named_port(ks_get(pod->spec, K(containers)), target, protocol, false);
    if (!number) number = named_port(ks_get(pod->spec, K(initContainers)), target, protocol, true);
    return number;
}

ks_val ks_pod_target_ref(ks_heap *heap, const ks_object *pod) {
    return ks_map_of(heap, K(kind), ks_text(heap, "Pod"), K(name), ks_string(pod->name),
                     K(namespace), ks_string(pod->ns), K(uid), ks_string(pod->uid), NULL);
}

bool ks_service_is_headless(const ks_object *service) {
    return ks_text_is(ks_get(service->spec, K(clusterIP)), "None");
}

bool ks_service_has_ip(const ks_object *service) {
    const ks_str *ip = ks_str_or_null(ks_get(service->spec, K(clusterIP)));
    return ip && ip->len > 0 && !ks_str_is(ip, "None");
}

bool ks_service_is_managed(const ks_object *service) {
    return ks_len(ks_get(service->spec, K(selector))) > 0 &&
           !ks_text_is(ks_get(service->spec, K(type)), "ExternalName");
}
