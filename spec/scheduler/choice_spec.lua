-- What the scheduler finds out about nodes and pods that are drawn from a seed, against a second computation that knows nothing of the
-- first: it follows the plugins of pkg/scheduler/framework/plugins word for word, over all nodes and all pods, each time anew.
local kubesim = require "kubesim"
local dice = require "spec.support.dice"

--- Amounts ------------------------------------------------------------------------------------------------------------------------

local FACTORS <const> = { [""] = 1000, m = 1, M = 10 ^ 9, Mi = 1000 * 2 ^ 20, Gi = 1000 * 2 ^ 30 }

---In thousandths: of the amounts that are drawn here.
local function milli(quantity)
  local number, suffix = quantity:match "^(%d+)(%a*)$"
  return math.tointeger(number * FACTORS[suffix])
end
local function whole(quantity) return (milli(quantity) + 999) // 1000 end

---What a pod asks for (component-helpers/resource: PodRequests); `cpu` and `memory` are for containers that say nothing.
local function asks(pod, cpu, memory)
  local function of(container)
    local requests = container.resources and container.resources.requests or {}
    return requests.cpu and milli(requests.cpu) or cpu, requests.memory and whole(requests.memory) or memory
  end
  local sum, most = { 0, 0 }, { 0, 0 }
  for _, container in ipairs(pod.spec.containers) do
    local c, m = of(container)
    sum = { sum[1] + c, sum[2] + m }
  end
  for _, container in ipairs(pod.spec.initContainers or {}) do
    local c, m = of(container)
    most = { math.max(most[1], c), math.max(most[2], m) }
  end
  return { math.max(sum[1], most[1]), math.max(sum[2], most[2]) }
end

local function said(pod) return asks(pod, 0, 0) end
local function taken_for(pod) return asks(pod, 100, 200 * 1024 * 1024) end

local function sum_on(node, pods, amounts)
  local sum, count = { 0, 0 }, 0
  for _, pod in ipairs(pods) do
    if pod.spec.nodeName == node.metadata.name then
      local one = amounts(pod)
      sum, count = { sum[1] + one[1], sum[2] + one[2] }, count + 1
    end
  end
  return sum, count
end

--- Taints and labels ---------------------------------------------------------------------------------------------------------------

local function tolerates(toleration, taint)
  if (toleration.effect or "") ~= "" and toleration.effect ~= taint.effect then return false end
  if (toleration.key or "") ~= "" and toleration.key ~= taint.key then return false end
  return toleration.operator == "Exists" or (toleration.value or "") == (taint.value or "")
end

local function tolerated(tolerations, taint)
  for _, toleration in ipairs(tolerations or {}) do
    if tolerates(toleration, taint) then return true end
  end
  return false
end

local function holds(e, labels)
  local value = labels[e.key]
  if e.operator == "Exists" then return value ~= nil end
  if e.operator == "DoesNotExist" then return value == nil end
  if e.operator == "Gt" or e.operator == "Lt" then
    local have, limit = math.tointeger(tonumber(value or "")), math.tointeger(tonumber(e.values[1]))
    if not have then return false end
    if e.operator == "Gt" then return have > limit end
    return have < limit
  end
  local is_in = false
  for _, v in ipairs(e.values) do is_in = is_in or v == value end
  return is_in == (e.operator == "In")
end

local function all_hold(expressions, labels)
  for _, e in ipairs(expressions) do
    if not holds(e, labels) then return false end
  end
  return true
end

local function affinity_of(pod) return pod.spec.affinity and pod.spec.affinity.nodeAffinity or {} end

local function suits(pod, labels)
  for key, value in pairs(pod.spec.nodeSelector or {}) do
    if labels[key] ~= value then return false end
  end
  local required = affinity_of(pod).requiredDuringSchedulingIgnoredDuringExecution
  for _, term in ipairs(required and required.nodeSelectorTerms or {}) do
    if all_hold(term.matchExpressions, labels) then return true end
  end
  return required == nil
end

--- Filters --------------------------------------------------------------------------------------------------------------------------

---The plugin that filters a node out, and why; nil: it will do.
local function filtered(pod, node, pods)
  local tolerations = pod.spec.tolerations
  if node.spec.unschedulable and not tolerated(tolerations, { key = "node.kubernetes.io/unschedulable", effect = "NoSchedule" }) then
    return "NodeUnschedulable", "node(s) were unschedulable"
  end
  for _, taint in ipairs(node.spec.taints or {}) do
    if taint.effect ~= "PreferNoSchedule" and not tolerated(tolerations, taint) then
      return "TaintToleration", "node(s) had untolerated taint(s)"
    end
  end
  if not suits(pod, node.metadata.labels) then return "NodeAffinity", "node(s) didn't match Pod's node affinity/selector" end
  local has, can, wants, why = { sum_on(node, pods, said) }, node.status.allocatable, said(pod), {}
  if has[2] + 1 > whole(can.pods) then why[#why + 1] = "Too many pods" end
  if wants[1] > 0 and wants[1] > milli(can.cpu) - has[1][1] then why[#why + 1] = "Insufficient cpu" end
  if wants[2] > 0 and wants[2] > whole(can.memory) - has[1][2] then why[#why + 1] = "Insufficient memory" end
  if #why > 0 then return "NodeResourcesFit", table.concat(why, ", ") end
end

--- Scores ---------------------------------------------------------------------------------------------------------------------------

local function evenness(amounts, limits)
  local parts = { math.min(amounts[1] / limits[1], 1.0), math.min(amounts[2] / limits[2], 1.0) }
  return math.floor((1 - math.abs((parts[1] - parts[2]) / 2)) * 100)
end

local function plus(a, b) return { a[1] + b[1], a[2] + b[2] } end

---Of nodes that will do, by name: {plugin = weighted score}.
local function scored(pod, nodes, pods)
  local scores, taints, wishes = {}, {}, {}
  local preferences = affinity_of(pod).preferredDuringSchedulingIgnoredDuringExecution
  local for_preferences = {}
  for _, toleration in ipairs(pod.spec.tolerations or {}) do
    if (toleration.effect or "") == "" or toleration.effect == "PreferNoSchedule" then
      for_preferences[#for_preferences + 1] = toleration
    end
  end
  local most_taints, most_wishes = 0, 0
  for _, node in ipairs(nodes) do
    local name, can = node.metadata.name, node.status.allocatable
    local limits = { milli(can.cpu), whole(can.memory) }
    local wants, all = said(pod), plus(sum_on(node, pods, taken_for), taken_for(pod))
    local left = {}
    for i = 1, 2 do left[i] = all[i] > limits[i] and 0 or (limits[i] - all[i]) * 100 // limits[i] end
    scores[name] = { NodeResourcesFit = (left[1] + left[2]) // 2, ImageLocality = 0, DynamicResources = 0 }
    if wants[1] > 0 or wants[2] > 0 then
      local before = sum_on(node, pods, said)
      scores[name].NodeResourcesBalancedAllocation =
        50 + (50 + evenness(plus(before, wants), limits) - evenness(before, limits)) // 2
    end
    taints[name], wishes[name] = 0, 0
    for _, taint in ipairs(node.spec.taints or {}) do
      if taint.effect == "PreferNoSchedule" and not tolerated(for_preferences, taint) then taints[name] = taints[name] + 1 end
    end
    for _, wish in ipairs(preferences or {}) do
      if all_hold(wish.preference.matchExpressions, node.metadata.labels) then wishes[name] = wishes[name] + wish.weight end
    end
    most_taints, most_wishes = math.max(most_taints, taints[name]), math.max(most_wishes, wishes[name])
  end
  for name, of in pairs(scores) do
    of.TaintToleration = 3 * (most_taints == 0 and 100 or 100 - 100 * taints[name] // most_taints)
    if preferences then of.NodeAffinity = 2 * (most_wishes == 0 and 0 or 100 * wishes[name] // most_wishes) end
  end
  return scores
end

---What cluster:placement() is to say of the nodes.
local function expected(pod, nodes, pods)
  local looks, left = {}, {}
  for _, node in ipairs(nodes) do
    local plugin, reason = filtered(pod, node, pods)
    looks[node.metadata.name] = plugin and { plugin = plugin, reason = reason } or {}
    if not plugin then left[#left + 1] = node end
  end
  if #left < 2 then return looks, left end
  for name, scores in pairs(scored(pod, left, pods)) do
    local total = 0
    for _, score in pairs(scores) do total = total + score end
    looks[name] = { total = total, scores = scores }
  end
  return looks, left
end

--- What is drawn ---------------------------------------------------------------------------------------------------------------------

local function some_labels(roll)
  return {
    disk = roll.one_of { "ssd", "hdd" }, rack = roll.chance(50) and tostring(roll.below(5)) or nil, gpu = roll.chance(30) and "" or nil,
  }
end

local function some_nodes(roll)
  local nodes = {}
  for i = 1, 2 + roll.below(8) do
    local taints = {}
    for _ = 1, roll.below(3) do
      taints[#taints + 1] = { key = roll.one_of { "a", "b" } .. #taints, value = roll.one_of { "x", "y" },
        effect = roll.one_of { "NoSchedule", "PreferNoSchedule", "PreferNoSchedule", "NoExecute" } }
    end
    nodes[i] = { name = "n" .. i, labels = some_labels(roll), taints = #taints > 0 and taints or nil,
      capacity = { cpu = 500 * (1 + roll.below(8)) .. "m", memory = (1 + roll.below(6)) .. "Gi", pods = 2 + roll.below(9) } }
  end
  return nodes
end

local function some_expressions(roll)
  local list = {}
  for _ = 1, 1 + roll.below(2) do
    local e = { key = roll.one_of { "disk", "rack", "gpu" } }
    e.operator = roll.one_of { "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt" }
    if e.operator == "Gt" or e.operator == "Lt" then
      e.key, e.values = "rack", { tostring(roll.below(5)) }
    elseif e.operator == "In" or e.operator == "NotIn" then
      e.values = { roll.one_of { "ssd", "hdd", "1", "2" }, roll.one_of { "3", "" } }
    end
    list[#list + 1] = e
  end
  return list
end

local function some_container(roll, name)
  local requests = {}
  if roll.chance(60) then requests.cpu = roll.below(1200) .. "m" end
  if roll.chance(60) then requests.memory = roll.one_of { "100M", "256Mi", "1Gi", "1500000001" } end
  return { name = name, image = "app", resources = { requests = requests } }
end

local function some_pod(roll, name)
  local spec = { containers = { some_container(roll, "c") }, tolerations = {} }
  if roll.chance(30) then spec.containers[2] = some_container(roll, "d") end
  if roll.chance(20) then spec.initContainers = { some_container(roll, "i") } end
  for _ = 1, roll.below(4) do
    local exists = roll.chance(50)
    spec.tolerations[#spec.tolerations + 1] = {
      key = roll.one_of { "a0", "b0", "a1", "b1", "node.kubernetes.io/unschedulable", exists and "" or "a0" },
      operator = exists and "Exists" or nil, value = not exists and roll.one_of { "x", "y" } or nil,
      effect = roll.one_of { "NoSchedule", "PreferNoSchedule", "NoExecute", "" } }
  end
  if roll.chance(20) then spec.nodeSelector = { disk = roll.one_of { "ssd", "hdd" } } end
  local affinity = {}
  if roll.chance(30) then
    affinity.requiredDuringSchedulingIgnoredDuringExecution = { nodeSelectorTerms = {
      { matchExpressions = some_expressions(roll) }, roll.chance(50) and { matchExpressions = some_expressions(roll) } or nil } }
  end
  if roll.chance(40) then
    affinity.preferredDuringSchedulingIgnoredDuringExecution = {
      { weight = 1 + roll.below(100), preference = { matchExpressions = some_expressions(roll) } },
      { weight = 1 + roll.below(100), preference = { matchExpressions = some_expressions(roll) } } }
  end
  if next(affinity) then spec.affinity = { nodeAffinity = affinity } end
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name }, spec = spec }
end

describe("a look at nodes and a pod that are drawn at random", function()
  for seed = 1, 25 do
    it(("filters, scores and chooses by the words of the plugins (seed %d)"):format(seed), function()
      local roll = dice(seed)
      local cluster <close> = kubesim.new { nodes = some_nodes(roll), seed = seed }
      local placed = 0
      for i = 1, 25 do
        if roll.chance(30) then
          local node = roll.one_of(cluster:list "node").metadata.name
          cluster:patch("node/" .. node, { spec = { unschedulable = roll.chance(50) and true or kubesim.null } })
        end
        if roll.chance(30) then
          cluster:patch("node/" .. roll.one_of(cluster:list "node").metadata.name, { metadata = { labels = some_labels(roll) } })
        end
        cluster:advance(1)
        local nodes, pods, name = cluster:list "node", cluster:list "pod", "p" .. i
        cluster:create(some_pod(roll, name))
        local looks, left = expected(cluster:get("pod/" .. name), nodes, pods)
        cluster:advance(1)
        local told = cluster:placement(name)
        assert.same(looks, told.nodes)
        assert.equal(told.node, cluster:get("pod/" .. name).spec.nodeName)
        local best = -1
        for _, node in ipairs(left) do best = math.max(best, looks[node.metadata.name].total or 0) end
        if #left > 0 then
          assert.equal(best, looks[told.node].total or 0)
          placed = placed + 1
        else
          assert.is_nil(told.node)
          cluster:delete("pod/" .. name)
        end
      end
      assert.is_true(placed > 0)
    end)
  end
end)
