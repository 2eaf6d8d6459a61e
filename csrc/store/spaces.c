/*
 * store/spaces.c - which objects of a kind are in which namespace, and which pods have which label, for walks through some of many; called
 * by store.c.
 *
 * Nothing is done for it when objects come: who asks for a namespace's objects of a kind, or for the pods with a label, enters those that
 * came since the last one asked. While all of a kind are in one namespace that is noted, and nothing else; and labels are entered only
 * once walks without that have cost more. What a look enters is
 * exchanged when it is whole, so that it is right whenever memory runs out; what a write takes out goes with the write, if that is put
 * back. Forks and snapshots share it, and each goes on from there.
 */
#include "store/object_internal.h"

/* Of one kind. */
typedef struct space_index {
    uint64_t known; /* objects with ids up to here are in it */
    uint64_t only;  /* hash of the namespace that all are in, while `ids` is empty */
    ks_tree ids;    /* {hash of the namespace, id} -> its place */
} space_index;

struct ks_spaces {
    uint32_t refs;
    space_index of[KS_KIND_COUNT];
    ks_tree labels;    /* {hash of namespace, key and value, id} -> its place: pods */
    uint64_t labelled; /* pods with ids up to here are in it; 0: none is */
};

static uint64_t hash_of(const ks_str *ns) { return ks_store_hash(NULL, ns); }

static const ks_str *namespace_of(const void *version) {
    const ks_brief *brief = ks_version__brief(version);
    return brief != NULL ? brief->type->ns(brief) : ((const ks_object *)version)->ns;
}

void ks_spaces__ref(struct ks_spaces *spaces) {
    if (spaces != NULL) spaces->refs++;
}

void ks_spaces__unref(ks_heap *heap, struct ks_spaces *spaces) {
    if (spaces == NULL || --spaces->refs > 0) return;
    for (int kind = 0; kind < KS_KIND_COUNT; kind++) ks_tree_clear(heap, &spaces->of[kind].ids);
    ks_tree_clear(heap, &spaces->labels);
    ks_free(heap, spaces, sizeof *spaces);
}

/* One to work on; the store does not have it yet. */
static struct ks_spaces *copy_of(const ks_store *s) {
    struct ks_spaces *copy = ks_alloc_zero(s->world->heap, sizeof *copy);
    if (s->spaces != NULL) *copy = *s->spaces;
    copy->refs = 1;
    for (int kind = 0; kind < KS_KIND_COUNT; kind++)
        copy->of[kind].ids = ks_tree_copy(&copy->of[kind].ids);
    copy->labels = ks_tree_copy(&copy->labels);
    return copy;
}

static void exchange(ks_store *s, struct ks_spaces *made) {
    struct ks_spaces *before = s->spaces;
    s->spaces = made;
    ks_spaces__unref(s->world->heap, before);
}

/* Enters the objects with ids from `first` on. */
static void enter(const ks_store *s, ks_kind kind, uint64_t first, space_index *index) {
    for (ks_ids_iter it = ks_ids_from(&s->by_id[kind], first); ks_ids_next(&it);)
        ks_tree_put(s->world->heap, &index->ids, (ks_key){hash_of(namespace_of(it.value)), it.id},
                    (void *)(uintptr_t)ks_store__place_of(kind, it.id));
}

/* Whether all objects that came are in the only namespace there is. */
static bool is_alone(const ks_store *s, ks_kind kind, space_index *index) {
    const ks_str *last = NULL;
    if (index->ids.count > 0) return false;
    for (ks_ids_iter it = ks_ids_from(&s->by_id[kind], index->known + 1); ks_ids_next(&it);) {
        const ks_str *ns = namespace_of(it.value);
        if (ns == last) continue;
        last = ns;
        if (index->only == 0) index->only = hash_of(ns);
        if (index->only != hash_of(ns)) return false;
    }
    return true;
}

static void catch_up(ks_store *s, ks_kind kind) {
    struct ks_spaces *made = copy_of(s);
    space_index *index = &made->of[kind];
    if (!is_alone(s, kind, index))
        enter(s, kind, index->ids.count > 0 ? index->known + 1 : 0, index);
    index->known = s->last_id;
    exchange(s, made);
}

static bool any_since(const ks_store *s, ks_kind kind, uint64_t known) {
    ks_ids_iter it = ks_ids_from(&s->by_id[kind], known + 1);
    return ks_ids_next(&it);
}

enum ks_spaces_answer ks_spaces__look(const ks_store *s, ks_kind kind, const ks_str *ns,
                                      const ks_tree **ids, uint64_t *hash) {
    if (s->spaces == NULL || any_since(s, kind, s->spaces->of[kind].known))
        catch_up((ks_store *)s, kind);
    const space_index *index = &s->spaces->of[kind];
    *hash = hash_of(ns);
    *ids = &index->ids;
    if (index->ids.count > 0) return KS_SPACES_INDEXED;
    return index->only == *hash ? KS_SPACES_ALL : KS_SPACES_NONE;
}

/* The store's own. */
static struct ks_spaces *own(ks_store *s) {
    if (s->spaces->refs > 1) exchange(s, copy_of(s));
    return s->spaces;
}

/* --- pods by label --- */

static uint64_t label_hash(const ks_str *ns, const ks_pair *label) {
    return ks_store_hash(ns, label->key) ^ ks_store_hash(label->key, label->val.s);
}

/* Enters a pod's labels, or takes them out. */
static void enter_labels(ks_heap *heap, ks_tree *labels, const ks_object *pod, bool there) {
    for (uint32_t i = 0; i < ks_len(pod->labels); i++) {
        const ks_pair *label = ks_pair_at(pod->labels, i);
        if (label->val.type != KS_STRING) continue;
        ks_key key = {label_hash(pod->ns, label), pod->id};
        if (there)
            ks_tree_put(heap, labels, key, (void *)(uintptr_t)ks_store__place_of(KS_POD, pod->id));
        else
            ks_tree_del(heap, labels, key);
    }
}

static void catch_up_with_labels(ks_store *s) {
    struct ks_spaces *made = copy_of(s);
    for (ks_ids_iter it = ks_ids_from(&s->by_id[KS_POD], made->labelled + 1); ks_ids_next(&it);)
        enter_labels(s->world->heap, &made->labels, it.value, true);
    made->labelled = s->last_id;
    exchange(s, made);
}

const ks_tree *ks_spaces__labelled(const ks_store *s, const ks_str *ns, const ks_pair *label,
                                   uint64_t *hash) {
    enum { WALKS = 8 }; /* so many walks through all pods cost what entering all does */
    bool active = s->spaces != NULL && s->spaces->labelled > 0;
    if (label->val.type != KS_STRING) return NULL;
    if (!active &&
        (((ks_store *)s)->walked += s->by_id[KS_POD].count) < WALKS * s->by_id[KS_POD].count)
        return NULL;
    if (!active || any_since(s, KS_POD, s->spaces->labelled)) catch_up_with_labels((ks_store *)s);
    *hash = label_hash(ns, label);
    return &s->spaces->labels;
}

void ks_spaces__relabel(ks_store *s, const ks_object *pod, const ks_object *old) {
    if (s->spaces == NULL || old->id > s->spaces->labelled || ks_equal(pod->labels, old->labels))
        return;
    ks_tree *labels = &own(s)->labels;
    enter_labels(s->world->heap, labels, old, false);
    enter_labels(s->world->heap, labels, pod, true);
}

/* --- what goes --- */

void ks_spaces__forget(ks_store *s, const ks_object *object) {
    if (s->spaces == NULL || object->ns == NULL) return;
    if (object->kind == KS_POD && object->id <= s->spaces->labelled)
        enter_labels(s->world->heap, &own(s)->labels, object, false);
    const space_index *index = &s->spaces->of[object->kind];
    if (index->ids.count == 0 || object->id > index->known) return;
    ks_tree_del(s->world->heap, &own(s)->of[object->kind].ids,
                (ks_key){hash_of(object->ns), object->id});
}
