/*
 * base/reserve.h - what closed heaps leave for the next ones: a few chunks, as many as a small cluster takes.
 *
 * Given back to malloc they would be merged with all that lies free around them and cut up for others; the next cluster would get pages
 * that are not there yet. Tests make one cluster after the other. The binding has one reserve per Lua state; heap.c asks it.
 */
#ifndef KS_BASE_RESERVE_H
#define KS_BASE_RESERVE_H

#include <stddef.h>

typedef struct ks_reserve ks_reserve;

/* NULL when out of memory. */
ks_reserve *ks_reserve_new(void);
/* Nobody will make heaps with it any more. It is gone when the last block has been given back. */
void ks_reserve_close(ks_reserve *reserve);

/* `size` bytes: kept ones, pages of their own where a chunk is of a size that is kept, else malloc's; NULL when there are none. */
void *ks_reserve_alloc(ks_reserve *reserve, size_t size);
/* Takes back a block of that size; NULL is fine. */
void ks_reserve_free(ks_reserve *reserve, void *block, size_t size);

#endif
