-- kubesim.shell: what `kubectl exec` runs. A small POSIX shell for a simulated container: it reads the tree that
-- kubesim.shell.parser makes, expands words, connects pipes and files, and runs the programs of kubesim.shell.commands or
-- those that an image brings along.

local parser = require "kubesim.shell.parser"
local commands = require "kubesim.shell.commands"

---@class kubesim.Shell
---@field core table the cluster's core
---@field namespace string
---@field pod string
---@field container string
---@field vars table<string, string> shell variables
---@field exported table<string, boolean> those that programs see
---@field cwd string
---@field status integer $?
---@field args string[] $0, $1, ...
---@field spent { bytes: integer, rounds: integer } what the command has made and gone round, its subshells with it
local Shell = {}
Shell.__index = Shell

local M = {}

-- Time stands still within an exec, so a loop that waits would never end; nor shall one command take all memory.
local MAX_ROUNDS = 10000 -- of one loop
local MAX_ALL_ROUNDS = 100000 -- of all loops together
local MAX_BYTES = 256 * 1024 * 1024 -- that words, files and outputs of one command come to

local function exit_shell(code) error({ exit = code }, 0) end

---@class kubesim.shell.Streams
---@field input string what is left to read
---@field out string[] pieces written
---@field err string[]

---Takes note of text that was made; raises when a command makes too much of it.
---@param text string
---@return string text
function Shell:made(text)
  local spent = self.spent
  spent.bytes = spent.bytes + #text
  if spent.bytes > MAX_BYTES then error("exec: the command makes more than 256 MiB of text", 0) end
  return text
end

function Shell:round()
  local spent = self.spent
  spent.rounds = spent.rounds + 1
  if spent.rounds > MAX_ALL_ROUNDS then error("exec: the command does not end: no virtual time passes while it runs", 0) end
end

-- Paths ------------------------------------------------------------------------------------------------------------

---An absolute path without "." and "..".
---@param path string
---@return string
function Shell:path(path)
  if path:sub(1, 1) ~= "/" then path = self.cwd .. "/" .. path end
  local parts = {}
  for part in path:gmatch "[^/]+" do
    if part == ".." then parts[#parts] = nil elseif part ~= "." then parts[#parts + 1] = part end
  end
  return "/" .. table.concat(parts, "/")
end

---Files that the kubelet and the runtime put into every container, as long as nobody has changed them: what they say depends
---on the network, which the kubelet's files know only roughly. `pristine`: how those look.
local GIVEN = {
  ["/etc/hosts"] = {
    pristine = "^# Kubernetes%-managed hosts file%.\n.-ip6%-allrouters\n[%d.]*\t[^\n]*\n$",
    text = function(shell) return shell.core:hosts_file(shell.namespace, shell.pod) end,
  },
  ["/etc/resolv.conf"] = {
    pristine = "^search [^\n]*\nnameserver 10%.96%.0%.10\noptions ndots:5\n$",
    text = function(shell) return shell.core:resolv_conf_text(shell.namespace, shell.pod) end,
  },
  ["/etc/hostname"] = {
    pristine = "^[^\n]*\n$",
    text = function(shell) return (shell.core:pod_hostname(shell.namespace, shell.pod)) .. "\n" end,
  },
  ["/dev/null"] = { text = function() return "" end },
}

---@param path string
---@return string? text
---@return string? why
function Shell:read(path)
  local absolute = self:path(path)
  local text, why = self.core:file_read(self.namespace, self.pod, self.container, absolute)
  local given = GIVEN[absolute]
  if given and (not text or given.pristine and text:find(given.pristine)) then return given.text(self) end
  return text, why
end

---@return boolean? done
---@return string? why
function Shell:write(path, text, append)
  local absolute = self:path(path)
  if absolute == "/dev/null" then return true end
  return self.core:file_write(self.namespace, self.pod, self.container, absolute, text, append)
end

---@return table? {directory, size, changed}
---@return string? why
function Shell:stat(path)
  local absolute = self:path(path)
  local found, why = self.core:file_stat(self.namespace, self.pod, self.container, absolute)
  if not found and GIVEN[absolute] then
    return { directory = false, size = #GIVEN[absolute].text(self), changed = 0 }
  end
  return found, why
end

---@return table[]? list of {name, directory, size, changed}
---@return string? why
function Shell:list_files(path)
  return self.core:file_list(self.namespace, self.pod, self.container, self:path(path))
end

---Environment of programs.
---@return table<string, string>
function Shell:environment()
  local env = {}
  for name in pairs(self.exported) do env[name] = self.vars[name] end
  return env
end

-- Expansion --------------------------------------------------------------------------------------------------------

function Shell:parameter(name)
  if name == "?" then return tostring(self.status) end
  if name == "$" then return "7" end
  if name == "#" then return tostring(#self.args) end
  if name == "@" or name == "*" then return table.concat(self.args, " ") end
  if name == "!" then return nil end
  if name:find "^%d$" then return self.args[tonumber(name)] end
  return self.vars[name]
end

---A shell pattern as a list of what it wants: "*", or a Lua pattern for one character.
local function pattern_of(glob)
  local wants, i = {}, 1
  while i <= #glob do
    local c, set = glob:sub(i, i), glob:match("^%[[!^]?%]?[^%]]*%]", i)
    if c == "*" then
      if wants[#wants] ~= "*" then wants[#wants + 1] = "*" end
    elseif c == "?" then wants[#wants + 1] = "."
    elseif set then
      wants[#wants + 1] = set:gsub("^%[!", "[^"):gsub("%%", "%%%%")
      i = i + #set - 1
    else wants[#wants + 1] = "%" .. c end
    if c:find "%w" then wants[#wants] = c end
    i = i + 1
  end
  return wants
end

---Whether the whole text is as a pattern wants it: one walk, and steps back to the last "*" only.
local function is_like(text, wants)
  local at, want, star, resume = 1, 1, nil, nil
  while at <= #text do
    if wants[want] == "*" then
      star, resume, want = want, at, want + 1
    elseif wants[want] and text:find("^" .. wants[want], at) then
      at, want = at + 1, want + 1
    elseif star then
      resume = resume + 1
      at, want = resume, star + 1
    else
      return false
    end
  end
  while wants[want] == "*" do want = want + 1 end
  return wants[want] == nil
end

---${name%pattern} and ${name#pattern}.
local function trimmed(value, op, pattern)
  local front, longest = op:sub(1, 1) == "#", #op == 2
  local best
  local wants = pattern_of(pattern)
  for i = 0, #value do
    local piece = front and value:sub(1, i) or value:sub(#value - i + 1)
    if is_like(piece, wants) then
      best = i
      if not longest then break end
    end
  end
  if not best then return value end
  return front and value:sub(best + 1) or value:sub(1, #value - best)
end

function Shell:variable(part, streams)
  local value, op = self:parameter(part.text), part.op
  if not op then return value or "" end
  if op == "#" and not part.word then return tostring(#(value or "")) end
  local missing = value == nil or (op:sub(1, 1) == ":" and value == "")
  local kind = op:gsub("^:", "")
  if kind == "-" then return missing and self:text(part.word, streams) or value end
  if kind == "+" then return missing and "" or self:text(part.word, streams) end
  if kind == "=" then
    if missing then self.vars[part.text] = self:text(part.word, streams) end
    return self.vars[part.text]
  end
  if kind == "?" then
    if not missing then return value end
    local text = self:text(part.word, streams)
    streams.err[#streams.err + 1] = ("sh: 1: %s: %s\n"):format(part.text, text ~= "" and text or "parameter not set")
    exit_shell(2)
  end
  return trimmed(value or "", op, self:text(part.word, streams))
end

---$((...)): integers, the usual operators.
function Shell:sum(text)
  local function value_of(name)
    local value = self:parameter(name) or "0"
    return value:find "^%s*[+-]?%d+%s*$" and "(" .. value .. ")" or value:find "^%s*$" and "0" or "?" -- which is none
  end
  local expression = text:gsub("%$?([%a_][%w_]*)", value_of):gsub("%$([%d?#])", value_of)
  expression = expression:gsub("/", "//"):gsub("!=", "~="):gsub("&&", " and "):gsub("||", " or ")
  if expression:find "[^%d%s%+%-%*/%%%(%)<>=~%l]" then return nil end
  local run = load("return " .. expression, "=sum", "t", {})
  local fine, value = pcall(run or error)
  if not fine then return nil end
  if type(value) == "boolean" then value = value and 1 or 0 end
  return tostring(value)
end

---A piece's value.
function Shell:piece(part, streams)
  if part.kind == "text" then return part.text end
  if part.kind == "var" then return self:made(self:variable(part, streams)) end
  if part.kind == "sum" then
    local value = self:sum(part.text)
    if value then return value end
    streams.err[#streams.err + 1] = ("sh: 1: arithmetic expression: expecting primary: \"%s\"\n"):format(part.text)
    exit_shell(2)
  end
  local inner = { input = "", out = {}, err = streams.err }
  self:subshell(parser.parse(part.text), inner)
  return (table.concat(inner.out):gsub("\n+$", ""))
end

---A word as one text: no splitting, no globs.
function Shell:text(word, streams)
  local out = {}
  for i, part in ipairs(word) do out[i] = self:piece(part, streams) end
  return self:made(table.concat(out))
end

---The names that a pattern stands for; the pattern itself when there is none.
function Shell:glob(pattern)
  local directory, last = pattern:match "^(.*/)([^/]*)$"
  if not directory then directory, last = "", pattern end
  if directory:find "[*?]" then return { pattern } end
  local files = self:list_files(directory == "" and self.cwd or directory)
  local found, wanted = {}, pattern_of(last)
  for _, file in ipairs(files or {}) do
    if is_like(file.name, wanted) and (file.name:sub(1, 1) ~= "." or last:sub(1, 1) == ".") then
      found[#found + 1] = directory .. file.name
    end
  end
  return #found > 0 and found or { pattern }
end

---Adds the arguments that a word becomes.
---@param out string[]
function Shell:expand_word(word, streams, out)
  local fields, current, pattern, any = {}, nil, false, false
  local function finish()
    if current then fields[#fields + 1] = { current, pattern } end
    current, pattern = nil, false
  end
  for _, part in ipairs(word) do
    local value = self:piece(part, streams)
    if part.quoted then
      any = true
      if part.kind == "var" and part.text == "@" and #self.args == 0 then any = current ~= nil else current = (current or "") .. value end
    elseif part.kind == "text" then
      pattern = pattern or value:find "[*?]" ~= nil
      current = (current or "") .. value
    else
      if value:find "^[ \t\n]" then finish() end
      for piece, gap in value:gmatch "([^ \t\n]+)([ \t\n]*)" do
        pattern = pattern or piece:find "[*?]" ~= nil
        current = (current or "") .. piece
        if gap ~= "" then finish() end
      end
    end
  end
  if any and not current and #fields == 0 then current = "" end
  finish()
  for _, field in ipairs(fields) do
    if field[2] then
      for _, name in ipairs(self:glob(field[1])) do out[#out + 1] = name end
    else
      out[#out + 1] = field[1]
    end
  end
end

---Words as the arguments that they become.
---@return string[]
function Shell:expand(words, streams)
  local out = {}
  for _, word in ipairs(words) do
    local only = #word == 1 and word[1]
    if only and only.kind == "text" and (only.quoted or not (only.text:find("*", 1, true) or only.text:find("?", 1, true))) then
      out[#out + 1] = only.text
    else
      self:expand_word(word, streams, out)
    end
  end
  local first = words[1] and words[1][1]
  if first and first.text == "~" and first.kind == "text" and not first.quoted and out[1] == "~" then out[1] = "/root" end
  return out
end

-- Redirections -----------------------------------------------------------------------------------------------------

local CANNOT = { ["No such file or directory"] = "Directory nonexistent" }

local function nothing() end

---Connects a command's streams. Returns the streams and what to do afterwards, or nil when a file cannot be opened.
function Shell:redirect(redirections, streams)
  if not redirections or #redirections == 0 then return streams, nothing end
  local inner = { input = streams.input, out = streams.out, err = streams.err }
  local files = {}
  local function fail(what, path, why)
    streams.err[#streams.err + 1] = ("sh: 1: cannot %s %s: %s\n"):format(what, path, why)
    return nil
  end
  for _, redirection in ipairs(redirections) do
    local target = self:text(redirection.word, streams)
    local key = redirection.fd == 2 and "err" or "out"
    if redirection.op == "<" then
      local text, why = self:read(target)
      if not text then return fail("open", target, why == "No such file or directory" and "No such file" or why) end
      inner.input = text
    elseif redirection.op == "<<" then
      inner.input = target
    elseif redirection.op == ">&" then
      if target == "1" then inner[key] = inner.out
      elseif target == "2" then inner[key] = inner.err
      elseif target == "-" then inner[key] = {}
      else return fail("open", target, "Bad file descriptor") end
    elseif redirection.op == ">" or redirection.op == ">>" then
      local pieces = {}
      if target == "/dev/stdout" then pieces = inner.out
      elseif target == "/dev/stderr" then pieces = inner.err
      else
        local done, why = self:write(target, "", redirection.op == ">>")
        if not done then return fail("create", target, CANNOT[why] or why) end
        files[#files + 1] = { path = target, pieces = pieces }
      end
      inner[key] = pieces
    else
      error { unsupported = "redirection " .. redirection.op }
    end
  end
  return inner, function()
    for _, file in ipairs(files) do
      if #file.pieces > 0 then self:write(file.path, table.concat(file.pieces), true) end
    end
    if inner.input ~= streams.input and redirections[1].fd ~= 0 then
      streams.input = inner.input
    end
  end
end

-- Builtins: what only the shell itself can do ------------------------------------------------------------------------

local builtins = {}

function builtins.cd(shell, args, streams)
  local path = shell:path(args[1] or shell.vars.HOME or "/")
  local found = shell:stat(path)
  if path ~= "/" and not (found and found.directory) then
    streams.err[#streams.err + 1] = ("sh: 1: cd: can't cd to %s\n"):format(args[1])
    return 2
  end
  shell.cwd = path
  shell.vars.PWD = path
  return 0
end

function builtins.export(shell, args)
  for _, arg in ipairs(args) do
    local name, value = arg:match "^([^=]+)=(.*)$"
    if name then shell.vars[name] = value end
    shell.exported[name or arg] = true
  end
  return 0
end

function builtins.unset(shell, args)
  for _, name in ipairs(args) do shell.vars[name], shell.exported[name] = nil, nil end
  return 0
end

function builtins.exit(shell, args, streams)
  local code = args[1] or tostring(shell.status)
  if code:find "^%d+$" then exit_shell(math.tointeger(tonumber(code)) & 255) end
  streams.err[#streams.err + 1] = ("sh: 1: exit: Illegal number: %s\n"):format(code)
  exit_shell(2)
end
builtins["break"] = function() error({ loop = "break" }, 0) end
builtins["continue"] = function() error({ loop = "continue" }, 0) end
builtins[":"] = function() return 0 end

function builtins.set(shell, args)
  for _, arg in ipairs(args) do
    if arg:find "^[-+][eux]+$" then
      if arg:find "e" then shell.errexit = arg:sub(1, 1) == "-" end
    else
      error { unsupported = "set " .. arg }
    end
  end
  return 0
end

function builtins.read(shell, args, streams)
  local line, rest = streams.input:match "^([^\n]*)\n?(.*)$"
  if streams.input == "" then return 1 end
  streams.input = rest
  if args[1] == "-r" then table.remove(args, 1) end
  for i, name in ipairs(args) do
    local first, more = line:match "^%s*(%S*)%s*(.*)$"
    shell.vars[name] = i == #args and line:match "^%s*(.-)%s*$" or first
    line = more
  end
  return 0
end

function builtins.eval(shell, args, streams)
  return shell:run(parser.parse(table.concat(args, " ")), streams)
end

function builtins.exec(shell, args, streams)
  if #args == 0 then return 0 end
  exit_shell(shell:program(args, streams))
end

-- Running ------------------------------------------------------------------------------------------------------------

-- Programs that every small image has and that are not simulated: "not found" would be a lie.
local NOT_YET <const> = ([[ awk base64 chgrp chmod chown cmp dd diff du expr find fold getent gunzip gzip install ln md5sum mkfifo mktemp
  nc nl nohup od paste ping readlink realpath rev sed sha1sum sha256sum split stat strings su tar telnet time timeout top tr truncate
  uptime vi watch who xargs xxd zcat trap ]]):gsub("\n *", " ")

local function not_yet(name) return name:find "^%w+$" ~= nil and NOT_YET:find(" " .. name .. " ", 1, true) ~= nil end

---Runs a program of the image, or one of ours.
---@param argv string[]
---@param streams kubesim.shell.Streams
---@return integer code
function Shell:program(argv, streams)
  local handled, out, err, code = self.core:image_command(self.namespace, self.pod, self.container, argv, streams.input)
  if not handled then
    local name = argv[1]:match "^/[%w/]*bin/([^/]+)$" or argv[1]
    local command = commands[name]
    if not command then
      if not_yet(name) then error({ unsupported = name }, 0) end
      local why = argv[1]:find "/" and not self:stat(argv[1]) and "not found" or argv[1]:find "/" and "Permission denied" or "not found"
      streams.err[#streams.err + 1] = ("sh: 1: %s: %s\n"):format(argv[1], why)
      return why == "not found" and 127 or 126
    end
    out, code, err = command(self, argv, streams.input)
  end
  if out and out ~= "" then streams.out[#streams.out + 1] = self:made(out) end
  if err and err ~= "" then streams.err[#streams.err + 1] = err end
  return code or 0
end

local kinds = {}

function kinds.simple(shell, command, streams)
  local inner, finish = shell:redirect(command.redirections, streams)
  if not inner then return 2 end
  local argv = shell:expand(command.words, streams)
  local saved = {}
  for _, assignment in ipairs(command.assignments) do
    local name = assignment.name
    saved[#saved + 1] = { name, shell.vars[name], shell.exported[name] }
    shell.vars[name] = shell:text(assignment.word, streams)
    if argv[1] then shell.exported[name] = true end
  end
  local code = 0
  if argv[1] then
    local builtin = builtins[argv[1]]
    if builtin then
      code = builtin(shell, table.move(argv, 2, #argv, 1, {}), inner)
    else
      code = shell:program(argv, inner)
    end
    for i = #saved, 1, -1 do
      local name, value, was = table.unpack(saved[i], 1, 3)
      shell.vars[name], shell.exported[name] = value, was
    end
  end
  finish()
  return code
end

function kinds.group(shell, command, streams) return shell:run(command.body, streams) end
function kinds.subshell(shell, command, streams) return shell:subshell(command.body, streams) end

kinds["if"] = function(shell, command, streams)
  for _, clause in ipairs(command.clauses) do
    if shell:condition(clause.condition, streams) == 0 then return shell:run(clause.body, streams) end
  end
  return command.otherwise and shell:run(command.otherwise, streams) or 0
end

---Runs a loop's body once; true when the loop shall end.
local function round(shell, body, streams)
  shell:round()
  local fine, result = pcall(shell.run, shell, body, streams)
  if fine then return false, result end
  if type(result) == "table" and result.loop then return result.loop == "break", 0 end
  error(result, 0)
end

kinds["for"] = function(shell, command, streams)
  local code, stop = 0
  for _, value in ipairs(shell:expand(command.words, streams)) do
    shell.vars[command.name] = value
    stop, code = round(shell, command.body, streams)
    if stop then break end
  end
  return code
end

kinds["while"] = function(shell, command, streams)
  local code, stop = 0
  for _ = 1, MAX_ROUNDS do
    shell:round()
    if (shell:condition(command.condition, streams) == 0) == command.negated then return code end
    stop, code = round(shell, command.body, streams)
    if stop then return code end
  end
  error("exec: the command does not end: no virtual time passes while it runs", 0)
end

function Shell:command(command, streams)
  if command.kind == "simple" then return kinds.simple(self, command, streams) end
  local inner, finish = self:redirect(command.redirections, streams)
  if not inner then return 2 end
  local fine, code = pcall(kinds[command.kind], self, command, inner)
  finish()
  if not fine then error(code, 0) end
  return code
end

function Shell:pipeline(pipeline, streams)
  local count, code = #pipeline.commands, 0
  if count == 1 then
    code = self:command(pipeline.commands[1], streams)
  else
    local input = streams.input
    for i, command in ipairs(pipeline.commands) do
      local inner = { input = input, out = i < count and {} or streams.out, err = streams.err }
      code = self:subshell({ kind = "list", { { pipeline = { commands = { command } } } } }, inner)
      input = table.concat(inner.out)
    end
  end
  if pipeline.negated then code = code == 0 and 1 or 0 end
  self.status = code
  return code
end

---Runs a list whose failure is a question, not an error.
function Shell:condition(list, streams)
  local errexit = self.errexit
  self.errexit = false
  local code = self:run(list, streams)
  self.errexit = errexit
  return code
end

---@return integer code
function Shell:run(list, streams)
  local code = 0
  for _, chain in ipairs(list) do
    for i, link in ipairs(chain) do
      if i == 1 or (link.op == "&&") == (code == 0) then
        code = self:pipeline(link.pipeline, streams)
        if self.errexit and code ~= 0 and i == #chain and not link.pipeline.negated then exit_shell(code) end
      end
    end
  end
  return code
end

---Runs a list in a copy of the shell: what it sets stays there.
---@return integer code
function Shell:subshell(list, streams)
  local copy = setmetatable({}, Shell)
  for k, v in pairs(self) do copy[k] = v end
  copy.vars, copy.exported = {}, {}
  for k, v in pairs(self.vars) do copy.vars[k] = v end
  for k, v in pairs(self.exported) do copy.exported[k] = v end
  local fine, result = pcall(copy.run, copy, list, streams)
  if fine then return result end
  if type(result) == "table" and result.exit then return result.exit end
  error(result, 0)
end

---Runs shell text.
---@param text string
---@param streams kubesim.shell.Streams
---@return integer code
function Shell:script(text, streams)
  local fine, result = pcall(function() return self:run(parser.parse(text), streams) end)
  if fine then return result end
  if type(result) ~= "table" then error(result, 0) end
  if result.exit then return result.exit end
  if result.loop then return 0 end
  if result.syntax then
    streams.err[#streams.err + 1] = ("sh: 1: %s\n"):format(result.syntax)
    return 2
  end
  if result.unsupported then error("not supported yet: " .. result.unsupported, 0) end
  error(result, 0)
end

-- Entry ----------------------------------------------------------------------------------------------------------------

--- The variables of a new shell and which of them are exported. Most commands ask for none: the container's environment is looked up
--- when the first one is wanted, or all. Until then the tables have their shell, under a name that no variable has.
local SHELL <const> = 0
local Unread = {}

local function fill(t)
  local shell = rawget(t, SHELL)
  local vars, exported = shell.vars, shell.exported
  vars[SHELL], exported[SHELL] = nil, nil
  setmetatable(vars, nil)
  setmetatable(exported, nil)
  for name, value in pairs(shell.core:container_env(shell.namespace, shell.pod, shell.container)) do
    exported[name] = true
    if rawget(vars, name) == nil then vars[name] = value end
  end
end

function Unread.__index(t, name)
  fill(t)
  return t[name]
end

function Unread.__newindex(t, name, value)
  fill(t)
  t[name] = value
end

function Unread.__pairs(t)
  fill(t)
  return pairs(t)
end

---@param core table
---@param namespace string
---@param pod string
---@param container string? nil: as kubectl chooses
---@return kubesim.Shell
function M.new(core, namespace, pod, container)
  local shell = setmetatable({ core = core, namespace = namespace, pod = pod, container = core:container(namespace, pod, container),
    status = 0, cwd = "/", args = {}, spent = { bytes = 0, rounds = 0 } }, Shell)
  shell.vars, shell.exported = setmetatable({ PWD = "/", [SHELL] = shell }, Unread), setmetatable({ [SHELL] = shell }, Unread)
  return shell
end

-- What the runtime says when there is no shell that could say it.
local ABSENT = "OCI runtime exec failed: exec failed: unable to start container process: "
  .. 'exec: "%s": executable file not found in $PATH: unknown\n'

---Runs a command in a container, as kubectl exec does.
---@param core table
---@param namespace string
---@param pod string
---@param container string?
---@param command string|string[] shell text, or the words of one command
---@param input string? standard input
---@return string out
---@return integer code
---@return string err
function M.exec(core, namespace, pod, container, command, input)
  local shell = M.new(core, namespace, pod, container)
  local streams = { input = input or "", out = {}, err = {} }
  local code
  if type(command) == "string" then
    code = shell:script(command, streams)
  else
    local fine, result = pcall(shell.program, shell, command, streams)
    if not fine and type(result) == "table" and result.unsupported then error("not supported yet: " .. result.unsupported, 0) end
    if not fine and not (type(result) == "table" and result.exit) then error(result, 0) end
    code = fine and result or result.exit
    if code == 127 and #streams.out == 0 and table.concat(streams.err):find "^sh: 1: " and not commands[command[1]] then
      streams.err = { ABSENT:format(command[1]) }
    end
  end
  return table.concat(streams.out), code, table.concat(streams.err)
end

M.exit = exit_shell

return M
