-- kubesim.shell.parser: shell text to a tree. Reads the POSIX shell's language as far as people use it in exec: lists, pipes,
-- redirections, quotes, expansions, if, for, while, groups and subshells. What it does not read it refuses by name.

---@class kubesim.shell.Part a piece of a word
---@field kind "text"|"var"|"command"|"sum"
---@field text string the text, the variable's name, the command's text or the expression
---@field quoted boolean
---@field op? string of ${name<op>word}
---@field word? kubesim.shell.Part[]

local M = {}

local Parser = {}
Parser.__index = Parser

local RESERVED = {
  ["then"] = true, ["fi"] = true, ["elif"] = true, ["else"] = true,
  ["do"] = true, ["done"] = true, ["}"] = true, ["esac"] = true,
}
local UNSUPPORTED = { case = true, ["function"] = true, select = true }

---Raised as the shell words it; caught by shell.lua.
local function syntax(message)
  error({ syntax = "Syntax error: " .. message }, 0)
end

local function unexpected(text)
  if text == "" then syntax "end of file unexpected" end
  if text == "\n" then syntax "newline unexpected" end
  syntax(('"%s" unexpected'):format(text))
end

function Parser:peek(n)
  return self.text:sub(self.at, self.at + (n or 1) - 1)
end

---Skips blanks, escaped line ends and comments; line ends too if `lines`.
function Parser:skip(lines)
  while true do
    self.at = self.text:find(lines and "[^ \t\r\n]" or "[^ \t\r]", self.at) or #self.text + 1
    if self:peek(2) == "\\\n" then
      self.at = self.at + 2
    elseif self:peek() == "#" then
      self.at = self.text:find("\n", self.at, true) or #self.text + 1
    else
      return
    end
  end
end

---The text between here and the bracket that closes, quotes honoured.
function Parser:bracketed(open, close)
  local depth, at = 1, self.at
  while depth > 0 do
    local c = self.text:sub(at, at)
    if c == "" then syntax "Unterminated quoted string" end
    if c == "\\" then
      at = at + 1
    elseif c == "'" then
      at = self.text:find("'", at + 1, true) or syntax "Unterminated quoted string"
    elseif c == open then
      depth = depth + 1
    elseif c == close then
      depth = depth - 1
    end
    at = at + 1
  end
  local inside = self.text:sub(self.at, at - 2)
  self.at = at
  return inside
end

---An expansion; `$` has been read.
function Parser:expansion(quoted)
  if self:peek(2) == "((" then
    self.at = self.at + 2
    local inside = self:bracketed("(", ")")
    if self:peek() ~= ")" then syntax "Missing '))'" end
    self.at = self.at + 1
    return { kind = "sum", text = inside, quoted = quoted }
  elseif self:peek() == "(" then
    self.at = self.at + 1
    return { kind = "command", text = self:bracketed("(", ")"), quoted = quoted }
  elseif self:peek() == "{" then
    self.at = self.at + 1
    local inside = self:bracketed("{", "}")
    local length = inside:match "^#([%w_]+)$"
    if length then return { kind = "var", text = length, op = "#", quoted = quoted } end
    local name, op, rest = inside:match "^([%a_][%w_]*)(:?[-=+?]?)(.*)$"
    if not name then name, op, rest = inside:match "^([%d?$#@*!])(:?[-=+?]?)(.*)$" end
    if not name then error({ syntax = "Bad substitution" }, 0) end
    if op == "" and rest ~= "" then
      op, rest = rest:match "^(##?)(.*)$"
      if not op then op, rest = inside:sub(#name + 1):match "^(%%%%?)(.*)$" end
      if not op then error({ syntax = "Bad substitution" }, 0) end
    end
    local word = op ~= "" and M.words_of(rest, quoted) or nil
    return { kind = "var", text = name, op = op ~= "" and op or nil, word = word, quoted = quoted }
  end
  local name = self.text:match("^[%a_][%w_]*", self.at) or self.text:match("^[%d?$#@*!]", self.at)
  if not name then return { kind = "text", text = "$", quoted = true } end
  self.at = self.at + #name
  return { kind = "var", text = name, quoted = quoted }
end

---What stands between double quotes, up to and with the closing one (or the end, if `open_end`).
function Parser:double_quoted(parts, open_end)
  local text = {}
  local function flush()
    parts[#parts + 1] = { kind = "text", text = table.concat(text), quoted = true }
    text = {}
  end
  while true do
    local c = self:peek()
    self.at = self.at + 1
    if c == "" then
      if not open_end then syntax "Unterminated quoted string" end
      return flush()
    elseif c == '"' and not open_end then
      return flush()
    elseif c == "\\" then
      local next = self:peek()
      if next:find '[$`"\\]' then
        text[#text + 1] = next
        self.at = self.at + 1
      elseif next == "\n" then
        self.at = self.at + 1
      else
        text[#text + 1] = "\\"
      end
    elseif c == "$" then
      flush()
      parts[#parts + 1] = self:expansion(true)
    elseif c == "`" then
      flush()
      parts[#parts + 1] = self:backticks(true)
    else
      c = self.text:match('^[^"\\$`]+', self.at - 1) or c
      self.at = self.at - 1 + #c
      text[#text + 1] = c
    end
  end
end

function Parser:backticks(quoted)
  local stop = self.text:find("`", self.at, true) or syntax "EOF in backquote substitution"
  local inside = self.text:sub(self.at, stop - 1)
  self.at = stop + 1
  return { kind = "command", text = inside, quoted = quoted }
end

---One word's parts, or nil when none begins here.
---@return kubesim.shell.Part[]?
function Parser:word()
  local parts, from = {}, self.at
  while true do
    local c = self:peek()
    if c == "" or c:find "[ \t\r\n;&|<>()]" then break end
    self.at = self.at + 1
    if c == "\\" then
      if self:peek() ~= "\n" then parts[#parts + 1] = { kind = "text", text = self:peek(), quoted = true } end
      self.at = self.at + 1
    elseif c == "'" then
      local stop = self.text:find("'", self.at, true) or syntax "Unterminated quoted string"
      parts[#parts + 1] = { kind = "text", text = self.text:sub(self.at, stop - 1), quoted = true }
      self.at = stop + 1
    elseif c == '"' then
      self:double_quoted(parts)
    elseif c == "$" then
      parts[#parts + 1] = self:expansion(false)
    elseif c == "`" then
      parts[#parts + 1] = self:backticks(false)
    else
      local last = parts[#parts]
      c = self.text:match("^[^ \t\r\n;&|<>()\\'\"$`]+", self.at - 1) or c -- all that is plain, at once
      self.at = self.at - 1 + #c
      if last and last.kind == "text" and not last.quoted then
        last.text = last.text .. c
      else
        parts[#parts + 1] = { kind = "text", text = c, quoted = false }
      end
    end
  end
  return self.at > from and parts or nil
end

---The parts of text that stands inside ${name-...}.
function M.words_of(text, quoted)
  local inner = setmetatable({ text = text, at = 1 }, Parser)
  local parts = {}
  if quoted then
    inner:double_quoted(parts, true)
    return parts
  end
  while inner.at <= #text do
    local word = inner:word()
    if word then
      for _, part in ipairs(word) do parts[#parts + 1] = part end
    else
      parts[#parts + 1] = { kind = "text", text = inner:peek(), quoted = false }
      inner.at = inner.at + 1
    end
  end
  return parts
end

---The word that begins here, if it is plain unquoted text: what a reserved word may be.
function Parser:keyword()
  return self.text:match("^[%a_{}!]+%f[%s;&|<>()\0]", self.at) or self.text:match("^[%a_{}!]+$", self.at)
end

function Parser:expect(word)
  self:skip(true)
  if self:keyword() ~= word then unexpected(self:keyword() or self:peek()) end
  self.at = self.at + #word
end

---A redirection, or nil: {fd, op, word}.
function Parser:redirection()
  local fd, op = self.text:match("^(%d?)([<>][<>&|]?)", self.at)
  if not op then return nil end
  self.at = self.at + #fd + #op
  if op == "<<" then
    if self:peek() == "<" or self:peek() == "-" then error({ unsupported = "here-documents" }, 0) end
    return self:here_document()
  end
  self:skip()
  local word = self:word()
  if not word then unexpected(self:peek()) end
  return { fd = tonumber(fd) or (op:sub(1, 1) == "<" and 0 or 1), op = op:gsub("|", ""), word = word }
end

---A here-document: its text begins on the next line.
function Parser:here_document()
  self:skip()
  local from = self.at
  local word = self:word() or unexpected(self:peek())
  local mark, quoted = {}, false
  for _, part in ipairs(word) do
    mark[#mark + 1] = part.text
    quoted = quoted or part.quoted
  end
  local stop = table.concat(mark)
  local line = self.text:find("\n", from, true)
  if not line then syntax "end of file unexpected" end
  local lines, at = {}, line + 1
  while at <= #self.text do
    local ends = self.text:find("\n", at, true) or #self.text + 1
    local text = self.text:sub(at, ends - 1)
    at = ends + 1
    if text == stop then break end
    lines[#lines + 1] = text .. "\n"
  end
  self.text = self.text:sub(1, line) .. self.text:sub(at)
  local text = table.concat(lines)
  local parts = quoted and { { kind = "text", text = text, quoted = true } } or M.words_of(text, true)
  return { fd = 0, op = "<<", word = parts }
end

---Redirections that follow a compound command.
function Parser:trailing(command)
  command.redirections = {}
  while true do
    self:skip()
    local redirection = self:redirection()
    if not redirection then return command end
    command.redirections[#command.redirections + 1] = redirection
  end
end

function Parser:simple()
  local command = { kind = "simple", assignments = {}, words = {}, redirections = {} }
  while true do
    self:skip()
    local redirection = self:redirection()
    if redirection then
      command.redirections[#command.redirections + 1] = redirection
    else
      local name = #command.words == 0 and self.text:match("^([%a_][%w_]*)=", self.at)
      if name then
        self.at = self.at + #name + 1
        command.assignments[#command.assignments + 1] = { name = name, word = self:word() or {} }
      else
        local word = self:word()
        if not word then break end
        command.words[#command.words + 1] = word
        if #command.words == 1 and self:peek(2) == "()" then error({ unsupported = "shell functions" }, 0) end
      end
    end
  end
  if #command.words + #command.assignments + #command.redirections == 0 then unexpected(self:peek()) end
  return command
end

function Parser:if_command()
  local command = { kind = "if", clauses = {} }
  while true do
    local condition = self:list()
    self:expect "then"
    command.clauses[#command.clauses + 1] = { condition = condition, body = self:list() }
    self:skip(true)
    local word = self:keyword()
    if word == "elif" then
      self.at = self.at + 4
    else
      if word == "else" then
        self.at = self.at + 4
        command.otherwise = self:list()
      end
      self:expect "fi"
      return command
    end
  end
end

function Parser:for_command()
  self:skip()
  local name = self.text:match("^[%a_][%w_]*", self.at)
  if not name then syntax "Bad for loop variable" end
  self.at = self.at + #name
  self:skip(true)
  local command = { kind = "for", name = name, words = {} }
  if self:keyword() == "in" then
    self.at = self.at + 2
    while true do
      self:skip()
      local word = self:word()
      if not word then break end
      command.words[#command.words + 1] = word
    end
  end
  self:skip(true)
  if self:peek() == ";" then self.at = self.at + 1 end
  self:expect "do"
  command.body = self:list()
  self:expect "done"
  return command
end

function Parser:while_command(negated)
  local command = { kind = "while", negated = negated, condition = self:list() }
  self:expect "do"
  command.body = self:list()
  self:expect "done"
  return command
end

function Parser:command()
  self:skip()
  local word = self:keyword()
  if self:peek() == "(" then
    self.at = self.at + 1
    local body = self:list()
    self:skip(true)
    if self:peek() ~= ")" then unexpected(self:peek()) end
    self.at = self.at + 1
    return self:trailing { kind = "subshell", body = body }
  elseif word == "{" then
    self.at = self.at + 1
    local body = self:list()
    self:expect "}"
    return self:trailing { kind = "group", body = body }
  elseif word == "if" then
    self.at = self.at + 2
    return self:trailing(self:if_command())
  elseif word == "for" then
    self.at = self.at + 3
    return self:trailing(self:for_command())
  elseif word == "while" or word == "until" then
    self.at = self.at + 5
    return self:trailing(self:while_command(word == "until"))
  elseif word and RESERVED[word] then
    unexpected(word)
  elseif word and UNSUPPORTED[word] then
    error({ unsupported = "the shell's " .. word }, 0)
  end
  return self:simple()
end

function Parser:pipeline()
  local pipeline = { kind = "pipeline", commands = {} }
  self:skip()
  while self:keyword() == "!" do
    pipeline.negated = not pipeline.negated
    self.at = self.at + 1
    self:skip()
  end
  while true do
    pipeline.commands[#pipeline.commands + 1] = self:command()
    self:skip()
    if self:peek() ~= "|" or self:peek(2) == "||" then return pipeline end
    self.at = self.at + 1
    self:skip(true)
  end
end

function Parser:and_or()
  local chain = { kind = "chain", { pipeline = self:pipeline() } }
  while true do
    self:skip()
    local op = self:peek(2)
    if op ~= "&&" and op ~= "||" then return chain end
    self.at = self.at + 2
    self:skip(true)
    chain[#chain + 1] = { op = op, pipeline = self:pipeline() }
  end
end

---A list of commands, up to what closes it.
function Parser:list()
  local list = { kind = "list" }
  while true do
    self:skip(true)
    local c = self:peek()
    if c == "" or c == ")" or RESERVED[self:keyword() or ""] then return list end
    if c == ";" or c == "&" or c == "|" then unexpected(self:peek(2):match "^(%p)%1$" and self:peek(2) or c) end
    list[#list + 1] = self:and_or()
    self:skip()
    c = self:peek()
    if c == ";" or c == "&" then self.at = self.at + 1 end
    if c ~= ";" and c ~= "&" and c ~= "\n" and c ~= "" and c ~= ")" and not RESERVED[self:keyword() or ""] then
      unexpected(c)
    end
  end
end

local COMPOUND <const> = { ["if"] = true, ["for"] = true, ["while"] = true, ["until"] = true }

---The tree of a text that is one command of plain words, as most are; nil for others.
local function plain(text)
  local first = text:match "^ *([%w./_-]+)[%w./_:,@%%+ -]*$"
  if not first or RESERVED[first] or UNSUPPORTED[first] or COMPOUND[first] then return nil end
  local command = { kind = "simple", assignments = {}, words = {}, redirections = {} }
  for word in text:gmatch "[^ ]+" do command.words[#command.words + 1] = { { kind = "text", text = word, quoted = false } } end
  return { kind = "list", { kind = "chain", { pipeline = { kind = "pipeline", commands = { command } } } } }
end

---Parses shell text. Raises {syntax = message} as a shell would say it, or {unsupported = what}.
---@param text string
---@return table tree
function M.parse(text)
  local simple = plain(text)
  if simple then return simple end
  local parser = setmetatable({ text = text, at = 1 }, Parser)
  local list = parser:list()
  if parser.at <= #parser.text then unexpected(parser:keyword() or parser:peek()) end
  return list
end

return M
