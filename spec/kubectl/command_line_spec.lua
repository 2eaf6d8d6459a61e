-- What kubectl makes of a command line, and which objects it finds in one.
local kubesim = require "kubesim"

---What kubectl prints on standard error when it refuses.
local function refusal(cluster, ...)
  local ok, err = pcall(cluster.kubectl, cluster, ...)
  assert.is_false(ok, "refused")
  return tostring(err)
end

describe("a kubectl command line", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1 } end)
  after_each(function() cluster:close() end)

  it("is split as a shell splits it", function()
    cluster:kubectl([[apply -f -]], "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}")
    assert.equal("configmap/m\n", (cluster:kubectl [[delete 'c'm "m" --wait=false -o nam\e # and a comment]]))
    assert.equal('error: unknown command "get\\v\\fpo" for "kubectl"', refusal(cluster, "get\v\fpo")) -- which are no blanks
    assert.equal("not supported: the shell operator '|' in a kubectl command line", refusal(cluster, "get po | wc -l"))
    assert.equal("not supported: a shell expansion in a kubectl command line", refusal(cluster, 'get po "$NAME"'))
  end)

  it("may be a list of words", function()
    cluster:kubectl({ "create", "-f", "-" }, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}")
    assert.equal('configmap "m" deleted from default namespace\n', (cluster:kubectl { "delete", "configmaps/m" }))
  end)

  it("names an unknown command and the ones that are near", function()
    assert.equal('error: unknown command "frobnicate" for "kubectl"', refusal(cluster, "frobnicate"))
    assert.equal('error: unknown command "aply" for "kubectl"\n\nDid you mean this?\n\tapply', refusal(cluster, "aply -f -"))
    assert.equal("Error: flags cannot be placed before plugin name: --namespace", refusal(cluster, "--namespace default frobnicate"))
  end)

  it("refuses commands without a counterpart by name", function()
    assert.equal("not supported: kubectl edit: there is no editor; use kubectl patch or kubectl apply", refusal(cluster, "edit po x"))
    assert.equal("not supported: kubectl --context", refusal(cluster, "--context=x delete po x"))
  end)

  it("has pflag's rules and words", function()
    local usage = "\nSee 'kubectl delete --help' for usage."
    local cases = {
      ["delete po --nonsense"] = "error: unknown flag: --nonsense",
      ["delete po -z"] = "error: unknown shorthand flag: 'z' in -z",
      ["delete po -Az"] = "error: unknown shorthand flag: 'z' in -z",
      ["delete po --selector"] = "error: flag needs an argument: --selector",
      ["delete po -Al"] = "error: flag needs an argument: 'l' in -l",
      ["delete po --grace-period=x"] =
        [[error: invalid argument "x" for "--grace-period" flag: strconv.ParseInt: parsing "x": invalid syntax]],
      ["delete po --all=maybe"] = [[error: invalid argument "maybe" for "--all" flag: strconv.ParseBool: parsing "maybe": invalid syntax]],
      ["delete po --timeout=2"] = nil,
      ["delete po --timeout=soon"] = [[error: invalid argument "soon" for "--timeout" flag: time: invalid duration "soon"]],
      ["delete po --=x"] = "error: bad flag syntax: --=x",
    }
    for command, want in pairs(cases) do assert.equal(want .. usage, refusal(cluster, command)) end
  end)

  it("keeps what was printed before an error", function()
    cluster:kubectl("create -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}")
    local ok, err = pcall(cluster.kubectl, cluster, "delete cm m nobody")
    assert.is_false(ok)
    assert.equal('Error from server (NotFound): configmaps "nobody" not found', tostring(err))
    assert.equal('configmap "m" deleted from default namespace\n', err.stdout)
    assert.same({ 1, 404, "NotFound" }, { err.exit, err.code, err.reason })
  end)
end)

describe("what a command works on", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 1 }
    for _, name in ipairs { "a", "b" } do
      cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = name, labels = { app = name } } }
    end
  end)
  after_each(function() cluster:close() end)

  it("may be given as TYPE NAME, TYPE/NAME, by selector, or all of a type", function()
    assert.equal("configmap/a\nconfigmap/b\n", (cluster:kubectl "delete cm a b -o name --dry-run=client"))
    assert.equal("configmap/a\nconfigmap/b\n", (cluster:kubectl "delete cm/a configmap/b -o name --dry-run=client"))
    assert.equal("configmap/b\n", (cluster:kubectl "delete cm -l app=b -o name --dry-run=client"))
    assert.equal("configmap/a\nconfigmap/b\nconfigmap/kube-root-ca.crt\n", (cluster:kubectl "delete cm --all -o name --dry-run=client"))
  end)

  it("is refused in kubectl's words", function()
    local cases = {
      ["delete nothing x"] = [[the server doesn't have a resource type "nothing"]],
      ["delete cm"] = "resource(s) were provided, but no name was specified",
      ["delete cm/a/b"] = "arguments in resource/name form may not have more than one slash",
      ["delete cm/ x/y"] = "arguments in resource/name form must have a single resource and name",
      ["delete cm,po"] = "resource(s) were provided, but no name was specified",
      ["delete cm a -l app=a"] = "name cannot be provided when a selector is specified",
      ["delete cm/a --all"] = "selectors and the all flag cannot be used when passing resource/name arguments",
      ["delete -l app=a"] = "at least one resource must be specified to use a selector",
      ["delete cm a -f -"] = "when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well",
      ["delete -f nowhere.yaml"] = [[the path "nowhere.yaml" does not exist]],
      ["delete -f - -f -"] = "standard input cannot be used for multiple arguments",
    }
    for command, want in pairs(cases) do assert.equal("error: " .. want, refusal(cluster, command)) end
    assert.equal('Error from server (NotFound): namespaces "nowhere" not found', refusal(cluster, "scale deploy x --replicas=1 -n nowhere"))
  end)
end)
