/*
 * apiserver/create.c - POST: a new object, from the document to the store.
 *
 * k8s.io/apiserver/pkg/endpoints/handlers/create.go; registry/generic/registry/store.go: create;
 * registry/rest/create.go: BeforeCreate. The order of refusals is theirs: decoding (400), mutating
 * admission (403, 404), validation (422), limits and quota (403), the name being taken (409).
 */
#include "apiserver/managed.h"

#include <string.h>

enum { NAME_TRIES = 8, PREFIX_MAX = 58 };

/* --- metadata --- */

/* The request's namespace and the document's must agree. *where: borrowed from the document, NULL
 * for cluster-scoped kinds. */
static ks_refusal *settle_namespace(const ks_request *r, const ks_str *ns, ks_val *doc,
                                    const ks_str **where) {
    *where = NULL;
    const ks_str *own = ks_str_or_null(ks_meta_get(*doc, K(namespace)));
    if (!r->info->namespaced) {
        ks_meta_put(r->heap, doc, K(namespace), KS_NOTHING);
        return NULL;
    }
    if (ns == NULL) ns = own != NULL && own->len > 0 ? own : K(default);
    if (own == NULL || own->len == 0)
        ks_meta_put(r->heap, doc, K(namespace), ks_string(ns));
    else if (!ks_str_eq(own, ns))
        return ks_refuse_bad_request(r->heap, "the namespace of the provided object does not match "
                                              "the namespace sent on the request");
    *where = ks_str_or_null(ks_meta_get(*doc, K(namespace)));
    return NULL;
}

/* What clients cannot set. */
static void wipe_system_fields(ks_heap *heap, ks_val *doc) {
    const ks_str *const keys[] = {K(uid),
                                  K(resourceVersion),
                                  K(creationTimestamp),
                                  K(deletionTimestamp),
                                  K(deletionGracePeriodSeconds),
                                  K(selfLink),
                                  K(managedFields)};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        ks_meta_put(heap, doc, keys[i], KS_NOTHING);
    ks_val finalizers = ks_meta_get(*doc, K(finalizers));
    if (finalizers.type == KS_LIST && ks_len(finalizers) == 0)
        ks_meta_put(heap, doc, K(finalizers), KS_NOTHING);
}

/* AS/storage/names/generate.go. */
static void generate_name(const ks_request *r, ks_val *doc, const ks_str *prefix) {
    char suffix[6];
    ks_random_suffix(r->s->world, suffix, 5);
    uint32_t len = prefix->len < PREFIX_MAX ? prefix->len : PREFIX_MAX;
    ks_buf name = {.heap = r->heap};
    ks_buf_add(&name, prefix->s, len);
    ks_buf_add(&name, suffix, 5);
    ks_meta_put(r->heap, doc, K(name), ks_string_take(ks_buf_take(&name)));
}

static bool is_named(ks_val doc) {
    const ks_str *name = ks_str_or_null(ks_meta_get(doc, K(name)));
    return name != NULL && name->len > 0;
}

/* --- the name is taken --- */

static ks_refusal *refuse_taken(const ks_request *r, const ks_object *there, bool generated) {
    ks_heap *heap = r->heap;
    ks_refusal *refusal = ks_refuse_exists(heap, r->kind, there->name);
    const ks_str *message = refusal->message;
    if (generated) {
        refusal->message = ks_str_printf(
            heap, "%s, the server was not able to generate a unique name for the object",
            message->s);
        refusal->retry_after = 1;
    } else if (ks_object_terminating(there)) {
        refusal->message = ks_str_printf(heap, "object is being deleted: %s", message->s);
    } else {
        return refusal;
    }
    ks_str_unref(heap, message);
    return refusal;
}

/* --- the way --- */

/* Everything between the name and the store. */
static ks_refusal *examine(const ks_request *r, ks_val *doc) {
    ks_server *s = r->s;
    bool service = r->kind == KS_SERVICE;
    ks_meta_put(r->heap, doc, K(uid), ks_server__uid(s));
    ks_meta_put(r->heap, doc, K(creationTimestamp), ks_server__stamp(s));
    ks_strategy_create(r, doc);
    ks_refusal *refusal = service ? ks_service_allocate(r, doc, NULL) : NULL;
    if (refusal != NULL) return refusal;
    refusal = ks_validate_create(r->heap, &s->rules, r->kind, *doc);
    if (refusal == NULL) {
        if (r->warnings != NULL)
            ks_warnings(r->heap, &s->rules, r->kind, *doc, KS_NOTHING, r->warnings);
        refusal = ks_limits_check(r, *doc, NULL);
    }
    return refusal;
}

/* Counts the object in, looks for the name, stores it. */
static ks_refusal *store(const ks_request *r, ks_val *doc, const ks_str *ns, bool generated,
                         const ks_object **out) {
    ks_server *s = r->s;
    /* Counting in comes before the look for the name: where that is taken, the count stays too high until the
     * quota controller counts again. */
    ks_refusal *refusal = ks_quota_admit(r, *doc, NULL);
    if (refusal != NULL) return refusal;
    const ks_object *there =
        ks_store_get(&s->store, r->kind, ns, ks_str_or_null(ks_meta_get(*doc, K(name))));
    if (there != NULL) return refuse_taken(r, there, generated);
    if (!r->dry_run)
        ks_server__commit(s, r->kind, ks_ref(*doc), NULL, out);
    else if (out != NULL)
        *out = ks_server__unstored(s, r->kind, ks_ref(*doc), NULL);
    return NULL;
}

/* Who owns what the document says: metadata.managedFields. */
static void record_manager(const ks_request *r, ks_val *doc) {
    if (r->manager == NULL || r->trusted) return;
    ks_val managed = ks_ref(r->managed);
    if (managed.type == KS_NONE) {
        ks_val owned = ks_drop(r->heap, ks_ref(*doc), K(status));
        managed = ks_managed_update(r, KS_NOTHING, KS_NOTHING, owned);
        ks_unref(r->heap, owned);
    }
    ks_meta_put(r->heap, doc, K(managedFields), managed);
}

static ks_refusal *create(const ks_request *r, const ks_str *ns, ks_val *doc,
                          const ks_object **out) {
    ks_server *s = r->s;
    const ks_str *where;
    ks_refusal *refusal = settle_namespace(r, ns, doc, &where);
    if (refusal != NULL) return refusal;
    wipe_system_fields(r->heap, doc);
    record_manager(r, doc);
    refusal = ks_admit_namespace(r, where, *doc);
    if (refusal == NULL) refusal = ks_admit_create(r, doc);
    if (refusal != NULL) return refusal;
    const ks_str *prefix = ks_str_or_null(ks_meta_get(*doc, K(generateName)));
    bool generated = !is_named(*doc) && prefix != NULL && prefix->len > 0;
    if (generated) {
        generate_name(r, doc, prefix);
        for (int i = 1; i < NAME_TRIES; i++) {
            const ks_str *name = ks_str_or_null(ks_meta_get(*doc, K(name)));
            if (ks_store_get(&s->store, r->kind, where, name) == NULL) break;
            generate_name(r, doc, prefix);
        }
    }
    refusal = examine(r, doc);
    if (refusal != NULL) return refusal;
    if (!r->trusted && !r->dry_run) *doc = ks_as_stored(r->heap, r->info->type, *doc, KS_NOTHING);
    where = r->info->namespaced ? ks_str_or_null(ks_meta_get(*doc, K(namespace))) : NULL;
    return store(r, doc, where, generated, out);
}

/* A volume or an attachment that needs no looking at (ks_write_opts: whole): only the name may be taken. */
static ks_refusal *create_whole(const ks_request *r, ks_val doc, const ks_object **out) {
    ks_server *s = r->s;
    ks_val meta = ks_get(doc, K(metadata));
    const ks_object *there =
        ks_store_get(&s->store, r->kind, NULL, ks_str_or_null(ks_get(meta, K(name))));
    if (there != NULL) {
        ks_unref(r->heap, doc);
        return refuse_taken(r, there, false);
    }
    const ks_pair more[] = {{K(creationTimestamp), ks_server__stamp(s)},
                            {K(uid), ks_server__uid(s)}};
    const ks_parts parts = {ks_put_all(r->heap, ks_take(doc, K(metadata)), more, 2),
                            ks_take(doc, K(spec)), ks_take(doc, K(status))};
    ks_unref(r->heap, doc);
    ks_server__commit_new(s, r->kind, parts, 0, out);
    return NULL;
}

ks_refusal *ks_create_with(const ks_request *r, const ks_str *ns, ks_val doc,
                           const ks_object **out) {
    ks_server *s = r->s;
    if (r->whole) return create_whole(r, doc, out);
    ks_val in = KS_NOTHING;
    bool templated = r->trusted && (r->kind == KS_POD || r->kind == KS_PVC) && !r->dry_run;
    if (templated) {
        if (ks_create_quickly(s, r->kind, ns, &doc, out)) return NULL;
        in = ks_ref(doc);
    }
    if (!r->trusted) {
        ks_val typed = KS_NOTHING;
        ks_refusal *refusal =
            ks_decode(s->heap, &s->rules, r->kind, doc, r->field_validation, r->warnings, &typed);
        if (refusal != NULL) return refusal;
        doc = typed;
    }
    doc = ks_default(s->heap, &s->rules, r->kind, doc);
    ks_refusal *refusal = create(r, ns, &doc, out);
    if (refusal == NULL && templated) ks_create_remember(s, r->kind, in, doc);
    ks_unref(s->heap, in);
    ks_unref(s->heap, doc);
    return refusal;
}

ks_refusal *ks_server_create(ks_server *s, ks_kind kind, const ks_str *ns, ks_val doc,
                             const ks_write_opts *opts, const ks_object **out) {
    ks_request r = ks_request_of(s, kind, NULL, opts);
    ks_fault fault = ks_server__fault(s);
    if (out != NULL) *out = NULL;
    if (fault == KS_FAULT_REFUSED) {
        ks_unref(s->heap, doc);
        return ks_server__fail(s->heap, fault);
    }
    uint32_t rate = s->fault_rate;
    s->fault_rate = 0; /* what admission writes belongs to this one request */
    ks_refusal *refusal = ks_create_with(&r, ns, doc, out);
    s->fault_rate = rate;
    return ks_server__lose(s->heap, fault, refusal, out);
}

/* --- importing --- */

ks_refusal *ks_server_import(ks_server *s, ks_kind kind, const ks_str *ns, ks_val doc,
                             const ks_write_opts *opts, const ks_object **out) {
    ks_request r = ks_request_of(s, kind, NULL, opts);
    ks_val typed = KS_NOTHING;
    ks_refusal *refusal = NULL;
    if (out != NULL) *out = NULL;
    if (!r.whole) {
        refusal = ks_decode(s->heap, &s->rules, kind, doc, r.field_validation, r.warnings, &typed);
        if (refusal != NULL) return refusal;
        doc = ks_default(s->heap, &s->rules, kind, typed);
    }
    const ks_str *where;
    refusal = settle_namespace(&r, ns, &doc, &where);
    if (refusal == NULL && !is_named(doc))
        refusal = ks_refuse_bad_request(s->heap, "name is required");
    if (refusal == NULL) {
        const ks_object *there =
            ks_store_get(&s->store, kind, where, ks_str_or_null(ks_meta_get(doc, K(name))));
        if (there != NULL) refusal = refuse_taken(&r, there, false);
    }
    if (refusal != NULL) {
        ks_unref(s->heap, doc);
        return refusal;
    }
    ks_meta_put(s->heap, &doc, K(resourceVersion), KS_NOTHING);
    if (!ks_exists(ks_meta_get(doc, K(uid))))
        ks_meta_put(s->heap, &doc, K(uid), ks_server__uid(s));
    else
        ks_store_doubt_owners(&s->store);
    if (!ks_exists(ks_meta_get(doc, K(creationTimestamp))))
        ks_meta_put(s->heap, &doc, K(creationTimestamp), ks_server__stamp(s));
    if (r.dry_run) {
        if (out != NULL) *out = ks_server__unstored(s, kind, ks_ref(doc), NULL);
        ks_unref(s->heap, doc);
    } else {
        const ks_object *stored;
        ks_server__commit(s, kind, doc, NULL, &stored);
        ((ks_object *)stored)->imported = true; /* nobody has looked at it yet */
        if (out != NULL)
            *out = stored;
        else
            ks_object_unref(s->heap, stored);
    }
    return NULL;
}
