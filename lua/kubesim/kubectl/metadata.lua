--- What `kubectl label` and `kubectl annotate` have in common: finding the objects, --list, the merge patch.
--- k8s.io/kubectl/pkg/cmd/{label/label,annotate/annotate}.go.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local pairs_of <const> = require "kubesim.kubectl.pairs"
local resources <const> = require "kubesim.kubectl.resources"
local writes <const> = require "kubesim.kubectl.writes"

---@class kubesim.kubectl.metadata
local metadata = {}

metadata.flags = {
  flags.filename, flags.output, flags.record, flags.dry_run, flags.selector, flags.field_selector, flags.all_namespaces,
  { "overwrite", false, "bool", false }, { "list", false, "bool", false }, { "local", false, "bool", false },
  { "all", false, "bool", false }, { "resource-version", false, "string", "" },
}

---The refusals that both have.
---@param ctx kubesim.kubectl.Context
---@param words string[]  resources
---@param file string  what a file is called in the messages
---@param dry_run string
function metadata.validate(ctx, words, file, dry_run)
  local f = ctx.flags
  if f.all and f.selector ~= "" then errors.fail "cannot set --all and --selector at the same time" end
  if f.all and f["field-selector"] ~= "" then errors.fail "cannot set --all and --field-selector at the same time" end
  local none = #f.filename == 0 and f.kustomize == ""
  if f["local"] then
    if dry_run == "server" then errors.fail "cannot specify --local and --dry-run=server - did you mean --dry-run=client?" end
    if #words > 0 then
      errors.fail("can only use local files by -f %s.yaml or --filename=%s.json when --local=true is set", file, file)
    end
    if none then errors.fail("one or more files must be specified as -f %s.yaml or --filename=%s.json", file, file) end
  elseif #words < 1 and none then
    errors.fail "one or more resources must be specified as <resource> <name> or <resource>/<name>"
  end
end

---The objects that are meant; with what --resource-version demands of them.
---@param ctx kubesim.kubectl.Context
---@param words string[]
---@return kubesim.kubectl.Result
function metadata.find(ctx, words)
  local f = ctx.flags
  local opts = { files = options.files(ctx), continue_on_error = true }
  if not f["local"] then
    opts.args, opts.allow_empty_selector, opts.labels, opts.fields = words, f.all, f.selector, f["field-selector"]
    opts.all_namespaces, opts.latest = f["all-namespaces"], true
  end
  local found = resources.find(ctx, opts)
  if not found.single and f["resource-version"] ~= "" then
    errors.fail "--resource-version may only be used with a single resource"
  end
  return found
end

---Changes the object in memory as a patch of its map would.
---@param object table
---@param which "labels"|"annotations"
---@param new table<string, string>
---@param removed string[]
---@return boolean added
---@return boolean removed
function metadata.change(object, which, new, removed)
  local map, added, gone = object.metadata[which], false, false
  if not map or map == core.null then map = {} end
  for key, value in pairs(new) do
    added = added or map[key] ~= value
    map[key] = value
  end
  for _, key in ipairs(removed) do
    gone = gone or map[key] ~= nil
    map[key] = nil
  end
  object.metadata[which] = map
  return added, gone
end

---The merge patch that does the same on the server.
---@param before table<string, string>  the map as it was
---@param which string
---@param new table<string, string>
---@param removed string[]
---@param version string  "" for none
---@return table
function metadata.patch(before, which, new, removed, version)
  local map = {}
  for key, value in pairs(new) do
    if before[key] ~= value then map[key] = value end
  end
  for _, key in ipairs(removed) do
    if before[key] ~= nil then map[key] = core.null end
  end
  local patch = { metadata = { resourceVersion = version ~= "" and version or nil } }
  if next(map) then patch.metadata[which] = map end
  return patch
end

---Prints the map for --list.
---@param ctx kubesim.kubectl.Context
---@param info kubesim.kubectl.Info
---@param which string
---@param single boolean
function metadata.list(ctx, info, which, single)
  if not single then ctx:outf("Listing %s for %s.%s/%s:\n", which, info.mapping.kind, info.mapping.group, info.name) end
  local map = info.object.metadata[which]
  for _, key in ipairs(pairs_of.keys(map and map ~= core.null and map or {})) do
    ctx:outf("%s%s=%s\n", single and "" or " ", key, map[key])
  end
end

---Sends the patch.
---@param ctx kubesim.kubectl.Context
---@param info kubesim.kubectl.Info
---@param patch table
---@param dry_run string
---@return table object
function metadata.send(ctx, info, patch, dry_run)
  return writes.patch(ctx, info, patch, { type = "merge", dry_run = dry_run, manager = ctx.flags["field-manager"] })
end

return metadata
