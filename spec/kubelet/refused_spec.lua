-- Pods that name their node themselves, and that the node's kubelet refuses.
local kubesim = require "kubesim"

---A set whose pods ask for more than the node has.
local function too_large(kind)
  return {
    apiVersion = "apps/v1", kind = kind, metadata = { name = "web" },
    spec = {
      replicas = 2, serviceName = kind == "StatefulSet" and "web" or nil, selector = { matchLabels = { app = "web" } },
      template = {
        metadata = { labels = { app = "web" } },
        spec = { nodeName = "k8s-node1", containers = { { name = "main", image = "app", resources = { requests = { cpu = "100" } } } } },
      },
    },
  }
end

describe("a set whose pods their node refuses", function()
  it("makes new ones again and again, while time passes", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create(too_large "ReplicaSet")
    cluster:advance(1)
    local refused, instants = 0, {}
    for _, pod in ipairs(cluster:list "pods") do
      if pod.status.phase == "Failed" then
        refused = refused + 1
        assert.equal("OutOfcpu", pod.status.reason)
        instants[pod.status.startTime] = true
      end
    end
    assert.is_true(refused > 10)
    assert.is_true(refused < 100)
    assert.is_true(instants["2026-01-01T00:00:00Z"] and instants["2026-01-01T00:00:01Z"])
  end)

  it("has one pod of each name, made anew as often as it fails, where it is a StatefulSet", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create(too_large "StatefulSet")
    cluster:advance(1)
    local pods = cluster:list "pods"
    assert.equal(1, #pods)
    assert.equal("web-0", pods[1].metadata.name)
    local again = cluster:events { reason = "SuccessfulDelete" }
    assert.equal("Delete Pod web-0 in StatefulSet web successful", again[1].message)
    assert.is_true(again[1].count > 5)
    assert.equal(1, cluster:now())
  end)

  it("takes the others at once", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    local function pod(name, cpu)
      return { apiVersion = "v1", kind = "Pod", metadata = { name = name }, spec = { nodeName = "k8s-node1",
        containers = { { name = "main", image = "app", resources = { requests = { cpu = cpu } } } } } }
    end
    cluster:create { pod("large", "100"), pod("small", "10m") }
    cluster:advance(0)
    assert.equal("Failed", cluster:get("pod/large").status.phase)
    assert(cluster:wait_for("pod/small", "ready"))
    assert.equal("2026-01-01T00:00:00Z", cluster:get("pod/small").status.startTime)
  end)
end)
