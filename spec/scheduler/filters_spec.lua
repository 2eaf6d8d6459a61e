-- Which nodes will not do for a pod, and what it is told of them, where that is not plain.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local function world(nodes)
  return kubesim.new { nodes = nodes or { { name = "a" } }, kubelet = "manual" }
end

local function create(cluster, name, spec, labels)
  cluster:create(workload.pod(name, labels, spec))
  cluster:advance(1)
  return cluster:get("pod/" .. name).spec.nodeName
end

local function told(cluster, name) return workload.told(cluster, "pod/" .. name, "FailedScheduling")[1] end

---What preemption has to say, at the end of what a pod is told.
local function of_preemption(cluster, name) return told(cluster, name):match "preemption: (.*)$" end

local function container(more)
  local c = { name = "main", image = "app:1" }
  for key, value in pairs(more) do c[key] = value end
  return { c }
end

describe("a disk that one node has at a time", function()
  local function disk(read_only)
    return { volumes = { { name = "d", gcePersistentDisk = { pdName = "disk-1", readOnly = read_only } } } }
  end

  it("is shared by those who read it alone", function()
    local cluster <close> = world()
    assert.equal("a", create(cluster, "reader", disk(true)))
    assert.equal("a", create(cluster, "other", disk(true)))
    assert.is_nil(create(cluster, "writer", disk(false)))
    assert.matches("1 node(s) had no available disk", told(cluster, "writer"), 1, true)
  end)

  it("is free when its user has ended", function()
    local cluster <close> = world()
    assert.equal("a", create(cluster, "first", disk(false)))
    cluster:drive("first", "succeeded")
    assert.equal("a", create(cluster, "second", disk(false)))
  end)
end)

describe("a port of a node", function()
  local function port(number, more)
    local p = { containerPort = 80, hostPort = number }
    for key, value in pairs(more or {}) do p[key] = value end
    return { containers = container { ports = { p } } }
  end

  it("is taken at each address by whoever has it at all of them", function()
    local cluster <close> = world()
    assert.equal("a", create(cluster, "all", port(80)))
    assert.is_nil(create(cluster, "one", port(80, { hostIP = "10.0.0.7" })))
    assert.matches("1 node(s) didn't have free ports for the requested pod ports", told(cluster, "one"), 1, true)
  end)

  it("is another one for each protocol", function()
    local cluster <close> = world()
    for _, protocol in ipairs { "TCP", "UDP", "SCTP" } do
      assert.equal("a", create(cluster, protocol:lower(), port(80, { protocol = protocol })))
    end
  end)
end)

describe("a pod that asks for more than there is on any node", function()
  it("is told that evicting others would not help", function()
    for resource, most in pairs { cpu = 4, memory = "4Gi", ["ephemeral-storage"] = "4Gi", ["example.com/gpu"] = 1 } do
      local cluster <close> = kubesim.new { nodes = 0, kubelet = "manual" }
      local capacity = { cpu = "4", memory = "4Gi", pods = "110", ["ephemeral-storage"] = "4Gi", ["example.com/gpu"] = "1" }
      cluster:import { apiVersion = "v1", kind = "Node", metadata = { name = "a" },
        status = { capacity = capacity, allocatable = capacity, conditions = { { type = "Ready", status = "True" } } } }
      local function asking(amount)
        return { containers = container { resources = { requests = { [resource] = amount }, limits = { [resource] = amount } } } }
      end
      assert.equal("a", create(cluster, "there", asking(most)))
      assert.is_nil(create(cluster, "same", asking(most)))
      assert.equal("0/1 nodes are available: 1 No preemption victims found for incoming pod.", of_preemption(cluster, "same"))
      assert.is_nil(create(cluster, "more", asking(resource:find "[my]" and resource ~= "example.com/gpu" and "5Gi" or 5)))
      assert.equal("0/1 nodes are available: 1 Preemption is not helpful for scheduling.", of_preemption(cluster, "more"))
    end
  end)
end)

describe("a pod that names its node", function()
  local function at(...)
    local terms = {}
    for i, names in ipairs { ... } do
      terms[i] = { matchFields = {} }
      for k, name in ipairs(names) do terms[i].matchFields[k] = { key = "metadata.name", operator = "In", values = { name } } end
      if #names == 0 then terms[i] = { matchExpressions = { { key = "disk", operator = "Exists" } } } end
    end
    return { affinity = { nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution = { nodeSelectorTerms = terms } } } }
  end
  local NODES <const> = { { name = "a" }, { name = "b", labels = { disk = "ssd" } }, { name = "c" } }

  it("is told of the others that they are not it", function()
    local cluster <close> = world(NODES)
    assert.equal("c", create(cluster, "one", at { "c" }))
    assert.is_nil(create(cluster, "none", at { "d" }))
    assert.matches("0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity].", told(cluster, "none"), 1, true)
  end)

  it("is told that its terms conflict where each of them names two", function()
    local cluster <close> = world(NODES)
    assert.is_nil(create(cluster, "both", at { "a", "b" }))
    assert.matches("^0/3 nodes are available: pod affinity terms conflict%.", told(cluster, "both"))
    assert.equal("c", create(cluster, "either", at({ "a", "b" }, { "c" })))
  end)

  it("has all nodes to choose from where one of its terms names none", function()
    local cluster <close> = world(NODES)
    assert.equal("b", create(cluster, "any", at({ "d" }, {})))
  end)
end)

describe("a place that is kept for a nominated pod", function()
  local function priority(cluster, name, value)
    cluster:create { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = name }, value = value }
  end

  local function asking(cpu, class, more)
    local spec = { priorityClassName = class, containers = container { resources = { requests = { cpu = cpu } } } }
    for key, value in pairs(more or {}) do spec[key] = value end
    return spec
  end

  it("is no company yet for those who will only be with it", function()
    local cluster <close> = world()
    local port = { containers = container { ports = { { containerPort = 80, hostPort = 80 } } } }
    priority(cluster, "high", 100)
    create(cluster, "low", port)
    port.priorityClassName = "high"
    assert.is_nil(create(cluster, "high", port, { app = "db" }))
    assert.equal("a", cluster:get "pod/high".status.nominatedNodeName)
    assert.is_nil(create(cluster, "friend", asking("100m", nil, { affinity = { podAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution = { { topologyKey = "kubernetes.io/hostname",
        labelSelector = { matchLabels = { app = "db" } } } } } } })))
    assert.matches("1 node(s) didn't match pod affinity rules", told(cluster, "friend"), 1, true)
  end)

  it("is not taken from whoever matters more, when another one comes there", function()
    local cluster <close> = world { { name = "a", capacity = { cpu = "2" } } }
    priority(cluster, "high", 100)
    priority(cluster, "middle", 50)
    create(cluster, "low-1", asking("1"))
    create(cluster, "low-2", asking("1"))
    create(cluster, "high", asking("1", "high"))
    cluster:watch("pod", function(_, pod)
      if pod.metadata.name == "high" then assert.equal("a", pod.status.nominatedNodeName) end
    end)
    create(cluster, "middle", asking("1", "middle"))
    for _, name in ipairs { "high", "middle" } do assert.equal("a", cluster:get("pod/" .. name).status.nominatedNodeName) end
    for _, name in ipairs { "low-1", "low-2" } do assert.is_string(cluster:get("pod/" .. name).metadata.deletionTimestamp) end
  end)

  it("is given up for another, when it will not do any more", function()
    local cluster <close> = world { { name = "a", capacity = { cpu = "1" } }, { name = "b", capacity = { cpu = "1" } } }
    priority(cluster, "high", 100)
    create(cluster, "low-1", asking("1"))
    create(cluster, "low-2", asking("1"))
    create(cluster, "high", asking("1", "high"))
    local first = cluster:get "pod/high".status.nominatedNodeName
    cluster:kubectl("cordon " .. first)
    cluster:advance "10s"
    assert.equal(first == "a" and "b" or "a", cluster:get "pod/high".status.nominatedNodeName)
    for _, name in ipairs { "low-1", "low-2" } do assert.is_string(cluster:get("pod/" .. name).metadata.deletionTimestamp) end
  end)

  it("is where that pod goes, whatever other nodes there are by then", function()
    local cluster <close> = world { { name = "a", capacity = { cpu = "2" } } }
    priority(cluster, "high", 100)
    create(cluster, "low", asking("2"))
    create(cluster, "high", asking("1", "high"))
    cluster:drive("low", "gone")
    cluster:import { apiVersion = "v1", kind = "Node", metadata = { name = "b" }, status = {
      capacity = { cpu = "64", memory = "64Gi", pods = "110" }, allocatable = { cpu = "64", memory = "64Gi", pods = "110" },
      conditions = { { type = "Ready", status = "True" } } } }
    cluster:advance(30)
    assert.equal("a", cluster:get "pod/high".spec.nodeName)
  end)
end)

describe("a look at many nodes", function()
  for how, policy in pairs { ["kept up"] = false, ["made anew"] = true } do
    it("begins where the one before ended, " .. how, function()
      local nodes = {}
      for i = 1, 200 do nodes[i] = { name = ("n%03d"):format(i) } end
      local cluster <close> = world(nodes)
      if policy then cluster:policy { name = "Mindless", score = function() return 0 end } end
      local seen = 0
      for i = 1, 2 do
        create(cluster, "p" .. i)
        for name, node in pairs(cluster:placement("p" .. i).nodes) do
          if node.scores then
            seen = seen + 1
            assert.is_nil(nodes[name])
            nodes[name] = true
          end
        end
      end
      assert.equal(200, seen)
    end)
  end
end)

describe("a pod that asks for more than there can be of anything", function()
  local function asking(amounts)
    local containers = {}
    for i, amount in ipairs(amounts) do
      containers[i] = { name = "c" .. i, image = "app", resources = { requests = { cpu = amount, memory = amount,
        ["ephemeral-storage"] = amount, ["example.com/gpu"] = amount }, limits = { ["example.com/gpu"] = amount } } }
    end
    return containers
  end

  it("fits nowhere, however its containers' amounts add up", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "a" },
      spec = { containers = asking { "9223372036854775807", "9223372036854775807", "9223372036854775807" } } }
    cluster:advance "1s"
    assert.matches("1 Insufficient cpu, 1 Insufficient ephemeral%-storage, 1 Insufficient example.com/gpu, 1 Insufficient memory",
      cluster:events { ref = "pod/a", reason = "FailedScheduling" }[1].message)
  end)

  it("leaves a node as it was that it was put on by hand", function()
    local cluster <close> = kubesim.new { nodes = { { name = "only" } } }
    for i = 1, 200 do
      cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "a" .. i },
        spec = { nodeName = "only", containers = asking { "9223372036854775807" } } }
    end
    cluster:create(workload.pod "small")
    cluster:advance "1m"
    assert.equal("Running", cluster:get "pod/small".status.phase)
    assert.equal("Failed", cluster:get "pod/a200".status.phase)
  end)
end)
