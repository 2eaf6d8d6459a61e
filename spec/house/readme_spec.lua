-- Every command and example in the README does what the README says.

local function read(path)
  local f <close> = assert(io.open(path))
  return f:read "a"
end

---The Lua blocks of a Markdown text that are to be run, each with the output that stands below it (nil: none is shown). A block that begins
---with the name of a file is a part of that file.
local function examples(text)
  local list, at = {}, 1
  while true do
    local from, to, code = text:find("```lua\n(.-)```\n", at)
    if not from then return list end
    local output = text:match("^%s*```text\n(.-)```", to + 1)
    list[#list + 1] = { code = code, output = output, file = code:match "^%-%- (%S+%.lua)\n" }
    at = to + 1
  end
end

---Runs blocks as one program, so that locals go on from one to the next; what each prints.
local function outputs(list)
  local parts, printed = {}, {}
  for i, block in ipairs(list) do
    printed[i] = {}
    parts[#parts + 1] = not block.file and ("__block(%d)\n%s"):format(i, block.code) or nil
  end
  local current
  local env = setmetatable({
    __block = function(i) current = printed[i] end,
    print = function(...)
      local words = table.pack(...)
      for i = 1, words.n do words[i] = tostring(words[i]) end
      current[#current + 1] = table.concat(words, "\t") .. "\n"
    end,
  }, { __index = _G })
  assert(load(table.concat(parts, "\n"), "=README", "t", env))()
  -- print ends the line that kubectl has ended already: blank lines at the end are not shown
  for i, lines in ipairs(printed) do printed[i] = table.concat(lines):gsub("\n+$", "\n") end
  return printed
end

for _, path in ipairs { "README.md", "docs/guide.md" } do
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
      local list, shown = examples(text), 0
      local printed = outputs(list)
      for i, block in ipairs(list) do
        if block.output then
          shown = shown + 1
          assert.equal(block.output, printed[i])
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
