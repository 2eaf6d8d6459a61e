--- Programs that ask the network: nslookup, curl, wget, getent.
--- kubesim.shell.commands loads this file when one of these programs is run, and these load what they need.

---@type table<string, kubesim.shell.Program>
local M = {}

local function rest(argv) return table.move(argv, 2, #argv, 1, {}) end

function M.nslookup(shell, argv) return require "kubesim.nslookup".run(shell.core, shell.namespace, shell.pod, rest(argv)) end

function M.curl(shell, argv, input)
  return require "kubesim.curl".run(shell.core, shell.namespace, shell.pod, rest(argv), input,
    function(path, text) shell:write(path, text, false) end)
end

function M.wget(shell, argv)
  return require "kubesim.curl".wget(shell.core, shell.namespace, shell.pod, rest(argv),
    function(path, text) shell:write(path, text, false) end)
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
