--- kubectl's JSONPath templates: text with {expressions} in it. k8s.io/client-go/util/jsonpath.
---
--- `jsonpath.parse(text)` gives a template or nil and why; `template:find(object)` gives lists of values, one for each node of the
--- template; `template:text(object)` the printed text. Maps are walked in the order of their keys, where Go walks them in any order.
local core <const> = require "kubesim.core"
local gotext <const> = require "kubesim.kubectl.gotext"
local parser <const> = require "kubesim.kubectl.jsonpath_parser"

local null <const> = core.null

---@class kubesim.kubectl.JSONPath
---@field nodes table[]
---@field first integer          where the nodes to be walked begin
---@field allow_missing boolean  a missing field is nothing, not an error
---@field as_json boolean        print lists of JSON
---@field beginning integer      ranges that have been opened and not entered
---@field inside integer         ranges that are being walked
---@field ending integer         ends that were met and not followed
---@field last_end integer?      the node of the last end
local JSONPath = {}
JSONPath.__index = JSONPath

-- What Go calls a nil value: nothing can be looked up in it.
local function is_nil(value) return value == nil or value == null end

local function fail(message, ...) error({ jsonpath = select("#", ...) > 0 and message:format(...) or message }, 0) end

-- An error that leaves the values that it came upon: a filter for what exists looks at them and not at the error.
local function fail_at(values, message, ...) error({ jsonpath = message:format(...), values = values }, 0) end

-- Comparisons: text/template's lt, eq and so on --------------------------------------------------------------------------

local function basic(value)
  if type(value) == "boolean" then return "bool" end
  if math.type(value) == "integer" then return "int" end
  if type(value) == "number" then return "float" end
  if type(value) == "string" then return "string" end
  fail "invalid type for comparison"
end

local function equal(a, b)
  local ka, kb = basic(a), basic(b)
  if ka ~= kb then fail "incompatible types for comparison" end
  return a == b
end

local function less(a, b)
  local ka, kb = basic(a), basic(b)
  if ka ~= kb then fail "incompatible types for comparison" end
  if ka == "bool" then fail "invalid type for comparison" end
  return a < b
end

local function at_most(a, b) return less(a, b) or equal(a, b) end

local COMPARE <const> = {
  ["<"] = less, ["=="] = equal, ["<="] = at_most,
  [">"] = function(a, b) return not at_most(a, b) end,
  [">="] = function(a, b) return not less(a, b) end,
  ["!="] = function(a, b) return not equal(a, b) end,
}

-- Walking --------------------------------------------------------------------------------------------------------------

---What lies directly in a value: of texts their bytes, as Go indexes them.
local function contents(value, into)
  if type(value) == "string" then
    for i = 1, #value do into[#into + 1] = value:byte(i) end
  elseif gotext.is_list(value) then
    table.move(value, 1, #value, #into + 1, into)
  elseif type(value) == "table" then
    for _, key in ipairs(gotext.keys(value)) do into[#into + 1] = value[key] end
  end
  return into
end

local EVAL = {}

function JSONPath:list(values, list)
  for _, node in ipairs(list) do values = EVAL[node.kind](self, values, node) end
  return values
end

function EVAL.list(self, values, node) return self:list(values, node) end

function EVAL.text(_, _, node) return { node.value } end

-- Numbers and booleans: one for each value that they stand beside.
function EVAL.constant(_, values, node)
  local results = {}
  for i = 1, #values do results[i] = node.value end
  return results
end

function EVAL.field(self, values, node)
  local results = {}
  if #values == 0 then return results end
  for _, value in ipairs(values) do
    if type(value) == "table" and not gotext.is_list(value) then
      local found = value[node.value]
      if found ~= nil then results[#results + 1] = found end
    end
  end
  if #results == 0 and not self.allow_missing then fail("%s is not found", node.value) end
  return results
end

---The first index, the last one and the step of a slice of one of the values; nil when it is empty.
local function bounds(node, length, values)
  local from, to, step = node[1], node[2], node[3]
  local first = from.known and from.value or 0
  if first < 0 then first = first + length end
  local last = to.known and to.value or length
  if last < 0 or last == 0 and to.derived then last = last + length end
  if first == last then return nil end
  if first >= length or first < 0 then fail_at(values, "array index out of bounds: index %d, length %d", first, length) end
  if last > length or last < 0 then fail_at(values, "array index out of bounds: index %d, length %d", last - 1, length) end
  if first > last then fail_at(values, "starting index %d is greater than ending index %d", first, last) end
  if step.known and step.value <= 0 then fail_at(values, "step must be > 0") end
  return first + 1, last, step.known and step.value or 1
end

function EVAL.array(_, values, node)
  local results = {}
  for _, value in ipairs(values) do
    if not is_nil(value) then
      if not gotext.is_list(value) then fail_at(values, "%s is not array or slice", gotext.type(value)) end
      local first, last, step = bounds(node, #value, values)
      if not first then return results end
      for i = first, last, step do results[#results + 1] = value[i] end
    end
  end
  return results
end

function EVAL.union(self, values, node)
  local results = {}
  for _, list in ipairs(node) do
    local found = self:list(values, list)
    table.move(found, 1, #found, #results + 1, results)
  end
  return results
end

function EVAL.wildcard(_, values)
  local results = {}
  for _, value in ipairs(values) do contents(value, results) end
  return results
end

function EVAL.recursive(self, values)
  local results = {}
  for _, value in ipairs(values) do
    local inner = is_nil(value) and {} or contents(value, {})
    if #inner > 0 then
      results[#results + 1] = value
      local deeper = EVAL.recursive(self, inner)
      table.move(deeper, 1, #deeper, #results + 1, results)
    end
  end
  return results
end

local function single(values)
  if #values > 1 then fail "can only compare one element at a time" end
  return values[1]
end

---Does an item pass a filter?
local function passes(self, item, node)
  if node.operator == "exists" then
    local fine, found = pcall(self.list, self, { item }, node.left)
    if not fine and not (type(found) == "table" and found.jsonpath) then error(found, 0) end
    return #(fine and found or found.values or {}) > 0
  end
  local left = single(self:list({ item }, node.left))
  if left == nil then return false end
  local right = single(self:list({ item }, node.right))
  if right == nil then return false end
  local compare = COMPARE[node.operator]
  if not compare then fail("unrecognized filter operator %s", node.operator) end
  return compare(left, right)
end

function EVAL.filter(self, values, node)
  local results = {}
  for _, value in ipairs(values) do
    if not gotext.is_list(value) then fail_at(values, "%s is not array or slice and cannot be filtered", gotext.plain(value)) end
    for _, item in ipairs(value) do
      if passes(self, item, node) then results[#results + 1] = item end
    end
  end
  return results
end

function EVAL.identifier(self, values, node)
  if node.value == "range" then
    self.beginning = self.beginning + 1
    return values
  end
  if node.value ~= "end" then fail_at(values, "unrecognized identifier %s", node.value) end
  if self.inside == 0 then fail "not in range, nothing to end" end
  self.ending = self.ending + 1
  return {}
end

-- A range: what follows it is walked for each of its values, up to its end.
local function walk_range(self, from, values, all)
  self.beginning, self.inside = self.beginning - 1, self.inside + 1
  for _, value in ipairs(values) do
    self.first = from + 1
    local found = self:walk(value)
    table.move(found, 1, #found, #all + 1, all)
  end
  if #values == 0 then -- nothing to walk for, but the end has to be found
    self.first = from + 1
    self:walk(nil)
  end
  self.inside = self.inside - 1
  for i = from + 1, #self.nodes do
    if i == self.last_end then return i end
  end
  return from
end

---@param object any
---@return any[][]
function JSONPath:walk(object)
  local all, here = {}, object == nil and { null } or { object }
  local i = self.first
  while i <= #self.nodes do
    local node = self.nodes[i]
    local values = EVAL[node.kind](self, here, node)
    if self.ending > 0 and self.ending <= self.inside then
      self.ending = self.ending - 1
      self.last_end = i
      break
    end
    if self.beginning > 0 then
      i = walk_range(self, i, values, all)
    else
      all[#all + 1] = values
    end
    i = i + 1
  end
  return all
end

---The values that each node of the template stands for.
---@param object table
---@return any[][]? lists
---@return string? why
function JSONPath:find(object)
  local fine, found = pcall(self.walk, self, object)
  if fine then return found end
  if type(found) == "table" and found.jsonpath then return nil, found.jsonpath end
  error(found, 0)
end

-- Printing --------------------------------------------------------------------------------------------------------------

local function value_text(value)
  if is_nil(value) then return "null" end
  if type(value) == "table" then return (core.encode(value, "go")) end
  return gotext.plain(value)
end

---The text that the template makes of an object.
---@param object table
---@return string? text
---@return string? why
function JSONPath:text(object)
  local lists, why = self:find(object)
  if not lists then return nil, why end
  local out = {}
  for _, values in ipairs(lists) do
    local parts = {}
    if self.as_json then
      local list = #values == 0 and setmetatable({}, core.array) or values
      parts[1] = core.encode(list, "indent")
      if parts[1]:sub(-1) ~= "\n" then parts[1] = parts[1] .. "\n" end
    else
      for i, value in ipairs(values) do parts[i] = value_text(value) end
    end
    out[#out + 1] = table.concat(parts, " ")
  end
  return table.concat(out)
end

---Parses a template.
---@param text string
---@param options? { allow_missing?: boolean, as_json?: boolean }
---@return kubesim.kubectl.JSONPath? template
---@return string? why
local function parse(text, options)
  local nodes, why = parser.parse(text)
  if not nodes then return nil, why end
  return setmetatable({
    nodes = nodes, first = 1, beginning = 0, inside = 0, ending = 0,
    allow_missing = options and options.allow_missing or false, as_json = options and options.as_json or false,
  }, JSONPath)
end

---The template of a field path, however it is spelt: `.a.b`, `a.b`, `{.a.b}` (get.RelaxedJSONPathExpression).
---@param path string
---@return string? template
---@return string? why
local function relaxed(path)
  if path == "" then return "" end
  local inner = path:match "^{%.?([^{}]+)}$" or path:match "^%.?([^{}]+)$"
  if not inner then
    return nil, "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'"
  end
  return "{." .. inner .. "}"
end

return { parse = parse, relaxed = relaxed }
