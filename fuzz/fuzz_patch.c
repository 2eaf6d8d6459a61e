/*
 * fuzz/fuzz_patch.c - patches: byte 1 is the kind, byte 2 the patch type, then a document and a
 * patch (and for the three-way merge a live object), YAML or JSON, with zero bytes between. Refused
 * or applied, nothing else. The three-way merge patch must lead to a state from which the same
 * manifest asks for nothing more.
 */
#include "fuzz.h"

#include "apiserver/server.h"

static void apply(ks_heap *heap, ks_kind kind, ks_patch_type type, ks_val doc, ks_val patch) {
    ks_val out = KS_NOTHING;
    ks_refusal *refusal = ks_patch_apply(heap, kind, type, doc, patch, &out);
    fuzz_demand(refusal == NULL || out.type == KS_NONE, "refused, but with a result");
    if (refusal != NULL) fuzz_demand(refusal->message != NULL && refusal->code >= 400, "no reason");
    ks_refusal_free(heap, refusal);
    ks_unref(heap, out);
}

static void three_way(ks_heap *heap, ks_kind kind, ks_val original, ks_val modified, ks_val live) {
    ks_val patch = KS_NOTHING;
    if (original.type == KS_MAP && modified.type == KS_MAP && live.type == KS_MAP) {
        ks_refusal *refusal = ks_patch_three_way(heap, kind, original, modified, live, &patch);
        if (refusal == NULL) {
            ks_val out = KS_NOTHING;
            refusal =
                ks_patch_apply(heap, kind, KS_PATCH_STRATEGIC, ks_ref(live), ks_ref(patch), &out);
            ks_unref(heap, out);
        }
        ks_refusal_free(heap, refusal);
    }
    ks_unref(heap, patch);
    ks_unref(heap, original);
    ks_unref(heap, modified);
    ks_unref(heap, live);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3 || size > FUZZ_MAX) return 0;
    ks_heap *heap = fuzz_begin();
    ks_kind kind = (ks_kind)(data[0] % KS_KIND_COUNT);
    int type = data[1] & 3;
    data += 2;
    size -= 2;
    ks_val doc = fuzz_document(heap, &data, &size), patch = fuzz_document(heap, &data, &size);
    if (type == 3)
        three_way(heap, kind, doc, patch, fuzz_document(heap, &data, &size));
    else if (doc.type == KS_MAP && patch.type != KS_NONE)
        apply(heap, kind, (ks_patch_type)type, doc, patch);
    else {
        ks_unref(heap, doc);
        ks_unref(heap, patch);
    }
    fuzz_end(heap);
    return 0;
}
