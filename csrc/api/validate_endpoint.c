/*
 * api/validate_endpoint.c - Endpoints and EndpointSlices.
 *
 * pkg/apis/core/validation/validation.go: ValidateEndpoints;
 * pkg/apis/discovery/validation/validation.go.
 */
#include "api/validate_internal.h"

#include <string.h>

static const char *const PROTOCOLS[] = {"SCTP", "TCP", "UDP", NULL};

/* --- Endpoints --- */

static void check_addresses(ks_check *c, ks_val list) {
    for (uint32_t i = 0; i < ks_len(list); i++) {
        ks_val address = ks_at(list, i), host = ks_get(address, K(hostname));
        ks_val node = ks_get(address, K(nodeName));
        KS_AT(c, i) {
            ks_check_ip(c, "ip", ks_get(address, K(ip)));
            if (!ks_is_empty_text(host)) ks_check_text(c, "hostname", KS_RULE_LABEL, host);
            if (ks_exists(node)) ks_check_text(c, "nodeName", KS_RULE_SUBDOMAIN, node);
            ks_check_endpoint_ip(c, "ip", ks_get(address, K(ip)));
        }
    }
}

static void check_subset(ks_check *c, ks_val subset) {
    ks_val ready = ks_get(subset, K(addresses)), other = ks_get(subset, K(notReadyAddresses));
    ks_val ports = ks_get(subset, K(ports));
    if (ks_len(ready) == 0 && ks_len(other) == 0)
        ks_need(c, NULL, "must specify `addresses` or `notReadyAddresses`");
    KS_IN(c, "addresses") check_addresses(c, ready);
    KS_IN(c, "notReadyAddresses") check_addresses(c, other);
    KS_IN(c, "ports") {
        for (uint32_t i = 0; i < ks_len(ports); i++) {
            ks_val port = ks_at(ports, i), name = ks_get(port, K(name));
            ks_val protocol = ks_get(port, K(appProtocol));
            KS_AT(c, i) {
                if (!ks_is_empty_text(name))
                    ks_check_text(c, "name", KS_RULE_LABEL, name);
                else if (ks_len(ports) > 1)
                    ks_need(c, "name", "");
                ks_check_port_number(c, "port", ks_int_or(ks_get(port, K(port)), 0));
                ks_check_enum(c, "protocol", ks_get(port, K(protocol)), PROTOCOLS, true);
                if (ks_exists(protocol))
                    ks_check_text(c, "appProtocol", KS_RULE_QUALIFIED, protocol);
            }
        }
    }
}

void ks_check_endpoints(ks_check *c, ks_val object, ks_val old) {
    ks_val subsets = ks_get(object, K(subsets));
    if (ks_exists(old)) ks_check_meta_update(c, object, old);
    ks_check_meta(c, object, true, KS_RULE_SUBDOMAIN);
    if (ks_exists(old) && ks_same(subsets, ks_get(old, K(subsets)))) return;
    KS_IN(c, "subsets") {
        for (uint32_t i = 0; i < ks_len(subsets); i++)
            KS_AT(c, i) check_subset(c, ks_at(subsets, i));
    }
}

/* --- EndpointSlices --- */

static void check_domain_name(ks_check *c, ks_val address) {
    const ks_str *text = ks_text_value(address).s;
    size_t len = text->len > 0 && text->s[text->len - 1] == '.' ? text->len - 1 : text->len;
    if (text->len == 0) {
        ks_need(c, NULL, "");
        return;
    }
    ks_val name = ks_textn(c->heap, text->s, len);
    if (!ks_follows(c, KS_RULE_SUBDOMAIN, name.s))
        ks_check_text(c, NULL, KS_RULE_SUBDOMAIN, name);
    else if (memchr(name.s->s, '.', name.s->len) == NULL)
        ks_bad(c, NULL, name, "should be a domain with at least two segments separated by dots");
    ks_unref(c->heap, name);
}

/* At the path of the endpoint. */
static void check_slice_address(ks_check *c, ks_val address, uint32_t index, const char *type) {
    bool v6 = strchr(ks_text_or(address, ""), ':') != NULL, valid = false;
    if (strcmp(type, "FQDN") == 0) {
        KS_IN(c, "addresses") KS_AT(c, index) check_domain_name(c, address);
    } else if (strcmp(type, "IPv4") == 0) {
        KS_IN(c, "addresses") KS_AT(c, index) valid = ks_check_ip(c, NULL, address);
        if (valid && v6) ks_bad(c, "addresses", address, "must be an IPv4 address");
    } else if (strcmp(type, "IPv6") == 0) {
        KS_IN(c, "addresses") KS_AT(c, index) valid = ks_check_canonical_ip(c, NULL, address);
        if (valid && !v6) ks_bad(c, "addresses", address, "must be an IPv6 address");
    }
    if (valid) KS_IN(c, "addresses") KS_AT(c, index) ks_check_endpoint_ip(c, NULL, address);
}

static void check_hints(ks_check *c, ks_val list, const char *field, ks_rule rule) {
    enum { MAX_HINTS = 8 };
    if (ks_len(list) > MAX_HINTS)
        ks_error_too_many(&c->errors, field, (int)ks_len(list), MAX_HINTS);
    KS_IN(c, field) {
        for (uint32_t i = 0; i < ks_len(list); i++) {
            ks_val name = ks_text_value(ks_get(ks_at(list, i), K(name)));
            bool twice = false;
            for (uint32_t j = 0; j < i; j++)
                twice |= ks_equal(ks_text_value(ks_get(ks_at(list, j), K(name))), name);
            KS_AT(c, i) {
                if (twice) ks_duplicate(c, "name", name);
                ks_check_text(c, "name", rule, name);
            }
        }
    }
}

static void check_endpoint(ks_check *c, ks_val endpoint, const char *type) {
    enum { MAX_ADDRESSES = 100, MAX_LABELS = 16 };
    ks_val addresses = ks_get(endpoint, K(addresses)), node = ks_get(endpoint, K(nodeName));
    ks_val labels = ks_get(endpoint, K(deprecatedTopology)), host = ks_get(endpoint, K(hostname));
    ks_val hints = ks_get(endpoint, K(hints));
    if (ks_len(addresses) == 0)
        ks_need(c, "addresses", "must contain at least 1 address");
    else if (ks_len(addresses) > MAX_ADDRESSES)
        ks_error_too_many(&c->errors, "addresses", (int)ks_len(addresses), MAX_ADDRESSES);
    for (uint32_t i = 0; i < ks_len(addresses); i++)
        check_slice_address(c, ks_at(addresses, i), i, type);
    if (ks_exists(node)) ks_check_text(c, "nodeName", KS_RULE_SUBDOMAIN, node);
    if (ks_len(labels) > MAX_LABELS)
        ks_error_too_many(&c->errors, "deprecatedTopology", (int)ks_len(labels), MAX_LABELS);
    ks_check_labels(c, "deprecatedTopology", labels);
    if (ks_exists(host)) ks_check_text(c, "hostname", KS_RULE_LABEL, host);
    if (!ks_exists(hints)) return;
    KS_IN(c, "hints") {
        check_hints(c, ks_get(hints, K(forZones)), "forZones", KS_RULE_LABEL_VALUE);
        check_hints(c, ks_get(hints, K(forNodes)), "forNodes", KS_RULE_SUBDOMAIN);
    }
}

static void check_slice_ports(ks_check *c, ks_val ports) {
    enum { MAX_PORTS = 20000 };
    if (ks_len(ports) > MAX_PORTS)
        ks_error_too_many(&c->errors, "ports", (int)ks_len(ports), MAX_PORTS);
    KS_IN(c, "ports") {
        for (uint32_t i = 0; i < ks_len(ports); i++) {
            ks_val port = ks_at(ports, i), name = ks_text_value(ks_get(port, K(name)));
            ks_val protocol = ks_get(port, K(protocol)), app = ks_get(port, K(appProtocol));
            bool twice = false;
            for (uint32_t j = 0; j < i; j++)
                twice |= ks_equal(ks_text_value(ks_get(ks_at(ports, j), K(name))), name);
            KS_AT(c, i) {
                if (!ks_is_empty_text(name)) ks_check_text(c, "name", KS_RULE_LABEL, name);
                if (twice) ks_duplicate(c, "name", name);
                ks_check_enum(c, "protocol", protocol, PROTOCOLS, !ks_exists(protocol));
                if (ks_exists(app)) ks_check_text(c, "appProtocol", KS_RULE_QUALIFIED, app);
            }
        }
    }
}

void ks_check_endpoint_slice(ks_check *c, ks_val object, ks_val old) {
    enum { MAX_ENDPOINTS = 1000 };
    static const char *const types[] = {"FQDN", "IPv4", "IPv6", NULL};
    ks_val type = ks_get(object, K(addressType)), endpoints = ks_get(object, K(endpoints));
    ks_check_meta(c, object, true, KS_RULE_SUBDOMAIN);
    ks_check_enum(c, "addressType", type, types, true);
    check_slice_ports(c, ks_get(object, K(ports)));
    if (!ks_exists(old) || !ks_same(endpoints, ks_get(old, K(endpoints)))) {
        if (ks_len(endpoints) > MAX_ENDPOINTS)
            ks_error_too_many(&c->errors, "endpoints", (int)ks_len(endpoints), MAX_ENDPOINTS);
        KS_IN(c, "endpoints") {
            for (uint32_t i = 0; i < ks_len(endpoints); i++)
                KS_AT(c, i) check_endpoint(c, ks_at(endpoints, i), ks_text_or(type, ""));
        }
    }
    if (ks_exists(old) && !ks_same(type, ks_get(old, K(addressType))))
        ks_bad(c, "addressType", ks_text_value(type), "field is immutable");
}
