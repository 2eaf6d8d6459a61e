-- How many pods the scheduler sees to before others act on what it did.
local kubesim = require "kubesim"

local function pod(name, cpu)
  return { apiVersion = "v1", kind = "Pod", metadata = { name = name },
    spec = { containers = { { name = "main", image = "app", resources = { requests = { cpu = cpu } } } } } }
end

---Creates pods in one breath, and lets the cluster go until a kubelet has something to do. The names of those that have a node.
local function placed_at_once(cpus)
  local cluster <close> = kubesim.new { nodes = { { name = "a", capacity = { cpu = "4" } } } }
  cluster:settle()
  for i, cpu in ipairs(cpus) do cluster:create(pod("p" .. i, cpu)) end
  repeat local step = assert(cluster:step()) until step.component == "kubelet"
  local placed = {}
  for _, p in ipairs(cluster:list "pods") do
    if p.spec.nodeName then placed[#placed + 1] = p.metadata.name end
  end
  return placed
end

describe("pods that come together", function()
  it("all have their node before anybody acts on the first of them", function()
    assert.same({ "p1", "p2", "p3", "p4" }, placed_at_once { "1", "1", "1", "1" })
  end)

  it("do not wait for one that has to be told that there is no place for it", function()
    assert.same({ "p1", "p3", "p4" }, placed_at_once { "1", "100", "1", "1" })
  end)
end)
