-- What the lab shows of a ReplicaSet and a StatefulSet side by side, with its exact manifests.
local kubesim = require "kubesim"
require "kubesim.assertions"

local function manifest(name, replicas)
  local f <close> = assert(io.open("examples/lab/" .. name .. ".yaml"))
  local text = f:read "a"
  return replicas and text:gsub("replicas: %d+", "replicas: " .. replicas) or text
end

local function names(cluster, label)
  local list = {}
  for i, pod in ipairs(cluster:list("pod", { labels = label })) do list[i] = pod.metadata.name end
  return list
end

describe("the lab's ReplicaSet and StatefulSet", function()
  local cluster, order

  before_each(function()
    cluster = kubesim.new { nodes = 2 }
    order = {}
    cluster:watch("pod", function(what, pod, old)
      local function ready(p)
        for _, c in ipairs(p and p.status and p.status.conditions or {}) do
          if c.type == "Ready" then return c.status == "True" end
        end
        return false
      end
      if what == "ADDED" or what == "DELETED" then order[#order + 1] = what .. " " .. pod.metadata.name
      elseif pod.metadata.deletionTimestamp and not old.metadata.deletionTimestamp then
        order[#order + 1] = "TERMINATING " .. pod.metadata.name
      elseif ready(pod) and not ready(old) then order[#order + 1] = "READY " .. pod.metadata.name end
    end)
  end)
  after_each(function() cluster:close() end)

  local function both(replicas)
    cluster:apply(manifest("replica-web", replicas))
    cluster:apply(manifest("stateful-db", replicas))
  end

  it("names pods by a random suffix, or by their ordinal", function()
    both(1)
    cluster:settle()
    local list = names(cluster)
    assert.equal(2, #list)
    assert.matches("^replica%-web%-[bcdfghjklmnpqrstvwxz2456789][bcdfghjklmnpqrstvwxz2456789]" ..
      "[bcdfghjklmnpqrstvwxz2456789][bcdfghjklmnpqrstvwxz2456789][bcdfghjklmnpqrstvwxz2456789]$", list[1])
    assert.equal("stateful-db-0", list[2])
  end)

  it("adds ReplicaSet pods at once, StatefulSet pods when the one before is Ready", function()
    both(1)
    cluster:settle()
    order = {}
    cluster:apply(manifest("replica-web", 3))
    cluster:advance(0)
    assert.equal(3, cluster:count("pod", { labels = "type=web" }))
    cluster:settle()
    order = {}
    cluster:apply(manifest("stateful-db", 3))
    cluster:settle()
    assert.same({ "ADDED stateful-db-1", "READY stateful-db-1", "ADDED stateful-db-2", "READY stateful-db-2" }, order)
  end)

  it("shows ContainerCreating, then Running, in kubectl get po", function()
    cluster:apply(manifest "stateful-db")
    cluster:advance(1)
    assert.matches("^NAME +READY +STATUS +RESTARTS +AGE\nstateful%-db%-0 +0/1 +ContainerCreating +0 +1s\n$", cluster:kubectl "get po")
    cluster:advance(9)
    assert.matches("\nstateful%-db%-0 +1/1 +Running +0 +10s\n$", cluster:kubectl "get po")
  end)

  it("replaces a deleted ReplicaSet pod at once and under another name", function()
    cluster:apply(manifest("replica-web", 3))
    cluster:settle()
    local victim = names(cluster, "type=web")[1]
    cluster:delete("pod/" .. victim)
    cluster:advance(1)
    local list = names(cluster, "type=web")
    assert.equal(4, #list)
    local text = cluster:kubectl "get po"
    assert.matches(victim:gsub("%-", "%%-") .. " +1/1 +Terminating", text)
    cluster:settle()
    list = names(cluster, "type=web")
    assert.equal(3, #list)
    for _, name in ipairs(list) do assert.not_equal(victim, name) end
  end)

  it("replaces a deleted StatefulSet pod under its name when the old one is gone", function()
    cluster:apply(manifest("stateful-db", 3))
    cluster:settle()
    local uid = cluster:get("pod/stateful-db-0").metadata.uid
    order = {}
    cluster:delete "pod/stateful-db-0"
    cluster:advance(9)
    assert.equal(uid, cluster:get("pod/stateful-db-0").metadata.uid)
    assert.equal(3, cluster:count "pod")
    cluster:settle()
    assert.same({ "TERMINATING stateful-db-0", "DELETED stateful-db-0", "ADDED stateful-db-0", "READY stateful-db-0" }, order)
    assert.not_equal(uid, cluster:get("pod/stateful-db-0").metadata.uid)
  end)

  it("terminates all ReplicaSet pods together and StatefulSet pods from the top, each with its 10 s of grace", function()
    both(3)
    cluster:settle()
    local from = cluster:now()
    cluster:apply(manifest("replica-web", 0))
    cluster:advance(9)
    assert.equal(3, cluster:count("pod", { labels = "type=web" }))
    for _, pod in ipairs(cluster:list("pod", { labels = "type=web" })) do
      assert.equal(10, pod.metadata.deletionGracePeriodSeconds)
    end
    cluster:wait_until(function(c) return c:count("pod", { labels = "type=web" }) == 0 end)
    assert.is_true(cluster:now() - from >= 10 and cluster:now() - from < 13)
    order, from = {}, cluster:now()
    cluster:apply(manifest("stateful-db", 0))
    cluster:settle()
    assert.same({ "TERMINATING stateful-db-2", "DELETED stateful-db-2", "TERMINATING stateful-db-1", "DELETED stateful-db-1",
      "TERMINATING stateful-db-0", "DELETED stateful-db-0" }, order)
    assert.is_true(cluster:now() - from >= 30)
  end)
end)
