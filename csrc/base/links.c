/*
 * base/links.c - persistent maps from hashes, or ids, to several ids each; see links.h.
 *
 * Invariant: `one` has an entry for each hash (or id) that has an id. Once it says MANY, it does so until the last of these goes.
 */
#include "base/links.h"

#define MANY UINT64_MAX

static uint64_t word(const void *p) { return (uint64_t)(uintptr_t)p; }
static void *as_word(uint64_t id) { return (void *)(uintptr_t)id; }

ks_links ks_links_copy(const ks_links *links) {
    ks_links_copied(links);
    return *links;
}

void ks_links_copied(const ks_links *links) {
    ks_table_copied(&links->one);
    ks_trees_copied(&links->many, 1);
}

void ks_links_clear(ks_heap *heap, ks_links *links) {
    ks_table_clear(heap, &links->one);
    ks_tree_clear(heap, &links->many);
}

void ks_ties_copied(const ks_ties *ties) {
    ks_ids_copied(&ties->one, 1);
    ks_trees_copied(&ties->many, 1);
}

void ks_ties_clear(ks_heap *heap, ks_ties *ties) {
    ks_ids_clear(heap, &ties->one);
    ks_tree_clear(heap, &ties->many);
}

/* Adds to those of which there are several. False: it is there. */
static bool add_one(ks_heap *heap, ks_tree *many, uint64_t of, uint64_t id) {
    size_t before = many->count;
    ks_tree_put(heap, many, (ks_key){of, id}, as_word(id));
    return many->count != before;
}

/* Takes one away, `there` being what stands for all; (*last) there is no other. False: it is not there. */
static bool take_one(ks_heap *heap, ks_tree *many, uint64_t of, uint64_t there, uint64_t id,
                     bool *last) {
    ks_key found;
    *last = true;
    if (there != MANY) return there == id;
    if (!ks_tree_del(heap, many, (ks_key){of, id})) return false;
    *last = !ks_tree_ceiling(many, (ks_key){of, 0}, &found, NULL) || found.a != of;
    return true;
}

bool ks_links_add(ks_heap *heap, ks_links *links, ks_key hash, uint64_t id) {
    uint64_t there = word(ks_table_get(&links->one, hash));
    if (there == id) return false;
    if (there == 0) {
        ks_table_put(heap, &links->one, hash, as_word(id));
        return true;
    }
    if (there != MANY) {
        add_one(heap, &links->many, hash.a, there);
        ks_table_put(heap, &links->one, hash, as_word(MANY));
    }
    return add_one(heap, &links->many, hash.a, id);
}

bool ks_ties_add(ks_heap *heap, ks_ties *ties, uint64_t to, uint64_t id) {
    uint64_t there = word(ks_ids_get(&ties->one, to));
    if (there == id) return false;
    if (there == 0) {
        ks_ids_put(heap, &ties->one, to, as_word(id));
        return true;
    }
    if (there != MANY) {
        add_one(heap, &ties->many, to, there);
        ks_ids_put(heap, &ties->one, to, as_word(MANY));
    }
    return add_one(heap, &ties->many, to, id);
}

bool ks_links_del(ks_heap *heap, ks_links *links, ks_key hash, uint64_t id) {
    bool last;
    uint64_t there = word(ks_table_get(&links->one, hash));
    if (there == 0 || !take_one(heap, &links->many, hash.a, there, id, &last)) return false;
    if (last) ks_table_del(heap, &links->one, hash);
    return true;
}

bool ks_ties_del(ks_heap *heap, ks_ties *ties, uint64_t to, uint64_t id) {
    bool last;
    uint64_t there = word(ks_ids_get(&ties->one, to));
    if (there == 0 || !take_one(heap, &ties->many, to, there, id, &last)) return false;
    if (last) ks_ids_del(heap, &ties->one, to);
    return true;
}

static ks_link link_of(const ks_tree *many, const void *there, uint64_t of) {
    return (ks_link){.many = many, .only = word(there), .next = {of, 0}};
}

ks_link ks_links_of(const ks_links *links, ks_key hash) {
    return link_of(&links->many, ks_table_get(&links->one, hash), hash.a);
}

ks_link ks_ties_of(const ks_ties *ties, uint64_t to) {
    return link_of(&ties->many, ks_ids_get(&ties->one, to), to);
}

void ks_ties_ask(const ks_ties *ties, uint64_t to) { ks_ids_ask(&ties->one, to); }

bool ks_link_next(ks_link *link) {
    ks_key found;
    if (link->only == 0) return false;
    if (link->only != MANY) {
        link->id = link->only;
        link->only = 0;
        return true;
    }
    if (!ks_tree_ceiling(link->many, link->next, &found, NULL) || found.a != link->next.a) {
        link->only = 0;
        return false;
    }
    link->id = found.b;
    link->next.b = found.b + 1;
    return true;
}
