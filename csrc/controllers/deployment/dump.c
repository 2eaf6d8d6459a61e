/*
 * controllers/deployment/dump.c - pod-template-hash: FNV-1a over the template as spew prints its Go value
 * (pkg/controller/controller_utils.go: ComputeHash; k8s.io/utils/dump: ForHash).
 *
 * The API's tables say the types, their fields' order and Go names. Embedded structs, which the tables flatten, are
 * printed as structs of their own. The tables are those of 1.36: where a Go type of an older release had other fields, it
 * says so here, for a field that is not set is printed too, and so each release's hashes are its own.
 */
#include "controllers/deployment/internal.h"

#include <string.h>

/* The structs that are embedded somewhere in a pod template. */
static const char *const embedded_in[][2] = {
    {"core/v1.Volume", "core/v1.VolumeSource"},
    {"core/v1.Probe", "core/v1.ProbeHandler"},
    {"core/v1.ConfigMapEnvSource", "core/v1.LocalObjectReference"},
    {"core/v1.SecretEnvSource", "core/v1.LocalObjectReference"},
    {"core/v1.ConfigMapKeySelector", "core/v1.LocalObjectReference"},
    {"core/v1.SecretKeySelector", "core/v1.LocalObjectReference"},
    {"core/v1.ConfigMapVolumeSource", "core/v1.LocalObjectReference"},
    {"core/v1.ConfigMapProjection", "core/v1.LocalObjectReference"},
    {"core/v1.SecretProjection", "core/v1.LocalObjectReference"},
    {"core/v1.EphemeralContainer", "core/v1.EphemeralContainerCommon"},
};

/* Fields of types within a pod template that older releases' Go types do not have: since when they are there, and the one
 * (text and first release) that stood in their place. */
typedef struct young {
    const char *type, *field;
    ks_change_of_rules since;
    const char *before;
    ks_change_of_rules before_since;
} young;

static const young young_fields[] = {
    {"core/v1.PodSpec", "SchedulingGroup", KS_SINCE_SCHEDULING_GROUPS,
     "WorkloadRef:(*v1.WorkloadReference)<nil>", KS_SINCE_WORKLOAD_REFS},
    {"core/v1.PodCertificateProjection", "UserAnnotations", KS_SINCE_CERTIFICATE_ANNOTATIONS, NULL,
     KS_SINCE_CERTIFICATE_ANNOTATIONS},
};

/* Of the type's fields the one that the release does not have; NULL: it has them all. */
static const young *too_young(const ks_rules *rules, const ks_type *type) {
    for (size_t i = 0; i < sizeof young_fields / sizeof *young_fields; i++)
        if (!ks_since(rules, young_fields[i].since) &&
            strcmp(ks_type_name(type), young_fields[i].type) == 0)
            return &young_fields[i];
    return NULL;
}

static void dump_value(ks_buf *out, const ks_rules *rules, const ks_spec *spec, ks_val v);

static const ks_type *embedded(const ks_type *type) {
    for (size_t i = 0; i < sizeof embedded_in / sizeof *embedded_in; i++)
        if (strcmp(ks_type_name(type), embedded_in[i][0]) == 0)
            return ks_type_named(embedded_in[i][1]);
    return NULL;
}

static void dump_field(ks_buf *out, const ks_rules *rules, const ks_field *field, ks_val v) {
    ks_buf_printf(out, "%s:(%s%s)", ks_field_go_name(field), field->spec.pointer ? "*" : "",
                  ks_spec_go_type(&field->spec));
    dump_value(out, rules, &field->spec, ks_get(v, ks_field_name(field)));
}

static void dump_struct(ks_buf *out, const ks_rules *rules, const ks_type *type, ks_val v) {
    const ks_type *inner = embedded(type);
    const young *y = too_young(rules, type);
    ks_buf_putc(out, '{');
    for (uint16_t i = 0; i < type->count;) {
        const ks_field *field = ks_type_at(type, i);
        bool gone = y != NULL && strcmp(ks_field_go_name(field), y->field) == 0;
        const char *before = gone && ks_since(rules, y->before_since) ? y->before : NULL;
        if (i > 0 && (!gone || before != NULL)) ks_buf_putc(out, ' ');
        if (gone) {
            ks_buf_puts(out, before != NULL ? before : "");
            i++;
        } else if (inner != NULL && field->name == ks_type_at(inner, 0)->name) {
            ks_buf_printf(out, "%s:(v1.%s)", ks_type_go_name(inner), ks_type_go_name(inner));
            dump_struct(out, rules, inner, v);
            i = (uint16_t)(i + inner->count);
        } else {
            dump_field(out, rules, field, v);
            i++;
        }
    }
    ks_buf_putc(out, '}');
}

/* --- quantities: k8s.io/apimachinery/pkg/api/resource/quantity.go --- */

/* What does not fit the fast path is an arbitrary decimal, rounded to nanos. */
static void dump_slow(ks_buf *out, ks_quantity q, const char *format) {
    ks_int128 nanos = q.nanos < 0 ? -q.nanos : q.nanos;
    uint64_t low = (uint64_t)nanos, high = (uint64_t)(nanos >> 64);
    ks_buf_printf(
        out,
        "{i:(resource.int64Amount){value:(int64)0 scale:(resource.Scale)0} "
        "d:(resource.infDecAmount){Dec:(*inf.Dec){unscaled:(big.Int){neg:(bool)%s abs:(big.nat)[%llu",
        q.nanos < 0 ? "true" : "false", (unsigned long long)low);
    if (high != 0) ks_buf_printf(out, " %llu", (unsigned long long)high);
    ks_buf_printf(out, "]} scale:(inf.Scale)9}} s:(string) Format:(resource.Format)%s}", format);
}

static void dump_fast(ks_buf *out, int64_t value, int scale, const char *text, const char *format) {
    ks_buf_printf(
        out,
        "{i:(resource.int64Amount){value:(int64)%lld scale:(resource.Scale)%d} "
        "d:(resource.infDecAmount){Dec:(*inf.Dec)<nil>} s:(string)%s Format:(resource.Format)%s}",
        (long long)value, scale, text, format);
}

static void dump_quantity(ks_buf *out, ks_val v) {
    static const char *const formats[] = {"DecimalSI", "BinarySI", "DecimalExponent"};
    if (*ks_text_or(v, "") == '\0') {
        dump_fast(out, 0, 0, "", "");
        return;
    }
    ks_quantity q = ks_quantity_of(v);
    ks_quantity_form form = ks_quantity_form_of(v.s->s, v.s->len);
    if (form.fast)
        dump_fast(out, form.value, form.scale, form.as_typed ? v.s->s : "", formats[q.format]);
    else
        dump_slow(out, q, formats[q.format]);
}

/* --- values --- */

static void dump_list(ks_buf *out, const ks_rules *rules, const ks_spec *item, ks_val list) {
    ks_buf_putc(out, '[');
    for (uint32_t i = 0; i < ks_len(list); i++) {
        if (i > 0) ks_buf_putc(out, ' ');
        dump_value(out, rules, item, ks_at(list, i));
    }
    ks_buf_putc(out, ']');
}

static void dump_map(ks_buf *out, const ks_rules *rules, const ks_spec *item, ks_val map) {
    ks_buf_puts(out, "map[");
    for (uint32_t i = 0; i < ks_len(map); i++) {
        if (i > 0) ks_buf_putc(out, ' ');
        ks_buf_str(out, ks_pair_at(map, i)->key);
        ks_buf_putc(out, ':');
        dump_value(out, rules, item, ks_pair_at(map, i)->val);
    }
    ks_buf_putc(out, ']');
}

static void dump_int_or_string(ks_buf *out, ks_val v) {
    bool text = ks_is(v, KS_STRING);
    ks_buf_printf(out, "{Type:(intstr.Type)%d IntVal:(int32)%lld StrVal:(string)%s}", text,
                  (long long)ks_int_or(v, 0), ks_text_or(v, ""));
}

/* An instant is in the local time zone of the controller manager, which in its image is a bare UTC. */
static void dump_time(ks_buf *out, ks_val v) {
    const long long second = 1000000000, from_year_1 = 62135596800;
    int64_t unix_ns = 0;
    if (!ks_is(v, KS_STRING) || !ks_time_parse(v.s->s, v.s->len, &unix_ns)) {
        ks_buf_puts(out,
                    "{Time:(time.Time){wall:(uint64)0 ext:(int64)0 loc:(*time.Location)<nil>}}");
        return;
    }
    ks_buf_printf(out,
                  "{Time:(time.Time){wall:(uint64)0 ext:(int64)%lld loc:(*time.Location){"
                  "name:(string)UTC zone:([]time.zone)<nil> tx:([]time.zoneTrans)<nil> "
                  "extend:(string) cacheStart:(int64)0 cacheEnd:(int64)0 "
                  "cacheZone:(*time.zone)<nil>}}}",
                  (long long)unix_ns / second + from_year_1);
}

static void dump_value(ks_buf *out, const ks_rules *rules, const ks_spec *spec, ks_val v) {
    bool nil = spec->pointer || spec->shape == KS_SHAPE_ANY || spec->shape == KS_SHAPE_BYTES;
    if (spec->shape == KS_SHAPE_LIST || spec->shape == KS_SHAPE_MAP) nil = nil || ks_len(v) == 0;
    if (nil && (!ks_exists(v) || (!spec->pointer && ks_len(v) == 0))) {
        ks_buf_puts(out, "<nil>");
        return;
    }
    switch (spec->shape) {
    case KS_SHAPE_BOOL: ks_buf_puts(out, ks_bool_or(v, false) ? "true" : "false"); break;
    case KS_SHAPE_INT32:
    case KS_SHAPE_INT64: ks_buf_printf(out, "%lld", (long long)ks_int_or(v, 0)); break;
    case KS_SHAPE_QUANTITY: dump_quantity(out, v); break;
    case KS_SHAPE_INTSTR: dump_int_or_string(out, v); break;
    case KS_SHAPE_TIME:
    case KS_SHAPE_MICROTIME: dump_time(out, v); break;
    case KS_SHAPE_STRUCT: dump_struct(out, rules, ks_spec_type(spec), v); break;
    case KS_SHAPE_LIST: dump_list(out, rules, ks_spec_item(spec), v); break;
    case KS_SHAPE_MAP: dump_map(out, rules, ks_spec_item(spec), v); break;
    default: ks_buf_puts(out, ks_text_or(v, "")); break;
    }
}

void dep_dump(ks_buf *out, const ks_rules *rules, ks_val template) {
    const ks_type *type = ks_type_named("core/v1.PodTemplateSpec");
    ks_buf_puts(out, "(v1.PodTemplateSpec)");
    dump_struct(out, rules, type, template);
}

void dep_hash(ks_heap *heap, const ks_rules *rules, ks_val template, int64_t collisions,
              char *out) {
    ks_buf text = {heap, NULL, 0, 0};
    dep_dump(&text, rules, template);
    if (collisions >= 0) {
        uint32_t count = (uint32_t)collisions;
        char bytes[8] = {(char)(count & 255),
                         (char)(count >> 8 & 255),
                         (char)(count >> 16 & 255),
                         (char)(count >> 24),
                         0,
                         0,
                         0,
                         0};
        ks_buf_add(&text, bytes, sizeof bytes);
    }
    ks_safe_encode(ks_fnv32a(text.s, text.len), out);
    ks_buf_dispose(&text);
}
