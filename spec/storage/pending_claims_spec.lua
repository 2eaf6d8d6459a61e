-- What a claim says while it is not bound: the volume binder looks at it every 15 s, and says the same again.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local function said(cluster, reason)
  local events = cluster:events { ref = "pvc/data", reason = reason }
  assert.equal(1, #events)
  return events[1]
end

describe("a claim that is not bound", function()
  it("says so every 15 s, as kubectl shows", function()
    local cluster <close> = kubesim.new { storage_classes = {} }
    cluster:create(workload.claim("data", ""))
    cluster:advance "50s"
    local event = said(cluster, "FailedBinding")
    assert.equal("no persistent volumes available for this claim and no storage class is set", event.message)
    assert.equal(4, event.count)
    assert.matches("Normal  FailedBinding  5s %(x4 over 50s%)  persistentvolume%-controller", cluster:kubectl "describe pvc data")
  end)

  it("says so less often after a while, as all who say much", function()
    local cluster <close> = kubesim.new { storage_classes = {} }
    cluster:create(workload.claim("data", ""))
    cluster:advance "9m"
    assert.equal(26, said(cluster, "FailedBinding").count)
    local written = 0
    cluster:watch("events", function() written = written + 1 end)
    cluster:advance "1h"
    assert.equal(12, written)
    assert.is_true(said(cluster, "FailedBinding").count > 250)
  end)

  it("waits for its first consumer, its class or its provisioner the same way", function()
    local reasons = { standard = "WaitForFirstConsumer", missing = "ProvisioningFailed", slow = "ExternalProvisioning" }
    for class, reason in pairs(reasons) do
      local cluster <close> = kubesim.new { latency = { provision = "10m" } }
      cluster:create { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "slow" },
        provisioner = "example.com/slow" }
      cluster:create(workload.claim("data", class))
      cluster:advance "14s"
      local before = said(cluster, reason).count
      cluster:advance "30s"
      assert.equal(before + 2, said(cluster, reason).count, reason)
    end
  end)

  it("is quiet when it is bound", function()
    local cluster <close> = kubesim.new {}
    cluster:create(workload.claim("data", "fast"))
    cluster:advance "5s"
    assert.equal("Bound", cluster:get "pvc/data".status.phase)
    local before = said(cluster, "ExternalProvisioning").count
    cluster:advance "10m"
    assert.equal(before, said(cluster, "ExternalProvisioning").count)
  end)

  it("is nothing to wait for", function()
    local cluster <close> = kubesim.new { storage_classes = {} }
    cluster:create(workload.claim("data", ""))
    assert.is_true(cluster:settle())
    assert.is_true(cluster:now() < 1, tostring(cluster:now()))
    local bound = cluster:wait_until(function(c) return c:get "pvc/data".status.phase == "Bound" end, { timeout = "1h" })
    assert.is_nil(bound)
  end)
end)
