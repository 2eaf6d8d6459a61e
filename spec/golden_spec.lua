-- Recordings of a real v1.36.2 control plane, step by step: objects whole, events, order.
local recording = require "spec.support.recording"

local function files(pattern)
  local list = {}
  local pipe <close> = assert(io.popen("cd spec/golden/scenarios && ls " .. pattern))
  for path in pipe:lines() do list[#list + 1] = "spec/golden/scenarios/" .. path end
  assert(#list > 0, "no recordings match " .. pattern)
  return list
end

for title, pattern in pairs {
  ["StatefulSets as on the real cluster"] = "sts-*.json",
  ["ReplicaSets as on the real cluster"] = "rs-*.json",
  ["Deployments as on the real cluster"] = "deploy-*.json",
  ["disruption budgets and evictions as on the real cluster"] = "pdb-*.json evict-*.json",
  ["owners, finalizers and limits as on the real cluster"] = "gc-*.json finalizer-*.json limit-*.json",
  ["feature gates as on the real cluster"] = "gate-*.json",
  ["older releases as on the real cluster"] = "v13*.json",
  ["disks on several nodes as on the real cluster"] = "node-*.json",
  ["kubectl describe and rollout as on the real cluster"] = "kubectl-describe.json rollout-*.json",
  ["kubectl's changing commands as on the real cluster"] = "kubectl-apply.json kubectl-change.json apply-*.json replace-*.json",
  ["patches as on the real cluster"] = "patch-*.json",
} do
  describe(title, function()
    for _, path in ipairs(files(pattern)) do
      local script = recording.read(path)
      it(script.title or script.name, function()
        local differences = recording.play(script)
        assert(#differences == 0, table.concat(differences, "\n", 1, math.min(#differences, 5)))
      end)
    end
  end)
end
