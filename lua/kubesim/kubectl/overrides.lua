--- --overrides of `kubectl run` and `kubectl expose`. k8s.io/kubectl/pkg/cmd/util/override_options.go.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"

---@class kubesim.kubectl.overrides
local overrides = {}

overrides.flags = { { "overrides", false, "string", "" }, { "override-type", false, "string", "merge" } }

local TYPES <const> = { json = true, merge = true, strategic = true }

---The object with the override in it.
---@param ctx kubesim.kubectl.Context
---@param object table
---@return table
function overrides.apply(ctx, object)
  local text, way = ctx.flags.overrides, ctx.flags["override-type"]
  if text == "" then return object end
  if way == "" then way = "merge" end
  if not TYPES[way] then errors.fail("invalid override type: %s", way) end
  local err, patch = errors.try(core.json_decode, text)
  if err or type(patch) ~= "table" then errors.fail("Invalid JSON Patch") end
  return ctx.core:patched(object.kind, object, patch, way)
end

return overrides
