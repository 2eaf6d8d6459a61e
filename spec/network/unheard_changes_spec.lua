-- Changes of which the endpoint controllers hear nothing: what they publish is as before, until they look at the Service for another
-- reason. All of it as seen on a real cluster.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

describe("What is published for a Service", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = { { name = "one", zone = "a" }, { name = "two", zone = "b" } }, kubelet = "manual" }
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "web" },
      spec = { selector = { app = "web" }, ports = { { port = 80 } } } }
    cluster:create(workload.pod("p", { app = "web" }, { nodeName = "one" }))
    cluster:create(workload.pod("q", { app = "web" }, { nodeName = "two" }))
    cluster:advance(1)
    for _, name in ipairs { "p", "q" } do cluster:drive(name, "unready") end
    cluster:advance(1)
  end)
  after_each(function() cluster:close() end)

  local function listed()
    local endpoints, slices = {}, {}
    for _, subset in ipairs(cluster:get("endpoints/web").subsets or {}) do
      for _, key in ipairs { "addresses", "notReadyAddresses" } do
        for _, address in ipairs(subset[key] or {}) do
          table.insert(endpoints, address.targetRef and address.targetRef.name or address.ip)
        end
      end
    end
    for _, endpoint in ipairs(cluster:list("endpointslice", { labels = "kubernetes.io/service-name=web" })[1].endpoints) do
      table.insert(slices, ("%s in %s"):format(endpoint.targetRef.name, endpoint.zone))
    end
    table.sort(endpoints)
    table.sort(slices)
    return table.concat(endpoints, " "), table.concat(slices, ", ")
  end

  local function is_listed(endpoints, slices) assert.same({ endpoints, slices }, { listed() }) end

  ---What makes the controllers look: anything that is new of the Service.
  local function look()
    cluster:kubectl("annotate svc web look=" .. cluster:now())
    cluster:advance(1)
  end

  it("keeps a pod that fails without having been ready", function()
    cluster:drive("p", "failed")
    cluster:advance "1h"
    is_listed("p q", "p in a, q in b")
    look()
    is_listed("q", "q in b")
  end)

  it("loses such a pod when another one becomes ready", function()
    cluster:drive("p", "failed")
    cluster:advance(1)
    cluster:drive("q", "ready")
    cluster:advance(1)
    is_listed("q", "q in b")
  end)

  it("loses a pod that was ready at once when it fails", function()
    cluster:drive("p", "ready")
    cluster:advance(1)
    cluster:drive("p", "failed")
    cluster:advance(1)
    is_listed("q", "q in b")
  end)

  it("says in which zones the nodes were", function()
    cluster:kubectl "label node one topology.kubernetes.io/zone=z --overwrite"
    cluster:advance "1h"
    is_listed("p q", "p in a, q in b")
    cluster:drive("q", "ready")
    cluster:advance(1)
    is_listed("p q", "p in z, q in b")
  end)

  it("is what somebody has written into Endpoints", function()
    cluster:patch("endpoints/web", { subsets = { { addresses = { { ip = "10.1.1.1" } } } } }, { type = "merge" })
    cluster:advance "1h"
    is_listed("10.1.1.1", "p in a, q in b")
    cluster:patch("pod/p", { metadata = { labels = { x = "y" } } }) -- the Service selects it as before
    cluster:advance(1)
    is_listed("10.1.1.1", "p in a, q in b")
    cluster:create(workload.pod("r", { app = "web" })) -- it has no address yet
    cluster:advance(1)
    is_listed("p q", "p in a, q in b")
  end)

  it("has hints for the endpoints' zones, unless the Service asks for those by each zone's share", function()
    local function hint()
      cluster:advance(1)
      local endpoint = cluster:list("endpointslice", { labels = "kubernetes.io/service-name=web" })[1].endpoints[1]
      return endpoint.hints and endpoint.hints.forZones[1].name
    end
    cluster:drive("p", "ready")
    cluster:patch("svc/web", { spec = { trafficDistribution = "PreferSameZone" } })
    assert.equal("a", hint())
    cluster:kubectl "annotate svc web service.kubernetes.io/topology-mode=Auto"
    assert.is_nil(hint())
    cluster:kubectl "annotate svc web service.kubernetes.io/topology-mode-"
    assert.equal("a", hint())
  end)

  it("is the same in a fork, and after a restart is what it should be", function()
    cluster:drive("p", "failed")
    cluster:advance(1)
    local fork <close> = cluster:fork()
    fork:drive("q", "ready")
    fork:advance(1)
    assert.equal(1, #fork:get("endpoints/web").subsets[1].addresses)
    assert.is_nil(fork:get("endpoints/web").subsets[1].notReadyAddresses)
    is_listed("p q", "p in a, q in b")
    for _, name in ipairs { "endpoints", "endpointslice" } do cluster:restart(name) end
    cluster:advance(1)
    is_listed("q", "q in b")
  end)
end)
