--- The public interface: what `require "kubesim"` returns.
---
--- Refusals raise, observations return: what the cluster refuses is an error (kubesim.Status, or `bad argument ...` for wrong
--- Lua arguments); what a person merely finds out comes back as nil and why.
local core <const> = require "kubesim.core"
local Cluster <const> = require "kubesim.cluster"
local check <const> = require "kubesim.check"
local durations <const> = require "kubesim.durations"
local options <const> = require "kubesim.options"

---@class kubesim
local kubesim = { _VERSION = "kubesim 0.1.0" }

---The JSON null, in tables that need one (patches).
kubesim.null = core.null

---A new cluster. Options: nodes, seed, start, latency, storage_classes, version, feature_gates, kubelet, journal.
---@param opts? table
---@return kubesim.Cluster
function kubesim.new(opts)
  local given, lags, memory = options.read(opts)
  local cluster = core.new(given)
  if memory then cluster:limit_memory(memory) end
  for _, lag in ipairs(lags) do cluster:lag(lag.component, lag.least, lag.most) end
  return Cluster.wrap(cluster)
end

---A cluster that cluster:save(path) wrote, as it was then. Watches are not part of it. Functions that it had are given again: of
---policies, and of images by their names, as cluster:policy and cluster:image take them; nothing but the functions is taken from there.
---Raises what stands in the way.
---@param path string
---@param opts? { policies?: table[], images?: table<string, table> }
---@return kubesim.Cluster
function kubesim.load(path, opts)
  check.type(path, 1, "load", "string")
  opts = check.opts(opts, 2, "load", { policies = "table", images = "table" })
  return Cluster.wrap(require "kubesim.saved".load(path, opts.policies or {}, opts.images or {}))
end

---A quantity ("1500m", "1Gi"): compares, adds, subtracts; :value() and :milli_value().
---@param text string|number
---@return userdata? quantity
---@return string? why
function kubesim.quantity(text)
  check.type(text, 1, "quantity", "string", "number")
  return core.quantity(tostring(text))
end

---A label selector, from text ("app=web,tier in (a,b)") or a LabelSelector table.
---@param selector string|table
---@return userdata? selector  with :matches(labels)
---@return string? why
function kubesim.selector(selector)
  check.type(selector, 1, "selector", "string", "table")
  return core.selector(selector)
end

---Seconds of a duration.
---@param x number|string
---@return number
function kubesim.duration(x)
  local ns, why = durations.ns(x)
  if not ns then check.bad(1, "duration", why) end
  return durations.seconds(ns)
end

---kubectl's AGE text for so many seconds.
---@param seconds number
---@return string
function kubesim.human_duration(seconds)
  check.type(seconds, 1, "human_duration", "number")
  return durations.human(seconds)
end

local function encode(name, v, style)
  local text, why = core.encode(v, style)
  if not text then check.bad(1, name, "cannot encode " .. why) end
  return text
end

kubesim.yaml = {}

---The documents of a YAML text.
---@param text string
---@return any[]
function kubesim.yaml.decode(text)
  check.type(text, 1, "decode", "string")
  return core.yaml_decode(text)
end

---A value as YAML, as kubectl prints it.
---@param v any
---@return string
function kubesim.yaml.encode(v) return encode("encode", v, "yaml") end

kubesim.json = {}

---The value of a JSON text.
---@param text string
---@return any
function kubesim.json.decode(text)
  check.type(text, 1, "decode", "string")
  return core.json_decode(text)
end

---A value as JSON; `opts.indent`: as kubectl -o json lays it out.
---@param v any
---@param opts? { indent?: boolean }
---@return string
function kubesim.json.encode(v, opts)
  opts = check.opts(opts, 2, "encode", { indent = "boolean" })
  return encode("encode", v, opts.indent and "indent" or "json")
end

return kubesim
