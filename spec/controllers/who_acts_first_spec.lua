-- What several components hear of at once: who of them acts first, as recorded from a real cluster.
local kubesim = require "kubesim"

local POD = [[
apiVersion: v1
kind: Pod
metadata: {name: web-7, labels: {app: web}}
spec: {containers: [{name: main, image: "app:1"}]}
]]

local function set(kind, more)
  return ([[
apiVersion: apps/v1
kind: %s
metadata: {name: web}
spec:
  replicas: 1
  %s
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]):format(kind, more or "")
end

local function ready_world(manifest)
  local cluster = kubesim.new { nodes = 1, kubelet = "manual" }
  cluster:create(manifest)
  cluster:settle()
  for _, pod in ipairs(cluster:list "pod") do cluster:drive(pod.metadata.name, "ready") end
  cluster:settle()
  return cluster
end

describe("a pod that a set adopts and has no use for", function()
  for _, kind in ipairs { "ReplicaSet", "StatefulSet" } do
    it(("has got its node by then, so it ends in its time (%s)"):format(kind), function()
      local cluster <close> = ready_world(set(kind))
      cluster:create(POD)
      cluster:settle()
      local pod = assert(cluster:get "pod/web-7")
      assert.equal("k8s-node1", pod.spec.nodeName)
      assert.equal(30, pod.metadata.deletionGracePeriodSeconds)
    end)
  end
end)

describe("a ReplicaSet that adopts a pod as it is made and has one too many", function()
  local COST = "controller.kubernetes.io/pod-deletion-cost"

  it("knows it without a node, so that it is the one to go, whatever others cost", function()
    local cluster <close> = ready_world((set("ReplicaSet"):gsub("replicas: 1", "replicas: 2")))
    for i, pod in ipairs(cluster:list "pod") do
      cluster:drive(pod.metadata.name, "running")
      cluster:patch("pod/" .. pod.metadata.name, { metadata = { annotations = { [COST] = tostring(-i) } } })
    end
    cluster:scale("rs/web", 3)
    cluster:settle()
    cluster:create(POD)
    cluster:settle()
    for _, pod in ipairs(cluster:list "pod") do
      assert.equal(pod.metadata.name == "web-7", pod.metadata.deletionTimestamp ~= nil, pod.metadata.name)
    end
  end)

  it("knows one that it adopts later on the node that it has", function()
    local cluster <close> = ready_world(set("ReplicaSet"))
    local own = cluster:list("pod")[1].metadata.name
    cluster:drive(own, "running")
    cluster:patch("pod/" .. own, { metadata = { annotations = { [COST] = "-1" } } })
    cluster:create((POD:gsub("app: web", "app: other")))
    cluster:settle()
    cluster:drive("web-7", "ready")
    cluster:patch("pod/web-7", { metadata = { labels = { app = "web" } } })
    cluster:settle()
    assert.is_not_nil(cluster:get("pod/" .. own).metadata.deletionTimestamp)
    assert.is_nil(cluster:get("pod/web-7").metadata.deletionTimestamp)
  end)
end)

describe("a ReplicaSet of a Deployment that is scaled by hand", function()
  it("has killed its pods when the Deployment puts the number right", function()
    local cluster <close> = ready_world((set("Deployment"):gsub("replicas: 1", "replicas: 3")))
    local rs = cluster:list("rs")[1].metadata.name
    local sizes = {}
    cluster:watch("ReplicaSet", function(_, object)
      if sizes[#sizes] ~= object.spec.replicas then sizes[#sizes + 1] = object.spec.replicas end
    end)
    cluster:scale("rs/" .. rs, 1)
    cluster:settle()
    assert.same({ 1, 3 }, sizes)
    assert.equal(3, cluster:get("rs/" .. rs).spec.replicas)
    local going, all = 0, cluster:list "pod"
    for _, pod in ipairs(all) do going = going + (pod.metadata.deletionTimestamp and 1 or 0) end
    assert.same({ 5, 2 }, { #all, going })
  end)
end)

describe("a StatefulSet in a quota that is full", function()
  it("gives the room of a pod that has failed to the next ordinal, while it ends that pod", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "q" }, spec = { hard = { pods = 1 } } }
    cluster:create((set("StatefulSet", "podManagementPolicy: Parallel"):gsub("replicas: 1", "replicas: 2")))
    cluster:advance "1s"
    assert.is_not_nil(cluster:get "pod/web-0")
    cluster:drive("web-0", "failed")
    cluster:advance "1s"
    assert.is_nil(cluster:get "pod/web-0")
    assert.is_not_nil(cluster:get "pod/web-1")
  end)
end)
