-- The annotation controller.kubernetes.io/pod-deletion-cost: what the API server takes, and what a ReplicaSet makes of it.
local kubesim = require "kubesim"

local function pod(cost)
  return { apiVersion = "v1", kind = "Pod",
    metadata = { name = "a", annotations = { ["controller.kubernetes.io/pod-deletion-cost"] = cost } },
    spec = { containers = { { name = "main", image = "app:1" } } } }
end

describe("a pod's deletion cost", function()
  local cluster <const> = kubesim.new { nodes = 1, kubelet = "manual" }

  for _, cost in ipairs { "0", "-0", "5", "-5", "-05", "2147483647", "-2147483648", "-00000000000000000007" } do
    it("may be " .. cost, function() cluster:create(pod(cost), { dry_run = true }) end)
  end

  for _, cost in ipairs { "", "+5", "05", "00", "abc", "1.5", " 1", "1 ", "-", "2147483648", "-2147483649", "99999999999" } do
    it(("may not be %q"):format(cost), function()
      local ok, refusal = pcall(cluster.create, cluster, pod(cost), { dry_run = true })
      assert.is_false(ok)
      assert.equal('The Pod "a" is invalid: metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "' .. cost ..
        '": must be a 32bit integer', tostring(refusal))
    end)
  end

  it("counts with leading zeros behind a minus sign, too", function()
    local other <close> = kubesim.new { nodes = 1, kubelet = "manual" }
    other:create { apiVersion = "apps/v1", kind = "ReplicaSet", metadata = { name = "web" },
      spec = { replicas = 4, selector = { matchLabels = { app = "web" } }, template = { metadata = { labels = { app = "web" } },
        spec = { containers = { { name = "main", image = "app:1" } } } } } }
    other:settle()
    local names = {}
    for i, p in ipairs(other:list "pod") do
      names[i] = p.metadata.name
      other:drive(names[i], "ready")
    end
    other:kubectl("annotate pod " .. names[3] .. " controller.kubernetes.io/pod-deletion-cost=-05")
    other:scale("rs/web", 3)
    other:settle()
    for i, name in ipairs(names) do
      assert.equal(i == 3, other:get("pod/" .. name).metadata.deletionTimestamp ~= nil)
    end
  end)
end)
