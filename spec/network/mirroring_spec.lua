-- Endpoints that a person writes for a Service without a selector are seen as slices, and so by DNS.
local kubesim = require "kubesim"

local WORLD = [[
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  clusterIP: None
  ports: [{port: 5432}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: db, labels: {from: hand}}
subsets:
- addresses: [{ip: 10.1.2.3, hostname: main}]
  notReadyAddresses: [{ip: 10.1.2.4}]
  ports: [{port: 5432}]
]]

describe("Endpoints written by hand", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 0 }
    cluster:apply(WORLD)
    cluster:advance(2)
  end)
  after_each(function() cluster:close() end)

  local function slices() return cluster:list("EndpointSlice", { labels = "kubernetes.io/service-name=db" }) end

  it("are mirrored into slices", function()
    assert.equal(1, #slices())
    local slice = slices()[1]
    assert.same({ { addresses = { "10.1.2.3" }, conditions = { ready = true }, hostname = "main" },
      { addresses = { "10.1.2.4" }, conditions = { ready = false } } }, slice.endpoints)
    assert.same({ { name = "", port = 5432, protocol = "TCP" } }, slice.ports)
    assert.equal("endpointslicemirroring-controller.k8s.io", slice.metadata.labels["endpointslice.kubernetes.io/managed-by"])
    assert.equal("hand", slice.metadata.labels.from)
    assert.equal("Endpoints", slice.metadata.ownerReferences[1].kind)
    assert.matches("^db%-%w%w%w%w%w$", slice.metadata.name)
  end)

  it("have names", function()
    local records = assert(cluster:resolve "db.default.svc.cluster.local.")
    assert.equal(1, #records)
    assert.equal("10.1.2.3", records[1].address)
    assert.truthy(cluster:resolve "main.db.default.svc.cluster.local.")
  end)

  it("are given up when their slices are refused for a quarter of an hour, until they change", function()
    local function shown(of) return #of:list("EndpointSlice", { labels = "kubernetes.io/service-name=late" }) end
    cluster:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "none" },
      spec = { hard = { ["count/endpointslices.discovery.k8s.io"] = "1" } } }
    cluster:settle()
    cluster:apply((WORLD:gsub("name: db", "name: late")))
    cluster:advance(1 + 2 + 4 + 8 + 16 + 32 + 64 + 8 * 100 - 1)
    local fork <close> = cluster:fork()
    fork:delete "quota/none"
    fork:advance(2)
    assert.equal(1, shown(fork)) -- with the last try
    cluster:advance(2)
    cluster:delete "quota/none"
    cluster:advance "1h"
    assert.equal(0, shown(cluster))
    cluster:patch("endpoints/late", { metadata = { labels = { look = "again" } } })
    cluster:advance(0)
    assert.equal(1, shown(cluster))
  end)

  it("are followed when they change and when they go", function()
    local name = slices()[1].metadata.name
    cluster:apply((WORLD:gsub("10.1.2.3", "10.1.2.9")))
    cluster:advance(2)
    assert.equal("10.1.2.9", slices()[1].endpoints[1].addresses[1])
    assert.equal(name, slices()[1].metadata.name)
    cluster:delete "endpoints/db"
    cluster:advance(2)
    assert.equal(0, #slices())
  end)
end)
