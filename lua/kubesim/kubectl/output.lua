--- What changing commands print about an object: "deployment.apps/web created", or what -o asks for (kubectl/formats.lua, loaded when
--- it asks for something).
---
--- k8s.io/cli-runtime/pkg/genericclioptions/print_flags.go, pkg/printers/name.go.
local core <const> = require "kubesim.core"

---@class kubesim.kubectl.output
local output = {}

local DRY <const> = { none = "", client = " (dry run)", server = " (server dry run)" }

---"pod/web-0", "deployment.apps/web" of an object.
---@param object table
---@return string
function output.name_of(object)
  local group, name = (object.apiVersion or ""):match "^(.*)/" or "", (object.metadata or {}).name or ""
  return ("%s%s/%s"):format(object.kind:lower(), group ~= "" and "." .. group or "", name ~= "" and name or "<unknown>")
end

---The format that -o and --template ask for; nil when they say nothing.
---@param ctx kubesim.kubectl.Context
---@param options kubesim.kubectl.FormatOptions
---@return kubesim.kubectl.Format?
function output.format(ctx, options)
  local f = ctx.flags
  if f.output == "" and (f.template or "") == "" then return nil end
  options.path, options.template = ctx.path, f.template
  options.out = function(text) ctx:out(text) end
  options.allow_missing, options.managed_fields = f["allow-missing-template-keys"], f["show-managed-fields"]
  return require "kubesim.kubectl.formats".read(f.output, options)
end

---A deep copy of a value that an object is made of.
---@param v any
---@return any
function output.copy(v)
  if type(v) ~= "table" then return v end
  local t = setmetatable({}, getmetatable(v))
  for key, value in pairs(v) do t[key] = output.copy(value) end
  return t
end

---A list of objects, as apply prints several at once.
---@param objects table[]
---@return table
function output.list(objects)
  return { apiVersion = "v1", kind = "List", metadata = {}, items = #objects > 0 and objects or setmetatable({}, core.array) }
end

---A printer of objects for the command's -o: a function of (object, operation?). Raises when there is no such format.
---@param ctx kubesim.kubectl.Context
---@param operation string  "created", "scaled"; what stands behind the name
---@param dry_run? "none"|"client"|"server"
---@param typed? string|fun(object: table): string  kubectl holds the objects as Go structs of this type
---@return fun(object: table, operation?: string)
function output.printer(ctx, operation, dry_run, typed)
  local format = output.format(ctx, { typed = typed })
  if format then return function(object) ctx:out(format(object)) end end
  local suffix = DRY[dry_run or "none"]
  return function(object, other) ctx:out(output.name_of(core.view(object)) .. " " .. (other or operation) .. suffix .. "\n") end
end

---Whether -o asks for whole objects.
---@param ctx kubesim.kubectl.Context
---@return boolean
function output.wants_object(ctx) return ctx.flags.output ~= "" and ctx.flags.output ~= "name" end

return output
