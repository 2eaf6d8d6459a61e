--- describe of Services, Endpoints and EndpointSlices. Called by describe/init.lua.
---
--- kubectl/pkg/describe/describe.go (describeService, describeEndpoints, describeEndpointSliceV1, formatEndpointSlices).
local blocks <const> = require "kubesim.kubectl.describe.blocks"
local values <const> = require "kubesim.kubectl.values"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

local function filled(v) return present(v) ~= nil and v ~= "" end

local SHOWN <const> = 3

local function host_port(address, port) return (address:find(":", 1, true) and "[" .. address .. "]" or address) .. ":" .. port end

---The first addresses behind a Service's port, and how many more there are.
local function addresses(slices, port_name)
  if #slices == 0 then return "<none>" end
  local shown, count, more = {}, 0, false
  local function take(endpoint, port)
    if #shown == SHOWN then more = true end
    if at(endpoint, "conditions", "ready") == false then return end
    local address = endpoint.addresses[1]
    if not more then shown[#shown + 1] = port and host_port(address, port) or address end
    count = count + 1
  end
  for _, slice in ipairs(slices) do
    if #list(slice.ports) == 0 then
      for _, endpoint in ipairs(list(slice.endpoints)) do take(endpoint) end
    end
    for _, port in ipairs(list(slice.ports)) do
      if (present(port.name) or "") == port_name then
        for _, endpoint in ipairs(list(slice.endpoints)) do take(endpoint, port.port or 0) end
      end
    end
  end
  local text = table.concat(shown, ",")
  return more and ("%s + %d more..."):format(text, count - SHOWN) or text
end

local function ingress(points)
  return values.join(points, ", ", function(point)
    if not filled(point.ip) then return present(point.hostname) or "" end
    return present(point.ipMode) and ("%s (%s)"):format(point.ip, point.ipMode) or point.ip
  end)
end

local function ports(w, service, slices)
  for _, port in ipairs(list(service.spec.ports)) do
    local name = filled(port.name) and port.name or "<unset>"
    w:write(0, "Port:\t%s\t%d/%s\n", name, port.port, port.protocol)
    w:write(0, "TargetPort:\t%s/%s\n", values.int_or_string(port.targetPort), port.protocol)
    if present(port.appProtocol) then w:write(0, "AppProtocol:\t%s\n", port.appProtocol) end
    if (present(port.nodePort) or 0) ~= 0 then w:write(0, "NodePort:\t%s\t%d/%s\n", name, port.nodePort, port.protocol) end
    w:write(0, "Endpoints:\t%s\n", addresses(slices, present(port.name) or ""))
  end
end

---@param w kubesim.describe.Writer
---@param service table
---@param cx kubesim.describe.Context
local function describe_service(w, service, cx)
  local spec = service.spec
  local function optional(title, value)
    if filled(value) then w:write(0, "%s:\t%s\n", title, value) end
  end
  blocks.name(w, service)
  blocks.metadata(w, service)
  w:write(0, "Selector:\t%s\n", values.labels(spec.selector))
  w:write(0, "Type:\t%s\n", present(spec.type) or "")
  if present(spec.ipFamilyPolicy) then w:write(0, "IP Family Policy:\t%s\n", spec.ipFamilyPolicy) end
  w:write(0, "IP Families:\t%s\n", present(spec.ipFamilies) and values.join(spec.ipFamilies, ",") or "<none>")
  w:write(0, "IP:\t%s\n", present(spec.clusterIP) or "")
  w:write(0, "IPs:\t%s\n", #list(spec.clusterIPs) > 0 and values.join(spec.clusterIPs, ",") or "<none>")
  if #list(spec.externalIPs) > 0 then w:write(0, "External IPs:\t%s\n", values.join(spec.externalIPs, ",")) end
  optional("Desired LoadBalancer IP", spec.loadBalancerIP)
  optional("External Name", spec.externalName)
  local points = at(service, "status", "loadBalancer", "ingress")
  if #list(points) > 0 then w:write(0, "LoadBalancer Ingress:\t%s\n", ingress(points)) end
  ports(w, service, cx:list("endpointslice", service.metadata.namespace, "kubernetes.io/service-name=" .. service.metadata.name))
  w:write(0, "Session Affinity:\t%s\n", present(spec.sessionAffinity) or "")
  optional("External Traffic Policy", spec.externalTrafficPolicy)
  if present(spec.internalTrafficPolicy) then w:write(0, "Internal Traffic Policy:\t%s\n", spec.internalTrafficPolicy) end
  if (present(spec.healthCheckNodePort) or 0) ~= 0 then w:write(0, "HealthCheck NodePort:\t%d\n", spec.healthCheckNodePort) end
  local ranges = spec.loadBalancerSourceRanges
  if #list(ranges) > 0 then w:write(0, "LoadBalancer Source Ranges:\t%s\n", values.join(ranges, ",")) end
  if present(spec.trafficDistribution) then w:write(0, "Traffic Distribution:\t%s\n", spec.trafficDistribution) end
  blocks.events(w, cx:events(service), cx.now)
end

---@param w kubesim.describe.Writer
---@param endpoints table
---@param cx kubesim.describe.Context
local function describe_endpoints(w, endpoints, cx)
  local function ip(address) return address.ip end
  blocks.name(w, endpoints)
  blocks.metadata(w, endpoints)
  w:write(0, "Subsets:\n")
  for _, subset in ipairs(list(endpoints.subsets)) do
    w:write(1, "Addresses:\t%s\n", values.or_none(values.join(subset.addresses, ",", ip)))
    w:write(1, "NotReadyAddresses:\t%s\n", values.or_none(values.join(subset.notReadyAddresses, ",", ip)))
    if #list(subset.ports) > 0 then
      w:write(1, "Ports:\n")
      w:write(2, "Name\tPort\tProtocol\n")
      w:write(2, "----\t----\t--------\n")
      for _, port in ipairs(subset.ports) do
        w:write(2, "%s\t%d\t%s\n", filled(port.name) and port.name or "<unset>", port.port, present(port.protocol) or "")
      end
    end
    w:write(0, "\n")
  end
  blocks.events(w, cx:events(endpoints), cx.now)
end

local function unset(v) return tostring(present(v) == nil and "<unset>" or v) end

local function endpoint_lines(w, endpoint)
  w:write(1, "- Addresses:\t%s\n", values.or_none(values.join(endpoint.addresses, ", ")))
  w:write(2, "Conditions:\n")
  w:write(3, "Ready:\t%s\n", unset(at(endpoint, "conditions", "ready")))
  w:write(2, "Hostname:\t%s\n", unset(endpoint.hostname))
  local target = present(endpoint.targetRef)
  if target then w:write(2, "TargetRef:\t%s/%s\n", target.kind or "", target.name or "") end
  w:write(2, "NodeName:\t%s\n", unset(endpoint.nodeName))
  w:write(2, "Zone:\t%s\n", unset(endpoint.zone))
end

---@param w kubesim.describe.Writer
---@param slice table
---@param cx kubesim.describe.Context
local function describe_slice(w, slice, cx)
  blocks.name(w, slice)
  blocks.metadata(w, slice)
  w:write(0, "AddressType:\t%s\n", slice.addressType)
  if #list(slice.ports) == 0 then
    w:write(0, "Ports: <unset>\n")
  else
    w:write(0, "Ports:\n")
    w:write(1, "Name\tPort\tProtocol\n")
    w:write(1, "----\t----\t--------\n")
    for _, port in ipairs(slice.ports) do
      w:write(1, "%s\t%s\t%s\n", filled(port.name) and port.name or "<unset>", unset(port.port), present(port.protocol) or "")
    end
  end
  if #list(slice.endpoints) == 0 then
    w:write(0, "Endpoints: <none>\n")
  else
    w:write(0, "Endpoints:\n")
    for _, endpoint in ipairs(slice.endpoints) do endpoint_lines(w, endpoint) end
  end
  blocks.events(w, cx:events(slice), cx.now)
end

return { Service = describe_service, Endpoints = describe_endpoints, EndpointSlice = describe_slice }
