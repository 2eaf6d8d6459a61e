--- Measures what docs/performance.md keeps: medians of several rounds, each against a floor taken in the same run, since
--- machines are noisy. `make bench`; `make bench ARGS=pods` runs one part, `make bench ARGS=growth` the one that takes
--- gigabytes.

local kubesim = require "kubesim"

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

---Processor seconds that a function takes: the median of `rounds`.
local function seconds(rounds, fn, prepare)
  local times = {}
  for i = 1, rounds do
    local x = prepare and prepare()
    collectgarbage()
    local from = os.clock()
    fn(x)
    times[i] = os.clock() - from
    if x and x.close then x:close() end
  end
  return median(times)
end

local function capture(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

local function report(name, figure, target, ok)
  print(("%-58s %16s   %-24s %s"):format(name, figure, target, ok and "ok" or "MISSED"))
  return ok
end

local parts = {}

---`require`, a new cluster and the whole lab in one process, above a bare interpreter.
function parts.lab()
  local clock = [[perl -MTime::HiRes=time -e '$t=time; system(@ARGV)==0 or die; printf "%.6f", time-$t' ]]
  local with, bare = {}, {}
  for i = 1, 15 do
    with[i] = tonumber(capture(clock .. "sh -c 'lua5.4 examples/lab/lab.lua >/dev/null'"))
    bare[i] = tonumber(capture(clock .. "sh -c 'lua5.4 -e \"\" >/dev/null'"))
  end
  local ms = (median(with) - median(bare)) * 1000
  report("require, new cluster, the whole lab", ("%.1f ms"):format(ms), "at most 20 ms", ms <= 20)
end

local function replica_set(replicas, kind)
  return {
    apiVersion = "apps/v1", kind = kind or "ReplicaSet", metadata = { name = "web" },
    spec = { replicas = replicas, selector = { matchLabels = { app = "web" } },
      template = { metadata = { labels = { app = "web" } }, spec = { containers = { { name = "main", image = "app" } } } } },
  }
end

local function stateful_set(replicas, policy, claims)
  local container = { name = "main", image = "app", volumeMounts = claims and { { name = "data", mountPath = "/data" } } }
  return {
    apiVersion = "apps/v1", kind = "StatefulSet", metadata = { name = "db" },
    spec = { replicas = replicas, serviceName = "db", podManagementPolicy = policy, selector = { matchLabels = { app = "db" } },
      template = { metadata = { labels = { app = "db" } }, spec = { containers = { container } } },
      volumeClaimTemplates = claims and { { metadata = { name = "data" }, spec = { accessModes = { "ReadWriteOnce" },
        storageClassName = "fast", resources = { requests = { storage = "1Gi" } } } } } },
  }
end

local function hundred_nodes()
  local nodes = {}
  for i = 1, 100 do nodes[i] = { name = "node-" .. i, capacity = { cpu = "1000", memory = "4000Gi", pods = 2000 } } end
  return kubesim.new { nodes = nodes }
end

local function all_ready(cluster, ref, replicas)
  assert(cluster:wait_for(ref, "ready", { timeout = "10000h" }))
  local status = cluster:get(ref).status
  assert(status.readyReplicas == replicas and (status.updatedReplicas or replicas) == replicas)
end

local function to_ready(cluster, replicas)
  cluster:create(replica_set(replicas))
  all_ready(cluster, "rs/web", replicas)
end

local function sts_to_ready(cluster, replicas, policy, claims)
  cluster:create(stateful_set(replicas, policy, claims))
  all_ready(cluster, "sts/db", replicas)
end

---Seconds of creating and of rolling, each once, and the pods that it was about.
local function roll(ref, set, replicas)
  local cluster <close> = hundred_nodes()
  local from = os.clock()
  cluster:create(set)
  all_ready(cluster, ref, replicas)
  local created = os.clock()
  cluster:patch(ref, { spec = { template = { spec = { containers = { { name = "main", image = "app:2" } } } } } })
  assert(cluster:settle { timeout = "100000h" })
  all_ready(cluster, ref, replicas)
  return created - from, os.clock() - created
end

---One ReplicaSet to all Ready, and how that grows.
function parts.pods()
  local small = seconds(5, function(c) to_ready(c, 10000) end, hundred_nodes)
  local large = seconds(3, function(c) to_ready(c, 100000) end, hundred_nodes)
  local rate = 10000 / small
  report("ReplicaSet of 10,000 pods on 100 nodes to Ready", ("%.0f pods/s"):format(rate), "at least 50000 pods/s", rate >= 50000)
  report("100,000 pods against 10,000", ("x %.1f"):format(large / small), "at most x 11", large / small <= 11)
end

---StatefulSets whose pods have one claim each.
function parts.stateful()
  for _, policy in ipairs { "Parallel", "OrderedReady" } do
    local time = seconds(3, function(c) sts_to_ready(c, 10000, policy, true) end, hundred_nodes)
    report(("StatefulSet %s, 10,000 pods with claims"):format(policy), ("%.0f pods/s"):format(10000 / time),
      "at least 30000 pods/s", 10000 / time >= 30000)
  end
end

---Rolling updates against creating the same pods.
function parts.rollout()
  for name, run in pairs {
    ["StatefulSet"] = function() return roll("sts/db", stateful_set(10000, "OrderedReady"), 10000) end,
    ["StatefulSet with claims"] = function() return roll("sts/db", stateful_set(10000, "OrderedReady", true), 10000) end,
    ["Deployment"] = function() return roll("deploy/web", replica_set(10000, "Deployment"), 10000) end,
  } do
    local ratios = {}
    for i = 1, 3 do
      local create, update = run()
      ratios[i] = update / create
    end
    local ratio = median(ratios)
    report(("roll-out of 10,000 pods of a %s"):format(name), ("x %.2f"):format(ratio), "at most x 2 of creating", ratio <= 2)
  end
end

---How the cost of a pod grows from 10,000 pods to 100,000, where `pods` does not say it. Takes gigabytes of memory.
function parts.growth()
  for _, policy in ipairs { "Parallel", "OrderedReady" } do
    local small = seconds(3, function(c) sts_to_ready(c, 10000, policy, true) end, hundred_nodes)
    local large = seconds(3, function(c) sts_to_ready(c, 100000, policy, true) end, hundred_nodes)
    local growth = large / small / 10
    report(("cost of a pod at 100,000, %s with claims"):format(policy), ("x %.2f"):format(growth), "at most x 1.1", growth <= 1.1)
  end
end

---Forks of clusters of different sizes.
function parts.fork()
  for _, pods in ipairs { 100, 10000 } do
    local cluster <close> = hundred_nodes()
    to_ready(cluster, pods)
    local rounds = 1000
    local us = seconds(5, function() for _ = 1, rounds do cluster:fork():close() end end) / rounds * 1e6
    report(("fork and close, %d pods"):format(pods), ("%.1f us"):format(us), "at most 50 us", us <= 50)
  end
end

---Status patches, and what they cost in sets of different sizes: readiness turns, and the controllers act on it.
function parts.patch()
  local costs = {}
  for _, pods in ipairs { 10, 100000 } do
    local cluster <close> = hundred_nodes()
    to_ready(cluster, pods)
    local names, rounds = {}, 5000
    for i, pod in ipairs(cluster:list("pod", { limit = 10 })) do names[i] = "pod/" .. pod.metadata.name end
    local opts = { type = "merge", subresource = "status" }
    costs[pods] = seconds(5, function()
      for i = 1, rounds do
        cluster:patch(names[i % 10 + 1], { status = { message = "round " .. i } }, opts)
        cluster:advance(0)
      end
    end) / rounds
    if pods == 10 then
      local time = seconds(5, function()
        for i = 1, rounds do cluster:patch(names[i % 10 + 1], { status = { message = "round " .. i } }, opts) end
      end) / rounds
      report("status patch from Lua", ("%.0f /s"):format(1 / time), "at least 150000/s", 1 / time >= 150000)
    end
  end
  local ratio = costs[100000] / costs[10]
  report("a pod's status change, set of 100,000 against 10", ("x %.2f"):format(ratio), "about x 1", ratio <= 1.25)
end

---Lists: counted by a selector, and as tables against building the same tables from C.
function parts.list()
  do
    local cluster <close> = hundred_nodes()
    to_ready(cluster, 100000)
    local ns = seconds(9, function() assert(cluster:count("pod", { labels = "app=web" }) == 100000) end) / 100000 * 1e9
    report("100,000 pods counted by a label selector", ("%.0f ns each"):format(ns), "at most 50 ns", ns <= 50)
  end
  local cluster <close> = hundred_nodes()
  to_ready(cluster, 2000)
  local flags = capture "pkg-config --cflags lua5.4 2>/dev/null || pkg-config --cflags lua-5.4"
  assert(os.execute(("mkdir -p build/bench && cc -O2 -shared -fPIC %s -o build/bench/table_floor.so bench/table_floor.c"):format(
    flags:gsub("%s+$", ""))))
  local floor = assert(package.loadlib("build/bench/table_floor.so", "luaopen_table_floor"))()
  local plans = {}
  for i, pod in ipairs(cluster:list "pod") do plans[i] = floor.plan(pod) end
  local ratios = {}
  for i = 1, 9 do
    local listed = seconds(1, function() cluster:list "pod" end)
    local built = seconds(1, function()
      local out = {}
      for n, plan in ipairs(plans) do out[n] = floor.build(plan) end
      return out
    end)
    ratios[i] = listed / built
  end
  local ratio = median(ratios)
  report("a listed Pod as a table against building it from C", ("x %.2f"):format(ratio), "at most x 1.5", ratio <= 1.5)
end

local function manifests(count)
  local list = {}
  for i = 1, count do
    list[i] = ([[
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: db-%d
  labels: {app: db, tier: data}
spec:
  replicas: 0
  serviceName: db
  selector:
    matchLabels:
      app: db-%d
  template:
    metadata:
      labels:
        app: db-%d
    spec:
      terminationGracePeriodSeconds: 10
      containers:
        - name: main
          image: registry.example/db:%d
          ports:
            - containerPort: 5432
              name: sql
          env:
            - name: PGDATA
              value: /data/pg
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
          resources:
            requests:
              cpu: 100m
              memory: 128Mi
          readinessProbe:
            tcpSocket:
              port: sql
            periodSeconds: 5
          volumeMounts:
            - name: data
              mountPath: /data
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        storageClassName: fast
        resources:
          requests:
            storage: 1Gi
]]):format(i, i, i, i)
  end
  return table.concat(list, "---\n")
end

---Applying manifests against libyaml's bare event parser over the same bytes.
function parts.apply()
  local text = manifests(500)
  local file = os.tmpname()
  do
    local f <close> = assert(io.open(file, "w"))
    f:write(text)
  end
  assert(os.execute "mkdir -p build/bench && cc -O2 -o build/bench/yaml_floor bench/yaml_floor.c -lyaml")
  local floors, times = {}, {}
  for i = 1, 9 do
    floors[i] = tonumber(capture(("build/bench/yaml_floor %s 3"):format(file)))
    times[i] = seconds(1, function(c) c:apply(text) end, function() return kubesim.new { nodes = 2 } end)
  end
  os.remove(file)
  local floor, time = median(floors), median(times)
  local mb = #text / 1e6
  report("apply to validated typed objects", ("%.1f MB/s"):format(mb / time), ("libyaml alone %.1f MB/s"):format(mb / floor), true)
  report("apply against libyaml's event parser", ("%.0f %%"):format(floor / time * 100), "at least 60 %", floor / time >= 0.6)
end

local MANIFEST_SERVICE <const> = [[
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {clusterIP: None, selector: {app: %s}, ports: [{port: 80}]}
]]

---What there may be many of, besides pods in a set: each a function that makes `n` of them from nothing.
local MANY <const> = {
  ["pods, one after the other, behind a headless Service"] = function(c, n)
    c:apply(MANIFEST_SERVICE:format("db", "db"))
    sts_to_ready(c, n, "OrderedReady", true)
  end,
  ["StatefulSets of one pod with a claim"] = function(c, n)
    for i = 1, n do
      local set = stateful_set(1, "OrderedReady", true)
      set.metadata.name, set.spec.serviceName = "db" .. i, "db" .. i
      set.spec.selector.matchLabels.app, set.spec.template.metadata.labels.app = "db" .. i, "db" .. i
      c:create(set)
    end
    assert(c:settle())
  end,
  ["Services of one pod each"] = function(c, n)
    for i = 1, n do
      c:apply(MANIFEST_SERVICE:format("web" .. i, "web" .. i))
      c:create {
        apiVersion = "v1", kind = "Pod", metadata = { name = "web" .. i, labels = { app = "web" .. i } },
        spec = { containers = { { name = "main", image = "app" } } } }
    end
    assert(c:settle())
  end,
  ["namespaces with a pod"] = function(c, n)
    for i = 1, n do
      c:create { apiVersion = "v1", kind = "Namespace", metadata = { name = "ns" .. i } }
      local set = replica_set(1)
      set.metadata.namespace = "ns" .. i
      c:create(set)
    end
    assert(c:settle())
    for i = 1, n do c:delete("namespace/ns" .. i) end
    assert(c:settle())
  end,
  ["claims that match one volume each"] = function(c, n)
    for i = 1, n do
      local size = i .. "Mi"
      c:create {
        apiVersion = "v1", kind = "PersistentVolume", metadata = { name = "pv" .. i },
        spec = { capacity = { storage = size }, accessModes = { "ReadWriteOnce" }, storageClassName = "hand", hostPath = { path = "/x" } } }
      c:create {
        apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "c" .. i },
        spec = { accessModes = { "ReadWriteOnce" }, storageClassName = "hand", resources = { requests = { storage = size } } } }
    end
    assert(c:settle())
  end,
  ["pods with a disk of their node each"] = function(c, n)
    local names, disks = {}, {}
    for i, node in ipairs(c:list "node") do names[i] = node.metadata.name end
    for i = 1, n do
      local host = { key = "kubernetes.io/hostname", operator = "In", values = { names[i % #names + 1] } }
      disks[i] = {
        apiVersion = "v1", kind = "PersistentVolume", metadata = { name = "disk" .. i },
        spec = { capacity = { storage = "1Gi" }, accessModes = { "ReadWriteOnce" }, storageClassName = "disks",
          ["local"] = { path = "/disk" }, nodeAffinity = { required = { nodeSelectorTerms = { { matchExpressions = { host } } } } } } }
    end
    c:create {
      apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "disks" }, provisioner = "kubernetes.io/no-provisioner",
      volumeBindingMode = "WaitForFirstConsumer" }
    c:create(disks)
    local set = stateful_set(n, "Parallel", true)
    set.spec.volumeClaimTemplates[1].spec.storageClassName = "disks"
    c:create(set)
    assert(c:settle())
  end,
}

---Whether the cost of one stays what it is where there are many.
function parts.many()
  local names = {}
  for name in pairs(MANY) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local small = seconds(3, function(c) MANY[name](c, 500) end, hundred_nodes) / 500
    local large = seconds(1, function(c) MANY[name](c, 4000) end, hundred_nodes) / 4000
    report(("4,000 against 500: %s"):format(name), ("x %.2f"):format(large / small), "at most x 1.5", large / small <= 1.5)
  end
end

local wanted = arg[1]
for _, name in ipairs { "lab", "pods", "stateful", "rollout", "fork", "patch", "list", "apply", "many", "growth" } do
  if wanted == name or (not wanted and name ~= "growth") then parts[name]() end
end
