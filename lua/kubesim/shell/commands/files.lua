--- Programs that make, copy and remove files.
--- kubesim.shell.commands loads this file when one of these programs is run.
local common <const> = require "kubesim.shell.common"

local getopt <const>, bad_option <const> = common.getopt, common.bad_option

---@type table<string, kubesim.shell.Program>
local M = {}

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

return M
