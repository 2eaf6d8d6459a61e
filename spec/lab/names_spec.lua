-- What the lab shows of a headless Service: names of the set and of its pods, and what answers there.
local kubesim = require "kubesim"
require "kubesim.assertions"

local function manifest(name, replicas)
  local f <close> = assert(io.open("examples/lab/" .. name .. ".yaml"))
  local text = f:read "a"
  return replicas and text:gsub("replicas: %d+", "replicas: " .. replicas) or text
end

describe("the lab's headless Service", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 2 }
    cluster:apply(manifest "stateful-headless")
    cluster:apply(manifest("stateful-pvc", 3))
    cluster:apply(manifest("stateful-db", 3))
    cluster:kubectl "run client --image=kubetm/init"
    cluster:settle()
  end)
  after_each(function() cluster:close() end)

  local function address(pod) return cluster:get("pod/" .. pod).status.podIP end

  it("lists the addresses of the ready selected pods", function()
    local text = cluster:exec("client", "nslookup stateful-headless")
    assert.matches("^Server:%s+10%.96%.0%.10\nAddress:%s+10%.96%.0%.10#53\n\n", text)
    local found, want = {}, {}
    for ip in text:gmatch "Name:%s+stateful%-headless%.default%.svc%.cluster%.local\nAddress: (%S+)" do found[#found + 1] = ip end
    for i = 0, 2 do want[#want + 1] = address("stateful-pvc-" .. i) end
    table.sort(found)
    table.sort(want)
    assert.same(want, found)
  end)

  it("leaves out a pod that is terminating", function()
    local gone = address "stateful-pvc-1"
    cluster:delete "pod/stateful-pvc-1"
    cluster:advance(3)
    for _, record in ipairs(cluster:resolve("stateful-headless", { from = "client" })) do assert.not_equal(gone, record.address) end
    assert.is_nil(cluster:resolve("stateful-pvc-1.stateful-headless", { from = "client" }))
  end)

  it("names each pod of the set that its selector matches", function()
    for i = 0, 2 do
      local records = assert(cluster:resolve(("stateful-pvc-%d.stateful-headless"):format(i), { from = "client" }))
      assert.equal(1, #records)
      assert.equal(address("stateful-pvc-" .. i), records[1].address)
    end
  end)

  it("answers curl with the pod's name", function()
    for i = 0, 2 do
      local name = "stateful-pvc-" .. i
      assert.matches(name .. " is Running", (cluster:exec("client", ("curl %s.stateful-headless:8080/health"):format(name))), 1, true)
      local body, status = cluster:curl(("http://%s.stateful-headless:8080/health"):format(name), { from = "client" })
      assert.matches(name .. " is Running", body, 1, true)
      assert.equal(200, status)
    end
  end)

  it("has no name for the pods of a set that it does not select", function()
    local records, why = cluster:resolve("stateful-db-0.stateful-headless", { from = "client" })
    assert.is_nil(records)
    assert.equal("NXDOMAIN", why)
    local _, code, err = cluster:exec("client", "curl stateful-db-0.stateful-headless:8080/health")
    assert.equal(6, code)
    assert.matches("Could not resolve host: stateful-db-0.stateful-headless", err, 1, true)
  end)

  it("names the other set once its selector matches that one", function()
    cluster:apply((manifest "stateful-headless":gsub("type: db2", "type: db")))
    cluster:advance(40)
    for i = 0, 2 do
      local name = "stateful-db-" .. i
      assert.matches(name .. " is Running", (cluster:exec("client", ("curl %s.stateful-headless:8080/health"):format(name))), 1, true)
    end
    assert.is_nil(cluster:resolve("stateful-pvc-0.stateful-headless", { from = "client" }))
  end)
end)
