-- Who is put out of the way for a pod of higher priority, and on which node.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

local CLASSES <const> = { least = -2147483648, low = 10, middle = 90, high = 100, top = 1000, patient = 1000 }

describe("a pod that finds no room", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 0, kubelet = "manual" }
    for name, value in pairs(CLASSES) do
      cluster:create { apiVersion = "scheduling.k8s.io/v1", kind = "PriorityClass", metadata = { name = name },
        value = value, preemptionPolicy = name == "patient" and "Never" or nil }
    end
  end)
  after_each(function() cluster:close() end)

  local function node(name, cpu)
    local capacity = { cpu = cpu, memory = "8Gi", pods = "110" }
    cluster:import { apiVersion = "v1", kind = "Node", metadata = { name = name, labels = { ["kubernetes.io/hostname"] = name } },
      status = { capacity = capacity, allocatable = capacity, conditions = { { type = "Ready", status = "True" } } } }
    cluster:advance(1)
  end

  ---A pod of a CPU on a node, that has started unless it waits; the next one is a minute younger.
  local function there(name, on, class, more)
    more = more or {}
    cluster:create(workload.pod(name, more.labels, { nodeName = on, priorityClassName = class, containers = {
      { name = "main", image = "app:1", resources = { requests = { cpu = "1" } } } } }))
    if not more.waits then cluster:drive(name, "running") end
    cluster:advance "1m"
  end

  ---Pods with such labels may not be disrupted, or so many of them; in a namespace of its own if so. One is known to be going.
  local function budget(labels, allowed, namespace, going)
    cluster:lag("disruption", "24h") -- it says what it is told to say
    if namespace then cluster:create { apiVersion = "v1", kind = "Namespace", metadata = { name = namespace } } end
    cluster:import { apiVersion = "policy/v1", kind = "PodDisruptionBudget",
      metadata = { name = "budget", namespace = namespace or "default" },
      spec = { minAvailable = 1, selector = { matchLabels = labels } }, status = { disruptionsAllowed = allowed,
        disruptedPods = going and { [going] = cluster:clock() }, currentHealthy = 0,
        desiredHealthy = 0, expectedPods = 0 } }
    cluster:advance(1)
  end

  ---Who goes for a pod that asks for so much CPU, in order of their names.
  local function gone_for(cpu, more)
    local spec = { priorityClassName = "top", containers = {
      { name = "main", image = "app:1", resources = { requests = { cpu = cpu } } } } }
    for key, value in pairs(more or {}) do spec[key] = value end
    cluster:create(workload.pod("new", nil, spec))
    cluster:advance(1)
    local names = {}
    for _, pod in ipairs(cluster:list "pod") do
      if pod.metadata.deletionTimestamp then names[#names + 1] = pod.metadata.name end
    end
    return table.concat(names, " ")
  end

  describe("takes the place", function()
    before_each(function() node("a", "2") end)

    it("of whoever started last, of those that matter as little", function()
      there("b-old", "a", "low")
      there("a-young", "a", "low")
      assert.equal("a-young", gone_for "1")
    end)

    it("of one that has not started", function()
      there("a-waits", "a", "low", { waits = true })
      there("b-runs", "a", "low")
      assert.equal("a-waits", gone_for "1")
    end)

    it("of one that has not started, whoever came first", function()
      there("a-runs", "a", "low")
      there("b-waits", "a", "low", { waits = true })
      assert.equal("b-waits", gone_for "1")
    end)

    it("of one whose budget does not mind", function()
      there("old", "a", "low")
      there("young", "a", "low", { labels = { app = "web" } })
      budget({ app = "web" }, 0)
      assert.equal("old", gone_for "1")
    end)

    it("of one that its budget knows to be going", function()
      there("old", "a", "low")
      there("young", "a", "low", { labels = { app = "web" } })
      budget({ app = "web" }, 0, nil, "young")
      assert.equal("young", gone_for "1")
    end)

    it("of one whose like is minded in another namespace", function()
      there("old", "a", "low")
      there("young", "a", "low", { labels = { app = "web" } })
      budget({ app = "web" }, 0, "other")
      assert.equal("young", gone_for "1")
    end)

    it("of nobody, where it would rather wait", function()
      there("old", "a", "low")
      there("young", "a", "low")
      assert.equal("", gone_for("1", { priorityClassName = "patient" }))
      assert.matches("preemption: not eligible due to preemptionPolicy=Never.", workload.told(cluster, "pod/new")[1], 1, true)
    end)
  end)

  describe("goes where", function()
    before_each(function()
      node("a", "2")
      node("b", "2")
    end)

    it("budgets are heeded, before it is asked who matters", function()
      there("a1", "a", "low", { labels = { app = "web" } })
      there("a2", "a", "low", { labels = { app = "web" } })
      there("b1", "b", "high")
      there("b2", "b", "high")
      budget({ app = "web" }, 1)
      assert.equal("b1 b2", gone_for "2")
    end)

    it("the one that matters most matters least", function()
      there("b1", "b", "middle")
      there("b2", "b", "middle")
      there("a1", "a", "low")
      there("a2", "a", "high")
      assert.equal("b1 b2", gone_for "2")
    end)

    it("the one that matters most matters least, also if a budget minds another", function()
      there("a1", "a", "low", { labels = { app = "web" } })
      there("a2", "a", "high")
      there("b1", "b", "middle", { labels = { app = "web" } })
      there("b2", "b", "middle")
      budget({ app = "web" }, 0)
      assert.equal("b1 b2", gone_for "2")
    end)

    it("all of them together matter less", function()
      there("b1", "b", "high")
      there("b2", "b", "low")
      there("a1", "a", "high")
      there("a2", "a", "middle")
      assert.equal("b1 b2", gone_for "2")
    end)

    for first, last in pairs { a = "b", b = "a" } do
      it("the one that matters most started last: on " .. last, function()
        there(last .. "2", last, "low")
        there(first .. "2", first, "low")
        there(first .. "1", first, "high")
        there(last .. "1", last, "high")
        assert.equal(("%s1 %s2"):format(last, last), gone_for "2")
      end)
    end
  end)

  it("goes where there are fewer, where those that are more matter as little together", function()
    node("a", "2")
    node("b", "1")
    there("b1", "b", "low")
    -- two have to go from a, since they may not be with the new one
    there("a1", "a", "low", { labels = { shy = "yes" } })
    there("a2", "a", "least", { labels = { shy = "yes" } })
    assert.equal("b1", gone_for("1", { affinity = { podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution = { {
      topologyKey = "kubernetes.io/hostname", labelSelector = { matchLabels = { shy = "yes" } } } } } } }))
  end)

  -- a hundred candidates are enough, and which node is tried first is drawn: one of these two is not among the first hundred
  for _, place in ipairs { 1, 101 } do
    it("is looked for a place until there is one that no budget minds: node " .. place .. " of 200", function()
      for i = 1, 200 do
        node("n" .. i, "1")
        there("on-" .. i, "n" .. i, i == place and "middle" or "low", { labels = { app = i == place and "free" or "web" } })
      end
      budget({ app = "web" }, 0)
      assert.equal("on-" .. place, gone_for "1")
    end)
  end

  it("takes the place of all those who have just found theirs, though nobody has said so yet", function()
    node("a", "3")
    cluster:lag("scheduler", "10s")
    local spec = { priorityClassName = "low", containers = {
      { name = "main", image = "app:1", resources = { requests = { cpu = "1" } } } } }
    for i = 1, 3 do cluster:create(workload.pod("low-" .. i, nil, spec)) end
    cluster:advance "5s"
    assert.equal("", gone_for "3")
    cluster:advance "10s" -- it has heard of the new one, and not that the others are there
    local going = 0
    for i = 1, 3 do
      local pod = cluster:get("pod/low-" .. i)
      going = going + ((not pod or pod.metadata.deletionTimestamp) and 1 or 0)
    end
    assert.equal(3, going)
  end)

  it("is kept its place by a scheduler that restarts, also where nothing is told of it anew", function()
    node("a", "1500m")
    there("old", "a", "low")
    assert.equal("old", gone_for "1")
    for _ = 1, 2 do
      cluster:restart "scheduler"
      cluster:advance(2)
    end
    assert.equal("a", cluster:get("pod/new").status.nominatedNodeName)
    cluster:create(workload.pod("small", nil, { priorityClassName = "low", containers = {
      { name = "main", image = "app:1", resources = { requests = { cpu = "500m" } } } } }))
    cluster:advance(2)
    assert.is_nil(cluster:get("pod/small").spec.nodeName)
  end)

  it("is kept its place before the scheduler has heard that it has said so", function()
    node("a", "1500m")
    there("old", "a", "low")
    cluster:lag("scheduler", "1s")
    local function asks(name, class, cpu)
      return workload.pod(name, nil, { priorityClassName = class, containers = {
        { name = "main", image = "app:1", resources = { requests = { cpu = cpu } } } } })
    end
    cluster:create { asks("new", "top", "1"), asks("small", "low", "500m") }
    cluster:advance(3)
    assert.equal("a", cluster:get("pod/new").status.nominatedNodeName)
    assert.is_nil(cluster:get("pod/small").spec.nodeName)
  end)
end)
