--- `--sort-by`: sorts objects by a field. k8s.io/kubectl/pkg/cmd/get/sorter.go.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local gosort <const> = require "kubesim.kubectl.gosort"
local gotext <const> = require "kubesim.kubectl.gotext"
local jsonpath <const> = require "kubesim.kubectl.jsonpath"

local null <const> = core.null

local sorting = {}

local function unsortable(field, why)
  error(errors.verbatim(("Field %s in [][][]reflect.Value is an unsortable type: interface, err: %s"):format(field, why)), 0)
end

---Texts that are both quantities are compared as such.
local function text_less(a, b)
  local x, y = core.quantity(a), core.quantity(b)
  if x and y then return x < y end
  return a < b
end

local function value_less(field, a, b)
  if a == null then return b ~= null end
  if b == null then return false end
  local kind = gotext.type(a)
  if kind ~= "string" and kind ~= "int64" and kind ~= "float64" then unsortable(field, "unsortable type: " .. kind) end
  if gotext.type(b) ~= kind then unsortable(field, "unsortable interface: interface") end
  if kind == "string" then return text_less(a, b) end
  return a < b
end

---The first value that a path has in each object; raises what is wrong with the path. `table_words`: in the words that go with tables.
local function values_of(objects, field, table_words)
  local template, why = jsonpath.parse(field, { allow_missing = true })
  if not template then errors.fail("%s%s", table_words and "sorting error: " or "", why) end
  local values, found = {}, false
  for i, object in ipairs(objects) do
    local lists
    lists, why = template:find(object)
    if not lists and table_words then
      errors.fail("Failed to get values for [][]reflect.Value(nil) using %s (&errors.errorString{s:%s})", field, errors.quote(why))
    elseif not lists then
      errors.fail("%s", why)
    end
    values[i] = lists[1] and lists[1][1]
    found = found or values[i] ~= nil
  end
  if #objects > 0 and not found then
    errors.fail("couldn't find any field with path %s in the list of objects", errors.quote(field))
  end
  return values
end

local function sorted(objects, field, table_words)
  local values, items = values_of(objects, field, table_words), {}
  for i, object in ipairs(objects) do items[i] = { object = object, value = values[i] } end
  gosort(items, function(a, b)
    if a.value == nil then return true end
    if b.value == nil then return false end
    return value_less(field, a.value, b.value)
  end)
  local list = {}
  for i, item in ipairs(items) do list[i] = item.object end
  return list
end

---The objects of a table's rows, sorted. Raises what is wrong with the path.
---@param objects table[]
---@param path string  as --sort-by gives it
---@return table[]
function sorting.rows(objects, path) return sorted(objects, jsonpath.relaxed(path) or path, true) end

---The items of a list, sorted.
---@param objects table[]
---@param path string
---@return table[]
function sorting.items(objects, path)
  if #objects == 0 then return objects end
  local field, why = jsonpath.relaxed(path)
  if not field then errors.fail("%s", why) end
  return sorted(objects, field, false)
end

return sorting
