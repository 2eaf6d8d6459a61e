--- Prints tables that the API server made, as kubectl does: hides wide columns, adds namespaces, kinds and labels, prints a header
--- when the columns change. k8s.io/cli-runtime/pkg/printers/tableprinter.go.
local common <const> = require "kubesim.kubectl.printers.common"
local core <const> = require "kubesim.core"

---@class kubesim.kubectl.TableOptions
---@field no_headers? boolean
---@field wide? boolean
---@field with_namespace? boolean
---@field with_kind? string       "pod", "statefulset.apps": goes before names
---@field label_columns? string[]
---@field show_labels? boolean

---@class kubesim.kubectl.TablePrinter
---@field options kubesim.kubectl.TableOptions
---@field last kubesim.kubectl.Column[]?  columns of the table before
---@field headed boolean
local TablePrinter = {}
TablePrinter.__index = TablePrinter

---A printer for the tables of one resource; it remembers what header it has printed.
---@param options kubesim.kubectl.TableOptions
---@return kubesim.kubectl.TablePrinter
function TablePrinter.new(options) return setmetatable({ options = options, headed = false, last = nil }, TablePrinter) end

---What a terminal must not get, made visible.
---@param text string
---@return string
function TablePrinter.escaped(text) return (text:gsub("\27", "^["):gsub("\r", "\\r")) end

-- A cell ends at its first line break. The second value: it has a tab.
local function cell_text(cell)
  local plain = core.cell_text(cell)
  if plain then return plain end
  local stop = cell:find "[\f\n\r]"
  local text = TablePrinter.escaped(stop and cell:sub(1, stop - 1) or cell) .. (stop and "..." or "")
  return text, text:find("\t", 1, true) ~= nil
end

local EVENTS <const> = { ADDED = "ADDED   ", MODIFIED = "MODIFIED", DELETED = "DELETED ", ERROR = "ERROR   " }

---What of a kind's columns is shown: their places, their titles, and which of them is the object's name, which may get its kind.
---@class kubesim.kubectl.Layout
---@field places integer[]
---@field titles string[]
---@field named? integer

--- Layouts without and with wide columns, by the kind's columns, of which there is one table.
local NARROW <const>, WIDE <const> = {}, {}

---@return kubesim.kubectl.Layout
local function layout_of(columns, wide)
  local known = wide and WIDE or NARROW
  local layout = known[columns]
  if layout then return layout end
  layout = { places = {}, titles = {} }
  local looking = true
  for i, column in ipairs(columns) do
    local at = #layout.places + 1
    local shown = wide or not column.wide
    if shown then layout.places[at], layout.titles[at] = i, column.name:upper() end
    if column.named and looking then layout.named, looking = shown and at or nil, false end
  end
  known[columns] = layout
  return layout
end

function TablePrinter:header(layout, event)
  local options, titles = self.options, {}
  if event then titles[#titles + 1] = "EVENT" end
  if options.with_namespace then titles[#titles + 1] = "NAMESPACE" end
  table.move(layout.titles, 1, #layout.titles, #titles + 1, titles)
  for _, label in ipairs(options.label_columns or {}) do titles[#titles + 1] = label:match "[^/]*$":upper() end
  if options.show_labels then titles[#titles + 1] = "LABELS" end
  return titles, options.label_columns ~= nil -- in which anything may stand
end

---The cells of a line, and whether one has a tab. The row's own table is used where it can be: tables are long.
function TablePrinter:cells(layout, row, event)
  local places, named = layout.places, self.options.with_kind and layout.named
  local options, cells, all, n, tabbed = self.options, row.cells, row.cells, 0, false
  if event or options.with_namespace then
    cells = {}
    if event then cells[1] = EVENTS[event] or event end
    if options.with_namespace then cells[#cells + 1] = row.object.metadata.namespace or "" end
    n = #cells
  end
  if n > 0 or named or not core.plain_cells(cells, places, #self.last) then
    for i, place in ipairs(places) do -- places only grow: what is overwritten has been read
      local text, has_tab = cell_text(all[place])
      cells[n + i] = i == named and options.with_kind .. "/" .. text or text
      tabbed = tabbed or has_tab
    end
    if cells == all then
      for i = #places + 1, #self.last do cells[i] = nil end
    end
  end
  n = n + #places
  if not options.label_columns and not options.show_labels then return cells, tabbed end
  local labels = row.object.metadata.labels or {}
  for _, label in ipairs(options.label_columns or {}) do
    n = n + 1
    cells[n] = cell_text(labels[label] or "")
  end
  if options.show_labels then cells[n + 1] = common.labels(labels) end
  return cells, tabbed
end

---Prints a table.
---@param tabled kubesim.kubectl.Table
---@param writer kubesim.kubectl.Tabwriter
---@param event? string  the watch event that brought it, when it is to be shown
function TablePrinter:print(tabled, writer, event)
  if tabled.columns ~= self.last then
    self.last, self.headed = tabled.columns, false
  end
  if #tabled.rows == 0 then return end
  local layout = layout_of(tabled.columns, self.options.wide)
  local function line(cells, tabbed)
    if tabbed or #cells < 2 then return writer:write(table.concat(cells, "\t") .. "\n") end
    writer:row(cells)
  end
  if not self.headed and not self.options.no_headers then line(self:header(layout, event)) end
  self.headed = true
  for _, row in ipairs(tabled.rows) do line(self:cells(layout, row, event)) end
end

return TablePrinter
