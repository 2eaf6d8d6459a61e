--- Plays a recording of a real control plane against a cluster and tells each difference. Used by the specs in
--- spec/golden_spec.lua; the data lies in spec/golden/.
---
--- A recording is a list of steps. After each one the cluster must hold the same objects, have emitted the same events, and
--- have created and deleted pods in the same order as the real system had. What differs from cluster to cluster stands under an
--- alias in the recording: `web-@2` is the second pod made from generateName "web-", `uid(Pod/web-0)`, `IP(web-0)`, `<time>`.
local kubesim = require "kubesim"

local recording = {}

local KINDS = { "Pod", "PersistentVolumeClaim", "PersistentVolume", "Service", "Endpoints", "EndpointSlice", "ResourceQuota",
  "ReplicaSet", "StatefulSet", "Deployment", "ControllerRevision", "PodDisruptionBudget" }
local FURTHER = { "ConfigMap", "Secret", "LimitRange", "Node", "VolumeAttachment" }
local WATCHED = { "Pod", "PersistentVolumeClaim", "ReplicaSet", "ControllerRevision", "PersistentVolume", "EndpointSlice" }

---@param path string
---@return table
function recording.read(path)
  local f = assert(io.open(path))
  local text = f:read "a"
  f:close()
  return kubesim.json.decode(text)
end

-- The world ------------------------------------------------------------------------------------------------------

local function class(name, mode, is_default, expand)
  return {
    apiVersion = "storage.k8s.io/v1", kind = "StorageClass", provisioner = "kubesim.dev/fast", volumeBindingMode = mode,
    reclaimPolicy = "Delete", allowVolumeExpansion = expand,
    metadata = { name = name, annotations = is_default and { ["storageclass.kubernetes.io/is-default-class"] = "true" } or nil },
  }
end

local function world(script)
  local nodes = {}
  for i = 1, script.nodes or 1 do
    nodes[i] = { name = "node-" .. i, capacity = { cpu = "1000", memory = "1000Gi", pods = 10000, ["ephemeral-storage"] = "1000Gi" } }
  end
  return kubesim.new {
    kubelet = "manual", nodes = nodes, version = script.version:match "^v(%d+%.%d+)", feature_gates = script.gates,
    storage_classes = { class("standard", "WaitForFirstConsumer", true, false), class("fast", "Immediate", false, true),
      class("disk", "Immediate", false, false) },
  }
end

-- Aliases --------------------------------------------------------------------------------------------------------

local function plain(s) return (s:gsub("%p", "%%%0")) end

---@class spec.Aliases
local Aliases = {}
Aliases.__index = Aliases

function Aliases.new(cluster)
  local self = setmetatable({ of = {}, uid = {}, latest = {}, dealt = {}, terminating = {}, trace = {}, texts = {} }, Aliases)
  for _, kind in ipairs(WATCHED) do
    cluster:watch(kind, function(what, object) self:saw(kind, what, object) end)
  end
  return self
end

---There are more aliases now: what texts came to so far no longer holds.
function Aliases:forget_texts() self.list, self.texts = nil, {} end

---The next number of a generated name.
function Aliases:deal(prefix, mark)
  local n = (self.dealt[prefix .. mark] or 0) + 1
  self.dealt[prefix .. mark] = n
  return prefix .. mark .. n
end

function Aliases:saw(kind, what, object)
  local meta = object.metadata
  if what == "ADDED" and not self.uid[meta.uid] then
    self.uid[meta.uid] = kind .. "/" .. meta.name
    self.latest[self.uid[meta.uid]] = meta.uid
    local prefix = meta.generateName
    if prefix and kind == "EndpointSlice" then self.of[meta.name] = self:deal(prefix, "*")
    elseif prefix and kind == "Pod" and not (meta.labels or {})["apps.kubernetes.io/pod-index"] then
      self.of[meta.name] = self:deal(prefix, "@")
    end
    self:forget_texts()
  end
  if kind == "EndpointSlice" then return end
  if what == "MODIFIED" then
    if not meta.deletionTimestamp or self.terminating[meta.uid] then return end
    self.terminating[meta.uid] = true
    what = "TERMINATING"
  end
  table.insert(self.trace, ("%s %s/%s"):format(what, kind, meta.name))
end

function Aliases:learn(objects)
  for key, o in pairs(objects) do
    local name = self.of[o.metadata.name] or o.metadata.name
    self.uid[o.metadata.uid] = self.uid[o.metadata.uid] or key
    self.latest[key] = o.metadata.uid
    if o.kind == "Service" then
      for _, ip in ipairs(o.spec.clusterIPs or {}) do if ip ~= "None" then self.of[ip] = "IP(" .. name .. ")" end end
    elseif o.kind == "VolumeAttachment" then
      self.of[name] = ("csi(%s %s)"):format(o.spec.source.persistentVolumeName, o.spec.nodeName)
    elseif o.kind == "Pod" and o.status and o.status.podIP then
      self.of[o.status.podIP] = "IP(" .. name .. ")"
    end
  end
  self:forget_texts()
end

---Real names and what they are called, the longest first.
function Aliases:longest_first()
  local list = {}
  for real, alias in pairs(self.of) do list[#list + 1] = { real, alias } end
  for uid, key in pairs(self.uid) do
    local kind, name = key:match "^([^/]*)/(.*)$"
    list[#list + 1] = { uid, ("uid(%s/%s)"):format(kind, self.of[name] or name) }
  end
  table.sort(list, function(a, b) return #a[1] > #b[1] end)
  return list
end

function Aliases:replace_all(s)
  self.list = self.list or self:longest_first()
  for _, pair in ipairs(self.list) do
    if s:find(pair[1], 1, true) then s = s:gsub(plain(pair[1]), (pair[2]:gsub("%%", "%%%%"))) end
  end
  s = s:gsub("%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.?%d*Z", "<time>")
  return (s:gsub("kube%-api%-access%-%w%w%w%w%w", "kube-api-access-?"))
end

---Text with every name of this run replaced by its alias. Most texts come again and again.
function Aliases:text(s)
  local known = self.texts[s] or self:replace_all(s)
  self.texts[s] = known
  return known
end

---The name in this run that an alias of the recording stands for.
function Aliases:real(s)
  s = " " .. s -- so that what stands at the beginning has something before it
  for name, alias in pairs(self.of) do s = s:gsub("([%s/])" .. plain(alias) .. "%f[%s\0]", "%1" .. name) end
  return s:sub(2)
end

---Text in which each `uid(Kind/name)` is the uid that the object of that name has in this run, or had last.
function Aliases:with_uids(s)
  return (s:gsub("uid%((%w+)/([^)]+)%)", function(kind, alias) return self.latest[kind .. "/" .. self:real(alias)] end))
end

local DROPPED = { uid = true, resourceVersion = true, creationTimestamp = true, managedFields = true, selfLink = true }

function Aliases:object(v, path)
  if type(v) == "string" then return self:text(v) end
  if type(v) ~= "table" or v == kubesim.null then return v end
  local t = {}
  for k, x in pairs(v) do
    local dropped = path == ".metadata" and DROPPED[k] or k == "resourceVersion" or k == "uid" and path:find "ownerReferences"
    if not dropped then
      t[type(k) == "string" and self:text(k) or k] = self:object(x, type(k) == "number" and path or path .. "." .. k)
    end
  end
  return t
end

-- Comparing ------------------------------------------------------------------------------------------------------

---What of an object is bound: a pod's conditions by status, of a node what controllers write, of a volume not where it lies.
local function bound(o)
  if o.kind == "Pod" then
    local s, t, conditions = o.status or {}, {}, {}
    for k, v in pairs(o) do t[k] = v end
    for _, c in ipairs(s.conditions or {}) do conditions[c.type] = c.status end
    t.status = { phase = s.phase, qosClass = s.qosClass, nominatedNodeName = s.nominatedNodeName,
      conditions = s.phase ~= "Pending" and conditions or nil }
    return t
  elseif o.kind == "Node" then
    local t = { kind = "Node", metadata = { name = o.metadata.name },
      spec = { taints = o.spec.taints, unschedulable = o.spec.unschedulable } }
    for _, c in ipairs(o.status.conditions or {}) do
      if c.type == "Ready" then t.status = { status = c.status, reason = c.reason, message = c.message } end
    end
    return t
  elseif o.kind == "PersistentVolume" then
    local t, spec = {}, {}
    for k, v in pairs(o) do t[k] = v end
    for k, v in pairs(o.spec) do if k ~= "nfs" and k ~= "csi" and k ~= "hostPath" then spec[k] = v end end
    t.spec = spec
    return t
  end
  return o
end

local function empty(v) return v == nil or v == kubesim.null end
local function shown(v)
  if type(v) ~= "table" or v == kubesim.null then return type(v) == "string" and ("%q"):format(v) or tostring(v) end
  return kubesim.json.encode(v)
end

local function differ(want, got, path, skip, report)
  if skip[path] or skip[path:match "([^.|]*)$"] or empty(want) and empty(got) then return end
  if type(want) == "table" and type(got) == "table" and want ~= kubesim.null and got ~= kubesim.null then
    local function at(k) return path .. (path:find "|$" and "" or ".") .. k end
    for k, v in pairs(want) do differ(v, got[k], at(k), skip, report) end
    for k, v in pairs(got) do if want[k] == nil then differ(nil, v, at(k), skip, report) end end
  elseif want ~= got then
    report(("%s: real %s, kubesim %s"):format(path, shown(want), shown(got)))
  end
end

local function counted(list)
  local t = {}
  for _, line in ipairs(list) do t[line] = (t[line] or 0) + 1 end
  return t
end

local function differ_sets(want, got, label, report, tolerated)
  want, got = counted(want), counted(got)
  for line, n in pairs(want) do if (got[line] or 0) < n then report(label .. ": kubesim lacks " .. line) end end
  for line, n in pairs(got) do
    if (want[line] or 0) < n and not (tolerated and tolerated[line]) then report(label .. ": kubesim adds " .. line) end
  end
end

-- kubectl's output with ages taken out, as the recording has it
local function without_age(s)
  s = s:gsub("%u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d [+-]%d%d%d%d", "<date>"):gsub("for (%d+)s", "for %1\0")
  for _, unit in ipairs { "%d+m%d+s", "%d+s" } do s = s:gsub("%f[%w.-]" .. unit .. "%f[^%w.-]", "<age>") end
  return (s:gsub("for (%d+)%z", "for %1s"):gsub('(resourceVersion: )"%d+"', '%1"<rv>"'))
end
local function trimmed(s) return (s:gsub("%s+$", "")) end

-- Steps ----------------------------------------------------------------------------------------------------------

local function perform(cluster, aliases, d)
  local op = d[1]
  local function real(i) return aliases:real(d[i]) end
  if op == "apply" or op == "create" or op == "replace" then
    return pcall(cluster.kubectl, cluster, op .. " -f -" .. (d[3] and " " .. table.concat(d[3], " ") or ""), aliases:with_uids(d[2]))
  elseif op == "kubectl" then return pcall(cluster.kubectl, cluster, real(2), d[3])
  elseif op == "delete" then return pcall(cluster.delete, cluster, real(2), d[3])
  elseif op == "patch" then
    local patch = aliases:with_uids(kubesim.json.encode(d[3]))
    return pcall(cluster.patch, cluster, real(2), patch, d[4] or { type = "strategic" })
  elseif op == "scale" then return pcall(cluster.scale, cluster, real(2), d[3])
  elseif op == "evict" then return pcall(cluster.evict, cluster, real(2), d[3])
  elseif op == "drive" then return pcall(cluster.drive, cluster, real(2), d[3])
  elseif op == "fail_node" or op == "recover_node" then return pcall(cluster[op], cluster, d[2])
  end
  assert(op == "wait", "unknown step " .. op)
  return true
end

local PRINTS = { apply = true, create = true, replace = true, kubectl = true }

local function compare_answer(step, ok, answer, aliases, report)
  local want, op = step.result or {}, step["do"][1]
  if step.result_varies then return end
  local refusal = want.error or PRINTS[op] and want.exit and want.err
  if ok and refusal then report("real refuses: " .. tostring(want.err or want.error.message))
  elseif not ok and not refusal then report("kubesim refuses: " .. tostring(answer))
  elseif PRINTS[op] then
    local w, g = trimmed(refusal or want.out), trimmed(without_age(aliases:text(tostring(answer))))
    if want.loose then g = g:gsub("  +", "  "):gsub(" +\n", "\n") end
    if w ~= g then report(("prints\n--- real\n%s\n--- kubesim\n%s\n---"):format(w, g)) end
  elseif refusal and op ~= "drive" then
    for _, k in ipairs { "code", "reason", "message" } do
      local g = type(answer) == "table" and answer[k] or nil
      if type(g) == "string" then g = aliases:text(g) end
      local w = not empty(refusal[k]) and refusal[k] or nil
      if (g or "") ~= (w or "") then report(("%s: real %s, kubesim %s"):format(k, shown(w), shown(g or tostring(answer)))) end
    end
  end
end

-- Reasons that real components repeat on timers or races: only their first appearance counts.
local COUNTLESS = {}
for reason in ("WaitForFirstConsumer ExternalProvisioning FailedScheduling FailedCreate WaitForPodScheduled ProvisioningFailed " ..
  "FailedBinding FailedMount"):gmatch "%a+" do COUNTLESS[reason] = true end

---A pod that was refused never was: its random name is nobody's alias.
local function without_refused_name(message)
  return (message:gsub('pods "([%w.-]-)%-%w%w%w%w%w" is forbidden', 'pods "%1-?" is forbidden'))
end

local function event_line(e)
  return ("%s %s %s %q%s"):format(e.type, e.reason, e.object, without_refused_name(e.message), e.count and " x" .. e.count or "")
end

---The events that are new or counted up since the last call, as lines.
---Events about nodes stand in namespace default, which was not the recorded one: no recording has any.
local function new_events(cluster, aliases, seen)
  local lines = {}
  for _, e in ipairs(cluster:events()) do
    local n = e.count or e.series and e.series.count or 1
    if seen[e.metadata.name] ~= n and e.involvedObject.kind ~= "Node" then
      seen[e.metadata.name] = n
      local event = { type = e.type, reason = e.reason, message = without_refused_name(aliases:text(e.message)), count = n,
        object = e.involvedObject.kind .. "/" .. aliases:text(e.involvedObject.name) }
      local key = e.reason .. " " .. event.object .. " " .. event.message
      if COUNTLESS[e.reason] then event.count = nil end
      if not (COUNTLESS[e.reason] and (seen[key] or event.message:find "^%(combined")) then lines[#lines + 1] = event_line(event) end
      if COUNTLESS[e.reason] then seen[key] = true end
    end
  end
  return lines
end

local function lines_of(events)
  local t = {}
  for i, e in ipairs(events or {}) do t[i] = event_line(e) end
  return t
end

local function pods_of(trace)
  local t = {}
  for _, line in ipairs(trace) do if line:find(" Pod/", 1, true) then t[#t + 1] = line end end
  return table.concat(t, ", ")
end

local function compare_trace(script, step, aliases, report)
  local trace = {}
  for i, line in ipairs(aliases.trace) do trace[i] = aliases:text(line) end
  if step.trace_varies then return end
  if script.name:find "sts%-" and not step.trace_order_varies then
    local want, got = pods_of(step.trace or {}), pods_of(trace)
    if want ~= got then report(("order: real %s; kubesim %s"):format(want, got)) end
  else
    differ_sets(step.trace or {}, trace, "order", report)
  end
end

local function objects_now(cluster, kinds)
  local t = {}
  for _, kind in ipairs(kinds) do
    for _, o in ipairs(cluster:list(kind, { namespace = "default" })) do t[o.kind .. "/" .. o.metadata.name] = o end
  end
  return t
end

local function compare_objects(script, step, expected, now, aliases, report)
  local skip = {}
  for _, name in ipairs(script.ignore or {}) do skip[name] = true end
  for _, path in ipairs(step.varies or {}) do skip[path] = true end
  local got = {}
  for _, o in pairs(now) do
    local service = (o.kind == "Service" or o.kind == "Endpoints" or o.kind == "EndpointSlice") and o.metadata.name:find "^kubernetes"
    if not service then
      local name = aliases:text(aliases.of[o.metadata.name] or o.metadata.name)
      got[o.kind .. "/" .. name] = bound(aliases:object(o, ""))
    end
  end
  for key, o in pairs(step.objects) do expected[key] = o ~= kubesim.null and bound(o) or nil end
  for key, o in pairs(expected) do
    if not got[key] then report(key .. ": real has it, kubesim does not") else differ(o, got[key], key .. "|", skip, report) end
  end
  for key in pairs(got) do if not expected[key] then report(key .. ": kubesim has it, real does not") end end
end

---Plays a recording; returns the list of differences as text, empty when all agrees, and the number of steps that agree.
---@param script table
---@return string[] differences
---@return integer agreeing
function recording.play(script)
  local cluster <close> = world(script)
  local aliases = Aliases.new(cluster)
  local differences, agreeing, expected, seen = {}, 0, {}, {}
  local kinds, mentioned = { table.unpack(KINDS) }, {}
  for _, step in ipairs(script.steps) do
    for key in pairs(step.objects) do mentioned[key:match "^[^/]*"] = true end
  end
  for _, kind in ipairs(FURTHER) do if mentioned[kind] then kinds[#kinds + 1] = kind end end
  for i, step in ipairs(script.steps) do
    local before = #differences
    local function report(text) differences[#differences + 1] = ("step %d (%s): %s"):format(i, step["do"][1], text) end
    aliases.trace = {}
    local ok, answer = perform(cluster, aliases, step["do"])
    compare_answer(step, ok, answer, aliases, report)
    cluster:advance(step.took or 2)
    local now = objects_now(cluster, kinds)
    aliases:learn(now)
    compare_objects(script, step, expected, now, aliases, report)
    local tolerated = counted(lines_of(step.events_may))
    differ_sets(lines_of(step.events), new_events(cluster, aliases, seen), "event", report, tolerated)
    compare_trace(script, step, aliases, report)
    if #differences == before then agreeing = agreeing + 1 end
  end
  return differences, agreeing
end

return recording
