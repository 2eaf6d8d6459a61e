-- What the API server of older releases answers otherwise than that of 1.36.
local kubesim = require "kubesim"

local BUDGET <const> = [[
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: b}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {app: web}}
]]
local LOST <const> = [[
apiVersion: v1
kind: Pod
metadata:
  name: lost
  labels: {app: web}
  ownerReferences:
  - {apiVersion: example.com/v1, kind: Widget, name: w, uid: 00000000-0000-0000-0000-000000000001, controller: true}
spec:
  containers: [{name: c, image: "app:1"}]
]]
local QUOTA <const> = [[
apiVersion: v1
kind: ResourceQuota
metadata: {name: q}
spec:
  hard: {requests.cpu: "2", limits.cpu: "1"}
]]

describe("the API server of an older release", function()
  for release, message in pairs {
    ["1.34"] = "The disruption budget b needs 0 healthy pods and has 0 currently",
    ["1.35"] = "The disruption budget b does not allow evicting pods currently because it failed sync: "
      .. 'no matches for kind "Widget" in version "example.com/v1"',
  } do
    it("says why a pod is not evicted: " .. release, function()
      local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual", version = release }
      cluster:create(BUDGET)
      cluster:advance(1)
      cluster:create(LOST)
      cluster:advance(1)
      cluster:drive("lost", "ready")
      cluster:advance(1)
      local ok, err = pcall(cluster.evict, cluster, "lost")
      assert.is_false(ok)
      assert.equal(message, err.details.causes[1].message)
    end)
  end

  for release, warning in pairs {
    ["1.34"] = "",
    ["1.35"] = "Warning: ResourceQuota requests.cpu (2) should be less than limits.cpu (1)\n",
  } do
    it("warns of quotas that nothing can meet: " .. release, function()
      local cluster <close> = kubesim.new { nodes = 1, version = release }
      local _, warned = cluster:kubectl("create -f -", QUOTA)
      assert.equal(warning, warned or "")
    end)
  end
end)
