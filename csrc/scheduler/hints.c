/*
 * scheduler/hints.c - which events let unschedulable pods be tried again: EventsToRegister and the queueing hints of the
 * default plugins.
 */
#include "engine/nodes.h"
#include "scheduler/internal.h"

#define BIT(plugin) (1U << (plugin))
#define ANY_POLICY  BIT(KS_PLUGIN_POLICY)

static const ks_pod_rules *rules_of(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    return ks_sched_class(sim, st, pod)->rules;
}

/* --- pods --- */

static bool ports_shared(ks_val a, ks_val b) {
    ks_each(x, a) {
        ks_each(y, b) {
            if (ks_equal(ks_get(*x, K(hostPort)), ks_get(*y, K(hostPort)))) return true;
        }
    }
    return false;
}

static bool any_term(ks_sim *sim, const ks_terms *terms, const ks_object *other) {
    for (uint32_t i = 0; i < terms->count; i++)
        if (ks_sched_term_matches(sim, &terms->items[i], other->ns, other->labels)) return true;
    return false;
}

static bool any_constraint(ks_sched *st, const ks_pod_rules *r, const ks_object *other) {
    for (uint32_t i = 0; i < r->constraint_count; i++) {
        const ks_tally *t =
            r->constraints[i].hard ? ks_sched_tally(st, r->constraints[i].tally) : NULL;
        if (t == NULL) continue;
        bool matches = ks_str_eq(t->ns, other->ns);
        for (uint32_t k = 0; k < t->count && matches; k++)
            matches = t->terms[k].selector != NULL &&
                      ks_selector_matches(t->terms[k].selector, other->labels);
        if (matches) return true;
    }
    return false;
}

/* Whether the other pod's required anti-affinity is against this one. */
static bool other_is_against(ks_sim *sim, const ks_object *pod, const ks_object *other) {
    ks_val anti = ks_get3(other->spec, K(affinity), K(podAntiAffinity),
                          K(requiredDuringSchedulingIgnoredDuringExecution));
    if (ks_len(anti) == 0) return false;
    ks_terms terms;
    ks_sched_terms_read(sim->world.heap, &terms, anti, other->ns, false);
    bool against = any_term(sim, &terms, pod);
    ks_sched_terms_dispose(sim->world.heap, &terms);
    return against;
}

/* A pod took a node, or its labels changed. */
static bool after_pod_added(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_plugin plugin,
                            const ks_change *change) {
    const ks_pod_rules *r = rules_of(sim, st, pod);
    const ks_object *other = change->object;
    if (plugin == KS_PLUGIN_SPREAD)
        return any_constraint(st, r, other) ||
               (change->old != NULL && any_constraint(st, r, change->old));
    if (any_term(sim, &r->affinity, other)) return true;
    return change->old != NULL && any_term(sim, &r->anti, change->old) &&
           !any_term(sim, &r->anti, other);
}

static bool after_pod_gone(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_plugin plugin,
                           const ks_change *change) {
    const ks_object *other = change->object;
    const ks_pod_rules *r;
    switch (plugin) {
    case KS_PLUGIN_PORTS: {
        r = rules_of(sim, st, pod);
        ks_val mine = ks_ref(r->ports);
        bool shared = ports_shared(mine, rules_of(sim, st, other)->ports);
        ks_unref(sim->world.heap, mine);
        return shared;
    }
    case KS_PLUGIN_SPREAD: return any_constraint(st, rules_of(sim, st, pod), other);
    case KS_PLUGIN_POD_AFFINITY:
        return any_term(sim, &rules_of(sim, st, pod)->anti, other) ||
               other_is_against(sim, pod, other);
    case KS_PLUGIN_VOLUME_RESTRICTIONS: return ks_str_eq(pod->ns, other->ns);
    default: return true;
    }
}

static bool takes_place(const ks_object *pod) {
    return pod->node != NULL && !ks_sched_finished(pod);
}

void ks_sched_hint_gone(ks_sim *sim, ks_sched *st, const ks_change *change) {
    ks_sched_queue_wake(sim, st,
                        BIT(KS_PLUGIN_FIT) | BIT(KS_PLUGIN_PORTS) | BIT(KS_PLUGIN_SPREAD) |
                            BIT(KS_PLUGIN_POD_AFFINITY) | BIT(KS_PLUGIN_VOLUME_RESTRICTIONS) |
                            BIT(KS_PLUGIN_VOLUME_LIMITS) | ANY_POLICY,
                        after_pod_gone, change);
}

static void pod_changed(ks_sim *sim, ks_sched *st, const ks_change *change) {
    const ks_object *pod = change->object;
    const ks_object *old = change->type == KS_DELETED ? pod : change->old;
    bool had = old != NULL && takes_place(old),
         has = change->type != KS_DELETED && takes_place(pod);
    if (had && !has) {
        ks_sched_hint_gone(sim, st, change);
    } else if (has && (!had || !ks_equal(old->labels, pod->labels))) {
        ks_sched_queue_wake(sim, st, BIT(KS_PLUGIN_SPREAD) | BIT(KS_PLUGIN_POD_AFFINITY),
                            after_pod_added, change);
    } else if (has && had &&
               !ks_equal(ks_get(old->spec, K(containers)), ks_get(pod->spec, K(containers)))) {
        ks_sched_queue_wake(sim, st, BIT(KS_PLUGIN_FIT), NULL, change);
    } else if (has && had && ks_object_terminating(pod) && !ks_object_terminating(old)) {
        ks_sched_queue_wake(sim, st, BIT(KS_PLUGIN_SPREAD), after_pod_gone, change);
    }
}

/* --- nodes --- */

static bool was_so(ks_sim *sim, ks_sched *st, const ks_change *change, const ks_object *pod,
                   ks_plugin plugin) {
    const ks_object *old = change->old;
    const ks_pod_rules *r = rules_of(sim, st, pod);
    ks_heap *heap = sim->world.heap;
    if (plugin == KS_PLUGIN_TAINTS)
        return !ks_exists(ks_untolerated_taint(ks_get(old->spec, K(taints)), r->tolerations,
                                               "NoSchedule", "NoExecute"));
    return ks_node_labels_match(r->node_selector, old) &&
           ks_node_selector_matches(heap, r->node_affinity, old);
}

/* A node came, or changed. */
static bool after_node(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_plugin plugin,
                       const ks_change *change) {
    int64_t slot = ks_sched_slot(st, change->object->name);
    if (slot < 0) return false;
    const ks_node_info *node = st->nodes->at[slot];
    const ks_object *old = change->old;
    const ks_pod_rules *r = rules_of(sim, st, pod);
    bool labels = old == NULL || !ks_equal(old->labels, change->object->labels);
    bool taints =
        old == NULL ||
        !ks_equal(ks_get(old->spec, K(taints)), ks_get(change->object->spec, K(taints))) ||
        !ks_equal(ks_get(old->spec, K(unschedulable)),
                  ks_get(change->object->spec, K(unschedulable)));
    bool allocatable = old == NULL || !ks_equal(ks_get(old->status, K(allocatable)),
                                                ks_get(change->object->status, K(allocatable)));
    switch (plugin) {
    case KS_PLUGIN_UNSCHEDULABLE: return taints && !node->unschedulable;
    case KS_PLUGIN_TAINTS:
        return taints &&
               !ks_exists(ks_untolerated_taint(ks_get(node->object->spec, K(taints)),
                                               r->tolerations, "NoSchedule", "NoExecute")) &&
               (old == NULL || !was_so(sim, st, change, pod, plugin));
    case KS_PLUGIN_NODE_AFFINITY:
        return labels && ks_node_labels_match(r->node_selector, node->object) &&
               ks_node_selector_matches(sim->world.heap, r->node_affinity, node->object) &&
               (old == NULL || !was_so(sim, st, change, pod, plugin));
    case KS_PLUGIN_FIT: {
        ks_node_info empty = *node; /* only read: nothing of it is counted */
        empty.cpu = empty.memory = empty.ephemeral = empty.pods = 0;
        empty.extended = KS_NOTHING;
        return allocatable && ks_sched_fit(r, &empty).reasons == 0;
    }
    case KS_PLUGIN_NODE_NAME:
    case KS_PLUGIN_PORTS:
    case KS_PLUGIN_VOLUME_RESTRICTIONS: return old == NULL;
    case KS_PLUGIN_SPREAD: return labels || taints;
    case KS_PLUGIN_POD_AFFINITY:
    case KS_PLUGIN_VOLUME_ZONE:
    case KS_PLUGIN_VOLUME_BINDING: return labels;
    default: return true;
    }
}

/* --- claims and volumes --- */

static bool after_claim(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_plugin plugin,
                        const ks_change *change) {
    (void)st;
    (void)plugin;
    const ks_object *claim = change->object;
    if (!ks_str_eq(pod->ns, claim->ns)) return false;
    return ks_pod_names_claim(sim->world.heap, pod, claim->name);
}

void ks_sched_hints(ks_sim *sim, ks_sched *st, const ks_change *change) {
    uint32_t volumes = BIT(KS_PLUGIN_VOLUME_BINDING) | BIT(KS_PLUGIN_VOLUME_ZONE);
    if (st->waiting.count == 0) return;
    switch (change->object->kind) {
    case KS_POD: pod_changed(sim, st, change); break;
    case KS_NODE:
        if (change->type == KS_ADDED && st->nodes->count == 1) ks_sched_queue_first_node(sim, st);
        if (change->type != KS_DELETED)
            ks_sched_queue_wake(sim, st, ~0U, after_node, change);
        else
            ks_sched_queue_wake(sim, st, BIT(KS_PLUGIN_SPREAD), NULL, change);
        break;
    case KS_PVC:
        if (change->type != KS_DELETED) {
            if (change->type == KS_ADDED)
                volumes |= BIT(KS_PLUGIN_VOLUME_RESTRICTIONS) | BIT(KS_PLUGIN_VOLUME_LIMITS);
            ks_sched_queue_wake(sim, st, volumes, after_claim, change);
        }
        break;
    case KS_PV:
        if (change->type != KS_DELETED) ks_sched_queue_wake(sim, st, volumes, NULL, change);
        break;
    case KS_STORAGECLASS:
        if (change->type != KS_DELETED) ks_sched_queue_wake(sim, st, volumes, NULL, change);
        break;
    case KS_VOLUMEATTACHMENT:
        if (change->type == KS_DELETED)
            ks_sched_queue_wake(sim, st, BIT(KS_PLUGIN_VOLUME_LIMITS), NULL, change);
        break;
    default: break;
    }
}
