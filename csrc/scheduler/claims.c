/*
 * scheduler/claims.c - the plugins that look at a pod's claims: VolumeRestrictions, VolumeBinding, VolumeZone
 * (plugins/volumerestrictions, plugins/volumebinding, plugins/volumezone).
 */
#include "engine/nodes.h"
#include "scheduler/internal.h"

#include <string.h>

static bool off(const ks_cycle *c, ks_plugin plugin) {
    return (c->rules->disabled >> plugin & 1U) != 0;
}

static void refuse(ks_cycle *c, ks_plugin plugin, ks_val text) {
    c->prefilter_text = text;
    c->prefilter = ks_text_or(text, "");
    c->plugins |= 1U << plugin;
}

/* --- prefilter --- */

static bool uses(ks_heap *heap, const ks_object *pod, const ks_object *claim) {
    return ks_str_eq(pod->ns, claim->ns) && ks_pod_names_claim(heap, pod, claim->name);
}

static bool is_used(ks_cycle *c, const ks_object *claim) {
    for (ks_namers n = ks_store_naming_it(ks_view(c->sim), KS_POD, claim); ks_namers_next(&n);) {
        const ks_object *pod = n.object;
        bool placed = pod->node != NULL || ks_sched_assumed(c->st, pod->id) != NULL;
        if (pod->id != c->pod->id && placed && !ks_sched_finished(pod)) return true;
    }
    return false;
}

/* Whether only one pod may use it (ReadWriteOncePod). */
static bool is_alone(const ks_claim_look *look) {
    return look->claim != NULL && look->claim->alone;
}

void ks_sched_claims_pod(ks_cycle *c, const ks_object *pod, int sign) {
    if (!c->claims.counts_users) return;
    for (uint32_t i = 0; i < c->claims.count; i++)
        if (is_alone(&c->claims.looks[i]) &&
            uses(c->sim->world.heap, pod, c->claims.looks[i].claim))
            c->claims.rwop_users += sign;
}

/* VolumeRestrictions: the claims exist, but for those that are made for the pod. */
static bool read_claims(ks_cycle *c) {
    ks_heap *heap = c->sim->world.heap;
    ks_claims *claims = &c->claims;
    const ks_object *only = ks_store_only_claim(ks_view(c->sim), c->pod);
    if (only != NULL) {
        claims->only = (ks_claim_look){.claim = only};
        claims->looks = &claims->only;
        claims->waiting = &claims->only_waiting;
        claims->count = 1;
        return true;
    }
    ks_val volumes = ks_get(c->pod->spec, K(volumes));
    claims->looks = ks_sched_arena(&c->arena, ks_len(volumes) * sizeof *claims->looks);
    claims->waiting = ks_sched_arena(&c->arena, ks_len(volumes) * sizeof(ks_claim_look *));
    ks_each(volume, volumes) {
        const ks_str *name = ks_volume_claim_name(heap, c->pod, *volume);
        if (name == NULL) continue;
        const ks_object *claim = ks_store_claim_of(ks_view(c->sim), c->pod, name);
        bool made = ks_exists(ks_get(*volume, K(ephemeral)));
        bool missing = claim == NULL && !made;
        if (missing)
            refuse(c, KS_PLUGIN_VOLUME_RESTRICTIONS,
                   ks_format(heap, "persistentvolumeclaim \"%s\" not found", name->s));
        else
            claims->looks[claims->count++] =
                (ks_claim_look){.claim = claim, .volume_of_pod = *volume, .made = made};
        ks_str_unref(heap, name);
        if (missing) return false;
    }
    return true;
}

static const char *const zone_labels[] = {
    "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region"};

static ks_val zone_label(ks_val labels, int i) {
    return ks_get_text(labels, zone_labels[i], strlen(zone_labels[i]));
}

bool ks_sched_same_zones(ks_val a, ks_val b) {
    for (int i = 0; i < 4; i++)
        if (!ks_equal(zone_label(a, i), zone_label(b, i))) return false;
    return true;
}

static bool has_zone_label(ks_val labels) {
    if (ks_len(labels) == 0) return false;
    for (int i = 0; i < 4; i++)
        if (ks_exists(zone_label(labels, i))) return true;
    return false;
}

/* The node that was selected for a claim, or is about to be; NULL: none. */
static const ks_str *selected_node(const ks_cycle *c, const ks_object *claim) {
    const ks_binding *binding = NULL;
    const ks_claim_match *pending = ks_sched_pending(c->st, claim, &binding);
    if (pending != NULL) return pending->volume == NULL ? binding->node : NULL;
    const ks_str *node = ks_annotation(claim, K(volume_kubernetes_io_selected_node));
    return node == NULL || node->len == 0 ? NULL : node;
}

/* Whether a claim that waits for its first consumer is provisioned on whichever node that comes to: no volume is there that it
 * might take, and its class names no topology. */
static bool any_node_does(ks_cycle *c, const ks_object *claim) {
    const ks_store *store = ks_view(c->sim);
    const ks_object *class = ks_claim_class(store, claim);
    const char *provisioner = ks_text_or(ks_get(ks_doc(class), K(provisioner)), "");
    if (*provisioner == '\0' || strcmp(provisioner, "kubernetes.io/no-provisioner") == 0 ||
        ks_len(ks_get(ks_doc(class), K(allowedTopologies))) > 0)
        return false;
    return selected_node(c, claim) == NULL && ks_no_volume_for(store, claim);
}

static const char *volume_name(const ks_object *claim) {
    return ks_text_or(ks_get(claim->spec, K(volumeName)), "");
}

/* Puts a claim among those that wait. */
static void wait_for_consumer(ks_claims *claims, ks_claim_look *look) {
    uint32_t at = claims->waiting_count++;
    look->delayed = true;
    look->request = ks_claim_request(look->claim);
    for (; at > 0; at--) {
        ks_claim_look *before = claims->waiting[at - 1];
        if (ks_quantity_cmp(before->request, look->request) <= 0) break;
        claims->waiting[at] = before;
    }
    claims->waiting[at] = look;
}

/* Where nobody uses any of them, nobody is thought to, in dry runs neither: PreFilter: Skip. */
static void count_users(ks_cycle *c) {
    ks_claims *claims = &c->claims;
    claims->rwop_users = 0;
    claims->counts_users = false;
    if (off(c, KS_PLUGIN_VOLUME_RESTRICTIONS)) return;
    for (uint32_t i = 0; i < claims->count; i++)
        if (is_alone(&claims->looks[i])) claims->rwop_users += is_used(c, claims->looks[i].claim);
    claims->counts_users = claims->rwop_users > 0 || c->rules->legacy_disks;
}

static void wait_to_be_made(ks_cycle *c, const ks_claim_look *look) {
    ks_heap *heap = c->sim->world.heap;
    const ks_str *name = ks_volume_claim_name(heap, c->pod, look->volume_of_pod);
    refuse(c, KS_PLUGIN_VOLUME_BINDING,
           ks_format(
               heap,
               "waiting for ephemeral volume controller to create the persistentvolumeclaim \"%s\"",
               name->s));
    ks_str_unref(heap, name);
}

void ks_sched_prefilter_claims(ks_cycle *c) {
    ks_heap *heap = c->sim->world.heap;
    ks_claims *claims = &c->claims;
    claims->count = claims->waiting_count = 0;
    claims->restricts = false;
    if (!read_claims(c)) return;
    count_users(c);
    if (off(c, KS_PLUGIN_VOLUME_BINDING)) return;
    bool immediate = false;
    for (uint32_t i = 0; i < claims->count; i++) {
        ks_claim_look *look = &claims->looks[i];
        const ks_object *claim = look->claim;
        if (claim == NULL) {
            wait_to_be_made(c, look);
            return;
        }
        if (claim->phase == 'L') {
            refuse(c, KS_PLUGIN_VOLUME_BINDING,
                   ks_format(
                       heap,
                       "persistentvolumeclaim \"%s\" bound to non-existent persistentvolume \"%s\"",
                       claim->name->s, volume_name(claim)));
            return;
        }
        if (ks_object_terminating(claim)) {
            refuse(
                c, KS_PLUGIN_VOLUME_BINDING,
                ks_format(heap, "persistentvolumeclaim \"%s\" is being deleted", claim->name->s));
            return;
        }
        const ks_str *why = look->made ? ks_claim_made_for_other(heap, claim, c->pod) : NULL;
        if (why != NULL) {
            refuse(c, KS_PLUGIN_VOLUME_BINDING, ks_string(why));
            ks_str_unref(heap, why);
            return;
        }
        if (claim->bound) {
            const ks_object *pv = look->volume = ks_store_named_by(ks_view(c->sim), claim);
            if (pv == NULL || pv->local || has_zone_label(pv->labels)) claims->restricts = true;
        } else if (*volume_name(claim) == '\0' &&
                   ks_class_waits(ks_claim_class(ks_view(c->sim), claim))) {
            wait_for_consumer(claims, look);
            claims->restricts = claims->restricts || !any_node_does(c, claim);
        } else {
            immediate = true;
        }
    }
    if (immediate) {
        refuse(c, KS_PLUGIN_VOLUME_BINDING, KS_NOTHING);
        c->prefilter = "pod has unbound immediate PersistentVolumeClaims";
    }
}

/* --- filter --- */

/* The value is one of a volume's "a__b" zones. */
static bool in_zones(const char *zones, const ks_str *value) {
    for (const char *at = zones; value != NULL && *at != '\0';) {
        const char *end = strstr(at, "__");
        size_t len = end == NULL ? strlen(at) : (size_t)(end - at);
        if (len == value->len && memcmp(at, value->s, len) == 0) return true;
        at += len + (end == NULL ? 0 : 2);
    }
    return false;
}

/* A volume's old label may mean a node's new one, but not the other way round (volume_zone.go: translateToGALabel). */
static const ks_str *zone_of_node(const ks_object *node, int label) {
    ks_val value = zone_label(node->labels, label);
    if (!ks_exists(value)) value = zone_label(node->labels, label % 2);
    return ks_str_or_null(value);
}

static bool zone_suits(const ks_object *volume, const ks_object *node) {
    if (!has_zone_label(node->labels)) return true;
    for (int i = 0; i < 4; i++) {
        const char *zones = ks_text_or(zone_label(volume->labels, i), "");
        bool counts = *zones != '\0' && strstr(zones, "____") == NULL; /* no zone is nameless */
        if (counts && !in_zones(zones, zone_of_node(node, i))) return false;
    }
    return true;
}

/* allowedTopologies of a class: terms ORed, expressions ANDed. */
static bool topology_allowed(ks_heap *heap, const ks_object *class, const ks_object *node) {
    ks_val terms = ks_get(ks_doc(class), K(allowedTopologies));
    if (ks_len(terms) == 0) return true;
    ks_each(term, terms) {
        bool all = true;
        ks_each(e, ks_get(*term, K(matchLabelExpressions))) {
            const ks_str *value = ks_label(heap, node->labels, ks_str_or_null(ks_get(*e, K(key))));
            bool in = false;
            ks_each(v, ks_get(*e, K(values)))
                in = in || (value != NULL && ks_str_eq(ks_str_or_null(*v), value));
            all = all && in;
        }
        if (all) return true;
    }
    return false;
}

static bool provisionable(ks_cycle *c, const ks_object *claim, const ks_object *node) {
    const ks_object *class = ks_claim_class(ks_view(c->sim), claim);
    const char *provisioner =
        class == NULL ? "" : ks_text_or(ks_get(ks_doc(class), K(provisioner)), "");
    return *provisioner != '\0' && strcmp(provisioner, "kubernetes.io/no-provisioner") != 0 &&
           topology_allowed(c->sim->world.heap, class, node);
}

/* A volume that is there for another claim: of this pod, or of one in PreBind. */
static bool is_taken(const void *of, const ks_object *volume) {
    const ks_cycle *c = of;
    for (uint32_t i = 0; i < c->claims.waiting_count; i++)
        if (c->claims.waiting[i]->match == volume) return true;
    return ks_sched_pending(c->st, volume, NULL) != NULL;
}

/* What a waiting claim would take on a node: a volume that a pod in PreBind is about to give it, if that suits, or the best one. */
static const ks_object *match_of(const ks_cycle *c, const ks_object *claim, const ks_object *node) {
    const ks_object *volume = ks_sched_pending_volume(c->sim, c->st, claim);
    if (volume == NULL)
        return ks_volume_on_node(ks_view(c->sim), claim, node, (ks_taken){is_taken, c});
    bool suits = ks_node_has_volume(c->sim->world.heap, volume, node);
    return suits ? volume : NULL;
}

/* What each waiting claim would take on a node. False: one finds nothing. */
static bool match_waiting(ks_cycle *c, const ks_object *node) {
    bool fine = true;
    for (uint32_t i = 0; i < c->claims.waiting_count; i++) c->claims.waiting[i]->match = NULL;
    for (uint32_t i = 0; i < c->claims.waiting_count && fine; i++) {
        ks_claim_look *look = c->claims.waiting[i];
        const ks_str *selected = selected_node(c, look->claim);
        if (selected != NULL) {
            fine = ks_str_eq(selected, node->name) && provisionable(c, look->claim, node);
            continue;
        }
        look->match = match_of(c, look->claim, node);
        if (look->match == NULL) fine = provisionable(c, look->claim, node);
    }
    return fine;
}

ks_verdict ks_sched_filter_claims(ks_cycle *c, const ks_object *node) {
    ks_heap *heap = c->sim->world.heap;
    const ks_claims *claims = &c->claims;
    uint32_t reasons = 0;
    if (claims->rwop_users > 0)
        return (ks_verdict){KS_REASON_RWOP, KS_PLUGIN_VOLUME_RESTRICTIONS, false};
    if (!claims->restricts) return KS_FEASIBLE;
    if (!off(c, KS_PLUGIN_VOLUME_BINDING)) {
        for (uint32_t i = 0; i < claims->count; i++) {
            const ks_object *pv = claims->looks[i].volume;
            if (claims->looks[i].delayed) continue;
            if (pv == NULL)
                reasons |= KS_REASON_PV_MISSING;
            else if (!ks_node_has_volume(heap, pv, node))
                reasons |= KS_REASON_PV_AFFINITY;
        }
        if (claims->waiting_count > 0 && !match_waiting(c, node)) reasons |= KS_REASON_NO_PV;
        if (reasons != 0) return (ks_verdict){reasons, KS_PLUGIN_VOLUME_BINDING, true};
    }
    for (uint32_t i = 0; i < claims->count && !off(c, KS_PLUGIN_VOLUME_ZONE); i++)
        if (claims->looks[i].volume != NULL && !zone_suits(claims->looks[i].volume, node))
            return (ks_verdict){KS_REASON_ZONE, KS_PLUGIN_VOLUME_ZONE, true};
    return KS_FEASIBLE;
}

/* --- reserve --- */

void ks_sched_match_claims(ks_cycle *c, const ks_object *node, ks_claim_match *out) {
    const ks_claims *claims = &c->claims;
    uint32_t n = 0;
    match_waiting(c, node); /* as when the node was filtered */
    for (uint32_t i = 0; i < claims->waiting_count; i++)
        if (claims->waiting[i]->match != NULL)
            out[n++] = (ks_claim_match){claims->waiting[i]->claim, claims->waiting[i]->match};
    for (uint32_t i = 0; i < claims->count; i++)
        if (claims->looks[i].delayed && selected_node(c, claims->looks[i].claim) != NULL)
            out[n++] = (ks_claim_match){claims->looks[i].claim, NULL};
    for (uint32_t i = 0; i < claims->waiting_count; i++) {
        const ks_claim_look *look = claims->waiting[i];
        if (look->match == NULL && selected_node(c, look->claim) == NULL)
            out[n++] = (ks_claim_match){look->claim, NULL};
    }
}
