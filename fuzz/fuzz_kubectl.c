/*
 * fuzz/fuzz_kubectl.c - command lines, as people and scripts write them: the input up to a zero byte is what follows "kubectl", the
 * rest is its standard input. kubectl.lua beside this file runs them on forks of a small cluster and says what is wrong: errors of
 * Lua's own, from inside the library, are faults; so is a change of the cluster that was forked, and memory that a fork leaves behind.
 */
#include "fuzz_lua.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static lua_State *L;
    const char *line;
    if (size > LONGEST) return 0;
    if (L == NULL) L = fuzz_lua_begin("fuzz/kubectl.lua");
    size_t line_len = fuzz_part(&data, &size, &line);
    lua_pushvalue(L, 1);
    lua_pushlstring(L, line, line_len);
    lua_pushlstring(L, (const char *)data, size);
    fuzz_lua_call(L, 2);
    return 0;
}
