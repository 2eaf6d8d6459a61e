-- What happens to a database when the machines under it fail, are drained, or lie cut off.
local kubesim = require "kubesim"
require "kubesim.assertions"

local DB <const> = io.open("examples/rollout/db.yaml"):read "a"

describe("a database", function()
  local cluster

  before_each(function()
    cluster = kubesim.new { nodes = 4 }
    cluster:apply(DB)
    assert.ready(cluster, "sts/db")
    cluster:exec("db-0", "echo precious > /data/table")
  end)
  after_each(function() cluster:close() end)

  local function node_of(pod) return cluster:get("pod/" .. pod).spec.nodeName end

  it("waits for a node that went silent: no second writer, until somebody says that the first is dead", function()
    local node = node_of "db-0"
    cluster:fail_node(node)
    local guard = assert.never(cluster, function(c)
      local pod = c:get "pod/db-0"
      return pod and pod.spec.nodeName ~= node, "db-0 is elsewhere while its node may still write"
    end)
    cluster:advance "10m"
    guard:stop()
    assert.matches("db%-0 +1/1 +Terminating", (cluster:kubectl "get pods"))
    assert.equal(node, node_of "db-0")

    cluster:kubectl(("taint node %s node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"):format(node))
    assert.ready(cluster, "pod/db-0", { timeout = "20m" })
    assert.not_equal(node, node_of "db-0")
    assert.equal("precious\n", (cluster:exec("db-0", "cat /data/table")))
  end)

  it("comes back by itself when the node does", function()
    local node = node_of "db-0"
    cluster:fail_node(node)
    cluster:advance "2m"
    assert.not_ready(cluster, "pod/db-0")
    cluster:recover_node(node)
    assert.ready(cluster, "sts/db")
    assert.equal("precious\n", (cluster:exec("db-0", "cat /data/table")))
  end)

  it("never has two members down while nodes are drained, because its budget forbids it", function()
    assert.always(cluster, function(c) return (c:get "sts/db".status.readyReplicas or 0) >= 2 end, "two members ready")
    for _, node in ipairs(cluster:list "node") do
      cluster:kubectl(("drain %s --ignore-daemonsets"):format(node.metadata.name))
      assert.ready(cluster, "sts/db")
      cluster:kubectl("uncordon " .. node.metadata.name)
    end
    assert.equal("precious\n", (cluster:exec("db-0", "cat /data/table")))
  end)
end)
