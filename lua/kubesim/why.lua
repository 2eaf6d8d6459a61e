--- Why something is not as it should be: names the causes of what is held up, and the causes of those. cluster.lua calls it, for
--- cluster:why and for the words with which wait_for gives up.
---
--- An explainer of a kind is a function of (the object, the look) that returns a sentence about the object and a list of causes. A cause
--- is a sentence, or { sentence, causes = {...} }. The explainers look at the cluster's objects and Events alone, as a person would.
local check <const> = require "kubesim.check"
local Look <const> = require "kubesim.why.look"

---@class kubesim.why
local why = {}

local FAMILIES <const> = { "pod", "storage", "workloads", "service", "other" }

---@type table<string, fun(object: table, look: kubesim.why.Look): string, table?>
local explainers <const> = {}
for _, family in ipairs(FAMILIES) do
  for kind, explainer in pairs(require("kubesim.why." .. family)) do explainers[kind] = explainer end
end

local function render(lines, cause, depth)
  if type(cause) == "string" then cause = { cause } end
  lines[#lines + 1] = ("  "):rep(depth) .. cause[1]
  for _, inner in ipairs(cause.causes or {}) do render(lines, inner, depth + 1) end
end

local function text_of(cause)
  local lines = {}
  render(lines, cause, 0)
  return table.concat(lines, "\n")
end

---The causes of what an object is held up by.
---@param handle userdata the cluster's core
---@param info table the kind
---@param namespace string
---@param name string
---@return string
function why.object(handle, info, namespace, name)
  return text_of(Look.new(handle, namespace, explainers):explain(info.kind, namespace, name))
end

---Why a name resolves to what it does, or to nothing.
---@param handle userdata the cluster's core
---@param namespace string
---@param pod string? the pod that asks
---@param name string
---@return string
function why.name(handle, namespace, pod, name)
  return text_of(require "kubesim.why.name"(Look.new(handle, namespace, explainers), pod, name))
end

---"sts/web", or a DNS name.
---@param cluster kubesim.Cluster
---@param subject string
---@param opts { from?: string, namespace?: string }
---@return string
function why.text(cluster, subject, opts)
  local namespace = opts.namespace or "default"
  local kind, name = subject:match "^([^/]+)/([^/]+)$"
  if not kind then
    if subject == "" or subject:find "[/%s]" then
      check.bad(1, "why", ("a reference \"kind/name\" or a DNS name expected, got %q"):format(subject))
    end
    return why.name(cluster.core, namespace, opts.from, subject)
  end
  local info = cluster.core:kind(kind)
  if not info then
    error(require "kubesim.status".client(("error: the server doesn't have a resource type %q"):format(kind)), 0)
  end
  return why.object(cluster.core, info, info.namespaced and namespace or "", name)
end

return why
