-- Whatever is typed, kubectl answers with output or a refusal in words: never with a Lua error, and the cluster stays usable.
local kubesim = require "kubesim"

local WORDS = {}
for word in ([[get po pods sts web web-0 deploy svc no all cm secret events delete apply create replace scale label annotate patch set image env
  resources selector sa expose run cordon uncordon drain taint diff rollout status history undo wait logs exec describe explain
  -f - -n default kube-system -A -l app=web app!=web --all --force --now --grace-period=0 --wait=false --cascade=orphan --cascade
  --dry-run=client --dry-run=server -o yaml json name jsonpath={.metadata.name} jsonpath={range --replicas=3 --replicas=x
  -p {"spec":{"replicas":1}} --type=json --type=merge [{"op":"remove","path":"/spec"}] [] {} null 1 "x" a=b a- =b a= a:NoSchedule
  --overwrite --list --local --server-side --force-conflicts --prune --validate=false --save-config --subresource=status
  --subresource=scale --timeout=1s --image=app:1 --image --port=80 --expose -- sleep view-last-applied set-last-applied deployment
  configmap generic service clusterip quota pdb ns pc --from-literal=a=b --tcp=80 --hard=pods=1 --selector=a=b --ignore-daemonsets
  k8s-node1 --show-labels -L --sort-by=.metadata.name --field-selector=x=y --overrides={"spec":1} main=app:2 *=b pod/web-0 / a/b/c a,b
  po,sts svc/web -it -c main -h --help]]):gmatch "%S+" do WORDS[#WORDS + 1] = word end

local DOCUMENTS = {
  "nonsense", "a: [", "", "---\n---\n", "[]", "{}", "null", "1", "kind: Pod\n", "--- x\n", "\0\1\2",
  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: 1\n",
  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 1, labels: [a]}\n", "apiVersion: v1\nkind: List\nitems: 1\n",
  "apiVersion: v1\nkind: List\nitems: [1, null, {}, {kind: 1}]\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: null\n",
  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, annotations: null, labels: {a: null}}\ndata: null\n",
  "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: web}\nspec: null\n", "apiVersion: 1\nkind: 2\n",
}

local WEB = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: web}\nspec: {replicas: 2, serviceName: web, "
  .. "selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: app}]}}}\n"

---The same numbers on every machine.
local function dice(seed)
  return function(n)
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 8) % n + 1
  end
end

describe("kubectl", function()
  it("answers any line in words", function()
    local roll = dice(7)
    for _ = 1, 8 do
      local cluster <close> = kubesim.new { nodes = 1 }
      cluster:apply(WEB)
      cluster:advance(10)
      for _ = 1, 200 do
        local line = { WORDS[roll(40)] }
        for i = 2, 1 + roll(6) do line[i] = WORDS[roll(#WORDS)] end
        local stdin = roll(2) == 1 and DOCUMENTS[roll(#DOCUMENTS)] or nil
        local ok, err = pcall(cluster.kubectl, cluster, roll(2) == 1 and table.concat(line, " ") or line, stdin)
        local worded = ok or type(err) == "table" and math.type(err.exit) == "integer" and tostring(err) ~= ""
        assert(worded, ("kubectl %s\n%q\n%s"):format(table.concat(line, " "), stdin or "", tostring(err)))
      end
      assert.equal("configmap/after\n", (cluster:kubectl "create cm after -o name"))
    end
  end)

  it("has every command of the real one, or refuses it by name", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    for name in ([[alpha annotate api-resources api-versions apply attach auth autoscale certificate cluster-info completion config
      cordon cp create debug delete describe diff drain edit events exec explain expose get help kuberc kustomize label logs options
      patch plugin port-forward proxy replace rollout run scale set taint top uncordon version wait]]):gmatch "%S+" do
      local ok, err = pcall(cluster.kubectl, cluster, name)
      assert(ok or type(err) == "table", ("%s: %s"):format(name, tostring(err)))
      if not ok then assert.is_nil(tostring(err):find "unknown command") end
    end
  end)
end)
