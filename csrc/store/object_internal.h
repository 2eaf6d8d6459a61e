/*
 * store/object_internal.h - how store.c makes versions; nobody else does.
 */
#ifndef KS_STORE_OBJECT_INTERNAL_H
#define KS_STORE_OBJECT_INTERNAL_H

#include "store/store.h"

/* A version with one reference; takes over `doc`. `old`: the version before, or NULL. */
const ks_object *ks_object__new(ks_world *world, ks_kind kind, ks_val doc, const ks_object *old,
                                uint64_t id, uint64_t version);

#endif
