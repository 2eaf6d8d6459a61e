-- Endpoints of pods that have some ports in common: a port stands with all pods that have it, as on a real cluster. Recorded there, with
-- its uids, because the order of subsets is that of a hash over them.
local kubesim = require "kubesim"

local NAMESPACE <const> = "zz1"
local UIDS <const> = {
  "9a5403f9-af4b-41e1-8ebe-6f185f2253d8", "a1ea51c3-ebed-4163-9552-92cc4ae3e4da", "a567935f-b68c-4acb-86ec-02d0df9d2bfc",
  "3f059fe3-68db-44f3-babd-67ae85974218",
}

---The third and fourth pod have another number for the port `http`; the first is not ready.
local function pod(i, ip)
  return {
    apiVersion = "v1", kind = "Pod",
    metadata = { name = "q" .. i, namespace = NAMESPACE, uid = UIDS[i], labels = { app = "multi" } },
    spec = { nodeName = "node-1", containers = {
      { name = "m", image = "x", ports = { { name = "http", containerPort = i < 3 and 8000 or 8001, protocol = "TCP" } } } } },
    status = { phase = "Running", podIP = ip, podIPs = { { ip = ip } },
      conditions = { { type = "Ready", status = i == 1 and "False" or "True" } } },
  }
end

local function names(addresses)
  local t = {}
  for i, address in ipairs(addresses or {}) do t[i] = address.targetRef.name end
  return table.concat(t, " ")
end

local function subsets(cluster)
  local t = {}
  for i, subset in ipairs(cluster:get("endpoints/multi", { namespace = NAMESPACE }).subsets) do
    local ports = {}
    for k, port in ipairs(subset.ports) do ports[k] = port.name .. "=" .. port.port end
    t[i] = ("%s | %s: %s"):format(names(subset.addresses), names(subset.notReadyAddresses), table.concat(ports, " "))
  end
  return t
end

describe("Endpoints of pods that have some ports in common", function()
  local OLD <const>, ALL <const>, NEW <const> = "q2 | q1: web=8000", "q2 q3 q4 | q1: m=9100 dns=53", "q3 q4 | : web=8001"
  local ALL_LATER <const>, NEW_LATER <const> = "q2 q4 q3 | q1: m=9100 dns=53", "q4 q3 | : web=8001"

  for ip, expected in pairs {
    ["10.78.0.3"] = { OLD, ALL, NEW }, ["10.78.1.1"] = { ALL_LATER, OLD, NEW_LATER }, ["10.78.1.2"] = { OLD, ALL_LATER, NEW_LATER },
    ["10.78.1.5"] = { ALL_LATER, OLD, NEW_LATER },
  } do
    it("have a subset for each set of pods: " .. ip, function()
      local cluster <close> = kubesim.new { nodes = { { name = "node-1" } }, kubelet = "manual" }
      cluster:create { apiVersion = "v1", kind = "Namespace", metadata = { name = NAMESPACE } }
      for i = 1, 4 do cluster:import(pod(i, i == 3 and ip or "10.78.0." .. i)) end
      cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "multi", namespace = NAMESPACE },
        spec = { selector = { app = "multi" }, ports = {
          { port = 80, name = "web", targetPort = "http" }, { port = 91, name = "m", targetPort = 9100, appProtocol = "x/y" },
          { port = 53, name = "dns", protocol = "UDP" } } } }
      cluster:advance(1)
      assert.same(expected, subsets(cluster))
    end)
  end

  it("are one subset again when all pods have the same", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "web" },
      spec = { selector = { app = "web" }, ports = { { port = 80, name = "a", targetPort = "http" }, { port = 91, name = "b" } } } }
    local function version(number)
      return { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web" }, spec = { replicas = 2,
        selector = { matchLabels = { app = "web" } }, strategy = { rollingUpdate = { maxSurge = 1, maxUnavailable = 0 } },
        template = { metadata = { labels = { app = "web" } }, spec = { containers = {
          { name = "c", image = "app:1", ports = { { name = "http", containerPort = number } } } } } } } }
    end
    cluster:apply(version(8000))
    cluster:settle()
    local seen = {}
    cluster:watch("endpoints", function(_, object)
      if object.metadata.name == "web" then seen[#(object.subsets or {})] = true end
    end)
    cluster:apply(version(8001))
    cluster:settle()
    assert.same({ [1] = true, [3] = true }, seen)
    local only = cluster:get("endpoints/web").subsets
    assert.equal(1, #only)
    assert.equal(2, #only[1].addresses)
    assert.equal(2, #only[1].ports)
  end)
end)
