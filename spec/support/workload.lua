-- The workloads that specs of controllers have in common: sets called "web" of pods that are labelled app=web and have one container.
local M = {}

local function merged(into, more)
  for key, value in pairs(more or {}) do into[key] = value end
  return into
end

---@param more table? what else stands in the pods' spec, or instead
---@return table # the spec of a pod with the container `main` of the image app:1
function M.pod_spec(more) return merged({ containers = { { name = "main", image = "app:1" } } }, more) end

---@param kind "Deployment"|"ReplicaSet"|"StatefulSet"
---@param spec table? what stands in its spec beside selector and template: { replicas = 3 }
---@param pod table? what else stands in its pods' spec, or instead
---@param name string? "web"
---@return table
function M.set(kind, spec, pod, name)
  name = name or "web"
  return { apiVersion = "apps/v1", kind = kind, metadata = { name = name }, spec = merged({
    selector = { matchLabels = { app = name } },
    template = { metadata = { labels = { app = name } }, spec = M.pod_spec(pod) },
  }, spec) }
end

---@param name string
---@param labels table<string, string>?
---@param spec table? what else stands in its spec, or instead
---@return table
function M.pod(name, labels, spec)
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name, labels = labels }, spec = M.pod_spec(spec) }
end

---@param name string
---@param class string?
---@return table # a claim for 1Gi, or a claim template of a StatefulSet
function M.claim(name, class)
  return { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = name },
    spec = { accessModes = { "ReadWriteOnce" }, storageClassName = class, resources = { requests = { storage = "1Gi" } } } }
end

---What happened to an object, by the reason of its Events, oldest first.
---@param cluster kubesim.Cluster
---@param ref string "sts/web"
---@param reason string? only such
---@return string[] # messages
function M.told(cluster, ref, reason)
  local list = {}
  for i, event in ipairs(cluster:events { ref = ref, reason = reason }) do list[i] = event.message end
  return list
end

return M
