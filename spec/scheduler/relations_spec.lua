-- Small print of what keeps pods apart, as a real control plane has it: ports, disks, selectors that select nobody or everybody.
local kubesim = require "kubesim"
require "kubesim.assertions"

local cluster
local SMALL = { cpu = "2", memory = "2Gi", pods = "10" }
local function world(nodes) cluster = kubesim.new { kubelet = "manual", nodes = nodes or { { name = "a", capacity = SMALL } } } end
after_each(function() cluster:close() end)

local function pod(name, o)
  o = o or {}
  local meta = { name = name, namespace = o.namespace, labels = o.labels }
  local main = { name = "main", image = "app:1", ports = o.ports, resources = { requests = { cpu = o.cpu or "100m" } } }
  o.namespace, o.labels, o.ports, o.cpu, o.containers = nil, nil, nil, nil, { main }
  return { apiVersion = "v1", kind = "Pod", metadata = meta, spec = o }
end

local function place(name, o)
  local namespace = o and o.namespace
  cluster:create { pod(name, o) }
  cluster:advance "1s"
  return cluster:get("pod/" .. name, { namespace = namespace }).spec.nodeName
end

local function reason(name)
  for _, c in ipairs(cluster:get("pod/" .. name).status.conditions or {}) do if c.type == "PodScheduled" then return c.message end end
end

local function port(number, more)
  local p = { containerPort = 80, hostPort = number }
  for k, v in pairs(more or {}) do p[k] = v end
  return { p }
end

local function important(name)
  cluster:create { { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = name }, value = 1000 } }
end

local function disk() return { { name = "v", iscsi = { targetPortal = "10.0.0.1", iqn = "iqn.2001-04.com.example:s", lun = 0 } } } end
local function ceph(...) return { { name = "v", rbd = { monitors = { ... }, image = "i" } } } end

describe("host ports", function()
  it("of init containers are taken only by those that stay", function()
    world()
    local function init(policy) return { { name = "i", image = "app:1", ports = port(80), restartPolicy = policy } } end
    assert.equal("a", place("once", { initContainers = init() }))
    assert.equal("a", place("sidecar", { initContainers = init "Always" }))
    assert.is_nil(place("late", { ports = port(80) }))
  end)
end)

describe("an old disk", function()
  it("of a Ceph cluster is the same only where a monitor is", function()
    world()
    assert.equal("a", place("first", { volumes = ceph "m1" }))
    assert.equal("a", place("elsewhere", { volumes = ceph "m2" }))
    assert.is_nil(place("same", { volumes = ceph("m3", "m1") }))
    assert.matches("1 node(s) had no available disk", reason "same", 1, true)
  end)

  it("is taken from a pod that matters less", function()
    world()
    important "high"
    assert.equal("a", place("low", { volumes = disk() }))
    assert.is_nil(place("high", { volumes = disk(), priorityClassName = "high" }))
    assert.equal("a", cluster:get("pod/high").status.nominatedNodeName)
    assert.event(cluster, { ref = "pod/low", reason = "Preempted" })
    cluster:delete("pod/low", { grace_period = 0 })
    cluster:advance "1s"
    assert.equal("a", cluster:get("pod/high").spec.nodeName)
  end)
end)

describe("spreading", function()
  local function spread(selector) return { { maxSkew = 1, topologyKey = "kubernetes.io/hostname", whenUnsatisfiable = "DoNotSchedule",
    labelSelector = selector } } end

  it("over an empty selector counts nobody", function()
    world { { name = "a", capacity = SMALL }, { name = "b", capacity = { cpu = "0", memory = "2Gi", pods = "10" } } }
    for i = 1, 3 do assert.equal("a", place("p" .. i, { labels = { app = "web" }, topologySpreadConstraints = spread {} })) end
  end)

  it("thinks that a pod which terminates makes room by going, though it does not count", function()
    world { { name = "a", capacity = SMALL }, { name = "b", capacity = { cpu = "0", memory = "2Gi", pods = "10" } } }
    important "high"
    place("one", { labels = { app = "web" } })
    place("two", { labels = { app = "web" } })
    cluster:delete "pod/two"
    assert.is_nil(place("high", { labels = { app = "web" }, priorityClassName = "high",
      topologySpreadConstraints = spread { matchLabels = { app = "web" } } }))
    assert.equal("a", cluster:get("pod/high").status.nominatedNodeName)
    cluster:advance "1m" -- and that they terminate is no reason to look again
    assert.is_nil(cluster:get("pod/high").spec.nodeName)
    cluster:delete("pod/one", { grace_period = 0 })
    cluster:advance "1s"
    assert.equal("a", cluster:get("pod/high").spec.nodeName)
  end)
end)

describe("a namespace selector that suits namespaces without labels", function()
  local function apart(team, operator) return { podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution = { {
    topologyKey = "kubernetes.io/hostname", labelSelector = { matchLabels = { app = "web" } },
    namespaceSelector = { matchExpressions = { { key = "team", operator = operator or "NotIn", values = { team } } } } } } } } end

  it("means all namespaces to the pod itself, but not once the pod has its node", function()
    world { { name = "a", capacity = SMALL }, { name = "b", capacity = SMALL } }
    for _, name in ipairs { "red", "blue" } do
      cluster:create { { apiVersion = "v1", kind = "Namespace", metadata = { name = name, labels = { team = name } } } }
    end
    place("web", { namespace = "red", labels = { app = "web" }, nodeName = "a" })
    assert.equal("b", place("shy", { affinity = apart "red" }))
    assert.equal("a", place("other", { affinity = apart("blue", "In") , nodeSelector = { ["kubernetes.io/hostname"] = "a" } }))
    assert.equal("b", place("more", { namespace = "red", labels = { app = "web" }, nodeSelector = { ["kubernetes.io/hostname"] = "b" } }))
    assert.is_nil(place("last", { labels = { app = "web" }, nodeSelector = { ["kubernetes.io/hostname"] = "b" } }))
  end)
end)

describe("a pod that is nominated keeps others away", function()
  it("by its place alone where they have nothing to do with each other yet", function()
    world()
    important "high"
    place("low", { ports = port(80) })
    local apart = { podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution = {
      { topologyKey = "kubernetes.io/hostname", labelSelector = { matchLabels = { app = "web" } } } } } }
    place("high", { ports = port(80), priorityClassName = "high", affinity = apart })
    assert.equal("a", cluster:get("pod/high").status.nominatedNodeName)
    assert.equal("a", place("web", { labels = { app = "web" } }))
  end)

  it("until it has failed, whoever says so", function()
    world()
    important "high"
    place("low", { cpu = "1" })
    place("high", { cpu = "1500m", priorityClassName = "high" })
    assert.equal("a", cluster:get("pod/high").status.nominatedNodeName)
    assert.is_nil(place("late", { cpu = "1" }))
    cluster:patch("pod/high", { status = { phase = "Failed" } }, { subresource = "status" })
    cluster:advance "1s"
    assert.equal("a", cluster:get("pod/late").spec.nodeName)
  end)
end)
