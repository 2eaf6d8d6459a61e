/*
 * fuzz/fuzz_links.c - the persistent map from hashes to several ids against plain bit sets: the input is a list of operations on a few
 * maps that are copies of one another. Every answer must agree, ids must come in their order, and nothing may leak.
 */
#include "fuzz.h"

#include "base/links.h"

enum { MAPS = 4, KEYS = 256, IDS = 32 };

/* What a map should hold: a bit for each id of a key. */
typedef struct model {
    uint32_t ids[KEYS];
} model;

static ks_key key_of(uint32_t k) { return (ks_key){k * UINT64_C(0x9e3779b97f4a7c15), k}; }

/* Both, which hold the same. */
typedef struct maps {
    ks_links links;
    ks_ties ties;
} maps;

static uint64_t id_of(uint32_t k) { return k % 8 == 0 ? (uint64_t)k << 52 : k; }

static void check_walk(ks_link l, const model *m, uint32_t k) {
    uint64_t last = 0;
    uint32_t found = 0;
    while (ks_link_next(&l)) {
        fuzz_demand(l.id > last && l.id <= IDS, "order");
        found |= UINT32_C(1) << (l.id - 1);
        last = l.id;
    }
    fuzz_demand(found == m->ids[k], "walk");
}

static void check(const maps *both, const model *m, uint32_t k) {
    check_walk(ks_links_of(&both->links, key_of(k)), m, k);
    check_walk(ks_ties_of(&both->ties, id_of(k)), m, k);
}

static void add(ks_heap *heap, maps *both, model *m, uint32_t k, uint32_t id) {
    bool is_new = (m->ids[k] >> id & 1U) == 0;
    fuzz_demand(ks_links_add(heap, &both->links, key_of(k), id + 1) == is_new, "add");
    fuzz_demand(ks_ties_add(heap, &both->ties, id_of(k), id + 1) == is_new, "tie");
    m->ids[k] |= UINT32_C(1) << id;
}

static void del(ks_heap *heap, maps *both, model *m, uint32_t k, uint32_t id) {
    bool was = (m->ids[k] >> id & 1U) != 0;
    fuzz_demand(ks_links_del(heap, &both->links, key_of(k), id + 1) == was, "del");
    fuzz_demand(ks_ties_del(heap, &both->ties, id_of(k), id + 1) == was, "untie");
    m->ids[k] &= ~(UINT32_C(1) << id);
}

static void clear(ks_heap *heap, maps *both) {
    ks_links_clear(heap, &both->links);
    ks_ties_clear(heap, &both->ties);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ks_heap *heap = fuzz_begin();
    maps all[MAPS] = {{.links = {.one = {0}}}};
    model *models = calloc(MAPS, sizeof *models);
    for (size_t at = 0; at + 3 <= size; at += 3) {
        uint32_t op = data[at] & 7, which = (data[at] >> 3) & 3, from = (data[at] >> 5) & 3;
        uint32_t k = data[at + 1], id = data[at + 2] % IDS;
        maps *both = &all[which];
        model *m = &models[which];
        switch (op) {
        case 0:
        case 1: add(heap, both, m, k, id); break;
        case 2:
        case 3: del(heap, both, m, k, id); break;
        case 4:
            for (uint32_t i = 0; i < IDS; i++) add(heap, both, m, k, (i * 7 + id) % IDS);
            break;
        case 5:
            for (uint32_t i = 0; i < IDS; i++) del(heap, both, m, k, (i * 5 + id) % IDS);
            break;
        case 6:
            if (which == from) break;
            clear(heap, both);
            *both = all[from];
            ks_links_copied(&both->links);
            ks_ties_copied(&both->ties);
            *m = models[from];
            break;
        default: check(both, m, k);
        }
    }
    for (int i = 0; i < MAPS; i++) {
        bool any = false;
        for (uint32_t k = 0; k < KEYS; k++) {
            check(&all[i], &models[i], k);
            any = any || models[i].ids[k] != 0;
        }
        fuzz_demand(ks_links_any(&all[i].links) == any, "any");
        clear(heap, &all[i]);
    }
    fuzz_end(heap);
    free(models);
    return 0;
}
