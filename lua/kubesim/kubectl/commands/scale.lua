--- kubectl scale. k8s.io/kubectl/pkg/cmd/scale/scale.go, pkg/scale/scale.go.
local deletion <const> = require "kubesim.kubectl.deletion"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local writes <const> = require "kubesim.kubectl.writes"
local Status <const> = require "kubesim.status"

local function check_precondition(f, live)
  local function unmet(what, want, is) errors.fail("Expected %s to be %s, was %s", what, want, is) end
  local replicas = live.spec.replicas or 1
  if f["current-replicas"] ~= -1 and replicas ~= f["current-replicas"] then
    unmet("replicas", f["current-replicas"], replicas)
  end
  local version = f["resource-version"]
  if version ~= "" and live.metadata.resourceVersion ~= version then unmet("resource version", version, live.metadata.resourceVersion) end
end

local function wait_for_replicas(ctx, info, replicas, timeout)
  local ends = deletion.deadline(ctx, timeout)
  while true do
    local live = info:get(ctx)
    if live.spec.replicas ~= replicas or (live.status and live.status.replicas or 0) == replicas then return end
    if not ctx.core:run_to_change(ends) then
      errors.fail("timed out waiting for %s to be synced", errors.quote(info.name))
    end
  end
end

---Sends the number; answers with the server's warnings. A Scale has 32 bits for it: what does not fit is cut off here where the Scale was
---read before, for a precondition; else it is sent as it is, for the server to refuse.
local function send(ctx, info, dry_run)
  local f, server = ctx.flags, dry_run == "server"
  local n, mapping = f.replicas, info.mapping
  if n <= 0x7fffffff or f["current-replicas"] ~= -1 or f["resource-version"] ~= "" then
    local cut = (n + 0x80000000) % 0x100000000 - 0x80000000
    return select(2, ctx.core:scale(mapping.kind, info.namespace, info.name, cut, server))
  end
  return select(2, ctx.core:patch(mapping.kind, info.namespace, info.name, { spec = { replicas = n } }, "merge", "scale", "Warn", server))
end

local function scale(ctx, info, dry_run)
  local f = ctx.flags
  if dry_run ~= "client" then
    if not info.mapping.scalable then
      error(Status.new { code = 404, reason = "NotFound", message = "the server could not find the requested resource" }, 0)
    end
    check_precondition(f, info:get(ctx))
    ctx:told(send(ctx, info, dry_run))
    if f.timeout ~= 0 and dry_run == "none" then wait_for_replicas(ctx, info, f.replicas, f.timeout) end
  end
  if info.object.spec then info.object.spec.replicas = f.replicas end
  if dry_run ~= "client" and f.record then
    writes.patch(ctx, info, { metadata = { annotations = { ["kubernetes.io/change-cause"] = ctx:change_cause() } } },
      { type = "merge", manager = "kubectl" })
  end
end

return {
  flags = {
    flags.filename, flags.selector, flags.dry_run, flags.output, flags.record, { "all", false, "bool", false },
    { "resource-version", false, "string", "" }, { "current-replicas", false, "int", -1 }, { "replicas", false, "int", 0 },
    { "timeout", false, "duration", 0 },
  },
  required = { "replicas" },
  run = function(ctx, args)
    local f, dry_run = ctx.flags, options.dry_run(ctx)
    local print = output.printer(ctx, "scaled", dry_run)
    if f.replicas < 0 then errors.fail "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0" end
    if f["current-replicas"] < -1 then errors.fail "The --current-replicas must specify an integer of -1 or greater" end
    local found = resources.find(ctx, { args = args, allow_empty_selector = f.all, files = options.files(ctx), labels = f.selector,
      continue_on_error = true })
    local infos, err = found:infos()
    if f["resource-version"] ~= "" and #infos > 1 then errors.fail "cannot use --resource-version with multiple resources" end
    if #infos == 0 then error(err or errors.plain "no objects passed to scale", 0) end
    for _, info in ipairs(infos) do
      scale(ctx, info, dry_run)
      print(info.object)
    end
    if err then error(err, 0) end
  end,
}
