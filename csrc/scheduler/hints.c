/*
 * scheduler/hints.c - which events let unschedulable pods be tried again: EventsToRegister and the queueing hints of the
 * default plugins. They are what the plugins say, not what would help: a pod that has gone is no news to one that more than it refused.
 */
#include "engine/nodes.h"
#include "scheduler/internal.h"

#define BIT(plugin) (1U << (plugin))
#define ANY_POLICY  BIT(KS_PLUGIN_POLICY)

static const ks_pod_rules *rules_of(ks_sim *sim, ks_sched *st, const ks_object *pod) {
    return ks_sched_class(sim, st, pod)->rules;
}

/* --- pods --- */

/* A claim of the one pod's volumes is one of the other's, in their namespace. */
static bool claim_shared(const ks_object *a, const ks_object *b) {
    if (!a->claims || !b->claims) return false;
    ks_each(x, ks_get(a->spec, K(volumes))) {
        ks_val mine = ks_get2(*x, K(persistentVolumeClaim), K(claimName));
        if (!ks_exists(mine)) continue;
        ks_each(y, ks_get(b->spec, K(volumes)))
            if (ks_equal(mine, ks_get2(*y, K(persistentVolumeClaim), K(claimName)))) return true;
    }
    return false;
}

/* Hints of one pod are about all terms at once: podMatchesAllAffinityTerms. */
static bool all_terms(const ks_terms *terms, const ks_object *other) {
    for (uint32_t i = 0; i < terms->count; i++)
        if (!ks_sched_term_hints(&terms->items[i], other->ns, other->labels)) return false;
    return terms->count > 0;
}

/* Whether the other pod's required anti-affinity is against this one. */
static bool other_is_against(ks_heap *heap, const ks_object *pod, const ks_object *other) {
    ks_val anti = ks_get3(other->spec, K(affinity), K(podAntiAffinity),
                          K(requiredDuringSchedulingIgnoredDuringExecution));
    if (ks_len(anti) == 0) return false;
    ks_terms terms;
    ks_sched_terms_read(heap, &terms, anti, other->ns, false);
    bool against = all_terms(&terms, pod);
    ks_sched_terms_dispose(heap, &terms);
    return against;
}

static bool means(const ks_constraint *c, ks_val labels) {
    return c->hard && c->selector != NULL && ks_selector_matches(c->selector, labels);
}

static bool any_constraint(const ks_pod_rules *r, const ks_object *other) {
    for (uint32_t i = 0; i < r->constraint_count; i++)
        if (means(&r->constraints[i], other->labels)) return true;
    return false;
}

/* Whether a constraint means pods of these labels, but not of those. */
static bool any_other_constraint(const ks_pod_rules *r, ks_val before, ks_val now) {
    for (uint32_t i = 0; i < r->constraint_count; i++)
        if (means(&r->constraints[i], before) != means(&r->constraints[i], now)) return true;
    return false;
}

/* A pod took a node. */
static bool after_pod_placed(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_plugin plugin,
                             const ks_change *change) {
    const ks_pod_rules *r = rules_of(sim, st, pod);
    if (plugin == KS_PLUGIN_SPREAD)
        return ks_str_eq(pod->ns, change->object->ns) && any_constraint(r, change->object);
    return all_terms(&r->affinity, change->object);
}

/* The labels of a pod that has its node have changed. */
static bool after_labels(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_plugin plugin,
                         const ks_change *change) {
    const ks_pod_rules *r = rules_of(sim, st, pod);
    const ks_object *old = change->old, *now = change->object;
    if (plugin == KS_PLUGIN_SPREAD)
        return ks_str_eq(pod->ns, now->ns) && any_other_constraint(r, old->labels, now->labels);
    return (all_terms(&r->affinity, now) && !all_terms(&r->affinity, old)) ||
           (all_terms(&r->anti, old) && !all_terms(&r->anti, now));
}

static bool after_pod_gone(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_plugin plugin,
                           const ks_change *change) {
    const ks_object *other = change->object;
    const ks_pod_rules *r;
    switch (plugin) {
    case KS_PLUGIN_PORTS: {
        r = rules_of(sim, st, pod);
        ks_val mine = ks_ref(r->ports);
        bool shared = ks_sched_ports_clash(mine, rules_of(sim, st, other)->ports);
        ks_unref(sim->world.heap, mine);
        return shared;
    }
    case KS_PLUGIN_SPREAD:
        return ks_str_eq(pod->ns, other->ns) && any_constraint(rules_of(sim, st, pod), other);
    case KS_PLUGIN_POD_AFFINITY:
        return all_terms(&rules_of(sim, st, pod)->anti, other) ||
               (ks_since(&sim->server.rules, KS_SINCE_AFFINITY_HINTS) &&
                other_is_against(sim->world.heap, pod, other));
    case KS_PLUGIN_VOLUME_RESTRICTIONS:
        return ks_str_eq(pod->ns, other->ns) &&
               (ks_sched_disks_clash(pod, other) || claim_shared(pod, other));
    default: return true;
    }
}

static bool takes_place(const ks_object *pod) {
    return pod->node != NULL && !ks_sched_finished(pod);
}

/* Plugins that may let a pod go when another one leaves its place. */
enum {
    LEAVES_PLACE = BIT(KS_PLUGIN_FIT) | BIT(KS_PLUGIN_PORTS) | BIT(KS_PLUGIN_SPREAD) |
                   BIT(KS_PLUGIN_POD_AFFINITY) | BIT(KS_PLUGIN_VOLUME_RESTRICTIONS) |
                   BIT(KS_PLUGIN_VOLUME_LIMITS) | ANY_POLICY
};

void ks_sched_hint_gone(ks_sim *sim, ks_sched *st, const ks_change *change) {
    ks_sched_queue_wake(sim, st, LEAVES_PLACE, after_pod_gone, change);
}

/* The place that a pod was nominated to is free again: to those that it had to be kept from. */
static bool after_nomination_gone(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_plugin plugin,
                                  const ks_change *change) {
    bool relates = plugin == KS_PLUGIN_SPREAD || plugin == KS_PLUGIN_POD_AFFINITY;
    if (relates && !ks_since(&sim->server.rules, KS_SINCE_AFFINITY_HINTS)) return false;
    return ks_sched_priority(pod) <= ks_sched_priority(change->object) &&
           after_pod_gone(sim, st, pod, plugin, change);
}

/* eventhandlers.go: hasNominatedNodeNameChanged, and what deletePodFromSchedulingQueue makes of nominations. */
static bool loses_nomination(const ks_sched *st, const ks_change *change, const ks_object *old) {
    const ks_object *pod = change->object;
    if (old == NULL || old->node != NULL || ks_sched_assumed(st, pod->id) != NULL) return false;
    const ks_str *was = ks_str_or_null(ks_get(old->status, K(nominatedNodeName)));
    if (was == NULL || was->len == 0 || ks_sched_finished(old)) return false;
    if (change->type == KS_DELETED || ks_sched_finished(pod)) return true;
    return pod->node == NULL &&
           !ks_str_eq(was, ks_str_or_null(ks_get(pod->status, K(nominatedNodeName))));
}

static bool same_labels(const ks_object *a, const ks_object *b) {
    return ks_equal(a->labels, b->labels);
}

/* That it terminates is nothing to others: it still takes its place. */
static void pod_changed(ks_sim *sim, ks_sched *st, const ks_change *change) {
    const uint32_t relates = BIT(KS_PLUGIN_SPREAD) | BIT(KS_PLUGIN_POD_AFFINITY);
    const ks_object *pod = change->object;
    const ks_object *old = change->type == KS_DELETED ? pod : change->old;
    if (loses_nomination(st, change, old))
        ks_sched_queue_wake(sim, st, LEAVES_PLACE, after_nomination_gone, change);
    bool had = old != NULL && takes_place(old),
         has = change->type != KS_DELETED && takes_place(pod);
    if (had && !has)
        ks_sched_hint_gone(sim, st, change);
    else if (has && !had)
        ks_sched_queue_wake(sim, st, relates, after_pod_placed, change);
    else if (has && !same_labels(old, pod))
        ks_sched_queue_wake(sim, st, relates, after_labels, change);
}

/* --- the pod itself --- */

static bool tolerates_more(const ks_object *old, const ks_object *now) {
    return ks_len(ks_get(old->spec, K(tolerations))) != ks_len(ks_get(now->spec, K(tolerations)));
}

/* What a policy may look at. */
static bool differs(const ks_object *old, const ks_object *now) {
    const ks_str *const keys[] = {K(tolerations), K(nodeSelector), K(affinity), K(containers)};
    if (!same_labels(old, now)) return true;
    for (int i = 0; i < 4; i++)
        if (!ks_equal(ks_get(old->spec, keys[i]), ks_get(now->spec, keys[i]))) return true;
    return false;
}

static bool heeds_taints(const ks_pod_rules *r) {
    for (uint32_t i = 0; i < r->constraint_count; i++)
        if (r->constraints[i].hard && r->constraints[i].honor_taints) return true;
    return false;
}

bool ks_sched_hint_own(ks_sim *sim, ks_sched *st, uint32_t plugins, const ks_change *change) {
    const ks_object *old = change->old, *now = change->object;
    bool labels = !same_labels(old, now);
    bool same_spec = ks_is(old->spec, KS_MAP) && ks_identical(old->spec, now->spec);
    if (!labels && same_spec) return false;
    if ((plugins & ANY_POLICY) != 0 && differs(old, now)) return true;
    if (labels && (plugins & BIT(KS_PLUGIN_POD_AFFINITY)) != 0 &&
        ks_since(&sim->server.rules, KS_SINCE_AFFINITY_HINTS))
        return true;
    bool more = tolerates_more(old, now);
    if (more && (plugins & BIT(KS_PLUGIN_TAINTS)) != 0) return true;
    const ks_pod_rules *r = rules_of(sim, st, now);
    if (more && (plugins & BIT(KS_PLUGIN_UNSCHEDULABLE)) != 0 &&
        ks_sched_tolerates_unschedulable(sim->world.heap, r->tolerations))
        return true;
    if ((plugins & BIT(KS_PLUGIN_SPREAD)) == 0) return false;
    return (more && heeds_taints(r)) || any_other_constraint(r, old->labels, now->labels);
}

/* --- nodes --- */

/* What of a node has changed, as far as plugins ask for it (events.go: NodeSchedulingPropertiesChange). */
typedef struct node_news {
    const ks_object *old, *now; /* one may be NULL: the node came, or went */
    bool labels, taints, allocatable;
} node_news;

static node_news news_of(const ks_change *change) {
    bool gone = change->type == KS_DELETED;
    node_news n = {gone ? change->object : change->old, gone ? NULL : change->object, false, false,
                   false};
    if (n.old == NULL || n.now == NULL) return n;
    n.labels = !ks_equal(n.old->labels, n.now->labels);
    n.taints = !ks_equal(ks_get(n.old->spec, K(taints)), ks_get(n.now->spec, K(taints))) ||
               (ks_bool_or(ks_get(n.old->spec, K(unschedulable)), false) &&
                !ks_bool_or(ks_get(n.now->spec, K(unschedulable)), false));
    n.allocatable =
        !ks_equal(ks_get(n.old->status, K(allocatable)), ks_get(n.now->status, K(allocatable)));
    return n;
}

static bool tolerates(const ks_pod_rules *r, const ks_object *node) {
    return node != NULL &&
           !ks_exists(ks_untolerated_taint(ks_get(node->spec, K(taints)), r->tolerations,
                                           "NoSchedule", "NoExecute"));
}

static bool fits_affinity(ks_heap *heap, const ks_pod_rules *r, const ks_object *node) {
    return node != NULL && ks_node_labels_match(r->node_selector, node) &&
           ks_node_selector_matches(heap, r->node_affinity, node);
}

/* haveAnyRequestedResourcesIncreased */
static bool has_more(const ks_pod_rules *r, const node_news *n) {
    ks_val was = ks_get(n->old->status, K(allocatable)),
           is = ks_get(n->now->status, K(allocatable));
    for (uint32_t i = 0; i < ks_len(is); i++) {
        const ks_str *name = ks_pair_at(is, i)->key;
        bool asked = name == K(pods)                ? true
                     : name == K(cpu)               ? r->amounts.cpu > 0
                     : name == K(memory)            ? r->amounts.memory > 0
                     : name == K(ephemeral_storage) ? r->amounts.ephemeral > 0
                                                    : ks_exists(ks_get(r->amounts.extended, name));
        if (asked && ks_quantity_cmp(ks_quantity_of(ks_pair_at(is, i)->val),
                                     ks_quantity_of(ks_get(was, name))) > 0)
            return true;
    }
    return false;
}

static bool fits_empty(ks_sched *st, const ks_pod_rules *r, const ks_object *node) {
    int64_t slot = ks_sched_slot(st, node->name);
    if (slot < 0) return false;
    ks_node_info empty = *st->nodes->at[slot]; /* only read: nothing of it is counted */
    empty.cpu = empty.memory = empty.ephemeral = empty.pods = 0;
    empty.extended = KS_NOTHING;
    return ks_sched_fit(r, &empty).reasons == 0;
}

/* nodeLabelsMatchSpreadConstraints */
static bool spreads_over(const ks_pod_rules *r, const ks_object *node) {
    for (uint32_t i = 0; i < r->constraint_count && node != NULL; i++)
        if (r->constraints[i].hard && !ks_exists(ks_get(node->labels, r->constraints[i].key)))
            return false;
    return node != NULL;
}

static bool spreads_otherwise(const ks_pod_rules *r, const node_news *n) {
    bool was = spreads_over(r, n->old), is = spreads_over(r, n->now);
    if (n->old == NULL || n->now == NULL || was != is) return was || is;
    bool moved = !ks_equal(ks_get(n->old->spec, K(taints)), ks_get(n->now->spec, K(taints)));
    for (uint32_t i = 0; i < r->constraint_count; i++) {
        const ks_str *key = r->constraints[i].key;
        moved = moved || (r->constraints[i].hard &&
                          !ks_equal(ks_get(n->old->labels, key), ks_get(n->now->labels, key)));
    }
    return is && moved;
}

/* Affinity gains by a node that comes into a domain, anti-affinity by one that leaves one. */
static bool moves_for_terms(const ks_pod_rules *r, const node_news *n) {
    if (n->old == NULL && r->anti.count > 0) return true;
    for (uint32_t i = 0; i < r->affinity.count + r->anti.count; i++) {
        bool anti = i >= r->affinity.count;
        const ks_str *key =
            anti ? r->anti.items[i - r->affinity.count].key : r->affinity.items[i].key;
        ks_val was = n->old != NULL ? ks_get(n->old->labels, key) : KS_NOTHING,
               is = ks_get(n->now->labels, key);
        if (ks_exists(anti ? was : is) && !ks_equal(was, is)) return true;
    }
    return false;
}

/* A node came, went or changed. Plugins that ask for nodes that come, but not for changes of taints, are shown every one of these
 * (scheduler.go: buildQueueingHintMap). */
static bool after_node(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_plugin plugin,
                       const ks_change *change) {
    const node_news n = news_of(change);
    const ks_pod_rules *r = rules_of(sim, st, pod);
    ks_heap *heap = sim->world.heap;
    bool came = n.old == NULL;
    if (n.now == NULL) return plugin == KS_PLUGIN_SPREAD && spreads_otherwise(r, &n);
    switch (plugin) {
    case KS_PLUGIN_UNSCHEDULABLE:
        return (came || n.taints) && !ks_bool_or(ks_get(n.now->spec, K(unschedulable)), false) &&
               (came || ks_bool_or(ks_get(n.old->spec, K(unschedulable)), false));
    case KS_PLUGIN_TAINTS: return (came || n.taints) && tolerates(r, n.now) && !tolerates(r, n.old);
    case KS_PLUGIN_NODE_AFFINITY:
        return n.taints || ((came || n.labels) && fits_affinity(heap, r, n.now) &&
                            !fits_affinity(heap, r, n.old));
    case KS_PLUGIN_FIT:
        return n.taints ||
               ((came || n.allocatable) && fits_empty(st, r, n.now) && (came || has_more(r, &n)));
    case KS_PLUGIN_NODE_NAME:
    case KS_PLUGIN_PORTS:
    case KS_PLUGIN_VOLUME_RESTRICTIONS: return came || n.taints;
    case KS_PLUGIN_VOLUME_LIMITS: return came || n.allocatable;
    case KS_PLUGIN_VOLUME_ZONE:
    case KS_PLUGIN_VOLUME_BINDING: return came || n.taints || n.labels;
    case KS_PLUGIN_SPREAD: return (came || n.taints || n.labels) && spreads_otherwise(r, &n);
    case KS_PLUGIN_POD_AFFINITY: return n.taints || ((came || n.labels) && moves_for_terms(r, &n));
    default: return true;
    }
}

/* --- volumes and their classes --- */

static bool after_volume(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_plugin plugin,
                         const ks_change *change) {
    (void)sim, (void)st, (void)pod;
    return plugin == KS_PLUGIN_VOLUME_BINDING || change->old == NULL ||
           !ks_sched_same_zones(change->old->labels, change->object->labels);
}

static bool after_class(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_plugin plugin,
                        const ks_change *change) {
    (void)sim, (void)st, (void)pod;
    const ks_object *class = change->object, *old = change->old;
    if (plugin == KS_PLUGIN_VOLUME_ZONE) return old == NULL && ks_class_waits(class);
    return old == NULL || !ks_equal(ks_get(ks_doc(old), K(allowedTopologies)),
                                    ks_get(ks_doc(class), K(allowedTopologies)));
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
            ks_sched_queue_wake(sim, st, BIT(KS_PLUGIN_SPREAD), after_node, change);
        break;
    case KS_PVC:
        if (change->type != KS_DELETED) {
            if (change->type == KS_ADDED)
                volumes |= BIT(KS_PLUGIN_VOLUME_RESTRICTIONS) | BIT(KS_PLUGIN_VOLUME_LIMITS);
            ks_sched_queue_wake_users(sim, st, volumes, change->object);
        }
        break;
    case KS_PV:
        if (change->type != KS_DELETED) ks_sched_queue_wake(sim, st, volumes, after_volume, change);
        break;
    case KS_STORAGECLASS:
        if (change->type != KS_DELETED) ks_sched_queue_wake(sim, st, volumes, after_class, change);
        break;
    case KS_VOLUMEATTACHMENT:
        if (change->type == KS_DELETED)
            ks_sched_queue_wake(sim, st, BIT(KS_PLUGIN_VOLUME_LIMITS), NULL, change);
        break;
    default: break;
    }
}
