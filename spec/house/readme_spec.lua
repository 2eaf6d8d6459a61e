-- Every command and example in the README does what the README says.

local function read(path)
  local f <close> = assert(io.open(path))
  return f:read "a"
end

describe("the README", function()
  local text = read "README.md"

  it("names make targets that exist", function()
    local makefile, n = read "Makefile", 0
    for target in text:gmatch "make ([a-z][a-z-]+)" do
      n = n + 1
      assert.matches("\n" .. target:gsub("%-", "%%-") .. ":", makefile, nil, nil, "no target " .. target)
    end
    assert.is_true(n >= 2)
  end)

  it("shows Lua that prints what stands below it", function()
    local shown = 0
    for code, output in text:gmatch "```lua\n(.-)```%s+```text\n(.-)```" do
      shown = shown + 1
      local printed = {}
      local env = setmetatable({
        print = function(...)
          local t = {}
          for i = 1, select("#", ...) do t[i] = tostring((select(i, ...))) end
          printed[#printed + 1] = table.concat(t, "\t") .. "\n"
        end,
      }, { __index = _G })
      assert(load(code, "README example " .. shown, "t", env))()
      assert.equal(output, (table.concat(printed):gsub("\n\n$", "\n")))
    end
    assert.is_true(shown >= 3)
  end)
end)

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
