-- Pods that want devices: ResourceClaims are not simulated, so it is as on a cluster where nobody has made them. Texts of v1.36.2.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local function wanting(claim) return { resourceClaims = { claim } } end

describe("a pod that claims devices", function()
  it("stays Pending, and says that there is no template for its claim", function()
    local cluster <close> = kubesim.new {}
    cluster:create(workload.set("Deployment", { replicas = 1 }, wanting { name = "gpu", resourceClaimTemplateName = "all-gpus" }))
    cluster:advance "60s"
    local pod = cluster:list "pods"[1]
    assert.same({ phase = "Pending", qosClass = "BestEffort" }, pod.status)
    local events = cluster:events { ref = "pod/" .. pod.metadata.name }
    assert.equal(1, #events)
    assert.equal("FailedResourceClaimCreation", events[1].reason)
    assert.equal('PodResourceClaim gpu: resource claim template "all-gpus": resourceclaimtemplate.resource.k8s.io "all-gpus" not found',
      events[1].message)
    assert.equal("resource_claim", events[1].source.component)
    assert.equal(14, events[1].count)
    assert.matches("resource claim gpu does not exist: devices, ResourceClaims and their templates are not simulated",
      cluster:why("pod/" .. pod.metadata.name), 1, true)
  end)

  it("waits without a word for a claim by name", function()
    local cluster <close> = kubesim.new {}
    cluster:create(workload.pod("web", nil, wanting { name = "gpu", resourceClaimName = "mine" }))
    assert.is_true(cluster:settle())
    assert.same({ phase = "Pending", qosClass = "BestEffort" }, cluster:get "pod/web".status)
    assert.same({}, cluster:events { ref = "pod/web" })
  end)

  it("holds up nobody else, and goes when it is deleted", function()
    local cluster <close> = kubesim.new {}
    cluster:create(workload.pod("web", nil, wanting { name = "gpu", resourceClaimTemplateName = "all-gpus" }))
    cluster:create(workload.pod "other")
    assert(cluster:wait_for("pod/other", "ready"))
    cluster:delete "pod/web"
    assert(cluster:settle { timeout = "1h" })
    assert.is_nil(cluster:get "pod/web")
  end)
end)
