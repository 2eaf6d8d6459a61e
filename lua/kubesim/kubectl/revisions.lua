--- The past of roll-outs: a Deployment's ReplicaSets and a StatefulSet's ControllerRevisions. Called by `rollout`, `describe` and why.lua.
---
--- kubectl/pkg/util/deployment, kubectl/pkg/polymorphichelpers/history.go.
local errors <const> = require "kubesim.kubectl.errors"
local values <const> = require "kubesim.kubectl.values"

---@class kubesim.kubectl.revisions
local revisions = {}

local REVISION <const> = "deployment.kubernetes.io/revision"
local HASH <const> = "pod-template-hash"

---Whether two values say the same: empty lists and maps are as good as none.
local function same(a, b)
  a, b = values.present(a), values.present(b)
  if type(a) ~= "table" and type(b) ~= "table" then return a == b end
  if a ~= nil and type(a) ~= "table" or b ~= nil and type(b) ~= "table" then return false end
  a, b = a or {}, b or {}
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key, value in pairs(b) do
    if a[key] == nil and not same(nil, value) then return false end
  end
  return true
end

local function copied(map)
  local copy = {}
  for key, value in pairs(map) do copy[key] = value end
  return copy
end

local function without_hash(template)
  local bare = copied(template)
  bare.metadata = copied(values.list(template.metadata))
  bare.metadata.labels = copied(values.list(bare.metadata.labels))
  bare.metadata.labels[HASH] = nil
  return bare
end

revisions.same = same

---Whether two pod templates are equal but for their pod-template-hash.
---@param a table
---@param b table
---@return boolean
function revisions.same_template(a, b) return same(without_hash(a), without_hash(b)) end

---The pod template without its pod-template-hash.
---@param template table
---@return table
revisions.without_hash = without_hash

---The text of an object's revision, nil when it has none.
---@param object table
---@return string?
function revisions.text(object) return values.list(object.metadata.annotations)[REVISION] end

---The number of an object's revision; 0 when it has none, nil when it is no number.
---@param object table
---@return integer?
function revisions.number(object)
  local text = revisions.text(object)
  if text == nil then return 0 end
  return text:find "^[+-]?%d+$" and math.tointeger(tonumber(text)) or nil
end

---A Deployment's ReplicaSets: the old ones in order of creation, and the new one (nil when there is none).
---@param core userdata
---@param deployment table
---@return table[] old
---@return table? new
function revisions.replica_sets(core, deployment)
  local owned = {}
  for _, rs in ipairs(core:list("replicaset", deployment.metadata.namespace, values.selector(deployment.spec.selector))) do
    if values.controlled_by(rs, deployment) then owned[#owned + 1] = rs end
  end
  owned = values.sorted(owned, function(rs) return rs.metadata.creationTimestamp .. rs.metadata.name end)
  local new
  for _, rs in ipairs(owned) do
    if revisions.same_template(rs.spec.template, deployment.spec.template) then new = rs break end
  end
  local old = {}
  for _, rs in ipairs(owned) do
    if rs ~= new then old[#old + 1] = rs end
  end
  return old, new
end

---A StatefulSet's ControllerRevisions, in name order.
---@param core userdata
---@param sts table
---@return table[]
function revisions.controller_revisions(core, sts)
  local owned = {}
  for _, revision in ipairs(core:list("controllerrevision", sts.metadata.namespace, values.selector(sts.spec.selector))) do
    if values.controlled_by(revision, sts) then owned[#owned + 1] = revision end
  end
  return owned
end

---A StatefulSet as it was at a revision: what the revision keeps replaces the pod template.
---@param sts table
---@param revision table ControllerRevision
---@return table
function revisions.applied(sts, revision)
  local applied = copied(sts)
  applied.spec = copied(sts.spec)
  applied.spec.template = copied(values.list(values.at(revision, "data", "spec", "template")))
  applied.spec.template["$patch"] = nil
  return applied
end

--- Kinds that kubectl knows and that have no history (pkg/apps/kind_visitor.go).
local WITHOUT_HISTORY <const> = { Pod = true, ReplicaSet = true }

---Raises what kubectl says of kinds without roll-outs.
---@param mapping table
---@param what string "history viewer"
---@param retrieving string format of the kind and of what is wrong
function revisions.no_viewer(mapping, what, retrieving)
  local kind = errors.quote(mapping.group == "" and mapping.kind or mapping.kind .. "." .. mapping.group)
  if WITHOUT_HISTORY[mapping.kind] then errors.fail("no %s has been implemented for %s", what, kind) end
  errors.fail("error " .. retrieving, kind, ("no visitor method exists for {%s %s}"):format(mapping.group, mapping.kind))
end

return revisions
