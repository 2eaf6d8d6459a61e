/*
 * apiserver/strategy.c - what each kind resets, fills and counts when it is created or updated: the
 * PrepareForCreate, PrepareForUpdate and generation rules of
 * pkg/registry/<group>/<kind>/strategy.go.
 *
 * Called by create.c and update.c before validation.
 */
#include "api/values.h"
#include "apiserver/internal.h"

static bool has_generation(ks_kind kind) {
    switch (kind) {
    case KS_POD:
    case KS_REPLICASET:
    case KS_STATEFULSET:
    case KS_DEPLOYMENT:
    case KS_PDB:
    case KS_ENDPOINTSLICE:
    case KS_PRIORITYCLASS: return true;
    default: return false;
    }
}

/* A class that the pod brings is kept: pkg/apis/core/v1/helper/qos/qos.go, GetPodQOS. */
static ks_val new_pod_status(ks_heap *heap, ks_val doc) {
    ks_val brought = ks_get2(doc, K(status), K(qosClass));
    bool brings = *ks_text_or(brought, "") != '\0';
    return ks_map_of(heap, K(phase), ks_text(heap, "Pending"), K(qosClass),
                     brings ? ks_ref(brought) : ks_text(heap, ks_pod_qos(ks_get(doc, K(spec)))),
                     NULL);
}

/* The status that a new object has; KS_NOTHING: none. Nodes may bring theirs. */
static ks_val new_status(const ks_request *r, ks_val doc) {
    ks_heap *heap = r->heap;
    switch (r->kind) {
    case KS_POD: return new_pod_status(heap, doc);
    case KS_REPLICASET: return ks_map_of(heap, K(replicas), ks_int(0), NULL);
    case KS_STATEFULSET:
        return ks_map_of(heap, K(replicas), ks_int(0), K(availableReplicas), ks_int(0), NULL);
    case KS_PDB:
        return ks_map_of(heap, K(currentHealthy), ks_int(0), K(desiredHealthy), ks_int(0),
                         K(disruptionsAllowed), ks_int(0), K(expectedPods), ks_int(0), NULL);
    case KS_SERVICE: return ks_map_of(heap, K(loadBalancer), ks_map_new(heap, 0), NULL);
    case KS_PVC: return ks_map_of(heap, K(phase), ks_text(heap, "Pending"), NULL);
    case KS_PV:
        return ks_map_of(heap, K(phase), ks_text(heap, "Pending"), K(lastPhaseTransitionTime),
                         ks_server__stamp(r->s), NULL);
    case KS_NAMESPACE: return ks_map_of(heap, K(phase), ks_text(heap, "Active"), NULL);
    case KS_VOLUMEATTACHMENT: return ks_map_of(heap, K(attached), ks_bool(false), NULL);
    case KS_DEPLOYMENT:
    case KS_RESOURCEQUOTA: return ks_map_new(heap, 0);
    case KS_NODE: return ks_ref(ks_get(doc, K(status)));
    default: return KS_NOTHING;
    }
}

static bool is_status_kind(ks_kind kind) {
    switch (kind) {
    case KS_POD:
    case KS_REPLICASET:
    case KS_STATEFULSET:
    case KS_DEPLOYMENT:
    case KS_SERVICE:
    case KS_PVC:
    case KS_PV:
    case KS_VOLUMEATTACHMENT:
    case KS_NODE:
    case KS_NAMESPACE:
    case KS_PDB:
    case KS_RESOURCEQUOTA: return true;
    default: return false;
    }
}

/* pkg/registry/core/persistentvolumeclaim/strategy.go, pkg/api/persistentvolumeclaim/util.go: a
 * source of another kind is dropped; the two forms of a source are kept alike. */
static void claim_sources(ks_heap *heap, ks_val *doc, const ks_object *old) {
    ks_val spec = ks_get(*doc, K(spec)), reference = ks_get(spec, K(dataSourceRef));
    ks_val before = old != NULL ? old->spec : KS_NOTHING;
    /* CrossNamespaceVolumeDataSource is off */
    if (*ks_text_or(ks_get(reference, K(namespace)), "") != '\0' &&
        !ks_exists(ks_get(before, K(dataSourceRef)))) {
        *doc = ks_put2(heap, *doc, K(spec), K(dataSourceRef), KS_NOTHING);
        spec = ks_get(*doc, K(spec));
        reference = KS_NOTHING;
    }
    ks_val source = ks_get(spec, K(dataSource));
    bool used =
        ks_exists(ks_get(before, K(dataSource))) || ks_exists(ks_get(before, K(dataSourceRef)));
    if (source.type == KS_MAP) {
        const char *group = ks_text_or(ks_get(source, K(apiGroup)), "");
        bool claim = ks_text_is(ks_get(source, K(kind)), "PersistentVolumeClaim") && !*group;
        bool snapshot = ks_text_is(ks_get(source, K(kind)), "VolumeSnapshot") &&
                        ks_text_is(ks_get(source, K(apiGroup)), "snapshot.storage.k8s.io");
        if (!claim && !snapshot && !used && !ks_exists(reference))
            *doc = ks_put2(heap, *doc, K(spec), K(dataSource), KS_NOTHING);
        else if (!ks_exists(reference))
            *doc = ks_put2(heap, *doc, K(spec), K(dataSourceRef), ks_ref(source));
    } else if (reference.type == KS_MAP &&
               *ks_text_or(ks_get(reference, K(namespace)), "") == '\0') {
        ks_val copy = ks_drop(heap, ks_ref(reference), K(namespace));
        *doc = ks_put2(heap, *doc, K(spec), K(dataSource), copy);
    }
}

/* pkg/registry/apps/statefulset/strategy.go: dropStatefulSetDisabledFields. */
static void drop_max_unavailable(const ks_request *r, ks_val *doc, const ks_object *old) {
    if (r->s->rules.max_unavailable_statefulset) return;
    ks_val path = ks_get3(*doc, K(spec), K(updateStrategy), K(rollingUpdate));
    if (!ks_exists(ks_get(path, K(maxUnavailable)))) return;
    if (old != NULL &&
        ks_exists(ks_get(ks_get3(ks_doc(old), K(spec), K(updateStrategy), K(rollingUpdate)),
                         K(maxUnavailable))))
        return;
    ks_val rolling = ks_drop(r->heap, ks_ref(path), K(maxUnavailable));
    *doc = ks_put3(r->heap, *doc, K(spec), K(updateStrategy), K(rollingUpdate), rolling);
}

/* pkg/registry/coordination/lease/strategy.go: CoordinatedLeaderElection is off. */
static void drop_elections(ks_heap *heap, ks_val *doc, const ks_object *old) {
    const ks_str *const keys[] = {K(strategy), K(preferredHolder)};
    for (int i = 0; i < 2; i++) {
        if (!ks_exists(ks_get2(*doc, K(spec), keys[i]))) continue;
        if (old != NULL && ks_exists(ks_get(old->spec, keys[i]))) continue;
        *doc = ks_put2(heap, *doc, K(spec), keys[i], KS_NOTHING);
    }
}

/* pkg/registry/discovery/endpointslice/strategy.go: dropTopologyOnV1. */
static void drop_topology(ks_heap *heap, ks_val *doc, const ks_object *old) {
    ks_val endpoints = ks_get(*doc, K(endpoints));
    if (old != NULL && ks_equal(endpoints, ks_get(ks_doc(old), K(endpoints)))) return;
    for (uint32_t i = 0; i < ks_len(endpoints); i++) {
        if (!ks_exists(ks_get(ks_at(endpoints, i), K(deprecatedTopology)))) continue;
        ks_val one = ks_drop(heap, ks_ref(ks_at(endpoints, i)), K(deprecatedTopology));
        *doc = ks_put(heap, *doc, K(endpoints), ks_set_at(heap, ks_ref(endpoints), i, one));
        endpoints = ks_get(*doc, K(endpoints));
    }
}

/* pkg/registry/core/node/strategy.go: dropDisabledFields: a kubelet's configuration is no longer an object. */
static void drop_config_source(ks_heap *heap, ks_val *doc, const ks_object *old) {
    if (!ks_exists(ks_get2(*doc, K(spec), K(configSource)))) return;
    if (old == NULL || !ks_exists(ks_get(old->spec, K(configSource))))
        *doc = ks_put2(heap, *doc, K(spec), K(configSource), KS_NOTHING);
}

/* pkg/registry/core/serviceaccount/strategy.go: cleanSecretReferences: names alone. */
static void clean_secret_references(ks_heap *heap, ks_val *doc) {
    ks_val secrets = ks_get(*doc, K(secrets));
    if (secrets.type != KS_LIST) return;
    ks_val names = ks_list_new(heap, ks_len(secrets));
    ks_each(secret, secrets)
        names = ks_append(heap, names,
                          ks_map_of(heap, K(name), ks_ref(ks_get(*secret, K(name))), NULL));
    *doc = ks_put(heap, *doc, K(secrets), names);
}

/* What this release does not take from users, unless it is there already. */
static void drop_gated(const ks_request *r, ks_val *doc, const ks_object *old) {
    ks_heap *heap = r->heap;
    ks_kind kind = r->kind;
    ks_drop_pod_fields(r, doc, old);
    if (kind == KS_NODE) drop_config_source(heap, doc, old);
    if (kind == KS_SERVICEACCOUNT) clean_secret_references(heap, doc);
}

static void prepare_namespace(const ks_request *r, ks_val *doc) {
    ks_heap *heap = r->heap;
    ks_val finalizers = ks_get2(*doc, K(spec), K(finalizers));
    if (!ks_has_text(finalizers, "kubernetes"))
        *doc = ks_put2(heap, *doc, K(spec), K(finalizers),
                       ks_append(heap, ks_ref(finalizers), ks_string(K(kubernetes))));
    ks_val name = ks_meta_get(*doc, K(name));
    if (name.type == KS_STRING)
        *doc = ks_put3(heap, *doc, K(metadata), K(labels), K(kubernetes_io_metadata_name),
                       ks_ref(name));
}

void ks_strategy_create(const ks_request *r, ks_val *doc) {
    ks_heap *heap = r->heap;
    if (is_status_kind(r->kind)) *doc = ks_put(heap, *doc, K(status), new_status(r, *doc));
    if (has_generation(r->kind)) ks_meta_put(heap, doc, K(generation), ks_int(1));
    if (r->kind == KS_NAMESPACE) prepare_namespace(r, doc);
    if (r->kind == KS_POD) ks_prepare_pod(r, doc);
    if (r->kind == KS_PVC) claim_sources(heap, doc, NULL);
    if (r->kind == KS_STATEFULSET) drop_max_unavailable(r, doc, NULL);
    if (r->kind == KS_LEASE && !r->trusted) drop_elections(heap, doc, NULL);
    if (r->kind == KS_ENDPOINTSLICE && !r->trusted) drop_topology(heap, doc, NULL);
    if (!r->trusted) drop_gated(r, doc, NULL);
    if (r->kind == KS_POD) ks_app_armor_fields(r, doc);
    /* pkg/registry/core/limitrange/strategy.go */
    if (r->kind == KS_LIMITRANGE && *ks_text_or(ks_meta_get(*doc, K(name)), "") == '\0')
        ks_meta_put(heap, doc, K(name), ks_server__uid(r->s));
}

/* --- updates --- */

/* Is nothing but metadata and status another value than it was? */
static bool is_kept_but_status(ks_val doc, ks_val old) {
    if (ks_len(doc) != ks_len(old)) return false;
    for (uint32_t i = 0; i < ks_len(doc); i++) {
        const ks_pair *now = ks_pair_at(doc, i), *before = ks_pair_at(old, i);
        if (now->key != before->key) return false;
        if (now->key != K(metadata) && now->key != K(status) &&
            !ks_identical(now->val, before->val))
            return false;
    }
    return true;
}

/* Everything but metadata and status as it was. */
static void keep_all_but_status(ks_heap *heap, ks_val *doc, const ks_object *old) {
    if (is_kept_but_status(*doc, ks_doc(old))) return;
    ks_val kept = ks_doc_ref(old);
    kept = ks_put(heap, kept, K(metadata), ks_ref(ks_get(*doc, K(metadata))));
    kept = ks_put(heap, kept, K(status), ks_ref(ks_get(*doc, K(status))));
    ks_unref(heap, *doc);
    *doc = kept;
}

static void keep_meta(ks_heap *heap, ks_val *doc, const ks_object *old, const ks_str *key) {
    ks_val before = ks_get(old->meta, key), now = ks_meta_get(*doc, key);
    if (now.type == before.type && ks_equal(now, before)) return;
    ks_meta_put(heap, doc, key, ks_ref(before));
}

/* dropDisabledStatusFields of ReplicaSets and Deployments. */
static void drop_terminating(const ks_request *r, ks_val *doc, const ks_object *old) {
    if ((r->kind == KS_DEPLOYMENT || r->kind == KS_REPLICASET) &&
        ks_exists(ks_get2(*doc, K(status), K(terminatingReplicas))) &&
        !ks_exists(ks_get(old->status, K(terminatingReplicas))))
        *doc = ks_put2(r->heap, *doc, K(status), K(terminatingReplicas), KS_NOTHING);
}

/* The generation that an earlier condition of that type saw, the nth of them for the nth. */
static ks_val seen_before(ks_val conditions, uint32_t index, ks_val before) {
    ks_val type = ks_get(ks_at(conditions, index), K(type));
    uint32_t nth = 0;
    for (uint32_t i = 0; i < index; i++)
        nth += ks_equal(ks_get(ks_at(conditions, i), K(type)), type);
    ks_each(condition, before)
        if (ks_equal(ks_get(*condition, K(type)), type) && nth-- == 0)
            return ks_get(*condition, K(observedGeneration));
    return KS_NOTHING;
}

/* pkg/registry/core/pod/strategy.go: what the status of a pod cannot lose. */
static void keep_pod_status(ks_heap *heap, ks_val *doc, const ks_object *old) {
    const ks_str *const keys[] = {K(qosClass), K(observedGeneration)};
    for (int i = 0; i < 2; i++) {
        ks_val now = ks_get2(*doc, K(status), keys[i]), before = ks_get(old->status, keys[i]);
        if (*ks_text_or(now, "") == '\0' && ks_int_or(now, 0) == 0 && ks_exists(before))
            *doc = ks_put2(heap, *doc, K(status), keys[i], ks_ref(before));
    }
    ks_val before = ks_get(old->status, K(conditions));
    if (ks_identical(ks_get2(*doc, K(status), K(conditions)), before)) return;
    for (uint32_t i = 0; i < ks_len(ks_get2(*doc, K(status), K(conditions))); i++) {
        ks_val conditions = ks_get2(*doc, K(status), K(conditions)), one = ks_at(conditions, i);
        ks_val seen = seen_before(conditions, i, before);
        if (ks_int_or(ks_get(one, K(observedGeneration)), 0) != 0 || !ks_exists(seen)) continue;
        conditions = ks_ref(conditions);
        one = ks_put(heap, ks_ref(one), K(observedGeneration), ks_ref(seen));
        *doc = ks_put2(heap, *doc, K(status), K(conditions), ks_set_at(heap, conditions, i, one));
    }
}

static void update_status(const ks_request *r, ks_val *doc, const ks_object *old) {
    keep_all_but_status(r->heap, doc, old);
    if (r->kind == KS_POD && !r->trusted) keep_pod_status(r->heap, doc, old);
    if (r->kind == KS_POD) keep_meta(r->heap, doc, old, K(ownerReferences));
    if (r->kind == KS_DEPLOYMENT || r->kind == KS_REPLICASET)
        keep_meta(r->heap, doc, old, K(labels));
    if (!r->s->rules.terminating_replicas) drop_terminating(r, doc, old);
    if (r->kind == KS_PV &&
        !ks_equal(ks_get2(*doc, K(status), K(phase)), ks_get(old->status, K(phase))))
        *doc =
            ks_put2(r->heap, *doc, K(status), K(lastPhaseTransitionTime), ks_server__stamp(r->s));
}

/* Empty and absent are one, as in Go's maps. */
static bool same(ks_val a, ks_val b) {
    bool empty_a = !ks_exists(a) || ((a.type == KS_MAP || a.type == KS_LIST) && ks_len(a) == 0);
    bool empty_b = !ks_exists(b) || ((b.type == KS_MAP || b.type == KS_LIST) && ks_len(b) == 0);
    return (empty_a && empty_b) || ks_equal(a, b);
}

static bool same_spec(const ks_request *r, ks_val doc, const ks_object *old) {
    const ks_field *spec = ks_type_field(ks_kind_get(r->kind)->type, K(spec));
    return ks_same_meaning(ks_spec_type(&spec->spec), ks_get(doc, K(spec)), old->spec);
}

/* Does this update count up metadata.generation? */
static bool counts(const ks_request *r, ks_val doc, const ks_object *old) {
    switch (r->kind) {
    case KS_POD:
    case KS_REPLICASET:
    case KS_STATEFULSET:
    case KS_PDB: return !same_spec(r, doc, old);
    case KS_DEPLOYMENT:
        return !same_spec(r, doc, old) ||
               !same(ks_meta_get(doc, K(annotations)), ks_get(old->meta, K(annotations)));
    case KS_ENDPOINTSLICE:
        return !same(ks_meta_get(doc, K(labels)), old->labels) ||
               !same(ks_get(doc, K(endpoints)), ks_get(ks_doc(old), K(endpoints))) ||
               !same(ks_get(doc, K(ports)), ks_get(ks_doc(old), K(ports))) ||
               !same(ks_get(doc, K(addressType)), ks_get(ks_doc(old), K(addressType)));
    default: return false;
    }
}

static void set_generation(const ks_request *r, ks_val *doc, const ks_object *old) {
    ks_val before = ks_get(old->meta, K(generation));
    bool up = r->subresource == NULL && counts(r, *doc, old);
    ks_val now = up ? ks_int(ks_int_or(before, 0) + 1) : ks_ref(before);
    if (ks_equal(now, ks_meta_get(*doc, K(generation)))) return;
    ks_meta_put(r->heap, doc, K(generation), now);
}

void ks_strategy_update(const ks_request *r, ks_val *doc, const ks_object *old) {
    ks_heap *heap = r->heap;
    if (r->subresource != NULL) {
        update_status(r, doc, old);
    } else if (!r->trusted && is_status_kind(r->kind)) {
        *doc = ks_put(heap, *doc, K(status), ks_ref(old->status));
    }
    if (r->kind == KS_NAMESPACE && !r->trusted && r->subresource == NULL)
        *doc =
            ks_put2(heap, *doc, K(spec), K(finalizers), ks_ref(ks_get(old->spec, K(finalizers))));
    if (r->kind == KS_PVC && !r->trusted && r->subresource == NULL) claim_sources(heap, doc, old);
    if (r->kind == KS_STATEFULSET && !r->trusted) drop_max_unavailable(r, doc, old);
    if (r->kind == KS_LEASE && !r->trusted) drop_elections(heap, doc, old);
    if (r->kind == KS_ENDPOINTSLICE && !r->trusted) drop_topology(heap, doc, old);
    if (!r->trusted && r->subresource == NULL) drop_gated(r, doc, old);
    set_generation(r, doc, old);
}

bool ks_allows_unconditional_update(ks_kind kind) {
    return kind != KS_PDB && kind != KS_LEASE && kind != KS_VOLUMEATTACHMENT;
}
