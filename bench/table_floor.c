/*
 * bench/table_floor.c - the floor for listed objects: building the same nested Lua tables from C, nothing else.
 *
 * A Lua module, loaded by bench/run.lua: plan(table) takes a table apart once, into a flat list of steps; build(plan) makes
 * an equal table from it with the calls that any C code would use.
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

typedef enum step_kind {
    STEP_TABLE,
    STEP_TEXT,
    STEP_INT,
    STEP_BOOL,
    STEP_NULL,
    STEP_SET,
    STEP_INDEX
} step_kind;

typedef struct step {
    step_kind kind;
    int items, members; /* of a table */
    lua_Integer number;
    const char *text; /* borrowed from the table that the plan keeps */
    size_t len;
} step;

typedef struct plan {
    step *steps;
    size_t count, cap;
} plan;

static step *add(lua_State *L, plan *p, step_kind kind) {
    if (p->count == p->cap) {
        p->cap = p->cap == 0 ? 64 : p->cap * 2;
        step *more = realloc(p->steps, p->cap * sizeof *more);
        if (more == NULL) luaL_error(L, "out of memory");
        p->steps = more;
    }
    step *s = &p->steps[p->count++];
    *s = (step){.kind = kind};
    return s;
}

static void take_apart(lua_State *L, plan *p);

static void take_table_apart(lua_State *L, plan *p) {
    size_t at = p->count;
    int items = 0, members = 0;
    add(L, p, STEP_TABLE);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            members++;
            step *key = add(L, p, STEP_TEXT);
            key->text = lua_tolstring(L, -2, &key->len);
            take_apart(L, p);
            add(L, p, STEP_SET);
        } else {
            items++;
            lua_Integer index = lua_tointeger(L, -2);
            take_apart(L, p);
            add(L, p, STEP_INDEX)->number = index;
        }
    }
    p->steps[at].items = items;
    p->steps[at].members = members;
}

/* The value on top of the stack, which stays there. */
static void take_apart(lua_State *L, plan *p) {
    luaL_checkstack(L, 4, "too deep");
    switch (lua_type(L, -1)) {
    case LUA_TTABLE: take_table_apart(L, p); break;
    case LUA_TSTRING: {
        step *s = add(L, p, STEP_TEXT);
        s->text = lua_tolstring(L, -1, &s->len);
        break;
    }
    case LUA_TNUMBER: add(L, p, STEP_INT)->number = lua_tointeger(L, -1); break;
    case LUA_TBOOLEAN: add(L, p, STEP_BOOL)->number = lua_toboolean(L, -1); break;
    default: add(L, p, STEP_NULL); break;
    }
}

static int plan_gc(lua_State *L) {
    plan *p = lua_touserdata(L, 1);
    free(p->steps);
    p->steps = NULL;
    return 0;
}

static int new_plan(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    plan *p = lua_newuserdatauv(L, sizeof *p, 1);
    *p = (plan){NULL, 0, 0};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, plan_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1); /* keeps the texts */
    lua_pushvalue(L, 1);
    take_apart(L, p);
    lua_pop(L, 1);
    return 1;
}

static int build(lua_State *L) {
    const plan *p = lua_touserdata(L, 1);
    luaL_checkstack(L, 100, "too deep");
    for (size_t i = 0; i < p->count; i++) {
        const step *s = &p->steps[i];
        switch (s->kind) {
        case STEP_TABLE: lua_createtable(L, s->items, s->members); break;
        case STEP_TEXT: lua_pushlstring(L, s->text, s->len); break;
        case STEP_INT: lua_pushinteger(L, s->number); break;
        case STEP_BOOL: lua_pushboolean(L, (int)s->number); break;
        case STEP_NULL: lua_pushlightuserdata(L, NULL); break;
        case STEP_SET: lua_rawset(L, -3); break;
        case STEP_INDEX: lua_rawseti(L, -2, s->number); break;
        }
    }
    return 1;
}

int luaopen_table_floor(lua_State *L);
int luaopen_table_floor(lua_State *L) {
    static const luaL_Reg functions[] = {{"plan", new_plan}, {"build", build}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
