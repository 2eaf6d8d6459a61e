-- The house keeps its own rules: includes point one way, the rock lists every module, only one symbol is exported.

local function lines(command)
  local list = {}
  local pipe <close> = assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  return list
end

local function read(path)
  local f <close> = assert(io.open(path))
  return f:read "a"
end

describe("the source tree", function()
  -- a room may include itself and the rooms before it; those with equal rank do not know each other
  local RANK = { base = 1, doc = 2, api = 3, store = 4, apiserver = 5, engine = 6, controllers = 7, scheduler = 7, kubelet = 7,
    network = 7, cluster = 8, lua = 9 }

  it("has includes that point one way", function()
    local wrong, seen = {}, 0
    for _, path in ipairs(lines "find csrc -name '*.[ch]'") do
      local room = path:match "^csrc/(%w+)/"
      for include in read(path):gmatch '#include "(%w+)/' do
        seen = seen + 1
        local allowed = include == room or assert(RANK[include], include) < RANK[room]
        if not allowed then wrong[#wrong + 1] = path .. " includes " .. include end
      end
    end
    assert.is_true(seen > 100)
    assert.same({}, wrong)
  end)

  it("speaks to Lua in csrc/lua alone", function()
    assert.same({}, lines [[grep -lE '#include *[<"](lua|lauxlib|lualib)\.h' -r csrc --include='*.[ch]' | grep -v '^csrc/lua/']])
  end)

  it("starts every C and Lua file with what it is for", function()
    local bare = {}
    for _, path in ipairs(lines "find csrc lua spec examples bench fuzz tools -name '*.[ch]' -o -name '*.lua'") do
      if not read(path):find "^[%s#!]*[%-/][%-%*]" and not read(path):find "^#!" then bare[#bare + 1] = path end
    end
    assert.same({}, bare)
  end)

  it("installs every module where luarocks wants it #builds", function()
    local tree = os.tmpname()
    os.remove(tree)
    finally(function() os.execute("rm -rf " .. tree) end)
    assert(os.execute(("make -s files LUADIR=%s/share LIBDIR=%s/lib >/dev/null"):format(tree, tree)))
    assert.same(lines "cd lua && find kubesim -type f | sort", lines(("cd %s/share && find kubesim -type f | sort"):format(tree)))
    assert.same({ "kubesim/core.so" }, lines(("cd %s/lib && find kubesim -type f"):format(tree)))
  end)

  it("exports the module's opener alone", function()
    local core = assert(package.searchpath("kubesim.core", package.cpath))
    local symbols = {}
    for _, line in ipairs(lines("nm -D --defined-only " .. core)) do
      local symbol = line:match "%x+ T (%S+)"
      if symbol and not symbol:find "^_" then symbols[#symbols + 1] = symbol end
    end
    assert.same({ "luaopen_kubesim_core" }, symbols)
  end)

  it("has generated tables that agree with the schema", function()
    local said = lines "lua5.4 tools/schema.lua --check 2>&1; echo $?"
    assert.same({ "0" }, said)
  end)
end)
