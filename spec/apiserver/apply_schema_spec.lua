-- What server-side apply answers to a configuration that does not fit the schema: structured-merge-diff's words and paths.
local kubesim = require "kubesim"

local HEAD <const> = "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): "
local WEB <const> = [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: %s
]]

describe("a configuration for server-side apply", function()
  local cluster
  setup(function() cluster = kubesim.new { kubelet = "manual" } end)
  teardown(function() cluster:close() end)

  local function refused(spec)
    local done, err = pcall(cluster.kubectl, cluster, "apply --server-side -f -", WEB:format(spec))
    assert.is_false(done)
    local text = tostring(err)
    local at = text:find(HEAD, 1, true)
    return at and text:sub(at + #HEAD) or text
  end

  local function container(fields) return ("{template: {spec: {containers: [{name: c, image: a, %s}]}}}"):format(fields) end

  for _, row in ipairs {
    { "names a field that there is none of", "{size: 1}", ".spec.size: field not declared in schema" },
    { "names it inside of a list's item, by the item's key", container "img: b",
      '.spec.template.spec.containers[name="c"].img: field not declared in schema' },
    { "wants a number", '{replicas: "3"}', ".spec.replicas: expected numeric (int or float), got string" },
    { "wants a text", container "env: [{name: PORT, value: 8080}]",
      '.spec.template.spec.containers[name="c"].env[name="PORT"].value: expected string, got &value.valueUnstructured{Value:8080}' },
    { "wants true or false", "{paused: 1}", ".spec.paused: expected boolean, got &{1}" },
    { "wants a map", "{selector: [a, b]}", ".spec.selector: expected map, got &{[a b]}" },
    { "wants a list", "{template: {spec: {containers: {name: c}}}}", ".spec.template.spec.containers: expected list, got &{map[name:c]}" },
    { "wants the key of an item", "{template: {spec: {containers: [{image: a}]}}}",
      ".spec.template.spec.containers: element 0: associative list with keys has an element that omits key field \"name\""
        .. " (and doesn't have default value)" },
    { "wants one item of a key", container "ports: [{containerPort: 80}, {containerPort: 80, protocol: TCP}]",
      '.spec.template.spec.containers[name="c"].ports: duplicate entries for key [containerPort=80,protocol="TCP"]' },
    { "lists several errors", "{size: 1, paused: 1}",
      "errors:\n  .spec.paused: expected boolean, got &{1}\n  .spec.size: field not declared in schema" },
  } do
    it(row[1], function() assert.equal(row[3], refused(row[2])) end)
  end

  it("may spell quantities and ports as numbers", function()
    cluster:kubectl("apply --server-side -f -", WEB:format [[{selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [
      {name: c, image: a, resources: {requests: {cpu: 1}}, livenessProbe: {httpGet: {port: 80}}}]}}}]])
    assert.equal("1", cluster:get("deploy/web").spec.template.spec.containers[1].resources.requests.cpu)
  end)
end)
