-- What `kubectl describe` shows, to the blank.
-- luacheck: ignore 613
-- (kubectl leaves blanks at the ends of lines)
local kubesim = require "kubesim"

---The lines of a text from a mark up to another one.
local function part(text, from, to)
  local start = assert(text:find(from, 1, true), "no " .. from .. " in\n" .. text)
  return text:sub(start, to and text:find(to, start, true) - 1 or -1)
end

describe("kubectl describe", function()
  local cluster
  local function shown(words) return (cluster:kubectl("describe " .. words)) end
  local function refusal(words)
    local ok, err = pcall(cluster.kubectl, cluster, "describe " .. words)
    assert.is_false(ok, "refused")
    return tostring(err)
  end
  before_each(function() cluster = kubesim.new { nodes = 1, latency = 0 } end)
  after_each(function() cluster:close() end)

  it("aligns what neighbouring lines have in common", function()
    cluster:apply [[
apiVersion: v1
kind: Service
metadata: {name: web, labels: {b: two, a: one}, annotations: {note: "first\nsecond", short: text}}
spec:
  clusterIP: 10.96.7.7
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: web}, {name: metrics, port: 9090}]
]]
    cluster:advance(1)
    assert.equal([[
Name:                     web
Namespace:                default
Labels:                   a=one
                          b=two
Annotations:              note:
                            first
                            second
                          short: text
Selector:                 app=web
Type:                     ClusterIP
IP Family Policy:         SingleStack
IP Families:              IPv4
IP:                       10.96.7.7
IPs:                      10.96.7.7
Port:                     http  80/TCP
TargetPort:               web/TCP
Endpoints:                
Port:                     metrics  9090/TCP
TargetPort:               9090/TCP
Endpoints:                
Session Affinity:         None
Internal Traffic Policy:  Cluster
Events:                   <none>
]], shown "svc web")
  end)

  describe("of a pod", function()
    before_each(function()
      cluster:image("app:1", {})
      cluster:apply [[
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: x}}
spec:
  terminationGracePeriodSeconds: 10
  nodeSelector: {kubernetes.io/os: linux}
  automountServiceAccountToken: false
  containers:
  - name: main
    image: app:1
    command: [run, "--fast"]
    ports: [{name: http, containerPort: 80}, {containerPort: 81, protocol: UDP}]
    resources: {limits: {cpu: 1500m}, requests: {memory: 64Mi}}
    livenessProbe: {exec: {command: [cat, /alive]}, periodSeconds: 3600}
    env:
    - {name: PLAIN, value: "two\nlines"}
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: ADDRESS, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: ID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
    - {name: APP, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
    - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
    - {name: WORD, valueFrom: {configMapKeyRef: {name: words, key: first, optional: true}}}
    volumeMounts: [{name: scratch, mountPath: /b, subPath: inner}, {name: scratch, mountPath: /a, readOnly: true}]
  volumes: [{name: scratch, emptyDir: {sizeLimit: 1Gi}}]
]]
      cluster:advance(5)
    end)

    it("shows containers with all that they are given", function()
      local text = shown "po a":gsub("containerd://%x+", "ID"):gsub("sha256:%x+", "SUM")
      assert.equal([[
Containers:
  main:
    Container ID:  ID
    Image:         app:1
    Image ID:      SUM
    Ports:         80/TCP (http), 81/UDP
    Host Ports:    0/TCP (http), 0/UDP
    Command:
      run
      --fast
    State:          Running
      Started:      Thu, 01 Jan 2026 00:00:00 +0000
    Ready:          True
    Restart Count:  0
    Limits:
      cpu:  1500m
    Requests:
      cpu:     1500m
      memory:  64Mi
    Liveness:  exec [cat /alive] delay=0s timeout=1s period=3600s #success=1 #failure=3
    Environment:
      PLAIN:    two
                lines
      NAME:     a (v1:metadata.name)
      ADDRESS:   (v1:status.podIP)
      ID:        (v1:metadata.uid)
      APP:       (v1:metadata.labels['app'])
      CPUS:     2 (limits.cpu)
      MEMORY:   node allocatable (limits.memory)
      WORD:     <set to the key 'first' of config map 'words'>  Optional: true
    Mounts:
      /a from scratch (ro)
      /b from scratch (rw,path="inner")
]], part(text, "Containers:", "Conditions:"))
    end)

    it("shows conditions, volumes, tolerations and events", function()
      assert.equal([[
Conditions:
  Type                        Status
  PodReadyToStartContainers   True 
  Initialized                 True 
  Ready                       True 
  ContainersReady             True 
  PodScheduled                True 
Volumes:
  scratch:
    Type:        EmptyDir (a temporary directory that shares a pod's lifetime)
    Medium:      
    SizeLimit:   1Gi
QoS Class:       Burstable
Node-Selectors:  kubernetes.io/os=linux
Tolerations:     node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
                 node.kubernetes.io/unreachable:NoExecute op=Exists for 300s
]], part(shown "po a", "Conditions:", "Events:"))
      local events = part(shown "po a", "Events:")
      assert.truthy(events:find("^Events:\n  Type    Reason     Age   From               Message\n  %-%-%-%-    %-"), events)
      for _, line in ipairs {
        "  Normal  Scheduled  5s    default-scheduler  Successfully assigned default/a to k8s-node1\n",
        "  Normal  Started    5s    kubelet            spec.containers{main}: Container started\n",
      } do assert.truthy(events:find("\n" .. line, 1, true), events) end
    end)

    it("says how long it has been terminating", function()
      cluster:image("app:1", { stop = false })
      cluster:delete "po/a"
      cluster:advance(1)
      local text = shown "po a"
      assert.truthy(text:find("\nStatus: +Terminating %(lasts <invalid>%)\nTermination Grace Period:  10s\n"), text)
    end)
  end)

  it("leaves events out for several objects, unless they are asked for", function()
    cluster:apply "{apiVersion: v1, kind: ConfigMap, metadata: {name: web-a}, data: {k: v}}"
    cluster:apply "{apiVersion: v1, kind: ConfigMap, metadata: {name: web-b}}"
    local a = "Name:         web-a\nNamespace:    default\nLabels:       <none>\nAnnotations:  <none>\n\n"
      .. "Data\n====\nk:\n----\nv\n\n\nBinaryData\n====\n\n"
    local b = "Name:         web-b\nNamespace:    default\nLabels:       <none>\nAnnotations:  <none>\n\nData\n====\n\nBinaryData\n====\n\n"
    assert.equal(a .. "\n\n" .. b, shown "cm web-a web-b")
    assert.equal(a .. "Events:  <none>\n", shown "cm web-a")
    assert.equal(a .. "Events:  <none>\n\n\n" .. b .. "Events:  <none>\n", shown "cm/web-a cm/web-b --show-events")
    assert.equal(a, shown "cm web-a --show-events=false")
  end)

  it("takes a name for the beginning of names when nothing has it", function()
    for _, name in ipairs { "web-a", "web-b", "other" } do
      cluster:apply("{apiVersion: v1, kind: Secret, metadata: {name: " .. name .. "}}")
    end
    local function secret(name)
      return "Name:         " .. name .. "\nNamespace:    default\nLabels:       <none>\nAnnotations:  <none>\n\nType:  Opaque\n\n"
        .. "Data\n====\n\n"
    end
    assert.equal(secret "web-a" .. secret "web-b", shown "secret web-")
    assert.equal('Error from server (NotFound): secrets "web-x" not found', refusal "secret web-x")
  end)

  it("shows where a roll-out's pods are", function()
    cluster:apply [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]
    cluster:advance(5)
    cluster:patch("deploy/web", { spec = { template = { spec = { containers = { { name = "main", image = "app:2" } } } } } })
    cluster:advance(30)
    local text = shown "deploy web"
    assert.truthy(text:find("\nOldReplicaSets:  web%-%w+ %(0/0 replicas created%)\n"
      .. "NewReplicaSet:   web%-%w+ %(2/2 replicas created%)\n"), text)
    assert.truthy(text:find("\n  Available      True    MinimumReplicasAvailable\n", 1, true), text)
  end)

  it("adds up what a node's pods ask for", function()
    for name, cpu in pairs { a = "500m", b = "1" } do
      cluster:apply(("{apiVersion: v1, kind: Pod, metadata: {name: %s}, spec: {containers: [{name: c, image: 'app:1', "
        .. "resources: {requests: {cpu: %s}, limits: {memory: 2Gi}}}]}}"):format(name, cpu))
    end
    cluster:advance(5)
    assert.equal([[
Non-terminated Pods:          (2 in total)
  Namespace                   Name    CPU Requests  CPU Limits  Memory Requests  Memory Limits  Age
  ---------                   ----    ------------  ----------  ---------------  -------------  ---
  default                     a       500m (12%)    0 (0%)      2Gi (25%)        2Gi (25%)      5s
  default                     b       1 (25%)       0 (0%)      2Gi (25%)        2Gi (25%)      5s
Allocated resources:
  (Total limits may be over 100 percent, i.e., overcommitted.)
  Resource           Requests     Limits
  --------           --------     ------
  cpu                1500m (37%)  0 (0%)
  memory             4Gi (50%)    4Gi (50%)
  ephemeral-storage  0 (0%)       0 (0%)
]], part(shown "no k8s-node1", "Non-terminated", "Events:"))
  end)

  it("shows a node's Lease, and that a silent node does not renew it", function()
    cluster:advance(47)
    local function lease() return part(shown "no k8s-node1", "Lease:", "Conditions:") end
    assert.equal([[
Lease:
  HolderIdentity:  k8s-node1
  AcquireTime:     <unset>
  RenewTime:       Thu, 01 Jan 2026 00:00:40 +0000
]], lease())
    cluster:fail_node "k8s-node1"
    cluster:advance(600)
    assert.matches("\n  RenewTime:       Thu, 01 Jan 2026 00:00:4%d %+0000\n", lease())
    assert.matches("\n  Ready +Unknown +Thu, 01 Jan 2026 00:0", shown "no k8s-node1")
  end)

  it("shows claims and volumes", function()
    cluster:apply [[
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: standard, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec:
  capacity: {storage: 2Gi}
  accessModes: [ReadWriteOnce, ReadOnlyMany]
  storageClassName: manual
  local: {path: /mnt}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [k8s-node1, x]}]}]}}
]]
    cluster:advance(1)
    assert.equal([[
Name:          data
Namespace:     default
StorageClass:  standard
Status:        Pending
Volume:        
Labels:        <none>
Annotations:   <none>
Finalizers:    [kubernetes.io/pvc-protection]
Capacity:      
Access Modes:  
VolumeMode:    Filesystem
Used By:       <none>
]], part(shown "pvc data", "Name", "Events:"))
    assert.equal([[
Name:              disk
Labels:            <none>
Annotations:       <none>
Finalizers:        [kubernetes.io/pv-protection]
StorageClass:      manual
Status:            Available
Claim:             
Reclaim Policy:    Retain
Access Modes:      RWO,ROX
VolumeMode:        Filesystem
Capacity:          2Gi
Node Affinity:     
  Required Terms:  
    Term 0:        kubernetes.io/hostname in [k8s-node1, x]
Message:           
Source:
    Type:  LocalVolume (a persistent volume backed by local storage on a node)
    Path:  /mnt
Events:    <none>
]], shown "pv disk")
  end)

  it("shows every field of kinds that have no description of their own", function()
    cluster:apply [[
{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: l}, spec: {holderIdentity: me, leaseDurationSeconds: 5}}]]
    local text = shown "lease l":gsub("UID: +%x[%x-]+", "UID: U"):gsub("(Resource Version: +)%d+", "%1N")
    assert.equal([[
Name:         l
Namespace:    default
Labels:       <none>
Annotations:  <none>
API Version:  coordination.k8s.io/v1
Kind:         Lease
Metadata:
  Creation Timestamp:  2026-01-01T00:00:00Z
  Resource Version:    N
  UID: U
Spec:
  Holder Identity:         me
  Lease Duration Seconds:  5
Events:                    <none>
]], text)
  end)

  it("has something to say of everything that the API server takes", function()
    local f <close> = assert(io.open "spec/golden/defaults.json")
    local count = 0
    for _, question in ipairs(kubesim.json.decode(f:read "a")) do
      local world <close> = kubesim.new { nodes = 1, kubelet = "manual" }
      local object = world:create(question.manifest)[1]
      local text = world:kubectl { "describe", object.kind, object.metadata.name, "-n", object.metadata.namespace or "default" }
      assert.matches("^Name: +" .. object.metadata.name:gsub("%p", "%%%0") .. "\n", text)
      count = count + 1
    end
    assert.is_true(count > 20)
  end)

  it("reads what to describe from a manifest too", function()
    cluster:create "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}"
    local out = cluster:kubectl("describe -f -", "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}")
    assert.equal(shown "cm m", out)
  end)

  it("refuses in kubectl's words", function()
    assert.equal('error: You must specify the type of resource to describe. Use "kubectl api-resources" for a complete list of supported'
      .. " resources.", refusal "")
    assert.equal('error: the server doesn\'t have a resource type "nonsense"', refusal "nonsense x")
    assert.equal('Error from server (NotFound): pods "x" not found', refusal "po/x")
    local out, err = cluster:kubectl "describe po"
    assert.equal("", out)
    assert.equal("No resources found in default namespace.\n", err)
  end)
end)
