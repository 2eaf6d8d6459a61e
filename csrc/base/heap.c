/*
 * base/heap.c - size-classed slabs over the system's allocator; see heap.h for the promises.
 *
 * A block of up to KS_HEAP_GRAIN * KS_HEAP_CLASSES bytes comes from its class's free list, else from
 * the newest chunk. Chunks go back to the system only with the heap. With AddressSanitizer, or built
 * with KS_HEAP_PLAIN, each block is a system block of its own, so that tools see every mistake.
 */
#if defined(__linux__) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* madvise() */
#endif
#include "base/heap_internal.h"
#include "base/reserve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define KS_HEAP_PLAIN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KS_HEAP_PLAIN 1
#endif
#endif
#ifdef KS_HEAP_PLAIN
enum { SLAB_LIMIT = 0 };
#else
enum { SLAB_LIMIT = KS_HEAP_GRAIN * KS_HEAP_CLASSES };
#endif
/* A chunk is twice as large as the one before: what a small cluster takes, malloc has at hand and can give to others. */
enum { FIRST_CHUNK = 32 * 1024, LARGEST_CHUNK = 256 * 1024, PAGE = 4096 };
/* Of a function: what it needs is not to be a burden to the one that calls it seldom. */
#define SELDOM __attribute__((noinline))
#define NEVER  0           /* as the number of an allocation: they are counted from 1 */
enum { UNPOPULATED = 16 }; /* a heap's first chunks: a small one does not fill its last */

/* The payload is a reserve, or NULL. Nobody here lets a block grow in place. */
static void *system_default(void *payload, void *block, size_t old_size, size_t new_size) {
    ks_reserve *reserve = SLAB_LIMIT > 0 ? payload : NULL;
    if (new_size > 0)
        return reserve != NULL ? ks_reserve_alloc(reserve, new_size) : malloc(new_size);
    if (reserve != NULL)
        ks_reserve_free(reserve, block, old_size);
    else
        free(block);
    return NULL;
}

ks_heap *ks_heap_new(ks_system_alloc alloc, void *payload) {
    if (alloc == NULL) alloc = system_default;
    ks_heap *heap = alloc(payload, NULL, 0, sizeof *heap);
    if (heap == NULL) return NULL;
    memset(heap, 0, sizeof *heap);
    heap->refs = 1;
    heap->limit = UINT64_MAX;
    heap->fail_at = NEVER;
    heap->alloc = alloc;
    heap->payload = payload;
    heap->large.next = heap->large.prev = &heap->large;
    return heap;
}

ks_heap *ks_heap_ref(ks_heap *heap) {
    heap->refs++;
    return heap;
}

/* A balanced heap has no block left: what is left is a leak, unless memory ran out once. */
static void report_leak(const ks_heap *heap) {
#ifdef KS_HEAP_PLAIN
    if (heap->blocks != 0 && !heap->unwound) {
        fprintf(stderr, "kubesim: %llu blocks (%llu bytes) left at the heap's end\n",
                (unsigned long long)heap->blocks, (unsigned long long)heap->bytes);
        if (getenv("KS_HEAP_STRICT") != NULL) abort();
    }
#else
    (void)heap;
#endif
}

void ks_heap_unref(ks_heap *heap) {
    if (heap == NULL || --heap->refs > 0) return;
    ks_free(heap, heap->interned, heap->interned_cap * sizeof *heap->interned);
    report_leak(heap);
    for (heap_large *block = heap->large.next; block != &heap->large;) {
        heap_large *next = block->next;
        heap->alloc(heap->payload, block, sizeof *block + block->size, 0);
        block = next;
    }
    for (heap_chunk *chunk = heap->chunks; chunk != NULL;) {
        heap_chunk *next = chunk->next;
        heap->alloc(heap->payload, chunk, chunk->size, 0);
        chunk = next;
    }
    heap->alloc(heap->payload, heap, sizeof *heap, 0);
}

void ks_heap_join(ks_heap *heap) {
    heap->refs++;
    heap->users++;
}

void ks_heap_leave(ks_heap *heap) {
    heap->users--;
    ks_heap_unref(heap);
}

bool ks_heap_goes_whole(const ks_heap *heap) { return SLAB_LIMIT > 0 && heap->users == 1; }

void ks_guard_push(ks_heap *heap, ks_guard *guard) {
    guard->outer = heap->guard;
    heap->guard = guard;
}

void ks_guard_leave(ks_heap *heap, ks_guard *guard) { heap->guard = guard->outer; }

void ks_heap_unwind(ks_heap *heap, int code) {
    ks_guard *guard = heap->guard;
    if (guard == NULL) {
        fputs("kubesim: out of memory outside of any guard\n", stderr);
        abort();
    }
    heap->guard = guard->outer;
    heap->unwound = true;
    longjmp(guard->jump, code);
}

/* Counts an allocation. False: it must not be made. */
static inline bool admit(ks_heap *heap, size_t size) {
    return ++heap->allocations != heap->fail_at && heap->bytes + size <= heap->limit;
}

/* A block has been handed out. */
static inline void *counted(ks_heap *heap, void *block, size_t size) {
    heap->blocks++;
    heap->bytes += size;
    return block;
}

SELDOM static void *refuse(ks_heap *heap) {
    if (heap->allocations == heap->fail_at) heap->fail_at = NEVER;
    ks_heap_unwind(heap, KS_ENOMEM);
}

SELDOM static void *alloc_large(ks_heap *heap, size_t size) {
    if (size > SIZE_MAX - sizeof(heap_large)) ks_heap_unwind(heap, KS_ENOMEM);
    heap_large *block = heap->alloc(heap->payload, NULL, 0, sizeof *block + size);
    if (block == NULL) ks_heap_unwind(heap, KS_ENOMEM);
    block->size = size;
    block->next = heap->large.next;
    block->prev = &heap->large;
    block->next->prev = block;
    heap->large.next = block;
    return counted(heap, block + 1, size);
}

/* Asks the system for the pages of a chunk that is about to be filled, all at once: one at a time, as each is touched, they cost
 * more. A system that does not know how, or has larger pages, gives them one at a time. */
static void populate(void *block, size_t size) {
#if defined(MADV_POPULATE_WRITE)
    size_t before = -(uintptr_t)block % PAGE;
    (void)madvise((char *)block + before, (size - before) / PAGE * PAGE, MADV_POPULATE_WRITE);
#else
    (void)block, (void)size;
#endif
}

static void add_chunk(ks_heap *heap) {
    size_t size = heap->chunks == NULL ? FIRST_CHUNK : heap->chunks->size * 2;
    if (size > LARGEST_CHUNK) size = LARGEST_CHUNK;
    heap_chunk *chunk = heap->alloc(heap->payload, NULL, 0, size);
    if (chunk == NULL) ks_heap_unwind(heap, KS_ENOMEM);
    if (heap->chunk_count++ >= UNPOPULATED && heap->alloc == system_default) populate(chunk, size);
    chunk->size = size;
    chunk->next = heap->chunks;
    heap->chunks = chunk;
    heap->fresh = (char *)chunk + KS_HEAP_GRAIN;
    heap->fresh_end = (char *)chunk + size;
}

/* A block that no one has had before. */
SELDOM static void *alloc_fresh(ks_heap *heap, size_t size) {
    size_t rounded = (size + KS_HEAP_GRAIN - 1) / KS_HEAP_GRAIN * KS_HEAP_GRAIN;
    if ((size_t)(heap->fresh_end - heap->fresh) < rounded) add_chunk(heap);
    void *block = heap->fresh;
    heap->fresh += rounded;
    return counted(heap, block, size);
}

/* The common way - a block of the size has been given back - calls nothing that comes back, so that it needs no room on the stack. */
void *ks_alloc(ks_heap *heap, size_t size) {
    if (size == 0) size = 1;
    if (!admit(heap, size)) return refuse(heap);
    if (size > SLAB_LIMIT) return alloc_large(heap, size);
    void **free_blocks = &heap->free_blocks[(size + KS_HEAP_GRAIN - 1) / KS_HEAP_GRAIN];
    void *block = *free_blocks;
    if (block == NULL) return alloc_fresh(heap, size);
    memcpy(free_blocks, block, sizeof(void *));
    ks_fetch(*free_blocks); /* the next block, whose first word says where the one after it is */
    return counted(heap, block, size);
}

void *ks_alloc_zero(ks_heap *heap, size_t size) {
    void *block = ks_alloc(heap, size);
    memset(block, 0, size);
    return block;
}

SELDOM static void free_large(ks_heap *heap, void *block) {
    heap_large *large = (heap_large *)block - 1;
    large->next->prev = large->prev;
    large->prev->next = large->next;
    heap->alloc(heap->payload, large, sizeof *large + large->size, 0);
}

void ks_free(ks_heap *heap, void *block, size_t size) {
    if (block == NULL) return;
    if (size == 0) size = 1;
    heap->blocks--;
    heap->bytes -= size;
    if (size > SLAB_LIMIT) {
        free_large(heap, block);
        return;
    }
    void **free_blocks = &heap->free_blocks[(size + KS_HEAP_GRAIN - 1) / KS_HEAP_GRAIN];
    memcpy(block, free_blocks, sizeof(void *));
    *free_blocks = block;
}

void *ks_resize(ks_heap *heap, void *block, size_t old_size, size_t new_size) {
    void *bigger = ks_alloc(heap, new_size);
    if (block != NULL) {
        memcpy(bigger, block, old_size < new_size ? old_size : new_size);
        ks_free(heap, block, old_size);
    }
    return bigger;
}

uint64_t ks_heap_allocations(const ks_heap *heap) { return heap->allocations; }
uint64_t ks_heap_blocks(const ks_heap *heap) { return heap->blocks; }
uint64_t ks_heap_bytes(const ks_heap *heap) { return heap->bytes; }
void ks_heap_fail_after(ks_heap *heap, uint64_t n) {
    heap->fail_at = n == 0 ? NEVER : heap->allocations + n;
}
void ks_heap_limit(ks_heap *heap, uint64_t bytes) { heap->limit = bytes == 0 ? UINT64_MAX : bytes; }
void ks_heap_make_room(ks_heap *heap) {
    const uint64_t room = UINT64_C(16) << 20;
    if (heap->limit < heap->bytes + room) heap->limit = heap->bytes + room;
}
