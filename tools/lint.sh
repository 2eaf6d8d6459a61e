#!/bin/sh
# The ordinary checks of the field: layout, static analysis, Lua. Called by `make lint`. Prints what is wrong, file by file.
set -u
failed=0
c_files=$(git ls-files 'csrc/*.[ch]' 'fuzz/*.c' 'bench/*.c' | grep -v -e 'base/symbols\.' -e 'api/schema_table\.')
c_sources=$(echo "$c_files" | grep '\.c$')

# shellcheck disable=SC2086
clang-format --dry-run --Werror $c_files || failed=1

flags="-std=c11 -Icsrc $(pkg-config --cflags lua5.4 2>/dev/null || pkg-config --cflags lua-5.4)"
# shellcheck disable=SC2086
echo "$c_sources" | xargs -P "$(nproc)" -n 4 sh -c 'flags=$1; shift; clang-tidy --quiet "$@" -- $flags 2>/dev/null' lint "$flags" || failed=1

luacheck --quiet $(git ls-files '*.lua' '*.rockspec' .busted) || failed=1

[ "$failed" = 0 ] && echo "lint: clean"
exit "$failed"
