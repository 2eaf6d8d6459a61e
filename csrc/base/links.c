/*
 * base/links.c - a persistent map from hashes to several ids each; see links.h.
 *
 * Invariant: `one` has an entry for each hash that has an id. Once it says MANY, it does so until the last id of the hash goes.
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

bool ks_links_add(ks_heap *heap, ks_links *links, ks_key hash, uint64_t id) {
    uint64_t there = word(ks_table_get(&links->one, hash));
    if (there == 0) {
        ks_table_put(heap, &links->one, hash, as_word(id));
        return true;
    }
    if (there == id) return false;
    if (there != MANY) {
        ks_tree_put(heap, &links->many, (ks_key){hash.a, there}, as_word(there));
        ks_table_put(heap, &links->one, hash, as_word(MANY));
    }
    size_t before = links->many.count;
    ks_tree_put(heap, &links->many, (ks_key){hash.a, id}, as_word(id));
    return links->many.count != before;
}

bool ks_links_del(ks_heap *heap, ks_links *links, ks_key hash, uint64_t id) {
    uint64_t there = word(ks_table_get(&links->one, hash));
    ks_key first = {hash.a, 0}, found;
    if (there == 0 || (there != MANY && there != id)) return false;
    if (there == MANY) {
        if (!ks_tree_del(heap, &links->many, (ks_key){hash.a, id})) return false;
        if (ks_tree_ceiling(&links->many, first, &found, NULL) && found.a == hash.a) return true;
    }
    ks_table_del(heap, &links->one, hash);
    return true;
}

ks_link ks_links_of(const ks_links *links, ks_key hash) {
    return (ks_link){
        .links = links, .only = word(ks_table_get(&links->one, hash)), .next = {hash.a, 0}};
}

bool ks_link_next(ks_link *link) {
    ks_key found;
    if (link->only == 0) return false;
    if (link->only != MANY) {
        link->id = link->only;
        link->only = 0;
        return true;
    }
    if (!ks_tree_ceiling(&link->links->many, link->next, &found, NULL) || found.a != link->next.a) {
        link->only = 0;
        return false;
    }
    link->id = found.b;
    link->next.b = found.b + 1;
    return true;
}
