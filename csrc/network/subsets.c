/*
 * network/subsets.c - reading and editing what Endpoints publish; see subsets.h
 * (pkg/controller/endpoint/endpoints_controller.go; pkg/api/v1/endpoints/util.go: RepackSubsets).
 */
#include "network/subsets.h"

#define MAX_ADDRESSES 1000 /* endpoints_controller.go: maxCapacity */

void ks_subsets_dispose(ks_heap *heap, ks_subsets *subsets) {
    ks_unref(heap, subsets->value);
    ks_str_unref(heap, subsets->ports_key);
    *subsets = (ks_subsets){.truncated = false};
}

/* Takes over the lists; counts up `ports`. */
static ks_val subset_value(ks_heap *heap, ks_val addresses, ks_val not_ready, ks_val ports) {
    return ks_map_of(heap, K(addresses), addresses, K(notReadyAddresses), not_ready, K(ports),
                     ks_ref(ports), NULL);
}

/* The first ones of a list (taken over); KS_NOTHING when that is none. */
static ks_val shorten(ks_heap *heap, ks_val list, size_t count) {
    while (ks_len(list) > count) list = ks_remove_at(heap, list, ks_len(list) - 1);
    if (ks_len(list)) return list;
    ks_unref(heap, list);
    return KS_NOTHING;
}

/* --- reading --- */

typedef struct subset {
    const ks_address *first;     /* borrowed */
    ks_val addresses, not_ready; /* own references; the lists hold at most MAX_ADDRESSES */
    size_t ready_count, not_ready_count;
} subset;

typedef struct subset_list {
    ks_heap *heap;
    subset *items;
    size_t count, capacity;
    size_t ready, not_ready; /* totals */
} subset_list;

static subset *add_subset(subset_list *list, const ks_address *first) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 4;
        list->items = ks_resize(list->heap, list->items, list->capacity * sizeof *list->items,
                                capacity * sizeof *list->items);
        list->capacity = capacity;
    }
    list->items[list->count] = (subset){.first = first};
    return &list->items[list->count++];
}

/* Behind all addresses like this one. */
static ks_tree_iter skip_like(const ks_addresses *addresses, const ks_address *one) {
    static const ks_str last_ip = {.refs = KS_IMMORTAL, .len = 1, .s = "~"};
    ks_address end = {
        .service = one->service, .ports_key = one->ports_key, .ready = one->ready, .ip = &last_ip};
    return ks_addresses_from(addresses, &end);
}

/* Reads the Service's addresses; of those with the same ports and readiness, no more than can be published. */
static void read_all(const ks_addresses *addresses, uint64_t service, subset_list *list) {
    ks_address before = {.service = service, .ready = true};
    subset *current = NULL;
    ks_tree_iter it = ks_addresses_from(addresses, &before);
    for (const ks_address *one; (one = ks_addresses_next(&it, service)) != NULL;) {
        if (!current || current->first->ports_key != one->ports_key)
            current = add_subset(list, one);
        ks_val *to = one->ready ? &current->addresses : &current->not_ready;
        if (!ks_len(*to)) {
            size_t *count = one->ready ? &current->ready_count : &current->not_ready_count;
            *count = ks_addresses_like(addresses, one);
            *(one->ready ? &list->ready : &list->not_ready) += *count;
        }
        *to = ks_append(list->heap, *to, ks_ref(one->value));
        if (ks_len(*to) == MAX_ADDRESSES) it = skip_like(addresses, one);
    }
}

/* truncateEndpoints. Each subset gets its share, rounded up; ready ones come first. */
static bool truncate_all(subset_list *list) {
    ks_heap *heap = list->heap;
    if (list->ready + list->not_ready <= MAX_ADDRESSES) return false;
    bool cut_ready = list->ready > MAX_ADDRESSES;
    size_t room = cut_ready ? MAX_ADDRESSES : MAX_ADDRESSES - list->ready;
    size_t total = cut_ready ? list->ready : list->not_ready;
    size_t left = room;
    for (size_t i = 0; i < list->count; i++) {
        subset *one = &list->items[i];
        ks_val *cut = cut_ready ? &one->addresses : &one->not_ready;
        size_t have = cut_ready ? one->ready_count : one->not_ready_count;
        size_t share = (have * room + total - 1) / total;
        if (share > left) share = left;
        *cut = shorten(heap, *cut, share);
        left -= ks_len(*cut);
        if (cut_ready) one->not_ready = shorten(heap, one->not_ready, 0);
    }
    return true;
}

ks_subsets ks_subsets_read(ks_heap *heap, const ks_addresses *addresses, uint64_t service) {
    subset_list list = {.heap = heap};
    read_all(addresses, service, &list);
    ks_subsets read = {.truncated = truncate_all(&list)};
    if (list.count == 1) read.ports_key = ks_str_ref(list.items[0].first->ports_key);
    for (size_t i = 0; i < list.count; i++) {
        const subset *one = &list.items[i];
        read.value =
            ks_append(heap, read.value,
                      subset_value(heap, one->addresses, one->not_ready, one->first->ports));
    }
    ks_free(heap, list.items, list.capacity * sizeof *list.items);
    return read;
}

/* --- editing --- */

/* With one group of ports the addresses of a Service are two rows, the ready ones and the others, and what is published are the first ones
 * of each. An edit keeps them that: it takes out what goes and puts in what comes before the last one; closing it lengthens or shortens
 * them as the row says. */
typedef struct ks_published_row published_row;

ks_subsets_edit ks_subsets_open(ks_heap *heap, const ks_addresses *addresses, uint64_t service,
                                const ks_subsets *published) {
    ks_val only = ks_at(published->value, 0);
    ks_subsets_edit e = {
        .heap = heap, .addresses = addresses, .published = published, .service = service};
    e.rows[0] = (published_row){true, ks_ref(ks_get(only, K(addresses)))};
    e.rows[1] = (published_row){false, ks_ref(ks_get(only, K(notReadyAddresses)))};
    return e;
}

/* What the order looks at, of one that is published; all borrowed. */
static ks_address published_at(const ks_subsets_edit *e, const published_row *row, uint32_t i) {
    ks_val value = ks_at(row->items, i);
    return (ks_address){.service = e->service,
                        .ports_key = e->published->ports_key,
                        .ready = row->ready,
                        .ip = ks_str_or_null(ks_get(value, K(ip))),
                        .uid = ks_str_or_null(ks_get2(value, K(targetRef), K(uid)))};
}

/* How many of those that are published stand before it. */
static uint32_t place_of(const ks_subsets_edit *e, const published_row *row,
                         const ks_address *one) {
    uint32_t low = 0, high = ks_len(row->items);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        ks_address there = published_at(e, row, middle);
        if (ks_address_cmp(&there, one) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void take_out(ks_subsets_edit *e, const ks_address *old) {
    published_row *row = &e->rows[old->ready ? 0 : 1];
    uint32_t at = place_of(e, row, old);
    if (at == ks_len(row->items)) return; /* not among the first ones */
    ks_address there = published_at(e, row, at);
    if (ks_address_cmp(&there, old) == 0) row->items = ks_remove_at(e->heap, row->items, at);
}

/* Behind the last one comes what closing finds there. */
static void put_in(ks_subsets_edit *e, const ks_address *now) {
    published_row *row = &e->rows[now->ready ? 0 : 1];
    uint32_t at = place_of(e, row, now);
    if (at == ks_len(row->items)) return;
    row->items = ks_insert_at(e->heap, row->items, at, ks_ref(now->value));
}

void ks_subsets_exchange(ks_subsets_edit *e, const ks_address *old, const ks_address *now) {
    const ks_str *ports = e->published->ports_key;
    e->lost = e->lost || (old && old->ports_key != ports) || (now && now->ports_key != ports);
    if (e->lost) return;
    if (old) take_out(e, old);
    if (now) put_in(e, now);
}

/* Published are the first `count` of the row. */
static void fit(ks_subsets_edit *e, published_row *row, size_t count) {
    uint32_t have = ks_len(row->items);
    if (have >= count) {
        row->items = shorten(e->heap, row->items, count);
        return;
    }
    ks_address last = have > 0 ? published_at(e, row, have - 1)
                               : (ks_address){.service = e->service,
                                              .ports_key = e->published->ports_key,
                                              .ready = row->ready};
    ks_tree_iter it = ks_addresses_from(e->addresses, &last);
    while (ks_len(row->items) < count) {
        const ks_address *next = ks_addresses_next(&it, e->service);
        if (next == NULL) return;
        if (have > 0 && ks_address_cmp(next, &last) == 0) continue;
        row->items = ks_append(e->heap, row->items, ks_ref(next->value));
    }
}

static size_t count_row(const ks_subsets_edit *e, bool ready) {
    const ks_address like = {
        .service = e->service, .ports_key = e->published->ports_key, .ready = ready};
    return ks_addresses_like(e->addresses, &like);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

ks_subsets ks_subsets_close(ks_subsets_edit *e) {
    ks_heap *heap = e->heap;
    if (e->lost) {
        for (int i = 0; i < 2; i++) ks_unref(heap, e->rows[i].items);
        return ks_subsets_read(heap, e->addresses, e->service);
    }
    const ks_val only = ks_at(e->published->value, 0);
    size_t ready = count_row(e, true), not_ready = count_row(e, false);
    size_t shown = least(ready, MAX_ADDRESSES);
    ks_subsets now = {.truncated = ready + not_ready > MAX_ADDRESSES};
    fit(e, &e->rows[0], shown);
    fit(e, &e->rows[1], least(not_ready, MAX_ADDRESSES - shown));
    ks_val addresses = e->rows[0].items, others = e->rows[1].items;
    if (ready + not_ready > 0) now.ports_key = ks_str_ref(e->published->ports_key);
    if (ks_identical(addresses, ks_get(only, K(addresses))) &&
        ks_identical(others, ks_get(only, K(notReadyAddresses)))) {
        ks_unref(heap, addresses);
        ks_unref(heap, others);
        now.value = ks_ref(e->published->value);
    } else if (ready + not_ready > 0) {
        now.value = ks_append(heap, KS_NOTHING,
                              subset_value(heap, addresses, others, ks_get(only, K(ports))));
    }
    return now;
}
