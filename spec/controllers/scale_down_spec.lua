-- Which pods of a ReplicaSet go first when it shrinks, and that it does not depend on how the controller finds them.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

---A generator of its own, so that a seed means the same everywhere.
local function dice(seed)
  local state = seed
  return function(n)
    state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
    return (state >> 33) % n + 1
  end
end

local function deployment(name, replicas)
  return {
    apiVersion = "apps/v1", kind = "Deployment", metadata = { name = name },
    spec = { replicas = replicas, selector = { matchLabels = { app = name } },
      template = { metadata = { labels = { app = name } }, spec = { containers = { { name = "main", image = "app:1" } } } } },
  }
end

---A life of roll-outs and scaling. A bystander with a pod-template-hash makes the controller look at every pod; with any other
---label it counts by what it keeps.
local function live(seed, label)
  local roll = dice(seed)
  local cluster = kubesim.new { nodes = ({ 2, 5, 12 })[roll(3)], seed = seed }
  cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "bystander", labels = { [label] = "none" } },
    spec = { containers = { { name = "main", image = "app:1" } } } }
  local names = { "web", roll(2) == 1 and "api" or nil }
  for _, name in ipairs(names) do cluster:create(deployment(name, roll(40))) end
  for round = 2, 9 do
    cluster:advance(roll(15))
    local name, act = names[roll(#names)], roll(6)
    if act <= 2 then
      cluster:kubectl(("set image deploy/%s main=app:%d"):format(name, round))
    elseif act == 3 then
      local pods = cluster:list("pod", { labels = "app=" .. name })
      if #pods > 0 then
        cluster:kubectl(("annotate pod %s controller.kubernetes.io/pod-deletion-cost=%d --overwrite")
          :format(pods[roll(#pods)].metadata.name, roll(9) - 5))
      end
    else
      cluster:kubectl(("scale deploy/%s --replicas=%d"):format(name, roll(40)))
    end
  end
  return cluster
end

---A set that shrinks in steps while pods of it are started again, and others come. `anew`: before each step the controller restarts, so
---that it knows nothing of them from the last one.
local function shrink(seed, anew)
  local roll = dice(seed)
  local cluster = kubesim.new { nodes = ({ 1, 3, 9 })[roll(3)], seed = seed }
  local gone = {}
  cluster:image("app:1", { start = 1 })
  cluster:watch("pods", function(what, pod)
    if what == "MODIFIED" and pod.metadata.deletionTimestamp and pod.metadata.deletionGracePeriodSeconds > 0 then
      local name = pod.metadata.name
      if not gone[name] then gone[#gone + 1], gone[name] = name, true end
    end
  end)
  cluster:create(deployment("web", roll(20)))
  cluster:advance(roll(20))
  cluster:kubectl("scale deploy/web --replicas=" .. 60 + roll(20))
  cluster:advance(20 + roll(100))
  local size = 60
  while size > 5 do
    local pods = cluster:list("pod", { labels = "app=web", fields = "status.phase=Running" })
    for _ = 1, roll(6) - 1 do pcall(cluster.crash, cluster, pods[roll(#pods)].metadata.name) end
    if roll(4) == 1 then
      size = size + 10
      cluster:kubectl("scale deploy/web --replicas=" .. size)
    end
    cluster:advance(roll(3) == 1 and roll(40) or 70 + roll(60))
    size = math.max(size - roll(12), 1)
    if anew then cluster:restart "replicaset" end
    cluster:kubectl("scale deploy/web --replicas=" .. size)
    if roll(6) == 1 then cluster:kubectl("set image deploy/web main=app:" .. roll(2)) end
  end
  cluster:advance(60)
  cluster:close()
  return gone
end

describe("a ReplicaSet that shrinks", function()
  for seed = 1, 12 do
    it(("deletes the same pods whether or not it knows them from the last time (seed %d)"):format(seed), function()
      local known, read = shrink(seed, false), shrink(seed, true)
      assert.is_true(#known > 40)
      assert.same(read, known)
    end)
  end

  for seed = 1, 20 do
    it(("deletes the same pods however they are found (seed %d)"):format(seed), function()
      local kept <close> = live(seed, "some-label")
      local walked <close> = live(seed, "pod-template-hash")
      local function told(cluster)
        local out = {}
        for i, event in ipairs(cluster:events { reason = "SuccessfulDelete" }) do out[i] = event.message end
        return out
      end
      assert.same(told(walked), told(kept))
    end)
  end

  ---Names of the pods that stay, of a ReplicaSet or Deployment of so many pods that are all alike and ready, but for what `odd` does to
  ---them, when it shrinks by one.
  local function staying(kind, replicas, odd, pod)
    local cluster <close> = kubesim.new { nodes = 2, kubelet = "manual" }
    cluster:create(workload.set(kind, { replicas = replicas }, pod))
    cluster:settle()
    for _, one in ipairs(cluster:list "pod") do cluster:drive(one.metadata.name, "ready") end
    odd(cluster, cluster:list "pod")
    cluster:settle()
    cluster:scale((kind == "Deployment" and "deploy" or "rs") .. "/web", replicas - 1)
    cluster:settle()
    local names = {}
    for _, one in ipairs(cluster:list("pod", { labels = "app=web" })) do
      if not one.metadata.deletionTimestamp then names[one.metadata.name] = one.spec.nodeName end
    end
    return names
  end

  ---As a kubelet would tell of it: how often containers of a pod have been started again.
  local function restarted(cluster, pod, counts)
    local status = { containerStatuses = {}, initContainerStatuses = {} }
    for name, count in pairs(counts) do
      local list = name == "main" and status.containerStatuses or status.initContainerStatuses
      list[#list + 1] = { name = name, restartCount = count, image = "app:1", imageID = "", ready = true }
    end
    cluster:patch("pod/" .. pod.metadata.name, { status = status }, { subresource = "status" })
  end

  local SIDECAR <const> = { initContainers = {
    { name = "side", image = "app:1", restartPolicy = "Always" }, { name = "once", image = "app:1" } } }

  it("keeps the pod that has been ready for longer than a clock can say", function()
    for old = 1, 2 do
      local name
      local left = staying("ReplicaSet", 2, function(cluster, pods)
        name = pods[old].metadata.name
        local ready = { type = "Ready", status = "True", lastTransitionTime = "1700-01-01T00:00:00Z" }
        cluster:patch("pod/" .. name, { status = { conditions = { ready } } }, { subresource = "status" })
      end)
      assert.is_string(left[name])
    end
  end)

  it("parts with the pod whose containers were started again most often", function()
    for worst = 1, 3 do
      local name
      local left = staying("ReplicaSet", 3, function(cluster, pods)
        name = pods[worst].metadata.name
        for i, pod in ipairs(pods) do restarted(cluster, pod, { main = i == worst and 3 or 2, side = 9 - i }) end
      end, SIDECAR)
      assert.is_nil(left[name])
    end
  end)

  it("parts with the one whose sidecars were, where that is the same; init containers that end do not count", function()
    for worst = 1, 3 do
      local name
      local left = staying("ReplicaSet", 3, function(cluster, pods)
        name = pods[worst].metadata.name
        for i, pod in ipairs(pods) do restarted(cluster, pod, { main = 2, side = i == worst and 2 or 1, once = i == worst and 0 or 7 }) end
      end, SIDECAR)
      assert.is_nil(left[name])
    end
  end)

  for kind, takes in pairs { Deployment = "the node where more pods look like the Deployment's, whosever they are",
    ReplicaSet = "either, where nobody controls the set" } do
    it("takes from " .. takes, function()
      local nodes = {}
      for _, crowded in ipairs { "k8s-node1", "k8s-node2" } do
        local left = staying(kind, 2, function(cluster, pods)
          local other = cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "boss" } }[1]
          local twin = workload.pod("twin", pods[1].metadata.labels, { nodeName = crowded })
          twin.metadata.ownerReferences = { { apiVersion = "v1", kind = "ConfigMap", name = "boss", uid = other.metadata.uid,
            controller = true } }
          cluster:create(twin)
        end)
        left.twin = nil
        nodes[#nodes + 1] = select(2, next(left))
      end
      assert.equal(kind == "ReplicaSet", nodes[1] == nodes[2])
      if kind == "Deployment" then assert.same({ "k8s-node2", "k8s-node1" }, nodes) end
    end)
  end
end)

describe("a ReplicaSet that shrinks among pods that never ran", function()
  ---One of two pods goes, `later` seconds after the second was made, so many after the first: both, and the uid of the one that is left.
  local function left(seed, seconds, later)
    local cluster <close> = kubesim.new { nodes = 0, seed = seed }
    cluster:create(workload.set("ReplicaSet", { replicas = 1 }))
    cluster:advance(seconds)
    local old = cluster:list("pod")[1].metadata
    cluster:scale("rs/web", 2)
    cluster:advance(later)
    local young
    for _, pod in ipairs(cluster:list "pod") do if pod.metadata.uid ~= old.uid then young = pod.metadata end end
    cluster:scale("rs/web", 1)
    cluster:advance(1)
    return old, young, cluster:list("pod")[1].metadata.uid
  end

  it("lets the younger one go", function()
    for seed = 1, 4 do
      local old, _, uid = left(seed, 3600, 1)
      assert.equal(old.uid, uid)
    end
  end)

  it("goes by the uid where they are about as old", function()
    for seed = 1, 6 do
      local old, young, uid = left(seed, 1, 1500)
      assert.equal(old.uid > young.uid and old.uid or young.uid, uid)
    end
  end)
end)
