/*
 * apiserver/update.c - PUT: of objects, of their status, of their scale; and the shorter ways for
 * components.
 *
 * k8s.io/apiserver/pkg/registry/generic/registry/store.go: Update; pkg/registry/rest/update.go:
 * BeforeUpdate.
 */
#include "apiserver/managed.h"
#include "doc/quote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- metadata --- */

ks_refusal *ks_read_version(ks_heap *heap, const ks_str *text, uint64_t *version) {
    const char *why = text->len == 0 ? "invalid syntax" : NULL;
    *version = 0;
    for (uint32_t i = 0; i < text->len && why == NULL; i++)
        if (text->s[i] < '0' || text->s[i] > '9') why = "invalid syntax";
    for (uint32_t i = 0; i < text->len && why == NULL; i++) {
        uint64_t digit = (uint64_t)(text->s[i] - '0');
        if (*version > (UINT64_MAX - digit) / 10)
            why = "value out of range";
        else
            *version = *version * 10 + digit;
    }
    if (why == NULL) return NULL;
    ks_buf shown = {.heap = heap};
    ks_buf_quote(&shown, text->s, text->len);
    ks_refusal *refusal =
        ks_refuse(heap, 500, "", "strconv.ParseUint: parsing %s: %s", shown.s, why);
    ks_buf_dispose(&shown);
    return refusal;
}

/* The document's resourceVersion against the stored one; drops it from the document. A nought says as little as none. */
static ks_refusal *check_version(const ks_request *r, ks_val *doc, const ks_object *old) {
    ks_val version = ks_meta_get(*doc, K(resourceVersion));
    const ks_str *text = ks_str_or_null(version);
    uint64_t number = 0;
    ks_refusal *refusal = NULL;
    if (text != NULL && text->len > 0) {
        refusal = ks_read_version(r->heap, text, &number);
        if (refusal == NULL && number != 0 && number != old->version)
            refusal = ks_refuse_stale(r->heap, r->kind, old->name);
    }
    if (refusal == NULL && number == 0 && !r->trusted && !ks_allows_unconditional_update(r->kind)) {
        ks_errors errors = {.heap = r->heap};
        size_t mark = ks_path_field(&errors, "metadata");
        ks_error_invalid(&errors, "resourceVersion", ks_int(0), "must be specified for an update");
        ks_path_back(&errors, mark);
        refusal = ks_errors_refuse(&errors, r->kind, old->name);
        ks_errors_dispose(&errors);
    }
    if (version.type != KS_NONE) ks_meta_put(r->heap, doc, K(resourceVersion), KS_NOTHING);
    return refusal;
}

/* The uid in what is written is a precondition; `old` is NULL where nothing is there. */
static ks_refusal *check_uid(const ks_request *r, ks_val doc, const ks_str *ns, const ks_str *name,
                             const ks_object *old) {
    const ks_str *uid = ks_str_or_null(ks_meta_get(doc, K(uid)));
    if (uid == NULL || uid->len == 0 || (old != NULL && ks_str_eq(uid, old->uid))) return NULL;
    ks_buf why = {.heap = r->heap};
    ks_buf_printf(&why,
                  "StorageError: invalid object, Code: 4, Key: %s/%s%s%s/%s, "
                  "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in "
                  "precondition: %s, UID in object meta: %s",
                  r->dry_run ? "" : "/registry", r->info->plural, ns != NULL ? "/" : "",
                  ns != NULL ? ns->s : "", name->s, uid->s, old != NULL ? old->uid->s : "");
    ks_refusal *refusal = ks_refuse_conflict(r->heap, r->kind, name, why.s);
    ks_buf_dispose(&why);
    return refusal;
}

static void keep(ks_heap *heap, ks_val *doc, const ks_object *old, const ks_str *key) {
    ks_val before = ks_get(old->meta, key), now = ks_meta_get(*doc, key);
    if (ks_equal(before, now) && before.type == now.type) return;
    ks_meta_put(heap, doc, key, ks_ref(before));
}

/* A list of one empty entry asks that nobody owns anything. */
static bool frees_fields(const ks_request *r, ks_val doc) {
    ks_val managed = ks_meta_get(doc, K(managedFields));
    if (r->trusted || r->subresource != NULL || ks_len(managed) != 1) return false;
    return ks_is(managed, KS_LIST) && ks_len(ks_at(managed, 0)) == 0;
}

/* Can it be read who owns what? (managedfields/internal/managedfields.go: DecodeManagedFields) */
static bool tells_owners(ks_val managed) {
    ks_each(entry, managed) {
        ks_val operation = ks_get(*entry, K(operation));
        if (!ks_text_is(operation, "Apply") && !ks_text_is(operation, "Update")) return false;
        if (*ks_text_or(ks_get(*entry, K(apiVersion)), "") == '\0') return false;
        if (!ks_text_is(ks_get(*entry, K(fieldsType)), "FieldsV1")) return false;
    }
    return ks_len(managed) > 0;
}

/* A writer may say himself who owns what (managedfields/internal/fieldmanager.go: decodeLiveOrNew). */
static void settle_owners(const ks_request *r, ks_val *doc, const ks_object *old) {
    if (frees_fields(r, *doc))
        ks_meta_put(r->heap, doc, K(managedFields), KS_NOTHING);
    else if (r->subresource != NULL || !tells_owners(ks_meta_get(*doc, K(managedFields))))
        keep(r->heap, doc, old, K(managedFields));
}

/* What clients cannot change. */
static void keep_system_fields(const ks_request *r, ks_val *doc, const ks_object *old) {
    ks_heap *heap = r->heap;
    if (!r->patches || *ks_text_or(ks_meta_get(*doc, K(uid)), "") == '\0')
        keep(heap, doc, old, K(uid));
    keep(heap, doc, old, K(creationTimestamp));
    keep(heap, doc, old, K(generation));
    ks_meta_put(heap, doc, K(selfLink), KS_NOTHING);
    settle_owners(r, doc, old);
    if (old->ns != NULL && !ks_exists(ks_meta_get(*doc, K(namespace))))
        keep(heap, doc, old, K(namespace));
    if (old->ns == NULL) ks_meta_put(heap, doc, K(namespace), KS_NOTHING);
    if (ks_object_terminating(old)) keep(heap, doc, old, K(deletionTimestamp));
    if (!ks_exists(ks_meta_get(*doc, K(deletionGracePeriodSeconds))))
        keep(heap, doc, old, K(deletionGracePeriodSeconds));
}

/* --- the end of all updates --- */

/* store.go: ShouldDeleteDuringUpdate; a namespace also waits for its own finalizers. */
static bool is_done(const ks_request *r, ks_val doc, const ks_object *old) {
    if (!ks_object_terminating(old)) return false;
    if (ks_len(ks_meta_get(doc, K(finalizers))) > 0) return false;
    if (r->kind == KS_NAMESPACE && ks_len(ks_get2(doc, K(spec), K(finalizers))) > 0) return false;
    return ks_int_or(ks_get(old->meta, K(deletionGracePeriodSeconds)), 0) == 0;
}

void ks_update_store(const ks_request *r, const ks_object *old, ks_val doc, const ks_object **out) {
    ks_server *s = r->s;
    if (ks_len(ks_meta_get(doc, K(finalizers))) == 0)
        ks_meta_put(r->heap, &doc, K(finalizers), KS_NOTHING);
    bool unchanged = ks_doc_is(old, doc), done = is_done(r, doc, old);
    if (!r->dry_run && !unchanged && !done) {
        ks_server__commit(s, r->kind, doc, old, out);
        return;
    }
    if (out != NULL)
        *out = unchanged ? ks_object_ref(old) : ks_server__unstored(s, r->kind, ks_ref(doc), old);
    ks_unref(r->heap, doc);
    if (done && !r->dry_run) ks_server__remove(s, old);
}

/* --- the common half of PUT and PATCH --- */

/* A patch that says nothing about metadata: it is the stored one, to the address. */
static bool keeps_meta(const ks_request *r, ks_val doc, const ks_object *old) {
    ks_val meta = ks_get(doc, K(metadata));
    return r->from_stored && ks_is(meta, KS_MAP) && ks_is(old->meta, KS_MAP) &&
           meta.m == old->meta.m;
}

/* Validation wants to see that a version was named; what is stored has none. */
static ks_refusal *validate(const ks_request *r, ks_val *doc, const ks_object *old) {
    bool named = !keeps_meta(r, *doc, old);
    if (named)
        ks_meta_put(r->heap, doc, K(resourceVersion),
                    ks_format(r->heap, "%llu", (unsigned long long)old->version));
    ks_refusal *refusal = ks_validate_update(r->heap, &r->s->rules, r->kind, *doc, ks_doc(old),
                                             r->subresource, !old->imported);
    if (named) ks_meta_put(r->heap, doc, K(resourceVersion), KS_NOTHING);
    return refusal;
}

static ks_refusal *examine(const ks_request *r, ks_val *doc, const ks_object *old) {
    ks_refusal *refusal = NULL;
    if (!keeps_meta(r, *doc, old)) {
        if (!r->patches) refusal = check_uid(r, *doc, old->ns, old->name, old);
        if (refusal == NULL) refusal = check_version(r, doc, old);
        if (refusal != NULL) return refusal;
        keep_system_fields(r, doc, old);
    }
    refusal = ks_admit_update(r, doc, old);
    if (refusal != NULL) return refusal;
    bool service = r->kind == KS_SERVICE && r->subresource == NULL;
    ks_strategy_update(r, doc, old);
    if (service) {
        refusal = ks_service_allocate(r, doc, old);
        if (refusal != NULL) return refusal;
    }
    refusal = validate(r, doc, old);
    if (refusal == NULL && r->subresource == NULL) {
        if (r->warnings != NULL)
            ks_warnings(r->heap, &r->s->rules, r->kind, *doc, ks_doc(old), r->warnings);
        refusal = ks_admit_updated(r, *doc, old);
        if (refusal == NULL) refusal = ks_limits_check(r, *doc, old);
        if (refusal == NULL) refusal = ks_quota_admit(r, *doc, old);
    }
    return refusal;
}

static void record_manager(const ks_request *r, ks_val *doc, const ks_object *old) {
    if (r->manager == NULL || r->trusted) return;
    ks_val managed = ks_ref(r->managed);
    if (managed.type == KS_NONE)
        managed = ks_managed_update(r, ks_meta_get(*doc, K(managedFields)), ks_doc(old), *doc);
    ks_meta_put(r->heap, doc, K(managedFields), managed);
}

ks_refusal *ks_update_with(const ks_request *r, const ks_object *old, ks_val doc,
                           const ks_object **out) {
    ks_object_ref(old);
    bool freed = frees_fields(r, doc);
    ks_refusal *refusal = examine(r, &doc, old);
    if (refusal == NULL && !r->trusted && !r->dry_run)
        doc = ks_as_stored(r->heap, r->info->type, doc, ks_doc(old));
    if (refusal == NULL && !freed) record_manager(r, &doc, old);
    if (refusal == NULL)
        ks_update_store(r, old, doc, out);
    else
        ks_unref(r->heap, doc);
    ks_object_unref(r->heap, old);
    return refusal;
}

/* What is there of that name is exchanged; of some kinds what is not there is made. Takes over `doc`. */
static ks_refusal *put(const ks_request *r, const ks_str *ns, const ks_str *name, ks_val doc,
                       const ks_object **out) {
    ks_refusal *refusal;
    const ks_object *old = ks_store_get(&r->s->store, r->kind, ns, name);
    if (old != NULL) return ks_update_with(r, old, doc, out);
    if (r->info->put_creates && r->subresource == NULL) {
        ks_meta_put(r->heap, &doc, K(resourceVersion), KS_NOTHING);
        refusal = check_uid(r, doc, ns, name, NULL);
        if (refusal == NULL) return ks_create_with(r, ns, doc, out);
    } else {
        refusal = ks_refuse_not_found(r->heap, r->kind, name);
    }
    ks_unref(r->heap, doc);
    return refusal;
}

static ks_refusal *update(ks_server *s, ks_kind kind, const ks_str *ns, ks_val doc,
                          const char *subresource, const ks_write_opts *opts,
                          const ks_object **out) {
    ks_request r = ks_request_of(s, kind, subresource, opts);
    if (out != NULL) *out = NULL;
    if (!r.trusted) {
        ks_val typed = KS_NOTHING;
        ks_refusal *refusal =
            ks_decode(s->heap, &s->rules, kind, doc, r.field_validation, r.warnings, &typed);
        if (refusal != NULL) return refusal;
        doc = ks_default(s->heap, &s->rules, kind, typed);
    }
    ks_refusal *refusal;
    const ks_str *name = ks_str_or_null(ks_meta_get(doc, K(name)));
    const ks_str *own = r.info->namespaced ? ks_str_or_null(ks_meta_get(doc, K(namespace))) : NULL;
    if (own != NULL && own->len > 0 && ns != NULL && !ks_str_eq(own, ns)) {
        refusal = ks_refuse_bad_request(s->heap, "the namespace of the provided object does not "
                                                 "match the namespace sent on the request");
    } else if (name != NULL && name->len > 0) {
        if (ns == NULL) ns = own != NULL ? own : K(default);
        return put(&r, r.info->namespaced ? ns : NULL, name, doc, out);
    } else {
        refusal = ks_refuse_bad_request(s->heap, "name is required");
    }
    ks_unref(s->heap, doc);
    return refusal;
}

ks_refusal *ks_server_update(ks_server *s, ks_kind kind, const ks_str *ns, ks_val doc,
                             const char *subresource, const ks_write_opts *opts,
                             const ks_object **out) {
    ks_fault fault = ks_server__fault(s);
    if (fault == KS_FAULT_REFUSED) {
        if (out != NULL) *out = NULL;
        ks_unref(s->heap, doc);
        return ks_server__fail(s->heap, fault);
    }
    uint32_t rate = s->fault_rate;
    s->fault_rate = 0; /* what admission writes belongs to this one request */
    ks_refusal *refusal = update(s, kind, ns, doc, subresource, opts, out);
    s->fault_rate = rate;
    return ks_server__lose(s->heap, fault, refusal, out);
}

/* --- for components: versions that they have read, parts that they own --- */

/* The uid in what is written is a precondition. */
ks_refusal *ks_refuse_replaced(ks_heap *heap, const ks_object *read, const ks_object *now) {
    const char *ns = read->ns == NULL ? "" : read->ns->s;
    ks_val why = ks_format(heap,
                           "StorageError: invalid object, Code: 4, Key: /registry/%s%s%s/%s, "
                           "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in "
                           "precondition: %s, UID in object meta: %s",
                           ks_kind_get(read->kind)->plural, *ns == '\0' ? "" : "/", ns,
                           read->name->s, read->uid->s, now->uid->s);
    ks_refusal *refusal = ks_refuse_conflict(heap, read->kind, read->name, why.s->s);
    ks_unref(heap, why);
    return refusal;
}

/* The stored version that `read` still is. */
static ks_refusal *current(ks_server *s, const ks_object *read, const ks_object **now) {
    *now = ks_store_by_id(&s->store, read->kind, read->id);
    if (*now == NULL) {
        const ks_object *other = ks_store_get(&s->store, read->kind, read->ns, read->name);
        return other != NULL ? ks_refuse_replaced(s->heap, read, other)
                             : ks_refuse_not_found(s->heap, read->kind, read->name);
    }
    if ((*now)->version != read->version) return ks_refuse_stale(s->heap, read->kind, read->name);
    return NULL;
}

/* `differs`: from the status that was read. */
static ks_refusal *update_status(ks_server *s, const ks_object *read, ks_val status, bool differs,
                                 const ks_object **out) {
    const ks_object *now;
    if (out != NULL) *out = NULL;
    ks_fault fault = ks_server__fault(s);
    if (fault == KS_FAULT_REFUSED) {
        ks_unref(s->heap, status);
        return ks_server__fail(s->heap, fault);
    }
    ks_refusal *refusal = current(s, read, &now);
    if (refusal != NULL || (!differs && ks_equal(status, now->status))) {
        ks_unref(s->heap, status);
        if (refusal == NULL && out != NULL) *out = ks_object_ref(now);
        return refusal;
    }
    if (now->kind == KS_PV && !ks_equal(ks_get(status, K(phase)), ks_get(now->status, K(phase))))
        status = ks_put(s->heap, status, K(lastPhaseTransitionTime), ks_server__stamp(s));
    const ks_parts parts = {ks_ref(now->meta), ks_ref(now->spec), status};
    ks_server__commit_next(s, now, parts, out);
    return ks_server__lose(s->heap, fault, NULL, out);
}

ks_refusal *ks_server_update_status(ks_server *s, const ks_object *read, ks_val status,
                                    const ks_object **out) {
    return update_status(s, read, status, false, out);
}

ks_refusal *ks_server_change_status(ks_server *s, const ks_object *read, ks_val status,
                                    const ks_object **out) {
    return update_status(s, read, status, true, out);
}

ks_refusal *ks_server_update_object(ks_server *s, const ks_object *read, ks_val doc,
                                    const ks_object **out) {
    const ks_object *now;
    if (out != NULL) *out = NULL;
    ks_fault fault = ks_server__fault(s);
    if (fault == KS_FAULT_REFUSED) {
        ks_unref(s->heap, doc);
        return ks_server__fail(s->heap, fault);
    }
    ks_refusal *refusal = current(s, read, &now);
    if (refusal != NULL) {
        ks_unref(s->heap, doc);
        return refusal;
    }
    static const ks_write_opts trusted = {.trusted = true};
    ks_request r = ks_request_of(s, now->kind, NULL, &trusted);
    if (ks_meta_get(doc, K(resourceVersion)).type != KS_NONE)
        ks_meta_put(s->heap, &doc, K(resourceVersion), KS_NOTHING);
    ks_strategy_update(&r, &doc, now);
    /* components keep to the rules by themselves, except that a StatefulSet tries to give volumes to a pod that it has adopted */
    if (now->kind == KS_POD && !ks_identical(ks_get(doc, K(spec)), now->spec))
        refusal = validate(&r, &doc, now);
    ks_object_ref(now);
    if (refusal == NULL)
        ks_update_store(&r, now, doc, out);
    else
        ks_unref(s->heap, doc);
    ks_object_unref(s->heap, now);
    return ks_server__lose(s->heap, fault, refusal, out);
}

/* Whether a claim of that metadata is stored as it comes. */
static bool is_plain_claim(const ks_object *now, ks_val meta) {
    return now->kind == KS_PVC && now->apart && !ks_object_terminating(now) &&
           ks_len(ks_get(meta, K(finalizers))) > 0 &&
           ks_get(meta, K(resourceVersion)).type == KS_NONE &&
           ks_get(meta, K(generation)).type == KS_NONE &&
           ks_get(now->meta, K(generation)).type == KS_NONE;
}

ks_refusal *ks_server_update_parts(ks_server *s, const ks_object *read, ks_val meta, ks_val spec,
                                   const ks_object **out) {
    const ks_object *now = ks_store_by_id(&s->store, read->kind, read->id);
    if (now == NULL || now->version != read->version || !is_plain_claim(now, meta) ||
        (ks_equal(meta, now->meta) && ks_equal(spec, now->spec))) {
        ks_val doc = ks_put(s->heap, ks_doc_ref(read), K(metadata), meta);
        return ks_server_update_object(s, read, ks_put(s->heap, doc, K(spec), spec), out);
    }
    if (out != NULL) *out = NULL;
    const ks_parts parts = {meta, spec, ks_ref(now->status)};
    ks_fault fault = ks_server__fault(s);
    if (fault == KS_FAULT_REFUSED) {
        ks_unref(s->heap, meta);
        ks_unref(s->heap, spec);
        ks_unref(s->heap, parts.status);
        return ks_server__fail(s->heap, fault);
    }
    ks_server__commit_next(s, now, parts, out);
    return ks_server__lose(s->heap, fault, NULL, out);
}

/* --- scale --- */

static ks_refusal *refuse_scale(ks_heap *heap, const ks_str *name, int64_t replicas) {
    ks_errors errors = {.heap = heap};
    size_t mark = ks_path_field(&errors, "spec");
    ks_error_invalid(&errors, "replicas", ks_int(replicas), "must be greater than or equal to 0");
    ks_path_back(&errors, mark);
    ks_val causes = errors.causes;
    errors.causes = KS_NOTHING;
    ks_errors_dispose(&errors);
    ks_refusal *refusal =
        ks_refuse(heap, 422, "Invalid",
                  "Scale.autoscaling \"%s\" is invalid: spec.replicas: Invalid value: %lld: must "
                  "be greater than or equal to 0",
                  name->s, (long long)replicas);
    refusal->name = ks_str_ref(name);
    refusal->kind = ks_str_of(heap, "Scale");
    refusal->group = ks_str_of(heap, "autoscaling");
    refusal->causes = causes;
    return refusal;
}

/* What a Scale has no room for. */
static ks_refusal *refuse_number(ks_heap *heap, int64_t replicas) {
    return ks_refuse(heap, 400, "BadRequest",
                     "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal "
                     "number %lld into Go struct field ScaleSpec.spec.replicas of type int32",
                     (long long)replicas);
}

ks_refusal *ks_server_scale(ks_server *s, ks_kind kind, const ks_str *ns, const ks_str *name,
                            int64_t replicas, ks_val *warnings, const ks_object **out) {
    if (out != NULL) *out = NULL;
    const ks_kind_info *info = ks_kind_get(kind);
    if (!info->has_scale)
        return ks_refuse(s->heap, 404, "NotFound",
                         "the server could not find the requested resource");
    const ks_object *old = ks_store_get(&s->store, kind, ns, name);
    if (old == NULL) return ks_refuse_not_found(s->heap, kind, name);
    if (replicas != (int32_t)replicas) return refuse_number(s->heap, replicas);
    if (replicas < 0) return refuse_scale(s->heap, name, replicas);
    ks_val doc = ks_put2(s->heap, ks_doc_ref(old), K(spec), K(replicas), ks_int(replicas));
    ks_val managed = ks_get(old->meta, K(managedFields));
    if (ks_exists(managed)) {
        ks_request r = ks_request_of(s, kind, "scale", NULL);
        r.manager = "kubectl";
        /* a Scale does not write a nought: nobody owns it */
        bool unwritten = replicas == 0 && ks_int_or(ks_get(old->spec, K(replicas)), 0) != 0;
        ks_val owned = ks_ref(doc);
        if (unwritten) owned = ks_put2(s->heap, owned, K(spec), K(replicas), KS_NOTHING);
        ks_meta_put(s->heap, &doc, K(managedFields),
                    ks_managed_update(&r, managed, ks_doc(old), owned));
        ks_unref(s->heap, owned);
    }
    const ks_object *now = NULL;
    ks_object_ref(old);
    ks_refusal *refusal = ks_server_update_object(s, old, doc, &now);
    if (now != NULL && warnings != NULL)
        ks_warnings(s->heap, &s->rules, kind, ks_doc(now), ks_doc(old), warnings);
    ks_object_unref(s->heap, old);
    if (out != NULL)
        *out = now;
    else if (now != NULL)
        ks_object_unref(s->heap, now);
    return refusal;
}
