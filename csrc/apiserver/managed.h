/*
 * apiserver/managed.h - who owns which field: the sets of metadata.managedFields.
 *
 * A set is a document in the form of FieldsV1: {"f:spec": {"f:replicas": {}}}; KS_NOTHING is the
 * empty set. An empty map is a member; a member with members below it has ".": {}.
 */
#ifndef KS_APISERVER_MANAGED_H
#define KS_APISERVER_MANAGED_H

#include "apiserver/internal.h"

/* What a value is, for ownership: its structure, and whether it is owned as a whole. */
typedef struct ks_owned {
    const ks_spec *spec;   /* NULL: free-form, owned as a whole */
    const ks_field *field; /* where it is a field: list type and keys; else NULL */
    const ks_type *type;   /* of the root, which has no spec */
} ks_owned;
ks_owned ks_owned_root(const ks_type *type);
/* The value under `key` of a map or struct; of the items of a list. */
ks_owned ks_owned_member(ks_owned of, const ks_str *key);
ks_owned ks_owned_item(ks_owned of);
bool ks_owned_whole(ks_owned of, ks_val value);
/* How an item of a list is named in sets ("k:{...}", "v:..."), interned: a new reference. */
const ks_str *ks_owned_name(ks_heap *heap, ks_owned list, ks_val item);

/* The fields of a document (borrowed), without those that nobody owns. */
ks_val ks_fields_of(ks_heap *heap, const ks_type *type, ks_val doc);
/* What is new or different in `after`, and what is there no longer; KS_NOTHING `before`: an object
 * that is new. Of a map, list or pointer that came or went whole its root is a member, too. */
typedef struct ks_fields_diff {
    ks_val changed, removed;
} ks_fields_diff;
ks_fields_diff ks_fields_compare(ks_heap *heap, const ks_type *type, ks_val before, ks_val after);
/* Set algebra: takes over `a`, borrows `b`. */
ks_val ks_fields_union(ks_heap *heap, ks_val a, ks_val b);
ks_val ks_fields_minus(ks_heap *heap, ks_val a, ks_val b);
/* `a` without that at or below which `b` has something: what goes when b alone stays. */
ks_val ks_fields_beyond(ks_heap *heap, ks_val a, ks_val b);
ks_val ks_fields_common(ks_heap *heap, ks_val a, ks_val b);
/* Is the root of this set (a part of one) a member? */
bool ks_fields_member(ks_val set);

/* managedFields after a write by r->manager from `before` (KS_NOTHING: creation) to `after`: a new
 * reference. */
ks_val ks_managed_update(const ks_request *r, ks_val managed, ks_val before, ks_val after);
/* The list with an entry in its place. Takes over both. */
ks_val ks_managed_with(ks_heap *heap, ks_val list, ks_val entry);
/* An entry of managedFields; takes over `fields`. */
ks_val ks_managed_entry(const ks_request *r, const char *operation, ks_val fields);

#endif
