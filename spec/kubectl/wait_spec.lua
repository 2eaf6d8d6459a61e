-- `kubectl wait`: virtual time passes until a condition holds.
local kubesim = require "kubesim"

local function pod(name, image)
  return ("{apiVersion: v1, kind: Pod, metadata: {name: %s, labels: {app: x}}, spec: {containers: [{name: c, image: '%s'}]}}"):format(name,
    image or "app:1")
end

describe("kubectl wait", function()
  local cluster
  local function shown(words) return (cluster:kubectl(type(words) == "table" and words or "wait " .. words)) end
  local function refusal(words)
    local ok, err = pcall(cluster.kubectl, cluster, "wait " .. words)
    assert.is_false(ok, "refused")
    return tostring(err)
  end
  before_each(function()
    cluster = kubesim.new { nodes = 1 }
    cluster:image("gone:1", { exists = false })
  end)
  after_each(function() cluster:close() end)

  it("waits for a condition of the status", function()
    cluster:create(pod "a")
    assert.equal("pod/a condition met\n", shown "--for=condition=Ready po/a")
    assert.is_true(cluster:now() > 0)
    local now = cluster:now()
    assert.equal("pod/a condition met\n", shown "--for=condition=ready=TRUE po a")
    assert.equal(now, cluster:now())
  end)

  it("gives up after --timeout, half a minute when it is not given", function()
    cluster:create(pod("a", "gone:1"))
    assert.equal("error: timed out waiting for the condition on pods/a", refusal "--for=condition=Ready po/a --timeout=3s")
    assert.equal(3, cluster:now())
    assert.equal("error: timed out waiting for the condition on pods/a", refusal "--for=condition=Ready po/a")
    assert.equal(33, cluster:now())
    assert.equal("error: condition not met for pods/a", refusal "--for=condition=Ready po/a --timeout=0")
    assert.equal(33, cluster:now())
  end)

  it("waits for several objects, all within the same time", function()
    for _, name in ipairs { "a", "b" } do cluster:create(pod(name)) end
    assert.equal("pod/a condition met\npod/b condition met\n", shown "--for=condition=Ready po --all")
    assert.equal("pod/a condition met\npod/b condition met\n", shown "--for=condition=Ready po -l app=x")
    assert.equal("error: no matching resources found", refusal "--for=condition=Ready po -l app=y")
    assert.equal('Error from server (NotFound): pods "c" not found', refusal "--for=condition=Ready po/c")
  end)

  it("waits for a value in the object", function()
    cluster:create(pod "a")
    assert.equal("pod/a condition met\n", shown "--for=jsonpath={.status.phase}=Running po/a")
    assert.equal("pod/a condition met\n", shown [[--for=jsonpath='{.status.podIP}' po/a]])
    assert.equal("pod/a condition met\n",
      shown { "wait", "--for=jsonpath={.status.conditions[?(@.type==\"Ready\")].status}=True", "po/a" })
    assert.equal("error: timed out waiting for the condition on pods/a", refusal "--for=jsonpath={.status.none} po/a --timeout=2s")
    assert.equal("error: jsonpath leads to a nested object or list which is not supported", refusal "--for=jsonpath={.status}=x po/a")
    assert.equal("error: jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3",
      refusal "--for=jsonpath={.status.phase}= po/a")
    assert.equal("error: unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'",
      refusal "--for=jsonpath={.a}{.b} po/a")
  end)

  it("waits for deletion; what is not there is deleted", function()
    cluster:create(pod "a")
    cluster:advance(5)
    cluster:delete "po/a"
    assert.equal("pod/a condition met\n", shown "--for=delete po/a --timeout=60s")
    assert.is_nil((cluster:get "po/a"))
    assert.equal("", shown "--for=delete po/a")
    cluster:create(pod "b")
    assert.equal("error: timed out waiting for the condition on pods/b", refusal "--for=delete po/b --timeout=2s")
  end)

  it("waits for creation", function()
    cluster:create [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  serviceName: web
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: "app:1"}]}}
]]
    assert.equal("pod/web-0 condition met\npod/web-0 condition met\n", shown "--for=create --for=condition=Ready po/web-0")
    assert.equal("error: timed out waiting for the condition", refusal "--for=create po/web-1 --timeout=2s")
  end)

  it("refuses what it does not know", function()
    assert.equal('error: unrecognized condition: "frob"', refusal "--for=frob po/a")
    assert.equal("error: unrecognized condition: []", refusal "po/a")
    assert.equal("not supported: kubectl wait --local", refusal "--local --for=delete po/a")
  end)
end)
