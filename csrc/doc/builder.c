/*
 * doc/builder.c - the stack on which the readers build; see builder.h.
 */
#include "doc/builder.h"

#include <stdlib.h>
#include <string.h>

void ks_builder_grow(ks_builder *b) {
    size_t cap = b->cap == 0 ? 64 : b->cap * 2;
    b->items = ks_resize(b->heap, b->items, b->cap * sizeof *b->items, cap * sizeof *b->items);
    b->cap = cap;
}

ks_frame *ks_builder_open(ks_builder *b, bool map) {
    if (b->depth == b->frame_cap) {
        uint32_t cap = b->frame_cap == 0 ? 16 : b->frame_cap * 2;
        b->frames = ks_resize(b->heap, b->frames, b->frame_cap * sizeof *b->frames,
                              cap * sizeof *b->frames);
        b->frame_cap = cap;
    }
    ks_frame *frame = &b->frames[b->depth++];
    *frame = (ks_frame){.from = b->len, .map = map};
    return frame;
}

/* "a.b[0]": where the innermost container stands. */
static void put_path(ks_builder *b, ks_buf *path) {
    for (uint32_t i = 0; i + 1 < b->depth; i++) {
        const ks_frame *frame = &b->frames[i];
        if (!frame->map) {
            ks_buf_printf(path, "[%zu]", b->frames[i + 1].from - frame->from);
            continue;
        }
        if (path->len > 0) ks_buf_putc(path, '.');
        ks_buf_str(path, frame->key);
    }
}

static int by_address(const void *a, const void *b) {
    const ks_str *x = *(const ks_str *const *)a, *y = *(const ks_str *const *)b;
    return (uintptr_t)x < (uintptr_t)y ? -1 : (uintptr_t)x > (uintptr_t)y;
}

static void note_duplicate(ks_builder *b, const ks_str *key) {
    ks_buf path = {b->heap, NULL, 0, 0};
    put_path(b, &path);
    if (path.len > 0) ks_buf_putc(&path, '.');
    ks_buf_str(&path, key);
    *b->duplicates = ks_append(b->heap, *b->duplicates,
                               ks_map_of(b->heap, K(document), ks_int(b->document), K(path),
                                         ks_string_take(ks_buf_take(&path)), NULL));
}

/* Notes every key that stands more than once among the innermost container's pairs. */
static void note_duplicates(ks_builder *b, size_t from) {
    size_t count = b->len - from, size = count * sizeof(const ks_str *);
    const ks_str **keys = ks_alloc(b->heap, size);
    for (size_t i = 0; i < count; i++) keys[i] = b->items[from + i].key;
    qsort(keys, count, sizeof *keys, by_address);
    for (size_t i = 1; i < count; i++)
        if (keys[i] == keys[i - 1] && (i == 1 || keys[i] != keys[i - 2]))
            note_duplicate(b, keys[i]);
    ks_free(b->heap, keys, size);
}

ks_val ks_builder_close(ks_builder *b) {
    const ks_frame *frame = ks_builder_top(b);
    uint32_t count = (uint32_t)(b->len - frame->from);
    const ks_pair *items = count > 0 ? &b->items[frame->from] : NULL;
    ks_val v;
    if (frame->map) {
        v = ks_map_new(b->heap, count);
        if (count > 0) memcpy(v.m->pairs, items, count * sizeof *items);
        v.m->len = count;
        bool sorted = true; /* documents that a program wrote are */
        for (uint32_t i = 1; i < count && sorted; i++)
            sorted = ks_str_cmp(items[i - 1].key, items[i].key) < 0;
        if (!sorted && ks_map_seal(b->heap, &v) != NULL && b->duplicates != NULL)
            note_duplicates(b, frame->from);
    } else {
        v = ks_list_new(b->heap, count);
        for (uint32_t i = 0; i < count; i++) v.l->items[i] = items[i].val;
        v.l->len = v.count = count;
    }
    b->len = frame->from;
    b->depth--;
    return v;
}

void ks_builder_dispose(ks_builder *b) {
    for (size_t i = 0; i < b->len; i++) {
        ks_str_unref(b->heap, b->items[i].key);
        ks_unref(b->heap, b->items[i].val);
    }
    for (uint32_t i = 0; i < b->depth; i++) ks_str_unref(b->heap, b->frames[i].key);
    ks_unref(b->heap, b->root);
    ks_free(b->heap, b->items, b->cap * sizeof *b->items);
    ks_free(b->heap, b->frames, b->frame_cap * sizeof *b->frames);
    *b = (ks_builder){.heap = b->heap, .duplicates = b->duplicates, .document = b->document};
}

ks_text_limits ks_limits_of(const ks_text_limits *limits) {
    ks_text_limits out = limits != NULL ? *limits : (ks_text_limits){0};
    if (out.max_bytes == 0) out.max_bytes = (size_t)64 << 20;
    if (out.max_depth == 0) out.max_depth = 1000;
    if (out.max_nodes == 0) out.max_nodes = 20000000;
    return out;
}

const ks_str *ks_limits_refuse(ks_heap *heap, const ks_text_limits *limits, size_t len) {
    if (len <= limits->max_bytes) return NULL;
    return ks_str_printf(heap, "the text is too large: %zu bytes, limit is %zu", len,
                         limits->max_bytes);
}
