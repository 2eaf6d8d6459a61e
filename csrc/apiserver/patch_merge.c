/*
 * apiserver/patch_merge.c - RFC 7386: null removes, maps merge, all else replaces. Called by
 * patch.c.
 */
#include "apiserver/internal.h"

/* A value for a place where nothing was: without the nulls of its maps, those in lists, too (takes over). */
static ks_val without_nulls(ks_heap *heap, ks_val v) {
    if (v.type == KS_LIST) {
        ks_val kept = ks_list_new(heap, ks_len(v));
        ks_each(item, v) kept = ks_append(heap, kept, without_nulls(heap, ks_ref(*item)));
        ks_unref(heap, v);
        return kept;
    }
    if (v.type != KS_MAP) return v;
    return ks_patch_merge(heap, ks_map_new(heap, ks_len(v)), v);
}

ks_val ks_patch_merge(ks_heap *heap, ks_val doc, ks_val patch) {
    if (patch.type != KS_MAP) {
        ks_unref(heap, doc);
        return patch;
    }
    if (doc.type != KS_MAP) {
        ks_unref(heap, doc);
        doc = ks_map_new(heap, ks_len(patch));
    }
    for (uint32_t i = 0; i < ks_len(patch); i++) {
        const ks_pair *pair = ks_pair_at(patch, i);
        ks_val before = ks_get(doc, pair->key);
        if (pair->val.type == KS_NULL)
            doc = ks_drop(heap, doc, pair->key);
        else if (before.type == KS_MAP && pair->val.type == KS_MAP)
            doc = ks_put(heap, doc, pair->key,
                         ks_patch_merge(heap, ks_ref(before), ks_ref(pair->val)));
        else
            doc = ks_put(heap, doc, pair->key, without_nulls(heap, ks_ref(pair->val)));
    }
    ks_unref(heap, patch);
    return doc;
}
