/*
 * api/validate_container.c - containers, init containers and ephemeral containers.
 *
 * pkg/apis/core/validation/validation.go: validateContainers, validateInitContainers,
 * validateEphemeralContainers and what they call.
 */
#include "api/validate_internal.h"

#include <stdio.h>
#include <string.h>

static const char *const PROTOCOLS[] = {"SCTP", "TCP", "UDP", NULL};
static const char *const PULL_POLICIES[] = {"Always", "IfNotPresent", "Never", NULL};

static bool host_users(ks_val spec) { return ks_bool_or(ks_get(spec, K(hostUsers)), true); }

/* --- ports --- */

static void check_ports(ks_check *c, ks_val ports) {
    for (uint32_t i = 0; i < ks_len(ports); i++) {
        ks_val port = ks_at(ports, i), name = ks_get(port, K(name));
        int64_t number = ks_int_or(ks_get(port, K(containerPort)), 0);
        int64_t host = ks_int_or(ks_get(port, K(hostPort)), 0);
        KS_AT(c, i) {
            if (!ks_is_empty_text(name)) {
                bool twice = false;
                for (uint32_t j = 0; j < i; j++)
                    twice |= ks_equal(ks_get(ks_at(ports, j), K(name)), name);
                if (!ks_follows(c, KS_RULE_PORT_NAME, name.s))
                    ks_check_text(c, "name", KS_RULE_PORT_NAME, name);
                else if (twice)
                    ks_duplicate(c, "name", name);
            }
            if (number == 0)
                ks_need(c, "containerPort", "");
            else
                ks_check_port_number(c, "containerPort", number);
            if (host != 0) ks_check_port_number(c, "hostPort", host);
            ks_check_enum(c, "protocol", ks_get(port, K(protocol)), PROTOCOLS, true);
        }
    }
}

/* AccumulateUniqueHostPorts: `seen` collects "TCP//80"; at the path of the containers. */
static void check_host_ports(ks_check *c, ks_val container, uint32_t index, ks_val *seen) {
    ks_val ports = ks_get(container, K(ports));
    for (uint32_t i = 0; i < ks_len(ports); i++) {
        ks_val port = ks_at(ports, i);
        int64_t number = ks_int_or(ks_get(port, K(hostPort)), 0);
        if (number == 0) continue;
        ks_val key = ks_format(c->heap, "%s/%s/%lld", ks_member(port, K(protocol)),
                               ks_member(port, K(hostIP)), (long long)number);
        bool twice = false;
        ks_each(other, *seen) twice |= ks_equal(*other, key);
        if (twice) {
            KS_AT(c, index) KS_IN(c, "ports") KS_AT(c, i) ks_duplicate(c, "hostPort", key);
            ks_unref(c->heap, key);
        } else {
            *seen = ks_append(c->heap, *seen, key);
        }
    }
}

/* --- handlers --- */

static void check_exec(ks_check *c, ks_val action, ks_val grace) {
    (void)grace;
    if (ks_len(ks_get(action, K(command))) == 0) ks_need(c, "command", "");
}

static void check_http(ks_check *c, ks_val action, ks_val grace) {
    static const char *const schemes[] = {"HTTP", "HTTPS", NULL};
    (void)grace;
    if (ks_is_empty_text(ks_get(action, K(path)))) ks_need(c, "path", "");
    ks_check_port(c, "port", ks_get(action, K(port)));
    ks_check_enum(c, "scheme", ks_get(action, K(scheme)), schemes, false);
    ks_each(header, ks_get(action, K(httpHeaders)))
        ks_check_text(c, "httpHeaders", KS_RULE_HEADER, ks_get(*header, K(name)));
}

static void check_tcp(ks_check *c, ks_val action, ks_val grace) {
    (void)grace;
    ks_check_port(c, "port", ks_get(action, K(port)));
}

static void check_sleep(ks_check *c, ks_val action, ks_val grace) {
    int64_t seconds = ks_int_or(ks_get(action, K(seconds)), 0);
    if (grace.type != KS_INT || (seconds >= 0 && seconds <= grace.i)) return;
    char why[128];
    snprintf(why, sizeof why,
             "must be non-negative and less than terminationGracePeriodSeconds (%lld)",
             (long long)grace.i);
    ks_bad(c, NULL, ks_int(seconds), why);
}

static void check_handler(ks_check *c, ks_val handler, ks_val grace) {
    static const struct {
        const ks_str *key;
        void (*check)(ks_check *c, ks_val action, ks_val grace);
    } kinds[] = {{K(exec), check_exec},
                 {K(httpGet), check_http},
                 {K(tcpSocket), check_tcp},
                 {K(grpc), check_tcp},
                 {K(sleep), check_sleep}};
    int count = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        ks_val action = ks_get(handler, kinds[i].key);
        if (!ks_exists(action)) continue;
        if (count++ > 0)
            ks_deny(c, kinds[i].key->s, "may not specify more than 1 handler type");
        else
            KS_IN(c, kinds[i].key->s) kinds[i].check(c, action, grace);
    }
    if (count == 0) ks_need(c, NULL, "must specify a handler type");
}

static void check_probe(ks_check *c, ks_val container, const ks_str *key, ks_val grace) {
    const ks_str *const numbers[] = {K(initialDelaySeconds), K(timeoutSeconds), K(periodSeconds),
                                     K(successThreshold), K(failureThreshold)};
    ks_val probe = ks_get(container, key);
    if (!ks_exists(probe)) return;
    ks_val own_grace = ks_get(probe, K(terminationGracePeriodSeconds));
    ks_val threshold = ks_get(probe, K(successThreshold));
    KS_IN(c, key->s) {
        check_handler(c, probe, grace);
        for (int i = 0; i < 5; i++)
            ks_check_not_negative(c, numbers[i]->s, ks_get(probe, numbers[i]));
        if (own_grace.type == KS_INT && own_grace.i <= 0)
            ks_bad(c, "terminationGracePeriodSeconds", own_grace, "must be greater than 0");
        if (key == K(readinessProbe)) {
            if (ks_exists(own_grace))
                ks_bad(c, "terminationGracePeriodSeconds", own_grace,
                       "must not be set for readinessProbes");
        } else if (ks_int_or(threshold, 0) != 1) {
            ks_bad(c, "successThreshold", ks_int(ks_int_or(threshold, 0)), "must be 1");
        }
    }
}

static void check_lifecycle(ks_check *c, ks_val lifecycle, ks_val spec, ks_val grace) {
    const ks_str *const hooks[] = {K(postStart), K(preStop)};
    static const char *const windows[] = {"SIGKILL", "SIGTERM", NULL};
    for (int i = 0; i < 2; i++) {
        ks_val hook = ks_get(lifecycle, hooks[i]);
        if (ks_exists(hook)) KS_IN(c, hooks[i]->s) check_handler(c, hook, grace);
    }
    ks_val signal = ks_get(lifecycle, K(stopSignal)), os = ks_get2(spec, K(os), K(name));
    if (!ks_exists(signal)) return;
    if (!ks_exists(os))
        ks_deny(c, "stopSignal", "may not be set for containers with empty `spec.os.name`");
    else if (ks_text_is(os, "windows") && !ks_one_of(signal, windows))
        ks_unknown(c, "stopSignal", signal, windows);
}

static void check_probes(ks_check *c, ks_val container, ks_val grace) {
    check_probe(c, container, K(livenessProbe), grace);
    check_probe(c, container, K(readinessProbe), grace);
    check_probe(c, container, K(startupProbe), grace);
}

/* --- restart policies of containers --- */

static void check_restart_rules(ks_check *c, ks_val container) {
    static const char *const policies[] = {"Always", "Never", "OnFailure", NULL};
    static const char *const actions[] = {"Restart", "RestartAllContainers", NULL};
    static const char *const only_restart[] = {"Restart", NULL};
    static const char *const operators[] = {"In", "NotIn", NULL};
    const char *const *allowed =
        ks_since(c->rules, KS_SINCE_RESTART_ALL_CONTAINERS) ? actions : only_restart;
    ks_val policy = ks_get(container, K(restartPolicy));
    ks_val rules = ks_get(container, K(restartPolicyRules));
    if (!ks_exists(policy)) {
        if (ks_len(rules) == 0) return;
        ks_need(c, "restartPolicy", "must specify restartPolicy when restart rules are used");
    } else if (!ks_one_of(policy, policies)) {
        ks_unknown(c, "restartPolicy", policy, policies);
    }
    bool counted = ks_since(c->rules, KS_SINCE_RULES_COUNTED);
    if (ks_len(rules) > 20 && counted)
        ks_error_too_many(&c->errors, "restartPolicyRules", (int)ks_len(rules), 20);
    else if (ks_len(rules) > 20)
        ks_error_too_long(&c->errors, "restartPolicyRules", 20);
    KS_IN(c, "restartPolicyRules") {
        for (uint32_t i = 0; i < ks_len(rules); i++) {
            ks_val rule = ks_at(rules, i), codes = ks_get(rule, K(exitCodes));
            KS_AT(c, i) {
                ks_check_enum(c, "action", ks_get(rule, K(action)), allowed, false);
                if (!ks_exists(codes)) {
                    ks_need(c, "exitCodes", "must be specified");
                } else {
                    uint32_t count = ks_len(ks_get(codes, K(values)));
                    KS_IN(c, "exitCodes") {
                        ks_check_enum(c, "operator", ks_get(codes, K(operator)), operators, false);
                        if (count > 255 && counted)
                            ks_error_too_many(&c->errors, "values", (int)count, 255);
                        else if (count > 255)
                            ks_error_too_long(&c->errors, "values", 255);
                    }
                }
            }
        }
    }
}

/* validateInitContainerRestartPolicy */
static void check_init_restart(ks_check *c, ks_val container) {
    if (ks_exists(ks_get(container, K(restartPolicy))))
        check_restart_rules(c, container);
    else if (ks_len(ks_get(container, K(restartPolicyRules))) > 0)
        ks_need(c, "restartPolicy", "must specify restartPolicy when restart rules are used");
}

static void check_resize_policy(ks_check *c, ks_val policies, ks_val restart) {
    static const char *const resources[] = {"cpu", "memory", NULL};
    static const char *const values[] = {"NotRequired", "RestartContainer", NULL};
    KS_IN(c, "resizePolicy") {
        for (uint32_t i = 0; i < ks_len(policies); i++) {
            ks_val one = ks_at(policies, i), name = ks_get(one, K(resourceName));
            ks_val policy = ks_get(one, K(restartPolicy));
            bool twice = false;
            for (uint32_t j = 0; j < i; j++)
                twice |= ks_equal(ks_get(ks_at(policies, j), K(resourceName)), name);
            if (twice) KS_AT(c, i) ks_duplicate(c, NULL, name);
            ks_check_enum(c, NULL, name, resources, true);
            ks_check_enum(c, NULL, policy, values, true);
            if (ks_text_is(restart, "Never") && !ks_text_is(policy, "NotRequired"))
                ks_bad(c, NULL, ks_text_value(policy),
                       ks_since(c->rules, KS_SINCE_RESIZED_SIDECARS)
                           ? "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
                           : "must be 'NotRequired' when `restartPolicy` is 'Never'");
        }
    }
}

/* --- one container --- */

static void check_common(ks_check *c, ks_val container, ks_val spec, ks_val volumes) {
    static const char *const policies[] = {"File", "FallbackToLogsOnError", NULL};
    ks_check_required_text(c, "name", KS_RULE_LABEL, ks_get(container, K(name)));
    if (ks_is_empty_text(ks_get(container, K(image)))) ks_need(c, "image", "");
    ks_check_enum(c, "terminationMessagePolicy", ks_get(container, K(terminationMessagePolicy)),
                  policies, true);
    KS_IN(c, "ports") check_ports(c, ks_get(container, K(ports)));
    ks_check_env(c, container);
    KS_IN(c, "volumeMounts") ks_check_volume_mounts(c, container, volumes);
    KS_IN(c, "volumeDevices") ks_check_volume_devices(c, container, volumes);
    ks_check_enum(c, "imagePullPolicy", ks_get(container, K(imagePullPolicy)), PULL_POLICIES, true);
    KS_IN(c, "resources") {
        ks_check_resources(c, ks_get(container, K(resources)), false,
                           ks_get(spec, K(resourceClaims)));
    }
    check_resize_policy(c, ks_get(container, K(resizePolicy)), ks_get(spec, K(restartPolicy)));
    KS_IN(c, "securityContext") {
        ks_check_security_context(c, ks_get(container, K(securityContext)), host_users(spec));
    }
}

static bool is_named(ks_val containers, uint32_t count, ks_val name) {
    for (uint32_t i = 0; i < count && i < ks_len(containers); i++)
        if (ks_equal(ks_text_value(ks_get(ks_at(containers, i), K(name))), ks_text_value(name)))
            return true;
    return false;
}

void ks_check_containers(ks_check *c, ks_val spec, ks_val volumes) {
    ks_val containers = ks_get(spec, K(containers)), ports = KS_NOTHING;
    ks_val grace = ks_get(spec, K(terminationGracePeriodSeconds));
    if (ks_len(containers) == 0) ks_need(c, NULL, "");
    for (uint32_t i = 0; i < ks_len(containers); i++) {
        ks_val container = ks_at(containers, i), name = ks_get(container, K(name));
        ks_val lifecycle = ks_get(container, K(lifecycle));
        KS_AT(c, i) {
            check_common(c, container, spec, volumes);
            if (is_named(containers, i, name)) ks_duplicate(c, "name", ks_text_value(name));
            if (ks_exists(lifecycle))
                KS_IN(c, "lifecycle") check_lifecycle(c, lifecycle, spec, grace);
            check_probes(c, container, grace);
            check_restart_rules(c, container);
        }
    }
    for (uint32_t i = 0; i < ks_len(containers); i++)
        check_host_ports(c, ks_at(containers, i), i, &ports);
    ks_unref(c->heap, ports);
}

static void check_not_sidecar(ks_check *c, ks_val container) {
    const ks_str *const keys[] = {K(lifecycle), K(livenessProbe), K(readinessProbe),
                                  K(startupProbe)};
    for (int i = 0; i < 4; i++)
        if (ks_exists(ks_get(container, keys[i])))
            ks_deny(c, keys[i]->s,
                    "may not be set for init containers without restartPolicy=Always");
}

void ks_check_init_containers(ks_check *c, ks_val spec, ks_val volumes) {
    ks_val inits = ks_get(spec, K(initContainers)), containers = ks_get(spec, K(containers));
    ks_val grace = ks_get(spec, K(terminationGracePeriodSeconds));
    for (uint32_t i = 0; i < ks_len(inits); i++) {
        ks_val container = ks_at(inits, i), name = ks_get(container, K(name)), ports = KS_NOTHING;
        ks_val lifecycle = ks_get(container, K(lifecycle));
        ks_val policies = ks_get(container, K(resizePolicy));
        bool sidecar = ks_text_is(ks_get(container, K(restartPolicy)), "Always");
        KS_AT(c, i) {
            check_common(c, container, spec, volumes);
            check_init_restart(c, container);
            if (is_named(containers, UINT32_MAX, name) ||
                (!ks_is_empty_text(name) && is_named(inits, i, name)))
                ks_duplicate(c, "name", ks_text_value(name));
        }
        check_host_ports(c, container, 0, &ports);
        ks_unref(c->heap, ports);
        KS_AT(c, i) {
            if (sidecar) {
                if (ks_exists(lifecycle))
                    KS_IN(c, "lifecycle") check_lifecycle(c, lifecycle, spec, grace);
                check_probes(c, container, grace);
            } else {
                check_not_sidecar(c, container);
            }
            KS_IN(c, "resizePolicy") {
                bool loose = sidecar || !ks_since(c->rules, KS_SINCE_RESIZED_SIDECARS);
                for (uint32_t j = 0; j < ks_len(policies) && !loose; j++) {
                    ks_val policy = ks_get(ks_at(policies, j), K(restartPolicy));
                    if (!ks_text_is(policy, "RestartContainer")) continue;
                    KS_AT(c, j)
                    ks_bad(c, "restartPolicy", policy,
                           "must not be set to 'RestartContainer' for non-sidecar "
                           "initContainers");
                }
            }
        }
    }
}

static void check_whitespace(ks_check *c, ks_val container) {
    const char *image = ks_member(container, K(image));
    size_t len = strlen(image);
    bool padded = len > 0 && (strchr(" \t\r\n\v\f", image[0]) != NULL ||
                              strchr(" \t\r\n\v\f", image[len - 1]) != NULL);
    if (padded)
        ks_bad(c, "image", ks_get(container, K(image)),
               "must not have leading or trailing whitespace");
}

static void check_no_sub_paths(ks_check *c, ks_val mounts) {
    const ks_str *const keys[] = {K(subPath), K(subPathExpr)};
    KS_IN(c, "volumeMounts") {
        for (uint32_t i = 0; i < ks_len(mounts); i++)
            for (int j = 0; j < 2; j++)
                if (!ks_is_empty_text(ks_get(ks_at(mounts, i), keys[j]))) KS_AT(c, i)
        ks_deny(c, keys[j]->s, "cannot be set for an Ephemeral Container");
    }
}

void ks_check_ephemeral_containers(ks_check *c, ks_val spec, ks_val volumes) {
    /* in Go's order of the fields */
    const ks_str *const denied[] = {K(ports),          K(resources),          K(resizePolicy),
                                    K(restartPolicy),  K(restartPolicyRules), K(livenessProbe),
                                    K(readinessProbe), K(startupProbe),       K(lifecycle)};
    ks_val list = ks_get(spec, K(ephemeralContainers));
    for (uint32_t i = 0; i < ks_len(list); i++) {
        ks_val container = ks_at(list, i), name = ks_get(container, K(name));
        ks_val target = ks_get(container, K(targetContainerName));
        KS_AT(c, i) {
            check_common(c, container, spec, volumes);
            check_whitespace(c, container);
            if (is_named(ks_get(spec, K(containers)), UINT32_MAX, name) ||
                is_named(ks_get(spec, K(initContainers)), UINT32_MAX, name) ||
                is_named(list, i, name))
                ks_duplicate(c, "name", ks_text_value(name));
            if (!ks_is_empty_text(target) &&
                !is_named(ks_get(spec, K(containers)), UINT32_MAX, target) &&
                !is_named(ks_get(spec, K(initContainers)), UINT32_MAX, target))
                ks_error_not_found(&c->errors, "targetContainerName", target);
            for (size_t j = 0; j < sizeof denied / sizeof *denied; j++) {
                ks_val member = ks_get(container, denied[j]);
                bool set = member.type == KS_MAP && denied[j] != K(resources);
                if (set || ks_len(member) > 0 || member.type == KS_STRING)
                    ks_deny(c, denied[j]->s, "cannot be set for an Ephemeral Container");
            }
            check_no_sub_paths(c, ks_get(container, K(volumeMounts)));
        }
    }
}
