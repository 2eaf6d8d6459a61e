--- Programs about the container itself: its environment, name, clock and processes; and sh.
--- kubesim.shell.commands loads this file when one of these programs is run.

---@type table<string, kubesim.shell.Program>
local M = {}

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
  local programs <const> = require "kubesim.shell.commands"
  local out, code = {}, 0
  for i = 2, #argv do
    if programs[argv[i]] then out[#out + 1] = ("/usr/bin/%s\n"):format(argv[i]) else code = 1 end
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

return M
