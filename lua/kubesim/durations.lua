--- Durations: numbers of seconds or Go's text ("1m30s", "500ms"), and kubectl's ages.
local core <const> = require "kubesim.core"

---@class kubesim.durations
local durations = {}

local SECOND <const> = 1000000000

---Nanoseconds of a duration, or nil when it is none.
---@param x any
---@return integer? ns
---@return string? why
function durations.ns(x)
  if math.type(x) == "integer" then
    if x < 0 or x > math.maxinteger // SECOND then return nil, "a duration cannot be " .. x end
    return x * SECOND
  elseif type(x) == "number" then
    if x ~= x or x < 0 or x * SECOND >= 0x1p63 then return nil, "a duration cannot be " .. x end
    return math.floor(x * SECOND + 0.5)
  elseif type(x) == "string" then
    local ns = core.duration(x)
    if not ns then return nil, ("invalid duration %q"):format(x) end
    if ns < 0 then return nil, ("a duration cannot be negative: %q"):format(x) end
    return ns
  end
  return nil, "duration (seconds, or text such as \"1m30s\") expected, got " .. type(x)
end

---Seconds as a number: an integer when they are whole.
---@param ns integer
---@return number
function durations.seconds(ns) return ns % SECOND == 0 and ns // SECOND or ns / SECOND end

---kubectl's AGE text.
---@param seconds number
---@return string
function durations.human(seconds) return core.human_duration(math.floor(seconds * SECOND)) end

---Go's text ("1m30s").
---@param ns integer
---@return string
function durations.text(ns) return core.duration_text(ns) end

return durations
