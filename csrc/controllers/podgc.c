/*
 * controllers/podgc.c - removes pods that nobody else will: pkg/controller/podgc/gc_controller.go.
 *
 * Every 20 s the real controller looks at all pods: too many finished ones, terminating ones on
 * nodes that are out of service, ones on nodes that are gone, terminating ones without a node. Here
 * the pods that may be concerned are noted as they change, and a pass is made only when there are
 * some; it comes when the real one would.
 *
 * There is one key: PASS.
 */
#include "controllers/common.h"
#include "controllers/controllers.h"
#include "engine/nodes.h"

#include <stdlib.h>

enum { PASS = 1, THRESHOLD = 12500 /* terminated-pod-gc-threshold */ };
#define PERIOD     (20 * KS_SECOND)
#define QUARANTINE (40 * KS_SECOND) /* a node has to be gone that long */

typedef struct state {
    int index;
    ks_ids suspects; /* pods to be looked at in the next pass */
    ks_ids finished; /* pods that are Succeeded or Failed */
    ks_tree lost;    /* {hash of a node's name, 0} -> instant at which it counts as gone */
    ks_tree out;     /* {hash of a node's name, 0}: nodes that are out of service */
} state;

/* --- nodes --- */

static bool out_of_service(const ks_object *node) {
    return !ks_condition_holds(node->status, "Ready") && ks_node_out_of_service(node);
}

static ks_key node_key(const ks_str *name) { return (ks_key){ks_text_hash(name), 0}; }

static void know_node(ks_heap *heap, state *st, const ks_object *node, bool gone) {
    if (!gone && out_of_service(node))
        ks_tree_put(heap, &st->out, node_key(node->name), ks_word(1));
    else if (st->out.count > 0)
        ks_tree_del(heap, &st->out, node_key(node->name));
}

/* --- life --- */

static void *create(ks_sim *sim) {
    state *st = ks_alloc_zero(sim->world.heap, sizeof *st);
    st->index = ks_component_index(sim, &ks_pod_gc);
    return st;
}

static void *copy(ks_sim *sim, const void *payload) {
    const state *from = payload;
    state *st = ks_alloc(sim->world.heap, sizeof *st);
    *st = (state){from->index, ks_ids_copy(&from->suspects), ks_ids_copy(&from->finished),
                  ks_tree_copy(&from->lost), ks_tree_copy(&from->out)};
    return st;
}

static void dispose(ks_heap *heap, void *payload) {
    state *st = payload;
    ks_ids_clear(heap, &st->suspects);
    ks_ids_clear(heap, &st->finished);
    ks_tree_clear(heap, &st->lost);
    ks_tree_clear(heap, &st->out);
    ks_free(heap, st, sizeof *st);
}

/* --- what a pod is --- */

static const ks_object *node_of(const ks_sim *sim, const ks_object *pod) {
    return ks_store_get(ks_view(sim), KS_NODE, NULL, pod->node);
}

static bool suspicious(const ks_sim *sim, const ks_object *pod) {
    if (pod->node == NULL) return ks_object_terminating(pod);
    const ks_object *node = node_of(sim, pod);
    return node == NULL || (ks_object_terminating(pod) && out_of_service(node));
}

/* --- what is noticed --- */

static void arm(ks_sim *sim, const state *st) {
    ks_enqueue_at(sim, st->index, PASS, (sim->world.now / PERIOD + 1) * PERIOD);
}

static void suspect(ks_sim *sim, state *st, const ks_object *pod) {
    if (!suspicious(sim, pod)) return;
    ks_ids_put(sim->world.heap, &st->suspects, pod->id, ks_word(1));
    arm(sim, st);
}

static void forget_pod(ks_sim *sim, state *st, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    bool was = st->suspects.count > 0 && ks_ids_del(heap, &st->suspects, pod->id);
    if (st->finished.count > 0 && ks_ids_del(heap, &st->finished, pod->id)) was = true;
    if (was && st->suspects.count == 0 && st->finished.count <= THRESHOLD)
        ks_cancel(sim, st->index, PASS);
}

static bool is_finished(const ks_object *pod) { return ks_phase_finished(ks_phase_of(pod)); }

static void observe_pod(ks_sim *sim, state *st, const ks_change *change) {
    const ks_object *pod = change->object, *old = change->old;
    if (change->type == KS_DELETED) {
        forget_pod(sim, st, pod);
        return;
    }
    if (is_finished(pod) != (old != NULL && is_finished(old))) {
        if (is_finished(pod))
            ks_ids_put(sim->world.heap, &st->finished, pod->id, ks_word(1));
        else
            ks_ids_del(sim->world.heap, &st->finished, pod->id);
        if (st->finished.count > THRESHOLD) arm(sim, st);
    }
    /* one that stays where it is has been looked at already, and is again when its node goes or is out of service */
    bool stays = pod->node != NULL && old != NULL && old->node != NULL;
    if (!stays || (ks_object_terminating(pod) && st->out.count > 0)) suspect(sim, st, pod);
}

static void observe_node(ks_sim *sim, state *st, const ks_change *change) {
    const ks_object *node = change->object;
    if (change->type == KS_ADDED) ks_tree_del(sim->world.heap, &st->lost, node_key(node->name));
    know_node(sim->world.heap, st, node, change->type == KS_DELETED);
    if (change->type == KS_ADDED || (change->type == KS_MODIFIED && !out_of_service(node))) return;
    for (ks_walk w = ks_walk_node(ks_view(sim), node->name); ks_walk_next(&w);)
        suspect(sim, st, w.object);
}

static void observe(ks_sim *sim, void *payload, const ks_change *change) {
    if (change->object->kind == KS_POD)
        observe_pod(sim, payload, change);
    else if (change->object->kind == KS_NODE)
        observe_node(sim, payload, change);
}

/* That a pod is to end matters where its node is out of service, which its taints and conditions say. */
static bool heeds(const ks_sim *sim, const void *payload, const ks_change *change, uint32_t parts) {
    (void)sim;
    const state *st = payload;
    const ks_object *object = change->object;
    if (object->kind == KS_NODE)
        return st->out.count > 0 || (parts & (KS_PART_SPEC | KS_PART_CONDITIONS)) != 0;
    return object->kind != KS_POD || object->node == NULL || st->out.count > 0 ||
           (parts & (KS_PART_PHASE | KS_PART_PLACE)) != 0;
}

/* --- acting --- */

/* markFailedAndDeletePod, of a pod as the cache has it: the status is patched as it now is, of that very pod, and the name is
 * deleted. `gone`: its node is, and the pod says so. False: refused; the next pass tries again. */
static bool remove_pod(ks_sim *sim, const ks_object *known, bool gone) {
    ks_heap *heap = sim->world.heap;
    static const ks_delete_opts opts = {.grace_period = 0};
    ks_refusal *refusal = NULL;
    const ks_object *pod = known;
    if (!ks_phase_finished(ks_phase_of(known))) {
        pod = ks_store_by_id(&sim->server.store, KS_POD, known->id);
        if (pod == NULL) return true;
        ks_val status = ks_put(heap, ks_ref(pod->status), K(phase), ks_text(heap, "Failed"));
        status =
            ks_put(heap, status, K(observedGeneration), ks_ref(ks_get(pod->meta, K(generation))));
        if (gone)
            status = ks_put_pod_condition(sim, pod, status, "DisruptionTarget", "True",
                                          "DeletionByPodGC", "PodGC: node no longer exists");
        refusal = ks_server_update_status(&sim->server, pod, status, NULL);
    }
    if (refusal == NULL)
        refusal = ks_server_delete(&sim->server, KS_POD, known->ns, known->name, &opts, NULL);
    bool done = refusal == NULL || refusal->code == 404;
    ks_refusal_free(heap, refusal);
    return done;
}

/* Whether the node, which is absent, has been so for long enough; then the server is asked, too. */
static bool node_is_gone(ks_sim *sim, state *st, const ks_str *node) {
    ks_key key = node_key(node);
    if (!ks_tree_has(&st->lost, key))
        ks_tree_put(sim->world.heap, &st->lost, key,
                    ks_word(ks_instant_word(sim->world.now + QUARANTINE)));
    return ks_word_instant(ks_word_of(ks_tree_get(&st->lost, key))) <= sim->world.now &&
           ks_store_get(&sim->server.store, KS_NODE, NULL, node) == NULL;
}

enum { ON_DEAD_NODE, WITHOUT_NODE, NOWHERE, GROUPS, KEEP };

static int group_of(ks_sim *sim, state *st, const ks_object *pod) {
    if (pod->node == NULL) return ks_object_terminating(pod) ? NOWHERE : KEEP;
    const ks_object *node = node_of(sim, pod);
    if (node != NULL)
        return ks_object_terminating(pod) && out_of_service(node) ? ON_DEAD_NODE : KEEP;
    return node_is_gone(sim, st, pod->node) ? WITHOUT_NODE : KEEP;
}

/* Forgets what has been settled; pods whose node may come back stay suspects. */
static void sort_suspects(ks_sim *sim, state *st, ks_objects groups[GROUPS]) {
    ks_heap *heap = sim->world.heap;
    ks_ids suspects = st->suspects;
    st->suspects = (ks_ids){.type = NULL};
    for (ks_ids_iter it = ks_ids_begin(&suspects); ks_ids_next(&it);) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, it.id);
        if (pod == NULL || !suspicious(sim, pod)) continue;
        int group = group_of(sim, st, pod);
        if (group != KEEP)
            ks_objects_add(heap, &groups[group], pod);
        else
            ks_ids_put(heap, &st->suspects, it.id, ks_word(1));
    }
    ks_ids_clear(heap, &suspects);
}

/* --- too many finished pods --- */

/* byEvictionAndCreationTimestamp */
static int goes_first(const void *x, const void *y) {
    const ks_object *a = *(const ks_object *const *)x, *b = *(const ks_object *const *)y;
    bool a_evicted = ks_text_is(ks_get(a->status, K(reason)), "Evicted"),
         b_evicted = ks_text_is(ks_get(b->status, K(reason)), "Evicted");
    if (a_evicted != b_evicted) return a_evicted ? -1 : 1;
    int64_t a_second = a->created / KS_SECOND, b_second = b->created / KS_SECOND;
    if (a_second != b_second) return a_second < b_second ? -1 : 1;
    return ks_str_cmp(a->name, b->name);
}

static void remove_surplus(ks_sim *sim, const state *st) {
    if (st->finished.count <= THRESHOLD) return;
    ks_heap *heap = sim->world.heap;
    ks_objects list = {NULL, 0, 0};
    size_t surplus = st->finished.count - THRESHOLD;
    for (ks_ids_iter it = ks_ids_begin(&st->finished); ks_ids_next(&it);)
        ks_objects_add(heap, &list, ks_store_by_id(ks_view(sim), KS_POD, it.id));
    if (list.count > 1) qsort((void *)list.items, list.count, sizeof *list.items, goes_first);
    for (size_t i = 0; i < surplus && i < list.count; i++) remove_pod(sim, list.items[i], false);
    ks_objects_dispose(heap, &list);
}

static void remove_group(ks_sim *sim, state *st, const ks_objects *pods, bool gone) {
    for (size_t i = 0; i < pods->count; i++) {
        const ks_object *pod = ks_store_by_id(ks_view(sim), KS_POD, pods->items[i]->id);
        if (pod == NULL) continue;
        ks_object_ref(pod);
        if (gone) ks_tree_del(sim->world.heap, &st->lost, node_key(pod->node));
        if (!remove_pod(sim, pod, gone))
            ks_ids_put(sim->world.heap, &st->suspects, pod->id, ks_word(1));
        ks_object_unref(sim->world.heap, pod);
    }
}

/* gc */
static bool sync(ks_sim *sim, void *payload, uint64_t key) {
    state *st = payload;
    ks_objects groups[GROUPS] = {{NULL, 0, 0}, {NULL, 0, 0}, {NULL, 0, 0}};
    (void)key;
    remove_surplus(sim, st);
    sort_suspects(sim, st, groups);
    for (int i = 0; i < GROUPS; i++) {
        remove_group(sim, st, &groups[i], i == WITHOUT_NODE);
        ks_objects_dispose(sim->world.heap, &groups[i]);
    }
    if (st->suspects.count > 0) arm(sim, st);
    return true;
}

static void describe(ks_sim *sim, const void *payload, uint64_t key, ks_buf *out) {
    (void)sim, (void)payload, (void)key;
    ks_buf_puts(out, "pass");
}

const ks_component ks_pod_gc = {
    .name = "podgc",
    .create = create,
    .copy = copy,
    .dispose = dispose,
    .observe = observe,
    .sync = sync,
    .describe = describe,
    .heeds = heeds,
    .pod_parts =
        KS_PART_PHASE | KS_PART_PLACE | KS_PART_ENDING | KS_PART_NODELESS | KS_PART_EXISTENCE,
    .kinds = KS_KIND_BIT(KS_POD) | KS_KIND_BIT(KS_NODE),
};
