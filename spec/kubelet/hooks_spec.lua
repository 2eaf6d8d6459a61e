-- How long hooks take: most of them only let time pass.
local kubesim = require "kubesim"

local POD = [[
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 20
  containers: [{name: main, image: "web:1", lifecycle: {%s: {%s}}}]
]]

local HOOKS <const> = {
  { "sleep: {seconds: 5}", 5 },
  { "exec: {command: [sleep, '5']}", 5 },
  { "exec: {command: [/bin/sleep, 2s, 3s]}", 5 },
  { "exec: {command: [/bin/sh, -c, sleep 4.5]}", 4.5 },
  { "exec: {command: [bash, -ec, 'echo bye; sleep 5 && nginx -s quit']}", 5 },
  { [[exec: {command: [sh, -c, "sleep 3\n/bin/sleep 0.1m"]}]], 9 },
  { "exec: {command: [sh, -c, 'while true; do sleep 1; done']}", 0 },
  { "exec: {command: [sh, script, sleep 5]}", 0 },
  { "exec: {command: [echo, sleep 5]}", 0 },
}

describe("a hook", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 1, latency = 0 }
    cluster:image("web", { stop = 0 })
  end)
  after_each(function() cluster:close() end)

  ---Seconds, to a tenth, until something is so.
  local function takes(fn)
    local from = cluster:now()
    assert(cluster:wait_until(fn))
    return math.floor((cluster:now() - from) * 10 + 0.5) / 10
  end
  local function create(hook, action) cluster:create(POD:format(hook, action)) end
  local function gone(c) return c:get "pod/p" == nil end

  it("before the end takes the time that it sleeps, and then the process is asked to end", function()
    local plain
    for _, case in ipairs { { "exec: {command: ['true']}", 0 }, table.unpack(HOOKS) } do
      create("preStop", case[1])
      assert(cluster:wait_for("pod/p", "ready"))
      cluster:delete "pod/p"
      local seconds = takes(gone)
      plain = plain or seconds
      assert.near(case[2], seconds - plain, 0.05, case[1])
    end
  end)

  it("before the end is cut off when the grace is over", function()
    create("preStop", "exec: {command: [sleep, 1h]}")
    assert(cluster:wait_for("pod/p", "ready"))
    cluster:delete "pod/p"
    local seconds = takes(gone)
    assert(seconds >= 20 and seconds < 25, seconds)
  end)

  it("after the start that sleeps still fails where the image's command does", function()
    cluster:image("web", { stop = 0, commands = { sh = function() return "no\n", 1 end } })
    create("postStart", "exec: {command: [sh, -c, 'sleep 5; check']}")
    cluster:advance(10)
    assert.is_true(#cluster:events { ref = "pod/p", reason = "FailedPostStartHook" } > 0)
  end)

  it("after the start keeps its pod from running until it is over", function()
    local function running(c)
      local pod = c:get "pod/p"
      return pod and pod.status.phase == "Running"
    end
    create("postStart", "exec: {command: [sleep, '5']}")
    assert.near(5.3, takes(running), 0.11)
  end)
end)
