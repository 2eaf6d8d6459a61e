--- Odd writes and what a real control plane answers them: names left out, nulls, kinds that PUT creates, owners of a scale.
local kubesim <const> = require "kubesim"

local SET <const> = [[
{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"replicas": 2, "serviceName": "db",
 "selector": {"matchLabels": {"app": "db"}}, "template": {"metadata": {"labels": {"app": "db"}},
 "spec": {"containers": [{"name": "main", "image": "db:1"}]}}}}]]
local SERVICE <const> = '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [%s]}}'
local MANAGERS <const> = [[get sts db --show-managed-fields -o jsonpath='{range .metadata.managedFields[*]}{.manager} {.operation};{end}']]

describe("odd writes", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  local function refused(command, stdin)
    local ok, why = pcall(cluster.kubectl, cluster, command, stdin)
    assert.is_false(ok)
    return tostring(why)
  end

  it("create a Service that is replaced and not there, but no ConfigMap", function()
    local one = SERVICE:format '{"port": 80}'
    assert.equal("service/s replaced (server dry run)\n", cluster:kubectl("replace -f - --dry-run=server", one))
    assert.is_nil(cluster:get "svc/s")
    assert.equal("service/s replaced\n", cluster:kubectl("replace -f -", one))
    assert.is_table(cluster:get "svc/s")
    local known = one:gsub('"name": "s"', '"name": "t", "uid": "x"')
    assert.matches("Precondition failed: UID in precondition: x, UID in object meta: $", (refused("replace -f -", known):gsub("\n$", "")))
    assert.matches("NotFound", refused("replace -f -", '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}'))
  end)

  it("leave replicas without an owner when a scale goes to nought", function()
    cluster:kubectl("create -f -", SET)
    cluster:kubectl "scale sts db --replicas=3"
    local one = SET:gsub('"replicas": 2', '"replicas": 1')
    assert.matches('conflict with "kubectl" with subresource "scale"', refused("apply --server-side --field-manager=m -f -", one), 1, true)
    cluster:kubectl "scale sts db --replicas=0"
    assert.equal("statefulset.apps/db serverside-applied\n", cluster:kubectl("apply --server-side --field-manager=m -f -", one))
  end)

  it("keep a map that a configuration says null for", function()
    cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "m" }, data = { a = "1" } }
    cluster:kubectl("apply --server-side -f -", '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": null}')
    assert.same({ a = "1" }, cluster:get "cm/m".data)
  end)

  it("say that the name is missing when a patch takes metadata away", function()
    cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "m" } }
    assert.equal("Error from server (BadRequest): the name of the object (m based on URL) was undeterminable: name must be provided",
      (refused [[patch cm m --type=merge -p '{"metadata": null}']]:gsub("\n$", "")))
  end)

  it("let a strategic patch name another kind, and refuse the merge patch", function()
    cluster:kubectl("create -f -", SET)
    assert.equal("statefulset.apps/db patched (no change)\n", cluster:kubectl [[patch sts db -p '{"kind": "Foo"}']])
    assert.matches('no kind "Foo" is registered', refused [[patch sts db --type=merge -p '{"kind": "Foo"}']], 1, true)
  end)

  it("put ports that only the live list has where server-side apply meets them", function()
    cluster:kubectl("apply --server-side -f -", SERVICE:format '{"port": 1, "name": "a"}, {"port": 2, "name": "b"}')
    cluster:kubectl("apply --server-side --field-manager=m -f -", SERVICE:format '{"port": 3, "name": "c"}, {"port": 2, "name": "b"}')
    local names = {}
    for i, port in ipairs(cluster:get "svc/s".spec.ports) do names[i] = port.name end
    assert.same({ "a", "c", "b" }, names)
  end)

  it("only warn when what was applied on the client's side cannot be applied again by the server", function()
    cluster:kubectl("apply -f -", SET)
    local some = '{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"replicas": 3}}'
    local out = cluster:kubectl("apply --server-side -f -", some)
    assert.equal("statefulset.apps/db serverside-applied\n", out)
    assert.equal(3, cluster:get "sts/db".spec.replicas)
    assert.matches("kubectl Apply;", cluster:kubectl(MANAGERS), 1, true)
  end)

  it("name the key without its root when a dry run meets another uid", function()
    cluster:kubectl("create -f -", SET)
    local other = SET:gsub('"name": "db"', '"name": "db", "uid": "x"', 1)
    assert.matches("Key: /statefulsets/default/db,", refused("replace -f - --dry-run=server", other), 1, true)
    assert.matches("Key: /registry/statefulsets/default/db,", refused("replace -f -", other), 1, true)
  end)
end)
