-- A run comes out the same whatever built the core. Builds it several times over: the slowest of the suites.

describe("a run #builds", function()
  -- What runs here is one build. The others are made beside it and stay for the next time: its compiler's without optimisation, the other
  -- compiler's with the ordinary flags, which is the one that continuous integration makes.
  it("has the same trace whatever compiler and optimisation built the core", function()
    local function output(command)
      local pipe <close> = assert(io.popen(command .. " 2>/dev/null"))
      return pipe:read "a"
    end
    local function real(compiler) return output(("readlink -f $(command -v %s)"):format(compiler)) end
    local module = assert(package.searchpath("kubesim.core", package.cpath))
    local running = output(("cat %s/../flags"):format(module:match "^(.*)/"))
    local script = [[
      local kubesim = require "kubesim"
      local cluster <close> = kubesim.new { seed = 3, nodes = 3 }
      for _, name in ipairs { "replica-web", "stateful-db", "stateful-pvc", "stateful-headless" } do
        local f <close> = assert(io.open("examples/lab/" .. name .. ".yaml"))
        cluster:apply((f:read "a":gsub("replicas: %d+", "replicas: 4")))
      end
      cluster:settle()
      cluster:delete "pod/stateful-pvc-1"
      cluster:fail_node "k8s-node3"
      cluster:advance(600)
      return cluster:trace()
    ]]
    local expected = assert(load(script))()
    assert.is_true(#expected > 0)
    local file = os.tmpname()
    finally(function() os.remove(file) end)
    do
      local f <close> = assert(io.open(file, "w"))
      f:write("io.write((function() ", script, " end)())")
    end
    for _, cc in ipairs { "gcc", "clang" } do
      local itself = running:find(" -O2 ", 1, true) and real(running:match "^%S+") == real(cc)
      local build, flags = "build/ci-" .. cc, ""
      if itself then build, flags = "build/trace-" .. cc, "LTO= CFLAGS='-O0 -g0'" end
      if real(cc) ~= "" then
        assert(os.execute(("make -s -j2 build PGO= CC=%s BUILD=%s %s >/dev/null 2>&1"):format(cc, build, flags)), build)
        assert.equal(expected, output(
          ("LUA_PATH_5_4='./lua/?.lua;./lua/?/init.lua;;' LUA_CPATH_5_4='./%s/?.so;;' lua5.4 %s"):format(build, file)), build)
      end
    end
  end)
end)
