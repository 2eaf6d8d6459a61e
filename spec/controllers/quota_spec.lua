-- A ResourceQuota's status: what its namespace uses, as objects come and go.
local kubesim = require "kubesim"

local function quota(hard, spec)
  spec = spec or {}
  spec.hard = hard
  return { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "q" }, spec = spec }
end

local function pod(name, requests, spec)
  spec = spec or {}
  spec.containers = { { name = "c", image = "app:1", resources = { requests = requests } } }
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name }, spec = spec }
end

local function claim(name, size, class)
  return { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = name }, spec = { accessModes = { "ReadWriteOnce" },
    storageClassName = class or "fast", resources = { requests = { storage = size } } } }
end

describe("a ResourceQuota", function()
  local cluster

  before_each(function() cluster = kubesim.new { nodes = 1, latency = 0 } end)
  after_each(function() cluster:close() end)

  local function used() return cluster:get("quota/q").status.used end

  it("starts with what is there", function()
    cluster:create { pod("a", { cpu = "250m" }), pod("b", { cpu = "1" }) }
    cluster:create(quota { pods = 5, ["requests.cpu"] = 4 })
    cluster:advance(0)
    assert.same({ pods = "2", ["requests.cpu"] = "1250m" }, used())
    assert.same({ pods = "5", ["requests.cpu"] = "4" }, cluster:get("quota/q").status.hard)
  end)

  it("holds, however many there are in a namespace", function()
    for i = 1, 40 do
      local one = quota { pods = i == 40 and 1 or 9 }
      one.metadata.name = ("q%02d"):format(i)
      cluster:create(one)
    end
    cluster:advance(0)
    cluster:create(pod("a", { cpu = "1" }))
    local created, err = pcall(cluster.create, cluster, pod("b", { cpu = "1" }))
    assert.is_false(created)
    assert.equal('pods "b" is forbidden: exceeded quota: q40, requested: pods=1, used: pods=1, limited: pods=1', err.message)
    for i = 1, 40 do assert.equal("1", cluster:get(("quota/q%02d"):format(i)).status.used.pods) end
  end)

  it("gives back what is deleted", function()
    cluster:create(quota { pods = 2, ["requests.memory"] = "1Gi" })
    cluster:advance(0)
    cluster:create { pod("a", { memory = "512Mi" }), pod("b", { memory = "256Mi" }) }
    assert.same({ pods = "2", ["requests.memory"] = "768Mi" }, used())
    assert.error(function() cluster:create(pod("c", { memory = "1Mi" })) end)
    cluster:delete("pod/a", { grace_period = 0 })
    cluster:advance(0)
    assert.same({ pods = "1", ["requests.memory"] = "256Mi" }, used())
    cluster:create(pod("c", { memory = "1Mi" }))
  end)

  it("charges a StatefulSet for pods whose names are taken, until the five minutes' resync", function()
    local manual <close> = kubesim.new { kubelet = "manual" }
    manual:create { quota { pods = 3 }, pod "web-0" }
    manual:advance(0)
    manual:create { apiVersion = "apps/v1", kind = "StatefulSet", metadata = { name = "web" }, spec = { replicas = 1, serviceName = "web",
      selector = { matchLabels = { app = "web" } }, template = { metadata = { labels = { app = "web" } },
        spec = { containers = { { name = "c", image = "app:1" } } } } } }
    manual:advance "1s"
    assert.same({ pods = "3" }, manual:get("quota/q").status.used)
    local failed = manual:events({ reason = "FailedCreate" })[1]
    assert.equal('Create Pod web-0 in StatefulSet web failed error: pods "web-0" is forbidden: exceeded quota: q, '
      .. "requested: pods=1, used: pods=3, limited: pods=3", failed.message)
    manual:delete "sts/web"
    manual:advance "298s"
    assert.same({ pods = "3" }, manual:get("quota/q").status.used)
    manual:advance "1s"
    assert.same({ pods = "1" }, manual:get("quota/q").status.used)
    local now = manual:trace()
    manual:advance "1h" -- and then there is nothing to be done
    assert.equal(now, manual:trace())
  end)

  it("knows no Events, whatever it is to count of them", function()
    cluster:create(quota { ["count/events"] = 1, ["count/configmaps"] = 5 })
    for i = 1, 3 do
      cluster:create {
        apiVersion = "v1", kind = "Event", metadata = { name = "e" .. i }, reason = "R", message = "m",
        involvedObject = { kind = "Pod", name = "x", namespace = "default" },
      }
    end
    cluster:advance "10s"
    assert.equal(3, #cluster:list "events")
    local status = cluster:get("quota/q").status
    assert.equal("1", status.hard["count/events"])
    assert.is_nil(status.used["count/events"])
    assert.is_string(status.used["count/configmaps"])
  end)

  it("does not charge for finished pods, except as objects", function()
    cluster:image("app:1", { exit = { code = 0, after = "1s" } })
    cluster:create(quota { pods = 1, ["count/pods"] = 2 })
    cluster:create(pod("a", nil, { restartPolicy = "Never" }))
    cluster:advance "10s"
    assert.same({ pods = "0", ["count/pods"] = "1" }, used())
  end)

  it("forgets a pod that cannot end, five minutes' resync after its grace", function()
    cluster:create(quota { pods = 1 })
    cluster:create(pod "a")
    cluster:advance "5s"
    cluster:fail_node "k8s-node1"
    cluster:delete("pod/a", { grace_period = 30 })
    cluster:advance "200s"
    assert.same({ pods = "1" }, used())
    cluster:advance "200s"
    assert.same({ pods = "0" }, used())
    assert.is_table(cluster:get "pod/a")
    cluster:create(pod "b")
    assert.same({ pods = "1" }, used())
    cluster:recover_node "k8s-node1"
    cluster:advance "60s"
    assert.is_nil(cluster:get "pod/a")
    assert.same({ pods = "1" }, used())
  end)

  it("that comes, or comes again, finds out which pods cannot end", function()
    cluster:create { pod "a", pod "b" }
    cluster:advance "5s"
    cluster:fail_node "k8s-node1"
    cluster:delete("pod/a", { grace_period = 30 })
    cluster:advance "120s"
    cluster:create(quota { pods = 5 })
    cluster:advance(0)
    assert.same({ pods = "1" }, used())
    cluster:delete("pod/b", { grace_period = 600 })
    cluster:delete "quota/q"
    cluster:advance "1300s"
    cluster:create(quota { pods = 5 })
    cluster:advance(0)
    assert.same({ pods = "0" }, used())
    assert.is_table(cluster:get "pod/b")
  end)

  -- of a pod that cannot end it hears with whatever makes it count anew
  describe("with a pod that it need not be charged for any more", function()
    before_each(function()
      cluster:close()
      cluster = kubesim.new { nodes = 1, kubelet = "manual" }
      cluster:create { pod("stuck"), pod("a"), pod("b"), claim("c", "1Gi"), quota { pods = 5, persistentvolumeclaims = 2 } }
      cluster:settle()
      cluster:drive("a", "ready")
      cluster:drive("b", "ready")
      cluster:delete("pod/stuck", { grace_period = 10 })
      cluster:advance(30)
      assert.same({ pods = "3", persistentvolumeclaims = "1" }, used())
    end)

    local function counted_anew()
      cluster:advance(1)
      return used().pods
    end

    it("counts anew when one has finished, and when a finished one goes", function()
      cluster:drive("a", "failed")
      assert.equal("1", counted_anew())
      cluster:delete("pod/b", { grace_period = 10 })
      cluster:advance(30)
      cluster:delete("pod/a", { grace_period = 0 })
      assert.equal("0", counted_anew())
    end)

    it("does not where one comes, begins to run or is no longer ready", function()
      cluster:create(pod "d")
      assert.equal("4", counted_anew())
      cluster:drive("d", "running")
      cluster:drive("d", "ready")
      cluster:drive("a", "unready")
      assert.equal("4", counted_anew())
    end)

    it("does with any change of a claim, if it limits claims", function()
      cluster:patch("pvc/c", { metadata = { labels = { x = "y" } } })
      assert.equal("2", counted_anew())
    end)

    it("does not if it limits none", function()
      cluster:patch("quota/q", { spec = { hard = { persistentvolumeclaims = kubesim.null } } })
      cluster:delete("pod/b", { grace_period = 10 })
      cluster:advance(30)
      cluster:patch("pvc/c", { metadata = { labels = { x = "y" } } })
      assert.equal("2", counted_anew())
    end)
  end)

  it("counts claims by class and by size", function()
    cluster:create(quota { persistentvolumeclaims = 5, ["requests.storage"] = "10Gi",
      ["fast.storageclass.storage.k8s.io/requests.storage"] = "3Gi",
      ["fast.storageclass.storage.k8s.io/persistentvolumeclaims"] = 2 })
    cluster:advance(0)
    cluster:create { claim("a", "2Gi"), claim("b", "1Gi", "standard") }
    assert.same({ persistentvolumeclaims = "2", ["requests.storage"] = "3Gi",
      ["fast.storageclass.storage.k8s.io/requests.storage"] = "2Gi",
      ["fast.storageclass.storage.k8s.io/persistentvolumeclaims"] = "1" }, used())
    local ok, err = pcall(cluster.create, cluster, claim("c", "2Gi"))
    assert.is_false(ok)
    assert.equal('persistentvolumeclaims "c" is forbidden: exceeded quota: q, requested: ' ..
      "fast.storageclass.storage.k8s.io/requests.storage=2Gi, used: fast.storageclass.storage.k8s.io/requests.storage=2Gi, " ..
      "limited: fast.storageclass.storage.k8s.io/requests.storage=3Gi", err.message)
    cluster:delete "pvc/a"
    cluster:settle()
    assert.equal("1Gi", used()["requests.storage"])
  end)

  it("tells classes apart whose names begin alike", function()
    cluster:create { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "faster" },
      provisioner = "example.com/p" }
    cluster:create(quota { ["fast.storageclass.storage.k8s.io/persistentvolumeclaims"] = 1 })
    cluster:advance(0)
    cluster:create { claim("a", "1Gi", "faster"), claim("b", "1Gi") }
    assert.same({ ["fast.storageclass.storage.k8s.io/persistentvolumeclaims"] = "1" }, used())
    assert.error(function() cluster:create(claim("c", "1Gi")) end)
  end)

  it("does not count ports of nodes that nobody gives out", function()
    local function balancer(name, allocate)
      return { apiVersion = "v1", kind = "Service", metadata = { name = name }, spec = { type = "LoadBalancer",
        allocateLoadBalancerNodePorts = allocate, ports = { { name = "a", port = 80 }, { name = "b", port = 81 } } } }
    end
    cluster:create(quota { ["services.nodeports"] = 2 })
    cluster:advance(0)
    cluster:create { balancer("none", false), balancer("two") }
    assert.same({ ["services.nodeports"] = "2" }, used())
    assert.error(function() cluster:create(balancer "more") end)
  end)

  it("asks only for what a change adds, and never for what it takes away", function()
    cluster:create(quota { ["services.nodeports"] = 1 })
    cluster:advance(0)
    local function service(kind, ports) return { spec = { type = kind, ports = ports } } end
    local ports = { { name = "a", port = 80 }, { name = "b", port = 81 } }
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "s" }, spec = { type = "NodePort", ports = { ports[1] } } }
    assert.equal("1", used()["services.nodeports"])
    cluster:patch("svc/s", { metadata = { labels = { look = "again" } } })
    local fine, why = pcall(cluster.patch, cluster, "svc/s", service("NodePort", ports))
    assert.is_false(fine)
    assert.matches("requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1", why.message, 1, true)
    cluster:patch("quota/q", { spec = { hard = { ["services.nodeports"] = 3 } } })
    cluster:advance(0)
    cluster:patch("svc/s", service("NodePort", ports))
    cluster:patch("quota/q", { spec = { hard = { ["services.nodeports"] = 0 } } })
    cluster:advance(0)
    cluster:patch("svc/s", service("NodePort", { { name = "b", port = 81, ["$patch"] = "delete" } }))
    assert.equal("1", used()["services.nodeports"])
  end)

  it("wants to know what each container asks for, those that begin too, unless the pod says it as a whole", function()
    cluster:create(quota { ["requests.cpu"] = 4 })
    cluster:advance(0)
    local init = { initContainers = { { name = "first", image = "init:1" } } }
    local fine, why = pcall(cluster.create, cluster, pod("a", { cpu = "1" }, init))
    assert.is_false(fine)
    assert.equal('pods "a" is forbidden: failed quota: q: must specify requests.cpu for: first', why.message)
    init.resources = { requests = { cpu = "2" } }
    cluster:create(pod("a", { cpu = "1" }, init))
    assert.same({ ["requests.cpu"] = "2" }, used())
  end)

  it("may be for all priority classes but some, and for pods that look into other namespaces", function()
    cluster:create { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = "high" }, value = 100 }
    cluster:create { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = "low" }, value = 1 }
    cluster:create(quota({ pods = 9 }, { scopeSelector = { matchExpressions = {
      { scopeName = "PriorityClass", operator = "NotIn", values = { "high" } } } } }))
    cluster:advance(0)
    for _, class in ipairs { "high", "low" } do cluster:create(pod(class, nil, { priorityClassName = class })) end
    cluster:create(pod "none")
    assert.same({ pods = "2" }, used())
    cluster:delete "quota/q"
    cluster:create(quota({ pods = 9 }, { scopes = { "CrossNamespacePodAffinity" } }))
    cluster:advance(0)
    for name, more in pairs { here = {}, there = { namespaceSelector = {} }, named = { namespaces = { "other" } } } do
      local term = { topologyKey = "zone", labelSelector = {} }
      for key, value in pairs(more) do term[key] = value end
      cluster:create(pod(name, nil, { affinity = { podAffinity = { requiredDuringSchedulingIgnoredDuringExecution = { term } } } }))
    end
    assert.same({ pods = "2" }, used())
  end)

  it("counts objects of any kind, and leaves out what no kind is charged for", function()
    cluster:create(quota { ["count/configmaps"] = 3, ["count/widgets.example.com"] = 1, secrets = 2 })
    cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "a" } }
    cluster:advance(0)
    assert.same({ ["count/configmaps"] = "2", secrets = "0" }, -- the namespace has kube-root-ca.crt
      { ["count/configmaps"] = used()["count/configmaps"], secrets = used().secrets })
    assert.is_nil(used()["count/widgets.example.com"])
  end)

  it("has nothing to count again where what no kind is charged for keeps its number", function()
    cluster:create(quota { pods = 5, ["count/widgets.example.com"] = 9 })
    cluster:settle()
    cluster:patch("quota/q", { status = { used = { pods = "0", ["count/widgets.example.com"] = "3" } } },
      { type = "merge", subresource = "status" })
    cluster:create(pod("a", { cpu = "1" }))
    cluster:settle()
    assert.same({ pods = "1", ["count/widgets.example.com"] = "3" }, used())
    local before = cluster:trace()
    cluster:advance "2h"
    assert.equal(before, cluster:trace())
  end)

  it("may count itself, and stays as it is when its name is taken", function()
    cluster:create(quota { resourcequotas = 5 })
    cluster:settle()
    assert.same({ resourcequotas = "1" }, used())
    local ok, err = pcall(cluster.create, cluster, quota { resourcequotas = 5 })
    assert.is_false(ok)
    assert.equal("AlreadyExists", err.reason)
    assert.same({ resourcequotas = "1" }, used())
  end)

  it("looks only at what is in its scope", function()
    cluster:create(quota({ pods = 5 }, { scopes = { "NotBestEffort" } }))
    cluster:create { pod("a", { cpu = "1" }), pod "b" }
    cluster:advance(0)
    assert.same({ pods = "1" }, used())
    cluster:delete("pod/b", { grace_period = 0 })
    cluster:advance(0)
    assert.same({ pods = "1" }, used())
  end)

  it("follows a change of its limits", function()
    cluster:create(quota { pods = 1 })
    cluster:create(pod("a", { cpu = "1" }))
    cluster:patch("quota/q", { spec = { hard = { pods = kubesim.null, ["requests.cpu"] = "2" } } }, { type = "merge" })
    cluster:advance(0)
    assert.same({ ["requests.cpu"] = "1" }, used())
    assert.same({ ["requests.cpu"] = "2" }, cluster:get("quota/q").status.hard)
  end)

  it("holds from the moment at which it is made or changed, by what there is then", function()
    cluster:create(quota { pods = 1 })
    cluster:create(pod "a")
    assert.error(function() cluster:create(pod "b") end)
    cluster:advance(0)
    cluster:delete("pod/a", { grace_period = 0 })
    assert.error(function() cluster:create(pod "b") end) -- that one has gone is for its controller to find out
    cluster:patch("quota/q", { spec = { hard = { ["count/configmaps"] = 9 } } })
    cluster:create(pod "b")
    assert.error(function() cluster:create(pod "c") end)
  end)

  it("counts what it takes to run a pod beside what its containers ask for", function()
    local init = { { name = "first", image = "init:1", resources = { requests = { cpu = "2" } } } }
    cluster:import(pod("a", { cpu = "1" }, { overhead = { cpu = "250m" }, initContainers = init }))
    cluster:create(quota { ["requests.cpu"] = 4 })
    cluster:advance(0)
    assert.same({ ["requests.cpu"] = "2250m" }, used())
  end)

  it("counts what a claim's expansion was granted, if it asks for less by now", function()
    local shrunk, grown = claim("a", "1Gi"), claim("b", "5Gi")
    shrunk.status = { allocatedResources = { storage = "3Gi" } }
    grown.status = { allocatedResources = { storage = "2Gi" } }
    cluster:import { shrunk, grown }
    cluster:create(quota { ["requests.storage"] = "100Gi" })
    cluster:advance(0)
    assert.same({ ["requests.storage"] = "8Gi" }, used())
  end)

  it("lets a ReplicaSet have as many pods as there is room for, and more when there is more", function()
    cluster:create(quota { pods = 2 })
    cluster:create [[
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]
    cluster:advance "60s"
    assert.equal(2, cluster:count "pod")
    cluster:patch("quota/q", { spec = { hard = { pods = "3" } } }, { type = "merge" })
    cluster:advance "20m"
    assert.equal(3, cluster:count "pod")
    assert.same({ pods = "3" }, used())
  end)
end)
