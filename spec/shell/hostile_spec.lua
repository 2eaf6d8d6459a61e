-- Commands that would hang a host, eat its memory or run code in it: they end, with words.
local kubesim = require "kubesim"

describe("exec", function()
  local cluster

  setup(function()
    cluster = kubesim.new { nodes = 1 }
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "web" },
      spec = { containers = { { name = "main", image = "app:1" } } } }
    assert(cluster:wait_for("pod/web", "ready"))
  end)
  teardown(function() cluster:close() end)

  local function refuses(command, pattern)
    local fine, err = pcall(cluster.exec, cluster, "web", command)
    assert.is_false(fine)
    assert.matches(pattern, err)
  end

  local function says(command, out, code, err)
    local got, status, complaint = cluster:exec("web", command)
    assert.same({ out, code }, { got, status })
    if err then assert.matches(err, complaint) end
  end

  it("does not wait for what never ends", function()
    refuses("while true; do :; done", "does not end")
    refuses("while :; do while :; do break; done; done", "does not end")
    refuses("while :; do for i in 1 2 3 4 5 6 7 8 9; do :; done; done", "does not end")
  end)

  it("does not take all memory", function()
    refuses("x=aaaaaaaa; while :; do x=$x$x; done", "more than 256 MiB")
    refuses("seq 1 1000000000", "not supported yet: seq of more")
    refuses("printf '%1000000000d' 1", "not supported yet: printf")
  end)

  it("reads long texts in the time that they are long", function()
    local long = ("x"):rep(2 ^ 21)
    says("echo " .. long .. " | wc -c", #long + 1 .. "\n", 0)
    says('echo "' .. long .. '" | wc -c', #long + 1 .. "\n", 0)
    says(("("):rep(1000), "", 2, "Syntax error")
    says(("$("):rep(1000), "", 2, "Syntax error")
  end)

  it("matches patterns of many stars without going astray", function()
    cluster:exec("web", "touch /" .. ("a"):rep(200))
    local pattern = "/" .. ("a*"):rep(30) .. "b"
    says("echo " .. pattern, pattern .. "\n", 0)
    says("x=" .. ("a"):rep(200) .. "; echo ${x%" .. ("a*"):rep(30) .. "b}", ("a"):rep(200) .. "\n", 0)
  end)

  it("computes with numbers and with nothing else", function()
    says("x=4; echo $((x * 3 - 1))", "11\n", 0)
    says("x=-4; echo $((2 - x))", "6\n", 0)
    says("x='(function() while true do end end)()'; echo $((x))", "", 2, "arithmetic expression")
    says("echo $((1 / 0))", "", 2, "arithmetic expression")
  end)

  it("ends with a status as a shell has", function()
    says("exit 300", "", 44)
    says("exit x", "", 2, "Illegal number: x")
  end)

  it("says by name what it cannot do", function()
    refuses("f() { f; }; f", "not supported yet: shell functions")
    refuses("echo a | sed s/a/b/", "not supported yet: sed")
    refuses({ "sed", "s/a/b/" }, "not supported yet: sed")
    says("nosuchprogram", "", 127, "nosuchprogram: not found")
  end)
end)
