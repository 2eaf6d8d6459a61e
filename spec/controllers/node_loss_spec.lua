-- What becomes of nodes that fall silent, and of the pods on them.
local kubesim = require "kubesim"

local function toleration(seconds)
  return { key = "node.kubernetes.io/unreachable", operator = "Exists", effect = "NoExecute", tolerationSeconds = seconds }
end

local function pod(name, node, ...)
  return {
    apiVersion = "v1", kind = "Pod", metadata = { name = name },
    spec = { nodeName = node, containers = { { name = "main", image = "app:1" } }, tolerations = { ... } },
  }
end

local function terminating(cluster, name)
  local found = cluster:get("pod/" .. name)
  return found ~= nil and found.metadata.deletionTimestamp ~= nil
end

local function taints(cluster, node)
  local list = {}
  for i, t in ipairs(cluster:get("node/" .. node).spec.taints or {}) do list[i] = t.key:match "[^/]*$" .. ":" .. t.effect end
  return list
end

local function reasons(cluster, ref)
  local list = {}
  for i, e in ipairs(cluster:events { ref = ref }) do list[i] = e.reason end
  return list
end

describe("pods on a node that falls silent", function()
  it("are told of it if they were ready", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create { pod("idle", "k8s-node1"), pod("busy", "k8s-node1") }
    cluster:drive("idle", "running")
    cluster:drive("busy", "ready")
    cluster:fail_node "k8s-node1"
    cluster:advance(60)
    assert.same({ "NodeNotReady" }, reasons(cluster, "pod/busy"))
    assert.same({}, reasons(cluster, "pod/idle"))
  end)

  it("are marked after 50 s and leave when their tolerations have run out", function()
    local cluster <close> = kubesim.new { nodes = 2 }
    for name, t in pairs { never = toleration(nil), soon = toleration(20), now = toleration(0), long = toleration(math.maxinteger) } do
      cluster:create(pod(name, "k8s-node1", t))
    end
    cluster:create(pod("plain", "k8s-node1")) -- admission adds 300 s
    cluster:advance(10)
    cluster:fail_node "k8s-node1"
    cluster:advance(45)
    assert.same({}, taints(cluster, "k8s-node1"))
    cluster:advance(10)
    assert.same({ "unreachable:NoSchedule", "unreachable:NoExecute" }, taints(cluster, "k8s-node1"))
    local function gone()
      local list = {}
      for _, name in ipairs { "long", "never", "now", "plain", "soon" } do
        if terminating(cluster, name) then list[#list + 1] = name end
      end
      return list
    end
    assert.same({ "now" }, gone())
    cluster:advance(20)
    assert.same({ "now", "soon" }, gone())
    cluster:advance(280)
    assert.same({ "now", "plain", "soon" }, gone())
    cluster:advance("720h")
    assert.same({ "now", "plain", "soon" }, gone()) -- and nobody confirms their end
  end)

  it("go when it is back, and its kubelet tells what it is again", function()
    local cluster <close> = kubesim.new { nodes = 2 }
    cluster:create(pod("web", "k8s-node1"))
    cluster:advance(10)
    cluster:fail_node "k8s-node1"
    cluster:advance(400)
    assert.is_true(terminating(cluster, "web"))
    cluster:recover_node "k8s-node1"
    cluster:advance(40)
    assert.is_nil(cluster:get "pod/web")
    assert.same({}, taints(cluster, "k8s-node1"))
    assert.same({ "NodeNotReady", "NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID", "NodeReady" },
      reasons(cluster, "node/k8s-node1"))
  end)

  it("stay where all nodes are silent: it is the control plane that is cut off", function()
    local cluster <close> = kubesim.new { nodes = 2 }
    cluster:create(pod("web", "k8s-node1"))
    cluster:advance(10)
    cluster:fail_node "k8s-node1"
    cluster:fail_node "k8s-node2"
    cluster:advance(1000)
    assert.is_false(terminating(cluster, "web"))
    assert.same({ "unreachable:NoSchedule" }, taints(cluster, "k8s-node1"))
  end)

  it("stay where most of a small zone is silent, until it is not most of it", function()
    local cluster <close> = kubesim.new { nodes = 5 }
    for i = 1, 3 do cluster:create(pod("p" .. i, "k8s-node" .. i)) end
    cluster:advance(10)
    for i = 1, 3 do cluster:fail_node("k8s-node" .. i) end
    cluster:advance(1000)
    for i = 1, 3 do assert.is_false(terminating(cluster, "p" .. i)) end
    assert.is_true(cluster:settle())
    cluster:recover_node "k8s-node3"
    cluster:advance(400)
    assert.is_true(terminating(cluster, "p1"))
    assert.is_true(terminating(cluster, "p2"))
    assert.is_false(terminating(cluster, "p3"))
  end)

  it("leave node after node, ten seconds apart", function()
    local cluster <close> = kubesim.new { nodes = 10 }
    cluster:advance(10)
    for i = 1, 4 do cluster:fail_node("k8s-node" .. i) end
    local function tainted()
      local n = 0
      for i = 1, 4 do n = n + (#taints(cluster, "k8s-node" .. i) == 2 and 1 or 0) end
      return n
    end
    cluster:advance(55)
    assert.equal(1, tainted())
    cluster:advance(10)
    assert.equal(2, tainted())
    cluster:advance(20)
    assert.equal(4, tainted())
  end)
end)

describe("a node monitor whose writes fail", function()
  local function life(seed, share)
    local cluster = kubesim.new { nodes = 3, seed = seed, kubelet = "manual" }
    cluster:create(pod("web", "k8s-node1"))
    cluster:drive("web", "ready")
    cluster:advance(10)
    cluster:fail_writes("nodelifecycle", share)
    cluster:fail_node "k8s-node1"
    cluster:advance(100)
    return cluster
  end

  it("lets nothing follow from what it could not write", function()
    local kept = 0
    for seed = 1, 40 do
      local cluster <close> = life(seed, 1)
      -- an answer that was lost is found done with the next try: then nobody knows any more that the node was ready
      assert.same({}, reasons(cluster, "node/k8s-node1"))
      assert.same({}, reasons(cluster, "pod/web"))
      local node = cluster:get "node/k8s-node1"
      for _, c in ipairs(node.status.conditions) do
        if c.type == "Ready" and c.status == "True" then kept = kept + 1; assert.same({}, taints(cluster, "k8s-node1")) end
      end
    end
    assert.is_true(kept < 40)
  end)

  it("has made up for it soon after they succeed again", function()
    for seed = 1, 40 do
      local cluster <close> = life(seed, 0.8)
      cluster:fail_writes("nodelifecycle", 0)
      cluster:advance(15)
      local has = table.concat(taints(cluster, "k8s-node1"), " ")
      assert.truthy(has:find("unreachable:NoExecute", 1, true), seed .. ": " .. has)
      cluster:fail_writes("nodelifecycle", 0.8)
      cluster:recover_node "k8s-node1"
      cluster:advance(60)
      cluster:fail_writes("nodelifecycle", 0)
      cluster:advance(301)
      assert.same({}, taints(cluster, "k8s-node1"), seed)
    end
  end)
end)

describe("a NoExecute taint put on by hand", function()
  it("is told of by an Event that names the pod alone: describe, which asks by uid, does not show it", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(pod("web", "k8s-node1"))
    cluster:kubectl "taint nodes k8s-node1 x=y:NoExecute"
    cluster:advance(1)
    local about = cluster:events({ reason = "TaintManagerEviction" })[1].involvedObject
    assert.same({ apiVersion = "v1", kind = "Pod", name = "web", namespace = "default" }, about)
    assert.truthy(cluster:kubectl("events --for pod/web"):find "TaintManagerEviction")
    assert.is_nil(cluster:kubectl("describe pod web"):find "TaintManagerEviction")
  end)

  it("drives away who does not tolerate it, and its removal lets stay who was to leave later", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    local patient = { key = "maintenance", operator = "Exists", effect = "NoExecute", tolerationSeconds = 30 }
    cluster:create(pod("plain", "k8s-node1"))
    cluster:create(pod("patient", "k8s-node1", patient))
    cluster:advance(5)
    cluster:patch("node/k8s-node1", { spec = { taints = { { key = "maintenance", effect = "NoExecute" } } } })
    cluster:advance(10)
    assert.is_nil(cluster:get "pod/plain")
    cluster:patch("node/k8s-node1", { spec = { taints = kubesim.null } })
    cluster:advance(60)
    assert.equal("Running", cluster:get("pod/patient").status.phase)
    local last = cluster:events { ref = "pod/patient", reason = "TaintManagerEviction" }
    assert.equal("Cancelling deletion of Pod default/patient", last[#last].message)
  end)

  it("does not move an eviction that is due, and tells of one that is not to be", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    local function patient(key, seconds) return { key = key, operator = "Exists", effect = "NoExecute", tolerationSeconds = seconds } end
    local function taint(...)
      local list = {}
      for i, key in ipairs { ... } do list[i] = { key = key, effect = "NoExecute" } end
      cluster:patch("node/k8s-node1", { spec = { taints = list } }, { type = "merge" })
      cluster:advance(5)
    end
    local function told(name)
      local list = {}
      for i, e in ipairs(cluster:events { ref = "pod/" .. name, reason = "TaintManagerEviction" }) do list[i] = e.message end
      return list
    end
    cluster:create { pod("a", "k8s-node1", patient("x", 30), patient("y", 10)), pod("b", "k8s-node1", patient("x", 30)),
      pod("c", "k8s-node1", patient("x", 30), patient("y", 30)) }
    for _, name in ipairs { "a", "b", "c" } do cluster:drive(name, "ready") end
    cluster:advance(5)
    taint "x"
    taint("x", "y")
    assert.same({ "Cancelling deletion of Pod default/b", "Marking for deletion Pod default/b" }, told "b")
    assert.is_true(terminating(cluster, "b"))
    cluster:advance(10)
    assert.is_false(terminating(cluster, "a"))
    cluster:delete("pod/c", { grace_period = 0 })
    cluster:advance(0)
    assert.same({ "Cancelling deletion of Pod default/c" }, told "c")
    cluster:advance(10)
    assert.is_true(terminating(cluster, "a"))
  end)

  it("marks pods that are on their way out, too", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(pod("p", "k8s-node1"))
    cluster:drive("p", "ready")
    cluster:delete "pod/p"
    cluster:patch("node/k8s-node1", { spec = { taints = { { key = "x", effect = "NoExecute" } } } })
    cluster:advance(1)
    assert.same({ "TaintManagerEviction" }, reasons(cluster, "pod/p"))
    local last = cluster:get "pod/p".status.conditions
    assert.equal("DeletionByTaintManager", last[#last].reason)
  end)

  it("evicts in a world laid out by hand only when it comes later", function()
    local cluster <close> = kubesim.new { nodes = 0, kubelet = "manual" }
    local taint = { key = "dedicated", value = "y", effect = "NoExecute" }
    cluster:import { { apiVersion = "v1", kind = "Node", metadata = { name = "n" }, spec = { taints = { taint } },
      status = { conditions = { { type = "Ready", status = "True" } } } } }
    cluster:create(pod("held", "n"))
    cluster:advance(5)
    assert.is_false(terminating(cluster, "held"))
    cluster:patch("node/n", { spec = { taints = { taint, { key = "other", effect = "NoExecute" } } } }, { type = "merge" })
    cluster:advance(5)
    assert.is_true(terminating(cluster, "held"))
  end)
end)

describe("the Lease of a node", function()
  local LEASE = [[
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: k8s-node1, namespace: kube-node-lease}
spec: {holderIdentity: k8s-node1, leaseDurationSeconds: 40, renewTime: "2026-01-01T00:00:00.000000Z"}
]]

  local function runs(cluster, name)
    local found = pod(name, "k8s-node1")
    found.spec.tolerations = { { operator = "Exists" } }
    cluster:create(found)
    cluster:advance(20)
    return cluster:get("pod/" .. name).status.phase == "Running"
  end

  it("may be deleted by hand while it is silent: it comes back all the same", function()
    local cluster <close> = kubesim.new { nodes = 2 }
    cluster:fail_node "k8s-node1"
    cluster:advance(100)
    cluster:kubectl "delete lease -n kube-node-lease --all"
    assert.is_false(runs(cluster, "before"))
    cluster:recover_node "k8s-node1"
    cluster:advance(10)
    assert.same({}, taints(cluster, "k8s-node1"))
    assert.is_true(runs(cluster, "after"))
  end)

  it("may be there before it falls silent: it does all the same", function()
    local cluster <close> = kubesim.new { nodes = 2 }
    cluster:apply(LEASE)
    cluster:advance(20)
    cluster:fail_node "k8s-node1"
    assert.equal("2026-01-01T00:00:20.000000Z", cluster:get("lease/k8s-node1", { namespace = "kube-node-lease" }).spec.renewTime)
    assert.is_false(runs(cluster, "before"))
    cluster:recover_node "k8s-node1"
    assert.is_true(runs(cluster, "after"))
    assert.equal("2026-01-01T00:00:40.000000Z", cluster:get("lease/k8s-node1", { namespace = "kube-node-lease" }).spec.renewTime)
  end)

  local function readiness(cluster)
    local node = cluster:get "node/k8s-node1"
    for _, c in ipairs(node.status.conditions) do
      if c.type == "Ready" then return c.status .. " since " .. c.lastTransitionTime:match "T(.*)Z" end
    end
  end

  it("says nothing while it talks, however old it is: its kubelet renews it", function()
    for _, kubelet in ipairs { "auto", "manual" } do
      local cluster <close> = kubesim.new { nodes = 2, kubelet = kubelet }
      cluster:apply(LEASE)
      cluster:advance(600)
      assert.equal("True since 00:00:00", readiness(cluster))
      cluster:fail_node "k8s-node1"
      cluster:advance(100)
      assert.equal("Unknown since 00:10:55", readiness(cluster))
      cluster:recover_node "k8s-node1"
      cluster:advance(600)
      assert.equal("True since 00:11:40", readiness(cluster))
    end
  end)

  it("counts when others renew it for a node that is silent", function()
    local cluster <close> = kubesim.new { nodes = 2 }
    cluster:fail_node "k8s-node1"
    cluster:advance(40)
    cluster:patch("lease/k8s-node1", { spec = { renewTime = "1999-01-01T00:00:00.000000Z" } }, { namespace = "kube-node-lease" })
    cluster:patch("lease/k8s-node1", { spec = { renewTime = "2026-01-01T00:00:01.000000Z" } }, { namespace = "kube-node-lease" })
    cluster:advance(40)
    assert.equal("True since 00:00:00", readiness(cluster))
    cluster:advance(40)
    assert.equal("Unknown since 00:01:35", readiness(cluster))
  end)

  it("may be deleted before anybody has found the node silent, and found again", function()
    for _, lag in ipairs { 0, 2 } do
      local cluster <close> = kubesim.new { nodes = 2, latency = lag > 0 and { watch = lag } or nil }
      for _, silent in ipairs { 60, 20 } do
        cluster:fail_node "k8s-node1"
        cluster:advance(10)
        cluster:delete("lease/k8s-node1", { namespace = "kube-node-lease" })
        cluster:advance(silent)
        assert.equal(silent > 50 and "Unknown" or "True", readiness(cluster):match "%a+")
        cluster:recover_node "k8s-node1"
        cluster:advance(200)
        assert.equal("True", readiness(cluster):match "%a+")
      end
    end
  end)

  it("is looked at anew by a monitor that restarts: the silence begins with that", function()
    local cluster <close> = kubesim.new { nodes = 2 }
    cluster:fail_node "k8s-node1"
    cluster:advance(40)
    cluster:restart "nodelifecycle"
    cluster:advance(100)
    assert.equal("Unknown since 00:01:35", readiness(cluster))
  end)
end)

describe("a cluster that was written down while a node was silent", function()
  it("goes on so: the node is silent until it is found again, and the others stay well", function()
    local before <close> = kubesim.new { nodes = 2 }
    local cluster <close> = kubesim.new { nodes = 0 }
    before:create { pod("web", "k8s-node1"), pod("other", "k8s-node2") }
    before:advance(10)
    before:fail_node "k8s-node1"
    before:advance(100)
    local objects = before:list "nodes"
    table.move(before:list "pods", 1, 2, #objects + 1, objects)
    for i = 1, 2 do
      objects[#objects + 1] = { apiVersion = "coordination.k8s.io/v1", kind = "Lease",
        metadata = { name = "k8s-node" .. i, namespace = "kube-node-lease" },
        spec = { holderIdentity = "k8s-node" .. i, leaseDurationSeconds = 40, renewTime = "2026-01-01T00:00:00.000000Z" } }
    end
    cluster:import(objects)
    cluster:advance(100)
    cluster:delete "pod/web"
    cluster:delete "pod/other"
    cluster:advance(100)
    assert.is_true(terminating(cluster, "web"))
    assert.is_nil(cluster:get "pod/other")
    assert.same({}, taints(cluster, "k8s-node2"))
    cluster:recover_node "k8s-node1"
    cluster:advance(60)
    assert.is_nil(cluster:get "pod/web")
    assert.same({}, taints(cluster, "k8s-node1"))
  end)
end)

describe("a node that is cordoned", function()
  it("says so, and says when it is open again", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:patch("node/k8s-node1", { spec = { unschedulable = true } })
    cluster:advance(1)
    assert.same({ "unschedulable:NoSchedule" }, taints(cluster, "k8s-node1"))
    cluster:patch("node/k8s-node1", { spec = { unschedulable = kubesim.null } })
    cluster:advance(1)
    assert.same({}, taints(cluster, "k8s-node1"))
    assert.same({ "NodeNotSchedulable", "NodeSchedulable" }, reasons(cluster, "node/k8s-node1"))
  end)
end)
