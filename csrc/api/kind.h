/*
 * api/kind.h - the kinds that the simulated API server serves, as one constant table (api/kind.c).
 */
#ifndef KS_API_KIND_H
#define KS_API_KIND_H

#include "api/schema.h"

typedef enum ks_kind {
    KS_POD,
    KS_REPLICASET,
    KS_STATEFULSET,
    KS_DEPLOYMENT,
    KS_CONTROLLERREVISION,
    KS_SERVICE,
    KS_ENDPOINTS,
    KS_ENDPOINTSLICE,
    KS_PVC,
    KS_PV,
    KS_STORAGECLASS,
    KS_VOLUMEATTACHMENT,
    KS_NODE,
    KS_NAMESPACE,
    KS_EVENT,
    KS_CONFIGMAP,
    KS_SECRET,
    KS_SERVICEACCOUNT,
    KS_PDB,
    KS_PRIORITYCLASS,
    KS_RESOURCEQUOTA,
    KS_LIMITRANGE,
    KS_LEASE,
    KS_KIND_COUNT,
    KS_NO_KIND = KS_KIND_COUNT,
} ks_kind;

typedef struct ks_kind_info {
    ks_kind kind;
    const char *name;               /* "StatefulSet" */
    const char *group;              /* "apps"; "" for core */
    const char *version;            /* "v1" */
    const char *api_version;        /* "apps/v1" */
    const char *plural;             /* "statefulsets" */
    const char *singular;           /* "statefulset" */
    const char *const *short_names; /* {"sts", NULL} */
    bool namespaced;
    bool has_status; /* has a status subresource */
    bool has_scale;
    bool generation;  /* metadata.generation follows spec */
    bool put_creates; /* PUT of what is not there creates it (AllowCreateOnUpdate) */
    const ks_type *type;
} ks_kind_info;

const ks_kind_info *ks_kind_get(ks_kind kind);
/* By "apps/v1" and "StatefulSet", exactly. */
ks_kind ks_kind_by_gvk(const char *api_version, const char *kind);
/* As kubectl accepts it: sts, statefulset(s), StatefulSet, statefulsets.apps, statefulsets.v1.apps; any case. */
ks_kind ks_kind_by_name(const char *name, size_t len);

#endif
