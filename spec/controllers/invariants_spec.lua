-- Random lives of StatefulSets, ReplicaSets and Deployments: whatever happens to them (templates that change in the middle of a
-- roll-out, pods deleted and crashing, nodes dying, quotas, controllers that restart and whose writes fail), what must never happen never
-- does, and once the world is sound again the wanted state is reached. Each kind lives twice: with caches that are always new, and
-- with caches of any age. And some lives are written to a file at some point and read again: from there on both must be one life.
--
-- A failure names its seed: LIFE=<seed> make -s busted SPECS=spec/controllers/invariants_spec.lua plays that life alone and tells
-- each step. LIVES=<n> plays so many of each kind, FROM=<n> begins there; KIND=sts, LATE=true or false leave the others out, SAVED=all
-- writes each of them to a file, and
-- LAGS=scheduler,kubelet lets these alone be late.
local kubesim = require "kubesim"
local Double = require "spec.support.double"
local dice = require "spec.support.dice"

local LIVES = math.tointeger(os.getenv "LIVES")
local ONLY = math.tointeger(os.getenv "LIFE")
local FROM = math.tointeger(os.getenv "FROM") or 1

local function ready(pod)
  for _, c in ipairs(pod.status and pod.status.conditions or {}) do
    if c.type == "Ready" then return c.status == "True" end
  end
  return false
end

local function finished(pod) return pod.status and (pod.status.phase == "Succeeded" or pod.status.phase == "Failed") end

local function controller_of(object)
  for _, ref in ipairs(object.metadata.ownerReferences or {}) do if ref.controller then return ref end end
end

local function label_of(pod) return (pod.metadata.labels or {}).app end

local function ordinal(name) return math.tointeger(name:match "%-(%d+)$") end

local function container(image) return { { name = "main", image = image or "app:1" } } end

local function template(version)
  return { metadata = { labels = { app = "web" }, annotations = { version = version } },
    spec = { terminationGracePeriodSeconds = 5, containers = container() } }
end

---@class spec.Life
local Life = {}
Life.__index = Life

function Life.new(kind, seed, late)
  local self = setmetatable({ kind = kind, seed = seed, dice = dice(seed), log = {}, wrong = {}, touched = {} }, Life)
  self.pods, self.claims = {}, {} -- claims: when they were made
  self.versions = 1
  self.manual = self.dice.chance(50) -- whether this life is its pods' kubelet
  -- how things were: a controller with an old cache acts on what was so at most that long ago
  self.late, self.oldest, self.sound, self.wanted = late and dice(seed + 1000000), 0, {}, {}
  self.release = self.late and self.late.one_of { "1.36", "1.36", "1.35" } or "1.36"
  self.cluster = kubesim.new { nodes = 3, seed = seed, kubelet = self.manual and "manual" or nil, version = self.release }
  self.original = self.cluster
  self.cluster:image("app:1", { pull = "500ms", start = "500ms", stop = self.dice.one_of { "200ms", "2s" } })
  for _, owner in ipairs { "sts", "rs" } do
    self.cluster:watch(owner, function(what, set) self:saw_set(what, set) end)
  end
  self.cluster:watch("pod", function(what, pod, old) self:saw_pod(what, pod, old) end)
  if kind == "sts" then self.cluster:watch("pvc", function(what, claim) self:saw_claim(what, claim) end) end
  return self
end

function Life:note(format, ...) self.log[#self.log + 1] = ("%8.3f  " .. format):format(self.cluster:now(), ...) end

function Life:fail(format, ...)
  self.wrong[#self.wrong + 1] = format:format(...)
  self:note("WRONG: " .. format, ...)
end

-- What must never happen ------------------------------------------------------------------------------------------

---What a set wanted, and until when.
function Life:saw_set(what, set)
  local list = self.wanted[set.metadata.uid] or {}
  self.wanted[set.metadata.uid] = list
  if #list > 0 then list[#list].till = self.cluster:now() end
  if what ~= "DELETED" then list[#list + 1] = { spec = set.spec } end
end

---Whether something holds for what a set wants, or wanted not longer ago than the oldest cache is.
function Life:wanted_lately(set, holds)
  local since = self.cluster:now() - self.oldest
  for _, was in ipairs(self.wanted[set.metadata.uid] or {}) do
    if (not was.till or was.till >= since) and holds(was.spec) then return true end
  end
  return holds(set.spec)
end

---Whether a pod is Ready and stays, or was so not longer ago than the oldest cache is.
function Life:was_sound(name)
  local pod = self.pods[name]
  if pod and ready(pod) and not pod.metadata.deletionTimestamp then return true end
  return self.oldest > 0 and self.sound[name] ~= nil and self.sound[name] >= self.cluster:now() - self.oldest
end

---A write whose answer was lost is neither expected nor waited for: then an old cache may err.
function Life:may_err() return self.oldest > 0 and self.faulty end

function Life:saw_pod(what, pod)
  local name = pod.metadata.name
  local before = self.pods[name]
  if before and ready(before) and not before.metadata.deletionTimestamp then self.sound[name] = self.cluster:now() end
  if what == "DELETED" then
    self.pods[name] = nil
    return
  end
  if what == "ADDED" and before then self:fail("%s was made while it was there", name) end
  self.pods[name] = pod
  local ref = controller_of(pod)
  if not ref then return end
  if ref.kind == "StatefulSet" then
    if what == "ADDED" then self:check_order(pod) end
    if pod.metadata.deletionTimestamp and before and not before.metadata.deletionTimestamp then self:check_condemned(pod) end
  elseif ref.kind == "ReplicaSet" and what == "ADDED" then
    self:check_surplus(ref)
  end
end

---OrderedReady: a pod is made only when all before it are Ready and stay.
function Life:check_order(pod)
  local set = self.cluster:get "sts/web"
  if not set or set.spec.podManagementPolicy ~= "OrderedReady" then return end
  local unsound
  local in_order = self:wanted_lately(set, function(spec)
    for i = spec.ordinals and spec.ordinals.start or 0, ordinal(pod.metadata.name) - 1 do
      if not self:was_sound("web-" .. i) then
        unsound = i
        return false
      end
    end
    return true
  end)
  if not in_order then self:fail("%s was made while web-%d was not Ready", pod.metadata.name, unsound) end
end

---OrderedReady: of the pods that have to go, the highest goes first.
function Life:check_condemned(pod)
  local set = self.cluster:get "sts/web"
  if self.touched[pod.metadata.name] or not set or set.metadata.deletionTimestamp or set.spec.podManagementPolicy ~= "OrderedReady" then
    return
  end
  -- before 1.36 a StatefulSet's own writes may be new to it, too
  if self:may_err() or self.oldest > 0 and self.release ~= "1.36" then return end
  local last = (set.spec.ordinals and set.spec.ordinals.start or 0) + set.spec.replicas - 1
  local mine = ordinal(pod.metadata.name)
  if mine <= last then return end
  for name, other in pairs(self.pods) do
    local n = controller_of(other) and ordinal(name)
    if n and n > mine then self:fail("%s was deleted before %s", pod.metadata.name, name) end
  end
end

---A ReplicaSet never makes more pods than it wants.
function Life:check_surplus(ref)
  local set = self.cluster:get("rs/" .. ref.name)
  if not set then return end
  local active = 0
  for _, pod in ipairs(self.cluster:list "pod") do
    local owner = controller_of(pod)
    if owner and owner.uid == ref.uid and not finished(pod) and not pod.metadata.deletionTimestamp then active = active + 1 end
  end
  if self:may_err() or self:wanted_lately(set, function(spec) return active <= spec.replicas end) then return end
  self:fail("%s has %d pods, wants %d", ref.name, active, set.spec.replicas)
end

---Whether the retention policy lets a claim go: with its set, or because its pod has been one too many since the claim was made.
function Life:may_go(claim)
  local policy = self.retention
  if not policy then return false end
  if self.ending and policy.whenDeleted == "Delete" then return true end
  if policy.whenScaled ~= "Delete" then return false end
  local n = ordinal(claim.metadata.name)
  for _, list in pairs(self.wanted) do
    for _, was in ipairs(list) do
      local start = was.spec.ordinals and was.spec.ordinals.start or 0
      local lately = not was.till or was.till >= self.claims[claim.metadata.uid] - self.oldest
      if lately and (n < start or n >= start + was.spec.replicas) then return true end
    end
  end
  return false
end

function Life:saw_claim(what, claim)
  if what == "ADDED" then self.claims[claim.metadata.uid] = self.cluster:now() end
  if what == "DELETED" and not self:may_go(claim) then self:fail("claim %s is lost", claim.metadata.name) end
end

-- What happens ----------------------------------------------------------------------------------------------------

local REFS <const> = { sts = "sts/web", rs = "rs/web", deploy = "deploy/web" }
local CONTROLLERS <const> = { sts = { "statefulset", "garbagecollector" }, rs = { "replicaset", "garbagecollector" },
  deploy = { "deployment", "replicaset", "garbagecollector" } }
-- those whose watches may lag
local LATE <const>, RESTARTING <const> = {}, {}
for name, can in pairs(require "kubesim.core".components) do
  if can.lags then LATE[#LATE + 1] = name end
  if can.restarts then RESTARTING[#RESTARTING + 1] = name end
end
table.sort(LATE)
table.sort(RESTARTING)
local LAGS = {}
for name in (os.getenv "LAGS" or ""):gmatch "[^,]+" do LAGS[#LAGS + 1] = name end

function Life:manifest()
  local d = self.dice
  local spec = { replicas = d.below(5), selector = { matchLabels = { app = "web" } }, template = template "1" }
  local group = { apiVersion = "apps/v1", metadata = { name = "web" }, spec = spec }
  if self.kind == "rs" then
    group.kind = "ReplicaSet"
    if d.chance(30) then spec.minReadySeconds = 3 end
  elseif self.kind == "deploy" then
    group.kind = "Deployment"
    spec.revisionHistoryLimit = d.below(3)
    if d.chance(30) then spec.minReadySeconds = 3 end
    spec.strategy = d.one_of {
      { type = "Recreate" },
      { type = "RollingUpdate", rollingUpdate = { maxSurge = 1, maxUnavailable = 0 } },
      { type = "RollingUpdate", rollingUpdate = { maxSurge = 0, maxUnavailable = 1 } },
      { type = "RollingUpdate", rollingUpdate = { maxSurge = "50%", maxUnavailable = "50%" } },
    }
  else
    group.kind = "StatefulSet"
    spec.serviceName = "web"
    spec.podManagementPolicy = d.one_of { "OrderedReady", "Parallel" }
    spec.revisionHistoryLimit = d.below(4)
    if d.chance(30) then spec.minReadySeconds = 3 end
    if d.chance(20) then spec.ordinals = { start = d.below(4) } end
    if d.chance(50) then
      spec.volumeClaimTemplates = { { metadata = { name = "data" }, spec = { accessModes = { "ReadWriteOnce" },
        storageClassName = d.one_of { "fast", "standard" }, resources = { requests = { storage = "1Gi" } } } } }
      if d.chance(50) then
        self.retention = { whenDeleted = d.one_of { "Retain", "Delete" }, whenScaled = d.one_of { "Retain", "Delete" } }
        spec.persistentVolumeClaimRetentionPolicy = self.retention
      end
    end
  end
  return group
end

function Life:patch(spec)
  self:note("patch %s", kubesim.json.encode(spec))
  self.cluster:patch(REFS[self.kind], { spec = spec })
end

function Life:some_pod()
  local list = self.cluster:list "pod"
  return #list > 0 and self.dice.one_of(list).metadata.name or nil
end

local actions = {}

function actions.scale(life)
  local n = life.dice.below(6)
  life:note("scale %d", n)
  life.cluster:scale(REFS[life.kind], n)
end

function actions.change_template(life)
  local back = life.versions > 1 and life.dice.chance(25)
  if not back then life.versions = life.versions + 1 end
  life:patch { template = { metadata = { annotations = { version = tostring(back and 1 or life.versions) } } } }
end

function actions.delete_pod(life)
  local name = life:some_pod()
  if not name then return end
  local now = life.dice.chance(30)
  life:note("delete %s%s", name, now and " now" or "")
  life.touched[name] = true
  pcall(life.cluster.delete, life.cluster, "pod/" .. name, { grace_period = now and 0 or nil })
end

function actions.crash(life)
  local name = life:some_pod()
  if not name then return end
  if life.manual then return life:drive(name, "unready") end
  life:note("crash %s", name)
  pcall(life.cluster.crash, life.cluster, name)
end

function Life:drive(name, state)
  self:note("%s is %s", name, state)
  if state == "failed" or state == "succeeded" or state == "gone" then self.touched[name] = true end
  return (pcall(self.cluster.drive, self.cluster, name, state))
end

function actions.drive(life)
  if not life.manual then return end
  for _, pod in ipairs(life.cluster:list "pod") do
    if pod.metadata.deletionTimestamp then
      if life.dice.chance(60) then life:drive(pod.metadata.name, "gone") end
    elseif life.dice.chance(60) then
      life:drive(pod.metadata.name, life.dice.one_of { "running", "ready", "ready", "ready", "unready", "failed", "succeeded" })
    end
  end
end

function actions.evict(life)
  local name = life:some_pod()
  if not name then return end
  life:note("evict %s", name)
  life.touched[name] = true
  pcall(life.cluster.evict, life.cluster, name)
end

function actions.node(life)
  if life.down then
    life:note("recover %s", life.down)
    life.cluster:recover_node(life.down)
    life.down = nil
  else
    life.down = "k8s-node" .. life.dice.below(3) + 1
    life:note("fail %s", life.down)
    for name, pod in pairs(life.pods) do if pod.spec.nodeName == life.down then life.touched[name] = true end end
    life.cluster:fail_node(life.down)
  end
end

function actions.restart(life)
  local who = life.dice.one_of(CONTROLLERS[life.kind])
  if life.late and life.late.chance(50) then who = life.late.one_of(#LAGS > 0 and LAGS or RESTARTING) end
  life:note("restart %s", who)
  life.cluster:restart(who)
end

function actions.fail_writes(life)
  local share = life.dice.one_of { 0, 0.1, 0.4 }
  life:note("%g of the writes fail", share)
  life.faulty = true
  for _, who in ipairs(CONTROLLERS[life.kind]) do life.cluster:fail_writes(who, share) end
end

function actions.quota(life)
  if life.quota then
    life:note "no quota"
    life.cluster:delete "quota/q"
  else
    local most = life.dice.below(4)
    life:note("quota of %d pods", most)
    life.cluster:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "q" }, spec = { hard = { pods = most } } }
  end
  life.quota = not life.quota
end

function actions.release(life)
  local name = life:some_pod()
  if not name then return end
  local label = life.dice.one_of { "other", kubesim.null }
  life:note("release %s", name)
  life.touched[name] = true
  life.cluster:patch("pod/" .. name, { metadata = { labels = { app = label } } }, { type = "merge" })
end

function actions.orphan(life)
  local name = life:some_pod()
  if not name then return end
  life:note("take the owner of %s away", name)
  life.cluster:patch("pod/" .. name, { metadata = { ownerReferences = kubesim.null } }, { type = "merge" })
end

function actions.own(life) -- what only this kind has
  local d = life.dice
  if life.kind == "rs" then
    life:patch { minReadySeconds = d.below(3) * 2 }
  elseif life.kind == "deploy" then
    life:patch(d.one_of { { paused = true }, { paused = false }, { minReadySeconds = 2 }, { revisionHistoryLimit = d.below(3) } })
  else
    local spec = d.one_of {
      { updateStrategy = { type = "RollingUpdate", rollingUpdate = { partition = d.below(4) } } },
      { updateStrategy = { type = "OnDelete", rollingUpdate = kubesim.null } },
      { minReadySeconds = d.below(3) * 2 },
      { ordinals = { start = d.below(3) } },
    }
    life:patch(spec)
  end
end

---Some component's cache is that old from now on.
function Life:grow_old()
  local d = self.late
  local who = d.one_of(#LAGS > 0 and LAGS or d.chance(60) and CONTROLLERS[self.kind] or LATE)
  local most = d.one_of { 0.005, 0.1, 1, 5, 10, 30, 120 }
  local span = d.chance(25) and 0 or d.chance(50) and most or { 0, most }
  self:note("%s hears late: %s", who, kubesim.json.encode(span))
  if span ~= 0 then self.oldest = math.max(self.oldest, most) end
  self.cluster:lag(who, span)
end

local NAMES <const> = { "scale", "scale", "change_template", "change_template", "delete_pod", "delete_pod", "crash", "evict", "drive",
  "drive", "drive", "node", "restart", "fail_writes", "quota", "release", "orphan", "own" }

function Life:live()
  local d = self.dice
  local group = self:manifest()
  self:note("create %s", kubesim.json.encode(group))
  self.cluster:create(group)
  local steps = 6 + d.below(10)
  local saved = (self.seed % 4 == 0 or os.getenv "SAVED") and dice(self.seed + 2000000).below(steps + 1)
  for i = 1, steps do
    if i == saved then
      self:note "save and load"
      self.cluster, self.rejoin = Double.saved(self.cluster)
    end
    if self.late and self.late.chance(40) then self:grow_old() end
    self.cluster:advance(d.one_of { 0, 0.3, 1, 4, 15 })
    actions[d.one_of(NAMES)](self)
  end
end

-- What must come about --------------------------------------------------------------------------------------------

---The world is sound again; strategies are such that a roll-out goes to its end.
function Life:heal()
  self:note "heal"
  for _, who in ipairs(CONTROLLERS[self.kind]) do self.cluster:fail_writes(who, 0) end
  if self.late then self.cluster:lag("all", 0) end
  if self.down then self.cluster:recover_node(self.down) end
  if self.quota then self.cluster:delete "quota/q" end
  if self.kind == "deploy" then self:patch { paused = false } end
  if self.kind == "deploy" and self.late then
    -- a Deployment whose new template is heard of before its first ReplicaSet is makes a second one beside it; with Recreate, to scale
    -- it then moves neither of them: sync.go: scale
    self:patch { strategy = { type = "RollingUpdate", rollingUpdate = { maxSurge = 1, maxUnavailable = 0 } } }
  end
  if self.kind == "sts" then self:patch { updateStrategy = { type = "RollingUpdate", rollingUpdate = { partition = 0 } } } end
  -- released pods belong to nobody and stand in the way of others of their name; finished ones that have to go wait, with OrderedReady,
  -- for those before them to be Ready, which finished ones never are: stateful_set_control.go: processCondemned
  for _, pod in ipairs(self.cluster:list "pod") do
    if label_of(pod) ~= "web" or finished(pod) then self.cluster:delete("pod/" .. pod.metadata.name) end
  end
  self:rest()
  self:nudge()
end

---A Deployment scaled down, in the middle of a roll-out, to the very size that its one ReplicaSet has takes this for a scaling that is
---still to be done, for ever: sync.go: scale, isScalingEvent.
function Life:nudge()
  if self.kind ~= "deploy" then return end
  local n = self.cluster:get("deploy/web").spec.replicas
  self.cluster:scale("deploy/web", n + 1)
  self:rest()
  self.cluster:scale("deploy/web", n)
  self:rest()
end

---By hand: what terminates goes, what is there becomes Ready, until nothing is left to do.
function Life:drive_home()
  for _ = 1, 100 do
    local idle = true
    self.cluster:settle { timeout = "72h" }
    for _, pod in ipairs(self.cluster:list "pod") do
      local state = pod.metadata.deletionTimestamp and "gone" or not ready(pod) and not finished(pod) and "ready"
      if state then
        idle = not pcall(self.cluster.drive, self.cluster, pod.metadata.name, state) and idle
      end
    end
    if idle then return end
  end
end

function Life:rest()
  if self.manual then self:drive_home() end
  -- what was put aside is taken up again when informers show all objects anew, within a day
  local fine, why = self.cluster:settle { timeout = "72h" }
  if not fine then self:fail("never comes to rest: %s", why) end
end

function Life:expect(what, want, got) if want ~= got then self:fail("%s: wanted %s, is %s", what, want, got) end end

function Life:check_pods(set)
  local wanted = set.spec.replicas
  local list, owned = self.cluster:list "pod", {}
  for _, pod in ipairs(list) do
    local name = pod.metadata.name
    if pod.metadata.deletionTimestamp then self:fail("%s is still terminating", name) end
    if controller_of(pod) and not finished(pod) then
      owned[#owned + 1] = pod
      if not ready(pod) then self:fail("%s is not Ready: %s", name, self.cluster:get("pod/" .. name).status.phase) end
    end
  end
  self:expect("pods", wanted, #owned)
  return owned
end

function Life:check_status(set, numbers)
  local s = set.status
  self:expect("observedGeneration", set.metadata.generation, s.observedGeneration)
  for _, number in ipairs(numbers) do self:expect(number, set.spec.replicas, s[number] or 0) end
end

local ends = {}

function ends.sts(life, set)
  local owned = life:check_pods(set)
  life:check_status(set, { "replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas" })
  life:expect("currentRevision", set.status.updateRevision, set.status.currentRevision)
  local start = set.spec.ordinals and set.spec.ordinals.start or 0
  for i, pod in ipairs(owned) do
    life:expect("ordinal", start + i - 1, ordinal(pod.metadata.name))
    life:expect("revision of " .. pod.metadata.name, set.status.updateRevision, pod.metadata.labels["controller-revision-hash"])
    life:expect("version of " .. pod.metadata.name, set.spec.template.metadata.annotations.version, pod.metadata.annotations.version)
    if set.spec.volumeClaimTemplates then
      local claim = life.cluster:get("pvc/data-" .. pod.metadata.name)
      life:expect("claim of " .. pod.metadata.name, "Bound", claim and claim.status.phase)
    end
  end
  local history = life.cluster:count "controllerrevision"
  if history > set.spec.revisionHistoryLimit + 1 then life:fail("%d revisions are kept", history) end
end

function ends.rs(life, set)
  life:check_pods(set)
  life:check_status(set, { "replicas", "readyReplicas", "availableReplicas" })
  life:expect("ReplicaFailure", nil, (set.status.conditions or {})[1])
end

function ends.deploy(life, set)
  local owned = life:check_pods(set)
  life:check_status(set, { "replicas", "readyReplicas", "availableReplicas", "updatedReplicas" })
  for _, pod in ipairs(owned) do
    life:expect("version of " .. pod.metadata.name, set.spec.template.metadata.annotations.version, pod.metadata.annotations.version)
  end
  local old = 0
  for _, rs in ipairs(life.cluster:list "rs") do if rs.spec.replicas == 0 then old = old + 1 end end
  if set.spec.replicas > 0 and old > set.spec.revisionHistoryLimit then life:fail("%d old ReplicaSets are kept", old) end
end

---Whatever has an owner has one that is there.
function Life:check_owners()
  local uids = {}
  for _, kind in ipairs { "sts", "rs", "deploy", "pod" } do
    for _, o in ipairs(self.cluster:list(kind)) do uids[o.metadata.uid] = true end
  end
  for _, kind in ipairs { "rs", "pod", "pvc", "controllerrevision" } do
    for _, o in ipairs(self.cluster:list(kind)) do
      for _, ref in ipairs(o.metadata.ownerReferences or {}) do
        if not uids[ref.uid] then self:fail("%s/%s is an orphan of %s/%s", kind, o.metadata.name, ref.kind, ref.name) end
      end
    end
  end
end

function Life:tell()
  self:note("\n%s", self.cluster:kubectl "get sts,deploy,rs,pods,pvc,events")
  self:note("\n%s", self.cluster:kubectl("get -o yaml " .. REFS[self.kind]))
end

function Life:finish()
  self:heal()
  if ONLY then self:tell() end
  ends[self.kind](self, self.cluster:get(REFS[self.kind]))
  self:check_owners()
  local how = self.dice.one_of { "background", "foreground", "orphan" }
  self:note("delete %s", how)
  local before = self.cluster:count "pod"
  self.ending = true
  self.cluster:delete(REFS[self.kind], { cascade = how })
  self:rest()
  self:check_owners()
  if self.cluster:get(REFS[self.kind]) then self:fail "it is still there" end
  local left = 0
  for _, pod in ipairs(self.cluster:list "pod") do if label_of(pod) == "web" and not finished(pod) then left = left + 1 end end
  if how ~= "orphan" then self:expect("pods left", 0, left) elseif left > before then self:fail("%d pods left of %d", left, before) end
end

local function play(kind, seed, late)
  local life = Life.new(kind, seed, late)
  local fine, err = xpcall(function()
    life:live()
    life:finish()
  end, debug.traceback)
  if not fine then life:fail("%s", tostring(err)) end
  if life.rejoin and #life.wrong == 0 then life.rejoin() end
  life.original:close()
  return life
end

local function play_all(kind, late, lives)
  for seed = ONLY or FROM, ONLY or FROM + (LIVES or lives) - 1 do
    local life = play(kind, seed, late)
    if ONLY then print("\n" .. table.concat(life.log, "\n")) end
    local wrong = table.concat(life.wrong, "; ", 1, math.min(3, #life.wrong))
    assert(#life.wrong == 0, ("life %d of %s%s: %s"):format(seed, kind, late and ", with old caches" or "", wrong))
  end
end

for kind, title in pairs { sts = "StatefulSets", rs = "ReplicaSets", deploy = "Deployments" } do
  if (os.getenv "KIND" or kind) == kind then
    describe("random lives of " .. title, function()
      if os.getenv "LATE" ~= "true" then
        it("never break a promise, and end well", function() play_all(kind, false, 600) end)
      end
      if os.getenv "LATE" ~= "false" then
        it("never break a promise with caches of any age, and end well", function() play_all(kind, true, 500) end)
      end
    end)
  end
end
