--- kubectl cordon. k8s.io/kubectl/pkg/cmd/drain/drain.go.
local nodes <const> = require "kubesim.kubectl.nodes"

return {
  use = "cordon NODE",
  flags = nodes.flags,
  run = function(ctx, args)
    local infos, dry_run = nodes.find(ctx, args)
    nodes.mark(ctx, infos, true, dry_run)
  end,
}
