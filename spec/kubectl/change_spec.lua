-- kubectl delete, scale, label, annotate, patch and set: what they say, and what they do to objects.
-- luacheck: ignore 631
-- (commands and what they say stand on one line)
local kubesim = require "kubesim"
local transcript = require "spec.support.transcript"

local MANIFESTS = {
  web = [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 2
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
      - {name: main, image: "app:1"}
      - {name: side, image: "app:1", env: [{name: OLD, value: "1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
]],
  held = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [example.com/hold]}\n",
  unlabelled = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {a: b}}\n",
}

local function play(text)
  return function()
    local cluster <close> = kubesim.new { nodes = 2 }
    cluster:apply(MANIFESTS.web)
    cluster:advance(20)
    transcript.play(cluster, text, MANIFESTS)
  end
end

describe("kubectl delete", function()
  it("lets time pass until the object is gone, unless it is told not to wait", function()
    local cluster <close> = kubesim.new { nodes = 2 }
    cluster:image("app:1", { stop = false })
    cluster:apply(MANIFESTS.web)
    cluster:advance(20)
    local before = cluster:now()
    transcript.play(cluster, [[
      $ delete po web-1 --wait=false
      pod "web-1" deleted from default namespace
    ]])
    assert.equal(before, cluster:now())
    transcript.play(cluster, [[
      $ delete sts/web --cascade=foreground
      statefulset.apps "web" deleted from default namespace
    ]])
    assert.is_true(cluster:now() >= before + 10)
    assert.equal(0, cluster:count "pod")
  end)

  it("takes another pod of the same name for what came after it", play [[
    $ delete po web-0 --timeout=60s
    pod "web-0" deleted from default namespace
    ~ 10s
    $ get po -o name
    pod/web-0
    pod/web-1
  ]])

  it("gives up waiting in kubectl's words", play [[
    $ create -f - <held
    configmap/held created
    $ delete cm held --timeout=3s
    configmap "held" deleted from default namespace
    ! error: timed out waiting for the condition on configmaps/held
  ]])

  it("says how it deletes", play [[
    $ delete po web-1 --force --wait=false
    pod "web-1" force deleted from default namespace
    ! Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.
    $ delete po web-0 --dry-run=client
    pod "web-0" deleted from default namespace (dry run)
    $ delete po web-0 --dry-run=server -o name
    pod/web-0
    $ delete sts web --cascade=orphan
    statefulset.apps "web" deleted from default namespace
    $ get po web-0 -o name
    pod/web-0
    $ delete ns kube-node-lease --wait=false
    namespace "kube-node-lease" deleted
    $ delete -n default no k8s-node2 --wait=false
    node "k8s-node2" deleted
    ! Warning: deleting cluster-scoped resources, not scoped to the provided namespace
  ]])

  it("goes on behind what is not there", play [[
    $ delete po web-0 nobody web-1 --wait=false
    pod "web-0" deleted from default namespace
    pod "web-1" deleted from default namespace
    ! Error from server (NotFound): pods "nobody" not found
    $ delete cm nobody --ignore-not-found
    $ delete cm -l app=nobody
    No resources found
    $ delete svc -l app=nobody --ignore-not-found=false
    No resources found
  ]])

  it("refuses flags that do not go together", play [[
    $ delete po web-0 --now --grace-period=3
    ! error: --now and --grace-period cannot be specified together
    $ delete po web-0 --force --grace-period=3
    ! error: --force and --grace-period greater than 0 cannot be specified together
    $ delete po --all -l app=web
    ! error: setting 'all' parameter but found a non empty selector.
    $ delete po web-0 -o yaml
    ! error: unexpected -o output mode: yaml. We only support '-o name'
    $ delete po web-0 --cascade=never
    ! error: invalid cascade value (never). Must be "background", "foreground", or "orphan"
    $ delete
    ! error: You must provide one or more resources by argument or filename.
    ! Example resource specifications include:
    !    '-f rsrc.yaml'
    !    '--filename=rsrc.json'
    !    '<resource> <name>'
    !    '<resource>'
  ]])
end)

describe("kubectl scale", function()
  it("scales, several at once too, and only from what it is told", play [[
    $ create deployment a --image=app:1
    deployment.apps/a created
    $ scale sts/web deploy/a --replicas=3
    statefulset.apps/web scaled
    deployment.apps/a scaled
    $ scale sts web --replicas=4 --current-replicas=2
    ! error: Expected replicas to be 2, was 3
    $ scale sts web --replicas=4 --current-replicas=3 -o jsonpath={.spec.replicas}
    4
    $ scale sts web nobody --replicas=1 --dry-run=client
    statefulset.apps/web scaled (dry run)
    ! Error from server (NotFound): statefulsets.apps "nobody" not found
    $ scale sts web --replicas=1 --resource-version=1
    ! error: Expected resource version to be 1, was ...
    $ scale svc web --replicas=1
    ! Error from server (NotFound): the server could not find the requested resource
    $ scale sts --all --replicas=2
    statefulset.apps/web scaled
    $ scale sts web --replicas=-1
    ! error: The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0
    $ scale sts web --replicas=3000000000
    ! The request is invalid: patch: Invalid value: "...": json: cannot unmarshal number 3000000000 into Go struct field ...replicas of type int32
    $ scale sts web --replicas=3000000000 --current-replicas=2
    ! The Scale "web" is invalid: spec.replicas: Invalid value: -1294967296: must be greater than or equal to 0
    $ scale sts web
    ! error: required flag(s) "replicas" not set
    $ scale sts web --replicas=3 --timeout=1m
    statefulset.apps/web scaled
    $ get po -o name
    pod/a-...
  ]])
end)

describe("kubectl label and annotate", function()
  it("set, change and remove", play [[
    $ label po web-0 tier=db a=b
    pod/web-0 labeled
    $ label po web-0 tier=web
    ! error: 'tier' already has a value (db), and --overwrite is false
    $ label po web-0 tier=web a- --overwrite
    pod/web-0 modified
    $ label po web-0 tier-
    pod/web-0 unlabeled
    $ label po web-0 tier-
    label "tier" not found.
    pod/web-0 not labeled
    $ annotate sts web note=x other=y
    statefulset.apps/web annotated
    $ annotate sts web note=z
    ! error: --overwrite is false but found the following declared annotation(s): 'note' already has a value (x)
    $ annotate sts web kubernetes.io/change-cause=one
    statefulset.apps/web annotated
    $ annotate sts web kubernetes.io/change-cause=two note-
    statefulset.apps/web annotated
    $ get sts web -o jsonpath={.metadata.annotations.note}{.metadata.annotations.other}
    y
    $ label -f - c=d --local -o yaml <unlabelled
    apiVersion: v1
    kind: ConfigMap
    metadata:
      labels:
        a: b
        c: d
      name: c
      namespace: default
  ]])

  it("list", play [[
    $ create cm c
    configmap/c created
    $ label cm c x=y a=b
    configmap/c labeled
    $ label cm c --list
    a=b
    x=y
    $ label cm -l a=b --list
    Listing labels for ConfigMap./c:
     a=b
     x=y
  ]])

  it("refuse what they cannot read", play [[
    $ label po web-0
    ! error: at least one label update is required
    $ label a=b
    ! error: one or more resources must be specified as <resource> <name> or <resource>/<name>
    $ label po web-0 a=b c
    ! error: all resources must be specified before label changes: c
    $ label po web-0 a=b=c
    ! error: invalid label spec: a=b=c
    $ label po web-0 a=-b
    ! error: invalid label value: "a=-b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
    $ label po web-0 a=b a-
    ! error: can not both modify and remove a label in the same command
    $ label po web-0 .=b
    ! The Pod "web-0" is invalid: metadata.labels: Invalid value: ".": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
    $ annotate po web-0 a=b a-
    ! error: can not both modify and remove the following annotation(s) in the same command: a
    $ label po --all -l app=web a=b
    ! error: cannot set --all and --selector at the same time
  ]])
end)

describe("kubectl patch", function()
  it("patches in three ways, and says when nothing changed", play [[
    $ patch sts web -p '{"spec":{"replicas":3}}'
    statefulset.apps/web patched
    $ patch sts web -p 'spec: {replicas: 3}'
    statefulset.apps/web patched (no change)
    $ patch sts web --type=json -p '[{"op":"replace","path":"/spec/replicas","value":1}]' -o jsonpath={.spec.replicas}
    1
    $ patch sts web --type=merge -p '{"metadata":{"labels":{"a":"b"}}}' --dry-run=client
    statefulset.apps/web patched
    $ patch sts web -p {} --dry-run=client
    statefulset.apps/web patched (no change)
    $ patch sts web --type=json -p null --dry-run=client
    statefulset.apps/web patched (no change)
    $ patch sts web --subresource=scale --type=merge -p '{"spec":{"replicas":2}}'
    scale.autoscaling/web patched
    $ patch sts web
    ! error: must specify --patch or --patch-file containing the contents of the patch
    $ patch sts web --type=odd -p '{}'
    ! error: --type must be one of [json merge strategic], not "odd"
    $ patch sts nobody -p '{}'
    ! Error from server (NotFound): statefulsets.apps "nobody" not found
    $ patch sts web -p '{"spec":{"serviceName":"x"}}'
    ! The StatefulSet "web" is invalid: spec: Forbidden: ...
    $ patch sts web -p '{a'
    ! Error from server (BadRequest): invalid character 'a' looking for beginning of object key string
    $ patch sts web -p 'a: [b'
    ! error: unable to parse "a: [b": yaml: line 1: did not find expected ',' or ']'
  ]])
end)

describe("--record", function()
  it("says itself why a JSON patch does not apply", play [[
    $ patch sts web --dry-run=client --type=json -p '[{"op":"test","path":"/kind","value":"Pod"}]'
    ! error: testing value /kind failed: test failed
    $ patch sts web --dry-run=client --type=json -p '[{"op":"add","path":"/nope/x","value":1}]'
    ! error: add operation does not apply: doc is missing path: "/nope/x": missing value
    $ patch sts web --dry-run=client --type=json -p '[{"op":"add","path":"/spec/template/spec/containers/9","value":{}}]'
    ! error: error in add for path: '/spec/template/spec/containers/9': Unable to access invalid index: 9: invalid index referenced
    $ patch sts web --dry-run=client --type=json -p '[{"op":"add","path":"/spec/template/spec/containers/x","value":{}}]'
    ! error: error in add for path: '/spec/template/spec/containers/x': value was not a proper array index: 'x': strconv.Atoi: parsing "x": invalid syntax
    $ patch sts web --dry-run=client --type=json -p '[{"op":"replace","path":"/metadata","value":{}},{"op":"replace","path":"/spec","value":{}},{"op":"remove","path":"/status"},{"op":"replace","path":"/kind","value":1}]'
    ! error: Object 'Kind' is missing in '{"apiVersion":"apps/v1","kind":1,"metadata":{},"spec":{}}'
    $ patch sts web --dry-run=client --type=json -p '[{"op":"add"}]'
    ! error: add operation failed to decode path: missing value
    $ patch sts web --dry-run=client --type=json -p '[{"op":"remove","path":"/metadata/labels/a~1b"}]'
    ! error: remove operation does not apply: doc is missing path: "/metadata/labels/a~1b": missing value
    $ patch sts web --dry-run=client --type=json -p '[{"op":"remove","path":"/metadata/nope"}]'
    ! error: error in remove for path: '/metadata/nope': Unable to remove nonexistent key: nope: missing value
    $ patch sts web --dry-run=client --type=json -p '[{"op":"remove","path":"/spec/template/spec/containers/-3"}]'
    ! error: error in remove for path: '/spec/template/spec/containers/-3': Unable to access invalid index: -3: invalid index referenced
    $ patch sts web --dry-run=client --type=json -p '[{"op":"replace","path":"/spec/template/spec/containers/7","value":{}}]'
    ! error: Object to be patched is missing field (/spec/template/spec/containers/7: missing value)
    $ patch sts web --dry-run=client --type=json -p '[{"op":"replace","path":"/a/b","value":{}}]'
    ! error: replace operation does not apply: doc is missing path: /a/b: missing value
    $ patch sts web --dry-run=client --type=json -p '[{"op":"move","from":"/metadata/nope","path":"/x"}]'
    ! error: error in move for path: 'nope': Unable to remove nonexistent key: nope: missing value
    $ patch sts web --dry-run=client --type=json -p '[{"op":"move","from":"/metadata/name","path":"/a/b"}]'
    ! error: move operation does not apply: doc is missing destination path: /a/b: missing value
    $ patch sts web --dry-run=client --type=json -p '[{"op":"copy","path":"/a"}]'
    ! error: copy operation failed to decode from: operation, missing from field: missing value
    $ patch sts web --dry-run=client --type=json -p '[{"op":"copy","from":"/spec/template/spec/containers/x","path":"/a"}]'
    ! error: error in copy for from: '/spec/template/spec/containers/x': strconv.Atoi: parsing "x": invalid syntax
    $ patch sts web --dry-run=client --type=json -p '[{"op":"foo","path":"/x"}]'
    ! error: Unexpected kind: foo
    $ patch sts web --dry-run=client --type=json -p '[{"op":"test","path":"/a/b"}]'
    ! error: test operation does not apply: is missing path: /a/b: missing value
    $ patch sts web --dry-run=client --type=json -p '[1]'
    ! error: json: cannot unmarshal number into Go value of type jsonpatch.Operation
    $ patch sts web --dry-run=client --type=json -p '1'
    ! error: json: cannot unmarshal number into Go value of type jsonpatch.Patch
    $ patch sts web --dry-run=client --type=json -p '{}'
    ! error: json: cannot unmarshal object into Go value of type jsonpatch.Patch
  ]])

  it("writes the command line into kubernetes.io/change-cause", play [[
    $ set image sts/web main=app:2 --record
    statefulset.apps/web image updated
    ! Flag --record has been deprecated, --record will be removed in the future
    $ get sts web -o jsonpath='{.metadata.annotations.kubernetes\.io/change-cause}'
    kubectl set image sts/web main=app:2 --record=true
    $ scale sts web --replicas=3 --record
    statefulset.apps/web scaled
    ! Flag --record has been deprecated, --record will be removed in the future
    $ get sts web -o jsonpath='{.metadata.annotations.kubernetes\.io/change-cause}'
    kubectl scale sts web --replicas=3 --record=true
    $ label sts web a=b --record -n default
    statefulset.apps/web labeled
    ! Flag --record has been deprecated, --record will be removed in the future
    $ get sts web -o jsonpath='{.metadata.annotations.kubernetes\.io/change-cause}'
    kubectl label sts web a=b --record=true --namespace=default
  ]])
end)

describe("kubectl set", function()
  it("sets images", play [[
    $ set image sts/web main=app:2
    statefulset.apps/web image updated
    $ set image sts/web main=app:2
    $ set image sts web *=app:3 --dry-run=client -o jsonpath={.spec.template.spec.containers[*].image}
    app:3 app:3
    $ set image sts web nobody=app:3
    ! error: unable to find container named "nobody"
    $ set image svc/web main=app:3
    ! error: services/web the object is not a pod or does not have a pod template: *v1.Service
    $ set image sts/web
    ! error: at least one image update is required
    $ set image sts/web *=a main=b
    ! error: all containers are already specified by *, but saw more than one container_name=container_image pairs
  ]])

  it("sets variables of the environment", play [[
    $ set env sts/web A=1 OLD=2
    statefulset.apps/web env updated
    $ set env sts/web --list
    # StatefulSet web, container main
    A=1
    OLD=2
    # StatefulSet web, container side
    OLD=2
    A=1
    $ set env sts/web A- -c side
    statefulset.apps/web env updated
    $ set env sts/web A=3 --overwrite=false
    ! error: statefulsets/web 'A' already has a value (1), and --overwrite is false
    $ create cm settings --from-literal=log.level=debug
    configmap/settings created
    $ set env sts/web --from=cm/settings -c main
    statefulset.apps/web env updated
    ! Warning: key log.level transferred to LOG_LEVEL
    $ set env sts/web --list -c main
    # StatefulSet web, container main
    A=1
    OLD=2
    # LOG_LEVEL from configmap settings, key log.level
    $ set env sts/web A=1 A-
    ! error: can not both modify and remove the same environment variable in the same command
  ]])

  it("lists where variables come from", play [[
    $ patch sts web -p '{"spec":{"template":{"spec":{"containers":[{"name":"side","env":[{"name":"CPUS","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu","containerName":"main"}}}]}]}}}}'
    statefulset.apps/web patched
    $ set env sts/web --list
    # StatefulSet web, container main
    # StatefulSet web, container side
    # CPUS from resource field main/limits.cpu
    OLD=1
  ]])

  it("sets resources, selectors and service accounts", play [[
    $ set resources sts web -c main --limits=cpu=200m,memory=512Mi --requests=cpu=100m
    statefulset.apps/web resource requirements updated
    $ get sts web -o jsonpath={.spec.template.spec.containers[0].resources}
    {"limits":{"cpu":"200m","memory":"512Mi"},"requests":{"cpu":"100m"}}
    $ set resources sts web --limits=cpu
    ! error: Invalid argument syntax cpu, expected <resource>=<value>
    $ set selector svc web app=db,tier=x
    service/web selector updated
    $ get svc web -o jsonpath={.spec.selector}
    {"app":"db","tier":"x"}
    $ set selector sts web app=db
    ! error: setting a selector is only supported for Services
    $ set serviceaccount sts web default
    statefulset.apps/web serviceaccount updated
    $ set nothing
    ! error: unknown command "nothing"
    ! See 'kubectl set -h' for help and examples
  ]])
end)

it("kubectl scale warns of what the server warns of in the workload that it scales", function()
  local cluster <close> = kubesim.new { nodes = 0, kubelet = "manual" }
  local function ports(number) return { { name = "http", containerPort = number } } end
  cluster:create { apiVersion = "apps/v1", kind = "StatefulSet", metadata = { name = "web" }, spec = {
    selector = { matchLabels = { app = "web" } }, template = { metadata = { labels = { app = "web" } }, spec = { containers = {
      { name = "a", image = "app", ports = ports(80) }, { name = "b", image = "app", ports = ports(81) } } } } } }
  local warning = 'Warning: spec.template.spec.containers[1].ports[0]: duplicate port name "http" with '
    .. "spec.template.spec.containers[0].ports[0], services and probes that select ports by name will use "
    .. "spec.template.spec.containers[0].ports[0]\n"
  local out, said = cluster:kubectl "scale sts/web --replicas=3"
  assert.equal("statefulset.apps/web scaled\n", out)
  assert.equal(warning, said)
  assert.is_nil((select(2, cluster:kubectl "scale sts/web --replicas=3")))
end)
