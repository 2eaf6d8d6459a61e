-- What happens while a cluster is being saved, what is left when that fails, and functions with odd names.
local kubesim = require "kubesim"
local forged = require "spec.support.forge"

describe("saving a cluster", function()
  local folder, cluster
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    cluster = kubesim.new { nodes = 1 }
  end)
  after_each(function()
    cluster:close()
    os.execute("rm -r " .. folder)
  end)

  local function files()
    local ls <close> = assert(io.popen("ls -A " .. folder))
    return (ls:read "a")
  end

  local function path(name) return folder .. "/" .. name end

  local function text(name)
    local file <close> = assert(io.open(path(name), "rb"))
    return file:read "a"
  end

  it("goes on though a finalizer wants to close the cluster or to change it", function()
    local said = {}
    local function in_finalizer(fn)
      setmetatable({}, { __gc = function() said[#said + 1] = select(2, pcall(fn)) end })
    end
    for _ = 1, 300 do cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { generateName = "m-" } } end
    collectgarbage()
    collectgarbage "stop"
    in_finalizer(function() cluster:close() end)
    in_finalizer(function() cluster:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "late" } } end)
    local open <const> = io.open
    rawset(io, "open", function(...)
      local file <const> = assert(open(...))
      return { write = function(_, piece)
        collectgarbage()
        return file:write(piece)
      end, close = function() return file:close() end }
    end)
    local fine, err = pcall(cluster.save, cluster, path "a")
    rawset(io, "open", open)
    collectgarbage "restart"
    assert.is_true(fine, err)
    assert.equal(2, #said)
    table.sort(said)
    assert.matches("the cluster is at work", said[1])
    assert.matches("the cluster is at work", said[2])
    local other <close> = kubesim.load(path "a")
    assert.equal(cluster:count "cm", other:count "cm")
  end)

  it("leaves nothing beside the file when it is refused", function()
    cluster:policy { name = "Curious", filter = function()
      cluster:save(path "a")
      return true
    end }
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = "p" }, spec = { containers = { { name = "c", image = "i" } } } }
    assert.error_matches(function() cluster:settle() end, "the cluster is at work")
    local closed = kubesim.new()
    closed:close()
    assert.error_matches(function() closed:save(path "b") end, "the cluster is closed")
    assert.equal("", files())
  end)

  it("follows links, and leaves devices what they are", function()
    assert(os.execute(("cd %s && : >file && ln -s file link && ln -s /dev/null null"):format(folder)))
    cluster:save(path "link")
    cluster:save(path "null")
    assert.equal("file\nlink\nnull\n", files())
    assert.is_true(os.execute(("cd %s && test -L link && test -L null && test -c null"):format(folder)))
    assert.matches('^{"format":', text "file")
  end)

  it("writes the same for functions whatever their tables went through", function()
    local function http() return 200 end
    local grown = {}
    for port = 1, 40 do grown[port] = http end
    for port = 1, 40 do
      if port ~= 7 and port ~= 33 then grown[port] = nil end
    end
    grown[8080] = http
    local other <close> = cluster:fork()
    cluster:image("web", { http = grown })
    other:image("web", { http = { [8080] = http, [33] = http, [7] = http } })
    cluster:save(path "a")
    other:save(path "b")
    assert.equal(text "a", text "b")
    assert.matches("%[7,33,8080%]", text "a")
  end)

  it("keeps functions of names that are no UTF-8", function()
    cluster:image("\xff:1", { commands = { ["\xfe"] = function() return "odd\n", 0 end } })
    cluster:create {
      apiVersion = "v1", kind = "Pod", metadata = { name = "p" }, spec = { containers = { { name = "c", image = "app" } } } }
    cluster:save(path "a")
    assert.error_matches(function() kubesim.load(path "a") end, "pass commands%.\xfe of image '\xff:1' again")
    local behaviour <const> = { commands = { ["\xfe"] = function() return "odd\n", 0 end } }
    local other <close> = kubesim.load(path "a", { images = { ["\xff:1"] = behaviour } })
    assert.equal(1, other:count "pods")
  end)

  it("is no matter for functions that are put into a table later", function()
    local commands = { first = function() return "1\n", 0 end }
    cluster:image("app", { commands = commands })
    commands.second = function() return "2\n", 0 end
    cluster:create {
      apiVersion = "v1", kind = "Pod", metadata = { name = "p" }, spec = { containers = { { name = "c", image = "app" } } } }
    assert(cluster:settle())
    assert.equal("1\n", (cluster:exec("p", "first")))
    assert.equal(127, select(2, cluster:exec("p", "second")))
  end)

  it("does not make the core trust what a file says of an image", function()
    cluster:image("app", { pull = "2s" })
    cluster:save(path "a")
    local changed = forged((text "a":gsub('%["image","app",[^\n]*\n', '["image","app",[1,2]]\n')))
    do
      local file <close> = assert(io.open(path "a", "wb"))
      assert(file:write(changed))
    end
    assert.error_matches(function() kubesim.load(path "a") end, "line 3: 'image' is refused: bad argument #3 .*names of fields expected")
  end)
end)
