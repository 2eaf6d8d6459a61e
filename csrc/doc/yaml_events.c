/*
 * doc/yaml_events.c - one YAML document from libyaml's events straight to a value.
 *
 * It means what sigs.k8s.io/yaml on go-yaml v2 makes of it: scalars as yaml_scalar.c says, keys turned to
 * text, merge keys, aliases. An alias shares the value that its anchor names, so a "billion laughs" costs no
 * memory here; it is refused all the same, by go-yaml's own rule, for the sake of whoever walks the value.
 */
#include "doc/yaml_events.h"
#include "doc/go_text.h"
#include "doc/number.h"
#include "doc/quote.h"
#include "doc/yaml_scalar.h"

#include <math.h>
#include <string.h>

static const char tag_prefix[] = "tag:yaml.org,2002:";

/* --- problems --- */

/* Takes over `problem`; keeps the first of the worst. */
static void note(ks_yaml_document *doc, ks_yaml_rank rank, const ks_str *problem) {
    if (rank >= doc->rank) {
        ks_str_unref(doc->heap, problem);
        return;
    }
    ks_str_unref(doc->heap, doc->problem);
    doc->problem = problem;
    doc->rank = rank;
}

static void note_place(ks_yaml_document *doc, yaml_mark_t mark) {
    doc->line = (int)mark.line + 1;
    doc->column = (int)mark.column + 1;
}

/* What libyaml found wrong, in go-yaml's words: its lines count from 0 but for those of the scanner. */
static bool fail_parsing(ks_yaml_document *doc) {
    const yaml_parser_t *p = &doc->parser;
    if (p->error == YAML_MEMORY_ERROR) ks_heap_unwind(doc->heap, KS_ENOMEM);
    const char *problem = p->problem != NULL ? p->problem : "unknown problem parsing YAML content";
    size_t line = p->problem_mark.line;
    if (line != 0)
        line += p->error == YAML_SCANNER_ERROR;
    else
        line = p->context_mark.line;
    if (p->error != YAML_READER_ERROR) note_place(doc, p->problem_mark);
    ks_str_unref(doc->heap, doc->problem);
    doc->problem = line != 0 ? ks_str_printf(doc->heap, "yaml: line %zu: %s", line, problem)
                             : ks_str_printf(doc->heap, "yaml: %s", problem);
    return false;
}

static bool fail_limit(ks_yaml_document *doc, const yaml_event_t *event, const char *text) {
    note_place(doc, event->start_mark);
    ks_str_unref(doc->heap, doc->problem);
    doc->problem = ks_str_printf(doc->heap, "yaml: line %d: %s", doc->line, text);
    return false;
}

/* `prefix` followed by the value. */
static const ks_str *with_value(ks_yaml_document *doc, const char *prefix, ks_val v) {
    ks_buf buf = {doc->heap, NULL, 0, 0};
    ks_buf_puts(&buf, prefix);
    if (ks_exists(v))
        ks_go_syntax(&buf, v, "map[interface {}]interface {}");
    else
        ks_buf_puts(&buf, "<nil>");
    return ks_buf_take(&buf);
}

/* --- scalars --- */

/* The bytes of a !!binary scalar (standard base64; line breaks are skipped) as text. */
static bool decode_binary(ks_yaml_document *doc, const char *s, size_t len, ks_val *out) {
    ks_buf bytes = {doc->heap, NULL, 0, 0}, text = {doc->heap, NULL, 0, 0};
    uint32_t bits = 0;
    int digits = 0, padding = 0;
    bool good = true;
    for (size_t i = 0; i < len && good; i++) {
        static const char set[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        if (s[i] == '\n' || s[i] == '\r') continue;
        const char *found = s[i] != '\0' ? strchr(set, s[i]) : NULL;
        if (s[i] == '=' && digits >= 2 && padding < 4 - digits) {
            padding++;
        } else if (found != NULL && padding == 0) {
            bits = bits << 6 | (uint32_t)(found - set);
            if (++digits < 4) continue;
            for (int shift = 16; shift >= 0; shift -= 8) ks_buf_putc(&bytes, (char)(bits >> shift));
            bits = 0;
            digits = 0;
        } else {
            good = false;
        }
    }
    if (good && digits > 0) {
        good = digits + padding == 4;
        bits <<= 6 * (4 - digits);
        for (int i = 0; i < digits - 1; i++) ks_buf_putc(&bytes, (char)(bits >> (16 - 8 * i)));
    }
    ks_buf_utf8(&text, bytes.s, bytes.len);
    ks_buf_dispose(&bytes);
    *out = ks_string_take(ks_buf_take(&text));
    return good;
}

static const char *kind_name(ks_yaml_kind kind) {
    switch (kind) {
    case KS_YAML_NULL: return "null";
    case KS_YAML_BOOL: return "bool";
    case KS_YAML_INT: return "int";
    case KS_YAML_FLOAT: return "float";
    case KS_YAML_TIME: return "timestamp";
    case KS_YAML_STRING: break;
    }
    return "str";
}

/* A scalar whose tag is one of YAML's own: `name` is what follows the prefix. */
static ks_yaml_scalar resolve_tagged(ks_yaml_document *doc, const char *name, const char *s,
                                     size_t len) {
    static const char *const resolvable[] = {"bool", "int", "float", "null", "timestamp", NULL};
    ks_yaml_scalar text = {.kind = KS_YAML_STRING};
    const char *const *known = resolvable;
    while (*known != NULL && strcmp(*known, name) != 0) known++;
    if (*known == NULL) return text;
    ks_yaml_scalar out = ks_yaml_resolve(s, len);
    if (out.kind == KS_YAML_TIME && strcmp(name, "timestamp") != 0) out = text;
    if (strcmp(kind_name(out.kind), name) == 0) return out;
    if (out.kind == KS_YAML_INT && strcmp(name, "float") == 0 && !out.big)
        return (ks_yaml_scalar){.kind = KS_YAML_FLOAT, .f = (double)out.i};
    note(doc, KS_YAML_DECODING,
         ks_str_printf(doc->heap, "yaml: cannot decode !!%s `%.*s` as a !!%s", kind_name(out.kind),
                       (int)(len < 200 ? len : 200), s, name));
    return text;
}

static ks_val number_value(ks_yaml_document *doc, double f) {
    ks_val v = ks_int(0);
    if (!isfinite(f)) {
        note(doc, KS_YAML_ENCODING,
             ks_str_printf(doc->heap, "json: unsupported value: %s",
                           isnan(f) ? "NaN"
                           : f > 0  ? "+Inf"
                                    : "-Inf"));
        return ks_float(f);
    }
    return ks_float_as_int(f, &v.i) ? v : ks_float(f);
}

/* The name behind YAML's prefix of a tag, or NULL. */
static const char *own_tag(const yaml_event_t *event) {
    const char *tag = (const char *)event->data.scalar.tag;
    size_t prefix = sizeof tag_prefix - 1;
    return tag != NULL && strncmp(tag, tag_prefix, prefix) == 0 ? tag + prefix : NULL;
}

static ks_yaml_scalar resolve_event(ks_yaml_document *doc, const yaml_event_t *event) {
    const char *s = (const char *)event->data.scalar.value, *tag = own_tag(event);
    size_t len = event->data.scalar.length;
    if (event->data.scalar.tag == NULL && event->data.scalar.plain_implicit)
        return ks_yaml_resolve(s, len);
    if (tag != NULL) return resolve_tagged(doc, tag, s, len);
    return (ks_yaml_scalar){.kind = KS_YAML_STRING};
}

static bool is_binary(const yaml_event_t *event) {
    const char *tag = own_tag(event);
    return tag != NULL && strcmp(tag, "binary") == 0;
}

static ks_val scalar_value(ks_yaml_document *doc, const yaml_event_t *event) {
    const char *s = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    ks_yaml_scalar scalar = resolve_event(doc, event);
    switch (scalar.kind) {
    case KS_YAML_NULL: return ks_null();
    case KS_YAML_BOOL: return ks_bool(scalar.b);
    case KS_YAML_INT: return scalar.big ? ks_float((double)scalar.u) : ks_int(scalar.i);
    case KS_YAML_FLOAT: return number_value(doc, scalar.f);
    case KS_YAML_STRING:
    case KS_YAML_TIME: break;
    }
    ks_val v;
    if (!is_binary(event)) return ks_textn(doc->heap, s, len);
    if (!decode_binary(doc, s, len, &v))
        note(doc, KS_YAML_DECODING,
             ks_str_of(doc->heap, "yaml: !!binary value contains invalid base64 data"));
    return v;
}

/* --- keys --- */

/* A key that JSON cannot have. The message wants its value too, which is not read yet: so the key is the
 * message's beginning, until then. */
static const ks_str *odd_key(ks_yaml_document *doc, ks_frame *frame, const char *type,
                             const char *key) {
    frame->odd = true;
    ks_buf buf = {doc->heap, NULL, 0, 0};
    ks_buf_printf(&buf, "unsupported map key of type: %s, key: %s, value: ", type, key);
    const ks_str *name = ks_intern(doc->heap, buf.s, buf.len);
    ks_buf_dispose(&buf);
    return name;
}

static const ks_str *float_key(ks_yaml_document *doc, double f) {
    char text[KS_NUMBER_MAX];
    if (!isfinite(f)) return ks_intern_of(doc->heap, isnan(f) ? ".nan" : f > 0 ? ".inf" : "-.inf");
    float rounded = (float)f;
    if (isinf(rounded)) return ks_intern_of(doc->heap, f > 0 ? ".inf" : "-.inf");
    return ks_intern(doc->heap, text, (size_t)ks_float_general((double)rounded, true, text));
}

static const ks_str *scalar_key(ks_yaml_document *doc, ks_frame *frame, const yaml_event_t *event) {
    char text[32];
    ks_yaml_scalar scalar = resolve_event(doc, event);
    switch (scalar.kind) {
    case KS_YAML_NULL: return odd_key(doc, frame, "%!s(<nil>)", "<nil>");
    case KS_YAML_BOOL: return ks_intern_of(doc->heap, scalar.b ? "true" : "false");
    case KS_YAML_INT:
        if (scalar.big) {
            snprintf(text, sizeof text, "0x%llx", (unsigned long long)scalar.u);
            return odd_key(doc, frame, "uint64", text);
        }
        snprintf(text, sizeof text, "%lld", (long long)scalar.i);
        return ks_intern_of(doc->heap, text);
    case KS_YAML_FLOAT: return float_key(doc, scalar.f);
    case KS_YAML_STRING:
    case KS_YAML_TIME: break;
    }
    if (is_binary(event)) {
        ks_val v = scalar_value(doc, event);
        const ks_str *key = ks_intern(doc->heap, v.s->s, v.s->len);
        ks_unref(doc->heap, v);
        return key;
    }
    return ks_intern(doc->heap, (const char *)event->data.scalar.value, event->data.scalar.length);
}

/* A value in a key's place: what an alias named, or a container. Takes it over. */
static const ks_str *value_key(ks_yaml_document *doc, ks_frame *frame, ks_val v) {
    char text[32];
    const ks_str *key = NULL;
    switch (v.type) {
    case KS_STRING: key = ks_intern(doc->heap, v.s->s, v.s->len); break;
    case KS_BOOL: key = ks_intern_of(doc->heap, v.b ? "true" : "false"); break;
    case KS_INT:
        snprintf(text, sizeof text, "%lld", (long long)v.i);
        key = ks_intern_of(doc->heap, text);
        break;
    case KS_FLOAT: key = float_key(doc, v.f); break;
    case KS_NONE:
    case KS_NULL: key = odd_key(doc, frame, "%!s(<nil>)", "<nil>"); break;
    case KS_LIST:
    case KS_MAP:
        note(doc, KS_YAML_DECODING, with_value(doc, "yaml: invalid map key: ", v));
        key = ks_intern(doc->heap, "", 0);
        break;
    }
    ks_unref(doc->heap, v);
    return key;
}

static bool is_merge_key(const yaml_event_t *event) {
    if (event->data.scalar.length != 2 || memcmp(event->data.scalar.value, "<<", 2) != 0)
        return false;
    const char *tag = own_tag(event);
    return event->data.scalar.plain_implicit || (tag != NULL && strcmp(tag, "merge") == 0);
}

/* --- merge keys --- */

/* Adds the pairs of a map to the innermost one, where what comes later wins. */
static bool merge_map(ks_yaml_document *doc, ks_val v) {
    if (v.type != KS_MAP) return false;
    ks_frame *frame = ks_builder_top(&doc->builder);
    for (uint32_t i = 0; i < v.m->len; i++) {
        frame->key = ks_str_ref(v.m->pairs[i].key);
        ks_builder_add(&doc->builder, ks_ref(v.m->pairs[i].val));
    }
    return true;
}

/* The value of <<: a map, or a list of maps of which the earlier win. Takes it over. */
static void merge(ks_yaml_document *doc, ks_val v, bool alias) {
    bool good = true;
    ks_builder_top(&doc->builder)->merge = false;
    if (v.type == KS_LIST && !alias) {
        for (uint32_t i = v.count; i > 0 && good; i--) good = merge_map(doc, v.l->items[i - 1]);
    } else {
        good = merge_map(doc, v);
    }
    ks_unref(doc->heap, v);
    if (!good)
        note(doc, KS_YAML_DECODING,
             ks_str_of(doc->heap, "yaml: map merge requires map or sequence of maps as the value"));
}

/* --- nodes --- */

/* Puts a finished value where it belongs; takes it over. */
static void place(ks_yaml_document *doc, ks_val v, bool alias) {
    ks_builder *b = &doc->builder;
    ks_frame *frame = b->depth > 0 ? ks_builder_top(b) : NULL;
    if (frame != NULL && frame->map) {
        if (frame->merge) {
            merge(doc, v, alias);
            return;
        }
        if (frame->key == NULL) {
            frame->key = value_key(doc, frame, v);
            return;
        }
        if (frame->odd) {
            frame->odd = false;
            note(doc, KS_YAML_CONVERTING, with_value(doc, frame->key->s, v));
        }
    }
    ks_builder_add(b, v);
}

/* Notes an anchor; its number, or 0 when there is none. */
static uint32_t add_anchor(ks_yaml_document *doc, const yaml_char_t *name, ks_val v) {
    if (name == NULL) return 0;
    if (doc->anchor_count == doc->anchor_cap) {
        uint32_t cap = doc->anchor_cap == 0 ? 8 : doc->anchor_cap * 2;
        doc->anchors = ks_resize(doc->heap, doc->anchors, doc->anchor_cap * sizeof *doc->anchors,
                                 cap * sizeof *doc->anchors);
        doc->anchor_cap = cap;
    }
    const ks_str *interned = ks_intern_of(doc->heap, (const char *)name);
    doc->anchors[doc->anchor_count++] =
        (ks_yaml_anchor){.val = ks_ref(v), .nodes = 1, .open = v.type == KS_NONE};
    ks_key key = {(uintptr_t)interned, 0};
    if (ks_tree_has(&doc->anchor_names, key)) ks_str_unref(doc->heap, interned);
    ks_tree_put(doc->heap, &doc->anchor_names, key, (void *)(uintptr_t)doc->anchor_count);
    return doc->anchor_count;
}

/* go-yaml's measure against documents that are mostly aliases (decode.go: allowedAliasRatio). */
static bool too_many_aliases(const ks_yaml_document *doc) {
    const double low = 400000, high = 4000000;
    double decoded = (double)doc->decoded, allowed = 0.99;
    if (doc->aliased <= 100 || doc->decoded <= 1000) return false;
    if (decoded >= high)
        allowed = 0.10;
    else if (decoded > low)
        allowed = 0.99 - 0.89 * ((decoded - low) / (high - low));
    return (double)doc->aliased / decoded > allowed;
}

static bool read_alias(ks_yaml_document *doc, const yaml_event_t *event) {
    const char *name = (const char *)event->data.alias.anchor;
    const ks_str *interned = ks_interned(doc->heap, name, strlen(name));
    uintptr_t number = interned == NULL ? 0
                                        : (uintptr_t)ks_tree_get(&doc->anchor_names,
                                                                 (ks_key){(uintptr_t)interned, 0});
    if (number == 0) {
        ks_str_unref(doc->heap, doc->problem);
        doc->problem = ks_str_printf(doc->heap, "yaml: unknown anchor '%s' referenced", name);
        note_place(doc, event->start_mark);
        return false;
    }
    const ks_yaml_anchor *anchor = &doc->anchors[number - 1];
    if (anchor->open) {
        note(doc, KS_YAML_DECODING,
             ks_str_printf(doc->heap, "yaml: anchor '%s' value contains itself", name));
        return true;
    }
    doc->decoded += 1 + anchor->nodes;
    doc->aliased += anchor->nodes;
    doc->nodes += anchor->nodes;
    if (too_many_aliases(doc))
        note(doc, KS_YAML_DECODING,
             ks_str_of(doc->heap, "yaml: document contains excessive aliasing"));
    place(doc, ks_ref(anchor->val), true);
    return true;
}

/* libyaml takes a question mark in a plain scalar within a flow collection, go-yaml does not. */
static bool fail_question(ks_yaml_document *doc, const yaml_event_t *event, bool map) {
    char where[32] = "";
    note_place(doc, event->start_mark);
    if (doc->line > 1) snprintf(where, sizeof where, "line %d: ", doc->line - 1);
    ks_str_unref(doc->heap, doc->problem);
    doc->problem = ks_str_printf(doc->heap, "yaml: %sdid not find expected ',' or '%c'", where,
                                 map ? '}' : ']');
    return false;
}

static bool read_scalar(ks_yaml_document *doc, const yaml_event_t *event) {
    ks_builder *b = &doc->builder;
    const yaml_char_t *anchor = event->data.scalar.anchor;
    ks_frame *frame = b->depth > 0 ? ks_builder_top(b) : NULL;
    if (frame != NULL && frame->flow && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
        memchr(event->data.scalar.value, '?', event->data.scalar.length) != NULL)
        return fail_question(doc, event, frame->map);
    doc->decoded++;
    if (frame != NULL && frame->map && frame->key == NULL && !frame->merge) {
        if (is_merge_key(event)) {
            doc->decoded--;
            frame->merge = true;
        } else {
            frame->key = scalar_key(doc, frame, event);
        }
        if (anchor != NULL) {
            ks_val v = scalar_value(doc, event);
            add_anchor(doc, anchor, v);
            ks_unref(doc->heap, v);
        }
        return true;
    }
    ks_val v = scalar_value(doc, event);
    add_anchor(doc, anchor, v);
    place(doc, v, false);
    return true;
}

static bool open_container(ks_yaml_document *doc, const yaml_event_t *event, bool map) {
    if (doc->builder.depth >= (uint32_t)doc->limits->max_depth) {
        char text[64];
        snprintf(text, sizeof text, "exceeded max depth of %d", doc->limits->max_depth);
        return fail_limit(doc, event, text);
    }
    ks_frame *frame = ks_builder_open(&doc->builder, map);
    frame->flow = map ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                      : event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    frame->nodes = doc->decoded++;
    frame->anchor =
        add_anchor(doc, map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor,
                   KS_NOTHING);
    return true;
}

static void close_container(ks_yaml_document *doc) {
    const ks_frame *frame = ks_builder_top(&doc->builder);
    uint64_t before = frame->nodes;
    uint32_t anchor = frame->anchor;
    ks_val v = ks_builder_close(&doc->builder);
    if (anchor != 0) {
        ks_yaml_anchor *named = &doc->anchors[anchor - 1];
        named->val = ks_ref(v);
        named->nodes = doc->decoded - before;
        named->open = false;
    }
    place(doc, v, false);
}

/* An event within a document; false when reading must end. */
static bool read_event(ks_yaml_document *doc, const yaml_event_t *event) {
    if (++doc->nodes > doc->limits->max_nodes)
        return fail_limit(doc, event, "the text holds too many values");
    switch (event->type) {
    case YAML_SCALAR_EVENT: return read_scalar(doc, event);
    case YAML_ALIAS_EVENT: return read_alias(doc, event);
    case YAML_MAPPING_START_EVENT: return open_container(doc, event, true);
    case YAML_SEQUENCE_START_EVENT: return open_container(doc, event, false);
    default: close_container(doc); return true;
    }
}

/* The beginning of the first document; *empty when there is none. */
static bool read_start(ks_yaml_document *doc, bool *empty) {
    yaml_event_t *event = &doc->event;
    do {
        if (!yaml_parser_parse(&doc->parser, event)) return fail_parsing(doc);
        *empty = event->type == YAML_STREAM_END_EVENT;
        bool start = event->type == YAML_DOCUMENT_START_EVENT;
        const yaml_version_directive_t *version =
            start ? event->data.document_start.version_directive : NULL;
        bool other = version != NULL && (version->major != 1 || version->minor != 1);
        yaml_event_delete(event);
        if (other) {
            doc->problem = ks_str_of(doc->heap, "yaml: found incompatible YAML document");
            return false;
        }
        if (start) return true;
    } while (!*empty);
    return true;
}

bool ks_yaml_document_read(ks_yaml_document *doc, ks_val *out) {
    bool empty = false;
    *out = ks_null();
    doc->rank = KS_YAML_FINE;
    doc->decoded = 1;
    doc->aliased = 0;
    if (!read_start(doc, &empty)) return false;
    if (empty) return true;
    yaml_event_t *event = &doc->event;
    for (;;) {
        if (!yaml_parser_parse(&doc->parser, event)) return fail_parsing(doc);
        if (event->type == YAML_DOCUMENT_END_EVENT) break;
        /* after a problem of decoding only the syntax of the rest still matters: its errors come first */
        bool good = doc->rank == KS_YAML_DECODING || read_event(doc, event);
        if (doc->rank == KS_YAML_DECODING && doc->line == 0) note_place(doc, event->start_mark);
        yaml_event_delete(event);
        if (!good) return false;
    }
    yaml_event_delete(event);
    if (doc->problem != NULL) return false;
    *out = doc->builder.root;
    doc->builder.root = KS_NOTHING;
    return true;
}

static void drop_anchors(ks_yaml_document *doc) {
    for (ks_tree_iter it = ks_tree_begin(&doc->anchor_names); ks_tree_next(&it);)
        ks_str_unref(doc->heap, (const ks_str *)(uintptr_t)it.key.a);
    ks_tree_clear(doc->heap, &doc->anchor_names);
    for (uint32_t i = 0; i < doc->anchor_count; i++) ks_unref(doc->heap, doc->anchors[i].val);
    ks_free(doc->heap, doc->anchors, doc->anchor_cap * sizeof *doc->anchors);
    doc->anchors = NULL;
    doc->anchor_count = doc->anchor_cap = 0;
}

void ks_yaml_document_dispose(ks_yaml_document *doc) {
    if (doc->anchor_cap > 0) drop_anchors(doc);
    ks_str_unref(doc->heap, doc->problem);
    doc->problem = NULL;
    doc->line = doc->column = 0;
}
