-- What a Deployment says of its progress and its failures in status.conditions, and what it says no more.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

describe("a Deployment", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  local function make(spec)
    cluster:create(workload.set("Deployment", spec))
    cluster:advance "1s"
  end

  local function set_template(version)
    cluster:patch("deploy/web", { spec = { template = { metadata = { annotations = { version = version } } } } })
    cluster:advance "1s"
  end

  local function condition(of, object)
    for _, c in ipairs((object or cluster:get "deploy/web").status.conditions or {}) do
      if c.type == of then return c end
    end
  end

  local function reason() return condition "Progressing".reason end

  local function quota(pods)
    cluster:apply { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "q" }, spec = { hard = { pods = pods } } }
    cluster:advance "1s"
  end

  local function drive(state, how_many)
    for i, pod in ipairs(cluster:list "pod") do
      if i <= (how_many or 1000) then cluster:drive(pod.metadata.name, state) end
    end
    cluster:advance "1s"
  end

  it("that was late goes on at the moment when one of its pods gets ready", function()
    make { replicas = 2, progressDeadlineSeconds = 10 }
    cluster:advance "1m"
    assert.same({ "False", "ProgressDeadlineExceeded" }, { condition "Progressing".status, reason() })
    drive("ready", 1)
    local c, now = condition "Progressing", cluster:clock()
    assert.same({ "True", "ReplicaSetUpdated" }, { c.status, c.reason })
    assert.equal(c.lastUpdateTime, c.lastTransitionTime)
    assert.is_true(now >= c.lastTransitionTime and c.lastTransitionTime > "2026-01-01T00:01:00Z")
  end)

  it("that goes back to an old template has not been late since then", function()
    make { replicas = 1 }
    drive "ready"
    set_template "2"
    drive "ready"
    cluster:advance "2h"
    cluster:watch("deploy", function(_, d) assert.not_equal("ProgressDeadlineExceeded", condition("Progressing", d).reason) end)
    cluster:kubectl "rollout undo deploy/web"
    cluster:advance "1m"
  end)

  it("goes on where no more than old pods go", function()
    quota(2)
    make { replicas = 2, strategy = { rollingUpdate = { maxSurge = 0, maxUnavailable = 1 } } }
    drive "ready"
    set_template "2" -- the pod that goes takes its time, and there is no room for a new one meanwhile
    assert.is_nil(cluster:get "deploy/web".status.updatedReplicas)
    assert.equal("ReplicaSetUpdated", reason())
  end)

  it("goes on when a pod has been ready for long enough", function()
    make { replicas = 2, minReadySeconds = 30 }
    drive("ready", 1)
    cluster:advance "40s"
    assert.equal("2026-01-01T00:00:31Z", condition "Progressing".lastUpdateTime)
  end)

  it("that was late says so while it is paused, too", function()
    make { replicas = 1, progressDeadlineSeconds = 10 }
    cluster:advance "1m"
    cluster:kubectl "rollout pause deploy/web"
    cluster:advance "1s"
    assert.equal("ProgressDeadlineExceeded", reason())
  end)

  it("says that it has found its ReplicaSet when it was made anew", function()
    make { replicas = 1 }
    cluster:delete("deploy/web", { cascade = "orphan" })
    cluster:advance "1s"
    local seen = {}
    cluster:watch("deploy", function(_, d)
      local c = condition("Progressing", d)
      if c then seen[#seen + 1] = c.reason .. ": " .. c.message end
    end)
    make { replicas = 1 }
    assert.equal(('FoundNewReplicaSet: Found new replica set "%s"'):format(cluster:list("rs")[1].metadata.name), seen[1])
  end)

  it("tells of pods that cannot be made for as long as one of its ReplicaSets does", function()
    quota(1)
    make { replicas = 2 }
    assert.equal("FailedCreate", condition "ReplicaFailure".reason)
    local first
    cluster:watch("deploy", function(_, d)
      if d.status.observedGeneration == 2 then first = first or { condition("ReplicaFailure", d) } end
    end)
    set_template "2" -- its new ReplicaSet has not failed yet
    assert.equal("FailedCreate", first[1].reason)
    quota(10)
    cluster:advance "1h"
    assert.is_nil(condition "ReplicaFailure")
  end)

  it("keeps its own annotations to itself", function()
    local deployment = workload.set("Deployment", { replicas = 1 })
    deployment.metadata.annotations = { ["deployment.kubernetes.io/revision-history"] = "1", team = "a" }
    cluster:create(deployment)
    cluster:advance "1s"
    local annotations = cluster:list("rs")[1].metadata.annotations
    assert.equal("a", annotations.team)
    assert.is_nil(annotations["deployment.kubernetes.io/revision-history"])
  end)

  it("takes no ReplicaSet that is on its way out, and none into its history's count", function()
    local function set(name, extra)
      local rs = workload.set("ReplicaSet", { replicas = 0 })
      rs.metadata.name, rs.metadata.labels = name, { app = "web" }
      rs.spec.selector.matchLabels.set, rs.spec.template.metadata.labels.set = name, name
      for key, value in pairs(extra or {}) do rs.metadata[key] = value end
      cluster:create(rs)
      cluster:advance "1s"
    end
    set("leaving", { finalizers = { "example.com/x" } })
    cluster:delete "rs/leaving"
    make { replicas = 0, revisionHistoryLimit = 2 }
    assert.is_nil(cluster:get "rs/leaving".metadata.ownerReferences)
    set "old"
    set("young", { finalizers = { "example.com/x" } })
    assert.equal("Deployment", cluster:get "rs/old".metadata.ownerReferences[1].kind)
    cluster:delete "rs/young"
    cluster:patch("deploy/web", { spec = { revisionHistoryLimit = 1 } })
    cluster:advance "1m"
    assert.is_table(cluster:get "rs/old")
  end)
end)

describe("a Deployment that is scaled in the midst of a roll-out", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  ---A paused Deployment and its ReplicaSets, oldest first, of these sizes: what they have after it was scaled.
  ---@param opts table? how many pods there may be since a moment before
  local function scaled(sizes, to, opts)
    local sum = 0
    for _, size in ipairs(sizes) do sum = sum + size end
    for i, size in ipairs(sizes) do
      local rs = workload.set("ReplicaSet", { replicas = size })
      rs.metadata = { name = "set-" .. i, labels = { app = "web" }, annotations = {
        ["deployment.kubernetes.io/desired-replicas"] = tostring(sum),
        ["deployment.kubernetes.io/max-replicas"] = tostring(sum) } }
      rs.spec.selector.matchLabels.set, rs.spec.template.metadata.labels.set = "set-" .. i, "set-" .. i
      cluster:create(rs)
      cluster:advance "1s"
    end
    local deployment = workload.set("Deployment", { replicas = sum, paused = true,
      strategy = { rollingUpdate = { maxSurge = 0, maxUnavailable = 1 } } })
    cluster:create(deployment)
    cluster:advance "1s"
    if opts then
      cluster:create { apiVersion = "v1", kind = "ResourceQuota", metadata = { name = "q" }, spec = { hard = { pods = opts.pods } } }
      cluster:delete("pod/" .. cluster:list("pod")[1].metadata.name, { grace_period = 0 })
      cluster:advance "1s"
    end
    cluster:scale("deploy/web", to)
    cluster:advance "1s"
    local out = {}
    for i = 1, #sizes do out[i] = cluster:get("rs/set-" .. i).spec.replicas end
    return out
  end

  it("gives what is left over by rounding to the largest of its ReplicaSets", function()
    assert.same({ 4, 6, 4 }, scaled({ 4, 5, 4 }, 14))
  end)

  it("begins with the newest of those of a size when it grows", function()
    assert.same({ 4, 5 }, scaled({ 4, 4 }, 9))
  end)

  it("reckons with what its ReplicaSets were meant to have, not with the pods that there are", function()
    assert.same({ 12, 8 }, scaled({ 8, 5 }, 20, { pods = 3 }))
  end)

  it("does not take its new ReplicaSet for complete because it has what is wanted now by chance", function()
    cluster:create(workload.set("Deployment", { replicas = 10, strategy = { rollingUpdate = { maxSurge = 0, maxUnavailable = 5 } } }))
    cluster:advance "1s"
    local function ready() for _, pod in ipairs(cluster:list "pod") do cluster:drive(pod.metadata.name, "ready") end end
    ready()
    cluster:advance "1s"
    cluster:patch("deploy/web", { spec = { template = { metadata = { annotations = { version = "2" } } } } })
    cluster:advance "1s"
    cluster:patch("deploy/web", { spec = { paused = true } })
    cluster:advance "1s"
    ready()
    cluster:advance "1s"
    cluster:scale("deploy/web", 5)
    cluster:advance "1s"
    local sizes = {}
    for _, rs in ipairs(cluster:list "rs") do
      sizes[tonumber(rs.metadata.annotations["deployment.kubernetes.io/revision"])] = rs.spec.replicas
    end
    assert.same({ 2, 3 }, sizes)
  end)

  it("begins with the oldest of those of a size when it shrinks", function()
    assert.same({ 3, 4 }, scaled({ 4, 4 }, 7))
  end)
end)
