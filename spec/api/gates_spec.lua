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
