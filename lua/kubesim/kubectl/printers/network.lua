--- Rows of Services and what stands behind them. pkg/printers/internalversion/printers.go: printService, printEndpoints, ...
local common <const> = require "kubesim.kubectl.printers.common"

local network = {}

---Addresses of a load balancer, in order of their text.
local function balancer(status)
  local set = {}
  for _, ingress in ipairs((status.loadBalancer or {}).ingress or {}) do
    local address = (ingress.ip or "") ~= "" and ingress.ip or ingress.hostname or ""
    if address ~= "" then set[address] = true end
  end
  return common.keys(set)
end

local function external(object)
  local spec = object.spec
  local list = {}
  if spec.type == "ExternalName" then return spec.externalName or "" end
  if spec.type ~= "ClusterIP" and spec.type ~= "NodePort" and spec.type ~= "LoadBalancer" then return "<unknown>" end
  if spec.type == "LoadBalancer" then list = balancer(object.status or {}) end
  for _, address in ipairs(spec.externalIPs or {}) do list[#list + 1] = address end
  if #list > 0 then return table.concat(list, ",") end
  return spec.type == "LoadBalancer" and "<pending>" or "<none>"
end

local function ports(list)
  local parts = {}
  for i, port in ipairs(common.list(list)) do
    local node = (port.nodePort or 0) > 0 and ":" .. port.nodePort or ""
    parts[i] = ("%d%s/%s"):format(port.port, node, port.protocol or "TCP")
  end
  return #parts > 0 and table.concat(parts, ",") or "<none>"
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function network.service(object, now)
  local spec = object.spec
  return { object.metadata.name, spec.type or "", spec.clusterIPs and spec.clusterIPs[1] or "<none>", external(object), ports(spec.ports),
    common.age(object, now), common.labels(spec.selector) }
end

---An address with a port: IPv6 in brackets.
local function joined(address, port) return (address:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(address, port) end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function network.endpoints(object, now)
  local list = {}
  for _, subset in ipairs(common.list(object.subsets)) do
    local addresses = common.list(subset.addresses)
    if #common.list(subset.ports) == 0 then
      for _, address in ipairs(addresses) do list[#list + 1] = address.ip end
    end
    for _, port in ipairs(common.list(subset.ports)) do
      for _, address in ipairs(addresses) do list[#list + 1] = joined(address.ip, port.port) end
    end
  end
  local none = #common.list(object.subsets) == 0 and "<none>" or ""
  return { object.metadata.name, common.few(list, none), common.age(object, now) }
end

local function few_or_unset(list)
  local text = common.few(list, "")
  return text ~= "" and text or "<unset>"
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function network.endpointslice(object, now)
  local numbers, addresses = {}, {}
  for i, port in ipairs(common.list(object.ports)) do numbers[i] = tostring(port.port or port.name or "*") end
  for _, endpoint in ipairs(common.list(object.endpoints)) do
    for _, address in ipairs(common.list(endpoint.addresses)) do addresses[#addresses + 1] = address end
  end
  return { object.metadata.name, object.addressType or "", few_or_unset(numbers), few_or_unset(addresses),
    common.age(object, now) }
end

return network
