/*
 * api/validate_security.c - security contexts of pods and containers.
 *
 * pkg/apis/core/validation/validation.go: ValidateSecurityContext, validatePodSpecSecurityContext.
 */
#include "api/validate_internal.h"

#include <string.h>

static const char *const PROFILES[] = {"Localhost", "RuntimeDefault", "Unconfined", NULL};

static void check_seccomp(ks_check *c, ks_val profile) {
    if (!ks_exists(profile)) return;
    ks_val type = ks_get(profile, K(type)), local = ks_get(profile, K(localhostProfile));
    KS_IN(c, "seccompProfile") {
        if (ks_is_empty_text(type))
            ks_need(c, "type", "type is required when seccompProfile is set");
        else if (!ks_one_of(type, PROFILES))
            ks_unknown(c, "type", type, PROFILES);
        if (ks_text_is(type, "Localhost")) {
            if (!ks_exists(local))
                ks_need(c, "localhostProfile", "must be set when seccomp type is Localhost");
            else
                ks_check_descending_path(c, "localhostProfile", local);
        } else if (ks_exists(local)) {
            ks_bad_struct(c, "localhostProfile", KS_TYPE_core_v1_SeccompProfile, profile,
                          "can only be set when seccomp type is Localhost");
        }
    }
}

static bool is_padded(const char *text) {
    size_t len = strlen(text);
    return len > 0 &&
           (strchr(" \t\r\n", text[0]) != NULL || strchr(" \t\r\n", text[len - 1]) != NULL);
}

static void check_app_armor(ks_check *c, ks_val profile) {
    enum { MAX_PROFILE = 4095 };
    if (!ks_exists(profile)) return;
    ks_val type = ks_get(profile, K(type)), local = ks_get(profile, K(localhostProfile));
    KS_IN(c, "appArmorProfile") {
        if (ks_text_is(type, "Localhost")) {
            if (is_padded(ks_text_or(local, "")))
                ks_bad(c, "localhostProfile", local, "must not be padded with whitespace");
            else if (ks_is_empty_text(local))
                ks_need(c, "localhostProfile", "must be set when AppArmor type is Localhost");
            if (ks_exists(local) && local.s->len > MAX_PROFILE)
                ks_error_too_long(&c->errors, "localhostProfile", MAX_PROFILE);
        } else if (ks_is_empty_text(type)) {
            ks_need(c, "type", "type is required when appArmorProfile is set");
        } else if (!ks_one_of(type, PROFILES)) {
            ks_unknown(c, "type", type, PROFILES);
        } else if (ks_exists(local)) {
            ks_bad(c, "localhostProfile", local, "can only be set when AppArmor type is Localhost");
        }
    }
}

static void check_proc_mount(ks_check *c, ks_val mount, bool host_users) {
    static const char *const mounts[] = {"Default", "Unmasked", NULL};
    if (!ks_exists(mount)) return;
    if (!ks_one_of(mount, mounts)) ks_unknown(c, "procMount", mount, mounts);
    if (host_users && ks_text_is(mount, "Unmasked"))
        ks_bad(c, "procMount", mount, "`hostUsers` must be false to use `Unmasked`");
}

void ks_check_security_context(ks_check *c, ks_val context, bool host_users) {
    if (!ks_exists(context)) return;
    ks_check_user_id(c, "runAsUser", ks_get(context, K(runAsUser)));
    ks_check_user_id(c, "runAsGroup", ks_get(context, K(runAsGroup)));
    check_proc_mount(c, ks_get(context, K(procMount)), host_users);
    check_seccomp(c, ks_get(context, K(seccompProfile)));
    if (!ks_bool_or(ks_get(context, K(allowPrivilegeEscalation)), true)) {
        if (ks_bool_or(ks_get(context, K(privileged)), false))
            ks_bad_struct(
                c, NULL, KS_TYPE_core_v1_SecurityContext, context,
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
        ks_each(capability, ks_get2(context, K(capabilities), K(add)))
            if (ks_text_is(*capability, "CAP_SYS_ADMIN"))
                ks_bad_struct(c, NULL, KS_TYPE_core_v1_SecurityContext, context,
                              "cannot set `allowPrivilegeEscalation` to false and "
                              "`capabilities.Add` CAP_SYS_ADMIN");
    }
    ks_check_windows_options(c, ks_get(context, K(windowsOptions)));
    check_app_armor(c, ks_get(context, K(appArmorProfile)));
}

/* ([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])? */
static bool is_sysctl(const ks_str *name) {
    bool start = true;
    char last = '\0';
    if (name->len > 253) return false;
    for (uint32_t i = 0; i < name->len; i++) {
        char ch = name->s[i];
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9');
        if (ch == '.' || ch == '/') {
            if (start || last == '-' || last == '_') return false;
            start = true;
        } else if (plain || (!start && (ch == '-' || ch == '_'))) {
            start = false;
        } else {
            return false;
        }
        last = ch;
    }
    return !start && last != '-' && last != '_';
}

static bool starts(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* staging/src/k8s.io/component-helpers/node/util/sysctl/namespace.go: "kernel/sem" is kernel.sem. `out` has room for the name. */
static void normalize(const ks_str *name, char *out) {
    bool slashes = name->s[strcspn(name->s, "./")] == '/';
    for (uint32_t i = 0; i <= name->len; i++) {
        char ch = name->s[i];
        out[i] = (char)(!slashes ? ch : ch == '.' ? '/' : ch == '/' ? '.' : ch);
    }
}

static bool is_ipc_sysctl(const char *name) {
    static const char *const names[] = {"sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced",
                                        "shm", "msgmax", "msgmnb", "msgmni", "msg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (starts(name, "kernel.") && strcmp(name + strlen("kernel."), names[i]) == 0) return true;
    return starts(name, "fs.mqueue.");
}

static void check_host_sysctl(ks_check *c, ks_val spec, ks_val name) {
    size_t size = name.s->len + 1;
    char *plain = ks_alloc(c->heap, size);
    normalize(name.s, plain);
    if (ks_bool_or(ks_get(spec, K(hostNetwork)), false) && starts(plain, "net."))
        ks_bad(c, "name", name, "may not be specified when 'hostNetwork' is true");
    else if (ks_bool_or(ks_get(spec, K(hostIPC)), false) && is_ipc_sysctl(plain))
        ks_bad(c, "name", name, "may not be specified when 'hostIPC' is true");
    ks_free(c->heap, plain, size);
}

static void check_sysctls(ks_check *c, ks_val spec, ks_val sysctls) {
    KS_IN(c, "sysctls") {
        for (uint32_t i = 0; i < ks_len(sysctls); i++) {
            ks_val name = ks_text_value(ks_get(ks_at(sysctls, i), K(name)));
            bool twice = false;
            for (uint32_t j = 0; j < i; j++)
                twice |= ks_equal(ks_text_value(ks_get(ks_at(sysctls, j), K(name))), name);
            KS_AT(c, i) {
                if (ks_is_empty_text(name))
                    ks_need(c, "name", "");
                else if (!is_sysctl(name.s))
                    ks_bad(
                        c, "name", name,
                        "must have at most 253 characters and match regex "
                        "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
                else if (twice)
                    ks_duplicate(c, "name", name);
                check_host_sysctl(c, spec, name);
            }
        }
    }
}

void ks_check_pod_security_context(ks_check *c, ks_val spec) {
    static const char *const changes[] = {"Always", "OnRootMismatch", NULL};
    static const char *const groups[] = {"Merge", "Strict", NULL};
    static const char *const labels[] = {"Recursive", NULL}; /* SELinuxMount is off */
    ks_val context = ks_get(spec, K(securityContext));
    ks_val ids = ks_get(context, K(supplementalGroups));
    ks_check_user_id(c, "fsGroup", ks_get(context, K(fsGroup)));
    ks_check_user_id(c, "runAsUser", ks_get(context, K(runAsUser)));
    ks_check_user_id(c, "runAsGroup", ks_get(context, K(runAsGroup)));
    KS_IN(c, "supplementalGroups") {
        for (uint32_t i = 0; i < ks_len(ids); i++)
            KS_AT(c, i) ks_check_user_id(c, NULL, ks_at(ids, i));
    }
    if (ks_bool_or(ks_get(spec, K(shareProcessNamespace)), false) &&
        ks_bool_or(ks_get(spec, K(hostPID)), false))
        ks_bad(c, "shareProcessNamespace", ks_bool(true),
               "ShareProcessNamespace and HostPID cannot both be enabled");
    check_sysctls(c, spec, ks_get(context, K(sysctls)));
    ks_val change = ks_get(context, K(fsGroupChangePolicy));
    if (ks_exists(change)) ks_check_enum(c, "fsGroupChangePolicy", change, changes, false);
    check_seccomp(c, ks_get(context, K(seccompProfile)));
    ks_check_windows_options(c, ks_get(context, K(windowsOptions)));
    check_app_armor(c, ks_get(context, K(appArmorProfile)));
    ks_val group = ks_get(context, K(supplementalGroupsPolicy));
    if (ks_exists(group)) ks_check_enum(c, "supplementalGroupsPolicy", group, groups, false);
    ks_val label = ks_get(context, K(seLinuxChangePolicy));
    if (ks_exists(label)) ks_check_enum(c, "seLinuxChangePolicy", label, labels, false);
}

/* --- annotations from before there were such fields: both must say the same --- */

typedef struct profile_rules {
    const char *field, *type_differs, *path_differs;
    const char *docker_default; /* what RuntimeDefault is called besides */
} profile_rules;

static void check_agrees(ks_check *c, const profile_rules *rules, ks_val profile,
                         ks_val annotation) {
    static const char local[] = "localhost/";
    const char *type = ks_member(profile, K(type)), *said = ks_text_or(annotation, "");
    bool agrees = true, named = true;
    if (strcmp(type, "Unconfined") == 0) {
        agrees = strcmp(said, "unconfined") == 0;
    } else if (strcmp(type, "RuntimeDefault") == 0) {
        agrees = strcmp(said, "runtime/default") == 0 ||
                 (rules->docker_default != NULL && strcmp(said, rules->docker_default) == 0);
    } else if (strcmp(type, "Localhost") == 0) {
        agrees = starts(said, local);
        named = agrees && ks_text_is(ks_get(profile, K(localhostProfile)), said + strlen(local));
    }
    KS_IN(c, "securityContext") KS_IN(c, rules->field) {
        if (!agrees)
            ks_deny(c, "type", rules->type_differs);
        else if (!named)
            ks_deny(c, "localhostProfile", rules->path_differs);
    }
}

static void check_containers_agree(ks_check *c, const profile_rules *rules, const char *prefix,
                                   ks_val annotations, ks_val spec, const ks_str *key,
                                   ks_val pod_profile) {
    const ks_str *const lists[] = {K(initContainers), K(containers), K(ephemeralContainers)};
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
        ks_val list = ks_get(spec, lists[l]);
        KS_IN(c, lists[l]->s) for (uint32_t i = 0; i < ks_len(list); i++) {
            ks_val profile = ks_get2(ks_at(list, i), K(securityContext), key);
            if (!ks_exists(profile)) profile = pod_profile;
            const char *name = ks_member(ks_at(list, i), K(name));
            for (uint32_t j = 0; j < ks_len(annotations) && ks_exists(profile); j++) {
                const ks_pair *pair = ks_pair_at(annotations, j);
                if (starts(pair->key->s, prefix) &&
                    strcmp(pair->key->s + strlen(prefix), name) == 0)
                    KS_AT(c, i) check_agrees(c, rules, profile, pair->val);
            }
        }
    }
}

void ks_check_profiles(ks_check *c, ks_val annotations, ks_val spec) {
    static const profile_rules seccomp = {
        "seccompProfile", "seccomp type in annotation and field must match",
        "seccomp profile in annotation and field must match", "docker/default"};
    static const profile_rules app_armor = {
        "appArmorProfile", "apparmor type in annotation and field must match",
        "apparmor profile in annotation and field must match", NULL};
    if (ks_len(annotations) == 0) return;
    ks_val profile = ks_get2(spec, K(securityContext), K(seccompProfile));
    ks_val said = ks_get(annotations, K(seccomp_security_alpha_kubernetes_io_pod));
    if (ks_exists(profile) && ks_exists(said)) check_agrees(c, &seccomp, profile, said);
    check_containers_agree(c, &seccomp, "container.seccomp.security.alpha.kubernetes.io/",
                           annotations, spec, K(seccompProfile), KS_NOTHING);
    if (ks_text_is(ks_get2(spec, K(os), K(name)), "windows")) return;
    check_containers_agree(c, &app_armor, KS_APP_ARMOR_PREFIX, annotations, spec,
                           K(appArmorProfile),
                           ks_get2(spec, K(securityContext), K(appArmorProfile)));
}
