-- Times as long as they can be written, and as short.
local kubesim = require "kubesim"

local LONG <const> = math.maxinteger

local function pod(name, edit)
  local p = {
    apiVersion = "v1", kind = "Pod", metadata = { name = name },
    spec = { containers = { { name = "main", image = "app:1" } } },
  }
  if edit then edit(p.spec, p.spec.containers[1]) end
  return p
end

local function phase(cluster, name)
  local found = cluster:get("pod/" .. name)
  return found and found.status.phase .. (found.metadata.deletionTimestamp and " Terminating" or "") or "gone"
end

describe("a grace period without end", function()
  it("of the pod is waited for", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:image("app:1", { stop = false })
    cluster:create(pod("web", function(s) s.terminationGracePeriodSeconds = LONG end))
    cluster:advance(10)
    cluster:delete "pod/web"
    cluster:advance("8760h")
    assert.equal("Running Terminating", phase(cluster, "web"))
    cluster:delete("pod/web", { grace_period = 0 })
    assert.equal("gone", phase(cluster, "web"))
  end)

  it("of the deletion is waited for, and can be shortened", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:image("app:1", { stop = false })
    cluster:create(pod "web")
    cluster:advance(10)
    cluster:delete("pod/web", { grace_period = LONG })
    cluster:advance(1000)
    assert.equal("Running Terminating", phase(cluster, "web"))
    cluster:delete("pod/web", { grace_period = 5 })
    assert.equal(1, cluster:get("pod/web").metadata.deletionGracePeriodSeconds)
  end)

  it("of hooks that sleep is waited for", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create(pod("web", function(s, c)
      s.terminationGracePeriodSeconds = LONG
      c.lifecycle = { preStop = { sleep = { seconds = LONG - 1 } } }
    end))
    cluster:advance(10)
    cluster:delete "pod/web"
    cluster:advance("8760h")
    assert.equal("Running Terminating", phase(cluster, "web"))
  end)
end)

describe("a latency", function()
  for _, name in ipairs { "pull", "start", "stop", "cleanup", "provision", "attach", "detach", "mount", "sync" } do
    it("of two centuries is waited for (" .. name .. ")", function()
      local cluster <close> = kubesim.new { nodes = 1, latency = { [name] = "1752000h" } }
      cluster:create {
        apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = "disk" },
        spec = { storageClassName = "fast", accessModes = { "ReadWriteOnce" }, resources = { requests = { storage = "1Gi" } } },
      }
      cluster:create(pod("web", function(s, c)
        s.volumes = { { name = "v", persistentVolumeClaim = { claimName = "disk" } } }
        c.volumeMounts = { { name = "v", mountPath = "/v" } }
      end))
      cluster:advance("87600h")
      local starts = name == "stop" or name == "cleanup" or name == "detach"
      assert.equal(starts and "Running" or "Pending", phase(cluster, "web"))
      cluster:delete "pod/web"
      cluster:advance("87600h")
      local last = { cleanup = "Succeeded Terminating", sync = "Pending Terminating" }
      assert.equal(last[name] or "gone", phase(cluster, "web"))
    end)
  end

  it("of nothing at all leaves the kubelet its own beat: it polls for volumes, and confirms an end before the pod goes", function()
    local cluster <close> = kubesim.new { nodes = 1, latency = 0 }
    cluster:create(pod "web")
    cluster:advance(0.3)
    assert.equal("Running", phase(cluster, "web"))
    cluster:delete "pod/web"
    cluster:advance(0.8)
    assert.equal("gone", phase(cluster, "web"))
  end)
end)

describe("a cluster's clock", function()
  it("ends after 146 years, and says so", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:image("app:1", { exit = { code = 1, after = "1000h" } })
    cluster:create(pod "web")
    cluster:advance("1270000h")
    assert.error_matches(function() cluster:advance("1270000h") end, "clock ends 146 years after its start")
    assert.is_nil((cluster:wait_for("pod/web", "deleted", { timeout = "2000000h" })))
  end)
end)
