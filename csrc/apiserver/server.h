/*
 * apiserver/server.h - the verbs: create, update, patch, delete, evict, bind, with admission,
 * finalizers and Status errors.
 *
 * Users (through the binding) and components write by the same functions; `opts` tells what
 * differs. All writes end in store/, and each is announced to `on_change` (the engine), once, after
 * it has happened.
 */
#ifndef KS_APISERVER_SERVER_H
#define KS_APISERVER_SERVER_H

#include "api/codec.h"
#include "store/store.h"

/* The cluster IP of default/kubernetes, the API server's own Service: the first of 10.96.0.0/12. Nobody else gets it. */
#define KS_API_SERVICE_ADDRESS "10.96.0.1"

typedef struct ks_server {
    ks_world *world;
    ks_heap *heap; /* = world->heap */
    ks_store store;
    ks_rules rules;
    void (*on_change)(void *payload, const ks_change *change);
    /* Whether anybody has to hear of a change of that kind at the moment: what is kept as a brief is not announced else, nor made
     * whole. NULL: nobody. */
    bool (*listens)(void *payload, ks_kind kind);
    void *payload;
    ks_tree
        bound;    /* {spec, node name} -> what it became when it was bound; private to apiserver/ */
    ks_tree memo; /* admitted pod templates etc.; private to apiserver/ */
    uint32_t kins;                   /* the last number given to pods of one template */
    ks_tree service_ips, node_ports; /* allocated: private to apiserver/ */
    ks_ids correlation;              /* what has been recorded about objects: private to record.c */
    struct {
        ks_tree unwritten; /* {id of the object, name in its history} of those that have gone on */
        int64_t due;       /* see ks_record_due() */
        int64_t since;     /* when their recorder began */
        uint64_t recorder; /* which one it is */
    } series;              /* of Events: private to record.c */
    uint32_t
        fault_rate; /* of 1000 writes, those that fail; set by the engine while a component acts */
    struct ks_record_cache *record_cache; /* private to record.c; NULL: none */
    int64_t last_event; /* the instant in the name of the last Event: names stay unique */
} ks_server;

typedef struct ks_write_opts {
    ks_field_validation field_validation;
    bool dry_run;
    bool trusted; /* the doc comes from a component: typed already, no strict decoding */
    bool whole;   /* ... and is, but for uid and creationTimestamp, what defaulting, admission and
                            validation would make of it: cluster-scoped kinds only */
    const char *manager; /* field manager, for managedFields; NULL: none recorded */
    bool force;          /* server-side apply: take over fields that others own */
    ks_val *warnings;    /* receives a list of texts, may be NULL */
} ks_write_opts;

void ks_server_init(ks_server *server, ks_world *world, ks_rules rules);
void ks_server_dispose(ks_server *server);
/* After a copy by assignment: O(1). */
void ks_server_copied(ks_server *out, ks_world *world);
/* The same with a store that is only good for being put back: see ks_store_snapshot(). */
void ks_server_snapshot(ks_server *out, ks_server *from, ks_world *world);

/* Creates. `doc` is taken over; `ns` is the request's namespace, used where the doc has none (a
 * mismatch is refused as the real server does). *out (may be NULL): the object, a NEW reference
 * (ks_object_unref). opts NULL: defaults (strict, untrusted). */
ks_refusal *ks_server_create(ks_server *s, ks_kind kind, const ks_str *ns, ks_val doc,
                             const ks_write_opts *opts, const ks_object **out);
/* Replaces the object of the doc's name; a resourceVersion in metadata is a precondition.
 * `subresource`: NULL or "status". */
ks_refusal *ks_server_update(ks_server *s, ks_kind kind, const ks_str *ns, ks_val doc,
                             const char *subresource, const ks_write_opts *opts,
                             const ks_object **out);

/* Stores an object as it is, status, uid and time stamps included (what a real cluster printed);
 * missing ones are made. Refused when the name is taken. `doc` is taken over; with `whole` it is decoded and has its defaults. */
ks_refusal *ks_server_import(ks_server *s, ks_kind kind, const ks_str *ns, ks_val doc,
                             const ks_write_opts *opts, const ks_object **out);

/* For components: replace status / metadata / spec of a version that they have read. If the object
 * has changed since (version differs), 409 Conflict as client-go would see; gone: 404. `status`
 * etc. are taken over. */
ks_refusal *ks_server_update_status(ks_server *s, const ks_object *read, ks_val status,
                                    const ks_object **out);
/* The same where the caller knows that it is not the status that was read. */
ks_refusal *ks_server_change_status(ks_server *s, const ks_object *read, ks_val status,
                                    const ks_object **out);
ks_refusal *ks_server_update_object(ks_server *s, const ks_object *read, ks_val doc,
                                    const ks_object **out);
/* The same of a claim, for which metadata and spec are given (taken over). */
ks_refusal *ks_server_update_parts(ks_server *s, const ks_object *read, ks_val meta, ks_val spec,
                                   const ks_object **out);

typedef enum ks_patch_type {
    KS_PATCH_JSON,
    KS_PATCH_MERGE,
    KS_PATCH_STRATEGIC,
    KS_PATCH_APPLY
} ks_patch_type;
/* Patches; `patch` is taken over. The result runs through the same checks as an update.
 * `subresource`: NULL, "status" or "scale". */
ks_refusal *ks_server_patch(ks_server *s, ks_kind kind, const ks_str *ns, const ks_str *name,
                            ks_patch_type type, ks_val patch, const char *subresource,
                            const ks_write_opts *opts, const ks_object **out);
/* The patch itself, pure: `doc` and `patch` are taken over, *out is the patched doc. Used by
 * controllers (revisions) and kubectl's three-way merge. */
ks_refusal *ks_patch_apply(ks_heap *heap, ks_kind kind, ks_patch_type type, ks_val doc,
                           ks_val patch, ks_val *out);
/* kubectl's apply: the three-way strategic merge patch from last-applied, new and live (borrowed);
 * empty map: unchanged. */
ks_refusal *ks_patch_three_way(ks_heap *heap, ks_kind kind, ks_val original, ks_val modified,
                               ks_val current, ks_val *patch);
/* What differs between two documents, as a strategic merge patch of that kind. */

typedef enum ks_propagation {
    KS_PROPAGATE_DEFAULT,
    KS_BACKGROUND,
    KS_FOREGROUND,
    KS_ORPHAN
} ks_propagation;
typedef struct ks_delete_opts {
    int64_t grace_period; /* seconds; -1: the object's own */
    ks_propagation propagation;
    const ks_str *uid; /* preconditions, may be NULL */
    uint64_t version;  /* 0: none */
    bool dry_run;
    /* For components: the object as it was read, which finds it at less cost than its name. It is no precondition. May be NULL. */
    const ks_object *read;
} ks_delete_opts;
/* Deletes, gracefully where the kind has a grace period (pods: pkg/registry/core/pod/strategy.go
 * CheckGracefulDelete). *out (may be NULL): the object as it then stands, NULL when it is gone.
 * opts NULL: defaults. */
ks_refusal *ks_server_delete(ks_server *s, ks_kind kind, const ks_str *ns, const ks_str *name,
                             const ks_delete_opts *opts, const ks_object **out);

/* POST pods/binding: sets spec.nodeName and the PodScheduled condition. */
ks_refusal *ks_server_bind(ks_server *s, const ks_object *pod, const ks_str *node);
/* POST pods/eviction. 429 when a PodDisruptionBudget forbids it. */
ks_refusal *ks_server_evict(ks_server *s, const ks_str *ns, const ks_str *name,
                            const ks_delete_opts *opts);
/* PUT scale. `warnings` (may be NULL): as in ks_write_opts, of the object that is scaled. */
ks_refusal *ks_server_scale(ks_server *s, ks_kind kind, const ks_str *ns, const ks_str *name,
                            int64_t replicas, ks_val *warnings, const ks_object **out);

/* Something may be recorded about the object in `steps` steps: what has been is asked for (ks_store_ahead()). */
void ks_record_ahead(const ks_server *server, ks_coming *next, int steps);
/* Records an Event about `about` as client-go's recorder does (correlation: counts, aggregation,
 * spam filter: tools/record/events_cache.go). `component`: "statefulset-controller", "kubelet",
 * ...; `host`: node name or NULL. `new_api`: events.k8s.io recorder (scheduler: reportingComponent,
 * action, eventTime, no source). */
typedef struct ks_event {
    /* constant texts, told apart by their addresses: */
    const char *type; /* "Normal", "Warning" */
    const char *reason;
    const char *action; /* new API only; NULL: core recorder */
    const char
        *field; /* "spec.containers", or NULL: which item of it involvedObject.fieldPath names */
    const char *component;
    /* others: */
    const ks_str *by; /* the component, if that is no constant text */
    const ks_str *item;
    const ks_str *host;       /* source.host or NULL */
    const ks_object *related; /* may be NULL */
    bool by_name; /* the object is referred to by its name alone: no uid, no resourceVersion */
} ks_event;
void ks_record(ks_server *s, const ks_object *about, const ks_event *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for a constant format that has no other conversions than %s, one for each of the strings: it is not printed until somebody
 * looks. Events are one and the same if format and parts are: a message is always recorded by the same format.
 *     ks_record_parts(s, about, &event, "Pulling image \"%s\"", image); */
#define ks_record_parts(s, about, event, format, ...)                                              \
    ks_record_saying((s), (about), (event), (format), (const ks_str *const[]){__VA_ARGS__},        \
                     sizeof((const ks_str *const[]){__VA_ARGS__}) / sizeof(const ks_str *))
void ks_record_saying(ks_server *s, const ks_object *about, const ks_event *event,
                      const char *format, const ks_str *const *parts, uint32_t count);
/* The recorder of series (events.k8s.io) counts them in its memory, and writes what it counted when it looks them through: that belongs to
 * the component that records them, which calls ks_record_look_through() at the instant that ks_record_due() says (KS_NEVER: all is
 * written). One that starts anew knows of no series (ks_record_begin()). */
static inline int64_t ks_record_due(const ks_server *s) { return s->series.due; }
void ks_record_look_through(ks_server *s);
void ks_record_begin(ks_server *s);
/* What was recorded last about an object, in a series, has been said so many times more, at last then: nothing is written before the
 * recorder looks through. */
void ks_record_more(ks_server *s, uint64_t object, uint32_t times, int64_t last);
/* When it next writes all that it has counted. */
int64_t ks_record_refresh(const ks_server *s);

#endif
