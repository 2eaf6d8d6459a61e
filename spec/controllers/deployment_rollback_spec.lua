-- A Deployment goes back to a former revision where its annotation deprecated.deployment.rollback.to asks for it, as the controller of a
-- real cluster still does.
local kubesim = require "kubesim"

local WEB = [[
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations: {kubernetes.io/change-cause: first}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]

describe("a Deployment that is annotated with deprecated.deployment.rollback.to", function()
  local cluster

  before_each(function()
    cluster = kubesim.new { nodes = 1, kubelet = "manual" }
    cluster:apply(WEB)
    cluster:settle()
    cluster:kubectl "set image deploy/web main=app:2"
    cluster:kubectl "annotate deploy web kubernetes.io/change-cause=second --overwrite"
    cluster:settle()
  end)
  after_each(function() cluster:close() end)

  local function ask(revision)
    cluster:kubectl("annotate deploy web deprecated.deployment.rollback.to=" .. revision)
    cluster:settle()
    return cluster:get "deploy/web"
  end

  local function image(web) return web.spec.template.spec.containers[1].image end

  local function told(reason)
    local events = cluster:events { ref = "deploy/web", reason = reason }
    return #events == 1 and events[1].type .. " " .. events[1].message or #events
  end

  it("gets that revision's template and annotations, and loses the wish", function()
    local web = ask(1)
    assert.equal("app:1", image(web))
    assert.is_nil(web.metadata.annotations["deprecated.deployment.rollback.to"])
    assert.equal("first", web.metadata.annotations["kubernetes.io/change-cause"])
    assert.equal("3", web.metadata.annotations["deployment.kubernetes.io/revision"])
    assert.equal('Normal Rolled back deployment "web" to revision 1', told "DeploymentRollback")
    assert.is_nil(web.spec.template.metadata.labels["pod-template-hash"])
  end)

  it("goes back by one where 0 is asked for", function()
    assert.equal("app:1", image(ask(0)))
    assert.equal('Normal Rolled back deployment "web" to revision 1', told "DeploymentRollback")
  end)

  it("says that a revision is not there", function()
    local before = cluster:get "deploy/web"
    local web = ask(99)
    assert.same(before.spec, web.spec)
    assert.same(before.metadata.annotations, web.metadata.annotations)
    assert.equal("Warning Unable to find the revision to rollback to.", told "DeploymentRollbackRevisionNotFound")
    assert.equal(before.metadata.generation + 2, web.metadata.generation)
    assert.equal(web.metadata.generation, web.status.observedGeneration)
  end)

  it("says that there is no last revision", function()
    cluster:kubectl "delete rs --selector app=web"
    cluster:settle()
    ask(0)
    assert.equal("Warning Unable to find last revision.", told "DeploymentRollbackRevisionNotFound")
  end)

  it("says that the template is that one already", function()
    ask(2)
    assert.equal('Warning The rollback revision contains the same template as current deployment "web"',
      told "DeploymentRollbackTemplateUnchanged")
  end)

  it("keeps the wish while it is paused", function()
    cluster:kubectl "rollout pause deploy/web"
    assert.equal("1", ask(1).metadata.annotations["deprecated.deployment.rollback.to"])
    cluster:kubectl "rollout resume deploy/web"
    cluster:settle()
    assert.equal("app:1", image(cluster:get "deploy/web"))
  end)
end)
