-- The Lua modules that the core carries compiled: they are what their files say, errors and all, and an edited file wins.
local core = require "kubesim.core"
require "kubesim"
local without_locals = dofile "tools/without_locals.lua"

local function modules()
  local names = {}
  local found <close> = assert(io.popen "find lua/kubesim -name '*.lua' | LC_ALL=C sort")
  for path in found:lines() do
    local name = path:match "^lua/(.*)%.lua$":gsub("/init$", ""):gsub("/", ".")
    if name ~= "kubesim" then names[#names + 1] = name end
  end
  return names
end

---Runs `body` with another package.path in front, and without a module that is loaded.
local function with_folder(folder, name, body)
  local path, loaded = package.path, package.loaded[name]
  package.path, package.loaded[name] = folder .. "/?.lua;" .. path, nil
  local ok, err = pcall(body)
  package.path, package.loaded[name] = path, loaded
  if not ok then error(err, 0) end
end

---A folder with a module of that text; removed when it goes out of scope.
local function folder_with(name, text)
  local folder = os.tmpname()
  os.remove(folder)
  local file = folder .. "/" .. name:gsub("%.", "/") .. ".lua"
  assert(os.execute(("mkdir -p '%s'"):format(file:match "^(.*)/")))
  local f <close> = assert(io.open(file, "w"))
  f:write(text)
  return setmetatable({ folder = folder, file = file }, { __close = function() os.execute(("rm -r '%s'"):format(folder)) end })
end

describe("a module that the core carries", function()
  it("is what its file compiles to, with its name and its lines, but for the names of local variables", function()
    local taken = 0
    for _, name in ipairs(modules()) do
      local chunk, path, of_the_core = core.chunk(name)
      if chunk then -- a file that is newer than the build is not there
        taken = taken + (of_the_core and 1 or 0)
        assert.is_true(string.dump(chunk) == without_locals(string.dump(assert(loadfile(path)))), name)
        assert.equal("@" .. path, debug.getinfo(chunk, "S").source)
      end
    end
    assert.is_true(taken > 0)
  end)

  it("lacks nothing else that a traceback tells", function()
    local text = [[
      local function fail(what) error("wrong: " .. what) end
      return function(what)
        local object = { run = function(_, said) fail(said) end }
        object:run(what)
        return true
      end]]
    local chunk = assert(load(text, "@some.lua"))
    local bare = assert(load(without_locals(string.dump(chunk)), "@some.lua", "b"))
    local function told(made)
      local _, trace = xpcall(made(), debug.traceback, "this")
      return trace:match "^(.-)\n[^\n]*'xpcall'"
    end
    assert.equal(told(chunk), told(bare))
    assert.truthy(told(bare):find("some.lua:1: in upvalue 'fail'", 1, true))
    assert.truthy(told(bare):find("some.lua:3: in method 'run'", 1, true))
  end)

  it("is found as any other module, and compiled from its text when that has changed", function()
    local name = "kubesim.durations"
    local place <close> = folder_with(name, "return { of = ..., at = debug.getinfo(1, 'S').source }")
    with_folder(place.folder, name, function()
      local _, path, taken = core.chunk(name)
      assert.equal(place.file, path)
      assert.is_false(taken)
      assert.same({ of = name, at = "@" .. place.file }, require(name))
    end)
  end)

  it("is found by require alone, and once however often the core is opened", function()
    local searchers, found = #package.searchers, 0
    local open = assert(package.loadlib(package.searchpath("kubesim.core", package.cpath), "luaopen_kubesim_core"))
    open()
    assert.equal(searchers, #package.searchers)
    for _, search in ipairs(package.searchers) do
      if type((search "kubesim.durations")) == "function" then found = found + 1 end
      assert.is_nil((package.searchers[2] "kubesim.nothing"))
      assert.is_nil((package.searchers[2] "durations"))
    end
    assert.equal(2, found) -- this one and that of Lua files
  end)

  it("says what is wrong with its file", function()
    local name = "kubesim.durations"
    local place <close> = folder_with(name, "return {\nreturn")
    with_folder(place.folder, name, function()
      local ok, why = pcall(require, name)
      assert.is_false(ok)
      assert.truthy(why:find(("error loading module '%s' from file '%s':"):format(name, place.file), 1, true))
      assert.truthy(why:find(":2:", 1, true))
    end)
    local path = package.path
    package.path = "/nowhere/?.lua"
    local ok, why = pcall(core.chunk, name)
    package.path = path
    assert.is_false(ok)
    assert.truthy(why:find("module 'kubesim.durations' not found:", 1, true))
    assert.truthy(why:find("no file '/nowhere/kubesim/durations.lua'", 1, true))
  end)

  it("may have a name of any length", function()
    local name = "kubesim.durations"
    local text = assert(io.open((select(2, core.chunk(name))))):read "a"
    for _, length in ipairs { 1, 60, 150 } do
      local place <close> = folder_with(("x"):rep(length) .. "." .. name, text)
      with_folder(place.folder .. "/" .. ("x"):rep(length), name, function()
        local chunk, path = core.chunk(name)
        assert.equal("@" .. path, debug.getinfo(chunk, "S").source)
        assert.equal(60, chunk().ns("1m") // 1000000000)
      end)
    end
  end)

  it("is not named otherwise", function() assert.is_nil(core.chunk "kubesim.nothing") end)
end)
