--- Aligns tabbed text as Go's text/tabwriter does, with the memory of widths that kubectl's tables have.
---
--- A cell is what a tab ends; what follows the last tab of a line belongs to no column. A column is a run of neighbouring
--- lines that all have a cell there, so a line without tabs parts what lies above from what lies below.
--- Go's text/tabwriter and github.com/liggitt/tabwriter (RememberWidths). The core lays out (csrc/lua/columns.c).
local core <const> = require "kubesim.core"

---@class kubesim.kubectl.Tabwriter
---@field minimum integer    least width of a column, padding included
---@field padding integer
---@field remember boolean   a column never becomes narrower than it was in an earlier flush
---@field lines string[][]   the cells of the lines that are not laid out yet
---@field rest string        the unfinished line
---@field known integer[]    widths of earlier flushes
---@field out string[]       what is laid out
local Tabwriter = {}
Tabwriter.__index = Tabwriter

--- As kubectl's tables (k8s.io/cli-runtime/pkg/printers/tabwriter.go).
local TABLES <const> = { minimum = 6, padding = 3, remember = true }

---A writer. Without options: as kubectl's tables.
---@param options? { minimum?: integer, padding?: integer, remember?: boolean }
---@return kubesim.kubectl.Tabwriter
function Tabwriter.new(options)
  options = options or TABLES
  return setmetatable({
    minimum = options.minimum or 0, padding = options.padding or 0, remember = options.remember or false,
    lines = {}, rest = "", known = {}, out = {},
  }, Tabwriter)
end

local function cells_of(line)
  local cells, count, from = {}, 0, 1
  local tab = line:find("\t", 1, true)
  while tab do
    count = count + 1
    cells[count], from = line:sub(from, tab - 1), tab + 1
    tab = line:find("\t", from, true)
  end
  cells[count + 1] = line:sub(from)
  return cells
end

local function lay_out(self)
  if #self.lines == 0 then return end
  self.out[#self.out + 1] = core.columns(self.lines, self.minimum, self.padding, self.remember and self.known or nil)
  self.lines = {}
end

---Adds text; tabs end cells, line ends end lines.
---@param text string
function Tabwriter:write(text)
  text = self.rest .. text
  local from = 1
  while true do
    local stop = text:find("\n", from, true)
    if not stop then break end
    local cells = cells_of(text:sub(from, stop - 1))
    self.lines[#self.lines + 1] = cells
    if #cells == 1 then lay_out(self) end -- it parts columns: what is above cannot change any more
    from = stop + 1
  end
  self.rest = text:sub(from)
end

---Adds a line, given by its cells, of which there are two at least: what write() would make of them, joined with tabs.
---@param cells string[]  without tabs and line ends; the writer keeps the table
function Tabwriter:row(cells)
  if self.rest ~= "" then return self:write(table.concat(cells, "\t") .. "\n") end
  self.lines[#self.lines + 1] = cells
end

---Lays out all that was written.
function Tabwriter:flush()
  local unfinished = self.rest ~= ""
  if unfinished then
    local cells = cells_of(self.rest)
    if cells[#cells] == "" then cells[#cells] = nil end -- what stands before the last tab is the last cell then
    self.lines[#self.lines + 1], self.rest = cells, ""
  end
  lay_out(self)
  if unfinished then self.out[#self.out] = self.out[#self.out]:sub(1, -2) end -- it has no line end
end

---Forgets the widths of earlier flushes.
function Tabwriter:forget() self.known = {} end

---Flushes, and hands over all that was laid out since the last call.
---@return string
function Tabwriter:take()
  self:flush()
  local text = table.concat(self.out)
  self.out = {}
  return text
end

---Tabbed text laid out at once.
---@param text string
---@param options? table
---@return string
function Tabwriter.text(text, options)
  local writer = Tabwriter.new(options)
  writer:write(text)
  return writer:take()
end

return Tabwriter
