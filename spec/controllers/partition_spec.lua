-- Which revision a StatefulSet's pods are made from, and which it moves to: partitions, sets that do not begin at 0, strategies.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

describe("a StatefulSet", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1, latency = 0 } end)
  after_each(function() cluster:close() end)

  local function create(spec)
    cluster:create(workload.set("StatefulSet", spec))
    cluster:settle()
  end

  local function to(image)
    cluster:patch("sts/web", { spec = { template = { spec = { containers = { { name = "main", image = image } } } } } })
    cluster:settle()
  end

  ---{ ["web-3"] = "app:1", ... }
  local function images()
    local map = {}
    for _, pod in ipairs(cluster:list "pod") do map[pod.metadata.name] = pod.spec.containers[1].image end
    return map
  end

  for _, policy in ipairs { "OrderedReady", "Parallel" } do
    it("that begins at 3 counts its partition from there: " .. policy, function()
      create { replicas = 3, ordinals = { start = 3 }, podManagementPolicy = policy,
        updateStrategy = { rollingUpdate = { partition = 1 } } }
      to "app:2"
      assert.same({ ["web-3"] = "app:1", ["web-4"] = "app:2", ["web-5"] = "app:2" }, images())
      for name in pairs(images()) do cluster:delete("pod/" .. name) end
      cluster:settle()
      assert.same({ ["web-3"] = "app:1", ["web-4"] = "app:2", ["web-5"] = "app:2" }, images())
    end)
  end

  it("with a rollingUpdate of null makes as many pods from the old revision as there are of it", function()
    create { replicas = 3, updateStrategy = { type = "RollingUpdate", rollingUpdate = kubesim.null } }
    cluster:image("app:2", { exists = false })
    to "app:2" -- the last one is replaced, and never ready
    assert.same({ ["web-0"] = "app:1", ["web-1"] = "app:1", ["web-2"] = "app:2" }, images())
    cluster:delete "pod/web-0"
    cluster:settle()
    assert.equal("app:1", images()["web-0"])
  end)

  it("with OnDelete makes pods from the new revision, and says that the old one is current", function()
    create { replicas = 2, updateStrategy = { type = "OnDelete" } }
    local old = cluster:get("sts/web").status.currentRevision
    to "app:2"
    assert.same({ ["web-0"] = "app:1", ["web-1"] = "app:1" }, images())
    for name in pairs(images()) do
      cluster:delete("pod/" .. name)
      cluster:settle()
    end
    assert.same({ ["web-0"] = "app:2", ["web-1"] = "app:2" }, images())
    assert.equal(old, cluster:get("sts/web").status.currentRevision)
  end)

  it("moves on from no other pod in the moment in which it replaces one that has failed, which it deletes twice then", function()
    local world <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    world:create(workload.set("StatefulSet", { replicas = 3, podManagementPolicy = "Parallel" }))
    world:settle()
    for i = 0, 2 do world:drive("web-" .. i, "ready") end
    world:settle()
    world:drive("web-2", "failed")
    world:patch("sts/web", { spec = { template = { spec = { containers = { { name = "main", image = "app:2" } } } } } })
    world:settle()
    for i = 0, 1 do assert.is_nil(world:get("pod/web-" .. i).metadata.deletionTimestamp) end
    assert.equal("app:2", world:get("pod/web-2").spec.containers[1].image)
    local deleted = world:events { ref = "sts/web", reason = "SuccessfulDelete" }
    assert.same({ 1, 2 }, { #deleted, deleted[1].count })
  end)
end)
