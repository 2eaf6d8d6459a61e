--- The whole lab, section by section: a ReplicaSet and a StatefulSet side by side. `make lab` runs it.
---
---     lua5.4 examples/lab/lab.lua

local kubesim = require "kubesim"

local folder = (arg and arg[0] or "examples/lab/lab.lua"):match "^(.*/)" or "./"
local Terminal = dofile(folder .. "terminal.lua")

local lab = {}

---Names, order of creation, of deletion, of scaling down.
---@param write? fun(text: string)
function lab.basics(write)
  local cluster <close> = kubesim.new { nodes = 2 }
  local t = Terminal.new(cluster, folder, write)
  local function names(label)
    local list = {}
    for _, pod in ipairs(cluster:list("pod", { labels = label })) do list[#list + 1] = pod.metadata.name end
    return list
  end

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
  t:wait(2)
  t:kubectl "get po -l type=db"
  t:wait(10)
  t:kubectl "get po"

  t:section "Deleting a pod: another name at once, or the same name afterwards"
  t:kubectl(("delete po %s --wait=false"):format(names("type=web")[1]))
  cluster:advance(1)
  t:kubectl "get po -l type=web"
  t:kubectl "delete po stateful-db-0 --wait=false"
  cluster:advance(4)
  t:kubectl "get po -l type=db"
  cluster:wait_until(function(c)
    local pod = c:get "pod/stateful-db-0"
    return pod and not pod.metadata.deletionTimestamp
  end)
  t:say "the old one is gone:"
  cluster:advance("500ms")
  t:kubectl "get po -l type=db"
  t:wait(20)

  t:section "No replicas: all together, or from the highest ordinal down"
  t:apply("replica-web.yaml", 0)
  cluster:advance(2)
  t:kubectl "get po -l type=web"
  t:wait(15)
  t:apply("stateful-db.yaml", 0)
  for _ = 1, 3 do
    cluster:advance(5)
    t:kubectl "get po -l type=db"
    t:wait(7)
  end
  t:kubectl "get po"
end

---One claim shared by the pods of a ReplicaSet, and what happens without nodeSelector.
---@param write? fun(text: string)
function lab.shared_claim(write)
  local cluster <close> = kubesim.new { nodes = 2 }
  local t = Terminal.new(cluster, folder, write)
  local function pods()
    local list = {}
    for _, pod in ipairs(cluster:list("pod", { labels = "type=web2" })) do list[#list + 1] = pod.metadata.name end
    return list
  end

  t:section "A claim shared by the pods of a ReplicaSet"
  t:apply "replica-pvc1.yaml"
  t:wait(5)
  t:kubectl "get pvc,pv"
  t:apply "replica-pvc.yaml"
  t:wait(10)
  local first = pods()[1]
  t:kubectl "get po -o wide"
  t:say("in " .. first)
  t:inside(first, "echo hello > /applog/greeting.txt; ls /applog")
  t:apply("replica-pvc.yaml", 3)
  t:wait(10)
  t:kubectl "get po -o wide"
  for _, name in ipairs(pods()) do
    t:say("in " .. name)
    t:inside(name, "cat /applog/greeting.txt")
  end

  t:section "The same without nodeSelector: the volume is ReadWriteOnce"
  t:kubectl "delete rs replica-pvc"
  t:wait(20)
  local free = t:manifest("replica-pvc.yaml", 4):gsub("      nodeSelector:\n        kubernetes.io/hostname: k8s%-node1\n", "")
  t:say "replica-pvc.yaml with replicas: 4 and no nodeSelector"
  t:kubectl("apply -f -", free)
  t:wait(30)
  t:kubectl "get po -o wide"
  for _, event in ipairs(cluster:events { reason = "FailedAttachVolume" }) do
    t.write(("%s  %s  pod/%s  %s\n"):format(event.type, event.reason, event.involvedObject.name, event.message))
  end
end

---Claims from templates, kept across pods; names in DNS.
---@param write? fun(text: string)
function lab.claims_and_names(write)
  local cluster <close> = kubesim.new { nodes = 2 }
  local t = Terminal.new(cluster, folder, write)

  t:section "A StatefulSet with volumeClaimTemplates"
  t:apply "stateful-pvc.yaml"
  t:wait(10)
  t:apply("stateful-pvc.yaml", 3)
  t:wait(20)
  t:kubectl "get po -o wide"
  t:kubectl "get pvc"
  t:kubectl "get pv"
  t:say "in stateful-pvc-0"
  t:inside("stateful-pvc-0", "echo mine > /applog/data.txt")
  t:kubectl "delete po stateful-pvc-0 --wait=false"
  t:wait(30)
  t:say "the next pod of that name finds its files:"
  t:inside("stateful-pvc-0", "cat /applog/data.txt")

  t:section "A headless Service"
  t:apply "stateful-headless.yaml"
  t:kubectl "run request-pod --image=kubetm/init"
  t:wait(10)
  t:say "in request-pod"
  t:inside("request-pod", "nslookup stateful-headless")
  t:inside("request-pod", "nslookup stateful-pvc-0.stateful-headless")
  t:inside("request-pod", "curl stateful-pvc-0.stateful-headless:8080/health")
  t:say "The Service selects type: db2, so the pods of stateful-db (type: db) have no name in it:"
  t:apply "stateful-db.yaml"
  t:wait(10)
  t:inside("request-pod", "curl stateful-db-0.stateful-headless:8080/health")

  t:section "The variant whose selector matches the set that is called"
  t:say "stateful-headless.yaml with selector type: db"
  t:kubectl("apply -f -", (t:manifest "stateful-headless.yaml":gsub("type: db2", "type: db")))
  t:apply("stateful-db.yaml", 3)
  t:wait(40)
  t:inside("request-pod", "nslookup stateful-headless")
  for i = 0, 2 do
    t:inside("request-pod", ("curl stateful-db-%d.stateful-headless:8080/health"):format(i))
  end
end

---All of it, in the order of the text.
---@param write? fun(text: string)
function lab.run(write)
  lab.basics(write)
  lab.shared_claim(write)
  lab.claims_and_names(write)
end

if arg and arg[0] and arg[0]:find "lab%.lua$" then lab.run() end

return lab
