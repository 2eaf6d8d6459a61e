-- What a Deployment says of its progress when its ReplicaSet is made anew.
local kubesim = require "kubesim"

describe("a Deployment whose ReplicaSet was deleted, its pods left behind", function()
  local cluster
  after_each(function() cluster:close() end)

  local function progress(replicas)
    cluster = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:apply(([[
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]):format(replicas))
    cluster:advance "1s"
    local pods = #cluster:list "pods"
    local name = cluster:list("rs")[1].metadata.name
    cluster:kubectl("delete rs --cascade=orphan " .. name)
    cluster:advance "1s"
    assert.equal(pods, #cluster:list "pods")
    assert.equal(replicas, cluster:get("rs/" .. name).status.replicas)
    for _, condition in ipairs(cluster:get("deploy/web").status.conditions) do
      if condition.type == "Progressing" then return condition.reason, condition.message, name end
    end
  end

  it("says that the new one is progressing once that has adopted them", function()
    for replicas = 1, 3 do
      local reason, message, name = progress(replicas)
      assert.equal("ReplicaSetUpdated", reason)
      assert.equal(('ReplicaSet "%s" is progressing.'):format(name), message)
      if replicas < 3 then cluster:close() end
    end
  end)

  it("says that it is done where none are wanted", function()
    assert.equal("NewReplicaSetAvailable", (progress(0)))
  end)
end)
