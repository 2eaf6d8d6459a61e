/*
 * lua/convert.c - documents to Lua tables and back.
 *
 * Lists become sequences, maps tables with text keys, null a light userdata (kubesim.null), an empty list a table with the metatable
 * kubesim.array, so that it comes back as a list. A plain {} is what the API's field says it is.
 */
#include "lua/binding.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 200 };

/* --- to Lua --- */

static const char names_key; /* its address is where the names of fields stand in the registry */

/* Pushes the names of fields as Lua's strings, by their places among the symbols: looking one up there costs a tenth of making it. They
 * are put in as they are met. */
static void push_names(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key) == LUA_TTABLE) return;
    lua_pop(L, 1);
    lua_createtable(L, KS_SYM_COUNT, 0);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
}

static void push_key(lua_State *L, const ks_str *key, int names) {
    uintptr_t at = (uintptr_t)key - (uintptr_t)ks_symbols;
    if (at >= sizeof ks_symbols) {
        lua_pushlstring(L, key->s, key->len);
        return;
    }
    lua_Integer place = (lua_Integer)(at / sizeof(ks_str)) + 1;
    if (lua_rawgeti(L, names, place) == LUA_TSTRING) return;
    lua_pop(L, 1);
    lua_pushlstring(L, key->s, key->len);
    lua_pushvalue(L, -1);
    lua_rawseti(L, names, place);
}

static void push_value(lua_State *L, ks_val v, int names);

static void push_list(lua_State *L, ks_val list, int names) {
    uint32_t n = ks_len(list);
    lua_createtable(L, (int)n, 0);
    for (uint32_t i = 0; i < n; i++) {
        push_value(L, ks_at(list, i), names);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    if (n == 0) luaL_setmetatable(L, KS_ARRAY_TYPE);
}

static void push_map(lua_State *L, ks_val map, int names) {
    uint32_t n = ks_len(map);
    lua_createtable(L, 0, (int)n);
    for (uint32_t i = 0; i < n; i++) {
        const ks_pair *pair = ks_pair_at(map, i);
        push_key(L, pair->key, names);
        push_value(L, pair->val, names);
        lua_rawset(L, -3);
    }
}

/* The names of fields are at the place `names`, where lists and maps need them. */
static void push_value(lua_State *L, ks_val v, int names) {
    switch (v.type) {
    case KS_NONE: lua_pushnil(L); break;
    case KS_NULL: lua_pushlightuserdata(L, NULL); break;
    case KS_BOOL: lua_pushboolean(L, v.b); break;
    case KS_INT: lua_pushinteger(L, v.i); break;
    case KS_FLOAT: lua_pushnumber(L, v.f); break;
    case KS_STRING: lua_pushlstring(L, v.s->s, v.s->len); break;
    case KS_LIST:
        luaL_checkstack(L, 6, "document too deep");
        push_list(L, v, names);
        break;
    case KS_MAP:
        luaL_checkstack(L, 6, "document too deep");
        push_map(L, v, names);
        break;
    }
}

void ks_lua_push(lua_State *L, ks_val v) {
    luaL_checkstack(L, 6, "document too deep");
    if (v.type != KS_LIST && v.type != KS_MAP) {
        push_value(L, v, 0);
        return;
    }
    push_names(L);
    push_value(L, v, lua_gettop(L));
    lua_remove(L, -2);
}

/* --- from Lua: nothing here may raise, see binding.h --- */

/* Where we are, for messages: a chain through the C stack. */
typedef struct place {
    const struct place *outer;
    const char *key; /* NULL: an index */
    lua_Integer index;
} place;

typedef struct reader {
    lua_State *L;
    ks_heap *heap;
    ks_lua_problem *problem;
    int depth;
} reader;

static size_t print_place(char *out, size_t size, const place *at) {
    if (at == NULL || size < 2) return 0;
    size_t used = print_place(out, size, at->outer);
    int n;
    if (at->key == NULL)
        n = snprintf(out + used, size - used, "[%lld]", (long long)at->index);
    else
        n = snprintf(out + used, size - used, "%s%s", used > 0 ? "." : "", at->key);
    return n < 0 || (size_t)n >= size - used ? size - 1 : used + (size_t)n;
}

static bool fail(const reader *r, const place *at, const char *what) {
    char path[160] = "";
    print_place(path, sizeof path, at);
    snprintf(r->problem->text, sizeof r->problem->text, path[0] != '\0' ? "%s at %s" : "%s", what,
             path);
    return false;
}

static bool read_value(reader *r, int index, const ks_spec *hint, const place *at, ks_val *out);

static bool read_list(reader *r, int index, lua_Integer n, const ks_spec *hint, const place *at,
                      ks_val *out) {
    const ks_spec *item = hint != NULL && hint->shape == KS_SHAPE_LIST ? ks_spec_item(hint) : NULL;
    ks_val list = ks_list_new(r->heap, (uint32_t)n);
    for (lua_Integer i = 1; i <= n; i++) {
        place here = {at, NULL, i};
        ks_val v = KS_NOTHING;
        lua_rawgeti(r->L, index, i);
        bool fine = read_value(r, lua_gettop(r->L), item, &here, &v);
        lua_pop(r->L, 1);
        if (!fine) {
            ks_unref(r->heap, list);
            return false;
        }
        list = ks_append(r->heap, list, v);
    }
    *out = list;
    return true;
}

static const ks_spec *hint_of_member(const ks_spec *hint, const ks_str *key) {
    if (hint == NULL) return NULL;
    if (hint->shape == KS_SHAPE_MAP) return ks_spec_item(hint);
    if (hint->shape != KS_SHAPE_STRUCT) return NULL;
    const ks_field *field = ks_type_field(ks_spec_type(hint), key);
    return field != NULL ? &field->spec : NULL;
}

/* One pair: key at -2, value at -1. */
static bool read_pair(reader *r, const ks_spec *hint, const place *at, ks_val *map) {
    size_t len;
    if (lua_type(r->L, -2) != LUA_TSTRING)
        return fail(r, at, "a table that is neither a list nor has text keys alone");
    const char *s = lua_tolstring(r->L, -2, &len);
    const ks_str *key = ks_intern(r->heap, s, len);
    place here = {at, s, 0};
    ks_val v = KS_NOTHING;
    if (!read_value(r, lua_gettop(r->L), hint_of_member(hint, key), &here, &v)) {
        ks_str_unref(r->heap, key);
        return false;
    }
    ks_map_push(r->heap, map, key, v);
    return true;
}

/* The first pair is on the stack. */
static bool read_map(reader *r, int index, const ks_spec *hint, const place *at, ks_val *out) {
    ks_val map = ks_map_new(r->heap, 4);
    do {
        if (!read_pair(r, hint, at, &map)) {
            lua_pop(r->L, 2);
            ks_map_seal(r->heap, &map);
            ks_unref(r->heap, map);
            return false;
        }
        lua_pop(r->L, 1);
    } while (lua_next(r->L, index));
    ks_map_seal(r->heap, &map);
    *out = map;
    return true;
}

/* Does the table carry the metatable of empty lists? */
static bool marked_array(lua_State *L, int index) {
    if (!lua_getmetatable(L, index)) return false;
    bool marked = ks_lua_member(L, -1, "__kubesim_array") != LUA_TNIL;
    lua_pop(L, 2);
    return marked;
}

static bool read_table(reader *r, int index, const ks_spec *hint, const place *at, ks_val *out) {
    if (ks_lua_read_unseen(r->L, index, r->heap, out)) return true;
    lua_Unsigned n = lua_rawlen(r->L, index);
    if (n > 0 && n < UINT32_MAX) {
        lua_Unsigned keys = 0;
        for (lua_pushnil(r->L); lua_next(r->L, index); lua_pop(r->L, 1)) keys++;
        if (keys != n)
            return fail(r, at,
                        "a table that is neither a list without holes nor has text keys alone");
        return read_list(r, index, (lua_Integer)n, hint, at, out);
    }
    lua_pushnil(r->L);
    if (lua_next(r->L, index)) return read_map(r, index, hint, at, out);
    bool list = (hint != NULL && hint->shape == KS_SHAPE_LIST) || marked_array(r->L, index);
    *out = list ? ks_list_new(r->heap, 0) : ks_map_new(r->heap, 0);
    return true;
}

/* A float that is a whole number means the integer: Lua's arithmetic makes 3.0 easily, JSON's fields want 3. */
static bool read_number(reader *r, int index, const place *at, ks_val *out) {
    int whole;
    lua_Integer i = lua_tointegerx(r->L, index, &whole);
    if (whole) {
        *out = ks_int(i);
        return true;
    }
    lua_Number f = lua_tonumberx(r->L, index, NULL);
    if (!isfinite(f)) return fail(r, at, "a number that JSON does not have");
    *out = ks_float(f);
    return true;
}

static bool read_value(reader *r, int index, const ks_spec *hint, const place *at, ks_val *out) {
    if (r->depth >= MAX_DEPTH || !lua_checkstack(r->L, 8))
        return fail(r, at, "a table that is nested too deeply");
    size_t len;
    const char *s;
    bool fine;
    switch (lua_type(r->L, index)) {
    case LUA_TNIL: *out = KS_NOTHING; return true;
    case LUA_TBOOLEAN: *out = ks_bool(lua_toboolean(r->L, index)); return true;
    case LUA_TNUMBER: return read_number(r, index, at, out);
    case LUA_TSTRING:
        s = lua_tolstring(r->L, index, &len);
        *out = ks_textn(r->heap, s, len);
        return true;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(r->L, index) != NULL) break;
        *out = ks_null();
        return true;
    case LUA_TTABLE:
        r->depth++;
        fine = read_table(r, index, hint, at, out);
        r->depth--;
        return fine;
    case LUA_TUSERDATA:
        if (!ks_lua_read_view(r->L, index, r->heap, out)) break;
        return true;
    default: break;
    }
    char what[60];
    snprintf(what, sizeof what, "a %s", lua_typename(r->L, lua_type(r->L, index)));
    return fail(r, at, what);
}

bool ks_lua_read(lua_State *L, int index, ks_heap *heap, const ks_spec *hint, ks_val *out,
                 ks_lua_problem *problem) {
    reader r = {L, heap, problem, 0};
    *out = KS_NOTHING;
    return read_value(&r, lua_absindex(L, index), hint, NULL, out);
}

bool ks_lua_read_object(lua_State *L, int index, ks_heap *heap, ks_kind kind, ks_val *out,
                        ks_lua_problem *problem) {
    ks_spec hint = ks_spec_of(kind != KS_NO_KIND ? ks_kind_get(kind)->type : NULL);
    return ks_lua_read(L, index, heap, kind != KS_NO_KIND ? &hint : NULL, out, problem);
}

int ks_lua_member(lua_State *L, int index, const char *name) {
    index = lua_absindex(L, index);
    size_t len = strlen(name);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        size_t its;
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &its) : NULL;
        if (key != NULL && its == len && memcmp(key, name, len) == 0) {
            lua_copy(L, -1, -2); /* the value takes the key's place */
            lua_pop(L, 1);
            return lua_type(L, -1);
        }
        lua_pop(L, 1);
    }
    lua_pushnil(L);
    return LUA_TNIL;
}
