-- Names in the cluster: what DNS answers, and how a pod finds names. The real answers are played by golden_spec.lua
-- (spec/golden/names.json); here is what one would ask oneself.
local kubesim = require "kubesim"

local WORLD = [[
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: None
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: db.example.com}
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
    spec:
      containers: [{name: main, image: "app:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  containers: [{name: main, image: "tools:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: outsider}
spec:
  dnsPolicy: Default
  hostAliases: [{ip: 1.2.3.4, hostnames: [box]}]
  containers: [{name: main, image: "tools:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: own}
spec:
  dnsPolicy: None
  dnsConfig: {nameservers: [10.96.0.10], searches: [web.default.svc.cluster.local], options: [{name: ndots, value: "2"}]}
  containers: [{name: main, image: "tools:1"}]
]]

describe("names", function()
  local cluster
  setup(function()
    cluster = kubesim.new { nodes = 2 }
    cluster:apply(WORLD)
    assert(cluster:settle())
  end)
  teardown(function() cluster:close() end)

  local function ip(pod) return cluster:get("pod/" .. pod).status.podIP end

  --- Addresses (or targets) in order, or why not.
  local function resolved(name, opts)
    local records, why = cluster:resolve(name, opts)
    if not records then return why end
    local out = {}
    for i, r in ipairs(records) do out[i] = r.address or r.target or r.text end
    table.sort(out)
    return table.concat(out, " ")
  end

  it("are found by every form that the search list allows", function()
    local web0 = ip "web-0"
    for _, name in ipairs { "web-0.web", "web-0.web.default", "web-0.web.default.svc", "web-0.web.default.svc.cluster.local",
      "web-0.web.default.svc.cluster.local." } do
      assert.equal(web0, resolved(name, { from = "client" }), name)
    end
    assert.equal("NXDOMAIN", resolved("web-0.web.", { from = "client" }))
    assert.equal("NXDOMAIN", resolved("web-2.web", { from = "client" }))
  end)

  it("of a headless Service are its pods, of another its cluster IP", function()
    local both = { ip "web-0", ip "web-1" }
    table.sort(both)
    assert.equal(table.concat(both, " "), resolved("web", { from = "client" }))
    assert.equal(cluster:get("svc/front").spec.clusterIP, resolved("front", { from = "client" }))
    assert.equal("db.example.com", resolved("outside", { from = "client" }))
  end)

  it("have records of several types", function()
    assert.equal("NODATA", resolved("web", { type = "AAAA", from = "client" }))
    local srv = assert(cluster:resolve("_http._tcp.web", { type = "SRV", from = "client" }))
    assert.equal(2, #srv)
    assert.same({ 8080, 0, 50 }, { srv[1].port, srv[1].priority, srv[1].weight })
    assert.equal(30, srv[1].ttl)
    local back = ip("web-0"):gsub("^(%d+)%.(%d+)%.(%d+)%.(%d+)$", "%4.%3.%2.%1.in-addr.arpa.")
    assert.matches("web-0.web.default.svc.cluster.local", resolved(back, { type = "PTR" }), 1, true)
    assert.equal('"1.1.0"', resolved("dns-version.cluster.local.", { type = "TXT" }))
  end)

  it("of pods by address exist for any address", function()
    assert.equal("1.2.3.4", resolved("1-2-3-4.default.pod.cluster.local.", {}))
    assert.equal("NXDOMAIN", resolved("1-2-3-4.nowhere.pod.cluster.local.", {}))
    assert.equal("NODATA", resolved("default.svc.cluster.local.", {}))
  end)

  it("of pods may spell an IPv6 address", function()
    assert.equal("1:2::3", resolved("1-2--3.default.pod.cluster.local.", { type = "AAAA" }))
    assert.equal("NODATA", resolved("1-2--3.default.pod.cluster.local.", {}))
  end)

  it("lead nowhere where an external name is an address", function()
    local fork <close> = cluster:fork()
    fork:create { apiVersion = "v1", kind = "Service", metadata = { name = "box" },
      spec = { type = "ExternalName", externalName = "10.1.2.3" } }
    assert.equal("NXDOMAIN", select(2, fork:resolve("box", { from = "client" })))
  end)

  it("point into the zone as the client has written it", function()
    for _, zone in ipairs { "cluster.local", "CLUSTER.Local" } do
      local srv = assert(cluster:resolve("_http._tcp.WEB.default.svc." .. zone, { type = "SRV" }))
      assert.matches("^web%-%d%.web%.default%.svc%.(.*)$", srv[1].target)
      assert.equal(zone, srv[1].target:match "svc%.(.*)$")
    end
  end)

  it("weigh one at least, however many share a name", function()
    local fork <close> = cluster:fork()
    local endpoints = {}
    for i = 1, 150 do endpoints[i] = { addresses = { "10.9.0." .. i } } end
    fork:create { { apiVersion = "v1", kind = "Service", metadata = { name = "many" }, spec = { clusterIP = "None" } },
      { apiVersion = "discovery.k8s.io/v1", kind = "EndpointSlice", addressType = "IPv4",
        metadata = { name = "many", labels = { ["kubernetes.io/service-name"] = "many" } },
        ports = { { name = "http", port = 80 } }, endpoints = endpoints } }
    local srv = assert(fork:resolve("_http._tcp.many.default.svc.cluster.local", { type = "SRV" }))
    assert.same({ 150, 1 }, { #srv, srv[1].weight })
  end)

  it("are not given away as a whole zone", function()
    assert.equal("REFUSED", resolved("cluster.local.", { type = "AXFR" }))
  end)

  it("depend on the pod's DNS policy", function()
    assert.equal("NXDOMAIN", resolved("web", { from = "outsider" }))
    assert.equal(ip "web-1", resolved("web-1", { from = "own" }))
    assert.equal("NXDOMAIN", resolved("front", { from = "own" }))
    assert.equal("search web.default.svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:2\n",
      (cluster:exec("own", "cat /etc/resolv.conf")))
    assert.equal("search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
      (cluster:exec("client", "cat /etc/resolv.conf")))
  end)

  it("in the hosts file are the pod's own", function()
    local line = "\n" .. ip "web-0" .. "\tweb-0.web.default.svc.cluster.local\tweb-0\n"
    assert.matches(line, (cluster:exec("web-0", "cat /etc/hosts")), 1, true)
    assert.matches("1.2.3.4\tbox\n", (cluster:exec("outsider", "cat /etc/hosts")), 1, true)
    assert.equal("web-0.web.default.svc.cluster.local\n", (cluster:exec("web-0", "hostname -f")))
    assert.matches("1.2.3.4", (cluster:exec("outsider", "getent hosts box")), 1, true)
  end)

  it("are printed by nslookup as bind-utils prints them", function()
    local head = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\n"
    local function asked(name) return cluster:nslookup(name, { from = "client" }) end
    assert.equal(head .. "Name:\tweb-0.web.default.svc.cluster.local\nAddress: " .. ip "web-0" .. "\n\n", asked "web-0.web")
    assert.equal(head .. "** server can't find nothing: NXDOMAIN\n\n", asked "nothing")
    assert.equal("1.0.96.10.in-addr.arpa\tname = kubernetes.default.svc.cluster.local.\n\n", asked "10.96.0.1")
  end)

  it("vanish while a pod is not ready", function()
    local fork = cluster:fork()
    fork:delete "pod/web-1"
    fork:advance "100ms"
    assert.equal("NXDOMAIN", select(2, fork:resolve("web-1.web", { from = "client" })))
    fork:settle()
    local records = assert(fork:resolve("web-1.web", { from = "client" }))
    assert.equal(fork:get("pod/web-1").status.podIP, records[1].address)
    fork:close()
  end)

  it("of the API server stay, whatever becomes of its Service", function()
    local fork <close> = cluster:fork()
    fork:delete "svc/kubernetes"
    fork:advance "1s"
    local bare <close> = kubesim.new { kubelet = "manual" }
    assert.equal("No resources found in default namespace.\n", (select(2, bare:kubectl "get svc,endpointslices")))
    for _, world in ipairs { cluster, fork, bare } do
      assert.equal("10.96.0.1", assert(world:resolve "kubernetes.default.svc.cluster.local")[1].address)
      assert.equal(443, assert(world:resolve("_https._tcp.kubernetes.default.svc.cluster.local", { type = "SRV" }))[1].port)
      assert.equal("kubernetes.default.svc.cluster.local", assert(world:resolve("1.0.96.10.in-addr.arpa", { type = "PTR" }))[1].target)
    end
  end)
end)
