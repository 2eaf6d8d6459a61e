--- What pods are told whose volume is attached to another node: spec of the Multi-Attach events.

local kubesim = require "kubesim"

local function pod(name, node)
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name },
    spec = { nodeSelector = { ["kubernetes.io/hostname"] = node },
      containers = { { name = "main", image = "app", volumeMounts = { { name = "data", mountPath = "/data" } } } },
      volumes = { { name = "data", persistentVolumeClaim = { claimName = "shared" } } } } }
end

---How often pods of that name have been told that the volume is attached elsewhere.
local function told(cluster, name)
  local count = 0
  for _, event in ipairs(cluster:events()) do
    if event.reason == "FailedAttachVolume" and event.involvedObject.name == name then count = count + event.count end
  end
  return count
end

describe("a volume for one node that pods on others want", function()
  -- All reports of nodes that do not want it any more are forgotten at once: in whatever order they stand, none is left behind.
  for _, again in ipairs { "b", "c", "d" } do
    it("is reported once, and again when all had gone and node " .. again .. " comes back", function()
      local cluster <close> = kubesim.new { nodes = { { name = "a" }, { name = "b" }, { name = "c" }, { name = "d" } } }
      cluster:create { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "shared" },
        spec = { accessModes = { "ReadWriteOnce" }, storageClassName = "fast", resources = { requests = { storage = "1Gi" } } } }
      cluster:create(pod("first", "a"))
      cluster:advance "1m"
      for _, node in ipairs { "b", "c", "d" } do cluster:create(pod("on-" .. node, node)) end
      cluster:advance "1m"
      cluster:kubectl "delete pod on-d --force --grace-period=0"
      cluster:advance "1m"
      for _, node in ipairs { "b", "c", "d" } do assert.equal(1, told(cluster, "on-" .. node)) end

      cluster:kubectl "delete pod on-b on-c --force --grace-period=0"
      cluster:advance "1m"
      cluster:create(pod("back", again))
      cluster:advance "1m"
      assert.equal(1, told(cluster, "back"))
    end)
  end
end)

describe("a volume for many nodes", function()
  ---The nodes that it is attached to, in the order of their names.
  local function nodes_of(cluster)
    local names = {}
    for _, attachment in ipairs(cluster:list "volumeattachments") do names[#names + 1] = attachment.spec.nodeName end
    table.sort(names)
    return table.concat(names, " ")
  end

  it("stays attached to a node until the last of its pods there has gone", function()
    local cluster <close> = kubesim.new { nodes = { { name = "a" }, { name = "b" } } }
    cluster:create { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "shared" },
      spec = { accessModes = { "ReadWriteMany" }, storageClassName = "fast", resources = { requests = { storage = "1Gi" } } } }
    local function stands(nodes)
      cluster:advance "2m"
      assert.equal(nodes, nodes_of(cluster))
    end
    cluster:create(pod("one", "a"))
    stands "a"
    cluster:create(pod("two", "b"))
    cluster:create(pod("three", "b"))
    stands "a b"
    cluster:delete "pod/two"
    stands "a b"
    cluster:delete "pod/three"
    stands "a"
    cluster:create(pod("four", "b"))
    cluster:delete "pod/one"
    stands "b"
    cluster:delete "pod/four"
    stands ""
    cluster:create(pod("five", "a")) -- the claim is one pod's again
    stands "a"
  end)

  it("is known to be wanted by a controller that was restarted", function()
    local cluster <close> = kubesim.new { nodes = { { name = "a" }, { name = "b" } } }
    cluster:create { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "shared" },
      spec = { accessModes = { "ReadWriteMany" }, storageClassName = "fast", resources = { requests = { storage = "1Gi" } } } }
    for _, name in ipairs { "one", "two" } do cluster:create(pod(name, "a")) end
    cluster:create(pod("three", "b"))
    cluster:advance "1m"
    cluster:restart "attachdetach"
    cluster:advance "1m"
    assert.equal("a b", nodes_of(cluster))
    cluster:delete "pod/one"
    cluster:advance "2m"
    assert.equal("a b", nodes_of(cluster))
    cluster:delete "pod/two"
    cluster:advance "2m"
    assert.equal("b", nodes_of(cluster))
  end)
end)
