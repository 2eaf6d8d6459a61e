-- Patches: JSON patch with its quirks, merge patch, strategic merge patch with its directives and its order of elements.
local kubesim = require "kubesim"


local REJECTED <const> = "the server rejected our request due to an error in our request"

local function names(list)
  local out = {}
  for i, one in ipairs(list) do out[i] = type(one) == "table" and (one.name or one.port) or one end
  return table.concat(out, " ")
end

describe("a JSON patch", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create [[{apiVersion: v1, kind: ConfigMap, metadata: {name: m, labels: {a: b}, finalizers: [x/one, x/two]}, data: {k: v}}]]
  end)
  after_each(function() cluster:close() end)

  local function patched(operations) return cluster:patch("cm/m", operations, { type = "json" }) end

  for _, row in ipairs {
    { "adds a member", { { op = "add", path = "/data/n", value = "1" } }, function(o) return o.data.n end, "1" },
    { "replaces a member that is not there", { { op = "replace", path = "/data/n", value = "1" } }, function(o) return o.data.n end, "1" },
    { "removes", { { op = "remove", path = "/data/k" } }, function(o) return o.data and o.data.k end, nil },
    { "appends with -", { { op = "add", path = "/metadata/finalizers/-", value = "x/three" } },
      function(o) return names(o.metadata.finalizers) end, "x/one x/two x/three" },
    { "inserts", { { op = "add", path = "/metadata/finalizers/1", value = "x/new" } },
      function(o) return names(o.metadata.finalizers) end, "x/one x/new x/two" },
    { "counts -1 from the end", { { op = "remove", path = "/metadata/finalizers/-1" } },
      function(o) return names(o.metadata.finalizers) end, "x/one" },
    { "moves", { { op = "move", from = "/data/k", path = "/data/z" } }, function(o) return o.data.z end, "v" },
    { "copies", { { op = "copy", from = "/data/k", path = "/data/z" } }, function(o) return o.data.k .. o.data.z end, "vv" },
    { "tests", { { op = "test", path = "/data/k", value = "v" }, { op = "add", path = "/data/t", value = "1" } },
      function(o) return o.data.t end, "1" },
    { "unescapes ~1 and ~0", { { op = "add", path = "/metadata/annotations", value = { ["a.b/c~d"] = "1" } },
      { op = "replace", path = "/metadata/annotations/a.b~1c~0d", value = "2" },
      { op = "move", from = "/metadata/annotations/a.b~1c~0d", path = "/metadata/annotations/x" } },
      function(o) return o.metadata.annotations.x end, "2" },
  } do
    it(row[1], function() assert.equal(row[4], row[3](patched(row[2]))) end)
  end

  for _, row in ipairs {
    { "a missing parent", { { op = "add", path = "/none/n", value = "1" } } },
    { "removing what is not there", { { op = "remove", path = "/data/n" } } },
    { "an index beyond the end", { { op = "add", path = "/metadata/finalizers/9", value = "x/y" } } },
    { "a test that fails", { { op = "test", path = "/data/k", value = "w" } } },
    { "an unknown operation", { { op = "bogus", path = "/data/k" } } },
    { "copies that grow without bound", (function()
      local list = {}
      for i = 1, 40 do list[i] = { op = "copy", from = "/data", path = "/data/k" .. i } end
      return list
    end)() },
  } do
    it("is refused for " .. row[1] .. ", and nothing of it is done", function()
      local operations = { { op = "add", path = "/data/first", value = "1" } }
      for _, operation in ipairs(row[2]) do operations[#operations + 1] = operation end
      local ok, err = pcall(patched, operations)
      assert.is_false(ok)
      assert.equal(422, err.code)
      assert.equal(REJECTED, err.message)
      assert.equal("The request is invalid: " .. REJECTED, tostring(err))
      assert.is_nil(cluster:get "cm/m".data.first)
    end)
  end

  it("has at most 10000 operations", function()
    local operations = {}
    for i = 1, 10001 do operations[i] = { op = "test", path = "/data/k", value = "v" } end
    local ok, err = pcall(patched, operations)
    assert.is_false(ok)
    assert.equal(413, err.code)
    assert.equal("Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001", err.message)
  end)
end)

describe("a merge patch", function()
  it("replaces lists, merges maps and removes with null", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create [[{apiVersion: v1, kind: ConfigMap, metadata: {name: m, labels: {a: b}, finalizers: [x/one, x/two]}, data: {k: v}}]]
    local change = { metadata = { labels = { a = kubesim.null, c = "d" }, finalizers = { "x/three" } } }
    local o = cluster:patch("cm/m", change, { type = "merge" })
    assert.same({ c = "d" }, o.metadata.labels)
    assert.same({ "x/three" }, o.metadata.finalizers)
    local ok, err = pcall(cluster.patch, cluster, "cm/m", "[1]", { type = "merge" })
    assert.is_false(ok)
    assert.equal(400, err.code)
    assert.equal("error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}", err.message)
  end)
end)

describe("a strategic merge patch", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(([[{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, finalizers: [x/one, x/two]}, spec: {replicas: 0,
      selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}, spec: %s}}}]]):format(
      "{containers: [{name: a, image: i, env: [{name: E1, value: '1'}]}, {name: b, image: i}, {name: c, image: i}], "
        .. "volumes: [{name: v, emptyDir: {}}], tolerations: [{key: t, operator: Exists}]}"))
  end)
  after_each(function() cluster:close() end)

  local function patch_spec(spec) return cluster:patch("deploy/d", { spec = { template = { spec = spec } } }).spec.template.spec end

  for _, row in ipairs {
    { "puts a new element before the next one of the server's", { containers = { { name = "x", image = "j" } } }, "x a b c" },
    { "keeps the order of what is there", { containers = { { name = "c", image = "j" }, { name = "a", image = "j" } } }, "b c a" },
    { "puts a new one behind the one before it", { containers = { { name = "b", image = "j" }, { name = "x", image = "j" } } }, "a b x c" },
    { "deletes an element", { containers = { { name = "b", ["$patch"] = "delete" } } }, "a c" },
    { "replaces the list", { containers = { { name = "z", image = "j" }, { ["$patch"] = "replace" } } }, "z" },
    { "orders as told", { ["$setElementOrder/containers"] = { { name = "c" }, { name = "b" }, { name = "a" } } }, "c b a" },
    { "changes nothing with an empty list", { containers = {} }, "a b c" },
  } do
    it(row[1], function() assert.equal(row[3], names(patch_spec(row[2]).containers)) end)
  end

  it("merges by key, deep down", function()
    local spec = patch_spec { containers = { { name = "a", env = { { name = "E2", value = "2" } } } } }
    assert.equal("E2 E1", names(spec.containers[1].env))
    assert.equal("i", spec.containers[1].image)
  end)

  it("replaces lists without a merge key", function()
    assert.equal(1, #patch_spec { tolerations = { { key = "u", operator = "Exists" } } }.tolerations)
  end)

  it("removes scalars, and keeps the keys it is told to keep", function()
    local o = cluster:patch("deploy/d", { metadata = { ["$deleteFromPrimitiveList/finalizers"] = { "x/one", "x/none" } } })
    assert.same({ "x/two" }, o.metadata.finalizers)
    local spec = patch_spec { volumes = { { name = "v", configMap = { name = "m" }, ["$retainKeys"] = { "name", "configMap" } } } }
    assert.is_nil(spec.volumes[1].emptyDir)
    assert.equal("m", spec.volumes[1].configMap.name)
  end)

  for _, row in ipairs {
    { { containers = { { image = "z" } } }, 500, "", "map: map[image:z] does not contain declared merge key: name" },
    { { containers = { { name = "a", ["$patch"] = "bogus" } } }, 500, "", "unknown patch type: bogus in map: map[$patch:bogus name:a]" },
  } do
    it("is refused: " .. row[4], function()
      local ok, err = pcall(patch_spec, row[1])
      assert.is_false(ok)
      assert.same({ row[2], row[3], row[4] }, { err.code, err.reason, err.message })
    end)
  end

  it("names unknown fields as the server does", function()
    local ok, err = pcall(cluster.patch, cluster, "deploy/d", { spec = { foo = 1 } })
    assert.is_false(ok)
    assert.equal('The request is invalid: patch: Invalid value: "map[spec:map[foo:1]]": strict decoding error: unknown field "spec.foo"',
      tostring(err))
  end)
end)

describe("a patch", function()
  it("with a resourceVersion is conditional; without change it stores nothing", function()
    local cluster <close> = kubesim.new { nodes = 0, kubelet = "manual" }
    cluster:create [[{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {k: v}}]]
    local version = cluster:get "cm/m".metadata.resourceVersion
    assert.equal(version, cluster:patch("cm/m", { data = { k = "v" } }).metadata.resourceVersion)
    cluster:patch("cm/m", { data = { k = "w" } })
    local ok, err = pcall(cluster.patch, cluster, "cm/m", { metadata = { resourceVersion = version }, data = { k = "x" } })
    assert.is_false(ok)
    assert.equal(409, err.code)
    assert.equal('Operation cannot be fulfilled on configmaps "m": the object has been modified; please apply your changes to the latest '
      .. "version and try again", err.message)
  end)

  it("cannot rename", function()
    local cluster <close> = kubesim.new { nodes = 0, kubelet = "manual" }
    cluster:create [[{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {k: v}}]]
    local ok, err = pcall(cluster.patch, cluster, "cm/m", { metadata = { name = "other" } })
    assert.is_false(ok)
    assert.equal("the name of the object (other) does not match the name on the URL (m)", err.message)
    assert.equal(400, err.code)
  end)
end)
