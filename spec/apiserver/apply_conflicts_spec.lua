-- Server-side apply: what is a conflict, how conflicts are told, and who loses a field. As on a real cluster.
local kubesim = require "kubesim"

local function deployment(container, more)
  local object = {
    apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "x" },
    spec = { replicas = 0, selector = { matchLabels = { app = "x" } },
      template = { metadata = { labels = { app = "x" } }, spec = { containers = { container } } } },
  }
  for key, value in pairs(more or {}) do object.spec.template.spec[key] = value end
  return object
end

local function requests(cpu) return { name = "m", image = "i:1", resources = { requests = { cpu = cpu } } } end

describe("Server-side apply", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 0, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  local function apply(manager, object, flags)
    return cluster:kubectl(("apply --server-side --field-manager=%s %s -f -"):format(manager, flags or ""), kubesim.json.encode(object))
  end

  local function refusal(manager, object)
    local ok, why = pcall(apply, manager, object)
    assert.is_false(ok)
    return (tostring(why):match "^(.-)\nPlease review")
  end

  local function owned(manager)
    for _, entry in ipairs(cluster:get("cm/x").metadata.managedFields) do
      if entry.manager == manager then return entry.fieldsV1 end
    end
  end

  it("takes an amount that is written otherwise for another one", function()
    apply("one", deployment(requests "100m"))
    assert.equal('error: Apply failed with 1 conflict: conflict with "one": '
      .. '.spec.template.spec.containers[name="m"].resources.requests.cpu', refusal("two", deployment(requests "0.1")))
    apply("two", deployment(requests "0.1"), "--force-conflicts")
    assert.equal("100m", cluster:get("deploy/x").spec.template.spec.containers[1].resources.requests.cpu)
    for _, entry in ipairs(cluster:get("deploy/x").metadata.managedFields) do
      if entry.manager == "one" then
        assert.is_nil(entry.fieldsV1["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"m"}']["f:resources"])
      end
    end
    apply("two", deployment(requests "100m"))
  end)

  it("tells conflicts by the managers' names, and of each first the fields that stand higher", function()
    local whole = { tolerations = { { key = "k", operator = "Exists" } } }
    apply("zoe", deployment({ name = "m", image = "i:1" }, whole))
    apply("ann", deployment({ name = "m", image = "i:1" }, whole))
    assert.equal([[
error: Apply failed with 4 conflicts: conflicts with "ann":
- .spec.template.spec.tolerations
- .spec.template.spec.containers[name="m"].image
conflicts with "zoe":
- .spec.template.spec.tolerations
- .spec.template.spec.containers[name="m"].image]],
      refusal("bob", deployment({ name = "m", image = "i:2" }, { tolerations = { { key = "l", operator = "Exists" } } })))
  end)

  it("takes an empty map from its owner when somebody fills it", function()
    local function config(data) return { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "x" }, data = data } end
    local empty = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": {"a": "1"}}, "data": {}}'
    cluster:kubectl("apply --server-side --field-manager=one -f -", empty)
    assert.is_table(owned("one")["f:data"])
    apply("two", config { a = "1" }, "--force-conflicts")
    assert.is_nil(owned("one")["f:data"])
    assert.same({ ["f:data"] = { ["f:a"] = {} } }, owned "two")
  end)
end)

describe("What a manager applies no longer", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 0, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  local function apply(manager, object)
    cluster:kubectl(("apply --server-side --field-manager=%s -f -"):format(manager), kubesim.json.encode(object))
  end

  local function spec() return cluster:get("deploy/x").spec.template.spec end

  it("goes with the defaults that came with it", function()
    apply("one", deployment { name = "m", image = "i:1", livenessProbe = { httpGet = { path = "/", port = 80 } } })
    assert.equal(10, spec().containers[1].livenessProbe.periodSeconds)
    apply("one", deployment { name = "m", image = "i:1" })
    assert.is_nil(spec().containers[1].livenessProbe)
  end)

  it("makes room for what stands in its place", function()
    local config, projected = { configMap = { name = "q" } }, { projected = { sources = { { configMap = { name = "a" } } } } }
    config.name, projected.name = "v", "v"
    apply("one", deployment({ name = "m", image = "i:1" }, { volumes = { config } }))
    apply("one", deployment({ name = "m", image = "i:1" }, { volumes = { projected } }))
    assert.is_nil(spec().volumes[1].configMap)
    assert.equal("a", spec().volumes[1].projected.sources[1].configMap.name)
  end)

  it("stays where somebody else owns something in it", function()
    local probe = { httpGet = { path = "/", port = 80 } }
    apply("one", deployment { name = "m", image = "i:1", livenessProbe = probe })
    apply("two", deployment { name = "m", image = "i:1", livenessProbe = { httpGet = { port = 80 } } })
    apply("one", deployment { name = "m", image = "i:1" })
    assert.equal(80, spec().containers[1].livenessProbe.httpGet.port)
    assert.equal(10, spec().containers[1].livenessProbe.periodSeconds)
  end)

  it("is an item of a list: others may own something in it", function()
    apply("one", deployment({ name = "m", image = "i:1" }))
    local object = deployment({ name = "m", image = "i:1" })
    table.insert(object.spec.template.spec.containers, { name = "s", image = "i:1" })
    apply("two", object)
    cluster:kubectl "set image deploy/x s=i:2"
    apply("two", deployment({ name = "m", image = "i:1" }))
    assert.equal(1, #spec().containers)
  end)

  it("leaves alone what a controller has annotated", function()
    local object = deployment { name = "m", image = "i:1" }
    object.metadata.annotations = { a = "b" }
    apply("one", object)
    cluster:advance(1)
    apply("one", deployment { name = "m", image = "i:1" })
    local annotations = cluster:get("deploy/x").metadata.annotations
    assert.is_nil(annotations.a)
    assert.equal("1", annotations["deployment.kubernetes.io/revision"])
  end)
end)

describe("A disruption budget, which is written by its version,", function()
  it("is applied by a second manager, and replaced, without one", function()
    local cluster <close> = kubesim.new { nodes = 0 }
    local function budget(n)
      return kubesim.json.encode { apiVersion = "policy/v1", kind = "PodDisruptionBudget", metadata = { name = "x" },
        spec = { selector = { matchLabels = { a = "b" } }, maxUnavailable = n } }
    end
    cluster:kubectl("apply --server-side --field-manager=one -f -", budget(1))
    cluster:kubectl("apply --server-side --field-manager=two -f -", budget(1))
    cluster:kubectl("apply --server-side --field-manager=two --force-conflicts -f -", budget(2))
    assert.equal(2, cluster:get("pdb/x").spec.maxUnavailable)
    cluster:kubectl("replace -f -", budget(3))
    assert.equal(3, cluster:get("pdb/x").spec.maxUnavailable)
  end)
end)
