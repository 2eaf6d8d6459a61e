-- Where connections end: cluster IPs, node ports, named target ports, nobody.
local kubesim = require "kubesim"

local WORLD = [[
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: "app:1", ports: [{name: web, containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: web, nodePort: 30080}]
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec:
  clusterIP: None
  selector: {app: web}
  ports: [{port: 80, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec:
  selector: {app: nobody}
  ports: [{port: 80}]
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  containers: [{name: main, image: "tools:1"}]
]]

describe("a connection", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 2 }
    cluster:image("app:1", { http = { [8080] = function(request, pod) return 200, pod.metadata.name .. " " .. request.path .. "\n" end } })
    cluster:apply(WORLD)
    assert(cluster:settle())
  end)
  after_each(function() cluster:close() end)

  local function curl(url, opts)
    opts = opts or {}
    opts.from = "client"
    return cluster:curl(url, opts)
  end

  it("to a cluster IP ends at each of the ready pods, sooner or later", function()
    local seen, count = {}, 0
    for _ = 1, 60 do
      local body, status = curl "http://front/path"
      assert.equal(200, status)
      local name = body:match "^(web%-%w+) /path\n$"
      if not seen[name] then seen[name], count = true, count + 1 end
    end
    assert.equal(3, count)
  end)

  it("by a headless name keeps the port that was typed", function()
    assert.matches("^web%-%w+ /\n$", (curl "headless:8080"))
    local body, why = curl "headless:80"
    assert.is_nil(body)
    assert.matches("^curl: %(7%) Failed to connect to headless port 80 after %d+ ms: Couldn't connect to server$", why)
  end)

  it("to a node's port ends at a pod, wherever it runs", function()
    local address
    for _, a in ipairs(cluster:get("node/k8s-node1").status.addresses) do if a.type == "InternalIP" then address = a.address end end
    assert.matches("^web%-", (curl("http://" .. address .. ":30080/")))
  end)

  it("is refused without endpoints, on other ports and where nothing listens", function()
    for _, url in ipairs { "empty", "front:81", "http://" .. cluster:get("pod/client").status.podIP .. ":8080" } do
      local body, why = curl(url)
      assert.is_nil(body)
      assert.matches("curl: (7) Failed to connect", why, 1, true)
    end
  end)

  it("to nobody's address times out, and a name that nobody has does not resolve", function()
    assert.matches("curl: (28) ", select(2, curl "http://10.200.0.1/"), 1, true)
    assert.equal("curl: (6) Could not resolve host: nobody", select(2, curl "http://nobody:80/"))
  end)

  it("still ends at a pod that terminates, when it is the last that serves", function()
    cluster:image("app:1", { stop = 20, http = { [8080] = function(_, pod) return 200, pod.metadata.name end } })
    cluster:scale("rs/web", 0)
    cluster:advance(2)
    assert.matches("^web%-", (curl "front"))
    assert.equal("NXDOMAIN", select(2, cluster:resolve("headless", { from = "client" })))
    cluster:settle()
    assert.is_nil((curl "front"))
  end)

  it("carries method and body", function()
    cluster:image("app:1", { http = { [8080] = function(request) return 201, request.method .. ":" .. request.body end } })
    local body, status = curl("front", { method = "PUT", body = "x" })
    assert.same({ "PUT:x", 201 }, { body, status })
    assert.equal("POST:a", (cluster:exec("client", "curl -s -d a front")))
  end)
end)
