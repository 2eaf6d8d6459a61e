-- Events that components record are kept short, and documents are made of them when somebody looks: nobody can tell.
local kubesim = require "kubesim"

local CRASHING = [[
apiVersion: v1
kind: Pod
metadata: {name: crashing}
spec: {containers: [{name: main, image: crashing}]}
---
apiVersion: v1
kind: Pod
metadata: {name: huge}
spec: {containers: [{name: main, image: fine, resources: {requests: {cpu: "500"}}}]}
]]

local function fresh(start)
  local cluster = kubesim.new { nodes = 1, seed = 4, start = start }
  cluster:image("crashing", { exit = { code = 1, after = 1 } })
  cluster:apply(CRASHING)
  return cluster
end

local function text(cluster) return kubesim.json.encode(cluster:list("events", { all_namespaces = true })) end

local function named(cluster, reason) return assert(cluster:events { reason = reason }[1], reason) end

describe("a recorded Event", function()
  it("reads the same whether it was looked at early, late, or in a fork", function()
    local watched <close> = fresh()
    local left_alone <close> = fresh()
    for _ = 1, 40 do
      watched:advance(20)
      text(watched)
      left_alone:advance(20)
    end
    local fork <close> = left_alone:fork()
    local expected = text(watched)
    assert.matches('"reason":"BackOff"', expected, 1, true)
    assert.equal(expected, text(fork))
    assert.equal(expected, text(left_alone))
    assert.equal(watched:trace(), left_alone:trace())
  end)

  it("is counted up by what is the same, and its watchers are told before and after", function()
    local cluster <close> = fresh()
    local told = {}
    cluster:watch("events", function(type, event, old)
      if event.reason ~= "BackOff" then return end
      told[#told + 1] = { type, event.count, old and old.count, old and old.metadata.resourceVersion ~= event.metadata.resourceVersion }
    end)
    cluster:advance(120)
    assert.same({ "ADDED", 1 }, told[1])
    assert.same({ "MODIFIED", 2, 1, true }, told[2])
    local event = named(cluster, "BackOff")
    assert.equal(told[#told][2], event.count)
    assert.is_true(event.firstTimestamp < event.lastTimestamp)
    assert.equal(event.firstTimestamp, event.metadata.creationTimestamp)
  end)

  it("becomes a series where the scheduler says the same again, written at its second time and at its end", function()
    local cluster <close> = kubesim.new { nodes = { { name = "a", capacity = { cpu = "4", memory = "8Gi", pods = 100 } } } }
    local function pod(name, cpu)
      local requests = { requests = { cpu = cpu } }
      cluster:apply { apiVersion = "v1", kind = "Pod", metadata = { name = name },
        spec = { containers = { { name = "main", image = "fine", resources = requests } } } }
    end
    for i = 1, 7 do pod("small-" .. i, "500m") end
    cluster:advance(10)
    pod("huge", "3800m")
    local told = {}
    cluster:watch("events", function(type, event)
      if event.reason ~= "FailedScheduling" then return end
      told[#told + 1] = type .. " " .. tostring(event.series and event.series.count)
    end)
    cluster:advance(10)
    for i = 1, 4 do
      cluster:delete("pod/small-" .. i)
      cluster:advance(50)
    end
    for i = 5, 7 do cluster:delete("pod/small-" .. i) end -- there is room
    cluster:advance(600)
    -- the first is about the pod before its condition said so
    assert.same({ "ADDED nil", "ADDED nil", "MODIFIED 2", "MODIFIED 4" }, told)
    assert.equal(4, cluster:events { reason = "FailedScheduling" }[2].series.count)
  end)

  it("has a uid of its own, the same in forks and in a cluster that was saved, another one with another seed", function()
    local function uids(cluster)
      local list, seen = {}, {}
      for _, event in ipairs(cluster:list("events", { all_namespaces = true })) do
        local uid = event.metadata.uid
        assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-" .. ("%x"):rep(12) .. "$", uid)
        assert.is_nil(seen[uid])
        seen[uid], list[#list + 1] = true, uid
      end
      return list
    end
    local cluster <close> = fresh()
    local fork <close> = cluster:fork()
    for _, c in ipairs { cluster, fork } do c:advance(60) end
    local path = os.tmpname()
    cluster:save(path)
    local saved <close> = kubesim.load(path)
    os.remove(path)
    local expected = uids(cluster)
    assert.is_true(#expected > 4, #expected)
    assert.same(expected, uids(fork))
    assert.same(expected, uids(saved))
    local other <close> = kubesim.new { nodes = 1, seed = 5 }
    other:apply(CRASHING)
    other:advance(60)
    for _, uid in ipairs(uids(other)) do assert.not_matches(uid, table.concat(expected, " "), 1, true) end
  end)

  it("has the time at which it was recorded, of whatever year", function()
    for _, start in ipairs { "1677-09-22T00:00:00Z", "1969-12-31T23:59:30Z", "2262-04-11T23:47:00Z" } do
      local cluster <close> = fresh(start)
      cluster:advance(60)
      assert.equal((start:gsub("Z$", ".000000Z")), named(cluster, "FailedScheduling").eventTime)
      local event = named(cluster, "BackOff")
      assert.is_true(event.firstTimestamp > start and event.firstTimestamp < event.lastTimestamp, event.firstTimestamp)
      assert.is_true(event.lastTimestamp <= cluster:clock())
      assert.same(event, cluster:get("event/" .. event.metadata.name))
    end
  end)

  it("happened at the instant at which it was recorded, however many were", function()
    local cluster <close> = fresh()
    cluster:advance(0)
    local changes = cluster.core:changes(0, "Event")
    assert.equal(2, #changes)
    for _, change in ipairs(changes) do assert.equal(0, change[3]) end
  end)

  it("keeps what a person writes into it, and is counted on", function()
    local cluster <close> = fresh()
    cluster:advance(60)
    local event = named(cluster, "BackOff")
    cluster:patch("event/" .. event.metadata.name, { metadata = { labels = { seen = "yes" } } })
    cluster:advance(120)
    local later = cluster:get("event/" .. event.metadata.name)
    assert.equal("yes", later.metadata.labels.seen)
    assert.equal(event.metadata.uid, later.metadata.uid)
    assert.is_true(later.count > event.count)
    assert.equal(1, #cluster:list("events", { labels = "seen=yes" }))
    cluster:delete("event/" .. event.metadata.name)
    cluster:advance(120)
    local again = named(cluster, "BackOff")
    assert.are_not.equal(event.metadata.name, again.metadata.name)
    assert.is_true(again.count > later.count)
  end)

  it("is found by its name, and not by one that looks like it", function()
    local cluster <close> = fresh()
    cluster:advance(10)
    local event = named(cluster, "Scheduled")
    local object, number = event.metadata.name:match "^(.*)%.(%x+)$"
    assert.same(event, cluster:get("event/" .. event.metadata.name))
    assert.is_nil((cluster:get("event/" .. object .. ".0" .. number)))
    assert.is_nil((cluster:get("event/other." .. number)))
    for _, name in ipairs { object .. ".0" .. number, "other." .. number, number, "plain" } do
      event.metadata = { name = name, namespace = "default" }
      cluster:create(event)
      assert.equal(name, cluster:get("event/" .. name).metadata.name)
    end
    assert.has_error(function()
      event.metadata = { name = object .. "." .. number, namespace = "default" }
      cluster:create(event)
    end)
  end)

  it("is selected by its fields, whoever wrote it", function()
    local cluster <close> = fresh()
    cluster:advance(60)
    local all = cluster:list "events"
    local mine = named(cluster, "BackOff")
    mine.metadata = { name = "mine", namespace = "default" }
    cluster:create(mine)
    all[#all + 1] = mine
    local pod = cluster:get "pod/crashing"
    local fields = {
      ["involvedObject.kind=Pod"] = function(e) return e.involvedObject.kind == "Pod" end,
      ["involvedObject.name=huge"] = function(e) return e.involvedObject.name == "huge" end,
      ["involvedObject.name!=huge,type=Warning"] = function(e) return e.involvedObject.name ~= "huge" and e.type == "Warning" end,
      ["involvedObject.namespace=default"] = function(e) return e.involvedObject.namespace == "default" end,
      ["involvedObject.uid=" .. pod.metadata.uid] = function(e) return e.involvedObject.uid == pod.metadata.uid end,
      ["involvedObject.apiVersion=v1"] = function(e) return e.involvedObject.apiVersion == "v1" end,
      ["involvedObject.fieldPath=spec.containers{main}"] = function(e)
        return e.involvedObject.fieldPath == "spec.containers{main}"
      end,
      ["involvedObject.resourceVersion=" .. mine.involvedObject.resourceVersion] = function(e)
        return e.involvedObject.resourceVersion == mine.involvedObject.resourceVersion
      end,
      ["reason=BackOff"] = function(e) return e.reason == "BackOff" end,
      ["reportingComponent=kubelet"] = function(e) return e.reportingComponent == "kubelet" end,
      ["source=default-scheduler"] = function(e) return e.reportingComponent == "default-scheduler" end,
      ["metadata.name=mine"] = function(e) return e.metadata.name == "mine" end,
    }
    for selector, fits in pairs(fields) do
      local expected = 0
      for _, event in ipairs(all) do if fits(event) then expected = expected + 1 end end
      assert.is_true(expected > 0, selector)
      assert.equal(expected, cluster:count("events", { fields = selector }), selector)
      assert.equal(expected, #cluster:list("events", { fields = selector }), selector)
    end
  end)

  it("is whole after a lack of memory while it was looked at", function()
    local cluster <close> = fresh()
    local calm <close> = fresh()
    cluster:advance(60)
    calm:advance(60)
    local n, ok, seen = 0, false, nil
    while not ok do
      n = n + 1
      cluster.core:fail_allocation(n)
      ok, seen = pcall(text, cluster)
      cluster.core:fail_allocation(0)
      if not ok then assert.matches("not enough memory", tostring(seen), 1, true) end
    end
    assert.is_true(n > 20)
    assert.equal(text(calm), seen)
  end)

  it("is found by its name whenever it was recorded, in forks, after refused calls, and not when it is gone", function()
    local cluster <close> = fresh()
    cluster:advance(5)
    local function name_of(c, reason) return named(c, reason).metadata.name end
    local early, fork <close> = name_of(cluster, "Scheduled"), cluster:fork()
    assert.equal("Scheduled", cluster:get("event/" .. early).reason)
    cluster:advance(60)
    local late = name_of(cluster, "BackOff")
    assert.is_nil(fork:get("event/" .. late))
    assert.equal("BackOff", cluster:get("event/" .. late).reason)
    assert.equal("Scheduled", fork:get("event/" .. early).reason)
    fork:advance(30)
    assert.equal("BackOff", fork:get("event/" .. name_of(fork, "BackOff")).reason)
    assert.error(function() cluster:create(cluster:get("event/" .. late)) end) -- the name is taken
    cluster:delete("event/" .. late)
    assert.is_nil(cluster:get("event/" .. late))
    assert.equal("Scheduled", cluster:get("event/" .. early).reason)
  end)
end)
