-- Rolling updates of StatefulSets: what is counted at which moment, and how many pods may be away.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

describe("a StatefulSet that is rolled out", function()
  local cluster
  after_each(function() cluster:close() end)

  local function live()
    local names = {}
    for _, pod in ipairs(cluster:list "pod") do
      if not pod.metadata.deletionTimestamp then names[#names + 1] = pod.metadata.name end
    end
    return table.concat(names, " ")
  end

  local function start(replicas, spec, opts)
    opts = opts or {}
    opts.nodes, opts.kubelet = 1, "manual"
    cluster = kubesim.new(opts)
    spec.replicas = replicas
    cluster:create(workload.set("StatefulSet", spec))
    for i = 0, replicas - 1 do
      cluster:settle()
      cluster:drive("web-" .. i, "ready")
    end
    cluster:settle()
  end

  local function change() cluster:patch("sts/web", { spec = { template = { metadata = { annotations = { version = "2" } } } } }) end

  it("counts a pod of the old revision no more in the moment in which it deletes it", function()
    start(3, {})
    change()
    repeat cluster:step() until live() == "web-0 web-1"
    assert.same({ 3, 2 }, { cluster:get "sts/web".status.replicas, cluster:get "sts/web".status.currentReplicas })
  end)

  it("never says less than none of a pod of no revision that it deletes", function()
    start(1, {})
    local least = 0
    cluster:watch("sts", function(_, set) least = math.min(least, set.status.currentReplicas or 0) end)
    cluster:patch("pod/web-0", { metadata = { labels = { ["controller-revision-hash"] = kubesim.null } } })
    cluster:settle()
    assert.is_string(cluster:get "pod/web-0".metadata.deletionTimestamp)
    assert.equal(0, least)
    cluster:drive("web-0", "gone")
    cluster:settle()
    cluster:drive("web-0", "ready")
    cluster:settle()
    assert.same({ 1, 1 }, { cluster:get "sts/web".status.readyReplicas, cluster:get "sts/web".status.updatedReplicas })
  end)

  local GATE <const> = { feature_gates = { MaxUnavailableStatefulSet = true } }

  it("takes one pod at least, however few a percentage comes to", function()
    start(3, { updateStrategy = { rollingUpdate = { maxUnavailable = "10%" } } }, GATE)
    change()
    cluster:settle()
    assert.equal("web-0 web-1", live())
  end)

  it("counts a pod that is not there among those that are away", function()
    start(4, { podManagementPolicy = "Parallel", updateStrategy = { rollingUpdate = { maxUnavailable = 2 } } }, GATE)
    cluster:lag("statefulset", "5s") -- it makes web-0 anew, and goes on before it has heard of that
    change()
    cluster:delete("pod/web-0", { grace_period = 0 })
    cluster:advance "6s"
    assert.equal("web-0 web-1 web-2", live())
  end)
end)
