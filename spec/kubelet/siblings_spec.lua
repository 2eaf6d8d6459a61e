-- Pods of one template that live through the same at the same time: each status is that of a pod alone, but for what is the pod's own.
local kubesim = require "kubesim"

local SET = [[
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 5
      containers:
      - {name: main, image: "app:1", readinessProbe: {httpGet: {port: 80}, periodSeconds: 2}}
      - {name: aside, image: "aside:1", resources: {requests: {cpu: 10m}}, volumeMounts: [{name: tmp, mountPath: /tmp, readOnly: true}]}
      volumes: [{name: tmp, emptyDir: {}}]
]]

local function deep(v)
  if type(v) ~= "table" then return v end
  local copy = {}
  for key, inner in pairs(v) do copy[key] = deep(inner) end
  return copy
end

---A status without what is the pod's own.
local function plain(status)
  local copy = deep(status)
  copy.hostIP, copy.hostIPs, copy.podIP, copy.podIPs = nil, nil, nil, nil
  for _, c in ipairs(copy.containerStatuses or {}) do
    c.containerID = nil
    if c.state.terminated then c.state.terminated.containerID = nil end
  end
  return copy
end

---All statuses that a set's pods have had, in order, by pod: some begin at once, some two seconds later, and all end at once.
local function lives(early, late)
  local cluster = kubesim.new { nodes = 3, seed = 7 }
  cluster:image("app:1", { pull = 0, start = 1, stop = 2 }) -- no pod waits for another one's pull
  cluster:image("aside:1", { pull = 0, start = 0, stop = 2 })
  local seen, nodes = {}, {}
  for _, node in ipairs(cluster:list "nodes") do
    for _, address in ipairs(node.status.addresses) do
      if address.type == "InternalIP" then nodes[node.metadata.name] = address.address end
    end
  end
  cluster:watch("pods", function(_, pod)
    if (pod.metadata.labels or {}).app ~= "web" then return end
    local life = seen[pod.metadata.name] or {}
    seen[pod.metadata.name] = life
    life[#life + 1] = { status = pod.status, node = nodes[pod.spec.nodeName or ""] }
  end)
  cluster:apply(SET:format(early))
  cluster:advance(2)
  cluster:kubectl("scale rs web --replicas=" .. early + late)
  cluster:advance(28)
  cluster:kubectl "delete rs web"
  cluster:advance(30)
  cluster:close()
  return seen
end

describe("pods of one template", function()
  local alone, many

  setup(function()
    many, alone = lives(15, 15), {}
    for _, one in ipairs { lives(1, 0), lives(0, 1) } do
      local _, life = next(one)
      alone[life[#life].status.startTime] = life
    end
  end)

  it("have the statuses of a pod alone", function()
    local count = 0
    for name, life in pairs(many) do
      local one = alone[life[#life].status.startTime]
      count = count + 1
      assert.equal(#one, #life, name)
      for i, now in ipairs(life) do assert.same(plain(one[i].status), plain(now.status), name .. " " .. i) end
      assert.is_true(#one > 5)
    end
    assert.equal(30, count)
  end)

  it("each have their node's address, an address and container ids of their own, from beginning to end", function()
    local ids, addresses, containers = {}, {}, 0
    for name, life in pairs(many) do
      local id, ip = {}, nil
      for _, now in ipairs(life) do
        local status = now.status
        if status.hostIP then
          assert.equal(now.node, status.hostIP)
          assert.same({ { ip = now.node } }, status.hostIPs)
        end
        if status.podIP then
          assert.equal(ip or status.podIP, status.podIP)
          ip = status.podIP
          assert.same({ { ip = ip } }, status.podIPs)
        end
        for _, c in ipairs(status.containerStatuses or {}) do
          if c.containerID then
            assert.equal(id[c.name] or c.containerID, c.containerID)
            id[c.name] = c.containerID
          end
          if c.state.terminated then assert.equal(id[c.name], c.state.terminated.containerID) end
        end
      end
      assert.is_nil(addresses[ip], name)
      addresses[ip] = true
      for _, v in pairs(id) do
        assert.is_nil(ids[v], name)
        ids[v] = true
        containers = containers + 1
      end
    end
    assert.equal(60, containers)
  end)
end)
