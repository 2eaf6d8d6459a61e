-- LimitRanges: what they fill into pods, and what they refuse.
local kubesim = require "kubesim"

describe("a LimitRange", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  local function range(name, limits)
    cluster:create { apiVersion = "v1", kind = "LimitRange", metadata = { name = name }, spec = { limits = limits } }
  end

  local function pod(containers, more)
    local spec = more or {}
    spec.containers = containers
    return { apiVersion = "v1", kind = "Pod", metadata = { name = "p" }, spec = spec }
  end

  local function note(object) return object.metadata.annotations["kubernetes.io/limit-ranger"] end

  local function refused(object)
    local ok, err = pcall(cluster.create, cluster, object)
    assert.is_false(ok)
    return err.message
  end

  it("notes the containers before those that initialise", function()
    range("r", { { type = "Container", defaultRequest = { cpu = "100m" }, default = { memory = "1Gi" } } })
    local made = cluster:create(pod({ { name = "c", image = "x:1" } }, { initContainers = { { name = "i", image = "x:1" } } }))[1]
    assert.equal("LimitRanger plugin set: cpu, memory request for container c; memory limit for container c; " ..
      "cpu, memory request for init container i; memory limit for init container i", note(made))
    assert.equal("1Gi", made.spec.containers[1].resources.requests.memory)
  end)

  it("writes the note anew when it sets something after another one", function()
    range("a", { { type = "Container", defaultRequest = { cpu = "100m" } } })
    range("b", { { type = "Container", defaultRequest = { memory = "1Gi" } } })
    local made = cluster:create(pod { { name = "c", image = "x:1" } })[1]
    assert.same({ cpu = "100m", memory = "1Gi" }, made.spec.containers[1].resources.requests)
    assert.equal("LimitRanger plugin set: memory request for container c", note(made))
  end)

  it("measures a pod with its initialisation and its sidecars", function()
    range("r", { { type = "Pod", max = { cpu = "1" } } })
    local function with(cpu, restart)
      return { name = "i" .. cpu .. (restart or ""):lower(), image = "x:1", restartPolicy = restart,
        resources = { limits = { cpu = cpu } } }
    end
    local main = { { name = "c", image = "x:1", resources = { limits = { cpu = "500m" } } } }
    local words = 'pods "p" is forbidden: maximum cpu usage per Pod is 1, but limit is '
    assert.equal(words .. "2", refused(pod(main, { initContainers = { with "2" } })))
    assert.equal(words .. "1100m",
      refused(pod(main, { initContainers = { with("600m", "Always") } })))
    assert.equal(words .. "1500m",
      refused(pod(main, { initContainers = { with("500m", "Always"), with "1" } })))
    cluster:create(pod(main, { initContainers = { with("500m", "Always"), with "500m" } }))
  end)

  it("does not hold a claim back that is on its way out", function()
    cluster:create { apiVersion = "v1", kind = "PersistentVolumeClaim",
      metadata = { name = "c", finalizers = { "example.com/x" } },
      spec = { accessModes = { "ReadWriteOnce" }, storageClassName = "fast", resources = { requests = { storage = "5Gi" } } } }
    range("r", { { type = "PersistentVolumeClaim", max = { storage = "1Gi" } } })
    local ok, err = pcall(cluster.patch, cluster, "pvc/c", { metadata = { labels = { a = "b" } } })
    assert.is_false(ok)
    assert.equal('persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 5Gi',
      err.message)
    cluster:delete "pvc/c"
    cluster:patch("pvc/c", { metadata = { finalizers = kubesim.null } }, { type = "merge" })
    cluster:settle()
    assert.is_nil(cluster:get "pvc/c")
  end)
end)
