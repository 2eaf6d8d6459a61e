-- How quantities are kept: as they were written where Go keeps the text, and equal by value however they are written.
local kubesim = require "kubesim"

local function group(kind, cpu, memory)
  return { apiVersion = "apps/v1", kind = kind, metadata = { name = "web" }, spec = { replicas = 1,
    selector = { matchLabels = { app = "web" } }, template = { metadata = { labels = { app = "web" } },
      spec = { containers = { { name = "main", image = "app:1", resources = { requests = { cpu = cpu, memory = memory } } } } } } } }
end

local function requests(cluster, ref) return cluster:get(ref).spec.template.spec.containers[1].resources.requests end

describe("a quantity", function()
  -- as a v1.36.2 API server answered
  for written, kept in pairs { ["1e0"] = "1e0", ["1E3"] = "1E3", ["+2"] = "+2", ["001"] = "001", ["5."] = "5.", ["1.250"] = "1.250",
    ["0.5"] = "500m", ["1.5"] = "1500m", ["1000m"] = "1", ["0.0"] = "0", ["12e-1"] = "1200e-3", ["1200e-3"] = "1200e-3",
    ["1e+3"] = "1e+3", ["1.2500"] = "1250m", ["0.0001"] = "1m", ["1500u"] = "2m", ["-0"] = "0", ["00"] = "0", ["1.000"] = "1",
    ["100000000000000000"] = "100P", ["1234567890123456789"] = "1234567890123456789", ["90e2"] = "9e3", ["1e1"] = "10" } do
    it(("of processors written as %s stands as the API server keeps it"):format(written), function()
      local cluster <close> = kubesim.new { kubelet = "manual" }
      cluster:create(group("Deployment", written))
      assert.equal(kept, requests(cluster, "deploy/web").cpu)
    end)
  end

  for written, kept in pairs { ["+5Mi"] = "+5Mi", ["1024Mi"] = "1Gi", ["1025Mi"] = "1025Mi", ["1.5Gi"] = "1536Mi", ["1E9"] = "1E9",
    ["1000M"] = "1G", ["123456789"] = "123456789", ["8Ki"] = "8Ki", ["100000Gi"] = "100000Gi", ["1Ei"] = "1Ei", ["00Mi"] = "0",
    ["12345678Mi"] = "12345678Mi", ["-0Mi"] = "0", ["101Ti"] = "101Ti" } do
    it(("of memory written as %s stands as the API server keeps it"):format(written), function()
      local cluster <close> = kubesim.new { kubelet = "manual" }
      cluster:create(group("Deployment", nil, written))
      assert.equal(kept, requests(cluster, "deploy/web").memory)
    end)
  end

  it("that is written otherwise is no change of a Deployment", function()
    local cluster <close> = kubesim.new { kubelet = "manual" }
    cluster:create(group("Deployment", "1", "1Gi"))
    cluster:advance "1s"
    local before = cluster:list("rs")[1].metadata.name
    cluster:patch("deploy/web", { spec = group("Deployment", "1e0", "1073741824").spec }, { type = "merge" })
    cluster:advance "1s"
    local after = cluster:get "deploy/web"
    assert.same({ cpu = "1e0", memory = "1073741824" }, requests(cluster, "deploy/web"))
    assert.equal(1, after.metadata.generation)
    assert.equal(1, cluster:count "rs")
    assert.equal(before, cluster:list("rs")[1].metadata.name)
  end)

  it("that is written otherwise is no new generation of a StatefulSet, but another revision", function()
    local cluster <close> = kubesim.new { kubelet = "manual" }
    cluster:create(group("StatefulSet", "1", "1Gi"))
    cluster:advance "1s"
    cluster:replace(group("StatefulSet", "1", "1073741824"))
    cluster:advance "1s"
    assert.equal(1, cluster:get("sts/web").metadata.generation)
    assert.equal(2, cluster:count "controllerrevision")
  end)

  it("that is written otherwise may be written to what may not change", function()
    local cluster <close> = kubesim.new { kubelet = "manual" }
    local function pod(memory)
      return { apiVersion = "v1", kind = "Pod", metadata = { name = "a" },
        spec = { containers = { { name = "main", image = "app:1", resources = { requests = { memory = memory } } } } } }
    end
    local function claims(size)
      local set = group("StatefulSet", "1")
      set.spec.volumeClaimTemplates = { { metadata = { name = "data" },
        spec = { accessModes = { "ReadWriteOnce" }, resources = { requests = { storage = size } } } } }
      return set
    end
    cluster:create(pod "1Gi")
    cluster:apply(pod "1073741824")
    assert.has_error(function() cluster:apply(pod "1073741825") end)
    cluster:create(claims "1Gi")
    cluster:apply(claims "1073741824")
    assert.has_error(function() cluster:apply(claims "1073741825") end)
  end)

  it("as large as there are any is not more with another one, and less is less", function()
    local most = assert(kubesim.quantity "9e28")
    assert.is_true(most + most == most and most - most - most - most == kubesim.quantity "-9e28")
    local cluster <close> = kubesim.new { kubelet = "manual" }
    cluster:apply {
      { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "all" }, spec = { hard = { ["requests.memory"] = "9e28" } } },
      { apiVersion = "v1", kind = "LimitRange", metadata = { name = "each" },
        spec = { limits = { { type = "Pod", max = { memory = "9e28" } } } } },
    }
    local containers = {}
    for i = 1, 3 do
      local amounts = { memory = "9e28" }
      containers[i] = { name = "c" .. i, image = "app:1", resources = { requests = amounts, limits = amounts } }
    end
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "a" }, spec = { containers = containers } }
    cluster:advance(1)
    assert.is_true(kubesim.quantity "8e28" < kubesim.quantity(cluster:get("quota/all").status.used["requests.memory"]))
    cluster:delete("pod/a", { grace_period = 0 })
    cluster:advance(1)
    assert.equal("0", cluster:get("quota/all").status.used["requests.memory"])
  end)
end)
