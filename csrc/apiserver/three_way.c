/*
 * apiserver/three_way.c - the patch that `kubectl apply` sends: what the manifest changes or adds
 * over the live object, and what it no longer has of the last applied one.
 *
 * k8s.io/apimachinery/pkg/util/strategicpatch/patch.go: CreateThreeWayMergePatch, diffMaps and what
 * it calls. Called by the binding.
 */
#include "apiserver/internal.h"

#include <string.h>

typedef struct differ {
    ks_heap *heap;
    bool deletions; /* note what is gone; else what has changed or come */
    ks_refusal *refusal;
} differ;

static ks_val diff_maps(differ *d, ks_val original, ks_val modified, const ks_type *type,
                        bool retain);

static void fail(differ *d, ks_val item, const ks_str *key) {
    ks_buf text = {.heap = d->heap};
    ks_print_go(&text, item);
    if (d->refusal == NULL)
        d->refusal = ks_refuse(d->heap, 500, "", "map: %s does not contain declared merge key: %s",
                               text.s, key->s);
    ks_buf_dispose(&text);
}

/* --- order by text, as upstream compares scalars and merge keys --- */

static int compare_printed(ks_heap *heap, ks_val a, ks_val b) {
    if (a.type == KS_STRING && b.type == KS_STRING) return ks_str_cmp(a.s, b.s);
    ks_buf x = {.heap = heap}, y = {.heap = heap};
    ks_print_go(&x, a);
    ks_print_go(&y, b);
    int order = strcmp(x.s, y.s);
    ks_buf_dispose(&x);
    ks_buf_dispose(&y);
    return order;
}

static ks_val key_of(ks_val item, const ks_str *key) {
    return key != NULL ? ks_get(item, key) : item;
}

/* A sorted copy (by the printed value under `key`, or of the items). What is equal is turned round: upstream's Less is true of it, too
 * (SortableSliceOfMaps), so its insertion sort exchanges it: ports of a Service of one number and two protocols. */
static ks_val sorted_by(ks_heap *heap, ks_val list, const ks_str *key) {
    ks_val out = ks_list_new(heap, ks_len(list));
    ks_each(item, list) {
        uint32_t at = ks_len(out);
        while (at > 0 &&
               compare_printed(heap, key_of(ks_at(out, at - 1), key), key_of(*item, key)) >= 0)
            at--;
        out = ks_insert_at(heap, out, at, ks_ref(*item));
    }
    return out;
}

/* --- lists --- */

typedef struct list_diff {
    ks_val patch, deleted, order; /* KS_NOTHING: none */
} list_diff;

/* Walks both lists in order of their keys; `pair` sees what is in both, or only in one (the other
 * then KS_NONE). */
static void walk_sorted(differ *d, ks_val original, ks_val modified, const ks_str *key,
                        void *payload,
                        void (*pair)(differ *d, void *payload, ks_val before, ks_val after)) {
    ks_val a = sorted_by(d->heap, original, key), b = sorted_by(d->heap, modified, key);
    uint32_t i = 0, j = 0;
    while ((i < ks_len(a) || j < ks_len(b)) && d->refusal == NULL) {
        int order = i >= ks_len(a)   ? 1
                    : j >= ks_len(b) ? -1
                                     : compare_printed(d->heap, key_of(ks_at(a, i), key),
                                                       key_of(ks_at(b, j), key));
        ks_val before = order <= 0 ? ks_at(a, i++) : KS_NOTHING;
        ks_val after = order >= 0 ? ks_at(b, j++) : KS_NOTHING;
        pair(d, payload, before, after);
    }
    ks_unref(d->heap, a);
    ks_unref(d->heap, b);
}

typedef struct maps_diff {
    const ks_patch_meta *meta;
    ks_val patch, deleted;
} maps_diff;

static void diff_items(differ *d, void *payload, ks_val before, ks_val after) {
    maps_diff *out = payload;
    ks_heap *heap = d->heap;
    const ks_str *key = out->meta->merge_key;
    if (before.type != KS_NONE && after.type != KS_NONE) {
        ks_val change = diff_maps(d, before, after, out->meta->type, out->meta->retain_keys);
        if (ks_len(change) > 0)
            out->patch =
                ks_append(heap, out->patch, ks_put(heap, change, key, ks_ref(ks_get(after, key))));
        else
            ks_unref(heap, change);
    } else if (after.type != KS_NONE) {
        if (!d->deletions) out->patch = ks_append(heap, out->patch, ks_ref(after));
    } else if (d->deletions) {
        ks_val gone = ks_put(heap, KS_NOTHING, key, ks_ref(ks_get(before, key)));
        out->deleted =
            ks_append(heap, out->deleted, ks_put(heap, gone, K(_patch), ks_text(heap, "delete")));
    }
}

static bool all_have_key(differ *d, ks_val list, const ks_str *key) {
    ks_each(item, list) {
        if (ks_get(*item, key).type != KS_NONE) continue;
        fail(d, *item, key);
        return false;
    }
    return true;
}

static bool same_order(ks_val a, ks_val b, const ks_str *key) {
    if (ks_len(a) != ks_len(b)) return false;
    for (uint32_t i = 0; i < ks_len(a); i++)
        if (!ks_equal(ks_get(ks_at(a, i), key), ks_get(ks_at(b, i), key))) return false;
    return true;
}

static list_diff diff_map_lists(differ *d, ks_val original, ks_val modified,
                                const ks_patch_meta *meta) {
    ks_heap *heap = d->heap;
    maps_diff diff = {meta, KS_NOTHING, KS_NOTHING};
    list_diff out = {KS_NOTHING, KS_NOTHING, KS_NOTHING};
    if (!all_have_key(d, original, meta->merge_key) || !all_have_key(d, modified, meta->merge_key))
        return out;
    walk_sorted(d, original, modified, meta->merge_key, &diff, diff_items);
    if (ks_len(diff.patch) > 0)
        diff.patch = ks_sort_by(heap, diff.patch, modified, meta->merge_key);
    ks_each(gone, diff.deleted) diff.patch = ks_append(heap, diff.patch, ks_ref(*gone));
    ks_unref(heap, diff.deleted);
    out.patch = diff.patch;
    bool changed = ks_len(out.patch) > 0;
    if (changed || (!d->deletions && !same_order(original, modified, meta->merge_key))) {
        out.order = ks_list_new(heap, ks_len(modified));
        ks_each(item, modified) {
            ks_val name = ks_ref(ks_get(*item, meta->merge_key));
            out.order = ks_append(heap, out.order, ks_put(heap, KS_NOTHING, meta->merge_key, name));
        }
    }
    return out;
}

static void diff_scalars(differ *d, void *payload, ks_val before, ks_val after) {
    list_diff *out = payload;
    if (before.type == KS_NONE && !d->deletions)
        out->patch = ks_append(d->heap, out->patch, ks_ref(after));
    else if (after.type == KS_NONE && d->deletions && ks_find_item(out->deleted, NULL, before) < 0)
        out->deleted = ks_append(d->heap, out->deleted, ks_ref(before));
}

static list_diff diff_lists(differ *d, ks_val original, ks_val modified,
                            const ks_patch_meta *meta) {
    list_diff out = {KS_NOTHING, KS_NOTHING, KS_NOTHING};
    if (ks_len(original) == 0) {
        if (ks_len(modified) > 0 && !d->deletions) out.patch = ks_ref(modified);
        return out;
    }
    bool maps = ks_at(original, 0).type == KS_MAP;
    if (maps && meta->merge_key != NULL) return diff_map_lists(d, original, modified, meta);
    walk_sorted(d, original, modified, NULL, &out, diff_scalars);
    if (ks_len(out.patch) > 0) out.patch = ks_sort_by(d->heap, out.patch, modified, NULL);
    if (ks_len(out.deleted) > 0 || (!d->deletions && !ks_equal(original, modified)))
        out.order = ks_ref(modified);
    return out;
}

/* --- maps --- */

/* patch["$prefix/key"] = value (taken over), where there is one. */
static ks_val put_parallel(ks_heap *heap, ks_val patch, const char *prefix, const ks_str *key,
                           ks_val value) {
    if (ks_len(value) == 0) {
        ks_unref(heap, value);
        return patch;
    }
    ks_buf name = {.heap = heap};
    ks_buf_printf(&name, "%s/%s", prefix, key->s);
    const ks_str *interned = ks_intern(heap, name.s, name.len);
    ks_buf_dispose(&name);
    patch = ks_put(heap, patch, interned, value);
    ks_str_unref(heap, interned);
    return patch;
}

static ks_val diff_member(differ *d, ks_val patch, const ks_str *key, ks_val before, ks_val after,
                          const ks_type *type) {
    ks_heap *heap = d->heap;
    ks_patch_meta meta = ks_patch_meta_of(type, key);
    if (before.type == KS_MAP && after.type == KS_MAP) {
        /* handleMapDiff: such a field is in every patch, changed or not */
        if (ks_patch_replaces(type, key))
            return d->deletions ? patch : ks_put(heap, patch, key, ks_ref(after));
        ks_val change = diff_maps(d, before, after, meta.type, meta.retain_keys);
        if (ks_len(change) > 0) return ks_put(heap, patch, key, change);
        ks_unref(heap, change);
        return patch;
    }
    if (before.type == KS_LIST && after.type == KS_LIST && meta.merge) {
        list_diff change = diff_lists(d, before, after, &meta);
        if (ks_len(change.patch) > 0)
            patch = ks_put(heap, patch, key, change.patch);
        else
            ks_unref(heap, change.patch);
        patch = put_parallel(heap, patch, "$deleteFromPrimitiveList", key, change.deleted);
        return put_parallel(heap, patch, "$setElementOrder", key, change.order);
    }
    if (d->deletions || ks_equal(before, after)) return patch;
    return ks_put(heap, patch, key, ks_ref(after));
}

static bool has_more(ks_val original, ks_val modified) {
    for (uint32_t i = 0; i < ks_len(original); i++) {
        const ks_pair *pair = ks_pair_at(original, i);
        if (pair->val.type != KS_NULL && ks_get(modified, pair->key).type == KS_NONE) return true;
    }
    return false;
}

/* `retain`: a change of this map lists the keys that stay. */
static ks_val diff_maps(differ *d, ks_val original, ks_val modified, const ks_type *type,
                        bool retain) {
    ks_heap *heap = d->heap;
    ks_val patch = ks_map_new(heap, 4), kept = KS_NOTHING;
    for (uint32_t i = 0; i < ks_len(modified) && d->refusal == NULL; i++) {
        const ks_pair *pair = ks_pair_at(modified, i);
        if (retain && pair->val.type != KS_NULL) kept = ks_append(heap, kept, ks_string(pair->key));
        ks_val before = ks_get(original, pair->key);
        if (before.type == KS_NONE) {
            if (!d->deletions) patch = ks_put(heap, patch, pair->key, ks_ref(pair->val));
        } else {
            patch = diff_member(d, patch, pair->key, before, pair->val, type);
        }
    }
    for (uint32_t i = 0; d->deletions && i < ks_len(original); i++) {
        const ks_str *key = ks_pair_at(original, i)->key;
        if (ks_get(modified, key).type == KS_NONE) patch = ks_put(heap, patch, key, ks_null());
    }
    if (ks_len(kept) > 0 && (ks_len(patch) > 0 || has_more(original, modified)))
        return ks_put(heap, patch, K(_retainKeys), kept);
    ks_unref(heap, kept);
    return patch;
}

static ks_refusal *check_unchanged(ks_heap *heap, ks_val patch) {
    bool changes = ks_get(patch, K(apiVersion)).type != KS_NONE ||
                   ks_get(patch, K(kind)).type != KS_NONE ||
                   ks_get2(patch, K(metadata), K(name)).type != KS_NONE;
    if (!changes) return NULL;
    return ks_refuse(heap, 0, "", "%s", "At least one of apiVersion, kind and name was changed");
}

ks_refusal *ks_patch_three_way(ks_heap *heap, ks_kind kind, ks_val original, ks_val modified,
                               ks_val current, ks_val *patch) {
    const ks_type *type = ks_kind_get(kind)->type;
    differ changes = {.heap = heap}, deletions = {.heap = heap, .deletions = true};
    *patch = KS_NOTHING;
    ks_val delta = diff_maps(&changes, current, modified, type, false);
    ks_val gone = diff_maps(&deletions, original, modified, type, false);
    if (changes.refusal != NULL || deletions.refusal != NULL) {
        ks_unref(heap, delta);
        ks_unref(heap, gone);
        if (changes.refusal == NULL) return deletions.refusal;
        if (deletions.refusal != NULL) ks_refusal_free(heap, deletions.refusal);
        return changes.refusal;
    }
    ks_val merged = KS_NOTHING;
    ks_refusal *refusal = ks_patch_combine(heap, type, gone, delta, &merged);
    if (refusal != NULL) return refusal;
    refusal = check_unchanged(heap, merged);
    if (refusal != NULL)
        ks_unref(heap, merged);
    else
        *patch = merged;
    return refusal;
}
