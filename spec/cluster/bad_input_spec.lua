-- Whatever is wrong with the input, the answer says what and where, and the cluster is as it was.
local kubesim = require "kubesim"
local workload = require "spec.support.workload"

describe("bad input", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1 } end)
  after_each(function() cluster:close() end)

  ---Runs a call that must be refused and must change nothing; returns the error.
  local function refused(fn, ...)
    local before = cluster:trace()
    local ok, err = pcall(fn, ...)
    assert.is_false(ok, "was accepted")
    assert.equal(before, cluster:trace())
    return err
  end

  local POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: main, image: app}\n"

  it("names document, line and column of malformed YAML, and applies none of the documents", function()
    local err = tostring(refused(cluster.apply, cluster, POD .. "---\nkind: Pod\nmetadata: {name: b\nspec: [}\n"))
    assert.matches("line %d+", err)
    assert.matches("document 2", err)
    assert.matches("column %d+", err)
    assert.equal(0, cluster:count "pod")
  end)

  it("refuses an unknown kind in kubectl's words", function()
    local err = refused(cluster.apply, cluster, "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: a}\n")
    assert.equal('no matches for kind "Gadget" in version "example.com/v1"', err.message)
    assert.equal('error: resource mapping not found for name: "a" namespace: "": no matches for kind "Gadget" in version '
      .. '"example.com/v1"\nensure CRDs are installed first', tostring(err))
    err = refused(cluster.apply, cluster, "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: a, namespace: b}\n")
    assert.matches('name: "a" namespace: "b": no matches', tostring(err), 1, true)
  end)

  it("refuses wrong types and unknown fields with the place", function()
    local err = refused(cluster.create, cluster,
      'apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec: {replicas: "three"}\n')
    assert.equal(400, err.code)
    assert.matches("cannot unmarshal string into Go struct field StatefulSetSpec.spec.replicas of type int32", err.message, 1, true)
    err = refused(cluster.create, cluster, (POD:gsub("image: app", "image: app, imag: x")))
    assert.matches('unknown field "spec.containers[0].imag"', err.message, 1, true)
  end)

  it("refuses to scale to what 32 bits have no room for, in whatever way", function()
    cluster:create(workload.set("StatefulSet", { replicas = 2 }))
    local text = "json: cannot unmarshal number 3000000000 into Go struct field ScaleSpec.spec.replicas of type int32"
    local err = refused(cluster.scale, cluster, "sts/web", 3000000000)
    assert.same({ 400, 'Scale in version "v1" cannot be handled as a Scale: ' .. text }, { err.code, err.message })
    local function patched(type, patch) return refused(cluster.patch, cluster, "sts/web", patch, { subresource = "scale", type = type }) end
    err = patched("merge", { spec = { replicas = 3000000000 } })
    assert.equal(422, err.code)
    assert.matches(text, err.message, 1, true)
    assert.matches(text, patched("json", { { op = "replace", path = "/spec/replicas", value = 3000000000 } }).message, 1, true)
    -- a strategic patch is cut off
    assert.equal('Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1294967296: must be greater than or equal to 0',
      patched("strategic", { spec = { replicas = 3000000000 } }).message)
  end)

  it("applies nothing of a list whose last object is invalid", function()
    local err = refused(cluster.apply, cluster, POD .. "---\n" .. POD:gsub("name: a}", "name: B_}"))
    assert.equal(422, err.code)
    assert.equal(0, cluster:count "pod")
  end)

  it("points wrong Lua arguments at the caller's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, err = pcall(function() cluster:apply(42) end)
    assert.is_false(ok)
    assert.matches("bad_input_spec.lua:" .. line .. ": bad argument #1 to 'apply'", err, 1, true)
  end)

  it("hands a policy's, a watch's and an image's error to the caller unchanged and goes on", function()
    local thrown = setmetatable({}, { __tostring = function() return "mine" end })
    cluster:policy { name = "broken", filter = function() error(thrown) end }
    cluster:create(POD)
    local ok, err = pcall(cluster.advance, cluster, 5)
    assert.is_false(ok)
    assert.equal(thrown, err)
    assert.equal(1, cluster:count "pod")
    assert.is_nil(cluster:get "pod/a".spec.nodeName)

    local other <close> = kubesim.new { nodes = 1 }
    local watch = other:watch("pod", function() error(thrown) end)
    ok, err = pcall(other.create, other, POD)
    assert.is_false(ok)
    assert.equal(thrown, err)
    watch:stop()
    assert.is_true(other:wait_for("pod/a", "ready"))

    other:image("app", { http = { [80] = function() error(thrown) end } })
    ok, err = pcall(other.curl, other, "http://" .. other:get "pod/a".status.podIP)
    assert.is_false(ok)
    assert.equal(thrown, err)
    other:delete "pod/a"
    other:settle()
    assert.equal(0, other:count "pod")
  end)

  it("refuses hostile sizes in bounded time and memory", function()
    local deep = "a: " .. ("["):rep(100000)
    refused(cluster.apply, cluster, deep)
    refused(cluster.apply, cluster, ("{\"a\":"):rep(100000))
    local bomb = { "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" }
    for i = 1, 12 do
      local refs = {}
      for j = 1, 9 do refs[j] = "*a" .. i - 1 end
      bomb[#bomb + 1] = ("a%d: &a%d [%s]\n"):format(i, i, table.concat(refs, ", "))
    end
    refused(cluster.apply, cluster, table.concat(bomb))
    collectgarbage()
    refused(cluster.apply, cluster, POD .. "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n  x: " ..
      ("y"):rep(100 * 1024 * 1024))
    assert.equal(0, cluster:count "pod")
  end)

  it("hands on errors from scores, image commands, watches during a run, and wait_until, whatever they are", function()
    for _, thrown in ipairs { "a text", 42, setmetatable({}, {}), false } do
      local c <close> = kubesim.new { nodes = 2 } -- a score is asked for only where there is a choice
      c:policy { name = "broken", scheduler = "mine", score = function() error(thrown, 0) end }
      c:create((POD:gsub("spec:", "spec:\n  schedulerName: mine")))
      local ok, err = pcall(c.advance, c, 1)
      assert.is_false(ok)
      assert.equal(thrown, err)

      c:image("app", { commands = { fail = function() error(thrown, 0) end } })
      c:create((POD:gsub("name: a}", "name: b}")))
      local watch = c:watch("pod", function(_, pod)
        if pod.status.phase == "Running" then error(thrown, 0) end
      end)
      ok, err = pcall(c.advance, c, 60)
      assert.is_false(ok)
      assert.equal(thrown, err)
      watch:stop()
      -- each attempt of the broken profile raises again; without its pod all is quiet
      c:delete("pod/a", { force = true })
      assert.is_true(c:wait_for("pod/b", "ready"))
      ok, err = pcall(c.exec, c, "b", { "fail" })
      assert.is_false(ok)
      assert.equal(thrown, err)
      ok, err = pcall(c.wait_until, c, function() error(thrown, 0) end)
      assert.is_false(ok)
      assert.equal(thrown, err)
      assert.is_true(c:settle())
    end
  end)

  it("does not let a policy or an image change the cluster that is asking it", function()
    local function changes(c) return pcall(c.create, c, POD) end
    local ok, err
    cluster:policy { name = "meddling", filter = function()
      ok, err = changes(cluster)
      return true
    end }
    cluster:create((POD:gsub("name: a}", "name: b}")))
    cluster:settle()
    assert.is_false(ok)
    assert.matches("the cluster is at work", tostring(err), 1, true)
    assert.equal(1, cluster:count "pod")
    assert.equal("Running", cluster:get "pod/b".status.phase)
  end)

  it("refuses what policies return that is neither a verdict nor a score", function()
    cluster:policy { name = "mute", filter = function() end }
    cluster:create(POD)
    local ok, err = pcall(cluster.advance, cluster, 1)
    assert.is_false(ok)
    assert.matches("policy 'mute': filter must return true, or false and a reason, not nil", tostring(err), 1, true)
  end)

  it("refuses Lua values that are no documents", function()
    local loop = { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "x" } }
    loop.data = loop
    refused(cluster.create, cluster, loop)
    refused(cluster.create, cluster, { apiVersion = "v1", kind = "ConfigMap", metadata = { name = print } })
    refused(cluster.create, cluster, { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "x" }, data = { [1.5] = "x" } })
    local deep = {}
    for _ = 1, 100000 do deep = { deep } end
    refused(cluster.create, cluster, { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "x" }, data = deep })
  end)

  it("takes hostile names, patches, selectors and command lines for what they are", function()
    cluster:create(POD)
    refused(cluster.patch, cluster, "pod/a", ("{\"a\":"):rep(100000))
    refused(cluster.patch, cluster, "pod/a", '[{"op": "add", "path": "' .. ("/x"):rep(100000) .. '", "value": 1}]', { type = "json" })
    refused(cluster.list, cluster, "pod", { labels = ("a in ("):rep(10000) })
    refused(cluster.list, cluster, "pod", { fields = ("="):rep(10000) })
    refused(cluster.kubectl, cluster, "get " .. ("x"):rep(1000000))
    refused(cluster.kubectl, cluster, "get pods -o jsonpath=" .. ("{"):rep(10000))
    assert.is_nil((cluster:get("pod/" .. ("x"):rep(1000000))))
    assert.is_nil((cluster:resolve(("a."):rep(10000))))
    assert.is_true(kubesim.quantity(("9"):rep(1000000)) > kubesim.quantity "1E") -- held at the largest that there is
    assert.is_nil((kubesim.selector(("("):rep(10000))))
    assert.equal("Pending", cluster:get "pod/a".status.phase)
  end)
end)
