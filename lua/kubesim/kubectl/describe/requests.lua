--- What pods ask for and are limited to, as describe node adds it up. Called by describe/node.lua.
---
--- component-helpers/resource/helpers.go (PodRequests, PodLimits, with the resources that the status reports where wanted).
local core <const> = require "kubesim.core"
local values <const> = require "kubesim.kubectl.values"

---@class kubesim.describe.requests
local requests = {}

local at <const>, list <const> = values.at, values.list

---@alias kubesim.describe.Amounts table<string, userdata> resource -> quantity

---@return kubesim.describe.Amounts
local function amounts(given)
  local result = {}
  for name, text in pairs(list(given)) do result[name] = core.quantity(tostring(text)) end
  return result
end

local function add(to, more)
  for name, quantity in pairs(more) do to[name] = to[name] and to[name] + quantity or quantity end
  return to
end
requests.add = add

local function raise(to, other)
  for name, quantity in pairs(other) do
    if not to[name] or to[name] < quantity then to[name] = quantity end
  end
  return to
end

local function resize_infeasible(pod)
  for _, condition in ipairs(list(at(pod, "status", "conditions"))) do
    if condition.type == "PodResizePending" then return condition.reason == "Infeasible" end
  end
  return false
end

---What a container really has or will have: the most of its spec, what it was allotted and what runs.
local function effective(pod, container, status, part)
  local spec = amounts(at(container, "resources", part))
  local running = at(status, "resources")
  if not running then return spec end
  local result = amounts(running[part])
  if part == "requests" then raise(result, amounts(status.allocatedResources)) end
  return resize_infeasible(pod) and result or raise(result, spec)
end

local function pod_level(name) return name == "cpu" or name == "memory" or name:sub(1, 10) == "hugepages-" end

---A pod's amounts: its containers' sum or an init container's need, whichever is more; what the pod itself states wins.
---@param pod table
---@param part "requests"|"limits"
---@param from_status boolean whether the resources that the status reports count
---@return kubesim.describe.Amounts
function requests.of(pod, part, from_status)
  local statuses = {}
  if from_status then
    for _, group in ipairs { "containerStatuses", "initContainerStatuses" } do
      for _, status in ipairs(list(at(pod, "status", group))) do statuses[status.name] = status end
    end
  end
  local sum, sidecars, most = {}, {}, {}
  for _, container in ipairs(list(pod.spec.containers)) do
    add(sum, effective(pod, container, statuses[container.name], part))
  end
  for _, container in ipairs(list(pod.spec.initContainers)) do
    local stays = container.restartPolicy == "Always"
    local need = effective(pod, container, stays and statuses[container.name] or nil, part)
    if stays then
      add(sum, need)
      add(sidecars, need)
      raise(most, sidecars)
    else
      raise(most, add(need, sidecars))
    end
  end
  raise(sum, most)
  for name, quantity in pairs(amounts(at(pod, "spec", "resources", part))) do
    if pod_level(name) then sum[name] = quantity end
  end
  for name, quantity in pairs(amounts(pod.spec.overhead)) do
    if part == "requests" then
      sum[name] = sum[name] and sum[name] + quantity or quantity
    elseif sum[name] and core.quantity "0" < sum[name] then
      sum[name] = sum[name] + quantity
    end
  end
  return sum
end

return requests
