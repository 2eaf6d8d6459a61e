--- What the `kubectl create KIND` commands have in common. k8s.io/kubectl/pkg/cmd/create/create.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local options <const> = require "kubesim.kubectl.options"
local output <const> = require "kubesim.kubectl.output"
local resources <const> = require "kubesim.kubectl.resources"
local writes <const> = require "kubesim.kubectl.writes"

---@class kubesim.kubectl.create
local create = {}

create.flags = { flags.output, flags.save_config, flags.validate, flags.dry_run, flags.manager "kubectl-create" }

---The name of the object, which stands before "--" alone.
---@param ctx kubesim.kubectl.Context
---@param args string[]
---@return string
function create.name(ctx, args)
  local count = ctx.dash or #args
  if count ~= 1 then ctx:usage_error("exactly one NAME is required, got %d", count) end
  return args[1]
end

---A number, or a text where it is none (intstr.Parse).
---@param text string
---@return integer|string
function create.int_or_string(text) return text:find "^[+-]?%d+$" and math.tointeger(tonumber(text)) or text end

---Creates the object and prints it. `failed`: what stands before the server's refusal, as a plain error; nil: the refusal itself.
---@param ctx kubesim.kubectl.Context
---@param object table
---@param failed string?
function create.run(ctx, object, failed)
  local o = { dry_run = options.dry_run(ctx), validate = options.validate(ctx), manager = ctx.flags["field-manager"] }
  local mapping = resources.mapping_of(ctx, object.apiVersion, object.kind)
  local print = output.printer(ctx, "created", o.dry_run, mapping.type)
  if mapping.namespaced and ctx.enforce_namespace then object.metadata.namespace = ctx.namespace end
  object = writes.keep_annotation(object, ctx.flags["save-config"], mapping.type)
  if o.dry_run ~= "client" then
    local err, made = errors.try(writes.create, ctx, { object = object, namespace = mapping.namespaced and ctx.namespace or "" }, o)
    if err then error(failed and errors.plain("%s %s", failed, err.message) or err, 0) end
    object = made
  end
  print(object)
end

return create
