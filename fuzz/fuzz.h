/*
 * fuzz/fuzz.h - what the targets in this folder share: a heap that must be empty in the end, and
 * properties that must hold.
 *
 * A target is one file with LLVMFuzzerTestOneInput. It is driven by libFuzzer (`make fuzz`) or by
 * standalone.c (the suites).
 */
#ifndef KS_FUZZ_FUZZ_H
#define KS_FUZZ_FUZZ_H

#include "doc/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts, which both drivers report, unless `fine`. */
static inline void fuzz_demand(bool fine, const char *what) {
    if (fine) return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

/* A heap in which nothing is allocated but the table of interned strings, which comes with the
 * first of them. */
static inline ks_heap *fuzz_begin(void) {
    ks_heap *heap = ks_heap_new(NULL, NULL);
    ks_str_unref(heap, ks_intern_of(heap, "an interned string"));
    return heap;
}

/* Gives the heap back; everything in it must have been freed. */
static inline void fuzz_end(ks_heap *heap) {
    fuzz_demand(ks_heap_blocks(heap) == 1, "memory was not freed");
    ks_heap_unref(heap);
}

/* Input is of moderate size: what is bounded for large input has its own specs. */
enum { FUZZ_MAX = 1 << 16 };

/* Cuts the input at the next zero byte or at its end; moves on behind it. */
static inline size_t fuzz_part(const uint8_t **data, size_t *size, const char **text) {
    const uint8_t *zero = *size > 0 ? memchr(*data, 0, *size) : NULL;
    size_t len = zero != NULL ? (size_t)(zero - *data) : *size;
    size_t used = zero != NULL ? len + 1 : len;
    *text = (const char *)*data;
    *data += used;
    *size -= used;
    return len;
}

/* The first document of the input's next part; KS_NOTHING when it is none. */
static inline ks_val fuzz_document(ks_heap *heap, const uint8_t **data, size_t *size) {
    const char *text;
    size_t len = fuzz_part(data, size, &text);
    ks_val list = KS_NOTHING;
    ks_text_error err = {0};
    ks_text_limits limits = {.max_nodes = 5000, .max_depth = 100};
    if (!ks_yaml_read(heap, text, len, &limits, &list, NULL, &err)) {
        ks_str_unref(heap, err.message);
        return KS_NOTHING;
    }
    ks_val first = ks_ref(ks_at(list, 0));
    ks_unref(heap, list);
    return first;
}

#endif
