--- What `kubectl cordon`, `uncordon` and `drain` have in common: finding the nodes and marking them.
--- k8s.io/kubectl/pkg/cmd/drain/drain.go: Complete, RunCordonOrUncordon; pkg/drain/cordon.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local writes <const> = require "kubesim.kubectl.writes"

---@class kubesim.kubectl.nodes
local nodes = {}

nodes.flags = { flags.selector, flags.dry_run }

---The nodes that are meant.
---@param ctx kubesim.kubectl.Context
---@param args string[]
---@return kubesim.kubectl.Info[]
---@return string dry_run
function nodes.find(ctx, args)
  if #args == 0 and not ctx.changed.selector then ctx:usage_error("USAGE: %s [flags]", ctx.command.use) end
  if #args > 0 and ctx.flags.selector ~= "" then
    ctx:usage_error "error: cannot specify both a node name and a --selector option"
  end
  local dry_run = options.dry_run(ctx)
  if (ctx.flags["pod-selector"] or "") ~= "" and not require "kubesim.core".selector(ctx.flags["pod-selector"]) then
    errors.fail "--pod-selector=<pod_selector> must be a valid label selector"
  end
  local opts = { names = args, default_kind = "nodes", single_type = true, labels = ctx.flags.selector }
  if ctx.flags.selector ~= "" then opts.args = { "nodes" } end
  local infos = resources.find(ctx, opts):all()
  for _, info in ipairs(infos) do
    if info.mapping.kind ~= "Node" then
      errors.fail("error: expected resource of type node, got %s", errors.quote(resources.gvr(info.mapping)))
    end
  end
  return infos, dry_run
end

---A printer of "node/x cordoned"; these commands have no -o.
---@param ctx kubesim.kubectl.Context
---@param dry_run string
---@return fun(object: table, operation: string)
function nodes.printer(ctx, dry_run)
  local suffix = dry_run == "client" and " (dry run)" or dry_run == "server" and " (server dry run)" or ""
  return function(object, operation) ctx:out(output.name_of(object) .. " " .. operation .. suffix .. "\n") end
end

---Marks nodes (un)schedulable; what is refused is said and the next one's turn comes.
---@param ctx kubesim.kubectl.Context
---@param infos kubesim.kubectl.Info[]
---@param desired boolean
---@param dry_run string
function nodes.mark(ctx, infos, desired, dry_run)
  local print, word = nodes.printer(ctx, dry_run), desired and "cordoned" or "uncordoned"
  for _, info in ipairs(infos) do
    local err
    if (info.object.spec.unschedulable or false) == desired then
      print(info.object, "already " .. word)
    else
      if dry_run ~= "client" then
        local patch = { spec = { unschedulable = desired or require "kubesim.core".null } }
        err = errors.try(writes.patch, ctx, info, patch, { dry_run = dry_run, manager = "kubectl" })
      end
      if err then
        ctx:err(("error: unable to %s node %s: %s\n"):format(desired and "cordon" or "uncordon", errors.quote(info.name), err.message))
      else
        print(info.object, word)
      end
    end
  end
end

return nodes
