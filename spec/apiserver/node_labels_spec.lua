-- Zone and region of its node as labels of a pod.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local ZONE <const>, REGION <const> = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"

describe("A pod", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = { { name = "one", zone = "a", labels = { [REGION] = "r" } }, { name = "two" } }, kubelet = "manual" }
  end)
  after_each(function() cluster:close() end)

  local function labels(pod) return cluster:get("pod/" .. pod).metadata.labels or {} end

  it("that names its node itself has the node's zone and region", function()
    cluster:create(workload.pod("p", { app = "web", [ZONE] = "mine" }, { nodeName = "one" }))
    assert.same({ app = "web", [ZONE] = "a", [REGION] = "r" }, labels "p")
    cluster:create(workload.pod("q", nil, { nodeName = "two" }))
    assert.same({}, labels "q")
    cluster:create(workload.pod("r", nil, { nodeName = "nowhere" }))
    assert.same({}, labels "r")
  end)

  it("keeps what somebody makes of them afterwards", function()
    cluster:create(workload.pod("p", nil, { nodeName = "one" }))
    cluster:kubectl("label pod p " .. ZONE .. "=mine " .. REGION .. "- --overwrite")
    cluster:kubectl("label node one " .. ZONE .. "=b --overwrite")
    cluster:kubectl "label pod p x=y"
    assert.same({ [ZONE] = "mine", x = "y" }, labels "p")
  end)

  it("of a set whose template names the node has them, too: each one those that the node has by then", function()
    cluster:apply(workload.set("ReplicaSet", { replicas = 2 }, { nodeName = "one" }))
    cluster:advance(1)
    cluster:kubectl("label node one " .. ZONE .. "=b --overwrite")
    cluster:scale("rs/web", 3)
    cluster:advance(1)
    local zones = {}
    for i, pod in ipairs(cluster:list "pod") do zones[i] = pod.metadata.labels[ZONE] end
    table.sort(zones)
    assert.same({ "a", "a", "b" }, zones)
  end)

  it("has none before 1.35", function()
    local old <close> = kubesim.new { nodes = { { name = "one", zone = "a" } }, kubelet = "manual", version = "1.34" }
    old:create(workload.pod("p", nil, { nodeName = "one" }))
    assert.is_nil(old:get("pod/p").metadata.labels)
  end)
end)
