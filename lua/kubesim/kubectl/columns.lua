--- Custom columns: `-o custom-columns=NAME:.metadata.name,...`. k8s.io/kubectl/pkg/cmd/get/customcolumn.go.
local TablePrinter <const> = require "kubesim.kubectl.table"
local gotext <const> = require "kubesim.kubectl.gotext"
local jsonpath <const> = require "kubesim.kubectl.jsonpath"

---@class kubesim.kubectl.CustomColumns
---@field columns { header: string, text: string }[]
---@field no_headers boolean
---@field headed? "list"|"object"  what the header was printed for last
local CustomColumns = {}
CustomColumns.__index = CustomColumns

---A printer for a specification, or nil and why.
---@param spec string
---@param no_headers? boolean
---@return kubesim.kubectl.CustomColumns? printer
---@return string? why
function CustomColumns.new(spec, no_headers)
  if spec == "" then return nil, "custom-columns format specified but no custom columns given" end
  local columns = {}
  for part in (spec .. ","):gmatch "([^,]*)," do
    local header, path = part:match "^([^:]*):(.*)$"
    if not header then
      return nil, ("unexpected custom-columns spec: %s, expected <header>:<json-path-expr>"):format(part)
    end
    local text, why = jsonpath.relaxed(path)
    if not text then return nil, why end
    columns[#columns + 1] = { header = header, text = text }
  end
  return setmetatable({ columns = columns, no_headers = no_headers or false }, CustomColumns)
end

---The cells of an object, joined with tabs.
local function row(templates, object)
  local cells = {}
  for i, template in ipairs(templates) do
    local lists, why = template:find(object)
    if not lists then return nil, why end
    local texts = {}
    if #lists == 0 or #lists[1] == 0 then texts[1] = "<none>" end
    for _, values in ipairs(lists) do
      for _, value in ipairs(values) do texts[#texts + 1] = TablePrinter.escaped(gotext.plain(value)) end
    end
    cells[i] = table.concat(texts, ",")
  end
  return table.concat(cells, "\t") .. "\n"
end

---Prints objects; `shape` says whether they came as a list ("list") or one by one ("object").
---@param objects table[]
---@param shape "list"|"object"
---@param writer kubesim.kubectl.Tabwriter
---@return true?
---@return string? why
function CustomColumns:print(objects, shape, writer)
  if not self.no_headers and self.headed ~= shape then
    local titles = {}
    for i, column in ipairs(self.columns) do titles[i] = column.header end
    writer:write(table.concat(titles, "\t") .. "\n")
    self.headed = shape
  end
  local templates = {}
  for i, column in ipairs(self.columns) do
    local template, why = jsonpath.parse(column.text, { allow_missing = true })
    if not template then return nil, why end
    templates[i] = template
  end
  for _, object in ipairs(objects) do
    local text, why = row(templates, object)
    if not text then return nil, why end
    writer:write(text)
  end
  return true
end

return CustomColumns
