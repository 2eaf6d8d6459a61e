-- What a Deployment's annotation deprecated.deployment.rollback.to says is a number to the server: what is none is refused by every verb,
-- in the words of each; what is one is stored as it prints.
local kubesim = require "kubesim"

local KEY <const> = "deprecated.deployment.rollback.to"
local WHY <const> = "failed to parse annotation[" .. KEY .. ']=x as int64: strconv.ParseInt: parsing "x": invalid syntax'
local BODY <const> = 'Deployment in version "v1" cannot be handled as a Deployment: ' .. WHY

describe("a Deployment that is to go back to a revision that is no number", function()
  local cluster

  local function web(revision, more)
    return {
      apiVersion = "apps/v1", kind = "Deployment", bogus = more,
      metadata = { name = "web", annotations = revision and { [KEY] = revision } or nil },
      spec = {
        replicas = 0, selector = { matchLabels = { app = "web" } },
        template = { metadata = { labels = { app = "web" } }, spec = { containers = { { name = "main", image = "app:1" } } } },
      },
    }
  end

  before_each(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  local function refused(code, message, f, ...)
    local ok, err = pcall(f, ...)
    assert.is_false(ok)
    assert.equal(code, err.code)
    assert.equal(message, err.message)
    return err
  end

  local function patch(revision, opts)
    return cluster:patch("deploy/web", { metadata = { annotations = { [KEY] = revision } } }, opts)
  end

  it("is not created, a dry run neither", function()
    for _, dry in ipairs { false, true } do
      refused(400, BODY, cluster.create, cluster, web "x", { dry_run = dry })
      refused(400, BODY, cluster.apply, cluster, web "x", { dry_run = dry })
    end
    assert.equal(0, #cluster:list "deploy")
  end)

  it("is refused for that before an unknown field is", function()
    refused(400, BODY, cluster.create, cluster, web("x", 1))
  end)

  it("is not put in the place of one that is there", function()
    cluster:apply(web())
    for _, dry in ipairs { false, true } do refused(400, BODY, cluster.replace, cluster, web "x", { dry_run = dry }) end
    refused(500, WHY, cluster.apply, cluster, web "x")
  end)

  it("is not made by a patch: a strategic one is answered by the bare error, the others by a verdict on the patch", function()
    cluster:apply(web())
    for _, dry in ipairs { false, true } do
      refused(500, WHY, patch, "x", { dry_run = dry })
      for _, sub in ipairs { false, "status" } do
        local ok, err = pcall(patch, "x", { type = "merge", dry_run = dry, subresource = sub or nil })
        assert.is_false(ok)
        assert.equal(422, err.code)
        assert.matches('^ "" is invalid: patch: Invalid value: "{\\"apiVersion\\":\\"apps/v1\\",', err.message)
        assert.equal(WHY, err.message:sub(-#WHY))
      end
    end
    local ok, err = pcall(cluster.patch, cluster, "deploy/web",
      { { op = "add", path = "/metadata/annotations/" .. KEY, value = "x" } }, { type = "json" })
    assert.is_false(ok)
    assert.equal(422, err.code)
    assert.is_nil(cluster:get("deploy/web").metadata.annotations[KEY])
  end)

  it("is not applied on the server's side", function()
    local text = 'Error from server: failed to convert to unversioned (default/web; apps/v1, Kind=Deployment): ' .. WHY
    local manifest = [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {deprecated.deployment.rollback.to: x}}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: "app:1"}]}}
]]
    for _ = 1, 2 do -- it is not there; it is there
      for _, flags in ipairs { "", " --dry-run=server", " --force-conflicts" } do
        local ok, err = pcall(cluster.kubectl, cluster, "apply --server-side -f -" .. flags, manifest)
        assert.is_false(ok)
        assert.equal(text, err.text)
      end
      cluster:kubectl("apply --server-side -f -", (manifest:gsub(", annotations: %b{}", "")))
    end
  end)

  it("is told apart from a number that is too large", function()
    cluster:apply(web())
    local function why(text)
      local ok, err = pcall(patch, text)
      assert.is_false(ok)
      return err.message:match ": ([^:]+)$"
    end
    assert.equal("value out of range", why "9223372036854775808")
    assert.equal("value out of range", why "-9223372036854775809")
    assert.equal("value out of range", why "99999999999999999999x")
    assert.equal("invalid syntax", why "9223372036854775808x")
    for _, text in ipairs { "+", "-", " 1", "1 ", "0x1", "1_0", "1.0" } do assert.equal("invalid syntax", why(text)) end
  end)
end)

describe("the revision that a Deployment is to go back to", function()
  it("is stored as the number prints, and nothing where nothing was named", function()
    local cluster = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:apply [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: "app:1"}]}}
]]
    local function stored(text, way)
      return cluster:patch("deploy/web", { metadata = { annotations = { [KEY] = text } } }, { type = way }).metadata.annotations[KEY]
    end
    for _, way in ipairs { "strategic", "merge" } do
      assert.equal("5", stored("+5", way))
      assert.equal("7", stored("007", way))
      assert.equal("0", stored("-0", way))
      assert.equal("-3", stored("-3", way))
      assert.is_nil(stored("", way))
    end
    cluster:close()
  end)
end)
