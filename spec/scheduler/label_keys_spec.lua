-- What the API server writes into a new pod for its scheduling: label keys into selectors, and that gates hold it back.
local kubesim = require "kubesim"

local function pod(name, labels, spec)
  spec.containers = { { name = "main", image = "app:1" } }
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name, labels = labels }, spec = spec }
end

local function deployment(image, spec)
  spec.containers = { { name = "main", image = image } }
  return { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web" }, spec = {
    replicas = 2, selector = { matchLabels = { app = "web" } }, strategy = { rollingUpdate = { maxSurge = 2, maxUnavailable = 0 } },
    template = { metadata = { labels = { app = "web" } }, spec = spec } } }
end

local function spread()
  return { { maxSkew = 1, topologyKey = "kubernetes.io/hostname", whenUnsatisfiable = "DoNotSchedule",
    labelSelector = { matchLabels = { app = "web" } }, matchLabelKeys = { "pod-template-hash", "absent" } } }
end

describe("matchLabelKeys", function()
  it("become part of the selector beside them, with the pod's own value", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create { pod("a", { app = "web", rev = "7" }, {
      topologySpreadConstraints = { { maxSkew = 1, topologyKey = "zone", whenUnsatisfiable = "ScheduleAnyway",
        labelSelector = { matchLabels = { app = "web" } }, matchLabelKeys = { "rev", "absent" } } },
      affinity = {
        podAffinity = { requiredDuringSchedulingIgnoredDuringExecution = {
          { topologyKey = "zone", labelSelector = {}, matchLabelKeys = { "rev" }, mismatchLabelKeys = { "app" } } } },
        podAntiAffinity = { preferredDuringSchedulingIgnoredDuringExecution = { { weight = 1, podAffinityTerm = {
          topologyKey = "zone", mismatchLabelKeys = { "rev" },
          labelSelector = { matchExpressions = { { key = "x", operator = "Exists" } } } } } } },
      } }) }
    local spec = cluster:get("pod/a").spec
    local is, is_not = { key = "rev", operator = "In", values = { "7" } }, { key = "rev", operator = "NotIn", values = { "7" } }
    local spreading = spec.topologySpreadConstraints[1]
    assert.same({ matchLabels = { app = "web" }, matchExpressions = { is } }, spreading.labelSelector)
    assert.same({ "rev", "absent" }, spreading.matchLabelKeys)
    assert.same({ is, { key = "app", operator = "NotIn", values = { "web" } } },
      spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[1].labelSelector.matchExpressions)
    assert.same({ { key = "x", operator = "Exists" }, is_not },
      spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[1].podAffinityTerm.labelSelector.matchExpressions)
  end)

  it("spread the pods of each roll-out by themselves", function()
    local cluster <close> = kubesim.new { nodes = 2 }
    cluster:apply { deployment("app:1", { topologySpreadConstraints = spread() }) }
    assert(cluster:wait_for("deploy/web", "ready"))
    cluster:apply { deployment("app:2", { topologySpreadConstraints = spread() }) }
    assert(cluster:wait_for("deploy/web", "ready"))
    cluster:advance "1m"
    local nodes = {}
    for _, o in ipairs(cluster:list "pods") do
      local hash = o.metadata.labels["pod-template-hash"]
      assert.same({ { key = "pod-template-hash", operator = "In", values = { hash } } },
        o.spec.topologySpreadConstraints[1].labelSelector.matchExpressions)
      nodes[o.spec.nodeName] = true
    end
    assert.same({ ["k8s-node1"] = true, ["k8s-node2"] = true }, nodes)
  end)

  it("take each pod's own index in a StatefulSet", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:apply { { apiVersion = "apps/v1", kind = "StatefulSet", metadata = { name = "db" }, spec = {
      serviceName = "db", replicas = 3, podManagementPolicy = "Parallel", selector = { matchLabels = { app = "db" } },
      template = { metadata = { labels = { app = "db" } }, spec = { containers = { { name = "main", image = "app:1" } },
        affinity = { podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution = { { topologyKey = "kubernetes.io/hostname",
          labelSelector = { matchLabels = { app = "db" } }, matchLabelKeys = { "apps.kubernetes.io/pod-index" } } } } } } } } } }
    assert(cluster:wait_for("sts/db", "ready"))
    for i = 0, 2 do
      local terms = cluster:get("pod/db-" .. i).spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution
      assert.same({ { key = "apps.kubernetes.io/pod-index", operator = "In", values = { tostring(i) } } },
        terms[1].labelSelector.matchExpressions)
    end
  end)

  it("follow a label that changes afterwards when pods are spread: nobody has both values", function()
    local cluster <close> = kubesim.new { nodes = { { name = "a" }, { name = "b", capacity = { cpu = "0", memory = "1Gi", pods = "9" } } } }
    local function one(name, constraints)
      local o = pod(name, { app = "web", rev = "1" }, { topologySpreadConstraints = constraints })
      o.spec.containers[1].resources = { requests = { cpu = "100m" } }
      return o
    end
    cluster:create { one "first", one "second" }
    cluster:create { one("third", { { maxSkew = 1, topologyKey = "kubernetes.io/hostname", whenUnsatisfiable = "DoNotSchedule",
      labelSelector = { matchLabels = { app = "web" } }, matchLabelKeys = { "rev" } } }) }
    cluster:advance "1s"
    cluster:patch("pod/third", { metadata = { labels = { rev = "2" } } })
    cluster:advance "1m"
    assert.is_nil(cluster:get("pod/third").spec.nodeName) -- it was not of them before, and is not now: no reason to look
    cluster:advance "6m"
    assert.equal("a", cluster:get("pod/third").spec.nodeName)
  end)
end)

describe("a pod with scheduling gates", function()
  it("says from the beginning that it is held back, and when it is let go is scheduled", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create { pod("a", nil, { schedulingGates = { { name = "example.com/wait" } } }) }
    local condition = cluster:get("pod/a").status.conditions[1]
    assert.same({ type = "PodScheduled", status = "False", reason = "SchedulingGated",
      message = "Scheduling is blocked due to non-empty scheduling gates", lastProbeTime = kubesim.null,
      lastTransitionTime = "2026-01-01T00:00:00Z" }, condition)
    assert.matches("a +0/1 +SchedulingGated", cluster:kubectl "get pods")
    cluster:advance "1m"
    cluster:patch("pod/a", { spec = { schedulingGates = {} } }, { type = "merge" })
    cluster:advance "1m"
    assert.matches("a +1/1 +Running", cluster:kubectl "get pods")
  end)

  it("tells its own time in a ReplicaSet, too", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:apply { { apiVersion = "apps/v1", kind = "ReplicaSet", metadata = { name = "web" }, spec = {
      replicas = 1, selector = { matchLabels = { app = "web" } }, template = { metadata = { labels = { app = "web" } },
        spec = { schedulingGates = { { name = "example.com/wait" } }, containers = { { name = "main", image = "app:1" } } } } } } }
    cluster:advance "1m"
    cluster:scale("rs/web", 2)
    cluster:advance "1s"
    local times = {}
    for _, o in ipairs(cluster:list "pods") do
      assert.equal(o.metadata.creationTimestamp, o.status.conditions[1].lastTransitionTime)
      times[o.metadata.creationTimestamp] = true
    end
    assert.same({ ["2026-01-01T00:00:00Z"] = true, ["2026-01-01T00:01:00Z"] = true }, times)
  end)
end)
