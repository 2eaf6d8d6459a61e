-- A container made of tables: what kubesim.shell asks of a cluster's core, for specs of the shell alone.
-- luacheck: no self
local M = {}

local ABSENT = "No such file or directory"

---@param files table<string, string> path -> text; "/dir/" for a directory
---@param env table<string, string>?
function M.new(files, env)
  local core = { files = { ["/"] = true }, killed = {} }
  local function parent(path) return path:match "^(.*)/[^/]+$" end
  local function dirs(path)
    while path and path ~= "" do core.files[path] = core.files[path] or true; path = parent(path) end
  end
  for path, text in pairs(files) do
    if path:sub(-1) == "/" then dirs(path:sub(1, -2)) else dirs(parent(path)); core.files[path] = text end
  end
  function core:container() return "main" end
  function core:container_env() return env or { PATH = "/usr/bin:/bin", HOSTNAME = "web-0" } end
  function core:pod_hostname() return "web-0", "web-0.web.default.svc.cluster.local" end
  function core:clock() return "2026-01-01T00:01:05Z" end
  function core:image_command(_, _, _, argv) return argv[1] == "app" and true or false, "hello\n", "", 0 end
  function core:hosts_file() return "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n" end
  function core:resolv_conf_text() return "search default.svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n" end
  function core:resolv_conf()
    return { nameservers = { "10.96.0.10" }, options = { "ndots:5" },
      searches = { "default.svc.cluster.local", "svc.cluster.local", "cluster.local" } }
  end
  function core:container_kill(_, _, name, code) self.killed[#self.killed + 1] = { name, code } end
  function core:file_read(_, _, _, path)
    local text = self.files[path]
    if text == true then return nil, "Is a directory" end
    if not text then return nil, ABSENT end
    return text
  end
  function core:file_write(_, _, _, path, text, append)
    if self.files[path] == true then return nil, "Is a directory" end
    local up = parent(path)
    if not self.files[up == "" and "/" or up] then return nil, ABSENT end
    if up == "/ro" then return nil, "Read-only file system" end
    self.files[path] = append and (self.files[path] or "") .. text or text
    return true
  end
  function core:file_stat(_, _, _, path)
    local text = self.files[path]
    if not text then return nil, ABSENT end
    return { directory = text == true, size = text == true and 4096 or #text, changed = 1767225600 }
  end
  function core:file_list(_, _, _, path)
    if not self.files[path] then return nil, ABSENT end
    local list, prefix = {}, path == "/" and "/" or path .. "/"
    for name, text in pairs(self.files) do
      if name ~= "/" and name:sub(1, #prefix) == prefix and not name:find("/", #prefix + 1, true) then
        local size = text == true and 4096 or #text
        list[#list + 1] = { name = name:sub(#prefix + 1), directory = text == true, size = size, changed = 1767225600 }
      end
    end
    table.sort(list, function(a, b) return a.name < b.name end)
    return list
  end
  function core:file_mkdir(_, _, _, path, parents)
    if self.files[path] and not parents then return nil, "File exists" end
    if parents then dirs(path) return true end
    local up = parent(path)
    if not self.files[up == "" and "/" or up] then return nil, ABSENT end
    self.files[path] = true
    return true
  end
  function core:file_remove(_, _, _, path, recursive)
    for name in pairs(self.files) do
      if name:sub(1, #path + 1) == path .. "/" then
        if not recursive then return nil, "Directory not empty" end
        self.files[name] = nil
      end
    end
    self.files[path] = nil
    return true
  end
  function core:mounts() return { { path = "/applog", source = "/dev/sdb" } } end
  -- DNS: one headless Service `web` with one pod.
  local names = {
    ["web.default.svc.cluster.local"] = { A = "10.244.0.5" },
    ["web-0.web.default.svc.cluster.local"] = { A = "10.244.0.5" },
    ["default.svc.cluster.local"] = {},
  }
  function core:dns(name, kind)
    local found = names[name]
    if not found then return nil, "NXDOMAIN" end
    if not found[kind] then return nil, "NODATA" end
    return { { name = name, type = kind, ttl = 30, address = found[kind] } }
  end
  function core:host_addresses(_, _, host)
    if host == "web-0.web" or host == "web" then return { "10.244.0.5" } end
  end
  function core:dns_from(_, _, host) return nil, nil, host .. ".default.svc.cluster.local" end
  function core:route(_, _, host, port)
    if not self:host_addresses(nil, nil, host) then return nil, "unresolved" end
    return { address = "10.244.0.5", namespace = "default", pod = "web-0", port = port }
  end
  function core:http(_, _, port, request)
    if port ~= 8080 then return nil, "refused" end
    if request.path == "/missing" then return 404, "nothing here\n" end
    return 200, request.method == "POST" and "got " .. request.body or "web-0 is Running\n"
  end
  return core
end

return M
