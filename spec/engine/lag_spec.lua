-- Watches that deliver late: a controller acts on what it has heard of, and its writes meet what there is.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local function set(kind, replicas, more)
  return ([[
apiVersion: apps/v1
kind: %s
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 2, containers: [{name: main, image: "app:1"}]}
%s]]):format(kind, replicas, more or "")
end

local function new(lags, opts)
  opts = opts or {}
  opts.latency, opts.nodes = lags, opts.nodes or 2
  local cluster = kubesim.new(opts)
  cluster:image("app:1", { pull = "500ms", start = "500ms" })
  return cluster
end

local function reasons(cluster, ref, reason)
  local list = {}
  for _, event in ipairs(cluster:events { ref = ref }) do
    if event.reason == reason then list[#list + 1] = event.message end
  end
  return list
end

---How often a component was at work on a key by now.
local function steps_until(cluster, at, component, key)
  local n = 0
  while cluster.core:due() and cluster.core:due() <= at * 1000000000 do
    local step = cluster:step()
    if step.component == component and step.key == key then n = n + 1 end
  end
  return n
end

local RELEASES <const> = {
  { version = "1.35" }, { version = "1.36" },
  { version = "1.36", feature_gates = { StaleControllerConsistencyReplicaSet = false, StaleControllerConsistencyStatefulSet = false } },
}

describe("a ReplicaSet whose controller's cache is ten seconds old", function()
  it("has nothing before the controller has heard of it", function()
    local cluster <close> = new { ["watch.replicaset"] = "10s" }
    cluster:apply(set("ReplicaSet", 3))
    cluster:advance(9.9)
    assert.equal(0, cluster:count "pod")
    cluster:advance(0.1)
    assert.equal(3, cluster:count "pod")
  end)

  for _, release in ipairs(RELEASES) do
    local title = release.version .. (release.feature_gates and " without consistency" or "")
    it("does not create twice: " .. title, function()
      local cluster <close> = new({ ["watch.replicaset"] = "10s" }, { version = release.version, feature_gates = release.feature_gates })
      cluster:apply(set("ReplicaSet", 3))
      cluster:watch("pod", function() assert(cluster:count "pod" <= 3) end)
      cluster:settle { timeout = "1h" }
      assert.equal(3, #reasons(cluster, "rs/web", "SuccessfulCreate"))
      assert.equal(3, cluster:get("rs/web").status.readyReplicas)
    end)

    it("does not delete twice: " .. title, function()
      local cluster <close> = new({ ["watch.replicaset"] = "10s" }, { version = release.version, feature_gates = release.feature_gates })
      cluster:apply(set("ReplicaSet", 5))
      cluster:settle { timeout = "1h" }
      cluster:scale("rs/web", 2)
      cluster:settle { timeout = "1h" }
      assert.equal(3, #reasons(cluster, "rs/web", "SuccessfulDelete"))
      assert.equal(2, cluster:count "pod")
    end)
  end

  it("tells in its status what the controller knows, for the generation that it knows", function()
    local cluster <close> = new { ["watch.replicaset"] = 0 }
    cluster:apply(set("ReplicaSet", 3))
    cluster:settle()
    cluster:lag("replicaset", "10s")
    cluster:crash(cluster:list("pod")[1].metadata.name)
    cluster:advance(2)
    cluster:scale("rs/web", 5)
    cluster:advance(8.5) -- it hears of the crash: a second attempt writes over what it has not seen
    local status = cluster:get("rs/web").status
    assert.equal(1, status.observedGeneration)
    cluster:settle { timeout = "1h" }
    assert.equal(2, cluster:get("rs/web").status.observedGeneration)
    assert.equal(5, cluster:count "pod")
  end)

  for _, release in ipairs { { gate = true, at = { 30 } }, { gate = false, at = { 21.3, 21.8 } } } do
    it("says how many are ready " .. (release.gate and "once it has heard of what it said last" or "when it hears of them"), function()
      local cluster <close> = new({ ["watch.replicaset"] = "10s" }, {
        feature_gates = { StaleControllerConsistencyReplicaSet = release.gate } })
      cluster:apply(set("ReplicaSet", 3))
      local at, last = {}, 0
      cluster:watch("rs", function(_, rs)
        local ready = rs.status.readyReplicas or 0
        if ready ~= last then at[#at + 1], last = cluster:now(), ready end
      end)
      cluster:settle { timeout = "1h" }
      assert.same(release.at, at)
    end)
  end

  it("waits five minutes for what it has done to be heard of, and not longer", function()
    local function made(lag, seed)
      local cluster <close> = new({ ["watch.replicaset"] = { 0, lag } }, { seed = seed,
        feature_gates = { StaleControllerConsistencyReplicaSet = false } })
      cluster:apply(set("ReplicaSet", 3))
      for i = 1, 30 do
        cluster:patch("rs/web", { metadata = { labels = { look = "again" .. i } } })
        cluster:advance "30s"
      end
      return #reasons(cluster, "rs/web", "SuccessfulCreate")
    end
    local most = 0
    for seed = 1, 10 do
      assert.equal(3, made("290s", seed))
      most = math.max(most, made("15m", seed))
    end
    assert.is_true(most > 3)
  end)

  it("takes no pod when it is on its way out, heard of or not", function()
    local cluster <close> = new {}
    local held = set("ReplicaSet", 1):gsub("{name: web}", "{name: web, finalizers: [example.com/x]}", 1)
    cluster:apply(held)
    cluster:settle()
    cluster:lag("replicaset", "10s")
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "stray", labels = { app = "web" } },
      spec = { containers = { { name = "main", image = "app:1" } } } }
    cluster:advance(5)
    cluster:delete "rs/web"
    cluster:advance(30)
    assert.is_nil(cluster:get("pod/stray").metadata.ownerReferences)
  end)

  it("is not counted on by pods that it would adopt after it has gone", function()
    local cluster <close> = new {}
    cluster:apply(set("ReplicaSet", 1))
    cluster:settle()
    cluster:lag("replicaset", "10s")
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "stray", labels = { app = "web" } },
      spec = { containers = { { name = "main", image = "app:1" } } } }
    cluster:advance(5)
    cluster:delete("rs/web", { cascade = "orphan" })
    cluster:advance(7)
    assert.is_nil(cluster:get("pod/stray").metadata.ownerReferences)
  end)
end)

describe("a ReplicaSet", function()
  it("has nothing to say of a pod that had gone when it was to be deleted", function()
    local cluster <close> = new({}, { nodes = 0 })
    cluster:apply(set("ReplicaSet", 2))
    cluster:settle()
    cluster:lag("replicaset", "10s")
    cluster:scale("rs/web", 0)
    cluster:advance(5)
    local gone = cluster:list("pod")[1].metadata.name
    cluster:delete("pod/" .. gone, { grace_period = 0 })
    cluster:advance(5) -- the scale is heard of, and that the pod went is not
    assert.equal(0, cluster:count "pod")
    assert.same({ 0, 1 }, { #reasons(cluster, "rs/web", "FailedDelete"), #reasons(cluster, "rs/web", "SuccessfulDelete") })
    local rs = cluster:get "rs/web"
    assert.is_nil(rs.status.conditions)
  end)
end)

describe("a StatefulSet whose controller's cache is old", function()
  for _, release in ipairs(RELEASES) do
    it("never makes web-0 twice: " .. release.version .. (release.feature_gates and " without consistency" or ""), function()
      local cluster <close> = new({ ["watch.statefulset"] = "10s" }, { version = release.version, feature_gates = release.feature_gates })
      cluster:apply(set("StatefulSet", 2))
      local made = {}
      cluster:watch("pod", function(what, pod)
        if what == "ADDED" then made[#made + 1] = pod.metadata.name end
      end)
      cluster:settle { timeout = "1h" }
      assert.same({ "web-0", "web-1" }, made)
      assert.same({}, reasons(cluster, "sts/web", "FailedCreate"))
      assert.equal(2, cluster:get("sts/web").status.readyReplicas)
    end)
  end

  it("waits until the cache shows what the controller wrote, and looks again and again meanwhile", function()
    local cluster <close> = new { ["watch.statefulset"] = { 0, "10s" } }
    cluster:apply(set("StatefulSet", 1))
    assert.is_true(steps_until(cluster, 60, "statefulset", "default/web") > 8)
    assert.equal(1, cluster:get("sts/web").status.readyReplicas)
  end)

  it("is retried after conflicts of a status that is written for an old version", function()
    local cluster <close> = new({}, { version = "1.35" })
    cluster:apply(set("StatefulSet", 1))
    cluster:settle()
    cluster:lag("statefulset", "10s")
    cluster:delete "pod/web-0"
    cluster:advance(3)
    cluster:patch("sts/web", { metadata = { annotations = { touched = "yes" } } })
    local version = cluster:get("sts/web").metadata.resourceVersion
    -- heard of at 10 s: the pod is terminating; the status does not fit the set as it now is
    assert.is_true(steps_until(cluster, cluster:now() + 9, "statefulset", "default/web") > 5)
    assert.equal(version, cluster:get("sts/web").metadata.resourceVersion)
    cluster:settle { timeout = "1h" }
    assert.equal(1, cluster:get("sts/web").status.readyReplicas)
  end)

  for release, told in pairs { ["1.34"] = "FailedDelete", ["1.35"] = "FailedDelete", ["1.36"] = "SuccessfulDelete" } do
    it("has done with a pod that is gone when its roll-out comes to it: " .. release, function()
      local cluster <close> = new({}, { version = release })
      cluster:apply(set("StatefulSet", 2))
      cluster:settle()
      cluster:lag("statefulset", "10s")
      cluster:patch("sts/web", { spec = { template = { metadata = { annotations = { new = "yes" } } } } })
      cluster:advance(5)
      cluster:delete("pod/web-1", { grace_period = 0 })
      cluster:advance(9)
      assert.equal(1, #reasons(cluster, "sts/web", told))
      assert.equal(1, cluster:get("sts/web").status.currentReplicas)
      cluster:settle { timeout = "1h" }
      assert.equal(2, cluster:get("sts/web").status.updatedReplicas)
    end)
  end

  it("gets by a new pod of an old name: what is written for the old one is a conflict", function()
    local cluster <close> = new {}
    cluster:apply(set("StatefulSet", 1))
    cluster:settle()
    cluster:lag("statefulset", "10s")
    cluster:patch("pod/web-0", { metadata = { labels = { ["statefulset.kubernetes.io/pod-name"] = kubesim.null } } }, { type = "merge" })
    cluster:advance(5)
    local pod = cluster:get "pod/web-0"
    pod.metadata.uid, pod.metadata.resourceVersion, pod.spec.nodeName, pod.status = nil, nil, nil, nil
    cluster:delete("pod/web-0", { grace_period = 0 })
    cluster:create(pod)
    cluster:advance(5)
    assert.matches('Operation cannot be fulfilled on pods "web-0": StorageError: invalid object, Code: 4, Key: '
      .. "/registry/pods/default/web-0, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ",
      reasons(cluster, "sts/web", "FailedUpdate")[1], 1, true)
  end)

  it("keeps its claims", function()
    local cluster <close> = new { ["watch.statefulset"] = { 0, "20s" } }
    cluster:apply(set("StatefulSet", 2, [[
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
]]))
    cluster:settle { timeout = "1h" }
    assert.equal(2, cluster:count "pvc")
    assert.equal(2, #reasons(cluster, "sts/web", "SuccessfulCreate") - cluster:count "pvc")
    assert.equal(2, cluster:get("sts/web").status.readyReplicas)
  end)
end)

describe("a Deployment whose controller's cache is old", function()
  it("makes one ReplicaSet, and rolls out", function()
    local cluster <close> = new { ["watch.deployment"] = { "1s", "10s" } }
    cluster:apply(set("Deployment", 3))
    cluster:settle { timeout = "1h" }
    assert.equal(1, cluster:count "rs")
    cluster:patch("deploy/web", { spec = { template = { metadata = { annotations = { version = "2" } } } } })
    cluster:settle { timeout = "1h" }
    assert.equal(2, cluster:count "rs")
    local deployment = cluster:get "deploy/web"
    assert.equal(3, deployment.status.updatedReplicas)
    assert.equal(3, deployment.status.availableReplicas)
  end)
end)

describe("a garbage collector whose cache is old", function()
  it("asks for an owner that it has not heard of before it deletes", function()
    for seed = 1, 20 do
      local cluster <close> = new({ ["watch.garbagecollector"] = { 0, "1m" } }, { seed = seed })
      cluster:apply(set("ReplicaSet", 3))
      cluster:watch("pod", function(what, pod) assert(what ~= "DELETED" and not pod.metadata.deletionTimestamp) end)
      cluster:settle { timeout = "1h" }
      assert.equal(3, cluster:count "pod")
    end
  end)

  it("deletes what an owner leaves behind when it hears that it has gone", function()
    local cluster <close> = new { ["watch.garbagecollector"] = "30s" }
    cluster:apply(set("ReplicaSet", 2))
    cluster:settle { timeout = "1h" }
    cluster:delete "rs/web"
    cluster:advance(29)
    assert.equal(2, cluster:count "pod")
    cluster:settle { timeout = "1h" }
    assert.equal(0, cluster:count "pod")
  end)
end)

describe("controllers with old caches", function()
  local SERVICE <const> = { apiVersion = "v1", kind = "Service", metadata = { name = "web" },
    spec = { selector = { app = "web" }, ports = { { port = 80 } } } }

  it("list the addresses of a Service's pods in the end", function()
    for seed = 1, 15 do
      local cluster <close> = new({ ["watch.endpoints"] = { 0, "10s" }, ["watch.endpointslice"] = { 0, "10s" } }, { seed = seed })
      cluster:create(SERVICE)
      cluster:apply(set("ReplicaSet", 3))
      for i = 1, 6 do
        cluster:advance(i % 3 * 2)
        cluster:scale("rs/web", (i * seed) % 5)
        local pods = cluster:list "pod"
        if i % 2 == 0 and #pods > 0 then pcall(cluster.crash, cluster, pods[1].metadata.name) end
      end
      cluster:scale("rs/web", 4)
      cluster:settle { timeout = "1h" }
      local want, slices, endpoints = {}, {}, {}
      for _, pod in ipairs(cluster:list "pod") do want[#want + 1] = pod.status.podIP end
      local mine = { labels = "kubernetes.io/service-name=web" }
      for _, slice in ipairs(cluster:list("endpointslice", mine)) do
        for _, endpoint in ipairs(slice.endpoints or {}) do slices[#slices + 1] = endpoint.addresses[1] end
      end
      for _, subset in ipairs(cluster:get "endpoints/web".subsets or {}) do
        for _, address in ipairs(subset.addresses or {}) do endpoints[#endpoints + 1] = address.ip end
      end
      for _, list in ipairs { want, slices, endpoints } do table.sort(list) end
      assert.equal(4, #want)
      assert.same(want, slices)
      assert.same(want, endpoints)
    end
  end)

  it("do not make names wait that others resolve", function()
    local cluster <close> = new {}
    cluster:create(SERVICE)
    cluster:apply(set("ReplicaSet", 2))
    cluster:settle()
    cluster:lag("endpointslice", "10s")
    cluster:delete("pod/" .. cluster:list("pod")[1].metadata.name, { grace_period = 0 })
    cluster:advance(10) -- the slice is written; its index of it is not there yet
    assert.is_truthy(cluster:resolve("web.default.svc.cluster.local"))
  end)

  it("let a budget be counted late, and right in the end", function()
    local cluster <close> = new { ["watch.disruption"] = "10s" }
    cluster:apply(set("ReplicaSet", 3))
    cluster:create { apiVersion = "policy/v1", kind = "PodDisruptionBudget", metadata = { name = "web" },
      spec = { minAvailable = "50%", selector = { matchLabels = { app = "web" } } } }
    cluster:settle { timeout = "1h" }
    local status = cluster:get("pdb/web").status
    assert.same({ 3, 2, 1 }, { status.currentHealthy, status.desiredHealthy, status.disruptionsAllowed })
    cluster:scale("rs/web", 5)
    cluster:advance(9)
    assert.equal(3, cluster:get("pdb/web").status.expectedPods)
    cluster:settle { timeout = "1h" }
    status = cluster:get("pdb/web").status
    assert.same({ 5, 3, 2 }, { status.currentHealthy, status.desiredHealthy, status.disruptionsAllowed })
  end)

  it("do not let go of a claim whose user they have not heard of", function()
    for seed = 1, 10 do
      local cluster <close> = new({}, { seed = seed })
      cluster:create(workload.claim("data", "fast"))
      cluster:settle()
      cluster:lag("volume-protection", { 0, "1m" })
      cluster:create(workload.pod("user", nil, { volumes = { { name = "data", persistentVolumeClaim = { claimName = "data" } } } }))
      cluster:advance(2)
      cluster:delete "pvc/data"
      cluster:settle { timeout = "1h" }
      assert.is_truthy(cluster:get "pvc/data")
      cluster:delete "pod/user"
      cluster:settle { timeout = "1h" }
      assert.is_nil(cluster:get "pvc/data")
    end
  end)

  it("do not reclaim a volume whose claim they have not heard of", function()
    for seed = 1, 10 do
      local cluster <close> = new({ ["watch.persistentvolume"] = { 0, "1m" } }, { seed = seed })
      cluster:create(workload.claim("data", ""))
      cluster:create { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = "disk" }, spec = {
        capacity = { storage = "1Gi" }, accessModes = { "ReadWriteOnce" }, storageClassName = "", hostPath = { path = "/tmp/disk" },
        persistentVolumeReclaimPolicy = "Delete",
        claimRef = { namespace = "default", name = "data", uid = cluster:get "pvc/data".metadata.uid } } }
      cluster:settle { timeout = "1h" }
      assert.equal("Bound", (cluster:get "pv/disk" or { status = {} }).status.phase)
    end
  end)

  it("do not delete a released volume that is to be kept by now", function()
    local cluster <close> = new {}
    cluster:create(workload.claim("data", "fast"))
    cluster:settle()
    local volume = "pv/" .. cluster:get "pvc/data".spec.volumeName
    cluster:lag("provisioner", "10s")
    cluster:delete "pvc/data"
    cluster:advance(2)
    assert.equal("Released", cluster:get(volume).status.phase)
    cluster:patch(volume, { spec = { persistentVolumeReclaimPolicy = "Retain" } })
    cluster:advance(30)
    assert.is_truthy(cluster:get(volume))
  end)

  it("know what is left in a namespace, Events among it", function()
    local cluster <close> = new { ["watch.namespace"] = "5s" }
    cluster:apply "apiVersion: v1\nkind: Namespace\nmetadata: {name: old}"
    cluster:create { apiVersion = "v1", kind = "Event", type = "Normal", reason = "Kept", message = "for ever",
      metadata = { name = "e", namespace = "old", finalizers = { "example.com/keep" } },
      involvedObject = { kind = "Pod", name = "p", namespace = "old" } }
    cluster:advance(10)
    cluster:delete "namespace/old"
    cluster:advance(60)
    assert.equal("Terminating", cluster:get "namespace/old".status.phase)
    cluster:patch("event/e", { metadata = { finalizers = kubesim.null } }, { namespace = "old", type = "merge" })
    cluster:advance(60)
    assert.is_nil(cluster:get "namespace/old")
  end)

  it("do not take a node for lost that has come back", function()
    local cluster <close> = new({}, { nodes = { { name = "a" } } })
    cluster:apply(set("ReplicaSet", 1))
    cluster:settle()
    local node = cluster:get "node/a"
    node.metadata.uid, node.metadata.resourceVersion = nil, nil
    cluster:lag("podgc", "30s")
    cluster:delete "node/a"
    cluster:advance(65)
    cluster:create(node)
    cluster:advance(25)
    assert.is_nil(cluster:list("pod")[1].metadata.deletionTimestamp)
  end)
end)

describe("a scheduler whose cache is ten seconds old", function()
  local function pod(name, cpu, more)
    local spec = { terminationGracePeriodSeconds = 1,
      containers = { { name = "main", image = "app:1", resources = { requests = { cpu = cpu } } } } }
    for key, value in pairs(more or {}) do spec[key] = value end
    return { apiVersion = "v1", kind = "Pod", metadata = { name = name }, spec = spec }
  end

  local function one_node(cpu) return { nodes = { { name = "a", capacity = { cpu = cpu } } } } end

  it("counts the pods that it has placed, although it has not heard of them there", function()
    local cluster <close> = new({ ["watch.scheduler"] = "10s" }, one_node "2")
    cluster:advance(20)
    for i = 1, 3 do cluster:create(pod("p" .. i, "1")) end
    cluster:advance(10)
    assert.equal("a", cluster:get "pod/p1".spec.nodeName)
    assert.equal("a", cluster:get "pod/p2".spec.nodeName)
    assert.same({ "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: "
      .. "1 No preemption victims found for incoming pod." }, reasons(cluster, "pod/p3", "FailedScheduling"))
    cluster:delete "pod/p1" -- the scheduler hears of that ten seconds later
    cluster:advance(9)
    assert.is_nil(cluster:get "pod/p3".spec.nodeName)
    cluster:advance(5)
    assert.equal("a", cluster:get "pod/p3".spec.nodeName)
  end)

  it("cannot bind a pod that has gone, and leaves it when it hears of that", function()
    local cluster <close> = new({ ["watch.scheduler"] = "10s" }, one_node "2")
    cluster:advance(20)
    cluster:create(pod("short", "2"))
    cluster:advance(5)
    cluster:delete("pod/short", { grace_period = 0 })
    cluster:advance(5)
    assert.same({ 'running Bind plugin "DefaultBinder": pods "short" not found' }, reasons(cluster, "pod/short", "FailedScheduling"))
    cluster:create(pod("next", "2")) -- what was assumed of the other has been forgotten
    cluster:settle { timeout = "1h" }
    assert.equal("a", cluster:get "pod/next".spec.nodeName)
    assert.is_true(#reasons(cluster, "pod/short", "FailedScheduling") < 5)
  end)

  it("does not take a new pod for the old one of its name", function()
    local cluster <close> = new({ ["watch.scheduler"] = "10s" }, one_node "2")
    cluster:advance(20)
    cluster:create(pod("same", "1"))
    local old = cluster:get "pod/same".metadata.uid
    cluster:advance(5)
    cluster:delete("pod/same", { grace_period = 0 })
    cluster:create(pod("same", "1"))
    local uid = cluster:get "pod/same".metadata.uid
    cluster:advance(5)
    assert.same({ 'running Bind plugin "DefaultBinder": Operation cannot be fulfilled on pods "same": StorageError: invalid '
      .. "object, Code: 4, Key: /registry/pods/default/same, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in "
      .. "precondition: " .. old .. ", UID in object meta: " .. uid }, reasons(cluster, "pod/same", "FailedScheduling"))
    cluster:settle { timeout = "1h" }
    assert.equal("a", cluster:get "pod/same".spec.nodeName)
  end)

  it("may put a pod on a node that has gone", function()
    local cluster <close> = new({ ["watch.scheduler"] = "10s" }, one_node "2")
    cluster:advance(20)
    cluster:create(pod("late", "1"))
    cluster:advance(5)
    cluster:delete "node/a"
    cluster:advance(5)
    assert.equal("a", cluster:get "pod/late".spec.nodeName)
  end)

  it("does not give one volume to two claims, and binds the other when there is one for it", function()
    local cluster <close> = new({ ["watch.scheduler"] = "10s", provision = "1s" }, one_node "4")
    local function volume(name)
      cluster:create { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = name }, spec = {
        capacity = { storage = "1Gi" }, accessModes = { "ReadWriteOnce" }, storageClassName = "local", hostPath = { path = "/data" } } }
    end
    cluster:create { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "local" },
      provisioner = "kubernetes.io/no-provisioner", volumeBindingMode = "WaitForFirstConsumer" }
    volume "v1"
    cluster:advance(20)
    for _, name in ipairs { "x", "y" } do
      cluster:create { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = name }, spec = {
        accessModes = { "ReadWriteOnce" }, storageClassName = "local", resources = { requests = { storage = "1Gi" } } } }
      cluster:create(pod(name, "1", { volumes = { { name = "data", persistentVolumeClaim = { claimName = name } } } }))
    end
    cluster:advance(30)
    assert.equal("v1", cluster:get "pvc/x".spec.volumeName)
    assert.equal("a", cluster:get "pod/x".spec.nodeName)
    assert.equal("0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind. no new claims to deallocate, "
      .. "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
      reasons(cluster, "pod/y", "FailedScheduling")[1])
    volume "v2"
    cluster:settle { timeout = "1h" }
    assert.equal("v2", cluster:get "pvc/y".spec.volumeName)
    assert.equal("a", cluster:get "pod/y".spec.nodeName)
  end)

  it("tells a pod that lost the race for a volume so, in the API's words", function()
    local cluster <close> = new({ provision = "1s" }, one_node "4")
    cluster:create { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "data" }, spec = {
      accessModes = { "ReadWriteOnce" }, storageClassName = "standard", resources = { requests = { storage = "1Gi" } } } }
    cluster:settle()
    cluster:lag("scheduler", { "10s", "10s" })
    cluster:create(pod("user", "1", { volumes = { { name = "data", persistentVolumeClaim = { claimName = "data" } } } }))
    cluster:advance(5)
    cluster:patch("pvc/data", { metadata = { labels = { touched = "yes" } } })
    cluster:advance(5)
    assert.same({ 'running PreBind plugin "VolumeBinding": Operation cannot be fulfilled on persistentvolumeclaims "data": the object '
      .. "has been modified; please apply your changes to the latest version and try again" },
      reasons(cluster, "pod/user", "FailedScheduling"))
    cluster:settle { timeout = "1h" }
    assert.equal("a", cluster:get "pod/user".spec.nodeName)
  end)
end)

describe("what a controller has put aside", function()
  it("is taken up again when its informers show all objects anew, within a day", function()
    local cluster <close> = new {}
    cluster:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "none" },
      spec = { hard = { ["count/replicasets.apps"] = 0 } } }
    cluster:apply(set("Deployment", 1))
    cluster:advance "11h" -- given up after fifteen failures, long ago
    cluster:delete "quota/none"
    cluster:advance "50m"
    assert.equal(0, cluster:count "rs")
    cluster:advance "13h"
    assert.equal(1, cluster:get("deploy/web").status.updatedReplicas)
  end)

  it("is all that is due: nothing is, where all is as it should be", function()
    local cluster <close> = new {}
    cluster:apply(set("Deployment", 1))
    cluster:apply((set("StatefulSet", 1):gsub("web", "db")))
    cluster:settle()
    assert.is_nil(cluster.core:due())
  end)
end)

describe("cluster:lag", function()
  it("lets what is on its way arrive no later than what would be sent now", function()
    local cluster <close> = new { ["watch.replicaset"] = "1h" }
    cluster:apply(set("ReplicaSet", 1))
    cluster:advance(1)
    cluster:lag("replicaset", "2s")
    cluster:advance(1.9)
    assert.equal(0, cluster:count "pod")
    cluster:advance(0.1)
    assert.equal(1, cluster:count "pod")
    cluster:lag("replicaset", 0)
    cluster:scale("rs/web", 2)
    cluster:advance(0)
    assert.equal(2, cluster:count "pod")
  end)

  it("shows deliveries as steps", function()
    local cluster <close> = new { ["watch.replicaset"] = "3s" }
    cluster:settle()
    cluster:apply(set("ReplicaSet", 1))
    assert.same({ time = cluster:now() + 3, component = "replicaset", key = "ADDED replicaset default/web" }, cluster:step())
    assert.same({ time = cluster:now(), component = "replicaset", key = "default/web" }, cluster:step())
  end)

  it("ends for a controller that restarts: it lists what there is", function()
    local cluster <close> = new { ["watch.replicaset"] = "1h" }
    cluster:apply(set("ReplicaSet", 1))
    cluster:restart "replicaset"
    cluster:advance(0)
    assert.equal(1, cluster:count "pod")
    cluster:scale("rs/web", 2)
    cluster:advance(60)
    assert.equal(1, cluster:count "pod")
  end)

  it("goes with forks, which go on as the original does", function()
    local original <close> = new { watch = { "10ms", "5s" } }
    original:apply(set("StatefulSet", 3))
    original:advance(4)
    local fork <close> = original:fork()
    original:settle { timeout = "1h" }
    fork:settle { timeout = "1h" }
    assert.equal(original:trace(), fork:trace())
    assert.equal(original:kubectl "get sts,pods,events -o yaml", fork:kubectl "get sts,pods,events -o yaml")
  end)

  it("leaves a cluster whose memory runs out as it was", function()
    local calm <close> = new { watch = { 0, "3s" } }
    local cluster <close> = new { watch = { 0, "3s" } }
    local function both(fn)
      local n = 0
      fn(calm)
      repeat
        n = n + 1
        cluster.core:fail_allocation(n)
        local fine, why = pcall(fn, cluster)
        cluster.core:fail_allocation(0)
        assert(fine or tostring(why):find "not enough memory", why)
      until fine
      assert.equal(calm:trace(), cluster:trace())
    end
    both(function(c) c:apply(set("StatefulSet", 1)) end)
    for _ = 1, 40 do both(function(c) c:step() end) end
    both(function(c) c:lag("statefulset", 0) end)
    both(function(c) c:lag("all", "1s") end)
    for _ = 1, 20 do both(function(c) c:step() end) end
  end)

  it("is refused for what it does not know, in words", function()
    local function raises(fn, ...)
      local fine, why = pcall(fn, ...)
      assert.is_false(fine)
      return tostring(why)
    end
    local cluster <close> = new {}
    assert.matches("no component is called 'replicset', did you mean 'replicaset'?",
      raises(cluster.lag, cluster, "replicset", 1), 1, true)
    assert.matches("not supported yet: a lag of the watches of 'kubelet'", raises(cluster.lag, cluster, "kubelet", 1), 1, true)
    assert.matches("the first of two durations is the longer one", raises(cluster.lag, cluster, "all", { 2, 1 }), 1, true)
    assert.matches("option 'latency.watch.replicset': no component",
      raises(kubesim.new, { latency = { ["watch.replicset"] = 1 } }), 1, true)
    assert.matches("unrecognized feature gate: StaleControllerConsistencyReplicaSet",
      raises(kubesim.new, { version = "1.35", feature_gates = { StaleControllerConsistencyReplicaSet = true } }), 1, true)
  end)
end)
