--- Values of objects as Go's fmt prints them: `%v` ("map[a:1 b:2]") and `%#v`. Used where kubectl shows a value in an error
--- or in a column.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"

local gotext = {}

local null <const> = core.null

---Is it a list? Empty ones carry a mark.
---@param value any
---@return boolean
function gotext.is_list(value)
  if type(value) ~= "table" then return false end
  return value[1] ~= nil or next(value) == nil and getmetatable(value) == core.array
end

---Keys in byte order.
---@param map table
---@return string[]
function gotext.keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

---A floating point number: the fewest digits that mean it, with an exponent from 1e21 on and below 1e-4.
---@param x number
---@return string
function gotext.float(x)
  if x ~= x then return "NaN" end
  if x == math.huge then return "+Inf" elseif x == -math.huge then return "-Inf" end
  local digits = 17
  for n = 1, 17 do
    if tonumber(("%." .. n .. "g"):format(x)) == x then
      digits = n
      break
    end
  end
  local size = math.abs(x)
  if size ~= 0 and (size < 1e-4 or size >= 1e21) then
    local text = ("%." .. digits - 1 .. "e"):format(x)
    return text
  end
  local text = ("%.17f"):format(x)
  for n = 0, 17 do
    local shorter = ("%." .. n .. "f"):format(x)
    if tonumber(shorter) == x then
      text = shorter
      break
    end
  end
  return text
end

---The name of a value's Go type, as JSON is read into interface{}.
---@param value any
---@return string
function gotext.type(value)
  if type(value) == "string" then return "string" end
  if type(value) == "boolean" then return "bool" end
  if math.type(value) == "integer" then return "int64" end
  if type(value) == "number" then return "float64" end
  return gotext.is_list(value) and "[]interface {}" or "map[string]interface {}"
end

---`%v`.
---@param value any
---@return string
function gotext.plain(value)
  if value == nil or value == null then return "<nil>" end
  if math.type(value) == "float" then return gotext.float(value) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  if gotext.is_list(value) then
    for i, item in ipairs(value) do parts[i] = gotext.plain(item) end
    return "[" .. table.concat(parts, " ") .. "]"
  end
  for i, key in ipairs(gotext.keys(value)) do parts[i] = key .. ":" .. gotext.plain(value[key]) end
  return "map[" .. table.concat(parts, " ") .. "]"
end

---`%#v`.
---@param value any
---@return string
function gotext.syntax(value)
  if value == nil or value == null then return "interface {}(nil)" end
  if type(value) == "string" then return errors.quote(value) end
  if math.type(value) == "float" then return gotext.float(value) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  if gotext.is_list(value) then
    for i, item in ipairs(value) do parts[i] = gotext.syntax(item) end
  else
    for i, key in ipairs(gotext.keys(value)) do parts[i] = errors.quote(key) .. ":" .. gotext.syntax(value[key]) end
  end
  return gotext.type(value) .. "{" .. table.concat(parts, ", ") .. "}"
end

return gotext
