/*
 * api/app_armor.c - the deprecated annotations of AppArmor: which is about a container, and which profile it names.
 *
 * pkg/api/pod/util.go: ApparmorFieldForAnnotation. Called by warn_pod.c of templates, and by apiserver/app_armor.c of pods.
 */
#include "api/codec.h"
#include "api/values.h"

#include <string.h>

static const char PREFIX[] = KS_APP_ARMOR_PREFIX;
enum { PREFIX_LEN = sizeof PREFIX - 1 };

static bool is_space(char c) { return strchr(" \t\r\n", c) != NULL; }

ks_val ks_app_armor_named(ks_heap *heap, const ks_str *annotation) {
    static const char local[] = "localhost/";
    enum { MAX_PROFILE = 4095, LOCAL_LEN = sizeof local - 1 };
    if (strcmp(annotation->s, "unconfined") == 0)
        return ks_map_of(heap, K(type), ks_text(heap, "Unconfined"), NULL);
    if (strcmp(annotation->s, "runtime/default") == 0)
        return ks_map_of(heap, K(type), ks_text(heap, "RuntimeDefault"), NULL);
    if (strncmp(annotation->s, local, LOCAL_LEN) != 0) return KS_NOTHING;
    const char *name = annotation->s + LOCAL_LEN;
    size_t len = annotation->len - LOCAL_LEN;
    if (len == 0 || len > MAX_PROFILE || is_space(name[0]) || is_space(name[len - 1]))
        return KS_NOTHING;
    return ks_map_of(heap, K(type), ks_text(heap, "Localhost"), K(localhostProfile),
                     ks_text(heap, name), NULL);
}

const ks_pair *ks_app_armor_annotation(ks_val annotations, const char *container) {
    for (uint32_t i = 0; i < ks_len(annotations); i++) {
        const ks_pair *pair = ks_pair_at(annotations, i);
        if (strncmp(pair->key->s, PREFIX, PREFIX_LEN) == 0 &&
            strcmp(pair->key->s + PREFIX_LEN, container) == 0)
            return pair;
    }
    return NULL;
}
