-- What kubectl tells of the API server: its kinds, its version, where it is.
local kubesim = require "kubesim"

describe("kubectl", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 0 } end)
  after_each(function() cluster:close() end)

  local function run(words) return cluster:kubectl(words) end
  local function refused(words)
    local ok, err = pcall(cluster.kubectl, cluster, words)
    assert.is_false(ok, words)
    return tostring(err)
  end

  describe("api-resources", function()
    it("lists kinds by group", function()
      local text = run "api-resources"
      assert.matches("^NAME +SHORTNAMES +APIVERSION +NAMESPACED +KIND\nconfigmaps +cm +v1 +true +ConfigMap\n", text)
      assert.matches("\nnodes +no +v1 +false +Node\n.*\nstatefulsets +sts +apps/v1 +true +StatefulSet\n", text)
    end)

    it("tells verbs and categories with -o wide", function()
      assert.matches("^NAME .* VERBS +CATEGORIES\n.*\npods .* create,delete,deletecollection,get,list,patch,update,watch +all\n",
        run "api-resources -o wide")
    end)

    it("chooses by group, scope, verb and category", function()
      assert.equal("poddisruptionbudgets.policy\n", run "api-resources --api-group=policy -o name")
      assert.equal("deployments.apps\npods\nreplicasets.apps\nservices\nstatefulsets.apps\n",
        run "api-resources --categories=all -o name --sort-by=kind")
      assert.equal("namespaces\nnodes\npersistentvolumes\n", run "api-resources --namespaced=false --api-group= -o name")
      assert.not_matches("namespaces", run "api-resources --verbs=deletecollection -o name")
      assert.equal("error: --sort-by accepts only name or kind", refused "api-resources --sort-by=x")
    end)
  end)

  it("api-versions lists groups and versions", function()
    assert.matches("^apps/v1\n.*\npolicy/v1\n.*\nv1\n$", (run "api-versions"))
  end)

  it("version tells the client's and the server's release, and when they are too far apart", function()
    assert.equal("Client Version: v1.36.2\nKustomize Version: v5.8.1\nServer Version: v1.36.2\n", (run "version"))
    assert.equal("Client Version: v1.36.2\nKustomize Version: v5.8.1\n", (run "version --client"))
    local old <close> = kubesim.new { nodes = 0, version = "1.34" }
    local out, err = old:kubectl "version"
    assert.matches("\nServer Version: v1%.34%.9\n$", out)
    assert.equal("Warning: version difference between client (1.36) and server (1.34) exceeds the supported minor version skew "
      .. "of +/-1\n", err)
    assert.equal("not supported: kubectl version --output", refused "version -o json")
  end)

  it("cluster-info tells where the API server and DNS are", function()
    assert.equal("Kubernetes control plane is running at https://192.168.0.10:6443\n"
      .. "CoreDNS is running at https://192.168.0.10:6443/api/v1/namespaces/kube-system/services/kube-dns:dns/proxy\n\n"
      .. "To further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n", (run "cluster-info"))
  end)
end)

describe("kubectl events", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 1, latency = 0 }
    cluster:kubectl("apply -f -", [[
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: "app:1"}]}}
]])
    cluster:advance(5)
  end)
  after_each(function() cluster:close() end)

  local function events(words) return cluster:kubectl("events " .. (words or "")) end

  it("lists what happened", function()
    assert.matches("^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n5s +Normal +%u%w+ +%u%w+/web", (events()))
    assert.matches("^NAMESPACE +LAST SEEN .*\ndefault +5s +Normal ", (events "-A"))
    assert.not_matches("LAST SEEN", (events "--no-headers"))
  end)

  it("tells how often, where it was more than once", function()
    cluster:create [[{apiVersion: v1, kind: Pod, metadata: {name: bad}, spec: {containers: [{name: c, image: "no:1"}]}}]]
    cluster:image("no:1", { exists = false })
    cluster:advance "5m"
    assert.matches("%(x%d+ over %d+m%d*s*%) +Normal +Pulling +Pod/bad", (events "--for pod/bad"))
  end)

  it("chooses by object and by type", function()
    assert.matches("^LAST SEEN .*\n5s +Normal +SuccessfulCreate +ReplicaSet/web +Created pod: web%-%w+\n$", (events "--for rs/web"))
    local out, err = events "--types=Warning"
    assert.equal("", out)
    assert.equal("No events found in default namespace.\n", err)
    local ok, why = pcall(events, "--types=Bad")
    assert.is_false(ok)
    assert.equal("error: valid --types are Normal or Warning", tostring(why))
  end)

  it("prints events as Go structs with -o json", function()
    assert.matches('^{\n    "kind": "EventList",\n    "apiVersion": "v1",\n    "metadata": {},\n    "items": %[\n        {\n'
      .. '            "kind": "Event",\n            "apiVersion": "v1",\n            "metadata": {\n                "name": "web%.',
      (events "--for rs/web -o json"))
  end)

  it("goes on with -w", function()
    cluster:scale("rs/web", 0)
    assert.matches("Created pod: web%-%w+\n.*Deleted pod: web%-%w+\n", (events "-w --for rs/web"))
  end)
end)
