/*
 * apiserver/quick_create.c - the quick way for pods and claims that controllers make from one template.
 *
 * Ten thousand pods of one ReplicaSet share one spec: it is defaulted, validated and admitted once,
 * with the first of them, and what came out is kept by the identity of the template's list of
 * containers (which the memo holds, so that it cannot be reused for another). Pods of a StatefulSet
 * differ in hostname, subdomain and volumes only: these are put into the kept spec. They share the
 * name of the volume with the service account's token, too. Its claims share the whole spec of their
 * template, and differ in their names.
 *
 * Called by create.c for trusted writers. Where anything is unusual (limits, quotas, a missing
 * namespace, a name that is taken or too long), the long way is taken, which also words the
 * refusal.
 */
#include "api/values.h"
#include "apiserver/internal.h"

#include <string.h>

enum { MEMO_POD = 2, MEMO_CLAIM, MEMO_SPEC, LABEL_MAX = 63, PREFIX_LEN = 58 };

/* What a controller sets for one pod. */
static bool is_own(const ks_str *key) {
    return key == K(hostname) || key == K(subdomain) || key == K(volumes);
}

/* Are two specs alike but for each pod's own members? */
static bool alike(ks_val a, ks_val b) {
    uint32_t i = 0, j = 0, na = ks_len(a), nb = ks_len(b);
    while (i < na || j < nb) {
        if (i < na && is_own(ks_pair_at(a, i)->key)) {
            i++;
        } else if (j < nb && is_own(ks_pair_at(b, j)->key)) {
            j++;
        } else {
            if (i >= na || j >= nb) return false;
            const ks_pair *x = ks_pair_at(a, i++), *y = ks_pair_at(b, j++);
            if (x->key != y->key || !ks_equal(x->val, y->val)) return false;
        }
    }
    return true;
}

static bool same_labels(ks_val a, ks_val b) {
    if (ks_is(a, KS_MAP) && ks_identical(a, b)) return true;
    uint32_t n = ks_len(a);
    if (n != ks_len(b)) return false;
    for (uint32_t i = 0; i < n; i++) {
        const ks_pair *x = ks_pair_at(a, i), *y = ks_pair_at(b, i);
        if (x->key != y->key || (!ks_is_own_label(x->key) && !ks_equal(x->val, y->val)))
            return false;
    }
    return true;
}

/* Do volumes differ in what they say of claims alone? */
static bool same_volumes(ks_val a, ks_val b) {
    uint32_t n = ks_len(a);
    if (n != ks_len(b)) return false;
    for (uint32_t i = 0; i < n; i++) {
        ks_val x = ks_at(a, i), y = ks_at(b, i);
        if (ks_identical(x, y)) continue;
        bool claims = ks_exists(ks_get(x, K(persistentVolumeClaim))) &&
                      ks_exists(ks_get(y, K(persistentVolumeClaim)));
        if (!claims && !ks_equal(x, y)) return false;
    }
    return true;
}

/* The number of the memo's pods, if one that came like that is of them, too; else 0. */
static uint32_t kin_of(const ks_memo *memo, ks_val meta, ks_val spec) {
    bool kin = same_labels(ks_get(memo->meta, K(labels)), ks_get(meta, K(labels))) &&
               (memo->in.m == spec.m ||
                same_volumes(ks_get(memo->in, K(volumes)), ks_get(spec, K(volumes))));
    return kin ? memo->kin : 0;
}

/* The kept spec with the own members of `spec`: a new reference. */
static ks_val dress(ks_heap *heap, const ks_memo *memo, ks_val spec) {
    if (memo->in.m == spec.m) return ks_ref(memo->out);
    ks_val out = ks_ref(memo->out), volumes = ks_ref(ks_get(spec, K(volumes)));
    ks_val before = ks_get(memo->in, K(volumes)), after = ks_get(memo->out, K(volumes));
    for (uint32_t i = ks_len(before); i < ks_len(after); i++)
        volumes = ks_append(heap, volumes, ks_ref(ks_at(after, i)));
    const ks_pair own[] = {{K(hostname), ks_ref(ks_get(spec, K(hostname)))},
                           {K(subdomain), ks_ref(ks_get(spec, K(subdomain)))},
                           {K(volumes), volumes}};
    ks_pair more[3];
    uint32_t n = 0;
    for (int i = 0; i < 3; i++) {
        if (own[i].val.type == KS_NONE)
            out = ks_drop(heap, out, own[i].key);
        else
            more[n++] = own[i];
    }
    return ks_put_all_and(heap, out, more, n, 1); /* it will be bound: nodeName */
}

/* Can metadata that a controller made from a valid template be wrong? Only by length. */
static bool is_plain(ks_val meta) {
    ks_val labels = ks_get(meta, K(labels));
    for (uint32_t i = 0; i < ks_len(labels); i++) {
        ks_val value = ks_pair_at(labels, i)->val;
        if (value.type != KS_STRING || value.s->len > LABEL_MAX) return false;
    }
    const ks_str *name = ks_str_or_null(ks_get(meta, K(name)));
    return name == NULL || name->len <= LABEL_MAX;
}

/* Is the namespace that the memo was made in still there, and to stay? */
static bool is_active(const ks_server *s, const ks_memo *memo) {
    const ks_object *ns = ks_store_by_id(&s->store, KS_NAMESPACE, memo->ns_id);
    return ns != NULL && ks_str_eq(ns->name, memo->ns) && !ks_object_terminating(ns);
}

/* A name that is free, as a new reference; none: NULL. */
static const ks_str *free_name(ks_server *s, ks_kind kind, const ks_str *ns, ks_val meta) {
    const ks_str *name = ks_str_or_null(ks_get(meta, K(name)));
    if (name != NULL && name->len > 0)
        return ks_store_get(&s->store, kind, ns, name) == NULL ? ks_str_ref(name) : NULL;
    const ks_str *prefix = ks_str_or_null(ks_get(meta, K(generateName)));
    if (prefix == NULL || prefix->len == 0) return NULL;
    char text[PREFIX_LEN + 6];
    uint32_t len = prefix->len < PREFIX_LEN ? prefix->len : PREFIX_LEN;
    memcpy(text, prefix->s, len);
    for (int i = 0; i < 8; i++) {
        ks_random_suffix(s->world, text + len, 5);
        name = ks_str_new(s->heap, text, len + 5);
        if (ks_store_get(&s->store, kind, ns, name) == NULL) return name;
        ks_str_unref(s->heap, name);
    }
    return NULL;
}

/* What the server adds to a new object's metadata, in key order; takes over `meta` and `name`. */
static ks_val new_meta(ks_server *s, ks_val meta, const ks_str *ns, const ks_str *name,
                       ks_val finalizers, bool generation) {
    ks_pair more[6];
    uint32_t n = 0;
    more[n++] = (ks_pair){K(creationTimestamp), ks_server__stamp(s)};
    if (ks_exists(finalizers)) more[n++] = (ks_pair){K(finalizers), finalizers};
    if (generation) more[n++] = (ks_pair){K(generation), ks_int(1)};
    if (name != NULL) more[n++] = (ks_pair){K(name), ks_string_take(name)};
    if (ns != NULL) more[n++] = (ks_pair){K(namespace), ks_string(ns)};
    more[n++] = (ks_pair){K(uid), ks_server__uid(s)};
    return ks_put_all(s->heap, meta, more, n);
}

/* Stores what has come for the first time as these parts (taken over); `doc` is left empty. */
static void commit(ks_server *s, ks_kind kind, ks_val *doc, ks_parts parts, uint32_t kin,
                   const ks_object **out) {
    ks_unref(s->heap, *doc);
    *doc = KS_NOTHING;
    ks_server__commit_new(s, kind, parts, kin, out);
}

/* Nothing counts or limits what is created. */
static bool is_open(const ks_server *s) {
    return ks_store_count(&s->store, KS_LIMITRANGE) == 0 &&
           ks_store_count(&s->store, KS_RESOURCEQUOTA) == 0;
}

/* What all quick ways ask for: nothing that counts or limits, an active namespace, the memo's. */
static bool is_usual(const ks_server *s, const ks_memo *memo, const ks_str *ns, ks_val meta) {
    const ks_str *own = ks_str_or_null(ks_get(meta, K(namespace)));
    if (ns == NULL) ns = own;
    if (ns == NULL || !ks_str_eq(memo->ns, ns) || (own != NULL && !ks_str_eq(own, ns)))
        return false;
    return is_open(s) && is_plain(meta) && is_active(s, memo);
}

static bool create_pod(ks_server *s, const ks_str *ns, ks_val *doc, const ks_object **out) {
    ks_heap *heap = s->heap;
    ks_val spec = ks_get(*doc, K(spec)), meta = ks_get(*doc, K(metadata));
    ks_val containers = ks_get(spec, K(containers));
    if (containers.type != KS_LIST || meta.type != KS_MAP) return false;
    const ks_memo *memo = ks_memo_get(s, containers.l, MEMO_POD);
    if (memo == NULL || (memo->in.m != spec.m && !alike(memo->in, spec))) return false;
    if (!is_usual(s, memo, ns, meta)) return false;
    const ks_str *name = free_name(s, KS_POD, memo->ns, meta);
    if (name == NULL) return false;
    uint32_t kin = kin_of(memo, meta, spec);
    meta = new_meta(s, ks_take(*doc, K(metadata)), memo->ns, name, KS_NOTHING, true);
    const ks_parts parts = {meta, dress(heap, memo, spec), ks_ref(memo->status)};
    commit(s, KS_POD, doc, parts, kin, out);
    return true;
}

/* A claim has nothing in its metadata that another one of its template may not have had, but its name. */
static bool create_claim(ks_server *s, const ks_str *ns, ks_val *doc, const ks_object **out) {
    ks_val spec = ks_get(*doc, K(spec)), meta = ks_get(*doc, K(metadata));
    if (spec.type != KS_MAP || meta.type != KS_MAP) return false;
    const ks_memo *memo = ks_memo_get(s, spec.m, MEMO_CLAIM);
    if (memo == NULL) return false;
    for (uint32_t i = 0; i < ks_len(meta); i++) {
        const ks_pair *p = ks_pair_at(meta, i);
        bool named = p->key == K(name) || p->key == K(namespace);
        if (!named && !ks_equal(p->val, ks_get(memo->meta, p->key))) return false;
    }
    if (!is_usual(s, memo, ns, meta)) return false;
    const ks_str *name = free_name(s, KS_PVC, memo->ns, meta);
    if (name == NULL) return false;
    meta = new_meta(s, ks_take(*doc, K(metadata)), memo->ns, name, ks_ref(memo->finalizers), false);
    const ks_parts parts = {meta, ks_ref(memo->out), ks_ref(memo->status)};
    commit(s, KS_PVC, doc, parts, 0, out);
    return true;
}

bool ks_create_quickly(ks_server *s, ks_kind kind, const ks_str *ns, ks_val *doc,
                       const ks_object **out) {
    if (kind == KS_POD) return create_pod(s, ns, doc, out);
    return kind == KS_PVC && create_claim(s, ns, doc, out);
}

bool ks_create_shares(const ks_server *s, ks_val spec) {
    return ks_memo_get(s, spec.m, MEMO_SPEC) != NULL;
}

void ks_create_remember(ks_server *s, ks_kind kind, ks_val in, ks_val doc) {
    const ks_str *ns = ks_str_or_null(ks_meta_get(doc, K(namespace)));
    ks_val spec = ks_get(in, K(spec)), containers = ks_get(spec, K(containers));
    bool pod = kind == KS_POD;
    if (spec.type != KS_MAP || (pod && containers.type != KS_LIST) || ns == NULL) return;
    if (!is_open(s) || (pod && ks_prepared_alone(spec))) return;
    if (pod && ks_exists(ks_get(spec, K(nodeName)))) return; /* it has labels of its node */
    const ks_object *where = ks_store_get(&s->store, KS_NAMESPACE, NULL, ns);
    if (where == NULL) return;
    ks_memo *memo = ks_alloc(s->heap, sizeof *memo);
    *memo = (ks_memo){.refs = 1, .in = ks_ref(spec), .ns = ks_str_ref(ns), .ns_id = where->id};
    memo->out = ks_ref(ks_get(doc, K(spec)));
    memo->status = ks_ref(ks_get(doc, K(status)));
    memo->meta = ks_ref(ks_get(in, K(metadata)));
    if (pod)
        memo->kin = ++s->kins;
    else
        memo->finalizers = ks_ref(ks_meta_get(doc, K(finalizers)));
    ks_memo_put(s, pod ? (void *)containers.l : spec.m, pod ? MEMO_POD : MEMO_CLAIM, memo);
    if (!pod || memo->out.type != KS_MAP) return;
    memo->refs++;
    ks_memo_put(s, memo->out.m, MEMO_SPEC, memo);
}
