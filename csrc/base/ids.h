/*
 * base/ids.h - persistent maps whose keys are ids.
 *
 * Ids are dealt out in a row (store.h), so a map from them needs no comparing: five bits of an id after the other say which way to
 * go. It is shared and copied as the ordered map is (tree.h): a copy is O(1), a change copies the nodes on its path that are shared
 * and updates in place the ones that only this map owns. A look or a change takes a few instructions a level, and levels on which
 * all ids agree are left out, so that any 64-bit word may be an id: flags in its upper bits cost a level.
 *
 *      [ 0.. | 32.. | .. | 96.. ]        each node has room for 32; `shift` says which bits of an id count in it
 *       /              \
 *   [0 1 2 .. 31]   [.. 98 .. 127]       values; NULL: there is none
 *
 * Where ids of one kind are far between - objects that are made one after the other, each with what belongs to it - a leaf holds few of
 * them, and is small: it has the values alone, and bits say whose they are. Maps from hashes have a leaf for each; where they are looked
 * into often and have some thousands of entries at most it is worth that.
 *
 * A map remembers the leaf that was looked into last: what is worked on has its ids there mostly, and so has what comes next.
 */
#ifndef KS_BASE_IDS_H
#define KS_BASE_IDS_H

#include "base/heap.h"

/* What a map's values are; NULL, or NULL members: plain words. */
typedef struct ks_ids_type {
    void (*ref)(void *value);
    void (*unref)(ks_heap *heap, void *value);
    /* Asks for the memory that counting a value down reads, where many are counted down that nobody has looked at for long: called for all
     * that stand together for each of the steps from 0 on, before the first is let go. NULL: not worth it. */
    void (*leaves)(const void *value, int step);
    int steps;
} ks_ids_type;

typedef struct ks_ids_node ks_ids_node;

/* A map: a value. `ks_ids m = {&type}` (or {NULL}) is an empty one. */
typedef struct ks_ids {
    const ks_ids_type *type;
    ks_ids_node *root;
    size_t count;
    const ks_ids_node *last; /* private: the leaf that was looked into last; NULL: none is known */
    uint32_t owned;          /* private: whether it may be changed at once */
} ks_ids;

/* A copy that shares everything: O(1). */
ks_ids ks_ids_copy(const ks_ids *ids);
/* Empties the map: counts down what it alone holds. */
void ks_ids_clear(ks_heap *heap, ks_ids *ids);
/* The same for `n` maps in a row, after these have been copied by assignment. */
void ks_ids_copied(const ks_ids *ids, size_t n);

/* The value of an id, borrowed, or NULL. */
void *ks_ids_get(const ks_ids *ids, uint64_t id);
/* The same, for a look ahead: the leaf that was looked into last stays that, for those who go on there. */
void *ks_ids_peek(const ks_ids *ids, uint64_t id);
/* Sets the value, which is not NULL; takes over the caller's reference to it. */
void ks_ids_put(ks_heap *heap, ks_ids *ids, uint64_t id, void *value);
/* Removes; false when absent. */
bool ks_ids_del(ks_heap *heap, ks_ids *ids, uint64_t id);
/* Removes and hands the caller the map's reference to the value; NULL when absent. */
void *ks_ids_take(ks_heap *heap, ks_ids *ids, uint64_t id);
/* The slot of an id that is there, its path made unshared, so that the caller may exchange the value in place (until the next change of
 * this map); NULL when absent. */
void **ks_ids_slot(ks_heap *heap, ks_ids *ids, uint64_t id);
/* The same, and made when it is not there: it holds NULL then, and the caller puts something in at once. */
void **ks_ids_make(ks_heap *heap, ks_ids *ids, uint64_t id);
/* Puts in values of ids, counted up, where there is none yet: quick where ids that follow one another stand together. */
typedef struct ks_ids_pair {
    uint64_t id;
    void *value;
} ks_ids_pair;
void ks_ids_add(ks_heap *heap, ks_ids *ids, const ks_ids_pair *pairs, size_t n);
/* Exchanges the value of an id that is there, also in every map that shares the place where it stands; hands the caller the reference to
 * the one before. Allocates nothing: for putting back what ks_ids_slot() has been used to change. */
void *ks_ids_exchange(ks_ids *ids, uint64_t id, void *value);

/* The least id; false when there is none. Out-parameters may be NULL. */
bool ks_ids_first(const ks_ids *ids, uint64_t *id, void **value);

/* Walking by id. The map must not change meanwhile: walk a copy if it may.
 *     for (ks_ids_iter it = ks_ids_begin(&m); ks_ids_next(&it);) use(it.id, it.value); */
enum { KS_IDS_BITS = 5, KS_IDS_WAYS = 1 << KS_IDS_BITS, KS_IDS_DEPTH = 64 / KS_IDS_BITS + 1 };
typedef struct ks_ids_iter {
    uint64_t id;
    void *value;
    int depth;
    struct {
        const ks_ids_node *node;
        uint32_t left; /* a bit for each slot that is still to be shown */
    } path[KS_IDS_DEPTH];
} ks_ids_iter;
ks_ids_iter ks_ids_begin(const ks_ids *ids);
ks_ids_iter ks_ids_from(const ks_ids *ids, uint64_t at_least);
bool ks_ids_next(ks_ids_iter *iter);
/* For walks that want to know what comes: whether what ks_ids_next() has just shown is the first of the values that stand together. */
bool ks_ids_begins(const ks_ids_iter *iter);
/* Asks for the memory in which the id's value would stand, without waiting for it. */
void ks_ids_ask(const ks_ids *ids, uint64_t id);
/* The slots that come `n` (1 or more) places behind those under the same node above, some of them NULL, and how many they are; 0: there
 * are none. They may be asked for long before the walk is there. Reading them waits for their memory; ks_ids_fetch() only asks for it. */
uint32_t ks_ids_coming(const ks_ids_iter *iter, int n, void *const **values);
void ks_ids_fetch(const ks_ids_iter *iter, int n);

#endif
