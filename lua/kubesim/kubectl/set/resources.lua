--- kubectl set resources. k8s.io/kubectl/pkg/cmd/set/set_resources.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local quantities <const> = require "kubesim.kubectl.quantities"
local set <const> = require "kubesim.kubectl.set.common"

local function merge(container, field, map)
  if not map then return end
  container.resources = container.resources or {}
  local all = container.resources[field] or {}
  for name, amount in pairs(map) do all[name] = amount end
  container.resources[field] = all
end

return {
  flags = {
    set.flags, flags.record, flags.selector, { "containers", "c", "string", "*" }, { "limits", false, "string", "" },
    { "requests", false, "string", "" },
  },
  run = function(ctx, args)
    local f = ctx.flags
    local infos = set.find(ctx, args)
    if f["local"] and options.dry_run(ctx) == "server" then
      errors.fail "cannot specify --local and --dry-run=server - did you mean --dry-run=client?"
    end
    if f.all and f.selector ~= "" then errors.fail "cannot set --all and --selector at the same time" end
    if f.limits == "" and f.requests == "" then
      errors.fail "you must specify an update to requests or limits (in the form of --requests/--limits)"
    end
    local limits, requests, errs = quantities(f.limits), quantities(f.requests), {}
    set.run(ctx, infos, function(info)
      local containers = set.containers(set.pod_spec(info), f.containers)
      if #containers == 0 then
        errs[#errs + 1] = errors.plain("error: unable to find container named %s", f.containers)
        return false
      end
      for _, container in ipairs(containers) do
        merge(container, "limits", limits)
        merge(container, "requests", requests)
      end
    end, { operation = "resource requirements updated", failed = "failed to patch resources update to pod template", list = errs })
  end,
}
