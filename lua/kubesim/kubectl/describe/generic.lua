--- describe of kinds that have no description of their own: every field of the object. Called by describe/init.lua.
---
--- kubectl/pkg/describe/describe.go (genericDescriber, printUnstructuredContent, smartLabelFor).
local blocks <const> = require "kubesim.kubectl.describe.blocks"
local values <const> = require "kubesim.kubectl.values"

local present <const> = values.present

local ACRONYMS <const> = { API = true, URL = true, UID = true, GUID = true }
local SHOWN_ALREADY <const> = {
  [".metadata.managedFields"] = true, [".metadata.name"] = true, [".metadata.namespace"] = true, [".metadata.labels"] = true,
  [".metadata.annotations"] = true,
}

---The words of a camel-case name; a run of capitals keeps its last one for the word that follows.
local function words_of(field)
  local runs, last = {}, nil
  for char in field:gmatch "." do
    local class = char:find "%l" and "lower" or char:find "%u" and "upper" or "other"
    if class == last then runs[#runs] = runs[#runs] .. char else runs[#runs + 1] = char end
    last = class
  end
  for i = 1, #runs - 1 do
    if runs[i]:find "^%u" and runs[i + 1]:find "^%l" then
      runs[i + 1] = runs[i]:sub(-1) .. runs[i + 1]
      runs[i] = runs[i]:sub(1, -2)
    end
  end
  local words = {}
  for _, run in ipairs(runs) do
    if run ~= "" then words[#words + 1] = run end
  end
  return words
end

---Joins what belongs together: several capitals and a word that starts with one ("CID", "Rs").
local function merged(words)
  local result, i = {}, 1
  while i <= #words do
    local word, following = words[i], words[i + 1]
    if following and #word >= 2 and not word:find "%l" and following:find "^%u" then
      result[#result + 1] = word .. following
      i = i + 2
    else
      result[#result + 1] = word
      i = i + 1
    end
  end
  return result
end

---A field's name as a title.
---@param field string
---@return string
local function title(field)
  if field:find "[^%a%-]" then return field end
  local result = {}
  for i, word in ipairs(merged(words_of(field))) do
    if ACRONYMS[word:upper()] then
      word = word:upper()
    elseif word:lower() == word then
      word = word:gsub("^%l", string.upper)
    end
    result[i] = word
  end
  return table.concat(result, " ")
end

local function scalar(v)
  if present(v) == nil then return "<nil>" end
  return tostring(v)
end

local content

local function field_lines(w, level, field, value, path)
  if type(value) ~= "table" then
    w:write(level, "%s:\t%s\n", title(field), scalar(value))
    return
  end
  w:write(level, "%s:\n", title(field))
  if value[1] == nil then return content(w, level + 1, value, path) end
  for _, item in ipairs(value) do
    if type(item) == "table" then content(w, level + 1, item, path) else w:write(level + 1, "%s\n", scalar(item)) end
  end
end

function content(w, level, object, path)
  for _, field in ipairs(values.sorted_keys(object)) do
    local here = path .. "." .. field
    if not SHOWN_ALREADY[here] then field_lines(w, level, field, object[field], here) end
  end
end

---@param w kubesim.describe.Writer
---@param object table
---@param cx kubesim.describe.Context
return function(w, object, cx)
  w:write(0, "Name:\t%s\n", object.metadata.name)
  w:write(0, "Namespace:\t%s\n", present(object.metadata.namespace) or "")
  blocks.metadata(w, object)
  content(w, 0, object, "")
  blocks.events(w, cx:events(object), cx.now)
end
