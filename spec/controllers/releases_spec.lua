-- What a cluster of an older release does otherwise: csrc/api/release.h, docs/fidelity.md.
local kubesim = require "kubesim"

local SET = [[
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 1
  minReadySeconds: 5
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]

local DEPLOYMENT = [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: front}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 10, containers: [{name: main, image: "app:1"}]}
]]

local REPLICASET = [[
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: back}
spec:
  replicas: 2
  minReadySeconds: 5
  selector: {matchLabels: {app: back}}
  template:
    metadata: {labels: {app: back}}
    spec: {containers: [{name: main, image: "app:1"}]}
]]

local function world(version)
  local cluster = kubesim.new { nodes = 1, version = version, latency = 0 }
  cluster:create(SET)
  cluster:create(DEPLOYMENT)
  cluster:advance "1m"
  return cluster
end

local function message(cluster, reason, ref) return cluster:events({ reason = reason, ref = ref })[1].message end

describe("a cluster of an older release", function()
  it("tells of pods in its own words", function()
    for version, words in pairs {
      ["1.34"] = { "create Pod web-0 in StatefulSet web successful", "Created container: main", "Started container main" },
      ["1.35"] = { "Create Pod web-0 in StatefulSet web successful", "Container created", "Container started" },
      ["1.36"] = { "Create Pod web-0 in StatefulSet web successful", "Container created", "Container started" },
    } do
      local cluster <close> = world(version)
      assert.same(words, { message(cluster, "SuccessfulCreate", "sts/web"), message(cluster, "Created", "pod/web-0"),
        message(cluster, "Started", "pod/web-0") }, version)
    end
  end)

  it("shows terminatingReplicas from 1.35 on", function()
    for version, shown in pairs { ["1.34"] = false, ["1.35"] = true, ["1.36"] = true } do
      local cluster <close> = world(version)
      assert.equal(shown and 0 or nil, cluster:get("deploy/front").status.terminatingReplicas, version)
      assert.equal(shown and 0 or nil, cluster:list("rs")[1].status.terminatingReplicas, version)
    end
  end)

  it("sees late in 1.34 that a StatefulSet's pod has become available", function()
    for version, at_once in pairs { ["1.34"] = 0, ["1.35"] = 1, ["1.36"] = 1 } do
      local cluster <close> = kubesim.new { nodes = 1, version = version, kubelet = "manual" }
      local function available() return cluster:get("sts/web").status.availableReplicas end
      cluster:create(SET)
      cluster:advance "1s"
      cluster:drive("web-0", "ready")
      cluster:advance "4900ms"
      assert.equal(0, available(), version)
      cluster:advance "200ms"
      assert.equal(at_once, available(), version)
      cluster:advance "5s"
      assert.equal(1, available(), version)
    end
  end)

  it("sees in every release at the instant that a ReplicaSet's pod has become available", function()
    for _, version in ipairs { "1.34", "1.35", "1.36" } do
      local cluster <close> = kubesim.new { nodes = 1, version = version, kubelet = "manual" }
      cluster:create(REPLICASET)
      cluster:advance "1s"
      cluster:drive(cluster:list("pod")[1].metadata.name, "ready")
      cluster:advance "4900ms"
      assert.equal(nil, cluster:get("rs/back").status.availableReplicas, version)
      cluster:advance "200ms"
      assert.equal(1, cluster:get("rs/back").status.availableReplicas, version)
    end
  end)

  it("hashes pod templates as its own Go types print them", function()
    for version, name in pairs { ["1.34"] = "front-b68f79579", ["1.35"] = "front-66bd77c8b4", ["1.36"] = "front-6f77b7cc8f" } do
      local cluster <close> = world(version)
      assert.equal(name, cluster:list("rs")[1].metadata.name, version)
    end
  end)

  it("reports its version", function()
    for version, name in pairs { ["1.34"] = "v1.34.9", ["1.35"] = "v1.35.6", ["1.36"] = "v1.36.2" } do
      local cluster <close> = kubesim.new { nodes = 1, version = version }
      assert.equal(name, cluster:list("node")[1].status.nodeInfo.kubeletVersion)
    end
  end)

  it("finds the pods that a Recreate Deployment waits for by its selector before 1.36", function()
    for version, waits in pairs { ["1.34"] = false, ["1.35"] = false, ["1.36"] = true } do
      local cluster <close> = kubesim.new { nodes = 1, version = version, kubelet = "manual" }
      cluster:create((DEPLOYMENT:gsub("replicas: 1", "replicas: 1\n  strategy: {type: Recreate}")))
      cluster:advance "1s"
      local old = cluster:list("pod")[1].metadata.name
      cluster:drive(old, "ready")
      cluster:delete("rs/" .. cluster:list("rs")[1].metadata.name, { cascade = "foreground" })
      cluster:advance "1s"
      cluster:patch("deploy/front", { spec = { template = { metadata = { labels = { tier = "b" } } } } })
      cluster:patch("pod/" .. old, { metadata = { labels = { app = kubesim.null } } })
      cluster:advance "1s"
      cluster:patch("deploy/front", { metadata = { annotations = { a = "b" } } }) -- looks again
      cluster:advance "1s"
      assert.equal(waits and 1 or 2, cluster:count "rs", version)
      cluster:drive(old, "gone")
      cluster:advance "1s"
      assert.equal(1, cluster:count "rs", version)
      assert.equal(1, cluster:count "pod", version)
    end
  end)
end)
