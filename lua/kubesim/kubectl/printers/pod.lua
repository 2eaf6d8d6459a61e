--- The row of a pod: what kubectl get says of its state. pkg/printers/internalversion/printers.go: printPod.
local common <const> = require "kubesim.kubectl.printers.common"

---@class kubesim.kubectl.PodState
---@field ready integer        containers that are ready
---@field total integer        containers that count
---@field status string        the STATUS column
---@field restarts integer
---@field restarted string?    when a container last ended before a restart, RFC 3339

local pod = {}

local function later(a, b) return type(b) == "string" and (not a or b > a) and b or a end

local function ended_before(status)
  local last = status.lastState and status.lastState.terminated
  return last and last.finishedAt
end

local function is_true(conditions, kind)
  local condition = common.condition(conditions, kind)
  return condition ~= nil and condition.status == "True"
end

---What a container that has terminated is said to have died of.
local function death(terminated)
  if (terminated.reason or "") ~= "" then return terminated.reason end
  if (terminated.signal or 0) ~= 0 then return "Signal:" .. terminated.signal end
  return "ExitCode:" .. terminated.exitCode
end

---The first init container that holds the pod up, as "Init:..."; counts restarts and ready sidecars on the way.
local function initialization(spec, statuses, sidecars, state, kept)
  for i, status in ipairs(statuses) do
    local sidecar = sidecars[status.name]
    state.restarts = state.restarts + (status.restartCount or 0)
    state.restarted = later(state.restarted, ended_before(status))
    if sidecar then
      kept.restarts = kept.restarts + (status.restartCount or 0)
      kept.restarted = later(kept.restarted, ended_before(status))
    end
    local now = status.state or {}
    local terminated, waiting = now.terminated, now.waiting
    local done = terminated and terminated.exitCode == 0
    if done or sidecar and status.started then
      if not done and status.ready then state.ready = state.ready + 1 end
    elseif terminated then
      return "Init:" .. death(terminated)
    elseif waiting and (waiting.reason or "") ~= "" and waiting.reason ~= "PodInitializing" then
      return "Init:" .. waiting.reason
    else
      return ("Init:%d/%d"):format(i - 1, #(spec.initContainers or {}))
    end
  end
end

---The reason that the containers give, over the pod's own.
local function of_containers(statuses, conditions, state)
  local running, failed = false, nil
  for i = #statuses, 1, -1 do
    local status = statuses[i]
    local now = status.state or {}
    state.restarts = state.restarts + (status.restartCount or 0)
    state.restarted = later(state.restarted, ended_before(status))
    local waiting, terminated = now.waiting, now.terminated
    if waiting and (waiting.reason or "") ~= "" then
      state.status = waiting.reason
    elseif terminated then
      state.status = death(terminated)
      if terminated.exitCode ~= 0 then failed = state.status end
    elseif status.ready and now.running then
      running = true
      state.ready = state.ready + 1
    end
  end
  if state.status ~= "Completed" then return end
  if running and is_true(conditions, "Ready") then
    state.status = "Running"
  elseif failed then
    state.status = failed
  elseif running then
    state.status = "NotReady"
  end
end

---What the columns of a pod are made of.
---@param object table
---@return kubesim.kubectl.PodState
function pod.state(object)
  local spec, status = object.spec, object.status or {}
  local conditions = status.conditions
  local state = { ready = 0, total = #(spec.containers or {}), restarts = 0, status = status.phase or "" }
  local reason = status.reason or ""
  if reason ~= "" then state.status = reason end
  for _, condition in ipairs(conditions or {}) do
    if condition.type == "PodScheduled" and condition.reason == "SchedulingGated" then state.status = "SchedulingGated" end
  end
  local sidecars = {}
  for _, container in ipairs(spec.initContainers or {}) do
    if container.restartPolicy == "Always" then
      sidecars[container.name] = true
      state.total = state.total + 1
    end
  end
  local kept = { restarts = 0 }
  local held_up = initialization(spec, status.initContainerStatuses or {}, sidecars, state, kept)
  state.status = held_up or state.status
  if not held_up or is_true(conditions, "Initialized") then
    state.restarts, state.restarted = kept.restarts, kept.restarted
    of_containers(status.containerStatuses or {}, conditions, state)
  end
  if object.metadata.deletionTimestamp then
    if reason == "NodeLost" then
      state.status = "Unknown"
    elseif status.phase ~= "Failed" and status.phase ~= "Succeeded" then
      state.status = "Terminating"
    end
  end
  return state
end

local function gates(list, conditions)
  if not list or #list == 0 then return "<none>" end
  local passed = 0
  for _, gate in ipairs(list) do
    if is_true(conditions, gate.conditionType) then passed = passed + 1 end
  end
  return ("%d/%d"):format(passed, #list)
end

local function or_none(text) return (text or "") ~= "" and text or "<none>" end

---The cells of a pod.
---@param object table
---@param now integer Unix nanoseconds
---@return table
function pod.row(object, now)
  local state, metadata, spec, status = pod.state(object), object.metadata, object.spec, object.status or {}
  local restarts = tostring(state.restarts)
  if state.restarts ~= 0 and state.restarted then
    restarts = ("%d (%s ago)"):format(state.restarts, common.since(state.restarted, now))
  end
  local addresses = status.podIPs
  local address = addresses and addresses[1] and addresses[1].ip
  return { metadata.name, state.ready .. "/" .. state.total, state.status, restarts, common.since(metadata.creationTimestamp, now),
    or_none(address), or_none(spec.nodeName), or_none(status.nominatedNodeName), gates(spec.readinessGates, status.conditions) }
end

return pod
