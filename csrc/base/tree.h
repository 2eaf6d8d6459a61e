/*
 * base/tree.h - the persistent ordered map that carries nearly everything (ids.h does the rest).
 *
 * A B+tree whose nodes are counted. Copying a tree is O(1) and shares all nodes; a change copies the
 * nodes on its path that are shared and updates in place the ones that only this tree owns. The store,
 * its indexes, the watch log, the agenda, work queues and all components' states are such trees: that is
 * why a cluster forks in constant time, lists are consistent, and the past can be looked at.
 *
 *          [ k4 | k9 ]            inner node: smallest key of each child
 *         /     |     \
 *   [k1 k2 k3][k4 k7][k9 k12]     leaves: keys and values
 *
 * Keys are pairs of 64-bit words, ordered as unsigned integers, or by the type's compare function (then
 * the words hold what that function wants, e.g. string pointers). Values are one word.
 */
#ifndef KS_BASE_TREE_H
#define KS_BASE_TREE_H

#include "base/heap.h"

typedef struct ks_key {
    uint64_t a, b;
} ks_key;

/* What a map's keys and values are. All members may be NULL: integer keys, plain values. */
typedef struct ks_tree_type {
    int (*compare)(ks_key x, ks_key y);
    void (*key_ref)(ks_key key);
    void (*key_unref)(ks_heap *heap, ks_key key);
    void (*ref)(void *value);
    void (*unref)(ks_heap *heap, void *value);
} ks_tree_type;

typedef struct ks_tree_node ks_tree_node;

/* A map: a value. `ks_tree t = {&type}` (or {NULL}) is an empty one. */
typedef struct ks_tree {
    const ks_tree_type *type;
    ks_tree_node *root;
    size_t count;
} ks_tree;

/* A copy that shares everything: O(1). */
ks_tree ks_tree_copy(const ks_tree *tree);
/* Empties the map: counts down what it alone holds. */
void ks_tree_clear(ks_heap *heap, ks_tree *tree);
/* The same for `n` maps in a row: after these have been copied by assignment, and at their end. */
void ks_trees_copied(const ks_tree *trees, size_t n);
void ks_trees_clear(ks_heap *heap, ks_tree *trees, size_t n);

/* The value at `key`, borrowed, or NULL. */
void *ks_tree_get(const ks_tree *tree, ks_key key);
bool ks_tree_has(const ks_tree *tree, ks_key key);
/* Asks for the memory in which the key stands, or would, without waiting for it; of maps with integer keys. */
void ks_tree_ask(const ks_tree *tree, ks_key key);
/* Sets the value; takes over the caller's reference to it; counts the key up if it is new (key_ref). */
void ks_tree_put(ks_heap *heap, ks_tree *tree, ks_key key, void *value);
/* Removes; false when absent. */
bool ks_tree_del(ks_heap *heap, ks_tree *tree, ks_key key);
/* Takes out all entries with keys {a, *}, of a map with integer keys. */
void ks_tree_del_all(ks_heap *heap, ks_tree *tree, uint64_t a);
/* Removes and hands the caller the map's reference to the value; NULL when absent. */
void *ks_tree_take(ks_heap *heap, ks_tree *tree, ks_key key);
/* The same for the first entry of a map that is not empty, at less cost: for maps that are queues. */
void *ks_tree_take_first(ks_heap *heap, ks_tree *tree);
/* The slot of an existing key, its path made unshared, so that the caller may exchange the value in
 * place (until the next change of this map). NULL when absent. */
void **ks_tree_slot(ks_heap *heap, ks_tree *tree, ks_key key);

/* Exchanges the value of an existing key, also in every map that shares the place where it stands; hands the caller the reference
 * to the one before. Allocates nothing: for putting back what ks_tree_slot() has been used to change. */
void *ks_tree_exchange(ks_tree *tree, ks_key key, void *value);

/* Entries that stand together, until the next change of this map. */
typedef struct ks_tree_row {
    const ks_key *keys;
    void *const *values;
    int len;
} ks_tree_row;
/* The first ones, and those behind them. */
void ks_tree_front(const ks_tree *tree, ks_tree_row rows[2]);

/* Neighbours: false when there is none. Out-parameters may be NULL. */
bool ks_tree_first(const ks_tree *tree, ks_key *key, void **value);
bool ks_tree_ceiling(const ks_tree *tree, ks_key at_least, ks_key *key, void **value);
bool ks_tree_higher(const ks_tree *tree, ks_key above, ks_key *key, void **value);
bool ks_tree_floor(const ks_tree *tree, ks_key at_most, ks_key *key, void **value);

/* Walking in key order. The map must not change meanwhile: walk a copy if it may.
 *     for (ks_tree_iter it = ks_tree_begin(&t); ks_tree_next(&it);) use(it.key, it.value);
 *     for (ks_tree_iter it = ks_tree_from(&t, key); ks_tree_next(&it) && it.key.a == a;) ... */
#define KS_TREE_DEPTH 16
typedef struct ks_tree_iter {
    ks_key key;
    void *value;
    int depth;
    struct {
        const ks_tree_node *node;
        int at;
    } path[KS_TREE_DEPTH];
} ks_tree_iter;
ks_tree_iter ks_tree_begin(const ks_tree *tree);
ks_tree_iter ks_tree_from(const ks_tree *tree, ks_key at_least);
bool ks_tree_next(ks_tree_iter *iter);
/* For walks that want to know what comes: how many entries stand in one node with the one that ks_tree_next() has just shown, from that
 * one on; their keys and values. */
int ks_tree_beside(const ks_tree_iter *iter, const ks_key **keys, void *const **values);

#endif
