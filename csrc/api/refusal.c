/*
 * api/refusal.c - the API server's refusals and the field errors that validation collects; see
 * refusal.h.
 *
 * k8s.io/apimachinery/pkg/api/errors/errors.go, pkg/util/validation/field/errors.go,
 * pkg/util/errors/errors.go (how several errors become one text).
 */
#include "api/refusal.h"
#include "base/tree.h"
#include "doc/quote.h"
#include "doc/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- refusals --- */

static ks_refusal *refusal_new(ks_heap *heap, int code, const char *reason, const ks_str *message) {
    ks_refusal *refusal = ks_alloc(heap, sizeof *refusal);
    *refusal =
        (ks_refusal){.code = code, .reason = reason, .message = message, .causes = KS_NOTHING};
    return refusal;
}

ks_refusal *ks_refuse(ks_heap *heap, int code, const char *reason, const char *format, ...) {
    char small[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (len < (int)sizeof small)
        return refusal_new(heap, code, reason, ks_str_new(heap, small, (size_t)len));
    char *big = ks_alloc(heap, (size_t)len + 1);
    va_start(args, format);
    vsnprintf(big, (size_t)len + 1, format, args);
    va_end(args);
    const ks_str *message = ks_str_new(heap, big, (size_t)len);
    ks_free(heap, big, (size_t)len + 1);
    return refusal_new(heap, code, reason, message);
}

void ks_refusal_free(ks_heap *heap, ks_refusal *refusal) {
    if (refusal == NULL) return;
    ks_str_unref(heap, refusal->message);
    ks_str_unref(heap, refusal->name);
    ks_str_unref(heap, refusal->group);
    ks_str_unref(heap, refusal->kind);
    ks_str_unref(heap, refusal->continue_token);
    ks_unref(heap, refusal->causes);
    ks_free(heap, refusal, sizeof *refusal);
}

/* `statefulsets.apps "web"`, or without the name when there is none. */
static void put_resource(ks_buf *buf, const char *resource, const char *group, const ks_str *name) {
    ks_buf_puts(buf, resource);
    if (*group != '\0') ks_buf_printf(buf, ".%s", group);
    if (name == NULL) return;
    ks_buf_putc(buf, ' ');
    ks_buf_quote(buf, name->s, name->len);
}

static const ks_str *text_or_null(ks_heap *heap, const char *text) {
    return *text != '\0' ? ks_str_of(heap, text) : NULL;
}

/* A refusal about a resource: `before`, its name, `after`; details filled. */
static ks_refusal *refuse_resource(ks_heap *heap, ks_kind kind, const ks_str *name, int code,
                                   const char *reason, const char *before, const char *after) {
    const ks_kind_info *info = kind != KS_NO_KIND ? ks_kind_get(kind) : NULL;
    const char *plural = info != NULL ? info->plural : "", *group = info != NULL ? info->group : "";
    ks_buf buf = {heap, NULL, 0, 0};
    ks_buf_puts(&buf, before);
    put_resource(&buf, plural, group, name);
    ks_buf_puts(&buf, after);
    ks_refusal *refusal = refusal_new(heap, code, reason, ks_buf_take(&buf));
    refusal->name = name != NULL && name->len > 0 ? ks_str_ref(name) : NULL;
    refusal->group = text_or_null(heap, group);
    refusal->kind = text_or_null(heap, plural);
    return refusal;
}

ks_refusal *ks_refuse_not_found(ks_heap *heap, ks_kind kind, const ks_str *name) {
    return refuse_resource(heap, kind, name, 404, "NotFound", "", " not found");
}

ks_refusal *ks_refuse_exists(ks_heap *heap, ks_kind kind, const ks_str *name) {
    return refuse_resource(heap, kind, name, 409, "AlreadyExists", "", " already exists");
}

/* The same with a reason given at the end. */
static ks_refusal *refuse_because(ks_heap *heap, ks_kind kind, const ks_str *name, int code,
                                  const char *reason, const char *before, const char *between,
                                  const char *why) {
    const ks_str *after = ks_str_printf(heap, "%s%s", between, why);
    ks_refusal *refusal = refuse_resource(heap, kind, name, code, reason, before, after->s);
    ks_str_unref(heap, after);
    return refusal;
}

ks_refusal *ks_refuse_conflict(ks_heap *heap, ks_kind kind, const ks_str *name, const char *why) {
    return refuse_because(heap, kind, name, 409, "Conflict", "Operation cannot be fulfilled on ",
                          ": ", why);
}

ks_refusal *ks_refuse_forbidden(ks_heap *heap, ks_kind kind, const ks_str *name, const char *why) {
    if (kind == KS_NO_KIND) return ks_refuse(heap, 403, "Forbidden", "forbidden: %s", why);
    if (name != NULL && name->len == 0) name = NULL;
    return refuse_because(heap, kind, name, 403, "Forbidden", "", " is forbidden: ", why);
}

ks_refusal *ks_refuse_bad_request(ks_heap *heap, const char *why) {
    return refusal_new(heap, 400, "BadRequest", ks_str_of(heap, why));
}

/* --- the path --- */

size_t ks_path_field(ks_errors *errors, const char *name) {
    ks_buf *path = &errors->path;
    size_t mark = path->len, len = strlen(name);
    if (mark > 0 && mark + len + 2 <=
                        path->cap) { /* nearly always: each field that is looked at comes by here */
        path->s[mark] = '.';
        memcpy(path->s + mark + 1, name, len + 1);
        path->len = mark + 1 + len;
        return mark;
    }
    path->heap = errors->heap;
    if (mark > 0) ks_buf_putc(path, '.');
    ks_buf_add(path, name, len);
    return mark;
}

size_t ks_path_index(ks_errors *errors, uint32_t index) {
    size_t mark = errors->path.len;
    errors->path.heap = errors->heap;
    char text[16], *at = text + sizeof text; /* "[4294967295]" at most */
    *--at = ']';
    do *--at = (char)('0' + index % 10);
    while ((index /= 10) != 0);
    *--at = '[';
    ks_buf_add(&errors->path, at, (size_t)(text + sizeof text - at));
    return mark;
}

size_t ks_path_key(ks_errors *errors, const char *key) {
    size_t mark = errors->path.len;
    errors->path.heap = errors->heap;
    ks_buf_putc(&errors->path, '[');
    ks_buf_puts(&errors->path, key);
    ks_buf_putc(&errors->path, ']');
    return mark;
}

void ks_path_back(ks_errors *errors, size_t mark) {
    errors->path.len = mark;
    if (errors->path.s != NULL) errors->path.s[mark] = '\0';
}

/* The path with `field` (may be NULL) behind it, as a value. */
static ks_val path_val(ks_errors *e, const char *field) {
    ks_buf buf = {e->heap, NULL, 0, 0};
    ks_buf_add(&buf, e->path.s, e->path.len);
    if (field != NULL && *field != '\0') {
        if (buf.len > 0 && *field != '[') ks_buf_putc(&buf, '.');
        ks_buf_puts(&buf, field);
    }
    if (buf.len == 0) ks_buf_puts(&buf, "<nil>");
    return ks_string_take(ks_buf_take(&buf));
}

/* --- field errors --- */

static void add(ks_errors *e, const char *field, const char *reason, const ks_str *message) {
    ks_val cause = ks_map_of(e->heap, K(field), path_val(e, field), K(message),
                             ks_string_take(message), K(reason), ks_text(e->heap, reason), NULL);
    e->causes = ks_append(e->heap, e->causes, cause);
}

static void add_detail(ks_buf *buf, const char *detail) {
    if (detail == NULL || *detail == '\0') return;
    ks_buf_puts(buf, ": ");
    ks_buf_puts(buf, detail);
}

/* An error whose text shows no value. */
static void add_plain(ks_errors *e, const char *field, const char *reason, const char *text,
                      const char *detail) {
    ks_buf buf = {e->heap, NULL, 0, 0};
    ks_buf_puts(&buf, text);
    add_detail(&buf, detail);
    add(e, field, reason, ks_buf_take(&buf));
}

/* One that shows a value, printed already. */
static void add_printed(ks_errors *e, const char *field, const char *reason, const char *text,
                        const char *printed, const char *detail) {
    ks_buf buf = {e->heap, NULL, 0, 0};
    ks_buf_puts(&buf, text);
    ks_buf_puts(&buf, ": ");
    ks_buf_puts(&buf, printed);
    add_detail(&buf, detail);
    add(e, field, reason, ks_buf_take(&buf));
}

/* A value as field.Error shows it: text quoted, the rest as JSON (numbers and booleans look the
 * same). */
static void put_value(ks_buf *buf, ks_val value) {
    if (value.type == KS_STRING)
        ks_buf_quote(buf, value.s->s, value.s->len);
    else
        ks_json_write(buf, value, KS_JSON_GO);
}

static void add_valued(ks_errors *e, const char *field, const char *reason, const char *text,
                       ks_val value, const char *detail) {
    ks_buf buf = {e->heap, NULL, 0, 0};
    ks_buf_puts(&buf, text);
    ks_buf_puts(&buf, ": ");
    put_value(&buf, value);
    add_detail(&buf, detail);
    add(e, field, reason, ks_buf_take(&buf));
}

void ks_error_invalid(ks_errors *e, const char *field, ks_val value, const char *detail) {
    add_valued(e, field, "FieldValueInvalid", "Invalid value", value, detail);
}

void ks_error_invalid_text(ks_errors *e, const char *field, const char *printed,
                           const char *detail) {
    add_printed(e, field, "FieldValueInvalid", "Invalid value", printed, detail);
}

void ks_error_required(ks_errors *e, const char *field, const char *detail) {
    add_plain(e, field, "FieldValueRequired", "Required value", detail);
}

void ks_error_forbidden(ks_errors *e, const char *field, const char *detail) {
    add_plain(e, field, "FieldValueForbidden", "Forbidden", detail);
}

void ks_error_unsupported(ks_errors *e, const char *field, ks_val value,
                          const char *const *allowed) {
    ks_buf buf = {e->heap, NULL, 0, 0};
    for (const char *const *word = allowed; word != NULL && *word != NULL; word++) {
        ks_buf_puts(&buf, word == allowed ? "supported values: " : ", ");
        ks_buf_quote(&buf, *word, strlen(*word));
    }
    add_valued(e, field, "FieldValueNotSupported", "Unsupported value", value, buf.s);
    ks_buf_dispose(&buf);
}

void ks_error_not_found(ks_errors *e, const char *field, ks_val value) {
    add_valued(e, field, "FieldValueNotFound", "Not found", value, NULL);
}

void ks_error_not_found_because(ks_errors *e, const char *field, ks_val value, const char *detail) {
    add_valued(e, field, "FieldValueNotFound", "Not found", value, detail);
}

void ks_error_internal(ks_errors *e, const char *field, const char *detail) {
    add_plain(e, field, "InternalError", "Internal error", detail);
}

void ks_error_duplicate(ks_errors *e, const char *field, ks_val value) {
    add_valued(e, field, "FieldValueDuplicate", "Duplicate value", value, NULL);
}

void ks_error_too_long(ks_errors *e, const char *field, int max) {
    char detail[64];
    snprintf(detail, sizeof detail, "may not be more than %d %s", max, max == 1 ? "byte" : "bytes");
    add_plain(e, field, "FieldValueTooLong", "Too long", detail);
}

void ks_error_too_many(ks_errors *e, const char *field, int actual, int max) {
    char detail[64];
    snprintf(detail, sizeof detail, "must have at most %d %s", max, max == 1 ? "item" : "items");
    add_valued(e, field, "FieldValueTooMany", "Too many", ks_int(actual), detail);
}

bool ks_errors_any(const ks_errors *e) { return ks_len(e->causes) > 0; }

/* --- all of them as one --- */

/* "path: text" of each error, each text once; brackets around several. */
static void put_aggregate(ks_errors *e, ks_buf *buf) {
    ks_tree seen = {NULL, NULL, 0};
    ks_buf all = {e->heap, NULL, 0, 0};
    ks_each(cause, e->causes) {
        ks_buf one = {e->heap, NULL, 0, 0};
        ks_buf_str(&one, ks_get(*cause, K(field)).s);
        ks_buf_puts(&one, ": ");
        ks_buf_str(&one, ks_get(*cause, K(message)).s);
        const ks_str *text = ks_intern(e->heap, one.s, one.len);
        ks_buf_dispose(&one);
        ks_key key = {(uintptr_t)text, 0};
        if (ks_tree_has(&seen, key)) {
            ks_str_unref(e->heap, text);
            continue;
        }
        if (seen.count > 0) ks_buf_puts(&all, ", ");
        ks_buf_str(&all, text);
        ks_tree_put(e->heap, &seen, key, (void *)(uintptr_t)text);
    }
    if (seen.count > 1) ks_buf_putc(buf, '[');
    ks_buf_add(buf, all.s, all.len);
    if (seen.count > 1) ks_buf_putc(buf, ']');
    ks_buf_dispose(&all);
    for (ks_tree_iter it = ks_tree_begin(&seen); ks_tree_next(&it);)
        ks_str_unref(e->heap, it.value);
    ks_tree_clear(e->heap, &seen);
}

ks_refusal *ks_errors_refuse(ks_errors *e, ks_kind kind, const ks_str *name) {
    if (!ks_errors_any(e)) {
        ks_errors_dispose(e);
        return NULL;
    }
    const ks_kind_info *info = kind != KS_NO_KIND ? ks_kind_get(kind) : NULL;
    const char *word = info != NULL ? info->name : "", *group = info != NULL ? info->group : "";
    const ks_str *shown = name != NULL ? ks_str_ref(name) : ks_str_new(e->heap, "", 0);
    ks_buf buf = {e->heap, NULL, 0, 0};
    put_resource(&buf, word, group, shown);
    ks_buf_puts(&buf, " is invalid: ");
    put_aggregate(e, &buf);
    ks_str_unref(e->heap, shown);
    ks_refusal *refusal = refusal_new(e->heap, 422, "Invalid", ks_buf_take(&buf));
    refusal->name = name != NULL && name->len > 0 ? ks_str_ref(name) : NULL;
    refusal->group = text_or_null(e->heap, group);
    refusal->kind = text_or_null(e->heap, word);
    refusal->causes = e->causes;
    e->causes = KS_NOTHING;
    ks_errors_dispose(e);
    return refusal;
}

void ks_errors_dispose(ks_errors *e) {
    ks_unref(e->heap, e->causes);
    e->causes = KS_NOTHING;
    if (e->path.heap != NULL) ks_buf_dispose(&e->path);
}
