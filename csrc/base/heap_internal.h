/*
 * base/heap_internal.h - the heap's inside, for the files of base/ alone: str.c keeps the table of
 * interned strings here, since it lives exactly as long as the memory that the strings are in.
 */
#ifndef KS_BASE_HEAP_INTERNAL_H
#define KS_BASE_HEAP_INTERNAL_H

#include "base/str.h"

enum { KS_HEAP_GRAIN = 16, KS_HEAP_CLASSES = 80 }; /* slabs for blocks up to 1280 bytes */

typedef struct heap_chunk {
    struct heap_chunk *next;
    size_t size;
} heap_chunk;

/* A block too large for a slab: in a list, so that the heap's end finds it. */
typedef struct heap_large {
    struct heap_large *next, *prev;
    size_t size;
    size_t pad; /* keeps what follows 16-byte aligned */
} heap_large;

struct ks_heap {
    uint64_t refs, users; /* those who allocate are among the former */
    ks_system_alloc alloc;
    void *payload;
    void *free_blocks[KS_HEAP_CLASSES + 1]; /* per class, linked through their first word */
    char *fresh, *fresh_end;                /* the part of the newest chunk never handed out */
    heap_chunk *chunks;
    size_t chunk_count;
    heap_large large; /* list head */
    uint64_t allocations, blocks, bytes, limit, fail_at;
    ks_guard *guard;
    bool unwound; /* blocks may have been left in flight */
    /* interned strings: open addressing, linear probing; a slot's reference is not counted */
    const ks_str **interned;
    uint32_t interned_count, interned_cap;
};

#endif
