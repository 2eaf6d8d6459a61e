--- kubectl apply: client-side with the last-applied-configuration, --server-side, --prune; view-last-applied, set-last-applied.
--- k8s.io/kubectl/pkg/cmd/apply/{apply,patcher,prune,apply_view_last_applied,apply_set_last_applied}.go.
--- What few command lines need (pruning, the configuration as an object of its own) is loaded when it is used.
local core <const> = require "kubesim.core"
local deletion <const> = require "kubesim.kubectl.deletion"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local writes <const> = require "kubesim.kubectl.writes"

local CONFLICT <const> = [[

Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts]]

local function validate(f, o)
  if f["force-conflicts"] and not f["server-side"] then errors.fail "--force-conflicts only works with --server-side" end
  if o.dry_run == "client" and f["server-side"] then
    errors.fail "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)"
  end
  if f["server-side"] and f.force then errors.fail "--force cannot be used with --server-side" end
  if o.dry_run == "server" and f.force then errors.fail "--dry-run=server cannot be used with --force" end
  if f.all and f.selector ~= "" then errors.fail "cannot set --all and --selector at the same time" end
  if f.prune then
    if f.force then errors.fail "--force cannot be used with --prune" end
    if not f.all and f.selector == "" then
      errors.fail("all resources selected for prune without explicitly passing --all. To prune all resources, pass the --all flag. "
        .. "If you did not mean to prune all resources, specify a label selector")
    end
    if f["server-side"] then errors.fail "--prune is in alpha and doesn't currently work on objects created by server-side apply" end
  end
  if f.subresource ~= "" and not f["server-side"] then errors.fail "--subresource can only be specified for --server-side" end
end

local function warn_if_deleting(ctx, object)
  local metadata = core.view(object).metadata
  if metadata.deletionTimestamp then
    ctx:warn(("Detected changes to resource %s which is currently being deleted."):format(metadata.name))
  end
end

-- Client-side ------------------------------------------------------------------------------------------------------------

local function create(ctx, info, modified, o)
  info.object = core.pruned(modified) -- nulls say nothing about an object that is not there yet
  if o.dry_run == "client" then
    info.object = core.plain(info.object)
    return "created"
  end
  local err, object = errors.try(writes.create, ctx, info, o)
  if err then error(errors.from_source("creating", info.source, err), 0) end
  info.object = object
  return "created"
end

---kubectl apply --force: what cannot be patched is deleted and made anew.
local function delete_and_create(ctx, info, modified, o)
  writes.delete(ctx, info, { grace = o.grace, cascade = o.cascade })
  if not deletion.wait(ctx, info, nil, deletion.deadline(ctx, o.timeout)) then errors.fail "context deadline exceeded" end
  local original = info.object
  info.object = modified
  local err, object = errors.try(writes.create, ctx, info, o)
  if not err then return object end
  original.metadata.resourceVersion, original.metadata.uid = nil, nil
  info.object = original
  local again = errors.try(writes.create, ctx, info, o)
  if again then
    errors.fail(("An error occurred force-replacing the existing object with the newly provided one:\n\n%s.\n\n"
      .. "Additionally, an error occurred attempting to restore the original object:\n\n%s"):format(err.message, again.message))
  end
  error(err, 0)
end

local function send_patch(ctx, info, modified, patch, o)
  if o.dry_run == "client" then
    return ctx.core:patched(info.mapping.kind, info.object, core.plain(patch), "strategic")
  end
  local err, object = errors.try(writes.patch, ctx, info, patch, o)
  if not err then return object end
  if o.force and (errors.is(err, "Conflict") or errors.is(err, "Invalid")) then return delete_and_create(ctx, info, modified, o) end
  error(errors.from_source("patching", info.source, err), 0)
end

---No patch leads from the live object to the manifest (patcher.go: patchSimple, createPatchErrFormat): kubectl tries with the structure
---of the types that the server has published, in two ways, and then with its own.
local function no_patch(ctx, info, live, modified, err)
  for _, spec in ipairs { "openapi v3 spec", "openapi spec" } do
    ctx:err(("warning: error calculating patch from %s: %s\n"):format(spec, err.message))
  end
  local why = errors.plain("creating patch with:\noriginal:\n%s\nmodified:\n%s\n\ncurrent:\n%s\n\nfor: %s",
    writes.last_applied(live) or "", core.encode(modified, "go"), core.encode(live, "go"), err.message)
  local patching = errors.from_source("patching", info.source, why)
  return errors.from_source(("applying patch:\n\nto:\n%s\nfor:"):format(info), info.source, patching)
end

local function apply_client_side(ctx, info, o)
  local modified = assert(core.annotated(info.object))
  local err, live = errors.try(info.look, info, ctx, o.viewed)
  if err then
    error(errors.from_source(("retrieving current configuration of:\n%s\nfrom server for:"):format(info), info.source, err), 0)
  end
  if not live then return create(ctx, info, modified, o) end
  info.object = live
  o.visited[live.metadata.uid] = true
  if not writes.last_applied(live) then
    ctx:warn(("resource %s is missing the %s annotation which is required by kubectl apply. kubectl apply should only be used on "
      .. "resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be "
      .. "patched automatically."):format(info:object_name(), writes.LAST_APPLIED))
  end
  local failed, patch = errors.try(ctx.core.three_way, ctx.core, info.mapping.kind, info.namespace, info.name, modified)
  if failed then error(no_patch(ctx, info, live, modified, failed), 0) end
  if patch then
    local refused, object = errors.try(send_patch, ctx, info, modified, patch, o)
    if refused then
      local text = core.encode(patch, "go")
      error(errors.from_source(("applying patch:\n%s\nto:\n%s\nfor:"):format(text, info), info.source, refused), 0)
    end
    info.object = object
  end
  warn_if_deleting(ctx, info.object)
  return patch and "configured" or "unchanged"
end

-- Server-side ------------------------------------------------------------------------------------------------------------

local function apply_server_side(ctx, info, o)
  local err, object = errors.try(writes.patch, ctx, info, info.object, o)
  if err then
    if errors.is(err, "Conflict") then err = errors.plain(err.message .. CONFLICT) end
    error(err, 0)
  end
  info.object = require "kubesim.kubectl.last_applied".migrate(ctx, info, object, o)
  warn_if_deleting(ctx, info.object)
  return "serverside-applied"
end

-- The command --------------------------------------------------------------------------------------------------------------

local function apply_one(ctx, info, o, print)
  if info.mapping.namespaced then o.namespaces[info.namespace] = true end
  ctx:record(info.object)
  if info.name == "" then
    local prefix = info.object.metadata.generateName
    if prefix and prefix ~= "" then errors.fail("from %s: cannot use generate name with apply", prefix) end
  end
  local operation = (o.type == "apply" and apply_server_side or apply_client_side)(ctx, info, o)
  local uid = core.view(info.object).metadata.uid
  if uid then o.visited[uid] = true end
  if not output.wants_object(ctx) then print(info.object, operation) end
end

local function print_objects(ctx, infos, print)
  if not output.wants_object(ctx) or #infos == 0 then return end
  local objects = {}
  for i, info in ipairs(infos) do objects[i] = info.object end
  print(#objects == 1 and objects[1] or output.list(objects))
end

local function run(ctx, args)
  options.no_args(ctx, args)
  ctx:refuse_flag "openapi-patch"
  local f = ctx.flags
  if not f.overwrite then error(errors.verbatim "not supported: kubectl apply --overwrite=false", 0) end
  local o = { dry_run = options.dry_run(ctx), cascade = options.cascade(ctx), files = options.required_files(ctx),
    validate = options.validate(ctx), grace = f["grace-period"], timeout = f.timeout, force = f.force, visited = {}, namespaces = {},
    selector = f.selector }
  o.viewed = not output.wants_object(ctx) and not o.force and o.dry_run ~= "client"
  o.manager = ctx.changed["field-manager"] and f["field-manager"] or f["server-side"] and "kubectl" or "kubectl-client-side-apply"
  if f.prune then o.prune = require "kubesim.kubectl.prune".kinds(ctx, f["prune-allowlist"]) end
  validate(f, o)
  if f["server-side"] then
    o.type, o.force, o.subresource = "apply", f["force-conflicts"], f.subresource ~= "" and f.subresource or nil
  end
  local print = output.printer(ctx, "", o.dry_run)
  if ctx.enforce_namespace then o.namespaces[ctx.namespace] = true end
  local list = {}
  local infos, err = resources.find(ctx, { files = o.files, labels = f.selector, continue_on_error = true, validate = o.validate }):infos()
  if err then list[1] = err end
  if #infos == 0 and not err then errors.fail "no objects passed to apply" end
  for _, info in ipairs(infos) do list[#list + 1] = errors.try(apply_one, ctx, info, o, print) end
  if #list > 0 then error(errors.join(list), 0) end
  print_objects(ctx, infos, print)
  if o.prune then require "kubesim.kubectl.prune".run(ctx, o, print) end
end

return {
  flags = {
    flags.filename, flags.output, flags.record, flags.validate, flags.dry_run, flags.server_side, flags.selector, deletion.flags,
    flags.manager "kubectl-client-side-apply", { "wait", false, "bool", false }, { "prune", false, "bool", false },
    { "prune-allowlist", false, "array" }, { "all", false, "bool", false }, { "overwrite", false, "bool", true },
    { "openapi-patch", false, "bool", true }, { "subresource", false, "string", "" },
  },
  run = run,
  commands = {
    ["view-last-applied"] = function() return require "kubesim.kubectl.last_applied".view end,
    ["set-last-applied"] = function() return require "kubesim.kubectl.last_applied".set end,
    ["edit-last-applied"] = { refused = "there is no editor" },
  },
}
