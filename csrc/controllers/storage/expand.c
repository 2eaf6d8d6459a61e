/*
 * controllers/storage/expand.c - claims that ask for more than they have: pkg/controller/volume/expand.
 *
 * No volume here is of a kind that the controller manager makes larger itself: it says that it waits for somebody else.
 */
#include "api/values.h"
#include "controllers/common.h"
#include "controllers/storage/storage.h"
#include "store/naming.h"

static ks_val asked_of(const ks_object *claim) {
    return ks_get3(claim->spec, K(resources), K(requests), K(storage));
}

static ks_val had_by(const ks_object *claim) {
    return ks_get2(claim->status, K(capacity), K(storage));
}

static bool is_more(ks_val a, ks_val b) {
    return !ks_equal(a, b) && ks_quantity_cmp(ks_quantity_of(a), ks_quantity_of(b)) > 0;
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    (void)state;
    const ks_object *claim = change->object, *old = change->old;
    if (change->type == KS_DELETED || claim->phase != 'B') return;
    if (!is_more(asked_of(claim), had_by(claim))) return;
    if (old == NULL || is_more(asked_of(claim), asked_of(old)) ||
        is_more(had_by(claim), had_by(old)))
        ks_enqueue(sim, ks_component_index(sim, &ks_volume_expander), claim->id);
}

static bool heeds(const ks_sim *sim, const void *state, const ks_change *change, uint32_t parts) {
    (void)sim, (void)state, (void)parts;
    return change->object->phase == 'B';
}

static bool has_its_volume(const ks_sim *sim, const ks_object *claim) {
    const ks_object *volume = ks_store_named_by(&sim->server.store, claim);
    return volume != NULL && ks_is_exactly_for(volume, claim);
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    (void)state;
    const ks_object *claim = ks_store_by_id(ks_view(sim), KS_PVC, key);
    if (claim == NULL || !has_its_volume(sim, claim)) return true;
    ks_event e = {.type = "Normal", .reason = "ExternalExpanding", .component = "volume_expand"};
    ks_record(&sim->server, claim, &e, "waiting for an external controller to expand this PVC");
    return true;
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    ks_describe_object(sim, KS_PVC, key, out);
}

const ks_component ks_volume_expander = {
    .name = "volume-expand",
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .describe = describe,
    .claim_parts = KS_PART_SPEC | KS_PART_STATUS | KS_PART_ADDED,
    .kinds = KS_KIND_BIT(KS_PVC),
};
