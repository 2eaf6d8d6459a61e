-- A Service that is on its way out: its EndpointSlices are kept up, and none is made anew.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

describe("a Service that a finalizer holds", function()
  it("has its EndpointSlice kept up, but gets no other when that goes", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "web", finalizers = { "example.com/x" } },
      spec = { selector = { app = "web" }, ports = { { port = 80 } } } }
    cluster:create(workload.set("ReplicaSet", { replicas = 1 }))
    cluster:advance "1m"
    local function slices() return cluster:list("endpointslice", { labels = "kubernetes.io/service-name=web" }) end
    cluster:delete "svc/web"
    cluster:scale("rs/web", 2)
    cluster:advance "1m"
    assert.equal(2, #slices()[1].endpoints)
    cluster:delete("endpointslice/" .. slices()[1].metadata.name)
    cluster:advance "1m"
    assert.same({}, slices())
  end)
end)
