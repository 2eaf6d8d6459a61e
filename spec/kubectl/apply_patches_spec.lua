-- The patch that kubectl apply makes of three manifests, where it is odd: elements of one key, members without, strategies that
-- replace, nulls; and what is said when it cannot be taken. All as a v1.36.2 API server and kubectl did it.
local kubesim = require "kubesim"

local function service(ports)
  return { apiVersion = "v1", kind = "Service", metadata = { name = "dns" }, spec = { ports = ports, selector = { app = "dns" } } }
end

local function deployment(container)
  container.name, container.image = "main", "app"
  return { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web" }, spec = {
    selector = { matchLabels = { app = "web" } },
    template = { metadata = { labels = { app = "web" } }, spec = { containers = { container } } } } }
end

---Applies one after the other; what the last one said, and whether it was refused.
local function apply(cluster, ...)
  local ok, out, err
  for _, manifest in ipairs { ... } do
    ok, out, err = pcall(cluster.kubectl, cluster, "apply -f -", kubesim.json.encode(manifest))
  end
  return ok and (err or "") .. out or tostring(out), ok
end

local function control_plane() return kubesim.new { nodes = 0, kubelet = "manual" } end

describe("kubectl apply", function()
  it("of two elements of one key has the first one's members where both say something", function()
    local cluster <close> = control_plane()
    local metrics = { name = "metrics", port = 8083, protocol = "TCP", targetPort = 8083 }
    apply(cluster, service { metrics }, service { metrics, { name = "", port = 8083, targetPort = 8083 } })
    assert.same({ metrics }, cluster:get "svc/dns".spec.ports)
  end)

  it("says why there is no patch for elements of one key that stand apart", function()
    local cluster <close> = control_plane()
    local function env(...)
      local list = {}
      for i, pair in ipairs { ... } do list[i] = { name = pair:sub(1, 1), value = pair:sub(3) } end
      return deployment { env = list }
    end
    local said, ok = apply(cluster, env("A=1", "B=1"), env("C=2", "A=2", "C=3"))
    assert.is_false(ok)
    local why = "The order in patch list:\n[map[name:C value:3] map[name:C value:2] map[name:A value:2]]\n"
      .. " doesn't match $setElementOrder list:\n[map[name:C] map[name:A] map[name:C]]\n"
    local head = "warning: error calculating patch from openapi v3 spec: " .. why
      .. "\nwarning: error calculating patch from openapi spec: " .. why
      .. '\nerror: error when applying patch:\n\nto:\nResource: "apps/v1, Resource=deployments", GroupVersionKind: "apps/v1, '
      .. 'Kind=Deployment"\nName: "web", Namespace: "default"\nfor: "STDIN": error when patching "STDIN": creating patch with:\noriginal:\n'
      .. '{"apiVersion":"apps/v1","kind":"Deployment",'
    assert.equal(head, said:sub(1, #head))
    assert.matches('\n\nmodified:\n{"apiVersion":"apps/v1",.*\n\ncurrent:\n{"apiVersion":"apps/v1",.*\n\nfor: The order in patch list:\n',
      said)
  end)

  it("names an element that has lost its key", function()
    local cluster <close> = control_plane()
    local said, ok = apply(cluster, deployment { env = { { name = "A", value = "1" } } }, deployment { env = { { value = "2" } } })
    assert.is_false(ok)
    local why = "map: map[value:2] does not contain declared merge key: name"
    assert.matches("warning: error calculating patch from openapi v3 spec: " .. why .. "\n", said, 1, true)
    assert.equal("\nfor: " .. why, said:sub(-6 - #why))
    assert.equal("1", cluster:get "deploy/web".spec.template.spec.containers[1].env[1].value)
  end)

  it("of a PodDisruptionBudget always sends the selector, which replaces what somebody added", function()
    local cluster <close> = control_plane()
    local budget = { apiVersion = "policy/v1", kind = "PodDisruptionBudget", metadata = { name = "web" },
      spec = { minAvailable = 1, selector = { matchLabels = { app = "web" } } } }
    assert.equal("poddisruptionbudget.policy/web configured\n", (apply(cluster, budget, budget)))
    cluster:patch("pdb/web", { spec = { selector = { matchLabels = { app = "web", tier = "x" } } } })
    apply(cluster, budget)
    assert.same({ app = "web" }, cluster:get "pdb/web".spec.selector.matchLabels)
  end)

  it("makes empty texts of annotations that are null, and of nothing else", function()
    local cluster <close> = control_plane()
    apply(cluster, { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "m", annotations = { a = kubesim.null },
      labels = { l = kubesim.null } }, data = { k = kubesim.null } })
    local object = cluster:get "cm/m"
    assert.equal("", object.metadata.annotations.a)
    assert.is_nil(object.metadata.labels)
    assert.is_nil(object.data)
    assert.matches('"annotations":{"a":""},"labels":{"l":null}',
      object.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"], 1, true)
  end)

  it("shows what is left of a patch that cannot be taken", function()
    local cluster <close> = control_plane()
    local said = apply(cluster, service { { port = 53 } }, service { { port = 53, zz = "added" } })
    assert.matches(']] spec:map[]]": strict decoding error: unknown field "spec.ports[0].zz"', said, 1, true)
  end)
end)

describe("a strategic patch with a value of a wrong type", function()
  for patch, why in pairs {
    ['{"spec":{"strategy":{"type":7}}}'] = "cannot convert int64 to v1.DeploymentStrategyType",
    ['{"spec":{"strategy":{"type":true}}}'] = "unrecognized type: string",
    ['{"spec":{"strategy":{"type":[1]}}}'] = "unrecognized type: string",
    ['{"spec":{"strategy":4}}'] = "cannot restore struct from: int64",
    ['{"spec":{"template":{"spec":{"overhead":4}}}}'] = "cannot restore map from int64",
    ['{"spec":{"template":{"spec":{"nodeName":4}}}}'] = "cannot convert int64 to string",
    ['{"spec":{"template":{"spec":{"nodeSelector":4}}}}'] = "cannot restore map from int64",
  } do
    it("is refused in the converter's words: " .. patch, function()
      local cluster <close> = control_plane()
      cluster:create(deployment {})
      local ok, err = pcall(cluster.kubectl, cluster, "patch deploy web -p '" .. patch .. "'")
      assert.is_false(ok)
      assert.matches('": ' .. why, tostring(err), 1, true)
    end)
  end
end)
