/*
 * apiserver/typed.c - a configuration against the schema, in the words of structured-merge-diff; see typed.h.
 */
#include "apiserver/typed.h"
#include "doc/go_text.h"

#include <string.h>

typedef struct walk {
    ks_heap *heap;
    ks_buf path, errors;
    uint32_t count;
} walk;

/* %T of what the value holds. */
static const char *go_type(ks_val value) {
    switch (value.type) {
    case KS_BOOL: return "bool";
    case KS_INT: return "int64";
    case KS_FLOAT: return "float64";
    case KS_STRING: return "string";
    case KS_LIST: return "[]interface {}";
    case KS_MAP: return "map[string]interface {}";
    default: return "<nil>";
    }
}

/* --- the walk --- */

/* Of k:{"name":"c"} and v:"x". */
void ks_typed_place(ks_buf *out, const ks_str *name) {
    if (name->s[0] == 'v') {
        ks_buf_printf(out, "[=%s]", name->s + 2);
        return;
    }
    bool quoted = false, key = true;
    ks_buf_putc(out, '[');
    for (const char *s = name->s + 3; *s != '\0' && !(s[1] == '\0' && *s == '}'); s++) {
        if (*s == '"') {
            quoted = !quoted;
            if (key) continue;
        }
        if (!quoted && *s == ':' && key) {
            key = false;
            ks_buf_putc(out, '=');
            continue;
        }
        if (!quoted && *s == ',') key = true;
        ks_buf_putc(out, *s);
    }
    ks_buf_putc(out, ']');
}

static ks_buf *fail(walk *w) {
    if (w->count++ > 0) ks_buf_puts(&w->errors, "\n  ");
    ks_buf_puts(&w->errors, w->path.len > 0 ? w->path.s : "");
    if (w->path.len > 0) ks_buf_puts(&w->errors, ": ");
    return &w->errors;
}

static void expected(walk *w, const char *what, ks_val got) {
    ks_buf *out = fail(w);
    ks_buf_printf(out, "expected %s, got &{", what);
    ks_go_text(out, got);
    ks_buf_putc(out, '}');
}

static void check_scalar(walk *w, ks_shape shape, ks_val value) {
    switch (shape) {
    case KS_SHAPE_INT32:
    case KS_SHAPE_INT64:
        if (value.type != KS_INT && value.type != KS_FLOAT)
            ks_buf_printf(fail(w), "expected numeric (int or float), got %s", go_type(value));
        break;
    case KS_SHAPE_STRING:
        if (value.type == KS_STRING) break;
        ks_buf_puts(fail(w), "expected string, got &value.valueUnstructured{Value:");
        ks_go_syntax(&w->errors, value, "map[string]interface {}");
        ks_buf_putc(&w->errors, '}');
        break;
    case KS_SHAPE_BOOL:
        if (value.type != KS_BOOL) expected(w, "boolean", value);
        break;
    default: /* quantities, times, bytes: untyped in the server's schema */
        if (value.type == KS_LIST || value.type == KS_MAP) expected(w, "any scalar", value);
    }
}

static void check(walk *w, ks_owned of, ks_val value);

static void check_member(walk *w, ks_owned of, const ks_str *key, ks_val value, bool declared) {
    size_t mark = w->path.len;
    ks_buf_printf(&w->path, ".%s", key->s);
    if (declared)
        check(w, ks_owned_member(of, key), value);
    else
        ks_buf_puts(fail(w), "field not declared in schema");
    w->path.len = mark;
    w->path.s[mark] = '\0';
}

/* Why an item has no name in its list, or NULL. `text` is room for words that are made. */
static const char *nameless(ks_owned list, ks_val item, ks_buf *text) {
    if (list.field->list_type == KS_LIST_SET) {
        if (item.type == KS_MAP)
            return "associative list without keys has an element that's a map type";
        if (item.type == KS_LIST) return "not supported: associative list with lists as elements";
        if (!ks_exists(item))
            return "associative list without keys has an element that's an explicit null";
        return NULL;
    }
    if (!ks_exists(item)) return "associative list with keys may not have a null element";
    if (item.type != KS_MAP) return "associative list with keys may not have non-map elements";
    const ks_str *key;
    for (int i = 0; (key = ks_field_list_key(list.field, i)) != NULL; i++) {
        if (ks_get(item, key).type != KS_NONE || key == K(protocol)) continue;
        ks_buf_printf(text,
                      "associative list with keys has an element that omits key field \"%s\" (and "
                      "doesn't have default value)",
                      key->s);
        return text->s;
    }
    return NULL;
}

static void check_item(walk *w, ks_owned of, ks_val item, uint32_t index, ks_val *seen) {
    ks_heap *heap = w->heap;
    size_t mark = w->path.len;
    if (seen == NULL) {
        ks_buf_printf(&w->path, "[%u]", index);
    } else {
        ks_buf text = {.heap = heap};
        const char *why = nameless(of, item, &text);
        if (why != NULL) ks_buf_printf(fail(w), "element %u: %s", index, why);
        ks_buf_dispose(&text);
        if (why != NULL) return;
        const ks_str *name = ks_owned_name(heap, of, item);
        if (ks_get(*seen, name).type != KS_NONE) {
            ks_buf_puts(fail(w), "duplicate entries for key ");
            ks_typed_place(&w->errors, name);
        } else {
            *seen = ks_put(heap, *seen, name, ks_bool(true));
        }
        ks_typed_place(&w->path, name);
        ks_str_unref(heap, name);
    }
    check(w, ks_owned_item(of), item);
    w->path.len = mark;
    w->path.s[mark] = '\0';
}

static void check_items(walk *w, ks_owned of, ks_val value) {
    bool named = of.field != NULL &&
                 (of.field->list_type == KS_LIST_SET || of.field->list_type == KS_LIST_KEYED);
    ks_val seen = KS_NOTHING;
    for (uint32_t i = 0; i < ks_len(value); i++)
        check_item(w, of, ks_at(value, i), i, named ? &seen : NULL);
    ks_unref(w->heap, seen);
}

static void check(walk *w, ks_owned of, ks_val value) {
    ks_shape shape = of.type != NULL   ? KS_SHAPE_STRUCT
                     : of.spec != NULL ? of.spec->shape
                                       : KS_SHAPE_ANY;
    if (!ks_exists(value) || shape == KS_SHAPE_ANY) return;
    if (shape == KS_SHAPE_LIST) {
        if (value.type == KS_LIST)
            check_items(w, of, value);
        else
            expected(w, "list", value);
    } else if (shape == KS_SHAPE_STRUCT || shape == KS_SHAPE_MAP) {
        const ks_type *type = of.type != NULL ? of.type : ks_spec_type(of.spec);
        if (value.type != KS_MAP) expected(w, "map", value);
        for (uint32_t i = 0; value.type == KS_MAP && i < ks_len(value); i++) {
            const ks_pair *pair = ks_pair_at(value, i);
            bool declared = shape == KS_SHAPE_MAP || ks_type_field(type, pair->key) != NULL;
            check_member(w, of, pair->key, pair->val, declared);
        }
    } else {
        check_scalar(w, shape, value);
    }
}

const ks_str *ks_typed_errors(ks_heap *heap, const ks_type *type, ks_val config) {
    walk w = {heap, {.heap = heap}, {.heap = heap}, 0};
    check(&w, ks_owned_root(type), config);
    ks_buf_dispose(&w.path);
    if (w.count == 0) {
        ks_buf_dispose(&w.errors);
        return NULL;
    }
    if (w.count == 1) return ks_buf_take(&w.errors);
    ks_buf all = {.heap = heap};
    ks_buf_printf(&all, "errors:\n  %s", w.errors.s);
    ks_buf_dispose(&w.errors);
    return ks_buf_take(&all);
}
