/*
 * doc/errors.h - errors of several things at once, as Kubernetes tells them: k8s.io/apimachinery/pkg/util/errors: Aggregate.
 */
#ifndef KS_DOC_ERRORS_H
#define KS_DOC_ERRORS_H

#include "doc/val.h"

/* Adds a text (taken over) to a list of them, KS_NOTHING at first, unless it says what is there already. */
void ks_errors_add(ks_heap *heap, ks_val *errors, ks_val text);
/* Their text, a new reference: "one", or "[one, two]". Takes them over. */
const ks_str *ks_errors_join(ks_heap *heap, ks_val errors);

#endif
