/*
 * controllers/storage/ephemeral.c - the claims of pods' ephemeral volumes, one each, made from the template in the volume and owned by
 * the pod, so that they go with it: pkg/controller/volume/ephemeral/controller.go.
 *
 * Keys are ids of pods. A pod's claims are made when it comes, and anew when one of them has gone.
 */
#include "api/values.h"
#include "controllers/common.h"
#include "controllers/storage/storage.h"
#include "store/naming.h"

static void look_at(ks_sim *sim, const ks_object *pod) {
    if (pod->makes_claims && !ks_object_terminating(pod))
        ks_enqueue(sim, ks_component_index(sim, &ks_ephemeral_volumes), pod->id);
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    (void)state;
    if (change->object->kind == KS_POD) {
        if (change->type == KS_ADDED) look_at(sim, change->object);
    } else if (change->type == KS_DELETED) {
        ks_namers n = ks_store_naming_it(ks_view(sim), KS_POD, change->object);
        while (ks_namers_next(&n)) look_at(sim, n.object);
    }
}

static bool heeds(const ks_sim *sim, const void *state, const ks_change *change, uint32_t parts) {
    (void)sim, (void)state, (void)parts;
    return change->object->kind != KS_POD || change->object->makes_claims;
}

static ks_val claim_of(ks_heap *heap, const ks_object *pod, ks_val template, const ks_str *name) {
    ks_val owners = ks_append(heap, ks_list_new(heap, 1), ks_owner_reference(heap, pod));
    ks_val meta = ks_map_of(heap, K(name), ks_string(name), K(namespace), ks_string(pod->ns),
                            K(ownerReferences), owners, K(labels),
                            ks_ref(ks_get2(template, K(metadata), K(labels))), K(annotations),
                            ks_ref(ks_get2(template, K(metadata), K(annotations))), NULL);
    return ks_map_of(heap, K(apiVersion), ks_string(K(v1)), K(kind),
                     ks_string(K(PersistentVolumeClaim)), K(metadata), meta, K(spec),
                     ks_ref(ks_get(template, K(spec))), NULL);
}

/* handleVolume: NULL, or the error's text, a new string. */
static const ks_str *make_claim(ks_sim *sim, const ks_object *pod, ks_val volume) {
    static const ks_write_opts trusted = {.trusted = true};
    ks_heap *heap = sim->world.heap;
    ks_val template = ks_get2(volume, K(ephemeral), K(volumeClaimTemplate));
    const ks_str *name = ks_volume_claim_name(heap, pod, volume), *error = NULL;
    const ks_object *there = ks_store_claim_of(ks_view(sim), pod, name);
    if (there != NULL) {
        error = ks_claim_made_for_other(heap, there, pod);
    } else {
        ks_refusal *refusal = ks_server_create(&sim->server, KS_PVC, pod->ns,
                                               claim_of(heap, pod, template, name), &trusted, NULL);
        if (refusal != NULL)
            error = ks_str_printf(heap, "create PVC %s: %s", name->s, refusal->message->s);
        ks_refusal_free(heap, refusal);
    }
    ks_str_unref(heap, name);
    return error;
}

static void event(ks_sim *sim, const ks_object *pod, ks_val volume, const ks_str *error) {
    ks_event e = {.type = "Warning", .reason = "FailedBinding", .component = "ephemeral_volume"};
    ks_record(&sim->server, pod, &e, "ephemeral volume %s: %s",
              ks_text_or(ks_get(volume, K(name)), ""), error->s);
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    (void)state;
    const ks_object *pod = ks_object_ref(ks_store_by_id(ks_view(sim), KS_POD, key));
    const ks_str *error = NULL;
    if (pod == NULL) return true;
    if (!ks_object_terminating(pod)) {
        ks_each(volume, ks_get(pod->spec, K(volumes))) {
            if (!ks_exists(ks_get(*volume, K(ephemeral)))) continue;
            error = make_claim(sim, pod, *volume);
            if (error == NULL) continue;
            event(sim, pod, *volume, error);
            ks_str_unref(sim->world.heap, error);
            break;
        }
    }
    ks_object_unref(sim->world.heap, pod);
    return error == NULL;
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    ks_describe_object(sim, KS_POD, key, out);
}

const ks_component ks_ephemeral_volumes = {
    .name = "ephemeral-volume",
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .describe = describe,
    .pod_parts = KS_PART_ADDED,
    .claim_parts = KS_PART_DELETED,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_PVC),
};
