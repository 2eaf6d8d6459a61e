-- What calls return: objects that are made when somebody looks at them, and cannot be told from plain tables; or nothing at all.
local kubesim = require "kubesim"
local util = require "luassert.util"

local POD = [[
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: main, image: app}]}
]]

---Has nobody looked at it yet?
local function unseen(object) return next(object) == nil end

describe("an object that a write returns", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 1 }
    cluster:apply(POD)
  end)
  after_each(function() cluster:close() end)

  local function labelled(value) return cluster:patch("pod/web", { metadata = { labels = { tier = value } } }) end

  it("is made when it is looked at, and is the object as it was written", function()
    local pod = labelled "a"
    assert.is_true(unseen(pod))
    local now = cluster:get "pod/web"
    labelled "b"
    assert.equal("a", pod.metadata.labels.tier)
    assert.is_false(unseen(pod))
    assert.is_nil(getmetatable(pod))
    assert.same(now, pod)
  end)

  it("is filled by every way of looking", function()
    local ways = {
      read = function(pod) assert.equal("Pod", pod.kind) end,
      ["read of what is absent"] = function(pod) assert.is_nil(pod.absent) end,
      write = function(pod) pod.kind = "Pod" end,
      ["write of a new field"] = function(pod) pod.extra = 1; assert.equal("Pod", pod.kind); pod.extra = nil end,
      ["write of nil"] = function(pod) pod.absent = nil end,
      pairs = function(pod)
        local keys = {}
        for key in pairs(pod) do keys[#keys + 1] = key end
        table.sort(keys)
        assert.same({ "apiVersion", "kind", "metadata", "spec", "status" }, keys)
      end,
      ipairs = function(pod) for _ in ipairs(pod) do error "a Pod is no list" end end,
      length = function(pod) assert.equal(0, #pod) end,
      unpack = function(pod) assert.same({}, { table.unpack(pod, 1, 0) }); assert.is_nil((table.unpack(pod, 1, 1))) end,
      ["table.concat"] = function(pod) assert.equal("", table.concat(pod)) end,
      ["same, first"] = function(pod) assert.same(pod, cluster:get "pod/web") end,
      ["same, second"] = function(pod) assert.same(cluster:get "pod/web", pod) end,
    }
    for name, look in pairs(ways) do
      local pod = labelled "a"
      look(pod)
      assert.is_nil(getmetatable(pod), name)
      assert.same(cluster:get "pod/web", pod, name)
    end
  end)

  it("says what it is as a plain table does", function()
    local pod = labelled "a"
    assert.matches("^table: ", tostring(pod))
    assert.equal("table", type(pod))
    local ok, why = pcall(function() return pod < pod end)
    assert.is_false(ok)
    assert.matches("attempt to compare two table values", why, 1, true)
    assert.has_error(function() pod[nil] = 1 end)
    assert.is_true(pod == pod and pod ~= labelled "a")
  end)

  it("differs from another that nobody has looked at where the two differ", function()
    assert.is_false((util.deepcompare(labelled "a", labelled "b", true)))
    assert.not_same(labelled "a", labelled "b")
    local one, other = cluster:patch("pod/web", "{}"), cluster:patch("pod/web", "{}")
    assert.same(one, other)
  end)

  it("can be copied whether it was looked at or not", function()
    local pod = labelled "a"
    local copy = setmetatable({}, getmetatable(pod))
    for key, value in pairs(pod) do copy[key] = value end
    assert.same(pod, copy)
    assert.is_nil(getmetatable(copy))
  end)

  it("can be encoded, and passed on as a manifest, without a look", function()
    local text = kubesim.json.encode(labelled "a")
    assert.equal(kubesim.json.encode(cluster:get "pod/web"), text)
    assert.equal(kubesim.yaml.encode(cluster:get "pod/web"), kubesim.yaml.encode(labelled "a"))
    assert.equal(kubesim.json.encode { items = { cluster:get "pod/web" } }, kubesim.json.encode { items = { labelled "a" } })
    local other <close> = kubesim.new { nodes = 1, seed = 2 }
    assert.equal("web", other:import(labelled "c")[1].metadata.name)
    assert.equal("c", other:get("pod/web").metadata.labels.tier)
    assert.equal("b", cluster:replace { labelled "b" }[1].metadata.labels.tier)
    assert.equal("configured", cluster:apply(labelled "c")[1].operation)
    assert.equal("AlreadyExists", select(2, pcall(cluster.create, cluster, labelled "d")).reason)
    assert.equal("Pod", cluster:patch("pod/web", labelled "e").kind)
  end)

  it("is what every verb returns", function()
    local lists = {
      apply = function() return cluster:apply(POD)[1].object end,
      create = function() return cluster:create(POD:gsub("name: web", "name: two"), {})[1] end,
      replace = function() return cluster:replace(cluster:get "pod/web")[1] end,
      patch = function() return labelled "x" end,
      delete = function() return cluster:delete "pod/web" end,
      ["dry run"] = function() return cluster:apply(POD, { dry_run = true })[1].object end,
      ["patch, dry run"] = function() return cluster:patch("pod/web", "{}", { dry_run = true }) end,
    }
    cluster:settle()
    for _, verb in ipairs { "apply", "create", "replace", "patch", "dry run", "patch, dry run", "delete" } do
      local object = lists[verb]()
      assert.is_true(unseen(object), verb)
      assert.equal("v1", object.apiVersion, verb)
    end
    cluster:apply [[{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: rs}, spec: {replicas: 0, selector: {matchLabels: {a: b}},
      template: {metadata: {labels: {a: b}}, spec: {containers: [{name: main, image: app}]}}}}]]
    local set = cluster:scale("rs/rs", 2)
    assert.is_true(unseen(set))
    assert.equal(2, set.spec.replicas)
    assert.equal(cluster:get("rs/rs").metadata.resourceVersion, set.metadata.resourceVersion)
    assert.is_nil(cluster:delete("rs/rs"))
  end)

  it("can be looked at when the cluster is closed", function()
    local pod = labelled "a"
    cluster:close()
    collectgarbage()
    assert.equal("a", pod.metadata.labels.tier)
  end)

  it("needs no memory of the cluster when it is looked at", function()
    local pod = labelled "a"
    cluster.core:fail_allocation(1)
    assert.equal("a", pod.metadata.labels.tier)
    cluster.core:fail_allocation(0)
  end)

  it("lets go of the version when nobody has it any more, and of no other", function()
    local kept = {}
    for i = 1, 100 do kept[i] = labelled("kept" .. i) end
    collectgarbage()
    local _, before = cluster.core:memory()
    for round = 1, 3 do
      for i = 1, 300 do labelled("thrown" .. round .. "-" .. i) end
      collectgarbage()
    end
    for i = 1, 2000 do labelled("last" .. i % 2) end -- the log forgets what is older
    collectgarbage()
    local _, after = cluster.core:memory()
    assert.is_true(after - before < 1000 * 8, after - before .. " blocks more") -- the log's
    for i = 1, 100, 2 do assert.equal("kept" .. i, kept[i].metadata.labels.tier) end
    for i = 2, 100, 2 do kept[i] = nil end
    collectgarbage()
    for i = 1, 100 do labelled("again" .. i) end
    for i = 1, 100, 2 do assert.equal("kept" .. i, kept[i].metadata.labels.tier) end
  end)
end)

describe("a call that gives nothing back", function()
  it("makes no garbage", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:apply(POD)
    cluster:settle()
    local calls = {
      advance = function() cluster:advance(0) end,
      step = function() cluster:step() end,
      restart = function() cluster:restart "statefulset" end,
      drive = function() cluster:drive("web", "ready") end,
      recover_node = function() cluster:recover_node "k8s-node1" end,
    }
    for name, call in pairs(calls) do
      local before
      collectgarbage()
      collectgarbage "stop"
      for i = 1, 200 do
        call()
        if i == 100 then before = collectgarbage "count" end
      end
      local each = (collectgarbage "count" - before) * 1024 / 100
      collectgarbage "restart"
      assert.is_true(each < 100, ("%s: %.0f bytes each"):format(name, each))
    end
  end)
end)
