-- What the API server makes of rare things in a pod template: sources behind gates that are off, lists without items, annotations
-- that say again what a field says. The refusals are a v1.36.2 API server's words.
local kubesim = require "kubesim"

local function group(spec, annotations)
  spec.containers = spec.containers or { { name = "main", image = "app:1" } }
  return { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "web" }, spec = { replicas = 0,
    selector = { matchLabels = { app = "web" } },
    template = { metadata = { labels = { app = "web" }, annotations = annotations }, spec = spec } } }
end

local function refusal(spec, annotations)
  local cluster <close> = kubesim.new { kubelet = "manual" }
  local ok, err = pcall(cluster.create, cluster, group(spec, annotations))
  assert.is_false(ok)
  return (err.message:gsub('^Deployment.apps "web" is invalid: ', ""))
end

local function projected(sources)
  local cluster <close> = kubesim.new { kubelet = "manual" }
  cluster:create(group { volumes = { { name = "all", projected = { sources = sources } } } })
  local template = cluster:get "deploy/web".spec.template
  cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "a" }, spec = template.spec }
  local pod = cluster:get "pod/a"
  return template.spec.volumes[1].projected.sources, pod.spec.volumes[1].projected.sources
end

describe("a pod template", function()
  it("does not keep sources of projected volumes that are behind gates", function()
    local kept, of_pod = projected { { clusterTrustBundle = { name = "x", path = "b" } },
      { podCertificate = { signerName = "a.b/c", keyType = "ED25519", credentialBundlePath = "c" } }, { secret = { name = "s" } } }
    assert.same({ {}, {}, { secret = { name = "s" } } }, kept)
    assert.same(kept, of_pod)
  end)

  it("has null where a list without items was written that is always shown", function()
    local kept, of_pod = projected {}
    assert.equal(kubesim.null, kept)
    assert.equal(kubesim.null, of_pod)
  end)

  it("is refused where an annotation and a field name different profiles", function()
    local function container(context) return { { name = "main", image = "app:1", securityContext = context } } end
    assert.equal("spec.template.spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match",
      refusal({ securityContext = { seccompProfile = { type = "Unconfined" } } },
        { ["seccomp.security.alpha.kubernetes.io/pod"] = "runtime/default" }))
    assert.equal("spec.template.spec.containers[0].securityContext.seccompProfile.localhostProfile: Forbidden: "
      .. "seccomp profile in annotation and field must match",
      refusal({ containers = container { seccompProfile = { type = "Localhost", localhostProfile = "a" } } },
        { ["container.seccomp.security.alpha.kubernetes.io/main"] = "localhost/b" }))
    local APPARMOR <const> = { ["container.apparmor.security.beta.kubernetes.io/main"] = "runtime/default" }
    local WORDS <const> = "spec.template.spec.containers[0].securityContext.appArmorProfile.type: Forbidden: "
      .. "apparmor type in annotation and field must match"
    assert.equal(WORDS, refusal({ containers = container { appArmorProfile = { type = "Unconfined" } } }, APPARMOR))
    assert.equal(WORDS, refusal({ securityContext = { appArmorProfile = { type = "Unconfined" } } }, APPARMOR))
    local cluster <close> = kubesim.new { kubelet = "manual" }
    cluster:create(group({ containers = container { appArmorProfile = { type = "RuntimeDefault" } } }, APPARMOR))
  end)

  it("is refused where a sysctl belongs to the node, with slashes too", function()
    assert.equal("spec.template.spec.securityContext.sysctls[0].name: Invalid value: \"kernel/msgmax\": "
      .. "may not be specified when 'hostIPC' is true",
      refusal { hostIPC = true, securityContext = { sysctls = { { name = "kernel/msgmax", value = "1" } } } })
    local cluster <close> = kubesim.new { kubelet = "manual" }
    cluster:create(group { hostIPC = true, securityContext = { sysctls = { { name = "kernel.msgother", value = "1" } } } })
  end)
end)
