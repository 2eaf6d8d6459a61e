-- How many pods a ReplicaSet makes at once: one, two, four, ... until one is refused, and no more than 500 before it has heard of them.
-- And that pods which a StatefulSet is still to make cost nothing.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

describe("a ReplicaSet that grows", function()
  it("begins with few, and asks for no more where some are refused", function()
    -- of so many that there is room for, so many are refused: what is left of the batch, and no batch comes after it
    for room, refused in pairs { [0] = 1, [1] = 2, [2] = 1, [3] = 4, [6] = 1, [7] = 8 } do
      local cluster <close> = kubesim.new { nodes = 0 }
      cluster:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "q" }, spec = { hard = { pods = room } } }
      cluster:advance "1s"
      cluster:create(workload.set("ReplicaSet", { replicas = 40 }))
      repeat until cluster:step().component == "replicaset"
      local count = 0
      for _, event in ipairs(cluster:events { ref = "rs/web", reason = "FailedCreate" }) do count = count + event.count end
      assert.same({ room, refused }, { cluster:count "pod", count })
    end
  end)

  it("waits to hear of five hundred", function()
    local cluster <close> = kubesim.new { nodes = 0, latency = { ["watch.replicaset"] = "1s" } }
    cluster:create(workload.set("ReplicaSet", { replicas = 600 }))
    cluster:advance(1.5)
    assert.equal(500, cluster:count "pod")
    cluster:advance(1)
    assert.equal(600, cluster:count "pod")
    cluster:advance(5)
    cluster:scale("rs/web", 50) -- pods that have no node go at once
    cluster:advance(1.5)
    assert.equal(100, cluster:count "pod")
    cluster:advance(1)
    assert.equal(50, cluster:count "pod")
  end)
end)

describe("a StatefulSet of as many pods as there can be", function()
  it("makes them one after the other, and takes no more memory than for those", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    collectgarbage()
    cluster.core:limit_memory(64 << 20)
    cluster:create(workload.set("StatefulSet", { replicas = 2147483647 }))
    cluster:advance "10s"
    assert.is_true(cluster:count "pod" > 3)
    cluster:kubectl "set image sts/web main=app:2"
    cluster:delete("pod/web-1", { grace_period = 0 })
    cluster:advance "10s"
    cluster:patch("sts/web", { spec = { ordinals = { start = 2147000000 } } })
    cluster:advance "20s"
    cluster:scale("sts/web", 1)
    cluster:settle()
    assert.equal("web-2147000000", cluster:list "pod"[1].metadata.name)
    assert.same({ 1, 1 }, { cluster:count "pod", cluster:get "sts/web".status.updatedReplicas })
  end)
end)
