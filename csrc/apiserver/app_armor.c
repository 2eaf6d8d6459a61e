/*
 * apiserver/app_armor.c - a new pod's AppArmor profiles that are still given in annotations go into its containers' fields.
 *
 * pkg/registry/core/pod/strategy.go: applyAppArmorVersionSkew. Called by strategy.c. Templates are left as they are: of them one is
 * only warned (api/warn_pod.c).
 */
#include "apiserver/internal.h"

#include <string.h>

static const char PREFIX[] = "container.apparmor.security.beta.kubernetes.io/";
enum { PREFIX_LEN = sizeof PREFIX - 1 };

static bool is_space(char c) { return strchr(" \t\r\n", c) != NULL; }

/* The profile that an annotation names, a new reference; KS_NOTHING: none that a field could have. */
static ks_val profile_of(ks_heap *heap, const ks_str *annotation) {
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

static void warn(const ks_request *r, const ks_str *key) {
    if (r->warnings == NULL) return;
    ks_val text = ks_format(r->heap,
                            "metadata.annotations[%s]: deprecated since v1.30; use the "
                            "\"appArmorProfile\" field instead",
                            key->s);
    *r->warnings = ks_append(r->heap, *r->warnings, text);
}

/* The annotation about a container of that name, or NULL. */
static const ks_pair *annotation_of(ks_val annotations, const char *container) {
    for (uint32_t i = 0; i < ks_len(annotations); i++) {
        const ks_pair *pair = ks_pair_at(annotations, i);
        if (strncmp(pair->key->s, PREFIX, PREFIX_LEN) == 0 &&
            strcmp(pair->key->s + PREFIX_LEN, container) == 0)
            return pair;
    }
    return NULL;
}

/* A container without a profile gets its annotation's, unless the pod has the same. */
static void apply(const ks_request *r, ks_val *doc, const ks_str *list, uint32_t at,
                  ks_val annotations) {
    ks_heap *heap = r->heap;
    ks_val spec = ks_get(*doc, K(spec)), container = ks_at(ks_get(spec, list), at);
    const ks_pair *said = annotation_of(annotations, ks_text_or(ks_get(container, K(name)), ""));
    if (said == NULL || ks_exists(ks_get2(container, K(securityContext), K(appArmorProfile))))
        return;
    ks_val profile = profile_of(heap, said->val.s);
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
    bool any = false;
    for (uint32_t i = 0; i < ks_len(annotations); i++)
        any |= strncmp(ks_pair_at(annotations, i)->key->s, PREFIX, PREFIX_LEN) == 0;
    if (!any || ks_text_is(ks_get3(*doc, K(spec), K(os), K(name)), "windows")) return;
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (uint32_t i = 0; i < ks_len(ks_get2(*doc, K(spec), lists[l])); i++)
            apply(r, doc, lists[l], i, annotations);
}
