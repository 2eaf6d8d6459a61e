--- What the `kubectl set ...` commands have in common: finding objects, their pod specs, sending what was changed.
--- k8s.io/kubectl/pkg/cmd/set/helper.go, pkg/polymorphichelpers/updatepodspec.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local values <const> = require "kubesim.kubectl.values"
local writes <const> = require "kubesim.kubectl.writes"

---@class kubesim.kubectl.set
local set = {}

set.flags = {
  flags.filename, flags.output, flags.dry_run, flags.manager "kubectl-set", { "all", false, "bool", false },
  { "local", false, "bool", false },
}

set.LOCAL = "error: you must specify resources by --filename when --local is set.\nExample resource specifications include:\n"
  .. "   '-f rsrc.yaml'\n   '--filename=rsrc.json'"

---The objects that words, -f and selectors mean.
---@param ctx kubesim.kubectl.Context
---@param words string[]
---@return kubesim.kubectl.Info[]
function set.find(ctx, words)
  local f = ctx.flags
  if f["local"] then
    if #words > 0 then errors.fail(set.LOCAL) end
    return resources.find(ctx, { files = options.files(ctx), continue_on_error = true }):all()
  end
  return resources.find(ctx, { args = words, allow_empty_selector = f.all, files = options.files(ctx), labels = f.selector,
    continue_on_error = true, latest = true }):all()
end

---The pod spec in an object; raises where there is none.
---@param info kubesim.kubectl.Info
---@return table
function set.pod_spec(info)
  local object = info.object
  if object.kind == "Pod" then
    object.spec = object.spec or {}
    return object.spec
  end
  local template = object.spec and object.spec.template
  if not template then errors.fail("the object is not a pod or does not have a pod template: *v1.%s", object.kind) end
  template.spec = template.spec or {}
  return template.spec
end

---Whether a name fits a pattern with "*" (selectString).
local function fits(name, pattern)
  if pattern == "*" then return true end
  local lua = pattern:gsub("[^%w*]", "%%%0"):gsub("%*", ".*")
  return name:find("^" .. lua .. "$") ~= nil
end

---The containers, and behind them the init containers, whose names fit.
---@param spec table
---@param pattern string
---@return table[]
function set.containers(spec, pattern)
  local list = {}
  for _, field in ipairs { "containers", "initContainers" } do
    for _, container in ipairs(values.list(spec[field])) do
      if fits(container.name, pattern) then list[#list + 1] = container end
    end
  end
  return list
end

---Changes each object and sends the difference. Errors are collected in `list`, which may have some already.
---   change(info)  changes info.object; false: it was not meant
---   failed        what stands before the server's refusal
---@param ctx kubesim.kubectl.Context
---@param infos kubesim.kubectl.Info[]
---@param change fun(info: kubesim.kubectl.Info): boolean?
---@param o { operation: string, failed: string, list: table?, even_unchanged: boolean?, check: function? }
function set.run(ctx, infos, change, o)
  local dry_run, list = options.dry_run(ctx), o.list or {}
  local print = output.printer(ctx, o.operation, dry_run)
  local changed = {}
  for _, info in ipairs(infos) do
    local before = output.copy(info.object)
    local err, meant = errors.try(change, info)
    if err then
      list[#list + 1] = errors.plain("error: %s %s\n", info:object_name(), err.message)
    elseif meant ~= false then
      ctx:record(info.object)
      local patch
      err, patch = errors.try(ctx.core.difference, ctx.core, info.mapping.kind, before, info.object)
      if err then list[#list + 1] = errors.plain("error: %s %s\n", info:object_name(), err.message) end
      if patch and (patch ~= "{}" or o.even_unchanged) then changed[#changed + 1] = { info = info, patch = patch } end
    end
  end
  for _, one in ipairs(changed) do
    if ctx.flags["local"] or dry_run == "client" then
      print(one.info.object)
    else
      local err, object = errors.try(writes.patch, ctx, one.info, one.patch, { dry_run = dry_run, manager = ctx.flags["field-manager"] })
      if err then
        list[#list + 1] = errors.plain("%s %s", o.failed, err.message)
      else
        if o.check then o.check() end
        print(object)
      end
    end
  end
  local joined = errors.join(list)
  if joined then error(joined, 0) end
end

return set
