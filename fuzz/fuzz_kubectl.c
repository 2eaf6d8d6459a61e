/*
 * fuzz/fuzz_kubectl.c - command lines, as people and scripts write them: the input up to a zero byte is what follows "kubectl", the
 * rest is its standard input. kubectl.lua beside this file runs them on forks of a small cluster and says what is wrong: errors of
 * Lua's own, from inside the library, are faults; so is a change of the cluster that was forked, and memory that a fork leaves behind.
 *
 * The Lua modules are those of the tree; the program runs in its top folder.
 */
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

static lua_State *L; /* lives as long as the program; [1] is what kubectl.lua returned */

static void begin(void) {
    L = luaL_newstate();
    fuzz_demand(L != NULL, "no memory");
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_kubesim_core);
    lua_setfield(L, -2, "kubesim.core");
    lua_settop(L, 0);
    if (luaL_dofile(L, "fuzz/kubectl.lua")) fuzz_demand(false, lua_tostring(L, -1));
    count_lines(L);
    fuzz_demand(lua_gettop(L) == 1 && lua_isfunction(L, 1), "fuzz/kubectl.lua returns a function");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *line, *input;
    if (size > LONGEST) return 0;
    if (L == NULL) begin();
    size_t line_len = fuzz_part(&data, &size, &line);
    input = (const char *)data;
    lua_pushvalue(L, 1);
    lua_pushlstring(L, line, line_len);
    lua_pushlstring(L, input, size);
    if (lua_pcall(L, 2, 1, 0) != LUA_OK || !lua_isnil(L, -1)) {
        const char *wrong = lua_tostring(L, -1);
        fprintf(stderr, "fuzz: kubectl %.*s\n", (int)line_len, line);
        fuzz_demand(false, wrong != NULL ? wrong : "an error that is no text");
    }
    lua_settop(L, 1);
    return 0;
}
