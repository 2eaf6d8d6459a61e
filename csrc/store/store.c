/*
 * store/store.c - versions, indexes and the log; see store.h. Each write touches the maps by id and
 * name, and an index only where the indexed value changed.
 */
#include "store/store.h"
#include "store/object_internal.h"

#include <string.h>

/* How many changes the log keeps, in pages: enough for people who ask what has happened. With thousands of pods that is forgotten within an
 * instant anyway, and old versions that wait in the log fill a processor's cache: it keeps fewer then. */
enum { LOG_PAGES = 16, LOG_PAGES_OF_MANY = 4, MANY_PODS = 1000, PAGE_LENGTH = 64 };

static uint64_t word(const void *p) { return (uint64_t)(uintptr_t)p; }

/* --- types of maps --- */

static void version_ref(void *value) { ks_version__ref(value); }
static void version_unref(ks_heap *heap, void *value) { ks_version__unref(heap, value); }

static const ks_ids_type versions_type = {.ref = version_ref,
                                          .unref = version_unref,
                                          .leaves = ks_version__leaves,
                                          .steps = KS_STEPS_OF_LEAVING};

/* --- the log: a change costs one word here, and the maps hear of it once a page --- */

/* Changes in a row. Stores that share a page see what it held when they came to: the first of them that has something to add
 * adds it in place, the others copy what is theirs. A change stands there as its address; that a brief was added is said by the brief
 * itself (marked), until somebody asks for the change. */
typedef struct ks_log_page {
    uint32_t refs, len;
    const void *changes[PAGE_LENGTH];
} log_page;

static void logged_ref(const void *logged) {
    if (ks_version__is_brief(logged))
        ks_version__ref(logged);
    else
        ks_change_ref(logged);
}

static void logged_unref(ks_heap *heap, const void *logged) {
    if (ks_version__is_brief(logged))
        ks_version__unref(heap, logged);
    else
        ks_change_unref(heap, logged);
}

static uint64_t logged_version(const void *logged) {
    return ks_version__is_brief(logged) ? ks_version__brief(logged)->version
                                        : ((const ks_change *)logged)->version;
}

static ks_kind logged_kind(const void *logged) {
    return ks_version__kind(ks_version__is_brief(logged) ? logged
                                                         : ((const ks_change *)logged)->object);
}

/* The change, where it stands from now on. */
static const ks_change *logged_change(ks_heap *heap, const void **logged) {
    if (!ks_version__is_brief(*logged)) return *logged;
    const ks_brief *brief = ks_version__brief(*logged);
    ks_change *change = ks_alloc(heap, sizeof *change);
    *change = (ks_change){.refs = 1,
                          .type = KS_ADDED,
                          .version = brief->version,
                          .at = brief->type->added(brief),
                          .object = *logged};
    *logged = change;
    return change;
}

static void page_ref(void *value) { ((log_page *)value)->refs++; }

static void fetch_map(ks_val v) {
    if (v.type == KS_MAP) ks_fetch(v.m);
}

/* A page that goes gives back what nobody has looked at for a while: all of it is asked for beforehand, changes first, then versions, then
 * the documents of those that go with it. A change asked for at once would be waited for. */
static void fetch_logged(const log_page *page) {
    for (uint32_t i = 0; i < page->len; i++) ks_fetch(ks_version__address(page->changes[i]));
    for (uint32_t i = 0; i < page->len; i++) {
        if (ks_version__is_brief(page->changes[i])) continue;
        const ks_change *change = page->changes[i];
        ks_fetch(ks_version__address(change->object));
        if (change->old != NULL)
            ks_fetch_all(ks_version__address(change->old), sizeof(ks_object) / 2);
    }
    for (uint32_t i = 0; i < page->len; i++) {
        if (ks_version__is_brief(page->changes[i])) continue;
        const ks_object *old = ((const ks_change *)page->changes[i])->old;
        if (old == NULL || ks_version__is_brief(old) || old->refs > 1) continue;
        if (old->whole != NULL) ks_fetch(old->whole);
        fetch_map(old->meta);
        fetch_map(old->status);
    }
}

static void page_unref(ks_heap *heap, void *value) {
    log_page *page = value;
    if (page == NULL || --page->refs > 0) return;
    fetch_logged(page);
    for (uint32_t i = 0; i < page->len; i++) logged_unref(heap, page->changes[i]);
    ks_free(heap, page, sizeof *page);
}

/* --- new Events: a page of them costs little more than one --- */

static void copy_kind(ks_store *s, ks_kind kind);

/* Puts the new Events of the newest page where they are found by their ids. What has been put in once may be put in again: memory may have
 * run out halfway. */
static void gather(ks_store *s) {
    ks_ids_pair fresh[PAGE_LENGTH];
    size_t count = 0;
    for (uint32_t i = s->page_known; i < s->page_len; i++) {
        const void *logged = s->page->changes[i];
        if (!ks_version__is_brief(logged)) continue;
        const ks_brief *brief = ks_version__address(logged);
        fresh[count++] = (ks_ids_pair){brief->id, (void *)(uintptr_t)logged};
    }
    if (count > 0 && s->undo != NULL) copy_kind(s, KS_EVENT);
    ks_ids_add(s->world->heap, &s->by_id[KS_EVENT], fresh, count);
    s->page_known = s->page_len;
}

void ks_store_gather(const ks_store *from) {
    if (from->page_known != from->page_len) gather((ks_store *)from);
}

/* The objects of a kind. */
static const ks_ids *map_of(const ks_store *s, ks_kind kind) {
    if (kind == KS_EVENT) ks_store_gather(s);
    return &s->by_id[kind];
}

static const ks_tree_type log_type = {NULL, NULL, NULL, page_ref, page_unref};

static void forget_oldest_page(ks_store *s) {
    ks_key oldest;
    void *value;
    ks_tree_first(&s->maps.log, &oldest, &value);
    s->compacted = logged_version(((log_page *)value)->changes[PAGE_LENGTH - 1]);
    ks_tree_del(s->world->heap, &s->maps.log, oldest);
}

/* Another one in place of the newest page, which is full, or to which other stores have added, or which there is not. */
static log_page *turn_page(ks_store *s) {
    ks_heap *heap = s->world->heap;
    log_page *page = s->page;
    if (page != NULL) ks_store_gather(s);
    log_page *fresh = ks_alloc(heap, sizeof *fresh);
    *fresh = (log_page){.refs = 1, .len = 0};
    if (page != NULL && s->page_len < PAGE_LENGTH) {
        for (; fresh->len < s->page_len; fresh->len++)
            logged_ref(fresh->changes[fresh->len] = page->changes[fresh->len]);
        page_unref(heap, page);
        return s->page = fresh;
    }
    s->page = fresh;
    s->page_len = s->page_known = 0;
    if (page == NULL) return fresh;
    ks_tree_put(heap, &s->maps.log, (ks_key){0, logged_version(page->changes[0])}, page);
    size_t kept = s->by_id[KS_POD].count > MANY_PODS ? LOG_PAGES_OF_MANY : LOG_PAGES;
    while (s->maps.log.count > kept) forget_oldest_page(s);
    return fresh;
}

static const ks_change *first_after(ks_heap *heap, log_page *page, uint32_t len, ks_kind kind,
                                    uint64_t version) {
    for (uint32_t i = 0; i < len; i++) {
        const void **logged = &page->changes[i];
        if (logged_version(*logged) <= version) continue;
        if (kind == KS_NO_KIND || logged_kind(*logged) == kind) return logged_change(heap, logged);
    }
    return NULL;
}

bool ks_store_since(const ks_store *s, ks_kind kind, uint64_t version, const ks_change **change) {
    ks_heap *heap = s->world->heap;
    ks_key after = {0, version + 1};
    void *page;
    *change = NULL;
    if (version < s->compacted) return false;
    ks_store_gather(s);
    if (ks_tree_floor(&s->maps.log, after, NULL, &page))
        *change = first_after(heap, page, PAGE_LENGTH, kind, version);
    for (ks_tree_iter it = ks_tree_from(&s->maps.log, after); *change == NULL && ks_tree_next(&it);)
        *change = first_after(heap, it.value, PAGE_LENGTH, kind, version);
    if (*change == NULL) *change = first_after(heap, s->page, s->page_len, kind, version);
    ks_change__settle(s->world, *change);
    return true;
}

/* --- keys --- */

/* 128 bits of a text, mixed eight bytes at a time: two states that take in each word differently.
 * Comparing words beats comparing texts that begin alike, as the names of a set's pods do. Lookups
 * compare the texts of what they find. */
static ks_key mix(ks_key seed, const ks_str *text) {
    uint64_t a = seed.a ^ text->len, b = seed.b;
    const char *s = text->s;
    for (size_t left = text->len; left > 0;) {
        size_t n = left < 8 ? left : 8;
        uint64_t word;
        if (n == 8)
            memcpy(&word, s, 8);
        else
            word = ks_tail_word(s, n);
        a = (a ^ word) * UINT64_C(0x9fb21c651e98df25);
        a ^= a >> 32;
        b = (b + word) * UINT64_C(0xff51afd7ed558ccd);
        b ^= b >> 29;
        s += n;
        left -= n;
    }
    return (ks_key){a, b};
}

static const ks_key seed = {UINT64_C(0xcbf29ce484222325), UINT64_C(0x9e3779b97f4a7c15)};

static ks_key uid_key(const ks_str *uid) { return mix(seed, uid); }

static uint64_t node_hash(const ks_str *node) { return mix(seed, node).a; }

static ks_key full_name_key(const ks_str *ns, const ks_str *name) {
    return mix(ns == NULL ? seed : mix(seed, ns), name);
}

uint64_t ks_store_hash(const ks_str *ns, const ks_str *before) {
    return full_name_key(ns, before).b;
}

ks_key ks_store_stamped(uint64_t hash, uint64_t number) { return (ks_key){number, hash}; }

/* Reads the number that a name ends in, if it is written as numbers are: without zeros in front. */
static bool read_stamp(const ks_str *name, ks_str *before, uint64_t *number) {
    uint32_t at = name->len, digits = 0;
    *number = 0;
    for (; at > 0 && digits <= 16; at--, digits++) {
        char c = name->s[at - 1];
        if (c == '.') break;
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
        uint64_t digit = (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        if (digits < 16) *number |= digit << 4 * digits;
    }
    if (at == 0 || digits == 0 || digits > 16 || name->s[at] == '0') return false;
    *before = (ks_str){.s = name->s, .len = at - 1};
    return true;
}

static ks_key name_key(ks_kind kind, const ks_str *ns, const ks_str *name) {
    ks_key key = full_name_key(ns, name);
    return (ks_key){key.a ^ kind * UINT64_C(0x9e3779b97f4a7c15), key.b};
}

/* Where an Event stands in `event_names`. */
static ks_key event_place(ks_key stamped) {
    uint64_t a = (stamped.a ^ stamped.b) * UINT64_C(0x9fb21c651e98df25);
    return (ks_key){a >> 32 | a << 32, stamped.b};
}

static ks_key event_name_key(const ks_str *ns, const ks_str *name) {
    ks_str before;
    uint64_t number;
    if (!read_stamp(name, &before, &number)) return full_name_key(ns, name);
    return event_place(ks_store_stamped(ks_store_hash(ns, &before), number));
}

/* What an index says: the kind above, the id below; never NULL, since ids begin at 1. */
static void *index_word(ks_kind kind, uint64_t id) {
    return (void *)(uintptr_t)ks_store__place_of(kind, id);
}
static void *entry(const ks_object *object) { return index_word(object->kind, object->id); }

const ks_object *ks_store__resolve(const ks_store *s, uint64_t place) {
    if (place == 0) return NULL;
    const void *version = ks_ids_get(&s->by_id[ks_store__kind_at(place)], ks_store__id_at(place));
    return ks_version__object(s->world, version);
}

static const ks_object *resolve(const ks_store *s, const void *index_entry) {
    return ks_store__resolve(s, word(index_entry));
}

uint64_t ks_store__place(const ks_object *object) { return word(entry(object)); }
uint64_t ks_store__id_at(uint64_t place) { return place & (UINT64_MAX >> 8); }
ks_key ks_store__name_key(ks_kind kind, const ks_str *ns, const ks_str *name) {
    return name_key(kind, ns, name);
}

/* --- life --- */

#define EVERY_KIND ((UINT64_C(1) << KS_KIND_COUNT) - 1)

void ks_store_init(ks_store *s, ks_world *world) {
    *s = (ks_store){.world = world, .kinds = EVERY_KIND};
    for (int k = 0; k < KS_KIND_COUNT; k++) s->by_id[k].type = &versions_type;
    s->maps.log.type = &log_type;
    s->maps.pin_labels.type = &ks_store__labels_type;
}

void ks_store_dispose(ks_store *s) { ks_store_clear(s, s->world->heap); }

enum { MAPS = sizeof(struct ks_store_maps) / sizeof(ks_tree) };

static ks_tree *other_maps(ks_store *s) { return &s->maps.by_owner; }

void ks_store_clear(ks_store *s, ks_heap *heap) {
    for (ks_kind kind = 0; kind < KS_KIND_COUNT && s->kinds >> kind != 0; kind++)
        if (s->kinds >> kind & 1U) ks_ids_clear(heap, &s->by_id[kind]);
    ks_trees_clear(heap, other_maps(s), MAPS);
    ks_table_clear(heap, &s->by_name);
    ks_table_clear(heap, &s->by_uid);
    for (int i = 0; i < 2; i++) ks_ties_clear(heap, &s->named[i]);
    ks_links_clear(heap, &s->unmet);
    ks_table_clear(heap, &s->event_names);
    ks_spaces__unref(heap, s->spaces);
    page_unref(heap, s->page);
}

void ks_store_shorten(ks_store *s) {
    ks_tree_clear(s->world->heap, &s->maps.log);
    page_unref(s->world->heap, s->page);
    ks_spaces__unref(s->world->heap, s->spaces);
    s->spaces = NULL;
    s->follows = true;
    s->page = NULL;
    s->page_len = s->page_known = 0;
    ks_ids_clear(s->world->heap, &s->by_id[KS_EVENT]);
    ks_table_clear(s->world->heap, &s->event_names);
    s->events_named = s->last_id;
}

/* All but the objects, after a copy by assignment. */
static void copied_around(ks_store *out, ks_world *world) {
    out->world = world;
    out->undo = NULL;
    ks_trees_copied(other_maps(out), MAPS);
    ks_table_copied(&out->by_name);
    ks_table_copied(&out->by_uid);
    for (int i = 0; i < 2; i++) ks_ties_copied(&out->named[i]);
    ks_links_copied(&out->unmet);
    ks_table_copied(&out->event_names);
    ks_spaces__ref(out->spaces);
    if (out->page != NULL) out->page->refs++;
}

void ks_store_copied(ks_store *out, ks_world *world) {
    copied_around(out, world);
    ks_ids_copied(out->by_id, KS_KIND_COUNT);
}

void ks_store_copy(ks_store *out, const ks_store *from, ks_world *world) {
    ks_store_gather(from);
    *out = *from;
    ks_store_copied(out, world);
}

/* --- snapshots --- */

/* How a snapshot's objects are found again. Of most kinds a call writes few objects, and none is new or gone: their versions from
 * before are kept here, and written back. Of the others the snapshot has a map of its own (`kinds`). */
enum { UNDO_LENGTH = 48 }; /* what a slab has a block for */
typedef struct ks_undo {
    ks_store *snapshot;
    struct ks_undo *outer; /* of the call within which this one is made */
    uint32_t len;
    bool adds; /* what comes to the page of the log behind what the snapshot sees is this store's */
    struct {
        ks_kind kind;
        uint64_t id;
        void *version; /* counted */
    } before[UNDO_LENGTH];
} undo;

/* From now on the snapshot has a map of this kind. */
static void copy_kind(ks_store *s, ks_kind kind) {
    undo *u = s->undo;
    ks_heap *heap = s->world->heap;
    if (u->snapshot->kinds >> kind & 1U) return;
    ks_ids map = ks_ids_copy(&s->by_id[kind]);
    for (uint32_t i = u->len; i-- > 0;) {
        if (u->before[i].kind != kind) continue;
        ks_version__ref(u->before[i].version);
        ks_ids_put(heap, &map, u->before[i].id, u->before[i].version);
    }
    u->snapshot->by_id[kind] = map;
    u->snapshot->kinds |= UINT64_C(1) << kind;
    uint32_t left = 0;
    for (uint32_t i = 0; i < u->len; i++) {
        if (u->before[i].kind != kind)
            u->before[left++] = u->before[i];
        else
            ks_version__unref(heap, u->before[i].version);
    }
    u->len = left;
}

/* Nothing is noted any more. */
static void copy_all(ks_store *s) {
    for (ks_kind kind = 0; kind < KS_KIND_COUNT; kind++) copy_kind(s, kind);
}

void ks_store_snapshot(ks_store *out, ks_store *from, ks_world *world) {
    if (from->undo != NULL) copy_all(from);
    undo *u = ks_alloc(world->heap, sizeof *u);
    u->snapshot = out;
    u->outer = from->undo;
    u->len = 0;
    u->adds = from->page != NULL && from->page->len == from->page_len;
    copied_around(out, world);
    out->kinds = 0;
    from->undo = u;
}

void ks_store_keep(ks_store *from) {
    undo *u = from->undo;
    ks_heap *heap = from->world->heap;
    for (uint32_t i = 0; i < u->len; i++) ks_version__unref(heap, u->before[i].version);
    from->undo = u->outer;
    ks_free(heap, u, sizeof *u);
}

/* Takes from a page what nobody sees any more. */
static void cut_page(ks_heap *heap, log_page *page, uint32_t len) {
    while (page->len > len) logged_unref(heap, page->changes[--page->len]);
}

void ks_store_undo(ks_store *from) {
    undo *u = from->undo;
    ks_store *snapshot = u->snapshot;
    ks_heap *heap = snapshot->world->heap;
    if (u->adds) cut_page(heap, snapshot->page, snapshot->page_len);
    for (uint32_t i = u->len; i-- > 0;) {
        void *now =
            ks_ids_exchange(&from->by_id[u->before[i].kind], u->before[i].id, u->before[i].version);
        ks_version__unref(heap, now);
    }
    for (int kind = 0; kind < KS_KIND_COUNT; kind++)
        if ((snapshot->kinds >> kind & 1U) == 0) snapshot->by_id[kind] = from->by_id[kind];
    from->kinds = snapshot->kinds;
    snapshot->kinds = EVERY_KIND;
    snapshot->undo = u->outer;
    from->undo = NULL;
    ks_free(heap, u, sizeof *u);
}

/* An object has a new version: takes over the word. */
static void put_version(ks_store *s, ks_kind kind, uint64_t id, void *version, bool is_new) {
    ks_heap *heap = s->world->heap;
    undo *u = s->undo;
    if (kind == KS_EVENT) ks_store_gather(s);
    if (u != NULL && is_new) copy_kind(s, kind);
    if (u != NULL && u->len == UNDO_LENGTH) copy_all(s);
    if (u == NULL || u->snapshot->kinds >> kind & 1U) {
        ks_ids_put(heap, &s->by_id[kind], id, version);
        return;
    }
    void **slot = ks_ids_slot(heap, &s->by_id[kind], id);
    u->before[u->len].kind = kind;
    u->before[u->len].id = id;
    u->before[u->len++].version = *slot;
    *slot = version;
}

static void drop_version(ks_store *s, ks_kind kind, uint64_t id) {
    if (kind == KS_EVENT) ks_store_gather(s);
    if (s->undo != NULL) copy_kind(s, kind);
    ks_ids_del(s->world->heap, &s->by_id[kind], id);
}

/* --- looking --- */

/* Puts into the index what has come since it was last asked. Forks each do this for what has come to them; nothing that is seen
 * depends on it. */
static void name_events(ks_store *s) {
    ks_heap *heap = s->world->heap;
    for (ks_ids_iter it = ks_ids_from(map_of(s, KS_EVENT), s->events_named + 1); ks_ids_next(&it);
         s->events_named = it.id) {
        const ks_brief *brief = ks_version__brief(it.value);
        const ks_object *whole = brief == NULL ? it.value : NULL;
        ks_key key = brief != NULL ? event_place(brief->type->key(brief))
                                   : event_name_key(whole->ns, whole->name);
        ks_table_put(heap, &s->event_names, key, index_word(KS_EVENT, it.id));
    }
    s->events_named = s->last_id;
}

static void *event_by_name(const ks_store *s, const ks_str *ns, const ks_str *name) {
    if (s->events_named < s->last_id) name_events((ks_store *)s);
    return ks_table_get(&s->event_names, event_name_key(ns, name));
}

const ks_object *ks_store_get(const ks_store *s, ks_kind kind, const ks_str *ns,
                              const ks_str *name) {
    if (name == NULL) return NULL;
    void *found = kind == KS_EVENT ? event_by_name(s, ns, name)
                                   : ks_table_get(&s->by_name, name_key(kind, ns, name));
    const ks_object *object = resolve(s, found);
    bool same = object != NULL && ks_str_eq(object->name, name) && ks_str_eq(object->ns, ns);
    return same ? object : NULL;
}

const ks_object *ks_store_get_text(const ks_store *s, ks_kind kind, const char *ns,
                                   const char *name) {
    ks_str ns_str = {.s = ns, .len = ns == NULL ? 0 : (uint32_t)strlen(ns)};
    ks_str name_str = {.s = name, .len = (uint32_t)strlen(name)};
    return ks_store_get(s, kind, ns == NULL ? NULL : &ns_str, &name_str);
}

const ks_object *ks_store_by_id(const ks_store *s, ks_kind kind, uint64_t id) {
    return ks_version__object(s->world, ks_ids_get(map_of(s, kind), id));
}

const ks_brief *ks_store_brief(const ks_store *s, ks_kind kind, uint64_t id) {
    return ks_version__brief(ks_ids_get(map_of(s, kind), id));
}

/* Whether an object's uid waits until somebody asks for it. Objects come in the order of their ids, but for those that a cache keeps
 * before it is told of earlier ones. */
static bool uid_can_wait(const ks_store *s, const ks_object *object) {
    int mass = ks_mass_of(object->kind);
    return mass >= 0 && object->id > s->uids_known[mass];
}

/* As name_events(). False: nothing had come. */
static bool index_masses(ks_store *s) {
    size_t before = s->by_uid.count;
    for (int i = 0; i < KS_MASSES; i++) {
        ks_ids_iter it = ks_ids_from(&s->by_id[ks_masses[i]], s->uids_known[i] + 1);
        for (; ks_ids_next(&it); s->uids_known[i] = it.id) {
            const ks_object *object = it.value;
            if (object->uid != NULL)
                ks_table_put(s->world->heap, &s->by_uid, uid_key(object->uid),
                             index_word(ks_masses[i], it.id));
        }
    }
    return s->by_uid.count != before;
}

static const ks_object *with_uid(const ks_store *s, const ks_str *uid) {
    const ks_object *object = resolve(s, ks_table_get(&s->by_uid, uid_key(uid)));
    return object != NULL && ks_str_eq(object->uid, uid) ? object : NULL;
}

const ks_object *ks_store_by_uid(const ks_store *s, const ks_str *uid) {
    if (uid == NULL) return NULL;
    const ks_object *object = with_uid(s, uid);
    if (object == NULL && index_masses((ks_store *)s)) object = with_uid(s, uid);
    return object;
}

const ks_object *ks_store_owner(const ks_store *s, const ks_object *object) {
    if (object->owner_uid == NULL) return NULL;
    const ks_object *owner = resolve(s, (const void *)(uintptr_t)object->owner);
    if (owner != NULL && ks_str_eq(owner->uid, object->owner_uid)) return owner;
    return ks_store_by_uid(s, object->owner_uid);
}

/* The ownerReference that is the controller, or KS_NOTHING. */
static ks_val controller_ref(const ks_object *object) {
    ks_each(owner, object->owners) {
        if (ks_bool_or(ks_get(*owner, K(controller)), false)) return *owner;
    }
    return KS_NOTHING;
}

/* Whether an object's ownerReference calls `owner` what it is. Nothing of that changes while both are there. */
static bool is_called(const ks_object *object, const ks_object *owner) {
    if (!ks_str_eq(owner->ns, object->ns)) return false;
    ks_val ref = controller_ref(object);
    return ks_str_eq(ks_str_or_null(ks_get(ref, K(name))), owner->name) &&
           ks_text_is(ks_get(ref, K(kind)), ks_kind_get(owner->kind)->name);
}

const ks_object *ks_store_controller(const ks_store *s, const ks_object *object, ks_kind kind) {
    if (object->owner_uid == NULL) return NULL;
    if (object->owner_agrees) {
        if (ks_object_owner_kind(object) != kind) return NULL;
        const ks_object *owner = resolve(s, (const void *)(uintptr_t)object->owner);
        if (owner != NULL) return owner;
    }
    const ks_object *owner = ks_store_owner(s, object);
    return owner != NULL && owner->kind == kind && is_called(object, owner) ? owner : NULL;
}

size_t ks_store_count(const ks_store *s, ks_kind kind) { return map_of(s, kind)->count; }

/* --- walking --- */

enum { WALK_IDS, WALK_SPACE, WALK_OWNED, WALK_NODE };
enum { FEW = 64 }; /* so many objects of a kind are walked by, whatever namespace they are in */

/* Whether a walk through some of a kind is better told where they are: spaces.c. */
static bool are_many(const ks_store *s, ks_kind kind) {
    return map_of(s, kind)->count > FEW && ks_kind_get(kind)->namespaced && !s->follows;
}

ks_walk ks_walk_kind(const ks_store *s, ks_kind kind, const ks_str *ns) {
    ks_walk walk = {.store = s, .mode = WALK_IDS, .kind = kind, .ns = ns};
    if (ns != NULL && are_many(s, kind)) {
        const ks_tree *ids;
        switch (ks_spaces__look(s, kind, ns, &ids, &walk.prefix)) {
        case KS_SPACES_ALL: break;
        case KS_SPACES_NONE: walk.ids = ks_ids_from(&s->by_id[kind], s->last_id + 1); return walk;
        case KS_SPACES_INDEXED:
            walk.mode = WALK_SPACE;
            walk.iter = ks_tree_from(ids, (ks_key){walk.prefix, 0});
            return walk;
        }
    }
    walk.ids = ks_ids_begin(map_of(s, kind));
    return walk;
}

ks_walk ks_walk_labelled(const ks_store *s, const ks_str *ns, const ks_pair *label) {
    uint64_t hash;
    const ks_tree *ids = are_many(s, KS_POD) ? ks_spaces__labelled(s, ns, label, &hash) : NULL;
    if (ids == NULL) return ks_walk_kind(s, KS_POD, ns);
    ks_walk walk = {.store = s, .mode = WALK_SPACE, .kind = KS_POD, .ns = ns, .prefix = hash};
    walk.iter = ks_tree_from(ids, (ks_key){hash, 0});
    return walk;
}

ks_walk ks_walk_created(const ks_store *s, ks_kind kind) { return ks_walk_kind(s, kind, NULL); }

ks_walk ks_walk_owned(const ks_store *s, const ks_str *owner_uid, ks_kind kind) {
    ks_walk walk = {.store = s, .mode = WALK_OWNED, .kind = kind, .text = owner_uid};
    walk.prefix = uid_key(owner_uid).a;
    walk.iter = ks_tree_from(&s->maps.by_owner, (ks_key){walk.prefix, 0});
    return walk;
}

ks_walk ks_walk_node(const ks_store *s, const ks_str *node) {
    ks_walk walk = {.store = s, .mode = WALK_NODE, .kind = KS_POD, .text = node};
    walk.prefix = node_hash(node);
    walk.iter = ks_tree_from(&s->maps.pods_by_node, (ks_key){walk.prefix, 0});
    return walk;
}

bool ks_is_owned(const ks_object *object, const ks_str *uid) {
    if (object->owner_uid != NULL && ks_str_eq(object->owner_uid, uid)) return true;
    ks_each(owner, object->owners) {
        if (ks_str_eq(ks_str_or_null(ks_get(*owner, K(uid))), uid)) return true;
    }
    return false;
}

/* Whether a look at the brief is enough to go by it. */
static bool passes_by(const ks_walk *walk, const ks_brief *brief) {
    if (walk->ns != NULL && !ks_str_eq(brief->type->ns(brief), walk->ns)) return true;
    return walk->passes != NULL && !walk->passes(walk->payload, brief);
}

static void fetch_header(const ks_object *object) {
    ks_fetch(object);
    ks_fetch(&object->name);
    ks_fetch(&object->created);
}

static void fetch_headers(void *const *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const ks_object *object = values[i];
        if (object == NULL || ks_version__is_brief(object)) continue;
        ks_fetch(&object->labels);
        ks_fetch(&object->name);
    }
}

static void fetch_labels(void *const *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const ks_object *object = values[i];
        if (object != NULL && !ks_version__is_brief(object) && object->labels.type == KS_MAP)
            ks_fetch(object->labels.m);
    }
}

enum { LEAVES_AHEAD = 4, HEADERS_AHEAD = 2, LABELS_AHEAD = 1 };

/* A walk over many objects waits for memory at each leaf of the map, at each header in it, and again at its labels. With each leaf
 * they are asked for that come some leaves later, one after the other, so that what each of them stands in is there by then. */
static void fetch_ahead(const ks_ids_iter *it) {
    ks_ids_fetch(it, LEAVES_AHEAD);
    void *const *values = NULL;
    uint32_t headers = ks_ids_coming(it, HEADERS_AHEAD, &values);
    fetch_headers(values, headers);
    uint32_t labels = ks_ids_coming(it, LABELS_AHEAD, &values);
    fetch_labels(values, labels);
}

/* An index says where its objects are, and nothing else of them: a walk over it waits for memory where their versions stand, and again at
 * their headers. The former are asked for together where entries of the index stand together, the headers some entries ahead. */
static void fetch_indexed(ks_walk *walk) {
    enum { AHEAD = 4 };
    const ks_key *keys;
    void *const *values;
    int n = ks_tree_beside(&walk->iter, &keys, &values), from = AHEAD;
    if (values != walk->beside) {
        from = 1;
        for (int i = 0; i < n && keys[i].a == walk->prefix; i++)
            ks_ids_ask(&walk->store->by_id[ks_store__kind_at(word(values[i]))],
                       ks_store__id_at(word(values[i])));
    }
    walk->beside = values + 1;
    for (int i = from; i <= AHEAD && i < n && keys[i].a == walk->prefix; i++) {
        uint64_t place = word(values[i]);
        const ks_object *o =
            ks_ids_get(&walk->store->by_id[ks_store__kind_at(place)], ks_store__id_at(place));
        if (o != NULL && !ks_version__is_brief(o)) fetch_header(o);
    }
}

/* The next one's version, of those in a namespace. */
static const void *next_in_space(ks_walk *walk) {
    while (ks_tree_next(&walk->iter) && walk->iter.key.a == walk->prefix) {
        fetch_indexed(walk);
        const void *version = ks_ids_get(&walk->store->by_id[walk->kind], walk->iter.key.b);
        if (version != NULL) return version;
    }
    return NULL;
}

/* What comes next: its version, or what an index says of it. */
static const void *next_of(ks_walk *walk) {
    if (walk->mode == WALK_SPACE) return next_in_space(walk);
    if (walk->mode != WALK_IDS) {
        if (!ks_tree_next(&walk->iter)) return NULL;
        fetch_indexed(walk);
        return walk->iter.value;
    }
    if (!ks_ids_next(&walk->ids)) return NULL;
    if (ks_ids_begins(&walk->ids)) fetch_ahead(&walk->ids);
    return walk->ids.value;
}

bool ks_walk_next(ks_walk *walk) {
    const void *next;
    while ((next = next_of(walk)) != NULL) {
        if (walk->mode >= WALK_OWNED && walk->iter.key.a != walk->prefix) return false;
        const ks_object *object = next;
        if (walk->mode >= WALK_OWNED) {
            object = resolve(walk->store, next);
        } else if (ks_version__is_brief(object)) {
            if (passes_by(walk, ks_version__brief(object))) continue;
            object = ks_version__object(walk->store->world, object);
        }
        if (walk->ns != NULL && object->ns != walk->ns) {
            if (!ks_str_eq(object->ns, walk->ns)) continue;
            walk->ns = object->ns; /* mostly the next one's, too */
        }
        if (walk->mode >= WALK_OWNED) {
            if (walk->kind != KS_NO_KIND && object->kind != walk->kind) continue;
            if (walk->mode == WALK_OWNED && !ks_is_owned(object, walk->text)) continue;
            if (walk->mode == WALK_NODE && !ks_str_eq(object->node, walk->text)) continue;
        }
        walk->object = object;
        return true;
    }
    return false;
}

/* --- lists --- */

/* By etcd's keys, "namespace/name": of "a" and "a-b" the second comes first. */
static int by_namespace(const ks_str *x, const ks_str *y) {
    uint32_t shared = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->s, y->s, shared);
    if (order != 0 || x->len == y->len) return order;
    return x->len < y->len ? '/' - y->s[shared] : x->s[shared] - '/';
}

static int by_name(const ks_object *x, const ks_object *y) {
    int order = x->ns == y->ns ? 0 : by_namespace(x->ns, y->ns);
    return order != 0 ? order : ks_str_cmp(x->name, y->name);
}

/* Merge sort of `n` objects, `spare` being room for as many. */
static void sort_objects(const ks_object **objects, const ks_object **spare, size_t n) {
    if (n < 2) return;
    size_t half = n / 2, l = 0, r = half;
    sort_objects(objects, spare, half);
    sort_objects(objects + half, spare, n - half);
    if (by_name(objects[half - 1], objects[half]) <= 0) return;
    memcpy(spare, objects, half * sizeof *spare);
    for (size_t out = 0; l < half; out++)
        objects[out] = r < n && by_name(objects[r], spare[l]) < 0 ? objects[r++] : spare[l++];
}

void ks_store_sort(ks_heap *heap, const ks_object **objects, size_t n) {
    const ks_object **spare = ks_alloc(heap, n * sizeof *spare);
    sort_objects(objects, spare, n);
    ks_free(heap, spare, n * sizeof *spare);
}

/* --- writing --- */

static void *counted(const ks_object *object) { return (void *)(uintptr_t)ks_object_ref(object); }

static void unindex_owners(ks_store *s, const ks_object *object) {
    ks_each(owner, object->owners) {
        const ks_str *uid = ks_str_or_null(ks_get(*owner, K(uid)));
        if (uid != NULL)
            ks_tree_del(s->world->heap, &s->maps.by_owner, (ks_key){uid_key(uid).a, object->id});
    }
}

/* Of what kind its owners are, if that is known of all of them: mostly there is one, the controller. */
static void note_owning(ks_store *s, const ks_object *object) {
    bool known = object->owner != 0 && ks_len(object->owners) == 1;
    s->owning |= known ? UINT64_C(1) << ks_store__kind_at(object->owner) : EVERY_KIND;
}

void ks_store_doubt_owners(ks_store *s) { s->owning = EVERY_KIND; }

static void index_owners(ks_store *s, const ks_object *object) {
    if (ks_len(object->owners) > 0) note_owning(s, object);
    ks_each(owner, object->owners) {
        const ks_str *uid = ks_str_or_null(ks_get(*owner, K(uid)));
        if (uid != NULL)
            ks_tree_put(s->world->heap, &s->maps.by_owner, (ks_key){uid_key(uid).a, object->id},
                        entry(object));
    }
}

static void index_new(ks_store *s, const ks_object *object) {
    ks_heap *heap = s->world->heap;
    if (object->kind != KS_EVENT) {
        ks_table_put(heap, &s->by_name, name_key(object->kind, object->ns, object->name),
                     entry(object));
        if (object->uid != NULL && !uid_can_wait(s, object))
            ks_table_put(heap, &s->by_uid, uid_key(object->uid), entry(object));
        ks_store__named_comes(s, object);
    }
    index_owners(s, object);
}

static void index_object(ks_store *s, const ks_object *object, const ks_object *old) {
    ks_heap *heap = s->world->heap;
    const ks_str *old_node = old == NULL ? NULL : old->node;
    if (old != NULL && object->kind == KS_POD && !ks_identical(object->labels, old->labels))
        ks_spaces__relabel(s, object, old);
    if (old == NULL) {
        index_new(s, object);
    } else if (!ks_identical(old->owners, object->owners) &&
               !ks_equal(old->owners, object->owners)) {
        unindex_owners(s, old);
        index_owners(s, object);
    }
    if (!ks_str_eq(old_node, object->node)) {
        if (old_node != NULL)
            ks_tree_del(heap, &s->maps.pods_by_node, (ks_key){node_hash(old_node), old->id});
        if (object->node != NULL)
            ks_tree_put(heap, &s->maps.pods_by_node, (ks_key){node_hash(object->node), object->id},
                        entry(object));
    }
    ks_store__index_named(s, object, old);
    if (object->kind == KS_PV) ks_store__note_free(s, object, old);
    put_version(s, object->kind, object->id, counted(object), old == NULL);
}

static void unindex_object(ks_store *s, const ks_object *object) {
    ks_heap *heap = s->world->heap;
    unindex_owners(s, object);
    ks_spaces__forget(s, object);
    ks_store__index_named(s, NULL, object);
    ks_store__named_goes(s, object);
    if (object->kind == KS_PV) ks_store__note_free(s, NULL, object);
    if (object->node != NULL)
        ks_tree_del(heap, &s->maps.pods_by_node, (ks_key){node_hash(object->node), object->id});
    if (object->kind == KS_EVENT) {
        ks_table_del(heap, &s->event_names, event_name_key(object->ns, object->name));
    } else {
        if (object->uid != NULL && !uid_can_wait(s, object))
            ks_table_del(heap, &s->by_uid, uid_key(object->uid));
        ks_table_del(heap, &s->by_name, name_key(object->kind, object->ns, object->name));
    }
    drop_version(s, object->kind, object->id);
}

void ks_store_ask_node(const ks_store *s, const ks_str *node, uint64_t pod) {
    ks_tree_ask(&s->maps.pods_by_node, (ks_key){node_hash(node), pod});
}

void ks_store_ask_leaving(const ks_store *s, const ks_object *object) {
    ks_table_ask(&s->by_name, name_key(object->kind, object->ns, object->name));
    if (object->owner_uid != NULL)
        ks_tree_ask(&s->maps.by_owner, (ks_key){uid_key(object->owner_uid).a, object->id});
    if (object->node != NULL) ks_store_ask_node(s, object->node, object->id);
}

/* Takes over a change, or a new brief. */
static inline void append_to_log(ks_store *s, const void *logged) {
    log_page *page = s->page;
    if (page == NULL || s->page_len == PAGE_LENGTH || page->len != s->page_len) page = turn_page(s);
    page->changes[page->len++] = logged;
    s->page_len = page->len;
}

/* Logs a change, with one reference: takes over the words `object` and `old`. */
static inline ks_change *log_change(ks_store *s, ks_change_type type, const void *object,
                                    const void *old) {
    ks_change *change = ks_alloc(s->world->heap, sizeof *change);
    *change = (ks_change){.refs = 1,
                          .type = type,
                          .version = s->version,
                          .at = s->world->now,
                          .object = object,
                          .old = old};
    append_to_log(s, change);
    return change;
}

/* Notes a write in the trace: its version needs no telling, since all writes come this way. Of one that adds an object its name follows, or
 * what stands for it; from then on the id says which it is. */
static void trace_write(ks_store *s, ks_change_type type, ks_kind kind, uint64_t id) {
    const uint64_t facts[] = {(uint64_t)type << 48 ^ ks_store__place_of(kind, id),
                              (uint64_t)s->world->now};
    ks_trace_words(s->world, facts, 2);
}

/* Logs a change of objects: takes over `object`, counts `old` up; a new reference. */
static const ks_change *log_objects(ks_store *s, ks_change_type type, const ks_object *object,
                                    const ks_object *old) {
    ks_change *change = log_change(s, type, object, ks_object_ref(old));
    trace_write(s, type, object->kind, object->id);
    if (type == KS_ADDED) ks_trace(s->world, object->name->s, object->name->len);
    change->refs++;
    return change;
}

ks_kind ks_object_owner_kind(const ks_object *object) {
    return object->owner != 0 ? ks_store__kind_at(object->owner) : KS_NO_KIND;
}

/* Where the object of that uid is, or 0: mostly the one that owns what was written before, too. */
static uint64_t place_of_owner(ks_store *s, const ks_str *uid) {
    const ks_object *owner = ks_store__resolve(s, s->last_owner);
    if (owner == NULL || !ks_str_eq(owner->uid, uid)) owner = ks_store_by_uid(s, uid);
    if (owner == NULL) return 0;
    return s->last_owner = ks_store__place(owner);
}

/* Owners are mostly there before what they own: found once, not at each look. */
static void note_owner(ks_store *s, ks_object *object, const ks_object *old) {
    if (object->owner_uid == NULL) return;
    bool known = old != NULL && old->owner != 0 && ks_str_eq(old->owner_uid, object->owner_uid);
    object->owner = known ? old->owner : place_of_owner(s, object->owner_uid);
    if (known && ks_identical(old->owners, object->owners)) {
        object->owner_agrees = old->owner_agrees;
        return;
    }
    const ks_object *owner = resolve(s, (const void *)(uintptr_t)object->owner);
    object->owner_agrees = owner != NULL && ks_str_eq(owner->uid, object->owner_uid) &&
                           is_called(object, owner) &&
                           ks_text_is(ks_get(controller_ref(object), K(apiVersion)),
                                      ks_kind_get(owner->kind)->api_version);
}

/* Puts a new version where it is found, and into the log. */
static const ks_change *write_version(ks_store *s, ks_object *object, const ks_object *old,
                                      uint32_t kin) {
    if (old == NULL) object->kin = kin;
    note_owner(s, object, old);
    ks_store__note_named(s, object, old);
    ks_object_ref(old); /* the maps may hold the last reference */
    index_object(s, object, old);
    const ks_change *change = log_objects(s, old == NULL ? KS_ADDED : KS_MODIFIED, object, old);
    ks_object_unref(s->world->heap, old);
    return change;
}

const ks_change *ks_store_write(ks_store *s, ks_kind kind, ks_val doc, const ks_object *old,
                                uint32_t kin) {
    uint64_t id = old != NULL ? old->id : ++s->last_id;
    const ks_object *object = ks_object__new(s->world, kind, doc, old, id, ++s->version);
    return write_version(s, (ks_object *)object, old, kin);
}

const ks_change *ks_store_write_parts(ks_store *s, ks_kind kind, ks_parts parts,
                                      const ks_object *old, uint32_t kin) {
    uint64_t id = old != NULL ? old->id : ++s->last_id;
    const ks_object *object = ks_object__of_parts(s->world, kind, parts, old, id, ++s->version);
    return write_version(s, (ks_object *)object, old, kin);
}

void ks_store_follow(ks_store *s, const ks_change *change) {
    const ks_object *object = change->object;
    const ks_object *old = ks_object_ref(ks_store_by_id(s, object->kind, object->id));
    if (change->type != KS_DELETED)
        index_object(s, object, old);
    else if (old != NULL)
        unindex_object(s, old);
    s->version = change->version;
    ks_object_unref(s->world->heap, old);
}

const ks_change *ks_store_delete(ks_store *s, const ks_object *object) {
    ks_object_ref(object);
    const ks_object *last = ks_object__again(s->world, object, ++s->version);
    ((ks_object *)last)->owner = object->owner;
    ((ks_object *)last)->owner_agrees = object->owner_agrees;
    unindex_object(s, object);
    const ks_change *change = log_objects(s, KS_DELETED, last, object);
    ks_object_unref(s->world->heap, object);
    return change;
}

void ks_store_write_brief(ks_store *s, ks_brief *brief, const ks_brief *old) {
    ks_kind kind = brief->type->kind;
    brief->id = old != NULL ? old->id : ++s->last_id;
    brief->version = ++s->version;
    void *now = ks_version__of_brief(brief);
    if (old == NULL) {
        append_to_log(s, now);
    } else {
        void *before = ks_version__of_brief(old);
        ks_version__ref(before);
        brief->refs++; /* one for the map, one for the log */
        put_version(s, kind, brief->id, now, false);
        log_change(s, KS_MODIFIED, now, before);
    }
    trace_write(s, old == NULL ? KS_ADDED : KS_MODIFIED, kind, brief->id);
    if (old != NULL) return;
    ks_key name = brief->type->key(brief);
    ks_trace_words(s->world, (const uint64_t[]){name.a, name.b}, 2);
}
