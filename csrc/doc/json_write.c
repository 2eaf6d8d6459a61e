/*
 * doc/json_write.c - JSON out, as Go's encoding/json prints it.
 */
#include "doc/number.h"
#include "doc/quote.h"
#include "doc/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char hex[] = "0123456789abcdef";

static void write_escape(ks_buf *out, unsigned char c) {
    static const char names[] = "btn?fr"; /* 8..13 */
    if (c == '"' || c == '\\') {
        ks_buf_add(out, (char[]){'\\', (char)c}, 2);
    } else if (c >= 8 && c <= 13 && c != 11) {
        ks_buf_add(out, (char[]){'\\', names[c - 8]}, 2);
    } else {
        ks_buf_add(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
    }
}

/* What a byte needs within a string: nothing, or a closer look; 2: in Go's HTML-safe style only. */
static const unsigned char special[256] = {
    ['"'] = 1, ['\\'] = 1, ['<'] = 2, ['>'] = 2, ['&'] = 2,
};

/* Room for so many bytes and the end behind them: most pieces of a document are a few bytes long. */
static bool has_room(const ks_buf *out, size_t len) { return out->len + len < out->cap; }

static size_t plain_bytes(const char *s, size_t at, size_t len, unsigned marks) {
    for (; at < len; at++) {
        unsigned char c = (unsigned char)s[at];
        if (c < 0x20 || c >= 0x80 || (special[c] & marks) != 0) break;
    }
    return at;
}

/* A string that stands for itself, between quotes. */
static void write_plain(ks_buf *out, const char *s, size_t len) {
    char *to = out->s + out->len;
    *to++ = '"';
    memcpy(to, s, len);
    to[len] = '"';
    to[len + 1] = '\0';
    out->len += len + 2;
}

/* A byte that is not UTF-8. */
static void write_odd(ks_buf *out, unsigned char c, ks_json_style style) {
    if (style == KS_JSON_EXACT)
        ks_buf_add(out, (char[]){'\\', 'u', 'd', 'c', hex[c >> 4], hex[c & 15]}, 6);
    else
        ks_buf_puts(out, "\\ufffd");
}

static void write_string(ks_buf *out, const ks_str *str, ks_json_style style) {
    const char *s = str->s;
    bool html = style == KS_JSON_GO || style == KS_JSON_INDENT;
    unsigned marks = html ? 3 : 1;
    size_t len = str->len, done = 0, at = plain_bytes(s, 0, len, marks);
    if (at == len && has_room(out, len + 2)) {
        write_plain(out, s, len);
        return;
    }
    ks_buf_putc(out, '"');
    for (; at < len; at = plain_bytes(s, done, len, marks)) {
        unsigned char c = (unsigned char)s[at];
        int length = c < 0x80 ? 0 : ks_utf8_length(s + at, len - at);
        bool separator = length == 3 && memcmp(s + at, "\xe2\x80", 2) == 0 &&
                         (s[at + 2] == '\xa8' || s[at + 2] == '\xa9'); /* U+2028, U+2029 */
        if (length > 0 && !separator) {
            ks_buf_add(out, s + done, at + (size_t)length - done);
            done = at + (size_t)length;
            continue;
        }
        ks_buf_add(out, s + done, at - done);
        if (c < 0x80)
            write_escape(out, c);
        else if (separator)
            ks_buf_puts(out, s[at + 2] == '\xa8' ? "\\u2028" : "\\u2029");
        else
            write_odd(out, c, style);
        done = at + (length > 0 ? (size_t)length : 1);
    }
    ks_buf_add(out, s + done, len - done);
    ks_buf_putc(out, '"');
}

static void new_line(ks_buf *out, ks_json_style style, int depth) {
    if (style != KS_JSON_INDENT) return;
    ks_buf_putc(out, '\n');
    for (int i = 0; i < depth; i++) ks_buf_puts(out, "    ");
}

static void write_value(ks_buf *out, ks_val v, ks_json_style style, int depth) {
    char text[KS_NUMBER_MAX];
    switch (v.type) {
    case KS_NONE:
    case KS_NULL: ks_buf_add(out, "null", 4); break;
    case KS_BOOL: ks_buf_puts(out, v.b ? "true" : "false"); break;
    case KS_INT: ks_buf_add(out, text, (size_t)sprintf(text, "%lld", (long long)v.i)); break;
    case KS_FLOAT:
        if (isfinite(v.f))
            ks_buf_add(out, text, (size_t)ks_float_json(v.f, text));
        else
            ks_buf_puts(out, "null"); /* JSON has no word for it; no reader lets it in */
        break;
    case KS_STRING: write_string(out, v.s, style); break;
    case KS_LIST:
        ks_buf_putc(out, '[');
        for (uint32_t i = 0; i < v.count; i++) {
            if (i > 0) ks_buf_putc(out, ',');
            new_line(out, style, depth + 1);
            write_value(out, v.l->items[i], style, depth + 1);
        }
        if (v.count > 0) new_line(out, style, depth);
        ks_buf_putc(out, ']');
        break;
    case KS_MAP:
        ks_buf_putc(out, '{');
        for (uint32_t i = 0; i < v.m->len; i++) {
            if (i > 0) ks_buf_putc(out, ',');
            new_line(out, style, depth + 1);
            write_string(out, v.m->pairs[i].key, style);
            ks_buf_putc(out, ':');
            if (style == KS_JSON_INDENT) ks_buf_putc(out, ' ');
            write_value(out, v.m->pairs[i].val, style, depth + 1);
        }
        if (v.m->len > 0) new_line(out, style, depth);
        ks_buf_putc(out, '}');
        break;
    }
}

void ks_json_write(ks_buf *out, ks_val v, ks_json_style style) { write_value(out, v, style, 0); }
