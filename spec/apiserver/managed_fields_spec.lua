-- Who owns which field, as metadata.managedFields says it: what a plain write owns, what it takes from others, what goes with a field.
local kubesim = require "kubesim"

local SET <const> = [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web, labels: {tier: db}}
spec:
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      imagePullSecrets: [{name: key}]
      containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]
]]

--- The entries of managedFields: { {manager, operation, subresource, fields}, ... }
local function entries(cluster, ref)
  local list = {}
  for i, entry in ipairs(cluster:get(ref).metadata.managedFields) do
    list[i] = { entry.manager, entry.operation, entry.subresource or "", entry.fieldsV1 }
  end
  return list
end

describe("managed fields", function()
  local cluster
  before_each(function() cluster = kubesim.new { kubelet = "manual" } end)
  after_each(function() cluster:close() end)

  it("name what a client-side apply wrote, with the maps, lists and pointers that came whole", function()
    cluster:kubectl("apply -f -", SET)
    local list = entries(cluster, "sts/web")
    assert.equal(1, #list)
    assert.same({ "kubectl-client-side-apply", "Update", "" }, { table.unpack(list[1], 1, 3) })
    local fields = list[1][4]
    assert.same({ ["f:annotations"] = { ["."] = {}, ["f:kubectl.kubernetes.io/last-applied-configuration"] = {} },
                  ["f:labels"] = { ["."] = {}, ["f:tier"] = {} } }, fields["f:metadata"])
    local spec = fields["f:spec"]
    assert.same({}, spec["f:selector"])
    assert.same({ ["f:rollingUpdate"] = { ["."] = {}, ["f:partition"] = {} }, ["f:type"] = {} }, spec["f:updateStrategy"])
    local pod = spec["f:template"]["f:spec"]
    assert.same({ ["."] = {}, ['k:{"name":"key"}'] = {} }, pod["f:imagePullSecrets"])
    assert.same({
      ['k:{"name":"c"}'] = {
        ["."] = {}, ["f:name"] = {}, ["f:image"] = {}, ["f:imagePullPolicy"] = {}, ["f:resources"] = {},
        ["f:terminationMessagePath"] = {}, ["f:terminationMessagePolicy"] = {},
        ["f:ports"] = { ["."] = {}, ['k:{"containerPort":80,"protocol":"TCP"}'] = {
          ["."] = {}, ["f:containerPort"] = {}, ["f:protocol"] = {} } },
      },
    }, pod["f:containers"])
  end)

  it("name what was applied alone, for an applier on the server's side", function()
    cluster:kubectl("apply --server-side -f -", SET)
    local list = entries(cluster, "sts/web")
    assert.same({ "kubectl", "Apply", "" }, { table.unpack(list[1], 1, 3) })
    assert.same({ ["f:labels"] = { ["f:tier"] = {} } }, list[1][4]["f:metadata"])
    assert.same({}, list[1][4]["f:spec"]["f:selector"])
    assert.is_nil(list[1][4]["f:spec"]["f:replicas"])
  end)

  it("go from one owner to the other with the value, in the order of operation and time", function()
    cluster:kubectl("apply -f -", SET)
    cluster:advance "10s"
    cluster:kubectl "scale sts web --replicas=3"
    local list = entries(cluster, "sts/web")
    assert.same({ "kubectl-client-side-apply", "Update", "" }, { table.unpack(list[1], 1, 3) })
    assert.is_nil(list[1][4]["f:spec"]["f:replicas"])
    assert.same({ "kubectl", "Update", "scale", { ["f:spec"] = { ["f:replicas"] = {} } } }, list[2])
  end)

  it("go with the last label that there was", function()
    cluster:kubectl("apply -f -", SET)
    cluster:kubectl "label sts web tier-"
    assert.is_nil(entries(cluster, "sts/web")[1][4]["f:metadata"]["f:labels"])
  end)

  it("are nothing for a zero that is there in any case", function()
    cluster:kubectl("create -f -", "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\n"
      .. "metadata: {name: none}\nvalue: 0\ndescription: text\n")
    assert.same({ ["f:description"] = {}, ["f:preemptionPolicy"] = {} }, entries(cluster, "priorityclass/none")[1][4])
  end)

  it("stay as they were when an object is imported", function()
    cluster:kubectl("apply -f -", SET)
    local text = cluster:kubectl "get sts web -o yaml --show-managed-fields"
    local other <close> = kubesim.new { kubelet = "manual" }
    other:import(text)
    assert.same(entries(cluster, "sts/web"), entries(other, "sts/web"))
  end)
end)
