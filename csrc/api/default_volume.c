/*
 * api/default_volume.c - defaults of volumes of pods and of PersistentVolumes.
 *
 * pkg/apis/core/v1/defaults.go, and the defaults declared in k8s.io/api/core/v1/types.go.
 */
#include "api/default_internal.h"

enum { DEFAULT_MODE = 0644, TOKEN_SECONDS = 3600 };

static ks_val field_ref(ks_heap *heap, ks_val ref) {
    return ks_default_text(heap, ref, K(apiVersion), K(v1));
}

static ks_val downward_file(ks_heap *heap, ks_val file) {
    file = ks_default_at(heap, file, K(fieldRef), field_ref);
    ks_val resource = ks_get(file, K(resourceFieldRef));
    if (ks_exists(resource) && !ks_exists(ks_get(resource, K(divisor))))
        file = ks_put2(heap, file, K(resourceFieldRef), K(divisor), ks_string(K(0)));
    return file;
}

static ks_val downward_items(ks_heap *heap, ks_val source) {
    return ks_default_each(heap, source, K(items), downward_file);
}

static ks_val with_mode(ks_heap *heap, ks_val source) {
    return ks_default_int(heap, source, K(defaultMode), DEFAULT_MODE);
}

static ks_val downward(ks_heap *heap, ks_val source) {
    return downward_items(heap, with_mode(heap, source));
}

static ks_val token(ks_heap *heap, ks_val source) {
    return ks_default_int(heap, source, K(expirationSeconds), TOKEN_SECONDS);
}

static ks_val projection(ks_heap *heap, ks_val source) {
    source = ks_default_at(heap, source, K(downwardAPI), downward_items);
    return ks_default_at(heap, source, K(serviceAccountToken), token);
}

static ks_val projected(ks_heap *heap, ks_val source) {
    return ks_default_each(heap, with_mode(heap, source), K(sources), projection);
}

static ks_val host_path(ks_heap *heap, ks_val source) {
    if (ks_exists(ks_get(source, K(type)))) return source;
    return ks_put(heap, source, K(type), ks_text(heap, ""));
}

static ks_val iscsi(ks_heap *heap, ks_val source) {
    return ks_default_text(heap, source, K(iscsiInterface), K(default));
}

static ks_val rbd(ks_heap *heap, ks_val source) {
    source = ks_default_text(heap, source, K(pool), K(rbd));
    source = ks_default_text(heap, source, K(user), K(admin));
    return ks_default_text(heap, source, K(keyring), K(_etc_ceph_keyring));
}

static ks_val azure_disk(ks_heap *heap, ks_val source) {
    source = ks_default_text_pointer(heap, source, K(cachingMode), K(ReadWrite));
    source = ks_default_text_pointer(heap, source, K(kind), K(Shared));
    source = ks_default_text_pointer(heap, source, K(fsType), K(ext4));
    return ks_default_bool(heap, source, K(readOnly), false);
}

static ks_val scale_io(ks_heap *heap, ks_val source) {
    source = ks_default_text(heap, source, K(storageMode), K(ThinProvisioned));
    return ks_default_text(heap, source, K(fsType), K(xfs));
}

ks_val ks_default_volume_sources(ks_heap *heap, ks_val volume) {
    static const struct {
        const ks_str *key;
        ks_default_step step;
    } sources[] = {
        {K(hostPath), host_path},   {K(secret), with_mode},    {K(configMap), with_mode},
        {K(downwardAPI), downward}, {K(iscsi), iscsi},         {K(rbd), rbd},
        {K(azureDisk), azure_disk}, {K(projected), projected}, {K(scaleIO), scale_io},
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        volume = ks_default_at(heap, volume, sources[i].key, sources[i].step);
    return volume;
}
