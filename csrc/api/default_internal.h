/*
 * api/default_internal.h - what the files of defaulting share (api/default*.c).
 *
 * All functions take over the value and return it, changed or not; what needs no change stays
 * shared.
 */
#ifndef KS_API_DEFAULT_INTERNAL_H
#define KS_API_DEFAULT_INTERNAL_H

#include "api/codec.h"
#include "api/values.h"

typedef ks_val (*ks_default_step)(ks_heap *heap, ks_val v);

/* Applies `step` to the member `key` of a map, if it is there. */
ks_val ks_default_at(ks_heap *heap, ks_val map, const ks_str *key, ks_default_step step);
/* Applies `step` to all items of the list at `key`. */
ks_val ks_default_each(ks_heap *heap, ks_val map, const ks_str *key, ks_default_step step);
/* Sets the member if it is absent, null, or (of plain, not pointer, strings) empty. */
ks_val ks_default_text(ks_heap *heap, ks_val map, const ks_str *key, const ks_str *text);
/* The same for a pointer to text: the empty text stays. */
ks_val ks_default_text_pointer(ks_heap *heap, ks_val map, const ks_str *key, const ks_str *text);
ks_val ks_default_int(ks_heap *heap, ks_val map, const ks_str *key, int64_t value);
ks_val ks_default_bool(ks_heap *heap, ks_val map, const ks_str *key, bool value);

/* Rounds quantities of a resource list up to milli units. */
ks_val ks_default_resource_list(ks_heap *heap, ks_val list);
/* The lists "limits" and "requests" of a ResourceRequirements. */
ks_val ks_default_resources(ks_heap *heap, ks_val resources);
/* Missing keys of `list` from `from` (borrowed). */
ks_val ks_default_missing(ks_heap *heap, ks_val list, ks_val from);

/* The defaults of a Pod beyond those of its spec (pkg/apis/core/v1/defaults.go: SetDefaults_Pod).
 */
ks_val ks_default_pod(ks_heap *heap, ks_val pod);
ks_val ks_default_pod_status(ks_heap *heap, ks_val pod); /* its status alone */
/* A PersistentVolumeClaim, also one that is a template. */
ks_val ks_default_claim(ks_heap *heap, ks_val claim);
/* The sources that volumes of pods and PersistentVolumes have in common. */
ks_val ks_default_volume_sources(ks_heap *heap, ks_val volume);

/* Does the reference name the tag "latest", or none at all? What does not parse does not. (image.c) */
bool ks_image_is_latest(const ks_str *image);

#endif
