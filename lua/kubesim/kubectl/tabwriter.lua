--- Aligns tabbed text as Go's text/tabwriter does, with the memory of widths that kubectl's tables have.
---
--- A cell is what a tab ends; what follows the last tab of a line belongs to no column. A column is a run of neighbouring
--- lines that all have a cell there, so a line without tabs parts what lies above from what lies below.
--- Go's text/tabwriter and github.com/liggitt/tabwriter (RememberWidths).

---@class kubesim.kubectl.Tabwriter
---@field minimum integer    least width of a column, padding included
---@field padding integer
---@field remember boolean   a column never becomes narrower than it was in an earlier flush
---@field lines string[][]   the cells of the lines that are not laid out yet
---@field measured integer[][]   by column and line: widths of cells that belong to a column
---@field rest string        the unfinished line
---@field known integer[]    widths of earlier flushes
---@field out string[]       what is laid out
local Tabwriter = {}
Tabwriter.__index = Tabwriter

---A writer. Without options: as kubectl's tables (k8s.io/cli-runtime/pkg/printers/tabwriter.go).
---@param options? { minimum?: integer, padding?: integer, remember?: boolean }
---@return kubesim.kubectl.Tabwriter
function Tabwriter.new(options)
  options = options or { minimum = 6, padding = 3, remember = true }
  return setmetatable({
    minimum = options.minimum or 0, padding = options.padding or 0, remember = options.remember or false,
    lines = {}, measured = {}, rest = "", known = {}, out = {},
  }, Tabwriter)
end

local function width_of(cell) return utf8.len(cell) or #cell end

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

--- Spaces, by their number: most gaps are narrow, and there are as many of them as cells.
local GAPS <const> = {}
for i = 0, 40 do GAPS[i] = (" "):rep(i) end

---The width of a column that begins at a line, and the line behind it.
function Tabwriter:column(widths, first, last)
  local column, width = #widths + 1, self.minimum
  local at = first
  local lines, padding, measured = self.lines, self.padding, self.measured[column] or {}
  self.measured[column] = measured
  while at <= last and column < #lines[at] do
    local cell = width_of(lines[at][column])
    measured[at] = cell
    if cell + padding > width then width = cell + padding end
    at = at + 1
  end
  if self.remember then
    width = math.max(width, self.known[column] or 0)
    self.known[column] = width
  end
  return width, at
end

function Tabwriter:print(widths, first, last)
  local out, measured = self.out, self.measured
  local at, columns = #out, #widths
  for i = first, last do
    local line = self.lines[i]
    for j = 1, #line do
      at = at + 1
      out[at] = line[j]
      if j <= columns then
        local gap = widths[j] - measured[j][i]
        at = at + 1
        out[at] = GAPS[gap] or (" "):rep(gap)
      end
    end
    at = at + 1
    out[at] = "\n"
  end
end

---Lays out lines first..last, the widths of whose left columns are known.
function Tabwriter:format(widths, first, last)
  local column, at = #widths + 1, first
  while at <= last do
    if column < #self.lines[at] then
      if first < at then self:print(widths, first, at - 1) end
      local width, behind = self:column(widths, at, last)
      widths[column] = width
      self:format(widths, at, behind - 1)
      widths[column] = nil
      first, at = behind, behind
    else
      at = at + 1
    end
  end
  if first <= last then self:print(widths, first, last) end
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
    if #cells == 1 then -- it parts columns: what is above cannot change any more
      self:format({}, 1, #self.lines)
      self.lines, self.measured = {}, {}
    end
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
  self:format({}, 1, #self.lines)
  if unfinished then self.out[#self.out] = nil end
  self.lines, self.measured = {}, {}
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
