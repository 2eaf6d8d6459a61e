/*
 * apiserver/delete.c - DELETE: grace, finalizers, propagation, namespaces.
 *
 * k8s.io/apiserver/pkg/registry/generic/registry/store.go: Delete,
 * deletionFinalizersForGarbageCollection, markAsDeleting; pkg/registry/rest/delete.go:
 * BeforeDelete; pkg/registry/core/pod/strategy.go: CheckGracefulDelete;
 * pkg/registry/core/namespace/storage/storage.go: Delete.
 */
#include "api/values.h"
#include "apiserver/internal.h"

#include <string.h>

/* A deletion on its way. */
typedef struct deletion {
    ks_server *s;
    ks_heap *heap;
    const ks_object *old;
    const ks_delete_opts *opts;
    ks_val meta;   /* becomes the next version's */
    ks_val status; /* the same; KS_NOTHING: it stays */
    bool graceful; /* the doc has been marked by the kind's rule */
    bool pending;  /* being deleted already: nothing to do */
    int64_t grace; /* seconds, when graceful */
} deletion;

/* --- preconditions --- */

static ks_refusal *refuse_precondition(const deletion *d, const char *what) {
    ks_heap *heap = d->heap;
    const ks_kind_info *info = ks_kind_get(d->old->kind);
    ks_refusal *refusal =
        ks_refuse(heap, 409, "Conflict", "Operation cannot be fulfilled on %s \"%s\": %s",
                  info->name, d->old->name->s, what);
    refusal->name = ks_str_ref(d->old->name);
    refusal->kind = ks_str_of(heap, info->name);
    return refusal;
}

static ks_refusal *check_preconditions(const deletion *d) {
    ks_buf why = {.heap = d->heap};
    if (d->opts->uid != NULL && !ks_str_eq(d->opts->uid, d->old->uid))
        ks_buf_printf(&why,
                      "the UID in the precondition (%s) does not match the UID in record (%s). The "
                      "object might have been deleted and then recreated",
                      d->opts->uid->s, d->old->uid->s);
    else if (d->opts->version != 0 && d->opts->version != d->old->version)
        ks_buf_printf(&why,
                      "the ResourceVersion in the precondition (%llu) does not match the "
                      "ResourceVersion in record (%llu). The object might have been modified",
                      (unsigned long long)d->opts->version, (unsigned long long)d->old->version);
    if (why.s == NULL) return NULL;
    ks_refusal *refusal = refuse_precondition(d, why.s);
    ks_buf_dispose(&why);
    return refusal;
}

/* --- grace --- */

static void put(deletion *d, const ks_str *key, ks_val value) {
    if (value.type == KS_NONE && ks_get(d->meta, key).type == KS_NONE) return;
    d->meta = ks_put(d->heap, d->meta, key, value);
}

/* When it is to go, and after how many seconds: in one copy of the metadata. `counts`: its generation counts that up. */
static void put_end(deletion *d, ks_val when, int64_t grace, bool counts) {
    int64_t generation = ks_int_or(ks_get(d->old->meta, K(generation)), 0);
    const ks_pair ends[] = {
        {K(deletionGracePeriodSeconds), ks_int(grace)},
        {K(deletionTimestamp), when},
        {K(generation), ks_int(generation + 1)},
    };
    uint32_t count = counts && generation > 0 ? 3 : 2;
    d->meta = ks_put_all(d->heap, d->meta, ends, count);
}

/* A second deletion may only shorten the grace. */
static void shorten(deletion *d, int64_t asked) {
    int64_t now = d->s->world->now, before;
    ks_val given = ks_get(d->old->meta, K(deletionGracePeriodSeconds));
    before = ks_int_or(given, 0);
    if (before == 0) return; /* only finalizers hold it, and they may still be exchanged */
    if (asked < 0 || asked >= before) {
        d->pending = true;
        return;
    }
    int64_t when = d->old->deleting - ks_seconds(before - asked);
    d->grace = asked;
    if (asked != 0 && when < now) {
        when = now;
        d->grace = 1;
    }
    put_end(d, ks_time_val(d->s->world, when), d->grace, false);
    d->graceful = true;
}

static bool is_over(const ks_object *pod) { return pod->phase == 'F' || pod->phase == 'S'; }

/* Only pods have a grace period. */
static void begin(deletion *d) {
    const ks_object *old = d->old;
    int64_t asked = d->opts->grace_period;
    if (asked < -1) asked = 1;
    if (old->kind != KS_POD) return;
    if (ks_object_terminating(old)) {
        shorten(d, asked);
        return;
    }
    int64_t grace =
        asked >= 0 ? asked : ks_int_or(ks_get(old->spec, K(terminationGracePeriodSeconds)), 0);
    if (old->node == NULL || is_over(old)) grace = 0;
    if (grace < 0) grace = 1;
    int64_t when = ks_after(d->s->world->now, ks_seconds(grace));
    put_end(d, ks_time_val(d->s->world, when), grace, true);
    d->graceful = true;
    d->grace = grace;
}

/* markAsDeleting: for kinds without grace whose finalizers keep them. */
static void mark(deletion *d) {
    int64_t now = d->s->world->now;
    bool sooner = !ks_object_terminating(d->old) || d->old->deleting > now;
    bool counts = !ks_exists(ks_get(d->old->meta, K(deletionGracePeriodSeconds)));
    put_end(d, sooner ? ks_server__stamp(d->s) : ks_ref(ks_get(d->old->meta, K(deletionTimestamp))),
            0, counts);
}

/* --- propagation --- */

/* What is to become of dependents: the request says, else finalizers that are there. */
static ks_propagation effective(const deletion *d) {
    ks_val finalizers = ks_get(d->old->meta, K(finalizers));
    if (d->old->kind == KS_EVENT) return KS_BACKGROUND;
    if (d->opts->propagation != KS_PROPAGATE_DEFAULT) return d->opts->propagation;
    ks_each(f, finalizers) {
        if (ks_text_is(*f, "orphan")) return KS_ORPHAN;
        if (ks_text_is(*f, "foregroundDeletion")) return KS_FOREGROUND;
    }
    return KS_BACKGROUND;
}

static void set_finalizers(deletion *d) {
    ks_val before = ks_get(d->old->meta, K(finalizers));
    if (!ks_exists(before) && d->opts->propagation <= KS_BACKGROUND) return;
    ks_propagation propagation = effective(d);
    bool orphan = ks_has_text(before, "orphan"), wait = ks_has_text(before, "foregroundDeletion");
    if (orphan == (propagation == KS_ORPHAN) && wait == (propagation == KS_FOREGROUND)) return;
    ks_val after = ks_list_new(d->heap, ks_len(before) + 1);
    ks_each(f, before) {
        if (!ks_text_is(*f, "orphan") && !ks_text_is(*f, "foregroundDeletion"))
            after = ks_append(d->heap, after, ks_ref(*f));
    }
    if (propagation == KS_ORPHAN) after = ks_append(d->heap, after, ks_string(K(orphan)));
    if (propagation == KS_FOREGROUND)
        after = ks_append(d->heap, after, ks_string(K(foregroundDeletion)));
    if (ks_len(after) == 0) {
        ks_unref(d->heap, after);
        after = KS_NOTHING;
    }
    put(d, K(finalizers), after);
}

/* --- the ways it ends --- */

/* The next version as a document; takes over its parts. */
static ks_val next_doc(deletion *d) {
    ks_val doc = ks_put(d->heap, ks_doc_ref(d->old), K(metadata), d->meta);
    d->meta = KS_NOTHING;
    if (ks_exists(d->status)) doc = ks_put(d->heap, doc, K(status), d->status);
    d->status = KS_NOTHING;
    return doc;
}

/* Stores the next version, unless it is the same; it stays (*out). Takes over the parts. */
static void keep(deletion *d, const ks_object **out) {
    const ks_object *old = d->old;
    bool changed = d->graceful || ks_exists(d->status) || !ks_equal(d->meta, old->meta);
    if (!changed) {
        if (out != NULL) *out = ks_object_ref(old);
    } else if (d->opts->dry_run) {
        if (out != NULL) *out = ks_server__unstored(d->s, old->kind, next_doc(d), old);
    } else if (old->apart) {
        const ks_parts parts = {d->meta, ks_ref(old->spec), ks_ref(old->status)};
        d->meta = KS_NOTHING;
        ks_server__commit_next(d->s, old, parts, out);
    } else {
        ks_server__commit(d->s, old->kind, next_doc(d), old, out);
    }
}

/* Removes the object. A graceful kind shows its last version first. */
static void finish(deletion *d) {
    if (d->opts->dry_run) return;
    if (!d->graceful) {
        ks_server__remove(d->s, d->old);
        return;
    }
    const ks_object *last = NULL;
    uint64_t id = d->old->id;
    ks_kind kind = d->old->kind;
    ks_store_ask_leaving(&d->s->store, d->old);
    keep(d, &last);
    ks_object_unref(d->heap, last);
    /* whoever watches may have removed it meanwhile */
    const ks_object *now = ks_store_by_id(&d->s->store, kind, id);
    if (now == NULL) return;
    ks_object_ref(now);
    ks_server__remove(d->s, now);
    ks_object_unref(d->heap, now);
}

/* --- namespaces --- */

/* A namespace stays, Terminating, until its own finalizers are gone. True when it is kept. */
static bool keep_namespace(deletion *d, const ks_object **out) {
    bool waits = ks_len(ks_get(d->old->spec, K(finalizers))) > 0;
    if (ks_object_terminating(d->old)) {
        if (waits) keep(d, out);
        return waits;
    }
    put(d, K(deletionTimestamp), ks_server__stamp(d->s));
    ks_val phase = ks_text(d->heap, "Terminating");
    d->status = ks_put(d->heap, ks_ref(d->old->status), K(phase), phase);
    set_finalizers(d);
    if (!waits && ks_len(ks_get(d->meta, K(finalizers))) == 0) return false;
    keep(d, out);
    return true;
}

static ks_refusal *check_namespace(const deletion *d) {
    const ks_object *old = d->old;
    if (!ks_str_is(old->name, "default") && !ks_str_is(old->name, "kube-system") &&
        !ks_str_is(old->name, "kube-public"))
        return NULL;
    return ks_refuse_forbidden(d->heap, old->kind, old->name, "this namespace may not be deleted");
}

/* --- the door --- */

static void delete_now(deletion *d, const ks_object **out) {
    if (d->old->kind == KS_NAMESPACE && keep_namespace(d, out)) return;
    begin(d);
    if (d->pending) {
        keep(d, out);
        return;
    }
    if (d->old->kind != KS_NAMESPACE) set_finalizers(d);
    bool held = ks_len(ks_get(d->meta, K(finalizers))) > 0;
    if (held && !d->graceful) mark(d);
    if (held || (d->graceful && d->grace > 0))
        keep(d, out);
    else
        finish(d);
}

static ks_refusal *delete_object(ks_server *s, ks_kind kind, const ks_str *ns, const ks_str *name,
                                 const ks_delete_opts *opts, const ks_object **out) {
    static const ks_delete_opts defaults = {.grace_period = -1};
    if (out != NULL) *out = NULL;
    const ks_object *old = NULL;
    if (opts != NULL && opts->read != NULL) old = ks_store_by_id(&s->store, kind, opts->read->id);
    if (old == NULL)
        old = ks_store_get(&s->store, kind, ks_kind_get(kind)->namespaced ? ns : NULL, name);
    if (old == NULL) return ks_refuse_not_found(s->heap, kind, name);
    deletion d = {.s = s,
                  .heap = s->heap,
                  .old = ks_object_ref(old),
                  .opts = opts != NULL ? opts : &defaults};
    ks_refusal *refusal = check_preconditions(&d);
    if (refusal == NULL && kind == KS_NAMESPACE) refusal = check_namespace(&d);
    if (refusal == NULL) {
        d.meta = ks_ref(old->meta);
        delete_now(&d, out);
    }
    ks_unref(s->heap, d.meta);
    ks_unref(s->heap, d.status);
    ks_object_unref(s->heap, d.old);
    return refusal;
}

ks_refusal *ks_server_delete(ks_server *s, ks_kind kind, const ks_str *ns, const ks_str *name,
                             const ks_delete_opts *opts, const ks_object **out) {
    ks_fault fault = ks_server__fault(s);
    if (fault != KS_FAULT_REFUSED)
        return ks_server__lose(s->heap, fault, delete_object(s, kind, ns, name, opts, out), out);
    if (out != NULL) *out = NULL;
    return ks_server__fail(s->heap, fault);
}
