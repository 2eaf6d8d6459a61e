/*
 * store/past.c - what there was of a kind at an earlier version, from what is there and the log of
 * changes since.
 *
 * k8s.io/apiserver/pkg/storage/etcd3/store.go reads old versions from etcd; here they are undone.
 * Costs what has changed since. Called for lists that go on where an earlier page ended.
 */
#include "store/store.h"

static void ref_object(void *value) {
    if (value != NULL) ks_object_ref(value);
}
static void unref_object(ks_heap *heap, void *value) { ks_object_unref(heap, value); }
static const ks_tree_type past_type = {NULL, NULL, NULL, ref_object, unref_object};

static ks_key key_of(uint64_t id) { return (ks_key){0, id}; }

bool ks_past_open(const ks_store *s, ks_kind kind, uint64_t version, ks_past *out) {
    const ks_change *change;
    *out = (ks_past){.then = {.type = &past_type}};
    if (version < s->compacted) return false;
    for (uint64_t at = version; ks_store_since(s, kind, at, &change) && change != NULL;
         at = change->version) {
        ks_key key = key_of(change->object->id);
        /* the first change since then knows what was before it */
        if (ks_tree_has(&out->then, key)) continue;
        ks_object_ref(change->old);
        ks_tree_put(s->world->heap, &out->then, key, (void *)change->old);
    }
    return true;
}

void ks_past_walk(const ks_store *s, ks_kind kind, const ks_past *past,
                  void (*found)(void *payload, const ks_object *object), void *payload) {
    for (ks_walk w = ks_walk_kind(s, kind, NULL); ks_walk_next(&w);)
        if (!ks_tree_has(&past->then, key_of(w.object->id))) found(payload, w.object);
    for (ks_tree_iter it = ks_tree_begin(&past->then); ks_tree_next(&it);)
        if (it.value != NULL) found(payload, it.value);
}

void ks_past_dispose(const ks_store *s, ks_past *past) {
    ks_tree_clear(s->world->heap, &past->then);
}
