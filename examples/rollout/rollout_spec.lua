-- Does our roll-out lose data? Run by `make test`, or alone: make busted SPECS=examples/rollout
local kubesim = require "kubesim"
require "kubesim.assertions"

describe("rolling out the next version of the database", function()
  local cluster

  before_each(function()
    cluster = kubesim.new { nodes = 3 }
    cluster:apply(io.open("examples/rollout/db.yaml"):read "a")
    assert.ready(cluster, "sts/db")
    for i = 0, 2 do cluster:exec("db-" .. i, ("echo row-%d > /data/table"):format(i)) end
  end)
  after_each(function() cluster:close() end)

  it("keeps every row, and two members serving at every instant", function()
    assert.always(cluster, function(c)
      local ready = c:get "sts/db".status.readyReplicas or 0
      return ready >= 2, ready .. " members ready"
    end)
    cluster:kubectl "set image sts/db db=example.com/db:1.1"
    cluster:kubectl "rollout status sts/db"
    for i = 0, 2 do assert.equal(("row-%d\n"):format(i), (cluster:exec("db-" .. i, "cat /data/table"))) end
  end)

  it("replaces members from the highest down, each when the one before is ready", function()
    cluster:kubectl "set image sts/db db=example.com/db:1.1"
    assert.in_order(cluster, { "pod/db-2 Deleted", "pod/db-2 Ready", "pod/db-1 Deleted", "pod/db-1 Ready", "pod/db-0 Deleted" })
  end)

  it("stops at the first member that cannot start, and loses nothing", function()
    cluster:image("example.com/db:1.l", { exists = false }) -- a typing mistake
    cluster:kubectl "set image sts/db db=example.com/db:1.l"
    cluster:advance "10m"
    assert.not_ready(cluster, "pod/db-2")
    assert.event(cluster, { ref = "pod/db-2", reason = "BackOff" })
    for i = 0, 1 do assert.equal("row-" .. i .. "\n", (cluster:exec("db-" .. i, "cat /data/table"))) end

    -- the way back: undoing alone does not help, the broken member has to be deleted by hand
    cluster:kubectl "rollout undo sts/db"
    cluster:advance "10m"
    assert.not_ready(cluster, "sts/db")
    cluster:kubectl "delete pod db-2"
    assert.ready(cluster, "sts/db")
    assert.equal("row-2\n", (cluster:exec("db-2", "cat /data/table")))
  end)

  it("goes through all members with a version that crashes a second after its start, unless minReadySeconds stops it", function()
    cluster:image("example.com/db:crashing", { exit = { code = 1, after = "1s" } })
    local careful = cluster:fork()
    cluster:kubectl "set image sts/db db=example.com/db:crashing"
    cluster:advance "5m"
    assert.is_true(cluster:get "sts/db".status.updatedReplicas > 1)

    careful:patch("sts/db", { spec = { minReadySeconds = 30 } })
    careful:kubectl "set image sts/db db=example.com/db:crashing"
    careful:advance "5m"
    assert.equal(1, careful:get "sts/db".status.updatedReplicas)
    assert.equal("row-0\n", (careful:exec("db-0", "cat /data/table")))
    careful:close()
  end)
end)
