/*
 * doc/yaml_block.c - block mappings and sequences, read line by line several times as fast as libyaml.
 *
 * What it reads, it reads as libyaml and go-yaml do: plain, single and double quoted scalars on one line,
 * literal blocks, flow collections on one line, comments. All else it declines: errors (libyaml words them),
 * anchors, aliases, tags, merge keys, complex keys, folded and multi-line scalars, tabs, rare escapes.
 *
 * The builder's frames are the open collections, each with the column of its lines. A line belongs to the
 * innermost collection of its column; deeper ones end before it:
 *
 *     spec:              map at 0, key spec waits (`pending`)
 *       ports:           deeper than 0: its value, a map at 2
 *       - port: 80       same column but a dash: a sequence at 2, in it a map at 4
 *         name: http     the map at 4 goes on
 *     status: x          those at 4, 2, 2 end
 */
#include "doc/yaml_block.h"
#include "doc/number.h"
#include "doc/quote.h"
#include "doc/yaml_scalar.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    LONGEST_KEY = 1000, /* libyaml's limit is 1024, and counts differently */
    FLOW_DEPTH = 50,
};

typedef struct reader {
    ks_builder *b;
    const ks_text_limits *limits;
    size_t nodes;
    const char *next, *end;  /* the next line, and the text's end */
    const char *line, *stop; /* the line at hand, without its break */
    const char *at;          /* within it */
    bool pending;            /* the innermost collection waits for a value on a later line */
} reader;

/* --- characters --- */

enum { PLAIN, COLON, HASH, CONTROL, HIGH, FLOW };

/* What stops the scanning of a plain scalar, at least to look. FLOW: only within flow collections. */
static const unsigned char classes[256] = {
    [0] = CONTROL,  [1] = CONTROL,  [2] = CONTROL,   [3] = CONTROL,  [4] = CONTROL,  [5] = CONTROL,
    [6] = CONTROL,  [7] = CONTROL,  [8] = CONTROL,   [9] = CONTROL,  [10] = CONTROL, [11] = CONTROL,
    [12] = CONTROL, [13] = CONTROL, [14] = CONTROL,  [15] = CONTROL, [16] = CONTROL, [17] = CONTROL,
    [18] = CONTROL, [19] = CONTROL, [20] = CONTROL,  [21] = CONTROL, [22] = CONTROL, [23] = CONTROL,
    [24] = CONTROL, [25] = CONTROL, [26] = CONTROL,  [27] = CONTROL, [28] = CONTROL, [29] = CONTROL,
    [30] = CONTROL, [31] = CONTROL, [127] = CONTROL, [':'] = COLON,  ['#'] = HASH,   [','] = FLOW,
    ['['] = FLOW,   [']'] = FLOW,   ['{'] = FLOW,    ['}'] = FLOW,   ['?'] = FLOW,
};

static int class_of(char c) {
    unsigned char u = (unsigned char)c;
    return u >= 0x80 ? HIGH : classes[u];
}

/* Whether bytes are text that libyaml takes as it is: no controls, no line breaks of Unicode, no marks. */
static bool good_text(const char *s, size_t len) {
    for (size_t at = 0; at < len;) {
        if ((unsigned char)s[at] < 0x80) {
            if (classes[(unsigned char)s[at]] == CONTROL) return false;
            at++;
            continue;
        }
        int length = ks_utf8_length(s + at, len - at);
        if (length == 0) return false;
        uint32_t rune = ks_utf8_rune(s + at, length);
        if (rune < 0xa0 || rune == 0x2028 || rune == 0x2029 || rune == 0xfeff || rune == 0xfffe ||
            rune == 0xffff)
            return false;
        at += (size_t)length;
    }
    return true;
}

static void skip_spaces(reader *r) {
    while (r->at < r->stop && *r->at == ' ') r->at++;
}

/* At the end of the line's content: the end, or a comment behind a blank. */
static bool at_rest(const reader *r) {
    return r->at == r->stop || (*r->at == '#' && (r->at == r->line || r->at[-1] == ' '));
}

/* Comments may hold anything that is text. */
static bool skip_rest(reader *r) {
    skip_spaces(r);
    return r->at == r->stop || (at_rest(r) && good_text(r->at, (size_t)(r->stop - r->at)));
}

static bool at_dash(const reader *r) {
    return r->at < r->stop && *r->at == '-' && (r->at + 1 == r->stop || r->at[1] == ' ');
}

static uint32_t column(const reader *r) { return (uint32_t)(r->at - r->line); }

/* --- scalars: where the text stands, decoded or not --- */

typedef struct scalar {
    const char *s;
    size_t len;
    bool plain;
    ks_buf decoded; /* holds the text when it had escapes */
} scalar;

static bool decode_double(scalar *out, const char *s, const char *stop) {
    static const char names[] = "\"\\ntr", bytes[] = "\"\\\n\t\r";
    while (s < stop) {
        const char *escape = memchr(s, '\\', (size_t)(stop - s));
        size_t plain = (size_t)((escape != NULL ? escape : stop) - s);
        ks_buf_add(&out->decoded, s, plain);
        s += plain;
        if (escape == NULL) break;
        const char *name = s[1] != '\0' ? strchr(names, s[1]) : NULL;
        if (name == NULL) return false;
        ks_buf_putc(&out->decoded, bytes[name - names]);
        s += 2;
    }
    return true;
}

static bool decode_single(scalar *out, const char *s, const char *stop) {
    while (s < stop) {
        const char *quote = memchr(s, '\'', (size_t)(stop - s));
        if (quote == NULL) quote = stop - 1;
        ks_buf_add(&out->decoded, s, (size_t)(quote + 1 - s));
        s = quote + 2;
    }
    return true;
}

/* A quoted scalar that ends on its line; the caller disposes of it even on failure. */
static bool scan_quoted(reader *r, scalar *out) {
    char quote = *r->at++;
    bool escaped = false, high = false;
    *out = (scalar){.s = r->at, .decoded = {r->b->heap, NULL, 0, 0}};
    for (;; r->at++) {
        if (r->at == r->stop) return false;
        unsigned char c = (unsigned char)*r->at;
        if (c < 0x20 || c == 0x7f) return false;
        high = high || c >= 0x80;
        if (c == '\\' && quote == '"') {
            escaped = true;
            if (++r->at == r->stop) return false;
        } else if (c == (unsigned char)quote) {
            if (quote == '"' || r->at + 1 == r->stop || r->at[1] != '\'') break;
            escaped = true;
            r->at++;
        }
    }
    out->len = (size_t)(r->at++ - out->s);
    if (high && !good_text(out->s, out->len)) return false;
    if (!escaped) return true;
    const char *stop = out->s + out->len;
    if (!(quote == '"' ? decode_double(out, out->s, stop) : decode_single(out, out->s, stop)))
        return false;
    out->s = out->decoded.s;
    out->len = out->decoded.len;
    return true;
}

/* A plain scalar outside of flow collections: up to ": " (or ":" at the end), " #", or the line's end. */
static bool scan_plain(reader *r, scalar *out) {
    const char *from = r->at, *at = from, *stop = r->stop;
    bool high = false;
    for (; at < stop; at++) {
        int class = class_of(*at);
        if (class == PLAIN || class == FLOW) continue;
        if (class == CONTROL) return false;
        if (class == HIGH) high = true;
        if (class == COLON && (at + 1 == stop || at[1] == ' ')) break;
        if (class == HASH && at[-1] == ' ') break;
    }
    r->at = at;
    while (at > from && at[-1] == ' ') at--;
    *out = (scalar){.s = from, .len = (size_t)(at - from), .plain = true};
    return !high || good_text(from, out->len);
}

/* Whether a plain scalar may begin here. */
static bool plain_start(const reader *r) {
    char c = *r->at;
    if (c == '-') return r->at + 1 < r->stop && r->at[1] != ' ';
    return strchr("?:,[]{}#&*!|>'\"%@`", c) == NULL || c == '\0';
}

static bool scan_scalar(reader *r, scalar *out) {
    *out = (scalar){.s = NULL};
    if (*r->at == '"' || *r->at == '\'') return scan_quoted(r, out);
    return plain_start(r) && scan_plain(r, out);
}

static void drop_scalar(scalar *text) {
    if (text->decoded.s != NULL) ks_buf_dispose(&text->decoded);
}

/* --- scalars: what they mean --- */

static bool scalar_value(reader *r, const scalar *text, ks_val *out) {
    ks_yaml_scalar meaning = {.kind = KS_YAML_STRING};
    if (text->plain) meaning = ks_yaml_resolve(text->s, text->len);
    switch (meaning.kind) {
    case KS_YAML_NULL: *out = ks_null(); return true;
    case KS_YAML_BOOL: *out = ks_bool(meaning.b); return true;
    case KS_YAML_INT:
        *out = meaning.big ? ks_float((double)meaning.u) : ks_int(meaning.i);
        return true;
    case KS_YAML_FLOAT:
        *out = ks_int(0);
        if (!isfinite(meaning.f)) return false;
        if (!ks_float_as_int(meaning.f, &out->i)) *out = ks_float(meaning.f);
        return true;
    case KS_YAML_STRING:
    case KS_YAML_TIME: break;
    }
    *out = ks_textn(r->b->heap, text->s, text->len);
    return true;
}

static bool add_value(reader *r, const scalar *text) {
    ks_val v;
    if (++r->nodes > r->limits->max_nodes || !scalar_value(r, text, &v)) return false;
    ks_builder_add(r->b, v);
    return true;
}

/* The scalar as the innermost map's next key. */
static bool set_key(reader *r, const scalar *text) {
    ks_heap *heap = r->b->heap;
    ks_frame *frame = ks_builder_top(r->b);
    ks_yaml_scalar meaning = {.kind = KS_YAML_STRING};
    if (text->plain) {
        if (text->len == 2 && memcmp(text->s, "<<", 2) == 0) return false;
        meaning = ks_yaml_resolve(text->s, text->len);
    }
    char number[32];
    switch (meaning.kind) {
    case KS_YAML_STRING:
    case KS_YAML_TIME: frame->key = ks_intern(heap, text->s, text->len); return true;
    case KS_YAML_BOOL: frame->key = ks_intern_of(heap, meaning.b ? "true" : "false"); return true;
    case KS_YAML_INT:
        if (meaning.big) return false;
        snprintf(number, sizeof number, "%lld", (long long)meaning.i);
        frame->key = ks_intern_of(heap, number);
        return true;
    case KS_YAML_NULL:
    case KS_YAML_FLOAT: break;
    }
    return false;
}

static bool open_collection(reader *r, bool map, uint32_t col) {
    if (r->b->depth >= (uint32_t)r->limits->max_depth || ++r->nodes > r->limits->max_nodes)
        return false;
    ks_builder_open(r->b, map)->column = col;
    return true;
}

static void close_collection(reader *r) { ks_builder_add(r->b, ks_builder_close(r->b)); }

/* --- flow collections on one line --- */

static bool read_flow(reader *r, int depth);

/* A plain scalar within one: further characters end it, or are not for us. */
static bool scan_flow_plain(reader *r, scalar *out) {
    const char *from = r->at, *at = from;
    bool high = false;
    if (!plain_start(r) || (*from == '-' && class_of(from[1]) == FLOW)) return false;
    for (;; at++) {
        if (at == r->stop) return false;
        int class = class_of(*at);
        if (class == PLAIN) continue;
        if (class == CONTROL) return false;
        if (class == HIGH) high = true;
        if (class == HASH && at[-1] == ' ') return false;
        if (class == COLON && (at + 1 == r->stop || at[1] == ' ')) break;
        if (class == FLOW) {
            if (*at == '[' || *at == '{' || *at == '?') return false;
            break;
        }
    }
    r->at = at;
    while (at > from && at[-1] == ' ') at--;
    *out = (scalar){.s = from, .len = (size_t)(at - from), .plain = true};
    return !high || good_text(from, out->len);
}

static bool scan_flow_scalar(reader *r, scalar *out) {
    *out = (scalar){.s = NULL};
    if (r->at == r->stop) return false;
    return *r->at == '"' || *r->at == '\'' ? scan_quoted(r, out) : scan_flow_plain(r, out);
}

static bool take(reader *r, char c) {
    if (r->at == r->stop || *r->at != c) return false;
    r->at++;
    return true;
}

static bool read_flow_value(reader *r, int depth) {
    scalar text;
    if (r->at == r->stop) return false;
    if (*r->at == '[' || *r->at == '{') return read_flow(r, depth + 1);
    bool good = scan_flow_scalar(r, &text) && add_value(r, &text);
    drop_scalar(&text);
    return good;
}

/* "key: ", or "key":, up to the value; *alone: there is none, it is null. */
static bool read_flow_key(reader *r, bool *alone) {
    scalar text;
    const char *from = r->at;
    bool good = scan_flow_scalar(r, &text) && set_key(r, &text);
    drop_scalar(&text);
    if (!good || r->at - from > LONGEST_KEY) return false;
    bool adjacent = !text.plain && r->at < r->stop && *r->at == ':';
    skip_spaces(r);
    *alone = r->at < r->stop && (*r->at == ',' || *r->at == '}');
    if (*alone) {
        ks_builder_add(r->b, ks_null());
        return true;
    }
    if (!take(r, ':') || r->at == r->stop) return false;
    if (*r->at != ' ' && (!adjacent || class_of(*r->at) == FLOW) && *r->at != '[' && *r->at != '{')
        return false;
    if (*r->at != ' ' && !adjacent) return false;
    skip_spaces(r);
    return true;
}

/* A whole flow collection, which `at` stands before. */
static bool read_flow(reader *r, int depth) {
    bool map = *r->at++ == '{';
    char close = map ? '}' : ']';
    if (depth > FLOW_DEPTH || !open_collection(r, map, 0)) return false;
    skip_spaces(r);
    if (take(r, close)) {
        close_collection(r);
        return true;
    }
    for (;;) {
        bool alone = false;
        if (map && !read_flow_key(r, &alone)) return false;
        if (!alone && !read_flow_value(r, depth)) return false;
        skip_spaces(r);
        if (take(r, close)) break;
        if (!take(r, ',')) return false;
        skip_spaces(r);
    }
    close_collection(r);
    return true;
}

/* --- lines --- */

/* The next line becomes the one at hand; false at the end. */
static bool next_line(reader *r) {
    if (r->next == r->end) return false;
    const char *found = memchr(r->next, '\n', (size_t)(r->end - r->next));
    r->line = r->at = r->next;
    r->stop = found != NULL ? found : r->end;
    r->next = found != NULL ? found + 1 : r->end;
    if (found != NULL && r->stop > r->line && r->stop[-1] == '\r') r->stop--;
    return true;
}

/* --- literal blocks --- */

/* The column of a line's text; false when it is blank. */
static bool line_column(const char *line, const char *stop, size_t *col) {
    const char *at = line;
    while (at < stop && *at == ' ') at++;
    *col = (size_t)(at - line);
    return at < stop;
}

/* Ends a block's text: "-" keeps no line break at the end, "+" all, else one. */
static ks_val chomped(ks_buf *text, char chomp) {
    size_t len = text->len;
    while (chomp != '+' && len > 0 && text->s[len - 1] == '\n') len--;
    if (chomp == '\0' && len < text->len) len++;
    ks_val v = ks_textn(text->heap, text->s, len);
    ks_buf_dispose(text);
    return v;
}

/* A literal block, whose bar `at` stands before; its lines are deeper than the innermost collection's. */
static bool read_literal(reader *r) {
    char chomp = '\0';
    r->at++;
    if (r->at < r->stop && (*r->at == '-' || *r->at == '+')) chomp = *r->at++;
    if (!skip_rest(r)) return false;
    ks_buf text = {r->b->heap, NULL, 0, 0};
    size_t indent = 0, least = ks_builder_top(r->b)->column + 1, blank = 0;
    bool good = true;
    for (const char *before = r->next; good && next_line(r); before = r->next) {
        size_t col;
        bool content = line_column(r->line, r->stop, &col);
        if (content && indent == 0) {
            indent = col;
            good = col >= least && blank <= col;
        }
        if (content && col < indent) {
            r->next = before;
            break;
        }
        if (!content && indent == 0 && col > blank) blank = col;
        size_t len = (size_t)(r->stop - r->line), skip = len < indent ? len : indent;
        if (indent == 0) skip = len;
        good = good && good_text(r->line, len);
        ks_buf_add(&text, r->line + skip, len - skip);
        ks_buf_putc(&text, '\n');
    }
    if (!good || indent == 0) {
        ks_buf_dispose(&text);
        return false;
    }
    r->nodes++;
    ks_builder_add(r->b, chomped(&text, chomp));
    return true;
}

/* --- block collections --- */

static bool at_colon(const reader *r) {
    return r->at < r->stop && *r->at == ':' && (r->at + 1 == r->stop || r->at[1] == ' ');
}

/* A value that is neither a block collection nor a key: what may stand behind "key: " or "- ". */
static bool read_inline(reader *r) {
    scalar text;
    r->pending = false;
    if (*r->at == '|') return read_literal(r);
    if (*r->at == '[' || *r->at == '{') return read_flow(r, 0) && skip_rest(r);
    bool good = scan_scalar(r, &text) && add_value(r, &text);
    drop_scalar(&text);
    return good && skip_rest(r);
}

/* What follows a key: its value on this line, or on later ones. */
static bool read_member(reader *r) {
    r->at++;
    skip_spaces(r);
    if (at_rest(r)) {
        r->pending = true;
        return skip_rest(r);
    }
    return !at_dash(r) && read_inline(r);
}

/* A key of the innermost map; if it is none, the text is declined. */
static bool read_key(reader *r) {
    scalar text;
    const char *from = r->at;
    bool good = scan_scalar(r, &text);
    if (good) skip_spaces(r);
    good = good && at_colon(r) && r->at - from <= LONGEST_KEY && set_key(r, &text);
    drop_scalar(&text);
    return good && read_member(r);
}

/* A node that begins here: a map if a key does, sequences for dashes, else a value. */
static bool read_node(reader *r) {
    while (at_dash(r)) {
        if (!open_collection(r, false, column(r))) return false;
        r->at++;
        skip_spaces(r);
        if (at_rest(r)) {
            r->pending = true;
            return skip_rest(r);
        }
    }
    if (*r->at == '|' || *r->at == '[' || *r->at == '{') return r->b->depth > 0 && read_inline(r);
    scalar text;
    const char *from = r->at;
    bool good = scan_scalar(r, &text), key = false;
    if (good) {
        skip_spaces(r);
        key = at_colon(r);
        good = key ? r->at - from <= LONGEST_KEY &&
                         open_collection(r, true, (uint32_t)(from - r->line)) && set_key(r, &text)
                   : r->b->depth > 0 && add_value(r, &text);
    }
    drop_scalar(&text);
    r->pending = false;
    return good && (key ? read_member(r) : skip_rest(r));
}

/* The next item of the innermost sequence, at its dash. */
static bool read_item(reader *r) {
    r->at++;
    skip_spaces(r);
    if (!at_rest(r)) return read_node(r);
    r->pending = true;
    return skip_rest(r);
}

/* A line with content, at its first character. */
static bool read_line(reader *r) {
    ks_builder *b = r->b;
    uint32_t col = column(r);
    if (b->depth == 0) return b->root.type == KS_NONE && read_node(r);
    ks_frame *top = ks_builder_top(b);
    if (r->pending) {
        if (col > top->column) return read_node(r);
        if (top->map && col == top->column && at_dash(r)) return read_node(r);
        ks_builder_add(b, ks_null());
        r->pending = false;
    }
    if (col > top->column) return false;
    while (top->column > col || (top->column == col && !top->map && !at_dash(r))) {
        close_collection(r);
        if (b->depth == 0) return false;
        top = ks_builder_top(b);
    }
    if (top->column != col) return false;
    if (!top->map) return read_item(r);
    return !at_dash(r) && read_key(r);
}

/* Lines that are not of a document's content, or end it. */
static bool is_marker(const reader *r) {
    return r->at == r->line &&
           (*r->at == '%' || (r->stop - r->at >= 3 && memcmp(r->at, "...", 3) == 0));
}

static bool read_lines(reader *r) {
    bool first = true;
    while (next_line(r)) {
        bool start = first && r->stop - r->line >= 3 && memcmp(r->line, "---", 3) == 0;
        first = false;
        if (start) r->at += 3; /* what else stands there was looked at before */
        skip_spaces(r);
        if (at_rest(r)) {
            if (!skip_rest(r)) return false;
            continue;
        }
        if (start || is_marker(r) || !read_line(r)) return false;
    }
    if (r->pending) ks_builder_add(r->b, ks_null());
    while (r->b->depth > 0) close_collection(r);
    return true;
}

bool ks_yaml_block_read(ks_builder *builder, const ks_text_limits *limits, size_t *nodes,
                        const char *s, size_t len, ks_val *out) {
    reader r = {.b = builder, .limits = limits, .nodes = *nodes, .next = s, .end = s + len};
    if (!read_lines(&r)) {
        ks_builder_dispose(builder);
        return false;
    }
    *nodes = r.nodes;
    *out = builder->root.type == KS_NONE ? ks_null() : builder->root;
    builder->root = KS_NOTHING;
    return true;
}
