/*
 * scheduler/prebind.c - VolumeBinding's PreBind: writes what binding a pod's claims on its node takes, and looks whether they are bound
 * or never will be (plugins/volumebinding/binder.go: bindAPIUpdate, checkBindings). Called by binding.c.
 */
#include "engine/nodes.h"
#include "scheduler/internal.h"
#include "store/naming.h"

#include <string.h>

static void binding_ref(void *value) { ((ks_binding *)value)->refs++; }
static void binding_unref(ks_heap *heap, void *value) {
    ks_binding *b = value;
    if (--b->refs > 0) return;
    for (uint32_t i = 0; i < b->count; i++) {
        ks_object_unref(heap, b->claims[i].claim);
        ks_object_unref(heap, b->claims[i].volume);
    }
    ks_str_unref(heap, b->node);
    ks_object_unref(heap, b->pod);
    ks_free(heap, b, sizeof *b + b->count * sizeof b->claims[0]);
}
const ks_tree_type ks_sched_bindings_type = {NULL, NULL, NULL, binding_ref, binding_unref};

void ks_sched_binding_unref(ks_heap *heap, const ks_binding *binding) {
    binding_unref(heap, (void *)binding);
}

/* --- writing --- */

/* component-helpers/storage/volume/pv_helpers.go: GetBindVolumeToClaim. A volume that says so already is written all the same. */
static ks_val volume_for_claim(ks_heap *heap, const ks_object *pv, const ks_object *claim) {
    bool named = ks_volume_is_for(pv, claim);
    if (named && ks_exists(ks_get2(pv->spec, K(claimRef), K(uid)))) return ks_doc_ref(pv);
    ks_val ref = ks_map_of(heap, K(apiVersion), ks_text(heap, "v1"), K(kind),
                           ks_text(heap, "PersistentVolumeClaim"), K(name), ks_string(claim->name),
                           K(namespace), ks_string(claim->ns), K(uid), ks_string(claim->uid),
                           K(resourceVersion),
                           ks_format(heap, "%llu", (unsigned long long)claim->version), NULL);
    ks_val doc = ks_put2(heap, ks_doc_ref(pv), K(spec), K(claimRef), ref);
    if (!named)
        doc = ks_put3(heap, doc, K(metadata), K(annotations),
                      K(pv_kubernetes_io_bound_by_controller), ks_text(heap, "yes"));
    return doc;
}

static ks_val claim_for_node(ks_heap *heap, const ks_object *claim, const ks_str *node) {
    if (ks_str_eq(ks_annotation(claim, K(volume_kubernetes_io_selected_node)), node))
        return ks_doc_ref(claim);
    return ks_put3(heap, ks_doc_ref(claim), K(metadata), K(annotations),
                   K(volume_kubernetes_io_selected_node), ks_string(node));
}

/* Writes an object, and holds what has become of it instead of what it was. */
static ks_refusal *write(ks_sim *sim, const ks_object **held, ks_val doc) {
    const ks_object *written = NULL;
    ks_refusal *refusal = ks_server_update_object(&sim->server, *held, doc, &written);
    if (refusal == NULL && written != NULL) {
        ks_object_unref(sim->world.heap, *held);
        *held = written;
    } else {
        ks_object_unref(sim->world.heap, written);
    }
    return refusal;
}

ks_binding *ks_sched_binding_new(ks_cycle *c, const ks_object *node) {
    ks_heap *heap = c->sim->world.heap;
    uint32_t count = c->claims.waiting_count;
    ks_binding *b = ks_alloc(heap, sizeof *b + count * sizeof b->claims[0]);
    *b = (ks_binding){
        .refs = 1, .node = ks_str_ref(node->name), .pod = ks_object_ref(c->pod), .count = count};
    ks_sched_match_claims(c, node, b->claims);
    for (uint32_t i = 0; i < count; i++) {
        ks_object_ref(b->claims[i].claim);
        ks_object_ref(b->claims[i].volume);
    }
    return b;
}

ks_binding *ks_sched_binding_own(ks_heap *heap, ks_sched *st, uint64_t id) {
    void **slot =
        st->bindings.count == 0 ? NULL : ks_tree_slot(heap, &st->bindings, (ks_key){0, id});
    ks_binding *b = slot == NULL ? NULL : *slot;
    if (b == NULL || b->refs == 1) return b;
    size_t size = sizeof *b + b->count * sizeof b->claims[0];
    ks_binding *own = ks_alloc(heap, size);
    memcpy(own, b, size);
    own->refs = 1;
    ks_str_ref(own->node);
    ks_object_ref(own->pod);
    for (uint32_t i = 0; i < own->count; i++) {
        ks_object_ref(own->claims[i].claim);
        ks_object_ref(own->claims[i].volume);
    }
    b->refs--;
    *slot = own;
    return own;
}

ks_refusal *ks_sched_write_binding(ks_sim *sim, ks_binding *b) {
    ks_heap *heap = sim->world.heap;
    ks_refusal *refusal = NULL;
    b->written = true;
    b->since = sim->world.now;
    for (uint32_t i = 0; i < b->count && refusal == NULL; i++) {
        ks_claim_match *m = &b->claims[i];
        if (m->volume != NULL)
            refusal = write(sim, &m->volume, volume_for_claim(heap, m->volume, m->claim));
    }
    for (uint32_t i = 0; i < b->count && refusal == NULL; i++) {
        ks_claim_match *m = &b->claims[i];
        if (m->volume == NULL)
            refusal = write(sim, &m->claim, claim_for_node(heap, m->claim, b->node));
    }
    return refusal;
}

/* So that looks need not pass by what is given away. */
static void put_aside(ks_sim *sim, const ks_sched *st, const ks_claim_match *m, bool aside) {
    ks_store *stores[] = {ks_view_own(sim, st->index), &sim->server.store};
    for (int i = 0; i < (aside ? 1 : 2); i++) { /* the view may be another one by then */
        const ks_object *now = ks_store_by_id(stores[i], KS_PV, m->volume->id);
        if (now != NULL) ks_free_volume_aside(stores[i], now, aside);
    }
}

void ks_sched_begin_pending(ks_sim *sim, ks_sched *st, const ks_binding *b) {
    ks_heap *heap = sim->world.heap;
    void *pod = (void *)(uintptr_t)b->pod->id;
    for (uint32_t i = 0; i < b->count; i++) {
        const ks_claim_match *m = &b->claims[i];
        ks_tree_put(heap, &st->pending, (ks_key){0, m->claim->id}, pod);
        if (m->volume == NULL) continue;
        ks_tree_put(heap, &st->pending, (ks_key){0, m->volume->id}, pod);
        put_aside(sim, st, m, true);
    }
}

void ks_sched_put_all_back(ks_sim *sim) {
    ks_store *store = &sim->server.store;
    for (ks_walk w = ks_walk_kind(store, KS_PV, NULL); ks_walk_next(&w);)
        ks_free_volume_aside(store, w.object, false);
}

static const ks_object *held_of(const ks_claim_match *m, ks_kind kind) {
    return kind == KS_PVC ? m->claim : m->volume;
}

/* As ks_sched_pending(), of any version. */
static const ks_claim_match *find_pending(const ks_sched *st, const ks_object *object,
                                          const ks_binding **binding) {
    void *pod = st->pending.count == 0 ? NULL : ks_tree_get(&st->pending, (ks_key){0, object->id});
    if (pod == NULL) return NULL;
    const ks_binding *b = ks_tree_get(&st->bindings, (ks_key){0, (uintptr_t)pod});
    if (binding != NULL) *binding = b;
    for (uint32_t i = 0; i < b->count; i++) {
        const ks_object *held = held_of(&b->claims[i], object->kind);
        if (held != NULL && held->id == object->id) return &b->claims[i];
    }
    return NULL;
}

const ks_claim_match *ks_sched_pending(const ks_sched *st, const ks_object *object,
                                       const ks_binding **binding) {
    const ks_claim_match *m = find_pending(st, object, binding);
    return m != NULL && held_of(m, object->kind)->version == object->version ? m : NULL;
}

const ks_object *ks_sched_pending_volume(const ks_sim *sim, const ks_sched *st,
                                         const ks_object *claim) {
    const ks_claim_match *m = find_pending(st, claim, NULL);
    const ks_object *volume =
        m == NULL || m->volume == NULL ? NULL : ks_store_by_id(ks_view(sim), KS_PV, m->volume->id);
    return volume != NULL && ks_sched_pending(st, volume, NULL) == m ? volume : NULL;
}

/* No pod is about to write this version any more. Whether one was. */
static bool forget(ks_heap *heap, ks_sched *st, const ks_object *claim_or_volume) {
    return ks_sched_pending(st, claim_or_volume, NULL) != NULL &&
           ks_tree_del(heap, &st->pending, (ks_key){0, claim_or_volume->id});
}

void ks_sched_end_pending(ks_sim *sim, ks_sched *st, const ks_binding *b) {
    ks_heap *heap = sim->world.heap;
    for (uint32_t i = 0; i < b->count && st->pending.count > 0; i++) {
        const ks_claim_match *m = &b->claims[i];
        forget(heap, st, m->claim);
        if (m->volume != NULL && forget(heap, st, m->volume)) put_aside(sim, st, m, false);
    }
}

/* --- waiting --- */

/* The object as the view has it, which shows what the scheduler has written itself; by its name: another one may have that by now. NULL:
 * none, and *why says so. */
static const ks_object *now_of(const ks_sim *sim, const ks_object *object, const char *doing,
                               const ks_str **why) {
    const ks_store *view = ks_view(sim);
    const ks_object *now = ks_store_by_id(view, object->kind, object->id);
    if (now == NULL) now = ks_store_get(view, object->kind, object->ns, object->name);
    if (now != NULL) return now;
    const char *ns = object->ns == NULL ? "" : object->ns->s, *slash = *ns == '\0' ? "" : "/";
    if (ks_since(&sim->server.rules, KS_SINCE_PLAIN_ASSUME_CACHE))
        *why = ks_str_printf(sim->world.heap, "failed to check %s: %s \"%s%s%s\" not found", doing,
                             ks_kind_get(object->kind)->plural, ns, slash, object->name->s);
    else
        *why = ks_str_printf(sim->world.heap, "failed to check %s: could not find v1.%s \"%s%s%s\"",
                             doing, ks_kind_get(object->kind)->name, ns, slash, object->name->s);
    return NULL;
}

static bool fits_node(ks_sim *sim, const ks_object *pv, const ks_object *node, const ks_str **why) {
    ks_heap *heap = sim->world.heap;
    if (ks_node_has_volume(heap, pv, node)) return true;
    *why = ks_str_printf(heap,
                         "pv \"%s\" node affinity doesn't match node \"%s\": no matching "
                         "NodeSelectorTerms",
                         pv->name->s, node->name->s);
    return false;
}

/* A claim that takes a volume which was there. */
static bool static_is_bound(ks_sim *sim, const ks_claim_match *m, const ks_object *node,
                            const ks_str **why) {
    const ks_object *pv = now_of(sim, m->volume, "binding", why);
    const ks_object *claim = pv == NULL ? NULL : now_of(sim, m->claim, "binding", why);
    if (claim == NULL || !fits_node(sim, pv, node, why)) return false;
    if (*ks_text_or(ks_get2(pv->spec, K(claimRef), K(uid)), "") == '\0') {
        *why = ks_str_printf(sim->world.heap, "ClaimRef got reset for pv \"%s\"", pv->name->s);
        return false;
    }
    return claim->bound;
}

/* A claim for which one is made. */
static bool provisioned_is_bound(ks_sim *sim, const ks_claim_match *m, const ks_object *node,
                                 const ks_str **why) {
    ks_heap *heap = sim->world.heap;
    const ks_object *claim = now_of(sim, m->claim, "provisioning pvc", why);
    if (claim == NULL) return false;
    if (ks_len(ks_get(claim->meta, K(annotations))) == 0) {
        *why = ks_str_printf(heap, "selectedNode annotation reset for PVC \"%s\"", claim->name->s);
        return false;
    }
    if (!ks_str_eq(ks_annotation(claim, K(volume_kubernetes_io_selected_node)), node->name)) {
        *why = ks_str_printf(heap, "provisioning failed for PVC \"%s\"", claim->name->s);
        return false;
    }
    if (*ks_text_or(ks_get(claim->spec, K(volumeName)), "") != '\0') {
        const ks_object *pv = ks_store_named_by(ks_view(sim), claim);
        if (pv == NULL || !fits_node(sim, pv, node, why)) return false; /* it may yet be heard of */
    }
    return claim->bound;
}

bool ks_sched_check_bindings(ks_sim *sim, const ks_binding *b, const ks_str **why) {
    ks_heap *heap = sim->world.heap;
    const ks_store *view = ks_view(sim);
    const ks_object *node = ks_store_get(view, KS_NODE, NULL, b->node);
    *why = NULL;
    if (node == NULL) {
        *why = ks_str_printf(heap, "failed to get node \"%s\": node \"%s\" not found", b->node->s,
                             b->node->s);
        return false;
    }
    if (ks_store_by_id(view, KS_POD, b->pod->id) == NULL &&
        ks_store_get(view, KS_POD, b->pod->ns, b->pod->name) == NULL) {
        *why = ks_str_printf(heap, "pod does not exist any more: pod \"%s\" not found",
                             b->pod->name->s);
        return false;
    }
    for (uint32_t i = 0; i < b->count; i++) {
        const ks_claim_match *m = &b->claims[i];
        bool bound = m->volume != NULL ? static_is_bound(sim, m, node, why)
                                       : provisioned_is_bound(sim, m, node, why);
        if (!bound) return false;
    }
    return true;
}
