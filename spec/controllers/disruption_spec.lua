-- The status of PodDisruptionBudgets: how many pods there should be, how many must be healthy, how many may go now.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local SETS = {
  sts = [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: %d
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]],
  deploy = [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]],
}

local function budget(spec, name)
  spec.selector = spec.selector or { matchLabels = { app = "web" } }
  return { apiVersion = "policy/v1", kind = "PodDisruptionBudget", metadata = { name = name or "b" }, spec = spec }
end

describe("a PodDisruptionBudget", function()
  local cluster

  before_each(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  local function numbers(name)
    local s = cluster:get("pdb/" .. (name or "b")).status
    return { s.expectedPods, s.desiredHealthy, s.currentHealthy, s.disruptionsAllowed }
  end

  local function ready(count)
    for i = 0, count - 1 do cluster:drive("web-" .. i, "ready") end
    cluster:advance(0)
  end

  for _, case in ipairs {
    -- spec, replicas, of them ready -> expected, desired, healthy, allowed
    { { minAvailable = 2 }, 3, 3, { 3, 2, 3, 1 } },
    { { minAvailable = 4 }, 3, 3, { 3, 4, 3, 0 } },
    { { minAvailable = "50%" }, 3, 3, { 3, 2, 3, 1 } },
    { { minAvailable = "1%" }, 5, 5, { 5, 1, 5, 4 } },
    { { maxUnavailable = 1 }, 3, 2, { 3, 2, 2, 0 } },
    { { maxUnavailable = 5 }, 3, 1, { 3, 0, 1, 1 } },
    { { maxUnavailable = "50%" }, 3, 3, { 3, 1, 3, 2 } },
    { { maxUnavailable = "40%" }, 5, 5, { 5, 3, 5, 2 } },
    { { maxUnavailable = "0%" }, 2, 2, { 2, 2, 2, 0 } },
  } do
    local spec, replicas, healthy, want = table.unpack(case)
    local field, value = next(spec)
    it(("with %s %s of %d pods, %d ready, allows %d disruptions"):format(field, value, replicas, healthy, want[4]), function()
      cluster:create(budget(spec))
      cluster:create(SETS.sts:format(replicas))
      cluster:advance(0)
      ready(healthy)
      assert.same(want, numbers())
      local c = cluster:get("pdb/b").status.conditions[1]
      assert.same({ "DisruptionAllowed", want[4] > 0 and "True" or "False", want[4] > 0 and "SufficientPods" or "InsufficientPods", "" },
        { c.type, c.status, c.reason, c.message })
    end)
  end

  it("takes a Deployment's replicas once, however many ReplicaSets its pods are of", function()
    cluster:create(SETS.deploy:format(4))
    cluster:create(budget { maxUnavailable = 1 })
    cluster:advance(0)
    for _, pod in ipairs(cluster:list "pod") do cluster:drive(pod.metadata.name, "ready") end
    cluster:advance(0)
    cluster:patch("deploy/web", { spec = { template = { metadata = { annotations = { v = "2" } } } } })
    cluster:advance(0)
    assert.equal(2, cluster:count "rs")
    assert.equal(4, numbers()[1])
    assert.equal(3, numbers()[2])
  end)

  it("allows nothing where no pods are wanted any more, however many there still are", function()
    cluster:create(workload.set("ReplicaSet", { replicas = 2 }))
    cluster:create(budget { maxUnavailable = 1 })
    cluster:settle()
    for _, pod in ipairs(cluster:list "pod") do cluster:drive(pod.metadata.name, "ready") end
    cluster:settle()
    assert.equal(1, cluster:get "pdb/b".status.disruptionsAllowed)
    cluster:lag("replicaset", "1h")
    cluster:scale("rs/web", 0)
    cluster:patch("pdb/b", { metadata = { labels = { look = "again" } } })
    cluster:advance "1m"
    local status = cluster:get "pdb/b".status
    assert.same({ 0, 2, 0 }, { status.expectedPods, status.currentHealthy, status.disruptionsAllowed })
  end)

  it("forgets of pods that it does not select that they were to go, and takes none of its own for them", function()
    cluster:create { workload.pod("its", { app = "web" }), workload.pod("other", { app = "other" }) }
    cluster:create(budget { minAvailable = 1 })
    cluster:settle()
    for _, name in ipairs { "its", "other" } do cluster:drive(name, "ready") end
    cluster:settle()
    cluster:patch("pdb/b", { status = { disruptedPods = { other = cluster:clock() } } }, { subresource = "status" })
    cluster:advance "1s" -- it would not wait for longer than two minutes
    assert.equal(1, cluster:get "pdb/b".status.currentHealthy)
    assert.is_nil(cluster:get "pdb/b".status.disruptedPods)
  end)

  it("tells which pods cannot be counted", function()
    cluster:create(budget { maxUnavailable = 1 })
    cluster:advance(0)
    assert.equal("No matching pods found", cluster:events({ reason = "NoPods" })[1].message)
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "bare", labels = { app = "web" } },
      spec = { containers = { { name = "c", image = "app:1" } } } }
    cluster:advance(0)
    assert.equal("Pods selected by this PodDisruptionBudget (selector: &LabelSelector{MatchLabels:map[string]string{app: web,}," ..
      "MatchExpressions:[]LabelSelectorRequirement{},}) were found to be unmanaged. As a result, the status of the PDB cannot be " ..
      "calculated correctly, which may result in undefined behavior. To account for these pods please set \".spec.minAvailable\" " ..
      "field of the PDB to an integer value.", cluster:events({ reason = "UnmanagedPods" })[1].message)
    assert.same({ 0, 0, 0, 0 }, numbers())
  end)

  it("allows nothing when the controller of a pod cannot be found", function()
    cluster:create(budget { maxUnavailable = 1 })
    cluster:advance(0)
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "lost", labels = { app = "web" }, ownerReferences = {
      { apiVersion = "example.com/v1", kind = "Widget", name = "w", uid = "00000000-0000-0000-0000-000000000001", controller = true } } },
      spec = { containers = { { name = "c", image = "app:1" } } } }
    cluster:advance(0)
    local c = cluster:get("pdb/b").status.conditions[1]
    assert.same({ "False", "SyncFailed", 'no matches for kind "Widget" in version "example.com/v1"' }, { c.status, c.reason, c.message })
    assert.equal(0, cluster:get("pdb/b").status.disruptionsAllowed)
    cluster:drive("lost", "ready")
    cluster:advance(0)
    local ok, err = pcall(cluster.evict, cluster, "lost")
    assert.is_false(ok)
    assert.equal('The disruption budget b does not allow evicting pods currently because it failed sync: ' ..
      'no matches for kind "Widget" in version "example.com/v1"', err.details.causes[1].message)
  end)

  -- kind and group of what a pod says controls it, and what is made of that
  for api_version, kind in pairs {
    ["v1"] = { "ConfigMap", "configmaps does not implement the scale subresource" },
    ["apps/v1"] = { "DaemonSet", "daemonsets.apps does not implement the scale subresource" },
    ["discovery.k8s.io/v1"] = { "EndpointSlice", "endpointslices.discovery.k8s.io does not implement the scale subresource" },
    ["v1 "] = { "ReplicationController", 'found no controllers for pod "lost"' },
    ["apps/v1 "] = { "ReplicaSet", 'found no controllers for pod "lost"' },
  } do
    it("allows nothing when a pod's controller is a " .. kind[1] .. " without a scale", function()
      cluster:lag("garbagecollector", "1h") -- there is none of that name
      cluster:create(budget { maxUnavailable = 1 })
      local lost = workload.pod("lost", { app = "web" })
      lost.metadata.ownerReferences = { { apiVersion = api_version:gsub(" ", ""), kind = kind[1], name = "w",
        uid = "00000000-0000-0000-0000-000000000001", controller = true } }
      cluster:create(lost)
      cluster:advance(0)
      assert.equal(kind[2], cluster:get("pdb/b").status.conditions[1].message)
      assert.same({ "Failed to calculate the number of expected pods: " .. kind[2] },
        workload.told(cluster, "pdb/b", "CalculateExpectedPodCountFailed"))
    end)
  end

  it("allows no more from when it cannot be worked out on", function()
    cluster:create(SETS.sts:format(3))
    cluster:create(budget { maxUnavailable = 2 })
    cluster:advance(0)
    ready(3)
    assert.equal(2, numbers()[4])
    local lost = workload.pod("lost", { app = "web" })
    lost.metadata.ownerReferences = { { apiVersion = "apps/v1", kind = "DaemonSet", name = "w",
      uid = "00000000-0000-0000-0000-000000000001", controller = true } }
    cluster:lag("garbagecollector", "1h")
    cluster:create(lost)
    cluster:advance(0)
    assert.equal(0, numbers()[4])
  end)

  it("tells by which expressions it has found what cannot be counted", function()
    local expression = { key = "app", operator = "In", values = { "web", "x" } }
    cluster:create(budget { maxUnavailable = 1, selector = { matchExpressions = { expression } } })
    cluster:create(workload.pod("bare", { app = "web" }))
    cluster:advance(0)
    assert.matches("(selector: &LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{"
      .. "LabelSelectorRequirement{Key:app,Operator:In,Values:[web x],},},})", workload.told(cluster, "pdb/b", "UnmanagedPods")[1], 1, true)
  end)

  it("follows readiness, deletions and labels of its pods", function()
    cluster:create(SETS.sts:format(3))
    cluster:create(budget { minAvailable = 1 })
    cluster:advance(0)
    ready(3)
    assert.same({ 3, 1, 3, 2 }, numbers())
    cluster:drive("web-0", "unready")
    cluster:advance(0)
    assert.same({ 3, 1, 2, 1 }, numbers())
    cluster:delete "pod/web-1"
    cluster:advance(0)
    assert.same({ 3, 1, 1, 0 }, numbers())
    cluster:patch("pod/web-2", { metadata = { labels = { app = "other" } } })
    cluster:advance(0)
    cluster:drive("web-0", "ready")
    cluster:advance(0)
    assert.equal(1, numbers()[3])
  end)

  it("lets pods be evicted while it allows, and no further", function()
    cluster:create(SETS.sts:format(3))
    cluster:create(budget { minAvailable = 2 })
    cluster:advance(0)
    ready(3)
    assert.is_true(cluster:evict "web-0")
    local ok, err = pcall(cluster.evict, cluster, "web-1")
    assert.is_false(ok)
    assert.equal(429, err.code)
    assert.equal("The disruption budget b needs 2 healthy pods and has 2 currently", (function()
      cluster:advance(0)
      local _, again = pcall(cluster.evict, cluster, "web-1")
      return again.details.causes[1].message
    end)())
    assert.is_nil(cluster:get("pdb/b").status.disruptedPods)
  end)

  it("waits two minutes for a pod that was allowed to go and did not", function()
    cluster:create(SETS.sts:format(2))
    cluster:create(budget { minAvailable = 1 })
    cluster:advance(0)
    ready(2)
    local status = cluster:get("pdb/b").status
    status.disruptedPods = { ["web-0"] = cluster:clock() }
    cluster:patch("pdb/b", { status = { disruptedPods = status.disruptedPods } }, { type = "merge", subresource = "status" })
    cluster:advance "1s"
    assert.same({ 2, 1, 1, 0 }, numbers())
    cluster:advance "2m"
    assert.same({ 2, 1, 2, 1 }, numbers())
    assert.is_nil(cluster:get("pdb/b").status.disruptedPods)
    assert.equal("Pod was expected by PDB default/default to be deleted but it wasn't",
      cluster:events({ reason = "NotDeleted" })[1].message)
  end)

  it("sees that none are left before the set has made another", function()
    cluster:create(SETS.sts:format(1))
    cluster:advance(0)
    cluster:create(budget { minAvailable = 1 })
    cluster:advance(0)
    assert.same({}, cluster:events { reason = "NoPods" })
    cluster:delete("pod/web-0", { grace_period = 0 })
    cluster:advance(0)
    assert.equal(1, cluster:count "pod")
    assert.equal(1, #cluster:events { reason = "NoPods" })
  end)

  describe("says what is wrong as often as something changes:", function()
    local function said(reason)
      local events = cluster:events { ref = "pdb/b", reason = reason }
      return events[1] and (events[1].count or 1) or 0
    end

    local function pods(...)
      local list = {}
      for i, app in ipairs { ... } do
        list[i] = {
          apiVersion = "v1", kind = "Pod", metadata = { name = "bare-" .. i, labels = { app = app } },
          spec = { containers = { { name = "main", image = "app:1" } } },
        }
      end
      cluster:create { apiVersion = "v1", kind = "List", items = list }
    end

    it("that there are no pods, when the last goes and of its own status then, whoever makes another", function()
      cluster:create(budget { minAvailable = 1 })
      cluster:settle()
      assert.equal(2, said "NoPods")
      cluster:create(SETS.sts:format(1))
      cluster:settle()
      for round = 1, 3 do
        cluster:delete("pod/web-0", { grace_period = 0 })
        cluster:settle()
        assert.equal(2 + 2 * round, said "NoPods")
      end
    end)

    it("that its pods have no controller, for each that comes or is bound or written", function()
      cluster:create(budget { minAvailable = "60%" })
      cluster:settle()
      pods("web", "other", "web")
      cluster:settle()
      assert.equal(4, said "UnmanagedPods")
      cluster:patch("pod/bare-1", { metadata = { annotations = { a = "b" } } })
      cluster:settle()
      assert.equal(5, said "UnmanagedPods")
    end)

    it("once more of the last one that is going when it has gone", function()
      cluster:create(budget { maxUnavailable = 1 })
      cluster:settle()
      pods "web"
      cluster:settle()
      local before = said "UnmanagedPods"
      cluster:delete("pod/bare-1", { grace_period = 0 })
      cluster:settle()
      assert.equal(before + 1, said "UnmanagedPods")
      local lost = workload.pod("lost", { app = "web" })
      lost.metadata.ownerReferences = { { apiVersion = "example.com/v1", kind = "Widget", name = "w", uid = "w-1", controller = true } }
      cluster:create(lost)
      cluster:settle()
      before = said "CalculateExpectedPodCountFailed"
      assert.is_true(before > 0)
      cluster:delete("pod/lost", { grace_period = 0 })
      cluster:settle()
      assert.equal(before + 1, said "CalculateExpectedPodCountFailed")
    end)

    it("both of them in a fork as in the original", function()
      cluster:create(budget { minAvailable = "60%" })
      pods("web", "web")
      local fork = cluster:fork()
      cluster:settle()
      fork:settle()
      assert.equal(cluster:trace(), fork:trace())
      fork:close()
    end)
  end)

  it("leaves a pod of two budgets to the first and says so", function()
    cluster:create(SETS.sts:format(2))
    cluster:create { budget({ minAvailable = 1 }, "b"), budget({ minAvailable = 1 }, "c") }
    cluster:advance(0)
    ready(1)
    assert.equal(1, numbers "b"[3])
    assert.equal(0, numbers "c"[3])
    assert.equal('Pod "default"/"web-0" matches multiple PodDisruptionBudgets.  Chose "b" arbitrarily.',
      cluster:events({ reason = "MultiplePodDisruptionBudgets", ref = "pod/web-0" })[1].message)
    local ok, err = pcall(cluster.evict, cluster, "web-0")
    assert.is_false(ok)
    assert.equal(500, err.code)
  end)

  it("goes on in a fork as in the original", function()
    cluster:create(SETS.sts:format(3))
    cluster:create(budget { minAvailable = 1 })
    cluster:advance(0)
    ready(1)
    local fork <close> = cluster:fork()
    for _, one in ipairs { cluster, fork } do
      one:drive("web-1", "ready")
      one:settle()
    end
    assert.equal(cluster:trace(), fork:trace())
    fork:drive("web-0", "unready")
    fork:settle()
    assert.equal(2, numbers()[3])
  end)
end)

describe("a DisruptionTarget condition that nobody acted upon", function()
  it("turns False after two minutes", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "p" },
      spec = { containers = { { name = "c", image = "app:1" } } } }
    cluster:advance "10s"
    local function target()
      for _, c in ipairs(cluster:get("pod/p").status.conditions) do if c.type == "DisruptionTarget" then return c end end
    end
    cluster:patch("pod/p", { status = { conditions = { { type = "DisruptionTarget", status = "True", reason = "PreemptionByScheduler",
      lastTransitionTime = cluster:clock() } } } }, { subresource = "status" })
    cluster:advance "110s"
    assert.equal("True", target().status)
    cluster:advance "20s"
    assert.equal("False", target().status)
    assert.is_nil(target().reason)
  end)

  local function target_of(cluster, status, reason)
    cluster:patch("pod/p", { status = { conditions = { { type = "DisruptionTarget", status = status, reason = reason,
      lastTransitionTime = cluster:clock() } } } }, { subresource = "status" })
  end

  local function is_true(cluster)
    for _, c in ipairs(cluster:get("pod/p").status.conditions) do if c.type == "DisruptionTarget" then return c.status == "True" end end
  end

  it("turns False two minutes after it became true for the last time", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create(workload.pod "p")
    cluster:advance "10s"
    target_of(cluster, "True", "PreemptionByScheduler")
    cluster:advance "1m"
    target_of(cluster, "False", "PreemptionByScheduler")
    cluster:advance "1s"
    target_of(cluster, "True", "PreemptionByScheduler")
    cluster:advance "119s"
    assert.is_true(is_true(cluster))
    cluster:advance "2s"
    assert.is_false(is_true(cluster))
  end)

  it("stays True where the kubelet is at it", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create(workload.pod "p")
    cluster:advance "10s"
    target_of(cluster, "True", "TerminationByKubelet")
    cluster:advance "5m"
    assert.is_true(is_true(cluster))
  end)
end)
