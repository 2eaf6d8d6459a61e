-- What a pod's claims allow of nodes, and what it is told.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

describe("a pod with a claim", function()
  local cluster
  after_each(function() cluster:close() end)

  local function world(nodes) cluster = kubesim.new { nodes = nodes, kubelet = "manual" } end

  ---A volume and its claim, bound to each other.
  local function bound(labels, modes)
    modes = modes or { "ReadWriteOnce" }
    cluster:create { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = "disk", labels = labels }, spec = {
      capacity = { storage = "1Gi" }, accessModes = modes, storageClassName = "", hostPath = { path = "/d" } } }
    local claim = workload.claim("data", "")
    claim.spec.accessModes = modes
    cluster:create(claim)
    cluster:settle()
    assert.equal("Bound", cluster:get "pvc/data".status.phase)
  end

  local function place(name, more, claims)
    local spec = { volumes = {} }
    for i, claim in ipairs(claims or { "data" }) do
      spec.volumes[i] = { name = "v" .. i, persistentVolumeClaim = { claimName = claim } }
    end
    for key, value in pairs(more or {}) do spec[key] = value end
    cluster:create(workload.pod(name, nil, spec))
    cluster:advance(3)
    return cluster:get("pod/" .. name).spec.nodeName, workload.told(cluster, "pod/" .. name, "FailedScheduling")[1]
  end

  it("that only one pod may use waits for that one to end", function()
    world { { name = "a" } }
    bound(nil, { "ReadWriteOncePod" })
    assert.equal("a", (place "first"))
    local node, why = place "second"
    assert.is_nil(node)
    assert.matches("1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod",
      why, 1, true)
    cluster:drive("first", "succeeded")
    cluster:advance "10s"
    assert.equal("a", cluster:get "pod/second".spec.nodeName)
  end)

  it("that only one pod may use has it at the cost of one that matters less", function()
    world { { name = "a" } }
    cluster:create { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = "high" }, value = 100 }
    bound(nil, { "ReadWriteOncePod" })
    place "low"
    place("high", { priorityClassName = "high" })
    assert.is_string(cluster:get "pod/low".metadata.deletionTimestamp)
    assert.equal("a", cluster:get "pod/high".status.nominatedNodeName)
    local node, why = place "late" -- it would not have it beside the one that is to come, either
    assert.is_nil(node)
    assert.matches("ReadWriteOncePod access mode already in-use by another pod", why, 1, true)
    cluster:drive("low", "gone")
    cluster:advance "10s"
    assert.equal("a", cluster:get "pod/high".spec.nodeName)
    assert.is_nil(cluster:get "pod/late".spec.nodeName)
  end)

  it("that is being deleted, or has lost its volume, is told so", function()
    world { { name = "a" } }
    bound()
    place "user" -- which holds it
    cluster:delete "pvc/data"
    local node, why = place "late"
    assert.is_nil(node)
    assert.matches('0/1 nodes are available: persistentvolumeclaim "data" is being deleted.', why, 1, true)
    world { { name = "a" } }
    bound()
    cluster:patch("pv/disk", { metadata = { finalizers = kubesim.null } }, { type = "merge" })
    cluster:delete "pv/disk"
    cluster:advance(1)
    node, why = place "user"
    assert.is_nil(node)
    assert.matches('persistentvolumeclaim "data" bound to non-existent persistentvolume "disk"', why, 1, true)
  end)

  it("goes where its volume's zones are, or to a node that is in none", function()
    local zone <const>, old <const> = "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"
    for _, case in ipairs { { { [zone] = "z1__z2" }, { [zone] = "z2" }, true }, { { [zone] = "z1__z2" }, { [zone] = "z3" }, false },
      { { [zone] = "z1" }, {}, true }, { { [zone] = "" }, { [zone] = "z1" }, true }, { { [old] = "z1" }, { [zone] = "z1" }, true },
      { { [old] = "z1" }, { [zone] = "z2" }, false }, { { [zone] = "z1" }, { [old] = "z1" }, false } } do
      world { { name = "a", labels = case[2] } }
      bound(case[1])
      local node, why = place "user"
      assert.equal(case[3] and "a" or nil, node)
      if not case[3] then assert.matches("1 node(s) had no available volume zone", why, 1, true) end
      cluster:close()
    end
    world(1)
  end)

  it("goes where its volume's node affinity finds its labels: names of nodes in it are not looked at", function()
    for _, case in ipairs { { { matchFields = { { key = "metadata.name", operator = "In", values = { "elsewhere" } } } }, true },
      { { matchFields = { { key = "metadata.name", operator = "In", values = { "a" } } },
        matchExpressions = { { key = "disk", operator = "In", values = { "ssd" } } } }, false } } do
      world { { name = "a" } }
      cluster:create { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = "disk" }, spec = {
        capacity = { storage = "1Gi" }, accessModes = { "ReadWriteOnce" }, storageClassName = "", hostPath = { path = "/d" },
        nodeAffinity = { required = { nodeSelectorTerms = { case[1] } } } } }
      cluster:create(workload.claim("data", ""))
      cluster:settle()
      assert.equal(case[2] and "a" or nil, (place "user"))
      cluster:close()
    end
    world(1)
  end)

  it("has its volume made where the class allows that: all of a term, or of another one", function()
    for _, case in ipairs { { { zone = "z1", rack = "r1" }, true }, { { zone = "z1", rack = "r2" }, false },
      { { zone = "z2", rack = "r1" }, false }, { { zone = "z3" }, true } } do
      world { { name = "a", labels = case[1] } }
      local function one(key, value) return { key = key, values = { value } } end
      cluster:create { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "here" }, provisioner = "example.com/p",
        volumeBindingMode = "WaitForFirstConsumer", allowedTopologies = {
          { matchLabelExpressions = { one("zone", "z1"), one("rack", "r1") } }, { matchLabelExpressions = { one("zone", "z3") } } } }
      cluster:create(workload.claim("data", "here"))
      assert.equal(case[2] and "a" or nil, (place "user"))
      cluster:close()
    end
    world(1)
  end)

  it("does not count on one volume for two of its claims", function()
    world { { name = "a" } }
    cluster:create { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "local" },
      provisioner = "kubernetes.io/no-provisioner", volumeBindingMode = "WaitForFirstConsumer" }
    cluster:create { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = "disk" }, spec = {
      capacity = { storage = "1Gi" }, accessModes = { "ReadWriteOnce" }, storageClassName = "local", hostPath = { path = "/d" } } }
    cluster:create { workload.claim("one", "local"), workload.claim("two", "local") }
    local node, why = place("user", nil, { "one", "two" })
    assert.is_nil(node)
    assert.matches("1 node(s) didn't find available persistent volumes to bind", why, 1, true)
    assert.equal("a", (place("modest", nil, { "one" })))
  end)
end)
