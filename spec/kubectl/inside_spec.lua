-- What kubectl does inside of pods: exec, logs, cp.
local kubesim = require "kubesim"

describe("kubectl inside of pods", function()
  local cluster
  local function shown(...) return (cluster:kubectl(...)) end
  local function refusal(...)
    local ok, err = pcall(cluster.kubectl, cluster, ...)
    assert.is_false(ok, "refused")
    return tostring(err), err
  end
  before_each(function()
    cluster = kubesim.new { nodes = 1 }
    cluster:image("end:1", { exit = { code = 0, after = 1 } })
    cluster:apply [[
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {containers: [{name: main, image: "app:1"}, {name: side, image: "app:1"}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: "app:1"}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: done}
spec: {restartPolicy: Never, containers: [{name: main, image: "end:1"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: m}
]]
    cluster:advance(10)
  end)
  after_each(function() cluster:close() end)

  describe("exec", function()
    it("runs a command's words in the container that is meant", function()
      local out, err = cluster:kubectl "exec a -- hostname"
      assert.equal("a\n", out)
      assert.equal('Defaulted container "main" out of: main, side\n', err)
      out, err = cluster:kubectl "exec a -c side -- hostname"
      assert.equal("a\n", out)
      assert.is_nil(err)
      assert.equal("in\n", shown("exec -i a -c main -- cat", "in\n"))
      assert.equal("", shown("exec a -c main -- cat", "in\n"))
      assert.truthy(shown "exec deploy/web -- hostname":find "^web%-%w+%-%w+\n$")
    end)

    it("ends with the command's exit status", function()
      local text, err = refusal { "exec", "a", "-c", "main", "--", "sh", "-c", "echo out; exit 3" }
      assert.equal("command terminated with exit code 3", text)
      assert.equal(3, err.exit)
      assert.equal("out\n", err.stdout)
    end)

    it("refuses in kubectl's words", function()
      assert.equal("error: exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\n"
        .. "See 'kubectl exec -h' for help and examples", (refusal "exec a hostname"))
      assert.equal("error: you must specify at least one command for the container", (refusal "exec a"))
      assert.equal("error: pod, type/name or --filename must be specified", (refusal "exec -- ls"))
      assert.equal('Error from server (NotFound): pods "x" not found', (refusal "exec x -- ls"))
      assert.equal("error: container x is not valid for pod a out of: main, side", (refusal "exec a -c x -- ls"))
      assert.equal("error: cannot exec into a container in a completed pod; current phase is Succeeded", (refusal "exec done -- ls"))
      assert.equal("error: cannot attach to *v1.ConfigMap: selector for *v1.ConfigMap not implemented", (refusal "exec cm/m -- ls"))
    end)
  end)

  describe("logs", function()
    it("finds the container", function()
      local out, err = cluster:kubectl "logs a"
      assert.equal("", out)
      assert.equal('Defaulted container "main" out of: main, side\n', err)
      assert.is_nil((select(2, cluster:kubectl "logs a --all-containers")))
      assert.is_nil((select(2, cluster:kubectl "logs a side")))
      cluster:scale("deploy/web", 2)
      cluster:advance(10)
      assert.truthy(select(2, cluster:kubectl "logs deploy/web"):find "^Found 2 pods, using pod/web%-%w+%-%w+\n$")
      assert.equal("No resources found in default namespace.\n", select(2, cluster:kubectl "logs -l app=none"))
    end)

    it("refuses in kubectl's words", function()
      assert.equal('error: error from server (NotFound): pods "x" not found in namespace "default"', (refusal "logs x"))
      assert.equal("error: container x is not valid for pod a out of: main, side", (refusal "logs a -c x"))
      assert.equal('Error from server (BadRequest): previous terminated container "main" in pod "a" not found',
        (refusal "logs a -c main -p"))
      assert.equal("error: only one of -c or an inline [CONTAINER] arg is allowed", (refusal "logs a main -c main"))
      assert.equal("error: --all-containers=true should not be specified with container name main",
        (refusal "logs a -c main --all-containers"))
      assert.equal("error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n"
        .. "POD or TYPE/NAME is a required argument for the logs command\nSee 'kubectl logs -h' for help and examples", (refusal "logs"))
      cluster:image("gone:1", { exists = false })
      cluster:apply "{apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {containers: [{name: main, image: 'gone:1'}]}}"
      cluster:advance(3)
      assert.equal('Error from server (BadRequest): container "main" in pod "b" is waiting to start: trying and failing to pull image',
        (refusal "logs b"))
    end)

    it("that are followed end with the container", function()
      cluster:delete "po/done"
      cluster:advance(40)
      cluster:image("end:1", { exit = { code = 0, after = 100 } })
      cluster:apply [[
{apiVersion: v1, kind: Pod, metadata: {name: long}, spec: {restartPolicy: Never, containers: [{name: c, image: 'end:1'}]}}]]
      cluster:advance(5)
      assert.equal("", shown "logs -f long")
      assert.equal(0, cluster:get("po/long").status.containerStatuses[1].state.terminated.exitCode)
    end)
  end)

  describe("cp", function()
    local path = os.tmpname()
    after_each(function() os.remove(path) end)

    local function file(text)
      local f <close> = assert(io.open(path, "wb"))
      f:write(text)
    end
    local function content()
      local f <close> = assert(io.open(path, "rb"))
      return f:read "a"
    end

    it("copies a file into a container and back", function()
      file "one\0two\n"
      assert.equal("", shown("cp " .. path .. " a:/tmp/x -c main"))
      file ""
      assert.equal("tar: Removing leading `/' from member names\n", shown("cp default/a:/tmp/x " .. path .. " -c main"))
      assert.equal("one\0two\n", content())
      shown("cp " .. path .. " a:/tmp -c main")
      assert.equal("8\n", shown { "exec", "a", "-c", "main", "--", "sh", "-c", "cat /tmp/" .. path:match "[^/]+$" .. " | wc -c" })
    end)

    it("refuses in kubectl's and tar's words", function()
      assert.equal("error: source and destination are required", (refusal "cp x"))
      assert.equal("error: one of src or dest must be a remote file specification", (refusal "cp x y"))
      assert.equal("error: one of src or dest must be a local file specification", (refusal "cp a:x b:y"))
      assert.equal("error: filespec must match the canonical format: [[namespace/]pod:]file/path", (refusal "cp :x y"))
      assert.equal("error: /no/such doesn't exist in local filesystem", (refusal "cp /no/such a:/tmp"))
      local text, err = refusal("cp a:/no/such " .. path .. " -c main")
      assert.equal("command terminated with exit code 2", text)
      assert.equal("tar: Removing leading `/' from member names\ntar: /no/such: Cannot stat: No such file or directory\n"
        .. "tar: Exiting with failure status due to previous errors\n", err.stdout)
      file "x"
      assert.equal('Error from server (NotFound): pods "x" not found', (refusal("cp " .. path .. " x:/tmp")))
      assert.equal("tar: /none: Cannot open: No such file or directory\ntar: Error is not recoverable: exiting now\n"
        .. "command terminated with exit code 2", (refusal("cp " .. path .. " a:/none/x -c main")))
    end)
  end)
end)
