/*
 * scheduler/terms.c - terms that mean pods: (anti-)affinity terms, compiled, and whether a pod is meant.
 */
#include "engine/nodes.h"
#include "scheduler/internal.h"

static const ks_str *interned(ks_heap *heap, ks_val text) {
    const ks_str *s = ks_str_or_null(text);
    return s == NULL ? ks_intern_of(heap, "") : ks_intern(heap, s->s, s->len);
}

static ks_selector *compile(ks_heap *heap, ks_val label_selector) {
    if (!ks_exists(label_selector)) return NULL;
    const ks_str *why = NULL;
    ks_selector *selector = ks_selector_of(heap, label_selector, &why);
    ks_str_unref(heap, why);
    return selector;
}

void ks_sched_terms_read(ks_heap *heap, ks_terms *out, ks_val list, const ks_str *ns,
                         bool weighted) {
    *out = (ks_terms){ks_len(list), NULL};
    if (out->count == 0) return;
    out->items = ks_alloc_zero(heap, out->count * sizeof *out->items);
    ks_term *term = out->items;
    ks_each(item, list) {
        ks_val doc = weighted ? ks_get(*item, K(podAffinityTerm)) : *item;
        ks_val selector = ks_get(doc, K(labelSelector));
        *term++ = (ks_term){.key = interned(heap, ks_get(doc, K(topologyKey))),
                            .ns = ks_str_ref(ns),
                            .namespaces = ks_ref(ks_get(doc, K(namespaces))),
                            .ns_selector = compile(heap, ks_get(doc, K(namespaceSelector))),
                            .selector = compile(heap, selector),
                            .selector_doc = ks_ref(selector),
                            .weight = weighted ? ks_int_or(ks_get(*item, K(weight)), 0) : 0,
                            .bucket = ks_sched_bucket(selector)};
    }
}

void ks_sched_term_dispose(ks_heap *heap, ks_term *term) {
    ks_str_unref(heap, term->key);
    ks_str_unref(heap, term->ns);
    ks_unref(heap, term->namespaces);
    ks_selector_unref(heap, term->ns_selector);
    ks_selector_unref(heap, term->selector);
    ks_unref(heap, term->selector_doc);
}

void ks_sched_terms_dispose(ks_heap *heap, ks_terms *terms) {
    for (uint32_t i = 0; i < terms->count; i++) ks_sched_term_dispose(heap, &terms->items[i]);
    ks_free(heap, terms->items, terms->count * sizeof *terms->items);
    *terms = (ks_terms){0, NULL};
}

void ks_sched_term_copy(ks_heap *heap, ks_term *out, const ks_term *from) {
    (void)heap;
    *out = *from;
    ks_str_ref(from->key);
    ks_str_ref(from->ns);
    ks_ref(from->namespaces);
    if (from->ns_selector != NULL) ks_selector_ref(from->ns_selector);
    if (from->selector != NULL) ks_selector_ref(from->selector);
    ks_ref(from->selector_doc);
}

static bool namespace_named(const ks_term *term, const ks_str *ns) {
    if (ks_len(term->namespaces) == 0 && term->ns_selector == NULL) return ks_str_eq(term->ns, ns);
    ks_each(name, term->namespaces) {
        if (ks_str_eq(ks_str_or_null(*name), ns)) return true;
    }
    return false;
}

static bool namespace_selected(ks_sim *sim, const ks_term *term, const ks_str *ns) {
    if (term->ns_selector == NULL) return false;
    if (ks_selector_empty(term->ns_selector)) return true;
    const ks_object *namespace = ks_store_get(ks_view(sim), KS_NAMESPACE, NULL, ns);
    return namespace != NULL && ks_selector_matches(term->ns_selector, namespace->labels);
}

static bool nameless_selected(const ks_term *term) {
    return term->ns_selector != NULL && ks_selector_matches(term->ns_selector, KS_NOTHING);
}

static bool labels_meant(const ks_term *term, ks_val labels) {
    return term->selector != NULL && ks_selector_matches(term->selector, labels);
}

bool ks_sched_term_matches(ks_sim *sim, const ks_term *term, const ks_str *ns, ks_val labels) {
    return labels_meant(term, labels) &&
           (namespace_named(term, ns) || namespace_selected(sim, term, ns));
}

bool ks_sched_own_term_matches(ks_sim *sim, const ks_term *term, const ks_str *ns, ks_val labels) {
    return labels_meant(term, labels) && (namespace_named(term, ns) || nameless_selected(term) ||
                                          namespace_selected(sim, term, ns));
}

bool ks_sched_term_hints(const ks_term *term, const ks_str *ns, ks_val labels) {
    return labels_meant(term, labels) && (namespace_named(term, ns) || nameless_selected(term));
}
