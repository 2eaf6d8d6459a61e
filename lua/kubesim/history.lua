--- What happened to some objects, as facts in words ("pod/web-0 Ready"), from the log of changes; for assertions about order.
---
--- Words: Created, Deleted, Terminating, Scheduled, Restarted, Ready (as `wait_for` means it) and NotReady, a phase (Running,
--- Bound, ...), the name of a condition that became true, NAME=VALUE of a condition, or the reason of an event about the object.
local check <const> = require "kubesim.check"
local durations <const> = require "kubesim.durations"

---@class kubesim.History
---@field times number[] when each fact that was found happened, in seconds
---@field seen { at: number, text: string }[] what is known of the objects in question
---@field truncated? boolean the log did not go back far enough
local History = {}
History.__index = History

-- What happens to the object itself; an event of that reason (a container was created) is something else.
local OWN <const> = { created = true, deleted = true, terminating = true, restarted = true, ready = true, notready = true }

local function conditions(object)
  local set = {}
  for _, condition in ipairs(object and object.status and object.status.conditions or {}) do set[condition.type] = condition.status end
  return set
end

local function restarts(object)
  local n = 0
  for _, status in ipairs(object and object.status and object.status.containerStatuses or {}) do n = n + (status.restartCount or 0) end
  return n
end

local function field(object, part, name) return object and object[part] and object[part][name] or nil end

---The facts in one change, in a fixed order.
---@return string[]
local function facts_of(change)
  local object, old = change.object, change.old
  if change.type == "DELETED" then return { "Deleted" } end
  local list = {}
  if change.type == "ADDED" then list[1] = "Created" end
  if object.metadata.deletionTimestamp and not (old and old.metadata.deletionTimestamp) then list[#list + 1] = "Terminating" end
  if field(object, "spec", "nodeName") and not field(old, "spec", "nodeName") then list[#list + 1] = "Scheduled" end
  local phase = field(object, "status", "phase")
  if phase and phase ~= field(old, "status", "phase") then list[#list + 1] = phase end
  if restarts(object) > restarts(old) then list[#list + 1] = "Restarted" end
  local now, before, names = conditions(object), conditions(old), {}
  for name in pairs(now) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if now[name] ~= before[name] then
      if now[name] == "True" and name ~= "Ready" then list[#list + 1] = name end
      list[#list + 1] = name .. "=" .. now[name]
    end
  end
  if change.ready and not change.was_ready then list[#list + 1] = "Ready" end
  if change.was_ready and not change.ready then list[#list + 1] = "NotReady" end
  return list
end

---Prepares to look for facts, from the cluster's beginning or from an instant on.
---@param cluster kubesim.Cluster
---@param facts string[] "kind/name Word"
---@param opts { namespace?: string, since?: number|string }
---@return kubesim.History
function History.new(cluster, facts, opts)
  local self = setmetatable({ facts = {}, objects = {}, times = {}, seen = {}, version = 0, since = 0 }, History)
  if opts.since then
    local ns, why = durations.ns(opts.since)
    if not ns then check.bad(3, "in_order", "option 'since': " .. why) end
    self.since = ns
  end
  for i, fact in ipairs(facts) do
    local ref, word = tostring(fact):match "^%s*(%S+)%s+(.-)%s*$"
    local kind, name = (ref or ""):match "^([^/]+)/([^/]+)$"
    if not kind or word == "" then
      check.bad(2, "in_order", ("entry %d: \"kind/name Word\" expected, got %q"):format(i, tostring(fact)))
    end
    local info = cluster.core:kind(kind)
    if not info then check.bad(2, "in_order", ("entry %d: the server doesn't have a resource type %q"):format(i, kind)) end
    local key = info.kind .. "/" .. name
    self.facts[i] = { key = key, word = word:lower() }
    if not self.objects[key] then
      self.objects[key] = { ref = ref, kind = info.kind, name = name,
        namespace = info.namespaced and (opts.namespace or "default") or nil }
    end
  end
  if #self.facts == 0 then check.bad(2, "in_order", "a list of \"kind/name Word\" expected") end
  return self
end

---Takes the facts of one change into account; they happened together, so any order among them will do.
function History:take(key, at, ref, words)
  local left = {}
  for _, word in ipairs(words) do
    local reason = word:match "^(.-): "
    local bare = (reason or word):lower()
    if not word:find "=True$" then self.seen[#self.seen + 1] = { at = at, text = ref .. " " .. word } end
    if not (reason and OWN[bare]) then left[bare] = true end
  end
  local wanted = self.facts[#self.times + 1]
  while wanted and wanted.key == key and left[wanted.word] do
    left[wanted.word] = nil
    self.times[#self.times + 1] = at
    wanted = self.facts[#self.times + 1]
  end
end

---The changes of a kind since the last look, as tables.
local function changes(cluster, version, ...)
  local list = cluster.core:changes(version, ...)
  for i, c in ipairs(list) do
    list[i] = { type = c[1], version = c[2], at = c[3], object = c[4], ready = c[5], was_ready = c[6], old = c[7] }
  end
  return list
end

---Reads what the log has had since the last look.
function History:read(cluster)
  local entries = {}
  for key, object in pairs(self.objects) do
    for _, change in ipairs(changes(cluster, self.version, object.kind, object.namespace, object.name)) do
      change.key = key
      entries[#entries + 1] = change
    end
  end
  for _, change in ipairs(changes(cluster, self.version, "Event")) do
    local about = change.object.involvedObject or {}
    local key = ("%s/%s"):format(about.kind, about.name)
    local object = self.objects[key]
    if object and change.type ~= "DELETED" and (not object.namespace or object.namespace == about.namespace) then
      change.key, change.event = key, true
      entries[#entries + 1] = change
    end
  end
  table.sort(entries, function(a, b) return a.version < b.version end)
  for _, change in ipairs(entries) do
    if change.at >= self.since then
      local words = change.event and { ("%s: %s"):format(change.object.reason or "", change.object.message or "") } or facts_of(change)
      self:take(change.key, durations.seconds(change.at), self.objects[change.key].ref, words)
    end
  end
  local version, compacted = cluster.core:version()
  self.truncated = self.truncated or compacted > self.version
  self.version = version
end

---Whether the facts happened in their order, others between them or not; lets time pass until they have, at most `timeout`.
---@param cluster kubesim.Cluster
---@param timeout number|string
---@return boolean
function History:match(cluster, timeout)
  local ns, why = durations.ns(timeout)
  if not ns then check.bad(3, "in_order", "option 'timeout': " .. why) end
  local ends = cluster.core:instant() + ns
  self:read(cluster)
  while #self.times < #self.facts and cluster.core:run_to_change(ends) do self:read(cluster) end
  return #self.times == #self.facts
end

return History
