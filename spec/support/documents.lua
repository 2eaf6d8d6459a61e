--- Examples in Markdown: Lua blocks, and text blocks that say what they print. For spec/house/readme_spec.lua, which compares, and
--- tools/readme.lua, which writes (`make readme`).

---@class support.documents
local documents = {}

---The texts whose examples are run.
documents.paths = { "README.md", "docs/guide.md" }

---@param path string
---@return string
function documents.read(path)
  local f <close> = assert(io.open(path))
  return f:read "a"
end

---The Lua blocks of a Markdown text, each with the output that stands below it (nil: none is shown) and where that stands. A block
---that begins with the name of a file is a part of that file.
---@param text string
---@return { code: string, output?: string, from?: integer, to?: integer, file?: string }[]
function documents.examples(text)
  local list, at = {}, 1
  while true do
    local _, to, code = text:find("```lua\n(.-)```\n", at)
    if not to then return list end
    local from, last, output = text:find("^%s*```text\n()", to + 1)
    if from then
      from = output
      last = text:find("```", from, true)
      output = text:sub(from, last - 1)
    end
    list[#list + 1] = { code = code, output = output, from = from, to = last and last - 1, file = code:match "^%-%- (%S+%.lua)\n" }
    at = to + 1
  end
end

---Runs blocks as one program, so that locals go on from one to the next.
---@param list { code: string, file?: string }[]
---@return string[] printed what each of them prints
function documents.outputs(list)
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

return documents
