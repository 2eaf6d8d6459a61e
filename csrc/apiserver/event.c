/*
 * apiserver/event.c - the short form of recorded Events, and the documents that are made of it.
 *
 * k8s.io/client-go/tools/record/event.go (makeEvent) and tools/events/event_recorder.go (makeEvent), the latter as the
 * conversion to core/v1 shows it.
 */
#include "apiserver/event.h"

#include "api/values.h"

#include <string.h>

/* --- what Events have in common --- */

enum { NAME_MAX = 253 }; /* what a name may have before the point */

static const ks_str *namespace_of(const ks_event_about *about) {
    return about->ns != NULL ? about->ns : K(default);
}

ks_event_about *ks_event_about_new(ks_heap *heap, const ks_object *object) {
    ks_event_about *about = ks_alloc(heap, sizeof *about);
    *about = (ks_event_about){.refs = 1,
                              .kind = object->kind,
                              .ns = ks_str_ref(object->ns),
                              .name = ks_str_ref(object->name),
                              .uid = ks_str_ref(object->uid)};
    const ks_str before = {.s = object->name->s,
                           .len = object->name->len < NAME_MAX ? object->name->len : NAME_MAX};
    about->hash = ks_store_hash(namespace_of(about), &before);
    return about;
}

void ks_event_about_free(ks_heap *heap, const ks_event_about *about) {
    ks_event_about *mutable = (ks_event_about *)about;
    ks_str_unref(heap, mutable->ns);
    ks_str_unref(heap, mutable->name);
    ks_str_unref(heap, mutable->uid);
    ks_free(heap, mutable, sizeof *mutable);
}

static const ks_str *text_or_null(ks_heap *heap, const char *text) {
    return text != NULL ? ks_intern_of(heap, text) : NULL;
}

static const ks_str *path_of(ks_heap *heap, const ks_event *event) {
    if (event->field == NULL) return NULL;
    return ks_str_printf(heap, "%s{%s}", event->field, event->item->s);
}

ks_event_head *ks_event_head_new(ks_heap *heap, const ks_event *event) {
    ks_event_head *head = ks_alloc(heap, sizeof *head);
    *head = (ks_event_head){.refs = 1, .by_name = event->by_name};
    head->component = event->by != NULL ? ks_intern(heap, event->by->s, event->by->len)
                                        : ks_intern_of(heap, event->component);
    head->type = ks_intern_of(heap, event->type);
    head->reason = ks_intern_of(heap, event->reason);
    head->action = text_or_null(heap, event->action);
    head->field_path = path_of(heap, event);
    if (event->related != NULL) {
        head->related = ks_event_about_new(heap, event->related);
        head->related_version = event->related->version;
    }
    head->source = ks_hash_text(head->type, ks_hash_text(head->component, 0));
    head->group = ks_hash_text(head->action, ks_hash_text(head->reason, head->source));
    head->place = ks_hash_text(head->field_path, 0);
    return head;
}

void ks_event_head_free(ks_heap *heap, const ks_event_head *head) {
    ks_event_head *mutable = (ks_event_head *)head;
    ks_str_unref(heap, mutable->component);
    ks_str_unref(heap, mutable->type);
    ks_str_unref(heap, mutable->reason);
    ks_str_unref(heap, mutable->action);
    ks_str_unref(heap, mutable->field_path);
    ks_event_about_unref(heap, mutable->related);
    ks_free(heap, mutable, sizeof *mutable);
}

/* --- what they say --- */

static size_t saying_size(uint32_t count) {
    return sizeof(ks_saying) + count * sizeof(const ks_str *);
}

const ks_saying *ks_saying_new(ks_heap *heap, const char *format, const ks_str *const *parts,
                               uint32_t count) {
    ks_saying *said = ks_alloc(heap, saying_size(count));
    *said = (ks_saying){.refs = 1, .count = count, .format = format};
    for (uint32_t i = 0; i < count; i++) said->parts[i] = ks_str_ref(parts[i]);
    return said;
}

void ks_saying_free(ks_heap *heap, const ks_saying *said) {
    ks_saying *mutable = (ks_saying *)said;
    for (uint32_t i = 0; i < mutable->count; i++) ks_str_unref(heap, mutable->parts[i]);
    ks_free(heap, mutable, saying_size(mutable->count));
}

bool ks_saying_is(const ks_saying *said, const char *format, const ks_str *const *parts,
                  uint32_t count) {
    if (said->format != format || said->count != count) return false;
    for (uint32_t i = 0; i < count; i++)
        if (!ks_str_eq(said->parts[i], parts[i])) return false;
    return true;
}

const ks_str *ks_saying_text(ks_heap *heap, const ks_saying *said, bool combined) {
    ks_buf text = {heap, NULL, 0, 0};
    uint32_t part = 0;
    ks_buf_puts(&text, combined ? "(combined from similar events): " : "");
    const char *at = said->format;
    for (const char *gap; (gap = strstr(at, "%s")) != NULL && part < said->count; at = gap + 2) {
        ks_buf_add(&text, at, (size_t)(gap - at));
        ks_buf_str(&text, said->parts[part++]);
    }
    ks_buf_puts(&text, at);
    return ks_buf_take(&text);
}

/* --- documents --- */

static const ks_short_event *short_of(const ks_brief *brief) {
    return (const ks_short_event *)brief;
}

static ks_val number_text(ks_heap *heap, uint64_t v) {
    char text[20];
    int at = (int)sizeof text;
    do text[--at] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    return ks_textn(heap, text + at, sizeof text - (size_t)at);
}

/* In place of a version: the object is referred to by its name alone. */
#define UNVERSIONED UINT64_MAX

/* Keys are pushed in bytewise order, here and below. */
static ks_val reference(ks_heap *heap, const ks_event_about *about, uint64_t version,
                        const ks_str *path) {
    const ks_kind_info *info = ks_kind_get(about->kind);
    ks_val m = ks_map_new(heap, 7);
    ks_map_push(heap, &m, K(apiVersion), ks_text(heap, info->api_version));
    if (path != NULL) ks_map_push(heap, &m, K(fieldPath), ks_string(path));
    ks_map_push(heap, &m, K(kind), ks_text(heap, info->name));
    ks_map_push(heap, &m, K(name), ks_string(about->name));
    if (about->ns != NULL) ks_map_push(heap, &m, K(namespace), ks_string(about->ns));
    if (version != UNVERSIONED)
        ks_map_push(heap, &m, K(resourceVersion), number_text(heap, version));
    if (about->uid != NULL && version != UNVERSIONED)
        ks_map_push(heap, &m, K(uid), ks_string(about->uid));
    return m;
}

/* "web-0.18b3a..." as util.GenerateEventName: the object's name and the time in ns. */
static ks_val name_of(ks_heap *heap, const ks_short_event *e) {
    static const char hex[] = "0123456789abcdef";
    const ks_str *name = e->about->name;
    char text[NAME_MAX + 18], digits[16];
    size_t len = name->len < NAME_MAX ? name->len : NAME_MAX;
    int n = 0;
    for (uint64_t v = e->stamp; v != 0; v >>= 4) digits[n++] = hex[v & 15];
    memcpy(text, name->s, len);
    text[len++] = '.';
    while (n > 0) text[len++] = digits[--n];
    return ks_textn(heap, text, len);
}

/* In Unix ns, of whatever time: beyond what a signed word holds they go on. */
static uint64_t stamp_of(const ks_world *world, int64_t instant) {
    return (uint64_t)world->epoch * KS_SECOND + (uint64_t)instant;
}

/* The instant at which it was first recorded, and some ns where others were recorded then. */
static int64_t first_of(const ks_world *world, const ks_short_event *e) {
    return (int64_t)(e->stamp - stamp_of(world, 0));
}

static ks_val meta_of(ks_world *world, const ks_short_event *e) {
    ks_heap *heap = world->heap;
    ks_val m = ks_map_new(heap, 4);
    ks_map_push(heap, &m, K(creationTimestamp), ks_time_val(world, first_of(world, e)));
    ks_map_push(heap, &m, K(name), name_of(heap, e));
    ks_map_push(heap, &m, K(namespace), ks_string(namespace_of(e->about)));
    ks_map_push(heap, &m, K(uid), ks_server__uid_of(world, e->brief.id));
    return m;
}

static ks_val compose_core(ks_world *world, const ks_short_event *e) {
    ks_heap *heap = world->heap;
    const ks_event_head *head = e->head;
    ks_val source = ks_map_new(heap, 2), m = ks_map_new(heap, 14);
    ks_map_push(heap, &source, K(component), ks_string(head->component));
    if (e->host != NULL) ks_map_push(heap, &source, K(host), ks_string(e->host));
    ks_map_push(heap, &m, K(apiVersion), ks_string(K(v1)));
    ks_map_push(heap, &m, K(count), ks_int(ks_event_count(e)));
    ks_map_push(heap, &m, K(eventTime), ks_null());
    ks_map_push(heap, &m, K(firstTimestamp), ks_time_val(world, first_of(world, e)));
    ks_map_push(heap, &m, K(involvedObject),
                reference(heap, e->about, head->by_name ? UNVERSIONED : e->about_version,
                          head->field_path));
    ks_map_push(heap, &m, K(kind), ks_string(K(Event)));
    ks_map_push(heap, &m, K(lastTimestamp), ks_time_val(world, e->last));
    ks_map_push(heap, &m, K(message),
                ks_string_take(ks_saying_text(heap, e->said, ks_event_is_combined(e))));
    ks_map_push(heap, &m, K(metadata), meta_of(world, e));
    ks_map_push(heap, &m, K(reason), ks_string(head->reason));
    ks_map_push(heap, &m, K(reportingComponent), ks_string(head->component));
    ks_map_push(heap, &m, K(reportingInstance),
                e->host != NULL ? ks_string(e->host) : ks_text(heap, ""));
    ks_map_push(heap, &m, K(source), source);
    ks_map_push(heap, &m, K(type), ks_string(head->type));
    return m;
}

static ks_val series_of(ks_world *world, const ks_short_event *e) {
    return ks_map_of(world->heap, K(count), ks_int(ks_event_count(e)), K(lastObservedTime),
                     ks_microtime_val(world, e->last), NULL);
}

static ks_val compose_new(ks_world *world, const ks_short_event *e) {
    ks_heap *heap = world->heap;
    const ks_event_head *head = e->head;
    ks_val m = ks_map_new(heap, 16);
    ks_map_push(heap, &m, K(action), ks_string(head->action));
    ks_map_push(heap, &m, K(apiVersion), ks_string(K(v1)));
    ks_map_push(heap, &m, K(eventTime), ks_microtime_val(world, first_of(world, e)));
    ks_map_push(heap, &m, K(firstTimestamp), ks_null());
    ks_map_push(heap, &m, K(involvedObject),
                reference(heap, e->about, e->about_version, head->field_path));
    ks_map_push(heap, &m, K(kind), ks_string(K(Event)));
    ks_map_push(heap, &m, K(lastTimestamp), ks_null());
    ks_map_push(heap, &m, K(message),
                ks_string_take(ks_saying_text(heap, e->said, ks_event_is_combined(e))));
    ks_map_push(heap, &m, K(metadata), meta_of(world, e));
    ks_map_push(heap, &m, K(reason), ks_string(head->reason));
    if (head->related != NULL)
        ks_map_push(heap, &m, K(related),
                    reference(heap, head->related, head->related_version, NULL));
    ks_map_push(heap, &m, K(reportingComponent), ks_string(head->component));
    ks_map_push(heap, &m, K(reportingInstance),
                ks_format(heap, "%s-control-plane", head->component->s));
    if (ks_event_count(e) > 1) ks_map_push(heap, &m, K(series), series_of(world, e));
    ks_map_push(heap, &m, K(source), ks_map_new(heap, 0));
    ks_map_push(heap, &m, K(type), ks_string(head->type));
    return m;
}

/* --- as the store knows it --- */

static ks_val compose(ks_world *world, const ks_brief *brief) {
    const ks_short_event *e = short_of(brief);
    return e->head->action == NULL ? compose_core(world, e) : compose_new(world, e);
}

static void dispose(ks_heap *heap, ks_brief *brief) {
    const ks_short_event *e = short_of(brief);
    ks_event_about_unref(heap, e->about);
    ks_event_head_unref(heap, e->head);
    ks_str_unref(heap, e->host);
    ks_saying_unref(heap, e->said);
    ks_free(heap, brief, sizeof *e);
}

static const ks_str *ns_of(const ks_brief *brief) { return namespace_of(short_of(brief)->about); }

static ks_key key_of(const ks_brief *brief) {
    const ks_short_event *e = short_of(brief);
    return ks_store_stamped(e->about->hash, e->stamp);
}

/* It is new: it was last seen when it was first. */
static int64_t added(const ks_brief *brief) { return short_of(brief)->last; }

static const char *text_of(const ks_str *str) { return str != NULL ? str->s : ""; }

static const char *about_field(const ks_short_event *e, const char *field) {
    const ks_kind_info *info = ks_kind_get(e->about->kind);
    if (strcmp(field, "kind") == 0) return info->name;
    if (strcmp(field, "apiVersion") == 0) return info->api_version;
    if (strcmp(field, "namespace") == 0) return text_of(e->about->ns);
    if (strcmp(field, "name") == 0) return e->about->name->s;
    if (strcmp(field, "uid") == 0) return e->head->by_name ? "" : text_of(e->about->uid);
    if (strcmp(field, "fieldPath") == 0) return text_of(e->head->field_path);
    return NULL;
}

static const char *field(const ks_brief *brief, const char *path) {
    static const char about[] = "involvedObject.";
    const ks_short_event *e = short_of(brief);
    if (strncmp(path, about, sizeof about - 1) == 0) return about_field(e, path + sizeof about - 1);
    if (strcmp(path, "metadata.namespace") == 0) return namespace_of(e->about)->s;
    if (strcmp(path, "reason") == 0) return e->head->reason->s;
    if (strcmp(path, "type") == 0) return e->head->type->s;
    if (strcmp(path, "source") == 0 || strcmp(path, "reportingComponent") == 0)
        return e->head->component->s;
    return NULL;
}

static const ks_brief_type short_event_type = {KS_EVENT, compose, dispose, ns_of,
                                               key_of,   added,   field};

/* The time in ns, one more where that is taken. */
static uint64_t draw_stamp(ks_server *s) {
    int64_t at = s->world->now > s->last_event ? s->world->now : s->last_event + 1;
    s->last_event = at;
    return stamp_of(s->world, at);
}

ks_short_event *ks_short_event_new(ks_server *s, const ks_event_about *about,
                                   uint64_t about_version, const ks_event_head *head,
                                   const ks_str *host, const ks_saying *said) {
    ks_short_event *e = ks_alloc(s->heap, sizeof *e);
    *e = (ks_short_event){.brief = {.refs = 1, .type = &short_event_type},
                          .about = ks_event_about_ref(about),
                          .head = head,
                          .host = ks_str_ref(host),
                          .said = said,
                          .about_version = about_version,
                          .stamp = draw_stamp(s),
                          .last = s->world->now};
    return e;
}

ks_short_event *ks_short_event_next(ks_heap *heap, const ks_short_event *before,
                                    const ks_saying *said) {
    ks_short_event *e = ks_alloc(heap, sizeof *e);
    *e = *before;
    e->brief = (ks_brief){.refs = 1, .spare = before->brief.spare, .type = &short_event_type};
    ks_event_about_ref(e->about);
    ks_event_head_ref(e->head);
    ks_str_ref(e->host);
    e->said = said;
    return e;
}
