-- spec/golden/placements.json: where a real v1.36.2 scheduler put a pod in small random clusters, with every plugin's weighted score;
-- why it went nowhere; whom it put out of the way.
local kubesim = require "kubesim"

local function read(path)
  local f <close> = assert(io.open(path))
  return kubesim.json.decode(f:read "a")
end

local PRIORITIES = { low = 10, mid = 100, high = 1000 }

---The cluster of a problem, with the pod that is to be placed in it.
local function lay_out(problem)
  local cluster = kubesim.new { nodes = 0, kubelet = "manual" }
  local nodes = {}
  for i, n in ipairs(problem.nodes) do
    nodes[i] = {
      apiVersion = "v1", kind = "Node", metadata = { name = n.name, labels = n.labels },
      spec = { taints = n.taints, unschedulable = n.unschedulable },
      status = { capacity = n.capacity, allocatable = n.capacity, images = n.images,
        conditions = { { type = "Ready", status = "True" } } },
    }
  end
  cluster:import(nodes)
  for name, value in pairs(PRIORITIES) do
    cluster:create { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = name }, value = value }
  end
  local function create(pod)
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = pod.metadata, spec = pod.spec }
  end
  for _, pod in ipairs(problem.pods) do create(pod) end
  cluster:advance(1)
  create(problem.pod)
  cluster:advance(2)
  return cluster
end

local function scheduled(pod)
  for _, c in ipairs(pod.status.conditions) do
    if c.type == "PodScheduled" then return c end
  end
end

local function best(totals)
  local most = math.mininteger
  for _, total in pairs(totals) do most = math.max(most, total) end
  return most
end

local function leaving(cluster, pods)
  local names = {}
  for _, p in ipairs(pods) do
    local pod = cluster:get("pod/" .. p.metadata.name)
    if not pod or pod.metadata.deletionTimestamp then names[#names + 1] = p.metadata.name end
  end
  table.sort(names)
  return names
end

describe("a pod is placed as on the real cluster", function()
  for i, problem in ipairs(read "spec/golden/placements.json") do
    local kind = problem.victims and "putting others out of the way" or problem.message and "nowhere"
      or problem.total and "by scores" or "on the only node that will do"
    it(("%s (problem %d)"):format(kind, i), function()
      local cluster <close> = lay_out(problem)
      local pod, look = cluster:get "pod/p", cluster:placement "p"
      if problem.message then
        assert.is_nil(pod.spec.nodeName)
        assert.equal(problem.message, scheduled(pod).message)
      elseif problem.total then -- any of the best is right
        assert.equal(best(problem.total), problem.total[pod.spec.nodeName])
        assert.equal(pod.spec.nodeName, look.node)
      else
        assert.equal(problem.node, pod.spec.nodeName)
      end
      assert.equal(problem.nominated, pod.status.nominatedNodeName)
      assert.same(problem.victims or {}, leaving(cluster, problem.pods))
      for node, total in pairs(problem.total or {}) do
        assert.same({ node, total, problem.scores[node] }, { node, look.nodes[node].total, look.nodes[node].scores })
      end
    end)
  end
end)
