--- What `kubectl describe` shows of an object. Called by commands/describe.lua.
---
--- kubectl/pkg/describe/describe.go (describerMap, searchEvents).
local generic <const> = require "kubesim.kubectl.describe.generic"
local values <const> = require "kubesim.kubectl.values"
local Writer <const> = require "kubesim.kubectl.describe.writer"

local describe = {}

local FAMILIES <const> = { "pod", "workloads", "services", "storage", "node", "quotas", "config" }

---@type table<string, fun(w: kubesim.describe.Writer, object: table, cx: kubesim.describe.Context)>
local describers <const> = {}
for _, family in ipairs(FAMILIES) do
  for kind, describer in pairs(require("kubesim.kubectl.describe." .. family)) do describers[kind] = describer end
end

---What describers look things up with.
---@class kubesim.describe.Context
---@field core userdata the cluster's core
---@field now integer Unix time in nanoseconds
---@field show_events boolean
local Context = {}
Context.__index = Context

---Objects in name order.
---@param kind string
---@param namespace string
---@param labels? string
---@return table[]
function Context:list(kind, namespace, labels) return values.bare((self.core:list(kind, namespace, labels, nil))) end

---The Events about an object in the API server's order; nil when they are not to be shown.
---@param object table
---@param opts? { any_kind?: boolean, also_by_name?: boolean } any_kind: not only those that name its kind; also_by_name: also those that
---give its name for its uid, as kubelets do
---@return table[]?
function Context:events(object, opts)
  if not self.show_events then return nil end
  local meta, found = object.metadata, {}
  local namespace = values.present(meta.namespace)
  local function search(uid)
    local fields = ("involvedObject.name=%s,involvedObject.namespace=%s,involvedObject.uid=%s"):format(meta.name, namespace or "", uid)
    if not (opts and opts.any_kind) then fields = fields .. ",involvedObject.kind=" .. object.kind end
    for _, event in ipairs(self.core:list("event", namespace, nil, fields)) do found[#found + 1] = values.bare(event) end
  end
  search(values.present(meta.uid) or "")
  if opts and opts.also_by_name then search(meta.name) end
  return found
end

---The description of an object.
---@param core userdata the cluster's core
---@param object table
---@param show_events boolean
---@return string
function describe.text(core, object, show_events)
  local now = core:epoch() * 1000000000 + core:instant()
  local cx = setmetatable({ core = core, now = now, show_events = show_events }, Context)
  local w = Writer.new()
  local describer = describers[object.kind]
  if describer then describer(w, values.bare(object), cx) else generic(w, object, cx) end
  return w:text()
end

return describe
