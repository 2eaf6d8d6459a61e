/*
 * api/refusal.h - the API server's refusals: Kubernetes' Status, as data.
 *
 * Functions that may be refused return `ks_refusal *`: NULL is success, else the caller owns it.
 * A refusal is no failure of the program; memory that runs out is none either (base/heap.h).
 * Texts of the common ones: k8s.io/apimachinery/pkg/api/errors/errors.go.
 */
#ifndef KS_API_REFUSAL_H
#define KS_API_REFUSAL_H

#include "api/kind.h"

typedef struct ks_refusal {
    int code;           /* 409 */
    const char *reason; /* "AlreadyExists": constant; "" for those without */
    const ks_str *message;
    /* details: kind is the resource ("pods") or kind ("Pod" for Invalid), as the real server fills
     * it */
    const ks_str *name, *group, *kind; /* may be NULL */
    ks_val causes;                     /* list of {reason, message, field}, or KS_NOTHING */
    int retry_after;                   /* seconds; 0: none */
    const ks_str *continue_token;      /* metadata.continue of an expired list; else NULL */
} ks_refusal;

ks_refusal *ks_refuse(ks_heap *heap, int code, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void ks_refusal_free(ks_heap *heap, ks_refusal *refusal);

/* `statefulsets.apps "web" not found`, ... with details filled. */
ks_refusal *ks_refuse_not_found(ks_heap *heap, ks_kind kind, const ks_str *name);
ks_refusal *ks_refuse_exists(ks_heap *heap, ks_kind kind, const ks_str *name);
ks_refusal *ks_refuse_conflict(ks_heap *heap, ks_kind kind, const ks_str *name, const char *why);
ks_refusal *ks_refuse_forbidden(ks_heap *heap, ks_kind kind, const ks_str *name, const char *why);
ks_refusal *ks_refuse_bad_request(ks_heap *heap, const char *why);

/* Field errors, collected in order; k8s.io/apimachinery/pkg/util/validation/field/errors.go. */
typedef struct ks_errors {
    ks_heap *heap;
    ks_val causes; /* list of {field, message, reason}; KS_NOTHING: none so far */
    ks_buf path;   /* the path being walked: see ks_path_* */
} ks_errors;
/* The path grows and shrinks as validation walks:  size_t at = ks_path_field(e, "spec"); ...
 * ks_path_back(e, at); */
size_t ks_path_field(ks_errors *errors, const char *name);
size_t ks_path_index(ks_errors *errors, uint32_t index);
size_t ks_path_key(ks_errors *errors, const char *key);
void ks_path_back(ks_errors *errors, size_t mark);
/* Add an error at the current path; `field` (may be NULL) is appended for this error only.
 * `value` is borrowed and printed as Go's field.Error does (strings quoted, structs as JSON). */
void ks_error_invalid(ks_errors *e, const char *field, ks_val value, const char *detail);
void ks_error_invalid_text(ks_errors *e, const char *field, const char *printed,
                           const char *detail); /* value printed already */
void ks_error_required(ks_errors *e, const char *field, const char *detail);
void ks_error_forbidden(ks_errors *e, const char *field, const char *detail);
void ks_error_unsupported(ks_errors *e, const char *field, ks_val value,
                          const char *const *allowed); /* NULL-terminated */
void ks_error_not_found(ks_errors *e, const char *field, ks_val value);
/* The same with an explanation. */
void ks_error_not_found_because(ks_errors *e, const char *field, ks_val value, const char *detail);
void ks_error_internal(ks_errors *e, const char *field, const char *detail);
void ks_error_duplicate(ks_errors *e, const char *field, ks_val value);
void ks_error_too_long(ks_errors *e, const char *field, int max);
void ks_error_too_many(ks_errors *e, const char *field, int actual, int max);
bool ks_errors_any(const ks_errors *e);
/* The 422 Invalid refusal with all of them (empties `e`), or NULL when there is none. `name` may be
 * NULL. */
ks_refusal *ks_errors_refuse(ks_errors *e, ks_kind kind, const ks_str *name);
void ks_errors_dispose(ks_errors *e);

#endif
