--- What the rows of several kinds share: ages, labels, selectors, names and images of containers. Used by the files beside this one.
local core <const> = require "kubesim.core"

---@class kubesim.kubectl.printers.common
local common = {}

---The time that has passed since an instant, as in an AGE column (translateTimestampSince).
---@param timestamp string? RFC 3339
---@param now integer Unix nanoseconds
---@return string
function common.since(timestamp, now) return core.since(timestamp, now) or "<unknown>" end

---The age of an object.
---@param object table
---@param now integer Unix nanoseconds
---@return string
function common.age(object, now) return common.since(object.metadata.creationTimestamp, now) end

local DIGITS <const> = { [0] = "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }

---The text of a count, of which most have one digit: making it anew costs as much as reading five fields.
---@param n integer
---@return string
function common.count(n) return DIGITS[n] or tostring(n) end

---A list that may be absent or null.
---@param value any
---@return table
function common.list(value) return value ~= core.null and value or {} end

---Keys of a table in byte order.
---@param map table?
---@return string[]
function common.keys(map)
  local keys = {}
  for key in pairs(map or {}) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

---"a=1,b=2", or "<none>" (labels.FormatLabels).
---@param labels table<string, string>?
---@return string
function common.labels(labels)
  local parts = {}
  for i, key in ipairs(common.keys(labels)) do parts[i] = key .. "=" .. labels[key] end
  return #parts > 0 and table.concat(parts, ",") or "<none>"
end

---A LabelSelector's text; an empty one is "<none>" (metav1.FormatLabelSelector).
---@param selector table?
---@return string
function common.selector(selector)
  local parsed = core.selector(core.plain(selector or {}))
  if not parsed then return "<error>" end
  local text = selector and tostring(parsed) or ""
  return text ~= "" and text or "<none>"
end

---Names and images of containers, each joined with commas.
---@param containers table[]?
---@return string names
---@return string images
function common.containers(containers)
  local names, images = {}, {}
  for i, container in ipairs(containers or {}) do names[i], images[i] = container.name, container.image or "" end
  return table.concat(names, ","), table.concat(images, ",")
end

---A quantity in its canonical form; an absent one is "0".
---@param text string|number|nil
---@return string
function common.quantity(text)
  local quantity = text and core.quantity(tostring(text))
  return quantity and tostring(quantity) or "0"
end

---A condition of a list, by type.
---@param conditions table[]?
---@param kind string
---@return table?
function common.condition(conditions, kind)
  for _, condition in ipairs(conditions or {}) do
    if condition.type == kind then return condition end
  end
end

---At most three of a list, joined with commas, and how many more there are.
---@param list string[]
---@param empty string what stands for none
---@return string
function common.few(list, empty)
  if #list == 0 then return empty end
  if #list <= 3 then return table.concat(list, ",") end
  return ("%s + %d more..."):format(table.concat(list, ",", 1, 3), #list - 3)
end

return common
