--- describe of claims, volumes and storage classes. Called by describe/init.lua.
---
--- kubectl/pkg/describe/describe.go (describePersistentVolumeClaim, describePersistentVolume, describeStorageClass).
local blocks <const> = require "kubesim.kubectl.describe.blocks"
local claim <const> = require "kubesim.kubectl.describe.claim"
local values <const> = require "kubesim.kubectl.values"
local volumes <const> = require "kubesim.kubectl.describe.volumes"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

---The pods that use a claim: those whose volumes name it, and pods that own it.
local function users(pvc, cx)
  local found, owner_uids = {}, {}
  for _, owner in ipairs(list(pvc.metadata.ownerReferences)) do
    if owner.kind == "Pod" then owner_uids[owner.uid] = true end
  end
  for _, pod in ipairs(cx:list("pod", pvc.metadata.namespace)) do
    local named = false
    for _, volume in ipairs(list(pod.spec.volumes)) do
      if at(volume, "persistentVolumeClaim", "claimName") == pvc.metadata.name then
        found[#found + 1] = pod.metadata.name
        named = true
      end
    end
    if not named and owner_uids[pod.metadata.uid] then found[#found + 1] = pod.metadata.name end
  end
  table.sort(found)
  return found
end

---@param w kubesim.describe.Writer
---@param pvc table
---@param cx kubesim.describe.Context
local function describe_claim(w, pvc, cx)
  claim.write(w, pvc, true, cx.now)
  blocks.multiline(w, "Used By", users(pvc, cx))
  local conditions = at(pvc, "status", "conditions")
  if #list(conditions) > 0 then
    w:write(0, "Conditions:\n")
    w:write(1, "Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage\n")
    w:write(1, "----\t------\t-----------------\t------------------\t------\t-------\n")
    for _, c in ipairs(conditions) do
      w:write(1, "%s \t%s \t%s \t%s \t%s \t%s\n", c.type, c.status, values.date(c.lastProbeTime), values.date(c.lastTransitionTime),
        present(c.reason) or "", present(c.message) or "")
    end
  end
  blocks.events(w, cx:events(pvc), cx.now)
end

---A titled list of requirements of a term: "key in [a, b]".
local function term(w, level, title, requirements)
  w:write(level, "%s:\t", title)
  if #list(requirements) == 0 then
    w:line "<none>"
    return
  end
  for i, requirement in ipairs(requirements) do
    if i > 1 then w:write(level, "\t") end
    local line = requirement.key .. " " .. (present(requirement.operator) or "In"):lower()
    if #list(requirement.values) > 0 then line = ("%s [%s]"):format(line, values.join(requirement.values, ", ")) end
    w:write(0, "%s\n", line)
  end
end

local function node_affinity(w, affinity)
  local required = at(affinity, "required")
  w:write(0, "Node Affinity:\t")
  if not required then
    w:line "<none>"
    return
  end
  w:line ""
  w:write(1, "Required Terms:\t")
  if #list(required.nodeSelectorTerms) == 0 then
    w:line "<none>"
    return
  end
  w:line ""
  for i, t in ipairs(required.nodeSelectorTerms) do term(w, 2, ("Term %d"):format(i - 1), t.matchExpressions) end
end

---@param w kubesim.describe.Writer
---@param pv table
---@param cx kubesim.describe.Context
local function describe_volume(w, pv, cx)
  local spec, reference = pv.spec, at(pv, "spec", "claimRef")
  w:write(0, "Name:\t%s\n", pv.metadata.name)
  blocks.metadata(w, pv)
  w:write(0, "Finalizers:\t%s\n", values.go_list(pv.metadata.finalizers))
  w:write(0, "StorageClass:\t%s\n", claim.class(pv))
  w:write(0, "Status:\t%s\n", claim.phase(pv, cx.now))
  w:write(0, "Claim:\t%s\n", reference and (present(reference.namespace) or "") .. "/" .. (present(reference.name) or "") or "")
  w:write(0, "Reclaim Policy:\t%s\n", present(spec.persistentVolumeReclaimPolicy) or "")
  w:write(0, "Access Modes:\t%s\n", claim.access_modes(spec.accessModes))
  if present(spec.volumeMode) then w:write(0, "VolumeMode:\t%s\n", spec.volumeMode) end
  w:write(0, "Capacity:\t%s\n", values.quantity(at(spec, "capacity", "storage")))
  node_affinity(w, spec.nodeAffinity)
  w:write(0, "Message:\t%s\n", at(pv, "status", "message") or "")
  w:write(0, "Source:\n")
  volumes.persistent_source(w, spec)
  blocks.events(w, cx:events(pv), cx.now)
end

local DEFAULT <const> = { "storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class" }

local function topologies(w, terms)
  if not present(terms) then return end
  w:write(0, "AllowedTopologies:\t")
  if #terms == 0 then
    w:line "<none>"
    return
  end
  w:line ""
  for i, t in ipairs(terms) do term(w, 1, ("Term %d"):format(i - 1), t.matchLabelExpressions) end
end

---@param w kubesim.describe.Writer
---@param class table
---@param cx kubesim.describe.Context
local function describe_class(w, class, cx)
  local annotations = list(class.metadata.annotations)
  local default = annotations[DEFAULT[1]] == "true" or annotations[DEFAULT[2]] == "true"
  w:write(0, "Name:\t%s\n", class.metadata.name)
  w:write(0, "IsDefaultClass:\t%s\n", default and "Yes" or "No")
  w:write(0, "Annotations:\t%s\n", values.labels(annotations))
  w:write(0, "Provisioner:\t%s\n", class.provisioner)
  w:write(0, "Parameters:\t%s\n", values.labels(class.parameters))
  local expands = present(class.allowVolumeExpansion)
  w:write(0, "AllowVolumeExpansion:\t%s\n", expands == nil and "<unset>" or values.bool(expands))
  if #list(class.mountOptions) == 0 then
    w:write(0, "MountOptions:\t<none>\n")
  else
    w:write(0, "MountOptions:\n")
    for _, option in ipairs(class.mountOptions) do w:write(1, "%s\n", option) end
  end
  if present(class.reclaimPolicy) then w:write(0, "ReclaimPolicy:\t%s\n", class.reclaimPolicy) end
  if present(class.volumeBindingMode) then w:write(0, "VolumeBindingMode:\t%s\n", class.volumeBindingMode) end
  topologies(w, class.allowedTopologies)
  blocks.events(w, cx:events(class), cx.now)
end

return { PersistentVolumeClaim = describe_claim, PersistentVolume = describe_volume, StorageClass = describe_class }
