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
