/*
 * base/heap.h - memory: the one handle through which every allocation of the core goes.
 *
 * A heap belongs to one cluster and all of its forks, and is counted by them. Small blocks come from
 * size-classed slabs, large ones from the system; closing the last cluster returns everything.
 *
 * Allocation never returns NULL. When memory runs out, the heap unwinds (longjmp) to the innermost
 * guard: the door of the public API (cluster/), which puts back the cluster value that it had kept
 * (a snapshot is O(1)) and reports KS_ENOMEM. What was in flight then is reclaimed when the heap
 * goes. So no code between the doors checks for NULL, and none may hold a resource that is not
 * memory of this heap (no open files, no locks) across an allocation.
 *
 * Not thread-safe: a heap belongs to one thread at a time.
 */
#ifndef KS_BASE_HEAP_H
#define KS_BASE_HEAP_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ks_heap ks_heap;

enum { KS_OK = 0, KS_ENOMEM = 1, KS_EINTERNAL = 2 };

/* Where a heap gets its memory: as lua_Alloc (new_size 0 frees, NULL when there is none). */
typedef void *(*ks_system_alloc)(void *payload, void *block, size_t old_size, size_t new_size);

/* Creates a heap with one reference; NULL when out of memory. `alloc` NULL: malloc and free; `payload` is a ks_reserve then
 * (base/reserve.h), or NULL. */
ks_heap *ks_heap_new(ks_system_alloc alloc, void *payload);
ks_heap *ks_heap_ref(ks_heap *heap);
/* Gives one reference back; the last one frees every block that is still allocated. */
void ks_heap_unref(ks_heap *heap);
/* The same for who allocates in it: a cluster, where a result only holds what it has. */
void ks_heap_join(ks_heap *heap);
void ks_heap_leave(ks_heap *heap);
/* Whether the caller is the last who has joined, and need give nothing back: nobody would take it, and all goes with the heap.
 * Never where blocks are counted to find leaks. */
bool ks_heap_goes_whole(const ks_heap *heap);

/* Tells compilers and analysers what these functions promise. */
#if defined(__GNUC__)
#define KS_NEVER_NULL __attribute__((returns_nonnull))
#else
#define KS_NEVER_NULL
#endif

/* `size` bytes, 16-byte aligned, not cleared. Never NULL (see above). */
KS_NEVER_NULL void *ks_alloc(ks_heap *heap, size_t size);
/* The same, cleared. */
KS_NEVER_NULL void *ks_alloc_zero(ks_heap *heap, size_t size);
/* Grows or shrinks; `block` may be NULL with old_size 0. */
KS_NEVER_NULL void *ks_resize(ks_heap *heap, void *block, size_t old_size, size_t new_size);
/* Frees a block of `size` bytes (the size that was asked for); NULL is fine. */
void ks_free(ks_heap *heap, void *block, size_t size);

/* Counters: allocations made so far, blocks and bytes allocated now. */
uint64_t ks_heap_allocations(const ks_heap *heap);
uint64_t ks_heap_blocks(const ks_heap *heap);
uint64_t ks_heap_bytes(const ks_heap *heap);
/* Lets the n-th allocation from now fail, once; 0: none. For tests. */
void ks_heap_fail_after(ks_heap *heap, uint64_t n);
/* An upper bound on bytes allocated at once; 0: none. */
void ks_heap_limit(ks_heap *heap, uint64_t bytes);
/* After memory ran out: what was in flight is not given back before the heap is, so the bound is raised by as much as looking around takes. */
void ks_heap_make_room(ks_heap *heap);

/* A place to unwind to. Usage, in the function that is the door:
 *     ks_guard guard;
 *     int err = KS_GUARD_ENTER(heap, &guard);   // 0 now; KS_ENOMEM, ... when unwound to
 *     if (err == KS_OK) { ...work...; ks_guard_leave(heap, &guard); }
 * Guards nest; a guard that was unwound to has been left already. */
typedef struct ks_guard {
    jmp_buf jump;
    struct ks_guard *outer;
} ks_guard;
#define KS_GUARD_ENTER(heap, guard) (ks_guard_push((heap), (guard)), setjmp((guard)->jump))
void ks_guard_push(ks_heap *heap, ks_guard *guard);
void ks_guard_leave(ks_heap *heap, ks_guard *guard);
/* Unwinds to the innermost guard with `code` (not 0). Without a guard: abort (a bug). */
_Noreturn void ks_heap_unwind(ks_heap *heap, int code);

/* Asks for the memory at an address, of which there are 64 bytes, without waiting for it. (Without the line of nothing gcc takes a function
 * that only does this to be without effect, and leaves it out.) */
static inline void ks_fetch(const void *at) {
    __builtin_prefetch(at);
    __asm__ volatile("");
}

/* The same for all that many bytes. */
static inline void ks_fetch_all(const void *at, size_t size) {
    enum { LINE = 64 };
    for (size_t i = 0; i < size; i += LINE) ks_fetch((const char *)at + i);
}

#endif
