--- Programs that show what files and mounts there are: ls, df, mount, pwd.
--- kubesim.shell.commands loads this file when one of these programs is run.
local common <const> = require "kubesim.shell.common"

local getopt <const>, bad_option <const> = common.getopt, common.bad_option

---@type table<string, kubesim.shell.Program>
local M = {}

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

return M
