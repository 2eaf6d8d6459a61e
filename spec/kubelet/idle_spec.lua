-- Time in which nothing changes costs nothing, however long it is and whatever waits.
local kubesim = require "kubesim"

local function pod(name, edit)
  local p = {
    apiVersion = "v1", kind = "Pod", metadata = { name = name },
    spec = { containers = { { name = "main", image = "app:1" } } },
  }
  if edit then edit(p.spec, p.spec.containers[1]) end
  return p
end

local function claim(name, class)
  return {
    apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = name },
    spec = { storageClassName = class, accessModes = { "ReadWriteOnce" }, resources = { requests = { storage = "1Gi" } } },
  }
end

local function volume(spec, container, source)
  source.name = "v"
  spec.volumes = { source }
  container.volumeMounts = { { name = "v", mountPath = "/v" } }
end

local DAY <const> = 24 * 3600

---How many steps a virtual year takes after the first day.
local function steps_of_a_year(cluster)
  cluster:advance(DAY)
  local n = 0
  while n < 1000 do
    local step = cluster:step()
    if not step or step.time > 366 * DAY then break end
    n = n + 1
  end
  return n
end

local worlds = {
  ["running pods with probes"] = function(cluster)
    cluster:create(pod("web", function(_, c)
      c.image = "kubetm/app"
      c.livenessProbe = { httpGet = { port = 8080, path = "/health" } }
      c.readinessProbe = { tcpSocket = { port = 8080 } }
    end))
  end,
  ["running pods of whose answers nothing is known"] = function(cluster)
    cluster:create(pod("web", function(_, c)
      c.livenessProbe = { httpGet = { port = 8080, path = "/health" } }
      c.readinessProbe = { exec = { command = { "check" } } }
    end))
  end,
  ["a pod that fits nowhere"] = function(cluster) cluster:create(pod("web", function(s) s.nodeSelector = { no = "node" } end)) end,
  ["claims that nothing binds"] = function(cluster)
    cluster:create { claim("waits", "standard"), claim("none", ""), claim("missing", "missing") }
  end,
  ["a pod whose claim does not exist"] = function(cluster)
    cluster:create(pod("web", function(s, c) volume(s, c, { persistentVolumeClaim = { claimName = "missing" } }) end))
  end,
  ["a pod put on a node past the scheduler, whose claim waits for it"] = function(cluster)
    cluster:create(claim("waits", "standard"))
    cluster:create(pod("web", function(s, c)
      s.nodeName = "k8s-node1"
      volume(s, c, { persistentVolumeClaim = { claimName = "waits" } })
    end))
  end,
  ["a volume of a config map that does not exist"] = function(cluster)
    cluster:create(pod("web", function(s, c) volume(s, c, { configMap = { name = "missing" } }) end))
  end,
  ["a disk that another node has"] = function(cluster)
    cluster:create(claim("disk", "fast"))
    for i = 1, 2 do
      cluster:create(pod("web" .. i, function(s, c)
        s.nodeName = "k8s-node" .. i
        volume(s, c, { persistentVolumeClaim = { claimName = "disk" } })
      end))
      cluster:advance(60)
    end
  end,
  ["a readiness probe that is never answered"] = function(cluster)
    cluster:image("app", { http = {} })
    cluster:create(pod("web", function(_, c) c.readinessProbe = { httpGet = { port = 81 } } end))
  end,
  ["a node that is gone"] = function(cluster)
    cluster:create(pod("web", function(s) s.nodeName = "k8s-node1" end))
    cluster:advance(60)
    cluster:fail_node "k8s-node1"
  end,
}

describe("a virtual year takes no steps", function()
  for title, make in pairs(worlds) do
    it("with " .. title, function()
      local cluster <close> = kubesim.new { nodes = 2 }
      make(cluster)
      assert.equal(0, steps_of_a_year(cluster))
    end)
  end

  it("in a cluster without nodes, and the first node is taken when it comes", function()
    local cluster <close> = kubesim.new { nodes = 0 }
    cluster:create(pod "web")
    assert.is_true(cluster:settle())
    assert.equal(0, steps_of_a_year(cluster))
    cluster:import { { apiVersion = "v1", kind = "Node", metadata = { name = "late" }, status = {
      capacity = { cpu = "4", memory = "8Gi", pods = "110" }, allocatable = { cpu = "4", memory = "8Gi", pods = "110" },
      conditions = { { type = "Ready", status = "True" } } } } }
    cluster:advance(11) -- the longest back-off
    assert.equal("late", cluster:get("pod/web").spec.nodeName)
  end)
end)

describe("what a pod lacked for long", function()
  it("lets it start soon when it comes: a config map of its environment", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create(pod("web", function(_, c) c.envFrom = { { configMapRef = { name = "late" } } } end))
    cluster:advance(DAY)
    assert.equal("CreateContainerConfigError", cluster:get("pod/web").status.containerStatuses[1].state.waiting.reason)
    cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "late" } }
    cluster:advance(20)
    assert.equal("Running", cluster:get("pod/web").status.phase)
  end)

  it("lets it start when the mount is tried again: a config map of a volume", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create(pod("web", function(s, c) volume(s, c, { configMap = { name = "late" } }) end))
    cluster:advance(100) -- tried at 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5, next at 127.5
    cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "late" } }
    cluster:advance(20)
    assert.equal("Pending", cluster:get("pod/web").status.phase)
    cluster:advance(20)
    assert.equal("Running", cluster:get("pod/web").status.phase)
  end)

  it("lets it start when the back-off is over: its image", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:image("app:1", { exists = false })
    cluster:create(pod "web")
    cluster:advance(DAY)
    cluster:image("app:1", {})
    cluster:advance(400)
    assert.equal("Running", cluster:get("pod/web").status.phase)
  end)
end)
