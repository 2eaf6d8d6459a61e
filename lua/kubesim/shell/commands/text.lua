--- Programs that pick, count and sort lines, and take names apart.
--- kubesim.shell.commands loads this file when one of these programs is run.
local common <const> = require "kubesim.shell.common"

local getopt <const>, bad_option <const>, each_input <const>, lines_of <const>
  = common.getopt, common.bad_option, common.each_input, common.lines_of

---@type table<string, kubesim.shell.Program>
local M = {}

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

return M
