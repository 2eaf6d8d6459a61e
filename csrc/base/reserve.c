/*
 * base/reserve.c - keeps two blocks of each size that chunks of a small heap have; see reserve.h.
 */
#include "base/reserve.h"

#include <stdbool.h>
#include <stdlib.h>

/* Sizes are powers of two, from the smallest on: less than a megabyte in all. */
enum { SMALLEST = 32 * 1024, SIZES = 4, KEPT = 2 };

struct ks_reserve {
    size_t out; /* blocks that have been handed out */
    bool closed;
    void *kept[SIZES][KEPT];
};

ks_reserve *ks_reserve_new(void) { return calloc(1, sizeof(ks_reserve)); }

/* The blocks that are kept of a size; NULL: none of this one. */
static void **shelf(ks_reserve *reserve, size_t size) {
    for (int i = 0; i < SIZES; i++)
        if (size == (size_t)SMALLEST << i) return reserve->kept[i];
    return NULL;
}

static void end(ks_reserve *reserve) {
    for (int i = 0; i < SIZES; i++)
        for (int k = 0; k < KEPT; k++) free(reserve->kept[i][k]);
    free(reserve);
}

void ks_reserve_close(ks_reserve *reserve) {
    reserve->closed = true;
    if (reserve->out == 0) end(reserve);
}

void *ks_reserve_alloc(ks_reserve *reserve, size_t size) {
    void **kept = shelf(reserve, size), *block = NULL;
    for (int k = 0; kept != NULL && block == NULL && k < KEPT; k++) {
        block = kept[k];
        kept[k] = NULL;
    }
    if (block == NULL) block = malloc(size);
    reserve->out += block != NULL;
    return block;
}

void ks_reserve_free(ks_reserve *reserve, void *block, size_t size) {
    if (block == NULL) return;
    void **kept = shelf(reserve, size);
    for (int k = 0; kept != NULL && block != NULL && k < KEPT; k++) {
        if (kept[k] != NULL) continue;
        kept[k] = block;
        block = NULL;
    }
    free(block);
    if (--reserve->out == 0 && reserve->closed) end(reserve);
}
