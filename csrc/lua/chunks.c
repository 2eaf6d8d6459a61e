/*
 * lua/chunks.c - loads the Lua modules that stand compiled in the core, because compiling them costs more than what is done with them.
 *
 * Nobody has to know: a module is still the file that `require` would find. Its text is read and, if it is byte for byte the one that
 * was compiled when the core was built, the code is taken instead; a file that was changed since is compiled as ever. The code says
 * the file's own name, so errors and tracebacks are the same, without names of local variables. And it is taken only by a Lua that turns the probe into the very bytes
 * that the Lua at build time made of it: other releases, or other sizes of numbers, compile the text.
 */
#include "lua/chunks.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE "kubesim.chunks" /* in the registry: does this Lua understand the code? */

/* --- the pieces of a chunk: the head, the name with its length, the code --- */

typedef struct pieces {
    const unsigned char *code;
    size_t size;
    const char *name;
    unsigned char length[2]; /* of the name and one: seven bits in a byte, the last one is marked */
    size_t length_size;
    int next; /* the piece to hand out */
} pieces;

enum { LONGEST_NAME = (1 << 14) - 2 };

static pieces pieces_of(const unsigned char *code, size_t size, const char *name) {
    size_t length = strlen(name) + 1;
    pieces p = {.code = code, .size = size, .name = name};
    if (length > 127) p.length[p.length_size++] = (unsigned char)(length >> 7);
    p.length[p.length_size++] = (unsigned char)(0x80 | (length & 127));
    return p;
}

/* A lua_Reader. */
static const char *next_piece(lua_State *L, void *payload, size_t *size) {
    pieces *p = payload;
    (void)L;
    switch (p->next++) {
    case 0: *size = ks_chunks_probe.head_size; return (const char *)ks_chunks_probe.head;
    case 1: *size = p->length_size; return (const char *)p->length;
    case 2: *size = strlen(p->name); return p->name;
    case 3: *size = p->size; return (const char *)p->code;
    default: *size = 0; return NULL;
    }
}

/* --- does this Lua compile as the one did at build time? --- */

typedef struct comparison {
    pieces expected;
    const char *left; /* of the piece at hand */
    size_t left_size;
    bool equal;
} comparison;

/* A lua_Writer. */
static int compare(lua_State *L, const void *data, size_t size, void *payload) {
    comparison *c = payload;
    const char *at = data;
    while (size > 0 && c->equal) {
        if (c->left_size == 0) c->left = next_piece(L, &c->expected, &c->left_size);
        size_t n = size < c->left_size ? size : c->left_size;
        c->equal = n > 0 && memcmp(at, c->left, n) == 0;
        at += n;
        size -= n;
        c->left += n;
        c->left_size -= n;
    }
    return c->equal ? 0 : 1;
}

static bool compiles_alike(lua_State *L) {
    static const char name[] = "@probe";
    const ks_chunk_probe *probe = &ks_chunks_probe;
    comparison c = {.expected = pieces_of(probe->code, probe->size, name), .equal = true};
    c.equal = luaL_loadbufferx(L, (const char *)probe->text, probe->text_size, name, "t") == LUA_OK;
    if (c.equal) lua_dump(L, compare, &c, 0);
    lua_pop(L, 1);
    return c.equal && c.left_size == 0 && c.expected.next == 4;
}

/* Looked into once per Lua state. */
static bool understood(lua_State *L) {
    if (lua_getfield(L, LUA_REGISTRYINDEX, STATE) == LUA_TNIL) {
        lua_pushboolean(L, compiles_alike(L));
        lua_copy(L, -1, -2);
        lua_setfield(L, LUA_REGISTRYINDEX, STATE);
    }
    bool yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return yes;
}

/* --- loading --- */

/* The same in tools/chunks.lua. */
static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

/* Whether a file has that length and that hash of its length and bytes, in words of eight, the last one filled with zeros. Asked for
 * one byte more than there should be, a file tells by the same call that it ends there. */
static bool has_text_of(int file, const ks_chunk *chunk) {
    char part[8192]; /* whole words, but for the last */
    uint64_t left = chunk->length, hash = left;
    for (bool end = false; !end;) {
        size_t wanted = left < sizeof part ? (size_t)left + 1 : sizeof part;
        ssize_t got = read(file, part, wanted);
        if (got < 0 || (uint64_t)got > left) return false;
        end = (size_t)got < wanted;
        size_t n = (size_t)got;
        left -= n;
        memset(part + n, 0, sizeof part - n < 8 ? sizeof part - n : 8);
        for (size_t at = 0; at < n; at += 8) {
            uint64_t word;
            memcpy(&word, part + at, sizeof word);
            hash = mix(hash, word);
        }
    }
    return left == 0 && hash == chunk->hash;
}

static int compare_name(const void *name, const void *chunk) {
    return strcmp(name, ((const ks_chunk *)chunk)->name);
}

static const ks_chunk *chunk_named(const char *name) {
    return bsearch(name, ks_chunks, ks_chunk_count, sizeof *ks_chunks, compare_name);
}

/* Pushes what the package library has under that name; nil where that library is not open. */
static void push_package(lua_State *L, const char *member) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, LUA_LOADLIBNAME) == LUA_TTABLE)
        lua_getfield(L, -1, member);
    else
        lua_pushnil(L);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* Pushes the path of the file that `require` would load, as package.searchpath finds it, and says whether its text is the chunk's: a
 * file is opened once for both. NULL: there is none, and nil is pushed. */
static const char *find_file(lua_State *L, const ks_chunk *chunk, bool *same) {
    int top = lua_gettop(L);
    const char *place = luaL_gsub(L, chunk->name, ".", LUA_DIRSEP);
    push_package(L, "path");
    const char *templates = lua_tostring(L, -1), *path = NULL;
    int file = -1;
    while (templates != NULL && file < 0) {
        const char *end = strchr(templates, *LUA_PATH_SEP);
        lua_pushlstring(L, templates, end != NULL ? (size_t)(end - templates) : strlen(templates));
        path = luaL_gsub(L, lua_tostring(L, -1), LUA_PATH_MARK, place);
        lua_replace(L, -2);
        file = open(path, O_RDONLY);
        if (file < 0) lua_pop(L, 1);
        templates = end != NULL ? end + 1 : NULL;
    }
    if (file < 0) {
        path = NULL;
        lua_pushnil(L);
    } else {
        *same = has_text_of(file, chunk);
        close(file);
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return path;
}

/* Pushes the code of the file at `path`: the chunk's, if it was made from the same text. Returns whether it was; raises what is wrong
 * with the file. */
static bool load(lua_State *L, const ks_chunk *same, const char *path) {
    const char *name = lua_pushfstring(L, "@%s", path);
    bool taken = same != NULL && strlen(name) <= LONGEST_NAME && understood(L);
    int err;
    if (taken) {
        pieces p = pieces_of(same->code, same->size, name);
        err = lua_load(L, next_piece, &p, name, "b");
    } else {
        err = luaL_loadfilex(L, path, NULL);
    }
    if (err != LUA_OK)
        luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", lua_tostring(L, 1), path,
                   lua_tostring(L, -1));
    return taken;
}

/* What `require` calls: argument 1 is the module's name, 2 the path of its file. The upvalue is the chunk, or NULL if
 * the file has another text. */
static int load_module(lua_State *L) {
    luaL_checkstring(L, 1);
    load(L, lua_touserdata(L, lua_upvalueindex(1)), luaL_checkstring(L, 2));
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    return 1;
}

/* One of package.searchers. What it does not find the others look for, and say where. */
static int search(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    const ks_chunk *chunk = chunk_named(name);
    if (chunk == NULL) return 0;
    bool same;
    if (find_file(L, chunk, &same) == NULL) return 0;
    lua_pushlightuserdata(L, same ? (void *)chunk : NULL);
    lua_pushcclosure(L, load_module, 1);
    lua_insert(L, -2);
    return 2;
}

/* Raises that no file has that module, and where it was looked for. */
static int tell_of_absence(lua_State *L, const char *name) {
    push_package(L, "searchpath");
    lua_pushstring(L, name);
    push_package(L, "path");
    lua_call(L, 2, 2);
    return luaL_error(L, "module '%s' not found:\n%s", name, lua_tostring(L, -1));
}

/* chunk(name) -> what `require` would call to load this module, the path of its file, and whether the code in the core was taken for
 * it; nil: there is none of that name */
static int chunk_of(lua_State *L) {
    const ks_chunk *chunk = chunk_named(luaL_checkstring(L, 1));
    if (chunk == NULL) return 0;
    bool same;
    const char *path = find_file(L, chunk, &same);
    if (path == NULL) return tell_of_absence(L, chunk->name);
    bool taken = load(L, same ? chunk : NULL, path);
    lua_pushstring(L, path);
    lua_pushboolean(L, taken);
    return 3;
}

const luaL_Reg ks_lua_chunks[] = {{"chunk", chunk_of}, {NULL, NULL}};

/* Before the searcher of Lua files, behind that of package.preload; once per Lua state. */
void ks_lua_open_chunks(lua_State *L) {
    enum { PLACE = 2 };
    push_package(L, "searchers");
    bool there = !lua_istable(L, -1);
    lua_Integer n = there ? 0 : luaL_len(L, -1);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, -1, i);
        there = there || lua_tocfunction(L, -1) == search;
        lua_pop(L, 1);
    }
    for (lua_Integer i = n; i >= PLACE && !there; i--) {
        lua_geti(L, -1, i);
        lua_seti(L, -2, i + 1);
    }
    if (!there) {
        lua_pushcfunction(L, search);
        lua_seti(L, -2, PLACE);
    }
    lua_pop(L, 1);
}
