/*
 * fuzz/fuzz_tree.c - the persistent map against a plain sorted array: the input is a list of
 * operations on a few maps that are copies of one another. Every answer must agree, and nothing may
 * leak.
 */
#include "fuzz.h"

#include "base/tree.h"

enum { MAPS = 4, KEYS = 4096 };

/* What a map should hold: per key, a value or 0. */
typedef struct model {
    uint32_t value[KEYS];
    size_t count;
} model;

static ks_key key_of(uint32_t k) { return (ks_key){k >> 6, k & 63}; }
static void *word_of(uint32_t v) { return (void *)(uintptr_t)v; }

static void check_whole(const ks_tree *tree, const model *m) {
    uint32_t k = 0;
    fuzz_demand(tree->count == m->count, "count");
    for (ks_tree_iter it = ks_tree_begin(tree); ks_tree_next(&it); k++) {
        while (k < KEYS && m->value[k] == 0) k++;
        fuzz_demand(k < KEYS && it.key.a == key_of(k).a && it.key.b == key_of(k).b, "walk: key");
        fuzz_demand(it.value == word_of(m->value[k]), "walk: value");
    }
    while (k < KEYS && m->value[k] == 0) k++;
    fuzz_demand(k >= KEYS, "walk: ended early");
}

static void check_neighbour(const ks_tree *tree, const model *m, uint32_t k, bool inclusive) {
    uint32_t expected = inclusive ? k : k + 1;
    while (expected < KEYS && m->value[expected] == 0) expected++;
    ks_key found;
    bool any = inclusive ? ks_tree_ceiling(tree, key_of(k), &found, NULL)
                         : ks_tree_higher(tree, key_of(k), &found, NULL);
    fuzz_demand(any == (expected < KEYS), "neighbour: exists");
    if (any)
        fuzz_demand(found.a == key_of(expected).a && found.b == key_of(expected).b, "neighbour");
}

static void put(ks_heap *heap, ks_tree *tree, model *m, uint32_t k, uint32_t v) {
    ks_tree_put(heap, tree, key_of(k), word_of(v));
    if (m->value[k] == 0) m->count++;
    m->value[k] = v;
}

static void del(ks_heap *heap, ks_tree *tree, model *m, uint32_t k) {
    bool was = m->value[k] != 0;
    fuzz_demand(ks_tree_del(heap, tree, key_of(k)) == was, "del");
    if (was) m->count--;
    m->value[k] = 0;
}

static void take_first(ks_heap *heap, ks_tree *tree, model *m) {
    ks_key first;
    fuzz_demand(ks_tree_first(tree, &first, NULL), "first: there is one");
    uint32_t k = (uint32_t)(first.a << 6 | first.b);
    fuzz_demand(ks_tree_take_first(heap, tree) == word_of(m->value[k]), "first");
    m->value[k] = 0;
    m->count--;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ks_heap *heap = fuzz_begin();
    ks_tree trees[MAPS] = {{0}};
    model *models = calloc(MAPS, sizeof *models);
    for (size_t at = 0; at + 4 <= size; at += 4) {
        uint32_t op = data[at] & 7, map = (data[at] >> 3) & 3, from = (data[at] >> 5) & 3;
        uint32_t k = ((uint32_t)data[at + 1] << 4 ^ data[at + 2]) % KEYS, v = data[at + 3] + 1u;
        ks_tree *tree = &trees[map];
        model *m = &models[map];
        switch (op) {
        case 0:
        case 1: put(heap, tree, m, k, v); break;
        case 2: /* a run of ascending keys: ids, times */
            for (uint32_t i = 0; i < v && k + i < KEYS; i++) put(heap, tree, m, k + i, v);
            break;
        case 3: /* a run of removals from below */
            for (uint32_t i = 0; i < v && k + i < KEYS; i++) del(heap, tree, m, k + i);
            break;
        case 4: del(heap, tree, m, k); break;
        case 5:
            if (map == from) { /* a queue: from below, without saying what */
                for (uint32_t i = 0; i < v && m->count > 0; i++) take_first(heap, tree, m);
                break;
            }
            ks_tree_clear(heap, tree);
            *tree = ks_tree_copy(&trees[from]);
            *m = models[from];
            break;
        case 6: {
            void **slot = ks_tree_slot(heap, tree, key_of(k));
            fuzz_demand((slot != NULL) == (m->value[k] != 0), "slot");
            if (slot != NULL) *slot = word_of(m->value[k] = v);
            break;
        }
        default:
            fuzz_demand(ks_tree_get(tree, key_of(k)) == word_of(m->value[k]), "get");
            check_neighbour(tree, m, k, true);
            check_neighbour(tree, m, k, false);
        }
    }
    for (int i = 0; i < MAPS; i++) check_whole(&trees[i], &models[i]);
    for (int i = 0; i < MAPS; i++) ks_tree_clear(heap, &trees[i]);
    fuzz_end(heap);
    free(models);
    return 0;
}
