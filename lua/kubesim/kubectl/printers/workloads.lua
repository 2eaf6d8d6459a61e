--- Rows of the kinds that run pods, and of what guards and remembers them.
--- pkg/printers/internalversion/printers.go: printReplicaSet, printStatefulSet, printDeployment, ...
local common <const> = require "kubesim.kubectl.printers.common"
local core <const> = require "kubesim.core"

local workloads = {}

local function containers_of(object) return common.containers(object.spec.template.spec.containers) end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function workloads.replicaset(object, now)
  local status, names, images = object.status or {}, containers_of(object)
  return { object.metadata.name, object.spec.replicas or 0, status.replicas or 0, status.readyReplicas or 0, common.age(object, now),
    names, images, common.selector(object.spec.selector) }
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function workloads.statefulset(object, now)
  local names, images = containers_of(object)
  return { object.metadata.name, ("%d/%d"):format((object.status or {}).readyReplicas or 0, object.spec.replicas or 0),
    common.age(object, now), names, images }
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function workloads.deployment(object, now)
  local status, names, images = object.status or {}, containers_of(object)
  local selector = core.selector(core.plain(object.spec.selector or {}))
  return { object.metadata.name, ("%d/%d"):format(status.readyReplicas or 0, object.spec.replicas or 0), status.updatedReplicas or 0,
    status.availableReplicas or 0, common.age(object, now), names, images, selector and tostring(selector) or "<invalid>" }
end

local function controller_of(object)
  for _, owner in ipairs(object.metadata.ownerReferences or {}) do
    if owner.controller == true then
      local group = owner.apiVersion:match "^(.*)/" or ""
      return ("%s/%s"):format((owner.kind .. (group ~= "" and "." .. group or "")):lower(), owner.name)
    end
  end
  return "<none>"
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function workloads.controllerrevision(object, now)
  return { object.metadata.name, controller_of(object), object.revision or 0, common.age(object, now) }
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function workloads.poddisruptionbudget(object, now)
  local spec = object.spec or {}
  local function or_na(value) return value ~= nil and tostring(value) or "N/A" end
  return { object.metadata.name, or_na(spec.minAvailable), or_na(spec.maxUnavailable), (object.status or {}).disruptionsAllowed or 0,
    common.age(object, now) }
end

---A workload's scale subresource.
---@param object table
---@param now integer Unix nanoseconds
---@return table
function workloads.scale(object, now)
  return { object.metadata.name, (object.spec or {}).replicas or 0, (object.status or {}).replicas or 0, common.age(object, now) }
end

return workloads
