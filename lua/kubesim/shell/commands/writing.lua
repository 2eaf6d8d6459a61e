--- Programs that write what they are told, or what they read: echo, printf, cat, tee, seq; and those that do nothing.
--- kubesim.shell.commands loads this file when one of these programs is run.
local common <const> = require "kubesim.shell.common"

local getopt <const>, bad_option <const>, each_input <const>, lines_of <const>
  = common.getopt, common.bad_option, common.each_input, common.lines_of

---@type table<string, kubesim.shell.Program>
local M = {}

M["true"] = function() return "", 0 end
M["false"] = function() return "", 1 end
function M.sleep(_, argv)
  if not argv[2] then return "", 1, "sleep: missing operand\nTry 'sleep --help' for more information.\n" end
  return "", 0
end
function M.sync() return "", 0 end

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

return M
