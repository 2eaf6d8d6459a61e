-- Which changes of a node have pods that could not be placed looked at again, by what they were refused for.
local kubesim = require "kubesim"

local SMALL = { cpu = "2", memory = "2Gi", pods = "10" }
local function with(resource, amount)
  local can = { cpu = SMALL.cpu, memory = SMALL.memory, pods = SMALL.pods }
  can[resource] = amount
  return { status = { capacity = can, allocatable = can } }, { subresource = "status" }
end

local CHANGES = {
  label = function(node) node { metadata = { labels = { color = "red" } } } end,
  zone = function(node) node { metadata = { labels = { zone = "b" } } } end,
  taint = function(node) node { spec = { taints = { { key = "x", effect = "NoSchedule" } } } } end,
  cordon = function(node) node { spec = { unschedulable = true } } end, -- a taint follows
  cpu = function(node) node(with("cpu", "4")) end,
  memory = function(node) node(with("memory", "4Gi")) end,
  pods = function(node) node(with("pods", "20")) end,
  ["less cpu"] = function(node) node(with("cpu", "1500m")) end,
}

local APART = { podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution = {
  { topologyKey = "zone", labelSelector = { matchLabels = { app = "web" } } } } } }
local TOGETHER = { podAffinity = { requiredDuringSchedulingIgnoredDuringExecution = {
  { topologyKey = "zone", labelSelector = { matchLabels = { app = "db" } } } } } }
local SPREAD = { { maxSkew = 1, topologyKey = "rack", whenUnsatisfiable = "DoNotSchedule",
  labelSelector = { matchLabels = { app = "web" } } } }

-- name of a case, what the pod asks for, the changes after which it is looked at again
local CASES = {
  { "anti-affinity", { affinity = APART }, { "zone", "taint", "cordon" } },
  { "affinity", { affinity = TOGETHER }, { "zone", "taint", "cordon" } },
  { "a lack of cpu", { cpu = "3" }, { "taint", "cordon", "cpu" } },
  { "a node selector", { nodeSelector = { disk = "ssd" } }, { "taint", "cordon" } },
  { "a port in use", { hostPort = 80 }, { "taint", "cordon" } },
  { "a spread over nodes that lack the label", { topologySpreadConstraints = SPREAD }, {} },
  { "its node's name", { nodeAffinity = "elsewhere" }, { "taint", "cordon" } },
}

local function pod(name, o)
  local spec = { affinity = o.affinity, nodeSelector = o.nodeSelector, topologySpreadConstraints = o.topologySpreadConstraints }
  if o.nodeAffinity then
    spec.affinity = { nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution = { nodeSelectorTerms = {
      { matchFields = { { key = "metadata.name", operator = "In", values = { o.nodeAffinity } } } } } } } }
  end
  spec.containers = { { name = "main", image = "app:1", resources = { requests = { cpu = o.cpu or "100m" } },
    ports = o.hostPort and { { containerPort = 80, hostPort = o.hostPort } } or nil } }
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name, labels = { app = "web" } }, spec = spec }
end

local function looks(cluster)
  local n = 0
  for _, e in ipairs(cluster:events { reason = "FailedScheduling", ref = "pod/second" }) do n = n + (e.count or 1) end
  return n
end

describe("a pod that could not be placed because of", function()
  for _, case in ipairs(CASES) do
    local name, asks, wakes = table.unpack(case)
    it(name .. " is looked at again after the changes of a node that its plugin asks for", function()
      for change, apply in pairs(CHANGES) do
        local cluster <close> = kubesim.new { kubelet = "manual", nodes = { { name = "n", capacity = SMALL, labels = { zone = "a" } } } }
        cluster:create(pod("first", asks.hostPort and asks or {}))
        cluster:advance "1s"
        cluster:create(pod("second", asks))
        cluster:advance "20s"
        local before = looks(cluster)
        assert.equal(1, before, name)
        apply(function(patch, opts) cluster:patch("node/n", patch, opts) end)
        cluster:advance "20s"
        local expected = false
        for _, w in ipairs(wakes) do expected = expected or w == change end
        local again = looks(cluster) > before or cluster:get("pod/second").spec.nodeName ~= nil
        assert.equal(expected, again, name .. ", " .. change)
      end
    end)
  end
end)

describe("a place on a node that is kept for a pod of higher priority", function()
  --- "waits" finds no room beside what is kept for "urgent", for which "old" takes its time to go.
  local function kept(version)
    local cluster = kubesim.new { nodes = { { name = "n", capacity = { cpu = "10", memory = "10Gi", pods = "10" } } }, latency = 0,
      version = version }
    cluster:image("app:1", { stop = false })
    cluster:create { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = "high" }, value = 1000 }
    local function create(name, cpu, class)
      local made = pod(name, { cpu = cpu })
      made.spec.priorityClassName, made.spec.terminationGracePeriodSeconds = class, 600
      cluster:create(made)
      cluster:advance "2s"
    end
    create("old", "6")
    create("urgent", "6", "high")
    assert.equal("n", cluster:get("pod/urgent").status.nominatedNodeName)
    create("waits", "4")
    return cluster, create
  end

  it("is free for others when that pod is deleted", function()
    local cluster <close> = kept()
    assert.is_nil(cluster:get("pod/waits").spec.nodeName)
    cluster:delete "pod/urgent"
    cluster:advance "2s"
    assert.equal("n", cluster:get("pod/waits").spec.nodeName)
    assert.is_not_nil(cluster:get "pod/old")
  end)

  local function preempted(cluster) return #cluster:events { ref = "pod/old", reason = "Preempted" } end

  it("stays kept for it, too, when one of higher priority still finds nobody to evict who does not go already", function()
    local cluster <close>, create = kept()
    cluster:create { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = "higher" }, value = 2000 }
    create("first", "6", "higher")
    assert.equal("n", cluster:get("pod/first").status.nominatedNodeName)
    assert.equal("n", cluster:get("pod/urgent").status.nominatedNodeName)
    assert.equal(1, preempted(cluster))
  end)

  it("is taken from it then up to 1.34, and who goes is preempted again", function()
    local cluster <close>, create = kept "1.34"
    cluster:create { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = "higher" }, value = 2000 }
    create("first", "6", "higher")
    assert.equal("n", cluster:get("pod/first").status.nominatedNodeName)
    assert.is_nil(cluster:get("pod/urgent").status.nominatedNodeName)
    assert.equal(2, preempted(cluster))
  end)

  it("is asked for anew by that pod when its nomination is taken from it", function()
    local cluster <close> = kept()
    cluster:patch("pod/urgent", { status = { nominatedNodeName = kubesim.null } }, { subresource = "status" })
    cluster:advance "2s"
    assert.equal("n", cluster:get("pod/urgent").status.nominatedNodeName)
    assert.is_nil(cluster:get("pod/waits").spec.nodeName)
  end)
end)
