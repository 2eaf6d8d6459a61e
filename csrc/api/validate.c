/*
 * api/validate.c - validation: which checks an object of a kind goes through (ks_validate_create,
 * ks_validate_update).
 *
 * Called by apiserver/ on every write that is not trusted. Order as in
 * k8s.io/apiserver/pkg/registry/rest/{create,update}.go: on creation the kind's rules, then that
 * the name can stand in a URL; on update the rules of metadata, then the kind's, which look at
 * metadata again.
 */
#include "api/validate_internal.h"

#include <string.h>

static void check_kind(ks_check *c, ks_kind kind, ks_val object, ks_val old, bool status) {
    switch (kind) {
    case KS_POD:
        if (!ks_exists(old))
            ks_check_pod_create(c, object);
        else if (status)
            ks_check_pod_status_update(c, object, old);
        else
            ks_check_pod_update(c, object, old);
        break;
    case KS_REPLICASET: ks_check_replica_set(c, object, old, status); break;
    case KS_STATEFULSET: ks_check_stateful_set(c, object, old, status); break;
    case KS_DEPLOYMENT: ks_check_deployment(c, object, old, status); break;
    case KS_CONTROLLERREVISION: ks_check_controller_revision(c, object, old); break;
    case KS_SERVICE: ks_check_service(c, object, old, status); break;
    case KS_ENDPOINTS: ks_check_endpoints(c, object, old); break;
    case KS_ENDPOINTSLICE: ks_check_endpoint_slice(c, object, old); break;
    case KS_PVC: ks_check_claim(c, object, old, status); break;
    case KS_PV: ks_check_volume(c, object, old, status); break;
    case KS_STORAGECLASS: ks_check_storage_class(c, object, old); break;
    case KS_VOLUMEATTACHMENT: ks_check_volume_attachment(c, object, old); break;
    case KS_NODE: ks_check_node(c, object, old, status); break;
    case KS_NAMESPACE: ks_check_namespace(c, object, old, status); break;
    case KS_EVENT: ks_check_event(c, object, old); break;
    case KS_CONFIGMAP: ks_check_config_map(c, object, old); break;
    case KS_SECRET: ks_check_secret(c, object, old); break;
    case KS_SERVICEACCOUNT: ks_check_service_account(c, object, old); break;
    case KS_PDB: ks_check_budget(c, object, old, status); break;
    case KS_PRIORITYCLASS: ks_check_priority_class(c, object, old); break;
    case KS_RESOURCEQUOTA: ks_check_quota(c, object, old, status); break;
    case KS_LIMITRANGE: ks_check_limit_range(c, object, old); break;
    case KS_LEASE: ks_check_lease(c, object, old); break;
    case KS_KIND_COUNT: break;
    }
}

static ks_check start(ks_heap *heap, const ks_rules *rules) {
    return (ks_check){
        .errors = {.heap = heap, .path = {.heap = heap}}, .heap = heap, .rules = rules};
}

static const ks_str *name_of(ks_val object) {
    return ks_str_or_null(ks_get2(object, K(metadata), K(name)));
}

ks_refusal *ks_validate_create(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val object) {
    ks_check c = start(heap, rules);
    check_kind(&c, kind, object, KS_NOTHING, false);
    if (!ks_errors_any(&c.errors))
        ks_check_plain_meta(&c, object, ks_kind_get(kind)->namespaced, KS_RULE_PATH_SEGMENT);
    return ks_errors_refuse(&c.errors, kind, name_of(object));
}

ks_refusal *ks_validate_update(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val object,
                               ks_val old, const char *subresource, bool known) {
    ks_check c = start(heap, rules);
    c.known = known;
    bool status = subresource != NULL && strcmp(subresource, "status") == 0;
    ks_check_generic_update(&c, ks_kind_get(kind), object, old);
    check_kind(&c, kind, object, old, status);
    return ks_errors_refuse(&c.errors, kind, name_of(object));
}

ks_refusal *ks_validate_service_ips(ks_heap *heap, const ks_rules *rules, ks_val object,
                                    ks_val old) {
    ks_check c = start(heap, rules);
    ks_check_service_ips(&c, object, old);
    return ks_errors_refuse(&c.errors, KS_SERVICE, name_of(object));
}
