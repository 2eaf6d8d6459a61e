-- What is at work on an object and is told of it again looks again only when it is done: others see what it has written until then.
local kubesim = require "kubesim"

describe("a controller that is told of what it works on", function()
  it("lets others see its first status before it writes the next", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]
    cluster:settle()
    local seen = {}
    cluster:watch("Deployment", function(_, object)
      local now = object.status.replicas
      if seen[#seen] ~= now then seen[#seen + 1] = now end
    end)
    cluster:drive(cluster:list("pod")[1].metadata.name, "failed")
    cluster:settle()
    assert.same({ 1, 2 }, seen)
  end)
end)

describe("a ReplicaSet that somebody scales under its Deployment", function()
  it("has begun with it before the Deployment puts it right", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]
    cluster:settle()
    for _, pod in ipairs(cluster:list "pod") do cluster:drive(pod.metadata.name, "ready") end
    local set = cluster:list("rs")[1].metadata.name
    local sizes = {}
    cluster:watch("ReplicaSet", function(_, object)
      if sizes[#sizes] ~= object.spec.replicas then sizes[#sizes + 1] = object.spec.replicas end
    end)
    cluster:kubectl("scale rs " .. set .. " --replicas=0")
    cluster:advance "1s"
    assert.same({ 0, 2 }, sizes)
    local leaving, new = 0, 0
    for _, pod in ipairs(cluster:list "pod") do
      if pod.metadata.deletionTimestamp then leaving = leaving + 1 else new = new + 1 end
    end
    assert.same({ 2, 2 }, { leaving, new })
  end)
end)
