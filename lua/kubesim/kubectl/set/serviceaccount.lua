--- kubectl set serviceaccount. k8s.io/kubectl/pkg/cmd/set/set_serviceaccount.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local set <const> = require "kubesim.kubectl.set.common"

return {
  flags = { set.flags, flags.record },
  run = function(ctx, args)
    if ctx.flags["local"] and options.dry_run(ctx) == "server" then
      errors.fail "cannot specify --local and --dry-run=server - did you mean --dry-run=client?"
    end
    if #args == 0 then errors.fail "serviceaccount is required" end
    local words = { table.unpack(args, 1, #args - 1) }
    set.run(ctx, set.find(ctx, ctx.flags["local"] and {} or words), function(info)
      set.pod_spec(info).serviceAccountName = args[#args]
    end, { operation = "serviceaccount updated", failed = "failed to patch ServiceAccountName", even_unchanged = true })
  end,
}
