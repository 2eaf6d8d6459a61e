--- What changing commands print about an object: "deployment.apps/web created", or what -o asks for.
---
--- k8s.io/cli-runtime/pkg/genericclioptions/print_flags.go, pkg/printers/{name,json,yaml}.go.
local core <const> = require "kubesim.core"
local formats <const> = require "kubesim.kubectl.formats"

---@class kubesim.kubectl.output
local output = {}

local DRY <const> = { none = "", client = " (dry run)", server = " (server dry run)" }

output.name_of = formats.name_of

local function copy(v)
  if type(v) ~= "table" then return v end
  local t = setmetatable({}, getmetatable(v))
  for key, value in pairs(v) do t[key] = copy(value) end
  return t
end
output.copy = copy

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
  local flags, suffix = ctx.flags, DRY[dry_run or "none"]
  if flags.output == "" and (flags.template or "") == "" then
    return function(object, other) ctx:out(output.name_of(object) .. " " .. (other or operation) .. suffix .. "\n") end
  end
  local format = formats.read(flags.output, { path = ctx.path, template = flags.template, managed_fields = flags["show-managed-fields"],
    allow_missing = flags["allow-missing-template-keys"] })
  return function(object) ctx:out(format(object)) end
end

---Whether -o asks for whole objects.
---@param ctx kubesim.kubectl.Context
---@return boolean
function output.wants_object(ctx) return ctx.flags.output ~= "" and ctx.flags.output ~= "name" end

return output
