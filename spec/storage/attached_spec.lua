--- What a node says about its volumes while pods with claims come and go: spec of status.volumesAttached and volumesInUse.

local kubesim = require "kubesim"

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
end)
