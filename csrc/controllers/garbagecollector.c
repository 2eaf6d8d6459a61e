/*
 * controllers/garbagecollector.c - deletes what nobody owns any more: pkg/controller/garbagecollector/.
 *
 * Keys are objects of any kind: kind and id in one word; with ORPHAN set, an owner whose dependents are to be set free; with
 * ABSENT, a dependent whose owner is gone, has never been seen, or begins to wait: upstream asks the server for the owner first, so that
 * others act before it does.
 * Upstream keeps a graph of all objects, which its watches tell it of; the view's index of owners is that graph. It says who may be
 * concerned. Whether an owner is absent, and what an object looks like now, the server is asked. Queued are: dependents of what is gone or waits in
 * the foreground, owners that wait when a dependent has gone, and what is created with owners that are not there.
 */
#include "controllers/common.h"
#include "controllers/controllers.h"

enum { KIND_SHIFT = 56 };
#define ORPHAN (UINT64_C(1) << 63)
#define ABSENT                                                                                     \
    (UINT64_C(1) << 62) /* first find out that the owner is absent, then look at the dependent */

typedef struct collector {
    int index;
    /* {waiting owner's key, dependent's key}: came after the owner began to wait. The same with ORPHAN: after it was to set its dependents
     * free, and before that began; {.., 0}: it has not begun. */
    ks_tree fresh;
} collector;

static void *create(ks_sim *sim) {
    collector *gc = ks_alloc_zero(sim->world.heap, sizeof *gc);
    gc->index = ks_component_index(sim, &ks_garbage_collector);
    return gc;
}

static void *copy(ks_sim *sim, const void *state) {
    const collector *from = state;
    collector *gc = ks_alloc(sim->world.heap, sizeof *gc);
    *gc = (collector){from->index, ks_tree_copy(&from->fresh)};
    return gc;
}

static void dispose(ks_heap *heap, void *state) {
    collector *gc = state;
    ks_tree_clear(heap, &gc->fresh);
    ks_free(heap, gc, sizeof *gc);
}

/* --- objects --- */

static uint64_t key_of(const ks_object *object) {
    return (uint64_t)object->kind << KIND_SHIFT | object->id;
}

static const ks_object *object_of(const ks_sim *sim, uint64_t key) {
    key &= ~(ORPHAN | ABSENT);
    ks_kind kind = (ks_kind)(key >> KIND_SHIFT);
    return ks_store_by_id(ks_view(sim), kind, key & ((UINT64_C(1) << KIND_SHIFT) - 1));
}

static ks_val refs_of(const ks_object *object) { return object->owners; }

static bool has_finalizer(const ks_object *object, const char *name) {
    ks_each(finalizer, ks_get(object->meta, K(finalizers))) {
        if (ks_text_is(*finalizer, name)) return true;
    }
    return false;
}

static bool has_finalizers(const ks_object *object) {
    return ks_exists(ks_get(object->meta, K(finalizers)));
}

/* Is it being deleted in the foreground? */
static bool waits(const ks_object *object) {
    return ks_object_terminating(object) && has_finalizer(object, "foregroundDeletion");
}
static bool orphans(const ks_object *object) {
    return ks_object_terminating(object) && has_finalizer(object, "orphan");
}

static bool blocks(ks_val ref) { return ks_bool_or(ks_get(ref, K(blockOwnerDeletion)), false); }

static bool same_uid(ks_val a, ks_val b) { return ks_equal(ks_get(a, K(uid)), ks_get(b, K(uid))); }

static ks_val ref_to(const ks_object *object, const ks_str *uid) {
    ks_each(ref, refs_of(object)) {
        if (ks_str_eq(ks_str_or_null(ks_get(*ref, K(uid))), uid)) return *ref;
    }
    return KS_NOTHING;
}

/* What a reference refers to, seen from its object. */
typedef enum owner_state { SOLID, DANGLING, WAITING, UNKNOWN } owner_state;

/* The object that a reference to a controller names in all that it says, where that is known without a look at the names; else NULL. */
static const ks_object *known_owner(const ks_store *store, const ks_object *object, ks_val ref) {
    if (!object->owner_agrees || ks_str_or_null(ks_get(ref, K(uid))) != object->owner_uid)
        return NULL;
    return ks_store_controller(store, object, ks_object_owner_kind(object));
}

/* attemptToDeleteItem: the owner by its name, which must have that uid. *owner: where it is SOLID or WAITING. */
static owner_state owner_and_state(const ks_store *store, const ks_object *object, ks_val ref,
                                   const ks_object **owner) {
    *owner = known_owner(store, object, ref);
    if (*owner != NULL) return waits(*owner) ? WAITING : SOLID;
    ks_kind kind = ks_kind_by_gvk(ks_text_or(ks_get(ref, K(apiVersion)), ""),
                                  ks_text_or(ks_get(ref, K(kind)), ""));
    if (kind == KS_NO_KIND) return UNKNOWN;
    bool namespaced = ks_kind_get(kind)->namespaced;
    if (namespaced && object->ns == NULL) return UNKNOWN;
    *owner = ks_store_get(store, kind, namespaced ? object->ns : NULL,
                          ks_str_or_null(ks_get(ref, K(name))));
    if (*owner == NULL || !ks_str_eq((*owner)->uid, ks_str_or_null(ks_get(ref, K(uid)))))
        return DANGLING;
    return waits(*owner) ? WAITING : SOLID;
}

static owner_state state_of(const ks_store *store, const ks_object *object, ks_val ref) {
    const ks_object *owner;
    return owner_and_state(store, object, ref, &owner);
}

/* --- what is noticed --- */

static void queue(ks_sim *sim, const collector *gc, const ks_object *object) {
    ks_enqueue(sim, gc->index, key_of(object));
}

static void queue_dependents(ks_sim *sim, const collector *gc, const ks_object *owner) {
    /* the server has seen all that a view shows */
    if (!ks_store_may_own(&sim->server.store, owner->kind)) return;
    for (ks_walk w = ks_walk_owned(ks_view(sim), owner->uid, KS_NO_KIND); ks_walk_next(&w);)
        ks_enqueue(sim, gc->index, key_of(w.object) | ABSENT);
}

static bool listed(ks_val refs, ks_val ref) {
    ks_each(other, refs) {
        if (same_uid(*other, ref)) return true;
    }
    return false;
}

/* addDependentToOwners: a new reference. */
static void notice_added(ks_sim *sim, collector *gc, const ks_object *object, ks_val ref) {
    const ks_object *owner;
    owner_state state = owner_and_state(ks_view(sim), object, ref, &owner);
    if (state == DANGLING || state == UNKNOWN) {
        ks_enqueue(sim, gc->index, key_of(object) | ABSENT);
        return;
    }
    uint64_t key = key_of(owner) | (state == WAITING ? 0 : ORPHAN);
    if (state == WAITING || (orphans(owner) && ks_tree_has(&gc->fresh, (ks_key){key, 0})))
        ks_tree_put(sim->world.heap, &gc->fresh, (ks_key){key, key_of(object)}, ks_word(1));
}

/* addUnblockedOwnersToDeleteQueue: a reference that no longer holds its owner. */
static void notice_freed(ks_sim *sim, const collector *gc, const ks_object *object, ks_val ref) {
    const ks_object *owner = known_owner(ks_view(sim), object, ref);
    if (owner == NULL) owner = ks_store_by_uid(ks_view(sim), ks_str_or_null(ks_get(ref, K(uid))));
    if (owner != NULL && waits(owner)) queue(sim, gc, owner);
}

static void notice_refs(ks_sim *sim, collector *gc, const ks_object *object, const ks_object *old) {
    ks_val now = refs_of(object), before = old == NULL ? KS_NOTHING : refs_of(old);
    if (ks_identical(now, before)) return;
    ks_each(ref, now) {
        if (!listed(before, *ref)) notice_added(sim, gc, object, *ref);
    }
    ks_each(ref, before) {
        if (!blocks(*ref)) continue;
        ks_val kept = ref_to(object, ks_str_or_null(ks_get(*ref, K(uid))));
        if (!ks_exists(kept) || !blocks(kept)) notice_freed(sim, gc, old, *ref);
    }
}

/* An owner is gone: also one whose finalizers somebody has taken from it. */
static void forget_fresh(ks_sim *sim, collector *gc, const ks_object *owner) {
    ks_tree_del_all(sim->world.heap, &gc->fresh, key_of(owner));
    ks_tree_del_all(sim->world.heap, &gc->fresh, key_of(owner) | ORPHAN);
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    collector *gc = state;
    const ks_object *object = change->object, *old = change->old;
    if (change->type == KS_DELETED) {
        if (gc->fresh.count > 0) forget_fresh(sim, gc, object);
        queue_dependents(sim, gc, object);
        ks_each(ref, refs_of(object)) notice_freed(sim, gc, object, *ref);
        return;
    }
    notice_refs(sim, gc, object, old);
    if (!ks_object_terminating(object) || !has_finalizers(object)) return;
    if (orphans(object)) {
        if (old != NULL && orphans(old)) return;
        uint64_t key = key_of(object) | ORPHAN;
        /* what a restarted one hears of it first is all there already: that it hears of the dependents later means nothing */
        if (old != NULL) ks_tree_put(sim->world.heap, &gc->fresh, (ks_key){key, 0}, ks_word(1));
        ks_enqueue(sim, gc->index, key);
    } else if (waits(object) && (old == NULL || !waits(old))) {
        queue_dependents(sim, gc, object);
        queue(sim, gc, object);
    }
}

/* Owner references and finalizers are metadata. */
static bool heeds(const ks_sim *sim, const void *state, const ks_change *change, uint32_t parts) {
    (void)sim, (void)state, (void)change;
    return (parts & KS_PART_META) != 0;
}

/* --- acting --- */

static bool settled(ks_sim *sim, ks_refusal *refusal) {
    if (refusal == NULL) return true;
    bool gone = refusal->code == 404;
    ks_refusal_free(sim->world.heap, refusal);
    return gone;
}

/* The object as the server has it now; NULL: it has gone. */
static const ks_object *newest(const ks_sim *sim, const ks_object *object) {
    return ks_store_by_id(&sim->server.store, object->kind, object->id);
}

/* Removes a finalizer; with the last one the object goes. */
static bool drop_finalizer(ks_sim *sim, const ks_object *known, const char *name) {
    ks_heap *heap = sim->world.heap;
    const ks_object *object = newest(sim, known);
    if (object == NULL || !has_finalizer(object, name)) return true;
    ks_val list = ks_ref(ks_get(object->meta, K(finalizers)));
    for (uint32_t i = ks_len(list); i-- > 0;)
        if (ks_text_is(ks_at(list, i), name)) list = ks_remove_at(heap, list, i);
    if (ks_len(list) == 0) {
        ks_unref(heap, list);
        list = KS_NOTHING;
    }
    ks_val meta = ks_put(heap, ks_ref(object->meta), K(finalizers), list);
    ks_val doc = ks_put(heap, ks_doc_ref(object), K(metadata), meta);
    return settled(sim, ks_server_update_object(&sim->server, object, doc, NULL));
}

static bool drop_ref(ks_sim *sim, const ks_object *known, const ks_str *uid) {
    ks_heap *heap = sim->world.heap;
    const ks_object *object = newest(sim, known);
    if (object == NULL) return true;
    ks_val refs = ks_list_new(heap, ks_len(refs_of(object)) + 1);
    ks_each(ref, refs_of(object)) {
        if (!ks_str_eq(ks_str_or_null(ks_get(*ref, K(uid))), uid))
            refs = ks_append(heap, refs, ks_ref(*ref));
    }
    return settled(sim, ks_write_owners(sim, object, refs));
}

/* attemptToOrphanWorker: all dependents first, then the finalizer. It begins at once: what somebody else makes because of the same change
 * of the owner comes too late to be set free and has an absent owner soon; only when this is tried again it is among them. */
static bool orphan_dependents(ks_sim *sim, collector *gc, const ks_object *owner) {
    ks_heap *heap = sim->world.heap;
    ks_objects dependents = {NULL, 0, 0};
    uint64_t key = key_of(owner) | ORPHAN;
    for (ks_walk w = ks_walk_owned(ks_view(sim), owner->uid, KS_NO_KIND); ks_walk_next(&w);)
        if (!ks_tree_has(&gc->fresh, (ks_key){key, key_of(w.object)}))
            ks_objects_add(heap, &dependents, w.object);
    ks_tree_del_all(heap, &gc->fresh, key);
    bool fine = true;
    for (size_t i = 0; i < dependents.count; i++)
        if (!drop_ref(sim, dependents.items[i], owner->uid)) fine = false;
    ks_objects_dispose(heap, &dependents);
    return fine && drop_finalizer(sim, owner, "orphan");
}

static bool is_blocked(const ks_sim *sim, const ks_object *owner) {
    for (ks_walk w = ks_walk_owned(ks_view(sim), owner->uid, KS_NO_KIND); ks_walk_next(&w);)
        if (blocks(ref_to(w.object, owner->uid))) return true;
    return false;
}

/* processDeletingDependentsItem. The dependents that were there at the beginning are queued since then. */
static bool process_waiting(ks_sim *sim, collector *gc, const ks_object *owner) {
    ks_heap *heap = sim->world.heap;
    if (!is_blocked(sim, owner)) return drop_finalizer(sim, owner, "foregroundDeletion");
    uint64_t key = key_of(owner);
    ks_key first;
    while (ks_tree_ceiling(&gc->fresh, (ks_key){key, 0}, &first, NULL) && first.a == key) {
        ks_tree_del(heap, &gc->fresh, first);
        const ks_object *dependent = object_of(sim, first.b);
        if (dependent != NULL && blocks(ref_to(dependent, owner->uid)) && !waits(dependent))
            queue(sim, gc, dependent);
    }
    return true;
}

static bool delete_object(ks_sim *sim, const ks_object *object, ks_propagation propagation) {
    ks_delete_opts opts = {.grace_period = -1, .propagation = propagation, .uid = object->uid};
    ks_refusal *refusal =
        ks_server_delete(&sim->server, object->kind, object->ns, object->name, &opts, NULL);
    return settled(sim, refusal);
}

/* Keeps the object, without the references that mean nothing any more. */
static bool keep(ks_sim *sim, const ks_object *object) {
    ks_heap *heap = sim->world.heap;
    ks_val refs = ks_list_new(heap, ks_len(refs_of(object)) + 1);
    ks_each(ref, refs_of(object)) {
        if (state_of(&sim->server.store, object, *ref) == SOLID)
            refs = ks_append(heap, refs, ks_ref(*ref));
    }
    return settled(sim, ks_write_owners(sim, object, refs));
}

/* unblockOwnerReferencesStrategicMergePatch: two that wait for each other would wait for ever. */
static bool unblock_owners(ks_sim *sim, const ks_object *object) {
    ks_heap *heap = sim->world.heap;
    ks_val refs = ks_ref(refs_of(object));
    for (uint32_t i = 0; i < ks_len(refs); i++) {
        if (!blocks(ks_at(refs, i))) continue;
        ks_val ref = ks_put(heap, ks_ref(ks_at(refs, i)), K(blockOwnerDeletion), ks_bool(false));
        refs = ks_set_at(heap, refs, i, ref);
    }
    return settled(sim, ks_write_owners(sim, object, refs));
}

/* An owner waits for this object, which has dependents itself: they go first. */
static bool delete_in_foreground(ks_sim *sim, const ks_object *object) {
    bool circle = false;
    for (ks_walk w = ks_walk_owned(ks_view(sim), object->uid, KS_NO_KIND); ks_walk_next(&w);)
        if (waits(w.object)) circle = true;
    if (circle && !unblock_owners(sim, object)) return false;
    return delete_object(sim, object, KS_FOREGROUND);
}

static bool has_dependents(const ks_sim *sim, const ks_object *object) {
    ks_walk w = ks_walk_owned(ks_view(sim), object->uid, KS_NO_KIND);
    return ks_walk_next(&w);
}

/* A reference into another namespace, or of a cluster-wide object to a namespaced one, is told about. */
static void tell_invalid(ks_sim *sim, const ks_object *object, ks_val ref) {
    const ks_object *owner = ks_store_by_uid(ks_view(sim), ks_str_or_null(ks_get(ref, K(uid))));
    if (owner == NULL || owner->ns == NULL || ks_str_eq(owner->ns, object->ns)) return;
    ks_event e = {.type = "Warning", .reason = "OwnerRefInvalidNamespace"};
    e.component = "garbage-collector-controller";
    const char *ns = object->ns == NULL ? "" : object->ns->s;
    ks_record(
        &sim->server, object, &e,
        "ownerRef [%s/%s, namespace: %s, name: %s, uid: %s] does not exist in namespace \"%s\"",
        ks_text_or(ks_get(ref, K(apiVersion)), ""), ks_text_or(ks_get(ref, K(kind)), ""), ns,
        ks_text_or(ks_get(ref, K(name)), ""), ks_text_or(ks_get(ref, K(uid)), ""), ns);
}

/* attemptToDeleteItem, of an object as the server has it now */
static bool judge(ks_sim *sim, const ks_object *object) {
    if (ks_len(refs_of(object)) == 0) return true;
    int count[4] = {0, 0, 0, 0};
    ks_each(ref, refs_of(object)) {
        owner_state state = state_of(&sim->server.store, object, *ref);
        count[state]++;
        if (state == DANGLING || state == UNKNOWN) tell_invalid(sim, object, *ref);
    }
    if (count[UNKNOWN] > 0) return true; /* what cannot be verified is kept */
    if (count[SOLID] > 0) return count[DANGLING] + count[WAITING] == 0 || keep(sim, object);
    if (count[WAITING] > 0 && has_dependents(sim, object)) return delete_in_foreground(sim, object);
    ks_propagation how = has_finalizer(object, "orphan")               ? KS_ORPHAN
                         : has_finalizer(object, "foregroundDeletion") ? KS_FOREGROUND
                                                                       : KS_BACKGROUND;
    return delete_object(sim, object, how);
}

/* The same, of an object as the graph has it. */
static bool process(ks_sim *sim, collector *gc, const ks_object *known) {
    if (ks_object_terminating(known) && !waits(known)) return true;
    const ks_object *object = newest(sim, known);
    if (object == NULL) { /* enqueueVirtualDeleteEvent */
        queue_dependents(sim, gc, known);
        return true;
    }
    if (waits(known)) return process_waiting(sim, gc, known);
    ks_object_ref(object);
    bool fine = judge(sim, object);
    ks_object_unref(sim->world.heap, object);
    return fine;
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    const ks_object *object = object_of(sim, key);
    if (object == NULL) return true;
    if (key & ABSENT) {
        queue(sim, state, object);
        return true;
    }
    ks_object_ref(object);
    bool fine;
    if (key & ORPHAN)
        fine = !orphans(object) || orphan_dependents(sim, state, object);
    else
        fine = process(sim, state, object);
    ks_object_unref(sim->world.heap, object);
    return fine;
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    key &= ~(ORPHAN | ABSENT);
    ks_kind kind = (ks_kind)(key >> KIND_SHIFT);
    ks_buf_puts(out, ks_kind_get(kind)->singular);
    ks_buf_putc(out, '/');
    ks_describe_object(sim, kind, key & ((UINT64_C(1) << KIND_SHIFT) - 1), out);
}

const ks_component ks_garbage_collector = {
    .name = "garbagecollector",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .describe = describe,
    .pod_parts = KS_PART_META | KS_PART_EXISTENCE,
    .claim_parts = KS_PART_META | KS_PART_EXISTENCE,
    .volume_parts = KS_PART_META | KS_PART_EXISTENCE,
    .attachment_parts = KS_PART_META | KS_PART_EXISTENCE,
    .kinds = KS_ALL_KINDS & ~KS_KIND_BIT(KS_EVENT),
};
