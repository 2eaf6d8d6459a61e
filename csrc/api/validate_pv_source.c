/*
 * api/validate_pv_source.c - where a PersistentVolume's bytes lie.
 *
 * pkg/apis/core/validation/validation.go: the second half of ValidatePersistentVolumeSpec.
 */
#include "api/validate_internal.h"

#include <string.h>

static void need(ks_check *c, ks_val source, const ks_str *key) {
    if (ks_is_empty_text(ks_get(source, key))) ks_need(c, key->s, "");
}

static void need_list(ks_check *c, ks_val source, const ks_str *key) {
    if (ks_len(ks_get(source, key)) == 0) ks_need(c, key->s, "");
}

static void check_host_path(ks_check *c, ks_val source) {
    static const char *const types[] = {
        "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
        "File", "FileOrCreate", "Socket",     NULL};
    ks_val type = ks_get(source, K(type));
    need(c, source, K(path));
    ks_check_no_backsteps(c, "path", ks_get(source, K(path)));
    if (ks_exists(type) && !ks_one_of(type, types)) ks_unknown(c, "type", type, types);
}

static void check_nfs(ks_check *c, ks_val source) {
    need(c, source, K(server));
    need(c, source, K(path));
    if (ks_member(source, K(path))[0] != '/')
        ks_bad(c, "path", ks_text_value(ks_get(source, K(path))), "must be an absolute path");
}

static void check_local(ks_check *c, ks_val source) {
    need(c, source, K(path));
    ks_check_no_backsteps(c, "path", ks_get(source, K(path)));
}

static void check_secret_ref(ks_check *c, ks_val source, const ks_str *key) {
    ks_val ref = ks_get(source, key);
    if (!ks_exists(ref)) return;
    KS_IN(c, key->s) {
        ks_check_required_text(c, "name", KS_RULE_SUBDOMAIN, ks_get(ref, K(name)));
        ks_check_required_text(c, "namespace", KS_RULE_LABEL, ks_get(ref, K(namespace)));
    }
}

static void check_csi(ks_check *c, ks_val source) {
    ks_check_csi_driver(c, "driver", ks_get(source, K(driver)));
    need(c, source, K(volumeHandle));
    check_secret_ref(c, source, K(controllerPublishSecretRef));
    check_secret_ref(c, source, K(controllerExpandSecretRef));
    check_secret_ref(c, source, K(nodePublishSecretRef));
    check_secret_ref(c, source, K(nodeExpandSecretRef));
}

static void check_partition(ks_check *c, ks_val source) {
    ks_val partition = ks_get(source, K(partition));
    if (partition.type == KS_INT && (partition.i < 0 || partition.i > 255))
        ks_bad_range(c, "partition", partition, 1, 255);
}

static void check_gce(ks_check *c, ks_val source) {
    need(c, source, K(pdName));
    check_partition(c, source);
}

static void check_aws(ks_check *c, ks_val source) {
    need(c, source, K(volumeID));
    check_partition(c, source);
}

static void check_glusterfs(ks_check *c, ks_val source) {
    need(c, source, K(endpoints));
    need(c, source, K(path));
    ks_val ns = ks_get(source, K(endpointsNamespace));
    if (!ks_exists(ns)) return;
    if (ks_is_empty_text(ns))
        ks_bad(c, "endpointsNamespace", ns,
               "if the endpointnamespace is set, it must be a valid namespace name");
    else
        ks_check_text(c, "endpointsNamespace", KS_RULE_LABEL, ns);
}

static void check_rbd(ks_check *c, ks_val source) {
    need_list(c, source, K(monitors));
    need(c, source, K(image));
}

static void check_ceph_fs(ks_check *c, ks_val source) { need_list(c, source, K(monitors)); }

static void check_iscsi(ks_check *c, ks_val source) {
    ks_val lun = ks_get(source, K(lun));
    ks_val iqn = ks_get(source, K(iqn)), initiator = ks_get(source, K(initiatorName));
    ks_val portal = ks_text_value(ks_get(source, K(targetPortal)));
    ks_val secret = ks_get(source, K(secretRef));
    need(c, source, K(targetPortal));
    if (ks_exists(initiator) && (c->pod_name != NULL ? c->pod_name->len : 0) + portal.s->len > 63)
        ks_bad(c, "targetportal", portal,
               "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if "
               "iscsi.initiatorName is specified.");
    need(c, source, K(iqn));
    if (!ks_is_empty_text(iqn)) ks_check_iscsi_name(c, "iqn", iqn, "must be valid format");
    if (lun.type == KS_INT && (lun.i < 0 || lun.i > 255)) ks_bad_range(c, "lun", lun, 0, 255);
    bool chap = ks_bool_or(ks_get(source, K(chapAuthDiscovery)), false) ||
                ks_bool_or(ks_get(source, K(chapAuthSession)), false);
    if (chap && !ks_exists(secret)) ks_need(c, "secretRef", "");
    if (ks_exists(secret)) KS_IN(c, "secretRef") need(c, secret, K(name));
    if (ks_exists(initiator))
        ks_check_iscsi_name(c, "initiatorname", initiator, "must be valid format");
}

static void check_cinder(ks_check *c, ks_val source) {
    need(c, source, K(volumeID));
    ks_val ref = ks_get(source, K(secretRef));
    if (!ks_exists(ref)) return;
    KS_IN(c, "secretRef") {
        need(c, ref, K(name));
        need(c, ref, K(namespace));
    }
}

static void check_flex(ks_check *c, ks_val source) { need(c, source, K(driver)); }

static void check_azure_file(ks_check *c, ks_val source) {
    need(c, source, K(secretName));
    need(c, source, K(shareName));
    ks_val ns = ks_get(source, K(secretNamespace));
    if (ks_exists(ns) && ks_is_empty_text(ns)) ks_need(c, "secretNamespace", "");
}

static void check_vsphere(ks_check *c, ks_val source) { need(c, source, K(volumePath)); }
static void check_photon(ks_check *c, ks_val source) { need(c, source, K(pdID)); }
static void check_portworx(ks_check *c, ks_val source) { need(c, source, K(volumeID)); }

static void check_scale_io(ks_check *c, ks_val source) {
    need(c, source, K(gateway));
    need(c, source, K(system));
    need(c, source, K(volumeName));
}

static void check_storage_os(ks_check *c, ks_val source) {
    ks_check_required_text(c, "volumeName", KS_RULE_LABEL, ks_get(source, K(volumeName)));
    ks_val ns = ks_get(source, K(volumeNamespace)), ref = ks_get(source, K(secretRef));
    if (!ks_is_empty_text(ns)) ks_check_text(c, "volumeNamespace", KS_RULE_LABEL, ns);
    if (!ks_exists(ref)) return;
    KS_IN(c, "secretRef") {
        need(c, ref, K(name));
        need(c, ref, K(namespace));
    }
}

static const struct {
    const ks_str *key;
    void (*check)(ks_check *c, ks_val source);
} SOURCES[] = {
    {K(hostPath), check_host_path},
    {K(gcePersistentDisk), check_gce},
    {K(awsElasticBlockStore), check_aws},
    {K(glusterfs), check_glusterfs},
    {K(flocker), ks_check_flocker},
    {K(nfs), check_nfs},
    {K(rbd), check_rbd},
    {K(quobyte), ks_check_quobyte},
    {K(cephfs), check_ceph_fs},
    {K(iscsi), check_iscsi},
    {K(cinder), check_cinder},
    {K(fc), ks_check_fc},
    {K(flexVolume), check_flex},
    {K(azureFile), check_azure_file},
    {K(vsphereVolume), check_vsphere},
    {K(photonPersistentDisk), check_photon},
    {K(portworxVolume), check_portworx},
    {K(azureDisk), ks_check_azure_disk},
    {K(scaleIO), check_scale_io},
    {K(local), check_local},
    {K(storageos), check_storage_os},
    {K(csi), check_csi},
};

void ks_check_pv_source(ks_check *c, ks_val spec, int *count) {
    for (size_t i = 0; i < sizeof SOURCES / sizeof *SOURCES; i++) {
        ks_val source = ks_get(spec, SOURCES[i].key);
        if (!ks_exists(source)) continue;
        /* a flexVolume counts, but is not refused beside another */
        if ((*count)++ > 0 && SOURCES[i].key != K(flexVolume)) {
            ks_deny(c, SOURCES[i].key == K(cephfs) ? "cephFS" : SOURCES[i].key->s,
                    "may not specify more than 1 volume type");
            continue;
        }
        KS_IN(c, SOURCES[i].key == K(gcePersistentDisk) ? "persistentDisk" : SOURCES[i].key->s)
        SOURCES[i].check(c, source);
        if (SOURCES[i].key == K(local) && !ks_exists(ks_get(spec, K(nodeAffinity))))
            ks_need(c, "nodeAffinity", "Local volume requires node affinity");
    }
}
