--- The scale subresource of a workload, as the API server answers it. Called by get --subresource.
--- pkg/registry/apps/{deployment,replicaset,statefulset}/storage/storage.go: scaleFromDeployment, ...
local core <const> = require "kubesim.core"
local values <const> = require "kubesim.kubectl.values"

---@param object table a Deployment, ReplicaSet or StatefulSet
---@return table scale
return function(object)
  local metadata, selector = object.metadata, core.selector(values.list(object.spec.selector))
  return {
    apiVersion = "autoscaling/v1", kind = "Scale",
    metadata = { name = metadata.name, namespace = metadata.namespace, uid = metadata.uid, resourceVersion = metadata.resourceVersion,
      creationTimestamp = metadata.creationTimestamp },
    spec = { replicas = object.spec.replicas },
    status = { replicas = values.list(object.status).replicas or 0, selector = selector and tostring(selector) or nil },
  }
end
