--- Following one object through virtual time, version by version, as kubectl's watches do. Called by `rollout status`, `wait` and `logs`.
---
--- client-go/tools/watch/until.go (UntilWithSync).
local errors <const> = require "kubesim.kubectl.errors"

---@class kubesim.kubectl.following
local following = {}

--- How long virtual time may pass for a command that would wait for ever.
following.WEEK = 7 * 24 * 3600 * 1000000000

---@class kubesim.kubectl.UnwatchOnClose
local Unwatch = {}
Unwatch.__close = function(watch) watch.core:unwatch(watch.id) end

---The instant so many ns from now.
---@param core userdata
---@param ns integer
---@return integer
function following.deadline(core, ns)
  local now = core:instant()
  return now > math.maxinteger - 1 - ns and math.maxinteger - 1 or now + ns
end

---Calls `fn` with what the object is now and with each later version, until it returns true. "ADDED" first, then "MODIFIED", "DELETED"
---or "ADDED" again.
---@param ctx kubesim.kubectl.Context
---@param info kubesim.kubectl.Info
---@param ends integer? the instant at which to give up; nil: when nothing more is due, or after a week
---@param fn fun(type: string, object: table): boolean?
---@return boolean done
function following.follow(ctx, info, ends, fn)
  local core, done = ctx.core, false
  local namespace = info.mapping.namespaced and info.namespace or nil
  local id = core:watch(function(type, object) done = done or fn(type, object) end, info.mapping.kind, namespace, nil,
    "metadata.name=" .. info.name)
  local watch <close> = setmetatable({ core = core, id = id }, Unwatch) -- luacheck: ignore
  local object = info:look(ctx)
  if object then done = fn("ADDED", object) end
  if ends then
    while not done do
      if not core:run_to_change(ends) and not done then return false end
    end
    return true
  end
  local last = following.deadline(core, following.WEEK)
  while not done do -- step by step: where nothing is due, the clock stays
    local due = core:due()
    if not due or due > last then return false end
    core:step()
  end
  return true
end

---Raises what is said of a command that waits for what will not come, where kubectl would hang.
---@param ctx kubesim.kubectl.Context
---@param what string
function following.hung(ctx, what)
  local due = ctx.core:due()
  local why = due and "a week has passed" or "nothing more will happen by itself"
  error(errors.verbatim(("%s would wait for ever: %s, and %s"):format(ctx.path, why, what)), 0)
end

return following
