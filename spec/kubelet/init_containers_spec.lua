-- What an image of which nothing was said does as an init container: its work is done.
local kubesim = require "kubesim"

local POD = [[
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  initContainers: [{name: first, image: tools%s}]
  containers: [{name: main, image: tools}]
]]

describe("an init container", function()
  local cluster
  before_each(function() cluster = kubesim.new { nodes = 1 } end)
  after_each(function() cluster:close() end)

  ---STATUS and RESTARTS as kubectl shows them, a minute after the pod was made.
  local function shown(more)
    cluster:create(POD:format(more or ""))
    cluster:advance "1m"
    return cluster:kubectl("get pod p --no-headers"):match "^p +(%S+ +%S+ +%d+)"
  end

  it("is done at once where nothing is said of its image, while the same image serves as an app or a sidecar", function()
    assert.equal("1/1   Running   0", shown())
    local first = cluster:get("pod/p").status.initContainerStatuses[1]
    assert.same({ 0, "Completed" }, { first.state.terminated.exitCode, first.state.terminated.reason })
    cluster:delete("pod/p", { force = true, grace_period = 0 })
    assert.equal("2/2   Running   0", shown(", restartPolicy: Always"))
  end)

  it("is done at once where an image's times are told, but no end", function()
    cluster:image("tools", { start = "2s" })
    assert.equal("1/1   Running   0", shown())
  end)

  it("holds its pod up where its image never ends", function()
    cluster:image("tools", { exit = false })
    assert.equal("0/1   Init:0/1   0", shown())
    assert.has_error(function() cluster:image("tools", { exit = true }) end,
      "bad argument #2 to 'image' (option 'exit': a table or false expected, got true)")
  end)
end)
