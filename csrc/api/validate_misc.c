/*
 * api/validate_misc.c - nodes, namespaces, ConfigMaps, Secrets, ServiceAccounts, Events, Leases.
 *
 * pkg/apis/core/validation/{validation,events}.go, pkg/apis/coordination/validation/validation.go.
 */
#include "api/validate_internal.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DATA = 1024 * 1024 };

/* --- nodes --- */

static void check_taints(ks_check *c, ks_val taints) {
    for (uint32_t i = 0; i < ks_len(taints); i++) {
        const char *faults[KS_FAULTS_MAX];
        ks_val taint = ks_at(taints, i), value = ks_text_value(ks_get(taint, K(value)));
        bool twice = false;
        for (uint32_t j = 0; j < i; j++)
            twice |= ks_same(ks_get(ks_at(taints, j), K(key)), ks_get(taint, K(key))) &&
                     ks_same(ks_get(ks_at(taints, j), K(effect)), ks_get(taint, K(effect)));
        int count = ks_faults(c, KS_RULE_LABEL_VALUE, value.s->s, value.s->len, faults);
        KS_AT(c, i) {
            ks_check_text(c, "key", KS_RULE_QUALIFIED, ks_get(taint, K(key)));
            if (count > 0) {
                const ks_str *why = ks_str_printf(c->heap, "%s%s%s", faults[0],
                                                  count > 1 ? ";" : "", count > 1 ? faults[1] : "");
                ks_bad(c, "value", value, why->s);
                ks_str_unref(c->heap, why);
            }
            ks_check_taint_effect(c, "effect", ks_get(taint, K(effect)), false);
            if (twice) {
                const ks_str *printed =
                    ks_print_struct(c->heap, &ks_types[KS_TYPE_core_v1_Taint], taint);
                const ks_str *text = ks_str_printf(
                    c->heap, "%s: taints must be unique by key and effect pair", printed->s);
                ks_duplicate_printed(c, NULL, text->s);
                ks_str_unref(c->heap, text);
                ks_str_unref(c->heap, printed);
            }
        }
    }
}

static void check_node_resources(ks_check *c, ks_val status, const ks_str *key) {
    ks_val list = ks_get(status, key);
    KS_IN(c, key->s) {
        for (uint32_t i = 0; i < ks_len(list); i++) {
            const ks_pair *pair = ks_pair_at(list, i);
            KS_IN(c, pair->key->s) ks_check_resource_value(c, pair->key, pair->val);
        }
    }
}

static void check_node_update(ks_check *c, ks_val spec, ks_val old) {
    ks_val id = ks_get(old, K(providerID)), ranges = ks_get(old, K(podCIDRs));
    if (ks_len(ranges) > 0 && !ks_same(ranges, ks_get(spec, K(podCIDRs))))
        ks_deny(c, "spec.podCIDRs",
                "node updates may not change podCIDR except from \"\" to valid");
    if (!ks_is_empty_text(id) && !ks_same(id, ks_get(spec, K(providerID))))
        ks_deny(c, "spec.providerID",
                "node updates may not change providerID except from \"\" to valid");
}

/* netutils.IsDualStackCIDRStrings: one range of each family. */
static void check_two_families(ks_check *c, ks_val ranges) {
    bool four = false, six = false;
    if (ks_len(ranges) < 2) return;
    for (uint32_t i = 0; i < ks_len(ranges); i++) {
        ks_val range = ks_text_value(ks_at(ranges, i));
        const char *slash = strchr(range.s->s, '/');
        ks_ip ip;
        if (slash == NULL || !ks_ip_parse(range.s->s, (size_t)(slash - range.s->s), &ip)) {
            const ks_str *why = ks_str_printf(
                c->heap,
                "invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[%u]: "
                "<nil> (invalid CIDR address: %s)",
                i, range.s->s);
            ks_error_internal(&c->errors, NULL, why->s);
            ks_str_unref(c->heap, why);
            four = six = false;
            break;
        }
        four |= ip.v4;
        six |= !ip.v4;
    }
    if (!four || !six || ks_len(ranges) > 2)
        ks_bad(c, NULL, ranges, "may specify no more than one CIDR for each IP family");
}

static void check_node(ks_check *c, ks_val object) {
    ks_val ranges = ks_get2(object, K(spec), K(podCIDRs)), status = ks_get(object, K(status));
    ks_check_meta(c, object, false, KS_RULE_SUBDOMAIN);
    KS_IN(c, "metadata") KS_IN(c, "taints") check_taints(c, ks_get2(object, K(spec), K(taints)));
    KS_IN(c, "status") {
        check_node_resources(c, status, K(capacity));
        check_node_resources(c, status, K(allocatable));
    }
    KS_IN(c, "spec") KS_IN(c, "podCIDRs") {
        for (uint32_t i = 0; i < ks_len(ranges); i++)
            KS_AT(c, i) ks_check_cidr(c, NULL, ks_at(ranges, i));
        check_two_families(c, ranges);
    }
}

static void check_addresses(ks_check *c, ks_val addresses) {
    KS_IN(c, "status") KS_IN(c, "addresses") {
        for (uint32_t i = 0; i < ks_len(addresses); i++) {
            bool twice = false;
            for (uint32_t j = 0; j < i; j++)
                twice |= ks_same(ks_at(addresses, j), ks_at(addresses, i));
            if (!twice) continue;
            const ks_str *printed = ks_print_struct(c->heap, &ks_types[KS_TYPE_core_v1_NodeAddress],
                                                    ks_at(addresses, i));
            KS_AT(c, i) ks_duplicate_printed(c, NULL, printed->s);
            ks_str_unref(c->heap, printed);
        }
    }
}

void ks_check_node(ks_check *c, ks_val object, ks_val old, bool status) {
    if (!status) check_node(c, object);
    if (!ks_exists(old)) return;
    ks_check_meta_update(c, object, old);
    KS_IN(c, "status") {
        check_node_resources(c, ks_get(object, K(status)), K(capacity));
        check_node_resources(c, ks_get(object, K(status)), K(allocatable));
    }
    check_addresses(c, ks_get2(object, K(status), K(addresses)));
    check_node_update(c, ks_get(object, K(spec)), ks_get(old, K(spec)));
    KS_IN(c, "metadata") KS_IN(c, "taints") check_taints(c, ks_get2(object, K(spec), K(taints)));
}

/* --- namespaces --- */

void ks_check_namespace(ks_check *c, ks_val object, ks_val old, bool status) {
    if (!status) {
        ks_check_meta(c, object, false, KS_RULE_LABEL);
        ks_each(name, ks_get2(object, K(spec), K(finalizers)))
            ks_check_finalizer(c, "spec.finalizers", *name);
    }
    if (!ks_exists(old)) return;
    ks_check_meta_update(c, object, old);
    if (!status) return;
    bool going = ks_exists(ks_get2(object, K(metadata), K(deletionTimestamp)));
    ks_val phase = ks_get2(object, K(status), K(phase));
    if (!going && !ks_text_is(phase, "Active"))
        ks_bad(c, "status.Phase", ks_text_value(phase),
               "may only be 'Active' if `deletionTimestamp` is empty");
    if (going && !ks_text_is(phase, "Terminating"))
        ks_bad(c, "status.Phase", ks_text_value(phase),
               "may only be 'Terminating' if `deletionTimestamp` is not empty");
}

/* --- ConfigMaps and Secrets --- */

/* Bytes that base64 text stands for. */
static size_t decoded_size(ks_val text) {
    const ks_str *s = ks_text_value(text).s;
    size_t pad = 0;
    while (pad < 2 && pad < s->len && s->s[s->len - 1 - pad] == '=') pad++;
    return s->len / 4 * 3 - (s->len >= 4 ? pad : 0);
}

static void check_immutable_data(ks_check *c, ks_val object, ks_val old) {
    static const char why[] = "field is immutable when `immutable` is set";
    const ks_str *const keys[] = {K(data), K(binaryData)};
    if (!ks_bool_or(ks_get(old, K(immutable)), false)) return;
    if (!ks_bool_or(ks_get(object, K(immutable)), false)) ks_deny(c, "immutable", why);
    for (int i = 0; i < 2; i++)
        if (!ks_same(ks_get(object, keys[i]), ks_get(old, keys[i]))) ks_deny(c, keys[i]->s, why);
}

void ks_check_config_map(ks_check *c, ks_val object, ks_val old) {
    ks_val data = ks_get(object, K(data)), binary = ks_get(object, K(binaryData));
    size_t size = 0;
    if (ks_exists(old)) {
        ks_check_meta_update(c, object, old);
        check_immutable_data(c, object, old);
    }
    ks_check_meta(c, object, true, KS_RULE_SUBDOMAIN);
    for (uint32_t i = 0; i < ks_len(data); i++) {
        const ks_pair *pair = ks_pair_at(data, i);
        KS_IN(c, "data") KS_KEY(c, pair->key->s) {
            ks_check_text(c, NULL, KS_RULE_CONFIG_KEY, ks_borrow(pair->key));
            if (ks_exists(ks_get(binary, pair->key)))
                ks_bad(c, NULL, ks_borrow(pair->key), "duplicate of key present in binaryData");
        }
        size += ks_text_value(pair->val).s->len;
    }
    for (uint32_t i = 0; i < ks_len(binary); i++) {
        const ks_pair *pair = ks_pair_at(binary, i);
        KS_IN(c, "binaryData")
        KS_KEY(c, pair->key->s) ks_check_text(c, NULL, KS_RULE_CONFIG_KEY, ks_borrow(pair->key));
        size += decoded_size(pair->val);
    }
    if (size > MAX_DATA) ks_error_too_long(&c->errors, "", MAX_DATA);
}

static void need_key(ks_check *c, ks_val data, const char *key, bool missing) {
    if (missing && ks_exists(ks_get_text(data, key, strlen(key)))) return;
    KS_IN(c, "data") KS_KEY(c, key) ks_need(c, NULL, "");
}

static void check_secret_type(ks_check *c, ks_val object) {
    ks_val type = ks_get(object, K(type)), data = ks_get(object, K(data));
    if (ks_text_is(type, "kubernetes.io/service-account-token")) {
        ks_val name =
            ks_get3(object, K(metadata), K(annotations), K(kubernetes_io_service_account_name));
        if (ks_is_empty_text(name)) KS_IN(c, "metadata")
        KS_IN(c, "annotations")
        KS_KEY(c, "kubernetes.io/service-account.name") ks_need(c, NULL, "");
    } else if (ks_text_is(type, "kubernetes.io/dockercfg")) {
        need_key(c, data, ".dockercfg", true);
    } else if (ks_text_is(type, "kubernetes.io/dockerconfigjson")) {
        need_key(c, data, ".dockerconfigjson", true);
    } else if (ks_text_is(type, "kubernetes.io/basic-auth")) {
        if (ks_exists(ks_get_text(data, "username", 8)) ||
            ks_exists(ks_get_text(data, "password", 8)))
            return;
        need_key(c, data, "username", true);
        need_key(c, data, "password", true);
    } else if (ks_text_is(type, "kubernetes.io/ssh-auth")) {
        if (ks_is_empty_text(ks_get_text(data, "ssh-privatekey", 14)))
            need_key(c, data, "ssh-privatekey", false);
    } else if (ks_text_is(type, "kubernetes.io/tls")) {
        need_key(c, data, "tls.crt", true);
        need_key(c, data, "tls.key", true);
    }
}

void ks_check_secret(ks_check *c, ks_val object, ks_val old) {
    ks_val data = ks_get(object, K(data)), type = ks_get(object, K(type));
    size_t size = 0;
    if (ks_exists(old)) {
        ks_check_meta_update(c, object, old);
        if (!ks_same(type, ks_get(old, K(type))))
            ks_bad(c, "type", ks_text_value(type), "field is immutable");
        check_immutable_data(c, object, old);
    }
    ks_check_meta(c, object, true, KS_RULE_SUBDOMAIN);
    for (uint32_t i = 0; i < ks_len(data); i++) {
        const ks_pair *pair = ks_pair_at(data, i);
        KS_IN(c, "data")
        KS_KEY(c, pair->key->s) ks_check_text(c, NULL, KS_RULE_CONFIG_KEY, ks_borrow(pair->key));
        size += decoded_size(pair->val);
    }
    if (size > MAX_DATA) ks_error_too_long(&c->errors, "data", MAX_DATA);
    check_secret_type(c, object);
}

void ks_check_service_account(ks_check *c, ks_val object, ks_val old) {
    if (ks_exists(old)) ks_check_meta_update(c, object, old);
    ks_check_meta(c, object, true, KS_RULE_SUBDOMAIN);
}

/* --- events --- */

static void need_short(ks_check *c, ks_val object, const ks_str *key, size_t most, bool required) {
    ks_val v = ks_text_value(ks_get(object, key));
    if (required && v.s->len == 0) ks_need(c, key->s, "");
    if (v.s->len <= most) return;
    char why[64];
    snprintf(why, sizeof why, "can have at most %zu characters", most);
    ks_bad_printed(c, key->s, "\"\"", why);
}

/* legacyValidateEvent, for events written through v1 */
void ks_check_event(ks_check *c, ks_val object, ks_val old) {
    ks_val ns = ks_text_value(ks_get2(object, K(metadata), K(namespace)));
    ks_val about = ks_text_value(ks_get2(object, K(involvedObject), K(namespace)));
    bool fresh = ks_exists(ks_get(object, K(eventTime)));
    bool home = ks_text_is(ns, "default") || (fresh && ks_text_is(ns, "kube-system"));
    (void)old;
    if (about.s->len == 0 ? !home && ns.s->len > 0 : !fresh && !ks_equal(ns, about))
        ks_bad(c, "involvedObject.namespace", about, "does not match event.namespace");
    if (fresh) {
        ks_val controller = ks_text_value(ks_get(object, K(reportingComponent)));
        if (controller.s->len == 0) ks_need(c, "reportingComponent", "");
        ks_check_text(c, "reportingComponent", KS_RULE_QUALIFIED, controller);
        need_short(c, object, K(reportingInstance), 128, true);
        need_short(c, object, K(action), 128, true);
        need_short(c, object, K(reason), 128, true);
        need_short(c, object, K(message), 1024, false);
    }
    ks_check_text(c, "namespace", KS_RULE_SUBDOMAIN, ns);
}

/* --- leases --- */

void ks_check_lease(ks_check *c, ks_val object, ks_val old) {
    ks_val spec = ks_get(object, K(spec)), seconds = ks_get(spec, K(leaseDurationSeconds));
    ks_val moves = ks_get(spec, K(leaseTransitions)), holder = ks_get(spec, K(preferredHolder));
    if (ks_exists(old))
        ks_check_meta_update(c, object, old);
    else
        ks_check_plain_meta(c, object, true, KS_RULE_SUBDOMAIN);
    KS_IN(c, "spec") {
        if (seconds.type == KS_INT && seconds.i <= 0)
            ks_bad(c, "leaseDurationSeconds", seconds, "must be greater than 0");
        if (moves.type == KS_INT && moves.i < 0)
            ks_bad(c, "leaseTransitions", moves, "must be greater than or equal to 0");
        if (!ks_is_empty_text(holder) && ks_is_empty_text(ks_get(spec, K(strategy))))
            ks_deny(c, "preferredHolder", "may only be specified if `strategy` is defined");
    }
}
