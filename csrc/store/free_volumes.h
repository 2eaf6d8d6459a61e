/*
 * store/free_volumes.h - the volumes that no claim has, by class, access modes and size, and by the nodes that may use them: a claim finds
 * the one that it may take without a look at the others. Called by engine/volumes.c and controllers/storage.
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

/* Walks the sorts of free volumes that there are of a class, with at least those access modes: which modes, and which label a node must have a
 * value of to use them, each volume one value. Maybe sorts of another class are shown, too. Private, but for the last two members.
 *     for (ks_free_sorts f = ks_free_sorts_of(s, class, want); ks_free_sorts_next(&f);) use(f.modes, f.pin); */
typedef struct ks_free_sorts {
    const ks_store *store;
    const char *class;
    unsigned want;
    uint64_t next;
    uint32_t modes;
    const ks_str *pin; /* the label; NULL: those that are not tied to one value of one label */
} ks_free_sorts;
ks_free_sorts ks_free_sorts_of(const ks_store *s, const char *class, unsigned want);
bool ks_free_sorts_next(ks_free_sorts *sorts);

/* Walks the free volumes of a class with exactly those access modes: first the small ones, of one size those that were made first. All
 * that are at least that large are shown, and maybe some that are a little smaller, have other modes or are of another class. Those of about
 * one size (`size`) come in no order of size. The store must not change meanwhile.
 *     for (ks_free_volumes f = ks_free_volumes_of(s, class, modes, least); ks_free_volumes_next(&f);) use(f.object); */
typedef struct ks_free_volumes {
    const ks_store *store;
    ks_tree_iter iter; /* private */
    uint64_t group;    /* private: class, access modes and whose they are */
    uint64_t size;     /* about how large it is: the larger the larger */
    const ks_object *object;
} ks_free_volumes;
ks_free_volumes ks_free_volumes_of(const ks_store *s, const char *class, unsigned modes,
                                   ks_quantity least);
/* The same of one sort: those that nodes with this value of the label may use; NULL, where the sort has none. */
ks_free_volumes ks_free_volumes_at(const ks_free_sorts *sort, const ks_str *value,
                                   ks_quantity least);
bool ks_free_volumes_next(ks_free_volumes *walk);
/* Whether any volume is free at all. */
static inline bool ks_any_free_volume(const ks_store *s) { return s->maps.free_sorts.count > 0; }
/* Whether none is free that has the class, those modes and maybe others, and that size. */
bool ks_no_free_volume(const ks_store *s, const char *class, unsigned want, ks_quantity least);
/* Puts a volume aside, or back: ks_free_volumes_at() does not come to it until it is put back or has a new version. For the scheduler, which
 * alone walks so, and gives away what it has not written yet. */
void ks_free_volume_aside(ks_store *s, const ks_object *volume, bool aside);
/* Whether that is the least capacity of all that are about as large. */
bool ks_is_least_of_size(ks_quantity capacity);

#endif
