/*
 * network/subsets.c - reading and editing what Endpoints publish; see subsets.h
 * (pkg/controller/endpoint/endpoints_controller.go; pkg/api/v1/endpoints/util.go: RepackSubsets).
 */
#include "network/subsets.h"

#include <stdlib.h>

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

/* --- reading: the addresses, by the list of ports that their pods have --- */

/* Those that are ready, or the others: the first ones, at most MAX_ADDRESSES; borrowed. */
typedef struct address_list {
    const ks_address **items;
    size_t count, capacity;
    size_t total; /* how many there are */
} address_list;

typedef struct group {
    address_list rows[2]; /* not ready, ready */
    ks_val ports;         /* borrowed */
    const ks_str *ports_key;
} group;

typedef struct group_list {
    group *items;
    size_t count, capacity;
} group_list;

static void add_address(ks_heap *heap, address_list *list, const ks_address *one) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 8;
        list->items = ks_resize(heap, list->items, list->capacity * sizeof *list->items,
                                capacity * sizeof *list->items);
        list->capacity = capacity;
    }
    list->items[list->count++] = one;
}

static group *add_group(ks_heap *heap, group_list *list, const ks_address *first) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 4;
        list->items = ks_resize(heap, list->items, list->capacity * sizeof *list->items,
                                capacity * sizeof *list->items);
        list->capacity = capacity;
    }
    list->items[list->count] = (group){.ports = first->ports, .ports_key = first->ports_key};
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
static group_list read_groups(ks_heap *heap, const ks_addresses *addresses, uint64_t service) {
    group_list list = {.count = 0};
    ks_address before = {.service = service, .ready = true};
    group *current = NULL;
    ks_tree_iter it = ks_addresses_from(addresses, &before);
    for (const ks_address *one; (one = ks_addresses_next(&it, service)) != NULL;) {
        if (!current || current->ports_key != one->ports_key) current = add_group(heap, &list, one);
        address_list *row = &current->rows[one->ready];
        if (row->count == 0) row->total = ks_addresses_like(addresses, one);
        add_address(heap, row, one);
        if (row->count == MAX_ADDRESSES) it = skip_like(addresses, one);
    }
    return list;
}

static void dispose_groups(ks_heap *heap, group_list *list) {
    for (size_t i = 0; i < list->count; i++)
        for (int ready = 0; ready < 2; ready++) {
            address_list *row = &list->items[i].rows[ready];
            ks_free(heap, row->items, row->capacity * sizeof *row->items);
        }
    ks_free(heap, list->items, list->capacity * sizeof *list->items);
}

/* --- subsets: ports that the same pods have stand together --- */

typedef struct subset {
    ks_val rows[2]; /* not ready, ready: own references */
    size_t totals[2];
    ks_val ports; /* an own reference */
    ks_port_hash hash;
} subset;

typedef struct subset_list {
    ks_heap *heap;
    subset *items;
    size_t count, capacity;
} subset_list;

static int by_address(const void *a, const void *b) {
    const ks_address *x = *(const ks_address *const *)a, *y = *(const ks_address *const *)b;
    int order = ks_str_cmp(x->ip, y->ip);
    return order ? order : ks_str_cmp(x->uid, y->uid);
}

/* The addresses of some groups, in order. */
static ks_val merge(ks_heap *heap, const group_list *groups, const size_t *which, size_t count,
                    int ready, size_t *total) {
    address_list all = {.count = 0};
    for (size_t i = 0; i < count; i++) {
        const address_list *row = &groups->items[which[i]].rows[ready];
        for (size_t k = 0; k < row->count; k++) add_address(heap, &all, row->items[k]);
        *total += row->total;
    }
    if (count > 1 && all.count > 1)
        qsort((void *)all.items, all.count, sizeof *all.items, by_address);
    ks_val list = KS_NOTHING;
    for (size_t k = 0; k < all.count; k++)
        list = ks_append(heap, list, ks_ref(all.items[k]->value));
    ks_free(heap, (void *)all.items, all.capacity * sizeof *all.items);
    return list;
}

/* A subset of the addresses of these groups; its ports are counted up. */
static subset *add_subset(subset_list *list, const group_list *groups, const size_t *which,
                          size_t count, ks_val ports) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 4;
        list->items = ks_resize(list->heap, list->items, list->capacity * sizeof *list->items,
                                capacity * sizeof *list->items);
        list->capacity = capacity;
    }
    subset *one = &list->items[list->count++];
    *one = (subset){.ports = ks_ref(ports)};
    for (int ready = 0; ready < 2; ready++)
        one->rows[ready] = merge(list->heap, groups, which, count, ready, &one->totals[ready]);
    return one;
}

/* One of a group's ports. */
typedef struct offer {
    ks_port_hash hash;
    uintptr_t mark; /* tells apart what has the same hash */
    ks_val port;    /* borrowed */
    size_t group;
} offer;

static int by_hash(const ks_port_hash *a, const ks_port_hash *b) {
    return ks_port_hash_before(*a, *b) ? -1 : ks_port_hash_before(*b, *a);
}

static int by_port(const void *a, const void *b) {
    const offer *x = a, *y = b;
    int order = by_hash(&x->hash, &y->hash);
    if (order == 0) order = (x->mark > y->mark) - (x->mark < y->mark);
    return order ? order : (x->group > y->group) - (x->group < y->group);
}

/* A port, and the groups that have it. */
typedef struct offered {
    ks_val port; /* borrowed */
    size_t count;
    const size_t *groups; /* borrowed: `count` from here */
    size_t place;         /* among the ports, by hash */
} offered;

static int compare_groups(const offered *x, const offered *y) {
    if (x->count != y->count) return x->count < y->count ? -1 : 1;
    for (size_t i = 0; i < x->count; i++)
        if (x->groups[i] != y->groups[i]) return x->groups[i] < y->groups[i] ? -1 : 1;
    return 0;
}

static int by_groups(const void *a, const void *b) {
    const offered *x = a, *y = b;
    int order = compare_groups(x, y);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static int by_subset(const void *a, const void *b) {
    return by_hash(&((const subset *)a)->hash, &((const subset *)b)->hash);
}

/* As Go prints what addresses stand for, and addresses (k8s.io/utils/dump: ForHash). */
static void dump_target(ks_buf *out, ks_val ref) {
    ks_buf_puts(out, "TargetRef:(*v1.ObjectReference)");
    if (!ks_exists(ref)) {
        ks_buf_puts(out, "<nil>");
        return;
    }
    ks_buf_printf(out,
                  "{Kind:(string)%s Namespace:(string)%s Name:(string)%s UID:(types.UID)%s "
                  "APIVersion:(string)%s ResourceVersion:(string)%s FieldPath:(string)%s}",
                  ks_text_or(ks_get(ref, K(kind)), ""), ks_text_or(ks_get(ref, K(namespace)), ""),
                  ks_text_or(ks_get(ref, K(name)), ""), ks_text_or(ks_get(ref, K(uid)), ""),
                  ks_text_or(ks_get(ref, K(apiVersion)), ""),
                  ks_text_or(ks_get(ref, K(resourceVersion)), ""),
                  ks_text_or(ks_get(ref, K(fieldPath)), ""));
}

static void dump_addresses(ks_buf *out, ks_val list) {
    const char *before = "([]v1.EndpointAddress)[";
    ks_each(address, list) {
        ks_buf_printf(out, "%s{IP:(string)%s Hostname:(string)%s NodeName:(*string)%s ", before,
                      ks_text_or(ks_get(*address, K(ip)), ""),
                      ks_text_or(ks_get(*address, K(hostname)), ""),
                      ks_text_or(ks_get(*address, K(nodeName)), "<nil>"));
        dump_target(out, ks_get(*address, K(targetRef)));
        before = "} ";
    }
    ks_buf_puts(out, ks_len(list) ? "}]" : "([]v1.EndpointAddress)<nil>");
}

/* subsetsByHash. */
static void hash_subset(ks_heap *heap, const ks_rules *rules, subset *one) {
    ks_buf dump = {.heap = heap};
    ks_buf_puts(&dump, "(v1.EndpointSubset){Addresses:");
    dump_addresses(&dump, one->rows[1]);
    ks_buf_puts(&dump, " NotReadyAddresses:");
    dump_addresses(&dump, one->rows[0]);
    ks_buf_puts(&dump, " Ports:([]v1.EndpointPort)");
    for (uint32_t i = 0; i < ks_len(one->ports); i++) {
        ks_buf_putc(&dump, i == 0 ? '[' : ' ');
        ks_port_dump(&dump, ks_at(one->ports, i));
    }
    ks_buf_puts(&dump, ks_len(one->ports) > 0 ? "]}" : "<nil>}");
    one->hash = ks_port_hash_of(rules, dump.s, dump.len);
    ks_buf_dispose(&dump);
}

/* Addresses without ports come as if they had one that is null. */
static ks_port_hash hash_port(ks_heap *heap, const ks_rules *rules, ks_val port) {
    return ks_is(port, KS_NULL) ? (ks_port_hash){0, 0}
                                : ks_port_hash_of_endpoint(heap, rules, port);
}

/* RepackSubsets, of several groups. `written`: their ports are as somebody wrote them. More than MAX_ADDRESSES with the same ports are not all in the hash by which subsets are sorted. */
static void repack(ks_heap *heap, const ks_rules *rules, const group_list *groups, bool written,
                   subset_list *list) {
    size_t count = 0, ports = 0;
    for (size_t i = 0; i < groups->count; i++) count += ks_len(groups->items[i].ports);
    offer *offers = ks_alloc(heap, (count + 1) * sizeof *offers);
    size_t *members = ks_alloc(heap, (count + 1) * sizeof *members);
    offered *all = ks_alloc(heap, (count + 1) * sizeof *all);
    size_t at = 0;
    for (size_t i = 0; i < groups->count; i++)
        ks_each(port, groups->items[i].ports)
            offers[at++] =
                (offer){hash_port(heap, rules, *port), written ? ks_port_mark(*port) : 0, *port, i};
    qsort(offers, count, sizeof *offers, by_port);
    for (size_t i = 0; i < count; i++) {
        members[i] = offers[i].group;
        if (i == 0 || by_hash(&offers[i - 1].hash, &offers[i].hash) != 0 ||
            offers[i - 1].mark != offers[i].mark) {
            all[ports] = (offered){.port = offers[i].port, .groups = &members[i], .place = ports};
            ports++;
        }
        all[ports - 1].count++;
    }
    qsort(all, ports, sizeof *all, by_groups);
    for (size_t i = 0, next; i < ports; i = next) {
        ks_val together = KS_NOTHING;
        for (next = i; next < ports && compare_groups(&all[i], &all[next]) == 0; next++)
            if (!ks_is(all[next].port, KS_NULL))
                together = ks_append(heap, together, ks_ref(all[next].port));
        subset *one = add_subset(list, groups, all[i].groups, all[i].count, together);
        ks_unref(heap, together);
        hash_subset(heap, rules, one);
    }
    if (list->count > 1) qsort(list->items, list->count, sizeof *list->items, by_subset);
    ks_free(heap, all, (count + 1) * sizeof *all);
    ks_free(heap, members, (count + 1) * sizeof *members);
    ks_free(heap, offers, (count + 1) * sizeof *offers);
}

/* truncateEndpoints. Each subset gets its share, rounded up; ready ones come first. */
static bool truncate_all(subset_list *list) {
    ks_heap *heap = list->heap;
    size_t totals[2] = {0, 0};
    for (size_t i = 0; i < list->count; i++)
        for (int ready = 0; ready < 2; ready++) totals[ready] += list->items[i].totals[ready];
    if (totals[0] + totals[1] <= MAX_ADDRESSES) return false;
    bool cut = totals[1] > MAX_ADDRESSES;
    size_t room = cut ? MAX_ADDRESSES : MAX_ADDRESSES - totals[1];
    size_t left = room;
    for (size_t i = 0; i < list->count; i++) {
        subset *one = &list->items[i];
        size_t share = (one->totals[cut] * room + totals[cut] - 1) / totals[cut];
        if (share > left) share = left;
        one->rows[cut] = shorten(heap, one->rows[cut], share);
        left -= ks_len(one->rows[cut]);
        if (cut) one->rows[0] = shorten(heap, one->rows[0], 0);
    }
    return true;
}

/* The list of subsets, which is disposed of. */
static ks_val list_value(subset_list *list) {
    ks_val value = KS_NOTHING;
    for (size_t i = 0; i < list->count; i++) {
        const subset *one = &list->items[i];
        value = ks_append(list->heap, value,
                          subset_value(list->heap, one->rows[1], one->rows[0], one->ports));
        ks_unref(list->heap, one->ports);
    }
    ks_free(list->heap, list->items, list->capacity * sizeof *list->items);
    return value;
}

ks_subsets ks_subsets_read(ks_heap *heap, const ks_rules *rules, const ks_addresses *addresses,
                           uint64_t service) {
    group_list groups = read_groups(heap, addresses, service);
    subset_list list = {.heap = heap};
    const size_t only = 0;
    if (groups.count == 1)
        add_subset(&list, &groups, &only, 1, groups.items[0].ports);
    else if (groups.count > 1)
        repack(heap, rules, &groups, false, &list);
    ks_subsets read = {.truncated = truncate_all(&list)};
    if (groups.count == 1) read.ports_key = ks_str_ref(groups.items[0].ports_key);
    read.value = list_value(&list);
    dispose_groups(heap, &groups);
    return read;
}

ks_val ks_subsets_whole(ks_heap *heap, const ks_rules *rules, const ks_addresses *addresses,
                        uint64_t service, size_t *left_out) {
    group_list groups = read_groups(heap, addresses, service);
    subset_list list = {.heap = heap};
    if (left_out != NULL) *left_out = 0;
    if (groups.count > 0) repack(heap, rules, &groups, true, &list);
    for (size_t i = 0; i < list.count; i++) {
        subset *one = &list.items[i];
        one->rows[1] = shorten(heap, one->rows[1], MAX_ADDRESSES);
        one->rows[0] = shorten(heap, one->rows[0], MAX_ADDRESSES - ks_len(one->rows[1]));
        if (left_out != NULL)
            *left_out +=
                one->totals[0] + one->totals[1] - ks_len(one->rows[0]) - ks_len(one->rows[1]);
    }
    dispose_groups(heap, &groups);
    return list_value(&list);
}

/* --- editing --- */

/* With one group of ports the addresses of a Service are two rows, the ready ones and the others, and what is published are the first ones
 * of each. An edit keeps them that: it takes out what goes and puts in what comes before the last one; closing it lengthens or shortens
 * them as the row says. */
typedef struct ks_published_row published_row;

ks_subsets_edit ks_subsets_open(ks_heap *heap, const ks_rules *rules, const ks_addresses *addresses,
                                uint64_t service, const ks_subsets *published) {
    ks_val only = ks_at(published->value, 0);
    ks_subsets_edit e = {.heap = heap,
                         .rules = rules,
                         .addresses = addresses,
                         .published = published,
                         .service = service};
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
        return ks_subsets_read(heap, e->rules, e->addresses, e->service);
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
