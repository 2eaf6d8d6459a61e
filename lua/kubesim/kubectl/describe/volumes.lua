--- Volumes and their sources as describe shows them. Called by the describers of pods, pod templates and PersistentVolumes.
---
--- kubectl/pkg/describe/describe.go (describeVolumes, print*VolumeSource).
local core <const> = require "kubesim.core"
local values <const> = require "kubesim.kubectl.values"

---@class kubesim.describe.volumes
local volumes = {}

local at <const>, list <const>, present <const> = values.at, values.list, values.present

-- How a field is shown when it is absent, by its Go type.
local function text(field) return function(source) return present(source[field]) or "" end end
local function number(field) return function(source) return present(source[field]) or 0 end end
local function flag(field) return function(source) return source[field] == true end end
local function optional(field) return function(source) return present(source[field]) or "<none>" end end
local function names(field) return function(source) return values.go_list(source[field]) end end
local function map(field) return function(source) return values.go_map(source[field]) end end

---A reference to a Secret as its Go type prints itself.
local function secret(field, type)
  return function(source)
    local reference = present(source[field])
    if not reference then return "nil" end
    local space = type == "SecretReference" and ("Namespace:%s,"):format(present(reference.namespace) or "") or ""
    return ("&%s{Name:%s,%s}"):format(type, present(reference.name) or "", space)
  end
end

local function size_limit(source)
  local limit = present(source.sizeLimit)
  return limit and core.quantity "0" < core.quantity(tostring(limit)) and values.quantity(limit) or "<unset>"
end

local READ_ONLY <const> = { "ReadOnly:", flag "readOnly" }
local FS_TYPE <const> = { "FSType:", text "fsType" }

local ISCSI <const> = {
  "ISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the pod)",
  { "TargetPortal:", text "targetPortal" }, { "IQN:", text "iqn" }, { "Lun:", number "lun" }, { "ISCSIInterface", text "iscsiInterface" },
  FS_TYPE, READ_ONLY, { "Portals:", names "portals" }, { "DiscoveryCHAPAuth:", flag "chapAuthDiscovery" },
  { "SessionCHAPAuth:", flag "chapAuthSession" }, { "SecretRef:", secret("secretRef", "LocalObjectReference") },
  { "InitiatorName:", optional "initiatorName" },
}

--- Sources by their fields: what they are, and their lines. No volume has two.
local SOURCES <const> = {
  hostPath = { "HostPath (bare host directory volume)", { "Path:", text "path" }, { "HostPathType:", optional "type" } },
  emptyDir = {
    "EmptyDir (a temporary directory that shares a pod's lifetime)", { "Medium:", text "medium" }, { "SizeLimit:", size_limit },
  },
  gcePersistentDisk = {
    "GCEPersistentDisk (a Persistent Disk resource in Google Compute Engine)", { "PDName:", text "pdName" }, FS_TYPE,
    { "Partition:", number "partition" }, READ_ONLY,
  },
  awsElasticBlockStore = {
    "AWSElasticBlockStore (a Persistent Disk resource in AWS)", { "VolumeID:", text "volumeID" }, FS_TYPE,
    { "Partition:", number "partition" }, READ_ONLY,
  },
  gitRepo = {
    "GitRepo (a volume that is pulled from git when the pod is created)", { "Repository:", text "repository" },
    { "Revision:", text "revision" },
  },
  secret = { "Secret (a volume populated by a Secret)", { "SecretName:", text "secretName" }, { "Optional:", flag "optional" } },
  configMap = { "ConfigMap (a volume populated by a ConfigMap)", { "Name:", text "name" }, { "Optional:", flag "optional" } },
  nfs = {
    "NFS (an NFS mount that lasts the lifetime of a pod)", { "Server:", text "server" }, { "Path:", text "path" }, READ_ONLY,
  },
  iscsi = ISCSI,
  glusterfs = {
    "Glusterfs (a Glusterfs mount on the host that shares a pod's lifetime)", { "EndpointsName:", text "endpoints" },
    { "Path:", text "path" }, READ_ONLY,
  },
  persistentVolumeClaim = {
    "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)", { "ClaimName:", text "claimName" }, READ_ONLY,
  },
  rbd = {
    "RBD (a Rados Block Device mount on the host that shares a pod's lifetime)", { "CephMonitors:", names "monitors" },
    { "RBDImage:", text "image" }, FS_TYPE, { "RBDPool:", text "pool" }, { "RadosUser:", text "user" }, { "Keyring:", text "keyring" },
    { "SecretRef:", secret("secretRef", "LocalObjectReference") }, READ_ONLY,
  },
  quobyte = {
    "Quobyte (a Quobyte mount on the host that shares a pod's lifetime)", { "Registry:", text "registry" }, { "Volume:", text "volume" },
    READ_ONLY,
  },
  azureDisk = {
    "AzureDisk (an Azure Data Disk mount on the host and bind mount to the pod)", { "DiskName:", text "diskName" },
    { "DiskURI:", text "diskURI" }, { "Kind: ", text "kind" }, FS_TYPE, { "CachingMode:", text "cachingMode" }, READ_ONLY,
  },
  vsphereVolume = {
    "vSphereVolume (a Persistent Disk resource in vSphere)", { "VolumePath:", text "volumePath" }, FS_TYPE,
    { "StoragePolicyName:", text "storagePolicyName" },
  },
  cinder = {
    "Cinder (a Persistent Disk resource in OpenStack)", { "VolumeID:", text "volumeID" }, FS_TYPE, READ_ONLY,
    { "SecretRef:", secret("secretRef", "LocalObjectReference") },
  },
  photonPersistentDisk = {
    "PhotonPersistentDisk (a Persistent Disk resource in photon platform)", { "PdID:", text "pdID" }, FS_TYPE,
  },
  portworxVolume = { "PortworxVolume (a Portworx Volume resource)", { "VolumeID:", text "volumeID" } },
  scaleIO = {
    "ScaleIO (a persistent volume backed by a block device in ScaleIO)", { "Gateway:", text "gateway" }, { "System:", text "system" },
    { "Protection Domain:", text "protectionDomain" }, { "Storage Pool:", text "storagePool" }, { "Storage Mode:", text "storageMode" },
    { "VolumeName:", text "volumeName" }, FS_TYPE, READ_ONLY,
  },
  cephfs = {
    "CephFS (a CephFS mount on the host that shares a pod's lifetime)", { "Monitors:", names "monitors" }, { "Path:", text "path" },
    { "User:", text "user" }, { "SecretFile:", text "secretFile" }, { "SecretRef:", secret("secretRef", "LocalObjectReference") },
    READ_ONLY,
  },
  storageos = {
    "StorageOS (a StorageOS Persistent Disk resource)", { "VolumeName:", text "volumeName" },
    { "VolumeNamespace:", text "volumeNamespace" }, FS_TYPE, READ_ONLY,
  },
  fc = {
    "FC (a Fibre Channel disk)", { "TargetWWNs:", function(source) return values.join(source.targetWWNs, ", ") end },
    { "LUN:", optional "lun" }, FS_TYPE, READ_ONLY,
  },
  azureFile = {
    "AzureFile (an Azure File Service mount on the host and bind mount to the pod)", { "SecretName:", text "secretName" },
    { "ShareName:", text "shareName" }, READ_ONLY,
  },
  flexVolume = {
    "FlexVolume (a generic volume resource that is provisioned/attached using an exec based plugin)", { "Driver:", text "driver" }, FS_TYPE,
    { "SecretRef:", secret("secretRef", "LocalObjectReference") }, READ_ONLY, { "Options:", map "options" },
  },
  flocker = {
    "Flocker (a Flocker volume mounted by the Flocker agent)", { "DatasetName:", text "datasetName" },
    { "DatasetUUID:", text "datasetUUID" },
  },
  csi = {
    "CSI (a Container Storage Interface (CSI) volume source)", { "Driver:", text "driver" }, FS_TYPE, READ_ONLY,
  },
  image = {
    "Image (a container image or OCI artifact)", { "Reference:", text "reference" }, { "PullPolicy:", text "pullPolicy" },
  },
}

local function with(source, changed)
  local lines = {}
  for i, line in ipairs(source) do lines[i] = changed[type(line) == "table" and line[1] or i] or line end
  return lines
end

local PV_SECRET <const> = { ["SecretRef:"] = { "SecretRef:", secret("secretRef", "SecretReference") } }

--- PersistentVolumes' sources where they differ from pods' ones.
local PERSISTENT <const> = {
  iscsi = with(ISCSI, PV_SECRET), rbd = with(SOURCES.rbd, PV_SECRET), cinder = with(SOURCES.cinder, PV_SECRET),
  cephfs = with(SOURCES.cephfs, PV_SECRET), flexVolume = with(SOURCES.flexVolume, PV_SECRET),
  ["local"] = { "LocalVolume (a persistent volume backed by local storage on a node)", { "Path:", text "path" } },
  csi = {
    "CSI (a Container Storage Interface (CSI) volume source)", { "Driver:", text "driver" }, FS_TYPE,
    { "VolumeHandle:", text "volumeHandle" }, READ_ONLY,
  },
  glusterfs = {
    "Glusterfs (a Glusterfs mount on the host that shares a pod's lifetime)", { "EndpointsName:", text "endpoints" },
    { "EndpointsNamespace:", function(source) return present(source.endpointsNamespace) or "<unset>" end }, { "Path:", text "path" },
    READ_ONLY,
  },
  azureFile = {
    "AzureFile (an Azure File Service mount on the host and bind mount to the pod)", { "SecretName:", text "secretName" },
    { "SecretNamespace:", text "secretNamespace" }, { "ShareName:", text "shareName" }, READ_ONLY,
  },
  scaleIO = {
    "ScaleIO (a persistent volume backed by a block device in ScaleIO)", { "Gateway:", text "gateway" }, { "System:", text "system" },
    { "Protection Domain:", text "protectionDomain" }, { "Storage Pool:", text "storagePool" }, { "Storage Mode:", text "storageMode" },
    { "VolumeName:", text "volumeName" }, { "SecretName:", function(source) return at(source, "secretRef", "name") or "" end },
    { "SecretNamespace:", function(source) return at(source, "secretRef", "namespace") or "" end }, FS_TYPE, READ_ONLY,
  },
}

local function attributes(w, given)
  local keys = values.sorted_keys(given)
  if #keys == 0 then
    w:write(2, "VolumeAttributes:\t<none>\n")
    return
  end
  for i, key in ipairs(keys) do
    local line = key .. "=" .. given[key]
    if #line > 140 then line = line:sub(1, 140) .. "..." end
    -- kubectl indents what stands behind the tab again
    if i == 1 then w:write(2, "VolumeAttributes:\t") else w:write(2, "") w:write(2, "\t") end
    w:write(2, "%s\n", line)
  end
end

local function write_source(w, shape, source)
  w:write(2, "Type:\t%s\n", shape[1])
  for i = 2, #shape do
    w:write(0, "    %s\t%s\n", shape[i][1], tostring(shape[i][2](source)))
  end
end

local function projected(w, source)
  w:write(2, "Type:\tProjected (a volume that contains injected data from multiple sources)\n")
  for _, part in ipairs(list(source.sources)) do
    local from, config, token = at(part, "secret"), at(part, "configMap"), at(part, "serviceAccountToken")
    if from then
      w:write(2, "SecretName:\t%s\n    Optional:\t%s\n", present(from.name) or "", tostring(from.optional == true))
    elseif at(part, "downwardAPI") then
      w:write(2, "DownwardAPI:\ttrue\n")
    elseif config then
      w:write(2, "ConfigMapName:\t%s\n    Optional:\t%s\n", present(config.name) or "", tostring(config.optional == true))
    elseif token then
      w:write(2, "TokenExpirationSeconds:\t%d\n", present(token.expirationSeconds) or 0)
    end
  end
end

local function downward(w, source)
  w:write(2, "Type:\tDownwardAPI (a volume populated by information about the pod)\n    Items:\n")
  for _, item in ipairs(list(source.items)) do
    local field, resource = at(item, "fieldRef"), at(item, "resourceFieldRef")
    if field then w:write(3, "%s -> %s\n", field.fieldPath, item.path) end
    if resource then w:write(3, "%s -> %s\n", resource.resource, item.path) end
  end
end

local function ephemeral(w, source)
  w:write(2, "Type:\tEphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)\n")
  local template = at(source, "volumeClaimTemplate")
  if template then
    require "kubesim.kubectl.describe.claim".write(w:nested(2), { metadata = list(template.metadata), spec = list(template.spec) }, false)
  end
end

local SPECIAL <const> = { projected = projected, downwardAPI = downward, ephemeral = ephemeral }

local function write(w, volume, persistent)
  for _, field in ipairs(values.sorted_keys(volume)) do
    local source = at(volume, field)
    local shape = persistent and PERSISTENT[field] or SOURCES[field]
    if type(source) == "table" and SPECIAL[field] then return SPECIAL[field](w, source) end
    if type(source) == "table" and shape then
      write_source(w, shape, source)
      if field == "csi" then attributes(w, source.volumeAttributes) end
      return
    end
  end
  w:write(1, "<unknown>\n")
end

---A pod's or pod template's volumes.
---@param w kubesim.describe.Writer
---@param given table[]?
---@param space string "" for pods, two spaces for templates
function volumes.write(w, given, space)
  if #list(given) == 0 then
    w:write(0, "%sVolumes:\t<none>\n", space)
    return
  end
  w:write(0, "%sVolumes:\n", space)
  for _, volume in ipairs(given) do
    w:write(1, "%s%s:\n", space ~= "" and " " or "", volume.name)
    write(w, volume, false)
  end
end

---Where a PersistentVolume's bytes lie.
---@param w kubesim.describe.Writer
---@param spec table
function volumes.persistent_source(w, spec) write(w, spec, true) end

return volumes
