-- What suites say about clusters: each assertion holds, waits, fails with what was expected and seen.
local kubesim = require "kubesim"
require "kubesim.assertions"

local SET = [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 2
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: app}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
]]

describe("assert.", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1 } end)
  after_each(function() cluster:close() end)

  ---The message of an assertion that must fail, as busted counts failures (not errors).
  local function fails(fn, ...)
    local ok, err = pcall(fn, ...)
    assert.is_false(ok, "it held")
    assert.equal("failure", (getmetatable(err) or {}).__type, tostring(err))
    return tostring(err)
  end

  local function pod(name, image)
    return ("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: main, image: %s}]}\n"):format(name, image)
  end

  describe("ready", function()
    it("lets time pass until the object is ready", function()
      cluster:apply(SET)
      assert.ready(cluster, "sts/web")
      assert.equal(2, cluster:get "sts/web".status.readyReplicas)
    end)

    it("gives up after its time-out and says how things stand", function()
      cluster:image("nowhere", { exists = false })
      cluster:create(pod("a", "nowhere"))
      local message = fails(assert.ready, cluster, "pod/a", { timeout = "20s" })
      assert.equal(20, cluster:now())
      assert.matches("pod/a ready within 20s", message, 1, true)
      assert.matches("Seen at 20 s", message, 1, true)
    end)

    it("can be negated, which waits for nothing", function()
      cluster:create(pod("a", "app"))
      assert.not_ready(cluster, "pod/a")
      assert.equal(0, cluster:now())
      cluster:settle()
      assert.matches("not: pod/a ready", fails(assert.not_ready, cluster, "pod/a"), 1, true)
    end)

    it("looks into the namespace that it is given", function()
      cluster:kubectl "create namespace shop"
      cluster:create(pod("a", "app"), { namespace = "shop" })
      assert.ready(cluster, "pod/a", { namespace = "shop" })
      assert.matches('pods "a" not found', fails(assert.ready, cluster, "pod/a", { timeout = 1 }), 1, true)
    end)
  end)

  it("phase looks now, or waits as long as it is told", function()
    cluster:create(pod("a", "app"))
    assert.phase("Pending", cluster, "pod/a")
    local message = fails(assert.phase, "Running", cluster, "pod/a")
    assert.matches("pod/a in phase Running", message, 1, true)
    assert.matches("phase Pending", message, 1, true)
    assert.phase("Running", cluster, "pod/a", { timeout = "1m" })
    assert.not_phase("Pending", cluster, "pod/a")
  end)

  it("resolves returns the records, or prints what DNS answered", function()
    cluster:apply(SET)
    cluster:create(pod("client", "app"))
    assert.no_resolves(cluster, "web-0.web", { from = "client" })
    cluster:settle()
    local records = assert.resolves(cluster, "web-0.web", { from = "client" })
    assert.equal(cluster:get "pod/web-0".status.podIP, records[1].address)
    assert.matches("NXDOMAIN", fails(assert.resolves, cluster, "web-9.web", { from = "client" }), 1, true)
    cluster:scale("sts/web", 3)
    assert.resolves(cluster, "web-2.web", { from = "client", timeout = "1m" })
  end)

  it("event finds one by object, reason, type and part of the message, or lists what there is", function()
    cluster:create(pod("a", "app"))
    cluster:settle()
    local event = assert.event(cluster, { reason = "Scheduled", ref = "pod/a", message = "assigned default/a" })
    assert.equal("a", event.involvedObject.name)
    local message = fails(assert.event, cluster, { reason = "FailedScheduling", ref = "pod/a" })
    assert.matches('an event with reason "FailedScheduling" about pod/a', message, 1, true)
    assert.matches("Normal   Scheduled", message, 1, true)
    assert.no_event(cluster, { type = "Warning" })
    cluster:create(pod("b", "app"))
    assert.event(cluster, { ref = "pod/b", reason = "Started", timeout = "1m" })
  end)

  describe("in_order", function()
    it("finds facts of the past and waits for those to come", function()
      cluster:apply(SET)
      local times = assert.in_order(cluster, { "pod/web-0 Created", "pod/web-0 Scheduled", "pod/web-0 Running", "pod/web-0 Ready",
        "pod/web-1 Created", "pod/web-1 Started", "pod/web-1 Ready", "sts/web Ready" })
      assert.equal(8, #times)
      assert.is_true(times[4] <= times[5])
      cluster:settle()
      assert.in_order(cluster, { "pod/web-0 Ready", "pod/web-1 Created" })
      cluster:delete "pod/web-0"
      assert.in_order(cluster, { "pod/web-0 Terminating", "pod/web-0 Deleted", "pod/web-0 Created", "pod/web-0 Ready" })
    end)

    it("fails when the order was another, with what happened", function()
      cluster:apply(SET)
      cluster:settle()
      local message = fails(assert.in_order, cluster, { "pod/web-1 Created", "pod/web-0 Ready" }, { timeout = "1m" })
      assert.matches("pod/web%-0 Ready%s+<%- did not follow", message)
      assert.matches("pod/web%-0 Ready\n.*pod/web%-1 Created", message:match "Seen.*")
    end)

    it("leaves out what happened before `since`", function()
      cluster:apply(SET)
      cluster:settle()
      local now = cluster:now()
      fails(assert.in_order, cluster, { "pod/web-0 Created" }, { since = now + 1, timeout = 1 })
    end)

    it("refuses what is no fact", function()
      local ok, err = pcall(assert.in_order, cluster, { "web-0 is ready" })
      assert.is_false(ok)
      assert.matches('bad argument #2 to \'in_order\' (entry 1: "kind/name Word" expected', err, 1, true)
    end)
  end)

  describe("always and never", function()
    it("are looked at after every change, and fail the call during which they broke", function()
      cluster:apply(SET)
      local most = 0
      assert.always(cluster, function(c)
        most = math.max(most, c:count "pod")
        return c:count "pod" <= 1, "two pods"
      end)
      local message = fails(cluster.settle, cluster)
      assert.equal(2, most)
      assert.matches("Expected always", message, 1, true)
      assert.matches("two pods", message, 1, true)
      assert.matches("after ADDED pod/web-1 (default)", message, 1, true)
      assert.is_true(cluster:settle()) -- said once; the cluster goes on
    end)

    it("hold for the state that they start with", function()
      cluster:create(pod("a", "app"))
      local message = fails(assert.never, cluster, function(c) return c:count "pod" > 0 end, "pods at all")
      assert.matches("Expected never:\n  pods at all", message, 1, true)
    end)

    it("hold as long as nothing breaks them, and can be stopped", function()
      cluster:apply(SET)
      local checks = 0
      local handle = assert.never(cluster, function(c)
        checks = checks + 1
        return c:count "pod" > 2
      end)
      cluster:settle()
      assert.is_true(checks > 10)
      handle:stop()
      cluster:scale("sts/web", 3)
      cluster:settle()
      assert.equal(3, cluster:count "pod")
    end)

    it("hand on an error of the invariant itself, unchanged", function()
      local thrown = {}
      cluster:apply(SET)
      local n = 0
      assert.always(cluster, function()
        n = n + 1
        if n > 3 then error(thrown) end
        return true
      end)
      local ok, err = pcall(cluster.settle, cluster)
      assert.is_false(ok)
      assert.equal(thrown, err)
    end)
  end)

  it("points wrong arguments at the suite's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, err = pcall(function() assert.ready("sts/web") end)
    assert.is_false(ok)
    assert.matches("assertions_spec.lua:" .. line .. ": bad argument #1 to 'ready' (a cluster expected, got string)", err, 1, true)
  end)
end)
