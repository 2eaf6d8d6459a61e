/*
 * cluster/filter.c - label and field selectors over objects; see filter.h.
 *
 * k8s.io/apimachinery/pkg/fields/selector.go. Which fields can be asked for:
 * pkg/apis/.../conversion.go of each kind (AddFieldLabelConversionFunc); the others know
 * metadata.name and metadata.namespace (pkg/runtime/conversion.go:
 * DefaultMetaV1FieldSelectorConversion). What their values are: ToSelectableFields in
 * pkg/registry/.../strategy.go.
 */
#include "cluster/filter.h"

#include "doc/quote.h"

#include <stdio.h>
#include <string.h>

typedef struct field_set {
    ks_kind kind;
    const char *const *names;
} field_set;

#define FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NAMESPACED  "metadata.name", "metadata.namespace"
/* The kinds that have fields of their own. */
static const field_set known_fields[] = {
    {KS_POD, FIELDS(NAMESPACED, "spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
                    "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP",
                    "status.podIPs", "status.nominatedNodeName")},
    {KS_NODE, FIELDS("metadata.name", "spec.unschedulable")},
    {KS_NAMESPACE, FIELDS("metadata.name", "status.phase")},
    {KS_SECRET, FIELDS(NAMESPACED, "type")},
    {KS_SERVICE, FIELDS(NAMESPACED, "spec.clusterIP", "spec.type")},
    {KS_EVENT,
     FIELDS(NAMESPACED, "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
            "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
            "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type")},
};

static bool is_one_of(const char *const *names, const char *s, size_t len) {
    for (; *names != NULL; names++)
        if (strlen(*names) == len && memcmp(*names, s, len) == 0) return true;
    return false;
}

/* The conversion of a field's name; refused when the kind does not know it. */
static ks_refusal *check_name(ks_heap *heap, ks_kind kind, const char *s, size_t len) {
    for (size_t i = 0; i < sizeof known_fields / sizeof *known_fields; i++) {
        if (known_fields[i].kind != kind) continue;
        if (is_one_of(known_fields[i].names, s, len)) return NULL;
        return ks_refuse(heap, 400, "BadRequest", "field label not supported: %.*s", (int)len, s);
    }
    if (is_one_of(FIELDS(NAMESPACED), s, len)) return NULL;
    ks_buf why = {.heap = heap};
    ks_buf_quote(&why, s, len);
    ks_buf_puts(&why,
                " is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
    ks_refusal *refusal = ks_refuse_bad_request(heap, why.s);
    ks_buf_dispose(&why);
    return refusal;
}

/* A value without its backslashes. A new string, or NULL and *refusal. UnescapeValue. */
static const ks_str *unescape(ks_heap *heap, const char *s, size_t len, ks_refusal **refusal) {
    ks_buf out = {.heap = heap};
    ks_buf_add(&out, "", 0);
    for (size_t i = 0; i < len && *refusal == NULL; i++) {
        if (s[i] == ',' || s[i] == '=') {
            *refusal = ks_refuse(heap, 400, "BadRequest",
                                 "invalid field selector: unescaped character in value: %d", s[i]);
        } else if (s[i] != '\\') {
            ks_buf_putc(&out, s[i]);
        } else if (i + 1 < len && (s[i + 1] == '\\' || s[i + 1] == ',' || s[i + 1] == '=')) {
            ks_buf_putc(&out, s[++i]);
        } else {
            size_t rune = 1;
            while (i + 1 + rune < len && (s[i + 1 + rune] & 0xc0) == 0x80) rune++;
            *refusal = ks_refuse(heap, 400, "BadRequest",
                                 "invalid field selector: invalid escape sequence: %.*s",
                                 i + 1 < len ? (int)rune + 1 : 1, s + i);
        }
    }
    if (*refusal == NULL) return ks_buf_take(&out);
    ks_buf_dispose(&out);
    return NULL;
}

/* One requirement: a=b, a==b, a!=b. parseSelector. */
static ks_refusal *add_field(ks_heap *heap, const ks_str *whole, const ks_str *term,
                             ks_filter *out) {
    const char *s = term->s, *end = s + term->len, *op = s;
    while (op < end && *op != '=' && !(op[0] == '!' && op + 1 < end && op[1] == '=')) op++;
    if (op == end)
        return ks_refuse(heap, 400, "BadRequest", "invalid selector: '%s'; can't understand '%s'",
                         whole->s, s);
    bool negated = *op == '!';
    const char *value = op + (negated || (op + 1 < end && op[1] == '=') ? 2 : 1);
    ks_refusal *refusal = NULL;
    const ks_str *text = unescape(heap, value, (size_t)(end - value), &refusal);
    if (refusal != NULL) return refusal;
    ks_val entry = ks_list_new(heap, 3);
    entry = ks_append(heap, entry, ks_textn(heap, s, (size_t)(op - s)));
    entry = ks_append(heap, entry, ks_string_take(text));
    entry = ks_append(heap, entry, ks_bool(negated));
    out->fields = ks_append(heap, out->fields, entry);
    return NULL;
}

/* The terms between commas that no backslash protects, sorted; empty ones are left out. */
static ks_val split_terms(ks_heap *heap, const char *s, size_t len) {
    ks_val terms = ks_list_new(heap, 2);
    for (size_t from = 0, at = 0; at <= len; at++) {
        if (at + 1 < len && s[at] == '\\') {
            at++;
        } else if (at >= len || s[at] == ',') {
            size_t to = at < len ? at : len;
            if (to > from) {
                ks_val term = ks_textn(heap, s + from, to - from);
                uint32_t place = ks_len(terms);
                while (place > 0 && ks_str_cmp(ks_at(terms, place - 1).s, term.s) > 0) place--;
                terms = ks_insert_at(heap, terms, place, term);
            }
            from = at + 1;
        }
    }
    return terms;
}

/* Parses all, then looks at the names, as upstream does it. */
static ks_refusal *add_fields(ks_heap *heap, ks_kind kind, const char *s, size_t len,
                              ks_filter *out) {
    ks_refusal *refusal = NULL;
    const ks_str *whole = ks_str_new(heap, s, len);
    ks_val terms = split_terms(heap, s, len);
    ks_each(term, terms) {
        if (refusal == NULL) refusal = add_field(heap, whole, term->s, out);
    }
    ks_unref(heap, terms);
    ks_str_unref(heap, whole);
    for (uint32_t i = 0; refusal == NULL && i < ks_len(out->fields); i++) {
        ks_val entry = ks_at(out->fields, i);
        ks_val name = ks_at(entry, 0);
        if (kind == KS_POD && ks_text_is(name, "spec.host")) {
            entry = ks_set_at(heap, ks_ref(entry), 0, ks_text(heap, "spec.nodeName"));
            out->fields = ks_set_at(heap, out->fields, i, entry);
        } else {
            refusal = check_name(heap, kind, name.s->s, name.s->len);
        }
    }
    return refusal;
}

ks_refusal *ks_filter_make(ks_heap *heap, ks_kind kind, const ks_str *ns, const char *labels,
                           size_t labels_len, const char *fields, size_t fields_len,
                           ks_filter *out) {
    *out = (ks_filter){.ns = ks_str_ref(ns), .fields = KS_NOTHING};
    ks_refusal *refusal = NULL;
    if (labels != NULL) {
        const ks_str *why = NULL;
        out->labels = ks_selector_parse(heap, labels, labels_len, &why);
        if (out->labels == NULL) {
            refusal = ks_refuse_bad_request(heap, why->s);
            ks_str_unref(heap, why);
        }
    }
    if (refusal == NULL && fields != NULL)
        refusal = add_fields(heap, kind, fields, fields_len, out);
    if (refusal != NULL) ks_filter_dispose(heap, out);
    return refusal;
}

void ks_filter_dispose(ks_heap *heap, ks_filter *filter) {
    ks_str_unref(heap, filter->ns);
    if (filter->labels != NULL) ks_selector_unref(heap, filter->labels);
    ks_unref(heap, filter->fields);
    *filter = (ks_filter){.fields = KS_NOTHING};
}

/* The text of a field by its dotted path; absent: "", of booleans "false". */
static const char *field_text(const ks_object *object, const char *path, char *room, size_t size) {
    ks_doc_room whole;
    ks_val doc = ks_doc_look(object, &whole), v = doc;
    bool source = object->kind == KS_EVENT && strcmp(path, "source") == 0;
    if (strcmp(path, "status.podIPs") == 0) path = ""; /* known, but nothing stands there */
    for (const char *s = path; *s != '\0';) {
        size_t len = strcspn(s, ".");
        v = ks_get_text(v, s, len);
        s += len + (s[len] == '.');
    }
    if (source) {
        v = ks_get(v, K(component));
        if (!ks_exists(v) || ks_text_is(v, "")) v = ks_get(doc, K(reportingComponent));
    }
    if (v.type == KS_STRING) return v.s->s;
    if (v.type == KS_INT)
        snprintf(room, size, "%lld", (long long)v.i);
    else if (v.type == KS_BOOL || strcmp(path, "spec.unschedulable") == 0 ||
             strcmp(path, "spec.hostNetwork") == 0)
        snprintf(room, size, "%s", ks_bool_or(v, false) ? "true" : "false");
    else
        room[0] = '\0';
    return room;
}

bool ks_filter_matches(const ks_filter *filter, const ks_object *object) {
    if (filter->ns != NULL && object->ns != NULL && !ks_str_eq(filter->ns, object->ns))
        return false;
    if (filter->labels != NULL && !ks_selector_matches(filter->labels, object->labels))
        return false;
    ks_each(field, filter->fields) {
        char room[32];
        const char *is = field_text(object, ks_text_or(ks_at(*field, 0), ""), room, sizeof room);
        if (ks_text_is(ks_at(*field, 1), is) == ks_bool_or(ks_at(*field, 2), false)) return false;
    }
    return true;
}

ks_verdict ks_filter_brief(const ks_filter *filter, const ks_brief *brief) {
    ks_verdict verdict = KS_MATCHES;
    if (filter->ns != NULL && !ks_str_eq(filter->ns, brief->type->ns(brief))) return KS_DIFFERS;
    if (filter->labels != NULL && !ks_selector_matches(filter->labels, KS_NOTHING))
        return KS_DIFFERS;
    ks_each(field, filter->fields) {
        const char *is = brief->type->field(brief, ks_text_or(ks_at(*field, 0), ""));
        if (is == NULL)
            verdict = KS_MAY_MATCH;
        else if (ks_text_is(ks_at(*field, 1), is) == ks_bool_or(ks_at(*field, 2), false))
            return KS_DIFFERS;
    }
    return verdict;
}
