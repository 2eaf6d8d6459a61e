--- Assertions about clusters for luassert, and so for busted: `require "kubesim.assertions"` once, and suites read like sentences.
---
---     assert.ready(cluster, "sts/web")                          -- lets time pass until it is
---     assert.phase("Running", cluster, "pod/web-0")
---     assert.resolves(cluster, "web-0.web", { from = "client" })
---     assert.event(cluster, { reason = "FailedScheduling", ref = "pod/web-0" })
---     assert.in_order(cluster, { "pod/web-0 Ready", "pod/web-1 Created" })
---     assert.always(cluster, function(c) return c:count "pod" <= 3 end)
---     assert.never(cluster, function(c) return not c:get "pvc/data-web-0" end)
---
--- A failure prints what was expected, what was seen, and what the cluster itself says about the causes.
--- `ready`, `phase`, `resolves` and `event` can be negated (`assert.not_ready`, `assert.no.event`): then nobody waits.
local luassert <const> = require "luassert"
local say <const> = require "say"
local check <const> = require "kubesim.check"
local history <const> = require "kubesim.history"

---@class kubesim.assertions
local assertions = {}

-- What failures say -----------------------------------------------------------------------------------------------------

local function seconds(at) return (("%.3f"):format(at):gsub("%.?0+$", "")) .. " s" end

---What the cluster says of the causes; "" when it has nothing to say.
local function causes(cluster, about)
  local ok, text = pcall(cluster.why, cluster, about)
  if not ok or type(text) ~= "string" or text == "" then return "" end
  return "\nWhy:\n  " .. text:gsub("\n+$", ""):gsub("\n", "\n  ")
end

---Puts the message where luassert's formatter finds it, unchanged.
local function explain(arguments, expected, seen, why)
  local text = ("Expected:\n  %s\nSeen at %s:\n  %s%s"):format(expected, arguments.at, (seen:gsub("\n", "\n  ")), why or "")
  arguments[1] = text
  arguments.nofmt = { true }
  arguments.n = 1
end

---Registers an assertion under its name. `fn(arguments, wanted)` returns whether it holds, what was expected, what was seen, and
---what to ask the cluster about; more values are returned to the suite when it holds.
local function register(name, place, fn)
  say:set("assertion.kubesim_" .. name .. ".positive", "%s")
  say:set("assertion.kubesim_" .. name .. ".negative", "%s")
  luassert:register("assertion", name, function(state, arguments)
    local cluster = arguments[place]
    if type(cluster) ~= "table" or not cluster.core then
      check.bad(place, name, "a cluster expected, got " .. (cluster == nil and "no value" or type(cluster)))
    end
    local holds, expected, seen, about, results = fn(arguments, state.mod)
    if (not holds) ~= not state.mod then
      arguments.at = seconds(cluster:now())
      explain(arguments, (state.mod and "" or "not: ") .. expected, seen, state.mod and about and causes(cluster, about))
    end
    return holds, results
  end, "assertion.kubesim_" .. name .. ".positive", "assertion.kubesim_" .. name .. ".negative")
end

local function text(value, n, name) check.type(value, n, name, "string"); return value end

-- One object ------------------------------------------------------------------------------------------------------------

---An object as a failure shows it: what `kubectl get` prints of it.
local function shown(cluster, ref, namespace)
  local object, why = cluster:get(ref, { namespace = namespace })
  if not object then return why, nil end
  local kind, name = ref:match "^([^/]+)/(.+)$"
  local words = { "get", kind, name }
  if object.metadata.namespace then words[4], words[5] = "-n", object.metadata.namespace end
  local ok, out = pcall(cluster.kubectl, cluster, words)
  if ok then return (out:gsub("\n+$", "")), object end
  return ref .. " is there", object
end

register("ready", 1, function(arguments, wanted)
  local cluster, ref = arguments[1], text(arguments[2], 2, "ready")
  local opts = check.opts(arguments[3], 3, "ready", { timeout = "number|string", namespace = "string" })
  local timeout = wanted and opts.timeout or not wanted and 0 or "10m"
  local ok = cluster:wait_for(ref, "ready", { timeout = timeout, namespace = opts.namespace })
  local expected = ref .. " ready" .. (wanted and (" within %s"):format(timeout) or "")
  if (ok or false) == wanted then return ok, expected, "" end
  return ok, expected, (shown(cluster, ref, opts.namespace)), ref
end)

register("phase", 2, function(arguments, wanted)
  local phase, cluster, ref = text(arguments[1], 1, "phase"), arguments[2], text(arguments[3], 3, "phase")
  local opts = check.opts(arguments[4], 4, "phase", { timeout = "number|string", namespace = "string" })
  local function holds(c)
    local object = c:get(ref, { namespace = opts.namespace })
    return object and object.status and object.status.phase == phase
  end
  local ok = holds(cluster)
  if wanted and not ok and opts.timeout then ok = cluster:wait_until(holds, { timeout = opts.timeout }) end
  local expected = ("%s in phase %s"):format(ref, phase)
  if (ok or false) == wanted then return ok, expected, "" end
  local seen, object = shown(cluster, ref, opts.namespace)
  local is = object and object.status and object.status.phase
  return ok, expected, (is and ("phase %s\n"):format(is) or "") .. seen, ref
end)

-- Names, events ---------------------------------------------------------------------------------------------------------

register("resolves", 1, function(arguments, wanted)
  local cluster, name = arguments[1], text(arguments[2], 2, "resolves")
  local opts = check.opts(arguments[3], 3, "resolves", { from = "string", type = "string", namespace = "string",
    timeout = "number|string" })
  local function look(c) return c:resolve(name, { from = opts.from, type = opts.type, namespace = opts.namespace }) end
  local records, why = look(cluster)
  if wanted and not records and opts.timeout then
    records = cluster:wait_until(look, { timeout = opts.timeout })
    if not records then records, why = look(cluster) end
  end
  local expected = ("%s resolves%s"):format(name, opts.from and " from pod/" .. opts.from or "")
  local seen = why or ""
  if records then
    local list = {}
    for i, record in ipairs(records) do list[i] = record.address or record.target or record.text or record.name end
    seen = table.concat(list, "\n")
  end
  return records ~= nil, expected, seen, name, { records }
end)

local function event_line(event)
  return ("%-8s %-20s %s/%s: %s"):format(event.type, event.reason, event.involvedObject.kind:lower(), event.involvedObject.name,
    event.message or "")
end

register("event", 1, function(arguments, wanted)
  local cluster = arguments[1]
  check.type(arguments[2], 2, "event", "table")
  local want = check.opts(arguments[2], 2, "event", { ref = "string", reason = "string", type = "string", namespace = "string",
    all_namespaces = "boolean", message = "string", timeout = "number|string" })
  local function look(c)
    for _, event in ipairs(c:events { ref = want.ref, reason = want.reason, type = want.type, namespace = want.namespace,
      all_namespaces = want.all_namespaces }) do
      if not want.message or (event.message or ""):find(want.message, 1, true) then return event end
    end
  end
  local event = look(cluster)
  if wanted and not event and want.timeout then event = cluster:wait_until(look, { timeout = want.timeout }) end
  local parts = {}
  for _, key in ipairs { "type", "reason", "message" } do
    if want[key] then parts[#parts + 1] = ("%s %q"):format(key, want[key]) end
  end
  local expected = ("an event%s%s"):format(#parts > 0 and " with " .. table.concat(parts, ", ") or "",
    want.ref and " about " .. want.ref or "")
  if (event ~= nil) == wanted then return event ~= nil, expected, "", nil, { event } end
  local seen = {}
  for _, other in ipairs(cluster:events { ref = want.ref, namespace = want.namespace, all_namespaces = want.all_namespaces }) do
    seen[#seen + 1] = event_line(other)
  end
  return event ~= nil, expected, #seen > 0 and table.concat(seen, "\n") or "no events", want.ref
end)

-- Order -----------------------------------------------------------------------------------------------------------------

register("in_order", 1, function(arguments)
  local cluster, facts = arguments[1], arguments[2]
  check.type(facts, 2, "in_order", "table")
  local opts = check.opts(arguments[3], 3, "in_order", { timeout = "number|string", namespace = "string", since = "number|string" })
  local found = history.new(cluster, facts, opts)
  local ok = found:match(cluster, opts.timeout or "10m")
  local expected, seen = {}, {}
  for i, fact in ipairs(facts) do
    local at = found.times[i]
    expected[i] = ("%-40s %s"):format(fact, at and "at " .. seconds(at) or i == #found.times + 1 and "<- did not follow" or "")
  end
  for _, fact in ipairs(found.seen) do seen[#seen + 1] = ("%-12s %s"):format(seconds(fact.at), fact.text) end
  if found.truncated then table.insert(seen, 1, "(what happened before is no longer in the log of changes)") end
  local next_ref = not ok and facts[#found.times + 1]:match "^(%S+)"
  return ok, "in this order\n  " .. table.concat(expected, "\n  "), #seen > 0 and table.concat(seen, "\n") or "nothing of these objects",
    next_ref, { found.times }
end)

-- Invariants ------------------------------------------------------------------------------------------------------------

-- What a broken invariant fails with, so that busted counts it as a failure of the test.
say:set("assertion.kubesim_holds", "%s")
luassert:register("assertion", "kubesim_holds", function(_, arguments)
  arguments.nofmt = { true }
  return false
end, "assertion.kubesim_holds", "assertion.kubesim_holds")

---@class kubesim.Invariant
---@field cluster kubesim.Cluster
local Invariant = {}
Invariant.__index = Invariant
Invariant.__name = "kubesim.Invariant"

---Ends the checking.
function Invariant:stop()
  if self.id and not self.cluster.closed then self.cluster.core:unwatch(self.id) end
  self.id = nil
end
Invariant.__close = Invariant.stop

---Whether it holds now: true, or what to say.
function Invariant:broken(after)
  local value, why = self.fn(self.cluster)
  if (not value) ~= self.wanted then return nil end
  local cluster = self.cluster
  return ("Expected %s:\n  %s\nSeen at %s%s:\n  %s"):format(self.wanted and "always" or "never", self.name, seconds(cluster:now()),
    after and ", after " .. after or "", why ~= nil and tostring(why) or "it returned " .. tostring(value))
end

local function invariant(name, wanted)
  say:set("assertion.kubesim_" .. name, "%s")
  luassert:register("assertion", name, function(_, arguments)
    local cluster, fn = arguments[1], arguments[2]
    if type(cluster) ~= "table" or not cluster.core then check.bad(1, name, "a cluster expected, got " .. type(cluster)) end
    check.type(fn, 2, name, "function")
    check.type(arguments[3], 3, name, "string", "nil")
    local info = type(fn) == "function" and debug.getinfo(fn, "S") or nil
    local self = setmetatable({
      cluster = cluster, fn = fn, wanted = wanted,
      name = arguments[3] or info and ("the function at %s:%d"):format(info.short_src, info.linedefined) or "the invariant",
    }, Invariant)
    local text_now = self:broken()
    if text_now then
      arguments[1], arguments.n, arguments.nofmt = text_now, 1, { true }
      return false
    end
    local checked = cluster:trace()
    self.id = cluster.core:watch(function(what, kind, ns, object)
      local now = cluster:trace()
      if now == checked then return end -- one look at each state of the cluster, however many changes led there
      checked = now
      local broken = self:broken(("%s %s%s"):format(what, kind:lower() .. "/" .. object, ns and " (" .. ns .. ")" or ""))
      if not broken then return end
      self:stop()
      luassert.kubesim_holds(broken)
    end, "*")
    return true, { self }
  end, "assertion.kubesim_" .. name, "assertion.kubesim_" .. name)
end

invariant("always", true)
invariant("never", false)

-- The names for suites and for editors: `assertions.ready(...)` is `assert.ready(...)`.

---@alias kubesim.Waiting { timeout?: number|string, namespace?: string }
---@alias kubesim.Naming { from?: string, type?: string, namespace?: string, timeout?: number|string }
---@alias kubesim.EventWanted { ref?: string, reason?: string, type?: string, message?: string,
---  namespace?: string, timeout?: number|string }
---@alias kubesim.Order { timeout?: number|string, since?: number|string, namespace?: string }
---@alias kubesim.Condition fun(cluster: kubesim.Cluster): any, any
---@class kubesim.Assert
---@field ready fun(cluster: kubesim.Cluster, ref: string, opts?: kubesim.Waiting)  waits, 10 minutes at most by default
---@field phase fun(phase: string, cluster: kubesim.Cluster, ref: string, opts?: kubesim.Waiting)  waits only when told how long
---@field resolves fun(cluster: kubesim.Cluster, name: string, opts?: kubesim.Naming): table[]
---@field event fun(cluster: kubesim.Cluster, want: kubesim.EventWanted): table
---@field in_order fun(cluster: kubesim.Cluster, facts: string[], opts?: kubesim.Order): number[]
---@field always fun(cluster: kubesim.Cluster, fn: kubesim.Condition, name?: string): kubesim.Invariant
---@field never fun(cluster: kubesim.Cluster, fn: kubesim.Condition, name?: string): kubesim.Invariant

return setmetatable(assertions, { __index = function(_, name) return luassert[name] end })
