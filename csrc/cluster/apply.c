/*
 * cluster/apply.c - kubectl's client-side apply of one object: create it, or send the three-way strategic merge patch.
 *
 * k8s.io/kubectl/pkg/cmd/apply/{apply,patcher}.go, pkg/util/apply.go.
 */
#include "cluster/cluster.h"
#include "doc/text.h"

static ks_val last_applied_of(const ks_object *object) {
    return ks_get2(object->meta, K(annotations),
                   K(kubectl_kubernetes_io_last_applied_configuration));
}

/* The annotations but for that one, as kubectl sets them: they are texts (meta.Accessor), so that null is an empty one. */
static ks_val annotations_of(ks_heap *heap, ks_val doc) {
    ks_val annotations = ks_ref(ks_get2(doc, K(metadata), K(annotations)));
    if (annotations.type != KS_MAP) {
        ks_unref(heap, annotations);
        annotations = ks_map_new(heap, 1);
    }
    annotations = ks_drop(heap, annotations, K(kubectl_kubernetes_io_last_applied_configuration));
    for (uint32_t i = 0; i < ks_len(annotations); i++) {
        const ks_pair *pair = ks_pair_at(annotations, i);
        if (pair->val.type == KS_NULL)
            annotations = ks_put(heap, annotations, pair->key, ks_text(heap, ""));
    }
    return annotations;
}

ks_val ks_apply_annotated(ks_heap *heap, ks_val doc) {
    ks_val annotations = annotations_of(heap, doc);
    doc = ks_put2(heap, doc, K(metadata), K(annotations), ks_ref(annotations));
    ks_buf out = {.heap = heap};
    ks_json_write(&out, doc, KS_JSON_GO);
    ks_buf_putc(&out, '\n');
    annotations = ks_put(heap, annotations, K(kubectl_kubernetes_io_last_applied_configuration),
                         ks_string_take(ks_buf_take(&out)));
    return ks_put2(heap, doc, K(metadata), K(annotations), annotations);
}

ks_refusal *ks_cluster_apply_patch(ks_cluster *cluster, const ks_object *live, ks_val doc,
                                   ks_val *patch) {
    ks_heap *heap = cluster->heap;
    ks_val current = ks_object_doc(heap, live), original = KS_NOTHING;
    const ks_str *text = ks_str_or_null(last_applied_of(live));
    ks_text_error err = {0};
    ks_refusal *refusal = NULL;
    if (text != NULL && !ks_json_read(heap, text->s, text->len, NULL, &original, &err)) {
        refusal = ks_refuse_bad_request(heap, err.message->s);
        ks_str_unref(heap, err.message);
    } else {
        refusal = ks_patch_three_way(heap, live->kind, original, doc, current, patch);
    }
    ks_unref(heap, original);
    ks_unref(heap, current);
    return refusal;
}

ks_refusal *ks_cluster_apply(ks_cluster *cluster, ks_kind kind, const ks_str *ns, ks_val doc,
                             const ks_write_opts *opts, ks_applied *applied, bool *warned,
                             const ks_object **out) {
    ks_server *server = &cluster->sim->server;
    const ks_str *name = ks_str_or_null(ks_get2(doc, K(metadata), K(name)));
    const ks_object *live =
        ks_store_get(&server->store, kind, ks_kind_get(kind)->namespaced ? ns : NULL, name);
    *warned = live != NULL && last_applied_of(live).type == KS_NONE;
    doc = ks_apply_annotated(cluster->heap, doc);
    if (live == NULL) {
        *applied = KS_CREATED;
        return ks_server_create(server, kind, ns, doc, opts, out);
    }
    ks_val patch = KS_NOTHING;
    name = ks_str_ref(name);
    ks_refusal *refusal = ks_cluster_apply_patch(cluster, live, doc, &patch);
    ks_unref(cluster->heap, doc);
    if (refusal == NULL && ks_len(patch) == 0) {
        *applied = KS_UNCHANGED;
        *out = ks_object_ref(live);
        ks_unref(cluster->heap, patch);
    } else if (refusal == NULL) {
        *applied = KS_CONFIGURED;
        refusal =
            ks_server_patch(server, kind, ns, name, KS_PATCH_STRATEGIC, patch, NULL, opts, out);
    }
    ks_str_unref(cluster->heap, name);
    return refusal;
}
