-- Objects as views: kubectl get reads the columns of an object where they lie, and says of a view what it says of a table.
local core = require "kubesim.core"
local kubesim = require "kubesim"
local printers = require "kubesim.kubectl.printers"

local function all(cluster, kind, viewed) return cluster.core:list(kind, nil, nil, nil, nil, nil, nil, nil, viewed) end

---A cluster with an object of most kinds that have columns: what a running one makes, and those of a real cluster's defaults.
local function populated()
  local cluster = kubesim.new { nodes = 2 }
  cluster:apply [[
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {a: web}},
 template: {metadata: {labels: {a: web}}, spec: {initContainers: [{name: i, image: i:1, restartPolicy: Always}], containers: [{name: a, image: a:1}]}}}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 1, serviceName: db, selector: {matchLabels: {a: db}},
 template: {metadata: {labels: {a: db}}, spec: {containers: [{name: a, image: a:1}]}},
 volumeClaimTemplates: [{metadata: {name: d}, spec: {accessModes: [ReadWriteOnce], storageClassName: fast, resources: {requests: {storage: 1Gi}}}}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: NodePort, selector: {a: web}, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: b, c: d}}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 7}
]]
  cluster:advance(30)
  cluster:delete "pod/db-0"
  local f <close> = assert(io.open "spec/golden/defaults.json")
  for i, case in ipairs(kubesim.json.decode((f:read "a":gsub("<time>", "2026-01-01T00:00:00Z")))) do
    local object = case.object
    object.metadata.name = "x" .. i
    if object.kind ~= "Service" then cluster:import(object) end
  end
  return cluster
end

describe("a view", function()
  it("makes the same rows as the object's table, of every kind", function()
    local cluster <close> = populated()
    local seen = 0
    for _, mapping in ipairs(cluster.core:kinds()) do
      local views, tables = all(cluster, mapping.kind, true), all(cluster, mapping.kind)
      assert.equal(#tables, #views)
      seen = seen + (#views > 0 and 1 or 0)
      if #views > 0 then
        local now = core.time "2030-01-01T00:00:00Z"
        local of_tables, of_views = printers.table(mapping.kind, tables, now), printers.table(mapping.kind, views, now)
        for i, row in ipairs(of_tables.rows) do
          assert.same(row.cells, of_views.rows[i].cells)
          assert.same(row.object.metadata, core.plain(of_views.rows[i].object.metadata))
        end
      end
    end
    assert.is_true(seen >= 18, "kinds with objects: " .. seen)
  end)

  it("is indexed and walked like the table", function()
    local cluster <close> = populated()
    local view = all(cluster, "StatefulSet", true)[1]
    local object = all(cluster, "StatefulSet")[1]
    local function same(a, b)
      if type(a) ~= "table" then return assert.equal(a, b) end
      assert.equal(#a, #b)
      local keys = 0
      for key, value in pairs(b) do
        keys = keys + 1
        same(a[key], value)
      end
      for key, value in pairs(a) do
        keys = keys - 1
        same(value, b[key])
      end
      assert.equal(0, keys)
      for i, value in ipairs(b) do same(a[i], value) end
    end
    same(object, view)
    assert.same(object, core.plain(view))
    assert.is_nil(view.nothing)
    assert.is_nil(view.spec.template.spec.containers[99])
    assert.is_nil(view.spec.template.spec.containers[0])
    assert.is_nil(view[true])
    assert.equal(7, core.plain(7))
  end)

  it("cannot be changed, and shows what was there when it was taken", function()
    local cluster <close> = populated()
    local view = cluster.core:get("StatefulSet", "default", "db", true)
    assert.has_error(function() view.spec.replicas = 5 end)
    assert.is_false(getmetatable(view))
    cluster:scale("sts/db", 5)
    cluster:delete "sts/db"
    assert.equal(1, view.spec.replicas)
    assert.is_nil(cluster.core:get("StatefulSet", "default", "nobody", true))
  end)

  it("outlives its cluster", function()
    local cluster = populated()
    local labels = cluster.core:get("StatefulSet", "default", "db", true).spec.template.metadata.labels
    cluster:close()
    collectgarbage()
    assert.equal("db", labels.a)
  end)
end)

describe("a reader", function()
  local POD <const> = [[
{apiVersion: v1, kind: Pod, metadata: {name: p, annotations: {example.com/a.b: noted}}, spec: {containers: [{name: a, image: a:1}, {name: b, image: b:1}]},
 status: {phase: Running, conditions: [{type: Other, status: "False"}, {type: Ready, status: "True", reason: R}]}}]]

  ---What a reader takes out of an object, the same from its view and from its table.
  local function read(cluster, ...)
    local reader, view = core.reader(...), cluster.core:get("Pod", "default", "p", true)
    local of_view, of_table = table.pack(reader(view)), table.pack(reader(cluster:get "pod/p"))
    assert.equal(of_table.n, of_view.n)
    for i = 1, of_view.n do
      of_view[i] = core.plain(of_view[i])
      assert.same(of_table[i], of_view[i])
    end
    return table.unpack(of_view, 1, of_view.n)
  end

  it("takes fields, items, members of any name, chosen items and lengths", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:import(POD)
    assert.same({ "p", "b:1", "noted", "True", 2, 0, true, false }, { read(cluster, "metadata.name", "spec.containers[2].image",
      "metadata.annotations[example.com/a.b]", "status.conditions[type=Ready].status", "#spec.containers", "#spec.initContainers",
      "?spec.containers", "?spec.initContainers") })
    local condition, none = read(cluster, "status.conditions[type=Ready,reason=R]", "status.conditions[type=Ready,reason=S]")
    assert.equal("Ready", condition.type)
    assert.is_nil(none)
  end)

  it("has nil for what is not there", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:import(POD)
    assert.equal(0, select("#", read(cluster)))
    for _, path in ipairs { "nothing", "metadata.name.first", "spec.containers[3]", "spec.containers[0]", "spec.containers.name", "spec[1]",
      "spec.containers[name=c].image", "status.phase[a=b]" } do
      assert.is_nil((read(cluster, path)))
    end
    assert.is_nil(core.reader "a.b" { a = { b = core.null } })
    assert.is_nil(core.reader "a.b" { a = core.null })
  end)

  it("takes the fields of a list's item, and shows what lies deeper as views", function()
    local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:import(POD)
    local containers = core.reader "spec.containers" (cluster.core:get("Pod", "default", "p", true))
    local of_container = core.reader("name", "image")
    assert.same({ "b", "b:1" }, { of_container(containers, 2) })
    assert.same({ nil, nil }, { of_container(containers, 3) })
    assert.same({ "x", nil }, { of_container({ { name = "x" } }, 1) })
    assert.same({ nil, nil }, { of_container({ "x" }, 1) })
    assert.is_false(getmetatable(containers))
  end)

  it("is refused what is no path", function()
    for _, path in ipairs { "", "#", "a..b", "a.", "a[", "a[]", "a[1", "." } do
      assert.has_error(function() core.reader(path) end)
    end
    assert.has_error(function() core.reader "a" (7) end)
    assert.has_error(function() core.reader "a" (core.quantity "1") end)
  end)
end)
