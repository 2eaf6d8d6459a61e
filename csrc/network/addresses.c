/*
 * network/addresses.c - the row of all Services' addresses; see addresses.h.
 */
#include "network/addresses.h"

static ks_address *of_word(uint64_t word) { return (ks_address *)(uintptr_t)word; }

static ks_key key_of(const ks_address *one) { return (ks_key){(uint64_t)(uintptr_t)one, 0}; }

void ks_address_unref(ks_heap *heap, ks_address *one) {
    if (--one->refs) return;
    ks_str_unref(heap, one->ports_key);
    ks_unref(heap, one->ports);
    ks_str_unref(heap, one->ip);
    ks_str_unref(heap, one->uid);
    ks_unref(heap, one->value);
    ks_free(heap, one, sizeof *one);
}

int ks_address_cmp(const ks_address *a, const ks_address *b) {
    if (a->service != b->service) return a->service < b->service ? -1 : 1;
    int order = a->ports_key == b->ports_key ? 0 : ks_str_cmp(a->ports_key, b->ports_key);
    if (order) return order;
    if (a->ready != b->ready) return a->ready ? -1 : 1;
    order = ks_str_cmp(a->ip, b->ip);
    return order ? order : ks_str_cmp(a->uid, b->uid);
}

bool ks_address_same(const ks_address *a, const ks_address *b) {
    if (a == NULL || b == NULL) return a == b;
    return ks_address_cmp(a, b) == 0 && ks_equal(a->value, b->value);
}

/* --- the row --- */

static int compare(ks_key x, ks_key y) { return ks_address_cmp(of_word(x.a), of_word(y.a)); }

static void key_ref(ks_key key) { of_word(key.a)->refs++; }

static void key_unref(ks_heap *heap, ks_key key) { ks_address_unref(heap, of_word(key.a)); }

static void value_ref(void *value) { ((ks_address *)value)->refs++; }

static void value_unref(ks_heap *heap, void *value) { ks_address_unref(heap, value); }

static const ks_tree_type sorted_type = {
    .compare = compare, .key_ref = key_ref, .key_unref = key_unref};
static const ks_tree_type members_type = {.ref = value_ref, .unref = value_unref};

void ks_addresses_init(ks_addresses *all) {
    *all = (ks_addresses){.members = {.type = &members_type}, .sorted = {.type = &sorted_type}};
}

ks_addresses ks_addresses_copy(const ks_addresses *all) {
    return (ks_addresses){.members = ks_tree_copy(&all->members),
                          .sorted = ks_tree_copy(&all->sorted),
                          .counts = ks_tree_copy(&all->counts)};
}

void ks_addresses_clear(ks_heap *heap, ks_addresses *all) {
    ks_tree_clear(heap, &all->members);
    ks_tree_clear(heap, &all->sorted);
    ks_tree_clear(heap, &all->counts);
}

static ks_key count_key(const ks_address *one) {
    uint64_t hash = ks_hash_bytes(one->ports_key->s, one->ports_key->len);
    return (ks_key){one->service, hash << 1 | one->ready};
}

static void count(ks_heap *heap, ks_addresses *all, const ks_address *one, int change) {
    ks_key key = count_key(one);
    uintptr_t now = (uintptr_t)ks_tree_get(&all->counts, key) + (uintptr_t)(intptr_t)change;
    if (now)
        ks_tree_put(heap, &all->counts, key, (void *)now);
    else
        ks_tree_del(heap, &all->counts, key);
}

ks_address *ks_addresses_get(const ks_addresses *all, uint64_t service, uint64_t pod) {
    return ks_tree_get(&all->members, (ks_key){service, pod});
}

void ks_addresses_put(ks_heap *heap, ks_addresses *all, uint64_t service, uint64_t pod,
                      ks_address *address) {
    ks_address *old = ks_tree_take(heap, &all->members, (ks_key){service, pod});
    if (old) {
        ks_tree_del(heap, &all->sorted, key_of(old));
        count(heap, all, old, -1);
        ks_address_unref(heap, old);
    }
    if (!address) return;
    ks_tree_put(heap, &all->sorted, key_of(address), (void *)(uintptr_t)1);
    count(heap, all, address, 1);
    ks_tree_put(heap, &all->members, (ks_key){service, pod}, address);
}

void ks_addresses_drop(ks_heap *heap, ks_addresses *all, uint64_t service) {
    ks_key key;
    while (ks_tree_ceiling(&all->members, (ks_key){service, 0}, &key, NULL) && key.a == service)
        ks_addresses_put(heap, all, service, key.b, NULL);
}

size_t ks_addresses_like(const ks_addresses *all, const ks_address *one) {
    return (size_t)(uintptr_t)ks_tree_get(&all->counts, count_key(one));
}

ks_tree_iter ks_addresses_from(const ks_addresses *all, const ks_address *from) {
    return ks_tree_from(&all->sorted, key_of(from));
}

const ks_address *ks_addresses_next(ks_tree_iter *iter, uint64_t service) {
    if (!ks_tree_next(iter) || of_word(iter->key.a)->service != service) return NULL;
    return of_word(iter->key.a);
}
