-- EndpointSlices that were left behind when their Service was deleted: what a Service of the same name does with them.
local kubesim = require "kubesim"

describe("an EndpointSlice whose Service was deleted without it", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1 } end)
  after_each(function() cluster:close() end)

  local function service(fields)
    cluster:apply { apiVersion = "v1", kind = "Service", metadata = { name = "s", labels = fields.labels },
      spec = { selector = { app = "web" }, clusterIP = fields.clusterIP, ports = { { port = 80, name = "http" } } } }
    cluster:advance "2s"
  end

  local function slices()
    local names, owners = {}, {}
    for i, slice in ipairs(cluster:list("endpointslices", { labels = "kubernetes.io/service-name=s" })) do
      names[i], owners[i] = slice.metadata.name, slice.metadata.ownerReferences and 1 or 0
    end
    return names, owners
  end

  local function leave_behind(fields)
    service(fields)
    local before = slices()
    cluster:kubectl "delete svc s --cascade=orphan --wait=false"
    cluster:advance "2s"
    local names, owners = slices()
    assert.same(before, names)
    assert.same({ 0 }, owners)
    return before
  end

  it("serves the next one as its empty slice, without an owner, where their labels are alike", function()
    local left = leave_behind { labels = { a = "1" } }
    service { labels = { a = "1" } }
    local names, owners = slices()
    assert.same(left, names)
    assert.same({ 0 }, owners)
  end)

  it("is as good with an empty label too many: that of a headless Service", function()
    local left = leave_behind { clusterIP = "None" }
    service {}
    assert.same(left, (slices()))
  end)

  it("goes where labels differ, and the next Service has its own", function()
    local left = leave_behind { labels = { a = "1" } }
    service { labels = { a = "2" } }
    local names, owners = slices()
    assert.equal(1, #names)
    assert.not_equal(left[1], names[1])
    assert.same({ 1 }, owners)
  end)

  it("goes when there is something to be told of, in a fork as in the original", function()
    local left = leave_behind {}
    service {}
    local fork <close> = cluster:fork()
    for _, c in ipairs { cluster, fork } do
      c:create { apiVersion = "v1", kind = "Pod", metadata = { name = "p", labels = { app = "web" } },
        spec = { containers = { { name = "main", image = "app:1" } } } }
      c:advance "20s"
    end
    local names, owners = slices()
    assert.equal(1, #names)
    assert.not_equal(left[1], names[1])
    assert.same({ 1 }, owners)
    assert.equal(cluster:trace(), fork:trace())
  end)
end)
