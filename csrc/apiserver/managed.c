/*
 * apiserver/managed.c - sets of fields, and how plain writes change who owns them.
 *
 * sigs.k8s.io/structured-merge-diff/v6 (fieldpath/set.go, typed/tofieldset.go, merge/update.go:
 * Update); k8s.io/apimachinery/pkg/util/managedfields. Called by create.c, update.c and apply.c.
 */
#include "apiserver/managed.h"
#include "doc/text.h"

#include <string.h>

/* --- structure --- */

ks_owned ks_owned_root(const ks_type *type) { return (ks_owned){.type = type}; }

static const ks_type *struct_of(ks_owned of) {
    if (of.type != NULL) return of.type;
    return of.spec != NULL && of.spec->shape == KS_SHAPE_STRUCT ? of.spec->of : NULL;
}

ks_owned ks_owned_member(ks_owned of, const ks_str *key) {
    const ks_type *type = struct_of(of);
    if (type != NULL) {
        const ks_field *field = ks_type_field(type, key);
        return (ks_owned){.spec = field != NULL ? &field->spec : NULL, .field = field};
    }
    if (of.spec != NULL && of.spec->shape == KS_SHAPE_MAP) return (ks_owned){.spec = of.spec->item};
    return (ks_owned){0};
}

ks_owned ks_owned_item(ks_owned of) {
    bool list = of.spec != NULL && of.spec->shape == KS_SHAPE_LIST;
    return (ks_owned){.spec = list ? of.spec->item : NULL};
}

bool ks_owned_whole(ks_owned of, ks_val value) {
    if (value.type == KS_MAP) {
        if (of.field != NULL && of.field->atomic_map) return true;
        return struct_of(of) == NULL && (of.spec == NULL || of.spec->shape != KS_SHAPE_MAP);
    }
    if (value.type != KS_LIST) return true;
    return of.field == NULL ||
           (of.field->list_type != KS_LIST_SET && of.field->list_type != KS_LIST_KEYED);
}

static const ks_str *interned(ks_heap *heap, ks_buf *text) {
    const ks_str *name = ks_intern(heap, text->s, text->len);
    ks_buf_dispose(text);
    return name;
}

const ks_str *ks_owned_name(ks_heap *heap, ks_owned list, ks_val item) {
    ks_buf text = {.heap = heap};
    if (list.field->list_type == KS_LIST_SET) {
        ks_buf_puts(&text, "v:");
        ks_json_write(&text, item, KS_JSON_COMPACT);
        return interned(heap, &text);
    }
    ks_val keys = ks_map_new(heap, 2);
    for (const ks_str *const *key = list.field->list_keys; *key != NULL; key++) {
        ks_val value = ks_ref(ks_get(item, *key));
        /* the one key with a default */
        if (value.type == KS_NONE && *key == K(protocol)) value = ks_string(K(TCP));
        if (value.type != KS_NONE) keys = ks_put(heap, keys, *key, value);
    }
    ks_buf_puts(&text, "k:");
    ks_json_write(&text, keys, KS_JSON_COMPACT);
    ks_unref(heap, keys);
    return interned(heap, &text);
}

static const ks_str *field_name(ks_heap *heap, const ks_str *key) {
    ks_buf text = {.heap = heap};
    ks_buf_puts(&text, "f:");
    ks_buf_str(&text, key);
    return interned(heap, &text);
}

/* --- sets --- */

static const ks_str *dot(ks_heap *heap) { return ks_intern_of(heap, "."); }

bool ks_fields_member(ks_val set) {
    return set.type == KS_MAP && (ks_len(set) == 0 || ks_get_text(set, ".", 1).type != KS_NONE);
}

/* The set with its root as a member (taken over). */
static ks_val with_root(ks_heap *heap, ks_val set) {
    if (set.type != KS_MAP || ks_len(set) == 0)
        return set.type == KS_MAP ? set : ks_map_new(heap, 0);
    const ks_str *key = dot(heap);
    set = ks_put(heap, set, key, ks_map_new(heap, 0));
    ks_str_unref(heap, key);
    return set;
}

/* Only members below the root; KS_NOTHING when there is none (taken over). */
static ks_val without_root(ks_heap *heap, ks_val set) {
    const ks_str *key = ks_interned(heap, ".", 1);
    if (key != NULL) set = ks_drop(heap, set, key);
    if (ks_len(set) > 0) return set;
    ks_unref(heap, set);
    return KS_NOTHING;
}

typedef enum algebra { UNION, MINUS, COMMON } algebra;

static ks_val combine(ks_heap *heap, ks_val a, ks_val b, algebra how) {
    if (a.type != KS_MAP || b.type != KS_MAP) {
        if (how == UNION) return a.type == KS_MAP ? a : ks_ref(b);
        if (how == MINUS) return a;
        ks_unref(heap, a);
        return KS_NOTHING;
    }
    bool in_a = ks_fields_member(a), in_b = ks_fields_member(b);
    bool member = how == UNION ? in_a || in_b : how == MINUS ? in_a && !in_b : in_a && in_b;
    ks_val out = KS_NOTHING;
    for (int side = 0; side < (how == UNION ? 2 : 1); side++) {
        ks_val from = side == 0 ? a : b;
        for (uint32_t i = 0; i < ks_len(from); i++) {
            const ks_pair *pair = ks_pair_at(from, i);
            ks_val other = ks_get(side == 0 ? b : a, pair->key);
            if (ks_str_is(pair->key, ".") || (side == 1 && other.type != KS_NONE)) continue;
            ks_val part = combine(heap, ks_ref(pair->val), other, how);
            if (part.type != KS_NONE) out = ks_put(heap, out, pair->key, part);
        }
    }
    ks_unref(heap, a);
    return member ? with_root(heap, out) : out;
}

ks_val ks_fields_union(ks_heap *heap, ks_val a, ks_val b) { return combine(heap, a, b, UNION); }
ks_val ks_fields_minus(ks_heap *heap, ks_val a, ks_val b) { return combine(heap, a, b, MINUS); }
ks_val ks_fields_common(ks_heap *heap, ks_val a, ks_val b) { return combine(heap, a, b, COMMON); }

/* --- sets of documents --- */

static ks_val fields(ks_heap *heap, ks_owned of, ks_val value) {
    if (ks_owned_whole(of, value)) return ks_map_new(heap, 0);
    ks_val set = KS_NOTHING;
    if (value.type == KS_MAP) {
        bool keyed = struct_of(of) == NULL;
        for (uint32_t i = 0; i < ks_len(value); i++) {
            const ks_pair *pair = ks_pair_at(value, i);
            ks_val part = fields(heap, ks_owned_member(of, pair->key), pair->val);
            if (keyed || (pair->val.type == KS_MAP && ks_len(pair->val) == 0))
                part = with_root(heap, part);
            const ks_str *name = field_name(heap, pair->key);
            if (part.type != KS_NONE) set = ks_put(heap, set, name, part);
            ks_str_unref(heap, name);
        }
        return set;
    }
    ks_each(item, value) {
        ks_val part = with_root(heap, fields(heap, ks_owned_item(of), *item));
        if (of.field != NULL && of.field->list_type == KS_LIST_SET) {
            ks_unref(heap, part);
            part = ks_map_new(heap, 0);
        }
        const ks_str *name = ks_owned_name(heap, of, *item);
        set = ks_put(heap, set, name, part);
        ks_str_unref(heap, name);
    }
    return set;
}

/* What nobody owns. */
static ks_val strip(ks_heap *heap, ks_val set) {
    static const char *const plain[] = {"f:apiVersion", "f:kind"};
    static const char *const meta_names[] = {"f:name",
                                             "f:namespace",
                                             "f:creationTimestamp",
                                             "f:selfLink",
                                             "f:uid",
                                             "f:generation",
                                             "f:managedFields",
                                             "f:resourceVersion",
                                             "f:deletionTimestamp",
                                             "f:deletionGracePeriodSeconds"};
    const ks_str *meta_key = ks_interned(heap, "f:metadata", 10);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        const ks_str *key = ks_interned(heap, plain[i], strlen(plain[i]));
        if (key != NULL && set.type == KS_MAP) set = ks_drop(heap, set, key);
    }
    ks_val meta = meta_key != NULL ? ks_ref(ks_get(set, meta_key)) : KS_NOTHING;
    if (meta.type == KS_MAP) {
        for (size_t i = 0; i < sizeof meta_names / sizeof *meta_names; i++) {
            const ks_str *key = ks_interned(heap, meta_names[i], strlen(meta_names[i]));
            if (key != NULL) meta = ks_drop(heap, meta, key);
        }
        set = ks_put(heap, set, meta_key, without_root(heap, meta));
    }
    return set.type == KS_MAP ? without_root(heap, set) : set;
}

ks_val ks_fields_of(ks_heap *heap, const ks_type *type, ks_val doc) {
    return doc.type == KS_MAP ? strip(heap, fields(heap, ks_owned_root(type), doc)) : KS_NOTHING;
}

static ks_val item_named(ks_heap *heap, ks_owned list, ks_val items, const ks_str *name) {
    ks_each(item, items) {
        const ks_str *its = ks_owned_name(heap, list, *item);
        ks_str_unref(heap, its);
        if (its == name) return *item;
    }
    return KS_NOTHING;
}

/* Where both have something, and it differs. */
static ks_val modified(ks_heap *heap, ks_owned of, ks_val before, ks_val after) {
    if (ks_equal(before, after)) return KS_NOTHING;
    if (before.type != after.type || ks_owned_whole(of, after)) return ks_map_new(heap, 0);
    ks_val set = KS_NOTHING;
    if (after.type == KS_MAP) {
        for (uint32_t i = 0; i < ks_len(after); i++) {
            const ks_pair *pair = ks_pair_at(after, i);
            ks_val was = ks_get(before, pair->key);
            if (was.type == KS_NONE) continue;
            ks_val part = modified(heap, ks_owned_member(of, pair->key), was, pair->val);
            const ks_str *name = field_name(heap, pair->key);
            if (part.type != KS_NONE) set = ks_put(heap, set, name, part);
            ks_str_unref(heap, name);
        }
        return set;
    }
    if (of.field != NULL && of.field->list_type == KS_LIST_SET) return set;
    ks_each(item, after) {
        const ks_str *name = ks_owned_name(heap, of, *item);
        ks_val was = item_named(heap, of, before, name);
        ks_val part =
            was.type != KS_NONE ? modified(heap, ks_owned_item(of), was, *item) : KS_NOTHING;
        if (part.type != KS_NONE) set = ks_put(heap, set, name, part);
        ks_str_unref(heap, name);
    }
    return set;
}

ks_val ks_fields_changed(ks_heap *heap, const ks_type *type, ks_val before, ks_val after) {
    ks_val had = ks_fields_of(heap, type, before), added = ks_fields_of(heap, type, after);
    added = ks_fields_minus(heap, added, had);
    ks_unref(heap, had);
    if (before.type != KS_MAP) return added;
    ks_val changed = strip(heap, modified(heap, ks_owned_root(type), before, after));
    added = ks_fields_union(heap, added, changed);
    ks_unref(heap, changed);
    return added;
}

/* --- entries --- */

ks_val ks_managed_entry(const ks_request *r, const char *operation, ks_val set) {
    ks_heap *heap = r->heap;
    ks_val entry = ks_map_of(heap, K(apiVersion), ks_text(heap, r->info->api_version),
                             K(fieldsType), ks_text(heap, "FieldsV1"), K(fieldsV1), set, K(manager),
                             ks_text(heap, r->manager), K(operation), ks_text(heap, operation),
                             K(time), ks_server__stamp(r->s), NULL);
    if (r->subresource != NULL)
        entry = ks_put(heap, entry, K(subresource), ks_text(heap, r->subresource));
    return entry;
}

static bool is_mine(const ks_request *r, ks_val entry) {
    return ks_text_is(ks_get(entry, K(operation)), "Update") &&
           ks_text_is(ks_get(entry, K(manager)), r->manager) &&
           strcmp(ks_text_or(ks_get(entry, K(subresource)), ""),
                  r->subresource != NULL ? r->subresource : "") == 0;
}

ks_val ks_managed_update(const ks_request *r, ks_val managed, ks_val before, ks_val after) {
    ks_heap *heap = r->heap;
    const ks_type *type = r->info->type;
    ks_val changed = ks_fields_changed(heap, type, before, after),
           has = ks_fields_of(heap, type, after);
    ks_val removed = ks_fields_minus(heap, ks_fields_of(heap, type, before), has),
           list = KS_NOTHING;
    bool found = false;
    ks_unref(heap, has);
    ks_each(entry, managed) {
        ks_val set = ks_fields_minus(heap, ks_ref(ks_get(*entry, K(fieldsV1))), removed);
        bool mine = is_mine(r, *entry);
        set = mine ? ks_fields_union(heap, set, changed) : ks_fields_minus(heap, set, changed);
        found |= mine;
        if (set.type != KS_MAP) continue;
        if (mine && !ks_equal(set, ks_get(*entry, K(fieldsV1)))) {
            list = ks_append(heap, list, ks_managed_entry(r, "Update", set));
        } else {
            list = ks_append(heap, list, ks_put(heap, ks_ref(*entry), K(fieldsV1), set));
        }
    }
    if (!found && changed.type == KS_MAP)
        list = ks_append(heap, list, ks_managed_entry(r, "Update", ks_ref(changed)));
    ks_unref(heap, changed);
    ks_unref(heap, removed);
    return list;
}
