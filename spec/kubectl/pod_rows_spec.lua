-- What kubectl get says of a pod, by what its status holds.
local core = require "kubesim.core"
local printers = require "kubesim.kubectl.printers"

local NOW = core.time "2026-01-01T01:00:00Z"

local function pod(fields)
  return {
    metadata = { name = "p", creationTimestamp = "2026-01-01T00:59:55Z", deletionTimestamp = fields.deleted and "2026-01-01T01:00:10Z" },
    spec = { containers = fields.containers or { { name = "main", image = "app:1" } }, initContainers = fields.init,
      nodeName = fields.node, readinessGates = fields.gates },
    status = { phase = fields.phase or "Running", reason = fields.reason, conditions = fields.conditions,
      containerStatuses = fields.statuses, initContainerStatuses = fields.init_statuses, podIPs = fields.ips },
  }
end

local function cells(fields) return printers.table("Pod", { pod(fields) }, NOW).rows[1].cells end

local function waiting(reason) return { name = "main", ready = false, restartCount = 0, state = { waiting = { reason = reason } } } end
local function running(ready, restarts, last)
  return { name = "main", ready = ready, restartCount = restarts or 0, state = { running = {} },
    lastState = last and { terminated = { exitCode = 1, finishedAt = last } } or {} }
end
local function ended(code, reason, signal)
  return { name = "main", ready = false, restartCount = 0, state = { terminated = { exitCode = code, reason = reason, signal = signal } } }
end

local READY = { { type = "Ready", status = "True" } }

describe("STATUS of a pod", function()
  local function is(status, fields) assert.equal(status, cells(fields)[3]) end

  it("is its phase, unless it has a reason", function()
    is("Pending", { phase = "Pending" })
    is("Evicted", { phase = "Failed", reason = "Evicted" })
  end)

  it("is SchedulingGated while a gate holds it", function()
    is("SchedulingGated", { phase = "Pending", conditions = { { type = "PodScheduled", status = "False", reason = "SchedulingGated" } } })
  end)

  it("is what its container waits for", function()
    is("ContainerCreating", { phase = "Pending", statuses = { waiting "ContainerCreating" } })
    is("CrashLoopBackOff", { statuses = { waiting "CrashLoopBackOff" } })
    is("ErrImagePull", { phase = "Pending", statuses = { waiting "ErrImagePull" } })
  end)

  it("is what its container died of", function()
    is("Completed", { phase = "Succeeded", statuses = { ended(0, "Completed") } })
    is("Error", { phase = "Failed", statuses = { ended(1, "Error") } })
    is("OOMKilled", { statuses = { ended(137, "OOMKilled") } })
    is("ExitCode:3", { statuses = { ended(3) } })
    is("Signal:9", { statuses = { ended(137, nil, 9) } })
  end)

  it("stays Running while one of its containers does", function()
    is("Running", { containers = { {}, {} }, statuses = { ended(0, "Completed"), running(true) }, conditions = READY })
    is("NotReady", { containers = { {}, {} }, statuses = { ended(0, "Completed"), running(true) } })
    is("Error", { containers = { {}, {} }, statuses = { ended(0, "Completed"), ended(1, "Error") }, conditions = {} })
  end)

  it("counts init containers", function()
    local init = { { name = "a" }, { name = "b" } }
    is("Init:0/2", { phase = "Pending", init = init, init_statuses = { { name = "a", state = { running = {} } } } })
    is("Init:1/2", { phase = "Pending", init = init, init_statuses = { ended(0, "Completed"),
      { name = "b", state = { waiting = { reason = "PodInitializing" } } } } })
    is("Init:Error", { phase = "Pending", init = init, init_statuses = { ended(1, "Error") } })
    is("Init:ExitCode:2", { phase = "Pending", init = init, init_statuses = { ended(2) } })
    is("Init:CrashLoopBackOff", { phase = "Pending", init = init, init_statuses = { waiting "CrashLoopBackOff" } })
    is("PodInitializing", { phase = "Pending", init = init, init_statuses = { ended(0, "Completed"), ended(0, "Completed") },
      statuses = { waiting "PodInitializing" } })
  end)

  it("is Terminating once it is being deleted, unless it has ended", function()
    is("Terminating", { statuses = { running(true) }, deleted = true })
    is("Completed", { phase = "Succeeded", statuses = { ended(0, "Completed") }, deleted = true })
    is("Unknown", { statuses = { running(true) }, deleted = true, reason = "NodeLost" })
  end)
end)

describe("READY of a pod", function()
  local function is(ready, fields) assert.equal(ready, cells(fields)[2]) end

  it("counts ready containers that run", function()
    is("1/1", { statuses = { running(true) } })
    is("0/1", { statuses = { running(false) } })
    is("1/2", { containers = { {}, {} }, statuses = { running(true), running(false) } })
    is("0/1", { phase = "Pending" })
  end)

  it("counts sidecars, and no other init containers", function()
    local side = { name = "side", restartPolicy = "Always" }
    local up = { name = "side", ready = true, started = true, restartCount = 0, state = { running = {} } }
    is("2/2", { init = { side, { name = "a" } }, init_statuses = { up, ended(0, "Completed") }, statuses = { running(true) } })
    is("1/2", { phase = "Pending", init = { side, { name = "a" } }, init_statuses = { up, { name = "a", state = { running = {} } } } })
  end)
end)

describe("RESTARTS of a pod", function()
  local function is(restarts, fields) assert.equal(restarts, cells(fields)[4]) end

  it("says when the last one was", function()
    is("0", { statuses = { running(true) } })
    is("3 (30s ago)", { statuses = { running(true, 3, "2026-01-01T00:59:30Z") } })
    is("2", { statuses = { running(true, 2) } })
    is("3 (10s ago)", { containers = { {}, {} },
      statuses = { running(true, 1, "2026-01-01T00:59:30Z"), running(true, 2, "2026-01-01T00:59:50Z") } })
  end)

  it("counts those of init containers only while they run", function()
    local failing = { name = "a", restartCount = 4, state = { waiting = { reason = "CrashLoopBackOff" } },
      lastState = { terminated = { exitCode = 1, finishedAt = "2026-01-01T00:58:00Z" } } }
    is("4 (2m ago)", { phase = "Pending", init = { { name = "a" } }, init_statuses = { failing } })
    local done = { name = "a", restartCount = 4, state = { terminated = { exitCode = 0 } } }
    is("0", { init = { { name = "a" } }, init_statuses = { done }, statuses = { running(true) } })
  end)
end)

describe("the wide columns of a pod", function()
  it("show address, node and readiness gates, <none> without", function()
    local none = cells {}
    assert.same({ "<none>", "<none>", "<none>", "<none>" }, { table.unpack(none, 6, 9) })
    local all = cells { ips = { { ip = "10.244.1.5" } }, node = "k8s-node1", gates = { { conditionType = "a" }, { conditionType = "b" } },
      conditions = { { type = "a", status = "True" }, { type = "b", status = "False" } } }
    assert.same({ "10.244.1.5", "k8s-node1", "<none>", "1/2" }, { table.unpack(all, 6, 9) })
  end)
end)

describe("AGE", function()
  it("is the time since creation in kubectl's short form", function()
    assert.equal("5s", cells {}[5])
    local object = pod {}
    object.metadata.creationTimestamp = nil
    assert.equal("<unknown>", printers.table("Pod", { object }, NOW).rows[1].cells[5])
  end)
end)
