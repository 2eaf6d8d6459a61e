/*
 * api/same.c - whether two typed documents mean the same: apimachinery's equality.Semantic.DeepEqual.
 *
 * Quantities are equal by value however they are written, absent and empty lists and maps are one. Called where upstream asks so:
 * by validation of what may not change, by the API server for metadata.generation, by Deployments that look for their template.
 */
#include "api/codec.h"
#include "api/schema.h"
#include "api/values.h"

/* A pointer to nothing and one to something empty differ in Go. */
static bool is_empty(const ks_spec *spec, ks_val v) {
    if (!ks_exists(v)) return true;
    return (spec == NULL || !spec->pointer) && (v.type == KS_LIST || v.type == KS_MAP) &&
           ks_len(v) == 0;
}

static bool same(const ks_spec *spec, ks_val a, ks_val b);

static const ks_spec *spec_of(const ks_spec *spec, const ks_str *key) {
    if (spec->shape == KS_SHAPE_MAP) return ks_spec_item(spec);
    const ks_type *type = spec->shape == KS_SHAPE_STRUCT ? ks_spec_type(spec) : NULL;
    const ks_field *field = type == NULL ? NULL : ks_type_field(type, key);
    return field == NULL ? NULL : &field->spec;
}

static bool same_map(const ks_spec *spec, ks_val a, ks_val b) {
    for (uint32_t i = 0, j = 0; i < ks_len(a) || j < ks_len(b);) {
        const ks_pair *x = i < ks_len(a) ? ks_pair_at(a, i) : NULL;
        const ks_pair *y = j < ks_len(b) ? ks_pair_at(b, j) : NULL;
        int order = x == NULL ? 1 : y == NULL ? -1 : ks_str_cmp(x->key, y->key);
        const ks_spec *member = spec_of(spec, order <= 0 ? x->key : y->key);
        if (!same(member, order <= 0 ? x->val : KS_NOTHING, order >= 0 ? y->val : KS_NOTHING))
            return false;
        if (order <= 0) i++;
        if (order >= 0) j++;
    }
    return true;
}

static bool same(const ks_spec *spec, ks_val a, ks_val b) {
    if (ks_identical(a, b)) return true;
    if (spec == NULL) return (is_empty(spec, a) && is_empty(spec, b)) || ks_equal(a, b);
    if (spec->shape == KS_SHAPE_QUANTITY && ks_exists(a) && ks_exists(b))
        return ks_quantity_cmp(ks_quantity_of(a), ks_quantity_of(b)) == 0;
    if (a.type == KS_MAP && b.type == KS_MAP) return same_map(spec, a, b);
    if (a.type != KS_LIST || b.type != KS_LIST || spec->shape != KS_SHAPE_LIST)
        return (is_empty(spec, a) && is_empty(spec, b)) || ks_equal(a, b);
    if (ks_len(a) != ks_len(b)) return false;
    for (uint32_t i = 0; i < ks_len(a); i++)
        if (!same(ks_spec_item(spec), ks_at(a, i), ks_at(b, i))) return false;
    return true;
}

bool ks_same_meaning(const ks_type *type, ks_val a, ks_val b) {
    ks_spec spec = ks_spec_of(type);
    return same(&spec, a, b);
}
