-- Which slices Endpoints written by hand are mirrored into, and what becomes of these. As seen on a real cluster.
local kubesim = require "kubesim"

local SERVICE <const>, MANAGER <const> = "kubernetes.io/service-name", "endpointslice.kubernetes.io/managed-by"
local OURS <const> = "endpointslicemirroring-controller.k8s.io"

local A <const>, B <const>, C <const> = { name = "a", port = 80 }, { name = "b", port = 81, protocol = "UDP" },
  { name = "c", port = 82, appProtocol = "x/y" }

describe("Endpoints written by hand", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 0 }
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "db" }, spec = { ports = { { port = 80 } } } }
  end)
  after_each(function() cluster:close() end)

  local function write(subsets, labels, annotations)
    cluster:create { apiVersion = "v1", kind = "Endpoints", metadata = { name = "db", labels = labels, annotations = annotations },
      subsets = subsets }
    cluster:advance(1)
  end

  local function slices() return cluster:list("endpointslice", { labels = SERVICE .. "=db" }) end

  ---{ "IPv4 a b: 10.1.1.1 (10.1.1.2)", ... }: ports, and addresses, those that are not ready in brackets
  local function shown()
    local texts = {}
    for i, slice in ipairs(slices()) do
      local ports, addresses = {}, {}
      for k, port in ipairs(slice.ports ~= kubesim.null and slice.ports or {}) do ports[k] = port.name end
      for k, endpoint in ipairs(slice.endpoints ~= kubesim.null and slice.endpoints or {}) do
        addresses[k] = (endpoint.conditions.ready and "%s" or "(%s)"):format(endpoint.addresses[1])
      end
      table.sort(ports)
      table.sort(addresses)
      texts[i] = ("%s %s: %s"):format(slice.addressType, table.concat(ports, " "), table.concat(addresses, " "))
    end
    table.sort(texts)
    return texts
  end

  it("share a slice for each set of ports that the same addresses have", function()
    write { { addresses = { { ip = "10.1.1.1" } }, ports = { A, B } }, { addresses = { { ip = "10.1.1.2" } }, ports = { A } } }
    assert.same({ "IPv4 a: 10.1.1.1 10.1.1.2", "IPv4 b: 10.1.1.1" }, shown())
  end)

  it("have another slice for each family", function()
    write { { addresses = { { ip = "10.1.1.1" }, { ip = "fd00::1" } }, notReadyAddresses = { { ip = "fd00::2" } }, ports = { A } } }
    assert.same({ "IPv4 a: 10.1.1.1", "IPv6 a: (fd00::2) fd00::1" }, shown())
  end)

  it("are not ready for a port where one of several subsets says so", function()
    write { { addresses = { { ip = "10.1.1.1" } }, ports = { A } }, { notReadyAddresses = { { ip = "10.1.1.1" } }, ports = { A, B } } }
    assert.same({ "IPv4 a b: (10.1.1.1)" }, shown())
  end)

  it("have ports with an appProtocol apart", function()
    write { { addresses = { { ip = "10.1.1.1" } }, ports = { A, C } }, { addresses = { { ip = "10.1.1.2" } }, ports = { A, C } } }
    assert.same({ "IPv4 a: 10.1.1.1 10.1.1.2", "IPv4 c: 10.1.1.1 10.1.1.2" }, shown())
  end)

  it("need no ports", function()
    write { { addresses = { { ip = "10.1.1.1" } } }, { addresses = { { ip = "10.1.1.1" }, { ip = "10.1.1.2" } }, ports = { A } } }
    assert.same({ "IPv4 : 10.1.1.1", "IPv4 a: 10.1.1.1 10.1.1.2" }, shown())
  end)

  it("say so when they are more than a thousand", function()
    local addresses = {}
    for i = 1, 1002 do addresses[i] = { ip = ("10.1.%d.%d"):format(i // 250, i % 250) } end
    write { { addresses = addresses, ports = { A } } }
    assert.equal(1000, #slices()[1].endpoints)
    local event = cluster:events({ ref = "endpoints/db" })[1]
    assert.equal("TooManyAddressesToMirror", event.reason)
    assert.equal("A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. 2 addresses were skipped", event.message)
  end)

  it("are mirrored whoever is said to manage them, unless they elect a leader or ask not to be", function()
    local subsets = { { addresses = { { ip = "10.1.1.1" } }, ports = { A } } }
    write(subsets, { ["endpoints.kubernetes.io/managed-by"] = "me" })
    assert.same({ "IPv4 a: 10.1.1.1" }, shown())
    cluster:kubectl "annotate endpoints db control-plane.alpha.kubernetes.io/leader=x"
    cluster:advance(1)
    assert.same({}, shown())
    cluster:kubectl "annotate endpoints db control-plane.alpha.kubernetes.io/leader-"
    cluster:advance(1)
    assert.equal(1, #shown())
    cluster:kubectl "label endpoints db endpointslice.kubernetes.io/skip-mirror=true"
    cluster:advance(1)
    assert.same({}, shown())
  end)

  it("make a slice new in place of one that is not wanted any more", function()
    write { { addresses = { { ip = "10.1.1.1" } }, ports = { A } } }
    local before = slices()[1].metadata
    cluster:patch("endpoints/db", { subsets = { { addresses = { { ip = "10.1.1.1" } }, ports = { B } } } }, { type = "merge" })
    cluster:advance(1)
    assert.same({ "IPv4 b: 10.1.1.1" }, shown())
    local after = slices()[1].metadata
    assert.same({ before.name, before.uid, "db-" }, { after.name, after.uid, after.generateName })
    cluster:patch("endpoints/db", { metadata = { labels = { x = "y" } } })
    cluster:advance(1)
    assert.same({ before.name, "y" }, { slices()[1].metadata.name, slices()[1].metadata.labels.x })
    assert.is_nil(slices()[1].metadata.generateName) -- it is written with its name alone
  end)

  it("have their slices back", function()
    write { { addresses = { { ip = "10.1.1.1" } }, ports = { A } } }
    local name = slices()[1].metadata.name
    cluster:patch("endpointslice/" .. name, { endpoints = {} }, { type = "merge" })
    cluster:advance(0)
    assert.same({ "IPv4 a: 10.1.1.1" }, shown())
    cluster:kubectl("annotate endpointslice " .. name .. " a=b") -- which is nothing that is looked at
    cluster:advance(1)
    assert.equal("b", slices()[1].metadata.annotations.a)
    cluster:delete("endpointslice/" .. name)
    cluster:advance(0)
    assert.same({ "IPv4 a: 10.1.1.1" }, shown())
  end)

  it("lose a slice that is said to be managed by somebody else, and wait for it", function()
    write { { addresses = { { ip = "10.1.1.1" } }, ports = { A } } }
    local name = slices()[1].metadata.name
    cluster:kubectl(("label --overwrite endpointslice %s %s=me"):format(name, MANAGER))
    cluster:patch("endpoints/db", { subsets = { { addresses = { { ip = "10.1.1.2" } }, ports = { A } } } }, { type = "merge" })
    cluster:advance "1m"
    assert.same({ "IPv4 a: 10.1.1.1" }, shown())
    cluster:kubectl(("label --overwrite endpointslice %s %s=%s"):format(name, MANAGER, OURS))
    cluster:advance "2m"
    assert.same({ "IPv4 a: 10.1.1.2" }, shown())
  end)

  it("take their slices with them at once, also those that somebody else has made in that name", function()
    write { { addresses = { { ip = "10.1.1.1" } }, ports = { A } } }
    local fork <close> = cluster:fork()
    fork:delete "endpoints/db"
    fork:advance(0)
    assert.equal(0, #fork:list("endpointslice", { labels = SERVICE .. "=db" }))
    cluster:create { apiVersion = "discovery.k8s.io/v1", kind = "EndpointSlice", addressType = "IPv4", endpoints = {},
      metadata = { name = "stray", labels = { [SERVICE] = "nobody", [MANAGER] = OURS } } }
    cluster:advance(0)
    assert.is_nil(cluster:get "endpointslice/stray")
    assert.equal(1, #slices())
  end)

  it("are the Service's own business once it has a selector", function()
    write { { addresses = { { ip = "10.1.1.1" } }, ports = { A } } }
    cluster:patch("svc/db", { spec = { selector = { app = "db" } } })
    cluster:advance(1)
    assert.equal(1, #slices())
    assert.equal("endpointslice-controller.k8s.io", slices()[1].metadata.labels[MANAGER])
    assert.equal(cluster:get("svc/db").metadata.creationTimestamp,
      slices()[1].metadata.annotations["endpoints.kubernetes.io/last-change-trigger-time"])
    cluster:patch("svc/db", { spec = { selector = kubesim.null } }, { type = "merge" })
    cluster:patch("endpoints/db", { subsets = { { addresses = { { ip = "10.1.1.3" } }, ports = { A } } } }, { type = "merge" })
    cluster:advance(1)
    assert.same({ "IPv4 : ", "IPv4 a: 10.1.1.3" }, shown())
  end)
end)

describe("A Service for any family that is given a selector", function()
  it("is refused on a cluster that has one family", function()
    local cluster <close> = kubesim.new { nodes = 0 }
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "db" },
      spec = { clusterIP = "None", ports = { { port = 80 } } } }
    local ok, why = pcall(cluster.patch, cluster, "svc/db", { spec = { selector = { app = "db" } } })
    assert.is_false(ok)
    assert.equal('Service "db" is invalid: [spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for '
      .. 'dual-stack services, spec.ipFamilies[1]: Invalid value: "IPv6": not configured on this cluster]', why.message)
  end)
end)
