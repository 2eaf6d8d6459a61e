--- describe node. Called by describe/init.lua.
---
--- kubectl/pkg/describe/describe.go (describeNode, describeNodeLease, describeNodeResource, findNodeRoles).
local core <const> = require "kubesim.core"
local blocks <const> = require "kubesim.kubectl.describe.blocks"
local requests <const> = require "kubesim.kubectl.describe.requests"
local values <const> = require "kubesim.kubectl.values"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

local function roles(labels)
  local found = {}
  for key, value in pairs(list(labels)) do
    local role = key:match "^node%-role%.kubernetes%.io/(.+)$" or key == "kubernetes.io/role" and value ~= "" and value
    if role then found[role] = true end
  end
  return values.or_none(table.concat(values.sorted_keys(found), ","))
end

local RENEWED_EVERY <const> = 10 * 1000000000

---When the kubelet of a node that is well renewed its Lease last; nil when the node is not well.
local function last_renewal(node, now)
  for _, c in ipairs(list(at(node, "status", "conditions"))) do
    local since = c.type == "Ready" and c.status == "True" and c.lastTransitionTime and core.time(c.lastTransitionTime)
    if since then return now - (now - since) % RENEWED_EVERY end
  end
end

local function lease_lines(w, node, cx)
  local name = node.metadata.name
  local lease = values.bare((cx.core:get("Lease", "kube-node-lease", name)))
  -- the Lease of a node that is well is not stored: nothing would change in it but its time
  local renewed = not lease and last_renewal(node, cx.now)
  if not lease and not renewed then
    w:write(0, "Lease:\tFailed to get lease: leases.coordination.k8s.io \"%s\" not found\n", name)
    return
  end
  local function time(v) return present(v) and values.date(v) or "<unset>" end
  w:write(0, "Lease:\n")
  w:write(1, "HolderIdentity:\t%s\n", renewed and name or at(lease, "spec", "holderIdentity") or "<unset>")
  w:write(1, "AcquireTime:\t%s\n", time(at(lease, "spec", "acquireTime")))
  w:write(1, "RenewTime:\t%s\n", renewed and values.date_of(renewed) or time(at(lease, "spec", "renewTime")))
end

local function conditions(w, node)
  local given = list(at(node, "status", "conditions"))
  if #given == 0 then return end
  w:write(0, "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n")
  w:write(1, "----\t------\t-----------------\t------------------\t------\t-------\n")
  for _, c in ipairs(given) do
    w:write(1, "%s \t%s \t%s \t%s \t%s \t%s\n", c.type, c.status, values.date(c.lastHeartbeatTime), values.date(c.lastTransitionTime),
      present(c.reason) or "", present(c.message) or "")
  end
end

local function resource_list(w, title, given)
  if values.empty(given) then return end
  w:write(0, "%s:\n", title)
  for _, name in ipairs(values.sorted_keys(given)) do w:write(0, "  %s:\t%s\n", name, values.quantity(given[name])) end
end

local INFO <const> = {
  { "Machine ID", "machineID" }, { "System UUID", "systemUUID" }, { "Boot ID", "bootID" }, { "Kernel Version", "kernelVersion" },
  { "OS Image", "osImage" }, { "Operating System", "operatingSystem" }, { "Architecture", "architecture" },
  { "Container Runtime Version", "containerRuntimeVersion" }, { "Kubelet Version", "kubeletVersion" },
}

local ZERO <const> = core.quantity "0"

---A share in percent, of `none` where there is nothing to have a share of. In Go's own steps: 290m of 1000m are 28 %.
local function share(amount, total, milli, none)
  local a, b
  if milli then a, b = amount:milli_value(), total:milli_value() else a, b = amount:value(), total:value() end
  return b == 0 and none or math.tointeger(a / b * 100 // 1)
end

---"amount (share%)" of a resource.
local function portion(amounts, allocatable, name, none)
  local amount = amounts[name] or ZERO
  return ("%s (%d%%)"):format(tostring(amount), share(amount, core.quantity(tostring(allocatable[name] or "0")), name == "cpu", none))
end

---The same in a pod's line, where kubectl divides by zero too: Go on amd64 makes the least integer of what comes out.
local function pod_portion(amounts, allocatable, name) return portion(amounts, allocatable, name, math.mininteger) end

local function pods_table(w, pods, allocatable, now)
  w:write(0, "Non-terminated Pods:\t(%d in total)\n", #pods)
  w:write(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge\n")
  w:write(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---\n")
  for _, pod in ipairs(pods) do
    local request, limit = requests.of(pod, "requests", true), requests.of(pod, "limits", true)
    w:write(1, "%s\t%s\t\t%s\t%s\t%s\t%s\t%s\n", pod.metadata.namespace, pod.metadata.name,
      pod_portion(request, allocatable, "cpu"), pod_portion(limit, allocatable, "cpu"),
      pod_portion(request, allocatable, "memory"), pod_portion(limit, allocatable, "memory"),
      values.since(pod.metadata.creationTimestamp, now))
  end
end

local STANDARD <const> = { cpu = true, memory = true, ["ephemeral-storage"] = true, pods = true }

local function allocated_table(w, pods, allocatable)
  local request, limit = {}, {}
  for _, pod in ipairs(pods) do
    requests.add(request, requests.of(pod, "requests", false))
    requests.add(limit, requests.of(pod, "limits", false))
  end
  w:write(0, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n")
  w:write(1, "Resource\tRequests\tLimits\n")
  w:write(1, "--------\t--------\t------\n")
  local function row(name)
    w:write(1, "%s\t%s\t%s\n", name, portion(request, allocatable, name, 0), portion(limit, allocatable, name, 0))
  end
  row "cpu"
  row "memory"
  row "ephemeral-storage"
  for _, name in ipairs(values.sorted_keys(allocatable)) do
    if name:sub(1, 10) == "hugepages-" then row(name) end
  end
  for _, name in ipairs(values.sorted_keys(allocatable)) do
    if not STANDARD[name] and name:sub(1, 10) ~= "hugepages-" then
      w:write(1, "%s\t%s\t%s\n", name, tostring(request[name] or ZERO), tostring(limit[name] or ZERO))
    end
  end
end

---@param w kubesim.describe.Writer
---@param node table
---@param cx kubesim.describe.Context
local function describe(w, node, cx)
  local spec, status = list(node.spec), list(node.status)
  w:write(0, "Name:\t%s\n", node.metadata.name)
  w:write(0, "Roles:\t%s\n", roles(node.metadata.labels))
  blocks.metadata(w, node)
  w:write(0, "CreationTimestamp:\t%s\n", values.date(node.metadata.creationTimestamp))
  blocks.taints(w, "Taints", spec.taints)
  w:write(0, "Unschedulable:\t%s\n", tostring(spec.unschedulable == true))
  lease_lines(w, node, cx)
  conditions(w, node)
  w:write(0, "Addresses:\n")
  for _, address in ipairs(list(status.addresses)) do w:write(1, "%s:\t%s\n", address.type, address.address) end
  resource_list(w, "Capacity", status.capacity)
  resource_list(w, "Allocatable", status.allocatable)
  w:write(0, "System Info:\n")
  for _, line in ipairs(INFO) do w:write(0, "  %s:\t%s\n", line[1], at(status, "nodeInfo", line[2]) or "") end
  if (present(spec.podCIDR) or "") ~= "" then w:write(0, "PodCIDR:\t%s\n", spec.podCIDR) end
  if #list(spec.podCIDRs) > 0 then w:write(0, "PodCIDRs:\t%s\n", values.join(spec.podCIDRs, ",")) end
  if (present(spec.providerID) or "") ~= "" then w:write(0, "ProviderID:\t%s\n", spec.providerID) end
  local fields = ("spec.nodeName=%s,status.phase!=Succeeded,status.phase!=Failed"):format(node.metadata.name)
  local pods = values.bare((cx.core:list("pod", nil, nil, fields)))
  local allocatable = values.empty(status.allocatable) and list(status.capacity) or status.allocatable
  pods_table(w, pods, allocatable, cx.now)
  allocated_table(w, pods, allocatable)
  blocks.events(w, cx:events(node, { also_by_name = true }), cx.now)
end

return { Node = describe }
