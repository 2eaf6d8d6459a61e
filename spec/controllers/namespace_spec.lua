-- A namespace that is deleted empties itself: pods first, then the rest; status.conditions tell what is in the way.
local kubesim = require "kubesim"

local WEB = [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: x}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 10
      containers: [{name: main, image: "app:1"}]
]]

local HELD = [[
apiVersion: v1
kind: ConfigMap
metadata: {name: held, namespace: x, finalizers: [example.com/keep]}
]]

local function condition(object, type)
  for _, c in ipairs(object.status.conditions or {}) do if c.type == type then return c end end
end

describe("a namespace that is deleted", function()
  local cluster

  before_each(function()
    cluster = kubesim.new { nodes = 1, latency = 0 }
    cluster:create { apiVersion = "v1", kind = "Namespace", metadata = { name = "x" } }
  end)
  after_each(function() cluster:close() end)

  it("is Terminating for five seconds before anything in it goes", function()
    cluster:create(WEB)
    cluster:settle()
    cluster:delete "ns/x"
    assert.equal("Terminating", cluster:get("ns/x").status.phase)
    cluster:advance "4s"
    assert.equal(3, cluster:count("pod", { namespace = "x" }))
    assert.is_nil(cluster:list("pod", { namespace = "x" })[1].metadata.deletionTimestamp)
    cluster:advance "1s"
    for _, pod in ipairs(cluster:list("pod", { namespace = "x" })) do assert.is_string(pod.metadata.deletionTimestamp) end
  end)

  it("stays with the finalizers that others have given it", function()
    cluster:create { apiVersion = "v1", kind = "Namespace", metadata = { name = "y" }, spec = { finalizers = { "example.com/mine" } } }
    assert.same({ "example.com/mine", "kubernetes" }, cluster:get("ns/y").spec.finalizers)
    cluster:delete "ns/y"
    cluster:settle()
    assert.same({ "example.com/mine" }, cluster:get("ns/y").spec.finalizers)
  end)

  it("is looked at again eight seconds after something was held by a finalizer", function()
    cluster:create(HELD)
    cluster:delete "ns/x"
    cluster:advance "12s" -- five seconds after it has said so itself it has looked once more
    cluster:patch("cm/held", { metadata = { finalizers = kubesim.null } }, { namespace = "x", type = "merge" })
    cluster:advance "5900ms"
    assert.is_table(cluster:get "ns/x")
    cluster:advance "100ms"
    assert.is_nil(cluster:get "ns/x")
  end)

  it("is looked at again when a pod of an endless grace has gone", function()
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "slow", namespace = "x" },
      spec = { terminationGracePeriodSeconds = math.maxinteger, containers = { { name = "main", image = "app:1" } } } }
    cluster:image("app:1", { stop = "10000h" })
    cluster:settle()
    cluster:delete "ns/x"
    cluster:advance "1h"
    assert.is_string(cluster:get("pod/slow", { namespace = "x" }).metadata.deletionTimestamp)
    cluster:delete("pod/slow", { namespace = "x", grace_period = 0 })
    assert.is_table(cluster:get "ns/x")
    cluster:advance "8s"
    assert.is_nil(cluster:get "ns/x")
  end)

  it("does not wait for the grace of pods that have ended", function()
    cluster:image("app:1", { exit = { after = "1s" } })
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "done", namespace = "x", finalizers = { "example.com/keep" } },
      spec = { restartPolicy = "Never", terminationGracePeriodSeconds = 3600, containers = { { name = "main", image = "app:1" } } } }
    cluster:advance "1m"
    assert.equal("Succeeded", cluster:get("pod/done", { namespace = "x" }).status.phase)
    cluster:delete "ns/x"
    cluster:advance "12s"
    cluster:patch("pod/done", { metadata = { finalizers = kubesim.null } }, { namespace = "x", type = "merge" })
    cluster:advance "1m"
    assert.is_nil(cluster:get "ns/x")
  end)

  it("deletes pods first, and the rest when they have gone", function()
    cluster:image("app:1", { stop = false })
    cluster:create(WEB)
    cluster:advance "5s"
    cluster:delete "ns/x"
    cluster:advance "6s"
    for _, pod in ipairs(cluster:list("pod", { namespace = "x" })) do assert.is_string(pod.metadata.deletionTimestamp) end
    assert.is_table(cluster:get("deploy/web", { namespace = "x" }))
    assert.equal(3, cluster:count("pod", { namespace = "x" }))
    cluster:advance "30s"
    assert.is_nil(cluster:get("deploy/web", { namespace = "x" }))
    assert.is_nil(cluster:get "ns/x")
  end)

  it("takes everything along", function()
    cluster:create(WEB)
    cluster:create { apiVersion = "v1", kind = "Secret", metadata = { name = "s", namespace = "x" } }
    cluster:settle()
    cluster:delete "ns/x"
    assert.is_true(cluster:settle())
    assert.is_nil(cluster:get "ns/x")
    for _, kind in ipairs { "pod", "rs", "deploy", "secret", "event" } do
      assert.equal(0, cluster:count(kind, { namespace = "x" }), kind)
    end
  end)

  it("tells which content and which finalizers hold it, and goes once they are removed", function()
    cluster:create(HELD)
    cluster:delete "ns/x"
    assert.is_true(cluster:settle())
    local ns = cluster:get "ns/x"
    local left, held = condition(ns, "NamespaceContentRemaining"), condition(ns, "NamespaceFinalizersRemaining")
    assert.same({ "True", "SomeResourcesRemain", "Some resources are remaining: configmaps. has 1 resource instances" },
      { left.status, left.reason, left.message })
    assert.same({ "True", "SomeFinalizersRemain",
      "Some content in the namespace has finalizers remaining: example.com/keep in 1 resource instances" },
      { held.status, held.reason, held.message })
    assert.equal("All content successfully deleted, may be waiting on finalization",
      condition(ns, "NamespaceDeletionContentFailure").message)
    cluster:patch("cm/held", { metadata = { finalizers = kubesim.null } }, { namespace = "x", type = "merge" })
    assert.is_table(cluster:get "ns/x")
    assert.is_true(cluster:settle())
    assert.is_nil(cluster:get "ns/x")
  end)

  it("costs nothing while it waits for a finalizer", function()
    cluster:create(HELD)
    cluster:delete "ns/x"
    cluster:settle()
    assert.is_nil(cluster:step())
    local before = cluster:now()
    cluster:advance "8760h"
    assert.equal(before + 365 * 86400, cluster:now())
  end)

  it("fails on pods that stay past their grace", function()
    cluster:image("app:1", { stop = false })
    cluster:create(WEB)
    cluster:advance "5s"
    cluster:fail_node "k8s-node1"
    cluster:delete "ns/x"
    cluster:advance "60s"
    local failure = condition(cluster:get "ns/x", "NamespaceDeletionContentFailure")
    assert.same({ "True", "ContentDeletionFailed", "Failed to delete all resource types, 1 remaining: failed to delete pods for " ..
      "namespace: x, err: unexpected items still remain in namespace: x for gvr: /v1, Resource=pods" },
      { failure.status, failure.reason, failure.message })
    local looks = 0
    for _ = 1, 200 do
      local step = cluster:step()
      if not step or step.time > 120 then break end
      if step.component == "namespace" then looks = looks + 1 end
    end
    assert.is_true(looks <= 2) -- ever more rarely, by then
  end)

  it("lets nothing new in", function()
    cluster:create(HELD)
    cluster:delete "ns/x"
    local ok, err = pcall(cluster.create, cluster, { apiVersion = "v1", kind = "Secret", metadata = { name = "s", namespace = "x" } })
    assert.is_false(ok)
    assert.equal('secrets "s" is forbidden: unable to create new content in namespace x because it is being terminated', err.message)
  end)

  it("goes on in a fork as it does in the original", function()
    cluster:create(HELD)
    cluster:create(WEB)
    cluster:settle()
    cluster:delete "ns/x"
    cluster:advance "7s"
    local fork <close> = cluster:fork()
    cluster:settle()
    fork:settle()
    assert.equal(cluster:trace(), fork:trace())
  end)
end)
