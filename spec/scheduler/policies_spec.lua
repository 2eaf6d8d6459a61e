-- Scheduling policies written in Lua: what they decide, and what happens when they do what they should not.
local kubesim = require "kubesim"

local function pod(name, scheduler)
  return {
    apiVersion = "v1", kind = "Pod", metadata = { name = name },
    spec = { schedulerName = scheduler, containers = { { name = "main", image = "app:1" } } },
  }
end

local function node_of(cluster, name) return cluster:get("pod/" .. name).spec.nodeName end

describe("a policy", function()
  it("filters and scores beside the default plugins, and shows in the placement", function()
    local cluster <close> = kubesim.new { nodes = 3 }
    cluster:policy {
      name = "Last", weight = 10,
      filter = function(_, node) return node.metadata.name ~= "k8s-node3", "node(s) are the last one" end,
      score = function(_, node) return node.metadata.name == "k8s-node2" and 100 or 0 end,
    }
    cluster:create(pod "web")
    cluster:advance(1)
    assert.equal("k8s-node2", node_of(cluster, "web"))
    local look = cluster:placement "web"
    assert.equal(1000, look.nodes["k8s-node2"].scores.Last)
    assert.equal("Last", look.nodes["k8s-node3"].plugin)
    assert.equal("node(s) are the last one", look.nodes["k8s-node3"].reason)
  end)

  it("speaks in the message of pods that it refuses", function()
    local cluster <close> = kubesim.new { nodes = 2 }
    cluster:policy { name = "No", filter = function() return false, "node(s) were not liked" end }
    cluster:create(pod "web")
    cluster:advance(1)
    local event = cluster:events({ reason = "FailedScheduling" })[1]
    assert.matches("^0/2 nodes are available: 2 node%(s%) were not liked%.", event.message)
  end)

  it("may have a profile of its own, with plugins left out", function()
    local cluster <close> = kubesim.new { nodes = { { name = "small", capacity = { cpu = "1" } } } }
    cluster:policy { name = "Loose", scheduler = "loose", disable = { "NodeResourcesFit" } }
    for _, name in ipairs { "default-scheduler", "loose", "nobody" } do
      local greedy = pod(name, name)
      greedy.spec.containers[1].resources = { requests = { cpu = "2" } }
      cluster:create(greedy)
    end
    cluster:advance(1)
    assert.is_nil(node_of(cluster, "default-scheduler"))
    assert.equal("small", node_of(cluster, "loose"))
    assert.is_nil(node_of(cluster, "nobody"))
    assert.same({}, cluster:events { ref = "pod/nobody" }) -- no scheduler feels responsible
  end)
end)

describe("a policy that raises", function()
  for _, what in ipairs { "filter", "score" } do
    it("stops the run with the very error (" .. what .. "), and the cluster goes on when it has recovered", function()
      local cluster <close> = kubesim.new { nodes = 2 }
      local broken, wrong = true, { "an error of its own" }
      cluster:policy { name = "Moody", [what] = function()
        if broken then error(wrong) end
        return what == "filter" or 1
      end }
      cluster:create(pod "web")
      for _ = 1, 2 do
        local fine, err = pcall(cluster.advance, cluster, 20)
        assert.is_false(fine)
        assert.equal(wrong, err)
      end
      assert.is_nil(node_of(cluster, "web"))
      broken = false
      cluster:advance(20)
      assert.equal("Running", cluster:get("pod/web").status.phase)
    end)
  end

  for title, policy in pairs {
    ["a filter that returns nothing"] = { filter = function() end },
    ["a filter that returns a text"] = { filter = function() return "yes" end },
    ["a reason that is no text"] = { filter = function() return false, {} end },
    ["a score above 100"] = { score = function() return 101 end },
    ["a negative score"] = { score = function() return -1 end },
    ["a score that is no number"] = { score = function() return "5" end },
    ["a score that is not a number at all"] = { score = function() return 0 / 0 end },
    ["an infinite score"] = { score = function() return math.huge end },
    ["a yield"] = { filter = function() return coroutine.yield() end },
  } do
    it("is told about " .. title, function()
      local cluster <close> = kubesim.new { nodes = 2 }
      policy.name = "Odd"
      cluster:policy(policy)
      cluster:create(pod "web")
      local fine, err = pcall(coroutine.wrap(function() cluster:advance(5) end))
      assert.is_false(fine)
      assert.is_string(err)
      assert.is_nil(node_of(cluster, "web"))
    end)
  end
end)

describe("a policy's function", function()
  it("may look at the cluster, and cannot change it", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    local seen = {}
    cluster:policy { name = "Curious", filter = function()
      seen.got = cluster:get("pod/web").metadata.name
      for _, verb in ipairs { "advance", "delete", "create", "fork", "close", "policy" } do
        local fine, err = pcall(cluster[verb], cluster, verb == "advance" and 1 or verb == "delete" and "pod/web" or {})
        seen[verb] = not fine and tostring(err):match "the cluster is at work" or "?"
      end
      return true
    end }
    cluster:create(pod "web")
    cluster:advance(5)
    assert.equal("web", seen.got)
    for _, verb in ipairs { "advance", "delete", "create", "fork", "close" } do
      assert.equal("the cluster is at work", seen[verb], verb)
    end
  end)
end)

describe("what is no policy", function()
  local function refuses(policy, pattern)
    local cluster <close> = kubesim.new { nodes = 1 }
    local fine, err = pcall(cluster.policy, cluster, policy)
    assert.is_false(fine)
    assert.matches(pattern, err)
  end
  local function one() return 1 end

  it("is refused by name", function()
    refuses({ score = one }, "'name'")
    refuses({ name = "", score = one }, "'name'")
    refuses({ name = "NodeResourcesFit", score = one }, "'name'")
    refuses({ name = "x" }, "needs 'filter', 'score' or 'disable'")
    refuses({ name = "x", score = one, weight = 0 }, "'weight'")
    refuses({ name = "x", score = one, weight = math.maxinteger }, "'weight'")
    refuses({ name = "x", score = one, wait = 1 }, "unknown option 'wait'")
    refuses({ name = "x", disable = { "NodeResourceFit" } }, 'no plugin "NodeResourceFit"')
    refuses({ name = "x", disable = { "DefaultBinder" } }, "DefaultBinder")
  end)

  it("is refused when the profile has one of that name", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:policy { name = "x", score = one }
    cluster:policy { name = "x", scheduler = "other", score = one }
    assert.error_matches(function() cluster:policy { name = "x", filter = one } end, 'has a policy "x" already')
  end)
end)
