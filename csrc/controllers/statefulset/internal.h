/*
 * controllers/statefulset/internal.h - what the files of the StatefulSet controller share.
 *
 *     statefulset.c   what is noticed, claiming, the sync
 *     entry.c         indexes of one set, kept as its pods change
 *     revisions.c     which ControllerRevisions are current and update
 *     control.c       what is done to which pod: stateful_set_control.go
 *     pod_control.c   how: pods, claims, events: stateful_pod_control.go
 *     identity.c      names, ordinals, owners of claims: stateful_set_utils.go
 *     status.c        the status
 *
 * Upstream lists all pods of a set in each sync. Here an entry holds ordered indexes of the few ordinals that a decision
 * can be about, so that a sync costs O(log n) and what it does.
 */
#ifndef KS_CONTROLLERS_STATEFULSET_INTERNAL_H
#define KS_CONTROLLERS_STATEFULSET_INTERNAL_H

#include "controllers/controllers.h"
#include "controllers/history.h"
#include "doc/alike.h"

/* What a pod is, for the decisions: the low bits of its word; the upper ones are a hash of its revision. */
enum {
    STS_READY = 1,       /* running and ready */
    STS_AVAILABLE = 2,   /* running and available */
    STS_UNAVAILABLE = 4, /* not available, or terminating */
    STS_TERMINATING = 8,
    STS_FINISHED = 16, /* failed or succeeded */
    STS_PENDING = 32,
    STS_STRANGE = 64, /* its labels do not say who it is */
    STS_KNOWN = 128,
    STS_FLAG_BITS = 8
};

/* The revisions of a set, as long as none of them changes. */
typedef struct sts_history {
    uint32_t refs;
    ks_objects list;         /* sorted */
    uint64_t *words;         /* of the list's revisions: see sts_revision_word() */
    ks_val chosen_for;       /* the template that `chosen` is for; KS_NOTHING: not chosen */
    const ks_object *chosen; /* the update revision */
} sts_history;

typedef struct sts_entry {
    uint32_t refs;
    const ks_str *name;    /* the set's */
    ks_selector *selector; /* NULL: it does not convert */
    ks_val templates;      /* volumeClaimTemplates */
    ks_val owners, prefix; /* of its pods: ownerReferences, generateName; made when needed */
    int64_t start, end;    /* ordinals in range: start <= o < end */
    int64_t beyond;        /* none from this one on, up to `end`, has a pod */
    int64_t min_ready;     /* seconds */
    uint64_t update;       /* hash of the update revision's name; 0: not chosen yet */
    int64_t created, ready, available; /* pods */
    int64_t unavailable;               /* pods in range that are */
    int64_t making;                    /* the ordinal that a sync makes a pod for; -1: none */
    bool failing;                      /* the last sync was not all done */
    /* maps of pods, keyed {ordinal, pod id} -> word */
    ks_tree pods;      /* all */
    ks_tree unsettled; /* not running, ready and available, or terminating */
    ks_tree finished;  /* in range */
    ks_tree outdated;  /* not at the update revision, not terminating */
    ks_tree condemned; /* out of range, not terminating */
    /* maps of ordinals, keyed {ordinal, 0} */
    ks_tree missing; /* in range, below `beyond`, without a pod */
    ks_tree dirty;   /* whose pod or claims have to be looked at */
    ks_tree
        labels; /* {hash of revision, 0} -> pods with that label << 32 | of these not terminating */
    ks_tree waiting;             /* {instant of becoming available, pod id} */
    ks_tree ripe;                /* {0, pod id} -> that instant's word */
    ks_tree misfits;             /* {0, pod id}: ours, but not a member */
    ks_tree orphans;             /* {0, pod id}: nobody's, a member when last seen */
    struct sts_history *history; /* counted; NULL: not listed since it changed */
    /* the last versions of each kind that this controller has written for the set */
    uint64_t wrote_pods, wrote_claims, wrote_set;
    uint64_t parsed_version; /* of the revision that `parsed` is the template of */
    ks_val parsed;
} sts_entry;

typedef struct sts_state {
    int index;
    ks_ids entries;          /* set -> sts_entry */
    ks_tree loose;           /* {hash of namespace, pod}: controlled by nobody */
    ks_tree loose_revisions; /* the same of revisions */
    ks_tree claims;          /* {sts_claims_hash() of "template-set", set} */
    uint64_t last;           /* the set whose pod changed last */
} sts_state;

/* One sync of one set. */
typedef struct sts_sync {
    ks_sim *sim;
    ks_heap *heap;
    sts_state *st;
    const ks_object *set;
    sts_entry *e;
    sts_history *history;              /* as it was at the start of the sync; counted */
    const ks_object *current, *update; /* revisions, referenced */
    uint64_t current_word, update_word;
    int64_t collisions;
    bool waits_for_claims; /* of which a change causes no sync */
    int64_t replicas, ready, available, current_replicas,
        updated_replicas; /* the status to write */
    struct {
        int64_t ordinal;
        uint64_t word;
    } * deleted; /* finished pods that this sync has deleted */
    size_t deleted_count, deleted_cap;
    int64_t claims_of; /* the ordinal that `claims` are the names of; see sts_claims_of() */
    ks_val claims;
} sts_sync;

/* --- entry.c --- */
extern const ks_ids_type sts_entry_type;
sts_entry *sts_entry_of(ks_heap *heap, sts_state *st, uint64_t id);
/* Where `claims` of the state knows the sets that have claims of such names: of a claim's name, the first `len` bytes. */
uint64_t sts_claims_hash(const ks_str *ns, const ks_str *claim, uint32_t len);
void sts_entry_build(ks_sim *sim, sts_state *st, const ks_object *set);
bool sts_entry_outdated(const ks_object *set, const ks_object *old);
/* `alike`: its labels are those that it had when it was last put here. */
void sts_entry_put(ks_sim *sim, sts_entry *e, const ks_object *pod, bool alike);
/* Nothing that a sync could act on follows from this change of a pod of the set. */
bool sts_entry_knows(const sts_entry *e, const ks_object *pod, const ks_object *old);
void sts_entry_drop(ks_sim *sim, sts_entry *e, const ks_object *pod);
void sts_entry_ripen(ks_sim *sim, sts_entry *e);
/* Says which revision is the update one: its word. */
void sts_entry_aim(ks_sim *sim, sts_entry *e, uint64_t revision);
void sts_entry_mark(ks_heap *heap, sts_entry *e, int64_t ordinal); /* dirty, if it has a pod */
/* How many pods bear the label: all, or those not terminating. */
int64_t sts_labelled(const sts_entry *e, uint64_t revision, bool live);
static inline bool sts_in_range(const sts_entry *e, int64_t ordinal) {
    return ordinal >= e->start && ordinal < e->end;
}
/* How many ordinals in range have no pod. */
static inline int64_t sts_missing(const sts_entry *e) {
    return (int64_t)e->missing.count + e->end - e->beyond;
}
/* The id of the (last) pod of an ordinal, and its word; 0: none. */
uint64_t sts_id_at(const sts_entry *e, int64_t ordinal, uint64_t *word);
/* That pod; NULL: none. Borrowed. */
const ks_object *sts_pod_at(const sts_sync *c, int64_t ordinal, uint64_t *word);
uint64_t sts_revision_word(const ks_str *revision); /* its place in a pod's word */

/* --- identity.c --- */
/* "web-3": the length of "web" and 3; false: not such a name. A number beyond 32 bits: -1. */
bool sts_parse_name(const ks_str *name, uint32_t *parent_len, int64_t *ordinal);
/* The ordinal of a pod of this set; -1: none. *member: its name says that it is one. */
int64_t sts_ordinal_of(const ks_str *set, const ks_str *pod, bool *member);
bool sts_identity_matches(const ks_object *pod);
ks_val sts_pod_name(ks_heap *heap, const ks_object *set, int64_t ordinal);
/* What the claims of a template are called, before "-ordinal". */
ks_val sts_claim_prefix(ks_heap *heap, const ks_object *set, ks_val claim_template);
/* The names of an ordinal's claims, one for each template: a new list. */
ks_val sts_claim_names(ks_heap *heap, const ks_object *set, int64_t ordinal);
/* `claims`: their names. */
bool sts_storage_matches(const ks_object *set, const ks_object *pod, ks_val claims);
ks_val sts_volumes(ks_heap *heap, const ks_object *set, ks_val volumes, ks_val claims);
/* A pod for an ordinal, from a template; `name` is its name. */
ks_val sts_new_pod(sts_sync *c, ks_val template, const ks_str *revision, ks_val name,
                   int64_t ordinal);
const char *sts_strategy(const ks_object *set);
bool sts_deletes_when_scaled(const ks_object *set);
/* Owners of claims; the pod is `pod_name`, and `pod_uid` where it has been created. */
typedef struct sts_claim_owners {
    const ks_object *set;
    const ks_str *pod_name, *pod_uid;
    bool in_range;
} sts_claim_owners;
bool sts_claim_is_stale(const ks_object *claim, const sts_claim_owners *o);
bool sts_claim_has_stranger(const ks_object *claim, const sts_claim_owners *o);
bool sts_claim_up_to_date(const ks_object *claim, const sts_claim_owners *o);
ks_val sts_claim_refs(ks_heap *heap, const ks_object *claim, const sts_claim_owners *o);

/* --- revisions.c --- */
void sts_history_unref(ks_heap *heap, sts_history *history); /* NULL is fine */
void sts_forget_history(ks_heap *heap, sts_entry *e);
/* Fills c->history; orphans among the revisions are adopted first. False: refused. */
bool sts_list_revisions(sts_sync *c);
/* Fills current, update and collisions. False: refused. */
bool sts_choose_revisions(sts_sync *c);
/* The template of a revision, as the set would have it: borrowed from set or entry; KS_NOTHING: it does not decode. */
ks_val sts_template_of(sts_sync *c, const ks_object *revision);
bool sts_truncate_history(sts_sync *c);

/* --- control.c --- */
/* Acts on pods and claims, counts into the status. False: failed, the sync is to be repeated. */
bool sts_control(sts_sync *c);

/* --- pod_control.c: false when refused --- */
bool sts_create_pod(sts_sync *c, int64_t ordinal);
/* *gone, if not NULL: whether there was none any more. */
bool sts_delete_pod(sts_sync *c, const ks_str *ns, const ks_str *name, bool *gone);
bool sts_update_pod(sts_sync *c, const ks_object *pod, int64_t ordinal);
/* For a pending pod. *noisy: would say something again. */
bool sts_create_missing_claims(sts_sync *c, const ks_object *pod, int64_t ordinal, bool *noisy);
/* The names of an ordinal's claims, borrowed until those of another one are asked for. */
ks_val sts_claims_of(sts_sync *c, int64_t ordinal);
bool sts_claims_match(sts_sync *c, const ks_object *pod, int64_t ordinal);
bool sts_fix_claims(sts_sync *c, const ks_object *pod, int64_t ordinal);
bool sts_pod_claims_stale(sts_sync *c, int64_t ordinal);

/* --- status.c --- */
bool sts_write_status(sts_sync *c);

#endif
