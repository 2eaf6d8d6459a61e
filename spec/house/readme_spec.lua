-- Every command and example in the README does what the README says.

local documents = require "spec.support.documents"
local read = documents.read

for _, path in ipairs(documents.paths) do
  describe(path, function()
    local text = read(path)

    it("names make targets that exist", function()
      local makefile, n = read "Makefile", 0
      for target in text:gmatch "make ([a-z][a-z-]+)" do
        n = n + 1
        assert.matches("\n" .. target:gsub("%-", "%%-") .. ":", makefile, nil, nil, "no target " .. target)
      end
      assert.is_true(n >= 1)
    end)

    it("points at files that exist", function()
      for file in text:gmatch "%]%(([%w/._-]+)%)" do
        local folder = path:match "^(.*/)" or ""
        assert(io.open(folder .. file)):close()
      end
      for file in text:gmatch "`(examples/[%w/._-]+)`" do assert(os.rename(file, file)) end
    end)

    it("shows Lua that prints what stands below it", function()
      local list, shown = documents.examples(text), 0
      local printed = documents.outputs(list)
      for i, block in ipairs(list) do
        if block.output then
          shown = shown + 1
          assert.equal(block.output, printed[i], "`make readme` writes what is printed now")
        elseif block.file then
          local code = block.code:gsub("^.-\n", "", 1)
          assert.matches(code, read(block.file), 1, true)
        end
      end
      assert.is_true(shown >= 3)
    end)
  end)
end

describe("the lab script", function()
  it("runs from its first line to its last", function()
    local lab = dofile "examples/lab/lab.lua"
    local out = {}
    lab.run(function(s) out[#out + 1] = s end)
    local all = table.concat(out)
    for _, title in ipairs { "creation", "More replicas", "Deleting a pod", "No replicas", "A claim shared", "without nodeSelector",
      "volumeClaimTemplates", "A headless Service", "The variant" } do
      assert.matches(title, all, 1, true)
    end
    assert.matches("hello", all, 1, true)
    assert.matches("Multi-Attach error", all, 1, true)
    assert.matches("stateful-db-2 is Running", all, 1, true)
    assert.is_nil(all:find("Error from server", 1, true))
    assert.is_nil(all:find("not supported", 1, true))
  end)
end)
