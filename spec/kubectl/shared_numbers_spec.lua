-- kubectl apply of Services whose ports share a number: patches find ports by their number alone. As on a real cluster, with its faults.
local kubesim = require "kubesim"

local MANIFEST <const> = [[
apiVersion: v1
kind: Service
metadata: {name: dns, labels: {version: "%d"}}
spec: {clusterIP: None, selector: {app: dns}, ports: [%s]}
]]
local TCP <const>, UDP <const>, METRICS <const> = "{name: tcp, port: 53}", "{name: udp, port: 53, protocol: UDP}", "{name: m, port: 91}"

describe("kubectl apply of ports that share a number", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 0 } end)
  after_each(function() cluster:close() end)

  local function manifest(version, ...) return MANIFEST:format(version, table.concat({ ... }, ", ")) end
  local function create(...) cluster:kubectl("create -f -", manifest(1, ...)) end
  local function apply(...) return cluster:kubectl("apply -f -", manifest(2, ...)) end

  local function ports()
    local names = {}
    for i, port in ipairs(cluster:get("svc/dns").spec.ports) do names[i] = port.name .. "/" .. port.protocol end
    return table.concat(names, " ")
  end

  it("leaves them as they are where they are listed in the same order", function()
    create(METRICS, TCP, UDP)
    assert.equal("service/dns configured\n", apply(METRICS, TCP, UDP))
    assert.equal("m/TCP tcp/TCP udp/UDP", ports())
  end)

  it("takes the last one of the number for the only one that is listed", function()
    create(METRICS, TCP, UDP)
    apply(METRICS, UDP)
    assert.equal("m/TCP tcp/TCP udp/UDP", ports())
  end)

  it("is refused where their order changes: both changes meet the first one", function()
    create(UDP, TCP, METRICS)
    local ok, why = pcall(apply, TCP, UDP)
    assert.is_false(ok)
    assert.matches('The Service "dns" is invalid: spec.ports%[1%].name: Duplicate value: "tcp"', tostring(why))
  end)
end)
