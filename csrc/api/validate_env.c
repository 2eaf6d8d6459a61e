/*
 * api/validate_env.c - environment variables and volume mounts of containers.
 *
 * pkg/apis/core/validation/validation.go: ValidateEnv, ValidateEnvFrom, ValidateVolumeMounts,
 * ValidateVolumeDevices.
 */
#include "api/validate_internal.h"

#include <string.h>

/* --- environment --- */

static const char *const ENV_FIELDS[] = {"metadata.name",
                                         "metadata.namespace",
                                         "metadata.uid",
                                         "spec.nodeName",
                                         "spec.serviceAccountName",
                                         "status.hostIP",
                                         "status.hostIPs",
                                         "status.podIP",
                                         "status.podIPs",
                                         NULL};

static void check_key_ref(ks_check *c, ks_val ref) {
    ks_check_text(c, "name", KS_RULE_SUBDOMAIN, ks_get(ref, K(name)));
    ks_check_required_text(c, "key", KS_RULE_CONFIG_KEY, ks_get(ref, K(key)));
}

static void check_file_ref(ks_check *c, ks_val ref) {
    ks_check_required_text(c, "key", KS_RULE_ENV, ks_get(ref, K(key)));
    ks_check_required_text(c, "volumeName", KS_RULE_LABEL, ks_get(ref, K(volumeName)));
    if (ks_is_empty_text(ks_get(ref, K(path))))
        ks_need(c, "path", "");
    else
        ks_check_no_backsteps(c, "path", ks_get(ref, K(path)));
}

static int check_source(ks_check *c, ks_val source, const ks_str *key) {
    ks_val ref = ks_get(source, key);
    if (!ks_exists(ref)) return 0;
    KS_IN(c, key->s) {
        if (key == K(fieldRef))
            ks_check_field_ref(c, ref, ENV_FIELDS);
        else if (key == K(resourceFieldRef))
            ks_check_resource_field_ref(c, ref, false);
        else if (key == K(fileKeyRef))
            check_file_ref(c, ref);
        else
            check_key_ref(c, ref);
    }
    return 1;
}

static void check_value_from(ks_check *c, ks_val variable) {
    const ks_str *const keys[] = {K(fieldRef), K(resourceFieldRef), K(configMapKeyRef),
                                  K(secretKeyRef), K(fileKeyRef)};
    ks_val source = ks_get(variable, K(valueFrom)), empty = ks_text_value(KS_NOTHING);
    int count = 0;
    if (!ks_exists(source)) return;
    KS_IN(c, "valueFrom") {
        for (int i = 0; i < 5; i++) count += check_source(c, source, keys[i]);
        if (count == 0)
            ks_bad(
                c, NULL, empty,
                ks_since(c->rules, KS_SINCE_FILE_KEY_REF)
                    ? "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
                      "`secretKeyRef` or `fileKeyRef`"
                    : "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or "
                      "`secretKeyRef`");
        else if (!ks_is_empty_text(ks_get(variable, K(value))))
            ks_bad(c, NULL, empty, "may not be specified when `value` is not empty");
        else if (count > 1)
            ks_bad(c, NULL, empty, "may not have more than one field specified at a time");
    }
}

static void check_env_from(ks_check *c, ks_val source) {
    const ks_str *const keys[] = {K(configMapRef), K(secretRef)};
    ks_val prefix = ks_get(source, K(prefix));
    if (!ks_is_empty_text(prefix)) ks_check_text(c, "prefix", KS_RULE_ENV, prefix);
    for (int i = 0; i < 2; i++) {
        ks_val ref = ks_get(source, keys[i]), name = ks_get(ref, K(name));
        if (!ks_exists(ref)) continue;
        KS_IN(c, keys[i]->s) {
            if (ks_is_empty_text(name))
                ks_need(c, "name", "");
            else
                ks_check_prefix(c, "name", KS_RULE_SUBDOMAIN, name);
        }
    }
}

void ks_check_env(ks_check *c, ks_val container) {
    ks_val env = ks_get(container, K(env)), from = ks_get(container, K(envFrom));
    KS_IN(c, "env") {
        for (uint32_t i = 0; i < ks_len(env); i++) {
            KS_AT(c, i) {
                ks_check_required_text(c, "name", KS_RULE_ENV, ks_get(ks_at(env, i), K(name)));
                check_value_from(c, ks_at(env, i));
            }
        }
    }
    KS_IN(c, "envFrom") {
        for (uint32_t i = 0; i < ks_len(from); i++) {
            ks_val source = ks_at(from, i);
            KS_AT(c, i) check_env_from(c, source);
            int count = ks_exists(ks_get(source, K(configMapRef))) +
                        ks_exists(ks_get(source, K(secretRef)));
            if (count == 0)
                ks_bad(c, NULL, ks_text_value(KS_NOTHING),
                       "must specify one of: `configMapRef` or `secretRef`");
            else if (count > 1)
                ks_bad(c, NULL, ks_text_value(KS_NOTHING),
                       "may not have more than one field specified at a time");
        }
    }
}

/* --- mounts --- */

static ks_val find(ks_val list, const ks_str *key, ks_val text) {
    ks_each(item, list)
        if (ks_equal(ks_text_value(ks_get(*item, key)), ks_text_value(text))) return *item;
    return KS_NOTHING;
}

/* Whether one of the first `count` items has that text. */
static bool before(ks_val list, uint32_t count, const ks_str *key, ks_val text) {
    for (uint32_t i = 0; i < count; i++)
        if (ks_equal(ks_text_value(ks_get(ks_at(list, i), key)), ks_text_value(text))) return true;
    return false;
}

static void check_propagation(ks_check *c, ks_val mount, ks_val container) {
    static const char *const modes[] = {"Bidirectional", "HostToContainer", "None", NULL};
    ks_val mode = ks_get(mount, K(mountPropagation));
    if (!ks_exists(mode)) return;
    if (!ks_one_of(mode, modes)) ks_unknown(c, "mountPropagation", mode, modes);
    bool privileged = ks_bool_or(ks_get2(container, K(securityContext), K(privileged)), false);
    if (ks_text_is(mode, "Bidirectional") && !privileged)
        ks_deny(c, "mountPropagation",
                "Bidirectional mount propagation is available only to privileged containers");
}

static void check_recursive_read_only(ks_check *c, ks_val mount) {
    static const char *const modes[] = {"Disabled", "Enabled", "IfPossible", NULL};
    ks_val mode = ks_get(mount, K(recursiveReadOnly));
    if (!ks_exists(mode) || ks_text_is(mode, "Disabled")) return;
    if (!ks_one_of(mode, modes)) {
        ks_unknown(c, "recursiveReadOnly", mode, modes);
        return;
    }
    if (!ks_bool_or(ks_get(mount, K(readOnly)), false))
        ks_deny(c, "recursiveReadOnly", "may only be specified when readOnly is true");
    ks_val propagation = ks_get(mount, K(mountPropagation));
    if (ks_exists(propagation) && !ks_text_is(propagation, "None"))
        ks_deny(c, "recursiveReadOnly",
                "may only be specified when mountPropagation is None or not specified");
}

void ks_check_volume_mounts(ks_check *c, ks_val container, ks_val volumes) {
    ks_val mounts = ks_get(container, K(volumeMounts));
    ks_val devices = ks_get(container, K(volumeDevices));
    for (uint32_t i = 0; i < ks_len(mounts); i++) {
        ks_val mount = ks_at(mounts, i), name = ks_text_value(ks_get(mount, K(name)));
        ks_val path = ks_text_value(ks_get(mount, K(mountPath)));
        ks_val sub = ks_get(mount, K(subPath)), expr = ks_get(mount, K(subPathExpr));
        KS_AT(c, i) {
            if (ks_is_empty_text(name)) ks_need(c, "name", "");
            if (!ks_exists(find(volumes, K(name), name)))
                ks_error_not_found(&c->errors, "name", name);
            if (ks_is_empty_text(path)) ks_need(c, "mountPath", "");
            if (before(mounts, i, K(mountPath), path))
                ks_bad(c, "mountPath", path, "must be unique");
            if (ks_exists(find(devices, K(name), name)))
                ks_bad(c, "name", name, "must not already exist in volumeDevices");
            if (ks_exists(find(devices, K(devicePath), path)))
                ks_bad(c, "mountPath", path, "must not already exist as a path in volumeDevices");
        }
        if (!ks_is_empty_text(sub)) ks_check_descending_path(c, "subPath", sub);
        if (!ks_is_empty_text(expr)) {
            if (!ks_is_empty_text(sub)) KS_AT(c, i)
            ks_bad(c, "subPathExpr", expr, "subPathExpr and subPath are mutually exclusive");
            ks_check_descending_path(c, "subPathExpr", expr);
        }
        check_propagation(c, mount, container);
        check_recursive_read_only(c, mount);
    }
}

void ks_check_volume_devices(ks_check *c, ks_val container, ks_val volumes) {
    ks_val mounts = ks_get(container, K(volumeMounts));
    ks_val devices = ks_get(container, K(volumeDevices));
    for (uint32_t i = 0; i < ks_len(devices); i++) {
        ks_val device = ks_at(devices, i), name = ks_text_value(ks_get(device, K(name)));
        ks_val path = ks_text_value(ks_get(device, K(devicePath)));
        ks_val volume = find(volumes, K(name), name);
        bool of_claim = ks_exists(ks_get(volume, K(persistentVolumeClaim))) ||
                        ks_exists(ks_get(volume, K(ephemeral)));
        KS_AT(c, i) {
            if (ks_is_empty_text(name)) ks_need(c, "name", "");
            if (!ks_is_empty_text(name) && before(devices, i, K(name), name))
                ks_bad(c, "name", name, "must be unique");
            if (ks_exists(volume) && !of_claim)
                ks_bad(c, "name", name,
                       "can only use volume source type of PersistentVolumeClaim or Ephemeral for "
                       "block mode");
            if (!ks_exists(volume)) ks_error_not_found(&c->errors, "name", name);
            if (ks_is_empty_text(path)) ks_need(c, "devicePath", "");
            if (before(devices, i, K(devicePath), path))
                ks_bad(c, "devicePath", path, "must be unique");
            if (strstr(path.s->s, "..") != NULL) {
                uint32_t errors = ks_error_count(c);
                ks_check_no_backsteps(c, "devicePath", path);
                if (ks_error_count(c) > errors) {
                    c->errors.causes = ks_remove_at(c->heap, c->errors.causes, errors);
                    ks_bad(c, "devicePath", path, "can not contain backsteps ('..')");
                }
            }
            if (ks_exists(find(mounts, K(name), name)))
                ks_bad(c, "name", name, "must not already exist in volumeMounts");
            if (ks_exists(find(mounts, K(mountPath), path)))
                ks_bad(c, "devicePath", path, "must not already exist as a path in volumeMounts");
        }
    }
}
