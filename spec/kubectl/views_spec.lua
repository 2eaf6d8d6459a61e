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
