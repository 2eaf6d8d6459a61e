/*
 * engine/volumes.c - which volume a claim may take; see volumes.h.
 */
#include "engine/volumes.h"
#include "api/values.h"
#include "engine/nodes.h"

#include <stdio.h>
#include <string.h>

enum { FEW_CLASSES = 4 };

static ks_val claim_ref(const ks_object *volume) { return ks_get(volume->spec, K(claimRef)); }

/* --- what suits what --- */

const ks_str *ks_annotation(const ks_object *object, const ks_str *key) {
    return ks_str_or_null(ks_get2(object->meta, K(annotations), key));
}

const ks_object *ks_claim_class(const ks_store *store, const ks_object *claim) {
    const ks_str *name = claim->class_name;
    if (name == NULL || name->len == 0) return NULL;
    /* a few are looked through faster than their index, the first of them at once */
    void *first;
    if (ks_ids_first(&store->by_id[KS_STORAGECLASS], NULL, &first) &&
        ks_str_eq(((const ks_object *)first)->name, name))
        return first;
    if (ks_store_count(store, KS_STORAGECLASS) > FEW_CLASSES)
        return ks_store_get(store, KS_STORAGECLASS, NULL, name);
    for (ks_ids_iter it = ks_ids_begin(&store->by_id[KS_STORAGECLASS]); ks_ids_next(&it);)
        if (ks_str_eq(((const ks_object *)it.value)->name, name)) return it.value;
    return NULL;
}

bool ks_class_waits(const ks_object *storage_class) {
    return storage_class != NULL &&
           ks_text_is(ks_get(ks_doc(storage_class), K(volumeBindingMode)), "WaitForFirstConsumer");
}

const ks_str *ks_volume_attacher(const ks_object *volume) {
    return ks_str_or_null(ks_get2(volume->spec, K(csi), K(driver)));
}

bool ks_volume_is_for(const ks_object *volume, const ks_object *claim) {
    if (ks_is_exactly_for(volume, claim)) return true;
    ks_val ref = claim_ref(volume);
    if (!ks_exists(ref) || !ks_str_eq(ks_str_or_null(ks_get(ref, K(name))), claim->name) ||
        !ks_str_eq(ks_str_or_null(ks_get(ref, K(namespace))), claim->ns))
        return false;
    const ks_str *uid = ks_str_or_null(ks_get(ref, K(uid)));
    return uid == NULL || uid->len == 0 || ks_str_eq(uid, claim->uid);
}

ks_quantity ks_claim_request(const ks_object *claim) {
    return ks_quantity_of(ks_get3(claim->spec, K(resources), K(requests), K(storage)));
}

bool ks_same_volume_mode(const ks_object *volume, const ks_object *claim) {
    if (volume->usual && claim->usual) return true;
    return strcmp(ks_text_or(ks_get(volume->spec, K(volumeMode)), "Filesystem"),
                  ks_text_or(ks_get(claim->spec, K(volumeMode)), "Filesystem")) == 0;
}
static bool same_attributes_class(const ks_object *volume, const ks_object *claim) {
    if (volume->usual && claim->usual) return true;
    return strcmp(ks_text_or(ks_get(volume->spec, K(volumeAttributesClassName)), ""),
                  ks_text_or(ks_get(claim->spec, K(volumeAttributesClassName)), "")) == 0;
}

static int mode_count(unsigned set) {
    int n = 0;
    for (; set != 0; set &= set - 1) n++;
    return n;
}
static bool modes_cover(const ks_object *volume, const ks_object *claim) {
    unsigned want = ks_access_modes(ks_get(claim->spec, K(accessModes)));
    return (want & ~ks_access_modes(ks_get(volume->spec, K(accessModes)))) == 0;
}

const char *ks_volume_unfit(const ks_object *volume, const ks_object *claim, char text[320]) {
    if (ks_object_terminating(volume)) {
        snprintf(text, 320, "the volume is marked for deletion \"%s\"", volume->name->s);
        return text;
    }
    if (ks_quantity_value(ks_volume_capacity(volume)) < ks_quantity_value(ks_claim_request(claim)))
        return "requested PV is too small";
    if (strcmp(ks_volume_class(volume), ks_volume_class(claim)) != 0)
        return "storageClassName does not match";
    if (!same_attributes_class(volume, claim)) return "volumeAttributesClassName does not match";
    if (!ks_same_volume_mode(volume, claim)) return "incompatible volumeMode";
    if (!modes_cover(volume, claim)) return "incompatible accessMode";
    return NULL;
}

/* --- the search --- */

/* A volume, and what is compared of it. */
typedef struct candidate {
    const ks_object *volume; /* NULL: none */
    ks_quantity capacity;
    unsigned modes;
    bool ours; /* it names the claim */
} candidate;

typedef struct search {
    const ks_store *store;
    const ks_object *claim, *node;
    ks_selector *selector; /* NULL: there is none, or nobody has asked for it */
    ks_taken taken;
    bool delayed;
    ks_quantity request; /* the claim's */
    unsigned want;       /* its access modes */
    candidate best;
    bool refused; /* a volume that names the claim does not suit the node */
} search;

/* Which of two fitting volumes comes first: groups of equal modes by size, then what names the claim, then the smallest, of equal ones the
 * one that was made first (upstream leaves that to its maps). */
static bool better(const search *s, const candidate *one) {
    const candidate *best = &s->best;
    if (best->volume == NULL) return true;
    if (s->node == NULL) {
        unsigned a = one->modes, b = best->modes;
        if (mode_count(a) != mode_count(b)) return mode_count(a) < mode_count(b);
        if (a != b) return a < b;
    }
    if (one->ours != best->ours) return one->ours;
    int order = ks_quantity_cmp(one->capacity, best->capacity);
    return order != 0 ? order < 0 : one->volume->id < best->volume->id;
}

static bool on_node(const search *s, const ks_object *volume) {
    return s->node == NULL || ks_node_has_volume(s->store->world->heap, volume, s->node);
}

/* What holds for those that name the claim, too. */
static bool is_usable(const search *s, const candidate *one) {
    const ks_object *volume = one->volume;
    if (ks_quantity_cmp(one->capacity, s->request) < 0 ||
        (s->taken.is != NULL && s->taken.is(s->taken.of, volume)))
        return false;
    if (s->node == NULL && (s->want & ~one->modes) != 0) return false;
    return !ks_object_terminating(volume) && ks_same_volume_mode(volume, s->claim) &&
           same_attributes_class(volume, s->claim);
}

static candidate candidate_of(const ks_object *volume, bool ours) {
    return (candidate){.volume = volume,
                       .capacity = ks_volume_capacity(volume),
                       .modes = ks_access_modes(ks_get(volume->spec, K(accessModes))),
                       .ours = ours};
}

/* A volume that names a claim of that name. */
static void consider_ours(search *s, const ks_object *volume) {
    candidate one = candidate_of(volume, true);
    if (!is_usable(s, &one) || !ks_volume_is_for(volume, s->claim)) return;
    if (!on_node(s, volume)) s->refused = true;
    if (better(s, &one)) s->best = one;
}

/* The claim's selector, read when there is a volume for it. */
static bool is_selected(search *s, const ks_object *volume) {
    ks_val selector = ks_get(s->claim->spec, K(selector));
    if (!ks_exists(selector)) return true;
    if (s->selector == NULL) {
        const ks_str *why = NULL;
        s->selector = ks_selector_of(s->store->world->heap, selector, &why);
        ks_str_unref(s->store->world->heap, why);
    }
    return s->selector == NULL || ks_selector_matches(s->selector, volume->labels);
}

static bool is_free_to_take(search *s, const candidate *one) {
    const ks_object *volume = one->volume;
    return volume->phase == 'A' && (s->want & ~one->modes) == 0 && is_usable(s, one) &&
           strcmp(ks_volume_class(volume), ks_volume_class(s->claim)) == 0 && on_node(s, volume) &&
           is_selected(s, volume);
}

/* Those that the walk comes to, from the smallest on, until none can be better than the best of them. */
static void consider_free(search *s, ks_free_volumes f) {
    uint64_t size = UINT64_MAX;
    while (ks_free_volumes_next(&f) && f.size <= size) {
        candidate one = candidate_of(f.object, false);
        if (!is_free_to_take(s, &one)) continue;
        if (better(s, &one)) s->best = one;
        if (ks_is_least_of_size(one.capacity)) return;
        size = f.size;
    }
}

/* Where there is no node to suit: sets of modes in the order of better(); the first one that has a volume decides. */
static void consider_anywhere(search *s, const char *class) {
    static const uint8_t sets[KS_ACCESS_SETS] = {0, 1,  2,  4, 8,  3,  5,  6,
                                                 9, 10, 12, 7, 11, 13, 14, 15};
    uint32_t there = 0;
    for (ks_free_sorts f = ks_free_sorts_of(s->store, class, s->want); ks_free_sorts_next(&f);)
        there |= 1U << f.modes;
    for (int i = 0; i < KS_ACCESS_SETS; i++) {
        if ((there >> sets[i] & 1U) == 0) continue;
        consider_free(s, ks_free_volumes_of(s->store, class, sets[i], s->request));
        if (s->best.volume != NULL && s->best.modes == sets[i]) return;
    }
}

/* Those that are not tied to one value of a label, and those that are to the node's. */
static void consider_on_node(search *s, const char *class) {
    for (ks_free_sorts f = ks_free_sorts_of(s->store, class, s->want); ks_free_sorts_next(&f);) {
        const ks_str *value =
            f.pin == NULL ? NULL : ks_label(s->store->world->heap, s->node->labels, f.pin);
        if (f.pin == NULL || value != NULL)
            consider_free(s, ks_free_volumes_at(&f, value, s->request));
    }
}

static const ks_object *find(search *s) {
    const ks_object *claim = s->claim;
    ks_namers ours = ks_store_naming_it(s->store, KS_PV, claim);
    bool any = ks_namers_next(&ours);
    if (!any && !ks_any_free_volume(s->store)) return NULL;
    const char *class = ks_volume_class(claim);
    s->request = ks_claim_request(claim);
    s->want = ks_access_modes(ks_get(claim->spec, K(accessModes)));
    for (; any; any = ks_namers_next(&ours)) consider_ours(s, ours.object);
    if (s->node != NULL)
        consider_on_node(s, class);
    else if (!s->delayed)
        consider_anywhere(s, class);
    ks_selector_unref(s->store->world->heap, s->selector);
    return s->refused ? NULL : s->best.volume;
}

bool ks_no_volume_for(const ks_store *store, const ks_object *claim) {
    ks_namers named = ks_store_naming_it(store, KS_PV, claim);
    return !ks_namers_next(&named) &&
           ks_no_free_volume(store, ks_volume_class(claim),
                             ks_access_modes(ks_get(claim->spec, K(accessModes))),
                             ks_claim_request(claim));
}

const ks_object *ks_volume_for_claim(const ks_store *store, const ks_object *claim, bool delayed) {
    search s = {.store = store, .claim = claim, .delayed = delayed};
    return find(&s);
}

const ks_object *ks_volume_on_node(const ks_store *store, const ks_object *claim,
                                   const ks_object *node, ks_taken taken) {
    search s = {.store = store, .claim = claim, .node = node, .taken = taken};
    return find(&s);
}
