/*
 * api/codec.h - from a document to a typed object and back: strict decoding, defaults, validation.
 *
 * Called by apiserver/ on every write. A "typed" document is a ks_val that has the type's shape:
 * only known fields, right JSON types, quantities as Go keeps them, empty and null optional members
 * dropped as Go's omitempty drops them (zero values of `always_encoded` fields and of pointers
 * stay).
 */
#ifndef KS_API_CODEC_H
#define KS_API_CODEC_H

#include "api/refusal.h"
#include "api/release.h"
#include "api/schema.h"

typedef enum ks_field_validation { KS_STRICT, KS_WARN, KS_IGNORE } ks_field_validation;

/* Decodes `raw` (taken over) as an object of `kind` into *out (a new reference). Wrong types: 400
 * with Go's json text
 * ("StatefulSet in version "v1" cannot be handled as a StatefulSet: json: cannot unmarshal string
 * into Go struct field StatefulSetSpec.spec.replicas of type int32"). Unknown and duplicate fields:
 * 400 "strict decoding error: ..." (strict), or appended to `warnings` (KS_WARN; a list value, may
 * be NULL), or dropped. What cannot be converted (below) is a wrong type, too. */
ks_refusal *ks_decode(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val raw,
                      ks_field_validation mode, ks_val *warnings, ks_val *out);

/* The same for a Scale, which is no object of the store; `from_map`: see below. */
ks_refusal *ks_decode_scale(ks_heap *heap, const ks_rules *rules, ks_val raw, bool from_map,
                            ks_field_validation mode, ks_val *warnings, ks_val *out);

/* The same for a document that was made from the typed object `known` (borrowed): what is still the
 * very same value is taken as it is, so that a small change of a large object costs little. `from_map`: it is no text that is read, but a
 * map that is made a struct: numbers are cut off where there is no room for them, and it stays in the version that is served, for those who
 * convert it later. */
ks_refusal *ks_decode_changed(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val raw,
                              ks_val known, bool from_map, ks_field_validation mode,
                              ks_val *warnings, ks_val *out);

/* Whether Kubernetes knows the kind also in that version, which is not the served one. */
bool ks_kind_had_version(ks_kind kind, const char *api_version);

/* Converts a typed object to the server's own version and back, where that is more than copying (pkg/apis/apps/v1/conversion.go); takes
 * over, returns. */
ks_val ks_convert(ks_heap *heap, ks_kind kind, ks_val object);
/* Why it cannot be converted, in the server's words (a new string); NULL: it can. */
const ks_str *ks_unconvertible(ks_heap *heap, ks_kind kind, ks_val object);

/* Applies the defaults of k8s.io/kubernetes/pkg/apis/.../v1/defaults.go, some of which hang on a feature gate; takes over, returns.
 * Does not touch metadata. */
ks_val ks_default(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val object);
/* The same for an object that was made of `known`, which has its defaults: what both share is gone by. */
ks_val ks_default_changed(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val object,
                          ks_val known);
/* The same for the parts that controllers make: a pod template's spec. */
ks_val ks_default_pod_spec(ks_heap *heap, ks_val spec);
ks_val ks_default_claim_spec(ks_heap *heap, ks_val spec);

/* Validates a new object (defaulted, metadata filled) or an update; NULL when valid, else 422.
 * `subresource`: NULL or "status". `known`: `old` is valid, so what the object shares with it (to the address) need not be looked
 * at again. */
ks_refusal *ks_validate_create(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val object);
ks_refusal *ks_validate_update(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val object,
                               ks_val old, const char *subresource, bool known);
/* What is looked at before a Service gets addresses: those that it has, and their families. */
ks_refusal *ks_validate_service_ips(ks_heap *heap, const ks_rules *rules, ks_val object,
                                    ks_val old);
/* The typed object as it comes back from etcd; takes over, returns. What it shares with `known` (may be KS_NOTHING) has been there. */
ks_val ks_as_stored(ks_heap *heap, const ks_type *type, ks_val object, ks_val known);
/* Whether two typed documents, or parts of that type, mean the same: quantities by value, absent and empty lists as one.
 * apimachinery/pkg/api/equality/semantic.go. */
bool ks_same_meaning(const ks_type *type, ks_val a, ks_val b);
/* Annotations of AppArmor profiles, this and a container's name; what is said of those that a field should be instead of. */
#define KS_APP_ARMOR_PREFIX     "container.apparmor.security.beta.kubernetes.io/"
#define KS_APP_ARMOR_DEPRECATED "deprecated since v1.30; use the \"appArmorProfile\" field instead"
/* The one about a container, borrowed, or NULL. */
const ks_pair *ks_app_armor_annotation(ks_val annotations, const char *container);
/* The profile that its value names, a new reference; KS_NOTHING: none that a field could have. */
ks_val ks_app_armor_named(ks_heap *heap, const ks_str *annotation);
/* Warnings as the real server returns them in headers, appended to the list. */
void ks_warnings(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val object, ks_val old,
                 ks_val *warnings);

#endif
