/*
 * controllers/storage/binder.c - binds claims to volumes: pkg/controller/volume/persistentvolume/pv_controller.go.
 *
 * Keys are ids of claims and volumes. Every 15 s the real controller looks at all of them anew. Here that is a look at the claims that
 * are not bound, and nobody waits for it (ks_rouse_at) unless something happened that such a claim would not notice by itself: a volume
 * became available, a class appeared. What could not be written waits for it, too, or for news of the object, before 1.36: put_off().
 */
#include "api/values.h"
#include "controllers/storage/storage.h"
#include "doc/alike.h"
#include "engine/volumes.h"

#include <stdio.h>
#include <string.h>

enum { RESYNC_KEY = 0, RESYNC_SECONDS = 15 };

typedef struct binder {
    int index;
    ks_ids pending; /* claim id: not bound yet */
    ks_ids fresh;   /* claim id: not looked at yet; pods made after it are not known then */
    uint64_t settling
        [2]; /* claim and volume that are being bound: when done, neither needs another look */
    struct {
        ks_alike handed, bound;      /* annotations of claims */
        ks_alike claim_bound, phase; /* status of claims, of volumes */
    } alike;
} binder;

static void *create(ks_sim *sim) {
    binder *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_volume_binder);
    return st;
}

static void *copy(ks_sim *sim, const void *state) {
    const binder *from = state;
    binder *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = *from;
    st->pending = ks_ids_copy(&from->pending);
    st->fresh = ks_ids_copy(&from->fresh);
    memset(&st->alike, 0, sizeof st->alike);
    return st;
}

static void dispose(ks_heap *heap, void *state) {
    binder *st = state;
    ks_ids_clear(heap, &st->pending);
    ks_ids_clear(heap, &st->fresh);
    ks_alike_clear(heap, &st->alike.handed);
    ks_alike_clear(heap, &st->alike.bound);
    ks_alike_clear(heap, &st->alike.claim_bound);
    ks_alike_clear(heap, &st->alike.phase);
    ks_free(heap, st, sizeof *st);
}

/* While a key is worked on. */
static binder *state_of(const ks_sim *sim) { return ks_state_at_work(sim); }

/* --- what is noticed --- */

static void look_at(ks_sim *sim, binder *st, const ks_object *object) {
    if (object->id != st->settling[0] && object->id != st->settling[1])
        ks_enqueue(sim, st->index, object->id);
}

static bool pod_waits(const ks_object *pod) {
    return pod->node == NULL && pod->phase != 'S' && pod->phase != 'F';
}

static bool is_pending(const ks_object *claim) { return claim->phase != 'B' || !claim->bound; }

/* The instant of the next look at everything. */
static int64_t next_resync(const ks_sim *sim) {
    const int64_t period = RESYNC_SECONDS * KS_SECOND;
    return (sim->world.now / period + 1) * period;
}

/* Keeps up which claims are pending: where that has not changed, it is known. */
static void note_pending(ks_sim *sim, binder *st, const ks_object *claim, const ks_object *old) {
    ks_heap *heap = sim->world.heap;
    bool pending = is_pending(claim);
    if (old != NULL && is_pending(old) == pending) return;
    if (pending) {
        if (st->pending.count == 0) ks_rouse_at(sim, st->index, next_resync(sim));
        ks_ids_put(heap, &st->pending, claim->id, (void *)(uintptr_t)claim->id);
    } else {
        ks_ids_del(heap, &st->pending, claim->id);
    }
}

/* A claim went before it could be bound to the volume that was made for it: the resync comes upon that. */
static void release_later(ks_sim *sim, const binder *st, const ks_object *claim) {
    for (ks_namers n = ks_store_naming_it(ks_view(sim), KS_PV, claim); ks_namers_next(&n);)
        if (ks_str_eq(ks_str_or_null(ks_get2(n.object->spec, K(claimRef), K(uid))), claim->uid))
            ks_enqueue_at(sim, st->index, n.object->id, next_resync(sim));
}

static void observe_claim(ks_sim *sim, binder *st, const ks_change *change) {
    ks_heap *heap = sim->world.heap;
    const ks_object *claim = change->object;
    if (change->type == KS_ADDED)
        ks_ids_put(heap, &st->fresh, claim->id, (void *)(uintptr_t)claim->id);
    if (change->type != KS_DELETED) {
        note_pending(sim, st, claim, change->type == KS_ADDED ? NULL : change->old);
        look_at(sim, st, claim);
        return;
    }
    ks_ids_del(heap, &st->pending, claim->id);
    ks_ids_del(heap, &st->fresh, claim->id);
    const ks_object *volume = ks_store_named_by(ks_view(sim), claim);
    if (volume != NULL)
        ks_enqueue(sim, st->index, volume->id);
    else
        release_later(sim, st, claim);
}

static void arm_resync(ks_sim *sim, binder *st) {
    if (st->pending.count > 0) ks_enqueue_at(sim, st->index, RESYNC_KEY, next_resync(sim));
}

/* Whether claims that had nothing to take before may find this volume. */
static bool may_suit_now(const ks_object *volume, const ks_object *old) {
    if (volume->phase != 'A') return false;
    return old == NULL || old->phase != 'A' || !ks_equal(volume->spec, old->spec) ||
           !ks_equal(volume->labels, old->labels) ||
           strcmp(ks_volume_class(volume), ks_volume_class(old)) != 0;
}

/* A volume has been taken from the claim that is bound to it: the resync comes upon that. It binds a volume again that names nobody; a claim whose
 * volume names another one is lost. */
static void await_taken_away(ks_sim *sim, const binder *st, const ks_change *change) {
    const ks_object *volume = change->object;
    if (change->old == NULL || ks_identical(volume->spec, change->old->spec) ||
        ks_equal(ks_get(volume->spec, K(claimRef)), ks_get(change->old->spec, K(claimRef))))
        return;
    const ks_object *claim = ks_store_named_by(ks_view(sim), change->old);
    if (claim == NULL || !claim->bound || !ks_names(claim, volume)) return;
    ks_val uid = ks_get2(volume->spec, K(claimRef), K(uid));
    if (!ks_volume_is_for(volume, claim) || !ks_str_eq(ks_str_or_null(uid), claim->uid))
        ks_enqueue_at(sim, st->index, claim->id, next_resync(sim));
}

static void observe_volume(ks_sim *sim, binder *st, const ks_change *change) {
    const ks_object *volume = change->object;
    if (change->type != KS_DELETED) {
        look_at(sim, st, volume);
        if (may_suit_now(volume, change->old)) arm_resync(sim, st);
        await_taken_away(sim, st, change);
    } else {
        const ks_object *claim = ks_store_named_by(ks_view(sim), volume);
        if (claim != NULL) ks_enqueue(sim, st->index, claim->id);
    }
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    binder *st = state;
    switch (change->object->kind) {
    case KS_PVC: observe_claim(sim, st, change); break;
    case KS_PV: observe_volume(sim, st, change); break;
    case KS_STORAGECLASS: arm_resync(sim, st); break;
    default: break;
    }
}

/* --- writing --- */

static void event(ks_sim *sim, const ks_object *about, const char *type, const char *reason,
                  const char *text) {
    ks_event e = {.type = type, .reason = reason, .component = "persistentvolume-controller"};
    ks_record(&sim->server, about, &e, "%s", text);
}

/* Success, or an object that is gone: nothing is left to do. Frees the refusal. */
static bool settled(ks_sim *sim, ks_refusal *refusal) {
    bool done = refusal == NULL || refusal->code == 404;
    ks_refusal_free(sim->world.heap, refusal);
    return done;
}

/* What has become of a write (`refusal` NULL: it is `out`); *object is the caller's reference, exchanged. */
static bool take(ks_sim *sim, const ks_object **object, ks_refusal *refusal, const ks_object *out) {
    if (refusal != NULL) {
        ks_refusal_free(sim->world.heap, refusal);
        return false;
    }
    ks_object_unref(sim->world.heap, *object);
    *object = out;
    return true;
}

/* The object anew. */
static bool write_object(ks_sim *sim, const ks_object **object, ks_val doc) {
    const ks_object *out = NULL;
    ks_refusal *refusal = ks_server_update_object(&sim->server, *object, doc, &out);
    return take(sim, object, refusal, out);
}

static bool write_claim(ks_sim *sim, const ks_object **claim, ks_val annotations, ks_val spec) {
    const ks_object *out = NULL;
    ks_val meta = ks_put(sim->world.heap, ks_ref((*claim)->meta), K(annotations), annotations);
    ks_refusal *refusal = ks_server_update_parts(&sim->server, *claim, meta, spec, &out);
    return take(sim, claim, refusal, out);
}

static bool write_status(ks_sim *sim, const ks_object **object, ks_val status) {
    const ks_object *out = NULL;
    ks_refusal *refusal = ks_server_update_status(&sim->server, *object, status, &out);
    return take(sim, object, refusal, out);
}

static ks_val annotated(ks_heap *heap, ks_val doc, const ks_str *key, const char *value) {
    return ks_put3(heap, doc, K(metadata), K(annotations), key,
                   value == NULL ? KS_NOTHING : ks_text(heap, value));
}

/* Sets a volume's phase, one of those that Kubernetes gives them, and message. */
static bool set_volume_phase(ks_sim *sim, const ks_object **volume, const char *phase,
                             const char *message) {
    ks_heap *heap = sim->world.heap;
    const char *old_message = ks_text_or(ks_get((*volume)->status, K(message)), "");
    bool new_phase = (*volume)->phase != *phase;
    if (!new_phase && strcmp(old_message, message) == 0) return true;
    ks_val before = (*volume)->status, now = ks_time_val(&sim->world, sim->world.now);
    bool binds = *phase == 'B' && new_phase && *message == '\0';
    ks_alike *alike = &state_of(sim)->alike.phase;
    ks_val status = binds ? ks_alike_get(alike, before, now, KS_NOTHING) : KS_NOTHING;
    if (!ks_exists(status)) {
        status = ks_put(heap, ks_ref(before), K(phase), ks_text(heap, phase));
        if (new_phase) status = ks_put(heap, status, K(lastPhaseTransitionTime), ks_ref(now));
        status = ks_put(heap, status, K(message),
                        *message == '\0' ? KS_NOTHING : ks_text(heap, message));
        if (binds) ks_alike_put(heap, alike, before, now, KS_NOTHING, status);
    }
    ks_unref(heap, now);
    return write_status(sim, volume, status);
}

/* The status of a claim that is bound to the volume from now on. */
static ks_val bound_status(ks_sim *sim, const ks_object *claim, const ks_object *volume) {
    ks_heap *heap = sim->world.heap;
    ks_val modes = ks_get(volume->spec, K(accessModes));
    ks_val size = ks_get2(volume->spec, K(capacity), K(storage));
    /* A size that a later expansion reached is not taken back. */
    if (claim->phase == 'B' && ks_exists(ks_get2(claim->status, K(capacity), K(storage))))
        size = KS_NOTHING;
    ks_alike *alike = &state_of(sim)->alike.claim_bound;
    ks_val status = ks_alike_get(alike, claim->status, modes, size);
    if (ks_exists(status)) return status;
    status = ks_put(heap, ks_ref(claim->status), K(phase), ks_string(K(Bound)));
    status = ks_put(heap, status, K(accessModes), ks_ref(modes));
    if (ks_exists(size)) status = ks_put2(heap, status, K(capacity), K(storage), ks_ref(size));
    return ks_alike_put(heap, alike, claim->status, modes, size, status);
}

/* updateClaimStatus: phase, and for a bound claim what its volume has. */
static bool set_claim_phase(ks_sim *sim, const ks_object **claim, const char *phase,
                            const ks_object *volume) {
    ks_heap *heap = sim->world.heap;
    ks_val status;
    if (volume == NULL) {
        status = ks_put(heap, ks_ref((*claim)->status), K(phase), ks_text(heap, phase));
        status = ks_drop(heap, status, K(accessModes));
        status = ks_drop(heap, status, K(capacity));
        status = ks_drop(heap, status, K(currentVolumeAttributesClassName));
    } else {
        status = bound_status(sim, *claim, volume);
    }
    if (ks_equal(status, (*claim)->status)) {
        ks_unref(heap, status);
        return true;
    }
    return write_status(sim, claim, status);
}

/* --- binding: four writes (bind) --- */

static bool bind_volume_to_claim(ks_sim *sim, const ks_object **volume, const ks_object *claim) {
    if (ks_is_exactly_for(*volume, claim)) return true;
    ks_heap *heap = sim->world.heap;
    ks_val ref = ks_get((*volume)->spec, K(claimRef));
    bool named = ks_volume_is_for(*volume, claim);
    if (named && ks_str_eq(ks_str_or_null(ks_get(ref, K(uid))), claim->uid)) return true;
    ks_val made = ks_map_of(heap, K(apiVersion), ks_text(heap, "v1"), K(kind),
                            ks_text(heap, "PersistentVolumeClaim"), K(name), ks_string(claim->name),
                            K(namespace), ks_string(claim->ns), K(uid), ks_string(claim->uid),
                            K(resourceVersion),
                            ks_format(heap, "%llu", (unsigned long long)claim->version), NULL);
    ks_val doc = ks_put2(heap, ks_doc_ref(*volume), K(spec), K(claimRef), made);
    if (!named) doc = annotated(heap, doc, K(pv_kubernetes_io_bound_by_controller), "yes");
    ks_store_expect(&sim->server.store, claim);
    return write_object(sim, volume, doc);
}

static bool bind_claim_to_volume(ks_sim *sim, const ks_object **claim, const ks_object *volume) {
    ks_heap *heap = sim->world.heap;
    bool named = *ks_text_or(ks_get((*claim)->spec, K(volumeName)), "") != '\0';
    bool marked = ks_annotation(*claim, K(pv_kubernetes_io_bind_completed)) != NULL;
    if (named && marked) return true;
    ks_val before = ks_get((*claim)->meta, K(annotations)), how = ks_int(named);
    ks_alike *alike = &state_of(sim)->alike.bound;
    ks_val annotations = ks_alike_get(alike, before, how, KS_NOTHING);
    if (!ks_exists(annotations)) {
        annotations = ks_ref(before);
        if (!named)
            annotations = ks_put(heap, annotations, K(pv_kubernetes_io_bound_by_controller),
                                 ks_string(K(yes)));
        annotations =
            ks_put(heap, annotations, K(pv_kubernetes_io_bind_completed), ks_string(K(yes)));
        ks_alike_put(heap, alike, before, how, KS_NOTHING, annotations);
    }
    ks_val spec = ks_ref((*claim)->spec);
    if (!named) spec = ks_put(heap, spec, K(volumeName), ks_string(volume->name));
    ks_store_expect(&sim->server.store, volume);
    return write_claim(sim, claim, annotations, spec);
}

/* What was written while it settled, is news as any other. */
static void look_if_written(ks_sim *sim, const binder *st, const ks_object *object,
                            uint64_t version) {
    const ks_object *now = ks_store_by_id(&sim->server.store, object->kind, object->id);
    if (now != NULL && now->version != version) ks_enqueue(sim, st->index, object->id);
}

/* `volume` borrowed. */
static bool bind(ks_sim *sim, const ks_object **claim, const ks_object *found) {
    const ks_object *volume = ks_object_ref(found);
    binder *st = state_of(sim);
    uint64_t claim_then = (*claim)->version, volume_then = volume->version;
    st->settling[0] = (*claim)->id;
    st->settling[1] = volume->id;
    bool done =
        bind_volume_to_claim(sim, &volume, *claim) && set_volume_phase(sim, &volume, "Bound", "") &&
        bind_claim_to_volume(sim, claim, volume) && set_claim_phase(sim, claim, "Bound", volume);
    st->settling[0] = st->settling[1] = 0;
    if (!done && !ks_view_is_late(sim)) { /* else what was written is still to be heard of */
        look_if_written(sim, st, *claim, claim_then);
        look_if_written(sim, st, volume, volume_then);
    }
    ks_object_unref(sim->world.heap, volume);
    return done;
}

/* --- claims --- */

/* The names of pods without a node that wait for the claim, sorted, joined by commas; an empty text: none. */
static void pods_waiting(ks_sim *sim, const binder *st, const ks_object *claim, ks_buf *out) {
    bool fresh = ks_ids_get(&st->fresh, claim->id) != NULL;
    const ks_str *names[32];
    int count = 0;
    for (ks_namers n = ks_store_naming_it(ks_view(sim), KS_POD, claim);
         count < 32 && ks_namers_next(&n);) {
        const ks_object *pod = n.object;
        if (!pod_waits(pod)) continue;
        if (fresh && pod->id > claim->id) continue;
        int at = count++;
        for (; at > 0 && ks_str_cmp(names[at - 1], pod->name) > 0; at--) names[at] = names[at - 1];
        names[at] = pod->name;
    }
    for (int i = 0; i < count; i++) {
        if (i > 0) ks_buf_putc(out, ',');
        ks_buf_str(out, names[i]);
    }
}

static void event_waiting(ks_sim *sim, const binder *st, const ks_object *claim) {
    ks_buf names = {sim->world.heap, NULL, 0, 0};
    pods_waiting(sim, st, claim, &names);
    if (names.len == 0) {
        event(sim, claim, "Normal", "WaitForFirstConsumer",
              "waiting for first consumer to be created before binding");
    } else {
        ks_event e = {.type = "Normal",
                      .reason = "WaitForPodScheduled",
                      .component = "persistentvolume-controller"};
        ks_record(&sim->server, claim, &e, "waiting for pod%s %s to be scheduled",
                  memchr(names.s, ',', names.len) == NULL ? "" : "s", names.s);
    }
    ks_buf_dispose(&names);
}

static bool default_class(const ks_object *class) {
    const ks_str *ga = ks_annotation(class, K(storageclass_kubernetes_io_is_default_class));
    const ks_str *beta = ks_annotation(class, K(storageclass_beta_kubernetes_io_is_default_class));
    return (ga != NULL && ks_str_is(ga, "true")) || (beta != NULL && ks_str_is(beta, "true"));
}

/* Retroactive default class: true when one was written. */
static bool assign_default_class(ks_sim *sim, const ks_object **claim) {
    if (ks_get((*claim)->spec, K(storageClassName)).type == KS_STRING ||
        ks_annotation(*claim, K(volume_beta_kubernetes_io_storage_class)) != NULL)
        return false;
    const ks_object *best = NULL;
    for (ks_walk w = ks_walk_kind(ks_view(sim), KS_STORAGECLASS, NULL); ks_walk_next(&w);) {
        if (!default_class(w.object)) continue;
        if (best == NULL || w.object->created > best->created) best = w.object;
    }
    if (best == NULL) return false;
    ks_val doc = ks_put2(sim->world.heap, ks_doc_ref(*claim), K(spec), K(storageClassName),
                         ks_string(best->name));
    return write_object(sim, claim, doc);
}

static bool starts_with(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Names of drivers that once were in the tree, and what they are called now (csi-translation-lib/plugins). */
static const char *driver_now(const char *provisioner) {
    static const char *const moved[][2] = {
        {"kubernetes.io/aws-ebs", "ebs.csi.aws.com"},
        {"kubernetes.io/azure-disk", "disk.csi.azure.com"},
        {"kubernetes.io/azure-file", "file.csi.azure.com"},
        {"kubernetes.io/cinder", "cinder.csi.openstack.org"},
        {"kubernetes.io/gce-pd", "pd.csi.storage.gke.io"},
        {"kubernetes.io/portworx-volume", "pxd.portworx.com"},
        {"kubernetes.io/vsphere-volume", "csi.vsphere.vmware.com"},
    };
    for (size_t i = 0;
         i < sizeof moved / sizeof moved[0] && starts_with(provisioner, "kubernetes.io/"); i++)
        if (strcmp(provisioner, moved[i][0]) == 0) return moved[i][1];
    return provisioner;
}

/* Says on the claim whom it was handed to. */
static bool name_provisioner(ks_sim *sim, const ks_object **claim, const ks_object *class,
                             const ks_str *name) {
    ks_heap *heap = sim->world.heap;
    if (ks_str_eq(ks_annotation(*claim, K(volume_kubernetes_io_storage_provisioner)), name))
        return true;
    ks_val before = ks_get((*claim)->meta, K(annotations)),
           of = ks_get(ks_doc(class), K(provisioner));
    ks_alike *alike = &state_of(sim)->alike.handed;
    ks_val annotations = ks_alike_get(alike, before, of, KS_NOTHING);
    if (!ks_exists(annotations)) {
        annotations = ks_put(heap, ks_ref(before), K(volume_beta_kubernetes_io_storage_provisioner),
                             ks_string(name));
        annotations =
            ks_put(heap, annotations, K(volume_kubernetes_io_storage_provisioner), ks_string(name));
        ks_alike_put(heap, alike, before, of, KS_NOTHING, annotations);
    }
    return write_claim(sim, claim, annotations, ks_ref((*claim)->spec));
}

/* The driver of a class by its name of today, a new reference: mostly what the class says, so that what claims and Events say is one. */
static const ks_str *driver_of(ks_heap *heap, const ks_object *class) {
    const ks_str *named = ks_str_or_null(ks_get(ks_doc(class), K(provisioner)));
    const char *now = named == NULL ? "" : driver_now(named->s);
    return named != NULL && now == named->s ? ks_str_ref(named) : ks_str_of(heap, now);
}

/* provisionClaim: asks the external provisioner of the claim's class (NULL: there is no such class). */
static bool provision(ks_sim *sim, const ks_object **claim, const ks_object *class) {
    ks_heap *heap = sim->world.heap;
    ks_event failed = {.type = "Warning",
                       .reason = "ProvisioningFailed",
                       .component = "persistentvolume-controller"};
    if (class == NULL) {
        ks_record(&sim->server, *claim, &failed, "storageclass.storage.k8s.io \"%s\" not found",
                  ks_volume_class(*claim));
        return true;
    }
    const ks_str *name = driver_of(heap, class);
    bool done = true;
    /* the one plugin left in the tree: for tests, off by default */
    if (ks_str_is(name, "kubernetes.io/host-path")) {
        done = name_provisioner(sim, claim, class, name);
        if (done)
            ks_record(
                &sim->server, *claim, &failed,
                "Failed to create provisioner: provisioning in volume plugin \"%s\" is disabled",
                name->s);
        ks_str_unref(heap, name);
        return done;
    }
    if (starts_with(name->s, "kubernetes.io/")) {
        ks_record(&sim->server, *claim, &failed, "no volume plugin matched name: %s", name->s);
        ks_str_unref(heap, name);
        return true;
    }
    done = name_provisioner(sim, claim, class, name);
    if (done) {
        ks_event e = {.type = "Normal",
                      .reason = "ExternalProvisioning",
                      .component = "persistentvolume-controller"};
        ks_record_parts(
            &sim->server, *claim, &e,
            "Waiting for a volume to be created either by the external provisioner '%s' or manually by the "
            "system administrator. If volume creation is delayed, please verify that the provisioner is running "
            "and correctly registered.",
            name);
    }
    ks_str_unref(heap, name);
    return done;
}

static bool sync_claim_without_volume(ks_sim *sim, binder *st, const ks_object **claim) {
    const ks_object *class = ks_claim_class(ks_view(sim), *claim);
    bool waits = ks_class_waits(class);
    bool delayed = waits && ks_annotation(*claim, K(volume_kubernetes_io_selected_node)) == NULL;
    const ks_object *volume = ks_volume_for_claim(ks_view(sim), *claim, waits);
    if (volume != NULL) return bind(sim, claim, volume);
    if (assign_default_class(sim, claim)) return true;
    if (delayed) {
        event_waiting(sim, st, *claim);
        return set_claim_phase(sim, claim, "Pending", NULL);
    }
    if (*ks_volume_class(*claim) != '\0') return provision(sim, claim, class);
    event(sim, *claim, "Normal", "FailedBinding",
          "no persistent volumes available for this claim and no storage class is set");
    return set_claim_phase(sim, claim, "Pending", NULL);
}

static bool sync_claim_naming_volume(ks_sim *sim, const ks_object **claim,
                                     const ks_object *volume) {
    char room[320];
    const char *why;
    if (volume == NULL) return set_claim_phase(sim, claim, "Pending", NULL);
    if (!ks_exists(ks_get(volume->spec, K(claimRef)))) {
        why = ks_volume_unfit(volume, *claim, room);
        if (why == NULL) return bind(sim, claim, volume);
        ks_event e = {.type = "Warning",
                      .reason = "VolumeMismatch",
                      .component = "persistentvolume-controller"};
        ks_record(&sim->server, *claim, &e, "Cannot bind to requested volume \"%s\": %s",
                  volume->name->s, why);
        return set_claim_phase(sim, claim, "Pending", NULL);
    }
    if (ks_volume_is_for(volume, *claim)) return bind(sim, claim, volume);
    ks_event e = {
        .type = "Warning", .reason = "FailedBinding", .component = "persistentvolume-controller"};
    ks_record(&sim->server, *claim, &e, "volume \"%s\" already bound to a different claim.",
              volume->name->s);
    return set_claim_phase(sim, claim, "Pending", NULL);
}

static bool lose_claim(ks_sim *sim, const ks_object **claim, const char *reason, const char *text) {
    bool was = (*claim)->phase == 'L';
    if (!set_claim_phase(sim, claim, "Lost", NULL)) return false;
    if (!was) event(sim, *claim, "Warning", reason, text);
    return true;
}

static bool sync_bound_claim(ks_sim *sim, const ks_object **claim, const ks_object *volume,
                             bool named) {
    if (!named)
        return lose_claim(
            sim, claim, "ClaimLost",
            "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!");
    if (volume == NULL)
        return lose_claim(sim, claim, "ClaimLost",
                          "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
    ks_val ref = ks_get(volume->spec, K(claimRef));
    if (!ks_exists(ref) || ks_str_eq(ks_str_or_null(ks_get(ref, K(uid))), (*claim)->uid))
        return bind(sim, claim, volume);
    return lose_claim(sim, claim, "ClaimMisbound",
                      "Two claims are bound to the same volume, this one is bound incorrectly");
}

static bool sync_claim(ks_sim *sim, binder *st, const ks_object **claim) {
    const ks_str *name = ks_str_or_null(ks_get((*claim)->spec, K(volumeName)));
    bool named = name != NULL && name->len > 0;
    const ks_object *volume = ks_store_named_by(ks_view(sim), *claim);
    if (ks_annotation(*claim, K(pv_kubernetes_io_bind_completed)) != NULL)
        return sync_bound_claim(sim, claim, volume, named);
    if (named) return sync_claim_naming_volume(sim, claim, volume);
    return sync_claim_without_volume(sim, st, claim);
}

/* --- volumes --- */

/* Takes the binding off a volume whose claim is bound elsewhere (unbindVolume). */
static bool unbind_volume(ks_sim *sim, const ks_object **volume) {
    ks_heap *heap = sim->world.heap;
    ks_val doc = ks_doc_ref(*volume);
    if (ks_annotation(*volume, K(pv_kubernetes_io_bound_by_controller)) != NULL) {
        doc = ks_put2(heap, doc, K(spec), K(claimRef), KS_NOTHING);
        doc = annotated(heap, doc, K(pv_kubernetes_io_bound_by_controller), NULL);
    } else {
        doc = ks_put3(heap, doc, K(spec), K(claimRef), K(uid), KS_NOTHING);
    }
    return write_object(sim, volume, doc) && set_volume_phase(sim, volume, "Available", "");
}

/* reclaimVolume: what the reclaim policy asks for. External volumes are deleted by their provisioner. */
static bool reclaim(ks_sim *sim, const ks_object **volume) {
    const char *policy =
        ks_text_or(ks_get((*volume)->spec, K(persistentVolumeReclaimPolicy)), "Retain");
    char text[400];
    if (strcmp(policy, "Retain") == 0) return true;
    if (strcmp(policy, "Delete") == 0) {
        if (ks_annotation(*volume, K(pv_kubernetes_io_provisioned_by)) != NULL ||
            ks_exists(ks_get((*volume)->spec, K(csi))))
            return true;
        snprintf(text, sizeof text,
                 "error getting deleter volume plugin for volume \"%s\": no volume plugin matched",
                 (*volume)->name->s);
        const char *path = ks_text_or(ks_get2((*volume)->spec, K(hostPath), K(path)), NULL);
        if (path != NULL)
            snprintf(text, sizeof text,
                     "host_path deleter only supports /tmp/.+ but received provided %s", path);
        if (path != NULL && starts_with(path, "/tmp/") && path[5] != '\0')
            return settled(
                sim, ks_server_delete(&sim->server, KS_PV, NULL, (*volume)->name, NULL, NULL));
        bool failed = (*volume)->phase == 'F';
        if (!set_volume_phase(sim, volume, "Failed", text)) return false;
        if (!failed) event(sim, *volume, "Warning", "VolumeFailedDelete", text);
        return true;
    }
    bool recycle = strcmp(policy, "Recycle") == 0;
    const char *why = recycle ? "No recycler plugin found for the volume!"
                              : "Volume has unrecognized PersistentVolumeReclaimPolicy";
    bool failed = (*volume)->phase == 'F';
    if (!set_volume_phase(sim, volume, "Failed", why)) return false;
    if (!failed)
        event(sim, *volume, "Warning",
              recycle ? "VolumeFailedRecycle" : "VolumeUnknownReclaimPolicy", why);
    return true;
}

static bool release(ks_sim *sim, const ks_object **volume) {
    if ((*volume)->phase != 'R' && (*volume)->phase != 'F' &&
        !set_volume_phase(sim, volume, "Released", ""))
        return false;
    return reclaim(sim, volume);
}

static bool is_uid(const ks_object *claim, const ks_str *uid) {
    return claim != NULL && ks_str_eq(claim->uid, uid);
}

/* The claim that a volume is bound to, NULL: it has gone. Before a volume is taken for released the server is asked: its claim may be
 * one that the cache does not have yet (syncVolume: "to make sure we will not reclaim a PV wrongly"). */
static const ks_object *claim_of(const ks_sim *sim, const ks_object *volume, const ks_str *uid) {
    const ks_object *known = ks_store_named_by(ks_view(sim), volume);
    if (is_uid(known, uid)) return known;
    if (known == NULL && (volume->phase == 'R' || volume->phase == 'F')) return NULL;
    const ks_object *newest = ks_store_named_by(&sim->server.store, volume);
    return is_uid(newest, uid) ? newest : NULL;
}

static bool sync_volume(ks_sim *sim, binder *st, const ks_object **volume) {
    const ks_object *claim = ks_store_named_by(ks_view(sim), *volume);
    if (claim == NULL || !ks_is_exactly_for(*volume, claim)) {
        const ks_str *uid = ks_str_or_null(ks_get2((*volume)->spec, K(claimRef), K(uid)));
        if (uid == NULL || uid->len == 0) return set_volume_phase(sim, volume, "Available", "");
        claim = claim_of(sim, *volume, uid);
    }
    if (claim == NULL) return release(sim, volume);
    const char *bound_to = ks_text_or(ks_get(claim->spec, K(volumeName)), "");
    if (*bound_to == '\0') {
        if (!ks_same_volume_mode(*volume, claim)) {
            ks_event e = {.type = "Warning",
                          .reason = "VolumeMismatch",
                          .component = "persistentvolume-controller"};
            ks_record(
                &sim->server, *volume, &e,
                "Cannot bind PersistentVolume to requested PersistentVolumeClaim \"%s\" due to incompatible "
                "volumeMode.",
                claim->name->s);
            ks_record(
                &sim->server, claim, &e,
                "Cannot bind PersistentVolume \"%s\" to requested PersistentVolumeClaim due to incompatible "
                "volumeMode.",
                (*volume)->name->s);
            return true;
        }
        ks_enqueue(sim, st->index, claim->id);
        return true;
    }
    if (ks_str_is((*volume)->name, bound_to)) return set_volume_phase(sim, volume, "Bound", "");
    if (ks_annotation(*volume, K(pv_kubernetes_io_provisioned_by)) != NULL &&
        ks_text_is(ks_get((*volume)->spec, K(persistentVolumeReclaimPolicy)), "Delete"))
        return release(sim, volume);
    return unbind_volume(sim, volume);
}

/* The claims that are not bound, and the volumes that wait for them: of what is bound there is nothing new to find or to say. */
static void resync(ks_sim *sim, binder *st) {
    for (ks_ids_iter it = ks_ids_begin(&st->pending); ks_ids_next(&it);) {
        ks_enqueue(sim, st->index, it.id);
        const ks_object *claim = ks_store_by_id(ks_view(sim), KS_PVC, it.id);
        if (claim == NULL) continue;
        for (ks_namers n = ks_store_naming_it(ks_view(sim), KS_PV, claim); ks_namers_next(&n);)
            ks_enqueue(sim, st->index, n.object->id);
    }
    if (st->pending.count > 0) ks_rouse_at(sim, st->index, next_resync(sim));
}

/* What to do with a key whose sync failed: whether it waits for the resync, not for its back-off (pv_controller_base.go:
 * processNextClaimWorkItem; before it the workers forgot a key whatever came of it). */
static bool put_off(ks_sim *sim, const binder *st, uint64_t key) {
    if (ks_since(&sim->server.rules, KS_SINCE_BINDER_RETRIES)) return false;
    ks_enqueue_at(sim, st->index, key, next_resync(sim));
    return true;
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    binder *st = state;
    if (key == RESYNC_KEY) {
        resync(sim, st);
        return true;
    }
    const ks_object *object = ks_object_ref(ks_store_by_id(ks_view(sim), KS_PVC, key));
    bool is_claim = object != NULL;
    if (!is_claim) object = ks_object_ref(ks_store_by_id(ks_view(sim), KS_PV, key));
    if (object == NULL) return true;
    bool done = is_claim ? sync_claim(sim, st, &object) : sync_volume(sim, st, &object);
    if (is_claim) ks_ids_del(sim->world.heap, &st->fresh, key);
    ks_object_unref(sim->world.heap, object);
    return done || put_off(sim, st, key);
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    const ks_object *object = ks_store_by_id(ks_view(sim), KS_PVC, key);
    if (object == NULL) object = ks_store_by_id(ks_view(sim), KS_PV, key);
    if (object == NULL)
        ks_buf_puts(out, "resync");
    else if (object->ns != NULL)
        ks_buf_printf(out, "%s/%s", object->ns->s, object->name->s);
    else
        ks_buf_str(out, object->name);
}

const ks_component ks_volume_binder = {
    .name = "persistentvolume",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .sync = sync,
    .keys = KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV),
    .describe = describe,
    .kinds = KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV) | KS_KIND_BIT(KS_STORAGECLASS),
    .lists = KS_KIND_BIT(KS_POD),
    .keeps =
        KS_KIND_BIT(KS_PVC) | KS_KIND_BIT(KS_PV), /* pv_controller_base.go: storeObjectUpdate */
};
