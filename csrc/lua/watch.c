/*
 * lua/watch.c - watches: the core takes notes of changes, and Lua is told when the core has
 * returned.
 *
 * So a watch sees the cluster at rest between two steps, and may change it. What it raises reaches
 * whoever made the call during which it was told; the rest of the queue is told with the next call.
 */
#include "lua/binding.h"

#include <string.h>

/* --- taking notes (inside the core) --- */

/* The core tells of what there are watches for. */
static void ask(ks_box *box) {
    uint64_t kinds = 0;
    for (size_t i = 0; i < box->watch_count; i++)
        kinds |=
            box->watches[i].kind == KS_NO_KIND ? KS_ALL_KINDS : KS_KIND_BIT(box->watches[i].kind);
    box->cluster->told_kinds = kinds;
}

void ks_lua_hear(void *payload, const ks_change *change) {
    ks_box *box = payload;
    if (box->last == box->queue_cap) {
        size_t cap = box->queue_cap == 0 ? 64 : box->queue_cap * 2;
        box->queue = ks_resize(box->cluster->heap, box->queue, box->queue_cap * sizeof *box->queue,
                               cap * sizeof *box->queue);
        box->queue_cap = cap;
    }
    box->queue[box->last++] = (ks_told){ks_change_ref(change), 0};
    box->stop = true;
}

void ks_lua_forget(ks_box *box, size_t from) {
    while (box->last > from) ks_change_unref(box->cluster->heap, box->queue[--box->last].change);
}

void ks_lua_watches_free(ks_box *box) {
    ks_heap *heap = box->cluster->heap;
    ks_lua_forget(box, box->first);
    ks_free(heap, box->queue, box->queue_cap * sizeof *box->queue);
    for (size_t i = 0; i < box->watch_count; i++) ks_filter_dispose(heap, &box->watches[i].filter);
    ks_free(heap, box->watches, box->watch_cap * sizeof *box->watches);
    box->queue = NULL;
    box->watches = NULL;
    box->first = box->last = box->queue_cap = box->watch_count = box->watch_cap = 0;
}

/* --- telling --- */

/* What a change is to someone who sees only what the filter lets through. */
typedef enum news { NO_NEWS, NEWS_ADDED, NEWS_MODIFIED, NEWS_DELETED } news;

static news what_for(const ks_watch *watch, const ks_change *change) {
    bool after = change->type != KS_DELETED && ks_filter_matches(&watch->filter, change->object);
    bool before = change->type == KS_DELETED ? ks_filter_matches(&watch->filter, change->object)
                  : change->old != NULL      ? ks_filter_matches(&watch->filter, change->old)
                                             : false;
    if (after) return before ? NEWS_MODIFIED : NEWS_ADDED;
    return before ? NEWS_DELETED : NO_NEWS;
}

static const char *const words[] = {"", "ADDED", "MODIFIED", "DELETED"};

typedef struct documents {
    const ks_change *change;
    ks_kind kind;
    ks_result *result;
} documents;

static bool make_documents(ks_cluster *cluster, void *arg) {
    documents *d = arg;
    d->result->value = ks_object_doc(cluster->heap, d->change->object);
    if (d->change->old != NULL) d->result->more = ks_object_doc(cluster->heap, d->change->old);
    return true;
}

/* Pushes what a watch of one kind is told: the object, the one before. */
static int push_documents(lua_State *L, ks_box *box, const ks_change *change, ks_result *result) {
    documents d = {.change = change, .result = result};
    ks_lua_call(L, box, KS_LOOK, result, make_documents, &d);
    ks_lua_push(L, result->value);
    ks_lua_push(L, result->more);
    ks_lua_release(result);
    return 2;
}

/* Pushes what a watch of everything is told: kind, namespace or nil, name. */
static int push_names(lua_State *L, const ks_object *object) {
    lua_pushstring(L, ks_kind_get(object->kind)->name);
    if (object->ns != NULL)
        lua_pushlstring(L, object->ns->s, object->ns->len);
    else
        lua_pushnil(L);
    lua_pushlstring(L, object->name->s, object->name->len);
    return 3;
}

static bool make_bookmark(ks_cluster *cluster, void *arg) {
    documents *d = arg;
    ks_heap *heap = cluster->heap;
    const ks_kind_info *info = ks_kind_get(d->kind);
    ks_val version =
        ks_format(heap, "%llu", (unsigned long long)cluster->sim->server.store.version);
    d->result->value = ks_map_of(heap, K(apiVersion), ks_text(heap, info->api_version), K(kind),
                                 ks_text(heap, info->name), K(metadata),
                                 ks_map_of(heap, K(resourceVersion), version, NULL), NULL);
    return true;
}

/* Pushes an object that has nothing but the version up to which all has been told. */
static int push_bookmark(lua_State *L, ks_box *box, ks_kind kind, ks_result *result) {
    documents d = {.kind = kind, .result = result};
    ks_lua_call(L, box, KS_LOOK, result, make_bookmark, &d);
    ks_lua_push(L, result->value);
    ks_lua_release(result);
    return 1;
}

/* Calls a watch's function; `change` NULL: with a bookmark. */
static void call_watch(lua_State *L, ks_box *box, const ks_watch *watch, const char *word,
                       const ks_change *change) {
    int top = lua_gettop(L);
    ks_result *result = ks_lua_result(L, box);
    ks_kind kind = watch->kind;
    lua_getiuservalue(L, 1, KS_BOX_WATCHES);
    if (lua_rawgeti(L, -1, watch->id) == LUA_TFUNCTION) {
        lua_pushstring(L, word);
        int more = change == NULL       ? push_bookmark(L, box, kind, result)
                   : kind == KS_NO_KIND ? push_names(L, change->object)
                                        : push_documents(L, box, change, result);
        box->telling = true;
        int err = lua_pcall(L, 1 + more, 0, 0);
        box->telling = false;
        if (err != LUA_OK) lua_error(L);
    }
    ks_lua_release(result);
    lua_settop(L, top);
}

/* The next watch that has to hear of this entry, or NULL. */
static const ks_watch *next_watch(const ks_box *box, const ks_told *told, news *n) {
    for (size_t i = 0; i < box->watch_count; i++) {
        const ks_watch *watch = &box->watches[i];
        if (watch->id <= told->heard) continue;
        if (watch->kind != KS_NO_KIND && watch->kind != told->change->object->kind) continue;
        if (told->change->version <= watch->since) continue;
        *n = what_for(watch, told->change);
        if (*n != NO_NEWS) return watch;
    }
    return NULL;
}

/* --- bookmarks: pkg/storage/cacher/cacher.go, about once a minute --- */

enum { BOOKMARK_MINUTE = 60 };

/* Whoever asked for bookmarks gets one when a minute has passed since the last. */
static void tell_bookmarks(lua_State *L, ks_box *box) {
    for (size_t i = 0; i < box->watch_count; i++) {
        ks_watch *watch = &box->watches[i];
        int64_t now = box->cluster->sim->world.now;
        if (watch->bookmark > now) continue;
        watch->bookmark = now + BOOKMARK_MINUTE * KS_SECOND;
        call_watch(L, box, watch, "BOOKMARK", NULL);
    }
}

void ks_lua_tell(lua_State *L, ks_box *box) {
    if (box->telling || box->working > 0) return;
    while (box->first < box->last) {
        ks_told *told = &box->queue[box->first];
        news n = NO_NEWS;
        const ks_watch *watch = next_watch(box, told, &n);
        if (watch == NULL) {
            ks_change_unref(box->cluster->heap, told->change);
            box->first++;
            continue;
        }
        told->heard = watch->id;
        call_watch(L, box, watch, words[n], told->change);
    }
    box->first = box->last = 0;
    box->stop = false;
    tell_bookmarks(L, box);
}

/* --- adding and ending watches --- */

typedef struct request {
    lua_State *L;
    ks_box *box;
    ks_result *result;
    ks_kind kind;
    bool bookmarks;
} request;

static bool add_watch(ks_cluster *cluster, void *arg) {
    request *q = arg;
    ks_box *box = q->box;
    size_t labels_len = 0, fields_len = 0;
    const char *labels = lua_tolstring(q->L, 5, &labels_len);
    const char *fields = lua_tolstring(q->L, 6, &fields_len);
    const ks_str *ns = ks_lua_string(q->L, 4, cluster->heap);
    ks_filter filter;
    q->result->refusal =
        ks_filter_make(cluster->heap, q->kind, ns, labels, labels_len, fields, fields_len, &filter);
    ks_str_unref(cluster->heap, ns);
    if (q->result->refusal != NULL) return false;
    if (box->watch_count == box->watch_cap) {
        size_t cap = box->watch_cap == 0 ? 4 : box->watch_cap * 2;
        box->watches = ks_resize(cluster->heap, box->watches, box->watch_cap * sizeof *box->watches,
                                 cap * sizeof *box->watches);
        box->watch_cap = cap;
    }
    box->watches[box->watch_count++] = (ks_watch){
        .id = ++box->last_watch,
        .kind = q->kind,
        .since = cluster->sim->server.store.version,
        .bookmark = q->bookmarks ? cluster->sim->world.now + BOOKMARK_MINUTE * KS_SECOND : KS_NEVER,
        .filter = filter};
    return true;
}

/* --- what has happened since a version --- */

static bool list_changes(ks_cluster *cluster, void *arg) {
    request *q = arg;
    ks_heap *heap = cluster->heap;
    const ks_store *store = &cluster->sim->server.store;
    size_t labels_len = 0, fields_len = 0;
    const char *labels = lua_tolstring(q->L, 4, &labels_len);
    const char *fields = lua_tolstring(q->L, 5, &fields_len);
    uint64_t version = (uint64_t)lua_tointeger(q->L, 6);
    const ks_str *ns = ks_lua_string(q->L, 3, heap);
    ks_watch watch = {.kind = q->kind};
    const ks_change *change;
    q->result->refusal =
        ks_filter_make(heap, q->kind, ns, labels, labels_len, fields, fields_len, &watch.filter);
    ks_str_unref(heap, ns);
    if (q->result->refusal != NULL) return true;
    if (!ks_store_since(store, q->kind, version, &change)) {
        q->result->refusal =
            ks_refuse(heap, 410, "Expired", "too old resource version: %llu (%llu)",
                      (unsigned long long)version, (unsigned long long)store->compacted);
    } else {
        q->result->value = ks_list_new(heap, 8);
        for (; change != NULL; ks_store_since(store, q->kind, change->version, &change)) {
            news n = what_for(&watch, change);
            if (n == NO_NEWS) continue;
            ks_val old = change->old != NULL ? ks_object_doc(heap, change->old) : KS_NOTHING;
            q->result->value =
                ks_append(heap, q->result->value,
                          ks_map_of(heap, K(type), ks_text(heap, words[n]), K(object),
                                    ks_object_doc(heap, change->object), K(old), old, NULL));
        }
    }
    ks_filter_dispose(heap, &watch.filter);
    return true;
}

/* history(self, kind, namespace|nil, labels|nil, fields|nil, version) -> list of {type, object,
 * old} */
int ks_lua_history(lua_State *L) {
    ks_box *box = ks_lua_idle_box(L);
    size_t len;
    const char *name = luaL_checklstring(L, 2, &len);
    luaL_optstring(L, 3, NULL);
    luaL_optstring(L, 4, NULL);
    luaL_optstring(L, 5, NULL);
    luaL_checkinteger(L, 6);
    request q = {.L = L, .box = box, .kind = ks_kind_by_name(name, len)};
    luaL_argcheck(L, q.kind != KS_NO_KIND, 2, "no such kind");
    q.result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, q.result, list_changes, &q);
    ks_lua_push(L, q.result->value);
    ks_lua_release(q.result);
    return 1;
}

/* watch(self, fn, kind, namespace|nil, labels|nil, fields|nil, bookmarks) -> id; kind "*": everything, by
 * name alone */
int ks_lua_watch(lua_State *L) {
    ks_box *box = ks_lua_idle_box(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    size_t len;
    const char *name = luaL_checklstring(L, 3, &len);
    luaL_optstring(L, 4, NULL);
    luaL_optstring(L, 5, NULL);
    luaL_optstring(L, 6, NULL);
    lua_settop(L, 7);
    bool everything = strcmp(name, "*") == 0;
    request q = {.L = L,
                 .box = box,
                 .kind = everything ? KS_NO_KIND : ks_kind_by_name(name, len),
                 .bookmarks = lua_toboolean(L, 7) && !everything};
    luaL_argcheck(L, everything || q.kind != KS_NO_KIND, 3, "no such kind");
    lua_getiuservalue(L, 1, KS_BOX_WATCHES);
    q.result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, q.result, add_watch, &q);
    ks_lua_release(q.result);
    lua_pushvalue(L, 2);
    lua_rawseti(L, 8, box->last_watch);
    ask(box);
    lua_pushinteger(L, box->last_watch);
    return 1;
}

/* unwatch(self, id) */
int ks_lua_unwatch(lua_State *L) {
    ks_box *box = luaL_checkudata(L, 1, KS_BOX_TYPE);
    lua_Integer id = luaL_checkinteger(L, 2);
    if (box->cluster == NULL) return 0;
    lua_getiuservalue(L, 1, KS_BOX_WATCHES);
    lua_pushnil(L);
    lua_rawseti(L, -2, id);
    for (size_t i = 0; i < box->watch_count; i++) {
        if (box->watches[i].id != id) continue;
        ks_filter_dispose(box->cluster->heap, &box->watches[i].filter);
        memmove(&box->watches[i], &box->watches[i + 1],
                (box->watch_count - i - 1) * sizeof *box->watches);
        box->watch_count--;
        break;
    }
    ask(box);
    return 0;
}
