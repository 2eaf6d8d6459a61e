/*
 * lua/files.c - what Lua cannot ask of a path. Called by lua/kubesim/saved.lua before it puts a new file where one may be.
 */
#if !defined(_XOPEN_SOURCE)
#define _XOPEN_SOURCE 700 /* realpath() */
#endif
#include "lua/binding.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

/* plain_file(path) -> the path at which a file can be replaced: the given one, or the file that a link leads to; nothing: what is there is no
 * file of the ordinary kind, but a device, a pipe, a folder. */
int ks_lua_plain_file(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    char real[PATH_MAX];
    struct stat there;
    if (stat(path, &there) != 0 || (S_ISREG(there.st_mode) && realpath(path, real) == NULL)) {
        lua_settop(L, 1);
        return 1;
    }
    if (!S_ISREG(there.st_mode)) return 0;
    lua_pushstring(L, real);
    return 1;
}
