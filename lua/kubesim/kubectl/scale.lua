--- The scale subresource of a workload, as the API server answers it. Called by get --subresource.
--- pkg/registry/apps/{deployment,replicaset,statefulset}/storage/storage.go: scaleFromDeployment, ...
local core <const> = require "kubesim.core"

---@param object table a Deployment, ReplicaSet or StatefulSet
---@return table scale
return function(object)
  local metadata, selector = object.metadata, core.selector(object.spec.selector or {})
  return {
    apiVersion = "autoscaling/v1", kind = "Scale",
    metadata = { name = metadata.name, namespace = metadata.namespace, uid = metadata.uid, resourceVersion = metadata.resourceVersion,
      creationTimestamp = metadata.creationTimestamp },
    spec = { replicas = object.spec.replicas },
    status = { replicas = (object.status or {}).replicas or 0, selector = selector and tostring(selector) or nil },
  }
end
