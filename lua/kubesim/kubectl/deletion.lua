--- Deleting what was found, for `kubectl delete` and `kubectl replace --force`: says what is deleted, and lets time pass until it
--- is gone. k8s.io/kubectl/pkg/cmd/delete/delete.go: DeleteResult; pkg/cmd/wait/delete.go.
local errors <const> = require "kubesim.kubectl.errors"
local resources <const> = require "kubesim.kubectl.resources"
local writes <const> = require "kubesim.kubectl.writes"

---@class kubesim.kubectl.deletion
local deletion = {}

deletion.flags = {
  { "cascade", false, "string", "background", "background" }, { "force", false, "bool", false },
  { "grace-period", false, "int", -1 }, { "timeout", false, "duration", 0 },
}

local WEEK <const> = 7 * 24 * 3600 * 1000000000

local function say(ctx, info, o)
  if o.output == "name" then return ctx:out(info:full_name() .. "\n") end
  local operation = o.grace == 0 and "force deleted" or "deleted"
  if info.mapping.namespaced then operation = operation .. " from " .. info.namespace .. " namespace" end
  if o.dry_run == "client" then operation = operation .. " (dry run)" end
  if o.dry_run == "server" then operation = operation .. " (server dry run)" end
  ctx:outf("%s \"%s\" %s\n", resources.kind_name(info.mapping), info.name, operation)
end

---Lets time pass until the object of this uid is gone, at most until the instant.
---@param ctx kubesim.kubectl.Context
---@param info kubesim.kubectl.Info
---@param uid string?
---@param ends integer
---@return boolean
function deletion.wait(ctx, info, uid, ends)
  while true do
    local object = info:look(ctx, true)
    if not object or uid and object.metadata.uid ~= uid then return true end
    if not ctx.core:wait("deleted", info.mapping.kind, info.namespace, info.name, ends) then return false end
  end
end

---The instant so many ns from now.
---@param ctx kubesim.kubectl.Context
---@param ns integer
---@return integer
function deletion.deadline(ctx, ns)
  local now = ctx.core:instant()
  return now > math.maxinteger - 1 - ns and math.maxinteger - 1 or now + ns
end

local function wait_all(ctx, deleted, timeout)
  local ends = deletion.deadline(ctx, timeout == 0 and WEEK or timeout)
  local late = {}
  for _, d in ipairs(deleted) do
    if not deletion.wait(ctx, d.info, d.uid, ends) then
      late[#late + 1] = errors.plain("timed out waiting for the condition on %s", d.info:object_name())
    end
  end
  local err = errors.join(late)
  if err then error(err, 0) end
end

---Deletes all that was found. Options: grace, cascade, dry_run, output, wait, timeout (ns), warn_cluster_scope.
---@param ctx kubesim.kubectl.Context
---@param found kubesim.kubectl.Result
---@param o table
function deletion.run(ctx, found, o)
  local deleted, count, warn = {}, 0, o.warn_cluster_scope
  local err = found:visit(function(info)
    count = count + 1
    if warn and not info.mapping.namespaced then
      ctx:warn "deleting cluster-scoped resources, not scoped to the provided namespace"
      warn = false
    end
    if o.dry_run == "client" then return say(ctx, info, o) end
    local uid = (info:look(ctx, true) or { metadata = {} }).metadata.uid
    local refused = errors.try(writes.delete, ctx, info, o)
    if refused then error(errors.from_source("deleting", info.source, refused), 0) end
    say(ctx, info, o)
    deleted[#deleted + 1] = { info = info, uid = uid }
  end)
  if err then error(err, 0) end
  if count == 0 then return ctx:out "No resources found\n" end
  if o.wait and o.dry_run == "none" then wait_all(ctx, deleted, o.timeout) end
end

return deletion
