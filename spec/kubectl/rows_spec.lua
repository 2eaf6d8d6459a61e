-- What kubectl get says of kinds other than pods.
local core = require "kubesim.core"
local kubesim = require "kubesim"
local printers = require "kubesim.kubectl.printers"

local NOW = core.time "2026-01-01T01:00:00Z"

---The cells of an object, wide ones too, joined with "|".
local function row(kind, text)
  local object = kubesim.yaml.decode(text)[1]
  object.metadata = object.metadata or {}
  object.metadata.name = object.metadata.name or "x"
  object.metadata.creationTimestamp = "2026-01-01T00:59:30Z"
  local tabled = printers.table(kind, { object }, NOW)
  local cells = {}
  for i = 1, #tabled.columns do cells[i] = tostring(tabled.rows[1].cells[i]) end
  return table.concat(cells, "|")
end

local function shows(cases)
  for _, case in ipairs(cases) do assert.equal(case[3], row(case[1], case[2])) end
end

local TEMPLATE = "template: {spec: {containers: [{name: a, image: 'i:1'}, {name: b, image: 'i:2'}]}}"

describe("the row of", function()
  it("a ReplicaSet, a StatefulSet, a Deployment", function()
    shows {
      { "ReplicaSet", "{spec: {replicas: 3, selector: {matchLabels: {app: web}}, " .. TEMPLATE .. "}, status: {replicas: 2, "
        .. "readyReplicas: 1}}",
        "x|3|2|1|30s|a,b|i:1,i:2|app=web" },
      { "ReplicaSet", "{spec: {replicas: 0, selector: {}, " .. TEMPLATE .. "}}", "x|0|0|0|30s|a,b|i:1,i:2|<none>" },
      { "StatefulSet", "{spec: {replicas: 3, " .. TEMPLATE .. "}, status: {readyReplicas: 2}}", "x|2/3|30s|a,b|i:1,i:2" },
      { "Deployment", "{spec: {replicas: 3, selector: {matchExpressions: [{key: a, operator: In, values: [c, b]}]}, " .. TEMPLATE
        .. "}, status: {readyReplicas: 2, updatedReplicas: 1, availableReplicas: 2}}", "x|2/3|1|2|30s|a,b|i:1,i:2|a in (b,c)" },
    }
  end)

  it("a ControllerRevision, with its owner", function()
    shows {
      { "ControllerRevision", "{metadata: {ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, "
        .. "controller: true}]}, revision: 4}",
        "x|statefulset.apps/web|4|30s" },
      { "ControllerRevision", "{revision: 1}", "x|<none>|1|30s" },
    }
  end)

  it("a Service, by its type", function()
    shows {
      { "Service", "{spec: {type: ClusterIP, clusterIPs: [None], ports: [{port: 80, "
        .. "protocol: TCP}]}}", "x|ClusterIP|None|<none>|80/TCP|30s|<none>" },
      { "Service", "{spec: {type: NodePort, clusterIPs: [10.96.0.7], selector: {b: '2', a: '1'}, ports: [{port: 80, "
        .. "protocol: TCP, nodePort: 30080}, "
        .. "{port: 53, protocol: UDP}]}}", "x|NodePort|10.96.0.7|<none>|80:30080/TCP,53/UDP|30s|a=1,b=2" },
      { "Service", "{spec: {type: LoadBalancer, clusterIPs: [10.96.0.7], "
        .. "ports: []}}", "x|LoadBalancer|10.96.0.7|<pending>|<none>|30s|<none>" },
      { "Service", "{spec: {type: LoadBalancer, clusterIPs: [10.96.0.7], externalIPs: [9.9.9.9]}, "
        .. "status: {loadBalancer: {ingress: [{ip: 2.2.2.2}, {hostname: lb}]}}}",
        "x|LoadBalancer|10.96.0.7|2.2.2.2,lb,9.9.9.9|<none>|30s|<none>" },
      { "Service", "{spec: {type: ExternalName, externalName: example.com}}", "x|ExternalName|<none>|example.com|<none>|30s|<none>" },
    }
  end)

  it("Endpoints and EndpointSlices, three addresses at most", function()
    shows {
      { "Endpoints", "{}", "x|<none>|30s" },
      { "Endpoints", "{subsets: [{addresses: [{ip: 1.1.1.1}, {ip: 1.1.1.2}], ports: [{port: 80}, {port: 81}]}]}",
        "x|1.1.1.1:80,1.1.1.2:80,1.1.1.1:81 + 1 more...|30s" },
      { "Endpoints", "{subsets: [{addresses: [{ip: 1.1.1.1}]}]}", "x|1.1.1.1|30s" },
      { "EndpointSlice", "{addressType: IPv4, ports: [{port: 80}], endpoints: [{addresses: [1.1.1.1]}, {addresses: [1.1.1.2]}, "
        .. "{addresses: [1.1.1.3]}, {addresses: [1.1.1.4]}]}", "x|IPv4|80|1.1.1.1,1.1.1.2,1.1.1.3 + 1 more...|30s" },
      { "EndpointSlice", "{addressType: IPv4, ports: null, endpoints: []}", "x|IPv4|<unset>|<unset>|30s" },
    }
  end)

  it("a claim, a volume, a class, an attachment", function()
    shows {
      { "PersistentVolumeClaim", "{spec: {storageClassName: fast, volumeMode: Filesystem, accessModes: [ReadWriteOnce]}, "
        .. "status: {phase: Pending}}",
        "x|Pending||||fast|<unset>|30s|Filesystem" },
      { "PersistentVolumeClaim", "{spec: {volumeName: v, storageClassName: fast}, status: {phase: Bound, "
        .. "accessModes: [ReadWriteMany, ReadWriteOnce, "
        .. "ReadOnlyMany, ReadWriteOncePod], capacity: {storage: 1024Mi}}}", "x|Bound|v|1Gi|RWO,ROX,RWX,RWOP|fast|<unset>|30s|<unset>" },
      { "PersistentVolumeClaim", "{metadata: {deletionTimestamp: '2026-01-01T00:59:59Z'}, spec: {}, status: {phase: Bound}}",
        "x|Terminating|||||<unset>|30s|<unset>" },
      { "PersistentVolume", "{spec: {capacity: {storage: 1G}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain, "
        .. "claimRef: {namespace: d, name: c}, storageClassName: fast, volumeMode: Block}, status: {phase: Released, reason: why}}",
        "x|1G|RWO|Retain|Released|d/c|fast|<unset>|why|30s|Block" },
      { "StorageClass", "{metadata: {annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}, provisioner: p, "
        .. "volumeBindingMode: WaitForFirstConsumer}", "x (default)|p|Delete|WaitForFirstConsumer|false|30s" },
      { "VolumeAttachment", "{spec: {attacher: a, nodeName: node, source: {persistentVolumeName: v}}, "
        .. "status: {attached: true}}", "x|a|v|node|true|30s" },
    }
  end)

  it("a node", function()
    shows {
      { "Node", "{metadata: {labels: {node-role.kubernetes.io/worker: '', node-role.kubernetes.io/control-plane: '', "
        .. "kubernetes.io/role: edge}}, "
        .. "spec: {unschedulable: true}, status: {conditions: [{type: Ready, status: Unknown}], "
        .. "nodeInfo: {kubeletVersion: v1.36.2, osImage: os, "
        .. "kernelVersion: '6', architecture: amd64}, addresses: [{type: InternalIP, address: 1.2.3.4}]}}",
        "x|NotReady,SchedulingDisabled|control-plane,edge,worker|30s|v1.36.2|1.2.3.4|<none>|os|6 (amd64)|<unknown>" },
      { "Node", "{status: {}}", "x|Unknown|<none>|30s||<none>|<none>|<unknown>|<unknown>|<unknown>" },
    }
  end)

  it("an Event, of the old API and of the new one", function()
    shows {
      { "Event", "{firstTimestamp: '2026-01-01T00:50:00Z', lastTimestamp: '2026-01-01T00:59:00Z', count: 3, type: Warning, reason: R, "
        .. "message: ' m ', involvedObject: {kind: Pod, name: p, fieldPath: 'spec.containers{c}'}, source: {component: kubelet, "
        .. "host: node}}",
        "60s|Warning|R|pod/p|spec.containers{c}|kubelet, node|m|10m|3|x" },
      { "Event", "{firstTimestamp: null, lastTimestamp: null, eventTime: '2026-01-01T00:59:50.5Z', type: Normal, reason: R, message: m, "
        .. "involvedObject: {kind: Node}, reportingComponent: s, reportingInstance: s-1, source: {}}", "9s|Normal|R|node||s, "
        .. "s-1|m|9s|1|x" },
      { "Event", "{eventTime: '2026-01-01T00:00:00Z', series: {count: 7, lastObservedTime: '2026-01-01T00:59:59Z'}, "
        .. "involvedObject: {kind: Pod, name: p}}",
        "1s|||pod/p||||60m|7|x" },
    }
  end)

  it("settings, quotas, budgets, classes", function()
    shows {
      { "ConfigMap", "{data: {a: b}, binaryData: {c: ZA==}}", "x|2|30s" }, { "Secret", "{type: Opaque, data: {a: b}}", "x|Opaque|1|30s" },
      { "ServiceAccount", "{}", "x|30s" }, { "Namespace", "{status: {phase: Active}}", "x|Active|30s" },
      { "LimitRange", "{}", "x|2026-01-01T00:59:30Z" }, { "Lease", "{spec: {holderIdentity: me}}", "x|me|30s" },
      { "ResourceQuota", "{status: {hard: {pods: '2', limits.cpu: '1', requests.cpu: 1000m}, used: {pods: '1'}}}",
        "x|pods: 1/2, requests.cpu: 0/1|limits.cpu: 0/1|30s" },
      { "PodDisruptionBudget", "{spec: {minAvailable: 50%}, status: {disruptionsAllowed: 1}}", "x|50%|N/A|1|30s" },
      { "PodDisruptionBudget", "{spec: {maxUnavailable: 1}}", "x|N/A|1|0|30s" },
      { "PriorityClass", "{value: -5, globalDefault: true, preemptionPolicy: Never}", "x|-5|true|30s|Never" },
      { "Scale", "{spec: {replicas: 2}, status: {replicas: 1}}", "x|2|1|30s" },
    }
  end)
end)

describe("the columns of", function()
  it("every kind that is served are known", function()
    local cluster <close> = kubesim.new { nodes = 0 }
    for _, kind in ipairs(cluster.core:kinds()) do assert.is_true(#printers.table(kind.kind, {}, NOW).columns > 1, kind.kind) end
  end)
end)
