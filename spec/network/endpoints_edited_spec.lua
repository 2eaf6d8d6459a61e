-- Endpoints are what the pods say, whatever happened to which of them: with one group of ports or two, below a thousand and above.
local kubesim = require "kubesim"
local dice = require "spec.support.dice"

local SERVICE <const> = [[
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: None
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: web}]
]]

local function pod(name, port)
  return {
    apiVersion = "v1", kind = "Pod", metadata = { name = name, labels = { app = "web" } },
    spec = { containers = { { name = "main", image = "app:1", ports = { { name = "web", containerPort = port } } } } },
  }
end

local function is_ready(status)
  for _, condition in ipairs(status.conditions or {}) do
    if condition.type == "Ready" then return condition.status == "True" end
  end
  return false
end

local function by_address(a, b)
  if a.status.podIP ~= b.status.podIP then return a.status.podIP < b.status.podIP end
  return a.metadata.uid < b.metadata.uid
end

--- What is to be published: {["8080"] = "ready names | other names"}, a thousand in all of one group.
local function expected(cluster)
  local groups, total = {}, 0
  for _, p in ipairs(cluster:list("Pod", { labels = "app=web" })) do
    local ended = p.status.phase == "Failed" or p.status.phase == "Succeeded"
    if p.status.podIP and not ended and not p.metadata.deletionTimestamp then
      local port = tostring(p.spec.containers[1].ports[1].containerPort)
      local group = groups[port] or { [true] = {}, [false] = {} }
      groups[port], total = group, total + 1
      table.insert(group[is_ready(p.status)], p)
    end
  end
  local out = {}
  for port, group in pairs(groups) do
    local room, texts = total > 1000 and 1000 or math.huge, {}
    for i, ready in ipairs { true, false } do
      table.sort(group[ready], by_address)
      local names = {}
      for _, p in ipairs(group[ready]) do
        if room > 0 then
          room = room - 1
          names[#names + 1] = p.metadata.name
        end
      end
      texts[i] = table.concat(names, " ")
    end
    out[port] = table.concat(texts, " | ")
  end
  return out
end

local function published(cluster)
  local out = {}
  for _, subset in ipairs(cluster:get("endpoints/web").subsets or {}) do
    local texts = {}
    for i, key in ipairs { "addresses", "notReadyAddresses" } do
      local names = {}
      for k, address in ipairs(subset[key] or {}) do names[k] = address.targetRef.name end
      texts[i] = table.concat(names, " ")
    end
    out[tostring(subset.ports[1].port)] = table.concat(texts, " | ")
  end
  return out
end

--- Something happens to one of the pods, or to none.
local function happen(cluster, rolled, names, fresh)
  local name = rolled.one_of(names)
  local p = cluster:get("pod/" .. name)
  local what = 1 + rolled.below(8)
  if not p then
    if fresh then cluster:create(pod(name, rolled.below(6) == 0 and 8081 or 8080)) end
  elseif what <= 5 and p.spec.nodeName then
    local phase = p.status.phase
    if phase ~= "Failed" and phase ~= "Succeeded" then cluster:drive(name, what <= 3 and "ready" or "unready") end
  elseif what <= 6 then
    cluster:patch("pod/" .. name, { metadata = { labels = { app = p.metadata.labels.app == "web" and "none" or "web" } } })
  elseif what == 7 and fresh then
    cluster:delete("pod/" .. name, { grace_period = 0, force = true })
  elseif fresh and p.status.podIP and is_ready(p.status) then
    cluster:drive(name, "failed")
  end
end

describe("Endpoints that are kept up to date pod by pod", function()
  for seed = 1, 12 do
    it("are what the pods say after each step of a life (" .. seed .. ")", function()
      local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual", seed = seed }
      local rolled = dice(seed)
      local names = {}
      for i = 1, 6 do names[i] = "p" .. i end
      cluster:apply(SERVICE)
      for _ = 1, 60 do
        for _ = 0, rolled.below(3) do happen(cluster, rolled, names, true) end
        cluster:advance(1)
        assert.same(expected(cluster), published(cluster))
      end
      local version = cluster:get("endpoints/web").metadata.resourceVersion
      cluster:restart "endpoints" -- it reads all anew
      cluster:advance(1)
      assert.equal(version, cluster:get("endpoints/web").metadata.resourceVersion)
    end)
  end

  it("are the first thousand where there are more", function()
    local cluster <close> = kubesim.new {
      nodes = { { name = "big", capacity = { cpu = "9999", memory = "9999Gi", pods = 5000 } } }, kubelet = "manual" }
    local rolled, names = dice(1), {}
    cluster:apply(SERVICE)
    for i = 1, 1006 do
      names[i] = "p" .. i
      cluster:create(pod(names[i], 8080))
    end
    cluster:advance(1)
    for i = 1, 1003 do cluster:drive(names[i], "ready") end
    for step = 1, 40 do
      -- around a thousand ready ones, on both sides
      for _ = 1, step % 3 * 3 do happen(cluster, rolled, names) end
      cluster:advance(1)
      assert.same(expected(cluster), published(cluster))
    end
  end)
end)
