-- Pods whose object is removed by force: the kubelet still ends their processes, and only then are their disks free.
local kubesim = require "kubesim"

local function pod(name, node)
  return {
    apiVersion = "v1", kind = "Pod", metadata = { name = name },
    spec = {
      nodeName = node,
      containers = { { name = "main", image = "app:1", volumeMounts = { { name = "data", mountPath = "/data" } } } },
      volumes = { { name = "data", persistentVolumeClaim = { claimName = "disk" } } },
    },
  }
end

local function wants_disk(first)
  local cluster = kubesim.new { nodes = 2 }
  cluster:image("app:1", { stop = false })
  cluster:create {
    apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "disk" },
    spec = { storageClassName = "fast", accessModes = { "ReadWriteOnce" }, resources = { requests = { storage = "1Gi" } } },
  }
  cluster:create(pod(first, "k8s-node1"))
  assert(cluster:wait_for("pod/" .. first, "ready"))
  return cluster
end

local function in_use(cluster, node) return #(cluster:get("node/" .. node).status.volumesInUse or {}) end

---Seconds until a pod is ready.
local function until_ready(cluster, name)
  local from = cluster:now()
  assert(cluster:wait_for("pod/" .. name, "ready", { timeout = "1h" }))
  return cluster:now() - from
end

describe("a pod deleted by force", function()
  it("frees its disk for another node when its processes have ended", function()
    local cluster <close> = wants_disk "first"
    cluster:create(pod("second", "k8s-node2"))
    cluster:advance(5)
    assert.equal("Pending", cluster:get("pod/second").status.phase)
    cluster:delete("pod/first", { grace_period = 0 })
    assert.is_nil(cluster:get "pod/first")
    cluster:advance(1) -- SIGTERM is ignored: 2 s until SIGKILL
    assert.equal(1, in_use(cluster, "k8s-node1"))
    cluster:advance(2)
    assert.equal(0, in_use(cluster, "k8s-node1"))
    assert.is_true(until_ready(cluster, "second") < 10)
  end)

  it("keeps its disk for as long as a kill that was under way lasts", function()
    local cluster <close> = wants_disk "first"
    cluster:delete "pod/first" -- 30 s of grace
    cluster:advance(5)
    cluster:delete("pod/first", { grace_period = 0 })
    cluster:advance(20)
    assert.equal(1, in_use(cluster, "k8s-node1"))
    cluster:advance(6)
    assert.equal(0, in_use(cluster, "k8s-node1"))
  end)

  it("on a lost node holds its disk until that is detached by force, six minutes later", function()
    local cluster <close> = wants_disk "first"
    cluster:fail_node "k8s-node1"
    cluster:advance(120)
    cluster:delete("pod/first", { grace_period = 0 })
    cluster:create(pod("second", "k8s-node2"))
    local took = until_ready(cluster, "second")
    assert.is_true(took > 360 and took < 370, "took " .. took)
    assert.equal(1, in_use(cluster, "k8s-node1"))
    cluster:recover_node "k8s-node1" -- hears of the deletion now
    cluster:advance(5)
    assert.equal(0, in_use(cluster, "k8s-node1"))
  end)

  it("leaves its disk at once on a node that is out of service", function()
    local cluster <close> = wants_disk "first"
    cluster:fail_node "k8s-node1"
    cluster:advance(120)
    local taint = { key = "node.kubernetes.io/out-of-service", value = "nodeshutdown", effect = "NoExecute" }
    cluster:patch("node/k8s-node1", { spec = { taints = { taint } } })
    cluster:create(pod("second", "k8s-node2"))
    assert.is_true(until_ready(cluster, "second") < 60)
    assert.is_nil(cluster:get "pod/first")
  end)
end)

describe("a disk of a node that was deleted", function()
  it("is detached by force after six minutes: nobody can say that it is not mounted", function()
    local cluster <close> = wants_disk "first"
    cluster:fail_node "k8s-node1"
    cluster:advance(100)
    cluster:delete "node/k8s-node1"
    cluster:create(pod("second", "k8s-node2"))
    local took = until_ready(cluster, "second")
    assert.is_true(took > 360 and took < 460, "took " .. took)
  end)
end)

describe("a node that is deleted and made anew", function()
  local NODE = { apiVersion = "v1", kind = "Node", metadata = { name = "k8s-node1" } }

  it("is the machine that it was: its kubelet posts that it is well, and which volumes are in use there", function()
    local cluster <close> = wants_disk "first"
    local before = cluster:get("node/k8s-node1").status
    cluster:delete "node/k8s-node1"
    cluster:create(NODE)
    assert.equal(0, in_use(cluster, "k8s-node1"))
    assert(cluster:wait_for("node/k8s-node1", "ready", { timeout = "10s" }))
    cluster:advance(10)
    local node = cluster:get "node/k8s-node1"
    assert.is_nil(node.spec.taints)
    for _, field in ipairs { "addresses", "allocatable", "capacity", "nodeInfo", "volumesInUse", "volumesAttached" } do
      assert.same(before[field], node.status[field], field)
    end
    cluster:delete "pod/first"
    cluster:advance(35)
    assert.equal(0, in_use(cluster, "k8s-node1"))
  end)

  it("says so when it is found again, if it fell silent before it could", function()
    local cluster <close> = wants_disk "first"
    cluster:delete "node/k8s-node1"
    cluster:create(NODE)
    cluster:fail_node "k8s-node1"
    cluster:advance(20)
    assert.equal(0, in_use(cluster, "k8s-node1"))
    cluster:recover_node "k8s-node1"
    assert(cluster:wait_for("node/k8s-node1", "ready", { timeout = "1s" }))
    assert.equal(1, in_use(cluster, "k8s-node1"))
  end)

  it("deals out the addresses again of pods that were deleted by force while it was silent", function()
    local cluster <close> = kubesim.new { nodes = 1, latency = 0 }
    local function run(name)
      cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = name },
        spec = { nodeName = "k8s-node1", tolerations = { { operator = "Exists" } }, containers = { { name = "c", image = "app:1" } } } }
      assert(cluster:wait_for("pod/" .. name, "ready"))
      return cluster:get("pod/" .. name).status.podIP
    end
    assert.equal("10.244.0.2", run "first")
    cluster:fail_node "k8s-node1"
    cluster:delete("pod/first", { grace_period = 0 })
    cluster:delete "node/k8s-node1"
    cluster:advance(0)
    cluster:create(NODE)
    assert(cluster:wait_for("node/k8s-node1", "ready"))
    local last
    for i = 1, 253 do
      last = run("p" .. i)
      cluster:delete("pod/p" .. i, { grace_period = 0 })
      cluster:advance(3)
    end
    assert.equal("10.244.0.2", last)
  end)
end)
