-- `kubectl rollout`: status, history, undo, restart, pause and resume.
local kubesim = require "kubesim"

local SET <const> = [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  serviceName: web
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 10, containers: [{name: main, image: "app:1"}]}
]]
local DEPLOYMENT <const> = SET:gsub("StatefulSet", "Deployment"):gsub("  serviceName: web\n", "")

local function image(name) return { spec = { template = { spec = { containers = { { name = "main", image = name } } } } } } end

describe("kubectl rollout", function()
  local cluster
  local function shown(words) return (cluster:kubectl("rollout " .. words)) end
  local function refusal(words)
    local ok, err = pcall(cluster.kubectl, cluster, "rollout " .. words)
    assert.is_false(ok, "refused")
    return tostring(err), err
  end
  before_each(function() cluster = kubesim.new { nodes = 1 } end)
  after_each(function() cluster:close() end)

  describe("status", function()
    it("lets time pass until a Deployment is rolled out, and tells each change", function()
      cluster:create(DEPLOYMENT)
      local text = shown "status deploy/web"
      local waiting = '\nWaiting for deployment "web" rollout to finish: '
      assert.truthy(text:find(waiting .. "0 out of 2 new replicas have been updated...\n", 1, true), text)
      assert.truthy(text:find(waiting .. "0 of 2 updated replicas are available...\n", 1, true), text)
      assert.truthy(text:find('\ndeployment "web" successfully rolled out\n$'), text)
      assert.equal(2, cluster:get("deploy/web").status.readyReplicas)
      cluster:patch("deploy/web", image "app:2")
      cluster:advance(1)
      assert.equal('Waiting for deployment "web" rollout to finish: 1 out of 2 new replicas have been updated...\n',
        shown "status deploy/web -w=false")
      assert.truthy(shown "status deploy web":find 'old replicas are pending termination...\n.*successfully rolled out\n$')
    end)

    it("lets time pass until a StatefulSet is rolled out", function()
      cluster:create(SET)
      local text = shown "status sts/web"
      assert.truthy(text:find "Waiting for 2 pods to be ready...\n", text)
      assert.truthy(text:find "Waiting for 1 pods to be ready...\n", text)
      assert.truthy(text:find "partitioned roll out complete: 2 new pods have been updated...\n$", text)
      cluster:patch("sts/web", { spec = { updateStrategy = { rollingUpdate = { partition = 1 } } } })
      cluster:patch("sts/web", image "app:2")
      assert.truthy(shown "status sts/web":find "Waiting for partitioned roll out to finish: 0 out of 1 new pods have been updated...\n")
      cluster:patch("sts/web", { spec = { updateStrategy = { type = "OnDelete", rollingUpdate = kubesim.null } } })
      assert.equal("error: rollout status is only available for RollingUpdate strategy type", (refusal "status sts/web"))
    end)

    it("gives up after --timeout, and says what it had said before", function()
      cluster:image("app:1", { exists = false })
      cluster:create(SET)
      local text, err = refusal "status sts/web --timeout=30s"
      assert.equal("error: timed out waiting for the condition", text)
      assert.truthy(err.stdout:find "Waiting for 2 pods to be ready...\n$")
      assert.equal(30, cluster:now())
    end)

    it("does not hang where kubectl would", function()
      cluster:create((SET:gsub("containers:", "nodeSelector: {no: such}, containers:")))
      local text, err = refusal "status sts/web"
      assert.equal("kubectl rollout status would wait for ever: nothing more will happen by itself, and it says: Waiting for 2 pods to be "
        .. "ready...", text)
      assert.truthy(err.stdout:find "Waiting for 2 pods to be ready...\n$")
      assert.is_true(cluster:now() < 3600)
    end)

    it("fails when a Deployment has exceeded its progress deadline, or the object is deleted", function()
      cluster:image("app:1", { exists = false })
      cluster:create(DEPLOYMENT)
      assert.equal('error: deployment "web" exceeded its progress deadline', (refusal "status deploy/web"))
      cluster:delete "deploy/web"
      cluster:create(SET)
      local watch = cluster:watch("event", function() end)
      local first = true
      local other = cluster:watch("pod", function()
        if first then cluster:delete("sts/web") end
        first = false
      end)
      assert.equal("error: object has been deleted", (refusal "status sts/web"))
      watch:stop()
      other:stop()
    end)

    it("knows what has no roll-out", function()
      cluster:create "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}"
      assert.equal("error: no status viewer has been implemented for ConfigMap", (refusal "status cm/m"))
      assert.equal("error: required resource not specified", (refusal "status"))
      assert.equal("error: revision must be a positive integer: -1", (refusal "status deploy/web --revision=-1"))
      assert.equal('error: the server doesn\'t have a resource type "ds"', (refusal "status ds/x"))
    end)
  end)

  it("history shows revisions, their causes and their templates", function()
    cluster:create(SET)
    cluster:advance(20)
    cluster:patch("sts/web", image "app:2")
    cluster:advance(60)
    assert.equal("statefulset.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n", shown "history sts/web")
    assert.equal([[
statefulset.apps/web with revision #1
Pod Template:
  Labels:	app=web
  Containers:
   main:
    Image:	app:1
    Port:	<none>
    Host Port:	<none>
    Environment:	<none>
    Mounts:	<none>
  Volumes:	<none>
  Node-Selectors:	<none>
  Tolerations:	<none>

]], shown "history sts web --revision=1")
    assert.equal("error: unable to find the specified revision", (refusal "history sts/web --revision=3"))
    cluster:create "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}"
    assert.equal('error: error retrieving history for "ConfigMap", no visitor method exists for { ConfigMap}', (refusal "history cm/m"))
  end)

  it("undo brings a StatefulSet's template back, as a new revision", function()
    cluster:create(SET)
    cluster:advance(20)
    assert.equal("error: no last revision to roll back to", (refusal "undo sts/web"))
    cluster:patch("sts/web", image "app:2")
    cluster:advance(60)
    assert.truthy(shown "undo sts/web --dry-run=client":find
      "^statefulset.apps/web will roll back to Pod Template:\n.*app:1.* %(dry run%)\n$")
    assert.equal("app:2", cluster:get("sts/web").spec.template.spec.containers[1].image)
    assert.equal("statefulset.apps/web skipped rollback (current template already matches revision 2)\n",
      shown "undo sts/web --to-revision=2")
    assert.equal("statefulset.apps/web rolled back\n", shown "undo sts/web")
    assert.equal("app:1", cluster:get("sts/web").spec.template.spec.containers[1].image)
    cluster:advance(60)
    assert.equal("statefulset.apps/web \nREVISION  CHANGE-CAUSE\n2         <none>\n3         <none>\n\n", shown "history sts/web")
    assert.equal("error: unable to find specified revision 9 in history", (refusal "undo sts/web --to-revision=9"))
  end)

  it("undo of a Deployment keeps its own annotations and takes the revision's", function()
    cluster:apply(DEPLOYMENT)
    cluster:advance(5)
    cluster:patch("deploy/web", { metadata = { annotations = { note = "second" } }, spec = image "app:2".spec })
    cluster:advance(60)
    local _, err = cluster:kubectl "rollout undo deploy/web"
    assert.truthy(err:find("^Warning: resource deployments/web was previously managed with 'kubectl apply'. Rolling back will not "
      .. "update the kubectl.kubernetes.io/last%-applied%-configuration annotation"))
    local annotations = cluster:get("deploy/web").metadata.annotations
    assert.is_nil(annotations.note)
    assert.truthy(annotations["kubectl.kubernetes.io/last-applied-configuration"])
    cluster:advance(60)
    assert.equal("deployment.apps/web \nREVISION  CHANGE-CAUSE\n2         <none>\n3         <none>\n\n", shown "history deploy/web")
  end)

  it("restart stamps the template; twice within a second is refused", function()
    cluster:create(SET)
    cluster:create(DEPLOYMENT)
    assert.equal("statefulset.apps/web restarted\ndeployment.apps/web restarted\n", shown "restart sts/web deploy/web")
    assert.equal(cluster:clock(), cluster:get("sts/web").spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"])
    assert.equal("error: failed to create patch for web: if restart has already been triggered within the past second, please wait before "
      .. "attempting to trigger another", (refusal "restart sts/web"))
    cluster:create "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}"
    assert.equal('error: configmaps "m" restarting is not supported', (refusal "restart cm/m"))
  end)

  it("pause and resume a Deployment", function()
    cluster:create(DEPLOYMENT)
    assert.equal('error: deployments.apps "web" is not paused', (refusal "resume deploy/web"))
    assert.equal("deployment.apps/web paused\n", shown "pause deploy web")
    assert.is_true(cluster:get("deploy/web").spec.paused)
    assert.equal('error: deployments.apps "web" is already paused', (refusal "pause deploy/web"))
    assert.equal([[error: deployments.apps "web" can't restart paused deployment (run rollout resume first)]],
      (refusal "restart deploy/web"))
    assert.equal("deployment.apps/web resumed\n", shown "resume deploy/web")
    assert.is_nil(cluster:get("deploy/web").spec.paused)
    cluster:create(SET)
    assert.equal('error: statefulsets.apps "web" pausing is not supported', (refusal "pause sts/web"))
  end)
end)
