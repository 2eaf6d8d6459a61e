-- spec/golden/lifetimes.json: what single pods showed on a real v1.36.2 kubelet, from creation to their end.
local kubesim = require "kubesim"
local lifetime = require "spec.support.lifetime"

local function read(path)
  local f <close> = assert(io.open(path))
  return kubesim.json.decode(f:read "a")
end

describe("a pod lives as on a real kubelet", function()
  for _, life in ipairs(read "spec/golden/lifetimes.json") do
    it("(" .. life.name .. ")", function()
      local differences = lifetime.play(life)
      assert(#differences == 0, table.concat(differences, "\n"))
    end)
  end
end)
