-- What becomes of claims whose binding the API server refused for a while.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local function volume(name)
  return { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = name }, spec = {
    capacity = { storage = "1Gi" }, accessModes = { "ReadWriteOnce" }, storageClassName = "", hostPath = { path = "/srv" } } }
end

local claim = { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "data" }, spec = {
  storageClassName = "", accessModes = { "ReadWriteOnce" }, resources = { requests = { storage = "1Gi" } } } }

---Seconds until claims are bound whose binder could write nothing at first: the shortest and the longest time of those lives in which
---the refused writes, and not those that were done all the same, had the last word.
local function seconds_to_bind(version)
  local shortest, longest = math.huge, 0
  for seed = 1, 20 do
    local cluster <close> = kubesim.new { nodes = 1, version = version, seed = seed }
    cluster:create(volume "disk")
    cluster:advance(1)
    cluster:fail_writes("persistentvolume", 1)
    cluster:create(claim)
    cluster:advance(0)
    cluster:fail_writes("persistentvolume", 0)
    local function bound(c) return c:get "pvc/data".status.phase == "Bound" end
    if not bound(cluster) then
      local from = cluster:now()
      assert(cluster:wait_until(bound, { timeout = "1m" }))
      local seconds = cluster:now() - from
      shortest, longest = math.min(shortest, seconds), math.max(longest, seconds)
    end
  end
  return shortest, longest
end

describe("a claim whose binding failed", function()
  it("is bound after the back-off", function()
    local shortest, longest = seconds_to_bind "1.36"
    assert.is_true(shortest > 0 and longest < 1, ("%g to %g s"):format(shortest, longest))
  end)

  it("waits for the binder's next look at all claims before 1.36, which comes every 15 s", function()
    for _, version in ipairs { "1.34", "1.35" } do
      local shortest, longest = seconds_to_bind(version)
      assert.is_true(shortest >= 14 and longest < 15, ("%g to %g s"):format(shortest, longest))
    end
  end)
end)

describe("a volume that was made for a claim that could not be bound to it yet", function()
  ---Plays such lives: those in which writes were refused, and not done all the same, are of interest.
  local function lives(play)
    local count = 0
    for seed = 1, 8 do
      local cluster <close> = kubesim.new { nodes = 1, seed = seed, latency = { provision = "1s" } }
      cluster:create(workload.claim("data", "fast"))
      cluster:advance(0.5)
      cluster:fail_writes("persistentvolume", 1)
      assert(cluster:wait_until(function() return cluster:count "pv" == 1 end))
      cluster:advance(0)
      if not cluster:get "pvc/data".spec.volumeName then
        count = count + 1
        play(cluster)
      end
    end
    assert.is_true(count > 2)
  end

  it("is not made a second time when the claim changes", function()
    lives(function(cluster)
      cluster:patch("pvc/data", { metadata = { labels = { look = "again" } } })
      cluster:advance(0)
      local told = cluster:events { ref = "pvc/data", reason = "Provisioning" }
      assert.same({ 1, 1 }, { #told, told[1].count })
      cluster:fail_writes("persistentvolume", 0)
      cluster:advance "1h"
      assert.equal("Bound", cluster:get "pvc/data".status.phase)
      assert.equal(1, cluster:count "pv")
    end)
  end)

  it("is deleted when the claim goes meanwhile", function()
    lives(function(cluster)
      cluster:delete "pvc/data"
      cluster:advance(0)
      cluster:fail_writes("persistentvolume", 0)
      cluster:advance "1h"
      assert.same({ 0, 0 }, { cluster:count "pvc", cluster:count "pv" })
    end)
  end)
end)
