/*
 * api/decode.c - from any document to one that has a type's shape (ks_decode).
 *
 * Walks document and type together: both are sorted by key. What already has the shape is shared,
 * not copied; what Go's omitempty would drop is dropped; what Go would always encode is filled in.
 * Texts of errors are those of sigs.k8s.io/json (a case-sensitive encoding/json that collects
 * unknown fields). Its way of failing is kept: a wrong type is noted, the first one is reported at
 * the end; an error of a type's own UnmarshalJSON (quantities, times, int-or-string) ends decoding
 * at once.
 */
#include "api/decode_internal.h"
#include "api/schema_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Where the walk stands: one frame per field, list item or map key, linked on the C stack. */
typedef struct frame {
    const struct frame *up;
    const ks_str *name;       /* of a field or map key; NULL for a list item */
    const ks_type *struct_of; /* the struct that has this field; NULL for items and map keys */
    uint32_t index;
} frame;

typedef struct decoder {
    ks_heap *heap;
    const ks_rules *rules;
    const ks_type *root;
    const ks_str *saved; /* the first wrong type, NULL: none yet */
    const ks_str *fatal; /* what ended decoding, NULL: nothing */
    ks_val unknown;      /* list of texts `unknown field "a.b"` */
    bool collect;        /* whether unknown fields are of interest */
    bool cuts;           /* numbers are cut off where there is no room for them, not refused */
} decoder;

enum { MAX_STRICT_ERRORS = 100 };

static ks_val decode(decoder *d, const ks_spec *spec, ks_val raw, ks_val known, const frame *at);

/* --- paths and errors --- */

static void put_go_path(ks_buf *out, const frame *at, bool inlined) {
    if (at == NULL) return;
    put_go_path(out, at->up, inlined);
    if (at->struct_of == NULL) return;
    if (out->len > 0) ks_buf_putc(out, '.');
    const ks_field *field = inlined ? ks_type_field(at->struct_of, at->name) : NULL;
    if (field != NULL && *ks_field_via(field) != 0) ks_buf_printf(out, "%s.", ks_field_via(field));
    ks_buf_str(out, at->name);
}

static void put_strict_path(ks_buf *out, const frame *at) {
    if (at == NULL) return;
    put_strict_path(out, at->up);
    if (at->name == NULL) {
        ks_buf_printf(out, "[%u]", (unsigned)at->index);
        return;
    }
    if (out->len > 0) ks_buf_putc(out, '.');
    ks_buf_str(out, at->name);
}

/* "json: cannot unmarshal string into Go struct field StatefulSetSpec.spec.replicas of type int32"
 */
static const ks_str *wrong_type_text(decoder *d, const char *what, const char *go_type,
                                     const frame *at) {
    const frame *field = at;
    while (field != NULL && field->struct_of == NULL) field = field->up;
    if (field == NULL)
        return ks_str_printf(d->heap, "json: cannot unmarshal %s into Go value of type %s", what,
                             go_type);
    ks_buf path = {.heap = d->heap};
    put_go_path(&path, field, ks_since(d->rules, KS_SINCE_INLINED_NAMED));
    const ks_str *text =
        ks_str_printf(d->heap, "json: cannot unmarshal %s into Go struct field %s.%s of type %s",
                      what, ks_type_go_name(field->struct_of), path.s, go_type);
    ks_buf_dispose(&path);
    return text;
}

static const char *what_is(ks_val v) {
    switch (v.type) {
    case KS_BOOL: return "bool";
    case KS_INT:
    case KS_FLOAT: return "number";
    case KS_STRING: return "string";
    case KS_LIST: return "array";
    case KS_MAP: return "object";
    default: return "null";
    }
}

/* The converter from maps to structs tells numbers apart. */
static const char *what_there_is(const decoder *d, ks_val v) {
    return d->cuts && v.type == KS_FLOAT ? "float64" : what_is(v);
}

static ks_val wrong_type(decoder *d, const char *what, const ks_spec *spec, const frame *at) {
    if (d->saved == NULL) d->saved = wrong_type_text(d, what, ks_spec_go_type(spec), at);
    return KS_NOTHING;
}

static ks_val fail_with(decoder *d, const ks_str *text) {
    if (d->fatal == NULL)
        d->fatal = text;
    else
        ks_str_unref(d->heap, text);
    return KS_NOTHING;
}

static void note_unknown(decoder *d, const ks_str *name, const frame *at) {
    if (!d->collect || ks_len(d->unknown) >= MAX_STRICT_ERRORS) return;
    ks_buf path = {.heap = d->heap};
    put_strict_path(&path, at);
    ks_val text = ks_format(d->heap, "unknown field \"%s%s%s\"", path.len > 0 ? path.s : "",
                            path.len > 0 ? "." : "", name->s);
    ks_buf_dispose(&path);
    ks_each(seen, d->unknown) {
        if (!ks_str_eq(seen->s, text.s)) continue;
        ks_unref(d->heap, text);
        return;
    }
    d->unknown = ks_append(d->heap, d->unknown, text);
}

/* --- releases --- */

/* Fields that the schema has and older releases do not know: type, name, the first release that does. */
static const struct {
    int type;
    const ks_str *name;
    int since;
} YOUNG[] = {
    {KS_TYPE_core_v1_PodSpec, K(schedulingGroup), 36},
    {KS_TYPE_core_v1_PodStatus, K(nodeAllocatableResourceClaimStatuses), 36},
    {KS_TYPE_core_v1_ResourceHealth, K(message), 36},
    {KS_TYPE_core_v1_VolumeMountStatus, K(volumeStatus), 36},
    {KS_TYPE_core_v1_PodCertificateProjection, K(userAnnotations), 35},
    {KS_TYPE_core_v1_NodeStatus, K(declaredFeatures), 35},
    {KS_TYPE_core_v1_PodStatus, K(resources), 35},
    {KS_TYPE_core_v1_PodStatus, K(allocatedResources), 35},
};

static bool is_too_young(const decoder *d, const ks_type *type, const ks_str *name) {
    if (d->rules->minor >= KS_NEWEST_MINOR) return false;
    for (size_t i = 0; i < sizeof YOUNG / sizeof *YOUNG; i++)
        if (type == &ks_types[YOUNG[i].type] && name == YOUNG[i].name)
            return d->rules->minor < YOUNG[i].since;
    return false;
}

/* What only a release in between knew, and does not take from users: it goes without a word. */
static bool is_forgotten(const decoder *d, const ks_type *type, const ks_str *name) {
    return d->rules->minor == 35 && type == &ks_types[KS_TYPE_core_v1_PodSpec] &&
           strcmp(name->s, "workloadRef") == 0;
}

/* --- numbers --- */

/* A number as Go's encoder writes it, which is how it reaches a real server. */
static void print_number(char *out, size_t size, ks_val v) {
    if (v.type == KS_INT) {
        snprintf(out, size, "%lld", (long long)v.i);
        return;
    }
    double magnitude = fabs(v.f);
    bool exponent = v.f != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
    for (int precision = 1; precision <= 17; precision++) {
        double back;
        snprintf(out, size, "%.*e", precision - 1, v.f);
        if (sscanf(out, "%lf", &back) != 1 || back != v.f) continue;
        if (!exponent) {
            int power = (int)floor(log10(magnitude == 0 ? 1 : magnitude));
            int decimals = precision - 1 - power;
            snprintf(out, size, "%.*f", decimals > 0 ? decimals : 0, v.f);
        } else {
            char *e = strchr(out, 'e'); /* e-09 -> e-9 */
            if (e != NULL && e[2] == '0' && e[3] != '\0') memmove(e + 2, e + 3, strlen(e + 3) + 1);
        }
        return;
    }
}

/* Fills *out with the integer that `raw` is; false and *what ("number 1.5", "string") if it is
 * none. */
static bool integer_of(ks_val raw, int64_t min, int64_t max, int64_t *out, char *what,
                       size_t size) {
    if (raw.type == KS_FLOAT && raw.f == floor(raw.f) && fabs(raw.f) < 9.2e18)
        raw = ks_int((int64_t)raw.f);
    if (raw.type == KS_INT && raw.i >= min && raw.i <= max) {
        *out = raw.i;
        return true;
    }
    if (raw.type == KS_INT || raw.type == KS_FLOAT) {
        char number[64];
        print_number(number, sizeof number, raw);
        snprintf(what, size, "number %s", number);
    } else {
        snprintf(what, size, "%s", what_is(raw));
    }
    return false;
}

/* What is left of a number where the converter from maps to structs puts it (runtime/converter.go: reflect's Convert). */
static ks_val cut_off(ks_val raw, bool small) {
    if (raw.type == KS_FLOAT && raw.f == floor(raw.f))
        raw = ks_int(fabs(raw.f) < 9.2e18 ? (int64_t)raw.f : INT64_MIN);
    if (raw.type == KS_INT && small) raw.i = (int32_t)(uint32_t)raw.i;
    return raw;
}

static ks_val decode_int(decoder *d, const ks_spec *spec, ks_val raw, const frame *at) {
    char what[80];
    int64_t value;
    bool small = spec->shape == KS_SHAPE_INT32;
    if (d->cuts) raw = cut_off(raw, small);
    if (integer_of(raw, small ? INT32_MIN : INT64_MIN, small ? INT32_MAX : INT64_MAX, &value, what,
                   sizeof what))
        return ks_int(value);
    return wrong_type(d, what, spec, at);
}

/* --- types that decode themselves --- */

/* k8s.io/apimachinery/pkg/util/intstr/intstr.go: UnmarshalJSON */
static ks_val decode_intstr(decoder *d, ks_val raw, const frame *at) {
    char what[80];
    int64_t value;
    if (raw.type == KS_STRING) return ks_ref(raw);
    if (integer_of(raw, INT32_MIN, INT32_MAX, &value, what, sizeof what)) return ks_int(value);
    /* read by itself, where a converter and no decoder walks */
    return fail_with(d, wrong_type_text(d, what, "int32", d->cuts ? NULL : at));
}

/* k8s.io/apimachinery/pkg/api/resource/quantity.go: UnmarshalJSON */
static ks_val decode_quantity(decoder *d, ks_val raw) {
    char number[64];
    const char *s = "{", *why = NULL;
    size_t len = 1;
    if (raw.type == KS_STRING) {
        s = raw.s->s;
        len = raw.s->len;
        while (len > 0 && strchr(" \t\n\r\v\f", s[0]) != NULL) s++, len--;
        while (len > 0 && strchr(" \t\n\r\v\f", s[len - 1]) != NULL) len--;
    } else if (raw.type == KS_INT || raw.type == KS_FLOAT) {
        print_number(number, sizeof number, raw);
        s = number;
        len = strlen(number);
    }
    ks_quantity quantity;
    if (!ks_quantity_parse(s, len, &quantity, &why)) return fail_with(d, ks_str_of(d->heap, why));
    char canonical[80];
    int size = 0;
    if (!ks_quantity_form_of(s, len).as_typed)
        size = ks_quantity_print(quantity, canonical);
    else if (raw.type == KS_STRING && len == raw.s->len)
        return ks_ref(raw);
    else
        return ks_textn(d->heap, s, len);
    if (raw.type == KS_STRING && raw.s->len == (uint32_t)size &&
        memcmp(raw.s->s, canonical, (size_t)size) == 0)
        return ks_ref(raw);
    return ks_textn(d->heap, canonical, (size_t)size);
}

static ks_val decode_time(decoder *d, const ks_spec *spec, ks_val raw, const frame *at) {
    if (raw.type != KS_STRING) return fail_with(d, wrong_type_text(d, what_is(raw), "string", at));
    ks_val time;
    const ks_str *why = ks_decode_time_text(d->heap, raw, spec->shape == KS_SHAPE_MICROTIME, &time);
    return why == NULL ? time : fail_with(d, why);
}

static ks_val decode_bytes(decoder *d, const ks_spec *spec, ks_val raw, const frame *at) {
    if (raw.type != KS_STRING) return wrong_type(d, what_there_is(d, raw), spec, at);
    ks_val bytes = ks_decode_base64(d->heap, raw, &d->saved);
    return bytes;
}

/* --- containers --- */

/* What a member is when the document lacks it: KS_NOTHING if Go's encoder leaves it out. */
static ks_val zero_of(decoder *d, const ks_spec *spec, bool always) {
    if (spec->pointer) return always ? ks_null() : KS_NOTHING;
    switch (spec->shape) {
    case KS_SHAPE_STRUCT: return decode(d, spec, KS_NOTHING, KS_NOTHING, NULL);
    case KS_SHAPE_QUANTITY: return ks_string(K(0));
    case KS_SHAPE_INTSTR: return ks_int(0);
    case KS_SHAPE_TIME:
    case KS_SHAPE_MICROTIME:
    case KS_SHAPE_ANY: return ks_null();
    default: break;
    }
    if (!always) return KS_NOTHING;
    switch (spec->shape) {
    case KS_SHAPE_STRING: return ks_string(&ks_decode_empty);
    case KS_SHAPE_BOOL: return ks_bool(false);
    case KS_SHAPE_INT32:
    case KS_SHAPE_INT64: return ks_int(0);
    default: return ks_null();
    }
}

/* An item of a list or map: nothing of it is ever left out. */
static ks_val zero_item(decoder *d, const ks_spec *spec) { return zero_of(d, spec, true); }

/* What Go's omitempty drops: not pointers, not structs. */
static bool is_empty(const ks_spec *spec, ks_val v) {
    if (spec->pointer) return false;
    switch (spec->shape) {
    case KS_SHAPE_STRING: return v.s->len == 0;
    case KS_SHAPE_BOOL: return !v.b;
    case KS_SHAPE_INT32:
    case KS_SHAPE_INT64: return v.i == 0;
    case KS_SHAPE_LIST:
    case KS_SHAPE_MAP: return ks_len(v) == 0;
    case KS_SHAPE_BYTES: return v.s->len == 0;
    default: return false;
    }
}

static ks_val decode_list(decoder *d, const ks_spec *spec, ks_val raw, ks_val known,
                          const frame *at) {
    uint32_t count = ks_len(raw);
    ks_val out = KS_NOTHING; /* as long as it is KS_NOTHING, all items so far are shared */
    for (uint32_t i = 0; i < count && d->fatal == NULL; i++) {
        frame here = {.up = at, .index = i};
        ks_val item = raw.l->items[i], typed = KS_NOTHING;
        if (ks_exists(item)) typed = decode(d, ks_spec_item(spec), item, ks_at(known, i), &here);
        if (!ks_exists(typed)) typed = zero_item(d, ks_spec_item(spec));
        if (out.type == KS_NONE && ks_identical(item, typed)) {
            ks_unref(d->heap, typed);
            continue;
        }
        if (out.type == KS_NONE) {
            out = ks_list_new(d->heap, count);
            for (uint32_t j = 0; j < i; j++) out = ks_append(d->heap, out, ks_ref(raw.l->items[j]));
        }
        out = ks_append(d->heap, out, typed);
    }
    return out.type == KS_NONE ? ks_ref(raw) : out;
}

/* The pairs of `raw` before `end`, as a new map with room for `capacity`. */
static ks_val copy_head(decoder *d, ks_val raw, uint32_t end, uint32_t capacity) {
    ks_val out = ks_map_new(d->heap, capacity);
    for (uint32_t i = 0; i < end; i++)
        ks_map_push(d->heap, &out, ks_str_ref(raw.m->pairs[i].key), ks_ref(raw.m->pairs[i].val));
    return out;
}

static ks_val decode_map(decoder *d, const ks_spec *spec, ks_val raw, ks_val known,
                         const frame *at) {
    uint32_t count = ks_len(raw);
    ks_val out = KS_NOTHING;
    for (uint32_t i = 0; i < count && d->fatal == NULL; i++) {
        const ks_pair *pair = ks_pair_at(raw, i);
        frame here = {.up = at, .name = pair->key};
        ks_val typed = KS_NOTHING;
        if (ks_exists(pair->val))
            typed = decode(d, ks_spec_item(spec), pair->val, ks_get(known, pair->key), &here);
        if (!ks_exists(typed)) typed = zero_item(d, ks_spec_item(spec));
        if (out.type == KS_NONE && ks_identical(pair->val, typed)) {
            ks_unref(d->heap, typed);
            continue;
        }
        if (out.type == KS_NONE) out = copy_head(d, raw, i, count);
        ks_map_push(d->heap, &out, ks_str_ref(pair->key), typed);
    }
    return out.type == KS_NONE ? ks_ref(raw) : out;
}

/* The value of one field, or KS_NOTHING if it is to be left out. `raw` may be KS_NOTHING. */
static ks_val decode_field(decoder *d, const ks_type *type, const ks_field *field, ks_val raw,
                           ks_val known, const frame *at) {
    ks_val typed = KS_NOTHING;
    if (ks_exists(raw)) {
        frame here = {.up = at, .name = ks_field_name(field), .struct_of = type};
        typed = decode(d, &field->spec, raw, known, &here);
    }
    if (typed.type == KS_NONE) {
        if (field->name == KS_SYM_creationTimestamp) return KS_NOTHING; /* omitzero */
        return zero_of(d, &field->spec, field->always_encoded);
    }
    if (!field->always_encoded && is_empty(&field->spec, typed)) {
        ks_unref(d->heap, typed);
        return KS_NOTHING;
    }
    return typed;
}

/* Whether a field that the document lacks may have to be filled in: where zero_of() gives anything. */
static bool is_filled_in(const ks_field *field) {
    if (field->always_encoded) return true;
    if (field->spec.pointer) return false;
    switch (field->spec.shape) {
    case KS_SHAPE_STRUCT:
    case KS_SHAPE_QUANTITY:
    case KS_SHAPE_INTSTR:
    case KS_SHAPE_TIME:
    case KS_SHAPE_MICROTIME:
    case KS_SHAPE_ANY: return true;
    default: return false;
    }
}

/* Has the document the very members that `known` has, and none to be filled in? */
static bool has_same_members(const ks_type *type, ks_val raw, ks_val known) {
    if (raw.type != KS_MAP || known.type != KS_MAP || ks_len(raw) != ks_len(known)) return false;
    for (uint32_t i = 0; i < ks_len(raw); i++)
        if (ks_pair_at(raw, i)->key != ks_pair_at(known, i)->key) return false;
    for (uint16_t f = 0; f < type->count; f++)
        if (is_filled_in(ks_type_at(type, f)) &&
            ks_is(ks_get(raw, ks_field_name(ks_type_at(type, f))), KS_NONE))
            return false;
    return true;
}

/* What is typed already, and would not be left out whatever its field is. */
static bool is_kept(ks_val raw, ks_val known) {
    if (raw.type < KS_STRING || !ks_identical(raw, known)) return false;
    return raw.type == KS_STRING ? raw.s->len > 0 : ks_len(raw) > 0;
}

/* A document whose members are those of `known`, and mostly the very same: only the others are looked at. False: one of them is no field,
 * or is to be left out. */
static bool decode_few(decoder *d, const ks_type *type, ks_val raw, ks_val known, const frame *at,
                       ks_val *out) {
    *out = ks_ref(raw);
    for (uint32_t i = 0; i < ks_len(raw); i++) {
        const ks_pair *pair = ks_pair_at(raw, i);
        ks_val was = ks_pair_at(known, i)->val;
        if (is_kept(pair->val, was)) continue;
        const ks_field *field = ks_type_field(type, pair->key);
        ks_val typed =
            field != NULL ? decode_field(d, type, field, pair->val, was, at) : KS_NOTHING;
        if (typed.type == KS_NONE) {
            ks_unref(d->heap, *out);
            return false;
        }
        if (ks_identical(pair->val, typed))
            ks_unref(d->heap, typed);
        else
            *out = ks_put(d->heap, *out, pair->key, typed);
    }
    return true;
}

/* Merges the document's keys with the type's fields, both in order of names. */
static ks_val decode_struct(decoder *d, const ks_type *type, ks_val raw, ks_val known,
                            const frame *at) {
    uint32_t count = ks_len(raw), i = 0;
    ks_val out = KS_NOTHING;
    if (has_same_members(type, raw, known) && decode_few(d, type, raw, known, at, &out)) return out;
    out = raw.type == KS_MAP ? KS_NOTHING : ks_map_new(d->heap, 0);
    for (uint16_t f = 0; f < type->count && d->fatal == NULL;) {
        const ks_field *field = ks_type_sorted(type, f);
        const ks_str *name = ks_field_name(field);
        const ks_pair *pair = i < count ? ks_pair_at(raw, i) : NULL;
        if (pair != NULL && pair->key != name && ks_str_cmp(pair->key, name) < 0) {
            if (!is_forgotten(d, type, pair->key)) note_unknown(d, pair->key, at);
            if (out.type == KS_NONE) out = copy_head(d, raw, i, count);
            i++;
            continue;
        }
        bool present = pair != NULL && pair->key == name;
        if (present && is_too_young(d, type, name)) {
            note_unknown(d, pair->key, at);
            if (out.type == KS_NONE) out = copy_head(d, raw, i, count);
            i++, f++;
            continue;
        }
        ks_val typed = decode_field(d, type, field, present ? pair->val : KS_NOTHING,
                                    present ? ks_get(known, pair->key) : KS_NOTHING, at);
        if (out.type == KS_NONE && present && ks_identical(pair->val, typed)) {
            ks_unref(d->heap, typed);
        } else {
            bool changed = present || typed.type != KS_NONE;
            if (out.type == KS_NONE && changed) out = copy_head(d, raw, i, count + 1);
            if (typed.type != KS_NONE) ks_map_push(d->heap, &out, ks_str_ref(name), typed);
        }
        if (present) i++;
        f++;
    }
    for (; i < count && d->fatal == NULL; i++) {
        const ks_str *name = ks_pair_at(raw, i)->key;
        if (!is_forgotten(d, type, name)) note_unknown(d, name, at);
        if (out.type == KS_NONE) out = copy_head(d, raw, i, count);
    }
    return out.type == KS_NONE ? ks_ref(raw) : out;
}

/* A new reference to the typed value; KS_NOTHING if it is not of that type. `known`: what is typed
 * already and stands at the same place. */
static ks_val decode(decoder *d, const ks_spec *spec, ks_val raw, ks_val known, const frame *at) {
    if (raw.type >= KS_STRING && ks_identical(raw, known)) return ks_ref(raw);
    switch (spec->shape) {
    case KS_SHAPE_STRING:
        return raw.type == KS_STRING ? ks_ref(raw) : wrong_type(d, what_there_is(d, raw), spec, at);
    case KS_SHAPE_BOOL:
        return raw.type == KS_BOOL ? raw : wrong_type(d, what_there_is(d, raw), spec, at);
    case KS_SHAPE_INT32:
    case KS_SHAPE_INT64: return decode_int(d, spec, raw, at);
    case KS_SHAPE_QUANTITY: return decode_quantity(d, raw);
    case KS_SHAPE_INTSTR: return decode_intstr(d, raw, at);
    case KS_SHAPE_TIME:
    case KS_SHAPE_MICROTIME: return decode_time(d, spec, raw, at);
    case KS_SHAPE_BYTES: return decode_bytes(d, spec, raw, at);
    case KS_SHAPE_ANY: return ks_ref(raw);
    case KS_SHAPE_STRUCT:
        if (raw.type != KS_MAP && raw.type != KS_NONE)
            return wrong_type(d, what_there_is(d, raw), spec, at);
        return decode_struct(d, ks_spec_type(spec), raw, known, at);
    case KS_SHAPE_LIST:
        return raw.type == KS_LIST ? decode_list(d, spec, raw, known, at)
                                   : wrong_type(d, what_there_is(d, raw), spec, at);
    case KS_SHAPE_MAP:
        return raw.type == KS_MAP ? decode_map(d, spec, raw, known, at)
                                  : wrong_type(d, what_there_is(d, raw), spec, at);
    }
    return KS_NOTHING;
}

/* --- the door --- */

/* "apps/v1" -> "v1" */
static const char *version_of(const char *api_version) {
    const char *slash = strchr(api_version, '/');
    return slash == NULL ? api_version : slash + 1;
}

/* Of these versions the text is another. */
bool ks_kind_had_version(ks_kind kind, const char *api_version) {
    static const char *const old_apps[] = {"extensions/v1beta1", "apps/v1beta1", "apps/v1beta2"};
    switch (kind) {
    case KS_STATEFULSET:
    case KS_CONTROLLERREVISION:
        return strcmp(api_version, old_apps[1]) == 0 || strcmp(api_version, old_apps[2]) == 0;
    case KS_REPLICASET:
        return strcmp(api_version, old_apps[0]) == 0 || strcmp(api_version, old_apps[2]) == 0;
    case KS_DEPLOYMENT:
        for (size_t i = 0; i < 3; i++)
            if (strcmp(api_version, old_apps[i]) == 0) return true;
        return false;
    case KS_PDB: return strcmp(api_version, "policy/v1beta1") == 0;
    case KS_ENDPOINTSLICE: return strcmp(api_version, "discovery.k8s.io/v1beta1") == 0;
    case KS_STORAGECLASS: return strcmp(api_version, "storage.k8s.io/v1beta1") == 0;
    case KS_VOLUMEATTACHMENT:
        return strcmp(api_version, "storage.k8s.io/v1beta1") == 0 ||
               strcmp(api_version, "storage.k8s.io/v1alpha1") == 0;
    case KS_PRIORITYCLASS: return strcmp(api_version, "scheduling.k8s.io/v1beta1") == 0;
    case KS_LEASE: return strcmp(api_version, "coordination.k8s.io/v1beta1") == 0;
    case KS_EVENT:
        return strcmp(api_version, "events.k8s.io/v1") == 0 ||
               strcmp(api_version, "events.k8s.io/v1beta1") == 0;
    default: return false;
    }
}

/* The words that `raw` calls itself must be those of the kind; absent ones count as right. */
static ks_refusal *check_words(ks_heap *heap, const ks_kind_info *info, ks_val raw) {
    const char *kind = ks_text_or(ks_get(raw, K(kind)), info->name);
    const char *version = ks_text_or(ks_get(raw, K(apiVersion)), info->api_version);
    if (kind[0] == '\0') kind = info->name;
    if (version[0] == '\0') version = info->api_version;
    bool same_kind = strcmp(kind, info->name) == 0;
    if (same_kind && strcmp(version, info->api_version) == 0) return NULL;
    if (same_kind && ks_kind_had_version(info->kind, version))
        return ks_refuse(heap, 400, "BadRequest",
                         "the API version in the data (%s) does not match the expected API version "
                         "(%s)",
                         version, info->api_version);
    return ks_refuse(heap, 400, "BadRequest",
                     "%s in version \"%s\" cannot be handled as a %s: no kind \"%s\" is registered "
                     "for version \"%s\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
                     kind, version_of(version), info->name, kind, version);
}

static ks_refusal *unreadable(ks_heap *heap, const ks_kind_info *info, const char *why) {
    return ks_refuse(heap, 400, "BadRequest", "%s in version \"%s\" cannot be handled as a %s: %s",
                     info->name, info->version, info->name, why);
}

static ks_refusal *refuse_unknown(ks_heap *heap, const ks_kind_info *info, ks_val unknown) {
    ks_buf text = {.heap = heap};
    ks_buf_puts(&text, "strict decoding error: ");
    for (uint32_t i = 0; i < ks_len(unknown); i++) {
        if (i > 0) ks_buf_puts(&text, ", ");
        ks_buf_str(&text, ks_at(unknown, i).s);
    }
    ks_refusal *refusal = unreadable(heap, info, text.s);
    ks_buf_dispose(&text);
    return refusal;
}

static ks_refusal *decode_as(ks_heap *heap, const ks_rules *rules, const ks_kind_info *info,
                             ks_val raw, ks_val known, bool from_map, ks_field_validation mode,
                             ks_val *warnings, ks_val *out) {
    ks_refusal *refusal = NULL;
    ks_val typed = KS_NOTHING;
    bool convert = !from_map && info->kind != KS_NO_KIND;
    *out = KS_NOTHING;
    if (raw.type != KS_MAP) {
        ks_buf why = {.heap = heap};
        ks_buf_printf(&why,
                      "couldn't get version/kind; json parse error: json: cannot unmarshal %s into "
                      "Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty"
                      "\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }",
                      what_is(raw));
        refusal = unreadable(heap, info, why.s);
        ks_buf_dispose(&why);
        ks_unref(heap, raw);
        return refusal;
    }
    refusal = check_words(heap, info, raw);
    if (refusal == NULL) {
        decoder d = {.heap = heap,
                     .rules = rules,
                     .root = info->type,
                     .collect = mode != KS_IGNORE,
                     .cuts = from_map};
        typed = decode_struct(&d, info->type, raw, known, NULL);
        const ks_str *odd = NULL, *why = d.fatal != NULL ? d.fatal : d.saved;
        if (why == NULL && convert) why = odd = ks_unconvertible(heap, info->kind, typed);
        if (why != NULL)
            refusal = unreadable(heap, info, why->s);
        else if (mode == KS_STRICT && ks_len(d.unknown) > 0)
            refusal = refuse_unknown(heap, info, d.unknown);
        else if (mode == KS_WARN && warnings != NULL)
            ks_each(text, d.unknown) *warnings = ks_append(heap, *warnings, ks_ref(*text));
        ks_str_unref(heap, d.saved);
        ks_str_unref(heap, d.fatal);
        ks_str_unref(heap, odd);
        ks_unref(heap, d.unknown);
    }
    ks_unref(heap, raw);
    if (refusal != NULL) {
        ks_unref(heap, typed);
        return refusal;
    }
    if (!ks_exists(ks_get(typed, K(kind))))
        typed = ks_put(heap, typed, K(kind), ks_text(heap, info->name));
    if (!ks_exists(ks_get(typed, K(apiVersion))))
        typed = ks_put(heap, typed, K(apiVersion), ks_text(heap, info->api_version));
    *out = convert ? ks_convert(heap, info->kind, typed) : typed;
    return NULL;
}

ks_refusal *ks_decode(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val raw,
                      ks_field_validation mode, ks_val *warnings, ks_val *out) {
    return ks_decode_changed(heap, rules, kind, raw, KS_NOTHING, false, mode, warnings, out);
}

ks_refusal *ks_decode_changed(ks_heap *heap, const ks_rules *rules, ks_kind kind, ks_val raw,
                              ks_val known, bool from_map, ks_field_validation mode,
                              ks_val *warnings, ks_val *out) {
    return decode_as(heap, rules, ks_kind_get(kind), raw, known, from_map, mode, warnings, out);
}

ks_refusal *ks_decode_scale(ks_heap *heap, const ks_rules *rules, ks_val raw, bool from_map,
                            ks_field_validation mode, ks_val *warnings, ks_val *out) {
    const ks_kind_info scale = {.kind = KS_NO_KIND,
                                .name = "Scale",
                                .version = "v1",
                                .api_version = "autoscaling/v1",
                                .type = ks_type_named("autoscaling/v1.Scale")};
    return decode_as(heap, rules, &scale, raw, KS_NOTHING, from_map, mode, warnings, out);
}
