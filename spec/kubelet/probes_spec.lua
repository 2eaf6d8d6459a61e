-- What answers a container's probes.
local kubesim = require "kubesim"

local POD = [[
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - {name: main, image: "web:1", readinessProbe: {%s, periodSeconds: 1}}
]]
local HTTP <const> = "httpGet: {port: 8080, path: /up}"

describe("a readiness probe", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1 } end)
  after_each(function() cluster:close() end)

  ---READY after half a minute, and the last thing said of a failed probe.
  local function ready(probe)
    cluster:create(POD:format(probe))
    cluster:advance(30)
    local said = cluster:events { ref = "pod/p", reason = "Unhealthy" }
    return cluster:kubectl("get pod p --no-headers"):match "%d/%d", #said > 0 and said[#said].message or nil
  end

  it("passes where nothing is known of what the image answers", function()
    for _, probe in ipairs { HTTP, "exec: {command: [check]}", "tcpSocket: {port: 8080}" } do
      assert.same({ "1/1" }, { ready(probe) }, probe)
      cluster:delete("pod/p", { force = true, grace_period = 0 })
    end
  end)

  it("waits for an app that is not up yet", function()
    cluster:image("web", { ready_after = "20s" })
    cluster:create(POD:format(HTTP))
    cluster:advance(15)
    assert.matches(" 0/1 ", cluster:kubectl "get pod p")
    cluster:advance(15)
    assert.matches(" 1/1 ", cluster:kubectl "get pod p")
  end)

  it("is answered by the image's http where that is told, and refused at other ports", function()
    local up = false
    cluster:image("web", { http = { [8080] = function() return up and 200 or 503, "" end } })
    assert.same({ "0/1", "Readiness probe failed: HTTP probe failed with statuscode: 503" }, { ready(HTTP) })
    up = true
    cluster:advance(5)
    assert.matches(" 1/1 ", cluster:kubectl "get pod p")
    cluster:delete("pod/p", { force = true, grace_period = 0 })
    local seen, why = ready "httpGet: {port: 81}"
    assert.equal("0/1", seen)
    assert.matches('^Readiness probe failed: Get "http://[%d.]+:81/": dial tcp [%d.]+:81: connect: connection refused$', why)
  end)

  it("is answered by the image's command where that is told", function()
    cluster:image("web", { commands = { check = function() return "no\n", 1 end } })
    assert.same({ "0/1", "Readiness probe failed: no\n" }, { ready "exec: {command: [check]}" })
  end)
end)

describe("probes", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1 } end)
  after_each(function() cluster:close() end)

  ---Containers c1, c2, ... of images c1:1, c2:1, ... with these probes, in YAML.
  local function run(...)
    local lines = { "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  terminationGracePeriodSeconds: 60\n  containers:" }
    for i, probes in ipairs { ... } do lines[#lines + 1] = ("  - {name: c%d, image: 'c%d:1', %s}"):format(i, i, probes) end
    cluster:create(table.concat(lines, "\n"))
  end

  local function is_ready(i) return cluster:get "pod/p".status.containerStatuses[i].ready end

  it("of readiness have to succeed as often as they say", function()
    cluster:image("c1", { http = function() return 200, "" end })
    run("readinessProbe: {httpGet: {port: 80}, periodSeconds: 10, successThreshold: 3, failureThreshold: 9}")
    cluster:wait_until(function() return cluster:get "pod/p".status.phase == "Running" end)
    cluster:advance(19)
    assert.is_false(is_ready(1))
    cluster:advance(12)
    assert.is_true(is_ready(1))
  end)

  it("begin when they say, whatever probes others have", function()
    run("readinessProbe: {exec: {command: [check]}, periodSeconds: 1}",
      "readinessProbe: {exec: {command: [check]}, periodSeconds: 1, initialDelaySeconds: 30}")
    cluster:image("c1", { commands = { check = function() return "", cluster:now() // 1 % 2 end } })
    cluster:advance(25)
    assert.is_false(is_ready(2))
    cluster:advance(15)
    assert.is_true(is_ready(2))
  end)

  it("of liveness have to fail as often as they say, after each restart", function()
    cluster:image("c1", { http = function() return 500, "" end })
    run("livenessProbe: {httpGet: {port: 80}, periodSeconds: 10, failureThreshold: 3}")
    local function seconds(time)
      local h, m, s = time:match "T(%d+):(%d+):(%d+)"
      return (h * 60 + m) * 60 + s
    end
    cluster:advance "20m"
    local status = cluster:get "pod/p".status.containerStatuses[1]
    local last = status.lastState.terminated
    assert.is_true(status.restartCount > 3)
    assert.is_true(seconds(last.finishedAt) - seconds(last.startedAt) >= 20)
  end)

  it("of readiness go on while a pod ends", function()
    cluster:image("c1", { stop = "50s", http = function(_, pod) return pod.metadata.deletionTimestamp and 503 or 200, "" end })
    run("readinessProbe: {httpGet: {port: 80}, periodSeconds: 5, failureThreshold: 2}")
    cluster:advance "1m"
    assert.is_true(is_ready(1))
    cluster:delete "pod/p"
    cluster:advance(3)
    assert.is_true(is_ready(1))
    cluster:advance(12)
    assert.is_false(is_ready(1))
  end)

  it("of a container that has been started again are waited for anew", function()
    cluster:image("c1", { http = function() return 200, "" end })
    run("readinessProbe: {httpGet: {port: 80}, periodSeconds: 20}")
    cluster:advance "2m"
    local seen = {}
    cluster:watch("pod", function(_, pod) seen[#seen + 1] = pod.status.containerStatuses[1].ready and "ready" or "not yet" end)
    cluster:crash "p"
    cluster:advance "1m"
    assert.equal("not yet", seen[1])
    assert.equal("ready", seen[#seen])
  end)
end)
