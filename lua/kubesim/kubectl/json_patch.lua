--- Why a JSON patch does not apply, in the words of the library with which kubectl applies it itself (--local, --dry-run=client): a
--- server says less. Called by commands/patch.lua once the patch has been refused.
---
--- gopkg.in/evanphx/json-patch.v4: patch.go.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local output <const> = require "kubesim.kubectl.output"
local values <const> = require "kubesim.kubectl.values"

local null <const> = core.null

local function is_list(v) return v[1] ~= nil or getmetatable(v) == core.array end

local function fail(text, ...) error(errors.plain(text, ...), 0) end

local function unescaped(token) return (token:gsub("~1", "/"):gsub("~0", "~")) end

---The place in a list that a token names, from 1; `count`: how many places there are.
local function place(token, count)
  local i = token:find "^[+-]?%d+$" and math.tointeger(tonumber(token))
  if not i then fail("strconv.Atoi: parsing %s: invalid syntax", errors.quote(token)) end
  if i >= count or i < -count then fail("Unable to access invalid index: %d: invalid index referenced", i) end
  return (i < 0 and i + count or i) + 1
end

local function get(container, token)
  if not is_list(container) then return container[token] end
  return container[place(token, #container)]
end

---What holds the last step of a path, and that step; nil when it is not there.
local function find(document, path)
  local tokens, below = {}, path:match "/.*$"
  if not below then return nil end
  for token in below:gmatch "/([^/]*)" do tokens[#tokens + 1] = unescaped(token) end
  for i = 1, #tokens - 1 do
    local err, inner = errors.try(get, document, tokens[i])
    if err or type(inner) ~= "table" then return nil end
    document = inner
  end
  return document, tokens[#tokens]
end

local function add(container, token, value)
  if not is_list(container) then
    container[token] = value
  elseif token == "-" then
    table.insert(container, value)
  else
    if not token:find "^[+-]?%d+$" then
      fail("value was not a proper array index: '%s': strconv.Atoi: parsing %s: invalid syntax", token, errors.quote(token))
    end
    table.insert(container, place(token, #container + 1), value)
  end
end

local function remove(container, token)
  if is_list(container) then
    table.remove(container, place(token, #container))
  else
    if container[token] == nil then fail("Unable to remove nonexistent key: %s: missing value", token) end
    container[token] = nil
  end
end

local function set(container, token, value)
  if is_list(container) then container[place(token, #container)] = value else container[token] = value end
end

---Runs `fn`; what it fails with stands behind these words.
local function within(words, fn, ...)
  local err, result = errors.try(fn, ...)
  if err then fail("%s: %s", words, err.message) end
  return result
end

local function text_of(op, field, words)
  if type(op[field]) == "string" then return op[field] end
  fail("%s", words)
end

local function found(document, path, words)
  local container, token = find(document, path)
  if not container then fail("%s: missing value", words) end
  return container, token
end

---@type table<string, fun(document: table, op: table, value: any)>
local operations <const> = {}

function operations.add(document, op, value)
  local path = text_of(op, "path", "add operation failed to decode path: missing value")
  local container, token = found(document, path, ('add operation does not apply: doc is missing path: "%s"'):format(path))
  within(("error in add for path: '%s'"):format(path), add, container, token, value)
end

function operations.remove(document, op)
  local path = text_of(op, "path", "remove operation failed to decode path: missing value")
  local container, token = found(document, path, ('remove operation does not apply: doc is missing path: "%s"'):format(path))
  within(("error in remove for path: '%s'"):format(path), remove, container, token)
end

function operations.replace(document, op, value)
  local path = text_of(op, "path", "replace operation failed to decode path: operation missing path field: missing value")
  local container, token = found(document, path, "replace operation does not apply: doc is missing path: " .. path)
  if errors.try(get, container, token) then
    fail("Object to be patched is missing field (%s: missing value)", path) -- kubectl's own words
  end
  set(container, token, value)
end

function operations.test(document, op, value)
  local path = text_of(op, "path", "test operation failed to decode path: operation missing path field: missing value")
  local is = document
  if path ~= "" then
    local container, token = found(document, path, "test operation does not apply: is missing path: " .. path)
    is = within(("error in test for path: '%s'"):format(path), get, container, token)
  end
  if not values.equal(is == nil and null or is, value) then fail("testing value %s failed: test failed", path) end
end

function operations.move(document, op)
  local from = text_of(op, "from", "move operation failed to decode from: operation, missing from field: missing value")
  local container, token = found(document, from, "move operation does not apply: doc is missing from path: " .. from)
  local words = ("error in move for path: '%s'"):format(token)
  local value = within(words, get, container, token)
  within(words, remove, container, token)
  local path = text_of(op, "path", "move operation failed to decode path: operation missing path field: missing value")
  container, token = found(document, path, "move operation does not apply: doc is missing destination path: " .. path)
  within(("error in move for path: '%s'"):format(path), add, container, token, value)
end

function operations.copy(document, op)
  local from = text_of(op, "from", "copy operation failed to decode from: operation, missing from field: missing value")
  local container, token = found(document, from, "copy operation does not apply: doc is missing from path: " .. from)
  local value = within(("error in copy for from: '%s'"):format(from), get, container, token)
  local path = text_of(op, "path", "copy operation failed to decode path: missing value")
  container, token = found(document, path, "copy operation does not apply: doc is missing destination path: " .. path)
  within("error while adding value during copy", add, container, token, value == nil and null or output.copy(value))
end

local GO_KIND <const> = { string = "string", number = "number", boolean = "bool", table = "object" }

local function check_form(patch, of)
  if type(patch) == "table" then return end
  fail("json: cannot unmarshal %s into Go value of type jsonpatch.%s", GO_KIND[type(patch)] or "null", of)
end

---Why the patch does not apply to the object; nil when it does.
---@param object table
---@param patch any
---@return string?
return function(object, patch)
  local err = errors.try(function()
    check_form(patch, "Patch")
    if not is_list(patch) then fail "json: cannot unmarshal object into Go value of type jsonpatch.Patch" end
    local document = output.copy(object)
    for _, op in ipairs(patch) do check_form(op, "Operation") end
    for _, op in ipairs(patch) do
      local kind = type(op.op) == "string" and op.op or "unknown"
      if not operations[kind] then fail("Unexpected kind: %s", kind) end
      operations[kind](document, op, op.value == nil and null or op.value)
    end
  end)
  return err and err.message
end
