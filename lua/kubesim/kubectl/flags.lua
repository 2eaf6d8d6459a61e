--- Flags of a command line, with pflag's rules and words; kubectl.lua calls it. Also the groups of flags that commands share.
---
--- A flag is declared as { name, short or false, type, default, noopt, deprecated }: `noopt` is the value of a flag given without
--- one (of a "bool" it is true), `deprecated` what is said of its use. Types: "string", "bool", "int", "int32", "int64", "duration"
--- (ns), "slice" (commas separate, repeated flags add up), "array" (repeated flags add up). A declaration list may contain such lists.
--- github.com/spf13/pflag: flag.go, errors.go; strconv's texts.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"

---@class kubesim.kubectl.flags
local flags = {}

local BOOLS <const> = {
  ["1"] = true, t = true, T = true, TRUE = true, ["true"] = true, True = true,
  ["0"] = false, f = false, F = false, FALSE = false, ["false"] = false, False = false,
}

---strconv.ParseBool: the value, or nil.
---@param text string
---@return boolean?
function flags.bool(text) return BOOLS[text] end

local function integer(bits)
  local limit = bits == 64 and math.maxinteger or (1 << (bits - 1)) - 1
  return function(text)
    local function why(what) return nil, ("strconv.ParseInt: parsing %s: %s"):format(errors.quote(text), what) end
    local sign, digits = text:match "^([+-]?)(.+)$"
    if not digits then return why "invalid syntax" end
    local base, body = 10, digits
    if digits:find "^0[xX]" then base, body = 16, digits:sub(3)
    elseif digits:find "^0[bB]" then base, body = 2, digits:sub(3)
    elseif digits:find "^0[oO]" then base, body = 8, digits:sub(3)
    elseif digits:find "^0." then base, body = 8, digits:sub(2) end
    body = body:gsub("_", "")
    if not body:find "^%w+$" or not tonumber(body, base) then return why "invalid syntax" end
    local value = 0
    for i = 1, #body do
      local digit = tonumber(body:sub(i, i), base)
      if value > (limit - digit) // base then return why "value out of range" end
      value = value * base + digit
    end
    return sign == "-" and -value or value
  end
end

---Fields of a CSV line, as pflag's slices read them.
local function csv(text)
  local fields, at = {}, 1
  if text == "" then return fields end
  while true do
    if text:sub(at, at) == '"' then
      local field = {}
      at = at + 1
      while true do
        local stop = text:find('"', at, true)
        if not stop then return nil, ("parse error on line 1, column %d: extraneous or missing \" in quoted-field"):format(#text + 1) end
        field[#field + 1] = text:sub(at, stop - 1)
        at = stop + 1
        if text:sub(at, at) ~= '"' then break end
        field[#field + 1], at = '"', at + 1
      end
      fields[#fields + 1] = table.concat(field)
    else
      local stop = text:find(",", at, true) or #text + 1
      local field = text:sub(at, stop - 1)
      local bare = field:find('"', 1, true)
      if bare then return nil, ("parse error on line 1, column %d: bare \" in non-quoted-field"):format(at + bare - 1) end
      fields[#fields + 1], at = field, stop
    end
    if at > #text then return fields end
    at = at + 1
  end
end

local function duration(text)
  local ns = core.duration(text)
  if ns then return ns end
  return nil, "time: invalid duration " .. errors.quote(text)
end

local READ <const> = {
  string = function(text) return text end,
  bool = function(text)
    local value = BOOLS[text]
    if value == nil then return nil, ("strconv.ParseBool: parsing %s: invalid syntax"):format(errors.quote(text)) end
    return value
  end,
  int = integer(64), int64 = integer(64), int32 = integer(32), duration = duration, slice = csv,
  array = function(text) return { text } end,
}

---@class kubesim.kubectl.FlagSet
---@field by_name table<string, table>   declarations
---@field by_short table<string, table>
---@field defaults table<string, any>
local Set = {}
Set.__index = Set

--- Where the parts of a declaration stand.
local NAME <const>, SHORT <const>, TYPE <const>, DEFAULT <const>, NOOPT <const>, DEPRECATED <const> = 1, 2, 3, 4, 5, 6
local LISTS <const> = { slice = true, array = true }
local NO_LIST <const> = {} -- nobody changes the values of flags

---The value of a flag that is given without one; nil: it needs one.
local function without_value(flag) return flag[TYPE] == "bool" and "true" or flag[NOOPT] end

---Adds declarations.
---@param list table
function Set:add(list)
  for _, flag in ipairs(list) do
    if type(flag[NAME]) == "table" then
      self:add(flag)
    elseif #flag > 0 then
      local name, short = flag[NAME], flag[SHORT]
      self.by_name[name] = flag
      if short then self.by_short[short] = flag end
      self.defaults[name] = LISTS[flag[TYPE]] and (flag[DEFAULT] or NO_LIST) or flag[DEFAULT]
    end
  end
end

---A set of flags: those of another set, if one is given, and declared ones, which may have the same names.
---@param base kubesim.kubectl.FlagSet?
---@param ... table
---@return kubesim.kubectl.FlagSet
function flags.set(base, ...)
  local function table_over(name) return setmetatable({}, base and { __index = base[name] }) end
  local set = setmetatable({ by_name = table_over "by_name", by_short = table_over "by_short", defaults = table_over "defaults" }, Set)
  for _, list in ipairs { ... } do set:add(list) end
  set.meta = { __index = set.defaults }
  return set
end

local DASH <const> = ("-"):byte()

---The place of the first word that is no flag and no flag's value (cobra's stripFlags).
---@param words string[]
---@return integer?
function Set:first(words)
  local i = 1
  while i <= #words do
    local word = words[i]
    local first, second = word:byte(1, 2)
    if first == DASH and second == DASH then
      if #word == 2 then return nil end
      local flag = self.by_name[word:sub(3)]
      if not word:find("=", 1, true) and not (flag and without_value(flag)) then i = i + 1 end
    elseif first == DASH and second then
      local flag = self.by_short[word:sub(2, 2)]
      if #word == 2 and not (flag and without_value(flag)) then i = i + 1 end
    elseif first then
      return i
    end
    i = i + 1
  end
end

local function set_value(state, flag, text)
  local name, value, why = flag[NAME], READ[flag[TYPE]](text)
  if value == nil then
    name = (flag[SHORT] and "-" .. flag[SHORT] .. ", " or "") .. "--" .. name
    return ("invalid argument %s for %s flag: %s"):format(errors.quote(text), errors.quote(name), why)
  end
  if LISTS[flag[TYPE]] and state.changed[name] then
    for _, more in ipairs(value) do state.values[name][#state.values[name] + 1] = more end
  else
    state.values[name] = value
  end
  if flag[DEPRECATED] and not state.changed[name] then
    state.notes[#state.notes + 1] = ("Flag --%s has been deprecated, %s"):format(name, flag[DEPRECATED])
  end
  state.changed[name] = true
  state.given[#state.given + 1] = { name, text }
end

---One "-abc" word; the place of the last word used.
local function read_short(self, state, words, i)
  local word = words[i]
  local rest = word:sub(2)
  while rest ~= "" do
    local letter = rest:sub(1, 1)
    local flag = self.by_short[letter]
    if not flag then
      if letter == "h" then return i, "help" end
      return i, ("unknown shorthand flag: '%s' in -%s"):format(letter, rest)
    end
    local why
    if rest:sub(2, 2) == "=" then
      why, rest = set_value(state, flag, rest:sub(3)), ""
    elseif without_value(flag) then
      why, rest = set_value(state, flag, without_value(flag)), rest:sub(2)
    elseif #rest > 1 then
      why, rest = set_value(state, flag, rest:sub(2)), ""
    elseif i < #words then
      i = i + 1
      why, rest = set_value(state, flag, words[i]), ""
    else
      return i, ("flag needs an argument: '%s' in -%s"):format(letter, rest)
    end
    if why then return i, why end
  end
  return i
end

local function read_long(self, state, words, i)
  local word = words[i]
  local name, value = word:match "^%-%-([^=]*)=?(.*)$"
  local given = word:find("=", 1, true)
  if name == "" or name:sub(1, 1) == "-" then return i, "bad flag syntax: " .. word end
  local flag = self.by_name[name] or self.by_name[name:gsub("_", "-")]
  if not flag then
    if name == "help" then return i, "help" end
    return i, "unknown flag: --" .. name
  end
  if given then return i, set_value(state, flag, value) end
  local value_of_none = without_value(flag)
  if value_of_none then return i, set_value(state, flag, value_of_none) end
  if i == #words then return i, "flag needs an argument: --" .. name end
  return i + 1, set_value(state, flag, words[i + 1])
end

---@class kubesim.kubectl.Flags
---@field values table<string, any>       of those that were not given the defaults
---@field changed table<string, boolean>  which were given
---@field args string[]                   what is no flag
---@field dash? integer                   how many of them stood before "--"
---@field given string[][]                names and texts of the flags, in their order
---@field notes string[]                  what is to be said of deprecated flags

---Reads words. When something is wrong: nil and pflag's text, "help" when help is asked for.
---@param words string[]
---@return kubesim.kubectl.Flags? state
---@return string? why
function Set:parse(words)
  local state = { values = setmetatable({}, self.meta), changed = {}, args = {}, given = {}, notes = {} }
  local i = 1
  while i <= #words do
    local word, why = words[i], nil
    local first, second = word:byte(1, 2)
    if word == "--" then
      state.dash = #state.args
      table.move(words, i + 1, #words, #state.args + 1, state.args)
      break
    elseif first == DASH and second == DASH then
      i, why = read_long(self, state, words, i)
    elseif first == DASH and second then
      i, why = read_short(self, state, words, i)
    else
      state.args[#state.args + 1] = word
    end
    if why then return nil, why end
    i = i + 1
  end
  return state
end

-- Groups of flags that several commands have (k8s.io/kubectl/pkg/cmd/util/helpers.go) ------------------------------------------

flags.filename = { { "filename", "f", "slice" }, { "kustomize", "k", "string", "" }, { "recursive", "R", "bool", false } }
flags.dry_run = { { "dry-run", false, "string", "none", "unchanged" } }
flags.selector = { { "selector", "l", "string", "" } }
flags.field_selector = { { "field-selector", false, "string", "" } }
flags.all_namespaces = { { "all-namespaces", "A", "bool", false } }
flags.validate = { { "validate", false, "string", "strict", "strict" } }
flags.save_config = { { "save-config", false, "bool", false } }
flags.record = { { "record", false, "bool", false, nil, "--record will be removed in the future" } }
flags.chunk_size = { { "chunk-size", false, "int64", 500 } }
flags.server_side = { { "server-side", false, "bool", false }, { "force-conflicts", false, "bool", false } }
---genericclioptions.PrintFlags
flags.output = {
  { "output", "o", "string", "" }, { "template", false, "string", "" }, { "allow-missing-template-keys", false, "bool", true },
  { "show-managed-fields", false, "bool", false },
}

---A --field-manager with its default.
---@param default string
---@return table
function flags.manager(default) return { { "field-manager", false, "string", default } } end

return flags
