/*
 * cluster/filter.h - which objects a list, a count or a watch is about: namespace, label selector, field selector.
 */
#ifndef KS_CLUSTER_FILTER_H
#define KS_CLUSTER_FILTER_H

#include "api/refusal.h"
#include "api/values.h"
#include "store/store.h"

typedef struct ks_filter {
    const ks_str *ns;    /* owned; NULL: all namespaces */
    ks_selector *labels; /* owned; NULL: all */
    ks_val fields;       /* owned; list of {field, value, negated}, or KS_NOTHING */
} ks_filter;

/* Compiles selectors (NULL: none) into *out. Refused (400) as the API server does. */
ks_refusal *ks_filter_make(ks_heap *heap, ks_kind kind, const ks_str *ns, const char *labels,
                           size_t labels_len, const char *fields, size_t fields_len,
                           ks_filter *out);
void ks_filter_dispose(ks_heap *heap, ks_filter *filter);
bool ks_filter_matches(const ks_filter *filter, const ks_object *object);
/* The same of a version that is kept short, as far as that can tell without its document. */
typedef enum ks_verdict { KS_DIFFERS, KS_MATCHES, KS_MAY_MATCH } ks_verdict;
ks_verdict ks_filter_brief(const ks_filter *filter, const ks_brief *brief);

#endif
