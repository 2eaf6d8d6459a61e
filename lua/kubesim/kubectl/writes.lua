--- Writes as kubectl sends them: one object at a time, with a field manager; the server's warnings are shown. And the
--- last-applied-configuration. Commands call it.
---
--- k8s.io/cli-runtime/pkg/resource/helper.go; k8s.io/kubectl/pkg/util/apply.go.
local core <const> = require "kubesim.core"
local Status <const> = require "kubesim.status"

---@class kubesim.kubectl.writes
local writes = {}

writes.LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

---Shows what the server warned of, and returns what it answers or raises why it refuses.
local function answer(ctx, ...)
  return Status.answer(function(warnings) ctx:told(warnings) end, ...)
end

---The core takes the name of a kind; a kind that it does not serve never gets here.
local function write(ctx, verb, info, opts)
  local entries = answer(ctx, pcall(ctx.core.write, ctx.core, verb, info.object, info.namespace ~= "" and info.namespace or "default",
    opts.validate, opts.dry_run == "server", false, false, false, opts.manager, opts.subresource))
  return entries[1].object
end

local SUBRESOURCES <const> = { status = true, scale = true }

---Raises what the server answers about a subresource that a kind does not have.
---@param info kubesim.kubectl.Info
---@param subresource string?
function writes.check_subresource(info, subresource)
  if not subresource or SUBRESOURCES[subresource] and (subresource ~= "scale" or info.mapping.scalable) then return end
  error(Status.new { code = 404, reason = "NotFound", message = "the server could not find the requested resource" }, 0)
end

---Creates info.object. Options: validate, dry_run, manager.
---@param ctx kubesim.kubectl.Context
---@param info kubesim.kubectl.Info
---@param opts table
---@return table object
function writes.create(ctx, info, opts) return write(ctx, "create", info, opts) end

---The object for the version that is there, if it names none itself (helper.go: Replace).
local function versioned(ctx, info)
  local given, copy, metadata = info.object.metadata, {}, {}
  if type(given) ~= "table" or (given.resourceVersion or "") ~= "" then return info.object end
  local live = ctx.core:get(info.mapping.kind, info.namespace, info.name)
  if not live then return info.object end
  for key, value in pairs(info.object) do copy[key] = value end
  for key, value in pairs(given) do metadata[key] = value end
  metadata.resourceVersion = live.metadata.resourceVersion
  copy.metadata = metadata
  return copy
end

---Replaces it. Options: validate, dry_run, manager, subresource.
---@param ctx kubesim.kubectl.Context
---@param info kubesim.kubectl.Info
---@param opts table
---@return table object
function writes.replace(ctx, info, opts)
  writes.check_subresource(info, opts.subresource)
  info.object = versioned(ctx, info)
  return write(ctx, "replace", info, opts)
end

---Patches it. Options: type ("strategic"), validate ("Warn", as the server takes requests that do not say), dry_run, manager,
---subresource, force.
---@param ctx kubesim.kubectl.Context
---@param info kubesim.kubectl.Info
---@param patch string|table  text, a table or a view
---@param opts table
---@return table object
function writes.patch(ctx, info, patch, opts)
  writes.check_subresource(info, opts.subresource)
  return answer(ctx, pcall(ctx.core.patch, ctx.core, info.mapping.kind, info.namespace, info.name, patch, opts.type or "strategic",
    opts.subresource, opts.validate or "Warn", opts.dry_run == "server", opts.manager, opts.force))
end

---Deletes it. Options: grace (seconds or -1), cascade, dry_run.
---@param ctx kubesim.kubectl.Context
---@param info kubesim.kubectl.Info
---@param opts table
---@return table? object  as it then stands
function writes.delete(ctx, info, opts)
  local object, warnings = ctx.core:delete(info.mapping.kind, info.namespace, info.name, opts.grace or -1, opts.cascade or "background",
    opts.dry_run == "server")
  ctx:told(warnings)
  return object
end

---The text that stands in the annotation: the object without it, sorted, with a line end.
---@param object table
---@param typed? string kubectl holds the object as a Go struct of this type: in its order, and without annotations where there are none
---@return string
function writes.configuration(object, typed)
  local bare, metadata, annotations = {}, {}, {}
  for key, value in pairs(object) do bare[key] = value end
  for key, value in pairs(object.metadata or {}) do metadata[key] = value end
  for key, value in pairs(metadata.annotations or {}) do annotations[key] = value end
  annotations[writes.LAST_APPLIED] = nil
  metadata.annotations, bare.metadata = annotations, metadata
  if typed then
    if not next(annotations) then metadata.annotations = nil end
    return require "kubesim.kubectl.typed_json".line(bare, typed)
  end
  return core.encode(bare, "go") .. "\n"
end

---The object with its own configuration in the annotation: a copy of what that changes.
---@param object table
---@param typed? string
---@return table
function writes.annotated(object, typed)
  local copy, metadata, annotations = {}, {}, {}
  for key, value in pairs(object) do copy[key] = value end
  for key, value in pairs(object.metadata or {}) do metadata[key] = value end
  for key, value in pairs(metadata.annotations or {}) do annotations[key] = value end
  annotations[writes.LAST_APPLIED] = writes.configuration(object, typed)
  metadata.annotations, copy.metadata = annotations, metadata
  return copy
end

---What stands in an object's annotation, or nil.
---@param object table
---@return string?
function writes.last_applied(object)
  local annotations = object.metadata and object.metadata.annotations
  return annotations and annotations ~= core.null and annotations[writes.LAST_APPLIED] or nil
end

---CreateOrUpdateAnnotation: with `save`, or where there is one already, the annotation is kept up to date.
---@param object table
---@param save boolean
---@param typed? string
---@return table
function writes.keep_annotation(object, save, typed)
  if save or writes.last_applied(object) then return writes.annotated(object, typed) end
  return object
end

return writes
