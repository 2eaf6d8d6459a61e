/*
 * api/warn.c - warnings that the API server returns with an accepted write (ks_warnings).
 *
 * Called by apiserver/ after validation. WarningsOnCreate and WarningsOnUpdate of pkg/registry, and
 * the functions of pkg/api that they call.
 */
#include "api/warn_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- tools --- */

static void add(ks_warner *w, const char *prefix, const char *format, va_list args) {
    char small[512];
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(small, sizeof small, format, args);
    char *text = small;
    if (len >= (int)sizeof small) {
        text = ks_alloc(w->heap, (size_t)len + 1);
        vsnprintf(text, (size_t)len + 1, format, again);
    }
    va_end(again);
    ks_val warning = ks_format(w->heap, "%s%s", prefix, text);
    bool told = false; /* each is told once */
    ks_each(other, *w->out) told |= ks_str_eq(other->s, warning.s);
    if (told)
        ks_unref(w->heap, warning);
    else
        *w->out = ks_append(w->heap, *w->out, warning);
    if (text != small) ks_free(w->heap, text, (size_t)len + 1);
}

void ks_warn(ks_warner *w, const char *field, const char *format, ...) {
    const char *base = w->errors.path.len > 0 ? w->errors.path.s : "";
    bool both = base[0] != '\0' && field != NULL;
    const ks_str *prefix =
        ks_str_printf(w->heap, "%s%s%s: ", base, both ? "." : "", field != NULL ? field : "");
    va_list args;
    va_start(args, format);
    add(w, prefix->s, format, args);
    va_end(args);
    ks_str_unref(w->heap, prefix);
}

void ks_warn_plain(ks_warner *w, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(w, "", format, args);
    va_end(args);
}

const char *ks_deprecated_node_label(const char *key) {
    static const struct {
        const char *key, *why;
    } old[] = {
        {"beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"},
        {"beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"},
        {"failure-domain.beta.kubernetes.io/region",
         "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"},
        {"failure-domain.beta.kubernetes.io/zone",
         "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"},
        {"beta.kubernetes.io/instance-type",
         "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"},
        {"app.kubernetes.io/created-by", "deprecated since v1.9"},
        {"scheduler.alpha.kubernetes.io/preferAvoidPods",
         "deprecated since v1.22; use Taints and Tolerations instead"},
        {"node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"},
    };
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        if (strcmp(old[i].key, key) == 0) return old[i].why;
    return NULL;
}

void ks_warn_node_term(ks_warner *w, ks_val term, bool check_values) {
    const ks_check c = {.heap = w->heap, .rules = w->rules};
    ks_val rules = ks_get(term, K(matchExpressions));
    KS_IN(w, "matchExpressions") {
        for (uint32_t i = 0; i < ks_len(rules); i++) {
            const char *key = ks_member(ks_at(rules, i), K(key));
            const char *why = ks_deprecated_node_label(key);
            ks_val values = ks_get(ks_at(rules, i), K(values));
            KS_AT(w, i) {
                if (why != NULL) ks_warn(w, "key", "%s is %s", key, why);
                KS_IN(w, "values") {
                    for (uint32_t j = 0; j < ks_len(values) && check_values; j++) {
                        const char *faults[KS_FAULTS_MAX];
                        const ks_str *text = ks_text_value(ks_at(values, j)).s;
                        int count = ks_faults(&c, KS_RULE_LABEL_VALUE, text->s, text->len, faults);
                        for (int f = 0; f < count; f++)
                            KS_AT(w, j) ks_warn(w, NULL, "%s is invalid, %s", text->s, faults[f]);
                    }
                }
            }
        }
    }
}

void ks_warn_fraction(ks_warner *w, const char *key, ks_val list, const ks_str *name) {
    ks_val value = ks_get(list, name);
    if (!ks_exists(value) || ks_quantity_milli(ks_quantity_of(value)) % 1000 == 0) return;
    /* MilliValue: a decimal that is too large for it comes to nothing */
    if (ks_quantity_value(ks_quantity_of(value)) > INT64_MAX / 1000 &&
        strchr(ks_text_or(value, ""), 'i') == NULL)
        return;
    KS_IN(w, key)
    KS_KEY(w, name->s)
    ks_warn(w, NULL, "fractional byte value \"%s\" is invalid, must be an integer",
            ks_text_or(value, ""));
}

void ks_warn_ip(ks_warner *w, const char *field, ks_val address) {
    const ks_str *why = ks_ip_warning(w->heap, address);
    if (why != NULL) ks_warn(w, field, "%s", why->s);
    ks_str_unref(w->heap, why);
}

void ks_warn_claim_spec(ks_warner *w, ks_val spec) {
    KS_IN(w, "resources") {
        ks_warn_fraction(w, "requests", ks_get2(spec, K(resources), K(requests)), K(storage));
        ks_warn_fraction(w, "limits", ks_get2(spec, K(resources), K(limits)), K(storage));
    }
}

/* --- workloads --- */

/* `format` is about a name that is no DNS label: the faults are shown as Go prints a list of texts.
 */
static void warn_name(ks_warner *w, ks_val object, const char *use) {
    const ks_check c = {.heap = w->heap, .rules = w->rules};
    const char *faults[KS_FAULTS_MAX];
    const ks_str *name = ks_text_value(ks_get2(object, K(metadata), K(name))).s;
    int count = ks_faults(&c, KS_RULE_LABEL, name->s, name->len, faults);
    if (count == 0) return;
    KS_IN(w, "metadata")
    ks_warn(w, "name",
            "this is used in %s, which can result in surprising behavior; a DNS label is "
            "recommended: [%s%s%s]",
            use, faults[0], count > 1 ? " " : "", count > 1 ? faults[1] : "");
}

static bool has_moved(ks_val object, ks_val old) {
    return !ks_same(ks_get2(object, K(metadata), K(generation)),
                    ks_get2(old, K(metadata), K(generation)));
}

static void warn_template(ks_warner *w, ks_val object, ks_val old) {
    ks_val template = ks_get2(object, K(spec), K(template));
    if (ks_exists(old) && !has_moved(object, old)) return;
    KS_IN(w, "spec")
    KS_IN(w, "template") ks_warn_pod(w, ks_get(template, K(metadata)), ks_get(template, K(spec)));
}

static void warn_stateful_set(ks_warner *w, ks_val object, ks_val old) {
    ks_val spec = ks_get(object, K(spec)), claims = ks_get(spec, K(volumeClaimTemplates));
    warn_template(w, object, old);
    KS_IN(w, "spec") KS_IN(w, "volumeClaimTemplates") {
        for (uint32_t i = 0; i < ks_len(claims); i++) {
            ks_val claim = ks_get(ks_at(claims, i), K(spec));
            KS_AT(w, i) {
                if (ks_exists(old))
                    KS_IN(w, "Spec") ks_warn_claim_spec(w, claim);
                else
                    ks_warn_claim_spec(w, claim);
            }
        }
    }
    if (ks_int_or(ks_get(spec, K(revisionHistoryLimit)), 0) < 0)
        ks_warn_plain(w, "spec.revisionHistoryLimit: a negative value retains all historical "
                         "revisions; a value >= 0 is recommended");
}

/* --- the others --- */

static void warn_claim(ks_warner *w, ks_val object) {
    if (ks_exists(ks_get3(object, K(metadata), K(annotations),
                          K(volume_beta_kubernetes_io_storage_class))))
        ks_warn_plain(w,
                      "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated "
                      "since v1.8; use \"storageClassName\" attribute instead");
    KS_IN(w, "spec") ks_warn_claim_spec(w, ks_get(object, K(spec)));
}

static void warn_volume(ks_warner *w, ks_val object) {
    static const struct {
        const ks_str *key;
        const char *why;
    } old[] = {{K(cephfs), "deprecated in v1.28, non-functional in v1.31+"},
               {K(photonPersistentDisk), "deprecated in v1.11, non-functional in v1.16+"},
               {K(scaleIO), "deprecated in v1.16, non-functional in v1.22+"},
               {K(storageos), "deprecated in v1.22, non-functional in v1.25+"},
               {K(glusterfs), "deprecated in v1.25, non-functional in v1.26+"},
               {K(rbd), "deprecated in v1.28, non-functional in v1.31+"}};
    ks_val spec = ks_get(object, K(spec)),
           annotations = ks_get2(object, K(metadata), K(annotations));
    ks_val terms = ks_get3(spec, K(nodeAffinity), K(required), K(nodeSelectorTerms));
    if (ks_exists(ks_get(annotations, K(volume_beta_kubernetes_io_storage_class))))
        ks_warn_plain(w,
                      "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated "
                      "since v1.8; use \"storageClassName\" attribute instead");
    if (ks_exists(ks_get(annotations, K(volume_beta_kubernetes_io_mount_options))))
        ks_warn_plain(w,
                      "metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated "
                      "since v1.31; use \"mountOptions\" attribute instead");
    KS_IN(w, "spec") {
        if (ks_text_is(ks_get(spec, K(persistentVolumeReclaimPolicy)), "Recycle"))
            ks_warn(
                w, "persistentVolumeReclaimPolicy",
                "The Recycle reclaim policy is deprecated. Instead, the recommended approach is "
                "to use dynamic provisioning.");
        KS_IN(w, "nodeAffinity") KS_IN(w, "required") KS_IN(w, "nodeSelectorTerms") {
            for (uint32_t i = 0; i < ks_len(terms); i++)
                KS_AT(w, i) ks_warn_node_term(w, ks_at(terms, i), false);
        }
        for (size_t i = 0; i < sizeof old / sizeof *old; i++)
            if (ks_exists(ks_get(spec, old[i].key))) ks_warn(w, old[i].key->s, "%s", old[i].why);
    }
}

static void warn_ips(ks_warner *w, const char *field, ks_val list) {
    KS_IN(w, field) {
        for (uint32_t i = 0; i < ks_len(list); i++) KS_AT(w, i) ks_warn_ip(w, NULL, ks_at(list, i));
    }
}

static void warn_service(ks_warner *w, ks_val object) {
    ks_val spec = ks_get(object, K(spec)), ips = ks_get(spec, K(externalIPs));
    bool none = ks_text_is(ks_get(spec, K(clusterIP)), "None");
    bool headless = none && ks_text_is(ks_get(spec, K(type)), "ClusterIP");
    bool external = ks_text_is(ks_get(spec, K(type)), "ExternalName");
    ks_val balancer = ks_get(spec, K(loadBalancerIP));
    if (ks_exists(ks_get3(object, K(metadata), K(annotations),
                          K(service_kubernetes_io_topology_aware_hints))))
        ks_warn_plain(w, "annotation service.kubernetes.io/topology-aware-hints is deprecated, "
                         "please use service.kubernetes.io/topology-mode instead");
    if (!none) KS_IN(w, "spec") warn_ips(w, "clusterIPs", ks_get(spec, K(clusterIPs)));
    if (headless) {
        if (!ks_is_empty_text(balancer))
            ks_warn_plain(w, "spec.loadBalancerIP is ignored for headless services");
        if (ks_len(ips) > 0) ks_warn_plain(w, "spec.externalIPs is ignored for headless services");
        if (!ks_text_is(ks_get(spec, K(sessionAffinity)), "None"))
            ks_warn_plain(w, "spec.SessionAffinity is ignored for headless services");
    }
    KS_IN(w, "spec") {
        warn_ips(w, "externalIPs", ips);
        if (ks_len(ips) > 0 && !headless && !external &&
            ks_since(w->rules, KS_SINCE_WARNS_OF_CLUSTER_IPS))
            ks_warn_plain(w, "spec.externalIPs is deprecated and may no longer be implemented in "
                             "some clusters");
        if (!ks_is_empty_text(balancer)) ks_warn_ip(w, "loadBalancerIP", balancer);
    }
    if (external && ks_len(ips) > 0)
        ks_warn_plain(w, "spec.externalIPs is ignored when spec.type is \"ExternalName\"");
    if (!external && !ks_is_empty_text(ks_get(spec, K(externalName))))
        ks_warn_plain(w, "spec.externalName is ignored when spec.type is not \"ExternalName\"");
    if (ks_text_is(ks_get(spec, K(trafficDistribution)), "PreferClose") &&
        ks_since(w->rules, KS_SINCE_WARNS_OF_PREFER_CLOSE))
        ks_warn_plain(w, "spec.trafficDistribution: \"PreferClose\" is deprecated; use "
                         "\"PreferSameZone\"");
}

static void warn_storage_class(ks_warner *w, ks_val object) {
    ks_val terms = ks_get(object, K(allowedTopologies));
    KS_IN(w, "allowedTopologies") {
        for (uint32_t i = 0; i < ks_len(terms); i++) {
            ks_val rules = ks_get(ks_at(terms, i), K(matchLabelExpressions));
            KS_AT(w, i) KS_IN(w, "matchLabelExpressions") {
                for (uint32_t j = 0; j < ks_len(rules); j++) {
                    const char *why = ks_deprecated_node_label(ks_member(ks_at(rules, j), K(key)));
                    if (why != NULL) KS_AT(w, j) ks_warn(w, "key", "%s", why);
                }
            }
        }
    }
}

static void warn_quota(ks_warner *w, ks_val object) {
    if (!ks_since(w->rules, KS_SINCE_WARNS_OF_QUOTAS)) return;
    static const struct {
        const ks_str *request, *plain, *limit;
    } pairs[] = {{K(requests_cpu), K(cpu), K(limits_cpu)},
                 {K(requests_memory), K(memory), K(limits_memory)},
                 {K(requests_ephemeral_storage), NULL, K(limits_ephemeral_storage)}};
    ks_val hard = ks_get2(object, K(spec), K(hard));
    for (int i = 0; i < 3; i++) {
        const ks_str *name = pairs[i].request;
        if (!ks_exists(ks_get(hard, name)) && pairs[i].plain != NULL) name = pairs[i].plain;
        ks_val request = ks_get(hard, name), limit = ks_get(hard, pairs[i].limit);
        if (!ks_exists(request) || !ks_exists(limit)) continue;
        if (ks_quantity_cmp(ks_quantity_of(request), ks_quantity_of(limit)) <= 0) continue;
        ks_warn_plain(w, "ResourceQuota %s (%s) should be less than %s (%s)", name->s,
                      ks_text_or(request, ""), pairs[i].limit->s, ks_text_or(limit, ""));
    }
}

void ks_warnings(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val object, ks_val old,
                 ks_val *warnings) {
    ks_warner w = {.errors = {.heap = heap, .path = {.heap = heap}},
                   .heap = heap,
                   .rules = rules,
                   .out = warnings};
    bool fresh = !ks_exists(old);
    switch (kind) {
    case KS_POD:
        if (!fresh) break;
        warn_name(&w, object, "the Pod's hostname");
        ks_warn_pod(&w, ks_get(object, K(metadata)), ks_get(object, K(spec)));
        break;
    case KS_REPLICASET:
    case KS_DEPLOYMENT:
        if (fresh) warn_name(&w, object, "Pod names and hostnames");
        warn_template(&w, object, old);
        break;
    case KS_STATEFULSET: warn_stateful_set(&w, object, old); break;
    case KS_PVC: warn_claim(&w, object); break;
    case KS_PV: warn_volume(&w, object); break;
    case KS_SERVICE: warn_service(&w, object); break;
    case KS_STORAGECLASS: warn_storage_class(&w, object); break;
    case KS_ENDPOINTS:
        ks_warn_plain(&w, "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 "
                          "EndpointSlice");
        break;
    case KS_ENDPOINTSLICE:
        if (fresh && ks_text_is(ks_get(object, K(addressType)), "FQDN"))
            ks_warn_plain(&w, "addressType: FQDN endpoints are deprecated");
        break;
    case KS_RESOURCEQUOTA:
        if (fresh) warn_quota(&w, object);
        break;
    default: break;
    }
    ks_errors_dispose(&w.errors);
}
