--- The whole lab, section by section: a ReplicaSet and a StatefulSet side by side. `make lab` runs it.
---
---     lua5.4 examples/lab/lab.lua

local kubesim = require "kubesim"

local folder = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"
local Terminal = dofile(folder .. "terminal.lua")

local lab = {}

---Names of pods that a selector chooses.
local function names(cluster, label)
  local list = {}
  for i, pod in ipairs(cluster:list("pod", { labels = label })) do list[i] = pod.metadata.name end
  return list
end

---Waits until the pod of that name is another one than now.
local function until_replaced(cluster, name)
  local uid = cluster:get("pod/" .. name).metadata.uid
  cluster:wait_until(function(c)
    local pod = c:get("pod/" .. name)
    return pod and pod.metadata.uid ~= uid
  end)
end

---Names, order of creation, of deletion, of scaling down.
---@param write? fun(text: string)
function lab.basics(write)
  local cluster <close> = kubesim.new { nodes = 2 }
  local t = Terminal.new(cluster, folder, write)

  t:section "ReplicaSet and StatefulSet: creation"
  t:apply "replica-web.yaml"
  t:apply "stateful-db.yaml"
  t:wait(30)
  t:kubectl "get po"

  t:section "More replicas: two at once, or one after the other"
  t:apply("replica-web.yaml", 3)
  cluster:advance(1)
  t:kubectl "get po -l type=web"
  t:apply("stateful-db.yaml", 3)
  cluster:advance(1)
  t:kubectl "get po -l type=db"
  t:wait(1)
  t:kubectl "get po -l type=db"
  t:wait(20)
  t:kubectl "get po"

  t:section "Deleting a pod: another name at once, or the same name afterwards"
  t:kubectl(("delete po %s --wait=false"):format(names(cluster, "type=web")[1]))
  cluster:advance(1)
  t:kubectl "get po -l type=web"
  t:kubectl "delete po stateful-db-0 --wait=false"
  cluster:advance(4)
  t:kubectl "get po -l type=db"
  until_replaced(cluster, "stateful-db-0")
  cluster:advance "100ms"
  t:say "the old one is gone:"
  t:kubectl "get po -l type=db"
  t:wait(20)

  t:section "No replicas: all together, or from the highest ordinal down"
  t:apply("replica-web.yaml", 0)
  cluster:advance(2)
  t:kubectl "get po -l type=web"
  t:wait(15)
  t:apply("stateful-db.yaml", 0)
  t:wait(5)
  t:kubectl "get po -l type=db"
  for _ = 1, 2 do
    t:wait(12)
    t:kubectl "get po -l type=db"
  end
  t:wait(12)
  t:kubectl "get po"
end

---One claim shared by the pods of a ReplicaSet, and what happens without nodeSelector.
---@param write? fun(text: string)
function lab.shared_claim(write)
  local cluster <close> = kubesim.new { nodes = 2 }
  local t = Terminal.new(cluster, folder, write)

  t:section "A claim shared by the pods of a ReplicaSet"
  t:apply "replica-pvc1.yaml"
  t:wait(5)
  t:kubectl "get pvc,pv"
  t:apply "replica-pvc.yaml"
  t:wait(10)
  local first = names(cluster, "type=web2")[1]
  t:kubectl "get po -o wide"
  t:enter(first)
  t:inside(first, "echo hello > /applog/greeting.txt; ls /applog")
  t:apply("replica-pvc.yaml", 3)
  t:wait(10)
  t:kubectl "get po -o wide"
  for _, name in ipairs(names(cluster, "type=web2")) do
    t:enter(name)
    t:inside(name, "cat /applog/greeting.txt")
  end

  t:section "The same without nodeSelector: the volume is ReadWriteOnce"
  t:kubectl "delete rs replica-pvc"
  t:wait(20)
  local free = t:manifest("replica-pvc.yaml", 4):gsub("      nodeSelector:\n        kubernetes.io/hostname: k8s%-node1\n", "")
  t:edited("replica-pvc.yaml", "replicas: 4, no nodeSelector", free)
  t:wait(30)
  t:kubectl "get po -o wide"
  t:kubectl "get events --field-selector reason=FailedAttachVolume"
end

---Claims from templates, kept across pods.
---@param write? fun(text: string)
function lab.own_claims(write)
  local cluster <close> = kubesim.new { nodes = 2 }
  local t = Terminal.new(cluster, folder, write)

  t:section "A StatefulSet with volumeClaimTemplates"
  t:say "a volumeMount has to name a volume or a claim template:"
  local wrong = t:manifest "stateful-pvc.yaml":gsub("%- name: volume\n", "- name: other\n", 1)
  t:edited("stateful-pvc.yaml", "volumeMounts: name: other", wrong)
  t:apply "stateful-pvc.yaml"
  t:wait(10)
  t:kubectl "get pvc"
  t:apply("stateful-pvc.yaml", 3)
  t:wait(20)
  t:kubectl "get po -o wide"
  t:kubectl "get pvc,pv"

  t:section "The next pod of a name finds the files of the one before"
  t:enter "stateful-pvc-0"
  t:inside("stateful-pvc-0", "echo mine > /applog/data.txt")
  t:kubectl "delete po stateful-pvc-0 --wait=false"
  t:wait(30)
  t:kubectl "get po,pvc"
  t:enter "stateful-pvc-0"
  t:inside("stateful-pvc-0", "cat /applog/data.txt")
  t:say "claims and volumes stay when the set is scaled down"
  t:apply("stateful-pvc.yaml", 1)
  t:wait(40)
  t:kubectl "get po,pvc"
end

---Names in DNS.
---@param write? fun(text: string)
function lab.names(write)
  local cluster <close> = kubesim.new { nodes = 2 }
  local t = Terminal.new(cluster, folder, write)

  t:section "A headless Service"
  t:apply("stateful-pvc.yaml", 3)
  t:apply("stateful-db.yaml", 3)
  t:apply "stateful-headless.yaml"
  t:kubectl "run request-pod --image=kubetm/init"
  t:wait(30)
  t:kubectl "get po -o wide"
  t:kubectl "get svc stateful-headless"
  t:enter "request-pod"
  t:inside("request-pod", "nslookup stateful-headless")
  t:inside("request-pod", "nslookup stateful-pvc-0.stateful-headless")
  for i = 0, 2 do t:inside("request-pod", ("curl stateful-pvc-%d.stateful-headless:8080/health"):format(i)) end
  t:say "the Service selects type: db2, so the pods of stateful-db (type: db) have no name in it"
  t:inside("request-pod", "nslookup stateful-db-0.stateful-headless")
  t:inside("request-pod", "curl stateful-db-0.stateful-headless:8080/health")

  t:section "The variant whose selector matches the set that is called"
  t:edited("stateful-headless.yaml", "selector: type: db", (t:manifest "stateful-headless.yaml":gsub("type: db2", "type: db")))
  t:wait(40)
  t:enter "request-pod"
  t:inside("request-pod", "nslookup stateful-headless")
  for i = 0, 2 do t:inside("request-pod", ("curl stateful-db-%d.stateful-headless:8080/health"):format(i)) end
end

---All of it, in the order of the text.
---@param write? fun(text: string)
function lab.run(write)
  lab.basics(write)
  lab.shared_claim(write)
  lab.own_claims(write)
  lab.names(write)
end

if arg and arg[0] and arg[0]:find "lab%.lua$" then lab.run() end

return lab
