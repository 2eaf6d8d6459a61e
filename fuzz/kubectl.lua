--- What fuzz_kubectl.c does with an input, in Lua: the command line on a fork of a small cluster that runs. Whatever kubectl is asked,
--- it answers with text or refuses; any other error is a fault of this library's.
---
--- The chunk returns a function of (command line, standard input) that returns nil, or what was wrong.
package.path = "lua/?.lua;lua/?/init.lua" -- of the tree, wherever LUA_PATH points

-- Command lines name files of the host (-f, cp): those of this folder can be read, and nothing is written.
local open <const> = io.open
rawset(io, "open", function(path, mode)
  if (mode or "r"):find "^r" and not path:find("..", 1, true) and path:find "^fuzz/" then return open(path, mode) end
  return nil, path .. ": No such file or directory", 2
end)

local kubesim <const> = require "kubesim"
local Status <const> = require "kubesim.status"

local base <const> = kubesim.new { nodes = { { name = "node-1" }, { name = "node-2" }, { name = "node-3" } } }
base:image("init:1", { exit = { code = 0, after = 1 } })
base:apply [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
        - name: main
          image: app:1
          ports: [{name: http, containerPort: 80}]
          env: [{name: A, value: b}, {name: M, valueFrom: {configMapKeyRef: {name: m, key: one}}}]
          volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: front}}
spec:
  replicas: 1
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec:
      initContainers: [{name: init, image: init:1}]
      containers: [{name: a, image: "app:1", resources: {requests: {cpu: 100m, memory: 64Mi}}}, {name: b, image: "app:2"}]
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80, targetPort: http}]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {one: '1', two: '2'}}
---
{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {key: value}}
---
{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {pods: 50, requests.cpu: '4'}}}
---
{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, defaultRequest: {cpu: 10m}}]}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}
]]
assert(base:wait_for("sts/web", "ready"))
assert(base:wait_for("deploy/web", "ready"))
base:kubectl "set image deploy/web a=app:3"
assert(base:settle())
local trace <const>, instant <const> = base:trace(), base:now()

-- What a container's shell says of a command that cannot be run here (kubesim.shell).
local OF_THE_SHELL <const> = { "^exec: the command ", "^not supported yet: " }

---What is wrong with an error, or nil.
local function judge(err, traceback)
  if Status.is(err) then
    local fine, text = pcall(tostring, err)
    if fine and type(text) == "string" and (text ~= "" or rawget(err, "exit")) then return nil end
    return "a refusal without words: " .. tostring(text)
  end
  for _, pattern in ipairs(OF_THE_SHELL) do
    if type(err) == "string" and err:find(pattern) then return nil end
  end
  return traceback
end

---Blocks of memory that the cluster and what is left of its forks have.
local function blocks()
  collectgarbage()
  collectgarbage() -- what the first one's finalizers let go of
  local _, count = base.core:memory()
  return count
end

local at_first <const>, LEFT_BEHIND <const> = blocks(), 1000 -- what modules keep of the last command is much less
local runs = 0

local function run(line, stdin)
  local cluster <close> = base:fork()
  local traceback
  local ok, out, err, code = xpcall(cluster.kubectl, function(raised)
    if not Status.is(raised) then traceback = debug.traceback(tostring(raised), 2) end
    return raised
  end, cluster, line, stdin)
  if not ok then
    local wrong = judge(out, traceback)
    if wrong then return wrong end
  elseif type(out) ~= "string" or err ~= nil and type(err) ~= "string" or code ~= nil and math.type(code) ~= "integer" then
    return "kubectl returned no text"
  end
  if base:trace() ~= trace or base:now() ~= instant then return "the cluster that was forked has changed" end
end

return function(line, stdin)
  local wrong = run(line, stdin)
  runs = runs + 1
  if not wrong and runs % 256 == 0 and blocks() > at_first + LEFT_BEHIND then return "forks leave memory behind" end
  return wrong and ("kubectl %s: %s"):format(line, wrong)
end
