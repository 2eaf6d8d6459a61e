--- What fuzz_load.c does with an input, in Lua: lines of a file, among those of a cluster that is saved.
---
--- The chunk returns a function of the input that returns nil, or what was wrong.
package.path = "lua/?.lua;lua/?/init.lua;./?.lua" -- of the tree, wherever LUA_PATH points

local core <const> = require "kubesim.core"
local kubesim <const> = require "kubesim"
local forged <const> = require "spec.support.forge"

local function answers(cluster)
  cluster:policy { name = "odd", filter = function(_, node) return node.metadata.name ~= "k8s-node1", "not there" end,
    score = function() return 7 end }
  cluster:image("app:1", { http = function() return 200, "fine" end, commands = { check = function() return "", 0 end } })
end

local function base_text()
  local cluster <close> = kubesim.new { nodes = 3, seed = 1, latency = { watch = { 0, "1s" } } }
  answers(cluster)
  cluster:apply [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 2
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 3
      containers:
        - name: main
          image: app:1
          readinessProbe: {httpGet: {port: 80}}
          livenessProbe: {exec: {command: [check]}}
          volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
]]
  cluster:advance(5)
  cluster:apply [[{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}]]
  cluster:advance(5)
  cluster:exec("web-0", "echo a > /data/a")
  cluster:fail_node "k8s-node2"
  cluster:advance(60)
  cluster:crash "web-0"
  cluster:advance(20)
  cluster:delete("sts/web", { cascade = "foreground" })
  cluster:advance(30)
  local parts = {}
  cluster.core:journal(kubesim._VERSION, function(text) parts[#parts + 1] = text end)
  return table.concat(parts)
end

local lines <const> = {}
for line in base_text():gmatch "[^\n]+" do lines[#lines + 1] = line end

local LONG <const> = 200 * 1000000000 -- ns

---Whether a line would let time pass for long.
local function is_long(line)
  local fine, value = pcall(core.json_decode, line)
  local run = fine and type(value) == "table" and value.run
  return type(run) == "table" and type(run[2]) == "number" and run[2] > LONG
end

---The file with the input's lines in it.
local function with(input)
  local at, all = (input:byte() or 0) % #lines + 1, {}
  for i, line in ipairs(lines) do
    if i == at then
      for other in input:sub(2):gmatch "[^\n]+" do
        if not is_long(other) then all[#all + 1] = other end
      end
    end
    all[#all + 1] = line
  end
  return forged(table.concat(all, "\n") .. "\n")
end

local function supply(_, behaviour)
  for _, name in ipairs { "filter", "score", "http", "commands" } do
    if behaviour[name] then behaviour[name] = name == "commands" and {} or function() error "nobody asks" end end
  end
end

return function(input)
  local text = input:sub(1, 1) == "{" and input or with(input)
  local fine, result = pcall(core.replay, text, kubesim._VERSION, supply)
  if fine then
    result:close()
  elseif type(result) ~= "string" or not (result:find "^line %d+: " or result == "the file is empty") or result:find "attempt to" then
    return "refused with " .. tostring(result)
  end
end
