--- What describers write into: indented text with tabs, which are laid out in columns. Called by the describers and by
--- `rollout history`.
---
--- kubectl/pkg/describe/describe.go (PrefixWriter, tabbedString), cli-runtime/pkg/printers/terminal.go.
local Tabwriter <const> = require "kubesim.kubectl.tabwriter"

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

---Writes a line at the first level.
---@param text string
function Writer:line(text) self:write(0, "%s\n", text) end

---The text with its tabs.
---@return string
function Writer:raw() return table.concat(self.pieces) end

---The text in columns.
---@return string
function Writer:text() return Writer.columns(self:raw()) end

---Text whose tabs end cells, in columns that stand two blanks apart.
---@param text string
---@return string
function Writer.columns(text) return Tabwriter.text(text, { padding = 2 }) end

return Writer
