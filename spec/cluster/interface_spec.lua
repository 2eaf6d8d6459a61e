-- The Lua interface, call by call: what each takes, returns and raises.
local kubesim = require "kubesim"

local function pod(name, more)
  local container = { name = "main", image = "app" }
  for key, value in pairs(more or {}) do container[key] = value end
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name, labels = { app = name } }, spec = { containers = { container } } }
end

local SET = [[
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 2
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: web, ports: [{containerPort: 80}]}]}
]]

local function raises(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, "nothing was raised")
  return err
end

describe("the module", function()
  it("has a version and a null", function()
    assert.matches("^kubesim %d+%.%d+%.%d+$", kubesim._VERSION)
    assert.equal('{"a":null}', kubesim.json.encode { a = kubesim.null })
  end)

  it("reads quantities", function()
    local q = assert(kubesim.quantity "1500m")
    assert.equal("1500m", tostring(q))
    assert.equal(2, q:value())
    assert.equal(1500, q:milli_value())
    assert.is_true(q == kubesim.quantity "1.5" and q < kubesim.quantity "2" and q <= kubesim.quantity "1500m")
    assert.equal("2", tostring(q + kubesim.quantity "500m"))
    assert.equal("1", tostring(q - kubesim.quantity "0.5"))
    local none, why = kubesim.quantity "lots"
    assert.is_nil(none)
    assert.is_string(why)
  end)

  it("reads selectors, as text and as a table", function()
    assert.is_true(kubesim.selector "app=web,tier in (a,b)":matches { app = "web", tier = "b" })
    assert.is_false(kubesim.selector "app!=web":matches { app = "web" })
    assert.is_true(kubesim.selector { matchExpressions = { { key = "app", operator = "Exists" } } }:matches { app = "x" })
    assert.is_nil(kubesim.selector "app in (")
  end)

  it("reads durations and words ages", function()
    assert.equal(90, kubesim.duration "1m30s")
    assert.equal(0.5, kubesim.duration "500ms")
    assert.equal(7, kubesim.duration(7))
    assert.equal("2m3s", kubesim.human_duration(123))
    assert.matches("bad argument #1 to 'duration'", raises(kubesim.duration, "soon"), 1, true)
  end)

  it("reads and writes YAML and JSON", function()
    assert.same({ { a = 1 }, { b = { "x" } } }, kubesim.yaml.decode "a: 1\n---\nb: [x]\n")
    assert.equal("a:\n- 1\n- two\n", kubesim.yaml.encode { a = { 1, "two" } })
    assert.equal('"<<": "<<"\n', kubesim.yaml.encode { ["<<"] = "<<" }) -- plain it would merge
    assert.same({ a = { true } }, kubesim.json.decode '{"a": [true]}')
    assert.equal('{"a":[1,"two"]}', kubesim.json.encode { a = { 1, "two" } })
  end)
end)

describe("kubesim.new", function()
  it("makes two nodes by default, or as many as it is told, or those of a list", function()
    local two <close> = kubesim.new()
    assert.equal("k8s-node1", two:list "node"[1].metadata.name)
    assert.equal(2, two:count "node")
    local none <close> = kubesim.new { nodes = 0 }
    assert.equal(0, none:count "node")
    local listed <close> = kubesim.new { nodes = {
      { name = "big", labels = { disk = "ssd" }, capacity = { cpu = 8, memory = "32Gi", pods = 10 }, zone = "z1",
        taints = { { key = "only", value = "us", effect = "NoSchedule" } } },
    } }
    local node = listed:get "node/big"
    assert.equal("ssd", node.metadata.labels.disk)
    assert.equal("z1", node.metadata.labels["topology.kubernetes.io/zone"])
    assert.equal("8", node.status.capacity.cpu)
    assert.equal("10", node.status.capacity.pods)
    assert.equal("only", node.spec.taints[1].key)
  end)

  it("takes a start, latencies, classes, a release, gates", function()
    local cluster <close> = kubesim.new { start = "2030-05-06T07:08:09Z", latency = 0, version = "1.34",
      feature_gates = { MaxUnavailableStatefulSet = true },
      storage_classes = { { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "mine" }, provisioner = "x" } } }
    assert.equal("2030-05-06T07:08:09Z", cluster:clock())
    assert.equal(1, cluster:count "sc")
    cluster:create(pod "a")
    assert.is_true(cluster:wait_for("pod/a", "ready"))
    assert.is_true(cluster:now() <= 1)
    assert.matches("^v1%.34%.", cluster:list "node"[1].status.nodeInfo.kubeletVersion)
  end)

  it("refuses what it does not know, with what was meant", function()
    assert.matches("unknown option 'node', did you mean 'nodes'?", raises(kubesim.new, { node = 3 }), 1, true)
    assert.matches("unrecognized feature gate: Magic", raises(kubesim.new, { feature_gates = { Magic = true } }), 1, true)
    assert.matches('"1.34", "1.35" or "1.36" expected', raises(kubesim.new, { version = "1.20" }), 1, true)
    assert.matches("unknown latency 'pul', did you mean 'pull'?", raises(kubesim.new, { latency = { pul = 1 } }), 1, true)
    assert.matches("RFC 3339", raises(kubesim.new, { start = "today" }), 1, true)
  end)
end)

describe("a cluster", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 2 } end)
  after_each(function() cluster:close() end)

  describe("is changed by", function()
    it("apply, which says what it did", function()
      local done = cluster:apply(SET)
      assert.equal("created", done[1].operation)
      assert.equal("Service", done[1].kind)
      assert.equal("web", done[2].name)
      assert.equal("default", done[2].namespace)
      assert.equal(2, done[2].object.spec.replicas)
      assert.equal("unchanged", cluster:apply(SET)[2].operation)
      assert.equal("configured", cluster:apply((SET:gsub("replicas: 2", "replicas: 3")))[2].operation)
    end)

    it("create and replace", function()
      assert.equal("a", cluster:create(pod "a")[1].metadata.name)
      assert.equal(2, #cluster:create { pod "b", pod "c" })
      local refusal = raises(cluster.create, cluster, pod "a")
      assert.equal(409, refusal.code)
      assert.equal("AlreadyExists", refusal.reason)
      assert.equal('Error from server (AlreadyExists): pods "a" already exists', tostring(refusal))
      local object = cluster:get "pod/a"
      object.metadata.labels.new = "yes"
      assert.equal("yes", cluster:replace(object)[1].metadata.labels.new)
      assert.equal(409, raises(cluster.replace, cluster, object).code) -- its resourceVersion is an old one now
    end)

    it("patch of each type, of subresources too", function()
      cluster:apply(SET)
      assert.equal("1", cluster:patch("sts/web", { metadata = { labels = { a = "1" } } }).metadata.labels.a)
      assert.is_nil(cluster:patch("sts/web", { metadata = { labels = { a = kubesim.null } } }, { type = "merge" }).metadata.labels)
      local patch = '[{"op": "replace", "path": "/spec/replicas", "value": 5}]'
      assert.equal(5, cluster:patch("sts/web", patch, { type = "json" }).spec.replicas)
      assert.equal(1, cluster:patch("sts/web", { spec = { replicas = 1 } }, { type = "merge", subresource = "scale" }).spec.replicas)
      cluster:create(pod "a")
      local status = { status = { message = "by hand" } }
      assert.equal("by hand", cluster:patch("pod/a", status, { subresource = "status" }).status.message)
    end)

    it("import, status included", function()
      local object = pod "a"
      object.metadata.uid = "11111111-2222-3333-4444-555555555555"
      object.status = { phase = "Succeeded" }
      assert.equal("Succeeded", cluster:import(object)[1].status.phase)
      assert.equal("11111111-2222-3333-4444-555555555555", cluster:get "pod/a".metadata.uid)
    end)

    it("scale", function()
      cluster:apply(SET)
      cluster:scale("sts/web", 4)
      assert.equal(4, cluster:get "sts/web".spec.replicas)
    end)

    it("evict, unless a budget forbids it", function()
      cluster:apply(SET)
      cluster:wait_for("sts/web", "ready")
      cluster:create { apiVersion = "policy/v1", kind = "PodDisruptionBudget", metadata = { name = "b" },
        spec = { minAvailable = 1, selector = { matchLabels = { app = "web" } } } }
      cluster:advance(1)
      assert.is_true(cluster:evict("web-1", { grace_period = 0 }))
      local refusal = raises(cluster.evict, cluster, "web-0")
      assert.equal(429, refusal.code)
      assert.equal("TooManyRequests", refusal.reason)
    end)

    it("delete, which returns what is left", function()
      cluster:create { pod "a", pod "b" }
      cluster:settle()
      assert.is_string(cluster:delete("pod/a").metadata.deletionTimestamp)
      assert.is_nil(cluster:delete("pod/b", { force = true }))
      assert.is_nil(cluster:get "pod/b")
      assert.equal('Error from server (NotFound): pods "x" not found', tostring(raises(cluster.delete, cluster, "pod/x")))
    end)

    it("delete with a cascade", function()
      cluster:apply(SET)
      cluster:settle()
      cluster:delete("sts/web", { cascade = "orphan" })
      cluster:settle()
      assert.equal(2, cluster:count "pod")
    end)

    it("nothing that is only a dry run", function()
      local trace = cluster:trace()
      cluster:create(pod "a", { dry_run = true })
      cluster:apply(SET, { dry_run = true })
      assert.equal(0, cluster:count "pod")
      assert.equal(0, cluster:count "sts")
      assert.equal(trace, cluster:trace())
    end)

    it("unknown fields as strictly as it is told", function()
      local wrong = pod("a", { imag = "x" })
      assert.equal(400, raises(cluster.create, cluster, wrong).code)
      assert.equal("a", cluster:create(wrong, { field_validation = "Ignore" })[1].metadata.name)
      assert.is_nil(cluster:get "pod/a".spec.containers[1].imag)
      assert.matches("'field_validation'", raises(cluster.create, cluster, wrong, { field_validation = "Loose" }), 1, true)
    end)
  end)

  describe("shows", function()
    before_each(function()
      cluster:apply(SET)
      cluster:create(pod "client")
      cluster:settle()
    end)

    it("objects, under every name that kubectl takes", function()
      for _, kind in ipairs { "sts", "statefulset", "statefulsets", "StatefulSet", "statefulsets.apps" } do
        assert.equal("web", cluster:get(kind .. "/web").metadata.name)
      end
      local object, why = cluster:get "pod/nobody"
      assert.is_nil(object)
      assert.equal('pods "nobody" not found', why)
    end)

    it("lists and counts, by labels and fields, in any namespace", function()
      assert.same({ "client", "web-0", "web-1" }, (function()
        local names = {}
        for i, p in ipairs(cluster:list "pod") do names[i] = p.metadata.name end
        return names
      end)())
      assert.equal(2, #cluster:list("pod", { labels = "app=web" }))
      assert.equal(2, cluster:count("pod", { labels = { app = "web" } }))
      assert.equal(1, cluster:count("pod", { fields = "metadata.name=client" }))
      assert.equal(0, cluster:count("pod", { namespace = "kube-system" }))
      assert.is_true(cluster:count("svc", { all_namespaces = true }) >= 3)
    end)

    it("events", function()
      local events = cluster:events { ref = "pod/web-0", reason = "Scheduled", type = "Normal" }
      assert.equal(1, #events)
      assert.equal("web-0", events[1].involvedObject.name)
      assert.is_true(#cluster:events() > 10)
      assert.equal(0, #cluster:events { type = "Warning" })
    end)

    it("changes to a watch until it stops", function()
      local seen = {}
      local watch = cluster:watch("pod", function(what, object, old) seen[#seen + 1] = { what, object.metadata.name, old ~= nil } end,
        { labels = "app=late" })
      cluster:create(pod "late")
      cluster:settle()
      assert.same({ "ADDED", "late", false }, seen[1])
      assert.same({ "MODIFIED", "late", true }, seen[2])
      cluster:delete("pod/late", { force = true })
      assert.same({ "DELETED", "late" }, { table.unpack(seen[#seen], 1, 2) })
      local n = #seen
      watch:stop()
      cluster:create(pod "late")
      cluster:settle()
      assert.equal(n, #seen)
    end)

    it("what kubectl prints, and raises what it fails with", function()
      assert.matches("^NAME +READY +STATUS +RESTARTS +AGE\nclient +1/1 +Running", (cluster:kubectl "get pods"))
      assert.equal("pod/client\n", (cluster:kubectl { "get", "pod", "client", "-o", "name" }))
      assert.equal('Error from server (NotFound): pods "x" not found', tostring(raises(cluster.kubectl, cluster, "get pod x")))
      assert.equal("configmap/c created\n", (cluster:kubectl("create -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")))
    end)

    it("logs, commands and their exit codes", function()
      assert.is_string(cluster:logs "client")
      local out, code, err = cluster:exec("client", "echo out; echo err >&2; exit 3")
      assert.same({ "out\n", 3, "err\n" }, { out, code, err })
      assert.equal("a b\n", (cluster:exec("client", { "echo", "a b" })))
      assert.equal("fed", (cluster:exec("client", "cat", { stdin = "fed" })))
    end)

    it("names and addresses", function()
      local records = assert(cluster:resolve("web-0.web", { from = "client" }))
      assert.equal("A", records[1].type)
      assert.equal(cluster:get "pod/web-0".status.podIP, records[1].address)
      local srv = assert(cluster:resolve("_http._tcp.web", { from = "client", type = "SRV" }))
      assert.equal(80, srv[1].port)
      assert.matches("^web%-[01]%.web%.default%.svc%.cluster%.local", srv[1].target)
      assert.same({ nil, "NXDOMAIN" }, { cluster:resolve("nowhere", { from = "client" }) })
      assert.matches("^Server:%s+10%.96%.0%.10\n", cluster:nslookup("web", { from = "client" }))
    end)

    it("what HTTP answers, or why nothing does", function()
      cluster:image("web", { http = function(request, p)
        return 201, request.method .. " " .. request.path .. " " .. (request.body or "") .. " " .. p.metadata.name
      end })
      local body, status = cluster:curl("http://web-1.web/x", { from = "client", method = "POST", body = "data" })
      assert.equal("POST /x data web-1", body)
      assert.equal(201, status)
      local nothing, why = cluster:curl("http://nowhere/", { from = "client" })
      assert.is_nil(nothing)
      assert.matches("Could not resolve host: nowhere", why, 1, true)
    end)

    it("how the scheduler decided", function()
      local placement = cluster:placement "client"
      assert.equal(cluster:get "pod/client".spec.nodeName, placement.node)
      assert.equal("default-scheduler", placement.profile)
      for _, name in ipairs { "k8s-node1", "k8s-node2" } do
        local node, sum = placement.nodes[name], 0
        for _, score in pairs(node.scores) do sum = sum + score end
        assert.equal(node.total, sum)
      end
      cluster:create(pod("large", { resources = { requests = { cpu = "1000" } } }))
      cluster:advance(1)
      local refused = cluster:placement "large"
      assert.is_nil(refused.node)
      assert.equal("NodeResourcesFit", refused.nodes["k8s-node1"].plugin)
      assert.equal("Insufficient cpu", refused.nodes["k8s-node1"].reason)
    end)

    it("why something is held up", function()
      cluster:create(pod("large", { resources = { requests = { cpu = "1000" } } }))
      cluster:advance(1)
      assert.matches("Insufficient cpu", cluster:why "pod/large", 1, true)
      assert.is_string(cluster:why "nowhere")
    end)
  end)

  describe("lives in virtual time", function()
    it("which starts at nothing and goes on by advance", function()
      assert.equal(0, cluster:now())
      cluster:advance(1.5)
      cluster:advance "500ms"
      assert.equal(2, cluster:now())
      assert.equal("2026-01-01T00:00:02Z", cluster:clock())
    end)

    it("step by step, until nothing is due", function()
      cluster:create(pod "a")
      local step, n = cluster:step(), 0
      assert.is_string(step.component)
      assert.is_number(step.time)
      assert.is_string(step.key)
      while cluster:step() do n = n + 1 end
      assert.is_true(n > 3)
      assert.is_nil(cluster:step())
    end)

    it("and waits for objects", function()
      cluster:apply(SET)
      assert.is_true(cluster:wait_for("sts/web", "ready"))
      assert.is_true(cluster:wait_for("pod/web-0", "condition=Ready"))
      assert.is_true(cluster:wait_for("pod/web-0", "condition=Ready=True"))
      cluster:delete "pod/web-1"
      cluster:scale("sts/web", 1)
      assert.is_true(cluster:wait_for("pod/web-1", "deleted"))
      local before = cluster:now()
      local ok, why = cluster:wait_for("pod/web-0", "deleted", { timeout = "5s" })
      assert.is_nil(ok)
      assert.is_string(why)
      assert.equal(before + 5, cluster:now())
      assert.matches('"ready", "deleted" or', raises(cluster.wait_for, cluster, "pod/web-0", "red"), 1, true)
    end)

    it("and waits for whatever a function says", function()
      cluster:apply(SET)
      assert.equal(1, cluster:wait_until(function(c) return c:count "pod" > 0 and c:count "pod" end))
      local none, why = cluster:wait_until(function() return false end, { timeout = 3 })
      assert.is_nil(none)
      assert.matches("timed out after 3s", why, 1, true)
      local thrown = {}
      assert.equal(thrown, raises(cluster.wait_until, cluster, function() error(thrown) end))
    end)

    it("and settles, or says that it does not", function()
      assert.is_true(cluster:settle())
      cluster:image("app", { exit = { code = 1 } })
      cluster:create(pod "crashing")
      local ok, why = cluster:settle { timeout = "10m" }
      assert.is_nil(ok)
      assert.matches("still due", why, 1, true)
    end)
  end)

  describe("is broken by", function()
    it("nodes that fall silent, and mended by their return", function()
      cluster:fail_node "k8s-node1"
      cluster:advance "1m"
      assert.is_true(cluster:wait_for("node/k8s-node1", "condition=Ready=Unknown", { timeout = 0 }))
      cluster:recover_node "k8s-node1"
      assert.is_true(cluster:wait_for("node/k8s-node1", "ready"))
      assert.equal('Error from server (NotFound): nodes "x" not found', tostring(raises(cluster.fail_node, cluster, "x")))
    end)

    it("crashes", function()
      cluster:create(pod "a")
      cluster:settle()
      cluster:crash("a", { exit_code = 137, reason = "OOMKilled" })
      cluster:settle()
      local status = cluster:get "pod/a".status.containerStatuses[1]
      assert.equal(1, status.restartCount)
      assert.equal("OOMKilled", status.lastState.terminated.reason)
      assert.equal(137, status.lastState.terminated.exitCode)
    end)

    it("a kubelet that is driven by hand", function()
      local manual <close> = kubesim.new { nodes = 1, kubelet = "manual" }
      manual:create(pod "a")
      manual:settle()
      assert.equal("Pending", manual:get "pod/a".status.phase)
      assert.equal("k8s-node1", manual:get "pod/a".spec.nodeName)
      manual:drive("a", "running")
      assert.equal("Running", manual:get "pod/a".status.phase)
      manual:drive("a", "ready")
      assert.is_true(manual:wait_for("pod/a", "ready", { timeout = 0 }))
      manual:drive("a", "unready")
      assert.is_nil((manual:wait_for("pod/a", "ready", { timeout = 0 })))
      manual:drive("a", "failed")
      assert.equal("Failed", manual:get "pod/a".status.phase)
      manual:create(pod "b")
      manual:settle()
      manual:drive("b", "succeeded")
      assert.equal("Succeeded", manual:get "pod/b".status.phase)
      manual:create(pod "c")
      manual:settle()
      manual:drive("c", "running")
      manual:delete "pod/c"
      manual:settle()
      assert.is_string(manual:get "pod/c".metadata.deletionTimestamp)
      manual:drive("c", "gone")
      assert.is_nil(manual:get "pod/c")
    end)

    it("images that pull, start, answer, stop and exit as they like", function()
      cluster:image("slow", { pull = "30s", start = "5s", stop = "7s", commands = { greet = function(args, p, stdin)
        return args[1] .. " " .. p.metadata.name .. " " .. stdin, 4
      end } })
      cluster:image("absent", { exists = false })
      cluster:image("mute", { start_error = "no such binary" })
      cluster:image("brief", { exit = { code = 3, after = "2s", reason = "Tired" } })
      cluster:image("late", { ready_after = "40s" })
      for _, image in ipairs { "slow", "absent", "mute", "brief", "late" } do cluster:create(pod(image, { image = image })) end
      assert.is_true(cluster:wait_for("pod/slow", "ready"))
      assert.is_true(cluster:now() >= 35)
      assert.is_nil((cluster:wait_for("pod/late", "ready", { timeout = 0 })))
      assert.same({ "hello slow in", 4 }, { table.unpack({ cluster:exec("slow", "greet hello", { stdin = "in" }) }, 1, 2) })
      local function container(name) return cluster:get("pod/" .. name).status.containerStatuses[1] end
      assert.matches("ErrImagePull", container "absent".state.waiting.reason .. "ErrImagePull")
      assert.is_false(container "absent".ready)
      assert.matches("no such binary", kubesim.json.encode(container "mute"), 1, true)
      assert.is_true(cluster:wait_until(function() return container "brief".restartCount > 0 end, { timeout = "1m" }))
      assert.equal(3, (container "brief".lastState.terminated or container "brief".state.terminated).exitCode)
      assert.is_true(cluster:wait_for("pod/late", "ready", { timeout = "1m" }))
      local before = cluster:now()
      cluster:delete "pod/slow"
      assert.is_true(cluster:wait_for("pod/slow", "deleted"))
      assert.is_true(cluster:now() - before >= 7)
    end)

    it("policies of one's own", function()
      cluster:policy { name = "Never1", filter = function(_, node) return node.metadata.name ~= "k8s-node1", "not on node 1" end }
      cluster:policy { name = "Mine", scheduler = "mine", weight = 2, disable = { "NodeResourcesBalancedAllocation" },
        score = function(_, node) return node.metadata.name == "k8s-node1" and 100 or 0 end }
      cluster:create(pod "a")
      local own = pod "b"
      own.spec.schedulerName = "mine"
      cluster:create(own)
      cluster:settle()
      assert.equal("k8s-node2", cluster:get "pod/a".spec.nodeName)
      assert.equal("Never1", cluster:placement "a".nodes["k8s-node1"].plugin)
      assert.equal("not on node 1", cluster:placement "a".nodes["k8s-node1"].reason)
      assert.equal("k8s-node1", cluster:get "pod/b".spec.nodeName)
      assert.equal(200, cluster:placement "b".nodes["k8s-node1"].scores.Mine)
      assert.equal("mine", cluster:placement "b".profile)
    end)

    it("nothing, when it was a fork that was broken", function()
      cluster:create(pod "a")
      local fork = cluster:fork()
      fork:delete("pod/a", { force = true })
      assert.is_table(cluster:get "pod/a")
      fork:close()
      fork:close()
      assert.matches("the cluster is closed", raises(fork.now, fork), 1, true)
      assert.equal("kubesim.Cluster (closed)", tostring(fork))
      assert.equal("kubesim.Cluster (2 nodes, 0s)", tostring(cluster))
    end)
  end)

  it("points wrong arguments at the caller's line", function()
    for name, args in pairs {
      apply = { 42 }, create = { false }, get = { "web" }, scale = { "sts/web", "three" }, advance = { "soon" }, list = {},
      watch = { "pod" }, kubectl = { 1 }, exec = { "a" }, image = { "a" }, policy = { {} }, drive = { "a", "flying" },
      patch = { "sts/web" }, delete = { "sts/web", { cascade = "up" } }, wait_until = {}, step = nil,
    } do
      local line = debug.getinfo(1, "l").currentline + 1
      local ok, err = pcall(function() cluster[name](cluster, table.unpack(args)) end)
      assert.is_false(ok, name)
      assert.matches(("interface_spec.lua:%d: bad argument #%%d to '%s'"):format(line, name), tostring(err))
    end
  end)
end)
