--- Compiles the Lua modules into a C file, which the core carries: see csrc/lua/chunks.c, which loads them. `make build` runs it.
---
---     lua5.4 tools/chunks.lua OUT
local out_path = ...
local without_locals <const> = dofile "tools/without_locals.lua"

---A program that uses every kind of statement, operator and constant: a Lua that compiles it into the same bytes reads the others too.
local PROBE <const> = [==[
local a <const>, b, c, d = 7, 2.5, "text", ... local t <close> = nil goto on
do local x = { a, b, [c] = d, k = {}, ... } x.k[1], x[b], x["m"] = #x, -a, not x; c = x.k .. "z" .. a return x:m(a, ...) end ::on::
local function f(n, ...) local u, v = n & 1 | 2 ~ 3, n << 4 >> 1 if n < 2 and u ~= v or n >= b then return n end
  while n <= 300 do n = n + 1 - 2 * 3 / 4 % 5 ^ 6 // 7 if n == 1000000 then break end end
  repeat local w = n; function f.g() w = w + 1 return w, t end until w > 3 or ~w == 9
  for i = 1, n, 2 do v = (v or 0) + i end for k, e in pairs(t) do t[k] = e .. k end return f(n - 1, ...) end
b, d = f(a), function(...) return select("#", ...), 1e300, -0x7fffffffffffffff, true, false, nil end
_G.s = "a longer string, one of more than forty bytes" _G.h = d ]==]

local STANDS_FOR_NAME <const> = "@a name that is put in when the chunk is loaded"

---The same in csrc/lua/chunks.c.
local function hash_of(text)
  local hash = #text
  local padded = text .. ("\0"):rep(-#text % 8)
  for at = 1, #padded, 8 do
    hash = (hash ~ string.unpack("=I8", padded, at)) * 0x9E3779B97F4A7C15
    hash = hash ~ hash >> 29
  end
  return hash
end

local function compiled(text) return string.dump(assert(load(text, STANDS_FOR_NAME, "t"))) end

---What stands before the name's length in compiled code, and what stands behind the name.
local function around_name(code)
  local first, last = code:find(STANDS_FOR_NAME, 1, true)
  assert(not code:find(STANDS_FOR_NAME, last, true), "a chunk says its name more than once")
  assert(code:byte(first - 1) == 0x80 | #STANDS_FOR_NAME + 1, "the name's length stands in front of it")
  return code:sub(1, first - 2), code:sub(last + 1)
end

local function bytes(name, data)
  local parts = {}
  for at = 1, #data, 24 do parts[#parts + 1] = table.concat({ data:byte(at, at + 23) }, ",") end
  return ("static const unsigned char %s[] = {\n%s};\n"):format(name, table.concat(parts, ",\n"))
end

local head, probe = around_name(compiled(PROBE))
local out = {
  "/* Made by tools/chunks.lua. */\n#include \"lua/chunks.h\"\n", bytes("head", head), bytes("probe", probe), bytes("text", PROBE),
  "const ks_chunk_probe ks_chunks_probe = {head, sizeof head, text, sizeof text, probe, sizeof probe};\n",
}
local rows = {}

local function add(name, text)
  local before, behind = around_name(without_locals(compiled(text)))
  assert(before == head, "all chunks begin alike")
  local code = "code" .. #rows
  out[#out + 1] = bytes(code, behind)
  rows[#rows + 1] = ("{\"%s\", %du, 0x%xu, %s, sizeof %s}"):format(name, #text, hash_of(text), code, code)
end

local files = assert(io.popen "find lua/kubesim -name '*.lua'")
local names, path_of = {}, {}
for path in files:lines() do
  local name = path:match "^lua/(.*)%.lua$":gsub("/init$", ""):gsub("/", ".")
  if name ~= "kubesim" then names[#names + 1], path_of[name] = name, path end
end
assert(files:close())
os.setlocale "C" -- names are compared as C does
table.sort(names)
for _, name in ipairs(names) do
  local f <close> = assert(io.open(path_of[name]))
  add(name, f:read "a")
end
out[#out + 1] = ("const ks_chunk ks_chunks[] = {\n%s};\nconst size_t ks_chunk_count = %d;\n"):format(table.concat(rows, ",\n"), #rows)

local f <close> = assert(io.open(out_path, "w"))
assert(f:write(table.concat(out)))
