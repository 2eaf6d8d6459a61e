--- Measures what docs/performance.md keeps: medians of several rounds, each against a floor taken in the same run, since
--- machines are noisy. `make bench`; `make bench ARGS=pods` runs one part.

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

local function replica_set(replicas)
  return {
    apiVersion = "apps/v1", kind = "ReplicaSet", metadata = { name = "web" },
    spec = { replicas = replicas, selector = { matchLabels = { app = "web" } },
      template = { metadata = { labels = { app = "web" } }, spec = { containers = { { name = "main", image = "app" } } } } },
  }
end

local function hundred_nodes()
  local nodes = {}
  for i = 1, 100 do nodes[i] = { name = "node-" .. i, capacity = { cpu = "1000", memory = "4000Gi", pods = 2000 } } end
  return kubesim.new { nodes = nodes }
end

local function to_ready(cluster, replicas)
  cluster:create(replica_set(replicas))
  assert(cluster:wait_for("rs/web", "ready", { timeout = "24h" }))
  assert(cluster:get("rs/web").status.readyReplicas == replicas)
end

---One ReplicaSet to all Ready, and how that grows.
function parts.pods()
  local small = seconds(5, function(c) to_ready(c, 10000) end, hundred_nodes)
  local large = seconds(1, function(c) to_ready(c, 100000) end, hundred_nodes)
  local rate = 10000 / small
  report("ReplicaSet of 10,000 pods on 100 nodes to Ready", ("%.0f pods/s"):format(rate), "at least 50000 pods/s", rate >= 50000)
  report("100,000 pods against 10,000", ("x %.1f"):format(large / small), "at most x 11", large / small <= 11)
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

local wanted = arg[1]
for _, name in ipairs { "lab", "pods", "fork", "apply" } do
  if not wanted or wanted == name then parts[name]() end
end
