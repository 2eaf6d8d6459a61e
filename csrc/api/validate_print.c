/*
 * api/validate_print.c - values in error texts as Go prints them, and differences of them.
 *
 * field.Error prints what is no plain value as the JSON of the internal Go type: Go names, every
 * member, null for nil. Types of meta/v1 have JSON names and drop what is empty, as documents do.
 */
#include "api/validate_internal.h"
#include "doc/quote.h"
#include "doc/text.h"

#include <stdio.h>
#include <string.h>

typedef struct printer {
    ks_buf out;
    bool indent; /* one blank per level, as json.MarshalIndent(v, "", " ") */
    int depth;
} printer;

static void put(printer *p, const ks_spec *spec, ks_val v);

static void new_line(printer *p) {
    if (!p->indent) return;
    ks_buf_putc(&p->out, '\n');
    for (int i = 0; i < p->depth; i++) ks_buf_putc(&p->out, ' ');
}

static void open_bracket(printer *p, char bracket) {
    ks_buf_putc(&p->out, bracket);
    p->depth++;
}

static void close_bracket(printer *p, char bracket, bool empty) {
    p->depth--;
    if (!empty) new_line(p);
    ks_buf_putc(&p->out, bracket);
}

static void separate(printer *p, bool *first) {
    if (!*first) ks_buf_putc(&p->out, ',');
    *first = false;
    new_line(p);
}

static void put_key(printer *p, const char *name) {
    ks_buf_putc(&p->out, '"');
    ks_buf_puts(&p->out, name);
    ks_buf_puts(&p->out, p->indent ? "\": " : "\":");
}

static bool is_meta(const ks_type *type) {
    return strncmp(type->name, "meta/", 5) == 0;
}

static void put_struct(printer *p, const ks_type *type, ks_val v) {
    bool first = true;
    open_bracket(p, '{');
    for (uint16_t i = 0; i < type->count; i++) {
        const ks_field *field = &type->fields[i];
        ks_val member = ks_get(v, field->name);
        if (is_meta(type) && !ks_exists(member)) continue;
        separate(p, &first);
        put_key(p, is_meta(type) ? field->name->s : field->go_name);
        put(p, &field->spec, member);
    }
    close_bracket(p, '}', first);
}

static void put_list(printer *p, const ks_spec *spec, ks_val v) {
    bool first = true;
    open_bracket(p, '[');
    ks_each(item, v) {
        separate(p, &first);
        put(p, spec->item, *item);
    }
    close_bracket(p, ']', first);
}

static void put_map(printer *p, const ks_spec *spec, ks_val v) {
    bool first = true;
    open_bracket(p, '{');
    for (uint32_t i = 0; i < ks_len(v); i++) {
        const ks_pair *pair = ks_pair_at(v, i);
        separate(p, &first);
        ks_json_write(&p->out, ks_borrow(pair->key), KS_JSON_GO);
        ks_buf_puts(&p->out, p->indent ? ": " : ":");
        put(p, spec->item, pair->val);
    }
    close_bracket(p, '}', first);
}

/* What Go shows for an absent value that is no pointer. */
static const char *zero_text(const ks_spec *spec) {
    switch (spec->shape) {
    case KS_SHAPE_STRING: return "\"\"";
    case KS_SHAPE_BOOL: return "false";
    case KS_SHAPE_INT32:
    case KS_SHAPE_INT64:
    case KS_SHAPE_INTSTR: return "0";
    case KS_SHAPE_QUANTITY: return "\"0\"";
    default: return "null";
    }
}

static void put(printer *p, const ks_spec *spec, ks_val v) {
    if (spec->shape == KS_SHAPE_STRUCT && (ks_exists(v) || !spec->pointer))
        put_struct(p, spec->of, v);
    else if (!ks_exists(v))
        ks_buf_puts(&p->out, spec->pointer ? "null" : zero_text(spec));
    else if (spec->shape == KS_SHAPE_LIST)
        put_list(p, spec, v);
    else if (spec->shape == KS_SHAPE_MAP)
        put_map(p, spec, v);
    else
        ks_json_write(&p->out, v, KS_JSON_GO);
}

const ks_str *ks_print_value(ks_heap *heap, const ks_spec *spec, ks_val v) {
    printer p = {.out = {.heap = heap}};
    if (v.type == KS_STRING) return ks_quoted(heap, v.s);
    put(&p, spec, v);
    return ks_buf_take(&p.out);
}

const ks_str *ks_print_struct(ks_heap *heap, const ks_type *type, ks_val v) {
    printer p = {.out = {.heap = heap}};
    put_struct(&p, type, v);
    return ks_buf_take(&p.out);
}

void ks_bad_struct(ks_check *c, const char *field, int type, ks_val v, const char *detail) {
    const ks_str *printed = ks_print_struct(c->heap, &ks_types[type], v);
    ks_bad_printed(c, field, printed->s, detail);
    ks_str_unref(c->heap, printed);
}

const ks_str *ks_quoted(ks_heap *heap, const ks_str *s) {
    ks_buf out = {.heap = heap};
    ks_buf_quote(&out, s->s, s->len);
    return ks_buf_take(&out);
}

/* Makes another error of the last one, an invalid value: they print values the same way. */
static void rename_last(ks_check *c, const char *text, const char *reason) {
    ks_errors *e = &c->errors;
    uint32_t last = ks_len(e->causes) - 1;
    ks_val cause = ks_ref(ks_at(e->causes, last));
    const char *now = ks_text_or(ks_get(cause, K(message)), "");
    ks_val message = ks_format(c->heap, "%s%s", text, now + strlen("Invalid value"));
    cause = ks_put(c->heap, cause, K(message), message);
    cause = ks_put(c->heap, cause, K(reason), ks_text(c->heap, reason));
    e->causes = ks_set_at(c->heap, e->causes, last, cause);
}

void ks_unsupported_printed(ks_check *c, const char *field, const char *printed,
                            const char *detail) {
    ks_error_invalid_text(&c->errors, field, printed, detail);
    rename_last(c, "Unsupported value", "FieldValueNotSupported");
}

void ks_duplicate_printed(ks_check *c, const char *field, const char *printed) {
    ks_error_invalid_text(&c->errors, field, printed, "");
    rename_last(c, "Duplicate value", "FieldValueDuplicate");
}

/* --- differences: the unified form, three lines of context --- */

enum { CONTEXT = 3 };

typedef struct text_line {
    const char *s;
    size_t len;
} text_line;

typedef struct text_lines {
    text_line *at;
    uint32_t count;
} text_lines;

static text_lines split(ks_heap *heap, const ks_str *text) {
    text_lines lines = {NULL, 1};
    for (uint32_t i = 0; i < text->len; i++) lines.count += text->s[i] == '\n';
    lines.at = ks_alloc(heap, lines.count * sizeof *lines.at);
    const char *s = text->s;
    for (uint32_t i = 0; i < lines.count; i++) {
        const char *end = strchr(s, '\n');
        size_t len = end == NULL ? strlen(s) : (size_t)(end - s);
        lines.at[i] = (text_line){s, len};
        s += len + 1;
    }
    return lines;
}

static bool same_line(text_line a, text_line b) {
    return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

/* An edit: ' ' keeps, '-' drops a line of a, '+' adds one of b. */
typedef struct edit {
    char what;
    uint32_t a, b;
} edit;

/* The edits from a to b by the longest common subsequence; *count of them. */
static edit *edits_of(ks_heap *heap, text_lines a, text_lines b, uint32_t *count) {
    size_t width = b.count + 1, cells = (a.count + 1) * width;
    uint32_t *best = ks_alloc_zero(heap, cells * sizeof *best);
    for (uint32_t i = a.count; i-- > 0;)
        for (uint32_t j = b.count; j-- > 0;) {
            uint32_t down = best[(i + 1) * width + j], right = best[i * width + j + 1];
            best[i * width + j] = same_line(a.at[i], b.at[j]) ? best[(i + 1) * width + j + 1] + 1
                                  : down > right              ? down
                                                              : right;
        }
    edit *edits = ks_alloc(heap, (a.count + b.count) * sizeof *edits);
    uint32_t i = 0, j = 0, n = 0;
    while (i < a.count || j < b.count) {
        if (i < a.count && j < b.count && same_line(a.at[i], b.at[j]))
            edits[n++] = (edit){' ', i++, j++};
        else if (j == b.count ||
                 (i < a.count && best[(i + 1) * width + j] >= best[i * width + j + 1]))
            edits[n++] = (edit){'-', i++, j};
        else
            edits[n++] = (edit){'+', i, j++};
    }
    ks_free(heap, best, cells * sizeof *best);
    *count = n;
    return edits;
}

static void put_range(ks_buf *out, uint32_t start, uint32_t len) {
    if (len == 1)
        ks_buf_printf(out, "%u", start + 1);
    else
        ks_buf_printf(out, "%u,%u", len == 0 ? start : start + 1, len);
}

static void put_hunk(ks_buf *out, const edit *edits, uint32_t from, uint32_t to, text_lines a,
                     text_lines b) {
    uint32_t gone = 0, came = 0;
    for (uint32_t i = from; i < to; i++) {
        gone += edits[i].what != '+';
        came += edits[i].what != '-';
    }
    ks_buf_puts(out, "@@ -");
    put_range(out, edits[from].a, gone);
    ks_buf_puts(out, " +");
    put_range(out, edits[from].b, came);
    ks_buf_puts(out, " @@\n");
    for (uint32_t i = from; i < to; i++) {
        text_line line = edits[i].what == '+' ? b.at[edits[i].b] : a.at[edits[i].a];
        ks_buf_putc(out, edits[i].what);
        ks_buf_add(out, line.s, line.len);
        ks_buf_putc(out, '\n');
    }
}

static const ks_str *unified(ks_heap *heap, const ks_str *old, const ks_str *now) {
    text_lines a = split(heap, old), b = split(heap, now);
    uint32_t count, at = 0;
    edit *edits = edits_of(heap, a, b, &count);
    ks_buf out = {.heap = heap};
    ks_buf_puts(&out, "");
    while (at < count) {
        while (at < count && edits[at].what == ' ') at++;
        if (at == count) break;
        uint32_t from = at > CONTEXT ? at - CONTEXT : 0, to = at, kept = 0;
        for (; at < count && kept <= 2 * CONTEXT; at++) {
            kept = edits[at].what == ' ' ? kept + 1 : 0;
            if (kept == 0) to = at + 1;
        }
        uint32_t end = to + CONTEXT < count ? to + CONTEXT : count;
        put_hunk(&out, edits, from, end, a, b);
        at = end;
    }
    ks_free(heap, edits, (a.count + b.count) * sizeof *edits);
    ks_free(heap, a.at, a.count * sizeof *a.at);
    ks_free(heap, b.at, b.count * sizeof *b.at);
    return ks_buf_take(&out);
}

const ks_str *ks_print_diff(ks_heap *heap, const ks_type *type, ks_val old, ks_val now) {
    printer before = {.out = {.heap = heap}, .indent = true};
    printer after = {.out = {.heap = heap}, .indent = true};
    put_struct(&before, type, old);
    put_struct(&after, type, now);
    const ks_str *a = ks_buf_take(&before.out), *b = ks_buf_take(&after.out);
    const ks_str *diff = unified(heap, a, b);
    ks_str_unref(heap, a);
    ks_str_unref(heap, b);
    return diff;
}
