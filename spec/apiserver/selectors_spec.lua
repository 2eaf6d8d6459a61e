-- Label and field selectors: what they mean, and what is wrong with bad ones.
local kubesim = require "kubesim"

local POD <const> = [[
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: %s}
spec: {nodeName: k8s-node1, containers: [{name: c, image: app:1}]}
]]

local function names(list)
  local out = {}
  for i, object in ipairs(list) do out[i] = object.metadata.name end
  return table.concat(out, " ")
end

describe("label selectors", function()
  local cluster
  setup(function()
    cluster = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(POD:format("web", "{app: web, tier: front, size: '5'}"))
    cluster:create(POD:format("db", "{app: db, tier: back, size: '50'}"))
    cluster:create(POD:format("bare", "{}"))
    cluster:create(POD:format("empty", "{app: ''}"))
  end)
  teardown(function() cluster:close() end)

  for _, row in ipairs {
    { "", "bare db empty web" }, { "app=web", "web" }, { "app==web", "web" }, { "app!=web", "bare db empty" },
    { "app in (web, db)", "db web" }, { "app notin (web,db)", "bare empty" }, { "app", "db empty web" }, { "!app", "bare" },
    { "app,tier=back", "db" }, { "size>5", "db" }, { "size<50", "web" }, { "app=", "empty" }, { "app in ()", "empty" },
    { "app in (web,)", "empty web" }, { "app in (,web)", "empty web" }, { " app = web , tier in ( front ) ", "web" },
    { "tier notin (back)", "bare empty web" }, { "in", "" }, { "notin", "" }, { "app in (in)", "" },
  } do
    it(("%q choose by labels"):format(row[1]), function()
      assert.equal(row[2], names(cluster:list("pod", { labels = row[1] })))
    end)
  end

  local NAME <const> = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    .. "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    .. "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
  local VALUE <const> = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    .. "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    .. "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
  for _, row in ipairs {
    { "a in (b", "unable to parse requirement: found '', expected: ',' or ')'" },
    { "a in b", "unable to parse requirement: found 'b' expected: '('" },
    { "a=b,", "found '', expected: identifier after ','" },
    { "a=b,,c=d", "found ',', expected: identifier after ','" },
    { ",a=b", "found ',', expected: !, identifier, or 'end of string'" },
    { "=b", "found '=', expected: !, identifier, or 'end of string'" },
    { "a=b c=d", "found 'c', expected: ',' or 'end of string'" },
    { "a=b=c", "found '=', expected: ',' or 'end of string'" },
    { "!a=b", "found '=', expected: ',' or 'end of string'" },
    { "a b=c", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt" },
    { "a nott in (y)", "unable to parse requirement: found 'nott', expected: in, notin, =, ==, !=, gt, lt" },
    { "a=!b", "unable to parse requirement: found '!', expected: identifier" },
    { "a in (x y)", "unable to parse requirement: found 'y', expected: ',' or ')'" },
    { "a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer" },
    { "-a=b", "unable to parse requirement: <nil>: Invalid value: \"-a\": " .. NAME },
    { "a=-b", "unable to parse requirement: values[0][a]: Invalid value: \"-b\": " .. VALUE },
  } do
    it(("%q are refused"):format(row[1]), function()
      local ok, err = pcall(cluster.list, cluster, "pod", { labels = row[1] })
      assert.is_false(ok)
      assert.equal(row[2], err.message)
      assert.equal(400, err.code)
      assert.equal("BadRequest", err.reason)
    end)
  end
end)

describe("field selectors", function()
  local cluster
  setup(function()
    cluster = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:create(POD:format("web", "{}"))
    cluster:create [[{apiVersion: v1, kind: Pod, metadata: {name: free}, spec: {hostNetwork: true, restartPolicy: Never,
      schedulerName: other, containers: [{name: c, image: app}]}}]]
    cluster:create [[{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: 10.96.0.9, ports: [{port: 80}]}}]]
    cluster:drive("web", "running")
  end)
  teardown(function() cluster:close() end)

  for _, row in ipairs {
    { "pod", "metadata.name=web", "web" }, { "pod", "metadata.name!=web", "free" }, { "pod", "metadata.namespace=default", "free web" },
    { "pod", "spec.nodeName=k8s-node1", "web" }, { "pod", "spec.host=k8s-node1", "web" }, { "pod", "spec.nodeName=", "free" },
    { "pod", "spec.restartPolicy=Never", "free" }, { "pod", "spec.schedulerName==other", "free" },
    { "pod", "spec.serviceAccountName=default", "free web" }, { "pod", "spec.hostNetwork=true", "free" },
    { "pod", "spec.hostNetwork=false", "web" }, { "pod", "status.phase=Running", "web" }, { "pod", "status.phase!=Running,", "free" },
    { "pod", "status.podIPs=10.244.0.2", "" }, { "pod", "status.nominatedNodeName=", "free web" },
    { "pod", "status.phase=Running,spec.nodeName=k8s-node1", "web" },
    { "node", "spec.unschedulable=false", "k8s-node1" }, { "node", "metadata.name=k8s-node1", "k8s-node1" },
    { "namespace", "status.phase=Active,metadata.name=default", "default" },
    { "service", "spec.type=ClusterIP,metadata.name=s", "s" },
    { "service", "spec.clusterIP=10.96.0.9", "s" },
    { "configmap", "metadata.name=absent", "" }, { "persistentvolume", "metadata.name=x", "" },
    { "pod", "metadata.name=a\\,b", "" },
  } do
    it(("of a %s: %q"):format(row[1], row[2]), function()
      assert.equal(row[3], names(cluster:list(row[1], { fields = row[2] })))
    end)
  end

  for _, row in ipairs {
    { "pod", "a", "invalid selector: 'a'; can't understand 'a'" },
    { "pod", "metadata.name=x,a", "invalid selector: 'metadata.name=x,a'; can't understand 'a'" },
    { "pod", "spec.nothing=x", "field label not supported: spec.nothing" },
    { "pod", "z=1,a=1", "field label not supported: a" },
    { "pod", "=x", "field label not supported: " },
    { "pod", "metadata.name=a=b", "invalid field selector: unescaped character in value: 61" },
    { "pod", "metadata.name=a\\b", "invalid field selector: invalid escape sequence: \\b" },
    { "pod", "metadata.name=a\\", "invalid field selector: invalid escape sequence: \\" },
    { "node", "metadata.namespace=x", "field label not supported: metadata.namespace" },
    { "namespace", "spec.x=x", "field label not supported: spec.x" },
    { "secret", "kind=x", "field label not supported: kind" },
    { "service", "spec.ports=x", "field label not supported: spec.ports" },
    { "event", "message=x", "field label not supported: message" },
    { "replicaset", "status.replicas=1", '"status.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"' },
    { "statefulset", "spec.foo=1", '"spec.foo" is not a known field selector: only "metadata.name", "metadata.namespace"' },
  } do
    it(("of a %s: %q are refused"):format(row[1], row[2]), function()
      local ok, err = pcall(cluster.list, cluster, row[1], { fields = row[2] })
      assert.is_false(ok)
      assert.equal(row[3], err.message)
      assert.equal(400, err.code)
    end)
  end
end)
