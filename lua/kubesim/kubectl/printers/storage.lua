--- Rows of claims, volumes, classes and attachments.
--- pkg/printers/internalversion/printers.go: printPersistentVolume, printPersistentVolumeClaim, printStorageClass, ...
local common <const> = require "kubesim.kubectl.printers.common"

local storage = {}

local MODES <const> = { { "ReadWriteOnce", "RWO" }, { "ReadOnlyMany", "ROX" }, { "ReadWriteMany", "RWX" }, { "ReadWriteOncePod", "RWOP" } }

---"RWO,ROX": access modes in Kubernetes' short form (helper.GetAccessModesAsString).
---@param modes string[]?
---@return string
function storage.modes(modes)
  local has, list = {}, {}
  for _, mode in ipairs(modes or {}) do has[mode] = true end
  for _, mode in ipairs(MODES) do
    if has[mode[1]] then list[#list + 1] = mode[2] end
  end
  return table.concat(list, ",")
end

---The class of a claim or volume; the old annotation comes first.
---@param object table
---@return string
function storage.class(object)
  return (object.metadata.annotations or {})["volume.beta.kubernetes.io/storage-class"] or object.spec.storageClassName or ""
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function storage.persistentvolume(object, now)
  local spec, status, claim = object.spec, object.status or {}, object.spec.claimRef
  return { object.metadata.name, common.quantity((spec.capacity or {}).storage), storage.modes(spec.accessModes),
    spec.persistentVolumeReclaimPolicy or "", object.metadata.deletionTimestamp and "Terminating" or status.phase or "",
    claim and ("%s/%s"):format(claim.namespace or "", claim.name or "") or "", storage.class(object),
    spec.volumeAttributesClassName or "<unset>", status.reason or "", common.age(object, now), spec.volumeMode or "<unset>" }
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function storage.persistentvolumeclaim(object, now)
  local spec, status = object.spec, object.status or {}
  local bound = (spec.volumeName or "") ~= ""
  return { object.metadata.name, object.metadata.deletionTimestamp and "Terminating" or status.phase or "", spec.volumeName or "",
    bound and common.quantity((status.capacity or {}).storage) or "", bound and storage.modes(status.accessModes) or "",
    storage.class(object), spec.volumeAttributesClassName or "<unset>", common.age(object, now), spec.volumeMode or "<unset>" }
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function storage.storageclass(object, now)
  local notes = object.metadata.annotations or {}
  local default = notes["storageclass.kubernetes.io/is-default-class"] == "true"
    or notes["storageclass.beta.kubernetes.io/is-default-class"] == "true"
  return { object.metadata.name .. (default and " (default)" or ""), object.provisioner or "", object.reclaimPolicy or "Delete",
    object.volumeBindingMode or "Immediate", object.allowVolumeExpansion or false, common.age(object, now) }
end

---@param object table
---@param now integer Unix nanoseconds
---@return table
function storage.volumeattachment(object, now)
  local spec = object.spec
  return { object.metadata.name, spec.attacher or "", (spec.source or {}).persistentVolumeName or "", spec.nodeName or "",
    (object.status or {}).attached or false, common.age(object, now) }
end

return storage
