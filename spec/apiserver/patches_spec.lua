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

-- The answers of a v1.36.2 API server.
describe("a patch that is odd", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create [[{apiVersion: v1, kind: ConfigMap, metadata: {name: m, finalizers: [x/one, x/two]}, data: {k: v}}]]
    cluster:create [[{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 0, selector: {matchLabels: {app: d}},
      template: {metadata: {labels: {app: d}}, spec: {containers: [{name: c, image: i}]}}}}]]
  end)
  after_each(function() cluster:close() end)

  local function refused(ref, patch, opts)
    local ok, err = pcall(cluster.patch, cluster, ref, patch, opts)
    assert.is_false(ok)
    return err
  end
  local function meta(fields) return { metadata = fields } end

  for _, ty in ipairs { "merge", "strategic" } do
    it("is told that a uid cannot change: " .. ty, function()
      local err = refused("cm/m", meta { uid = "x" }, { type = ty })
      assert.equal(422, err.code)
      assert.equal('ConfigMap "m" is invalid: metadata.uid: Invalid value: "x": field is immutable', err.message)
    end)

    it("is told of another namespace: " .. ty, function()
      local err = refused("cm/m", meta { namespace = "other" }, { type = ty })
      assert.equal(400, err.code)
      assert.equal("the namespace of the provided object does not match the namespace sent on the request", err.message)
    end)

    it("has a resourceVersion that is a number; 0 says nothing: " .. ty, function()
      for text, why in pairs { abc = "invalid syntax", ["-1"] = "invalid syntax", [" 1"] = "invalid syntax",
                               ["99999999999999999999"] = "value out of range" } do
        local err = refused("cm/m", meta { resourceVersion = text }, { type = ty })
        assert.equal(500, err.code)
        assert.equal(("strconv.ParseUint: parsing %q: %s"):format(text, why), err.message)
      end
      assert.equal(409, refused("cm/m", meta { resourceVersion = "99999999" }, { type = ty }).code)
      assert.equal("1", cluster:patch("cm/m", { metadata = { resourceVersion = "0" }, data = { n = "1" } }, { type = ty }).data.n)
    end)

    it("takes from everybody what they own by one empty entry: " .. ty, function()
      cluster:kubectl("label cm m a=b")
      assert.equal(1, #cluster:get "cm/m".metadata.managedFields)
      cluster:kubectl(("patch cm m --type %s -p '{\"metadata\":{\"managedFields\":[{\"manager\":\"me\"}]}}'"):format(ty))
      assert.equal(1, #cluster:get "cm/m".metadata.managedFields) -- what cannot be read is not meant
      cluster:kubectl(("patch cm m --type %s -p '{\"data\":{\"q\":\"1\"},\"metadata\":{\"managedFields\":[{}]}}'"):format(ty))
      assert.is_nil(cluster:get "cm/m".metadata.managedFields)
      assert.equal("1", cluster:get "cm/m".data.q)
    end)

    it("with a list where a map belongs is refused, also from a table: " .. ty, function()
      assert.equal(422, refused("cm/m", kubesim.json.decode '{"data": []}', { type = ty }).code)
      assert.equal(400, refused("cm/m", kubesim.json.decode "[]", { type = ty }).code)
    end)

    it("of a Scale minds its words, its uid and its version: " .. ty, function()
      local function scale(patch) return refused("deploy/d", patch, { type = ty, subresource = "scale" }) end
      local uid = cluster:get "deploy/d".metadata.uid
      assert.equal("the name of the object (z) does not match the name on the URL (d)", scale(meta { name = "z" }).message)
      local err = scale(meta { uid = "z" })
      assert.equal(409, err.code)
      assert.equal('Operation cannot be fulfilled on deployments/scale.apps "d": Precondition failed: UID in precondition: z, '
        .. "UID in object meta: " .. uid, err.message)
      assert.equal('Operation cannot be fulfilled on deployments.apps "d": the object has been modified; please apply your changes '
        .. "to the latest version and try again", scale(meta { resourceVersion = "1" }).message)
      assert.matches('strict decoding error: unknown field "spec%.foo"$', scale { spec = { foo = 1 } }.message)
      assert.equal(0, cluster:get "deploy/d".spec.replicas)
    end)
  end

  it("has no nulls in the maps of a merged list", function()
    local one = { name = "c", image = "i", resources = { limits = { cpu = kubesim.null } } }
    local o = cluster:patch("deploy/d", { spec = { template = { spec = { containers = { one } } } } }, { type = "merge" })
    assert.is_nil(next(o.spec.template.spec.containers[1].resources.limits or {}))
  end)

  for _, row in ipairs {
    { "strategic", "x", '"map[spec:map[replicas:x]]": unrecognized type: int32' },
    { "strategic", 1.5, '"map[spec:map[replicas:1.5]]": cannot convert float64 to int32' },
    { "merge", "x", ": json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32" },
    { "merge", 1.5, ": json: cannot unmarshal number 1.5 into Go struct field ScaleSpec.spec.replicas of type int32" },
  } do
    it(("with a %s as replicas of a Scale is refused: %s"):format(row[2], row[1]), function()
      local err = refused("deploy/d", { spec = { replicas = row[2] } }, { type = row[1], subresource = "scale" })
      assert.equal(422, err.code)
      assert.equal("Invalid", err.reason)
      assert.equal(' "" is invalid: patch: Invalid value: "', err.message:sub(1, 39))
      assert.equal(row[3], err.message:sub(-#row[3]))
    end)
  end

  for _, row in ipairs {
    { 4294967299, 3 }, { -4294967293, 3 }, { 2^63, 0 }, { 1e10, 1410065408 },
    { 3000000000, "spec.replicas: Invalid value: -1294967296: must be greater than or equal to 0" },
    { math.maxinteger, "spec.replicas: Invalid value: -1: must be greater than or equal to 0" },
  } do
    it(("with %s for 32 bits is cut off where it is strategic, and refused where it is not"):format(row[1]), function()
      local patch = { spec = { replicas = row[1] } }
      if type(row[2]) == "number" then
        assert.equal(row[2], cluster:patch("deploy/d", patch, { type = "strategic" }).spec.replicas)
      else
        assert.equal('Deployment.apps "d" is invalid: ' .. row[2], refused("deploy/d", patch, { type = "strategic" }).message)
      end
      assert.matches("cannot unmarshal number %S+ into Go struct field DeploymentSpec.spec.replicas of type int32$",
                     refused("deploy/d", patch, { type = "merge" }).message)
    end)
  end

  it("with what is a number or a text reads it by itself: there nothing is cut off", function()
    local function patch(n) return { spec = { strategy = { rollingUpdate = { maxSurge = n } } } } end
    for _, n in ipairs { "4294967297", "1.5" } do
      assert.matches("json: cannot unmarshal number " .. n:gsub("%p", "%%%0") .. " into Go value of type int32$",
                     refused("deploy/d", patch(tonumber(n)), { type = "strategic" }).message)
    end
  end)

  local registered = 'no kind "%s" is registered for version "%s" in scheme "pkg/api/legacyscheme/scheme.go:30"'
  for _, row in ipairs {
    { { kind = "Secret" }, "illegal base64 data at input byte 0" },
    { { kind = "Pod" }, "converting (v1.Pod) to (core.ConfigMap): unknown conversion" },
    { { kind = "Deployment", apiVersion = "apps/v1" }, "converting (v1.Deployment) to (core.ConfigMap): unknown conversion" },
    { { kind = "Foo" }, registered:format("Foo", "v1") },
    { { apiVersion = "v2" }, registered:format("ConfigMap", "v2") },
    { { apiVersion = "apps/__internal" },
      'no kind "ConfigMap" is registered for the internal version of group "apps" in scheme "pkg/api/legacyscheme/scheme.go:30"' },
    { { apiVersion = "a/b/c" }, "unexpected GroupVersion string: a/b/c" },
    { { kind = 5 },
      "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string" },
    { { apiVersion = "" }, 'strict decoding error: unknown field "data", unknown field "metadata"' },
    { { apiVersion = kubesim.null, foo = 1 },
      'strict decoding error: unknown field "data", unknown field "foo", unknown field "metadata"' },
  } do
    it("makes an object of what it calls itself: " .. row[2], function()
      local operations = {}
      for key, value in pairs(row[1]) do operations[#operations + 1] = { op = "add", path = "/" .. key, value = value } end
      for type, patch in pairs { merge = row[1], json = operations } do
        local err = refused("cm/m", patch, { type = type })
        assert.equal(422, err.code)
        assert.equal(row[2], err.message:sub(-#row[2]))
      end
    end)
  end

  it("may call an object by a version that there was", function()
    for _, version in ipairs { "apps/v1beta1", "extensions/v1beta1" } do
      cluster:patch("deploy/d", { apiVersion = version, spec = { replicas = 2 } }, { type = "merge" })
      assert.equal("apps/v1", cluster:get "deploy/d".apiVersion)
    end
    cluster:patch("cm/m", { apiVersion = "/v1" }, { type = "merge" })
  end)

  it("that leaves an object without version finds nothing in it that is known", function()
    local err = refused("cm/m", { apiVersion = kubesim.null }, { type = "merge", field_validation = "Ignore" })
    assert.equal("the name of the object (m based on URL) was undeterminable: name must be provided", err.message)
  end)

  for _, row in ipairs {
    { "add", "path", 5, "number" }, { 5, "op", "/data/k", "number" }, { "add", "path", true, "bool" },
  } do
    it(("of JSON has texts for %s, not a %s"):format(row[2], row[4]), function()
      local err = refused("cm/m", { { op = row[1], path = row[3], value = "v" } }, { type = "json" })
      assert.equal(400, err.code)
      assert.equal(("error decoding patch: json: cannot unmarshal %s into Go struct field jsonPatchOp.%s of type string")
        :format(row[4], row[2]), err.message)
    end)
  end

  it("of JSON with a field that operations do not have is refused, or warned about", function()
    local patch = { { op = "add", path = "/data/k", vlaue = "1" } }
    assert.matches('strict decoding error: json patch unknown field "%[0%]%.vlaue"$', refused("cm/m", patch, { type = "json" }).message)
    patch[2] = { op = "add", path = "/datax", value = "1" }
    assert.matches('strict decoding error: json patch unknown field "%[0%]%.vlaue", unknown field "datax"$',
                   refused("cm/m", patch, { type = "json" }).message)
  end)

  it("of JSON counts by digits alone", function()
    for _, op in ipairs { "add", "replace", "remove" } do
      assert.equal(422, refused("cm/m", { { op = op, path = "/metadata/finalizers/ 1", value = "x/y" } }, { type = "json" }).code)
    end
  end)

  it("of JSON can exchange the whole document", function()
    local whole = cluster:get "cm/m"
    whole.data = { only = "1" }
    assert.same({ only = "1" }, cluster:patch("cm/m", { { op = "replace", path = "", value = whole } }, { type = "json" }).data)
    assert.equal("the name of the object (m based on URL) was undeterminable: name must be provided",
                 refused("cm/m", { { op = "replace", path = "", value = {} } }, { type = "json" }).message)
  end)

  it("that empties a pod's status leaves its class and the generations that were seen", function()
    cluster:create "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}"
    cluster:patch("po/p", { status = { observedGeneration = 1, conditions = { { type = "X", status = "True", observedGeneration = 1 } } } },
                  { subresource = "status" })
    local conditions = { { type = "X", status = "False" }, { type = "X", status = "True" } }
    local o = cluster:patch("po/p", { status = { conditions = conditions } }, { type = "merge", subresource = "status" })
    assert.equal(1, o.status.conditions[1].observedGeneration)
    assert.is_nil(o.status.conditions[2].observedGeneration)
    o = cluster:patch("po/p", { status = kubesim.null }, { subresource = "status" })
    assert.same({ qosClass = "BestEffort", observedGeneration = 1 }, o.status)
  end)

  it("of a Service's addresses is told of these alone", function()
    cluster:create "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: 10.96.0.77, ports: [{port: 80}]}}"
    assert.equal('Service "s" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.78"]: first value must match `clusterIP`',
                 refused("svc/s", { spec = { clusterIPs = { "10.96.0.78" } } }, { type = "merge" }).message)
    assert.equal('Service "s" is invalid: spec.clusterIPs[0]: Invalid value: "10.96.0.77": expected an IPv6 value as indicated by '
      .. "`ipFamilies[0]`", refused("svc/s", { spec = { ipFamilies = { "IPv6" } } }, { type = "merge" }).message)
    local o = cluster:patch("svc/s", { spec = { type = "ExternalName", externalName = "x.y" } })
    assert.is_nil(o.spec.internalTrafficPolicy)
  end)

  it("that orders a list which there is not is refused", function()
    local err = refused("deploy/d", { spec = { template = { spec = { ["$setElementOrder/nope"] = { { name = "e" } } } } } })
    assert.equal(500, err.code)
    assert.equal('unable to find api field in struct PodSpec for the json field "nope"', err.message)
  end)
end)
