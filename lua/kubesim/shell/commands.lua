-- kubesim.shell.commands: the programs that a simulated container has: a table from name to function.
-- Each takes the shell, its words (argv[1] is its name) and its input, and returns output, exit code and error output.

local curl = require "kubesim.curl"
local nslookup = require "kubesim.nslookup"

---@type table<string, fun(shell: kubesim.Shell, argv: string[], input: string): string, integer, string?>
local M = {}

---Splits options from operands: `letters` may be combined, those in `values` take the next word.
local function getopt(argv, letters, values)
  local options, operands, i = {}, {}, 2
  while i <= #argv do
    local arg = argv[i]
    if arg == "--" then
      table.move(argv, i + 1, #argv, #operands + 1, operands)
      break
    elseif arg:find "^%-%-." then
      return nil, arg:match "^%-%-([^=]+)"
    elseif arg:find "^%-." then
      local rest = arg:sub(2)
      while rest ~= "" do
        local letter = rest:sub(1, 1)
        rest = rest:sub(2)
        if values and values:find(letter, 1, true) then
          if rest == "" then i = i + 1; rest = argv[i] or "" end
          options[letter], rest = rest, ""
        elseif letters:find(letter, 1, true) then
          options[letter] = true
        else
          return nil, letter
        end
      end
    else
      operands[#operands + 1] = arg
    end
    i = i + 1
  end
  return options, operands
end

local function bad_option(name, letter)
  local kind = #letter > 1 and ("unrecognized option '--%s'"):format(letter) or ("invalid option -- '%s'"):format(letter)
  return "", 1, ("%s: %s\nTry '%s --help' for more information.\n"):format(name, kind, name)
end

---Reads files (or standard input) one after the other; complaints go to `errors`.
local function each_input(shell, name, files, input, fn)
  local errors = {}
  if #files == 0 then files = { "-" } end
  for _, file in ipairs(files) do
    local text, why
    if file == "-" then text = input else text, why = shell:read(file) end
    if text then fn(text, file) else errors[#errors + 1] = ("%s: %s: %s\n"):format(name, file, why) end
  end
  return #errors > 0 and 1 or 0, table.concat(errors)
end

---Lines with their ends.
local function lines_of(text)
  local lines = {}
  for line in text:gmatch "[^\n]*\n?" do if line ~= "" then lines[#lines + 1] = line end end
  return lines
end

M["true"] = function() return "", 0 end
M["false"] = function() return "", 1 end
function M.sleep(_, argv)
  if not argv[2] then return "", 1, "sleep: missing operand\nTry 'sleep --help' for more information.\n" end
  return "", 0
end
function M.sync() return "", 0 end

-- Text ---------------------------------------------------------------------------------------------------------------

local ESCAPES = { n = "\n", t = "\t", r = "\r", a = "\a", b = "\b", ["\\"] = "\\" }
local function unescape(text)
  text = text:gsub("\\0(%d%d?%d?)", function(d) return string.char(tonumber(d, 8) % 256) end)
  return (text:gsub("\\(.)", function(c) return ESCAPES[c] end))
end

function M.echo(_, argv)
  local from, newline, escapes = 2, true, true -- as dash: escapes are read
  while argv[from] and argv[from]:find "^%-[neE]+$" do
    if argv[from]:find "n" then newline = false end
    if argv[from]:find "E" then escapes = false end
    from = from + 1
  end
  local text = table.concat(argv, " ", from)
  return (escapes and unescape(text) or text) .. (newline and "\n" or ""), 0
end

function M.printf(_, argv)
  local format, at, out = argv[2], 3, {}
  if not format then return "", 2, "printf: usage: printf format [arg ...]\n" end
  format = unescape(format)
  repeat
    local used = false
    out[#out + 1] = (format:gsub("%%([-+ 0#]*%d*%.?%d*)([%a%%])", function(flags, kind)
      if kind == "%" then return "%" end
      local arg = argv[at]
      at, used = at + 1, true
      if flags:find "%d%d%d" then error("exec: not supported yet: printf of more than 99 columns", 0) end
      if kind == "s" then return ("%" .. flags .. "s"):format(arg or "") end
      if kind == "b" then return unescape(arg or "") end
      local number = math.tointeger(tonumber(arg) or 0) or 0
      if kind:find "[dixXo]" then return ("%" .. flags .. kind):format(number) end
      return ("%" .. flags .. "f"):format(tonumber(arg) or 0)
    end))
  until not used or at > #argv
  return table.concat(out), 0
end

function M.cat(shell, argv, input)
  local options, files = getopt(argv, "nuvA", "")
  if not options then return bad_option("cat", files) end
  local out, number = {}, 0
  local code, err = each_input(shell, "cat", files, input, function(text)
    if not options.n then out[#out + 1] = text return end
    for _, line in ipairs(lines_of(text)) do
      number = number + 1
      out[#out + 1] = ("%6d\t%s"):format(number, line)
    end
  end)
  return table.concat(out), code, err
end

local function ends(name, pick)
  return function(shell, argv, input)
    for i, arg in ipairs(argv) do if arg:find "^%-%d+$" then argv[i] = "-n" .. arg:sub(2) end end
    local options, files = getopt(argv, "qvf", "nc")
    if not options then return bad_option(name, files) end
    local out = {}
    local code, err = each_input(shell, name, files, input, function(text, file)
      if #files > 1 then out[#out + 1] = ("%s==> %s <==\n"):format(#out > 0 and "\n" or "", file) end
      out[#out + 1] = pick(text, options)
    end)
    return table.concat(out), code, err
  end
end

M.head = ends("head", function(text, options)
  if options.c then return text:sub(1, tonumber(options.c)) end
  return table.concat(lines_of(text), "", 1, math.min(tonumber(options.n) or 10, #lines_of(text)))
end)
M.tail = ends("tail", function(text, options)
  if options.c then return text:sub(-tonumber(options.c)) end
  local lines = lines_of(text)
  local n = options.n or "10"
  local from = n:sub(1, 1) == "+" and tonumber(n:sub(2)) or #lines - (tonumber(n) or 10) + 1
  return table.concat(lines, "", math.max(1, from))
end)

function M.wc(shell, argv, input)
  local options, files = getopt(argv, "lwc", "")
  if not options then return bad_option("wc", files) end
  local all = not (options.l or options.w or options.c)
  local out, totals = {}, { 0, 0, 0 }
  local function show(counts, file)
    local shown = {}
    for i, letter in ipairs { "l", "w", "c" } do
      if all or options[letter] then shown[#shown + 1] = tostring(counts[i]) end
    end
    local row = #shown > 1 and ("%7s"):rep(#shown, " "):format(table.unpack(shown)) or shown[1]
    out[#out + 1] = row .. (file and " " .. file or "") .. "\n"
  end
  local code, err = each_input(shell, "wc", files, input, function(text, file)
    local counts = { select(2, text:gsub("\n", "")), select(2, text:gsub("%S+", "")), #text }
    for i = 1, 3 do totals[i] = totals[i] + counts[i] end
    show(counts, file ~= "-" and file or nil)
  end)
  if #files > 1 then show(totals, "total") end
  return table.concat(out), code, err
end

---A basic or extended regular expression as a test of a line: alternatives of Lua patterns.
local function regex(text, extended, ignore_case)
  local patterns = {}
  local function plain(c) return c:find "%p" and "%" .. c or c end
  for alternative in (text .. (extended and "|" or "\n")):gmatch(extended and "(.-)|" or "(.-)\n") do
    local out, i = {}, 1
    while i <= #alternative do
      local c = alternative:sub(i, i)
      if c == "\\" then
        i = i + 1
        c = alternative:sub(i, i)
        out[#out + 1] = (not extended and c:find "[+?]") and c or plain(c)
      elseif c == "[" then
        local set = alternative:match("^%[%^?%]?[^%]]*%]", i)
        if not set then return nil end
        out[#out + 1] = set:gsub("%%", "%%%%"):gsub("%[:(%a+):%]", "%%%1")
        i = i + #set - 1
      elseif c == "." or c == "*" or (extended and c:find "[+?]") or (c == "^" and i == 1) or (c == "$" and i == #alternative) then
        out[#out + 1] = c
      elseif extended and c:find "[(){}]" then
        return nil
      else
        out[#out + 1] = plain(c)
      end
      i = i + 1
    end
    local pattern = table.concat(out)
    patterns[#patterns + 1] = ignore_case and pattern:lower() or pattern
  end
  return function(line)
    if ignore_case then line = line:lower() end
    for _, pattern in ipairs(patterns) do if line:find(pattern) then return true end end
    return false
  end
end

local function fixed(text, ignore_case)
  if ignore_case then text = text:lower() end
  return function(line) return (ignore_case and line:lower() or line):find(text, 1, true) ~= nil end
end

function M.grep(shell, argv, input)
  local options, operands = getopt(argv, "ivcnqEFslohw", "e")
  if not options then return bad_option("grep", operands) end
  local text = options.e or table.remove(operands, 1)
  if not text then return "", 2, "Usage: grep [OPTION]... PATTERNS [FILE]...\n" end
  local matches = options.F and fixed(text, options.i) or regex(text, options.E, options.i)
  if not matches then return "", 2, ("grep: expression not supported yet: %s\n"):format(text) end
  local out, any = {}, false
  local code, err = each_input(shell, "grep", operands, input, function(content, file)
    local count, prefix = 0, #operands > 1 and not options.h and file .. ":" or ""
    for number, line in ipairs(lines_of(content)) do
      if matches(line:gsub("\n$", "")) ~= (options.v or false) then
        count, any = count + 1, true
        if not (options.c or options.q or options.l) then
          out[#out + 1] = prefix .. (options.n and number .. ":" or "") .. line:gsub("\n?$", "\n")
        end
      end
    end
    if options.c then out[#out + 1] = prefix .. count .. "\n" end
    if options.l and count > 0 then out[#out + 1] = file .. "\n" end
  end)
  return table.concat(out), code > 0 and 2 or any and 0 or 1, options.s and "" or err
end

M.egrep = function(shell, argv, input) return M.grep(shell, { "grep", "-E", table.unpack(argv, 2) }, input) end
M.fgrep = function(shell, argv, input) return M.grep(shell, { "grep", "-F", table.unpack(argv, 2) }, input) end

function M.sort(shell, argv, input)
  local options, files = getopt(argv, "rnu", "k")
  if not options then return bad_option("sort", files) end
  local lines = {}
  local code, err = each_input(shell, "sort", files, input, function(text)
    for _, line in ipairs(lines_of(text)) do lines[#lines + 1] = line:gsub("\n?$", "\n") end
  end)
  local function number(line) return tonumber(line:match "^%s*(-?%d+%.?%d*)") or 0 end
  table.sort(lines, function(a, b)
    if options.r then a, b = b, a end
    if options.n and number(a) ~= number(b) then return number(a) < number(b) end
    return a < b
  end)
  if options.u then
    local unique = {}
    for _, line in ipairs(lines) do if unique[#unique] ~= line then unique[#unique + 1] = line end end
    lines = unique
  end
  return table.concat(lines), code, err
end

function M.uniq(shell, argv, input)
  local options, files = getopt(argv, "c", "")
  if not options then return bad_option("uniq", files) end
  local out, last, count = {}, nil, 0
  local function flush()
    if last then out[#out + 1] = options.c and ("%7d %s"):format(count, last) or last end
  end
  local code, err = each_input(shell, "uniq", files, input, function(text)
    for _, line in ipairs(lines_of(text)) do
      if line == last then count = count + 1 else flush(); last, count = line, 1 end
    end
  end)
  flush()
  return table.concat(out), code, err
end

function M.tee(shell, argv, input)
  local options, files = getopt(argv, "a", "")
  if not options then return bad_option("tee", files) end
  local code, err = 0, {}
  for _, file in ipairs(files) do
    local done, why = shell:write(file, input, options.a)
    if not done then code, err[#err + 1] = 1, ("tee: %s: %s\n"):format(file, why) end
  end
  return input, code, table.concat(err)
end

local MAX_LINES = 1000000

function M.seq(_, argv)
  local first, last = tonumber(argv[3] and argv[2] or 1), tonumber(argv[#argv])
  local out = {}
  first, last = first or 1, last or 0
  if last - first > MAX_LINES then error(("exec: not supported yet: seq of more than %d numbers"):format(MAX_LINES), 0) end
  for i = first, last do out[#out + 1] = ("%g\n"):format(i) end
  return table.concat(out), 0
end

function M.basename(_, argv)
  local name = (argv[2] or ""):gsub("/+$", ""):match "[^/]*$"
  if argv[3] and name:sub(-#argv[3]) == argv[3] and name ~= argv[3] then name = name:sub(1, -#argv[3] - 1) end
  return name .. "\n", 0
end

function M.dirname(_, argv)
  local path = (argv[2] or ""):gsub("/+$", "")
  local up = path:match "^(.*)/[^/]*$"
  return (up == "" and "/" or up or ".") .. "\n", 0
end

-- Files --------------------------------------------------------------------------------------------------------------

local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

local function long_line(file)
  local t = os.date("!*t", math.floor(file.changed or 0))
  return ("%s 1 root root %5d %s %2d %02d:%02d %s\n"):format(file.directory and "drwxr-xr-x" or "-rw-r--r--",
    file.directory and 4096 or file.size or 0, MONTHS[t.month], t.day, t.hour, t.min, file.name)
end

function M.ls(shell, argv)
  local options, operands = getopt(argv, "la1AdhFrt", "")
  if not options then return bad_option("ls", operands) end
  if #operands == 0 then operands = { "." } end
  table.sort(operands)
  local out, err, code, files, directories = {}, {}, 0, {}, {}
  for _, path in ipairs(operands) do
    local found, why = shell:stat(path)
    if not found then
      code, err[#err + 1] = 2, ("ls: cannot access '%s': %s\n"):format(path, why)
    elseif found.directory and not options.d then
      directories[#directories + 1] = path
    else
      files[#files + 1] = { name = path, directory = found.directory, size = found.size, changed = found.changed }
    end
  end
  local function show(list)
    for _, file in ipairs(list) do
      if options.a or options.A or file.name:sub(1, 1) ~= "." or list == files then
        out[#out + 1] = options.l and long_line(file) or file.name .. "\n"
      end
    end
  end
  show(files)
  for i, path in ipairs(directories) do
    if #operands > 1 then out[#out + 1] = ("%s%s:\n"):format((i > 1 or #files > 0) and "\n" or "", path) end
    local list = shell:list_files(path) or {}
    if options.l then
      out[#out + 1] = ("total %d\n"):format(4 * #list)
    end
    if options.a then
      list = table.move(list, 1, #list, 3, { { name = ".", directory = true }, { name = "..", directory = true } })
    end
    show(list)
  end
  return table.concat(out), code, table.concat(err)
end

function M.touch(shell, argv)
  local err, code = {}, 0
  for i = 2, #argv do
    if argv[i]:sub(1, 1) ~= "-" then
      local done, why = shell:write(argv[i], "", true)
      if not done then code, err[#err + 1] = 1, ("touch: cannot touch '%s': %s\n"):format(argv[i], why) end
    end
  end
  return "", code, table.concat(err)
end

function M.mkdir(shell, argv)
  local options, paths = getopt(argv, "pv", "m")
  if not options then return bad_option("mkdir", paths) end
  local err, code = {}, 0
  for _, path in ipairs(paths) do
    local done, why = shell.core:file_mkdir(shell.namespace, shell.pod, shell.container, shell:path(path), options.p or false)
    if not done then code, err[#err + 1] = 1, ("mkdir: cannot create directory '%s': %s\n"):format(path, why) end
  end
  return "", code, table.concat(err)
end

local function remove(shell, path, recursive)
  return shell.core:file_remove(shell.namespace, shell.pod, shell.container, shell:path(path), recursive)
end

function M.rm(shell, argv)
  local options, paths = getopt(argv, "rRfv", "")
  if not options then return bad_option("rm", paths) end
  local err, code = {}, 0
  local recursive = options.r or options.R or false
  if #paths == 0 and not options.f then return "", 1, "rm: missing operand\nTry 'rm --help' for more information.\n" end
  for _, path in ipairs(paths) do
    local found, why = shell:stat(path)
    local done
    if found and found.directory and not recursive then
      why = "Is a directory"
    elseif found then
      done, why = remove(shell, path, recursive)
    elseif options.f then
      done = true
    end
    if not done then code, err[#err + 1] = 1, ("rm: cannot remove '%s': %s\n"):format(path, why) end
  end
  return "", code, table.concat(err)
end

function M.rmdir(shell, argv)
  local err, code = {}, 0
  for i = 2, #argv do
    local found, why = shell:stat(argv[i])
    local done
    if found and not found.directory then why = "Not a directory" elseif found then done, why = remove(shell, argv[i], false) end
    if not done then code, err[#err + 1] = 1, ("rmdir: failed to remove '%s': %s\n"):format(argv[i], why) end
  end
  return "", code, table.concat(err)
end

---Copies a file, or a directory with what is in it.
local function copy(shell, from, to, recursive)
  local found, why = shell:stat(from)
  if not found then return nil, ("cannot stat '%s': %s"):format(from, why) end
  if not found.directory then
    local text, unread = shell:read(from)
    if not text then return nil, ("cannot open '%s' for reading: %s"):format(from, unread) end
    local done, unwritten = shell:write(to, text, false)
    if done then return true end
    return nil, ("cannot create regular file '%s': %s"):format(to, unwritten)
  end
  if not recursive then return nil, ("-r not specified; omitting directory '%s'"):format(from) end
  shell.core:file_mkdir(shell.namespace, shell.pod, shell.container, shell:path(to), true)
  for _, file in ipairs(shell:list_files(from) or {}) do
    local done, problem = copy(shell, from .. "/" .. file.name, to .. "/" .. file.name, true)
    if not done then return nil, problem end
  end
  return true
end

local function mover(name, takes_away)
  return function(shell, argv)
    local options, paths = getopt(argv, "rRafpv", "")
    if not options then return bad_option(name, paths) end
    if #paths < 2 then
      local what = #paths == 0 and "file" or "destination file"
      return "", 1, ("%s: missing %s operand\nTry '%s --help' for more information.\n"):format(name, what, name)
    end
    local target = table.remove(paths)
    local into = shell:stat(target)
    into = into and into.directory
    if #paths > 1 and not into then return "", 1, ("%s: target '%s': Not a directory\n"):format(name, target) end
    local err, code = {}, 0
    for _, path in ipairs(paths) do
      local to = into and target:gsub("/+$", "") .. "/" .. path:gsub("/+$", ""):match "[^/]*$" or target
      local done, why = copy(shell, path, to, takes_away or options.r or options.R or options.a)
      if done and takes_away then
        local gone, kept = remove(shell, path, true)
        if not gone then done, why = nil, ("cannot remove '%s': %s"):format(path, kept) end
      end
      if not done then code, err[#err + 1] = 1, ("%s: %s\n"):format(name, why) end
    end
    return "", code, table.concat(err)
  end
end
M.cp = mover("cp", false)
M.mv = mover("mv", true)

function M.df(shell, argv)
  local options, paths = getopt(argv, "hkTm", "")
  if not options then return bad_option("df", paths) end
  local out = { "Filesystem     1K-blocks  Used Available Use% Mounted on\n" }
  local function row(source, size, path)
    local blocks = size and math.floor(size / 1024) or 0
    out[#out + 1] = ("%-14s %9d %5d %9d %3d%% %s\n"):format(source, blocks, 0, blocks, 0, path)
  end
  local mounts = shell.core:mounts(shell.namespace, shell.pod, shell.container)
  if #paths == 0 then row("overlay", 100 * 1024 ^ 3, "/") end
  for _, mount in ipairs(mounts or {}) do
    local wanted = #paths == 0
    for _, path in ipairs(paths) do
      local absolute = shell:path(path)
      wanted = wanted or absolute == mount.path or absolute:sub(1, #mount.path + 1) == mount.path .. "/"
    end
    if wanted then row(mount.source or "overlay", mount.size, mount.path) end
  end
  return table.concat(out), 0
end

function M.mount(shell)
  local out = { "overlay on / type overlay (rw,relatime)\n" }
  for _, mount in ipairs(shell.core:mounts(shell.namespace, shell.pod, shell.container) or {}) do
    local source, mode = mount.source or mount.volume or "none", mount.readOnly and "ro" or "rw"
    out[#out + 1] = ("%s on %s type ext4 (%s,relatime)\n"):format(source, mount.path, mode)
  end
  return table.concat(out), 0
end

function M.pwd(shell) return shell.cwd .. "\n", 0 end

-- Conditions -----------------------------------------------------------------------------------------------------------

local UNARY = {
  ["-n"] = function(_, x) return x ~= "" end,
  ["-z"] = function(_, x) return x == "" end,
  ["-e"] = function(shell, x) return shell:stat(x) ~= nil end,
  ["-f"] = function(shell, x) local s = shell:stat(x) return s ~= nil and not s.directory end,
  ["-d"] = function(shell, x) local s = shell:stat(x) return s ~= nil and s.directory end,
  ["-s"] = function(shell, x) local s = shell:stat(x) return s ~= nil and (s.size or 0) > 0 end,
}
UNARY["-r"], UNARY["-w"], UNARY["-x"] = UNARY["-e"], UNARY["-e"], UNARY["-e"]

local BINARY = {
  ["="] = function(a, b) return a == b end,
  ["=="] = function(a, b) return a == b end,
  ["!="] = function(a, b) return a ~= b end,
}
for op, compare in pairs {
  ["-eq"] = function(a, b) return a == b end, ["-ne"] = function(a, b) return a ~= b end, ["-lt"] = function(a, b) return a < b end,
  ["-le"] = function(a, b) return a <= b end, ["-gt"] = function(a, b) return a > b end, ["-ge"] = function(a, b) return a >= b end,
} do
  BINARY[op] = function(a, b)
    local x, y = tonumber(a), tonumber(b)
    if not x or not y then error({ number = x and b or a }, 0) end
    return compare(x, y)
  end
end

---Evaluates the words from..to of a condition.
local function condition(shell, words, from, to)
  local count = to - from + 1
  if count <= 0 then return false end
  for _, op in ipairs { "-o", "-a" } do
    for i = from + 1, to - 1 do
      if words[i] == op and not BINARY[words[i - 1]] then
        local left, right = condition(shell, words, from, i - 1), condition(shell, words, i + 1, to)
        if op == "-o" then return left or right end
        return left and right
      end
    end
  end
  if count == 1 then return words[from] ~= "" end
  if count == 3 and BINARY[words[from + 1]] then return BINARY[words[from + 1]](words[from], words[to]) end
  if words[from] == "!" then return not condition(shell, words, from + 1, to) end
  if count == 2 and UNARY[words[from]] then return UNARY[words[from]](shell, words[to]) end
  error({ operator = words[count == 2 and from or from + 1] }, 0)
end

function M.test(shell, argv)
  local to = #argv
  if argv[1] == "[" then
    if argv[to] ~= "]" then return "", 2, "sh: 1: [: missing ]\n" end
    to = to - 1
  end
  local fine, result = pcall(condition, shell, argv, 2, to)
  if fine then return "", result and 0 or 1 end
  if type(result) ~= "table" then error(result, 0) end
  if result.number then return "", 2, ("sh: 1: %s: Illegal number: %s\n"):format(argv[1], result.number) end
  return "", 2, ("sh: 1: %s: %s: unexpected operator\n"):format(argv[1], result.operator)
end
M["["] = M.test

-- The container --------------------------------------------------------------------------------------------------------

local function environment_lines(shell)
  local lines = {}
  for name, value in pairs(shell:environment()) do lines[#lines + 1] = name .. "=" .. value end
  table.sort(lines)
  return lines
end

function M.env(shell, argv, input)
  local i, set = 2, {}
  while argv[i] do
    local name, value = argv[i]:match "^([^=]+)=(.*)$"
    if not name then break end
    set[#set + 1] = { name, value, shell.vars[name], shell.exported[name] }
    shell.vars[name], shell.exported[name] = value, true
    i = i + 1
  end
  local out, code, err
  if argv[i] then
    local streams = { input = input, out = {}, err = {} }
    code = shell:program(table.move(argv, i, #argv, 1, {}), streams)
    out, err = table.concat(streams.out), table.concat(streams.err)
  else
    local lines = environment_lines(shell)
    out, code = #lines > 0 and table.concat(lines, "\n") .. "\n" or "", 0
  end
  for _, s in ipairs(set) do shell.vars[s[1]], shell.exported[s[1]] = s[3], s[4] end
  return out, code, err
end

function M.printenv(shell, argv)
  if not argv[2] then return M.env(shell, { "env" }, "") end
  local value = shell:environment()[argv[2]]
  if not value then return "", 1 end
  return value .. "\n", 0
end

function M.hostname(shell, argv)
  local short, full = shell.core:pod_hostname(shell.namespace, shell.pod)
  if argv[2] == "-f" or argv[2] == "--fqdn" then return full .. "\n", 0 end
  if argv[2] == "-i" or argv[2] == "-I" then
    local found = shell.core:host_addresses(shell.namespace, shell.pod, short)
    return (found and found[1] or "") .. (argv[2] == "-I" and " \n" or "\n"), 0
  end
  if argv[2] == "-d" then return full:sub(#short + 2) .. "\n", 0 end
  if argv[2] == "-s" or not argv[2] then return short .. "\n", 0 end
  return "", 1, "hostname: you must be root to change the host name\n"
end

local function unix_time(shell)
  local y, mo, d, h, mi, s = shell.core:clock():match "^(%d+)%-(%d+)%-(%d+)T(%d+):(%d+):(%d+)"
  local year, month = tonumber(y), tonumber(mo)
  if month <= 2 then year, month = year - 1, month + 12 end -- days since 1970: no time zone of the host gets in
  local days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + tonumber(d) - 719469
  return ((days * 24 + tonumber(h)) * 60 + tonumber(mi)) * 60 + tonumber(s)
end

function M.date(shell, argv)
  local format, now = "%a %b %e %H:%M:%S UTC %Y", unix_time(shell)
  for i = 2, #argv do
    if argv[i]:sub(1, 1) == "+" then format = argv[i]:sub(2)
    elseif argv[i] == "-I" then format = "%Y-%m-%d"
    elseif argv[i] == "-Iseconds" then format = "%Y-%m-%dT%H:%M:%S+00:00"
    elseif argv[i] ~= "-u" then return "", 1, ("date: invalid date '%s'\n"):format(argv[i]) end
  end
  format = format:gsub("%%s", tostring(now)):gsub("%%N", "000000000"):gsub("%%z", "+0000"):gsub("%%Z", "UTC"):gsub("%%F", "%%Y-%%m-%%d")
    :gsub("%%T", "%%H:%%M:%%S"):gsub("%%e", ("%2d"):format(os.date("!*t", now).day))
  local fine, text = pcall(os.date, "!" .. format, now)
  return (fine and text or format) .. "\n", 0
end

function M.id(_, argv)
  if argv[2] == "-u" or argv[2] == "-g" then return "0\n", 0 end
  if argv[2] == "-un" then return "root\n", 0 end
  return "uid=0(root) gid=0(root) groups=0(root)\n", 0
end
function M.whoami() return "root\n", 0 end

function M.uname(shell, argv)
  if argv[2] == "-n" then return (shell.core:pod_hostname(shell.namespace, shell.pod)) .. "\n", 0 end
  if argv[2] == "-m" then return "x86_64\n", 0 end
  return "Linux\n", 0
end

function M.which(_, argv)
  local out, code = {}, 0
  for i = 2, #argv do
    if M[argv[i]] then out[#out + 1] = ("/usr/bin/%s\n"):format(argv[i]) else code = 1 end
  end
  return table.concat(out), code
end

function M.ps(shell)
  local out = { "PID   USER     TIME  COMMAND\n" }
  for i, line in ipairs { { 1, shell.container }, { 7, "sh" }, { 8, "ps" } } do
    out[i + 1] = ("%5d root      0:00 %s\n"):format(line[1], line[2])
  end
  return table.concat(out), 0
end

local SIGNALS = { HUP = 1, INT = 2, QUIT = 3, KILL = 9, TERM = 15 }

---Process 1 is the container's own: a signal that it does not handle never reaches it, KILL among them.
function M.kill(shell, argv)
  local signal, pids = 15, {}
  for i = 2, #argv do
    local name = argv[i]:match "^%-s?(%w+)$"
    if name then
      signal = tonumber(name) or SIGNALS[name:upper():gsub("^SIG", "")]
      if not signal then return "", 1, ("kill: invalid signal '%s'\n"):format(name) end
    else
      pids[#pids + 1] = argv[i]
    end
  end
  if #pids == 0 then return "", 2, "kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec\n" end
  for _, pid in ipairs(pids) do
    if not tonumber(pid) then return "", 1, ("kill: Illegal pid: %s\n"):format(pid) end
    if pid ~= "1" then return "", 1, ("kill: (%s): No such process\n"):format(pid) end
    if signal == 15 or signal == 2 or signal == 3 then
      shell.core:container_kill(shell.namespace, shell.pod, shell.container, 0)
      error({ exit = 137 }, 0) -- the exec ends with its container
    end
  end
  return "", 0
end

local function run_script(shell, argv, input)
  local streams = { input = input, out = {}, err = {} }
  local text, args
  if argv[2] and argv[2]:find "^%-[elx]*c$" then
    text, args = argv[3], table.move(argv, 5, #argv, 1, { [0] = argv[4] })
    if not text then return "", 2, ("%s: 0: -c requires an argument\n"):format(argv[1]) end
    if argv[2]:find "e" then text = "set -e\n" .. text end
  elseif argv[2] then
    local why
    text, why = shell:read(argv[2])
    if not text then
      return "", 2, ("%s: 0: cannot open %s: %s\n"):format(argv[1], argv[2], (why:gsub(" or directory$", "")))
    end
    args = table.move(argv, 3, #argv, 1, { [0] = argv[2] })
  else
    text, args, streams.input = input, {}, ""
  end
  local saved = shell.args
  shell.args = args
  local parser = require "kubesim.shell.parser"
  local fine, result = pcall(function()
    return shell:subshell({ kind = "list", { { pipeline = { commands = { { kind = "group", body = parser.parse(text) } } } } } }, streams)
  end)
  shell.args = saved
  if not fine then
    if type(result) ~= "table" or not result.syntax then error(result, 0) end
    streams.err[#streams.err + 1] = ("sh: 1: %s\n"):format(result.syntax)
    result = 2
  end
  return table.concat(streams.out), result, table.concat(streams.err)
end
M.sh, M.bash, M.ash = run_script, run_script, run_script

-- The network ----------------------------------------------------------------------------------------------------------

local function rest(argv) return table.move(argv, 2, #argv, 1, {}) end

function M.nslookup(shell, argv) return nslookup.run(shell.core, shell.namespace, shell.pod, rest(argv)) end

function M.curl(shell, argv, input)
  return curl.run(shell.core, shell.namespace, shell.pod, rest(argv), input, function(path, text) shell:write(path, text, false) end)
end

function M.wget(shell, argv)
  return curl.wget(shell.core, shell.namespace, shell.pod, rest(argv), function(path, text) shell:write(path, text, false) end)
end

function M.getent(shell, argv)
  if argv[2] ~= "hosts" and argv[2] ~= "ahosts" and argv[2] ~= "ahostsv4" then
    return "", 1, ("Unknown database: %s\n"):format(argv[2] or "")
  end
  if not argv[3] then return shell:read "/etc/hosts", 0 end
  local found = shell.core:host_addresses(shell.namespace, shell.pod, argv[3])
  if not found then return "", 2 end
  local _, _, asked = shell.core:dns_from(shell.namespace, shell.pod, argv[3], "A")
  local out = {}
  for i, address in ipairs(found) do out[i] = ("%-15s %s\n"):format(address, asked or argv[3]) end
  return table.concat(out), 0
end

return M
