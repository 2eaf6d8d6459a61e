/*
 * network/repack.c - Endpoints as somebody wrote them, in canonical form (pkg/api/v1/endpoints/util.go: RepackSubsets).
 *
 * The addresses are put into a row of their own, as the Endpoints controller has one (addresses.h), and that is read (subsets.h).
 */
#include "network/repack.h"

#include <stdlib.h>

#include "network/subsets.h"

/* An address that has a port. */
typedef struct entry {
    const ks_str *ip, *uid; /* borrowed */
    ks_val value, port;     /* borrowed; port KS_NOTHING: its subset has none */
    ks_port_hash hash;
    size_t place;
    bool ready;
} entry;

typedef struct entry_list {
    ks_heap *heap;
    const ks_rules *rules;
    entry *items;
    size_t count, capacity;
} entry_list;

static void add_entry(entry_list *list, ks_val address, ks_val port, bool ready) {
    const ks_str *ip = ks_str_or_null(ks_get(address, K(ip)));
    if (ip == NULL) return;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 8;
        list->items = ks_resize(list->heap, list->items, list->capacity * sizeof *list->items,
                                capacity * sizeof *list->items);
        list->capacity = capacity;
    }
    const ks_str *uid = ks_str_or_null(ks_get2(address, K(targetRef), K(uid)));
    list->items[list->count] =
        (entry){.ip = ip, .uid = uid, .value = address, .port = port, .ready = ready};
    list->items[list->count].place = list->count;
    if (ks_exists(port))
        list->items[list->count].hash = ks_port_hash_of_endpoint(list->heap, list->rules, port);
    list->count++;
}

static void add_all(entry_list *list, ks_val addresses, ks_val ports, bool ready) {
    ks_each(address, addresses) {
        if (ks_len(ports) == 0) add_entry(list, *address, KS_NOTHING, ready);
        ks_each(port, ports) add_entry(list, *address, *port, ready);
    }
}

static int same_address(const entry *x, const entry *y) {
    int order = ks_str_cmp(x->ip, y->ip);
    return order ? order : ks_str_cmp(x->uid, y->uid);
}

static int same_port(const entry *x, const entry *y) {
    if (ks_exists(x->port) != ks_exists(y->port)) return ks_exists(x->port) ? 1 : -1;
    if (ks_port_hash_before(x->hash, y->hash)) return -1;
    if (ks_port_hash_before(y->hash, x->hash)) return 1;
    uintptr_t a = ks_port_mark(x->port), b = ks_port_mark(y->port);
    return (a > b) - (a < b);
}

static int by_address_and_port(const void *a, const void *b) {
    const entry *x = a, *y = b;
    int order = same_address(x, y);
    if (order == 0) order = same_port(x, y);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* Not ready trumps ready: what is said of one port of one address, in `count` entries. */
static bool is_ready(const entry *items, size_t count) {
    bool ready = true;
    for (size_t i = 0; i < count; i++) ready = ready && items[i].ready;
    return ready;
}

/* Puts one address into the row, with those of its ports for which it is ready, or for which it is not. */
static void put_address(entry_list *list, ks_addresses *row, const entry *items, size_t count,
                        bool ready, uint64_t id) {
    ks_heap *heap = list->heap;
    ks_buf key = {.heap = heap};
    const entry *first = items;
    ks_val ports = KS_NOTHING;
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && same_port(&items[i], &items[next]) == 0;) next++;
        for (size_t k = i; k < next; k++)
            if (items[k].place < first->place) first = &items[k];
        if (is_ready(&items[i], next - i) != ready) continue;
        ports =
            ks_append(heap, ports, ks_exists(items[i].port) ? ks_ref(items[i].port) : ks_null());
        ks_buf_printf(&key, "%016llx%016llx%llx,", (unsigned long long)items[i].hash.high,
                      (unsigned long long)items[i].hash.low,
                      (unsigned long long)ks_port_mark(items[i].port));
    }
    if (ks_len(ports) > 0) {
        ks_address *one = ks_alloc_zero(heap, sizeof *one);
        *one = (ks_address){.refs = 1,
                            .ready = ready,
                            .ports_key = ks_intern(heap, key.s, key.len),
                            .ports = ports,
                            .ip = ks_str_ref(first->ip),
                            .uid = ks_str_ref(first->uid),
                            .value = ks_ref(first->value)};
        ks_addresses_put(heap, row, 0, id, one);
    }
    ks_buf_dispose(&key);
}

ks_val ks_repack(ks_heap *heap, const ks_rules *rules, ks_val subsets, size_t *left_out) {
    entry_list list = {.heap = heap, .rules = rules};
    ks_addresses row;
    ks_addresses_init(&row);
    ks_each(subset, subsets) {
        ks_val ports = ks_get(*subset, K(ports));
        add_all(&list, ks_get(*subset, K(addresses)), ports, true);
        add_all(&list, ks_get(*subset, K(notReadyAddresses)), ports, false);
    }
    if (list.count > 1) qsort(list.items, list.count, sizeof *list.items, by_address_and_port);
    for (size_t i = 0, next; i < list.count; i = next) {
        for (next = i + 1;
             next < list.count && same_address(&list.items[i], &list.items[next]) == 0;)
            next++;
        for (int ready = 0; ready < 2; ready++)
            put_address(&list, &row, &list.items[i], next - i, ready, 2 * i + (uint64_t)ready);
    }
    ks_val out = ks_subsets_whole(heap, rules, &row, 0, left_out);
    ks_addresses_clear(heap, &row);
    ks_free(heap, list.items, list.capacity * sizeof *list.items);
    return out;
}
