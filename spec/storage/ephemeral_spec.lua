-- Volumes that come and go with a pod: claims made from a template in the pod itself. Texts and counts of a v1.36.2 control plane.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local SPEC <const> = { accessModes = { "ReadWriteOnce" }, storageClassName = "fast", resources = { requests = { storage = "1Gi" } } }

---@param volumes integer how many
---@param metadata? table of the template
local function pod_spec(volumes, metadata)
  local spec = { containers = { { name = "main", image = "app", volumeMounts = {} } }, volumes = {} }
  for i = 1, volumes do
    spec.containers[1].volumeMounts[i] = { name = "scratch-" .. i, mountPath = "/scratch/" .. i }
    spec.volumes[i] = { name = "scratch-" .. i, ephemeral = { volumeClaimTemplate = { metadata = metadata, spec = SPEC } } }
  end
  return spec
end

local function pod(name, volumes, metadata)
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name }, spec = pod_spec(volumes, metadata) }
end

local function event(cluster, ref, reason)
  local found
  for _, e in ipairs(cluster:events { ref = ref, reason = reason }) do found = e end
  return found
end

local function names(cluster)
  local out = {}
  for i, claim in ipairs(cluster:list "pvc") do out[i] = claim.metadata.name end
  return out
end

describe("a pod with ephemeral volumes", function()
  it("gets claims of its own, with the template's labels and annotations, and runs", function()
    local cluster <close> = kubesim.new {}
    cluster:create(pod("web", 2, { labels = { tier = "scratch" }, annotations = { note = "mine" } }))
    assert(cluster:wait_for("pod/web", "ready"))
    assert.same({ "web-scratch-1", "web-scratch-2" }, names(cluster))
    local claim = cluster:get "pvc/web-scratch-1"
    assert.same({ tier = "scratch" }, claim.metadata.labels)
    assert.equal("mine", claim.metadata.annotations.note)
    assert.same({ { apiVersion = "v1", kind = "Pod", name = "web", uid = cluster:get "pod/web".metadata.uid, controller = true,
      blockOwnerDeletion = true } }, claim.metadata.ownerReferences)
    assert.equal("Bound", claim.status.phase)
    assert.equal('0/2 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim '
      .. '"web-scratch-1". not found', cluster:events { ref = "pod/web", reason = "FailedScheduling" }[1].message)
    assert.equal("default-scheduler", cluster:events { ref = "pod/web", reason = "FailedScheduling" }[1].reportingComponent)
  end)

  it("takes them with it, and their volumes", function()
    local cluster <close> = kubesim.new {}
    cluster:create(pod("web", 2))
    assert(cluster:wait_for("pod/web", "ready"))
    assert.equal(2, cluster:count "pv")
    cluster:delete "pod/web"
    cluster:advance "1m"
    assert.same({}, names(cluster))
    assert.equal(0, cluster:count "pv")
  end)

  it("gets a claim anew that somebody deletes before it is used", function()
    local cluster <close> = kubesim.new { nodes = 0 }
    cluster:create(pod("web", 1))
    cluster:advance "5s"
    local before = cluster:get "pvc/web-scratch-1".metadata.uid
    cluster:delete "pvc/web-scratch-1"
    cluster:advance "1s"
    assert.not_equal(before, cluster:get "pvc/web-scratch-1".metadata.uid)
  end)

  it("waits while a claim of that name is not its own, and goes on when that is gone", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "web-scratch-1" }, spec = SPEC }
    cluster:create(pod("web", 2))
    cluster:advance "6s"
    local said = event(cluster, "pod/web", "FailedBinding")
    assert.equal("ephemeral volume scratch-1: PVC default/web-scratch-1 was not created for pod default/web (pod is not owner)",
      said.message)
    assert.equal(11, said.count)
    assert.equal("ephemeral_volume", said.source.component)
    assert.equal("0/1 nodes are available: PVC default/web-scratch-1 was not created for pod default/web (pod is not owner). not found",
      event(cluster, "pod/web", "FailedScheduling").message)
    assert.same({ "web-scratch-1" }, names(cluster))
    cluster:delete "pvc/web-scratch-1"
    assert(cluster:wait_for("pod/web", "ready"))
    assert.same({ "web-scratch-1", "web-scratch-2" }, names(cluster))
  end)

  it("does not start with another's claim either where it was put on its node by hand", function()
    local cluster <close> = kubesim.new { nodes = { { name = "only" } } }
    cluster:create { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "web-scratch-1" }, spec = SPEC }
    cluster:advance "5s"
    assert.equal("Bound", cluster:get "pvc/web-scratch-1".status.phase)
    local web = pod("web", 1)
    web.spec.nodeName = "only"
    cluster:create(web)
    cluster:advance "5m"
    assert.equal("Pending", cluster:get "pod/web".status.phase)
    assert.matches("PVC default/web%-scratch%-1 was not created for pod default/web %(pod is not owner%)",
      event(cluster, "pod/web", "FailedMount").message)
  end)

  it("says which quota stands in the way", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "few" },
      spec = { hard = { persistentvolumeclaims = "1" } } }
    cluster:advance "1s"
    cluster:create(pod("web", 2))
    cluster:advance "6s"
    assert.equal('ephemeral volume scratch-2: create PVC web-scratch-2: persistentvolumeclaims "web-scratch-2" is forbidden: exceeded '
      .. 'quota: few, requested: persistentvolumeclaims=1, used: persistentvolumeclaims=1, limited: persistentvolumeclaims=1',
      event(cluster, "pod/web", "FailedBinding").message)
    cluster:patch("quota/few", { spec = { hard = { persistentvolumeclaims = "2" } } })
    assert(cluster:wait_for("pod/web", "ready"))
  end)
end)

describe("a StatefulSet whose pods have ephemeral volumes", function()
  local function set(replicas) return workload.set("StatefulSet", { replicas = replicas }, pod_spec(1)) end

  it("rolls out, each pod with a claim made anew, whatever is restarted on the way", function()
    local cluster <close> = kubesim.new {}
    cluster:create(set(3))
    cluster:advance "1s"
    cluster:restart "ephemeral-volume"
    assert(cluster:wait_for("sts/web", "ready"))
    local before = {}
    for _, claim in ipairs(cluster:list "pvc") do before[claim.metadata.name] = claim.metadata.uid end
    assert.equal(3, cluster:count "pvc")
    cluster:kubectl "rollout restart sts/web"
    cluster:advance "2s"
    cluster:restart "ephemeral-volume"
    assert(cluster:settle { timeout = "1h" })
    assert.equal(3, cluster:get "sts/web".status.updatedReplicas)
    assert.equal(3, cluster:count "pvc")
    for name, uid in pairs(before) do assert.not_equal(uid, cluster:get("pvc/" .. name).metadata.uid) end
  end)

  it("gets through refused writes and late watches", function()
    for seed = 1, 20 do
      local cluster <close> = kubesim.new { seed = seed, latency = { watch = { "0ms", "3s" } } }
      cluster:fail_writes("ephemeral-volume", 0.5)
      cluster:create(set(3))
      cluster:advance "1m"
      cluster:fail_writes("ephemeral-volume", 0)
      assert(cluster:wait_for("sts/web", "ready", { timeout = "1h" }), "seed " .. seed)
      assert.equal(3, cluster:count "pvc", "seed " .. seed)
    end
  end)
end)
