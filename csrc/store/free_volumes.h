/*
 * store/free_volumes.h - the volumes that no claim has, by class, access modes and size: a claim finds the one that it may take without a
 * look at the others. Called by engine/volumes.c and controllers/storage.
 */
#ifndef KS_STORE_FREE_VOLUMES_H
#define KS_STORE_FREE_VOLUMES_H

#include "api/values.h"
#include "store/store.h"

/* The class of a claim or volume: annotation first; "" when there is none. */
const char *ks_volume_class(const ks_object *claim_or_volume);
/* A list of access modes as a set: a bit for each of ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod. */
enum { KS_ACCESS_MODES = 4, KS_ACCESS_SETS = 1 << KS_ACCESS_MODES };
unsigned ks_access_modes(ks_val list);
/* What a volume offers (spec.capacity.storage). */
ks_quantity ks_volume_capacity(const ks_object *volume);

/* Walks the free volumes of a class with exactly those access modes: first the small ones, of one size those that were made first. All
 * that are at least that large are shown, and maybe some that are a little smaller or of another class. Those of about one size
 * (`size`) come in no order of size. The store must not change meanwhile.
 *     for (ks_free_volumes f = ks_free_volumes_of(s, class, modes, least); ks_free_volumes_next(&f);) use(f.object); */
typedef struct ks_free_volumes {
    const ks_store *store;
    ks_tree_iter iter; /* private */
    uint64_t group;    /* private: class and access modes */
    uint64_t size;     /* about how large it is: the larger the larger */
    const ks_object *object;
} ks_free_volumes;
ks_free_volumes ks_free_volumes_of(const ks_store *s, const char *class, unsigned modes,
                                   ks_quantity least);
bool ks_free_volumes_next(ks_free_volumes *walk);
/* Whether none is free that has the class, those modes and maybe others, and that size. */
bool ks_no_free_volume(const ks_store *s, const char *class, unsigned want, ks_quantity least);
/* Whether that is the least capacity of all that are about as large. */
bool ks_is_least_of_size(ks_quantity capacity);

#endif
