/*
 * apiserver/patch_strategic.c - strategic merge patches, driven by the schema's tables: merge keys,
 * retained keys, $patch, $deleteFromPrimitiveList, $setElementOrder.
 *
 * k8s.io/apimachinery/pkg/util/strategicpatch/patch.go: mergeMap and what it calls. The same walk
 * combines two patches into one
 * (`apply` false), which three_way.c needs. Called by patch.c and three_way.c.
 */
#include "apiserver/internal.h"

#include <stdio.h>
#include <string.h>

typedef struct merger {
    ks_heap *heap;
    bool apply;          /* onto a document: directives are carried out; else they are kept */
    ks_refusal *refusal; /* the first */
} merger;

static const char order_prefix[] = "$setElementOrder";
static const char delete_prefix[] = "$deleteFromPrimitiveList";

static bool starts(const ks_str *key, const char *prefix) {
    size_t len = strlen(prefix);
    return key->len >= len && memcmp(key->s, prefix, len) == 0;
}

bool ks_is_directive(const ks_str *key) { return key->len > 0 && key->s[0] == '$'; }

/* --- what fields are --- */

ks_patch_meta ks_patch_meta_of(const ks_type *type, const ks_str *name) {
    const ks_field *field = type != NULL ? ks_type_field(type, name) : NULL;
    if (field == NULL) return (ks_patch_meta){NULL, false, false, NULL};
    const ks_spec *spec = &field->spec;
    ks_patch_meta meta = {NULL, field->merge, field->replace_keys, ks_field_merge_key(field)};
    if (spec->shape == KS_SHAPE_STRUCT) meta.type = ks_spec_type(spec);
    if (spec->shape == KS_SHAPE_LIST && ks_spec_item(spec)->shape == KS_SHAPE_STRUCT)
        meta.type = ks_spec_type(ks_spec_item(spec));
    return meta;
}

/* The one struct whose strategy is "replace": policy/v1 PodDisruptionBudgetSpec.selector. */
bool ks_patch_replaces(const ks_type *type, const ks_str *name) {
    return type != NULL && name == K(selector) &&
           strcmp(ks_type_go_name(type), "PodDisruptionBudgetSpec") == 0;
}

/* --- printing as Go does --- */

void ks_print_go(ks_buf *out, ks_val v) {
    switch (v.type) {
    case KS_NONE:
    case KS_NULL: ks_buf_puts(out, "<nil>"); break;
    case KS_BOOL: ks_buf_puts(out, v.b ? "true" : "false"); break;
    case KS_INT: ks_buf_printf(out, "%lld", (long long)v.i); break;
    case KS_FLOAT: ks_buf_printf(out, "%g", v.f); break;
    case KS_STRING: ks_buf_str(out, v.s); break;
    case KS_LIST:
        ks_buf_putc(out, '[');
        for (uint32_t i = 0; i < ks_len(v); i++) {
            if (i > 0) ks_buf_putc(out, ' ');
            ks_print_go(out, ks_at(v, i));
        }
        ks_buf_putc(out, ']');
        break;
    case KS_MAP:
        ks_buf_puts(out, "map[");
        for (uint32_t i = 0; i < ks_len(v); i++) {
            if (i > 0) ks_buf_putc(out, ' ');
            ks_buf_str(out, ks_pair_at(v, i)->key);
            ks_buf_putc(out, ':');
            ks_print_go(out, ks_pair_at(v, i)->val);
        }
        ks_buf_putc(out, ']');
        break;
    }
}

/* --- refusing --- */

/* An error that is no Status: 500 without a reason. Takes over the text. */
static void fail_text(merger *m, ks_buf *text) {
    if (m->refusal == NULL) m->refusal = ks_refuse(m->heap, 500, "", "%s", text->s);
    ks_buf_dispose(text);
}

static void fail(merger *m, const char *why) {
    if (m->refusal == NULL) m->refusal = ks_refuse(m->heap, 500, "", "%s", why);
}

static void bad_format(merger *m, const char *why) {
    if (m->refusal == NULL) m->refusal = ks_refuse(m->heap, 400, "BadRequest", "%s", why);
}

static void no_merge_key(merger *m, ks_val item, const ks_str *key) {
    ks_buf text = {.heap = m->heap};
    ks_buf_puts(&text, "map: ");
    ks_print_go(&text, item);
    ks_buf_printf(&text, " does not contain declared merge key: %s", key->s);
    fail_text(m, &text);
}

static void bad_directive(merger *m, ks_val directive, ks_val in) {
    ks_buf text = {.heap = m->heap};
    ks_buf_puts(&text, "unknown patch type: ");
    const char *type = directive.type == KS_NULL    ? ""
                       : directive.type == KS_INT   ? "int64="
                       : directive.type == KS_FLOAT ? "float64="
                       : directive.type == KS_BOOL  ? "bool="
                                                    : NULL;
    if (type != NULL) ks_buf_printf(&text, "%%!s(%s", type);
    ks_print_go(&text, directive);
    if (type != NULL) ks_buf_putc(&text, ')');
    ks_buf_puts(&text, " in map: ");
    ks_print_go(&text, in);
    fail_text(m, &text);
}

/* What both lists hold: KS_MAP, or KS_STRING for scalars of any type; KS_NONE after a refusal. */
static ks_kindof item_kind(merger *m, ks_val a, ks_val b) {
    ks_kindof kind = KS_NONE;
    for (int i = 0; i < 2; i++) {
        ks_each(item, i == 0 ? a : b) {
            if (kind == KS_NONE && item->type == KS_LIST) {
                if (m->refusal == NULL)
                    m->refusal =
                        ks_refuse(m->heap, 422, "Invalid",
                                  "the server rejected our request due to an error in our request");
                return KS_NONE;
            }
            if (kind != KS_NONE && item->type != kind) {
                ks_buf text = {.heap = m->heap};
                ks_buf_puts(&text, "list element types are not identical: [");
                ks_print_go(&text, a);
                ks_buf_putc(&text, ' ');
                ks_print_go(&text, b);
                ks_buf_putc(&text, ']');
                fail_text(m, &text);
                return KS_NONE;
            }
            kind = item->type;
        }
    }
    if (kind == KS_NONE) fail(m, "no elements in any of the given slices");
    return kind == KS_NONE || kind == KS_MAP ? kind : KS_STRING;
}

/* --- lists --- */

int64_t ks_find_item(ks_val list, const ks_str *key, ks_val value) {
    for (uint32_t i = 0; i < ks_len(list); i++) {
        ks_val item = ks_at(list, i), its = key != NULL ? ks_get(item, key) : item;
        if (its.type != KS_NONE && ks_equal(its, value)) return i;
    }
    return -1;
}

static ks_val key_of(ks_val item, const ks_str *key) {
    return key != NULL ? ks_get(item, key) : item;
}

static bool is_deletion(ks_val item) { return ks_text_is(ks_get(item, K(_patch)), "delete"); }

ks_val ks_sort_by(ks_heap *heap, ks_val list, ks_val order, const ks_str *merge_key) {
    uint32_t count = ks_len(list);
    ks_val sorted = ks_list_new(heap, count), deletions = KS_NOTHING;
    for (uint32_t i = 0; i < count; i++) {
        ks_val item = ks_at(list, i);
        if (merge_key != NULL && is_deletion(item)) {
            deletions = ks_append(heap, deletions, ks_ref(item));
            continue;
        }
        /* insertion as Go's stable sort does it: an element that the order does not know moves to
         * the front */
        int64_t mine = ks_find_item(order, merge_key, key_of(item, merge_key));
        uint32_t at = ks_len(sorted);
        while (at > 0) {
            int64_t its = ks_find_item(order, merge_key, key_of(ks_at(sorted, at - 1), merge_key));
            if (mine >= 0 && its >= 0 && mine >= its) break;
            at--;
        }
        sorted = ks_insert_at(heap, sorted, at, ks_ref(item));
    }
    ks_each(item, deletions) sorted = ks_append(heap, sorted, ks_ref(*item));
    ks_unref(heap, deletions);
    ks_unref(heap, list);
    return sorted;
}

/* mergeSortedSlice: takes over both lists. */
static ks_val interleave(ks_heap *heap, ks_val server_only, ks_val patched, ks_val order,
                         const ks_str *key) {
    ks_val all = ks_list_new(heap, ks_len(server_only) + ks_len(patched));
    uint32_t i = 0, j = 0, left = ks_len(server_only), right = ks_len(patched);
    while (i < left || j < right) {
        bool take_left = j >= right;
        if (i < left && j < right) {
            int64_t l = ks_find_item(order, key, key_of(ks_at(server_only, i), key));
            int64_t r = ks_find_item(order, key, key_of(ks_at(patched, j), key));
            take_left = l >= 0 && r >= 0 && l < r;
        }
        all =
            ks_append(heap, all, ks_ref(take_left ? ks_at(server_only, i++) : ks_at(patched, j++)));
    }
    ks_unref(heap, server_only);
    ks_unref(heap, patched);
    return all;
}

static bool all_have_key(merger *m, ks_val list, const ks_str *key) {
    ks_each(item, list) {
        if (ks_get(*item, key).type != KS_NONE) continue;
        no_merge_key(m, *item, key);
        return false;
    }
    return true;
}

/* Partition by what `named` names, sort both parts, interleave (takes over `merged`). */
static ks_val order_items(merger *m, ks_val merged, ks_val named, ks_val server_order,
                          const ks_str *key) {
    ks_heap *heap = m->heap;
    if (key != NULL && (!all_have_key(m, merged, key) || !all_have_key(m, named, key) ||
                        !all_have_key(m, server_order, key))) {
        ks_unref(heap, merged);
        return KS_NOTHING;
    }
    ks_val patched = ks_list_new(heap, 4), server_only = ks_list_new(heap, 4);
    ks_each(item, merged) {
        if (ks_find_item(named, key, key_of(*item, key)) >= 0)
            patched = ks_append(heap, patched, ks_ref(*item));
        else
            server_only = ks_append(heap, server_only, ks_ref(*item));
    }
    patched = ks_sort_by(heap, patched, named, key);
    server_only = ks_sort_by(heap, server_only, server_order, key);
    ks_unref(heap, merged);
    return interleave(heap, server_only, patched, server_order, key);
}

/* --- values that go where nothing was --- */

/* Without what carries a $patch directive; KS_NOTHING when that is all (takes over). */
static ks_val without_directives(ks_heap *heap, ks_val v) {
    if (v.type == KS_MAP) {
        if (ks_get(v, K(_patch)).type != KS_NONE) {
            ks_unref(heap, v);
            return KS_NOTHING;
        }
        ks_val out = ks_ref(v);
        for (uint32_t i = 0; i < ks_len(v); i++) {
            const ks_pair *pair = ks_pair_at(v, i);
            if (pair->val.type < KS_LIST) continue;
            ks_val kept = without_directives(heap, ks_ref(pair->val));
            out = ks_put(heap, out, pair->key, kept);
        }
        ks_unref(heap, v);
        return out;
    }
    if (v.type != KS_LIST) return v;
    ks_val out = ks_list_new(heap, ks_len(v));
    ks_each(item, v) {
        ks_val kept = without_directives(heap, ks_ref(*item));
        if (kept.type != KS_NONE) out = ks_append(heap, out, kept);
    }
    ks_unref(heap, v);
    return out;
}

static ks_val without_nulls(ks_heap *heap, ks_val v) {
    if (v.type == KS_MAP) {
        ks_val out = ks_ref(v);
        for (uint32_t i = 0; i < ks_len(v); i++) {
            const ks_pair *pair = ks_pair_at(v, i);
            if (pair->val.type == KS_NULL)
                out = ks_drop(heap, out, pair->key);
            else if (pair->val.type >= KS_LIST)
                out = ks_put(heap, out, pair->key, without_nulls(heap, ks_ref(pair->val)));
        }
        ks_unref(heap, v);
        return out;
    }
    if (v.type != KS_LIST) return v;
    ks_val out = ks_list_new(heap, ks_len(v));
    ks_each(item, v) out = ks_append(heap, out, without_nulls(heap, ks_ref(*item)));
    ks_unref(heap, v);
    return out;
}

static ks_val fresh(const merger *m, ks_val v) {
    if (m->apply) v = without_nulls(m->heap, v);
    return without_directives(m->heap, v);
}

/* --- merging --- */

static ks_val merge_map(merger *m, ks_val original, ks_val patch, const ks_type *type);

static ks_val deduplicated(ks_heap *heap, ks_val list) {
    ks_val out = ks_list_new(heap, ks_len(list));
    ks_each(item, list) {
        if (ks_find_item(out, NULL, *item) < 0) out = ks_append(heap, out, ks_ref(*item));
    }
    ks_unref(heap, list);
    return out;
}

/* Carries out the elements with a directive: $patch: delete removes from *original, $patch: replace
 * makes the rest of the patch the whole list. Gives the elements without one, to merge. */
static ks_val special_elements(merger *m, ks_val *original, ks_val patch, const ks_str *key) {
    ks_heap *heap = m->heap;
    ks_val plain = ks_list_new(heap, ks_len(patch));
    bool replace = false;
    ks_each(item, patch) {
        ks_val directive = ks_get(*item, K(_patch));
        if (directive.type == KS_NONE) {
            plain = ks_append(heap, plain, ks_ref(*item));
        } else if (ks_text_is(directive, "delete")) {
            ks_val value = ks_get(*item, key);
            if (value.type == KS_NONE) no_merge_key(m, *item, key);
            for (int64_t i;
                 value.type != KS_NONE && (i = ks_find_item(*original, key, value)) >= 0;)
                *original = ks_remove_at(heap, *original, (uint32_t)i);
        } else if (ks_text_is(directive, "replace")) {
            replace = true;
        } else if (ks_text_is(directive, "merge")) {
            fail(m, "merging lists cannot yet be specified in the patch");
        } else {
            bad_directive(m, directive, *item);
        }
    }
    if (!replace) return plain;
    ks_unref(heap, *original);
    *original = plain;
    return ks_list_new(heap, 0);
}

/* mergeSliceWithoutSpecialElements: takes over `original`. */
static ks_val merge_elements(merger *m, ks_val original, ks_val patch, const ks_patch_meta *meta) {
    ks_heap *heap = m->heap;
    ks_each(item, patch) {
        ks_val value = ks_get(*item, meta->merge_key);
        if (value.type == KS_NONE) {
            no_merge_key(m, *item, meta->merge_key);
            break;
        }
        int64_t at = ks_find_item(original, meta->merge_key, value);
        if (at < 0) {
            original = ks_append(heap, original, ks_ref(*item));
            continue;
        }
        ks_val merged =
            merge_map(m, ks_ref(ks_at(original, (uint32_t)at)), ks_ref(*item), meta->type);
        if (m->refusal != NULL) {
            ks_unref(heap, merged);
            break;
        }
        original = ks_set_at(heap, original, (uint32_t)at, merged);
    }
    return original;
}

/* mergeSlice: takes over both lists. `deletes`: the patch lists scalars to remove. */
static ks_val merge_list(merger *m, ks_val original, ks_val patch, const ks_patch_meta *meta,
                         bool deletes) {
    ks_heap *heap = m->heap;
    ks_val merged;
    if (ks_len(original) == 0 && ks_len(patch) == 0) {
        ks_unref(heap, patch);
        return original;
    }
    ks_kindof kind = item_kind(m, original, patch);
    if (kind == KS_NONE) {
        ks_unref(heap, patch);
        return original;
    }
    if (kind != KS_MAP) {
        merged = ks_ref(original);
        if (m->apply && deletes) {
            ks_unref(heap, merged);
            merged = ks_list_new(heap, ks_len(original));
            ks_each(item, original) {
                if (ks_find_item(patch, NULL, *item) < 0)
                    merged = ks_append(heap, merged, ks_ref(*item));
            }
            ks_unref(heap, original);
            ks_unref(heap, patch);
            return merged;
        }
        ks_each(item, patch) merged = ks_append(heap, merged, ks_ref(*item));
        merged = deduplicated(heap, merged);
    } else if (meta->merge_key == NULL) {
        fail(m, "cannot merge lists without merge key");
        ks_unref(heap, patch);
        return original;
    } else {
        ks_val plain = special_elements(m, &original, patch, meta->merge_key);
        ks_unref(heap, patch);
        patch = plain;
        merged = m->refusal == NULL ? merge_elements(m, ks_ref(original), patch, meta)
                                    : ks_ref(original);
    }
    if (m->refusal == NULL)
        merged = order_items(m, merged, patch, original, kind == KS_MAP ? meta->merge_key : NULL);
    ks_unref(heap, original);
    ks_unref(heap, patch);
    return merged;
}

/* --- $retainKeys --- */

static ks_val retain_keys(merger *m, ks_val original, ks_val *patch) {
    ks_heap *heap = m->heap;
    ks_val keys = ks_ref(ks_get(*patch, K(_retainKeys)));
    if (keys.type == KS_NONE) return original;
    *patch = ks_drop(heap, *patch, K(_retainKeys));
    if (!m->apply) {
        if (ks_get(original, K(_retainKeys)).type == KS_NONE)
            return ks_put(heap, original, K(_retainKeys), keys);
        ks_unref(heap, keys);
        return original;
    }
    if (keys.type != KS_LIST) bad_format(m, "invalid patch format of retainKeys");
    for (uint32_t i = 0; i < ks_len(*patch) && m->refusal == NULL; i++) {
        const ks_pair *pair = ks_pair_at(*patch, i);
        if (pair->val.type == KS_NULL || starts(pair->key, order_prefix) ||
            starts(pair->key, delete_prefix))
            continue;
        if (!ks_has_text(keys, pair->key->s)) bad_format(m, "invalid patch format of retainKeys");
    }
    ks_val kept = ks_ref(original);
    for (uint32_t i = 0; i < ks_len(original) && m->refusal == NULL; i++) {
        const ks_str *key = ks_pair_at(original, i)->key;
        if (!ks_has_text(keys, key->s)) kept = ks_drop(heap, kept, key);
    }
    ks_unref(heap, original);
    ks_unref(heap, keys);
    return kept;
}

/* --- $setElementOrder --- */

/* The interned name behind "$prefix/", a new reference; NULL after a refusal. */
static const ks_str *behind(merger *m, const ks_str *key, const char *prefix, const char *why) {
    size_t len = strlen(prefix);
    if (key->len <= len || key->s[len] != '/') {
        bad_format(m, why);
        return NULL;
    }
    return ks_intern(m->heap, key->s + len + 1, key->len - len - 1);
}

/* validatePatchWithSetOrderList. */
static bool order_fits(merger *m, ks_val patch, ks_val order, const ks_str *key) {
    uint32_t i = 0, j = 0;
    if (ks_len(patch) == 0 || ks_len(order) == 0) return true;
    ks_val wanted = ks_list_new(m->heap, ks_len(patch));
    ks_each(item, patch) {
        if (key == NULL || ks_get(*item, K(_patch)).type == KS_NONE)
            wanted = ks_append(m->heap, wanted, ks_ref(*item));
    }
    bool keyed = key == NULL || (all_have_key(m, wanted, key) && all_have_key(m, order, key));
    for (; keyed && i < ks_len(wanted) && j < ks_len(order); j++)
        if (ks_equal(key_of(ks_at(wanted, i), key), key_of(ks_at(order, j), key))) i++;
    bool fits = i >= ks_len(wanted);
    ks_unref(m->heap, wanted);
    if (fits || !keyed) return fits && keyed;
    ks_buf text = {.heap = m->heap};
    ks_buf_puts(&text, "The order in patch list:\n");
    ks_print_go(&text, patch);
    ks_buf_puts(&text, "\n doesn't match $setElementOrder list:\n");
    ks_print_go(&text, order);
    ks_buf_putc(&text, '\n');
    fail_text(m, &text);
    return false;
}

static bool list_or_absent(merger *m, ks_val v) {
    if (v.type == KS_NONE || v.type == KS_LIST) return true;
    const char *what = v.type == KS_MAP      ? "map[string]interface {}"
                       : v.type == KS_STRING ? "string"
                       : v.type == KS_BOOL   ? "bool"
                       : v.type == KS_INT    ? "int64"
                       : v.type == KS_FLOAT  ? "float64"
                                             : "%!s(<nil>)";
    ks_buf text = {.heap = m->heap};
    ks_buf_printf(&text, "expected a []interface {}, but received a %s", what);
    fail_text(m, &text);
    return false;
}

/* One $setElementOrder list, with the patch list of the same name, which it consumes. */
static ks_val set_order(merger *m, ks_val original, ks_val *patch, const ks_str *directive,
                        const ks_type *type) {
    ks_heap *heap = m->heap;
    ks_val order = ks_ref(ks_get(*patch, directive)), merged;
    if (!m->apply) original = ks_put(heap, original, directive, ks_ref(order));
    *patch = ks_drop(heap, *patch, directive);
    const ks_str *name =
        behind(m, directive, order_prefix, "invalid patch format of setElementOrder list");
    if (name == NULL) {
        ks_unref(heap, order);
        return original;
    }
    if (type != NULL && ks_type_field(type, name) == NULL && m->refusal == NULL)
        m->refusal = ks_refuse(heap, 500, "",
                               "unable to find api field in struct %s for the json field \"%s\"",
                               ks_type_go_name(type), name->s);
    ks_val live = ks_ref(ks_get(original, name)), changes = ks_ref(ks_get(*patch, name));
    ks_patch_meta meta = ks_patch_meta_of(type, name);
    if (changes.type == KS_NULL && live.type != KS_NONE) list_or_absent(m, changes);
    bool ok = m->refusal == NULL && list_or_absent(m, order) && list_or_absent(m, live) &&
              list_or_absent(m, changes) && order_fits(m, changes, order, meta.merge_key);
    if (ok && (live.type == KS_LIST || changes.type == KS_LIST)) {
        if (changes.type == KS_NONE)
            merged = ks_ref(live);
        else if (live.type == KS_NONE)
            merged = without_directives(heap, ks_ref(changes));
        else if (meta.merge)
            merged = merge_list(m, ks_ref(live), ks_ref(changes), &meta, false);
        else
            merged = ks_ref(changes);
        ks_kindof kind = m->refusal == NULL ? item_kind(m, live, changes) : KS_NONE;
        if (kind != KS_NONE)
            merged = order_items(m, merged, order, live, kind == KS_MAP ? meta.merge_key : NULL);
        if (m->refusal == NULL) {
            original = ks_put(heap, original, name, merged);
            *patch = ks_drop(heap, *patch, name);
        } else {
            ks_unref(heap, merged);
        }
    }
    ks_unref(heap, live);
    ks_unref(heap, changes);
    ks_unref(heap, order);
    ks_str_unref(heap, name);
    return original;
}

static ks_val set_orders(merger *m, ks_val original, ks_val *patch, const ks_type *type) {
    for (uint32_t i = 0; i < ks_len(*patch) && m->refusal == NULL;) {
        const ks_str *key = ks_pair_at(*patch, i)->key;
        if (!starts(key, order_prefix)) {
            i++;
            continue;
        }
        ks_str_ref(key);
        original = set_order(m, original, patch, key, type);
        ks_str_unref(m->heap, key);
        i = 0;
    }
    return original;
}

/* --- maps --- */

/* One member of the patch. */
static ks_val merge_member(merger *m, ks_val original, const ks_str *key, ks_val value,
                           bool deletes, const ks_type *type) {
    ks_heap *heap = m->heap;
    if (value.type == KS_NULL) {
        original = ks_drop(heap, original, key);
        if (m->apply) return original;
    }
    ks_val before = ks_get(original, key);
    if (before.type != value.type || value.type < KS_LIST) {
        if (deletes) return original;
        ks_val after = fresh(m, ks_ref(value));
        return ks_put(heap, original, key, after);
    }
    ks_patch_meta meta = ks_patch_meta_of(type, key);
    ks_val after;
    if (value.type == KS_MAP)
        after = ks_patch_replaces(type, key)
                    ? ks_ref(value)
                    : merge_map(m, ks_ref(before), ks_ref(value), meta.type);
    else if (meta.merge || deletes)
        after = merge_list(m, ks_ref(before), ks_ref(value), &meta, deletes);
    else
        after = ks_ref(value);
    return ks_put(heap, original, key, after);
}

static ks_val merge_map(merger *m, ks_val original, ks_val patch, const ks_type *type) {
    ks_heap *heap = m->heap;
    ks_val directive = ks_get(patch, K(_patch));
    if (directive.type != KS_NONE) {
        if (ks_text_is(directive, "replace")) {
            ks_unref(heap, original);
            return ks_drop(heap, patch, K(_patch));
        }
        if (!ks_text_is(directive, "delete")) bad_directive(m, directive, patch);
        ks_unref(heap, original);
        ks_unref(heap, patch);
        return ks_map_new(heap, 0);
    }
    if (original.type != KS_MAP) original = ks_map_new(heap, ks_len(patch));
    original = retain_keys(m, original, &patch);
    if (m->refusal == NULL) original = set_orders(m, original, &patch, type);
    for (uint32_t i = 0; i < ks_len(patch) && m->refusal == NULL; i++) {
        const ks_pair *pair = ks_pair_at(patch, i);
        if (!starts(pair->key, delete_prefix)) {
            original = merge_member(m, original, pair->key, pair->val, false, type);
        } else if (!m->apply) {
            original = ks_put(heap, original, pair->key, ks_ref(pair->val));
        } else {
            const ks_str *name =
                behind(m, pair->key, delete_prefix, "invalid patch format of primitive list");
            if (name != NULL) original = merge_member(m, original, name, pair->val, true, type);
            ks_str_unref(heap, name);
        }
    }
    ks_unref(heap, patch);
    return original;
}

static ks_refusal *merge(ks_heap *heap, const ks_type *type, ks_val doc, ks_val patch, bool apply,
                         ks_val *out) {
    merger m = {.heap = heap, .apply = apply};
    ks_val merged = merge_map(&m, doc, patch, type);
    if (m.refusal != NULL)
        ks_unref(heap, merged);
    else
        *out = merged;
    return m.refusal;
}

ks_refusal *ks_patch_strategic(ks_heap *heap, const ks_type *type, ks_val doc, ks_val patch,
                               ks_val *out) {
    if (patch.type != KS_MAP) {
        const char *what = patch.type == KS_STRING ? "string"
                           : patch.type == KS_BOOL ? "bool"
                           : patch.type == KS_LIST ? "array"
                                                   : "number";
        ks_unref(heap, patch);
        ks_unref(heap, doc);
        return ks_refuse(heap, 400, "BadRequest",
                         "json: cannot unmarshal %s into Go value of type map[string]interface {}",
                         what);
    }
    return merge(heap, type, doc, patch, true, out);
}

ks_refusal *ks_patch_combine(ks_heap *heap, const ks_type *type, ks_val first, ks_val second,
                             ks_val *out) {
    return merge(heap, type, first, second, false, out);
}

/* --- what is left of a patch --- */

/* The patch without the order of one list, and without that list where either has it; takes over `patch`. */
static ks_val without_list(ks_heap *heap, ks_val original, ks_val patch, const ks_str *directive) {
    size_t len = strlen(order_prefix) + 1;
    const ks_str *name = directive->len > len
                             ? ks_intern(heap, directive->s + len, directive->len - len)
                             : ks_str_ref(directive);
    patch = ks_drop(heap, patch, directive);
    if (ks_exists(ks_get(original, name)) || ks_exists(ks_get(patch, name)))
        patch = ks_drop(heap, patch, name);
    ks_str_unref(heap, name);
    return patch;
}

ks_val ks_patch_spent(ks_heap *heap, ks_val original, ks_val patch) {
    ks_val left = ks_drop(heap, ks_ref(patch), K(_retainKeys));
    for (uint32_t i = 0; i < ks_len(patch); i++) {
        const ks_str *key = ks_pair_at(patch, i)->key;
        if (starts(key, order_prefix)) left = without_list(heap, original, left, key);
    }
    for (uint32_t i = 0; i < ks_len(left); i++) {
        const ks_pair *pair = ks_pair_at(left, i);
        ks_val before = ks_get(original, pair->key), now = pair->val;
        if (now.type == KS_MAP && before.type == KS_MAP)
            left = ks_put(heap, left, pair->key, ks_patch_spent(heap, before, now));
        else if (now.type != before.type && now.type >= KS_LIST)
            left = ks_put(heap, left, pair->key, without_nulls(heap, ks_ref(now)));
    }
    return left;
}
