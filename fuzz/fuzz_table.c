/*
 * fuzz/fuzz_table.c - the persistent hash table against a plain array: the input is a list of operations on a few tables that are
 * copies of one another. Every answer must agree, and nothing may leak. Some keys have a first word that differs in its highest bits
 * only, or not at all.
 */
#include "fuzz.h"

#include "base/table.h"

enum { TABLES = 4, KEYS = 4096 };

/* What a table should hold: per key, a value or 0. */
typedef struct model {
    uint32_t value[KEYS];
    size_t count;
} model;

static ks_key key_of(uint32_t k) {
    if (k % 4 == 0) return (ks_key){k % 64 == 0 ? UINT64_C(7) << 60 : (uint64_t)k << 52, k};
    return (ks_key){k * UINT64_C(0x9e3779b97f4a7c15), k};
}
static void *word_of(uint32_t v) { return (void *)(uintptr_t)v; }

static void check(const ks_table *table, const model *m, uint32_t k) {
    fuzz_demand(ks_table_get(table, key_of(k)) == word_of(m->value[k]), "get");
}

static void put(ks_heap *heap, ks_table *table, model *m, uint32_t k, uint32_t v) {
    ks_table_put(heap, table, key_of(k), word_of(v));
    if (m->value[k] == 0) m->count++;
    m->value[k] = v;
}

static void del(ks_heap *heap, ks_table *table, model *m, uint32_t k) {
    bool was = m->value[k] != 0;
    fuzz_demand(ks_table_del(heap, table, key_of(k)) == was, "del");
    if (was) m->count--;
    m->value[k] = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ks_heap *heap = fuzz_begin();
    ks_table tables[TABLES] = {{0}};
    model *models = calloc(TABLES, sizeof *models);
    for (size_t at = 0; at + 4 <= size; at += 4) {
        uint32_t op = data[at] & 7, which = (data[at] >> 3) & 3, from = (data[at] >> 5) & 3;
        uint32_t k = ((uint32_t)data[at + 1] << 4 ^ data[at + 2]) % KEYS, v = data[at + 3] + 1u;
        ks_table *table = &tables[which];
        model *m = &models[which];
        switch (op) {
        case 0:
        case 1: put(heap, table, m, k, v); break;
        case 2:
            for (uint32_t i = 0; i < v && k + i < KEYS; i++) put(heap, table, m, k + i, v);
            break;
        case 3:
            for (uint32_t i = 0; i < v && k + i < KEYS; i++) del(heap, table, m, k + i);
            break;
        case 4: del(heap, table, m, k); break;
        case 5:
            if (which == from) break;
            ks_table_clear(heap, table);
            *table = ks_table_copy(&tables[from]);
            *m = models[from];
            break;
        default: check(table, m, k);
        }
    }
    for (int i = 0; i < TABLES; i++) {
        fuzz_demand(tables[i].count == models[i].count, "count");
        for (uint32_t k = 0; k < KEYS; k++) check(&tables[i], &models[i], k);
    }
    for (int i = 0; i < TABLES; i++) ks_table_clear(heap, &tables[i]);
    fuzz_end(heap);
    free(models);
    return 0;
}
