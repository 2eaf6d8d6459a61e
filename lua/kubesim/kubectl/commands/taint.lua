--- kubectl taint. k8s.io/kubectl/pkg/cmd/taint/{taint,utils}.go.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local names <const> = require "kubesim.kubectl.names"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local writes <const> = require "kubesim.kubectl.writes"

local EFFECTS <const> = { NoSchedule = true, PreferNoSchedule = true, NoExecute = true }

---key=value:effect, key:effect or key.
local function parse_taint(text)
  local function invalid(why) errors.fail("invalid taint spec: %s%s", text, why and ", " .. table.concat(why, "; ") or "") end
  local head, effect, more = text:match "^([^:]*):?([^:]*)(.*)$"
  if more ~= "" then invalid() end
  local key, value = head, nil
  if text:find(":", 1, true) then
    if not EFFECTS[effect] then errors.fail("invalid taint effect: %s, unsupported taint effect", effect) end
    local pair_key, pair_value, rest = head:match "^([^=]*)=([^=]*)(.*)$"
    if pair_key then
      if rest ~= "" then invalid() end
      key, value = pair_key, pair_value
      local why = names.value(value)
      if #why > 0 then invalid(why) end
    end
  end
  local why = names.key(key)
  if #why > 0 then invalid(why) end
  return { key = key, value = value ~= "" and value or nil, effect = effect ~= "" and effect or nil }
end

local function parse(list)
  local add, remove, seen = {}, {}, {}
  for _, word in ipairs(list) do
    if word:find "%-$" then
      local taint = parse_taint(word:sub(1, -2))
      remove[#remove + 1] = { key = taint.key, effect = taint.effect }
    else
      local taint = parse_taint(word)
      if not taint.effect then errors.fail("invalid taint spec: %s", word) end
      local id = taint.key .. ":" .. taint.effect
      if seen[id] then
        errors.fail("duplicated taints with the same key and effect: {%s %s %s <nil>}", taint.key, taint.value or "", taint.effect)
      end
      seen[id], add[#add + 1] = true, taint
    end
  end
  return add, remove
end

local function split(args)
  local words, list = {}, {}
  for _, word in ipairs(args) do
    if word:find "[=:]" or word:find "%-$" then list[#list + 1] = word
    elseif #list == 0 then words[#words + 1] = word
    else errors.fail("all resources must be specified before taint changes: %s", word) end
  end
  return words, list
end

local function matches(a, b) return a.key == b.key and (not b.effect or a.effect == b.effect) end

local function validate(ctx, words, add, remove)
  local kind = words[1]:lower()
  local mapping = ctx.core:kind(kind)
  if not mapping then errors.fail_bare("the server doesn't have a resource type %s", errors.quote(kind)) end
  if mapping.kind ~= "Node" then errors.fail("invalid resource type %s, only node types are supported", kind) end
  local both = {}
  for _, taint in ipairs(add) do
    for _, gone in ipairs(remove) do
      if matches(taint, gone) then both[#both + 1] = gone.key .. "=" .. (gone.effect or "") end
    end
  end
  if #both > 0 then
    errors.fail("can not both modify and remove the following taint(s) in the same command: %s", table.concat(both, ", "))
  end
  local f = ctx.flags
  if f.all and f.selector ~= "" then errors.fail "setting 'all' parameter with a non empty selector is prohibited" end
  if not f.all and f.selector == "" and #words < 2 then
    errors.fail "at least one resource name must be specified since 'all' parameter is not set"
  end
end

---What the node's taints become, and the word for it.
local function reorganize(old, add, remove, overwrite)
  local taints, missing, deleted = {}, {}, false
  table.move(add, 1, #add, 1, taints)
  for _, taint in ipairs(old) do
    local replaced = false
    for _, new in ipairs(add) do replaced = replaced or new.key == taint.key and new.effect == taint.effect end
    if not replaced then taints[#taints + 1] = taint end
  end
  local added = #old ~= #taints
  for _, gone in ipairs(remove) do
    local kept = {}
    for _, taint in ipairs(taints) do
      if not matches(taint, gone) then kept[#kept + 1] = taint end
    end
    deleted = #kept ~= #taints
    if not deleted then
      missing[#missing + 1] = errors.plain("taint %s not found", errors.quote(gone.key .. (gone.effect and ":" .. gone.effect or "")))
    end
    taints = kept
  end
  local err = errors.join(missing)
  if err then error(err, 0) end
  return taints, (added and deleted or overwrite) and "modified" or added and "tainted" or "untainted"
end

local function check_overwrites(node, old, add)
  local list = {}
  for _, new in ipairs(add) do
    for _, taint in ipairs(old) do
      if taint.key == new.key and taint.effect == new.effect then list[#list + 1] = new.key end
    end
  end
  if #list > 0 then
    errors.fail("node %s already has %s taint(s) with same effect(s) and --overwrite is false", node, table.concat(list, ","))
  end
end

return {
  flags = {
    flags.output, flags.dry_run, flags.validate, flags.selector, { "overwrite", false, "bool", false }, { "all", false, "bool", false },
    flags.manager "kubectl-taint",
  },
  run = function(ctx, args)
    local f, dry_run = ctx.flags, options.dry_run(ctx)
    local directive = options.validate(ctx)
    local words, list = split(args)
    if #words < 1 then errors.fail "one or more resources must be specified as <resource> <name>" end
    if #list < 1 then errors.fail "at least one taint update is required" end
    local err, add, remove = errors.try(parse, list)
    if err then ctx:usage_error("%s", err.message) end
    validate(ctx, words, add, remove)
    local opts = { labels = f.selector, all = f.all, continue_on_error = true }
    if f.all or f.selector ~= "" then opts.args = { "node" }
    else opts.names, opts.default_kind = { table.unpack(words, 2) }, "node" end
    err = resources.find(ctx, opts):visit(function(info)
      local before = info.object
      local old = before.spec.taints or {}
      if not f.overwrite then check_overwrites(info.name, old, add) end
      local after = output.copy(before)
      local taints, operation = reorganize(old, add, remove, f.overwrite)
      after.spec.taints = #taints > 0 and taints or nil
      local patch = ctx.core:difference("Node", before, after)
      local object = dry_run == "client" and ctx.core:patched("Node", before, core.json_decode(patch), "strategic")
        or writes.patch(ctx, info, patch, { dry_run = dry_run, manager = f["field-manager"], validate = directive })
      output.printer(ctx, operation, "none")(object) -- kubectl forgets to say that it was a dry run
    end)
    if err then error(err, 0) end
  end,
}
