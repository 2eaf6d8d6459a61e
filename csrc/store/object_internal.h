/*
 * store/object_internal.h - how store.c makes and keeps versions; nobody else does.
 */
#ifndef KS_STORE_OBJECT_INTERNAL_H
#define KS_STORE_OBJECT_INTERNAL_H

#include "store/store.h"

/* A version with one reference; takes over `doc`. `old`: the version before, or NULL. */
const ks_object *ks_object__new(ks_world *world, ks_kind kind, ks_val doc, const ks_object *old,
                                uint64_t id, uint64_t version);
/* The same of parts, which are taken over; and one that says what `object` says, as its next version. */
const ks_object *ks_object__of_parts(ks_world *world, ks_kind kind, ks_parts parts,
                                     const ks_object *old, uint64_t id, uint64_t version);
const ks_object *ks_object__again(ks_world *world, const ks_object *object, uint64_t version);

/* --- store.c, for naming.c --- */
ks_key ks_store__name_key(ks_kind kind, const ks_str *ns, const ks_str *name);
/* Where an object is, in a word that is neither 0 nor UINT64_MAX; the id and the kind in it; and the object that is there, or NULL. */
uint64_t ks_store__place(const ks_object *object);
static inline uint64_t ks_store__place_of(ks_kind kind, uint64_t id) {
    return (uint64_t)kind << 56 | id;
}
uint64_t ks_store__id_at(uint64_t place);
static inline ks_kind ks_store__kind_at(uint64_t place) { return (ks_kind)(place >> 56); }
const ks_object *ks_store__resolve(const ks_store *s, uint64_t place);

/* --- naming.c, for store.c --- */
/* Notes in a new version where that is which it names. */
void ks_store__note_named(ks_store *s, ks_object *object, const ks_object *old);
/* A new version (NULL: it goes) of what `old` was (NULL: it is new). */
void ks_store__index_named(ks_store *s, const ks_object *object, const ks_object *old);
/* Who of a kind names whom. */
const ks_ties *ks_store__ties_of(const ks_store *s, ks_kind kind);
/* An object that may be named is there, under its name; or it goes. */
void ks_store__named_comes(ks_store *s, const ks_object *object);
void ks_store__named_goes(ks_store *s, const ks_object *object);

/* --- free_volumes.c, for store.c --- */
extern const ks_tree_type ks_store__labels_type; /* values are counted strings */
/* A volume has a new version (NULL: it goes); `old`: the one before (NULL: it is new). */
void ks_store__note_free(ks_store *s, const ks_object *volume, const ks_object *old);

/* --- free_volumes.c, for object.c --- */
/* The class that a claim or a volume names, read off the document; NULL: none. */
const ks_str *ks_store__class_of(const ks_object *object);

/* --- spaces.c, for store.c --- */
void ks_spaces__ref(struct ks_spaces *spaces);
void ks_spaces__unref(ks_heap *heap, struct ks_spaces *spaces);
/* Where the objects of a kind are that are in a namespace: all there are, none of them, or those in `ids` under {*hash, id}: some of other
 * namespaces may be among these. */
enum ks_spaces_answer { KS_SPACES_ALL, KS_SPACES_NONE, KS_SPACES_INDEXED };
enum ks_spaces_answer ks_spaces__look(const ks_store *s, ks_kind kind, const ks_str *ns,
                                      const ks_tree **ids, uint64_t *hash);
/* The pods with a label in a namespace, under {*hash, id}, and maybe others; NULL: walk through all. */
const ks_tree *ks_spaces__labelled(const ks_store *s, const ks_str *ns, const ks_pair *label,
                                   uint64_t *hash);
/* A pod has a new version. */
void ks_spaces__relabel(ks_store *s, const ks_object *pod, const ks_object *old);
/* An object goes. */
void ks_spaces__forget(ks_store *s, const ks_object *object);

/* --- ahead.c, for maps of versions that are let go (ks_ids_type) --- */
/* Asks for the memory that freeing a version reads, one level of its document after the other. */
enum { KS_STEPS_OF_LEAVING = 3 };
void ks_version__leaves(const void *version, int step);

/* --- brief.c: the word that stands for a version where the store keeps it --- */
static inline bool ks_version__is_brief(const void *version) {
    return ((uintptr_t)version & 1U) != 0;
}
/* Where it lies. */
static inline const void *ks_version__address(const void *version) {
    return (const char *)version - ((uintptr_t)version & 1U);
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
