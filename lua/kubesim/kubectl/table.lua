--- Prints tables that the API server made, as kubectl does: hides wide columns, adds namespaces, kinds and labels, prints a header
--- when the columns change. k8s.io/cli-runtime/pkg/printers/tableprinter.go.
local common <const> = require "kubesim.kubectl.printers.common"

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
function TablePrinter.new(options) return setmetatable({ options = options, headed = false }, TablePrinter) end

---What a terminal must not get, made visible.
---@param text string
---@return string
function TablePrinter.escaped(text) return (text:gsub("\27", "^["):gsub("\r", "\\r")) end

-- A cell ends at its first line break. The second value: it has a tab.
local function cell_text(cell)
  if type(cell) ~= "string" then return cell == nil and "" or tostring(cell) end
  if not cell:find "%c" then return cell end
  local stop = cell:find "[\f\n\r]"
  local text = TablePrinter.escaped(stop and cell:sub(1, stop - 1) or cell) .. (stop and "..." or "")
  return text, text:find("\t", 1, true) ~= nil
end

local EVENTS <const> = { ADDED = "ADDED   ", MODIFIED = "MODIFIED", DELETED = "DELETED ", ERROR = "ERROR   " }

function TablePrinter:header(columns, event)
  local options, titles = self.options, {}
  if event then titles[#titles + 1] = "EVENT" end
  if options.with_namespace then titles[#titles + 1] = "NAMESPACE" end
  for _, column in ipairs(columns) do
    if options.wide or not column.wide then titles[#titles + 1] = column.name:upper() end
  end
  for _, label in ipairs(options.label_columns or {}) do titles[#titles + 1] = label:match "[^/]*$":upper() end
  if options.show_labels then titles[#titles + 1] = "LABELS" end
  return table.concat(titles, "\t") .. "\n"
end

---The places of the columns that are shown.
---@return integer[] places
---@return integer? named  where among them the name of the object is, when its kind goes before it
function TablePrinter:shown(columns)
  local places, named, looking = {}, nil, self.options.with_kind ~= nil
  for i, column in ipairs(columns) do
    local shown = self.options.wide or not column.wide
    if shown then places[#places + 1] = i end
    if column.named and looking then named, looking = shown and #places or nil, false end
  end
  return places, named
end

---The cells of a line, and whether one has a tab. The row's own table is used where it can be: tables are long.
function TablePrinter:cells(places, named, row, event)
  local options, cells, all, n, tabbed = self.options, row.cells, row.cells, 0, false
  if event or options.with_namespace then
    cells = {}
    if event then cells[1] = EVENTS[event] or event end
    if options.with_namespace then cells[#cells + 1] = row.object.metadata.namespace or "" end
    n = #cells
  end
  for i, place in ipairs(places) do -- places only grow: what is overwritten has been read
    local text, has_tab = cell_text(all[place])
    cells[n + i] = i == named and options.with_kind .. "/" .. text or text
    tabbed = tabbed or has_tab
  end
  n = n + #places
  if cells == all then
    for i = n + 1, #self.last do cells[i] = nil end
  end
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
  if not self.headed and not self.options.no_headers then writer:write(self:header(tabled.columns, event)) end
  self.headed = true
  local places, named = self:shown(tabled.columns)
  for _, row in ipairs(tabled.rows) do
    local cells, tabbed = self:cells(places, named, row, event)
    if tabbed or #cells < 2 then
      writer:write(table.concat(cells, "\t") .. "\n")
    else
      writer:row(cells)
    end
  end
end

return TablePrinter
