/*
 * api/validate_policy.c - disruption budgets, priority classes, quotas, limit ranges.
 *
 * pkg/apis/policy/validation, pkg/apis/scheduling/validation, and of quotas and limit ranges
 * pkg/apis/core/validation/validation.go.
 */
#include "api/validate_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* --- PodDisruptionBudgets --- */

static void check_budget_spec(ks_check *c, ks_val spec) {
    static const char *const policies[] = {"AlwaysAllow", "IfHealthyBudget", NULL};
    ks_val least = ks_get(spec, K(minAvailable)), most = ks_get(spec, K(maxUnavailable));
    ks_val policy = ks_get(spec, K(unhealthyPodEvictionPolicy));
    if (ks_exists(least) && ks_exists(most))
        ks_bad_struct(c, NULL, KS_TYPE_policy_v1_PodDisruptionBudgetSpec, spec,
                      "minAvailable and maxUnavailable cannot be both set");
    if (ks_exists(least)) {
        ks_check_int_or_percent(c, "minAvailable", least);
        ks_check_at_most_100_percent(c, "minAvailable", least);
    }
    if (ks_exists(most)) {
        ks_check_int_or_percent(c, "maxUnavailable", most);
        ks_check_at_most_100_percent(c, "maxUnavailable", most);
    }
    KS_IN(c, "selector") ks_check_selector(c, ks_get(spec, K(selector)));
    if (ks_exists(policy)) ks_check_enum(c, "unhealthyPodEvictionPolicy", policy, policies, false);
}

/* [A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])? */
static bool is_reason(const ks_str *s) {
    if (s->len == 0 || !isalpha((unsigned char)s->s[0])) return false;
    for (uint32_t i = 0; i < s->len; i++)
        if (!isalnum((unsigned char)s->s[i]) && strchr("_,:", s->s[i]) == NULL) return false;
    return strchr(",:", s->s[s->len - 1]) == NULL;
}

/* apimachinery/pkg/apis/meta/v1/validation: ValidateConditions. */
static void check_conditions(ks_check *c, ks_val conditions) {
    static const char *const statuses[] = {"False", "True", "Unknown", NULL};
    enum { MAX_REASON = 1024, MAX_MESSAGE = 32 * 1024 };
    for (uint32_t i = 0; i < ks_len(conditions); i++) {
        ks_val one = ks_at(conditions, i), type = ks_text_value(ks_get(one, K(type)));
        ks_val reason = ks_get(one, K(reason)), message = ks_get(one, K(message));
        ks_val generation = ks_get(one, K(observedGeneration));
        bool twice = false;
        for (uint32_t j = 0; j < i; j++)
            twice |= ks_equal(ks_text_value(ks_get(ks_at(conditions, j), K(type))), type);
        KS_AT(c, i) {
            if (twice) ks_duplicate(c, "type", type);
            ks_check_text(c, "type", KS_RULE_QUALIFIED, type);
            ks_check_enum(c, "status", ks_get(one, K(status)), statuses, false);
            if (generation.type == KS_INT && generation.i < 0)
                ks_bad(c, "observedGeneration", generation,
                       "must be greater than or equal to zero");
            if (!ks_exists(ks_get(one, K(lastTransitionTime))))
                ks_need(c, "lastTransitionTime", "");
            if (ks_is_empty_text(reason)) {
                ks_need(c, "reason", "");
            } else {
                if (!is_reason(reason.s))
                    ks_bad(c, "reason", reason,
                           "a condition reason must start with alphabetic character, optionally "
                           "followed by a string of alphanumeric characters or '_,:', and must end "
                           "with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  "
                           "or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used "
                           "for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')");
                if (reason.s->len > MAX_REASON) ks_error_too_long(&c->errors, "reason", MAX_REASON);
            }
            if (ks_exists(message) && message.s->len > MAX_MESSAGE)
                ks_error_too_long(&c->errors, "message", MAX_MESSAGE);
        }
    }
}

void ks_check_budget(ks_check *c, ks_val object, ks_val old, bool status) {
    const ks_str *const counts[] = {K(disruptionsAllowed), K(currentHealthy), K(desiredHealthy),
                                    K(expectedPods)};
    if (ks_exists(old) && status) {
        KS_IN(c, "status") {
            KS_IN(c, "conditions")
            check_conditions(c, ks_get2(object, K(status), K(conditions)));
            for (int i = 0; i < 4; i++)
                ks_check_not_negative(c, counts[i]->s, ks_get2(object, K(status), counts[i]));
        }
        return;
    }
    /* metadata: only what BeforeCreate checks of all kinds */
    KS_IN(c, "spec") check_budget_spec(c, ks_get(object, K(spec)));
}

/* --- PriorityClasses --- */

/* pkg/apis/scheduling/v1/helpers.go: IsKnownSystemPriorityClass. A new text, or NULL when known. */
static const ks_str *system_class_fault(ks_heap *heap, ks_val object) {
    static const struct {
        const char *name;
        int64_t value;
    } known[] = {{"system-node-critical", 2000001000}, {"system-cluster-critical", 2000000000}};
    const char *name = ks_text_or(ks_get2(object, K(metadata), K(name)), "");
    for (int i = 0; i < 2; i++) {
        if (strcmp(known[i].name, name) != 0) continue;
        if (ks_int_or(ks_get(object, K(value)), 0) != known[i].value)
            return ks_str_printf(heap, "value of %s PriorityClass must be %lld", name,
                                 (long long)known[i].value);
        if (ks_bool_or(ks_get(object, K(globalDefault)), false))
            return ks_str_printf(heap, "globalDefault of %s PriorityClass must be false", name);
        return NULL;
    }
    return ks_str_printf(heap, "%s is not a known system priority class", name);
}

void ks_check_priority_class(ks_check *c, ks_val object, ks_val old) {
    static const char *const policies[] = {"PreemptLowerPriority", "Never", NULL};
    enum { HIGHEST = 1000000000 };
    ks_val policy = ks_get(object, K(preemptionPolicy)), value = ks_get(object, K(value));
    const char *name = ks_text_or(ks_get2(object, K(metadata), K(name)), "");
    if (ks_exists(old)) {
        ks_check_meta_update(c, object, old);
        if (ks_int_or(value, 0) != ks_int_or(ks_get(old, K(value)), 0))
            ks_deny(c, "value", "may not be changed in an update.");
        if (!ks_same(policy, ks_get(old, K(preemptionPolicy))))
            ks_bad(c, "preemptionPolicy", policy, "field is immutable");
        return;
    }
    ks_check_meta(c, object, false, KS_RULE_SUBDOMAIN);
    if (strncmp(name, "system-", 7) == 0) {
        const ks_str *fault = system_class_fault(c->heap, object);
        if (fault != NULL) {
            const ks_str *why = ks_str_printf(c->heap,
                                              "priority class names with 'system-' prefix are "
                                              "reserved for system use only. error: %s",
                                              fault->s);
            ks_deny(c, "metadata.name", why->s);
            ks_str_unref(c->heap, why);
        }
        ks_str_unref(c->heap, fault);
    } else if (ks_int_or(value, 0) > HIGHEST) {
        ks_deny(c, "value", "maximum allowed value of a user defined priority is 1000000000");
    }
    if (ks_exists(policy)) ks_check_enum(c, "preemptionPolicy", policy, policies, true);
}

/* --- ResourceQuotas --- */

static void check_quota_list(ks_check *c, ks_val list) {
    for (uint32_t i = 0; i < ks_len(list); i++) {
        const ks_pair *pair = ks_pair_at(list, i);
        ks_val name = ks_borrow(pair->key);
        KS_KEY(c, pair->key->s) {
            ks_check_resource_name(c, name);
            if (strchr(pair->key->s, '/') == NULL && !ks_is_standard_quota_resource(pair->key))
                ks_bad(c, NULL, name, "must be a standard resource for quota");
            ks_check_resource_value(c, pair->key, pair->val);
        }
    }
}

static const char *const SCOPES[] = {"Terminating",
                                     "NotTerminating",
                                     "BestEffort",
                                     "NotBestEffort",
                                     "PriorityClass",
                                     "VolumeAttributesClass",
                                     "CrossNamespacePodAffinity",
                                     NULL};

/* helper.go: IsResourceQuotaScopeValidForResource */
static bool fits_scope(ks_val scope, const ks_str *name) {
    static const char *const compute[] = {
        "pods",          "cpu",          "memory",          "limits.cpu",
        "limits.memory", "requests.cpu", "requests.memory", NULL};
    static const char *const pods[] = {"pods", NULL};
    static const char *const claims[] = {"persistentvolumeclaims", "requests.storage", NULL};
    if (!ks_one_of(scope, SCOPES)) return true;
    if (ks_text_is(scope, "BestEffort")) return ks_one_of(ks_borrow(name), pods);
    if (ks_text_is(scope, "VolumeAttributesClass")) return ks_one_of(ks_borrow(name), claims);
    return ks_one_of(ks_borrow(name), compute);
}

static bool has_scope(ks_val scopes, const char *word) {
    ks_each(scope, scopes)
        if (ks_text_is(*scope, word)) return true;
    return false;
}

static void check_scopes(ks_check *c, ks_val spec) {
    ks_val scopes = ks_get(spec, K(scopes)), hard = ks_get(spec, K(hard));
    ks_each(scope, scopes) {
        if (!ks_one_of(*scope, SCOPES)) ks_bad(c, "scopes", scopes, "unsupported scope");
        for (uint32_t i = 0; i < ks_len(hard); i++) {
            const ks_str *name = ks_pair_at(hard, i)->key;
            if (ks_is_standard_quota_resource(name) && !fits_scope(*scope, name))
                ks_bad(c, "scopes", scopes, "unsupported scope applied to resource");
        }
    }
    if (has_scope(scopes, "BestEffort") && has_scope(scopes, "NotBestEffort"))
        ks_bad(c, "scopes", scopes, "conflicting scopes");
    if (has_scope(scopes, "Terminating") && has_scope(scopes, "NotTerminating"))
        ks_bad(c, "scopes", scopes, "conflicting scopes");
}

static void check_scope_rule(ks_check *c, ks_val rule, ks_val selector, ks_val hard) {
    static const char *const exists_only[] = {
        "BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity",
        NULL};
    static const char *const with_values[] = {"In", "NotIn", NULL};
    static const char *const without[] = {"Exists", "DoesNotExist", NULL};
    ks_val scope = ks_get(rule, K(scopeName)), op = ks_get(rule, K(operator));
    ks_val values = ks_get(rule, K(values));
    if (!ks_one_of(scope, SCOPES))
        ks_bad(c, "scopeName", ks_text_value(scope), "unsupported scope");
    for (uint32_t i = 0; i < ks_len(hard); i++) {
        const ks_str *name = ks_pair_at(hard, i)->key;
        if (ks_is_standard_quota_resource(name) && !fits_scope(scope, name))
            ks_bad_struct(c, NULL, KS_TYPE_core_v1_ScopeSelector, selector,
                          "unsupported scope applied to resource");
    }
    if (ks_one_of(scope, exists_only) && !ks_text_is(op, "Exists"))
        ks_bad(c, "operator", ks_text_value(op),
               "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
               "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
               "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
    if (ks_one_of(op, with_values)) {
        if (ks_len(values) == 0)
            ks_need(c, "values",
                    "must be at least one value when `operator` is 'In' or 'NotIn' for scope "
                    "selector");
    } else if (ks_one_of(op, without)) {
        if (ks_len(values) > 0)
            ks_bad(c, "values", values,
                   "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope "
                   "selector");
    } else {
        ks_bad(c, "operator", ks_text_value(op), "not a valid selector operator");
    }
}

/* Upstream shows the scopes, not the selector. */
static void conflicting_scopes(ks_check *c, ks_val scopes) {
    if (ks_exists(scopes))
        ks_bad(c, NULL, scopes, "conflicting scopes");
    else
        ks_bad_printed(c, NULL, "null", "conflicting scopes");
}

static void check_quota_spec(ks_check *c, ks_val spec) {
    KS_IN(c, "hard") check_quota_list(c, ks_get(spec, K(hard)));
    check_scopes(c, spec);
    ks_val selector = ks_get(spec, K(scopeSelector)), set = KS_NOTHING;
    KS_IN(c, "scopeSelector") KS_IN(c, "matchExpressions") {
        ks_each(rule, ks_get(selector, K(matchExpressions))) {
            check_scope_rule(c, *rule, selector, ks_get(spec, K(hard)));
            set = ks_append(c->heap, set, ks_ref(ks_get(*rule, K(scopeName))));
        }
        if (has_scope(set, "BestEffort") && has_scope(set, "NotBestEffort"))
            conflicting_scopes(c, ks_get(spec, K(scopes)));
        if (has_scope(set, "Terminating") && has_scope(set, "NotTerminating"))
            conflicting_scopes(c, ks_get(spec, K(scopes)));
    }
    ks_unref(c->heap, set);
}

static bool same_scopes(ks_val a, ks_val b) {
    ks_each(scope, a)
        if (!has_scope(b, ks_text_or(*scope, ""))) return false;
    ks_each(scope, b)
        if (!has_scope(a, ks_text_or(*scope, ""))) return false;
    return true;
}

void ks_check_quota(ks_check *c, ks_val object, ks_val old, bool status) {
    ks_val spec = ks_get(object, K(spec)), now = ks_get(object, K(status));
    if (ks_exists(old))
        ks_check_meta_update(c, object, old);
    else
        ks_check_meta(c, object, true, KS_RULE_SUBDOMAIN);
    if (!status) KS_IN(c, "spec") check_quota_spec(c, spec);
    if (status || !ks_exists(old)) {
        KS_IN(c, "status") {
            KS_IN(c, "hard") check_quota_list(c, ks_get(now, K(hard)));
            KS_IN(c, "used") check_quota_list(c, ks_get(now, K(used)));
        }
    } else if (!same_scopes(ks_get(spec, K(scopes)), ks_get2(old, K(spec), K(scopes)))) {
        ks_bad(c, "spec.scopes", ks_get(spec, K(scopes)), "field is immutable");
    }
}

/* --- LimitRanges --- */

static const struct {
    const ks_str *key;
    const char *word;
} LISTS[] = {{K(max), "max"},
             {K(min), "min"},
             {K(default), "default"},
             {K(defaultRequest), "default request"},
             {K(maxLimitRequestRatio), "ratio"}};

static void check_limit_name(ks_check *c, ks_val type, const ks_str *name) {
    if (ks_text_is(type, "Pod") || ks_text_is(type, "Container"))
        ks_check_container_resource_name(c, ks_borrow(name));
    else
        ks_check_resource_name(c, ks_borrow(name));
}

/* `low` must not be above `high`: the error is at list `at`, shows `shown`. */
static void check_order(ks_check *c, const ks_str *name, ks_val low, ks_val high, const ks_str *at,
                        ks_val shown, const char *format) {
    char why[200];
    if (!ks_exists(low) || !ks_exists(high)) return;
    if (ks_quantity_cmp(ks_quantity_of(low), ks_quantity_of(high)) <= 0) return;
    const char *gap = strchr(format, '|');
    snprintf(why, sizeof why, "%.*s%s%s%s", (int)(gap - format), format, ks_text_or(low, ""),
             gap + 1, ks_text_or(high, ""));
    KS_IN(c, at->s) KS_KEY(c, name->s) ks_bad(c, NULL, shown, why);
}

static void check_ratio(ks_check *c, const ks_str *name, ks_val ratio, ks_val least, ks_val most) {
    char why[200];
    if (!ks_exists(ratio)) return;
    ks_quantity q = ks_quantity_of(ratio);
    KS_IN(c, "maxLimitRequestRatio") KS_KEY(c, name->s) {
        if (q.nanos < 1000000000) {
            snprintf(why, sizeof why, "ratio %s is less than 1", ks_text_or(ratio, ""));
            ks_bad(c, NULL, ratio, why);
        }
        if (ks_exists(least) && ks_exists(most)) {
            double bound = (double)ks_quantity_of(most).nanos / (double)ks_quantity_of(least).nanos;
            if ((double)q.nanos / 1e9 > bound) {
                snprintf(why, sizeof why, "ratio %s is greater than max/min = %f",
                         ks_text_or(ratio, ""), bound);
                ks_bad(c, NULL, ratio, why);
            }
        }
    }
}

static void check_limit_values(ks_check *c, ks_val limit, const ks_str *name, bool of_pod) {
    ks_val most = ks_get2(limit, K(max), name), least = ks_get2(limit, K(min), name);
    ks_val usual = of_pod ? KS_NOTHING : ks_get2(limit, K(default), name);
    ks_val asked = of_pod ? KS_NOTHING : ks_get2(limit, K(defaultRequest), name);
    check_order(c, name, least, most, K(min), least, "min value | is greater than max value ");
    check_order(c, name, least, asked, K(defaultRequest), asked,
                "min value | is greater than default request value ");
    check_order(c, name, asked, most, K(defaultRequest), asked,
                "default request value | is greater than max value ");
    check_order(c, name, asked, usual, K(defaultRequest), asked,
                "default request value | is greater than default limit value ");
    check_order(c, name, least, usual, K(default), least,
                "min value | is greater than default value ");
    check_order(c, name, usual, most, K(default), most,
                "default value | is greater than max value ");
    check_ratio(c, name, ks_get2(limit, K(maxLimitRequestRatio), name), least, most);
    if (ks_is_overcommit_allowed(name) || !ks_exists(usual) || !ks_exists(asked)) return;
    if (ks_quantity_cmp(ks_quantity_of(usual), ks_quantity_of(asked)) == 0) return;
    char why[300];
    snprintf(why, sizeof why, "default value %s must equal to defaultRequest value %s in %.100s",
             ks_text_or(usual, ""), ks_text_or(asked, ""), name->s);
    KS_IN(c, "defaultRequest") KS_KEY(c, name->s) ks_bad(c, NULL, asked, why);
}

static void check_limit(ks_check *c, ks_val limit) {
    ks_val type = ks_get(limit, K(type)), names = KS_NOTHING;
    bool of_pod = ks_text_is(type, "Pod");
    for (size_t i = 0; i < 5; i++) {
        ks_val list = ks_get(limit, LISTS[i].key);
        bool is_default = i == 2 || i == 3;
        if (i == 4 && ks_text_is(type, "PersistentVolumeClaim") &&
            !ks_exists(ks_get2(limit, K(min), K(storage))) &&
            !ks_exists(ks_get2(limit, K(max), K(storage))))
            ks_need(
                c, "limits",
                "either minimum or maximum storage value is required, but neither was provided");
        if (is_default && of_pod) {
            if (ks_len(list) > 0)
                ks_deny(c, LISTS[i].key->s, "may not be specified when `type` is 'Pod'");
            continue;
        }
        KS_IN(c, LISTS[i].key->s) {
            for (uint32_t j = 0; j < ks_len(list); j++) {
                const ks_str *name = ks_pair_at(list, j)->key;
                KS_KEY(c, name->s) check_limit_name(c, type, name);
                names = ks_put(c->heap, names, name, ks_bool(true));
            }
        }
    }
    for (uint32_t i = 0; i < ks_len(names); i++)
        check_limit_values(c, limit, ks_pair_at(names, i)->key, of_pod);
    ks_unref(c->heap, names);
}

void ks_check_limit_range(ks_check *c, ks_val object, ks_val old) {
    static const char *const types[] = {"Pod", "Container", "PersistentVolumeClaim", NULL};
    ks_val limits = ks_get2(object, K(spec), K(limits));
    (void)old;
    ks_check_meta(c, object, true, KS_RULE_SUBDOMAIN);
    KS_IN(c, "spec") KS_IN(c, "limits") {
        for (uint32_t i = 0; i < ks_len(limits); i++) {
            ks_val limit = ks_at(limits, i), type = ks_text_value(ks_get(limit, K(type)));
            bool twice = false;
            for (uint32_t j = 0; j < i; j++)
                twice |= ks_equal(ks_text_value(ks_get(ks_at(limits, j), K(type))), type);
            KS_AT(c, i) {
                uint32_t before = ks_error_count(c);
                ks_check_text(c, "type", KS_RULE_QUALIFIED, type);
                bool plain = strchr(type.s->s, '/') == NULL && ks_error_count(c) == before;
                if (plain && !ks_one_of(type, types))
                    ks_bad(c, "type", type, "must be a standard limit type or fully qualified");
                if (twice) ks_duplicate(c, "type", type);
                check_limit(c, limit);
            }
        }
    }
}
