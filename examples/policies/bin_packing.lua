--- Bin packing: pods go where the most processor time is requested already, so that empty nodes can be switched off.
---
---     cluster:policy(require "examples.policies.bin_packing"(cluster))
local kubesim = require "kubesim"

local function cpu(resources) return kubesim.quantity(resources and resources.cpu or "0"):milli_value() end

---Milli-CPUs that pods request, by node.
local function requested(cluster)
  local sums = {}
  for _, pod in ipairs(cluster:list("pod", { all_namespaces = true })) do
    local node = pod.spec.nodeName
    for _, container in ipairs(node and pod.spec.containers or {}) do
      sums[node] = (sums[node] or 0) + cpu(container.resources.requests)
    end
  end
  return sums
end

---@param cluster kubesim.Cluster
---@return table policy
return function(cluster)
  return {
    name = "BinPacking",
    weight = 10,
    disable = { "NodeResourcesFit", "NodeResourcesBalancedAllocation", "PodTopologySpread" }, -- whose scores would spread them again
    score = function(_, node, state) -- `state` lasts for one attempt to place one pod
      state.requested = state.requested or requested(cluster)
      return math.min(100, 100 * (state.requested[node.metadata.name] or 0) // cpu(node.status.allocatable))
    end,
  }
end
