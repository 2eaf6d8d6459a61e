--- kubectl rollout restart, pause and resume: one small patch each.
---
--- k8s.io/kubectl/pkg/cmd/rollout/rollout_{restart,pause,resume}.go, pkg/polymorphichelpers/object{restarter,pauser,resumer}.go.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local values <const> = require "kubesim.kubectl.values"
local writes <const> = require "kubesim.kubectl.writes"

local at <const> = values.at
local RESTARTED <const> = "kubectl.kubernetes.io/restartedAt"

---Each returns a patch, or nil and what is wrong with the object.
local CHANGES <const> = {}

function CHANGES.restarted(ctx, info)
  local kind, object = info.mapping.kind, info.object
  if kind ~= "Deployment" and kind ~= "StatefulSet" then return nil, "restarting is not supported" end
  if kind == "Deployment" and at(object, "spec", "paused") == true then
    return nil, "can't restart paused deployment (run rollout resume first)"
  end
  local now = ctx.core:clock():gsub("%.%d+", "")
  if at(object, "spec", "template", "metadata", "annotations", RESTARTED) == now then return {} end
  return { spec = { template = { metadata = { annotations = { [RESTARTED] = now } } } } }
end

function CHANGES.paused(_, info)
  if info.mapping.kind ~= "Deployment" then return nil, "pausing is not supported" end
  if at(info.object, "spec", "paused") == true then return nil, "is already paused" end
  return { spec = { paused = true } }
end

function CHANGES.resumed(_, info)
  if info.mapping.kind ~= "Deployment" then return nil, "resuming is not supported" end
  if at(info.object, "spec", "paused") ~= true then return nil, "is not paused" end
  return { spec = { paused = core.null } }
end

local function change(ctx, info, operation)
  local mapping = info.mapping
  local patch, why = CHANGES[operation](ctx, info)
  if not patch then
    local resource = mapping.group == "" and mapping.plural or mapping.plural .. "." .. mapping.group
    errors.fail("error: %s %s %s", resource, errors.quote(info.name), why)
  end
  if next(patch) == nil then
    errors.fail("failed to create patch for %s: if restart has already been triggered within the past second, please wait before "
      .. "attempting to trigger another", info.name)
  end
  local refused, object = errors.try(writes.patch, ctx, info, core.encode(patch, "json"), { manager = ctx.flags["field-manager"] })
  if refused then errors.fail("failed to patch: %s", refused.message) end
  output.printer(ctx, operation)(object)
end

---@param operation "restarted"|"paused"|"resumed"
---@return table command
return function(operation)
  return {
    flags = { flags.filename, flags.selector, flags.output, { "field-manager", false, "string", "kubectl-rollout" } },
    run = function(ctx, args)
      local files = options.files(ctx)
      if #args == 0 and #files == 0 then errors.fail "required resource not specified" end
      local found = resources.find(ctx, { args = args, allow_empty_selector = true, files = files, labels = ctx.flags.selector,
        continue_on_error = true, latest = true })
      local infos, err = found:infos()
      if #infos == 0 and not err then return ctx:err(("No resources found in %s namespace.\n"):format(ctx.namespace)) end
      local list = { err }
      for _, info in ipairs(infos) do list[#list + 1] = errors.try(change, ctx, info, operation) end
      err = errors.join(list)
      if err then error(err, 0) end
    end,
  }
end
