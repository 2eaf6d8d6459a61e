-- Pods that keep apart by more topology keys than anybody names.
local kubesim = require "kubesim"

describe("a pod that keeps others away from twenty kinds of domains", function()
  local KEYS <const> = 20

  local function terms()
    local list = {}
    for i = 1, KEYS do list[i] = { topologyKey = "example.com/k" .. i, labelSelector = { matchLabels = { app = "x" } } } end
    return list
  end

  local function pod(name, anti)
    return {
      apiVersion = "v1", kind = "Pod", metadata = { name = name, labels = { app = "x" } },
      spec = { containers = { { name = "c", image = "i" } }, affinity = anti and { podAntiAffinity = anti } } }
  end

  ---Nodes a and b, which share the domain of one key, and c, which shares none.
  local function cluster_where(shared)
    local nodes = {}
    for n, name in ipairs { "a", "b", "c" } do
      local labels = {}
      for i = 1, KEYS do labels["example.com/k" .. i] = i == shared and n < 3 and "both" or name end
      nodes[n] = { name = name, labels = labels }
    end
    return kubesim.new { nodes = nodes }
  end

  for _, shared in ipairs { 1, 16, 17, KEYS } do
    it(("is heard in the one that two nodes share, be it number %d"):format(shared), function()
      local cluster <close> = cluster_where(shared)
      local first = pod("first", { requiredDuringSchedulingIgnoredDuringExecution = terms() })
      first.spec.nodeSelector = { ["example.com/k" .. (shared == 1 and 2 or 1)] = "a" }
      cluster:create(first)
      assert(cluster:settle())
      assert.equal("a", cluster:get("pod/first").spec.nodeName)
      cluster:create { pod("second"), pod("third") }
      assert(cluster:settle { timeout = "10m" })
      assert.equal("c", cluster:get("pod/second").spec.nodeName)
      assert.equal("c", cluster:get("pod/third").spec.nodeName)
    end)

    it(("is placed apart where it only prefers that, be the shared one number %d"):format(shared), function()
      local cluster <close> = cluster_where(shared)
      local first, weighted = pod("first"), {}
      first.spec.nodeSelector = { ["example.com/k" .. (shared == 1 and 2 or 1)] = "a" }
      cluster:create(first)
      assert(cluster:settle())
      for i, term in ipairs(terms()) do weighted[i] = { weight = 5, podAffinityTerm = term } end
      cluster:create(pod("second", { preferredDuringSchedulingIgnoredDuringExecution = weighted }))
      assert(cluster:settle())
      local scores = cluster:placement("second").nodes
      assert.is_true(scores.a.scores.InterPodAffinity < scores.b.scores.InterPodAffinity)
      assert.is_true(scores.b.scores.InterPodAffinity < scores.c.scores.InterPodAffinity)
    end)
  end
end)
