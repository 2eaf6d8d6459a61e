--- Reads the text of a JSONPath template into nodes, for kubesim.kubectl.jsonpath. client-go/util/jsonpath/parser.go.
---
--- A template is a list of nodes: {kind = "text"} between the braces, {kind = "list", ...} for what stands in a pair of them.

---@class kubesim.kubectl.jsonpath.Parser
---@field root table[]
---@field input string
---@field pos integer    the next byte
---@field start integer  where the text begins that has not been used yet
---@field width integer  of the character read last
local Parser = {}
Parser.__index = Parser

local function fail(message, ...) error({ syntax = select("#", ...) > 0 and message:format(...) or message }, 0) end

-- Reading characters; nil stands for the end.
function Parser:next()
  if self.pos > #self.input then
    self.width = 0
    return nil
  end
  local char = self.input:match("^" .. utf8.charpattern, self.pos)
  char = char ~= "" and char or self.input:sub(self.pos, self.pos)
  self.width = #char
  self.pos = self.pos + #char
  return char
end

function Parser:backup() self.pos = self.pos - self.width end

function Parser:peek()
  local char = self:next()
  self:backup()
  return char
end

function Parser:consume()
  local text = self.input:sub(self.start, self.pos - 1)
  self.start = self.pos
  return text
end

function Parser:at(prefix) return self.input:sub(self.pos, self.pos + #prefix - 1) == prefix end

-- The node that texts in braces make: the first one.
local function action(text)
  local parser = setmetatable({ root = {}, input = "{" .. text .. "}", pos = 1, start = 1, width = 0 }, Parser)
  parser:text(parser.root)
  return parser.root[1]
end

function Parser:text(into)
  while true do
    if self:at "{" then
      if self.pos > self.start then into[#into + 1] = { kind = "text", value = self:consume() } end
      self.pos = self.pos + 1
      self:consume()
      local list = { kind = "list" }
      into[#into + 1] = list
      return self:inside(list)
    end
    if not self:next() then break end
  end
  if self.pos > self.start then into[#into + 1] = { kind = "text", value = self:consume() } end
end

-- Letters beyond ASCII count as letters: what else could stand there is refused later on.
local function alphanumeric(char) return char and (char:find "^[%w_]$" or char:byte() >= 0x80) end

function Parser:inside(list)
  while true do
    if self:at "}" then
      self.pos = self.pos + 1
      self:consume()
      return self:text(self.root)
    elseif self:at "[?(" then
      self:filter(list)
    elseif self:at ".." then
      self:recursive(list)
    else
      local char = self:next()
      if not char or char == "\r" or char == "\n" then fail "unclosed action" end
      if char == " " or char == "@" or char == "$" then
        self:consume()
      elseif char == "[" then
        self:array(list)
      elseif char == '"' or char == "'" then
        self:quoted(list, char)
      elseif char == "." then
        self:field(list)
      elseif char:find "^[%d+-]$" then
        self:backup()
        self:number(list)
      elseif alphanumeric(char) then
        self:backup()
        self:identifier(list)
      else
        fail("unrecognized character in action: U+%04X '%s'", utf8.codepoint(char), char)
      end
    end
  end
end

local TERMINATORS <const> = "^[ \t\r\n.,%[%]$@{}]$"

function Parser:identifier(list)
  repeat local char = self:next() until not char or char:find(TERMINATORS)
  self:backup()
  local word = self:consume()
  if word == "true" or word == "false" then
    list[#list + 1] = { kind = "constant", value = word == "true" }
  else
    list[#list + 1] = { kind = "identifier", value = word }
  end
end

function Parser:recursive(list)
  if list[#list] and list[#list].kind == "recursive" then fail "invalid multiple recursive descent" end
  self.pos = self.pos + 2
  self:consume()
  list[#list + 1] = { kind = "recursive" }
  if alphanumeric(self:peek()) then self:field(list) end
end

function Parser:number(list)
  if self:peek():find "[+-]" then self:next() end
  repeat local char = self:next() until not char or not char:find "^[%d.]$"
  self:backup()
  local text = self:consume()
  local value = math.tointeger(tonumber((text:gsub("^%+", "")))) or tonumber((text:gsub("^%+", "")))
  if not value then fail("cannot parse number %s", text) end
  if text:find("%.") then value = value + 0.0 end
  list[#list + 1] = { kind = "constant", value = value }
end

-- Index, slice, step: "1", "1:3", "::2", "-1:". None: nil.
local function slice(text)
  local rest = {}
  local first, behind = text:match "^(%-?%d*)(.*)$"
  for i = 1, 2 do
    local part, left = behind:match "^(:%-?%d*)(.*)$"
    rest[i], behind = part or "", left or behind
  end
  if behind ~= "" then return nil end
  return { first, rest[1], rest[2] }
end

local function bound(text, i)
  if i > 1 then text = text:sub(2) end
  if text == "" then return { known = false, value = 0 } end
  local value = math.tointeger(tonumber(text))
  if not value then fail("array index %s is not a number", text) end
  return { known = true, value = value }
end

function Parser:array(list)
  while true do
    local char = self:next()
    if not char or char == "\n" then fail "unterminated array" end
    if char == "]" then break end
  end
  local text = self:consume():sub(2, -2)
  if text == "*" then text = ":" end
  if text:find(",", 1, true) then
    local union = { kind = "union" }
    for part in (text .. ","):gmatch "([^,]*)," do union[#union + 1] = action("[" .. part:match "^ *(.-) *$" .. "]") end
    list[#list + 1] = union
    return
  end
  local key = text:match "^'([^']*)'$"
  if key then
    for _, node in ipairs(action("." .. key)) do list[#list + 1] = node end
    return
  end
  local parts = slice(text)
  if not parts then fail("invalid array index %s", text) end
  local node = { kind = "array" }
  for i = 1, 3 do node[i] = bound(parts[i], i) end
  if parts[2] == "" then node[2] = { known = true, value = node[1].value + 1, derived = true } end
  list[#list + 1] = node
end

-- Skips to the bracket that ends a filter: quoted ones do not count.
function Parser:filter_end()
  local open, closed, pair = false, false, nil
  while true do
    local char = self:next()
    if not char or char == "\n" then fail "unterminated filter" end
    if char == '"' or char == "'" then
      if not open then
        open, pair = true, char
      elseif self.input:sub(self.pos - 2, self.pos - 2) ~= "\\" and char == pair then
        closed = true
      end
    elseif char == ")" and open == closed then
      return
    end
  end
end

function Parser:filter(list)
  self.pos = self.pos + 3
  self:consume()
  self:filter_end()
  if self:next() ~= "]" then fail "unclosed array expect ]" end
  local text = self:consume():sub(1, -3)
  local left, operator, right = text:match "^([^!<>=]+)([!<>=]+)(.+)$"
  if left then
    list[#list + 1] = { kind = "filter", left = action(left), right = action(right), operator = operator }
  else
    list[#list + 1] = { kind = "filter", left = action(text), right = {}, operator = "exists" }
  end
end

local ESCAPES <const> = { a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v", ["\\"] = "\\" }

---One escape sequence at a place of a text: what it means, and the place behind it (strconv.UnquoteChar).
local function escape(text, at, quote)
  local char = text:sub(at + 1, at + 1)
  if ESCAPES[char] then return ESCAPES[char], at + 2 end
  if char == quote then return quote, at + 2 end
  local octal = text:match("^[0-7][0-7][0-7]", at + 1)
  if octal and tonumber(octal, 8) < 256 then return string.char(tonumber(octal, 8)), at + 4 end
  local size = ({ x = 2, u = 4, U = 8 })[char]
  local digits = size and text:match("^" .. ("%x"):rep(size), at + 2)
  if not digits then return nil end
  local code = tonumber(digits, 16)
  if size == 2 then return string.char(code), at + 4 end
  if code > 0x10FFFF or code >= 0xD800 and code < 0xE000 then return nil end
  return utf8.char(code), at + 2 + size
end

---The text between quotes, or nil when it is not well formed.
local function unquote(quoted)
  local quote, text = quoted:sub(1, 1), quoted:sub(2, -2)
  if #quoted < 2 then return nil end
  local out, at = {}, 1
  while at <= #text do
    local char = text:sub(at, at)
    if char == quote then return nil end
    if char == "\\" then
      local meant, behind = escape(text, at, quote)
      if not meant then return nil end
      out[#out + 1], at = meant, behind
    else
      out[#out + 1], at = char, at + 1
    end
  end
  return table.concat(out)
end

function Parser:quoted(list, quote)
  while true do
    local char = self:next()
    if not char or char == "\n" then fail "unterminated quoted string" end
    if char == quote and self.input:sub(self.pos - 2, self.pos - 2) ~= "\\" then break end
  end
  local text = self:consume()
  local value = unquote(text)
  if not value then fail("unquote string %s error invalid syntax", text) end
  list[#list + 1] = { kind = "text", value = value }
end

function Parser:field(list)
  self:consume()
  while true do
    local char = self:next()
    if char == "\\" then
      self:next()
    elseif not char or char:find(TERMINATORS) then
      self:backup()
      break
    end
  end
  local name = self:consume()
  if name == "*" then
    list[#list + 1] = { kind = "wildcard" }
  else
    list[#list + 1] = { kind = "field", value = (name:gsub("\\", "")) }
  end
end

---The nodes of a template.
---@param text string
---@return table[]? nodes
---@return string? why
local function parse(text)
  local parser = setmetatable({ root = {}, input = text, pos = 1, start = 1, width = 0 }, Parser)
  local fine, err = pcall(parser.text, parser, parser.root)
  if fine then return parser.root end
  if type(err) == "table" and err.syntax then return nil, err.syntax end
  error(err, 0)
end

return { parse = parse }
