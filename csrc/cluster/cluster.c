/*
 * cluster/cluster.c - a cluster's life, its components, and the door; see cluster.h.
 */
#include "cluster/cluster.h"
#include "controllers/controllers.h"
#include "controllers/storage/storage.h"
#include "kubelet/kubelet.h"
#include "network/endpoints.h"
#include "network/endpointslice.h"
#include "network/mirroring.h"
#include "scheduler/scheduler.h"

/* In the order in which they hear of changes and, at one instant, work on them. */
static const ks_component *const components[] = {
    &ks_namespace_controller,
    &ks_disruption_controller, /* counts what is there before others have made up for what has gone */
    &ks_scheduler, /* a pod has its node before whoever adopts it finds that it is one too many; and the taints that follow from a node's
                      change come after the look at it */
    &ks_replicaset_controller, /* has begun with a set before the Deployment puts right what somebody did to it */
    &ks_deployment_controller,
    &ks_quota_controller, /* has counted anew by the time a StatefulSet has ended a failed pod and makes its next: not when a ReplicaSet does,
                             whose first call makes one */
    &ks_statefulset_controller,
    &ks_garbage_collector,
    &ks_volume_binder,
    &ks_volume_provisioner,
    &ks_attachdetach_controller,
    &ks_volume_protection,
    &ks_kubelet,
    &ks_node_lifecycle,
    &ks_pod_gc,
    &ks_endpoints_controller,
    &ks_endpointslice_controller,
    &ks_endpointslicemirroring_controller,
    &ks_volume_expander,
    &ks_ephemeral_volumes,
    &ks_resource_claims,
};

const ks_component *ks_cluster_component(size_t i) {
    return i < sizeof components / sizeof *components ? components[i] : NULL;
}

/* --- changes --- */

static void hear(void *payload, const ks_change *change) {
    ks_cluster *cluster = payload;
    const ks_object *object = change->object;
    if (cluster->awaited_name != NULL && object->kind == cluster->awaited_kind &&
        ks_str_eq(object->name, cluster->awaited_name) &&
        ks_str_eq(object->ns, cluster->awaited_ns))
        cluster->awaited_changed = true;
    if ((cluster->told_kinds & KS_KIND_BIT(object->kind)) != 0 && cluster->on_change != NULL)
        cluster->on_change(cluster->payload, change);
}

static bool listens(void *payload, ks_kind kind) {
    const ks_cluster *cluster = payload;
    return (cluster->awaited_name != NULL && cluster->awaited_kind == kind) ||
           (cluster->told_kinds & KS_KIND_BIT(kind)) != 0;
}

static void connect(ks_cluster *cluster) {
    cluster->sim->on_change = hear;
    cluster->sim->listens = listens;
    cluster->sim->hook_payload = cluster;
}

/* --- life --- */

typedef struct birth {
    ks_heap *heap;
    const ks_cluster_opts *opts;
    ks_cluster *from, *made;
} birth;

/* Runs `body` under a guard of the bare heap. */
static bool guarded(ks_heap *heap, void (*body)(birth *), birth *b) {
    ks_guard guard;
    if (KS_GUARD_ENTER(heap, &guard) != KS_OK) return false;
    body(b);
    ks_guard_leave(heap, &guard);
    return true;
}

static void make(birth *b) {
    ks_cluster *cluster = ks_alloc_zero(b->heap, sizeof *cluster);
    cluster->heap = b->heap;
    cluster->sim = ks_alloc(b->heap, sizeof *cluster->sim);
    ks_sim_init(cluster->sim, b->heap, b->opts->seed, b->opts->epoch, b->opts->rules);
    cluster->sim->settings->latency = b->opts->latency;
    cluster->sim->settings->manual_kubelet = b->opts->manual_kubelet;
    for (size_t i = 0; i < sizeof components / sizeof *components; i++)
        ks_sim_add(cluster->sim, components[i]);
    cluster->journal = (ks_journal){.off = b->opts->no_journal, .entry = {.heap = b->heap}};
    connect(cluster);
    b->made = cluster;
}

ks_cluster *ks_cluster_new(ks_heap *heap, const ks_cluster_opts *opts) {
    birth b = {.heap = heap, .opts = opts};
    if (!guarded(heap, make, &b)) return NULL;
    ks_heap_join(heap);
    return b.made;
}

static void copy(birth *b) {
    ks_cluster *cluster = ks_alloc_zero(b->heap, sizeof *cluster);
    cluster->heap = b->heap;
    cluster->sim = ks_alloc(b->heap, sizeof *cluster->sim);
    ks_sim_copy(cluster->sim, b->from->sim);
    ks_journal_share(&cluster->journal, &b->from->journal);
    connect(cluster);
    b->made = cluster;
}

ks_cluster *ks_cluster_fork(ks_cluster *cluster) {
    birth b = {.heap = cluster->heap, .from = cluster};
    if (!guarded(cluster->heap, copy, &b)) return NULL;
    ks_heap_join(cluster->heap);
    return b.made;
}

/* The room of a sim that is done with is kept for the next snapshot: most calls make one. */
static void retire(ks_cluster *cluster, ks_sim *sim) {
    ks_sim_dispose(sim);
    if (cluster->spare == NULL)
        cluster->spare = sim;
    else
        ks_free(cluster->heap, sim, sizeof *sim);
}

static ks_sim *room_for_sim(ks_cluster *cluster) {
    ks_sim *sim = cluster->spare;
    cluster->spare = NULL;
    return sim != NULL ? sim : ks_alloc(cluster->heap, sizeof *sim);
}

void ks_cluster_close(ks_cluster *cluster) {
    ks_heap *heap = cluster->heap;
    if (!ks_heap_goes_whole(heap)) {
        retire(cluster, cluster->sim);
        ks_free(heap, cluster->spare, sizeof *cluster->spare);
        ks_journal_dispose(heap, &cluster->journal);
        ks_free(heap, cluster, sizeof *cluster);
    }
    ks_heap_leave(heap);
}

/* --- the door --- */

/* The last cluster of a heap that has run out of memory returns all at once; here only what is certain is freed. */
int ks_cluster_enter(ks_cluster *cluster, ks_door door,
                     bool (*body)(ks_cluster *cluster, void *arg), void *arg) {
    ks_heap *heap = cluster->heap;
    ks_sim *volatile before = NULL;
    const ks_journal_mark mark = ks_journal_where(&cluster->journal);
    ks_guard guard;
    int err = KS_GUARD_ENTER(heap, &guard);
    if (err != KS_OK) {
        if (before != NULL) {
            ks_sim_undo(cluster->sim);
            cluster->sim = before; /* what was in flight goes with the heap */
        }
        ks_journal_restore(heap, &cluster->journal, mark, false);
        if (door == KS_CHANGE) ks_journal_rest(&cluster->journal);
        cluster->sim->pending_error = 0;
        cluster->awaited_ns = cluster->awaited_name = NULL;
        ks_heap_make_room(heap);
        return err;
    }
    if (door == KS_CHANGE) {
        ks_sim *snapshot = room_for_sim(cluster);
        ks_sim_snapshot(snapshot, cluster->sim);
        before = snapshot;
    }
    bool keep = body(cluster, arg);
    if (keep) ks_store_gather(&cluster->sim->server.store); /* it is memory of this call's */
    ks_guard_leave(heap, &guard);
    if (before != NULL) {
        if (keep) {
            ks_sim_keep(cluster->sim);
            retire(cluster, before);
        } else {
            ks_sim_undo(cluster->sim);
            retire(cluster, cluster->sim);
            cluster->sim = before;
            ks_journal_restore(heap, &cluster->journal, mark, true);
        }
        ks_journal_rest(&cluster->journal);
    }
    return KS_OK;
}

bool ks_cluster_run(ks_cluster *cluster, int64_t instant, const bool *stop) {
    ks_sim *sim = cluster->sim;
    cluster->awaited_changed = false;
    while (ks_sim_next(sim) <= instant) {
        ks_sim_step(sim, NULL);
        if (*stop || cluster->awaited_changed || sim->pending_error) return false;
    }
    if (sim->world.now < instant) sim->world.now = instant;
    return true;
}
