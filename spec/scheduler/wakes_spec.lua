-- After which changes of others, or of itself, a pod that could not be placed is looked at again: what the plugins that refused it ask for.
-- They ask for less than would help: some pods wait for the five minutes to be over.
local kubesim = require "kubesim"

local cluster
local function world(o)
  o = o or {}
  local full = o.full and { name = "full", capacity = { cpu = "0", memory = "1Gi", pods = "9" } } or nil
  cluster = kubesim.new { kubelet = "manual", version = o.version, nodes = {
    { name = "a", capacity = { cpu = "2", memory = "2Gi", pods = "20" }, labels = o.labels, taints = o.taints }, full } }
end
after_each(function() cluster:close() end)

local function pod(name, o)
  local meta = { name = name, labels = o.labels, namespace = o.namespace }
  local main = { name = "main", image = "app:1", ports = o.ports, resources = { requests = { cpu = o.cpu or "100m" } } }
  return { apiVersion = "v1", kind = "Pod", metadata = meta, spec = { containers = { main }, affinity = o.affinity, volumes = o.volumes,
    nodeSelector = o.nodeSelector, tolerations = o.tolerations, topologySpreadConstraints = o.spread } }
end

local function looks()
  local n = 0
  for _, e in ipairs(cluster:events { reason = "FailedScheduling", ref = "pod/late" }) do
    n = n + ((e.series or {}).count or e.count or 1)
  end
  return n
end

-- What a deed comes to: whether the pod "late" was looked at again, or has been placed.
local function after(deed)
  local before = looks()
  deed()
  cluster:advance "2s"
  if cluster:get("pod/late").spec.nodeName then return "placed" end
  return looks() > before and "looked at" or "left"
end

local function create(name, o)
  return function() cluster:create { pod(name, o or {}) } cluster:advance "1s" end
end
local function gone(name, namespace)
  return function() cluster:delete("pod/" .. name, { grace_period = 0, namespace = namespace }) end
end
local function labels(ref, map) return function() cluster:patch(ref, { metadata = { labels = map } }, { type = "merge" }) end end
local function port(more)
  local p = { containerPort = 80, hostPort = 80 }
  for k, v in pairs(more or {}) do p[k] = v end
  return { p }
end
local function term(map, more)
  local t = { topologyKey = "kubernetes.io/hostname", labelSelector = { matchLabels = map } }
  for k, v in pairs(more or {}) do t[k] = v end
  return t
end
local function required(...) return { requiredDuringSchedulingIgnoredDuringExecution = { ... } } end
local WEB, DB, BOTH = { app = "web" }, { tier = "db" }, { app = "web", tier = "db" }

describe("a pod that could not be placed", function()
  it("because of a port is looked at when a pod goes that had it: the protocol and the address count", function()
    world()
    create("tcp", { ports = port { hostIP = "10.0.0.1" } })()
    create("udp", { ports = port { protocol = "UDP" } })()
    create("address", { ports = port { hostIP = "10.0.0.2" } })()
    create("late", { ports = port { hostIP = "10.0.0.1" } })()
    assert.equal("left", after(gone "udp"))
    assert.equal("left", after(gone "address"))
    assert.equal("placed", after(gone "tcp"))
  end)

  it("because of a disk is looked at when a pod goes that had it", function()
    world()
    local disk = { { name = "v", iscsi = { targetPortal = "10.0.0.1", iqn = "iqn.2001-04.com.example:s", lun = 0 } } }
    create "other"()
    create("user", { volumes = disk })()
    create("late", { volumes = disk })()
    assert.equal("left", after(gone "other"))
    assert.equal("placed", after(gone "user"))
  end)

  it("for lack of cpu is not looked at when anybody's image or its own labels change", function()
    world()
    create("big", { cpu = "1500m" })()
    create("late", { cpu = "1" })()
    local function image(name)
      return function() cluster:patch("pod/" .. name, { spec = { containers = { { name = "main", image = "app:2" } } } }) end
    end
    assert.equal("left", after(image "big"))
    assert.equal("left", after(image "late"))
    assert.equal("left", after(labels("pod/late", { x = "1" })))
    assert.equal("placed", after(gone "big"))
  end)

  it("because of a taint is looked at when it tolerates more, whatever that is", function()
    world { taints = { { key = "dedicated", effect = "NoSchedule" } } }
    create "late"()
    local all = cluster:get("pod/late").spec.tolerations
    local function tolerate(key)
      return function()
        all[#all + 1] = { key = key, operator = "Exists" }
        cluster:patch("pod/late", { spec = { tolerations = all } }, { type = "merge" })
      end
    end
    assert.equal("left", after(labels("pod/late", { x = "1" })))
    assert.equal("looked at", after(tolerate "other"))
    assert.equal("placed", after(tolerate "dedicated"))
  end)

  it("on an unschedulable node is looked at when it tolerates that", function()
    world()
    cluster:patch("node/a", { spec = { unschedulable = true } })
    cluster:advance "1s"
    create("late", { tolerations = { { key = "node.kubernetes.io/unschedulable", effect = "NoExecute", operator = "Exists" } } })()
    local all = cluster:get("pod/late").spec.tolerations
    all[#all + 1] = { key = "node.kubernetes.io/unschedulable", operator = "Exists" }
    assert.equal("placed", after(function() cluster:patch("pod/late", { spec = { tolerations = all } }, { type = "merge" }) end))
  end)

  it("because of its affinity is looked at when a pod comes, or becomes one, that all of its terms mean", function()
    world()
    create("late", { affinity = { podAffinity = required(term(WEB), term(DB)) } })()
    assert.equal("left", after(create("web", { labels = WEB })))
    assert.equal("left", after(create("db", { labels = DB })))
    assert.equal("left", after(labels("pod/web", { x = "1" })))
    assert.equal("placed", after(labels("pod/web", { tier = "db" })))
  end)

  it("because of its anti-affinity is looked at when a pod goes that all of its terms mean, and else left to wait", function()
    world()
    create("web", { labels = WEB })()
    create("late", { affinity = { podAntiAffinity = required(term(WEB), term(DB)) } })()
    assert.equal("left", after(gone "web"))
    cluster:advance "6m"
    assert.equal("a", cluster:get("pod/late").spec.nodeName)
  end)

  it("... and so it is when the namespace of that pod was selected by its labels", function()
    world()
    cluster:create { { apiVersion = "v1", kind = "Namespace", metadata = { name = "red", labels = { team = "red" } } } }
    create("web", { labels = WEB, namespace = "red" })()
    create("late", { affinity = { podAntiAffinity = required(term(WEB, { namespaceSelector = { matchLabels = { team = "red" } } })) } })()
    assert.equal("left", after(gone("web", "red")))
  end)

  it("because of others' anti-affinity is looked at when one goes that is against it, or it changes its labels", function()
    for _, version in ipairs { "1.35", "1.36" } do
      world { version = version }
      create("web", { affinity = { podAntiAffinity = required(term(WEB)) } })()
      create("late", { labels = BOTH })()
      local new = version == "1.36"
      assert.equal(new and "looked at" or "left", after(labels("pod/late", { x = "1" })))
      assert.equal(new and "placed" or "left", after(labels("pod/late", { app = "x" })))
      cluster:close()
      world { version = version }
      create("web", { affinity = { podAntiAffinity = required(term(WEB)) } })()
      create("late", { labels = WEB })()
      assert.equal(new and "placed" or "left", after(gone "web"))
      if not new then cluster:close() end
    end
  end)

  it("because of spreading is looked at when a pod begins or ceases to be meant, not when it terminates", function()
    world { full = true }
    create("web", { labels = WEB })()
    create("also", { labels = WEB })()
    create("late", { labels = WEB, spread = { { maxSkew = 1, topologyKey = "kubernetes.io/hostname", whenUnsatisfiable = "DoNotSchedule",
      labelSelector = { matchLabels = WEB } } } })()
    assert.equal("left", after(labels("pod/web", { x = "1" })))
    assert.equal("left", after(labels("pod/late", { x = "1" })))
    assert.equal("looked at", after(labels("pod/web", { app = "x" })))
    assert.equal("left", after(function() cluster:delete "pod/also" end))
    assert.equal("placed", after(gone "also"))
  end)

  it("because of its volume's zone is looked at when volumes get others, not other labels", function()
    local zone <const> = "topology.kubernetes.io/zone"
    world { labels = { [zone] = "z1" } }
    cluster:create { { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = "disk", labels = { [zone] = "z2" } }, spec = {
      capacity = { storage = "1Gi" }, accessModes = { "ReadWriteOnce" }, storageClassName = "fast", nfs = { path = "/", server = "x" } } },
      { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "data" }, spec = { accessModes = { "ReadWriteOnce" },
        storageClassName = "fast", volumeName = "disk", resources = { requests = { storage = "1Gi" } } } } }
    cluster:advance "2s"
    create("late", { volumes = { { name = "v", persistentVolumeClaim = { claimName = "data" } } } })()
    assert.equal("left", after(labels("pv/disk", { x = "1" })))
    assert.equal("placed", after(labels("pv/disk", { [zone] = "z2__z1" })))
  end)

  it("because of where its class has volumes is looked at when that changes, not its labels", function()
    world { labels = { zone = "z1" } }
    cluster:create { { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "far" }, provisioner = "example.com/p",
      volumeBindingMode = "WaitForFirstConsumer",
      allowedTopologies = { { matchLabelExpressions = { { key = "zone", values = { "z2" } } } } } },
      { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "data" }, spec = { accessModes = { "ReadWriteOnce" },
        storageClassName = "far", resources = { requests = { storage = "1Gi" } } } } }
    create("late", { volumes = { { name = "v", persistentVolumeClaim = { claimName = "data" } } } })()
    assert.equal("left", after(labels("storageclass/far", { x = "1" })))
    assert.not_equal("left", after(function()
      local near = { { matchLabelExpressions = { { key = "zone", values = { "z2", "z1" } } } } }
      cluster:patch("storageclass/far", { allowedTopologies = near }, { type = "merge" })
    end))
  end)
end)
