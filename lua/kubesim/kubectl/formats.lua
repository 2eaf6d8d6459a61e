--- Output formats: JSON, YAML, names, JSONPath, custom columns. A format prints objects, lists (kind List) and watch events.
--- Called by get, events and the commands that print what they changed.
---
--- k8s.io/cli-runtime/pkg/genericclioptions: json_yaml_flags.go, jsonpath_flags.go, name_flags.go; pkg/printers. What only some
--- formats need is loaded when one of them is asked for.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local output <const> = require "kubesim.kubectl.output"

---@class kubesim.kubectl.formats
local formats = {}

---@class kubesim.kubectl.FormatOptions
---@field path string            "kubectl get", for refusals
---@field template? string       --template
---@field allow_missing? boolean --allow-missing-template-keys
---@field managed_fields? boolean --show-managed-fields
---@field no_headers? boolean
---@field out? fun(text: string)  takes what was printed before an error
---@field columns? boolean       custom columns can be asked for
---@field wide? boolean          so can wide ones
---@field typed? string|fun(object: table): string  kubectl holds the objects as Go structs of this type ("core/v1.Event")

---@alias kubesim.kubectl.Format fun(object: table, event: string?): string

local TEMPLATES <const> = { "go-template", "go-template-file", "template", "templatefile" }
local JSONPATHS <const> = { "jsonpath", "jsonpath-as-json", "jsonpath-file" }
local COLUMNS <const> = { "custom-columns", "custom-columns-file" }
local GO_TEMPLATE <const> = { ["go-template"] = true, ["go-template-file"] = true, template = true, templatefile = true }

local function allowed(options)
  local list = { "json", "yaml", "kyaml", "name" }
  table.move(TEMPLATES, 1, #TEMPLATES, #list + 1, list)
  table.move(JSONPATHS, 1, #JSONPATHS, #list + 1, list)
  if options.columns then table.move(COLUMNS, 1, #COLUMNS, #list + 1, list) end
  if options.wide then list[#list + 1] = "wide" end
  table.sort(list)
  return table.concat(list, ",")
end

---Is it one of these names, alone or with "=VALUE"? The name and the value.
local function named(format, names, template)
  for _, name in ipairs(names) do
    if format == name then return name, template or "" end
    if not template and format:sub(1, #name + 1) == name .. "=" then return name, format:sub(#name + 2) end
  end
end

-- A copy without managedFields: of a list, its items'.
local function without_managed_fields(object)
  local copy = {}
  for key, value in pairs(object) do copy[key] = value end
  if object.kind:find "List$" and object.items then
    copy.items = #object.items > 0 and {} or object.items
    for i, item in ipairs(object.items) do copy.items[i] = without_managed_fields(item) end
  elseif object.metadata and object.metadata.managedFields then
    copy.metadata = {}
    for key, value in pairs(object.metadata) do copy.metadata[key] = value end
    copy.metadata.managedFields = nil
  end
  return copy
end

---An object as text: "yaml", "go" (JSON on one line, as Go writes it) or "indent".
---@param object table
---@param style "yaml"|"go"|"indent"
---@return string
function formats.encode(object, style)
  local text = core.encode(object, style)
  return text:sub(-1) == "\n" and text or text .. "\n"
end

local function json(options)
  return function(object, event)
    if event then -- compact, and with all that the server sent
      return ('{"type":"%s","object":%s}\n'):format(event, (formats.encode(object, "go"):gsub("\n$", "")))
    end
    local shown = options.managed_fields and object or without_managed_fields(object)
    local typed = options.typed
    if type(typed) == "function" then typed = typed(shown) end
    if typed then
      local typed_json = require "kubesim.kubectl.typed_json"
      return (shown.items and typed_json.list or typed_json.object)(shown, typed)
    end
    return formats.encode(shown, "indent")
  end
end

local function yaml(options)
  local printed = 0
  return function(object, event)
    printed = printed + 1
    local shown = event and { object = object, type = event } or options.managed_fields and object or without_managed_fields(object)
    return (printed > 1 and "---\n" or "") .. formats.encode(shown, "yaml")
  end
end

local function name(object)
  if object.kind ~= "List" then return output.name_of(object) .. "\n" end
  local lines = {}
  for i, item in ipairs(object.items) do lines[i] = output.name_of(item) .. "\n" end
  return table.concat(lines)
end

local function by_jsonpath(kind, text, options)
  if text == "" then errors.fail "template format specified but no template given" end
  if kind == "jsonpath-file" then error(errors.verbatim(("not supported: %s -o jsonpath-file"):format(options.path)), 0) end
  local template, why = require "kubesim.kubectl.jsonpath".parse(text, {
    allow_missing = options.allow_missing ~= false, as_json = kind == "jsonpath-as-json",
  })
  if not template then errors.fail("error parsing jsonpath %s, %s", text, why) end
  return function(object, event)
    local queried = event and { type = event, object = object } or object
    local out
    out, why = template:text(queried)
    if out then return out end
    errors.fail("error executing jsonpath %s: Error executing template: %s. Printing more information for debugging the template:\n"
      .. "\ttemplate was:\n\t\t%s\n\tobject given to jsonpath engine was:\n\t\t%s\n\n\n", errors.quote(text), why, text,
      require "kubesim.kubectl.gotext".syntax(queried))
  end
end

local function by_columns(kind, spec, options)
  if spec == "" then errors.fail "custom-columns format specified but no custom columns given" end
  if kind == "custom-columns-file" then error(errors.verbatim(("not supported: %s -o custom-columns-file"):format(options.path)), 0) end
  local printer, why = require "kubesim.kubectl.columns".new(spec, options.no_headers)
  if not printer then errors.fail("%s", why) end
  local writer = require "kubesim.kubectl.tabwriter".new()
  return function(object, event)
    local list = event and { { type = event, object = object } } or object.kind == "List" and object.items or { object }
    local fine
    fine, why = printer:print(list, event and "event" or object.kind == "List" and "list" or "object", writer)
    if not fine then
      if options.out then options.out(writer:take()) end -- the header stands there already
      errors.fail("%s", why)
    end
    return writer:take()
  end
end

---The format that -o names; nil for tables ("" and "wide"). Raises kubectl's refusal of what it does not know.
---@param format string
---@param options kubesim.kubectl.FormatOptions
---@return kubesim.kubectl.Format?
function formats.read(format, options)
  local template = (options.template or "") ~= "" and options.template or nil
  if template and format == "" then format = "go-template" end
  local kind, text = named(format, JSONPATHS, template)
  if kind then return by_jsonpath(kind, text, options) end
  kind = format:match "^[^=]*"
  if GO_TEMPLATE[kind] then error(errors.verbatim(("not supported: %s -o %s"):format(options.path, kind)), 0) end
  local lower = format:lower()
  if lower == "json" then return json(options) end
  if lower == "yaml" then return yaml(options) end
  if lower == "kyaml" then error(errors.verbatim(("not supported: %s -o kyaml"):format(options.path)), 0) end
  if lower == "name" then return name end
  if format == "" or options.wide and format == "wide" then return nil end
  if options.columns then
    kind, text = named(format, COLUMNS, template)
    if kind then return by_columns(kind, text, options) end
  end
  errors.fail("unable to match a printer suitable for the output format %s, allowed formats are: %s", errors.quote(format),
    allowed(options))
end

---A list of objects as kubectl prints it with -o.
---@param objects table[]
---@return table
function formats.list(objects)
  return { apiVersion = "v1", kind = "List", items = #objects > 0 and objects or setmetatable({}, core.array),
    metadata = { resourceVersion = "" } }
end

return formats
