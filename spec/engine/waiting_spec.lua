-- What waits is worked on in one order, whoever looks on: forks that are taken while hundreds of keys are ready, snapshots of calls that
-- fail, restarts of a controller in between.
local kubesim = require "kubesim"

local SET <const> = [[{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web}, spec: {replicas: 150, selector: {matchLabels: {a: b}},
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: main, image: app}]}}}}]]

local function steps(cluster, n)
  for _ = 1, n do cluster:step() end
  return cluster:trace()
end

local function refused(cluster)
  assert.is_false(pcall(cluster.create, cluster, { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "Not a name" } }))
end

describe("keys that wait", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 3 }
    cluster:apply(SET)
  end)
  after_each(function() cluster:close() end)

  it("are worked on in the same order in forks, which go on in turn", function()
    local calm <close> = cluster:fork()
    local expected = {}
    for i = 1, 12 do expected[i] = steps(calm, 40) end
    local forks = { cluster }
    for i = 1, 12 do
      for _, fork in ipairs(forks) do
        refused(fork)
        assert.equal(expected[i], steps(fork, 40))
      end
      if i % 3 == 0 then forks[#forks + 1] = forks[#forks]:fork() end
    end
    for i = 2, #forks do forks[i]:close() end
    cluster:settle()
    calm:settle()
    assert.equal(calm:trace(), cluster:trace())
  end)

  it("are the fork's own: what it adds and takes the others do not see", function()
    steps(cluster, 60)
    local fork <close> = cluster:fork()
    local calm <close> = cluster:fork()
    fork:scale("rs/web", 20)
    fork:settle()
    assert.equal(steps(calm, 300), steps(cluster, 300))
    assert.equal(20, #fork:list "pods")
  end)

  it("are forgotten with their controller when it restarts, and the others' are not", function()
    steps(cluster, 60)
    local fork <close> = cluster:fork()
    for _, c in ipairs { cluster, fork } do
      c:restart "replicaset"
      steps(c, 30)
      c:restart "garbagecollector"
      c:settle()
    end
    assert.equal(fork:trace(), cluster:trace())
    assert.equal(150, cluster:get("rs/web").status.readyReplicas)
  end)
end)
