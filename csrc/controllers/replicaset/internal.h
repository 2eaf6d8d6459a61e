/*
 * controllers/replicaset/internal.h - what the files of the ReplicaSet controller share.
 *
 * For each ReplicaSet the controller keeps an entry of counters and small indexes, so that the change of one
 * of its pods costs what that change is worth. observe() (replicaset.c) feeds the entry (entry.c); a sync claims
 * pods, creates or deletes some (pods.c, rank.c) and writes the status (status.c).
 */
#ifndef KS_CONTROLLERS_REPLICASET_INTERNAL_H
#define KS_CONTROLLERS_REPLICASET_INTERNAL_H

#include "controllers/common.h"
#include "controllers/controllers.h"
#include "controllers/expectations.h"

/* How a pod is counted: what its word in `pods` says. While it waits to become available, the bits above
 * say when, in seconds (time stamps of the API have no fractions). */
enum {
    RS_ACTIVE = 1,
    RS_LABELLED = 2,
    RS_READY = 4,
    RS_AVAILABLE = 8,
    RS_TERMINATING = 16,
    RS_MISFIT = 32,
    RS_KNOWN = 64,
    RS_ASSIGNED = 128, /* active, on a node: counted in `shares` */
    RS_RUNNING = 256,
    RS_COSTED = 512, /* has a deletion cost */
    RS_FLAG_BITS = 10
};

/* An orphan that had a node when it was heard of, one that had none yet. */
enum { RS_ORPHAN = 1, RS_NEWBORN };

/* How pods are counted. Maps are keyed by pod ids. */
typedef struct rs_counts {
    int64_t active, labelled, ready, available, terminating;
    int64_t
        plain; /* active, of which only their node's share, their age and their restarts say when they go (rank.c) */
    int64_t costed; /* active, with a deletion cost */
} rs_counts;

/* How many active pods of a set are on a node. Counted. */
typedef struct rs_share {
    uint32_t refs;
    int64_t pods;
    const ks_str *node;
} rs_share;

/* When the plain pods of a set began, for rank.c: what it would have to read in each of their headers, again for each batch that goes. Shared, and
 * never changed: an entry lets go of it when one of its plain pods has changed, or there is a new one. */
typedef struct rs_age {
    uint64_t id;
    uint64_t uid;           /* its first eight characters, in their order */
    uint64_t node;          /* hash of its node's name */
    int64_t since, created; /* KS_NEVER: none */
    uint32_t next;          /* where the next one of its node is; behind the last comes the first */
    bool restarted;
} rs_age;
typedef struct rs_ages {
    uint32_t refs, count, room;
    ks_ids last;   /* hash of a node's name -> where its last one is, + 1 */
    rs_age pods[]; /* by id */
} rs_ages;

typedef struct rs_entry {
    uint32_t refs;
    ks_selector *selector; /* NULL: it does not convert */
    ks_val template_labels;
    bool
        template_matches; /* the selector matches them, as it should: then pods that have the very same labels need no matching */
    int64_t min_ready;    /* seconds */
    rs_counts counts;     /* of pods that are ours and match */
    ks_ids pods;          /* how each is counted */
    rs_ages *ages;        /* NULL: not known; of more than there are, mostly */
    ks_tree waiting;      /* {instant of becoming available, pod} */
    ks_tree shares;       /* {hash of a node's name, 0} -> rs_share: nodes that have some */
    ks_tree misfits;      /* {0, pod}: ours and active, but the selector does not match */
    ks_tree orphans; /* {0, pod} -> RS_ORPHAN or RS_NEWBORN: nobody's, matched when last seen */
    /* of the namespace and the pod-template-hash that the selector demands; 0: none */
    uint64_t hash;
    ks_expectations expected;
    uint64_t wrote_pods,
        wrote_set; /* the last versions of each kind that this controller has written for the set */
    uint64_t going; /* a pod that was seen going since the last sync; 0: none */
    bool gone;      /* and is gone */
} rs_entry;

typedef struct rs_state {
    int index;
    ks_ids entries; /* ReplicaSet -> rs_entry */
    ks_tree loose;  /* {hash of namespace, pod}: controlled by nobody */
    ks_tree hashes; /* {hash of an entry, ReplicaSet} */
    /* {hash of namespace, pod}: active pods that have a pod-template-hash, but are not counted by a set whose selector demands
     * one. Perhaps some more; never fewer. */
    ks_tree strays;
    /* {0, pod}: adopted by the sync at hand, which has them as it heard of them: without a node */
    ks_tree newborn;
} rs_state;

/* --- entry.c --- */
extern const ks_ids_type rs_entry_type;
/* The entry of a ReplicaSet, owned by this state alone; NULL: none. */
rs_entry *rs_entry_of(ks_heap *heap, rs_state *st, uint64_t id);
/* Makes or remakes the entry of a ReplicaSet, from all pods that refer to it. */
void rs_entry_build(ks_sim *sim, rs_state *st, const ks_object *rs);
/* Whether what the entry depends on differs between two versions. */
bool rs_entry_outdated(const ks_object *rs, const ks_object *old);
void rs_ages_unref(ks_heap *heap, rs_ages *ages);
/* Whether a pod that is counted so is one of rs_counts.plain. */
bool rs_is_plain(uint64_t word);
/* A pod that it controls: counts it as it is now. `before`: its version that is counted, or NULL. */
void rs_entry_put(ks_sim *sim, rs_state *st, rs_entry *e, const ks_object *pod,
                  const ks_object *before);
void rs_entry_drop(ks_sim *sim, rs_entry *e, const ks_object *pod);
/* Notes a pod that no entry counts (counted false), or that one does. */
void rs_stray(ks_sim *sim, rs_state *st, const ks_object *pod, bool counted);
/* The entry of a set that is gone. */
void rs_entry_forget(ks_sim *sim, rs_state *st, uint64_t id);
/* Counts in the pods that have become available by now. */
void rs_entry_ripen(ks_sim *sim, rs_entry *e);

/* --- pods.c --- */
/* Creates or deletes pods. The first refusal's text, a new reference, or NULL. */
const ks_str *rs_manage(ks_sim *sim, rs_state *st, const ks_object *rs, int64_t active);
/* --- rank.c --- */
/* `count` pods to delete, those that go first in front: new references into *out. */
void rs_choose(ks_sim *sim, rs_state *st, const ks_object *rs, int64_t active, int64_t count,
               ks_objects *out);
/* --- status.c --- */
/* Writes the status if anything changed. False: refused. `error`: of rs_manage. */
bool rs_write_status(ks_sim *sim, rs_entry *e, const ks_object *rs, const rs_counts *counts,
                     const ks_str *error);

#endif
