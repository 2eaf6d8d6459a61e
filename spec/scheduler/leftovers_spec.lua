-- Pods that no node suits are looked at again by the clock, every five minutes, although nothing has happened: when, what is told
-- of it, and that nobody waits for it.
local kubesim = require "kubesim"

local NODE <const> = { { name = "n1", capacity = { cpu = "2", memory = "4Gi", pods = "1000" } } }
local WHY <const> = "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, "
  .. "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."

local function pod(name, o)
  o = o or {}
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name },
    spec = { containers = { { name = "main", image = "app", resources = { requests = { cpu = o.cpu or "4" } } } },
      schedulingGates = o.gate and { { name = o.gate } }, priority = o.priority, schedulerName = o.scheduler } }
end

local function new(opts)
  opts = opts or {}
  opts.nodes = opts.nodes or NODE
  return kubesim.new(opts)
end

---What is written about failed looks from now on: when, and of a series what it has come to, and when it was last seen.
---@return string[] "ADDED 390", "MODIFIED 690 x2 690"
local function told(cluster)
  local lines = {}
  cluster:watch("events", function(type, event)
    if event.reason ~= "FailedScheduling" then return end
    local at = cluster:now()
    if type == "ADDED" then
      lines[#lines + 1] = ("%s %d"):format(type, at)
    else
      local hours, minutes, seconds = event.series.lastObservedTime:match "T(%d+):(%d+):(%d+)%.000000Z$"
      lines[#lines + 1] = ("%s %d x%d %d"):format(type, at, event.series.count, hours * 3600 + minutes * 60 + seconds)
    end
  end)
  return lines
end

local function fit(cluster)
  local can = { cpu = "64", memory = "4Gi", pods = "1000" }
  cluster:patch("node/n1", { status = { capacity = can, allocatable = can } }, { subresource = "status" })
end

---The instants at which a pod is looked at that a policy refuses, while `act` is done.
local function looks(act)
  local at = {}
  local cluster <close> = new()
  cluster:policy { name = "Never", filter = function()
    at[#at + 1] = cluster:now()
    return false, "node(s) are not for this"
  end }
  act(cluster, pod("small", { cpu = "1" }))
  return at
end

describe("a pod that no node suits", function()
  -- as a real scheduler of v1.36.2, which the pod met 70.6 s after its start: Events 390.0 s after that, x2 300.0 s later, x5 at 1800 s
  it("is told of after five minutes to five and a half, then every five minutes; the second time makes a series", function()
    local cluster <close> = new()
    local lines = told(cluster)
    cluster:advance(71)
    cluster:create(pod "big")
    cluster:advance(690 - 71)
    assert.same({ "ADDED 71", "ADDED 390", "MODIFIED 690 x2 690" }, lines)
    local events = cluster:events { reason = "FailedScheduling" }
    assert.equal(2, #events)
    -- its condition, which was written in between, makes the second one about another version of the pod
    assert.equal(cluster:get("pod/big").metadata.resourceVersion, events[2].involvedObject.resourceVersion)
    assert.are_not.equal(events[1].involvedObject.resourceVersion, events[2].involvedObject.resourceVersion)
    for i, event in ipairs(events) do
      assert.equal(WHY, event.message)
      assert.equal("Scheduling", event.action)
      assert.equal("Warning", event.type)
      assert.equal(i == 1 and "2026-01-01T00:01:11.000000Z" or "2026-01-01T00:06:30.000000Z", event.eventTime)
      assert.is_nil(event.count)
    end
    assert.is_nil(events[1].series)
    assert.same({ count = 2, lastObservedTime = "2026-01-01T00:11:30.000000Z" }, events[2].series)
  end)

  it("has its later looks counted in the scheduler's memory, and written every half an hour of the scheduler's", function()
    local cluster <close> = new()
    local lines = told(cluster)
    cluster:advance(71)
    cluster:create(pod "big")
    cluster:advance "2h"
    assert.same({ "ADDED 71", "ADDED 390", "MODIFIED 690 x2 690", "MODIFIED 1800 x5 1590", "MODIFIED 3600 x11 3390",
      "MODIFIED 5400 x17 5190", "MODIFIED 7200 x23 6990" }, lines)
  end)

  it("does not change: only Events are written", function()
    local cluster <close> = new()
    cluster:create(pod "big")
    cluster:settle()
    local before = cluster:get "pod/big"
    cluster:advance "1h"
    assert.same(before, cluster:get "pod/big")
  end)

  it("is shown with what is written of its series", function()
    local cluster <close> = new()
    cluster:advance(71)
    cluster:create(pod "big")
    cluster:advance(629)
    local text = cluster:kubectl "describe pod big"
    assert.matches("Warning  FailedScheduling  10m                  default-scheduler  0/1 nodes", text, 1, true)
    assert.matches("Warning  FailedScheduling  10s (x2 over 5m10s)  default-scheduler  0/1 nodes", text, 1, true)
    assert.matches("\n10s         Warning   FailedScheduling   pod/big", cluster:kubectl "get events", 1, true)
    cluster:advance "20m"
    assert.matches("5m10s (x5 over 25m)", cluster:kubectl "describe pod big", 1, true)
  end)

  it("is looked at at the half minute that finds it there for five minutes since its last look", function()
    assert.same({ 71, 390, 690, 990 }, looks(function(c, small)
      c:advance(71)
      c:create(small)
      c:advance "16m"
    end))
    assert.same({ 60, 360, 660 }, looks(function(c, small)
      c:advance(60)
      c:create(small)
      c:advance "11m"
    end))
    assert.same({ 71, 200, 510, 810 }, looks(function(c, small)
      c:advance(71)
      c:create(small)
      c:advance(129)
      c:patch("pod/small", { metadata = { labels = { a = "b" } } })
      c:advance "11m"
    end))
  end)

  it("is looked at with the ticks of a scheduler that has restarted, which knows of no series", function()
    local cluster <close> = new()
    local lines = told(cluster)
    cluster:advance(71)
    cluster:create(pod "big")
    cluster:advance(1029) -- x3, and only x2 is written
    cluster:restart "scheduler"
    cluster:advance "50m"
    assert.same({ "ADDED 71", "ADDED 390", "MODIFIED 690 x2 690", "ADDED 1100", "MODIFIED 1400 x2 1400", "MODIFIED 2900 x6 2600" },
      lines)
  end)

  it("is placed if it fits by then, which ends the series: its last count is written", function()
    local cluster <close> = new()
    local lines = told(cluster)
    cluster:advance(71)
    cluster:create(pod "big")
    cluster:advance(1029) -- last seen at 990, the third time
    fit(cluster)
    cluster:settle()
    assert.equal("n1", cluster:get("pod/big").spec.nodeName)
    assert.equal("MODIFIED 690 x2 690", lines[#lines])
    cluster:advance "1h"
    -- the first of its six-minute rounds that finds it six minutes old
    assert.same({ "ADDED 71", "ADDED 390", "MODIFIED 690 x2 690", "MODIFIED 1440 x3 990" }, lines)
  end)

  it("may go before that: the Event is still written", function()
    local cluster <close> = new()
    local lines = told(cluster)
    cluster:advance(71)
    cluster:create(pod "big")
    cluster:advance(1029)
    cluster:delete "pod/big"
    cluster:settle()
    cluster:advance "1h"
    assert.equal("MODIFIED 1440 x3 990", lines[#lines])
    cluster:create(pod "big")
    cluster:settle()
    assert.equal("ADDED 4700", lines[#lines])
  end)

  it("is not looked at again while it is gated, or another scheduler's", function()
    local cluster <close> = new()
    cluster:create(pod("gated", { gate = "example.com/wait" }))
    cluster:create(pod("other", { scheduler = "somebody" }))
    cluster:settle()
    local trace = cluster:trace()
    cluster:advance "1h"
    assert.equal(trace, cluster:trace())
    assert.same({}, cluster:events { reason = "FailedScheduling" })
  end)

  it("is treated so in all releases", function()
    for _, version in ipairs { "1.34", "1.35" } do
      local cluster <close> = new { version = version }
      local lines = told(cluster)
      cluster:advance(71)
      cluster:create(pod "big")
      cluster:advance "31m"
      assert.same({ "ADDED 71", "ADDED 390", "MODIFIED 690 x2 690", "MODIFIED 1800 x5 1590" }, lines)
    end
  end)
end)

describe("several pods that no node suits", function()
  it("are looked at when each has waited for so long, those that matter most first", function()
    local cluster <close> = new()
    local order = {}
    cluster:create { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = "high" }, value = 1000,
      preemptionPolicy = "Never" }
    cluster:advance(50)
    cluster:create(pod "first")
    cluster:advance(5)
    cluster:create(pod "second")
    local high = pod "high"
    high.spec.priorityClassName = "high"
    cluster:create(high)
    cluster:advance(10)
    cluster:create(pod "later")
    cluster:watch("events", function(type, event)
      if type == "ADDED" and event.reason == "FailedScheduling" and cluster:now() > 100 then
        order[#order + 1] = event.involvedObject.name .. " " .. cluster:now()
      end
    end)
    cluster:advance "6m"
    assert.same({ "high 360", "first 360", "second 360", "later 390" }, order)
  end)

  it("come and go, and those that stay are looked at in their time", function()
    local cluster <close> = new()
    for i = 1, 200 do
      cluster:create(pod("p" .. i))
      cluster:advance(1)
    end
    for i = 1, 200 do
      if i % 50 ~= 7 then cluster:delete("pod/p" .. i) end
    end
    local order = {}
    cluster:watch("events", function(type, event)
      if type == "ADDED" and event.reason == "FailedScheduling" then
        order[#order + 1] = event.involvedObject.name .. " " .. cluster:now()
      end
    end)
    cluster:advance "5m30s"
    assert.same({ "p7 330", "p57 360", "p107 420", "p157 480" }, order)
  end)
end)

describe("a pod that has no node to try", function()
  local function node(cpu)
    local can = { cpu = cpu, memory = "8Gi", pods = "110" }
    return { { apiVersion = "v1", kind = "Node", metadata = { name = "late" },
      status = { capacity = can, allocatable = can, conditions = { { type = "Ready", status = "True" } } } } }
  end

  local function alone()
    local cluster = kubesim.new { nodes = 0 }
    local lines = told(cluster)
    cluster:advance(71)
    cluster:create(pod "big")
    return cluster, lines
  end

  -- a real one, of a pod that came at :53.55: looks at :53.55, :55, :58, :03, :12, :23, then every 11 s
  it("is looked at with the longest back-off, which counts up its series", function()
    local cluster <close>, lines = alone()
    cluster:advance "2h"
    assert.same({ "ADDED 71", "ADDED 73", "MODIFIED 76 x2 76", "MODIFIED 1800 x159 1795", "MODIFIED 3600 x323 3599",
      "MODIFIED 5400 x486 5392", "MODIFIED 7200 x650 7196" }, lines)
    assert.equal("no nodes available to schedule pods", cluster:events({ reason = "FailedScheduling" })[2].message)
  end)

  it("is looked at when the back-off is over that it has come to, once there is one", function()
    local cluster <close>, lines = alone()
    cluster:advance(929)
    cluster:import(node "1")
    cluster:advance(1)
    assert.equal(1003, cluster.core:due() // 1000000000)
    cluster:advance(999) -- the look at 1003 has put another reason into its status, so the next one begins a series
    assert.same({ "ADDED 71", "ADDED 73", "MODIFIED 76 x2 76", "ADDED 1320", "MODIFIED 1440 x87 1003", "MODIFIED 1620 x2 1620" }, lines)
  end)

  it("is told of anew when it has changed", function()
    local cluster <close>, lines = alone()
    cluster:advance(529)
    cluster:patch("pod/big", { metadata = { labels = { a = "b" } } })
    cluster:advance(1200)
    assert.same({ "ADDED 71", "ADDED 73", "MODIFIED 76 x2 76", "ADDED 607", "MODIFIED 618 x2 618", "MODIFIED 1080 x50 596",
      "MODIFIED 1800 x109 1795" }, lines)
  end)

  it("is told of anew when it has changed between two of the first looks", function()
    local cluster <close>, lines = alone()
    cluster:advance(14)
    cluster:patch("pod/big", { metadata = { labels = { a = "b" } } })
    cluster:advance(1000)
    assert.same({ "ADDED 71", "ADDED 73", "MODIFIED 76 x2 76", "ADDED 90", "MODIFIED 101 x2 101", "MODIFIED 720 x3 81" }, lines)
  end)

  it("may go: its looks up to then are counted", function()
    for _, instant in ipairs { 600, 596 } do
      local cluster <close>, lines = alone()
      cluster:advance(instant - 71)
      cluster:delete "pod/big"
      cluster:settle()
      cluster:advance "1h"
      assert.same({ "ADDED 71", "ADDED 73", "MODIFIED 76 x2 76", "MODIFIED 1080 x50 596" }, lines)
    end
  end)

  it("may go after its series has been written", function()
    local cluster <close>, lines = alone()
    cluster:advance(1929)
    cluster:delete "pod/big"
    cluster:advance "1h"
    assert.same({ "ADDED 71", "ADDED 73", "MODIFIED 76 x2 76", "MODIFIED 1800 x159 1795", "MODIFIED 2520 x177 1993" }, lines)
  end)

  it("has the shortest back-off again when the nodes that came have gone", function()
    local cluster <close>, lines = alone()
    cluster:advance(8) -- looked at three times
    cluster:import(node "1")
    cluster:advance(11) -- and told that it does not fit, at 81
    cluster:delete "node/late"
    cluster:advance(330) -- five minutes later there is none again
    assert.same({ "ADDED 71", "ADDED 73", "MODIFIED 76 x2 76", "ADDED 390", "ADDED 392", "MODIFIED 395 x2 395" }, lines)
  end)

  it("is not waited for", function()
    local cluster <close> = alone()
    assert.is_true(cluster:settle())
    assert.is_true(cluster:now() < 100)
    assert.is_nil(cluster:step())
  end)

  it("is treated alike in one go, in pieces and in a cluster that was saved", function()
    local cluster <close> = alone()
    local pieces <close> = cluster:fork()
    cluster:advance(4000)
    for _ = 1, 250 do pieces:advance(16) end
    local path = os.tmpname()
    pieces:save(path)
    local saved <close> = kubesim.load(path)
    os.remove(path)
    for _, c in ipairs { cluster, pieces, saved } do
      c:import(node "8")
      c:advance(11)
      assert.equal("late", c:get("pod/big").spec.nodeName)
      c:advance(1000)
    end
    assert.equal(cluster:trace(), pieces:trace())
    assert.equal(cluster:trace(), saved:trace())
    assert.same(cluster:list("events", { all_namespaces = true }), saved:list("events", { all_namespaces = true }))
  end)
end)

describe("what comes by the clock alone", function()
  local function waiting()
    local cluster = new()
    cluster:advance(71)
    cluster:create(pod "big")
    return cluster
  end

  it("nobody waits for: the cluster settles, and nothing is due", function()
    local cluster <close> = waiting()
    assert.is_true(cluster:settle())
    assert.equal(71, cluster:now())
    assert.is_nil(cluster:step())
    assert.is_true(cluster:settle { timeout = "100h" })
    assert.equal(71, cluster:now())
    assert.matches("^NAME", cluster:kubectl "get pods -w")
    assert.is_true(cluster:now() < 100)
  end)

  it("happens when something else takes the time", function()
    local cluster <close> = waiting()
    local lines = told(cluster)
    cluster:settle()
    cluster:create { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web" },
      spec = { minReadySeconds = 900, progressDeadlineSeconds = 1000, selector = { matchLabels = { app = "web" } }, template = {
        metadata = { labels = { app = "web" } },
        spec = { containers = { { name = "main", image = "app", resources = { requests = { cpu = "1" } } } } } } } }
    assert.is_true(cluster:settle())
    assert.is_true(cluster:now() >= 971 and cluster:now() < 990, cluster:now())
    assert.same({ "ADDED 71", "ADDED 390", "MODIFIED 690 x2 690" }, lines)
  end)

  it("happens up to a time-out, by which something is still due", function()
    local cluster <close> = waiting()
    local lines = told(cluster)
    cluster:image("crashes", { exit = { code = 1 } })
    local crashing = pod("crash", { cpu = "1" })
    crashing.spec.containers[1].image = "crashes"
    cluster:create(crashing)
    assert.is_nil((cluster:settle { timeout = 321 }))
    assert.equal(392, cluster:now())
    assert.same({ "ADDED 71", "ADDED 390" }, lines)
  end)

  it("wakes those who wait for an answer until a time-out", function()
    local cluster <close> = waiting()
    assert.is_true(cluster:wait_until(function(c) return #c:events { reason = "FailedScheduling" } == 2 end))
    assert.equal(390, cluster:now())
    assert.is_nil((cluster:wait_for("pod/big", "ready", { timeout = "10m" })))
    assert.equal(990, cluster:now())
    assert.equal(2, cluster:events({ reason = "FailedScheduling" })[2].series.count)
  end)

  it("does not happen where no pod waits", function()
    local cluster <close> = waiting()
    cluster:settle()
    fit(cluster)
    cluster:settle()
    local trace, now = cluster:trace(), cluster:now()
    cluster:advance "24h"
    assert.equal(trace, cluster:trace())
    assert.equal(now + 24 * 3600, cluster:now())
  end)

  it("happens alike in one go and in pieces, in forks, between calls that fail, and in a cluster that was saved", function()
    local function whole(c) return c:trace() .. c:now() .. kubesim.json.encode(c:list("events", { all_namespaces = true })) end
    local cluster <close> = waiting()
    local pieces <close> = cluster:fork()
    local failing <close> = cluster:fork()
    local ends = 71 + 4000
    cluster:advance(4000)
    repeat pieces:advance(math.min(17, ends - pieces:now())) until pieces:now() == ends
    for i = 1, 40 do
      assert.is_false(pcall(failing.create, failing, { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "Not a name" } }))
      failing:advance(100)
      if i % 7 == 0 then
        local fork <close> = failing:fork()
        fork:delete "pod/big"
        fork:advance "1h"
      end
    end
    assert.equal(whole(cluster), whole(pieces))
    assert.equal(whole(cluster), whole(failing))
    local path = os.tmpname()
    pieces:save(path)
    local saved <close> = kubesim.load(path)
    os.remove(path)
    assert.equal(whole(cluster), whole(saved))
    for _, c in ipairs { cluster, saved } do
      c:settle()
      c:advance(1000)
    end
    assert.equal(whole(cluster), whole(saved))
  end)

  it("happens with a scheduler that hears of everything late", function()
    local cluster <close> = new { latency = { ["watch.scheduler"] = 2 } }
    local lines = told(cluster)
    cluster:advance(68)
    cluster:create(pod "big")
    cluster:advance(640)
    assert.same({ "ADDED 70", "ADDED 390", "MODIFIED 690 x2 690" }, lines)
    cluster:delete "pod/big"
    cluster:settle()
    cluster:advance "1h"
  end)
end)
