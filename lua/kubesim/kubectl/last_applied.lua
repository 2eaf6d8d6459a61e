--- The last-applied-configuration annotation beside `kubectl apply` itself: view-last-applied, set-last-applied, and what becomes
--- of it when an object goes from client-side to server-side apply.
--- k8s.io/kubectl/pkg/cmd/apply/{apply,apply_view_last_applied,apply_set_last_applied}.go; k8s.io/client-go/util/csaupgrade.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local writes <const> = require "kubesim.kubectl.writes"

---@class kubesim.kubectl.last_applied
local last_applied = {}

-- kubectl apply view-last-applied ----------------------------------------------------------------------------------------------

---json.Indent with two spaces: the text's own order and escapes stay.
local function indent(text)
  local out, depth, at, inside = {}, 0, 1, false
  local function line() out[#out + 1] = "\n" .. ("  "):rep(depth) end
  while at <= #text do
    local c = text:sub(at, at)
    if inside then
      out[#out + 1] = c
      if c == "\\" then
        at = at + 1
        out[#out + 1] = text:sub(at, at)
      end
      inside = c ~= '"'
    elseif (c == "{" or c == "[") and text:sub(at + 1, at + 1):find "[}%]]" then
      out[#out + 1] = text:sub(at, at + 1)
      at = at + 1
    elseif c == "{" or c == "[" then
      out[#out + 1], depth = c, depth + 1
      line()
    elseif c == "}" or c == "]" then
      depth = depth - 1
      line()
      out[#out + 1] = c
    elseif c == "," then
      out[#out + 1] = c
      line()
    elseif c == ":" then
      out[#out + 1] = ": "
    else
      inside = c == '"'
      out[#out + 1] = c
    end
    at = at + 1
  end
  return table.concat(out)
end

local function view(ctx, args)
  local f, list = ctx.flags, {}
  local err = resources.find(ctx, { args = args, allow_empty_selector = ctx.enforce_namespace, files = options.files(ctx),
    all = f.all, labels = f.selector, latest = true }):visit(function(info)
    local text = writes.last_applied(info.object)
    if not text and info.source then
      errors.fail("error when no last-applied-configuration annotation found on resource: %s\n %s: <nil>", info.name,
        errors.quote(info.source))
    end
    list[#list + 1] = text -- kubectl says nothing of objects that no file named: it adds the source to an error that there is not
  end)
  if err then error(err, 0) end
  for _, text in ipairs(list) do
    if f.output == "json" then ctx:out(indent(text))
    elseif f.output == "yaml" then ctx:out(core.encode(core.yaml_decode(text)[1] or core.null, "yaml"))
    else ctx:usage_error("Unexpected -o output mode: %s, the flag 'output' must be one of yaml|json", f.output) end
  end
end

last_applied.view = {
  flags = { flags.filename, flags.selector, { "output", "o", "string", "yaml" }, { "all", false, "bool", false } },
  run = view,
}

-- kubectl apply set-last-applied -----------------------------------------------------------------------------------------------

local function set(ctx)
  local f, dry_run, changes = ctx.flags, options.dry_run(ctx), {}
  local print = output.printer(ctx, "configured", dry_run)
  local err = resources.find(ctx, { files = f.filename }):visit(function(info)
    local text = writes.configuration(info.object)
    local failed, live = errors.try(info.get, info, ctx)
    if failed and errors.is(failed, "NotFound") then error(failed, 0) end
    if failed then
      error(errors.from_source(("retrieving current configuration of:\n%s\nfrom server for:"):format(info), info.source, failed), 0)
    end
    local original = writes.last_applied(live)
    if not original and not f["create-annotation"] then
      errors.fail("no last-applied-configuration annotation found on resource: %s, to create the annotation, run the command "
        .. "with --create-annotation", info.name)
    end
    if original == text then
      ctx:outf("set-last-applied %s: no changes required.\n", info.name)
    else
      changes[#changes + 1] = { info = info, patch = { metadata = { annotations = { [writes.LAST_APPLIED] = text } } } }
    end
  end)
  if err then error(err, 0) end
  for _, change in ipairs(changes) do
    local object = change.info.object
    if dry_run ~= "client" then
      object = writes.patch(ctx, change.info, change.patch, { type = "merge", dry_run = dry_run, manager = "kubectl" })
    end
    print(object)
  end
end

last_applied.set = {
  flags = { { "filename", "f", "slice" }, flags.dry_run, flags.output, { "create-annotation", false, "bool", false } },
  run = set,
}

-- From client-side to server-side apply ------------------------------------------------------------------------------------------

local function owns_annotation(entry)
  local at = entry.fieldsV1
  for _, key in ipairs { "f:metadata", "f:annotations", "f:" .. writes.LAST_APPLIED } do at = at and at[key] end
  return at ~= nil
end

local function owners(object, operation)
  local names, any = {}, false
  for _, entry in ipairs(object.metadata.managedFields or {}) do
    if entry.operation == operation and owns_annotation(entry) then names[entry.manager], any = true, true end
  end
  return names, any
end

---Keeps the annotation alive under a manager of its own (saveLastApplyAnnotationIfNecessary).
local function save(ctx, info, object, o)
  local text = writes.last_applied(object)
  local _, owned = owners(object, "Apply")
  if o.manager ~= "kubectl" or not text or owned then return object end
  local only = { apiVersion = info.mapping.api_version, kind = info.mapping.kind, metadata = {
    name = info.name, namespace = info.mapping.namespaced and info.namespace or nil, annotations = { [writes.LAST_APPLIED] = text },
  } }
  return writes.patch(ctx, info, only, { type = "apply", manager = "kubectl-last-applied", dry_run = o.dry_run })
end

local function union(a, b)
  local all = {}
  for key, value in pairs(a) do all[key] = value end
  for key, value in pairs(b) do all[key] = all[key] and union(all[key], value) or value end
  return all
end

---managedFields in which what `csa` owns by updates belongs to the applier `ssa` (upgradedManagedFields).
local function upgraded(entries, csa, ssa)
  local function first(manager, operation, version)
    for i, entry in ipairs(entries) do
      if entry.manager == manager and entry.operation == operation and (entry.subresource or "") == ""
        and (not version or entry.apiVersion == version) then return i end
    end
  end
  local at = first(ssa, "Apply") or first(csa, "Update")
  if not at then return entries end
  local list = {}
  local source = first(csa, "Update", entries[at].apiVersion)
  for i, entry in ipairs(entries) do
    if i == at then
      local copy = {}
      for key, value in pairs(entry) do copy[key] = value end
      copy.operation, copy.manager = "Apply", ssa
      if source then copy.fieldsV1 = union(copy.fieldsV1, entries[source].fieldsV1) end
      list[#list + 1] = copy
    elseif not (entry.manager == csa and entry.operation == "Update" and (entry.subresource or "") == "") then
      list[#list + 1] = entry
    end
  end
  return list
end

local NOT_MIGRATED <const> = "%s. This is non-fatal and will be retried next time you apply. Error: %s"

---What server-side apply does after its patch for objects that were applied on the client's side before: what their manager owned
---goes to the applier, then the configuration is applied again.
---@param ctx kubesim.kubectl.Context
---@param info kubesim.kubectl.Info  with the configuration
---@param object table  what the server answered
---@param o table  apply's options
---@return table object
function last_applied.migrate(ctx, info, object, o)
  if o.dry_run == "server" then return object end
  object = save(ctx, info, object, o)
  local entries = object.metadata.managedFields or {}
  local changed = entries
  for manager in pairs((owners(object, "Update"))) do changed = upgraded(changed, manager, o.manager) end
  if changed == entries then return object end
  local patch = { { op = "replace", path = "/metadata/managedFields", value = changed },
    { op = "replace", path = "/metadata/resourceVersion", value = object.metadata.resourceVersion } }
  local refused, moved = errors.try(writes.patch, ctx, info, patch, { type = "json", manager = o.manager })
  if refused then
    ctx:warn(NOT_MIGRATED:format("server rejected managed fields migration to Server-Side Apply", refused.message))
    return object
  end
  local why, again = errors.try(writes.patch, ctx, info, info.object, o)
  if why then
    ctx:warn(NOT_MIGRATED:format("failed to re-apply configuration after performing Server-Side Apply migration", why.message))
    return moved
  end
  return again
end

return last_applied
