--- describe of ResourceQuotas, LimitRanges and Namespaces, which show both. Called by describe/init.lua.
---
--- kubectl/pkg/describe/describe.go (describeQuota, describeLimitRange, describeNamespace).
local core <const> = require "kubesim.core"
local blocks <const> = require "kubesim.kubectl.describe.blocks"
local values <const> = require "kubesim.kubectl.values"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

local SCOPES <const> = {
  Terminating = "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being actively"
    .. " terminated by the system.",
  NotTerminating = "Matches all pods that do not have an active deadline. These pods usually include long running pods whose container"
    .. " command is not expected to terminate.",
  BestEffort = "Matches all pods that do not have resource requirements set. These pods have a best effort quality of service.",
  NotBestEffort = "Matches all pods that have at least one resource requirement set. These pods have a burstable or guaranteed quality of"
    .. " service.",
}

local function scopes(w, level, bullet, spec)
  local given = values.sorted(list(spec).scopes, tostring)
  if #given == 0 then return end
  w:write(level, "Scopes:\t%s\n", table.concat(given, ", "))
  for _, scope in ipairs(given) do
    if SCOPES[scope] then w:write(level, "%s %s\n", bullet, SCOPES[scope]) end
  end
end

--- Quantities that show their format; a sum has the format of what it began with.
local OF_FORMAT <const> = { binary = core.quantity "1Ki", exponent = core.quantity "1e3", decimal = core.quantity "1" }

local function format_of(text)
  return text:find "[KMGTPE]i$" and "binary" or text:find "[eE][+-]?%d+$" and "exponent" or "decimal"
end

---What is used, in the format (binary, decimal, with an exponent) of what is allowed.
local function used_text(used, hard)
  local text, format = values.quantity(used), format_of(values.quantity(hard))
  if format == format_of(text) then return text end
  local one = OF_FORMAT[format]
  return tostring(one + core.quantity(tostring(core.quantity(text):value())) - one)
end

---@param w kubesim.describe.Writer
---@param quota table
local function describe_quota(w, quota)
  blocks.name(w, quota)
  scopes(w, 0, " *", quota.spec)
  w:write(0, "Resource\tUsed\tHard\n")
  w:write(0, "--------\t----\t----\n")
  local hard, used = list(at(quota, "status", "hard")), list(at(quota, "status", "used"))
  for _, name in ipairs(values.sorted_keys(hard)) do
    w:write(0, "%s\t%s\t%s\n", name, used_text(used[name], hard[name]), values.quantity(hard[name]))
  end
end

local LIMITS <const> = { "min", "max", "defaultRequest", "default", "maxLimitRequestRatio" }

local function limit_rows(w, prefix, range)
  for _, item in ipairs(list(at(range, "spec", "limits"))) do
    local names = {}
    for _, field in ipairs(LIMITS) do
      for name in pairs(list(item[field])) do names[name] = true end
    end
    for _, name in ipairs(values.sorted_keys(names)) do
      local row = { prefix .. item.type, name }
      for i, field in ipairs(LIMITS) do
        local amount = present(list(item[field])[name])
        row[i + 2] = amount and values.quantity(amount) or "-"
      end
      w:write(0, "%s\n", table.concat(row, "\t"))
    end
  end
end

local HEADER <const> = "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio\n"
local RULE <const> = "----\t--------\t---\t---\t---------------\t-------------\t-----------------------\n"

---@param w kubesim.describe.Writer
---@param range table
local function describe_limit_range(w, range)
  blocks.name(w, range)
  w:write(0, HEADER)
  w:write(0, RULE)
  limit_rows(w, "", range)
end

local function namespace_quotas(w, quotas)
  if #quotas == 0 then
    w:write(0, "No resource quota.\n")
    return
  end
  w:write(0, "Resource Quotas\n")
  for _, quota in ipairs(quotas) do
    w:write(1, "Name:\t%s\n", quota.metadata.name)
    scopes(w, 1, "*", quota.spec)
    w:write(1, "Resource\tUsed\tHard\n")
    w:write(1, "--------\t---\t---\n")
    local hard, used = list(at(quota, "status", "hard")), list(at(quota, "status", "used"))
    for _, name in ipairs(values.sorted_keys(hard)) do
      w:write(1, "%s\t%s\t%s\n", name, values.quantity(used[name]), values.quantity(hard[name]))
    end
  end
end

local function namespace_limits(w, ranges)
  if #ranges == 0 then
    w:write(0, "No LimitRange resource.\n")
    return
  end
  w:write(0, "Resource Limits\n " .. HEADER)
  w:write(0, " " .. RULE)
  for _, range in ipairs(ranges) do limit_rows(w, " ", range) end
end

---@param w kubesim.describe.Writer
---@param namespace table
---@param cx kubesim.describe.Context
local function describe_namespace(w, namespace, cx)
  w:write(0, "Name:\t%s\n", namespace.metadata.name)
  blocks.metadata(w, namespace)
  w:write(0, "Status:\t%s\n", at(namespace, "status", "phase") or "")
  local conditions = at(namespace, "status", "conditions")
  if #list(conditions) > 0 then
    w:write(0, "Conditions:\n")
    w:write(1, "Type\tStatus\tLastTransitionTime\tReason\tMessage\n")
    w:write(1, "----\t------\t------------------\t------\t-------\n")
    for _, c in ipairs(conditions) do
      w:write(1, "%s\t%s\t%s\t%s\t%s\n", c.type, c.status, values.date(c.lastTransitionTime), present(c.reason) or "",
        present(c.message) or "")
    end
  end
  w:write(0, "\n")
  namespace_quotas(w, cx:list("resourcequota", namespace.metadata.name))
  w:write(0, "\n")
  namespace_limits(w, cx:list("limitrange", namespace.metadata.name))
end

return { ResourceQuota = describe_quota, LimitRange = describe_limit_range, Namespace = describe_namespace }
