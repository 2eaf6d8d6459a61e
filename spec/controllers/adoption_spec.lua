-- Which pods a set takes for its own, lets go of, and counts, where that is not plain: pods that have ended, sets that are on their way
-- out, writes that are refused.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local HOLD <const> = { metadata = { finalizers = { "example.com/x" } } }

local function held(object)
  object.metadata.finalizers = HOLD.metadata.finalizers
  return object
end

---A pod of a world whose kubelet is played by hand.
local function stray(name)
  return workload.pod(name, { app = "web" }, { nodeName = "k8s-node1" })
end

for _, kind in ipairs { "ReplicaSet", "StatefulSet" } do
  local ref = kind == "ReplicaSet" and "rs/web" or "sts/web"

  describe("a " .. kind, function()
    local cluster
    before_each(function()
      cluster = kubesim.new { nodes = 1, kubelet = "manual" }
      cluster:create(held(workload.set(kind, { replicas = 1 })))
      cluster:settle()
    end)
    after_each(function() cluster:close() end)

    local function mine() return cluster:list("pod", { labels = "app" })[1].metadata.name end

    it("that is on its way out lets no pod go, and takes none", function()
      cluster:delete(ref)
      local name = mine()
      cluster:create(stray "web-7")
      cluster:patch("pod/" .. name, { metadata = { labels = { app = "other" } } })
      cluster:settle()
      assert.equal(kind, cluster:get("pod/" .. name).metadata.ownerReferences[1].kind)
      assert.is_nil(cluster:get("pod/web-7").metadata.ownerReferences)
      assert.equal(cluster:get(ref).metadata.generation, cluster:get(ref).status.observedGeneration)
    end)

    it("that is on its way out makes no pod, and deletes none", function()
      cluster:delete(ref)
      cluster:scale(ref, 2)
      cluster:settle()
      assert.equal(1, cluster:count "pod")
      cluster:scale(ref, 0)
      cluster:settle()
      assert.is_nil(cluster:get("pod/" .. mine()).metadata.deletionTimestamp)
    end)
  end)
end

describe("a ReplicaSet", function()
  it("is not told when a terminating pod loses its owner, unless the pod's labels change as well", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(workload.set("ReplicaSet", { replicas = 2 }))
    cluster:settle()
    local pods = cluster:list "pod"
    for i, pod in ipairs(pods) do
      cluster:drive(pod.metadata.name, "running")
      cluster:delete("pod/" .. pod.metadata.name)
      cluster:settle()
      assert.equal(i, cluster:get("rs/web").status.terminatingReplicas)
    end
    local alone = { ownerReferences = kubesim.null }
    cluster:patch("pod/" .. pods[1].metadata.name, { metadata = alone }, { type = "merge" })
    cluster:settle()
    assert.equal(2, cluster:get("rs/web").status.terminatingReplicas)
    alone.labels = { app = "other" }
    cluster:patch("pod/" .. pods[2].metadata.name, { metadata = alone }, { type = "merge" })
    cluster:settle()
    assert.equal(0, cluster:get("rs/web").status.terminatingReplicas)
  end)

  it("does not take a pod that has ended before it looked", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(workload.set("ReplicaSet", { replicas = 1 }))
    cluster:settle()
    cluster:create(stray "done")
    cluster:drive("done", "failed")
    cluster:settle()
    assert.is_nil(cluster:get("pod/done").metadata.ownerReferences)
    assert.equal(2, cluster:count "pod")
  end)

  it("takes only Failed and Succeeded for ends", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(workload.set("ReplicaSet", { replicas = 1 }))
    cluster:settle()
    local ref = "pod/" .. cluster:list("pod")[1].metadata.name
    for _, phase in ipairs { "Fine", "Starting" } do
      cluster:patch(ref, { status = { phase = phase } }, { subresource = "status" })
      cluster:settle()
      assert.equal(1, cluster:count "pod")
    end
    cluster:patch(ref, { status = { phase = "Failed" } }, { subresource = "status" })
    cluster:settle()
    assert.equal(2, cluster:count "pod")
  end)

  it("counts pods as fully labelled that have all of the template's labels", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(workload.set("ReplicaSet", { replicas = 2 }))
    cluster:settle()
    cluster:patch("rs/web", { spec = { template = { metadata = { labels = { tier = "a" } } } } })
    cluster:settle()
    local status = cluster:get("rs/web").status
    assert.same({ 2, nil }, { status.replicas, status.fullyLabeledReplicas })
    cluster:patch("pod/" .. cluster:list("pod")[1].metadata.name, { metadata = { labels = { tier = "a" } } })
    cluster:settle()
    assert.equal(1, cluster:get("rs/web").status.fullyLabeledReplicas)
  end)

  it("does not count a pod on its way out that is no longer like its pods", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(workload.set("ReplicaSet", { replicas = 1 }))
    cluster:settle()
    local name = cluster:list("pod")[1].metadata.name
    cluster:delete("pod/" .. name)
    cluster:settle()
    assert.equal(1, cluster:get("rs/web").status.terminatingReplicas)
    cluster:patch("pod/" .. name, { metadata = { labels = { app = "other" } } })
    cluster:settle()
    assert.equal(0, cluster:get("rs/web").status.terminatingReplicas)
  end)

  it("keeps the first text of what went wrong, and takes it back when all is well", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    local function quota(pods)
      cluster:apply { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "q" }, spec = { hard = { pods = pods } } }
    end
    quota(1)
    cluster:create(workload.set("ReplicaSet", { replicas = 3 }))
    cluster:advance "1m"
    local condition = cluster:get("rs/web").status.conditions[1]
    assert.same({ "ReplicaFailure", "True", "FailedCreate" }, { condition.type, condition.status, condition.reason })
    assert.matches("exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1", condition.message, 1, true)
    quota(2)
    cluster:scale("rs/web", 4)
    cluster:advance "1h"
    assert.equal(2, cluster:count "pod")
    assert.same(condition, cluster:get("rs/web").status.conditions[1])
    quota(9)
    cluster:advance "1h"
    assert.equal(4, cluster:count "pod")
    assert.is_nil(cluster:get("rs/web").status.conditions)
  end)

  it("has nothing to say of a namespace that is going away", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create { apiVersion = "v1", kind = "Namespace", metadata = { name = "old" } }
    local there = { namespace = "old" }
    cluster:create(workload.set("ReplicaSet", { replicas = 2 }), there)
    cluster:settle()
    cluster:delete "ns/old"
    cluster:advance "10s" -- its pods are on their way out, and the rest waits for them
    assert.is_string(cluster:list("pod", there)[1].metadata.deletionTimestamp)
    local rs = cluster:get("rs/web", there)
    assert.equal(0, rs.status.replicas)
    assert.is_nil(rs.status.conditions)
  end)

  it("does not wait for deletions that were refused", function()
    for seed = 1, 10 do
      local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual", seed = seed,
        feature_gates = { StaleControllerConsistencyReplicaSet = false } }
      cluster:create(workload.set("ReplicaSet", { replicas = 6 }))
      cluster:settle()
      cluster:lag("replicaset", "1s")
      cluster:fail_writes("replicaset", 0.5)
      cluster:scale("rs/web", 1)
      cluster:advance "2s"
      cluster:fail_writes("replicaset", 0)
      cluster:advance "1m" -- and an expectation lasts five
      local live = 0
      for _, pod in ipairs(cluster:list "pod") do
        if not pod.metadata.deletionTimestamp then live = live + 1 end
      end
      assert.equal(1, live)
    end
  end)
end)

describe("a StatefulSet", function()
  it("does not take back what its status says it has observed", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(workload.set("StatefulSet", { replicas = 1 }))
    cluster:settle()
    cluster:patch("sts/web", { status = { observedGeneration = 99 } }, { subresource = "status" })
    cluster:settle()
    assert.equal(99, cluster:get "sts/web".status.observedGeneration)
  end)

  it("that is on its way out counts no more while there are revisions that nobody has", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(held(workload.set("StatefulSet", { replicas = 1 })))
    cluster:settle()
    cluster:create { apiVersion = "apps/v1", kind = "ControllerRevision", revision = 7, data = { spec = {} },
      metadata = { name = "web-odd", labels = { app = "web" } } }
    cluster:delete "sts/web"
    cluster:drive("web-0", "ready")
    cluster:advance "1h"
    assert.is_nil(cluster:get "sts/web".status.readyReplicas)
    cluster:delete "controllerrevision/web-odd"
    cluster:advance "1h"
    assert.equal(1, cluster:get "sts/web".status.readyReplicas)
  end)
end)
