-- An object of every kind in which every field of its type is set is stored, printed and read again without loss.
local kubesim = require "kubesim"

local function read(path)
  local f <close> = assert(io.open(path))
  return f:read "a"
end

local schema = kubesim.json.decode(read "csrc/api/schema/kubernetes-api-v1.36.json")

local SCALARS <const> = {
  bool = true, int32 = 7, int64 = 7, ["types.UID"] = "0b7e1a44-1111-4222-8333-444455556666", ["resource.Quantity"] = "3",
  ["intstr.IntOrString"] = "25%", ["runtime.RawExtension"] = { free = { form = { 1, "two" } } },
  FieldsV1 = { ["f:metadata"] = { ["f:labels"] = { [".."] = "x" } } }, ["meta/v1.FieldsV1"] = { ["f:spec"] = { ["f:x"] = "y" } },
  Time = "2026-01-02T03:04:05Z", ["meta/v1.Time"] = "2026-01-02T03:04:05Z", ["meta/v1.MicroTime"] = "2026-01-02T03:04:05.000006Z",
  ["[]byte"] = "aGVsbG8=", ["core/v1.ResourceList"] = { cpu = "3", ["example.com/thing"] = "2" }, ResourceList = { memory = "1Gi" },
}

--- A value of a type in which everything is set. Each value of a kind of text is another one, so that none can stand for another.
local count = 0
local agree
local function value_of(type, name)
  type = type:gsub("^%*", "")
  if SCALARS[type] ~= nil then return SCALARS[type] end
  if type:find("^map%[") then return { ["example.com/key"] = value_of(type:match "^map%[[^%]]*%](.*)$", name) } end
  if type:find("^%[%]") then return { value_of(type:sub(3), name) } end
  local fields = schema.types[type]
  if not fields then
    local enum = schema.enums[type]
    if enum and enum.base ~= "string" then return 7 end
    if enum then return enum.values[1] ~= "" and enum.values[1] or enum.values[2] end
    count = count + 1
    return ("%s-%d"):format(name, count)
  end
  local made = {}
  for _, field in ipairs(fields) do
    local value = value_of(field.type, field.name)
    if field.inline then
      for k, v in pairs(value) do made[k] = v end
    else
      made[field.name] = value
    end
  end
  return agree(made)
end

--- Old fields that the server keeps equal to the new ones.
function agree(made)
  if made.serviceAccountName then made.serviceAccount = made.serviceAccountName end
  if made.podIPs then made.podIP = made.podIPs[1].ip end
  if made.podCIDRs then made.podCIDR = made.podCIDRs[1] end
  return made
end

local TYPES <const> = { [""] = "core/v1.", apps = "apps/v1.", ["storage.k8s.io"] = "storage/v1.", ["discovery.k8s.io"] = "discovery/v1.",
  policy = "policy/v1.", ["scheduling.k8s.io"] = "scheduling/v1.", ["coordination.k8s.io"] = "coordination/v1." }

local function object_of(info)
  local object = value_of(TYPES[info.group] .. info.kind, info.kind)
  object.apiVersion, object.kind = info.api_version, info.kind
  object.metadata.name, object.metadata.namespace = "every-field", info.namespaced and "default" or nil
  object.stringData = nil -- of Secrets: becomes part of data
  object.metadata.deletionTimestamp, object.metadata.deletionGracePeriodSeconds = nil, nil
  return object
end

--- Where two values differ, as "path: a, b".
local function differences(a, b, path, out)
  if type(a) == "table" and type(b) == "table" then
    for k, v in pairs(a) do differences(v, b[k], path .. "." .. k, out) end
    for k, v in pairs(b) do
      if a[k] == nil then differences(nil, v, path .. "." .. k, out) end
    end
  elseif a ~= b then
    out[#out + 1] = ("%s: %s, %s"):format(path, tostring(a), tostring(b))
  end
  return out
end

--- What the server sets itself.
local function plain(object)
  local copy = {}
  for k, v in pairs(object) do copy[k] = v end
  copy.metadata = {}
  for k, v in pairs(object.metadata) do copy.metadata[k] = v end
  copy.metadata.resourceVersion, copy.metadata.managedFields, copy.metadata.selfLink = nil, nil, nil
  return copy
end

describe("every field of a", function()
  local cluster <const> = kubesim.new { nodes = 0, kubelet = "manual" }
  teardown(function() cluster:close() end)

  for _, info in ipairs(cluster.core:kinds()) do
    it(info.kind .. " comes back as it was", function()
      local object = object_of(info)
      local stored = cluster:import(object)[1]
      assert.same({}, differences(plain(object), plain(stored), info.kind, {}))
      local ref = info.singular .. "/every-field"
      assert.same({}, differences(stored, cluster:get(ref), info.kind, {}))

      for _, format in ipairs { "yaml", "json" } do
        local text = kubesim[format].encode(stored)
        local other <close> = kubesim.new { nodes = 0, kubelet = "manual" }
        local again = other:import(text)[1]
        assert.same({}, differences(plain(stored), plain(again), info.kind, {}))
        assert.equal(kubesim[format].encode(plain(stored)), kubesim[format].encode(plain(again)))
      end
    end)
  end
end)
