-- Looks are kept up from pod to pod; what is chosen and what cluster:placement() tells later must not show it.
local kubesim = require "kubesim"

---A small generator of its own, so that a seed means the same everywhere.
local function dice(seed)
  local state = seed
  return function(n)
    state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
    return (state >> 33) % n + 1
  end
end

local function random_nodes(roll)
  local nodes, zones = {}, roll(4) - 1
  for i = 1, ({ 3, 20, 99, 100, 130 })[roll(5)] do
    local node = { name = "n" .. i, capacity = { cpu = tostring(roll(8)), memory = roll(16) .. "Gi", pods = 2 + roll(28) }, labels = {} }
    if zones > 0 and roll(5) > 1 then node.labels["topology.kubernetes.io/zone"] = "z" .. roll(zones) end
    if roll(3) == 1 then node.labels.disk = "ssd" end
    if roll(4) == 1 then node.taints = { { key = "a", value = "b", effect = ({ "PreferNoSchedule", "NoSchedule" })[roll(2)] } } end
    nodes[i] = node
  end
  return nodes
end

local function random_set(roll, name)
  local spec = { containers = { { name = "c", image = "nginx" } } }
  if roll(2) == 1 then
    spec.containers[1].resources = { requests = { cpu = roll(9) .. "00m", memory = roll(9) .. "00Mi" } }
  end
  if roll(3) == 1 then
    spec.affinity = { nodeAffinity = { preferredDuringSchedulingIgnoredDuringExecution = { { weight = roll(100),
      preference = { matchExpressions = { { key = "disk", operator = "In", values = { "ssd" } } } } } } } }
  end
  if roll(3) == 1 then spec.tolerations = { { key = "a", operator = "Exists" } } end
  if roll(5) == 1 then spec.nodeSelector = { disk = "ssd" } end
  local kind = roll(2) == 1 and "ReplicaSet" or "StatefulSet"
  return {
    apiVersion = "apps/v1", kind = kind, metadata = { name = name },
    spec = { replicas = roll(40), podManagementPolicy = kind == "StatefulSet" and "Parallel" or nil,
      selector = { matchLabels = { app = name } }, template = { metadata = { labels = { app = name } }, spec = spec } },
  }
end

---What was decided of each pod, as text: where it went, and what every node was worth. `policy` is left out of it.
local function looks(cluster, policy)
  local out = {}
  for _, pod in ipairs(cluster:list "pod") do
    local look = assert(cluster:placement(pod.metadata.name))
    for _, node in pairs(look.nodes) do
      if node.scores then node.scores[policy or 0] = nil end
    end
    out[pod.metadata.name] = look
  end
  return out
end

---A cluster's life, drawn from a seed. With `policy` a policy that minds nothing takes part in every look.
local function live(seed, policy)
  local roll = dice(seed)
  local cluster = kubesim.new { nodes = random_nodes(roll), seed = seed }
  if policy then cluster:policy { name = policy, score = function() return 0 end } end
  local sets = roll(5)
  for i = 1, sets do cluster:create(random_set(roll, "set" .. i)) end
  for _ = 1, 6 do
    cluster:advance(roll(5))
    local nodes, act = cluster:list "node", roll(5)
    local node = nodes[roll(#nodes)].metadata.name
    if act == 1 then
      cluster:kubectl("cordon " .. node)
    elseif act == 2 then
      cluster:kubectl "delete pod --all --grace-period=0 --force"
    elseif act == 3 then
      cluster:kubectl("scale rs,sts --all --replicas=" .. roll(60))
    elseif act == 4 and #nodes > 2 then
      cluster:kubectl("delete node " .. node)
    else
      cluster = cluster:fork()
    end
  end
  cluster:advance(100)
  return cluster
end

describe("looks that build on the one before", function()
  for seed = 1, 8 do
    it(("decide as looks that begin anew (seed %d)"):format(seed), function()
      local quick <close> = live(seed)
      local slow <close> = live(seed, "Mindless")
      assert.same(looks(slow, "Mindless"), looks(quick))
    end)
  end
end)

local function replica_set(replicas)
  return {
    apiVersion = "apps/v1", kind = "ReplicaSet", metadata = { name = "web" },
    spec = { replicas = replicas, selector = { matchLabels = { app = "web" } },
      template = { metadata = { labels = { app = "web" } }, spec = { containers = { { name = "c", image = "nginx" } } } } },
  }
end

local function many_nodes()
  local nodes = {}
  for i = 1, 100 do nodes[i] = { name = "n" .. i, capacity = { cpu = "100", memory = "400Gi", pods = 500 } } end
  return kubesim.new { nodes = nodes }
end

describe("cluster:placement", function()
  it("tells of every pod of a large set, in full", function()
    local cluster <close> = many_nodes()
    cluster:create(replica_set(6000))
    cluster:advance(120)
    local pods, told = cluster:list "pod", 0
    for i = 1, #pods, 100 do
      local look, best = cluster:placement(pods[i].metadata.name), 0
      for _, node in pairs(look.nodes) do best = math.max(best, node.total) end
      if look.node == pods[i].spec.nodeName and look.nodes[look.node].total == best then told = told + 1 end
    end
    assert.equal(60, told)
  end)

  it("says the same of a pod whatever is placed afterwards, here and in forks", function()
    local cluster <close> = many_nodes()
    cluster:create(replica_set(300))
    cluster:advance(1)
    local before = looks(cluster)
    local fork <close> = cluster:fork()
    cluster:kubectl "scale rs web --replicas=900"
    fork:kubectl "cordon n1"
    fork:kubectl "scale rs web --replicas=700"
    cluster:advance(60)
    fork:advance(60)
    for name, look in pairs(before) do
      assert.same(look, cluster:placement(name))
      assert.same(look, fork:placement(name))
    end
  end)
end)

describe("a pod that waits for its volume to be provisioned", function()
  it("takes its room on the node once", function()
    local cluster <close> = kubesim.new { latency = { provision = 60000 },
      nodes = { { name = "n1", capacity = { cpu = "2", memory = "4Gi", pods = 10 } } } }
    cluster:create { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "data" },
      spec = { accessModes = { "ReadWriteOnce" }, storageClassName = "standard", resources = { requests = { storage = "1Gi" } } } }
    local function pod(name, volumes)
      return { apiVersion = "v1", kind = "Pod", metadata = { name = name }, spec = { volumes = volumes,
        containers = { { name = "main", image = "app", resources = { requests = { cpu = "1" } } } } } }
    end
    cluster:create(pod("waits", { { name = "data", persistentVolumeClaim = { claimName = "data" } } }))
    cluster:advance(2)
    assert.is_nil(cluster:get("pod/waits").spec.nodeName)
    assert.equal("n1", cluster:get("pod/waits").status.nominatedNodeName)
    cluster:create(pod "other")
    cluster:create(pod "third")
    cluster:advance(2)
    assert.equal("n1", cluster:get("pod/other").spec.nodeName)
    assert.is_nil(cluster:get("pod/third").spec.nodeName)
  end)

  it("is not said to be going there any more when that took too long, until it is looked at again", function()
    local cluster <close> = kubesim.new { latency = { provision = 60000 }, nodes = { { name = "n1" } } }
    cluster:create { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "data" },
      spec = { accessModes = { "ReadWriteOnce" }, storageClassName = "standard", resources = { requests = { storage = "1Gi" } } } }
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "waits" }, spec = {
      containers = { { name = "main", image = "app" } },
      volumes = { { name = "data", persistentVolumeClaim = { claimName = "data" } } } } }
    local function nominated() return cluster:get("pod/waits").status.nominatedNodeName end
    cluster:advance(2)
    assert.equal("n1", nominated())
    assert(cluster:wait_until(function(c)
      for _, event in ipairs(c:events { ref = "pod/waits" }) do
        if event.reason == "FailedScheduling" then return true end
      end
      return false
    end, { timeout = "15m" }))
    assert.is_nil(nominated())
    cluster:advance(30)
    assert.equal("n1", nominated())
  end)
end)
