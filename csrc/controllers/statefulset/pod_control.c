/*
 * controllers/statefulset/pod_control.c - pods and claims: made, mended, deleted, and what is said about it:
 * pkg/controller/statefulset/stateful_pod_control.go.
 */
#include "controllers/statefulset/internal.h"

#include "doc/errors.h"

#include <string.h>

static const ks_write_opts trusted = {.trusted = true};

static ks_event event_of(bool normal, const char *reason) {
    ks_event e = {.type = normal ? "Normal" : "Warning", .reason = reason};
    e.component = "statefulset-controller";
    return e;
}

/* One of three verbs: reasons and messages begin with it. */
typedef enum verb { CREATE, UPDATE, DELETE } verb;
static const char *const successful[] = {"SuccessfulCreate", "SuccessfulUpdate",
                                         "SuccessfulDelete"};
static const char *const failed[] = {"FailedCreate", "FailedUpdate", "FailedDelete"};
static const char *const title[] = {"Create", "Update", "Delete"};
static const char *const lower[] = {"create", "update", "delete"};

static bool in_title(const sts_sync *c) {
    return ks_since(&c->sim->server.rules, KS_SINCE_VERBS_IN_TITLE_CASE);
}

static const char *word(const sts_sync *c, verb v) { return in_title(c) ? title[v] : lower[v]; }

/* recordPodEvent; `error` NULL: it went well. */
static void pod_event(sts_sync *c, verb v, const ks_str *pod, const char *error) {
    static const char *const done[] = {"create Pod %s in StatefulSet %s successful",
                                       "update Pod %s in StatefulSet %s successful",
                                       "delete Pod %s in StatefulSet %s successful"};
    static const char *const done_in_title[] = {"Create Pod %s in StatefulSet %s successful",
                                                "Update Pod %s in StatefulSet %s successful",
                                                "Delete Pod %s in StatefulSet %s successful"};
    ks_event e = event_of(error == NULL, error == NULL ? successful[v] : failed[v]);
    if (error == NULL)
        ks_record_parts(&c->sim->server, c->set, &e, in_title(c) ? done_in_title[v] : done[v], pod,
                        c->set->name);
    else
        ks_record(&c->sim->server, c->set, &e, "%s Pod %s in StatefulSet %s failed error: %s",
                  word(c, v), pod->s, c->set->name->s, error);
}

static void claim_event(sts_sync *c, const ks_str *pod, const ks_str *claim, const char *error) {
    ks_event e = event_of(error == NULL, error == NULL ? "SuccessfulCreate" : "FailedCreate");
    if (error == NULL)
        ks_record_parts(&c->sim->server, c->set, &e,
                        in_title(c) ? "Create Claim %s Pod %s in StatefulSet %s success"
                                    : "create Claim %s Pod %s in StatefulSet %s success",
                        claim, pod, c->set->name);
    else
        ks_record(&c->sim->server, c->set, &e,
                  "%s Claim %s for Pod %s in StatefulSet %s failed error: %s", word(c, CREATE),
                  claim->s, pod->s, c->set->name->s, error);
}

/* Notes the version of what has just been written. */
static void wrote(sts_sync *c, uint64_t *last) { *last = c->sim->server.store.version; }

static bool already_exists(const ks_refusal *refusal) {
    return refusal != NULL && refusal->code == 409 && strcmp(refusal->reason, "AlreadyExists") == 0;
}

static ks_val templates_of(const sts_sync *c) {
    return ks_get(c->set->spec, K(volumeClaimTemplates));
}

ks_val sts_claims_of(sts_sync *c, int64_t ordinal) {
    if (c->claims.type == KS_LIST && c->claims_of == ordinal) return c->claims;
    ks_unref(c->heap, c->claims);
    c->claims = sts_claim_names(c->heap, c->set, ordinal);
    c->claims_of = ordinal;
    return c->claims;
}

/* The claim of that name, borrowed, or NULL. */
static const ks_object *claim_at(const sts_sync *c, ks_val name) {
    return ks_store_get(ks_view(c->sim), KS_PVC, c->set->ns, name.s);
}

static sts_claim_owners owners(const sts_sync *c, const ks_str *pod_name, const ks_str *pod_uid,
                               int64_t ordinal) {
    return (sts_claim_owners){c->set, pod_name, pod_uid, sts_in_range(c->e, ordinal)};
}

/* --- claims --- */

/* The labels of a claim: its template's, but the selector's win. Claims share them where they are just one or the other. */
static ks_val claim_labels(const sts_sync *c, ks_val template) {
    ks_val labels = ks_get2(template, K(metadata), K(labels));
    ks_val match = ks_get2(c->set->spec, K(selector), K(matchLabels));
    if (ks_len(labels) == 0 && ks_len(match) > 0) return ks_ref(match);
    labels = ks_ref(labels);
    if (ks_labels_contain(labels, match)) return labels;
    for (uint32_t i = 0; i < ks_len(match); i++) {
        const ks_pair *pair = ks_pair_at(match, i);
        labels = ks_put(c->heap, labels, pair->key, ks_ref(pair->val));
    }
    return labels;
}

/* getPersistentVolumeClaims: one claim. */
static ks_val claim_of(const sts_sync *c, ks_val template, ks_val name) {
    ks_heap *heap = c->heap;
    ks_val meta = ks_ref(ks_get(template, K(metadata))), labels = claim_labels(c, template);
    ks_pair more[3] = {{K(labels), labels}};
    uint32_t n = labels.type == KS_NONE ? 0 : 1;
    more[n++] = (ks_pair){K(name), ks_ref(name)};
    more[n++] = (ks_pair){K(namespace), ks_string(c->set->ns)};
    meta = ks_put_all(heap, meta, more, n);
    return ks_map_of(heap, K(apiVersion), ks_string(K(v1)), K(kind),
                     ks_string(K(PersistentVolumeClaim)), K(metadata), meta, K(spec),
                     ks_ref(ks_get(template, K(spec))), NULL);
}

/* createPersistentVolumeClaims: NULL, or the errors' text, a new reference. */
static const ks_str *create_claims(sts_sync *c, const ks_str *pod, int64_t ordinal) {
    ks_heap *heap = c->heap;
    ks_val errors = KS_NOTHING, templates = templates_of(c), names = sts_claims_of(c, ordinal);
    for (uint32_t i = 0; i < ks_len(templates); i++) {
        ks_val name = ks_at(names, i);
        const ks_object *there = claim_at(c, name);
        if (there == NULL) {
            ks_val claim = claim_of(c, ks_at(templates, i), name);
            ks_refusal *refusal =
                ks_server_create(&c->sim->server, KS_PVC, c->set->ns, claim, &trusted, NULL);
            if (refusal == NULL) wrote(c, &c->e->wrote_claims);
            if (!already_exists(refusal))
                claim_event(c, pod, name.s, refusal == NULL ? NULL : refusal->message->s);
            if (refusal != NULL)
                ks_errors_add(
                    heap, &errors,
                    ks_format(heap, "failed to create PVC %s: %s", name.s->s, refusal->message->s));
            ks_refusal_free(heap, refusal);
        } else if (ks_object_terminating(there)) {
            ks_errors_add(heap, &errors, ks_format(heap, "pvc %s is being deleted", name.s->s));
        }
    }
    return ks_len(errors) == 0 ? NULL : ks_errors_join(heap, errors);
}

/* UpdatePodClaimForRetentionPolicy: NULL, or the error's text. */
static const ks_str *set_claim_owners(sts_sync *c, const sts_claim_owners *o, int64_t ordinal,
                                      bool *noisy) {
    ks_each(name, sts_claims_of(c, ordinal)) {
        const ks_object *claim = claim_at(c, *name);
        if (claim == NULL) continue;
        if (sts_claim_has_stranger(claim, o)) {
            ks_event e = event_of(false, "ConflictingController");
            ks_record(
                &c->sim->server, c->set, &e,
                "PersistentVolumeClaim %s has a conflicting OwnerReference that acts as a manging "
                "controller, the retention policy is ignored for this claim",
                claim->name->s);
            if (noisy != NULL) *noisy = true;
        }
        if (sts_claim_up_to_date(claim, o)) continue;
        ks_object_ref(claim);
        ks_refusal *refusal = ks_write_owners(c->sim, claim, sts_claim_refs(c->heap, claim, o));
        const ks_str *error = NULL;
        if (refusal == NULL)
            wrote(c, &c->e->wrote_claims);
        else
            error =
                ks_str_printf(c->heap, "could not update claim %s for delete policy ownerRefs: %s",
                              claim->name->s, refusal->message->s);
        ks_refusal_free(c->heap, refusal);
        ks_object_unref(c->heap, claim);
        if (error != NULL) return error;
    }
    return NULL;
}

/* ClaimsMatchRetentionPolicy */
static bool claims_match(sts_sync *c, const sts_claim_owners *o, int64_t ordinal) {
    ks_each(name, sts_claims_of(c, ordinal)) {
        const ks_object *claim = claim_at(c, *name);
        if (claim != NULL && !sts_claim_up_to_date(claim, o)) return false;
    }
    return true;
}

bool sts_claims_match(sts_sync *c, const ks_object *pod, int64_t ordinal) {
    sts_claim_owners o = owners(c, pod->name, pod->uid, ordinal);
    return claims_match(c, &o, ordinal);
}

bool sts_fix_claims(sts_sync *c, const ks_object *pod, int64_t ordinal) {
    sts_claim_owners o = owners(c, pod->name, pod->uid, ordinal);
    const ks_str *error = set_claim_owners(c, &o, ordinal, NULL);
    ks_str_unref(c->heap, error);
    return error == NULL;
}

bool sts_pod_claims_stale(sts_sync *c, int64_t ordinal) {
    if (!sts_deletes_when_scaled(c->set)) return false;
    ks_val pod = sts_pod_name(c->heap, c->set, ordinal);
    sts_claim_owners o = owners(c, pod.s, NULL, ordinal);
    bool stale = false;
    ks_each(name, sts_claims_of(c, ordinal)) {
        const ks_object *claim = claim_at(c, *name);
        if (claim != NULL && sts_claim_is_stale(claim, &o)) stale = true;
    }
    ks_unref(c->heap, pod);
    return stale;
}

/* An error of claims, told as one of the pod. Takes over `error`; false if there was one. */
static bool tell(sts_sync *c, verb v, const ks_str *pod, const ks_str *error) {
    if (error == NULL) return true;
    pod_event(c, v, pod, error->s);
    ks_str_unref(c->heap, error);
    return false;
}

bool sts_create_missing_claims(sts_sync *c, const ks_object *pod, int64_t ordinal, bool *noisy) {
    const ks_str *error = create_claims(c, pod->name, ordinal);
    if (error != NULL) {
        ks_str_unref(c->heap, error);
        return false;
    }
    sts_claim_owners o = owners(c, pod->name, pod->uid, ordinal);
    return tell(c, UPDATE, pod->name, set_claim_owners(c, &o, ordinal, noisy));
}

/* --- pods --- */

/* newVersionedStatefulSetPod: the revision that a pod of this ordinal is made from. */
static const ks_object *revision_for(const sts_sync *c, int64_t ordinal) {
    if (strcmp(sts_strategy(c->set), "RollingUpdate") != 0) return c->update;
    ks_val rolling = ks_get2(c->set->spec, K(updateStrategy), K(rollingUpdate));
    int64_t old = ks_exists(rolling) ? ks_count(rolling, K(partition), 0)
                                     : ks_count(c->set->status, K(currentReplicas), 0);
    return ordinal < c->e->start + old ? c->current : c->update;
}

bool sts_create_pod(sts_sync *c, int64_t ordinal) {
    ks_heap *heap = c->heap;
    const ks_object *revision = revision_for(c, ordinal);
    ks_val template = sts_template_of(c, revision);
    if (!ks_exists(template)) return false;
    ks_val name = sts_pod_name(heap, c->set, ordinal);
    const ks_str *error = create_claims(c, name.s, ordinal);
    bool fine = tell(c, CREATE, name.s, error);
    if (fine) {
        ks_val pod = sts_new_pod(c, template, revision->name, name, ordinal);
        c->e->making = ordinal;
        ks_refusal *refusal =
            ks_server_create(&c->sim->server, KS_POD, c->set->ns, pod, &trusted, NULL);
        c->e->making = -1;
        fine = refusal == NULL;
        if (fine) wrote(c, &c->e->wrote_pods);
        if (!already_exists(refusal)) {
            /* upstream names the pod without a uid here, so nothing of it can be an owner yet */
            sts_claim_owners o = owners(c, name.s, NULL, ordinal);
            bool noisy = false;
            bool owned = tell(c, UPDATE, name.s, set_claim_owners(c, &o, ordinal, &noisy));
            if (noisy || !owned) sts_entry_mark(heap, c->e, ordinal);
            if (owned) pod_event(c, CREATE, name.s, fine ? NULL : refusal->message->s);
            fine = fine && owned;
        }
        ks_refusal_free(heap, refusal);
    }
    ks_unref(heap, name);
    return fine;
}

bool sts_delete_pod(sts_sync *c, const ks_str *ns, const ks_str *name, bool *gone) {
    ks_str_ref(name);
    ks_refusal *refusal = ks_server_delete(&c->sim->server, KS_POD, ns, name, NULL, NULL);
    bool gone_is_fine = ks_since(&c->sim->server.rules, KS_SINCE_GONE_IS_DELETED);
    bool missing = refusal != NULL && refusal->code == 404;
    bool fine = refusal == NULL || (missing && gone_is_fine);
    if (gone != NULL) *gone = missing;
    pod_event(c, DELETE, name, fine ? NULL : refusal->message->s);
    ks_refusal_free(c->heap, refusal);
    ks_str_unref(c->heap, name);
    return fine;
}

/* updateIdentity, but for the name, which is not written */
static ks_val with_identity(ks_heap *heap, ks_val doc, const ks_str *name, int64_t ordinal) {
    ks_val labels = ks_ref(ks_get2(doc, K(metadata), K(labels)));
    labels = ks_put(heap, labels, K(statefulset_kubernetes_io_pod_name), ks_string(name));
    labels = ks_put(heap, labels, K(apps_kubernetes_io_pod_index),
                    ks_format(heap, "%lld", (long long)ordinal));
    return ks_put2(heap, doc, K(metadata), K(labels), labels);
}

/* What is to be written of a pod, a new value; KS_NOTHING: it is as it should be, or *error, a new reference. Its claims are made and
 * given their owners on the way. */
static ks_val conform(sts_sync *c, const ks_object *pod, const ks_str *name, int64_t ordinal,
                      const ks_str **error) {
    ks_heap *heap = c->heap;
    ks_val doc = ks_doc_ref(pod);
    bool consistent = true;
    *error = NULL;
    if (!sts_identity_matches(pod)) {
        doc = with_identity(heap, doc, name, ordinal);
        consistent = false;
    }
    if (!sts_storage_matches(c->set, pod, sts_claims_of(c, ordinal))) {
        ks_val volumes =
            sts_volumes(heap, c->set, ks_get(pod->spec, K(volumes)), sts_claims_of(c, ordinal));
        doc = ks_put2(heap, doc, K(spec), K(volumes), volumes);
        consistent = false;
        *error = create_claims(c, name, ordinal);
    }
    sts_claim_owners o = owners(c, name, pod->uid, ordinal);
    if (*error == NULL && !claims_match(c, &o, ordinal)) {
        *error = set_claim_owners(c, &o, ordinal, NULL);
        consistent = false;
    }
    if (*error == NULL && !consistent) return doc;
    ks_unref(heap, doc);
    return KS_NOTHING;
}

/* UpdateStatefulPod. A pod that the set would call otherwise ("web-01") is written by the name that it should have: that one is found
 * missing, or to be another pod, which does not fit the uid; after this conflict it is looked at in its stead. */
bool sts_update_pod(sts_sync *c, const ks_object *pod, int64_t ordinal) {
    ks_heap *heap = c->heap;
    ks_server *server = &c->sim->server;
    ks_val name = sts_pod_name(heap, c->set, ordinal);
    const ks_str *error;
    ks_val doc = conform(c, pod, name.s, ordinal, &error);
    bool attempted = ks_exists(doc);
    if (attempted && !ks_str_eq(name.s, pod->name)) {
        ks_unref(heap, doc);
        pod = ks_store_get(&server->store, KS_POD, c->set->ns, name.s);
        doc = pod == NULL ? KS_NOTHING : conform(c, pod, name.s, ordinal, &error);
    }
    ks_refusal *refusal = NULL;
    if (pod == NULL)
        refusal = ks_refuse_not_found(heap, KS_POD, name.s);
    else if (ks_exists(doc))
        refusal = ks_server_update_object(server, pod, doc, NULL);
    if (refusal != NULL)
        error = ks_str_ref(refusal->message);
    else if (ks_exists(doc))
        wrote(c, &c->e->wrote_pods);
    ks_refusal_free(heap, refusal);
    bool fine = tell(c, UPDATE, name.s, error);
    if (fine && attempted) pod_event(c, UPDATE, name.s, NULL);
    ks_unref(heap, name);
    return fine;
}
