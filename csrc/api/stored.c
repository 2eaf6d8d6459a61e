/*
 * api/stored.c - what etcd's encoding makes of a typed document.
 *
 * Protocol buffers know no empty lists: what validation still saw as [] comes back as nil. Where Go's JSON leaves it out
 * the decoder has done so already; what it always writes becomes null. Called by the API server before an object is stored.
 */
#include "api/codec.h"

static ks_val stored(ks_heap *heap, const ks_spec *spec, ks_val v, ks_val known);

static ks_val stored_struct(ks_heap *heap, const ks_type *type, ks_val v, ks_val known) {
    for (uint16_t i = 0; i < type->count; i++) {
        const ks_field *field = ks_type_at(type, i);
        const ks_str *name = ks_field_name(field);
        ks_val now = ks_get(v, name);
        if (now.type != KS_LIST && now.type != KS_MAP) continue;
        ks_val then = stored(heap, &field->spec, ks_ref(now), ks_get(known, name));
        if (ks_identical(now, then))
            ks_unref(heap, then);
        else
            v = ks_put(heap, v, name, then);
    }
    return v;
}

static ks_val stored_list(ks_heap *heap, const ks_spec *item, ks_val v, ks_val known) {
    if (item->shape != KS_SHAPE_STRUCT) return v;
    for (uint32_t i = 0; i < ks_len(v); i++) {
        ks_val now = ks_at(v, i), then = stored(heap, item, ks_ref(now), ks_at(known, i));
        if (ks_identical(now, then))
            ks_unref(heap, then);
        else
            v = ks_set_at(heap, v, i, then);
    }
    return v;
}

static ks_val stored(ks_heap *heap, const ks_spec *spec, ks_val v, ks_val known) {
    if (ks_identical(v, known)) return v;
    switch (spec->shape) {
    case KS_SHAPE_STRUCT: return stored_struct(heap, ks_spec_type(spec), v, known);
    case KS_SHAPE_LIST:
    case KS_SHAPE_MAP:
        if (ks_len(v) == 0 && !spec->pointer) {
            ks_unref(heap, v);
            return ks_null();
        }
        return spec->shape == KS_SHAPE_LIST ? stored_list(heap, ks_spec_item(spec), v, known) : v;
    default: return v;
    }
}

ks_val ks_as_stored(ks_heap *heap, const ks_type *type, ks_val object, ks_val known) {
    return stored_struct(heap, type, object, known);
}
