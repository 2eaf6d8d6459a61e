-- What a StatefulSet does with pods that it did not make.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local STRAY = [[
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web}}
spec: {containers: [{name: main, image: "app:1"}]}
]]

local SET = [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 3
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: "app:1", volumeMounts: [{name: data, mountPath: /data}]}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: fast, resources: {requests: {storage: 1Gi}}}
]]

describe("a pod without volumes that a StatefulSet with claims adopts", function()
  local cluster

  before_each(function()
    cluster = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(STRAY)
    cluster:create(SET)
    cluster:advance "5s"
  end)
  after_each(function() cluster:close() end)

  it("is not given any: the API server refuses it, and the set tries again", function()
    local stray = cluster:get "pod/web-1"
    assert.equal("StatefulSet", stray.metadata.ownerReferences[1].kind)
    assert.equal(1, stray.metadata.generation)
    assert.equal(nil, stray.metadata.labels["statefulset.kubernetes.io/pod-name"])
    for _, volume in ipairs(stray.spec.volumes) do assert.equal(nil, volume.persistentVolumeClaim) end
    local refused = cluster:events { ref = "sts/web", reason = "FailedUpdate" }
    assert.equal(1, #refused)
    assert.is_true(refused[1].count > 5)
    assert.matches('Update Pod web-1 in StatefulSet web failed error: Pod "web-1" is invalid: spec: Forbidden: pod updates may not change',
      refused[1].message, 1, true)
  end)

  it("keeps the others of a Parallel set from nothing, and has its claim", function()
    assert.same({ 3, 3 }, { cluster:count "pod", cluster:count "pvc" })
    cluster:delete("pod/web-1", { grace_period = 0 })
    cluster:advance "10s"
    assert.equal("data-web-1", cluster:get("pod/web-1").spec.volumes[1].persistentVolumeClaim.claimName)
  end)
end)

describe("a pod that a StatefulSet would call otherwise", function()
  it("has the place of the one that is missing, which cannot be written then", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(workload.pod("web-01", { app = "web" }))
    cluster:create(workload.set("StatefulSet", { replicas = 2, podManagementPolicy = "Parallel" }))
    cluster:advance "1m"
    assert.equal("StatefulSet", cluster:get "pod/web-01".metadata.ownerReferences[1].kind)
    assert.is_nil(cluster:get "pod/web-1")
    assert.is_nil(cluster:get "pod/web-01".metadata.labels["statefulset.kubernetes.io/pod-name"])
    assert.same({ 'Update Pod web-1 in StatefulSet web failed error: pods "web-1" not found' },
      workload.told(cluster, "sts/web", "FailedUpdate"))
    assert.same({}, workload.told(cluster, "sts/web", "SuccessfulUpdate"))
  end)

  it("has the claims made of the one that is missing", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(workload.pod("web-01", { app = "web" }))
    cluster:advance "1s"
    cluster:drive("web-01", "ready") -- one that is pending has them made in any case
    cluster:create(workload.set("StatefulSet",
      { replicas = 2, podManagementPolicy = "Parallel", volumeClaimTemplates = { workload.claim("data", "fast") } }))
    cluster:advance "1m"
    assert.is_not_nil(cluster:get "pvc/data-web-1")
    local told = table.concat(workload.told(cluster, "sts/web", "SuccessfulCreate"), "\n")
    assert.matches("Create Claim data-web-1 Pod web-1 in StatefulSet web success", told, 1, true)
    assert.same({ 'Update Pod web-1 in StatefulSet web failed error: pods "web-1" not found' },
      workload.told(cluster, "sts/web", "FailedUpdate"))
  end)

  it("has the one of that name written in its stead, whosever it is", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create { workload.pod("web-1", { app = "other" }), workload.pod("web-01", { app = "web" }) }
    cluster:create(workload.set("StatefulSet", { replicas = 2, podManagementPolicy = "Parallel" }))
    cluster:advance "1m"
    assert.same({ app = "other", ["statefulset.kubernetes.io/pod-name"] = "web-1", ["apps.kubernetes.io/pod-index"] = "1" },
      cluster:get "pod/web-1".metadata.labels)
    assert.same({ app = "web" }, cluster:get "pod/web-01".metadata.labels)
    assert.same({ "Update Pod web-1 in StatefulSet web successful" }, workload.told(cluster, "sts/web", "SuccessfulUpdate"))
    assert.same({}, workload.told(cluster, "sts/web", "FailedUpdate"))
  end)
end)
