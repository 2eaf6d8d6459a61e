/*
 * apiserver/internal.h - what the files of this room share: the steps of which the verbs are made.
 *
 * Unless said otherwise a step changes the document *doc in place (the caller keeps owning it, also
 * when the step refuses).
 */
#ifndef KS_APISERVER_INTERNAL_H
#define KS_APISERVER_INTERNAL_H

#include "apiserver/server.h"

/* A request on its way through the steps. */
typedef struct ks_request {
    ks_server *s;
    ks_heap *heap;
    ks_kind kind;
    const ks_kind_info *info;
    const char *subresource; /* NULL or "status" */
    bool trusted, whole, dry_run;
    ks_field_validation field_validation;
    ks_val *warnings;
    const char *manager; /* whose write managedFields record; NULL: nobody's */
    bool force;          /* apply: take over what others own */
    bool patches;        /* PATCH: a uid in the document is no precondition */
    bool from_stored; /* PATCH: the document was made of the stored version, and means that one */
    ks_val managed;   /* apply: managedFields as they are to be; else KS_NOTHING */
} ks_request;

ks_request ks_request_of(ks_server *s, ks_kind kind, const char *subresource,
                         const ks_write_opts *opts);

/* --- server.c --- */
/* The current second as the API shows it; a new uid: new references. */
ks_val ks_server__stamp(ks_server *s);
ks_val ks_server__uid(ks_server *s);
/* The uid of an object whose kind keeps none: it is told from the id, a new reference. */
ks_val ks_server__uid_of(const ks_world *world, uint64_t id);
/* Stores, announces, and hands out the new version where `out` is not NULL. Takes over `doc`. */
void ks_server__commit(ks_server *s, ks_kind kind, ks_val doc, const ks_object *old,
                       const ks_object **out);
/* The same in parts (store.h), for a new object of that kin; and for the next version of one, whichever way that was written. */
void ks_server__commit_new(ks_server *s, ks_kind kind, ks_parts parts, uint32_t kin,
                           const ks_object **out);
void ks_server__commit_next(ks_server *s, const ks_object *old, ks_parts parts,
                            const ks_object **out);
/* Stores a brief (taken over), `old` being the one before or NULL, and announces it if anybody listens. */
void ks_server__commit_brief(ks_server *s, ks_brief *brief, const ks_brief *old);
/* Removes from the store and announces. */
void ks_server__remove(ks_server *s, const ks_object *object);
/* A version that is not stored, for dry runs. Takes over `doc`. */
const ks_object *ks_server__unstored(ks_server *s, ks_kind kind, ks_val doc, const ks_object *old);
/* metadata.KEY := value, in place. */
void ks_meta_put(ks_heap *heap, ks_val *doc, const ks_str *key, ks_val value);
ks_val ks_meta_get(ks_val doc, const ks_str *key);
/* Does this list of texts hold that one? */
bool ks_has_text(ks_val list, const char *text);
/* 409 of optimistic locking. */
ks_refusal *ks_refuse_stale(ks_heap *heap, ks_kind kind, const ks_str *name);
/* 409: another object has the name of the one that was read (storage/interfaces.go: Preconditions.Check). */
ks_refusal *ks_refuse_replaced(ks_heap *heap, const ks_object *read, const ks_object *now);

/* What has been admitted before (server.c: memo). Entries are found by the identity of a shared
 * document part. */
typedef struct ks_memo {
    uint32_t refs;
    ks_val in, out, status;  /* a spec as it came, as it was admitted; the new object's status */
    ks_val meta, finalizers; /* metadata as it came, a claim's finalizers as admitted */
    const ks_str *ns;
    uint64_t ns_id;
    uint32_t kin; /* of its pods (store.h) */
} ks_memo;
const ks_memo *ks_memo_get(const ks_server *s, const void *identity, uint64_t what);
/* Takes over `memo` (refs 1). */
void ks_memo_put(ks_server *s, const void *identity, uint64_t what, ks_memo *memo);

/* --- fault.c: writes that fail because someone asked for faults --- */
typedef enum ks_fault {
    KS_FAULT_NONE,
    KS_FAULT_REFUSED, /* nothing is done */
    KS_FAULT_LOST     /* it is done, but the answer does not arrive */
} ks_fault;
ks_fault ks_server__fault(ks_server *s);
ks_refusal *ks_server__fail(ks_heap *heap, ks_fault fault);
/* The answer to a write that was done under a fault: `refusal` where there is one; else it is lost, and *out with it. */
ks_refusal *ks_server__lose(ks_heap *heap, ks_fault fault, ks_refusal *refusal,
                            const ks_object **out);

/* --- strategy.c: what each kind resets, fills and counts --- */
void ks_strategy_create(const ks_request *r, ks_val *doc);
/* Drops what the release does not take in pods and in templates (pod_fields.c). `old`: NULL for a new object. */
void ks_drop_pod_fields(const ks_request *r, ks_val *doc, const ks_object *old);
/* A new pod's AppArmor profiles, from annotations into fields (app_armor.c). */
void ks_app_armor_fields(const ks_request *r, ks_val *doc);
/* Label keys into selectors, and the condition of a gated pod (new_pod.c). */
void ks_prepare_pod(const ks_request *r, ks_val *doc);
/* Whether a pod of that spec, as it came, is not like another of that spec: it has labels of its own in it, or times. */
bool ks_prepared_alone(ks_val spec);
void ks_strategy_update(const ks_request *r, ks_val *doc, const ks_object *old);
bool ks_allows_unconditional_update(ks_kind kind);

/* --- admission.c --- */
ks_refusal *ks_admit_namespace(const ks_request *r, const ks_str *ns, ks_val doc);
ks_refusal *ks_admit_create(const ks_request *r, ks_val *doc);
ks_refusal *ks_admit_update(const ks_request *r, ks_val *doc, const ks_object *old);
/* From v1.35 on a pod on a node carries its zone and region: puts them into the metadata's labels. */
void ks_admit_topology(ks_server *s, const ks_str *node, ks_val *meta);
/* What is looked at after validation. */
ks_refusal *ks_admit_updated(const ks_request *r, ks_val doc, const ks_object *old);
/* The name that admission's texts show: the name, else generateName. Borrowed. */
const ks_str *ks_admission_name(ks_val doc);
/* The pod's quality of service: pkg/apis/core/v1/helper/qos/qos.go. */
const char *ks_pod_qos(ks_val spec);

/* --- limits.c --- */
void ks_limits_fill(const ks_request *r, ks_val *doc);
ks_refusal *ks_limits_check(const ks_request *r, ks_val doc, const ks_object *old);
/* --- quota.c --- */
/* Checks the namespace's quotas and counts the object in (status.used), unless it is a dry run.
 * `old` NULL: a new object. */
ks_refusal *ks_quota_admit(const ks_request *r, ks_val doc, const ks_object *old);

/* --- service_alloc.c --- */
/* Chooses addresses and node ports, and checks those that were asked for. `old` NULL: a new
 * Service. Nothing is taken before the Service is stored. */
ks_refusal *ks_service_allocate(const ks_request *r, ks_val *doc, const ks_object *old);
/* Gives back what `old` had and `doc` (KS_NOTHING: gone) has no more; takes what only `doc` has. */
void ks_service_settle(ks_server *s, ks_val doc, ks_val old);

/* --- quick_create.c --- */
/* The quick way for a pod or claim whose template has been admitted before. False: take the long way. */
bool ks_create_quickly(ks_server *s, ks_kind kind, const ks_str *ns, ks_val *doc,
                       const ks_object **out);
/* Remembers what the long way made (`doc`) of a pod or claim that came as `in`. */
void ks_create_remember(ks_server *s, ks_kind kind, ks_val in, ks_val doc);
/* Is this map the spec that pods made from one template share, as it was admitted? */
bool ks_create_shares(const ks_server *s, ks_val spec);

/* --- create.c --- */
/* The common half of POST and of applying what is not there: `doc` (taken over) is not decoded yet
 * unless r->trusted. */
ks_refusal *ks_create_with(const ks_request *r, const ks_str *ns, ks_val doc,
                           const ks_object **out);

/* --- apply.c --- */
/* Server-side apply; takes over `config`. r->manager is the applier. */
ks_refusal *ks_apply(ks_request *r, const ks_str *ns, const ks_str *name, ks_val config,
                     const ks_object **out);

/* --- update.c --- */
/* A resourceVersion as Go reads it. */
ks_refusal *ks_read_version(ks_heap *heap, const ks_str *text, uint64_t *version);
/* The common second half of PUT and PATCH: `doc` (taken over) is typed and defaulted. */
ks_refusal *ks_update_with(const ks_request *r, const ks_object *old, ks_val doc,
                           const ks_object **out);
/* Stores `doc` (taken over) over `old`; the object goes when its last finalizer has gone. */
void ks_update_store(const ks_request *r, const ks_object *old, ks_val doc, const ks_object **out);

/* --- record.c --- */
void ks_record_init(ks_server *s);
void ks_record_cache_drop(ks_server *s);
/* A Namespace was written: whether Events may be written into it is found out anew. */
void ks_record_namespace_changed(ks_server *s);
/* Forgets what has been recorded about an object that is gone. */
void ks_record_forget(ks_server *s, uint64_t object);

/* --- patch_*.c: each takes over both and gives *out; NULL when fine --- */
ks_refusal *ks_patch_json(ks_heap *heap, ks_val doc, ks_val patch, ks_val *out);
/* What the operations have beyond what operations have, in words; KS_NOTHING: nothing. */
ks_val ks_patch_json_unknown(ks_heap *heap, ks_val patch);
/* Whether a document that such a patch, or a merge patch, has made is of the kind that the request is about, by what it calls itself. *doc is
 * what of it is to be read then; what is not known appends to *unknown. patch_words.c. */
ks_refusal *ks_patch_words(const ks_request *r, ks_val *doc, ks_val *unknown);
ks_val ks_patch_merge(ks_heap *heap, ks_val doc, ks_val patch);
/* What applying a strategic patch leaves of it, as the server's messages show it: upstream takes out of it what it has done. A new
 * reference. */
ks_val ks_patch_spent(ks_heap *heap, ks_val original, ks_val patch);
ks_refusal *ks_patch_strategic(ks_heap *heap, const ks_type *type, ks_val doc, ks_val patch,
                               ks_val *out);
/* Merges two strategic patches into one, directives kept. */
ks_refusal *ks_patch_combine(ks_heap *heap, const ks_type *type, ks_val first, ks_val second,
                             ks_val *out);

/* What a field of a type is, for patches. */
typedef struct ks_patch_meta {
    const ks_type *type; /* of the struct, or of the list's items; NULL: free-form */
    bool merge, retain_keys;
    const ks_str *merge_key;
} ks_patch_meta;
ks_patch_meta ks_patch_meta_of(const ks_type *type, const ks_str *field);
/* Whether a patch of that map exchanges it. */
bool ks_patch_replaces(const ks_type *type, const ks_str *key);
bool ks_is_directive(const ks_str *key); /* begins with '$' */
/* The index of the item that has this value under `key` (`key` NULL: the item itself), or -1. */
int64_t ks_find_item(ks_val list, const ks_str *key, ks_val value);
/* Sorts `list` (taken over) by the positions in `order`; unknown ones as upstream's comparison
 * leaves them; elements with "$patch: delete" last. */
ks_val ks_sort_by(ks_heap *heap, ks_val list, ks_val order, const ks_str *merge_key);
/* Go's %v of a value, appended. */
void ks_print_go(ks_buf *out, ks_val v);

#endif
