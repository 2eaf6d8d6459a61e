--- kubectl wait: lets virtual time pass until conditions hold.
---
--- k8s.io/kubectl/pkg/cmd/wait/{wait,condition,delete,json,create}.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local following <const> = require "kubesim.kubectl.following"
local gotext <const> = require "kubesim.kubectl.gotext"
local jsonpath <const> = require "kubesim.kubectl.jsonpath"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local values <const> = require "kubesim.kubectl.values"

local at <const>, list <const>, present <const> = values.at, values.list, values.present
local TIMED_OUT <const> = "timed out waiting for the condition"

-- What is waited for -----------------------------------------------------------------------------------------------------------

---A condition of the status; one that was observed of an older generation does not count.
local function condition(name, wanted)
  name, wanted = name:lower(), wanted:lower()
  return function(object)
    for _, c in ipairs(list(at(object, "status", "conditions"))) do
      if type(c.type) == "string" and c.type:lower() == name and type(c.status) == "string" then
        local generation = at(object, "metadata", "generation")
        local observed = present(c.observedGeneration) or at(object, "status", "observedGeneration")
        if generation and observed and observed < generation then return false end
        return c.status:lower() == wanted
      end
    end
    return false
  end
end

---Splits at single equal signs; doubled ones stay.
local function split_path(input)
  local parts, part, i = {}, {}, 1
  while i <= #input do
    local c = input:sub(i, i)
    if c ~= "=" then
      part[#part + 1] = c
    elseif input:sub(i + 1, i + 1) == "=" then
      part[#part + 1] = "=="
      i = i + 1
    else
      parts[#parts + 1], part = table.concat(part), {}
    end
    i = i + 1
  end
  parts[#parts + 1] = table.concat(part)
  return parts
end

---RelaxedJSONPathExpression: braces and the first dot may be left out.
local function relaxed(path)
  if path == "" then return path end
  local inner = path:match "^{%.?([^{}]+)}$" or path:match "^%.?([^{}]+)$"
  if not inner then
    errors.fail("unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'")
  end
  return "{." .. inner .. "}"
end

local function path_value(input)
  local parts = split_path(input)
  if #parts > 2 then
    errors.fail("jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or --for=jsonpath='{.status.readyReplicas}'")
  end
  local path = relaxed(parts[1])
  local value = parts[2] and parts[2]:gsub("^['\"]+", ""):gsub("['\"]+$", "")
  if value == "" then
    errors.fail "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3"
  end
  if path == "" then errors.fail "jsonpath expression cannot be empty" end
  local template, why = jsonpath.parse(path, { allow_missing = true })
  if not template then errors.fail(why) end
  return template, value
end

local function trimmed(text) return text:match "^%s*(.-)%s*$" end

---A value in the object: there is one, or it is as wanted.
local function json_path(input)
  local template, wanted = path_value(input)
  return function(object)
    local found, why = template:find(object)
    if not found then errors.fail(why) end
    if #found == 0 or #found[1] == 0 then return false end
    if #found > 1 then errors.fail "given jsonpath expression matches more than one list" end
    if #found[1] > 1 then errors.fail "given jsonpath expression matches more than one value" end
    if not wanted then return true end
    local value = found[1][1]
    if type(value) == "table" then errors.fail "jsonpath leads to a nested object or list which is not supported" end
    return trimmed(gotext.plain(value)) == trimmed(wanted)
  end
end

-- Waiting ------------------------------------------------------------------------------------------------------------------------

local function late(info) errors.fail("%s on %s/%s", TIMED_OUT, info.mapping.plural, info.name) end
local function unmet(info) errors.fail("condition not met for %s", info:object_name()) end

---Each waiter is called with the context, the info and the end (nil: look once); it returns the object to be told of.

local function wait_for(check)
  return function(ctx, info, ends)
    if not ends then
      local object = info:get(ctx)
      if not check(object) then unmet(info) end
      return object
    end
    local last = info:get(ctx)
    local met = following.follow(ctx, info, ends, function(type, object)
      if type == "DELETED" then return false end
      last = object
      return check(object)
    end)
    if not met then late(info) end
    return last
  end
end

local function deleted(ctx, info, ends)
  local object = info:look(ctx)
  if not object then return info.object end
  if not ends then unmet(info) end
  if not following.follow(ctx, info, ends, function(type) return type == "DELETED" end) then late(info) end
  return object
end

local function created(_, info) return info.object end

local function waiter_of(condition_text)
  local lower = condition_text:lower()
  if lower == "delete" then return deleted end
  if lower == "create" then return created end
  local rest = condition_text:match "^condition=(.*)$"
  if rest then
    local name, value = rest:match "^([^=]*)=(.*)$"
    return wait_for(condition(name or rest, value or "true"))
  end
  rest = condition_text:match "^jsonpath=(.*)$"
  if rest then return wait_for(json_path(rest)) end
  errors.fail("unrecognized condition: %s", errors.quote(condition_text))
end

local function has(conditions, word)
  for _, text in ipairs(conditions) do
    if text:lower() == word then return true end
  end
  return false
end

---Lets time pass until something is found.
local function await_creation(ctx, find, ends)
  while true do
    local any = false
    local err = errors.try(function()
      local refused = find():visit(function() any = true end)
      if refused then error(refused, 0) end
    end)
    if err and not errors.is(err, "NotFound") then error(err, 0) end
    if not err and any then return end
    if not ends or not ctx.core:run_to_change(ends) then errors.fail(TIMED_OUT) end
  end
end

return {
  flags = {
    flags.filename, flags.selector, flags.field_selector, flags.all_namespaces, flags.output, { "all", false, "bool", false },
    { "local", false, "bool", false }, { "timeout", false, "duration", 30 * 1000000000 }, { "for", false, "array" },
  },
  run = function(ctx, args)
    ctx:refuse_flag "local"
    local f, conditions = ctx.flags, ctx.flags["for"]
    local print = output.printer(ctx, "condition met")
    local waiters = {}
    for i, text in ipairs(conditions) do waiters[i] = waiter_of(text) end
    if #waiters == 0 then errors.fail "unrecognized condition: []" end
    local timeout = f.timeout < 0 and following.WEEK or f.timeout
    local ends = timeout > 0 and following.deadline(ctx.core, timeout) or nil
    local for_delete = has(conditions, "delete")
    local function find()
      return resources.find(ctx, { args = args, allow_empty_selector = f.all, files = options.files(ctx), labels = f.selector,
        fields = f["field-selector"], all_namespaces = f["all-namespaces"], continue_on_error = true, latest = true,
        ignore_not_found = for_delete })
    end
    if has(conditions, "create") then await_creation(ctx, find, ends) end
    local count = 0
    local err = find():visit(function(info)
      count = count + 1
      for _, waiter in ipairs(waiters) do print(waiter(ctx, info, ends)) end
    end)
    if err then error(err, 0) end
    if count == 0 and not for_delete then errors.fail "no matching resources found" end
  end,
}
