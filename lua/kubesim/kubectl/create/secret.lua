--- kubectl create secret generic, tls, docker-registry.
--- k8s.io/kubectl/pkg/cmd/create/{create_secret,create_secret_tls,create_secret_docker}.go.
local core <const> = require "kubesim.core"
local create <const> = require "kubesim.kubectl.create.common"
local errors <const> = require "kubesim.kubectl.errors"
local sources <const> = require "kubesim.kubectl.create.sources"

local function run(ctx, name, kind, data)
  create.run(ctx, { apiVersion = "v1", kind = "Secret", metadata = { name = name }, type = kind ~= "" and kind or nil,
    data = next(data) and data or nil }, "failed to create secret")
end

local generic <const> = {
  flags = { create.flags, sources.flags, { "type", false, "string", "" } },
  run = function(ctx, args)
    local name = create.name(ctx, args)
    sources.validate(ctx, name)
    local data = {}
    sources.each(ctx, "Secret", name, function(key, value) data[key] = sources.base64(value) end)
    run(ctx, name, ctx.flags.type, data)
  end,
}

local function read_pem(path, what)
  local file = io.open(path, "rb")
  local text = file and file:read "a"
  if file then file:close() end
  if not text then errors.fail("Cannot read file %s, open %s: no such file or directory", path, path) end
  if not text:find "%-%-%-%-%-BEGIN [^\n]-%-%-%-%-%-\n" then errors.fail("tls: failed to find any PEM data in %s input", what) end
  return sources.base64(text)
end

--- That the key belongs to the certificate is not looked at.
local tls <const> = {
  flags = { create.flags, { "cert", false, "string", "" }, { "key", false, "string", "" }, { "append-hash", false, "bool", false } },
  run = function(ctx, args)
    ctx:refuse_flag "append-hash"
    local f, name = ctx.flags, create.name(ctx, args)
    if f.key == "" or f.cert == "" then errors.fail "key and cert must be specified" end
    run(ctx, name, "kubernetes.io/tls", { ["tls.crt"] = read_pem(f.cert, "certificate"), ["tls.key"] = read_pem(f.key, "key") })
  end,
}

local docker <const> = {
  flags = {
    create.flags, { "docker-username", false, "string", "" }, { "docker-password", false, "string", "" },
    { "docker-email", false, "string", "" }, { "docker-server", false, "string", "https://index.docker.io/v1/" },
    { "append-hash", false, "bool", false }, { "from-file", false, "slice" },
  },
  run = function(ctx, args)
    ctx:refuse_flag "append-hash"
    local f, name = ctx.flags, create.name(ctx, args)
    local user, password, server = f["docker-username"], f["docker-password"], f["docker-server"]
    if #f["from-file"] == 0 and (user == "" or password == "" or server == "") then
      errors.fail "either --from-file or the combination of --docker-username, --docker-password and --docker-server is required"
    end
    local data = {}
    if #f["from-file"] > 0 then
      sources.each(ctx, "Secret", name, function(key, value) data[key] = sources.base64(value) end)
    else
      -- the fields in the order of Go's structure
      local function text(value) return (core.encode(value, "go")) end
      local email = f["docker-email"]
      data[".dockerconfigjson"] = sources.base64(('{"auths":{%s:{"username":%s,"password":%s%s,"auth":%s}}}'):format(text(server),
        text(user), text(password), email ~= "" and ',"email":' .. text(email) or "", text(sources.base64(user .. ":" .. password))))
    end
    run(ctx, name, "kubernetes.io/dockerconfigjson", data)
  end,
}

return { commands = { generic = generic, tls = tls, ["docker-registry"] = docker } }
