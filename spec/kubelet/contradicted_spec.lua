-- What others write into conditions of a pod that are its kubelet's to write: the kubelet puts it right.
local kubesim = require "kubesim"

local OWN <const> = { "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled" }

local function condition(cluster, pod, type)
  for _, c in ipairs(cluster:get("pod/" .. pod).status.conditions) do
    if c.type == type then return c end
  end
end

local function say(cluster, pod, said) cluster:patch("pod/" .. pod, { status = { conditions = { said } } }, { subresource = "status" }) end

describe("a pod of which somebody says otherwise than its kubelet", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 1 }
    cluster:create { apiVersion = "apps/v1", kind = "ReplicaSet", metadata = { name = "web" }, spec = { replicas = 2,
      selector = { matchLabels = { app = "web" } }, template = { metadata = { labels = { app = "web" } },
        spec = { containers = { { name = "main", image = "app" } } } } } }
    cluster:settle()
  end)
  after_each(function() cluster:close() end)

  local function pods()
    local list = cluster:list("pod", { labels = "app=web" })
    return list[1].metadata.name, list[2].metadata.name
  end

  for _, type in ipairs(OWN) do
    it("has " .. type .. " as before, whether it was denied, explained or taken away", function()
      local one, other = pods()
      local untouched = cluster:get("pod/" .. other).metadata.resourceVersion
      for _, said in ipairs {
        { type = type, status = "False" },
        { type = type, status = "True", reason = "Nonsense" },
        { type = type, status = "True", message = "nonsense" },
        { type = type, ["$patch"] = "delete" } } do
        say(cluster, one, said)
        local now = condition(cluster, one, type)
        assert.is_true(now == nil or now.status == "False" or now.reason == "Nonsense" or now.message == "nonsense")
        cluster:advance(10)
        now = condition(cluster, one, type)
        assert.same({ "True" }, { now.status, now.reason, now.message })
      end
      assert.equal(untouched, cluster:get("pod/" .. other).metadata.resourceVersion)
    end)
  end

  it("is shown so until its kubelet looks at all pods, which it does every ten seconds", function()
    local one = pods()
    say(cluster, one, { type = "Ready", status = "False" })
    cluster:advance(10 - cluster:now() % 10 - 0.001)
    assert.equal("False", condition(cluster, one, "Ready").status)
    cluster:advance(0.001)
    assert.equal("True", condition(cluster, one, "Ready").status)
  end)

  it("keeps what is not the kubelet's to say", function()
    local one = pods()
    say(cluster, one, { type = "example.com/Checked", status = "False" })
    local version = cluster:get("pod/" .. one).metadata.resourceVersion
    cluster:advance(60)
    assert.equal(version, cluster:get("pod/" .. one).metadata.resourceVersion)
  end)

  it("is put right when its node is back, if that does not talk", function()
    local one = pods()
    local node = cluster:get("pod/" .. one).spec.nodeName
    cluster:fail_node(node)
    say(cluster, one, { type = "PodScheduled", status = "False" })
    cluster:advance(20)
    assert.equal("False", condition(cluster, one, "PodScheduled").status)
    cluster:recover_node(node)
    cluster:advance(10)
    assert.equal("True", condition(cluster, one, "PodScheduled").status)
  end)

  it("has its conditions as they were, the time of their transition included", function()
    local one = pods()
    for _, type in ipairs(OWN) do
      local before = condition(cluster, one, type)
      say(cluster, one, { type = type, status = "False", lastTransitionTime = "2020-01-01T00:00:00Z" })
      cluster:advance(1)
      say(cluster, one, { type = type, status = "Unknown", reason = "Again" })
      cluster:advance(10)
      assert.same(before, condition(cluster, one, type))
    end
  end)

  it("is told of anew by what its kubelet has found out meanwhile, and then of nothing more", function()
    cluster:image("late", { ready_after = 7 })
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "late" },
      spec = { containers = { { name = "main", image = "late" } } } }
    cluster:wait_for("pod/late", "condition=PodReadyToStartContainers")
    cluster:advance(10 - cluster:now() % 10)
    local scheduled_at = condition(cluster, "late", "PodScheduled").lastTransitionTime
    say(cluster, "late", { type = "PodScheduled", status = "False" })
    cluster:wait_for("pod/late", "ready")
    assert.is_true(cluster:now() % 10 > 0)
    local now = condition(cluster, "late", "PodScheduled")
    assert.same({ "True", scheduled_at }, { now.status, now.lastTransitionTime })
    local version = cluster:get("pod/late").metadata.resourceVersion
    cluster:advance(60)
    assert.equal(version, cluster:get("pod/late").metadata.resourceVersion)
  end)

  it("has them so when its node is back after it was silent, at the next ten seconds", function()
    local one = pods()
    local node, before = cluster:get("pod/" .. one).spec.nodeName, condition(cluster, one, "Ready")
    cluster:fail_node(node)
    cluster:advance(60)
    assert.equal("False", condition(cluster, one, "Ready").status)
    cluster:recover_node(node)
    cluster:advance(10)
    assert.same(before, condition(cluster, one, "Ready"))
  end)
end)

describe("a pod that has ended", function()
  for state, code in pairs { Succeeded = 0, Failed = 3 } do
    it("has its conditions put right as long as it is there (" .. state .. ")", function()
      local cluster <close> = kubesim.new { nodes = 1 }
      cluster:image("job", { exit = { code = code, after = 2 } })
      cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "job" },
        spec = { restartPolicy = "Never", containers = { { name = "main", image = "job" } } } }
      cluster:settle()
      assert.equal(state, cluster:get("pod/job").status.phase)
      local before = cluster:get("pod/job").status
      for _, type in ipairs(OWN) do
        for _, said in ipairs {
          { type = type, status = "Unknown", reason = "Nonsense", lastTransitionTime = "2020-01-01T00:00:00Z" },
          { type = type, ["$patch"] = "delete" } } do
          say(cluster, "job", said)
          cluster:advance(10)
          for _, own in ipairs(OWN) do
            local was
            for _, c in ipairs(before.conditions) do was = c.type == own and c or was end
            assert.same(was, condition(cluster, "job", own))
          end
        end
      end
      assert.equal(state, cluster:get("pod/job").status.phase)
    end)
  end
end)

describe("a pod that is being ended", function()
  it("has its conditions put right while its containers take their time, and when they have ended", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:image("slow", { stop = false })
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "slow", finalizers = { "example.com/keep" } },
      spec = { terminationGracePeriodSeconds = 100, containers = { { name = "main", image = "slow" } } } }
    cluster:settle()
    cluster:delete "pod/slow"
    cluster:advance(5)
    local before = condition(cluster, "slow", "Initialized")
    for _, wait in ipairs { 20, 200 } do
      say(cluster, "slow", { type = "Initialized", status = "False", reason = "Nonsense" })
      cluster:advance(10)
      local now = condition(cluster, "slow", "Initialized")
      assert.same({ "True", before.lastTransitionTime }, { now.status, now.lastTransitionTime })
      cluster:advance(wait)
    end
    assert.equal("Failed", cluster:get("pod/slow").status.phase)
  end)
end)
