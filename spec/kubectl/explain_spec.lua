-- kubectl explain: fields, their types, and which are required.
local kubesim = require "kubesim"

describe("kubectl explain", function()
  local cluster
  setup(function() cluster = kubesim.new { nodes = 0 } end)
  teardown(function() cluster:close() end)

  local function explain(words) return (cluster:kubectl("explain " .. words)) end
  local function refused(words)
    local ok, err = pcall(cluster.kubectl, cluster, "explain " .. words)
    assert.is_false(ok, words)
    return tostring(err)
  end

  it("lists the fields of a kind, its group only where there is one", function()
    assert.equal("KIND:       ConfigMap\nVERSION:    v1\n\nDESCRIPTION:\n    <empty>\nFIELDS:\n"
      .. "  apiVersion\t<string>\n    <no description>\n\n  binaryData\t<map[string]string>\n    <no description>\n\n"
      .. "  data\t<map[string]string>\n    <no description>\n\n  immutable\t<boolean>\n    <no description>\n\n"
      .. "  kind\t<string>\n    <no description>\n\n  metadata\t<ObjectMeta>\n    <no description>\n\n\n", explain "cm")
    assert.matches("^GROUP:      apps\nKIND:       StatefulSet\nVERSION:    v1\n\n", explain "sts")
  end)

  it("says what is required", function()
    assert.matches("\n  containers\t<%[%]Container> %-required%-\n", explain "pod.spec")
    assert.matches("\n  port\t<IntOrString> %-required%-\n", explain "pod.spec.containers.livenessProbe.httpGet")
  end)

  it("follows fields through lists and maps, and names the last one", function()
    assert.equal("KIND:       Pod\nVERSION:    v1\n\nFIELD: name <string>\n\n\nDESCRIPTION:\n    <empty>\n\n",
      explain "pods.spec.containers.name")
    assert.matches("\nFIELD: limits <map%[string%]Quantity>\n", explain "pod.spec.containers.resources.limits")
  end)

  it("takes the group with the kind", function()
    assert.matches("\nFIELD: strategy <DeploymentStrategy>\n", explain "deployments.apps.spec.strategy")
    assert.matches("^GROUP:      apps\nKIND:       Deployment\n", explain "deployment --api-version=apps/v1")
  end)

  it("lists the values of an enum", function()
    assert.matches("\nFIELD: restartPolicy <string>\nENUM:\n    Always\n    Never\n    OnFailure\n\nDESCRIPTION",
      explain "pod.spec.restartPolicy")
    assert.matches('\n  type\t<string>\n  enum: "", BlockDevice, CharDevice, Directory, ....\n', explain "pod.spec.volumes.hostPath")
  end)

  it("goes into the depth with --recursive", function()
    assert.equal("GROUP:      apps\nKIND:       StatefulSet\nVERSION:    v1\n\nFIELD: updateStrategy <StatefulSetUpdateStrategy>\n\n\n"
      .. "DESCRIPTION:\n    <empty>\nFIELDS:\n  rollingUpdate\t<RollingUpdateStatefulSetStrategy>\n    maxUnavailable\t<IntOrString>\n"
      .. "    partition\t<integer>\n  type\t<string>\n  enum: OnDelete, RollingUpdate\n\n", explain "sts.spec.updateStrategy --recursive")
  end)

  it("says what does not exist", function()
    assert.equal('error: field "nothing" does not exist', refused "pod.spec.nothing")
    assert.equal('error: the server doesn\'t have a resource type "nothing"', refused "nothing.spec")
    assert.equal('error: couldn\'t find resource for "policy/v2, Resource=poddisruptionbudgets"', refused "pdb --api-version=policy/v2")
    assert.equal("error: unrecognized format: xml", refused "pod -o xml")
    assert.equal("error: We accept only this format: explain RESOURCE", refused "pod spec")
    assert.equal("error: You must specify the type of resource to explain. "
      .. 'Use "kubectl api-resources" for a complete list of supported resources.', refused "")
  end)
end)
