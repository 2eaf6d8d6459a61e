-- kubesim.curl: HTTP from inside the cluster, with curl's command line and wording (curl 7.88, as Debian 12 has it), and wget's.

local M = {}

local CONNECT_MS = 0      -- virtual time does not pass while a connection is made
local TIMEOUT_MS = 130000 -- what the kernel takes to give up

---@class kubesim.curl.Url
---@field scheme string
---@field host string
---@field port integer
---@field path string
---@field given_port boolean

---@param url string
---@return kubesim.curl.Url?
---@return string? why
local function parse_url(url)
  local scheme, rest = "http", url
  if url:find("://", 1, true) then
    local said, behind = url:match "^([%a][%w+.-]*)://(.*)$"
    if said then scheme, rest = said, behind end
  end
  scheme = scheme:lower()
  if scheme ~= "http" and scheme ~= "https" then return nil, ("(1) Protocol \"%s\" not supported or disabled in libcurl"):format(scheme) end
  local authority, path = rest:match "^([^/?#]*)(.*)$"
  if authority:find("@", 1, true) then authority = authority:gsub("^.*@", "") end
  local host, port = authority:match "^(.*):(%d*)$"
  host = host or authority
  if host == "" then return nil, "(3) URL using bad/illegal format or missing URL" end
  if path:find("#", 1, true) then path = path:gsub("#.*$", "") end
  if path:sub(1, 1) ~= "/" then path = "/" .. path end
  local number = tonumber(port)
  if number and number > 65535 then return nil, "(3) URL using bad/illegal format or missing URL" end
  return { scheme = scheme, host = host, port = number or (scheme == "https" and 443 or 80), path = path, given_port = number ~= nil }
end

---One request, without printing. Returns status and body, or nil, a word for what failed, and the URL.
---@param core table
---@param namespace string
---@param pod string?
---@param url kubesim.curl.Url
---@param opts {method: string?, body: string?, headers: table<string, string>?}
---@return integer? status
---@return string body or why: "unresolved", "refused", "timeout"
local function request(core, namespace, pod, url, opts)
  local route, why = core:route(namespace, pod, url.host, url.port, "TCP")
  if not route then return nil, why end
  if not route.pod then return nil, "refused" end
  local headers = { Host = url.given_port and url.host .. ":" .. url.port or url.host }
  for name, value in pairs(opts.headers or {}) do headers[name] = value end
  local status, body = core:http(route.namespace, route.pod, route.port, {
    method = opts.method or (opts.body and "POST" or "GET"), path = url.path, body = opts.body or "", headers = headers,
  })
  if not status then return nil, body == "unreachable" and "timeout" or body end
  return status, body or ""
end

---curl's words for what went wrong, without "curl: ".
local function sentence(url, why, limit)
  if why == "unresolved" then return 6, ("(6) Could not resolve host: %s"):format(url.host) end
  if why == "timeout" then
    if limit then
      return 28, ("(28) Connection timed out after %d milliseconds"):format(math.floor(limit * 1000) + 1)
    end
    return 28, ("(28) Failed to connect to %s port %d after %d ms: Couldn't connect to server"):format(url.host, url.port, TIMEOUT_MS)
  end
  return 7, ("(7) Failed to connect to %s port %d after %d ms: Couldn't connect to server"):format(url.host, url.port, CONNECT_MS)
end

---cluster:curl.
---@param core table
---@param namespace string
---@param pod string?
---@param url string
---@param opts {method: string?, body: string?, headers: table<string, string>?}?
---@return string? body
---@return integer|string status, or why: curl's own wording
function M.get(core, namespace, pod, url, opts)
  local parsed, bad = parse_url(url)
  if not parsed then return nil, "curl: " .. bad end
  local status, body = request(core, namespace, pod, parsed, opts or {})
  if status then return body --[[@as string]], status end
  local _, text = sentence(parsed, body)
  return nil, "curl: " .. text
end

local REASONS = {
  [200] = "OK", [201] = "Created", [202] = "Accepted", [204] = "No Content", [301] = "Moved Permanently", [302] = "Found",
  [304] = "Not Modified", [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden", [404] = "Not Found",
  [405] = "Method Not Allowed", [409] = "Conflict", [429] = "Too Many Requests", [500] = "Internal Server Error",
  [501] = "Not Implemented", [502] = "Bad Gateway", [503] = "Service Unavailable", [504] = "Gateway Timeout",
}

local function head(status, body)
  local reason = REASONS[status]
  return ("HTTP/1.1 %d%s\r\nContent-Length: %d\r\n\r\n"):format(status, reason and " " .. reason or "", #body)
end

---Options of curl: how many arguments each takes, and what it means.
local FLAGS = {
  s = "silent", silent = "silent", S = "show_error", ["show-error"] = "show_error", f = "fail", fail = "fail",
  i = "include", include = "include", I = "head", head = "head", L = "location", location = "location", k = "insecure",
  insecure = "insecure", v = "verbose", verbose = "verbose", ["4"] = "ipv4", ipv4 = "ipv4", N = "no_buffer",
}
local WITH_VALUE = {
  X = "method", request = "method", d = "data", data = "data", ["data-raw"] = "data", ["data-binary"] = "data",
  H = "header", header = "header", o = "output", output = "output", m = "max_time", ["max-time"] = "max_time",
  ["connect-timeout"] = "connect_timeout", w = "write_out", ["write-out"] = "write_out", A = "agent", ["user-agent"] = "agent",
  retry = "retry", u = "user", user = "user",
}

local function set_option(options, name, value)
  if name == "data" then
    options.data = options.data and options.data .. "&" .. value or value
  elseif name == "header" then
    local key, text = value:match "^([^:]+):%s*(.*)$"
    if key then options.headers[key] = text end
  else
    options[name] = value
  end
end

---@return table? options
---@return string? why
local function parse_arguments(argv)
  local options, i = { headers = {}, urls = {} }, 1
  while i <= #argv do
    local arg = argv[i]
    local long = arg:match "^%-%-(.+)$"
    if long then
      if FLAGS[long] then options[FLAGS[long]] = true
      elseif WITH_VALUE[long] then
        i = i + 1
        if not argv[i] then return nil, ("curl: option %s: requires parameter"):format(arg) end
        set_option(options, WITH_VALUE[long], argv[i])
      else return nil, ("curl: option %s: is unknown"):format(arg) end
    elseif arg:find "^%-." then
      local letters = arg:sub(2)
      while letters ~= "" do
        local letter = letters:sub(1, 1)
        letters = letters:sub(2)
        if FLAGS[letter] then options[FLAGS[letter]] = true
        elseif WITH_VALUE[letter] then
          if letters == "" then i = i + 1; letters = argv[i] end
          if not letters then return nil, ("curl: option -%s: requires parameter"):format(letter) end
          set_option(options, WITH_VALUE[letter], letters)
          letters = ""
        else return nil, ("curl: option -%s: is unknown"):format(letter) end
      end
    else
      options.urls[#options.urls + 1] = arg
    end
    i = i + 1
  end
  return options
end

local TRY = "curl: try 'curl --help' or 'curl --manual' for more information\n"

local function write_out(format, status, url)
  local values = { http_code = ("%03d"):format(status), response_code = ("%03d"):format(status), url_effective = url }
  return (format:gsub("%%{([%w_]+)}", function(name) return values[name] or "" end):gsub("\\n", "\n"):gsub("\\t", "\t"))
end

---The command curl.
---@param core table
---@param namespace string
---@param pod string?
---@param argv string[] without the program's name
---@param input string? standard input
---@param save (fun(path: string, text: string))? writes a file (-o)
---@return string out
---@return integer code
---@return string err
function M.run(core, namespace, pod, argv, input, save)
  local options, bad = parse_arguments(argv)
  if not options then return "", 2, bad .. "\n" .. TRY end
  if #options.urls == 0 then return "", 2, TRY end
  if options.data == "@-" then options.data = input or "" end
  local out, err, code = {}, {}, 0
  local quiet = options.silent and not options.show_error
  for _, text in ipairs(options.urls) do
    local url, wrong = parse_url(text)
    if not url then
      code = tonumber(wrong:match "%((%d+)%)") or 1
      if not quiet then err[#err + 1] = "curl: " .. wrong .. "\n" end
      goto next
    end
    local limit = tonumber(options.connect_timeout or options.max_time)
    local status, body = request(core, namespace, pod, url, {
      method = options.method or (options.head and "HEAD") or nil, body = options.data, headers = options.headers,
    })
    if not status then
      local why
      code, why = sentence(url, body, limit)
      if not quiet then err[#err + 1] = "curl: " .. why .. "\n" end
      if options.write_out then out[#out + 1] = write_out(options.write_out, 0, text) end
    elseif options.fail and status >= 400 then
      code = 22
      if not quiet then err[#err + 1] = ("curl: (22) The requested URL returned error: %d\n"):format(status) end
    else
      local printed = (options.include or options.head) and head(status, body) or ""
      if not options.head then printed = printed .. body end
      if options.output then
        if save and options.output ~= "/dev/null" then save(options.output, printed) end
      else
        out[#out + 1] = printed
      end
      if options.write_out then out[#out + 1] = write_out(options.write_out, status, text) end
    end
    ::next::
  end
  return table.concat(out), code, table.concat(err)
end

---The command wget, as BusyBox has it: -q, -O FILE, -T SECONDS, --spider, --post-data.
---@return string out
---@return integer code
---@return string err
function M.wget(core, namespace, pod, argv, save)
  local quiet, output, url_text, body, spider, i = false, nil, nil, nil, false, 1
  while i <= #argv do
    local arg = argv[i]
    if arg:find "^%-%-post%-data" then
      body = arg:match "=(.*)$"
      if not body then i = i + 1; body = argv[i] end
    elseif arg == "--spider" then spider = true
    elseif arg:find "^%-%-timeout" or arg == "--tries" then
      if not arg:find "=" then i = i + 1 end
    elseif arg:find "^%-[^-]" then
      local letters = arg:sub(2)
      while letters ~= "" do
        local letter = letters:sub(1, 1)
        letters = letters:sub(2)
        if letter == "q" then quiet = true
        elseif letter == "O" then
          if letters == "" then i = i + 1; letters = argv[i] or "" end
          output, letters = letters, ""
        elseif letter == "T" or letter == "t" then
          if letters == "" then i = i + 1 end
          letters = ""
        elseif letter ~= "S" and letter ~= "c" then
          return "", 1, ("wget: unrecognized option: %s\n"):format(letter)
        end
      end
    else
      url_text = arg
    end
    i = i + 1
  end
  if not url_text then return "", 1, "BusyBox v1.36.1 multi-call binary.\n\nUsage: wget [OPTIONS] URL\n" end
  local url = parse_url(url_text)
  if not url then return "", 1, ("wget: bad address '%s'\n"):format(url_text) end
  local status, text = request(core, namespace, pod, url, { body = body })
  if not status then
    if text == "unresolved" then return "", 1, ("wget: bad address '%s%s'\n"):format(url.host, url.given_port and ":" .. url.port or "") end
    local found = core:host_addresses(namespace, pod, url.host)
    local what = text == "timeout" and "Connection timed out" or "Connection refused"
    return "", 1, ("wget: can't connect to remote host (%s): %s\n"):format(found and found[1] or url.host, what)
  end
  local err = quiet and "" or ("Connecting to %s:%d\n"):format(url.host, url.port)
  if status >= 400 then
    return "", 1, err .. ("wget: server returned error: HTTP/1.1 %d%s\n"):format(status, REASONS[status] and " " .. REASONS[status] or "")
  end
  if spider then return "", 0, err end
  if output == "-" then return text, 0, err end
  local name = output or url.path:match "([^/]+)$" or "index.html"
  if save then save(name, text) end
  return "", 0, quiet and "" or err .. ("saving to '%s'\n'%s' saved\n"):format(name, name)
end

return M
