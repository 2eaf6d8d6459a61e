/*
 * base/table.c - the persistent hash table: a copy-on-write trie with buckets; see table.h.
 *
 * Invariants: a node is changed only while its count is 1 and so are those of all nodes above it; no node is empty; the entries of a
 * bucket at depth d agree in the lowest d * BITS bits of their keys' first words. A bucket starts small and grows to FULL entries
 * before it becomes an inner node; where no bits are left it goes on growing.
 *
 *      bucket:  refs, len, cap, a tag for each entry | entries
 *
 * A tag is the highest byte of a key's first word. Who looks compares eight of them at a time, and reads only entries whose tag is the
 * one looked for: where the key is not there, mostly nothing but the beginning of a bucket; where it is, one more line of memory.
 */
#include "base/table.h"

#include <limits.h>
#include <string.h>

enum { BITS = 4, FANOUT = 1 << BITS, SMALL = 4, FULL = 48, DEPTH = 64 / BITS };
enum { TAGS = 8 }; /* compared at once */

typedef struct entry {
    ks_key key;
    void *value;
} entry;

struct ks_table_node {
    uint32_t refs;
    uint32_t len; /* entries, or children that are there */
    uint32_t cap; /* of a bucket; 0: an inner node */
    unsigned char tags
        [SMALL]; /* of a bucket: as many as it has room for, and entries behind them; zero where there is no entry */
};

/* --- inner nodes --- */

enum { INNER_SIZE = sizeof(ks_table_node) + FANOUT * sizeof(ks_table_node *) };

/* FANOUT of them; NULL: nothing there. */
static ks_table_node **children_of(const ks_table_node *inner) {
    return (ks_table_node **)(uintptr_t)(inner + 1);
}

static int digit(ks_key key, int depth) { return (int)(key.a >> depth * BITS & (FANOUT - 1)); }

/* --- buckets --- */

static size_t entries_at(uint32_t cap) {
    return (offsetof(ks_table_node, tags) + cap + sizeof(uint64_t) - 1) / sizeof(uint64_t) *
           sizeof(uint64_t);
}
static size_t bucket_size(uint32_t cap) { return entries_at(cap) + cap * sizeof(entry); }

static unsigned char *tags_of(const ks_table_node *bucket) {
    return (unsigned char *)(uintptr_t)bucket + offsetof(ks_table_node, tags);
}
static entry *entries_of(const ks_table_node *bucket) {
    return (entry *)((uintptr_t)bucket + entries_at(bucket->cap));
}

static unsigned char tag_of(ks_key key) { return (unsigned char)(key.a >> 56); }

static ks_table_node *bucket_new(ks_heap *heap, uint32_t cap) {
    ks_table_node *bucket = ks_alloc(heap, bucket_size(cap));
    bucket->refs = 1;
    bucket->len = 0;
    bucket->cap = cap;
    memset(tags_of(bucket), 0, cap);
    return bucket;
}

/* The next capacity: so that a full bucket fits into a slab's block, and fills it. */
static uint32_t wider(uint32_t cap) { return cap == FULL / 3 * 2 ? FULL : cap * 2; }

/* There is room. */
static void append(ks_table_node *bucket, entry e) {
    tags_of(bucket)[bucket->len] = tag_of(e.key);
    entries_of(bucket)[bucket->len++] = e;
}

/* Eight tags, the first in the lowest byte. */
static uint64_t tags_from(const unsigned char *t) {
    return t[0] | (uint64_t)t[1] << 8 | (uint64_t)t[2] << 16 | (uint64_t)t[3] << 24 |
           (uint64_t)t[4] << 32 | (uint64_t)t[5] << 40 | (uint64_t)t[6] << 48 |
           (uint64_t)t[7] << 56;
}

/* The entry of a key, or NULL. Bytes behind the tags, which may be read with the last of them, are there. */
static entry *entry_of(const ks_table_node *bucket, ks_key key) {
    const uint64_t ones = UINT64_MAX / UCHAR_MAX, wanted = ones * tag_of(key);
    const unsigned char *tags = tags_of(bucket);
    entry *entries = entries_of(bucket);
    for (uint32_t i = 0; i < bucket->len; i += TAGS) {
        uint64_t differs = tags_from(tags + i) ^ wanted;
        /* A bit for each byte that is zero, and maybe for others above one. */
        uint64_t hits = (differs - ones) & ~differs & ones << 7;
        for (; hits != 0; hits &= hits - 1) {
            uint32_t at = i + (uint32_t)__builtin_ctzll(hits) / 8;
            if (at >= bucket->len) break;
            if (entries[at].key.a == key.a && entries[at].key.b == key.b) return &entries[at];
        }
    }
    return NULL;
}

/* --- nodes --- */

static size_t node_size(const ks_table_node *node) {
    return node->cap == 0 ? INNER_SIZE : bucket_size(node->cap);
}

static void node_unref(ks_heap *heap, ks_table_node *node) {
    if (--node->refs > 0) return;
    for (int i = 0; node->cap == 0 && i < FANOUT; i++)
        if (children_of(node)[i] != NULL) node_unref(heap, children_of(node)[i]);
    ks_free(heap, node, node_size(node));
}

/* Makes *ref a node that may be changed. */
static ks_table_node *own(ks_heap *heap, ks_table_node **ref) {
    ks_table_node *node = *ref;
    if (node->refs == 1) return node;
    ks_table_node *copy = ks_alloc(heap, node_size(node));
    memcpy(copy, node, node_size(node));
    copy->refs = 1;
    for (int i = 0; copy->cap == 0 && i < FANOUT; i++)
        if (children_of(copy)[i] != NULL) children_of(copy)[i]->refs++;
    node->refs--;
    return *ref = copy;
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

/* The bucket in which the key would stand, or NULL. */
static ks_table_node *bucket_of(const ks_table *table, ks_key key) {
    ks_table_node *node = table->root;
    for (uint64_t bits = key.a; node != NULL && node->cap == 0; bits >>= BITS)
        node = children_of(node)[bits & (FANOUT - 1)];
    return node;
}

void *ks_table_get(const ks_table *table, ks_key key) {
    const ks_table_node *bucket = bucket_of(table, key);
    const entry *e = bucket == NULL ? NULL : entry_of(bucket, key);
    return e != NULL ? e->value : NULL;
}

/* The nodes above the buckets are few: they are at hand. Which these are the number of entries tells, about. */
void ks_table_ask(const ks_table *table, ks_key key) {
    const ks_table_node *node = table->root;
    size_t below = table->count / FANOUT;
    if (node == NULL || node->cap != 0) return;
    uint64_t bits = key.a;
    for (; below > FULL; below /= FANOUT, bits >>= BITS) {
        const ks_table_node *next = children_of(node)[bits & (FANOUT - 1)];
        if (next == NULL || next->cap != 0) return;
        node = next;
    }
    ks_fetch(children_of(node)[bits & (FANOUT - 1)]);
}

/* Room for one more entry in an owned bucket. */
static ks_table_node *widen(ks_heap *heap, ks_table_node **ref) {
    ks_table_node *bucket = *ref, *wide = bucket_new(heap, wider(bucket->cap));
    memcpy(tags_of(wide), tags_of(bucket), bucket->len);
    memcpy(entries_of(wide), entries_of(bucket), bucket->len * sizeof(entry));
    wide->len = bucket->len;
    ks_free(heap, bucket, bucket_size(bucket->cap));
    return *ref = wide;
}

/* Makes an inner node of an owned bucket that is full: a bucket for each value of the next bits that occurs. */
static void split(ks_heap *heap, ks_table_node **ref, int depth) {
    ks_table_node *bucket = *ref, *inner = ks_alloc_zero(heap, INNER_SIZE);
    ks_table_node **children = children_of(inner);
    const entry *entries = entries_of(bucket);
    uint32_t counts[FANOUT] = {0};
    for (uint32_t i = 0; i < bucket->len; i++) counts[digit(entries[i].key, depth)]++;
    inner->refs = 1;
    for (uint32_t i = 0; i < bucket->len; i++) {
        int at = digit(entries[i].key, depth);
        if (children[at] == NULL) {
            uint32_t cap = SMALL;
            while (cap < counts[at]) cap = wider(cap);
            children[at] = bucket_new(heap, cap);
            inner->len++;
        }
        append(children[at], entries[i]);
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
        ref = &children_of(node)[digit(key, depth++)];
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
        ks_table_node **below = &children_of(node)[digit(key, depth)];
        take(heap, below, key, depth + 1);
        node->len -= *below == NULL;
    } else {
        entry *e = entry_of(node, key), *entries = entries_of(node);
        unsigned char *tags = tags_of(node);
        uint32_t last = --node->len;
        tags[e - entries] = tags[last];
        tags[last] = 0;
        *e = entries[last];
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
