/*
 * lua/views.c - documents as Lua sees them without copying: a view reads single fields where they lie.
 *
 * kubectl get shows five columns of an object that has two hundred fields; as a table it would cost fifty times what is read of it.
 * A view is indexed like the table (`pod.status.phase`, `list[1]`, `#list`, ipairs, pairs) and cannot be changed. A field that is null
 * (`creationTimestamp: null`, Go's nil slices) is absent in a view: those who read views do not tell the two apart. It shows a list or
 * map of a document that a ks_result owns; each view keeps that result alive, so views need no finalizers of their own.
 */
#include "lua/binding.h"

#include <string.h>

#define VIEW_TYPE "kubesim.view"

static const char
    metatable_key; /* its address is where the metatable of views stands in the registry */

typedef struct view {
    ks_val v; /* borrowed from the result in user value 1 */
} view;

void ks_lua_push_view(lua_State *L, ks_val v, int result) {
    if (v.type != KS_LIST && v.type != KS_MAP) {
        ks_lua_push(L, v);
        return;
    }
    result = lua_absindex(L, result);
    view *shown = lua_newuserdatauv(L, sizeof *shown, 1);
    shown->v = v;
    luaL_setmetatable(L, VIEW_TYPE);
    lua_pushvalue(L, result);
    lua_setiuservalue(L, -2, 1);
}

void ks_lua_push_views(lua_State *L, ks_val list, int result) {
    uint32_t n = ks_len(list);
    result = lua_absindex(L, result);
    lua_createtable(L, (int)n, 0);
    for (uint32_t i = 0; i < n; i++) {
        ks_lua_push_view(L, ks_at(list, i), result);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

bool ks_lua_is_view(lua_State *L, int index, ks_val *out) {
    const view *shown = lua_touserdata(L, index);
    if (shown == NULL || !lua_getmetatable(L, index)) return false;
    bool is =
        lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key) == LUA_TTABLE && lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    if (is) *out = shown->v;
    return is;
}

bool ks_lua_read_view(lua_State *L, int index, ks_heap *heap, ks_val *out) {
    ks_val shown;
    if (!ks_lua_is_view(L, index, &shown)) return false;
    lua_getiuservalue(L, index, 1);
    const ks_result *owner = lua_touserdata(L, -1);
    lua_pop(L, 1);
    *out = owner->heap == heap ? ks_ref(shown) : ks_copy(heap, shown);
    return true;
}

void ks_lua_push_shown(lua_State *L, ks_val part, int index) {
    if (!ks_exists(part)) {
        lua_pushnil(L);
        return;
    }
    if (part.type == KS_STRING) {
        lua_pushlstring(L, part.s->s, part.s->len);
        return;
    }
    if (part.type != KS_LIST && part.type != KS_MAP) {
        ks_lua_push(L, part);
        return;
    }
    view *shown = lua_newuserdatauv(L, sizeof *shown, 1);
    shown->v = part;
    lua_getiuservalue(L, index, 1);
    lua_setiuservalue(L, -2, 1);
    lua_getmetatable(L, index);
    lua_setmetatable(L, -2);
}

/* The metatable is hidden (__metatable), so these are called with views alone. */
static ks_val viewed(lua_State *L) {
    const view *shown = lua_touserdata(L, 1);
    return shown->v;
}

/* The member of that name. Maps are small: comparing lengths finds most keys out. */
static ks_val member(ks_val v, const char *key, size_t len) {
    uint32_t n = v.type == KS_MAP ? v.m->len : 0;
    if (n > KS_SCANNED) return ks_get_text(v, key, len);
    for (uint32_t i = 0; i < n; i++) {
        const ks_pair *pair = ks_pair_at(v, i);
        if (pair->key->len == len && memcmp(pair->key->s, key, len) == 0) return pair->val;
    }
    return KS_NOTHING;
}

static int view_index(lua_State *L) {
    ks_val v = viewed(L), part = KS_NOTHING;
    if (lua_type(L, 2) == LUA_TSTRING) {
        size_t len;
        const char *key = lua_tolstring(L, 2, &len);
        part = member(v, key, len);
    } else if (v.type == KS_LIST) {
        int whole;
        lua_Integer i = lua_tointegerx(L, 2, &whole);
        if (whole && i >= 1 && i <= ks_len(v)) part = ks_at(v, (uint32_t)(i - 1));
    }
    ks_lua_push_shown(L, part, 1);
    return 1;
}

static int view_len(lua_State *L) {
    ks_val v = viewed(L);
    lua_pushinteger(L, v.type == KS_LIST ? ks_len(v) : 0);
    return 1;
}

/* What pairs() calls for one pair after the other: as in a table, nulls are there. Upvalue 1 counts those that were shown. */
static int view_next(lua_State *L) {
    ks_val v = viewed(L), part;
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(1));
    if (i >= ks_len(v)) return 0;
    lua_pushinteger(L, i + 1);
    lua_replace(L, lua_upvalueindex(1));
    if (v.type == KS_LIST) {
        lua_pushinteger(L, i + 1);
        part = ks_at(v, (uint32_t)i);
    } else {
        const ks_pair *pair = ks_pair_at(v, (uint32_t)i);
        lua_pushlstring(L, pair->key->s, pair->key->len);
        part = pair->val;
    }
    if (part.type == KS_NULL)
        ks_lua_push(L, part);
    else
        ks_lua_push_shown(L, part, 1);
    return 2;
}

static int view_pairs(lua_State *L) {
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, view_next, 1);
    lua_pushvalue(L, 1);
    return 2;
}

/* plain(value): what a view shows as fresh tables; anything else is itself. */
static int plain(lua_State *L) {
    luaL_checkany(L, 1);
    const view *shown = luaL_testudata(L, 1, VIEW_TYPE);
    if (shown != NULL)
        ks_lua_push(L, shown->v);
    else
        lua_settop(L, 1);
    return 1;
}

static const luaL_Reg view_meta[] = {
    {"__index", view_index}, {"__len", view_len}, {"__pairs", view_pairs}, {NULL, NULL}};
const luaL_Reg ks_lua_views[] = {{"plain", plain}, {NULL, NULL}};

void ks_lua_open_views(lua_State *L) {
    luaL_newmetatable(L, VIEW_TYPE);
    luaL_setfuncs(L, view_meta, 0);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
