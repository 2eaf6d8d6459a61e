/*
 * api/validate_workload.c - ReplicaSets, StatefulSets, Deployments, ControllerRevisions.
 *
 * pkg/apis/apps/validation/validation.go.
 */
#include "api/validate_internal.h"

#include <stdlib.h>
#include <string.h>

/* --- int or percent --- */

static bool is_percent(const ks_check *c, ks_val v) {
    return v.type == KS_STRING && ks_follows(c, KS_RULE_PERCENT, v.s);
}

/* getIntOrPercentValue: what is no percentage reads as an integer, 0 if it is none. */
static int64_t int_or_percent(ks_val v) {
    return v.type == KS_STRING ? strtoll(v.s->s, NULL, 10) : ks_int_or(v, 0);
}

void ks_check_int_or_percent(ks_check *c, const char *field, ks_val v) {
    if (v.type == KS_STRING)
        ks_check_text(c, field, KS_RULE_PERCENT, v);
    else
        ks_check_not_negative(c, field, v);
}

void ks_check_at_most_100_percent(ks_check *c, const char *field, ks_val v) {
    if (is_percent(c, v) && int_or_percent(v) > 100)
        ks_bad(c, field, v, "must not be greater than 100%");
}

/* Text that is no number and no percentage has no value: Go's Atoi fails and yields 0. */
static bool is_zero(const ks_check *c, ks_val v) {
    if (v.type != KS_STRING || is_percent(c, v)) return int_or_percent(v) == 0;
    char *end;
    long long number = strtoll(v.s->s, &end, 10);
    return *end != '\0' || v.s->len == 0 || number == 0;
}

/* --- selector and template --- */

/* The selector's own errors. Returns whether it compiles; at the path of the spec. */
static bool check_selector(ks_check *c, ks_val selector, const char *empty) {
    if (!ks_exists(selector)) {
        ks_need(c, "selector", "");
        return true;
    }
    uint32_t before = ks_error_count(c);
    KS_IN(c, "selector") ks_check_selector(c, selector);
    bool compiles = ks_error_count(c) == before;
    if (ks_len(ks_get(selector, K(matchLabels))) + ks_len(ks_get(selector, K(matchExpressions))) ==
        0)
        ks_bad_struct(c, "selector", KS_TYPE_meta_v1_LabelSelector, selector, empty);
    return compiles;
}

static bool selects_all(ks_val selector) {
    return ks_exists(selector) && ks_len(ks_get(selector, K(matchLabels))) == 0 &&
           ks_len(ks_get(selector, K(matchExpressions))) == 0;
}

static void check_labels_match(ks_check *c, ks_val selector, ks_val template) {
    ks_val labels = ks_get2(template, K(metadata), K(labels));
    if (selects_all(selector) || ks_selects(c->heap, selector, labels)) return;
    static const char why[] = "`selector` does not match template `labels`";
    KS_IN(c, "template") KS_IN(c, "metadata") {
        if (ks_exists(labels))
            ks_bad(c, "labels", labels, why);
        else
            ks_bad_printed(c, "labels", "null", why);
    }
}

static void check_only_always(ks_check *c, ks_val template, const char *deadline) {
    static const char *const always[] = {"Always", NULL};
    ks_val spec = ks_get(template, K(spec));
    KS_IN(c, "template") KS_IN(c, "spec") {
        ks_check_enum(c, "restartPolicy", ks_get(spec, K(restartPolicy)), always, false);
        if (ks_exists(ks_get(spec, K(activeDeadlineSeconds))))
            ks_deny(c, "activeDeadlineSeconds", deadline);
    }
}

/* ValidatePodTemplateSpecForReplicaSet, which Deployments use too. `before` is the spec of what is updated. */
static void check_template(ks_check *c, ks_val spec, ks_val before, bool compiles) {
    ks_val selector = ks_get(spec, K(selector)), template = ks_get(spec, K(template));
    if (!compiles) {
        ks_bad_struct(c, "selector", KS_TYPE_meta_v1_LabelSelector, selector,
                      "invalid label selector");
        return;
    }
    check_labels_match(c, selector, template);
    if (ks_kept(c, template, ks_get(before, K(template)))) return;
    KS_IN(c, "template") ks_check_pod_template(c, template);
    check_only_always(c, template, "activeDeadlineSeconds in ReplicaSet is not Supported");
}

/* --- status --- */

static void check_counts(ks_check *c, ks_val status, const ks_str *const *keys) {
    for (; *keys != NULL; keys++) ks_check_not_negative(c, (*keys)->s, ks_get(status, *keys));
}

static void check_at_most(ks_check *c, ks_val status, const ks_str *key, const ks_str *most,
                          const char *why) {
    int64_t count = ks_int_or(ks_get(status, key), 0);
    if (count > ks_int_or(ks_get(status, most), 0)) ks_bad(c, key->s, ks_int(count), why);
}

static void check_collisions(ks_check *c, ks_val now, ks_val old) {
    ks_val count = ks_get(now, K(collisionCount)), before = ks_get(old, K(collisionCount));
    if (ks_exists(before) && ks_int_or(count, -1) < before.i)
        ks_bad(c, "collisionCount", ks_int(ks_int_or(count, 0)), "cannot be decremented");
}

static const char MORE_THAN_REPLICAS[] = "cannot be greater than status.replicas";

/* --- ReplicaSets --- */

static void check_replica_set_spec(ks_check *c, ks_val spec, ks_val before) {
    ks_check_not_negative(c, "replicas", ks_get(spec, K(replicas)));
    ks_check_not_negative(c, "minReadySeconds", ks_get(spec, K(minReadySeconds)));
    bool compiles =
        check_selector(c, ks_get(spec, K(selector)), "empty selector is invalid for deployment");
    check_template(c, spec, before, compiles);
}

static void check_replica_set_status(ks_check *c, ks_val status) {
    const ks_str *const counts[] = {K(replicas),
                                    K(fullyLabeledReplicas),
                                    K(readyReplicas),
                                    K(availableReplicas),
                                    K(observedGeneration),
                                    K(terminatingReplicas),
                                    NULL};
    check_counts(c, status, counts);
    check_at_most(c, status, K(fullyLabeledReplicas), K(replicas), MORE_THAN_REPLICAS);
    check_at_most(c, status, K(readyReplicas), K(replicas), MORE_THAN_REPLICAS);
    check_at_most(c, status, K(availableReplicas), K(replicas), MORE_THAN_REPLICAS);
    check_at_most(c, status, K(availableReplicas), K(readyReplicas),
                  "cannot be greater than readyReplicas");
}

static void check_fixed_selector(ks_check *c, ks_val now, ks_val old) {
    ks_val selector = ks_get2(now, K(spec), K(selector));
    if (ks_same(selector, ks_get2(old, K(spec), K(selector)))) return;
    KS_IN(c, "spec") {
        if (ks_exists(selector))
            ks_bad_struct(c, "selector", KS_TYPE_meta_v1_LabelSelector, selector,
                          "field is immutable");
        else
            ks_bad_printed(c, "selector", "null", "field is immutable");
    }
}

void ks_check_replica_set(ks_check *c, ks_val object, ks_val old, bool status) {
    if (status) {
        ks_check_meta_update(c, object, old);
        KS_IN(c, "status") check_replica_set_status(c, ks_get(object, K(status)));
        return;
    }
    if (ks_exists(old))
        ks_check_meta_update(c, object, old);
    else
        ks_check_meta(c, object, true, KS_RULE_SUBDOMAIN);
    KS_IN(c, "spec") check_replica_set_spec(c, ks_get(object, K(spec)), ks_get(old, K(spec)));
    if (ks_exists(old)) check_fixed_selector(c, object, old);
}

/* --- Deployments --- */

static void check_rolling_update(ks_check *c, ks_val rolling) {
    ks_val unavailable = ks_get(rolling, K(maxUnavailable)), surge = ks_get(rolling, K(maxSurge));
    ks_check_int_or_percent(c, "maxUnavailable", unavailable);
    ks_check_int_or_percent(c, "maxSurge", surge);
    if (is_zero(c, unavailable) && is_zero(c, surge))
        ks_bad(c, "maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0");
    ks_check_at_most_100_percent(c, "maxUnavailable", unavailable);
}

/* Unsupported value of a struct: the value is printed, the list of words follows. */
static void check_strategy(ks_check *c, ks_val strategy) {
    ks_val rolling = ks_get(strategy, K(rollingUpdate)), type = ks_get(strategy, K(type));
    if (ks_text_is(type, "Recreate")) {
        if (ks_exists(rolling)) KS_IN(c, "strategy")
        ks_deny(c, "rollingUpdate", "may not be specified when strategy `type` is 'Recreate'");
    } else if (ks_text_is(type, "RollingUpdate")) {
        KS_IN(c, "strategy") {
            if (!ks_exists(rolling))
                ks_need(c, "rollingUpdate", "this should be defaulted and never be nil");
            else
                KS_IN(c, "rollingUpdate") check_rolling_update(c, rolling);
        }
    } else {
        const ks_str *printed =
            ks_print_struct(c->heap, &ks_types[KS_TYPE_apps_v1_DeploymentStrategy], strategy);
        ks_unsupported_printed(c, "strategy", printed->s,
                               "supported values: \"Recreate\", \"RollingUpdate\"");
        ks_str_unref(c->heap, printed);
    }
}

static void check_deployment_spec(ks_check *c, ks_val spec, ks_val before) {
    ks_val deadline = ks_get(spec, K(progressDeadlineSeconds));
    ks_val ready = ks_get(spec, K(minReadySeconds));
    ks_check_not_negative(c, "replicas", ks_get(spec, K(replicas)));
    bool compiles =
        check_selector(c, ks_get(spec, K(selector)), "empty selector is invalid for deployment");
    check_template(c, spec, before, compiles);
    check_strategy(c, ks_get(spec, K(strategy)));
    ks_check_not_negative(c, "minReadySeconds", ready);
    ks_check_not_negative(c, "revisionHistoryLimit", ks_get(spec, K(revisionHistoryLimit)));
    if (!ks_exists(deadline)) return;
    ks_check_not_negative(c, "progressDeadlineSeconds", deadline);
    if (deadline.i <= ks_int_or(ready, 0))
        ks_bad(c, "progressDeadlineSeconds", deadline, "must be greater than minReadySeconds");
}

static void check_deployment_status(ks_check *c, ks_val status, ks_val old) {
    const ks_str *const counts[] = {
        K(observedGeneration),  K(replicas),          K(updatedReplicas),
        K(readyReplicas),       K(availableReplicas), K(unavailableReplicas),
        K(terminatingReplicas), K(collisionCount),    NULL};
    check_counts(c, status, counts);
    check_at_most(c, status, K(updatedReplicas), K(replicas), MORE_THAN_REPLICAS);
    check_at_most(c, status, K(readyReplicas), K(replicas), MORE_THAN_REPLICAS);
    check_at_most(c, status, K(availableReplicas), K(replicas), MORE_THAN_REPLICAS);
    check_at_most(c, status, K(availableReplicas), K(readyReplicas),
                  "cannot be greater than readyReplicas");
    check_collisions(c, status, old);
}

void ks_check_deployment(ks_check *c, ks_val object, ks_val old, bool status) {
    if (ks_exists(old))
        ks_check_meta_update(c, object, old);
    else
        ks_check_meta(c, object, true, KS_RULE_SUBDOMAIN);
    if (status) {
        KS_IN(c, "status")
        check_deployment_status(c, ks_get(object, K(status)), ks_get(old, K(status)));
        return;
    }
    KS_IN(c, "spec") check_deployment_spec(c, ks_get(object, K(spec)), ks_get(old, K(spec)));
    if (ks_exists(old)) check_fixed_selector(c, object, old);
}

/* --- StatefulSets --- */

static void check_set_rolling_update(ks_check *c, ks_val rolling) {
    ks_val most = ks_get(rolling, K(maxUnavailable));
    ks_check_not_negative(c, "partition", ks_get(rolling, K(partition)));
    if (!ks_exists(most)) return;
    ks_check_int_or_percent(c, "maxUnavailable", most);
    if (is_zero(c, most)) ks_bad(c, "maxUnavailable", most, "cannot be 0");
    ks_check_at_most_100_percent(c, "maxUnavailable", most);
}

static void check_update_strategy(ks_check *c, ks_val strategy) {
    ks_val type = ks_get(strategy, K(type)), rolling = ks_get(strategy, K(rollingUpdate));
    if (ks_is_empty_text(type)) {
        ks_need(c, "updateStrategy", "");
    } else if (ks_text_is(type, "OnDelete")) {
        if (ks_exists(rolling)) KS_IN(c, "updateStrategy")
        ks_bad_struct(c, "rollingUpdate", KS_TYPE_apps_v1_RollingUpdateStatefulSetStrategy, rolling,
                      "only allowed for updateStrategy 'RollingUpdate'");
    } else if (ks_text_is(type, "RollingUpdate")) {
        if (ks_exists(rolling)) KS_IN(c, "updateStrategy")
        KS_IN(c, "rollingUpdate") check_set_rolling_update(c, rolling);
    } else {
        ks_bad_struct(c, "updateStrategy", KS_TYPE_apps_v1_StatefulSetUpdateStrategy, strategy,
                      "must be 'RollingUpdate' or 'OnDelete'");
    }
}

static void check_retention(ks_check *c, ks_val policy) {
    static const char *const words[] = {"Retain", "Delete", NULL};
    if (!ks_exists(policy)) return;
    KS_IN(c, "persistentVolumeClaimRetentionPolicy") {
        ks_check_enum(c, "whenDeleted", ks_get(policy, K(whenDeleted)), words, false);
        ks_check_enum(c, "whenScaled", ks_get(policy, K(whenScaled)), words, false);
    }
}

static bool has_volume(ks_val volumes, ks_val name) {
    ks_each(volume, volumes)
        if (ks_equal(ks_text_value(ks_get(*volume, K(name))), ks_text_value(name))) return true;
    return false;
}

/* The template as pods will have it: with a volume for each claim template, without host name. */
static ks_val template_with_claims(ks_heap *heap, ks_val spec) {
    ks_val template = ks_ref(ks_get(spec, K(template)));
    ks_val pod = ks_ref(ks_get(template, K(spec))), claims = ks_get(spec, K(volumeClaimTemplates));
    pod = ks_drop(heap, pod, K(subdomain));
    pod = ks_drop(heap, pod, K(hostname));
    if (ks_len(claims) > 0) {
        ks_val volumes = ks_list_new(heap, ks_len(claims));
        ks_each(claim, claims) {
            ks_val name = ks_get2(*claim, K(metadata), K(name));
            if (has_volume(volumes, name)) continue;
            ks_val source = ks_map_of(heap, K(claimName), ks_ref(name), NULL);
            ks_val volume =
                ks_map_of(heap, K(name), ks_ref(name), K(persistentVolumeClaim), source, NULL);
            volumes = ks_append(heap, volumes, volume);
        }
        uint32_t made = ks_len(volumes);
        ks_each(volume, ks_get(pod, K(volumes))) {
            ks_val name = ks_get(*volume, K(name));
            bool replaced = false;
            for (uint32_t i = 0; i < made; i++)
                replaced |= ks_equal(ks_text_value(ks_get(ks_at(volumes, i), K(name))),
                                     ks_text_value(name));
            if (!replaced) volumes = ks_append(heap, volumes, ks_ref(*volume));
        }
        pod = ks_put(heap, pod, K(volumes), volumes);
    }
    return ks_put(heap, template, K(spec), pod);
}

typedef struct set_options {
    bool any_service_name, skip_template, skip_claims;
} set_options;

static void check_set_template(ks_check *c, ks_val spec, set_options options) {
    ks_val template = template_with_claims(c->heap, spec);
    ks_val meta = ks_get(template, K(metadata));
    check_labels_match(c, ks_get(spec, K(selector)), template);
    KS_IN(c, "template") {
        if (!options.skip_template) ks_check_pod_template(c, template);
        ks_check_labels(c, "labels", ks_get(meta, K(labels)));
        ks_check_annotations(c, "annotations", ks_get(meta, K(annotations)));
        ks_check_pod_annotations(c, "annotations", ks_get(meta, K(annotations)),
                                 ks_get(template, K(spec)));
    }
    ks_unref(c->heap, template);
}

static void check_set_spec(ks_check *c, ks_val spec, set_options options) {
    ks_val policy = ks_get(spec, K(podManagementPolicy)), name = ks_get(spec, K(serviceName));
    ks_val claims = ks_get(spec, K(volumeClaimTemplates)), selector = ks_get(spec, K(selector));
    static const char *const policies[] = {"OrderedReady", "Parallel", NULL};
    if (ks_is_empty_text(policy))
        ks_need(c, "podManagementPolicy", "");
    else if (!ks_one_of(policy, policies))
        ks_bad(c, "podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'");
    check_update_strategy(c, ks_get(spec, K(updateStrategy)));
    check_retention(c, ks_get(spec, K(persistentVolumeClaimRetentionPolicy)));
    KS_IN(c, "volumeClaimTemplates") {
        for (uint32_t i = 0; i < ks_len(claims) && !options.skip_claims; i++)
            KS_AT(c, i) KS_IN(c, "spec") ks_check_claim_spec(c, ks_get(ks_at(claims, i), K(spec)));
    }
    ks_check_not_negative(c, "replicas", ks_get(spec, K(replicas)));
    ks_check_not_negative(c, "minReadySeconds", ks_get(spec, K(minReadySeconds)));
    ks_check_not_negative(c, "ordinals.start", ks_get2(spec, K(ordinals), K(start)));
    if (!options.any_service_name && !ks_is_empty_text(name))
        ks_check_text(c, "serviceName", KS_RULE_LABEL, name);
    bool compiles = check_selector(c, selector, "empty selector is invalid for statefulset");
    if (compiles)
        check_set_template(c, spec, options);
    else
        ks_bad_struct(c, "selector", KS_TYPE_meta_v1_LabelSelector, selector, "");
    check_only_always(c, ks_get(spec, K(template)),
                      "activeDeadlineSeconds in StatefulSet is not Supported");
}

/* Whether the template as pods will have it is the one before. */
static bool keeps_template(const ks_check *c, ks_val now, ks_val old) {
    return ks_kept(c, ks_get(now, K(template)), ks_get(old, K(template))) &&
           ks_identical(ks_get(now, K(volumeClaimTemplates)), ks_get(old, K(volumeClaimTemplates)));
}

/* Whether the old spec would be refused today: then its template is not looked at again. */
static bool was_bad(const ks_check *c, ks_val spec, set_options options) {
    ks_check silent = {
        .errors = {.heap = c->heap, .path = {.heap = c->heap}}, .heap = c->heap, .rules = c->rules};
    check_set_spec(&silent, spec, options);
    bool bad = ks_errors_any(&silent.errors);
    ks_errors_dispose(&silent.errors);
    return bad;
}

static const char SET_FIELDS[] =
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are forbidden";

static void check_set_update(ks_check *c, ks_val now, ks_val old) {
    const ks_str *const free_keys[] = {K(replicas),
                                       K(template),
                                       K(updateStrategy),
                                       K(minReadySeconds),
                                       K(ordinals),
                                       K(revisionHistoryLimit),
                                       K(persistentVolumeClaimRetentionPolicy)};
    set_options options = {.any_service_name = true, .skip_claims = true};
    options.skip_template = keeps_template(c, now, old) || (!c->known && was_bad(c, old, options));
    KS_IN(c, "spec") check_set_spec(c, now, options);
    ks_val clone = ks_ref(now);
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
        clone = ks_put(c->heap, clone, free_keys[i], ks_ref(ks_get(old, free_keys[i])));
    if (!ks_same_meaning(&ks_types[KS_TYPE_apps_v1_StatefulSetSpec], clone, old))
        ks_deny(c, "spec", SET_FIELDS);
    ks_unref(c->heap, clone);
}

static void check_set_status(ks_check *c, ks_val status) {
    const ks_str *const counts[] = {
        K(replicas),          K(readyReplicas),      K(currentReplicas), K(updatedReplicas),
        K(availableReplicas), K(observedGeneration), K(collisionCount),  NULL};
    check_counts(c, status, counts);
    check_at_most(c, status, K(readyReplicas), K(replicas), MORE_THAN_REPLICAS);
    check_at_most(c, status, K(currentReplicas), K(replicas), MORE_THAN_REPLICAS);
    check_at_most(c, status, K(updatedReplicas), K(replicas), MORE_THAN_REPLICAS);
    check_at_most(c, status, K(availableReplicas), K(replicas), MORE_THAN_REPLICAS);
    check_at_most(c, status, K(availableReplicas), K(readyReplicas),
                  "cannot be greater than status.readyReplicas");
}

void ks_check_stateful_set(ks_check *c, ks_val object, ks_val old, bool status) {
    if (status) {
        ks_val now = ks_get(object, K(status)), before = ks_get(old, K(status));
        KS_IN(c, "status") check_set_status(c, now);
        ks_check_meta_update(c, object, old);
        KS_IN(c, "status") check_collisions(c, now, before);
    } else if (ks_exists(old)) {
        ks_check_meta_update(c, object, old);
        check_set_update(c, ks_get(object, K(spec)), ks_get(old, K(spec)));
    } else {
        ks_check_meta(c, object, true, KS_RULE_LABEL);
        KS_IN(c, "spec") check_set_spec(c, ks_get(object, K(spec)), (set_options){0});
    }
}

/* --- ControllerRevisions --- */

void ks_check_controller_revision(ks_check *c, ks_val object, ks_val old) {
    ks_val data = ks_get(object, K(data));
    if (ks_exists(old)) ks_check_meta_update(c, object, old);
    ks_check_meta(c, object, true, KS_RULE_SUBDOMAIN);
    ks_check_not_negative(c, "revision", ks_get(object, K(revision)));
    if (ks_exists(old)) {
        if (!ks_same(data, ks_get(old, K(data)))) ks_bad(c, "data", data, "field is immutable");
    } else if (!ks_exists(data)) {
        ks_need(c, "data", "data is mandatory");
    } else if (data.type != KS_MAP) {
        ks_need(c, "data", "data must be a valid JSON object");
    }
}
