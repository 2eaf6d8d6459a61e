-- kubectl create by words, expose and run: the objects that they make.
local kubesim = require "kubesim"
local transcript = require "spec.support.transcript"

local function play(text)
  return function()
    local cluster <close> = kubesim.new { nodes = 1 }
    transcript.play(cluster, text, { script = "echo one\necho two\n" })
  end
end

describe("kubectl create", function()
  it("makes deployments", play [[
    $ create deployment web --image=repo/app:1 --replicas=2 --port=80 --dry-run=client -o yaml -- sleep 10
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      labels:
        app: web
      name: web
    spec:
      replicas: 2
      selector:
        matchLabels:
          app: web
      strategy: {}
      template:
        metadata:
          labels:
            app: web
        spec:
          containers:
          - command:
            - sleep
            - "10"
            image: repo/app:1
            name: app
            ports:
            - containerPort: 80
            resources: {}
    status: {}
    $ create deploy web --image=a --image=b
    deployment.apps/web created
    $ create deploy web --image=a
    ! error: failed to create deployment: deployments.apps "web" already exists
    $ create deploy x --image=a --image=b -- sleep 1
    ! error: cannot specify multiple --image options and command
    $ create deploy
    ! error: required flag(s) "image" not set
    $ create deploy a b --image=x
    ! error: exactly one NAME is required, got 2
    ! See 'kubectl create deployment -h' for help and examples
  ]])

  it("writes JSON, and what it remembers, in the order of Go's structs", play [[
    $ create pdb p --selector=app=web --min-available=1 --dry-run=client -o json
    {
        "kind": "PodDisruptionBudget",
        "apiVersion": "policy/v1",
        "metadata": {
            "name": "p"
        },
        "spec": {
            "minAvailable": 1,
            "selector": {
                "matchLabels": {
                    "app": "web"
                }
            }
        },
        "status": {
            "disruptionsAllowed": 0,
            "currentHealthy": 0,
            "desiredHealthy": 0,
            "expectedPods": 0
        }
    }
    $ create configmap c --from-literal=a=b --save-config --dry-run=client -o yaml
    apiVersion: v1
    data:
      a: b
    kind: ConfigMap
    metadata:
      annotations:
        kubectl.kubernetes.io/last-applied-configuration: |
          {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c"},"data":{"a":"b"}}
      name: c
    $ run p --image=nginx --port=80 --expose --dry-run=client -o json
    {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {
            "name": "p"
        },
        "spec": {
            "ports": [
                {
                    "protocol": "TCP",
                    "port": 80,
                    "targetPort": 80
                }
            ],
            "selector": {
                "run": "p"
            }
        },
        "status": {
            "loadBalancer": {}
        }
    }
    {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": "p",
            "labels": {
                "run": "p"
            }
        },
        "spec": {
            "containers": [
                {
                    "name": "p",
                    "image": "nginx",
                    "ports": [
                        {
                            "containerPort": 80
                        }
                    ],
                    "resources": {}
                }
            ],
            "restartPolicy": "Always",
            "dnsPolicy": "ClusterFirst"
        },
        "status": {}
    }
    $ run p --image=nginx --port=80 --expose --dry-run=client -o yaml
    apiVersion: v1
    kind: Service
    metadata:
      name: p
    spec:
      ports:
      - port: 80
        protocol: TCP
        targetPort: 80
      selector:
        run: p
    status:
      loadBalancer: {}
    ---
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      labels:
        run: p
      name: p
    spec:
      containers:
      - image: nginx
        name: p
        ports:
        - containerPort: 80
        resources: {}
      dnsPolicy: ClusterFirst
      restartPolicy: Always
    status: {}
  ]])

  it("leaves out values that are empty", play [[
    $ run p --image=x --env=A= --dry-run=client -o jsonpath={.spec.containers}
    [{"env":[{"name":"A"}],"image":"x","name":"p","resources":{}}]
    $ run p --image=x --annotations=a --dry-run=client
    ! error: invalid annotations format: a
    $ run p --image=x
    pod/p created
    $ set env pod/p A= --dry-run=client -o jsonpath={.spec.containers[0].env}
    [{"name":"A"}]
  ]])

  it("makes config maps and secrets", play [[
    $ create configmap c --from-literal=a=b --from-literal=x=y=z
    configmap/c created
    $ get cm c -o jsonpath={.data}
    {"a":"b","x":"y=z"}
    $ create cm d --from-literal=a=b --from-literal=a=c
    ! error: cannot add key "a", another key by that name already exists in Data for ConfigMap "d"
    $ create cm d --from-literal=a
    ! error: invalid literal source a, expected key=value
    $ create cm d --from-literal='a b=c'
    ! error: "a b" is not a valid key name for a ConfigMap: a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')
    $ create cm d --from-file=/nowhere/file
    ! error: error reading /nowhere/file: no such file or directory
    $ create secret generic s --from-literal=password=secret
    secret/s created
    $ get secret s -o jsonpath={.type}{.data.password}
    Opaquec2VjcmV0
    $ create secret docker-registry r --docker-username=u --docker-password=p -o jsonpath={.type}
    kubernetes.io/dockerconfigjson
    $ create secret tls t
    ! error: key and cert must be specified
  ]])

  it("makes services", play [[
    $ create service clusterip web --tcp=80:http --tcp=443
    service/web created
    $ get svc web -o jsonpath={.spec.ports[*].name}:{.spec.ports[*].targetPort}:{.spec.selector.app}
    80-http 443:http 443:web
    $ create svc clusterip headless --clusterip=None
    service/headless created
    $ create svc nodeport n --tcp=80 --node-port=30080
    service/n created
    $ create svc nodeport n2 --tcp=80 --node-port=30080
    ! error: failed to create NodePort service: Service "n2" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated
    $ create svc loadbalancer l
    ! error: at least one tcp port specifier must be provided
    $ create svc externalname e --external-name=Example
    ! error: invalid service external name Example
    $ create svc externalname e
    ! error: required flag(s) "external-name" not set
  ]])

  it("makes namespaces, quotas, budgets, service accounts and priority classes", play [[
    $ create ns n
    namespace/n created
    $ create ns n
    ! Error from server (AlreadyExists): namespaces "n" already exists
    $ create quota q --hard=pods=2,requests.cpu=1500m -n n -o jsonpath={.spec.hard}
    {"pods":"2","requests.cpu":"1500m"}
    $ create quota q2 --hard=pods
    ! error: Invalid argument syntax pods, expected <resource>=<value>
    $ create pdb p --selector=app=web --min-available=50%
    poddisruptionbudget.policy/p created
    $ create pdb p2 --selector='app in (b,a),!x,tier notin (db),z' --max-unavailable=1 -o jsonpath={.spec}
    {"maxUnavailable":1,"selector":{"matchExpressions":[{"key":"app","operator":"In","values":["a","b"]},{"key":"x","operator":"DoesNotExist"},{"key":"tier","operator":"NotIn","values":["db"]},{"key":"z","operator":"Exists"}]}}
    $ create pdb p3 --selector=a!=b --min-available=1
    ! error: "!=" is not a valid label selector operator
    $ create pdb p3 --selector='a>1' --min-available=1
    ! error: "gt" isn't supported in label selectors
    $ create pdb p3 --selector=a=b
    ! error: one of min-available or max-unavailable must be specified
    $ create serviceaccount robot -n n
    serviceaccount/robot created
    $ create priorityclass high --value=1000 --description='the first'
    priorityclass.scheduling.k8s.io/high created
    $ get pc high -o jsonpath={.value}{.description}{.preemptionPolicy}
    1000the firstPreemptLowerPriority
  ]])

  it("names what it does not make", play [[
    $ create role r
    ! not supported: kubectl create role: users and permissions are not simulated
    $ create job j --image=a
    ! not supported: kubectl create job: this kind is not simulated
    $ create
    ! error: must specify one of -f and -k
    $ create nothing
    ! error: Unexpected args: [nothing]
    ! See 'kubectl create -h' for help and examples
  ]])
end)

describe("kubectl expose", function()
  it("makes a service from what it finds in the object", play [[
    $ create deploy web --image=app --port=80
    deployment.apps/web created
    $ expose deploy web
    service/web exposed
    $ get svc web -o jsonpath={.spec.selector}{.spec.ports}
    {"app":"web"}[{"port":80,"protocol":"TCP","targetPort":80}]
    $ expose svc web --name=web2 --port=8080 --target-port=http --type=NodePort
    service/web2 exposed
    $ get svc web2 -o jsonpath={.spec.type}:{.spec.ports[0].port}:{.spec.ports[0].targetPort}
    NodePort:8080:http
    $ expose deploy web --name=h --cluster-ip=None --dry-run=client -o jsonpath={.spec.clusterIP}
    None
    $ create deploy bare --image=app
    deployment.apps/bare created
    $ expose deploy bare
    ! error: couldn't find port via --port flag or introspection
    $ expose no k8s-node1
    ! error: cannot expose a Node
    $ expose deploy web --session-affinity=odd
    ! error: unknown session affinity: odd
    $ expose deploy web
    ! Error from server (AlreadyExists): services "web" already exists
  ]])
end)

describe("kubectl run", function()
  it("makes a pod, and a service beside it", play [[
    $ run p --image=app:1 --env=A=b --labels=x=y,z=1 --restart=Never --dry-run=client -o yaml --command -- sleep 5
    apiVersion: v1
    kind: Pod
    metadata:
      labels:
        x: "y"
        z: "1"
      name: p
    spec:
      containers:
      - command:
        - sleep
        - "5"
        env:
        - name: A
          value: b
        image: app:1
        name: p
        resources: {}
      dnsPolicy: ClusterFirst
      restartPolicy: Never
    status: {}
    $ run p --image=app:1 --port=80 --expose
    service/p created
    pod/p created
    $ get svc p -o jsonpath={.spec.selector}
    {"run":"p"}
    $ run p --image=app:1
    ! Error from server (AlreadyExists): pods "p" already exists
    $ run q --image=app --overrides='{"spec":{"nodeSelector":{"a":"b"}}}' -o jsonpath={.spec.nodeSelector.a}
    b
    $ run q --image=App
    ! error: Invalid image name "App": invalid reference format
    $ run q
    ! error: required flag(s) "image" not set
    $ run q --image=app --restart=Sometimes
    ! error: invalid restart policy: Sometimes
    ! See 'kubectl run -h' for help and examples
    $ run q --image=app --expose
    ! error: --port must be set when exposing a service
    ! See 'kubectl run -h' for help and examples
    $ run q --rm --image=app
    ! error: --rm should only be used for attached containers
    ! See 'kubectl run -h' for help and examples
    $ run q -t --image=app
    ! error: -i/--stdin is required for containers with -t/--tty=true
    ! See 'kubectl run -h' for help and examples
  ]])

  it("runs a command in it, tells how it ended, and deletes it with --rm", play [[
    $ run once --image=busybox:1.28 --restart=Never -it --rm -- nslookup kubernetes
    ...
    Address: 10.96.0.1

    pod "once" deleted from default namespace
    ~ 40s
    $ get po
    ! No resources found in default namespace.
    $ run fails --image=busybox:1.28 --restart=Never --attach --command -- sh -c 'echo out; exit 3'
    out
    !3 pod default/fails terminated (Error)
    $ get po fails -o jsonpath={.status.phase}
    Failed
    $ run shell --image=busybox:1.28 --restart=Never -i --rm <script
    one
    two
    pod "shell" deleted from default namespace
  ]])
end)
