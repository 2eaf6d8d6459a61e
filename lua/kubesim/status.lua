--- Refusals: Kubernetes' Status as a Lua error, with the words that kubectl prints for it.
---
--- k8s.io/kubectl/pkg/cmd/util/helpers.go: checkErr, StandardErrorMessage.
local core <const> = require "kubesim.core"

---@class kubesim.Status
---@field code? integer            HTTP status, e.g. 409; nil for what kubectl itself refuses
---@field reason? string           e.g. "AlreadyExists"
---@field message string
---@field details? table           name, group, kind, causes = list of {field, message, reason}
---@field warnings? string[]       what the server warned of before it refused
---@field text? string             what kubectl prints, when it is not made from the rest
local Status = {}

---The text of several errors (MultilineError).
local function multiline(prefix, list)
  if #list == 1 then return prefix .. list[1] end
  return prefix .. "\n* " .. table.concat(list, "\n* ")
end

local function invalid(status)
  local details = status.details
  local text = "The request is invalid"
  if not details then return status.message ~= "" and text .. ": " .. status.message or text end
  if details.kind or details.name then
    text = ("The %s %q is invalid"):format(details.kind or "", details.name or "")
  elseif status.message ~= "" and not details.causes then
    text = text .. ": " .. status.message
  end
  if not details.causes or #details.causes == 0 then return text end
  local list, seen = {}, {}
  for _, cause in ipairs(details.causes) do
    local line = ("%s: %s"):format(cause.field, cause.message)
    if not seen[line] then list[#list + 1] = line end
    seen[line] = true
  end
  return multiline(text .. ": ", list)
end

---What kubectl prints on standard error, without the line end.
---@param status kubesim.Status
---@return string
function Status.text_of(status)
  if rawget(status, "text") then return status.text end
  local message = status.message or ""
  if status.reason == "Invalid" then return invalid(status) end
  local place = Status.place(status)
  if place then
    return ("error: error parsing the manifest: document %d, line %d, column %d: %s"):format(place.document, place.line,
      place.column, message)
  end
  if message:find("^no matches for kind") then
    local details = status.details or {}
    local cause = details.causes and details.causes[1]
    return ('error: resource mapping not found for name: "%s" namespace: "%s": %s\nensure CRDs are installed first'):format(
      details.name or "", cause and cause.message or "", message)
  end
  if not status.code then return "error: " .. message end
  if (status.reason or "") == "" then return "Error from server: " .. message end
  return ("Error from server (%s): %s"):format(status.reason, message)
end

---Where a text could not be read: {document, line, column}; nil for other refusals.
---@param status kubesim.Status
---@return table?
function Status.place(status)
  local details = status.details
  return details and details.kind == "manifest" and details.causes and details.causes[1] or nil
end

---A refusal that kubectl words itself ("error: ...").
---@param text string
---@return kubesim.Status
function Status.client(text) return setmetatable({ message = text:gsub("^error: ", ""), text = text }, core.Status) end

---A refusal from its fields.
---@param fields table
---@return kubesim.Status
function Status.new(fields) return setmetatable(fields, core.Status) end

---@param err any
---@return boolean
function Status.is(err) return type(err) == "table" and getmetatable(err) == core.Status end

---What a call of the core came to, as pcall has it: what the server warned of is told, also where it refused; then the answer, or the
---refusal is raised.
---@param tell fun(warnings: string[]?)
---@param fine boolean
---@param result any
---@param warnings string[]?
---@return any result
function Status.answer(tell, fine, result, warnings)
  if fine then
    tell(warnings)
    return result
  end
  if Status.is(result) then tell(rawget(result, "warnings")) end
  error(result, 0)
end

core.Status.__tostring = Status.text_of

return Status
