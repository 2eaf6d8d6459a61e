/*
 * cluster/cluster.h - a whole cluster: the components put together, and the door of the core.
 *
 * Called by the binding (lua/). Everything between the rooms happens inside ks_cluster_enter(), which keeps a
 * snapshot (O(1)) and puts it back when memory runs out or when the work is not to be kept: so a call
 * either did all or nothing, and a dry run is a call whose result is thrown away.
 */
#ifndef KS_CLUSTER_CLUSTER_H
#define KS_CLUSTER_CLUSTER_H

#include "cluster/journal.h"

typedef struct ks_cluster {
    ks_heap *heap; /* counted: forks share it */
    ks_sim *sim;   /* exchanged when a snapshot is put back: do not keep it across doors */
    ks_sim *spare; /* room for the next snapshot; NULL: none */
    ks_journal journal;
    /* A run stops at the end of the step in which the object of this name changed (NULL: none). The embedder sets and
     * owns them; only within one door. */
    ks_kind awaited_kind;
    const ks_str *awaited_ns, *awaited_name;
    bool awaited_changed;
    uint64_t
        told_kinds; /* KS_KIND_BIT of those of which every change is told (there are watches) */
    /* How the embedder hears of changes; during a step: it may only take notes. */
    void (*on_change)(void *payload, const ks_change *change);
    void *payload; /* the embedder's; hooks are given the ks_cluster, and find it here */
} ks_cluster;

/* What a new cluster is made of. Values are borrowed. */
typedef struct ks_cluster_opts {
    uint64_t seed;
    int64_t epoch; /* Unix seconds */
    ks_rules rules;
    bool manual_kubelet, no_journal;
    ks_latencies latency;
    ks_val nodes;           /* list of {name, labels, taints, capacity, zone} */
    ks_val storage_classes; /* list of StorageClass documents; KS_NOTHING: the default ones */
} ks_cluster_opts;

/* The components that a cluster is made of, one after the other; NULL behind the last. */
const ks_component *ks_cluster_component(size_t i);
/* A fresh heap's cluster with nothing in it yet, or NULL when there is no memory. Next: ks_cluster_fill(). */
ks_cluster *ks_cluster_new(ks_heap *heap, const ks_cluster_opts *opts);
/* The first contents: namespaces, Services of the system, classes, nodes. Within the door. */
ks_refusal *ks_cluster_fill(ks_cluster *cluster, const ks_cluster_opts *opts);
/* An independent cluster in the same state, O(1); NULL when there is no memory. */
ks_cluster *ks_cluster_fork(ks_cluster *cluster);
void ks_cluster_close(ks_cluster *cluster);

typedef enum ks_door {
    KS_LOOK,   /* nothing is changed: no snapshot */
    KS_CHANGE, /* all or nothing */
} ks_door;
/* Runs `body` under a guard. `body` returns false when what it did is not to be kept. KS_OK or KS_ENOMEM (the cluster
 * is as it was before). Doors nest. `body` must not raise Lua errors: it may not be left but by returning. */
int ks_cluster_enter(ks_cluster *cluster, ks_door door,
                     bool (*body)(ks_cluster *cluster, void *arg), void *arg);

/* Runs steps until something is due only after `instant`, until the embedder has to be heard (`*stop` becomes true: a
 * watch has work, a hook raised) or an awaited object changed. The clock is set to `instant` only in the first case. True when `instant` was
 * reached. */
bool ks_cluster_run(ks_cluster *cluster, int64_t instant, const bool *stop);

/* --- apply.c: kubectl's client-side apply --- */
typedef enum ks_applied { KS_CREATED, KS_CONFIGURED, KS_UNCHANGED } ks_applied;
/* `doc` is taken over; *out is a new reference. *warned: the live object had no last-applied-configuration. */
ks_refusal *ks_cluster_apply(ks_cluster *cluster, ks_kind kind, const ks_str *ns, ks_val doc,
                             const ks_write_opts *opts, ks_applied *applied, bool *warned,
                             const ks_object **out);
/* The patch from what was applied last, what is to be (borrowed), and what is; an empty map: unchanged. */
ks_refusal *ks_cluster_apply_patch(ks_cluster *cluster, const ks_object *live, ks_val doc,
                                   ks_val *patch);
/* The document with its own text in the annotation, as apply sends it. Takes over, returns. */
ks_val ks_apply_annotated(ks_heap *heap, ks_val doc);

/* --- wait.c: what one waits for --- */
typedef struct ks_condition {
    enum { KS_WAIT_READY, KS_WAIT_DELETED, KS_WAIT_CONDITION } what;
    const ks_str *type, *status; /* KS_WAIT_CONDITION: "Available" and "True" */
} ks_condition;
/* Whether an object meets it; `object` NULL: absent. */
bool ks_cluster_meets(const ks_cluster *cluster, const ks_condition *condition,
                      const ks_object *object);

#endif
