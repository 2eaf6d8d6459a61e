-- A call that writes many objects and is refused in the end leaves nothing behind, neither in the cluster nor in its forks.
local kubesim = require "kubesim"

local KINDS = { "cm", "pod", "rs", "event", "node" }

local function whole(cluster)
  local parts = { cluster:trace(), tostring(cluster:now()) }
  for _, kind in ipairs(KINDS) do parts[#parts + 1] = kubesim.json.encode(cluster:list(kind, { all_namespaces = true })) end
  return table.concat(parts, "\n")
end

local function map(i, text) return { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "map-" .. i }, data = { text = text } } end

local BAD <const> = { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "Not a name" } }

---`from` to `to`, and one that is refused.
local function maps(from, to, text)
  local list = {}
  for i = from, to do list[#list + 1] = map(i, text) end
  list[#list + 1] = BAD
  return list
end

describe("a call that is refused after many writes", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 2 }
    for i = 1, 100 do cluster:create(map(i, "first")) end
    cluster:apply [[{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web}, spec: {replicas: 3, selector: {matchLabels: {a: b}},
      template: {metadata: {labels: {a: b}}, spec: {containers: [{name: main, image: app}]}}}}]]
    cluster:settle()
  end)
  after_each(function() cluster:close() end)

  ---What the refused call was to leave as it was: also what is seen later, and by a watch.
  local function undone(fn)
    local calm <close> = cluster:fork()
    local before = whole(cluster)
    local version = cluster:get("cm/map-1").metadata.resourceVersion
    assert.equal("Invalid", select(2, pcall(fn)).reason)
    assert.equal(before, whole(cluster))
    assert.equal(before, whole(calm))
    local seen = {}
    cluster:watch("cm", function(type, object) seen[#seen + 1] = type .. " " .. object.metadata.name end, { resource_version = version })
    for _, c in ipairs { cluster, calm } do
      c:patch("cm/map-7", { data = { text = "later" } })
      c:delete "cm/map-8"
      c:scale("rs/web", 5)
      c:settle()
    end
    assert.same({ "MODIFIED map-7", "DELETED map-8" }, { table.unpack(seen, #seen - 1) })
    assert.equal(whole(calm), whole(cluster))
  end

  it("holds none of the memory that it took", function()
    local text = ("x"):rep(100000)
    local function held() return (select(3, cluster.core:memory())) end
    for i, count in ipairs { 5, 40, 100 } do
      local fork <close> = cluster:fork()
      if i > 1 then fork:create(map("of-the-fork", text)) end -- goes on in the log where the cluster is to go on
      pcall(cluster.create, cluster, { BAD })
      local before, seen = held(), whole(fork)
      for _, first in ipairs { 1, 1000 } do
        assert.is_false(pcall(cluster.apply, cluster, maps(first, first + count - 1, text)))
      end
      assert.is_true(held() - before < 100000, held() - before)
      assert.equal(seen, whole(fork))
      cluster:create(map("of-round-" .. i))
    end
  end)

  it("has changed few objects", function() undone(function() cluster:apply(maps(3, 9, "second")) end) end)
  it("has changed many objects", function() undone(function() cluster:apply(maps(1, 100, "second")) end) end)
  it("has changed one object again and again", function()
    local list = {}
    for i = 1, 200 do list[i] = map(7, "turn " .. i) end
    list[#list + 1] = BAD
    undone(function() cluster:apply(list) end)
  end)
  it("has made new objects", function() undone(function() cluster:create(maps(101, 300, "new")) end) end)
  it("has changed objects, then made new ones, then changed those", function()
    local list = {}
    for i = 90, 110 do list[#list + 1] = map(i, "second") end
    for i = 95, 110 do list[#list + 1] = map(i, "third") end
    list[#list + 1] = BAD
    undone(function() cluster:apply(list) end)
  end)

  it("leaves a fork that is made later what it was", function()
    pcall(function() cluster:apply(maps(1, 100, "second")) end)
    local fork <close> = cluster:fork()
    local before = whole(fork)
    cluster:apply(map(1, "third"))
    assert.equal(before, whole(fork))
    fork:apply(map(2, "fourth"))
    assert.equal("first", cluster:get("cm/map-2").data.text)
  end)

  it("does in a dry run what it would do, and nothing of it stays", function()
    local before = whole(cluster)
    for _, entry in ipairs(cluster:apply({ map(1, "dry"), map(101, "dry") }, { dry_run = true })) do
      assert.equal("dry", entry.object.data.text)
    end
    assert.equal(before, whole(cluster))
  end)
end)
