/*
 * api/validate_internal.h - what the files of validation share (api/validate*.c).
 *
 * Validation walks a typed, defaulted document in the order in which upstream's functions do, so
 * that several errors come in the same order. A ks_check carries the errors so far and the path
 * being walked:
 *
 *     KS_IN(c, "spec") {
 *         if (...) ks_need(c, "containers", "");         // spec.containers: Required value
 *         for (...) KS_AT(c, i) check_one(c, item);      // spec[i]...
 *     }
 *
 * The blocks of KS_IN, KS_AT and KS_KEY must not be left by return, break or goto.
 */
#ifndef KS_API_VALIDATE_INTERNAL_H
#define KS_API_VALIDATE_INTERNAL_H

#include "api/codec.h"
#include "api/schema_table.h"
#include "api/values.h"

typedef struct ks_check {
    ks_errors errors;
    ks_heap *heap;
    const ks_rules *rules;
    bool is_pod;            /* the pod spec is a Pod's, not a template's */
    const ks_str *pod_name; /* of the Pod, for its ephemeral volumes; NULL in templates */
    ks_val checked_meta;    /* metadata that ks_check_meta has been over; borrowed */
    bool known;             /* of an update: what stood there before is valid */
} ks_check;

/* Whether a list or map is the very one that stood there before, which is known to be valid. */
static inline bool ks_kept(const ks_check *c, ks_val now, ks_val before) {
    return c->known && now.type >= KS_LIST && ks_identical(now, before);
}

#define KS_PASTE_(a, b) a##b
#define KS_PASTE(a, b)  KS_PASTE_(a, b)
#define KS_PATH_(c, push, mark)                                                                    \
    for (size_t mark = push, KS_PASTE(mark, _once) = 1; KS_PASTE(mark, _once);                     \
         KS_PASTE(mark, _once) = 0, ks_path_back(&(c)->errors, mark))
#define KS_IN(c, name) KS_PATH_(c, ks_path_field(&(c)->errors, name), KS_PASTE(mark_, __COUNTER__))
#define KS_AT(c, i)    KS_PATH_(c, ks_path_index(&(c)->errors, i), KS_PASTE(mark_, __COUNTER__))
#define KS_KEY(c, key) KS_PATH_(c, ks_path_key(&(c)->errors, key), KS_PASTE(mark_, __COUNTER__))

/* --- errors at the current path; `field` (may be NULL) is appended --- */

static inline void ks_bad(ks_check *c, const char *field, ks_val value, const char *detail) {
    ks_error_invalid(&c->errors, field, value, detail);
}
static inline void ks_bad_printed(ks_check *c, const char *field, const char *printed,
                                  const char *detail) {
    ks_error_invalid_text(&c->errors, field, printed, detail);
}
static inline void ks_need(ks_check *c, const char *field, const char *detail) {
    ks_error_required(&c->errors, field, detail);
}
static inline void ks_deny(ks_check *c, const char *field, const char *detail) {
    ks_error_forbidden(&c->errors, field, detail);
}
static inline void ks_unknown(ks_check *c, const char *field, ks_val value,
                              const char *const *allowed) {
    ks_error_unsupported(&c->errors, field, value, allowed);
}
static inline void ks_duplicate(ks_check *c, const char *field, ks_val value) {
    ks_error_duplicate(&c->errors, field, value);
}
/* Unsupported value, printed already; `detail` lists what is supported. (validate_print.c) */
void ks_unsupported_printed(ks_check *c, const char *field, const char *printed,
                            const char *detail);
void ks_duplicate_printed(ks_check *c, const char *field, const char *printed);
static inline uint32_t ks_error_count(const ks_check *c) { return ks_len(c->errors.causes); }

/* --- values (validate_text.c) --- */

/* A string as a value, without counting it up. */
static inline ks_val ks_borrow(const ks_str *s) { return (ks_val){.type = KS_STRING, .s = s}; }
/* The text itself, or the empty text for what is absent. Borrowed. */
ks_val ks_text_value(ks_val v);
/* The characters of a member, "" when absent. */
const char *ks_member(ks_val map, const ks_str *key);
bool ks_is_empty_text(ks_val v);
/* One of a NULL-terminated list. */
bool ks_one_of(ks_val v, const char *const *allowed);
/* Unsupported value unless one of the list; `required`: Required value when empty. */
void ks_check_enum(ks_check *c, const char *field, ks_val v, const char *const *allowed,
                   bool required);

/* Rules for texts, with upstream's messages. */
typedef enum ks_rule {
    KS_RULE_LABEL,        /* IsDNS1123Label */
    KS_RULE_SUBDOMAIN,    /* IsDNS1123Subdomain */
    KS_RULE_UNDERSCORE,   /* IsDNS1123SubdomainWithUnderscore */
    KS_RULE_DNS1035,      /* IsDNS1035Label */
    KS_RULE_QUALIFIED,    /* IsQualifiedName */
    KS_RULE_LABEL_VALUE,  /* IsValidLabelValue */
    KS_RULE_PORT_NAME,    /* IsValidPortName */
    KS_RULE_CONFIG_KEY,   /* IsConfigMapKey */
    KS_RULE_ENV,          /* IsRelaxedEnvVarName */
    KS_RULE_PERCENT,      /* IsValidPercent */
    KS_RULE_HEADER,       /* IsHTTPHeaderName */
    KS_RULE_PATH_SEGMENT, /* IsPathSegmentName */
} ks_rule;
enum { KS_FAULTS_MAX = 6 };
/* The constant texts of what is wrong with s[0..len), in order; returns how many. */
int ks_faults(const ks_check *c, ks_rule rule, const char *s, size_t len,
              const char *faults[KS_FAULTS_MAX]);
bool ks_follows(const ks_check *c, ks_rule rule, const ks_str *s);
/* Invalid value, once for each fault. */
void ks_check_text(ks_check *c, const char *field, ks_rule rule, ks_val v);
/* The same for a name that is generated from a prefix: a trailing dash is masked. */
void ks_check_prefix(ks_check *c, const char *field, ks_rule rule, ks_val v);
/* Required value if empty, else the rule. */
void ks_check_required_text(ks_check *c, const char *field, ks_rule rule, ks_val v);

/* must be between 1 and 65535, inclusive */
void ks_check_port_number(ks_check *c, const char *field, int64_t number);
void ks_check_port(ks_check *c, const char *field, ks_val number_or_name);
void ks_check_not_negative(ks_check *c, const char *field, ks_val number);
void ks_check_not_negative_int(ks_check *c, const char *field, int64_t number);
/* must be between LO and HI, inclusive */
void ks_bad_range(ks_check *c, const char *field, ks_val v, int64_t low, int64_t high);
void ks_check_user_id(ks_check *c, const char *field, ks_val id);
/* Go's %q. A new string. */
const ks_str *ks_quoted(ks_heap *heap, const ks_str *s);
/* `field is immutable` unless both are equal (quantities by value). */
void ks_check_immutable(ks_check *c, const char *field, const ks_spec *spec, ks_val now,
                        ks_val old);
/* At a pod's spec: validateSeccompAnnotationsAndFields, validateAppArmorAnnotationsAndFieldsMatchOnCreate. */
void ks_check_profiles(ks_check *c, ks_val annotations, ks_val spec);
/* Equality as apimachinery's Semantic.DeepEqual sees it: empty and absent are one. */
bool ks_same(ks_val a, ks_val b);

/* --- Go's JSON of internal types (validate_print.c) --- */

/* The value as field.Error prints a value of this type: internal types with their Go names and all
 * members, meta/v1 types and maps as JSON. A new string. */
const ks_str *ks_print_value(ks_heap *heap, const ks_spec *spec, ks_val v);
const ks_str *ks_print_struct(ks_heap *heap, const ks_type *type, ks_val v);
void ks_bad_struct(ks_check *c, const char *field, int type, ks_val v, const char *detail);
/* The unified diff of two values of a type, as k8s.io/apimachinery/pkg/util/diff prints it. New. */
const ks_str *ks_print_diff(ks_heap *heap, const ks_type *type, ks_val old, ks_val now);

/* --- addresses (validate_address.c) --- */

typedef struct ks_ip {
    uint8_t bytes[16];
    bool v4, v4_in_6;
} ks_ip;
bool ks_ip_parse(const char *s, size_t len, ks_ip *out);
/* must be a valid IP address, ... ; true when fine */
bool ks_check_ip(ks_check *c, const char *field, ks_val v);
/* An IPv6 address in canonical form is required (validation.IsValidIP). */
bool ks_check_canonical_ip(ks_check *c, const char *field, ks_val v);
/* What is odd about an address that is accepted (a new text), or NULL. */
const ks_str *ks_ip_warning(ks_heap *heap, ks_val v);
void ks_check_cidr(ks_check *c, const char *field, ks_val v);
/* Neither loopback nor link-local ... (ValidateEndpointIP) */
void ks_check_endpoint_ip(ks_check *c, const char *field, ks_val v);

/* --- metadata (validate_meta.c) --- */

void ks_check_meta(ks_check *c, ks_val object, bool namespaced, ks_rule name_rule);
/* The same by apimachinery's rules alone: finalizers without a domain are fine (leases). */
void ks_check_plain_meta(ks_check *c, ks_val object, bool namespaced, ks_rule name_rule);
void ks_check_meta_update(ks_check *c, ks_val object, ks_val old);
void ks_check_generic_update(ks_check *c, const ks_kind_info *info, ks_val object, ks_val old);
void ks_check_kube_finalizers(ks_check *c, ks_val finalizers);
void ks_check_finalizer(ks_check *c, const char *field, ks_val name);
void ks_check_labels(ks_check *c, const char *field, ks_val labels);
void ks_check_annotations(ks_check *c, const char *field, ks_val annotations);
void ks_check_selector(ks_check *c, ks_val selector);
/* Whether a selector that passed ks_check_selector matches labels; an absent one matches nothing.
 */
bool ks_selects(ks_heap *heap, ks_val selector, ks_val labels);

/* --- pods --- */

void ks_check_pod_spec(ks_check *c, ks_val spec); /* validate_pod.c */
void ks_check_pod_template(ks_check *c, ks_val template);
void ks_check_pod_annotations(ks_check *c, const char *field, ks_val annotations, ks_val spec);
void ks_check_pod_create(ks_check *c, ks_val pod);
void ks_check_pod_update(ks_check *c, ks_val pod, ks_val old); /* validate_pod_update.c */
void ks_check_pod_status_update(ks_check *c, ks_val pod, ks_val old);
/* At the path of `volumes`; appends the names of the good ones to *names (a list of volumes). */
void ks_check_volumes(ks_check *c, ks_val volumes, ks_val *good); /* validate_volume.c */
void ks_check_field_ref(ks_check *c, ks_val ref, const char *const *allowed);
void ks_check_resource_field_ref(ks_check *c, ks_val ref, bool in_volume);
void ks_check_no_backsteps(ks_check *c, const char *field, ks_val path);
/* An iSCSI name: must be valid format ... */
void ks_check_iscsi_name(ks_check *c, const char *field, ks_val name, const char *unknown);
void ks_check_fc(ks_check *c, ks_val source);
void ks_check_flocker(ks_check *c, ks_val source);
void ks_check_quobyte(ks_check *c, ks_val source);
void ks_check_azure_disk(ks_check *c, ks_val source);
void ks_check_descending_path(ks_check *c, const char *field, ks_val path);
/* At the path of `containers`. */
void ks_check_containers(ks_check *c, ks_val spec, ks_val volumes); /* validate_container.c */
void ks_check_init_containers(ks_check *c, ks_val spec, ks_val volumes);
void ks_check_ephemeral_containers(ks_check *c, ks_val spec, ks_val volumes);
void ks_check_volume_mounts(ks_check *c, ks_val container, ks_val volumes); /* validate_mount.c */
void ks_check_volume_devices(ks_check *c, ks_val container, ks_val volumes);
void ks_check_env(ks_check *c, ks_val container); /* validate_env.c */
void ks_check_resources(ks_check *c, ks_val resources, bool of_pod,
                        ks_val claims); /* validate_resource.c */
bool ks_is_hugepages(const ks_str *name);
bool ks_is_integer_resource(const ks_check *c, const ks_str *name);
bool ks_is_overcommit_allowed(const ks_str *name);
bool ks_is_standard_quota_resource(const ks_str *name);
void ks_check_resource_name(ks_check *c, ks_val name);
void ks_check_container_resource_name(ks_check *c, ks_val name);
void ks_check_resource_value(ks_check *c, const ks_str *name, ks_val quantity);
void ks_check_positive_quantity(ks_check *c, ks_val quantity);
void ks_check_security_context(ks_check *c, ks_val context,
                               bool host_users); /* validate_security.c */
void ks_check_pod_security_context(ks_check *c, ks_val spec);
/* At the path of a security context, of the pod's spec, of the pod's spec. (validate_windows.c) */
void ks_check_windows_options(ks_check *c, ks_val options);
void ks_check_host_processes(ks_check *c, ks_val spec);
void ks_check_os(ks_check *c, ks_val spec);
void ks_check_affinity(ks_check *c, ks_val affinity); /* validate_affinity.c */
void ks_check_node_selector(ks_check *c, ks_val selector);
void ks_check_tolerations(ks_check *c, ks_val tolerations);
void ks_check_taint_effect(ks_check *c, const char *field, ks_val effect, bool may_be_empty);
void ks_check_spread(ks_check *c, ks_val constraints);

/* --- the other kinds --- */

void ks_check_replica_set(ks_check *c, ks_val object, ks_val old,
                          bool status); /* validate_workload.c */
void ks_check_stateful_set(ks_check *c, ks_val object, ks_val old, bool status);
void ks_check_deployment(ks_check *c, ks_val object, ks_val old, bool status);
void ks_check_controller_revision(ks_check *c, ks_val object, ks_val old);
void ks_check_int_or_percent(ks_check *c, const char *field, ks_val v);
void ks_check_at_most_100_percent(ks_check *c, const char *field, ks_val v);
void ks_check_service(ks_check *c, ks_val object, ks_val old, bool status); /* validate_service.c */
void ks_check_endpoints(ks_check *c, ks_val object, ks_val old); /* validate_endpoint.c */
void ks_check_endpoint_slice(ks_check *c, ks_val object, ks_val old);
void ks_check_claim(ks_check *c, ks_val object, ks_val old, bool status); /* validate_storage.c */
void ks_check_claim_spec(ks_check *c, ks_val spec);
void ks_check_volume(ks_check *c, ks_val object, ks_val old, bool status);
void ks_check_volume_spec(ks_check *c, ks_val spec, bool in_line);
/* `name`: of the volume, may be NULL. */
void ks_check_pv_source(ks_check *c, ks_val spec, int *count); /* validate_pv_source.c */
void ks_check_storage_class(ks_check *c, ks_val object, ks_val old);
void ks_check_volume_attachment(ks_check *c, ks_val object, ks_val old);
void ks_check_csi_driver(ks_check *c, const char *field, ks_val name);
void ks_check_budget(ks_check *c, ks_val object, ks_val old, bool status); /* validate_policy.c */
void ks_check_priority_class(ks_check *c, ks_val object, ks_val old);
void ks_check_quota(ks_check *c, ks_val object, ks_val old, bool status);
void ks_check_limit_range(ks_check *c, ks_val object, ks_val old);
void ks_check_node(ks_check *c, ks_val object, ks_val old, bool status); /* validate_misc.c */
void ks_check_namespace(ks_check *c, ks_val object, ks_val old, bool status);
void ks_check_config_map(ks_check *c, ks_val object, ks_val old);
void ks_check_secret(ks_check *c, ks_val object, ks_val old);
void ks_check_service_ips(ks_check *c, ks_val object,
                          ks_val old); /* addresses and their families */
void ks_check_service_account(ks_check *c, ks_val object, ks_val old);
void ks_check_event(ks_check *c, ks_val object, ks_val old);
void ks_check_lease(ks_check *c, ks_val object, ks_val old);

#endif
