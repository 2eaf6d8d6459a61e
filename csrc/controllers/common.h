/*
 * controllers/common.h - rules that several controllers follow: what a pod is counted as, who owns
 * what, adopting and releasing, words in maps.
 */
#ifndef KS_CONTROLLERS_COMMON_H
#define KS_CONTROLLERS_COMMON_H

#include "api/values.h"
#include "engine/sim.h"

/* --- words: what plain maps hold --- */
static inline void *ks_word(uint64_t value) { return (void *)(uintptr_t)value; }
static inline uint64_t ks_word_of(const void *value) { return (uint64_t)(uintptr_t)value; }
/* Instants as unsigned words that keep their order, and back. */
static inline uint64_t ks_instant_word(int64_t instant) {
    return (uint64_t)instant ^ (UINT64_C(1) << 63);
}
static inline int64_t ks_word_instant(uint64_t word) {
    return (int64_t)(word ^ (UINT64_C(1) << 63));
}
/* A 64-bit hash of a text, for indexes whose hits are checked (NULL: 0). */
uint64_t ks_text_hash(const ks_str *text);

/* --- pods: pkg/api/v1/pod/util.go, pkg/controller/controller_utils.go --- */
typedef enum ks_phase {
    KS_PHASE_NONE,
    KS_PENDING,
    KS_UNKNOWN,
    KS_RUNNING,
    KS_SUCCEEDED,
    KS_FAILED
} ks_phase;
ks_phase ks_phase_of(const ks_object *pod);
static inline bool ks_phase_finished(ks_phase phase) { return phase >= KS_SUCCEEDED; }
/* Neither finished nor being deleted. */
bool ks_pod_active(const ks_object *pod);
/* The instant from which a ready pod counts as available: minReadySeconds later. */
int64_t ks_pod_available_at(int64_t ready_since, int64_t min_ready_seconds);

/* A pod's status (taken over) with one condition set, of the pod's generation; the time stays while
 * `status` does. `reason` and `message` may be NULL. pkg/api/v1/pod/util.go: UpdatePodCondition,
 * CalculatePodConditionObservedGeneration. */
ks_val ks_put_pod_condition(ks_sim *sim, const ks_object *pod, ks_val status, const char *type,
                            const char *value, const char *reason, const char *message);

/* --- owners --- */
/* The ownerReference with controller=true, or KS_NOTHING. Borrowed. */
ks_val ks_controller_ref(const ks_object *object);
/* A new ownerReference {apiVersion, kind, name, uid, controller, blockOwnerDeletion: true}. */
ks_val ks_owner_reference(ks_heap *heap, const ks_object *owner);
/* Adds the reference (an existing one of that uid becomes the controller) / removes the owner's
 * reference, as pkg/controller/controller_ref_manager.go does by patch: to the object as it now stands, whatever version
 * of it was read. The server is asked first whether the owner is still there and stays. False: refused, retry; an
 * object that is gone is fine, but not *adopted (may be NULL). */
bool ks_adopt(ks_sim *sim, const ks_object *object, const ks_object *owner, bool *adopted);
bool ks_release(ks_sim *sim, const ks_object *object, const ks_object *owner);
/* Follows a change in a map of those that nobody controls: {ks_text_hash() of the namespace, id} -> 1. */
void ks_keep_loose(ks_heap *heap, ks_tree *loose, const ks_change *change);
/* metadata.ownerReferences of `object` := refs (taken over; empty: none), written. NULL: done. */
ks_refusal *ks_write_owners(ks_sim *sim, const ks_object *object, ks_val refs);

/* --- the rest --- */
/* pod.spec.replicas and its like: a count with a default. */
static inline int64_t ks_count(ks_val m, const ks_str *key, int64_t otherwise) {
    return ks_int_or(ks_get(m, key), otherwise);
}
/* A number of a status, left out when 0 (Go's omitempty). */
ks_val ks_put_count(ks_heap *heap, ks_val status, const ks_str *key, int64_t count);
/* metadata.generation. */
int64_t ks_generation(const ks_object *object);
/* Metadata of what is made from a template: its labels, annotations and finalizers; a new map. */
ks_val ks_template_meta(ks_heap *heap, ks_val template_meta);
/* "namespace/name" for traces; `id` as object of `kind`. */
void ks_describe_object(ks_sim *sim, ks_kind kind, uint64_t id, ks_buf *out);
/* Every pair of `subset` is in `labels`. */
bool ks_labels_contain(ks_val labels, ks_val subset);
/* Is the refusal the one that a terminating namespace gives? */
bool ks_namespace_is_terminating(const ks_refusal *refusal);

/* A growing list of objects, referenced. */
typedef struct ks_objects {
    const ks_object **items;
    size_t count, cap;
} ks_objects;
void ks_objects_add(ks_heap *heap, ks_objects *list, const ks_object *object); /* counts up */
void ks_objects_dispose(ks_heap *heap, ks_objects *list);

#endif
