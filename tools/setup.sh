#!/bin/sh
# Installs what building and testing need from the system's packages, and nothing when all is there.
#
#   tools/setup.sh         what `make build`, `make test` and `make lab` need
#   tools/setup.sh lint    also what `make lint`, `make sanitize`, `make valgrind` and `make fuzz` need
#   tools/setup.sh rock    also luarocks
#
# Called by the Makefile. Works as root or through sudo. One table names the packages of each system.
set -eu

LUA=${LUA:-lua5.4}

have() { command -v "$1" >/dev/null 2>&1; }
compiles() { # header, flags...
    header=$1; shift
    # shellcheck disable=SC2086
    echo "#include <$header>" | ${CC:-cc} $* -x c -fsyntax-only - >/dev/null 2>&1
}
lua_flags() { pkg-config --cflags lua5.4 2>/dev/null || pkg-config --cflags lua-5.4 2>/dev/null || pkg-config --cflags lua54 2>/dev/null; }

# What is missing, as names of this project's own; the table below turns them into packages.
missing() {
    have pkg-config || echo pkgconfig
    have "$LUA" || echo lua
    { have pkg-config && flags=$(lua_flags) && compiles lua.h "$flags"; } || echo lua-headers
    compiles yaml.h "$(pkg-config --cflags yaml-0.1 2>/dev/null)" || echo yaml-headers
    { have busted && "$LUA" -e 'require "busted"' >/dev/null 2>&1; } || echo busted
    case "${1:-}" in
    lint)
        have gcc || echo gcc
        have clang || echo clang
        have clang-format || echo clang-format
        have clang-tidy || echo clang-tidy
        have luacheck || echo luacheck
        have valgrind || echo valgrind
        clang_fuzzes || echo clang-runtime
        ;;
    rock) have luarocks || echo luarocks ;;
    esac
}
clang_fuzzes() {
    have clang || return 1
    probe=$(mktemp)
    echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n); int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { (void)d; (void)n; return 0; }' |
        clang -fsanitize=fuzzer,address -x c - -o "$probe" >/dev/null 2>&1 && ok=0 || ok=1
    rm -f "$probe"
    return $ok
}

#        part          apt               brew          dnf               apk             pacman
table='
         pkgconfig     pkg-config        pkg-config    pkgconf           pkgconf         pkgconf
         lua           lua5.4            lua@5.4       lua               lua5.4          lua54
         lua-headers   liblua5.4-dev     lua@5.4       lua-devel         lua5.4-dev      lua54
         yaml-headers  libyaml-dev       libyaml       libyaml-devel     yaml-dev        libyaml
         busted        lua-busted        luarocks:busted luarocks:busted luarocks:busted luarocks:busted
         luarocks      luarocks          luarocks      luarocks          luarocks        luarocks
         gcc           gcc               gcc           gcc               gcc             gcc
         clang         clang             llvm          clang             clang           clang
         clang-runtime libclang-rt-14-dev llvm         compiler-rt       compiler-rt     compiler-rt
         clang-format  clang-format      clang-format  clang-tools-extra clang-extra-tools clang
         clang-tidy    clang-tidy        llvm          clang-tools-extra clang-extra-tools clang
         luacheck      lua-check         luacheck      luarocks:luacheck luarocks:luacheck luacheck
         valgrind      valgrind          valgrind      valgrind          valgrind        valgrind
'

parts=$(missing "${1:-}")
[ -n "$parts" ] || exit 0

if have apt-get; then column=2
elif have brew; then column=3
elif have dnf; then column=4
elif have apk; then column=5
elif have pacman; then column=6
else
    echo "kubesim: please install by hand, this system's packager is not known:" $parts >&2
    exit 1
fi

as_root=
if [ "$column" != 3 ] && [ "$(id -u)" != 0 ]; then
    have sudo || { echo "kubesim: needs root or sudo to install:" $parts >&2; exit 1; }
    as_root=sudo
fi

packages= rocks=
for part in $parts; do
    package=$(echo "$table" | awk -v part="$part" -v column="$column" '$1 == part { print $column }')
    case "$package" in
    luarocks:*) rocks="$rocks ${package#luarocks:}" ;;
    *) packages="$packages $package" ;;
    esac
done
[ -z "$rocks" ] || have luarocks || packages="$packages luarocks"

echo "kubesim: installing$packages$rocks"
# shellcheck disable=SC2086
if [ -n "$packages" ]; then
    case "$column" in
    2) $as_root apt-get update -qq
       $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null ;;
    3) brew install $packages ;;
    4) $as_root dnf install -y -q $packages ;;
    5) $as_root apk add -q $packages ;;
    6) $as_root pacman -S --noconfirm --needed -q $packages ;;
    esac
fi
for rock in $rocks; do $as_root luarocks --lua-version 5.4 install "$rock"; done

still=$(missing "${1:-}")
[ -z "$still" ] || { echo "kubesim: still missing after the installation:" $still >&2; exit 1; }
