/*
 * store/object.c - versions of objects and changes: counting, and the header that is read off the
 * document.
 */
#include "api/values.h"
#include "store/object_internal.h"

const ks_object *ks_object_ref(const ks_object *object) {
    if (object != NULL) ((ks_object *)object)->refs++;
    return object;
}

void ks_object_unref(ks_heap *heap, const ks_object *object) {
    ks_object *mutable = (ks_object *)object;
    if (mutable == NULL || --mutable->refs > 0) return;
    if (mutable->kind == KS_PV) ks_str_unref(heap, mutable->attached_as);
    if (mutable->apart) {
        ks_unref(heap, mutable->meta);
        ks_unref(heap, mutable->spec);
        ks_unref(heap, mutable->status);
    }
    if (mutable->whole != NULL) ks_unref(heap, ks_doc(mutable));
    ks_free(heap, mutable, sizeof *mutable);
}

const ks_change *ks_change_ref(const ks_change *change) {
    ((ks_change *)change)->refs++;
    return change;
}

void ks_change_unref(ks_heap *heap, const ks_change *change) {
    ks_change *mutable = (ks_change *)change;
    if (mutable == NULL || --mutable->refs > 0) return;
    ks_version__unref(heap, mutable->object);
    ks_version__unref(heap, mutable->old);
    ks_free(heap, mutable, sizeof *mutable);
}

/* --- the whole document --- */

/* What a version that is written in parts has in front of them. */
static const ks_str *api_version_of(ks_kind kind) {
    return kind == KS_VOLUMEATTACHMENT ? K(storage_k8s_io_v1) : K(v1);
}
static const ks_str *name_of(ks_kind kind) {
    switch (kind) {
    case KS_POD: return K(Pod);
    case KS_PVC: return K(PersistentVolumeClaim);
    case KS_PV: return K(PersistentVolume);
    default: return K(VolumeAttachment);
    }
}

/* Pairs in key order, borrowed; with that metadata. How many they are. */
static uint32_t list_members(const ks_object *o, ks_val meta, ks_pair out[KS_DOC_PARTS]) {
    const ks_pair all[KS_DOC_PARTS] = {{K(apiVersion), ks_string(api_version_of(o->kind))},
                                       {K(kind), ks_string(name_of(o->kind))},
                                       {K(metadata), meta},
                                       {K(spec), o->spec},
                                       {K(status), o->status}};
    uint32_t n = 0;
    for (int i = 0; i < KS_DOC_PARTS; i++)
        if (all[i].val.type != KS_NONE) out[n++] = all[i];
    return n;
}

/* A new document of a version that holds its parts, with that metadata (taken over). */
static ks_val composed(ks_heap *heap, const ks_object *o, ks_val meta) {
    ks_pair members[KS_DOC_PARTS];
    uint32_t n = list_members(o, meta, members);
    ks_val doc = ks_map_new(heap, n);
    for (uint32_t i = 0; i < n; i++) {
        if (members[i].key != K(metadata)) ks_ref(members[i].val);
        ks_map_push(heap, &doc, members[i].key, members[i].val);
    }
    return doc;
}

ks_val ks_object__compose(const ks_object *object) {
    ks_val doc = composed(object->heap, object, ks_ref(object->meta));
    ((ks_object *)object)->whole = doc.m;
    return doc;
}

ks_val ks_doc_ref(const ks_object *object) {
    if (object->whole != NULL) return ks_ref(ks_doc(object));
    return composed(object->heap, object, ks_ref(object->meta));
}

ks_val ks_doc_look(const ks_object *object, ks_doc_room *room) {
    if (object->whole != NULL) return ks_doc(object);
    room->whole.refs = 1;
    room->whole.cap = KS_DOC_PARTS;
    room->whole.len = list_members(object, object->meta, room->whole.pairs);
    return (ks_val){.type = KS_MAP, .m = &room->map};
}

bool ks_doc_is(const ks_object *object, ks_val doc) {
    ks_doc_room room;
    return ks_equal(doc, ks_doc_look(object, &room));
}

ks_val ks_object_doc(ks_heap *heap, const ks_object *object) {
    if (object->version == 0) return ks_doc_ref(object); /* answered to a dry run, never stored */
    ks_val version = ks_format(heap, "%llu", (unsigned long long)object->version);
    ks_val meta = ks_put(heap, ks_ref(object->meta), K(resourceVersion), version);
    if (object->whole == NULL) return composed(heap, object, meta);
    return ks_put(heap, ks_ref(ks_doc(object)), K(metadata), meta);
}

/* --- the header --- */

/* The uid of the ownerReference that is the controller, or NULL. */
static const ks_str *controller_uid(ks_val owners) {
    ks_each(owner, owners) {
        if (ks_bool_or(ks_get(*owner, K(controller)), false))
            return ks_str_or_null(ks_get(*owner, K(uid)));
    }
    return NULL;
}

/* An instant in metadata; one that the version before had there need not be parsed again. */
static int64_t instant_in(const ks_world *world, const ks_object *old, const ks_pair *p,
                          int64_t before) {
    if (old != NULL && ks_identical(ks_get(old->meta, p->key), p->val)) return before;
    return ks_instant_of(world, p->val);
}

/* What stands in metadata, in one walk over it. */
static void read_meta(ks_world *world, ks_object *o, const ks_object *old) {
    o->deleting = KS_NEVER;
    o->created = KS_NEVER;
    const ks_val meta = o->meta;
    uint32_t left = ks_is(meta, KS_MAP) ? ks_len(meta) : 0;
    for (const ks_pair *p = left > 0 ? ks_pair_at(meta, 0) : NULL; left > 0; p++, left--) {
        if (p->key == K(name))
            o->name = ks_str_or_null(p->val);
        else if (p->key == K(namespace))
            o->ns = ks_str_or_null(p->val);
        else if (p->key == K(uid))
            o->uid = ks_str_or_null(p->val);
        else if (p->key == K(labels))
            o->labels = p->val;
        else if (p->key == K(ownerReferences))
            o->owner_uid = controller_uid(o->owners = p->val);
        else if (p->key == K(creationTimestamp))
            o->created = instant_in(world, old, p, old != NULL ? old->created : 0);
        else if (p->key == K(deletionTimestamp))
            o->deleting = instant_in(world, old, p, old != NULL ? old->deleting : 0);
        else if (p->key == K(generation))
            o->first = ks_is(p->val, KS_INT) && p->val.i == 1;
    }
}

static bool same(ks_val x, ks_val y) { return ks_is(x, KS_MAP) && ks_identical(x, y); }

/* A condition's type: of its keys it is the last one, mostly. */
static ks_val type_of(ks_val condition) {
    uint32_t len = ks_is(condition, KS_MAP) ? ks_len(condition) : 0;
    const ks_pair *last = len > 0 ? ks_pair_at(condition, len - 1) : NULL;
    return last != NULL && last->key == K(type) ? last->val : ks_get(condition, K(type));
}

static void read_conditions(const ks_world *world, ks_object *o, ks_val conditions) {
    bool seen = false;
    ks_each(condition, conditions) {
        const ks_str *type = ks_str_or_null(type_of(*condition));
        if (ks_str_is(type, "DisruptionTarget")) o->disrupted = true;
        if (seen || (type != K(Ready) && !ks_str_is(type, "Ready"))) continue;
        seen = true;
        const ks_str *status = ks_str_or_null(ks_get(*condition, K(status)));
        o->ready = status == K(True) || ks_str_is(status, "True");
        if (o->ready)
            o->ready_since = ks_instant_of(world, ks_get(*condition, K(lastTransitionTime)));
    }
}

static void count_claims(ks_object *o, ks_val volumes) {
    ks_each(volume, volumes) {
        bool makes = ks_exists(ks_get(*volume, K(ephemeral)));
        if (makes) o->makes_claims = true;
        if (!makes && !ks_exists(ks_get(*volume, K(persistentVolumeClaim)))) continue;
        if (o->claims < UINT8_MAX) o->claims++;
    }
}

/* What a pod's spec says, in short. */
static void read_pod_spec(ks_object *o) {
    const ks_val spec = o->spec;
    uint32_t left = ks_is(spec, KS_MAP) ? ks_len(spec) : 0;
    for (const ks_pair *p = left > 0 ? ks_pair_at(spec, 0) : NULL; left > 0; p++, left--) {
        if (p->key == K(nodeName))
            o->node = ks_str_or_null(p->val);
        else if (p->key == K(volumes))
            count_claims(o, p->val);
        else if (p->key == K(resourceClaims))
            o->wants_devices = ks_len(p->val) > 0;
    }
}

static bool any_restarted(ks_val containers) {
    ks_each(status, containers) {
        if (ks_int_or(ks_get(*status, K(restartCount)), 0) != 0) return true;
    }
    return false;
}

/* The letter of a pod's phase. */
static char pod_phase(const ks_str *phase) {
    if (phase == NULL || phase->len == 0) return '\0';
    bool known = ks_str_eq(phase, K(Running)) || ks_str_eq(phase, K(Pending)) ||
                 ks_str_eq(phase, K(Succeeded)) || ks_str_eq(phase, K(Failed)) ||
                 ks_str_eq(phase, K(Unknown));
    return known ? phase->s[0] : '?';
}

/* What a pod's status says, in short. */
static void read_pod_status(const ks_world *world, ks_object *o, const ks_object *old) {
    const ks_val status = o->status;
    ks_val conditions = KS_NOTHING;
    uint32_t left = ks_is(status, KS_MAP) ? ks_len(status) : 0;
    for (const ks_pair *p = left > 0 ? ks_pair_at(status, 0) : NULL; left > 0; p++, left--) {
        if (p->key == K(phase))
            o->phase = pod_phase(ks_str_or_null(p->val));
        else if (p->key == K(conditions))
            conditions = p->val;
        else if (p->key == K(containerStatuses) || p->key == K(initContainerStatuses))
            o->restarted = o->restarted || any_restarted(p->val);
    }
    if (old != NULL && ks_identical(conditions, ks_get(old->status, K(conditions)))) {
        o->ready = old->ready;
        o->ready_since = old->ready_since;
        o->disrupted = old->disrupted;
    } else {
        read_conditions(world, o, conditions);
    }
}

/* --- claims and volumes --- */

/* Whether that is a phase of claims or volumes. */
static bool is_known(const ks_str *phase) {
    switch (phase->s[0]) {
    case 'B': return ks_str_is(phase, "Bound");
    case 'P': return ks_str_is(phase, "Pending");
    case 'L': return ks_str_is(phase, "Lost");
    case 'A': return ks_str_is(phase, "Available");
    case 'R': return ks_str_is(phase, "Released");
    case 'F': return ks_str_is(phase, "Failed");
    default: return false;
    }
}

static char known_phase(const ks_object *o) {
    const ks_str *phase = ks_str_or_null(ks_get(o->status, K(phase)));
    return phase == NULL ? '\0' : is_known(phase) ? phase->s[0] : '?';
}

static bool is_bound(const ks_object *claim) {
    const ks_str *volume = ks_str_or_null(ks_get(claim->spec, K(volumeName)));
    return volume != NULL && volume->len > 0 &&
           ks_get2(claim->meta, K(annotations), K(pv_kubernetes_io_bind_completed)).type ==
               KS_STRING;
}

static bool is_alone(const ks_object *claim) {
    ks_each(mode, ks_get(claim->spec, K(accessModes))) {
        if (ks_text_is(*mode, "ReadWriteOncePod")) return true;
    }
    return false;
}

static bool is_usual(const ks_object *claim_or_volume) {
    ks_val spec = claim_or_volume->spec, mode = ks_get(spec, K(volumeMode));
    ks_val attributes = ks_get(spec, K(volumeAttributesClassName));
    return (mode.type != KS_STRING || ks_text_is(mode, "Filesystem")) &&
           (attributes.type != KS_STRING || attributes.s->len == 0);
}

static void read_claim(ks_object *o, const ks_object *old) {
    bool same_spec = old != NULL && same(old->spec, o->spec);
    bool same_both = same_spec && same(old->meta, o->meta);
    o->alone = same_spec ? old->alone : is_alone(o);
    o->usual = same_spec ? old->usual : is_usual(o);
    o->bound = same_both ? old->bound : is_bound(o);
    o->class_name = same_both ? old->class_name : ks_store__class_of(o);
}

/* What nodes call a volume of that CSI source, a new reference; NULL: nothing attaches it. */
static const ks_str *attached_as(ks_heap *heap, ks_val csi) {
    static const ks_str plugin = {.refs = KS_IMMORTAL, .len = 18, .s = "kubernetes.io/csi/"};
    static const ks_str between = {.refs = KS_IMMORTAL, .len = 1, .s = "^"};
    const ks_str *driver = ks_str_or_null(ks_get(csi, K(driver)));
    if (driver == NULL) return NULL;
    const ks_str *const parts[] = {&plugin, driver, &between,
                                   ks_str_or_null(ks_get(csi, K(volumeHandle)))};
    return ks_str_join(heap, parts, 4);
}

/* Of a volume that is the only mode that it has. */
static bool is_only_for_one(const ks_object *volume) {
    ks_val modes = ks_get(volume->spec, K(accessModes));
    return ks_len(modes) == 1 && ks_text_is(ks_at(modes, 0), "ReadWriteOncePod");
}

static void read_volume(ks_heap *heap, ks_object *o, const ks_object *old) {
    ks_val csi = ks_get(o->spec, K(csi));
    bool same_spec = old != NULL && same(old->spec, o->spec);
    bool same_source = same_spec || (old != NULL && same(ks_get(old->spec, K(csi)), csi));
    o->alone = same_spec ? old->alone : is_only_for_one(o);
    o->usual = same_spec ? old->usual : is_usual(o);
    o->local = same_spec ? old->local : ks_exists(ks_get2(o->spec, K(nodeAffinity), K(required)));
    o->attached_as = same_source ? ks_str_ref(old->attached_as) : attached_as(heap, csi);
}

/* What a claim or a volume says of the two, in short. */
static void read_binding(ks_heap *heap, ks_object *o, const ks_object *old) {
    o->phase = old != NULL && same(old->status, o->status) ? old->phase : known_phase(o);
    if (o->kind == KS_PVC)
        read_claim(o, old);
    else
        read_volume(heap, o, old);
}

/* The document's parts. Nearly all have apiVersion, kind, metadata, spec and status. */
static void read_parts(ks_object *o) {
    ks_val doc = ks_doc(o);
    if (ks_len(doc) == KS_DOC_PARTS) {
        const ks_pair *p = ks_pair_at(doc, 0);
        if (p[2].key == K(metadata) && p[3].key == K(spec) && p[4].key == K(status)) {
            o->meta = p[2].val;
            o->spec = p[3].val;
            o->status = p[4].val;
            return;
        }
    }
    o->meta = ks_get(doc, K(metadata));
    o->spec = ks_get(doc, K(spec));
    o->status = ks_get(doc, K(status));
}

/* What metadata says, in short. */
static void read_header(ks_world *world, ks_object *o, const ks_object *old) {
    if (old == NULL || !same(old->meta, o->meta)) {
        read_meta(world, o, old);
        return;
    }
    o->labels = old->labels;
    o->owners = old->owners;
    o->ns = old->ns;
    o->name = old->name;
    o->uid = old->uid;
    o->owner_uid = old->owner_uid;
    o->created = old->created;
    o->deleting = old->deleting;
    o->first = old->first;
}

/* A version without a document. */
static ks_object *begin(ks_world *world, ks_kind kind, const ks_object *old, uint64_t id,
                        uint64_t version) {
    ks_object *o = ks_alloc(world->heap, sizeof *o);
    *o = (ks_object){.refs = 1,
                     .kind = kind,
                     .id = id,
                     .version = version,
                     .heap = world->heap,
                     .imported = old != NULL && old->imported,
                     .ready_since = KS_NEVER};
    return o;
}

/* Whether a pod's spec is what it was before, but that it has a node now. */
static bool only_bound(ks_val before, ks_val now) {
    uint32_t left = ks_is(before, KS_MAP) ? ks_len(before) : 0;
    if (!ks_is(now, KS_MAP) || ks_len(now) != left + 1) return false;
    const ks_pair *p = ks_pair_at(now, 0), *q = ks_pair_at(before, 0);
    bool placed = false;
    for (; left > 0; p++, q++, left--) {
        if (!placed && p->key == K(nodeName)) {
            placed = true;
            p++;
        }
        if (p->key != q->key || !ks_identical(p->val, q->val)) return false;
    }
    return placed || p->key == K(nodeName);
}

/* Reads off the parts of the document what the header says. */
static const ks_object *filled(ks_world *world, ks_object *o, const ks_object *old) {
    read_header(world, o, old);
    if (o->kind == KS_PVC || o->kind == KS_PV) read_binding(world->heap, o, old);
    if (o->kind != KS_POD) return o;
    if (old != NULL && same(old->spec, o->spec)) {
        o->node = old->node;
        o->claims = old->claims;
        o->makes_claims = old->makes_claims;
        o->wants_devices = old->wants_devices;
        if (same(old->labels, o->labels)) o->kin = old->kin;
    } else {
        read_pod_spec(o);
        if (old != NULL && old->kin != 0 && old->node == NULL && same(old->labels, o->labels) &&
            only_bound(old->spec, o->spec))
            o->kin = old->kin;
    }
    if (o->node != NULL && o->node->len == 0) o->node = NULL;
    if (old != NULL && same(old->status, o->status)) {
        o->phase = old->phase;
        o->ready = old->ready;
        o->ready_since = old->ready_since;
        o->disrupted = old->disrupted;
        o->restarted = old->restarted;
    } else {
        read_pod_status(world, o, old);
    }
    return o;
}

const ks_object *ks_object__new(ks_world *world, ks_kind kind, ks_val doc, const ks_object *old,
                                uint64_t id, uint64_t version) {
    ks_object *o = begin(world, kind, old, id, version);
    o->whole = doc.m;
    read_parts(o);
    return filled(world, o, old);
}

const ks_object *ks_object__of_parts(ks_world *world, ks_kind kind, ks_parts parts,
                                     const ks_object *old, uint64_t id, uint64_t version) {
    ks_object *o = begin(world, kind, old, id, version);
    o->apart = true;
    o->meta = parts.meta;
    o->spec = parts.spec;
    o->status = parts.status;
    return filled(world, o, old);
}

const ks_object *ks_object__again(ks_world *world, const ks_object *object, uint64_t version) {
    if (!object->apart)
        return ks_object__new(world, object->kind, ks_ref(ks_doc(object)), object, object->id,
                              version);
    const ks_parts parts = {ks_ref(object->meta), ks_ref(object->spec), ks_ref(object->status)};
    return ks_object__of_parts(world, object->kind, parts, object, object->id, version);
}
