-- kubesim.nslookup: what bind-utils' nslookup prints (bin/dig/nslookup.c), in its classic form.

local M = {}

---Forms of rdata, by type.
local function rdata(record)
  local kind = record.type
  if kind == "A" or kind == "AAAA" then return ("Name:\t%s\nAddress: %s\n"):format(record.name, record.address) end
  if kind == "CNAME" then return ("%s\tcanonical name = %s.\n"):format(record.name, record.target) end
  if kind == "PTR" then return ("%s\tname = %s.\n"):format(record.name, record.target) end
  if kind == "NS" then return ("%s\tnameserver = %s.\n"):format(record.name, record.target) end
  if kind == "SRV" then
    return ("%s\tservice = %d %d %d %s.\n"):format(record.name, record.priority, record.weight, record.port, record.target)
  end
  if kind == "SOA" then
    local mname, rname, serial, refresh, retry, expire, minimum =
      record.text:match "^(%S+)%.%s+(%S+)%.%s+(%d+) (%d+) (%d+) (%d+) (%d+)"
    return ("%s\n\torigin = %s\n\tmail addr = %s\n\tserial = %s\n\trefresh = %s\n\tretry = %s\n\texpire = %s\n\tminimum = %s\n")
      :format(record.name, mname, rname, serial, refresh, retry, expire, minimum)
  end
  return ("%s\ttext = %s\n"):format(record.name, record.text)
end

local function print_records(records)
  local out = {}
  for i, record in ipairs(records) do out[i] = rdata(record) end
  return table.concat(out)
end

---The names that are asked in turn.
local function candidates(config, name)
  if name:sub(-1) == "." then return { (name:gsub("%.$", "")) } end
  local ndots = 1
  for _, option in ipairs(config.options or {}) do ndots = tonumber(option:match "^ndots:(%d+)$") or ndots end
  local list, dots = {}, select(2, name:gsub("%.", ""))
  for _, search in ipairs(config.searches or {}) do list[#list + 1] = name .. "." .. search end
  table.insert(list, dots >= ndots and 1 or #list + 1, name)
  return list
end

---@class kubesim.nslookup.Words
---@field name string?
---@field server string?
---@field type string?

local TYPE_OPTIONS = { type = true, q = true, query = true, querytype = true }

---@param argv string[] without the program's name
---@return kubesim.nslookup.Words
local function parse(argv)
  local words = {}
  for _, arg in ipairs(argv) do
    local option, kind = arg:match "^%-(%a+)=(.+)$"
    kind = TYPE_OPTIONS[(option or ""):lower()] and kind
    if kind then
      words.type = kind:upper()
    elseif arg:sub(1, 1) ~= "-" then
      if words.name then words.server = arg else words.name = arg end
    end
  end
  return words
end

local function reversed(address)
  local a, b, c, d = address:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  return a and ("%s.%s.%s.%s.in-addr.arpa"):format(d, c, b, a)
end

---Asks each candidate until one exists. nslookup walks on NXDOMAIN only.
local function walk(ask, names, kind)
  local records, why, name
  for _, candidate in ipairs(names) do
    name = candidate
    records, why = ask(candidate, kind)
    if records or why ~= "NXDOMAIN" then break end
  end
  return records, why, name
end

---Runs nslookup.
---@param core table the cluster's core
---@param namespace string
---@param pod string? nil: as an ordinary pod of the namespace would
---@param argv string[] without the program's name
---@return string out
---@return integer code
---@return string? err
function M.run(core, namespace, pod, argv)
  local words = parse(argv)
  if not words.name then return "", 1, "nslookup: interactive mode is not supported yet\n" end
  local config = core:resolv_conf(namespace, pod)
  local server = words.server or (config.nameservers or {})[1] or "127.0.0.1"
  if words.server and not server:find "^[%d.]+$" then
    local found = core:host_addresses(namespace, pod, server)
    if not found then return ("nslookup: couldn't get address for '%s': not found\n"):format(server), 1 end
    server = found[1]
  end
  -- Names of the cluster are known to the cluster's servers only: the address that pods are told, or a pod behind it.
  local own = core:resolv_conf(namespace, nil).nameservers[1]
  local function ask(name, kind)
    if server ~= own then return nil, "NXDOMAIN" end
    return core:dns(name, kind)
  end
  local back = reversed(words.name)
  if back then
    local records = ask(back, words.type or "PTR")
    if records then return print_records(records) .. "\n", 0 end
    return ("** server can't find %s: NXDOMAIN\n\n"):format(back), 1
  end
  local head = ("Server:\t\t%s\nAddress:\t%s#53\n\n"):format(server, server)
  local records, why, name = walk(ask, candidates(config, words.name), words.type or "A")
  local plain = words.name:gsub("%.$", "")
  if not records and why ~= "NODATA" then
    return head .. ("** server can't find %s: %s\n\n"):format(plain, why), 1
  end
  local out = records and print_records(records) or ""
  if not words.type then -- the second, silent question
    out = out .. print_records((ask(name, "AAAA")) or {})
    for _, record in ipairs(records or {}) do -- a CNAME comes once
      if record.type == "CNAME" then
        local line = rdata(record)
        local first, last = out:find(line, 1, true)
        out = out:sub(1, last) .. out:sub(last + 1):gsub(line:gsub("%p", "%%%0"), "")
        if not first then break end
      end
    end
  end
  if out == "" then return head .. ("*** Can't find %s: No answer\n\n"):format(words.type and plain or name), 0 end
  return head .. out .. "\n", 0
end

return M
