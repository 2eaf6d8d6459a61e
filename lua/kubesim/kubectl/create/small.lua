--- kubectl create namespace, serviceaccount, priorityclass, quota, poddisruptionbudget.
--- k8s.io/kubectl/pkg/cmd/create/create_{namespace,serviceaccount,priorityclass,quota,pdb}.go.
local create <const> = require "kubesim.kubectl.create.common"
local errors <const> = require "kubesim.kubectl.errors"
local label_selector <const> = require "kubesim.kubectl.label_selector"
local quantities <const> = require "kubesim.kubectl.quantities"

---@class kubesim.kubectl.create.small
local small = {}

local function named(ctx, args)
  local name = create.name(ctx, args)
  if name == "" then errors.fail "name must be specified" end
  return name
end

small.namespace = {
  flags = { create.flags },
  run = function(ctx, args)
    create.run(ctx, { apiVersion = "v1", kind = "Namespace", metadata = { name = named(ctx, args) }, spec = {}, status = {} })
  end,
}

small.serviceaccount = {
  flags = { create.flags },
  run = function(ctx, args)
    create.run(ctx, { apiVersion = "v1", kind = "ServiceAccount", metadata = { name = named(ctx, args) } },
      "failed to create serviceaccount:")
  end,
}

small.priorityclass = {
  flags = { create.flags, { "value", false, "int32", 0 }, { "global-default", false, "bool", false },
    { "description", false, "string", "" }, { "preemption-policy", false, "string", "PreemptLowerPriority" } },
  run = function(ctx, args)
    local f = ctx.flags
    create.run(ctx, { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = create.name(ctx, args) },
      value = f.value, globalDefault = f["global-default"] or nil, description = f.description ~= "" and f.description or nil,
      preemptionPolicy = f["preemption-policy"] }, "failed to create priorityclass:")
  end,
}

local function scopes_of(text)
  if text == "" then return nil end
  local list = {}
  for scope in (text .. ","):gmatch "([^,]*)," do
    if scope == "" then errors.fail 'invalid resource quota scope ""' end
    list[#list + 1] = scope
  end
  return list
end

small.quota = {
  flags = { create.flags, { "hard", false, "string", "" }, { "scopes", false, "string", "" } },
  run = function(ctx, args)
    local f, name = ctx.flags, named(ctx, args)
    create.run(ctx, { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = name },
      spec = { hard = quantities(f.hard), scopes = scopes_of(f.scopes) }, status = {} }, "failed to create quota:")
  end,
}

small.poddisruptionbudget = {
  flags = { create.flags, { "min-available", false, "string", "" }, { "max-unavailable", false, "string", "" },
    { "selector", false, "string", "" } },
  run = function(ctx, args)
    local f, name = ctx.flags, named(ctx, args)
    local min, max = f["min-available"], f["max-unavailable"]
    if f.selector == "" then errors.fail "a selector must be specified" end
    if max == "" and min == "" then errors.fail "one of min-available or max-unavailable must be specified" end
    if max ~= "" and min ~= "" then errors.fail "min-available and max-unavailable cannot be both specified" end
    if min ~= "" and not min:find "^%d+%%?$" then errors.fail "invalid format specified for min-available" end
    if max ~= "" and not max:find "^%d+%%?$" then errors.fail "invalid format specified for max-unavailable" end
    create.run(ctx, { apiVersion = "policy/v1", kind = "PodDisruptionBudget", metadata = { name = name },
      spec = { selector = label_selector(f.selector), minAvailable = min ~= "" and create.int_or_string(min) or nil,
        maxUnavailable = max ~= "" and create.int_or_string(max) or nil },
      status = { currentHealthy = 0, desiredHealthy = 0, disruptionsAllowed = 0, expectedPods = 0 } },
      "failed to create poddisruptionbudgets:")
  end,
}

return small
