/*
 * fuzz/fuzz_load.c - files of saved clusters: the input is the whole file if it begins with a brace; otherwise its first byte says where
 * its lines come into a file that is sound, and the sums are made right again. load.lua beside this file has them loaded. A file is refused
 * with its line, or makes a cluster; nothing else.
 */
#include "fuzz_lua.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static lua_State *L;
    if (size > LONGEST) return 0;
    if (L == NULL) L = fuzz_lua_begin("fuzz/load.lua");
    lua_pushvalue(L, 1);
    lua_pushlstring(L, (const char *)data, size);
    fuzz_lua_call(L, 1);
    return 0;
}
