--- kubectl set selector. k8s.io/kubectl/pkg/cmd/set/set_selector.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local label_selector <const> = require "kubesim.kubectl.label_selector"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local set <const> = require "kubesim.kubectl.set.common"
local writes <const> = require "kubesim.kubectl.writes"

---The labels that a selector demands; Services know nothing else.
local function labels_of(text)
  local selector, list = label_selector(text), {}
  for i, e in ipairs(selector.matchExpressions or {}) do
    list[i] = ("{%s %s %s}"):format(e.key, e.operator, options.list(e.values or {}))
  end
  if #list > 0 then errors.fail("match expression %s not supported on this object", options.list(list)) end
  return selector.matchLabels or {}
end

return {
  flags = { set.flags, flags.record, flags.field_selector, { "resource-version", false, "string", "" } },
  run = function(ctx, args)
    local f, dry_run = ctx.flags, options.dry_run(ctx)
    if #args == 0 then errors.fail "one selector is required" end
    local words, text = { table.unpack(args, 1, #args - 1) }, args[#args]
    label_selector(text)
    local print = output.printer(ctx, "selector updated", dry_run)
    local opts = { files = options.files(ctx), continue_on_error = true }
    if not f["local"] then
      opts.args, opts.allow_empty_selector, opts.fields, opts.latest = words, f.all, f["field-selector"], true
    end
    local err = resources.find(ctx, opts):visit(function(info)
      if info.mapping.kind ~= "Service" then errors.fail "setting a selector is only supported for Services" end
      local before = output.copy(info.object)
      info.object.spec.selector = labels_of(text)
      ctx:record(info.object)
      if f["resource-version"] ~= "" then
        before.metadata.resourceVersion, info.object.metadata.resourceVersion = nil, f["resource-version"]
      end
      if not f["local"] and dry_run ~= "client" then
        info.object = writes.patch(ctx, info, ctx.core:difference("Service", before, info.object),
          { dry_run = dry_run, manager = f["field-manager"] })
      end
      print(info.object)
    end)
    if err then error(err, 0) end
  end,
}
