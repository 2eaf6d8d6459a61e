/*
 * apiserver/service_alloc.c - addresses and node ports of Services: what is filled, chosen, carried
 * over and given back.
 *
 * k8s.io/kubernetes/pkg/registry/core/service/{storage/alloc.go,storage/storage.go,strategy.go,ipallocator,portallocator}.
 * A single-stack cluster: 10.96.0.0/12, node ports 30000-32767. Called by create.c and update.c
 * before validation, and by server.c when a Service has been stored or removed.
 */
#include "apiserver/internal.h"

#include <stdio.h>
#include <string.h>

/* 10.96.0.0/12: the first 256 addresses are for those who choose theirs. */
enum {
    NETWORK = 0x0a600000,
    FIRST_DYNAMIC = 0x0a600101,
    LAST = 0x0a6ffffe,
    FIRST_STATIC = 0x0a600001,
    API_ADDRESS = 0x0a600001,
    DNS_ADDRESS = 0x0a60000a,
    PORT_MIN = 30000,
    PORT_MAX = 32767,
    PORT_DYNAMIC = 30086,
    PORT_DRY = 32769
};

static ks_key number_key(uint64_t n) { return (ks_key){0, n}; }
static void *taken(void) { return (void *)(uintptr_t)1; }

/* --- reading a Service --- */

static ks_val spec_of(ks_val doc) { return ks_get(doc, K(spec)); }

static const char *type_of(ks_val doc) {
    return ks_text_or(ks_get(spec_of(doc), K(type)), "ClusterIP");
}
static bool is_external(ks_val doc) { return strcmp(type_of(doc), "ExternalName") == 0; }
static bool has_node_ports(ks_val doc) {
    const char *type = type_of(doc);
    return strcmp(type, "NodePort") == 0 || strcmp(type, "LoadBalancer") == 0;
}
static bool is_headless(ks_val doc) {
    return ks_text_is(ks_get(spec_of(doc), K(clusterIP)), "None") ||
           ks_text_is(ks_at(ks_get(spec_of(doc), K(clusterIPs)), 0), "None");
}
static bool has_policy(ks_val doc) {
    return has_node_ports(doc) || ks_len(ks_get(spec_of(doc), K(externalIPs))) > 0;
}

static void put(ks_heap *heap, ks_val *doc, const ks_str *key, ks_val value) {
    if (value.type == KS_NONE && ks_get(spec_of(*doc), key).type == KS_NONE) return;
    *doc = ks_put2(heap, *doc, K(spec), key, value);
}

static bool set(ks_val v) {
    return ks_exists(v) && !ks_text_is(v, "") && !(v.type == KS_LIST && ks_len(v) == 0);
}

/* A dotted address; false when it is none. */
static bool parse_ipv4(ks_val v, uint32_t *out) {
    unsigned a, b, c, d;
    char rest;
    if (v.type != KS_STRING) return false;
    if (sscanf(v.s->s, "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &rest) != 4) return false;
    if (a > 255 || b > 255 || c > 255 || d > 255) return false;
    *out = a << 24 | b << 16 | c << 8 | d;
    return true;
}

static ks_val print_ipv4(ks_heap *heap, uint32_t ip) {
    return ks_format(heap, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

/* --- refusing --- */

/* One 422 at spec.FIELD. */
static ks_refusal *refuse(const ks_request *r, ks_val doc, const char *field, ks_val value,
                          const char *why) {
    ks_errors errors = {.heap = r->heap};
    size_t mark = ks_path_field(&errors, "spec");
    ks_error_invalid(&errors, field, value, why);
    ks_path_back(&errors, mark);
    ks_refusal *refusal =
        ks_errors_refuse(&errors, r->kind, ks_str_or_null(ks_meta_get(doc, K(name))));
    ks_errors_dispose(&errors);
    return refusal;
}

static ks_refusal *refuse_port(const ks_request *r, ks_val doc, uint32_t index, int64_t port,
                               const char *why) {
    ks_errors errors = {.heap = r->heap};
    size_t mark = ks_path_field(&errors, "spec");
    ks_path_field(&errors, "ports");
    ks_path_index(&errors, index);
    ks_error_invalid(&errors, "nodePort", ks_int(port), why);
    ks_path_back(&errors, mark);
    ks_refusal *refusal =
        ks_errors_refuse(&errors, r->kind, ks_str_or_null(ks_meta_get(doc, K(name))));
    ks_errors_dispose(&errors);
    return refusal;
}

/* --- carrying over what an update left out --- */

static ks_val port_named(ks_val ports, ks_val name) {
    ks_each(port, ports) {
        ks_val its = ks_get(*port, K(name));
        if (!set(its) && !set(name)) return *port;
        if (set(its) && ks_equal(its, name)) return *port;
    }
    return KS_NOTHING;
}

static bool uses_port(ks_val ports, int64_t number) {
    ks_each(port, ports) {
        if (ks_int_or(ks_get(*port, K(nodePort)), 0) == number) return true;
    }
    return false;
}

static void set_node_port(ks_heap *heap, ks_val *doc, uint32_t index, ks_val number) {
    ks_val ports = ks_ref(ks_get(spec_of(*doc), K(ports)));
    ks_val port = ks_put(heap, ks_ref(ks_at(ports, index)), K(nodePort), number);
    put(heap, doc, K(ports), ks_set_at(heap, ports, index, port));
}

/* storage.go: patchAllocatedValues. */
static void carry_over(ks_heap *heap, ks_val *doc, ks_val old) {
    ks_val before = spec_of(old);
    if (!is_external(*doc) && !is_external(old)) {
        if (!set(ks_get(spec_of(*doc), K(clusterIP))))
            put(heap, doc, K(clusterIP), ks_ref(ks_get(before, K(clusterIP))));
        if (!set(ks_get(spec_of(*doc), K(clusterIPs))) &&
            ks_equal(ks_get(spec_of(*doc), K(clusterIP)), ks_get(before, K(clusterIP))))
            put(heap, doc, K(clusterIPs), ks_ref(ks_get(before, K(clusterIPs))));
    }
    if (!has_node_ports(*doc) || !has_node_ports(old)) return;
    for (uint32_t i = 0; i < ks_len(ks_get(spec_of(*doc), K(ports))); i++) {
        ks_val ports = ks_get(spec_of(*doc), K(ports)), port = ks_at(ports, i);
        if (ks_int_or(ks_get(port, K(nodePort)), 0) != 0) continue;
        ks_val its = port_named(ks_get(before, K(ports)), ks_get(port, K(name)));
        int64_t number = ks_int_or(ks_get(its, K(nodePort)), 0);
        if (number != 0 && !uses_port(ports, number)) set_node_port(heap, doc, i, ks_int(number));
    }
}

/* pkg/registry/core/service/strategy.go: NormalizeClusterIPs. */
static void normalize(ks_heap *heap, ks_val *doc, ks_val old) {
    ks_val ip = ks_get(spec_of(*doc), K(clusterIP)), ips = ks_get(spec_of(*doc), K(clusterIPs));
    ks_val old_ip = ks_get(spec_of(old), K(clusterIP)),
           old_ips = ks_get(spec_of(old), K(clusterIPs));
    bool same_ip = set(ip) == set(old_ip) && (!set(ip) || ks_equal(ip, old_ip));
    if (old.type == KS_NONE) {
        if (set(ip) && !set(ips))
            put(heap, doc, K(clusterIPs), ks_append(heap, KS_NOTHING, ks_ref(ip)));
        return;
    }
    if (!set(ips) && set(old_ips) && same_ip) {
        put(heap, doc, K(clusterIPs), ks_ref(old_ips));
        return;
    }
    if (same_ip || !ks_equal(ips, old_ips)) {
        if (!same_ip && set(ip) && !set(ips))
            put(heap, doc, K(clusterIPs), ks_append(heap, KS_NOTHING, ks_ref(ip)));
        return;
    }
    put(heap, doc, K(clusterIPs), set(ip) ? ks_append(heap, KS_NOTHING, ks_ref(ip)) : KS_NOTHING);
}

static bool same(ks_val doc, ks_val old, const ks_str *key) {
    return ks_equal(ks_get(spec_of(doc), key), ks_get(spec_of(old), key));
}

/* strategy.go: dropTypeDependentFields: what the new type has no use for, unless the user set it.
 */
static void drop_unused(ks_heap *heap, ks_val *doc, ks_val old) {
    if (is_external(*doc) && !is_external(old) && same(*doc, old, K(clusterIP)) &&
        same(*doc, old, K(clusterIPs))) {
        put(heap, doc, K(clusterIP), KS_NOTHING);
        put(heap, doc, K(clusterIPs), KS_NOTHING);
        if (same(*doc, old, K(ipFamilies))) put(heap, doc, K(ipFamilies), KS_NOTHING);
        if (same(*doc, old, K(ipFamilyPolicy))) put(heap, doc, K(ipFamilyPolicy), KS_NOTHING);
    }
    if (!is_external(*doc) && is_external(old) && same(*doc, old, K(externalName)))
        put(heap, doc, K(externalName), KS_NOTHING);
    if (!has_node_ports(*doc) && has_node_ports(old)) {
        for (uint32_t i = 0; i < ks_len(ks_get(spec_of(*doc), K(ports))); i++) {
            ks_val number = ks_get(ks_at(ks_get(spec_of(*doc), K(ports)), i), K(nodePort));
            if (number.type == KS_INT && uses_port(ks_get(spec_of(old), K(ports)), number.i))
                set_node_port(heap, doc, i, KS_NOTHING);
        }
    }
    /* there it is dropped whenever it is read: storage.go: defaultOnReadInternalTrafficPolicy */
    if (is_external(*doc) && !is_external(old) && same(*doc, old, K(internalTrafficPolicy)))
        put(heap, doc, K(internalTrafficPolicy), KS_NOTHING);
    if (!has_policy(*doc) && has_policy(old) && same(*doc, old, K(externalTrafficPolicy)))
        put(heap, doc, K(externalTrafficPolicy), KS_NOTHING);
    bool balances = strcmp(type_of(*doc), "LoadBalancer") == 0;
    if (!balances && strcmp(type_of(old), "LoadBalancer") == 0) {
        if (same(*doc, old, K(allocateLoadBalancerNodePorts)))
            put(heap, doc, K(allocateLoadBalancerNodePorts), KS_NOTHING);
        if (same(*doc, old, K(loadBalancerClass))) put(heap, doc, K(loadBalancerClass), KS_NOTHING);
    }
}

/* --- families --- */

static ks_val families(ks_heap *heap, bool both) {
    ks_val list = ks_append(heap, KS_NOTHING, ks_text(heap, "IPv4"));
    return both ? ks_append(heap, list, ks_text(heap, "IPv6")) : list;
}

/* There is one family, IPv4. */
static ks_refusal *refuse_families(const ks_request *r, ks_val doc) {
    ks_errors errors = {.heap = r->heap};
    size_t mark = ks_path_field(&errors, "spec");
    ks_val policy = ks_get(spec_of(doc), K(ipFamilyPolicy)),
           listed = ks_get(spec_of(doc), K(ipFamilies));
    if (ks_text_is(policy, "RequireDualStack"))
        ks_error_invalid(&errors, "ipFamilyPolicy", policy,
                         "this cluster is not configured for dual-stack services");
    for (uint32_t i = 0; i < ks_len(listed); i++) {
        if (!ks_text_is(ks_at(listed, i), "IPv6")) continue;
        char field[32];
        snprintf(field, sizeof field, "ipFamilies[%u]", i);
        ks_error_invalid(&errors, field, ks_at(listed, i), "not configured on this cluster");
    }
    ks_path_back(&errors, mark);
    ks_refusal *refusal =
        ks_errors_refuse(&errors, r->kind, ks_str_or_null(ks_meta_get(doc, K(name))));
    ks_errors_dispose(&errors);
    return refusal;
}

/* alloc.go: initIPFamilyFields. */
static ks_refusal *fill_families(const ks_request *r, ks_val *doc, ks_val old) {
    ks_heap *heap = r->heap;
    bool bare = is_headless(*doc) && ks_len(ks_get(spec_of(*doc), K(selector))) == 0;
    if (!ks_exists(ks_get(spec_of(*doc), K(ipFamilyPolicy)))) {
        ks_val policy = ks_ref(ks_get(spec_of(old), K(ipFamilyPolicy)));
        if (!set(policy)) policy = ks_text(heap, bare ? "RequireDualStack" : "SingleStack");
        put(heap, doc, K(ipFamilyPolicy), policy);
    }
    ks_refusal *refusal = ks_validate_service_ips(heap, &r->s->rules, *doc, old);
    if (refusal != NULL) return refusal;
    ks_val policy = ks_get(spec_of(*doc), K(ipFamilyPolicy));
    bool single = ks_text_is(policy, "SingleStack");
    ks_val ips = ks_get(spec_of(*doc), K(clusterIPs)),
           listed = ks_get(spec_of(*doc), K(ipFamilies));
    if (single && ks_len(ips) == 2)
        return refuse(r, *doc, "ipFamilyPolicy", policy,
                      "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs "
                      "are specified");
    if (single && ks_len(listed) == 2 && old.type == KS_NONE)
        return refuse(r, *doc, "ipFamilyPolicy", policy,
                      "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families "
                      "are specified");
    if (!is_headless(*doc)) {
        for (uint32_t i = ks_len(listed); i < ks_len(ips); i++) {
            ks_val ip = ks_at(ips, i);
            if (ip.type == KS_STRING && memchr(ip.s->s, ':', ip.s->len) != NULL) {
                char field[32];
                snprintf(field, sizeof field, "clusterIPs[%u]", i);
                return refuse(r, *doc, field, ips, "IPv6 is not configured on this cluster");
            }
        }
    }
    if (bare) {
        if (ks_len(listed) < 2 && (ks_len(listed) == 0 || !single))
            put(heap, doc, K(ipFamilies), families(heap, !single));
        return NULL;
    }
    refusal = refuse_families(r, *doc);
    if (refusal != NULL) return refusal;
    if (ks_len(listed) == 0) put(heap, doc, K(ipFamilies), families(heap, false));
    return NULL;
}

/* --- addresses --- */

static bool named(ks_val doc, const char *ns, const char *name) {
    return ks_text_is(ks_meta_get(doc, K(namespace)), ns) &&
           ks_text_is(ks_meta_get(doc, K(name)), name);
}

/* Is the address somebody else's? The API server's and the cluster DNS's are, even before those
 * Services exist. */
static bool is_taken(const ks_server *s, uint32_t ip, ks_val doc) {
    if (ip == API_ADDRESS && !named(doc, "default", "kubernetes")) return true;
    if (ip == DNS_ADDRESS && !named(doc, "kube-system", "kube-dns")) return true;
    return ks_tree_has(&s->service_ips, number_key(ip));
}

static uint32_t scan(const ks_request *r, ks_val doc, uint32_t first, uint32_t last) {
    uint32_t size = last - first + 1, start = ks_choose(r->s->world, KS_CHOOSE_UID, size);
    for (uint32_t i = 0; i < size; i++) {
        uint32_t ip = first + (start + i) % size;
        if (!is_taken(r->s, ip, doc)) return ip;
    }
    return 0;
}

static ks_refusal *check_address(const ks_request *r, ks_val doc, ks_val asked, uint32_t ip) {
    ks_buf why = {.heap = r->heap};
    ks_refusal *refusal = NULL;
    const char *text = ks_text_or(asked, "");
    if (ip <= NETWORK || ip > LAST)
        ks_buf_printf(&why,
                      r->dry_run ? "failed to allocate IP %s: the provided IP (%s) is not in the "
                                   "valid range. The range of valid IPs is 10.96.0.0/12"
                                 : "failed to allocate IP %s: the provided network does not "
                                   "match the current range",
                      text, text);
    else if (!r->dry_run && is_taken(r->s, ip, doc))
        ks_buf_printf(&why, "failed to allocate IP %s: provided IP is already allocated", text);
    if (why.s != NULL)
        refusal = refuse(r, doc, "clusterIPs", ks_get(spec_of(doc), K(clusterIPs)), why.s);
    ks_buf_dispose(&why);
    return refusal;
}

/* alloc.go: allocClusterIPs. */
static ks_refusal *allocate_address(const ks_request *r, ks_val *doc, ks_val old) {
    ks_val asked = ks_at(ks_get(spec_of(*doc), K(clusterIPs)), 0);
    if (!set(asked)) asked = ks_get(spec_of(*doc), K(clusterIP));
    uint32_t ip;
    if (set(asked)) {
        if (ks_equal(asked, ks_get(spec_of(old), K(clusterIP)))) return NULL;
        if (set(ks_get(spec_of(old), K(clusterIP))))
            return NULL; /* cannot change: validation says so */
        return parse_ipv4(asked, &ip) ? check_address(r, *doc, asked, ip) : NULL;
    }
    ip = r->dry_run ? (uint32_t)NETWORK : scan(r, *doc, FIRST_DYNAMIC, LAST);
    if (ip == 0) ip = scan(r, *doc, FIRST_STATIC, FIRST_DYNAMIC - 1);
    if (ip == 0)
        return ks_refuse(r->heap, 500, "InternalError",
                         "Internal error occurred: failed to allocate a serviceIP: range is full");
    put(r->heap, doc, K(clusterIP), print_ipv4(r->heap, ip));
    put(r->heap, doc, K(clusterIPs),
        ks_append(r->heap, KS_NOTHING, ks_ref(ks_get(spec_of(*doc), K(clusterIP)))));
    return NULL;
}

/* --- node ports --- */

/* portallocator/operation.go: a dry run only asks whether the port is taken. */
static const char *check_port(const ks_request *r, int64_t port, ks_val old) {
    const ks_server *s = r->s;
    if (!r->dry_run && (port < PORT_MIN || port > PORT_MAX))
        return "provided port is not in the valid range. The range of valid ports is 30000-32767";
    if (uses_port(ks_get(spec_of(old), K(ports)), port) && has_node_ports(old)) return NULL;
    return ks_tree_has(&s->node_ports, number_key((uint64_t)port))
               ? "provided port is already allocated"
               : NULL;
}

static int64_t choose_port(const ks_request *r, ks_val doc, int *dry) {
    if (r->dry_run) return PORT_DRY + (*dry)++;
    ks_val ports = ks_get(spec_of(doc), K(ports));
    for (int static_band = 0; static_band < 2; static_band++) {
        int first = static_band ? PORT_MIN : PORT_DYNAMIC,
            last = static_band ? PORT_DYNAMIC - 1 : PORT_MAX;
        int size = last - first + 1,
            start = (int)ks_choose(r->s->world, KS_CHOOSE_UID, (uint32_t)size);
        for (int i = 0; i < size; i++) {
            int64_t port = first + (start + i) % size;
            if (!ks_tree_has(&r->s->node_ports, number_key((uint64_t)port)) &&
                !uses_port(ports, port))
                return port;
        }
    }
    return 0;
}

/* The node port that an earlier or later entry has for the same port (another protocol), or 0. */
static int64_t port_of_twin(ks_val ports, ks_val port) {
    ks_each(other, ports) {
        int64_t number = ks_int_or(ks_get(*other, K(nodePort)), 0);
        if (number != 0 && ks_equal(ks_get(*other, K(port)), ks_get(port, K(port)))) return number;
    }
    return 0;
}

static ks_refusal *allocate_ports(const ks_request *r, ks_val *doc, ks_val old) {
    int dry = 0;
    if (!has_node_ports(*doc)) return NULL;
    bool wanted = ks_bool_or(ks_get(spec_of(*doc), K(allocateLoadBalancerNodePorts)), true);
    for (uint32_t i = 0; i < ks_len(ks_get(spec_of(*doc), K(ports))); i++) {
        ks_val ports = ks_get(spec_of(*doc), K(ports)), port = ks_at(ports, i);
        int64_t number = ks_int_or(ks_get(port, K(nodePort)), 0);
        if (number != 0) {
            const char *why = check_port(r, number, old);
            if (why != NULL) return refuse_port(r, *doc, i, number, why);
            continue;
        }
        if (!wanted) continue;
        number = old.type == KS_NONE ? port_of_twin(ports, port) : 0;
        if (number == 0) number = choose_port(r, *doc, &dry);
        if (number == 0)
            return ks_refuse(
                r->heap, 500, "InternalError",
                "Internal error occurred: failed to allocate a nodePort: range is full");
        set_node_port(r->heap, doc, i, ks_int(number));
    }
    return NULL;
}

/* --- the doors --- */

ks_refusal *ks_service_allocate(const ks_request *r, ks_val *doc, const ks_object *old) {
    ks_val before = old != NULL ? ks_doc(old) : KS_NOTHING;
    if (old != NULL) carry_over(r->heap, doc, before);
    normalize(r->heap, doc, before);
    if (old != NULL) drop_unused(r->heap, doc, before);
    if (is_external(*doc)) return NULL;
    ks_refusal *refusal = fill_families(r, doc, before);
    if (refusal == NULL && !is_headless(*doc)) refusal = allocate_address(r, doc, before);
    if (refusal == NULL) refusal = allocate_ports(r, doc, before);
    return refusal;
}

static bool has_address(ks_val doc, uint32_t ip) {
    uint32_t its;
    ks_each(text, ks_get(spec_of(doc), K(clusterIPs))) {
        if (parse_ipv4(*text, &its) && its == ip) return true;
    }
    return false;
}

static void settle_ports(ks_server *s, ks_val doc, ks_val other, bool take) {
    ks_each(port, ks_get(spec_of(doc), K(ports))) {
        int64_t number = ks_int_or(ks_get(*port, K(nodePort)), 0);
        if (number == 0) continue;
        ks_key key = number_key((uint64_t)number);
        if (take)
            ks_tree_put(s->heap, &s->node_ports, key, taken());
        else if (!uses_port(ks_get(spec_of(other), K(ports)), number))
            ks_tree_del(s->heap, &s->node_ports, key);
    }
}

void ks_service_settle(ks_server *s, ks_val doc, ks_val old) {
    uint32_t ip;
    ks_each(text, ks_get(spec_of(old), K(clusterIPs))) {
        if (parse_ipv4(*text, &ip) && !has_address(doc, ip))
            ks_tree_del(s->heap, &s->service_ips, number_key(ip));
    }
    settle_ports(s, old, doc, false);
    ks_each(address, ks_get(spec_of(doc), K(clusterIPs))) {
        if (parse_ipv4(*address, &ip))
            ks_tree_put(s->heap, &s->service_ips, number_key(ip), taken());
    }
    settle_ports(s, doc, KS_NOTHING, true);
}
