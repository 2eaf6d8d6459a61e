/*
 * base/tree.c - the persistent ordered map: a copy-on-write B+tree; see tree.h.
 *
 * Invariants: a node is changed only while its count is 1 and so are those of all nodes above it (own());
 * keys[0..len) ascend; an inner node's key i is a lower bound of child i, and an upper bound of child i-1;
 * every key and value in a node is counted by that node (also keys of inner nodes: they may outlive the
 * entry that they were copied from). A node starts small and grows to ORDER entries before it splits.
 */
#include "base/tree.h"

#include <string.h>

enum { ORDER = 32, SMALL = 4, SPARSE = ORDER / 8 };

struct ks_tree_node {
    uint32_t refs;
    uint16_t len, cap;
    uint8_t height; /* 0: a leaf */
    ks_key keys[];  /* cap keys, then cap slots: values, or children */
};

static void **slots(const ks_tree_node *node) { return (void **)(node->keys + node->cap); }
static ks_tree_node *child(const ks_tree_node *node, int i) { return slots(node)[i]; }
static inline bool is_leaf(const ks_tree_node *node) { return node->height == 0; }

static size_t node_size(int cap) {
    return sizeof(ks_tree_node) + (size_t)cap * (sizeof(ks_key) + sizeof(void *));
}

static ks_tree_node *node_new(ks_heap *heap, uint8_t height, int cap) {
    ks_tree_node *node = ks_alloc(heap, node_size(cap));
    node->refs = 1;
    node->len = 0;
    node->cap = (uint16_t)cap;
    node->height = height;
    return node;
}

static void key_ref(const ks_tree_type *type, ks_key key) {
    if (type != NULL && type->key_ref != NULL) type->key_ref(key);
}

static void key_unref(ks_heap *heap, const ks_tree_type *type, ks_key key) {
    if (type != NULL && type->key_unref != NULL) type->key_unref(heap, key);
}

static void value_unref(ks_heap *heap, const ks_tree_type *type, void *value) {
    if (type != NULL && type->unref != NULL) type->unref(heap, value);
}

static void node_unref(ks_heap *heap, const ks_tree_type *type, ks_tree_node *node) {
    if (--node->refs > 0) return;
    for (int i = 0; i < node->len; i++) {
        key_unref(heap, type, node->keys[i]);
        if (is_leaf(node))
            value_unref(heap, type, slots(node)[i]);
        else
            node_unref(heap, type, child(node, i));
    }
    ks_free(heap, node, node_size(node->cap));
}

/* A copy of `node` with room for `cap` entries, everything in it counted once more. */
static ks_tree_node *node_copy(ks_heap *heap, const ks_tree_type *type, const ks_tree_node *node,
                               int cap) {
    ks_tree_node *copy = node_new(heap, node->height, cap);
    copy->len = node->len;
    memcpy(copy->keys, node->keys, node->len * sizeof(ks_key));
    memcpy(slots(copy), slots(node), node->len * sizeof(void *));
    for (int i = 0; i < node->len; i++) {
        key_ref(type, node->keys[i]);
        if (!is_leaf(node))
            child(node, i)->refs++;
        else if (type != NULL && type->ref != NULL)
            type->ref(slots(node)[i]);
    }
    return copy;
}

static ks_tree_node *unshare(ks_heap *heap, const ks_tree_type *type, ks_tree_node **ref) {
    ks_tree_node *node = *ref;
    *ref = node_copy(heap, type, node, node->cap);
    node_unref(heap, type, node);
    return *ref;
}

/* Makes *ref a node that may be changed. */
static inline ks_tree_node *own(ks_heap *heap, const ks_tree_type *type, ks_tree_node **ref) {
    return (*ref)->refs == 1 ? *ref : unshare(heap, type, ref);
}

/* A node with more room, of an owned one that is full and not yet at ORDER. */
static ks_tree_node *widen(ks_heap *heap, ks_tree_node **ref) {
    ks_tree_node *node = *ref;
    int cap = node->cap * 2 > ORDER ? ORDER : node->cap * 2;
    ks_tree_node *wide = node_new(heap, node->height, cap);
    wide->len = node->len;
    memcpy(wide->keys, node->keys, node->len * sizeof(ks_key));
    memcpy(slots(wide), slots(node), node->len * sizeof(void *));
    ks_free(heap, node, node_size(node->cap));
    return *ref = wide;
}

/* Makes room for one more entry in an owned node that is not yet at ORDER. */
static inline ks_tree_node *with_room(ks_heap *heap, ks_tree_node **ref) {
    return (*ref)->len < (*ref)->cap ? *ref : widen(heap, ref);
}

static int compare(const ks_tree_type *type, ks_key x, ks_key y) {
    if (type != NULL && type->compare != NULL) return type->compare(x, y);
    if (x.a != y.a) return x.a < y.a ? -1 : 1;
    return x.b == y.b ? 0 : x.b < y.b ? -1 : 1;
}

/* Keys that are plain words, without a life of their own: what the quick ways below are for. */
static inline bool plain_keys(const ks_tree_type *type) {
    return type == NULL || (type->compare == NULL && type->key_ref == NULL);
}

/* This is where lookups spend their time. */
#if defined(__GNUC__)
#define IN_PLACE static inline __attribute__((always_inline))
#else
#define IN_PLACE static inline
#endif

/* The last index whose key is not above `key`, or -1; for integer keys: no call and no branch per step. What stands behind all
 * others - ids, versions and times grow - need not be searched for; in most nodes all keys have one first word, and often they count
 * up without gaps; where first words are hashes, they alone tell mostly. */
IN_PLACE int floor_words(const ks_tree_node *node, ks_key key) {
    const ks_key *at = node->keys;
    int len = node->len;
    if (len == 0) return -1;
    const ks_key *last = at + len - 1;
    if (last->a < key.a || (last->a == key.a && last->b <= key.b)) return len - 1;
    if (at->a == key.a && last->a == key.a) {
        uint64_t guess = key.b - at->b;
        if (guess < (uint64_t)len && at[guess].b == key.b) return (int)guess;
        for (int n = len; n > 1; n -= n / 2) at = at[n / 2].b <= key.b ? at + n / 2 : at;
        return (int)(at - node->keys) - (at->b > key.b);
    }
    for (int n = len; n > 1; n -= n / 2) at = at[n / 2].a <= key.a ? at + n / 2 : at;
    if (at->a != key.a || at->b <= key.b) return (int)(at - node->keys) - (at->a > key.a);
    int end = (int)(at - node->keys); /* it is above: among those before it with that first word */
    at = node->keys;
    for (int n = end; n > 1; n -= n / 2) {
        const ks_key *mid = at + n / 2;
        bool not_above = (mid->a < key.a) | ((mid->a == key.a) & (mid->b <= key.b));
        at = not_above ? mid : at;
    }
    bool above = at->a > key.a || (at->a == key.a && at->b > key.b);
    return (int)(at - node->keys) - above;
}

static inline bool is_key(const ks_tree_node *node, int at, ks_key key) {
    return at >= 0 && node->keys[at].a == key.a && node->keys[at].b == key.b;
}

/* The first index whose key is >= `key`, for integer keys; *found: it is equal. */
IN_PLACE int search_words(const ks_tree_node *node, ks_key key, bool *found) {
    int at = floor_words(node, key);
    *found = is_key(node, at, key);
    return *found ? at : at + 1;
}

/* The child of an inner node under which `key` belongs, for integer keys. */
IN_PLACE int child_of_words(const ks_tree_node *node, ks_key key) {
    int at = floor_words(node, key);
    return at < 0 ? 0 : at;
}

/* The first index whose key is >= `key`; *found: it is equal. */
static int search_by(const ks_tree_type *type, const ks_tree_node *node, ks_key key, bool *found) {
    int low = 0, high = node->len;
    *found = false;
    while (low < high) {
        int mid = (low + high) / 2, order = type->compare(node->keys[mid], key);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

IN_PLACE int search(const ks_tree_type *type, const ks_tree_node *node, ks_key key, bool *found) {
    if (type == NULL || type->compare == NULL) return search_words(node, key, found);
    return search_by(type, node, key, found);
}

/* The child of an inner node under which `key` belongs. */
static int child_by(const ks_tree_type *type, const ks_tree_node *node, ks_key key) {
    bool found;
    int at = search_by(type, node, key, &found);
    return found || at == 0 ? at : at - 1;
}

IN_PLACE int child_of(const ks_tree_type *type, const ks_tree_node *node, ks_key key) {
    if (type == NULL || type->compare == NULL) return child_of_words(node, key);
    return child_by(type, node, key);
}

ks_tree ks_tree_copy(const ks_tree *tree) {
    if (tree->root != NULL) tree->root->refs++;
    return *tree;
}

void ks_tree_clear(ks_heap *heap, ks_tree *tree) {
    ks_tree_node *root = tree->root;
    tree->root = NULL;
    tree->count = 0;
    if (root != NULL) node_unref(heap, tree->type, root);
}

void ks_trees_copied(const ks_tree *trees, size_t n) {
    for (const ks_tree *tree = trees; tree != trees + n; tree++)
        if (tree->root != NULL) tree->root->refs++;
}

void ks_trees_clear(ks_heap *heap, ks_tree *trees, size_t n) {
    for (ks_tree *tree = trees; tree != trees + n; tree++) {
        if (tree->root != NULL && tree->root->refs > 1)
            tree->root->refs--;
        else if (tree->root != NULL)
            node_unref(heap, tree->type, tree->root);
        tree->root = NULL;
        tree->count = 0;
    }
}

static const ks_tree_node *find_by(const ks_tree *tree, ks_key key, int *at) {
    const ks_tree_node *node = tree->root;
    bool found;
    while (!is_leaf(node)) node = child(node, child_of(tree->type, node, key));
    *at = search(tree->type, node, key, &found);
    return found ? node : NULL;
}

static const ks_tree_node *find(const ks_tree *tree, ks_key key, int *at) {
    const ks_tree_node *node = tree->root;
    if (node == NULL) return NULL;
    if (tree->type != NULL && tree->type->compare != NULL) return find_by(tree, key, at);
    while (!is_leaf(node)) node = child(node, child_of_words(node, key));
    *at = floor_words(node, key);
    return is_key(node, *at, key) ? node : NULL;
}

void *ks_tree_get(const ks_tree *tree, ks_key key) {
    int at;
    const ks_tree_node *leaf = find(tree, key, &at);
    return leaf == NULL ? NULL : slots(leaf)[at];
}

void ks_tree_ask(const ks_tree *tree, ks_key key) {
    const ks_tree_node *node = tree->root;
    if (node == NULL || is_leaf(node) || !plain_keys(tree->type)) return;
    while (node->height > 1) node = child(node, child_of_words(node, key));
    ks_fetch_all(child(node, child_of_words(node, key)), node_size(ORDER));
}

bool ks_tree_has(const ks_tree *tree, ks_key key) {
    int at;
    return find(tree, key, &at) != NULL;
}

/* Puts an entry (already counted) at `at` of an owned node with room. */
static void insert_at(ks_tree_node *node, int at, ks_key key, void *slot) {
    void **s = slots(node);
    size_t behind = (size_t)(node->len - at);
    if (behind > 0) {
        memmove(node->keys + at + 1, node->keys + at, behind * sizeof(ks_key));
        memmove(s + at + 1, s + at, behind * sizeof(void *));
    }
    node->keys[at] = key;
    s[at] = slot;
    node->len++;
}

static void remove_at(ks_tree_node *node, int at) {
    void **s = slots(node);
    size_t behind = (size_t)(node->len - at - 1);
    if (behind > 0) {
        memmove(node->keys + at, node->keys + at + 1, behind * sizeof(ks_key));
        memmove(s + at, s + at + 1, behind * sizeof(void *));
    }
    node->len--;
}

/* Moves entries [from, len) of a full owned node to a new right neighbour. */
static ks_tree_node *split(ks_heap *heap, ks_tree_node *node, int from) {
    ks_tree_node *right = node_new(heap, node->height, ORDER);
    right->len = (uint16_t)(node->len - from);
    memcpy(right->keys, node->keys + from, right->len * sizeof(ks_key));
    memcpy(slots(right), slots(node) + from, right->len * sizeof(void *));
    node->len = (uint16_t)from;
    return right;
}

/* Inserts (key, slot) into *ref, an owned node; the new right neighbour if it had to split, else NULL. */
static ks_tree_node *node_insert(ks_heap *heap, ks_tree_node **ref, int at, ks_key key,
                                 void *slot) {
    if ((*ref)->len < ORDER) {
        insert_at(with_room(heap, ref), at, key, slot);
        return NULL;
    }
    ks_tree_node *node = *ref;
    /* appending leaves full nodes behind: ids, versions and times grow */
    int from = at == ORDER ? ORDER : ORDER / 2;
    ks_tree_node *right = split(heap, node, from);
    if (at > from || from == ORDER)
        insert_at(right, at - from, key, slot);
    else
        insert_at(node, at, key, slot);
    return right;
}

/* Sets key in the subtree *ref (owned by then); its new right neighbour, or NULL. */
static ks_tree_node *put(ks_heap *heap, ks_tree *tree, ks_tree_node **ref, ks_key key,
                         void *value) {
    ks_tree_node *node = own(heap, tree->type, ref);
    bool found;
    if (is_leaf(node)) {
        int at = search(tree->type, node, key, &found);
        if (found) {
            void *old = slots(node)[at];
            slots(node)[at] = value;
            value_unref(heap, tree->type, old);
            return NULL;
        }
        key_ref(tree->type, key);
        tree->count++;
        return node_insert(heap, ref, at, key, value);
    }
    int at = child_of(tree->type, node, key);
    ks_tree_node *right = put(heap, tree, (ks_tree_node **)&slots(node)[at], key, value);
    if (at == 0 && compare(tree->type, key, node->keys[0]) < 0) {
        key_ref(tree->type, key);
        key_unref(heap, tree->type, node->keys[0]);
        node->keys[0] = key;
    }
    if (right == NULL) return NULL;
    key_ref(tree->type, right->keys[0]);
    return node_insert(heap, ref, at + 1, right->keys[0], right);
}

/* The leaf under which `key` belongs, its path owned, for plain keys; lower bounds above it include the key. */
static ks_tree_node **descend(ks_heap *heap, ks_tree *tree, ks_key key) {
    ks_tree_node **ref = &tree->root;
    for (;;) {
        ks_tree_node *node = own(heap, tree->type, ref);
        if (is_leaf(node)) return ref;
        int at = floor_words(node, key);
        if (at < 0) node->keys[at = 0] = key;
        ref = (ks_tree_node **)&slots(node)[at];
    }
}

/* put() where no node has to split. */
static bool put_quickly(ks_heap *heap, ks_tree *tree, ks_key key, void *value) {
    ks_tree_node **ref = descend(heap, tree, key), *leaf = *ref;
    bool found;
    int at = search_words(leaf, key, &found);
    if (found) {
        void *old = slots(leaf)[at];
        slots(leaf)[at] = value;
        value_unref(heap, tree->type, old);
        return true;
    }
    if (leaf->len == ORDER) return false;
    insert_at(with_room(heap, ref), at, key, value);
    tree->count++;
    return true;
}

void ks_tree_put(ks_heap *heap, ks_tree *tree, ks_key key, void *value) {
    if (tree->root == NULL) tree->root = node_new(heap, 0, SMALL);
    if (plain_keys(tree->type) && put_quickly(heap, tree, key, value)) return;
    ks_tree_node *right = put(heap, tree, &tree->root, key, value);
    if (right == NULL) return;
    ks_tree_node *root = node_new(heap, (uint8_t)(tree->root->height + 1), SMALL);
    key_ref(tree->type, tree->root->keys[0]);
    key_ref(tree->type, right->keys[0]);
    insert_at(root, 0, tree->root->keys[0], tree->root);
    insert_at(root, 1, right->keys[0], right);
    tree->root = root;
}

/* Joins child `at` with its right neighbour, if both fit into one node. */
static void join(ks_heap *heap, const ks_tree_type *type, ks_tree_node *node, int at) {
    if (at < 0 || at + 1 >= node->len) return;
    if (child(node, at)->len + child(node, at + 1)->len > ORDER) return;
    ks_tree_node **left_ref = (ks_tree_node **)&slots(node)[at];
    ks_tree_node *left = own(heap, type, left_ref);
    ks_tree_node *right = own(heap, type, (ks_tree_node **)&slots(node)[at + 1]);
    while (left->cap < left->len + right->len) {
        int cap = left->cap * 2 > ORDER ? ORDER : left->cap * 2;
        ks_tree_node *wide = node_new(heap, left->height, cap);
        wide->len = left->len;
        memcpy(wide->keys, left->keys, left->len * sizeof(ks_key));
        memcpy(slots(wide), slots(left), left->len * sizeof(void *));
        ks_free(heap, left, node_size(left->cap));
        *left_ref = left = wide;
    }
    memcpy(left->keys + left->len, right->keys, right->len * sizeof(ks_key));
    memcpy(slots(left) + left->len, slots(right), right->len * sizeof(void *));
    left->len = (uint16_t)(left->len + right->len);
    ks_free(heap, right, node_size(right->cap));
    key_unref(heap, type, node->keys[at + 1]);
    remove_at(node, at + 1);
}

/* Removes an existing key from the subtree *ref; its value with the map's reference. */
static void *take(ks_heap *heap, ks_tree *tree, ks_tree_node **ref, ks_key key) {
    ks_tree_node *node = own(heap, tree->type, ref);
    bool found;
    if (is_leaf(node)) {
        int at = search(tree->type, node, key, &found);
        void *value = slots(node)[at];
        ks_key gone = node->keys[at];
        remove_at(node, at);
        key_unref(heap, tree->type, gone);
        return value;
    }
    int at = child_of(tree->type, node, key);
    void *value = take(heap, tree, (ks_tree_node **)&slots(node)[at], key);
    ks_tree_node *below = child(node, at);
    if (below->len == 0) {
        node_unref(heap, tree->type, below);
        key_unref(heap, tree->type, node->keys[at]);
        remove_at(node, at);
    } else if (below->len < SPARSE) {
        join(heap, tree->type, node, at);
        join(heap, tree->type, node, at - 1);
    }
    return value;
}

/* take() of an entry whose leaf stays filled well enough. *done: the answer stands (NULL: no such key). */
static void *take_quickly(ks_heap *heap, ks_tree *tree, ks_key key, bool *done) {
    ks_tree_node **ref = &tree->root, *node;
    bool found;
    *done = true;
    for (;;) {
        node = own(heap, tree->type, ref);
        if (is_leaf(node)) break;
        ref = (ks_tree_node **)&slots(node)[child_of_words(node, key)];
    }
    int at = search_words(node, key, &found);
    if (!found) return NULL;
    if (node->len <= (ref == &tree->root ? 1 : SPARSE)) {
        *done = false;
        return NULL;
    }
    void *value = slots(node)[at];
    remove_at(node, at);
    tree->count--;
    return value;
}

/* A root without entries goes, and one with a single child gives way to it. */
static void lower(ks_heap *heap, ks_tree *tree) {
    while (tree->root != NULL &&
           (tree->root->len == 0 || (!is_leaf(tree->root) && tree->root->len == 1))) {
        ks_tree_node *root = tree->root;
        tree->root = NULL;
        if (!is_leaf(root) && root->len == 1) {
            tree->root = child(root, 0);
            tree->root->refs++;
        }
        node_unref(heap, tree->type, root);
    }
}

void *ks_tree_take(ks_heap *heap, ks_tree *tree, ks_key key) {
    if (tree->root == NULL) return NULL;
    if (plain_keys(tree->type) && tree->root->refs == 1) {
        bool done;
        void *value = take_quickly(heap, tree, key, &done);
        if (done) return value;
    } else if (!ks_tree_has(tree, key)) {
        return NULL;
    }
    void *value = take(heap, tree, &tree->root, key);
    tree->count--;
    lower(heap, tree);
    return value;
}

/* The leftmost leaf is used up, not joined with its neighbour: the others are not looked at. */
void *ks_tree_take_first(ks_heap *heap, ks_tree *tree) {
    ks_tree_node *path[KS_TREE_DEPTH];
    int depth = 0;
    for (ks_tree_node **ref = &tree->root;; ref = (ks_tree_node **)slots(path[depth++])) {
        path[depth] = own(heap, tree->type, ref);
        if (is_leaf(path[depth])) break;
    }
    void *value = slots(path[depth])[0];
    tree->count--;
    for (;; depth--) {
        ks_tree_node *node = path[depth];
        key_unref(heap, tree->type, node->keys[0]);
        remove_at(node, 0);
        if (node->len > 0 || depth == 0) break;
        node_unref(heap, tree->type, node);
    }
    if (depth == 0) lower(heap, tree);
    return value;
}

bool ks_tree_del(ks_heap *heap, ks_tree *tree, ks_key key) {
    size_t before = tree->count;
    void *value = ks_tree_take(heap, tree, key);
    if (tree->count == before) return false;
    value_unref(heap, tree->type, value);
    return true;
}

void ks_tree_del_all(ks_heap *heap, ks_tree *tree, uint64_t a) {
    ks_key key;
    while (tree->count > 0 && ks_tree_ceiling(tree, (ks_key){a, 0}, &key, NULL) && key.a == a)
        ks_tree_del(heap, tree, key);
}

static void **slot_by(ks_heap *heap, ks_tree *tree, ks_key key) {
    ks_tree_node **ref = &tree->root;
    for (;;) {
        ks_tree_node *node = own(heap, tree->type, ref);
        if (is_leaf(node)) {
            bool found;
            int at = search(tree->type, node, key, &found);
            return found ? &slots(node)[at] : NULL;
        }
        ref = (ks_tree_node **)&slots(node)[child_of(tree->type, node, key)];
    }
}

void *ks_tree_exchange(ks_tree *tree, ks_key key, void *value) {
    int at;
    const ks_tree_node *leaf = find(tree, key, &at);
    void **slot = &slots(leaf)[at], *before = *slot;
    *slot = value;
    return before;
}

void **ks_tree_slot(ks_heap *heap, ks_tree *tree, ks_key key) {
    if (tree->root == NULL || (tree->root->refs > 1 && !ks_tree_has(tree, key))) return NULL;
    if (!plain_keys(tree->type)) return slot_by(heap, tree, key);
    ks_tree_node **ref = &tree->root;
    for (;;) {
        ks_tree_node *node = own(heap, tree->type, ref);
        if (is_leaf(node)) break;
        ref = (ks_tree_node **)&slots(node)[child_of_words(node, key)];
    }
    int at = floor_words(*ref, key);
    return is_key(*ref, at, key) ? &slots(*ref)[at] : NULL;
}

/* --- neighbours and walking --- */

ks_tree_iter ks_tree_begin(const ks_tree *tree) {
    ks_tree_iter it; /* the path is written as far as it is deep */
    it.depth = 0;
    for (const ks_tree_node *node = tree->root; node != NULL; node = child(node, 0)) {
        it.path[it.depth].node = node;
        it.path[it.depth++].at = 0;
        if (is_leaf(node)) break;
    }
    return it;
}

ks_tree_iter ks_tree_from(const ks_tree *tree, ks_key at_least) {
    ks_tree_iter it; /* the path is written as far as it is deep */
    bool found;
    it.depth = 0;
    for (const ks_tree_node *node = tree->root; node != NULL;) {
        int at = is_leaf(node) ? search(tree->type, node, at_least, &found)
                               : child_of(tree->type, node, at_least);
        it.path[it.depth].node = node;
        it.path[it.depth++].at = at;
        if (is_leaf(node)) break;
        node = child(node, at);
    }
    return it;
}

bool ks_tree_next(ks_tree_iter *it) {
    if (it->depth == 0) return false;
    int d = it->depth - 1;
    if (it->path[d].at >= it->path[d].node->len) { /* this leaf is done: up, right, down */
        while (d >= 0 && it->path[d].at + 1 >= it->path[d].node->len) d--;
        if (d < 0) {
            it->depth = 0;
            return false;
        }
        it->path[d].at++;
        while (d < it->depth - 1) {
            const ks_tree_node *below = child(it->path[d].node, it->path[d].at);
            it->path[++d].node = below;
            it->path[d].at = 0;
        }
    }
    const ks_tree_node *leaf = it->path[d].node;
    int at = it->path[d].at++;
    it->key = leaf->keys[at];
    it->value = slots(leaf)[at];
    return true;
}

int ks_tree_beside(const ks_tree_iter *it, const ks_key **keys, void *const **values) {
    const ks_tree_node *leaf = it->path[it->depth - 1].node;
    int at = it->path[it->depth - 1].at - 1;
    *keys = leaf->keys + at;
    *values = slots(leaf) + at;
    return leaf->len - at;
}

static bool entry_of(const ks_tree_node *leaf, int at, ks_key *key, void **value) {
    if (key != NULL) *key = leaf->keys[at];
    if (value != NULL) *value = slots(leaf)[at];
    return true;
}

bool ks_tree_first(const ks_tree *tree, ks_key *key, void **value) {
    const ks_tree_node *node = tree->root;
    if (node == NULL) return false;
    while (!is_leaf(node)) node = child(node, 0);
    if (key != NULL) *key = node->keys[0];
    if (value != NULL) *value = slots(node)[0];
    return true;
}

/* The first leaf below a node; NULL is none. */
static ks_tree_row first_row(const ks_tree_node *node) {
    if (node == NULL) return (ks_tree_row){.len = 0};
    while (!is_leaf(node)) node = child(node, 0);
    return (ks_tree_row){node->keys, slots(node), node->len};
}

void ks_tree_front(const ks_tree *tree, ks_tree_row rows[2]) {
    const ks_tree_node *behind = NULL;
    for (const ks_tree_node *node = tree->root; node != NULL && !is_leaf(node);
         node = child(node, 0))
        if (node->len > 1) behind = child(node, 1);
    rows[0] = first_row(tree->root);
    rows[1] = first_row(behind);
}

/* The leaf where the key belongs, or the first entry of the subtree behind it. */
bool ks_tree_ceiling(const ks_tree *tree, ks_key at_least, ks_key *key, void **value) {
    const ks_tree_node *node = tree->root, *behind = NULL;
    if (node == NULL) return false;
    while (!is_leaf(node)) {
        int at = child_of(tree->type, node, at_least);
        if (at + 1 < node->len) behind = child(node, at + 1);
        node = child(node, at);
    }
    bool found;
    int at = search(tree->type, node, at_least, &found);
    if (at < node->len) return entry_of(node, at, key, value);
    if (behind == NULL) return false;
    while (!is_leaf(behind)) behind = child(behind, 0);
    return entry_of(behind, 0, key, value);
}

bool ks_tree_higher(const ks_tree *tree, ks_key above, ks_key *key, void **value) {
    ks_tree_iter it = ks_tree_from(tree, above);
    if (!ks_tree_next(&it)) return false;
    if (compare(tree->type, it.key, above) == 0 && !ks_tree_next(&it)) return false;
    if (key != NULL) *key = it.key;
    if (value != NULL) *value = it.value;
    return true;
}

/* The last index whose key is <= `key`, or -1. */
static inline int last_up_to(const ks_tree_type *type, const ks_tree_node *node, ks_key key) {
    bool found;
    int at = search(type, node, key, &found);
    return found ? at : at - 1;
}

/* Keys of inner nodes are lower bounds, so the child found first may hold nothing small enough; the one before it does. */
static bool floor_in(const ks_tree_type *type, const ks_tree_node *node, ks_key at_most,
                     ks_key *key, void **value) {
    int i = last_up_to(type, node, at_most);
    if (is_leaf(node)) return i >= 0 && entry_of(node, i, key, value);
    for (; i >= 0; i--)
        if (floor_in(type, child(node, i), at_most, key, value)) return true;
    return false;
}

/* Mostly the first leaf that is looked into has it. */
bool ks_tree_floor(const ks_tree *tree, ks_key at_most, ks_key *key, void **value) {
    const ks_tree_node *node = tree->root;
    if (node == NULL) return false;
    int at = plain_keys(tree->type) ? floor_words(node, at_most) : -1;
    while (at >= 0 && !is_leaf(node)) {
        node = child(node, at);
        at = floor_words(node, at_most);
    }
    if (at >= 0) return entry_of(node, at, key, value);
    return floor_in(tree->type, tree->root, at_most, key, value);
}
