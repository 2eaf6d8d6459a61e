/*
 * kubelet/admit.c - pods that came to a node without the scheduler: the kubelet refuses what the node cannot take.
 *
 * pkg/kubelet/lifecycle/predicate.go. Pods that the scheduler has bound were held against the same rules there; they are not
 * looked at again. Called by kubelet.c when a pod's worker is made.
 */
#include "engine/nodes.h"
#include "kubelet/worker.h"

typedef struct amounts {
    ks_quantity cpu, memory;
    int64_t pods;
} amounts;

static void add(ks_quantity *sum, ks_val list, const ks_str *key) {
    ks_quantity_add(sum, ks_quantity_of(ks_get(list, key)));
}

/* Requests of the app containers and sidecars, or of the largest init container where that is more; plus overhead. */
static void add_pod(amounts *sum, ks_val spec) {
    amounts run = {{0, KS_DECIMAL_SI}, {0, KS_BINARY_SI}, 1}, sides = run, most = run;
    ks_each(c, ks_get(spec, K(initContainers))) {
        ks_val requests = ks_get2(*c, K(resources), K(requests));
        if (ks_text_is(ks_get(*c, K(restartPolicy)), "Always")) {
            add(&sides.cpu, requests, K(cpu));
            add(&sides.memory, requests, K(memory));
            continue;
        }
        amounts one = sides;
        add(&one.cpu, requests, K(cpu));
        add(&one.memory, requests, K(memory));
        if (ks_quantity_cmp(one.cpu, most.cpu) > 0) most.cpu = one.cpu;
        if (ks_quantity_cmp(one.memory, most.memory) > 0) most.memory = one.memory;
    }
    run = sides;
    ks_each(c, ks_get(spec, K(containers))) {
        ks_val requests = ks_get2(*c, K(resources), K(requests));
        add(&run.cpu, requests, K(cpu));
        add(&run.memory, requests, K(memory));
    }
    ks_quantity_add(&sum->cpu, ks_quantity_cmp(run.cpu, most.cpu) > 0 ? run.cpu : most.cpu);
    ks_quantity_add(&sum->memory,
                    ks_quantity_cmp(run.memory, most.memory) > 0 ? run.memory : most.memory);
    add(&sum->cpu, ks_get(spec, K(overhead)), K(cpu));
    add(&sum->memory, ks_get(spec, K(overhead)), K(memory));
    sum->pods++;
}

/* What a refusal takes until the next one. Whoever makes a new pod in place of each that was refused would else do so for ever in one
 * instant; a real controller does so as fast as it may write: 20 times a second (kube-api-qps). */
#define REFUSALS_APART (50 * KS_MILLISECOND)

/* Writes the refusal: pkg/kubelet/kubelet.go (rejectPod). `text` is taken over. */
static bool reject(turn *t, const char *reason, const ks_str *text) {
    ks_heap *heap = t->heap;
    t->node = node_own(t->k, t->w->node);
    t->node->refusing = ks_after(t->now, REFUSALS_APART);
    worker *w = t->w;
    event(t, NULL, "Warning", reason, "%s", text->s);
    ks_val status = ks_ref(t->pod->status);
    status = ks_put(heap, status, K(phase), ks_string(K(Failed)));
    status = ks_put(heap, status, K(reason), ks_text(heap, reason));
    status = ks_put(heap, status, K(message), ks_format(heap, "Pod was rejected: %s", text->s));
    status =
        ks_put(heap, status, K(observedGeneration), ks_ref(ks_get(t->pod->meta, K(generation))));
    status = ks_put(heap, status, K(startTime), ks_time_val(&t->sim->world, t->now));
    ks_str_unref(heap, text);
    w->stage = STAGE_ENDED;
    w->final_written = true;
    w->start_time = t->now;
    put_status(t, status);
    return false;
}

static bool lacks(turn *t, const char *what, const char *reason, int64_t asked, int64_t used,
                  int64_t capacity) {
    return reject(
        t, reason,
        ks_str_printf(
            t->heap,
            "Node didn't have enough resource: %s, requested: %lld, used: %lld, capacity: %lld",
            what, (long long)asked, (long long)used, (long long)capacity));
}

static bool fits(turn *t, const ks_object *on) {
    ks_val room = ks_get(on->status, K(allocatable));
    amounts used = {{0, KS_DECIMAL_SI}, {0, KS_BINARY_SI}, 0}, asked = used;
    add_pod(&asked, t->pod->spec);
    for (ks_walk walk = ks_walk_node(&t->sim->server.store, on->name); ks_walk_next(&walk);) {
        uint64_t id = walk.object->id;
        const worker *w = id == t->pod->id ? NULL : ks_ids_get(&t->k->pods, id);
        if (w && w->stage != STAGE_ENDED) add_pod(&used, walk.object->spec);
    }
    int64_t pods = ks_quantity_value(ks_quantity_of(ks_get(room, K(pods))));
    if (used.pods + 1 > pods) return lacks(t, "pods", "OutOfpods", 1, used.pods, pods);
    ks_quantity cpu = ks_quantity_of(ks_get(room, K(cpu))),
                memory = ks_quantity_of(ks_get(room, K(memory)));
    if (asked.cpu.nanos && asked.cpu.nanos > cpu.nanos - used.cpu.nanos)
        return lacks(t, "cpu", "OutOfcpu", ks_quantity_milli(asked.cpu),
                     ks_quantity_milli(used.cpu), ks_quantity_milli(cpu));
    if (asked.memory.nanos && asked.memory.nanos > memory.nanos - used.memory.nanos)
        return lacks(t, "memory", "OutOfmemory", ks_quantity_value(asked.memory),
                     ks_quantity_value(used.memory), ks_quantity_value(memory));
    return true;
}

/* False: the pod was refused. */
bool is_scheduled(const ks_object *pod) {
    return ks_exists(ks_condition_of(pod->status, "PodScheduled"));
}

bool admit(turn *t) {
    if (is_scheduled(t->pod)) return true;
    const ks_object *on = ks_store_by_id(&t->sim->server.store, KS_NODE, t->node->id);
    if (!on || ks_exists(ks_get(t->pod->status, K(startTime)))) return true;
    ks_val affinity = ks_get3(t->pod->spec, K(affinity), K(nodeAffinity),
                              K(requiredDuringSchedulingIgnoredDuringExecution));
    if (!ks_node_labels_match(ks_get(t->pod->spec, K(nodeSelector)), on) ||
        !ks_node_selector_matches(t->heap, affinity, on))
        return reject(
            t, "NodeAffinity",
            ks_str_of(
                t->heap,
                "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"));
    ks_val taint = ks_untolerated_taint(ks_get(on->spec, K(taints)),
                                        ks_get(t->pod->spec, K(tolerations)), "NoExecute", NULL);
    if (ks_exists(taint))
        return reject(
            t, "TaintToleration",
            ks_str_of(t->heap,
                      "Predicate TaintToleration failed: node(s) had untolerated taint(s)"));
    return fits(t, on);
}
