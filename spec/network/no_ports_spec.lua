-- EndpointSlices of a headless Service without ports: releases before 1.36 do not see that they are its, and write them anew.
local kubesim = require "kubesim"

local SERVICE <const> = [[
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: None, selector: {app: web}%s}
]]
local POD <const> = [[
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: web}}
spec: {containers: [{name: c, image: "app:1"}]}
]]
local TRIGGER <const> = "endpoints.kubernetes.io/last-change-trigger-time"

--- The slice's annotations after a look that changes no endpoint, and whether it was written.
local function looked_at(release, ports)
  local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual", version = release }
  cluster:create(SERVICE:format(ports))
  cluster:create(POD)
  cluster:advance(1)
  cluster:drive("a", "ready")
  cluster:advance(5)
  local slice = cluster:list("EndpointSlice")[1]
  assert.equal("a", slice.endpoints[1].targetRef.name)
  assert.is_string(slice.metadata.annotations[TRIGGER])
  cluster:patch("svc/web", { metadata = { annotations = { x = "y" } } })
  cluster:advance(5)
  local now = cluster:list("EndpointSlice")[1]
  assert.equal(slice.metadata.name, now.metadata.name)
  assert.equal(slice.metadata.generation, now.metadata.generation)
  local triggered = now.metadata.annotations and now.metadata.annotations[TRIGGER] ~= nil
  return triggered, now.metadata.resourceVersion ~= slice.metadata.resourceVersion
end

describe("an EndpointSlice", function()
  for _, release in ipairs { "1.34", "1.35" } do
    it("without ports is written anew at each look: " .. release, function()
      local triggered, written = looked_at(release, "")
      assert.is_falsy(triggered)
      assert.is_true(written)
    end)
  end

  it("is left alone where nothing changes", function()
    for release, ports in pairs { ["1.36"] = "", ["1.35"] = ", ports: [{port: 80}]" } do
      local triggered, written = looked_at(release, ports)
      assert.is_true(triggered)
      assert.is_false(written)
    end
  end)
end)
