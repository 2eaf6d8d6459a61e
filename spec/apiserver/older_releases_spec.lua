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

  it("does not know what younger ones have", function()
    local function pod(field)
      return "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: c, image: x}]\n  " .. field
    end
    local group, reference = pod "schedulingGroup: {podGroupName: g}", pod "workloadRef: {name: w, podGroup: g}"
    for release, known in pairs { ["1.34"] = {}, ["1.35"] = { [reference] = true }, ["1.36"] = { [group] = true } } do
      local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual", version = release }
      for _, manifest in ipairs { group, reference } do
        local ok, made = pcall(cluster.create, cluster, manifest, { dry_run = true })
        assert.equal(known[manifest] or false, ok)
        if ok then
          assert.is_nil(made[1].spec.schedulingGroup)
          assert.is_nil(made[1].spec.workloadRef)
        else
          assert.matches("strict decoding error: unknown field", made.message, 1, true)
        end
      end
    end
  end)

  it("takes volumes made of images, and what mounts them, from 1.35 on", function()
    local manifest <const> = [[
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  hostnameOverride: over
  volumes: [{name: i, image: {reference: "i:1"}}, {name: e, emptyDir: {}}]
  containers: [{name: c, image: x, volumeMounts: [{name: i, mountPath: /i}, {name: e, mountPath: /e}]}]
]]
    for release, count in pairs { ["1.34"] = 1, ["1.35"] = 2 } do
      local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual", version = release }
      local spec = cluster:create(manifest)[1].spec
      assert.equal(count, #spec.volumes - 1) -- there is the service account's, too
      assert.equal(count, #spec.containers[1].volumeMounts - 1)
      assert.equal(count == 2 and "over" or nil, spec.hostnameOverride)
    end
  end)

  it("drops terminatingReplicas from a status where its gate is off", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual", version = "1.34" }
    cluster:create(kubesim.json.encode { apiVersion = "apps/v1", kind = "ReplicaSet", metadata = { name = "web" }, spec = { replicas = 0,
      selector = { matchLabels = { app = "web" } },
      template = { metadata = { labels = { app = "web" } }, spec = { containers = { { name = "c", image = "x" } } } } } })
    cluster:patch("rs/web", { status = { terminatingReplicas = 1 } }, { subresource = "status" })
    assert.is_nil(cluster:get "rs/web".status.terminatingReplicas)
  end)

  it("knows the gates that are gone since", function()
    local cluster <close> = kubesim.new { nodes = 0, version = "1.35", feature_gates = { TopologyAwareHints = true } }
    assert.equal(0, cluster:count "node")
    local ok, why = pcall(kubesim.new, { nodes = 0, version = "1.36", feature_gates = { TopologyAwareHints = true } })
    assert.is_false(ok)
    assert.matches("unrecognized feature gate: TopologyAwareHints", why, 1, true)
  end)
end)
