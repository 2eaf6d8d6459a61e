/*
 * api/warn_internal.h - what the files of warnings share (api/warn*.c).
 *
 * KS_IN, KS_AT and KS_KEY of validate_internal.h walk the path of a warner as they do that of a check.
 */
#ifndef KS_API_WARN_INTERNAL_H
#define KS_API_WARN_INTERNAL_H

#include "api/validate_internal.h"

typedef struct ks_warner {
    ks_errors errors; /* only its path is used */
    ks_heap *heap;
    const ks_rules *rules;
    ks_val *out; /* the list of texts */
} ks_warner;

/* Adds "<path>.<field>: <text>"; `field` may be NULL. */
void ks_warn(ks_warner *w, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a text without path. */
void ks_warn_plain(ks_warner *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Why a label of nodes should not be used any more, or NULL. */
const char *ks_deprecated_node_label(const char *key);
void ks_warn_node_term(ks_warner *w, ks_val term, bool check_values);
/* `fractional byte value "..." is invalid` at the current path, for a quantity of bytes. */
void ks_warn_fraction(ks_warner *w, const char *key, ks_val list, const ks_str *name);
void ks_warn_ip(ks_warner *w, const char *field, ks_val address);

/* A pod's or a template's metadata and spec; at the path of the pod or template. (warn_pod.c) */
void ks_warn_pod(ks_warner *w, ks_val meta, ks_val spec);
/* At the path of a claim's spec. */
void ks_warn_claim_spec(ks_warner *w, ks_val spec);

#endif
