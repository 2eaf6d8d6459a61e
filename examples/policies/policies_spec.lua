-- Scheduling policies at work: what they change, against a cluster without them.
local kubesim = require "kubesim"
require "kubesim.assertions"

local function web(replicas)
  return ([[
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: app, resources: {requests: {cpu: 500m}}}
]]):format(replicas)
end

---Pods on each node, by name of the node or of its zone.
local function spread(cluster, by_zone)
  local counts = {}
  for _, pod in ipairs(cluster:list "pod") do
    local place = pod.spec.nodeName
    if place and by_zone then place = cluster:get("node/" .. place).metadata.labels["topology.kubernetes.io/zone"] end
    if place then counts[place] = (counts[place] or 0) + 1 end
  end
  return counts
end

describe("bin packing", function()
  local NODES <const> = {}
  for i, name in ipairs { "a", "b", "c" } do NODES[i] = { name = name, capacity = { cpu = 4 } } end

  it("fills one node before it opens the next", function()
    local cluster <close> = kubesim.new { nodes = NODES }
    cluster:policy(require "examples.policies.bin_packing"(cluster))
    cluster:apply(web(6))
    assert.ready(cluster, "deploy/web")
    local nodes = 0
    for _, pods in pairs(spread(cluster)) do
      nodes = nodes + 1
      assert.equal(6, pods)
    end
    assert.equal(1, nodes)
  end)

  it("is not what the scheduler does by itself", function()
    local cluster <close> = kubesim.new { nodes = NODES }
    cluster:apply(web(6))
    assert.ready(cluster, "deploy/web")
    assert.same({ a = 2, b = 2, c = 2 }, spread(cluster))
  end)
end)

describe("a quota per zone", function()
  it("leaves pods pending rather than crowd a zone, and says why", function()
    local nodes = { { name = "a", zone = "z1" }, { name = "b", zone = "z1" }, { name = "c", zone = "z2" } }
    local cluster <close> = kubesim.new { nodes = nodes }
    cluster:policy(require "examples.policies.zone_quota"(cluster, 2))
    cluster:apply(web(5))
    cluster:advance "1m"
    assert.same({ z1 = 2, z2 = 2 }, spread(cluster, true))
    local event = assert.event(cluster, { reason = "FailedScheduling" })
    assert.matches("2 zone z1 has 2 pods of web already", event.message, 1, true)
  end)
end)
