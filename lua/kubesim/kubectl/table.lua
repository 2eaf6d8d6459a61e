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

-- A cell ends at its first line break.
local function cell_text(cell)
  if cell == nil then return "" end
  if type(cell) ~= "string" then return tostring(cell) end
  if not cell:find "[\f\n\r\27]" then return cell end
  local stop = cell:find "[\f\n\r]"
  return TablePrinter.escaped(stop and cell:sub(1, stop - 1) or cell) .. (stop and "..." or "")
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

function TablePrinter:row(columns, row, event)
  local options, cells, metadata = self.options, {}, row.object.metadata
  if event then cells[#cells + 1] = EVENTS[event] or event end
  if options.with_namespace then cells[#cells + 1] = metadata.namespace or "" end
  local named = false
  for i, column in ipairs(columns) do
    local text = cell_text(row.cells[i])
    if column.named and not named and options.with_kind then text = options.with_kind .. "/" .. text end
    named = named or column.named
    if options.wide or not column.wide then cells[#cells + 1] = text end
  end
  local labels = metadata.labels or {}
  for _, label in ipairs(options.label_columns or {}) do cells[#cells + 1] = cell_text(labels[label] or "") end
  if options.show_labels then cells[#cells + 1] = common.labels(labels) end
  return table.concat(cells, "\t") .. "\n"
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
  for _, row in ipairs(tabled.rows) do writer:write(self:row(tabled.columns, row, event)) end
end

return TablePrinter
