--- The values of flags that several changing commands have: --dry-run, --validate, --cascade; -f's refusals.
---
--- k8s.io/kubectl/pkg/cmd/util/helpers.go; pkg/cmd/delete/delete_flags.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"

---@class kubesim.kubectl.options
local options = {}

--- klog writes its warnings with a head of time and place, which has no counterpart here.
local function klog(ctx, text) ctx:err("W " .. text .. "\n") end

---@param ctx kubesim.kubectl.Context
---@return "none"|"client"|"server"
function options.dry_run(ctx)
  local given = ctx.flags["dry-run"]
  if given == "none" or given == "client" or given == "server" then return given end
  if given == "unchanged" then
    klog(ctx, "--dry-run is deprecated and can be replaced with --dry-run=client.")
    return "client"
  end
  local value = flags.bool(given)
  if value == nil then errors.fail('Invalid dry-run value (%s). Must be "none", "server", or "client".', given) end
  local strategy = value and "client" or "none"
  klog(ctx, ("--dry-run=%s is deprecated (boolean value) and can be replaced with --dry-run=%s."):format(given, strategy))
  return strategy
end

local DIRECTIVES <const> = { strict = "Strict", warn = "Warn", ignore = "Ignore" }

---@param ctx kubesim.kubectl.Context
---@return "Strict"|"Warn"|"Ignore"
function options.validate(ctx)
  local given = ctx.flags.validate
  if DIRECTIVES[given] then return DIRECTIVES[given] end
  local value = flags.bool(given)
  if value == nil then
    errors.fail("invalid - validate option %s; must be one of: strict (or true), warn, ignore (or false)", errors.quote(given))
  end
  return value and "Strict" or "Ignore"
end

---@param ctx kubesim.kubectl.Context
---@return "background"|"foreground"|"orphan"
function options.cascade(ctx)
  local given = ctx.flags.cascade
  if given == "background" or given == "foreground" or given == "orphan" then return given end
  local value = flags.bool(given)
  if value == nil then errors.fail('invalid cascade value (%s). Must be "background", "foreground", or "orphan"', given) end
  local way = value and "background" or "orphan"
  ctx:err(("warning: --cascade=%s is deprecated (boolean value) and can be replaced with --cascade=%s.\n"):format(given, way))
  return way
end

---The names that -f gave; -k is refused by name.
---@param ctx kubesim.kubectl.Context
---@return string[]
function options.files(ctx)
  if ctx.flags.kustomize ~= "" then
    if #ctx.flags.filename > 0 then errors.fail "only one of -f or -k can be specified" end
    if ctx.flags.recursive then errors.fail "the -k flag can't be used with -f or -R" end
    error(errors.verbatim("not supported: " .. ctx.path .. " -k"), 0)
  end
  return ctx.flags.filename
end

---The same, where a file has to be named.
---@param ctx kubesim.kubectl.Context
---@return string[]
function options.required_files(ctx)
  local files = options.files(ctx)
  if #files == 0 then errors.fail "must specify one of -f and -k" end
  return files
end

---Words as Go's %v prints a list of texts.
---@param args string[]
---@return string
function options.list(args) return "[" .. table.concat(args, " ") .. "]" end

---Raises a usage error when words stand where none belong.
---@param ctx kubesim.kubectl.Context
---@param args string[]
function options.no_args(ctx, args)
  if #args > 0 then ctx:usage_error("Unexpected args: %s", options.list(args)) end
end

return options
