/*
 * apiserver/app_armor.c - a new pod's AppArmor profiles that are still given in annotations go into its containers' fields.
 *
 * pkg/registry/core/pod/strategy.go: applyAppArmorVersionSkew. Called by strategy.c. Templates are left as they are: of them one is
 * only warned (api/warn_pod.c).
 */
#include "apiserver/internal.h"

static void warn(const ks_request *r, const ks_str *key) {
    if (r->warnings == NULL) return;
    ks_val text =
        ks_format(r->heap, "metadata.annotations[%s]: %s", key->s, KS_APP_ARMOR_DEPRECATED);
    *r->warnings = ks_append(r->heap, *r->warnings, text);
}

/* A container without a profile gets its annotation's, unless the pod has the same. */
static void apply(const ks_request *r, ks_val *doc, const ks_str *list, uint32_t at,
                  ks_val annotations) {
    ks_heap *heap = r->heap;
    ks_val spec = ks_get(*doc, K(spec)), container = ks_at(ks_get(spec, list), at);
    const ks_pair *said =
        ks_app_armor_annotation(annotations, ks_text_or(ks_get(container, K(name)), ""));
    if (said == NULL || ks_exists(ks_get2(container, K(securityContext), K(appArmorProfile))))
        return;
    ks_val profile = ks_app_armor_named(heap, said->val.s);
    if (ks_exists(profile) &&
        ks_equal(profile, ks_get2(spec, K(securityContext), K(appArmorProfile)))) {
        ks_unref(heap, profile);
        return;
    }
    if (ks_exists(profile)) {
        container =
            ks_put2(heap, ks_ref(container), K(securityContext), K(appArmorProfile), profile);
        ks_val containers = ks_set_at(heap, ks_ref(ks_get(spec, list)), at, container);
        *doc = ks_put2(heap, *doc, K(spec), list, containers);
    }
    warn(r, said->key);
}

void ks_app_armor_fields(const ks_request *r, ks_val *doc) {
    static const ks_str *const lists[] = {K(initContainers), K(containers), K(ephemeralContainers)};
    ks_val annotations = ks_meta_get(*doc, K(annotations));
    if (ks_len(annotations) == 0 || ks_text_is(ks_get3(*doc, K(spec), K(os), K(name)), "windows"))
        return;
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (uint32_t i = 0; i < ks_len(ks_get2(*doc, K(spec), lists[l])); i++)
            apply(r, doc, lists[l], i, annotations);
}
