/*
 * controllers/common.c - see common.h.
 */
#include "controllers/common.h"

#include <string.h>

uint64_t ks_text_hash(const ks_str *text) { return ks_hash_text(text, 0); }

/* --- pods --- */

ks_phase ks_phase_of(const ks_object *pod) {
    switch (pod->phase) {
    case '\0': return KS_PHASE_NONE;
    case 'P': return KS_PENDING;
    case 'R': return KS_RUNNING;
    case 'S': return KS_SUCCEEDED;
    case 'F': return KS_FAILED;
    default: return KS_UNKNOWN;
    }
}

bool ks_pod_active(const ks_object *pod) {
    return !ks_object_terminating(pod) && !ks_phase_finished(ks_phase_of(pod));
}

int64_t ks_pod_available_at(int64_t ready_since, int64_t min_ready_seconds) {
    if (min_ready_seconds == 0) return INT64_MIN;
    if (ready_since == KS_NEVER) return KS_NEVER;
    return ready_since + min_ready_seconds * KS_SECOND;
}

ks_val ks_put_pod_condition(ks_sim *sim, const ks_object *pod, ks_val status, const char *type,
                            const char *value, const char *reason, const char *message) {
    ks_heap *heap = sim->world.heap;
    ks_val list = ks_ref(ks_get(status, K(conditions)));
    uint32_t at = 0;
    while (at < ks_len(list) && !ks_text_is(ks_get(ks_at(list, at), K(type)), type)) at++;
    ks_val before = ks_at(list, at), since = ks_get(before, K(lastTransitionTime));
    bool stays = ks_text_is(ks_get(before, K(status)), value) && ks_exists(since);
    ks_val now = ks_map_of(heap, K(lastProbeTime), ks_null(), K(lastTransitionTime),
                           stays ? ks_ref(since) : ks_time_val(&sim->world, sim->world.now),
                           K(observedGeneration), ks_ref(ks_get(pod->meta, K(generation))),
                           K(status), ks_text(heap, value), K(type), ks_text(heap, type), NULL);
    if (reason != NULL) now = ks_put(heap, now, K(reason), ks_text(heap, reason));
    if (message != NULL) now = ks_put(heap, now, K(message), ks_text(heap, message));
    list = at < ks_len(list) ? ks_set_at(heap, list, at, now) : ks_append(heap, list, now);
    return ks_put(heap, status, K(conditions), list);
}

/* --- owners --- */

ks_val ks_controller_ref(const ks_object *object) {
    ks_each(owner, ks_get(object->meta, K(ownerReferences))) {
        if (ks_bool_or(ks_get(*owner, K(controller)), false)) return *owner;
    }
    return KS_NOTHING;
}

ks_val ks_owner_reference(ks_heap *heap, const ks_object *owner) {
    const ks_kind_info *info = ks_kind_get(owner->kind);
    return ks_map_of(heap, K(apiVersion), ks_text(heap, info->api_version), K(kind),
                     ks_text(heap, info->name), K(name), ks_string(owner->name), K(uid),
                     ks_string(owner->uid), K(controller), ks_bool(true), K(blockOwnerDeletion),
                     ks_bool(true), NULL);
}

ks_refusal *ks_write_owners(ks_sim *sim, const ks_object *object, ks_val refs) {
    ks_heap *heap = sim->world.heap;
    if (ks_len(refs) == 0) {
        ks_unref(heap, refs);
        refs = KS_NOTHING;
    }
    ks_val meta = ks_put(heap, ks_ref(object->meta), K(ownerReferences), refs);
    ks_val doc = ks_put(heap, ks_doc_ref(object), K(metadata), meta);
    return ks_server_update_object(&sim->server, object, doc, NULL);
}

/* Writes the owners of an object as the server has it. */
static bool patch_owners(ks_sim *sim, const ks_object *now, ks_val refs) {
    ks_refusal *refusal = ks_write_owners(sim, now, refs);
    bool fine = refusal == NULL;
    ks_refusal_free(sim->world.heap, refusal);
    return fine;
}

static bool is_of(ks_val ref, const ks_object *owner) {
    return ks_str_eq(ks_str_or_null(ks_get(ref, K(uid))), owner->uid);
}

/* What a patch by name is applied to. NULL: there is nothing of that name; *other: it is another object. */
static const ks_object *newest(const ks_sim *sim, const ks_object *read, bool *other) {
    const ks_store *server = &sim->server.store;
    const ks_object *now = ks_store_by_id(server, read->kind, read->id);
    *other = now == NULL && ks_store_get(server, read->kind, read->ns, read->name) != NULL;
    return now;
}

/* RecheckDeletionTimestamp: an uncached read. */
static bool may_adopt(const ks_sim *sim, const ks_object *owner) {
    bool other;
    const ks_object *now = newest(sim, owner, &other);
    return now != NULL && !ks_object_terminating(now);
}

bool ks_adopt(ks_sim *sim, const ks_object *object, const ks_object *owner, bool *adopted) {
    ks_heap *heap = sim->world.heap;
    bool other;
    if (adopted != NULL) *adopted = false;
    if (!may_adopt(sim, owner)) return false;
    const ks_object *now = newest(sim, object, &other);
    if (now == NULL) return !other;
    if (now->owner_uid != NULL && !ks_str_eq(now->owner_uid, owner->uid)) return false;
    ks_val refs = ks_ref(ks_get(now->meta, K(ownerReferences)));
    ks_val mine = ks_owner_reference(heap, owner);
    uint32_t at = 0;
    while (at < ks_len(refs) && !is_of(ks_at(refs, at), owner)) at++;
    /* a strategic merge patch puts a reference that is new in front of those that are there */
    refs = at < ks_len(refs) ? ks_set_at(heap, refs, at, mine) : ks_insert_at(heap, refs, 0, mine);
    bool fine = patch_owners(sim, now, refs);
    if (adopted != NULL) *adopted = fine;
    return fine;
}

bool ks_release(ks_sim *sim, const ks_object *object, const ks_object *owner) {
    ks_heap *heap = sim->world.heap;
    bool other;
    const ks_object *now = newest(sim, object, &other);
    if (now == NULL) return true;
    ks_val refs = ks_ref(ks_get(now->meta, K(ownerReferences)));
    for (uint32_t i = ks_len(refs); i-- > 0;)
        if (is_of(ks_at(refs, i), owner)) refs = ks_remove_at(heap, refs, i);
    return patch_owners(sim, now, refs);
}

void ks_keep_loose(ks_heap *heap, ks_tree *loose, const ks_change *change) {
    const ks_object *object = change->object, *old = change->old;
    bool is = change->type != KS_DELETED && object->owner_uid == NULL;
    if (change->type == KS_MODIFIED && old != NULL && (old->owner_uid == NULL) == is) return;
    ks_key at = {ks_text_hash(object->ns), object->id};
    if (is)
        ks_tree_put(heap, loose, at, ks_word(1));
    else if (loose->count > 0)
        ks_tree_del(heap, loose, at);
}

/* --- the rest --- */

ks_val ks_put_count(ks_heap *heap, ks_val status, const ks_str *key, int64_t count) {
    return ks_put(heap, status, key, count == 0 ? KS_NOTHING : ks_int(count));
}

int64_t ks_generation(const ks_object *object) {
    return ks_int_or(ks_get(object->meta, K(generation)), 0);
}

ks_val ks_template_meta(ks_heap *heap, ks_val template_meta) {
    return ks_map_of(heap, K(labels), ks_ref(ks_get(template_meta, K(labels))), K(annotations),
                     ks_ref(ks_get(template_meta, K(annotations))), K(finalizers),
                     ks_ref(ks_get(template_meta, K(finalizers))), NULL);
}

void ks_describe_object(ks_sim *sim, ks_kind kind, uint64_t id, ks_buf *out) {
    const ks_object *object = ks_store_by_id(ks_view(sim), kind, id);
    if (object == NULL) {
        ks_buf_printf(out, "#%llu", (unsigned long long)id);
        return;
    }
    if (object->ns != NULL) {
        ks_buf_str(out, object->ns);
        ks_buf_putc(out, '/');
    }
    ks_buf_str(out, object->name);
}

bool ks_labels_contain(ks_val labels, ks_val subset) {
    if (ks_is(labels, KS_MAP) && ks_is(subset, KS_MAP) && labels.m == subset.m) return true;
    for (uint32_t i = 0; i < ks_len(subset); i++) {
        const ks_pair *pair = ks_pair_at(subset, i);
        const ks_str *value = ks_str_or_null(ks_get(labels, pair->key));
        if (value == NULL || !ks_str_eq(value, ks_str_or_null(pair->val))) return false;
    }
    return true;
}

bool ks_namespace_is_terminating(const ks_refusal *refusal) {
    ks_each(cause, refusal->causes) {
        if (ks_text_is(ks_get(*cause, K(reason)), "NamespaceTerminating")) return true;
    }
    return false;
}

void ks_objects_add(ks_heap *heap, ks_objects *list, const ks_object *object) {
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 8 : 2 * list->cap;
        list->items = ks_resize(heap, list->items, list->cap * sizeof *list->items,
                                cap * sizeof *list->items);
        list->cap = cap;
    }
    list->items[list->count++] = ks_object_ref(object);
}

void ks_objects_dispose(ks_heap *heap, ks_objects *list) {
    for (size_t i = 0; i < list->count; i++) ks_object_unref(heap, list->items[i]);
    ks_free(heap, list->items, list->cap * sizeof *list->items);
    *list = (ks_objects){NULL, 0, 0};
}
