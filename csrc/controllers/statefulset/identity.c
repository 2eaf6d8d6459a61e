/*
 * controllers/statefulset/identity.c - names, ordinals and pods of a StatefulSet, owners of its claims; nothing here writes.
 * pkg/controller/statefulset/stateful_set_utils.go.
 */
#include "controllers/statefulset/internal.h"

#include <stdio.h>
#include <string.h>

bool sts_parse_name(const ks_str *name, uint32_t *parent_len, int64_t *ordinal) {
    uint32_t at = name->len;
    while (at > 0 && name->s[at - 1] >= '0' && name->s[at - 1] <= '9') at--;
    if (at == name->len || at == 0 || name->s[at - 1] != '-') return false;
    int64_t number = 0;
    for (uint32_t i = at; i < name->len && number <= INT32_MAX; i++)
        number = number * 10 + (name->s[i] - '0');
    *parent_len = at - 1;
    *ordinal = number > INT32_MAX ? -1 : number;
    return true;
}

int64_t sts_ordinal_of(const ks_str *set, const ks_str *pod, bool *member) {
    uint32_t len;
    int64_t ordinal;
    bool is =
        sts_parse_name(pod, &len, &ordinal) && len == set->len && memcmp(pod->s, set->s, len) == 0;
    if (member != NULL) *member = is;
    return is ? ordinal : -1;
}

/* identityMatches, for a pod whose name says that it is a member. */
bool sts_identity_matches(const ks_object *pod) {
    const ks_str *label =
        ks_str_or_null(ks_get(pod->labels, K(statefulset_kubernetes_io_pod_name)));
    if (!ks_str_eq(label, pod->name)) return false;
    uint32_t len;
    int64_t ordinal; /* "web-01" is not what the set would call it */
    if (!sts_parse_name(pod->name, &len, &ordinal) || ordinal < 0) return false;
    return pod->name->s[len + 1] != '0' || pod->name->len == len + 2;
}

ks_val sts_pod_name(ks_heap *heap, const ks_object *set, int64_t ordinal) {
    return ks_string_take(ks_str_numbered(heap, &set->name, 1, (uint64_t)ordinal));
}

ks_val sts_claim_prefix(ks_heap *heap, const ks_object *set, ks_val claim_template) {
    const char *name = ks_text_or(ks_get2(claim_template, K(metadata), K(name)), "");
    return ks_format(heap, "%s-%s", name, set->name->s);
}

ks_val sts_claim_names(ks_heap *heap, const ks_object *set, int64_t ordinal) {
    ks_val templates = ks_get(set->spec, K(volumeClaimTemplates));
    ks_val names = ks_list_new(heap, ks_len(templates));
    ks_each(template, templates) {
        const ks_str *const parts[] = {ks_str_or_null(ks_get2(*template, K(metadata), K(name))),
                                       set->name};
        names = ks_append(heap, names,
                          ks_string_take(ks_str_numbered(heap, parts, 2, (uint64_t)ordinal)));
    }
    return names;
}

static ks_val named(ks_val list, ks_val name) {
    ks_each(item, list) {
        if (ks_equal(ks_get(*item, K(name)), name)) return *item;
    }
    return KS_NOTHING;
}

bool sts_storage_matches(const ks_object *set, const ks_object *pod, ks_val claims) {
    ks_val templates = ks_get(set->spec, K(volumeClaimTemplates));
    for (uint32_t i = 0; i < ks_len(templates); i++) {
        ks_val volume = named(ks_get(pod->spec, K(volumes)),
                              ks_get2(ks_at(templates, i), K(metadata), K(name)));
        if (!ks_equal(ks_get2(volume, K(persistentVolumeClaim), K(claimName)), ks_at(claims, i)))
            return false;
    }
    return true;
}

/* updateStorage: the claims' volumes, then the others whose names are free. */
ks_val sts_volumes(ks_heap *heap, const ks_object *set, ks_val volumes, ks_val claims) {
    ks_val templates = ks_get(set->spec, K(volumeClaimTemplates));
    if (ks_len(templates) == 0) return ks_ref(volumes);
    ks_val out = ks_list_new(heap, ks_len(templates) + ks_len(volumes) + 1);
    for (uint32_t i = 0; i < ks_len(templates); i++) {
        ks_val source = ks_map_of(heap, K(claimName), ks_ref(ks_at(claims, i)), NULL);
        ks_val name = ks_ref(ks_get2(ks_at(templates, i), K(metadata), K(name)));
        out = ks_append(heap, out,
                        ks_map_of(heap, K(name), name, K(persistentVolumeClaim), source, NULL));
    }
    ks_each(volume, volumes) {
        bool taken = ks_exists(named(out, ks_get(*volume, K(name))));
        if (!taken) out = ks_append(heap, out, ks_ref(*volume));
    }
    return out;
}

/* What all pods of the set have in common, made once. */
static void make_common(ks_heap *heap, sts_entry *e, const ks_object *set) {
    if (ks_exists(e->owners)) return;
    e->owners = ks_append(heap, ks_list_new(heap, 1), ks_owner_reference(heap, set));
    e->prefix = ks_format(heap, "%s-", set->name->s);
}

/* Appends what is there to pairs that are in key order; takes over `v`. */
static void add_pair(ks_pair *pairs, uint32_t *n, const ks_str *key, ks_val v) {
    if (v.type != KS_NONE) pairs[(*n)++] = (ks_pair){key, v};
}

ks_val sts_new_pod(sts_sync *c, ks_val template, const ks_str *revision, ks_val name,
                   int64_t ordinal) {
    ks_heap *heap = c->heap;
    sts_entry *e = c->e;
    const ks_object *set = c->set;
    make_common(heap, e, set);
    ks_val from = ks_get(template, K(metadata));
    ks_val index = ks_string_take(ks_str_numbered(heap, NULL, 0, (uint64_t)ordinal));
    const ks_pair identity[] = {{K(apps_kubernetes_io_pod_index), index},
                                {K(controller_revision_hash), ks_string(revision)},
                                {K(statefulset_kubernetes_io_pod_name), ks_ref(name)}};
    ks_pair pairs[6];
    uint32_t n = 0;
    add_pair(pairs, &n, K(annotations), ks_ref(ks_get(from, K(annotations))));
    add_pair(pairs, &n, K(finalizers), ks_ref(ks_get(from, K(finalizers))));
    add_pair(pairs, &n, K(generateName), ks_ref(e->prefix));
    add_pair(pairs, &n, K(labels), ks_put_all(heap, ks_ref(ks_get(from, K(labels))), identity, 3));
    add_pair(pairs, &n, K(name), ks_ref(name));
    add_pair(pairs, &n, K(ownerReferences), ks_ref(e->owners));
    ks_val meta = ks_put_all(heap, KS_NOTHING, pairs, n);

    ks_val spec = ks_get(template, K(spec)), service = ks_get(set->spec, K(serviceName));
    bool named = service.type == KS_STRING && service.s->len > 0;
    n = 0;
    add_pair(pairs, &n, K(hostname), ks_ref(name));
    add_pair(pairs, &n, K(subdomain), named ? ks_ref(service) : KS_NOTHING);
    add_pair(pairs, &n, K(volumes),
             sts_volumes(heap, set, ks_get(spec, K(volumes)), sts_claims_of(c, ordinal)));
    spec = ks_put_all(heap, named ? ks_ref(spec) : ks_drop(heap, ks_ref(spec), K(subdomain)), pairs,
                      n);
    return ks_map_of(heap, K(apiVersion), ks_string(K(v1)), K(kind), ks_string(K(Pod)), K(metadata),
                     meta, K(spec), spec, NULL);
}

const char *sts_strategy(const ks_object *set) {
    return ks_text_or(ks_get2(set->spec, K(updateStrategy), K(type)), "RollingUpdate");
}

/* --- owners of claims --- */

static bool deletes(const ks_object *set, const ks_str *when) {
    return ks_text_is(ks_get2(set->spec, K(persistentVolumeClaimRetentionPolicy), when), "Delete");
}

bool sts_deletes_when_scaled(const ks_object *set) { return deletes(set, K(whenScaled)); }

static bool refers(ks_val ref, const char *api_version, const char *kind, const ks_str *name) {
    return ks_text_is(ks_get(ref, K(apiVersion)), api_version) &&
           ks_text_is(ks_get(ref, K(kind)), kind) &&
           ks_str_eq(ks_str_or_null(ks_get(ref, K(name))), name);
}
static bool refers_to_set(ks_val ref, const sts_claim_owners *o) {
    return refers(ref, "apps/v1", "StatefulSet", o->set->name);
}
static bool refers_to_pod(ks_val ref, const sts_claim_owners *o) {
    return refers(ref, "v1", "Pod", o->pod_name);
}
static bool has_uid(ks_val ref, const ks_str *uid) {
    return uid != NULL && ks_str_eq(ks_str_or_null(ks_get(ref, K(uid))), uid);
}
static ks_val refs_of(const ks_object *claim) { return ks_get(claim->meta, K(ownerReferences)); }

static bool has_owner(const ks_object *claim, const ks_str *uid) {
    ks_each(ref, refs_of(claim)) {
        if (has_uid(*ref, uid)) return true;
    }
    return false;
}

/* hasStaleOwnerRef(pod) */
bool sts_claim_is_stale(const ks_object *claim, const sts_claim_owners *o) {
    ks_each(ref, refs_of(claim)) {
        if (refers_to_pod(*ref, o)) return !has_uid(*ref, o->pod_uid);
    }
    return false;
}

static bool stale_for_set(const ks_object *claim, const sts_claim_owners *o) {
    ks_each(ref, refs_of(claim)) {
        if (refers_to_set(*ref, o)) return !has_uid(*ref, o->set->uid);
    }
    return false;
}

/* hasUnexpectedController */
bool sts_claim_has_stranger(const ks_object *claim, const sts_claim_owners *o) {
    if (!deletes(o->set, K(whenScaled)) && !deletes(o->set, K(whenDeleted))) return false;
    ks_each(ref, refs_of(claim)) {
        if (refers_to_set(*ref, o)) {
            if (!has_uid(*ref, o->set->uid)) return true;
        } else if (refers_to_pod(*ref, o)) {
            if (!has_uid(*ref, o->pod_uid)) return true;
        } else if (ks_bool_or(ks_get(*ref, K(controller)), false)) {
            return true;
        }
    }
    return false;
}

static bool has_plain_owner(const ks_object *claim, const sts_claim_owners *o) {
    ks_each(ref, refs_of(claim)) {
        if ((has_uid(*ref, o->set->uid) || has_uid(*ref, o->pod_uid)) &&
            !ks_bool_or(ks_get(*ref, K(controller)), false))
            return true;
    }
    return false;
}

static bool wants_set(const sts_claim_owners *o) {
    if (!deletes(o->set, K(whenDeleted))) return false;
    return !deletes(o->set, K(whenScaled)) || o->in_range;
}
static bool wants_pod(const sts_claim_owners *o) {
    return deletes(o->set, K(whenScaled)) && !o->in_range;
}

/* isClaimOwnerUpToDate */
bool sts_claim_up_to_date(const ks_object *claim, const sts_claim_owners *o) {
    if (ks_len(refs_of(claim)) == 0) return !wants_set(o) && !wants_pod(o);
    if (stale_for_set(claim, o) || sts_claim_is_stale(claim, o)) return true;
    bool set = has_owner(claim, o->set->uid), pod = has_owner(claim, o->pod_uid);
    if (sts_claim_has_stranger(claim, o)) return !set && !pod;
    if (has_plain_owner(claim, o)) return false;
    return set == wants_set(o) && pod == wants_pod(o);
}

static ks_val add_owner(ks_heap *heap, ks_val refs, const char *api_version, const char *kind,
                        const ks_str *name, const ks_str *uid) {
    ks_each(ref, refs) {
        if (has_uid(*ref, uid)) return refs;
    }
    return ks_append(heap, refs,
                     ks_map_of(heap, K(apiVersion), ks_text(heap, api_version), K(kind),
                               ks_text(heap, kind), K(name), ks_string(name), K(uid),
                               ks_string(uid), K(controller), ks_bool(true), K(blockOwnerDeletion),
                               ks_bool(true), NULL));
}

/* updateClaimOwnerRefForSetAndPod: the references that the claim should have; a new list. */
ks_val sts_claim_refs(ks_heap *heap, const ks_object *claim, const sts_claim_owners *o) {
    ks_val refs = ks_list_new(heap, 2);
    ks_each(ref, refs_of(claim)) {
        if (!refers_to_set(*ref, o) && !refers_to_pod(*ref, o))
            refs = ks_append(heap, refs, ks_ref(*ref));
    }
    if (sts_claim_has_stranger(claim, o)) return refs;
    if (wants_pod(o)) refs = add_owner(heap, refs, "v1", "Pod", o->pod_name, o->pod_uid);
    if (wants_set(o))
        refs = add_owner(heap, refs, "apps/v1", "StatefulSet", o->set->name, o->set->uid);
    return refs;
}
