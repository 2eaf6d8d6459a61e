--- Values as kubectl prints them: what is absent, lists and maps as Go prints them, selectors, times, ages, quantities.
--- Called by the describers, `rollout`, `wait` and others, and by why.lua.
local core <const> = require "kubesim.core"
local gosort <const> = require "kubesim.kubectl.gosort"

---@class kubesim.kubectl.values
local values = {}

local null <const> = core.null
local EMPTY <const> = {}

---A field that may be absent or null.
---@param v any
---@return any? v nil for both
function values.present(v)
  if v == null then return nil end
  return v
end

---Takes the nulls out of an object, in place: for readers to whom null and absent are the same (views are like that by themselves).
---@generic T
---@param v T
---@return T v
function values.bare(v)
  if type(v) ~= "table" then return v end
  for key, part in pairs(v) do
    if part == null then v[key] = nil else values.bare(part) end
  end
  return v
end

---Whether two values are the same, part by part.
---@param a any
---@param b any
---@return boolean
function values.equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not values.equal(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

---A list or map that may be absent.
---@param v table?
---@return table
function values.list(v) return v ~= nil and v ~= null and v or EMPTY end

---@param map table?
---@return boolean
function values.empty(map) return next(values.list(map)) == nil end

---The value at the end of a path, nil when a step of it is absent.
---@param object table?
---@param ... string
---@return any?
function values.at(object, ...)
  for i = 1, select("#", ...) do
    if object == nil or object == null then return nil end
    object = object[(select(i, ...))]
  end
  return values.present(object)
end

---@param map table?
---@return string[]
function values.sorted_keys(map)
  local keys = {}
  for key in pairs(values.list(map)) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

---A list in another order, the given one left alone; items with equal keys in the order in which Go's sort leaves them.
---@param list table[]?
---@param key fun(item: any): any
---@return table[]
function values.sorted(list, key)
  local keyed = {}
  for i, item in ipairs(values.list(list)) do keyed[i] = { key = key(item), item = item } end
  gosort(keyed, function(a, b) return a.key < b.key end)
  for i, entry in ipairs(keyed) do keyed[i] = entry.item end
  return keyed
end

---What `pick` makes of each item, joined.
---@param list table?
---@param separator string
---@param pick? fun(item: any): string
---@return string
function values.join(list, separator, pick)
  local parts = {}
  for i, item in ipairs(values.list(list)) do parts[i] = tostring(pick and pick(item) or item) end
  return table.concat(parts, separator)
end

---A list as Go's %v prints it.
---@param list table?
---@return string
function values.go_list(list) return "[" .. values.join(list, " ") .. "]" end

---A map as Go's %v prints it.
---@param map table?
---@return string
function values.go_map(map)
  local parts = {}
  for i, key in ipairs(values.sorted_keys(map)) do parts[i] = key .. ":" .. tostring(map[key]) end
  return "map[" .. table.concat(parts, " ") .. "]"
end

---@param text string?
---@return string
function values.or_none(text) return text ~= nil and text ~= "" and text or "<none>" end

---"True" or "False".
---@param v boolean?
---@return string
function values.bool(v) return v == true and "True" or "False" end

---A map of labels on one line (labels.FormatLabels).
---@param labels table?
---@return string
function values.labels(labels)
  local parts = {}
  for i, key in ipairs(values.sorted_keys(labels)) do parts[i] = key .. "=" .. labels[key] end
  return values.or_none(table.concat(parts, ","))
end

---A LabelSelector as text; empty when it selects everything or nothing at all.
---@param selector table?
---@return string
function values.selector(selector)
  if values.present(selector) == nil then return "" end
  return tostring((core.selector(selector)))
end

---A quantity's canonical text; "0" when it is absent.
---@param q string|number?
---@return string
function values.quantity(q)
  if values.present(q) == nil then return "0" end
  local quantity = core.quantity(tostring(q))
  return quantity and tostring(quantity) or tostring(q)
end

---An IntOrString.
---@param v integer|string?
---@return string
function values.int_or_string(v) return tostring(values.present(v) or 0) end

local DAYS <const> = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS <const> = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

---An instant in Go's RFC 1123 layout with a numeric zone.
---@param ns integer Unix time in nanoseconds
---@return string
function values.date_of(ns)
  local t = os.date("!*t", ns // 1000000000)
  return ("%s, %02d %s %04d %02d:%02d:%02d +0000"):format(DAYS[t.wday], t.day, MONTHS[t.month], t.year, t.hour, t.min, t.sec)
end

---An API time in that layout; the zero time when it is absent.
---@param time string?
---@return string
function values.date(time)
  local ns = values.present(time) and core.time(time)
  return ns and values.date_of(ns) or "Mon, 01 Jan 0001 00:00:00 +0000"
end

---How long ago an API time was, as kubectl shows ages.
---@param time string?
---@param now integer Unix time in nanoseconds
---@return string
function values.since(time, now)
  local ns = values.present(time) and core.time(time)
  if not ns then return "<unknown>" end
  return core.human_duration(now - ns)
end

---The owner that controls an object, as "Kind/name".
---@param object table
---@return string?
function values.controller(object)
  for _, owner in ipairs(values.list(object.metadata.ownerReferences)) do
    if owner.controller == true then return owner.kind .. "/" .. owner.name end
  end
end

---Whether `owner` controls the object.
---@param object table
---@param owner table
---@return boolean
function values.controlled_by(object, owner)
  for _, reference in ipairs(values.list(object.metadata.ownerReferences)) do
    if reference.controller == true then return reference.uid == owner.metadata.uid end
  end
  return false
end

return values
