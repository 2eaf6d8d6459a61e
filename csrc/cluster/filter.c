/*
 * cluster/filter.c - label and field selectors over objects; see filter.h.
 *
 * Which fields can be asked for: pkg/registry and pkg/apis/.../conversion.go of each kind (AddFieldLabelConversionFunc); all
 * kinds know metadata.name and metadata.namespace.
 */
#include "cluster/filter.h"

#include <stdio.h>
#include <string.h>

typedef struct field_set {
    ks_kind kind;
    const char *const *names;
} field_set;

#define FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})
static const field_set known_fields[] = {
    {KS_POD, FIELDS("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
                    "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs",
                    "status.nominatedNodeName")},
    {KS_NODE, FIELDS("spec.unschedulable")},
    {KS_NAMESPACE, FIELDS("status.phase")},
    {KS_SECRET, FIELDS("type")},
    {KS_SERVICE, FIELDS("spec.clusterIP", "spec.type")},
    {KS_REPLICASET, FIELDS("status.replicas")},
    {KS_EVENT, FIELDS("involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
                      "involvedObject.uid", "involvedObject.apiVersion",
                      "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
                      "reportingComponent", "source", "type")},
};

static bool is_known(ks_kind kind, const char *s, size_t len) {
    if (len == 13 && memcmp(s, "metadata.name", 13) == 0) return true;
    if (len == 18 && memcmp(s, "metadata.namespace", 18) == 0) return true;
    for (size_t i = 0; i < sizeof known_fields / sizeof *known_fields; i++) {
        if (known_fields[i].kind != kind) continue;
        for (const char *const *name = known_fields[i].names; *name != NULL; name++)
            if (strlen(*name) == len && memcmp(*name, s, len) == 0) return true;
    }
    return false;
}

/* One requirement: a=b, a==b, a!=b. k8s.io/apimachinery/pkg/fields/selector.go: parseSelector. */
static ks_refusal *add_field(ks_heap *heap, ks_kind kind, const char *s, size_t len, ks_filter *out) {
    const char *eq = memchr(s, '=', len);
    if (eq == NULL || eq == s)
        return ks_refuse(heap, 400, "BadRequest",
                         "unable to parse field selector: invalid selector: '%.*s'; can't understand '%.*s'",
                         (int)len, s, (int)len, s);
    bool negated = eq[-1] == '!';
    size_t name = (size_t)(eq - s) - (negated ? 1 : 0);
    const char *value = eq + 1;
    if (!negated && value < s + len && *value == '=') value++;
    if (!is_known(kind, s, name))
        return ks_refuse(heap, 400, "BadRequest", "field label not supported: %.*s", (int)name, s);
    ks_val entry = ks_list_new(heap, 3);
    entry = ks_append(heap, entry, ks_textn(heap, s, name));
    entry = ks_append(heap, entry, ks_textn(heap, value, (size_t)(s + len - value)));
    entry = ks_append(heap, entry, ks_bool(negated));
    out->fields = ks_append(heap, out->fields, entry);
    return NULL;
}

static ks_refusal *add_fields(ks_heap *heap, ks_kind kind, const char *s, size_t len, ks_filter *out) {
    for (size_t from = 0; from < len;) {
        const char *comma = memchr(s + from, ',', len - from);
        size_t to = comma != NULL ? (size_t)(comma - s) : len;
        if (to > from) {
            ks_refusal *refusal = add_field(heap, kind, s + from, to - from, out);
            if (refusal != NULL) return refusal;
        }
        from = to + 1;
    }
    return NULL;
}

ks_refusal *ks_filter_make(ks_heap *heap, ks_kind kind, const ks_str *ns, const char *labels,
                           size_t labels_len, const char *fields, size_t fields_len, ks_filter *out) {
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
    if (refusal == NULL && fields != NULL) refusal = add_fields(heap, kind, fields, fields_len, out);
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
    ks_val v = object->doc;
    bool source = object->kind == KS_EVENT && strcmp(path, "source") == 0;
    for (const char *s = path; *s != '\0';) {
        size_t len = strcspn(s, ".");
        v = ks_get_text(v, s, len);
        s += len + (s[len] == '.');
    }
    if (source) v = ks_get(v, K(component));
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
    if (filter->ns != NULL && object->ns != NULL && !ks_str_eq(filter->ns, object->ns)) return false;
    if (filter->labels != NULL && !ks_selector_matches(filter->labels, object->labels)) return false;
    ks_each(field, filter->fields) {
        char room[32];
        const char *is = field_text(object, ks_text_or(ks_at(*field, 0), ""), room, sizeof room);
        if (ks_text_is(ks_at(*field, 1), is) == ks_bool_or(ks_at(*field, 2), false)) return false;
    }
    return true;
}
