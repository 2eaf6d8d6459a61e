--- The row of a pod: what kubectl get says of its state. pkg/printers/internalversion/printers.go: printPod.
local common <const> = require "kubesim.kubectl.printers.common"
local core <const> = require "kubesim.core"

---@class kubesim.kubectl.PodState
---@field ready integer        containers that are ready
---@field total integer        containers that count
---@field status string        the STATUS column
---@field restarts integer
---@field restarted string?    when a container last ended before a restart, RFC 3339

local pod = {}

local function later(a, b) return type(b) == "string" and (not a or b > a) and b or a end

--- What of a container's status is looked at.
local of_status <const> = core.reader("name", "restartCount", "lastState.terminated.finishedAt", "state.terminated", "state.waiting.reason",
  "ready", "started", "?state.running")

---What a container that has terminated is said to have died of.
local function death(terminated)
  if (terminated.reason or "") ~= "" then return terminated.reason end
  if (terminated.signal or 0) ~= 0 then return "Signal:" .. terminated.signal end
  return "ExitCode:" .. terminated.exitCode
end

---The first init container that holds the pod up, as "Init:..."; counts restarts and ready sidecars on the way.
local function initialization(statuses, count, sidecars, state, kept)
  for i = 1, #statuses do
    local name, restarts, ended, terminated, waiting, ready, started = of_status(statuses, i)
    local sidecar = sidecars[name]
    state.restarts = state.restarts + (restarts or 0)
    state.restarted = later(state.restarted, ended)
    if sidecar then
      kept.restarts = kept.restarts + (restarts or 0)
      kept.restarted = later(kept.restarted, ended)
    end
    local done = terminated and terminated.exitCode == 0
    if done or sidecar and started then
      if not done and ready then state.ready = state.ready + 1 end
    elseif terminated then
      return "Init:" .. death(terminated)
    elseif (waiting or "") ~= "" and waiting ~= "PodInitializing" then
      return "Init:" .. waiting
    else
      return ("Init:%d/%d"):format(i - 1, count)
    end
  end
end

---The reason that the containers give, over the pod's own.
local function of_containers(statuses, pod_ready, state)
  local runs, failed = false, nil
  for i = #statuses, 1, -1 do
    local _, restarts, ended, terminated, waiting, ready, _, running = of_status(statuses, i)
    state.restarts = state.restarts + (restarts or 0)
    state.restarted = later(state.restarted, ended)
    if (waiting or "") ~= "" then
      state.status = waiting
    elseif terminated then
      state.status = death(terminated)
      if terminated.exitCode ~= 0 then failed = state.status end
    elseif ready and running then
      runs = true
      state.ready = state.ready + 1
    end
  end
  if state.status ~= "Completed" then return end
  if runs and pod_ready == "True" then
    state.status = "Running"
  elseif failed then
    state.status = failed
  elseif runs then
    state.status = "NotReady"
  end
end

local of_pod <const> = core.reader("#spec.containers", "spec.initContainers", "metadata.deletionTimestamp", "status.phase", "status.reason",
  "status.conditions[type=PodScheduled,reason=SchedulingGated].type", "status.conditions[type=Initialized].status",
  "status.conditions[type=Ready].status", "status.initContainerStatuses", "status.containerStatuses")

---What the columns of a pod are made of.
---@param object table
---@return kubesim.kubectl.PodState
function pod.state(object)
  local total, init, deleted, phase, reason, gated, initialized, ready, init_statuses, statuses = of_pod(object)
  local state = { ready = 0, total = total, restarts = 0, status = phase or "" }
  if (reason or "") ~= "" then state.status = reason end
  if gated then state.status = "SchedulingGated" end
  local kept, held_up = { restarts = 0 }, nil
  if init or init_statuses then
    local sidecars = {}
    for _, container in ipairs(init or {}) do
      if container.restartPolicy == "Always" then
        sidecars[container.name] = true
        state.total = state.total + 1
      end
    end
    held_up = initialization(init_statuses or {}, #(init or {}), sidecars, state, kept)
    state.status = held_up or state.status
  end
  if not held_up or initialized == "True" then
    state.restarts, state.restarted = kept.restarts, kept.restarted
    of_containers(statuses or {}, ready, state)
  end
  if deleted then
    if reason == "NodeLost" then
      state.status = "Unknown"
    elseif phase ~= "Failed" and phase ~= "Succeeded" then
      state.status = "Terminating"
    end
  end
  return state
end

local function gates(list, conditions)
  if not list or #list == 0 then return "<none>" end
  local passed = 0
  for _, gate in ipairs(list) do
    local condition = common.condition(conditions, gate.conditionType)
    if condition and condition.status == "True" then passed = passed + 1 end
  end
  return ("%d/%d"):format(passed, #list)
end

local function or_none(text) return (text or "") ~= "" and text or "<none>" end

local of_row <const> = core.reader("metadata.name", "metadata.creationTimestamp", "status.podIPs[1].ip", "spec.nodeName",
  "status.nominatedNodeName", "spec.readinessGates")

---The cells of a pod.
---@param object table
---@param now integer Unix nanoseconds
---@return table
function pod.row(object, now)
  local state = pod.state(object)
  local name, created, address, node, nominated, gated_by = of_row(object)
  local count = common.count
  local restarts = count(state.restarts)
  if state.restarts ~= 0 and state.restarted then
    restarts = ("%d (%s ago)"):format(state.restarts, common.since(state.restarted, now))
  end
  local ready = count(state.ready) .. "/" .. count(state.total)
  return { name, ready, state.status, restarts, common.since(created, now), or_none(address), or_none(node), or_none(nominated),
    gated_by and gates(gated_by, object.status.conditions) or "<none>" }
end

return pod
