/*
 * controllers/deployment/internal.h - what the files of the Deployment controller share.
 *
 *     deployment.c   what is noticed, claiming ReplicaSets, the sync
 *     dump.c         the text that pod-template-hash runs over
 *     newset.c       finding and making the new ReplicaSet, revisions and annotations
 *     fence.c        numbers
 *     scale.c        scaling ReplicaSets, proportionally too; history
 *     rollout.c      the strategies
 *     rollback.c     back to a former revision, where an annotation asks for it
 *     status.c       status and conditions
 *
 * A Deployment has few ReplicaSets, so they are listed in each sync. Pods are never looked at, but for Recreate.
 */
#ifndef KS_CONTROLLERS_DEPLOYMENT_INTERNAL_H
#define KS_CONTROLLERS_DEPLOYMENT_INTERNAL_H

#include "controllers/common.h"
#include "controllers/controllers.h"

typedef struct dep_state {
    int index;
    ks_tree
        loose; /* {hash of the namespace, ReplicaSet}: those that nobody controls, which Deployments may adopt */
} dep_state;

/* One sync of one Deployment, as upstream does it: on what was read at its beginning. A second write of what has been
 * written already meets a conflict, and the sync is repeated. */
typedef struct dep_sync {
    ks_sim *sim;
    ks_heap *heap;
    const ks_object *d;
    ks_val status, annotations; /* of the Deployment, with changes that are not written yet */
    ks_objects sets;            /* its ReplicaSets, oldest first */
    ks_objects kept;            /* later versions, kept until the end of the sync */
    bool wrote, met_itself; /* the Deployment was written; another write met a conflict with that */
} dep_sync;

/* What a step of the sync works on: the new ReplicaSet (NULL: none) and the old ones; borrowed. */
typedef struct dep_sets {
    const ks_object *fresh;
    const ks_object **old; /* of old_cap places: one more than there are sets */
    size_t old_count, old_cap;
} dep_sets;

/* --- dump.c --- */
/* pod-template-hash of a template (without the hash label); `collisions` -1: unset. out >= 16 bytes. */
void dep_hash(ks_heap *heap, const ks_rules *rules, ks_val template, int64_t collisions, char *out);
/* The text alone. */
void dep_dump(ks_buf *out, const ks_rules *rules, ks_val template);

/* --- newset.c --- */
/* getAllReplicaSetsAndSyncRevision; false: failed. Dispose of *out in either case. */
bool dep_sync_revision(dep_sync *c, bool create, dep_sets *out);
void dep_sets_dispose(ks_heap *heap, dep_sets *sets);
/* EqualIgnoreHash */
bool dep_same_template(ks_heap *heap, ks_val a, ks_val b);
int64_t dep_revision(const ks_object *object);
/* annotationsToSkip: one that is the object's own; it goes neither to the ReplicaSets nor back from them. */
bool dep_is_own_annotation(const ks_str *key);

/* --- fence.c: numbers of Deployments and ReplicaSets --- */
static inline int64_t dep_size(const ks_object *object) {
    return ks_count(object->spec, K(replicas), 1);
}
static inline bool dep_is_rolling(const ks_object *d) {
    return ks_text_is(ks_get2(d->spec, K(strategy), K(type)), "RollingUpdate");
}
/* Upstream's numbers have 32 bits: what is too large for them turns round. */
static inline int64_t dep_turned(int64_t number) { return (int32_t)(uint32_t)number; }
int64_t dep_max_surge(const ks_object *d);
int64_t dep_max_unavailable(const ks_object *d);
/* How many pods there may be during a roll-out. */
int64_t dep_most(const ks_object *d);
/* The size of the new ReplicaSet, which has `size`; `total`: of all ReplicaSets. */
int64_t dep_new_size(const ks_object *d, int64_t total, int64_t size);
/* A number of a status summed over all sets; `key` of the spec when `of_spec`. */
int64_t dep_sum(const dep_sets *sets, bool of_spec, const ks_str *key);
/* ParseInt of an annotation; false: there is none, or it is no number. */
bool dep_int(ks_val text, int64_t *out);
/* A non-negative number in an annotation; -1: none. */
int64_t dep_annotation(const ks_object *object, const ks_str *key);
/* Older first: creation, then name. For qsort of object pointers. */
int dep_by_age(const void *a, const void *b);
bool dep_has_deadline(const ks_object *d);

/* --- scale.c --- */
/* desired-replicas and max-replicas; true when *annotations (taken over, given back) changed. */
bool dep_put_sizes(dep_sync *c, ks_val *annotations);
/* scaleReplicaSet: *set becomes the new version; *scaled (may be NULL): its size has changed. False: failed. */
bool dep_scale_set(dep_sync *c, const ks_object **set, int64_t size, bool force, bool *scaled);
bool dep_scale(dep_sync *c, dep_sets *sets);
bool dep_cleanup(dep_sync *c, const dep_sets *sets);
#define DEP_DELETE_SET (UINT64_C(1) << 62)
bool dep_delete_set(ks_sim *sim, const ks_object *set);

/* --- rollout.c: the strategies --- */
bool dep_rollout_rolling(dep_sync *c);
bool dep_rollout_recreate(dep_sync *c);

/* --- rollback.c --- */
bool dep_wants_rollback(const ks_object *d); /* whether somebody asks for it */
bool dep_rollback(dep_sync *c);              /* false: failed */

/* --- status.c --- */
/* SetDeploymentCondition with both times now; `reason` and the message's format. *status is exchanged. */
void dep_set_condition(dep_sync *c, ks_val *status, const char *type, const char *value,
                       const char *reason, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
bool dep_is_complete(const ks_object *d, ks_val status);
bool dep_check_paused(dep_sync *c);
/* syncRolloutStatus (progress is judged) and syncDeploymentStatus. */
bool dep_sync_rollout_status(dep_sync *c, const dep_sets *sets);
bool dep_sync_status(dep_sync *c, const dep_sets *sets);
/* UpdateStatus with c->status and c->annotations. */
bool dep_write(dep_sync *c);

/* --- deployment.c --- */
/* getPodMapForDeployment: whether that set of its has pods; `running`: such as have not finished. */
bool dep_has_pods(ks_sim *sim, const ks_object *d, const ks_object *set, bool running);
void dep_event(dep_sync *c, bool normal, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Looks again at an instant. */
void dep_arm(const dep_sync *c, int64_t instant);
/* There is nothing to look for any more. */
void dep_disarm(const dep_sync *c);

#endif
