--- Why a Service has no ready endpoints: what its selector finds, and what is wrong with that. Called by why/service.lua and, for names,
--- by why/name.lua.
local values <const> = require "kubesim.kubectl.values"
local Look <const> = require "kubesim.why.look"

local at <const>, list <const> = values.at, values.list

---@class kubesim.why.endpoints
local endpoints = {}

local SHOWN <const> = 3

---How many of a selector's labels a pod has.
local function likeness(pod, selector)
  local same = 0
  for key, value in pairs(selector) do
    if list(pod.metadata.labels)[key] == value then same = same + 1 end
  end
  return same
end

---Where a pod's labels are not those of a selector: "type=db" and "type=db2".
---@param pod table
---@param selector table
---@return string has
---@return string wants
function endpoints.differences(pod, selector)
  local has, wants = {}, {}
  for _, key in ipairs(values.sorted_keys(selector)) do
    local value = list(pod.metadata.labels)[key]
    if value ~= selector[key] then
      has[#has + 1] = value and key .. "=" .. value or "no label " .. key
      wants[#wants + 1] = key .. "=" .. selector[key]
    end
  end
  return table.concat(has, ", "), table.concat(wants, ", ")
end

local function nearest_pods(service, look)
  local selector, found, most = service.spec.selector, {}, -1
  for _, pod in ipairs(look:list("Pod", service.metadata.namespace)) do
    local same = likeness(pod, selector)
    local keys = 0
    for key in pairs(selector) do keys = keys + (list(pod.metadata.labels)[key] and 1 or 0) end
    local score = same * 100 + keys
    if score > most then found, most = {}, score end
    if score == most and score > 0 then found[#found + 1] = pod end
  end
  return found
end

---The pods that a Service selects; nil when it has no selector.
---@param service table
---@param look kubesim.why.Look
---@return table[]?
local function selected(service, look)
  if values.empty(at(service, "spec", "selector")) then return nil end
  return look:list("Pod", service.metadata.namespace, values.selector { matchLabels = service.spec.selector })
end

---Named target ports that none of the selected pods has.
local function missing_ports(service, pods)
  local causes = {}
  for _, port in ipairs(list(service.spec.ports)) do
    if type(port.targetPort) == "string" then
      local found = false
      for _, pod in ipairs(pods) do
        for _, container in ipairs(list(pod.spec.containers)) do
          for _, p in ipairs(list(container.ports)) do found = found or p.name == port.targetPort end
        end
      end
      if not found then causes[#causes + 1] = ("no selected pod has a container port named %q"):format(port.targetPort) end
    end
  end
  return causes
end

---Why a Service has no ready endpoints: a list of causes; how many it has.
---@param service table
---@param look kubesim.why.Look
---@return table causes
---@return integer ready
function endpoints.trouble(service, look)
  local ready = 0
  for _, slice in ipairs(look:list("EndpointSlice", service.metadata.namespace, "kubernetes.io/service-name=" .. service.metadata.name)) do
    for _, endpoint in ipairs(list(slice.endpoints)) do
      if at(endpoint, "conditions", "ready") ~= false then ready = ready + 1 end
    end
  end
  local pods, causes = selected(service, look), {}
  if not pods then
    if ready == 0 then causes[1] = "it has no selector, and nobody has written an EndpointSlice for it" end
    return causes, ready
  end
  if #pods == 0 then
    local cause = { ("its selector %s matches no pods"):format(values.labels(service.spec.selector)), causes = {} }
    for i, pod in ipairs(nearest_pods(service, look)) do
      if i > SHOWN then break end
      local has, wants = endpoints.differences(pod, service.spec.selector)
      cause.causes[i] = ("pod/%s has %s, the Service wants %s"):format(pod.metadata.name, has, wants)
    end
    return { cause }, ready
  end
  for _, pod in ipairs(pods) do
    local condition = Look.condition(pod, "Ready")
    if (not condition or condition.status ~= "True") and #causes < SHOWN then
      causes[#causes + 1] = look:explain("Pod", pod.metadata.namespace, pod.metadata.name)
    end
  end
  for _, cause in ipairs(missing_ports(service, pods)) do causes[#causes + 1] = cause end
  return causes, ready
end

return endpoints
