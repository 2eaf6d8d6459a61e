/*
 * api/validate_pod.c - pods and pod templates.
 *
 * pkg/apis/core/validation/validation.go: ValidatePodCreate, ValidatePodSpec,
 * ValidatePodTemplateSpec.
 */
#include "api/validate_internal.h"

#include <string.h>

static bool starts(const ks_str *text, const char *prefix) {
    return strncmp(text->s, prefix, strlen(prefix)) == 0;
}

/* --- annotations --- */

static void check_seccomp_annotation(ks_check *c, ks_val profile) {
    static const char *const known[] = {"runtime/default", "docker/default", "unconfined", NULL};
    if (ks_one_of(profile, known)) return;
    if (profile.type == KS_STRING && starts(profile.s, "localhost/")) {
        ks_val path = ks_text(c->heap, profile.s->s + strlen("localhost/"));
        ks_check_descending_path(c, NULL, path);
        ks_unref(c->heap, path);
        return;
    }
    ks_bad(c, NULL, ks_text_value(profile), "must be a valid seccomp profile");
}

static bool has_container(ks_val spec, const char *name) {
    const ks_str *const lists[] = {K(initContainers), K(containers), K(ephemeralContainers)};
    for (int i = 0; i < 3; i++)
        ks_each(container, ks_get(spec, lists[i]))
            if (ks_text_is(ks_get(*container, K(name)), name)) return true;
    return false;
}

static void check_app_armor_annotation(ks_check *c, const ks_pair *pair, ks_val spec) {
    static const char prefix[] = "container.apparmor.security.beta.kubernetes.io/";
    if (!starts(pair->key, prefix)) return;
    const char *name = pair->key->s + strlen(prefix), *profile = ks_text_or(pair->val, "");
    KS_KEY(c, pair->key->s) {
        if (!has_container(spec, name)) {
            ks_val text = ks_text(c->heap, name);
            ks_bad(c, NULL, text, "container not found");
            ks_unref(c->heap, text);
        }
        bool known = profile[0] == '\0' || strcmp(profile, "runtime/default") == 0 ||
                     strcmp(profile, "unconfined") == 0 || strncmp(profile, "localhost/", 10) == 0;
        if (!known) {
            const ks_str *why =
                ks_str_printf(c->heap, "invalid AppArmor profile name: \"%s\"", profile);
            ks_bad(c, NULL, pair->val, why->s);
            ks_str_unref(c->heap, why);
        }
    }
}

void ks_check_pod_annotations(ks_check *c, const char *field, ks_val annotations, ks_val spec) {
    if (ks_len(annotations) == 0) return;
    ks_val mirror = ks_get(annotations, K(kubernetes_io_config_mirror));
    ks_val cost = ks_get(annotations, K(controller_kubernetes_io_pod_deletion_cost));
    int32_t number;
    KS_IN(c, field) {
        if (ks_exists(mirror) && ks_is_empty_text(ks_get(spec, K(nodeName))))
            KS_KEY(c, "kubernetes.io/config.mirror")
        ks_bad(c, NULL, mirror, "must set spec.nodeName if mirror pod annotation is set");
        if (ks_exists(cost) && !ks_deletion_cost(cost.s, &number))
            KS_KEY(c, "controller.kubernetes.io/pod-deletion-cost")
        ks_bad(c, NULL, cost, "must be a 32bit integer");
        for (uint32_t i = 0; i < ks_len(annotations); i++) {
            const ks_pair *pair = ks_pair_at(annotations, i);
            bool seccomp = pair->key == K(seccomp_security_alpha_kubernetes_io_pod) ||
                           starts(pair->key, "container.seccomp.security.alpha.kubernetes.io/");
            if (seccomp) KS_IN(c, pair->key->s) check_seccomp_annotation(c, pair->val);
        }
        for (uint32_t i = 0; i < ks_len(annotations); i++)
            check_app_armor_annotation(c, ks_pair_at(annotations, i), spec);
    }
}

/* --- parts of the spec --- */

static void check_host_network(ks_check *c, ks_val spec) {
    ks_val containers = ks_get(spec, K(containers));
    if (!ks_bool_or(ks_get(spec, K(hostNetwork)), false)) return;
    KS_IN(c, "containers") {
        for (uint32_t i = 0; i < ks_len(containers); i++) {
            ks_val ports = ks_get(ks_at(containers, i), K(ports));
            for (uint32_t j = 0; j < ks_len(ports); j++) {
                int64_t host = ks_int_or(ks_get(ks_at(ports, j), K(hostPort)), 0);
                int64_t own = ks_int_or(ks_get(ks_at(ports, j), K(containerPort)), 0);
                if (host == own || (host == 0 && !c->is_pod)) continue;
                KS_AT(c, i)
                KS_IN(c, "ports")
                KS_AT(c, j)
                ks_bad(c, "hostPort", ks_int(host),
                       "must match `containerPort` when `hostNetwork` is true");
            }
        }
    }
}

static size_t joined_length(ks_val texts) {
    size_t len = ks_len(texts) > 0 ? ks_len(texts) - 1 : 0;
    ks_each(text, texts) len += text->type == KS_STRING ? text->s->len : 0;
    return len;
}

static void check_search(ks_check *c, ks_val search) {
    const ks_str *text = ks_text_value(search).s;
    if (text->len == 1 && text->s[0] == '.') return;
    size_t len = text->len > 0 && text->s[text->len - 1] == '.' ? text->len - 1 : text->len;
    ks_val bare = ks_textn(c->heap, text->s, len);
    ks_check_text(c, NULL, KS_RULE_UNDERSCORE, bare);
    ks_unref(c->heap, bare);
}

static void check_dns_config(ks_check *c, ks_val config, ks_val policy) {
    enum { SERVERS = 3, SEARCHES = 32, CHARACTERS = 2048 };
    ks_val servers = ks_get(config, K(nameservers)), searches = ks_get(config, K(searches));
    ks_val options = ks_get(config, K(options));
    if (ks_text_is(policy, "None") && !ks_exists(config)) {
        ks_need(c, NULL, "must provide `dnsConfig` when `dnsPolicy` is None");
        return;
    }
    if (ks_text_is(policy, "None") && ks_len(servers) == 0) {
        ks_need(c, "nameservers",
                "must provide at least one DNS nameserver when `dnsPolicy` is None");
        return;
    }
    if (ks_len(servers) > SERVERS)
        ks_bad(c, "nameservers", servers, "must not have more than 3 nameservers");
    KS_IN(c, "nameservers") {
        for (uint32_t i = 0; i < ks_len(servers); i++)
            KS_AT(c, i) ks_check_ip(c, NULL, ks_at(servers, i));
    }
    if (ks_len(searches) > SEARCHES)
        ks_bad(c, "searches", searches, "must not have more than 32 search paths");
    if (joined_length(searches) > CHARACTERS)
        ks_bad(c, "searches", searches,
               "must not have more than 2048 characters (including spaces) in the search list");
    KS_IN(c, "searches") {
        for (uint32_t i = 0; i < ks_len(searches); i++)
            KS_AT(c, i) check_search(c, ks_at(searches, i));
    }
    KS_IN(c, "options") {
        for (uint32_t i = 0; i < ks_len(options); i++)
            if (ks_is_empty_text(ks_get(ks_at(options, i), K(name))))
                KS_AT(c, i) ks_need(c, NULL, "must not be empty");
    }
}

static void check_gates(ks_check *c, ks_val spec) {
    ks_val ready = ks_get(spec, K(readinessGates)), gates = ks_get(spec, K(schedulingGates));
    KS_IN(c, "readinessGates") {
        for (uint32_t i = 0; i < ks_len(ready); i++) KS_AT(c, i)
        ks_check_text(c, "conditionType", KS_RULE_QUALIFIED,
                      ks_get(ks_at(ready, i), K(conditionType)));
    }
    KS_IN(c, "schedulingGates") {
        for (uint32_t i = 0; i < ks_len(gates); i++) {
            ks_val name = ks_text_value(ks_get(ks_at(gates, i), K(name)));
            bool twice = false;
            for (uint32_t j = 0; j < i; j++)
                twice |= ks_equal(ks_text_value(ks_get(ks_at(gates, j), K(name))), name);
            KS_AT(c, i) {
                ks_check_text(c, NULL, KS_RULE_QUALIFIED, name);
                if (twice) ks_duplicate(c, NULL, name);
            }
        }
    }
}

static void check_host_users(ks_check *c, ks_val spec) {
    if (ks_bool_or(ks_get(spec, K(hostUsers)), true)) return;
    if (ks_bool_or(ks_get(spec, K(hostNetwork)), false))
        ks_deny(c, "hostNetwork", "when `hostUsers` is false");
    if (ks_bool_or(ks_get(spec, K(hostPID)), false))
        ks_deny(c, "HostPID", "when `hostUsers` is false");
    if (ks_bool_or(ks_get(spec, K(hostIPC)), false))
        ks_deny(c, "HostIPC", "when `hostUsers` is false");
}

static void check_hostname_override(ks_check *c, ks_val spec) {
    ks_val name = ks_get(spec, K(hostnameOverride));
    if (!ks_exists(name)) return;
    if (ks_bool_or(ks_get(spec, K(setHostnameAsFQDN)), false))
        ks_deny(c, "hostnameOverride", "may not be specified when setHostnameAsFQDN is true");
    if (ks_bool_or(ks_get(spec, K(hostNetwork)), false))
        ks_deny(c, "hostnameOverride", "may not be specified when hostNetwork is true");
    if (name.s->len > 64) ks_error_too_long(&c->errors, "hostnameOverride", 64);
    ks_check_text(c, "hostnameOverride", KS_RULE_SUBDOMAIN, name);
}

static void check_host_aliases(ks_check *c, ks_val aliases) {
    KS_IN(c, "hostAliases") {
        for (uint32_t i = 0; i < ks_len(aliases); i++) {
            ks_val names = ks_get(ks_at(aliases, i), K(hostnames));
            KS_AT(c, i) {
                ks_check_ip(c, "ip", ks_get(ks_at(aliases, i), K(ip)));
                KS_IN(c, "hostnames") {
                    for (uint32_t j = 0; j < ks_len(names); j++)
                        KS_AT(c, j) ks_check_text(c, NULL, KS_RULE_SUBDOMAIN, ks_at(names, j));
                }
            }
        }
    }
}

static void check_pod_resources(ks_check *c, ks_val spec) {
    ks_val resources = ks_get(spec, K(resources));
    if (!ks_exists(resources)) return;
    KS_IN(c, "resources") {
        if (ks_exists(ks_get(resources, K(claims))))
            ks_deny(c, "claims", "claims may not be set for Resources at pod-level");
        ks_check_resources(c, resources, true, ks_get(spec, K(resourceClaims)));
    }
}

/* Environment from files needs an emptyDir of that name: validateFileKeyRefVolumes. */
static void check_file_refs(ks_check *c, ks_val spec, const ks_str *list) {
    ks_val containers = ks_get(spec, list);
    for (uint32_t i = 0; i < ks_len(containers); i++) {
        ks_val env = ks_get(ks_at(containers, i), K(env));
        for (uint32_t j = 0; j < ks_len(env); j++) {
            ks_val ref = ks_get2(ks_at(env, j), K(valueFrom), K(fileKeyRef));
            if (!ks_exists(ref)) continue;
            ks_val name = ks_text_value(ks_get(ref, K(volumeName))), found = KS_NOTHING;
            ks_each(volume, ks_get(spec, K(volumes)))
                if (ks_equal(ks_get(*volume, K(name)), name)) found = *volume;
            KS_IN(c, list->s)
            KS_AT(c, i) KS_IN(c, "env") KS_AT(c, j) KS_IN(c, "valueFrom") KS_IN(c, "fileKeyRef") {
                if (!ks_exists(found))
                    ks_error_not_found(&c->errors, "volumeName", name);
                else if (!ks_exists(ks_get(found, K(emptyDir))))
                    ks_bad(c, "volumeName", name, "referenced volume must be of type emptyDir");
            }
        }
    }
}

static void check_resource_claims(ks_check *c, ks_val claims) {
    KS_IN(c, "resourceClaims") {
        for (uint32_t i = 0; i < ks_len(claims); i++) {
            ks_val claim = ks_at(claims, i), name = ks_get(claim, K(name));
            bool by_name = ks_exists(ks_get(claim, K(resourceClaimName)));
            bool by_template = ks_exists(ks_get(claim, K(resourceClaimTemplateName)));
            KS_AT(c, i) {
                bool twice = false;
                for (uint32_t j = 0; j < i; j++)
                    twice |= !ks_is_empty_text(name) &&
                             ks_equal(ks_get(ks_at(claims, j), K(name)), name);
                if (twice)
                    ks_duplicate(c, "name", name);
                else
                    ks_check_required_text(c, "name", KS_RULE_LABEL, name);
                if (by_name && by_template)
                    ks_bad_struct(c, NULL, KS_TYPE_core_v1_PodResourceClaim, claim,
                                  "at most one of `resourceClaimName` or "
                                  "`resourceClaimTemplateName` may be specified");
                if (!by_name && !by_template)
                    ks_bad_struct(c, NULL, KS_TYPE_core_v1_PodResourceClaim, claim,
                                  "must specify one of: `resourceClaimName`, "
                                  "`resourceClaimTemplateName`");
                if (by_name)
                    ks_check_text(c, "resourceClaimName", KS_RULE_SUBDOMAIN,
                                  ks_get(claim, K(resourceClaimName)));
                if (by_template)
                    ks_check_text(c, "resourceClaimTemplateName", KS_RULE_SUBDOMAIN,
                                  ks_get(claim, K(resourceClaimTemplateName)));
            }
        }
    }
}

static void check_numbers_and_names(ks_check *c, ks_val spec) {
    static const char *const preemption[] = {"PreemptLowerPriority", "Never", NULL};
    ks_val account = ks_get(spec, K(serviceAccountName)), node = ks_get(spec, K(nodeName));
    ks_val deadline = ks_get(spec, K(activeDeadlineSeconds)), name = ks_get(spec, K(hostname));
    ks_val subdomain = ks_get(spec, K(subdomain)), class = ks_get(spec, K(priorityClassName));
    ks_val runtime = ks_get(spec, K(runtimeClassName)), policy = ks_get(spec, K(preemptionPolicy));
    if (!ks_is_empty_text(account))
        ks_check_text(c, "serviceAccountName", KS_RULE_SUBDOMAIN, account);
    if (!ks_is_empty_text(node)) ks_check_text(c, "nodeName", KS_RULE_SUBDOMAIN, node);
    if (deadline.type == KS_INT && (deadline.i < 1 || deadline.i > INT32_MAX))
        ks_bad_range(c, "activeDeadlineSeconds", deadline, 1, INT32_MAX);
    if (!ks_is_empty_text(name)) ks_check_text(c, "hostname", KS_RULE_LABEL, name);
    if (!ks_is_empty_text(subdomain)) ks_check_text(c, "subdomain", KS_RULE_LABEL, subdomain);
    KS_IN(c, "tolerations") ks_check_tolerations(c, ks_get(spec, K(tolerations)));
    check_host_aliases(c, ks_get(spec, K(hostAliases)));
    if (!ks_is_empty_text(class)) ks_check_text(c, "priorityClassName", KS_RULE_SUBDOMAIN, class);
    if (ks_exists(runtime)) ks_check_text(c, "runtimeClassName", KS_RULE_SUBDOMAIN, runtime);
    if (ks_exists(policy)) ks_check_enum(c, "preemptionPolicy", policy, preemption, true);
    ks_val overhead = ks_get(spec, K(overhead));
    if (ks_exists(overhead)) {
        ks_val as_limits = ks_map_of(c->heap, K(limits), ks_ref(overhead), NULL);
        KS_IN(c, "overhead") ks_check_resources(c, as_limits, false, KS_NOTHING);
        ks_unref(c->heap, as_limits);
    }
    ks_check_os(c, spec);
}

void ks_check_pod_spec(ks_check *c, ks_val spec) {
    static const char *const restarts[] = {"Always", "OnFailure", "Never", NULL};
    static const char *const policies[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default",
                                           "None", NULL};
    ks_val volumes = KS_NOTHING;
    if (!ks_exists(ks_get(spec, K(terminationGracePeriodSeconds))))
        ks_need(c, "terminationGracePeriodSeconds", "");
    KS_IN(c, "volumes") ks_check_volumes(c, ks_get(spec, K(volumes)), &volumes);
    check_resource_claims(c, ks_get(spec, K(resourceClaims)));
    KS_IN(c, "containers") ks_check_containers(c, spec, volumes);
    KS_IN(c, "initContainers") ks_check_init_containers(c, spec, volumes);
    KS_IN(c, "ephemeralContainers") ks_check_ephemeral_containers(c, spec, volumes);
    ks_unref(c->heap, volumes);
    check_pod_resources(c, spec);
    check_host_network(c, spec);
    ks_check_enum(c, "restartPolicy", ks_get(spec, K(restartPolicy)), restarts, true);
    ks_check_enum(c, "dnsPolicy", ks_get(spec, K(dnsPolicy)), policies, true);
    ks_check_labels(c, "nodeSelector", ks_get(spec, K(nodeSelector)));
    KS_IN(c, "securityContext") ks_check_pod_security_context(c, spec);
    ks_val affinity = ks_get(spec, K(affinity));
    if (ks_exists(affinity)) KS_IN(c, "affinity") ks_check_affinity(c, affinity);
    KS_IN(c, "dnsConfig")
    check_dns_config(c, ks_get(spec, K(dnsConfig)), ks_get(spec, K(dnsPolicy)));
    check_gates(c, spec);
    KS_IN(c, "topologySpreadConstraints")
    ks_check_spread(c, ks_get(spec, K(topologySpreadConstraints)));
    ks_check_host_processes(c, spec);
    check_host_users(c, spec);
    check_hostname_override(c, spec);
    check_numbers_and_names(c, spec);
    check_file_refs(c, spec, K(initContainers));
    check_file_refs(c, spec, K(containers));
    check_file_refs(c, spec, K(ephemeralContainers));
}

void ks_check_pod_template(ks_check *c, ks_val template) {
    ks_val meta = ks_get(template, K(metadata)), spec = ks_get(template, K(spec));
    ks_check_labels(c, "labels", ks_get(meta, K(labels)));
    ks_check_annotations(c, "annotations", ks_get(meta, K(annotations)));
    ks_check_pod_annotations(c, "annotations", ks_get(meta, K(annotations)), spec);
    KS_IN(c, "spec") {
        ks_check_pod_spec(c, spec);
        ks_check_profiles(c, ks_get(meta, K(annotations)), spec);
        if (ks_len(ks_get(spec, K(ephemeralContainers))) > 0)
            ks_deny(c, "ephemeralContainers", "ephemeral containers not allowed in pod template");
    }
}

/* --- pods --- */

static void check_images(ks_check *c, ks_val spec, const ks_str *list) {
    ks_val containers = ks_get(spec, list);
    KS_IN(c, list->s) {
        for (uint32_t i = 0; i < ks_len(containers); i++) {
            const char *image = ks_member(ks_at(containers, i), K(image));
            size_t len = strlen(image);
            bool padded = len > 0 && (strchr(" \t\r\n\v\f", image[0]) != NULL ||
                                      strchr(" \t\r\n\v\f", image[len - 1]) != NULL);
            if (padded) KS_AT(c, i)
            ks_bad(c, "image", ks_get(ks_at(containers, i), K(image)),
                   "must not have leading or trailing whitespace");
        }
    }
}

/* validatePodMetadataAndSpec */
static void check_meta_and_spec(ks_check *c, ks_val pod) {
    ks_val spec = ks_get(pod, K(spec));
    c->is_pod = true;
    c->pod_name = ks_str_or_null(ks_get2(pod, K(metadata), K(name)));
    ks_check_meta(c, pod, true, KS_RULE_SUBDOMAIN);
    KS_IN(c, "metadata")
    ks_check_pod_annotations(c, "annotations", ks_get2(pod, K(metadata), K(annotations)), spec);
    KS_IN(c, "spec") {
        ks_check_pod_spec(c, spec);
        check_images(c, spec, K(containers));
        check_images(c, spec, K(initContainers));
    }
}

void ks_check_pod_create(ks_check *c, ks_val pod) {
    ks_val spec = ks_get(pod, K(spec));
    check_meta_and_spec(c, pod);
    KS_IN(c, "spec") {
        if (ks_len(ks_get(spec, K(ephemeralContainers))) > 0)
            ks_deny(c, "ephemeralContainers", "cannot be set on create");
        if (!ks_is_empty_text(ks_get(spec, K(nodeName))) &&
            ks_len(ks_get(spec, K(schedulingGates))) > 0)
            ks_deny(c, "nodeName", "cannot be set until all schedulingGates have been cleared");
        ks_check_profiles(c, ks_get2(pod, K(metadata), K(annotations)), spec);
    }
}

/* --- updates of pods --- */

static void check_annotation_updates(ks_check *c, ks_val now, ks_val old, ks_val spec) {
    static const char prefix[] = "container.apparmor.security.beta.kubernetes.io/";
    KS_IN(c, "metadata") {
        KS_IN(c, "annotations") {
            for (uint32_t i = 0; i < ks_len(old); i++) {
                const ks_pair *pair = ks_pair_at(old, i);
                if (ks_equal(ks_get(now, pair->key), pair->val)) continue;
                if (starts(pair->key, prefix)) KS_KEY(c, pair->key->s)
                ks_deny(c, NULL, "may not remove or update AppArmor annotations");
                if (pair->key == K(kubernetes_io_config_mirror)) KS_KEY(c, pair->key->s)
                ks_deny(c, NULL, "may not remove or update mirror pod annotation");
            }
            for (uint32_t i = 0; i < ks_len(now); i++) {
                const ks_pair *pair = ks_pair_at(now, i);
                if (ks_exists(ks_get(old, pair->key))) continue;
                if (starts(pair->key, prefix))
                    KS_KEY(c, pair->key->s) ks_deny(c, NULL, "may not add AppArmor annotations");
                if (pair->key == K(kubernetes_io_config_mirror))
                    KS_KEY(c, pair->key->s) ks_deny(c, NULL, "may not add mirror pod annotation");
            }
        }
        ks_check_pod_annotations(c, "annotations", now, spec);
    }
}

/* ValidateContainerUpdates: false when it makes no sense to go on. */
static bool check_container_updates(ks_check *c, ks_val now, ks_val old, const ks_str *list) {
    ks_val after = ks_get(now, list), before = ks_get(old, list);
    if (ks_len(after) != ks_len(before)) {
        ks_deny(c, list->s, "pod updates may not add or remove containers");
        return false;
    }
    KS_IN(c, list->s) {
        for (uint32_t i = 0; i < ks_len(after); i++)
            if (ks_is_empty_text(ks_get(ks_at(after, i), K(image))))
                KS_AT(c, i) ks_need(c, "image", "");
    }
    check_images(c, now, list);
    return true;
}

static void check_deadline_update(ks_check *c, ks_val now, ks_val old) {
    if (now.type == KS_INT) {
        if (now.i < 0 || now.i > INT32_MAX)
            ks_bad_range(c, "activeDeadlineSeconds", now, 0, INT32_MAX);
        else if (old.type == KS_INT && old.i < now.i)
            ks_bad(c, "activeDeadlineSeconds", now, "must be less than or equal to previous value");
    } else if (old.type == KS_INT) {
        ks_bad_printed(c, "activeDeadlineSeconds", "null",
                       "must not update from a positive integer to nil value");
    }
}

static bool is_kept(ks_heap *heap, ks_val toleration, ks_val list) {
    ks_val bare = ks_drop(heap, ks_ref(toleration), K(tolerationSeconds));
    bool found = false;
    ks_each(other, list) {
        ks_val other_bare = ks_drop(heap, ks_ref(*other), K(tolerationSeconds));
        found |= ks_same(bare, other_bare);
        ks_unref(heap, other_bare);
    }
    ks_unref(heap, bare);
    return found;
}

static void check_gate_updates(ks_check *c, ks_val now, ks_val old) {
    KS_IN(c, "schedulingGates") {
        for (uint32_t i = 0; i < ks_len(now); i++) {
            ks_val name = ks_get(ks_at(now, i), K(name));
            bool known = false;
            ks_each(gate, old) known |= ks_equal(ks_get(*gate, K(name)), name);
            if (known) continue;
            const ks_str *why = ks_str_printf(
                c->heap, "only deletion is allowed, but found new scheduling gate '%s'",
                ks_text_or(name, ""));
            KS_AT(c, i) ks_deny(c, "name", why->s);
            ks_str_unref(c->heap, why);
        }
    }
}

/* The new spec with the old values of what may change. */
static ks_val munged(ks_heap *heap, ks_val now, ks_val old) {
    const ks_str *const keys[] = {K(activeDeadlineSeconds), K(schedulingGates), K(tolerations)};
    const ks_str *const lists[] = {K(containers), K(initContainers)};
    ks_val spec = ks_ref(now), old_grace = ks_get(old, K(terminationGracePeriodSeconds));
    for (int i = 0; i < 3; i++) spec = ks_put(heap, spec, keys[i], ks_ref(ks_get(old, keys[i])));
    for (int i = 0; i < 2; i++) {
        ks_val containers = ks_ref(ks_get(spec, lists[i]));
        for (uint32_t j = 0; j < ks_len(containers); j++) {
            ks_val image = ks_get(ks_at(ks_get(old, lists[i]), j), K(image));
            ks_val container = ks_ref(ks_at(containers, j));
            container = ks_put(heap, container, K(image), ks_ref(image));
            containers = ks_set_at(heap, containers, j, container);
        }
        spec = ks_put(heap, spec, lists[i], containers);
    }
    if (ks_int_or(old_grace, 0) < 0 &&
        ks_int_or(ks_get(spec, K(terminationGracePeriodSeconds)), 0) == 1)
        spec = ks_put(heap, spec, K(terminationGracePeriodSeconds), ks_ref(old_grace));
    if (ks_len(ks_get(old, K(schedulingGates))) > 0)
        spec = ks_put(heap, spec, K(nodeSelector), ks_ref(ks_get(old, K(nodeSelector))));
    return spec;
}

/* A gated pod's node selector may only get more. */
static void check_gated_selector(ks_check *c, ks_val now, ks_val old) {
    for (uint32_t i = 0; i < ks_len(old); i++) {
        const ks_pair *pair = ks_pair_at(old, i);
        if (ks_equal(ks_get(now, pair->key), pair->val)) continue;
        ks_bad(c, "nodeSelector", now,
               "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
        return;
    }
}

static void check_spec_update(ks_check *c, ks_val now, ks_val old) {
    if (ks_same(now, old)) return;
    if (ks_len(ks_get(old, K(schedulingGates))) > 0) KS_IN(c, "spec")
    check_gated_selector(c, ks_get(now, K(nodeSelector)), ks_get(old, K(nodeSelector)));
    ks_val spec = munged(c->heap, now, old);
    if (!ks_same_meaning(&ks_types[KS_TYPE_core_v1_PodSpec], spec, old)) {
        const ks_str *diff = ks_print_diff(c->heap, &ks_types[KS_TYPE_core_v1_PodSpec], old, spec);
        const ks_str *why = ks_str_printf(
            c->heap,
            "pod updates may not change fields other than "
            "`spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
            "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
            "previously negative)\n%s",
            diff->s);
        ks_deny(c, "spec", why->s);
        ks_str_unref(c->heap, why);
        ks_str_unref(c->heap, diff);
    }
    ks_unref(c->heap, spec);
}

void ks_check_pod_update(ks_check *c, ks_val pod, ks_val old) {
    ks_val now_spec = ks_get(pod, K(spec)), old_spec = ks_get(old, K(spec));
    bool go_on = true;
    ks_check_meta_update(c, pod, old);
    check_meta_and_spec(c, pod);
    check_annotation_updates(c, ks_get2(pod, K(metadata), K(annotations)),
                             ks_get2(old, K(metadata), K(annotations)), now_spec);
    KS_IN(c, "spec") {
        go_on = check_container_updates(c, now_spec, old_spec, K(containers)) &&
                check_container_updates(c, now_spec, old_spec, K(initContainers));
        if (go_on) {
            check_deadline_update(c, ks_get(now_spec, K(activeDeadlineSeconds)),
                                  ks_get(old_spec, K(activeDeadlineSeconds)));
            ks_val tolerations = ks_get(now_spec, K(tolerations));
            ks_each(toleration, ks_get(old_spec, K(tolerations)))
                if (!is_kept(c->heap, *toleration, tolerations))
                    ks_deny(c, "tolerations",
                            "existing toleration can not be modified except its tolerationSeconds");
            KS_IN(c, "tolerations") ks_check_tolerations(c, tolerations);
            check_gate_updates(c, ks_get(now_spec, K(schedulingGates)),
                               ks_get(old_spec, K(schedulingGates)));
        }
    }
    if (go_on) check_spec_update(c, now_spec, old_spec);
}

/* validatePodConditions: the path says Type, as upstream's does. */
static void check_pod_conditions(ks_check *c, ks_val conditions) {
    static const char *const own[] = {"PodScheduled", "Ready", "Initialized", NULL};
    for (uint32_t i = 0; i < ks_len(conditions); i++) {
        ks_val type = ks_get(ks_at(conditions, i), K(type));
        ks_val generation = ks_get(ks_at(conditions, i), K(observedGeneration));
        KS_AT(c, i) {
            if (generation.type == KS_INT && generation.i < 0)
                ks_bad(c, "observedGeneration", generation, "must be a non-negative integer");
            if (!ks_one_of(type, own)) ks_check_text(c, "Type", KS_RULE_QUALIFIED, type);
        }
    }
}

/* validatePodIPs, validateHostIPs: addresses, one of each family. */
static void check_pod_ips(ks_check *c, ks_val list, int type) {
    bool four = false, six = false;
    for (uint32_t i = 0; i < ks_len(list); i++)
        KS_AT(c, i) ks_check_ip(c, NULL, ks_get(ks_at(list, i), K(ip)));
    if (ks_len(list) < 2) return;
    for (uint32_t i = 0; i < ks_len(list); i++) {
        ks_val text = ks_text_value(ks_get(ks_at(list, i), K(ip)));
        ks_ip ip;
        if (!ks_ip_parse(text.s->s, text.s->len, &ip)) {
            const ks_str *why = ks_str_printf(
                c->heap, "failed to check for dual stack with error:invalid IP[%u]: %s", i,
                text.s->s);
            ks_error_internal(&c->errors, NULL, why->s);
            ks_str_unref(c->heap, why);
            four = six = false;
            break;
        }
        four |= ip.v4;
        six |= !ip.v4;
    }
    if (four && six && ks_len(list) <= 2) return;
    ks_buf printed = {.heap = c->heap};
    for (uint32_t i = 0; i < ks_len(list); i++) {
        const ks_str *one = ks_print_struct(c->heap, &ks_types[type], ks_at(list, i));
        ks_buf_putc(&printed, i == 0 ? '[' : ',');
        ks_buf_str(&printed, one);
        ks_str_unref(c->heap, one);
    }
    ks_buf_putc(&printed, ']');
    ks_bad_printed(c, NULL, printed.s, "may specify no more than one IP for each IP family");
    ks_buf_dispose(&printed);
}

void ks_check_pod_status_update(ks_check *c, ks_val pod, ks_val old) {
    ks_val status = ks_get(pod, K(status)), old_status = ks_get(old, K(status));
    ks_val nominated = ks_get(status, K(nominatedNodeName)), qos = ks_get(status, K(qosClass));
    if (!ks_kept(c, ks_get(pod, K(metadata)), ks_get(old, K(metadata)))) {
        ks_check_meta_update(c, pod, old);
        check_annotation_updates(c, ks_get2(pod, K(metadata), K(annotations)),
                                 ks_get2(old, K(metadata), K(annotations)), ks_get(pod, K(spec)));
    }
    ks_val generation = ks_get(status, K(observedGeneration));
    ks_val conditions = ks_get(status, K(conditions));
    KS_IN(c, "status") {
        if (!ks_kept(c, conditions, ks_get(old_status, K(conditions))))
            KS_IN(c, "conditions") check_pod_conditions(c, conditions);
        if (!ks_same(ks_get2(pod, K(spec), K(nodeName)), ks_get2(old, K(spec), K(nodeName))))
            ks_deny(c, "nodeName", "may not be changed directly");
        if (!ks_is_empty_text(nominated) &&
            !ks_equal(nominated, ks_get(old_status, K(nominatedNodeName)))) {
            ks_check_text(c, "nominatedNodeName", KS_RULE_SUBDOMAIN, nominated);
            if (ks_since(c->rules, KS_SINCE_NO_LATE_NOMINATION) &&
                !ks_is_empty_text(ks_get2(old, K(spec), K(nodeName))))
                ks_deny(c, "nominatedNodeName",
                        "may not be set on pods that are already bound to a node");
        }
        if (generation.type == KS_INT && generation.i < 0)
            ks_bad(c, "observedGeneration", generation, "must be a non-negative integer");
        if (!ks_same(qos, ks_get(old_status, K(qosClass))))
            ks_bad(c, "qosClass", ks_text_value(qos), "field is immutable");
        ks_val host = ks_get(status, K(hostIPs));
        ks_val first = ks_text_value(ks_get(ks_at(host, 0), K(ip)));
        ks_val addresses = ks_get(status, K(podIPs));
        if (!ks_kept(c, addresses, ks_get(old_status, K(podIPs))))
            KS_IN(c, "podIPs") check_pod_ips(c, addresses, KS_TYPE_core_v1_PodIP);
        if (ks_len(host) > 0 && !ks_equal(ks_text_value(ks_get(status, K(hostIP))), first))
            KS_IN(c, "hostIPs") KS_AT(c, 0) ks_bad(c, "ip", first, "must be equal to `hostIP`");
        if (!ks_kept(c, host, ks_get(old_status, K(hostIPs))))
            KS_IN(c, "hostIPs") check_pod_ips(c, host, KS_TYPE_core_v1_HostIP);
    }
}
