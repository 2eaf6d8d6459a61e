-- Random lives of whole clusters whose components know old things, of any age, and restart at any point: scheduler, volumes, attachments,
-- nodes, quotas, namespaces, mirrored Endpoints. What the guards against old caches are there for holds at every step, and once all of
-- them hear of everything again the cluster comes to be as it should.
--
-- A failure names its seed: LIFE=<seed> make -s busted SPECS=spec/engine/old_caches_spec.lua plays that life alone and tells each step.
-- LIVES=<n> plays so many, FROM=<n> begins there; LAGS=scheduler,kubelet lets these alone be late.
local kubesim = require "kubesim"
local dice = require "spec.support.dice"

local LIVES <const> = math.tointeger(os.getenv "LIVES") or 300
local ONLY <const> = math.tointeger(os.getenv "LIFE")
local FROM <const> = math.tointeger(os.getenv "FROM") or 1

local LATE, RESTARTING = {}, {}
for name in (os.getenv "LAGS" or ""):gmatch "[^,]+" do LATE[#LATE + 1] = name end
for name, can in pairs(require "kubesim.core".components) do
  if can.lags and not os.getenv "LAGS" then LATE[#LATE + 1] = name end
  if can.restarts then RESTARTING[#RESTARTING + 1] = name end
end
table.sort(LATE)
table.sort(RESTARTING)

local NODES <const>, CPU <const> = 3, 2000

local function requested(pod)
  local sum = 0
  for _, c in ipairs(pod.spec.containers) do
    local cpu = ((c.resources or {}).requests or {}).cpu
    if cpu then sum = sum + (tonumber(cpu:match "^(%d+)m$") or tonumber(cpu) * 1000) end
  end
  return sum
end

local function finished(pod) return pod.status.phase == "Succeeded" or pod.status.phase == "Failed" end

local function running(pod)
  for _, c in ipairs(pod.status.containerStatuses or {}) do if c.state and c.state.running then return true end end
  return false
end

local function ready(pod)
  for _, c in ipairs(pod.status.conditions or {}) do if c.type == "Ready" then return c.status == "True" end end
  return false
end

local function claims_of(pod)
  local list = {}
  for _, v in ipairs(pod.spec.volumes or {}) do
    if v.persistentVolumeClaim then list[#list + 1] = v.persistentVolumeClaim.claimName end
  end
  return list
end

local function containers(cpu, volume)
  return { { name = "main", image = "app:1", resources = { requests = { cpu = cpu } },
    volumeMounts = volume and { { name = volume, mountPath = "/data" } } or nil } }
end

local function claim_spec(class)
  return { accessModes = { "ReadWriteOnce" }, storageClassName = class, resources = { requests = { storage = "1Gi" } } }
end

---@class spec.World
local World = {}
World.__index = World

function World.new(seed)
  local self = setmetatable({ seed = seed, dice = dice(seed), log = {}, wrong = {}, pods = {}, claims = {}, given_up = {}, jobs = 0,
    ended = {}, attached = {}, dead = {} }, World)
  local nodes = {}
  for i = 1, NODES do nodes[i] = { name = "n" .. i, capacity = { cpu = tostring(CPU // 1000) } } end
  local release = self.dice.one_of { "1.36", "1.36", "1.35", "1.34" }
  self.cluster = kubesim.new { nodes = nodes, seed = seed, version = release }
  self.cluster:image("app:1", { pull = "500ms", start = "500ms", stop = "200ms" })
  self.cluster:watch("pod", function(what, pod, old) self:saw_pod(what, pod, old) end)
  self.cluster:watch("pvc", function(what, claim) self:saw_claim(what, claim) end)
  self.cluster:watch("pv", function(what, volume, old) self:saw_volume(what, volume, old) end)
  self.cluster:watch("volumeattachment", function(what, va) self:saw_attachment(what, va) end)
  return self
end

function World:note(format, ...) self.log[#self.log + 1] = ("%8.3f  " .. format):format(self.cluster:now(), ...) end

function World:fail(format, ...)
  self.wrong[#self.wrong + 1] = format:format(...)
  self:note("WRONG: " .. format, ...)
end

-- What must never happen ------------------------------------------------------------------------------------------

local function key_of(object) return object.metadata.namespace .. "/" .. object.metadata.name end

---A node is never given more than it has, a pod never another node.
function World:saw_pod(what, pod)
  local before = self.pods[key_of(pod)]
  self.pods[key_of(pod)] = what ~= "DELETED" and pod or nil
  if what == "ADDED" and before then self:fail("%s was made while it was there", key_of(pod)) end
  if what ~= "MODIFIED" or not pod.spec.nodeName then return end
  local node = before and before.spec.nodeName
  if node and node ~= pod.spec.nodeName then self:fail("%s moved from %s to %s", key_of(pod), node, pod.spec.nodeName) end
  if node then return end
  local sum = 0
  for _, other in pairs(self.pods) do
    if other.spec.nodeName == pod.spec.nodeName and not finished(other) then sum = sum + requested(other) end
  end
  if sum > CPU then self:fail("%s has %dm of cpu to give, and %dm are asked of it by now", pod.spec.nodeName, CPU, sum) end
end

---No claim is lost, and no two have one volume.
function World:saw_claim(what, claim)
  local key = key_of(claim)
  self.claims[key] = what ~= "DELETED" and claim or nil
  if what == "DELETED" then
    if not self.given_up[key] then self:fail("claim %s is lost", key) end
    return
  end
  local mine = claim.spec.volumeName
  for other, with in pairs(self.claims) do
    if mine and other ~= key and with.spec.volumeName == mine then self:fail("%s and %s have both %s", key, other, mine) end
  end
end

---A volume that is some claim's is not another's, as long as that claim is there.
function World:saw_volume(what, volume, old)
  if what ~= "MODIFIED" or not old then return end
  local was, is = old.spec.claimRef or {}, volume.spec.claimRef or {}
  if not was.uid or was.uid == is.uid then return end
  local claim = self.claims[was.namespace .. "/" .. was.name]
  if claim and claim.metadata.uid == was.uid and claim.spec.volumeName == volume.metadata.name then
    self:fail("%s was taken from %s", volume.metadata.name, key_of(claim))
  end
end

---A volume is attached to one node at a time, and stays while somebody works with it there.
function World:saw_attachment(what, va)
  local volume, node = va.spec.source.persistentVolumeName, va.spec.nodeName
  local at = self.attached[volume]
  if what == "ADDED" and at then self:fail("%s is attached to %s and to %s", volume, at, node) end
  self.attached[volume] = what ~= "DELETED" and node or nil
  if what ~= "DELETED" or self.dead[node] then return end
  for key, pod in pairs(self.pods) do
    for _, name in ipairs(pod.spec.nodeName == node and running(pod) and claims_of(pod) or {}) do
      local claim = self.claims[pod.metadata.namespace .. "/" .. name]
      if claim and claim.spec.volumeName == volume then self:fail("%s was detached from %s under %s", volume, node, key) end
    end
  end
end

-- What happens ----------------------------------------------------------------------------------------------------

function World:create(object)
  self:note("create %s %s", object.kind, object.metadata.name)
  return pcall(self.cluster.create, self.cluster, object)
end

function World:furnish()
  local d = self.dice
  self:create { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "local" },
    provisioner = "kubernetes.io/no-provisioner", volumeBindingMode = "WaitForFirstConsumer" }
  for i = 1, 4 do
    self:create { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = "local-" .. i }, spec = {
      capacity = { storage = "1Gi" }, accessModes = { "ReadWriteOnce" }, storageClassName = "local", hostPath = { path = "/d" .. i } } }
  end
  self:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "all" },
    spec = { hard = { pods = 50, persistentvolumeclaims = 50, ["requests.cpu"] = 50 } } }
  self:create { apiVersion = "v1", kind = "Service", metadata = { name = "outside" }, spec = { ports = { { port = 80 } } } }
  self:endpoints()
  self:create { apiVersion = "apps/v1", kind = "StatefulSet", metadata = { name = "web" }, spec = { replicas = d.below(4),
    serviceName = "web", podManagementPolicy = d.one_of { "OrderedReady", "Parallel" }, selector = { matchLabels = { app = "web" } },
    template = { metadata = { labels = { app = "web" } },
      spec = { terminationGracePeriodSeconds = 2, containers = containers("500m", "data") } },
    volumeClaimTemplates = { { metadata = { name = "data" }, spec = claim_spec(d.one_of { "fast", "standard", "local" }) } } } }
  self:create { apiVersion = "apps/v1", kind = "ReplicaSet", metadata = { name = "load" }, spec = { replicas = d.below(5),
    selector = { matchLabels = { app = "load" } },
    template = { metadata = { labels = { app = "load" } },
      spec = { terminationGracePeriodSeconds = 2, containers = containers "400m" } } } }
end

function World:endpoints()
  local addresses = {}
  for i = 1, self.dice.below(4) do addresses[i] = { ip = "10.9.0." .. i + self.dice.below(50) * 4 } end
  local subsets = #addresses > 0 and { { addresses = addresses, ports = { { port = 80, protocol = "TCP" } } } } or nil
  self:note("%d Endpoints", #addresses)
  self.cluster:apply { apiVersion = "v1", kind = "Endpoints", metadata = { name = "outside" }, subsets = subsets }
end

local actions = {}

function actions.scale(world)
  local d = world.dice
  local what, n = d.one_of { "sts/web", "rs/load" }, d.below(5)
  if what == "sts/web" then n = math.min(n, 3) end
  world:note("scale %s %d", what, n)
  world.cluster:scale(what, n)
end

function actions.job(world)
  if world.jobs - #world.ended >= 4 then return end -- there is room for so many, even on two nodes
  world.jobs = world.jobs + 1
  local name = "job-" .. world.jobs
  world:create { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = name },
    spec = claim_spec(world.dice.one_of { "fast", "standard" }) }
  world:create { apiVersion = "v1", kind = "Pod", metadata = { name = name }, spec = { terminationGracePeriodSeconds = 1,
    containers = containers("300m", "data"), volumes = { { name = "data", persistentVolumeClaim = { claimName = name } } } } }
end

---A job, its claim, or both go.
function actions.end_job(world)
  if world.jobs == 0 then return end
  local name = "job-" .. world.dice.below(world.jobs) + 1
  world:note("end %s", name)
  if not world.given_up["default/" .. name] then world.ended[#world.ended + 1] = name end
  world.given_up["default/" .. name] = true
  pcall(world.cluster.delete, world.cluster, "pod/" .. name, { grace_period = world.dice.chance(30) and 0 or nil })
  pcall(world.cluster.delete, world.cluster, "pvc/" .. name)
end

function actions.delete_pod(world)
  local list = world.cluster:list "pod"
  if #list == 0 then return end
  local name = world.dice.one_of(list).metadata.name
  world:note("delete %s", name)
  pcall(world.cluster.delete, world.cluster, "pod/" .. name, { grace_period = world.dice.chance(20) and 0 or nil })
end

function actions.touch_claim(world)
  local list = world.cluster:list "pvc"
  if #list == 0 then return end
  local name = world.dice.one_of(list).metadata.name
  world:note("touch %s", name)
  world.cluster:patch("pvc/" .. name, { metadata = { labels = { touched = tostring(world.dice.below(9)) } } })
end

function actions.endpoints(world) world:endpoints() end

function actions.namespace(world)
  local name = "tmp" .. world.dice.below(2)
  if not world.cluster:get("namespace/" .. name) then
    world:create { apiVersion = "v1", kind = "Namespace", metadata = { name = name } }
    world:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "c", namespace = name }, data = { a = "b" } }
    world:create { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "d", namespace = name },
      spec = claim_spec "fast" }
    world:create { apiVersion = "v1", kind = "Pod", metadata = { name = "p", namespace = name },
      spec = { terminationGracePeriodSeconds = 1, containers = containers "100m" } }
  else
    world:note("delete namespace %s", name)
    world.given_up[name .. "/d"] = true
    pcall(world.cluster.delete, world.cluster, "namespace/" .. name)
  end
end

function actions.node(world)
  if world.down then
    world:note("recover %s", world.down)
    world.cluster:recover_node(world.down)
    world.down = nil
  else
    world.down = "n" .. world.dice.below(NODES) + 1
    world:note("fail %s", world.down)
    world.dead[world.down] = true
    world.cluster:fail_node(world.down)
  end
end

function actions.restart(world)
  local who = world.dice.one_of(RESTARTING)
  world:note("restart %s", who)
  world.cluster:restart(who)
end

function World:grow_old()
  local d = self.dice
  local who, most = d.one_of(LATE), d.one_of { 0.005, 0.1, 1, 5, 10, 30, 120 }
  local span = d.chance(20) and 0 or d.chance(50) and most or { 0, most }
  self:note("%s hears late: %s", who, kubesim.json.encode(span))
  self.cluster:lag(who, span)
end

local NAMES <const> = { "scale", "scale", "job", "job", "end_job", "end_job", "delete_pod", "delete_pod", "touch_claim", "endpoints",
  "namespace", "namespace", "node", "restart", "restart" }

function World:live()
  local d = self.dice
  if d.chance(30) then self:grow_old() end
  self:furnish()
  for _ = 1, 10 + d.below(14) do
    for _ = 1, d.below(3) do self:grow_old() end
    self.cluster:advance(d.one_of { 0, 0.3, 1, 4, 15, 70 })
    actions[d.one_of(NAMES)](self)
  end
end

-- What must come about --------------------------------------------------------------------------------------------

function World:rest()
  local fine, why = self.cluster:settle { timeout = "72h" }
  if not fine then self:fail("never comes to rest: %s", why) end
end

function World:heal()
  self:note "heal"
  self.cluster:lag("all", 0)
  if self.down then self.cluster:recover_node(self.down) end
  for i = 0, 1 do if self.cluster:get("namespace/tmp" .. i) then actions.delete_namespace(self, "tmp" .. i) end end
  -- jobs whose claim has gone and pods that came to an end are nobody's to renew
  for _, pod in ipairs(self.cluster:list "pod") do
    local name = pod.metadata.name
    if finished(pod) or self.given_up["default/" .. name] then pcall(self.cluster.delete, self.cluster, "pod/" .. name) end
  end
  self:rest()
end

function actions.delete_namespace(world, name)
  world.given_up[name .. "/d"] = true
  pcall(world.cluster.delete, world.cluster, "namespace/" .. name)
end

function World:expect(what, want, got) if want ~= got then self:fail("%s: wanted %s, is %s", what, want, got) end end

function World:check_pods()
  local n = { web = 0, load = 0 }
  for _, pod in ipairs(self.cluster:list "pod") do
    local app = (pod.metadata.labels or {}).app
    if not ready(pod) and not finished(pod) then self:fail("%s is %s and not Ready", pod.metadata.name, pod.status.phase) end
    if app and not finished(pod) then n[app] = n[app] + 1 end
  end
  self:expect("pods of web", self.cluster:get "sts/web".spec.replicas, n.web)
  self:expect("pods of load", self.cluster:get "rs/load".spec.replicas, n.load)
end

function World:check_volumes()
  local wanted, there = {}, {}
  for _, pod in ipairs(self.cluster:list "pod") do
    for _, name in ipairs(claims_of(pod)) do
      local claim = self.cluster:get("pvc/" .. name)
      self:expect("claim " .. name, "Bound", claim and claim.status.phase)
      local volume = claim and self.cluster:get("pv/" .. claim.spec.volumeName)
      if volume and volume.spec.csi then wanted[volume.metadata.name] = pod.spec.nodeName end
    end
  end
  for _, volume in ipairs(self.cluster:list "pv") do
    local ref, phase = volume.spec.claimRef, volume.status.phase
    local claim = ref and self.cluster:get("pvc/" .. ref.name, { namespace = ref.namespace })
    self:expect("phase of " .. volume.metadata.name, claim and "Bound" or "Available", phase)
    if claim then self:expect("claim of " .. volume.metadata.name, claim.metadata.uid, ref.uid) end
  end
  for _, va in ipairs(self.cluster:list "volumeattachment") do there[va.spec.source.persistentVolumeName] = va.spec.nodeName end
  for name, node in pairs(wanted) do self:expect(name .. " is attached to", node, there[name]) end
  for name, node in pairs(there) do self:expect(name .. " is wanted on", node, wanted[name]) end
  local listed = 0
  for _, node in ipairs(self.cluster:list "node") do listed = listed + #(node.status.volumesAttached or {}) end
  local attached = 0
  for _ in pairs(there) do attached = attached + 1 end
  self:expect("volumes that nodes list", attached, listed)
end

function World:check_rest()
  for i = 0, 1 do
    if self.cluster:get("namespace/tmp" .. i) then self:fail("namespace tmp%d is still there", i) end
    self:expect("pods in it", 0, #self.cluster:list("pod", { namespace = "tmp" .. i }))
  end
  for _, node in ipairs(self.cluster:list "node") do
    if not ready(node) then self:fail("%s is not Ready", node.metadata.name) end
    self:expect("taints of " .. node.metadata.name, 0, #(node.spec.taints or {}))
  end
  local used = self.cluster:get "quota/all".status.used
  local active = 0
  for _, pod in ipairs(self.cluster:list "pod") do if not finished(pod) then active = active + 1 end end
  self:expect("pods that the quota counts", tostring(active), used.pods)
  self:expect("claims that the quota counts", tostring(#self.cluster:list "pvc"), used.persistentvolumeclaims)
  local mirrored, written = {}, {}
  for _, slice in ipairs(self.cluster:list("endpointslice", { labels = "kubernetes.io/service-name=outside" })) do
    for _, e in ipairs(slice.endpoints or {}) do mirrored[#mirrored + 1] = e.addresses[1] end
  end
  for _, subset in ipairs(self.cluster:get "endpoints/outside".subsets or {}) do
    for _, a in ipairs(subset.addresses or {}) do written[#written + 1] = a.ip end
  end
  table.sort(mirrored)
  table.sort(written)
  self:expect("mirrored addresses", table.concat(written, " "), table.concat(mirrored, " "))
end

local function play(seed)
  local world = World.new(seed)
  local fine, err = xpcall(function()
    world:live()
    world:heal()
    if ONLY then world:note("\n%s", world.cluster:kubectl "get sts,rs,pods,pvc,pv,volumeattachments,quota,endpointslices,nodes,events") end
    world:check_pods()
    world:check_volumes()
    world:check_rest()
  end, debug.traceback)
  if not fine then world:fail("%s", tostring(err)) end
  world.cluster:close()
  return world
end

describe("random lives of clusters that know old things", function()
  it("never break a promise, and end well", function()
    for seed = ONLY or FROM, ONLY or FROM + LIVES - 1 do
      local world = play(seed)
      if ONLY then print("\n" .. table.concat(world.log, "\n")) end
      assert(#world.wrong == 0, ("life %d: %s"):format(seed, table.concat(world.wrong, "; ", 1, math.min(3, #world.wrong))))
    end
  end)
end)
