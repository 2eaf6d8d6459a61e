-- Whatever is wrong with the input, the answer says what and where, and the cluster is as it was.
local kubesim = require "kubesim"

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
    assert.matches('no matches for kind "Gadget" in version "example.com/v1"', tostring(err), 1, true)
  end)

  it("refuses wrong types and unknown fields with the place", function()
    local err = refused(cluster.create, cluster,
      'apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec: {replicas: "three"}\n')
    assert.equal(400, err.code)
    assert.matches("cannot unmarshal string into Go struct field StatefulSetSpec.spec.replicas of type int32", err.message, 1, true)
    err = refused(cluster.create, cluster, (POD:gsub("image: app", "image: app, imag: x")))
    assert.matches('unknown field "spec.containers[0].imag"', err.message, 1, true)
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
end)
