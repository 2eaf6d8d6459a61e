--- What changing commands print about an object: "deployment.apps/web created", or what -o asks for.
---
--- k8s.io/cli-runtime/pkg/genericclioptions/print_flags.go, pkg/printers/{name,json,yaml}.go.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"

---@class kubesim.kubectl.output
local output = {}

local FORMATS <const> = "go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,template,templatefile,yaml"
local TEMPLATES <const> = { ["go-template"] = true, ["go-template-file"] = true, template = true, templatefile = true }
local DRY <const> = { none = "", client = " (dry run)", server = " (server dry run)" }

---"pod/web-0", "deployment.apps/web" of an object.
---@param object table
---@return string
function output.name_of(object)
  local group = object.apiVersion:match "^(.*)/" or ""
  local kind = object.kind:lower()
  local metadata = object.metadata or {}
  local name = metadata.name and metadata.name ~= "" and metadata.name or "<unknown>"
  return (group == "" and kind or kind .. "." .. group) .. "/" .. name
end

local function copy(v)
  if type(v) ~= "table" then return v end
  local t = setmetatable({}, getmetatable(v))
  for key, value in pairs(v) do t[key] = copy(value) end
  return t
end
output.copy = copy

---The object without managedFields, unless they are to be shown.
local function shown(ctx, object)
  if ctx.flags["show-managed-fields"] then return object end
  local metadata = object.metadata
  if not metadata or not metadata.managedFields then return object end
  local plain, meta = {}, {}
  for key, value in pairs(object) do plain[key] = value end
  for key, value in pairs(metadata) do meta[key] = value end
  meta.managedFields = nil
  plain.metadata = meta
  return plain
end

---A list of objects, as kubectl prints several at once.
---@param objects table[]
---@return table
function output.list(objects)
  return { apiVersion = "v1", kind = "List", metadata = {}, items = #objects > 0 and objects or setmetatable({}, core.array) }
end

---A printer of objects for the command's -o: a function of (object, operation?). Raises when there is no such format.
---@param ctx kubesim.kubectl.Context
---@param operation string  "created", "scaled"; what stands behind the name
---@param dry_run? "none"|"client"|"server"
---@return fun(object: table, operation?: string)
function output.printer(ctx, operation, dry_run)
  local format = ctx.flags.output
  if (ctx.flags.template or "") ~= "" and not ctx.changed.output then format = "go-template" end
  local suffix = DRY[dry_run or "none"]
  if format == "" then
    return function(object, other) ctx:out(output.name_of(object) .. " " .. (other or operation) .. suffix .. "\n") end
  elseif format == "name" then
    return function(object) ctx:out(output.name_of(object) .. "\n") end
  elseif format == "json" then
    return function(object) ctx:out(core.encode(shown(ctx, object), "indent") .. "\n") end
  elseif format == "yaml" then
    local count = 0
    return function(object)
      count = count + 1
      ctx:out((count > 1 and "---\n" or "") .. core.encode(shown(ctx, object), "yaml"))
    end
  end
  local kind = format:match "^[^=]*"
  if TEMPLATES[kind] then error(errors.verbatim(("not supported: %s -o %s"):format(ctx.path, kind)), 0) end
  if kind == "jsonpath" or kind == "jsonpath-as-json" or kind == "jsonpath-file" then
    return require "kubesim.kubectl.jsonpath".printer(ctx, format)
  end
  errors.fail("unable to match a printer suitable for the output format %s, allowed formats are: %s", errors.quote(format), FORMATS)
end

---Whether -o asks for whole objects.
---@param ctx kubesim.kubectl.Context
---@return boolean
function output.wants_object(ctx) return ctx.flags.output ~= "" and ctx.flags.output ~= "name" end

return output
