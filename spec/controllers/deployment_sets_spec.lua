-- Which ReplicaSets a Deployment has: whose they are, what they are called and numbered, in which order they change, which stay.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local REVISION <const> = "deployment.kubernetes.io/revision"
local HISTORY <const> = "deployment.kubernetes.io/revision-history"

describe("a Deployment's ReplicaSets", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  local function create(spec)
    cluster:create(workload.set("Deployment", spec))
    cluster:advance "1s"
  end

  local function to(image)
    cluster:kubectl("set image deploy/web main=" .. image)
    cluster:advance "1s"
  end

  ---Those of the images, as "app:2": ...
  local function sets()
    local map = {}
    for _, set in ipairs(cluster:list "rs") do map[set.spec.template.spec.containers[1].image] = set end
    return map
  end

  local function sizes()
    local map = {}
    for image, set in pairs(sets()) do map[image] = set.spec.replicas end
    return map
  end

  local function drive(image, state)
    for _, pod in ipairs(cluster:list "pod") do
      if pod.spec.containers[1].image == image then cluster:drive(pod.metadata.name, state) end
    end
    cluster:settle()
  end

  local function annotation(image, key) return sets()[image].metadata.annotations[key] end

  it("are let go when their labels do not match any more, and taken when they do", function()
    create { replicas = 1 }
    local ref, hash = "rs/" .. sets()["app:1"].metadata.name, sets()["app:1"].metadata.labels["pod-template-hash"]
    cluster:patch(ref, { metadata = { labels = { app = "other" } } })
    cluster:settle()
    assert.is_nil(cluster:get(ref).metadata.ownerReferences)
    -- its name is taken and it is not the Deployment's: the hash has collided
    assert.equal(1, cluster:get("deploy/web").status.collisionCount)
    local fresh
    for _, set in ipairs(cluster:list "rs") do
      if set.metadata.labels.app == "web" then fresh = set end
    end
    assert.not_equal(hash, fresh.metadata.labels["pod-template-hash"])
    cluster:patch(ref, { metadata = { labels = { app = "web" } } })
    cluster:settle()
    assert.equal("web", cluster:get(ref).metadata.ownerReferences[1].name)
  end)

  it("stay whose they are while the Deployment goes", function()
    create { replicas = 1 }
    cluster:patch("deploy/web", { metadata = { finalizers = { "example.com/x" } } })
    cluster:delete "deploy/web"
    cluster:settle()
    local ref = "rs/" .. sets()["app:1"].metadata.name
    cluster:patch(ref, { metadata = { labels = { app = "other" } } })
    cluster:settle()
    assert.equal("web", cluster:get(ref).metadata.ownerReferences[1].name)
  end)

  it("remember the numbers that they had, the last ones of many", function()
    create { replicas = 0 }
    for _, image in ipairs { "app:2", "app:1", "app:2", "app:1" } do to(image) end
    assert.equal("5", annotation("app:1", REVISION))
    assert.equal("1,3", annotation("app:1", HISTORY))
    assert.equal("2", annotation("app:2", HISTORY))
    -- there is room for 2000 bytes
    local many = ("1234567,"):rep(249) .. "1234567"
    cluster:kubectl(("annotate rs %s %s=%s --overwrite"):format(sets()["app:2"].metadata.name, HISTORY, many))
    to "app:2"
    local now = annotation("app:2", HISTORY)
    assert.equal(many:sub(9) .. ",4", now)
  end)

  it("keep a number that is none, and get no new one", function()
    create { replicas = 0 }
    to "app:2"
    cluster:kubectl(("annotate rs %s %s=third --overwrite"):format(sets()["app:1"].metadata.name, REVISION))
    to "app:1"
    assert.equal("third", annotation("app:1", REVISION))
    assert.is_nil(annotation("app:1", HISTORY))
  end)

  it("stay, spent ones too, until the roll-out is complete", function()
    create { replicas = 1, revisionHistoryLimit = 0 }
    drive("app:1", "ready")
    to "app:2"
    to "app:3"
    assert.same({ ["app:1"] = 1, ["app:2"] = 0, ["app:3"] = 1 }, sizes())
    drive("app:2", "gone")
    assert.same({ ["app:1"] = 1, ["app:2"] = 0, ["app:3"] = 1 }, sizes())
    drive("app:3", "ready")
    assert.same({ ["app:3"] = 1 }, sizes())
  end)

  it("go by their numbers, not by their age, and only those that are spent", function()
    create { replicas = 0, revisionHistoryLimit = 2 }
    to "app:2"
    to "app:1" -- revision 3; app:2 is the oldest by number now
    to "app:3"
    cluster:scale("rs/" .. sets()["app:2"].metadata.name, 1) -- which the Deployment undoes
    to "app:4"
    assert.same({ ["app:1"] = 0, ["app:3"] = 0, ["app:4"] = 0 }, sizes())
  end)

  it("stay while their own controller says that there are pods, although none are wanted", function()
    create { replicas = 1, revisionHistoryLimit = 0 }
    drive("app:1", "ready")
    to "app:2"
    cluster:kubectl "rollout pause deploy/web"
    cluster:settle()
    cluster:lag("replicaset", "20s")
    cluster:scale("rs/" .. sets()["app:1"].metadata.name, 0)
    cluster:advance "19s"
    assert.same({ ["app:1"] = 0, ["app:2"] = 1 }, sizes())
    cluster:advance "20s" -- it has deleted the pod, and counts it until it hears of that
    assert.equal(2, sets()["app:1"].status.observedGeneration)
    assert.same({ ["app:1"] = 0, ["app:2"] = 1 }, sizes())
    cluster:settle { timeout = "1h" }
    assert.same({ ["app:2"] = 1 }, sizes())
  end)

  -- as recorded: the Deployment has what it cleans up from before it scaled
  it("go, though just scaled up, when history has no room for them; but their pods are made and ended", function()
    create { replicas = 0, revisionHistoryLimit = 0 }
    cluster:patch("deploy/web", { spec = { paused = true, replicas = 2,
      template = { spec = { containers = { { name = "main", image = "app:2" } } } } } })
    cluster:advance "1s"
    assert.same({}, sets())
    local pods = cluster:list "pod"
    assert.equal(2, #pods)
    for _, pod in ipairs(pods) do assert.is_not_nil(pod.metadata.deletionTimestamp) end
    assert.is_nil(cluster:get("deploy/web").status.replicas)
  end)

  -- deployment_controller.go: handleErr: the Deployment is synced again, with the set as it is by then
  it("stay, just scaled up, when their deletion is refused", function()
    local refused = 0
    for seed = 1, 6 do
      cluster:close()
      cluster = kubesim.new { nodes = 1, kubelet = "manual", seed = seed }
      create { replicas = 0, revisionHistoryLimit = 0 }
      cluster:patch("deploy/web", { spec = { paused = true, replicas = 2,
        template = { spec = { containers = { { name = "main", image = "app:2" } } } } } })
      repeat cluster:step() until sizes()["app:1"] == 2
      cluster:fail_writes("deployment", 1)
      repeat until cluster:step().component == "deployment"
      cluster:fail_writes("deployment", 0)
      local there = sizes()
      cluster:settle()
      assert.same(there, sizes()) -- none: it went, and only the answer was lost
      if there["app:1"] then refused = refused + 1 end
    end
    assert.is_true(refused > 0)
  end)

  it("stay while their own controller has not looked at what is wanted now", function()
    create { replicas = 0, revisionHistoryLimit = 1 }
    to "app:2"
    cluster:lag("replicaset", "20s")
    cluster:patch("rs/" .. sets()["app:1"].metadata.name, { spec = { minReadySeconds = 5 } })
    cluster:patch("deploy/web", { spec = { revisionHistoryLimit = 0 } })
    cluster:advance "19s"
    assert.same({ ["app:1"] = 0, ["app:2"] = 0 }, sizes())
    cluster:settle { timeout = "1h" }
    assert.same({ ["app:2"] = 0 }, sizes())
  end)
end)

-- upstream counts in 32 bits, and what does not fit turns round
describe("numbers of a Deployment that are too large", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 0, latency = 0 }
    cluster:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "none" }, spec = { hard = { pods = "0" } } }
  end)
  after_each(function() cluster:close() end)

  local function make(replicas, surge)
    local rolling = { maxSurge = surge, maxUnavailable = 0 }
    cluster:create(workload.set("Deployment", { replicas = replicas, strategy = { rollingUpdate = rolling } }))
    cluster:advance "1s"
  end

  local function sizes()
    local of = {}
    for _, set in ipairs(cluster:list "rs") do
      local most = set.metadata.annotations["deployment.kubernetes.io/max-replicas"]
      of[set.spec.template.spec.containers[1].image] = set.spec.replicas .. " of " .. most
    end
    return of
  end

  it("make no pods while replicas and maxSurge together do not fit", function()
    make(3, 2147483647)
    assert.same({ ["app:1"] = "0 of -2147483646" }, sizes())
    cluster:patch("deploy/web", { spec = { strategy = { rollingUpdate = { maxSurge = 1 } } } })
    cluster:advance "1s"
    assert.same({ ["app:1"] = "3 of 4" }, sizes())
  end)

  it("share what is scaled up in a roll-out by a product that does not fit, and nothing becomes negative", function()
    make(60000, "100%")
    cluster:kubectl "set image deploy/web main=app:2"
    cluster:advance "1s"
    assert.same({ ["app:1"] = "60000 of 120000", ["app:2"] = "60000 of 120000" }, sizes())
    cluster:patch("deploy/web", { spec = { paused = true, replicas = 61000 } })
    cluster:advance "1s"
    assert.same({ ["app:1"] = "60000 of 122000", ["app:2"] = "62000 of 122000" }, sizes())
    local first = workload.told(cluster, "deploy/web", "ScalingReplicaSet")
    assert.matches("from 60000 to 132583$", first[3])
  end)
end)

describe("a rolling Deployment whose cache is late", function()
  it("takes from the old ReplicaSet once it has heard that the new one grew", function()
    local cluster <close> = kubesim.new { nodes = 1, latency = 0 }
    cluster:create(workload.set("Deployment", { replicas = 4, strategy = { rollingUpdate = { maxSurge = 1, maxUnavailable = 2 } } }))
    cluster:settle()
    cluster:kubectl "set image deploy/web main=app:2"
    cluster:settle()
    cluster:lag("deployment", "10s")
    local at = {}
    cluster:watch("event", function(_, event)
      if event.reason == "ScalingReplicaSet" then
        local way = event.message:match "Scaled (%a+)"
        at[way] = at[way] or cluster:now()
      end
    end)
    cluster:kubectl "set image deploy/web main=app:1"
    cluster:settle { timeout = "1h" }
    assert.equal(10, at.down - at.up)
  end)
end)
