-- EndpointSlices that cannot be as they should: pods whose node is not there, writes that are refused. What is said of it, and when it is
-- tried again.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local REASON <const> = "FailedToUpdateEndpointSlices"

describe("a Service", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 2, kubelet = "manual" }
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "web" },
      spec = { selector = { app = "web" }, ports = { { port = 80 } } } }
    cluster:create(workload.pod("here", { app = "web" }, { nodeName = "k8s-node1" }))
    cluster:create(workload.pod("there", { app = "web" }, { nodeName = "k8s-node2" }))
    cluster:settle()
    for _, name in ipairs { "here", "there" } do cluster:drive(name, "ready") end
    cluster:settle()
  end)
  after_each(function() cluster:close() end)

  local function listed()
    local names = {}
    for _, slice in ipairs(cluster:list("endpointslice", { labels = "kubernetes.io/service-name=web" })) do
      local endpoints = slice.endpoints ~= kubesim.null and slice.endpoints or {}
      for _, endpoint in ipairs(endpoints) do names[#names + 1] = endpoint.targetRef.name end
    end
    table.sort(names)
    return names
  end

  local function told()
    local event = cluster:events({ ref = "svc/web", reason = REASON })[1]
    return event and event.message, event and event.count
  end

  ---Takes a node away. The Service is looked at afterwards.
  local function lose(node)
    local object = cluster:get("node/" .. node)
    cluster:delete("node/" .. node)
    cluster:patch("svc/web", { metadata = { annotations = { look = node } } })
    cluster:advance(0)
    return function()
      cluster:create { apiVersion = "v1", kind = "Node", metadata = { name = node, labels = object.metadata.labels },
        status = object.status }
    end
  end

  it("leaves out a pod whose node is not there, says so, and tries again after one second, two, four", function()
    local give_back = lose "k8s-node2"
    assert.same({ "here" }, listed())
    assert.same({ "Error updating Endpoint Slices for Service default/web: skipping Pod there for Service default/web: "
      .. "Node k8s-node2 Not Found", 1 }, { told() })
    for _, second in ipairs { { 0.9, 1 }, { 0.1, 2 }, { 1.9, 2 }, { 0.1, 3 }, { 3.9, 3 }, { 0.1, 4 } } do
      cluster:advance(second[1])
      assert.equal(second[2], select(2, told()))
    end
    give_back()
    cluster:advance(7.9) -- it hears nothing of nodes
    assert.same({ "here" }, listed())
    cluster:advance(0.1)
    assert.same({ "here", "there" }, listed())
    assert.equal(4, select(2, told()))
    cluster:advance "5m"
    assert.equal(4, select(2, told()))
  end)

  it("names all pods that it leaves out", function()
    lose "k8s-node1"
    cluster:advance(0.5)
    lose "k8s-node2"
    local last = cluster:events { ref = "svc/web", reason = REASON }
    assert.equal("Error updating Endpoint Slices for Service default/web: [skipping Pod here for Service default/web: Node k8s-node1 "
      .. "Not Found, skipping Pod there for Service default/web: Node k8s-node2 Not Found]", last[#last].message)
    assert.same({}, listed())
  end)

  it("keeps a pod without its node where it publishes those that are not ready, too", function()
    cluster:patch("svc/web", { spec = { publishNotReadyAddresses = true } })
    cluster:settle()
    lose "k8s-node2"
    assert.same({ "here", "there" }, listed())
    assert.is_nil(told())
  end)

  it("tells which write was refused, and tries again", function()
    cluster:fail_writes("endpointslice", 1)
    cluster:drive("there", "unready")
    cluster:advance(0)
    assert.matches("^Error updating Endpoint Slices for Service default/web: failed to update web%-%w+ EndpointSlice for Service "
      .. "default/web: ", (told()))
    cluster:fail_writes("endpointslice", 0)
    cluster:advance(0.9)
    local first = select(2, told())
    cluster:advance "1m"
    assert.equal(first, select(2, told()))
    for _, endpoint in ipairs(cluster:list("endpointslice", { labels = "kubernetes.io/service-name=web" })[1].endpoints) do
      assert.equal(endpoint.targetRef.name == "here", endpoint.conditions.ready)
    end
  end)
end)

describe("a Service whose slices are refused, again and again,", function()
  local LAST <const> = 1 + 2 + 4 + 8 + 16 + 32 + 64 + 128 + 256 + 512 + 5 * 1000
  local cluster, tries
  before_each(function()
    cluster, tries = kubesim.new { nodes = 1, kubelet = "manual" }, 0
    cluster:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "none" },
      spec = { hard = { ["count/endpointslices.discovery.k8s.io"] = "0" } } }
    cluster:settle()
    cluster:watch("event", function(_, event)
      if event and event.reason == REASON then tries = tries + 1 end
    end)
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "web" },
      spec = { selector = { app = "web" }, ports = { { port = 80 } } } }
  end)
  after_each(function() cluster:close() end)

  local function slices() return #cluster:list("endpointslice", { labels = "kubernetes.io/service-name=web" }) end

  it("is given up after fifteen more tries, until something happens to it", function()
    cluster:advance(LAST - 1)
    assert.equal(15, tries)
    cluster:advance(1)
    assert.equal(16, tries)
    cluster:delete "quota/none"
    cluster:advance "3h"
    assert.equal(0, slices())
    cluster:patch("svc/web", { metadata = { labels = { look = "again" } } })
    cluster:advance(0)
    assert.equal(1, slices())
    assert.equal(16, tries)
  end)

  it("is tried again after a second as at first when it was given up and something happens to it", function()
    cluster:advance(LAST + 1)
    cluster:patch("svc/web", { metadata = { labels = { look = "again" } } })
    cluster:advance(0)
    assert.equal(17, tries)
    cluster:advance(0.9)
    assert.equal(17, tries)
    cluster:advance(0.1)
    assert.equal(18, tries)
  end)

  it("is looked at again when its informer shows all objects anew", function()
    cluster:advance(LAST + 1)
    cluster:delete "quota/none"
    cluster:advance "10h"
    assert.equal(0, slices())
    cluster:advance "12h30m"
    assert.equal(1, slices())
  end)

  it("is not looked at then if it went meanwhile", function()
    cluster:advance(LAST + 1)
    cluster:delete "svc/web"
    cluster:settle()
    cluster:advance "48h"
    assert.equal(16, tries)
    assert.equal(0, slices())
  end)
end)

describe("a Service that prefers what is near", function()
  it("hints at the zone and the node of endpoints that are ready, and of no others", function()
    local cluster <close> = kubesim.new { kubelet = "manual", nodes = {
      { name = "a", zone = "z1" }, { name = "b", zone = "z2" } } }
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "web" },
      spec = { selector = { app = "web" }, trafficDistribution = "PreferSameNode", ports = { { port = 80 } } } }
    cluster:create(workload.pod("one", { app = "web" }, { nodeName = "a" }))
    cluster:create(workload.pod("two", { app = "web" }, { nodeName = "b" }))
    cluster:settle()
    cluster:drive("one", "ready")
    cluster:drive("two", "running")
    cluster:settle()
    local hints = {}
    for _, endpoint in ipairs(cluster:list("endpointslice", { labels = "kubernetes.io/service-name=web" })[1].endpoints) do
      hints[endpoint.targetRef.name] = endpoint.hints or false
    end
    assert.same({ one = { forNodes = { { name = "a" } }, forZones = { { name = "z1" } } }, two = false }, hints)
    cluster:patch("svc/web", { spec = { trafficDistribution = "PreferSameZone" } })
    cluster:settle()
    local first = cluster:list("endpointslice", { labels = "kubernetes.io/service-name=web" })[1].endpoints
    for _, endpoint in ipairs(first) do
      if endpoint.targetRef.name == "one" then assert.same({ forZones = { { name = "z1" } } }, endpoint.hints) end
    end
  end)
end)
