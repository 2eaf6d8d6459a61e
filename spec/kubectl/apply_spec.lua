-- kubectl apply, create -f, replace and diff: what they say, and what they do to objects.
local kubesim = require "kubesim"
local transcript = require "spec.support.transcript"

local function configmap(name, data, more)
  return ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s%s}\ndata: {%s}\n"):format(name, more or "", data)
end

local WEB = [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 2
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]

local MANIFESTS = {
  other = configmap("other", "a: b"),
  m = configmap("m", "a: b, c: d"), m_changed = configmap("m", "a: b, c: e"), m_less = configmap("m", "a: b"),
  two = configmap("one", "a: b") .. "---\n" .. configmap("two", "a: b"),
  bad_second = configmap("one", "a: b") .. "---\n" .. configmap("two", "a: 1") .. "---\n" .. configmap("three", "a: b"),
  unread_second = configmap("one", "a: b") .. "---\na: [b\n",
  thing = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\n", nonsense = "nonsense",
  nameless = "apiVersion: v1\nkind: ConfigMap\n",
  kindless = "apiVersion: v1\nmetadata: {name: m}\n", generated = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: m-}\n",
  elsewhere = configmap("m", "a: b", ", namespace: kube-system"), number = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 1}\n",
  extra = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: b}\nextra: 1\n",
  list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: x1}\n"
    .. "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: x2}\n",
  web = WEB, web_extra = WEB .. "extra: 1\n", bad_extra = WEB:gsub("replicas: 2", "replicas: -1") .. "extra: 1\n",
  bad = WEB:gsub("replicas: 2", "replicas: -1"), selector = WEB:gsub("app: web", "app: db"),
  web_three = WEB:gsub("replicas: 2", "replicas: 3"), empty = "", only_nulls = "---\nnull\n---\n",
}

local function play(text)
  return function()
    local cluster <close> = kubesim.new { nodes = 1 }
    transcript.play(cluster, text, MANIFESTS)
  end
end

describe("kubectl apply", function()
  it("creates, configures, and says when nothing changes", play [[
    $ apply -f - <m
    configmap/m created
    $ apply -f - <m
    configmap/m unchanged
    $ apply -f - <m_changed
    configmap/m configured
    $ apply -f - -o name <m
    configmap/m
    $ apply -f - <list
    configmap/x1 created
    configmap/x2 created
  ]])

  it("removes what was applied before and is left out now, and nothing else", play [[
    $ apply -f - <m
    configmap/m created
    $ patch cm m -p '{"data":{"mine":"yes"}}'
    configmap/m patched
    $ apply -f - <m_less
    configmap/m configured
    $ get cm m -o jsonpath={.data}
    {"a":"b","mine":"yes"}
  ]])

  it("warns of objects that it has not made", play [[
    $ create -f - <m
    configmap/m created
    $ apply -f - --dry-run=client <m_changed
    configmap/m configured (dry run)
    ! Warning: resource configmaps/m is missing the kubectl.kubernetes.io/last-applied-configuration annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.
    $ replace -f - --save-config <m
    configmap/m replaced
    $ apply -f - --dry-run=server <m_changed
    configmap/m configured (server dry run)
    $ get cm m -o jsonpath={.data.c}
    d
  ]])

  it("goes on behind what is refused, and names all of it", play [[
    $ apply -f - <bad_second
    configmap/one created
    configmap/three created
    ! Error from server (BadRequest): error when creating "STDIN": ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string
    $ apply -f - <unread_second
    configmap/one unchanged
    ! error: error parsing STDIN: error converting YAML to JSON: yaml: line 1: did not find expected ',' or ']'
    $ apply -f - <bad
    ! The StatefulSet "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0
  ]])

  it("refuses what is no object in kubectl's words", play [[
    $ apply -f - <nonsense
    ! error: error validating "STDIN": error validating data: invalid object to validate; if you choose to ignore these errors, turn validation off with --validate=false
    $ apply -f - <kindless
    ! error: error validating "STDIN": error validating data: kind not set; if you choose to ignore these errors, turn validation off with --validate=false
    $ apply -f - --validate=false <kindless
    ! error: unable to decode "STDIN": Object 'Kind' is missing in '{"apiVersion":"v1","metadata":{"name":"m"}}'
    $ apply -f - <thing
    ! error: resource mapping not found for name: "x" namespace: "" from "STDIN": no matches for kind "Thing" in version "example.com/v1"
    ! ensure CRDs are installed first
    $ apply -f - <number
    ! error: unable to decode "STDIN": json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string
    $ apply -f - <generated
    ! error: from m-: cannot use generate name with apply
    $ apply -f - <extra
    ! Error from server (BadRequest): error when creating "STDIN": ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "extra"
    $ apply -f - --validate=warn <extra
    configmap/m created
    ! Warning: unknown field "extra"
    $ apply -f - -n default <elsewhere
    ! error: the namespace from the provided object "kube-system" does not match the namespace "default". You must pass '--namespace=kube-system' to perform this operation.
    $ apply -f - <empty
    ! error: no objects passed to apply
    $ apply -f - <only_nulls
    ! error: no objects passed to apply
    $ apply
    ! error: must specify one of -f and -k
    $ apply x -f - <m
    ! error: Unexpected args: [x]
    ! See 'kubectl apply -h' for help and examples
  ]])

  it("shows what the server warned of before it refused", play [[
    $ apply -f - --validate=warn <bad_extra
    ! Warning: unknown field "extra"
    ! The StatefulSet "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0
    $ create -f - --validate=warn <bad_extra
    ! Warning: unknown field "extra"
    ! The StatefulSet "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0
    $ create -f - --validate=ignore <bad_extra
    ! The StatefulSet "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0
    $ replace -f - --validate=warn <web_extra
    ! Warning: unknown field "extra"
    ! Error from server (NotFound): error when replacing "STDIN": statefulsets.apps "web" not found
    $ apply -f - <web
    statefulset.apps/web created
    $ apply -f - --validate=warn <bad_extra
    ! Warning: unknown field "extra"
    ! The StatefulSet "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0
    $ create -f - --validate=warn <web_extra
    ! Warning: unknown field "extra"
    ! Error from server (AlreadyExists): error when creating "STDIN": statefulsets.apps "web" already exists
    $ patch sts web -p '{"extra":1,"spec":{"replicas":-1}}'
    ! Warning: unknown field "extra"
    ! The StatefulSet "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0
    $ patch sts web --type merge -p '{"extra":1,"spec":{"replicas":"x"}}' -o name
    ! The request is invalid: patch: Invalid value: "...": json: cannot unmarshal string into Go struct field StatefulSetSpec.spec.replicas of type int32
  ]])

  it("shows the patch that the server refuses", play [[
    $ apply -f - <web
    statefulset.apps/web created
    $ apply -f - <selector
    ! The StatefulSet "web" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden
  ]])

  it("deletes and makes anew with --force what cannot be patched", play [[
    $ apply -f - <web
    statefulset.apps/web created
    ~ 10s
    $ apply -f - --force --cascade=background <selector
    statefulset.apps/web configured
    $ get sts web -o jsonpath={.spec.selector.matchLabels.app}
    db
  ]])

  it("prunes what was applied and is left out", play [[
    $ apply -f - <two
    configmap/one created
    configmap/two created
    $ create cm by-hand
    configmap/by-hand created
    $ apply -f - --prune --all --prune-allowlist=core/v1/ConfigMap --dry-run=client <m
    configmap/m created (dry run)
    configmap/one pruned (dry run)
    configmap/two pruned (dry run)
    $ apply -f - --prune --all --prune-allowlist=core/v1/ConfigMap <m
    configmap/m created
    configmap/one pruned
    configmap/two pruned
    $ get cm by-hand -o name
    configmap/by-hand
    $ apply -f - --prune <m
    ! error: all resources selected for prune without explicitly passing --all. To prune all resources, pass the --all flag. If you did not mean to prune all resources, specify a label selector
    $ apply -f - --prune --all --prune-allowlist=ConfigMap <m
    ! error: invalid GroupVersionKind format: ConfigMap, please follow <group/version/kind>
  ]])

  it("refuses flags that do not go together", play [[
    $ apply -f - --force-conflicts <m
    ! error: --force-conflicts only works with --server-side
    $ apply -f - --server-side --dry-run=client <m
    ! error: --dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)
    $ apply -f - --server-side --force <m
    ! error: --force cannot be used with --server-side
    $ apply -f - --dry-run=maybe <m
    ! error: Invalid dry-run value (maybe). Must be "none", "server", or "client".
    $ apply -f - --validate=maybe <m
    ! error: invalid - validate option "maybe"; must be one of: strict (or true), warn, ignore (or false)
    $ apply -f - --cascade=maybe <m
    ! error: invalid cascade value (maybe). Must be "background", "foreground", or "orphan"
    $ apply -f - -o wide <m
    ! error: unable to match a printer suitable for the output format "wide", allowed formats are: go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,yaml
  ]])

  it("shows and sets what was applied last", play [[
    $ apply -f - <m
    configmap/m created
    $ apply view-last-applied cm m
    apiVersion: v1
    data:
      a: b
      c: d
    kind: ConfigMap
    metadata:
      annotations: {}
      name: m
      namespace: default
    $ apply set-last-applied -f - <m
    set-last-applied m: no changes required.
    $ apply set-last-applied -f - <m_less
    configmap/m configured
    $ apply view-last-applied cm/m -o json
    {
      "apiVersion": "v1",
      "data": {
        "a": "b"
      },
      "kind": "ConfigMap",
      "metadata": {
        "annotations": {},
        "name": "m",
        "namespace": "default"
      }
    }
    $ create cm other
    configmap/other created
    $ apply view-last-applied cm other
    $ apply view-last-applied -f - <other
    ! error: error when no last-applied-configuration annotation found on resource: other
    !  "STDIN": <nil>
  ]])
end)

describe("kubectl apply --server-side", function()
  it("tells of fields that others own, and takes them over when it is told to", play [[
    $ apply -f - --server-side --field-manager=one <m
    configmap/m serverside-applied
    $ apply -f - --server-side --field-manager=two <m
    configmap/m serverside-applied
    $ apply -f - --server-side --field-manager=two <m_changed
    ! error: Apply failed with 1 conflict: conflict with "one": .data.c
    ! Please review the fields above--they currently have other managers. Here
    ! are the ways you can resolve this warning:
    ! * If you intend to manage all of these fields, please re-run the apply
    !   command with the `--force-conflicts` flag.
    ! * If you do not intend to manage all of the fields, please edit your
    !   manifest to remove references to the fields that should keep their
    !   current managers.
    ! * You may co-own fields by updating your manifest to match the existing
    !   value; in this case, you'll become the manager if the other manager(s)
    !   stop managing the field (remove it from their configuration).
    ! See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
    $ apply -f - --server-side --field-manager=two --force-conflicts <m_changed
    configmap/m serverside-applied
    $ get cm m -o jsonpath={.data.c}
    e
  ]])
end)

describe("going from client-side to server-side apply", function()
  it("is no conflict with what was applied before, and gives its fields to the applier", play [[
    $ apply -f - <web
    statefulset.apps/web created
    $ apply -f - --server-side <web_three
    statefulset.apps/web serverside-applied
    $ get sts web -o jsonpath={.spec.replicas}
    3
    $ get sts web --show-managed-fields -o jsonpath='{range .metadata.managedFields[*]}{.manager} {.operation},{end}'
    kubectl Apply,kubectl-last-applied Apply,
    $ apply view-last-applied sts/web -o json
    ...
        "replicas": 3,
    ...
    $ scale sts web --replicas=5
    statefulset.apps/web scaled
    $ apply -f - --server-side <web
    ! error: Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas
    ! ...
  ]])
end)

describe("kubectl create -f", function()
  it("creates, and names what is there already", play [[
    $ create -f - <two
    configmap/one created
    configmap/two created
    $ create -f - <two
    ! Error from server (AlreadyExists): error when creating "STDIN": configmaps "one" already exists
    ! Error from server (AlreadyExists): error when creating "STDIN": configmaps "two" already exists
    $ create -f - --dry-run=client <m
    configmap/m created (dry run)
    $ create -f - --dry-run=server -o name <m
    configmap/m
    $ get cm m
    ! Error from server (NotFound): configmaps "m" not found
    $ create -f - <empty
    ! error: no objects passed to create
  ]])
end)

describe("kubectl replace", function()
  it("replaces what is there", play [[
    $ replace -f - <m
    ! Error from server (NotFound): error when replacing "STDIN": configmaps "m" not found
    $ create -f - <m
    configmap/m created
    $ replace -f - <m_less
    configmap/m replaced
    $ get cm m -o jsonpath={.data}
    {"a":"b"}
    $ replace -f - --grace-period=3 <m
    ! error: --grace-period must have --force specified
    $ replace -f - --force --dry-run=client <m
    ! error: --dry-run can not be used when --force is set
  ]])

  it("deletes first with --force", play [[
    $ apply -f - <web
    statefulset.apps/web created
    ~ 10s
    $ replace --force -f - <web_three
    statefulset.apps "web" deleted from default namespace
    statefulset.apps/web replaced
    $ replace --force -f - <m
    configmap/m replaced
  ]])
end)

describe("kubectl diff", function()
  it("prints what apply would change, and nothing when it would change nothing", play [[
    $ apply -f - <m
    configmap/m created
    $ diff -f - <m
    $ diff -f - <m_changed
    diff -u -N /tmp/LIVE-0000000000/v1.ConfigMap.default.m /tmp/MERGED-0000000000/v1.ConfigMap.default.m
    --- /tmp/LIVE-0000000000/v1.ConfigMap.default.m	2026-01-01 00:00:00.000000000 +0000
    +++ /tmp/MERGED-0000000000/v1.ConfigMap.default.m	2026-01-01 00:00:00.000000000 +0000
    @@ -1,7 +1,7 @@
     apiVersion: v1
     data:
       a: b
    -  c: d
    +  c: e
     kind: ConfigMap
     metadata:
       annotations:
    $ get cm m -o jsonpath={.data.c}
    d
    $ diff -f - <thing
    !2 error: resource mapping not found for name: "x" namespace: "" from "STDIN": no matches for kind "Thing" in version "example.com/v1"
    ! ensure CRDs are installed first
    $ diff --nonsense
    !2 error: unknown flag: --nonsense
    ! See 'kubectl diff -h' for help and examples
  ]])

  it("ends with exit status 1 when something differs, without raising", function()
    local cluster <close> = kubesim.new { nodes = 1 }
    cluster:kubectl("apply -f -", MANIFESTS.m)
    assert.is_nil((select(3, cluster:kubectl("diff -f -", MANIFESTS.m))))
    assert.equal(1, (select(3, cluster:kubectl("diff -f -", MANIFESTS.m_changed))))
  end)
end)
