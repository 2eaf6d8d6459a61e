-- When memory runs out a call fails with "not enough memory", the cluster is as it was, and it goes on as if nothing had been.
local kubesim = require "kubesim"

local SET = [[
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 1
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: app, volumeMounts: [{name: data, mountPath: /data}]}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
]]

local KINDS = { "pod", "pvc", "pv", "sts", "service", "endpointslice", "event", "controllerrevision", "volumeattachment", "node" }

local function whole(cluster)
  local parts = { cluster:trace(), tostring(cluster:now()) }
  for _, kind in ipairs(KINDS) do parts[#parts + 1] = kubesim.json.encode(cluster:list(kind, { all_namespaces = true })) end
  return table.concat(parts, "\n")
end

---Calls `fn` again and again, first letting its first allocation fail, then its second, ... until it comes through.
---@return any result of the call that came through
local function pressed(cluster, fn)
  local trace, n = cluster:trace(), 0
  while true do
    n = n + 1
    cluster.core:fail_allocation(n)
    local ok, result = pcall(fn)
    cluster.core:fail_allocation(0)
    if ok then return result, n end
    assert.matches("not enough memory", tostring(result), 1, true)
    assert.equal(trace, cluster:trace())
  end
end

describe("a cluster without memory", function()
  it("is as before after every allocation that fails, and comes to the same end", function()
    local calm <close> = kubesim.new { nodes = 1, seed = 5 }
    local cluster <close> = kubesim.new { nodes = 1, seed = 5 }
    local failed = 0
    local function both(fn)
      local expected = fn(calm)
      local result, n = pressed(cluster, function() return fn(cluster) end)
      failed = failed + n - 1
      assert.same(expected, result)
    end
    both(function(c) return c:apply(SET)[2].operation end)
    while calm.core:due() do both(function(c) return c:step() end) end
    both(function(c) return c:kubectl "get po,pvc -o wide" end)
    both(function(c) return (c:exec("web-0", "echo kept > /data/file; cat /data/file")) end)
    both(function(c) return (c:patch("sts/web", { spec = { replicas = 2 } })).spec.replicas end)
    both(function(c) return c:delete("pod/web-0").metadata.name end)
    for _ = 1, 10 do both(function(c) return c:step() end) end
    assert.equal(whole(calm), whole(cluster))
    calm:settle()
    cluster:settle()
    assert.equal(whole(calm), whole(cluster))
    assert.is_true(failed > 1500, failed .. " allocations failed")
  end)

  it("has what comes by the clock come all the same", function()
    local calm <close> = kubesim.new { nodes = 1, seed = 5 }
    local cluster <close> = kubesim.new { nodes = 1, seed = 5 }
    for _, c in ipairs { calm, cluster } do
      for i = 1, 3 do
        c:create { apiVersion = "v1", kind = "Pod", metadata = { name = "big-" .. i },
          spec = { containers = { { name = "main", image = "app", resources = { requests = { cpu = "1000" } } } } } }
      end
      c:settle()
    end
    for _, span in ipairs { 400, 1000, 500 } do -- looks, looks that are only counted, what was counted
      calm:advance(span)
      pressed(cluster, function() cluster:advance(span) end)
      assert.equal(whole(calm), whole(cluster))
    end
    assert.equal(5, cluster:events({ reason = "FailedScheduling" })[4].series.count)
  end)

  it("keeps its forks out of it", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:apply(SET)
    local fork <close> = cluster:fork()
    local before = whole(fork)
    for n = 1, 2000, 37 do
      cluster.core:fail_allocation(n)
      pcall(cluster.advance, cluster, 1)
      cluster.core:fail_allocation(0)
    end
    assert.equal(before, whole(fork))
    fork:settle()
    assert.equal("Running", fork:get "pod/web-0".status.phase)
  end)

  for _, kind in ipairs { "ReplicaSet", "StatefulSet" } do
    it("tells when a set of all too many pods takes more than it may have: " .. kind, function()
      local cluster <close> = kubesim.new { nodes = 1, memory = "40Mi" }
      local spec = { replicas = 2147483647, selector = { matchLabels = { app = "web" } },
        template = { metadata = { labels = { app = "web" } }, spec = { containers = { { name = "c", image = "app:1" } } } } }
      if kind == "StatefulSet" then spec.serviceName, spec.podManagementPolicy = "web", "Parallel" end
      cluster:create { apiVersion = "apps/v1", kind = kind, metadata = { name = "web" }, spec = spec }
      local ok, err = pcall(cluster.advance, cluster, 1)
      assert.is_false(ok)
      assert.matches("not enough memory", tostring(err), 1, true)
      assert.equal(0, cluster:now())
      assert.equal(0, cluster:count "pods")
      assert.equal(2147483647, cluster:get(kind .. "/web").spec.replicas)
      cluster:scale(kind .. "/web", 3)
      assert(cluster:wait_for(kind .. "/web", "ready"))
    end)
  end

  it("minds what it is told of its memory", function()
    for _, row in ipairs { { "2 cups", "quantities must match" }, { 0, "more than nothing expected, got 0" } } do
      local ok, err = pcall(kubesim.new, { memory = row[1] })
      assert.is_false(ok)
      assert.matches("option 'memory': " .. row[2], tostring(err), 1, true)
    end
  end)

  it("refuses what would need more than it may have, and stays usable", function()
    local cluster <close> = kubesim.new { nodes = 2 }
    local _, _, bytes = cluster.core:memory()
    cluster.core:limit_memory(bytes + 200000)
    cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "small" } }
    local trace = cluster:trace()
    local many = {}
    local data = { x = ("y"):rep(500) }
    for i = 1, 2000 do many[i] = { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "c" .. i }, data = data } end
    local ok, err = pcall(cluster.create, cluster, many)
    assert.is_false(ok)
    assert.matches("not enough memory", tostring(err), 1, true)
    assert.equal(trace, cluster:trace())
    cluster.core:limit_memory(0) -- what was in flight goes with the cluster: until then there is no room to ask in
    assert.is_nil(cluster:get "cm/c1")
    cluster:create(many)
    assert.equal(2001, cluster:count "cm" - 1) -- and kube-root-ca.crt
  end)

  it("frees what it takes, if it need not remember what it was told", function()
    local cluster <close> = kubesim.new { nodes = 1, journal = false }
    cluster:settle()
    local function round()
      cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "x" }, data = { k = ("v"):rep(10000) } }
      cluster:delete "cm/x"
    end
    for _ = 1, 1100 do round() end -- the log of changes is full then
    collectgarbage() -- what the calls have returned lives until then
    local _, _, before = cluster.core:memory()
    for _ = 1, 200 do round() end
    collectgarbage()
    local _, _, after = cluster.core:memory()
    assert.is_true(after < before * 1.1, ("%d bytes more"):format(after - before))
  end)

  it("makes the next one the same, in what it leaves of its memory when it is closed", function()
    local function run()
      local cluster <close> = kubesim.new { nodes = 2, seed = 7 }
      cluster:apply(SET)
      cluster:advance(30)
      return whole(cluster)
    end
    local first, open = run(), {}
    for i = 1, 4 do
      open[i] = kubesim.new { nodes = 2, seed = i } -- more at once than are kept for
      open[i]:apply(SET)
      local fork <close> = open[i]:fork()
      fork:advance(30)
      assert.equal(first, run())
    end
    for _, cluster in ipairs(open) do cluster:close() end
    for _ = 1, 3 do assert.equal(first, run()) end
  end)

  it("does not keep large objects that calls have returned and nobody holds", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    local large = { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "x" }, data = { k = ("v"):rep(1000000) } }
    local most = 0
    for _ = 1, 200 do
      cluster:create(large, { dry_run = true })
      most = math.max(most, (select(3, cluster.core:memory())))
    end
    assert.is_true(most < 50e6, most .. " bytes")
  end)
end)
