-- Claims between a StatefulSet and a cache that is late: whenScaled: Delete, and a set that grows again before the claims of its
-- scaled-down pods have gone; claims that were made a moment ago.
local kubesim = require "kubesim"
require "kubesim.assertions"

local SET <const> = [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 2
  podManagementPolicy: POLICY
  persistentVolumeClaimRetentionPolicy: {whenScaled: Delete, whenDeleted: Retain}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1", volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
]]

describe("a claim that goes with its scaled-down pod", function()
  for _, policy in ipairs { "OrderedReady", "Parallel" } do
    it("is not given to the next pod of that name: " .. policy, function()
      local cluster <close> = kubesim.new { nodes = 1 }
      cluster:create((SET:gsub("POLICY", policy)))
      assert.is_true(cluster:wait_for("sts/web", "ready"))
      local former = cluster:get "pvc/data-web-1".metadata.uid
      cluster:lag("garbagecollector", "1m")
      cluster:scale("sts/web", 1)
      assert.is_true(cluster:wait_for("pod/web-1", "deleted", { timeout = "50s" }))
      cluster:scale("sts/web", 2)
      assert.always(cluster, function(c)
        local pod, claim = c:get "pod/web-1", c:get "pvc/data-web-1"
        return not (pod and claim and claim.metadata.uid == former), "web-1 has the claim of the one before"
      end)
      cluster:advance "5s"
      assert.equal(former, cluster:get "pvc/data-web-1".metadata.uid)
      assert.is_nil(cluster:get "pod/web-1")
      cluster:advance "2m" -- no claim's end wakes the controller: only a change does, or informers that show all anew
      assert.is_nil(cluster:get "pvc/data-web-1")
      cluster:patch("sts/web", { metadata = { labels = { look = "again" } } })
      assert.is_true(cluster:wait_for("sts/web", "ready"))
      assert.not_equal(former, cluster:get "pvc/data-web-1".metadata.uid)
    end)
  end
end)

describe("a pod whose claim is on its way out", function()
  it("is made within a day of the claim's end, when the informers show all anew", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create((SET:gsub("POLICY", "OrderedReady")))
    assert.is_true(cluster:wait_for("sts/web", "ready"))
    local hold = cluster:get "pvc/data-web-1".metadata.finalizers
    hold[#hold + 1] = "example.com/keep"
    cluster:patch("pvc/data-web-1", { metadata = { finalizers = hold } }, { type = "merge" })
    cluster:lag("garbagecollector", "10s")
    cluster:scale("sts/web", 1)
    assert.is_true(cluster:wait_for("pod/web-1", "deleted", { timeout = "50s" }))
    cluster:scale("sts/web", 2)
    cluster:advance "1h"
    assert.is_nil(cluster:get "pod/web-1")
    cluster:patch("pvc/data-web-1", { metadata = { finalizers = kubesim.null } }, { type = "merge" })
    cluster:advance "10m"
    assert.is_nil(cluster:get "pod/web-1")
    cluster:advance "24h"
    assert.phase("Running", cluster, "pod/web-1")
  end)
end)

describe("a claim whose pod its set itself has ended", function()
  it("is still there when the set looks, and goes unnoticed: its next pod waits for another change", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create((SET:gsub("POLICY", "OrderedReady")))
    for ordinal = 0, 1 do
      cluster:settle()
      cluster:drive("web-" .. ordinal, "ready")
    end
    cluster:scale("sts/web", 0) -- both pods own their claims now
    cluster:settle()
    cluster:drive("web-0", "failed")
    cluster:settle()
    cluster:scale("sts/web", 2)
    cluster:settle()
    assert.is_nil(cluster:get "pvc/data-web-0")
    assert.is_nil(cluster:get "pod/web-0")
    cluster:patch("sts/web", { metadata = { labels = { look = "again" } } })
    cluster:settle()
    assert.is_not_nil(cluster:get "pod/web-0")
  end)
end)

describe("a claim that its set has just made", function()
  -- whether the claim or the set's own status is heard of first hangs on the seed
  local function made_twice(consistent)
    local times = 0
    for seed = 1, 40 do
      local cluster <close> = kubesim.new { nodes = 1, seed = seed, kubelet = "manual",
        feature_gates = { StaleControllerConsistencyStatefulSet = consistent } }
      cluster:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "q" }, spec = { hard = { pods = 0 } } }
      cluster:advance "1s"
      cluster:lag("statefulset", { 0, "10s" })
      cluster:create((SET:gsub("POLICY", "OrderedReady")))
      cluster:advance "30s"
      for _, event in ipairs(cluster:events { ref = "sts/web" }) do
        if event.message:find("already exists", 1, true) then times = times + 1 end
      end
    end
    return times
  end

  it("is not made again because its controller has not heard of it", function()
    assert.equal(0, made_twice(true))
    assert.is_true(made_twice(false) > 0)
  end)
end)
