/*
 * doc/builder.h - how the readers build documents: one stack of values for all open containers, so that
 * each list and map is allocated once, in its final size. Private to doc/.
 */
#ifndef KS_DOC_BUILDER_H
#define KS_DOC_BUILDER_H

#include "doc/text.h"

/* An open list or map. */
typedef struct ks_frame {
    size_t from;       /* its first value on the stack */
    const ks_str *key; /* maps: the key that waits for its value, or NULL */
    bool map;
    bool merge;      /* YAML: the key that waits is << */
    bool odd;        /* YAML: the key that waits is one that JSON cannot have */
    bool flow;       /* YAML: written as [...] or {...} */
    uint32_t column; /* YAML, block style: where its lines begin */
    uint32_t anchor; /* YAML: number of its anchor, 0: none */
    uint64_t nodes;  /* YAML: values counted before it */
} ks_frame;

typedef struct ks_builder {
    ks_heap *heap;
    ks_pair *items; /* keys are NULL in lists */
    size_t len, cap;
    ks_frame *frames;
    uint32_t depth, frame_cap;
    ks_val root;        /* what was added outside of all containers */
    ks_val *duplicates; /* NULL, or where duplicate keys are noted: a list of {document, path} */
    int document;
} ks_builder;

void ks_builder_grow(ks_builder *b);

/* The innermost open container; there must be one. */
static inline ks_frame *ks_builder_top(ks_builder *b) { return &b->frames[b->depth - 1]; }

/* Adds a value to the innermost container under the key that waits; takes it over. */
static inline void ks_builder_add(ks_builder *b, ks_val v) {
    if (b->depth == 0) {
        b->root = v;
        return;
    }
    if (b->len == b->cap) ks_builder_grow(b);
    ks_frame *top = ks_builder_top(b);
    b->items[b->len++] = (ks_pair){top->key, v};
    top->key = NULL;
}

/* Opens a container and returns its frame, valid until the next one opens. */
ks_frame *ks_builder_open(ks_builder *b, bool map);
/* Closes the innermost container: its value, for the caller to add. Of equal keys the last one wins. */
ks_val ks_builder_close(ks_builder *b);
/* Gives back everything but the duplicates; the builder may be used again. */
void ks_builder_dispose(ks_builder *b);

/* The limits to apply, defaults filled in. */
ks_text_limits ks_limits_of(const ks_text_limits *limits);
/* NULL, or why a text of that many bytes is not read at all: a new string. */
const ks_str *ks_limits_refuse(ks_heap *heap, const ks_text_limits *limits, size_t len);

/* JSON values out of a longer text, one after another. */
typedef struct ks_json_stream {
    ks_heap *heap;
    const char *s;
    size_t len, at;
    const ks_text_limits *limits;
    size_t nodes; /* values read so far */
    const ks_str *message;
    bool syntax; /* a wrong byte: not the text's end, not a limit */
} ks_json_stream;
/* Reads the value at `at`, which moves behind it. On failure: `message` is Go's text (encoding/json), a new
 * string, and `at` stands behind the byte that was wrong. */
bool ks_json_stream_next(ks_json_stream *stream, ks_builder *builder, ks_val *out);
/* The line and column of s[at], from 1. */
void ks_text_locate(const char *s, size_t at, ks_text_error *err);
void ks_json_skip_space(ks_json_stream *stream);

#endif
