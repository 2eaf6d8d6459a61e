--- What kubectl itself checks of names, keys and values before it asks the server, in Kubernetes' words.
--- k8s.io/apimachinery/pkg/api/validate/content/{kube,dns,errors}.go, pkg/util/validation/validation.go.

---@class kubesim.kubectl.names
local names = {}

local KEY <const> = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
local LABEL <const> = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
local SUBDOMAIN <const> = LABEL .. "(\\." .. LABEL .. ")*"
local KEY_RULE <const> = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
  .. " (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '" .. KEY .. "')"

local function is_key(text) return text:find "^%w[-%w_.]*$" and text:find "%w$" end
local function is_label(text) return text:find "^[a-z0-9][-a-z0-9]*$" and text:find "[a-z0-9]$" end

local function is_subdomain(text)
  for label in (text .. "."):gmatch "([^.]*)%." do
    if not is_label(label) then return false end
  end
  return true
end

---IsDNS1123Subdomain: what is wrong; an empty list when nothing is.
---@param text string
---@return string[]
function names.subdomain(text)
  local list = {}
  if #text > 253 then list[1] = "must be no more than 253 bytes" end
  if not is_subdomain(text) then
    list[#list + 1] = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
      .. "end with an alphanumeric character (e.g. 'example.com', regex used for validation is '" .. SUBDOMAIN .. "')"
  end
  return list
end

---IsLabelKey (IsQualifiedName).
---@param text string
---@return string[]
function names.key(text)
  local list, name, prefix = {}, text
  local _, slashes = text:gsub("/", "")
  if slashes > 1 then
    return { "a valid label key " .. KEY_RULE .. " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')" }
  elseif slashes == 1 then
    prefix, name = text:match "^(.*)/(.*)$"
    if prefix == "" then list[1] = "prefix part must be non-empty" end
    for _, why in ipairs(prefix == "" and {} or names.subdomain(prefix)) do list[#list + 1] = "prefix part " .. why end
  end
  if name == "" then list[#list + 1] = "name part must be non-empty"
  elseif #name > 63 then list[#list + 1] = "name part must be no more than 63 bytes" end
  if not is_key(name) then list[#list + 1] = "name part " .. KEY_RULE end
  return list
end

---IsLabelValue.
---@param text string
---@return string[]
function names.value(text)
  local list = {}
  if #text > 63 then list[1] = "must be no more than 63 bytes" end
  if text ~= "" and not is_key(text) then
    list[#list + 1] = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
      .. "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(" .. KEY .. ")?')"
  end
  return list
end

---IsEnvVarName.
---@param text string
---@return string[]
function names.env(text)
  local list = {}
  if text == "" or not text:find "^[ -<>-~]+$" then
    list[1] = "a valid environment variable name must consist only of printable ASCII characters other than '='"
      .. " (e.g. 'my-env-var',  or 'MY_ENV.VAR',  or 'MyEnvVar1', regex used for validation is '[ -<>-~]+')"
  end
  return list
end

---IsValidPortName.
---@param text string
---@return string[]
function names.port(text)
  local list = {}
  if #text > 15 then list[#list + 1] = "must be no more than 15 characters" end
  if not text:find "^[-a-z0-9]+$" then
    list[#list + 1] = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
  end
  if not text:find "[a-z]" then list[#list + 1] = "must contain at least one letter (a-z)" end
  if text:find("--", 1, true) then list[#list + 1] = "must not contain consecutive hyphens" end
  if text:find "^%-" or text:find "%-$" then list[#list + 1] = "must not begin or end with a hyphen" end
  return list
end

---IsConfigMapKey.
---@param text string
---@return string[]
function names.config_key(text)
  local list = {}
  if #text > 253 then list[1] = "must be no more than 253 characters" end
  if not text:find "^[-._%w]+$" then
    list[#list + 1] = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
      .. " (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
  end
  if text == "." then list[#list + 1] = "must not be '.'"
  elseif text == ".." then list[#list + 1] = "must not be '..'"
  elseif text:find "^%.%." then list[#list + 1] = "must not start with '..'" end
  return list
end

return names
