--- What describers write into: indented text with tabs, and the columns that Go's text/tabwriter makes of the tabs. Called by the
--- describers and by `rollout history`.
---
--- kubectl/pkg/describe/describe.go (PrefixWriter, tabbedString), cli-runtime/pkg/printers/terminal.go, Go's text/tabwriter.

---@class kubesim.describe.Writer
---@field pieces string[]
---@field indent integer levels that every write is moved to the right
local Writer = {}
Writer.__index = Writer

---@return kubesim.describe.Writer
function Writer.new() return setmetatable({ pieces = {}, indent = 0 }, Writer) end

---The same text, written further to the right.
---@param levels integer
---@return kubesim.describe.Writer
function Writer:nested(levels) return setmetatable({ pieces = self.pieces, indent = self.indent + levels }, Writer) end

local ESCAPES <const> = { ["\27"] = "^[", ["\r"] = "\\r" }

---What a terminal would obey is made visible.
local function escaped(text) return (text:gsub("[\27\r]", ESCAPES)) end

---Writes at an indentation of two spaces a level. With arguments, `format` is string.format's.
---@param level integer
---@param format string
---@param ... any
function Writer:write(level, format, ...)
  local text = select("#", ...) > 0 and format:format(...) or format
  self.pieces[#self.pieces + 1] = ("  "):rep(level + self.indent) .. escaped(text)
end

---Writes a line, without indentation but for that of a nested writer.
---@param text string
function Writer:line(text) self:write(0, "%s\n", text) end

---The text with its tabs.
---@return string
function Writer:raw() return table.concat(self.pieces) end

---The text in columns.
---@return string
function Writer:text() return Writer.columns(self:raw()) end

local function width_of(cell) return utf8.len(cell) or #cell end

---Lines as lists of cells, and whether the last one ended with a line break.
local function cells_of(text)
  local lines = {}
  for line, ending in text:gmatch "([^\n]*)(\n?)" do
    if line == "" and ending == "" then break end
    local cells = {}
    for cell in (line .. "\t"):gmatch "([^\t]*)\t" do cells[#cells + 1] = cell end
    lines[#lines + 1] = cells
  end
  return lines, text:sub(-1) == "\n"
end

---Text whose tabs end cells, laid out in columns: neighbouring lines that have a cell in a column share its width, which is that of
---the widest plus two. What stands behind a line's last tab belongs to no column.
---@param text string
---@return string
function Writer.columns(text)
  local lines, ended = cells_of(text)
  local column = 1
  repeat
    local found, i = false, 1
    while i <= #lines do
      if #lines[i] > column then
        found = true
        local first, width = i, 0
        while i <= #lines and #lines[i] > column do
          width = math.max(width, width_of(lines[i][column]) + 2)
          i = i + 1
        end
        for j = first, i - 1 do
          local cell = lines[j][column]
          lines[j][column] = cell .. (" "):rep(width - width_of(cell))
        end
      else
        i = i + 1
      end
    end
    column = column + 1
  until not found
  for i, cells in ipairs(lines) do lines[i] = table.concat(cells) end
  return table.concat(lines, "\n") .. (ended and "\n" or "")
end

return Writer
