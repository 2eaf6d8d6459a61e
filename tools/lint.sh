#!/bin/sh
# The ordinary checks of the field: layout, static analysis, Lua. Called by `make lint`. Prints what is wrong, file by file.
#
# clang-tidy is what takes long: it looks only at sources that changed since it last found them clean (build/lint/), on all cores.
set -u
failed=0
c_files=$(find csrc fuzz bench -name '*.[ch]' | grep -v -e 'base/symbols\.' -e 'api/schema_table\.' | sort)
lua_files=$(find lua spec examples bench fuzz tools -name '*.lua' | sort)

# shellcheck disable=SC2086
clang-format --dry-run --Werror $c_files || failed=1
# shellcheck disable=SC2086
luacheck --quiet $lua_files ./*.rockspec .busted || failed=1
make -s -k -j"$(nproc 2>/dev/null || echo 2)" tidy || failed=1

[ "$failed" = 0 ] && echo "lint: clean"
exit "$failed"
