--- Rows of claims, volumes, classes and attachments.
--- pkg/printers/internalversion/printers.go: printPersistentVolume, printPersistentVolumeClaim, printStorageClass, ...
local common <const> = require "kubesim.kubectl.printers.common"
local core <const> = require "kubesim.core"

local storage = {}

local SHORT <const> = { ReadWriteOnce = "RWO", ReadOnlyMany = "ROX", ReadWriteMany = "RWX", ReadWriteOncePod = "RWOP" }
local MODES <const> = { "ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod" }

---"RWO,ROX": access modes in Kubernetes' short form (helper.GetAccessModesAsString).
---@param modes string[]?
---@return string
function storage.modes(modes)
  if not modes then return "" end
  if #modes == 1 then return SHORT[modes[1]] or "" end
  local has, list = {}, {}
  for _, mode in ipairs(modes) do has[mode] = true end
  for _, mode in ipairs(MODES) do
    if has[mode] then list[#list + 1] = SHORT[mode] end
  end
  return table.concat(list, ",")
end

--- What claims and volumes have in common; the old annotation of the class comes before the field.
local COMMON <const> = { "metadata.name", "metadata.creationTimestamp", "?metadata.deletionTimestamp",
  "metadata.annotations[volume.beta.kubernetes.io/storage-class]", "spec.storageClassName", "spec.volumeAttributesClassName",
  "spec.volumeMode", "status.phase" }

local function reader_of(...)
  local paths = table.move(COMMON, 1, #COMMON, 1, {})
  return core.reader(table.unpack(table.move({ ... }, 1, select("#", ...), #paths + 1, paths)))
end

local of_volume <const> = reader_of("spec.capacity.storage", "spec.accessModes", "spec.persistentVolumeReclaimPolicy", "?spec.claimRef",
  "spec.claimRef.namespace", "spec.claimRef.name", "status.reason")

---@param object table
---@param now integer Unix nanoseconds
---@return table
function storage.persistentvolume(object, now)
  local name, created, deleted, old_class, class, attributes, mode, phase, capacity, modes, policy, claimed, claim_ns, claim, reason =
    of_volume(object)
  return { name, common.quantity(capacity), storage.modes(modes), policy or "", deleted and "Terminating" or phase or "",
    claimed and ("%s/%s"):format(claim_ns or "", claim or "") or "", old_class or class or "", attributes or "<unset>", reason or "",
    common.since(created, now), mode or "<unset>" }
end

local of_claim <const> = reader_of("spec.volumeName", "status.capacity.storage", "status.accessModes")

---@param object table
---@param now integer Unix nanoseconds
---@return table
function storage.persistentvolumeclaim(object, now)
  local name, created, deleted, old_class, class, attributes, mode, phase, volume, capacity, modes = of_claim(object)
  local bound = (volume or "") ~= ""
  return { name, deleted and "Terminating" or phase or "", volume or "", bound and common.quantity(capacity) or "",
    bound and storage.modes(modes) or "", old_class or class or "", attributes or "<unset>", common.since(created, now),
    mode or "<unset>" }
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
