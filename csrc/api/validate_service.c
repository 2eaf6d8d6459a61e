/*
 * api/validate_service.c - Services.
 *
 * pkg/apis/core/validation/validation.go: ValidateServiceCreate, ValidateServiceUpdate,
 * validateService.
 */
#include "api/validate_internal.h"

#include <stdio.h>
#include <string.h>

static const char *const PROTOCOLS[] = {"SCTP", "TCP", "UDP", NULL};

static const char *type_of(ks_val spec) { return ks_member(spec, K(type)); }
static bool is_type(ks_val spec, const char *type) { return strcmp(type_of(spec), type) == 0; }

static bool is_headless(ks_val spec) {
    ks_val ips = ks_get(spec, K(clusterIPs));
    return ks_len(ips) == 1 && ks_text_is(ks_at(ips, 0), "None");
}

/* --- by type --- */

static void check_external_name(ks_check *c, ks_val spec) {
    if (ks_len(ks_get(spec, K(clusterIPs))) > 0)
        ks_deny(c, "clusterIPs", "may not be set for ExternalName services");
    if (ks_len(ks_get(spec, K(ipFamilies))) > 0)
        ks_deny(c, "ipFamilies", "may not be set for ExternalName services");
    if (ks_exists(ks_get(spec, K(ipFamilyPolicy))))
        ks_deny(c, "ipFamilyPolicy", "may not be set for ExternalName services");
    const ks_str *name = ks_text_value(ks_get(spec, K(externalName))).s;
    size_t len = name->len > 0 && name->s[name->len - 1] == '.' ? name->len - 1 : name->len;
    if (len == 0) {
        ks_need(c, "externalName", "");
        return;
    }
    ks_val bare = ks_textn(c->heap, name->s, len);
    ks_check_text(c, "externalName", KS_RULE_SUBDOMAIN, bare);
    ks_unref(c->heap, bare);
}

static void check_type(ks_check *c, ks_val spec) {
    if (is_type(spec, "ExternalName")) {
        check_external_name(c, spec);
        return;
    }
    if (!is_headless(spec) || (!is_type(spec, "LoadBalancer") && !is_type(spec, "NodePort")))
        return;
    char why[80];
    snprintf(why, sizeof why, "may not be set to 'None' for %s services", type_of(spec));
    KS_IN(c, "clusterIPs") KS_AT(c, 0) ks_bad(c, NULL, ks_at(ks_get(spec, K(clusterIPs)), 0), why);
}

/* --- ports --- */

static void check_port(ks_check *c, ks_val ports, uint32_t index) {
    ks_val port = ks_at(ports, index), name = ks_get(port, K(name));
    ks_val protocol = ks_get(port, K(appProtocol));
    if (ks_is_empty_text(name)) {
        if (ks_len(ports) > 1) ks_need(c, "name", "");
    } else {
        bool twice = false;
        for (uint32_t i = 0; i < index; i++)
            twice |= ks_equal(ks_get(ks_at(ports, i), K(name)), name);
        ks_check_text(c, "name", KS_RULE_LABEL, name);
        if (twice) ks_duplicate(c, "name", name);
    }
    ks_check_port_number(c, "port", ks_int_or(ks_get(port, K(port)), 0));
    ks_check_enum(c, "protocol", ks_get(port, K(protocol)), PROTOCOLS, true);
    ks_check_port(c, "targetPort", ks_get(port, K(targetPort)));
    if (ks_exists(protocol)) ks_check_text(c, "appProtocol", KS_RULE_QUALIFIED, protocol);
}

/* One of the ports before has the same protocol and number. */
static bool is_taken(ks_val ports, uint32_t index, const ks_str *number) {
    ks_val port = ks_at(ports, index);
    for (uint32_t i = 0; i < index; i++) {
        ks_val other = ks_at(ports, i);
        if (ks_equal(ks_get(other, number), ks_get(port, number)) &&
            ks_equal(ks_get(other, K(protocol)), ks_get(port, K(protocol))))
            return true;
    }
    return false;
}

static void check_duplicate_ports(ks_check *c, ks_val spec) {
    ks_val ports = ks_get(spec, K(ports));
    KS_IN(c, "ports") {
        for (uint32_t i = 0; i < ks_len(ports); i++) {
            ks_val number = ks_get(ks_at(ports, i), K(nodePort));
            if (ks_int_or(number, 0) != 0 && is_type(spec, "ClusterIP"))
                KS_AT(c, i) ks_deny(c, "nodePort", "may not be used when `type` is 'ClusterIP'");
        }
        for (uint32_t i = 0; i < ks_len(ports); i++) {
            ks_val number = ks_get(ks_at(ports, i), K(nodePort));
            if (ks_int_or(number, 0) != 0 && is_taken(ports, i, K(nodePort)))
                KS_AT(c, i) ks_duplicate(c, "nodePort", number);
        }
        for (uint32_t i = 0; i < ks_len(ports); i++) {
            if (!is_taken(ports, i, K(port))) continue;
            ks_val port = ks_at(ports, i);
            ks_val key = ks_map_of(c->heap, K(port), ks_get(port, K(port)), K(protocol),
                                   ks_ref(ks_get(port, K(protocol))), NULL);
            const ks_str *printed =
                ks_print_struct(c->heap, &ks_types[KS_TYPE_core_v1_ServicePort], key);
            KS_AT(c, i) ks_duplicate_printed(c, NULL, printed->s);
            ks_str_unref(c->heap, printed);
            ks_unref(c->heap, key);
        }
    }
}

/* --- addresses --- */

static bool has_text(ks_val list, ks_val text) {
    ks_each(item, list)
        if (ks_equal(*item, text)) return true;
    return false;
}

static bool is_v6(ks_val ip) { return strchr(ks_text_or(ip, ""), ':') != NULL; }

static void check_families(ks_check *c, ks_val spec) {
    static const char *const families[] = {"IPv4", "IPv6", NULL};
    static const char *const policies[] = {"PreferDualStack", "RequireDualStack", "SingleStack",
                                           NULL};
    ks_val list = ks_get(spec, K(ipFamilies)), policy = ks_get(spec, K(ipFamilyPolicy));
    KS_IN(c, "ipFamilies") {
        for (uint32_t i = 0; i < ks_len(list); i++) {
            bool twice = false;
            for (uint32_t j = 0; j < i; j++) twice |= ks_equal(ks_at(list, i), ks_at(list, j));
            KS_AT(c, i) {
                ks_check_enum(c, NULL, ks_at(list, i), families, false);
                if (twice) ks_duplicate(c, NULL, ks_at(list, i));
            }
        }
    }
    if (ks_exists(policy)) ks_check_enum(c, "ipFamilyPolicy", policy, policies, false);
}

/* ValidateServiceClusterIPsRelatedFields */
static void check_cluster_ips(ks_check *c, ks_val spec, ks_val old) {
    ks_val ip = ks_get(spec, K(clusterIP)), ips = ks_get(spec, K(clusterIPs));
    ks_val families = ks_get(spec, K(ipFamilies)), old_ips = ks_get(old, K(clusterIPs));
    bool bad = false;
    if (is_type(spec, "ExternalName")) return;
    if (!ks_is_empty_text(ip)) {
        if (ks_len(ips) == 0)
            ks_need(c, "clusterIPs", "");
        else if (!ks_equal(ks_at(ips, 0), ip))
            ks_bad(c, "clusterIPs", ips, "first value must match `clusterIP`");
    } else if (ks_len(ips) > 0) {
        ks_bad(c, "clusterIPs", ips, "must be empty when `clusterIP` is not specified");
    }
    check_families(c, spec);
    for (uint32_t i = 0; i < ks_len(ips); i++) {
        if (i == 0 && ks_text_is(ks_at(ips, i), "None")) {
            if (ks_len(ips) > 1)
                ks_bad(c, "clusterIPs", ips, "'None' must be the first and only value");
            bad |= ks_len(ips) > 1;
            continue;
        }
        if (has_text(old_ips, ks_at(ips, i))) continue;
        KS_IN(c, "clusterIPs") KS_AT(c, i) bad |= !ks_check_ip(c, NULL, ks_at(ips, i));
    }
    if (ks_len(ips) > 2) ks_bad(c, "clusterIPs", ips, "may only hold up to 2 values");
    if (bad) return;
    if (ks_len(ips) > 1 && is_v6(ks_at(ips, 0)) == is_v6(ks_at(ips, 1)))
        ks_bad(c, "clusterIPs", ips, "may specify no more than one IP for each IP family");
    for (uint32_t i = 0; i < ks_len(ips) && i < ks_len(families) && !is_headless(spec); i++) {
        bool wants_v6 = ks_text_is(ks_at(families, i), "IPv6");
        if (wants_v6 == is_v6(ks_at(ips, i))) continue;
        char why[80];
        snprintf(why, sizeof why, "expected an %s value as indicated by `ipFamilies[%u]`",
                 wants_v6 ? "IPv6" : "IPv4", (unsigned)i);
        KS_IN(c, "clusterIPs") KS_AT(c, i) ks_bad(c, NULL, ks_at(ips, i), why);
    }
}

static void check_external_ips(ks_check *c, ks_val ips, ks_val old) {
    KS_IN(c, "externalIPs") {
        for (uint32_t i = 0; i < ks_len(ips); i++) KS_AT(c, i) {
                if (has_text(old, ks_at(ips, i)) || ks_check_ip(c, NULL, ks_at(ips, i)))
                    ks_check_endpoint_ip(c, NULL, ks_at(ips, i));
            }
    }
}

/* --- load balancers and policies --- */

static void check_source_ranges(ks_check *c, ks_val spec) {
    ks_val ranges = ks_get(spec, K(loadBalancerSourceRanges));
    if (ks_len(ranges) == 0) return;
    KS_IN(c, "LoadBalancerSourceRanges") {
        if (!is_type(spec, "LoadBalancer"))
            ks_deny(c, NULL, "may only be used when `type` is 'LoadBalancer'");
        for (uint32_t i = 0; i < ks_len(ranges); i++)
            KS_AT(c, i) ks_check_cidr(c, NULL, ks_at(ranges, i));
    }
}

static void check_balancer_class(ks_check *c, ks_val spec) {
    ks_val class = ks_get(spec, K(loadBalancerClass));
    if (is_type(spec, "LoadBalancer") && ks_exists(class))
        ks_check_text(c, "loadBalancerClass", KS_RULE_QUALIFIED, class);
    else if (ks_exists(class))
        ks_deny(c, "loadBalancerClass", "may only be used when `type` is 'LoadBalancer'");
}

static void check_balancer(ks_check *c, ks_val spec) {
    ks_val allocate = ks_get(spec, K(allocateLoadBalancerNodePorts));
    bool balanced = is_type(spec, "LoadBalancer");
    if (ks_exists(allocate) && !balanced)
        ks_deny(c, "allocateLoadBalancerNodePorts",
                "may only be used when `type` is 'LoadBalancer'");
    check_balancer_class(c, spec);
}

static bool is_external(ks_val spec) {
    return is_type(spec, "LoadBalancer") || is_type(spec, "NodePort") ||
           (is_type(spec, "ClusterIP") && ks_len(ks_get(spec, K(externalIPs))) > 0);
}

static bool needs_health_check(ks_val spec) {
    return is_type(spec, "LoadBalancer") &&
           ks_text_is(ks_get(spec, K(externalTrafficPolicy)), "Local");
}

static void check_traffic(ks_check *c, ks_val spec) {
    static const char *const policies[] = {"Cluster", "Local", NULL};
    static const char *const spread[] = {"PreferClose", "PreferSameZone", "PreferSameNode", NULL};
    ks_val outer = ks_get(spec, K(externalTrafficPolicy));
    ks_val inner = ks_get(spec, K(internalTrafficPolicy));
    ks_val port = ks_get(spec, K(healthCheckNodePort));
    ks_val distribution = ks_get(spec, K(trafficDistribution));
    if (is_external(spec))
        ks_check_enum(c, "externalTrafficPolicy", outer, policies, true);
    else if (!ks_is_empty_text(outer))
        ks_bad(c, "externalTrafficPolicy", outer,
               "may only be set for externally-accessible services");
    if (!needs_health_check(spec) && ks_int_or(port, 0) != 0)
        ks_bad(c, "healthCheckNodePort", port,
               "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is "
               "'Local'");
    else if (needs_health_check(spec) && ks_int_or(port, 0) != 0)
        ks_check_port_number(c, "healthCheckNodePort", port.i);
    if (ks_exists(inner)) ks_check_enum(c, "internalTrafficPolicy", inner, policies, false);
    if (ks_exists(distribution))
        ks_check_enum(c, "trafficDistribution", distribution, spread, false);
}

static void check_affinity(ks_check *c, ks_val spec) {
    static const char *const kinds[] = {"ClientIP", "None", NULL};
    static const char missing[] = "when session affinity type is ClientIP";
    ks_val affinity = ks_get(spec, K(sessionAffinity));
    ks_val config = ks_get(spec, K(sessionAffinityConfig)), client = ks_get(config, K(clientIP));
    ks_val seconds = ks_get(client, K(timeoutSeconds));
    ks_check_enum(c, "sessionAffinity", affinity, kinds, true);
    if (ks_text_is(affinity, "None") && ks_exists(config))
        ks_deny(c, "sessionAffinityConfig", "must not be set when session affinity is None");
    if (!ks_text_is(affinity, "ClientIP")) return;
    if (!ks_exists(config))
        ks_need(c, "sessionAffinityConfig", missing);
    else if (!ks_exists(client))
        ks_need(c, "sessionAffinityConfig.clientIP", missing);
    else if (!ks_exists(seconds))
        ks_need(c, "sessionAffinityConfig.clientIP.timeoutSeconds", missing);
    else if (seconds.i <= 0 || seconds.i > 86400)
        ks_bad(c, "sessionAffinityConfig.clientIP.timeoutSeconds", seconds,
               "must be greater than 0 and less than 86400");
}

/* --- all of it --- */

static void check_service(ks_check *c, ks_val object, ks_val old) {
    static const char *const types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort",
                                        NULL};
    ks_val spec = ks_get(object, K(spec)), ports = ks_get(spec, K(ports));
    ks_val annotations = ks_get2(object, K(metadata), K(annotations));
    ks_val mode = ks_get(annotations, K(service_kubernetes_io_topology_mode));
    ks_val hints = ks_get(annotations, K(service_kubernetes_io_topology_aware_hints));
    if (ks_exists(mode) && ks_exists(hints) && !ks_equal(mode, hints)) KS_IN(c, "metadata")
    KS_IN(c, "annotations")
    KS_KEY(c, "service.kubernetes.io/topology-mode")
    ks_bad(c, NULL, mode,
           "must match annotations[service.kubernetes.io/topology-aware-hints] when both are "
           "specified");
    KS_IN(c, "spec") {
        if (ks_len(ports) == 0 && !is_headless(spec) && !is_type(spec, "ExternalName"))
            ks_need(c, "ports", "");
        check_type(c, spec);
        KS_IN(c, "ports") {
            for (uint32_t i = 0; i < ks_len(ports); i++) KS_AT(c, i) check_port(c, ports, i);
        }
        ks_check_labels(c, "selector", ks_get(spec, K(selector)));
        check_affinity(c, spec);
        check_cluster_ips(c, spec, ks_get(old, K(spec)));
        check_external_ips(c, ks_get(spec, K(externalIPs)), ks_get2(old, K(spec), K(externalIPs)));
        ks_check_enum(c, "type", ks_get(spec, K(type)), types, true);
        check_duplicate_ports(c, spec);
        check_source_ranges(c, spec);
        check_balancer(c, spec);
        check_traffic(c, spec);
    }
}

/* --- updates --- */

static void check_ips_update(ks_check *c, ks_val spec, ks_val old) {
    ks_val now = ks_get(spec, K(clusterIPs)), before = ks_get(old, K(clusterIPs));
    ks_val policy = ks_get(spec, K(ipFamilyPolicy));
    if (is_type(spec, "ExternalName") || is_type(old, "ExternalName")) return;
    if (is_headless(spec) && is_headless(old)) return;
    uint32_t count = ks_len(now), old_count = ks_len(before);
    for (uint32_t i = 0; i < old_count && count == old_count; i++)
        if (!ks_equal(ks_at(now, i), ks_at(before, i)))
            KS_IN(c, "clusterIPs") KS_AT(c, i) ks_bad(c, NULL, now, "may not change once set");
    if (count == old_count) return;
    if (count == 0)
        ks_bad_printed(c, "clusterIPs[0]", "null", "primary clusterIP can not be unset");
    else if (old_count > 0 && !ks_equal(ks_at(now, 0), ks_at(before, 0)))
        ks_bad(c, "clusterIPs[0]", now, "may not change once set");
    if (old_count > count && count == 1 && !ks_text_is(policy, "SingleStack"))
        ks_bad(c, "ipFamilyPolicy", policy,
               "must be set to 'SingleStack' when releasing the secondary clusterIP");
}

static void check_families_update(ks_check *c, ks_val spec, ks_val old) {
    ks_val now = ks_get(spec, K(ipFamilies)), before = ks_get(old, K(ipFamilies));
    if (is_type(spec, "ExternalName") || is_type(old, "ExternalName")) return;
    if (is_headless(spec) || is_headless(old)) return;
    for (uint32_t i = 0; i < ks_len(before) && ks_len(now) == ks_len(before); i++)
        if (!ks_equal(ks_at(now, i), ks_at(before, i)))
            ks_bad(c, "ipFamilies[0]", now, "may not change once set");
}

static void check_service_update(ks_check *c, ks_val object, ks_val old) {
    ks_val spec = ks_get(object, K(spec)), before = ks_get(old, K(spec));
    ks_val class = ks_get(spec, K(loadBalancerClass));
    ks_check_meta_update(c, object, old);
    KS_IN(c, "spec") {
        check_ips_update(c, spec, before);
        check_families_update(c, spec, before);
        if (is_type(spec, "LoadBalancer") && is_type(before, "LoadBalancer") &&
            !ks_same(class, ks_get(before, K(loadBalancerClass))))
            ks_bad(c, "loadBalancerClass", class, "may not change once set");
        check_balancer_class(c, spec);
        if (needs_health_check(spec) && needs_health_check(before) &&
            !ks_same(ks_get(spec, K(healthCheckNodePort)), ks_get(before, K(healthCheckNodePort))))
            ks_deny(c, "healthCheckNodePort", "field is immutable");
    }
    check_service(c, object, old);
}

/* ValidateLoadBalancerStatus */
static void check_balancer_status(ks_check *c, ks_val object) {
    static const char *const modes[] = {"Proxy", "VIP", NULL};
    ks_val list = ks_get3(object, K(status), K(loadBalancer), K(ingress));
    if (ks_len(list) > 0 && !is_type(ks_get(object, K(spec)), "LoadBalancer")) {
        ks_deny(c, "status.loadBalancer.ingress",
                "may only be used when `spec.type` is 'LoadBalancer'");
        return;
    }
    KS_IN(c, "status") KS_IN(c, "loadBalancer") KS_IN(c, "ingress") {
        for (uint32_t i = 0; i < ks_len(list); i++) {
            ks_val ip = ks_get(ks_at(list, i), K(ip)), mode = ks_get(ks_at(list, i), K(ipMode));
            ks_val host = ks_get(ks_at(list, i), K(hostname));
            bool has_ip = !ks_is_empty_text(ip);
            ks_ip parsed;
            KS_AT(c, i) {
                if (has_ip) ks_check_ip(c, "ip", ip);
                if (!ks_exists(mode) && has_ip)
                    ks_need(c, "ipMode", "must be specified when `ip` is set");
                else if (ks_exists(mode) && !has_ip)
                    ks_deny(c, "ipMode", "may not be specified when `ip` is not set");
                else if (ks_exists(mode) && !ks_one_of(mode, modes))
                    ks_unknown(c, "ipMode", mode, modes);
                if (!ks_is_empty_text(host)) {
                    ks_check_text(c, "hostname", KS_RULE_SUBDOMAIN, host);
                    if (ks_ip_parse(host.s->s, host.s->len, &parsed))
                        ks_bad(c, "hostname", host, "must be a DNS name, not an IP address");
                }
            }
        }
    }
}

void ks_check_service(ks_check *c, ks_val object, ks_val old, bool status) {
    if (status) {
        ks_check_meta_update(c, object, old);
        check_balancer_status(c, object);
    } else if (ks_exists(old)) {
        check_service_update(c, object, old);
    } else {
        ks_check_meta(c, object, true,
                      ks_since(c->rules, KS_SINCE_SERVICE_NAMES_1123) ? KS_RULE_LABEL
                                                                      : KS_RULE_DNS1035);
        check_service(c, object, KS_NOTHING);
    }
}

void ks_check_service_ips(ks_check *c, ks_val object, ks_val old) {
    KS_IN(c, "spec") check_cluster_ips(c, ks_get(object, K(spec)), ks_get(old, K(spec)));
}
