/*
 * api/validate_affinity.c - affinity, node selectors, tolerations and topology spread constraints.
 *
 * pkg/apis/core/validation/validation.go: validateAffinity, ValidateNodeSelector,
 * ValidateTolerations, validateTopologySpreadConstraints.
 */
#include "api/validate_internal.h"

#include <string.h>

/* --- node selectors --- */

static void check_node_requirement(ks_check *c, ks_val rule, bool preferred) {
    static const char *const with_values[] = {"In", "NotIn", NULL};
    static const char *const without[] = {"Exists", "DoesNotExist", NULL};
    static const char *const numeric[] = {"Gt", "Lt", NULL};
    ks_val op = ks_get(rule, K(operator)), values = ks_get(rule, K(values));
    if (ks_one_of(op, with_values)) {
        if (ks_len(values) == 0)
            ks_need(c, "values", "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (ks_one_of(op, without)) {
        if (ks_len(values) > 0)
            ks_deny(c, "values",
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (ks_one_of(op, numeric)) {
        if (ks_len(values) != 1)
            ks_need(c, "values", "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else {
        ks_bad(c, "operator", ks_text_value(op), "not a valid selector operator");
    }
    ks_check_text(c, "key", KS_RULE_QUALIFIED, ks_get(rule, K(key)));
    if (preferred) return;
    KS_IN(c, "values") {
        for (uint32_t i = 0; i < ks_len(values); i++)
            KS_AT(c, i) ks_check_text(c, NULL, KS_RULE_LABEL_VALUE, ks_at(values, i));
    }
}

static void check_field_requirement(ks_check *c, ks_val rule) {
    static const char *const with_values[] = {"In", "NotIn", NULL};
    ks_val op = ks_get(rule, K(operator)), values = ks_get(rule, K(values));
    ks_val key = ks_get(rule, K(key));
    if (ks_one_of(op, with_values)) {
        if (ks_len(values) != 1)
            ks_need(c, "values",
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field "
                    "selector");
    } else {
        ks_bad(c, "operator", ks_text_value(op), "not a valid selector operator");
    }
    if (!ks_text_is(key, "metadata.name")) {
        ks_bad(c, "key", ks_text_value(key), "not a valid field selector key");
        return;
    }
    KS_IN(c, "values") {
        for (uint32_t i = 0; i < ks_len(values); i++)
            KS_AT(c, i) ks_check_text(c, NULL, KS_RULE_SUBDOMAIN, ks_at(values, i));
    }
}

static void check_node_term(ks_check *c, ks_val term, bool preferred) {
    ks_val expressions = ks_get(term, K(matchExpressions)), fields = ks_get(term, K(matchFields));
    KS_IN(c, "matchExpressions") {
        for (uint32_t i = 0; i < ks_len(expressions); i++)
            KS_AT(c, i) check_node_requirement(c, ks_at(expressions, i), preferred);
    }
    KS_IN(c, "matchFields") {
        for (uint32_t i = 0; i < ks_len(fields); i++)
            KS_AT(c, i) check_field_requirement(c, ks_at(fields, i));
    }
}

void ks_check_node_selector(ks_check *c, ks_val selector) {
    ks_val terms = ks_get(selector, K(nodeSelectorTerms));
    KS_IN(c, "nodeSelectorTerms") {
        if (ks_len(terms) == 0) ks_need(c, NULL, "must have at least one node selector term");
        for (uint32_t i = 0; i < ks_len(terms); i++)
            KS_AT(c, i) check_node_term(c, ks_at(terms, i), false);
    }
}

/* --- affinity --- */

static void check_weight(ks_check *c, ks_val term) {
    int64_t weight = ks_int_or(ks_get(term, K(weight)), 0);
    if (weight <= 0 || weight > 100)
        ks_bad(c, "weight", ks_int(weight), "must be in the range 1-100");
}

static void check_node_affinity(ks_check *c, ks_val affinity) {
    ks_val required = ks_get(affinity, K(requiredDuringSchedulingIgnoredDuringExecution));
    ks_val preferred = ks_get(affinity, K(preferredDuringSchedulingIgnoredDuringExecution));
    if (ks_exists(required)) KS_IN(c, "requiredDuringSchedulingIgnoredDuringExecution")
    ks_check_node_selector(c, required);
    KS_IN(c, "preferredDuringSchedulingIgnoredDuringExecution") {
        for (uint32_t i = 0; i < ks_len(preferred); i++) {
            ks_val term = ks_at(preferred, i);
            KS_AT(c, i) {
                check_weight(c, term);
                KS_IN(c, "preference") check_node_term(c, ks_get(term, K(preference)), true);
            }
        }
    }
}

static void check_label_keys(ks_check *c, const char *field, ks_val keys, ks_val selector) {
    if (ks_len(keys) == 0) return;
    KS_IN(c, field) {
        if (!ks_exists(selector))
            ks_deny(c, NULL, "must not be specified when labelSelector is not set");
        for (uint32_t i = 0; i < ks_len(keys) && ks_exists(selector); i++)
            KS_AT(c, i) ks_check_text(c, NULL, KS_RULE_QUALIFIED, ks_at(keys, i));
    }
}

static int64_t index_of(ks_val list, ks_val text) {
    for (uint32_t i = 0; i < ks_len(list); i++)
        if (ks_equal(ks_at(list, i), text)) return i;
    return -1;
}

/* ValidateMatchLabelKeysAndMismatchLabelKeys */
static void check_match_keys(ks_check *c, ks_val match, ks_val mismatch, ks_val selector) {
    check_label_keys(c, "matchLabelKeys", match, selector);
    check_label_keys(c, "mismatchLabelKeys", mismatch, selector);
    ks_val labels = ks_get(selector, K(matchLabels));
    ks_val expressions = ks_get(selector, K(matchExpressions));
    for (uint32_t i = 0; i < ks_len(expressions); i++) {
        ks_val key = ks_get(ks_at(expressions, i), K(key));
        int64_t at = index_of(match, key);
        if (at < 0 || key.type != KS_STRING) continue;
        bool seen = ks_exists(ks_get_text(labels, key.s->s, key.s->len));
        for (uint32_t j = 0; j < i && !seen; j++)
            seen = ks_equal(ks_get(ks_at(expressions, j), K(key)), key);
        if (seen) KS_AT(c, (uint32_t)at)
        ks_bad(c, NULL, key, "exists in both matchLabelKeys and labelSelector");
    }
    KS_IN(c, "matchLabelKeys") {
        for (uint32_t i = 0; i < ks_len(match); i++)
            if (index_of(mismatch, ks_at(match, i)) >= 0) KS_AT(c, i)
        ks_bad(c, NULL, ks_at(match, i), "exists in both matchLabelKeys and mismatchLabelKeys");
    }
}

static void check_pod_term(ks_check *c, ks_val term) {
    ks_val selector = ks_get(term, K(labelSelector));
    KS_IN(c, "labelSelector") ks_check_selector(c, selector);
    KS_IN(c, "namespaceSelector") ks_check_selector(c, ks_get(term, K(namespaceSelector)));
    ks_each(ns, ks_get(term, K(namespaces))) ks_check_text(c, "namespace", KS_RULE_LABEL, *ns);
    check_match_keys(c, ks_get(term, K(matchLabelKeys)), ks_get(term, K(mismatchLabelKeys)),
                     selector);
    ks_val key = ks_get(term, K(topologyKey));
    if (ks_is_empty_text(key)) ks_need(c, "topologyKey", "can not be empty");
    ks_check_text(c, "topologyKey", KS_RULE_QUALIFIED, key);
}

static void check_pod_affinity(ks_check *c, ks_val affinity) {
    ks_val required = ks_get(affinity, K(requiredDuringSchedulingIgnoredDuringExecution));
    ks_val preferred = ks_get(affinity, K(preferredDuringSchedulingIgnoredDuringExecution));
    KS_IN(c, "requiredDuringSchedulingIgnoredDuringExecution") {
        for (uint32_t i = 0; i < ks_len(required); i++)
            KS_AT(c, i) check_pod_term(c, ks_at(required, i));
    }
    KS_IN(c, "preferredDuringSchedulingIgnoredDuringExecution") {
        for (uint32_t i = 0; i < ks_len(preferred); i++) {
            ks_val term = ks_at(preferred, i);
            KS_AT(c, i) {
                check_weight(c, term);
                KS_IN(c, "podAffinityTerm") check_pod_term(c, ks_get(term, K(podAffinityTerm)));
            }
        }
    }
}

void ks_check_affinity(ks_check *c, ks_val affinity) {
    KS_IN(c, "nodeAffinity") check_node_affinity(c, ks_get(affinity, K(nodeAffinity)));
    KS_IN(c, "podAffinity") check_pod_affinity(c, ks_get(affinity, K(podAffinity)));
    KS_IN(c, "podAntiAffinity") check_pod_affinity(c, ks_get(affinity, K(podAntiAffinity)));
}

/* --- taints and tolerations --- */

void ks_check_taint_effect(ks_check *c, const char *field, ks_val effect, bool may_be_empty) {
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    if (may_be_empty && ks_is_empty_text(effect)) return;
    ks_check_enum(c, field, effect, effects, !may_be_empty);
}

static void check_toleration(ks_check *c, ks_val toleration) {
    static const char *const operators[] = {"Equal", "Exists", NULL};
    static const char *const with_numbers[] = {"Equal", "Exists", "Lt", "Gt", NULL};
    static const char *const numeric[] = {"Lt", "Gt", NULL};
    ks_val key = ks_get(toleration, K(key)), op = ks_get(toleration, K(operator));
    ks_val value = ks_get(toleration, K(value)), effect = ks_get(toleration, K(effect));
    bool exists = ks_text_is(op, "Exists");
    if (!ks_is_empty_text(key)) ks_check_text(c, "key", KS_RULE_QUALIFIED, key);
    if (ks_is_empty_text(key) && !exists)
        ks_bad(
            c, "operator", ks_text_value(op),
            "operator must be Exists when `key` is empty, which means \"match all values and all "
            "keys\"");
    if (ks_exists(ks_get(toleration, K(tolerationSeconds))) && !ks_text_is(effect, "NoExecute"))
        ks_bad(c, "effect", ks_text_value(effect),
               "effect must be 'NoExecute' when `tolerationSeconds` is set");
    if (ks_is_empty_text(op) || ks_text_is(op, "Equal")) {
        const char *faults[KS_FAULTS_MAX];
        ks_val text = ks_text_value(value);
        int count = ks_faults(c, KS_RULE_LABEL_VALUE, text.s->s, text.s->len, faults);
        ks_buf all = {.heap = c->heap};
        for (int i = 0; i < count; i++) {
            if (i > 0) ks_buf_putc(&all, ';');
            ks_buf_puts(&all, faults[i]);
        }
        if (count > 0) ks_bad(c, "operator", text, all.s);
        ks_buf_dispose(&all);
    } else if (exists) {
        if (!ks_is_empty_text(value))
            ks_bad(c, "operator", value, "value must be empty when `operator` is 'Exists'");
    } else if (ks_since(c->rules, KS_SINCE_NUMERIC_TOLERATIONS) && ks_one_of(op, numeric)) {
        ks_unknown(c, "operator", op, with_numbers);
    } else {
        ks_unknown(c, "operator", op, operators);
    }
    ks_check_taint_effect(c, "effect", effect, true);
}

void ks_check_tolerations(ks_check *c, ks_val tolerations) {
    for (uint32_t i = 0; i < ks_len(tolerations); i++)
        KS_AT(c, i) check_toleration(c, ks_at(tolerations, i));
}

/* --- spreading --- */

static void check_spread_keys(ks_check *c, ks_val constraint) {
    ks_val keys = ks_get(constraint, K(matchLabelKeys));
    ks_val selector = ks_get(constraint, K(labelSelector));
    check_match_keys(c, keys, KS_NOTHING, selector);
}

static void check_min_domains(ks_check *c, ks_val domains, ks_val action) {
    if (domains.type != KS_INT) return;
    if (domains.i <= 0) ks_bad(c, "minDomains", domains, "must be greater than zero");
    if (ks_text_is(action, "DoNotSchedule")) return;
    const ks_str *why =
        ks_str_printf(c->heap, "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not %s",
                      ks_text_or(action, ""));
    ks_bad(c, "minDomains", domains, why->s);
    ks_str_unref(c->heap, why);
}

void ks_check_spread(ks_check *c, ks_val constraints) {
    static const char *const actions[] = {"DoNotSchedule", "ScheduleAnyway", NULL};
    static const char *const policies[] = {"Honor", "Ignore", NULL};
    const ks_str *const policy_keys[] = {K(nodeAffinityPolicy), K(nodeTaintsPolicy)};
    for (uint32_t i = 0; i < ks_len(constraints); i++) {
        ks_val constraint = ks_at(constraints, i);
        ks_val key = ks_text_value(ks_get(constraint, K(topologyKey)));
        ks_val action = ks_text_value(ks_get(constraint, K(whenUnsatisfiable)));
        int64_t skew = ks_int_or(ks_get(constraint, K(maxSkew)), 0);
        bool twice = false;
        for (uint32_t j = i + 1; j < ks_len(constraints); j++) {
            ks_val other = ks_at(constraints, j);
            twice |= ks_equal(ks_text_value(ks_get(other, K(topologyKey))), key) &&
                     ks_equal(ks_text_value(ks_get(other, K(whenUnsatisfiable))), action);
        }
        KS_AT(c, i) {
            if (skew <= 0) ks_bad(c, "maxSkew", ks_int(skew), "must be greater than zero");
            if (ks_is_empty_text(key)) ks_need(c, "topologyKey", "can not be empty");
            ks_check_enum(c, "whenUnsatisfiable", action, actions, false);
            if (twice) {
                ks_val pair = ks_format(c->heap, "{%s, %s}", key.s->s, action.s->s);
                ks_duplicate(c, "{topologyKey, whenUnsatisfiable}", pair);
                ks_unref(c->heap, pair);
            }
            check_min_domains(c, ks_get(constraint, K(minDomains)), action);
            for (int j = 0; j < 2; j++) {
                ks_val policy = ks_get(constraint, policy_keys[j]);
                if (ks_exists(policy)) ks_check_enum(c, policy_keys[j]->s, policy, policies, false);
            }
            check_spread_keys(c, constraint);
            KS_IN(c, "labelSelector") ks_check_selector(c, ks_get(constraint, K(labelSelector)));
        }
    }
}
