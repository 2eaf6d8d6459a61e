/*
 * store/free_volumes.c - the volumes that no claim has; see free_volumes.h. store.c tells what is written and goes.
 *
 * One ordered map has them, under {class, access modes, size; id}. The first word has room for 16 bits of the class's hash, the 4 modes,
 * and of the size its magnitude and the 37 bits below its highest one: whatever people write is exact in that.
 */
#include "store/free_volumes.h"
#include "store/object_internal.h"

#include <string.h>

enum { SIZE_BITS = 44, MANTISSA_BITS = 37, CLASS_BITS = 16 };

const char *ks_volume_class(const ks_object *o) {
    ks_val beta = ks_get2(o->meta, K(annotations), K(volume_beta_kubernetes_io_storage_class));
    if (ks_is(beta, KS_STRING)) return beta.s->s;
    return ks_text_or(ks_get(o->spec, K(storageClassName)), "");
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

/* --- keys --- */

__extension__ typedef unsigned __int128 uint128;

/* How many bits the number has, and those that follow the highest one; `exact`, if not NULL: whether nothing is left out. */
static uint64_t size_of(ks_quantity q, bool *exact) {
    uint128 nanos = q.nanos > 0 ? (uint128)q.nanos : 0;
    uint64_t high = (uint64_t)(nanos >> 64), low = (uint64_t)nanos;
    int bits = high != 0 ? 128 - __builtin_clzll(high) : low != 0 ? 64 - __builtin_clzll(low) : 0;
    int cut = bits - 1 - MANTISSA_BITS;
    uint64_t kept = (uint64_t)(cut > 0               ? nanos >> cut
                               : cut < 0 && bits > 0 ? nanos << -cut
                                                     : nanos);
    if (exact != NULL) *exact = cut <= 0 || (nanos & (((uint128)1 << cut) - 1)) == 0;
    return (uint64_t)bits << MANTISSA_BITS | (kept & ((UINT64_C(1) << MANTISSA_BITS) - 1));
}

bool ks_is_least_of_size(ks_quantity capacity) {
    bool exact;
    size_of(capacity, &exact);
    return exact;
}

static uint64_t group_of(const char *class, unsigned modes) {
    ks_str name = {.s = class, .len = (uint32_t)strlen(class)};
    uint64_t hash = ks_hash_text(&name, 0);
    return hash >> (64 - CLASS_BITS) << KS_ACCESS_MODES | modes;
}

static ks_key key_of(const ks_object *volume) {
    unsigned modes = ks_access_modes(ks_get(volume->spec, K(accessModes)));
    uint64_t group = group_of(ks_volume_class(volume), modes);
    return (ks_key){group << SIZE_BITS | size_of(ks_volume_capacity(volume), NULL), volume->id};
}

/* --- walking --- */

ks_free_volumes ks_free_volumes_of(const ks_store *s, const char *class, unsigned modes,
                                   ks_quantity least) {
    ks_free_volumes walk = {.store = s, .group = group_of(class, modes)};
    ks_key from = {walk.group << SIZE_BITS | size_of(least, NULL), 0};
    walk.iter = ks_tree_from(&s->maps.free_volumes, from);
    return walk;
}

bool ks_free_volumes_next(ks_free_volumes *walk) {
    if (!ks_tree_next(&walk->iter) || walk->iter.key.a >> SIZE_BITS != walk->group) return false;
    walk->size = walk->iter.key.a & ((UINT64_C(1) << SIZE_BITS) - 1);
    walk->object = ks_store_by_id(walk->store, KS_PV, walk->iter.key.b);
    return true;
}

bool ks_no_free_volume(const ks_store *s, const char *class, unsigned want, ks_quantity least) {
    for (unsigned modes = 0; s->maps.free_volumes.count > 0 && modes < KS_ACCESS_SETS; modes++) {
        if ((want & ~modes) != 0) continue;
        ks_free_volumes walk = ks_free_volumes_of(s, class, modes, least);
        if (ks_free_volumes_next(&walk)) return false;
    }
    return true;
}

/* --- as volumes are written and go --- */

static bool is_free(const ks_object *volume) {
    return volume != NULL && !ks_exists(ks_get(volume->spec, K(claimRef)));
}

void ks_store__note_free(ks_store *s, const ks_object *volume, const ks_object *old) {
    bool is = is_free(volume), was = is_free(old);
    if (!is && !was) return;
    ks_key now = is ? key_of(volume) : (ks_key){0, 0}, before = was ? key_of(old) : now;
    bool stays = is && was && now.a == before.a;
    if (was && !stays) ks_tree_del(s->world->heap, &s->maps.free_volumes, before);
    if (is && !stays)
        ks_tree_put(s->world->heap, &s->maps.free_volumes, now,
                    (void *)(uintptr_t)ks_store__place_of(KS_PV, now.b));
}
