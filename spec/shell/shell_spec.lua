-- What a person types into `kubectl exec`, on a container made of tables.
local shell = require "kubesim.shell"
local container = require "spec.support.container"

describe("the container's shell", function()
  local core
  before_each(function()
    core = container.new { ["/etc/passwd"] = "root:x:0:0\n", ["/applog/"] = "", ["/tmp/"] = "", ["/ro/"] = "",
      ["/tmp/b.txt"] = "two\nthree\n", ["/tmp/a.txt"] = "one\n" }
  end)

  local function run(command, input) return shell.exec(core, "default", "web-0", nil, command, input) end

  local function prints(want, command, input)
    local out, _, err = run(command, input)
    assert.equal(want, out .. err, command)
  end

  it("prints, quotes and joins", function()
    prints("a b  c\n", "echo a  'b  c'")
    prints("web-0 $HOSTNAME\n", [[echo "$HOSTNAME" '$HOSTNAME']])
    prints("x\ny\n", "echo x; echo y")
    prints("in\n", "true && echo in || echo out")
    prints("out\n", "false && echo in || echo out")
    prints("a b", [[printf '%s %s' a b]])
    prints("7 d\n", "echo $((3 + 4)) ${X:-d}")
  end)

  it("keeps words of a quoted variable together and splits others", function()
    prints("[a b]\n", [[X='a   b'; echo "[a b]"]])
    prints("a b|a   b\n", [[X='a   b'; echo $X"|$X"]])
    prints("\n", [[echo "$NOTHING"]])
  end)

  it("writes, appends and reads files", function()
    prints("hello\nagain\n", "echo hello > /applog/f; echo again >> /applog/f; cat /applog/f")
    prints("1\n", "wc -l < /tmp/a.txt")
    prints("", "echo x > /dev/null")
    prints("sh: 1: cannot create /nowhere/f: Directory nonexistent\n", "echo x > /nowhere/f")
    prints("sh: 1: cannot create /ro/f: Read-only file system\n", "echo x > /ro/f")
    prints("sh: 1: cannot open /none: No such file\n", "cat < /none")
    prints("ls: cannot access '/none': No such file or directory\n", "ls /none")
    assert.equal(2, select(2, run "ls /none"))
  end)

  it("connects pipes", function()
    prints("two\n", "cat /tmp/b.txt | grep tw")
    prints("3\n", "cat /tmp/a.txt /tmp/b.txt | wc -l")
    prints("three\n", "sort -r /tmp/b.txt | tail -1")
    prints("a.txt\nb.txt\n", "ls /tmp | sort")
    prints("2>&1: cat: /none: No such file or directory\n", [[printf '2>&1: '; cat /none 2>&1 | head -1]])
  end)

  it("expands patterns", function()
    prints("/tmp/a.txt /tmp/b.txt\n", "echo /tmp/*.txt")
    prints("a.txt b.txt\n", "cd /tmp && echo *.txt")
    prints("/tmp/*.log\n", "echo /tmp/*.log")
  end)

  it("moves, copies and removes", function()
    prints("a.txt\nb.txt\nc.txt\n", "cp /tmp/a.txt /tmp/c.txt; ls /tmp")
    prints("b.txt\nc.txt\n", "mv /tmp/a.txt /tmp/c.txt; rm -f /tmp/none; ls /tmp")
    prints("rm: cannot remove '/tmp': Is a directory\n", "rm /tmp")
    prints("d\n", "mkdir -p /applog/d/e; touch /applog/d/e/f; ls /applog")
    prints("", "rm -rf /applog/d; ls /applog")
  end)

  it("decides", function()
    prints("file\n", "if [ -f /tmp/a.txt ]; then echo file; else echo none; fi")
    prints("none\n", "if test -d /tmp/a.txt; then echo dir; else echo none; fi")
    prints("012\n", "for i in 0 1 2; do printf $i; done; echo")
    prints("equal\n", "[ 1 -eq 1 ] && [ a != b ] && echo equal")
    prints("3\n", "i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i")
  end)

  it("keeps a subshell's changes to itself", function()
    prints("/\n1\n", "X=1; (cd /tmp; X=2); pwd; echo $X")
    prints("/tmp\n", "echo $(cd /tmp; pwd)")
  end)

  it("gives exit codes", function()
    local _, code, err = run "foo --bar"
    assert.same({ 127, "sh: 1: foo: not found\n" }, { code, err })
    assert.equal(3, select(2, run "sh -c 'exit 3'"))
    prints("1\n", "false; echo $?")
    assert.equal(2, select(2, run "echo 'a"))
    _, code, err = run { "foo" }
    assert.equal(127, code)
    assert.matches('exec: "foo": executable file not found in $PATH', err, 1, true)
  end)

  it("runs words without a shell in between", function()
    prints("$HOSTNAME;\n", { "echo", "$HOSTNAME;" })
    prints("web-0\n", { "sh", "-c", "echo $HOSTNAME" })
    prints("a\nb\n", { "cat" }, "a\nb\n")
  end)

  it("runs what the image brings along", function() prints("hello\n", "app --help") end)

  it("shows the container's surroundings", function()
    prints("web-0\nweb-0.web.default.svc.cluster.local\n", "hostname; hostname -f")
    prints("HOSTNAME=web-0\nPATH=/usr/bin:/bin\nX=1\n", "X=1 env")
    prints("Thu Jan  1 00:01:05 UTC 2026\n2026-01-01 1767225665\n", "date; date '+%F %s'")
    prints("root\n", "whoami")
    prints("search default.svc.cluster.local\n", "grep search /etc/resolv.conf")
    assert.matches("/dev/sdb .* /applog\n", (run "df -h /applog"))
  end)

  it("ends the container with kill 1, but not with SIGKILL from within", function()
    assert.equal(0, select(2, run "kill -9 1"))
    assert.same({}, core.killed)
    assert.equal(137, select(2, run "kill 1; echo never"))
    assert.same({ { "main", 0 } }, core.killed)
  end)

  it("refuses by name what it does not know", function()
    assert.error_matches(function() run "case x in y) ;; esac" end, "not supported yet: the shell's case")
    assert.error_matches(function() run "while true; do :; done" end, "does not end")
  end)

  it("does what set -e asks", function()
    prints("a\n", "set -e; echo a; false; echo b")
    assert.equal(1, (select(2, run "set -e; false; true")))
    prints("b\n", "set -e; false || echo b")
  end)
end)

describe("nslookup", function()
  local core = container.new {}
  local function run(command) return shell.exec(core, "default", "web-0", nil, command) end

  it("prints as bind-utils does", function()
    assert.equal("Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\n" ..
      "Name:\tweb.default.svc.cluster.local\nAddress: 10.244.0.5\n\n", (run "nslookup web"))
    assert.equal("Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\n** server can't find nope: NXDOMAIN\n\n", (run "nslookup nope"))
    assert.equal(1, select(2, run "nslookup nope"))
    assert.matches("*** Can't find default.svc.cluster.local: No answer\n", (run "nslookup default.svc.cluster.local"), 1, true)
  end)
end)

describe("curl and wget", function()
  local core = container.new { ["/tmp/"] = "" }
  local function run(command) return shell.exec(core, "default", "web-0", nil, command) end

  it("print the body", function()
    assert.equal("web-0 is Running\n", (run "curl web-0.web:8080/health"))
    assert.equal("web-0 is Running\n", (run "curl -s http://web-0.web:8080/"))
    assert.equal("web-0 is Running\n", (run "wget -qO- http://web-0.web:8080/"))
    assert.equal("got a=1", (run "curl -d a=1 http://web:8080/"))
    assert.equal("200", (run "curl -s -o /dev/null -w '%{http_code}' web:8080"))
  end)

  it("say what failed in their own words", function()
    local _, code, err = run "curl nope:8080"
    assert.same({ 6, "curl: (6) Could not resolve host: nope\n" }, { code, err })
    _, code, err = run "curl web:80"
    assert.equal(7, code)
    assert.matches("^curl: %(7%) Failed to connect to web port 80 after %d+ ms: Couldn't connect to server\n$", err)
    _, code, err = run "curl -f web:8080/missing"
    assert.same({ 22, "curl: (22) The requested URL returned error: 404\n" }, { code, err })
    _, code, err = run "wget -qO- nope:8080"
    assert.same({ 1, "wget: bad address 'nope:8080'\n" }, { code, err })
  end)
end)
