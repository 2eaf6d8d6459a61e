/*
 * api/validate_meta.c - metadata, labels and label selectors.
 *
 * k8s.io/apimachinery/pkg/api/validation/objectmeta.go, pkg/apis/meta/v1/validation/validation.go,
 * and of finalizers pkg/apis/core/validation/validation.go. Where upstream walks Go maps, errors
 * come in key order.
 */
#include "api/validate_internal.h"

#include <string.h>

/* --- labels and annotations --- */

void ks_check_labels(ks_check *c, const char *field, ks_val labels) {
    if (labels.type != KS_MAP) return;
    for (uint32_t i = 0; i < ks_len(labels); i++) {
        const ks_pair *pair = ks_pair_at(labels, i);
        ks_check_text(c, field, KS_RULE_QUALIFIED, ks_borrow(pair->key));
        ks_check_text(c, field, KS_RULE_LABEL_VALUE, pair->val);
    }
}

/* Keys are checked in lower case and shown as they are. */
static void check_annotation_key(ks_check *c, const char *field, const ks_str *key) {
    const char *faults[KS_FAULTS_MAX];
    char small[256];
    char *lower = key->len < sizeof small ? small : ks_alloc(c->heap, key->len + 1);
    for (uint32_t i = 0; i <= key->len; i++) {
        char ch = key->s[i];
        lower[i] = ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') : ch;
    }
    int count = ks_faults(c, KS_RULE_QUALIFIED, lower, key->len, faults);
    if (lower != small) ks_free(c->heap, lower, key->len + 1);
    for (int i = 0; i < count; i++) ks_bad(c, field, ks_borrow(key), faults[i]);
}

void ks_check_annotations(ks_check *c, const char *field, ks_val annotations) {
    enum { MAX_SIZE = 256 * 1024 };
    uint64_t size = 0;
    if (annotations.type != KS_MAP) return;
    for (uint32_t i = 0; i < ks_len(annotations); i++) {
        const ks_pair *pair = ks_pair_at(annotations, i);
        check_annotation_key(c, field, pair->key);
        size += pair->key->len + (pair->val.type == KS_STRING ? pair->val.s->len : 0);
    }
    if (size > MAX_SIZE) ks_error_too_long(&c->errors, field, MAX_SIZE);
}

/* --- owners and finalizers --- */

static void check_owner(ks_check *c, ks_val owner) {
    const char *version = ks_member(owner, K(apiVersion));
    const char *slash = strrchr(version, '/');
    bool is_event = strcmp(version, "v1") == 0 && ks_text_is(ks_get(owner, K(kind)), "Event");
    if (version[0] == '\0' || (slash != NULL && slash[1] == '\0'))
        ks_bad(c, "apiVersion", ks_text_value(ks_get(owner, K(apiVersion))),
               "version must not be empty");
    const ks_str *const keys[] = {K(kind), K(name), K(uid)};
    for (int i = 0; i < 3; i++)
        if (ks_is_empty_text(ks_get(owner, keys[i])))
            ks_bad(c, keys[i]->s, ks_text_value(KS_NOTHING), "must not be empty");
    if (is_event)
        ks_bad_struct(c, NULL, KS_TYPE_meta_v1_OwnerReference, owner,
                      "/v1, Kind=Event is disallowed from being an owner");
}

/* All owner references, printed as a list in Go's order of members. */
static const ks_str *print_owners(ks_heap *heap, ks_val owners) {
    ks_buf out = {.heap = heap};
    ks_buf_putc(&out, '[');
    for (uint32_t i = 0; i < ks_len(owners); i++) {
        const ks_str *one =
            ks_print_struct(heap, &ks_types[KS_TYPE_meta_v1_OwnerReference], ks_at(owners, i));
        if (i > 0) ks_buf_putc(&out, ',');
        ks_buf_str(&out, one);
        ks_str_unref(heap, one);
    }
    ks_buf_putc(&out, ']');
    return ks_buf_take(&out);
}

static void check_owners(ks_check *c, ks_val owners) {
    ks_val first = KS_NOTHING;
    KS_IN(c, "ownerReferences") {
        ks_each(owner, owners) {
            check_owner(c, *owner);
            if (!ks_bool_or(ks_get(*owner, K(controller)), false)) continue;
            if (first.type == KS_NONE) {
                first = *owner;
                continue;
            }
            const ks_str *printed = print_owners(c->heap, owners);
            const ks_str *why = ks_str_printf(
                c->heap,
                "Only one reference can have Controller set to true. Found \"true\" in references "
                "for %s/%s and %s/%s",
                ks_member(first, K(kind)), ks_member(first, K(name)), ks_member(*owner, K(kind)),
                ks_member(*owner, K(name)));
            ks_bad_printed(c, NULL, printed->s, why->s);
            ks_str_unref(c->heap, printed);
            ks_str_unref(c->heap, why);
        }
    }
}

static void check_finalizer_names(ks_check *c, ks_val finalizers) {
    bool orphan = false, foreground = false;
    ks_each(name, finalizers) {
        ks_check_text(c, "finalizers", KS_RULE_QUALIFIED, *name);
        orphan |= ks_text_is(*name, "orphan");
        foreground |= ks_text_is(*name, "foregroundDeletion");
    }
    if (orphan && foreground)
        ks_bad(c, "finalizers", finalizers,
               "finalizer orphan and foregroundDeletion cannot be both set");
}

static bool is_known_finalizer(ks_val name) {
    static const char *const known[] = {"kubernetes", "orphan", "foregroundDeletion", NULL};
    return strchr(ks_text_or(name, ""), '/') != NULL || ks_one_of(name, known);
}

static const char UNKNOWN_FINALIZER[] =
    "name is neither a standard finalizer name nor is it fully qualified";

void ks_check_kube_finalizers(ks_check *c, ks_val finalizers) {
    KS_IN(c, "finalizers") {
        for (uint32_t i = 0; i < ks_len(finalizers); i++) {
            ks_val name = ks_text_value(ks_at(finalizers, i));
            if (is_known_finalizer(name)) continue;
            KS_AT(c, i) ks_bad(c, NULL, name, UNKNOWN_FINALIZER);
        }
    }
}

void ks_check_finalizer(ks_check *c, const char *field, ks_val name) {
    ks_check_text(c, field, KS_RULE_QUALIFIED, name);
    if (!is_known_finalizer(name)) ks_bad(c, field, ks_text_value(name), UNKNOWN_FINALIZER);
}

static void check_managed_fields(ks_check *c, ks_val entries) {
    static const char *const operations[] = {"Apply", "Update", NULL};
    KS_IN(c, "managedFields") {
        for (uint32_t i = 0; i < ks_len(entries); i++) {
            ks_val entry = ks_at(entries, i);
            ks_val operation = ks_get(entry, K(operation)), type = ks_get(entry, K(fieldsType));
            KS_AT(c, i) {
                if (!ks_one_of(operation, operations))
                    ks_bad(c, "operation", ks_text_value(operation), "must be `Apply` or `Update`");
                if (!ks_is_empty_text(type) && !ks_text_is(type, "FieldsV1"))
                    ks_bad(c, "fieldsType", type, "must be `FieldsV1`");
            }
        }
    }
}

/* --- whole metadata --- */

static void check_names(ks_check *c, ks_val meta, ks_rule rule) {
    ks_val name = ks_get(meta, K(name)), prefix = ks_get(meta, K(generateName));
    if (!ks_is_empty_text(prefix)) ks_check_prefix(c, "generateName", rule, prefix);
    if (ks_is_empty_text(name))
        ks_need(c, "name", "name or generateName is required");
    else
        ks_check_text(c, "name", rule, name);
}

/* ValidateObjectMetaAccessor: at the path of metadata. */
static void check_accessor(ks_check *c, ks_val meta, bool namespaced, ks_rule rule) {
    check_names(c, meta, rule);
    ks_val ns = ks_get(meta, K(namespace));
    if (namespaced)
        ks_check_required_text(c, "namespace", KS_RULE_LABEL, ns);
    else if (!ks_is_empty_text(ns))
        ks_deny(c, "namespace", "not allowed on this type");
    ks_check_not_negative(c, "generation", ks_get(meta, K(generation)));
    ks_check_labels(c, "labels", ks_get(meta, K(labels)));
    ks_check_annotations(c, "annotations", ks_get(meta, K(annotations)));
    check_owners(c, ks_get(meta, K(ownerReferences)));
    check_finalizer_names(c, ks_get(meta, K(finalizers)));
    check_managed_fields(c, ks_get(meta, K(managedFields)));
}

void ks_check_meta(ks_check *c, ks_val object, bool namespaced, ks_rule name_rule) {
    ks_val meta = ks_get(object, K(metadata));
    c->checked_meta = meta;
    KS_IN(c, "metadata") {
        check_accessor(c, meta, namespaced, name_rule);
        ks_check_kube_finalizers(c, ks_get(meta, K(finalizers)));
    }
}

void ks_check_plain_meta(ks_check *c, ks_val object, bool namespaced, ks_rule name_rule) {
    ks_val meta = ks_get(object, K(metadata)), known = c->checked_meta;
    bool done = meta.type == KS_MAP && known.type == KS_MAP && meta.m == known.m;
    KS_IN(c, "metadata") {
        if (done)
            check_names(c, meta, name_rule); /* the rest is known to be good */
        else
            check_accessor(c, meta, namespaced, name_rule);
    }
}

static bool has_text(ks_val list, ks_val text) {
    ks_each(item, list)
        if (ks_equal(*item, text)) return true;
    return false;
}

/* ValidateNoNewFinalizers; the new ones sorted, as a Go literal. */
static void check_no_new_finalizers(ks_check *c, ks_val now, ks_val old) {
    ks_val extra = ks_map_new(c->heap, 0); /* a map for its order */
    ks_each(name, now) {
        if (name->type != KS_STRING || has_text(old, *name)) continue;
        const ks_str *key = ks_intern(c->heap, name->s->s, name->s->len);
        extra = ks_put(c->heap, extra, key, ks_bool(true));
        ks_str_unref(c->heap, key);
    }
    if (ks_len(extra) > 0) {
        ks_buf text = {.heap = c->heap};
        ks_buf_puts(&text, "no new finalizers can be added if the object is being deleted, found "
                           "new finalizers []string{");
        for (uint32_t i = 0; i < ks_len(extra); i++) {
            const ks_str *quoted = ks_quoted(c->heap, ks_pair_at(extra, i)->key);
            if (i > 0) ks_buf_puts(&text, ", ");
            ks_buf_str(&text, quoted);
            ks_str_unref(c->heap, quoted);
        }
        ks_buf_putc(&text, '}');
        ks_deny(c, "finalizers", text.s);
        ks_buf_dispose(&text);
    }
    ks_unref(c->heap, extra);
}

/* ValidateObjectMetaAccessorUpdate: at the path of metadata. */
static void check_accessor_update(ks_check *c, ks_val meta, ks_val old) {
    static const struct {
        const ks_str *key;
    } fixed[] = {{K(name)},
                 {K(namespace)},
                 {K(uid)},
                 {K(creationTimestamp)},
                 {K(deletionTimestamp)},
                 {K(deletionGracePeriodSeconds)}};
    if (ks_exists(ks_get(old, K(deletionTimestamp))))
        check_no_new_finalizers(c, ks_get(meta, K(finalizers)), ks_get(old, K(finalizers)));
    if (ks_is_empty_text(ks_get(meta, K(resourceVersion))))
        ks_bad(c, "resourceVersion", ks_text_value(KS_NOTHING), "must be specified for an update");
    int64_t generation = ks_int_or(ks_get(meta, K(generation)), 0);
    if (generation < ks_int_or(ks_get(old, K(generation)), 0))
        ks_bad(c, "generation", ks_int(generation), "must not be decremented");
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        ks_val now = ks_get(meta, fixed[i].key), before = ks_get(old, fixed[i].key);
        if (ks_same(now, before)) continue;
        ks_bad(c, fixed[i].key->s, ks_exists(now) || i > 2 ? now : ks_text_value(now),
               "field is immutable");
    }
    ks_check_labels(c, "labels", ks_get(meta, K(labels)));
    ks_check_annotations(c, "annotations", ks_get(meta, K(annotations)));
    check_owners(c, ks_get(meta, K(ownerReferences)));
    check_managed_fields(c, ks_get(meta, K(managedFields)));
}

void ks_check_meta_update(ks_check *c, ks_val object, ks_val old) {
    ks_val meta = ks_get(object, K(metadata));
    if (ks_kept(c, meta, ks_get(old, K(metadata)))) return;
    KS_IN(c, "metadata") {
        check_accessor_update(c, meta, ks_get(old, K(metadata)));
        ks_check_kube_finalizers(c, ks_get(meta, K(finalizers)));
    }
}

/* k8s.io/apiserver/pkg/registry/rest/update.go: BeforeUpdate checks metadata before the kind does.
 */
void ks_check_generic_update(ks_check *c, const ks_kind_info *info, ks_val object, ks_val old) {
    ks_val meta = ks_get(object, K(metadata));
    if (ks_kept(c, meta, ks_get(old, K(metadata)))) return;
    KS_IN(c, "metadata") {
        check_accessor(c, meta, info->namespaced, KS_RULE_PATH_SEGMENT);
        check_accessor_update(c, meta, ks_get(old, K(metadata)));
    }
}

/* --- label selectors --- */

static void check_requirement(ks_check *c, ks_val expression) {
    ks_val operator= ks_get(expression, K(operator)), values = ks_get(expression, K(values));
    static const char *const with_values[] = {"In", "NotIn", NULL};
    static const char *const without[] = {"Exists", "DoesNotExist", NULL};
    if (ks_one_of(operator, with_values)) {
        if (ks_len(values) == 0)
            ks_need(c, "values", "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (ks_one_of(operator, without)) {
        if (ks_len(values) > 0)
            ks_deny(c, "values",
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
        ks_bad(c, "operator", ks_text_value(operator), "not a valid selector operator");
    }
    ks_check_text(c, "key", KS_RULE_QUALIFIED, ks_get(expression, K(key)));
    KS_IN(c, "values") {
        for (uint32_t i = 0; i < ks_len(values); i++)
            KS_AT(c, i) ks_check_text(c, NULL, KS_RULE_LABEL_VALUE, ks_at(values, i));
    }
}

void ks_check_selector(ks_check *c, ks_val selector) {
    if (!ks_exists(selector)) return;
    ks_check_labels(c, "matchLabels", ks_get(selector, K(matchLabels)));
    ks_val expressions = ks_get(selector, K(matchExpressions));
    KS_IN(c, "matchExpressions") {
        for (uint32_t i = 0; i < ks_len(expressions); i++)
            KS_AT(c, i) check_requirement(c, ks_at(expressions, i));
    }
}

bool ks_selects(ks_heap *heap, ks_val selector, ks_val labels) {
    const ks_str *why = NULL;
    if (!ks_exists(selector)) return false;
    ks_selector *compiled = ks_selector_of(heap, selector, &why);
    ks_str_unref(heap, why);
    if (compiled == NULL) return false;
    bool matches = ks_selector_matches(compiled, labels);
    ks_selector_unref(heap, compiled);
    return matches;
}
