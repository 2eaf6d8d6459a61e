--- kubectl explain: fields, types and what is required, from the API's own type tables. They hold no prose: where the real API
--- server has a description, this says what kubectl says of a schema without one.
--- k8s.io/kubectl/pkg/cmd/explain, pkg/explain/v2 (templates/plaintext.tmpl).
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local resources <const> = require "kubesim.kubectl.resources"
local parser <const> = require "kubesim.kubectl.jsonpath_parser"

local ENUM_LIMIT <const> = 4

---The names in "pods.spec.containers"; raises when it is no path of fields. `first`: the node from which on they have to be.
local function path_of(text, first)
  local nodes, why = parser.parse("{." .. text:gsub("%.$", "") .. "}")
  if not nodes then errors.fail("%s", why) end
  if #nodes ~= 1 then errors.fail "must pass in 1 jsonpath string" end
  local names = {}
  for i, node in ipairs(nodes[1]) do
    if i >= first and node.kind ~= "field" then
      errors.fail("invalid jsonpath syntax, %s", i == 1 and "first node must be field node" or "all nodes must be field nodes")
    end
    names[i] = node.value or ""
  end
  return names
end

---The kind and the field path of the request. "deployments.apps.spec" names the group too.
local function request(ctx, text)
  local names = path_of(text, 1)
  local mapping = resources.mapping(ctx, names[1])
  local full = mapping.plural .. (mapping.group ~= "" and "." .. mapping.group or "")
  if not ctx.changed["api-version"] and text:sub(1, #full) == full then
    local rest = text:sub(#full + 1)
    names = rest ~= "" and path_of(rest, 2) or { "" }
  end
  table.remove(names, 1)
  return mapping, names
end

---"[]Container", "map[string]Quantity", "string".
local function type_name(spec)
  if spec.list then return "[]" .. type_name(spec.list) end
  if spec.map then return "map[string]" .. type_name(spec.map) end
  return spec.name
end

---Fields of a struct in the order of their names.
local function fields_of(spec)
  local list = spec.type and core.api_type(spec.type) or {}
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

local function inner(spec)
  while spec.list or spec.map do spec = spec.list or spec.map end
  return spec
end

local function enum_values(spec)
  local list = {}
  for i, value in ipairs(spec.enum or {}) do list[i] = value == "" and '""' or value end
  table.sort(list)
  return list
end

---The enum of a field in a list of fields: four values at most.
local function short_enum(spec, indent)
  local values = enum_values(spec)
  if #values == 0 then return "" end
  local shown = table.concat(values, ", ", 1, math.min(#values, ENUM_LIMIT))
  return "\n" .. (" "):rep(indent) .. "enum: " .. shown .. (#values > ENUM_LIMIT and ", ...." or "")
end

local function print_fields(out, spec, level, recursive)
  local indent = level * 2
  for _, field in ipairs(fields_of(inner(spec))) do
    out[#out + 1] = ("%s%s\t<%s>%s%s\n"):format((" "):rep(indent), field.name, type_name(field.spec),
      field.required and " -required-" or "", short_enum(field.spec, indent))
    if recursive then
      print_fields(out, field.spec, level + 1, true)
    else
      out[#out + 1] = ("%s<no description>\n\n"):format((" "):rep(indent + 2))
    end
  end
end

---Follows a field path; the last field's spec.
local function follow(spec, path)
  for i, name in ipairs(path) do
    local found
    for _, field in ipairs(fields_of(inner(spec))) do
      if field.name == name then found = field.spec end
    end
    if not found then errors.fail("error: field %s does not exist", errors.quote(path[#path])) end
    spec = found
    if i == #path then return spec, name end
  end
  return spec
end

local function print_field(out, spec, name)
  out[#out + 1] = ("FIELD: %s <%s>\n"):format(name, type_name(spec))
  local values = enum_values(spec)
  if #values > 0 then out[#out + 1] = "ENUM:\n    " .. table.concat(values, "\n    ") end
  out[#out + 1] = "\n\n"
end

local function run(ctx, args)
  if #args == 0 then
    errors.fail("You must specify the type of resource to explain. %s\n", resources.SUGGESTION)
  elseif #args > 1 then
    errors.fail "We accept only this format: explain RESOURCE\n"
  end
  local format, wanted = ctx.flags.output, ctx.flags["api-version"]
  local mapping, path = request(ctx, args[1])
  if format == "plaintext-openapiv2" then error(errors.verbatim "not supported: kubectl explain -o plaintext-openapiv2", 0) end
  if wanted ~= "" and wanted ~= mapping.api_version then
    errors.fail("couldn't find resource for %s", errors.quote(("%s, Resource=%s"):format(wanted:find "/" and wanted or "/" .. wanted,
      mapping.plural)))
  end
  if format ~= "plaintext" then errors.fail("unrecognized format: %s", format) end
  local spec, name = follow({ type = mapping.type, name = mapping.kind }, path)
  local out = {}
  if mapping.group ~= "" then out[1] = ("GROUP:      %s\n"):format(mapping.group) end
  out[#out + 1] = ("KIND:       %s\nVERSION:    %s\n\n"):format(mapping.kind, mapping.version)
  if name then print_field(out, spec, name) end
  out[#out + 1] = "DESCRIPTION:\n    <empty>\n"
  local list = {}
  print_fields(list, spec, 1, ctx.flags.recursive)
  if #list > 0 then out[#out + 1] = "FIELDS:\n" .. table.concat(list) end
  ctx:out(table.concat(out) .. "\n")
end

return {
  flags = { { "recursive", "R", "bool", false }, { "api-version", false, "string", "" }, { "output", "o", "string", "plaintext" } },
  run = run,
}
