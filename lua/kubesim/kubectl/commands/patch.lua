--- kubectl patch. k8s.io/kubectl/pkg/cmd/patch/patch.go.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local scale_of <const> = require "kubesim.kubectl.scale"
local Status <const> = require "kubesim.status"
local values <const> = require "kubesim.kubectl.values"
local writes <const> = require "kubesim.kubectl.writes"

local TYPES <const> = { json = true, merge = true, strategic = true }

local function validate(f, args, dry_run)
  if f.patch ~= "" and f["patch-file"] ~= "" then errors.fail "cannot specify --patch and --patch-file together" end
  if f.patch == "" and f["patch-file"] == "" then
    errors.fail "must specify --patch or --patch-file containing the contents of the patch"
  end
  if f["local"] and #args > 0 then errors.fail "cannot specify --local and server resources" end
  if f["local"] and dry_run == "server" then
    errors.fail "cannot specify --local and --dry-run=server - did you mean --dry-run=client?"
  end
  if f.type ~= "" and not TYPES[f.type:lower()] then
    errors.fail("--type must be one of [json merge strategic], not %s", errors.quote(f.type))
  end
end

---The patch, read as kubectl reads it before it sends it: YAML, or JSON, which is not looked into before the server does.
local function read_patch(f)
  local text = f.patch
  if f["patch-file"] ~= "" then
    local file = io.open(f["patch-file"], "rb")
    text = file and file:read "a"
    if file then file:close() end
    if not text then errors.fail("unable to read patch file: open %s: no such file or directory", f["patch-file"]) end
  end
  if text:find "^%s*{" then -- sent as it is
    local err, patch = errors.try(core.json_decode, text)
    if not err then return patch end
    error(Status.new { code = 400, reason = "BadRequest",
      message = (f.type:lower() == "merge" and "error decoding patch: " or "") .. err.message }, 0)
  end
  local err, list = errors.try(core.yaml_decode, text)
  if err then errors.fail("unable to parse %s: %s", errors.quote(f.patch), (err.message:gsub("^error converting YAML to JSON: ", ""))) end
  return list[1]
end

---What the server answers about a subresource: a Scale, where that is meant.
local function answered(object, subresource) return subresource == "scale" and scale_of(object) or object end

---The object as kubectl itself patches it.
local function patched(ctx, info, patch, way)
  if way == "json" and (patch == nil or patch == core.null) then return info.object end
  if type(patch) ~= "table" then
    errors.fail("%s", way == "json" and require "kubesim.kubectl.json_patch"(info.object, patch)
      or "json: cannot unmarshal string into Go value of type map[string]interface {}")
  end
  local refused, object = errors.try(ctx.core.patched, ctx.core, info.mapping.kind, info.object, patch, way)
  local why = refused and way == "json" and require "kubesim.kubectl.json_patch"(info.object, patch)
  if why then errors.fail("%s", why) end
  if refused then error(refused, 0) end
  -- read again as whatever object it says it is
  if type(object.kind) ~= "string" or object.kind == "" then
    errors.fail("Object 'Kind' is missing in '%s'", core.encode(object, "go"))
  end
  return object
end

return {
  flags = {
    flags.filename, flags.output, flags.record, flags.dry_run, flags.manager "kubectl-patch", { "patch", "p", "string", "" },
    { "patch-file", false, "string", "" }, { "type", false, "string", "strategic" }, { "local", false, "bool", false },
    { "subresource", false, "string", "" },
  },
  run = function(ctx, args)
    local f, dry_run, count = ctx.flags, options.dry_run(ctx), 0
    validate(f, args, dry_run)
    local way = f.type == "" and "strategic" or f.type:lower()
    local patch = read_patch(f)
    local o = { type = way, dry_run = dry_run, manager = f["field-manager"], subresource = f.subresource ~= "" and f.subresource or nil }
    local err = resources.find(ctx, { args = args, files = options.files(ctx), continue_on_error = true,
      subresource = o.subresource }):visit(function(info)
      count = count + 1
      writes.check_subresource(info, o.subresource)
      info.object = answered(info.object, o.subresource)
      local object
      if f["local"] or dry_run == "client" then
        object = patched(ctx, info, patch, way)
      else
        object = answered(writes.patch(ctx, info, core.encode(patch == nil and core.null or patch, "go"), o), o.subresource)
        if f.record then
          local cause = { metadata = { annotations = { ["kubernetes.io/change-cause"] = ctx:change_cause() } } }
          object = writes.patch(ctx, info, cause, { type = "merge", dry_run = dry_run, manager = o.manager })
        end
      end
      -- whether it was a dry run is not said
      output.printer(ctx, values.equal(info.object, object) and "patched (no change)" or "patched", "none")(object)
    end)
    if err then error(err, 0) end
    if count == 0 then errors.fail "no objects passed to patch" end
  end,
}
