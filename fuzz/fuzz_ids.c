/*
 * fuzz/fuzz_ids.c - persistent maps from ids against a plain array: the input is a list of operations on a few maps that are copies of
 * one another, with counted values. Every answer must agree, and nothing may leak.
 */
#include "fuzz.h"

#include "base/ids.h"

enum { MAPS = 4, KEYS = 4096 };

typedef struct value {
    uint32_t refs, number;
} value;

static void value_ref(void *v) { ((value *)v)->refs++; }
static void value_unref(ks_heap *heap, void *v) {
    if (--((value *)v)->refs == 0) ks_free(heap, v, sizeof(value));
}
/* What is about to be let go is all there still. */
static void value_leaves(const void *v, int step) {
    fuzz_demand(((const value *)v)->refs > 0 && step < 2, "a value that leaves is there");
}
static const ks_ids_type values = {
    .ref = value_ref, .unref = value_unref, .leaves = value_leaves, .steps = 2};

static value *value_new(ks_heap *heap, uint32_t number) {
    value *v = ks_alloc(heap, sizeof *v);
    *v = (value){1, number};
    return v;
}

/* What a map should hold: per id, a number or 0. */
typedef struct model {
    uint32_t number[KEYS];
    size_t count;
} model;

/* Ids in a row, some with a flag far above, as work queues have them. */
static uint64_t id_of(uint32_t k) {
    return (k & 1023) | (uint64_t)(k >> 10 & 1) << 63 | (uint64_t)(k >> 11 & 1) << 40;
}

/* The ids in their order. */
static uint32_t at_place(uint32_t place) {
    return (place & 1023) | (place >> 11 & 1) << 10 | (place >> 10 & 1) << 11;
}

static uint32_t number_of(const void *v) { return v == NULL ? 0 : ((const value *)v)->number; }

static void check_walk(ks_ids_iter it, const model *m, uint32_t place) {
    for (; ks_ids_next(&it); place++) {
        while (place < KEYS && m->number[at_place(place)] == 0) place++;
        fuzz_demand(place < KEYS && it.id == id_of(at_place(place)), "walk: id");
        fuzz_demand(number_of(it.value) == m->number[at_place(place)], "walk: value");
        void *const *coming = NULL;
        uint32_t count = ks_ids_begins(&it) ? ks_ids_coming(&it, 1, &coming) : 0;
        for (uint32_t i = 0; i < count; i++)
            fuzz_demand(coming[i] == NULL || number_of(coming[i]) > 0, "walk: what comes");
    }
    while (place < KEYS && m->number[at_place(place)] == 0) place++;
    fuzz_demand(place >= KEYS, "walk: ended early");
}

static void check_whole(const ks_ids *ids, const model *m) {
    uint64_t first;
    fuzz_demand(ids->count == m->count, "count");
    fuzz_demand(ks_ids_first(ids, &first, NULL) == (m->count > 0), "first");
    check_walk(ks_ids_begin(ids), m, 0);
}

static void set(model *m, uint32_t k, uint32_t number) {
    m->count += (number != 0) - (m->number[k] != 0);
    m->number[k] = number;
}

static void put(ks_heap *heap, ks_ids *ids, model *m, uint32_t k, uint32_t number) {
    ks_ids_put(heap, ids, id_of(k), value_new(heap, number));
    set(m, k, number);
}

/* Those of `count` numbers in a row that are not there yet. */
static void add(ks_heap *heap, ks_ids *ids, model *m, uint32_t k, uint32_t count) {
    ks_ids_pair pairs[256] = {0};
    uint32_t n = 0;
    for (; n < count && k + n < KEYS; n++)
        pairs[n] = (ks_ids_pair){id_of(at_place(k + n)), value_new(heap, count)};
    ks_ids_add(heap, ids, pairs, n);
    for (uint32_t i = 0; i < n; i++) {
        value_unref(heap, pairs[i].value);
        if (m->number[at_place(k + i)] == 0) set(m, at_place(k + i), count);
    }
}

static void del(ks_heap *heap, ks_ids *ids, model *m, uint32_t k) {
    fuzz_demand(ks_ids_del(heap, ids, id_of(k)) == (m->number[k] != 0), "del");
    set(m, k, 0);
}

/* Exchanged where all copies see it, and put back. */
static void exchange(ks_heap *heap, ks_ids *ids, uint32_t k) {
    value *other = value_new(heap, 1);
    void *before = ks_ids_exchange(ids, id_of(k), other);
    fuzz_demand(ks_ids_get(ids, id_of(k)) == other, "exchange");
    fuzz_demand(ks_ids_exchange(ids, id_of(k), before) == other, "exchange: back");
    value_unref(heap, other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ks_heap *heap = fuzz_begin();
    ks_ids maps[MAPS];
    for (int i = 0; i < MAPS; i++) maps[i] = (ks_ids){.type = &values};
    model *models = calloc(MAPS, sizeof *models);
    for (size_t at = 0; at + 4 <= size; at += 4) {
        uint32_t op = data[at] & 7, map = (data[at] >> 3) & 3, from = (data[at] >> 5) & 3;
        uint32_t k = ((uint32_t)data[at + 1] << 4 ^ data[at + 2]) % KEYS, v = data[at + 3] + 1u;
        ks_ids *ids = &maps[map];
        model *m = &models[map];
        switch (op) {
        case 0: put(heap, ids, m, k, v); break;
        case 1: add(heap, ids, m, k, v); break;
        case 2:
            for (uint32_t i = 0; i < v && k + i < KEYS; i++) put(heap, ids, m, k + i, v);
            break;
        case 3:
            for (uint32_t i = 0; i < v && k + i < KEYS; i++) del(heap, ids, m, k + i);
            break;
        case 4: del(heap, ids, m, k); break;
        case 5:
            if (map == from) break;
            ks_ids_clear(heap, ids);
            *ids = ks_ids_copy(&maps[from]);
            *m = models[from];
            break;
        case 6: {
            void **slot = ks_ids_slot(heap, ids, id_of(k));
            fuzz_demand((slot != NULL) == (m->number[k] != 0), "slot");
            if (slot == NULL) break;
            value_unref(heap, *slot);
            *slot = value_new(heap, v);
            set(m, k, v);
            break;
        }
        default:
            fuzz_demand(number_of(ks_ids_get(ids, id_of(k))) == m->number[k], "get");
            check_walk(ks_ids_from(ids, id_of(at_place(k))), m, k);
            if (m->number[k] != 0) exchange(heap, ids, k);
        }
    }
    for (int i = 0; i < MAPS; i++) check_whole(&maps[i], &models[i]);
    for (int i = 0; i < MAPS; i++) ks_ids_clear(heap, &maps[i]);
    fuzz_end(heap);
    free(models);
    return 0;
}
