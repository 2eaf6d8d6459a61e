/*
 * scheduler/internal.h - what the files of the scheduler share: its state, and one scheduling cycle.
 *
 * The state (ks_sched) holds one node_info per node with the sums of what its pods ask for, one class per kind of pod, and
 * tallies (how many pods on each node a selector matches). All of it follows the store in observe(), so that placing a pod
 * costs a walk over dense arrays of nodes and nothing that grows with the number of pods.
 * Values in trees are counted and copied on write: a fork shares them.
 */
#ifndef KS_SCHEDULER_INTERNAL_H
#define KS_SCHEDULER_INTERNAL_H

#include "api/values.h"
#include "doc/alike.h"
#include "engine/sim.h"
#include "engine/volumes.h"
#include "scheduler/scheduler.h"

/* Plugins in the order in which they run (pkg/scheduler/apis/config/v1/default_plugins.go). */
typedef enum ks_plugin {
    KS_PLUGIN_NONE,
    KS_PLUGIN_GATES,
    KS_PLUGIN_UNSCHEDULABLE,
    KS_PLUGIN_NODE_NAME,
    KS_PLUGIN_TAINTS,
    KS_PLUGIN_NODE_AFFINITY,
    KS_PLUGIN_PORTS,
    KS_PLUGIN_FIT,
    KS_PLUGIN_VOLUME_RESTRICTIONS,
    KS_PLUGIN_VOLUME_LIMITS,
    KS_PLUGIN_VOLUME_BINDING,
    KS_PLUGIN_VOLUME_ZONE,
    KS_PLUGIN_SPREAD,
    KS_PLUGIN_POD_AFFINITY,
    KS_PLUGIN_CLAIMS,
    KS_PLUGIN_PREEMPTION,
    KS_PLUGIN_BALANCED,
    KS_PLUGIN_IMAGES,
    KS_PLUGIN_BINDER,
    KS_PLUGIN_FEATURES,
    KS_PLUGIN_POLICY, /* of the embedder */
    KS_PLUGIN_COUNT
} ks_plugin;
const char *ks_sched_plugin_name(ks_plugin plugin);
ks_plugin ks_sched_plugin_named(const char *name);

/* Why a node was refused: a set. Each has one text, except those whose text stands elsewhere. */
#define KS_SCHED_REASONS(X)                                                                        \
    X(UNSCHEDULABLE, "node(s) were unschedulable")                                                 \
    X(NODE_NAME, "node(s) didn't match the requested node name")                                   \
    X(TAINT, "node(s) had untolerated taint(s)")                                                   \
    X(AFFINITY, "node(s) didn't match Pod's node affinity/selector")                               \
    X(NAME_SET, "node(s) didn't satisfy plugin(s) [NodeAffinity]")                                 \
    X(PORTS, "node(s) didn't have free ports for the requested pod ports")                         \
    X(PODS, "Too many pods")                                                                       \
    X(CPU, "Insufficient cpu")                                                                     \
    X(MEMORY, "Insufficient memory")                                                               \
    X(EPHEMERAL, "Insufficient ephemeral-storage")                                                 \
    X(EXTENDED, "") /* one text per resource */                                                    \
    X(RWOP, "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode "  \
            "already in-use by another pod")                                                       \
    X(DISK, "node(s) had no available disk")                                                       \
    X(VOLUME_LIMIT, "node(s) exceed max volume count")                                             \
    X(PV_AFFINITY, "node(s) didn't match PersistentVolume's node affinity")                        \
    X(NO_PV, "node(s) didn't find available persistent volumes to bind")                           \
    X(NO_SPACE, "node(s) did not have enough free storage")                                        \
    X(PV_MISSING, "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)")     \
    X(ZONE, "node(s) had no available volume zone")                                                \
    X(SPREAD_LABEL,                                                                                \
      "node(s) didn't match pod topology spread constraints (missing required label)")             \
    X(SPREAD, "node(s) didn't match pod topology spread constraints")                              \
    X(POD_AFFINITY, "node(s) didn't match pod affinity rules")                                     \
    X(POD_ANTI, "node(s) didn't match pod anti-affinity rules")                                    \
    X(EXISTING_ANTI, "node(s) didn't satisfy existing pods anti-affinity rules")                   \
    X(FEATURES, "node(s) didn't match Pod's required features")                                    \
    X(POLICY, "") /* the policy's own text */                                                      \
    X(NO_VICTIMS, "No preemption victims found for incoming pod")                                  \
    X(NOT_HELPFUL, "Preemption is not helpful for scheduling")

enum {
#define KS_SCHED_REASON_NUMBER(name, text) KS_REASON_NUMBER_##name,
    KS_SCHED_REASONS(KS_SCHED_REASON_NUMBER)
#undef KS_SCHED_REASON_NUMBER
        KS_REASON_COUNT
};
enum {
#define KS_SCHED_REASON_BIT(name, text) KS_REASON_##name = 1 << KS_REASON_NUMBER_##name,
    KS_SCHED_REASONS(KS_SCHED_REASON_BIT)
#undef KS_SCHED_REASON_BIT
};
const char *ks_sched_reason_text(int number);

/* What came out for one node: plugin KS_PLUGIN_NONE means that it will do. */
typedef struct ks_verdict {
    uint32_t reasons;
    uint8_t plugin;
    bool unresolvable; /* taking pods away would not help */
} ks_verdict;
#define KS_FEASIBLE ((ks_verdict){0, KS_PLUGIN_NONE, false})

/* --- amounts --- */

/* What a pod asks for. `extended`: map of resource name to integer, KS_NOTHING when there is none. */
typedef struct ks_amounts {
    int64_t cpu;                       /* milli */
    int64_t memory;                    /* bytes */
    int64_t ephemeral;                 /* bytes */
    int64_t scored_cpu, scored_memory; /* with 100m and 200Mi for containers that name none */
    ks_val extended;
} ks_amounts;

/* As much as a pod may ask for and a node have: what is more is held at that, so that a hundred times as much is a number, too. */
#define KS_AMOUNT_MAX (INT64_C(1) << 56)
static inline int64_t ks_sched_held(int64_t amount) {
    return amount < KS_AMOUNT_MAX ? amount : KS_AMOUNT_MAX;
}
/* Sums of many pods': they wrap, as Go's, and come back to what they were. */
static inline int64_t ks_sched_plus(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static inline int64_t ks_sched_minus(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

/* pkg/scheduler: component-helpers/resource/helpers.go PodRequests. */
void ks_sched_amounts(ks_heap *heap, ks_val spec, ks_amounts *out);
void ks_sched_amounts_dispose(ks_heap *heap, ks_amounts *amounts);
/* `map` (taken over) with `sign` times the amounts of `more` added. */
ks_val ks_sched_extended_add(ks_heap *heap, ks_val map, ks_val more, int sign);

/* --- nodes --- */

typedef struct ks_node_info {
    uint32_t refs;
    uint32_t slot;
    uint64_t generation; /* another one with each change of what filters and scores depend on */
    uint64_t arrival;
    const ks_object *object;
    int64_t can_cpu, can_memory, can_ephemeral, can_pods; /* allocatable */
    ks_val can_extended;
    int64_t cpu, memory, ephemeral, scored_cpu, scored_memory, pods; /* taken */
    ks_val extended;
    ks_tree ports; /* {protocol and port, hash of address}: host ports in use */
    bool unschedulable;
} ks_node_info;

/* Which nodes there are and where they lie, for as long as that does not change. Shared by all looks of that time. */
typedef struct ks_roster {
    uint32_t refs;
    uint32_t slots;       /* slots in use end before this */
    uint32_t count;       /* nodes */
    const ks_str **names; /* by slot; NULL: a free slot */
    uint32_t *order;      /* slots in the order in which a look walks them */
    uint32_t zones;       /* different values of topology.kubernetes.io/zone */
    int32_t *zone;        /* by slot; -1: the node has none */
} ks_roster;

/* Which nodes changed of late: the slot that got generation g stands at g modulo the room. Not shared with forks. */
enum { KS_CHANGES = 1024 };
typedef struct ks_node_changes {
    uint64_t
        from; /* changes with a higher generation are all here, but for those overwritten since */
    uint32_t slots[KS_CHANGES];
} ks_node_changes;

typedef struct ks_node_table {
    uint32_t refs;
    uint32_t slots, cap; /* slots in use end before `slots` */
    uint32_t count;      /* nodes */
    ks_node_info **at;   /* NULL: a free slot */
    uint32_t *order;     /* slots in the order of the walk: zones by turns */
    bool ordered;        /* `order` is right */
} ks_node_table;

/* --- pods --- */

/* Which pods a term means. */
typedef struct ks_term {
    const ks_str *key;        /* topologyKey, interned */
    const ks_str *ns;         /* the pod's own namespace */
    ks_val namespaces;        /* list, or KS_NOTHING */
    ks_selector *ns_selector; /* NULL: none */
    ks_selector *selector;    /* NULL: matches nothing */
    ks_val selector_doc;
    int64_t weight;
    uint64_t bucket; /* a label that every pod of the selector has, hashed; 0: none */
} ks_term;
typedef struct ks_terms {
    uint32_t count;
    ks_term *items;
} ks_terms;

typedef struct ks_constraint {
    const ks_str *key; /* interned */
    int64_t max_skew, min_domains;
    bool hard, hostname;
    bool honor_affinity, honor_taints;
    ks_selector *selector; /* as the pod has it; NULL: spread by default */
    bool self;             /* the pod matches its own selector */
    ks_key tally;          /* of an empty selector: of nobody */
} ks_constraint;

/* A kind of pod: all that placing it depends on, apart from its claims, compiled. Immutable. */
typedef struct ks_pod_rules {
    uint32_t refs;
    /* what makes it this kind */
    const ks_str *ns, *scheduler, *owner_uid;
    ks_val labels; /* without those that differ from pod to pod, unless they matter */
    ks_val spec;   /* of the pod that it was made from */
    uint64_t policies, services, epoch; /* versions that it was compiled under */
    /* compiled */
    ks_amounts amounts;
    bool asks_cpu_or_memory;
    ks_val node_selector, node_affinity; /* required terms */
    ks_val preferred;                    /* preferred terms */
    ks_val tolerations;
    ks_val ports; /* list of maps of containers' ports that have a hostPort */
    bool legacy_disks;
    uint32_t disabled; /* set of plugins that the profile lacks */
    bool has_policies; /* of the embedder, in this profile */
    uint32_t constraint_count;
    ks_constraint *constraints;
    bool spread_hard, spread_soft, spread_defaulted;
    ks_terms affinity, anti, preferred_affinity, preferred_anti;
    bool terms_self;       /* the pod matches all of its own affinity terms */
    ks_key affinity_tally; /* pods that match all of the affinity terms */
    ks_key *anti_tallies, *preferred_tallies, *preferred_anti_tallies; /* by term */
    int container_count; /* containers and init containers */
} ks_pod_rules;

/* What one node comes to for a class of pods, whatever the other nodes are like. No padding: entries are compared as bytes. */
typedef struct ks_entry {
    uint32_t reasons;
    uint8_t plugin; /* that refuses it */
    bool unresolvable;
    bool affinity_ok, taints_ok;
    uint8_t fit, balanced, images; /* scores */
    bool hostname;      /* it has a label of that name: pods on it count when spreading */
    uint32_t taints;    /* PreferNoSchedule taints not tolerated */
    int32_t preference; /* sum of weights of preferred node affinity */
    int32_t count;      /* its pods that count where spreading is by default */
} ks_entry;

/* What scores of single nodes are set against: extremes among the nodes that will do, weights of spread constraints. */
typedef struct ks_norms {
    uint32_t max_taints;
    int32_t max_preference, min_spread, max_spread;
    double host_weight, zone_weight;
} ks_norms;

/* The last look of a class, if it was a plain one (board.c). */
typedef struct ks_board {
    bool walked;         /* the nodes that will do are right ... */
    bool scored;         /* ... and so are totals, but for entries that have changed since */
    uint64_t topology;   /* under which it was walked */
    uint32_t start, end; /* the walk: from where in the roster's order, how many nodes */
    uint32_t count;      /* nodes that will do */
    uint32_t plugins;    /* that refused the others */
    ks_norms norms;
    uint32_t least, most; /* how many nodes have the extremes of spreading ... */
    uint32_t equal;       /* ... and the best total */
    int32_t best;
} ks_board;

/* What the looks of a class were made from, for cluster:placement(): entries in the order in which they became known or
 * changed. A look remembers how many of them it knew (placement.c). Only grows: looks and forks share it. */
typedef struct ks_page_item {
    uint32_t slot;
    ks_entry entry;
} ks_page_item;
typedef struct ks_page {
    uint32_t refs;
    uint32_t count, cap, first; /* first: items that it began with */
    ks_pod_rules *rules;
    ks_roster *roster;
    ks_page_item *items;
} ks_page;

enum { KS_CLASS_TALLIES = 6 };

typedef struct ks_pod_class {
    uint32_t refs;
    uint64_t used; /* cycle of the last use */
    uint32_t kin;  /* of pods of the class (store.h); 0: unknown */
    ks_pod_rules *rules;
    /* Tallies that the class's pods count in, while the set of tallies is that of `tallies`; 0: to be found out. */
    uint64_t tallies;
    uint32_t tally_count;
    ks_key tally_keys[KS_CLASS_TALLIES];
    uint64_t seen; /* changes of nodes up to this generation are noticed */
    bool uneven;   /* some node had untolerated taints or preferences */
    bool lost; /* more entries have changed since the last plain look than `changed` has room for */
    uint32_t changed_count;
    ks_board board;
    ks_page *page;    /* where looks are being written down, or NULL */
    uint32_t page_at; /* items of it that are this class's */
    uint32_t cap;
    /* by slot, in one block */
    ks_entry *entries;
    int32_t *raw;       /* of nodes that will do: their pods, counted and weighed; -1 for others */
    int32_t *total;     /* of nodes that will do: the sum of scores */
    int32_t *sums;      /* by zone */
    uint32_t *feasible; /* slots of nodes that will do, in the order of the walk */
    uint32_t *changed;  /* slots of entries that have changed since the last plain look */
    bool *known;        /* the entry is right */
} ks_pod_class;

/* How many pods on each node a list of selectors matches. */
typedef struct ks_tally {
    uint32_t refs;
    uint64_t used;
    const ks_str *ns; /* pods of this namespace only; NULL: as the terms say */
    uint32_t count;
    ks_term *terms; /* a pod counts when it matches all of them */
    bool living;    /* pods that terminate do not count */
    bool by_pod;    /* pods of one class may differ in whether they count */
    uint32_t cap;
    int32_t *counts; /* by slot */
} ks_tally;

/* Assigned pods with one and the same affinity. */
typedef struct ks_group {
    uint32_t refs;
    ks_val affinity;
    const ks_str *ns;
    ks_terms required, required_anti, preferred, preferred_anti;
    int64_t total;
    uint32_t cap;
    int32_t *counts; /* by slot */
} ks_group;

/* A pod that could not be placed, or is held back. */
typedef enum ks_place {
    KS_IN_ACTIVE,
    KS_IN_BACKOFF,
    KS_IN_ERROR_BACKOFF,
    KS_IN_NO_NODES, /* in error backoff, with nothing to try until there is a node: its looks are only counted */
    KS_IN_UNSCHEDULABLE,
    KS_IN_GATED
} ks_place;
typedef struct ks_waiting {
    uint32_t refs;
    ks_place place;
    uint32_t plugins; /* those that refused it */
    uint32_t unschedulable_count, error_count;
    uint32_t alone; /* how many looks there were at this version of it while there was no node */
    int64_t backoff_until;
    int64_t active_after; /* when it may next be let go by force at once */
    ks_key
        queued; /* where it stands in its queue; of an unschedulable one {since when, number}. The number stays when it is let go */
} ks_waiting;

/* A pod that counts on its node although the view does not have it there: it waits for its volumes (PreBind), or it is bound and the
 * scheduler has not heard of that yet (backend/cache/cache.go: AssumePod). */
typedef struct ks_assumed {
    uint32_t refs;
    const ks_str *node;
    const ks_object *pod; /* the version that counts */
} ks_assumed;

/* A claim of a pod that has its node, and the volume that it takes; NULL: one is to be made (plugins/volumebinding/binder.go: BindingInfo,
 * DynamicProvision). */
typedef struct ks_claim_match {
    const ks_object *claim, *volume;
} ks_claim_match;

/* A pod in PreBind: its claims are to be bound, those that take a volume first. It goes on when the pod counts no more. */
typedef struct ks_binding {
    uint32_t refs;
    bool written;    /* the API server has been told all that is to be bound */
    bool called_off; /* by a pod that takes its place */
    const ks_str *node;
    const ks_object *pod; /* as it was when it was given the node */
    int64_t since;
    uint32_t count;
    ks_claim_match claims[]; /* counted: as they were written, the others as they were read */
} ks_binding;

/* What came out for one node in one look. */
typedef struct ks_look_node {
    uint32_t reasons;
    int32_t policy; /* weighted score of the policies */
    uint8_t plugin;
    bool scored;
    uint8_t taints, affinity, fit, spread, pod_affinity, balanced, images; /* before weights */
} ks_look_node;

/* The last look at a pod. A plain one is what its page says, up to a position, and who was walked; others stand alone. */
typedef struct ks_look {
    uint32_t refs;
    uint32_t bytes;    /* that it added to what looks take */
    ks_page *page;     /* NULL: a ks_whole_look */
    uint32_t position; /* items of the page that are its own */
    uint32_t start, end;
    int32_t slot; /* that was chosen; -1: none */
} ks_look;

typedef struct ks_whole_look {
    ks_look head;
    ks_roster *roster; /* NULL: nodes were not looked at */
    const ks_str *node, *profile, *nominated;
    ks_val victims;
    ks_val policy_texts;   /* map node -> [name, text] of the policy that refused it */
    ks_val policy_scores;  /* map node -> map policy -> weighted score */
    ks_val extended_texts; /* map node -> texts of extended resources that were short */
    uint32_t skipped;      /* scorers that did not run */
    ks_look_node nodes[];  /* by slot */
} ks_whole_look;

/* Domains of a topology key: which of them each slot is in, -1: none. */
typedef struct ks_axis {
    struct ks_axis *next; /* the one that was made before */
    const ks_str *key;    /* interned */
    uint64_t topology;
    uint32_t count, cap;
    int32_t *domain; /* by slot */
} ks_axis;

enum { KS_AXES_KEPT = 16 }; /* from one look to the next */

typedef struct ks_sched {
    int index;            /* of the component */
    ks_node_table *nodes; /* counted; copied on write */
    ks_roster *roster;    /* NULL: to be made */
    uint64_t generation;  /* of the last change of a node */
    uint64_t topology;    /* of the last change of the set of nodes or their labels */
    ks_tree
        services_by; /* {ks_sched_label_bucket() of a selector's first label, id} -> 1: Services */
    uint64_t services;           /* of the last change of Services' selectors */
    uint64_t tally_epoch;        /* of the last time that tallies were dropped */
    uint64_t tally_set;          /* another one when there is one more or less of them */
    uint32_t tallies_by_pod;     /* tallies that are `by_pod` */
    uint64_t pod_name_selectors; /* Services that select by labels which differ from pod to pod */
    uint64_t cycles;
    uint64_t sequence;
    uint64_t mark; /* tallies with a higher number were counted after the change being noticed */
    uint32_t next_start;
    uint32_t turns; /* looks that new pods brought along and that are still to come */
    bool armed;    /* the key that looks at pods that brought no look along waits to be worked on */
    ks_tree slots; /* hash of node name -> slot + 1 */
    ks_tree classes;     /* {hash of owner, number} -> ks_pod_class */
    ks_tree tallies;     /* {hash of a label or 0, number} -> ks_tally */
    ks_tree pairs;       /* hash of a label -> placed pods that have it */
    ks_tree groups;      /* {hash, number} -> ks_group */
    ks_tree group_terms; /* {bucket of a term, number of its group} -> hash of the group */
    ks_tree active, backoff, errors; /* {order} -> pod id */
    ks_ids waiting;                  /* pod id -> ks_waiting */
    ks_ids refused;     /* ids of those of them that wait for an event: KS_IN_UNSCHEDULABLE */
    ks_ready leftovers; /* {number in `queued`, id} of these, the oldest first: leftovers.c */
    int64_t since;      /* when the scheduler began */
    int64_t flush;      /* when the oldest is looked at again; KS_NEVER: there is none */
    uint32_t alone;     /* how many of those that wait are KS_IN_NO_NODES */
    ks_tree assumed;    /* pod id -> ks_assumed */
    ks_tree guests;     /* {word of the node, pod id}: the same, by node */
    ks_tree bindings;   /* pod id -> ks_binding */
    ks_tree pending;    /* claim or volume id -> id of the pod whose binding is about to write it */
    ks_tree nominated;  /* pod id -> word of the node, which need not be there */
    ks_tree nominees;   /* {word of the node, pod id}: the same, by node */
    ks_ids looks;       /* pod id -> ks_look */
    size_t look_bytes, tally_bytes;
    uint64_t last_look; /* the highest id of a pod that was looked at */
    ks_key last_class;  /* where the class that was asked for last is */
    struct {
        uint64_t pod; /* 0: none */
        ks_key class;
    } placing; /* the pod that is being bound, and where its class is: what binding changes, classes do not depend on */
    struct {
        uint32_t kin;     /* of the pod that was queued last; ... */
        int64_t priority; /* ... its kin's specs need not be read for that */
    } ranked;
    uint32_t waiting_for[KS_PLUGIN_COUNT]; /* how many unschedulable pods each plugin refused */
    uint32_t awaited;                      /* a bit for each plugin that refused any */
    /* scratch, not shared with forks */
    struct ks_cycle *scratch;
    const ks_str *told;       /* counted: why the last pod failed that did, ... */
    ks_val told_at;           /* ... and when: the second as text */
    ks_alike failed;          /* the status of pods that fail alike */
    ks_node_changes *changes; /* NULL: none since the fork */
    ks_axis *axes;
    uint32_t axes_count;
} ks_sched;

/* The word for a node in `guests`, `nominated` and `nominees`, by its name. */
static inline uint64_t ks_sched_node_word(const ks_str *name) { return ks_hash_text(name, 0); }
/* What is assumed of a pod, or NULL. */
static inline const ks_assumed *ks_sched_assumed(const ks_sched *st, uint64_t id) {
    return st->assumed.count == 0 ? NULL : ks_tree_get(&st->assumed, (ks_key){0, id});
}
/* Walks what is assumed of pods on a node, in the order in which they came to be pods; NULL: that was all.
 *     for (ks_guests g = ks_sched_guests(st, name); (assumed = ks_sched_next_guest(&g)) != NULL;) */
typedef struct ks_guests {
    const ks_sched *st;
    const ks_str *node;
    uint64_t word;
    ks_tree_iter it;
} ks_guests;
ks_guests ks_sched_guests(const ks_sched *st, const ks_str *node);
const ks_assumed *ks_sched_next_guest(ks_guests *guests);

/* The version of a pod that a patch of its status lands on, borrowed: a patch names the pod, not the version that was read, nor its uid
 * (pkg/scheduler/util/utils.go: PatchPodStatus), so it lands on whatever has the name by now. NULL: there is none of that name. */
static inline const ks_object *ks_sched_patched(const ks_sim *sim, const ks_object *pod) {
    const ks_store *store = &sim->server.store;
    return ks_store_by_id(store, KS_POD, pod->id) == pod
               ? pod
               : ks_store_get(store, KS_POD, pod->ns, pod->name);
}

/* --- classes.c --- */
/* The class of a pod, made if there is none; borrowed, its spec to be counted up if kept across a write to the server. */
ks_pod_class *ks_sched_class(ks_sim *sim, ks_sched *st, const ks_object *pod);
/* Drops what is known of nodes. */
void ks_sched_class_reset(ks_heap *heap, ks_sched *st, ks_pod_class *class);
/* Notices the changes of nodes since the class was asked for last: to be called before a cycle's first ks_sched_entry(). */
void ks_sched_catch_up(ks_sim *sim, ks_sched *st, ks_pod_class *class);
/* Works an entry out afresh. */
void ks_sched_refresh(ks_sim *sim, ks_sched *st, ks_pod_class *class, uint32_t slot);
/* The entry of a class for a node. */
static inline const ks_entry *ks_sched_entry(ks_sim *sim, ks_sched *st, ks_pod_class *class,
                                             uint32_t slot) {
    if (!class->known[slot]) ks_sched_refresh(sim, st, class, slot);
    return &class->entries[slot];
}
/* Makes the entry for any state of a node, but for `count`. */
void ks_sched_evaluate(ks_sim *sim, const ks_sched *st, const ks_pod_rules *rules,
                       const ks_node_info *node, ks_entry *out);
void ks_sched_rules_unref(ks_heap *heap, ks_pod_rules *rules);
extern const ks_tree_type ks_sched_classes_type;

/* --- nodefit.c: rules about one node and one pod --- */
bool ks_sched_tolerates(ks_val tolerations, ks_val taint, bool prefer);
bool ks_sched_untolerated(ks_val tolerations, ks_val taints);
bool ks_sched_node_affinity(ks_heap *heap, ks_val selector, ks_val required, const ks_object *node);
bool ks_sched_node_term(ks_heap *heap, ks_val term, const ks_object *node);
/* The texts of extended resources that are short, as a list. */
ks_val ks_sched_short_extended(ks_heap *heap, const ks_pod_rules *rules, const ks_node_info *node);
ks_verdict ks_sched_fit(const ks_pod_rules *rules, const ks_node_info *node);
bool ks_sched_ports_free(const ks_pod_rules *rules, const ks_node_info *node);
/* Whether two pods cannot have their ports on one node. */
bool ks_sched_ports_clash(ks_val a, ks_val b);
/* Whether what is required of the node's name cannot be true of any (node_affinity.go: PreFilter: errReasonConflict). */
bool ks_sched_names_conflict(const ks_pod_rules *rules);
bool ks_sched_tolerates_unschedulable(ks_heap *heap, ks_val tolerations);
void ks_sched_ports_take(ks_heap *heap, ks_node_info *node, ks_val ports, bool take);
int ks_sched_score_images(const ks_sched *st, const ks_pod_rules *rules, const ks_node_info *node);

/* Succeeded or Failed: such a pod takes nothing. */
bool ks_sched_finished(const ks_object *pod);

/* --- terms.c --- */
void ks_sched_terms_read(ks_heap *heap, ks_terms *out, ks_val list, const ks_str *ns,
                         bool weighted);
void ks_sched_terms_dispose(ks_heap *heap, ks_terms *terms);
void ks_sched_term_copy(ks_heap *heap, ks_term *out, const ks_term *from);
void ks_sched_term_dispose(ks_heap *heap, ks_term *term);
/* Whether a pod of that namespace with these labels is meant by a term of one that has its node. */
bool ks_sched_term_matches(ks_sim *sim, const ks_term *term, const ks_str *ns, ks_val labels);
/* The same of a term of a pod that looks for one: namespaces that its selector means are looked up before, and what a namespace without
 * labels would suit suits all (interpodaffinity/plugin.go: mergeAffinityTermNamespacesIfNotEmpty changes a copy). */
bool ks_sched_own_term_matches(ks_sim *sim, const ks_term *term, const ks_str *ns, ks_val labels);
/* The same where only hints are asked for: namespaces' labels are not looked at. */
bool ks_sched_term_hints(const ks_term *term, const ks_str *ns, ks_val labels);

/* --- tallies.c --- */
extern const ks_tree_type ks_sched_tallies_type, ks_sched_groups_type;
/* Finds or makes a tally; takes over the terms in `items` (the array stays the caller's). `ns` NULL: terms decide. */
ks_key ks_sched_tally_of(ks_sim *sim, ks_sched *st, const ks_str *ns, ks_term *items,
                         uint32_t count, bool living);
/* Counts by slot; false when it was dropped. */
const ks_tally *ks_sched_tally(ks_sched *st, ks_key key);
/* Whether a pod counts in a tally. */
bool ks_sched_tally_means(ks_sim *sim, const ks_tally *tally, const ks_object *pod);
void ks_sched_tallies_account(ks_sim *sim, ks_sched *st, ks_pod_class *class, const ks_object *pod,
                              uint32_t slot, int sign);
/* How many placed pods have each label, whatever their namespace. A pod is counted before anything else looks at it, and
 * taken off last: so that a tally that begins meanwhile does not miss it. */
void ks_sched_pairs_account(ks_heap *heap, ks_sched *st, const ks_object *pod, int sign);
void ks_sched_groups_account(ks_sim *sim, ks_sched *st, const ks_object *pod, uint32_t slot,
                             int sign);
void ks_sched_tallies_drop(ks_heap *heap, ks_sched *st);
/* The bucket of a label selector. */
uint64_t ks_sched_bucket(ks_val selector);
/* A label in a namespace, hashed. */
uint64_t ks_sched_label_bucket(const ks_str *ns, const ks_pair *label);
/* Walks the groups with a term that may mean a pod with these labels: calls `visit` once per group and bucket. */
void ks_sched_groups_for(const ks_sched *st, ks_val labels,
                         void (*visit)(void *payload, const ks_group *group, uint64_t bucket),
                         void *payload);
uint64_t ks_sched_hash_val(ks_val v);

/* --- nodes.c --- */
extern const ks_tree_type ks_sched_words_type;
void ks_sched_node_changed(ks_sim *sim, ks_sched *st, const ks_change *change);
ks_node_info *ks_sched_node_own(ks_heap *heap, ks_sched *st, uint32_t slot);
ks_node_info *ks_sched_node_clone(ks_heap *heap, const ks_node_info *node);
void ks_sched_node_unref(ks_heap *heap, ks_node_info *node);
void ks_sched_table_unref(ks_heap *heap, ks_node_table *table);
/* The slot of a node, or -1. */
int64_t ks_sched_slot(const ks_sched *st, const ks_str *name);
/* The slots of all nodes in the order in which they are walked; borrowed. */
const uint32_t *ks_sched_order(ks_heap *heap, ks_sched *st);
ks_roster *ks_sched_roster(ks_heap *heap, ks_sched *st); /* borrowed */
void ks_sched_roster_unref(ks_heap *heap, ks_roster *roster);
const ks_axis *ks_sched_axis(ks_heap *heap, ks_sched *st, const ks_str *key);
/* Adds (sign 1) or takes away (-1) a pod's amounts, ports and counts. */
void ks_sched_account(ks_sim *sim, ks_sched *st, const ks_object *pod, uint32_t slot, int sign);
/* The same by the node's name; nothing when it is not there. */
void ks_sched_account_by_name(ks_sim *sim, ks_sched *st, const ks_object *pod, const ks_str *node,
                              int sign);
/* A pod that is counted terminates, which is all that is new about it. */
void ks_sched_account_end(ks_sim *sim, ks_sched *st, const ks_object *old, const ks_object *pod,
                          uint32_t slot);
/* The same for a node_info alone (dry runs). */
void ks_sched_node_add(ks_heap *heap, ks_node_info *node, const ks_pod_rules *rules, int sign);

/* --- queue.c --- */
extern const ks_ids_type ks_sched_waiting_type;
extern const ks_tree_type ks_sched_assumed_type;
/* The entry of a waiting pod, this state's own; made when there is none. */
ks_waiting *ks_sched_waiting_own(ks_heap *heap, ks_sched *st, uint64_t id);
void ks_sched_queue_add(ks_sim *sim, ks_sched *st, const ks_object *pod);
void ks_sched_queue_remove(ks_sim *sim, ks_sched *st, uint64_t id);
/* The next pod to look at, or 0. */
uint64_t ks_sched_queue_pop(ks_sim *sim, ks_sched *st);
uint64_t ks_sched_queue_head(const ks_sched *st);
/* After a failed look. `plugins` 0: an error. */
void ks_sched_queue_failed(ks_sim *sim, ks_sched *st, const ks_object *pod, uint32_t plugins);
/* Pods that one of `plugins` refused and that `hint` (NULL: all) lets go are queued again. */
typedef bool (*ks_sched_hint)(ks_sim *sim, ks_sched *st, const ks_object *pod, ks_plugin plugin,
                              const ks_change *change);
void ks_sched_queue_wake(ks_sim *sim, ks_sched *st, uint32_t plugins, ks_sched_hint hint,
                         const ks_change *change);
/* The same of those that have that claim. */
void ks_sched_queue_wake_users(ks_sim *sim, ks_sched *st, uint32_t plugins, const ks_object *claim);
/* One that was gated has changed: it is queued if it is not gated any more. */
void ks_sched_queue_ungated(ks_sim *sim, ks_sched *st, const ks_object *pod);
/* Queues an unschedulable pod again. */
void ks_sched_queue_release(ks_sim *sim, ks_sched *st, const ks_object *pod);
/* An unschedulable pod is to be looked at again at once, whatever it waits for (backend/queue: Activate). One for which that comes again and
 * again is kept from the API server by the scheduler's own client, which makes 50 calls a second (apis/config/v1/defaults.go). */
void ks_sched_queue_activate(ks_sim *sim, ks_sched *st, uint64_t id);
/* A pod is not what it was: where there is no node to try, what is said of it is said anew. */
void ks_sched_queue_changed(ks_sim *sim, ks_sched *st, uint64_t id);
/* The first node has come: so are all of them. */
void ks_sched_queue_first_node(ks_sim *sim, ks_sched *st);
/* Whether a pod that was not looked at yet is queued: a walk over the queue. */
bool ks_sched_queue_has_fresh(const ks_sched *st, uint64_t id);
/* Sees to it that the next pod is looked at, if there is one. `at_once`: before all else that is ready, unless it is one in backoff, for
 * which there is time when there is nothing else to do. */
void ks_sched_queue_arm(ks_sim *sim, ks_sched *st, bool at_once);
int64_t ks_sched_priority(const ks_object *pod);

/* --- leftovers.c --- */
/* The key of what is done by the clock. */
#define KS_SCHED_CLOCK 0
/* A pod has come to the unschedulable ones, or has left them. */
void ks_sched_leftover(ks_sim *sim, ks_sched *st, uint64_t id, ks_waiting *w);
void ks_sched_no_leftover(ks_sim *sim, ks_sched *st, uint64_t id);
/* Looks at a pod that has no node to try are made up for up to now: told of, and the next one is not over yet. */
void ks_sched_make_up(ks_sim *sim, uint64_t id, ks_waiting *w);
/* Does it. */
void ks_sched_tick(ks_sim *sim, ks_sched *st);
/* Sees to it that the scheduler is roused for it. */
void ks_sched_wind(ks_sim *sim, const ks_sched *st);

/* --- hints.c --- */
void ks_sched_hints(ks_sim *sim, ks_sched *st, const ks_change *change);
/* Whether a pod that waits, refused by `plugins`, is to be looked at again because it has itself changed. */
bool ks_sched_hint_own(ks_sim *sim, ks_sched *st, uint32_t plugins, const ks_change *change);
/* The change's pod does not take its place any more. */
void ks_sched_hint_gone(ks_sim *sim, ks_sched *st, const ks_change *change);

/* --- one look at a pod --- */

/* Memory that lives for one cycle. */
typedef struct ks_arena {
    ks_heap *heap;
    struct ks_arena_block *blocks;
} ks_arena;
void *ks_sched_arena(ks_arena *arena, size_t size); /* cleared */
void ks_sched_arena_reset(ks_arena *arena);

/* A spread constraint at work. */
typedef struct ks_spread {
    const ks_constraint *constraint;
    const ks_axis *axis;   /* NULL: no node has the key */
    const ks_tally *tally; /* NULL: no pod counts */
    int64_t *counts;       /* by domain */
    int64_t min;
    uint32_t domains; /* that count */
    double weight;
} ks_spread;

/* Sums over the domains of a topology key. */
typedef struct ks_sums {
    const ks_axis *axis;
    int64_t *sums; /* by domain */
} ks_sums;

/* The same of several topology keys; in the cycle's arena. */
typedef struct ks_sums_list {
    ks_sums *items;
    uint32_t count, cap;
} ks_sums_list;

/* One of the pod's claims; what it points to is borrowed. */
typedef struct ks_claim_look {
    const ks_object *claim;
    const ks_object *volume; /* of a bound claim; NULL: missing, or not bound */
    const ks_object *match;  /* what a waiting claim would take on the node that was looked at last;
                                NULL: one is made for it */
    ks_val volume_of_pod;    /* which it is; borrowed; KS_NOTHING: its only claim */
    bool made;               /* for this pod (an ephemeral volume): `claim` may be NULL */
    bool delayed;            /* it waits for its first consumer */
    ks_quantity request;     /* then: how much it asks for */
} ks_claim_look;

/* What a cycle knows of the pod's claims. */
typedef struct ks_claims {
    uint32_t count, waiting_count;
    ks_claim_look *looks;
    ks_claim_look *
        *waiting; /* those that wait, smallest request first (binder.go: sorted by size) */
    ks_claim_look only, *only_waiting; /* where the above stand of a pod with one claim */
    bool restricts;                    /* some node may be refused */
    bool counts_users; /* VolumeRestrictions has something to do: it hears of pods in dry runs */
    int rwop_users;    /* how many of the ReadWriteOncePod claims pods use */
} ks_claims;

typedef struct ks_cycle {
    ks_sim *sim;
    ks_sched *st;
    const ks_object *pod; /* counted */
    ks_pod_class *class;  /* borrowed until the next write to the server */
    ks_pod_rules *rules;  /* counted */
    uint32_t slots, cap;
    ks_verdict *verdicts; /* by slot; of nodes that were looked at */
    bool *looked;         /* by slot */
    uint32_t *feasible;   /* slots */
    int64_t *raw;         /* by slot: scratch of one scorer */
    ks_look_node *look;   /* by slot */
    uint32_t feasible_count, failed_count;
    ks_claims claims;
    ks_spread *spread;        /* by constraint: hard ones, while filtering */
    ks_sums *affinity, *anti; /* by term */
    ks_sums_list existing_anti;
    bool relates;      /* InterPodAffinity has something to do: it hears of pods in dry runs */
    bool any_affinity; /* some pod matches the affinity terms */
    ks_tree moved;     /* in dry runs, of pods with disks: id -> 1: it has gone, 2: it has come */
    const char *prefilter; /* what refused the pod as a whole; NULL: nothing */
    ks_val prefilter_text; /* holds it, when it was made */
    uint32_t plugins;      /* that refused */
    uint32_t skipped;      /* scorers that did not run, as a set */
    ks_val policy_texts, policy_scores;
    ks_val victims, victim_ids; /* names and ids of pods to evict */
    bool
        renominated; /* the nomination is decided anew: preemption was tried, or nothing is left to wait for */
    const ks_str *nominated;
    bool failed; /* a hook raised */
    bool plain;  /* the class's board has it all: verdicts, looked and look are not filled in */
    ks_arena arena;
} ks_cycle;

/* --- topology.c: PodTopologySpread and InterPodAffinity --- */
void ks_sched_prefilter_topology(ks_cycle *c);
ks_verdict ks_sched_filter_topology(ks_cycle *c, uint32_t slot);
/* A pod appears on (sign 1) or goes from a node, in a dry run. */
void ks_sched_topology_pod(ks_cycle *c, const ks_object *pod, uint32_t slot, int sign);
/* Normalised scores of feasible nodes into c->look; false: the plugin does not score. */
bool ks_sched_score_spread(ks_cycle *c);
/* The same into c->raw. */
bool ks_sched_score_affinity(ks_cycle *c);

/* --- claims.c: VolumeRestrictions, VolumeBinding, VolumeZone --- */
void ks_sched_prefilter_claims(ks_cycle *c);
ks_verdict ks_sched_filter_claims(ks_cycle *c, const ks_object *node);
/* What the claims that wait would take on the node that was found for the pod, in the order in which they are bound: as many as
 * wait. Borrowed. */
void ks_sched_match_claims(ks_cycle *c, const ks_object *node, ks_claim_match *out);
/* Whether volumes with these labels lie in the same zones and regions. */
bool ks_sched_same_zones(ks_val a, ks_val b);
/* A dry run took (sign -1) or put back a pod that may hold a ReadWriteOncePod claim. */
void ks_sched_claims_pod(ks_cycle *c, const ks_object *pod, int sign);

/* --- prebind.c --- */
extern const ks_tree_type ks_sched_bindings_type;
void ks_sched_binding_unref(ks_heap *heap, const ks_binding *binding);
/* What is to be done for the pod of the cycle on that node: a new one, nothing of it done. */
ks_binding *ks_sched_binding_new(ks_cycle *c, const ks_object *node);
/* That of a pod in PreBind, this state's own; NULL: it is not. */
ks_binding *ks_sched_binding_own(ks_heap *heap, ks_sched *st, uint64_t id);
/* Writes what it does to volumes, then to claims, and takes note of the versions that were written. NULL, or the first refusal, which ends
 * it. Up to then other pods take its claims and volumes as if they had been written; the last pod that was to write a version speaks for
 * it, and none does when one of them has, or has failed (volumebinding/passive_assume_cache.go: Assume, Restore). */
ks_refusal *ks_sched_write_binding(ks_sim *sim, ks_binding *binding);
void ks_sched_begin_pending(ks_sim *sim, ks_sched *st, const ks_binding *binding);
void ks_sched_end_pending(ks_sim *sim, ks_sched *st, const ks_binding *binding);
/* A scheduler that restarts is about to write nothing. Before it has a view of its own. */
void ks_sched_put_all_back(ks_sim *sim);
/* What a pod in PreBind is about to write of this version of a claim or volume, and *binding, unless that is NULL, the whole; NULL: none
 * is. Borrowed. */
const ks_claim_match *ks_sched_pending(const ks_sched *st, const ks_object *claim_or_volume,
                                       const ks_binding **binding);
/* The volume that one is about to give to a claim, whatever others have written of the claim since. Borrowed; NULL: none. */
const ks_object *ks_sched_pending_volume(const ks_sim *sim, const ks_sched *st,
                                         const ks_object *claim);
/* Whether all is bound. Else *why says what waiting cannot mend, a new string, or is NULL. */
bool ks_sched_check_bindings(ks_sim *sim, const ks_binding *binding, const ks_str **why);

/* --- binding.c --- */
/* Nothing is assumed of a pod any more: the version that counted, a new reference; NULL: nothing was. */
const ks_object *ks_sched_end_assumption(ks_sim *sim, ks_sched *st, uint64_t id);
/* It does not come to be on its node, nor counts there (backend/cache/cache.go: ForgetPod). Whether it did. */
bool ks_sched_forget(ks_sim *sim, ks_sched *st, uint64_t id);
/* The pod of the cycle gets the node of that slot: it is bound, or its claims begin to be. */
void ks_sched_place(ks_cycle *c, uint32_t slot);
/* A pod in PreBind is looked at: it may be bound, or fail. */
void ks_sched_go_on_binding(ks_sim *sim, ks_sched *st, uint64_t id);
/* If the pod is in PreBind, it is told to give way. Whether it is (framework/runtime/pods_in_prebind_map.go: CancelPod). */
bool ks_sched_call_off(ks_sim *sim, ks_sched *st, uint64_t id);
/* Something has changed that pods in PreBind may wait for. */
void ks_sched_bindings_heard(ks_sim *sim, ks_sched *st, const ks_change *change);

/* --- failing.c --- */
/* The pod of the cycle is put back to be tried again, and is told why not now: Event and condition. `message` is taken over; `plugins`:
 * those that refused it, 0: an error. Whether it took a call of the API server. */
bool ks_sched_fail(ks_cycle *c, const char *reason, const ks_str *message, uint32_t plugins);
void ks_sched_record_failure(ks_sim *sim, const ks_sched *st, const ks_object *pod,
                             const ks_str *profile, const ks_str *message);
/* Failing takes the pod's nominated node from it. */
void ks_sched_clear_nominated(ks_cycle *c);
/* From now on a pod counts on that node for those that matter as much or less; NULL: on none. */
void ks_sched_nominate(ks_sim *sim, ks_sched *st, const ks_object *pod, const ks_str *node);

/* --- scheduler.c --- */
/* A cycle for the pod: the only one until it ends. */
ks_cycle *ks_sched_begin(ks_sim *sim, ks_sched *st, const ks_object *pod);
void ks_sched_end(ks_cycle *c);

/* --- policy.c: policies of the embedder --- */
bool ks_sched_has_profile(const ks_sim *sim, const ks_str *scheduler);
ks_verdict ks_sched_filter_policies(ks_cycle *c, const ks_object *node);
void ks_sched_score_policies(ks_cycle *c);

/* --- filter.c --- */
void ks_sched_prefilter(ks_cycle *c);
void ks_sched_find_nodes(ks_cycle *c);
/* All filters for a node in any state. */
ks_verdict ks_sched_filter(ks_cycle *c, const ks_node_info *node);
/* A dry run took (sign -1) or added a pod that may hold one of the pod's disks. */
void ks_sched_disks_pod(ks_cycle *c, const ks_object *pod, int sign);
/* Whether two pods have a disk that only one of them can have. */
bool ks_sched_disks_clash(const ks_object *pod, const ks_object *other);
/* The same with and without the pods nominated to the node. */
ks_verdict ks_sched_filter_nominated(ks_cycle *c, const ks_node_info *node);

/* --- board.c: looks that depend on nothing but the class --- */
void ks_sched_class_free(ks_heap *heap, ks_pod_class *class);
ks_pod_class *ks_sched_class_copy(ks_heap *heap, const ks_pod_class *class);
/* How many nodes that will do are enough. */
uint32_t ks_sched_enough(uint32_t nodes);
/* Whether it is one: no plugin looks at more than single nodes, what the class asks for and how its pods lie by default. */
bool ks_sched_is_plain(ks_cycle *c);
void ks_sched_walk_plainly(ks_cycle *c);
uint32_t ks_sched_choose_plainly(ks_cycle *c);
/* Scorers that do not run for pods of these rules. */
uint32_t ks_sched_skipped(const ks_pod_rules *rules);
/* The scores of a node that will do. `raw` as ks_sched_raw_spread() says. */
ks_look_node ks_sched_grade(const ks_pod_rules *rules, const ks_norms *norms, const ks_entry *entry,
                            int32_t raw);
/* What spreading by default says before it is normalised; `sums`: pods by zone. */
int32_t ks_sched_raw_spread(const ks_norms *norms, const ks_entry *entry, int32_t zone,
                            const int32_t *sums);
/* The norms of a look at `feasible`: everything in them, raw values and sums by zone on the way. */
void ks_sched_norms(const ks_pod_rules *rules, const ks_roster *roster, const ks_entry *entries,
                    const uint32_t *feasible, uint32_t count, int32_t *raw, int32_t *sums,
                    ks_norms *out);

/* --- score.c --- */
/* Weights of the default plugins (apis/config/v1/default_plugins.go). */
enum {
    KS_W_TAINTS = 3,
    KS_W_AFFINITY = 2,
    KS_W_FIT = 1,
    KS_W_SPREAD = 2,
    KS_W_POD_AFFINITY = 2,
    KS_W_BALANCED = 1,
    KS_W_IMAGES = 1
};
/* The sum of a node's weighted scores. */
int32_t ks_sched_total(const ks_look_node *look, uint32_t skipped);
/* Fills c->look and chooses; the slot. */
uint32_t ks_sched_choose(ks_cycle *c);

/* --- message.c --- */
/* Adds the reasons of one node to a list of texts. */
ks_val ks_sched_reasons(ks_cycle *c, ks_verdict verdict, const ks_node_info *node, ks_val texts);
/* "0/N nodes are available: 2 a, 3 b." from a list of reasons. */
void ks_sched_fit_message(ks_heap *heap, ks_buf *out, uint32_t nodes, ks_val texts);

/* --- preemption.c --- */
/* Looks for pods to put out of the way. The text to add to the message; "" when it succeeded. A new string. */
const ks_str *ks_sched_preempt(ks_cycle *c);
/* Evicts those that it chose. */
void ks_sched_evict_victims(ks_cycle *c);

/* --- placement.c --- */
extern const ks_ids_type ks_sched_looks_type;
/* Writes a look down; `slot` of the node that was chosen, or -1. */
void ks_sched_remember(ks_cycle *c, int64_t slot);
void ks_sched_page_unref(ks_heap *heap, ks_page *page);
void ks_sched_forget_look(ks_heap *heap, ks_sched *st, uint64_t pod);

#endif
