--- JSON of objects that kubectl holds as Go structs: members stand in the order of the struct's fields, where those that it holds
--- as maps have them in the order of their names. Called by formats.lua, and by writes.lua for what is remembered of them.
local core <const> = require "kubesim.core"

local INDENT <const> = "    "

local types = {} -- fields by type name: tables of the API, the same for every cluster

local function fields_of(name)
  types[name] = types[name] or core.api_type(name) or {}
  return types[name]
end

local function leaf(value) return (core.encode(value, "go"):gsub("\n$", "")) end

local write

---Members between brackets; without a margin all on one line.
local function block(open, close, parts, margin)
  if #parts == 0 then return open .. close end
  if not margin then return open .. table.concat(parts, ",") .. close end
  return open .. "\n" .. margin .. INDENT .. table.concat(parts, ",\n" .. margin .. INDENT) .. "\n" .. margin .. close
end

local function member(name, value, spec, margin)
  return leaf(name) .. (margin and ": " or ":") .. write(value, spec, margin and margin .. INDENT)
end

local function write_struct(value, type_name, margin)
  local parts = {}
  for _, field in ipairs(fields_of(type_name)) do
    local part = value[field.name]
    if part ~= nil then parts[#parts + 1] = member(field.name, part, field.spec, margin) end
  end
  return block("{", "}", parts, margin)
end

---A value, described by a spec of core.api_type; `margin`: the blanks before the line that it ends on; nil: all on one line.
function write(value, spec, margin)
  if type(value) ~= "table" then return leaf(value) end
  if spec.type then return write_struct(value, spec.type, margin) end
  local parts = {}
  if spec.list then
    for i, item in ipairs(value) do parts[i] = write(item, spec.list, margin and margin .. INDENT) end
    return block("[", "]", parts, margin)
  elseif spec.map then
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys)
    for i, key in ipairs(keys) do parts[i] = member(key, value[key], spec.map, margin) end
    return block("{", "}", parts, margin)
  end
  if not margin then return leaf(value) end
  return (core.encode(value, "indent"):gsub("\n$", ""):gsub("\n", "\n" .. margin))
end

---An object of a kind as JSON on one line.
---@param object table
---@param type_name string
---@return string
local function line_text(object, type_name) return write(object, { type = type_name }) .. "\n" end

---An object of a kind as JSON with indentation.
---@param object table
---@param type_name string  "core/v1.Event": what core:kind() tells
---@return string
local function object_text(object, type_name) return write(object, { type = type_name }, "") .. "\n" end

---A list of objects of one kind, as its Go list.
---@param list table  with items
---@param type_name string  of the items
---@return string
local function list_text(list, type_name)
  local items = {}
  for i, item in ipairs(list.items) do items[i] = write(item, { type = type_name }, INDENT .. INDENT) end
  return block("{", "}", { '"kind": ' .. leaf(list.kind), '"apiVersion": ' .. leaf(list.apiVersion), '"metadata": {}',
    '"items": ' .. block("[", "]", items, INDENT) }, "") .. "\n"
end

return { object = object_text, list = list_text, line = line_text }
