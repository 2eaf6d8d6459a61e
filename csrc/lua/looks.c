/*
 * lua/looks.c - looking at a cluster: get, list, count, events, kinds. Nothing is changed, so
 * policies may look too.
 */
#include "lua/binding.h"

#include "cluster/list.h"

#include "scheduler/scheduler.h"

#include <string.h>

typedef struct looking {
    lua_State *L;
    ks_result *result;
    ks_kind kind;
    int64_t count;
    bool build; /* build the objects, or only count them */
} looking;

static ks_kind check_kind(lua_State *L, int index) {
    size_t len;
    const char *name = luaL_checklstring(L, index, &len);
    ks_kind kind = ks_kind_by_name(name, len);
    luaL_argcheck(L, kind != KS_NO_KIND, index, "no such kind");
    return kind;
}

/* --- get --- */

static bool do_get(ks_cluster *cluster, void *arg) {
    looking *k = arg;
    ks_heap *heap = cluster->heap;
    const ks_str *ns = ks_kind_get(k->kind)->namespaced ? ks_lua_string(k->L, 3, heap) : NULL;
    const ks_str *name = ks_lua_string(k->L, 4, heap);
    const ks_object *object = ks_store_get(&cluster->sim->server.store, k->kind, ns, name);
    if (object != NULL) k->result->value = ks_object_doc(heap, object);
    ks_str_unref(heap, ns);
    ks_str_unref(heap, name);
    return true;
}

/* get(self, kind, namespace, name, viewed) -> object | nil; `viewed`: as a view */
static int look_get(lua_State *L) {
    ks_box *box = ks_lua_box(L);
    looking k = {.L = L, .kind = check_kind(L, 2)};
    luaL_checkstring(L, 3);
    luaL_checkstring(L, 4);
    lua_settop(L, 5);
    k.result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, k.result, do_get, &k);
    if (lua_toboolean(L, 5)) {
        ks_lua_push_view(L, k.result->value, -1);
        return 1;
    }
    ks_lua_push(L, k.result->value);
    ks_lua_release(k.result);
    return 1;
}

/* --- list, count --- */

typedef struct counting {
    const ks_filter *filter;
    int64_t count;
} counting;

/* Counts briefs where they lie; true: it takes the object to tell. */
static bool count_brief(void *payload, const ks_brief *brief) {
    counting *c = payload;
    ks_verdict verdict = ks_filter_brief(c->filter, brief);
    c->count += verdict == KS_MATCHES;
    return verdict == KS_MAY_MATCH;
}

static int64_t count_matches(const ks_store *store, ks_kind kind, const ks_filter *filter) {
    counting briefs = {.filter = filter};
    int64_t count = 0;
    if (filter->ns == NULL && filter->labels == NULL && !ks_exists(filter->fields))
        return (int64_t)ks_store_count(store, kind);
    /* Labels are mostly shared, by the pods of a set: the very same ones are matched once. */
    bool by_labels = !ks_exists(filter->fields), last = false;
    const ks_map *last_labels = NULL;
    ks_walk w = ks_walk_kind(store, kind, filter->ns);
    w.passes = count_brief;
    w.payload = &briefs;
    while (ks_walk_next(&w)) {
        const ks_map *labels =
            by_labels && ks_is(w.object->labels, KS_MAP) ? w.object->labels.m : NULL;
        if (!by_labels)
            last = ks_filter_matches(filter, w.object);
        else if (labels == NULL || labels != last_labels)
            last = filter->labels == NULL || ks_selector_matches(filter->labels, w.object->labels);
        last_labels = labels;
        count += last;
    }
    return count + briefs.count;
}

static bool do_list(ks_cluster *cluster, void *arg) {
    looking *k = arg;
    lua_State *L = k->L;
    ks_heap *heap = cluster->heap;
    const ks_store *store = &cluster->sim->server.store;
    size_t labels_len = 0, fields_len = 0;
    const char *labels = lua_tolstring(L, 4, &labels_len);
    const char *fields = lua_tolstring(L, 5, &fields_len);
    const ks_str *ns = ks_kind_get(k->kind)->namespaced ? ks_lua_string(L, 3, heap) : NULL;
    ks_filter filter;
    k->result->refusal =
        ks_filter_make(heap, k->kind, ns, labels, labels_len, fields, fields_len, &filter);
    if (k->result->refusal == NULL) {
        if (k->build) {
            ks_list_opts opts = {.limit = lua_tointeger(L, 6),
                                 .version = lua_tostring(L, 8),
                                 .exact = lua_toboolean(L, 9)};
            opts.token = lua_tolstring(L, 7, &opts.token_len);
            k->result->refusal = ks_cluster_list(store, k->kind, &filter, &opts, &k->result->value,
                                                 &k->result->more);
        } else {
            k->count = count_matches(store, k->kind, &filter);
        }
        ks_filter_dispose(heap, &filter);
    }
    ks_str_unref(heap, ns);
    return true;
}

static void run_list(lua_State *L, looking *k) {
    ks_box *box = ks_lua_box(L);
    k->L = L;
    k->kind = check_kind(L, 2);
    luaL_optstring(L, 3, NULL);
    luaL_optstring(L, 4, NULL);
    luaL_optstring(L, 5, NULL);
    luaL_optinteger(L, 6, 0);
    luaL_optstring(L, 7, NULL);
    luaL_optstring(L, 8, NULL);
    lua_settop(L, 10);
    k->result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, k->result, do_list, k);
}

/* list(self, kind, namespace|nil, labels|nil, fields|nil, limit|nil, continue|nil, version|nil,
 * exact, viewed) -> objects by namespace and name, metadata; `viewed`: as views (lua/views.c), without the metadata */
static int look_list(lua_State *L) {
    looking k = {.build = true};
    run_list(L, &k);
    if (lua_toboolean(L, 10)) {
        ks_lua_push_views(L, k.result->value, -1);
        return 1;
    }
    ks_lua_push(L, k.result->value);
    lua_pushnil(L);
    lua_setmetatable(L, -2); /* an empty answer is a plain table too */
    bool paged = !lua_isnil(L, 6) || !lua_isnil(L, 7) || !lua_isnil(L, 8);
    if (paged) ks_lua_push(L, k.result->more);
    ks_lua_release(k.result);
    return paged ? 2 : 1;
}

/* count(self, kind, namespace|nil, labels|nil, fields|nil) -> integer */
static int look_count(lua_State *L) {
    looking k = {.build = false};
    run_list(L, &k);
    lua_pushinteger(L, k.count);
    return 1;
}

/* --- events --- */

static bool text_is(lua_State *L, int index, ks_val v) {
    return lua_isnil(L, index) || ks_text_is(v, lua_tostring(L, index));
}

static bool event_fits(const looking *k, const ks_object *event) {
    lua_State *L = k->L;
    ks_val about = ks_get(ks_doc(event), K(involvedObject));
    if (!lua_isnil(L, 3) && !ks_text_is(ks_get(about, K(kind)), ks_kind_get(k->kind)->name))
        return false;
    if (!lua_isnil(L, 2) && !ks_str_is(event->ns, lua_tostring(L, 2))) return false;
    return text_is(L, 4, ks_get(about, K(name))) &&
           text_is(L, 5, ks_get(ks_doc(event), K(reason))) &&
           text_is(L, 6, ks_get(ks_doc(event), K(type)));
}

/* Whether it may fit: recorded Events tell without their documents. */
static bool brief_fits(void *payload, const ks_brief *brief) {
    static const char *const paths[] = {"metadata.namespace", "involvedObject.kind",
                                        "involvedObject.name", "reason", "type"};
    const looking *k = payload;
    for (int i = 0; i < 5; i++) {
        if (lua_isnil(k->L, i + 2)) continue;
        const char *wanted = i == 1 ? ks_kind_get(k->kind)->name : lua_tostring(k->L, i + 2);
        const char *is = brief->type->field(brief, paths[i]);
        if (is != NULL && strcmp(is, wanted) != 0) return false;
    }
    return true;
}

static bool do_events(ks_cluster *cluster, void *arg) {
    looking *k = arg;
    ks_val list = ks_list_new(cluster->heap, 8);
    ks_walk w = ks_walk_created(&cluster->sim->server.store, KS_EVENT);
    w.passes = brief_fits;
    w.payload = k;
    while (ks_walk_next(&w))
        if (event_fits(k, w.object))
            list = ks_append(cluster->heap, list, ks_object_doc(cluster->heap, w.object));
    k->result->value = list;
    return true;
}

/* events(self, namespace|nil, kind|nil, name|nil, reason|nil, type|nil) -> Events, oldest first */
static int look_events(lua_State *L) {
    ks_box *box = ks_lua_box(L);
    looking k = {.L = L, .kind = KS_NO_KIND};
    for (int i = 2; i <= 6; i++) luaL_optstring(L, i, NULL);
    lua_settop(L, 6);
    if (!lua_isnil(L, 3)) k.kind = check_kind(L, 3);
    k.result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, k.result, do_events, &k);
    ks_lua_push(L, k.result->value);
    lua_pushnil(L);
    lua_setmetatable(L, -2);
    ks_lua_release(k.result);
    return 1;
}

/* --- the log of changes --- */

static ks_val ready_or_null(const ks_cluster *cluster, const ks_object *object) {
    static const ks_condition ready = {.what = KS_WAIT_READY};
    return ks_bool(object != NULL && ks_cluster_meets(cluster, &ready, object));
}

static ks_val change_entry(ks_cluster *cluster, const ks_change *change) {
    static const char *const words[] = {"ADDED", "MODIFIED", "DELETED"};
    ks_heap *heap = cluster->heap;
    ks_val entry = ks_list_new(heap, 7);
    entry = ks_append(heap, entry, ks_text(heap, words[change->type]));
    entry = ks_append(heap, entry, ks_int((int64_t)change->version));
    entry = ks_append(heap, entry, ks_int(change->at));
    entry = ks_append(heap, entry, ks_object_doc(heap, change->object));
    entry = ks_append(heap, entry, ready_or_null(cluster, change->object));
    entry = ks_append(heap, entry, ready_or_null(cluster, change->old));
    if (change->old != NULL) entry = ks_append(heap, entry, ks_object_doc(heap, change->old));
    return entry;
}

static bool do_changes(ks_cluster *cluster, void *arg) {
    looking *k = arg;
    const ks_store *store = &cluster->sim->server.store;
    uint64_t after = (uint64_t)lua_tointeger(k->L, 2);
    if (after < store->compacted) after = store->compacted;
    const ks_change *change;
    k->result->value = ks_list_new(cluster->heap, 8);
    for (; ks_store_since(store, k->kind, after, &change) && change != NULL;
         after = change->version) {
        const ks_object *object = change->object;
        if (!lua_isnil(k->L, 4) &&
            (object->ns == NULL || !ks_str_is(object->ns, lua_tostring(k->L, 4))))
            continue;
        if (!lua_isnil(k->L, 5) && !ks_str_is(object->name, lua_tostring(k->L, 5))) continue;
        k->result->value =
            ks_append(cluster->heap, k->result->value, change_entry(cluster, change));
    }
    return true;
}

/* changes(self, version, kind, namespace|nil, name|nil) -> what happened after that version, as far as the log goes back:
 * list of {type, version, instant, object, ready, was ready, old or nothing} */
static int look_changes(lua_State *L) {
    ks_box *box = ks_lua_box(L);
    looking k = {.L = L, .kind = check_kind(L, 3)};
    luaL_argcheck(L, luaL_checkinteger(L, 2) >= 0, 2, "a version");
    luaL_optstring(L, 4, NULL);
    luaL_optstring(L, 5, NULL);
    lua_settop(L, 5);
    k.result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, k.result, do_changes, &k);
    ks_lua_push(L, k.result->value);
    ks_lua_release(k.result);
    return 1;
}

/* version(self) -> of the last write, and up to which the log is no longer kept */
static int look_version(lua_State *L) {
    const ks_store *store = &ks_lua_box(L)->cluster->sim->server.store;
    lua_pushinteger(L, (lua_Integer)store->version);
    lua_pushinteger(L, (lua_Integer)store->compacted);
    return 2;
}

/* --- the scheduler's last look --- */

static bool do_placement(ks_cluster *cluster, void *arg) {
    looking *k = arg;
    ks_heap *heap = cluster->heap;
    const ks_str *ns = ks_lua_string(k->L, 2, heap), *name = ks_lua_string(k->L, 3, heap);
    const ks_object *pod = ks_store_get(&cluster->sim->server.store, KS_POD, ns, name);
    if (pod == NULL)
        k->result->refusal = ks_refuse_not_found(heap, KS_POD, name);
    else
        k->result->value = ks_scheduler_placement(cluster->sim, pod);
    ks_str_unref(heap, ns);
    ks_str_unref(heap, name);
    return true;
}

/* placement(self, namespace, pod) -> table | nil */
static int look_placement(lua_State *L) {
    ks_box *box = ks_lua_box(L);
    looking k = {.L = L};
    luaL_checkstring(L, 2);
    luaL_checkstring(L, 3);
    k.result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, k.result, do_placement, &k);
    ks_lua_push(L, k.result->value);
    ks_lua_release(k.result);
    return 1;
}

/* --- kinds --- */

static void push_kind(lua_State *L, const ks_kind_info *info) {
    lua_createtable(L, 0, 11);
#define TEXT(name, value)                                                                          \
    lua_pushstring(L, value);                                                                      \
    lua_setfield(L, -2, name)
    TEXT("kind", info->name);
    TEXT("group", info->group);
    TEXT("version", info->version);
    TEXT("api_version", info->api_version);
    TEXT("plural", info->plural);
    TEXT("singular", info->singular);
#undef TEXT
    lua_pushboolean(L, info->namespaced);
    lua_setfield(L, -2, "namespaced");
    lua_pushboolean(L, info->has_scale);
    lua_setfield(L, -2, "scalable");
    lua_pushboolean(L, info->has_status);
    lua_setfield(L, -2, "has_status");
    lua_pushstring(L, ks_type_name(info->type));
    lua_setfield(L, -2, "type");
    lua_newtable(L);
    for (int i = 0; info->short_names[i] != NULL; i++) {
        lua_pushstring(L, info->short_names[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "short_names");
}

/* kind(self, name) -> {kind, group, version, api_version, plural, singular, short_names,
 * namespaced, scalable, has_status, type} | nil */
static int look_kind(lua_State *L) {
    size_t len;
    ks_lua_box(L);
    const char *name = luaL_checklstring(L, 2, &len);
    ks_kind kind = ks_kind_by_name(name, len);
    if (kind == KS_NO_KIND) return 0;
    push_kind(L, ks_kind_get(kind));
    return 1;
}

/* kind_of(self, apiVersion, kind) -> the same by what stands in a manifest, letter for letter */
static int look_kind_of(lua_State *L) {
    size_t version_len, kind_len;
    ks_lua_box(L);
    const char *version = luaL_checklstring(L, 2, &version_len);
    const char *name = luaL_checklstring(L, 3, &kind_len);
    bool whole = strlen(version) == version_len && strlen(name) == kind_len;
    ks_kind kind = whole ? ks_kind_by_gvk(version, name) : KS_NO_KIND;
    if (kind == KS_NO_KIND) return 0;
    push_kind(L, ks_kind_get(kind));
    return 1;
}

/* kinds(self) -> list of them */
static int look_kinds(lua_State *L) {
    ks_lua_box(L);
    lua_createtable(L, KS_KIND_COUNT, 0);
    for (int i = 0; i < KS_KIND_COUNT; i++) {
        push_kind(L, ks_kind_get((ks_kind)i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* release(self) -> "v1.36.2" */
static int look_release(lua_State *L) {
    lua_pushstring(L, ks_release_name(&ks_lua_box(L)->cluster->sim->server.rules));
    return 1;
}

const luaL_Reg ks_lua_looks[] = {
    {"get", look_get},         {"list", look_list},           {"count", look_count},
    {"events", look_events},   {"placement", look_placement}, {"kind", look_kind},
    {"kind_of", look_kind_of}, {"changes", look_changes},     {"version", look_version},
    {"kinds", look_kinds},     {"release", look_release},     {NULL, NULL}};
