/*
 * controllers/resourceclaim.c - what the controller of ResourceClaims says of pods that want devices: pkg/controller/resourceclaim.
 *
 * There are neither ResourceClaims here nor templates for them. So it finds no template, says so, and tries again; and the scheduler
 * waits (PreEnqueue) for claims that do not come: scheduler/queue.c.
 */
#include "api/values.h"
#include "controllers/common.h"
#include "controllers/controllers.h"

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    (void)state;
    if (change->type != KS_DELETED)
        ks_enqueue(sim, ks_component_index(sim, &ks_resource_claims), change->object->id);
}

static bool heeds(const ks_sim *sim, const void *state, const ks_change *change, uint32_t parts) {
    (void)sim, (void)state, (void)parts;
    return change->object->wants_devices;
}

/* Says of the first claim that is to be made that there is no template; false: there is such a claim. */
static bool sync(ks_sim *sim, void *state, uint64_t key) {
    (void)state;
    const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, key);
    if (pod == NULL || ks_object_terminating(pod)) return true;
    ks_each(claim, ks_get(pod->spec, K(resourceClaims))) {
        const ks_str *template = ks_str_or_null(ks_get(*claim, K(resourceClaimTemplateName)));
        if (template == NULL) continue;
        ks_event e = {.type = "Warning",
                      .reason = "FailedResourceClaimCreation",
                      .component = "resource_claim"};
        ks_record(&sim->server, pod, &e,
                  "PodResourceClaim %s: resource claim template \"%s\": "
                  "resourceclaimtemplate.resource.k8s.io \"%s\" not found",
                  ks_text_or(ks_get(*claim, K(name)), ""), template->s, template->s);
        return false;
    }
    return true;
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    ks_describe_object(sim, KS_POD, key, out);
}

const ks_component ks_resource_claims = {
    .name = "resource-claim",
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .describe = describe,
    .pod_parts = KS_PART_ADDED,
    .kinds = KS_KIND_BIT(KS_POD),
};
