-- What is refused of ReplicaSets, Deployments and StatefulSets, and what is let pass although it looks wrong.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

describe("of workloads", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 0 } end)
  after_each(function() cluster:close() end)

  ---What is wrong, by the fields: "spec.replicas: Invalid value: -1: must be ..."; "" when all is well.
  local function verdict(fn, ...)
    local fine, why = pcall(fn, cluster, ...)
    if fine then return "" end
    local lines = {}
    for i, cause in ipairs(why.details.causes) do lines[i] = cause.field .. ": " .. cause.message end
    return table.concat(lines, "\n")
  end

  local function deployment(spec) return verdict(cluster.create, workload.set("Deployment", spec)) end

  it("a roll-out needs room on one side, and what is no number is none", function()
    local text = deployment { strategy = { rollingUpdate = { maxUnavailable = "5x", maxSurge = 0 } } }
    assert.matches("may not be 0 when `maxSurge` is 0", text, 1, true)
    assert.matches('Invalid value: "5x": a valid percent string must be a numeric string followed by an ending \'%\'', text, 1, true)
    assert.equal("", deployment { strategy = { rollingUpdate = { maxUnavailable = 150, maxSurge = 0 } } })
    cluster:delete "deploy/web"
    assert.equal('spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
      deployment { strategy = { rollingUpdate = { maxUnavailable = "101%" } } })
  end)

  it("a deadline is later than what it takes to be available", function()
    assert.equal("spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds",
      deployment { progressDeadlineSeconds = 5, minReadySeconds = 5 })
    assert.equal("", deployment { progressDeadlineSeconds = 6, minReadySeconds = 5 })
  end)

  it("a strategy has the parts of its type", function()
    assert.equal("spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
      deployment { strategy = { type = "Recreate", rollingUpdate = { maxSurge = 1 } } })
  end)

  it("a count of collisions does not go back, and is not forgotten", function()
    deployment {}
    local function set(count) return verdict(cluster.patch, "deploy/web", { status = { collisionCount = count } },
      { subresource = "status", type = "merge" }) end
    assert.equal("", set(3))
    assert.equal("status.collisionCount: Invalid value: 2: cannot be decremented", set(2))
    assert.equal("status.collisionCount: Invalid value: 0: cannot be decremented", set(kubesim.null))
    assert.equal("", set(3))
  end)

  it("a claim's template takes the place of a volume of that name", function()
    local set = workload.set("StatefulSet", { replicas = 1, volumeClaimTemplates = { workload.claim("data", "fast") } },
      { volumes = { { name = "data", emptyDir = {} } } })
    assert.equal("", verdict(cluster.create, set))
    set.kind, set.spec.volumeClaimTemplates = "ReplicaSet", nil
    set.spec.template.spec.volumes[2] = set.spec.template.spec.volumes[1]
    assert.equal('spec.template.spec.volumes[1].name: Duplicate value: "data"', verdict(cluster.create, set))
  end)

  it("a template that is wrong already stands in the way of a ReplicaSet's change, not of a StatefulSet's", function()
    for kind, wrong in pairs { ReplicaSet = true, StatefulSet = false } do
      local set = workload.set(kind, { replicas = 0, serviceName = kind == "StatefulSet" and "No_Name" or nil })
      set.spec.template.spec.containers[1].name = "No Name"
      cluster:import(set)
      local text = verdict(cluster.patch, kind .. "/web", { spec = { replicas = 1 } })
      assert.equal(wrong, text:find("spec.template.spec.containers[0].name: Invalid value", 1, true) ~= nil)
      assert.equal(wrong, text ~= "")
    end
  end)

  it("a StatefulSet gives its pods their host names, whatever the template says", function()
    for kind, wrong in pairs { ReplicaSet = true, StatefulSet = false } do
      local text = verdict(cluster.create, workload.set(kind, { replicas = 0 }, { hostname = "No_Name" }))
      assert.equal(wrong, text:find("spec.template.spec.hostname: Invalid value", 1, true) ~= nil)
      assert.equal(wrong, text ~= "")
    end
  end)

  it("a StatefulSet's name is a label, a ReplicaSet's may have dots", function()
    local function named(kind)
      local set = workload.set(kind, { replicas = 0 })
      set.metadata.name = "a.b"
      return verdict(cluster.create, set)
    end
    assert.equal("", named "ReplicaSet")
    assert.matches("metadata.name: Invalid value", named "StatefulSet", 1, true)
  end)

  it("a revision's data stay as they are", function()
    cluster:create { apiVersion = "apps/v1", kind = "ControllerRevision", metadata = { name = "r" }, revision = 1, data = { a = 1 } }
    assert.equal("", verdict(cluster.patch, "controllerrevision/r", { revision = 2 }))
    assert.matches("data: Invalid value: .*: field is immutable",
      verdict(cluster.patch, "controllerrevision/r", { data = { a = 2 } }, { type = "merge" }))
  end)
end)
