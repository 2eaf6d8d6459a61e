--- Rows of nodes, namespaces, events, settings and limits. pkg/printers/internalversion/printers.go: printNode, printEvent, ...
local common <const> = require "kubesim.kubectl.printers.common"

local cluster = {}

---Roles of a node, from its labels, in order.
---@param labels table<string, string>?
---@return string
function cluster.roles(labels)
  local set = {}
  for label, value in pairs(labels or {}) do
    local role = label:match "^node%-role%.kubernetes%.io/(.+)$" or label == "kubernetes.io/role" and value ~= "" and value
    if role then set[role] = true end
  end
  local list = common.keys(set)
  return #list > 0 and table.concat(list, ",") or "<none>"
end

local function address(status, kind)
  for _, entry in ipairs(status.addresses or {}) do
    if entry.type == kind then return entry.address end
  end
  return "<none>"
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function cluster.node(object, now)
  local status = object.status or {}
  local info, ready = status.nodeInfo or {}, common.condition(status.conditions, "Ready")
  local state = ready and (ready.status == "True" and "Ready" or "NotReady") or "Unknown"
  if (object.spec or {}).unschedulable then state = state .. ",SchedulingDisabled" end
  local function known(text) return (text or "") ~= "" and text or "<unknown>" end
  local kernel = known(info.kernelVersion) .. ((info.architecture or "") ~= "" and (" (%s)"):format(info.architecture) or "")
  return { object.metadata.name, state, cluster.roles(object.metadata.labels), common.age(object, now), info.kubeletVersion or "",
    address(status, "InternalIP"), address(status, "ExternalIP"), known(info.osImage), kernel, known(info.containerRuntimeVersion) }
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function cluster.namespace(object, now)
  return { object.metadata.name, (object.status or {}).phase or "", common.age(object, now) }
end

local function first(...)
  for i = 1, select("#", ...) do
    local text = select(i, ...)
    if (text or "") ~= "" then return text end
  end
  return ""
end

local function time(value) return type(value) == "string" and value or nil end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function cluster.event(object, now)
  local began = common.since(time(object.firstTimestamp) or object.eventTime, now)
  local last = time(object.lastTimestamp) and common.since(object.lastTimestamp, now) or began
  local count = object.count or 0
  if object.series then
    last, count = common.since(object.series.lastObservedTime, now), object.series.count or 0
  elseif count == 0 then
    count = 1 -- the newer API does not count what happened once
  end
  local about, source = object.involvedObject or {}, object.source or {}
  local target = (about.kind or ""):lower() .. ((about.name or "") ~= "" and "/" .. about.name or "")
  local component = first(source.component, object.reportingComponent)
  local instance = first(source.host, object.reportingInstance)
  return { last, object.type or "", object.reason or "", target, about.fieldPath or "",
    component .. (instance ~= "" and ", " .. instance or ""), (object.message or ""):match "^%s*(.-)%s*$", began, count,
    object.metadata.name }
end

local function size(map)
  local n = 0
  for _ in pairs(map or {}) do n = n + 1 end
  return n
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function cluster.configmap(object, now)
  return { object.metadata.name, size(object.data) + size(object.binaryData), common.age(object, now) }
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function cluster.secret(object, now)
  return { object.metadata.name, object.type or "", size(object.data), common.age(object, now) }
end

---A name and an age: ServiceAccounts, and kinds without columns of their own.
---@param object table
---@param now integer Unix nanoseconds
---@return table
function cluster.plain(object, now) return { object.metadata.name, common.age(object, now) } end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function cluster.resourcequota(object, now)
  local hard, used = (object.status or {}).hard or {}, (object.status or {}).used or {}
  local requests, limits = {}, {}
  for _, resource in ipairs(common.keys(hard)) do
    local list = resource:find "^limits%." and limits or requests
    list[#list + 1] = ("%s: %s/%s"):format(resource, common.quantity(used[resource]), common.quantity(hard[resource]))
  end
  return { object.metadata.name, table.concat(requests, ", "), table.concat(limits, ", "), common.age(object, now) }
end

---LimitRanges have no columns of their own: the server's default ones (apiserver/pkg/registry/rest/table.go).
---@param object table
---@return table
function cluster.limitrange(object) return { object.metadata.name, object.metadata.creationTimestamp } end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function cluster.priorityclass(object, now)
  return { object.metadata.name, object.value or 0, object.globalDefault or false, common.age(object, now), object.preemptionPolicy or "" }
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function cluster.lease(object, now)
  return { object.metadata.name, (object.spec or {}).holderIdentity or "", common.age(object, now) }
end

return cluster
