/*
 * apiserver/record.c - Events about objects, as client-go's recorders write them.
 *
 * k8s.io/client-go/tools/record/events_cache.go (correlation: equal events are counted up; from the
 * 10th distinct message of one source, type and reason within ten minutes on they are combined; a
 * source may write 25 events of one type about an object, then one per five minutes) and
 * tools/events/event_broadcaster.go (the scheduler's recorder: a series per version of the object).
 *
 * What has been recorded about an object is one history, found by the object's id and forgotten
 * with the object. Upstream keeps an LRU of 4096 entries for each source instead; uids never come
 * back, so the difference is what it forgets early.
 */
#include "api/values.h"
#include "apiserver/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DISTINCT_MAX = 10, SPAM_BURST = 25, HISTORY_LIMIT = 128 };
#define AGGREGATE_WINDOW (600 * KS_SECOND)
#define SPAM_INTERVAL    (300 * KS_SECOND)
#define SERIES_IDLE      (360 * KS_SECOND)

/* One remembered thing: an event that was seen, a group (source, type and reason), or a bucket of
 * the spam filter (source and type); `key` says which, by its low bits. */
typedef struct entry {
    uint64_t key;
    int64_t
        value; /* event: its id; group: when it was last added to; bucket: when it is full again */
    uint32_t count; /* event: how often; group: distinct messages */
    uint32_t group; /* event: its group, while it counts as one of the group's messages; else 0 */
    int64_t at;     /* series: when last observed */
} entry;

typedef struct history {
    uint32_t refs, len, cap;
    entry entries[];
} history;

enum { OF_EVENT = 0, OF_GROUP = 1, OF_BUCKET = 2, OF_SERIES = 3 };

static size_t history_size(uint32_t cap) { return sizeof(history) + cap * sizeof(entry); }

static void history_ref(void *value) { ((history *)value)->refs++; }
static void history_unref(ks_heap *heap, void *value) {
    history *h = value;
    if (--h->refs == 0) ks_free(heap, h, history_size(h->cap));
}
static const ks_tree_type histories_type = {NULL, NULL, NULL, history_ref, history_unref};

void ks_record_init(ks_server *s) { s->correlation.type = &histories_type; }

static ks_key history_key(const ks_object *about) { return (ks_key){0, about->id}; }

void ks_record_forget(ks_server *s, const ks_object *object) {
    if (s->correlation.count > 0) ks_tree_del(s->heap, &s->correlation, history_key(object));
}

/* --- entries --- */

static entry *find(history *h, uint64_t key) {
    for (uint32_t i = 0; i < h->len; i++)
        if (h->entries[i].key == key) return &h->entries[i];
    return NULL;
}

/* Forgets events that no group counts any more. */
static void trim(history *h) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < h->len; i++)
        if ((h->entries[i].key & 3) != OF_EVENT || h->entries[i].group != 0 || i > h->len / 2)
            h->entries[kept++] = h->entries[i];
    h->len = kept;
}

/* A version of the object's history that this server alone holds, with room for the entries of one
 * more event. */
static history *open_history(ks_server *s, const ks_object *about) {
    enum { ROOM = 4 };
    void **slot = ks_tree_slot(s->heap, &s->correlation, history_key(about));
    if (slot == NULL) {
        history *h = ks_alloc(s->heap, history_size(8));
        *h = (history){.refs = 1, .cap = 8};
        ks_tree_put(s->heap, &s->correlation, history_key(about), h);
        return h;
    }
    history *h = *slot;
    if (h->refs == 1 && h->len + ROOM <= h->cap) return h;
    uint32_t cap = h->len + ROOM <= h->cap ? h->cap : h->cap * 2;
    history *copy = ks_alloc(s->heap, history_size(cap));
    memcpy(copy, h, history_size(h->len));
    copy->refs = 1;
    copy->cap = cap;
    *slot = copy;
    history_unref(s->heap, h);
    if (copy->len > HISTORY_LIMIT) trim(copy);
    return copy;
}

static entry *add(history *h, uint64_t key) {
    entry *e = &h->entries[h->len++];
    *e = (entry){.key = key};
    return e;
}

/* --- hashing what makes events alike --- */

static uint64_t mix(uint64_t hash, const char *text) {
    size_t len = text == NULL ? 0 : strlen(text);
    for (; len >= 8; len -= 8, text += 8) {
        uint64_t word;
        memcpy(&word, text, 8);
        hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 29;
    }
    for (; len > 0; len--, text++) hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return (hash ^ 0x1f) * UINT64_C(0x9fb21c651e98df25);
}

static uint64_t tagged(uint64_t hash, uint64_t tag) { return (hash ^ hash >> 32) << 2 | tag; }

/* --- the three rules --- */

/* The message belongs to a group; true when it is to be combined with similar ones
 * (EventAggregate). */
static bool aggregates(ks_server *s, history *h, uint64_t group_hash, uint64_t event_key,
                       uint32_t *in_group) {
    int64_t now = s->world->now;
    entry *group = find(h, tagged(group_hash, OF_GROUP));
    uint32_t name = (uint32_t)(group_hash >> 16) | 1;
    *in_group = 0;
    if (group == NULL) group = add(h, tagged(group_hash, OF_GROUP));
    if (group->count > 0 && now - group->value > AGGREGATE_WINDOW) {
        for (uint32_t i = 0; i < h->len; i++)
            if (h->entries[i].group == name) h->entries[i].group = 0;
        group->count = 0;
    }
    group->value = now;
    const entry *known = find(h, event_key);
    if (known != NULL && known->group == name) return false;
    if (group->count + 1 >= DISTINCT_MAX) return true;
    group->count++;
    *in_group = name;
    return false;
}

/* May the source write another event? A token bucket, kept as the instant at which it will be full.
 */
static bool accepts(ks_server *s, history *h, uint64_t source_hash) {
    int64_t now = s->world->now;
    uint64_t key = tagged(source_hash, OF_BUCKET);
    entry *bucket = find(h, key);
    if (bucket == NULL) {
        bucket = add(h, key);
        bucket->value = now;
    }
    int64_t full = bucket->value > now ? bucket->value : now;
    if (full - now > (SPAM_BURST - 1) * SPAM_INTERVAL) return false;
    bucket->value = full + SPAM_INTERVAL;
    return true;
}

/* --- Event objects --- */

/* "web-0.18b3a..." as util.GenerateEventName: the object's name and the time in ns, one more where
 * that is taken. */
static ks_val event_name(ks_server *s, const ks_str *name) {
    static const char hex[] = "0123456789abcdef";
    int64_t stamp = s->world->epoch * KS_SECOND + s->world->now;
    if (stamp <= s->event_stamp) stamp = s->event_stamp + 1;
    s->event_stamp = stamp;
    char text[280], digits[16];
    size_t len = name->len < 253 ? name->len : 253;
    int n = 0;
    for (uint64_t v = (uint64_t)stamp; v != 0; v >>= 4) digits[n++] = hex[v & 15];
    memcpy(text, name->s, len);
    text[len++] = '.';
    while (n > 0) text[len++] = digits[--n];
    return ks_textn(s->heap, text, len);
}

static ks_val number_text(ks_heap *heap, uint64_t v) {
    char text[20];
    int at = (int)sizeof text;
    do text[--at] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    return ks_textn(heap, text + at, sizeof text - (size_t)at);
}

static ks_val constant(ks_heap *heap, const char *text) {
    if (strcmp(text, "Normal") == 0) return ks_string(K(Normal));
    if (strcmp(text, "Warning") == 0) return ks_string(K(Warning));
    return ks_text(heap, text);
}

/* Keys are pushed in bytewise order. */
static ks_val reference(ks_heap *heap, const ks_object *o, const char *path) {
    ks_val m = ks_map_new(heap, 7);
    ks_map_push(heap, &m, K(apiVersion), ks_ref(ks_get(o->doc, K(apiVersion))));
    if (path != NULL) ks_map_push(heap, &m, K(fieldPath), ks_text(heap, path));
    ks_map_push(heap, &m, K(kind), ks_ref(ks_get(o->doc, K(kind))));
    ks_map_push(heap, &m, K(name), ks_string(o->name));
    if (o->ns != NULL) ks_map_push(heap, &m, K(namespace), ks_string(o->ns));
    ks_map_push(heap, &m, K(resourceVersion), number_text(heap, o->version));
    if (o->uid != NULL) ks_map_push(heap, &m, K(uid), ks_string(o->uid));
    return m;
}

static ks_val event_meta(ks_server *s, const ks_object *about) {
    ks_val m = ks_map_new(s->heap, 4);
    ks_map_push(s->heap, &m, K(creationTimestamp), ks_server__stamp(s));
    ks_map_push(s->heap, &m, K(name), event_name(s, about->name));
    ks_map_push(s->heap, &m, K(namespace), ks_string(about->ns != NULL ? about->ns : K(default)));
    ks_map_push(s->heap, &m, K(uid), ks_server__uid(s));
    return m;
}

/* --- what Events that follow one another have in common --- */

/* Pods of a set that do the same say the same; each pod's events mostly follow one another. The
 * documents are kept by what makes them alike; forks begin without. */
enum { HEADS = 1024 };

typedef struct head {
    uint64_t group; /* component, host, type and reason */
    ks_val doc;     /* an Event of that kind; KS_NOTHING: none yet */
} head;

struct ks_record_cache {
    head heads[HEADS];
    uint64_t id, version; /* the object that was last spoken of */
    ks_val reference;     /* its involvedObject */
    const ks_str *open;   /* a namespace that Events may be written into; NULL: none is known */
};

void ks_record_cache_drop(ks_server *s) {
    struct ks_record_cache *cache = s->record_cache;
    if (cache == NULL) return;
    for (int i = 0; i < HEADS; i++) ks_unref(s->heap, cache->heads[i].doc);
    ks_unref(s->heap, cache->reference);
    ks_str_unref(s->heap, cache->open);
    ks_free(s->heap, cache, sizeof *cache);
    s->record_cache = NULL;
}

void ks_record_namespace_changed(ks_server *s) {
    if (s->record_cache == NULL) return;
    ks_str_unref(s->heap, s->record_cache->open);
    s->record_cache->open = NULL;
}

static struct ks_record_cache *cache_of(ks_server *s) {
    if (s->record_cache == NULL) s->record_cache = ks_alloc_zero(s->heap, sizeof *s->record_cache);
    return s->record_cache;
}

/* The involvedObject of an event: that of the one before where it is the same. */
static ks_val about_whom(ks_server *s, const ks_object *about, const char *path) {
    struct ks_record_cache *cache = cache_of(s);
    ks_val last = cache->reference;
    if (cache->id == about->id && cache->version == about->version) {
        ks_val known = ks_get(last, K(fieldPath));
        if (path == NULL ? known.type == KS_NONE : ks_text_is(known, path)) return ks_ref(last);
    }
    ks_val made = reference(s->heap, about, path);
    ks_val known = ks_get(last, K(fieldPath));
    if (path != NULL && ks_text_is(known, path))
        made = ks_put(s->heap, made, K(fieldPath), ks_ref(known));
    ks_unref(s->heap, last);
    cache->id = about->id;
    cache->version = about->version;
    cache->reference = ks_ref(made);
    return made;
}

/* A new Event like one before, for its own members to be put into their places. */
static ks_map *copy_head(ks_heap *heap, ks_val doc) {
    ks_map *m = ks_map_new(heap, doc.m->len).m;
    m->len = doc.m->len;
    for (uint32_t i = 0; i < m->len; i++) {
        m->pairs[i] = doc.m->pairs[i];
        ks_ref(m->pairs[i].val);
    }
    return m;
}

/* Puts v, taken over, at the place of `key`, which is there. */
static void fill(ks_heap *heap, ks_map *m, const ks_str *key, ks_val v) {
    ks_pair *p = m->pairs;
    while (p->key != key) p++;
    ks_unref(heap, p->val);
    p->val = v;
}

/* An Event with all that it shares with others of its head; the document is not kept where it
 * counts already. */
static ks_val like_before(ks_server *s, const ks_object *about, const ks_event *e, ks_val message,
                          uint64_t group) {
    const head *known = &cache_of(s)->heads[(group >> 20) % HEADS];
    ks_heap *heap = s->heap;
    if (known->group != group || known->doc.type != KS_MAP) return KS_NOTHING;
    ks_val said = ks_get(known->doc, K(message));
    if (ks_equal(said, message)) {
        ks_unref(heap, message);
        message = ks_ref(said);
    }
    ks_map *m = copy_head(heap, known->doc);
    fill(heap, m, K(firstTimestamp), ks_server__stamp(s));
    fill(heap, m, K(involvedObject), about_whom(s, about, e->field_path));
    fill(heap, m, K(lastTimestamp), ks_server__stamp(s));
    fill(heap, m, K(message), message);
    fill(heap, m, K(metadata), event_meta(s, about));
    return (ks_val){.type = KS_MAP, .m = m};
}

static void keep_head(ks_server *s, uint64_t group, ks_val doc) {
    head *h = &cache_of(s)->heads[(group >> 20) % HEADS];
    ks_unref(s->heap, h->doc);
    *h = (head){group, ks_ref(doc)};
}

static ks_val core_event(ks_server *s, const ks_object *about, const ks_event *e, ks_val message,
                         uint32_t count, uint64_t group) {
    ks_heap *heap = s->heap;
    ks_val alike = count == 1 ? like_before(s, about, e, message, group) : KS_NOTHING;
    if (alike.type == KS_MAP) return alike;
    ks_val component = ks_text(heap, e->component);
    ks_val source = ks_map_new(heap, 2), m = ks_map_new(heap, 14);
    ks_map_push(heap, &source, K(component), ks_ref(component));
    if (e->host != NULL) ks_map_push(heap, &source, K(host), ks_string(e->host));
    ks_map_push(heap, &m, K(apiVersion), ks_string(K(v1)));
    ks_map_push(heap, &m, K(count), ks_int(count));
    ks_map_push(heap, &m, K(eventTime), ks_null());
    ks_map_push(heap, &m, K(firstTimestamp), ks_server__stamp(s));
    ks_map_push(heap, &m, K(involvedObject), about_whom(s, about, e->field_path));
    ks_map_push(heap, &m, K(kind), ks_string(K(Event)));
    ks_map_push(heap, &m, K(lastTimestamp), ks_server__stamp(s));
    ks_map_push(heap, &m, K(message), message);
    ks_map_push(heap, &m, K(metadata), event_meta(s, about));
    ks_map_push(heap, &m, K(reason), ks_text(heap, e->reason));
    ks_map_push(heap, &m, K(reportingComponent), component);
    ks_map_push(heap, &m, K(reportingInstance),
                e->host != NULL ? ks_string(e->host) : ks_text(heap, ""));
    ks_map_push(heap, &m, K(source), source);
    ks_map_push(heap, &m, K(type), constant(heap, e->type));
    if (count == 1) keep_head(s, group, m);
    return m;
}

/* The scheduler's events about pods that are placed differ in the same members. */
static ks_val new_api_like_before(ks_server *s, const ks_object *about, const ks_event *e,
                                  ks_val message, uint64_t group) {
    const head *known = &cache_of(s)->heads[(group >> 20) % HEADS];
    if (e->related != NULL || known->group != group || known->doc.type != KS_MAP) return KS_NOTHING;
    ks_heap *heap = s->heap;
    ks_map *m = copy_head(heap, known->doc);
    fill(heap, m, K(eventTime), ks_microtime_val(s->world, s->world->now));
    fill(heap, m, K(involvedObject), about_whom(s, about, e->field_path));
    fill(heap, m, K(message), message);
    fill(heap, m, K(metadata), event_meta(s, about));
    return (ks_val){.type = KS_MAP, .m = m};
}

static ks_val new_api_event(ks_server *s, const ks_object *about, const ks_event *e, ks_val message,
                            uint64_t group) {
    ks_heap *heap = s->heap;
    ks_val alike = new_api_like_before(s, about, e, message, group);
    if (alike.type == KS_MAP) return alike;
    ks_val m = ks_map_new(heap, 16);
    ks_map_push(heap, &m, K(action), ks_text(heap, e->action));
    ks_map_push(heap, &m, K(apiVersion), ks_string(K(v1)));
    ks_map_push(heap, &m, K(eventTime), ks_microtime_val(s->world, s->world->now));
    ks_map_push(heap, &m, K(firstTimestamp), ks_null());
    ks_map_push(heap, &m, K(involvedObject), reference(heap, about, e->field_path));
    ks_map_push(heap, &m, K(kind), ks_string(K(Event)));
    ks_map_push(heap, &m, K(lastTimestamp), ks_null());
    ks_map_push(heap, &m, K(message), message);
    ks_map_push(heap, &m, K(metadata), event_meta(s, about));
    ks_map_push(heap, &m, K(reason), ks_text(heap, e->reason));
    if (e->related != NULL) ks_map_push(heap, &m, K(related), reference(heap, e->related, NULL));
    ks_map_push(heap, &m, K(reportingComponent), ks_text(heap, e->component));
    ks_map_push(heap, &m, K(reportingInstance), ks_format(heap, "%s-control-plane", e->component));
    ks_map_push(heap, &m, K(source), ks_map_new(heap, 0));
    ks_map_push(heap, &m, K(type), constant(heap, e->type));
    if (e->related == NULL) keep_head(s, group, m);
    return m;
}

/* None is written into a namespace that is going away. */
static bool may_write(ks_server *s, const ks_object *about) {
    const ks_str *where = about->ns != NULL ? about->ns : K(default);
    struct ks_record_cache *cache = cache_of(s);
    if (ks_str_eq(cache->open, where)) return true;
    const ks_object *ns = ks_store_get(&s->store, KS_NAMESPACE, NULL, where);
    if (ns == NULL || ks_object_terminating(ns)) return false;
    ks_str_unref(s->heap, cache->open);
    cache->open = ks_str_ref(where);
    return true;
}

/* --- the core recorder --- */

static void count_up(ks_server *s, const ks_object *event, ks_val message, uint32_t count) {
    ks_val doc = ks_put(s->heap, ks_ref(event->doc), K(count), ks_int(count));
    doc = ks_put(s->heap, doc, K(lastTimestamp), ks_server__stamp(s));
    doc = ks_put(s->heap, doc, K(message), message);
    ks_server__commit(s, KS_EVENT, doc, event, NULL);
}

static void record_core(ks_server *s, const ks_object *about, const ks_event *e, ks_val message) {
    uint64_t source =
        mix(mix(UINT64_C(0xcbf29ce484222325), e->component), e->host != NULL ? e->host->s : NULL);
    source = mix(source, e->type);
    uint64_t group = mix(source, e->reason);
    uint64_t key = tagged(mix(mix(group, e->field_path), message.s->s), OF_EVENT);
    history *h = open_history(s, about);
    uint32_t in_group;
    if (aggregates(s, h, group, key, &in_group)) {
        ks_val combined = ks_format(s->heap, "(combined from similar events): %s", message.s->s);
        ks_unref(s->heap, message);
        message = combined;
        key = tagged(mix(group, "(combined)"), OF_EVENT);
    }
    entry *seen = find(h, key);
    if (seen == NULL) seen = add(h, key);
    if (in_group != 0) seen->group = in_group;
    seen->count++;
    uint32_t count = seen->count;
    uint64_t id = (uint64_t)seen->value;
    bool accepted = accepts(s, h, source);
    if (!accepted) {
        ks_unref(s->heap, message);
        return;
    }
    const ks_object *event = id != 0 ? ks_store_by_id(&s->store, KS_EVENT, id) : NULL;
    if (event != NULL) {
        count_up(s, event, message, count);
        return;
    }
    /* the id that the new Event will get: remembered before watchers run, who may record more */
    seen = find(h, key);
    seen->value = (int64_t)(s->store.last_id + 1);
    ks_server__commit(s, KS_EVENT, core_event(s, about, e, message, count, group), NULL, NULL);
}

/* --- the new recorder --- */

static void write_series(ks_server *s, uint64_t id, uint32_t count, int64_t observed) {
    const ks_object *event = ks_store_by_id(&s->store, KS_EVENT, id);
    if (event == NULL) return;
    ks_val series = ks_map_of(s->heap, K(count), ks_int(count), K(lastObservedTime),
                              ks_microtime_val(s->world, observed), NULL);
    ks_val doc = ks_put(s->heap, ks_ref(event->doc), K(series), series);
    ks_server__commit(s, KS_EVENT, doc, event, NULL);
}

static void record_series(ks_server *s, const ks_object *about, const ks_event *e, ks_val message) {
    int64_t now = s->world->now;
    uint64_t hash = mix(mix(mix(UINT64_C(0x84222325cbf29ce4), e->component), e->type), e->reason);
    uint64_t group = mix(hash, e->action);
    hash = (group ^ about->version) * UINT64_C(0x9fb21c651e98df25);
    if (e->related != NULL)
        hash = (hash ^ e->related->id ^ e->related->version << 20) * UINT64_C(0x100000001b3);
    uint64_t key = tagged(hash, OF_SERIES);
    history *h = open_history(s, about);
    entry *seen = find(h, key);
    if (seen != NULL && now - seen->at <= SERIES_IDLE) {
        seen->count++;
        seen->at = now;
        uint64_t id = (uint64_t)seen->value;
        uint32_t count = seen->count;
        ks_unref(s->heap, message);
        if (count == 2) write_series(s, id, count, now);
        return;
    }
    if (seen == NULL)
        seen = add(h, key);
    else if (seen->count > 2) {
        /* the old series is finished: its final count is written */
        uint64_t id = (uint64_t)seen->value;
        uint32_t count = seen->count;
        int64_t last = seen->at;
        write_series(s, id, count, last);
        seen = find(open_history(s, about), key);
        if (seen == NULL) seen = add(open_history(s, about), key);
    }
    seen->count = 1;
    seen->at = now;
    seen->value = (int64_t)(s->store.last_id + 1);
    ks_server__commit(s, KS_EVENT, new_api_event(s, about, e, message, group), NULL, NULL);
}

void ks_record(ks_server *s, const ks_object *about, const ks_event *event, const char *format,
               ...) {
    char text[1024], *big = NULL;
    va_list args;
    if (!may_write(s, about)) return;
    va_start(args, format);
    int len = ks_vformat(text, sizeof text, format, args);
    va_end(args);
    if (len >= (int)sizeof text) {
        big = ks_alloc(s->heap, (size_t)len + 1);
        va_start(args, format);
        ks_vformat(big, (size_t)len + 1, format, args);
        va_end(args);
    }
    ks_val message = ks_textn(s->heap, big != NULL ? big : text, (size_t)len);
    if (big != NULL) ks_free(s->heap, big, (size_t)len + 1);
    ks_object_ref(about);
    if (event->action != NULL)
        record_series(s, about, event, message);
    else
        record_core(s, about, event, message);
    ks_object_unref(s->heap, about);
}
