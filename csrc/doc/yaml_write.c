/*
 * doc/yaml_write.c - YAML out, byte for byte as kubectl -o yaml prints it.
 *
 * sigs.k8s.io/yaml writes with go-yaml v2, whose emitter is libyaml's with other choices: lines are folded
 * behind column 80, sequences are not indented below their key, texts with line breaks become
 * literal blocks, texts that would be read as something else get double quotes, others that cannot stand
 * plain get single ones. Keys come in its "natural" order: item2 before item10. The state that decides
 * about breaks and blanks (column, whitespace, indention) has the emitter's names.
 */
#include "doc/number.h"
#include "doc/quote.h"
#include "doc/text.h"
#include "doc/yaml_scalar.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BEST_WIDTH = 80, BEST_INDENT = 2, SIMPLE_KEY = 128 };

typedef struct writer {
    ks_buf *out;
    int column;
    bool whitespace; /* the last thing written was a blank, or nothing */
    bool indention;  /* on this line only blanks and indicators (-, ?, :) so far */
} writer;

/* --- characters --- */

static bool has(const char *s, size_t len, const char *bytes) {
    size_t count = strlen(bytes);
    return len >= count && memcmp(s, bytes, count) == 0;
}

/* Line breaks of YAML 1.1: CR, LF, NEL, LS, PS. */
static bool is_break(const char *s, size_t len) {
    return len > 0 && (*s == '\r' || *s == '\n' || has(s, len, "\xc2\x85") ||
                       has(s, len, "\xe2\x80\xa8") || has(s, len, "\xe2\x80\xa9"));
}

static bool is_bom(const char *s, size_t len) { return has(s, len, "\xef\xbb\xbf"); }

/* go-yaml's notion: nothing beyond the basic plane. */
static bool is_printable(const char *s, size_t len) {
    unsigned char c = (unsigned char)*s, next = len > 1 ? (unsigned char)s[1] : 0;
    if (c < 0x80) return c == '\n' || (c >= 0x20 && c <= 0x7e);
    if (c == 0xc2) return next >= 0xa0;
    if (c == 0xed) return next < 0xa0;
    if (c == 0xef)
        return !is_bom(s, len) && !has(s, len, "\xef\xbf\xbe") && !has(s, len, "\xef\xbf\xbf");
    return c > 0xc2 && c <= 0xef;
}

static size_t width(const char *s) {
    unsigned char c = (unsigned char)*s;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* --- writing --- */

static void put_char(writer *w, const char *s, size_t bytes) {
    ks_buf_add(w->out, s, bytes);
    w->column++;
}

static void put(writer *w, char c) { put_char(w, &c, 1); }

static void put_break(writer *w) {
    ks_buf_putc(w->out, '\n');
    w->column = 0;
}

static void write_indent(writer *w, int indent) {
    if (indent < 0) indent = 0;
    if (!w->indention || w->column > indent || (w->column == indent && !w->whitespace))
        put_break(w);
    while (w->column < indent) put(w, ' ');
    w->whitespace = true;
    w->indention = true;
}

static void write_indicator(writer *w, char c, bool needs_blank, bool is_blank, bool is_indention) {
    if (needs_blank && !w->whitespace) put(w, ' ');
    put(w, c);
    w->whitespace = is_blank;
    w->indention = w->indention && is_indention;
}

/* Copies a line break of the text: LF as the line's end, others as they are. */
static void copy_break(writer *w, const char *s) {
    if (*s == '\n')
        put_break(w);
    else
        ks_buf_add(w->out, s, width(s));
    w->column = 0;
}

/* --- how a text may be written --- */

typedef struct analysis {
    bool multiline, plain, single_quoted, block;
} analysis;

/* Characters that mean something at the beginning of a plain scalar, or in it. */
static bool is_indicator(const char *s, size_t at, size_t len, bool after_blank) {
    bool before_blank = at + 1 >= len || s[at + 1] == ' ' || s[at + 1] == '\t';
    if (at > 0) return (s[at] == ':' && before_blank) || (s[at] == '#' && after_blank);
    if (s[0] != '\0' && strchr("#,[]{}&*!|>'\"%@`", s[0]) != NULL) return true;
    return (s[0] == '?' || s[0] == ':' || s[0] == '-') && before_blank;
}

static analysis analyze(const char *s, size_t len) {
    bool indicators = has(s, len, "---") || has(s, len, "..."), special = false, breaks = false;
    bool edge = false, trailing_space = false, break_space = false, space_break = false;
    bool previous_space = false, previous_break = false, after_blank = true;
    if (len == 0) return (analysis){.plain = true, .single_quoted = true};
    for (size_t at = 0, step; at < len; at += step) {
        step = width(s + at);
        bool last = at + step >= len, is_space = s[at] == ' ';
        bool is_line_break = is_break(s + at, len - at);
        indicators = indicators || is_indicator(s, at, len, after_blank);
        special = special || !is_printable(s + at, len - at);
        if (is_space || is_line_break) edge = edge || at == 0 || last;
        if (is_space) {
            trailing_space = trailing_space || last;
            break_space = break_space || previous_break;
        } else if (is_line_break) {
            breaks = true;
            space_break = space_break || previous_space;
        }
        previous_space = is_space;
        previous_break = is_line_break;
        after_blank = is_space || is_line_break || s[at] == '\t' || s[at] == '\0';
    }
    return (analysis){
        .multiline = breaks,
        .plain = !edge && !break_space && !space_break && !special && !breaks && !indicators,
        .single_quoted = !break_space && !space_break && !special,
        .block = !trailing_space && !space_break && !special,
    };
}

/* --- scalars in their styles; `indent` is that of the scalar's further lines --- */

static void write_plain(writer *w, const char *s, size_t len, int indent, bool fold) {
    bool spaces = false;
    if (!w->whitespace) put(w, ' ');
    for (size_t at = 0; at < len; at += width(s + at)) {
        if (s[at] == ' ') {
            if (fold && !spaces && w->column > BEST_WIDTH && s[at + 1] != ' ')
                write_indent(w, indent);
            else
                put(w, ' ');
            spaces = true;
        } else {
            put_char(w, s + at, width(s + at));
            w->indention = false;
            spaces = false;
        }
    }
    w->whitespace = false;
    w->indention = false;
}

static void write_single_quoted(writer *w, const char *s, size_t len, int indent, bool fold) {
    bool spaces = false, breaks = false;
    write_indicator(w, '\'', true, false, false);
    for (size_t at = 0; at < len; at += width(s + at)) {
        if (s[at] == ' ') {
            if (fold && !spaces && w->column > BEST_WIDTH && at > 0 && at < len - 1 &&
                s[at + 1] != ' ')
                write_indent(w, indent);
            else
                put(w, ' ');
            spaces = true;
        } else if (is_break(s + at, len - at)) {
            if (!breaks && s[at] == '\n') put_break(w);
            copy_break(w, s + at);
            w->indention = true;
            breaks = true;
        } else {
            if (breaks) write_indent(w, indent);
            if (s[at] == '\'') put(w, '\'');
            put_char(w, s + at, width(s + at));
            w->indention = false;
            spaces = false;
            breaks = false;
        }
    }
    write_indicator(w, '\'', false, false, false);
    w->whitespace = false;
    w->indention = false;
}

static void write_escape(writer *w, uint32_t rune) {
    static const char runes[] = "\0\a\b\t\n\v\f\r\x1b\"\\", names[] = "0abtnvfre\"\\";
    char text[16];
    put(w, '\\');
    const char *found = rune < 0x80 ? memchr(runes, (int)rune, sizeof runes - 1) : NULL;
    char name = found != NULL    ? names[found - runes]
                : rune == 0x85   ? 'N'
                : rune == 0xa0   ? '_'
                : rune == 0x2028 ? 'L'
                : rune == 0x2029 ? 'P'
                                 : '\0';
    if (name != '\0')
        text[0] = name, text[1] = '\0';
    else
        snprintf(text, sizeof text,
                 rune <= 0xff     ? "x%02X"
                 : rune <= 0xffff ? "u%04X"
                                  : "U%08X",
                 (unsigned)rune);
    for (const char *c = text; *c != '\0'; c++) put(w, *c);
}

static void write_double_quoted(writer *w, const char *s, size_t len, int indent, bool fold) {
    bool spaces = false, all = is_bom(s, len); /* go-yaml escapes everything behind such a mark */
    write_indicator(w, '"', true, false, false);
    for (size_t at = 0, step; at < len; at += step) {
        step = width(s + at);
        if (all || !is_printable(s + at, len - at) || is_break(s + at, len - at) || s[at] == '"' ||
            s[at] == '\\') {
            write_escape(w, ks_utf8_rune(s + at, (int)step));
            spaces = false;
        } else if (s[at] == ' ') {
            if (fold && !spaces && w->column > BEST_WIDTH && at > 0 && at < len - 1) {
                write_indent(w, indent);
                if (s[at + 1] == ' ') put(w, '\\');
            } else {
                put(w, ' ');
            }
            spaces = true;
        } else {
            put_char(w, s + at, step);
            spaces = false;
        }
    }
    write_indicator(w, '"', false, false, false);
    w->whitespace = false;
    w->indention = false;
}

/* The start of the last character. */
static size_t last_char(const char *s, size_t len) {
    do len--;
    while (((unsigned char)s[len] & 0xc0) == 0x80);
    return len;
}

/* | with the indentation if the text begins with a blank, and - or + for how it ends. */
static void write_literal_start(writer *w, const char *s, size_t len) {
    write_indicator(w, '|', true, false, false);
    if (*s == ' ' || is_break(s, len)) write_indicator(w, '0' + BEST_INDENT, false, false, false);
    size_t last = last_char(s, len);
    if (!is_break(s + last, len - last)) {
        write_indicator(w, '-', false, false, false);
    } else {
        size_t before = last > 0 ? last_char(s, last) : 0;
        if (last == 0 || is_break(s + before, len - before))
            write_indicator(w, '+', false, false, false);
    }
    put_break(w);
    w->indention = true;
    w->whitespace = true;
}

static void write_literal(writer *w, const char *s, size_t len, int indent) {
    bool breaks = true;
    write_literal_start(w, s, len);
    for (size_t at = 0; at < len; at += width(s + at)) {
        if (is_break(s + at, len - at)) {
            copy_break(w, s + at);
            w->indention = true;
            breaks = true;
        } else {
            if (breaks) write_indent(w, indent);
            put_char(w, s + at, width(s + at));
            w->indention = false;
            breaks = false;
        }
    }
}

/* --- texts --- */

/* `key`: as a simple key, on one line. `indent` is that of the container; -1: there is none. */
static void write_text(writer *w, const char *s, size_t len, int indent, bool key) {
    int inner = indent < 0 ? BEST_INDENT : indent + BEST_INDENT;
    analysis can = analyze(s, len);
    bool text = ks_yaml_resolve(s, len).kind == KS_YAML_STRING && !ks_yaml_base60(s, len) &&
                !(len == 2 && memcmp(s, "<<", 2) == 0); /* that would merge */
    bool block = len > 0 && memchr(s, '\n', len) != NULL;
    if (block && can.block && !key)
        write_literal(w, s, len, inner);
    else if (block || !text || (key && can.multiline))
        write_double_quoted(w, s, len, inner, !key);
    else if (can.plain)
        write_plain(w, s, len, inner, !key);
    else if (can.single_quoted)
        write_single_quoted(w, s, len, inner, !key);
    else
        write_double_quoted(w, s, len, inner, !key);
}

/* The text with whatever is no UTF-8 in it replaced, as its way through JSON does. */
static void write_str(writer *w, const ks_str *str, int indent, bool key) {
    size_t good = 0;
    for (int length; good < str->len; good += (size_t)length)
        if ((length = ks_utf8_length(str->s + good, str->len - good)) == 0) break;
    if (good == str->len) {
        write_text(w, str->s, str->len, indent, key);
        return;
    }
    ks_buf fixed = {w->out->heap, NULL, 0, 0};
    ks_buf_utf8(&fixed, str->s, str->len);
    write_text(w, fixed.s, fixed.len, indent, key);
    ks_buf_dispose(&fixed);
}

static void write_number(writer *w, ks_val v, int indent) {
    char text[KS_NUMBER_MAX];
    int len;
    bool negative;
    uint64_t magnitude;
    if (v.type == KS_INT) {
        len = sprintf(text, "%lld", (long long)v.i);
    } else if (!isfinite(v.f)) {
        len = sprintf(text, "%s", isnan(v.f) ? ".nan" : v.f > 0 ? ".inf" : "-.inf");
    } else {
        len = ks_float_json(v.f, text);
        if (!ks_int_parse_any(text, (size_t)len, &negative, &magnitude))
            len = ks_float_general(v.f, false, text);
    }
    write_plain(w, text, (size_t)len, indent, true);
}

/* --- keys in order --- */

/* unicode.IsLetter, but that what is no letter beyond Latin-1 is known by blocks only. */
static bool is_letter(uint32_t r) {
    static const uint32_t others[][2] = {
        {0xab, 0xb4},     {0xb6, 0xb9},       {0xbb, 0xbf},        {0xd7, 0xd7},
        {0xf7, 0xf7},     {0x300, 0x36f},     {0x2000, 0x2070},    {0x20a0, 0x2101},
        {0x2190, 0x2bff}, {0x3000, 0x3004},   {0x3007, 0x3030},    {0xd800, 0xf8ff},
        {0xfe00, 0xfe6f}, {0xfeff, 0xff20},   {0xff3b, 0xff40},    {0xff5b, 0xff65},
        {0xfff0, 0xffff}, {0x1f000, 0x1faff}, {0xe0000, 0x10ffff},
    };
    if (r < 0xaa) return (r | 0x20) - 'a' < 26;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (r >= others[i][0] && r <= others[i][1]) return false;
    return true;
}
static bool is_digit(uint32_t r) { return r - '0' < 10; }

static uint32_t rune_at(const ks_str *str, size_t at, size_t *step) {
    int length = ks_utf8_length(str->s + at, str->len - at);
    *step = length > 0 ? (size_t)length : 1;
    return length > 0 ? ks_utf8_rune(str->s + at, length) : 0xfffd;
}

/* The number that begins at `at`; *end: where it ends. */
static int64_t number_at(const ks_str *str, size_t at, uint64_t start, size_t *end) {
    for (; at < str->len && is_digit((unsigned char)str->s[at]); at++)
        start = start * 10 + (uint64_t)(str->s[at] - '0');
    *end = at;
    return (int64_t)start;
}

/* Whether a digit other than 0 stands in the digits just before `at`. */
static bool within_number(const ks_str *str, size_t at) {
    while (at > 0 && is_digit((unsigned char)str->s[at - 1]))
        if (str->s[--at] != '0') return true;
    return false;
}

/* go-yaml's sorter.go: letters behind other characters, digits by their number. */
static bool key_less(const ks_str *a, const ks_str *b) {
    size_t at = 0, a_step, b_step, a_end, b_end;
    while (at < a->len && at < b->len && a->s[at] == b->s[at]) at++;
    if (at >= a->len || at >= b->len) return a->len < b->len;
    while (at > 0 && ((unsigned char)a->s[at] & 0xc0) == 0x80) at--; /* to the character's start */
    uint32_t ar = rune_at(a, at, &a_step), br = rune_at(b, at, &b_step);
    if (is_letter(ar) && is_letter(br)) return ar < br;
    if (is_letter(ar) || is_letter(br)) return is_letter(br);
    uint64_t start = (ar == '0' || br == '0') && within_number(a, at) ? 1 : 0;
    int64_t an = number_at(a, at, start, &a_end), bn = number_at(b, at, start, &b_end);
    if (an != bn) return an < bn;
    if (a_end != b_end) return a_end < b_end;
    return ar < br;
}

/* Sorts indexes of pairs; they come bytewise sorted, which is nearly it. */
static void sort_keys(ks_heap *heap, const ks_pair *pairs, uint32_t *order, uint32_t count) {
    if (count < 2) return;
    uint32_t half = count / 2;
    sort_keys(heap, pairs, order, half);
    sort_keys(heap, pairs, order + half, count - half);
    if (!key_less(pairs[order[half]].key, pairs[order[half - 1]].key)) return;
    uint32_t *left = ks_alloc(heap, half * sizeof *left);
    memcpy(left, order, half * sizeof *left);
    uint32_t l = 0, r = half, out = 0;
    while (l < half)
        order[out++] =
            r < count && key_less(pairs[order[r]].key, pairs[left[l]].key) ? order[r++] : left[l++];
    ks_free(heap, left, half * sizeof *left);
}

/* --- containers --- */

static void write_value(writer *w, ks_val v, int indent, bool mapping);

static void write_list(writer *w, ks_val list, int indent, bool mapping) {
    bool indentless = mapping && !w->indention;
    int inner = indent < 0 ? 0 : indentless ? indent : indent + BEST_INDENT;
    ks_each(item, list) {
        write_indent(w, inner);
        write_indicator(w, '-', true, false, true);
        write_value(w, *item, inner, false);
    }
}

static bool is_simple_key(const ks_str *key) {
    if (key->len > SIMPLE_KEY) return false;
    for (size_t at = 0; at < key->len; at++)
        if (is_break(key->s + at, key->len - at)) return false;
    return true;
}

static void write_pair(writer *w, const ks_pair *pair, int indent) {
    write_indent(w, indent);
    if (is_simple_key(pair->key)) {
        write_str(w, pair->key, indent, true);
        write_indicator(w, ':', false, false, false);
    } else {
        write_indicator(w, '?', true, false, true);
        write_str(w, pair->key, indent, false);
        write_indent(w, indent);
        write_indicator(w, ':', true, false, true);
    }
    write_value(w, pair->val, indent, true);
}

static void write_map(writer *w, const ks_map *map, int indent) {
    ks_heap *heap = w->out->heap;
    int inner = indent < 0 ? 0 : indent + BEST_INDENT;
    uint32_t few[32], *order = map->len <= 32 ? few : ks_alloc(heap, map->len * sizeof *order);
    for (uint32_t i = 0; i < map->len; i++) order[i] = i;
    sort_keys(heap, map->pairs, order, map->len);
    for (uint32_t i = 0; i < map->len; i++) write_pair(w, &map->pairs[order[i]], inner);
    if (order != few) ks_free(heap, order, map->len * sizeof *order);
}

static void write_word(writer *w, const char *word) {
    write_plain(w, word, strlen(word), 0, false);
}

static void write_empty(writer *w, char open, char close) {
    write_indicator(w, open, true, true, false);
    write_indicator(w, close, false, false, false);
}

/* `indent` is that of the container around it, -1 at the top; `mapping`: it is a map's value. */
static void write_value(writer *w, ks_val v, int indent, bool mapping) {
    switch (v.type) {
    case KS_NONE:
    case KS_NULL: write_word(w, "null"); break;
    case KS_BOOL: write_word(w, v.b ? "true" : "false"); break;
    case KS_INT:
    case KS_FLOAT: write_number(w, v, indent); break;
    case KS_STRING: write_str(w, v.s, indent, false); break;
    case KS_LIST:
        if (v.count == 0)
            write_empty(w, '[', ']');
        else
            write_list(w, v, indent, mapping);
        break;
    case KS_MAP:
        if (v.m->len == 0)
            write_empty(w, '{', '}');
        else
            write_map(w, v.m, indent);
        break;
    }
}

void ks_yaml_write(ks_buf *out, ks_val v) {
    writer w = {.out = out, .whitespace = true, .indention = true};
    write_value(&w, v, -1, false);
    write_indent(&w, 0);
}
