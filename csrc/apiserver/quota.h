/*
 * apiserver/quota.h - how much of a quota an object uses: pkg/quota/v1/evaluator/core.
 *
 * Admission (quota.c) asks before it lets an object in; the quota controller counts what is there.
 */
#ifndef KS_APISERVER_QUOTA_H
#define KS_APISERVER_QUOTA_H

#include "api/kind.h"
#include "api/values.h"

/* What an object of that kind uses of the named resource ("pods", "requests.cpu", "count/secrets").
 * False: the resource is none that this kind is charged for; so a document of KS_NOTHING asks which
 * kinds are. `over`: a pod whose grace has long passed is charged for no more than its existence.
 */
bool ks_quota_usage(ks_heap *heap, ks_kind kind, ks_val doc, const ks_str *name, bool over,
                    ks_quantity *out);
/* Whether the quota's scopes hold for the object. */
bool ks_quota_matches(ks_kind kind, ks_val doc, ks_val quota_spec);
/* Adds; a sum of zero takes on the other's format. */
void ks_quota_add(ks_quantity *sum, ks_quantity q);

#endif
