--- Why a claim is not bound, and why claims and volumes do not go away. Called by why.lua.
local values <const> = require "kubesim.kubectl.values"
local Look <const> = require "kubesim.why.look"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

---Pods that name a claim.
local function users(claim, look)
  local found = {}
  for _, pod in ipairs(look:list("Pod", claim.metadata.namespace)) do
    for _, volume in ipairs(list(pod.spec.volumes)) do
      if at(volume, "persistentVolumeClaim", "claimName") == claim.metadata.name then found[#found + 1] = pod end
    end
  end
  return found
end

local function default_class(look)
  for _, class in ipairs(look:list("StorageClass")) do
    if list(class.metadata.annotations)["storageclass.kubernetes.io/is-default-class"] == "true" then return class end
  end
end

local function deleted(claim, look)
  local causes = {}
  for _, pod in ipairs(users(claim, look)) do
    local phase = at(pod, "status", "phase")
    if phase ~= "Succeeded" and phase ~= "Failed" then
      causes[#causes + 1] = ("pod/%s still uses it"):format(pod.metadata.name)
    end
  end
  local held = Look.finalizers(claim)
  return "is Terminating", held and { { held, causes = causes } } or causes
end

---Why a claim that waits for its first consumer still waits.
local function waiting_for_consumer(claim, class, look)
  local mode = ("its class %s binds only when a pod that uses the claim is scheduled (WaitForFirstConsumer)"):format(class.metadata.name)
  local pods = users(claim, look)
  if #pods == 0 then return { mode, causes = { "no pod uses it" } } end
  local causes = {}
  for _, pod in ipairs(pods) do
    if (present(pod.spec.nodeName) or "") == "" then
      causes[#causes + 1] = look:explain("Pod", pod.metadata.namespace, pod.metadata.name)
    end
  end
  return { mode, causes = causes }
end

local function wanted(claim)
  return ("%s, %s"):format(values.quantity(at(claim, "spec", "resources", "requests", "storage")),
    values.join(claim.spec.accessModes, ", "))
end

---Why no volume that is there will do, for claims that nobody provisions for.
local function no_volume(claim, class_name, look)
  local causes = {}
  for _, volume in ipairs(look:list("PersistentVolume")) do
    if (at(volume, "spec", "storageClassName") or "") == class_name then
      local reference = at(volume, "spec", "claimRef")
      local phase = at(volume, "status", "phase") or "Pending"
      causes[#causes + 1] = ("persistentvolume/%s is %s%s; it has %s, %s"):format(volume.metadata.name, phase,
        reference and (" (claim %s/%s)"):format(reference.namespace or "", reference.name) or "",
        values.quantity(at(volume, "spec", "capacity", "storage")), values.join(volume.spec.accessModes, ", "))
    end
  end
  if #causes == 0 then causes[1] = "there is no such volume" end
  return { ("it needs a free PersistentVolume of class %q with at least %s"):format(class_name, wanted(claim)), causes = causes }
end

local function named_volume(claim, name, look)
  local volume = look:get("PersistentVolume", nil, name)
  if not volume then return ("the volume that it names, %s, does not exist"):format(name) end
  local reference = at(volume, "spec", "claimRef")
  if reference and (reference.name ~= claim.metadata.name or reference.namespace ~= claim.metadata.namespace) then
    return ("the volume that it names, %s, belongs to claim %s/%s"):format(name, reference.namespace or "", reference.name)
  end
  return ("the volume that it names, %s, is %s; it has %s, %s, the claim wants %s"):format(name,
    at(volume, "status", "phase") or "Pending", values.quantity(at(volume, "spec", "capacity", "storage")),
    values.join(volume.spec.accessModes, ", "), wanted(claim))
end

local function unbound(claim, look)
  local name = at(claim, "spec", "volumeName") or ""
  if name ~= "" then return named_volume(claim, name, look) end
  local class_name = at(claim, "spec", "storageClassName")
  if class_name == nil then
    if not default_class(look) then return "it names no storage class, and there is no default one" end
    return "it names no storage class; the default one is set when the claim is seen next"
  end
  local class = class_name ~= "" and look:get("StorageClass", nil, class_name)
  if class_name ~= "" and not class then return ("its storage class %s does not exist"):format(class_name) end
  if class and class.volumeBindingMode == "WaitForFirstConsumer" then
    local scheduled = false
    for _, pod in ipairs(users(claim, look)) do scheduled = scheduled or (present(pod.spec.nodeName) or "") ~= "" end
    if not scheduled then return waiting_for_consumer(claim, class, look) end
  end
  if not class or class.provisioner == "kubernetes.io/no-provisioner" then return no_volume(claim, class_name, look) end
  return ("provisioner %s of class %s has not made a volume yet"):format(class.provisioner, class_name)
end

local TROUBLE <const> = { ProvisioningFailed = true, FailedBinding = true, VolumeMismatch = true, ClaimLost = true, ClaimMisbound = true }

---@param claim table
---@param look kubesim.why.Look
local function explain_claim(claim, look)
  if present(claim.metadata.deletionTimestamp) then return deleted(claim, look) end
  local phase = at(claim, "status", "phase") or "Pending"
  if phase == "Bound" then return ("is Bound to persistentvolume/%s"):format(claim.spec.volumeName), {} end
  local causes = {}
  if phase == "Lost" then
    causes[1] = ("its volume %s is gone"):format(claim.spec.volumeName)
  else
    causes[1] = unbound(claim, look)
  end
  local event = look:last_event(claim, "PersistentVolumeClaim", TROUBLE)
  if event then causes[#causes + 1] = Look.reason(event.reason, event.message) end
  return "is " .. phase, causes
end

---@param volume table
---@param look kubesim.why.Look
local function explain_volume(volume, look)
  local reference = at(volume, "spec", "claimRef")
  local claim = reference and look:get("PersistentVolumeClaim", reference.namespace, reference.name)
  local phase, causes = at(volume, "status", "phase") or "Pending", {}
  if present(volume.metadata.deletionTimestamp) then
    local held = Look.finalizers(volume)
    local bound = claim and phase == "Bound" and { ("claim %s/%s is bound to it"):format(reference.namespace, reference.name) }
    if held then causes[1] = { held, causes = bound or nil } end
    return "is Terminating", causes
  end
  if phase == "Released" then
    causes[1] = ("its claim %s/%s is gone; with reclaim policy %s it takes another claim only when spec.claimRef is taken off"):format(
      reference and reference.namespace or "", reference and reference.name or "", volume.spec.persistentVolumeReclaimPolicy)
  elseif phase == "Failed" then
    causes[1] = at(volume, "status", "message")
  end
  return "is " .. phase, causes
end

return { PersistentVolumeClaim = explain_claim, PersistentVolume = explain_volume }
