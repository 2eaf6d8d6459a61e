--- The keys and values of ConfigMaps and Secrets: --from-literal, --from-file, --from-env-file.
--- k8s.io/kubectl/pkg/util/util.go, pkg/cmd/util/env_file.go, pkg/cmd/create/create_configmap.go.
local errors <const> = require "kubesim.kubectl.errors"
local names <const> = require "kubesim.kubectl.names"

---@class kubesim.kubectl.sources
local sources = {}

sources.flags = { { "from-file", false, "slice" }, { "from-literal", false, "array" }, { "from-env-file", false, "slice" },
  { "append-hash", false, "bool", false } }

---The text of a file, nil of a folder; raises `error reading ...`.
---@param path string
---@return string?
local function text_of(path)
  local file = io.open(path, "rb")
  local text = file and file:read "a"
  if file then file:close() end
  if not file then errors.fail("error reading %s: no such file or directory", path) end
  return text
end

---The text of a file; raises `error reading ...`.
---@param path string
---@return string
function sources.read(path)
  return text_of(path) or error(errors.verbatim("not supported: a directory as a source: " .. path), 0)
end

local function from_literal(text, add)
  local key, value = text:match "^([^=]+)=(.*)$"
  if not key then errors.fail("invalid literal source %s, expected key=value", text) end
  add(key, value)
end

local function from_file(text, add)
  local _, count = text:gsub("=", "")
  local key, path = text:match "[^/]*$", text
  if count == 1 then
    key, path = text:match "^([^=]*)=([^=]*)$"
    if key == "" then errors.fail("key name for file path %s missing", path) end
    if path == "" then errors.fail("file path for key name %s missing", key) end
  elseif count > 1 then
    errors.fail "key names or file paths cannot contain '='"
  end
  local content = text_of(path)
  if content then return add(key, content) end
  if count == 1 then errors.fail "cannot give a key name for a directory path" end
  for _, file in ipairs(require "kubesim.kubectl.paths".files_of(path)) do add(file.name, sources.read(file.path)) end
end

local function from_env_file(path, add)
  local number = 0
  for line in sources.read(path):gsub("\n$", ""):gmatch "([^\n]*)\n?" do
    line = line:gsub("\r$", "")
    number = number + 1
    if not utf8.len(line) then errors.fail("env file %s contains invalid utf8 bytes at line %d", path, number) end
    if number == 1 then line = line:gsub("^\xEF\xBB\xBF", "") end
    line = line:match "^%s*(.*)$"
    if line ~= "" and line:sub(1, 1) ~= "#" then
      local key, value = line:match "^([^=]*)=?(.*)$"
      local why = names.env(key)
      if #why > 0 then errors.fail("%s is not a valid key name: %s", errors.quote(key), table.concat(why, ";")) end
      if not line:find("=", 1, true) then value = os.getenv(key) or "" end
      add(key, value)
    end
  end
end

---Calls `add` with each key and its bytes, in the order in which kubectl takes its sources.
---@param ctx kubesim.kubectl.Context
---@param kind "ConfigMap"|"Secret"
---@param name string
---@param add fun(key: string, value: string)
function sources.each(ctx, kind, name, add)
  local f, seen = ctx.flags, {}
  local function checked(key, value)
    local why = names.config_key(key)
    if #why > 0 then
      errors.fail("%s is not a valid key name for a %s: %s", errors.quote(key), kind, table.concat(why, ","))
    end
    if seen[key] and kind == "Secret" then errors.fail("cannot add key %s, another key by that name already exists", key) end
    if seen[key] then
      errors.fail("cannot add key %s, another key by that name already exists in Data for ConfigMap %s", errors.quote(key),
        errors.quote(name))
    end
    seen[key] = true
    add(key, value)
  end
  local lists = { { f["from-file"], from_file }, { f["from-literal"] or {}, from_literal }, { f["from-env-file"] or {}, from_env_file } }
  if kind == "Secret" then lists[1], lists[2] = lists[2], lists[1] end
  for _, list in ipairs(lists) do
    for _, text in ipairs(list[1]) do list[2](text, checked) end
  end
end

---Refuses what goes wrong together.
---@param ctx kubesim.kubectl.Context
---@param name string
function sources.validate(ctx, name)
  ctx:refuse_flag "append-hash"
  local f = ctx.flags
  if name == "" then errors.fail "name must be specified" end
  if #f["from-env-file"] > 0 and (#f["from-file"] > 0 or #f["from-literal"] > 0) then
    errors.fail "from-env-file cannot be combined with from-file or from-literal"
  end
end

local DIGITS <const> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

---Base 64.
---@param bytes string
---@return string
function sources.base64(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local bits = a << 16 | (b or 0) << 8 | (c or 0)
    local group = {}
    for k = 0, 3 do
      local digit = bits >> (18 - 6 * k) & 63
      group[k + 1] = DIGITS:sub(digit + 1, digit + 1)
    end
    if not b then group[3] = "=" end
    if not c then group[4] = "=" end
    out[#out + 1] = table.concat(group)
  end
  return table.concat(out)
end

return sources
