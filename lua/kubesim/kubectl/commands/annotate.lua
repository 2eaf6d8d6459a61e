--- kubectl annotate. k8s.io/kubectl/pkg/cmd/annotate/annotate.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local metadata <const> = require "kubesim.kubectl.metadata"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local pairs_of <const> = require "kubesim.kubectl.pairs"

local CHANGE_CAUSE <const> = "kubernetes.io/change-cause" -- may always be overwritten

local function check_overwrites(map, new)
  local list = {}
  for _, key in ipairs(pairs_of.keys(new)) do
    if key ~= CHANGE_CAUSE and map[key] and map[key] ~= new[key] then
      list[#list + 1] = ("'%s' already has a value (%s)"):format(key, map[key])
    end
  end
  if #list > 0 then
    errors.fail("--overwrite is false but found the following declared annotation(s): %s", table.concat(list, "; "))
  end
end

local function check_both(new, removed)
  local both = {}
  for _, key in ipairs(removed) do
    if new[key] then both[#both + 1] = key end
  end
  if #both > 0 then
    errors.fail("can not both modify and remove the following annotation(s) in the same command: %s", table.concat(both, ", "))
  end
end

return {
  flags = { metadata.flags, flags.manager "kubectl-annotate" },
  run = function(ctx, args)
    local f, dry_run = ctx.flags, options.dry_run(ctx)
    local print = output.printer(ctx, "annotated", dry_run)
    local words, list = pairs_of.split(args, "annotation")
    local new, removed = pairs_of.parse(list, "annotation", true)
    if f.list and f.output ~= "" then errors.fail "--list and --output may not be specified together" end
    metadata.validate(ctx, words, "rsrc", dry_run)
    if not next(new) and #removed == 0 and not f.list then errors.fail "at least one annotation update is required" end
    check_both(new, removed)
    local found = metadata.find(ctx, words)
    local err = found:visit(function(info)
      local before = output.copy(info.object.metadata.annotations or {})
      if not f.overwrite then check_overwrites(before, new) end
      if f.record and dry_run ~= "client" and not f["local"] and not f.list and not new[CHANGE_CAUSE] then
        new[CHANGE_CAUSE] = ctx:change_cause()
      end
      metadata.change(info.object, "annotations", new, removed)
      if dry_run ~= "client" and not f["local"] and not f.list then
        info.object = metadata.send(ctx, info, metadata.patch(before, "annotations", new, removed, f["resource-version"]), dry_run)
      end
      if f.list then return metadata.list(ctx, info, "annotations", found.single) end
      print(info.object)
    end)
    if err then error(err, 0) end
  end,
}
