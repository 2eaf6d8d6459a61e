--- What kubesim.new takes: checks every option and turns it into what the core wants.
local core <const> = require "kubesim.core"
local check <const> = require "kubesim.check"
local durations <const> = require "kubesim.durations"

---@class kubesim.options
local options = {}

local KNOWN <const> = {
  nodes = "number|table", seed = "integer", start = "string", latency = "table|number|string", storage_classes = "table",
  version = "string", feature_gates = "table", kubelet = "string", journal = "boolean",
  memory = "number|string",
}
local NODE <const> = { name = "string", labels = "table", taints = "table", capacity = "table", zone = "string" }
local MINOR <const> = { ["1.34"] = 34, ["1.35"] = 35, ["1.36"] = 36 }

--- pkg/features/kube_features.go: the gates of the simulated releases that workloads meet. `on`: the default, or the first release
--- with the gate on; `locked`: the release from which on it cannot be switched; `since`, `last`: the releases that know it, where not
--- all do; `settable`: what it switches is simulated both ways.
local GATES <const> = {
  MaxUnavailableStatefulSet = { on = false, settable = true }, StatefulSetSemanticRevisionComparison = { on = true, settable = true },
  StaleControllerConsistencyReplicaSet = { on = true, since = 36, settable = true },
  StaleControllerConsistencyStatefulSet = { on = true, since = 36, settable = true },
  DeploymentReplicaSetTerminatingReplicas = { on = 35, settable = true },
  StatefulSetAutoDeletePVC = { on = true, locked = 34, last = 34 }, PodIndexLabel = { on = true, locked = 34, last = 34 },
  TopologyAwareHints = { on = true, locked = 34, last = 35 }, HonorPVReclaimPolicy = { on = true, locked = 34, last = 35 },
  SidecarContainers = { on = true, locked = 34 }, SchedulerQueueingHints = { on = true, locked = 34 },
  NodeInclusionPolicyInPodTopologySpread = { on = true, locked = 34 }, RecoverVolumeExpansionFailure = { on = true, locked = 34 },
  InPlacePodVerticalScaling = { on = true, locked = 35 }, PreferSameTrafficDistribution = { on = true, locked = 35 },
  VolumeAttributesClass = { on = true, locked = 36 }, UserNamespacesSupport = { on = true, locked = 36 },
  PodReadyToStartContainersCondition = { on = true }, MatchLabelKeysInPodTopologySpread = { on = true },
  PodTopologyLabelsAdmission = { on = 35 }, MemoryQoS = { on = false },
}

local function bad(what) check.bad(1, "new", what) end

local function nodes_of(given)
  if given == nil then given = 2 end
  local list = {}
  if type(given) == "number" then
    local n = math.tointeger(given)
    if not n or n < 0 or n > 100000 then bad("option 'nodes': a count from 0 to 100000 expected, got " .. given) end
    for i = 1, n do list[i] = { name = "k8s-node" .. i } end
    return list
  end
  local seen = {}
  for i, node in ipairs(given) do
    if type(node) ~= "table" then bad(("option 'nodes[%d]': table expected, got %s"):format(i, type(node))) end
    for field, value in pairs(node) do
      local offer = not NODE[field] and check.near(tostring(field), NODE)
      if not NODE[field] then
        bad(("option 'nodes[%d]': unknown field '%s'%s"):format(i, field, offer and (", did you mean '" .. offer .. "'?") or ""))
      elseif type(value) ~= NODE[field] then
        bad(("option 'nodes[%d].%s': %s expected, got %s"):format(i, field, NODE[field], type(value)))
      end
    end
    local name = node.name or "k8s-node" .. i
    if seen[name] then bad(("option 'nodes[%d]': the name '%s' is taken"):format(i, name)) end
    seen[name] = true
    for resource, amount in pairs(node.capacity or {}) do
      local quantity, why = core.quantity(tostring(amount))
      if not quantity then bad(("option 'nodes[%d].capacity.%s': %s"):format(i, resource, why)) end
    end
    local taints = node.taints and next(node.taints) ~= nil and node.taints or nil -- {} is no map here
    list[i] = { name = name, labels = node.labels, taints = taints, capacity = node.capacity, zone = node.zone }
  end
  for key in pairs(given) do
    if math.type(key) ~= "integer" or key < 1 or key > #list then bad("option 'nodes': a count or a list of tables expected") end
  end
  return list
end

---A watch's lag: a duration, or two of them, between which each delivery's is drawn.
---@param given any
---@return integer? least ns
---@return integer|string most  or why not
function options.lag(given)
  if type(given) ~= "table" then
    local ns, why = durations.ns(given)
    return ns, ns or why --[[@as string]]
  end
  if #given ~= 2 then return nil, "a duration, or a list of two, expected" end
  local least, why = durations.ns(given[1])
  local most, why_most = durations.ns(given[2])
  if not least or not most then return nil, why or why_most --[[@as string]] end
  if most < least then return nil, "the first of two durations is the longer one" end
  return least, most
end

local function unknown(what, name)
  local offer = check.near(name, core.components)
  return ("no %s is called '%s'%s"):format(what, name, offer and (", did you mean '" .. offer .. "'?") or "")
end

---Why a component cannot be restarted; nil: it can.
---@param name string
---@return string? why
function options.no_controller(name)
  local component = core.components[name]
  if not component then return unknown("controller", name) end
  if not component.restarts then return ("not supported yet: a restart of '%s'"):format(name) end
end

---The components that a name stands for, sorted; nil and why not.
---@param name string   "statefulset", or "all" for those whose watches can lag
---@return string[]? components
---@return string? why
function options.laggards(name)
  if name ~= "all" then
    local component = core.components[name]
    if component and component.lags then return { name } end
    if component then return nil, ("not supported yet: a lag of the watches of '%s'"):format(name) end
    return nil, unknown("component", name)
  end
  local list = {}
  for component, can in pairs(core.components) do if can.lags then list[#list + 1] = component end end
  table.sort(list)
  return list
end

---Takes "watch" and "watch.NAME" out of what is given: the lags, in ns, sorted by component.
local function lags_of(given)
  local lags, list = {}, {}
  if type(given) ~= "table" then return list end
  local function set(key, component)
    local least, most = options.lag(given[key])
    if not least then bad(("option 'latency.%s': %s"):format(key, most)) end
    local names, why = options.laggards(component)
    if not names then bad(("option 'latency.%s': %s"):format(key, why)) end
    for _, name in ipairs(names) do lags[name] = { least, most } end
  end
  if given.watch ~= nil then set("watch", "all") end
  for key in pairs(given) do
    local component = type(key) == "string" and key:match "^watch%.(.*)$"
    if component then set(key, component) end
  end
  for component, span in pairs(lags) do list[#list + 1] = { component = component, least = span[1], most = span[2] } end
  table.sort(list, function(a, b) return a.component < b.component end)
  return list
end

local function is_of_watches(key) return key == "watch" or tostring(key):find "^watch%." ~= nil end

local function latency_of(given)
  local all = {}
  for name, ns in pairs(core.latencies) do all[name] = ns end
  if given == nil then return all end
  if type(given) ~= "table" then
    local ns, why = durations.ns(given)
    if not ns then bad("option 'latency': " .. why) end
    for name in pairs(all) do all[name] = ns end
    return all
  end
  for name, value in pairs(given) do
    if is_of_watches(name) then goto next end
    if not all[name] then
      local offer = check.near(tostring(name), all)
      bad(("option 'latency': unknown latency '%s'%s"):format(name, offer and (", did you mean '" .. offer .. "'?") or ""))
    end
    local ns, why = durations.ns(value)
    if not ns then bad(("option 'latency.%s': %s"):format(name, why)) end
    all[name] = ns
    ::next::
  end
  return all
end

local function is_on(gate, minor)
  if type(gate.on) == "number" then return minor >= gate.on end
  return gate.on
end

local function check_gate(name, value, minor)
  local gate = GATES[name]
  local function no(format, ...) bad("option 'feature_gates': " .. format:format(...)) end
  if not gate then
    local offer = check.near(tostring(name), GATES)
    no("unrecognized feature gate: %s%s", name, offer and (", did you mean '" .. offer .. "'?") or "")
  elseif minor < (gate.since or 0) then
    no("unrecognized feature gate: %s (there is none before 1.%d)", name, gate.since)
  elseif minor > (gate.last or minor) then
    no("unrecognized feature gate: %s (gone since 1.%d: always on)", name, gate.last + 1)
  elseif type(value) ~= "boolean" then
    bad(("option 'feature_gates.%s': boolean expected, got %s"):format(name, type(value)))
  elseif value ~= is_on(gate, minor) and minor >= (gate.locked or math.huge) then
    no("cannot set feature gate %s to %s, feature is locked to %s", name, value, not value)
  elseif value ~= is_on(gate, minor) and not gate.settable then
    check.fail(("not supported yet: feature gate %s=%s"):format(name, value))
  end
end

local function gates_of(given, minor)
  local set = {}
  for name, gate in pairs(GATES) do set[name] = minor >= (gate.since or 0) and is_on(gate, minor) end
  for name, value in pairs(given or {}) do
    check_gate(name, value, minor)
    set[name] = value
  end
  return set
end

---Bytes; nil where nothing is said.
local function memory_of(given)
  if given == nil then return nil end
  local quantity, why = core.quantity(tostring(given))
  if not quantity then bad("option 'memory': " .. why) end
  local bytes = quantity:value()
  if bytes <= 0 then bad("option 'memory': more than nothing expected, got " .. given) end
  return bytes
end

---The core's options, the lags of watches by component, and how much memory it may take.
---@param opts? table
---@return table
---@return { component: string, least: integer, most: integer }[] lags
---@return integer? bytes
function options.read(opts)
  opts = check.opts(opts, 1, "new", KNOWN)
  local minor = MINOR[opts.version or "1.36"]
  if not minor then bad(("option 'version': \"1.34\", \"1.35\" or \"1.36\" expected, got %q"):format(opts.version)) end
  local kubelet = opts.kubelet or "auto"
  if kubelet ~= "auto" and kubelet ~= "manual" then
    bad(("option 'kubelet': \"auto\" or \"manual\" expected, got %q"):format(kubelet))
  end
  local start = core.time(opts.start or "2026-01-01T00:00:00Z")
  if not start then bad(("option 'start': RFC 3339 text expected, got %q"):format(opts.start)) end
  local gates = gates_of(opts.feature_gates, minor)
  return {
    nodes = nodes_of(opts.nodes), seed = math.tointeger(opts.seed or 0), epoch = start // 1000000000, minor = minor,
    semantic_revisions = gates.StatefulSetSemanticRevisionComparison,
    terminating_replicas = gates.DeploymentReplicaSetTerminatingReplicas,
    max_unavailable = gates.MaxUnavailableStatefulSet, consistent_replicasets = gates.StaleControllerConsistencyReplicaSet,
    consistent_statefulsets = gates.StaleControllerConsistencyStatefulSet, manual = kubelet == "manual",
    no_journal = opts.journal == false, latency = latency_of(opts.latency), storage_classes = opts.storage_classes,
  }, lags_of(opts.latency), memory_of(opts.memory)
end

return options
