-- Who names whom: pods their claims by name, whichever of them came first, and whatever has had that name before.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local function pod(name, claims)
  local volumes = {}
  for i, claim in ipairs(claims) do volumes[i] = { name = "v" .. i, persistentVolumeClaim = { claimName = claim } } end
  return workload.pod(name, nil, { volumes = volumes })
end

---Whether a claim is kept when it is deleted, because pods name it.
local function is_kept(cluster, ref)
  local fork <close> = cluster:fork()
  fork:delete(ref)
  fork:advance(1)
  return fork:get(ref) ~= nil
end

---Takes a claim out of the cluster under the hands of its pods.
local function tear_out(cluster, ref)
  cluster:delete(ref)
  cluster:patch(ref, { metadata = { finalizers = kubesim.null } })
  cluster:advance(1)
  assert.is_nil(cluster:get(ref))
end

describe("a claim", function()
  for _, names in ipairs { { "a" }, { "a", "b", "c" } } do
    it(("is known to be named by what was there before it, and still is: %d"):format(#names), function()
      local cluster <close> = kubesim.new { nodes = 1 }
      for _, name in ipairs(names) do cluster:create(pod(name, { "data" })) end
      cluster:advance(1)
      for _ = 1, 3 do
        cluster:create(workload.claim("data", "fast"))
        cluster:advance(1)
        assert.is_true(is_kept(cluster, "pvc/data"))
        tear_out(cluster, "pvc/data")
      end
      local before <close> = cluster:fork()
      for _, name in ipairs(names) do cluster:delete("pod/" .. name, { force = true }) end
      for _, c in ipairs { cluster, before } do
        c:create(workload.claim("data", "fast"))
        c:advance(1)
        assert.equal(c == before, is_kept(c, "pvc/data"))
      end
    end)
  end

  it("is not taken for another that a pod names with it", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:create(workload.claim("one", "fast"))
    cluster:create(pod("both", { "one", "two", "two" }))
    for _, name in ipairs { "two", "three" } do cluster:create(workload.claim(name, "fast")) end
    cluster:advance(1)
    for name, kept in pairs { one = true, two = true, three = false } do assert.equal(kept, is_kept(cluster, "pvc/" .. name)) end
    cluster:delete("pod/both", { force = true })
    cluster:advance(1)
    for _, name in ipairs { "one", "two", "three" } do assert.is_false(is_kept(cluster, "pvc/" .. name)) end
  end)
end)
