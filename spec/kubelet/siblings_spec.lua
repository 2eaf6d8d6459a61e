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

---A cluster whose pods' statuses are noted, in order, by pod, and when each was made and deleted.
local function noting()
  local cluster = kubesim.new { seed = 7 }
  cluster:image("app:1", { pull = 2, start = 1, stop = 2 })
  local seen, deeds = {}, 0
  local function deed()
    deeds = deeds + 1
    return { at = cluster:now(), order = deeds }
  end
  cluster:watch("pods", function(_, pod)
    local life = seen[pod.metadata.name] or { made = deed() }
    seen[pod.metadata.name] = life
    if pod.metadata.deletionTimestamp then life.deleted = life.deleted or deed() end
    life[#life + 1] = plain(pod.status)
  end)
  return cluster, seen
end

---The same with one container, which is ready as soon as it runs.
local PLAIN = SET:gsub(", readinessProbe: %b{}", ""):gsub("\n      %- {name: aside[^\n]*", "")

---The lives of a set's pods, which begin and end at once or one after the other.
local function of_set(kind)
  local cluster <close>, seen = noting()
  cluster:apply((PLAIN:format(6):gsub("ReplicaSet", kind)))
  assert(cluster:wait_for(kind .. "/web", "ready"))
  cluster:kubectl("scale " .. kind .. " web --replicas=0")
  assert(cluster:settle())
  return seen
end

---The same of pods that have nothing in common, made and deleted when those were.
local function by_hand(lives_of)
  local cluster <close>, seen = noting()
  local spec = PLAIN:match "\n    spec:\n(.*)$":gsub("\n    ", "\n"):gsub("^    ", "")
  local deeds = {}
  for name, life in pairs(lives_of) do
    local pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: " .. name .. "}\nspec:\n" .. spec
    deeds[life.made.order] = { at = life.made.at, call = function() cluster:create(pod) end }
    deeds[life.deleted.order] = { at = life.deleted.at, call = function() cluster:delete("pod/" .. name) end }
  end
  for _, deed in ipairs(deeds) do
    cluster:advance(deed.at - cluster:now())
    deed.call()
  end
  assert(cluster:settle())
  return seen
end

---How many seconds there are in which one of the pods said so for the first time.
local function seconds_of(seen, path)
  local seconds, count = {}, 0
  for _, life in pairs(seen) do
    local at = path(life[#life])
    if not seconds[at] then count = count + 1 end
    seconds[at] = true
  end
  return count
end

describe("pods of one template that are not alike in time", function()
  local function check(kind, begins, runs)
    local set = of_set(kind)
    local hand = by_hand(set)
    for name, life in pairs(set) do
      assert.is_true(#life > 5)
      assert.same(hand[name], life)
    end
    assert.equal(begins, seconds_of(set, function(status) return status.startTime end))
    assert.equal(runs, seconds_of(set, function(status) return status.containerStatuses[1].state.terminated.startedAt end))
  end

  it("have the statuses of pods that have nothing in common: made one after the other", function() check("StatefulSet", 6, 6) end)
  it("have the statuses of pods that have nothing in common: running one after the other", function() check("ReplicaSet", 1, 3) end)
end)
