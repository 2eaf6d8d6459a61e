-- What a v1.36.2 API server makes of a pod whose AppArmor profiles are still given in annotations: fields, and a warning.
local kubesim = require "kubesim"

local PREFIX <const> = "container.apparmor.security.beta.kubernetes.io/"

local function pod(annotations, spec)
  spec = spec or {}
  spec.containers = { { name = "main", image = "app" }, { name = "helper", image = "app" } }
  return { apiVersion = "v1", kind = "Pod", metadata = { name = "web", labels = { app = "web" }, annotations = annotations }, spec = spec }
end

local function created(manifest)
  local cluster <close> = kubesim.new { nodes = 0 }
  local _, said = cluster:kubectl("create -f -", kubesim.json.encode(manifest))
  local object, containers = cluster:get "pod/web", {}
  for i, container in ipairs(object.spec.containers) do
    containers[i] = container.securityContext and container.securityContext.appArmorProfile or "none"
  end
  return containers, said
end

local function warning(container)
  return ('Warning: metadata.annotations[%s%s]: deprecated since v1.30; use the "appArmorProfile" field instead\n')
    :format(PREFIX, container)
end

describe("a pod with AppArmor annotations", function()
  it("gets the fields that they stand for, container by container", function()
    local profiles, said = created(pod { [PREFIX .. "main"] = "localhost/k8s-web", [PREFIX .. "helper"] = "runtime/default" })
    assert.same({ { type = "Localhost", localhostProfile = "k8s-web" }, { type = "RuntimeDefault" } }, profiles)
    assert.equal(warning "main" .. warning "helper", said)
  end)

  it("gets none where the pod has that profile already, and is not warned", function()
    local unconfined = { securityContext = { appArmorProfile = { type = "Unconfined" } } }
    local profiles, said = created(pod({ [PREFIX .. "main"] = "unconfined" }, unconfined))
    assert.same({ "none", "none" }, profiles)
    assert.is_nil(said)
  end)

  it("is only warned of those that no field can have", function()
    for _, value in ipairs { "localhost/", "localhost/ padded" } do
      local profiles, said = created(pod { [PREFIX .. "main"] = value })
      assert.same({ "none", "none" }, profiles)
      assert.equal(warning "main", said)
    end
  end)

  it("keeps to annotations on Windows", function()
    local profiles, said = created(pod({ [PREFIX .. "main"] = "unconfined" }, { os = { name = "windows" } }))
    assert.same({ "none", "none" }, profiles)
    assert.is_nil(said)
  end)

  it("has the same made by a controller: its template stays as it is", function()
    local cluster <close> = kubesim.new {}
    local template = pod { [PREFIX .. "main"] = "runtime/default" }
    cluster:create { apiVersion = "apps/v1", kind = "StatefulSet", metadata = { name = "web" }, spec = { replicas = 3,
      selector = { matchLabels = { app = "web" } },
      template = { metadata = { labels = { app = "web" }, annotations = template.metadata.annotations }, spec = template.spec } } }
    assert(cluster:wait_for("sts/web", "ready"))
    assert.is_nil(cluster:get "sts/web".spec.template.spec.containers[1].securityContext)
    for i = 0, 2 do
      assert.same({ appArmorProfile = { type = "RuntimeDefault" } }, cluster:get("pod/web-" .. i).spec.containers[1].securityContext)
    end
  end)
end)

it("a pod created with a class of service in its status keeps it", function()
  local cluster <close> = kubesim.new {}
  local manifest = pod()
  manifest.status = { qosClass = "Guaranteed", phase = "Failed" }
  cluster:create(manifest)
  assert.same({ phase = "Pending", qosClass = "Guaranteed" }, cluster:get "pod/web".status)
end)
