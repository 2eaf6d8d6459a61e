#!/bin/sh
# Installs the rock into a throw-away tree, offline, and uses it from outside the source tree. Called by `make rock-check`.
set -eu
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
# Linked without optimisation as one (LTO=): that takes half a minute, and what is looked at is the rock.
LTO='' luarocks --lua-version 5.4 --tree "$tree" make >"$tree/log" 2>&1 || { cat "$tree/log" >&2; exit 1; }
cd "$tree"
LUA_PATH_5_4="$tree/share/lua/5.4/?.lua;$tree/share/lua/5.4/?/init.lua;;" LUA_CPATH_5_4="$tree/lib/lua/5.4/?.so;;" "${LUA:-lua5.4}" - <<'LUA'
local kubesim = require "kubesim"
assert(package.searchpath("kubesim.core", package.cpath):find("/lib/lua/5.4/", 1, true), "not the installed module")
local cluster <close> = kubesim.new { nodes = 1 }
cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "probe" }, spec = { containers = { { name = "main", image = "app" } } } }
assert(cluster:wait_for("pod/probe", "ready"))
io.write((cluster:kubectl "get po"))
LUA
echo "rock: installed and used from $(pwd)"
