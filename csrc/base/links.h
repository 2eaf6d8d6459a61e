/*
 * base/links.h - persistent maps from hashes, or from ids, to several ids each: who names what, who waits for what.
 *
 * Mostly one id stands for a hash, and that costs what an entry of a hash table does. Where there are several, the table says so, and an
 * ordered map has them, by id. Both are persistent maps: copying is O(1). The ordered map knows hashes by their first word only: where
 * two have the same, the ids of one may be shown as the other's, so whoever walks compares what it finds. The same is there for ids, of
 * which each has its own. Called by store/, kubelet/ and controllers/storage.
 */
#ifndef KS_BASE_LINKS_H
#define KS_BASE_LINKS_H

#include "base/ids.h"
#include "base/table.h"

/* A value; `ks_links l = {0}` is empty. */
typedef struct ks_links {
    ks_table one; /* hash -> the only id, or that there are several */
    ks_tree many; /* {first word of the hash, id} -> the id */
} ks_links;

ks_links ks_links_copy(const ks_links *links);
void ks_links_copied(const ks_links *links); /* the same, after a copy by assignment */
void ks_links_clear(ks_heap *heap, ks_links *links);

static inline bool ks_links_any(const ks_links *links) { return links->one.count > 0; }

/* Adds an id, neither 0 nor UINT64_MAX, to those of a hash. False: it is there. */
bool ks_links_add(ks_heap *heap, ks_links *links, ks_key hash, uint64_t id);
/* Takes it away. False: it is not there. */
bool ks_links_del(ks_heap *heap, ks_links *links, ks_key hash, uint64_t id);

/* The same from ids: what follows each other in the order of these stands together. */
typedef struct ks_ties {
    ks_ids one;
    ks_tree many; /* {id that is tied to, id} -> the id */
} ks_ties;

void ks_ties_copied(const ks_ties *ties); /* after a copy by assignment */
void ks_ties_clear(ks_heap *heap, ks_ties *ties);
/* As ks_links_add() and ks_links_del(). */
bool ks_ties_add(ks_heap *heap, ks_ties *ties, uint64_t to, uint64_t id);
bool ks_ties_del(ks_heap *heap, ks_ties *ties, uint64_t to, uint64_t id);

/* The ids of a hash, or those tied to an id, in their order; they may come and go meanwhile.
 *     for (ks_link l = ks_links_of(links, hash); ks_link_next(&l);) use(l.id); */
typedef struct ks_link {
    const ks_tree *many;
    uint64_t only; /* private: the only one there is; 0: none (any more) */
    ks_key next;   /* private: where to look for the next one of several */
    uint64_t id;
} ks_link;
ks_link ks_links_of(const ks_links *links, ks_key hash);
ks_link ks_ties_of(const ks_ties *ties, uint64_t to);
/* Asks for the memory that such a look, which comes later, begins with. */
void ks_ties_ask(const ks_ties *ties, uint64_t to);
bool ks_link_next(ks_link *link);

#endif
