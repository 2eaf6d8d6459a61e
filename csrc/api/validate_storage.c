/*
 * api/validate_storage.c - claims, volumes, storage classes, attachments.
 *
 * pkg/apis/core/validation/validation.go: ValidatePersistentVolumeClaim(Spec, Update),
 * ValidatePersistentVolume(Spec, Update); pkg/apis/storage/validation/validation.go.
 */
#include "api/validate_internal.h"

#include <string.h>

static const char *const ACCESS_MODES[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                                           "ReadWriteOncePod", NULL};
static const char *const VOLUME_MODES[] = {"Block", "Filesystem", NULL};

/* --- claims --- */

static void check_access_modes(ks_check *c, ks_val modes) {
    bool single = false, other = false;
    ks_each(mode, modes) {
        if (!ks_one_of(*mode, ACCESS_MODES))
            ks_unknown(c, "accessModes", *mode, ACCESS_MODES);
        else if (ks_text_is(*mode, "ReadWriteOncePod"))
            single = true;
        else
            other = true;
    }
    if (single && other)
        ks_deny(c, "accessModes", "may not use ReadWriteOncePod with other access modes");
}

static void check_source(ks_check *c, ks_val source) {
    ks_val group = ks_get(source, K(apiGroup)), kind = ks_get(source, K(kind));
    ks_val ns = ks_get(source, K(namespace));
    if (ks_is_empty_text(ks_get(source, K(name)))) ks_need(c, "name", "");
    if (ks_is_empty_text(kind)) ks_need(c, "kind", "");
    if (ks_is_empty_text(group) && !ks_text_is(kind, "PersistentVolumeClaim"))
        ks_bad(c, NULL, ks_text_value(kind),
               "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    if (!ks_is_empty_text(group)) ks_check_text(c, "apiGroup", KS_RULE_SUBDOMAIN, group);
    if (!ks_is_empty_text(ns)) ks_check_text(c, "namespace", KS_RULE_LABEL, ns);
}

/* dataSource and dataSourceRef say the same, or only the latter is given. */
static void check_sources_agree(ks_check *c, ks_val source, ks_val ref) {
    const ks_str *const keys[] = {K(apiGroup), K(kind), K(name)};
    if (!ks_exists(source) || !ks_exists(ref)) return;
    if (!ks_is_empty_text(ks_get(ref, K(namespace)))) {
        ks_bad_printed(c, NULL, "{}",
                       "may not be specified when dataSourceRef.namespace is specified");
        return;
    }
    for (int i = 0; i < 3; i++) {
        if (ks_same(ks_get(source, keys[i]), ks_get(ref, keys[i]))) continue;
        ks_bad_printed(c, NULL, "{}", "must match dataSourceRef");
        return;
    }
}

static void check_storage_request(ks_check *c, ks_val spec) {
    ks_val storage = ks_get3(spec, K(resources), K(requests), K(storage));
    KS_IN(c, "resources") KS_KEY(c, "storage") {
        if (!ks_exists(storage))
            ks_need(c, NULL, "");
        else if (ks_quantity_of(storage).nanos <= 0)
            ks_check_positive_quantity(c, storage);
        else
            ks_check_resource_value(c, K(storage), storage);
    }
}

void ks_check_claim_spec(ks_check *c, ks_val spec) {
    ks_val modes = ks_get(spec, K(accessModes)), class = ks_get(spec, K(storageClassName));
    ks_val mode = ks_get(spec, K(volumeMode)), source = ks_get(spec, K(dataSource));
    ks_val ref = ks_get(spec, K(dataSourceRef)), set = ks_get(spec, K(volumeAttributesClassName));
    if (ks_len(modes) == 0) ks_need(c, "accessModes", "at least 1 access mode is required");
    KS_IN(c, "selector") ks_check_selector(c, ks_get(spec, K(selector)));
    check_access_modes(c, modes);
    check_storage_request(c, spec);
    if (!ks_is_empty_text(class)) ks_check_text(c, "storageClassName", KS_RULE_SUBDOMAIN, class);
    if (ks_exists(mode)) ks_check_enum(c, "volumeMode", mode, VOLUME_MODES, false);
    if (ks_exists(source)) KS_IN(c, "dataSource") check_source(c, source);
    if (ks_exists(ref)) KS_IN(c, "dataSourceRef") check_source(c, ref);
    check_sources_agree(c, source, ref);
    if (!ks_is_empty_text(set))
        ks_check_text(c, "volumeAttributesClassName", KS_RULE_SUBDOMAIN, set);
}

/* What a bound claim may still change, and what is filled in once, is taken over from the other
 * side. */
static void even_out(ks_check *c, ks_val object, ks_val *now, ks_val *old) {
    ks_heap *heap = c->heap;
    ks_val class = ks_get(*now, K(storageClassName)), old_class = ks_get(*old, K(storageClassName));
    if (ks_is_empty_text(ks_get(*old, K(volumeName))))
        *old = ks_put(heap, *old, K(volumeName), ks_ref(ks_get(*now, K(volumeName))));
    if (ks_exists(class) && !ks_exists(old_class)) *now = ks_drop(heap, *now, K(storageClassName));
    if (!ks_text_is(ks_get2(object, K(status), K(phase)), "Bound")) return;
    ks_val size = ks_get3(*old, K(resources), K(requests), K(storage));
    if (ks_exists(ks_get2(*now, K(resources), K(requests))))
        *now = ks_put3(heap, *now, K(resources), K(requests), K(storage), ks_ref(size));
    *now = ks_put(heap, *now, K(volumeAttributesClassName),
                  ks_ref(ks_get(*old, K(volumeAttributesClassName))));
}

static void check_claim_update(ks_check *c, ks_val object, ks_val old_object) {
    ks_val now = ks_ref(ks_get(object, K(spec))), old = ks_ref(ks_get(old_object, K(spec)));
    ks_quantity size = ks_quantity_of(ks_get3(now, K(resources), K(requests), K(storage)));
    ks_quantity old_size = ks_quantity_of(ks_get3(old, K(resources), K(requests), K(storage)));
    ks_quantity real = ks_quantity_of(ks_get3(old_object, K(status), K(capacity), K(storage)));
    even_out(c, object, &now, &old);
    if (!ks_same_meaning(&ks_types[KS_TYPE_core_v1_PersistentVolumeClaimSpec], now, old)) {
        const ks_str *diff =
            ks_print_diff(c->heap, &ks_types[KS_TYPE_core_v1_PersistentVolumeClaimSpec], old, now);
        const ks_str *why = ks_str_printf(c->heap,
                                          "spec is immutable after creation except "
                                          "resources.requests and volumeAttributesClassName for "
                                          "bound claims\n%s",
                                          diff->s);
        ks_deny(c, "spec", why->s);
        ks_str_unref(c->heap, why);
        ks_str_unref(c->heap, diff);
    }
    if (ks_quantity_cmp(size, old_size) < 0 && ks_quantity_cmp(size, real) <= 0)
        ks_deny(c, "spec.resources.requests.storage", "field can not be less than status.capacity");
    ks_val mode = ks_get(now, K(volumeMode));
    if (!ks_same(mode, ks_get(old, K(volumeMode))))
        ks_bad(c, "volumeMode", mode, "field is immutable");
    ks_unref(c->heap, now);
    ks_unref(c->heap, old);
}

/* validatePersistentVolumeClaimResourceKey; at the path of the map. True when fine. */
static bool check_claim_resource(ks_check *c, const ks_str *name) {
    static const char *const only[] = {"storage", NULL};
    uint32_t before = ks_error_count(c);
    ks_check_text(c, NULL, KS_RULE_QUALIFIED, ks_borrow(name));
    if (ks_error_count(c) > before) return false;
    bool native = strchr(name->s, '/') == NULL || strstr(name->s, "kubernetes.io/") != NULL;
    if (!native || ks_str_is(name, "storage")) return true;
    ks_unknown(c, NULL, ks_borrow(name), only);
    return false;
}

static void check_allocated(ks_check *c, ks_val status) {
    static const char *const known[] = {"ControllerResizeInProgress", "ControllerResizeInfeasible",
                                        "NodeResizeInProgress",       "NodeResizeInfeasible",
                                        "NodeResizePending",          NULL};
    ks_val statuses = ks_get(status, K(allocatedResourceStatuses));
    ks_val amounts = ks_get(status, K(allocatedResources));
    KS_IN(c, "allocatedResourceStatuses") {
        for (uint32_t i = 0; i < ks_len(statuses); i++) {
            const ks_pair *pair = ks_pair_at(statuses, i);
            check_claim_resource(c, pair->key);
            if (!ks_one_of(pair->val, known)) ks_unknown(c, NULL, ks_borrow(pair->key), known);
        }
    }
    KS_IN(c, "allocatedResources") {
        for (uint32_t i = 0; i < ks_len(amounts); i++) {
            const ks_pair *pair = ks_pair_at(amounts, i);
            int64_t value = ks_quantity_value(ks_quantity_of(pair->val));
            if (!check_claim_resource(c, pair->key)) continue;
            KS_KEY(c, pair->key->s) {
                if (value < 0)
                    ks_bad(c, NULL, ks_int(value), "must be a valid resource quantity");
                else
                    ks_check_resource_value(c, K(storage), pair->val);
            }
        }
    }
}

static void check_claim_status(ks_check *c, ks_val object) {
    ks_val capacity = ks_get2(object, K(status), K(capacity));
    if (ks_len(ks_get2(object, K(spec), K(accessModes))) == 0) ks_need(c, "Spec.accessModes", "");
    KS_IN(c, "status") KS_IN(c, "capacity") {
        for (uint32_t i = 0; i < ks_len(capacity); i++) {
            const ks_pair *pair = ks_pair_at(capacity, i);
            int64_t value = ks_quantity_value(ks_quantity_of(pair->val));
            if (value < 0) KS_KEY(c, pair->key->s)
            ks_bad(c, NULL, ks_int(value), "must be a valid resource quantity");
        }
    }
    KS_IN(c, "status") check_allocated(c, ks_get(object, K(status)));
}

void ks_check_claim(ks_check *c, ks_val object, ks_val old, bool status) {
    bool twice = ks_exists(old) && !status && !ks_since(c->rules, KS_SINCE_CLAIMS_CHECKED_ONCE);
    if (twice) ks_check_claim(c, object, KS_NOTHING, false);
    if (ks_exists(old)) ks_check_meta_update(c, object, old);
    if (status) {
        check_claim_status(c, object);
        return;
    }
    ks_check_meta(c, object, true, KS_RULE_SUBDOMAIN);
    KS_IN(c, "spec") ks_check_claim_spec(c, ks_get(object, K(spec)));
    if (ks_exists(old)) check_claim_update(c, object, old);
}

/* --- volumes --- */

static void check_capacity(ks_check *c, ks_val capacity) {
    static const char *const supported[] = {"storage", NULL};
    if (ks_len(capacity) == 0) ks_need(c, "capacity", "");
    if (!ks_exists(ks_get(capacity, K(storage))) || ks_len(capacity) > 1) {
        if (ks_exists(capacity))
            ks_unknown(c, "capacity", capacity, supported);
        else
            ks_unknown(c, "capacity", ks_null(), supported);
    }
    KS_IN(c, "capacity") {
        for (uint32_t i = 0; i < ks_len(capacity); i++) {
            const ks_pair *pair = ks_pair_at(capacity, i);
            int64_t value = ks_quantity_value(ks_quantity_of(pair->val));
            KS_KEY(c, pair->key->s) {
                if (value < 0) ks_bad(c, NULL, ks_int(value), "must be a valid resource quantity");
                ks_check_positive_quantity(c, pair->val);
            }
        }
    }
}

static bool is_root(const char *path) {
    if (path[0] != '/') return false;
    for (; *path != '\0'; path++)
        if (*path != '/' && *path != '.') return false;
    return true;
}

void ks_check_volume_spec(ks_check *c, ks_val spec, bool in_line) {
    static const char *const policies[] = {"Delete", "Recycle", "Retain", NULL};
    ks_val modes = ks_get(spec, K(accessModes)), affinity = ks_get(spec, K(nodeAffinity));
    ks_val policy = ks_get(spec, K(persistentVolumeReclaimPolicy));
    ks_val class = ks_get(spec, K(storageClassName)), mode = ks_get(spec, K(volumeMode));
    ks_val set = ks_get(spec, K(volumeAttributesClassName));
    int count = 0;
    if (ks_len(modes) == 0) ks_need(c, "accessModes", "");
    check_access_modes(c, modes);
    if (!in_line) check_capacity(c, ks_get(spec, K(capacity)));
    if (!ks_is_empty_text(policy))
        ks_check_enum(c, "persistentVolumeReclaimPolicy", policy, policies, false);
    if (ks_exists(affinity)) {
        ks_val required = ks_get(affinity, K(required));
        KS_IN(c, "nodeAffinity") {
            if (ks_exists(required))
                KS_IN(c, "required") ks_check_node_selector(c, required);
            else
                ks_need(c, "required", "must specify required node constraints");
        }
    }
    ks_check_pv_source(c, spec, &count);
    if (count == 0) ks_need(c, NULL, "must specify a volume type");
    if (ks_exists(ks_get(spec, K(hostPath))) && ks_text_is(policy, "Recycle") &&
        is_root(ks_text_or(ks_get2(spec, K(hostPath), K(path)), "")))
        ks_deny(c, "persistentVolumeReclaimPolicy",
                "may not be 'recycle' for a hostPath mount of '/'");
    if (!ks_is_empty_text(class)) ks_check_text(c, "storageClassName", KS_RULE_SUBDOMAIN, class);
    if (ks_exists(mode)) ks_check_enum(c, "volumeMode", mode, VOLUME_MODES, false);
    if (!ks_exists(set)) return;
    if (ks_is_empty_text(set))
        ks_need(c, "volumeAttributesClassName", "an empty string is disallowed");
    else
        ks_check_text(c, "volumeAttributesClassName", KS_RULE_SUBDOMAIN, set);
    if (!ks_exists(ks_get(spec, K(csi))))
        ks_need(c, "csi", "has to be specified when using volumeAttributesClassName");
}

/* The members of a volume's spec that are its source. */
static ks_val source_of(ks_heap *heap, ks_val spec) {
    const ks_str *const others[] = {K(capacity),
                                    K(accessModes),
                                    K(claimRef),
                                    K(persistentVolumeReclaimPolicy),
                                    K(storageClassName),
                                    K(mountOptions),
                                    K(volumeMode),
                                    K(nodeAffinity),
                                    K(volumeAttributesClassName)};
    ks_val source = ks_ref(spec);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        source = ks_drop(heap, source, others[i]);
    return source;
}

static void check_volume_update(ks_check *c, ks_val now, ks_val old) {
    ks_val source = source_of(c->heap, now), old_source = source_of(c->heap, old);
    if (!ks_same(source, old_source)) {
        const ks_str *diff = ks_print_diff(
            c->heap, &ks_types[KS_TYPE_core_v1_PersistentVolumeSource], old_source, source);
        const ks_str *why = ks_str_printf(
            c->heap, "spec.persistentvolumesource is immutable after creation\n%s", diff->s);
        ks_deny(c, "spec.persistentvolumesource", why->s);
        ks_str_unref(c->heap, why);
        ks_str_unref(c->heap, diff);
    }
    ks_unref(c->heap, source);
    ks_unref(c->heap, old_source);
    ks_val mode = ks_get(now, K(volumeMode)), affinity = ks_get(now, K(nodeAffinity));
    if (!ks_same(mode, ks_get(old, K(volumeMode))))
        ks_bad(c, "volumeMode", mode, "field is immutable");
    ks_val old_affinity = ks_get(old, K(nodeAffinity));
    if (ks_exists(old_affinity) && !ks_same(affinity, old_affinity))
        ks_bad_struct(c, "nodeAffinity", KS_TYPE_core_v1_VolumeNodeAffinity, affinity,
                      "field is immutable, except for updating from beta label to GA");
    if (ks_exists(ks_get(old, K(volumeAttributesClassName))) &&
        !ks_exists(ks_get(now, K(volumeAttributesClassName))))
        ks_deny(c, "spec.volumeAttributesClassName",
                "update from non-nil value to nil is forbidden");
}

/* pkg/volume/validation/pv_validation.go */
static void check_mount_options(ks_check *c, ks_val object) {
    ks_val spec = ks_get(object, K(spec));
    bool none = ks_exists(ks_get(spec, K(hostPath))) || ks_exists(ks_get(spec, K(local)));
    ks_val options =
        ks_get3(object, K(metadata), K(annotations), K(volume_beta_kubernetes_io_mount_options));
    if (none && ks_exists(options))
        ks_deny(c, "metadata.annotations.volume.beta.kubernetes.io/mount-options",
                "may not specify mount options for this volume type");
}

void ks_check_volume(ks_check *c, ks_val object, ks_val old, bool status) {
    if (status) {
        ks_check_meta_update(c, object, old);
        return;
    }
    /* an update looks at the whole volume twice: persistentvolume/strategy.go, ValidateUpdate */
    for (int i = 0; i < (ks_exists(old) ? 2 : 1); i++) {
        ks_check_meta(c, object, false, KS_RULE_SUBDOMAIN);
        KS_IN(c, "spec") ks_check_volume_spec(c, ks_get(object, K(spec)), false);
        if (i == 0) check_mount_options(c, object);
    }
    if (ks_exists(old)) check_volume_update(c, ks_get(object, K(spec)), ks_get(old, K(spec)));
}

/* --- storage classes --- */

static void check_parameters(ks_check *c, ks_val parameters) {
    enum { MAX_COUNT = 512, MAX_SIZE = 256 * 1024 };
    uint64_t size = 0;
    if (ks_len(parameters) > MAX_COUNT) ks_error_too_long(&c->errors, "parameters", MAX_COUNT);
    for (uint32_t i = 0; i < ks_len(parameters); i++) {
        const ks_pair *pair = ks_pair_at(parameters, i);
        if (pair->key->len == 0)
            ks_bad(c, "parameters", ks_borrow(pair->key), "field can not be empty.");
        size += pair->key->len + ks_text_value(pair->val).s->len;
    }
    if (size > MAX_SIZE) ks_error_too_long(&c->errors, "parameters", MAX_SIZE);
}

static void check_topology_term(ks_check *c, ks_val term) {
    ks_val rules = ks_get(term, K(matchLabelExpressions));
    KS_IN(c, "matchLabelExpressions") {
        for (uint32_t i = 0; i < ks_len(rules); i++) {
            ks_val key = ks_get(ks_at(rules, i), K(key)),
                   values = ks_get(ks_at(rules, i), K(values));
            bool twice = false;
            for (uint32_t j = 0; j < i; j++)
                twice |= ks_equal(ks_get(ks_at(rules, j), K(key)), key);
            KS_AT(c, i) {
                if (ks_len(values) == 0) ks_need(c, "values", "");
                KS_IN(c, "values") {
                    for (uint32_t j = 1; j < ks_len(values); j++)
                        for (uint32_t k = 0; k < j; k++)
                            if (ks_equal(ks_at(values, j), ks_at(values, k))) {
                                KS_AT(c, j) ks_duplicate(c, NULL, ks_at(values, j));
                                break;
                            }
                }
                ks_check_text(c, "key", KS_RULE_QUALIFIED, key);
                if (twice) ks_duplicate(c, "key", ks_text_value(key));
            }
        }
    }
}

static void check_class(ks_check *c, ks_val object) {
    static const char *const policies[] = {"Delete", "Retain", NULL};
    static const char *const modes[] = {"Immediate", "WaitForFirstConsumer", NULL};
    ks_val provisioner = ks_get(object, K(provisioner)),
           mode = ks_get(object, K(volumeBindingMode));
    ks_val policy = ks_get(object, K(reclaimPolicy)), terms = ks_get(object, K(allowedTopologies));
    ks_check_meta(c, object, false, KS_RULE_SUBDOMAIN);
    if (ks_is_empty_text(provisioner)) {
        ks_need(c, "provisioner", "");
    } else {
        ks_val lower = ks_textn(c->heap, provisioner.s->s, provisioner.s->len);
        for (char *s = (char *)lower.s->s; *s != '\0'; s++)
            if (*s >= 'A' && *s <= 'Z') *s = (char)(*s - 'A' + 'a');
        ks_check_text(c, "provisioner", KS_RULE_QUALIFIED, lower);
        ks_unref(c->heap, lower);
    }
    check_parameters(c, ks_get(object, K(parameters)));
    if (!ks_is_empty_text(policy)) ks_check_enum(c, "reclaimPolicy", policy, policies, false);
    ks_check_enum(c, "volumeBindingMode", mode, modes, !ks_exists(mode));
    KS_IN(c, "allowedTopologies") {
        for (uint32_t i = 0; i < ks_len(terms); i++) {
            /* an empty term equals each of the empty ones that upstream's list begins with */
            bool empty = ks_len(ks_get(ks_at(terms, i), K(matchLabelExpressions))) == 0;
            uint32_t equal = empty ? ks_len(terms) : 0;
            for (uint32_t j = 0; j < i; j++) equal += ks_same(ks_at(terms, i), ks_at(terms, j));
            KS_AT(c, i) {
                check_topology_term(c, ks_at(terms, i));
                for (uint32_t j = 0; j < equal; j++)
                    ks_duplicate(c, "matchLabelExpressions", ks_text_value(KS_NOTHING));
            }
        }
    }
}

void ks_check_storage_class(ks_check *c, ks_val object, ks_val old) {
    const ks_str *const fixed[] = {K(parameters), K(provisioner), K(reclaimPolicy),
                                   K(volumeBindingMode)};
    check_class(c, object);
    if (!ks_exists(old)) return;
    ks_check_meta_update(c, object, old);
    for (int i = 0; i < 4; i++) {
        ks_val now = ks_get(object, fixed[i]);
        if (ks_same(now, ks_get(old, fixed[i]))) continue;
        if (i < 3 && !ks_since(c->rules, KS_SINCE_IMMUTABLE_CLASSES)) {
            const ks_str *why = ks_str_printf(c->heap, "updates to %s are forbidden.", fixed[i]->s);
            ks_deny(c, fixed[i]->s, why->s);
            ks_str_unref(c->heap, why);
        } else if (ks_exists(now))
            ks_bad(c, fixed[i]->s, now, "field is immutable");
        else
            ks_bad_printed(c, fixed[i]->s, "null", "field is immutable");
    }
}

/* --- attachments --- */

void ks_check_csi_driver(ks_check *c, const char *field, ks_val name) {
    const char *faults[KS_FAULTS_MAX];
    ks_val text = ks_text_value(name);
    if (text.s->len == 0) ks_need(c, field, "");
    if (text.s->len == 0 && ks_since(c->rules, KS_SINCE_EMPTY_DRIVERS)) return;
    if (text.s->len > 63) ks_error_too_long(&c->errors, field, 63);
    ks_val lower = ks_textn(c->heap, text.s->s, text.s->len);
    for (char *s = (char *)lower.s->s; *s != '\0'; s++)
        if (*s >= 'A' && *s <= 'Z') *s = (char)(*s - 'A' + 'a');
    int count = ks_faults(c, KS_RULE_SUBDOMAIN, lower.s->s, lower.s->len, faults);
    for (int i = 0; i < count; i++) ks_bad(c, field, text, faults[i]);
    ks_unref(c->heap, lower);
}

void ks_check_volume_attachment(ks_check *c, ks_val object, ks_val old) {
    static const char one[] =
        "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    ks_val spec = ks_get(object, K(spec)), source = ks_get(spec, K(source));
    ks_val name = ks_get(source, K(persistentVolumeName));
    ks_val in_line = ks_get(source, K(inlineVolumeSpec));
    bool once = ks_since(c->rules, KS_SINCE_ATTACHERS_CHECKED_ONCE);
    ks_check_meta(c, object, false, KS_RULE_SUBDOMAIN);
    KS_IN(c, "spec") {
        ks_val attacher = ks_get(spec, K(attacher));
        if (once)
            ks_check_csi_driver(c, "attacher", attacher);
        else if (ks_is_empty_text(attacher))
            ks_need(c, "attacher", "");
        if (!ks_exists(in_line) && !ks_exists(name))
            ks_need(c, "source", one);
        else if (ks_exists(in_line) && ks_exists(name))
            ks_deny(c, "source", one);
        else if (ks_exists(name) && ks_is_empty_text(name))
            KS_IN(c, "source")
        ks_need(c, "persistentVolumeName", "must specify non empty persistentVolumeName");
        else if (ks_exists(in_line)) KS_IN(c, "source") KS_IN(c, "inlineVolumeSpec")
            ks_check_volume_spec(c, in_line, true);
        ks_check_text(c, "nodeName", KS_RULE_SUBDOMAIN, ks_get(spec, K(nodeName)));
        if (!once && !ks_exists(old)) ks_check_csi_driver(c, "attacher", attacher);
        if (ks_exists(name) && (once || !ks_exists(old)))
            ks_check_text(c, "source.persistentVolumeName", KS_RULE_SUBDOMAIN, name);
    }
    const ks_str *const failures[] = {K(attachError), K(detachError)};
    for (int i = 0; i < 2; i++) {
        ks_val code = ks_get3(object, K(status), failures[i], K(errorCode));
        if (code.type == KS_INT && code.i < 0) KS_IN(c, "status")
        KS_IN(c, failures[i]->s) ks_bad_range(c, "errorCode", code, 0, INT32_MAX);
    }
    if (ks_exists(old) && !ks_same(spec, ks_get(old, K(spec))))
        ks_bad_struct(c, "spec", KS_TYPE_storage_v1_VolumeAttachmentSpec, spec,
                      "field is immutable");
}
