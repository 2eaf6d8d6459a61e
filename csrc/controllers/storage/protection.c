/*
 * controllers/storage/protection.c - claims and volumes in use stay until nobody uses them: pvc-protection and
 * pv-protection controllers (pkg/controller/volume/{pvcprotection,pvprotection}).
 *
 * A claim that is being deleted keeps its finalizer while a pod that has a node refers to it, whatever the pod's phase; a
 * volume while its phase is Bound.
 */
#include "controllers/storage/storage.h"
#include "store/naming.h"

typedef struct protection {
    int index;
} protection;

static void *create(ks_sim *sim) {
    protection *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_volume_protection);
    return st;
}

static void *copy(ks_sim *sim, const void *state) {
    const protection *from = state;
    protection *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = *from;
    return st;
}

static void dispose(ks_heap *heap, void *state) { ks_free(heap, state, sizeof(protection)); }

static bool has_finalizer(const ks_object *object, const ks_str *finalizer) {
    ks_each(f, ks_get(object->meta, K(finalizers))) {
        if (ks_str_eq(ks_str_or_null(*f), finalizer)) return true;
    }
    return false;
}

static const ks_str *finalizer_of(const ks_object *object) {
    return object->kind == KS_PVC ? K(kubernetes_io_pvc_protection)
                                  : K(kubernetes_io_pv_protection);
}

/* A pod's claims that are being deleted may be let go now. */
static void pod_gone(ks_sim *sim, protection *st, const ks_object *pod) {
    ks_each(volume, ks_get(pod->spec, K(volumes))) {
        const ks_str *name = ks_volume_claim_name(sim->world.heap, pod, *volume);
        if (name == NULL) continue;
        const ks_object *claim = ks_store_claim_of(ks_view(sim), pod, name);
        if (claim != NULL && ks_object_terminating(claim)) ks_enqueue(sim, st->index, claim->id);
        ks_str_unref(sim->world.heap, name);
    }
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    protection *st = state;
    const ks_object *object = change->object;
    if (object->kind == KS_POD) {
        if (change->type == KS_DELETED) pod_gone(sim, st, object);
    } else if ((object->kind == KS_PVC || object->kind == KS_PV) && change->type != KS_DELETED) {
        /* Work to do: a finalizer that may go, or one that is missing. */
        if (ks_object_terminating(object) == has_finalizer(object, finalizer_of(object)))
            ks_enqueue(sim, st->index, object->id);
    }
}

static bool heeds(const ks_sim *sim, const void *state, const ks_change *change, uint32_t parts) {
    (void)sim, (void)state, (void)parts;
    return change->object->kind != KS_POD || change->object->claims;
}

/* Whether a pod that has a node names the claim. */
static bool is_used(const ks_store *store, const ks_object *claim) {
    for (ks_namers n = ks_store_naming_it(store, KS_POD, claim); ks_namers_next(&n);)
        if (n.object->node != NULL) return true;
    return false;
}

/* pvc_protection_controller.go: askAPIServer: a pod that the cache does not show may use the claim all the same. */
static bool in_use(ks_sim *sim, const ks_object *object) {
    if (object->kind == KS_PV) return object->phase == 'B';
    return is_used(ks_view(sim), object) ||
           (ks_view_is_late(sim) && is_used(&sim->server.store, object));
}

static bool write_finalizers(ks_sim *sim, const ks_object *object, ks_val list) {
    ks_heap *heap = sim->world.heap;
    if (ks_len(list) == 0) {
        ks_unref(heap, list);
        list = KS_NOTHING;
    }
    ks_val doc = ks_put2(heap, ks_doc_ref(object), K(metadata), K(finalizers), list);
    ks_refusal *refusal = ks_server_update_object(&sim->server, object, doc, NULL);
    bool done = refusal == NULL || refusal->code == 404;
    ks_refusal_free(heap, refusal);
    return done;
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    (void)state;
    ks_heap *heap = sim->world.heap;
    const ks_object *object = ks_store_by_id(ks_view(sim), KS_PVC, key);
    if (object == NULL) object = ks_store_by_id(ks_view(sim), KS_PV, key);
    if (object == NULL) return true;
    const ks_str *finalizer = finalizer_of(object);
    ks_val now = ks_get(object->meta, K(finalizers));
    if (!ks_object_terminating(object)) {
        if (has_finalizer(object, finalizer)) return true;
        return write_finalizers(sim, object, ks_append(heap, ks_ref(now), ks_string(finalizer)));
    }
    if (!has_finalizer(object, finalizer) || in_use(sim, object)) return true;
    ks_val left = ks_list_new(heap, ks_len(now));
    ks_each(f, now) {
        if (!ks_str_eq(ks_str_or_null(*f), finalizer)) left = ks_append(heap, left, ks_ref(*f));
    }
    return write_finalizers(sim, object, left);
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    const ks_object *object = ks_store_by_id(ks_view(sim), KS_PVC, key);
    if (object == NULL) object = ks_store_by_id(ks_view(sim), KS_PV, key);
    if (object == NULL) return;
    if (object->ns != NULL) ks_buf_printf(out, "%s/", object->ns->s);
    ks_buf_str(out, object->name);
}

const ks_component ks_volume_protection = {
    .name = "volume-protection",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .keys = KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV),
    .describe = describe,
    .pod_parts = KS_PART_DELETED,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV),
};
