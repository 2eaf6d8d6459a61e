--- The KEY=VALUE and KEY- words of `kubectl label`, `annotate` and `set env`.
--- k8s.io/kubectl/pkg/cmd/util/helpers.go: GetResourcesAndPairs, ParsePairs.
local errors <const> = require "kubesim.kubectl.errors"

---@class kubesim.kubectl.pairs
local pairs_of = {}

---The words before the pairs, and the pairs.
---@param args string[]
---@param what string  "label"
---@return string[] resources
---@return string[] list
function pairs_of.split(args, what)
  local resources, list = {}, {}
  for _, word in ipairs(args) do
    local pair = word:find("=", 2, true) and word:sub(1, 1) ~= "=" or word:find "%-$" and word ~= "-"
    if pair then list[#list + 1] = word
    elseif #list == 0 then resources[#resources + 1] = word
    else errors.fail("all resources must be specified before %s changes: %s", what, word) end
  end
  return resources, list
end

---What is set and what is removed.
---@param list string[]
---@param what string
---@param removable boolean
---@return table<string, string> new
---@return string[] removed
---@return string[] order  the keys that are set, as they came
function pairs_of.parse(list, what, removable)
  local new, removed, order, invalid = {}, {}, {}, {}
  for _, word in ipairs(list) do
    local key, value = word:match "^([^=]+)=(.*)$"
    if key then
      if not new[key] then order[#order + 1] = key end
      new[key] = value
    elseif removable and word:find "%-$" and word ~= "-" then removed[#removed + 1] = word:sub(1, -2)
    else invalid[#invalid + 1] = word end
  end
  if #invalid > 0 then errors.fail("invalid %s format: %s", what, table.concat(invalid, ", ")) end
  return new, removed, order
end

---The labels of "a=b,c=d" (generate.ParseLabels).
---@param text string
---@return table<string, string>
function pairs_of.labels(text)
  local map = {}
  for part in (text .. ","):gmatch "([^,]*)," do
    local key, value = part:match "^([^=]*)=([^=]*)$"
    if not key then errors.fail("unexpected label spec: %s", part) end
    if key == "" then errors.fail "unexpected empty label key" end
    map[key] = value
  end
  return map
end

---The keys of a map, sorted.
---@param map table
---@return string[]
function pairs_of.keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

return pairs_of
