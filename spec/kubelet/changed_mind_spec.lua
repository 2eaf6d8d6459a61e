-- What a kubelet makes of a pod that is changed, deleted once more, or overdue while it is at work on it.
local kubesim = require "kubesim"

local function pod(change)
  local spec = { containers = { { name = "main", image = "app:1" } } }
  if change then change(spec, spec.containers[1]) end
  return { apiVersion = "v1", kind = "Pod", metadata = { name = "web" }, spec = spec }
end

local function reasons(cluster)
  local all = {}
  for _, event in ipairs(cluster:list "events") do
    all[#all + 1] = ("%s %s%s"):format(event.reason, event.message, (event.count or 1) > 1 and " x" .. event.count or "")
  end
  return all
end

---How long after now the pod has gone, to the second.
local function gone_after(cluster)
  local from = cluster:now()
  assert(cluster:wait_for("pod/web", "deleted", { timeout = "1h" }))
  return math.floor(cluster:now() - from)
end

describe("an image that is changed while the old one is pulled", function()
  local PULLED = "Pulled Successfully pulled image \"%s\" in %ds (%ds including waiting). Image size: 1000 bytes."

  it("is pulled when the container of the old one has been started, and replaces it", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:image("app:1", { pull = 20, stop = 1 })
    cluster:image("app:2", { pull = 7 })
    cluster:create(pod())
    cluster:advance(2)
    cluster:kubectl "set image pod/web main=app:2"
    cluster:advance(40)
    assert.same({
      "Scheduled Successfully assigned default/web to k8s-node1",
      "Pulling Pulling image \"app:1\"", PULLED:format("app:1", 20, 20), "Created Container created x2", "Started Container started x2",
      "Killing Container main definition changed, will be restarted",
      "Pulling Pulling image \"app:2\"", PULLED:format("app:2", 7, 7),
    }, reasons(cluster))
    local status = cluster:get("pod/web").status.containerStatuses[1]
    assert.same({ "app:2", 1 }, { status.image, status.restartCount })
  end)

  it("is pulled at once when the old one turns out not to be there", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:image("aap:1", { exists = false })
    cluster:image("app:1", { pull = 7 })
    cluster:create(pod(function(_, c) c.image = "aap:1" end))
    cluster:advance(0.5)
    cluster:kubectl "set image pod/web main=app:1"
    assert(cluster:wait_for("pod/web", "ready"))
    local all = reasons(cluster)
    assert.equal("Pulling Pulling image \"aap:1\"", all[2])
    assert.equal("Failed Error: ErrImagePull", all[4])
    assert.equal("Pulling Pulling image \"app:1\"", all[5])
    assert.equal(PULLED:format("app:1", 7, 7), all[6])
  end)
end)

describe("a deadline that passes while an image is pulled", function()
  it("ends the pod when the pull is done", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:image("app:1", { pull = 20, stop = 1 })
    cluster:create(pod(function(s) s.activeDeadlineSeconds = 5 end))
    cluster:advance(15)
    assert.equal("Pending", cluster:get("pod/web").status.phase)
    cluster:advance(15)
    local status = cluster:get("pod/web").status
    assert.same({ "Failed", "DeadlineExceeded" }, { status.phase, status.reason })
  end)
end)

describe("a pod that has ended, and is driven by hand to where it runs", function()
  it("ends once more when its kubelet looks at it anew", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create(pod(function(s) s.activeDeadlineSeconds = 5 end))
    cluster:advance(20)
    assert.equal("DeadlineExceeded", cluster:get("pod/web").status.reason)
    cluster:drive("web", "ready")
    assert.is_true(cluster:get("pod/web").status.containerStatuses[1].ready)
    cluster:fail_node "k8s-node1"
    cluster:recover_node "k8s-node1"
    cluster:advance(60)
    assert.is_table(cluster:get("pod/web").status.containerStatuses[1].state.terminated)
    assert.is_true(cluster:settle())
    cluster:delete "pod/web"
    assert.is_true(gone_after(cluster) <= 2)
  end)
end)

describe("a pod that is deleted again", function()
  ---With one grace, and some seconds later with another; `stop`: how its image takes SIGTERM.
  local function deleted_twice(stop, first, later, second, change)
    local cluster = kubesim.new { nodes = 1 }
    cluster:image("app:1", { stop = stop })
    cluster:image("aside:1", { stop = 1 })
    cluster:create(pod(change))
    cluster:advance(10)
    cluster:delete("pod/web", { grace_period = first })
    cluster:advance(later)
    cluster:delete("pod/web", { grace_period = second })
    return cluster
  end

  it("ends within the shorter grace, counted from then", function()
    local cluster <close> = deleted_twice(false, 100, 3, 5)
    cluster:advance(4.5)
    assert.equal("Running", cluster:get("pod/web").status.phase)
    assert.is_true(gone_after(cluster) <= 2)
    local all = reasons(cluster)
    assert.equal("Killing Stopping container main x2", all[#all])
  end)

  it("does not end later than it would have", function()
    local cluster <close> = deleted_twice(12, 100, 10, 50)
    assert.is_true(gone_after(cluster) <= 3)
  end)

  it("is not told of containers that have ended meanwhile", function()
    local cluster <close> = deleted_twice(false, 100, 10, 5, function(s) s.containers[2] = { name = "aside", image = "aside:1" } end)
    assert.is_true(gone_after(cluster) <= 7)
    local told = {}
    for _, text in ipairs(reasons(cluster)) do
      if text:find "^Killing" then told[#told + 1] = text end
    end
    table.sort(told)
    assert.same({ "Killing Stopping container aside", "Killing Stopping container main x2" }, told)
  end)

  it("ends as it was told first, with more grace", function()
    local cluster <close> = deleted_twice(false, 5, 1, 100)
    assert.is_true(gone_after(cluster) <= 6)
  end)

  it("ends sooner, too, where the kubelet ends it for its deadline", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:image("app:1", { stop = false })
    cluster:create(pod(function(s) s.activeDeadlineSeconds, s.terminationGracePeriodSeconds = 20, 300 end))
    cluster:advance(30)
    cluster:delete("pod/web", { grace_period = 5 })
    assert.is_true(gone_after(cluster) <= 7)
  end)
end)
