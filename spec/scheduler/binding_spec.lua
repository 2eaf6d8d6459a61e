-- Pods between the choice of their node and being bound to it: they wait there for their volumes, and what is told when that, or the
-- binding itself, fails.
local kubesim = require "kubesim"

--- A cluster in which volumes take an hour to be made, so that pods with a claim wait on their node.
local function new(settings)
  settings = settings or {}
  settings.nodes = settings.nodes or { { name = "n1", capacity = { cpu = "10", memory = "10Gi", pods = 20 } } }
  settings.latency = settings.latency or { provision = "1h" }
  local cluster = kubesim.new(settings)
  cluster:create { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = "high" }, value = 1000 }
  cluster:create { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "local" },
    provisioner = "kubernetes.io/no-provisioner", volumeBindingMode = "WaitForFirstConsumer" }
  return cluster
end

local function claim(name, class)
  return { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = name }, spec = { accessModes = { "ReadWriteOnce" },
    storageClassName = class or "standard", resources = { requests = { storage = "1Gi" } } } }
end

local function pod(name, cpu, claims, priority)
  local volumes
  for i, of in ipairs(claims or {}) do
    volumes = volumes or {}
    volumes[i] = { name = of, persistentVolumeClaim = { claimName = of } }
  end
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name }, spec = { priorityClassName = priority, volumes = volumes,
    containers = { { name = "main", image = "app", resources = { requests = { cpu = cpu } } } } } }
end

local function volume(name, expressions)
  return { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = name }, spec = { accessModes = { "ReadWriteOnce" },
    capacity = { storage = "1Gi" }, storageClassName = "local", hostPath = { path = "/data" },
    nodeAffinity = expressions and { required = { nodeSelectorTerms = { { matchExpressions = expressions } } } } } }
end

--- "12.5 FailedScheduling low: message" of the scheduler's Events, in the order in which they were recorded.
local function told(cluster)
  local lines = {}
  for _, e in ipairs(cluster:events()) do
    if e.reason == "FailedScheduling" or e.reason == "Preempted" or e.reason == "Scheduled" then
      local minute, second = e.eventTime:match "T%d+:(%d+):([%d.]+)Z"
      lines[#lines + 1] = ("%g %s %s: %s"):format(minute * 60 + second, e.reason, e.involvedObject.name, e.message)
    end
  end
  return lines
end

local function scheduled(cluster, name)
  for _, c in ipairs(cluster:get("pod/" .. name).status.conditions or {}) do
    if c.type == "PodScheduled" then return c end
  end
end

--- The cluster, with a pod that waits for these claims.
local function waiting_for(cluster, ...)
  for _, name in ipairs { ... } do
    if not cluster:get("pvc/" .. name) then cluster:create(claim(name)) end
  end
  cluster:create(pod("low", "6", { ... }))
  cluster:advance(3)
  assert.is_nil(cluster:get("pod/low").spec.nodeName)
  return cluster
end

local PREBIND <const> = 'running PreBind plugin "VolumeBinding": '
local NO_ROOM <const> = "0/1 nodes are available: 1 Insufficient cpu."
local NO_VICTIMS <const> = NO_ROOM .. " no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found "
  .. "for incoming pod."

describe("a pod that waits for its volumes, when one of higher priority needs its place,", function()
  it("gives way without being deleted, and is tried again", function()
    local cluster <close> = waiting_for(new(), "data")
    cluster:create(pod("high", "6", nil, "high"))
    local uid = cluster:get("pod/high").metadata.uid
    cluster:advance(4)
    assert.same({
      "3 FailedScheduling high: " .. NO_ROOM,
      "3 Preempted low: Preempted by pod " .. uid .. " on node n1 (in kube-scheduler memory).",
      "3 FailedScheduling low: " .. PREBIND .. "preempted by DefaultPreemption",
      "3 Scheduled high: Successfully assigned default/high to n1",
      "5 FailedScheduling low: " .. NO_VICTIMS }, told(cluster))
    local low = cluster:get "pod/low"
    assert.is_nil(low.metadata.deletionTimestamp)
    assert.is_nil(low.status.nominatedNodeName)
    assert.equal("Unschedulable", scheduled(cluster, "low").reason)
    cluster:delete "pod/high"
    cluster:advance(60)
    assert.equal("n1", cluster:get("pod/low").status.nominatedNodeName)
  end)

  it("says so in its condition until then, and has no place", function()
    local cluster <close> = waiting_for(new(), "data")
    cluster:create(pod("high", "6", nil, "high"))
    cluster:advance(1)
    local condition = scheduled(cluster, "low")
    assert.equal("SchedulerError", condition.reason)
    assert.equal("False", condition.status)
    assert.equal(PREBIND .. "preempted by DefaultPreemption", condition.message)
  end)

  it("gives way alone in its fork", function()
    local cluster <close> = waiting_for(new(), "data")
    local fork <close> = cluster:fork()
    fork:create(pod("high", "6", nil, "high"))
    fork:advance(1)
    cluster:advance(1)
    assert.equal("n1", cluster:get("pod/low").status.nominatedNodeName)
    assert.is_nil(fork:get("pod/low").status.nominatedNodeName)
    assert.same({}, told(cluster))
  end)

  it("is deleted as any victim before 1.36", function()
    local cluster <close> = waiting_for(new { version = "1.35" }, "data")
    cluster:create(pod("high", "6", nil, "high"))
    local uid = cluster:get("pod/high").metadata.uid
    cluster:advance(4)
    assert.is_nil(cluster:get "pod/low")
    assert.same({
      "3 FailedScheduling high: " .. NO_ROOM,
      "3 Preempted low: Preempted by pod " .. uid .. " on node n1",
      "3 Scheduled high: Successfully assigned default/high to n1",
      "4 FailedScheduling low: " .. PREBIND .. 'binding volumes: pod does not exist any more: pod "low" not found' }, told(cluster))
  end)

  it("keeps its place in 1.34 until its binding finds out that it is gone", function()
    local cluster <close> = waiting_for(new { version = "1.34" }, "data")
    cluster:create(pod("high", "6", nil, "high"))
    local uid = cluster:get("pod/high").metadata.uid
    cluster:advance(4)
    assert.same({
      "3 FailedScheduling high: " .. NO_ROOM,
      "3 Preempted low: Preempted by pod " .. uid .. " on node n1",
      "4 FailedScheduling low: " .. PREBIND .. 'binding volumes: pod does not exist any more: pod "low" not found',
      "4 Scheduled high: Successfully assigned default/high to n1" }, told(cluster))
  end)
end)

describe("a pod that waits for its volumes in vain", function()
  --- What it is told within a second of what `break_it` does.
  local function first_word(cluster, break_it)
    break_it(cluster)
    local before = #told(cluster)
    cluster:advance(1)
    local lines = told(cluster)
    assert.equal("SchedulerError", (scheduled(cluster, "low") or {}).reason)
    assert.is_nil(cluster:get("pod/low").status.nominatedNodeName)
    return lines[before + 1]
  end

  it("is told within a second that its node has gone, and is looked at again with back-off", function()
    local cluster <close> = waiting_for(new(), "data")
    assert.equal("4 FailedScheduling low: " .. PREBIND .. 'binding volumes: failed to get node "n1": node "n1" not found',
      first_word(cluster, function() cluster:delete "node/n1" end))
    cluster:advance(2)
    assert.equal("6 FailedScheduling low: no nodes available to schedule pods", told(cluster)[2])
  end)

  it("is told within a second that its claim has gone", function()
    local cluster <close> = waiting_for(new(), "data")
    assert.equal("4 FailedScheduling low: " .. PREBIND .. "binding volumes: failed to check provisioning pvc: "
      .. 'persistentvolumeclaims "default/data" not found', first_word(cluster, function() cluster:delete "pvc/data" end))
    cluster:create(claim "data")
    cluster:advance(5)
    assert.equal("n1", cluster:get("pod/low").status.nominatedNodeName)
  end)

  it("stays nominated to its node up to 1.35", function()
    local cluster <close> = waiting_for(new { version = "1.35" }, "data")
    cluster:delete "pvc/data"
    cluster:advance(10)
    assert.equal("n1", cluster:get("pod/low").status.nominatedNodeName)
    assert.equal('0/1 nodes are available: persistentvolumeclaim "data" not found. not found', scheduled(cluster, "low").message)
  end)

  it("is told so in the words of the scheduler's cache in 1.34", function()
    local cluster <close> = waiting_for(new { version = "1.34" }, "data")
    assert.equal("4 FailedScheduling low: " .. PREBIND .. "binding volumes: failed to check provisioning pvc: "
      .. 'could not find v1.PersistentVolumeClaim "default/data"', first_word(cluster, function() cluster:delete "pvc/data" end))
  end)

  it("is told that its claim has lost the node that was selected for it", function()
    local cluster <close> = waiting_for(new { latency = { provision = "1h" } }, "data")
    assert.equal("4 FailedScheduling low: " .. PREBIND .. 'binding volumes: provisioning failed for PVC "data"',
      first_word(cluster, function()
        cluster:patch("pvc/data", { metadata = { annotations = { ["volume.kubernetes.io/selected-node"] = kubesim.null } } })
      end))
  end)

  it("is told that all annotations have gone from its claim", function()
    local cluster <close> = waiting_for(new(), "data")
    assert.equal("4 FailedScheduling low: " .. PREBIND .. 'binding volumes: selectedNode annotation reset for PVC "data"',
      first_word(cluster, function()
        cluster:patch("pvc/data", { metadata = { annotations = kubesim.null } })
      end))
  end)

  --- With one claim that takes a volume which is there, and one that waits.
  local function with_volume(expressions)
    local cluster = new { nodes = { { name = "n1", labels = { disk = "ssd" }, capacity = { cpu = "10", memory = "10Gi", pods = 20 } } } }
    cluster:create(volume("pv", expressions))
    cluster:create(claim("here", "local"))
    waiting_for(cluster, "data", "here")
    assert.equal("pv", cluster:get("pvc/here").spec.volumeName)
    return cluster
  end

  local function last_word(cluster)
    local lines = told(cluster)
    return (lines[#lines]:gsub("^[%d.]+ ", ""))
  end

  it("is told that a volume which its other claim has taken has gone", function()
    local cluster <close> = with_volume()
    cluster:delete "pv/pv"
    cluster:patch("pv/pv", { metadata = { finalizers = kubesim.null } })
    cluster:advance(1)
    assert.equal("FailedScheduling low: " .. PREBIND .. 'binding volumes: failed to check binding: persistentvolumes "pv" not found',
      last_word(cluster))
  end)

  it("is told that such a volume does not say any more whose it is; it is bound again at the binder's next resync", function()
    local cluster <close> = with_volume()
    cluster:patch("pv/pv", { spec = { claimRef = kubesim.null } })
    cluster:advance(1)
    assert.equal("FailedScheduling low: " .. PREBIND .. 'binding volumes: ClaimRef got reset for pv "pv"', last_word(cluster))
    assert.equal("Available", cluster:get("pv/pv").status.phase)
    cluster:advance(15)
    assert.equal("Bound", cluster:get("pv/pv").status.phase)
    assert.equal("here", cluster:get("pv/pv").spec.claimRef.name)
  end)

  it("is told that such a volume does not suit its node any more", function()
    local cluster <close> = with_volume { { key = "disk", operator = "In", values = { "ssd" } } }
    cluster:patch("node/n1", { metadata = { labels = { disk = kubesim.null } } })
    cluster:advance(1)
    assert.equal("FailedScheduling low: " .. PREBIND .. 'binding volumes: pv "pv" node affinity doesn\'t match node "n1": no matching '
      .. "NodeSelectorTerms", last_word(cluster))
  end)

  it("leaves its place to another one", function()
    local cluster <close> = waiting_for(new(), "data")
    cluster:create(pod("other", "6"))
    cluster:advance(1)
    assert.is_nil(cluster:get("pod/other").spec.nodeName)
    cluster:delete "pvc/data"
    cluster:advance(1)
    assert.equal("n1", cluster:get("pod/other").spec.nodeName)
  end)
end)

describe("a pod that is deleted while it waits for its volumes", function()
  it("leaves its place at once, and is told within a second that it is not there any more", function()
    local cluster <close> = waiting_for(new(), "data")
    cluster:create(pod("other", "6"))
    cluster:advance(0.5)
    cluster:delete "pod/low"
    cluster:advance(1)
    assert.same({
      "3 FailedScheduling other: " .. NO_VICTIMS,
      "3.5 Scheduled other: Successfully assigned default/other to n1",
      "4 FailedScheduling low: " .. PREBIND .. 'binding volumes: pod does not exist any more: pod "low" not found' }, told(cluster))
  end)

  it("leaves it when it begins to end, if something keeps it", function()
    local cluster <close> = waiting_for(new(), "data")
    cluster:patch("pod/low", { metadata = { finalizers = { "example.com/keep" } } })
    cluster:create(pod("other", "6"))
    cluster:delete "pod/low"
    cluster:advance(0.5)
    assert.equal("n1", cluster:get("pod/other").spec.nodeName)
    assert.is_not_nil(cluster:get("pod/low").metadata.deletionTimestamp)
  end)

  it("is not told of where another one has its name by then", function()
    local cluster <close> = waiting_for(new(), "data")
    cluster:delete "pod/low"
    cluster:create(pod("low", "6", { "data" }))
    cluster:advance(3)
    assert.same({}, told(cluster))
    assert.equal("n1", cluster:get("pod/low").status.nominatedNodeName)
    cluster:delete "pvc/data" -- of both
    cluster:advance(1)
    assert.same({ "7 FailedScheduling low: " .. PREBIND .. "binding volumes: failed to check provisioning pvc: "
      .. 'persistentvolumeclaims "default/data" not found' }, told(cluster))
    assert.equal(cluster:get("pod/low").metadata.uid,
      cluster:events({ reason = "FailedScheduling" })[1].involvedObject.uid)
  end)
end)

describe("a pod whose volume is heard of after its claim", function()
  for _, kubelet in ipairs { "auto", "manual" } do
    for seed = 1, 8 do
      it(("is bound when the scheduler hears of the volume (%s kubelet, seed %d)"):format(kubelet, seed), function()
        local cluster <close> = kubesim.new { nodes = 1, seed = seed, kubelet = kubelet, latency = { provision = "2s" } }
        cluster:lag("scheduler", { "10ms", "60s" })
        cluster:create { claim "data", pod("low", "1", { "data" }) }
        cluster:advance(180)
        assert.equal("k8s-node1", cluster:get("pod/low").spec.nodeName)
      end)
    end
  end
end)

--- "1 pod/one nominated n1" and so on: what is written of pods, claims and volumes, and told by the scheduler, in that order.
local function course(cluster, play)
  local lines, from = {}, cluster:now()
  local function add(format, ...) lines[#lines + 1] = ("%g "):format(cluster:now() - from) .. format:format(...) end
  cluster:watch("pod", function(_, now, old)
    local name, nominated = now.metadata.name, now.status.nominatedNodeName
    if old and nominated and not old.status.nominatedNodeName then add("%s is nominated to %s", name, nominated) end
    if old and now.spec.nodeName and not old.spec.nodeName then add("%s is bound to %s", name, now.spec.nodeName) end
  end)
  cluster:watch("pvc", function(_, now, old)
    local function node(c) return old and (c.metadata.annotations or {})["volume.kubernetes.io/selected-node"] end
    if node(now) and not node(old) then add("%s is to be made on %s", now.metadata.name, node(now)) end
    if old and now.status.phase ~= old.status.phase then add("%s is %s", now.metadata.name, now.status.phase) end
  end)
  cluster:watch("pv", function(_, now, old)
    if old and now.spec.claimRef and not old.spec.claimRef then add("%s is for %s", now.metadata.name, now.spec.claimRef.name) end
  end)
  cluster:watch("event", function(_, now)
    if now.reason == "FailedScheduling" then add("%s: %s", now.involvedObject.name, now.message) end
  end)
  play()
  cluster:advance(10)
  return lines
end

local function changed(of)
  return PREBIND .. "Operation cannot be fulfilled on " .. of
    .. ": the object has been modified; please apply your changes to the latest version and try again"
end

describe("a claim that two new pods share", function()
  local function both(cluster) cluster:create { pod("one", "1", { "data" }), pod("two", "1", { "data" }) } end

  it("is selected a node once; the second pod is told of a conflict, and waits there for it, too", function()
    local cluster <close> = new { nodes = { { name = "n1" }, { name = "n2" } }, latency = { provision = "4s" } }
    cluster:create(claim "data")
    local lines = course(cluster, function() both(cluster) end)
    local node = cluster:get("pod/one").spec.nodeName
    assert.same({
      "0 one is nominated to " .. node, "0 two is nominated to " .. node,
      "0 data is to be made on " .. node, "0 two: " .. changed 'persistentvolumeclaims "data"',
      "2 two is nominated to " .. node, "4 data is Bound", "5 one is bound to " .. node, "5 two is bound to " .. node,
    }, lines)
  end)

  it("takes one volume: the second pod is told of a conflict, and bound when the claim is", function()
    local cluster <close> = new { nodes = { { name = "n1" }, { name = "n2" } } }
    cluster:create { claim("data", "local"), volume("pv", { { key = "kubernetes.io/hostname", operator = "In", values = { "n2" } } }) }
    cluster:settle()
    assert.same({
      "0 one is nominated to n2", "0 two is nominated to n2",
      "0 pv is for data", "0 two: " .. changed 'persistentvolumes "pv"',
      "0 data is Bound", "1 one is bound to n2", "2 two is bound to n2",
    }, course(cluster, function() both(cluster) end))
  end)

  it("is as others have written it since a pod was to have it made on its node: the next pod may choose", function()
    local cluster <close> = new { nodes = { { name = "n1" }, { name = "n2" } } }
    cluster:create(claim "data")
    local one, two = pod("one", "1", { "data" }), pod("two", "1", { "data" })
    one.spec.nodeSelector, two.spec.nodeSelector = { ["kubernetes.io/hostname"] = "n1" }, { ["kubernetes.io/hostname"] = "n2" }
    local function play(meanwhile, lines)
      local fork <close> = cluster:fork()
      return { table.unpack(course(fork, function()
        fork:create { one, two }
        repeat fork:step() until fork:get("pod/one").status.nominatedNodeName
        if meanwhile then fork:patch("pvc/data", { metadata = { labels = { a = "b" } } }) end
      end), 1, lines) }
    end
    assert.same({ "0 one is nominated to n1", "0 two: 0/2 nodes are available: 1 node(s) didn't find available persistent volumes to bind, "
      .. "1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/2 nodes are available: "
      .. "2 Preemption is not helpful for scheduling.", "0 data is to be made on n1" }, play(false, 3))
    assert.same({ "0 one is nominated to n1", "0 two is nominated to n2",
      "0 one: " .. changed 'persistentvolumeclaims "data"', "0 data is to be made on n2" }, play(true, 4))
  end)

  it("takes no second volume, whatever others have written of it before it has the first", function()
    local cluster <close> = new()
    cluster:create { claim("data", "local"), volume "pv1", volume "pv2" }
    cluster:settle()
    both(cluster)
    repeat cluster:step() until cluster:get("pod/one").status.nominatedNodeName
    cluster:patch("pvc/data", { metadata = { labels = { a = "b" } } })
    cluster:watch("pv", function(_, pv) assert.is_true(pv.metadata.name == "pv1" or not pv.spec.claimRef) end)
    cluster:advance(10)
    assert.equal("pv1", cluster:get("pvc/data").spec.volumeName)
    assert.equal("n1", cluster:get("pod/two").spec.nodeName)
  end)

  it("is free of the node of one that gives way before that is written", function()
    local cluster <close> = new { nodes = { { name = "n1", capacity = { cpu = "10" } } } }
    cluster:create { claim("data", "local"), volume "pv" }
    cluster:settle()
    cluster:create { pod("one", "6", { "data" }), pod("two", "6", { "data" }) }
    cluster:advance(3)
    assert.equal("n1", cluster:get("pod/one").spec.nodeName)
    assert.equal("pv", cluster:get("pvc/data").spec.volumeName)
    assert.equal("Unschedulable", scheduled(cluster, "two").reason)
  end)
end)

describe("volumes that new pods of one instant take", function()
  it("are written when all these have been looked at", function()
    local cluster <close> = new()
    cluster:create { claim("a", "local"), claim("b", "local"), volume "pv1", volume "pv2" }
    cluster:settle()
    assert.same({
      "0 one is nominated to n1", "0 two is nominated to n1", "0 plain is bound to n1",
      "0 pv1 is for a", "0 pv2 is for b", "0 a is Bound", "0 b is Bound", "1 one is bound to n1", "1 two is bound to n1",
    }, course(cluster, function() cluster:create { pod("one", "1", { "a" }), pod("two", "1", { "b" }), pod("plain", "1") } end))
  end)

  it("are each for one of them, and the last pods get none", function()
    local cluster <close> = kubesim.new { nodes = 4 }
    cluster:create { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "local" },
      provisioner = "kubernetes.io/no-provisioner", volumeBindingMode = "WaitForFirstConsumer" }
    for i = 1, 30 do
      local host = { key = "kubernetes.io/hostname", operator = "In", values = { "k8s-node" .. i % 4 + 1 } }
      cluster:create(volume("pv" .. i, i % 3 > 0 and { host } or nil))
    end
    cluster:settle()
    local pods = {}
    for i = 1, 40 do
      cluster:create(claim("c" .. i, "local"))
      pods[i] = pod("p" .. i, "1m", { "c" .. i })
    end
    cluster:create(pods)
    cluster:settle()
    local bound, seen = 0, {}
    for i = 1, 40 do
      local of = cluster:get("pvc/c" .. i).spec.volumeName
      if of then
        assert.is_nil(seen[of])
        seen[of], bound = true, bound + 1
        assert.is_not_nil(cluster:get("pod/p" .. i).spec.nodeName)
      else
        assert.equal("0/4 nodes are available: 4 node(s) didn't find available persistent volumes to bind.",
          scheduled(cluster, "p" .. i).message:match "^.-%.")
      end
    end
    assert.equal(30, bound)
    for _, line in ipairs(told(cluster)) do assert.not_matches("Operation cannot", line, 1, true) end
  end)

  it("is not to be had while another claim is about to get it, and is again when that could not be written", function()
    local cluster <close> = new()
    cluster:create { claim("a", "local"), claim("b", "local"), volume "pv" }
    cluster:settle()
    local lines = course(cluster, function()
      cluster:create(pod("one", "1", { "a" }))
      cluster:create(pod("two", "1", { "b" }))
      cluster:step()
      cluster:step()
      cluster:patch("pv/pv", { metadata = { labels = { a = "b" } } }) -- what has been looked at is old
    end)
    assert.equal("0 one is nominated to n1", lines[1])
    local text = table.concat(lines, "\n")
    assert.matches(changed 'persistentvolumes "pv"', text, 1, true)
    assert.matches("pv is for", text, 1, true)
    local _, bound = text:gsub("is bound to n1", "")
    assert.equal(1, bound)
  end)

  it("are found again by a scheduler that restarts before they are written", function()
    for _, lag in ipairs { 0, 0.01 } do
      local cluster <close> = new()
      cluster:create { claim("a", "local"), volume "pv" }
      cluster:settle()
      cluster:create(pod("one", "1", { "a" }))
      repeat cluster:step() until cluster:get("pod/one").status.nominatedNodeName
      assert.is_nil(cluster:get("pv/pv").spec.claimRef)
      cluster:lag("scheduler", lag)
      cluster:restart "scheduler"
      cluster:lag("scheduler", 0)
      cluster:advance(60)
      assert.equal("n1", cluster:get("pod/one").spec.nodeName)
    end
  end)

  it("are there for a fork that has not got as far, also where the scheduler hears late", function()
    local cluster <close> = new { version = "1.34" } -- which writes nothing before the volume
    cluster:create { claim("a", "local"), volume "pv" }
    cluster:settle()
    cluster:lag("scheduler", 0.01)
    cluster:create(pod("one", "1", { "a" }))
    repeat
      local fork <close> = cluster:fork()
      cluster:step()
      fork:advance(60)
      assert.equal("n1", fork:get("pod/one").spec.nodeName)
      assert.same({}, fork:events { reason = "FailedScheduling" })
    until cluster:get("pv/pv").spec.claimRef
  end)
end)

describe("a scheduler whose writes fail", function()
  local REFUSED <const> = "Internal error occurred: etcdserver: leader changed"
  local LOST <const> = "Timeout: request did not complete within requested timeout - context deadline exceeded"

  --- Forks in which the scheduler's writes fail at the rate `share` from now on, each with its own luck.
  local function lives(cluster, share, play)
    for seed = 1, 40 do
      local fork <close> = cluster:fork()
      for _ = 1, seed do fork:create { apiVersion = "v1", kind = "ConfigMap", metadata = { generateName = "dice-" } } end
      fork:fail_writes("scheduler", share)
      play(fork)
    end
  end

  it("tells a pod whose binding was refused, and tries again with back-off", function()
    local cluster <close> = new { latency = 0 }
    local seen = 0
    lives(cluster, 0.5, function(fork)
      fork:create(pod("p", "1"))
      fork:advance(1)
      if not (told(fork)[1] or ""):find(REFUSED, 1, true) then return end
      seen = seen + 1
      assert.equal('0 FailedScheduling p: running Bind plugin "DefaultBinder": ' .. REFUSED, told(fork)[1])
      assert.is_nil(fork:get("pod/p").spec.nodeName)
      fork:fail_writes("scheduler", 0)
      fork:advance(2)
      assert.equal("2 Scheduled p: Successfully assigned default/p to n1", told(fork)[2])
    end)
    assert.is_true(seen > 0)
  end)

  it("says of a pod that it is not scheduled when only the answer was lost; the kubelet knows better", function()
    local cluster <close> = new { latency = 0 }
    local seen = 0
    lives(cluster, 0.5, function(fork)
      local said
      fork:watch("Pod", function(_, o)
        for _, c in ipairs(o.status.conditions or {}) do
          if o.spec.nodeName and c.type == "PodScheduled" and c.status == "False" then said = c end
        end
      end)
      fork:create(pod("p", "1"))
      fork:advance(5)
      if not said then return end
      seen = seen + 1
      assert.equal("SchedulerError", said.reason)
      assert.equal('running Bind plugin "DefaultBinder": ' .. LOST, said.message)
      local condition = scheduled(fork, "p")
      assert.equal("True", condition.status)
      assert.is_nil(condition.reason)
      assert.is_nil(condition.message)
      assert.equal("Running", fork:get("pod/p").status.phase)
    end)
    assert.is_true(seen > 0)
  end)

  it("patches what is new to it of the condition: the message, of a pod refused before and then bound without its knowing", function()
    local cluster <close> = new { latency = 0, kubelet = "manual" }
    local seen = 0
    lives(cluster, 0.6, function(fork)
      fork:create(pod("p", "1"))
      fork:advance(1)
      local before = scheduled(fork, "p")
      if fork:get("pod/p").spec.nodeName or not before then return end
      fork:advance(1)
      local condition = scheduled(fork, "p")
      if not fork:get("pod/p").spec.nodeName or not condition.message then return end
      seen = seen + 1
      assert.equal("True", condition.status)
      assert.is_nil(condition.reason)
      assert.equal('running Bind plugin "DefaultBinder": ' .. LOST, condition.message)
    end)
    assert.is_true(seen > 0)
  end)

  it("that does not hear of its own binding in time meets it, and the kubelet puts right what it says", function()
    local cluster <close> = new { latency = 0 }
    cluster:lag("scheduler", "20s")
    local seen = 0
    lives(cluster, 0.5, function(fork)
      local met = 'running Bind plugin "DefaultBinder": Operation cannot be fulfilled on pods/binding "p": pod p is already assigned '
        .. 'to node "n1"'
      fork:create(pod("p", "1"))
      fork:advance(20)
      local met_it
      fork:watch("Pod", function(_, o)
        for _, c in ipairs(o.status.conditions or {}) do met_it = met_it or c.message == met end
      end)
      fork:advance(40)
      if not met_it then return end
      seen = seen + 1
      fork:fail_writes("scheduler", 0)
      fork:advance(120)
      assert.equal("True", scheduled(fork, "p").status)
      assert.is_nil(scheduled(fork, "p").message)
    end)
    assert.is_true(seen > 0)
  end)

  it("tells a pod whose claim or volume it could not write, and what others waited for is free again", function()
    local cluster <close> = new { latency = { provision = "1s" } }
    cluster:create(claim "data")
    cluster:create(volume "pv")
    cluster:create(claim("here", "local"))
    cluster:settle()
    local seen = {}
    lives(cluster, 0.5, function(fork)
      fork:create(pod("p", "6", { "data", "here" }))
      fork:create(pod("q", "6"))
      fork:advance(1)
      for _, line in ipairs(told(fork)) do
        local why = line:match('FailedScheduling p: running PreBind plugin "VolumeBinding": (.*)$')
        if why then seen[why] = true end
      end
      fork:fail_writes("scheduler", 0)
      fork:advance(600)
      local placed = {}
      for _, name in ipairs { "p", "q" } do placed[#placed + 1] = fork:get("pod/" .. name).spec.nodeName end
      assert.same({ "n1" }, placed)
    end)
    assert.is_true(seen[REFUSED])
    assert.is_true(seen[LOST])
  end)

  it("finds a volume again that it could not give away", function()
    local cluster <close> = new { latency = 0 }
    cluster:create { claim("here", "local"), volume "pv" }
    cluster:settle()
    local failed = 0
    lives(cluster, 0.7, function(fork)
      fork:create(pod("p", "1", { "here" }))
      fork:advance(0.5)
      if not fork:get("pv/pv").spec.claimRef then failed = failed + 1 end
      fork:fail_writes("scheduler", 0)
      fork:advance(60)
      assert.equal("n1", fork:get("pod/p").spec.nodeName)
    end)
    assert.is_true(failed > 0)
  end)

  it("looks at once again at a pod whose victims it could not delete", function()
    local cluster <close> = new { latency = 0 }
    cluster:create(pod("low", "6"))
    cluster:settle()
    local failed = 0
    lives(cluster, 0.7, function(fork)
      local looks = 0
      fork:watch("event", function(type, event)
        if event.reason == "FailedScheduling" then looks = type == "ADDED" and 1 or event.series.count end
      end)
      fork:create(pod("high", "6", nil, "high"))
      fork:advance(0.1)
      local going = not fork:get "pod/low" or fork:get("pod/low").metadata.deletionTimestamp
      if not going then
        failed = failed + 1
        assert.is_true(looks > 1)
      end
      fork:advance(5)
      fork:fail_writes("scheduler", 0)
      fork:advance(60)
      assert.equal("n1", fork:get("pod/high").spec.nodeName)
    end)
    assert.is_true(failed > 0)
  end)
end)

describe("a pod with many claims", function()
  it("has each of them bound on its node, the smallest first", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    local volumes = {}
    for i = 1, 40 do
      local name = "c" .. i
      cluster:create {
        apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = name },
        spec = { accessModes = { "ReadWriteOnce" }, resources = { requests = { storage = (41 - i) .. "Mi" } } } }
      volumes[i] = { name = "v" .. i, persistentVolumeClaim = { claimName = name } }
    end
    local selected = {}
    cluster:watch("pvc", function(_, now, old)
      local function node(c) return (c.metadata.annotations or {})["volume.kubernetes.io/selected-node"] end
      if old and node(now) and not node(old) then selected[#selected + 1] = now.metadata.name end
    end)
    cluster:create {
      apiVersion = "v1", kind = "Pod", metadata = { name = "p" },
      spec = { volumes = volumes, containers = { { name = "c", image = "i" } } } }
    assert(cluster:settle())
    assert.equal(40, #selected)
    for i, name in ipairs(selected) do assert.equal("c" .. 41 - i, name) end
    for _, c in ipairs(cluster:list "pvc") do assert.equal("Bound", c.status.phase) end
    assert.equal("Running", cluster:get("pod/p").status.phase)
  end)
end)
