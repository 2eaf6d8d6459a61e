-- What a kubelet of an older release says otherwise.
local kubesim = require "kubesim"

local function messages(version)
  local cluster <close> = kubesim.new { nodes = 1, version = version }
  for _, name in ipairs { "a", "b" } do
    cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = name },
      spec = { containers = { { name = "main", image = "app:1" } } } }
    cluster:settle()
  end
  local list = {}
  for _, event in ipairs(cluster:events { ref = "pod/b" }) do list[event.reason] = event.message end
  return list
end

describe("a kubelet's events", function()
  it("name the container until 1.34", function()
    local said = messages "1.34"
    assert.equal("Created container: main", said.Created)
    assert.equal("Started container main", said.Started)
    assert.equal('Container image "app:1" already present on machine', said.Pulled)
  end)

  for _, version in ipairs { "1.35", "1.36" } do
    it("do not name it in " .. version, function()
      local said = messages(version)
      assert.equal("Container created", said.Created)
      assert.equal("Container started", said.Started)
      assert.equal('Container image "app:1" already present on machine and can be accessed by the pod', said.Pulled)
    end)
  end
end)
