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

const char *ks_volume_class(const ks_object *o) {
    const ks_str *beta = ks_annotation(o, K(volume_beta_kubernetes_io_storage_class));
    return beta != NULL ? beta->s : ks_text_or(ks_get(o->spec, K(storageClassName)), "");
}

const ks_object *ks_claim_class(const ks_store *store, const ks_object *claim) {
    const ks_str *beta = ks_annotation(claim, K(volume_beta_kubernetes_io_storage_class));
    const ks_str *name =
        beta != NULL ? beta : ks_str_or_null(ks_get(claim->spec, K(storageClassName)));
    if (name == NULL || name->len == 0) return NULL;
    /* a few are looked through faster than their index */
    if (ks_store_count(store, KS_STORAGECLASS) > FEW_CLASSES)
        return ks_store_get(store, KS_STORAGECLASS, NULL, name);
    for (ks_ids_iter it = ks_ids_begin(&store->by_id[KS_STORAGECLASS]); ks_ids_next(&it);)
        if (ks_str_eq(((const ks_object *)it.value)->name, name)) return it.value;
    return NULL;
}

bool ks_class_waits(const ks_object *storage_class) {
    return storage_class != NULL &&
           ks_text_is(ks_get(storage_class->doc, K(volumeBindingMode)), "WaitForFirstConsumer");
}

const ks_str *ks_volume_attacher(const ks_object *volume) {
    return ks_str_or_null(ks_get2(volume->spec, K(csi), K(driver)));
}

const ks_str *ks_volume_unique_name(ks_heap *heap, const ks_object *volume) {
    static const ks_str plugin = {.refs = KS_IMMORTAL, .len = 18, .s = "kubernetes.io/csi/"};
    static const ks_str between = {.refs = KS_IMMORTAL, .len = 1, .s = "^"};
    ks_val csi = ks_get(volume->spec, K(csi));
    const ks_str *const parts[] = {&plugin, ks_str_or_null(ks_get(csi, K(driver))), &between,
                                   ks_str_or_null(ks_get(csi, K(volumeHandle)))};
    return ks_str_join(heap, parts, 4);
}

bool ks_volume_is_for(const ks_object *volume, const ks_object *claim) {
    ks_val ref = claim_ref(volume);
    if (!ks_exists(ref) || !ks_str_eq(ks_str_or_null(ks_get(ref, K(name))), claim->name) ||
        !ks_str_eq(ks_str_or_null(ks_get(ref, K(namespace))), claim->ns))
        return false;
    const ks_str *uid = ks_str_or_null(ks_get(ref, K(uid)));
    return uid == NULL || uid->len == 0 || ks_str_eq(uid, claim->uid);
}

static ks_quantity request_of(const ks_object *claim) {
    return ks_quantity_of(ks_get3(claim->spec, K(resources), K(requests), K(storage)));
}
static ks_quantity capacity_of(const ks_object *volume) {
    return ks_quantity_of(ks_get2(volume->spec, K(capacity), K(storage)));
}

static bool same_mode(const ks_object *volume, const ks_object *claim) {
    return strcmp(ks_text_or(ks_get(volume->spec, K(volumeMode)), "Filesystem"),
                  ks_text_or(ks_get(claim->spec, K(volumeMode)), "Filesystem")) == 0;
}
static bool same_attributes_class(const ks_object *volume, const ks_object *claim) {
    return strcmp(ks_text_or(ks_get(volume->spec, K(volumeAttributesClassName)), ""),
                  ks_text_or(ks_get(claim->spec, K(volumeAttributesClassName)), "")) == 0;
}

/* A set of access modes: bits in a fixed order. */
static unsigned modes(ks_val list) {
    static const char *const names[] = {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany",
                                        "ReadWriteOncePod"};
    unsigned set = 0;
    ks_each(mode, list) {
        for (unsigned i = 0; i < 4; i++)
            if (ks_text_is(*mode, names[i])) set |= 1U << i;
    }
    return set;
}
static int mode_count(unsigned set) {
    int n = 0;
    for (; set != 0; set &= set - 1) n++;
    return n;
}
static bool modes_cover(const ks_object *volume, const ks_object *claim) {
    unsigned want = modes(ks_get(claim->spec, K(accessModes)));
    return (want & ~modes(ks_get(volume->spec, K(accessModes)))) == 0;
}

const char *ks_volume_unfit(const ks_object *volume, const ks_object *claim, char text[320]) {
    if (ks_object_terminating(volume)) {
        snprintf(text, 320, "the volume is marked for deletion \"%s\"", volume->name->s);
        return text;
    }
    if (ks_quantity_value(capacity_of(volume)) < ks_quantity_value(request_of(claim)))
        return "requested PV is too small";
    if (strcmp(ks_volume_class(volume), ks_volume_class(claim)) != 0)
        return "storageClassName does not match";
    if (!same_attributes_class(volume, claim)) return "volumeAttributesClassName does not match";
    if (!same_mode(volume, claim)) return "incompatible volumeMode";
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
    ks_selector *selector; /* NULL: none */
    ks_val taken;
    bool delayed;
    ks_quantity request; /* the claim's */
    unsigned want;       /* its access modes */
    candidate best;
    bool refused; /* a volume that names the claim does not suit the node */
} search;

static bool is_taken(ks_val taken, const ks_str *name) {
    ks_each(t, taken) {
        if (ks_str_eq(ks_str_or_null(*t), name)) return true;
    }
    return false;
}

/* Which of two fitting volumes comes first: groups of equal modes by size, then what names the claim, then the smallest. */
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
    return order != 0 ? order < 0 : ks_str_cmp(one->volume->name, best->volume->name) < 0;
}

/* What costs least to know is asked first: there may be many. */
static void consider(ks_heap *heap, search *s, const ks_object *volume) {
    bool ours = ks_exists(claim_ref(volume));
    if (!ours &&
        (volume->phase != 'A' || strcmp(ks_volume_class(volume), ks_volume_class(s->claim)) != 0))
        return;
    candidate one = {.volume = volume,
                     .capacity = capacity_of(volume),
                     .modes = modes(ks_get(volume->spec, K(accessModes))),
                     .ours = ours};
    if (ks_quantity_cmp(one.capacity, s->request) < 0 ||
        (ks_len(s->taken) > 0 && is_taken(s->taken, volume->name)))
        return;
    bool covers = (s->want & ~one.modes) == 0;
    if (s->node == NULL && !covers) return;
    if (ks_object_terminating(volume) || !same_mode(volume, s->claim) ||
        !same_attributes_class(volume, s->claim))
        return;
    bool on_node =
        s->node == NULL || ks_node_selector_matches(
                               heap, ks_get2(volume->spec, K(nodeAffinity), K(required)), s->node);
    if (ours) {
        if (!ks_volume_is_for(volume, s->claim)) return;
        if (!on_node) s->refused = true;
    } else {
        if (s->delayed || !on_node) return;
        if (s->selector != NULL && !ks_selector_matches(s->selector, volume->labels)) return;
        if (!covers) return;
    }
    if (better(s, &one)) s->best = one;
}

static const ks_object *find(search *s) {
    ks_heap *heap = s->store->world->heap;
    const ks_object *claim = s->claim;
    s->request = request_of(claim);
    s->want = modes(ks_get(claim->spec, K(accessModes)));
    for (ks_namers n = ks_store_naming_it(s->store, KS_PV, claim); ks_namers_next(&n);)
        consider(heap, s, n.object);
    ks_namers free_ones = ks_store_naming(s->store, KS_PV, NULL, NULL);
    bool some = !s->delayed && ks_namers_next(&free_ones);
    if (some) {
        ks_val selector = ks_get(claim->spec, K(selector));
        if (ks_exists(selector)) {
            const ks_str *why = NULL;
            s->selector = ks_selector_of(heap, selector, &why);
            ks_str_unref(heap, why);
        }
        do consider(heap, s, free_ones.object);
        while (ks_namers_next(&free_ones));
        ks_selector_unref(heap, s->selector);
    }
    return s->refused ? NULL : s->best.volume;
}

const ks_object *ks_volume_for_claim(const ks_store *store, const ks_object *claim, bool delayed) {
    search s = {.store = store, .claim = claim, .delayed = delayed};
    return find(&s);
}

const ks_object *ks_volume_on_node(const ks_store *store, const ks_object *claim,
                                   const ks_object *node, ks_val taken) {
    search s = {.store = store, .claim = claim, .node = node, .taken = taken};
    return find(&s);
}
