--- describe pod. Called by describe/init.lua.
---
--- kubectl/pkg/describe/describe.go (describePod), kubectl/pkg/util/qos.
local core <const> = require "kubesim.core"
local blocks <const> = require "kubesim.kubectl.describe.blocks"
local containers <const> = require "kubesim.kubectl.describe.containers"
local podtemplate <const> = require "kubesim.kubectl.describe.podtemplate"
local values <const> = require "kubesim.kubectl.values"
local volumes <const> = require "kubesim.kubectl.describe.volumes"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

local function filled(v) return present(v) ~= nil and v ~= "" end

local function header(w, pod, spec, status)
  blocks.name(w, pod)
  if present(spec.priority) then w:write(0, "Priority:\t%d\n", spec.priority) end
  if filled(spec.priorityClassName) then w:write(0, "Priority Class Name:\t%s\n", spec.priorityClassName) end
  if filled(spec.runtimeClassName) then w:write(0, "Runtime Class Name:\t%s\n", spec.runtimeClassName) end
  if filled(spec.serviceAccountName) then w:write(0, "Service Account:\t%s\n", spec.serviceAccountName) end
  w:write(0, "Node:\t%s\n", filled(spec.nodeName) and spec.nodeName .. "/" .. (present(status.hostIP) or "") or "<none>")
  if present(status.startTime) then w:write(0, "Start Time:\t%s\n", values.date(status.startTime)) end
  blocks.metadata(w, pod)
end

local function phase(w, pod, status, now)
  local deleted = present(pod.metadata.deletionTimestamp)
  if deleted and status.phase ~= "Failed" and status.phase ~= "Succeeded" then
    w:write(0, "Status:\tTerminating (lasts %s)\n", values.since(deleted, now))
    w:write(0, "Termination Grace Period:\t%ds\n", present(pod.metadata.deletionGracePeriodSeconds) or 0)
  else
    w:write(0, "Status:\t%s\n", present(status.phase) or "")
  end
  if filled(status.reason) then w:write(0, "Reason:\t%s\n", status.reason) end
  if filled(status.message) then w:write(0, "Message:\t%s\n", status.message) end
end

local function addresses(w, status)
  w:write(0, "IP:\t%s\n", present(status.podIP) or "")
  if #list(status.podIPs) == 0 then
    w:write(0, "IPs:\t<none>\n")
    return
  end
  w:write(0, "IPs:\n")
  for _, address in ipairs(status.podIPs) do w:write(1, "IP:\t%s\n", address.ip) end
end

local function gates(w, spec, status)
  if #list(spec.readinessGates) == 0 then return end
  w:write(0, "Readiness Gates:\n  Type\tStatus\n")
  for _, gate in ipairs(spec.readinessGates) do
    local found = "<none>"
    for _, condition in ipairs(list(status.conditions)) do
      if condition.type == gate.conditionType then found = condition.status break end
    end
    w:write(1, "%s \t%s \n", gate.conditionType, found)
  end
end

local function conditions(w, status)
  if #list(status.conditions) == 0 then return end
  w:write(0, "Conditions:\n  Type\tStatus\n")
  for _, condition in ipairs(status.conditions) do w:write(1, "%s \t%s \n", condition.type, condition.status) end
end

local ZERO <const> = core.quantity "0"

---Adds what a list of resources gives of CPU and memory; whether it gives some of both.
local function add_up(sums, given)
  local both = true
  for _, name in ipairs { "cpu", "memory" } do
    local amount = core.quantity(values.quantity(list(given)[name]))
    if ZERO < amount then sums[name] = sums[name] and sums[name] + amount or amount else both = false end
  end
  return both
end

---The quality of service that requests and limits make, for a pod whose status does not tell it: the pod's own resources, or else its
---containers'.
local function qos(spec)
  local requests, limits, guaranteed = {}, {}, true
  local function take(resources)
    add_up(requests, at(resources, "requests"))
    if not add_up(limits, at(resources, "limits")) then guaranteed = false end
  end
  if spec.resources then
    take(spec.resources)
    guaranteed = guaranteed or spec.resources.limits == nil
  else
    for _, container in ipairs(list(spec.containers)) do take(container.resources) end
    for _, container in ipairs(list(spec.initContainers)) do take(container.resources) end
  end
  if not next(requests) and not next(limits) then return "BestEffort" end
  for _, name in ipairs { "cpu", "memory" } do
    if requests[name] ~= limits[name] then guaranteed = false end
  end
  return guaranteed and "Guaranteed" or "Burstable"
end

---@param w kubesim.describe.Writer
---@param pod table
---@param cx kubesim.describe.Context
local function describe(w, pod, cx)
  local spec, status = list(pod.spec), list(pod.status)
  header(w, pod, spec, status)
  phase(w, pod, status, cx.now)
  containers.seccomp(w, 0, at(spec, "securityContext", "seccompProfile"))
  addresses(w, status)
  local owner = values.controller(pod)
  if owner then w:write(0, "Controlled By:\t%s\n", owner) end
  if filled(status.nominatedNodeName) then w:write(0, "NominatedNodeName:\t%s\n", status.nominatedNodeName) end
  if present(spec.resources) then
    w:write(0, "Resources:\n")
    containers.resources(w, spec.resources, 1)
  end
  if #list(spec.initContainers) > 0 then
    containers.write(w, "Init Containers", spec.initContainers, status.initContainerStatuses, pod, "")
  end
  containers.write(w, "Containers", spec.containers, status.containerStatuses, pod, "")
  if #list(spec.ephemeralContainers) > 0 then
    containers.write(w, "Ephemeral Containers", spec.ephemeralContainers, status.ephemeralContainerStatuses, pod, "")
  end
  gates(w, spec, status)
  conditions(w, status)
  volumes.write(w, spec.volumes, "")
  w:write(0, "QoS Class:\t%s\n", filled(status.qosClass) and status.qosClass or qos(spec))
  blocks.labels(w, "Node-Selectors", spec.nodeSelector)
  blocks.tolerations(w, "Tolerations", spec.tolerations)
  podtemplate.spread(w, spec.topologySpreadConstraints, "")
  podtemplate.group(w, spec.schedulingGroup, "")
  blocks.events(w, cx:events(pod, { any_kind = true }), cx.now)
end

return { Pod = describe }
