-- Which of the pods that wait gets a place that has become free: backend/queue.
local kubesim = require "kubesim"

local cluster
before_each(function()
  cluster = kubesim.new { kubelet = "manual", nodes = { { name = "a", capacity = { cpu = "1", memory = "2Gi", pods = "20" } } } }
end)
after_each(function() cluster:close() end)

local function pod(name, cpu)
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name }, spec = { containers = {
    { name = "main", image = "app:1", resources = { requests = { cpu = cpu or "900m" } } } } } }
end
local function create(...)
  cluster:create { ... }
  cluster:advance "100ms"
end
local function gone(name) cluster:delete("pod/" .. name, { grace_period = 0 }) end
local function placed(...)
  local names = {}
  for _, name in ipairs { ... } do
    if cluster:get("pod/" .. name).spec.nodeName then names[#names + 1] = name end
  end
  return table.concat(names, " ")
end

describe("a place that has become free goes to", function()
  it("the pod whose back-off is over first, of those that were tried lately: it was tried less often", function()
    create(pod("big"), pod("small", "10m"), pod("tiny", "10m"))
    create(pod "early")
    gone "small" -- early is tried for the second time
    cluster:advance "100ms"
    gone "tiny" -- and for the third time
    cluster:advance "100ms"
    create(pod "late")
    gone "big"
    cluster:advance "100ms"
    assert.equal("late", placed("early", "late"))
  end)

  it("the pod that was found to have no node longest ago, when no back-off lasts", function()
    create(pod "big")
    create(pod "early")
    cluster:advance "1s"
    create(pod "late")
    cluster:advance "1m"
    gone "big"
    cluster:advance "100ms"
    assert.equal("early", placed("early", "late"))
  end)

  it("a pod that waits, not to one that comes at the same time", function()
    create(pod "big")
    create(pod "early")
    cluster:advance "1m"
    cluster:create { pod "late" }
    gone "big"
    cluster:advance "100ms"
    assert.equal("early", placed("early", "late"))
  end)
end)
