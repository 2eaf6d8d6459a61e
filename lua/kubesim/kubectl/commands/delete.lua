--- kubectl delete. k8s.io/kubectl/pkg/cmd/delete/{delete,delete_flags}.go, pkg/cmd/wait/delete.go.
local deletion <const> = require "kubesim.kubectl.deletion"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local resources <const> = require "kubesim.kubectl.resources"

local function complete(ctx)
  local f = ctx.flags
  local o = { cascade = options.cascade(ctx), ignore_not_found = f["ignore-not-found"], grace = f["grace-period"], force = f.force,
    wait = f.wait, timeout = f.timeout, output = f.output }
  o.warn_cluster_scope = ctx.enforce_namespace and not f["all-namespaces"]
  if (f.all or f.selector ~= "" or f["field-selector"] ~= "") and not ctx.changed["ignore-not-found"] then o.ignore_not_found = true end
  if f.now then
    if o.grace ~= -1 then errors.fail "--now and --grace-period cannot be specified together" end
    o.grace = 1
  end
  if o.grace == 0 and not o.force then o.grace = 1 end
  if o.force and o.grace < 0 then o.grace = 0 end
  o.dry_run = options.dry_run(ctx)
  return o
end

local function validate(ctx, o)
  local f = ctx.flags
  if f.output ~= "" and f.output ~= "name" then
    errors.fail("unexpected -o output mode: %s. We only support '-o name'", f.output)
  end
  if f.all and f.selector ~= "" then errors.fail "cannot set --all and --selector at the same time" end
  if f.all and f["field-selector"] ~= "" then errors.fail "cannot set --all and --field-selector at the same time" end
  if o.grace == 0 and o.force then
    ctx:warn("Immediate deletion does not wait for confirmation that the running resource has been terminated. "
      .. "The resource may continue to run on the cluster indefinitely.")
  elseif o.grace > 0 and o.force then
    errors.fail "--force and --grace-period greater than 0 cannot be specified together"
  end
end

return {
  flags = {
    flags.filename, flags.selector, flags.field_selector, flags.all_namespaces, flags.dry_run, deletion.flags,
    { "all", false, "bool", false }, { "ignore-not-found", false, "bool", false }, { "now", false, "bool", false },
    { "wait", false, "bool", true }, { "output", "o", "string", "" }, { "raw", false, "string", "" },
    { "interactive", "i", "bool", false },
  },
  run = function(ctx, args)
    ctx:refuse_flag("raw", "interactive")
    local f = ctx.flags
    local o = complete(ctx)
    local found = resources.find(ctx, {
      args = args, files = options.files(ctx), labels = f.selector, fields = f["field-selector"], all = f.all,
      all_namespaces = f["all-namespaces"], continue_on_error = true, require_object = false, ignore_not_found = o.ignore_not_found,
    })
    validate(ctx, o)
    deletion.run(ctx, found, o)
  end,
}
