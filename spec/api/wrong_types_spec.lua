-- How the API server names a value of a wrong type: Go's struct, then the path, in which from 1.35 on the structs are named that Go
-- has inlined. The texts are a v1.36.2 API server's, and a v1.34.9 one's.
local kubesim = require "kubesim"

local VOLUME <const>, PROBE <const> = { name = "v" }, { name = "main", image = "app" }

local function with(base, key, value)
  local out = { [key] = value }
  for k, v in pairs(base) do out[k] = v end
  return out
end

local function pod(spec)
  spec.containers = spec.containers or { PROBE }
  return { apiVersion = "v1", kind = "Pod", metadata = { name = "web" }, spec = spec }
end

local function container(key, value) return pod { containers = { with(PROBE, key, value) } } end

local function volume(key, value) return pod { volumes = { with(VOLUME, key, value) } } end

local CASES <const> = {
  { volume("emptyDir", "x"), "string into Go struct field Volume.spec.volumes.[VolumeSource.]emptyDir of type v1.EmptyDirVolumeSource" },
  { volume("secret", { items = { { key = 3 } } }),
    "number into Go struct field KeyToPath.spec.volumes.[VolumeSource.]secret.items.key of type string" },
  { volume("configMap", { name = 3 }), "number into Go struct field "
    .. "ConfigMapVolumeSource.spec.volumes.[VolumeSource.]configMap.[LocalObjectReference.]name of type string" },
  { container("livenessProbe", { httpGet = { path = 4 } }),
    "number into Go struct field HTTPGetAction.spec.containers.livenessProbe.[ProbeHandler.]httpGet.path of type string" },
  { container("lifecycle", { preStop = { exec = { command = 4 } } }),
    "number into Go struct field ExecAction.spec.containers.lifecycle.preStop.exec.command of type []string" },
  { pod { ephemeralContainers = { { name = 4 } } },
    "number into Go struct field EphemeralContainer.spec.ephemeralContainers.[EphemeralContainerCommon.]name of type string" },
  { { apiVersion = "v1", kind = "PersistentVolume", metadata = { name = "web" }, spec = { csi = { nodeStageSecretRef = { name = 4 } } } },
    "number into Go struct field SecretReference.spec.[PersistentVolumeSource.]csi.nodeStageSecretRef.name of type string" },
}

for version, inlined in pairs { ["1.36"] = "%1", ["1.35"] = "%1", ["1.34"] = "" } do
  it("a wrong type is named with the path of Go's structs as " .. version .. " does", function()
    local cluster <close> = kubesim.new { nodes = 0, version = version }
    for _, case in ipairs(CASES) do
      local kind, text = case[1].kind, case[2]:gsub("%[([%a.]+%.)%]", inlined)
      local ok, err = pcall(cluster.create, cluster, case[1])
      assert.is_false(ok)
      assert.equal(('%s in version "v1" cannot be handled as a %s: json: cannot unmarshal %s'):format(kind, kind, text), err.message)
    end
  end)
end
