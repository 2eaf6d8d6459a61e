--- kubectl apply --prune: what was applied once and was not applied now goes.
--- k8s.io/kubectl/pkg/cmd/apply/prune.go, pkg/util/prune/prune.go.
local errors <const> = require "kubesim.kubectl.errors"
local resources <const> = require "kubesim.kubectl.resources"
local writes <const> = require "kubesim.kubectl.writes"

---@class kubesim.kubectl.prune
local prune = {}

--- The default allowlist, without kinds that are not simulated.
local DEFAULT <const> = { "v1/ConfigMap", "v1/Endpoints", "v1/PersistentVolumeClaim", "v1/Pod", "v1/Secret", "v1/Service",
  "apps/v1/Deployment", "apps/v1/ReplicaSet", "apps/v1/StatefulSet", "v1/Namespace", "v1/PersistentVolume" }

---The kinds that --prune-allowlist names, or the default ones.
---@param ctx kubesim.kubectl.Context
---@param allowlist string[]
---@return table[] mappings
function prune.kinds(ctx, allowlist)
  local kinds = {}
  if #allowlist == 0 then
    for i, name in ipairs(DEFAULT) do kinds[i] = resources.mapping_of(ctx, name:match "^(.*)/([^/]*)$") end
    return kinds
  end
  for i, text in ipairs(allowlist) do
    local group, version, kind = text:match "^([^/]*)/([^/]*)/([^/]*)$"
    if not group then errors.fail("invalid GroupVersionKind format: %s, please follow <group/version/kind>", text) end
    local api_version = (group == "core" or group == "") and version or group .. "/" .. version
    kinds[i] = resources.mapping_of(ctx, api_version, kind)
    if not kinds[i] then errors.fail("no matches for kind %s in version %s", errors.quote(kind), errors.quote(api_version)) end
  end
  return kinds
end

local function prune_kind(ctx, o, mapping, namespace, fn)
  for _, object in ipairs(resources.list(ctx, mapping, namespace, o.selector, "")) do
    if writes.last_applied(object) and not o.visited[object.metadata.uid] then fn(object) end
  end
end

---Calls `fn` with each object that was left out. `o` has: prune (kinds), namespaces and visited (uids) that were met, selector.
---@param ctx kubesim.kubectl.Context
---@param o table
---@param fn fun(object: table)
function prune.each(ctx, o, fn)
  local namespaces = {}
  for namespace in pairs(o.namespaces) do namespaces[#namespaces + 1] = namespace end
  table.sort(namespaces)
  local function try(what, mapping, namespace)
    local err = errors.try(prune_kind, ctx, o, mapping, namespace, fn)
    if not err then return end
    errors.fail("error pruning %s object %s/%s, Kind=%s: %s", what, mapping.group, mapping.version, mapping.kind, err.message)
  end
  for _, namespace in ipairs(namespaces) do
    for _, mapping in ipairs(o.prune) do
      if mapping.namespaced then try("namespaced", mapping, namespace) end
    end
  end
  for _, mapping in ipairs(o.prune) do
    if not mapping.namespaced then try("nonNamespaced", mapping, nil) end
  end
end

---Deletes them. `o` is apply's: dry_run, grace and cascade besides.
---@param ctx kubesim.kubectl.Context
---@param o table
---@param print fun(object: table, operation: string)
function prune.run(ctx, o, print)
  prune.each(ctx, o, function(object)
    if o.dry_run ~= "client" then
      writes.delete(ctx, resources.info_of(ctx, object), { grace = o.grace, cascade = o.cascade, dry_run = o.dry_run })
    end
    print(object, "pruned")
  end)
end

return prune
