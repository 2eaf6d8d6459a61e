/*
 * api/validate_print.c - values in error texts as Go prints them, and differences of them.
 *
 * field.Error prints what is no plain value as the JSON of the internal Go type: Go names, every
 * member, null for nil. Types of meta/v1 have JSON names and drop what is empty, as documents do.
 */
#include "api/validate_internal.h"
#include "doc/quote.h"
#include "doc/text.h"

#include <stdio.h>
#include <string.h>

typedef struct printer {
    ks_buf out;
    bool indent; /* one blank per level, as json.MarshalIndent(v, "", " ") */
    int depth;
    ks_val pod; /* the pod's spec, for its security context; borrowed */
} printer;

static void put(printer *p, const ks_spec *spec, ks_val v);

static void new_line(printer *p) {
    if (!p->indent) return;
    ks_buf_putc(&p->out, '\n');
    for (int i = 0; i < p->depth; i++) ks_buf_putc(&p->out, ' ');
}

static void open_bracket(printer *p, char bracket) {
    ks_buf_putc(&p->out, bracket);
    p->depth++;
}

static void close_bracket(printer *p, char bracket, bool empty) {
    p->depth--;
    if (!empty) new_line(p);
    ks_buf_putc(&p->out, bracket);
}

static void separate(printer *p, bool *first) {
    if (!*first) ks_buf_putc(&p->out, ',');
    *first = false;
    new_line(p);
}

static void put_key(printer *p, const char *name) {
    ks_buf_putc(&p->out, '"');
    ks_buf_puts(&p->out, name);
    ks_buf_puts(&p->out, p->indent ? "\": " : "\":");
}

static bool is_meta(const ks_type *type) { return strncmp(ks_type_name(type), "meta/", 5) == 0; }

/* --- internal types whose members are in another order than those of v1, or in another place ---
 */

static const char *const POD_SPEC[] = {"Volumes",
                                       "InitContainers",
                                       "Containers",
                                       "EphemeralContainers",
                                       "RestartPolicy",
                                       "TerminationGracePeriodSeconds",
                                       "ActiveDeadlineSeconds",
                                       "DNSPolicy",
                                       "NodeSelector",
                                       "ServiceAccountName",
                                       "AutomountServiceAccountToken",
                                       "NodeName",
                                       "SecurityContext",
                                       "ImagePullSecrets",
                                       "Hostname",
                                       "Subdomain",
                                       "SetHostnameAsFQDN",
                                       "Affinity",
                                       "SchedulerName",
                                       "Tolerations",
                                       "HostAliases",
                                       "PriorityClassName",
                                       "Priority",
                                       "PreemptionPolicy",
                                       "DNSConfig",
                                       "ReadinessGates",
                                       "RuntimeClassName",
                                       "Overhead",
                                       "EnableServiceLinks",
                                       "TopologySpreadConstraints",
                                       "OS",
                                       "SchedulingGates",
                                       "ResourceClaims",
                                       "Resources",
                                       "HostnameOverride",
                                       "SchedulingGroup",
                                       NULL};
static const char *const POD_CONTEXT[] = {"HostNetwork",
                                          "HostPID",
                                          "HostIPC",
                                          "ShareProcessNamespace",
                                          "HostUsers",
                                          "SELinuxOptions",
                                          "WindowsOptions",
                                          "RunAsUser",
                                          "RunAsGroup",
                                          "RunAsNonRoot",
                                          "SupplementalGroups",
                                          "SupplementalGroupsPolicy",
                                          "FSGroup",
                                          "FSGroupChangePolicy",
                                          "Sysctls",
                                          "SeccompProfile",
                                          "AppArmorProfile",
                                          "SELinuxChangePolicy",
                                          NULL};
static const char *const VOLUME_SOURCE[] = {"HostPath",
                                            "EmptyDir",
                                            "GCEPersistentDisk",
                                            "AWSElasticBlockStore",
                                            "GitRepo",
                                            "Secret",
                                            "NFS",
                                            "ISCSI",
                                            "Glusterfs",
                                            "PersistentVolumeClaim",
                                            "RBD",
                                            "Quobyte",
                                            "FlexVolume",
                                            "Cinder",
                                            "CephFS",
                                            "Flocker",
                                            "DownwardAPI",
                                            "FC",
                                            "AzureFile",
                                            "ConfigMap",
                                            "VsphereVolume",
                                            "AzureDisk",
                                            "PhotonPersistentDisk",
                                            "Projected",
                                            "PortworxVolume",
                                            "ScaleIO",
                                            "StorageOS",
                                            "CSI",
                                            "Ephemeral",
                                            "Image",
                                            NULL};
static const char *const PV_SOURCE[] = {"GCEPersistentDisk",
                                        "AWSElasticBlockStore",
                                        "HostPath",
                                        "Glusterfs",
                                        "NFS",
                                        "RBD",
                                        "Quobyte",
                                        "ISCSI",
                                        "FlexVolume",
                                        "Cinder",
                                        "CephFS",
                                        "FC",
                                        "Flocker",
                                        "AzureFile",
                                        "VsphereVolume",
                                        "AzureDisk",
                                        "PhotonPersistentDisk",
                                        "PortworxVolume",
                                        "ScaleIO",
                                        "Local",
                                        "StorageOS",
                                        "CSI",
                                        NULL};
static const char *const VOLUME[] = {"Name",
                                     "HostPath",
                                     "EmptyDir",
                                     "GCEPersistentDisk",
                                     "AWSElasticBlockStore",
                                     "GitRepo",
                                     "Secret",
                                     "NFS",
                                     "ISCSI",
                                     "Glusterfs",
                                     "PersistentVolumeClaim",
                                     "RBD",
                                     "Quobyte",
                                     "FlexVolume",
                                     "Cinder",
                                     "CephFS",
                                     "Flocker",
                                     "DownwardAPI",
                                     "FC",
                                     "AzureFile",
                                     "ConfigMap",
                                     "VsphereVolume",
                                     "AzureDisk",
                                     "PhotonPersistentDisk",
                                     "Projected",
                                     "PortworxVolume",
                                     "ScaleIO",
                                     "StorageOS",
                                     "CSI",
                                     "Ephemeral",
                                     "Image",
                                     NULL};
static const char *const PV_SPEC[] = {"Capacity",
                                      "GCEPersistentDisk",
                                      "AWSElasticBlockStore",
                                      "HostPath",
                                      "Glusterfs",
                                      "NFS",
                                      "RBD",
                                      "Quobyte",
                                      "ISCSI",
                                      "FlexVolume",
                                      "Cinder",
                                      "CephFS",
                                      "FC",
                                      "Flocker",
                                      "AzureFile",
                                      "VsphereVolume",
                                      "AzureDisk",
                                      "PhotonPersistentDisk",
                                      "PortworxVolume",
                                      "ScaleIO",
                                      "Local",
                                      "StorageOS",
                                      "CSI",
                                      "AccessModes",
                                      "ClaimRef",
                                      "PersistentVolumeReclaimPolicy",
                                      "StorageClassName",
                                      "MountOptions",
                                      "VolumeMode",
                                      "NodeAffinity",
                                      "VolumeAttributesClassName",
                                      NULL};

static const struct {
    int type;
    const char *const *names;
} INTERNAL[] = {{KS_TYPE_core_v1_PodSpec, POD_SPEC},
                {KS_TYPE_core_v1_PodSecurityContext, POD_CONTEXT},
                {KS_TYPE_core_v1_VolumeSource, VOLUME_SOURCE},
                {KS_TYPE_core_v1_Volume, VOLUME},
                {KS_TYPE_core_v1_PersistentVolumeSpec, PV_SPEC},
                {KS_TYPE_core_v1_PersistentVolumeSource, PV_SOURCE}};

static const ks_field *by_go_name(const ks_type *type, const char *name) {
    for (uint16_t i = 0; i < type->count; i++)
        if (strcmp(ks_field_go_name(ks_type_at(type, i)), name) == 0) return ks_type_at(type, i);
    return NULL;
}

static void put_member(printer *p, const ks_type *type, const ks_field *field, ks_val v,
                       bool *first) {
    ks_val member = ks_get(v, ks_field_name(field));
    if (is_meta(type) && !ks_exists(member)) return;
    separate(p, first);
    put_key(p, is_meta(type) ? ks_field_name(field)->s : ks_field_go_name(field));
    /* what v1 has beside the security context stands in it */
    if (field->name == KS_SYM_securityContext && type == &ks_types[KS_TYPE_core_v1_PodSpec])
        p->pod = v;
    put(p, &field->spec, member);
}

static void put_in_order(printer *p, const ks_type *type, const char *const *names, ks_val v) {
    bool first = true;
    open_bracket(p, '{');
    for (; *names != NULL; names++) {
        const ks_field *field = by_go_name(type, *names);
        if (field != NULL) {
            put_member(p, type, field, v, &first);
        } else {
            const ks_type *pod = &ks_types[KS_TYPE_core_v1_PodSpec];
            field = by_go_name(pod, *names);
            if (field != NULL) put_member(p, pod, field, p->pod, &first);
        }
    }
    close_bracket(p, '}', first);
}

static void put_struct(printer *p, const ks_type *type, ks_val v) {
    for (size_t i = 0; i < sizeof INTERNAL / sizeof *INTERNAL; i++) {
        if (type != &ks_types[INTERNAL[i].type]) continue;
        put_in_order(p, type, INTERNAL[i].names, v);
        return;
    }
    bool first = true;
    open_bracket(p, '{');
    for (uint16_t i = 0; i < type->count; i++) put_member(p, type, ks_type_at(type, i), v, &first);
    close_bracket(p, '}', first);
}

static void put_list(printer *p, const ks_spec *spec, ks_val v) {
    bool first = true;
    open_bracket(p, '[');
    ks_each(item, v) {
        separate(p, &first);
        put(p, ks_spec_item(spec), *item);
    }
    close_bracket(p, ']', first);
}

static void put_map(printer *p, const ks_spec *spec, ks_val v) {
    bool first = true;
    open_bracket(p, '{');
    for (uint32_t i = 0; i < ks_len(v); i++) {
        const ks_pair *pair = ks_pair_at(v, i);
        separate(p, &first);
        ks_json_write(&p->out, ks_borrow(pair->key), KS_JSON_GO);
        ks_buf_puts(&p->out, p->indent ? ": " : ":");
        put(p, ks_spec_item(spec), pair->val);
    }
    close_bracket(p, '}', first);
}

/* What Go shows for an absent value that is no pointer. */
static const char *zero_text(const ks_spec *spec) {
    switch (spec->shape) {
    case KS_SHAPE_STRING: return "\"\"";
    case KS_SHAPE_BOOL: return "false";
    case KS_SHAPE_INT32:
    case KS_SHAPE_INT64:
    case KS_SHAPE_INTSTR: return "0";
    case KS_SHAPE_QUANTITY: return "\"0\"";
    default: return "null";
    }
}

static void put(printer *p, const ks_spec *spec, ks_val v) {
    if (spec->shape == KS_SHAPE_STRUCT && (ks_exists(v) || !spec->pointer))
        put_struct(p, ks_spec_type(spec), v);
    else if (!ks_exists(v))
        ks_buf_puts(&p->out, spec->pointer ? "null" : zero_text(spec));
    else if (spec->shape == KS_SHAPE_LIST)
        put_list(p, spec, v);
    else if (spec->shape == KS_SHAPE_MAP)
        put_map(p, spec, v);
    else
        ks_json_write(&p->out, v, KS_JSON_GO);
}

const ks_str *ks_print_value(ks_heap *heap, const ks_spec *spec, ks_val v) {
    printer p = {.out = {.heap = heap}};
    if (v.type == KS_STRING) return ks_quoted(heap, v.s);
    put(&p, spec, v);
    return ks_buf_take(&p.out);
}

const ks_str *ks_print_struct(ks_heap *heap, const ks_type *type, ks_val v) {
    printer p = {.out = {.heap = heap}};
    put_struct(&p, type, v);
    return ks_buf_take(&p.out);
}

void ks_bad_struct(ks_check *c, const char *field, int type, ks_val v, const char *detail) {
    const ks_str *printed = ks_print_struct(c->heap, &ks_types[type], v);
    ks_bad_printed(c, field, printed->s, detail);
    ks_str_unref(c->heap, printed);
}

const ks_str *ks_quoted(ks_heap *heap, const ks_str *s) {
    ks_buf out = {.heap = heap};
    ks_buf_quote(&out, s->s, s->len);
    return ks_buf_take(&out);
}

/* Makes another error of the last one, an invalid value: they print values the same way. */
static void rename_last(ks_check *c, const char *text, const char *reason) {
    ks_errors *e = &c->errors;
    uint32_t last = ks_len(e->causes) - 1;
    ks_val cause = ks_ref(ks_at(e->causes, last));
    const char *now = ks_text_or(ks_get(cause, K(message)), "");
    ks_val message = ks_format(c->heap, "%s%s", text, now + strlen("Invalid value"));
    cause = ks_put(c->heap, cause, K(message), message);
    cause = ks_put(c->heap, cause, K(reason), ks_text(c->heap, reason));
    e->causes = ks_set_at(c->heap, e->causes, last, cause);
}

void ks_unsupported_printed(ks_check *c, const char *field, const char *printed,
                            const char *detail) {
    ks_error_invalid_text(&c->errors, field, printed, detail);
    rename_last(c, "Unsupported value", "FieldValueNotSupported");
}

void ks_duplicate_printed(ks_check *c, const char *field, const char *printed) {
    ks_error_invalid_text(&c->errors, field, printed, "");
    rename_last(c, "Duplicate value", "FieldValueDuplicate");
}

/* --- differences: the unified form, three lines of context --- */

enum { CONTEXT = 3 };

typedef struct text_line {
    const char *s;
    size_t len;
} text_line;

typedef struct text_lines {
    text_line *at;
    uint32_t count;
} text_lines;

static text_lines split(ks_heap *heap, const ks_str *text) {
    text_lines lines = {NULL, 1};
    for (uint32_t i = 0; i < text->len; i++) lines.count += text->s[i] == '\n';
    lines.at = ks_alloc(heap, lines.count * sizeof *lines.at);
    const char *s = text->s;
    for (uint32_t i = 0; i < lines.count; i++) {
        const char *end = strchr(s, '\n');
        size_t len = end == NULL ? strlen(s) : (size_t)(end - s);
        lines.at[i] = (text_line){s, len};
        s += len + 1;
    }
    return lines;
}

/* An edit: ' ' keeps, '-' drops a line of a, '+' adds one of b. */
typedef struct edit {
    char what;
    uint32_t a, b;
} edit;

/* Two texts being matched as Python's difflib does it (github.com/pmezard/go-difflib:
 * SequenceMatcher): the longest block that both share, then the same to its left and to its right.
 * Lines are numbers here: equal lines have equal ones. */
typedef struct matcher {
    ks_heap *heap;
    uint32_t a_count, b_count, kinds;
    uint32_t *a, *b; /* the kind of each line */
    uint32_t *first,
        *next; /* per kind, per line of b: where in b it stands, 1 + index, ascending; 0: no more */
    uint32_t *runs[2], *stamps[2]; /* per line of b: how long the match is that ends there, and at
                                      which line of a */
    uint32_t *mate;                /* per line of a: 1 + its line of b, 0: none */
} matcher;

typedef struct block {
    uint32_t a, b, size;
} block;

typedef struct range {
    uint32_t a, a_end, b, b_end;
} range;

static uint32_t *numbers(ks_heap *heap, uint32_t count) {
    return ks_alloc_zero(heap, (count + 1) * sizeof(uint32_t));
}

/* Gives the lines of both texts their numbers. */
static void number_lines(matcher *m, text_lines a, text_lines b) {
    uint32_t size = 16;
    while (size < 2 * (a.count + b.count)) size *= 2;
    const text_line **seen = ks_alloc_zero(m->heap, size * sizeof *seen);
    uint32_t *kinds = numbers(m->heap, size);
    for (uint32_t i = 0; i < a.count + b.count; i++) {
        const text_line *line = i < a.count ? &a.at[i] : &b.at[i - a.count];
        uint32_t slot = ks_fnv32a(line->s, line->len) & (size - 1);
        while (seen[slot] != NULL &&
               (seen[slot]->len != line->len || memcmp(seen[slot]->s, line->s, line->len) != 0))
            slot = (slot + 1) & (size - 1);
        if (seen[slot] == NULL) kinds[slot] = m->kinds++;
        seen[slot] = line;
        *(i < a.count ? &m->a[i] : &m->b[i - a.count]) = kinds[slot];
    }
    ks_free(m->heap, seen, size * sizeof *seen);
    ks_free(m->heap, kinds, (size + 1) * sizeof *kinds);
}

/* Where each kind stands in b. In a long text lines that are frequent do not begin a match. */
static void chain(matcher *m) {
    enum { LONG = 200 };
    uint32_t *counts = numbers(m->heap, m->kinds);
    for (uint32_t j = m->b_count; j-- > 0;) {
        m->next[j] = m->first[m->b[j]];
        m->first[m->b[j]] = j + 1;
        counts[m->b[j]]++;
    }
    for (uint32_t kind = 0; kind < m->kinds && m->b_count >= LONG; kind++)
        if (counts[kind] > m->b_count / 100 + 1) m->first[kind] = 0;
    ks_free(m->heap, counts, (m->kinds + 1) * sizeof *counts);
}

static block longest_match(matcher *m, range r) {
    block best = {r.a, r.b, 0};
    for (uint32_t i = r.a; i < r.a_end; i++) {
        uint32_t *run = m->runs[i & 1], *stamp = m->stamps[i & 1];
        const uint32_t *before = m->runs[~i & 1], *when = m->stamps[~i & 1];
        for (uint32_t j = m->first[m->a[i]]; j != 0 && j - 1 < r.b_end; j = m->next[j - 1]) {
            uint32_t at = j - 1, size = 1;
            if (at < r.b) continue;
            /* stamps are 1 + the line of a; what is older than this range's beginning does not
             * count */
            if (at > r.b && i > r.a && when[at - 1] == i) size += before[at - 1];
            run[at] = size;
            stamp[at] = i + 1;
            if (size > best.size) best = (block){i - size + 1, at - size + 1, size};
        }
    }
    while (best.a > r.a && best.b > r.b && m->a[best.a - 1] == m->b[best.b - 1])
        best = (block){best.a - 1, best.b - 1, best.size + 1};
    while (best.a + best.size < r.a_end && best.b + best.size < r.b_end &&
           m->a[best.a + best.size] == m->b[best.b + best.size])
        best.size++;
    return best;
}

static void match(matcher *m) {
    uint32_t cap = 2 * m->a_count + 2, count = 1;
    range *todo = ks_alloc(m->heap, cap * sizeof *todo);
    todo[0] = (range){0, m->a_count, 0, m->b_count};
    while (count > 0) {
        range r = todo[--count];
        block best = longest_match(m, r);
        if (best.size == 0) continue;
        for (uint32_t i = 0; i < best.size; i++) m->mate[best.a + i] = best.b + i + 1;
        memset(m->stamps[0], 0, m->b_count * sizeof(uint32_t));
        memset(m->stamps[1], 0, m->b_count * sizeof(uint32_t));
        if (r.a < best.a && r.b < best.b) todo[count++] = (range){r.a, best.a, r.b, best.b};
        uint32_t a = best.a + best.size, b = best.b + best.size;
        if (a < r.a_end && b < r.b_end) todo[count++] = (range){a, r.a_end, b, r.b_end};
    }
    ks_free(m->heap, todo, cap * sizeof *todo);
}

/* The edits from a to b; *count of them, room for all lines of both. */
static edit *edits_of(ks_heap *heap, text_lines a, text_lines b, uint32_t *count) {
    matcher m = {.heap = heap, .a_count = a.count, .b_count = b.count};
    uint32_t **const of_b[] = {&m.b, &m.next, &m.runs[0], &m.runs[1], &m.stamps[0], &m.stamps[1]};
    m.a = numbers(heap, a.count);
    m.mate = numbers(heap, a.count);
    for (int i = 0; i < 6; i++) *of_b[i] = numbers(heap, b.count);
    number_lines(&m, a, b);
    m.first = numbers(heap, m.kinds);
    chain(&m);
    match(&m);
    edit *edits = ks_alloc(heap, (a.count + b.count) * sizeof *edits);
    uint32_t i = 0, j = 0, n = 0;
    while (i < a.count || j < b.count) {
        if (i < a.count && m.mate[i] == 0)
            edits[n++] = (edit){'-', i++, j};
        else if (j < (i < a.count ? m.mate[i] - 1 : b.count))
            edits[n++] = (edit){'+', i, j++};
        else
            edits[n++] = (edit){' ', i++, j++};
    }
    ks_free(heap, m.a, (a.count + 1) * sizeof *m.a);
    ks_free(heap, m.mate, (a.count + 1) * sizeof *m.mate);
    for (int k = 0; k < 6; k++) ks_free(heap, *of_b[k], (b.count + 1) * sizeof(uint32_t));
    ks_free(heap, m.first, (m.kinds + 1) * sizeof *m.first);
    *count = n;
    return edits;
}

static void put_range(ks_buf *out, uint32_t start, uint32_t len) {
    if (len == 1)
        ks_buf_printf(out, "%u", start + 1);
    else
        ks_buf_printf(out, "%u,%u", len == 0 ? start : start + 1, len);
}

static void put_hunk(ks_buf *out, const edit *edits, uint32_t from, uint32_t to, text_lines a,
                     text_lines b) {
    uint32_t gone = 0, came = 0;
    for (uint32_t i = from; i < to; i++) {
        gone += edits[i].what != '+';
        came += edits[i].what != '-';
    }
    ks_buf_puts(out, "@@ -");
    put_range(out, edits[from].a, gone);
    ks_buf_puts(out, " +");
    put_range(out, edits[from].b, came);
    ks_buf_puts(out, " @@\n");
    for (uint32_t i = from; i < to; i++) {
        text_line line = edits[i].what == '+' ? b.at[edits[i].b] : a.at[edits[i].a];
        ks_buf_putc(out, edits[i].what);
        ks_buf_add(out, line.s, line.len);
        ks_buf_putc(out, '\n');
    }
}

static const ks_str *unified(ks_heap *heap, const ks_str *old, const ks_str *now) {
    text_lines a = split(heap, old), b = split(heap, now);
    uint32_t count, at = 0;
    edit *edits = edits_of(heap, a, b, &count);
    ks_buf out = {.heap = heap};
    ks_buf_puts(&out, "");
    while (at < count) {
        while (at < count && edits[at].what == ' ') at++;
        if (at == count) break;
        uint32_t from = at > CONTEXT ? at - CONTEXT : 0, to = at, kept = 0;
        for (; at < count && kept <= 2 * CONTEXT; at++) {
            kept = edits[at].what == ' ' ? kept + 1 : 0;
            if (kept == 0) to = at + 1;
        }
        uint32_t end = to + CONTEXT < count ? to + CONTEXT : count;
        put_hunk(&out, edits, from, end, a, b);
        at = end;
    }
    ks_free(heap, edits, (a.count + b.count) * sizeof *edits);
    ks_free(heap, a.at, a.count * sizeof *a.at);
    ks_free(heap, b.at, b.count * sizeof *b.at);
    return ks_buf_take(&out);
}

const ks_str *ks_print_diff(ks_heap *heap, const ks_type *type, ks_val old, ks_val now) {
    printer before = {.out = {.heap = heap}, .indent = true};
    printer after = {.out = {.heap = heap}, .indent = true};
    put_struct(&before, type, old);
    put_struct(&after, type, now);
    const ks_str *a = ks_buf_take(&before.out), *b = ks_buf_take(&after.out);
    const ks_str *diff = unified(heap, a, b);
    ks_str_unref(heap, a);
    ks_str_unref(heap, b);
    return diff;
}
