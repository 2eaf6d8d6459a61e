--- kubectl replace. k8s.io/kubectl/pkg/cmd/replace/replace.go.
local deletion <const> = require "kubesim.kubectl.deletion"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local writes <const> = require "kubesim.kubectl.writes"

local MINUTE <const> = 60 * 1000000000

local function raise(err)
  if err then error(err, 0) end
end

local function validate(f, o)
  if o.grace >= 0 and not f.force then errors.fail "--grace-period must have --force specified" end
  if f.timeout ~= 0 and not f.force then errors.fail "--timeout must have --force specified" end
  if f.force and o.dry_run ~= "none" then errors.fail "--dry-run can not be used when --force is set" end
end

---Deletes what is there, waits until it is gone, creates.
local function force(ctx, o, print)
  local seen = {}
  local gone = resources.find(ctx, { files = o.files, continue_on_error = true, require_object = false, ignore_not_found = true })
  deletion.run(ctx, gone, { cascade = o.cascade, grace = o.grace, dry_run = "none", output = ctx.flags.output,
    wait = o.wait, timeout = ctx.flags.timeout })
  local ends = deletion.deadline(ctx, ctx.flags.timeout == 0 and 5 * MINUTE or ctx.flags.timeout)
  raise(resources.find(ctx, { files = o.files, continue_on_error = true, require_object = false }):visit(function(info)
    if not deletion.wait(ctx, info, nil, ends) then errors.fail "timed out waiting for the condition" end
  end))
  raise(resources.find(ctx, { files = o.files, continue_on_error = true, validate = o.validate }):visit(function(info)
    info.object = writes.keep_annotation(info.object, ctx.flags["save-config"])
    ctx:record(info.object)
    seen[#seen + 1] = info
    print(writes.create(ctx, info, o))
  end))
  if #seen == 0 then errors.fail "no objects passed to replace" end
end

local function replace(ctx, o, print)
  raise(resources.find(ctx, { files = o.files, continue_on_error = true, validate = o.validate }):visit(function(info)
    info.object = writes.keep_annotation(info.object, ctx.flags["save-config"])
    ctx:record(info.object)
    if o.dry_run ~= "client" then
      local err, object = errors.try(writes.replace, ctx, info, o)
      if err then error(errors.from_source("replacing", info.source, err), 0) end
      info.object = object
    end
    print(info.object)
  end))
end

return {
  flags = {
    flags.filename, flags.output, flags.record, flags.validate, flags.save_config, flags.dry_run, deletion.flags,
    flags.manager "kubectl-replace", { "wait", false, "bool", false }, { "raw", false, "string", "" },
    { "subresource", false, "string", "" },
  },
  run = function(ctx)
    ctx:refuse_flag "raw"
    local f = ctx.flags
    local o = { validate = options.validate(ctx), dry_run = options.dry_run(ctx), manager = f["field-manager"],
      subresource = f.subresource ~= "" and f.subresource or nil, wait = f.wait, grace = f["grace-period"] }
    local print = output.printer(ctx, "replaced", o.dry_run)
    o.cascade = options.cascade(ctx)
    if o.grace == 0 then o.grace, o.wait = 1, true end
    o.files = options.required_files(ctx)
    validate(f, o)
    if f.force then force(ctx, o, print) else replace(ctx, o, print) end
  end,
}
