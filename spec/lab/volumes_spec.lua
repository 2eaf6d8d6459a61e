-- What the lab shows of claims: one shared by a ReplicaSet, one per pod of a StatefulSet. Its exact manifests.
local kubesim = require "kubesim"
require "kubesim.assertions"

local function manifest(name, replicas)
  local f <close> = assert(io.open("examples/lab/" .. name .. ".yaml"))
  local text = f:read "a"
  return replicas and text:gsub("replicas: %d+", "replicas: " .. replicas) or text
end

describe("the lab's volumes", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 2 } end)
  after_each(function() cluster:close() end)

  it("provision and bind a claim of class fast", function()
    cluster:apply(manifest "replica-pvc1")
    cluster:settle()
    local claim = cluster:get "pvc/replica-pvc1"
    assert.equal("Bound", claim.status.phase)
    local volume = cluster:get("pv/" .. claim.spec.volumeName)
    assert.equal("Bound", volume.status.phase)
    assert.equal("replica-pvc1", volume.spec.claimRef.name)
    assert.equal("fast", volume.spec.storageClassName)
  end)

  it("share a file between the pods of a ReplicaSet, new ones too", function()
    cluster:apply(manifest "replica-pvc1")
    cluster:apply(manifest("replica-pvc", 2))
    cluster:settle()
    local pods = cluster:list("pod", { labels = "type=web2" })
    assert.equal(2, #pods)
    local _, code = cluster:exec(pods[1].metadata.name, "echo hello > /applog/a.txt")
    assert.equal(0, code)
    assert.equal("hello\n", (cluster:exec(pods[2].metadata.name, "cat /applog/a.txt")))
    cluster:apply(manifest("replica-pvc", 4))
    cluster:settle()
    for _, pod in ipairs(cluster:list("pod", { labels = "type=web2" })) do
      assert.equal("k8s-node1", pod.spec.nodeName)
      assert.equal("hello\n", (cluster:exec(pod.metadata.name, "cat /applog/a.txt")))
    end
  end)

  it("hang pods of another node in ContainerCreating with a Multi-Attach event without nodeSelector", function()
    cluster:apply(manifest "replica-pvc1")
    local text = manifest("replica-pvc", 4):gsub("      nodeSelector:\n        kubernetes.io/hostname: k8s%-node1\n", "")
    cluster:apply(text)
    cluster:advance(60)
    local running, hanging = {}, {}
    for _, pod in ipairs(cluster:list("pod", { labels = "type=web2" })) do
      local list = pod.status.phase == "Running" and running or hanging
      list[#list + 1] = pod
    end
    assert.equal(2, #running)
    assert.equal(2, #hanging)
    assert.equal(running[1].spec.nodeName, running[2].spec.nodeName)
    local shown = cluster:kubectl "get po"
    for _, pod in ipairs(hanging) do
      assert.not_equal(running[1].spec.nodeName, pod.spec.nodeName)
      assert.matches(pod.metadata.name:gsub("%-", "%%-") .. " +0/1 +ContainerCreating", shown)
      local events = cluster:events { ref = "pod/" .. pod.metadata.name, reason = "FailedAttachVolume" }
      assert.equal(1, #events)
      assert.matches('^Multi%-Attach error for volume "pvc%-.*" Volume is already used by', events[1].message)
    end
  end)

  it("give each pod of a StatefulSet its own claim and volume, on any node", function()
    cluster:apply(manifest("stateful-pvc", 3))
    cluster:settle()
    local volumes, nodes = {}, {}
    for i = 0, 2 do
      local claim = assert(cluster:get("pvc/volume-stateful-pvc-" .. i))
      assert.equal("Bound", claim.status.phase)
      volumes[claim.spec.volumeName] = true
      nodes[cluster:get("pod/stateful-pvc-" .. i).spec.nodeName] = true
    end
    local n = 0
    for _ in pairs(volumes) do n = n + 1 end
    assert.equal(3, n)
    assert.is_true(nodes["k8s-node1"] and nodes["k8s-node2"])
  end)

  it("are refused when a volumeMount names neither a volume nor a claim template", function()
    local text = manifest("stateful-pvc"):gsub("%- name: volume\n", "- name: other\n", 1)
    local ok, err = pcall(cluster.apply, cluster, text)
    assert.is_false(ok)
    assert.equal(422, err.code)
    assert.equal('StatefulSet.apps "stateful-pvc" is invalid: spec.template.spec.containers[0].volumeMounts[0].name: Not found: "other"',
      err.message)
    assert.is_nil(cluster:get "sts/stateful-pvc")
  end)

  it("stay when a pod is deleted or scaled away, and the next pod of the name finds its files", function()
    cluster:apply(manifest("stateful-pvc", 2))
    cluster:settle()
    for i = 0, 1 do cluster:exec("stateful-pvc-" .. i, ("echo mine-%d > /applog/data"):format(i)) end
    local before = cluster:get("pvc/volume-stateful-pvc-0").spec.volumeName
    cluster:delete "pod/stateful-pvc-0"
    cluster:settle()
    assert.equal("mine-0\n", (cluster:exec("stateful-pvc-0", "cat /applog/data")))
    assert.equal(before, cluster:get("pvc/volume-stateful-pvc-0").spec.volumeName)
    cluster:scale("sts/stateful-pvc", 0)
    cluster:settle()
    assert.equal(0, cluster:count "pod")
    assert.equal(2, cluster:count "pvc")
    assert.equal(2, cluster:count "pv")
    cluster:scale("sts/stateful-pvc", 2)
    cluster:settle()
    assert.equal("mine-1\n", (cluster:exec("stateful-pvc-1", "cat /applog/data")))
  end)
end)
