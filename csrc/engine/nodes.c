/*
 * engine/nodes.c - node selectors, taints and tolerations; see nodes.h.
 */
#include "engine/nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const ks_str *ks_label(ks_heap *heap, ks_val labels, const ks_str *name) {
    if (labels.type != KS_MAP || name == NULL) return NULL;
    const ks_str *key = name->interned ? name : ks_interned(heap, name->s, name->len);
    return key == NULL ? NULL : ks_str_or_null(ks_get(labels, key));
}

static bool any_value(ks_val values, const ks_str *value) {
    ks_each(v, values) {
        if (ks_str_eq(ks_str_or_null(*v), value)) return true;
    }
    return false;
}

static bool integer(const ks_str *text, int64_t *out) {
    if (text == NULL || text->len == 0) return false;
    char *end;
    errno = 0;
    *out = strtoll(text->s, &end, 10);
    return *end == '\0' && errno == 0;
}

/* k8s.io/apimachinery/pkg/labels/selector.go: Requirement.Matches. */
static bool requirement(ks_val expression, const ks_str *value) {
    const char *operator= ks_text_or(ks_get(expression, K(operator)), "");
    ks_val values = ks_get(expression, K(values));
    if (strcmp(operator, "In") == 0) return value != NULL && any_value(values, value);
    if (strcmp(operator, "NotIn") == 0) return value == NULL || !any_value(values, value);
    if (strcmp(operator, "Exists") == 0) return value != NULL;
    if (strcmp(operator, "DoesNotExist") == 0) return value == NULL;
    int64_t have, limit;
    if (!integer(value, &have) || ks_len(values) != 1 ||
        !integer(ks_str_or_null(ks_at(values, 0)), &limit))
        return false;
    if (strcmp(operator, "Gt") == 0) return have > limit;
    if (strcmp(operator, "Lt") == 0) return have < limit;
    return false;
}

/* `named`: the node's name is known. */
static bool term_matches(ks_heap *heap, ks_val term, const ks_object *node, bool named) {
    ks_val expressions = ks_get(term, K(matchExpressions)), fields = ks_get(term, K(matchFields));
    if (ks_len(expressions) == 0 && ks_len(fields) == 0) return false;
    ks_each(e, expressions) {
        const ks_str *value = ks_label(heap, node->labels, ks_str_or_null(ks_get(*e, K(key))));
        if (!requirement(*e, value)) return false;
    }
    if (!named) return true;
    ks_each(f, fields) {
        const ks_str *value = ks_text_is(ks_get(*f, K(key)), "metadata.name") ? node->name : NULL;
        if (!requirement(*f, value)) return false;
    }
    return true;
}

bool ks_node_term_matches(ks_heap *heap, ks_val term, const ks_object *node) {
    return term_matches(heap, term, node, true);
}

static bool any_term(ks_heap *heap, ks_val node_selector, const ks_object *node, bool named) {
    if (!ks_exists(node_selector)) return true;
    ks_each(term, ks_get(node_selector, K(nodeSelectorTerms))) {
        if (term_matches(heap, *term, node, named)) return true;
    }
    return false;
}

bool ks_node_selector_matches(ks_heap *heap, ks_val node_selector, const ks_object *node) {
    return any_term(heap, node_selector, node, true);
}

bool ks_node_has_volume(ks_heap *heap, const ks_object *volume, const ks_object *node) {
    return any_term(heap, ks_get2(volume->spec, K(nodeAffinity), K(required)), node, false);
}

bool ks_node_labels_match(ks_val node_selector_map, const ks_object *node) {
    for (uint32_t i = 0; node_selector_map.type == KS_MAP && i < ks_len(node_selector_map); i++) {
        const ks_pair *p = ks_pair_at(node_selector_map, i);
        const ks_str *value = ks_str_or_null(ks_get(node->labels, p->key));
        if (value == NULL || !ks_str_eq(value, ks_str_or_null(p->val))) return false;
    }
    return true;
}

bool ks_tolerates(ks_val toleration, ks_val taint) {
    const char *effect = ks_text_or(ks_get(toleration, K(effect)), "");
    if (*effect != '\0' && !ks_text_is(ks_get(taint, K(effect)), effect)) return false;
    const char *key = ks_text_or(ks_get(toleration, K(key)), "");
    if (*key != '\0' && !ks_text_is(ks_get(taint, K(key)), key)) return false;
    const char *operator= ks_text_or(ks_get(toleration, K(operator)), "");
    if (strcmp(operator, "Exists") == 0) return true;
    if (*operator!= '\0' && strcmp(operator, "Equal") != 0) return false;
    return strcmp(ks_text_or(ks_get(toleration, K(value)), ""),
                  ks_text_or(ks_get(taint, K(value)), "")) == 0;
}

ks_val ks_untolerated_taint(ks_val taints, ks_val tolerations, const char *effect1,
                            const char *effect2) {
    ks_each(taint, taints) {
        const char *effect = ks_text_or(ks_get(*taint, K(effect)), "");
        if (strcmp(effect, effect1) != 0 && (effect2 == NULL || strcmp(effect, effect2) != 0))
            continue;
        bool tolerated = false;
        ks_each(toleration, tolerations) {
            if (ks_tolerates(*toleration, *taint)) tolerated = true;
        }
        if (!tolerated) return *taint;
    }
    return KS_NOTHING;
}

bool ks_node_out_of_service(const ks_object *node) {
    ks_each(taint, ks_get(node->spec, K(taints))) {
        if (ks_text_is(ks_get(*taint, K(key)), "node.kubernetes.io/out-of-service")) return true;
    }
    return false;
}
