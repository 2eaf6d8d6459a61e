/*
 * controllers/storage/provisioner.c - an external provisioner: makes volumes for claims that ask for one and deletes
 * released ones (sigs.k8s.io/sig-storage-lib-external-provisioner controller.go; kubernetes-csi/external-provisioner).
 *
 * It answers for every provisioner name: the binder asks only those outside kubernetes.io/. Volumes are CSI volumes of one
 * driver that attaches them to nodes. With the kubelet played by hand nothing mounts; volumes are then network shares that
 * need no attaching, except those of a class named "disk" or with the parameter `attach: "true"`.
 */
#include "api/values.h"
#include "controllers/storage/storage.h"
#include "doc/alike.h"
#include "engine/volumes.h"

#include <stdio.h>
#include <string.h>

#define DRIVER "csi.kubesim.dev"
static const ks_str driver_name = {.refs = KS_IMMORTAL, .len = sizeof DRIVER - 1, .s = DRIVER};

typedef struct provisioner {
    int index;
    ks_ids started; /* claim id: provisioning has begun */
    struct {
        ks_alike annotations, finalizers, capacity, status; /* of volumes */
        ks_alike component;                                 /* of Events */
    } alike;
} provisioner;

static void *create(ks_sim *sim) {
    provisioner *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_volume_provisioner);
    return st;
}

static void *copy(ks_sim *sim, const void *state) {
    const provisioner *from = state;
    provisioner *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = *from;
    st->started = ks_ids_copy(&from->started);
    memset(&st->alike, 0, sizeof st->alike);
    return st;
}

static void dispose(ks_heap *heap, void *state) {
    provisioner *st = state;
    ks_ids_clear(heap, &st->started);
    ks_alike_clear(heap, &st->alike.annotations);
    ks_alike_clear(heap, &st->alike.finalizers);
    ks_alike_clear(heap, &st->alike.capacity);
    ks_alike_clear(heap, &st->alike.status);
    ks_alike_clear(heap, &st->alike.component);
    ks_free(heap, st, sizeof *st);
}

/* Whether a claim asks for a volume now. */
static bool asks(const ks_sim *sim, const ks_object *claim) {
    if (*ks_text_or(ks_get(claim->spec, K(volumeName)), "") != '\0') return false;
    const ks_str *named = ks_annotation(claim, K(volume_kubernetes_io_storage_provisioner));
    if (named == NULL || strncmp(named->s, "kubernetes.io/", 14) == 0)
        return false; /* nobody, or the controller itself */
    const ks_object *class = ks_claim_class(ks_view(sim), claim);
    if (class == NULL) return false;
    return !ks_class_waits(class) ||
           ks_annotation(claim, K(volume_kubernetes_io_selected_node)) != NULL;
}

/* Whether a volume is ours to delete now. */
static bool to_delete(const ks_object *volume) {
    return volume->phase == 'R' &&
           ks_text_is(ks_get(volume->spec, K(persistentVolumeReclaimPolicy)), "Delete") &&
           ks_annotation(volume, K(pv_kubernetes_io_provisioned_by)) != NULL;
}

static void observe_attachment(ks_sim *sim, provisioner *st, const ks_change *change) {
    if (change->type != KS_DELETED) return;
    const ks_object *volume = ks_store_named_by(ks_view(sim), change->object);
    if (volume != NULL && to_delete(volume)) ks_enqueue(sim, st->index, volume->id);
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    provisioner *st = state;
    const ks_object *object = change->object;
    if (object->kind == KS_VOLUMEATTACHMENT) observe_attachment(sim, st, change);
    if (change->type == KS_DELETED) {
        if (object->kind == KS_PVC) ks_ids_del(sim->world.heap, &st->started, object->id);
    } else if (object->kind == KS_PVC) {
        if (asks(sim, object)) ks_enqueue(sim, st->index, object->id);
    } else if (object->kind == KS_PV) {
        if (to_delete(object)) ks_enqueue(sim, st->index, object->id);
    }
}

/* --- making a volume --- */

/* The message is the format with up to two parts (the others NULL), as ks_record_parts() has it. */
static void event(ks_sim *sim, const ks_object *about, const char *type, const char *reason,
                  const char *format, const ks_str *one, const ks_str *two) {
    ks_heap *heap = sim->world.heap;
    ks_val driver =
        ks_get2(about->meta, K(annotations), K(volume_kubernetes_io_storage_provisioner));
    ks_alike *alike = &((provisioner *)ks_state_at_work(sim))->alike.component;
    ks_val component = ks_alike_get(alike, driver, KS_NOTHING, KS_NOTHING);
    if (!ks_exists(component))
        component = ks_alike_put(
            heap, alike, driver, KS_NOTHING, KS_NOTHING,
            ks_format(heap, "%s_csi-provisioner-0_00000000-0000-0000-0000-000000000000",
                      ks_text_or(driver, DRIVER)));
    ks_event e = {.type = type, .reason = reason, .by = component.s};
    const ks_str *const parts[] = {one, two};
    ks_record_saying(&sim->server, about, &e, format, parts, (one != NULL) + (two != NULL));
    ks_unref(heap, component);
}

/* The size that the driver makes: the request in bytes, as a quantity is read back (1G stays 1G, 1.5Gi becomes 1536Mi). */
static ks_val size_of(ks_heap *heap, const ks_object *claim) {
    char text[64];
    ks_quantity q = ks_quantity_of(ks_get3(claim->spec, K(resources), K(requests), K(storage)));
    q.format = KS_BINARY_SI;
    int len = ks_quantity_print(q, text);
    ks_quantity again;
    const char *why;
    if (!ks_quantity_parse(text, (size_t)len, &again, &why)) again = q;
    return ks_quantity_val(heap, again);
}

static bool attaches(const ks_sim *sim, const ks_object *class) {
    ks_val parameter = ks_get_text(ks_get(ks_doc(class), K(parameters)), "attach", 6);
    if (parameter.type == KS_STRING) return ks_text_is(parameter, "true");
    return !sim->settings->manual_kubelet || ks_str_is(class->name, "disk");
}

/* --- parts that the volumes of one class share --- */

static ks_val annotations_of(ks_sim *sim, provisioner *st, const ks_object *claim) {
    ks_heap *heap = sim->world.heap;
    ks_val by = ks_get2(claim->meta, K(annotations), K(volume_kubernetes_io_storage_provisioner));
    ks_val made = ks_alike_get(&st->alike.annotations, by, KS_NOTHING, KS_NOTHING);
    if (ks_exists(made)) return made;
    made = ks_map_of(heap, K(pv_kubernetes_io_provisioned_by), ks_ref(by), NULL);
    if (!sim->settings->manual_kubelet) {
        made = ks_put(heap, made, K(volume_kubernetes_io_provisioner_deletion_secret_name),
                      ks_text(heap, ""));
        made = ks_put(heap, made, K(volume_kubernetes_io_provisioner_deletion_secret_namespace),
                      ks_text(heap, ""));
    }
    return ks_alike_put(heap, &st->alike.annotations, by, KS_NOTHING, KS_NOTHING, made);
}

/* The provisioner's own, and what admission adds. */
static ks_val finalizers_of(ks_heap *heap, provisioner *st) {
    ks_val made = ks_alike_get(&st->alike.finalizers, KS_NOTHING, KS_NOTHING, KS_NOTHING);
    if (ks_exists(made)) return made;
    made = ks_append(heap, ks_list_new(heap, 2),
                     ks_string(K(external_provisioner_volume_kubernetes_io_finalizer)));
    made = ks_append(heap, made, ks_string(K(kubernetes_io_pv_protection)));
    return ks_alike_put(heap, &st->alike.finalizers, KS_NOTHING, KS_NOTHING, KS_NOTHING, made);
}

static ks_val capacity_of(ks_heap *heap, provisioner *st, const ks_object *claim) {
    ks_val asked = ks_get(claim->spec, K(resources));
    ks_val made = ks_alike_get(&st->alike.capacity, asked, KS_NOTHING, KS_NOTHING);
    if (ks_exists(made)) return made;
    made = ks_map_of(heap, K(storage), size_of(heap, claim), NULL);
    return ks_alike_put(heap, &st->alike.capacity, asked, KS_NOTHING, KS_NOTHING, made);
}

static ks_val new_status(ks_sim *sim, provisioner *st) {
    ks_heap *heap = sim->world.heap;
    ks_val now = ks_time_val(&sim->world, sim->world.now);
    ks_val made = ks_alike_get(&st->alike.status, now, KS_NOTHING, KS_NOTHING);
    if (!ks_exists(made)) {
        made = ks_map_of(heap, K(lastPhaseTransitionTime), ks_ref(now), K(phase),
                         ks_string(K(Pending)), NULL);
        ks_alike_put(heap, &st->alike.status, now, KS_NOTHING, KS_NOTHING, made);
    }
    ks_unref(heap, now);
    return made;
}

/* The volume, as the server would store it: every part of it comes from a claim and a class that have been validated. */
static ks_val volume_doc(ks_sim *sim, provisioner *st, const ks_object *claim,
                         const ks_object *class) {
    ks_heap *heap = sim->world.heap;
    static const ks_str prefix = {.refs = KS_IMMORTAL, .len = 4, .s = "pvc-"};
    const ks_str *const parts[] = {&prefix, claim->uid};
    ks_val name = ks_string_take(ks_str_join(heap, parts, 2));
    ks_store_ask_name(&sim->server.store, KS_PV, NULL, name.s);
    ks_val meta = ks_map_of(heap, K(annotations), annotations_of(sim, st, claim), K(finalizers),
                            finalizers_of(heap, st), K(name), ks_ref(name), NULL);
    ks_val ref = ks_map_of(heap, K(apiVersion), ks_string(K(v1)), K(kind),
                           ks_string(K(PersistentVolumeClaim)), K(name), ks_string(claim->name),
                           K(namespace), ks_string(claim->ns), K(resourceVersion),
                           ks_string_take(ks_str_numbered(heap, NULL, 0, claim->version)), K(uid),
                           ks_string(claim->uid), NULL);
    ks_val policy = ks_get(ks_doc(class), K(reclaimPolicy));
    ks_val mode = ks_get(claim->spec, K(volumeMode)), source;
    bool disk = attaches(sim, class);
    if (disk)
        source = ks_map_of(heap, K(driver), ks_string(&driver_name), K(volumeHandle), ks_ref(name),
                           NULL);
    else
        source = ks_map_of(heap, K(path), ks_format(heap, "/%s", name.s->s), K(server),
                           ks_text(heap, "127.0.0.1"), NULL);
    ks_val spec = ks_map_of(heap, K(accessModes), ks_ref(ks_get(claim->spec, K(accessModes))),
                            K(capacity), capacity_of(heap, st, claim), K(claimRef), ref, K(csi),
                            disk ? source : KS_NOTHING, K(mountOptions),
                            ks_ref(ks_get(ks_doc(class), K(mountOptions))), K(nfs),
                            disk ? KS_NOTHING : source, K(persistentVolumeReclaimPolicy),
                            ks_exists(policy) ? ks_ref(policy) : ks_string(K(Delete)),
                            K(storageClassName), ks_string(class->name), K(volumeMode),
                            ks_exists(mode) ? ks_ref(mode) : ks_string(K(Filesystem)), NULL);
    ks_unref(heap, name);
    return ks_map_of(heap, K(apiVersion), ks_string(K(v1)), K(kind), ks_string(K(PersistentVolume)),
                     K(metadata), meta, K(spec), spec, K(status), new_status(sim, st), NULL);
}

static bool settled(ks_sim *sim, ks_refusal *refusal) {
    bool done = refusal == NULL || refusal->code == 404 || refusal->code == 409;
    ks_refusal_free(sim->world.heap, refusal);
    return done;
}

/* Whether the claim's volume has been made, though the claim does not name it yet (sig-storage-lib-external-provisioner,
 * controller.go: provisionClaimOperation: the name of the volume says whose it is). */
static bool is_made(const ks_sim *sim, const ks_object *claim) {
    ks_namers n = ks_store_naming_it(ks_view(sim), KS_PV, claim);
    while (ks_namers_next(&n)) {
        const ks_str *uid = ks_str_or_null(ks_get2(n.object->spec, K(claimRef), K(uid)));
        if (ks_str_eq(uid, claim->uid) &&
            ks_annotation(n.object, K(pv_kubernetes_io_provisioned_by)) != NULL)
            return true;
    }
    return false;
}

static bool provision(ks_sim *sim, provisioner *st, const ks_object *claim) {
    ks_heap *heap = sim->world.heap;
    bool quiet = sim->settings->manual_kubelet;
    int64_t latency = quiet ? 0 : sim->settings->latency.provision;
    if (!asks(sim, claim)) {
        ks_ids_del(heap, &st->started, claim->id);
        return true;
    }
    int64_t due = (int64_t)(intptr_t)ks_ids_get(&st->started, claim->id) - 1;
    if (due < 0) {
        if (is_made(sim, claim)) return true;
        due = ks_after(sim->world.now, latency);
        if (due > KS_LAST) due = KS_LAST;
        ks_ids_put(heap, &st->started, claim->id, (void *)(intptr_t)(due + 1));
        if (!quiet) {
            event(sim, claim, "Normal", "Provisioning",
                  "External provisioner is provisioning volume for claim \"%s/%s\"", claim->ns,
                  claim->name);
            if (ks_exists(ks_get(claim->spec, K(selector)))) {
                event(sim, claim, "Warning", "ProvisioningFailed",
                      "claim Selector is not supported", NULL, NULL);
                return true;
            }
        }
    }
    if (!quiet && ks_exists(ks_get(claim->spec, K(selector)))) return true;
    if (due > sim->world.now) {
        ks_enqueue_at(sim, st->index, claim->id, due);
        return true;
    }
    ks_val doc = volume_doc(sim, st, claim, ks_claim_class(ks_view(sim), claim));
    ks_write_opts opts = {.whole = true};
    const ks_object *volume = NULL;
    ks_store_expect(&sim->server.store, claim);
    ks_refusal *refusal = ks_server_create(&sim->server, KS_PV, NULL, doc, &opts, &volume);
    ks_ids_del(heap, &st->started, claim->id);
    if (refusal == NULL && !quiet)
        event(sim, claim, "Normal", "ProvisioningSucceeded", "Successfully provisioned volume %s",
              volume->name, NULL);
    ks_object_unref(heap, volume);
    return settled(sim, refusal);
}

/* --- deleting one --- */

/* The node that a volume is attached to, or NULL. */
static const ks_str *attached_to(const ks_sim *sim, const ks_object *volume) {
    ks_namers n = ks_store_naming_it(ks_view(sim), KS_VOLUMEATTACHMENT, volume);
    return ks_namers_next(&n) ? ks_str_or_null(ks_get(n.object->spec, K(nodeName))) : NULL;
}

static bool drop_finalizer(ks_sim *sim, const ks_object *volume) {
    ks_heap *heap = sim->world.heap;
    ks_val now = ks_get(volume->meta, K(finalizers));
    ks_val left = ks_list_new(heap, ks_len(now));
    ks_each(f, now) {
        if (!ks_str_eq(ks_str_or_null(*f), K(external_provisioner_volume_kubernetes_io_finalizer)))
            left = ks_append(heap, left, ks_ref(*f));
    }
    bool same = ks_len(left) == ks_len(now);
    if (same || ks_len(left) == 0) {
        ks_unref(heap, left);
        left = KS_NOTHING;
    }
    if (same) return true;
    ks_val doc = ks_put2(heap, ks_doc_ref(volume), K(metadata), K(finalizers), left);
    return settled(sim, ks_server_update_object(&sim->server, volume, doc, NULL));
}

/* The volume as it is now, a new reference; NULL: it is not to be deleted any more (deleteVolumeOperation). */
static const ks_object *still_to_delete(const ks_sim *sim, const ks_object *known) {
    const ks_object *now = ks_store_by_id(&sim->server.store, KS_PV, known->id);
    return now != NULL && to_delete(now) ? ks_object_ref(now) : NULL;
}

static bool delete_volume(ks_sim *sim, const ks_object *volume) {
    ks_heap *heap = sim->world.heap;
    const ks_str *node = ks_exists(ks_get(volume->spec, K(csi))) ? attached_to(sim, volume) : NULL;
    if (node != NULL) {
        event(sim, volume, "Warning", "VolumeFailedDelete",
              "persistentvolume %s is still attached to node %s", volume->name, node);
        return true; /* looked at again when the attachment goes */
    }
    if (ks_object_terminating(volume)) return drop_finalizer(sim, volume);
    const ks_object *left = NULL;
    ks_refusal *refusal = ks_server_delete(&sim->server, KS_PV, NULL, volume->name, NULL, &left);
    bool done = settled(sim, refusal) && (left == NULL || drop_finalizer(sim, left));
    ks_object_unref(heap, left);
    return done;
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    provisioner *st = state;
    bool done = true;
    const ks_object *object = ks_object_ref(ks_store_by_id(ks_view(sim), KS_PVC, key));
    if (object != NULL) {
        done = provision(sim, st, object);
    } else {
        const ks_object *known = ks_store_by_id(ks_view(sim), KS_PV, key);
        if (known != NULL && to_delete(known)) object = still_to_delete(sim, known);
        if (object != NULL) done = delete_volume(sim, object);
    }
    ks_object_unref(sim->world.heap, object);
    return done;
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    const ks_object *object = ks_store_by_id(ks_view(sim), KS_PVC, key);
    if (object == NULL) object = ks_store_by_id(ks_view(sim), KS_PV, key);
    if (object != NULL && object->ns != NULL) ks_buf_printf(out, "%s/", object->ns->s);
    if (object != NULL) ks_buf_str(out, object->name);
}

const ks_component ks_volume_provisioner = {
    .name = "provisioner",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .sync = sync,
    .attachment_parts = KS_PART_DELETED,
    .keys = KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV),
    .describe = describe,
    .kinds = KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV) | KS_KIND_BIT(KS_VOLUMEATTACHMENT),
    .lists = KS_KIND_BIT(KS_STORAGECLASS),
    .keeps = KS_KIND_BIT(KS_PV), /* it adds what it has made to its store of volumes */
};
