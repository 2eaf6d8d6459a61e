/*
 * api/values.h - the small value types of the API: quantities, label selectors, durations, time stamps,
 * conditions, int-or-percent, names. Each function names the upstream file it follows.
 */
#ifndef KS_API_VALUES_H
#define KS_API_VALUES_H

#include "base/world.h"
#include "doc/val.h"

/* --- quantities: k8s.io/apimachinery/pkg/api/resource/quantity.go ---
 * Exact decimal: value = sign * digits * 10^exponent within the range that upstream accepts; fractions finer than nano are
 * rounded up, magnitudes capped at 2^63-1 as upstream caps. */
__extension__ typedef __int128 ks_int128;
typedef struct ks_quantity {
    ks_int128 nanos; /* the value times 10^9 */
    enum { KS_DECIMAL_SI, KS_BINARY_SI, KS_DECIMAL_EXPONENT } format;
} ks_quantity;
/* false, with upstream's text in *why (constant), when not a quantity. */
bool ks_quantity_parse(const char *s, size_t len, ks_quantity *out, const char **why);
/* How Go holds what it made of such a text: as an integer with a power of ten, or as an arbitrary decimal. */
typedef struct ks_quantity_form {
    bool fast; /* value * 10^scale; else a decimal of any size, rounded to nanos */
    bool
        as_typed; /* the text is kept as it was written, which need not be canonical: 1e0, +2, 1.250 */
    int64_t value;
    int scale;
} ks_quantity_form;
/* Of a text that parses. */
ks_quantity_form ks_quantity_form_of(const char *s, size_t len);
/* From a document value (string or number); absent: zero. */
ks_quantity ks_quantity_of(ks_val v);
int64_t ks_quantity_value(ks_quantity q); /* rounded up */
int64_t ks_quantity_milli(ks_quantity q); /* rounded up */
int ks_quantity_cmp(ks_quantity a, ks_quantity b);
/* Adds and takes away, held at the largest that there is, above and below. The format stays. */
void ks_quantity_add(ks_quantity *sum, ks_quantity q);
void ks_quantity_sub(ks_quantity *from, ks_quantity q);
/* Canonical text into out (>= 64 bytes), returns its length. */
int ks_quantity_print(ks_quantity q, char *out);
ks_val ks_quantity_val(ks_heap *heap, ks_quantity q);

/* --- label selectors: k8s.io/apimachinery/pkg/labels/selector.go, pkg/apis/meta/v1/helpers.go ---
 * A selector is a compiled, counted list of requirements; matching allocates nothing. */
typedef struct ks_selector ks_selector;
/* From a LabelSelector document; NULL/absent selects nothing, {} everything. Bad operator: NULL and *why (new text). */
ks_selector *ks_selector_of(ks_heap *heap, ks_val label_selector, const ks_str **why);
/* From a plain map (Service, ReplicationController): every pair must match; empty or absent selects nothing. */
ks_selector *ks_selector_of_map(ks_heap *heap, ks_val map);
/* From text: "app=web,tier in (a,b),!x". NULL and *why (upstream's text, new) when it does not parse. */
ks_selector *ks_selector_parse(ks_heap *heap, const char *s, size_t len, const ks_str **why);
bool ks_selector_matches(const ks_selector *selector, ks_val labels);
bool ks_selector_empty(const ks_selector *selector);                 /* matches everything */
ks_val ks_selector_text(ks_heap *heap, const ks_selector *selector); /* canonical text */
ks_selector *ks_selector_ref(ks_selector *selector);
/* The LabelSelector document (taken over) with one more expression for each of `keys` that `labels` have: key, operator and that value. */
ks_val ks_selector_with_keys(ks_heap *heap, ks_val label_selector, ks_val keys,
                             const char *operator, ks_val labels);
void ks_selector_unref(ks_heap *heap, ks_selector *selector);

/* --- time: RFC 3339 with seconds (meta/v1.Time) and microseconds (MicroTime) --- */
ks_val ks_time_val(ks_world *world, int64_t instant);      /* "2026-01-01T00:00:03Z" */
ks_val ks_microtime_val(ks_world *world, int64_t instant); /* "2026-01-01T00:00:03.000000Z" */
/* Unix nanoseconds; false when not a time. */
bool ks_time_parse(const char *s, size_t len, int64_t *unix_ns);
/* The virtual instant (ns since start; negative before) of a time stamp of the API; KS_NEVER when absent. */
int64_t ks_instant_of(const ks_world *world, ks_val time);
/* Go durations ("1m30s", "500ms") and back (time.Duration.String); kubectl's AGE text
 * (k8s.io/apimachinery/pkg/util/duration: HumanDuration). out >= 32 bytes. */
bool ks_duration_parse(const char *s, size_t len, int64_t *ns);
int ks_duration_print(int64_t ns, char *out);
int ks_human_duration(int64_t ns, char *out);

/* --- pod-deletion-cost: pkg/apis/core/helper/helpers.go: GetDeletionCostFromPodAnnotations: 32 bits, no plus sign, no leading zeros
 * but behind a minus sign; false: it is none --- */
bool ks_deletion_cost(const ks_str *text, int32_t *out);

/* --- labels of which each pod of a StatefulSet has its own value: otherwise pods of one template and revision are labelled alike --- */
static inline bool ks_is_own_label(const ks_str *key) {
    return ks_str_eq(key, K(statefulset_kubernetes_io_pod_name)) ||
           ks_str_eq(key, K(apps_kubernetes_io_pod_index));
}

/* --- conditions of a status: pkg/api/v1/pod: GetPodCondition, and its like for other kinds --- */
/* The condition of a type, borrowed; KS_NOTHING: there is none. */
ks_val ks_condition_of(ks_val status, const char *type);
/* Whether it is there and "True". */
bool ks_condition_holds(ks_val status, const char *type);

/* --- int or percent: pkg/util/intstr GetScaledValueFromIntOrPercent; false when malformed --- */
bool ks_scaled_value(ks_val intstr, int64_t total, bool round_up, int64_t *out);

/* --- names: k8s.io/apimachinery/pkg/util/validation/validation.go; NULL when fine, else the constant error text --- */
const char *ks_dns1123_label(const char *s, size_t len);
const char *ks_dns1123_subdomain(const char *s, size_t len);
const char *ks_dns1035_label(const char *s, size_t len);
const char *ks_qualified_name(ks_heap *heap, const char *s, size_t len,
                              const ks_str **made); /* text in *made when composed */
const char *ks_label_value(const char *s, size_t len);
/* All that is wrong, in upstream's order (a name may be too long and of the wrong form): constant texts; how many. */
typedef enum ks_name_rule {
    KS_DNS1123_LABEL,
    KS_DNS1123_SUBDOMAIN,
    KS_DNS1035_LABEL,
    KS_QUALIFIED_NAME,
    KS_LABEL_VALUE,
} ks_name_rule;
int ks_name_errors(ks_name_rule rule, const char *s, size_t len, const char *texts[4]);

/* --- hashes --- */
uint32_t ks_fnv32(const char *s, size_t len);  /* FNV-1 */
uint32_t ks_fnv32a(const char *s, size_t len); /* FNV-1a */
/* k8s.io/apimachinery/pkg/util/rand SafeEncodeString over the decimal text of `sum`; out >= 16 bytes. */
int ks_safe_encode(uint32_t sum, char *out);

#endif
