-- Claims and volumes that name each other, and what becomes of them where that is wrong, or not true any more.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local told = workload.told

describe("binding", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  ---A volume, or a claim, with such parts of its spec.
  local function volume(name, more, annotations)
    local spec = { capacity = { storage = "1Gi" }, accessModes = { "ReadWriteOnce" }, storageClassName = "none",
      hostPath = { path = "/srv" } }
    for key, value in pairs(more or {}) do spec[key] = value end
    cluster:create { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = name, annotations = annotations }, spec = spec }
    cluster:advance "1s"
  end

  local function claim(name, more, annotations)
    local object = workload.claim(name, "none")
    for key, value in pairs(more or {}) do object.spec[key] = value end
    object.metadata.annotations = annotations
    cluster:create(object)
    cluster:advance "1s"
  end

  local function phase(ref) return cluster:get(ref).status.phase end

  local function ref_to(name)
    local object = cluster:get("pvc/" .. name)
    return { apiVersion = "v1", kind = "PersistentVolumeClaim", namespace = "default", name = name, uid = object.metadata.uid }
  end

  describe("of a claim that names a volume", function()
    it("waits in silence for one that is not there", function()
      claim("data", { volumeName = "disk" })
      assert.equal("Pending", phase "pvc/data")
      assert.same({}, cluster:events { ref = "pvc/data" })
      volume "disk"
      cluster:advance "15s"
      assert.equal("Bound", phase "pvc/data")
      assert.equal("Bound", phase "pv/disk")
    end)

    it("says what is wrong with it", function()
      volume("disk", { capacity = { storage = "1Mi" } })
      claim("data", { volumeName = "disk" })
      assert.equal("Pending", phase "pvc/data")
      assert.same({ 'Cannot bind to requested volume "disk": requested PV is too small' }, told(cluster, "pvc/data", "VolumeMismatch"))
    end)

    it("says that it is another's", function()
      volume "disk"
      claim "first"
      assert.equal("Bound", phase "pvc/first")
      claim("data", { volumeName = "disk" })
      assert.equal("Pending", phase "pvc/data")
      assert.same({ 'volume "disk" already bound to a different claim.' }, told(cluster, "pvc/data", "FailedBinding"))
    end)
  end)

  describe("of a claim that was bound", function()
    local function lost(reason)
      assert.equal("Lost", phase "pvc/data")
      cluster:patch("pvc/data", { metadata = { labels = { look = "again" } } })
      cluster:advance "1m"
      local events = cluster:events { ref = "pvc/data", reason = reason }
      assert.same({ 1, 1 }, { #events, events[1].count })
      return events[1].message
    end

    it("is lost with its volume, which is said once", function()
      volume "disk"
      claim "data"
      cluster:patch("pv/disk", { metadata = { finalizers = kubesim.null } }, { type = "merge" })
      cluster:delete "pv/disk"
      cluster:advance "1s"
      assert.equal("Bound claim has lost its PersistentVolume. Data on the volume is lost!", lost "ClaimLost")
    end)

    it("is lost when it does not say to what", function()
      claim("data", {}, { ["pv.kubernetes.io/bind-completed"] = "yes" })
      assert.equal("Bound claim has lost reference to PersistentVolume. Data on the volume is lost!", lost "ClaimLost")
    end)

    it("is lost within a quarter of a minute when its volume is given to another", function()
      volume "disk"
      claim "data"
      cluster:advance(1)
      assert.equal("disk", cluster:get("pvc/data").spec.volumeName)
      claim "other"
      cluster:patch("pv/disk", { spec = { claimRef = {
        name = "other", uid = cluster:get("pvc/other").metadata.uid, resourceVersion = kubesim.null } } }, { type = "merge" })
      cluster:advance "15s"
      assert.equal("Two claims are bound to the same volume, this one is bound incorrectly", lost "ClaimMisbound")
      assert.equal("disk", cluster:get("pvc/other").spec.volumeName)
    end)

    it("is lost when the volume is another's", function()
      volume "disk"
      claim "first"
      claim("data", { volumeName = "disk" }, { ["pv.kubernetes.io/bind-completed"] = "yes" })
      assert.equal("Two claims are bound to the same volume, this one is bound incorrectly", lost "ClaimMisbound")
      assert.equal("Bound", phase "pvc/first")
    end)
  end)

  describe("of a volume whose claim has another", function()
    before_each(function()
      volume "disk"
      claim "data"
    end)

    it("is undone: its user's wish stays, without the uid", function()
      volume("second", { claimRef = ref_to "data" })
      local second = cluster:get "pv/second"
      assert.equal("Available", second.status.phase)
      assert.equal("data", second.spec.claimRef.name)
      assert.is_nil(second.spec.claimRef.uid)
    end)

    it("is undone: what the controller wrote goes", function()
      volume("second", { claimRef = ref_to "data" }, { ["pv.kubernetes.io/bound-by-controller"] = "yes" })
      local second = cluster:get "pv/second"
      assert.equal("Available", second.status.phase)
      assert.is_nil(second.spec.claimRef)
      assert.is_nil((second.metadata.annotations or {})["pv.kubernetes.io/bound-by-controller"])
    end)

    it("releases one that was made for the claim and is to be deleted with it", function()
      volume("second", { claimRef = ref_to "data", persistentVolumeReclaimPolicy = "Delete" },
        { ["pv.kubernetes.io/provisioned-by"] = "kubesim.dev/fast" })
      cluster:advance "1m"
      assert.is_nil(cluster:get "pv/second")
      assert.equal("Bound", phase "pvc/data")
    end)
  end)

  it("tells claim and volume that their modes do not fit", function()
    claim "data"
    volume("raw", { claimRef = ref_to "data", volumeMode = "Block" })
    assert.equal("Pending", phase "pvc/data")
    assert.same({ 'Cannot bind PersistentVolume to requested PersistentVolumeClaim "data" due to incompatible volumeMode.' },
      told(cluster, "pv/raw", "VolumeMismatch"))
    assert.same({ 'Cannot bind PersistentVolume "raw" to requested PersistentVolumeClaim due to incompatible volumeMode.' },
      told(cluster, "pvc/data", "VolumeMismatch"))
  end)

  it("does not make a released volume new again where it is to be recycled and nobody can", function()
    volume("disk", { persistentVolumeReclaimPolicy = "Recycle" })
    claim "data"
    cluster:delete "pvc/data"
    cluster:advance "1m"
    local disk = cluster:get "pv/disk"
    assert.equal("Failed", disk.status.phase)
    assert.equal("No recycler plugin found for the volume!", disk.status.message)
    assert.same({ "No recycler plugin found for the volume!" }, told(cluster, "pv/disk", "VolumeFailedRecycle"))
  end)

  it("does not take back the size that a claim has grown to", function()
    volume "disk"
    claim "data"
    cluster:patch("pvc/data", { status = { capacity = { storage = "5Gi" } } }, { subresource = "status" })
    cluster:patch("pvc/data", { metadata = { labels = { look = "again" } } })
    cluster:advance "1m"
    assert.equal("5Gi", cluster:get("pvc/data").status.capacity.storage)
  end)
end)

describe("a claim with a selector, whose class provisions", function()
  it("is told that its provisioner does not support that", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    local object = workload.claim("data", "fast")
    object.spec.selector = { matchLabels = { disk = "fast" } }
    cluster:create(object)
    cluster:advance "1m"
    cluster:patch("pvc/data", { metadata = { labels = { look = "again" } } })
    cluster:advance "1m"
    assert.equal("Pending", cluster:get("pvc/data").status.phase)
    assert.same({ "claim Selector is not supported" }, told(cluster, "pvc/data", "ProvisioningFailed"))
    assert.equal(0, cluster:count "pv")
  end)
end)

describe("a claim that names no class", function()
  it("gets the latest default class when there is one", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual", storage_classes = {} }
    cluster:create(workload.claim "data")
    cluster:advance "1s"
    for _, name in ipairs { "a-former", "b-latter" } do
      cluster:create { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", provisioner = "kubesim.dev/fast",
        metadata = { name = name, annotations = { ["storageclass.kubernetes.io/is-default-class"] = "true" } } }
      cluster:advance "2s"
    end
    assert.is_nil(cluster:get("pvc/data").spec.storageClassName)
    cluster:advance "15s"
    assert.equal("b-latter", cluster:get("pvc/data").spec.storageClassName)
  end)
end)

describe("a released volume", function()
  it("is not deleted while it is attached, which its provisioner tells", function()
    local cluster <close> = kubesim.new { nodes = 1, latency = { detach = "20s" } }
    cluster:create(workload.claim("data", "fast"))
    cluster:create(workload.pod("user", nil, { volumes = { { name = "data", persistentVolumeClaim = { claimName = "data" } } } }))
    cluster:advance "1m"
    local name = cluster:list("pv")[1].metadata.name
    cluster:delete("pod/user", { grace_period = 0 })
    cluster:delete "pvc/data"
    cluster:advance "15s"
    assert.equal("Released", cluster:get("pv/" .. name).status.phase)
    assert.same({ ("persistentvolume %s is still attached to node k8s-node1"):format(name) },
      workload.told(cluster, "pv/" .. name, "VolumeFailedDelete"))
    cluster:advance "1m"
    assert.equal(0, cluster:count "pv")
  end)
end)
