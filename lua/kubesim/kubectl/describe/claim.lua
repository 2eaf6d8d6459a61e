--- The lines of a PersistentVolumeClaim, or of the template of one in a volume of kind ephemeral. Called by storage.lua and volumes.lua.
---
--- kubectl/pkg/describe/describe.go (printPersistentVolumeClaim), kubectl/pkg/util/storage.
local blocks <const> = require "kubesim.kubectl.describe.blocks"
local values <const> = require "kubesim.kubectl.values"

---@class kubesim.describe.claim
local claim = {}

local at <const>, present <const> = values.at, values.present

local SHORT_MODES <const> = {
  { "ReadWriteOnce", "RWO" }, { "ReadOnlyMany", "ROX" }, { "ReadWriteMany", "RWX" }, { "ReadWriteOncePod", "RWOP" },
}

---Access modes in their short forms.
---@param modes string[]?
---@return string
function claim.access_modes(modes)
  local has, short = {}, {}
  for _, mode in ipairs(values.list(modes)) do has[mode] = true end
  for _, pair in ipairs(SHORT_MODES) do
    if has[pair[1]] then short[#short + 1] = pair[2] end
  end
  return table.concat(short, ",")
end

---The class of a claim, volume or claim template: the old annotation wins.
---@param object table
---@return string
function claim.class(object)
  return at(object, "metadata", "annotations", "volume.beta.kubernetes.io/storage-class") or at(object, "spec", "storageClassName") or ""
end

---"Terminating (lasts ...)" or the phase.
---@param object table
---@param now integer
---@return string
function claim.phase(object, now)
  local deleted = present(object.metadata.deletionTimestamp)
  if deleted then return ("Terminating (lasts %s)"):format(values.since(deleted, now)) end
  return at(object, "status", "phase") or ""
end

---@param w kubesim.describe.Writer
---@param object table
---@param whole boolean a claim; false: a template
---@param now? integer
function claim.write(w, object, whole, now)
  if whole then blocks.name(w, object) end
  w:write(0, "StorageClass:\t%s\n", claim.class(object))
  if whole then w:write(0, "Status:\t%s\n", claim.phase(object, now)) end
  local volume = at(object, "spec", "volumeName") or ""
  w:write(0, "Volume:\t%s\n", volume)
  blocks.metadata(w, object)
  if whole then w:write(0, "Finalizers:\t%s\n", values.go_list(object.metadata.finalizers)) end
  local bound = volume ~= ""
  w:write(0, "Capacity:\t%s\n", bound and values.quantity(at(object, "status", "capacity", "storage")) or "")
  w:write(0, "Access Modes:\t%s\n", bound and claim.access_modes(at(object, "status", "accessModes")) or "")
  local mode, source = at(object, "spec", "volumeMode"), at(object, "spec", "dataSource")
  if mode then w:write(0, "VolumeMode:\t%s\n", mode) end
  if source then
    w:write(0, "DataSource:\n")
    if present(source.apiGroup) then w:write(1, "APIGroup:\t%s\n", source.apiGroup) end
    w:write(1, "Kind:\t%s\n", source.kind)
    w:write(1, "Name:\t%s\n", source.name)
  end
end

return claim
