/*
 * controllers/replicaset/pods.c - creating and deleting pods:
 * pkg/controller/replicaset/replica_set.go: manageReplicas, pkg/controller/controller_utils.go:
 * RealPodControl.
 */
#include "controllers/replicaset/internal.h"

enum { BURST = 500, AHEAD = 4 };

static void event(ks_sim *sim, const ks_object *rs, bool normal, const char *reason,
                  const char *format, const ks_str *text) {
    ks_event e = {.type = normal ? "Normal" : "Warning", .reason = reason};
    e.component = "replicaset-controller";
    ks_record_parts(&sim->server, rs, &e, format, text);
}

/* controller_utils.go: GetPodFromTemplate: what all its pods have in common. */
static ks_val pod_of(ks_heap *heap, const ks_object *rs) {
    ks_val template = ks_get(rs->spec, K(template));
    ks_val meta = ks_template_meta(heap, ks_get(template, K(metadata)));
    meta = ks_put(heap, meta, K(generateName), ks_format(heap, "%s-", rs->name->s));
    ks_val owners = ks_append(heap, ks_list_new(heap, 1), ks_owner_reference(heap, rs));
    meta = ks_put(heap, meta, K(ownerReferences), owners);
    return ks_map_of(heap, K(apiVersion), ks_text(heap, "v1"), K(kind), ks_text(heap, "Pod"),
                     K(metadata), meta, K(spec), ks_ref(ks_get(template, K(spec))), NULL);
}

/* A batch of creations on its way. */
typedef struct batch {
    ks_objects made;
    int64_t done;        /* that went well */
    const ks_str *error; /* the first refusal's text, or NULL */
} batch;

static void create_pod(ks_sim *sim, const ks_object *rs, ks_val pod, batch *b) {
    ks_heap *heap = sim->world.heap;
    static const ks_write_opts opts = {.trusted = true};
    const ks_object *made = NULL;
    ks_refusal *refusal = ks_server_create(&sim->server, KS_POD, rs->ns, ks_ref(pod), &opts, &made);
    if (refusal == NULL) {
        ks_objects_add(heap, &b->made, made);
        ks_object_unref(heap, made);
        b->done++;
        return;
    }
    if (ks_namespace_is_terminating(refusal)) {
        b->done++; /* nobody will ever hear of this pod: nothing is tried again before the expectation is too old */
    } else {
        event(sim, rs, false, "FailedCreate", "Error creating: %s", refusal->message);
        if (b->error == NULL) b->error = ks_str_ref(refusal->message);
    }
    ks_refusal_free(heap, refusal);
}

/* The answers to calls made at once come in no order; as recorded, the last pod is not the last one
 * told of. */
static void tell_created(ks_sim *sim, const ks_object *rs, batch *b) {
    for (size_t i = 0; i < b->made.count; i++) {
        size_t at = i == 0 ? b->made.count - 1 : i - 1;
        event(sim, rs, true, "SuccessfulCreate", "Created pod: %s", b->made.items[at]->name);
    }
    ks_objects_dispose(sim->world.heap, &b->made);
}

/* replica_set.go: slowStartBatch: 1, 2, 4, ... at once; a batch with an error is the last. */
static const ks_str *create_pods(ks_sim *sim, rs_state *st, const ks_object *rs, int64_t need) {
    ks_heap *heap = sim->world.heap;
    ks_val pod = pod_of(heap, rs);
    batch b = {{NULL, 0, 0}, 0, NULL};
    int64_t wanted = need;
    ks_expect_creations(sim, &rs_entry_of(heap, st, rs->id)->expected, wanted);
    for (int64_t size = 1; need > 0 && b.error == NULL; size *= 2) {
        int64_t now = size < need ? size : need;
        for (int64_t i = 0; i < now; i++) create_pod(sim, rs, pod, &b);
        tell_created(sim, rs, &b);
        need -= now;
    }
    ks_unref(heap, pod);
    rs_entry *e = rs_entry_of(heap, st, rs->id);
    if (b.done > 0) e->wrote_pods = sim->server.store.version;
    for (; b.done < wanted; b.done++) ks_creation_observed(&e->expected);
    return b.error;
}

static const ks_str *delete_pod(ks_sim *sim, rs_state *st, const ks_object *rs,
                                const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_delete_opts opts = {.grace_period = -1, .read = pod};
    ks_refusal *refusal = ks_server_delete(&sim->server, KS_POD, pod->ns, pod->name, &opts, NULL);
    if (refusal == NULL) {
        event(sim, rs, true, "SuccessfulDelete", "Deleted pod: %s", pod->name);
        return NULL;
    }
    ks_deletion_observed(heap, &rs_entry_of(heap, st, rs->id)->expected, pod->id);
    const ks_str *text = NULL;
    if (refusal->code != 404) {
        event(sim, rs, false, "FailedDelete", "Error deleting: %s", refusal->message);
        text = ks_str_printf(heap, "unable to delete pods: %s", refusal->message->s);
    }
    ks_refusal_free(heap, refusal);
    return text;
}

/* What is heard of at once need not be waited for. */
static void expect_deletions(ks_sim *sim, ks_expectations *expected, const ks_objects *chosen) {
    if (!ks_view_is_late(sim)) return;
    ks_expect_deletions(sim, expected);
    for (size_t i = 0; i < chosen->count; i++)
        ks_expect_deletion(sim->world.heap, expected, chosen->items[i]->id);
}

/* Asks for what the deletions to come read and copy of pods that nobody has looked at for long. */
static void fetch(const ks_objects *chosen, size_t i) {
    enum { FRONT = 6 * 64 }; /* of a map: most of its pairs */
    if (i + AHEAD < chosen->count) ks_fetch_all(chosen->items[i + AHEAD], sizeof *chosen->items[0]);
    if (i + AHEAD / 2 >= chosen->count) return;
    const ks_object *pod = chosen->items[i + AHEAD / 2];
    if (pod->whole != NULL) ks_fetch_all(pod->whole, 2 * sizeof(ks_val));
    if (pod->meta.type == KS_MAP) ks_fetch_all(pod->meta.m, FRONT);
    if (pod->spec.type == KS_MAP) ks_fetch_all(pod->spec.m, FRONT);
    if (pod->status.type == KS_MAP) ks_fetch(pod->status.m);
    ks_fetch(pod->name);
    ks_fetch(pod->uid);
}

static const ks_str *delete_pods(ks_sim *sim, rs_state *st, const ks_object *rs, int64_t active,
                                 int64_t surplus) {
    ks_heap *heap = sim->world.heap;
    ks_objects chosen = {NULL, 0, 0};
    rs_choose(sim, st, rs, active, surplus, &chosen);
    const ks_str *error = NULL;
    expect_deletions(sim, &rs_entry_of(heap, st, rs->id)->expected, &chosen);
    for (size_t i = 0; i < chosen.count; i++) {
        /* all at once; Go's scheduler starts with the one that was made last */
        size_t at = i == 0 ? chosen.count - 1 : i - 1;
        fetch(&chosen, i);
        const ks_str *text = delete_pod(sim, st, rs, chosen.items[at]);
        if (error == NULL)
            error = text;
        else
            ks_str_unref(heap, text);
    }
    ks_objects_dispose(heap, &chosen);
    return error;
}

const ks_str *rs_manage(ks_sim *sim, rs_state *st, const ks_object *rs, int64_t active) {
    int64_t missing = ks_count(rs->spec, K(replicas), 1) - active;
    if (missing > 0) return create_pods(sim, st, rs, missing < BURST ? missing : BURST);
    if (missing < 0) return delete_pods(sim, st, rs, active, -missing < BURST ? -missing : BURST);
    return NULL;
}
