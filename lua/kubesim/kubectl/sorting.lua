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

---The first value that a path has in each object, or nil and what is wrong with the path.
local function values_of(objects, field)
  local template, why = jsonpath.parse(field, { allow_missing = true })
  if not template then return nil, why end
  local values, found = {}, false
  for i, object in ipairs(objects) do
    local lists
    lists, why = template:find(object)
    if not lists then return nil, why end
    values[i] = lists[1] and lists[1][1]
    found = found or values[i] ~= nil
  end
  if #objects > 0 and not found then
    return nil, ("couldn't find any field with path %s in the list of objects"):format(errors.quote(field))
  end
  return values
end

---Sorted objects, or nil and what is wrong with the path. Raises where values cannot be compared: kubectl ends there.
---@param objects table[]
---@param path string as --sort-by gives it
---@return table[]?
---@return string? why
local function sorted(objects, path)
  local field, why = jsonpath.relaxed(path)
  if not field then return nil, why end
  local values
  values, why = values_of(objects, field)
  if not values then return nil, why end
  local items = {}
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

---The objects of a table's rows, sorted: SortingPrinter. One row is sorted by anything.
---@param objects table[]
---@param path string
---@return table[]? sorted
---@return string? why
function sorting.rows(objects, path)
  if #objects <= 1 then return objects end
  return sorted(objects, path)
end

---The items of a list, sorted; raises what is wrong with the path.
---@param objects table[]
---@param path string
---@return table[]
function sorting.items(objects, path)
  if #objects == 0 then return objects end
  local list, why = sorted(objects, path)
  return list or errors.fail("%s", why)
end

---Several tables: kubectl sorts them by a field of the tables themselves (RuntimeSorter), which they hardly ever have. Raises so.
---@param count integer
---@param path string
function sorting.tables(count, path)
  local list = {}
  for i = 1, count do list[i] = { apiVersion = "meta.k8s.io/v1", kind = "Table", metadata = { resourceVersion = "" } } end
  sorting.items(list, path)
end

return sorting
