/*
 * store/free_volumes.c - the volumes that no claim has; see free_volumes.h. store.c tells what is written and goes.
 *
 * Three ordered maps have them.
 *     free_volumes  {group, size; id}, the group being class and access modes: what a claim may take anywhere
 *     node_volumes  the same, the group being class, access modes, label and value: what it may take on a node
 *     free_sorts    {class, access modes, label; id}: which of these groups there are
 * The label is that of which nodes must have one value, as those must have in which a disk is; most volumes have none. Such labels are few:
 * the first fifteen that volumes name get a number (pin_labels), and keep it.
 *
 * A group is the upper bits of a hash: those of another one may be in it. A size has its magnitude in bytes and the 27 bits below its
 * highest one: what people write is mostly exact in that.
 */
#include "store/free_volumes.h"
#include "store/object_internal.h"

#include <string.h>

enum {
    MANTISSA_BITS = 27,
    SIZE_BITS = MANTISSA_BITS + 7,
    PIN_BITS = 4,
    MOST_PINS = (1 << PIN_BITS) - 1,
    CLASS_BITS = 64 - KS_ACCESS_MODES - PIN_BITS
};

const ks_str *ks_store__class_of(const ks_object *o) {
    ks_val beta = ks_get2(o->meta, K(annotations), K(volume_beta_kubernetes_io_storage_class));
    return ks_str_or_null(ks_is(beta, KS_STRING) ? beta : ks_get(o->spec, K(storageClassName)));
}

const char *ks_volume_class(const ks_object *o) {
    const ks_str *name = o->kind == KS_PVC ? o->class_name : ks_store__class_of(o);
    return name != NULL ? name->s : "";
}

unsigned ks_access_modes(ks_val list) {
    static const char *const names[KS_ACCESS_MODES] = {"ReadWriteOnce", "ReadOnlyMany",
                                                       "ReadWriteMany", "ReadWriteOncePod"};
    unsigned set = 0;
    ks_each(mode, list) {
        for (unsigned i = 0; i < KS_ACCESS_MODES; i++)
            if (ks_text_is(*mode, names[i])) set |= 1U << i;
    }
    return set;
}

ks_quantity ks_volume_capacity(const ks_object *volume) {
    return ks_quantity_of(ks_get2(volume->spec, K(capacity), K(storage)));
}

/* --- sizes --- */

__extension__ typedef unsigned __int128 uint128;

/* How many bits the number of whole bytes has, and those that follow the highest one; `exact`, if not NULL: whether nothing is left
 * out. */
static uint64_t size_of(ks_quantity q, bool *exact) {
    uint128 nanos = q.nanos > 0 ? (uint128)q.nanos : 0, bytes = nanos / 1000000000;
    uint64_t high = (uint64_t)(bytes >> 64), low = (uint64_t)bytes;
    int bits = high != 0 ? 128 - __builtin_clzll(high) : low != 0 ? 64 - __builtin_clzll(low) : 0;
    int cut = bits - 1 - MANTISSA_BITS;
    uint64_t kept = (uint64_t)(cut > 0               ? bytes >> cut
                               : cut < 0 && bits > 0 ? bytes << -cut
                                                     : bytes);
    if (exact != NULL)
        *exact =
            bytes * 1000000000 == nanos && (cut <= 0 || (bytes & (((uint128)1 << cut) - 1)) == 0);
    return (uint64_t)bits << MANTISSA_BITS | (kept & ((UINT64_C(1) << MANTISSA_BITS) - 1));
}

bool ks_is_least_of_size(ks_quantity capacity) {
    bool exact;
    size_of(capacity, &exact);
    return exact;
}

/* --- pins --- */

/* The one value of one label that nodes must have to use a volume: the name of the node where it asks for that. NULL: there is none. */
static const ks_str *pin_of(const ks_object *volume, const ks_str **value) {
    ks_val terms = ks_get3(volume->spec, K(nodeAffinity), K(required), K(nodeSelectorTerms));
    const ks_str *label = NULL;
    if (ks_len(terms) != 1) return NULL;
    ks_each(e, ks_get(ks_at(terms, 0), K(matchExpressions))) {
        const ks_str *key = ks_str_or_null(ks_get(*e, K(key)));
        ks_val values = ks_get(*e, K(values));
        if (key == NULL || ks_len(values) != 1 || !ks_text_is(ks_get(*e, K(operator)), "In"))
            continue;
        if (label != NULL && !ks_str_eq(key, K(kubernetes_io_hostname))) continue;
        label = key;
        *value = ks_str_or_null(ks_at(values, 0));
    }
    return label;
}

static void label_ref(void *label) { ks_str_ref(label); }
static void label_unref(ks_heap *heap, void *label) { ks_str_unref(heap, label); }
const ks_tree_type ks_store__labels_type = {NULL, NULL, NULL, label_ref, label_unref};

/* The number of a label, from 1 on; 0: it has none, nor can get one. */
static uint64_t pin_number(ks_store *s, const ks_str *label) {
    ks_tree *labels = &s->maps.pin_labels;
    for (ks_tree_iter it = ks_tree_begin(labels); ks_tree_next(&it);)
        if (ks_str_eq(it.value, label)) return it.key.b;
    if (labels->count == MOST_PINS) return 0;
    ks_key key = {0, labels->count + 1};
    ks_tree_put(s->world->heap, labels, key, (void *)ks_str_ref(label));
    return key.b;
}

/* --- keys --- */

static uint64_t sort_of(const char *class, unsigned modes, uint64_t pin) {
    ks_str name = {.s = class, .len = (uint32_t)strlen(class)};
    uint64_t hash = ks_hash_text(&name, 0) >> (64 - CLASS_BITS);
    return (hash << KS_ACCESS_MODES | modes) << PIN_BITS | pin;
}

/* `value` NULL: of all values, or of no pin. */
static uint64_t group_of(uint64_t sort, const ks_str *value) {
    static const ks_str none = {.refs = KS_IMMORTAL};
    return ks_hash_text(value == NULL ? &none : value, sort) >> SIZE_BITS;
}

/* Where a volume stands in the maps. */
typedef struct places {
    ks_key anywhere, on_nodes, sort;
} places;

static places places_of(ks_store *s, const ks_object *volume) {
    const char *class = ks_volume_class(volume);
    const ks_str *value = NULL, *label = pin_of(volume, &value);
    uint64_t pin = label == NULL || value == NULL ? 0 : pin_number(s, label);
    unsigned modes = ks_access_modes(ks_get(volume->spec, K(accessModes)));
    uint64_t size = size_of(ks_volume_capacity(volume), NULL), sort = sort_of(class, modes, pin);
    uint64_t all = group_of(sort_of(class, modes, 0), NULL);
    uint64_t some = group_of(sort, pin == 0 ? NULL : value);
    return (places){.anywhere = {all << SIZE_BITS | size, volume->id},
                    .on_nodes = {some << SIZE_BITS | size, volume->id},
                    .sort = {sort, volume->id}};
}

/* --- walking --- */

ks_free_sorts ks_free_sorts_of(const ks_store *s, const char *class, unsigned want) {
    return (ks_free_sorts){.store = s, .class = class, .want = want, .next = sort_of(class, 0, 0)};
}

bool ks_free_sorts_next(ks_free_sorts *sorts) {
    const ks_tree *all = &sorts->store->maps.free_sorts;
    ks_key key;
    if (all->count == 0) return false;
    while (ks_tree_ceiling(all, (ks_key){sorts->next, 0}, &key, NULL) &&
           (key.a ^ sorts->next) >> (KS_ACCESS_MODES + PIN_BITS) == 0) {
        uint64_t pin = key.a & MOST_PINS;
        sorts->modes = key.a >> PIN_BITS & (KS_ACCESS_SETS - 1);
        if ((sorts->want & ~sorts->modes) == 0) {
            sorts->pin =
                pin == 0 ? NULL : ks_tree_get(&sorts->store->maps.pin_labels, (ks_key){0, pin});
            sorts->next = key.a + 1;
            return true;
        }
        sorts->next = (key.a | MOST_PINS) + 1;
    }
    return false;
}

static ks_free_volumes walk_from(const ks_store *s, const ks_tree *map, uint64_t group,
                                 ks_quantity least) {
    ks_free_volumes walk = {.store = s, .group = group};
    walk.iter = ks_tree_from(map, (ks_key){group << SIZE_BITS | size_of(least, NULL), 0});
    return walk;
}

ks_free_volumes ks_free_volumes_of(const ks_store *s, const char *class, unsigned modes,
                                   ks_quantity least) {
    uint64_t group = group_of(sort_of(class, modes, 0), NULL);
    return walk_from(s, &s->maps.free_volumes, group, least);
}

ks_free_volumes ks_free_volumes_at(const ks_free_sorts *sort, const ks_str *value,
                                   ks_quantity least) {
    return walk_from(sort->store, &sort->store->maps.node_volumes, group_of(sort->next - 1, value),
                     least);
}

bool ks_free_volumes_next(ks_free_volumes *walk) {
    if (!ks_tree_next(&walk->iter) || walk->iter.key.a >> SIZE_BITS != walk->group) return false;
    walk->size = walk->iter.key.a & ((UINT64_C(1) << SIZE_BITS) - 1);
    walk->object = ks_store_by_id(walk->store, KS_PV, walk->iter.key.b);
    return true;
}

bool ks_no_free_volume(const ks_store *s, const char *class, unsigned want, ks_quantity least) {
    for (ks_free_sorts f = ks_free_sorts_of(s, class, want); ks_free_sorts_next(&f);) {
        ks_free_volumes walk = ks_free_volumes_of(s, class, f.modes, least);
        if (ks_free_volumes_next(&walk)) return false;
    }
    return true;
}

/* --- as volumes are written and go --- */

static bool is_free(const ks_object *volume) {
    return volume != NULL && !ks_exists(ks_get(volume->spec, K(claimRef)));
}

/* A volume is at `now` in a map, and was at `before`; NULL: it is not, or was not, there. */
static void move(ks_store *s, ks_tree *map, const ks_key *before, const ks_key *now) {
    if (before != NULL && now != NULL && before->a == now->a) return;
    if (before != NULL) ks_tree_del(s->world->heap, map, *before);
    if (now != NULL)
        ks_tree_put(s->world->heap, map, *now,
                    (void *)(uintptr_t)ks_store__place_of(KS_PV, now->b));
}

void ks_store__note_free(ks_store *s, const ks_object *volume, const ks_object *old) {
    bool is = is_free(volume), was = is_free(old);
    if (!is && !was) return;
    places before, now;
    if (was) before = places_of(s, old);
    if (is) now = places_of(s, volume);
    move(s, &s->maps.free_volumes, was ? &before.anywhere : NULL, is ? &now.anywhere : NULL);
    move(s, &s->maps.free_sorts, was ? &before.sort : NULL, is ? &now.sort : NULL);
    /* one that was put aside is back */
    move(s, &s->maps.node_volumes, was ? &before.on_nodes : NULL, NULL);
    move(s, &s->maps.node_volumes, NULL, is ? &now.on_nodes : NULL);
}

void ks_free_volume_aside(ks_store *s, const ks_object *volume, bool aside) {
    if (!is_free(volume)) return;
    places at = places_of(s, volume);
    move(s, &s->maps.node_volumes, aside ? &at.on_nodes : NULL, aside ? NULL : &at.on_nodes);
}
