/*
 * api/validate_volume.c - volumes of pods.
 *
 * pkg/apis/core/validation/validation.go: ValidateVolumes, validateVolumeSource and what they call.
 * Names of paths that upstream misspells (cephFS, downwarAPI, persistentDisk) are kept.
 */
#include "api/validate_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char MODE_RULE[] = "must be a number between 0 and 0777 (octal), both inclusive";

/* --- paths --- */

static bool has_backsteps(const char *path) {
    for (const char *part = path;; part++) {
        const char *end = strchr(part, '/');
        size_t len = end == NULL ? strlen(part) : (size_t)(end - part);
        if (len == 2 && memcmp(part, "..", 2) == 0) return true;
        if (end == NULL) return false;
        part = end;
    }
}

void ks_check_no_backsteps(ks_check *c, const char *field, ks_val path) {
    if (has_backsteps(ks_text_or(path, "")))
        ks_bad(c, field, ks_text_value(path), "must not contain '..'");
}

void ks_check_descending_path(ks_check *c, const char *field, ks_val path) {
    if (ks_text_or(path, "")[0] == '/')
        ks_bad(c, field, ks_text_value(path), "must be a relative path");
    ks_check_no_backsteps(c, field, path);
}

/* ValidateLocalNonReservedPath */
static void check_local_path(ks_check *c, const char *field, ks_val path) {
    const char *text = ks_text_or(path, "");
    ks_check_descending_path(c, field, path);
    if (strncmp(text, "..", 2) == 0 && strncmp(text, "../", 3) != 0)
        ks_bad(c, field, ks_text_value(path), "must not start with '..'");
}

static void check_mode(ks_check *c, const char *field, ks_val mode) {
    if (mode.type == KS_INT && (mode.i < 0 || mode.i > 0777)) ks_bad(c, field, mode, MODE_RULE);
}

static void need_text(ks_check *c, ks_val source, const ks_str *key) {
    if (ks_is_empty_text(ks_get(source, key))) ks_need(c, key->s, "");
}

/* --- the downward API --- */

static const char *const VOLUME_FIELDS[] = {"metadata.annotations", "metadata.labels",
                                            "metadata.name",        "metadata.namespace",
                                            "metadata.uid",         NULL};

/* metadata.labels['x'] -> *path "metadata.labels", *subscript "x" */
static bool split_subscript(ks_heap *heap, const ks_str *text, ks_val *path, ks_val *subscript) {
    const char *open = strstr(text->s, "['");
    if (open == NULL || text->len < 2 || strcmp(text->s + text->len - 2, "']") != 0) return false;
    size_t head = (size_t)(open - text->s);
    if (head + 4 > text->len) return false;
    *path = ks_textn(heap, text->s, head);
    *subscript = ks_textn(heap, open + 2, text->len - head - 4);
    return true;
}

/* Labels that pkg/apis/core/pods/helpers.go: ConvertDownwardAPIFieldLabel knows. */
static bool is_convertible(const char *path) {
    static const char *const known[] = {
        "metadata.annotations", "metadata.labels", "metadata.name",      "metadata.namespace",
        "metadata.uid",         "spec.nodeName",   "spec.restartPolicy", "spec.serviceAccountName",
        "spec.schedulerName",   "status.phase",    "status.hostIP",      "status.hostIPs",
        "status.podIP",         "status.podIPs",   "spec.host",          NULL};
    for (const char *const *k = known; *k != NULL; k++)
        if (strcmp(*k, path) == 0) return true;
    return false;
}

static void check_subscript(ks_check *c, ks_val path, ks_val subscript) {
    if (ks_text_is(path, "metadata.labels")) {
        ks_check_text(c, NULL, KS_RULE_QUALIFIED, subscript);
    } else if (ks_text_is(path, "metadata.annotations")) {
        ks_val lower = ks_textn(c->heap, subscript.s->s, subscript.s->len);
        char *text = (char *)lower.s->s;
        for (; *text != '\0'; text++)
            if (*text >= 'A' && *text <= 'Z') *text = (char)(*text - 'A' + 'a');
        ks_check_text(c, NULL, KS_RULE_QUALIFIED, lower);
        ks_unref(c->heap, lower);
    } else {
        ks_bad(c, NULL, path, "does not support subscript");
    }
}

void ks_check_field_ref(ks_check *c, ks_val ref, const char *const *allowed) {
    ks_val field_path = ks_text_value(ks_get(ref, K(fieldPath))), path, subscript;
    need_text(c, ref, K(apiVersion));
    if (ks_is_empty_text(field_path)) {
        ks_need(c, "fieldPath", "");
        return;
    }
    bool split = split_subscript(c->heap, field_path.s, &path, &subscript);
    ks_val plain = split ? path : field_path;
    const char *version = ks_member(ref, K(apiVersion));
    if (strcmp(version, "v1") != 0) {
        const ks_str *why = ks_str_printf(
            c->heap, "error converting fieldPath: unsupported pod version: %s", version);
        ks_bad(c, "fieldPath", field_path, why->s);
        ks_str_unref(c->heap, why);
    } else if (!is_convertible(plain.s->s)) {
        const ks_str *why = ks_str_printf(
            c->heap, "error converting fieldPath: field label not supported: %s", plain.s->s);
        ks_bad(c, "fieldPath", field_path, why->s);
        ks_str_unref(c->heap, why);
    } else if (split) {
        check_subscript(c, path, subscript);
    } else if (!ks_one_of(field_path, allowed)) {
        ks_unknown(c, "fieldPath", field_path, allowed);
    }
    if (split) {
        ks_unref(c->heap, path);
        ks_unref(c->heap, subscript);
    }
}

static const char *const RESOURCE_FIELDS[] = {"limits.cpu",
                                              "limits.ephemeral-storage",
                                              "limits.memory",
                                              "requests.cpu",
                                              "requests.ephemeral-storage",
                                              "requests.memory",
                                              NULL};

static bool starts(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* validateContainerResourceDivisor */
static void check_divisor(ks_check *c, ks_val resource, ks_val divisor) {
    static const char *const cpu[] = {"1m", "1", NULL};
    static const char *const bytes[] = {"1",   "1k",  "1M",  "1G",  "1T",  "1P",  "1E",
                                        "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei", NULL};
    const char *name = ks_text_or(resource, ""), *dot = strchr(name, '.'), *of = NULL;
    if (!ks_exists(divisor) || ks_quantity_of(divisor).nanos == 0 || dot == NULL) return;
    if (!starts(name, "limits.") && !starts(name, "requests.")) return;
    if (strcmp(dot, ".cpu") == 0) {
        if (!ks_one_of(divisor, cpu))
            ks_bad(c, "divisor", resource,
                   "only divisor's values 1m and 1 are supported with the cpu resource");
        return;
    }
    if (strcmp(dot, ".memory") == 0) of = "memory";
    if (strcmp(dot, ".ephemeral-storage") == 0) of = "local ephemeral storage";
    if (starts(dot, ".hugepages-")) of = "hugepages";
    if (of == NULL || ks_one_of(divisor, bytes)) return;
    char why[200];
    snprintf(why, sizeof why,
             "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are "
             "supported with the %s resource",
             of);
    ks_bad(c, "divisor", resource, why);
}

void ks_check_resource_field_ref(ks_check *c, ks_val ref, bool in_volume) {
    ks_val resource = ks_text_value(ks_get(ref, K(resource)));
    if (in_volume && ks_is_empty_text(ks_get(ref, K(containerName))))
        ks_need(c, "containerName", "");
    else if (ks_is_empty_text(resource))
        ks_need(c, "resource", "");
    else if (!ks_one_of(resource, RESOURCE_FIELDS) && !starts(resource.s->s, "limits.hugepages-") &&
             !starts(resource.s->s, "requests.hugepages-"))
        ks_unknown(c, "resource", resource, RESOURCE_FIELDS);
    check_divisor(c, resource, ks_get(ref, K(divisor)));
}

static void check_downward_file(ks_check *c, ks_val file) {
    ks_val field = ks_get(file, K(fieldRef)), resource = ks_get(file, K(resourceFieldRef));
    need_text(c, file, K(path));
    check_local_path(c, "path", ks_get(file, K(path)));
    if (ks_exists(field)) {
        KS_IN(c, "fieldRef") ks_check_field_ref(c, field, VOLUME_FIELDS);
        if (ks_exists(resource))
            ks_bad_printed(c, NULL, "\"resource\"",
                           "fieldRef and resourceFieldRef can not be specified simultaneously");
    } else if (ks_exists(resource)) {
        KS_IN(c, "resourceFieldRef") ks_check_resource_field_ref(c, resource, true);
    } else {
        ks_need(c, NULL, "one of fieldRef and resourceFieldRef is required");
    }
    check_mode(c, "mode", ks_get(file, K(mode)));
}

static void check_downward(ks_check *c, ks_val source) {
    check_mode(c, "defaultMode", ks_get(source, K(defaultMode)));
    ks_each(file, ks_get(source, K(items))) check_downward_file(c, *file);
}

/* --- files of ConfigMaps and Secrets --- */

static void check_items(ks_check *c, ks_val items) {
    KS_IN(c, "items") {
        for (uint32_t i = 0; i < ks_len(items); i++) {
            ks_val item = ks_at(items, i);
            KS_AT(c, i) {
                need_text(c, item, K(key));
                need_text(c, item, K(path));
                check_local_path(c, "path", ks_get(item, K(path)));
                check_mode(c, "mode", ks_get(item, K(mode)));
            }
        }
    }
}

static void check_secret(ks_check *c, ks_val source) {
    need_text(c, source, K(secretName));
    check_mode(c, "defaultMode", ks_get(source, K(defaultMode)));
    check_items(c, ks_get(source, K(items)));
}

static void check_config_map(ks_check *c, ks_val source) {
    need_text(c, source, K(name));
    check_mode(c, "defaultMode", ks_get(source, K(defaultMode)));
    check_items(c, ks_get(source, K(items)));
}

/* --- projected volumes --- */

/* `conflicting duplicate paths` at the projected volume's path for a path seen before. */
static void note_path(ks_check *c, ks_val *paths, ks_val path, ks_val shown) {
    if (ks_is_empty_text(path)) return;
    ks_each(seen, *paths) {
        if (!ks_equal(*seen, path)) continue;
        ks_bad(c, NULL, ks_text_value(shown), "conflicting duplicate paths");
        return;
    }
    *paths = ks_append(c->heap, *paths, ks_ref(path));
}

static void check_token(ks_check *c, ks_val token, size_t source) {
    ks_val seconds = ks_get(token, K(expirationSeconds));
    KS_IN(c, "sources") KS_AT(c, (uint32_t)source) KS_IN(c, "serviceAccountToken") {
        if (ks_int_or(seconds, 0) < 600)
            ks_bad(c, "expirationSeconds", ks_int(ks_int_or(seconds, 0)),
                   "may not specify a duration less than 10 minutes");
        if (ks_int_or(seconds, 0) > INT64_C(1) << 32)
            ks_bad(c, "expirationSeconds", seconds,
                   "may not specify a duration larger than 2^32 seconds");
    }
    need_text(c, token, K(path));
    if (!ks_is_empty_text(ks_get(token, K(path))))
        check_local_path(c, "path", ks_get(token, K(path)));
}

/* A named set of files: returns whether the source is there. */
static bool check_projected_files(ks_check *c, ks_val source, const ks_str *key, uint32_t index,
                                  ks_val *paths) {
    ks_val files = ks_get(source, key);
    if (!ks_exists(files)) return false;
    KS_IN(c, "sources") KS_AT(c, index) KS_IN(c, key->s) {
        need_text(c, files, K(name));
        check_items(c, ks_get(files, K(items)));
    }
    ks_each(item, ks_get(files, K(items)))
        note_path(c, paths, ks_get(*item, K(path)), ks_get(files, K(name)));
    return true;
}

static void check_projection(ks_check *c, ks_val source, uint32_t index, ks_val *paths) {
    int count = check_projected_files(c, source, K(secret), index, paths);
    count += check_projected_files(c, source, K(configMap), index, paths);
    ks_val downward = ks_get(source, K(downwardAPI));
    if (ks_exists(downward)) {
        count++;
        ks_each(file, ks_get(downward, K(items))) {
            KS_IN(c, "sources")
            KS_AT(c, index) KS_IN(c, "downwardAPI") check_downward_file(c, *file);
            note_path(c, paths, ks_get(*file, K(path)), ks_get(*file, K(path)));
        }
    }
    ks_val token = ks_get(source, K(serviceAccountToken));
    if (ks_exists(token)) {
        count++;
        check_token(c, token, index);
    }
    count += ks_exists(ks_get(source, K(clusterTrustBundle)));
    count += ks_exists(ks_get(source, K(podCertificate)));
    if (count > 1) KS_IN(c, "sources")
    KS_AT(c, index) ks_deny(c, NULL, "may not specify more than 1 volume type per source");
}

static void check_projected(ks_check *c, ks_val source) {
    ks_val paths = KS_NOTHING, sources = ks_get(source, K(sources));
    check_mode(c, "defaultMode", ks_get(source, K(defaultMode)));
    for (uint32_t i = 0; i < ks_len(sources); i++)
        check_projection(c, ks_at(sources, i), i, &paths);
    ks_unref(c->heap, paths);
}

/* --- the other sources --- */

static void check_empty_dir(ks_check *c, ks_val source) {
    ks_val limit = ks_get(source, K(sizeLimit));
    if (ks_exists(limit) && ks_quantity_of(limit).nanos < 0)
        ks_deny(c, "sizeLimit", "SizeLimit field must be a valid resource quantity");
}

static void check_host_path(ks_check *c, ks_val source) {
    static const char *const types[] = {
        "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
        "File", "FileOrCreate", "Socket",     NULL};
    need_text(c, source, K(path));
    if (ks_is_empty_text(ks_get(source, K(path)))) return;
    ks_check_no_backsteps(c, "path", ks_get(source, K(path)));
    ks_val type = ks_get(source, K(type));
    if (ks_exists(type) && !ks_one_of(type, types)) ks_unknown(c, "type", type, types);
}

static void check_git_repo(ks_check *c, ks_val source) {
    need_text(c, source, K(repository));
    ks_check_descending_path(c, "directory", ks_get(source, K(directory)));
}

static void check_partitioned(ks_check *c, ks_val source, const ks_str *name) {
    ks_val partition = ks_get(source, K(partition));
    need_text(c, source, name);
    if (partition.type == KS_INT && (partition.i < 0 || partition.i > 255))
        ks_bad_range(c, "partition", partition, 1, 255);
}

static void check_gce(ks_check *c, ks_val source) { check_partitioned(c, source, K(pdName)); }
static void check_aws(ks_check *c, ks_val source) { check_partitioned(c, source, K(volumeID)); }

static void check_nfs(ks_check *c, ks_val source) {
    need_text(c, source, K(server));
    need_text(c, source, K(path));
    if (ks_member(source, K(path))[0] != '/')
        ks_bad(c, "path", ks_text_value(ks_get(source, K(path))), "must be an absolute path");
}

/* [[:alnum:]]{count} to the end of the text. */
static bool is_alnum(const char *s, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isalnum((unsigned char)s[i])) return false;
    return s[count] == '\0';
}

static bool digits(const char *s, int count) {
    for (int i = 0; i < count; i++)
        if (s[i] < '0' || s[i] > '9') return false;
    return true;
}

/* iqn\.\d{4}-\d{2}\.([[:alnum:]-.]+)(:[^,;*&$|\s]+)$ somewhere in the text */
static bool is_iqn(const char *text) {
    for (const char *s = strstr(text, "iqn."); s != NULL; s = strstr(s + 1, "iqn.")) {
        const char *at = s + 4;
        if (!digits(at, 4) || at[4] != '-' || !digits(at + 5, 2) || at[7] != '.') continue;
        const char *name = at + 8, *end = name;
        while (isalnum((unsigned char)*end) || *end == '-' || *end == '.') end++;
        if (end == name || *end != ':' || end[1] == '\0') continue;
        if (end[1 + strcspn(end + 1, ",;*&$| \t\n\f\r")] == '\0') return true;
    }
    return false;
}

static bool is_iscsi_name(const char *s) {
    size_t len = strlen(s);
    if (starts(s, "iqn")) return is_iqn(s);
    if (starts(s, "eui")) return len == 20 && is_alnum(s + 4, 16);
    return len == 36 && is_alnum(s + 4, 32);
}

void ks_check_iscsi_name(ks_check *c, const char *field, ks_val name, const char *unknown) {
    const char *s = name.s->s;
    if (!starts(s, "iqn") && !starts(s, "eui") && !starts(s, "naa"))
        ks_bad(c, field, name, unknown);
    else if (!is_iscsi_name(s))
        ks_bad(c, field, name, "must be valid format");
}

static void check_iscsi(ks_check *c, ks_val source) {
    static const char unknown[] = "must be valid format starting with iqn, eui, or naa";
    ks_val lun = ks_get(source, K(lun)), iqn = ks_get(source, K(iqn));
    need_text(c, source, K(targetPortal));
    if (ks_is_empty_text(iqn))
        ks_need(c, "iqn", "");
    else
        ks_check_iscsi_name(c, "iqn", iqn, unknown);
    if (lun.type == KS_INT && (lun.i < 0 || lun.i > 255)) ks_bad_range(c, "lun", lun, 0, 255);
    bool chap = ks_bool_or(ks_get(source, K(chapAuthDiscovery)), false) ||
                ks_bool_or(ks_get(source, K(chapAuthSession)), false);
    if (chap && !ks_exists(ks_get(source, K(secretRef)))) ks_need(c, "secretRef", "");
    ks_val initiator = ks_get(source, K(initiatorName));
    if (ks_exists(initiator)) ks_check_iscsi_name(c, "initiatorname", initiator, unknown);
}

static void check_glusterfs(ks_check *c, ks_val source) {
    need_text(c, source, K(endpoints));
    need_text(c, source, K(path));
}

void ks_check_flocker(ks_check *c, ks_val source) {
    ks_val name = ks_get(source, K(datasetName));
    bool has_name = !ks_is_empty_text(name);
    bool has_id = !ks_is_empty_text(ks_get(source, K(datasetUUID)));
    if (!has_name && !has_id) ks_need(c, NULL, "one of datasetName and datasetUUID is required");
    if (has_name && has_id)
        ks_bad_printed(c, NULL, "\"resource\"",
                       "datasetName and datasetUUID can not be specified simultaneously");
    if (has_name && strchr(name.s->s, '/') != NULL)
        ks_bad(c, "datasetName", name, "must not contain '/'");
}

static void check_claim(ks_check *c, ks_val source) { need_text(c, source, K(claimName)); }

static void check_rbd(ks_check *c, ks_val source) {
    if (ks_len(ks_get(source, K(monitors))) == 0) ks_need(c, "monitors", "");
    need_text(c, source, K(image));
}

static void check_cinder(ks_check *c, ks_val source) {
    need_text(c, source, K(volumeID));
    ks_val ref = ks_get(source, K(secretRef));
    if (ks_exists(ref)) KS_IN(c, "secretRef") need_text(c, ref, K(name));
}

static void check_ceph_fs(ks_check *c, ks_val source) {
    if (ks_len(ks_get(source, K(monitors))) == 0) ks_need(c, "monitors", "");
}

/* net.SplitHostPort succeeds. */
static bool is_host_port(const char *s, size_t len) {
    size_t colon = len;
    while (colon > 0 && s[colon - 1] != ':') colon--;
    if (colon == 0) return false;
    const char *host = s, *port = s + colon;
    size_t host_len = colon - 1, port_len = len - colon;
    if (host_len > 0 && host[0] == '[') {
        const char *close = memchr(host, ']', host_len);
        if (close == NULL || (size_t)(close - host) != host_len - 1) return false;
        host++;
        host_len -= 2;
    } else if (memchr(host, ':', host_len) != NULL) {
        return false;
    }
    return memchr(host, '[', host_len) == NULL && memchr(host, ']', host_len) == NULL &&
           memchr(port, '[', port_len) == NULL && memchr(port, ']', port_len) == NULL;
}

void ks_check_quobyte(ks_check *c, ks_val source) {
    static const char pairs[] = "must be a host:port pair or multiple pairs separated by commas";
    ks_val registry = ks_get(source, K(registry)), tenant = ks_get(source, K(tenant));
    if (ks_is_empty_text(registry)) {
        ks_need(c, "registry", pairs);
    } else if (ks_exists(tenant) && tenant.s->len >= 65) {
        ks_need(c, "tenant", "must be a UUID and may not exceed a length of 64 characters");
    } else {
        for (const char *s = registry.s->s;; s++) {
            size_t len = strcspn(s, ",");
            if (!is_host_port(s, len)) ks_bad(c, "registry", registry, pairs);
            s += len;
            if (*s == '\0') break;
        }
    }
    need_text(c, source, K(volume));
}

void ks_check_fc(ks_check *c, ks_val source) {
    ks_val names = ks_get(source, K(targetWWNs)), ids = ks_get(source, K(wwids));
    ks_val lun = ks_get(source, K(lun));
    if (ks_len(names) == 0 && ks_len(ids) == 0)
        ks_need(c, "targetWWNs", "must specify either targetWWNs or wwids, but not both");
    if (ks_len(names) > 0 && ks_len(ids) > 0)
        ks_bad(c, "targetWWNs", names, "targetWWNs and wwids can not be specified simultaneously");
    if (ks_len(names) == 0) return;
    if (!ks_exists(lun))
        ks_need(c, "lun", "lun is required if targetWWNs is specified");
    else if (lun.i < 0 || lun.i > 255)
        ks_bad_range(c, "lun", lun, 0, 255);
}

static void check_flex(ks_check *c, ks_val source) { need_text(c, source, K(driver)); }

static void check_azure_file(ks_check *c, ks_val source) {
    need_text(c, source, K(secretName));
    need_text(c, source, K(shareName));
}

static void check_vsphere(ks_check *c, ks_val source) { need_text(c, source, K(volumePath)); }
static void check_photon(ks_check *c, ks_val source) { need_text(c, source, K(pdID)); }
static void check_portworx(ks_check *c, ks_val source) { need_text(c, source, K(volumeID)); }

void ks_check_azure_disk(ks_check *c, ks_val source) {
    static const char *const caching[] = {"None", "ReadOnly", "ReadWrite", NULL};
    static const char *const kinds[] = {"Dedicated", "Managed", "Shared", NULL};
    ks_val mode = ks_get(source, K(cachingMode)), kind = ks_get(source, K(kind));
    need_text(c, source, K(diskName));
    need_text(c, source, K(diskURI));
    if (ks_exists(mode) && !ks_one_of(mode, caching)) ks_unknown(c, "cachingMode", mode, caching);
    if (!ks_exists(kind)) return;
    static const char *const managed[] = {
        "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/"
        "{disk-id}",
        NULL};
    static const char *const blob[] = {
        "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd", NULL};
    ks_val uri = ks_text_value(ks_get(source, K(diskURI)));
    if (!ks_one_of(kind, kinds)) ks_unknown(c, "kind", kind, kinds);
    if (ks_text_is(kind, "Managed") && !starts(uri.s->s, "/subscriptions/"))
        ks_unknown(c, "diskURI", uri, managed);
    if (!ks_text_is(kind, "Managed") && !starts(uri.s->s, "https://"))
        ks_unknown(c, "diskURI", uri, blob);
}

static void check_storage_os(ks_check *c, ks_val source) {
    ks_check_required_text(c, "volumeName", KS_RULE_LABEL, ks_get(source, K(volumeName)));
    ks_val ns = ks_get(source, K(volumeNamespace)), ref = ks_get(source, K(secretRef));
    if (!ks_is_empty_text(ns)) ks_check_text(c, "volumeNamespace", KS_RULE_LABEL, ns);
    if (ks_exists(ref)) KS_IN(c, "secretRef") need_text(c, ref, K(name));
}

static void check_scale_io(ks_check *c, ks_val source) {
    need_text(c, source, K(gateway));
    need_text(c, source, K(system));
    need_text(c, source, K(volumeName));
}

static void check_csi(ks_check *c, ks_val source) {
    ks_val ref = ks_get(source, K(nodePublishSecretRef));
    ks_check_csi_driver(c, "driver", ks_get(source, K(driver)));
    if (!ks_exists(ref)) return;
    if (ks_is_empty_text(ks_get(ref, K(name))))
        KS_IN(c, "nodePublishSecretRef") ks_need(c, "name", "");
    else
        ks_check_text(c, "name", KS_RULE_SUBDOMAIN, ks_get(ref, K(name)));
}

static void check_ephemeral(ks_check *c, ks_val source) {
    ks_val template = ks_get(source, K(volumeClaimTemplate));
    if (!ks_exists(template)) {
        ks_need(c, "volumeClaimTemplate", "");
        return;
    }
    KS_IN(c, "volumeClaimTemplate") {
        ks_val meta = ks_get(template, K(metadata));
        KS_IN(c, "metadata") {
            ks_check_annotations(c, "annotations", ks_get(meta, K(annotations)));
            ks_check_labels(c, "labels", ks_get(meta, K(labels)));
            for (uint32_t i = 0; i < ks_len(meta); i++) {
                const ks_str *key = ks_pair_at(meta, i)->key;
                /* the path is made of Go's name, UID */
                if (key != K(annotations) && key != K(labels))
                    ks_deny(c, key == K(uid) ? "uID" : key->s, "cannot be set");
            }
        }
        KS_IN(c, "spec") ks_check_claim_spec(c, ks_get(template, K(spec)));
    }
}

static void check_image(ks_check *c, ks_val source) {
    static const char *const policies[] = {"Always", "IfNotPresent", "Never", NULL};
    if (c->is_pod) need_text(c, source, K(reference));
    ks_check_enum(c, "pullPolicy", ks_get(source, K(pullPolicy)), policies, true);
}

typedef struct volume_kind {
    const ks_str *key;
    const char *path;  /* where its errors are, NULL: as the key */
    const char *extra; /* where it is forbidden beside another, NULL: as the key */
    void (*check)(ks_check *c, ks_val source);
} volume_kind;

static const volume_kind KINDS[] = {
    {K(emptyDir), NULL, NULL, check_empty_dir},
    {K(hostPath), NULL, NULL, check_host_path},
    {K(gitRepo), NULL, NULL, check_git_repo},
    {K(gcePersistentDisk), "persistentDisk", NULL, check_gce},
    {K(awsElasticBlockStore), NULL, NULL, check_aws},
    {K(secret), NULL, NULL, check_secret},
    {K(nfs), NULL, NULL, check_nfs},
    {K(iscsi), NULL, NULL, check_iscsi},
    {K(glusterfs), NULL, NULL, check_glusterfs},
    {K(flocker), NULL, NULL, ks_check_flocker},
    {K(persistentVolumeClaim), NULL, NULL, check_claim},
    {K(rbd), NULL, NULL, check_rbd},
    {K(cinder), NULL, NULL, check_cinder},
    {K(cephfs), NULL, "cephFS", check_ceph_fs},
    {K(quobyte), NULL, NULL, ks_check_quobyte},
    {K(downwardAPI), NULL, "downwarAPI", check_downward},
    {K(fc), NULL, NULL, ks_check_fc},
    {K(flexVolume), NULL, NULL, check_flex},
    {K(configMap), NULL, NULL, check_config_map},
    {K(azureFile), NULL, NULL, check_azure_file},
    {K(vsphereVolume), NULL, NULL, check_vsphere},
    {K(photonPersistentDisk), NULL, NULL, check_photon},
    {K(portworxVolume), NULL, NULL, check_portworx},
    {K(azureDisk), NULL, NULL, ks_check_azure_disk},
    {K(storageos), NULL, NULL, check_storage_os},
    {K(projected), NULL, NULL, check_projected},
    {K(scaleIO), NULL, NULL, check_scale_io},
    {K(csi), NULL, NULL, check_csi},
    {K(ephemeral), NULL, NULL, check_ephemeral},
    {K(image), NULL, NULL, check_image},
};

/* The claim that an ephemeral volume makes must have a valid name. */
static void check_ephemeral_name(ks_check *c, ks_val volume) {
    const char *faults[KS_FAULTS_MAX];
    ks_val name = ks_get(volume, K(name));
    if (c->pod_name == NULL || c->pod_name->len == 0 || ks_is_empty_text(name)) return;
    const ks_str *claim = ks_str_printf(c->heap, "%s-%s", c->pod_name->s, name.s->s);
    int count = ks_faults(c, KS_RULE_SUBDOMAIN, claim->s, claim->len, faults);
    for (int i = 0; i < count; i++) {
        const ks_str *why = ks_str_printf(c->heap, "PVC name \"%s\": %s", claim->s, faults[i]);
        ks_bad(c, "name", name, why->s);
        ks_str_unref(c->heap, why);
    }
    ks_str_unref(c->heap, claim);
}

static void check_source(ks_check *c, ks_val volume) {
    int count = 0;
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        const volume_kind *kind = &KINDS[i];
        ks_val source = ks_get(volume, kind->key);
        if (!ks_exists(source)) continue;
        if (count > 0) {
            ks_deny(c, kind->extra != NULL ? kind->extra : kind->key->s,
                    "may not specify more than 1 volume type");
            continue;
        }
        count++;
        KS_IN(c, kind->path != NULL ? kind->path : kind->key->s) kind->check(c, source);
        if (kind->key == K(ephemeral)) check_ephemeral_name(c, volume);
    }
    if (count == 0) ks_need(c, NULL, "must specify a volume type");
}

static bool has_name(ks_val volumes, ks_val name) {
    ks_each(volume, volumes)
        if (ks_equal(ks_text_value(ks_get(*volume, K(name))), ks_text_value(name))) return true;
    return false;
}

/* A claim that an ephemeral volume of this pod makes must not be mounted by its name. */
static bool is_made_here(const ks_check *c, ks_val volumes, const char *claim) {
    if (c->pod_name == NULL || c->pod_name->len == 0) return false;
    size_t len = c->pod_name->len;
    if (strncmp(claim, c->pod_name->s, len) != 0 || claim[len] != '-') return false;
    ks_each(volume, volumes) {
        if (!ks_exists(ks_get(*volume, K(ephemeral)))) continue;
        if (strcmp(ks_member(*volume, K(name)), claim + len + 1) == 0) return true;
    }
    return false;
}

void ks_check_volumes(ks_check *c, ks_val volumes, ks_val *good) {
    for (uint32_t i = 0; i < ks_len(volumes); i++) {
        ks_val volume = ks_at(volumes, i), name = ks_get(volume, K(name));
        uint32_t before = ks_error_count(c);
        KS_AT(c, i) {
            check_source(c, volume);
            ks_check_required_text(c, "name", KS_RULE_LABEL, name);
            if (has_name(*good, name)) ks_duplicate(c, "name", ks_text_value(name));
            if (ks_error_count(c) == before) *good = ks_append(c->heap, *good, ks_ref(volume));
            ks_val claim = ks_get2(volume, K(persistentVolumeClaim), K(claimName));
            if (!ks_is_empty_text(claim) && is_made_here(c, volumes, claim.s->s))
                KS_IN(c, "persistentVolumeClaim")
            ks_bad(c, "claimName", claim,
                   "must not reference a PVC that gets created for an ephemeral volume");
        }
    }
}
