--- The words of a kubectl command line, as a POSIX shell would make them: blanks, quotes, backslashes, comments. What a shell
--- would do beyond that (pipes, redirections, variables, patterns) is refused by name. kubectl.lua calls it.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"

local function refuse(what) error(errors.verbatim("not supported: " .. what .. " in a kubectl command line"), 0) end

---What stands between double quotes from `at` on; the place behind them.
local function double_quoted(text, at, word)
  while true do
    local stop = text:find('["\\$`]', at)
    if not stop then errors.fail "Unterminated quoted string" end
    word[#word + 1] = text:sub(at, stop - 1)
    local c, next = text:sub(stop, stop), text:sub(stop + 1, stop + 1)
    if c == '"' then return stop + 1 end
    if c == "`" or c == "$" and next:find "[%w_{(]" then refuse "a shell expansion" end
    if c == "\\" and next:find '[$`"\\\n]' then
      word[#word + 1] = next ~= "\n" and next or ""
      at = stop + 2
    else
      word[#word + 1] = c
      at = stop + 1
    end
  end
end

---The word at `at` and the place behind it.
local function read_word(text, at)
  local word = {}
  while true do
    local stop = text:find("[ \t\r\n'\"\\|&;<>()$`]", at) or #text + 1
    word[#word + 1] = text:sub(at, stop - 1)
    local c = text:sub(stop, stop)
    if c == "'" then
      local last = text:find("'", stop + 1, true)
      if not last then errors.fail "Unterminated quoted string" end
      word[#word + 1] = text:sub(stop + 1, last - 1)
      at = last + 1
    elseif c == '"' then
      at = double_quoted(text, stop + 1, word)
    elseif c == "\\" then
      local next = text:sub(stop + 1, stop + 1)
      word[#word + 1] = next ~= "\n" and next or ""
      at = stop + 2
    elseif c == "" or c:find "[ \t\r\n]" then
      return table.concat(word), stop
    elseif c == "`" or c == "$" and text:find("^[%w_{(]", stop + 1) then
      refuse "a shell expansion"
    elseif c == "$" then
      word[#word + 1], at = c, stop + 1
    else
      refuse(("the shell operator '%s'"):format(text:match("^([|&<>]*)", stop) ~= "" and text:match("^[|&<>]+", stop) or c))
    end
  end
end

---@param command string|string[]  text, or a list of words that need no quoting
---@return string[]
return function(command)
  if type(command) == "table" then
    for i, word in ipairs(command) do
      if type(word) ~= "string" then errors.fail("word %d of the command is not a string", i) end
    end
    return { table.unpack(command) }
  end
  local plain = core.plain_words(command) -- most are nothing but plain words and blanks
  if plain then return plain end
  local words, at = {}, 1
  while true do
    at = command:find("[^ \t\r]", at)
    if not at then return words end
    local c = command:sub(at, at)
    if c == "#" then
      at = command:find("\n", at, true) or #command + 1
    elseif c == "\n" then
      if #words > 0 and command:find("%S", at) then refuse "a second line" end
      at = at + 1
    elseif c == "\\" and command:sub(at + 1, at + 1) == "\n" then
      at = at + 2
    else
      words[#words + 1], at = read_word(command, at)
    end
  end
end
