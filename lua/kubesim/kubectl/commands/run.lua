--- kubectl run. k8s.io/kubectl/pkg/cmd/run/run.go, pkg/generate/versioned/{run,service}.go.
local deletion <const> = require "kubesim.kubectl.deletion"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local overrides <const> = require "kubesim.kubectl.overrides"
local writes <const> = require "kubesim.kubectl.writes"

local POLICIES <const> = { Always = true, OnFailure = true, Never = true }
local PULLS <const> = { Always = true, IfNotPresent = true, Never = true }

---Whether a text is an image's reference (github.com/distribution/reference).
local function is_image(text)
  local name, digest = text:match "^([^@]+)@(.+)$"
  if digest and not digest:find "^%a[%w+.-]*:%x+$" then return false end
  name = name or text
  local path, tag = name:match "^(.+):([^/:]+)$"
  if tag and (not tag:find "^[%w_][%w_.-]*$" or #tag > 128) then return false end
  path = path or name
  local first = path:match "^([^/]+)/"
  if first and (first:find "[.:%u]" or first == "localhost") then
    if not first:find "^[%w.-]+:?%d*$" then return false end
    path = path:sub(#first + 2)
  end
  for part in (path .. "/"):gmatch "([^/]*)/" do
    if not part:find "^[a-z0-9][a-z0-9._-]*$" or not part:find "[a-z0-9]$" or part:find "%.%." or part:find "___" then return false end
  end
  return true
end

local function wants_attach(ctx) return ctx.flags.attach or not ctx.changed.attach and ctx.flags.stdin end

local function validate(ctx, args, dry_run)
  local f = ctx.flags
  if #args == 0 or ctx.dash == 0 then ctx:usage_error "NAME is required for run" end
  if f["pod-running-timeout"] <= 0 then ctx:usage_error "--pod-running-timeout must be higher than zero" end
  if f.image == "" then errors.fail "--image is required" end
  if not is_image(f.image) then errors.fail("Invalid image name %s: invalid reference format", errors.quote(f.image)) end
  if f.tty and not f.stdin then ctx:usage_error "-i/--stdin is required for containers with -t/--tty=true" end
  if f.expose and f.port == "" then ctx:usage_error "--port must be set when exposing a service" end
  if f.restart ~= "" and not POLICIES[f.restart] then ctx:usage_error("invalid restart policy: %s", f.restart) end
  local attach = wants_attach(ctx)
  if not attach and f.rm then ctx:usage_error "--rm should only be used for attached containers" end
  if attach and dry_run ~= "none" then
    ctx:usage_error("--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)")
  end
  if f["image-pull-policy"] ~= "" and not PULLS[f["image-pull-policy"]] then
    ctx:usage_error("invalid image pull policy: %s", f["image-pull-policy"])
  end
end

local function parse_map(list, what)
  local map
  for _, text in ipairs(list) do
    local key, value = text:match "^([^=]+)=(.*)$"
    if not key then errors.fail("invalid %s format: %s", what, text) end
    map = map or {}
    map[key] = value
  end
  return map
end

local function labels_of(f, name) return f.labels == "" and { run = name } or require "kubesim.kubectl.pairs".labels(f.labels) end

local function env_of(list)
  local env
  for _, text in ipairs(list) do
    local name, value = text:match "^([^=]+)=(.*)$"
    if not name or #require "kubesim.kubectl.names".env(name) > 0 then errors.fail("invalid env: %s", text) end
    env = env or {}
    env[#env + 1] = { name = name, value = value ~= "" and value or nil } -- as Go writes it
  end
  return env
end

local function port_of(f)
  if f.port == "" then return nil end
  local port = f.port:find "^[+-]?%d+$" and math.tointeger(tonumber(f.port))
  if not port then errors.fail("strconv.Atoi: parsing %s: invalid syntax", errors.quote(f.port)) end
  return port
end

local function pod(f, args)
  local name, words, port = args[1], #args > 1 and { table.unpack(args, 2) } or nil, port_of(f)
  return {
    apiVersion = "v1", kind = "Pod",
    metadata = { name = name, labels = labels_of(f, name), annotations = parse_map(f.annotations, "annotations") },
    spec = {
      containers = { {
        name = name, image = f.image, resources = {}, command = f.command and words or nil, args = not f.command and words or nil,
        env = env_of(f.env), imagePullPolicy = f["image-pull-policy"] ~= "" and f["image-pull-policy"] or nil,
        stdin = f.stdin or nil, stdinOnce = f.stdin and not f["leave-stdin-open"] or nil, tty = f.tty or nil,
        ports = port and { { containerPort = port } } or nil, securityContext = f.privileged and { privileged = true } or nil,
      } },
      dnsPolicy = "ClusterFirst", restartPolicy = f.restart ~= "" and f.restart or "Always",
    },
    status = {},
  }
end

local function service(f, name)
  local port = port_of(f)
  return {
    apiVersion = "v1", kind = "Service",
    metadata = { name = name, labels = f.labels ~= "" and labels_of(f, name) or nil },
    spec = { selector = labels_of(f, name), ports = { { port = port, protocol = "TCP", targetPort = port } } },
    status = { loadBalancer = {} },
  }
end

local function type_of(object) return "core/v1." .. object.kind end

local function create(ctx, object, dry_run)
  ctx:record(object)
  if ctx.enforce_namespace and dry_run == "client" then object.metadata.namespace = ctx.namespace end
  if dry_run == "client" then return object end
  object = writes.keep_annotation(object, ctx.flags["save-config"], type_of(object))
  return writes.create(ctx, { object = object, namespace = ctx.namespace },
    { validate = "Warn", dry_run = dry_run, manager = ctx.flags["field-manager"] })
end

return {
  flags = {
    flags.output, flags.record, flags.save_config, flags.dry_run, flags.filename, deletion.flags, overrides.flags,
    flags.manager "kubectl-run",
    { "wait", false, "bool", false }, { "annotations", false, "array" }, { "image", false, "string", "" },
    { "image-pull-policy", false, "string", "" }, { "rm", false, "bool", false }, { "env", false, "array" },
    { "port", false, "string", "" }, { "labels", "l", "string", "" }, { "stdin", "i", "bool", false }, { "tty", "t", "bool", false },
    { "attach", false, "bool", false }, { "leave-stdin-open", false, "bool", false }, { "restart", false, "string", "Always" },
    { "command", false, "bool", false }, { "expose", false, "bool", false }, { "quiet", "q", "bool", false },
    { "privileged", false, "bool", false }, { "detach-keys", false, "string", "" },
    { "pod-running-timeout", false, "duration", 60 * 1000000000 },
  },
  required = { "image" },
  run = function(ctx, args)
    ctx:refuse_flag("filename", "kustomize")
    local f, dry_run = ctx.flags, options.dry_run(ctx)
    local print = output.printer(ctx, "created", dry_run, type_of)
    validate(ctx, args, dry_run)
    local made = create(ctx, overrides.apply(ctx, pod(f, args)), dry_run)
    local err, exposed
    if f.expose then
      err, exposed = errors.try(create, ctx, service(f, args[1]), dry_run)
      if exposed then print(exposed) end
      if exposed and f.output == "yaml" then ctx:out "---\n" end
    end
    if wants_attach(ctx) then
      require "kubesim.kubectl.attached".run(ctx, { made, exposed })
    else
      print(made)
    end
    if err then error(err, 0) end
  end,
}
