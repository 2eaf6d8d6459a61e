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
    return of.spec != NULL && of.spec->shape == KS_SHAPE_STRUCT ? ks_spec_type(of.spec) : NULL;
}

ks_owned ks_owned_member(ks_owned of, const ks_str *key) {
    const ks_type *type = struct_of(of);
    if (type != NULL) {
        const ks_field *field = ks_type_field(type, key);
        return (ks_owned){.spec = field != NULL ? &field->spec : NULL, .field = field};
    }
    if (of.spec != NULL && of.spec->shape == KS_SHAPE_MAP)
        return (ks_owned){.spec = ks_spec_item(of.spec)};
    return (ks_owned){0};
}

ks_owned ks_owned_item(ks_owned of) {
    bool list = of.spec != NULL && of.spec->shape == KS_SHAPE_LIST;
    return (ks_owned){.spec = list ? ks_spec_item(of.spec) : NULL};
}

bool ks_owned_whole(ks_owned of, ks_val value) {
    if (value.type == KS_MAP) {
        if (of.field != NULL && of.field->atomic_map) return true;
        const ks_type *type = struct_of(of);
        if (type != NULL) return type->atomic && (of.field == NULL || !of.field->granular);
        return of.spec == NULL || of.spec->shape != KS_SHAPE_MAP;
    }
    if (value.type != KS_LIST) return true;
    return of.field == NULL ||
           (of.field->list_type != KS_LIST_SET && of.field->list_type != KS_LIST_KEYED);
}

/* Go's encoding writes such a field always, as its zero value: a struct in place, and what has no
 * "omitempty" (structured-merge-diff/v6/value/reflectcache.go: CanOmit). */
static bool always_there(ks_owned of) {
    if (of.field == NULL) return of.type != NULL; /* the root */
    return of.field->always_encoded ||
           (of.field->spec.shape == KS_SHAPE_STRUCT && !of.field->spec.pointer);
}

static bool is_zero(ks_val value) {
    switch (value.type) {
    case KS_NONE:
    case KS_NULL: return true;
    case KS_BOOL: return !value.b;
    case KS_INT: return value.i == 0;
    case KS_STRING: return value.s->len == 0;
    case KS_MAP:
    case KS_LIST: return ks_len(value) == 0;
    default: return false;
    }
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
    const ks_str *key;
    for (int i = 0; (key = ks_field_list_key(list.field, i)) != NULL; i++) {
        ks_val value = ks_ref(ks_get(item, key));
        /* the one key with a default */
        if (value.type == KS_NONE && key == K(protocol)) value = ks_string(K(TCP));
        if (value.type != KS_NONE) keys = ks_put(heap, keys, key, value);
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

typedef enum algebra { UNION, MINUS, BEYOND, COMMON } algebra;

/* An item of a list stays with who owns it, not with who owns something in it alone. */
static bool is_lost_item(const ks_pair *pair, ks_val other) {
    return pair->key->len > 0 && pair->key->s[0] == 'k' && ks_fields_member(pair->val) &&
           !ks_fields_member(other);
}

static ks_val combine(ks_heap *heap, ks_val a, ks_val b, algebra how) {
    if (a.type != KS_MAP || b.type != KS_MAP) {
        if (how == UNION) return a.type == KS_MAP ? a : ks_ref(b);
        if (how == MINUS || how == BEYOND) return a;
        ks_unref(heap, a);
        return KS_NOTHING;
    }
    bool in_a = ks_fields_member(a), in_b = ks_fields_member(b);
    bool member = how == UNION   ? in_a || in_b
                  : how == MINUS ? in_a && !in_b
                  : how == COMMON
                      ? in_a && in_b
                      : false; /* BEYOND: b is no empty set, so it has something there */
    ks_val out = KS_NOTHING;
    for (int side = 0; side < (how == UNION ? 2 : 1); side++) {
        ks_val from = side == 0 ? a : b;
        for (uint32_t i = 0; i < ks_len(from); i++) {
            const ks_pair *pair = ks_pair_at(from, i);
            ks_val other = ks_get(side == 0 ? b : a, pair->key);
            if (ks_str_is(pair->key, ".") || (side == 1 && other.type != KS_NONE)) continue;
            if (how == BEYOND && is_lost_item(pair, other)) other = KS_NOTHING;
            ks_val part = combine(heap, ks_ref(pair->val), other, how);
            if (part.type != KS_NONE) out = ks_put(heap, out, pair->key, part);
        }
    }
    ks_unref(heap, a);
    return member ? with_root(heap, out) : out;
}

ks_val ks_fields_union(ks_heap *heap, ks_val a, ks_val b) { return combine(heap, a, b, UNION); }
ks_val ks_fields_minus(ks_heap *heap, ks_val a, ks_val b) { return combine(heap, a, b, MINUS); }
ks_val ks_fields_beyond(ks_heap *heap, ks_val a, ks_val b) { return combine(heap, a, b, BEYOND); }
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

/* Is what holds the value there, before and after? */
typedef struct holder {
    bool had, has;
} holder;

static ks_fields_diff compare(ks_heap *heap, ks_owned of, holder in, ks_val before, ks_val after);

/* What a part of a value adds to the difference of the whole. Takes over `name` and `part`. */
static void compared(ks_heap *heap, ks_fields_diff *all, const ks_str *name, ks_fields_diff part) {
    if (part.changed.type != KS_NONE) all->changed = ks_put(heap, all->changed, name, part.changed);
    if (part.removed.type != KS_NONE) all->removed = ks_put(heap, all->removed, name, part.removed);
    ks_str_unref(heap, name);
}

static void compare_members(ks_heap *heap, ks_owned of, holder in, ks_val before, ks_val after,
                            ks_fields_diff *all) {
    for (int side = 0; side < 2; side++) {
        ks_val from = side == 0 ? after : before;
        for (uint32_t i = 0; i < ks_len(from); i++) {
            const ks_pair *pair = ks_pair_at(from, i);
            ks_val other = ks_get(side == 0 ? before : after, pair->key);
            if (side == 1 ? other.type != KS_NONE : ks_equal(other, pair->val)) continue;
            compared(heap, all, field_name(heap, pair->key),
                     compare(heap, ks_owned_member(of, pair->key), in,
                             side == 0 ? other : pair->val, side == 0 ? pair->val : other));
        }
    }
}

/* In a struct that came or went whole, the fields that Go writes though nothing is in them. */
static void add_unwritten(ks_heap *heap, ks_owned of, ks_val value, ks_val *set) {
    const ks_type *type = struct_of(of);
    for (uint16_t i = 0; type != NULL && i < type->count; i++) {
        const ks_field *field = ks_type_at(type, i);
        if (!always_there(ks_owned_member(of, ks_field_name(field))) ||
            ks_get(value, ks_field_name(field)).type != KS_NONE)
            continue;
        const ks_str *name = field_name(heap, ks_field_name(field));
        *set = ks_put(heap, *set, name, ks_map_new(heap, 0));
        ks_str_unref(heap, name);
    }
}

static void compare_items(ks_heap *heap, ks_owned of, holder in, ks_val before, ks_val after,
                          ks_fields_diff *all) {
    for (int side = 0; side < 2; side++) {
        ks_each(item, side == 0 ? after : before) {
            const ks_str *name = ks_owned_name(heap, of, *item);
            ks_val other = item_named(heap, of, side == 0 ? before : after, name);
            if (side == 1 && other.type != KS_NONE)
                ks_str_unref(heap, name);
            else
                compared(heap, all, name,
                         compare(heap, ks_owned_item(of), in, side == 0 ? other : *item,
                                 side == 0 ? *item : other));
        }
    }
}

/* structured-merge-diff/v6/typed/compare.go: compare, doLeaf, doMap, doList. */
static ks_fields_diff compare(ks_heap *heap, ks_owned of, holder in, ks_val before, ks_val after) {
    ks_fields_diff all = {KS_NOTHING, KS_NOTHING};
    bool always = always_there(of);
    holder self = {before.type != KS_NONE || (always && in.had),
                   after.type != KS_NONE || (always && in.has)};
    if (ks_equal(before, after)) return all;
    if (ks_owned_whole(of, after.type != KS_NONE ? after : before) ||
        (is_zero(before) && is_zero(after)) ||
        (ks_exists(before) && ks_exists(after) && before.type != after.type)) {
        if (self.had && self.has && is_zero(before) && is_zero(after)) return all;
        if (self.has)
            all.changed = ks_map_new(heap, 0);
        else
            all.removed = ks_map_new(heap, 0);
        return all;
    }
    if (before.type == KS_MAP || after.type == KS_MAP)
        compare_members(heap, of, self, before, after, &all);
    else
        compare_items(heap, of, self, before, after, &all);
    if (!self.had) {
        add_unwritten(heap, of, after, &all.changed);
        all.changed = with_root(heap, all.changed);
    }
    if (!self.has) {
        add_unwritten(heap, of, before, &all.removed);
        all.removed = with_root(heap, all.removed);
    }
    return all;
}

ks_fields_diff ks_fields_compare(ks_heap *heap, const ks_type *type, ks_val before, ks_val after) {
    ks_fields_diff all = compare(heap, ks_owned_root(type), (holder){true, true}, before, after);
    all.changed = strip(heap, all.changed);
    all.removed = strip(heap, all.removed);
    return all;
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

/* Applied entries first, then by time, then by name (internal/managedfields.go:
 * sortEncodedManagedFields). */
static bool stands_before(ks_val a, ks_val b) {
    static const int keys[] = {KS_SYM_operation, KS_SYM_time, KS_SYM_manager, KS_SYM_subresource};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int order = strcmp(ks_text_or(ks_get(a, &ks_symbols[keys[i]]), ""),
                           ks_text_or(ks_get(b, &ks_symbols[keys[i]]), ""));
        if (order != 0) return order < 0;
    }
    return false;
}

ks_val ks_managed_with(ks_heap *heap, ks_val list, ks_val entry) {
    ks_val out = KS_NOTHING;
    bool done = false;
    ks_each(other, list) {
        if (!done && stands_before(entry, *other)) {
            out = ks_append(heap, out, ks_ref(entry));
            done = true;
        }
        out = ks_append(heap, out, ks_ref(*other));
    }
    if (!done) out = ks_append(heap, out, ks_ref(entry));
    ks_unref(heap, entry);
    ks_unref(heap, list);
    return out;
}

ks_val ks_managed_update(const ks_request *r, ks_val managed, ks_val before, ks_val after) {
    ks_heap *heap = r->heap;
    ks_fields_diff diff = ks_fields_compare(heap, r->info->type, before, after);
    ks_val list = KS_NOTHING;
    bool found = false;
    ks_each(entry, managed) {
        ks_val had = ks_get(*entry, K(fieldsV1));
        ks_val set = ks_fields_minus(heap, ks_ref(had), diff.removed);
        bool mine = is_mine(r, *entry);
        set = mine ? ks_fields_union(heap, set, diff.changed)
                   : ks_fields_minus(heap, set, diff.changed);
        found |= mine;
        if (set.type != KS_MAP) continue;
        list = ks_managed_with(heap, list,
                               mine && !ks_equal(set, had)
                                   ? ks_managed_entry(r, "Update", set)
                                   : ks_put(heap, ks_ref(*entry), K(fieldsV1), set));
    }
    if (!found && diff.changed.type == KS_MAP)
        list = ks_managed_with(heap, list, ks_managed_entry(r, "Update", ks_ref(diff.changed)));
    ks_unref(heap, diff.changed);
    ks_unref(heap, diff.removed);
    return list;
}
