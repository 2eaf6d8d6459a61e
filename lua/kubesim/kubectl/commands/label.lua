--- kubectl label. k8s.io/kubectl/pkg/cmd/label/label.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local metadata <const> = require "kubesim.kubectl.metadata"
local names <const> = require "kubesim.kubectl.names"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local pairs_of <const> = require "kubesim.kubectl.pairs"

local function parse(list)
  local new, removed = {}, {}
  for _, word in ipairs(list) do
    local key, value, more = word:match "^([^=]*)=([^=]*)(.*)$"
    if key then
      if more ~= "" then errors.fail("invalid label spec: %s", word) end
      local why = names.value(value)
      if #why > 0 then errors.fail("invalid label value: %s: %s", errors.quote(word), table.concat(why, ";")) end
      new[key] = value
    elseif word:find "%-$" then removed[#removed + 1] = word:sub(1, -2)
    else errors.fail("unknown label spec: %s", word) end
  end
  for _, key in ipairs(removed) do
    if new[key] then errors.fail "can not both modify and remove a label in the same command" end
  end
  return new, removed
end

local function check_overwrites(map, new)
  local list = {}
  for _, key in ipairs(pairs_of.keys(new)) do
    if map[key] and map[key] ~= new[key] then
      list[#list + 1] = errors.plain("'%s' already has a value (%s), and --overwrite is false", key, map[key])
    end
  end
  local err = errors.join(list)
  if err then error(err, 0) end
end

local function operation(added, removed)
  if added and removed then return "modified" end
  return added and "labeled" or removed and "unlabeled" or "not labeled"
end

return {
  flags = { metadata.flags, flags.manager "kubectl-label" },
  run = function(ctx, args)
    local f, dry_run = ctx.flags, options.dry_run(ctx)
    local words, list = pairs_of.split(args, "label")
    local new, removed = parse(list)
    if f.list and f.output ~= "" then errors.fail "--list and --output may not be specified together" end
    metadata.validate(ctx, words, "pod", dry_run)
    if not next(new) and #removed == 0 and not f.list then errors.fail "at least one label update is required" end
    local offline = dry_run == "client" or f["local"] or f.list
    local found = metadata.find(ctx, words)
    local err = found:visit(function(info)
      local before = output.copy(info.object.metadata.labels or {})
      if not offline then
        for _, key in ipairs(removed) do
          if not before[key] then ctx:outf("label %s not found.\n", errors.quote(key)) end
        end
      end
      if not f.overwrite then check_overwrites(before, new) end
      local added, gone = metadata.change(info.object, "labels", new, removed)
      if not offline and (added or gone) then
        local patch = metadata.patch(before, "labels", new, removed, f["resource-version"])
        if f.record then patch.metadata.annotations = { ["kubernetes.io/change-cause"] = ctx:change_cause() } end
        metadata.send(ctx, info, patch, dry_run)
      end
      if f.list then return metadata.list(ctx, info, "labels", found.single) end
      output.printer(ctx, operation(added, gone), dry_run)(info.object)
    end)
    if err then error(err, 0) end
  end,
}
