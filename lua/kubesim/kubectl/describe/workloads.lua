--- describe of ReplicaSets, StatefulSets and Deployments. Called by describe/init.lua.
---
--- kubectl/pkg/describe/describe.go (describeReplicaSet, describeStatefulSet, describeDeployment, getPodStatusForController).
local blocks <const> = require "kubesim.kubectl.describe.blocks"
local claim <const> = require "kubesim.kubectl.describe.claim"
local podtemplate <const> = require "kubesim.kubectl.describe.podtemplate"
local revisions <const> = require "kubesim.kubectl.revisions"
local values <const> = require "kubesim.kubectl.values"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

local PHASES <const> = { "Running", "Pending", "Succeeded", "Failed" }

---"1 Running / 0 Waiting / 0 Succeeded / 0 Failed", of the pods that the object controls.
local function pods_status(object, cx)
  local counts = {}
  for _, pod in ipairs(cx:list("pod", object.metadata.namespace, values.selector(object.spec.selector))) do
    if values.controlled_by(pod, object) then
      local phase = at(pod, "status", "phase") or ""
      counts[phase] = (counts[phase] or 0) + 1
    end
  end
  local n = {}
  for i, phase in ipairs(PHASES) do n[i] = counts[phase] or 0 end
  return ("%d Running / %d Waiting / %d Succeeded / %d Failed"):format(table.unpack(n))
end

---@param w kubesim.describe.Writer
---@param rs table
---@param cx kubesim.describe.Context
local function replicaset(w, rs, cx)
  blocks.name(w, rs)
  w:write(0, "Selector:\t%s\n", values.or_none(values.selector(rs.spec.selector)))
  blocks.metadata(w, rs)
  local owner = values.controller(rs)
  if owner then w:write(0, "Controlled By:\t%s\n", owner) end
  w:write(0, "Replicas:\t%d current / %d desired\n", at(rs, "status", "replicas") or 0, rs.spec.replicas)
  w:write(0, "Pods Status:\t%s\n", pods_status(rs, cx))
  podtemplate.write(w, list(rs.spec.template))
  blocks.conditions(w, at(rs, "status", "conditions"))
  blocks.events(w, cx:events(rs), cx.now)
end

local function claim_templates(w, templates)
  if #list(templates) == 0 then
    w:write(0, "Volume Claims:\t<none>\n")
    return
  end
  w:write(0, "Volume Claims:\n")
  for _, template in ipairs(templates) do
    w:write(1, "Name:\t%s\n", at(template, "metadata", "name") or "")
    w:write(1, "StorageClass:\t%s\n", claim.class(template))
    blocks.labels(w, "Labels", template.metadata.labels, "  ")
    blocks.labels(w, "Annotations", template.metadata.annotations, "  ")
    local size = at(template, "spec", "resources", "requests", "storage")
    w:write(1, "Capacity:\t%s\n", size and values.quantity(size) or "<default>")
    w:write(1, "Access Modes:\t%s\n", values.go_list(template.spec.accessModes))
  end
end

---@param w kubesim.describe.Writer
---@param sts table
---@param cx kubesim.describe.Context
local function statefulset(w, sts, cx)
  blocks.name(w, sts)
  w:write(0, "CreationTimestamp:\t%s\n", values.date(sts.metadata.creationTimestamp))
  w:write(0, "Selector:\t%s\n", values.selector(sts.spec.selector))
  blocks.metadata(w, sts)
  w:write(0, "Replicas:\t%d desired | %d total\n", sts.spec.replicas, at(sts, "status", "replicas") or 0)
  w:write(0, "Update Strategy:\t%s\n", at(sts, "spec", "updateStrategy", "type") or "")
  local rolling = at(sts, "spec", "updateStrategy", "rollingUpdate")
  if rolling and present(rolling.partition) then
    w:write(1, "Partition:\t%d\n", rolling.partition)
    if present(rolling.maxUnavailable) then w:write(1, "MaxUnavailable:\t%s\n", values.int_or_string(rolling.maxUnavailable)) end
  end
  w:write(0, "Pods Status:\t%s\n", pods_status(sts, cx))
  podtemplate.write(w, list(sts.spec.template))
  claim_templates(w, sts.spec.volumeClaimTemplates)
  blocks.events(w, cx:events(sts), cx.now)
end

local function set_names(sets)
  return values.or_none(values.join(sets, ", ", function(rs)
    return ("%s (%d/%d replicas created)"):format(rs.metadata.name, at(rs, "status", "replicas") or 0, rs.spec.replicas)
  end))
end

---@param w kubesim.describe.Writer
---@param deployment table
---@param cx kubesim.describe.Context
local function describe_deployment(w, deployment, cx)
  local spec, status = deployment.spec, list(deployment.status)
  blocks.name(w, deployment)
  w:write(0, "CreationTimestamp:\t%s\n", values.date(deployment.metadata.creationTimestamp))
  blocks.metadata(w, deployment)
  w:write(0, "Selector:\t%s\n", values.selector(spec.selector))
  w:write(0, "Replicas:\t%d desired | %d updated | %d total | %d available | %d unavailable\n", spec.replicas,
    present(status.updatedReplicas) or 0, present(status.replicas) or 0, present(status.availableReplicas) or 0,
    present(status.unavailableReplicas) or 0)
  w:write(0, "StrategyType:\t%s\n", at(spec, "strategy", "type") or "")
  w:write(0, "MinReadySeconds:\t%d\n", present(spec.minReadySeconds) or 0)
  local rolling = at(spec, "strategy", "rollingUpdate")
  if rolling then
    w:write(0, "RollingUpdateStrategy:\t%s max unavailable, %s max surge\n", rolling.maxUnavailable or "<nil>",
      rolling.maxSurge or "<nil>")
  end
  podtemplate.write(w, list(spec.template))
  blocks.conditions(w, status.conditions)
  local old, new = revisions.replica_sets(cx.core, deployment)
  if new or #old > 0 then
    w:write(0, "OldReplicaSets:\t%s\n", set_names(old))
    w:write(0, "NewReplicaSet:\t%s\n", set_names(new and { new }))
  end
  blocks.events(w, cx:events(deployment), cx.now)
end

return { ReplicaSet = replicaset, StatefulSet = statefulset, Deployment = describe_deployment }
