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
end)
