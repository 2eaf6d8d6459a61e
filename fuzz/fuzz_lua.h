/*
 * fuzz/fuzz_lua.h - what targets share that give their input to a Lua function: a chunk of this folder returns it, and it returns nil, or
 * what was wrong.
 *
 * The Lua modules are those of the tree; the program runs in its top folder.
 */
#ifndef KS_FUZZ_FUZZ_LUA_H
#define KS_FUZZ_FUZZ_LUA_H

#include "fuzz.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int luaopen_kubesim_core(lua_State *L);

enum { LONGEST = 8192 };

/* libFuzzer sees which C is reached by itself; what is reached of the Lua modules is told to it line by line. */
#if defined(__linux__)
enum { COUNTERS = 1 << 15 };
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static void count_line(lua_State *at, lua_Debug *line) {
    if (lua_getinfo(at, "S", line) == 0) return;
    uint32_t hash = ks_hash_bytes(line->source, line->srclen) * 31 + (uint32_t)line->currentline;
    uint8_t *counter = &counters[(hash ^ hash >> 15) % COUNTERS];
    if (*counter < UINT8_MAX) ++*counter;
}
static void count_lines(lua_State *at) { lua_sethook(at, count_line, LUA_MASKLINE, 0); }
#else
static void count_lines(lua_State *at) { (void)at; }
#endif

/* A Lua state that lives as long as the program; [1] is what the chunk returned. */
static inline lua_State *fuzz_lua_begin(const char *chunk) {
    lua_State *L = luaL_newstate();
    fuzz_demand(L != NULL, "no memory");
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_kubesim_core);
    lua_setfield(L, -2, "kubesim.core");
    lua_settop(L, 0);
    if (luaL_dofile(L, chunk)) fuzz_demand(false, lua_tostring(L, -1));
    count_lines(L);
    fuzz_demand(lua_gettop(L) == 1 && lua_isfunction(L, 1), "the chunk returns a function");
    return L;
}

/* Calls the function with the `n` arguments that are on the stack above it, and above what is to be called. */
static inline void fuzz_lua_call(lua_State *L, int n) {
    if (lua_pcall(L, n, 1, 0) != LUA_OK || !lua_isnil(L, -1)) {
        const char *wrong = lua_tostring(L, -1);
        fuzz_demand(false, wrong != NULL ? wrong : "an error that is no text");
    }
    lua_settop(L, 1);
}

#endif
