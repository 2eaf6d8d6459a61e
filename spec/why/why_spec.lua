-- cluster:why names the causes of what is held up.
local kubesim = require "kubesim"

local SET <const> = [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  serviceName: web
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 10, containers: [{name: main, image: "app:1"}]}
]]
local DEPLOYMENT <const> = SET:gsub("StatefulSet", "Deployment"):gsub("  serviceName: web\n", "")

local function with(manifest, what, instead) return (manifest:gsub(what, function() return instead end)) end

local function image(name) return { spec = { template = { spec = { containers = { { name = "main", image = name } } } } } } end

local function pod(name, spec, meta)
  return ("{apiVersion: v1, kind: Pod, metadata: {name: %s%s}, spec: {%s}}"):format(name, meta or "", spec)
end

local CONTAINER <const> = "containers: [{name: c, image: 'app:1'}]"
local MOUNTING <const> = "containers: [{name: c, image: 'app:1', volumeMounts: [{name: v, mountPath: /v}]}]"

describe("cluster:why", function()
  local cluster
  before_each(function()
    cluster = kubesim.new { nodes = 2 }
    cluster:image("gone:1", { exists = false })
    cluster:image("crash:1", { exit = { code = 3, after = 1 } })
  end)
  after_each(function() cluster:close() end)

  ---Each text must stand in the answer, in this order.
  local function names(subject, ...)
    local text, at = cluster:why(subject), 1
    for _, part in ipairs { ... } do
      local _, stop = text:find(part, at, true)
      assert(stop, ("%q is not in order in:\n%s"):format(part, text))
      at = stop + 1
    end
    return text
  end

  describe("of a pod", function()
    it("says what the scheduler finds wrong with each node", function()
      cluster:patch("no/k8s-node1", { spec = { unschedulable = true } })
      cluster:create(pod("a", "containers: [{name: c, image: x, resources: {requests: {cpu: 100}}}]"))
      cluster:advance(5)
      assert.equal([[
pod/a is Pending: no node takes it
  0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable
    node/k8s-node1: node(s) were unschedulable (NodeUnschedulable)
    node/k8s-node2: Insufficient cpu (NodeResourcesFit)]], cluster:why "po/a")
      names("no/k8s-node1", "node/k8s-node1 is Ready", "it is cordoned")
    end)

    it("follows the claims that it waits for", function()
      cluster:create(pod("a", CONTAINER .. ", volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]"))
      cluster:advance(5)
      names("po/a", "is Pending", "persistentvolumeclaim/data does not exist")
      cluster:create [[
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data},
 spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1Gi}}}}]]
      cluster:advance(5)
      names("po/a", "persistentvolumeclaim/data is Pending", "its storage class none does not exist")
    end)

    it("names missing images, crashes, failing probes and missing configuration", function()
      cluster:create(pod("a", "containers: [{name: c, image: 'gone:1'}]"))
      cluster:create(pod("b", "containers: [{name: c, image: 'crash:1'}]"))
      cluster:image("app:1", { http = {} })
      cluster:create(pod("c", "containers: [{name: c, image: 'app:1', readinessProbe: {httpGet: {port: 80, path: /up}}}]"))
      cluster:create(pod("d", "containers: [{name: c, image: 'app:1', envFrom: [{configMapRef: {name: words}}]}]"))
      cluster:create(pod("f", MOUNTING .. ", volumes: [{name: v, configMap: {name: words}}]"))
      cluster:create(pod("e", "initContainers: [{name: first, image: 'crash:1'}], " .. CONTAINER))
      cluster:advance(30)
      names("po/a", "pod/a is Pending on node k8s-node", "container c waits, for its image cannot be pulled: ", "gone:1: not found")
      names("po/b", "container c has ended with exit code 3 (Error)", "it is restarted after a delay, so far 2 times")
      names("po/c", "is Running on node", "container c does not pass its readiness probe: Readiness probe failed: Get",
        "connection refused")
      names("po/d", 'CreateContainerConfigError: configmap "words" not found')
      names("po/e", "init container first has ended with exit code 3 (Error)")
      names("po/f", "pod/f is Pending", 'configmap "words", which volume v needs, does not exist', 'FailedMount: MountVolume.SetUp failed')
    end)

    it("names the node to which its disk is attached", function()
      cluster:create [[
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data},
 spec: {accessModes: [ReadWriteOnce], storageClassName: fast, resources: {requests: {storage: 1Gi}}}}]]
      cluster:advance(10)
      local volume = ", volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]"
      for i = 1, 2 do
        cluster:create(pod("p" .. i, ("nodeSelector: {kubernetes.io/hostname: k8s-node%d}, "):format(i) .. MOUNTING .. volume))
        cluster:advance(60)
      end
      names("po/p2", "FailedAttachVolume: Multi-Attach error", "is attached to node k8s-node1",
        "(ReadWriteOnce); the pod is on node k8s-node2", "pod/p1 uses it on node k8s-node1")
      cluster:delete "pvc/data"
      cluster:advance(1)
      names("pvc/data", "is Terminating", "its finalizers are taken off: kubernetes.io/pvc-protection", "pod/p1 still uses it")
    end)

    it("says what keeps it from going away", function()
      cluster:image("app:1", { stop = false })
      cluster:create(pod("a", CONTAINER .. ", terminationGracePeriodSeconds: 20"))
      cluster:create(pod("b", "containers: [{name: c, image: x}]", ", finalizers: [example.com/hold]"))
      cluster:create(pod("c", CONTAINER))
      cluster:advance(5)
      cluster:delete "po/a"
      cluster:delete "po/b"
      cluster:advance(5)
      names("po/a", "pod/a is Terminating", "its containers have 15s left of a grace period of 20s")
      names("po/b", "it stays until its finalizers are taken off: example.com/hold")
      cluster:fail_node(cluster:get "po/c".spec.nodeName)
      cluster:advance(60)
      names("po/c", "is not ready (NodeStatusUnknown")
      cluster:advance(400)
      names("po/c", "pod/c is Terminating", "nobody tells that its containers have ended", "`kubectl delete pod c --force`")
    end)

    it("has nothing to say of one that is well", function()
      cluster:create(pod("a", CONTAINER))
      cluster:advance(5)
      assert.equal("pod/a is Running and ready", cluster:why "po/a")
    end)
  end)

  it("of a claim says what it waits for", function()
    for name, class in pairs { later = "standard", never = '""' } do
      cluster:create(([[
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: %s},
 spec: {accessModes: [ReadWriteOnce], storageClassName: %s, resources: {requests: {storage: 1Gi}}}}]]):format(name, class))
    end
    cluster:advance(1)
    names("pvc/later", "is Pending", "(WaitForFirstConsumer)", "no pod uses it")
    names("pvc/never", "it needs a free PersistentVolume of class \"\" with at least 1Gi, ReadWriteOnce", "there is no such volume")
  end)

  describe("of a StatefulSet", function()
    it("names the pod for which the others wait", function()
      cluster:create(with(SET, "app:1", "gone:1"))
      cluster:advance(20)
      names("sts/web", "has 0 of 3 replicas ready", "pod/web-0 is Pending", "its image cannot be pulled",
        "pods are made in order: web-1, web-2 wait for pod/web-0 to be ready")
      names("po/web-2", "pod/web-2 does not exist", "statefulset/web has 0 of 3", "pod/web-0 is Pending")
    end)

    it("says what frees a roll-out that is stuck behind a broken pod", function()
      cluster:create(SET)
      cluster:advance(30)
      cluster:patch("sts/web", image "gone:1")
      cluster:advance(60)
      names("sts/web", "pod/web-2 is Pending", "it was made from the new revision", "a corrected template alone does not replace it")
      cluster:patch("sts/web", image "app:2")
      cluster:advance(60)
      names("sts/web", "pod/web-2 is Pending", "is stuck behind it", "`kubectl delete pod web-2` frees the roll-out")
      cluster:delete "po/web-2"
      cluster:advance(120)
      assert.equal("statefulset/web has 3 of 3 replicas ready", cluster:why "sts/web")
    end)

    it("knows partitions, OnDelete, minReadySeconds, quotas and scaling down", function()
      cluster:create(with(SET, "  selector", "  updateStrategy: {rollingUpdate: {partition: 2}}\n  selector"))
      cluster:advance(30)
      cluster:patch("sts/web", image "app:2")
      cluster:advance(60)
      names("sts/web", "web-0, web-1 keep an older revision", "the partition of the roll-out is 2")
      cluster:patch("sts/web", { spec = { updateStrategy = { type = "OnDelete", rollingUpdate = kubesim.null } } })
      cluster:advance(5)
      names("sts/web", "with updateStrategy OnDelete they are replaced when somebody deletes them")
      cluster:patch("sts/web", { spec = { minReadySeconds = 600 } })
      cluster:advance(5)
      names("sts/web", "pod/web-0 is ready, and not available before it has been so for 600 s (minReadySeconds)")
      cluster:image("app:1", { stop = false })
      cluster:image("app:2", { stop = false })
      cluster:patch("sts/web", { spec = { minReadySeconds = 0, replicas = 1 } })
      cluster:advance(3)
      names("sts/web", "web-2, web-1 are to go, from the highest ordinal down", "pod/web-2 is Terminating", "of a grace period of 10s")
      cluster:advance(60)
      cluster:create "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {pods: 1}}}"
      cluster:advance(1)
      cluster:scale("sts/web", 3)
      cluster:advance(10)
      names("sts/web", "pod/web-1 does not exist", "exceeded quota: q", "web-2 waits for pod/web-1")
    end)
  end)

  it("of a Deployment names the pods, the pause and the quota", function()
    cluster:create(DEPLOYMENT)
    cluster:advance(30)
    cluster:patch("deploy/web", image "gone:1")
    cluster:advance(30)
    names("deploy/web", "deployment/web has 3 of 3 replicas ready, 1 of the newest template", "has 0 of 1 replicas ready",
      "its image cannot be pulled", "of an older template still has 3 pods")
    cluster:advance(700)
    names("deploy/web", "ProgressDeadlineExceeded: ReplicaSet")
    cluster:kubectl "rollout pause deploy/web"
    cluster:patch("deploy/web", image "app:3")
    cluster:advance(5)
    names("deploy/web", "it is paused", "`kubectl rollout resume deployment/web` goes on")
    cluster:create "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {pods: 1}}}"
    cluster:advance(1)
    cluster:create(with(DEPLOYMENT, "web", "other"))
    cluster:advance(10)
    names("deploy/other", "has 0 of 3 replicas ready", "FailedCreate: pods ", "exceeded quota: q")
  end)

  describe("of a name", function()
    before_each(function()
      cluster:create(SET)
      cluster:create [[
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: None, selector: {app: web2}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: twin}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: single}
spec: {clusterIP: 10.96.3.3, selector: {app: web}, ports: [{port: 80, targetPort: named}]}
]]
      cluster:advance(30)
    end)

    it("finds selectors that match nothing", function()
      names("web", "web does not resolve: NXDOMAIN", "service/web is headless and has no ready endpoints",
        "its selector app=web2 matches no pods", "pod/web-0 has app=web, the Service wants app=web2")
      names("web-0.web.default.svc.cluster.local", "service/web does not select it: pod/web-0 has app=web, the selector wants app=web2")
      names("svc/web", "service/web has 0 ready endpoints", "its selector app=web2 matches no pods")
    end)

    it("finds subdomains, pods and Services that are not there", function()
      names("web-0.twin", 'pod/web-0 has the spec.subdomain "web" (a StatefulSet\'s serviceName), not "twin"')
      names("web-7.twin", "pod/web-7 does not exist", "statefulset/web makes pods web-0 to web-2")
      names("web-0.single", "service/single is not headless (its clusterIP is 10.96.3.3)")
      names("wep", 'there is no Service "wep" in namespace "default"', 'there is a Service "web"')
      names("web.kube-system", 'there is no Service "web" in namespace "kube-system"', "there is one in namespace default: web.default")
      names("example.com", "does not resolve: NXDOMAIN", 'there is no Service "com"', 'there is no namespace "com" either')
    end)

    it("finds pods that are not ready or have no hostname", function()
      cluster:create(pod("lone", CONTAINER, ", labels: {app: lone}"))
      cluster:create "{apiVersion: v1, kind: Service, metadata: {name: lone}, spec: {clusterIP: None, selector: {app: lone}}}"
      cluster:advance(10)
      names("lone.lone", "pod/lone has no spec.hostname", 'pod/lone has the spec.subdomain "", not "lone"')
      cluster:patch("svc/web", { spec = { selector = { app = "web" } } })
      cluster:patch("sts/web", image "gone:1")
      cluster:advance(60)
      names("web-2.web", "pod/web-2 is no host of service/web", "pod/web-2 is Pending", "its image cannot be pulled")
      names("web-0.web", "web-0.web resolves to 10.244.")
    end)

    it("tells the address of one that resolves, and what is wrong behind it", function()
      names("single", "single resolves to 10.96.3.3", 'no selected pod has a container port named "named"')
    end)
  end)

  it("of what does not exist says so; wrong words are refused", function()
    assert.equal("pod/x does not exist", cluster:why "po/x")
    assert.equal('pod/x does not exist\n  there is no namespace "none"', cluster:why("po/x", { namespace = "none" }))
    assert.error_matches(function() cluster:why "a/b/c" end, [[bad argument #1 to 'why' %(a reference "kind/name" or a DNS name expected]])
    assert.error_matches(function() cluster:why "frob/x" end, [[the server doesn't have a resource type "frob"]])
  end)

  it("is what wait_for gives up with", function()
    cluster:create(pod("a", "containers: [{name: c, image: 'gone:1'}]"))
    local ok, why = cluster:wait_for("po/a", "ready", { timeout = 5 })
    assert.is_nil(ok)
    assert.matches("^timed out waiting for ready of po/a: pod/a is Pending on node k8s%-node%d and not ready\n"
      .. "  container c waits, for its image", why)
  end)
end)
