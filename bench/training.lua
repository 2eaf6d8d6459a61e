--- What `make build PGO=1` counts the ways through the code by: a little of all that people do with a cluster, as much as it weighs.
--- What is not played here is compiled as without counts. It measures nothing, and prints nothing.

local kubesim = require "kubesim"

local PODS = 1200

local function cluster()
  local nodes = {}
  for i = 1, 20 do nodes[i] = { name = "node-" .. i, capacity = { cpu = "1000", memory = "4000Gi", pods = 1000 } } end
  return kubesim.new { nodes = nodes }
end

---A workload's manifest, as YAML: what people have.
---@param kind string
---@param spec string lines of its spec, indented by two
---@param mount string? of its container
---@param replicas integer?
local function manifest(kind, spec, mount, replicas)
  return ([[
apiVersion: apps/v1
kind: %s
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
%s
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: main
        image: app:1
        %s
]]):format(kind, replicas or PODS, spec, mount or "")
end

local CLAIMS = [[
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}%s}
]]

---Created, rolled to another image, scaled down by half and deleted.
local function live(kind, spec, mount)
  local c <close> = cluster()
  local ref = kind .. "/web"
  c:apply(manifest(kind, spec, mount))
  assert(c:wait_for(ref, "ready", { timeout = "1000h" }))
  if kind ~= "ReplicaSet" then
    c:patch(ref, { spec = { template = { spec = { containers = { { name = "main", image = "app:2" } } } } } })
    assert(c:settle { timeout = "1000h" })
  end
  c:scale(ref, PODS // 2)
  assert(c:settle { timeout = "1000h" })
  c:delete(ref)
  assert(c:settle { timeout = "1000h" })
end

---@param policy string
---@param more string? behind what the spec of its claims has anyway; none: a set without claims
local function stateful(policy, more)
  local spec = "  serviceName: web\n  podManagementPolicy: " .. policy
  if more then spec = spec .. "\n" .. CLAIMS:format(more) end
  live("StatefulSet", spec, more and "volumeMounts: [{name: data, mountPath: /data}]")
end

---The calls that scenarios consist of beside waiting.
local function look()
  local c <close> = kubesim.new()
  local few = manifest("Deployment", "  strategy: {type: RollingUpdate}", nil, 20)
  c:apply(few)
  assert(c:wait_for("Deployment/web", "ready"))
  for _ = 1, 40 do
    c:apply(few)
    c:kubectl "get pods -o wide"
    c:kubectl "get pods -o yaml"
    c:kubectl "describe deployment web"
    c:kubectl "get events"
    c:fork():close()
    for _, pod in ipairs(c:list "pods") do
      c:patch("pod/" .. pod.metadata.name, { status = { message = "looked at" } }, { subresource = "status" })
    end
  end
end

live("ReplicaSet", "")
live("Deployment", "  strategy: {type: RollingUpdate}")
stateful "OrderedReady"
for _, policy in ipairs { "Parallel", "OrderedReady" } do
  stateful(policy, ", storageClassName: fast")
  stateful(policy, "")
end
look()
