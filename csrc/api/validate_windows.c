/*
 * api/validate_windows.c - what pods say about operating systems: Windows options, host processes,
 * fields that one of the systems does not know.
 *
 * pkg/apis/core/validation/validation.go: validateWindowsSecurityContextOptions,
 * validateWindowsHostProcessPod, validateOS, validateLinux, validateWindows. Called by
 * validate_pod.c and validate_security.c.
 */
#include "api/validate_internal.h"

#include <ctype.h>
#include <string.h>

/* --- user names: DOMAIN\user --- */

static bool has_control(const char *s, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (iscntrl((unsigned char)s[i])) return true;
    return false;
}

/* ^[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}$ ; lengths are in characters */
static bool is_net_bios(const char *s, size_t len) {
    size_t runes = 0;
    if (len == 0 || s[0] == '.') return false;
    for (size_t i = 0; i < len; i++) {
        if (strchr("\\/:*?\"<>|", s[i]) != NULL) return false;
        runes += (s[i] & 0xc0) != 0x80;
    }
    return runes <= 15;
}

/* Labels of letters, digits and dashes with dots between them. */
static bool is_dns_name(const char *s, size_t len) {
    for (size_t from = 0, at = 0; at <= len; at++) {
        if (at < len && s[at] != '.') {
            if (!isalnum((unsigned char)s[at]) && s[at] != '-') return false;
            continue;
        }
        if (at == from || at - from > 63 || s[from] == '-' || s[at - 1] == '-') return false;
        from = at + 1;
    }
    return true;
}

static void check_user(ks_check *c, ks_val whole, const char *user, size_t len) {
    static const char field[] = "runAsUserName";
    size_t dots = strspn(user, ". ");
    if (len == 0)
        ks_bad(c, field, whole, "runAsUserName's User cannot be empty");
    else if (len > 104)
        ks_bad(c, field, whole,
               "runAsUserName's User length must not be longer than 104 characters");
    if (len > 0 && dots == len)
        ks_bad(c, field, whole, "runAsUserName's User cannot contain only periods or spaces");
    if (strcspn(user, "\"/\\:;|=,+*?<>@[]") < len)
        ks_bad(c, field, whole,
               "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
}

static void check_user_name(ks_check *c, ks_val name) {
    static const char field[] = "runAsUserName";
    const char *s = name.s->s, *slash = strchr(s, '\\');
    if (name.s->len == 0) {
        ks_bad(c, field, name, "runAsUserName cannot be an empty string");
    } else if (has_control(s, name.s->len)) {
        ks_bad(c, field, name, "runAsUserName cannot contain control characters");
    } else if (slash != NULL && strchr(slash + 1, '\\') != NULL) {
        ks_bad(c, field, name, "runAsUserName cannot contain more than one backslash");
    } else {
        size_t domain = slash != NULL ? (size_t)(slash - s) : 0;
        if (domain >= 256)
            ks_bad(c, field, name, "runAsUserName's Domain length must be under 256 characters");
        if (slash != NULL && !is_net_bios(s, domain) && !is_dns_name(s, domain))
            ks_bad(c, field, name,
                   "runAsUserName's Domain doesn't match the NetBios nor the DNS format");
        const char *user = slash != NULL ? slash + 1 : s;
        check_user(c, name, user, strlen(user));
    }
}

void ks_check_windows_options(ks_check *c, ks_val options) {
    enum { SPEC_KIB = 64 };
    if (!ks_exists(options)) return;
    ks_val spec_name = ks_get(options, K(gmsaCredentialSpecName));
    ks_val spec = ks_get(options, K(gmsaCredentialSpec)), user = ks_get(options, K(runAsUserName));
    KS_IN(c, "windowsOptions") {
        if (ks_exists(spec_name))
            ks_check_text(c, "gmsaCredentialSpecName", KS_RULE_SUBDOMAIN, spec_name);
        if (ks_exists(spec) && spec.s->len == 0)
            ks_bad(c, "gmsaCredentialSpec", spec, "gmsaCredentialSpec cannot be an empty string");
        else if (ks_exists(spec) && spec.s->len > SPEC_KIB * 1024)
            ks_bad(c, "gmsaCredentialSpec", spec, "gmsaCredentialSpec size must be under 64 KiB");
        if (ks_exists(user)) check_user_name(c, user);
    }
}

/* --- all containers of a pod, in the order in which upstream visits them --- */

static const ks_str *const LISTS[] = {K(initContainers), K(containers), K(ephemeralContainers)};

static ks_val context_of(ks_val container) { return ks_get(container, K(securityContext)); }

/* --- host processes --- */

typedef struct census {
    ks_val of_pod; /* the pod's own word */
    int all, host;
} census;

static void check_host_process(ks_check *c, ks_val container, census *n) {
    ks_val own = ks_get2(context_of(container), K(windowsOptions), K(hostProcess));
    n->all++;
    if (ks_exists(own) && ks_exists(n->of_pod) && own.b != n->of_pod.b) {
        KS_IN(c, "securityContext") KS_IN(c, "windowsOptions") {
            ks_bad(c, "hostProcess", own,
                   n->of_pod.b ? "pod hostProcess value must be identical if both are specified, "
                                 "was true"
                               : "pod hostProcess value must be identical if both are specified, "
                                 "was false");
        }
    }
    n->host += ks_exists(own) ? own.b : ks_bool_or(n->of_pod, false);
}

void ks_check_host_processes(ks_check *c, ks_val spec) {
    ks_val options = ks_get2(spec, K(securityContext), K(windowsOptions));
    census n = {.of_pod = ks_get(options, K(hostProcess))};
    for (int list = 0; list < 3; list++) {
        ks_val containers = ks_get(spec, LISTS[list]);
        KS_IN(c, LISTS[list]->s) {
            for (uint32_t i = 0; i < ks_len(containers); i++)
                KS_AT(c, i) check_host_process(c, ks_at(containers, i), &n);
        }
    }
    if (n.host == 0) return;
    if (n.host != n.all)
        ks_bad(c, NULL, ks_text_value(KS_NOTHING),
               "If pod contains any hostProcess containers then all containers must be HostProcess "
               "containers");
    if (!ks_bool_or(ks_get(spec, K(hostNetwork)), false))
        ks_bad(c, "hostNetwork", ks_bool(false),
               "hostNetwork must be true if pod contains any hostProcess containers");
}

/* --- what a system does not know --- */

static const char not_linux[] = "windows options cannot be set for a linux pod";
static const char not_windows[] = "cannot be set for a windows pod";

/* Forbidden unless absent; of booleans of the pod also false is absent. */
static void deny_set(ks_check *c, ks_val map, const ks_str *key, bool plain) {
    ks_val v = ks_get(map, key);
    if (!ks_exists(v) || (plain && !ks_bool_or(v, true))) return;
    ks_deny(c, key->s, not_windows);
}

static void check_linux(ks_check *c, ks_val spec) {
    if (ks_exists(ks_get2(spec, K(securityContext), K(windowsOptions))))
        ks_deny(c, "securityContext.windowsOptions", not_linux);
    for (int list = 0; list < 3; list++) {
        ks_val containers = ks_get(spec, LISTS[list]);
        KS_IN(c, LISTS[list]->s) {
            for (uint32_t i = 0; i < ks_len(containers); i++)
                if (ks_exists(ks_get(context_of(ks_at(containers, i)), K(windowsOptions))))
                    KS_AT(c, i) ks_deny(c, "securityContext.windowsOptions", not_linux);
        }
    }
}

static void deny_list(ks_check *c, ks_val context, const ks_str *const *keys, size_t count) {
    KS_IN(c, "securityContext") {
        for (size_t i = 0; i < count; i++) deny_set(c, context, keys[i], false);
    }
}

#define DENY(c, context, ...)                                                                      \
    deny_list(c, context, (const ks_str *const[]){__VA_ARGS__},                                    \
              sizeof((const ks_str *const[]){__VA_ARGS__}) / sizeof(const ks_str *))

static void check_windows(ks_check *c, ks_val spec) {
    ks_val context = ks_get(spec, K(securityContext));
    DENY(c, context, K(appArmorProfile), K(seLinuxOptions));
    deny_set(c, spec, K(hostUsers), false);
    deny_set(c, spec, K(hostPID), true);
    deny_set(c, spec, K(hostIPC), true);
    DENY(c, context, K(seccompProfile), K(fsGroup), K(fsGroupChangePolicy), K(sysctls));
    deny_set(c, spec, K(shareProcessNamespace), false);
    DENY(c, context, K(runAsUser), K(runAsGroup), K(supplementalGroups),
         K(supplementalGroupsPolicy), K(seLinuxChangePolicy));
    for (int list = 0; list < 3; list++) {
        ks_val containers = ks_get(spec, LISTS[list]);
        KS_IN(c, LISTS[list]->s) {
            for (uint32_t i = 0; i < ks_len(containers); i++) KS_AT(c, i)
            DENY(c, context_of(ks_at(containers, i)), K(appArmorProfile), K(seLinuxOptions),
                 K(seccompProfile), K(capabilities), K(readOnlyRootFilesystem), K(privileged),
                 K(allowPrivilegeEscalation), K(procMount), K(runAsUser), K(runAsGroup));
        }
    }
}

void ks_check_os(ks_check *c, ks_val spec) {
    static const char *const systems[] = {"linux", "windows", NULL};
    ks_val os = ks_get(spec, K(os)), name = ks_get(os, K(name));
    if (!ks_exists(os)) return;
    if (ks_is_empty_text(name))
        ks_need(c, "os.name", "");
    else if (!ks_one_of(name, systems))
        ks_unknown(c, "os", name, systems);
    else if (ks_text_is(name, "linux"))
        check_linux(c, spec);
    else
        check_windows(c, spec);
}
