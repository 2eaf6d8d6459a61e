-- Pods that nobody else removes: on nodes that are gone or out of service, never scheduled, finished by the thousand.
local kubesim = require "kubesim"

local function pod(name, spec, finalizers)
  spec = spec or {}
  spec.containers = { { name = "c", image = "app:1" } }
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name, finalizers = finalizers }, spec = spec }
end

local function condition(object, type)
  for _, c in ipairs(object.status.conditions or {}) do if c.type == type then return c end end
end

describe("pods that nobody else removes", function()
  local cluster

  before_each(function() cluster = kubesim.new { nodes = 2, latency = 0 } end)
  after_each(function() cluster:close() end)

  it("go 40 to 60 seconds after their node has", function()
    cluster:create(pod("a", { nodeName = "k8s-node1" }))
    cluster:advance "5s"
    local seen = {}
    cluster:watch("pod", function(what, object)
      seen[#seen + 1] = { what, object.status.phase, (condition(object, "DisruptionTarget") or {}).message }
    end)
    cluster:delete "node/k8s-node1"
    cluster:advance "54s"
    assert.is_table(cluster:get "pod/a")
    cluster:advance "1s"
    assert.is_nil(cluster:get "pod/a")
    local last = seen[#seen]
    assert.same({ "DELETED", "Failed", "PodGC: node no longer exists" }, last)
  end)

  it("go from a node that went while nobody looked, and from one that is out of service, after a restart", function()
    cluster:create { pod("a", { nodeName = "k8s-node1" }), pod("b", { nodeName = "k8s-node2" }) }
    cluster:advance "5s"
    cluster:fail_node "k8s-node2"
    cluster:advance "45s"
    cluster:patch("node/k8s-node2", { spec = { taints = { { key = "node.kubernetes.io/out-of-service", effect = "NoSchedule" } } } })
    cluster:restart "podgc"
    cluster:delete "pod/b"
    cluster:delete "node/k8s-node1"
    cluster:restart "podgc"
    cluster:advance "20s"
    assert.is_nil(cluster:get "pod/b")
    assert.is_table(cluster:get "pod/a")
    cluster:advance "60s"
    assert.is_nil(cluster:get "pod/a")
  end)

  it("stay when their node comes back in time", function()
    cluster:create(pod("a", { nodeName = "k8s-node1" }))
    cluster:advance "5s"
    cluster:delete "node/k8s-node1"
    cluster:advance "20s"
    cluster:create { apiVersion = "v1", kind = "Node", metadata = { name = "k8s-node1" } }
    cluster:advance "50s"
    assert.is_table(cluster:get "pod/a")
  end)

  it("go from a node that is out of service, once it is not Ready and they are to end", function()
    cluster:create(pod("a", { nodeName = "k8s-node1" }))
    cluster:create(pod("b", { nodeName = "k8s-node1", tolerations = { { operator = "Exists" } } }))
    cluster:advance "5s"
    cluster:fail_node "k8s-node1"
    cluster:advance "120s"
    cluster:delete "pod/a"
    cluster:advance "60s"
    assert.is_table(cluster:get "pod/a")
    cluster:patch("node/k8s-node1", { spec = { taints = { { key = "node.kubernetes.io/out-of-service", effect = "NoSchedule" } } } })
    cluster:advance "20s"
    assert.is_nil(cluster:get "pod/a")
    assert.is_table(cluster:get "pod/b")
  end)

  it("are marked Failed when they are to end and never had a node", function()
    cluster:create(pod("a", { nodeSelector = { no = "node" } }, { "example.com/keep" }))
    cluster:advance "1s"
    cluster:delete "pod/a"
    cluster:advance "20s"
    assert.equal("Failed", cluster:get("pod/a").status.phase)
  end)

  it("costs nothing where there are none", function()
    cluster:create(pod "a")
    cluster:settle()
    assert.is_nil(cluster:step())
    cluster:delete "pod/a"
    cluster:settle()
    assert.is_true(cluster:now() < 60)
  end)

  it("go when more than 12500 have finished: evicted ones first, then the oldest", function()
    cluster:close()
    cluster = kubesim.new { nodes = 1, kubelet = "manual" }
    local list = {}
    local function finished(name, created, reason)
      list[#list + 1] = { apiVersion = "v1", kind = "Pod", metadata = { name = name, creationTimestamp = created },
        spec = { nodeName = "k8s-node1", containers = { { name = "c", image = "app:1" } } },
        status = { phase = reason and "Failed" or "Succeeded", reason = reason } }
    end
    for i = 1, 12497 do finished(("p%05d"):format(i), "2025-12-31T12:00:00Z") end
    finished("evicted", "2025-12-31T23:00:00Z", "Evicted")
    finished("oldest", "2025-12-30T00:00:00Z")
    cluster:import(list)
    cluster:advance "1m"
    assert.equal(12499, cluster:count "pod")
    list = {}
    finished("one", "2025-12-31T22:00:00Z")
    finished("two", "2025-12-31T22:00:00Z")
    finished("three", "2025-12-31T22:00:00Z")
    finished("four", "2025-12-31T22:00:00Z")
    cluster:import(list)
    cluster:advance "20s"
    assert.equal(12500, cluster:count "pod")
    assert.is_nil(cluster:get "pod/evicted")
    assert.is_nil(cluster:get "pod/oldest")
    assert.is_nil(cluster:get "pod/p00001")
    assert.is_table(cluster:get "pod/p00002")
  end)
end)
