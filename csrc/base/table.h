/*
 * base/table.h - the persistent hash table: what is found by its name or uid, and never walked in order.
 *
 * A trie over the bits of the key's first word, which must be a hash: inner nodes have a child for each value of the next four bits,
 * and end in buckets of some entries, in no order. As with ks_tree, nodes are counted: copying a table is O(1) and shares all of them,
 * and a change copies those on its path that are shared. Finding takes a few steps and a look into a bucket, adding appends to one: a
 * fraction of what the ordered map costs for keys that fall anywhere. Where there are many entries a look waits for memory twice, once
 * if the key is not there: inner nodes are few, and a bucket says at its beginning which of its entries may be the one.
 *
 *      [ 0000 | 0001 | ... | 1111 ]      inner node: by the lowest four bits,
 *          |                  |
 *      [ k3 k1 ]      [ 0000 | ... ]     then by the next four
 *
 * Values are words, not counted, and not NULL. Called by store/.
 */
#ifndef KS_BASE_TABLE_H
#define KS_BASE_TABLE_H

#include "base/tree.h"

typedef struct ks_table_node ks_table_node;

/* A table: a value. `ks_table t = {0}` is an empty one. */
typedef struct ks_table {
    ks_table_node *root;
    size_t count;
} ks_table;

/* A copy that shares everything: O(1). */
ks_table ks_table_copy(const ks_table *table);
/* The same, after a copy by assignment. */
void ks_table_copied(const ks_table *table);
/* Empties the table. */
void ks_table_clear(ks_heap *heap, ks_table *table);

/* The value at `key`, or NULL. */
void *ks_table_get(const ks_table *table, ks_key key);
/* Asks for the memory in which a look begins, without waiting for it. */
void ks_table_ask(const ks_table *table, ks_key key);
/* Sets the value. Whole at each allocation: memory may run out in it, and what it was called for may be tried again. */
void ks_table_put(ks_heap *heap, ks_table *table, ks_key key, void *value);
/* Removes; false when absent. */
bool ks_table_del(ks_heap *heap, ks_table *table, ks_key key);

#endif
