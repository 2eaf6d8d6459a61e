-- -f: manifests from files and folders of the machine, as kubectl finds them.
local kubesim = require "kubesim"
local lfs = require "lfs" -- busted needs it too

local function config_map(name) return ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"):format(name) end

describe("kubectl -f", function()
  local cluster, folder

  local function write(name, text)
    local f <close> = assert(io.open(folder .. "/" .. name, "w"))
    f:write(text)
  end

  local function refusal(line) return tostring(select(2, pcall(cluster.kubectl, cluster, line))) end

  before_each(function()
    cluster, folder = kubesim.new { nodes = 1 }, os.tmpname()
    os.remove(folder)
    for _, name in ipairs { "", "/all", "/all/more", "/all/more/deep.yaml", "/none", "/one" } do assert(lfs.mkdir(folder .. name)) end
    write("web.yaml", config_map "web")
    write("all/b.yml", config_map "b")
    write("all/a.json", '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}')
    write("all/Z.yaml", config_map "z1" .. "---\n" .. config_map "z2")
    write("all/notes.txt", "not read")
    write("all/c.YAML", "not read")
    write("all/more/d.yaml", config_map "d")
    write("all/more/deep.yaml/e.yaml", config_map "e")
    write("one/f.yaml", config_map "f")
    write("any", config_map "any")
  end)

  after_each(function()
    cluster:close()
    os.execute(("rm -r '%s'"):format(folder))
  end)

  it("reads a file, whatever its name ends in", function()
    assert.equal("configmap/web created\n", (cluster:kubectl("apply -f " .. folder .. "/web.yaml")))
    assert.equal("configmap/any created\n", (cluster:kubectl { "create", "-f", folder .. "/any" }))
    assert.equal("configmap/any\n", (cluster:kubectl { "get", "-o", "name", "-f", folder .. "/any" }))
    assert.equal("configmap/web unchanged\nconfigmap/any configured\n",
      (cluster:kubectl(("apply -f %s/web.yaml -f %s/any"):format(folder, folder))))
    assert.equal('configmap "web" deleted from default namespace\n', (cluster:kubectl { "delete", "-f", folder .. "/web.yaml" }))
  end)

  it("reads the manifests of a folder, by name, and with -R those of its folders in their places", function()
    assert.equal("configmap/z1 created\nconfigmap/z2 created\nconfigmap/a created\nconfigmap/b created\n",
      (cluster:kubectl { "apply", "-f", folder .. "/all" }))
    assert.equal("configmap/z1 unchanged\nconfigmap/z2 unchanged\nconfigmap/a unchanged\nconfigmap/b unchanged\nconfigmap/d created\n"
      .. "configmap/e created\n", (cluster:kubectl { "apply", "-R", "-f", folder .. "/all" }))
    assert.equal("configmap/z1 replaced\nconfigmap/z2 replaced\nconfigmap/a replaced\nconfigmap/b replaced\n",
      (cluster:kubectl { "replace", "-f", folder .. "//all/" }))
    assert.equal("", (cluster:kubectl { "diff", "-f", folder .. "/all" }))
    cluster:kubectl { "delete", "-f", folder .. "/all", "-R" }
    assert.equal(1, cluster:count "cm") -- kube-root-ca.crt
  end)

  it("takes a folder of one manifest as one object", function()
    cluster:kubectl { "create", "-f", folder .. "/one" }
    assert.equal("ConfigMap", kubesim.json.decode((cluster:kubectl { "get", "-o", "json", "-f", folder .. "/one" })).kind)
    cluster:kubectl { "apply", "-f", folder .. "/all" }
    assert.equal("List", kubesim.json.decode((cluster:kubectl { "get", "-o", "json", "-f", folder .. "/all" })).kind)
  end)

  it("names the file of a folder as Go joins paths", function()
    write("all/b.yml", "kind: [")
    local here = lfs.currentdir()
    assert(lfs.chdir(folder))
    local refusals = {}
    for i, path in ipairs { "all", "./all", "all/more/..", "all//", folder .. "/none/../all/." } do
      refusals[i] = refusal("create -f " .. path):match "error parsing ([^:]*)"
    end
    assert(lfs.chdir(here))
    assert.same({ "all/b.yml", "all/b.yml", "all/b.yml", "all/b.yml", folder .. "/all/b.yml" }, refusals)
  end)

  it("says what it cannot read", function()
    local function says(text, path)
      assert.equal((text:gsub("PATH", (path:gsub("%%", "%%%%")))), refusal("apply -f " .. path))
    end
    says('error: the path "PATH" does not exist', folder .. "/absent.yaml")
    says('error: the path "PATH" cannot be accessed: stat PATH: not a directory', folder .. "/web.yaml/x")
    says("error: error reading [PATH]: recognized file extensions are [.json .yaml .yml]", folder .. "/none")
    says("not supported: -f with a pattern: PATH", folder .. "/*.yaml")
    says("not supported: -f with a URL: PATH", "https://example.com/x.yaml")
    assert(lfs.link(folder .. "/all", folder .. "/link", true))
    says("error: error parsing PATH: read PATH: is a directory", folder .. "/link")
    assert.equal(1, cluster:count "cm")
  end)

  it("is not the only way: --from-file takes the files of a folder as keys", function()
    assert(lfs.link("a.json", folder .. "/all/link.json", true))
    cluster:kubectl { "create", "configmap", "c", "--from-file", folder .. "/all" }
    local keys = {}
    for key in pairs(cluster:get "cm/c".data) do keys[#keys + 1] = key end
    table.sort(keys)
    assert.same({ "Z.yaml", "a.json", "b.yml", "c.YAML", "notes.txt" }, keys)
    assert.equal("not read", cluster:get "cm/c".data["notes.txt"])
    cluster:kubectl { "create", "secret", "generic", "s", "--from-file", folder .. "/one" }
    assert.same({ ["f.yaml"] = "YXBpVmVyc2lvbjogdjEKa2luZDogQ29uZmlnTWFwCm1ldGFkYXRhOiB7bmFtZTogZn0K" }, cluster:get "secret/s".data)
    assert.equal("error: cannot give a key name for a directory path", refusal("create cm d --from-file=k=" .. folder .. "/all"))
  end)

  it("tells whose module is missing where folders cannot be listed", function()
    package.loaded.lfs, package.preload.lfs = nil, function() error "none here" end
    local text = refusal("apply -f " .. folder .. "/all")
    package.loaded.lfs, package.preload.lfs = lfs, nil
    assert.equal(("not supported: -f with a directory: %s/all (the Lua module lfs, LuaFileSystem, is not installed)"):format(folder), text)
  end)
end)
