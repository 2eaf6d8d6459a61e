-- The claims of a StatefulSet's pods: what they are called and labelled, whose they are, and what comes of those that cannot be made.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local told = workload.told

describe("a StatefulSet's claims", function()
  local cluster

  before_each(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  ---A set with such a retention policy and claim templates; `more` of its spec.
  local function create(when_scaled, when_deleted, more, ...)
    local spec = { replicas = 1, volumeClaimTemplates = { workload.claim("data", "fast"), ... },
      persistentVolumeClaimRetentionPolicy = { whenScaled = when_scaled, whenDeleted = when_deleted } }
    for key, value in pairs(more or {}) do spec[key] = value end
    cluster:create(workload.set("StatefulSet", spec))
    cluster:settle()
  end

  local function claim_owned_by(...)
    local claim = workload.claim("data-web-0", "fast")
    claim.metadata.ownerReferences = { ... }
    return claim
  end

  ---A reference to an object that is there.
  local function reference(name, more)
    local object = cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = name } }[1]
    local ref = { apiVersion = "v1", kind = "ConfigMap", name = name, uid = object.metadata.uid }
    for key, value in pairs(more or {}) do ref[key] = value end
    return ref
  end

  local function owners(name)
    local list = {}
    for i, ref in ipairs(cluster:get("pvc/" .. name).metadata.ownerReferences or {}) do
      list[i] = ref.kind .. "/" .. ref.name .. (ref.controller and " controls" or "")
    end
    return list
  end

  it("have their template's labels, but those that the selector demands win", function()
    local template = workload.claim("data", "fast")
    template.metadata.labels = { app = "other", tier = "store" }
    cluster:create(workload.set("StatefulSet", { replicas = 1, volumeClaimTemplates = { template } }))
    cluster:settle()
    assert.same({ app = "web", tier = "store" }, cluster:get("pvc/data-web-0").metadata.labels)
  end)

  it("that are refused keep the pod from being made, which both are told of", function()
    cluster:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "none" },
      spec = { hard = { persistentvolumeclaims = 0 } } }
    create("Retain", "Retain", nil, workload.claim("logs", "fast"))
    local function why(name)
      return ('persistentvolumeclaims "%s" is forbidden: exceeded quota: none, requested: persistentvolumeclaims=1, '
        .. "used: persistentvolumeclaims=0, limited: persistentvolumeclaims=0"):format(name)
    end
    assert.same({
      "Create Claim data-web-0 for Pod web-0 in StatefulSet web failed error: " .. why "data-web-0",
      "Create Claim logs-web-0 for Pod web-0 in StatefulSet web failed error: " .. why "logs-web-0",
      ("Create Pod web-0 in StatefulSet web failed error: [failed to create PVC data-web-0: %s, failed to create PVC logs-web-0: %s]")
        :format(why "data-web-0", why "logs-web-0"),
    }, told(cluster, "sts/web", "FailedCreate"))
    assert.equal(0, cluster:count "pod")
  end)

  it("leave a claim to another controller, and say so", function()
    cluster:create(claim_owned_by(reference("boss", { controller = true })))
    create("Delete", "Delete")
    assert.same({ "ConfigMap/boss controls" }, owners "data-web-0")
    assert.same({ "PersistentVolumeClaim data-web-0 has a conflicting OwnerReference that acts as a manging controller, "
      .. "the retention policy is ignored for this claim" }, told(cluster, "sts/web", "ConflictingController"))
  end)

  it("say nothing of another controller while they are retained", function()
    cluster:create(claim_owned_by(reference("boss", { controller = true })))
    create("Retain", "Retain")
    assert.same({ "ConfigMap/boss controls" }, owners "data-web-0")
    assert.same({}, told(cluster, "sts/web", "ConflictingController"))
  end)

  it("keep owners that control nothing beside the set", function()
    cluster:create(claim_owned_by(reference "friend"))
    create("Retain", "Delete")
    assert.same({ "ConfigMap/friend", "StatefulSet/web controls" }, owners "data-web-0")
    cluster:patch("sts/web", { spec = { persistentVolumeClaimRetentionPolicy = { whenDeleted = "Retain" } } })
    cluster:settle()
    assert.same({ "ConfigMap/friend" }, owners "data-web-0")
  end)

  it("name the set as their controller, not as an owner among others", function()
    create("Retain", "Delete")
    local plain = { op = "replace", path = "/metadata/ownerReferences/0/controller", value = false }
    cluster:patch("pvc/data-web-0", { plain }, { type = "json" })
    assert.same({ "StatefulSet/web" }, owners "data-web-0")
    cluster:patch("sts/web", { metadata = { labels = { look = "again" } } })
    cluster:settle()
    assert.same({ "StatefulSet/web controls" }, owners "data-web-0")
  end)

  it("are left alone where they name a former set of that name", function()
    cluster:lag("garbagecollector", "1h")
    local former = { apiVersion = "apps/v1", kind = "StatefulSet", name = "web", uid = "0000", controller = true }
    cluster:create(claim_owned_by(former))
    create("Retain", "Delete")
    assert.equal("0000", cluster:get("pvc/data-web-0").metadata.ownerReferences[1].uid)
    assert.equal(1, cluster:count "pod")
  end)

  for _, policy in ipairs { "OrderedReady", "Parallel" } do
    it("are marked to go with pods before any of these is deleted, whatever writes fail: " .. policy, function()
      local failed = 0
      for seed = 1, 12 do
        local world <close> = kubesim.new { nodes = 1, seed = seed }
        world:create(workload.set("StatefulSet", { replicas = 4, podManagementPolicy = policy,
          volumeClaimTemplates = { workload.claim "data" },
          persistentVolumeClaimRetentionPolicy = { whenScaled = "Delete", whenDeleted = "Retain" } }))
        world:advance "5m"
        local function are_marked(from)
          for i = from, 3 do
            local claim = world:get("pvc/data-web-" .. i)
            if claim and world:get("pod/web-" .. i) then assert.equal("Pod", claim.metadata.ownerReferences[1].kind) end
          end
        end
        world:watch("pod", function(_, pod)
          if pod.metadata.deletionTimestamp then are_marked(1) end
        end)
        world:watch("pvc", function(_, claim) -- in order one after the other, from the top
          if claim.metadata.ownerReferences and policy == "OrderedReady" then are_marked(tonumber(claim.metadata.name:match "%d+$")) end
        end)
        world:fail_writes("statefulset", 0.6)
        world:scale("sts/web", 1)
        world:advance "1m"
        failed = failed + #world:events { ref = "sts/web", reason = "FailedDelete" }
        world:fail_writes("statefulset", 0)
        world:advance "5m"
        assert.equal(1, world:count "pod")
        assert.equal(1, world:count "pvc")
      end
      assert.is_true(failed > 0)
    end)
  end
end)
