--- What a node says about its volumes while pods with claims come and go: spec of status.volumesAttached and volumesInUse.

local kubesim = require "kubesim"
local workload = require "spec.support.workload"

---A set of Parallel pods with one claim each.
local function set_of(replicas)
  local container = { name = "main", image = "app", volumeMounts = { { name = "data", mountPath = "/data" } } }
  return {
    apiVersion = "apps/v1", kind = "StatefulSet", metadata = { name = "db" },
    spec = { replicas = replicas, serviceName = "db", podManagementPolicy = "Parallel",
      selector = { matchLabels = { app = "db" } },
      template = { metadata = { labels = { app = "db" } }, spec = { containers = { container } } },
      volumeClaimTemplates = { { metadata = { name = "data" }, spec = { accessModes = { "ReadWriteOnce" },
        storageClassName = "fast", resources = { requests = { storage = "1Gi" } } } } } },
  }
end

---The node's lists as sets of names, and their lengths.
local function volumes_of(cluster)
  local status = cluster:get("node/only").status
  local attached, in_use = {}, {}
  for _, volume in ipairs(status.volumesAttached or {}) do attached[volume.name] = true end
  for _, name in ipairs(status.volumesInUse or {}) do in_use[name] = true end
  return attached, in_use, #(status.volumesAttached or {}), #(status.volumesInUse or {})
end

describe("a node's volumes", function()
  it("are named each once, attached and in use, while their pods run", function()
    local cluster <close> = kubesim.new { nodes = { { name = "only", capacity = { cpu = "100", memory = "400Gi", pods = 110 } } } }
    cluster:create(set_of(60))
    assert(cluster:wait_for("sts/db", "ready", { timeout = "1h" }))
    local attached, in_use, how_many, used = volumes_of(cluster)
    assert.equal(60, how_many)
    assert.equal(60, used)
    assert.same(attached, in_use)
    local attachments = cluster:list("volumeattachments")
    assert.equal(60, #(attachments.items or attachments))

    cluster:patch("sts/db", { spec = { replicas = 1 } })
    assert(cluster:settle { timeout = "1h" })
    attached, in_use, how_many, used = volumes_of(cluster)
    assert.equal(1, how_many)
    assert.equal(1, used)
    assert.same(attached, in_use)

    cluster:patch("sts/db", { spec = { replicas = 0 } })
    assert(cluster:settle { timeout = "1h" })
    local status = cluster:get("node/only").status
    assert.is_nil(status.volumesAttached)
    assert.is_nil(status.volumesInUse)
  end)

  ---A cluster of one node, and how often that node's status has been written with other volumes.
  local function watched(opts)
    local cluster = kubesim.new { nodes = { { name = "only", capacity = { cpu = "100", memory = "400Gi", pods = 110 } } } }
    local writes, attached, in_use = { attached = 0, in_use = 0 }, 0, 0
    cluster:watch("node", function(_, node)
      local now_attached, now_in_use = #(node.status.volumesAttached or {}), #(node.status.volumesInUse or {})
      if now_attached ~= attached then writes.attached = writes.attached + 1 end
      if now_in_use ~= in_use then writes.in_use = writes.in_use + 1 end
      attached, in_use = now_attached, now_in_use
    end)
    cluster:create(set_of(opts.pods))
    return cluster, writes
  end

  it("are told of with one write when they are attached, and one when they are mounted, in the same instant", function()
    local cluster <close>, writes = watched { pods = 40 }
    assert(cluster:wait_for("sts/db", "ready", { timeout = "1h" }))
    local _, _, how_many, used = volumes_of(cluster)
    assert.same({ 40, 40 }, { how_many, used })
    assert.same({ attached = 1, in_use = 1 }, writes)
  end)

  it("are attached once, whenever the controller restarts", function()
    for _, after in ipairs { "100ms", "900ms", "1300ms", "1500ms", "1600ms", "3s" } do
      local cluster <close> = watched { pods = 5 }
      cluster:advance(after)
      cluster:restart "attachdetach"
      assert(cluster:wait_for("sts/db", "ready", { timeout = "1h" }))
      local attached, in_use, how_many, used = volumes_of(cluster)
      assert.same({ 5, 5 }, { how_many, used }, after)
      assert.same(attached, in_use, after)
      for _, attachment in ipairs(cluster:list "volumeattachments") do assert.is_true(attachment.status.attached, after) end
    end
  end)

  it("are attached and detached when writes fail", function()
    local cluster <close> = watched { pods = 8 }
    cluster:fail_writes("attachdetach", 0.5)
    assert(cluster:wait_for("sts/db", "ready", { timeout = "10h" }))
    local attached, in_use, how_many, used = volumes_of(cluster)
    assert.same({ 8, 8 }, { how_many, used })
    assert.same(attached, in_use)
    cluster:patch("sts/db", { spec = { replicas = 0 } })
    assert(cluster:settle { timeout = "10h" })
    assert.is_nil(cluster:get("node/only").status.volumesAttached)
    assert.equal(0, #cluster:list "volumeattachments")
  end)

  ---A cluster of one node, and pods that share a claim.
  local function sharing(names, opts)
    local cluster = kubesim.new { nodes = { { name = "only" } }, latency = opts }
    cluster:create(workload.claim("shared", "fast"))
    for _, name in ipairs(names) do
      cluster:create(workload.pod(name, nil, {
        containers = { { name = "main", image = "app", volumeMounts = { { name = "data", mountPath = "/data" } } } },
        volumes = { { name = "data", persistentVolumeClaim = { claimName = "shared" } } },
      }))
    end
    return cluster
  end

  it("are waited for by all that share them, whichever of these go meanwhile", function()
    local cluster <close> = sharing({ "a", "b", "c" }, { attach = "30s" })
    cluster:advance "20s"
    for _, gone in ipairs { "", "a", "b", "c", "ab", "ac", "bc" } do
      local fork <close> = cluster:fork()
      for name in gone:gmatch "." do fork:delete("pod/" .. name, { force = true }) end
      local asleep <close> = fork:fork()
      asleep:advance "5s"
      for _, c in ipairs { fork, asleep } do
        c:advance(c == fork and "30s" or "25s")
        for name in ("abc"):gmatch "." do
          if not gone:find(name) then assert.equal("Running", c:get("pod/" .. name).status.phase, gone .. name) end
        end
      end
    end
  end)

  it("are attached to the end, and let go, when their claims are taken from them meanwhile", function()
    local cluster <close> = sharing({ "a" }, { attach = "25s" })
    cluster:advance "20s"
    cluster:patch("pv/" .. cluster:list "pv"[1].metadata.name, { spec = { claimRef = kubesim.null } }, { type = "merge" })
    cluster:advance "1m"
    assert.equal(0, cluster:count "volumeattachments")
    assert.equal("Pending", cluster:get "pod/a".status.phase)
  end)

  it("are attached anew when they come back, though others behind them in the node's list have stayed", function()
    local cluster <close> = kubesim.new { nodes = { { name = "only" } }, latency = { attach = "30s" } }
    local function user(name)
      return workload.pod(name, nil, {
        containers = { { name = "main", image = "app", volumeMounts = { { name = "data", mountPath = "/data" } } } },
        volumes = { { name = "data", persistentVolumeClaim = { claimName = name } } },
      })
    end
    local names = { "a", "b", "c" }
    for _, name in ipairs(names) do cluster:create { workload.claim(name, "fast"), user(name) } end
    cluster:advance "2m"
    for _, gone in ipairs(names) do
      cluster:delete("pod/" .. gone, { force = true })
      cluster:advance "2m"
      assert.equal(2, (select(3, volumes_of(cluster))))
      cluster:create(user(gone))
      cluster:advance "20s"
      for _, name in ipairs(names) do
        assert.equal(name == gone and "Pending" or "Running", cluster:get("pod/" .. name).status.phase, gone .. name)
      end
      cluster:advance "40s"
      assert.equal("Running", cluster:get("pod/" .. gone).status.phase)
    end
  end)

  it("stay in use while one of the pods that share them runs", function()
    local cluster <close> = sharing { "a", "b" }
    local function counts()
      local _, _, how_many, used = volumes_of(cluster)
      return { how_many, used }
    end
    assert(cluster:settle { timeout = "1h" })
    assert.same({ 1, 1 }, counts())
    cluster:delete "pod/a"
    assert(cluster:settle { timeout = "1h" })
    assert.same({ 1, 1 }, counts())
    cluster:delete "pod/b"
    assert(cluster:settle { timeout = "1h" })
    assert.same({ 0, 0 }, counts())
  end)
end)
