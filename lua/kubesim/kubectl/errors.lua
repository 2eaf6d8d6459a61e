--- kubectl's errors: plain ones, the server's Status, several at once; and the words in which each ends up on standard error.
---
--- All are kubesim.Status, so that what kubectl raises is what every other call raises. A plain error has only a message; an aggregate
--- has `errors`. k8s.io/kubectl/pkg/cmd/util/helpers.go: checkErr, StandardErrorMessage, MultipleErrors, AddSourceToErr.
local Status <const> = require "kubesim.status"

---@class kubesim.kubectl.errors
local errors = {}

local ESCAPES <const> = { ["\a"] = "\\a", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\v"] = "\\v",
  ['"'] = '\\"', ["\\"] = "\\\\" }

---Go's %q of a text.
---@param text string
---@return string
function errors.quote(text)
  return '"' .. text:gsub('[%c"\\\x7f]', function(c) return ESCAPES[c] or ("\\x%02x"):format(c:byte()) end) .. '"'
end

---A plain error: what fmt.Errorf makes. `%q` is not Go's: quote texts with errors.quote.
---@param message string
---@param ... any  arguments of the message
---@return kubesim.Status
function errors.plain(message, ...)
  if select("#", ...) > 0 then message = message:format(...) end
  return Status.new { message = message, plain = true }
end

---Raises a plain error.
---@param message string
---@param ... any
function errors.fail(message, ...) error(errors.plain(message, ...), 0) end

---Raises unless `value`.
---@generic T
---@param value T
---@param message string
---@param ... any
---@return T
function errors.check(value, message, ...)
  if not value then errors.fail(message, ...) end
  return value
end

---Several errors as one; nil of none, the error itself of one.
---@param list kubesim.Status[]
---@return kubesim.Status?
function errors.join(list)
  local flat = {}
  for _, err in ipairs(list) do
    for _, one in ipairs(rawget(err, "errors") or { err }) do flat[#flat + 1] = one end
  end
  if #flat <= 1 then return flat[1] end
  return Status.new { errors = flat, message = flat[1].message }
end

---Whether an error is the server's, for a reason.
---@param err any
---@param reason string
---@return boolean
function errors.is(err, reason) return Status.is(err) and err.code ~= nil and err.reason == reason end

---NotFound errors taken out of one or several.
---@param err kubesim.Status?
---@return kubesim.Status?
function errors.without_not_found(err)
  if not err then return nil end
  local rest = {}
  for _, one in ipairs(rawget(err, "errors") or { err }) do
    if not errors.is(one, "NotFound") then rest[#rest + 1] = one end
  end
  return errors.join(rest)
end

---The error with what was being done, to the source that the object came from (AddSourceToErr).
---@param verb string
---@param source string?
---@param err kubesim.Status
---@return kubesim.Status
function errors.from_source(verb, source, err)
  if not source then return err end
  return errors.prefixed(("error when %s %s: "):format(verb, errors.quote(source)), err)
end

---A copy of the error with a prefix before its message.
---@param prefix string
---@param err kubesim.Status
---@return kubesim.Status
function errors.prefixed(prefix, err)
  local copy = {}
  for key, value in pairs(err) do copy[key] = value end
  copy.message = prefix .. (err.message or "")
  return Status.new(copy)
end

---StandardErrorMessage.
local function standard(err)
  if not err.code then return nil end
  if (err.reason or "") == "" then return "Error from server: " .. err.message end
  if err.reason == "Unauthorized" then return ("error: You must be logged in to the server (%s)"):format(err.message) end
  return ("Error from server (%s): %s"):format(err.reason, err.message)
end

---What stands on standard error when a command ends with this error (checkErr), without the last line end.
---@param err kubesim.Status
---@return string
function errors.text(err)
  if rawget(err, "silent") then return "" end
  if rawget(err, "text") then return (err.text:gsub("\n$", "")) end
  local list = rawget(err, "errors")
  if list then
    local lines = {}
    for i, one in ipairs(list) do lines[i] = standard(one) or one.message end
    return table.concat(lines, "\n")
  end
  if err.code and err.reason == "Invalid" then return (Status.text_of(err):gsub("\n$", "")) end
  local text = standard(err) or (err.message:find "^error: " and err.message) or "error: " .. err.message
  return (text:gsub("\n$", ""))
end

---An error of words that go to standard error as they are.
---@param text string
---@param exit? integer
---@return kubesim.Status
function errors.verbatim(text, exit) return Status.new { message = text, text = text, exit = exit or 1 } end

---Raises an error that stands without "error: " on standard error.
---@param message string
---@param ... any
function errors.fail_bare(message, ...) error(errors.verbatim(message:format(...)), 0) end

---Ends a command with exit status `exit` and nothing more on standard error.
---@param exit? integer
---@return kubesim.Status
function errors.silent(exit) return Status.new { message = "exit status " .. (exit or 1), silent = true, exit = exit or 1 } end

local function outcome(ok, ...)
  if ok then return nil, ... end
  local err = ...
  if not Status.is(err) then error(err, 0) end
  return err
end

---Runs `fn`; a refusal comes back as the error, anything else that is raised goes on.
---@param fn function
---@param ... any
---@return kubesim.Status? err
---@return any ... what fn returned
function errors.try(fn, ...) return outcome(pcall(fn, ...)) end

errors.is_status = Status.is

return errors
