/*
 * controllers/deployment/newset.c - the new ReplicaSet: found by its template, made, numbered:
 * pkg/controller/deployment/sync.go: getNewReplicaSet, util/deployment_util.go: SetNewReplicaSetAnnotations.
 */
#include "controllers/deployment/internal.h"

#include "api/codec.h"

#include <stdio.h>
#include <string.h>

enum { HISTORY_MAX = 2000, NAME_MAX_LEN = 253 };

static const ks_write_opts trusted = {.trusted = true};

void dep_sets_dispose(ks_heap *heap, dep_sets *sets) {
    ks_free(heap, (void *)sets->old, sets->old_cap * sizeof *sets->old);
    *sets = (dep_sets){NULL, NULL, 0, 0};
}

/* --- which one is new --- */

/* EqualIgnoreHash */
bool dep_same_template(ks_heap *heap, ks_val a, ks_val b) {
    if (ks_is(a, KS_MAP) && ks_is(b, KS_MAP) && a.m == b.m) return true;
    const ks_type *pod_spec = ks_type_named("core/v1.PodSpec");
    if (!ks_same_meaning(pod_spec, ks_get(a, K(spec)), ks_get(b, K(spec)))) return false;
    ks_val x =
        ks_put2(heap, ks_ref(a), K(metadata), K(labels),
                ks_drop(heap, ks_ref(ks_get2(a, K(metadata), K(labels))), K(pod_template_hash)));
    ks_val y =
        ks_put2(heap, ks_ref(b), K(metadata), K(labels),
                ks_drop(heap, ks_ref(ks_get2(b, K(metadata), K(labels))), K(pod_template_hash)));
    bool same = ks_same_meaning(ks_type_named("core/v1.PodTemplateSpec"), x, y);
    ks_unref(heap, x);
    ks_unref(heap, y);
    return same;
}

/* FindNewReplicaSet (the oldest), FindOldReplicaSets. */
static void sort_sets(dep_sync *c, dep_sets *out) {
    ks_val template = ks_get(c->d->spec, K(template));
    *out = (dep_sets){.old_cap = c->sets.count + 1};
    out->old = ks_alloc(c->heap, out->old_cap * sizeof *out->old);
    for (size_t i = 0; i < c->sets.count; i++) {
        const ks_object *set = c->sets.items[i];
        if (out->fresh == NULL &&
            dep_same_template(c->heap, ks_get(set->spec, K(template)), template))
            out->fresh = set;
        else
            out->old[out->old_count++] = set;
    }
}

/* --- annotations --- */

bool dep_is_own_annotation(const ks_str *key) {
    static const char *const skipped[] = {
        "kubectl.kubernetes.io/last-applied-configuration",
        "deployment.kubernetes.io/revision",
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    };
    for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++)
        if (ks_str_is(key, skipped[i])) return true;
    return false;
}

static bool copy_annotations(dep_sync *c, ks_val *annotations) {
    bool changed = false;
    for (uint32_t i = 0; i < ks_len(c->annotations); i++) {
        const ks_pair *pair = ks_pair_at(c->annotations, i);
        if (dep_is_own_annotation(pair->key) ||
            ks_equal(ks_get(*annotations, pair->key), pair->val))
            continue;
        *annotations = ks_put(c->heap, *annotations, pair->key, ks_ref(pair->val));
        changed = true;
    }
    return changed;
}

/* The former number joins the history; the oldest fall out of what becomes too long. */
static void remember_revision(dep_sync *c, ks_val *annotations, const char *former) {
    const ks_str *key = K(deployment_kubernetes_io_revision_history);
    const char *history = ks_text_or(ks_get(*annotations, key), "");
    if (*history == '\0') {
        *annotations = ks_put(c->heap, *annotations, key, ks_text(c->heap, former));
        return;
    }
    size_t total = strlen(history) + strlen(former) + 1;
    while (total > HISTORY_MAX && *history != '\0') {
        const char *comma = strchr(history, ',');
        size_t first = comma == NULL ? strlen(history) : (size_t)(comma - history);
        total -= first + 1;
        history += comma == NULL ? first : first + 1;
    }
    if (total > HISTORY_MAX) return;
    ks_val text = ks_format(c->heap, "%s%s%s", history, *history == '\0' ? "" : ",", former);
    *annotations = ks_put(c->heap, *annotations, key, text);
}

/* SetNewReplicaSetAnnotations: true when they changed. */
static bool set_annotations(dep_sync *c, ks_val *annotations, int64_t revision, bool exists) {
    bool changed = copy_annotations(c, annotations);
    ks_val before = ks_ref(ks_get(*annotations, K(deployment_kubernetes_io_revision)));
    const char *former = ks_text_or(before, "");
    int64_t number = 0;
    if (*former != '\0' && !dep_int(before, &number)) {
        ks_unref(c->heap, before);
        return false;
    }
    if (number < revision) {
        *annotations = ks_put(c->heap, *annotations, K(deployment_kubernetes_io_revision),
                              ks_format(c->heap, "%lld", (long long)revision));
        changed = true;
        if (ks_exists(before)) remember_revision(c, annotations, former);
    }
    ks_unref(c->heap, before);
    if (!exists && dep_put_sizes(c, annotations)) changed = true;
    return changed;
}

/* SetDeploymentRevision */
static bool set_revision(dep_sync *c, ks_val revision) {
    const ks_str *key = K(deployment_kubernetes_io_revision);
    if (ks_equal(ks_get(c->annotations, key), revision)) return false;
    c->annotations = ks_put(c->heap, c->annotations, key, ks_ref(revision));
    return true;
}

/* --- the one that is there --- */

static bool mend_existing(dep_sync *c, int64_t revision, dep_sets *sets) {
    ks_heap *heap = c->heap;
    const ks_object *set = sets->fresh;
    ks_val annotations = ks_ref(ks_get(set->meta, K(annotations)));
    bool changed = set_annotations(c, &annotations, revision, true);
    int64_t min_ready = ks_count(c->d->spec, K(minReadySeconds), 0);
    if (changed || ks_count(set->spec, K(minReadySeconds), 0) != min_ready) {
        ks_val doc = ks_put2(heap, ks_doc_ref(set), K(metadata), K(annotations), annotations);
        doc = ks_put2(heap, doc, K(spec), K(minReadySeconds),
                      min_ready == 0 ? KS_NOTHING : ks_int(min_ready));
        ks_refusal *refusal = ks_server_update_object(&c->sim->server, set, doc, &sets->fresh);
        if (refusal != NULL) {
            ks_refusal_free(heap, refusal);
            return false;
        }
        ks_objects_add(heap, &c->kept, sets->fresh);
        ks_object_unref(heap, sets->fresh);
        return true;
    }
    bool write = set_revision(c, ks_get(annotations, K(deployment_kubernetes_io_revision)));
    ks_unref(heap, annotations);
    if (dep_has_deadline(c->d) && !ks_exists(ks_condition_of(c->status, "Progressing"))) {
        dep_set_condition(c, &c->status, "Progressing", "True", "FoundNewReplicaSet",
                          "Found new replica set \"%s\"", set->name->s);
        write = true;
    }
    return !write || dep_write(c);
}

/* --- making one --- */

/* CloneSelectorAndAddLabel and its like: {..., pod-template-hash: hash}. */
static ks_val with_hash(ks_heap *heap, ks_val labels, const char *hash) {
    return ks_put(heap, ks_ref(labels), K(pod_template_hash), ks_text(heap, hash));
}

static ks_val name_of(ks_heap *heap, const ks_object *d, const char *hash) {
    int max = NAME_MAX_LEN - (int)strlen(hash) - 1, len = (int)d->name->len;
    return ks_format(heap, "%.*s-%s", len < max ? len : max, d->name->s, hash);
}

static ks_val new_set(dep_sync *c, const char *hash, int64_t size, int64_t revision) {
    ks_heap *heap = c->heap;
    const ks_object *d = c->d;
    ks_val template = ks_get(d->spec, K(template)), selector = ks_get(d->spec, K(selector));
    ks_val labels = with_hash(heap, ks_get2(template, K(metadata), K(labels)), hash);
    ks_val owners = ks_append(heap, ks_list_new(heap, 1), ks_owner_reference(heap, d));
    ks_val annotations = KS_NOTHING;
    set_annotations(c, &annotations, revision, false);
    ks_val meta = ks_map_of(heap, K(name), name_of(heap, d, hash), K(namespace), ks_string(d->ns),
                            K(ownerReferences), owners, K(labels), ks_ref(labels), K(annotations),
                            annotations, NULL);
    int64_t min_ready = ks_count(d->spec, K(minReadySeconds), 0);
    ks_val match = with_hash(heap, ks_get(selector, K(matchLabels)), hash);
    ks_val spec = ks_map_of(heap, K(replicas), ks_int(size), K(minReadySeconds),
                            min_ready == 0 ? KS_NOTHING : ks_int(min_ready), K(selector),
                            ks_put(heap, ks_ref(selector), K(matchLabels), match), K(template),
                            ks_put2(heap, ks_ref(template), K(metadata), K(labels), labels), NULL);
    return ks_map_of(heap, K(apiVersion), ks_text(heap, "apps/v1"), K(kind),
                     ks_text(heap, "ReplicaSet"), K(metadata), meta, K(spec), spec, NULL);
}

/* A ReplicaSet of that name exists: it is used if it is ours and has the template; else the hash has collided. */
static const ks_object *existing(dep_sync *c, const ks_str *name) {
    const ks_object *set = ks_store_get(ks_view(c->sim), KS_REPLICASET, c->d->ns, name);
    if (set == NULL) return NULL;
    if (ks_str_eq(set->owner_uid, c->d->uid) &&
        dep_same_template(c->heap, ks_get(c->d->spec, K(template)), ks_get(set->spec, K(template))))
        return set;
    int64_t collisions = ks_count(c->status, K(collisionCount), 0);
    c->status = ks_put(c->heap, c->status, K(collisionCount), ks_int(collisions + 1));
    dep_write(c);
    return NULL;
}

static void tell_failure(dep_sync *c, const ks_str *name, const ks_str *why) {
    if (dep_has_deadline(c->d)) {
        dep_set_condition(c, &c->status, "Progressing", "False", "ReplicaSetCreateError",
                          "Failed to create new replica set \"%s\": %s", name->s, why->s);
        dep_write(c);
    }
    dep_event(c, false, "ReplicaSetCreateError", "Failed to create new replica set \"%s\": %s",
              name->s, why->s);
}

static bool create(dep_sync *c, int64_t revision, dep_sets *sets) {
    ks_heap *heap = c->heap;
    char hash[16];
    dep_hash(heap, &c->sim->server.rules, ks_get(c->d->spec, K(template)),
             ks_count(c->status, K(collisionCount), -1), hash);
    int64_t size = dep_new_size(c->d, dep_sum(sets, true, K(replicas)), 0);
    ks_val name = name_of(heap, c->d, hash);
    ks_val doc = new_set(c, hash, size, revision);
    const ks_object *made = NULL;
    ks_refusal *refusal =
        ks_server_create(&c->sim->server, KS_REPLICASET, c->d->ns, doc, &trusted, &made);
    bool there = refusal != NULL && strcmp(refusal->reason, "AlreadyExists") == 0;
    if (there) {
        made = ks_object_ref(existing(c, name.s));
    } else if (refusal != NULL && !ks_namespace_is_terminating(refusal)) {
        tell_failure(c, name.s, refusal->message);
    }
    ks_refusal_free(heap, refusal);
    ks_unref(heap, name);
    if (made == NULL) return false;
    ks_objects_add(heap, &c->kept, made);
    ks_object_unref(heap, made);
    sets->fresh = made;
    if (!there && size > 0)
        dep_event(c, true, "ScalingReplicaSet", "Scaled up replica set %s from 0 to %lld",
                  made->name->s, (long long)size);
    ks_val number = ks_format(heap, "%lld", (long long)revision);
    bool write = set_revision(c, number);
    ks_unref(heap, number);
    if (!there && dep_has_deadline(c->d)) {
        dep_set_condition(c, &c->status, "Progressing", "True", "NewReplicaSetCreated",
                          "Created new replica set \"%s\"", made->name->s);
        write = true;
    }
    return !write || dep_write(c);
}

bool dep_sync_revision(dep_sync *c, bool make, dep_sets *out) {
    sort_sets(c, out);
    int64_t highest = 0;
    for (size_t i = 0; i < out->old_count; i++) {
        int64_t revision = dep_revision(out->old[i]);
        if (revision > highest) highest = revision;
    }
    if (out->fresh != NULL) return mend_existing(c, highest + 1, out);
    return !make || create(c, highest + 1, out);
}
