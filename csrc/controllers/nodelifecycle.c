/*
 * controllers/nodelifecycle.c - what becomes of nodes that fall silent, and of their pods.
 *
 * pkg/controller/nodelifecycle/node_lifecycle_controller.go and pkg/controller/tainteviction/taint_eviction.go.
 * A live node's lease is renewed every 10 s and therefore not stored; the Lease in kube-node-lease of one that does not talk (ks_silence)
 * says since when it has not (kubelet/node.h). The monitor looks every 5 s, as the real one does, but only while it has something to look for.
 *
 * Keys: a pod's id (its eviction is due), PASS (a look of the monitor), NODE | id (a node's taints by its conditions), LEAVE | id (its
 * NoExecute taints have changed).
 */
#include "controllers/common.h"
#include "controllers/controllers.h"
#include "engine/nodes.h"

#include <string.h>

#define MONITOR_PERIOD (5 * KS_SECOND)
#define GRACE_PERIOD   (50 * KS_SECOND) /* node-monitor-grace-period */
#define EVICTION_EVERY (10 * KS_SECOND) /* node-eviction-rate 0.1 */
#define SLOW_EVERY                                                                                 \
    (100 * KS_SECOND) /* secondary-node-eviction-rate 0.01, in zones of more than 50 nodes */
#define LARGE_ZONE    50
#define HEALTH_TRIES  6
#define REPORT_EVERY  (300 * KS_SECOND) /* nodeStatusReportFrequency */
#define RENEWED_EVERY (10 * KS_SECOND)  /* a quarter of nodeLeaseDurationSeconds */

#define AT_ONCE INT64_MIN

#define PASS  (UINT64_C(1) << 63)
#define NODE  (UINT64_C(1) << 62)
#define LEAVE (UINT64_C(1) << 61)

typedef struct lifecycle {
    ks_heap *heap;
    int self;
    ks_tree silent;  /* {hash of node name, 0} -> instant of the last renewal + 1 */
    ks_tree tainted; /* {node id, 0} -> 1: has a NoExecute taint */
    ks_tree due;     /* {pod id, 0} -> instant of its eviction + 1 */
    ks_tree
        pace; /* {hash of zone, 0} -> instant from which the next node of the zone may be tainted + 1 */
    ks_tree unready; /* {node id, 0} -> 1: Ready is not True */
    ks_tree again;   /* {node id, 0} -> 1: not all of its pods could be marked */
    ks_tree given;   /* {node id, hash of a taint's key} -> 1: see remember_given() */
} lifecycle;

static void *word(int64_t n) { return (void *)(intptr_t)n; }

static int64_t instant_in(const ks_tree *tree, uint64_t a) {
    const void *v = ks_tree_get(tree, (ks_key){a, 0});
    return v ? (int64_t)(intptr_t)v - 1 : KS_NEVER;
}

static uint64_t name_hash(const ks_str *name) {
    uint64_t h = ks_hash_bytes(name->s, name->len);
    return h << 32 | ks_fnv32(name->s, name->len);
}

static void *create(ks_sim *sim) {
    lifecycle *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->heap = sim->world.heap;
    st->self = ks_component_index(sim, &ks_node_lifecycle);
    return st;
}

static void *copy(ks_sim *sim, const void *state) {
    const lifecycle *from = state;
    lifecycle *st = ks_alloc(from->heap, sizeof *st);
    (void)sim;
    *st = *from;
    st->silent = ks_tree_copy(&from->silent);
    st->tainted = ks_tree_copy(&from->tainted);
    st->due = ks_tree_copy(&from->due);
    st->pace = ks_tree_copy(&from->pace);
    st->unready = ks_tree_copy(&from->unready);
    st->again = ks_tree_copy(&from->again);
    st->given = ks_tree_copy(&from->given);
    return st;
}

static void dispose(ks_heap *heap, void *state) {
    lifecycle *st = state;
    ks_tree_clear(heap, &st->silent);
    ks_tree_clear(heap, &st->tainted);
    ks_tree_clear(heap, &st->due);
    ks_tree_clear(heap, &st->pace);
    ks_tree_clear(heap, &st->unready);
    ks_tree_clear(heap, &st->again);
    ks_tree_clear(heap, &st->given);
    ks_free(heap, st, sizeof *st);
}

/* --- conditions and taints --- */

/* 'T', 'F' or 'U' of the Ready condition. */
static char readiness(const ks_object *node) {
    ks_val ready = ks_condition_of(node->status, "Ready");
    const char *status = ks_text_or(ks_get(ready, K(status)), "Unknown");
    return ks_exists(ready) ? status[0] : 'U';
}

static const char *const not_ready = "node.kubernetes.io/not-ready",
                         *const unreachable = "node.kubernetes.io/unreachable";

static bool is_taint(ks_val taint, const char *key, const char *effect) {
    return ks_text_is(ks_get(taint, K(effect)), effect) &&
           (!key || ks_text_is(ks_get(taint, K(key)), key));
}

static bool has_taint(ks_val taints, const char *key, const char *effect) {
    ks_each(t, taints)
        if (is_taint(*t, key, effect)) return true;
    return false;
}

/* Taints that follow from conditions: key, the condition and the status that cause it. */
static const struct rule {
    const char *key, *condition;
    char status;
} rules[] = {
    {"node.kubernetes.io/not-ready", "Ready", 'F'},
    {"node.kubernetes.io/unreachable", "Ready", 'U'},
    {"node.kubernetes.io/memory-pressure", "MemoryPressure", 'T'},
    {"node.kubernetes.io/disk-pressure", "DiskPressure", 'T'},
    {"node.kubernetes.io/pid-pressure", "PIDPressure", 'T'},
    {"node.kubernetes.io/network-unavailable", "NetworkUnavailable", 'T'},
};
#define RULES ((int)(sizeof rules / sizeof rules[0]))

static bool rule_holds(const struct rule *rule, const ks_object *node) {
    ks_val c = ks_condition_of(node->status, rule->condition);
    return ks_exists(c) && ks_text_or(ks_get(c, K(status)), "-")[0] == rule->status;
}

static ks_val new_taint(ks_sim *sim, const char *key, const char *effect) {
    ks_heap *heap = sim->world.heap;
    return ks_map_of(heap, K(effect), ks_text(heap, effect), K(key), ks_text(heap, key),
                     K(timeAdded), ks_time_val(&sim->world, sim->world.now), NULL);
}

static bool lists_taint(ks_val taints, ks_val taint) {
    const char *key = ks_text_or(ks_get(taint, K(key)), "");
    return has_taint(taints, key, ks_text_or(ks_get(taint, K(effect)), ""));
}

/* What makes `wanted` of `old`, done to the taints that the node has by now: those that come are added, those that go are taken away, others
 * stay (controller_utils.go: AddOrUpdateTaintOnNode, RemoveTaintOffNode). `wanted` is taken over. */
static ks_val rebased(ks_heap *heap, ks_val old, ks_val wanted, ks_val now) {
    ks_val taints = KS_NOTHING;
    ks_each(t, now) {
        if (!lists_taint(old, *t) || lists_taint(wanted, *t))
            taints = ks_append(heap, taints, ks_ref(*t));
    }
    ks_each(t, wanted) {
        if (!lists_taint(old, *t) && !lists_taint(now, *t))
            taints = ks_append(heap, taints, ks_ref(*t));
    }
    ks_unref(heap, wanted);
    return taints;
}

/* What taints a node is to have follows from the version that is known; the server is asked for the one that they are written to.
 * False: that has failed. */
static bool put_taints(ks_sim *sim, const ks_object *known, ks_val taints) {
    ks_heap *heap = sim->world.heap;
    const ks_object *node = ks_store_by_id(&sim->server.store, KS_NODE, known->id);
    ks_val old = ks_get(known->spec, K(taints));
    bool same = node == NULL || ks_equal(taints, old);
    if (!same && node != known) taints = rebased(heap, old, taints, ks_get(node->spec, K(taints)));
    if (same || ks_equal(taints, ks_get(node->spec, K(taints)))) {
        ks_unref(heap, taints);
        return true;
    }
    if (!ks_len(taints)) {
        ks_unref(heap, taints);
        taints = KS_NOTHING;
    }
    ks_val doc = ks_put2(heap, ks_doc_ref(node), K(spec), K(taints), taints);
    ks_refusal *refusal = ks_server_update_object(&sim->server, node, doc, NULL);
    bool fine = refusal == NULL;
    ks_refusal_free(heap, refusal);
    return fine;
}

/* doNoScheduleTaintingPass: the NoSchedule taints that conditions and spec.unschedulable ask for, and no other of theirs. False: the write
 * has failed. */
static bool condition_taints(ks_sim *sim, const ks_object *node) {
    ks_heap *heap = sim->world.heap;
    static const char *const cordoned = "node.kubernetes.io/unschedulable";
    ks_val old = ks_get(node->spec, K(taints)), taints = KS_NOTHING;
    bool cordon = ks_bool_or(ks_get(node->spec, K(unschedulable)), false);
    ks_each(t, old) {
        bool keep = !is_taint(*t, cordoned, "NoSchedule") || cordon;
        for (int i = 0; i < RULES; i++)
            keep =
                keep && (!is_taint(*t, rules[i].key, "NoSchedule") || rule_holds(&rules[i], node));
        if (keep) taints = ks_append(heap, taints, ks_ref(*t));
    }
    for (int i = 0; i < RULES; i++)
        if (rule_holds(&rules[i], node) && !has_taint(old, rules[i].key, "NoSchedule"))
            taints = ks_append(heap, taints, new_taint(sim, rules[i].key, "NoSchedule"));
    if (cordon && !has_taint(old, cordoned, "NoSchedule"))
        taints = ks_append(heap, taints, new_taint(sim, cordoned, "NoSchedule"));
    return put_taints(sim, node, taints);
}

/* Exchanges the two NoExecute taints of readiness for `key` (NULL: none). False: the write has failed. */
static bool execute_taint(ks_sim *sim, const ks_object *node, const char *key) {
    ks_heap *heap = sim->world.heap;
    ks_val taints = KS_NOTHING;
    bool had = false;
    ks_each(t, ks_get(node->spec, K(taints))) {
        bool one = is_taint(*t, not_ready, "NoExecute") || is_taint(*t, unreachable, "NoExecute");
        bool same = one && key && is_taint(*t, key, "NoExecute");
        had = had || same;
        if (!one || same) taints = ks_append(heap, taints, ks_ref(*t));
    }
    if (key && !had) taints = ks_append(heap, taints, new_taint(sim, key, "NoExecute"));
    return put_taints(sim, node, taints);
}

/* --- the monitor --- */

/* With the first of the monitor's beats that comes after an instant, or falls on one that is still to come. */
static void look_after(ks_sim *sim, const lifecycle *st, int64_t instant) {
    int64_t beats = (instant - (instant > sim->world.now)) / MONITOR_PERIOD + 1;
    ks_enqueue_at(sim, st->self, PASS, beats * MONITOR_PERIOD);
}

static void look_soon(ks_sim *sim, const lifecycle *st) { look_after(sim, st, sim->world.now); }

static const ks_object *fresh(ks_sim *sim, uint64_t id) {
    return ks_store_by_id(ks_view(sim), KS_NODE, id);
}

/* It was heard that the node fell silent, and not that it talks. A Lease that somebody has deleted need not be waited for. */
static bool is_silent(const ks_sim *sim, lifecycle *st, const ks_str *node) {
    ks_key key = {name_hash(node), 0};
    if (!ks_tree_has(&st->silent, key)) return false;
    if (ks_view_is_late(sim) || ks_settings_silence(sim->settings, node) != KS_TALKS) return true;
    ks_tree_del(st->heap, &st->silent, key);
    return false;
}

/* The node's last renewal is too long ago. */
static bool is_overdue(const ks_sim *sim, const lifecycle *st, const ks_object *node) {
    int64_t since = instant_in(&st->silent, name_hash(node->name));
    /* The monitor saw the renewal with its next look. */
    return since != KS_NEVER &&
           sim->world.now >
               (since + MONITOR_PERIOD - 1) / MONITOR_PERIOD * MONITOR_PERIOD + GRACE_PERIOD;
}

/* What the monitor goes by: what it knows, but where it would write for an old version, and meet a conflict, what the server then
 * answers. NULL: the node has gone. */
static const ks_object *judged(const ks_sim *sim, const lifecycle *st, uint64_t id) {
    const ks_object *known = ks_store_by_id(ks_view(sim), KS_NODE, id);
    bool asks = ks_view_is_late(sim) && known != NULL && readiness(known) != 'U' &&
                is_overdue(sim, st, known);
    return asks ? ks_store_by_id(&sim->server.store, KS_NODE, id) : known;
}

/* The node's kubelet has posted between two versions. */
static bool has_posted(const ks_object *old, const ks_object *node) {
    return !ks_equal(ks_get(ks_condition_of(old->status, "Ready"), K(lastHeartbeatTime)),
                     ks_get(ks_condition_of(node->status, "Ready"), K(lastHeartbeatTime)));
}

/* All conditions that a kubelet posts become Unknown (tryUpdateNodeHealth). False: the write has failed. */
static bool write_silent(ks_sim *sim, const ks_object *node) {
    static const char *const posted[] = {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};
    ks_heap *heap = sim->world.heap;
    ks_val status = ks_ref(node->status), list = KS_NOTHING;
    ks_each(c, ks_get(node->status, K(conditions))) {
        ks_val one = ks_ref(*c);
        for (int i = 0; i < 4; i++) {
            if (!ks_text_is(ks_get(*c, K(type)), posted[i]) ||
                ks_text_is(ks_get(*c, K(status)), "Unknown"))
                continue;
            one = ks_put(heap, one, K(status), ks_text(heap, "Unknown"));
            one = ks_put(heap, one, K(reason), ks_text(heap, "NodeStatusUnknown"));
            one = ks_put(heap, one, K(message),
                         ks_text(heap, "Kubelet stopped posting node status."));
            one =
                ks_put(heap, one, K(lastTransitionTime), ks_time_val(&sim->world, sim->world.now));
        }
        list = ks_append(heap, list, one);
    }
    status = ks_put(heap, status, K(conditions), list);
    ks_refusal *refusal = ks_server_update_status(&sim->server, node, status, NULL);
    bool fine = refusal == NULL;
    ks_refusal_free(heap, refusal);
    return fine;
}

/* As often as upstream tries within 100 ms, for what the server then has. *seen: the readiness that the last try found; a write of which
 * only the answer was lost is found done. False: given up. */
static bool mark_silent(ks_sim *sim, const ks_object *node, char *seen) {
    for (int i = 0; i < HEALTH_TRIES && node != NULL; i++) {
        uint64_t id = node->id;
        *seen = readiness(node);
        if (*seen == 'U' || write_silent(sim, node)) return true;
        node = ks_store_by_id(&sim->server.store, KS_NODE, id);
    }
    return false;
}

/* MarkPodsNotReady: only the Ready condition of each pod on the node; of one that is not ready nothing is told. That it could not be
 * written is no reason not to tell. False: to be tried again, with the next look. */
static bool mark_pod(ks_sim *sim, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_val conditions = ks_get(pod->status, K(conditions));
    ks_event e = {.type = "Warning", .reason = "NodeNotReady", .component = "node-controller"};
    for (uint32_t i = 0; i < ks_len(conditions); i++) {
        ks_val c = ks_at(conditions, i);
        if (!ks_text_is(ks_get(c, K(type)), "Ready") || !ks_text_is(ks_get(c, K(status)), "True"))
            continue;
        c = ks_put(heap, ks_ref(c), K(status), ks_text(heap, "False"));
        c = ks_put(heap, c, K(lastTransitionTime), ks_time_val(&sim->world, sim->world.now));
        ks_val list = ks_set_at(heap, ks_ref(conditions), i, c);
        ks_val status = ks_put(heap, ks_ref(pod->status), K(conditions), list);
        ks_object_ref(pod);
        ks_refusal *refusal = ks_server_update_status(&sim->server, pod, status, NULL);
        bool fine = refusal == NULL, gone = !fine && refusal->code == 404;
        ks_refusal_free(heap, refusal);
        if (!gone) ks_record(&sim->server, pod, &e, "Node is not ready");
        ks_object_unref(heap, pod);
        return fine || gone;
    }
    return true;
}

/* The ids of the pods on a node: writing changes the store's index, so they are collected first. */
typedef struct ids {
    ks_tree tree;
} ids;

static ids pods_on(ks_sim *sim, const ks_str *node) {
    ids list = {{NULL, NULL, 0}};
    for (ks_walk w = ks_walk_node(ks_view(sim), node); ks_walk_next(&w);)
        ks_tree_put(sim->world.heap, &list.tree, (ks_key){w.object->id, 0}, word(1));
    return list;
}

/* The pods of a node that is not ready are not either; the node is remembered while that could not be written of all. */
static void mark_pods(ks_sim *sim, lifecycle *st, const ks_object *node) {
    ids pods = pods_on(sim, node->name);
    bool done = true;
    for (ks_tree_iter it = ks_tree_begin(&pods.tree); ks_tree_next(&it);) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, it.key.a);
        if (pod) done = mark_pod(sim, pod) && done;
    }
    ks_tree_clear(sim->world.heap, &pods.tree);
    if (!done)
        ks_tree_put(st->heap, &st->again, (ks_key){node->id, 0}, word(1));
    else if (st->again.count > 0)
        ks_tree_del(st->heap, &st->again, (ks_key){node->id, 0});
}

static void now_unready(ks_sim *sim, lifecycle *st, const ks_object *node) {
    ks_event e = {.type = "Normal", .reason = "NodeNotReady", .component = "node-controller"};
    ks_record(&sim->server, node, &e, "Node %s status is now: NodeNotReady", node->name->s);
    mark_pods(sim, st, node);
}

/* --- zones: how fast nodes may be tainted --- */

static uint64_t zone_of(const ks_object *node) {
    ks_val zone = ks_get(node->labels, K(topology_kubernetes_io_zone)),
           region = ks_get(node->labels, K(topology_kubernetes_io_region));
    uint64_t h = ks_is(zone, KS_STRING) ? name_hash(zone.s) : 1;
    return h * 31 + (ks_is(region, KS_STRING) ? name_hash(region.s) : 1);
}

/* How many nodes a zone has (low half) and how many of them are not ready (high half), in one word of a tree. */
static void *counted(void *old, bool bad) {
    return (void *)((uintptr_t)old + 1 + (bad ? (uintptr_t)1 << 32 : 0));
}

/* Time between two nodes of a zone that are tainted; 0: none may be now. */
static int64_t pace_of(const void *zone) {
    uint64_t nodes = (uintptr_t)zone & UINT32_MAX, unready = (uintptr_t)zone >> 32;
    if (unready > 2 && unready * 100 >= nodes * 55 && unready < nodes) /* partial disruption */
        return nodes > LARGE_ZONE ? SLOW_EVERY : 0;
    return EVICTION_EVERY;
}

/* The NoExecute taint of a node that is not ready; its zone's pace permitting. Returns when to try again: KS_NEVER when that is
 * done, or when nodes have to change first. */
static int64_t taint_for_eviction(ks_sim *sim, lifecycle *st, const ks_object *node,
                                  const ks_tree *zones) {
    const char *key = readiness(node) == 'F' ? not_ready : unreachable;
    ks_val taints = ks_get(node->spec, K(taints));
    if (has_taint(taints, key, "NoExecute")) return KS_NEVER;
    if (has_taint(taints, not_ready, "NoExecute") || has_taint(taints, unreachable, "NoExecute"))
        return execute_taint(sim, node, key) ? KS_NEVER : sim->world.now; /* swapped at once */
    ks_key zone = {zone_of(node), 0};
    int64_t every = pace_of(ks_tree_get(zones, zone)), from = instant_in(&st->pace, zone.a);
    if (!every) return KS_NEVER;
    if (from != KS_NEVER && from > sim->world.now) return from;
    ks_tree_put(st->heap, &st->pace, zone, word(sim->world.now + every + 1));
    return execute_taint(sim, node, key) ? KS_NEVER : sim->world.now + every;
}

/* monitorNodeHealth, of one node: whether it has to be looked at again with the next beat. *skipped: it could not be written of, and
 * nothing follows from it until then. */
static bool look_at(ks_sim *sim, lifecycle *st, uint64_t id, bool *skipped) {
    const ks_object *node = judged(sim, st, id);
    *skipped = false;
    if (node == NULL) return false;
    char ready = readiness(node);
    bool again = st->again.count > 0 && ks_tree_has(&st->again, (ks_key){id, 0});
    if (is_silent(sim, st, node->name) && ready != 'U') {
        if (!is_overdue(sim, st, node)) return true;
        if (ks_view_is_late(sim) && has_posted(fresh(sim, id), node)) return true;
        *skipped = !mark_silent(sim, node, &ready);
        if (*skipped) return true;
        if (ready == 'T') now_unready(sim, st, judged(sim, st, id));
        condition_taints(sim, judged(sim, st, id));
    } else if (again && ready == 'T') {
        ks_tree_del(st->heap, &st->again, (ks_key){id, 0});
    } else if (again) {
        mark_pods(sim, st, node);
    }
    return st->again.count > 0;
}

/* monitorNodeHealth and the tainting pass. */
static void monitor(ks_sim *sim, lifecycle *st) {
    int64_t next = KS_NEVER;
    uint32_t all = 0, bad = 0;
    ids nodes = {{NULL, NULL, 0}};
    ks_tree zones = {NULL, NULL, 0}, skipped = {NULL, NULL, 0};
    for (ks_walk w = ks_walk_created(ks_view(sim), KS_NODE); ks_walk_next(&w);)
        ks_tree_put(st->heap, &nodes.tree, (ks_key){w.object->id, 0}, word(1));
    for (ks_tree_iter it = ks_tree_begin(&nodes.tree); ks_tree_next(&it);) {
        bool skip;
        if (look_at(sim, st, it.key.a, &skip)) next = sim->world.now;
        if (skip) {
            ks_tree_put(st->heap, &skipped, it.key, word(1));
            continue;
        }
        const ks_object *node = judged(sim, st, it.key.a);
        if (node == NULL) continue;
        bool unready = readiness(node) != 'T';
        ks_key zone = {zone_of(node), 0};
        ks_tree_put(st->heap, &zones, zone, counted(ks_tree_get(&zones, zone), unready));
        all++;
        bad += unready;
    }
    bool whole =
        all > 0 &&
        bad == all; /* every zone is down: it is more likely the control plane that is cut off */
    for (ks_tree_iter it = ks_tree_begin(&nodes.tree); ks_tree_next(&it);) {
        const ks_object *node = judged(sim, st, it.key.a);
        int64_t due = KS_NEVER;
        if (node == NULL || (!whole && ks_tree_has(&skipped, it.key))) continue;
        if (readiness(node) == 'T' || whole)
            due = execute_taint(sim, node, NULL) ? KS_NEVER : sim->world.now;
        else
            due = taint_for_eviction(sim, st, node, &zones);
        next = due < next ? due : next;
    }
    ks_tree_clear(st->heap, &nodes.tree);
    ks_tree_clear(st->heap, &zones);
    ks_tree_clear(st->heap, &skipped);
    if (next != KS_NEVER) look_after(sim, st, next);
}

/* --- taint eviction --- */

static ks_key given_key(uint64_t node, ks_val taint) {
    const ks_str *key = ks_str_or_null(ks_get(taint, K(key)));
    return (ks_key){node, key ? name_hash(key) : 0};
}

/* With the kubelet by hand a test lays out nodes and puts pods on them as it likes, to hold every step: the taints that a node
 * was laid out with drive nobody away. Taints that it gets later do. */
static void remember_given(ks_sim *sim, lifecycle *st, const ks_object *node) {
    if (!sim->settings->manual_kubelet) return;
    ks_each(t, ks_get(node->spec, K(taints)))
        if (is_taint(*t, NULL, "NoExecute"))
            ks_tree_put(st->heap, &st->given, given_key(node->id, *t), word(1));
}

/* Taints that were taken off and come back are new ones. */
static void forget_given(lifecycle *st, const ks_object *node, bool all) {
    ks_val taints = ks_get(node->spec, K(taints));
    ks_key at = {node->id, 0};
    for (bool any = st->given.count > 0 && ks_tree_ceiling(&st->given, at, &at, NULL);
         any && at.a == node->id; any = ks_tree_higher(&st->given, at, &at, NULL)) {
        bool still = false;
        ks_each(t, taints)
            still = still || (is_taint(*t, NULL, "NoExecute") && given_key(node->id, *t).b == at.b);
        if (all || !still) ks_tree_del(st->heap, &st->given, at);
    }
}

/* When a pod has to leave its node: KS_NEVER when all NoExecute taints are tolerated for ever, AT_ONCE when one is not at all. */
static int64_t leaves_at(ks_sim *sim, const lifecycle *st, const ks_object *pod, uint64_t node,
                         ks_val taints) {
    int64_t least = KS_NEVER;
    ks_val tolerations = ks_get(pod->spec, K(tolerations));
    ks_each(taint, taints) {
        if (!is_taint(*taint, NULL, "NoExecute") ||
            ks_tree_has(&st->given, given_key(node, *taint)))
            continue;
        ks_val used = KS_NOTHING;
        ks_each(t, tolerations)
            if (!ks_exists(used) && ks_tolerates(*t, *taint)) used = *t;
        if (!ks_exists(used)) return AT_ONCE;
        ks_val seconds = ks_get(used, K(tolerationSeconds));
        if (ks_is(seconds, KS_INT)) {
            int64_t wait = seconds.i > 0 ? seconds.i : 0;
            least = wait < least ? wait : least;
        }
    }
    return least == KS_NEVER ? KS_NEVER : ks_after(sim->world.now, ks_seconds(least));
}

static void cancel(ks_sim *sim, lifecycle *st, const ks_object *pod) {
    if (!ks_tree_del(st->heap, &st->due, (ks_key){pod->id, 0})) return;
    ks_event e = {.type = "Normal",
                  .reason = "TaintManagerEviction",
                  .component = "taint-eviction-controller",
                  .by_name = true};
    ks_record(&sim->server, pod, &e, "Cancelling deletion of Pod %s/%s", pod->ns->s, pod->name->s);
}

/* addConditionAndDeletePod: the server is asked for the pod by its name. */
static void evict(ks_sim *sim, lifecycle *st, uint64_t id) {
    ks_heap *heap = st->heap;
    ks_tree_del(heap, &st->due, (ks_key){id, 0});
    const ks_object *known = ks_store_by_id(ks_view(sim), KS_POD, id), *pod;
    if (!known) return;
    ks_event e = {.type = "Normal",
                  .reason = "TaintManagerEviction",
                  .component = "taint-eviction-controller",
                  .by_name = true};
    ks_record(&sim->server, known, &e, "Marking for deletion Pod %s/%s", known->ns->s,
              known->name->s);
    pod = ks_store_get(&sim->server.store, KS_POD, known->ns, known->name);
    if (!pod) return;
    ks_val status = ks_put_pod_condition(sim, pod, ks_ref(pod->status), "DisruptionTarget", "True",
                                         "DeletionByTaintManager",
                                         "Taint manager: deleting due to NoExecute taint");
    const ks_object *now = NULL;
    ks_refusal_free(heap, ks_server_update_status(&sim->server, pod, status, &now));
    if (!now) return;
    ks_delete_opts opts = {.grace_period = -1, .uid = now->uid};
    ks_refusal_free(heap, ks_server_delete(&sim->server, KS_POD, now->ns, now->name, &opts, NULL));
    ks_object_unref(heap, now);
}

/* processPodOnNode: a timer that runs is neither made longer nor shorter, but whom nothing lets stay leaves at once. That a pod
 * is on its way out does not matter. */
static void consider_pod(ks_sim *sim, lifecycle *st, const ks_object *pod, uint64_t node,
                         ks_val taints) {
    int64_t at = leaves_at(sim, st, pod, node, taints);
    bool running = ks_tree_has(&st->due, (ks_key){pod->id, 0});
    if (at == KS_NEVER) {
        cancel(sim, st, pod);
    } else if (at == AT_ONCE) {
        cancel(sim, st, pod);
        evict(sim, st, pod->id);
    } else if (!running && at <= sim->world.now) {
        evict(sim, st, pod->id);
    } else if (!running) {
        ks_tree_put(st->heap, &st->due, (ks_key){pod->id, 0}, word(at + 1));
        ks_enqueue_at(sim, st->self, pod->id, at);
    }
}

static void consider_node(ks_sim *sim, lifecycle *st, const ks_object *node) {
    ks_val taints = ks_get(node->spec, K(taints));
    bool had = ks_tree_has(&st->tainted, (ks_key){node->id, 0}),
         has = has_taint(taints, NULL, "NoExecute");
    if (!had && !has) return;
    if (has)
        ks_tree_put(st->heap, &st->tainted, (ks_key){node->id, 0}, word(1));
    else
        ks_tree_del(st->heap, &st->tainted, (ks_key){node->id, 0});
    taints = ks_ref(taints);
    ids pods = pods_on(sim, node->name);
    for (ks_tree_iter it = ks_tree_begin(&pods.tree); ks_tree_next(&it);) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, it.key.a);
        if (!pod) continue;
        if (has)
            consider_pod(sim, st, pod, node->id, taints);
        else
            cancel(sim, st, pod);
    }
    ks_tree_clear(st->heap, &pods.tree);
    ks_unref(st->heap, taints);
}

/* --- the component --- */

/* Do two lists have the same NoExecute taints, in the same order? */
static bool drives_alike(ks_val a, ks_val b) {
    uint32_t i = 0, j = 0;
    for (;; i++, j++) {
        while (i < ks_len(a) && !is_taint(ks_at(a, i), NULL, "NoExecute")) i++;
        while (j < ks_len(b) && !is_taint(ks_at(b, j), NULL, "NoExecute")) j++;
        if (i >= ks_len(a) || j >= ks_len(b)) return i >= ks_len(a) && j >= ks_len(b);
        if (!ks_equal(ks_at(a, i), ks_at(b, j))) return false;
    }
}

static void note_silence(ks_sim *sim, lifecycle *st, const ks_str *node, int64_t heard) {
    int64_t since = heard < sim->world.now ? heard : sim->world.now;
    ks_tree_put(st->heap, &st->silent, (ks_key){name_hash(node), 0}, word(since + 1));
}

static void observe_node(ks_sim *sim, lifecycle *st, const ks_change *change) {
    const ks_object *node = change->object;
    ks_key key = {node->id, 0};
    if (change->type == KS_DELETED) {
        ks_tree_del(st->heap, &st->tainted, key);
        ks_tree_del(st->heap, &st->unready, key);
        ks_tree_del(st->heap, &st->again, key);
        ks_tree_del(st->heap, &st->silent, (ks_key){name_hash(node->name), 0});
        forget_given(st, node, true);
        return;
    }
    if (change->type == KS_ADDED && ks_settings_silence(sim->settings, node->name) != KS_TALKS)
        note_silence(sim, st, node->name, sim->world.now); /* found by a monitor that starts */
    if (change->type == KS_ADDED)
        remember_given(sim, st, node);
    else
        forget_given(st, node, false);
    if (change->old && st->silent.count > 0 && has_posted(change->old, node) &&
        !ks_settings_was_silent(sim->settings, node->name, change->at))
        ks_tree_del(st->heap, &st->silent, (ks_key){name_hash(node->name), 0});
    bool ready = readiness(node) == 'T';
    if (change->old && ready == (readiness(change->old) == 'T') &&
        node->spec.m == change->old->spec.m &&
        ks_equal(ks_get(node->status, K(conditions)), ks_get(change->old->status, K(conditions))))
        return;
    ks_enqueue(sim, st->self, NODE | node->id);
    ks_val before = change->old ? ks_get(change->old->spec, K(taints)) : KS_NOTHING;
    if (!drives_alike(before, ks_get(node->spec, K(taints))))
        ks_enqueue(sim, st->self, LEAVE | node->id);
    ks_val taints = ks_get(node->spec, K(taints));
    bool left =
        change->old == NULL && ready && /* by a monitor that was stopped */
        (has_taint(taints, not_ready, "NoExecute") || has_taint(taints, unreachable, "NoExecute"));
    if (left) look_soon(sim, st);
    if (ready != !ks_tree_has(&st->unready, key)) {
        if (ready)
            ks_tree_del(st->heap, &st->unready, key);
        else
            ks_tree_put(st->heap, &st->unready, key, word(1));
        look_soon(sim, st);
    }
}

/* When the last renewal was heard of (nodeHealthData.probeTimestamp): as late as is this. It was made in the last ten seconds before the
 * node fell silent; of what others write into its Lease then, only a later time counts, as a renewal. */
static int64_t heard_of(const ks_sim *sim, const lifecycle *st, const ks_change *change) {
    int64_t now = sim->world.now, renewed, known, heard;
    renewed = ks_instant_of(&sim->world, ks_get(change->object->spec, K(renewTime)));
    known = instant_in(&st->silent, name_hash(change->object->name));
    heard = renewed == KS_NEVER ? 0 : ks_after(renewed, now - change->at);
    if (known != KS_NEVER) return heard > known ? now : known;
    return heard > now - RENEWED_EVERY ? heard : now - RENEWED_EVERY;
}

static void observe_lease(ks_sim *sim, lifecycle *st, const ks_change *change) {
    const ks_object *lease = change->object;
    if (!ks_str_is(lease->ns, "kube-node-lease")) return;
    if (!ks_settings_was_silent(sim->settings, lease->name, change->at)) {
        if (!ks_tree_del(st->heap, &st->silent, (ks_key){name_hash(lease->name), 0})) return;
    } else if (change->type != KS_DELETED) { /* that does not make it talk */
        note_silence(sim, st, lease->name, heard_of(sim, st, change));
    }
    look_soon(sim, st);
}

/* A pod that came to a node with NoExecute taints, or whose tolerations changed there. */
static void observe_pod(ks_sim *sim, lifecycle *st, const ks_change *change) {
    const ks_object *pod = change->object;
    if (change->type == KS_DELETED)
        cancel(sim, st, pod);
    else if (!st->tainted.count || !pod->node)
        return;
    else if (!change->old || !change->old->node || change->old->spec.m != pod->spec.m)
        ks_enqueue(sim, st->self, pod->id);
}

static void observe(ks_sim *sim, void *state, const ks_change *change) {
    switch (change->object->kind) {
    case KS_NODE: observe_node(sim, state, change); return;
    case KS_LEASE: observe_lease(sim, state, change); return;
    case KS_POD: observe_pod(sim, state, change); return;
    default: return;
    }
}

/* Nobody is to be evicted. */
static bool idles(const void *state) {
    const lifecycle *st = state;
    return st->due.count == 0 && st->tainted.count == 0;
}

/* Of a node its taints and conditions count. */
static bool heeds(const ks_sim *sim, const void *state, const ks_change *change, uint32_t parts) {
    (void)sim;
    const lifecycle *st = state;
    if (change->object->kind == KS_NODE) return (parts & (KS_PART_SPEC | KS_PART_CONDITIONS)) != 0;
    if (change->object->kind != KS_POD) return true;
    if (change->type == KS_DELETED) return st->due.count > 0;
    return st->tainted.count > 0;
}

static void sync_pod(ks_sim *sim, lifecycle *st, uint64_t id) {
    int64_t due = instant_in(&st->due, id);
    if (due != KS_NEVER && due <= sim->world.now) {
        evict(sim, st, id);
        return;
    }
    const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, id);
    const ks_object *node =
        pod && pod->node ? ks_store_get(ks_view(sim), KS_NODE, NULL, pod->node) : NULL;
    if (node && has_taint(ks_get(node->spec, K(taints)), NULL, "NoExecute"))
        consider_pod(sim, st, pod, node->id, ks_get(node->spec, K(taints)));
    due = instant_in(&st->due, id);
    if (due != KS_NEVER) ks_enqueue_at(sim, st->self, id, due);
}

/* Taints that could not be written are left to the node's next change. A node that is well reports every five minutes; since nothing
 * changes by that here, it is not stored. */
static void sync_node(ks_sim *sim, const lifecycle *st, const ks_object *node) {
    uint64_t id = node->id;
    bool reports = instant_in(&st->silent, name_hash(node->name)) == KS_NEVER;
    if (!condition_taints(sim, node) && reports)
        ks_enqueue_at(sim, st->self, NODE | id, sim->world.now + REPORT_EVERY);
}

static bool sync(ks_sim *sim, void *state, uint64_t key) {
    lifecycle *st = state;
    if (key == PASS) {
        monitor(sim, st);
    } else if (key & NODE) {
        const ks_object *node = fresh(sim, key & ~NODE);
        if (node) sync_node(sim, st, node);
    } else if (key & LEAVE) {
        const ks_object *node = fresh(sim, key & ~LEAVE);
        if (node) consider_node(sim, st, node);
    } else {
        sync_pod(sim, st, key);
    }
    return true;
}

static void describe(ks_sim *sim, const void *state, uint64_t key, ks_buf *out) {
    (void)state;
    if (key == PASS) {
        ks_buf_puts(out, "monitor");
        return;
    }
    const ks_object *o = ks_store_by_id(ks_view(sim), key & (NODE | LEAVE) ? KS_NODE : KS_POD,
                                        key & ~(NODE | LEAVE));
    if (o && o->ns) {
        ks_buf_str(out, o->ns);
        ks_buf_putc(out, '/');
    }
    if (o) ks_buf_str(out, o->name);
}

const ks_component ks_node_lifecycle = {
    .name = "nodelifecycle",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .heeds = heeds,
    .sync = sync,
    .describe = describe,
    .pod_parts = KS_PART_SPEC | KS_PART_PLACE | KS_PART_EXISTENCE,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_NODE) | KS_KIND_BIT(KS_LEASE),
    .idles = idles,
    .idle_kinds = ~KS_KIND_BIT(KS_POD),
};
