-- Volumes that a kubelet cannot set up, and what lets it go on.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

describe("a pod's volume", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = { { name = "a" } } } end)
  after_each(function() cluster:close() end)

  ---READY of a pod with that volume, and the last thing that it was told of it.
  local function run(name, volume)
    volume.name = "v"
    cluster:create(workload.pod(name, nil, { nodeName = "a", restartPolicy = "Never", volumes = { volume }, containers = {
      { name = "main", image = "app:1", volumeMounts = { { name = "v", mountPath = "/v" } } } } }))
    cluster:advance "20s"
    local said = workload.told(cluster, "pod/" .. name, "FailedMount")
    return cluster:kubectl("get pod --no-headers " .. name):match "%d/%d", said[#said]
  end

  local function failed(why) return { "0/1", 'MountVolume.SetUp failed for volume "v" : ' .. why } end

  it("of a ConfigMap that is not there is waited for, unless it is optional", function()
    assert.same({ "1/1" }, { run("easy", { configMap = { name = "c", optional = true } }) })
    assert.same(failed 'configmap "c" not found', { run("strict", { configMap = { name = "c" } }) })
    cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "c" }, data = { a = "1" }, binaryData = { b = "MQ==" } }
    cluster:advance "3m"
    assert.matches("1/1", cluster:kubectl "get pod strict")
  end)

  it("of a ConfigMap has the keys that are picked, whatever they are made of", function()
    cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "c" }, data = { a = "1" }, binaryData = { b = "MQ==" } }
    local function picking(key) return { configMap = { name = "c", items = { { key = key, path = key } } } } end
    assert.same({ "1/1" }, { run("text", picking "a") })
    assert.same({ "1/1" }, { run("bytes", picking "b") })
    assert.same(failed "configmap references non-existent config key: c", { run("none", picking "c") })
  end)

  it("of a path on the node is what it is said to be", function()
    local function path(at, type) return { hostPath = { path = at, type = type } } end
    assert.same({ "1/1" }, { run("maker", path("/srv", "DirectoryOrCreate")) })
    cluster:exec("maker", "echo x > /v/file")
    assert.same({ "1/1" }, { run("file", path("/srv/file", "File")) })
    assert.same({ "1/1" }, { run("folder", path("/srv", "Directory")) })
    for i, case in ipairs { { "/srv/file", "Directory", "a directory" }, { "/srv/file", "DirectoryOrCreate", "a directory" },
      { "/none", "Directory", "a directory" }, { "/srv", "File", "a file" }, { "/srv", "FileOrCreate", "a file" },
      { "/none", "File", "a file" } } do
      local why = ("hostPath type check failed: %s is not %s"):format(case[1], case[3])
      assert.same(failed(why), { run("wrong-" .. i, path(case[1], case[2])) })
    end
  end)

  it("that only one pod may use is the next one's when that has ended", function()
    local claim = workload.claim("data", "fast")
    claim.spec.accessModes = { "ReadWriteOncePod" }
    cluster:create(claim)
    cluster:settle()
    cluster:image("app:1", { exit = { after = "2m" } })
    local volume = { persistentVolumeClaim = { claimName = "data" } }
    assert.same({ "1/1" }, { run("first", volume) })
    assert.same(failed "volume uses the ReadWriteOncePod access mode and is already in use by another pod",
      { run("second", volume) })
    assert.is_true(cluster:wait_until(function(c) return c:get "pod/first".status.phase == "Succeeded" end))
    assert.is_true(cluster:wait_until(function(c) return c:get "pod/second".status.phase == "Running" end))
  end)
end)
