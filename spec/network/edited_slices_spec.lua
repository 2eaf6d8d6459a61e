-- EndpointSlices that somebody else edits, or makes in the controller's name. As seen on a real cluster.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local OURS <const>, MANAGER <const> = "endpointslice-controller.k8s.io", "endpointslice.kubernetes.io/managed-by"
local SERVICE <const>, HEADLESS <const> = "kubernetes.io/service-name", "service.kubernetes.io/headless"

describe("An EndpointSlice", function()
  local cluster, name
  before_each(function()
    cluster = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "web", labels = { team = "a" } },
      spec = { selector = { app = "web" }, ports = { { port = 80 } } } }
    cluster:create(workload.pod("p", { app = "web" }))
    cluster:advance(1)
    cluster:drive("p", "ready")
    cluster:advance(5)
    name = cluster:list("endpointslice", { labels = SERVICE .. "=web" })[1].metadata.name
  end)
  after_each(function() cluster:close() end)

  local function slice() return cluster:get("endpointslice/" .. name) end
  local function label(key, value) cluster:patch("endpointslice/" .. name, { metadata = { labels = { [key] = value } } }) end
  local function count() return #cluster:list("endpointslice", { labels = SERVICE .. "=web" }) end

  it("has its endpoints back after a second", function()
    cluster:patch("endpointslice/" .. name, { endpoints = {} }, { type = "merge" })
    cluster:advance(0.9)
    assert.equal(kubesim.null, slice().endpoints or kubesim.null)
    cluster:advance(0.2)
    assert.equal("p", slice().endpoints[1].targetRef.name)
  end)

  it("has its Service's labels back, but for those that are reserved", function()
    label("team", "b")
    label(HEADLESS, "")
    cluster:advance(2)
    assert.equal("a", slice().metadata.labels.team)
    assert.is_nil(slice().metadata.labels[HEADLESS])
    label(HEADLESS, "")
    cluster:advance(2)
    assert.equal("", slice().metadata.labels[HEADLESS])
    cluster:drive("p", "unready")
    cluster:advance(2)
    assert.is_nil(slice().metadata.labels[HEADLESS])
  end)

  it("is not looked at where annotations are all that is new", function()
    local before = slice().metadata
    cluster:kubectl("annotate endpointslice " .. name .. " x=y")
    cluster:advance(5)
    assert.equal("y", slice().metadata.annotations.x)
    assert.equal(before.generation, slice().metadata.generation)
    assert.is_string(slice().metadata.annotations["endpoints.kubernetes.io/last-change-trigger-time"])
  end)

  for what, key in pairs { ["managed by somebody else"] = MANAGER, ["somebody else's"] = SERVICE } do
    it("that is said to be " .. what .. " stops its Service's slices until it is as it was", function()
      label(key, "other")
      cluster:advance "1m"
      cluster:drive("p", "unready")
      cluster:advance "1m"
      assert.is_true(slice().endpoints[1].conditions.ready)
      assert.equal(key == SERVICE and 0 or 1, count())
      label(key, key == SERVICE and "web" or OURS)
      cluster:advance(2)
      assert.is_false(slice().endpoints[1].conditions.ready)
      assert.equal(1, count())
    end)
  end

  it("with a finalizer stops them, too, from its deletion on", function()
    cluster:patch("endpointslice/" .. name, { metadata = { finalizers = { "example.com/wait" } } })
    cluster:delete("endpointslice/" .. name)
    cluster:advance "1m"
    assert.equal(1, count())
    cluster:patch("endpointslice/" .. name, { metadata = { finalizers = kubesim.null } }, { type = "merge" })
    cluster:advance(2)
    assert.is_nil(slice())
    assert.equal(1, count())
  end)

  for _, family in ipairs { "IPv4", "IPv6", "FQDN" } do
    it("that somebody makes in the controller's name is gone after a second: " .. family, function()
      cluster:create { apiVersion = "discovery.k8s.io/v1", kind = "EndpointSlice", addressType = family, endpoints = {},
        metadata = { name = "mine", labels = { [SERVICE] = "web", [MANAGER] = OURS } } }
      cluster:advance(0.9)
      assert.is_truthy(cluster:get "endpointslice/mine")
      cluster:advance(0.2)
      assert.is_nil(cluster:get "endpointslice/mine")
      assert.equal("p", slice().endpoints[1].targetRef.name)
    end)
  end

  it("without an owner makes room for one with an owner", function()
    cluster:patch("endpointslice/" .. name, { metadata = { ownerReferences = kubesim.null } }, { type = "merge" })
    cluster:kubectl "annotate svc web look=now"
    cluster:advance(2)
    assert.is_nil(slice())
    local slices = cluster:list("endpointslice", { labels = SERVICE .. "=web" })
    assert.equal(1, #slices)
    assert.equal("web", slices[1].metadata.ownerReferences[1].name)
  end)

  it("is its Service's own in each fork", function()
    label(MANAGER, "other")
    cluster:advance(2)
    local fork <close> = cluster:fork()
    fork:patch("endpointslice/" .. name, { metadata = { labels = { [MANAGER] = OURS } } })
    fork:drive("p", "unready")
    fork:advance "2m"
    assert.is_false(fork:get("endpointslice/" .. name).endpoints[1].conditions.ready)
    cluster:drive("p", "unready")
    cluster:advance "2m"
    assert.is_true(slice().endpoints[1].conditions.ready)
  end)
end)

describe("A pod that changes its address", function()
  it("stands behind the others in its slice", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create { apiVersion = "v1", kind = "Service", metadata = { name = "web" },
      spec = { selector = { app = "web" }, ports = { { port = 80 } } } }
    for _, pod in ipairs { "p", "q" } do
      cluster:create(workload.pod(pod, { app = "web" }))
      cluster:advance(1)
      cluster:drive(pod, "ready")
      cluster:advance(1)
    end
    cluster:patch("pod/p", { status = { podIP = "10.9.9.9", podIPs = { { ip = "10.9.9.9" } } } },
      { type = "merge", subresource = "status" })
    cluster:advance(1)
    local endpoints = cluster:list("endpointslice", { labels = SERVICE .. "=web" })[1].endpoints
    assert.equal("q", endpoints[1].targetRef.name)
    assert.same({ "10.9.9.9" }, endpoints[2].addresses)
  end)
end)
