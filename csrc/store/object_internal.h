/*
 * store/object_internal.h - how store.c makes and keeps versions; nobody else does.
 */
#ifndef KS_STORE_OBJECT_INTERNAL_H
#define KS_STORE_OBJECT_INTERNAL_H

#include "store/store.h"

/* A version with one reference; takes over `doc`. `old`: the version before, or NULL. */
const ks_object *ks_object__new(ks_world *world, ks_kind kind, ks_val doc, const ks_object *old,
                                uint64_t id, uint64_t version);

/* --- brief.c: the word that stands for a version where the store keeps it --- */
static inline bool ks_version__is_brief(const void *version) {
    return ((uintptr_t)version & 1U) != 0;
}
const ks_brief *ks_version__brief(const void *version); /* NULL: it is an object */
ks_kind ks_version__kind(const void *version);
void *ks_version__of_brief(const ks_brief *brief);
void ks_version__ref(const void *version);
void ks_version__unref(ks_heap *heap, const void *version);
/* The object, borrowed; made of a brief on the first look. NULL stays NULL. */
const ks_object *ks_version__object(ks_world *world, const void *version);
/* A change whose `object` and `old` are objects, as everybody outside store/ knows it; returns its argument. NULL is fine. */
const ks_change *ks_change__settle(ks_world *world, const ks_change *change);

#endif
