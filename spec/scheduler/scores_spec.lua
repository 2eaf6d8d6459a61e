-- What a node is worth to a pod, plugin by plugin: the weighted scores that cluster:placement() tells, worked out by hand.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local MI <const> = 1024 * 1024

---@param nodes table<string, table> what stands in the nodes' status and labels: { capacity=, images=, labels=, taints= } by name
---@param version string?
local function world(nodes, version)
  local cluster, names = kubesim.new { nodes = 0, kubelet = "manual", version = version }, {}
  for name in pairs(nodes) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local n = nodes[name]
    local labels = { ["kubernetes.io/hostname"] = name }
    for key, value in pairs(n.labels or {}) do labels[key] = value end
    local capacity = n.capacity or { cpu = "4", memory = "8Gi", pods = "110" }
    cluster:import { apiVersion = "v1", kind = "Node", metadata = { name = name, labels = labels }, spec = { taints = n.taints },
      status = { capacity = capacity, allocatable = capacity, images = n.images, conditions = { { type = "Ready", status = "True" } } } }
  end
  cluster:advance(1)
  return cluster
end

---What a pod with such a spec is told of a plugin: its weighted score by node.
local function scores(cluster, plugin, spec)
  cluster:create(workload.pod("new", nil, spec))
  cluster:advance(1)
  local out = {}
  for name, node in pairs(cluster:placement("new").nodes) do out[name] = node.scores and node.scores[plugin] end
  return out
end

local function asking(requests) return { { name = "main", image = "app:1", resources = { requests = requests } } } end

describe("a node's score", function()
  it("sinks with each taint that would rather have others, three times as much as with anything else", function()
    local cluster <close> = world { a = { taints = { { key = "x", effect = "PreferNoSchedule" } } },
      b = { taints = { { key = "x", effect = "PreferNoSchedule" }, { key = "y", effect = "PreferNoSchedule" } } },
      c = {}, d = { taints = { { key = "z", effect = "NoSchedule" } } } }
    assert.same({ a = 150, b = 0, c = 300, d = 300 },
      scores(cluster, "TaintToleration", { tolerations = { { key = "z", operator = "Exists", effect = "NoSchedule" } } }))
  end)

  it("rises with the weights of what the pod prefers of nodes, twice", function()
    local cluster <close> = world { a = { labels = { disk = "ssd", zone = "z" } }, b = { labels = { disk = "ssd" } }, c = {} }
    local function term(weight, key, value)
      return { weight = weight, preference = { matchExpressions = { { key = key, operator = "In", values = { value } } } } }
    end
    assert.same({ a = 200, b = 132, c = 0 }, scores(cluster, "NodeAffinity", { affinity = { nodeAffinity = {
      preferredDuringSchedulingIgnoredDuringExecution = { term(40, "disk", "ssd"), term(20, "zone", "z") } } } }))
  end)

  it("rises with the pods that the pod likes to be with, twice", function()
    local cluster <close> = world { a = {}, b = {} }
    cluster:create(workload.pod("db", { app = "db" }, { nodeName = "a" }))
    assert.same({ a = 200, b = 0 }, scores(cluster, "InterPodAffinity", { affinity = { podAffinity = {
      preferredDuringSchedulingIgnoredDuringExecution = { { weight = 10, podAffinityTerm = {
        topologyKey = "kubernetes.io/hostname", labelSelector = { matchLabels = { app = "db" } } } } } } } }))
  end)

  it("says how much is left of what the node has, be it cpu alone", function()
    local cluster <close> = world { a = { capacity = { cpu = "4", pods = "110" } }, b = {} }
    assert.equal(75, scores(cluster, "NodeResourcesFit", { containers = asking { cpu = "1" } }).a)
  end)

  it("takes more than all for all, where more is asked of a node than it has", function()
    -- cpu 1 of 1, memory 0, then a quarter: 50 and 62; since 1.36 half of the change is what counts
    for version, score in pairs { ["1.35"] = 62, ["1.36"] = 81 } do
      local cluster <close> = world({ a = { capacity = { cpu = "1", memory = "4Gi", pods = "110" } }, b = {} }, version)
      cluster:create(workload.pod("fat", nil, { nodeName = "a", containers = asking { cpu = "3" } }))
      assert.equal(score, scores(cluster, "NodeResourcesBalancedAllocation", { containers = asking { memory = "1Gi" } }).a)
    end
  end)

  describe("for images that the node has", function()
    local function image(name, size) return { names = { name }, sizeBytes = size * MI } end

    it("knows that no tag is the latest, also behind a registry's port", function()
      local cluster <close> = world { a = { images = { image("registry.example:5000/app:latest", 500) } }, b = {} }
      assert.same({ a = 23, b = 0 },
        scores(cluster, "ImageLocality", { containers = { { name = "main", image = "registry.example:5000/app" } } }))
    end)

    it("believes the first node that has told the size", function()
      local cluster <close> = world { a = { images = { image("app:1", 400) } }, b = { images = { image("app:1", 900) } } }
      assert.same({ a = 38, b = 38 }, scores(cluster, "ImageLocality"))
    end)

    it("ends at a thousand MiB for each container", function()
      local cluster <close> = world { a = { images = { image("app:1", 3000) } }, b = { images = { image("app:1", 3000) } } }
      assert.same({ a = 100, b = 100 }, scores(cluster, "ImageLocality"))
    end)

    it("counts those of init containers", function()
      local cluster <close> = world { a = { images = { image("init:1", 1200) } }, b = {} }
      assert.same({ a = 29, b = 0 }, scores(cluster, "ImageLocality", { initContainers = { { name = "init", image = "init:1" } } }))
    end)
  end)
end)
