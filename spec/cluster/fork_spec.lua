-- A cluster is a value: a fork is independent, and goes on exactly as the original would.
local kubesim = require "kubesim"

local function manifest(name, replicas)
  local f <close> = assert(io.open("examples/lab/" .. name .. ".yaml"))
  local text = f:read "a"
  return replicas and text:gsub("replicas: %d+", "replicas: " .. replicas) or text
end

local function whole(cluster)
  local parts = { tostring(cluster:now()), cluster:trace() }
  for _, kind in ipairs { "pod", "pvc", "pv", "sts", "rs", "event", "controllerrevision", "endpointslice", "node" } do
    parts[#parts + 1] = kubesim.json.encode(cluster:list(kind, { all_namespaces = true }))
  end
  return table.concat(parts, "\n")
end

local function busy()
  local cluster = kubesim.new { nodes = 3, seed = 7 }
  for _, name in ipairs { "replica-web", "stateful-db", "stateful-pvc", "stateful-headless" } do
    cluster:apply(manifest(name, name ~= "stateful-headless" and 4 or nil))
  end
  cluster:advance(3) -- in the middle of things
  return cluster
end

describe("a fork", function()
  it("goes on as the original does", function()
    local original <close> = busy()
    local fork <close> = original:fork()
    assert.equal(whole(original), whole(fork))
    for _ = 1, 4 do
      original:advance(5)
      fork:advance(5)
      assert.equal(whole(original), whole(fork))
    end
    original:settle()
    fork:settle()
    assert.equal(whole(original), whole(fork))
  end)

  it("goes its own way when something else happens to it", function()
    local original <close> = busy()
    local twin <close> = original:fork()
    local fork <close> = original:fork()
    fork:scale("rs/replica-web", 0)
    fork:fail_node "k8s-node2"
    fork:advance(120)
    original:advance(120)
    twin:advance(120)
    for _, pod in ipairs(fork:list("pod", { labels = "type=web" })) do -- nobody confirms the end of those on the dead node
      assert.equal("k8s-node2", pod.spec.nodeName)
      assert.truthy(pod.metadata.deletionTimestamp)
    end
    assert.equal(4, original:count("pod", { labels = "type=web" }))
    assert.equal(whole(twin), whole(original))
  end)

  it("outlives the original, files and all", function()
    local original = busy()
    original:settle()
    original:exec("stateful-pvc-0", "echo kept > /applog/file")
    local fork <close> = original:fork()
    original:exec("stateful-pvc-0", "echo changed > /applog/file")
    original:close()
    collectgarbage()
    assert.equal("kept\n", (fork:exec("stateful-pvc-0", "cat /applog/file")))
    fork:scale("sts/stateful-pvc", 1)
    fork:settle()
    assert.equal(1, fork:count("pod", { labels = "type=db2" }))
  end)

  it("can be forked again, many deep, and closed in any order", function()
    local clusters = { busy() }
    for i = 2, 30 do
      clusters[i] = clusters[i - 1]:fork()
      clusters[i]:advance(1)
    end
    for i = 1, 30, 2 do clusters[i]:close() end
    for i = 2, 30, 2 do
      clusters[i]:advance(10)
      assert.equal(4, clusters[i]:count("pod", { labels = "type=web" }))
      clusters[i]:close()
    end
  end)
end)

describe("a run", function()
  it("has the same trace for the same seed, and another for another", function()
    local function trace(seed)
      local cluster <close> = kubesim.new { seed = seed }
      cluster:apply(manifest("replica-web", 5))
      cluster:apply(manifest("stateful-pvc", 3))
      cluster:settle()
      cluster:scale("rs/replica-web", 2)
      cluster:settle()
      return cluster:trace()
    end
    assert.equal(trace(1), trace(1))
    assert.not_equal(trace(1), trace(2))
  end)
end)
