-- Recordings of a real v1.36.2 control plane, step by step: objects whole, events, order.
local recording = require "spec.support.recording"

--- What the recordings' names begin with, and what they are about. The first that fits counts.
local SUBJECTS <const> = {
  { "sts-", "StatefulSets" }, { "rs-", "ReplicaSets" }, { "deploy-", "Deployments" }, { "gate-", "feature gates" },
  { "v13", "older releases" }, { "pdb-", "disruption budgets" }, { "evict-", "evictions" }, { "gc-", "owners" },
  { "finalizer-", "finalizers" }, { "limit-", "limits" }, { "quota-", "quotas" }, { "node-", "nodes and their disks" },
  { "sched-", "scheduling" }, { "pod-", "pods" }, { "pv", "volumes and claims" }, { "svc-", "Services" },
  { "prebind-", "pods that wait for their volumes" }, { "kubectl-", "kubectl" }, { "rollout-", "kubectl rollout" },
  { "apply-", "kubectl apply" }, { "replace-", "kubectl replace" }, { "patch-", "patches" },
}

local function subject_of(name)
  for _, row in ipairs(SUBJECTS) do
    if name:sub(1, #row[1]) == row[1] then return row[2] end
  end
  error("a recording of nothing in particular: " .. name)
end

local pipe <close> = assert(io.popen "cd spec/golden/scenarios && ls *.json")
local count = 0
for name in pipe:lines() do
  count = count + 1
  local script = recording.read("spec/golden/scenarios/" .. name)
  describe(subject_of(name) .. " as on the real cluster:", function()
    it(script.title or script.name, function()
      local differences = recording.play(script)
      assert(#differences == 0, table.concat(differences, "\n", 1, math.min(#differences, 5)))
    end)
  end)
end
assert(count > 0, "no recordings found")
