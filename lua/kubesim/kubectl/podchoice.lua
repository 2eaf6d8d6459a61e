--- Which pod and which container a command means: `exec`, `logs` and `cp` take pods, or things that select pods.
---
--- k8s.io/kubectl/pkg/cmd/util/podcmd/podcmd.go, pkg/polymorphichelpers/{helpers,attachablepodforobject,logsforobject}.go,
--- pkg/util/podutils/podutils.go.
local errors <const> = require "kubesim.kubectl.errors"
local following <const> = require "kubesim.kubectl.following"
local values <const> = require "kubesim.kubectl.values"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

---@class kubesim.kubectl.podchoice
local podchoice = {}

-- Containers -----------------------------------------------------------------------------------------------------------------

---All container names: "main, side, setup (init)".
---@param pod table
---@return string
function podchoice.container_names(pod)
  local names = {}
  for _, c in ipairs(list(pod.spec.containers)) do names[#names + 1] = c.name end
  for _, c in ipairs(list(pod.spec.ephemeralContainers)) do names[#names + 1] = c.name .. " (ephem)" end
  for _, c in ipairs(list(pod.spec.initContainers)) do names[#names + 1] = c.name .. " (init)" end
  return table.concat(names, ", ")
end

---@param pod table
---@param name string
---@return boolean
function podchoice.has_container(pod, name)
  for _, group in ipairs { "containers", "initContainers", "ephemeralContainers" } do
    for _, c in ipairs(list(pod.spec[group])) do
      if c.name == name then return true end
    end
  end
  return false
end

---The container that a pod's annotation names.
---@param pod table
---@return string?
function podchoice.annotated(pod)
  local name = list(pod.metadata.annotations)["kubectl.kubernetes.io/default-container"]
  return name ~= "" and name or nil
end

---The first container; says on standard error that it was chosen when there are others.
---@param ctx kubesim.kubectl.Context
---@param pod table
---@param quiet boolean?
---@return string
function podchoice.first_container(ctx, pod, quiet)
  local name = pod.spec.containers[1].name
  local others = #pod.spec.containers > 1 or #list(pod.spec.initContainers) > 0 or #list(pod.spec.ephemeralContainers) > 0
  if others and not quiet then
    ctx:err(("Defaulted container %s out of: %s\n"):format(errors.quote(name), podchoice.container_names(pod)))
  end
  return name
end

---Raises unless the pod has the container.
---@param pod table
---@param name string
function podchoice.check_container(pod, name)
  if not podchoice.has_container(pod, name) then
    errors.fail("container %s is not valid for pod %s out of: %s", name, pod.metadata.name, podchoice.container_names(pod))
  end
end

---The container that `exec` means when none was named.
---@param ctx kubesim.kubectl.Context
---@param pod table
---@param quiet boolean?
---@return string
function podchoice.default_container(ctx, pod, quiet)
  local name = podchoice.annotated(pod)
  if not name then return podchoice.first_container(ctx, pod, quiet) end
  podchoice.check_container(pod, name)
  return name
end

-- Pods -----------------------------------------------------------------------------------------------------------------------

local function assigned(pod) return (at(pod, "spec", "nodeName") or "") ~= "" end

---Since when the pod is ready; nil when it is not, "" when that is not known.
local function ready_since(pod)
  for _, c in ipairs(list(at(pod, "status", "conditions"))) do
    if c.type == "Ready" and c.status == "True" then return present(c.lastTransitionTime) or "" end
  end
end

---The most restarts of a container, and of a sidecar.
local function restarts(pod)
  local function most(statuses, wanted)
    local count = 0
    for _, status in ipairs(list(statuses)) do
      if not wanted or wanted[status.name] then count = math.max(count, present(status.restartCount) or 0) end
    end
    return count
  end
  local sidecars = {}
  for _, c in ipairs(list(pod.spec.initContainers)) do sidecars[c.name] = c.restartPolicy == "Always" or nil end
  return most(at(pod, "status", "containerStatuses")), most(at(pod, "status", "initContainerStatuses"), sidecars)
end

---Whether a time is after another one; "" and nil are after all others.
local function after(a, b)
  if (a or "") == "" or (b or "") == "" then return (a or "") == "" end
  return a > b
end

-- Rules of an order: true when the first pod comes before the second, false when it does not, nil when the rule says nothing.

local function by_flag(flag, set_first)
  return function(a, b)
    local x, y = flag(a), flag(b)
    if x ~= y then return x == set_first end
  end
end

local function by_phase(ranks)
  return function(a, b)
    local x, y = ranks[at(a, "status", "phase")] or 0, ranks[at(b, "status", "phase")] or 0
    if x ~= y then return x < y end
  end
end

local function by_time(time, newest_first)
  return function(a, b)
    local x, y = time(a), time(b)
    if x == nil or y == nil or x == y then return nil end
    if newest_first then return after(x, y) end
    return after(y, x)
  end
end

local function by_restarts(a, b)
  local a_containers, a_sidecars = restarts(a)
  local b_containers, b_sidecars = restarts(b)
  if a_containers ~= b_containers then return a_containers > b_containers end
  if a_sidecars ~= b_sidecars then return a_sidecars > b_sidecars end
end

local function is_ready(pod) return ready_since(pod) ~= nil end
local function deleted(pod) return present(pod.metadata.deletionTimestamp) end
local function is_deleted(pod) return deleted(pod) ~= nil end
local function created(pod) return present(pod.metadata.creationTimestamp) or "" end

---@param rules fun(a: table, b: table): boolean?[]
local function ordered(rules)
  return function(a, b)
    for _, rule in ipairs(rules) do
      local before = rule(a, b)
      if before ~= nil then return before end
    end
    return false
  end
end

---ByLogging: better to read logs of, first.
podchoice.by_logging = ordered {
  by_flag(assigned, true), by_phase { Running = 0, Unknown = 1, Pending = 2 }, by_flag(is_ready, true), by_time(ready_since, false),
  by_restarts, by_time(created, false),
}

---ActivePods: to be given up first, first.
local least_active <const> = ordered {
  by_flag(assigned, false), by_phase { Pending = 0, Unknown = 1, Running = 2 }, by_flag(is_ready, false), by_flag(is_deleted, true),
  by_time(deleted, false), by_time(ready_since, true), by_restarts, by_time(created, true),
}

---For `exec`: the most active pod first.
function podchoice.by_activity(a, b) return least_active(b, a) end

---Go's name of a kind's type.
local function go_type(mapping)
  local package = mapping.group == "" and "v1" or mapping.version
  return "*" .. package .. "." .. mapping.kind
end

---The label selector of the pods behind an object; raises when it has none.
---@param info kubesim.kubectl.Info
---@param doing string "cannot attach to", "cannot get the logs from"
---@return string
local function selector_of(info, doing)
  local kind, spec = info.mapping.kind, list(info.object.spec)
  local type = go_type(info.mapping)
  if kind == "ReplicaSet" or kind == "StatefulSet" or kind == "Deployment" then return values.selector(spec.selector) end
  if kind ~= "Service" then errors.fail("%s %s: selector for %s not implemented", doing, type, type) end
  if values.empty(spec.selector) then
    errors.fail("%s %s: invalid service '%s': Service is defined without a selector", doing, type, info.name)
  end
  return values.selector { matchLabels = spec.selector }
end

---The pods behind an object, best first. Lets virtual time pass until there is one.
---@param ctx kubesim.kubectl.Context
---@param info kubesim.kubectl.Info
---@param doing string
---@param before fun(a: table, b: table): boolean
---@param timeout integer ns
---@return table[]
function podchoice.pods_of(ctx, info, doing, before, timeout)
  local selector = selector_of(info, doing)
  local ends = following.deadline(ctx.core, timeout)
  while true do
    local pods = ctx.core:list("pod", info.namespace, selector, nil)
    if #pods > 0 then
      local place = {}
      for i, pod in ipairs(pods) do place[pod] = i end
      table.sort(pods, function(a, b)
        if before(a, b) then return true end
        return not before(b, a) and place[a] < place[b]
      end)
      return pods
    end
    if not ctx.core:run_to_change(ends) then errors.fail "timed out waiting for the condition" end
  end
end

---The value of --pod-running-timeout; raises kubectl's words when it is none.
---@param ctx kubesim.kubectl.Context
---@return integer ns
function podchoice.running_timeout(ctx)
  local timeout = ctx.flags["pod-running-timeout"]
  if timeout <= 0 then errors.fail "--pod-running-timeout must be higher than zero" end
  return timeout
end

return podchoice
