/*
 * store/object.c - versions of objects and changes: counting, and the header that is read off the document.
 */
#include "store/object_internal.h"
#include "api/values.h"

const ks_object *ks_object_ref(const ks_object *object) {
    if (object != NULL) ((ks_object *)object)->refs++;
    return object;
}

void ks_object_unref(ks_heap *heap, const ks_object *object) {
    ks_object *mutable = (ks_object *)object;
    if (mutable == NULL || --mutable->refs > 0) return;
    ks_unref(heap, mutable->doc);
    ks_free(heap, mutable, sizeof *mutable);
}

const ks_change *ks_change_ref(const ks_change *change) {
    ((ks_change *)change)->refs++;
    return change;
}

void ks_change_unref(ks_heap *heap, const ks_change *change) {
    ks_change *mutable = (ks_change *)change;
    if (mutable == NULL || --mutable->refs > 0) return;
    ks_object_unref(heap, mutable->object);
    ks_object_unref(heap, mutable->old);
    ks_free(heap, mutable, sizeof *mutable);
}

ks_val ks_object_doc(ks_heap *heap, const ks_object *object) {
    if (object->version == 0) return ks_ref(object->doc); /* answered to a dry run, never stored */
    ks_val version = ks_format(heap, "%llu", (unsigned long long)object->version);
    ks_val meta = ks_put(heap, ks_ref(object->meta), K(resourceVersion), version);
    return ks_put(heap, ks_ref(object->doc), K(metadata), meta);
}

/* The uid of the ownerReference that is the controller, or NULL. */
static const ks_str *controller_uid(ks_val meta) {
    ks_each(owner, ks_get(meta, K(ownerReferences))) {
        if (ks_bool_or(ks_get(*owner, K(controller)), false))
            return ks_str_or_null(ks_get(*owner, K(uid)));
    }
    return NULL;
}

/* The instant of a time stamp; an old version with the very same value has worked it out already. */
static int64_t instant(const ks_world *world, ks_val time, ks_val old_time, int64_t old_instant) {
    if (time.type == KS_STRING && old_time.type == KS_STRING && time.s == old_time.s)
        return old_instant;
    return ks_instant_of(world, time);
}

const ks_object *ks_object__new(ks_world *world, ks_kind kind, ks_val doc, const ks_object *old,
                                uint64_t id, uint64_t version) {
    ks_object *o = ks_alloc(world->heap, sizeof *o);
    ks_val meta = ks_get(doc, K(metadata)), old_meta = old == NULL ? KS_NOTHING : old->meta;
    *o = (ks_object){.refs = 1, .kind = kind, .id = id, .version = version, .doc = doc, .meta = meta};
    o->spec = ks_get(doc, K(spec));
    o->status = ks_get(doc, K(status));
    o->labels = ks_get(meta, K(labels));
    o->ns = ks_str_or_null(ks_get(meta, K(namespace)));
    o->name = ks_str_or_null(ks_get(meta, K(name)));
    o->uid = ks_str_or_null(ks_get(meta, K(uid)));
    o->node = kind == KS_POD ? ks_str_or_null(ks_get(o->spec, K(nodeName))) : NULL;
    if (o->node != NULL && o->node->len == 0) o->node = NULL;
    o->owner_uid = controller_uid(meta);
    o->created = instant(world, ks_get(meta, K(creationTimestamp)),
                         ks_get(old_meta, K(creationTimestamp)), old == NULL ? 0 : old->created);
    o->deleting = instant(world, ks_get(meta, K(deletionTimestamp)),
                          ks_get(old_meta, K(deletionTimestamp)),
                          old == NULL ? KS_NEVER : old->deleting);
    return o;
}
