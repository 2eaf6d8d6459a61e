--- A quota per zone: at most so many pods of an application in one zone, whatever the scheduler would prefer.
---
---     cluster:policy(require "examples.policies.zone_quota"(cluster, 2))

local ZONE <const> = "topology.kubernetes.io/zone"

---@param cluster kubesim.Cluster
---@param most integer pods of one `app` in one zone
---@return table policy
return function(cluster, most)
  local function count(app)
    local zones, counts = {}, {}
    for _, node in ipairs(cluster:list "node") do zones[node.metadata.name] = node.metadata.labels[ZONE] end
    for _, pod in ipairs(cluster:list("pod", { labels = { app = app } })) do
      local zone = zones[pod.spec.nodeName]
      if zone then counts[zone] = (counts[zone] or 0) + 1 end
    end
    return counts
  end

  return {
    name = "ZoneQuota",
    filter = function(pod, node, state)
      local app, zone = pod.metadata.labels and pod.metadata.labels.app, node.metadata.labels[ZONE]
      if not app or not zone then return true end
      state.counts = state.counts or count(app)
      if (state.counts[zone] or 0) < most then return true end
      return false, ("zone %s has %d pods of %s already"):format(zone, most, app)
    end,
  }
end
