/*
 * controllers/storage/attachdetach.c - attaches volumes to nodes and detaches them: pkg/controller/volume/attachdetach
 * together with an external attacher that needs settings->latency.attach and .detach.
 *
 * A key is a volume's id, or a node's. What is wanted follows the pods that have a node (wants.h), what is, the VolumeAttachment
 * objects. Only volumes whose driver attaches take part (engine/volumes.h).
 * What is, it knows itself, and what a node's status lists is what it has written there: neither waits for a cache to show it.
 * A node's status learns of all that has been attached to it in one instant with one write, as upstream's of one round of its
 * reconciler (statusupdater/node_status_updater.go); of a detachment it learns before that begins.
 */
#include "controllers/storage/sha256.h"
#include "controllers/storage/storage.h"
#include "controllers/storage/wants.h"
#include "engine/nodes.h"
#include "engine/volumes.h"

#include <string.h>

/* ReconcilerMaxWaitForUnmountDuration. */
#define MAX_WAIT_FOR_UNMOUNT (6 * 60 * KS_SECOND)

typedef struct attachdetach {
    int index;
    ks_wants wants;
    ks_ids attaching; /* VolumeAttachment id -> instant + 1 at which the attacher will be done */
    ks_ids detaching; /* the same */
    ks_tree reported; /* {volume id, hash of node}: Multi-Attach was reported */
    ks_tree
        unwanted; /* {hash of node, volume id} -> instant + 1 from when on detaching was wanted */
    ks_tree
        untold; /* {node id, sequence} -> volume id: attached, and the node's status does not say so yet */
    ks_tree lost; /* volume id -> the volume: deleted, and attached as far as is known here */
    uint64_t sequence;
    bool writing; /* one's own write is being heard of: nothing follows from it */
    bool
        mixed; /* others have written what nodes list, or deleted attachments: lists have to be searched */
    ks_val yes, no; /* {attached: true}, {attached: false} */
} attachdetach;

static void volume_ref(void *value) { ks_object_ref(value); }
static void volume_unref(ks_heap *heap, void *value) { ks_object_unref(heap, value); }
static const ks_tree_type lost_type = {NULL, NULL, NULL, volume_ref, volume_unref};

static void *create(ks_sim *sim) {
    attachdetach *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_attachdetach_controller);
    ks_wants_init(&st->wants);
    st->lost.type = &lost_type;
    st->yes = ks_map_of(sim->world.heap, K(attached), ks_bool(true), NULL);
    st->no = ks_map_of(sim->world.heap, K(attached), ks_bool(false), NULL);
    return st;
}

static void *copy(ks_sim *sim, const void *state) {
    const attachdetach *from = state;
    attachdetach *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = *from;
    ks_wants_copied(&st->wants);
    st->attaching = ks_ids_copy(&from->attaching);
    st->detaching = ks_ids_copy(&from->detaching);
    st->untold = ks_tree_copy(&from->untold);
    st->lost = ks_tree_copy(&from->lost);
    ks_ref(st->yes);
    ks_ref(st->no);
    st->reported = ks_tree_copy(&from->reported);
    st->unwanted = ks_tree_copy(&from->unwanted);
    return st;
}

static void dispose(ks_heap *heap, void *state) {
    attachdetach *st = state;
    ks_wants_clear(heap, &st->wants);
    ks_ids_clear(heap, &st->attaching);
    ks_ids_clear(heap, &st->detaching);
    ks_tree_clear(heap, &st->untold);
    ks_tree_clear(heap, &st->lost);
    ks_unref(heap, st->yes);
    ks_unref(heap, st->no);
    ks_tree_clear(heap, &st->reported);
    ks_tree_clear(heap, &st->unwanted);
    ks_free(heap, st, sizeof *st);
}

/* --- what is noticed --- */

/* The volume of a claim that is bound; NULL: none, or no claim (NULL is fine). */
static const ks_object *volume_of(const ks_sim *sim, const ks_object *claim) {
    if (claim == NULL || !claim->bound) return NULL;
    return ks_store_named_by(ks_view(sim), claim);
}

/* The claim that the volume names, if it is bound to that very volume (names of volumes are unique); else NULL. */
static const ks_object *holder_of(const ks_sim *sim, const ks_object *volume) {
    const ks_object *claim = ks_store_named_by(ks_view(sim), volume);
    return claim != NULL && claim->bound && ks_names(claim, volume) ? claim : NULL;
}

static ks_namers attachments_of(const ks_sim *sim, const ks_object *volume) {
    return ks_store_naming_it(ks_view(sim), KS_VOLUMEATTACHMENT, volume);
}

static void look_at(ks_sim *sim, attachdetach *st, const ks_object *volume) {
    if (volume != NULL && volume->attached_as != NULL) ks_enqueue(sim, st->index, volume->id);
}

/* A claim is wanted somewhere now, or not any more: by then it may have gone, and only its volume tells of it. */
static void look_at_claim(ks_sim *sim, attachdetach *st, const ks_object *pod, const ks_str *name) {
    const ks_object *claim = ks_store_claim_of(ks_view(sim), pod, name);
    if (claim != NULL) {
        look_at(sim, st, volume_of(sim, claim));
        return;
    }
    for (ks_namers n = ks_store_naming(ks_view(sim), KS_PV, pod->ns, name); ks_namers_next(&n);)
        look_at(sim, st, n.object);
    for (ks_tree_iter it = ks_tree_begin(&st->lost); ks_tree_next(&it);) look_at(sim, st, it.value);
}

/* One pod more (or less) that wants its claims on its node. */
static void count_pod(ks_sim *sim, attachdetach *st, const ks_object *pod, bool more) {
    ks_heap *heap = sim->world.heap;
    ks_each(volume, ks_get(pod->spec, K(volumes))) {
        const ks_str *claim = ks_volume_claim_name(heap, pod, *volume);
        if (claim != NULL && ks_wants_note(sim, &st->wants, pod, claim, more))
            look_at_claim(sim, st, pod, claim);
        ks_str_unref(heap, claim);
    }
}

static void observe_pod(ks_sim *sim, attachdetach *st, const ks_change *change) {
    const ks_object *pod = change->object, *old = change->type == KS_DELETED ? pod : change->old;
    if (!pod->claims) return;
    if (old != NULL && change->type != KS_DELETED && old->node == pod->node &&
        old->phase == pod->phase && !ks_object_terminating(pod))
        return;
    bool had = old != NULL && ks_pod_wants_volumes(old);
    bool has = change->type != KS_DELETED && ks_pod_wants_volumes(pod);
    if (had != has) count_pod(sim, st, pod, has);
}

static void observe_attachment(ks_sim *sim, attachdetach *st, const ks_change *change) {
    ks_heap *heap = sim->world.heap;
    const ks_object *va = change->object;
    if (change->type == KS_ADDED)
        st->mixed = st->mixed || ks_bool_or(ks_get(va->status, K(attached)), false);
    if (change->type == KS_DELETED) {
        ks_ids_del(heap, &st->attaching, va->id);
        st->mixed = !ks_ids_del(heap, &st->detaching, va->id) || st->mixed;
    }
    if (!st->writing) look_at(sim, st, ks_store_named_by(ks_view(sim), va));
    for (ks_tree_iter it = ks_tree_begin(&st->lost); ks_tree_next(&it);) look_at(sim, st, it.value);
}

/* A node changed what can hold up detaching from it. */
static void node_changed(ks_sim *sim, attachdetach *st, const ks_object *node,
                         const ks_object *old) {
    if (!ks_equal(ks_get(node->status, K(volumesAttached)),
                  ks_get(old->status, K(volumesAttached))))
        st->mixed = true;
    if (st->unwanted.count == 0 ||
        (ks_equal(ks_get(node->status, K(volumesInUse)), ks_get(old->status, K(volumesInUse))) &&
         ks_equal(ks_get(node->spec, K(taints)), ks_get(old->spec, K(taints)))))
        return;
    ks_key first = {ks_node_hash(node->name), 0};
    for (ks_tree_iter it = ks_tree_from(&st->unwanted, first);
         ks_tree_next(&it) && it.key.a == first.a;)
        ks_enqueue(sim, st->index, it.key.b);
}

static void look_at_claims(ks_sim *sim, attachdetach *st, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_each(volume, ks_get(pod->spec, K(volumes))) {
        const ks_str *claim = ks_volume_claim_name(heap, pod, *volume);
        if (claim != NULL)
            look_at(sim, st, volume_of(sim, ks_store_claim_of(ks_view(sim), pod, claim)));
        ks_str_unref(heap, claim);
    }
}

static void observe_node(ks_sim *sim, attachdetach *st, const ks_change *change) {
    const ks_object *node = change->object;
    if (change->type == KS_MODIFIED) {
        if (!st->writing) node_changed(sim, st, node, change->old);
        return;
    }
    st->mixed = st->mixed || ks_len(ks_get(node->status, K(volumesAttached))) > 0;
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_VOLUMEATTACHMENT, NULL); ks_walk_next(&w);)
        look_at(sim, st, ks_store_named_by(ks_view(sim), w.object));
    if (change->type != KS_ADDED) return;
    for (ks_walk w = ks_walk_node(ks_view(sim), node->name); ks_walk_next(&w);)
        if (w.object->claims && ks_pod_wants_volumes(w.object)) look_at_claims(sim, st, w.object);
}

/* Attachments and a claim that is bound to it may have been there before it. */
static void volume_added(ks_sim *sim, attachdetach *st, const ks_object *volume) {
    const ks_object *claim = holder_of(sim, volume);
    ks_namers n = attachments_of(sim, volume);
    if (ks_namers_next(&n) || (claim != NULL && ks_wants_any(sim, &st->wants, claim)))
        look_at(sim, st, volume);
}

/* What is attached is detached all the same: it is known without the volume (actual_state_of_world.go: attachedVolume.spec). */
static void volume_deleted(ks_sim *sim, attachdetach *st, const ks_object *volume) {
    ks_namers n = attachments_of(sim, volume);
    if (volume->attached_as == NULL || !ks_namers_next(&n)) return;
    ks_tree_put(sim->world.heap, &st->lost, (ks_key){0, volume->id}, (void *)ks_object_ref(volume));
    ks_enqueue(sim, st->index, volume->id);
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    attachdetach *st = state;
    const ks_object *object = change->object;
    switch (object->kind) {
    case KS_POD: observe_pod(sim, st, change); break;
    case KS_VOLUMEATTACHMENT: observe_attachment(sim, st, change); break;
    case KS_NODE: observe_node(sim, st, change); break;
    case KS_PVC:
        if (change->type != KS_DELETED && object->bound &&
            !(change->old != NULL && change->old->bound) && ks_wants_any(sim, &st->wants, object))
            look_at(sim, st, volume_of(sim, object));
        break;
    case KS_PV:
        if (change->type == KS_ADDED) volume_added(sim, st, object);
        if (change->type == KS_DELETED) volume_deleted(sim, st, object);
        break;
    default: break;
    }
}

static bool heeds(const ks_sim *sim, const void *state, const ks_change *change, uint32_t parts) {
    (void)sim, (void)state;
    const ks_object *object = change->object;
    if (object->kind != KS_POD) return true;
    return object->claims && (parts & (KS_PART_PLACE | KS_PART_PHASE | KS_PART_ENDING)) != 0;
}

/* --- acting --- */

static bool settled(ks_sim *sim, ks_refusal *refusal) {
    bool done = refusal == NULL || refusal->code == 404;
    ks_refusal_free(sim->world.heap, refusal);
    return done;
}

static const ks_str *handle_of(const ks_object *volume) {
    return ks_str_or_null(ks_get2(volume->spec, K(csi), K(volumeHandle)));
}

/* Whether a node's list has the name, and where. Mostly it is one and the same text, which need not be read to see that. */
static bool lists(ks_val list, const ks_str *name, uint32_t *at) {
    for (*at = 0; *at < ks_len(list); ++*at)
        if (ks_str_or_null(ks_get(ks_at(list, *at), K(name))) == name) return true;
    for (*at = 0; *at < ks_len(list); ++*at)
        if (ks_str_eq(ks_str_or_null(ks_get(ks_at(list, *at), K(name))), name)) return true;
    return false;
}

/* A write that fails may have been done all the same. */
static bool write_attached(ks_sim *sim, attachdetach *st, const ks_object *node, ks_val list) {
    ks_val status = ks_put(sim->world.heap, ks_ref(node->status), K(volumesAttached), list);
    st->writing = true;
    bool fine = settled(sim, ks_server_update_status(&sim->server, node, status, NULL));
    st->writing = false;
    st->mixed = st->mixed || !fine;
    return fine;
}

/* The node whose list a patch exchanges (statusupdater/node_status_updater.go): the newest version. NULL: it has gone. */
static const ks_object *patched(const ks_sim *sim, const ks_object *node) {
    return ks_view_is_late(sim) ? ks_store_by_id(&sim->server.store, KS_NODE, node->id) : node;
}

static const ks_str no_path = {.refs = KS_IMMORTAL, .len = 0, .s = ""};

static void ask_for_volume(const ks_store *s, uint64_t id, int steps) {
    ks_coming next = {.kinds = KS_KIND_BIT(KS_PV), .id = id};
    ks_store_ahead(s, &next, steps);
}

/* What is untold of a node is going to be looked at. */
static void fetch_untold(const ks_sim *sim, const attachdetach *st, uint64_t node) {
    for (int steps = KS_STEPS_AHEAD; steps > 1; steps--)
        for (ks_tree_iter it = ks_tree_from(&st->untold, (ks_key){node, 0});
             ks_tree_next(&it) && it.key.a == node;)
            ask_for_volume(ks_view(sim), (uint64_t)(uintptr_t)it.value, steps);
}

/* Adds to node.status.volumesAttached what has been attached. */
static bool tell_attached(ks_sim *sim, attachdetach *st, const ks_object *known) {
    ks_heap *heap = sim->world.heap;
    const ks_object *node = patched(sim, known);
    if (node == NULL) return true;
    ks_val list = ks_ref(ks_get(node->status, K(volumesAttached)));
    uint32_t at, before = ks_len(list);
    ks_key key = {node->id, 0};
    fetch_untold(sim, st, node->id);
    for (ks_tree_iter it = ks_tree_from(&st->untold, key);
         ks_tree_next(&it) && it.key.a == key.a;) {
        const ks_object *volume =
            ks_store_by_id(ks_view(sim), KS_PV, (uint64_t)(uintptr_t)it.value);
        if (volume == NULL || volume->attached_as == NULL) continue;
        if (st->mixed && lists(list, volume->attached_as, &at)) continue;
        ks_val item = ks_map_of(heap, K(devicePath), ks_string(&no_path), K(name),
                                ks_string(volume->attached_as), NULL);
        list = ks_extend(heap, list, item);
    }
    bool fine = true;
    if (ks_len(list) > before)
        fine = write_attached(sim, st, node, list);
    else
        ks_unref(heap, list);
    if (!fine) return false;
    ks_tree_del_all(heap, &st->untold, node->id);
    return true;
}

/* What is being detached need not be told any more. */
static void keep_quiet(ks_heap *heap, attachdetach *st, uint64_t node, uint64_t volume) {
    ks_key key = {node, 0}, found;
    void *value;
    for (; ks_tree_ceiling(&st->untold, key, &found, &value) && found.a == node;
         key.b = found.b + 1)
        if ((uint64_t)(uintptr_t)value == volume) ks_tree_del(heap, &st->untold, found);
}

/* Takes the volume off node.status.volumesAttached. */
static bool tell_detached(ks_sim *sim, attachdetach *st, const ks_str *node_name,
                          const ks_object *volume) {
    ks_heap *heap = sim->world.heap;
    const ks_object *node = ks_store_get(ks_view(sim), KS_NODE, NULL, node_name);
    if (node == NULL) return true;
    keep_quiet(heap, st, node->id, volume->id);
    node = patched(sim, node);
    if (node == NULL) return true;
    ks_val old = ks_get(node->status, K(volumesAttached)), list = KS_NOTHING;
    uint32_t at;
    if (!lists(old, volume->attached_as, &at)) return true;
    if (ks_len(old) > 1) list = ks_remove_at(heap, ks_ref(old), at);
    return write_attached(sim, st, node, list);
}

/* The pods that name the volume's claim; none where somebody has taken its claimRef away. */
static ks_namers users_of(const ks_sim *sim, const ks_object *volume) {
    ks_val ref = ks_get(volume->spec, K(claimRef));
    const ks_str *ns = ks_str_or_null(ks_get(ref, K(namespace))),
                 *name = ks_str_or_null(ks_get(ref, K(name)));
    if (name == NULL) return (ks_namers){.store = ks_view(sim)};
    return ks_store_naming(ks_view(sim), KS_POD, ns, name);
}

/* The next of them that wants it on a node (`other`: on any other one); NULL: no more. */
static const ks_object *next_user(ks_namers *users, const ks_str *node, bool other) {
    while (ks_namers_next(users)) {
        const ks_object *pod = users->object;
        if (ks_pod_wants_volumes(pod) && ks_str_eq(pod->node, node) != other) return pod;
    }
    return NULL;
}

/* The node's status is to say that the volume is attached. */
static void to_tell(ks_sim *sim, attachdetach *st, const ks_object *node, const ks_object *volume) {
    ks_tree_put(sim->world.heap, &st->untold, (ks_key){node->id, ++st->sequence},
                (void *)(uintptr_t)volume->id);
    ks_enqueue(sim, st->index, node->id);
}

static void tell_user(ks_sim *sim, const ks_object *pod, const ks_object *volume) {
    ks_event e = {.type = "Normal",
                  .reason = "SuccessfulAttachVolume",
                  .component = "attachdetach-controller"};
    ks_record_parts(&sim->server, pod, &e, "AttachVolume.Attach succeeded for volume \"%s\" ",
                    volume->name);
}

/* Those that want the volume on the node hear that it is attached. */
static void tell_users(ks_sim *sim, const ks_object *volume, const ks_str *node,
                       const ks_wanted *wanted) {
    if (wanted->user != NULL) {
        if (ks_str_eq(wanted->user->node, node)) tell_user(sim, wanted->user, volume);
        return;
    }
    const ks_object *pod;
    ks_namers users = users_of(sim, volume);
    while ((pod = next_user(&users, node, false)) != NULL) tell_user(sim, pod, volume);
}

static bool finish_attach(ks_sim *sim, attachdetach *st, const ks_object *volume,
                          const ks_object *va, const ks_wanted *wanted) {
    ks_heap *heap = sim->world.heap;
    const ks_str *node_name = ks_str_or_null(ks_get(va->spec, K(nodeName)));
    st->writing = true;
    bool fine = settled(sim, ks_server_update_status(&sim->server, va, ks_ref(st->yes), NULL));
    st->writing = false;
    if (!fine) return false;
    ks_ids_del(heap, &st->attaching, va->id);
    tell_users(sim, volume, node_name, wanted);
    const ks_object *node = ks_store_get(ks_view(sim), KS_NODE, NULL, node_name);
    if (node == NULL) return true;
    to_tell(sim, st, node, volume);
    return true;
}

static int64_t latency(const ks_sim *sim, int64_t setting) {
    return sim->settings->manual_kubelet ? 0 : setting;
}

/* The attacher begins: in `works`, it will be done at that instant. */
static void begin(ks_sim *sim, attachdetach *st, ks_ids *works, const ks_object *volume,
                  uint64_t va, int64_t takes) {
    int64_t due = ks_after(sim->world.now, latency(sim, takes));
    if (due > KS_LAST) due = KS_LAST;
    ks_ids_put(sim->world.heap, works, va, (void *)(intptr_t)(due + 1));
    ks_enqueue_at(sim, st->index, volume->id, due);
}

/* When the attacher will be done; -1: it has nothing to do. */
static int64_t due_at(const ks_ids *works, uint64_t va) {
    return (int64_t)(intptr_t)ks_ids_get(works, va) - 1;
}

static bool attach(ks_sim *sim, attachdetach *st, const ks_object *volume, const ks_str *node) {
    ks_heap *heap = sim->world.heap;
    const ks_str *driver = ks_volume_attacher(volume), *handle = handle_of(volume);
    const ks_str *const parts[] = {handle, driver, node}, *text = ks_str_join(heap, parts, 3);
    char name[4 + 65] = "csi-";
    ks_sha256_hex(text->s, text->len, name + 4);
    ks_str_unref(heap, text);
    ks_val meta = ks_map_of(heap, K(name), ks_text(heap, name), NULL);
    ks_store_ask_name(&sim->server.store, KS_VOLUMEATTACHMENT, NULL,
                      ks_str_or_null(ks_get(meta, K(name))));
    ks_val source = ks_map_of(heap, K(persistentVolumeName), ks_string(volume->name), NULL);
    ks_val spec = ks_map_of(heap, K(attacher), ks_string(driver), K(nodeName), ks_string(node),
                            K(source), source, NULL);
    ks_val doc = ks_map_of(heap, K(apiVersion), ks_string(K(storage_k8s_io_v1)), K(kind),
                           ks_string(K(VolumeAttachment)), K(metadata), meta, K(spec), spec,
                           K(status), ks_ref(st->no), NULL);
    ks_write_opts opts = {.whole = true};
    const ks_object *va = NULL;
    ks_store_expect(&sim->server.store, volume);
    st->writing = true;
    ks_refusal *refusal =
        ks_server_create(&sim->server, KS_VOLUMEATTACHMENT, NULL, doc, &opts, &va);
    st->writing = false;
    if (refusal != NULL) {
        bool exists = refusal->code == 409;
        ks_refusal_free(heap, refusal);
        return exists;
    }
    begin(sim, st, &st->attaching, volume, va->id, sim->settings->latency.attach);
    ks_object_unref(heap, va);
    return true;
}

/* pkg/volume/util: IsMultiAttachAllowed. */
static bool many_nodes_allowed(const ks_object *volume) {
    ks_val modes = ks_get(volume->spec, K(accessModes));
    if (ks_len(modes) == 0) return true;
    ks_each(mode, modes) {
        if (ks_text_is(*mode, "ReadWriteMany") || ks_text_is(*mode, "ReadOnlyMany")) return true;
    }
    return false;
}

/* The names of pods in `ns` that use the volume on other nodes than `node`, sorted and joined; the number of others. */
static void other_users(const ks_sim *sim, const ks_object *volume, const ks_str *node,
                        ks_buf *names) {
    const ks_str *sorted[64];
    int count = 0;
    ks_namers users = users_of(sim, volume);
    const ks_object *pod;
    while (count < 64 && (pod = next_user(&users, node, true)) != NULL) {
        int at = count++;
        for (; at > 0 && ks_str_cmp(sorted[at - 1], pod->name) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = pod->name;
    }
    for (int i = 0; i < count; i++) ks_buf_printf(names, i == 0 ? "%s" : ", %s", sorted[i]->s);
}

/* reconciler.go: reportMultiAttachError. */
static void report_multi_attach(ks_sim *sim, attachdetach *st, const ks_object *volume,
                                const ks_str *node) {
    ks_heap *heap = sim->world.heap;
    ks_key key = {volume->id, ks_node_hash(node)};
    if (ks_tree_has(&st->reported, key)) return;
    ks_tree_put(heap, &st->reported, key, (void *)(uintptr_t)1);
    ks_event e = {
        .type = "Warning", .reason = "FailedAttachVolume", .component = "attachdetach-controller"};
    ks_buf names = {heap, NULL, 0, 0};
    other_users(sim, volume, node, &names);
    ks_namers users = users_of(sim, volume);
    const ks_object *pod;
    while ((pod = next_user(&users, node, false)) != NULL) {
        if (names.len == 0)
            ks_record(
                &sim->server, pod, &e,
                "Multi-Attach error for volume \"%s\" Volume is already exclusively attached to one node and "
                "can't be attached to another",
                volume->name->s);
        else
            ks_record(&sim->server, pod, &e,
                      "Multi-Attach error for volume \"%s\" Volume is already used by pod(s) %s",
                      volume->name->s, names.s);
    }
    ks_buf_dispose(&names);
}

static bool in_use(const ks_object *node, const ks_object *volume) {
    ks_each(item, ks_get(node->status, K(volumesInUse))) {
        if (ks_str_eq(ks_str_or_null(*item), volume->attached_as)) return true;
    }
    return false;
}

/* The node may have mounted it since it said what the cache shows: the server is asked before the attacher is (pkg/volume/util/
 * operationexecutor/operation_generator.go: verifyVolumeIsSafeToDetach). */
static bool is_mounted_by_now(ks_sim *sim, const ks_object *node, const ks_object *volume) {
    if (!ks_view_is_late(sim)) return false;
    const ks_object *now = ks_store_get(&sim->server.store, KS_NODE, NULL, node->name);
    return now != NULL && in_use(now, volume);
}

/* Nobody wants the volume on that node any more: detaches as soon as it may. */
static bool detach(ks_sim *sim, attachdetach *st, const ks_object *volume, const ks_object *va) {
    ks_heap *heap = sim->world.heap;
    const ks_str *node_name = ks_str_or_null(ks_get(va->spec, K(nodeName)));
    const ks_object *node = ks_store_get(ks_view(sim), KS_NODE, NULL, node_name);
    ks_key key = {ks_node_hash(node_name), volume->id};
    int64_t since = (int64_t)(intptr_t)ks_tree_get(&st->unwanted, key) - 1;
    if (since < 0) {
        since = sim->world.now;
        ks_tree_put(heap, &st->unwanted, key, (void *)(intptr_t)(since + 1));
    }
    int64_t forced = since + MAX_WAIT_FOR_UNMOUNT; /* from then on nothing is verified */
    bool force =
        (node == NULL || !ks_condition_holds(node->status, "Ready")) && sim->world.now >= forced;
    /* A node that is gone cannot tell any more: what it said last holds. */
    bool mounted = node == NULL || in_use(node, volume);
    if (!force && mounted && !(node != NULL && ks_node_out_of_service(node))) {
        /* Past the time the node may still be ready: then only its own report helps, which is observed. */
        if (sim->world.now < forced) ks_enqueue_at(sim, st->index, volume->id, forced);
        return true;
    }
    bool safe = sim->world.now >= forced || (node != NULL && ks_node_out_of_service(node));
    if (!tell_detached(sim, st, node_name, volume)) return false;
    if (!safe && is_mounted_by_now(sim, node, volume)) {
        to_tell(sim, st, node, volume);
        return false;
    }
    ks_tree_del(heap, &st->unwanted, key);
    begin(sim, st, &st->detaching, volume, va->id, sim->settings->latency.detach);
    return true;
}

static bool finish_detach(ks_sim *sim, const ks_object *va) {
    return settled(sim,
                   ks_server_delete(&sim->server, KS_VOLUMEATTACHMENT, NULL, va->name, NULL, NULL));
}

/* Whether the volume has an attachment to the node, and (*other) the first one to another; NULL: none. */
static bool has_attachment(const ks_sim *sim, const ks_object *volume, const ks_str *node,
                           const ks_object **other) {
    *other = NULL;
    for (ks_namers n = attachments_of(sim, volume); ks_namers_next(&n);) {
        if (ks_str_eq(ks_str_or_null(ks_get(n.object->spec, K(nodeName))), node)) return true;
        if (*other == NULL) *other = n.object;
    }
    return false;
}

/* A controller that was restarted takes up what it finds: an attacher begins anew, and a node is told. */
static void resume(ks_sim *sim, attachdetach *st, const ks_object *volume, const ks_object *va) {
    const ks_object *now = ks_store_by_id(&sim->server.store, KS_VOLUMEATTACHMENT, va->id);
    if (now == NULL) return;
    if (!ks_bool_or(ks_get(now->status, K(attached)), false)) {
        begin(sim, st, &st->attaching, volume, va->id, sim->settings->latency.attach);
        return;
    }
    const ks_object *node =
        ks_store_get(ks_view(sim), KS_NODE, NULL, ks_str_or_null(ks_get(va->spec, K(nodeName))));
    if (st->mixed && node != NULL) to_tell(sim, st, node, volume);
}

/* Works on one attachment of the volume: false: to be tried again. */
static bool sync_attachment(ks_sim *sim, attachdetach *st, const ks_object *volume,
                            const ks_object *va, const ks_wanted *wanted) {
    int64_t attached = due_at(&st->attaching, va->id), detached = due_at(&st->detaching, va->id);
    if (attached > sim->world.now || detached > sim->world.now) {
        ks_enqueue_at(sim, st->index, volume->id, attached > detached ? attached : detached);
        return true;
    }
    if (detached >= 0) return finish_detach(sim, va);
    uint64_t node = ks_node_hash(ks_str_or_null(ks_get(va->spec, K(nodeName))));
    if (attached >= 0) {
        if (!finish_attach(sim, st, volume, va, wanted)) return false;
        if (!ks_wanted_on(wanted, node))
            ks_enqueue(sim, st->index, volume->id); /* to be detached right away */
        return true;
    }
    if (!ks_wanted_on(wanted, node)) return detach(sim, st, volume, va);
    if (st->unwanted.count > 0)
        ks_tree_del(sim->world.heap, &st->unwanted, (ks_key){node, volume->id});
    resume(sim, st, volume, va);
    return true;
}

/* Attachments come and go meanwhile. */
static bool sync_attachments(ks_sim *sim, attachdetach *st, const ks_object *volume,
                             const ks_wanted *wanted) {
    ks_heap *heap = sim->world.heap;
    bool done = true;
    for (ks_namers n = attachments_of(sim, volume); ks_namers_next(&n);) {
        const ks_object *va = ks_object_ref(n.object);
        done = sync_attachment(sim, st, volume, va, wanted) && done;
        ks_object_unref(heap, va);
    }
    return done;
}

/* While an attach or detach is under way nothing is said. */
static bool is_busy(const attachdetach *st, const ks_object *va) {
    return va != NULL && (ks_ids_get(&st->attaching, va->id) != NULL ||
                          ks_ids_get(&st->detaching, va->id) != NULL);
}

static bool sync_wanted(ks_sim *sim, attachdetach *st, const ks_object *volume,
                        const ks_wanted *wanted) {
    bool done = true;
    uint64_t at = 0;
    for (const ks_str *node; (node = ks_wanted_from(wanted, at, &at)) != NULL; at++) {
        const ks_object *other;
        if (!has_attachment(sim, volume, node, &other) &&
            ks_store_get(ks_view(sim), KS_NODE, NULL, node) != NULL) {
            if (other == NULL || many_nodes_allowed(volume)) {
                if (st->reported.count > 0)
                    ks_tree_del(sim->world.heap, &st->reported, (ks_key){volume->id, at});
                done = attach(sim, st, volume, node) && done;
            } else if (!is_busy(st, other)) {
                report_multi_attach(sim, st, volume, node);
            }
        }
        if (at == UINT64_MAX) break;
    }
    return done;
}

/* A volume that has been deleted: nothing is attached any more, and what is goes as soon as the node does not work with it. */
static bool sync_lost(ks_sim *sim, attachdetach *st, const ks_object *volume) {
    const ks_wanted nowhere = {.nodes = NULL};
    ks_object_ref(volume);
    bool done = sync_attachments(sim, st, volume, &nowhere);
    ks_namers n = attachments_of(sim, volume);
    if (!ks_namers_next(&n)) ks_tree_del(sim->world.heap, &st->lost, (ks_key){0, volume->id});
    ks_object_unref(sim->world.heap, volume);
    return done;
}

/* Reports of nodes that no longer want the volume are forgotten. */
static void forget_reports(ks_heap *heap, attachdetach *st, const ks_object *volume,
                           const ks_wanted *wanted) {
    ks_tree before = ks_tree_copy(&st->reported);
    for (ks_tree_iter it = ks_tree_from(&before, (ks_key){volume->id, 0});
         ks_tree_next(&it) && it.key.a == volume->id;)
        if (!ks_wanted_on(wanted, it.key.b)) ks_tree_del(heap, &st->reported, it.key);
    ks_tree_clear(heap, &before);
}

/* Works on a volume that is attached to nodes; nothing that is done here changes a pod. */
static bool sync_volume(ks_sim *sim, attachdetach *st, const ks_object *volume) {
    const ks_object *claim = holder_of(sim, volume);
    ks_wanted wanted = {.nodes = NULL};
    if (claim != NULL) wanted = ks_wants_of(sim, &st->wants, claim);
    if (st->reported.count > 0) forget_reports(sim->world.heap, st, volume, &wanted);
    bool done = sync_attachments(sim, st, volume, &wanted);
    return sync_wanted(sim, st, volume, &wanted) && done;
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    attachdetach *st = state;
    const ks_object *volume = ks_object_ref(ks_store_by_id(ks_view(sim), KS_PV, key));
    const ks_object *lost =
        st->lost.count == 0 || volume != NULL ? NULL : ks_tree_get(&st->lost, (ks_key){0, key});
    if (lost != NULL) return sync_lost(sim, st, lost);
    if (volume == NULL) {
        const ks_object *node = ks_store_by_id(ks_view(sim), KS_NODE, key);
        return node == NULL || tell_attached(sim, st, node);
    }
    bool done = volume->attached_as == NULL || sync_volume(sim, st, volume);
    ks_object_unref(sim->world.heap, volume);
    return done;
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    const ks_object *object = ks_store_by_id(ks_view(sim), KS_PV, key);
    if (object == NULL) object = ks_store_by_id(ks_view(sim), KS_NODE, key);
    if (object != NULL) ks_buf_str(out, object->name);
}

/* A volume will be worked on: with its attachment, and the pod that uses its claim. */
static void ahead(const ks_sim *sim, const void *state, const ks_coming *next, int steps) {
    (void)state;
    const ks_store *s = &sim->server.store;
    if (steps > 1) ks_store_ahead_naming(s, KS_VOLUMEATTACHMENT, next->id, steps);
    const ks_object *volume = steps > 2 ? NULL : next->object;
    if (volume != NULL && volume->named != 0)
        ks_store_ahead_naming(s, KS_POD, ks_named_id(volume), steps + 2);
}

const ks_component ks_attachdetach_controller = {
    .name = "attachdetach",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .keys = KS_KIND_BIT(KS_PV),
    .ahead = ahead,
    .describe = describe,
    .pod_parts = KS_PART_PLACE | KS_PART_PHASE | KS_PART_ENDING | KS_PART_EXISTENCE,
    .claim_parts = KS_PART_META | KS_PART_SPEC | KS_PART_ADDED, /* it is bound now */
    .volume_parts = KS_PART_EXISTENCE,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_NODE) | KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV) |
             KS_KIND_BIT(KS_VOLUMEATTACHMENT),
    .own = KS_KIND_BIT(KS_VOLUMEATTACHMENT), /* cache/actual_state_of_world.go */
};
