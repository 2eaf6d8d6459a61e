-- What a feature gate changes in objects as they are stored.
local kubesim = require "kubesim"

local SET = [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]

local function strategy(cluster) return cluster:get("sts/web").spec.updateStrategy end

describe("the feature gate MaxUnavailableStatefulSet", function()
  it("lets a rolling update that does not say take one pod at a time", function()
    local cluster <close> = kubesim.new { kubelet = "manual", feature_gates = { MaxUnavailableStatefulSet = true } }
    cluster:create(SET)
    assert.same({ type = "RollingUpdate", rollingUpdate = { partition = 0, maxUnavailable = 1 } }, strategy(cluster))
    cluster:patch("sts/web", { spec = { updateStrategy = { type = "OnDelete", rollingUpdate = kubesim.null } } })
    assert.same({ type = "OnDelete" }, strategy(cluster))
    cluster:patch("sts/web", { spec = { updateStrategy = { type = "RollingUpdate" } } })
    assert.same({ type = "RollingUpdate" }, strategy(cluster))
    cluster:patch("sts/web", { spec = { updateStrategy = { rollingUpdate = { partition = 2 } } } })
    assert.same({ type = "RollingUpdate", rollingUpdate = { partition = 2, maxUnavailable = 1 } }, strategy(cluster))
    cluster:patch("sts/web", { spec = { updateStrategy = { rollingUpdate = { maxUnavailable = "50%" } } } })
    assert.same({ type = "RollingUpdate", rollingUpdate = { partition = 2, maxUnavailable = "50%" } }, strategy(cluster))
  end)

  it("drops the number where it is off", function()
    local cluster <close> = kubesim.new { kubelet = "manual" }
    cluster:create(SET)
    cluster:patch("sts/web", { spec = { updateStrategy = { rollingUpdate = { maxUnavailable = 3 } } } })
    assert.same({ type = "RollingUpdate", rollingUpdate = { partition = 0 } }, strategy(cluster))
  end)
end)

describe("a feature gate", function()
  local function refused(version, name, value)
    local ok, err = pcall(kubesim.new, { version = version, feature_gates = { [name] = value } })
    assert.is_false(ok)
    return (tostring(err):gsub("^.-option 'feature_gates': ", ""):gsub("%)$", ""))
  end

  it("is refused in releases that do not know it", function()
    assert.equal("unrecognized feature gate: StaleControllerConsistencyStatefulSet (there is none before 1.36)",
      refused("1.35", "StaleControllerConsistencyStatefulSet", true))
    assert.equal("unrecognized feature gate: StatefulSetAutoDeletePVC (gone since 1.35: always on)",
      refused("1.36", "StatefulSetAutoDeletePVC", true))
    assert.equal("unrecognized feature gate: HonorPVReclaimPolicy (gone since 1.36: always on)",
      refused("1.36", "HonorPVReclaimPolicy", true))
    for version, name in pairs { ["1.34"] = "PodIndexLabel", ["1.35"] = "HonorPVReclaimPolicy" } do
      kubesim.new { version = version, feature_gates = { [name] = true } }:close()
    end
  end)

  it("that is locked cannot be set otherwise", function()
    assert.equal("cannot set feature gate SidecarContainers to false, feature is locked to true",
      refused("1.34", "SidecarContainers", false))
    assert.equal("cannot set feature gate InPlacePodVerticalScaling to false, feature is locked to true",
      refused("1.35", "InPlacePodVerticalScaling", false))
    assert.matches("not supported yet: feature gate InPlacePodVerticalScaling=false",
      refused("1.34", "InPlacePodVerticalScaling", false), 1, true)
  end)

  it("DeploymentReplicaSetTerminatingReplicas shows the number, or not, in each release", function()
    for _, version in ipairs { "1.34", "1.35", "1.36" } do
      for _, on in ipairs { true, false } do
        local cluster <close> = kubesim.new { kubelet = "manual", version = version,
          feature_gates = { DeploymentReplicaSetTerminatingReplicas = on } }
        cluster:create((SET:gsub("StatefulSet", "Deployment")))
        cluster:advance(1)
        assert.equal(on and 0 or nil, cluster:get("deploy/web").status.terminatingReplicas, version)
        assert.equal(on and 0 or nil, cluster:list("rs")[1].status.terminatingReplicas, version)
      end
    end
  end)

  it("StatefulSetSemanticRevisionComparison keeps a revision that an older release has written", function()
    for _, on in ipairs { true, false } do
      local cluster <close> = kubesim.new { kubelet = "manual", feature_gates = { StatefulSetSemanticRevisionComparison = on } }
      cluster:create(SET)
      cluster:advance(1)
      local revision = cluster:list("controllerrevision")[1]
      revision.metadata.name, revision.metadata.uid, revision.metadata.resourceVersion = "web-old", nil, nil
      revision.data.spec.template.metadata.creationTimestamp = kubesim.null
      cluster:delete("controllerrevision/" .. cluster:get("sts/web").status.updateRevision)
      cluster:create(revision)
      cluster:patch("sts/web", { spec = { replicas = 1 } })
      cluster:advance(1)
      assert.equal(on and 1 or 2, cluster:count "controllerrevision")
    end
  end)
end)
