-- kubectl get: tables, formats, selectors, errors.
local kubesim = require "kubesim"

local WEB = [[
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 2
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, example.com/tier: back}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]

describe("kubectl get", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 2, latency = 0 }
    cluster:apply(WEB)
    cluster:advance(20)
  end)
  after_each(function() cluster:close() end)

  local function get(words) return (cluster:kubectl("get " .. words)) end
  local function refused(words)
    local ok, err = pcall(cluster.kubectl, cluster, "get " .. words)
    assert.is_false(ok, words)
    return tostring(err), err
  end

  describe("in tables", function()
    it("lists objects in the order of their names", function()
      assert.equal("NAME    READY   STATUS    RESTARTS   AGE\n"
        .. "web-0   1/1     Running   0          20s\n"
        .. "web-1   1/1     Running   0          " .. get "po web-1 --no-headers":match "(%d+s)\n$" .. "\n", get "po")
    end)

    it("shows more with -o wide", function()
      assert.matches("^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES\n"
        .. "web%-0 +1/1 +Running +0 +20s +10%.244%.%d+%.%d+ +k8s%-node%d +<none> +<none>\n", get "po -o wide")
      assert.equal("NAME   READY   AGE   CONTAINERS   IMAGES\nweb    2/2     20s   main         app:1\n", get "sts -o wide")
      assert.equal("NAME   TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE   SELECTOR\n"
        .. "web    ClusterIP   None         <none>        80/TCP    20s   app=web\n", get "svc web -o wide")
    end)

    it("parts kinds by an empty line and names them", function()
      assert.matches("^NAME +READY +STATUS +RESTARTS +AGE\npod/web%-0 .*\npod/web%-1 .*\n\n"
        .. "NAME +READY +AGE\nstatefulset.apps/web +2/2 +20s\n$", get "po,sts")
      assert.matches("^NAME +READY +AGE\nstatefulset.apps/web .*\n\nNAME +READY +STATUS.*\npod/web%-0 ",
        get "sts/web po/web-0")
      assert.matches("^pod/web%-0 .*\npod/web%-1 .*\nstatefulset.apps/web ", get "po,sts --no-headers")
    end)

    it("names kinds of `all` even where there is one only", function()
      assert.matches("\npod/web%-0 .*\nservice/kubernetes .*\nservice/web .*\nstatefulset.apps/web +2/2 +20s\n$", get "all")
    end)

    it("shows the namespace with -A, where there is one", function()
      assert.matches("^NAMESPACE +NAME +READY.*\ndefault +web%-0 ", get "po -A")
      assert.matches("^NAME +STATUS", get "nodes -A")
    end)

    it("shows labels, all or some", function()
      assert.matches("LABELS\nweb%-0 .* app=web,apps.kubernetes.io/pod%-index=0,controller%-revision%-hash=web%-%w+,"
        .. "example.com/tier=back,statefulset.kubernetes.io/pod%-name=web%-0\n", get "po --show-labels")
      assert.matches("AGE +APP +TIER +NONE\nweb%-0 .*s +web +back +\n", get "po -L app,example.com/tier -L none")
    end)

    it("puts the kind before names on demand", function() assert.matches("\npod/web%-0 ", get "po --show-kind") end)

    it("says that there is nothing", function()
      local out, err = cluster:kubectl "get po -l app=none"
      assert.equal("", out)
      assert.equal("No resources found in default namespace.\n", err)
      assert.equal("No resources found in other namespace.\n", select(2, cluster:kubectl "get po -n other"))
      assert.equal("No resources found\n", select(2, cluster:kubectl "get po -A -l app=none"))
      assert.equal("No resources found\n", select(2, cluster:kubectl "get pv"))
    end)

    it("ends columns at the name for kinds without columns of their own", function()
      cluster:apply "{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Pod, max: {cpu: 1}}]}}"
      assert.equal("NAME   CREATED AT\nl      2026-01-01T00:00:20Z\n", get "limits")
    end)
  end)

  it("chooses by label and by field", function()
    assert.equal("pod/web-1\n", get "po -o name -l apps.kubernetes.io/pod-index=1")
    assert.equal("pod/web-0\n", get "po -o name --field-selector metadata.name=web-0")
    assert.equal("", get "po -o name --field-selector status.phase!=Running")
  end)

  it("sorts by a field", function()
    assert.equal("pod/web-1\npod/web-0\n", get "po web-1 web-0 -o name")
    cluster:kubectl "annotate po web-0 rank=2"
    cluster:kubectl "annotate po web-1 rank=1"
    assert.matches("^NAME .*\nweb%-1 .*\nweb%-0 ", get "po --sort-by=.metadata.annotations.rank")
    assert.equal("error: couldn't find any field with path \"{.spec.nothing}\" in the list of objects",
      refused "po --sort-by spec.nothing -o name")
  end)

  it("takes kinds with their group, how it begins, or their version and a dot", function()
    for _, word in ipairs { "sts.apps", "sts.app", "sts.v1.apps", "statefulsets.v1.", "StatefulSet.v1.apps", "sts." } do
      assert.equal("statefulset.apps/web\n", get(word .. " -o name"), word)
    end
    for _, word in ipairs { "sts.v1", "sts.v2.apps", "STS", "pod.v1" } do
      assert.equal(('error: the server doesn\'t have a resource type "%s"'):format(word:match "^[^.]*"), refused(word))
    end
  end)

  it("prints the header of columns that it cannot read", function()
    local ok, err = pcall(cluster.kubectl, cluster, "get po web-0 -o custom-columns=A:.metadata.name,B:.kind[0]")
    assert.is_false(ok)
    assert.equal("A     B\n", err.stdout)
    assert.equal("error: string is not array or slice", tostring(err))
  end)

  it("prints no table that it cannot sort, and does not say why", function()
    assert.equal("", get "po --sort-by=.spec.nothing")
    assert.equal("", get "po --sort-by=x[")
    assert.matches("^NAME .*\nweb%-0 ", get "po web-0 --sort-by=.spec.nothing")
    assert.equal("error: couldn't find any field with path \"{.metadata.name}\" in the list of objects",
      refused "po,sts --sort-by=.metadata.name")
    assert.equal("error: couldn't find any field with path \"{.metadata.name}\" in the list of objects",
      refused "po web-0 web-1 --sort-by=.metadata.name")
    assert.equal("error: unterminated array", refused "po,sts --sort-by=x[")
    assert.matches("^NAME .*\npod/web%-0 ", get "po,sts --sort-by=.kind")
  end)

  describe("in a format", function()
    it("prints one object as it is, several as a List", function()
      assert.matches("^apiVersion: v1\nkind: Pod\nmetadata:\n", get "po web-0 -o yaml")
      assert.matches("^apiVersion: v1\nitems:\n%- apiVersion: v1\n  kind: Pod\n.*\nkind: List\nmetadata:\n  resourceVersion: \"\"\n$",
        get "po -o yaml")
      assert.equal('{\n    "apiVersion": "v1",\n    "items": [],\n    "kind": "List",\n    "metadata": {\n'
        .. '        "resourceVersion": ""\n    }\n}\n', get "po -l app=none -o json")
    end)

    it("hides managed fields unless they are asked for", function()
      assert.not_matches("managedFields", get "sts web -o yaml")
      assert.not_matches("managedFields", get "sts -o json")
    end)

    it("takes JSONPath", function()
      assert.equal("web-0=Running\nweb-1=Running\n", get [[po -o jsonpath='{range .items[*]}{.metadata.name}={.status.phase}{"\n"}{end}']])
      assert.equal("web Running", get "po web-0 -o=jsonpath='{.metadata.labels.app} {.status.phase}'")
      assert.equal('[\n    "web-0"\n]\n', get "po web-0 -o jsonpath-as-json={.metadata.name}")
      assert.equal("error: error parsing jsonpath {.a, unclosed action", refused "po -o jsonpath={.a")
      assert.equal("error: template format specified but no template given", refused "po -o jsonpath")
      assert.matches('^error: error executing jsonpath "{.kind%[0%]}": Error executing template: string is not array or slice%. '
        .. "Printing more information for debugging the template:\n\ttemplate was:\n\t\t{.kind%[0%]}\n"
        .. "\tobject given to jsonpath engine was:\n\t\t" .. 'map%[string%]interface {}{"apiVersion":"v1", "kind":"Pod", ',
        (refused "po web-0 -o jsonpath={.kind[0]}"))
    end)

    it("takes custom columns", function()
      assert.equal("NAME   NODE     LABELS\nweb    <none>   map[app:web]\n",
        get "svc web -o custom-columns=NAME:.metadata.name,NODE:.spec.node,LABELS:metadata.labels")
      assert.equal("web-0   main\nweb-1   main\n", get "po --no-headers -o custom-columns=N:.metadata.name,C:.spec.containers[*].name")
      assert.equal("error: unexpected custom-columns spec: NAME, expected <header>:<json-path-expr>", refused "po -o custom-columns=NAME")
      assert.equal("error: custom-columns format specified but no custom columns given", refused "po -o custom-columns=")
    end)

    it("refuses formats that it does not know, and those that are not simulated by name", function()
      assert.equal('error: unable to match a printer suitable for the output format "xml", allowed formats are: custom-columns,'
        .. "custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,"
        .. "templatefile,wide,yaml", refused "po -o xml")
      assert.equal("not supported: kubectl get -o go-template", refused "po -o go-template={{.kind}}")
      assert.equal("not supported: kubectl get -o go-template", refused "po --template={{.kind}}")
      assert.equal("not supported: kubectl get -o custom-columns-file", refused "po -o custom-columns-file=x")
      assert.equal("error: --show-labels option cannot be used with name printer", refused "po --show-labels -o name")
    end)
  end)

  describe("of something that is not there", function()
    it("refuses it, and prints the rest first", function()
      local text, err = refused "po web-0 nobody"
      assert.equal('Error from server (NotFound): pods "nobody" not found', text)
      assert.matches("^NAME +READY.*\nweb%-0 ", err.stdout)
      assert.equal('Error from server (NotFound): pods "a" not found\nError from server (NotFound): pods "b" not found', refused "po a b")
    end)

    it("keeps still when told to", function() assert.equal("", get "po nobody --ignore-not-found") end)

    it("says so of kinds, and of groups", function()
      assert.equal('error: the server doesn\'t have a resource type "nothing"', refused "nothing")
    end)

    it("asks for a kind", function()
      assert.equal("You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported "
        .. "resources.\n\nerror: Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of "
        .. "that resource (e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples", refused "")
    end)

    it("tells that a field cannot be selected by", function()
      assert.equal('Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "", field selector '
        .. '"spec.nothing=x": field label not supported: spec.nothing', refused "po --field-selector spec.nothing=x")
    end)
  end)

  it("reads what to get from manifests", function()
    assert.matches("^NAME .*\nservice/web .*\n\nNAME .*\nstatefulset.apps/web ", (cluster:kubectl("get -f -", WEB)))
  end)

  it("shows subresources", function()
    assert.equal("NAME   DESIRED   AVAILABLE   AGE\nweb    2         2           20s\n", get "sts web --subresource=scale")
    assert.matches("^apiVersion: autoscaling/v1\nkind: Scale\n.*\nspec:\n  replicas: 2\nstatus:\n  replicas: 2\n  selector: app=web\n$",
      get "sts web --subresource=scale -o yaml")
    assert.equal("Error from server (NotFound): the server could not find the requested resource", refused "svc web --subresource=scale")
  end)

  it("warns of Endpoints", function()
    local out, err = cluster:kubectl "get ep web"
    assert.matches("^NAME +ENDPOINTS +AGE\nweb +10%.244%.%d+%.%d+:80,10%.244%.%d+%.%d+:80 +20s\n$", out)
    assert.equal("Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\n", err)
  end)

  describe("-w", function()
    it("goes on until nothing changes any more", function()
      cluster:scale("sts/web", 1)
      local text = get "po -w"
      assert.matches("^NAME .*\nweb%-0 +1/1 +Running .*\nweb%-1 +1/1 +Running .*\nweb%-1 +1/1 +Terminating .*\n"
        .. "web%-1 +0/1 +Completed ", text)
      assert.equal(1, cluster:count "pod")
    end)

    it("leaves out what is there already with --watch-only", function()
      cluster:scale("sts/web", 3)
      local text = get "po --watch-only"
      assert.not_matches("web%-0", text)
      assert.matches("^NAME +READY +STATUS +RESTARTS +AGE\nweb%-2 +0/1 +Pending .*\nweb%-2 +0/1 +ContainerCreating .*\n"
        .. "web%-2 +1/1 +Running ", text)
    end)

    it("says what happened with --output-watch-events", function()
      cluster:delete "svc/web"
      cluster:scale("sts/web", 1)
      local text = get "po -w --output-watch-events"
      assert.matches("^EVENT +NAME .*\nADDED +web%-0 .*\nADDED +web%-1 .*\nMODIFIED +web%-1 .*\nDELETED +web%-1 ", text)
      assert.equal("error: --output-watch-events option can only be used with --watch or --watch-only", refused "po --output-watch-events")
    end)

    it("watches one object", function()
      cluster:delete "pod/web-1"
      local text = get "po web-1 -w -o name"
      assert.matches("^pod/web%-1\npod/web%-1\n", text)
      assert.not_matches("web%-0", text)
    end)
  end)
end)
