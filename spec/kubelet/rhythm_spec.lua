-- What takes time on a node even where nothing is slow: the registry's word, polls of volumes, the confirmation of an end.
local kubesim = require "kubesim"

local POD = [[
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  terminationGracePeriodSeconds: 2
  containers: [{name: main, image: "%s"}]
]]

describe("a node", function()
  local cluster

  local function new(latency)
    cluster = kubesim.new { nodes = 1, latency = latency }
    cluster:image("app", { pull = 0, start = 0, stop = 0 })
  end
  after_each(function() cluster:close() end)

  ---Seconds until something is so.
  local function takes(fn)
    local from = cluster:now()
    assert(cluster:wait_until(fn))
    return math.floor((cluster:now() - from) * 1000 + 0.5) / 1000
  end
  local function running(name)
    return function(c) return (c:get("pod/" .. name).status or {}).phase == "Running" end
  end
  local function gone(name) return function(c) return not c:get("pod/" .. name) end end

  it("asks the registry about an image that it has, where the pull policy is Always", function()
    new { registry = 2, start = 0 }
    cluster:image("app", { pull = 5 })
    for _, case in ipairs { { "first", "app", 5.3 }, { "again", "app", 2.3 }, { "other", "app:1", 5.3 }, { "there", "app:1", 0.3 } } do
      cluster:create(POD:format(case[1], case[2]))
      assert.equal(case[3], takes(running(case[1])), case[1])
    end
    local pulled = cluster:events { ref = "pod/again", reason = "Pulled" }
    assert.matches('^Successfully pulled image "app" in 2s %(2s including waiting%)%.', pulled[1].message)
  end)

  it("starts a pod when it has polled for its volumes, and one without volumes at once", function()
    new(0)
    cluster:create(POD:format("some", "app"))
    assert.equal(0.3, takes(running "some"))
    cluster:create((POD:format("none", "app"):gsub("spec:\n", "spec:\n  automountServiceAccountToken: false\n")))
    assert.equal(0, takes(running "none"))
  end)

  it("lets a pod go when the end of its containers is confirmed and its volumes are unmounted", function()
    new(0)
    cluster:create(POD:format("p", "app"))
    cluster:advance(5)
    cluster:delete "pod/p"
    assert.equal(0.8, takes(gone "p"))
  end)
end)
