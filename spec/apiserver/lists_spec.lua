-- Lists in pages of one state, lists and watches from an earlier version, bookmarks.
local kubesim = require "kubesim"

local function config_map(name, value, namespace)
  return { apiVersion = "v1", kind = "ConfigMap", data = { v = value },
    metadata = { name = name, namespace = namespace, labels = { app = "x" } } }
end

local function names(list)
  local out = {}
  for i, object in ipairs(list) do out[i] = object.metadata.name .. "=" .. object.data.v end
  return table.concat(out, " ")
end

local function refusal(...)
  local ok, err = pcall(...)
  assert.is_false(ok)
  return err
end

describe("a list", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 0, kubelet = "manual" }
    for _, name in ipairs { "a", "b", "c", "d", "e" } do cluster:create(config_map(name, "1")) end
  end)
  after_each(function() cluster:close() end)

  it("comes in pages", function()
    local page, meta = cluster:list("cm", { limit = 2 })
    assert.equal("a=1 b=1", names(page))
    assert.equal(3, meta.remainingItemCount)
    page, meta = cluster:list("cm", { limit = 2, continue = meta.continue })
    assert.equal("c=1 d=1", names(page))
    page, meta = cluster:list("cm", { limit = 2, continue = meta.continue })
    assert.equal("e=1", names(page))
    assert.is_nil(meta.continue)
    assert.is_nil(meta.remainingItemCount)
  end)

  it("does not count what is left where a selector chooses", function()
    local _, meta = cluster:list("cm", { limit = 2, labels = "app=x" })
    assert.is_string(meta.continue)
    assert.is_nil(meta.remainingItemCount)
  end)

  it("goes on with the state that it began with", function()
    local _, meta = cluster:list("cm", { limit = 2 })
    cluster:delete "cm/c"
    cluster:create(config_map("bb", "1"))
    cluster:patch("cm/d", { data = { v = "2" } })
    local page, second = cluster:list("cm", { limit = 10, continue = meta.continue })
    assert.equal("c=1 d=1 e=1", names(page))
    assert.equal(meta.resourceVersion, second.resourceVersion)
    assert.equal("a=1 b=1 bb=1 d=2 e=1", names((cluster:list "cm")))
    assert.equal("a=1 b=1 c=1 d=1 e=1",
      names((cluster:list("cm", { resource_version = meta.resourceVersion, resource_version_match = "Exact" }))))
    assert.equal("a=1 b=1 bb=1 d=2 e=1", names((cluster:list("cm", { resource_version = meta.resourceVersion }))))
  end)

  it("goes through namespaces in the order of the store's keys", function()
    for _, ns in ipairs { "a", "a-b", "ab" } do
      cluster:create { apiVersion = "v1", kind = "Namespace", metadata = { name = ns } }
      for _, name in ipairs { "x", "y" } do cluster:create(config_map(name, ns, ns)) end
    end
    local all, token = {}, nil
    repeat
      local page, meta = cluster:list("cm", { all_namespaces = true, limit = 1, continue = token,
        fields = "metadata.name!=kube-root-ca.crt" })
      for _, o in ipairs(page) do all[#all + 1] = o.metadata.namespace .. "/" .. o.metadata.name end
      token = meta.continue
    until not token
    assert.equal("a-b/x a-b/y a/x a/y ab/x ab/y default/a default/b default/c default/d default/e", table.concat(all, " "))
  end)

  it("is expired when too much has happened; the refusal has a token that goes on all the same", function()
    local _, meta = cluster:list("cm", { limit = 2 })
    for i = 1, 1200 do cluster:patch("cm/e", { data = { v = tostring(i) } }) end
    local err = refusal(cluster.list, cluster, "cm", { limit = 2, continue = meta.continue })
    assert.equal(410, err.code)
    assert.equal("Expired", err.reason)
    assert.matches("^The provided continue parameter is too old to display a consistent list result%. You can start ", err.message)
    assert.equal("c=1 d=1", names((cluster:list("cm", { limit = 2, continue = err.metadata.continue }))))
    err = refusal(cluster.list, cluster, "cm", { resource_version = "5", resource_version_match = "Exact" })
    assert.equal("too old resource version: 5", err.message)
    assert.equal(410, err.code)
  end)

  it("is expired sooner where there are more than a thousand pods", function()
    cluster:create {
      apiVersion = "apps/v1", kind = "ReplicaSet", metadata = { name = "many" },
      spec = { replicas = 1001, selector = { matchLabels = { app = "many" } },
        template = {
          metadata = { labels = { app = "many" } },
          spec = { nodeName = "nowhere", containers = { { name = "c", image = "i" } } } } } }
    cluster:advance "1s"
    local function survives(changes)
      local _, meta = cluster:list("cm", { limit = 2 })
      for i = 1, changes do cluster:patch("cm/e", { data = { v = tostring(i) } }) end
      return pcall(cluster.list, cluster, "cm", { limit = 2, continue = meta.continue })
    end
    assert.is_true(survives(250))
    local kept, err = survives(330)
    assert.is_false(kept)
    assert.equal(410, err.code)
    cluster:scale("rs/many", 1)
    cluster:settle()
    assert.is_true(survives(1000))
  end)

  for _, row in ipairs {
    { { continue = "!" }, 400, "BadRequest", "invalid continue token: continue key is not valid: illegal base64 data at input byte 0" },
    { { continue = "e30" }, 400, "BadRequest",
      "invalid continue token: continue key is not valid: server does not recognize this encoded version " },
    { { continue = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MCwic3RhcnQiOiJhIn0" }, 400, "BadRequest",
      "invalid continue token: continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)" },
    { { continue = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6Mywic3RhcnQiOiIifQ" }, 400, "BadRequest",
      "invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)" },
    { { continue = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6Mywic3RhcnQiOiIuLi9hIn0" }, 400, "BadRequest",
      "invalid continue token: continue key is not valid: ../a" },
    { { continue = "e30", resource_version = "3" }, 400, "BadRequest", "specifying resource version is not allowed when using continue" },
    { { resource_version = "9999" }, 504, "Timeout", "Timeout: Too large resource version: 9999, current: %d" },
  } do
    it("is refused: " .. row[4]:sub(1, 90), function()
      local _, meta = cluster:list("cm", { limit = 1 })
      local err = refusal(cluster.list, cluster, "cm", row[1])
      assert.equal(row[2], err.code)
      assert.equal(row[3], err.reason)
      assert.equal(row[4]:gsub("%%d", meta.resourceVersion), err.message)
    end)
  end
end)

describe("a watch", function()
  local cluster, heard
  local function hear(what, object) heard[#heard + 1] = what .. " " .. (object.metadata.name or object.metadata.resourceVersion) end
  before_each(function()
    cluster, heard = kubesim.new { nodes = 0, kubelet = "manual" }, {}
    cluster:create(config_map("a", "1"))
  end)
  after_each(function() cluster:close() end)

  it("tells what happened after a version, then what happens", function()
    local _, meta = cluster:list("cm", { limit = 500 })
    cluster:create(config_map("b", "1"))
    cluster:patch("cm/a", { data = { v = "2" } })
    cluster:delete "cm/b"
    local watch <close> = cluster:watch("cm", hear, { resource_version = meta.resourceVersion })
    assert.same({ "ADDED b", "MODIFIED a", "DELETED b" }, heard)
    cluster:create(config_map("c", "1"))
    assert.same({ "ADDED b", "MODIFIED a", "DELETED b", "ADDED c" }, heard)
    watch:stop()
  end)

  it("begins with what is there when asked for version 0", function()
    local _ <close> = cluster:watch("cm", hear, { resource_version = "0", fields = { ["metadata.name"] = "a" } })
    assert.same({ "ADDED a" }, heard)
  end)

  it("tells what its own telling causes last", function()
    local _, meta = cluster:list("cm", { limit = 500 })
    cluster:create(config_map("b", "1"))
    cluster:create(config_map("c", "1"))
    local _ <close> = cluster:watch("cm", function(what, object)
      hear(what, object)
      if object.metadata.name == "b" then cluster:create(config_map("z", "1")) end
    end, { resource_version = meta.resourceVersion })
    assert.same({ "ADDED b", "ADDED c", "ADDED z" }, heard)
  end)

  it("is expired when the changes are gone", function()
    for i = 1, 1200 do cluster:patch("cm/a", { data = { v = tostring(i) } }) end
    local err = refusal(cluster.watch, cluster, "cm", hear, { resource_version = 5 })
    assert.equal(410, err.code)
    assert.equal("Expired", err.reason)
    assert.matches("^too old resource version: 5 %(%d+%)$", err.message)
  end)

  it("is told bookmarks when it wants them", function()
    local _ <close> = cluster:watch("cm", hear, { bookmarks = true })
    local _ <close> = cluster:watch("cm", function(what) assert.not_equal("BOOKMARK", what) end)
    cluster:advance(59)
    assert.same({}, heard)
    cluster:advance(2)
    local _, meta = cluster:list("cm", { limit = 500 })
    assert.same({ "BOOKMARK " .. meta.resourceVersion }, heard)
    cluster:advance(600)
    assert.equal(2, #heard)
  end)
end)
