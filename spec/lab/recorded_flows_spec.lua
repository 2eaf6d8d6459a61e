-- spec/golden/flows.json: the lab and two roll-outs on a real v1.36.2 cluster, second by second.
local kubesim = require "kubesim"
local flow = require "spec.support.flow"

local function read(path)
  local f <close> = assert(io.open(path))
  return kubesim.json.decode(f:read "a")
end

describe("a cluster shows what a real one showed", function()
  for _, recording in ipairs(read "spec/golden/flows.json") do
    it("(" .. recording.name .. ")", function()
      local differences = flow.play(recording)
      assert(#differences == 0, table.concat(differences, "\n"))
    end)
  end
end)
