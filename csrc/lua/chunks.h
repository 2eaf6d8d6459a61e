/*
 * lua/chunks.h - the Lua modules, compiled: what tools/chunks.lua writes and lua/chunks.c loads.
 */
#ifndef KS_LUA_CHUNKS_H
#define KS_LUA_CHUNKS_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdint.h>

/* A module's code: what lua_dump makes of it, from behind the name of the chunk on. */
typedef struct ks_chunk {
    const char *name;      /* "kubesim.kubectl" */
    uint64_t length, hash; /* of the text that was compiled */
    const unsigned char *code;
    size_t size;
} ks_chunk;

/* What all chunks begin with, and a text with its code, by which a Lua is known that compiles as the one did that made them. */
typedef struct ks_chunk_probe {
    const unsigned char *head;
    size_t head_size;
    const unsigned char *text;
    size_t text_size;
    const unsigned char *code;
    size_t size;
} ks_chunk_probe;

extern const ks_chunk_probe ks_chunks_probe;
extern const ks_chunk ks_chunks[]; /* in the order of their names */
extern const size_t ks_chunk_count;

/* Lets `require` find them: one more of package.searchers. */
void ks_lua_open_chunks(lua_State *L);
extern const luaL_Reg ks_lua_chunks[]; /* functions of the module */

#endif
