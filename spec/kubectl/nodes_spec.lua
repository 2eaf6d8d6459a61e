-- kubectl cordon, uncordon, drain and taint.
local kubesim = require "kubesim"
local transcript = require "spec.support.transcript"

local function set(name, replicas, more)
  return ([[
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: %s}
spec:
  replicas: %d
  selector: {matchLabels: {app: %s}}
  template:
    metadata: {labels: {app: %s}}
    spec: {containers: [{name: main, image: "app:1"}]%s}
]]):format(name, replicas, name, name, more or "")
end

local BUDGET = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\n"
  .. "spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}\n"
local MANIFESTS = {
  web = set("web", 2), local_data = set("local", 1, ", volumes: [{name: v, emptyDir: {}}]"), budget = BUDGET,
  solo = "apiVersion: v1\nkind: Pod\nmetadata: {name: solo}\nspec: {containers: [{name: main, image: \"app:1\"}]}\n",
}

---All pods go to node a; b is free.
local function play(text)
  return function()
    local cluster <close> = kubesim.new { nodes = { { name = "a" }, { name = "b" } } }
    cluster:kubectl "cordon b"
    transcript.play(cluster, text, MANIFESTS)
  end
end

describe("kubectl cordon and uncordon", function()
  it("mark nodes, and say when they are marked already", play [[
    $ cordon a b
    node/a cordoned
    node/b already cordoned
    $ uncordon a
    node/a uncordoned
    $ uncordon node/a
    node/a already uncordoned
    $ uncordon b --dry-run=client
    node/b uncordoned (dry run)
    $ get no b -o jsonpath={.spec.unschedulable}
    true
    $ cordon -l kubernetes.io/hostname=a
    node/a cordoned
    $ cordon nobody
    ! Error from server (NotFound): nodes "nobody" not found
    $ cordon
    ! error: USAGE: cordon NODE [flags]
    ! See 'kubectl cordon -h' for help and examples
    $ cordon a -l x=y
    ! error: cannot specify both a node name and a --selector option
    ! See 'kubectl cordon -h' for help and examples
  ]])
end)

describe("kubectl drain", function()
  it("evicts pods and waits until they are gone", function()
    local cluster <close> = kubesim.new { nodes = { { name = "a" }, { name = "b" } } }
    cluster:image("app:1", { stop = "4s" })
    transcript.play(cluster, [[
      $ cordon b
      node/b cordoned
      $ apply -f - <web
      replicaset.apps/web created
      ~ 20s
      $ uncordon b
      node/b uncordoned
    ]], MANIFESTS)
    local before = cluster:now()
    transcript.play(cluster, [[
      $ drain a
      node/a cordoned
      evicting pod default/web-...
      evicting pod default/web-...
      pod/web-... evicted
      pod/web-... evicted
      node/a drained
    ]])
    assert.is_true(cluster:now() - before >= 4 and cluster:now() - before < 10)
    cluster:advance(20)
    for _, pod in ipairs(cluster:list "pod") do assert.equal("b", pod.spec.nodeName) end
  end)

  it("refuses pods that nobody would make again, and pods with data, unless it is told", play [[
    $ apply -f - <solo
    pod/solo created
    $ apply -f - <local_data
    replicaset.apps/local created
    ~ 20s
    $ drain a
    node/a cordoned
    ! error: unable to drain node "a" due to error: [cannot delete Pods with local storage (use --delete-emptydir-data to override): default/local-..., cannot delete Pods that declare no controller (use --force to override): default/solo], continuing command...
    ! There are pending nodes to be drained:
    !  a
    ! cannot delete Pods with local storage (use --delete-emptydir-data to override): default/local-...
    ! cannot delete Pods that declare no controller (use --force to override): default/solo
    $ drain a --force --delete-emptydir-data --dry-run=client
    node/a already cordoned (dry run)
    evicting pod default/local-... (dry run)
    evicting pod default/solo (dry run)
    node/a drained (dry run)
    ! Warning: deleting Pods that declare no controller: default/solo
    $ drain a --force --pod-selector=app=nobody
    node/a already cordoned
    node/a drained
    $ drain a --force --delete-emptydir-data --disable-eviction
    node/a already cordoned
    pod/local-... deleted
    pod/solo deleted
    node/a drained
    ! Warning: deleting Pods that declare no controller: default/solo
  ]])

  it("tries again every five seconds while a budget forbids it", play [[
    $ apply -f - <web
    replicaset.apps/web created
    $ apply -f - <budget
    poddisruptionbudget.policy/web created
    ~ 20s
    $ drain a --timeout=7s
    node/a cordoned
    evicting pod default/web-...
    evicting pod default/web-...
    evicting pod default/web-...
    evicting pod default/web-...
    evicting pod default/web-...
    evicting pod default/web-...
    ! error when evicting pods/"web-..." -n "default" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.
    ! ...
    ! There are pending pods in node "a" when an error occurred: [error when evicting pods/"web-..." -n "default": global timeout reached: 7s, ...]
    ! pod/web-...
    ! pod/web-...
    ! error: unable to drain node "a" due to error: ..., continuing command...
    ! There are pending nodes to be drained:
    !  a
    ! error when evicting pods/"web-..." -n "default": global timeout reached: 7s
    ! error when evicting pods/"web-..." -n "default": global timeout reached: 7s
    -- kubectl would try for ever
    $ drain a
    node/a already cordoned
    evicting pod default/web-...
    ! error when evicting pods/"web-..." -n "default" (will retry after 5s): ...
    ! not supported: kubectl drain that never ends: nothing in the cluster will change by itself any more (give --timeout)
    -- with room elsewhere one pod goes after the other
    $ uncordon b
    node/b uncordoned
    $ scale rs web --replicas=3
    replicaset.apps/web scaled
    ~ 20s
    $ drain a --timeout=2m
    node/a already cordoned
    evicting pod default/web-...
    node/a drained
    ! error when evicting pods/"web-..." -n "default" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.
  ]])
end)

describe("kubectl taint", function()
  it("sets, changes and removes taints", play [[
    $ taint nodes a key=value:NoSchedule --dry-run=client
    node/a tainted
    $ get no a -o jsonpath={.spec.taints[*].key}
    $ taint foo a key=value:NoSchedule
    ! the server doesn't have a resource type "foo"
    $ taint nodes a key=value:NoSchedule other:NoExecute
    node/a tainted
    $ get no a -o jsonpath={.spec.taints[*].key}
    key other
    $ taint no a key=new:NoSchedule
    ! error: node a already has key taint(s) with same effect(s) and --overwrite is false
    $ taint no a key=new:NoSchedule --overwrite
    node/a modified
    $ taint no a key:NoSchedule- more:NoSchedule
    node/a modified
    $ taint no --all more-
    node/a untainted
    ! error: taint "more" not found
    $ taint no a more-
    ! error: taint "more" not found
  ]])

  it("refuses what it cannot read", play [[
    $ taint no a key=value
    ! error: invalid taint spec: key=value, name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
    ! See 'kubectl taint -h' for help and examples
    $ taint no a key=value:Never
    ! error: invalid taint effect: Never, unsupported taint effect
    ! See 'kubectl taint -h' for help and examples
    $ taint po a key=value:NoSchedule
    ! error: invalid resource type po, only node types are supported
    $ taint no a
    ! error: at least one taint update is required
    $ taint no key=value:NoSchedule
    ! error: at least one resource name must be specified since 'all' parameter is not set
    $ taint no a key:NoSchedule key-
    ! error: can not both modify and remove the following taint(s) in the same command: key=
  ]])
end)
