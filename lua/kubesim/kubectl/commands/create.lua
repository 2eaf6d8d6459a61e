--- kubectl create: from manifests, and by words (kubectl/create/*.lua). k8s.io/kubectl/pkg/cmd/create/create.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local writes <const> = require "kubesim.kubectl.writes"

local NOT_SIMULATED <const> = { refused = "this kind is not simulated" }
local NO_USERS <const> = { refused = "users and permissions are not simulated" }

local function small(name)
  return function() return require "kubesim.kubectl.create.small"[name] end
end

local function run(ctx, args)
  ctx:refuse_flag("raw", "edit", "windows-line-endings")
  options.no_args(ctx, args)
  if #ctx.flags.filename == 0 and ctx.flags.kustomize == "" then errors.fail "must specify one of -f and -k" end
  local o = { dry_run = options.dry_run(ctx), validate = options.validate(ctx), manager = ctx.flags["field-manager"] }
  local print, count = output.printer(ctx, "created", o.dry_run), 0
  local err = resources.find(ctx, { files = options.files(ctx), labels = ctx.flags.selector, continue_on_error = true,
    validate = o.validate }):visit(function(info)
    info.object = writes.keep_annotation(info.object, ctx.flags["save-config"])
    ctx:record(info.object)
    if o.dry_run ~= "client" then
      local refused, object = errors.try(writes.create, ctx, info, o)
      if refused then error(errors.from_source("creating", info.source, refused), 0) end
      info.object = object
    end
    count = count + 1
    print(info.object)
  end)
  if err then error(err, 0) end
  if count == 0 then errors.fail "no objects passed to create" end
end

return {
  flags = {
    flags.filename, flags.output, flags.record, flags.validate, flags.save_config, flags.dry_run, flags.selector,
    flags.manager "kubectl-create", { "raw", false, "string", "" }, { "edit", false, "bool", false },
    { "windows-line-endings", false, "bool", false },
  },
  run = run,
  commands = {
    deployment = function() return require "kubesim.kubectl.create.deployment" end,
    configmap = function() return require "kubesim.kubectl.create.configmap" end,
    secret = function() return require "kubesim.kubectl.create.secret" end,
    service = function() return require "kubesim.kubectl.create.service" end,
    namespace = small "namespace", serviceaccount = small "serviceaccount", priorityclass = small "priorityclass",
    quota = small "quota", poddisruptionbudget = small "poddisruptionbudget",
    job = NOT_SIMULATED, cronjob = NOT_SIMULATED, ingress = NOT_SIMULATED, role = NO_USERS, rolebinding = NO_USERS,
    clusterrole = NO_USERS, clusterrolebinding = NO_USERS, token = NO_USERS,
  },
  aliases = { deploy = "deployment", cm = "configmap", svc = "service", ns = "namespace", sa = "serviceaccount", pc = "priorityclass",
    resourcequota = "quota", pdb = "poddisruptionbudget", cj = "cronjob", ing = "ingress" },
}
