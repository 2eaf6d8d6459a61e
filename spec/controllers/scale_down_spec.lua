-- Which pods of a ReplicaSet go first when it shrinks does not depend on how the controller finds them.
local kubesim = require "kubesim"

---A generator of its own, so that a seed means the same everywhere.
local function dice(seed)
  local state = seed
  return function(n)
    state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
    return (state >> 33) % n + 1
  end
end

local function deployment(name, replicas)
  return {
    apiVersion = "apps/v1", kind = "Deployment", metadata = { name = name },
    spec = { replicas = replicas, selector = { matchLabels = { app = name } },
      template = { metadata = { labels = { app = name } }, spec = { containers = { { name = "main", image = "app:1" } } } } },
  }
end

---A life of roll-outs and scaling. A bystander with a pod-template-hash makes the controller look at every pod; with any other
---label it counts by what it keeps.
local function live(seed, label)
  local roll = dice(seed)
  local cluster = kubesim.new { nodes = ({ 2, 5, 12 })[roll(3)], seed = seed }
  cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "bystander", labels = { [label] = "none" } },
    spec = { containers = { { name = "main", image = "app:1" } } } }
  local names = { "web", roll(2) == 1 and "api" or nil }
  for _, name in ipairs(names) do cluster:create(deployment(name, roll(40))) end
  for round = 2, 9 do
    cluster:advance(roll(15))
    local name, act = names[roll(#names)], roll(6)
    if act <= 2 then
      cluster:kubectl(("set image deploy/%s main=app:%d"):format(name, round))
    elseif act == 3 then
      local pods = cluster:list("pod", { labels = "app=" .. name })
      if #pods > 0 then
        cluster:kubectl(("annotate pod %s controller.kubernetes.io/pod-deletion-cost=%d --overwrite")
          :format(pods[roll(#pods)].metadata.name, roll(9) - 5))
      end
    else
      cluster:kubectl(("scale deploy/%s --replicas=%d"):format(name, roll(40)))
    end
  end
  return cluster
end

describe("a ReplicaSet that shrinks", function()
  for seed = 1, 20 do
    it(("deletes the same pods however they are found (seed %d)"):format(seed), function()
      local kept <close> = live(seed, "some-label")
      local walked <close> = live(seed, "pod-template-hash")
      local function told(cluster)
        local out = {}
        for i, event in ipairs(cluster:events { reason = "SuccessfulDelete" }) do out[i] = event.message end
        return out
      end
      assert.same(told(walked), told(kept))
    end)
  end
end)
