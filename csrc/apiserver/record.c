/*
 * apiserver/record.c - Events about objects, as client-go's recorders write them.
 *
 * k8s.io/client-go/tools/record/events_cache.go (correlation: equal events are counted up; from the
 * 10th distinct message of one source, type and reason within ten minutes on they are combined; a
 * source may write 25 events of one type about an object, then one per five minutes) and
 * tools/events/event_broadcaster.go (the scheduler's recorder: a series per version of the object; its second time is written, then
 * only what comes of it when the recorder looks its series through).
 *
 * What has been recorded about an object is one history, found by the object's id and forgotten
 * with the object, once its series are written. Upstream keeps an LRU of 4096 entries for each source
 * instead; uids never come back, so the difference is what it forgets early. The Events themselves are stored in a short form (event.c).
 */
#include "api/values.h"
#include "apiserver/event.h"

#include <stdarg.h>
#include <string.h>

enum { DISTINCT_MAX = 10, SPAM_BURST = 25, HISTORY_LIMIT = 128 };
#define AGGREGATE_WINDOW (600 * KS_SECOND)
#define SPAM_INTERVAL    (300 * KS_SECOND)
#define SERIES_IDLE      (360 * KS_SECOND)  /* finishTime, */
#define SERIES_REFRESH   (1800 * KS_SECOND) /* refreshTime */

/* --- histories --- */

/* One remembered thing: an event that was seen, what stands for the many of a group, a series, or a bucket of the spam filter (source and
 * type). What it is called is a word: its lowest bits say which of these it is, and of an event the upper ones which group (source, type
 * and reason) it is of. */
typedef struct entry {
    uint64_t id;    /* of the Event */
    int64_t at;     /* when last seen; bucket: when it is full again */
    uint32_t count; /* how often */
    uint32_t more; /* event: what is left of the hash of what is said; series: `count` as written */
} entry;

enum { FRONT = 128 }; /* what is looked at mostly */

/* The names stand together in front, the entries behind: who looks for one waits for memory as seldom as can be. */
typedef struct history {
    uint32_t refs;
    uint16_t len, cap;
    const ks_event_about *about;
    uint64_t names[];
} history;

enum { OF_EVENT = 0, OF_BUCKET = 1, OF_SERIES = 2, OF_ALL = 3, SORT_OF_NAME = 3, GROUP_SHIFT = 33 };
#define COUNTED (UINT64_C(1) << 32) /* it counts as one of the group's messages */

static size_t history_size(uint32_t cap) {
    return sizeof(history) + cap * (sizeof(uint64_t) + sizeof(entry));
}

static entry *entry_at(const history *h, int place) {
    return (entry *)(uintptr_t)(h->names + h->cap) + place;
}

static void history_ref(void *value) { ((history *)value)->refs++; }
static void history_unref(ks_heap *heap, void *value) {
    history *h = value;
    if (--h->refs > 0) return;
    ks_event_about_unref(heap, h->about);
    ks_free(heap, h, history_size(h->cap));
}
static const ks_ids_type histories_type = {.ref = history_ref, .unref = history_unref};

void ks_record_init(ks_server *s) {
    s->correlation.type = &histories_type;
    s->series.due = KS_NEVER;
}

static bool has_unwritten(const ks_server *s, uint64_t object) {
    ks_key first, from = {object, 0};
    return s->series.unwritten.count > 0 &&
           ks_tree_ceiling(&s->series.unwritten, from, &first, NULL) && first.a == object;
}

void ks_record_forget(ks_server *s, uint64_t object) {
    if (s->correlation.count > 0 && !has_unwritten(s, object))
        ks_ids_del(s->heap, &s->correlation, object);
}

/* --- when series are looked through --- */

/* The next multiple of a period, from when the recorder began. */
static int64_t next_of(const ks_server *s, int64_t instant, int64_t period) {
    return instant + period - (instant - s->series.since) % period;
}

/* When what was last seen then is taken to be over: finishSeries, each six minutes, which finds what is older than that. */
static int64_t over_at(const ks_server *s, int64_t last) {
    return next_of(s, last + SERIES_IDLE, SERIES_IDLE);
}

/* What was recorded about an object that is gone, and of which nothing is to be written any more. */
static void forget_gone(ks_server *s, uint64_t object) {
    const history *h = ks_ids_get(&s->correlation, object);
    if (h != NULL && ks_store_by_id(&s->store, h->about->kind, object) == NULL &&
        !has_unwritten(s, object))
        ks_ids_del(s->heap, &s->correlation, object);
}

void ks_record_begin(ks_server *s) {
    ks_tree before = s->series.unwritten;
    s->series.unwritten = (ks_tree){NULL, NULL, 0};
    for (ks_tree_iter it = ks_tree_begin(&before); ks_tree_next(&it);) forget_gone(s, it.key.a);
    ks_tree_clear(s->heap, &before);
    s->series.due = KS_NEVER;
    s->series.since = s->world->now;
    s->series.recorder++;
}

/* What is looked up in a history at a time. */
typedef struct wanted {
    uint64_t name, other;
} wanted;

/* Whether an entry that is not wanted says nothing any more: a full bucket, a series that is over and has been written as it is. Of
 * very many events those that no group counts are forgotten, too. */
static bool has_aged(const ks_server *s, const history *h, int place, wanted w) {
    uint64_t name = h->names[place];
    const entry *e = entry_at(h, place);
    int64_t now = s->world->now;
    if ((name & ~COUNTED) == w.name || name == w.other) return false;
    switch (name & SORT_OF_NAME) {
    case OF_BUCKET: return e->at <= now;
    case OF_SERIES:
        return e->at < s->series.since || (e->count == e->more && now >= over_at(s, e->at));
    default:
        return h->len > HISTORY_LIMIT && (name & COUNTED) == 0 && now - e->at > AGGREGATE_WINDOW;
    }
}

/* A copy without what has aged, with room for that many more entries and some. */
static history *renew(ks_server *s, const history *h, wanted w, uint32_t more) {
    uint32_t kept = 0;
    for (int i = 0; i < h->len; i++) kept += !has_aged(s, h, i, w);
    uint32_t cap = kept + more;
    cap += cap / 8 + 1;
    history *copy = ks_alloc(s->heap, history_size(cap));
    *copy = (history){.refs = 1, .cap = (uint16_t)cap, .about = h->about};
    ks_event_about_ref(copy->about);
    for (int i = 0; i < h->len; i++) {
        if (has_aged(s, h, i, w)) continue;
        copy->names[copy->len] = h->names[i];
        *entry_at(copy, copy->len++) = *entry_at(h, i);
    }
    return copy;
}

enum { NOWHERE = -1 };

static int find(const history *h, uint64_t name) {
    for (int i = 0; i < h->len; i++)
        if (h->names[i] == name) return i;
    return NOWHERE;
}

/* Room for all that is mostly recorded about a pod until it is Ready: its placement, four Events of its kubelet and their bucket; of one
 * with claims, too, that it could not be placed yet, as it was and with a condition, and that a volume is attached, with the bucket of
 * whoever says so. A history that grew there leaves blocks behind that nothing else is as large as, of each pod. */
static history *begin_history(ks_server *s, const ks_object *about) {
    enum { FIRST = 6, FIRST_OF_CLAIMS = FIRST + 4, FIRST_OF_CLAIM = 5 };
    uint16_t cap = about->claims ? FIRST_OF_CLAIMS : about->kind == KS_PVC ? FIRST_OF_CLAIM : FIRST;
    history *h = ks_alloc(s->heap, history_size(cap));
    *h = (history){.refs = 1, .cap = cap, .about = ks_event_about_new(s->heap, about)};
    ks_ids_put(s->heap, &s->correlation, about->id, h);
    return h;
}

/* The history in a slot, held by this server alone, with room for that many more entries. */
static history *make_room(ks_server *s, void **slot, wanted w, uint32_t more) {
    history *h = *slot;
    if (h->refs == 1 && h->len + more <= h->cap) return h;
    *slot = renew(s, h, w, more);
    history_unref(s->heap, h);
    return *slot;
}

/* Where the object's history stands, or NULL; its front is on its way. */
static void **slot_of(ks_server *s, const ks_object *about) {
    void **slot = ks_ids_slot(s->heap, &s->correlation, about->id);
    if (slot != NULL) ks_fetch_all(*slot, FRONT);
    return slot;
}

void ks_record_ahead(const ks_server *s, ks_coming *next, int steps) {
    if (steps == KS_STEPS_AHEAD) {
        ks_ids_ask(&s->correlation, next->id);
    } else if (steps == 2) {
        next->recorded = ks_ids_peek(&s->correlation, next->id);
        if (next->recorded != NULL) ks_fetch_all(next->recorded, FRONT);
    } else if (steps == 1 && next->recorded != NULL) {
        ks_fetch(((const history *)next->recorded)->about);
    }
}

static int add(history *h, uint64_t name) {
    int place = h->len++;
    h->names[place] = name;
    *entry_at(h, place) = (entry){0};
    return place;
}

/* --- hashing what makes events alike --- */

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 29;
}

static uint64_t tagged(uint64_t hash, uint64_t sort) {
    return ((hash ^ hash >> 32) << 2 | sort) & ~COUNTED;
}

/* --- the rules of the core recorder --- */

/* What is said, as a history names it: the event, what stands for all of its group once that is combined, the source's bucket. */
typedef struct said_as {
    uint64_t event, all, bucket;
    uint32_t more; /* of the event */
} said_as;

/* The upper half of what they are called is the group's. */
static said_as name_all(uint64_t group, uint64_t said, uint64_t bucket) {
    uint64_t upper = group >> GROUP_SHIFT << GROUP_SHIFT;
    return (said_as){.event = upper | tagged(said >> 34, OF_EVENT),
                     .all = upper | OF_ALL,
                     .bucket = tagged(bucket, OF_BUCKET),
                     .more = (uint32_t)said};
}

/* What a history has of it, found in one walk: where the entries are, how many distinct messages the group counts, and when one of
 * it was last seen. */
typedef struct places {
    int event, all, bucket;
    uint32_t distinct;
    int64_t last;
} places;

static bool is_of_group(uint64_t name, uint64_t event) {
    uint64_t sort = name & SORT_OF_NAME;
    return (name ^ event) >> GROUP_SHIFT == 0 && (sort == OF_EVENT || sort == OF_ALL);
}

static void look_at(const history *h, int place, const said_as *as, places *p) {
    uint64_t name = h->names[place];
    const entry *e = entry_at(h, place);
    p->distinct += (name & COUNTED) != 0;
    if (e->at > p->last) p->last = e->at;
    if ((name & ~COUNTED) == as->event && e->more == as->more)
        p->event = place;
    else if (name == as->all)
        p->all = place;
}

static places look(const history *h, const said_as *as) {
    places p = {NOWHERE, NOWHERE, NOWHERE, 0, INT64_MIN};
    const uint64_t event = as->event, bucket = as->bucket;
    for (int i = 0, len = h->len; i < len; i++) {
        if (is_of_group(h->names[i], event))
            look_at(h, i, as, &p);
        else if (h->names[i] == bucket)
            p.bucket = i;
    }
    return p;
}

/* Whether it is one message too many for its group (EventAggregate). */
static bool is_combined(const history *h, const places *p) {
    bool known = p->event != NOWHERE && (h->names[p->event] & COUNTED) != 0;
    return !known && p->distinct + 1 >= DISTINCT_MAX;
}

/* The object's history, with room for what is said. */
static history *open_history(ks_server *s, void **slot, const ks_object *about, const said_as *as,
                             places *p) {
    history *h = slot != NULL ? *slot : begin_history(s, about);
    *p = look(h, as);
    if (slot == NULL) return h;
    uint32_t more = (p->event == NOWHERE) + (p->bucket == NOWHERE);
    if (p->event != NOWHERE && p->all == NOWHERE && is_combined(h, p)) more++;
    history *roomy = make_room(s, slot, (wanted){as->event, as->bucket}, more);
    if (roomy != h) *p = look(roomy, as);
    return roomy;
}

/* A group that has been quiet for long counts none of its messages any more. */
static void forget_quiet(history *h, uint64_t event, int64_t now, places *p) {
    if (p->distinct == 0 || now - p->last <= AGGREGATE_WINDOW) return;
    for (int i = 0; i < h->len; i++)
        if (is_of_group(h->names[i], event)) h->names[i] &= ~COUNTED;
    p->distinct = 0;
}

/* The entry of what has been said: its own, or that of all that is combined, from where on the group has many messages. */
static entry *aggregate(history *h, const said_as *as, int64_t now, places *p, bool *combined) {
    forget_quiet(h, as->event, now, p);
    *combined = is_combined(h, p);
    int seen = *combined ? p->all : p->event;
    if (seen == NOWHERE) seen = add(h, *combined ? as->all : as->event);
    if (*combined) return entry_at(h, seen);
    h->names[seen] |= COUNTED;
    entry_at(h, seen)->more = as->more;
    return entry_at(h, seen);
}

/* May the source write another event? A token bucket, kept as the instant at which it will be full.
 */
static bool accepts(history *h, uint64_t name, int place, int64_t now) {
    entry *bucket = entry_at(h, place != NOWHERE ? place : add(h, name));
    int64_t full = bucket->at > now ? bucket->at : now;
    if (full - now > (SPAM_BURST - 1) * SPAM_INTERVAL) return false;
    bucket->at = full + SPAM_INTERVAL;
    return true;
}

/* --- what Events that follow one another have in common --- */

/* What has been recorded lately; forks begin without. Constant texts and strings that it holds are found by their addresses. */
enum { SORTS = 64, SORT_WAYS = 4, SAYINGS = 256 };

struct ks_record_cache {
    struct sort {
        const char *type, *reason, *action, *field, *component;
        const ks_str *by, *item;
        const ks_event_head *head; /* NULL: none */
    } sorts[SORTS];
    struct said {
        uint64_t asked; /* what was asked for last and is not the one kept */
        uint64_t hash;  /* of the one that is kept */
        const ks_saying *saying;
    } said[SAYINGS];
    const ks_str *open; /* a namespace that Events may be written into; NULL: none is known */
};

void ks_record_cache_drop(ks_server *s) {
    struct ks_record_cache *cache = s->record_cache;
    if (cache == NULL) return;
    for (int i = 0; i < SORTS; i++) {
        ks_str_unref(s->heap, cache->sorts[i].by);
        ks_str_unref(s->heap, cache->sorts[i].item);
        ks_event_head_unref(s->heap, cache->sorts[i].head);
    }
    for (int i = 0; i < SAYINGS; i++) ks_saying_unref(s->heap, cache->said[i].saying);
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

static uint64_t address(const void *p) { return (uint64_t)(uintptr_t)p; }

static bool is_of_sort(const struct sort *sort, const ks_event *e) {
    return sort->head != NULL && sort->reason == e->reason && sort->item == e->item &&
           sort->type == e->type && sort->action == e->action && sort->field == e->field &&
           sort->component == e->component && ks_str_eq(sort->by, e->by) &&
           sort->head->by_name == e->by_name;
}

/* Where such Events have their head, or are to have it: sorts that begin at one place stand behind each other. */
static struct sort *sort_of(ks_server *s, const ks_event *e) {
    uint64_t hash = mix(address(e->reason), address(e->item));
    struct sort *sorts = cache_of(s)->sorts, *room = NULL;
    for (uint64_t i = 0; i < SORT_WAYS; i++) {
        struct sort *sort = &sorts[((hash >> 32) + i) % SORTS];
        if (is_of_sort(sort, e)) return sort;
        if (room == NULL && sort->head == NULL) room = sort;
    }
    return room != NULL ? room : &sorts[(hash >> 32) % SORTS];
}

/* A new reference to the head of such Events. */
static const ks_event_head *head_of(ks_server *s, const ks_event *e) {
    if (e->related != NULL) return ks_event_head_new(s->heap, e);
    struct sort *sort = sort_of(s, e);
    if (!is_of_sort(sort, e)) {
        struct sort made = {.type = e->type, .reason = e->reason, .action = e->action};
        made.field = e->field;
        made.component = e->component;
        made.head = ks_event_head_new(s->heap, e);
        made.by = ks_str_ref(e->by);
        made.item = ks_str_ref(e->item);
        ks_event_head_unref(s->heap, sort->head);
        ks_str_unref(s->heap, sort->by);
        ks_str_unref(s->heap, sort->item);
        *sort = made;
    }
    return ks_event_head_ref(sort->head);
}

/* What is to be said. */
typedef struct words {
    const char *format;
    const ks_str *const *parts;
    uint32_t count;
    bool loose; /* the only part is a text that was printed for this: found again by what it says */
} words;

static const ks_saying *new_saying(ks_server *s, const words *w) {
    if (!w->loose) return ks_saying_new(s->heap, w->format, w->parts, w->count);
    const ks_str *own = ks_str_new(s->heap, w->parts[0]->s, w->parts[0]->len);
    const ks_saying *made = ks_saying_new(s->heap, w->format, &own, 1);
    ks_str_unref(s->heap, own);
    return made;
}

/* A new reference to what says that, shared with others. Kept is what is said twice running: most names are said once, and what holds
 * them would be found cold when the next one takes its place. */
static const ks_saying *saying_of(ks_server *s, const words *w) {
    uint64_t hash = mix(0, address(w->format));
    for (uint32_t i = 0; i < w->count; i++)
        hash = w->loose ? ks_hash_text(w->parts[i], hash) : mix(hash, address(w->parts[i]));
    struct said *slot = &cache_of(s)->said[(hash >> 32) % SAYINGS];
    if (slot->saying != NULL && slot->hash == hash &&
        ks_saying_is(slot->saying, w->format, w->parts, w->count))
        return ks_saying_ref(slot->saying);
    const ks_saying *made = new_saying(s, w);
    if (slot->asked != hash) {
        slot->asked = hash;
        return made;
    }
    ks_saying_unref(s->heap, slot->saying);
    slot->saying = ks_saying_ref(made);
    slot->hash = hash;
    return made;
}

/* A hash of what is said, whichever strings say it. */
static uint64_t hash_said(const ks_saying *said) {
    uint64_t hash = mix(0, address(said->format));
    if (said->hash != 0) return said->hash;
    for (uint32_t i = 0; i < said->count; i++) hash = ks_hash_text(said->parts[i], hash);
    return ((ks_saying *)said)->hash = hash;
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

/* --- writing --- */

/* Writes the Event's next version: with `said` (NULL: the message that it has), that count, last seen at that instant. False when it
 * is gone. An Event that somebody has changed by hand is no short one any more. */
typedef struct update {
    uint64_t id;
    uint32_t count;
    int64_t last;
    const ks_saying *said;
    bool combined, series;
} update;

static ks_val updated(ks_server *s, const ks_object *event, const update *u) {
    ks_heap *heap = s->heap;
    ks_val doc = ks_doc_ref(event);
    if (u->series)
        return ks_put(heap, doc, K(series),
                      ks_map_of(heap, K(count), ks_int(u->count), K(lastObservedTime),
                                ks_microtime_val(s->world, u->last), NULL));
    doc = ks_put(heap, doc, K(count), ks_int(u->count));
    doc = ks_put(heap, doc, K(lastTimestamp), ks_time_val(s->world, u->last));
    return ks_put(heap, doc, K(message),
                  ks_string_take(ks_saying_text(heap, u->said, u->combined)));
}

static bool write_next(ks_server *s, const update *u) {
    const ks_brief *brief = ks_store_brief(&s->store, KS_EVENT, u->id);
    if (brief == NULL) {
        const ks_object *event = ks_store_by_id(&s->store, KS_EVENT, u->id);
        if (event != NULL) ks_server__commit(s, KS_EVENT, updated(s, event, u), event, NULL);
        return event != NULL;
    }
    const ks_short_event *before = (const ks_short_event *)brief;
    bool same = u->said == NULL;
    ks_short_event *next =
        ks_short_event_next(s->heap, before, ks_saying_ref(same ? before->said : u->said));
    ks_event_set_count(next, u->count, same ? ks_event_is_combined(before) : u->combined);
    next->last = u->last;
    ks_server__commit_brief(s, &next->brief, brief);
    return true;
}

/* Who records what about whom. */
typedef struct recording {
    ks_server *s;
    const ks_object *about;
    void **slot; /* of its history */
    const ks_event *event;
    const ks_event_head *head; /* this and the next: references, which a new Event takes over */
    const ks_saying *said;
} recording;

static void write_new(recording *r, const history *h, uint32_t count, bool combined) {
    const ks_str *host = r->event->action == NULL ? r->event->host : NULL;
    ks_short_event *e =
        ks_short_event_new(r->s, h->about, r->about->version, r->head, host, r->said);
    r->head = NULL;
    r->said = NULL;
    ks_event_set_count(e, count, combined);
    ks_server__commit_brief(r->s, &e->brief, NULL);
}

/* --- the core recorder --- */

static void record_core(recording *r) {
    ks_server *s = r->s;
    int64_t now = s->world->now;
    const ks_event_head *head = r->head;
    const ks_str *host = r->event->host;
    uint64_t where = ks_hash_text(host, 0);
    uint64_t group = mix(head->group, where);
    said_as as =
        name_all(group, mix(mix(group, head->place), hash_said(r->said)), mix(head->source, where));
    places p;
    bool combined;
    history *h = open_history(s, r->slot, r->about, &as, &p);
    entry *seen = aggregate(h, &as, now, &p, &combined);
    seen->at = now;
    seen->count++;
    if (!accepts(h, as.bucket, p.bucket, now)) return;
    update u = {
        .id = seen->id, .count = seen->count, .last = now, .said = r->said, .combined = combined};
    if (u.id != 0 && write_next(s, &u)) return;
    /* the id that the new Event will get: remembered before watchers run, who may record more */
    seen->id = s->store.last_id + 1;
    write_new(r, h, u.count, combined);
}

/* --- the new recorder --- */

/* The series' entry, in the object's history. */
static entry *open_series(ks_server *s, void **slot, const ks_object *about, uint64_t name,
                          history **h) {
    *h = slot != NULL ? *slot : begin_history(s, about);
    int seen = find(*h, name);
    if (slot != NULL) {
        history *roomy = make_room(s, slot, (wanted){name, name}, seen == NOWHERE ? 2 : 0);
        if (roomy != *h) seen = find(roomy, name);
        *h = roomy;
    }
    return entry_at(*h, seen != NOWHERE ? seen : add(*h, name));
}

/* A series, last seen then, is not written as it is: it will be when it is over, or at the next refresh. */
static void await_series(ks_server *s, int64_t last) {
    int64_t over = over_at(s, last), refresh = ks_record_refresh(s);
    if (over < s->series.due) s->series.due = over;
    if (refresh < s->series.due) s->series.due = refresh;
}

static void await_writing(ks_server *s, ks_key key, int64_t last) {
    await_series(s, last);
    ks_tree_put(s->heap, &s->series.unwritten, key, (void *)1);
}

/* What is in a series has been said once again. */
static void say_again(ks_server *s, ks_key key, entry *seen) {
    bool written = seen->count == seen->more;
    seen->at = s->world->now;
    seen->count++;
    if (seen->count == 2) {
        seen->more = 2;
        write_next(s, &(update){.id = seen->id, .count = 2, .last = seen->at, .series = true});
    } else if (written) {
        await_writing(s, key, seen->at);
    }
}

static void record_series(recording *r) {
    ks_server *s = r->s;
    const ks_object *related = r->event->related;
    uint64_t hash = mix(mix(r->head->group, s->series.recorder), r->about->version);
    if (related != NULL) hash = mix(mix(hash, related->id), related->version);
    uint64_t name = tagged(hash, OF_SERIES);
    history *h;
    entry *seen = open_series(s, r->slot, r->about, name, &h);
    if (seen->count > 0 && s->world->now < over_at(s, seen->at)) {
        say_again(s, (ks_key){r->about->id, name}, seen);
        return;
    }
    *seen = (entry){.id = s->store.last_id + 1, .at = s->world->now, .count = 1, .more = 1};
    write_new(r, h, 1, false);
}

/* The series that was recorded last by this recorder, or NOWHERE. */
static int last_series(const ks_server *s, const history *h) {
    int last = NOWHERE;
    for (int i = 0; i < h->len; i++) {
        int64_t at = entry_at(h, i)->at;
        if ((h->names[i] & SORT_OF_NAME) == OF_SERIES && at >= s->series.since &&
            (last == NOWHERE || at >= entry_at(h, last)->at))
            last = i;
    }
    return last;
}

void ks_record_more(ks_server *s, uint64_t object, uint32_t times, int64_t last) {
    void **slot = ks_ids_slot(s->heap, &s->correlation, object);
    int place = slot == NULL ? NOWHERE : last_series(s, *slot);
    if (place == NOWHERE) return;
    ks_key key = {object, ((const history *)*slot)->names[place]};
    history *h = make_room(s, slot, (wanted){key.b, key.b}, 0);
    entry *seen = entry_at(h, find(h, key.b));
    bool written = seen->count == seen->more;
    seen->at = last;
    seen->count += times;
    if (written) await_writing(s, key, last);
}

int64_t ks_record_refresh(const ks_server *s) { return next_of(s, s->world->now, SERIES_REFRESH); }

/* A series that is not written as it is: refreshExistingEventSeries, finishSeries. */
static void look_through(ks_server *s, ks_key key, bool refresh) {
    void **slot = ks_ids_slot(s->heap, &s->correlation, key.a);
    const entry *seen = entry_at(*slot, find(*slot, key.b));
    if (!refresh && s->world->now < over_at(s, seen->at)) {
        await_series(s, seen->at);
        return;
    }
    history *h = make_room(s, slot, (wanted){key.b, key.b}, 0);
    entry *own = entry_at(h, find(h, key.b));
    update u = {.id = own->id, .count = own->count, .last = own->at, .series = true};
    own->more = own->count;
    ks_tree_del(s->heap, &s->series.unwritten, key);
    forget_gone(s, key.a);
    write_next(s, &u);
}

void ks_record_look_through(ks_server *s) {
    bool refresh = (s->world->now - s->series.since) % SERIES_REFRESH == 0;
    ks_tree all = ks_tree_copy(&s->series.unwritten);
    s->series.due = KS_NEVER;
    for (ks_tree_iter it = ks_tree_begin(&all); ks_tree_next(&it);)
        look_through(s, it.key, refresh);
    ks_tree_clear(s->heap, &all);
}

static void record(ks_server *s, const ks_object *about, const ks_event *event, const words *w) {
    recording r = {.s = s,
                   .about = ks_object_ref(about),
                   .slot = slot_of(s, about),
                   .event = event,
                   .head = head_of(s, event),
                   .said = saying_of(s, w)};
    if (event->action != NULL)
        record_series(&r);
    else
        record_core(&r);
    ks_saying_unref(s->heap, r.said);
    ks_event_head_unref(s->heap, r.head);
    ks_object_unref(s->heap, about);
}

void ks_record_saying(ks_server *s, const ks_object *about, const ks_event *event,
                      const char *format, const ks_str *const *parts, uint32_t count) {
    words w = {.format = format, .parts = parts, .count = count};
    if (may_write(s, about)) record(s, about, event, &w);
}

static void record_text(ks_server *s, const ks_object *about, const ks_event *event,
                        const char *bytes, size_t len) {
    const ks_str text = {.refs = KS_IMMORTAL, .len = (uint32_t)len, .s = bytes}, *parts = &text;
    words w = {.format = "%s", .parts = &parts, .count = 1, .loose = true};
    record(s, about, event, &w);
}

void ks_record(ks_server *s, const ks_object *about, const ks_event *event, const char *format,
               ...) {
    char text[1024];
    va_list args;
    if (!may_write(s, about)) return;
    if (strchr(format, '%') == NULL) {
        words w = {.format = format};
        record(s, about, event, &w);
        return;
    }
    va_start(args, format);
    int len = ks_vformat(text, sizeof text, format, args);
    va_end(args);
    if (len < (int)sizeof text) {
        record_text(s, about, event, text, (size_t)len);
        return;
    }
    char *big = ks_alloc(s->heap, (size_t)len + 1);
    va_start(args, format);
    ks_vformat(big, (size_t)len + 1, format, args);
    va_end(args);
    record_text(s, about, event, big, (size_t)len);
    ks_free(s->heap, big, (size_t)len + 1);
}
