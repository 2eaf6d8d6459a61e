/*
 * base/ids.c - persistent maps from ids: a copy-on-write radix tree; see ids.h.
 *
 * Invariants: a node is changed only while its count is 1 and so are those of all nodes above it (own()); a bit of `used` is set
 * where an id, or a child, is; no node is empty; what is below an inner node begins with the bits of `first` above its own. A child may
 * be more than one level down. A node with all slots has each at its digit, NULL where there is none; a leaf of few values has these one
 * behind the other. `last` of a map is a leaf of its own tree: whatever may exchange or free one forgets it first. It may be changed without
 * a look at the nodes above while the root's count is 1 and no copy has been made since these were seen to be unshared: `owned` is one more
 * than the copies that there were then.
 */
#include "base/ids.h"

#include <string.h>

enum { FEW = 4 }; /* slots of a leaf of few values */

struct ks_ids_node {
    uint32_t refs;
    uint32_t used;   /* a bit for each digit that is taken */
    uint64_t first;  /* the least id that has its place here */
    uint64_t common; /* the bits that are the same in all of these */
    uint16_t shift;  /* 0: a leaf */
    uint16_t room;   /* KS_IDS_WAYS, or FEW */
    uint32_t copies; /* of a root: how many have been made of a map while it was that */
    void *slots[];
};

static size_t size_of(uint32_t room) { return sizeof(ks_ids_node) + room * sizeof(void *); }

static bool covers(const ks_ids_node *node, uint64_t id) {
    return ((id ^ node->first) & node->common) == 0;
}

static unsigned digit(const ks_ids_node *node, uint64_t id) {
    return (unsigned)(id >> node->shift) & (KS_IDS_WAYS - 1);
}

static int lowest_bit(uint32_t bits) { return __builtin_ctz(bits); }

/* How many digits below `at` a leaf of few values has. */
static unsigned rank(const ks_ids_node *leaf, unsigned at) {
    unsigned n = 0;
    for (uint32_t below = leaf->used & ~(UINT32_MAX << at); below != 0; below &= below - 1) n++;
    return n;
}

/* Where the value of a digit stands that is taken. */
static inline unsigned place(const ks_ids_node *node, unsigned at) {
    return node->room == KS_IDS_WAYS ? at : rank(node, at);
}

/* --- nodes --- */

/* A node of that shift in which `id` has its place. */
static ks_ids_node *node_new(ks_heap *heap, uint64_t id, uint32_t shift) {
    uint32_t room = shift == 0 ? FEW : KS_IDS_WAYS;
    ks_ids_node *node = ks_alloc_zero(heap, size_of(room));
    node->refs = 1;
    node->common = UINT64_MAX << shift << KS_IDS_BITS;
    node->first = id & node->common;
    node->shift = (uint16_t)shift;
    node->room = (uint16_t)room;
    return node;
}

/* A leaf of few values, owned, becomes one with all slots. */
static ks_ids_node *widen(ks_heap *heap, ks_ids_node **ref) {
    ks_ids_node *few = *ref, *node = ks_alloc_zero(heap, size_of(KS_IDS_WAYS));
    memcpy(node, few, sizeof *node);
    node->room = KS_IDS_WAYS;
    void **value = few->slots;
    for (uint32_t used = few->used; used != 0; used &= used - 1)
        node->slots[lowest_bit(used)] = *value++;
    ks_free(heap, few, size_of(FEW));
    return *ref = node;
}

/* A slot for a digit that an owned leaf does not have yet; it holds NULL. */
static inline void **insert(ks_heap *heap, ks_ids_node **ref, unsigned at) {
    ks_ids_node *leaf = *ref;
    unsigned to = at;
    if (leaf->room == FEW) {
        unsigned count = rank(leaf, KS_IDS_WAYS - 1) + (leaf->used >> (KS_IDS_WAYS - 1));
        to = rank(leaf, at);
        if (count == FEW) {
            leaf = widen(heap, ref);
            to = at;
        } else {
            memmove(&leaf->slots[to + 1], &leaf->slots[to], (count - to) * sizeof(void *));
        }
    }
    leaf->used |= UINT32_C(1) << at;
    leaf->slots[to] = NULL;
    return &leaf->slots[to];
}

/* A digit of an owned node, which has it, is not taken any more. */
static void erase(ks_ids_node *node, unsigned at) {
    unsigned from = place(node, at);
    node->used &= ~(UINT32_C(1) << at);
    if (node->room == FEW) {
        memmove(&node->slots[from], &node->slots[from + 1], (FEW - from - 1) * sizeof(void *));
        from = FEW - 1;
    }
    node->slots[from] = NULL;
}

/* What stands in a leaf is going to be counted down. */
static void fetch_leaving(const ks_ids_type *type, const ks_ids_node *leaf) {
    for (int step = 0; step < type->steps; step++)
        for (uint32_t used = leaf->used; used != 0; used &= used - 1)
            type->leaves(leaf->slots[place(leaf, (unsigned)lowest_bit(used))], step);
}

static void node_unref(ks_heap *heap, const ks_ids_type *type, ks_ids_node *node) {
    if (--node->refs > 0) return;
    bool plain = node->shift == 0 && (type == NULL || type->unref == NULL);
    if (node->shift == 0 && !plain && type->leaves != NULL) fetch_leaving(type, node);
    for (uint32_t used = plain ? 0 : node->used; used != 0; used &= used - 1) {
        void *below = node->slots[place(node, (unsigned)lowest_bit(used))];
        if (node->shift != 0)
            node_unref(heap, type, below);
        else
            type->unref(heap, below);
    }
    ks_free(heap, node, size_of(node->room));
}

static ks_ids_node *unshare(ks_heap *heap, const ks_ids_type *type, ks_ids_node **ref) {
    ks_ids_node *shared = *ref, *node = ks_alloc(heap, size_of(shared->room));
    memcpy(node, shared, size_of(shared->room));
    node->refs = 1;
    bool plain = node->shift == 0 && (type == NULL || type->ref == NULL);
    for (uint32_t used = plain ? 0 : node->used; used != 0; used &= used - 1) {
        void *below = node->slots[place(node, (unsigned)lowest_bit(used))];
        if (node->shift != 0)
            ((ks_ids_node *)below)->refs++;
        else
            type->ref(below);
    }
    shared->refs--;
    return *ref = node;
}

/* Makes *ref a node that may be changed. */
static inline ks_ids_node *own(ks_heap *heap, const ks_ids_type *type, ks_ids_node **ref) {
    return (*ref)->refs == 1 ? *ref : unshare(heap, type, ref);
}

/* Puts a node over *ref in which there is room for `id`, too. */
static ks_ids_node *raise(ks_heap *heap, ks_ids_node **ref, uint64_t id) {
    ks_ids_node *below = *ref;
    uint32_t differ = 63 - (uint32_t)__builtin_clzll(id ^ below->first);
    ks_ids_node *node = node_new(heap, id, differ - differ % KS_IDS_BITS);
    unsigned at = digit(node, below->first);
    node->slots[at] = below;
    node->used = UINT32_C(1) << at;
    return *ref = node;
}

/* --- maps --- */

static void count_copy(const ks_ids *ids) {
    if (ids->root == NULL) return;
    ids->root->refs++;
    ids->root->copies++;
}

ks_ids ks_ids_copy(const ks_ids *ids) {
    count_copy(ids);
    return *ids;
}

void ks_ids_clear(ks_heap *heap, ks_ids *ids) {
    ks_ids_node *root = ids->root;
    ids->root = NULL;
    ids->last = NULL;
    ids->count = 0;
    if (root != NULL) node_unref(heap, ids->type, root);
}

void ks_ids_copied(const ks_ids *ids, size_t n) {
    for (const ks_ids *map = ids; map != ids + n; map++) count_copy(map);
}

/* The leaf in which the id would stand, or NULL. */
static const ks_ids_node *find_leaf(const ks_ids *ids, uint64_t id) {
    const ks_ids_node *node = ids->root;
    while (node != NULL && node->shift != 0) node = node->slots[digit(node, id)];
    return node != NULL && covers(node, id) ? node : NULL;
}

/* The same, where it is not the one that was looked into last. */
static const ks_ids_node *other_leaf_of(const ks_ids *ids, uint64_t id) {
    const ks_ids_node *node = find_leaf(ids, id);
    if (node == NULL) return NULL;
    ((ks_ids *)ids)->owned = 0;
    return ((ks_ids *)ids)->last = node;
}

static inline const ks_ids_node *leaf_of(const ks_ids *ids, uint64_t id) {
    const ks_ids_node *last = ids->last;
    return last != NULL && covers(last, id) ? last : other_leaf_of(ids, id);
}

/* The slot of an id that a leaf of few values has; NULL: it has not. */
static void **few_slot(const ks_ids_node *leaf, unsigned at) {
    return leaf->used >> at & 1U ? (void **)&leaf->slots[rank(leaf, at)] : NULL;
}

static inline void *value_in(const ks_ids_node *leaf, uint64_t id) {
    unsigned at = id & (KS_IDS_WAYS - 1);
    if (leaf == NULL) return NULL;
    if (leaf->room == KS_IDS_WAYS) return leaf->slots[at];
    void **slot = few_slot(leaf, at);
    return slot != NULL ? *slot : NULL;
}

void *ks_ids_get(const ks_ids *ids, uint64_t id) { return value_in(leaf_of(ids, id), id); }

void *ks_ids_peek(const ks_ids *ids, uint64_t id) {
    const ks_ids_node *last = ids->last;
    return value_in(last != NULL && covers(last, id) ? last : find_leaf(ids, id), id);
}

void ks_ids_ask(const ks_ids *ids, uint64_t id) {
    const ks_ids_node *node = ids->root, *last = ids->last;
    if (last != NULL && covers(last, id)) {
        ks_fetch((const char *)last + size_of(id & (KS_IDS_WAYS - 1)));
        return;
    }
    while (node != NULL && node->shift > KS_IDS_BITS) node = node->slots[digit(node, id)];
    if (node == NULL || node->shift == 0)
        return; /* the nodes above the leaves are few: they are at hand */
    const ks_ids_node *leaf = node->slots[digit(node, id)];
    if (leaf == NULL) return;
    ks_fetch(
        leaf); /* with all of its slots, if they are few: else the one is somewhere behind it */
    ks_fetch((const char *)leaf + size_of(id & (KS_IDS_WAYS - 1)));
}

void *ks_ids_exchange(ks_ids *ids, uint64_t id, void *value) {
    ks_ids_node *leaf = (ks_ids_node *)leaf_of(ids, id);
    void **slot = &leaf->slots[place(leaf, id & (KS_IDS_WAYS - 1))], *before = *slot;
    *slot = value;
    return before;
}

/* The leaf in which an id has its place, made when it is not there, its path unshared. */
static inline __attribute__((always_inline)) ks_ids_node **leaf_for(ks_heap *heap, ks_ids *ids,
                                                                    uint64_t id) {
    ks_ids_node **ref = &ids->root;
    ids->last = NULL;
    if (*ref == NULL) *ref = node_new(heap, id, 0);
    for (;;) {
        ks_ids_node *node = *ref;
        if (!covers(node, id))
            node = raise(heap, ref, id);
        else if (node->refs > 1)
            node = unshare(heap, ids->type, ref);
        if (node->shift == 0) return ref;
        unsigned at = digit(node, id);
        if ((node->used >> at & 1U) == 0) {
            node->slots[at] = node_new(heap, id, 0);
            node->used |= UINT32_C(1) << at;
        }
        ref = (ks_ids_node **)&node->slots[at];
    }
}

/* The leaf that was looked into last, if the id has its place there and it may be changed at once; else NULL. */
static inline ks_ids_node *own_leaf(const ks_ids *ids, uint64_t id) {
    const ks_ids_node *last = ids->last, *root = ids->root;
    bool own =
        last != NULL && covers(last, id) && root->refs == 1 && ids->owned == root->copies + 1;
    return own ? (ks_ids_node *)last : NULL;
}

/* An unshared path has been walked to that leaf. */
static inline void note_own(ks_ids *ids, const ks_ids_node *leaf) {
    ids->last = leaf;
    ids->owned = ids->root->copies + 1;
}

static bool is_full(const ks_ids_node *leaf) {
    return leaf->room == FEW &&
           rank(leaf, KS_IDS_WAYS - 1) + (leaf->used >> (KS_IDS_WAYS - 1)) == FEW;
}

void **ks_ids_make(ks_heap *heap, ks_ids *ids, uint64_t id) {
    unsigned at = id & (KS_IDS_WAYS - 1);
    ks_ids_node *leaf = own_leaf(ids, id);
    if (leaf != NULL && (leaf->used >> at & 1U)) return &leaf->slots[place(leaf, at)];
    if (leaf != NULL && !is_full(leaf)) {
        ids->count++;
        return insert(heap, &leaf, at);
    }
    ks_ids_node **ref = leaf_for(heap, ids, id);
    leaf = *ref;
    void **slot;
    if (leaf->used >> at & 1U) {
        slot = &leaf->slots[place(leaf, at)];
    } else {
        slot = insert(heap, ref, at);
        ids->count++;
    }
    note_own(ids, *ref);
    return slot;
}

void ks_ids_add(ks_heap *heap, ks_ids *ids, const ks_ids_pair *pairs, size_t n) {
    for (size_t i = 0, end; i < n; i = end) {
        ks_ids_node **ref = leaf_for(heap, ids, pairs[i].id), *leaf = *ref;
        for (end = i + 1; end < n && covers(leaf, pairs[end].id);) end++;
        if (leaf->room == FEW && end - i > FEW) leaf = widen(heap, ref);
        for (const ks_ids_pair *p = pairs + i; p != pairs + end; p++) {
            unsigned at = p->id & (KS_IDS_WAYS - 1);
            if (leaf->used >> at & 1U) continue;
            *insert(heap, ref, at) = p->value;
            leaf = *ref;
            ids->count++;
            if (ids->type != NULL && ids->type->ref != NULL) ids->type->ref(p->value);
        }
    }
}

void ks_ids_put(ks_heap *heap, ks_ids *ids, uint64_t id, void *value) {
    void **slot = ks_ids_make(heap, ids, id), *old = *slot;
    *slot = value;
    if (old != NULL && ids->type != NULL && ids->type->unref != NULL) ids->type->unref(heap, old);
}

void **ks_ids_slot(ks_heap *heap, ks_ids *ids, uint64_t id) {
    ks_ids_node **ref = &ids->root, *known = own_leaf(ids, id);
    if (known != NULL) {
        unsigned in = id & (KS_IDS_WAYS - 1);
        return known->used >> in & 1U ? &known->slots[place(known, in)] : NULL;
    }
    if (*ref == NULL || ((*ref)->refs > 1 && ks_ids_get(ids, id) == NULL)) return NULL;
    ids->last = NULL;
    for (;;) {
        if (*ref == NULL) return NULL;
        ks_ids_node *node = own(heap, ids->type, ref);
        if (node->shift == 0) break;
        ref = (ks_ids_node **)&node->slots[digit(node, id)];
    }
    ks_ids_node *leaf = *ref;
    unsigned at = id & (KS_IDS_WAYS - 1);
    if (!covers(leaf, id) || (leaf->used >> at & 1U) == 0) return NULL;
    note_own(ids, leaf);
    return &leaf->slots[place(leaf, at)];
}

void *ks_ids_take(ks_heap *heap, ks_ids *ids, uint64_t id) {
    ks_ids_node **path[KS_IDS_DEPTH];
    int depth = 0;
    unsigned at = id & (KS_IDS_WAYS - 1);
    ks_ids_node *known = own_leaf(ids, id);
    if (known != NULL && (known->used & ~(UINT32_C(1) << at)) != 0) { /* it does not become empty */
        if ((known->used >> at & 1U) == 0) return NULL;
        void *taken = known->slots[place(known, at)];
        erase(known, at);
        ids->count--;
        return taken;
    }
    if (ks_ids_get(ids, id) == NULL) return NULL;
    ids->last = NULL;
    for (ks_ids_node **ref = &ids->root;;) {
        ks_ids_node *node = own(heap, ids->type, ref);
        path[depth++] = ref;
        if (node->shift == 0) break;
        ref = (ks_ids_node **)&node->slots[digit(node, id)];
    }
    ks_ids_node *node = *path[--depth];
    void *value = node->slots[place(node, digit(node, id))];
    for (;;) { /* a node that becomes empty leaves the one above */
        erase(node, digit(node, id));
        if (node->used != 0) {
            if (node->shift == 0) note_own(ids, node);
            break;
        }
        ks_free(heap, node, size_of(node->room));
        *path[depth] = NULL;
        if (depth == 0) break;
        node = *path[--depth];
    }
    ids->count--;
    return value;
}

bool ks_ids_del(ks_heap *heap, ks_ids *ids, uint64_t id) {
    void *value = ks_ids_take(heap, ids, id);
    if (value == NULL) return false;
    if (ids->type != NULL && ids->type->unref != NULL) ids->type->unref(heap, value);
    return true;
}

/* --- walking --- */

bool ks_ids_first(const ks_ids *ids, uint64_t *id, void **value) {
    const ks_ids_node *node = ids->root;
    if (node == NULL) return false;
    while (node->shift != 0) node = node->slots[lowest_bit(node->used)];
    int at = lowest_bit(node->used);
    if (id != NULL) *id = node->first + (uint64_t)at;
    if (value != NULL) *value = node->slots[place(node, (unsigned)at)];
    return true;
}

static void step_into(ks_ids_iter *it, const ks_ids_node *node, uint32_t left) {
    it->path[it->depth].node = node;
    it->path[it->depth++].left = left;
}

ks_ids_iter ks_ids_begin(const ks_ids *ids) {
    ks_ids_iter it; /* the path is written as far as it is deep */
    it.depth = 0;
    if (ids->root != NULL) step_into(&it, ids->root, ids->root->used);
    return it;
}

ks_ids_iter ks_ids_from(const ks_ids *ids, uint64_t at_least) {
    ks_ids_iter it;
    it.depth = 0;
    for (const ks_ids_node *node = ids->root; node != NULL;) {
        uint32_t left = node->used;
        if (!covers(node, at_least)) {
            step_into(&it, node, node->first > at_least ? left : 0);
            break;
        }
        unsigned at = digit(node, at_least);
        left &= UINT32_MAX << at;
        if (node->shift == 0) {
            step_into(&it, node, left);
            break;
        }
        step_into(&it, node, left & ~(UINT32_C(1) << at));
        node = node->slots[at];
    }
    return it;
}

bool ks_ids_next(ks_ids_iter *it) {
    while (it->depth > 0) {
        const ks_ids_node *node = it->path[it->depth - 1].node;
        uint32_t *left = &it->path[it->depth - 1].left;
        if (*left == 0) {
            it->depth--;
            continue;
        }
        int at = lowest_bit(*left);
        *left &= *left - 1;
        if (node->shift == 0) {
            it->id = node->first + (uint64_t)at;
            it->value = node->slots[place(node, (unsigned)at)];
            return true;
        }
        const ks_ids_node *below = node->slots[at];
        step_into(it, below, below->used);
    }
    return false;
}

static const ks_ids_node *coming(const ks_ids_iter *it, int n) {
    if (it->depth < 2) return NULL;
    const ks_ids_node *above = it->path[it->depth - 2].node;
    uint32_t left = it->path[it->depth - 2].left;
    for (; n > 1 && left != 0; n--) left &= left - 1;
    return left != 0 ? above->slots[lowest_bit(left)] : NULL;
}

uint32_t ks_ids_coming(const ks_ids_iter *it, int n, void *const **values) {
    const ks_ids_node *leaf = coming(it, n);
    if (leaf == NULL) return 0;
    *values = leaf->slots;
    return leaf->room;
}

void ks_ids_fetch(const ks_ids_iter *it, int n) {
    const ks_ids_node *leaf = coming(it, n);
    if (leaf != NULL) ks_fetch_all(leaf, size_of(KS_IDS_WAYS));
}

bool ks_ids_begins(const ks_ids_iter *it) {
    const ks_ids_node *leaf = it->path[it->depth - 1].node;
    return it->path[it->depth - 1].left == (leaf->used & (leaf->used - 1));
}
