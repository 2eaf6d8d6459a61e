-- Which of the volumes that nobody has a claim takes.
local kubesim = require "kubesim"
local dice = require "spec.support.dice"

local MODES <const> = { "ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod" }

local function volume(name, spec)
  spec.capacity = { storage = spec.storage }
  spec.storage = nil
  spec.accessModes = spec.accessModes or { "ReadWriteOnce" }
  spec.storageClassName = spec.storageClassName or ""
  spec.hostPath = { path = "/" .. name }
  return { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = name, labels = spec.labels }, spec = spec }
end

local function claim(name, storage, more)
  local spec = { storageClassName = "", accessModes = { "ReadWriteOnce" }, resources = { requests = { storage = storage } } }
  for key, value in pairs(more or {}) do spec[key] = value end
  return { apiVersion = "v1", kind = "PersistentVolumeClaim", metadata = { name = name }, spec = spec }
end

describe("a claim", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 0 } end)
  after_each(function() cluster:close() end)

  local function taken_by(name)
    cluster:settle()
    return cluster:get("pvc/" .. name).spec.volumeName
  end

  it("takes the smallest volume that is large enough", function()
    cluster:create { volume("large", { storage = "3Gi" }), volume("fits", { storage = "2Gi" }), volume("small", { storage = "1Gi" }) }
    cluster:create(claim("data", "1500Mi"))
    assert.equal("fits", taken_by "data")
  end)

  it("tells sizes apart that differ by a byte, however large", function()
    cluster:create {
      volume("more", { storage = "4611686018427387902" }), volume("exact", { storage = "4611686018427387901" }),
      volume("less", { storage = "4611686018427387900" }) }
    cluster:create(claim("data", "4611686018427387901"))
    assert.equal("exact", taken_by "data")
  end)

  it("takes of equal volumes the one that was made first", function()
    cluster:create { volume("z", { storage = "1Gi" }), volume("a", { storage = "1024Mi" }) }
    cluster:create(claim("data", "1Gi"))
    assert.equal("z", taken_by "data")
  end)

  it("prefers a volume with no more access modes than it needs to a smaller one", function()
    cluster:create {
      volume("many-ways", { storage = "1Gi", accessModes = { "ReadWriteOnce", "ReadWriteMany" } }), volume("one-way", { storage = "2Gi" }) }
    cluster:create(claim("data", "1Gi"))
    assert.equal("one-way", taken_by "data")
  end)

  it("finds a volume by what it has become since it was made", function()
    cluster:create { volume("grows", { storage = "1Gi" }), volume("moves", { storage = "5Gi", storageClassName = "elsewhere" }) }
    cluster:create(claim("data", "4Gi"))
    assert.is_nil(taken_by "data")
    cluster:patch("pv/grows", { spec = { capacity = { storage = "6Gi" } } })
    cluster:patch("pv/moves", { metadata = { annotations = { ["volume.beta.kubernetes.io/storage-class"] = "" } } })
    cluster:advance(30)
    assert.equal("moves", taken_by "data")
    cluster:create(claim("more", "4Gi"))
    assert.equal("grows", taken_by "more")
  end)

  it("finds a volume again that has been let go by its claim", function()
    cluster:create { volume("kept", { storage = "1Gi", persistentVolumeReclaimPolicy = "Retain" }), claim("first", "1Gi") }
    assert.equal("kept", taken_by "first")
    cluster:delete "pvc/first"
    cluster:create(claim("second", "1Gi"))
    assert.is_nil(taken_by "second")
    cluster:patch("pv/kept", { spec = { claimRef = kubesim.null } }, { type = "merge" })
    cluster:advance(30)
    assert.equal("kept", taken_by "second")
  end)

  it("sees in a fork what is free there", function()
    cluster:create(volume("only", { storage = "1Gi" }))
    cluster:settle()
    local fork <close> = cluster:fork()
    cluster:create(claim("data", "1Gi"))
    assert.equal("only", taken_by "data")
    fork:create(claim("other", "1Gi"))
    fork:settle()
    assert.equal("only", fork:get("pvc/other").spec.volumeName)
  end)
end)

---What is chosen, as the documentation puts it, by a look at all volumes.
local function expected(volumes, taken, want)
  local function offers(v)
    local has = {}
    for _, mode in ipairs(v.spec.accessModes) do has[mode] = true end
    for _, mode in ipairs(want.spec.accessModes) do
      if not has[mode] then return false end
    end
    return true
  end
  local function rank(v)
    local bits = 0
    for i, mode in ipairs(MODES) do
      for _, own in ipairs(v.spec.accessModes) do bits = own == mode and bits | 1 << (i - 1) or bits end
    end
    return #v.spec.accessModes * 100 + bits
  end
  local request, best = kubesim.quantity(want.spec.resources.requests.storage)
  for _, v in ipairs(volumes) do
    local size = kubesim.quantity(v.spec.capacity.storage)
    if not taken[v.metadata.name] and v.spec.storageClassName == want.spec.storageClassName and request <= size and offers(v) then
      local better = not best or rank(v) < rank(best)
        or rank(v) == rank(best) and size < kubesim.quantity(best.spec.capacity.storage)
      if better then best = v end
    end
  end
  return best and best.metadata.name
end

describe("claims, one after the other,", function()
  for seed = 1, 20 do
    it(("take what a look at all volumes would choose (seed %d)"):format(seed), function()
      local roll = dice(seed)
      local sizes <const> = { "900M", "1Gi", "1024Mi", "1073741825", "2Gi", "3500m", "10Gi", "1.5Ti" }
      local classes <const> = { "", "a", "b" }
      local function some_modes(most)
        local modes = {}
        for _, mode in ipairs(MODES) do
          if #modes < most and roll.below(2) == 1 and mode ~= "ReadWriteOncePod" then modes[#modes + 1] = mode end
        end
        return #modes > 0 and modes or { "ReadWriteOnce" }
      end
      local cluster <close> = kubesim.new { nodes = 0 }
      local volumes, taken = {}, {}
      for i = 1, 60 do
        volumes[i] = volume("pv-" .. roll.below(1000) .. "-" .. i, {
          storage = sizes[1 + roll.below(#sizes)], storageClassName = classes[1 + roll.below(3)], accessModes = some_modes(3) })
      end
      cluster:create(volumes)
      cluster:settle()
      for i = 1, 60 do
        local wanted = claim("c" .. i, sizes[1 + roll.below(#sizes)],
          { storageClassName = classes[1 + roll.below(3)], accessModes = some_modes(2) })
        local name = expected(volumes, taken, wanted)
        cluster:create(wanted)
        cluster:settle()
        assert.equal(name, cluster:get("pvc/c" .. i).spec.volumeName)
        if name then taken[name] = true end
      end
    end)
  end
end)

--- A node affinity of one of several shapes, and whether it holds for labels of a node.
local function affinity(roll, names)
  local function any(list) return list[1 + roll.below(#list)] end
  local function one_of(key, ...) return { key = key, operator = "In", values = { ... } } end
  local function has(e, labels)
    for _, v in ipairs(e.values or {}) do
      if labels[e.key] == v then return e.operator == "In" end
    end
    return e.operator == "NotIn" or e.operator == "Exists" and labels[e.key] ~= nil
  end
  local host, rack = "kubernetes.io/hostname", "rack-" .. roll.below(20)
  local terms = any {
    {},
    { { one_of(host, any(names)) } },
    { { one_of(host, any(names)) } },
    { { one_of("zone", any { "a", "b" }) } },
    { { one_of(rack, "x") } },
    { { one_of("zone", any { "a", "b" }), one_of(host, any(names)) } },
    { { one_of(host, any(names), any(names)) } },
    { { one_of(host, any(names)) }, { one_of("zone", "a") } },
    { { { key = "zone", operator = "NotIn", values = { "a" } } } },
    { { { key = rack, operator = "Exists" }, one_of("zone", any { "a", "b" }) } },
  }
  local written = {}
  for i, term in ipairs(terms) do written[i] = { matchExpressions = term } end
  return #terms > 0 and { required = { nodeSelectorTerms = written } } or nil, function(labels)
    for _, term in ipairs(terms) do
      local all = true
      for _, e in ipairs(term) do all = all and has(e, labels) end
      if all then return true end
    end
    return #terms == 0
  end
end

describe("a pod's claim that waits for its node", function()
  for seed = 1, 20 do
    it(("takes there what a look at all volumes would choose (seed %d)"):format(seed), function()
      local roll = dice(seed)
      local sizes <const> = { "900M", "1Gi", "1024Mi", "1073741825", "2Gi", "3500m" }
      local names, nodes = { "n1", "n2", "n3", "n4" }, {}
      for i, name in ipairs(names) do
        nodes[i] = { name = name, labels = { zone = i % 2 == 0 and "a" or "b", ["rack-" .. roll.below(20)] = "x" } }
      end
      local cluster <close> = kubesim.new { nodes = nodes, seed = seed }
      cluster:create { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", metadata = { name = "local" },
        provisioner = "kubernetes.io/no-provisioner", volumeBindingMode = "WaitForFirstConsumer" }
      local volumes, suits, taken = {}, {}, {}
      for i = 1, 60 do
        local written, holds = affinity(roll, names)
        volumes[i] = volume("pv" .. i, { storage = sizes[1 + roll.below(#sizes)], storageClassName = "local", nodeAffinity = written,
          accessModes = roll.below(3) == 0 and { "ReadWriteMany", "ReadWriteOnce" } or nil })
        suits["pv" .. i] = holds
        volumes[i].metadata.labels = { kind = roll.below(2) == 0 and "fast" or "slow" }
      end
      cluster:create(volumes)
      cluster:settle()
      local function choice(want, labels)
        local best
        local request = kubesim.quantity(want.spec.resources.requests.storage)
        for _, v in ipairs(volumes) do
          local size = kubesim.quantity(v.spec.capacity.storage)
          if not taken[v.metadata.name] and request <= size and suits[v.metadata.name](labels)
            and (not want.spec.selector or v.metadata.labels.kind == "fast")
            and (not best or size < kubesim.quantity(best.spec.capacity.storage)) then
            best = v
          end
        end
        return best and best.metadata.name
      end
      local bound = 0
      for i = 1, 50 do
        local name, more = "c" .. i, { storageClassName = "local" }
        if roll.below(3) == 0 then more.selector = { matchLabels = { kind = "fast" } } end
        local wanted = claim(name, sizes[1 + roll.below(#sizes)], more)
        cluster:create { wanted, {
          apiVersion = "v1", kind = "Pod", metadata = { name = name },
          spec = { containers = { { name = "c", image = "i" } }, volumes = { { name = "v", persistentVolumeClaim = { claimName = name } } },
            nodeSelector = roll.below(2) == 0 and { ["kubernetes.io/hostname"] = names[1 + roll.below(4)] } or nil } } }
        cluster:advance(5)
        local pod = cluster:get("pod/" .. name)
        for _, node in ipairs(cluster:list "node") do
          local might = not pod.spec.nodeSelector or pod.spec.nodeSelector["kubernetes.io/hostname"] == node.metadata.name
          if not pod.spec.nodeName and might then assert.is_nil(choice(wanted, node.metadata.labels)) end
          if pod.spec.nodeName == node.metadata.name then
            local volume_name = choice(wanted, node.metadata.labels)
            assert.equal(volume_name, cluster:get("pvc/" .. name).spec.volumeName)
            taken[volume_name], bound = true, bound + 1
          end
        end
        if not pod.spec.nodeName then
          cluster:delete("pod/" .. name)
          cluster:delete("pvc/" .. name)
        end
        if i == 25 then cluster:patch("node/n1", { metadata = { labels = { zone = "a" } } }) end
      end
      assert.is_true(bound > 10)
    end)
  end
end)
