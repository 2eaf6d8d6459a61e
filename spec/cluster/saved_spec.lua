-- A cluster that was written to a file and read again is the cluster that it was, and goes on as that would have gone on.
local kubesim = require "kubesim"
local forged = require "spec.support.forge"
local whole = require "spec.support.double".whole

local paths = {}

local function fresh_path()
  local path = os.tmpname()
  paths[#paths + 1] = path
  return path
end

local function remove_files()
  for i, path in ipairs(paths) do
    os.remove(path)
    paths[i] = nil
  end
end

local function saved(cluster, opts)
  local path = fresh_path()
  cluster:save(path)
  return kubesim.load(path, opts), path
end

local function read(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read "a"
end

local function write(path, text)
  local f <close> = assert(io.open(path, "wb"))
  assert(f:write(text))
end

local function manifest(name, replicas)
  local text = read("examples/lab/" .. name .. ".yaml")
  return replicas and text:gsub("replicas: %d+", "replicas: " .. replicas) or text
end

local function busy(opts)
  local cluster = kubesim.new(opts or { nodes = 3, seed = 7 })
  for _, name in ipairs { "replica-web", "stateful-db", "stateful-pvc", "stateful-headless" } do
    cluster:apply(manifest(name, name ~= "stateful-headless" and 4 or nil))
  end
  cluster:advance(3) -- in the middle of things
  return cluster
end

---Both are one now, and stay one for an hour in which things happen.
local function go_on_alike(cluster, other)
  assert.equal(whole(cluster), whole(other))
  local function both(fn)
    assert.same((fn(cluster)), (fn(other)))
    assert.equal(whole(cluster), whole(other))
  end
  for _ = 1, 3 do both(function(c) return c:advance(4) end) end
  both(function(c)
    return c:create { apiVersion = "v1", kind = "Pod", metadata = { generateName = "odd-" }, spec = { containers = { { name = "a",
      image = "app" } } } }
  end)
  both(function(c) return c:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "late" } } end)
  both(function(c) return { c:advance "1h" } end)
  both(function(c) return { c:settle { timeout = "100h" } } end)
end

local TEMPLATE <const> = { metadata = { labels = { app = "web" } }, spec = { containers = { { name = "main", image = "web:1" } } } }

local function group(kind, replicas)
  return { apiVersion = "apps/v1", kind = kind, metadata = { name = "web" },
    spec = { replicas = replicas, selector = { matchLabels = { app = "web" } }, template = TEMPLATE } }
end

describe("a cluster that is saved and loaded", function()
  after_each(remove_files)

  it("goes on as it was, in the middle of things", function()
    local cluster <close> = busy()
    local other <close> = saved(cluster)
    go_on_alike(cluster, other)
  end)

  it("has never been told anything, or has no nodes", function()
    for _, opts in ipairs { {}, { nodes = 0 }, { latency = 0 } } do
      local cluster <close> = kubesim.new(opts)
      local other <close> = saved(cluster)
      go_on_alike(cluster, other)
    end
  end)

  it("has all that it was made with", function()
    local lists = {
      { version = "1.34", seed = -5, start = "2031-02-03T04:05:06Z", feature_gates = { MaxUnavailableStatefulSet = true } },
      { version = "1.35", nodes = { { name = "a", zone = "z", labels = { disk = "ssd" }, taints = {}, capacity = { cpu = "3", pods = 7 } },
        { name = "b", taints = { { key = "k", value = "v", effect = "NoExecute" } } } } },
      { kubelet = "manual", latency = { watch = { 0, "2s" }, ["watch.scheduler"] = "50ms", pull = "7s" } },
      { feature_gates = { StaleControllerConsistencyStatefulSet = false, DeploymentReplicaSetTerminatingReplicas = false },
        storage_classes = { { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "slow", annotations = {} },
          provisioner = "csi.example.com", volumeBindingMode = "Immediate" } } },
    }
    for _, opts in ipairs(lists) do
      local cluster <close> = busy(opts)
      local other <close> = saved(cluster)
      assert.equal(cluster:clock(), other:clock())
      go_on_alike(cluster, other)
    end
  end)

  it("remembers every kind of call", function()
    local cluster <close> = kubesim.new { nodes = 3, seed = 3 }
    cluster:image("web:1", { pull = "2s", stop = false, exit = { code = 3, after = "40s", reason = "OOMKilled" } })
    cluster:image("gone:1", { exists = false })
    cluster:apply(group("ReplicaSet", 3))
    cluster:apply { manifest "stateful-headless", group("StatefulSet", 2) }
    cluster:kubectl("apply -f -", manifest("stateful-pvc", 2))
    cluster:kubectl "create configmap m --from-literal=a=b"
    cluster:settle { timeout = "30s" }
    cluster:patch("rs/web", { metadata = { annotations = { text = "one" } } })
    cluster:patch("rs/web", '[{"op": "add", "path": "/metadata/annotations/two", "value": "2"}]', { type = "json" })
    cluster:patch("pod/stateful-pvc-0", { status = { message = "told" } }, { type = "merge", subresource = "status" })
    cluster:patch("node/k8s-node1", { metadata = { labels = { a = "b" } } }, { field_validation = "Ignore" })
    local set = cluster:get "sts/web"
    set.spec.replicas = 3
    cluster:replace(set)
    cluster:import { apiVersion = "v1", kind = "Pod", metadata = { name = "imported", namespace = "default" },
      spec = { nodeName = "k8s-node1", containers = { { name = "a", image = "app" } } }, status = { phase = "Running" } }
    cluster:scale("rs/web", 4)
    cluster:exec("stateful-pvc-0", { "sh", "-c", "mkdir -p /applog/a/b; cat > /applog/a/file; echo more >> /applog/a/file; "
      .. "touch /applog/x; rm /applog/x" }, { stdin = "bytes \0\1\xff\xfe \"\\\n\r\t \u{2028} \u{10ffff} \xed\xa0\x80" })
    cluster:delete("pod/web-0", { grace_period = 2 })
    cluster:evict "stateful-pvc-1"
    cluster:crash("stateful-pvc-0", { exit_code = 7, reason = "Odd" })
    cluster:lag("endpointslice", { 0.5, 2 })
    cluster:fail_writes("statefulset", 0.3)
    cluster:advance(5)
    cluster:restart "replicaset"
    cluster:fail_node "k8s-node2"
    cluster:wait_for("rs/web", "ready", { timeout = "20s" })
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "web" }, spec = { selector = { app = "web" },
      ports = { { port = 80, targetPort = 8080 } } } }
    cluster:advance(1)
    for _ = 1, 5 do cluster:curl("http://web/", { from = "stateful-pvc-0" }) end -- which endpoint answers is drawn
    cluster:kubectl "cordon k8s-node3"
    cluster:kubectl "rollout restart sts/web"
    cluster:kubectl "delete cm m"
    cluster:recover_node "k8s-node2"
    for _ = 1, 7 do cluster:step() end
    local other <close> = saved(cluster)
    assert.equal(cluster:exec("stateful-pvc-0", "cat /applog/a/file"), other:exec("stateful-pvc-0", "cat /applog/a/file"))
    go_on_alike(cluster, other)
    local _, path = saved(cluster)
    for call in ("write patch scale delete evict image crash file_write file_mkdir file_remove node_talks restart fail_writes lag "
      .. "route"):gmatch "%S+" do
      assert.matches('\n["' .. call .. '",', read(path), 1, true)
    end
  end)

  it("remembers what was done by hand", function()
    local cluster <close> = kubesim.new { kubelet = "manual" }
    cluster:apply(group("StatefulSet", 3))
    cluster:advance(1)
    for _, state in ipairs { "running", "ready", "unready", "ready" } do
      cluster:drive("web-0", state)
      cluster:advance(1)
    end
    cluster:delete "pod/web-0"
    cluster:drive("web-0", "gone")
    local other <close> = saved(cluster)
    go_on_alike(cluster, other)
  end)

  it("was told things while time passed", function()
    local cluster <close> = kubesim.new { nodes = 2, seed = 11 }
    local told = 0
    cluster:watch("pod", function(what, pod)
      told = told + 1
      if what == "ADDED" then cluster:patch("pod/" .. pod.metadata.name, { metadata = { annotations = { seen = tostring(told) } } }) end
      if told == 9 then cluster:scale("rs/web", 5) end
    end)
    cluster:apply(group("ReplicaSet", 3))
    cluster:advance(2)
    cluster:wait_until(function(c)
      local n = c:count("pod", { fields = "status.phase=Running" })
      if n == 2 then pcall(c.delete, c, "pod/" .. c:list("pod")[1].metadata.name) end
      return n >= 5
    end)
    assert.is_true(told > 20)
    local other <close> = saved(cluster)
    local text = whole(other)
    assert.equal(whole(cluster), text)
    cluster.core:unwatch(1)
    go_on_alike(cluster, other)
  end)

  it("is saved while it is told of a change", function()
    local cluster <close> = busy()
    local other, fork
    cluster:watch("pod", function()
      if other or cluster:now() < 4 then return end
      other, fork = saved(cluster), cluster:fork()
    end)
    cluster:advance(20)
    go_on_alike(fork, other)
    other:close()
    fork:close()
  end)

  it("can be a fork, and can be forked: each remembers its own life", function()
    local cluster <close> = busy()
    local fork <close> = cluster:fork()
    local forks = {}
    for i = 1, 12 do
      cluster:scale("rs/replica-web", i % 5)
      fork:scale("sts/stateful-db", i % 4)
      fork:advance(i % 3)
      forks[i] = fork:fork()
      forks[i]:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "of-" .. i } }
    end
    for _, c in ipairs { cluster, fork, forks[1], forks[6], forks[12] } do
      local other <close> = saved(c)
      go_on_alike(c, other)
    end
    for _, c in ipairs(forks) do c:close() end
  end)

  it("can be saved again, and goes on remembering", function()
    local cluster <close> = busy()
    local second <close>, path = saved(cluster)
    local third <close>, again = saved(second)
    assert.equal(read(path), read(again))
    for _, c in ipairs { cluster, second, third } do
      c:scale("rs/replica-web", 2)
      c:advance(10)
    end
    local fourth <close> = saved(third)
    go_on_alike(cluster, fourth)
  end)

  it("says the same file for the same life", function()
    local a <close> = busy { latency = { watch = "1s" }, nodes = 2 }
    local b <close> = busy { latency = { watch = "1s" }, nodes = 2 }
    local _, first = saved(a)
    local _, second = saved(b)
    assert.equal(read(first), read(second))
  end)

  it("is saved the same, whoever has looked at it", function()
    local cluster <close> = busy()
    local fork <close> = cluster:fork()
    local _, first = saved(cluster)
    cluster:events()
    cluster:kubectl "get all -A -o yaml"
    cluster:watch("event", function() end)
    local _, second = saved(cluster)
    assert.equal(read(first), read(second))
    cluster:advance(10)
    fork:advance(10)
    local _, third = saved(cluster)
    local _, fourth = saved(fork)
    assert.equal(read(third), read(fourth))
  end)

  it("was refused things, and asked what would be: nothing is left of that", function()
    local cluster <close> = busy()
    local _, before = saved(cluster)
    assert.error(function() cluster:create(group("Nothing", 1)) end)
    assert.error(function() cluster:create(group("ReplicaSet", -1)) end)
    assert.error(function() cluster:scale("rs/nobody", 1) end)
    assert.error(function() cluster:kubectl "delete pod nobody" end)
    cluster:create(group("ReplicaSet", 1), { dry_run = true })
    cluster:patch("rs/replica-web", { spec = { replicas = 7 } }, { dry_run = true })
    cluster:kubectl "scale rs/replica-web --replicas=3 --dry-run=server"
    local _, after = saved(cluster)
    assert.equal(read(before), read(after))
  end)

  it("was once without memory", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    local near = { name = "near", filter = function() return true end }
    for n = 1, 40 do
      cluster.core:fail_allocation(n)
      local added = pcall(cluster.policy, cluster, near)
      cluster.core:fail_allocation(0)
      if added then break end
    end
    for n = 1, 400, 7 do
      cluster.core:fail_allocation(n)
      pcall(cluster.apply, cluster, group("ReplicaSet", n % 5))
      cluster.core:fail_allocation(n * 5)
      pcall(cluster.advance, cluster, 1)
      cluster.core:fail_allocation(0)
    end
    local path = fresh_path()
    for n = 1, 300, 3 do
      cluster.core:fail_allocation(n)
      pcall(cluster.save, cluster, path)
      cluster.core:fail_allocation(0)
    end
    assert.error_matches(function() cluster:policy(near) end, "has a policy \"near\" already", 1, true)
    local other <close> = saved(cluster, { policies = { near } })
    go_on_alike(cluster, other)
  end)

  it("takes little more memory than what it was told", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "web-0" },
      spec = { containers = { { name = "a", image = "app" } } } }
    local function patches(n)
      for i = 1, n do
        cluster:patch("pod/web-0", { metadata = { annotations = { turn = ("%08d"):format(i) } } })
        cluster:advance(0.001)
      end
      collectgarbage()
      return (select(3, cluster.core:memory()))
    end
    patches(1200) -- the log of changes is full then
    local before = patches(0)
    local each = (patches(20000) - before) / 20000
    assert.is_true(each < 80, each)
  end)

  it("holds no room of a large call that is over", function()
    local maps = {}
    for i = 1, 6 do
      maps[i] = { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "m" .. i }, data = { k = ("x"):rep(900000) } }
    end
    maps[7] = { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "NOT A NAME" } }
    local function takes(opts, fn)
      local cluster <close> = kubesim.new(opts)
      fn(cluster)
      cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "small" } }
      collectgarbage()
      return (select(3, cluster.core:memory()))
    end
    local function journal_takes(fn) return takes({}, fn) - takes({ journal = false }, fn) end
    assert.is_true(journal_takes(function(c) assert.error(function() c:create(maps) end) end) < 20000)
    local one = #maps[1].data.k
    assert.is_true(journal_takes(function(c) c:create(maps[1]) end) < one * 1.5) -- and a chunk for what comes
  end)

  it("was patched with texts: they are given again as they were", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:apply(group("ReplicaSet", 0))
    local function nested(depth) return ('{"a":'):rep(depth) .. "1" .. ("}"):rep(depth) end
    cluster:patch("rs/web", '{"spec":{"unknown":' .. nested(900) .. "}}", { field_validation = "Ignore" })
    for _, number in ipairs { "2.0", "1e1", "-0.0" } do cluster:patch("rs/web", '{"spec":{"replicas":' .. number .. "}}") end
    cluster:patch("rs/web", "metadata:\n  annotations: {a: 'b'}  # in YAML\n")
    local other <close>, path = saved(cluster)
    assert.matches([["{\"spec\":{\"replicas\":1e1}}"]], read(path), 1, true)
    local _, again = saved(other)
    assert.equal(read(path), read(again))
    go_on_alike(cluster, other)
  end)

  it("can be without a journal, which says so", function()
    local cluster <close> = kubesim.new { journal = false }
    cluster:apply(group("ReplicaSet", 1))
    assert.error_matches(function() cluster:save(fresh_path()) end,
      "this cluster cannot be saved: it was made with journal = false", 1, true)
    local fork <close> = cluster:fork()
    assert.error_matches(function() fork:save(fresh_path()) end, "journal = false", 1, true)
  end)
end)

describe("functions", function()
  local calls = 0
  local policy = { name = "spread", weight = 2, filter = function(pod, node, state)
    calls = calls + 1
    state.n = (state.n or 0) + 1
    if node.metadata.name == "k8s-node1" and pod.metadata.name:find "[a-m]$" then return false, "not this one" end
    return node.metadata.name ~= "k8s-node3" or pod.metadata.labels.app ~= "web"
  end, score = function(_, _, state) return state.n * 7 % 100 end }
  local image = {
    http = { [8080] = function(request) return request.path == "/fine" and calls % 3 > 0 and 200 or 500, "calls " .. calls end },
    commands = { check = function(args, _, stdin) return "said " .. #args .. (stdin or ""), calls % 4 > 0 and 0 or 1 end },
  }
  local probed = { apiVersion = "apps/v1", kind = "ReplicaSet", metadata = { name = "web" }, spec = { replicas = 4,
    selector = { matchLabels = { app = "web" } }, template = { metadata = { labels = { app = "web" } }, spec = { containers = { {
      name = "main", image = "web:1", readinessProbe = { httpGet = { path = "/fine", port = 8080 }, periodSeconds = 2 },
      livenessProbe = { exec = { command = { "/bin/check", "a" } }, periodSeconds = 3 } } } } } } }

  local function asked()
    calls = 0
    local cluster = kubesim.new { nodes = 4, seed = 2 }
    cluster:policy(policy)
    cluster:policy { name = "other", scheduler = "own", disable = { "ImageLocality" } }
    cluster:image("web:1", { commands = { once = print } })
    cluster:image("web:1", image)
    cluster:apply(probed)
    cluster:advance(60)
    cluster:exec(cluster:list("pod")[1].metadata.name, "check b c") -- changes nothing
    cluster:advance(20)
    return cluster
  end

  after_each(remove_files)

  it("are not asked again: what they answered stands in the file", function()
    local cluster <close> = asked()
    local path, before = fresh_path(), calls
    assert.is_true(before > 10, before)
    cluster:save(path)
    local other <close> = kubesim.load(path, { policies = { policy }, images = { ["web:1"] = image } })
    assert.equal(before, calls)
    assert.equal(whole(cluster), whole(other))
    -- each is asked as the other was
    cluster:advance(30)
    local after = calls
    calls = before
    other:advance(30)
    assert.equal(after, calls)
    assert.equal(whole(cluster), whole(other))
    local again <close> = saved(other, { policies = { policy }, images = { ["web:1"] = image } })
    assert.equal(whole(other), whole(again))
  end)

  it("of probes cost nothing as long as they say the same", function()
    local healthy, n = true, 0
    local chatty = {
      http = function() -- another body and another fine status each time: a probe does not care
        n = n + 1
        return healthy and 200 + n % 5 or 503, ("x"):rep(10000) .. n
      end,
      commands = { check = function()
        n = n + 1
        return healthy and ("y"):rep(10000) .. n or "", healthy and 0 or 3, "no"
      end },
    }
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:image("web:1", chatty)
    cluster:apply { apiVersion = "v1", kind = "Pod", metadata = { name = "web" }, spec = { containers = { { name = "main", image = "web:1",
      readinessProbe = { httpGet = { path = "/", port = 80 }, periodSeconds = 1 },
      livenessProbe = { exec = { command = { "check" } }, periodSeconds = 1, failureThreshold = 1000 } } } } }
    local function grows(seconds)
      collectgarbage()
      local before = select(3, cluster.core:memory())
      cluster:advance(seconds)
      collectgarbage()
      return select(3, cluster.core:memory()) - before
    end
    cluster:advance(100)
    assert.equal(0, grows(1000))
    assert.is_true(n > 2000, n)
    cluster:advance(1000)
    local fork <close> = cluster:fork()
    healthy = false
    cluster:advance(9)
    healthy = true
    cluster:advance(500)
    fork:advance(600)
    for _, c in ipairs { cluster, fork } do
      local other <close>, path = saved(c, { images = { ["web:1"] = chatty } })
      assert.equal(whole(c), whole(other))
      assert.is_true(#read(path) < 3000, #read(path))
      local _, again = saved(other, { images = { ["web:1"] = chatty } })
      assert.equal(read(path), read(again))
      c:advance(5)
      other:advance(5)
      assert.equal(whole(c), whole(other))
    end
    local _, path = saved(cluster, { images = { ["web:1"] = chatty } })
    assert.matches('{"answers":%[true,{"again":%d%d%d%d},["%[5].*503.*%["no",3%].*,true,{"again":1%d%d%d}%]}\n', read(path))
  end)

  it("may look at the cluster meanwhile", function()
    local cluster <close> = kubesim.new { nodes = 3 }
    local curious = { name = "curious", score = function(_, node)
      return cluster:count("pod", { fields = "spec.nodeName=" .. node.metadata.name }) * 10
    end }
    cluster:policy(curious)
    cluster:apply(group("ReplicaSet", 4))
    cluster:settle()
    local other <close> = saved(cluster, { policies = { curious } })
    assert.equal(whole(cluster), whole(other))
  end)

  it("that raised have done so, and the run went on", function()
    local cluster <close> = kubesim.new { nodes = 2 }
    local n = 0
    local odd = { name = "odd", filter = function()
      n = n + 1
      if n % 2 == 1 then error "no" end
      return true
    end }
    cluster:policy(odd)
    cluster:apply(group("ReplicaSet", 3))
    for _ = 1, 20 do pcall(cluster.advance, cluster, 3) end
    assert.is_true(n > 3)
    local other <close> = saved(cluster, { policies = { odd } })
    assert.equal(whole(cluster), whole(other))
  end)

  it("are asked what a damaged file has no answer to: that ends it at once", function()
    local cluster <close> = asked()
    local path = fresh_path()
    cluster:save(path)
    local opts = { policies = { policy }, images = { ["web:1"] = image } }
    local function refused(text, why)
      write(path, forged(text))
      assert.error_matches(function() kubesim.load(path, opts) end, why, 1, true)
    end
    local text, odd = read(path), "functions have been asked what the file has no answer to"
    local none = text:gsub('{"answers":[^\n]*\n', "")
    refused(none, odd)
    refused(none:gsub('{"run":[^\n]*', '{"run":[9223372036854775807,4000000000000000000]}', 1), odd) -- at once, not in 126 years
    for _, answer in ipairs { '{"again":3}', '{"again":0}', '{"again":-1}', "{}", '"x"', "[]", "null", "1.5" } do
      local damaged = text:gsub('{"answers":%[', '%0' .. answer .. ",", 1)
      write(path, forged(damaged))
      assert.error_matches(function() kubesim.load(path, opts) end, "line %d+: ")
    end
    refused(text:gsub('(.*{"answers":[^\n]*)%]}', '%1,{"again":1}]}'), "the calls do not come to the state that was saved")
  end)

  it("have to be passed again: those that lack are named", function()
    local cluster <close> = asked()
    local path = fresh_path()
    cluster:save(path)
    local ok, err = pcall(kubesim.load, path)
    assert.is_false(ok)
    assert.matches("pass commands.check, http[8080] of image 'web:1'; filter, score of policy 'spread of default-scheduler' again", err, 1,
      true)
    assert.error_matches(function() kubesim.load(path, { policies = { policy } }) end,
      "pass commands.check, http[8080] of image 'web:1' again", 1, true)
    local half = { name = "spread", filter = print }
    assert.error_matches(function() kubesim.load(path, { policies = { half }, images = { ["web:1"] = image } }) end,
      "pass score of policy 'spread of default-scheduler' again", 1, true)
    assert.error_matches(function() kubesim.load(path, { policies = { policy }, images = { ["web:1"] = image, ["x:1"] = image } }) end,
      "has no image 'x:1'", 1, true)
    assert.error_matches(function() kubesim.load(path, { policies = { "spread" } }) end, "'policies[1]': a policy with its name", 1, true)
    assert.error_matches(function() kubesim.load(path, { polices = {} }) end, "unknown option 'polices', did you mean 'policies'", 1, true)
  end)

  it("of forks are their own", function()
    local cluster <close> = asked()
    local fork <close> = cluster:fork()
    calls = 5
    fork:advance(20)
    calls = 6
    cluster:advance(20)
    local other <close> = saved(fork, { policies = { policy }, images = { ["web:1"] = image } })
    assert.equal(whole(fork), whole(other))
  end)
end)

describe("a file that is no cluster", function()
  local cluster, path, text
  before_each(function()
    path = fresh_path()
    cluster = busy()
    cluster:scale("rs/replica-web", 2)
    cluster:save(path)
    text = read(path)
  end)
  after_each(function()
    cluster:close()
    for i, name in ipairs(paths) do
      os.remove(name)
      paths[i] = nil
    end
  end)

  local function refused(given, why)
    write(path, given)
    local ok, err = pcall(kubesim.load, path)
    assert.is_false(ok)
    assert.matches("saved_spec.lua:%d+: cannot load a cluster from '" .. path:gsub("%p", "%%%0") .. "': ", err)
    assert.matches(why, err, 1, true)
  end

  it("is empty, or of something else", function()
    refused("", "': the file is empty")
    refused("apiVersion: v1\nkind: Pod\n", "line 1: this is no cluster that kubesim has saved")
    refused("\0\1\2", "line 1: this is no cluster")
    refused('{"format":"kubesim cluster, 99"}\n', "line 1: the format of the file is 'kubesim cluster, 99', and not 'kubesim cluster, 1'")
    refused('{"format":', "line 1: unexpected end of JSON input")
  end)

  it("breaks off", function()
    local lines = select(2, text:gsub("\n", ""))
    refused(text:sub(1, -2), "line " .. lines .. ": the file breaks off here: the line that ends it is missing")
    refused(text:gsub("[^\n]*\n$", ""), "line " .. lines - 1 .. ": the file breaks off here")
    for n = 1, #text - 1, 97 do
      write(path, text:sub(1, n))
      assert.error_matches(function() kubesim.load(path) end, "line %d+: ")
    end
  end)

  it("was edited", function()
    local lines = select(2, text:gsub("\n", ""))
    local edited = text:gsub('"replica%-web",2%]', '"replica-web",3]')
    assert.not_equal(text, edited)
    refused(edited, "line " .. lines .. ": the lines before this one are not those that were saved: the file has been changed")
    refused(text:gsub("\n%[[^\n]*", "", 1), "the file has been changed")
  end)

  it("was edited with care: it comes to another state", function()
    refused(forged(text:gsub('"replica%-web",2%]', '"replica-web",3]')), "the calls do not come to the state that was saved: the file "
      .. "is of kubesim 0.1.0, this is kubesim 0.1.0, and something is done otherwise")
    refused(forged(text:gsub('"kubesim 0.1.0"', '"kubesim 0.0.9"'):gsub('"seed":7', '"seed":8')), "the file is of kubesim 0.0.9")
  end)

  it("has lines that say nothing, or what cannot be", function()
    local function with(line) return forged((text:gsub("(\n)(%[\"scale)", "\n" .. line:gsub("%%", "%%%%") .. "\n%2"))) end
    local at = "line 8: "
    assert.matches('^' .. ("[^\n]*\n"):rep(6) .. '{"run"[^\n]*\n%["scale"', text)
    refused(with "{}", at .. "this is neither a call nor a place in the run")
    refused(with "[1,", at .. "unexpected end of JSON input")
    refused(with "[]", at .. "there is no call ''")
    refused(with '["close"]', at .. "there is no call 'close'")
    refused(with '["new",{}]', at .. "there is no call 'new'")
    refused(with '["fail_allocation",1]', at .. "there is no call 'fail_allocation'")
    refused(with '["scale","ReplicaSet","default","nobody",2]',
      at .. "'scale' is refused: Error from server (NotFound): replicasets.apps \"nobody\" not found")
    refused(with '["scale","Nothing","default","nobody",2]', at .. "'scale' is refused: bad argument #2 to '?' (no such kind)")
    refused(with '["lag","nobody",1,2]', at .. "'lag' is refused: bad argument")
    refused(with '["scale",1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]', at .. "so many arguments has no call")
    for _, place in ipairs { "[1,2]", "[-1,4000000000]", "[99999999,2999999999]" } do
      refused(with('{"run":' .. place .. "}"), at .. "the run has come past this place already")
    end
    refused(with '{"run":[99999999,4000000000]}', at .. "'run' is refused: the run does not come to this place (the file is of kubesim "
      .. "0.1.0, this is kubesim 0.1.0)")
    refused(with '{"run":["x",4000000000]}', at .. "this says no place in the run of a cluster")
    refused(with '{"answers":[true]}', "the calls do not come to the state that was saved")
    refused(forged((text:gsub('\n%["new"[^\n]*', "", 1))), "line 2: a cluster begins with 'new'")
    refused(forged((text:gsub('("new",{)', '%1"minor":33,'):gsub('"minor":36', '"x":36'))), "line 2: 'new' is refused: ")
  end)

  it("is not there, or cannot be read", function()
    assert.error_matches(function() kubesim.load "/nowhere/x" end,
      "cannot load a cluster from '/nowhere/x': /nowhere/x: No such file or directory")
    assert.error_matches(function() kubesim.load "/tmp" end, "cannot load a cluster from '/tmp': .*[Ii]s a directory")
    assert.error_matches(function() kubesim.load() end, "bad argument #1 to 'load' (string expected, got no value)", 1, true)
  end)
end)

describe("a file that cannot be written", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1 } end)
  after_each(function() cluster:close() end)

  it("is said to be so, in the file system's words", function()
    assert.error_matches(function() cluster:save "/nowhere/x" end,
      "cannot save the cluster to '/nowhere/x': .*No such file or directory")
    assert.error_matches(function() cluster:save() end, "bad argument #1 to 'save' (string expected, got no value)", 1, true)
    assert.error_matches(function() cluster:save "spec" end, "cannot save the cluster to 'spec': .*[Ii]s a directory")
  end)

  it("leaves the one before as it was", function()
    local path = fresh_path()
    cluster:save(path)
    local before = read(path)
    cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "m" } }
    local open <const> = io.open
    rawset(io, "open", function(name, mode)
      local file, why = open(name, mode)
      if not file or mode ~= "wb" then return file, why end
      return { write = function() return nil, "No space left on device" end, close = function() return file:close() end }
    end)
    local ok, err = pcall(cluster.save, cluster, path)
    rawset(io, "open", open)
    assert.is_false(ok)
    assert.matches("No space left on device", err, 1, true)
    assert.equal(before, read(path))
    cluster:save(path)
    assert.not_equal(before, read(path))
    local left <close> = assert(io.popen("ls " .. path .. "*"))
    assert.equal(path .. "\n", left:read "a")
    os.remove(path)
  end)
end)
