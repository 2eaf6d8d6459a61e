/*
 * controllers/deployment/rollback.c - back to the template of a former revision, which the annotation
 * deprecated.deployment.rollback.to asks for: pkg/controller/deployment/rollback.go. (kubectl rollout undo patches the template
 * itself.)
 */
#include "controllers/deployment/internal.h"

/* getRollbackTo; false: nobody asks for it in a number. */
static bool asked_for(const ks_object *d, int64_t *revision) {
    return dep_int(ks_get2(d->meta, K(annotations), K(deprecated_deployment_rollback_to)),
                   revision);
}

bool dep_wants_rollback(const ks_object *d) {
    int64_t revision;
    return asked_for(d, &revision);
}

/* The set at a place of all: the old ones, then the new one; NULL behind the last. */
static const ks_object *set_at(const dep_sets *sets, size_t i) {
    if (i < sets->old_count) return sets->old[i];
    return i == sets->old_count ? sets->fresh : NULL;
}

/* LastRevision: the last but one; 0: there is none. */
static int64_t last_revision(const dep_sets *sets) {
    int64_t most = 0, second = 0;
    const ks_object *set;
    for (size_t i = 0; (set = set_at(sets, i)) != NULL; i++) {
        int64_t revision = dep_revision(set);
        if (revision >= most) {
            second = most;
            most = revision;
        } else if (revision > second) {
            second = revision;
        }
    }
    return second;
}

static const ks_object *find(const dep_sets *sets, int64_t revision) {
    const ks_object *set;
    for (size_t i = 0; (set = set_at(sets, i)) != NULL; i++)
        if (dep_revision(set) == revision) return set;
    return NULL;
}

/* SetFromReplicaSetTemplate: the set's template without the hash. */
static ks_val template_of(ks_heap *heap, const ks_object *set) {
    ks_val template = ks_get(set->spec, K(template));
    ks_val labels =
        ks_drop(heap, ks_ref(ks_get2(template, K(metadata), K(labels))), K(pod_template_hash));
    return ks_put2(heap, ks_ref(template), K(metadata), K(labels), labels);
}

/* Adds those annotations of `from` that are the object's own, or those that are not. */
static void take(ks_heap *heap, ks_val *out, ks_val from, bool own) {
    for (uint32_t i = 0; i < ks_len(from); i++) {
        const ks_pair *pair = ks_pair_at(from, i);
        if (dep_is_own_annotation(pair->key) == own)
            *out = ks_put(heap, *out, pair->key, ks_ref(pair->val));
    }
}

/* SetDeploymentAnnotationsTo */
static void take_annotations(dep_sync *c, const ks_object *set) {
    ks_val annotations = KS_NOTHING;
    take(c->heap, &annotations, c->annotations, true);
    take(c->heap, &annotations, ks_get(set->meta, K(annotations)), false);
    ks_unref(c->heap, c->annotations);
    c->annotations = annotations;
}

/* updateDeploymentAndClearRollbackTo; takes over `template`, KS_NOTHING: it stays. */
static bool write_and_clear(dep_sync *c, ks_val template) {
    ks_heap *heap = c->heap;
    ks_val annotations =
        ks_drop(heap, ks_ref(c->annotations), K(deprecated_deployment_rollback_to));
    ks_val doc = ks_put2(heap, ks_doc_ref(c->d), K(metadata), K(annotations), annotations);
    if (ks_exists(template)) doc = ks_put2(heap, doc, K(spec), K(template), template);
    ks_refusal *refusal = ks_server_update_object(&c->sim->server, c->d, doc, NULL);
    if (refusal == NULL) return true;
    ks_refusal_free(heap, refusal);
    return false;
}

/* rollbackToTemplate */
static bool go_back_to(dep_sync *c, const ks_object *set, int64_t revision) {
    ks_heap *heap = c->heap;
    if (dep_same_template(heap, ks_get(c->d->spec, K(template)), ks_get(set->spec, K(template)))) {
        dep_event(c, false, "DeploymentRollbackTemplateUnchanged",
                  "The rollback revision contains the same template as current deployment \"%s\"",
                  c->d->name->s);
        return write_and_clear(c, KS_NOTHING);
    }
    take_annotations(c, set);
    if (!write_and_clear(c, template_of(heap, set))) return false;
    dep_event(c, true, "DeploymentRollback", "Rolled back deployment \"%s\" to revision %lld",
              c->d->name->s, (long long)revision);
    return true;
}

static bool roll_back(dep_sync *c, dep_sets *sets) {
    int64_t revision;
    if (!dep_sync_revision(c, true, sets) || !asked_for(c->d, &revision)) return false;
    const char *what = "Unable to find the revision to rollback to.";
    if (revision == 0) {
        revision = last_revision(sets);
        what = "Unable to find last revision.";
    }
    const ks_object *set = revision == 0 ? NULL : find(sets, revision);
    if (set != NULL) return go_back_to(c, set, revision);
    dep_event(c, false, "DeploymentRollbackRevisionNotFound", "%s", what);
    return write_and_clear(c, KS_NOTHING);
}

bool dep_rollback(dep_sync *c) {
    dep_sets sets;
    bool fine = roll_back(c, &sets);
    dep_sets_dispose(c->heap, &sets);
    return fine;
}
