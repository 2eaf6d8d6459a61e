/*
 * doc/json_read.c - JSON in, with the rules and error texts of Go's encoding/json.
 *
 * No recursion: open containers stand on the builder's stack, so depth costs no C stack. Called for
 * JSON texts, and by yaml_read.c for streams that begin with a brace.
 */
#include "doc/builder.h"
#include "doc/number.h"
#include "doc/quote.h"

#include <stdio.h>
#include <string.h>

static bool at_space(const ks_json_stream *st) {
    char c = st->s[st->at];
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

void ks_json_skip_space(ks_json_stream *st) {
    while (st->at < st->len && at_space(st)) st->at++;
}

static bool fail(ks_json_stream *st, const ks_str *message, bool syntax) {
    ks_str_unref(st->heap, st->message);
    st->message = message;
    st->syntax = syntax;
    return false;
}

static bool fail_end(ks_json_stream *st) {
    st->at = st->len;
    return fail(st, ks_str_of(st->heap, "unexpected end of JSON input"), false);
}

/* "invalid character 'x' ...": the byte at `at` is wrong. Go ends a text with a blank in thought, which is as
 * wrong within a word, a number or an escape ("in ...", "after decimal point ..."). */
static bool fail_byte(ks_json_stream *st, const char *context) {
    bool end = st->at >= st->len;
    bool within = strncmp(context, "in ", 3) == 0 || strncmp(context, "after decimal", 13) == 0;
    if (end && !within) return fail_end(st);
    ks_buf buf = {st->heap, NULL, 0, 0};
    ks_buf_puts(&buf, "invalid character ");
    ks_buf_quote_byte(&buf, end ? ' ' : (unsigned char)st->s[st->at++]);
    ks_buf_putc(&buf, ' ');
    ks_buf_puts(&buf, context);
    return fail(st, ks_buf_take(&buf), !end);
}

/* --- strings --- */

/* Four hexadecimal digits at `s`, or -1. */
static int32_t hex4(const char *s, size_t len) {
    int32_t value = 0;
    if (len < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = s[i], low = (char)(c | 0x20);
        int digit = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* \uXXXX at `at` (which stands behind the u), maybe the first half of a surrogate pair. */
static bool read_unicode(ks_json_stream *st, ks_buf *buf) {
    int32_t rune = hex4(st->s + st->at, st->len - st->at);
    if (rune < 0) {
        while (st->at < st->len && hex4((char[]){'0', '0', '0', st->s[st->at]}, 4) >= 0) st->at++;
        return fail_byte(st, "in \\u hexadecimal character escape");
    }
    st->at += 4;
    if (rune >= 0xd800 && rune < 0xe000) {
        const char *next = st->s + st->at;
        int32_t low =
            st->len - st->at >= 6 && next[0] == '\\' && next[1] == 'u' ? hex4(next + 2, 4) : -1;
        if (rune < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
            st->at += 6;
            rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
        } else if (st->limits->exact && rune >= 0xdc80 && rune <= 0xdcff) {
            ks_buf_putc(buf, (char)(rune & 0xff));
            return true;
        } else {
            rune = 0xfffd;
        }
    }
    ks_buf_rune(buf, (uint32_t)rune);
    return true;
}

static bool read_escape(ks_json_stream *st, ks_buf *buf) {
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    if (++st->at >= st->len) return fail_byte(st, "in string escape code");
    char c = st->s[st->at];
    if (c == 'u') {
        st->at++;
        return read_unicode(st, buf);
    }
    const char *found = c != '\0' ? strchr(names, c) : NULL;
    if (found == NULL) return fail_byte(st, "in string escape code");
    st->at++;
    ks_buf_putc(buf, bytes[found - names]);
    return true;
}

/* The rest of a string that is not plain ASCII without escapes: from `start` on. */
static bool read_string_slow(ks_json_stream *st, size_t start, ks_buf *buf) {
    ks_buf_add(buf, st->s + start, st->at - start);
    while (st->at < st->len) {
        unsigned char c = (unsigned char)st->s[st->at];
        if (c == '"') {
            st->at++;
            return true;
        }
        if (c < 0x20) return fail_byte(st, "in string literal");
        if (c == '\\') {
            if (!read_escape(st, buf)) return false;
            continue;
        }
        size_t from = st->at;
        while (st->at < st->len && (unsigned char)st->s[st->at] >= 0x20 && st->s[st->at] != '"' &&
               st->s[st->at] != '\\')
            st->at++;
        ks_buf_utf8(buf, st->s + from, st->at - from);
    }
    return fail_end(st);
}

/* The string whose opening quote stands at `at`: a new reference, interned if it is a key; NULL: failed. */
static const ks_str *read_string(ks_json_stream *st, bool key) {
    size_t start = ++st->at;
    while (st->at < st->len) {
        unsigned char c = (unsigned char)st->s[st->at];
        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) break;
        st->at++;
    }
    const char *s = st->s + start;
    size_t len = st->at - start;
    ks_buf buf = {st->heap, NULL, 0, 0};
    bool plain = st->at < st->len && st->s[st->at] == '"';
    if (plain) {
        st->at++;
    } else {
        if (!read_string_slow(st, start, &buf)) {
            ks_buf_dispose(&buf);
            return NULL;
        }
        s = buf.len > 0 ? buf.s : "";
        len = buf.len;
    }
    const ks_str *str = key ? ks_intern(st->heap, s, len) : ks_str_new(st->heap, s, len);
    ks_buf_dispose(&buf);
    return str;
}

/* --- numbers and words --- */

static bool skip_digits(ks_json_stream *st) {
    size_t from = st->at;
    while (st->at < st->len && st->s[st->at] >= '0' && st->s[st->at] <= '9') st->at++;
    return st->at > from;
}

static bool at_byte(const ks_json_stream *st, char c) {
    return st->at < st->len && st->s[st->at] == c;
}

static bool read_number(ks_json_stream *st, ks_val *out) {
    size_t from = st->at;
    bool whole = true;
    if (at_byte(st, '-')) st->at++;
    if (at_byte(st, '0'))
        st->at++;
    else if (!skip_digits(st))
        return fail_byte(st, "in numeric literal");
    if (at_byte(st, '.')) {
        st->at++;
        whole = false;
        if (!skip_digits(st)) return fail_byte(st, "after decimal point in numeric literal");
    }
    if (at_byte(st, 'e') || at_byte(st, 'E')) {
        st->at++;
        whole = false;
        if (at_byte(st, '+') || at_byte(st, '-')) st->at++;
        if (!skip_digits(st)) return fail_byte(st, "in exponent of numeric literal");
    }
    size_t len = st->at - from;
    *out = ks_int(0);
    if (whole && ks_int_parse(st->s + from, len, &out->i)) return true;
    *out = ks_float(0);
    if (ks_float_parse(st->s + from, len, &out->f)) return true;
    return fail(st,
                ks_str_printf(st->heap,
                              "json: cannot unmarshal number %.*s into Go value of type float64",
                              (int)(len < 100 ? len : 100), st->s + from),
                false);
}

static bool read_word(ks_json_stream *st, const char *word, ks_val v, ks_val *out) {
    for (const char *c = word; *c != '\0'; c++, st->at++) {
        if (at_byte(st, *c)) continue;
        char context[64];
        snprintf(context, sizeof context, "in literal %s (expecting '%c')", word, *c);
        return fail_byte(st, context);
    }
    *out = v;
    return true;
}

static bool read_scalar(ks_json_stream *st, ks_val *out) {
    switch (st->s[st->at]) {
    case '"': {
        const ks_str *str = read_string(st, false);
        *out = ks_string_take(str);
        return str != NULL;
    }
    case 't': return read_word(st, "true", ks_bool(true), out);
    case 'f': return read_word(st, "false", ks_bool(false), out);
    case 'n': return read_word(st, "null", ks_null(), out);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': return read_number(st, out);
    default: return fail_byte(st, "looking for beginning of value");
    }
}

/* --- containers --- */

/* A member's key and colon, for the innermost map. */
static bool read_key(ks_json_stream *st, ks_builder *b) {
    if (!at_byte(st, '"')) return fail_byte(st, "looking for beginning of object key string");
    const ks_str *key = read_string(st, true);
    if (key == NULL) return false;
    ks_builder_top(b)->key = key;
    ks_json_skip_space(st);
    if (!at_byte(st, ':')) return fail_byte(st, "after object key");
    st->at++;
    return true;
}

/* After a value: closes what ends here; then stands before the next value, or is done. */
static bool read_after(ks_json_stream *st, ks_builder *b) {
    while (b->depth > 0) {
        bool map = ks_builder_top(b)->map;
        ks_json_skip_space(st);
        if (at_byte(st, ',')) {
            st->at++;
            if (!map) return true;
            ks_json_skip_space(st);
            return read_key(st, b);
        }
        if (!at_byte(st, map ? '}' : ']'))
            return fail_byte(st, map ? "after object key:value pair" : "after array element");
        st->at++;
        ks_builder_add(b, ks_builder_close(b));
    }
    return true;
}

static bool read_value(ks_json_stream *st, ks_builder *b) {
    ks_json_skip_space(st);
    if (st->at >= st->len) return fail_end(st);
    if (++st->nodes > st->limits->max_nodes)
        return fail(st, ks_str_of(st->heap, "the text holds too many values"), false);
    char c = st->s[st->at];
    if (c != '{' && c != '[') {
        ks_val v;
        if (!read_scalar(st, &v)) return false;
        ks_builder_add(b, v);
        return read_after(st, b);
    }
    if (b->depth >= (uint32_t)st->limits->max_depth) return fail_byte(st, "exceeded max depth");
    st->at++;
    ks_builder_open(b, c == '{');
    ks_json_skip_space(st);
    if (at_byte(st, c == '{' ? '}' : ']')) {
        st->at++;
        ks_builder_add(b, ks_builder_close(b));
        return read_after(st, b);
    }
    return c == '[' || read_key(st, b);
}

bool ks_json_stream_next(ks_json_stream *st, ks_builder *b, ks_val *out) {
    do {
        if (!read_value(st, b)) {
            ks_builder_dispose(b);
            return false;
        }
    } while (b->depth > 0);
    *out = b->root;
    b->root = KS_NOTHING;
    return true;
}

/* --- one text --- */

void ks_text_locate(const char *s, size_t at, ks_text_error *err) {
    err->line = 1;
    size_t start = 0;
    for (size_t i = 0; i < at; i++) {
        if (s[i] != '\n') continue;
        err->line++;
        start = i + 1;
    }
    err->column = (int)(at - start) + 1;
}

bool ks_json_read(ks_heap *heap, const char *s, size_t len, const ks_text_limits *limits,
                  ks_val *out, ks_text_error *err) {
    ks_text_limits bounds = ks_limits_of(limits);
    ks_builder builder = {.heap = heap, .document = 1};
    ks_json_stream st = {.heap = heap, .s = s, .len = len, .limits = &bounds};
    *out = KS_NOTHING;
    st.message = ks_limits_refuse(heap, &bounds, len);
    if (st.message == NULL && ks_json_stream_next(&st, &builder, out)) {
        ks_json_skip_space(&st);
        if (st.at < st.len) {
            fail_byte(&st, "after top-level value");
            ks_unref(heap, *out);
            *out = KS_NOTHING;
        }
    }
    ks_builder_dispose(&builder);
    if (st.message == NULL) return true;
    ks_text_locate(s, st.at > 0 && st.syntax ? st.at - 1 : st.at, err);
    err->document = 1;
    err->message = st.message;
    return false;
}
