/*
 * base/reserve.c - keeps two blocks of each size that chunks of a small heap have; see reserve.h.
 *
 * Blocks of these sizes come from the system itself where it knows how, the small ones with their pages: malloc would sort all that lies
 * free in small pieces before it gave one, and each page would be asked for when it is touched.
 */
#if defined(__linux__) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_POPULATE */
#endif
#include "base/reserve.h"

#include <stdbool.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

/* Sizes are powers of two, from the smallest on: less than a megabyte in all. */
enum { SMALLEST = 32 * 1024, SIZES = 4, KEPT = 2 };
enum {
    POPULATED = 128 * 1024
}; /* up to this size pages are there at once: most of them will be used */

struct ks_reserve {
    size_t out; /* blocks that have been handed out */
    bool closed;
    void *kept[SIZES][KEPT];
};

ks_reserve *ks_reserve_new(void) { return calloc(1, sizeof(ks_reserve)); }

/* Which of the sizes that are kept this is; -1: none of them. */
static int shelf(size_t size) {
    for (int i = 0; i < SIZES; i++)
        if (size == (size_t)SMALLEST << i) return i;
    return -1;
}

/* A new block of a size that is kept; NULL: there is no memory. */
static void *map(size_t size) {
#if defined(__linux__)
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | (size <= POPULATED ? MAP_POPULATE : 0);
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    return block == MAP_FAILED ? NULL : block;
#else
    return malloc(size);
#endif
}

static void unmap(void *block, size_t size) {
    if (block == NULL) return;
#if defined(__linux__)
    (void)munmap(block, size);
#else
    (void)size;
    free(block);
#endif
}

static void end(ks_reserve *reserve) {
    for (int i = 0; i < SIZES; i++)
        for (int k = 0; k < KEPT; k++) unmap(reserve->kept[i][k], (size_t)SMALLEST << i);
    free(reserve);
}

void ks_reserve_close(ks_reserve *reserve) {
    reserve->closed = true;
    if (reserve->out == 0) end(reserve);
}

void *ks_reserve_alloc(ks_reserve *reserve, size_t size) {
    int i = shelf(size);
    void *block = NULL;
    for (int k = 0; i >= 0 && block == NULL && k < KEPT; k++) {
        block = reserve->kept[i][k];
        reserve->kept[i][k] = NULL;
    }
    if (block == NULL) block = i >= 0 ? map(size) : malloc(size);
    reserve->out += block != NULL;
    return block;
}

void ks_reserve_free(ks_reserve *reserve, void *block, size_t size) {
    if (block == NULL) return;
    int i = shelf(size), k = 0;
    while (i >= 0 && k < KEPT && reserve->kept[i][k] != NULL) k++;
    if (i < 0)
        free(block);
    else if (k < KEPT)
        reserve->kept[i][k] = block;
    else
        unmap(block, size);
    if (--reserve->out == 0 && reserve->closed) end(reserve);
}
