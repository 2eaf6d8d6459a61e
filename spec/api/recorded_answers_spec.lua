-- spec/golden/{refusals,defaults,hashes,templates,older_hashes}.json: what a real v1.36.2 API server answered to bad and to good objects,
-- and the names that its controllers, and those of older releases, made of templates: of ordinary ones with their revisions' data, and of
-- odd ones that together have nearly every field that a template may have.
local kubesim = require "kubesim"

local function read(path)
  local f <close> = assert(io.open(path))
  return kubesim.json.decode(f:read "a")
end

local function classes()
  local function class(name, annotations, mode, expand)
    return { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = name, annotations = annotations },
      provisioner = "kubesim.dev/fast", volumeBindingMode = mode, allowVolumeExpansion = expand }
  end
  return { class("standard", { ["storageclass.kubernetes.io/is-default-class"] = "true" }, "WaitForFirstConsumer"),
    class("fast", nil, nil, true) }
end

--- An object without what differs from cluster to cluster.
local function bound(object)
  local DEALT <const> = { uid = true, resourceVersion = true, creationTimestamp = true, managedFields = true }
  local function plain(value, key)
    if type(value) == "string" then
      value = value:gsub("%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.?%d*Z", "<time>")
      return (value:gsub("kube%-api%-access%-%w%w%w%w%w", "kube-api-access-?"))
    elseif type(value) ~= "table" or value == kubesim.null then return value end
    local copy = {}
    for k, v in pairs(value) do
      if not (key == "metadata" and DEALT[k]) then copy[k] = plain(v, k) end
    end
    return copy
  end
  local copy = plain(object)
  if copy.metadata.generateName then copy.metadata.name = nil end
  if copy.kind == "Service" then
    for _, port in ipairs(copy.spec.ports or {}) do port.nodePort = port.nodePort and 0 end
    copy.spec.healthCheckNodePort = copy.spec.healthCheckNodePort and 0
    if copy.spec.clusterIP ~= "None" then
      copy.spec.clusterIP = copy.spec.clusterIP and "<address>"
      copy.spec.clusterIPs = copy.spec.clusterIPs and { "<address>" }
    end
  end
  return copy
end

describe("as the real server did, the API server", function()
  local cluster
  setup(function() cluster = kubesim.new { nodes = 1, kubelet = "manual", storage_classes = classes() } end)
  teardown(function() cluster:close() end)

  for i, case in ipairs(read "spec/golden/refusals.json") do
    it(("refuses %s %d"):format(case.kind, i), function()
      local ok, err = pcall(cluster.create, cluster, case.manifest, { dry_run = true })
      assert.is_false(ok)
      assert.equal(case.message, type(err) == "table" and err.message or err)
      assert.equal(case.code, err.code)
      assert.equal(case.reason, err.reason)
      assert.same(case.details and case.details.causes, err.details and err.details.causes)
    end)
  end

  for i, case in ipairs(read "spec/golden/defaults.json") do
    it(("completes %s %d"):format(case.kind, i), function()
      local made = cluster:create(case.manifest, { dry_run = true })
      assert.same(bound(case.object), bound(made[1]))
    end)
  end
end)

-- spec/golden/template_warnings.json: which of the odd templates, and what the server warned of when a Deployment had it.
describe("as the real server did, the API server warns", function()
  local templates = read "spec/golden/templates.json"
  for _, row in ipairs(read "spec/golden/template_warnings.json") do
    it("of what is wrong with a template: " .. row[1], function()
      local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
      local case = templates[row[1]]
      local _, warned = cluster:kubectl("create --dry-run=server -f -", kubesim.json.encode { apiVersion = "apps/v1",
        kind = "Deployment", metadata = { name = case.set },
        spec = { replicas = 0, selector = { matchLabels = { app = "web" } }, template = case.template } })
      assert.equal("Warning: " .. table.concat(row[2], "\nWarning: ") .. "\n", warned)
    end)
  end
end)

describe("as in the real cluster, the hash of a template", function()
  local cases = read "spec/golden/hashes.json"
  table.move(read "spec/golden/templates.json", 1, 60, #cases + 1, cases)
  for i, case in ipairs(cases) do
    it(("is in the names of its ReplicaSet and its revision: %d"):format(i), function()
      local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual", storage_classes = classes() }
      local function create(kind, service)
        cluster:create(kubesim.json.encode { apiVersion = "apps/v1", kind = kind, metadata = { name = case.set },
          spec = { replicas = 0, selector = { matchLabels = { app = "web" } }, template = case.template, serviceName = service } })
      end
      create "Deployment"
      create("StatefulSet", "x")
      cluster:advance(2)
      local revision = cluster:list("ControllerRevision")[1]
      assert.equal(case["pod-template-hash"], cluster:list("ReplicaSet")[1].metadata.labels["pod-template-hash"])
      assert.equal(case.set .. "-" .. case.revision, revision.metadata.name)
      if case.data then assert.same(case.data, revision.data) end
    end)
  end

  -- In the order of the cases; with the revision where the release has another one, for it does not take all fields; false where it
  -- has instants, which Go prints with the time zone of the machine.
  for release, hashes in pairs(read "spec/golden/older_hashes.json") do
    it("is that of its release: " .. release, function()
      for i, hash in ipairs(hashes) do
        local case = cases[i]
        if hash then
          local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual", storage_classes = classes(), version = release }
          for _, kind in ipairs { "Deployment", "StatefulSet" } do
            cluster:create(kubesim.json.encode { apiVersion = "apps/v1", kind = kind, metadata = { name = case.set },
              spec = { replicas = 0, selector = { matchLabels = { app = "web" } }, template = case.template,
                serviceName = kind == "StatefulSet" and "x" or nil } }, { field_validation = "Ignore" })
          end
          cluster:advance(2)
          local set, revision = hash, case.revision
          if type(hash) == "table" then set, revision = table.unpack(hash) end
          assert.equal(set, cluster:list("ReplicaSet")[1].metadata.labels["pod-template-hash"], case.set)
          assert.equal(case.set .. "-" .. revision, cluster:list("ControllerRevision")[1].metadata.name)
        end
      end
    end)
  end
end)
