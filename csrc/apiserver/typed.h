/*
 * apiserver/typed.h - does a configuration fit the schema by which server-side apply merges?
 *
 * Called by apply.c before anything else is made of the document.
 */
#ifndef KS_APISERVER_TYPED_H
#define KS_APISERVER_TYPED_H

#include "apiserver/managed.h"

/* What does not fit, as the server words it ("errors:" and lines where there are several); NULL when all does. A new
 * reference. structured-merge-diff/v6/typed/validate.go, helpers.go, fieldpath/element.go. */
const ks_str *ks_typed_errors(ks_heap *heap, const ks_type *type, ks_val config);

/* An item's place in a list as paths show it, of its name in a set: [name="c"], [="x"]. */
void ks_typed_place(ks_buf *out, const ks_str *name);

#endif
