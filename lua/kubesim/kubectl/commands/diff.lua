--- kubectl diff: what apply would change, as diff(1) prints it. k8s.io/kubectl/pkg/cmd/diff/{diff,prune}.go.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local prune <const> = require "kubesim.kubectl.prune"
local resources <const> = require "kubesim.kubectl.resources"
local unified <const> = require "kubesim.kubectl.unified"
local writes <const> = require "kubesim.kubectl.writes"

-- Directories of the system's choice; here always the same.
local LIVE <const>, MERGED <const> = "/tmp/LIVE-0000000000", "/tmp/MERGED-0000000000"
local NO_FILE <const> = "1970-01-01 00:00:00.000000000 +0000"

---What apply would make of the object.
local function merged(ctx, info, live, o)
  if o.type == "apply" then return writes.patch(ctx, info, info.object, o) end
  if not live then return writes.create(ctx, info, o) end
  local object = output.copy(info.object)
  local annotations = object.metadata.annotations
  object.metadata.annotations = annotations and annotations ~= core.null and annotations or {} -- as the one that was applied has them
  object.metadata.annotations[writes.LAST_APPLIED] = nil
  local patch = ctx.core:three_way(info.mapping.kind, info.namespace, info.name, object)
  if not patch then return live end
  local err, result = errors.try(writes.patch, ctx, info, patch, o)
  if err then error(errors.from_source("patching", info.source, err), 0) end
  return result
end

local function file_name(mapping, namespace, name)
  local group = mapping.group ~= "" and mapping.group .. "." or ""
  return ("%s%s.%s.%s.%s"):format(group, mapping.version, mapping.kind, namespace, name)
end

---Values of Secrets are stars; different ones are told apart.
local function mask(before, after)
  local a, b = before and before.data or {}, after and after.data or {}
  for key in pairs(a) do
    if b[key] ~= nil and a[key] ~= b[key] then
      a[key], b[key] = "*** (before)", "*** (after)"
    else
      if b[key] ~= nil then b[key] = "***" end
      a[key] = "***"
    end
  end
  for key in pairs(b) do
    if a[key] == nil then b[key] = "***" end
  end
end

local function shown(ctx, object)
  if not object then return nil end
  object = output.copy(object)
  if not ctx.flags["show-managed-fields"] then object.metadata.managedFields = nil end
  return object
end

---One pair of files.
local function add(ctx, files, name, before, after)
  before, after = shown(ctx, before), shown(ctx, after)
  local one = after or before
  if one.kind == "Secret" and one.apiVersion == "v1" and not ctx.flags["show-secrets"] and after then mask(before, after) end
  files[#files + 1] = { name = name, before = before and core.encode(before, "yaml"), after = after and core.encode(after, "yaml") }
end

---Prints what differs; whether anything does.
local function print_all(ctx, files)
  table.sort(files, function(a, b) return a.name < b.name end)
  local stamp, any = ctx.core:clock():gsub("T", " "):gsub("Z$", "") .. ".000000000 +0000", false
  for _, file in ipairs(files) do
    local hunks = unified.hunks(file.before or "", file.after or "")
    if hunks ~= "" then
      any = true
      local from, to = LIVE .. "/" .. file.name, MERGED .. "/" .. file.name
      ctx:out(("diff -u -N %s %s\n--- %s\t%s\n+++ %s\t%s\n%s"):format(from, to, from, file.before and stamp or NO_FILE, to,
        file.after and stamp or NO_FILE, hunks))
    end
  end
  return any
end

local function complete(ctx, args)
  options.no_args(ctx, args)
  local f, o = ctx.flags, { dry_run = "server", validate = "Warn", visited = {}, namespaces = {} }
  o.files, o.selector = options.required_files(ctx), f.selector
  o.manager = ctx.changed["field-manager"] and f["field-manager"] or f["server-side"] and "kubectl" or "kubectl-client-side-apply"
  if f["force-conflicts"] and not f["server-side"] then errors.fail "--force-conflicts only works with --server-side" end
  if f["server-side"] then o.type, o.force = "apply", f["force-conflicts"] end
  if f.prune then o.prune = prune.kinds(ctx, f["prune-allowlist"]) end
  return o
end

local function run(ctx, args)
  local o, files = complete(ctx, args), {}
  local err = resources.find(ctx, { files = o.files, labels = o.selector }):visit(function(info)
    local live = info:look(ctx)
    if info.mapping.namespaced then o.namespaces[info.namespace] = true end
    if live then o.visited[live.metadata.uid] = true end
    add(ctx, files, file_name(info.mapping, info.namespace, info.name), live, merged(ctx, info, live, o))
    if live and live.metadata.deletionTimestamp then
      ctx:warn(("Detected changes to resource %s which is currently being deleted."):format(info.name))
    end
  end)
  if err then error(err, 0) end
  if o.prune then
    prune.each(ctx, o, function(object)
      local info = resources.info_of(ctx, object)
      add(ctx, files, file_name(info.mapping, info.namespace, info.name), object, nil)
    end)
  end
  return print_all(ctx, files)
end

---Errors end with an exit status above 1: 1 says that something differs.
local function fail(err)
  error(errors.verbatim(errors.text(err), (rawget(err, "exit") or 1) + 1), 0)
end

return {
  flags = {
    flags.filename, flags.server_side, flags.selector, flags.manager "kubectl-client-side-apply", { "prune-allowlist", false, "array" },
    { "prune", false, "bool", false }, { "show-managed-fields", false, "bool", false }, { "show-secrets", false, "bool", false },
    { "concurrency", false, "int", 1 },
  },
  flag_error = function(ctx, why)
    local err = errors.try(ctx.usage_error, ctx, "%s", why)
    fail(err)
  end,
  run = function(ctx, args)
    local err, differs = errors.try(run, ctx, args)
    if err then fail(err) end
    if differs then error(errors.silent(1), 0) end
  end,
}
