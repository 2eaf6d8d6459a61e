--- Why a DNS name resolves, or does not. Called by why.lua.
---
--- Names of the cluster: SERVICE.NAMESPACE.svc.cluster.local, HOST.SERVICE.NAMESPACE.svc.cluster.local for the pods of headless Services
--- (dns/specification.md), shortened by a pod's search path.
local check <const> = require "kubesim.check"
local endpoints <const> = require "kubesim.why.endpoints"
local values <const> = require "kubesim.kubectl.values"
local Look <const> = require "kubesim.why.look"

local list <const>, present <const> = values.list, values.present

local DOMAIN <const> = { "svc", "cluster", "local" }

local function labels_of(name)
  local labels = {}
  for label in name:gsub("%.$", ""):lower():gmatch "[^.]+" do labels[#labels + 1] = label end
  return labels
end

---Takes "svc.cluster.local", "svc.cluster" or "svc" off the end; whether something was taken off.
local function strip_domain(labels)
  for length = #DOMAIN, 1, -1 do
    local fits = #labels > length
    for i = 1, length do fits = fits and labels[#labels - length + i] == DOMAIN[i] end
    if fits then return table.move(labels, 1, #labels - length, 1, {}), true end
  end
  return labels, false
end

---The host, Service and namespace that a name means, as far as the cluster tells; whether it could be read otherwise.
local function meaning(name, look)
  local labels, whole = strip_domain(labels_of(name))
  if #labels > 3 then return nil end
  if whole then
    if #labels == 3 then return labels[1], labels[2], labels[3] end
    if #labels == 2 then return nil, labels[1], labels[2] end
    return nil, labels[1], look.namespace
  end
  if #labels == 1 then return nil, labels[1], look.namespace end
  if #labels == 3 then return labels[1], labels[2], labels[3] end
  if look:get("Service", look.namespace, labels[2]) or not look:get("Namespace", nil, labels[2]) then
    return labels[1], labels[2], look.namespace, true
  end
  return nil, labels[1], labels[2]
end

---Why there is no such Service; `other`: what would be the namespace if the name were read as SERVICE.NAMESPACE.
local function no_service(service, namespace, other, look)
  if not look:get("Namespace", nil, namespace) then return ("there is no namespace %q"):format(namespace) end
  local causes, here = {}, {}
  for _, candidate in ipairs(look:list("Service")) do
    local name, place = candidate.metadata.name, candidate.metadata.namespace
    if place == namespace then
      here[name] = true
    elseif name == service then
      causes[#causes + 1] = ("there is one in namespace %s: %s.%s"):format(place, name, place)
    end
  end
  local near = check.near(service, here)
  if near then causes[#causes + 1] = ("there is a Service %q"):format(near) end
  if other then causes[#causes + 1] = ("there is no namespace %q either"):format(other) end
  return { ("there is no Service %q in namespace %q"):format(service, namespace), causes = causes }
end

---The pod that a host label of a Service would be: of that hostname, or of that name.
local function pod_of(host, namespace, look)
  for _, pod in ipairs(look:list("Pod", namespace)) do
    if present(pod.spec.hostname) == host then return pod end
  end
  return look:get("Pod", namespace, host)
end

---Why a pod has no name of its own under a Service.
local function host_trouble(host, service, look)
  local name, namespace = service.metadata.name, service.metadata.namespace
  if service.spec.clusterIP ~= "None" then
    return ("service/%s is not headless (its clusterIP is %s): only headless Services give their pods names"):format(name,
      present(service.spec.clusterIP) or "not set")
  end
  local pod = pod_of(host, namespace, look)
  if not pod then return look:absent("Pod", namespace, host) end
  local ref, causes = Look.ref("Pod", pod.metadata.name), {}
  local hostname, subdomain = present(pod.spec.hostname) or "", present(pod.spec.subdomain) or ""
  if hostname == "" then causes[#causes + 1] = ("%s has no spec.hostname"):format(ref) end
  if subdomain ~= name then
    local set = list(pod.metadata.labels)["statefulset.kubernetes.io/pod-name"] and " (a StatefulSet's serviceName)" or ""
    causes[#causes + 1] = ("%s has the spec.subdomain %q%s, not %q"):format(ref, subdomain, set, name)
  end
  local selector = list(service.spec.selector)
  local has, wants = endpoints.differences(pod, selector)
  if values.empty(selector) then
    causes[#causes + 1] = ("service/%s has no selector"):format(name)
  elseif wants ~= "" then
    causes[#causes + 1] = ("service/%s does not select it: %s has %s, the selector wants %s"):format(name, ref, has, wants)
  end
  local ready = Look.condition(pod, "Ready")
  if service.spec.publishNotReadyAddresses ~= true and not (ready and ready.status == "True") then
    causes[#causes + 1] = look:explain("Pod", namespace, pod.metadata.name)
  end
  if #causes == 0 then causes[1] = "the endpoints of the Service are not up to date yet" end
  return { ("%s is no host of service/%s"):format(ref, name), causes = causes }
end

local function service_trouble(service, look)
  local name = service.metadata.name
  if service.spec.type == "ExternalName" then
    return ("service/%s stands for the name %s, which the cluster does not know"):format(name, service.spec.externalName)
  end
  if service.spec.clusterIP ~= "None" then return ("service/%s has no address of the kind that was asked for"):format(name) end
  local causes = endpoints.trouble(service, look)
  return { ("service/%s is headless and has no ready endpoints"):format(name), causes = causes }
end

local function addresses(records)
  local texts = {}
  for _, record in ipairs(records) do
    if record.address then texts[#texts + 1] = record.address end
  end
  return table.concat(texts, ", ")
end

---@param look kubesim.why.Look
---@param pod string? the pod that asks
---@param name string
---@return table cause
return function(look, pod, name)
  local records, why = look.core:dns_from(look.namespace, pod, name, "A")
  local host, service_name, namespace, ambiguous = meaning(name, look)
  local service = service_name and look:get("Service", namespace, service_name)
  if records then
    local causes = {}
    if service and not host and service.spec.clusterIP ~= "None" then causes[1] = look:explain("Service", namespace, service_name) end
    return { ("%s resolves to %s"):format(name, addresses(records)), causes = causes }
  end
  local sentence = ("%s does not resolve: %s"):format(name, why)
  if not service_name then return { sentence, causes = { "it is no name of a Service or of a pod behind one" } } end
  if not service then return { sentence, causes = { no_service(service_name, namespace, ambiguous and service_name, look) } } end
  return { sentence, causes = { host and host_trouble(host, service, look) or service_trouble(service, look) } }
end
