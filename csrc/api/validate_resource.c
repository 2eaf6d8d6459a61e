/*
 * api/validate_resource.c - resource requirements, and the names and amounts of resources.
 *
 * pkg/apis/core/validation/validation.go: validateResourceRequirements, validateResourceName and
 * their kin; pkg/apis/core/helper/helpers.go for which names are standard.
 */
#include "api/validate_internal.h"

#include <stdio.h>
#include <string.h>

/* --- names --- */

bool ks_is_hugepages(const ks_str *name) { return strncmp(name->s, "hugepages-", 10) == 0; }

static bool is_quota_hugepages(const ks_str *name) {
    return ks_is_hugepages(name) || strncmp(name->s, "requests.hugepages-", 19) == 0;
}

static bool has_slash(const ks_str *name) { return strchr(name->s, '/') != NULL; }

static bool is_native(const ks_str *name) {
    return !has_slash(name) || strstr(name->s, "kubernetes.io/") != NULL;
}

static bool is_extended(const ks_check *c, const ks_str *name) {
    const char *faults[KS_FAULTS_MAX];
    char longer[400];
    if (is_native(name) || strncmp(name->s, "requests.", 9) == 0) return false;
    int len = snprintf(longer, sizeof longer, "requests.%s", name->s);
    if (len >= (int)sizeof longer) return false;
    return ks_faults(c, KS_RULE_QUALIFIED, longer, (size_t)len, faults) == 0;
}

static const char *const COUNTED[] = {"pods",
                                      "resourcequotas",
                                      "services",
                                      "replicationcontrollers",
                                      "secrets",
                                      "configmaps",
                                      "persistentvolumeclaims",
                                      "services.nodeports",
                                      "services.loadbalancers",
                                      NULL};
static const char *const MEASURED[] = {"cpu",
                                       "memory",
                                       "ephemeral-storage",
                                       "requests.cpu",
                                       "requests.memory",
                                       "requests.storage",
                                       "requests.ephemeral-storage",
                                       "limits.cpu",
                                       "limits.memory",
                                       "limits.ephemeral-storage",
                                       NULL};

bool ks_is_standard_quota_resource(const ks_str *name) {
    return ks_one_of(ks_borrow(name), COUNTED) || ks_one_of(ks_borrow(name), MEASURED) ||
           is_quota_hugepages(name);
}

static bool is_standard(const ks_str *name) {
    return ks_is_standard_quota_resource(name) || strcmp(name->s, "storage") == 0;
}

bool ks_is_integer_resource(const ks_check *c, const ks_str *name) {
    return ks_one_of(ks_borrow(name), COUNTED) || is_extended(c, name);
}

bool ks_is_overcommit_allowed(const ks_str *name) {
    return is_native(name) && !ks_is_hugepages(name);
}

void ks_check_resource_name(ks_check *c, ks_val name) {
    uint32_t before = ks_error_count(c);
    ks_check_text(c, NULL, KS_RULE_QUALIFIED, name);
    if (ks_error_count(c) > before) return;
    if (!has_slash(name.s) && !is_standard(name.s))
        ks_bad(c, NULL, name, "must be a standard resource type or fully qualified");
}

void ks_check_container_resource_name(ks_check *c, ks_val name) {
    ks_check_resource_name(c, name);
    bool standard = strcmp(name.s->s, "cpu") == 0 || strcmp(name.s->s, "memory") == 0 ||
                    strcmp(name.s->s, "ephemeral-storage") == 0 || ks_is_hugepages(name.s);
    if (!has_slash(name.s) && !standard)
        ks_bad(c, NULL, name, "must be a standard resource for containers");
    else if (has_slash(name.s) && !is_native(name.s) && !is_extended(c, name.s))
        ks_bad(c, NULL, name, "doesn't follow extended resource name standard");
}

static void check_pod_resource_name(ks_check *c, ks_val name) {
    static const char *const supported[] = {"cpu", "hugepages-", "memory", NULL};
    uint32_t before = ks_error_count(c);
    ks_check_resource_name(c, name);
    if (ks_error_count(c) > before) return;
    bool known = strcmp(name.s->s, "cpu") == 0 || strcmp(name.s->s, "memory") == 0 ||
                 ks_is_hugepages(name.s);
    if (!known) ks_unknown(c, NULL, name, supported);
}

/* --- amounts --- */

void ks_check_resource_value(ks_check *c, const ks_str *name, ks_val quantity) {
    enum { WHOLE = 1000000000 };
    ks_quantity q = ks_quantity_of(quantity);
    if (q.nanos < 0) ks_bad(c, NULL, quantity, "must be greater than or equal to 0");
    if (q.nanos % WHOLE != 0 && ks_is_integer_resource(c, name))
        ks_bad(c, NULL, quantity, "must be an integer");
}

void ks_check_positive_quantity(ks_check *c, ks_val quantity) {
    if (ks_quantity_of(quantity).nanos <= 0) ks_bad(c, NULL, quantity, "must be greater than zero");
}

/* helper.go: IsHugePageResourceValueDivisible */
static void check_hugepages(ks_check *c, const ks_str *name, ks_val quantity) {
    ks_quantity page;
    const char *why;
    if (!ks_is_hugepages(name)) return;
    bool fine = ks_quantity_parse(name->s + 10, name->len - 10, &page, &why) && page.nanos > 0 &&
                ks_quantity_value(ks_quantity_of(quantity)) % ks_quantity_value(page) == 0;
    if (fine) return;
    const ks_str *text = ks_str_printf(c->heap, "%s is not positive integer multiple of %s",
                                       ks_text_or(quantity, ""), name->s);
    ks_bad(c, NULL, quantity, text->s);
    ks_str_unref(c->heap, text);
}

static void check_entry(ks_check *c, const ks_pair *pair, bool of_pod) {
    if (of_pod)
        check_pod_resource_name(c, ks_borrow(pair->key));
    else
        ks_check_container_resource_name(c, ks_borrow(pair->key));
    ks_check_resource_value(c, pair->key, pair->val);
}

/* A request beside its limit: at the path of the requirements. */
static void check_request(ks_check *c, const ks_pair *request, ks_val limits) {
    ks_val limit = ks_get(limits, request->key);
    bool overcommit = ks_is_overcommit_allowed(request->key);
    if (!ks_exists(limit)) {
        if (!overcommit) ks_need(c, "limits", "Limit must be set for non overcommitable resources");
        return;
    }
    int order = ks_quantity_cmp(ks_quantity_of(request->val), ks_quantity_of(limit));
    bool differs = order != 0 && !overcommit;
    if (!differs && order <= 0) return;
    const ks_str *why = ks_str_printf(c->heap, "must be %s to %s limit of %s",
                                      differs ? "equal" : "less than or equal", request->key->s,
                                      ks_text_or(limit, ""));
    ks_bad(c, "requests", request->val, why->s);
    ks_str_unref(c->heap, why);
}

static bool is_compute(const ks_str *name) { return name == K(cpu) || name == K(memory); }

/* Not found, with the names that there are. */
static void unknown_claim(ks_check *c, ks_val name, ks_val claims) {
    ks_buf text = {.heap = c->heap};
    ks_buf_puts(&text, "must be one of the names in pod.spec.resourceClaims");
    ks_val names = KS_NOTHING;
    ks_each(claim, claims) {
        ks_val one = ks_text_value(ks_get(*claim, K(name)));
        uint32_t at = ks_len(names);
        while (at > 0 && ks_str_cmp(ks_at(names, at - 1).s, one.s) > 0) at--;
        names = ks_insert_at(c->heap, names, at, ks_ref(one));
    }
    if (ks_len(names) == 0) ks_buf_puts(&text, " which is empty");
    for (uint32_t i = 0; i < ks_len(names); i++)
        ks_buf_printf(&text, "%s%s", i == 0 ? ": " : ", ", ks_at(names, i).s->s);
    ks_unref(c->heap, names);
    ks_error_not_found_because(&c->errors, NULL, name, text.s);
    ks_buf_dispose(&text);
}

static void check_claims(ks_check *c, ks_val used, ks_val claims) {
    KS_IN(c, "claims") {
        for (uint32_t i = 0; i < ks_len(used); i++) {
            ks_val name = ks_get(ks_at(used, i), K(name));
            bool known = false, twice = false;
            ks_each(claim, claims) known |= ks_equal(ks_get(*claim, K(name)), name);
            for (uint32_t j = 0; j < i; j++) twice |= ks_equal(ks_at(used, j), ks_at(used, i));
            KS_AT(c, i) {
                if (ks_is_empty_text(name)) {
                    ks_need(c, NULL, "");
                } else {
                    if (twice) ks_duplicate(c, NULL, name);
                    if (!known) unknown_claim(c, name, claims);
                }
            }
        }
    }
}

void ks_check_resources(ks_check *c, ks_val resources, bool of_pod, ks_val claims) {
    ks_val limits = ks_get(resources, K(limits)), requests = ks_get(resources, K(requests));
    bool compute = false, huge = false;
    for (uint32_t i = 0; i < ks_len(limits); i++) {
        const ks_pair *pair = ks_pair_at(limits, i);
        KS_IN(c, "limits") KS_KEY(c, pair->key->s) {
            check_entry(c, pair, of_pod);
            check_hugepages(c, pair->key, pair->val);
        }
        compute |= is_compute(pair->key);
        huge |= ks_is_hugepages(pair->key);
    }
    for (uint32_t i = 0; i < ks_len(requests); i++) {
        const ks_pair *pair = ks_pair_at(requests, i);
        KS_IN(c, "requests") KS_KEY(c, pair->key->s) check_entry(c, pair, of_pod);
        check_request(c, pair, limits);
        KS_IN(c, "requests") KS_KEY(c, pair->key->s) check_hugepages(c, pair->key, pair->val);
        compute |= is_compute(pair->key);
        huge |= ks_is_hugepages(pair->key);
    }
    if (huge && !compute) ks_deny(c, NULL, "HugePages require cpu or memory");
    check_claims(c, ks_get(resources, K(claims)), claims);
}
