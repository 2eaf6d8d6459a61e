--- Checks of arguments, with the messages of Lua's own functions: `bad argument #1 to 'apply' (string expected, got nil)`, at the
--- line of whoever called the public function.

---@class kubesim.check
local check = {}

local function near(word, known)
  local best, least = nil, 3
  for name in pairs(known) do
    -- edit distance, which needs no more than two rows
    local row = {}
    for j = 0, #name do row[j] = j end
    for i = 1, #word do
      local diagonal, left = row[0], i
      row[0] = i
      for j = 1, #name do
        local cost = word:byte(i) == name:byte(j) and 0 or 1
        local value = math.min(row[j] + 1, left + 1, diagonal + cost)
        diagonal, row[j], left = row[j], value, value
      end
    end
    if row[#name] < least then best, least = name, row[#name] end
  end
  return best
end

-- Where the library's own files lie: messages point at the line outside of them, however deep the check was made.
local home <const> = debug.getinfo(1, "S").source:match "^(.*[/\\])" or "@"

local function of_the_library(source)
  return source:sub(1, #home) == home or source:find "[/\\]luassert[/\\]" ~= nil -- it calls kubesim.assertions
end

---Raises a message at the line of whoever called the library.
---@param message string
function check.fail(message)
  local level = 2
  while true do
    local info = debug.getinfo(level, "S")
    if not info then break end
    if info.what ~= "C" and not of_the_library(info.source) then break end
    level = level + 1
  end
  error(message, level)
end

---Raises `bad argument #n to 'name' (what)`.
---@param n integer
---@param name string
---@param what string
function check.bad(n, name, what) check.fail(("bad argument #%d to '%s' (%s)"):format(n, name, what)) end

---Raises unless the value has one of the types ("string", "table", "integer", ...; "nil" allows absence).
---@param value any
---@param n integer
---@param name string
---@param ... string
function check.type(value, n, name, ...)
  local first, second = ...
  local plain = type(value)
  if plain == first or plain == second then return end
  local got = math.type(value) == "integer" and "integer" or type(value)
  for i = 1, select("#", ...) do
    local want = select(i, ...)
    if got == want or want == "number" and got == "integer" or want == "function" and got == "table"
      and (getmetatable(value) or {}).__call then return end
    if want == "integer" and got == "number" and value == math.floor(value) then return end
  end
  local wanted = {}
  for i = 1, select("#", ...) do
    local want = select(i, ...)
    if want ~= "nil" then wanted[#wanted + 1] = want end
  end
  check.bad(n, name, ("%s expected, got %s"):format(table.concat(wanted, " or "), value == nil and "no value" or type(value)))
end

--- The types that a text like "number|string" names, as a set: there are few such texts, all of them the library's own.
local SETS <const> = {}

local function set_of(types)
  local set = SETS[types]
  if set then return set end
  set = {}
  for want in types:gmatch "[^|]+" do set[want] = true end
  SETS[types] = set
  return set
end

local function check_option(option, value, types, n, name, known)
  if not types then
    local offer = type(option) == "string" and near(option, known)
    check.bad(n, name, ("unknown option '%s'%s"):format(tostring(option), offer and (", did you mean '%s'?"):format(offer) or ""))
  end
  local set, got = set_of(types), type(value)
  local fine = set[got] or set.any or set.integer and got == "number" and math.tointeger(value)
  if not fine then check.bad(n, name, ("option '%s': %s expected, got %s"):format(option, types:gsub("|", " or "), got)) end
end

---Checks a table of options: unknown names are refused, the nearest known one is offered.
---@param opts table?
---@param n integer
---@param name string
---@param known table<string, string>   option -> types, separated by "|"
---@return table opts
function check.opts(opts, n, name, known)
  if opts == nil then return {} end
  if type(opts) ~= "table" then check.bad(n, name, "table expected, got " .. type(opts)) end
  for option, value in pairs(opts) do
    local types = known[option]
    if types ~= type(value) then check_option(option, value, types, n, name, known) end
  end
  return opts
end

check.near = near

return check
