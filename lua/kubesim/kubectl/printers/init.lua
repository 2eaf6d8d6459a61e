--- The columns of kubectl get: per kind their names, which of them only -o wide shows, and the function that makes a row's cells.
--- pkg/printers/internalversion/printers.go: AddHandlers. Rows have all cells, wide ones too, as the API server sends them.
--- Objects are tables or views (csrc/lua/views.c): what makes rows indexes them and walks them with ipairs, pairs and `#`, and no more.
---@class kubesim.kubectl.Column
---@field name string
---@field wide boolean   shown with -o wide only
---@field named boolean  the object's name: --show-kind goes before it

---@class kubesim.kubectl.Row
---@field cells table     strings, integers, booleans; nil: empty
---@field object table

---@class kubesim.kubectl.Table
---@field columns kubesim.kubectl.Column[]
---@field rows kubesim.kubectl.Row[]

-- Column titles, separated by "|"; those behind a "+" are wide, "@" marks the name.
local COLUMNS <const> = {
  Pod = "@Name|Ready|Status|Restarts|Age|+IP|+Node|+Nominated Node|+Readiness Gates",
  PodDisruptionBudget = "@Name|Min Available|Max Unavailable|Allowed Disruptions|Age",
  ReplicaSet = "@Name|Desired|Current|Ready|Age|+Containers|+Images|+Selector",
  StatefulSet = "@Name|Ready|Age|+Containers|+Images",
  Deployment = "@Name|Ready|Up-to-date|Available|Age|+Containers|+Images|+Selector",
  ControllerRevision = "@Name|Controller|Revision|Age",
  Scale = "Name|Desired|Available|Age",
  Service = "@Name|Type|Cluster-IP|External-IP|Port(s)|Age|+Selector",
  Endpoints = "@Name|Endpoints|Age",
  EndpointSlice = "@Name|AddressType|Ports|Endpoints|Age",
  Node = "@Name|Status|Roles|Age|Version|+Internal-IP|+External-IP|+OS-Image|+Kernel-Version|+Container-Runtime",
  Event = "Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|+Count|+@Name",
  Namespace = "@Name|Status|Age",
  Secret = "@Name|Type|Data|Age",
  ServiceAccount = "@Name|Age",
  PersistentVolume =
    "@Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|+VolumeMode",
  PersistentVolumeClaim = "@Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|+VolumeMode",
  ConfigMap = "@Name|Data|Age",
  Lease = "@Name|Holder|Age",
  StorageClass = "@Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age",
  ResourceQuota = "@Name|Request|Limit|Age",
  LimitRange = "@Name|Created At",
  PriorityClass = "@Name|Value|Global-Default|Age|PreemptionPolicy",
  VolumeAttachment = "@Name|@Attacher|PV|Node|Attached|Age",
}

--- Which file beside this one makes the rows of a kind, and under which name: those files are loaded when such a row is made.
local ROWS <const> = {
  Pod = "pod.row",
  ReplicaSet = "workloads.replicaset", StatefulSet = "workloads.statefulset", Deployment = "workloads.deployment",
  ControllerRevision = "workloads.controllerrevision", PodDisruptionBudget = "workloads.poddisruptionbudget",
  Scale = "workloads.scale",
  Service = "network.service", Endpoints = "network.endpoints", EndpointSlice = "network.endpointslice",
  PersistentVolume = "storage.persistentvolume", PersistentVolumeClaim = "storage.persistentvolumeclaim",
  StorageClass = "storage.storageclass", VolumeAttachment = "storage.volumeattachment",
  Node = "cluster.node", Namespace = "cluster.namespace", Event = "cluster.event", ConfigMap = "cluster.configmap",
  Secret = "cluster.secret", ServiceAccount = "cluster.plain", ResourceQuota = "cluster.resourcequota",
  LimitRange = "cluster.limitrange", PriorityClass = "cluster.priorityclass", Lease = "cluster.lease",
}

--- The columns of the kinds that were printed: one table per kind, by which a printer knows whether its header still fits.
local read <const> = {}

local function columns_of(kind)
  local list = read[kind]
  if list then return list end
  list = {}
  for title in COLUMNS[kind]:gmatch "[^|]+" do
    local wide, named, name = title:match "^(%+?)(@?)(.*)$"
    list[#list + 1] = { name = name, wide = wide ~= "", named = named ~= "" }
  end
  read[kind] = list
  return list
end

local printers = {}

---The object without nulls, as a view is by itself.
local function bare(object)
  if type(object) ~= "table" then return object end
  return require "kubesim.kubectl.values".bare(object)
end

--- The functions that make the cells of a row, by the kinds that were printed.
local MAKERS <const> = {}

local function row_of(kind)
  if MAKERS[kind] then return MAKERS[kind] end
  local file, name = (ROWS[kind] or ""):match "^(.*)%.(.*)$"
  if not file then error(("no columns are known for kind %q"):format(kind)) end
  MAKERS[kind] = require("kubesim.kubectl.printers." .. file)[name]
  return MAKERS[kind]
end

---The table of objects of one kind, as the API server makes it.
---@param kind string
---@param objects table[]
---@param now integer Unix nanoseconds
---@return kubesim.kubectl.Table
function printers.table(kind, objects, now)
  local row, rows = row_of(kind), {}
  for i, object in ipairs(objects) do
    object = bare(object)
    rows[i] = { cells = row(object, now), object = object }
  end
  return { columns = columns_of(kind), rows = rows }
end

return printers
