-- What a cluster's objects print as YAML is read again: stored as it was (import), or made anew (apply).
local kubesim = require "kubesim"

local WORLD <const> = [[
apiVersion: v1
kind: Namespace
metadata: {name: other}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - {name: c, image: "nginx", ports: [{containerPort: 80}], volumeMounts: [{name: data, mountPath: /data}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: other}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: texts, annotations: {note: "yes\n# no comment"}}
data: {a: "on", b: "0x10", c: "line\n  more\n", d: "", "e": "1e3", f: "2026-01-02", g: "- x"}
]]

local KINDS <const> = { "sts", "rs", "deploy", "pod", "svc", "cm", "pvc", "pv", "controllerrevision", "endpoints", "endpointslice", "ns",
  "sc" }

local function everything(cluster)
  local list = {}
  for _, kind in ipairs(KINDS) do
    for _, object in ipairs(cluster:list(kind, { all_namespaces = true })) do list[#list + 1] = object end
  end
  return list
end

local function documents(list)
  local texts = {}
  for i, object in ipairs(list) do texts[i] = kubesim.yaml.encode(object) end
  return table.concat(texts, "---\n")
end

--- By kind, namespace and name; without versions.
local function by_name(list, drop)
  local map = {}
  for _, object in ipairs(list) do
    object.metadata.resourceVersion, object.metadata.managedFields = nil, nil
    if drop then drop(object) end
    map[("%s %s/%s"):format(object.kind, object.metadata.namespace or "", object.metadata.name)] = object
  end
  return map
end

describe("objects printed as YAML", function()
  local cluster, objects
  setup(function()
    cluster = kubesim.new { nodes = 2 }
    cluster:apply(WORLD)
    cluster:settle()
    objects = everything(cluster)
  end)
  teardown(function() cluster:close() end)

  it("are imported as they were, status and uid included", function()
    local other <close> = kubesim.new { nodes = 0, kubelet = "manual", storage_classes = {} }
    local mine = {}
    for _, object in ipairs(objects) do
      if not other:get(object.kind .. "/" .. object.metadata.name, { namespace = object.metadata.namespace }) then
        mine[#mine + 1] = object
      end
    end
    local imported = other:import(documents(mine))
    assert.same(by_name(mine), by_name(imported))
  end)

  it("are read as a List too", function()
    local other <close> = kubesim.new { nodes = 0, kubelet = "manual", storage_classes = {} }
    local list = kubesim.yaml.encode { apiVersion = "v1", kind = "List", items = { objects[1], cluster:get "cm/texts" } }
    assert.same(by_name { objects[1], cluster:get "cm/texts" }, by_name(other:import(list)))
  end)

  it("are refused where the name is taken", function()
    local ok, err = pcall(cluster.import, cluster, documents { cluster:get "cm/texts" })
    assert.is_false(ok)
    assert.equal('configmaps "texts" already exists', err.message)
  end)

  it("change nothing where they are applied again", function()
    local same <close> = cluster:fork()
    for _, entry in ipairs(same:apply(documents { cluster:get "cm/texts", cluster:get "sts/db", cluster:get "svc/db" })) do
      assert.same(cluster:get(entry.kind .. "/" .. entry.name).spec, entry.object.spec)
      assert.same(cluster:get(entry.kind .. "/" .. entry.name).data, entry.object.data)
    end
    same:settle()
    assert.same(by_name(cluster:list "pod"), by_name(same:list "pod"))
  end)

  it("make the same state anew: what controllers make comes by itself", function()
    local other <close> = kubesim.new { nodes = 2 }
    local roots = {}
    for _, ref in ipairs { "ns/other", "sts/db", "svc/db", "deploy/web", "cm/texts" } do
      roots[#roots + 1] = assert(cluster:get(ref) or cluster:get(ref, { namespace = "other" }))
    end
    other:apply(documents(roots))
    other:settle()
    local function spec_alone(object)
      object.metadata, object.status = { name = object.metadata.name, namespace = object.metadata.namespace }, nil
    end
    for _, kind in ipairs { "sts", "deploy", "svc", "cm" } do
      local function own(c) return by_name(c:list(kind, { all_namespaces = true }), spec_alone) end
      local want, got = own(cluster), own(other)
      assert.same(want, got)
    end
    assert.equal(cluster:count("pod", { all_namespaces = true }), other:count("pod", { all_namespaces = true }))
    assert.equal(2, other:get "sts/db".status.readyReplicas)
  end)
end)
