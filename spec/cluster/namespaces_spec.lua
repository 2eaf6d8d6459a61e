-- What is in a namespace is found among many objects in many namespaces, whatever came and went, in forks and after refused calls.
local kubesim = require "kubesim"
local dice = require "spec.support.dice"

local function names(cluster, namespace)
  local out = {}
  for i, object in ipairs(cluster:list("ConfigMap", { namespace = namespace })) do out[i] = object.metadata.name end
  return table.concat(out, " ")
end

--- What a list says, of what the life put there: {[namespace] = {[name] = true}}.
local function expected(there, namespace)
  local out = {}
  for name in pairs(there[namespace] or {}) do out[#out + 1] = name end
  table.sort(out)
  return table.concat(out, " ")
end

local function copy(there)
  local out = {}
  for namespace, some in pairs(there) do
    out[namespace] = {}
    for name in pairs(some) do out[namespace][name] = true end
  end
  return out
end

local SPACES <const> = { "a", "b", "c" }

local function map(namespace, name)
  return { apiVersion = "v1", kind = "ConfigMap", metadata = { name = name, namespace = namespace } }
end

--- Something comes or goes in one of the namespaces.
local function happen(cluster, rolled, there)
  local namespace, name = rolled.one_of(SPACES), "m" .. rolled.below(90)
  if there[namespace][name] then
    cluster:delete("configmap/" .. name, { namespace = namespace })
    there[namespace][name] = nil
  else
    cluster:create(map(namespace, name))
    there[namespace][name] = true
  end
end

local function check(cluster, there)
  for _, namespace in ipairs(SPACES) do assert.equal(expected(there, namespace), names(cluster, namespace)) end
  assert.equal("", names(cluster, "none"))
end

describe("Objects of one of many namespaces", function()
  for seed = 1, 6 do
    it("are those that were put there and are there still (" .. seed .. ")", function()
      local cluster <close> = kubesim.new { nodes = 0, kubelet = "manual", seed = seed }
      local rolled, there = dice(seed), { a = {}, b = {}, c = {} }
      for _, namespace in ipairs(SPACES) do
        cluster:create { apiVersion = "v1", kind = "Namespace", metadata = { name = namespace } }
      end
      for i = 0, 79 do -- all in one, at first
        cluster:create(map("a", "m" .. i))
        there.a["m" .. i] = true
      end
      check(cluster, there)
      for step = 1, 120 do
        happen(cluster, rolled, there)
        if step % 10 == 0 then check(cluster, there) end
        if step % 40 == 0 then
          local fork <close> = cluster:fork()
          local then_ = copy(there)
          for _ = 1, 10 do happen(fork, rolled, then_) end
          check(fork, then_)
          assert.has_error(function()
            cluster:apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: b}\n---\nkind: Nothing\napiVersion: v1\n")
          end)
          check(cluster, there)
        end
      end
      cluster:delete "namespace/b"
      cluster:settle()
      there.b = {}
      check(cluster, there)
    end)
  end

  it("are told with their events", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    for i = 1, 30 do
      cluster:create { apiVersion = "v1", kind = "Namespace", metadata = { name = "ns" .. i } }
      cluster:create {
        apiVersion = "v1", kind = "Pod", metadata = { name = "web", namespace = "ns" .. i },
        spec = { containers = { { name = "main", image = "app" } } } }
    end
    cluster:settle()
    for i = 1, 30 do
      local reasons = {}
      for k, event in ipairs(cluster:list("Event", { namespace = "ns" .. i })) do
        assert.equal("ns" .. i, event.metadata.namespace)
        reasons[k] = event.reason
      end
      table.sort(reasons)
      assert.same({ "Created", "Pulled", "Pulling", "Scheduled", "Started" }, reasons)
    end
  end)
end)
