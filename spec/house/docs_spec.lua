-- The reference lists what there is, with the defaults that there are.
local core = require "kubesim.core"
local kubesim = require "kubesim"
local Cluster = require "kubesim.cluster"

local function read(path)
  local f <close> = assert(io.open(path))
  return f:read "a"
end

describe("docs/api.md", function()
  local text = read "docs/api.md"

  it("has every function of the module and every method of a cluster", function()
    for name, value in pairs(kubesim) do
      if type(value) == "function" then assert.matches("`kubesim." .. name .. "(", text, 1, true) end
    end
    for name, value in pairs(Cluster) do
      local public = type(value) == "function" and not name:find "^_" and name ~= "wrap"
      if public then assert.matches("`cluster:" .. name .. "(", text, 1, true) end
    end
  end)

  it("names nothing that is not there", function()
    for name in text:gmatch "`cluster:([%w_]+)%(" do assert.is_function(Cluster[name], name) end
    for name in text:gmatch "`kubesim%.([%w_]+)%(" do assert.is_function(kubesim[name], name) end
  end)
end)

describe("docs/fidelity.md", function()
  local text = read "docs/fidelity.md"

  it("has every latency with its default", function()
    local n = 0
    for name, ms in text:gmatch "\n| `(%w+)` | (%d+) ms |" do
      assert.equal(core.latencies[name], tonumber(ms) * 1000000, name)
      n = n + 1
    end
    for _ in pairs(core.latencies) do n = n - 1 end
    assert.equal(0, n)
  end)
end)
