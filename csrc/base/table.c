/*
 * base/table.c - the persistent hash table: a copy-on-write trie with buckets; see table.h.
 *
 * Invariants: a node is changed only while its count is 1 and so are those of all nodes above it; no node is empty; the entries of a
 * bucket at depth d agree in the lowest d * BITS bits of their keys' first words. A bucket starts small and grows to FULL entries
 * before it becomes an inner node; where no bits are left it goes on growing.
 */
#include "base/table.h"

#include <string.h>

enum { BITS = 5, FANOUT = 1 << BITS, SMALL = 2, FULL = 16, DEPTH = 64 / BITS };

typedef struct entry {
    ks_key key;
    void *value;
} entry;

struct ks_table_node {
    uint32_t refs;
    uint32_t len; /* entries, or children that are there */
    uint32_t cap; /* of a bucket; 0: an inner node */
    union {
        entry entries[1];                /* cap of them */
        ks_table_node *children[FANOUT]; /* NULL: nothing there */
    };
};

static size_t bucket_size(uint32_t cap) {
    return offsetof(ks_table_node, entries) + cap * sizeof(entry);
}
enum { INNER_SIZE = offsetof(ks_table_node, children) + FANOUT * sizeof(ks_table_node *) };

static size_t node_size(const ks_table_node *node) {
    return node->cap == 0 ? INNER_SIZE : bucket_size(node->cap);
}

static ks_table_node *bucket_new(ks_heap *heap, uint32_t cap) {
    ks_table_node *bucket = ks_alloc(heap, bucket_size(cap));
    bucket->refs = 1;
    bucket->len = 0;
    bucket->cap = cap;
    return bucket;
}

static void node_unref(ks_heap *heap, ks_table_node *node) {
    if (--node->refs > 0) return;
    if (node->cap == 0)
        for (int i = 0; i < FANOUT; i++)
            if (node->children[i] != NULL) node_unref(heap, node->children[i]);
    ks_free(heap, node, node_size(node));
}

/* Makes *ref a node that may be changed. */
static ks_table_node *own(ks_heap *heap, ks_table_node **ref) {
    ks_table_node *node = *ref;
    if (node->refs == 1) return node;
    ks_table_node *copy = ks_alloc(heap, node_size(node));
    memcpy(copy, node, node_size(node));
    copy->refs = 1;
    if (copy->cap == 0)
        for (int i = 0; i < FANOUT; i++)
            if (copy->children[i] != NULL) copy->children[i]->refs++;
    node->refs--;
    return *ref = copy;
}

static int digit(ks_key key, int depth) { return (int)(key.a >> depth * BITS & (FANOUT - 1)); }

static entry *entry_of(ks_table_node *bucket, ks_key key) {
    for (entry *e = bucket->entries, *end = e + bucket->len; e != end; e++)
        if (e->key.a == key.a && e->key.b == key.b) return e;
    return NULL;
}

void ks_table_copied(const ks_table *table) {
    if (table->root != NULL) table->root->refs++;
}

ks_table ks_table_copy(const ks_table *table) {
    ks_table_copied(table);
    return *table;
}

void ks_table_clear(ks_heap *heap, ks_table *table) {
    ks_table_node *root = table->root;
    *table = (ks_table){NULL, 0};
    if (root != NULL) node_unref(heap, root);
}

void *ks_table_get(const ks_table *table, ks_key key) {
    ks_table_node *node = table->root;
    for (uint64_t bits = key.a; node != NULL && node->cap == 0; bits >>= BITS)
        node = node->children[bits & (FANOUT - 1)];
    if (node == NULL) return NULL;
    const entry *e = entry_of(node, key);
    return e != NULL ? e->value : NULL;
}

/* Room for one more entry in an owned bucket. */
static ks_table_node *widen(ks_heap *heap, ks_table_node **ref) {
    ks_table_node *bucket = *ref, *wide = bucket_new(heap, bucket->cap * 2);
    memcpy(wide->entries, bucket->entries, bucket->len * sizeof(entry));
    wide->len = bucket->len;
    ks_free(heap, bucket, bucket_size(bucket->cap));
    return *ref = wide;
}

static void append(ks_table_node *bucket, entry e) { bucket->entries[bucket->len++] = e; }

/* Makes an inner node of an owned bucket that is full: a bucket for each value of the next bits that occurs. */
static void split(ks_heap *heap, ks_table_node **ref, int depth) {
    ks_table_node *bucket = *ref, *inner = ks_alloc_zero(heap, INNER_SIZE);
    uint32_t counts[FANOUT] = {0};
    for (uint32_t i = 0; i < bucket->len; i++) counts[digit(bucket->entries[i].key, depth)]++;
    inner->refs = 1;
    for (uint32_t i = 0; i < bucket->len; i++) {
        int at = digit(bucket->entries[i].key, depth);
        if (inner->children[at] == NULL) {
            uint32_t cap = SMALL;
            while (cap < counts[at]) cap *= 2;
            inner->children[at] = bucket_new(heap, cap);
            inner->len++;
        }
        append(inner->children[at], bucket->entries[i]);
    }
    ks_free(heap, bucket, bucket_size(bucket->cap));
    *ref = inner;
}

void ks_table_put(ks_heap *heap, ks_table *table, ks_key key, void *value) {
    ks_table_node **ref = &table->root, *above = NULL;
    int depth = 0;
    while (*ref != NULL) {
        ks_table_node *node = own(heap, ref);
        if (node->cap != 0) {
            entry *e = entry_of(node, key);
            if (e != NULL) {
                e->value = value;
                return;
            }
            if (node->len < FULL || depth >= DEPTH) break;
            split(heap, ref, depth);
            node = *ref;
        }
        above = node;
        ref = &node->children[digit(key, depth++)];
    }
    if (*ref == NULL) {
        *ref = bucket_new(heap, SMALL);
        if (above != NULL) above->len++;
    } else if ((*ref)->len == (*ref)->cap) {
        widen(heap, ref);
    }
    append(*ref, (entry){key, value});
    table->count++;
}

/* Removes an existing entry from the subtree *ref; a node that becomes empty goes. */
static void take(ks_heap *heap, ks_table_node **ref, ks_key key, int depth) {
    ks_table_node *node = own(heap, ref);
    if (node->cap == 0) {
        ks_table_node **below = &node->children[digit(key, depth)];
        take(heap, below, key, depth + 1);
        node->len -= *below == NULL;
    } else {
        entry *e = entry_of(node, key);
        *e = node->entries[--node->len];
    }
    if (node->len > 0) return;
    ks_free(heap, node, node_size(node));
    *ref = NULL;
}

bool ks_table_del(ks_heap *heap, ks_table *table, ks_key key) {
    if (ks_table_get(table, key) == NULL) return false;
    take(heap, &table->root, key, 0);
    table->count--;
    return true;
}
