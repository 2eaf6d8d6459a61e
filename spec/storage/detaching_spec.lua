-- When a volume leaves a node that does not say any more whether it works with it.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local VOLUMES <const> = { { name = "data", persistentVolumeClaim = { claimName = "data" } } }

describe("a volume of a node that is silent", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = { { name = "a" }, { name = "b" } } }
    cluster:create(workload.claim("data", "fast"))
    cluster:create(workload.pod("user", nil, { nodeSelector = { ["kubernetes.io/hostname"] = "a" },
      volumes = VOLUMES }))
    cluster:advance "1m"
    assert.equal(1, cluster:count "volumeattachments")
  end)
  after_each(function() cluster:close() end)

  local function leaves_after_six_minutes()
    cluster:advance "5m"
    assert.equal(1, cluster:count "volumeattachments")
    cluster:advance "2m"
    assert.equal(0, cluster:count "volumeattachments")
  end

  it("stays there for six minutes when its pod has gone", function()
    cluster:fail_node "a"
    cluster:advance "1m"
    cluster:delete("pod/user", { grace_period = 0 })
    leaves_after_six_minutes()
  end)

  it("stays there for six minutes when the node is gone for good, too", function()
    cluster:delete "node/a"
    cluster:delete("pod/user", { grace_period = 0 })
    leaves_after_six_minutes()
  end)

  it("stays there for six minutes anew when a pod has wanted it meanwhile", function()
    cluster:fail_node "a"
    cluster:advance "1m"
    cluster:delete("pod/user", { grace_period = 0 })
    cluster:advance "3m"
    cluster:create(workload.pod("again", nil, { nodeName = "a", volumes = VOLUMES }))
    cluster:advance "10s"
    cluster:delete("pod/again", { grace_period = 0 })
    leaves_after_six_minutes()
  end)

  it("leaves at once when the node is said to be out of service", function()
    cluster:fail_node "a"
    cluster:advance "1m"
    cluster:kubectl "taint node a node.kubernetes.io/out-of-service=down:NoExecute"
    cluster:advance "1m"
    assert.equal(0, cluster:count "volumeattachments")
  end)
end)

describe("a volume of a node that is silent, and whose last word has not been heard of yet", function()
  it("is not taken from it on trust", function()
    for seed = 1, 10 do
      local cluster <close> = kubesim.new { nodes = 1, seed = seed, latency = { ["watch.attachdetach"] = { 0, "1m" } } }
      cluster:create(workload.claim("data", "fast"))
      cluster:create(workload.pod("user", nil, {
        volumes = VOLUMES,
        containers = { { name = "main", image = "app:1", volumeMounts = { { name = "data", mountPath = "/data" } } } } }))
      assert.is_true(cluster:wait_for("pod/user", "ready", { timeout = "10m" }))
      cluster:fail_node(cluster:list("node")[1].metadata.name)
      cluster:delete("pod/user", { grace_period = 0 })
      cluster:advance "3m"
      assert.equal(1, cluster:count "volumeattachments")
    end
  end)
end)
