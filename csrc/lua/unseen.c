/*
 * lua/unseen.c - what writes return: the object as a table that is filled when somebody looks at it.
 *
 * Most callers of patch() or apply() throw away what comes back, and a Pod as a table costs more than the write itself. So the
 * table is empty at first; its metatable fills it from the object's version, which is immutable, and then takes itself away: from
 * there on it is an ordinary table. Only what reads tables raw (next, rawget) can tell. The way from such a table to its version is
 * one weak table in the registry, so that the metatable is one for all, and a copy of it belongs to nothing.
 *
 * The weak table has a number for each of them: of a place in the keeper, which holds the versions. A table that is collected leaves the
 * weak table; which places are free therefore is found out once in a collection, by a sentinel that each collection finds to be garbage.
 * So what nobody looks at costs a table and no finalizer.
 */
#include "lua/binding.h"

#include <string.h>

#define UNSEEN_TYPE   "kubesim.unseen"   /* metatable of the tables */
#define KEEPER_TYPE   "kubesim.keeper"   /* metatable of what keeps their versions */
#define SENTINEL_TYPE "kubesim.sentinel" /* and of what tells it of collections */
#define OWNER_TYPE    "kubesim.version"  /* of what views of such tables hold on to */

/* Their addresses are where these things stand in the registry. */
static const char versions_key, keeper_key, unseen_key;

/* A version and the heap that it lives in: a closed cluster's objects can still be looked at. */
typedef struct version {
    ks_heap *heap; /* NULL: the place is free */
    const ks_object *object;
    size_t next;  /* of a free place: the next one, or 0 */
    bool is_kept; /* while free places are looked for */
} version;

/* The places count from 1; they stand in a userdata that is the keeper's user value. */
typedef struct keeper {
    version *places;
    size_t len, cap, free; /* how many have been used, there are; the first free one, or 0 */
    bool watched;          /* there is a sentinel */
} keeper;

enum { FIRST_PLACES = 32 };

static void release(keeper *k, size_t place) {
    version *v = &k->places[place - 1];
    if (v->heap == NULL) return;
    ks_object_unref(v->heap, v->object);
    ks_heap_unref(v->heap);
    v->heap = NULL;
    v->next = k->free;
    k->free = place;
}

static int keeper_gc(lua_State *L) {
    keeper *k = luaL_checkudata(L, 1, KEEPER_TYPE);
    for (size_t place = 1; place <= k->len; place++) release(k, place);
    k->len = k->cap = k->free = 0;
    return 0;
}

static keeper *keeper_of(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &keeper_key);
    keeper *k = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return k;
}

static void watch(lua_State *L, keeper *k) {
    lua_newuserdatauv(L, 0, 0);
    luaL_setmetatable(L, SENTINEL_TYPE);
    lua_pop(L, 1);
    k->watched = true;
}

/* A collection has been: what is in the weak table no more is not kept any longer. */
static int sentinel_gc(lua_State *L) {
    keeper *k = keeper_of(L);
    bool any = false;
    if (k == NULL) return 0;
    k->watched = false;
    for (size_t i = 0; i < k->len; i++) k->places[i].is_kept = false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &versions_key);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        size_t place = (size_t)lua_tointeger(L, -1);
        if (place <= k->len) any = k->places[place - 1].is_kept = true;
    }
    for (size_t place = 1; place <= k->len; place++)
        if (!k->places[place - 1].is_kept) release(k, place);
    if (any) watch(L, k);
    return 0;
}

/* A place that is free. May raise. */
static size_t free_place(lua_State *L, keeper *k) {
    if (!k->watched) watch(L, k);
    if (k->free == 0 && k->len == k->cap) {
        size_t cap = k->cap == 0 ? FIRST_PLACES : k->cap * 2;
        lua_rawgetp(L, LUA_REGISTRYINDEX, &keeper_key);
        version *places = lua_newuserdatauv(L, cap * sizeof *places, 0);
        if (k->len > 0) memcpy(places, k->places, k->len * sizeof *places);
        lua_setiuservalue(L, -2, 1);
        lua_pop(L, 1);
        k->places = places;
        k->cap = cap;
    }
    /* a collection in between may have freed one */
    return k->free != 0 ? k->free : k->len + 1;
}

static void keep(keeper *k, size_t place, ks_heap *heap, const ks_object *object) {
    version *v = &k->places[place - 1];
    if (place > k->len)
        k->len = place;
    else
        k->free = v->next;
    *v = (version){.heap = ks_heap_ref(heap), .object = ks_object_ref(object)};
}

/* --- for C that reads tables raw --- */

static bool is_unseen(lua_State *L, int index) {
    if (!lua_getmetatable(L, index)) return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &unseen_key);
    bool unseen = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return unseen;
}

/* The place of its version; 0: somebody has copied the metatable. */
static size_t place_of(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &versions_key);
    lua_pushvalue(L, index);
    lua_rawget(L, -2);
    size_t place = (size_t)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return place;
}

static const version *version_at(lua_State *L, size_t place) {
    const keeper *k = keeper_of(L);
    if (place == 0 || place > k->len) return NULL; /* the state may be closing */
    return k->places[place - 1].heap != NULL ? &k->places[place - 1] : NULL;
}

bool ks_lua_read_unseen(lua_State *L, int index, ks_heap *heap, ks_val *out) {
    if (!is_unseen(L, index)) return false;
    const version *v = version_at(L, place_of(L, index));
    if (v == NULL) return false;
    if (v->heap == heap) {
        *out = ks_object_doc(heap, v->object);
        return true;
    }
    ks_doc_room room;
    *out = ks_copy(heap, ks_doc_look(v->object, &room));
    if (v->object->version != 0)
        *out = ks_put2(heap, *out, K(metadata), K(resourceVersion),
                       ks_format(heap, "%llu", (unsigned long long)v->object->version));
    return true;
}

/* What a view holds on to: it may outlive the table. */
typedef struct owner {
    ks_heap *heap;
    const ks_object *object;
} owner;

static int owner_gc(lua_State *L) {
    owner *o = luaL_checkudata(L, 1, OWNER_TYPE);
    if (o->heap == NULL) return 0;
    ks_object_unref(o->heap, o->object);
    ks_heap_unref(o->heap);
    o->heap = NULL;
    return 0;
}

static void push_owner(lua_State *L, const version *v) {
    ks_heap *heap = v->heap;
    const ks_object *object = v->object;
    owner *o = lua_newuserdatauv(L, sizeof *o, 0);
    *o = (owner){NULL, NULL};
    luaL_setmetatable(L, OWNER_TYPE);
    *o = (owner){ks_heap_ref(heap), ks_object_ref(object)};
}

/* The whole document of a version; KS_NOTHING: there is no memory for it. */
static ks_val whole_of(const version *v) {
    ks_guard guard;
    if (KS_GUARD_ENTER(v->heap, &guard) != KS_OK) return KS_NOTHING;
    ks_val doc = ks_doc(v->object);
    ks_guard_leave(v->heap, &guard);
    return doc;
}

/* view(value): the object of a table that nobody has looked at, as a view; it lacks metadata.resourceVersion. Anything else is
 * itself. */
static int view(lua_State *L) {
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (!lua_istable(L, 1) || !is_unseen(L, 1)) return 1;
    const version *v = version_at(L, place_of(L, 1));
    ks_val doc = v != NULL ? whole_of(v) : KS_NOTHING;
    if (!ks_exists(doc)) return 1;
    push_owner(L, v);
    ks_lua_push_view(L, doc, 2);
    return 1;
}

const luaL_Reg ks_lua_unseen[] = {{"view", view}, {NULL, NULL}};

/* --- looking --- */

/* The object as an ordinary table. Needs no memory of the cluster, which may have none. */
static void push_object(lua_State *L, const ks_object *object) {
    ks_doc_room room;
    ks_lua_push(L, ks_doc_look(object, &room));
    if (object->version == 0) return; /* answered to a dry run, never stored */
    lua_getfield(L, -1, "metadata");
    lua_pushfstring(L, "%I", (LUAI_UACINT)object->version);
    lua_setfield(L, -2, "resourceVersion");
    lua_pop(L, 1);
}

/* Fills the table at `index`, an absolute one. When memory runs out in this it goes on being unseen, and what is in it already is right.
 */
static void see(lua_State *L, int index) {
    luaL_checkstack(L, 8, "too many objects");
    if (!is_unseen(L, index)) return;
    size_t place = place_of(L, index);
    const version *v = version_at(L, place);
    if (v != NULL) {
        push_object(L, v->object);
        for (lua_pushnil(L); lua_next(L, -2);) {
            lua_pushvalue(L, -2);
            if (lua_rawget(L, index) == LUA_TNIL) { /* rawset() may have been there first */
                lua_pushvalue(L, -3);
                lua_pushvalue(L, -3);
                lua_rawset(L, index);
            }
            lua_pop(L, 2);
        }
        lua_rawgetp(L, LUA_REGISTRYINDEX, &versions_key);
        lua_pushvalue(L, index);
        lua_pushnil(L);
        lua_rawset(L, -3);
        lua_pop(L, 2);
        release(keeper_of(L), place);
    }
    lua_pushnil(L);
    lua_setmetatable(L, index);
}

/* Lua's collector knows nothing of what a version holds until it has found the table to be garbage: a large object is made at once,
 * so that it is Lua's to count. */
enum { LARGE = 8192 };

void ks_lua_push_unseen(lua_State *L, ks_heap *heap, const ks_object *object) {
    luaL_checkstack(L, 6, "too many objects");
    lua_createtable(L, 0, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &versions_key);
    lua_pushvalue(L, -2);
    keeper *k = keeper_of(L);
    size_t place = free_place(L, k);
    lua_pushinteger(L, (lua_Integer)place);
    lua_rawset(L, -3);
    keep(k, place, heap, object);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &unseen_key);
    lua_setmetatable(L, -3);
    lua_pop(L, 1);
    ks_doc_room room;
    if (ks_own_bytes(ks_doc_look(object, &room)) > LARGE) see(L, lua_gettop(L));
}

static void see_argument(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    see(L, 1);
}

static int unseen_index(lua_State *L) {
    lua_settop(L, 2);
    see_argument(L);
    lua_rawget(L, 1);
    return 1;
}

static int unseen_newindex(lua_State *L) {
    lua_settop(L, 3);
    see_argument(L);
    lua_rawset(L, 1);
    return 0;
}

static int unseen_len(lua_State *L) {
    lua_settop(L, 1);
    see_argument(L);
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
    return 1;
}

static int unseen_pairs(lua_State *L) {
    lua_settop(L, 1);
    see_argument(L);
    lua_pushvalue(L, lua_upvalueindex(1)); /* next */
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* Lua code asks the metatable for something that it has not: it is about to compare or print raw a table that has this one
 * (luassert's same() does so). Which one cannot be known, so all are filled. */
static int metatable_index(lua_State *L) {
    lua_settop(L, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &versions_key);
    for (lua_pushnil(L); lua_next(L, 1);) {
        lua_pop(L, 1);
        see(L, 2);
    }
    return 0;
}

/* --- opening --- */

static const luaL_Reg unseen_meta[] = {{"__index", unseen_index},
                                       {"__newindex", unseen_newindex},
                                       {"__len", unseen_len},
                                       {NULL, NULL}};
static const luaL_Reg keeper_meta[] = {{"__gc", keeper_gc}, {NULL, NULL}};
static const luaL_Reg sentinel_meta[] = {{"__gc", sentinel_gc}, {NULL, NULL}};
static const luaL_Reg owner_meta[] = {{"__gc", owner_gc}, {NULL, NULL}};

static void open_type(lua_State *L, const char *name, const luaL_Reg *meta) {
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, meta, 0);
    lua_pop(L, 1);
}

static void open_keeper(lua_State *L) {
    open_type(L, KEEPER_TYPE, keeper_meta);
    open_type(L, SENTINEL_TYPE, sentinel_meta);
    open_type(L, OWNER_TYPE, owner_meta);
    keeper *k = lua_newuserdatauv(L, sizeof *k, 1);
    *k = (keeper){.places = NULL};
    luaL_setmetatable(L, KEEPER_TYPE);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &keeper_key);
    lua_createtable(L, 0, 0);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &versions_key);
}

void ks_lua_open_unseen(lua_State *L) {
    if (!luaL_newmetatable(L, UNSEEN_TYPE)) {
        lua_pop(L, 1);
        return; /* the module is opened again */
    }
    lua_pushnil(L);
    lua_setfield(L, -2, "__name"); /* tostring() says "table" */
    luaL_setfuncs(L, unseen_meta, 0);
    lua_getglobal(L, "next");
    lua_pushcclosure(L, unseen_pairs, 1);
    lua_setfield(L, -2, "__pairs");
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, metatable_index);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &unseen_key);
    open_keeper(L);
}
