-- What a claim says about the class that it names.
local kubesim = require "kubesim"

local function class(name, provisioner)
  return { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = name }, provisioner = provisioner }
end

local function claim(name, class_name)
  return {
    apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = name },
    spec = { storageClassName = class_name, accessModes = { "ReadWriteOnce" }, resources = { requests = { storage = "1Gi" } } },
  }
end

local function volume(name, policy, source)
  source.capacity, source.accessModes = { storage = "1Gi" }, { "ReadWriteOnce" }
  source.persistentVolumeReclaimPolicy, source.storageClassName = policy, ""
  return { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = name }, spec = source }
end

describe("a claim of a class", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1 } end)
  after_each(function() cluster:close() end)

  local function first_event(name, class_name)
    cluster:create(claim(name, class_name))
    cluster:advance(40)
    local e = cluster:events({ ref = "pvc/" .. name })[1]
    return e.type .. " " .. e.reason .. " " .. e.message
  end

  it("that does not exist waits until it does", function()
    assert.equal('Warning ProvisioningFailed storageclass.storage.k8s.io "late" not found', first_event("data", "late"))
    cluster:create(class("late", "disks.example.com"))
    cluster:advance(20)
    assert.equal("Bound", cluster:get("pvc/data").status.phase)
  end)

  it("without a provisioner is for volumes that somebody makes", function()
    cluster:create(class("local", "kubernetes.io/no-provisioner"))
    assert.equal("Warning ProvisioningFailed no volume plugin matched name: kubernetes.io/no-provisioner",
      first_event("data", "local"))
  end)

  it("whose plugin is switched off", function()
    cluster:create(class("host", "kubernetes.io/host-path"))
    assert.equal('Warning ProvisioningFailed Failed to create provisioner: provisioning in volume plugin '
      .. '"kubernetes.io/host-path" is disabled', first_event("data", "host"))
    assert.equal("Pending", cluster:get("pvc/data").status.phase)
  end)

  it("whose driver has left the tree is handed to the driver that took its place", function()
    cluster:create(class("gp2", "kubernetes.io/aws-ebs"))
    assert.matches("external provisioner 'ebs.csi.aws.com'", first_event("data", "gp2"))
    local annotations = cluster:get("pvc/data").metadata.annotations
    assert.equal("ebs.csi.aws.com", annotations["volume.kubernetes.io/storage-provisioner"])
    assert.equal("Bound", cluster:get("pvc/data").status.phase)
  end)

  it("that was not named gets the default class when there is one", function()
    local default = cluster:get "sc/standard"
    cluster:delete "sc/standard"
    assert.equal("Normal FailedBinding no persistent volumes available for this claim and no storage class is set",
      first_event("data", nil))
    default.metadata = { name = "standard", annotations = default.metadata.annotations }
    cluster:create(default)
    cluster:advance(16) -- the binder looks at all claims every 15 s
    assert.equal("standard", cluster:get("pvc/data").spec.storageClassName)
  end)
end)

describe("a volume whose claim is deleted", function()
  local function released(policy, source)
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create(volume("pv", policy, source))
    cluster:create(claim("data", ""))
    cluster:advance(2)
    assert.equal("Bound", cluster:get("pvc/data").status.phase)
    cluster:delete "pvc/data"
    cluster:advance(20)
    local pv = cluster:get "pv/pv"
    return pv and pv.status.phase or "gone", pv and pv.status.message
  end

  it("is kept, deleted, or cannot be deleted, as its policy and its kind say", function()
    assert.equal("Released", (released("Retain", { nfs = { server = "s", path = "/" } })))
    assert.equal("gone", (released("Delete", { hostPath = { path = "/tmp/data" } })))
    local phase, message = released("Delete", { hostPath = { path = "/data" } })
    assert.equal("Failed", phase)
    assert.equal("host_path deleter only supports /tmp/.+ but received provided /data", message)
    phase, message = released("Delete", { nfs = { server = "s", path = "/" } })
    assert.equal("Failed", phase)
    assert.equal('error getting deleter volume plugin for volume "pv": no volume plugin matched', message)
  end)
end)
