-- What is at work on an object and is told of it again looks again only when it is done: others see what it has written until then.
local kubesim = require "kubesim"

describe("a controller that is told of what it works on", function()
  it("lets others see its first status before it writes the next", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]
    cluster:settle()
    local seen = {}
    cluster:watch("Deployment", function(_, object)
      local now = object.status.replicas
      if seen[#seen] ~= now then seen[#seen + 1] = now end
    end)
    cluster:drive(cluster:list("pod")[1].metadata.name, "failed")
    cluster:settle()
    assert.same({ 1, 2 }, seen)
  end)
end)
