/*
 * doc/yaml_read.c - streams of YAML or JSON documents, cut up and read as kubectl does it.
 *
 * k8s.io/apimachinery/pkg/util/yaml/decoder.go: a text that begins with a brace is tried as JSON values one
 * after another; else it is cut at lines that begin with "---", and each part is one YAML document of
 * its own, with line numbers of its own. What follows the first document of a part ("...") is dropped.
 *
 * A part is read by yaml_block.c if it is of the common sort, else through libyaml by yaml_events.c.
 *
 * libyaml's memory is not the heap's, so a guard frees it when the heap unwinds.
 */
#include "doc/yaml_block.h"
#include "doc/yaml_events.h"

#include <stdio.h>
#include <string.h>

typedef struct reader {
    ks_yaml_document doc;
    ks_text_limits limits;
    const char *s;
    size_t len;
    size_t part, part_end; /* the part being read: [part, part_end) */
    size_t fed;            /* how far libyaml has been given it */
    bool ended;            /* its last line break as well */
    bool parser_open;
    int document;
    ks_val docs;
    ks_text_error *err;
} reader;

static bool fail(reader *r, const ks_str *message, size_t at, int lines, int column) {
    r->err->message = message;
    r->err->document = r->document;
    r->err->line = 1 + (lines > 0 ? lines - 1 : 0);
    r->err->column = column > 0 ? column : 1;
    for (size_t i = 0; i < at && i < r->len; i++) r->err->line += r->s[i] == '\n';
    return false;
}

static void add_document(reader *r, ks_val v) {
    if (v.type != KS_NULL) r->docs = ks_append(r->doc.heap, r->docs, v);
}

/* --- one part --- */

/* Feeds libyaml: lines end with \n alone, the last one too, as bufio's ReadLine hands them on. */
static int feed(void *data, unsigned char *buffer, size_t size, size_t *size_read) {
    reader *r = data;
    const char *from = r->s + r->fed;
    size_t left = r->part_end - r->fed, used = left < size ? left : size;
    *size_read = 0;
    if (used > 0 && memchr(from, '\r', used) == NULL) {
        memcpy(buffer, from, used);
        r->fed += used;
        *size_read = used;
    } else {
        for (; r->fed < r->part_end && *size_read < size; r->fed++) {
            bool crlf =
                r->s[r->fed] == '\r' && r->fed + 1 < r->part_end && r->s[r->fed + 1] == '\n';
            if (!crlf) buffer[(*size_read)++] = (unsigned char)r->s[r->fed];
        }
    }
    if (r->fed == r->part_end && !r->ended && *size_read < size) {
        r->ended = true;
        if (r->part_end > r->part && r->s[r->part_end - 1] != '\n') buffer[(*size_read)++] = '\n';
    }
    return 1;
}

static void close_parser(reader *r) {
    yaml_event_delete(&r->doc.event);
    if (r->parser_open) yaml_parser_delete(&r->doc.parser);
    r->parser_open = false;
}

/* go-yaml knows %YAML 1.1 only (libyaml more): whether a directive at the part's beginning names another
 * version; `line`: which of the part's, from 0. */
static bool other_version(const reader *r, int *line) {
    const char *s = r->s + r->part, *end = r->s + r->part_end;
    *line = 0;
    for (;; (*line)++) {
        const char *stop = s < end ? memchr(s, '\n', (size_t)(end - s)) : NULL;
        while (s < end && (*s == ' ' || *s == '\r')) s++;
        if (s == end || (*s != '%' && *s != '#' && *s != '\n')) return false;
        if (end - s > 6 && memcmp(s, "%YAML ", 6) == 0) {
            for (s += 6; s < end && *s == ' ';) s++;
            bool known = end - s >= 3 && memcmp(s, "1.1", 3) == 0;
            return !known && s < end && *s >= '0' && *s <= '9';
        }
        if (stop == NULL) return false;
        s = stop + 1;
    }
}

/* The fast reader; false when it leaves the part to libyaml. */
static bool read_fast(reader *r) {
    ks_val v, *duplicates = r->doc.builder.duplicates;
    ks_val before = duplicates != NULL ? ks_ref(*duplicates) : KS_NOTHING;
    bool good = ks_yaml_block_read(&r->doc.builder, &r->limits, &r->doc.nodes, r->s + r->part,
                                   r->part_end - r->part, &v);
    if (good) {
        ks_unref(r->doc.heap, before);
        add_document(r, v);
    } else if (duplicates != NULL) {
        ks_unref(r->doc.heap, *duplicates);
        *duplicates = before;
    }
    return good;
}

static bool read_part(reader *r) {
    ks_val v;
    int line;
    ks_yaml_document *doc = &r->doc;
    r->document++;
    r->fed = r->part;
    r->ended = false;
    doc->builder.document = r->document;
    if (read_fast(r)) return true;
    if (other_version(r, &line)) {
        char where[32] = "";
        if (line > 0) snprintf(where, sizeof where, "line %d: ", line);
        return fail(r,
                    ks_str_printf(doc->heap,
                                  "error converting YAML to JSON: yaml: %sfound incompatible YAML "
                                  "document",
                                  where),
                    r->part, line + 1, 1);
    }
    if (!yaml_parser_initialize(&doc->parser)) ks_heap_unwind(doc->heap, KS_ENOMEM);
    r->parser_open = true;
    yaml_parser_set_input(&doc->parser, feed, r);
    bool good = ks_yaml_document_read(doc, &v);
    close_parser(r);
    if (good) {
        add_document(r, v);
    } else {
        fail(r, ks_str_printf(doc->heap, "error converting YAML to JSON: %s", doc->problem->s),
             r->part, doc->line, doc->column);
        ks_builder_dispose(&doc->builder);
    }
    ks_yaml_document_dispose(doc);
    return good;
}

/* --- cutting --- */

static size_t line_end(const reader *r, size_t at) {
    const char *found = at < r->len ? memchr(r->s + at, '\n', r->len - at) : NULL;
    return found != NULL ? (size_t)(found - r->s) + 1 : r->len;
}

static bool is_separator(const reader *r, size_t at) {
    return r->len - at >= 3 && memcmp(r->s + at, "---", 3) == 0;
}

static bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Behind the dashes of a separator only space and a comment may stand. */
static bool check_separator(reader *r, size_t at, size_t end) {
    size_t from = at + 3;
    while (from < end && space(r->s[from])) from++;
    while (end > from && space(r->s[end - 1])) end--;
    if (from == end || r->s[from] == '#') return true;
    int length = end - from > 1000 ? 1000 : (int)(end - from);
    r->document++;
    return fail(
        r, ks_str_printf(r->doc.heap, "invalid Yaml document separator: %.*s", length, r->s + from),
        at, 1, 1);
}

static bool read_parts(reader *r, size_t at) {
    r->part = at;
    while (at < r->len) {
        size_t end = line_end(r, at);
        if (is_separator(r, at)) {
            if (!check_separator(r, at, end)) return false;
            if (r->part < at) {
                r->part_end = at;
                if (!read_part(r)) return false;
                r->part = end; /* the separator is no part's, but for one that begins the text */
            }
        }
        at = end;
    }
    r->part_end = r->len;
    return r->part == r->part_end || read_part(r);
}

/* --- JSON --- */

enum { JSON_PEEK = 4096 }; /* kubectl looks that far for the brace */

static bool looks_like_json(const reader *r) {
    size_t at = 0, end = r->len < JSON_PEEK ? r->len : JSON_PEEK;
    while (at < end && space(r->s[at])) at++;
    return at < end && r->s[at] == '{';
}

enum { RUNE = 4 }; /* upstream's reader gives up when less than a longest character is left */

/* Where YAML goes on after JSON values: behind white space, at most to the end of the line. */
static bool skip_line_rest(const reader *r, size_t *at) {
    while (r->len - *at >= RUNE) {
        if (!space(r->s[*at])) return true;
        if (r->s[(*at)++] == '\n') return true;
    }
    return false;
}

/* Values one after another; when that fails early, what is left may still be YAML, and if it is not, the
 * first error counts. */
static bool read_json(reader *r) {
    ks_heap *heap = r->doc.heap;
    ks_json_stream st = {.heap = heap, .s = r->s, .len = r->len, .limits = &r->limits};
    ks_builder *builder = &r->doc.builder;
    for (int count = 0;; count++) {
        size_t before = st.at;
        ks_val v;
        ks_json_skip_space(&st);
        if (st.at == st.len) return true;
        builder->document = r->document + 1;
        if (ks_json_stream_next(&st, builder, &v)) {
            r->document++;
            add_document(r, v);
            continue;
        }
        bool unfinished = !st.syntax && st.at == st.len;
        const ks_str *message =
            unfinished ? ks_str_of(heap, "unexpected EOF")
            : st.syntax && count <= 1
                ? ks_str_printf(heap, "json: offset %zu: %s", st.at, st.message->s)
                : ks_str_ref(st.message);
        size_t at = st.syntax && st.at > 0 ? st.at - 1 : st.at;
        ks_str_unref(heap, st.message);
        bool yaml = (st.syntax || unfinished) && count <= 1 && skip_line_rest(r, &before);
        if (yaml && read_parts(r, before)) {
            ks_str_unref(heap, message);
            return true;
        }
        ks_str_unref(heap, r->err->message);
        ks_text_locate(r->s, at, r->err);
        r->err->document = count + 1;
        r->err->message = message;
        return false;
    }
}

static bool read_text(reader *r) {
    const ks_str *refusal = ks_limits_refuse(r->doc.heap, &r->limits, r->len);
    if (refusal != NULL) return fail(r, refusal, 0, 0, 0);
    return looks_like_json(r) ? read_json(r) : read_parts(r, 0);
}

/* Reads under a guard: when memory runs out, libyaml's is freed before unwinding goes on. */
static bool read_guarded(reader *r) {
    ks_guard guard;
    int code = KS_GUARD_ENTER(r->doc.heap, &guard);
    if (code != KS_OK) {
        close_parser(r);
        ks_heap_unwind(r->doc.heap, code);
    }
    bool good = read_text(r);
    ks_guard_leave(r->doc.heap, &guard);
    return good;
}

bool ks_yaml_read(ks_heap *heap, const char *s, size_t len, const ks_text_limits *limits,
                  ks_val *out, ks_val *duplicates, ks_text_error *err) {
    reader r = {.s = s, .len = len, .err = err, .limits = ks_limits_of(limits)};
    r.doc.heap = heap;
    r.doc.limits = &r.limits;
    r.doc.builder = (ks_builder){.heap = heap, .duplicates = duplicates};
    r.docs = ks_list_new(heap, 1);
    err->message = NULL;
    bool good = read_guarded(&r);
    ks_builder_dispose(&r.doc.builder);
    *out = good ? r.docs : KS_NOTHING;
    if (!good) ks_unref(heap, r.docs);
    return good;
}
