--- How the explainers of why.lua look at a cluster, and what they have explained already: nothing is explained twice.
local core <const> = require "kubesim.core"
local values <const> = require "kubesim.kubectl.values"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

---@class kubesim.why.Look
---@field core userdata
---@field namespace string
---@field now integer Unix time in nanoseconds
local Look = {}
Look.__index = Look

---@param handle userdata the cluster's core
---@param namespace string
---@param explainers table<string, function>
---@return kubesim.why.Look
function Look.new(handle, namespace, explainers)
  return setmetatable({
    core = handle, namespace = namespace, now = handle:epoch() * 1000000000 + handle:instant(), explainers = explainers, explained = {},
  }, Look)
end

---"pod/web-0".
---@param kind string
---@param name string
---@return string
function Look.ref(kind, name) return kind:lower() .. "/" .. name end

---@param kind string
---@param namespace string? nil for kinds without
---@param name string
---@return table?
function Look:get(kind, namespace, name) return self.core:get(kind, namespace or "", name) end

---@param kind string
---@param namespace string? nil: all
---@param labels string?
---@return table[]
function Look:list(kind, namespace, labels) return self.core:list(kind, namespace, labels, nil) end

---A cause that explains another object: its sentence and, the first time, its causes.
---@param kind string
---@param namespace string?
---@param name string
---@return table cause
function Look:explain(kind, namespace, name)
  local object = self:get(kind, namespace, name)
  if not object then return self:absent(kind, namespace, name) end
  local key = kind .. "/" .. (namespace or "") .. "/" .. name
  local known = self.explained[key]
  if known then return { known } end
  self.explained[key] = Look.ref(kind, name) .. ": see above"
  local explainer = self.explainers[kind] or self.explainers.default
  local sentence, causes = explainer(object, self)
  return { Look.ref(kind, name) .. " " .. sentence, causes = causes }
end

---What is said of an object that is not there: who would make it is explained.
---@param kind string
---@param namespace string?
---@param name string
---@return table cause
function Look:absent(kind, namespace, name)
  local causes = {}
  local set, ordinal = name:match "^(.*)%-(%d+)$"
  local owner = kind == "Pod" and set and self:get("StatefulSet", namespace, set)
  if owner then
    local first = at(owner, "spec", "ordinals", "start") or 0
    local last = first + (at(owner, "spec", "replicas") or 0) - 1
    if math.tointeger(tonumber(ordinal)) < first or math.tointeger(tonumber(ordinal)) > last then
      causes[1] = last < first and ("statefulset/%s has 0 replicas"):format(set)
        or ("statefulset/%s makes pods %s-%d to %s-%d"):format(set, set, first, set, last)
    else
      causes[1] = self:explain("StatefulSet", namespace, set)
    end
  end
  if namespace and namespace ~= "" and not self:get("Namespace", nil, namespace) then
    causes[#causes + 1] = ("there is no namespace %q"):format(namespace)
  end
  return { Look.ref(kind, name) .. " does not exist", causes = causes }
end

---Events about an object, oldest first; with reasons: of those alone.
---@param object table
---@param kind string
---@param reasons table<string, boolean>?
---@param type string? "Warning"
---@return table[]
function Look:events(object, kind, reasons, type)
  local found = {}
  for _, event in ipairs(self.core:events(nil, kind, object.metadata.name, nil, type)) do
    local about = event.involvedObject
    if about.uid == object.metadata.uid and (not reasons or reasons[event.reason]) then found[#found + 1] = event end
  end
  return found
end

local function last_seen(event)
  return at(event, "series", "lastObservedTime") or present(event.lastTimestamp) or present(event.eventTime) or ""
end

---The Event that was seen last, with reasons: of those alone.
---@param object table
---@param kind string
---@param reasons table<string, boolean>?
---@param type string?
---@return table?
function Look:last_event(object, kind, reasons, type)
  local latest
  for _, event in ipairs(self:events(object, kind, reasons, type)) do
    if not latest or last_seen(event) >= last_seen(latest) then latest = event end
  end
  return latest
end

---The condition of a type.
---@param object table?
---@param type string
---@return table?
function Look.condition(object, type)
  for _, condition in ipairs(list(at(object, "status", "conditions"))) do
    if condition.type == type then return condition end
  end
end

---Whether a node talks to the control plane; nil when there is no such node.
---@param name string
---@return boolean?
function Look:node_talks(name)
  local node = self:get("Node", nil, name)
  if not node then return nil end
  local ready = Look.condition(node, "Ready")
  return ready ~= nil and ready.status == "True"
end

---Whether an Event or a moment lies in the future, and how far: "12s"; nil when it does not.
---@param time string?
---@return string?
function Look:until_(time)
  local ns = present(time) and core.time(time)
  if not ns or ns <= self.now then return nil end
  return core.human_duration(ns - self.now)
end

---How long ago a time was: "12s".
---@param time string?
---@return string
function Look:since(time) return values.since(time, self.now) end

---A sentence from a reason and a message, either of which may be missing.
---@param reason string?
---@param message string?
---@return string
function Look.reason(reason, message)
  reason, message = present(reason) or "", present(message) or ""
  if reason == "" or message == "" then return reason .. message end
  return reason .. ": " .. message
end

---What holds a deleted object: its finalizers. nil when it has none.
---@param object table
---@return string?
function Look.finalizers(object)
  local names = list(object.metadata.finalizers)
  if #names == 0 then return nil end
  return ("it stays until its finalizers are taken off: %s"):format(values.join(names, ", "))
end

return Look
