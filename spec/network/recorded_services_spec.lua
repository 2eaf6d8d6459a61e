-- spec/golden/scenarios/svc-*.json: Services, Endpoints and EndpointSlices of a real v1.36.2 control plane, step by step.
local recording = require "spec.support.recording"

describe("Services as on the real cluster", function()
  for _, name in ipairs { "cluster-ip", "external-name", "headless-sts", "many-selectors", "node-port", "to-headless-pod-hostnames" } do
    local script = recording.read("spec/golden/scenarios/svc-" .. name .. ".json")
    it(script.title, function()
      local differences = recording.play(script)
      assert(#differences == 0, table.concat(differences, "\n", 1, math.min(#differences, 5)))
    end)
  end
end)
