-- Endpoints and EndpointSlices of a Service, as pods come, get ready, change and go.
local kubesim = require "kubesim"

local SERVICE = [[
apiVersion: v1
kind: Service
metadata: {name: web, labels: {team: a}}
spec:
  %s
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: web}
  - {name: metrics, port: 9090}
]]

local SET = [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: %d
  serviceName: web
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
      - {name: main, image: "app:1", ports: [{name: web, containerPort: 8080}]}
]]

describe("a Service with more than a hundred ports", function()
  it("publishes all of them", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    local ports = {}
    for i = 1, 120 do ports[i] = { name = "p" .. i, port = i, targetPort = 8000 + i } end
    cluster:create {
      { apiVersion = "v1", kind = "Service", metadata = { name = "web" }, spec = { selector = { app = "web" }, ports = ports } },
      { apiVersion = "v1", kind = "Pod", metadata = { name = "web", labels = { app = "web" } },
        spec = { containers = { { name = "main", image = "app:1" } } } } }
    assert(cluster:settle())
    local subset, seen = cluster:get("ep/web").subsets[1], {}
    for _, port in ipairs(subset.ports) do seen[port.name] = port.port end
    for i = 1, 120 do assert.equal(8000 + i, seen["p" .. i]) end
    assert.equal(120, #subset.ports)
    local slice = cluster:list("EndpointSlice", { labels = "kubernetes.io/service-name=web" })[1]
    assert.equal(120, #slice.ports)
  end)
end)

describe("a Service's endpoints", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  local function start(spec, replicas)
    cluster:apply(SERVICE:format(spec))
    cluster:apply(SET:format(replicas))
    cluster:advance(2)
  end

  local function drive(pod, state)
    cluster:drive(pod, state)
    cluster:advance(2)
  end

  local function slices() return cluster:list("EndpointSlice", { labels = "kubernetes.io/service-name=web" }) end

  --- A list of a slice, which is null when it is empty.
  local function present(list) return list ~= kubesim.null and list or {} end

  --- "web-0:rs web-1:" with the first letters of the conditions that are true.
  local function shown(slice)
    local out = {}
    for i, e in ipairs(present(slice.endpoints)) do
      local c = e.conditions
      out[i] = e.targetRef.name .. ":" .. (c.ready and "r" or "") .. (c.serving and "s" or "") .. (c.terminating and "t" or "")
    end
    return table.concat(out, " ")
  end

  it("start with one slice that holds nothing", function()
    cluster:apply(SERVICE:format "type: ClusterIP")
    cluster:advance(2)
    local list = slices()
    assert.equal(1, #list)
    assert.equal("", shown(list[1]))
    assert.equal(1, list[1].metadata.generation)
    assert.matches("^web%-%w%w%w%w%w$", list[1].metadata.name)
    assert.equal("a", list[1].metadata.labels.team)
    assert.truthy(list[1].metadata.annotations["endpoints.kubernetes.io/last-change-trigger-time"])
    assert.is_nil(cluster:get("endpoints/web").subsets)
  end)

  it("follow readiness, keep the slice's name, and sort pods out when they end", function()
    start("clusterIP: None", 2)
    local name = slices()[1].metadata.name
    assert.equal("", shown(slices()[1]))
    drive("web-0", "running")
    assert.equal("web-0:", shown(slices()[1]))
    local subset = cluster:get("endpoints/web").subsets[1]
    assert.is_nil(subset.addresses)
    assert.equal("web-0", subset.notReadyAddresses[1].hostname)
    drive("web-0", "ready")
    drive("web-1", "ready")
    assert.equal("web-0:rs web-1:rs", shown(slices()[1]))
    drive("web-0", "unready")
    assert.equal("web-0: web-1:rs", shown(slices()[1]))
    cluster:delete "pod/web-1"
    cluster:advance(2)
    assert.equal("web-0: web-1:st", shown(slices()[1]))
    assert.is_nil(slices()[1].metadata.annotations)
    assert.equal(1, #cluster:get("endpoints/web").subsets[1].notReadyAddresses)
    assert.is_nil(cluster:get("endpoints/web").subsets[1].addresses)
    drive("web-1", "gone")
    assert.equal("web-0:", shown(slices()[1]))
    assert.equal(name, slices()[1].metadata.name)
    assert.equal("", slices()[1].metadata.labels["service.kubernetes.io/headless"])
  end)

  it("name the ports that the pods have", function()
    start("type: ClusterIP", 1)
    drive("web-0", "ready")
    assert.same({ { name = "http", port = 8080, protocol = "TCP" }, { name = "metrics", port = 9090, protocol = "TCP" } },
      slices()[1].ports)
    cluster:patch("svc/web", { spec = { ports = { { name = "http", port = 80, targetPort = "other" } } } }, { type = "merge" })
    cluster:advance(2)
    assert.equal("web-0:rs", shown(slices()[1]))
    assert.equal(0, #present(slices()[1].ports))
    assert.is_nil(cluster:get("endpoints/web").subsets)
  end)

  it("publish what is not ready when the Service says so", function()
    start("publishNotReadyAddresses: true", 1)
    drive("web-0", "running")
    assert.equal("web-0:r", shown(slices()[1]))
    assert.equal("web-0", cluster:get("endpoints/web").subsets[1].addresses[1].targetRef.name)
    cluster:delete "pod/web-0"
    cluster:advance(2)
    assert.equal("web-0:rt", shown(slices()[1]))
    assert.equal(1, #cluster:get("endpoints/web").subsets[1].addresses)
  end)

  it("follow a changed selector and changed labels of a pod", function()
    start("type: ClusterIP", 1)
    drive("web-0", "ready")
    cluster:patch("svc/web", { spec = { selector = { app = "none" } } })
    cluster:advance(2)
    assert.equal("", shown(slices()[1]))
    cluster:patch("pod/web-0", { metadata = { labels = { app = "none" } } })
    cluster:advance(2)
    assert.equal("web-0:rs", shown(slices()[1]))
    cluster:patch("svc/web", { metadata = { labels = { team = "b" } } })
    cluster:advance(2)
    assert.equal("b", slices()[1].metadata.labels.team)
    assert.equal("b", cluster:get("endpoints/web").metadata.labels.team)
  end)

  it("go with the Service", function()
    start("type: ClusterIP", 1)
    drive("web-0", "ready")
    cluster:delete "svc/web"
    cluster:advance(2)
    assert.equal(0, #slices())
    assert.is_nil(cluster:get "endpoints/web")
  end)

  local BIG = { { name = "big", capacity = { cpu = "9999", memory = "9999Gi", pods = 5000 } } }

  it("fill slices of a hundred", function()
    cluster = kubesim.new { nodes = BIG, kubelet = "manual" }
    start("clusterIP: None", 130)
    for i = 0, 129 do cluster:drive("web-" .. i, "ready") end
    cluster:advance(2)
    local sizes = {}
    for i, slice in ipairs(slices()) do sizes[i] = #slice.endpoints end
    table.sort(sizes)
    assert.same({ 30, 100 }, sizes)
    assert.equal(130, #cluster:get("endpoints/web").subsets[1].addresses)
    cluster:scale("sts/web", 10)
    for i = 129, 10, -1 do
      cluster:advance(1)
      cluster:drive("web-" .. i, "gone")
    end
    cluster:advance(2)
    local left = 0
    for _, slice in ipairs(slices()) do left = left + #present(slice.endpoints) end
    assert.equal(10, left)
    assert.equal(10, #cluster:get("endpoints/web").subsets[1].addresses)
  end)

  it("take newcomers up where the most are, of the slices that are written anyway", function()
    for _, gone in ipairs { { 70, 20 }, { 20, 70 } } do
      local world <close> = kubesim.new { nodes = BIG, kubelet = "manual" }
      world:apply(SERVICE:format "clusterIP: None")
      world:apply(SET:format(200))
      world:advance(2)
      for i = 0, 199 do world:drive("web-" .. i, "ready") end
      world:advance(2)
      local before = world:list("EndpointSlice", { labels = "kubernetes.io/service-name=web" })
      world:lag("statefulset", "1h") -- nobody makes them anew
      world:create { apiVersion = "v1", kind = "Pod", metadata = { name = "new", labels = { app = "web" } }, spec = { nodeName = "big",
        containers = { { name = "main", image = "app:1", ports = { { name = "web", containerPort = 8080 } } } } } }
      world:advance(2)
      for i, slice in ipairs(before) do
        for k = 1, gone[i] do world:delete("pod/" .. slice.endpoints[k].targetRef.name, { grace_period = 0 }) end
      end
      world:drive("new", "ready")
      world:advance(2)
      for i, slice in ipairs(before) do
        local size = #world:get("endpointslice/" .. slice.metadata.name).endpoints
        assert.equal(100 - gone[i] + (gone[i] == 20 and 1 or 0), size)
      end
    end
  end)

  it("publish a thousand addresses at most in the old object", function()
    cluster = kubesim.new { nodes = BIG, latency = 0 }
    start("clusterIP: None", 1010)
    cluster:settle()
    local endpoints = cluster:get "endpoints/web"
    assert.equal(1000, #endpoints.subsets[1].addresses)
    assert.equal("truncated", endpoints.metadata.annotations["endpoints.kubernetes.io/over-capacity"])
    cluster:scale("sts/web", 990)
    cluster:settle()
    endpoints = cluster:get "endpoints/web"
    assert.equal(990, #endpoints.subsets[1].addresses)
    assert.is_nil((endpoints.metadata.annotations or {})["endpoints.kubernetes.io/over-capacity"])
    assert.equal(10, #slices())
  end)

  it("come back when someone deletes them", function()
    start("type: ClusterIP", 1)
    drive("web-0", "ready")
    cluster:delete("endpointslice/" .. slices()[1].metadata.name)
    cluster:delete "endpoints/web"
    cluster:advance(2)
    assert.equal("web-0:rs", shown(slices()[1]))
    assert.equal(1, #cluster:get("endpoints/web").subsets[1].addresses)
  end)

  it("are independent in a fork", function()
    start("type: ClusterIP", 2)
    drive("web-0", "ready")
    local other = cluster:fork()
    drive("web-1", "ready")
    assert.equal("web-0:rs web-1:rs", shown(slices()[1]))
    local there = other:list("EndpointSlice", { labels = "kubernetes.io/service-name=web" })
    assert.equal("web-0:rs", shown(there[1]))
    other:drive("web-1", "unready")
    other:advance(2)
    there = other:list("EndpointSlice", { labels = "kubernetes.io/service-name=web" })
    assert.equal("web-0:rs web-1:", shown(there[1]))
    other:close()
  end)
end)

describe("Endpoints that are refused, again and again,", function()
  it("are given up after fifteen more tries, each twice as late as the one before, until something happens to their Service", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    local tries = 0
    cluster:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "none" },
      spec = { hard = { ["count/endpoints"] = "0" } } }
    cluster:settle()
    cluster:watch("event", function(_, event)
      if event and event.reason == "FailedToCreateEndpoint" then tries = tries + 1 end
    end)
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "web" },
      spec = { selector = { app = "web" }, ports = { { port = 80 } } } }
    local last = 0.005 * ((1 << 15) - 1)
    cluster:advance(last - 1)
    assert.equal(15, tries)
    cluster:advance(2)
    assert.equal(16, tries)
    cluster:delete "quota/none"
    cluster:advance "1h"
    assert.is_nil(cluster:get "endpoints/web")
    cluster:patch("svc/web", { metadata = { labels = { look = "again" } } })
    cluster:advance(0)
    assert.is_not_nil(cluster:get "endpoints/web")
    assert.equal(16, tries)
  end)
end)
