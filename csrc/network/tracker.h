/*
 * network/tracker.h - which Services select which pods, and which pods changed since a Service was
 * looked at.
 *
 * Both endpoint controllers keep one. Instead of listing all pods of a Service for each change of
 * one, a change of a pod finds the Services that select it (an index by one pair of their
 * selectors) and marks that one pod dirty for them. It also keeps the trigger times:
 * k8s.io/endpointslice/util/trigger_time_tracker.go.
 */
#ifndef KS_NETWORK_TRACKER_H
#define KS_NETWORK_TRACKER_H

#include "engine/sim.h"

typedef struct ks_tracker {
    ks_tree services; /* {0, service id} -> what is known of it */
    ks_tree by_pair;  /* {hash of namespace and a selector's pair, service id} -> the same */
    ks_tree by_ns;    /* {hash of namespace, service id} -> 1: those in by_pair */
    ks_tree dirty;    /* {service id, pod id} -> 1 */
    ks_tree full;     /* {0, service id} -> 1: the Service itself changed */
    ks_tree triggers; /* {service id, pod id} -> last trigger time of a selected pod */
    ks_tree known;    /* {0, service id} -> 1: synced before */
    ks_tree waiting;  /* {0, service id} -> changes so far, plus one, when its sync was put off */
    ks_tree
        silent; /* {0, service id} -> 1: something has changed of which upstream hears nothing: the next sync, whatever it is for, finds it */
    uint64_t
        served; /* a bit for each namespace in by_ns: mostly enough to know that a pod concerns no Service */
    uint64_t changes; /* noted so far */
    int component;    /* whose it is: Services are queued on it */
} ks_tracker;

void ks_tracker_init(ks_tracker *tracker, int component);
ks_tracker ks_tracker_copy(const ks_tracker *tracker);
void ks_tracker_dispose(ks_heap *heap, ks_tracker *tracker);

/* Take note of a change of a Service or a pod; Services concerned are queued, key: their id. */
void ks_tracker_service(ks_sim *sim, ks_tracker *tracker, const ks_change *change);
void ks_tracker_pod(ks_sim *sim, ks_tracker *tracker, const ks_change *change);
/* Whether a pod's change can mean anything to a Service: there are some with selectors in its namespace, */
bool ks_tracker_heeds(const ks_tracker *tracker, const ks_object *pod);
/* and one of these parts is new. */
enum {
    KS_TRACKED_PARTS = KS_PART_LABELS | KS_PART_ENDING | KS_PART_PLACE | KS_PART_PHASE |
                       KS_PART_READY | KS_PART_ADDRESSES | KS_PART_EXISTENCE
};
/* Makes the next sync of a Service look at everything. */
void ks_tracker_mark_full(ks_sim *sim, ks_tracker *tracker, uint64_t service);
/* The same for something that itself makes no sync. */
void ks_tracker_touch(ks_sim *sim, ks_tracker *tracker, uint64_t service);
/* The same for all Services. */
void ks_tracker_touch_all(ks_sim *sim, ks_tracker *tracker);
/* Makes the next sync look at this pod again. */
void ks_tracker_mark_pod(ks_sim *sim, ks_tracker *tracker, uint64_t service, uint64_t pod);
/* The id of the Service of that name that is tracked, or 0. */
uint64_t ks_tracker_find(const ks_tracker *tracker, const ks_store *store, const ks_str *ns,
                         const ks_str *name);

/* A pod that may have changed for a Service. */
typedef struct ks_tracked_pod {
    uint64_t id;
    const ks_object *pod; /* borrowed from the store; NULL: gone */
    bool selected;
} ks_tracked_pod;

/* What one sync of a Service has to look at. */
typedef struct ks_tracker_work {
    const ks_object *service; /* a reference; NULL: deleted */
    const ks_str *ns, *name;  /* references; set when deleted too */
    bool full;                /* new or changed: `pods` are all it selects or did select */
    ks_tracked_pod *pods;     /* in order of creation */
    size_t count, capacity;
    int64_t trigger; /* instant for last-change-trigger-time, or KS_NEVER: none */
} ks_tracker_work;

/* Whether a sync is better put off behind what else is due at this instant: then it has been queued
 * again. One that was put off is put off again only if more changes came meanwhile. So pods that
 * change at the same time cost one sync, as they do where a sync takes time. */
bool ks_tracker_put_off(ks_sim *sim, ks_tracker *tracker, uint64_t service);

/* Takes what is dirty for a Service; false when it is not tracked. Its pods are borrowed until the
 * store changes. */
bool ks_tracker_take(ks_sim *sim, ks_tracker *tracker, uint64_t service, ks_tracker_work *work);
void ks_tracker_work_dispose(ks_heap *heap, ks_tracker_work *work);

/* "namespace/name" of a tracked Service, for traces. */
void ks_tracker_describe(const ks_tracker *tracker, uint64_t service, ks_buf *out);

#endif
