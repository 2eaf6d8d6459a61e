--- kubectl cluster-info: where the API server and the cluster's own services are. k8s.io/kubectl/pkg/cmd/clusterinfo.

---The API server's address: what the Endpoints of its Service hold.
local function host_of(core)
  local endpoints = core:get("Endpoints", "default", "kubernetes")
  local subset = endpoints and (endpoints.subsets or {})[1]
  if not subset then return "https://kubernetes.default.svc" end
  return ("https://%s:%d"):format(subset.addresses[1].ip, subset.ports[1].port)
end

---Where the API server passes on to a Service.
local function link_to(host, service)
  local ingress = ((service.status or {}).loadBalancer or {}).ingress or {}
  if #ingress > 0 then
    local address = (ingress[1].ip or "") ~= "" and ingress[1].ip or ingress[1].hostname
    local links = {}
    for i, port in ipairs(service.spec.ports or {}) do links[i] = ("http://%s:%d "):format(address, port.port) end
    return table.concat(links)
  end
  local name, port = service.metadata.name, (service.spec.ports or {})[1]
  local scheme = port and (port.name == "https" or port.port == 443) and "https" or ""
  local port_name = port and port.name or ""
  if scheme ~= "" then
    name = ("%s:%s:%s"):format(scheme, name, port_name)
  elseif port_name ~= "" then
    name = name .. ":" .. port_name
  end
  return ("%s/api/v1/namespaces/%s/services/%s/proxy"):format(host, service.metadata.namespace, name)
end

local function run(ctx)
  local host = host_of(ctx.core)
  ctx:outf("Kubernetes control plane is running at %s\n", host)
  local namespace = ctx.enforce_namespace and ctx.namespace or "kube-system"
  for _, service in ipairs(ctx.core:list("Service", namespace, "kubernetes.io/cluster-service=true")) do
    local name = (service.metadata.labels or {})["kubernetes.io/name"] or ""
    ctx:outf("%s is running at %s\n", name ~= "" and name or service.metadata.name, link_to(host, service))
  end
  ctx:out "\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n"
end

return { run = run, commands = { dump = { refused = "use kubectl get and kubectl logs" } } }
