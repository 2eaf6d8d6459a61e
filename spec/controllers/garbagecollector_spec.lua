-- What becomes of objects whose owners go: in the background, in the foreground, orphaned; owners that are not there.
local kubesim = require "kubesim"

local function names(list)
  local out = {}
  for i, object in ipairs(list) do out[i] = object.metadata.name end
  return table.concat(out, " ")
end

describe("garbage collection", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  local function config_map(name, owners, more)
    local metadata = { name = name }
    for key, value in pairs(more or {}) do metadata[key] = value end
    metadata.ownerReferences = owners
    return cluster:create({ apiVersion = "v1", kind = "ConfigMap", metadata = metadata }, { namespace = metadata.namespace })[1]
  end

  local function owner(object, more)
    local reference = { apiVersion = object.apiVersion, kind = object.kind, name = object.metadata.name, uid = object.metadata.uid }
    for key, value in pairs(more or {}) do reference[key] = value end
    return reference
  end

  local function maps() return names(cluster:list("cm", { fields = "metadata.name!=kube-root-ca.crt" })) end

  it("deletes dependents of a deleted owner, and theirs", function()
    local a = config_map "a"
    local b = config_map("b", { owner(a) })
    config_map("c", { owner(b) })
    cluster:delete "cm/a"
    assert.is_nil(cluster:get "cm/a")
    cluster:settle()
    assert.equal("", maps())
  end)

  -- Pods are not looked up by uid until something names one as its owner.
  it("finds pods that are owners, those that were there before anybody asked and those that came later", function()
    local function pod(name)
      return cluster:create({ apiVersion = "v1", kind = "Pod", metadata = { name = name },
        spec = { containers = { { name = "main", image = "app" } } } })[1]
    end
    local early, other = pod "early", pod "other"
    config_map("a", { owner(early, { controller = true }) })
    config_map("b", { owner(other) })
    local late = pod "late"
    config_map("c", { owner(late, { controller = true }) })
    cluster:settle()
    assert.equal("a b c", maps())
    for pod_name, left in pairs { early = "a", late = "c" } do
      cluster:delete("pod/" .. pod_name, { grace_period = 0, force = true })
      cluster:settle()
      assert.is_nil(cluster:get("cm/" .. left))
    end
    assert.equal("b", maps())
  end)

  it("asks for the owner first, so that a set has looked for its revision before that goes", function()
    cluster:create [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]
    cluster:settle()
    cluster:drive("web-0", "ready")
    cluster:delete "pod/web-0"
    cluster:settle()
    cluster:delete("sts/web", { cascade = "foreground" })
    cluster:settle()
    assert.equal(2, cluster:get("sts/web").status.observedGeneration)
    assert.equal(0, cluster:count "controllerrevisions")
  end)

  it("can still be asked otherwise for what only finalizers hold", function()
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "p", finalizers = { "example.com/x" } },
      spec = { containers = { { name = "c", image = "app:1" } } } }
    cluster:delete("pod/p", { grace_period = 0 })
    local left = cluster:delete("pod/p", { cascade = "foreground" })
    assert.same({ "example.com/x", "foregroundDeletion" }, left.metadata.finalizers)
    cluster:settle()
    assert.same({ "example.com/x" }, cluster:get "pod/p".metadata.finalizers)
  end)

  it("keeps a dependent that has another owner, and drops the reference to the one that is gone", function()
    local a, other = config_map "a", config_map "other"
    config_map("b", { owner(a), owner(other) })
    cluster:delete "cm/a"
    cluster:settle()
    assert.equal("b other", maps())
    assert.same({ owner(other) }, cluster:get "cm/b".metadata.ownerReferences)
  end)

  it("collects what names an owner that never was", function()
    config_map("b", { { apiVersion = "v1", kind = "ConfigMap", name = "ghost", uid = "8c9d3c1e-0000-4000-8000-000000000001" } })
    cluster:settle()
    assert.equal("", maps())
  end)

  it("collects what names an owner by name whose uid is another", function()
    local a = config_map "a"
    config_map("b", { owner(a, { uid = "8c9d3c1e-0000-4000-8000-000000000001" }) })
    cluster:settle()
    assert.equal("a", maps())
  end)

  it("takes an owner in another namespace for absent, and warns", function()
    cluster:create { apiVersion = "v1", kind = "Namespace", metadata = { name = "other" } }
    local a = config_map("a", nil, { namespace = "other" })
    config_map("b", { owner(a) })
    cluster:settle()
    assert.equal("", maps())
    local event = cluster:events({ reason = "OwnerRefInvalidNamespace" })[1]
    local text = 'ownerRef [v1/ConfigMap, namespace: default, name: a, uid: %s] does not exist in namespace "default"'
    assert.equal(text:format(a.metadata.uid), event.message)
    assert.equal("garbage-collector-controller", event.source.component)
    assert.equal("Warning", event.type)
  end)

  it("lets the owner wait for those that block it, when it is to go in the foreground", function()
    local a = config_map "a"
    config_map("b", { owner(a, { blockOwnerDeletion = true }) }, { finalizers = { "x/hold" } })
    config_map("c", { owner(a) }, { finalizers = { "x/hold" } })
    local left = cluster:delete("cm/a", { cascade = "foreground" })
    assert.same({ "foregroundDeletion" }, left.metadata.finalizers)
    cluster:settle()
    assert.equal("a b c", maps())
    assert.is_string(cluster:get "cm/b".metadata.deletionTimestamp)
    assert.is_string(cluster:get "cm/c".metadata.deletionTimestamp)
    cluster:patch("cm/b", { metadata = { finalizers = kubesim.null } }, { type = "merge" })
    cluster:settle()
    assert.equal("c", maps()) -- c does not hold its owner
  end)

  it("lets the owner go when a dependent does not block it any more", function()
    for _, change in ipairs { { blockOwnerDeletion = false }, kubesim.null } do
      local a = config_map("a")
      config_map("b", { owner(a, { blockOwnerDeletion = true }) }, { finalizers = { "example.com/x" } })
      cluster:delete("cm/a", { cascade = "foreground" })
      cluster:advance "1m"
      assert.is_table(cluster:get "cm/a")
      local refs = change ~= kubesim.null and { owner(a, change) } or change
      cluster:patch("cm/b", { metadata = { ownerReferences = refs } }, { type = "merge" })
      cluster:advance "1m"
      assert.is_nil(cluster:get "cm/a")
      cluster:patch("cm/b", { metadata = { finalizers = kubesim.null } }, { type = "merge" })
      cluster:advance "1m"
      if cluster:get "cm/b" then cluster:delete "cm/b" end
    end
  end)

  it("does not collect while the owner is held by a finalizer of its own", function()
    local a = config_map("a", nil, { finalizers = { "x/hold" } })
    config_map("b", { owner(a) })
    cluster:delete "cm/a"
    cluster:settle()
    assert.equal("a b", maps())
    assert.is_nil(cluster:get "cm/b".metadata.deletionTimestamp)
    cluster:patch("cm/a", { metadata = { finalizers = kubesim.null } }, { type = "merge" })
    cluster:settle()
    assert.equal("", maps())
  end)

  it("orphans: takes the references away, then lets the owner go", function()
    local a = config_map "a"
    config_map("b", { owner(a) })
    local left = cluster:delete("cm/a", { cascade = "orphan" })
    assert.same({ "orphan" }, left.metadata.finalizers)
    cluster:settle()
    assert.equal("b", maps())
    assert.is_nil(cluster:get "cm/b".metadata.ownerReferences)
  end)

  it("takes only the orphaned owner's reference away", function()
    local a, other = config_map "a", config_map "other"
    config_map("b", { owner(a), owner(other) })
    cluster:delete("cm/a", { cascade = "orphan" })
    cluster:settle()
    assert.same({ owner(other) }, cluster:get "cm/b".metadata.ownerReferences)
  end)

  it("lets an owner go when all its dependents are free, whatever writes fail", function()
    for seed = 1, 20 do
      local world <close> = kubesim.new { nodes = 0, seed = seed }
      local a = world:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "a" } }[1]
      for i = 1, 4 do
        world:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "b" .. i, ownerReferences = { owner(a) } } }
      end
      world:settle()
      world:fail_writes("garbagecollector", 0.5)
      world:watch("cm", function(what, object)
        if what ~= "DELETED" then return end
        assert.equal("a", object.metadata.name)
        for i = 1, 4 do assert.is_nil(world:get("cm/b" .. i).metadata.ownerReferences) end
      end)
      world:delete("cm/a", { cascade = "orphan" })
      world:settle { timeout = "1h" }
      assert.is_nil(world:get "cm/a")
      assert.equal(4, #world:list("cm", { fields = "metadata.name!=kube-root-ca.crt" }))
    end
  end)

  it("opens a circle of those that wait for each other", function()
    local a = config_map "a"
    local b = config_map("b", { owner(a, { blockOwnerDeletion = true }) })
    cluster:patch("cm/a", { metadata = { ownerReferences = { owner(b, { blockOwnerDeletion = true }) } } })
    cluster:settle()
    assert.equal("a b", maps())
    cluster:delete("cm/a", { cascade = "foreground" })
    cluster:settle()
    assert.equal("", maps())
  end)

  it("deletes in the way that a dependent's own finalizer asks for", function()
    local a = config_map "a"
    local b = config_map("b", { owner(a) }, { finalizers = { "orphan" } })
    config_map("c", { owner(b) })
    cluster:delete "cm/a"
    cluster:settle()
    assert.equal("c", maps())
    assert.is_nil(cluster:get "cm/c".metadata.ownerReferences)
  end)

  it("keeps what names a kind that it does not know", function()
    config_map("b", { { apiVersion = "example.com/v1", kind = "Widget", name = "w", uid = "8c9d3c1e-0000-4000-8000-000000000001" } })
    cluster:settle()
    assert.equal("b", maps())
  end)

  it("a second deletion in the background undoes the wait", function()
    local a = config_map "a"
    config_map("b", { owner(a, { blockOwnerDeletion = true }) }, { finalizers = { "x/hold" } })
    cluster:delete("cm/a", { cascade = "foreground" })
    assert.is_nil(cluster:delete("cm/a", { cascade = "background" }))
    assert.equal("b", maps())
  end)

  it("goes through a Deployment bottom-up in the foreground", function()
    cluster:apply [[{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 2, selector: {matchLabels: {app: x}},
      template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: i}]}}}}]]
    cluster:settle()
    local order = {}
    local watches = {}
    for _, kind in ipairs { "deploy", "rs", "pod" } do
      watches[#watches + 1] = cluster:watch(kind, function(what, object)
        if what == "DELETED" then order[#order + 1] = object.kind end
      end)
    end
    cluster:delete("deploy/d", { cascade = "foreground" })
    cluster:settle()
    for _, pod in ipairs(cluster:list "pod") do cluster:drive(pod.metadata.name, "gone") end
    cluster:settle()
    assert.same({ "Pod", "Pod", "ReplicaSet", "Deployment" }, order)
    for _, watch in ipairs(watches) do watch:stop() end
  end)

  it("leaves a Deployment's ReplicaSets and pods behind when orphaned", function()
    cluster:apply [[{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 2, selector: {matchLabels: {app: x}},
      template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: i}]}}}}]]
    cluster:settle()
    cluster:delete("deploy/d", { cascade = "orphan" })
    cluster:settle()
    assert.equal(0, cluster:count "deploy")
    assert.is_nil(cluster:list("rs")[1].metadata.ownerReferences)
    assert.equal(2, cluster:count "pod")
  end)

  it("sets free all that a StatefulSet has made although it is restarted in between", function()
    cluster:apply [[{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: s}, spec: {replicas: 2, selector: {matchLabels: {app: x}},
      podManagementPolicy: Parallel, template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: i}]}}}}]]
    cluster:settle()
    cluster:delete("sts/s", { cascade = "orphan" })
    cluster:restart "garbagecollector"
    cluster:settle()
    assert.equal(0, cluster:count "sts")
    assert.equal(2, cluster:count "pod")
    local revisions = cluster:list "controllerrevision"
    assert.equal(1, #revisions)
    assert.is_nil(revisions[1].metadata.ownerReferences)
  end)

  it("does not give a new owner of the same name the old one's dependents", function()
    local a = config_map "a"
    config_map("b", { owner(a) }, { finalizers = { "x/hold" } })
    cluster:delete "cm/a"
    config_map "a"
    cluster:settle()
    assert.is_string(cluster:get "cm/b".metadata.deletionTimestamp)
  end)

  it("finds the dependents of what was imported with another one's uid, late or not", function()
    for _, late in ipairs { 0, 1 } do
      cluster:lag("garbagecollector", late)
      local uid = ("1111111%d-2222-4333-8444-555555555555"):format(late)
      local function with_uid(kind)
        return { apiVersion = "v1", kind = kind, metadata = { name = "twin-" .. late, namespace = "default", uid = uid } }
      end
      cluster:import { with_uid "Secret" }
      cluster:import { with_uid "ConfigMap" }
      config_map("b", { owner(with_uid "Secret", { controller = true }) })
      cluster:settle()
      assert.is_table(cluster:get "cm/b")
      cluster:delete("secret/twin-" .. late)
      cluster:settle()
      assert.is_nil((cluster:get "cm/b"))
    end
  end)
end)
