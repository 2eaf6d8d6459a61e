-- Which components work when something of an object changes: those to which that part of it means something, and no others.
local kubesim = require "kubesim"

local OBJECTS = [[
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: app}]}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: bare, labels: {app: bare}}
spec: {containers: [{name: main, image: app}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: other}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
]]

describe("a change of a pod", function()
  local cluster, pod
  before_each(function()
    cluster = kubesim.new { nodes = 2 }
    cluster:create { apiVersion = "v1", kind = "Namespace", metadata = { name = "other" } }
    cluster:apply(OBJECTS)
    cluster:settle()
    pod = "pod/" .. cluster:list("pod", { labels = "app=web" })[1].metadata.name
  end)
  after_each(function() cluster:close() end)

  ---The components that work at once after a change, in the order of their names.
  local function work(fn)
    fn()
    local seen, list, now = {}, {}, cluster:now()
    while cluster.core:due() == cluster.core:instant() do seen[cluster:step().component] = true end
    assert.equal(now, cluster:now())
    for name in pairs(seen) do list[#list + 1] = name end
    table.sort(list)
    return list
  end

  local function patch(ref, what, subresource)
    return work(function() cluster:patch(ref, what, { type = "merge", subresource = subresource }) end)
  end

  it("in a status field that nobody acts on lets its set look, as every update of a pod does", function()
    assert.same({ "replicaset" }, patch(pod, { status = { message = "hello" } }, "status"))
    assert.same({}, patch("pod/bare", { status = { message = "hello" } }, "status"))
  end)

  it("in its annotations does, too", function()
    assert.same({ "replicaset" }, patch(pod, { metadata = { annotations = { a = "b" } } }))
  end)

  it("in its readiness reaches the Services that select it", function()
    local conditions = cluster:get(pod).status.conditions
    for _, condition in ipairs(conditions) do
      if condition.type == "Ready" then condition.status = "False" end
    end
    local working = patch(pod, { status = { conditions = conditions } }, "status")
    assert.same({ "endpoints", "endpointslice", "replicaset" }, working)
  end)

  it("in its labels reaches who selects them, before and now", function()
    cluster:apply [[{apiVersion: v1, kind: Service, metadata: {name: bare}, spec: {selector: {app: bare}, ports: [{port: 80}]}}]]
    cluster:settle()
    local working = patch("pod/bare", { metadata = { labels = { app = "web" } } })
    assert.same({ "endpoints", "endpointslice", "kubelet", "replicaset" }, working) -- the set adopts it, and deletes one too many
  end)

  it("is seen by a budget of its namespace whatever it is, and by none of another", function()
    cluster:apply [[{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web},
      spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}]]
    cluster:settle()
    assert.same({ "disruption", "replicaset" }, patch(pod, { status = { message = "hello" } }, "status"))
  end)
end)
