-- What kubectl says of objects with nulls and gaps, which a real server stores and an import brings: as v1.36's own printers have it.
-- luacheck: ignore 613
-- (kubectl leaves blanks at the ends of lines)
local kubesim = require "kubesim"

local NODE_ROW = "  default                     "

describe("kubectl, of objects with nulls and gaps,", function()
  local cluster
  local function says(words, text) assert.equal(text, (cluster:kubectl(words))) end
  local function has(words, text)
    local out = cluster:kubectl(words)
    assert.is_truthy(out:find(text, 1, true), "no\n" .. text .. "\nin\n" .. out)
  end
  before_each(function()
    cluster = kubesim.new { nodes = 0, storage_classes = {}, start = "2026-03-04T05:06:07Z", kubelet = "manual" }
  end)
  after_each(function() cluster:close() end)

  it("counts no containers where there are none", function()
    cluster:import [[
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: default}
spec: {containers: null}
status: {phase: Pending, initContainerStatuses: [{name: i, state: null}]}
]]
    local row = "NAME   READY   STATUS     RESTARTS   AGE\nbare   0/0     Init:0/0   0          0s\n"
    says("get po", row)
    says("get po --sort-by=.metadata.name", row)
    has("describe po bare", "Containers: <none>\nVolumes:         <none>\nQoS Class:       BestEffort\n")
  end)

  it("keeps what a selector says twice", function()
    cluster:import [[
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: twice, namespace: default}
spec:
  selector: {matchExpressions: [{key: a, operator: In, values: [x, "", x]}]}
  template: {spec: {containers: null}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: unset, namespace: default}
spec: {selector: null, template: {spec: {containers: null}}}
]]
    says("get rs -o wide", [[
NAME    DESIRED   CURRENT   READY   AGE   CONTAINERS   IMAGES   SELECTOR
twice   1         0         0       0s                          a in (,x,x)
unset   1         0         0       0s                          <none>
]])
    has("describe rs twice", "Selector:     a in (,x,x)\n")
  end)

  it("divides by what a node does not have, in Go's arithmetic", function()
    cluster:import [[
apiVersion: v1
kind: Node
metadata: {name: odd}
---
apiVersion: v1
kind: Node
metadata: {name: even}
status: {allocatable: {cpu: "1", memory: 1Gi}}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: default}
spec: {nodeName: odd, containers: [{name: c, image: app, resources: {requests: {cpu: 290m}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: default}
spec: {nodeName: even, containers: [{name: c, image: app, resources: {requests: {cpu: 290m}}}]}
]]
    has("describe no odd", NODE_ROW .. "a       290m (-9223372036854775808%)  0 (-9223372036854775808%)  0 (-9223372036854775808%)")
    has("describe no odd", "  cpu                290m (0%)  0 (0%)\n")
    has("describe no even", NODE_ROW .. "b       290m (28%)    0 (0%)      0 (0%)           0 (0%)")
  end)

  it("tells a pod's quality of service from the pod's own resources first", function()
    cluster:import [[
apiVersion: v1
kind: Pod
metadata: {name: equal, namespace: default}
spec:
  containers: [{name: c, image: app, resources: {requests: {cpu: 290m}}}]
  resources: {requests: {cpu: "1", memory: 1Gi}, limits: {cpu: 1000m, memory: 1024Mi}}
]]
    has("describe po equal", "QoS Class:        Guaranteed\n")
  end)

  it("moves labels of claims in pods to the right", function()
    cluster:import [[
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: default}
spec:
  containers: [{name: c, image: app, livenessProbe: {httpGet: {port: "50%"}}}]
  volumes:
  - {name: own, ephemeral: {volumeClaimTemplate: {metadata: {labels: {a: b, c: d}}, spec: {}}}}
  - {name: late, csi: {driver: d, volumeAttributes: {a: "1\n2", b: "3"}}}
]]
    has("describe po p", [[
    StorageClass:  
    Volume:        
    Labels:            a=b
                       c=d
    Annotations:       <none>
    Capacity:      
]])
    has("describe po p", [[
    VolumeAttributes:      a=1
2
                     b=3
]])
    has("describe po p", "Liveness:     http-get http://:50%25/ delay=0s")
  end)

  it("knows addresses and ports only of what it knows", function()
    cluster:import [[
apiVersion: v1
kind: Service
metadata: {name: new, namespace: default}
spec: {type: Future, externalIPs: [1.2.3.4]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s, namespace: default}
addressType: IPv4
endpoints: [{addresses: [""], targetRef: {kind: Pod}}]
ports: [{name: a}, {port: 1}, {}]
]]
    says("get svc", "NAME   TYPE     CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE\nnew    Future   <none>       <unknown>     <none>    0s\n")
    says("get endpointslices", "NAME   ADDRESSTYPE   PORTS   ENDPOINTS   AGE\ns      IPv4          a,1,    <unset>     0s\n")
    has("describe endpointslices s", "    TargetRef:  Pod/\n")
  end)

  it("writes what is used in the format of what is allowed", function()
    cluster:import [[
apiVersion: v1
kind: ResourceQuota
metadata: {name: q, namespace: default}
status: {hard: {pods: "1e3", services: "10", secrets: 2Ki}, used: {pods: 1k, services: "1e1", secrets: 1k}}
]]
    has("describe quota q", [[
Resource    Used  Hard
--------    ----  ----
pods        1e3   1e3
secrets     1k    2Ki
services    10    10
]])
  end)

  it("shows nulls where it shows every field", function()
    cluster:import [[
apiVersion: storage.k8s.io/v1
kind: VolumeAttachment
metadata: {name: va}
spec: {attacher: a, nodeName: odd, source: {persistentVolumeName: v}}
status: {attached: false, attachError: {time: null}}
]]
    has("describe volumeattachments va", "  Attach Error:\n    Time:    <nil>\n  Attached:  false\n")
  end)

  it("puts an Event that is a series by its series", function()
    cluster:import [[
apiVersion: v1
kind: Event
metadata: {name: e1, namespace: default}
lastTimestamp: "2026-03-04T05:00:07Z"
firstTimestamp: null
series: {count: 2, lastObservedTime: null}
type: Normal
reason: A
message: first
involvedObject: {kind: Pod, name: bare, namespace: default}
---
apiVersion: v1
kind: Event
metadata: {name: e2, namespace: default}
lastTimestamp: "2026-03-04T04:00:07Z"
firstTimestamp: null
type: Normal
reason: B
message: second
involvedObject: {kind: Pod, name: bare, namespace: default}
]]
    says("events", [[
LAST SEEN                       TYPE     REASON   OBJECT     MESSAGE
<unknown> (x2 over <unknown>)   Normal   A        Pod/bare   first
<unknown>                       Normal   B        Pod/bare   second
]])
    says("get ev", [[
LAST SEEN   TYPE     REASON   OBJECT     MESSAGE
<unknown>   Normal   A        pod/bare   first
66m         Normal   B        pod/bare   second
]])
  end)
end)
