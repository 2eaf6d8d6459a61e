/*
 * store/naming.c - who names whom; see naming.h. store.c calls the second half as objects are written and go.
 */
#include "store/naming.h"
#include "store/object_internal.h"

const ks_str *ks_volume_claim_name(ks_heap *heap, const ks_object *pod, ks_val volume) {
    ks_val claim = ks_get(volume, K(persistentVolumeClaim));
    if (ks_exists(claim)) return ks_str_ref(ks_str_or_null(ks_get(claim, K(claimName))));
    if (!ks_exists(ks_get(volume, K(ephemeral)))) return NULL;
    return ks_str_printf(heap, "%s-%s", pod->name->s, ks_text_or(ks_get(volume, K(name)), ""));
}

const ks_str *ks_claim_made_for_other(ks_heap *heap, const ks_object *claim, const ks_object *pod) {
    if (ks_str_eq(claim->owner_uid, pod->uid)) return NULL;
    return ks_str_printf(heap, "PVC %s/%s was not created for pod %s/%s (pod is not owner)",
                         claim->ns->s, claim->name->s, pod->ns->s, pod->name->s);
}

/* Whether a pod's volume is that claim. */
static bool is_claim(ks_heap *heap, const ks_object *pod, ks_val volume, const ks_str *claim) {
    ks_val source = ks_get(volume, K(persistentVolumeClaim));
    if (ks_exists(source)) return ks_str_eq(ks_str_or_null(ks_get(source, K(claimName))), claim);
    const ks_str *name = ks_volume_claim_name(heap, pod, volume);
    bool is = name != NULL && ks_str_eq(name, claim);
    ks_str_unref(heap, name);
    return is;
}

bool ks_pod_names_claim(ks_heap *heap, const ks_object *pod, const ks_str *claim) {
    if (!pod->claims || claim == NULL) return false;
    ks_each(volume, ks_get(pod->spec, K(volumes))) {
        if (is_claim(heap, pod, *volume, claim)) return true;
    }
    return false;
}

/* The one name in a claim, volume or attachment, and its namespace, borrowed; NULL: none. */
static const ks_str *name_in(const ks_object *o, const ks_str **ns) {
    ks_val ref, name;
    *ns = NULL;
    if (o->kind == KS_PVC) {
        name = ks_get(o->spec, K(volumeName));
    } else if (o->kind == KS_PV) {
        ref = ks_get(o->spec, K(claimRef));
        name = ks_get(ref, K(name));
        *ns = ks_str_or_null(ks_get(ref, K(namespace)));
    } else {
        name = ks_get2(o->spec, K(source), K(persistentVolumeName));
    }
    return name.type == KS_STRING && name.s->len > 0 ? name.s : NULL;
}

/* --- from a version to what it names --- */

/* Claims and attachments know their volume, volumes and pods their claim. */
static bool knows(const ks_object *o) {
    switch (o->kind) {
    case KS_POD: return o->claims > 0;
    case KS_PVC:
    case KS_PV:
    case KS_VOLUMEATTACHMENT: return true;
    default: return false;
    }
}

static ks_kind kind_named_by(ks_kind kind) {
    return kind == KS_POD || kind == KS_PV ? KS_PVC : KS_PV;
}

static bool is_called(const ks_object *o, const ks_str *ns, const ks_str *name) {
    return o != NULL && ks_str_eq(o->name, name) && ks_str_eq(o->ns, ns);
}

static const ks_object *find(const ks_store *s, const ks_object *from, const ks_str *ns,
                             const ks_str *name) {
    ks_kind kind = kind_named_by(from->kind);
    const ks_object *object = ks_store__resolve(s, from->named);
    if (is_called(object, ns, name)) return object;
    object = ks_store__resolve(s, s->expected);
    if (is_called(object, ns, name) && object->kind == kind) return object;
    return ks_store_get(s, kind, ns, name);
}

uint64_t ks_named_id(const ks_object *object) { return ks_store__id_at(object->named); }

void ks_store_expect(ks_store *s, const ks_object *named) { s->expected = ks_store__place(named); }

const ks_object *ks_store_claim_of(const ks_store *s, const ks_object *pod, const ks_str *claim) {
    return find(s, pod, pod->ns, claim);
}

const ks_object *ks_store_only_claim(const ks_store *s, const ks_object *pod) {
    return pod->claims == 1 && !pod->makes_claims ? ks_store__resolve(s, pod->named) : NULL;
}

bool ks_names(const ks_object *object, const ks_object *named) {
    if (object->named == ks_store__place(named)) return true;
    const ks_str *ns, *name = name_in(object, &ns);
    return ks_str_eq(name, named->name) && ks_str_eq(ns, named->ns);
}

bool ks_is_exactly_for(const ks_object *volume, const ks_object *claim) {
    return volume->exact && volume->named == ks_store__place(claim);
}

/* What it has noted is what it names: both are of the version, and what is there has the name that it had then. */
const ks_object *ks_store_named_by(const ks_store *s, const ks_object *object) {
    const ks_object *noted = object->kind == KS_POD ? NULL : ks_store__resolve(s, object->named);
    if (noted != NULL) return noted;
    const ks_str *ns, *name = name_in(object, &ns);
    return name == NULL ? NULL : find(s, object, ns, name);
}

/* Where versions of a kind say what they name. */
static const ks_str *place_of_names(ks_kind kind) {
    return kind == KS_POD   ? K(volumes)
           : kind == KS_PVC ? K(volumeName)
           : kind == KS_PV  ? K(claimRef)
                            : K(source);
}

/* Whether two versions name the very same, as far as a look at where it stands can tell. */
static bool names_the_same(const ks_object *a, const ks_object *b) {
    if (ks_identical(a->spec, b->spec)) return true;
    const ks_str *where = place_of_names(a->kind);
    return ks_identical(ks_get(a->spec, where), ks_get(b->spec, where));
}

/* The first claim of a pod; NULL: none. */
static const ks_object *first_claim(const ks_store *s, const ks_object *pod) {
    ks_heap *heap = s->world->heap;
    ks_each(volume, ks_get(pod->spec, K(volumes))) {
        const ks_str *name = ks_volume_claim_name(heap, pod, *volume);
        const ks_object *claim = name == NULL ? NULL : find(s, pod, pod->ns, name);
        ks_str_unref(heap, name);
        if (claim != NULL) return claim;
    }
    return NULL;
}

static bool has_uid_of(const ks_object *volume, const ks_object *claim) {
    const ks_str *uid = ks_str_or_null(ks_get2(volume->spec, K(claimRef), K(uid)));
    return uid != NULL && uid->len > 0 && ks_str_eq(uid, claim->uid);
}

void ks_store__note_named(ks_store *s, ks_object *object, const ks_object *old) {
    if (!knows(object)) return;
    if (old != NULL && old->named != 0 && names_the_same(object, old)) {
        object->named = old->named;
        object->exact = old->exact;
        return;
    }
    const ks_object *named =
        object->kind == KS_POD ? first_claim(s, object) : ks_store_named_by(s, object);
    if (named == NULL) return;
    object->named = ks_store__place(named);
    if (object->kind == KS_PV) object->exact = has_uid_of(object, named);
}

/* --- the index --- */

static bool names(ks_heap *heap, const ks_object *o, const ks_str *ns, const ks_str *name) {
    if (o->kind == KS_POD) return ks_str_eq(o->ns, ns) && ks_pod_names_claim(heap, o, name);
    const ks_str *where, *what = name_in(o, &where);
    return ks_str_eq(what, name) && ks_str_eq(where, ns);
}

/* A claim's pods, or its volumes; a volume's attachments. */
static int ties_of(ks_kind kind) { return kind != KS_POD; }

const ks_ties *ks_store__ties_of(const ks_store *s, ks_kind kind) {
    return &s->named[ties_of(kind)];
}

static ks_namers by_name(const ks_store *s, ks_kind kind, const ks_str *ns, const ks_str *name) {
    ks_namers n = {.store = s, .ns = ns, .name = name};
    if (ks_links_any(&s->unmet))
        n.link = ks_links_of(&s->unmet, ks_store__name_key(kind, ns, name));
    return n;
}

ks_namers ks_store_naming_it(const ks_store *s, ks_kind kind, const ks_object *named) {
    ks_namers n = {.store = s, .link = ks_ties_of(&s->named[ties_of(kind)], named->id)};
    if (n.link.only != 0 || ks_ids_get(&s->by_id[named->kind], named->id) != NULL) return n;
    return ks_store_naming(s, kind, named->ns, named->name);
}

ks_namers ks_store_naming(const ks_store *s, ks_kind kind, const ks_str *ns, const ks_str *name) {
    const ks_object *named = ks_store_get(s, kind_named_by(kind), ns, name);
    return named != NULL ? ks_store_naming_it(s, kind, named) : by_name(s, kind, ns, name);
}

ks_namers ks_store_sharing(const ks_store *s, const ks_object *pod, const ks_str *claim) {
    const ks_object *named = ks_store_claim_of(s, pod, claim);
    return named != NULL ? ks_store_naming_it(s, KS_POD, named)
                         : by_name(s, KS_POD, pod->ns, claim);
}

bool ks_namers_next(ks_namers *n) {
    while (ks_link_next(&n->link)) {
        if (n->but != 0 && ks_store__id_at(n->link.id) == n->but) continue;
        n->object = ks_store__resolve(n->store, n->link.id);
        if (n->object == NULL) continue;
        if (n->name == NULL || names(n->store->world->heap, n->object, n->ns, n->name)) return true;
    }
    return false;
}

/* --- as objects are written and go --- */

static void add(ks_store *s, const ks_object *o, const ks_str *ns, const ks_str *name) {
    ks_heap *heap = s->world->heap;
    const ks_object *named = find(s, o, ns, name);
    if (named != NULL)
        ks_ties_add(heap, &s->named[ties_of(o->kind)], named->id, ks_store__place(o));
    else
        ks_links_add(heap, &s->unmet, ks_store__name_key(o->kind, ns, name), ks_store__place(o));
}

static void take(ks_store *s, const ks_object *o, const ks_str *ns, const ks_str *name) {
    ks_heap *heap = s->world->heap;
    const ks_object *named = find(s, o, ns, name);
    if (named != NULL)
        ks_ties_del(heap, &s->named[ties_of(o->kind)], named->id, ks_store__place(o));
    else
        ks_links_del(heap, &s->unmet, ks_store__name_key(o->kind, ns, name), ks_store__place(o));
}

/* An object is there: it has those of a kind that name it. */
static void meet(ks_store *s, const ks_object *named, ks_kind kind) {
    ks_heap *heap = s->world->heap;
    ks_key key = ks_store__name_key(kind, named->ns, named->name);
    for (ks_namers n = by_name(s, kind, named->ns, named->name); ks_namers_next(&n);) {
        ks_ties_add(heap, &s->named[ties_of(kind)], named->id, n.link.id);
        ks_links_del(heap, &s->unmet, key, n.link.id);
    }
}

/* It goes, and they go on naming it. */
static void part(ks_store *s, const ks_object *named, ks_kind kind) {
    ks_heap *heap = s->world->heap;
    ks_ties *ties = &s->named[ties_of(kind)];
    ks_link link = ks_ties_of(ties, named->id);
    if (link.only == 0) return;
    ks_key key = ks_store__name_key(kind, named->ns, named->name);
    while (ks_link_next(&link)) {
        ks_links_add(heap, &s->unmet, key, link.id);
        ks_ties_del(heap, ties, named->id, link.id);
    }
}

void ks_store__named_comes(ks_store *s, const ks_object *object) {
    if (!ks_links_any(&s->unmet)) return;
    if (object->kind == KS_PVC) meet(s, object, KS_POD);
    if (object->kind == KS_PVC) meet(s, object, KS_PV);
    if (object->kind == KS_PV) meet(s, object, KS_VOLUMEATTACHMENT);
}

void ks_store__named_goes(ks_store *s, const ks_object *object) {
    if (object->kind == KS_PVC) part(s, object, KS_POD);
    if (object->kind == KS_PVC) part(s, object, KS_PV);
    if (object->kind == KS_PV) part(s, object, KS_VOLUMEATTACHMENT);
}

/* Puts the object where those are found that name what it names, or takes it away from there. */
static void index_names(ks_store *s, const ks_object *o,
                        void (*change)(ks_store *, const ks_object *, const ks_str *ns,
                                       const ks_str *name)) {
    ks_heap *heap = s->world->heap;
    if (o->kind == KS_POD) {
        ks_each(volume, ks_get(o->spec, K(volumes))) {
            const ks_str *name = ks_volume_claim_name(heap, o, *volume);
            if (name != NULL) change(s, o, o->ns, name);
            ks_str_unref(heap, name);
        }
        return;
    }
    const ks_str *ns, *name = name_in(o, &ns);
    if (name != NULL) change(s, o, ns, name);
}

void ks_store__index_named(ks_store *s, const ks_object *object, const ks_object *old) {
    ks_kind kind = object != NULL ? object->kind : old->kind;
    if (kind != KS_POD && kind != KS_PV && kind != KS_VOLUMEATTACHMENT) return;
    if (kind == KS_POD && !(object != NULL && object->claims) && !(old != NULL && old->claims))
        return;
    if (object != NULL && old != NULL) {
        bool one = kind != KS_POD && object->named != 0 && object->named == old->named;
        if (one || names_the_same(object, old)) return;
    }
    if (old != NULL) index_names(s, old, take);
    if (object != NULL) index_names(s, object, add);
}
