/*
 * lua/unseen.c - what writes return: the object as a table that is filled when somebody looks at it.
 *
 * Most callers of patch() or apply() throw away what comes back, and a Pod as a table costs more than the write itself. So the
 * table is empty at first; its metatable fills it from the object's version, which is immutable, and then takes itself away: from
 * there on it is an ordinary table. Only what reads tables raw (next, rawget) can tell. The way from such a table to its version is
 * one weak table in the registry, so that the metatable is one for all, and a copy of it belongs to nothing.
 */
#include "lua/binding.h"

#define UNSEEN_TYPE  "kubesim.unseen"  /* metatable of the tables */
#define VERSION_TYPE "kubesim.version" /* metatable of what keeps their versions */

static const char versions_key; /* its address is where the weak table stands in the registry */

/* A version and the heap that it lives in: a closed cluster's objects can still be looked at. */
typedef struct version {
    ks_heap *heap;
    const ks_object *object;
} version;

static void release(version *v) {
    if (v->heap == NULL) return;
    ks_object_unref(v->heap, v->object);
    ks_heap_unref(v->heap);
    v->heap = NULL;
}

static int version_gc(lua_State *L) {
    release(luaL_checkudata(L, 1, VERSION_TYPE));
    return 0;
}

/* --- for C that reads tables raw --- */

static bool is_unseen(lua_State *L, int index) {
    if (!lua_getmetatable(L, index)) return false;
    luaL_getmetatable(L, UNSEEN_TYPE);
    bool unseen = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return unseen;
}

/* What it is to be filled from; NULL: somebody has copied the metatable. Pushes what keeps it. */
static version *push_version(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &versions_key);
    lua_pushvalue(L, index);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    return lua_touserdata(L, -1);
}

bool ks_lua_read_unseen(lua_State *L, int index, ks_heap *heap, ks_val *out) {
    if (!is_unseen(L, index)) return false;
    const version *v = push_version(L, index);
    lua_pop(L, 1);
    if (v == NULL) return false;
    if (v->heap == heap) {
        *out = ks_object_doc(heap, v->object);
        return true;
    }
    *out = ks_copy(heap, v->object->doc);
    if (v->object->version != 0)
        *out = ks_put2(heap, *out, K(metadata), K(resourceVersion),
                       ks_format(heap, "%llu", (unsigned long long)v->object->version));
    return true;
}

/* view(value): the object of a table that nobody has looked at, as a view; it lacks metadata.resourceVersion. Anything else is
 * itself. */
static int view(lua_State *L) {
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (!lua_istable(L, 1) || !is_unseen(L, 1)) return 1;
    const version *v = push_version(L, 1);
    if (v != NULL) ks_lua_push_view(L, v->object->doc, 2);
    return 1;
}

const luaL_Reg ks_lua_unseen[] = {{"view", view}, {NULL, NULL}};

/* --- looking --- */

/* The object as an ordinary table. Needs no memory of the cluster, which may have none. */
static void push_object(lua_State *L, const ks_object *object) {
    ks_lua_push(L, object->doc);
    if (object->version == 0) return; /* answered to a dry run, never stored */
    lua_getfield(L, -1, "metadata");
    lua_pushfstring(L, "%I", (LUAI_UACINT)object->version);
    lua_setfield(L, -2, "resourceVersion");
    lua_pop(L, 1);
}

/* Fills the table at `index`, an absolute one. When memory runs out it is as it was. */
static void see(lua_State *L, int index) {
    luaL_checkstack(L, 8, "too many objects");
    if (!is_unseen(L, index)) return;
    version *v = push_version(L, index);
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
        release(v);
    }
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_setmetatable(L, index);
}

/* Lua's collector knows nothing of what a version holds until it has found the table to be garbage: a large object is made at once,
 * so that it is Lua's to count. */
enum { LARGE = 8192 };

void ks_lua_push_unseen(lua_State *L, ks_heap *heap, const ks_object *object) {
    luaL_checkstack(L, 6, "too many objects");
    /* With room for what comes in, so that filling it cannot fail half-way. */
    lua_createtable(L, 0, (int)ks_len(object->doc));
    lua_rawgetp(L, LUA_REGISTRYINDEX, &versions_key);
    lua_pushvalue(L, -2);
    version *v = lua_newuserdatauv(L, sizeof *v, 0);
    *v = (version){NULL, NULL};
    luaL_setmetatable(L, VERSION_TYPE);
    *v = (version){ks_heap_ref(heap), ks_object_ref(object)};
    lua_rawset(L, -3);
    lua_pop(L, 1);
    luaL_setmetatable(L, UNSEEN_TYPE);
    if (ks_own_bytes(object->doc) > LARGE) see(L, lua_gettop(L));
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
static const luaL_Reg version_meta[] = {{"__gc", version_gc}, {NULL, NULL}};

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
    luaL_newmetatable(L, VERSION_TYPE);
    luaL_setfuncs(L, version_meta, 0);
    lua_createtable(L, 0, 0);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &versions_key);
    lua_pop(L, 2);
}
