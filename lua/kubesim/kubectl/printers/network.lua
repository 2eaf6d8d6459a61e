--- Rows of Services and what stands behind them. pkg/printers/internalversion/printers.go: printService, printEndpoints, ...
local common <const> = require "kubesim.kubectl.printers.common"
local core <const> = require "kubesim.core"

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

local function external(object, type, addresses)
  local list = {}
  if type == "ExternalName" then return object.spec.externalName or "" end
  if type ~= "ClusterIP" and type ~= "NodePort" and type ~= "LoadBalancer" then return "<unknown>" end
  if type == "LoadBalancer" then list = balancer(object.status or {}) end
  for _, address in ipairs(addresses or {}) do list[#list + 1] = address end
  if #list > 0 then return table.concat(list, ",") end
  return type == "LoadBalancer" and "<pending>" or "<none>"
end

local of_port <const> = core.reader("port", "nodePort", "protocol")

local function ports(list)
  local parts = {}
  for i = 1, list and #list or 0 do
    local port, node, protocol = of_port(list, i)
    parts[i] = ("%d%s/%s"):format(port, (node or 0) > 0 and ":" .. node or "", protocol or "TCP")
  end
  return #parts > 0 and table.concat(parts, ",") or "<none>"
end

local of_service <const> = core.reader("metadata.name", "metadata.creationTimestamp", "spec.type", "spec.clusterIPs[1]", "spec.externalIPs",
  "spec.ports", "spec.selector")

---@param object table
---@param now integer Unix nanoseconds
---@return table
function network.service(object, now)
  local name, created, type, address, addresses, list, selector = of_service(object)
  return { name, type or "", address or "<none>", external(object, type, addresses), ports(list), common.since(created, now),
    common.labels(selector) }
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
