#!/bin/sh
# Prints the flags when the compiler can make and link a shared object with them, without a warning; nothing otherwise.
#
#   tools/takes.sh CC FLAGS...
#
# Called by the Makefile, for what makes a build better where it is possible.
CC=$1
shift
folder=$(mktemp -d) || exit 0
trap 'rm -rf "$folder"' EXIT
echo 'int probe(int x); int probe(int x) { return x + 1; }' >"$folder/probe.c"
# shellcheck disable=SC2086 # it may be several words
$CC -Werror -O2 -fPIC "$@" -c -o "$folder/probe.o" "$folder/probe.c" 2>/dev/null &&
    $CC -Werror -O2 -shared "$@" -o "$folder/probe.so" "$folder/probe.o" 2>/dev/null && echo "$@"
exit 0
