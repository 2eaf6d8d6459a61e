/*
 * fuzz/fuzz_object.c - manifests on their way through the API server: byte 1 is the kind, byte 2
 * how unknown fields are taken, then two manifests with a zero byte between; the second one
 * replaces the first, then is applied by a server-side apply. What was stored decodes again to the
 * same bytes.
 */
#include "fuzz.h"

#include "apiserver/server.h"

/* A stored object is a manifest that means itself. */
static void check_stored(ks_server *s, const ks_object *object) {
    ks_heap *heap = s->heap;
    ks_val typed = KS_NOTHING;
    ks_refusal *refusal =
        ks_decode(heap, &s->rules, object->kind, ks_ref(ks_doc(object)), KS_STRICT, NULL, &typed);
    fuzz_demand(refusal == NULL, "what is stored does not decode");
    typed = ks_default(heap, &s->rules, object->kind, typed);
    fuzz_demand(ks_equal(typed, ks_doc(object)), "what is stored decodes to something else");
    ks_unref(heap, typed);
}

static void end(ks_server *s, ks_refusal *refusal, const ks_object *object, bool check) {
    if (refusal != NULL)
        fuzz_demand(refusal->code >= 400 && refusal->message != NULL && object == NULL,
                    "a refusal without a reason");
    if (object != NULL && check) check_stored(s, object);
    ks_refusal_free(s->heap, refusal);
    ks_object_unref(s->heap, object);
}

static void make_namespace(ks_server *s) {
    ks_heap *heap = s->heap;
    ks_val meta = ks_map_of(heap, K(name), ks_text(heap, "default"), NULL);
    ks_val doc = ks_map_of(heap, K(apiVersion), ks_text(heap, "v1"), K(kind),
                           ks_text(heap, "Namespace"), K(metadata), meta, NULL);
    ks_refusal *refusal = ks_server_create(s, KS_NAMESPACE, NULL, doc, NULL, NULL);
    fuzz_demand(refusal == NULL, "no namespace");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3 || size > FUZZ_MAX) return 0;
    ks_heap *heap = fuzz_begin();
    ks_world world;
    ks_server server;
    ks_world_init(&world, heap, 1, 1767225600);
    ks_server_init(&server, &world, (ks_rules){.minor = 36});
    make_namespace(&server);
    ks_kind kind = (ks_kind)(data[0] % KS_KIND_COUNT);
    ks_val warnings = KS_NOTHING;
    ks_write_opts opts = {.field_validation = (ks_field_validation)(data[1] % 3),
                          .warnings = &warnings};
    data += 2;
    size -= 2;
    const ks_str *ns = ks_kind_get(kind)->namespaced ? K(default) : NULL;
    ks_val first = fuzz_document(heap, &data, &size), second = fuzz_document(heap, &data, &size);
    const ks_object *object = NULL;
    if (first.type != KS_NONE) {
        ks_refusal *refusal = ks_server_create(&server, kind, ns, first, &opts, &object);
        end(&server, refusal, object, true);
    }
    if (second.type != KS_NONE) {
        ks_val config = ks_ref(second), name = ks_ref(ks_get2(second, K(metadata), K(name)));
        object = NULL;
        ks_refusal *refusal = ks_server_update(&server, kind, ns, second, NULL, &opts, &object);
        end(&server, refusal, object, true);
        if (name.type == KS_STRING && name.s->len > 0) {
            object = NULL;
            opts.manager = "fuzz";
            opts.force = true;
            refusal = ks_server_patch(&server, kind, ns, name.s, KS_PATCH_APPLY, config, NULL,
                                      &opts, &object);
            end(&server, refusal, object, true);
        } else {
            ks_unref(heap, config);
        }
        ks_unref(heap, name);
    }
    ks_unref(heap, warnings);
    ks_server_dispose(&server);
    ks_world_dispose(&world);
    fuzz_end(heap);
    return 0;
}
