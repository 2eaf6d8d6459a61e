-- The ControllerRevisions of a StatefulSet: names that are taken, numbers that two of them have, and which of them stay.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

-- upstream's vector: this template's hash with 0, 1 and 2 collisions
local TEMPLATE <const> = { containers = { { name = "c", image = "img:v1" } } }
local NAMES <const> = { "web-6dfc9c8986", "web-6dfc9c8987", "web-6dfc9c8984" }

local function image(name) return { spec = { template = { spec = { containers = { { name = "main", image = name } } } } } } end

describe("a StatefulSet's revisions", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  local function take(name, data)
    cluster:create { apiVersion = "apps/v1", kind = "ControllerRevision", metadata = { name = name }, revision = 1, data = data }
  end

  ---name -> number
  local function numbers()
    local map = {}
    for _, revision in ipairs(cluster:list "controllerrevision") do map[revision.metadata.name] = revision.revision end
    return map
  end

  it("get other names where theirs are taken, which their status counts and their label does not tell", function()
    take(NAMES[1], { other = 1 })
    take(NAMES[2], { other = 2 })
    cluster:create(workload.set("StatefulSet", { replicas = 1 }, TEMPLATE))
    cluster:settle()
    local status = cluster:get("sts/web").status
    assert.equal(NAMES[3], status.updateRevision)
    assert.equal(2, status.collisionCount)
    assert.equal("6dfc9c8986", cluster:get("controllerrevision/" .. NAMES[3]).metadata.labels["controller.kubernetes.io/hash"])
    assert.equal(NAMES[3], cluster:get("pod/web-0").metadata.labels["controller-revision-hash"])
  end)

  it("are the one that is there where it holds the same", function()
    local data
    do
      local other <close> = kubesim.new { nodes = 1, kubelet = "manual" }
      other:create(workload.set("StatefulSet", { replicas = 1 }, TEMPLATE))
      other:settle()
      data = other:get("controllerrevision/" .. NAMES[1]).data
    end
    take(NAMES[1], data)
    cluster:create(workload.set("StatefulSet", { replicas = 1 }, TEMPLATE))
    cluster:settle()
    assert.same({ [NAMES[1]] = 1 }, numbers())
    assert.equal(NAMES[1], cluster:get("sts/web").status.updateRevision)
    assert.is_nil(cluster:get("controllerrevision/" .. NAMES[1]).metadata.ownerReferences)
  end)

  it("come by age where two have one number: the later is the latest, which keeps it", function()
    cluster:create(workload.set("StatefulSet", { replicas = 1 }))
    cluster:advance "5s"
    local first = cluster:get("sts/web").status.updateRevision
    cluster:patch("sts/web", image "app:2")
    cluster:advance "5s"
    local second = cluster:get("sts/web").status.updateRevision
    cluster:patch("controllerrevision/" .. first, { revision = 2 })
    cluster:patch("sts/web", { metadata = { labels = { look = "again" } } })
    cluster:settle()
    assert.same({ [first] = 2, [second] = 2 }, numbers())
    cluster:patch("sts/web", image "app:1")
    cluster:settle()
    assert.same({ [first] = 3, [second] = 2 }, numbers())
  end)

  it("stay beyond the limit while pods bear them, those that are on their way out too", function()
    cluster:create(workload.set("StatefulSet", { replicas = 2, revisionHistoryLimit = 0, podManagementPolicy = "Parallel",
      updateStrategy = { type = "OnDelete" } }))
    cluster:settle()
    local first = cluster:get("sts/web").status.updateRevision
    for i = 2, 4 do
      cluster:patch("sts/web", image("app:" .. i))
      cluster:settle()
    end
    -- of those between the first, which is current, and the last nobody has a pod
    local last = cluster:get("sts/web").status.updateRevision
    assert.same({ [first] = 1, [last] = 4 }, numbers())
    cluster:drive("web-1", "ready")
    cluster:delete "pod/web-1"
    cluster:settle()
    cluster:drive("web-1", "gone")
    cluster:settle()
    assert.equal(last, cluster:get("pod/web-1").metadata.labels["controller-revision-hash"])
    cluster:drive("web-1", "ready")
    cluster:patch("sts/web", image "app:5")
    cluster:settle()
    local newest = cluster:get("sts/web").status.updateRevision
    assert.same({ [first] = 1, [last] = 4, [newest] = 5 }, numbers())
    cluster:delete "pod/web-1"
    cluster:settle()
    assert.same({ [first] = 1, [last] = 4, [newest] = 5 }, numbers())
    cluster:drive("web-1", "gone")
    cluster:settle()
    assert.same({ [first] = 1, [newest] = 5 }, numbers())
  end)
end)
